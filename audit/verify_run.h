/*
 * verify_run.h - what the parts of the verifier share during one run.
 * Functions that return bool do so for what ends the run (no memory, a file that cannot be read);
 * what is wrong with the bundle goes to verify_run_find.
 */
#pragma once
#include "audit/map.h"
#include "audit/verify.h"

/* Chains that were judged (verify_chain.c), in an arena of their own. */
struct verify_chains {
	struct map map;
	struct arena a;
};
/* A fixed-size key over some strings. */
struct verify_key {
	uint8_t bytes[32];
};

/* A party's tree, rebuilt. */
struct verify_tree {
	struct merkle tree;
	uint64_t covered, heads, last_head; /* of its PARTY_HEADs, the last one's size and index */
	uint8_t root[32];		    /* that it states */
	const struct verify_kept *kept;	    /* what was verified before, or NULL */
};

enum verify_answer { VERIFY_UNKNOWN = 0, VERIFY_NO, VERIFY_YES };

/* A report, by publisher and id. */
struct verify_report {
	uint64_t intake;
	uint64_t accepted; /* slot 1 of the INTAKE */
	uint8_t manifest[32];
	bool has_policy; /* slot 4 of the INTAKE: */
	uint8_t policy[32];
	enum verify_answer backfill; /* what its routing says; unknown: that is not here */
	bool withdrawn;		     /* by a RECALL or SUPERSEDE so far */
	bool has_session;	     /* from which it came: */
	uint8_t session[32];	     /* its certificate */
	uint32_t agent, banner;	     /* numbers of texts */
	bool counted;		     /* how many portions it has is known: */
	size_t portions;	     /* by its line of report/, or else by its first decision */
	size_t head_count;	     /* 0: the heads are not in the bundle */
	uint8_t (*commitments)[32];  /* of the heads, in reading order */
};

/* What is decided now for one recipient of a report. */
struct verify_current {
	bool known;
	uint64_t index;
	enum outcome outcome; /* 0: ended (expired, recalled, superseded) */
	bool has_released;
	bool delivered; /* under this decision */
	bool ever;	/* or under one that it replaced */
	uint8_t released[32];
	uint32_t agreements, marking; /* numbers of texts */
	bool has_facts;
	uint8_t facts[32];
	uint8_t open[32]; /* bit p: portion p is released or held */
	uint8_t held[32]; /* ..or held */
	size_t approvals; /* APPROVAL records so far */
};

struct verify_delivery { /* numbers of texts; 0: not opened here */
	uint32_t recipient, publisher;
};

enum { VERIFY_HEADS = 256 };
struct verify_erasure {
	bool closed; /* slot 6 of the record is */
	bool named;  /* an ERASE names it */
};

/* The facts that were read last: consecutive decisions share them. */
struct verify_facts {
	bool known, present;
	uint8_t digest[32];
	uint64_t time, accepted, expires; /* µs */
	size_t approvals;		  /* how many they have */
	bool backfill;			  /* they have field 19, once */
};

/* Of one agreement of one policy: who may receive, and its version. */
struct verify_receivers {
	bool looked, policy, found; /* asked for; the policy is there; it has the agreement */
	bool backfill;		    /* a line of its block says so */
	struct bytes *names, version;
	size_t count;
};

/* An INTAKE and the DECISIONs behind it. */
enum { VERIFY_RUN_AGREEMENTS = 8 };
struct verify_run {
	struct arena a; /* holds the rest */
	uint64_t intake, last;
	struct bytes publisher, report;
	uint8_t policy[32], facts[32];
	size_t decisions;
	struct bytes agreements[VERIFY_RUN_AGREEMENTS]; /* that the reasons name */
	size_t agreement_count;
	bool unnamed; /* a reason names none, or there are more */
	bool alone;   /* in report/ the INTAKE has a notice and no heads */
};

/* A record with its slots taken apart; what is closed is all absent. */
struct verify_slots {
	struct verify_record r;
	struct slot_release release;
	struct slot_publication publication;
	struct slot_decision decision;
	struct slot_hub hub;
	struct body body;
	uint64_t place;
	const struct record_said *said; /* all of it, as it was read */
};

struct verify {
	struct sha256 *h;
	struct arena *keep; /* lives as long as the result */
	const struct verify_ask *ask;
	struct verify_result *out;
	struct checkpoint head;
	struct bundle_about about;
	struct log log; /* the tree as far as it was walked */
	bool has_policy;
	uint8_t policy[32];    /* of the last POLICY record.. */
	uint64_t policy_at;    /* ..and its index */
	bool in_run;	       /* the record before was an INTAKE or a DECISION that follows it */
	struct verify_run run; /* that INTAKE */
	struct map trees;      /* party -> verify_tree */
	struct map heads;      /* key of party, size -> root that a PARTY_HEAD states */
	struct map evidence;   /* of verify_evidence.c: leaf hash -> what is expected */
	struct map receivers;  /* key of policy, agreement -> verify_receivers */
	struct map texts;      /* names and the like -> u32: their numbers */
	struct map reports;    /* numbers of publisher, id -> verify_report */
	struct map current;    /* numbers of publisher, id, recipient -> verify_current */
	struct map approvals;  /* of verify_approval.c */
	struct map deliveries; /* u64 index -> verify_delivery */
	struct map erasures;   /* u64 index -> verify_erasure */
	struct map keys;       /* key of party, purpose, key -> u8: the act of its last KEY */
	struct verify_recovers {
		uint64_t count, restored; /* RECOVER records so far, and what they say.. */
		uint64_t size;		  /* ..and the head of the last */
		uint8_t root[32];
	} recovers;
	uint64_t key_parties;		/* that were told of a key of the log.. */
	uint64_t key_told;		/* ..and of the one that signed */
	bool anchors_told;		/* by a KEY before */
	uint64_t anchors;		/* as parties know them now */
	struct map contents;		/* directory, digest -> bool missing */
	struct map agreements;		/* key of name, version, terms, signers -> u8: seen */
	struct map verified;		/* root, leaf, signature that hold -> nothing */
	struct verify_chains signers;	/* of verify_signer.c */
	struct verify_chains attesters; /* of verify_attest.c */
	struct verify_facts facts;
	void *intake;			  /* of verify_content.c: room for one report */
	uint8_t chosen[VERIFY_HEADS][32]; /* ..and for the commitments of one decision */
	struct err why;			  /* of what is wrong with the bundle: room for its words */
	struct arena report_arena;	  /* holds the file of report/ that is being read */
	struct bytes report_file;
};

static inline bool
verify_slot_open(const struct verify_slots *s, unsigned i)
{
	return RECORD_SLOT(s->r.record, i)->open;
}

/* True for the bundle of an auditor of the hub party: everything is open. */
static inline bool
verify_run_hub(const struct verify *v)
{
	return v->about.party.len == 0;
}

/* True if the bundle shows only records from some index on: nothing can be counted from 0. */
static inline bool
verify_run_partial(const struct verify *v)
{
	return v->about.first != 0;
}

/* Tells a finding.  At most 64 are told one by one; all are counted. */
void verify_run_find(struct verify *v, enum verify_code code, uint64_t index, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Counts, lists and (if asked for) finds fault with a file that is not there. */
void verify_run_lack(struct verify *v, const char *path, uint64_t index);
/* Reads a file; absent: { NULL, 0 }. */
MUST_USE bool verify_run_read(
    struct verify *v, const char *path, struct arena *a, struct bytes *out, struct err *e);

/* A content of the bundle, to be read into 'a' and held against its digest. */
struct verify_want {
	enum bundle_dir dir;
	const uint8_t *digest;
	struct arena *a;
};
enum { VERIFY_FILE_MAX = 64u << 20 };
/* Absent: not there, which is counted, or not of its digest, which is a finding about 'index'. */
MUST_USE bool verify_run_content(struct verify *v, uint64_t index, const struct verify_want *w,
    struct bytes *out, struct err *e);
/* The same for what many records share: read once, its bytes not wanted. */
MUST_USE bool verify_run_content_once(
    struct verify *v, uint64_t index, enum bundle_dir dir, const uint8_t digest[32], struct err *e);

/* The number of a text, from 1, the same for equal ones; 0 for the empty text. */
MUST_USE bool verify_run_text(struct verify *v, struct bytes text, uint32_t *out, struct err *e);

/* What is current for one recipient of a report, made if need be. */
MUST_USE bool verify_run_current(
    struct verify *v, const struct bytes parts[3], struct verify_current **out, struct err *e);

/* The entry of the report that a record speaks of; '*known' says whether it was there. */
MUST_USE bool verify_run_report_at(struct verify *v, const struct verify_slots *s, bool *known,
    struct verify_report **out, struct err *e);
/* The report that a record speaks of, if its INTAKE was seen; else NULL. */
MUST_USE bool verify_run_report(
    struct verify *v, const struct verify_slots *s, struct verify_report **out, struct err *e);

/* Takes the next name off lines that LF parts. */
bool verify_run_next_name(struct bytes *names, struct bytes *name);

MUST_USE bool verify_run_key(struct verify *v, const struct bytes *parts, size_t count,
    struct verify_key *out, struct err *e);

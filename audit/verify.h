/*
 * verify.h - everything that can be proved of a bundle without a network, a clock of our own or the
 * daemon: signatures, tree, records, order, party trees, contents (docs/audit-format.md section 9).
 * Files come through a callback; what is found is told through another as it is found.
 * Threads: one caller at a time.
 */
#pragma once
#include "audit/bundle.h"

/* Exit codes of relto-verify (AUDIT section 7). */
enum verify_code {
	VERIFY_OK = 0,
	VERIFY_USAGE = 1,
	VERIFY_MALFORMED = 2,
	VERIFY_SIGNATURE = 3,
	VERIFY_INCLUSION = 4,
	VERIFY_CONSISTENCY = 5,
	VERIFY_CONTENT = 6,
	VERIFY_GAP = 7,
	VERIFY_STALE = 8,
	VERIFY_TIME = 9,
	VERIFY_CODES
};
/* ..and of a run that had not the memory to conclude anything. */
enum { VERIFY_NO_MEMORY = 75 };

/* Reads a whole file of the bundle into 'a'; a file that is not there gives { NULL, 0 }. */
typedef bool verify_read(
    void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e);

struct verify_finding {
	enum verify_code code;
	uint64_t index; /* of the record; SLOT_ABSENT: of none */
	const char *text;
};
struct verify_record {
	uint64_t index;
	enum event_type type;
	const struct record *record;
	struct slot_common common;
	const uint8_t *leaf; /* as the tree has it */
};

/* A party's history as it was verified before. */
struct verify_kept {
	struct bytes party;
	uint64_t size; /* that its last PARTY_HEAD covered */
	uint8_t root[32];
};
/* What a client kept of a receipt or delivery. */
struct verify_evidence {
	bool delivery;
	uint8_t report[16], leaf[32];
	uint64_t place; /* in the party's history */
	uint64_t time_s;
};

struct verify_ask {
	verify_read *read;
	/* may be NULL; called for every opened record that gives its leaf, in order */
	void (*on_record)(void *ctx, const struct verify_record *r);
	void (*on_finding)(void *ctx, const struct verify_finding *f);
	/* may be NULL: record 'index' of 'size' is done */
	void (*on_progress)(void *ctx, uint64_t index, uint64_t size);
	void *ctx; /* of all four */
	const struct checkpoint_trust *trust;
	uint64_t now_s;	    /* the verifier's clock, s since 1970; 0: it has none */
	uint64_t max_age_s; /* of the last record; 0: any age */
	/* the largest head of this origin that was verified before; size 0: none */
	uint64_t kept_size;
	uint8_t kept_root[32];
	const struct verify_kept *kept; /* of this origin */
	size_t kept_count;
	const struct verify_evidence *evidence;
	size_t evidence_count;
	/* The bundle's own claim is no reason to check less: whose view it must be (absent: that of
	 * an auditor of the hub party), or that of the hub too; the records that it may leave out.
	 */
	struct bytes party;
	bool or_hub;
	bool any_view; /* ..or anybody's: only the tree matters */
	uint64_t from;
	bool strict; /* contents that are not in the bundle are a finding */
};

struct verify_party {
	struct bytes name;
	uint64_t leaves;  /* of its tree */
	uint64_t covered; /* by its last PARTY_HEAD.. */
	uint64_t heads;
	uint64_t last_head;  /* ..which is this record.. */
	const uint8_t *root; /* ..and states this root; 32 */
};
/* A file that is not in the bundle, and the record that needs it (SLOT_ABSENT: none). */
enum { VERIFY_LACKS = 64 };
struct verify_lack {
	char path[BUNDLE_PATH_MAX];
	uint64_t index;
};
struct verify_result {
	enum verify_code code; /* the gravest finding */
	size_t findings[VERIFY_CODES];
	bool signed_by_log; /* the checkpoint was read and verified; the next four are its */
	char origin[NOTE_NAME_MAX + 1];
	uint64_t size;
	uint8_t root[32];
	size_t witnesses; /* that signed */
	bool hub;	  /* the bundle is said to be that of an auditor of the hub party */
	char party[65];	  /* or of this party */
	uint64_t from;	  /* records below are not in the bundle: no history can be rebuilt then */
	bool walked;	  /* every record was looked at, and the tree to its root */
	uint64_t opened;  /* records with something to read */
	uint64_t by_type[EVENT_END];
	uint64_t first_time, last_time; /* µs; of opened records */
	uint64_t contents, missing;	/* files whose digest was checked; that are not there.. */
	size_t lack_count;		/* ..the first of these */
	struct verify_lack lacks[VERIFY_LACKS];
	uint64_t erased;	 /* persons erased */
	uint64_t unproved_heads; /* of RECOVER, that this log's key did not sign */
	uint64_t evidence;	 /* kept by clients, that is here */
	/* reports whose publisher's signature holds; verified for them: one for each batch; reports
	 * whose signature was not looked at, since something that it takes is not there */
	uint64_t signed_reports, signatures, unproved_reports;
	uint64_t signed_terms; /* signatures under agreements that hold */
	/* attestations whose signature holds; that were not looked at, as above */
	uint64_t attested, unproved_attests;
	size_t party_count;
	const struct verify_party *parties; /* in 'a' of verify_bundle */
};

/*
 * Verifies.  False only if it could not be done (no memory, a file that cannot be read): whatever
 * is wrong with the bundle is a finding, and result->code the gravest one.  'a' keeps what the
 * result points to.
 */
MUST_USE bool verify_bundle(struct sha256 *h, struct arena *a, const struct verify_ask *ask,
    struct verify_result *out, struct err *e);

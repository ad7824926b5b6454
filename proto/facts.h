/*
 * facts.h - everything that a decision depends on, as plain values (DESIGN section 5).
 * Made by the broker at intake and at every later decision, by `relto policy eval` from JSON, by
 * the auditor's replay from the bytes that a bundle holds.  The one struct that wire and policy
 * share. All views borrow; whoever builds the facts keeps the memory (an arena) alive.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

struct arena;

enum precedence { /* the zero is none of them */
	PRECEDENCE_ROUTINE = 1,
	PRECEDENCE_PRIORITY,
	PRECEDENCE_IMMEDIATE,
	PRECEDENCE_FLASH
};
enum mode { MODE_LIVE = 1, MODE_EXERCISE };
enum signer_state { SIGNER_GOOD = 1, SIGNER_REVOKED };
/* What is decided; here because policy, log and wire all name them. The strictest verdict is
 * highest. */
enum verdict { VERDICT_RELEASE = 1, VERDICT_HOLD, VERDICT_WITHHOLD };
enum outcome { OUTCOME_RELEASE = 1, OUTCOME_REDACT, OUTCOME_HOLD, OUTCOME_WITHHOLD };
enum obligation_kind { OBLIGATION_REVIEW = 1, OBLIGATION_CONSENT, OBLIGATION_SIGNER };

struct names {
	const struct bytes *items;
	size_t count;
};
/* The same names in the same order. */
static inline bool
names_equal(const struct names *x, const struct names *y)
{
	bool same = x->count == y->count;
	for (size_t i = 0; same && i < x->count; i++)
		same = bytes_equal(x->items[i], y->items[i]);
	return same;
}

/* A label as written by its originator; nothing in it is resolved or trusted (STANAG 4774). */
struct raw_category {
	struct bytes name;
	struct names values;
};
struct raw_label {
	struct bytes vocabulary;
	struct bytes classification;
	const struct raw_category *categories;
	size_t category_count;
};

struct fact_agreement {
	struct bytes name;
	bool has_terms; /* false in `policy eval`: the terms digest is not compared */
	uint8_t terms[32];
};
struct fact_source { /* one per (source, agreement under which a portion of it went to the citing
			party) */
	struct bytes id;	 /* text: a UUID in 36 characters, or what eval was given */
	struct bytes originator; /* party; absent if unknown */
	struct bytes agreement;	 /* absent: unknown here, or never had by the publisher */
	struct names onward_to;	 /* parties to whom every such portion was released */
	struct bytes via;	 /* absent: the report itself names it; else the source that does */
};
struct obligation {
	enum obligation_kind kind;
	struct bytes agreement;
	struct bytes subject;  /* REVIEW: the rule; CONSENT: the source's id; SIGNER: empty */
	struct bytes approver; /* party */
};
struct fact_approval {
	struct obligation what;
	struct bytes recipient;
	uint32_t portion;
	bool approve; /* false: reject */
};
struct fact_opened {
	struct obligation what;
	struct bytes recipient;
	uint32_t portion;
	uint64_t time; /* µs since 1970 UTC */
};
struct fact_before {
	struct bytes recipient;
	uint32_t portion;
	struct names agreements; /* those that released or held it */
};
struct fact_backfill { /* for who was not judged when the report came (design 8) */
	struct bytes recipient;
	bool asked;		 /* by the routing part */
	struct names agreements; /* named, whose terms then had 'backfill' */
};
struct fact_portion {
	const struct raw_label *labels;
	size_t label_count;
	struct bytes content_type;
};

struct facts {
	struct bytes originator; /* party */
	struct bytes topic;
	enum precedence precedence;
	enum mode mode;
	uint64_t time;	   /* µs since 1970 UTC: the moment of this decision */
	uint64_t accepted; /* µs; acceptance of the report */
	uint64_t expires;  /* µs; 0 = never */
	enum signer_state signer;
	const struct fact_agreement *agreements; /* as named, in the order of the report */
	size_t agreement_count;
	bool has_only_to; /* false: no restriction; true with none: nobody */
	struct names only_to;
	struct names not_to;
	const struct fact_source *sources;
	size_t source_count;
	const struct fact_approval *approvals;
	size_t approval_count;
	const struct fact_opened *opened;
	size_t opened_count;
	bool later; /* a later decision (S5): 'before' is present, no refusal applies */
	const struct fact_before *before;
	size_t before_count;
	const struct fact_portion *portions;
	size_t portion_count;
	bool has_backfill; /* a later decision: for its recipient, under its agreements alone */
	struct fact_backfill backfill;
};

/*
 * The message Facts of relto.proto: the bytes that are kept, digested and replayed (facts.c, in
 * wire).  'salt' is fresh and random; the bytes live in 'a'.  Ids of sources are UUIDs in 36
 * characters here and 16 bytes there.  ERR_LIMIT or ERR_INTERNAL if a value
 * is one that facts_decode would refuse.
 */
MUST_USE bool facts_encode(const struct facts *f, const uint8_t salt[16], struct arena *a,
    struct bytes *out, struct err *e);
/*
 * Reads them back, for a replay: 'in' is what facts_encode gives, byte for byte, else ERR_MALFORMED
 * or ERR_LIMIT.  Arrays live in 'a', views borrow from 'in'.
 */
MUST_USE bool facts_decode(struct bytes in, struct arena *a, struct facts *out, struct err *e);
/* The table of the message, for tests that hold it against the schema. */
struct codec_shape;
const struct codec_shape *facts_shape(void);

/*
 * never.h - "never release to [ KEN ] label ATLAS at-least SECRET": judged for every report that
 * can be published, not for one.
 *
 *     never release { from WHO | to WHO | topic PATTERN | label VOCABULARY TEST.. |
 *                     precedence TEST P | content-type TYPE }       WHO = PARTY | [ PARTY .. ] |
 * any
 *
 * The conditions are those of a withhold rule: a label holds as written or as mapped, any one
 * suffices.  So "never" holds of an agreement if such a rule, put into it, would withhold nothing
 * that it releases; that is what is asked (cells.h).
 * Threads: pure.
 */
#pragma once
#include "policy/cells.h"
#include "policy/text.h"

enum { NEVER_CELLS = 1 << 18 /* of one pair, at load: a second or two */ };

/* What a sentence asks for that an agreement does not have at all: then nothing is meant by it
 * there, and that nothing is released says nothing. */
enum never_part { NEVER_TOPIC = 1, NEVER_FROM = 2, NEVER_TO = 4 };

struct never_answer {
	unsigned missing; /* bits of enum never_part; otherwise 0.. */
	bool broken, held;
	struct cell release; /* broken: such a report, which goes.. */
	struct cell hold;    /* ..held: ..and one that goes once it is approved */
};
/* Of one agreement, as if it were in force, on all its days.  ERR_INTERNAL, ERR_LIMIT: not decided.
 * What *out points to lives in 'a' and in the epoch. */
struct never_ask {
	const struct epoch *epoch;
	const struct agreement *agreement;
	const struct rule *rule;			     /* its conditions count */
	uint64_t most;					     /* cells of one pair */
	void (*progress)(void *ctx, size_t done, size_t of); /* may be NULL */
};
MUST_USE bool never_ask(
    const struct never_ask *q, struct arena *a, struct never_answer *out, struct err *e);

/* Over several agreements. */
struct never_tally {
	size_t asked, meant; /* agreements; those where it means something */
	unsigned all, any;   /* bits of enum never_part that each, or some, of them lacks */
};
void never_count(struct never_tally *t, unsigned missing);
/* Of a sentence that nowhere means anything: what no agreement has, or has not together. */
unsigned never_lacks(const struct never_tally *t);
/* "its topic is not covered". */
const char *never_missing(unsigned parts);

/* Reads a sentence on its own; faults go to 'errors', and false. */
MUST_USE bool never_read(struct epoch *p, struct bytes sentence, struct arena *a,
    struct text_errors *errors, struct rule *out);
/* "from GBR to KEN topic maritime.any0 precedence FLASH [ "ATLAS SECRET//REL TO KEN" ]", what is
 * usual left out; NULL on shortage. */
const char *never_example(struct arena *a, const struct epoch *p, const struct cell *c);

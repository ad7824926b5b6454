/*
 * reasons.h - why a report of one portion goes to one party, or does not: what every check of
 * DESIGN section 5 says, agreement by agreement.  The kernel says it (decide_traced); nothing here
 * decides.
 * Threads: values; an epoch is read by any.
 */
#pragma once
#include "policy/decide.h"
#include "policy/edit.h"

enum {
	REASONS_STEPS = 3 /* agreement, labels, member, and the checks */
#define CHECK(name, source) +1
#include "policy/rules.def"
};

struct reasons_ask {
	const struct facts *facts; /* one portion; the agreements in it do not count */
	struct bytes to;
};

struct reasons_step {
	const char *check;    /* "agreement", "labels", "member", then as in rules.def */
	enum verdict verdict; /* 0: not reached */
	struct bytes reason;  /* token; absent: none */
	struct bytes text;    /* for people; absent: none */
	uint32_t label;	      /* the label at fault, from 0; UINT32_MAX: none */
	struct bytes rule;    /* its name; absent: none */
	struct bytes place;   /* "file:line" of what decided; absent: none */
};

struct reasons {
	const struct agreement *agreement;
	struct bytes place; /* of the agreement */
	struct reasons_step steps[REASONS_STEPS];
	size_t step_count;
	bool judged; /* the checks were reached */
	enum verdict verdict;
	struct bytes reason; /* its token */
	const struct open_obligation *open;
	size_t open_count;
};

/* The facts naming 'a' alone, as they are judged. */
struct facts reasons_facts(
    const struct facts *f, const struct agreement *a, struct fact_agreement *named);
/* The verdict for 'to'; VERDICT_WITHHOLD for a report that is refused or a party that is passed
 * over. */
MUST_USE bool reasons_verdict(const struct epoch *p, const struct facts *f, struct bytes to,
    enum verdict *out, struct err *e);
/* Explains one agreement.  What *out points to lives in the epoch and in the text's arena.
 * ERR_MALFORMED and ERR_LIMIT for a report that none is asked about. */
MUST_USE bool reasons_of(const struct epoch *p, const struct edit_text *t,
    const struct reasons_ask *ask, const struct agreement *a, struct reasons *out, struct err *e);

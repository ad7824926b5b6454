/*
 * decide.h - the decision: who may have which portion of a report (DESIGN section 5, normative).
 * One pure function, used by the daemon, the command, the tests and the auditor's replay.
 * Threads: an epoch is read by any; an arena has one owner.
 */
#pragma once
#include "policy/epoch.h"
#include "proto/arena.h"
#include "proto/facts.h"

enum reason { /* in the order of DESIGN section 5: of equal verdicts the lowest is kept */
	REASON_NONE = 0,
#define R(name, token, verdict, source, text) REASON_##name,
#include "policy/rules.def"
	REASON_COUNT
};

struct open_obligation {
	struct obligation what;
	uint64_t deadline; /* µs since 1970 UTC */
	bool fresh;	   /* this decision opened it: goes into the facts 'opened' of later ones */
	bool indirect; /* on a source that the report itself does not name: the originator may see
			  kind and deadline alone */
};

struct portion_decision {
	enum verdict verdict;
	enum reason reason;
	const struct agreement *agreement; /* whose verdict won; NULL for none */
	struct bytes rule;		   /* its name; absent for none */
	struct bytes place;		   /* "file:line" of the rule; absent for none */
	uint8_t mask; /* bit i: facts.agreements[i] released or held it ('before' of a later
			 decision) */
	const struct open_obligation *open; /* sorted: signer, consent by source, review by rule */
	size_t open_count;		    /* 0 unless held */
};

struct recipient_decision {
	struct bytes recipient;	   /* party */
	const struct party *party; /* NULL if it has left the policy (later decisions only) */
	enum outcome outcome;
	const struct portion_decision *portions; /* one per portion of the facts; recipients judged
						    alike share the array */
};

struct unusable {
	struct bytes agreement; /* as named */
	struct bytes why;	/* for the publisher; the same for unknown and not yours */
};

struct refusal {
	enum err_code code;   /* ERR_NONE: not refused */
	struct bytes field;   /* "portions[1].labels[0].classification"; absent: none */
	struct bytes nearest; /* the nearest valid value; absent: none */
	struct bytes detail;  /* for the publisher, about its own report; may be absent */
};

struct decisions {
	struct refusal refusal; /* with a code: nothing else is set but 'unusable' */
	const struct recipient_decision *recipients; /* in byte order of the names */
	size_t recipient_count;
	size_t portion_count;
	const struct unusable *unusable; /* named agreements that could not be used, as named */
	size_t unusable_count;
	uint64_t good_until; /* µs (S5); UINT64_MAX: for ever */
};

/*
 * Decides.  What *out points to lives in 'a', in the epoch and in the facts.  A refusal is a
 * result; false only for want of memory (ERR_NOMEM), then nothing may be released.  A later
 * decision refuses nothing but facts that no accepted report can have (ERR_MALFORMED).
 *
 * Facts with 'backfill' and an empty 'before' are judged for its recipient alone, who was not
 * judged when the report came: under those named agreements that had 'backfill' then (the facts say
 * so) and have it now, are in force and not suspended, if the routing part asks for it.  Nobody is
 * judged where one of the three is missing.  Later decisions of such a report ask it again.
 *
 * Memory: members that nothing in the facts tells apart share their rows (alike.h), so that a
 * thousand recipients of four portions take about 80 KB.  Recipients of whom the facts speak one by
 * one (approvals, openings) have rows of their own: a row is about 100 bytes, an open obligation
 * 250.  A later decision has rows for each.  The arena's cap must allow for that.
 */
MUST_USE bool policy_decide(const struct epoch *p, const struct facts *f, struct arena *a,
    struct decisions *out, struct err *e);

/* What one check said of one portion for one member under one agreement. */
struct check_said {
	const char *name; /* "coverage" */
	enum verdict verdict;
	enum reason reason;	 /* REASON_NONE of a release */
	uint32_t label;		 /* the label at fault, from 0; UINT32_MAX: none */
	const struct rule *rule; /* that decided; NULL: none */
};
struct decide_trace {
	void (*said)(
	    void *ctx, const struct member *m, uint32_t portion, const struct check_said *s);
	void *ctx;
};
/* The same decision, telling what every check says of every member, those after a WITHHOLD too.
 * The members of an agreement come in byte order, the checks of each in theirs. */
MUST_USE bool decide_traced(const struct epoch *p, const struct decide_trace *trace,
    const struct facts *f, struct arena *a, struct decisions *out, struct err *e);

/* The same with 'only' in place of the epoch's agreement of that name, as if it were in force and
 * not suspended: how an 'expect' is judged at load. */
MUST_USE bool decide_under(const struct epoch *p, const struct agreement *only,
    const struct facts *f, struct arena *a, struct decisions *out, struct err *e);

/* Stable tokens and texts.  Never NULL for a valid value. */
const char *verdict_name(enum verdict v);
const char *outcome_name(enum outcome o);
const char *reason_token(enum reason r);
const char *reason_text(enum reason r);
const char *precedence_name(enum precedence p);
const char *mode_name(enum mode m);
const char *obligation_name(enum obligation_kind k);

/*
 * Markings for records (AUDIT section 1): one line per vocabulary, byte order, LF between (none at
 * the end), in the SPIF's phrases without a language; an empty intersection adds
 * " (originator only)".  Of all portions, and of those that 'd' releases.
 */
MUST_USE bool policy_banner(const struct epoch *p, const struct facts *f, struct arena *a,
    struct bytes *out, struct err *e);
MUST_USE bool policy_marking(const struct epoch *p, const struct facts *f,
    const struct recipient_decision *d, struct arena *a, struct bytes *out, struct err *e);
/* What released it, as records have it: "name@version" of the agreements of portions that 'd'
 * releases, byte order, LF between. */
MUST_USE bool policy_released_by(const struct decisions *all, const struct recipient_decision *d,
    struct arena *a, struct bytes *out, struct err *e);
/* A marking of any selection: portion i counts if pick[i]. */
MUST_USE bool policy_marking_of(const struct epoch *p, const struct facts *f, const bool *pick,
    struct arena *a, struct bytes *out, struct err *e);

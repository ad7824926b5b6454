/* remedy_try.h - what the two halves of remedy.h share: changes of the report, of the policy. */
#pragma once
#include "policy/remedy.h"
#include "policy/rules.h"

struct attempt {
	const struct remedy_ask *q;
	const struct reasons *reasons;
	const struct agreement *agreement;
	const struct member *recipient; /* NULL: no member */
	struct arena *arena;
	struct remedies *out;
	struct err *err;
};

/* Whether a changed report goes. */
MUST_USE bool remedy_judge(struct attempt *t, const struct facts *f, bool *goes);
/* Keeps the change that makes it one. */
MUST_USE bool remedy_keep(struct attempt *t, const struct facts *f, struct remedy *r);
/* Writes r->edit into the policy, loads and judges it; keeps *r if the report goes. */
MUST_USE bool remedy_load(struct attempt *t, struct remedy *r);

MUST_USE bool remedy_report(struct attempt *t);
MUST_USE bool remedy_policy(struct attempt *t);

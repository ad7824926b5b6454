/*
 * policy_explain.h - relto policy explain: what every check says of one report for one party, and
 * which single change would let it go.
 */
#pragma once
#include "client/cli/policy_load.h"
#include "policy/remedy.h"

struct explained { /* one agreement */
	struct reasons reasons;
	struct remedies remedies; /* of a verdict that is no release */
};

struct explanation {
	struct facts facts;
	struct bytes to;
	struct explained *list;
	size_t count;
	enum verdict verdict; /* the best of all */
	unsigned loads;	      /* of the policy, to try changes of it */
};

int policy_explain(int argc, char **argv);

MUST_USE bool explanation_print(struct policy_load *l, const struct explanation *x, struct err *e);
void explanation_json(struct policy_load *l, const struct explanation *x);

/*
 * publish.h - a report that was sent to us, on its way to a decision (HOUSE 2, step 5).
 * Lives in the arena of its job, so that a job that comes back stale can be decided again.
 * Threads: the publisher's worker.
 */
#pragma once
#include "daemon/desk.h"
#include "policy/decide.h"

struct publish {
	struct envelope report;
	struct facts facts;
	struct decisions decided;
	struct named named;	  /* by its Notice; act 0: it has none */
	uint32_t named_decisions; /* how many records decided of it */
	struct bytes banner;	  /* of a recall: that of the report which it names */
	struct bytes party, agent;
	uint32_t party_id;
	bool dry_run;
	bool known;  /* this very manifest is stored, and under a signed head */
	size_t size; /* of the message, for the window */
	unsigned tries;
};

/*
 * Decides under the worker's present rules and fills the job.  A refusal is in p->decided.refusal.
 * False: 'e' (memory, crypto, clock); nothing was released.
 */
MUST_USE bool publish_decide(struct conn *c, struct publish *p, struct job *j, struct err *e);
/* The job came home: receipt, refusal, or once more. */
void publish_home(struct worker *w, struct job *j);
/* The same for a Subscribe. */
void session_subscribed(struct worker *w, struct job *j);

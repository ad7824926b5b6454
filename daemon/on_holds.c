/* on_holds.c - Decide: what a person decided of a hold, one APPROVAL for each obligation and
 * portion, each a transaction of its own.  Whoever stops half way has decided so much. */
#include "daemon/again.h"
#include "daemon/holds.h"
#include "daemon/log.h"
#include "daemon/on.h"
#include "daemon/role.h"
#include "proto/msg.h"

#include <inttypes.h>

enum { DECIDE_ARENA = 4 * LIMIT_MESSAGE_BYTES, TRIES = 8, OWED_BYTES = 4096 };

/* One Decide on its way; in the arena of the job of its present step. */
struct decide {
	uint64_t conn, request;
	uint8_t name[WAIT_NAME_BYTES];
	bool approve;
	struct bytes because;
	const uint32_t *portions; /* NULL: all */
	size_t portion_count;
	uint32_t now; /* the portion of this step */
	uint32_t decided[LIMIT_PORTIONS];
	size_t decided_count;
	bool consent;
	bool begun;
	size_t left; /* obligations that may still be decided: what waited when it began */
	unsigned tries;
};

/* A job of its own for the next step, with what the last one knew. */
static struct job *
next_job(const struct decide *from)
{
	struct job *j = job_new(JOB_AGAIN, NULL, DECIDE_ARENA);
	struct decide *to = j == NULL ? NULL : arena_zalloc(j->arena, 1, sizeof(*to));
	uint32_t *portions =
	    to == NULL ? NULL : arena_zalloc(j->arena, from->portion_count + 1, sizeof(*portions));
	struct err e;
	if (portions == NULL) {
		job_free(j);
		return NULL;
	}
	*to = *from;
	if (from->portion_count > 0)
		memcpy(portions, from->portions, from->portion_count * sizeof(*portions));
	to->portions = from->portion_count > 0 ? portions : NULL;
	if (!arena_copy(j->arena, from->because, &to->because, &e)) {
		job_free(j);
		return NULL;
	}
	j->sender = to;
	j->conn = to->conn;
	j->request = to->request;
	return j;
}

/* ---- answers ---- */

static void
refuse(struct conn *c, const struct decide *v, enum err_code code)
{
	struct err e = { 0 };
	struct complaint no = { .code = code, .retry_ms = err_may_retry(code) ? 1000 : 0 };
	bool theirs = code == ERR_UNKNOWN_HOLD || code == ERR_OWN_REPORT || code == ERR_ROLE;
	c->session->deciding = false;
	conn_paid(c, OWED_BYTES);
	if (!(theirs ? desk_refuse(c, v->request, &no, &e) : conn_refuse(c, v->request, &no, &e)))
		conn_fail(c, v->request, &(struct complaint){ .code = e.code });
}

/* Nothing more waits: what was decided. */
static void
finish(struct conn *c, const struct decide *v)
{
	struct err e = { 0 };
	struct msg m = { .request = v->request, .type = MSG_DECIDED };
	if (v->decided_count == 0) {
		refuse(c, v, ERR_UNKNOWN_HOLD);
		return;
	}
	m.decided.hold = bytes_from(v->name, sizeof(v->name));
	if (!v->consent) /* how many portions a source went into is not told */
		m.decided.portions = (struct msg_u32s){ v->decided, v->decided_count };
	c->session->deciding = false;
	conn_paid(c, OWED_BYTES);
	if (!conn_send(c, 3, &m, &e))
		conn_fail(c, v->request, &(struct complaint){ .code = desk_our_fault(&e) });
}

/* What a failure of ours is called; one that may be tried again keeps its name. */
static enum err_code
failure(const struct err *e)
{
	return e->code == ERR_BUSY || e->code == ERR_CLOCK || e->code == ERR_FULL
		   ? e->code
		   : desk_our_fault(e);
}

/* ---- one step ---- */

static bool
is_meant(const struct decide *v, uint32_t portion)
{
	for (size_t i = 0; i < v->portion_count; i++)
		if (v->portions[i] == portion)
			return true;
	return v->portion_count == 0;
}

static const struct wait *
next_wait(const struct decide *v, const struct question *q)
{
	for (size_t i = 0; i < q->count; i++)
		if (is_meant(v, q->waits[i].portion))
			return &q->waits[i];
	return NULL;
}

/* One obligation, judged with the answer and sent off; or the answer to the request. */
static void
decide_one(struct conn *c, const struct question *q, const struct wait *w, struct job **j)
{
	struct err e = { 0 };
	struct decide *v = (*j)->sender;
	const struct again a = { .given = q->given,
		.queued = { .decision = STORE_NONE },
		.held_deadline_us = q->held.deadline_us };
	const struct again_answer answer = { .what = w->what,
		.portion = w->portion,
		.approve = v->approve,
		.because = v->because,
		.approver = desk_party(c),
		.hub = desk_hub(c),
		.actor = desk_actor(c, (*j)->arena) };
	v->now = w->portion;
	v->consent = w->what.kind == OBLIGATION_CONSENT;
	const struct decide kept = *v; /* a job that cannot be posted is gone, and its arena */
	switch (again_answer(desk_of(c), &a, &answer, j, &e)) {
	case AGAIN_JOB:
		return;
	case AGAIN_FAILED:
		log_warn("hold.not-decided", "why=%s", log_quote_text(e.text));
		refuse(c, &kept, failure(&e));
		return;
	case AGAIN_SAME:
	case AGAIN_GONE: /* its time is over, or new rules do not ask for it */
		finish(c, &kept);
		return;
	}
}

/* The next obligation that is still open; there are never more than there were at first. */
static void
step(struct conn *c, struct job **j)
{
	struct desk *d = desk_of(c);
	struct decide *v = (*j)->sender;
	struct question q = { .count = 0 };
	struct err e = { 0 };
	bool found = false;
	bool ok = store_view_open(d->view, (*j)->arena, &e) &&
		  holds_find(c, v->name, (*j)->arena, &q, &found, &e);
	store_view_close(d->view);
	if (!ok) {
		log_warn("hold.not-decided", "why=%s", log_quote_text(e.text));
		refuse(c, v, failure(&e));
		return;
	}
	if (!v->begun)
		v->left = q.count;
	v->begun = true;
	const struct wait *w = v->left == 0 ? NULL : next_wait(v, &q);
	/* which portions rest on a source is not told to who consents, so they cannot be named */
	if (w != NULL && v->portion_count > 0 && w->what.kind == OBLIGATION_CONSENT)
		w = NULL;
	if (w == NULL)
		finish(c, v);
	else if (q.own)
		refuse(c, v, ERR_OWN_REPORT);
	else
		decide_one(c, &q, w, j);
}

bool
on_decide(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	const struct msg_decide *in = &m->decide;
	struct decide v = { .conn = c->id,
		.request = m->request,
		.approve = in->answer == MSG_APPROVE,
		.because = in->because,
		.portions = in->portions.items,
		.portion_count = in->portions.count };
	(void)request;
	if ((c->peer->roles & ROLE_APPROVE) == 0 || desk_party(c) == 0)
		return desk_refuse(c, m->request, &(struct complaint){ .code = ERR_ROLE }, e);
	if (c->session->deciding)
		return conn_refuse(
		    c, m->request, &(struct complaint){ .code = ERR_BUSY, .retry_ms = 1000 }, e);
	memcpy(v.name, in->hold.data, sizeof(v.name));
	SCOPED(job_free) struct job *j = next_job(&v);
	if (j == NULL)
		return err_set(e, ERR_NOMEM, "decision of a hold");
	conn_owes(c, OWED_BYTES);
	c->session->deciding = true;
	step(c, &j);
	return true;
}

/* ---- home ---- */

/* Whether the session may still decide: rules may have come meanwhile. */
static enum err_code
may_decide(struct conn *c)
{
	struct trust_refusal gone;
	if (c->ending != CONN_ENDING_NOT)
		return ERR_DRAINING;
	if (!trust_still_allowed(desk_of(c)->rules->trust, c->peer, &gone) || desk_party(c) == 0)
		return ERR_SHUT_OUT;
	return (c->peer->roles & ROLE_APPROVE) != 0 ? ERR_NONE : ERR_ROLE;
}

static void
go_on(struct conn *c, const struct decide *v)
{
	SCOPED(job_free) struct job *next = next_job(v);
	enum err_code no = may_decide(c);
	if (no != ERR_NONE)
		refuse(c, v, no);
	else if (next == NULL)
		refuse(c, v, ERR_NOMEM);
	else
		step(c, &next);
}

static void
add_decided(struct decide *v)
{
	size_t at = v->decided_count;
	while (at > 0 && v->decided[at - 1] > v->now)
		at--;
	if (at > 0 && v->decided[at - 1] == v->now)
		return;
	memmove(
	    &v->decided[at + 1], &v->decided[at], (v->decided_count - at) * sizeof(v->decided[0]));
	v->decided[at] = v->now;
	v->decided_count++;
}

void
holds_home(struct worker *w, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	struct desk *d = w->desk;
	struct decide *v = j->sender;
	struct conn *c = worker_find_conn(w, v->conn);
	if (c == NULL) {
		job_free(j);
		return;
	}
	if (j->fate == JOB_DONE) {
		log_info("hold.decided", "conn=%" PRIu64 " request=%" PRIu64 " answer=%s", c->id,
		    v->request, v->approve ? "approve" : "reject");
		add_decided(v);
		v->left--;
		v->tries = 0;
		go_on(c, v);
	} else if (j->fate != JOB_STALE) {
		refuse(c, v, failure(&j->err));
	} else if (++v->tries > TRIES) {
		refuse(c, v, ERR_BUSY);
	} else if (atomic_load(&d->shell->in_force) != d->rules->number) {
		desk_park(d, j); /* new rules are on their way */
		return;
	} else {
		go_on(c, v);
	}
	job_free(j);
}

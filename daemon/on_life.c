/* on_life.c - the hooks of a worker's life (on.h): its desk, sessions, jobs that come home,
 * notices. */
#include "daemon/again.h"
#include "daemon/committer.h"
#include "daemon/heads.h"
#include "daemon/log.h"
#include "daemon/on.h"
#include "daemon/on_admin.h"
#include "daemon/outlet.h"
#include "daemon/publish.h"
#include "daemon/pull.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>

enum { LOOK_MS = 1000 }; /* how often every outlet asks the store, whatever notices said */

/* ---- a worker ---- */

bool
on_worker_start(struct worker *w, struct err *e)
{
	struct desk *d = calloc(1, sizeof(*d));
	if (d == NULL)
		return err_set(e, ERR_NOMEM, "desk");
	d->worker = w;
	d->shell = w->shell;
	w->desk = d;
	arena_init(&d->scratch, DESK_SCRATCH);
	d->shelf = calloc(1, sizeof(*d->shelf));
	if (d->shelf == NULL)
		return err_set(e, ERR_NOMEM, "desk");
	return sha256_init(&d->sha, e) && store_view_new(d->shell->store, &d->view, e);
}

void
on_worker_stop(struct worker *w)
{
	struct desk *d = w->desk;
	struct outlet *o, *tmp;
	if (d == NULL)
		return;
	HASH_ITER (hh, d->outlets, o, tmp) {
		outlet_free(o);
	}
	while (d->parked != NULL) {
		struct job *j = d->parked;
		d->parked = j->parked_next;
		job_free(j);
	}
	if (d->hold_event != NULL)
		event_free(d->hold_event);
	store_view_free(d->view);
	arena_done(&d->scratch);
	if (d->shelf != NULL)
		shelf_wipe(d->shelf);
	free(d->shelf);
	sha256_done(&d->sha);
	salt_done(&d->salts);
	w->trust = NULL;
	ruleset_unref(d->rules);
	free(d);
	w->desk = NULL;
}

void
on_stopping(struct worker *w)
{
	if (w->desk != NULL)
		desk_flush_refusals(w->desk, true);
}

void
desk_park(struct desk *d, struct job *j)
{
	j->parked_next = d->parked;
	d->parked = j;
}

/* Decides again what was parked. */
static void
unpark(struct desk *d)
{
	struct job *waiting = d->parked;
	d->parked = NULL;
	while (waiting != NULL) {
		struct job *j = waiting;
		waiting = j->parked_next;
		publish_home(d->worker, j);
	}
}

void
on_rules(struct worker *w, struct letter *l)
{
	struct rules_letter *r = MAILBOX_ENTRY(l, struct rules_letter, letter);
	struct desk *d = w->desk;
	struct outlet *o, *tmp;
	ruleset_unref(d->rules);
	d->rules = r->rules;
	if (atomic_fetch_sub(&r->job->policy.untold, 1) == 1)
		committer_return(d->shell, r->job);
	free(r);
	w->trust = d->rules->trust;
	unpark(d);
	HASH_ITER (hh, d->outlets, o, tmp) {
		outlet_new_rules(o);
	}
	d->holds_due = true;
}

void
on_tick(struct worker *w)
{
	struct desk *d = w->desk;
	struct outlet *o, *tmp;
	uint64_t now = worker_now_ms(w);
	bool look = now - d->looked_ms >= LOOK_MS;
	if (look)
		d->looked_ms = now;
	HASH_ITER (hh, d->outlets, o, tmp) {
		if (look)
			outlet_more(o);
		outlet_tick(o);
	}
	desk_flush_refusals(d, false);
	if (look)
		unpark(d);
	if (look)
		shelf_wipe(d->shelf);
	if (d->holds_due && look) /* after the sessions were judged (S9) */
		again_all_holds(d);
}

/* ---- what comes by mail ---- */

void
on_committed(struct worker *w, struct letter *l)
{
	struct job *j = MAILBOX_ENTRY(l, struct job, letter);
	struct conn *waits = j->owed ? worker_find_conn(w, j->conn) : NULL;
	if (waits != NULL)
		conn_paid(waits, j->owed_bytes);
	switch (j->kind) {
	case JOB_PUBLISH:
		publish_home(w, j);
		return;
	case JOB_DELIVER:
		outlet_delivered(w->desk, j);
		return;
	case JOB_AGAIN:
		outlet_decided(w->desk, j);
		return;
	case JOB_ACK:
		outlet_acked(w->desk, j);
		return;
	case JOB_SUBSCRIBE:
		session_subscribed(w, j);
		return;
	case JOB_RECORDS: {
		struct conn *c = worker_find_conn(w, j->conn);
		if (j->fate == JOB_FAILED)
			log_warn("records.lost", "count=%zu why=%s", j->notes.count,
			    log_quote_text(j->err.text));
		if (c != NULL && c->session != NULL && j->notes.errand != DESK_NOTHING)
			audit_home(c, j);
		job_free(j);
		return;
	}
	case JOB_RULES:
	case JOB_CLOCK:
		admin_home(w, j);
		return;
	case JOB_RETRY:
		break;
	}
	job_free(j);
}

void
on_notice(struct worker *w, struct letter *l)
{
	struct notice *n = MAILBOX_ENTRY(l, struct notice, letter);
	struct desk *d = w->desk;
	struct outlet *o, *tmp;
	for (size_t i = 0; i < n->delivery_count; i++)
		shelf_put_evidence(d->shelf, &n->deliveries[i]);
	for (size_t i = 0; i < n->count && !n->all; i++)
		if ((o = outlet_find(d, n->subscriptions[i])) != NULL) {
			outlet_more(o);
			outlet_pump(o);
		}
	if (n->all)
		HASH_ITER (hh, d->outlets, o, tmp) {
			outlet_more(o);
			outlet_pump(o);
		}
	/* before the first rules nothing can be judged; with them comes every hold (holds_due) */
	for (size_t i = 0; d->rules != NULL && i < n->hold_count; i++)
		again_hold(d, n->holds[i].deadline_us, n->holds[i].decision);
	if (n->heads) {
		struct conn *c;
		TAILQ_FOREACH (c, &w->conns, of_worker)
			conn_want_turn(c); /* half a millisecond each */
	}
	notice_free(n);
}

/* ---- a session ---- */

bool
on_arrived(struct conn *c, struct err *e)
{
	struct session *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return err_set(e, ERR_NOMEM, "session");
	s->desk = desk_of(c);
	arena_init(&s->memory, LIMIT_CERT_LIST_BYTES * 4);
	c->session = s;
	return s->desk->rules != NULL || err_set(e, ERR_BUSY, "no rules yet");
}

void
on_room(struct conn *c)
{
	struct session *s = c->session;
	for (unsigned i = 0; s != NULL && i < s->consumer_count; i++)
		outlet_pump(s->consumers[i]->outlet);
	pull_step(c);
}

void
on_its_turn(struct conn *c)
{
	heads_tell(c);
	pull_step(c);
}

void
on_gone(struct conn *c)
{
	struct session *s = c->session;
	if (s == NULL)
		return;
	for (unsigned i = 0; i < s->consumer_count; i++) {
		struct outlet *o = s->consumers[i]->outlet;
		outlet_leave(s->consumers[i]);
		outlet_pump(o);
	}
	pull_free(s->pull);
	trust_signer_free(s->signer);
	arena_done(&s->memory);
	free(s);
	c->session = NULL;
	if (c->worker->stopping)
		on_stopping(c->worker);
}

void
on_party_gone(struct worker *w, struct worker_party *p)
{
	(void)w;
	(void)p;
}

void
on_refused(struct conn *c, enum err_code code, struct bytes field, struct bytes report)
{
	if (c->worker->desk != NULL)
		desk_count_refusal(c->worker->desk, c,
		    &(struct refused){ .code = code, .field = field, .report = report });
}

void
on_turned_away(struct conn *c, const struct trust_refusal *why)
{
	if (c->worker->desk != NULL)
		desk_count_refusal(c->worker->desk, c,
		    &(struct refused){ .code = c->peer == NULL ? ERR_TLS : ERR_SHUT_OUT,
			.field = bytes_of(chain_fault_token(why->fault)),
			.certificate = why });
}

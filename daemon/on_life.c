/* on_life.c - the hooks of a worker's life (on.h): its desk, sessions, jobs that come home,
 * notices. */
#include "daemon/again.h"
#include "daemon/attest.h"
#include "daemon/backfill.h"
#include "daemon/committer.h"
#include "daemon/heads.h"
#include "daemon/holds.h"
#include "daemon/log.h"
#include "daemon/notices.h"
#include "daemon/on.h"
#include "daemon/on_admin.h"
#include "daemon/on_mailbox.h"
#include "daemon/on_sessions.h"
#include "daemon/on_upkeep.h"
#include "daemon/outlet.h"
#include "daemon/overdue.h"
#include "daemon/publish.h"
#include "daemon/pull.h"
#include "daemon/receipts.h"
#include "daemon/role.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>

enum { LOOK_MS = 1000 }; /* how often every outlet asks the store, whatever notices said */

/* ---- a worker ---- */

bool
on_worker_start(struct worker *w, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
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
	ASSERT_ON(ROLE_WORKER);
	struct desk *d = w->desk;
	struct outlet *o, *tmp;
	if (d == NULL)
		return;
	HASH_ITER (hh, d->outlets, o, tmp) {
		outlet_free(o);
	}
	while (d->backs != NULL) {
		struct notice *n = d->backs;
		d->backs = n->next;
		notice_free(n);
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
	w->coming = NULL;
	ruleset_unref(d->coming);
	ruleset_unref(d->rules);
	free(d);
	w->desk = NULL;
}

void
on_left(struct letter *l)
{
	ASSERT_ON(ROLE_MAIN);
	job_free(MAILBOX_ENTRY(l, struct job, letter));
}

void
on_stopping(struct worker *w)
{
	ASSERT_ON(ROLE_WORKER);
	if (w->desk != NULL)
		desk_flush_refusals(w->desk, true);
}

void
desk_park(struct desk *d, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
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
		if (j->kind == JOB_PUBLISH)
			publish_home(d->worker, j);
		else
			holds_home(d->worker, j);
	}
}

static void
go_by(struct desk *d, struct ruleset *coming)
{
	ruleset_unref(d->coming);
	d->coming = coming;
	d->worker->coming = coming == NULL ? NULL : coming->trust;
}

void
on_coming(struct worker *w, struct letter *l)
{
	ASSERT_ON(ROLE_WORKER);
	struct rules_letter *r = MAILBOX_ENTRY(l, struct rules_letter, letter);
	go_by(w->desk, r->rules);
	free(r);
}

void
on_rules(struct worker *w, struct letter *l)
{
	ASSERT_ON(ROLE_WORKER);
	struct rules_letter *r = MAILBOX_ENTRY(l, struct rules_letter, letter);
	struct desk *d = w->desk;
	struct outlet *o, *tmp;
	ruleset_unref(d->rules);
	d->rules = r->rules;
	if (atomic_fetch_sub(&r->job->policy.untold, 1) == 1)
		committer_return(d->shell, r->job);
	free(r);
	w->trust = d->rules->trust;
	if (d->rules->settings != NULL)
		w->limits = &d->rules->limits;
	go_by(d, NULL);
	unpark(d);
	HASH_ITER (hh, d->outlets, o, tmp) {
		outlet_new_rules(o);
	}
	d->holds_due = true;
}

/* Who knows the newest head is told nothing. */
static void
want_heads(struct worker *w)
{
	struct conn *c;
	w->desk->heads_due = false;
	TAILQ_FOREACH (c, &w->conns, of_worker)
		conn_want_turn(c); /* half a millisecond each */
}

/* What came back to old places of queues.  Without memory it waits in its notice for the next tick:
 * nothing else comes to those places again. */
static void
take_backs(struct desk *d, struct notice *n)
{
	size_t left = 0;
	for (size_t i = 0; i < n->back_count; i++) {
		struct outlet *o = outlet_find(d, n->backs[i].key.subscription);
		if (o == NULL)
			continue;
		if (!outlet_back(o, &n->backs[i]))
			n->backs[left++] = n->backs[i];
		outlet_pump(o);
	}
	n->back_count = left;
	if (left == 0) {
		notice_free(n);
		return;
	}
	n->next = d->backs;
	d->backs = n;
}

static void
take_backs_again(struct desk *d)
{
	struct notice *n = d->backs;
	d->backs = NULL;
	while (n != NULL) {
		struct notice *next = n->next;
		take_backs(d, n);
		n = next;
	}
}

void
on_tick(struct worker *w)
{
	ASSERT_ON(ROLE_WORKER);
	struct desk *d = w->desk;
	struct outlet *o, *tmp;
	uint64_t now = worker_now_ms(w);
	take_backs_again(d);
	bool look = now - d->looked_ms >= LOOK_MS;
	if (look)
		d->looked_ms = now;
	HASH_ITER (hh, d->outlets, o, tmp) {
		if (o->deleted && outlet_is_idle(o)) {
			outlet_free(o);
			continue;
		}
		if (look)
			outlet_more(o);
		outlet_tick(o);
		if (look)
			overdue_look(o);
	}
	desk_flush_refusals(d, false);
	upkeep_tick(w);
	if (look)
		unpark(d);
	if (look)
		shelf_wipe(d->shelf);
	if (d->heads_due && look)
		want_heads(w);
	if (d->holds_due && look) /* after the sessions were judged (S9) */
		again_all_holds(d);
}

/* ---- what comes by mail ---- */

static void
records_home(struct worker *w, struct job *j)
{
	struct conn *c = worker_find_conn(w, j->conn);
	if (j->fate == JOB_FAILED)
		log_warn("records.lost", "count=%zu why=%s", j->notes.count,
		    log_quote_text(j->err.text));
	if (c != NULL && c->session != NULL && j->notes.errand != DESK_NOTHING)
		audit_home(c, j);
	job_free(j);
}

void
on_committed(struct worker *w, struct letter *l)
{
	ASSERT_ON(ROLE_WORKER);
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
		if (j->sender != NULL)
			holds_home(w, j);
		else
			outlet_decided(w->desk, j);
		return;
	case JOB_ACK:
		outlet_acked(w->desk, j);
		return;
	case JOB_SUBSCRIBE:
		session_subscribed(w, j);
		return;
	case JOB_RECORDS:
		records_home(w, j);
		return;
	case JOB_ATTEST:
		attest_home(w, j);
		return;
	case JOB_SAID:
		notices_home(w, j);
		return;
	case JOB_MAILBOX:
		mailbox_home(w, j);
		return;
	case JOB_BACKFILL:
		backfill_home(w, j);
		return;
	case JOB_RULES:
	case JOB_CLOCK:
		admin_home(w, j);
		return;
	case JOB_ERASE:
	case JOB_BACKUP:
		upkeep_home(w, j);
		return;
	case JOB_SESSIONS:
		sessions_letter(w, j);
		return;
	case JOB_RETRY:
		outlet_given_up(w->desk, j);
		return;
	case JOB_COSIGNED:
	case JOB_ARCHIVE:
	case JOB_DRAIN:
		break;
	}
	job_free(j);
}

void
on_notice(struct worker *w, struct letter *l)
{
	ASSERT_ON(ROLE_WORKER);
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
	if (n->heads)
		want_heads(w);
	take_backs(d, n);
}

/* ---- a session ---- */

bool
on_arrived(struct conn *c, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct session *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return err_set(e, ERR_NOMEM, "session");
	s->desk = desk_of(c);
	c->session = s;
	return s->desk->rules != NULL || err_set(e, ERR_BUSY, "no rules yet");
}

void
on_room(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	struct session *s = c->session;
	for (unsigned i = 0; s != NULL && i < s->consumer_count; i++)
		outlet_pump(s->consumers[i]->outlet);
	pull_step(c);
	notices_step(c);
}

void
on_its_turn(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	struct session *s = c->session;
	uint64_t told = s == NULL ? 0 : s->heads_size;
	heads_tell(c);
	if (s != NULL && s->heads_size != told)
		for (unsigned i = 0; i < s->consumer_count; i++)
			if (s->consumers[i]->proof)
				outlet_covered(s->consumers[i]->outlet);
	pull_step(c);
	notices_step(c);
}

void
on_gone(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	struct session *s = c->session;
	if (s == NULL)
		return;
	for (unsigned i = 0; i < s->consumer_count; i++) {
		struct outlet *o = s->consumers[i]->outlet;
		outlet_leave(s->consumers[i]);
		outlet_pump(o);
	}
	pull_free(s->pull);
	receipts_free(s->receipts);
	free(s->recall);
	trust_signer_free(s->signer);
	free(s->chain_memory);
	free(s->chains);
	free(s->actor);
	free(s);
	c->session = NULL;
	if (c->worker->stopping)
		on_stopping(c->worker);
}

void
on_party_gone(struct worker *w, struct worker_party *p)
{
	ASSERT_ON(ROLE_WORKER);
	(void)w;
	(void)p;
}

void
on_refused(struct conn *c, enum err_code code, struct bytes field, struct bytes report)
{
	ASSERT_ON(ROLE_WORKER);
	if (c->worker->desk != NULL)
		desk_count_refusal(c->worker->desk, c,
		    &(struct refused){ .code = code, .field = field, .report = report });
}

void
on_turned_away(struct conn *c, const struct trust_refusal *why)
{
	ASSERT_ON(ROLE_WORKER);
	if (c->worker->desk != NULL)
		desk_count_refusal(c->worker->desk, c,
		    &(struct refused){ .code = c->peer == NULL ? ERR_TLS : ERR_SHUT_OUT,
			.field = bytes_of(chain_fault_token(why->fault)),
			.certificate = why });
}

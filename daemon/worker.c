#include "daemon/worker.h"

#include "daemon/arrival.h"
#include "daemon/conn.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/on.h"
#include "daemon/parties.h"
#include "daemon/role.h"
#include "daemon/sweep.h"
#include "daemon/turns.h"

#include <assert.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum {
	WORKER_MAGIC = 0x774b7231,
	JUDGED_A_TURN = 64 /* chains verified between two looks at the sockets */
};
static struct worker *
worker_of(void *arg)
{
	struct worker *w = arg;
	assert(w->magic == WORKER_MAGIC);
	return w;
}

/* ---- turns ---- */

static void
on_turn(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	turns_run(worker_of(arg));
}

static void
judge_some(struct worker *w)
{
	for (unsigned i = 0; i < JUDGED_A_TURN; i++) {
		struct conn *c = TAILQ_FIRST(&w->conns);
		if (c == NULL || c->judged == w->trust_serial) {
			w->judging = false;
			return;
		}
		worker_judged(w, c);
		sweep_judge(c);
	}
	turns_wake(w);
}

static void
on_again(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	struct worker *w = worker_of(arg);
	if (w->judging)
		judge_some(w);
	turns_serve(w);
	turns_run(w);
}

void
worker_sweep(struct worker *w)
{
	ASSERT_ON(ROLE_WORKER);
	struct conn *c, *next;
	TAILQ_FOREACH_SAFE(c, &w->conns, of_worker, next)
	sweep_deadlines(c);
	parties_look(w);
}

static uint64_t
real_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Stopped, suspended or starved, this thread read nothing: that time is not held against those who
 * sent in time.  A worker without a thread of its own (a test's) is where its caller is. */
static void
notice_standstill(struct worker *w)
{
	uint64_t gap = w->ticked_ms == 0 ? 0 : real_ms() - w->ticked_ms;
	w->ticked_ms += gap;
	w->still_ms = gap >= WORKER_TICK_MS + WORKER_STILL_MS ? gap - WORKER_TICK_MS : 0;
	if (w->still_ms == 0)
		return;
	log_warn("worker.stood-still", "worker=%u ms=%" PRIu64 " action=%s", w->index, w->still_ms,
	    log_quote_text("deadlines are put off by as much"));
	struct conn *c;
	TAILQ_FOREACH (c, &w->conns, of_worker)
		sweep_forgive(c, w->still_ms);
}

static void
on_tick_event(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	struct worker *w = worker_of(arg);
	atomic_fetch_add(&w->beats, 1);
	notice_standstill(w);
	worker_sweep(w);
	on_tick(w);
	turns_run(w);
}

/* ---- mail ---- */

static void
take_socket(struct worker *w, struct letter *l)
{
	SCOPED(ticket_free) struct ticket *t = MAILBOX_ENTRY(l, struct ticket, letter);
	struct err e;
	if (w->stopping)
		return;
	if (!arrival_open(w, &t, &e))
		log_warn("conn.not-opened", "why=%s", log_quote_text(e.text));
}

static void
drain_all(struct worker *w)
{
	on_stopping(w);
	struct conn *c, *next;
	TAILQ_FOREACH_SAFE(c, &w->conns, of_worker, next)
	conn_drain(c);
}

static void
end_all(struct worker *w)
{
	for (struct conn *c; (c = TAILQ_FIRST(&w->conns)) != NULL;)
		conn_cut(c);
	turns_bury_all(w);
	event_base_loopbreak(w->base);
}

static void
take_rules(struct worker *w, struct letter *l)
{
	uint32_t rate = w->limits->publish_rate;
	uint64_t rate_bytes = w->limits->publish_rate_bytes;
	w->trust_serial++; /* from here on nobody counts as judged */
	if (l->kind == LETTER_RULES)
		on_rules(w, l);
	else
		on_coming(w, l);
	if (rate != w->limits->publish_rate || rate_bytes != w->limits->publish_rate_bytes)
		parties_new_rates(w);
	w->judging = true;
	turns_wake(w);
}

static void
take_letter(struct worker *w, struct letter *l)
{
	assert(l->kind >= LETTER_SOCKET && l->kind <= LETTER_END);
	switch (l->kind) {
	case LETTER_SOCKET:
		take_socket(w, l);
		return;
	case LETTER_CONN:
		arrival_home(w, MAILBOX_ENTRY(l, struct conn, letter));
		return;
	case LETTER_JOB:
		on_committed(w, l);
		return;
	case LETTER_NOTICE:
		on_notice(w, l);
		return;
	case LETTER_RULES:
	case LETTER_COMING:
		take_rules(w, l);
		return;
	case LETTER_DRAIN:
		w->draining = true;
		drain_all(w);
		turns_bury(w);
		return;
	case LETTER_STOP:
		w->stopping = true;
		drain_all(w);
		turns_bury(w);
		return;
	case LETTER_END:
		end_all(w);
		return;
	}
}

static void
on_mail(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	struct worker *w = worker_of(arg);
	uint64_t began = worker_now_us(w);
	struct mailbox_item *i;
	for (unsigned n = 0; n < WORKER_LETTERS && (i = mailbox_take(w->mail, 1)) != NULL; n++) {
		take_letter(w, MAILBOX_ENTRY(i, struct letter, item));
		if (worker_now_us(w) - began >= LIMIT_SLICE_US)
			break;
	}
}

bool
worker_mail_socket(struct worker *w, struct ticket **t)
{
	(*t)->letter.kind = LETTER_SOCKET;
	if (!mailbox_post(w->mail, &(*t)->letter.item))
		return false;
	*t = NULL;
	return true;
}

void
worker_mail(struct worker *w, enum letter_kind kind, struct letter *l)
{
	l->kind = kind;
	mailbox_reply(w->mail, &l->item);
}

unsigned
worker_load(const struct worker *w)
{
	return atomic_load_explicit(&w->load, memory_order_relaxed);
}

unsigned
worker_sessions(const struct worker *w)
{
	return atomic_load_explicit(&w->sessions, memory_order_relaxed);
}

/* ---- connections and parties ---- */

void
worker_add_conn(struct worker *w, struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	c->worker = w;
	c->judged = w->trust_serial;
	TAILQ_INSERT_TAIL(&w->conns, c, of_worker);
	LIST_INSERT_HEAD(&w->by_id[c->id % WORKER_BUCKETS], c, of_bucket);
	atomic_fetch_add_explicit(&w->load, 1, memory_order_relaxed);
}

void
worker_remove_conn(struct worker *w, struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	turns_leave(w, c);
	TAILQ_REMOVE(&w->conns, c, of_worker);
	LIST_REMOVE(c, of_bucket);
	atomic_fetch_sub_explicit(&w->load, 1, memory_order_relaxed);
}

void
worker_judged(struct worker *w, struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	c->judged = w->trust_serial;
	TAILQ_REMOVE(&w->conns, c, of_worker);
	TAILQ_INSERT_TAIL(&w->conns, c, of_worker);
}

void
worker_bury(struct worker *w, struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	worker_remove_conn(w, c);
	turns_end(w, c);
}

struct conn *
worker_find_conn(struct worker *w, uint64_t id)
{
	ASSERT_ON(ROLE_WORKER);
	struct conn *c;
	LIST_FOREACH (c, &w->by_id[id % WORKER_BUCKETS], of_bucket) {
		if (c->id == id)
			return c;
	}
	return NULL;
}

struct worker *
worker_of_party(const struct worker *w, struct bytes name)
{
	return w->all[parties_hash(name) % w->count];
}

uint64_t
worker_now_us(const struct worker *w)
{
	return w->clock.mono_us(w->clock.arg);
}

uint64_t
worker_now_ms(const struct worker *w)
{
	return w->clock.mono_ms(w->clock.arg);
}

/* ---- life ---- */

static bool
make_events(struct worker *w, struct err *e)
{
	struct event_config *cfg = event_config_new();
	if (cfg == NULL)
		return err_set(e, ERR_NOMEM, "event configuration");
	/* one thread, no locks; others come in by mail alone */
	(void)event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	w->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (w->base == NULL)
		return err_set(e, ERR_IO, "event base");
	w->mail_event = event_new(w->base, mailbox_fd(w->mail), EV_READ | EV_PERSIST, on_mail, w);
	w->tick_event = event_new(w->base, -1, EV_PERSIST, on_tick_event, w);
	w->turn_event = event_new(w->base, -1, 0, on_turn, w);
	w->again_event = event_new(w->base, -1, 0, on_again, w);
	const struct timeval tick = { 0, WORKER_TICK_MS * 1000 };
	if (w->mail_event == NULL || w->tick_event == NULL || w->turn_event == NULL ||
	    w->again_event == NULL || event_add(w->mail_event, NULL) != 0 ||
	    event_add(w->tick_event, &tick) != 0)
		return err_set(e, ERR_NOMEM, "events of a worker");
	return true;
}

bool
worker_new(const struct worker_setup *setup, struct worker **out, struct err *e)
{
	SCOPED(worker_free) struct worker *w = calloc(1, sizeof(*w));
	if (w == NULL)
		return err_set(e, ERR_NOMEM, "worker");
	w->magic = WORKER_MAGIC;
	w->index = setup->index;
	w->count = setup->count;
	w->all = setup->all;
	w->limits = setup->limits;
	w->clock = setup->clock;
	w->shell = setup->shell;
	w->trust_serial = 1;
	TAILQ_INIT(&w->conns);
	TAILQ_INIT(&w->turn);
	TAILQ_INIT(&w->under_way);
	TAILQ_INIT(&w->again);
	share_init(&w->strangers);
	TAILQ_INIT(&w->dead);
	sem_init(&w->started, 0, 0);
	sem_init(&w->drained, 0, 0);
	if (!mailbox_new(WORKER_MAIL, &w->mail, e) || !make_events(w, e))
		return err_wrap(e, "worker %u", setup->index);
	*out = MOVE(w);
	return true;
}

static void
free_event(struct event *ev)
{
	if (ev != NULL)
		event_free(ev);
}

/* Another worker may have answered when this one's thread had ended. */
static void
drop_mail(struct worker *w)
{
	struct mailbox_item *i;
	while (w->mail != NULL && (i = mailbox_take(w->mail, 1)) != NULL) {
		struct letter *l = MAILBOX_ENTRY(i, struct letter, item);
		assert(l->kind == LETTER_JOB);
		on_left(l);
	}
}

void
worker_free(struct worker *w)
{
	if (w == NULL)
		return;
	if (w->running)
		worker_join(w); /* a start of the broker that failed half way */
	for (struct conn *c; (c = TAILQ_FIRST(&w->conns)) != NULL;)
		conn_cut(c);
	turns_bury_all(w);
	parties_free(w);
	free_event(w->mail_event);
	free_event(w->tick_event);
	free_event(w->turn_event);
	free_event(w->again_event);
	if (w->base != NULL)
		event_base_free(w->base);
	drop_mail(w);
	mailbox_free(w->mail);
	sem_destroy(&w->started);
	sem_destroy(&w->drained);
	free(w);
}

static void *
run(void *arg)
{
	struct worker *w = worker_of(arg);
	role_set(ROLE_WORKER);
	bool ok = on_worker_start(w, &w->start_error);
	if (ok)
		w->start_error.code = ERR_NONE;
	if (!ok)
		on_worker_stop(w); /* frees what is half made */
	sem_post(&w->started);
	if (!ok)
		return NULL;
	w->ticked_ms = real_ms();
	(void)event_base_loop(w->base, EVLOOP_NO_EXIT_ON_EMPTY);
	on_worker_stop(w);
	return NULL;
}

static void
wait_for(sem_t *s)
{
	while (sem_wait(s) != 0)
		; /* a signal came */
}

bool
worker_start(struct worker *w, struct err *e)
{
	ASSERT_ON(ROLE_MAIN);
	/* signals are main's; SIGPIPE of a socket must hit nobody */
	sigset_t all, was;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	int rc = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	if (rc != 0)
		return err_set(e, ERR_NOMEM, "thread of worker %u", w->index);
	wait_for(&w->started);
	w->running = w->start_error.code == ERR_NONE;
	if (w->running)
		return true;
	pthread_join(w->thread, NULL);
	*e = w->start_error;
	return err_wrap(e, "worker %u", w->index);
}

void
worker_drain(struct worker *w)
{
	ASSERT_ON(ROLE_MAIN);
	worker_mail(w, LETTER_DRAIN, &w->drain);
}

void
worker_stop(struct worker *w)
{
	ASSERT_ON(ROLE_MAIN);
	mailbox_close(w->mail);
	worker_mail(w, LETTER_STOP, &w->stop);
}

void
worker_wait(struct worker *w)
{
	ASSERT_ON(ROLE_MAIN);
	wait_for(&w->drained);
}

void
worker_join(struct worker *w)
{
	ASSERT_ON(ROLE_MAIN);
	worker_mail(w, LETTER_END, &w->end);
	pthread_join(w->thread, NULL);
	w->running = false;
}

void
worker_round(struct worker *w)
{
	ASSERT_ON(ROLE_WORKER);
	(void)event_base_loop(w->base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
}

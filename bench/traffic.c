#include "bench/traffic.h"

#include "bench/meter.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
	TIMEOUT_MS = 60000,
	SIGNED_TOGETHER = 64, /* so many reports may share a signature */
	STAMP_BYTES = 24,
	CREDIT = 1024,
	UNSETTLED = 4096 /* acknowledgements of all subscribers that are not durable yet */
};

/* One thread's part. */
struct hand {
	const struct traffic *t;
	const char *party;
	pthread_barrier_t *step; /* connected, counted, done, counted */
	uint64_t reports;
	double *took;	/* for each report: when it was due (s), then how long it took (ms) */
	double **again; /* those of reports that met a busy broker */
	uint64_t again_count, busy;
	double busy_until_s;
	double ended_s;
	pthread_t thread;
};

static void
wait_step(const struct hand *h)
{
	(void)pthread_barrier_wait(h->step);
}

/* ---- publishing ---- */

struct outgoing {
	struct relto_label label;
	struct relto_category category;
	struct relto_portion portion;
	struct relto_report report;
	char *body;
};

static void
outgoing_init(struct outgoing *o, const struct traffic *t)
{
	o->body = malloc(t->bytes + STAMP_BYTES);
	if (o->body == NULL)
		exit(1);
	memset(o->body, 'x', t->bytes + STAMP_BYTES);
	o->category = (struct relto_category){ "Releasable To", t->releasable };
	o->label = (struct relto_label){ "ATLAS", "SECRET", &o->category, 1 };
	o->portion = (struct relto_portion){
		.labels = &o->label, .label_count = 1, .content = { o->body, t->bytes }
	};
	o->report = (struct relto_report){ .topic = t->topic,
		.agreements = { &t->agreement, 1 },
		.has_only_to = t->only_to.count > 0,
		.only_to = t->only_to,
		.portions = &o->portion,
		.portion_count = 1 };
}

static void
submit(struct relto_connection *c, struct outgoing *o, double *due)
{
	struct relto_error e = { 0 };
	char stamp[STAMP_BYTES + 1];
	(void)snprintf(stamp, sizeof(stamp), "%023.9f ", *due);
	memcpy(o->body, stamp, STAMP_BYTES);
	if (!relto_submit(c, &o->report, due, &e))
		party_die("submit", &e);
}

/* True: a receipt came.  With timeout 0 there may be no answer at all. */
static bool
take_answer(struct hand *h, struct relto_connection *c, int timeout_ms)
{
	struct relto_error e = { 0 };
	struct relto_answer a;
	if (!relto_answer(c, timeout_ms, &a, &e)) {
		if (timeout_ms == 0 && strcmp(e.code, "timeout") == 0)
			return false;
		party_die("answer", &e);
	}
	double *took = a.cookie;
	if (a.receipt == NULL && a.error.may_retry) {
		h->again[h->again_count++] = took;
		h->busy++;
		h->busy_until_s = meter_now() + (double)a.error.retry_ms / 1e3;
		return false;
	}
	if (a.receipt == NULL)
		party_die("refused", &a.error);
	relto_receipt_free(a.receipt);
	*took = (meter_now() - *took) * 1e3;
	return true;
}

static void
submit_next(struct hand *h, struct relto_connection *c, struct outgoing *o, uint64_t *sent)
{
	if (h->again_count > 0) {
		submit(c, o, h->again[--h->again_count]);
		return;
	}
	double *due = &h->took[(*sent)++];
	*due = meter_now();
	submit(c, o, due);
}

static void
wait_until(struct relto_connection *c, double when)
{
	double left = when - meter_now();
	struct pollfd p = { .fd = relto_fd(c), .events = POLLIN };
	if (left <= 0)
		return;
	struct timespec t = { (time_t)left, (long)((left - (double)(time_t)left) * 1e9) };
	(void)ppoll(&p, 1, &t, NULL);
}

static void
publish_flat(struct hand *h, struct relto_connection *c, struct outgoing *o)
{
	uint64_t sent = 0, answered = 0, window = h->t->window;
	size_t batch = window < SIGNED_TOGETHER ? 1 : SIGNED_TOGETHER;
	while (answered < h->reports) {
		bool may = meter_now() >= h->busy_until_s;
		while (may && (sent < h->reports || h->again_count > 0) &&
		       relto_unanswered(c) + batch <= window)
			for (size_t i = 0; i < batch && (sent < h->reports || h->again_count > 0);
			     i++)
				submit_next(h, c, o, &sent);
		if (relto_unanswered(c) > 0)
			answered += take_answer(h, c, TIMEOUT_MS);
		else
			wait_until(c, h->busy_until_s);
	}
}

/* One report at its time, however late the answers are: what waits behind a slow one counts. */
static void
publish_paced(struct hand *h, struct relto_connection *c, struct outgoing *o)
{
	struct relto_error e = { 0 };
	double start = meter_now();
	uint64_t sent = 0, answered = 0;
	while (answered < h->reports) {
		double due = start + (double)sent / h->t->rate;
		if (sent < h->reports && due <= meter_now()) {
			h->took[sent] = due;
			submit(c, o, &h->took[sent++]);
			if (!relto_flush(c, &e))
				party_die("flush", &e);
		} else if (relto_unanswered(c) > 0 && take_answer(h, c, 0)) {
			answered++;
		} else {
			wait_until(c, sent < h->reports ? due : meter_now() + 0.01);
		}
	}
}

static void *
publisher(void *arg)
{
	struct hand *h = arg;
	struct relto_error e = { 0 };
	struct relto_context *x = party_context(&h->t->lab, h->party);
	struct relto_connection *c = relto_connect(x, &e);
	struct outgoing o;
	if (c == NULL)
		party_die("connect", &e);
	outgoing_init(&o, h->t);
	h->again = calloc(h->reports, sizeof(*h->again));
	if (h->again == NULL)
		exit(1);
	wait_step(h);
	wait_step(h);
	if (h->t->rate > 0)
		publish_paced(h, c, &o);
	else
		publish_flat(h, c, &o);
	h->ended_s = meter_now();
	wait_step(h);
	wait_step(h);
	free(o.body);
	free(h->again);
	relto_close(c);
	relto_context_free(x);
	return NULL;
}

/* ---- receiving ---- */

static void
receive(struct hand *h, struct relto_connection *c)
{
	struct relto_error e = { 0 };
	struct relto_delivery *d;
	char stamp[STAMP_BYTES + 1] = "";
	if (!relto_next(c, TIMEOUT_MS, &d, &e) || d->trust != RELTO_VERIFIED ||
	    d->portion_count != 1 || d->portions[0].portion.content.len < STAMP_BYTES)
		party_die("receive", &e);
	memcpy(stamp, d->portions[0].portion.content.data, STAMP_BYTES);
	*h->took++ = (meter_now() - strtod(stamp, NULL)) * 1e3;
	if (!relto_ack_later(c, d, &e))
		party_die("acknowledge", &e);
	relto_delivery_free(d);
}

/* Credit comes back with the Ack, not with its commit: many subscribers that only go on fill the
 * committer's mailbox until acknowledgements are refused. */
static void
receive_all(struct hand *h, struct relto_connection *c)
{
	struct relto_error e = { 0 };
	uint64_t at_once = UNSETTLED / h->t->subscribers.count;
	for (uint64_t n = 1; n <= h->reports; n++) {
		receive(h, c);
		bool settle = n == h->reports || (at_once < CREDIT && n % at_once == 0);
		if (settle && !relto_settle(c, &e))
			party_die("settle", &e);
	}
}

static void *
subscriber(void *arg)
{
	struct hand *h = arg;
	struct relto_error e = { 0 };
	struct relto_subscription_request want = { .credit = CREDIT };
	struct relto_context *x = party_context(&h->t->lab, h->party);
	struct relto_connection *c = relto_connect(x, &e);
	if (c == NULL)
		party_die("connect", &e);
	wait_step(h);
	wait_step(h);
	/* only now: what waited from a run before would come while nothing is counted yet */
	if (!relto_subscribe(c, &want, NULL, &e))
		party_die("subscribe", &e);
	receive_all(h, c);
	h->ended_s = meter_now();
	wait_step(h);
	wait_step(h);
	relto_close(c);
	relto_context_free(x);
	return NULL;
}

/* ---- all ---- */

static double *
times(uint64_t count)
{
	double *t = calloc(count + 1, sizeof(*t));
	if (t == NULL)
		exit(1);
	return t;
}

static void
start(struct hand *h, void *(*run)(void *arg), double **took)
{
	h->took = *took;
	*took += h->reports;
	if (pthread_create(&h->thread, NULL, run, h) != 0)
		exit(1);
}

static double
last_end(const struct hand *hands, size_t count)
{
	double last = 0;
	for (size_t i = 0; i < count; i++)
		last = hands[i].ended_s > last ? hands[i].ended_s : last;
	return last;
}

struct traffic_result
traffic_run(const struct traffic *t, const struct traffic_watch *watch)
{
	size_t out = t->publishers.count, in = t->subscribers.count;
	struct traffic_result r = { .receipts = t->reports, .deliveries = t->reports * in };
	double *receipt = r.receipt_ms = times(r.receipts);
	double *delivery = r.delivery_ms = times(r.deliveries);
	struct hand *hands = calloc(out + in, sizeof(*hands));
	pthread_barrier_t step;
	if (hands == NULL || pthread_barrier_init(&step, NULL, (unsigned)(out + in + 1)) != 0)
		exit(1);
	for (size_t i = 0; i < out + in; i++) {
		bool sends = i < out;
		hands[i] = (struct hand){ .t = t, .step = &step };
		hands[i].party = sends ? t->publishers.items[i] : t->subscribers.items[i - out];
		hands[i].reports = sends ? t->reports / out + (i < t->reports % out) : t->reports;
		start(&hands[i], sends ? publisher : subscriber, sends ? &receipt : &delivery);
	}
	(void)pthread_barrier_wait(&step);
	watch->begin(watch->arg);
	double began = meter_now();
	(void)pthread_barrier_wait(&step);
	(void)pthread_barrier_wait(&step);
	watch->end(watch->arg);
	(void)pthread_barrier_wait(&step);
	for (size_t i = 0; i < out + in; i++)
		(void)pthread_join(hands[i].thread, NULL);
	for (size_t i = 0; i < out; i++)
		r.busy += hands[i].busy;
	r.publish_s = last_end(hands, out) - began;
	r.all_s = last_end(hands, out + in) - began;
	(void)pthread_barrier_destroy(&step);
	free(hands);
	return r;
}

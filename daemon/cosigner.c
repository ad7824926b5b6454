#include "daemon/cosigner_inside.h"

#include "daemon/committer.h"
#include "daemon/log.h"
#include "daemon/role.h"
#include "daemon/tree.h"
#include "proto/dry.h"
#include "proto/limits.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
	ROUND_ARENA = 8 << 20,
	JOB_ARENA = 2 * NOTE_BYTES_MAX,
	TRIES = 3,     /* of one head: a 409 says from where, and somebody else may ask too */
	LOOK_BACK = 64 /* published heads, at a start, for the last that the quorum signed */
};

/* ---- life ---- */

bool
cosigner_new(const struct cosigner_setup *setup, struct cosigner **out, struct err *e)
{
	struct cosigner *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return err_set(e, ERR_NOMEM, "cosigner");
	c->set = *setup;
	c->shell = setup->shell;
	c->q = setup->quorum;
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	(void)pthread_mutex_init(&c->lock, NULL); /* of the default kind: it cannot fail */
	bool ok = (c->wake >= 0 || err_set(e, ERR_IO, "eventfd")) && sha256_init(&c->h, e) &&
		  store_view_new(c->shell->store, &c->view, e);
	for (size_t i = 0; ok && i < c->q->witness_count; i++) {
		c->w[i].key = &c->q->witnesses[i];
		c->w[i].ask.fd = -1;
		c->w[i].asked = c->q->urls[i][0] != '\0';
		ok = !c->w[i].asked || witness_ask_init(&c->w[i].ask, c->q->urls[i], e);
	}
	if (!ok) {
		c->q = NULL; /* still the caller's */
		cosigner_free(c);
		return false;
	}
	*out = c;
	return true;
}

void
cosigner_free(struct cosigner *c)
{
	ASSERT_ON(ROLE_MAIN);
	if (c == NULL)
		return;
	store_view_free(c->view);
	sha256_done(&c->h);
	(void)pthread_mutex_destroy(&c->lock);
	if (c->wake >= 0)
		(void)close(c->wake);
	free(c->q);
	free(c);
}

void
cosigner_wake(struct cosigner *c)
{
	const uint64_t one = 1;
	if (c != NULL && write(c->wake, &one, sizeof(one)) < 0)
		return; /* EAGAIN: it has been woken some 2^64 times and will look */
}

static bool
drain_wake(struct cosigner *c)
{
	uint64_t n;
	return read(c->wake, &n, sizeof(n)) == (ssize_t)sizeof(n);
}

/* ---- what was found out ---- */

static bool
raise_to(_Atomic uint64_t *word, uint64_t to)
{
	uint64_t was = atomic_load(word);
	while (was < to)
		if (atomic_compare_exchange_weak(word, &was, to))
			return true;
	return false;
}

/* What failed is tried again then. */
static int64_t
again_at(const struct cosigner *c)
{
	return cosigner_now_ms() + (int64_t)atomic_load(&c->shell->heads_ms);
}

/* Workers look again: sessions are told, exports go on, reports that waited leave. */
static void
tell_workers(struct cosigner *c)
{
	for (unsigned i = 0; i < c->shell->worker_count; i++) {
		struct notice *n = calloc(1, sizeof(*n));
		if (n == NULL) {
			c->again_ms = again_at(c); /* told again then */
			continue;
		}
		n->letter.kind = LETTER_NOTICE;
		n->heads = n->all = true;
		worker_mail(c->shell->workers[i], LETTER_NOTICE, &n->letter);
	}
}

/* ---- a head ---- */

/* The signatures that a stored note has of the log and the witnesses. */
static bool
read_note(struct cosigner *c, struct head *h, struct bytes note, struct err *e)
{
	struct checkpoint_trust trust = { .log = c->shell->log_key,
		.witnesses = c->q->witnesses,
		.witness_count = c->q->witness_count,
		.seen = h->seen };
	dry_begin();
	if (!checkpoint_open(&h->arena, note, &trust, &h->cp, e))
		return dry_ran() ? err_set(e, ERR_NOMEM, "checkpoint") : false;
	h->note = note;
	h->stored = note.len;
	return true;
}

/* The newest published head of at most 'at_most' leaves, as it is stored. */
static bool
read_head(struct cosigner *c, struct head *h, uint64_t at_most, bool *found, struct err *e)
{
	struct store_checkpoint cp;
	*found = false;
	bool ok = store_view_open(c->view, &h->arena, e) &&
		  store_read_checkpoint(c->view, at_most, true, &cp, found, e);
	store_view_close(c->view);
	return ok && (!*found || read_note(c, h, cp.note, e));
}

/* What the quorum signed is durable: from here on reports that waited for it may leave. */
static void
look(struct cosigner *c, const struct head *h)
{
	if (!quorum_met(c->q, h->seen))
		return;
	bool news = raise_to(&c->shell->cosigned_size, h->cp.size);
	news |= raise_to(&c->shell->settled_size, h->cp.size);
	if (!news)
		return;
	metrics_add(&c->metrics, METRIC_cosigned, 1);
	cosigner_say_quorum(c, h, true);
	tell_workers(c);
}

/* At the start: the newest of the stored heads that the quorum signed. */
static void
look_back(struct cosigner *c)
{
	uint64_t at_most = UINT64_MAX;
	bool found = true;
	for (unsigned i = 0; found && i < LOOK_BACK; i++) {
		struct head h = { 0 };
		struct err e = { 0 };
		arena_init(&h.arena, ROUND_ARENA);
		if (!read_head(c, &h, at_most, &found, &e)) {
			log_warn("head.unread", "why=%s", log_quote_text(e.text));
			found = false;
		}
		if (found)
			look(c, &h);
		found = found && h.cp.size > 0 && !quorum_met(c->q, h.seen);
		at_most = found ? h.cp.size - 1 : 0;
		arena_done(&h.arena);
	}
}

static bool
post(struct cosigner *c, struct head *h)
{
	struct err e = { 0 };
	SCOPED(job_free) struct job *j = job_new(JOB_COSIGNED, NULL, JOB_ARENA);
	if (h->stored == h->note.len)
		return true;
	if (j == NULL || !arena_copy(j->arena, h->note, &j->cosigned.note, &e))
		return false;
	j->cosigned.size = h->cp.size;
	j->home = JOB_HOME_NOBODY;
	j->bytes = h->note.len;
	if (!committer_take(c->shell, &j))
		return false;
	h->stored = h->note.len;
	c->posted.size = h->cp.size;
	c->posted.len = h->note.len;
	c->posted.until_ms = cosigner_now_ms() + LIMIT_WITNESS_MS;
	return true;
}

/* More signatures are on their way into the store than were read there. */
static bool
is_posted(const struct cosigner *c, const struct head *h)
{
	return h->cp.size == c->posted.size && h->stored < c->posted.len &&
	       cosigner_now_ms() < c->posted.until_ms;
}

/* ---- asking ---- */

static bool
prove(struct cosigner *c, struct head *h, uint64_t from, struct witness_request *r, struct err *e)
{
	struct tree_view tree;
	struct merkle_proof p = { 0 };
	bool ok = true;
	if (from > 0 && from < h->cp.size) {
		struct merkle_source source = tree_source(&tree, c->view, &c->h);
		ok = store_view_open(c->view, &h->arena, e) &&
		     merkle_consistency(&source, from, h->cp.size, &p, e);
		store_view_close(c->view);
	}
	if (!ok || p.count > WITNESS_PROOF_MAX)
		return ok && err_set(e, ERR_LIMIT, "a proof of %zu hashes", p.count);
	r->old = from;
	r->count = p.count;
	memcpy(r->proof, p.hash, p.count * sizeof(p.hash[0]));
	return true;
}

static void
ask(struct cosigner *c, struct head *h, size_t i, int64_t until_ms)
{
	struct witness *w = &c->w[i];
	struct witness_request r = { .note = h->note };
	struct bytes body = { NULL, 0 }, request = { NULL, 0 };
	struct http_target to = { w->ask.host, w->ask.path };
	struct err e = { 0 };
	w->tries++;
	if (prove(c, h, w->size, &r, &e) && witness_request_write(&h->arena, &r, &body, &e) &&
	    http_write_post(&h->arena, &to, body, &request, &e)) {
		witness_ask_begin(&w->ask, request, until_ms);
		return;
	}
	w->over = true;
	cosigner_say_failed(c, i, false, e.text);
}

/* It has cosigned another size than we thought. */
static void
take_conflict(struct cosigner *c, struct head *h, size_t i)
{
	struct witness *w = &c->w[i];
	char why[128];
	uint64_t size = 0;
	struct err e = { 0 };
	if (!witness_size_parse(w->ask.answer.body, &size, &e)) {
		cosigner_say_failed(c, i, false, e.text);
		return;
	}
	w->size = size;
	if (size > h->cp.size) {
		w->size = 0;
		(void)snprintf(why, sizeof(why),
		    "it says that it cosigned size %" PRIu64 ", and this log has published %" PRIu64
		    ": was the store put back?",
		    size, h->cp.size);
		cosigner_say_failed(c, i, true, why);
	} else if (w->tries == TRIES)
		cosigner_say_failed(c, i, false, "it names another size each time");
	else {
		ask(c, h, i, w->ask.until_ms);
		return;
	}
}

static void
take_line(struct cosigner *c, struct head *h, size_t i)
{
	struct witness *w = &c->w[i];
	struct witness_reply reply = { w->ask.answer.body, w->key, (uint64_t)time(NULL) };
	struct err e = { 0 };
	dry_begin();
	if (!witness_attach(&h->arena, &reply, &h->note, &e)) {
		cosigner_say_failed(c, i, false, dry_ran() ? "no memory" : e.text);
		return;
	}
	h->seen[i].verified = true;
	w->size = h->cp.size;
	cosigner_say_well(c, i, h->cp.size);
}

static void
take_answer(struct cosigner *c, struct head *h, size_t i)
{
	struct witness *w = &c->w[i];
	char why[64];
	unsigned status = w->ask.answer.status;
	if (w->ask.state == WITNESS_ASK_FAILED) {
		cosigner_say_failed(c, i, false, w->ask.why);
		w->over = true;
		return;
	}
	w->over = true;
	if (status == WITNESS_COSIGN)
		take_line(c, h, i);
	else if (status == WITNESS_CONFLICT) {
		w->over = false;
		take_conflict(c, h, i);
		w->over |= witness_ask_events(&w->ask) == 0;
	} else {
		(void)snprintf(why, sizeof(why), "it answers %u%s", status,
		    status == WITNESS_UNPROVED ? ": this log does not go on from what it saw" : "");
		w->size = 0;
		cosigner_say_failed(c, i, status == WITNESS_UNPROVED, why);
	}
}

/* One wait for all of them.  True: somebody woke us. */
static bool
wait_for_any(struct cosigner *c, int64_t until_ms)
{
	struct pollfd fds[1 + QUORUM_WITNESSES_MAX];
	size_t n = c->q->witness_count;
	int64_t left = until_ms - cosigner_now_ms();
	fds[0] = (struct pollfd){ c->wake, POLLIN, 0 };
	for (size_t i = 0; i < n; i++) {
		short events = c->w[i].over ? 0 : witness_ask_events(&c->w[i].ask);
		fds[1 + i] = (struct pollfd){ events == 0 ? -1 : c->w[i].ask.fd, events, 0 };
	}
	if (poll(fds, 1 + n, left < 0 ? 0 : (int)left) < 0)
		return false; /* EINTR, ENOMEM: the deadline ends it */
	int64_t now = cosigner_now_ms();
	for (size_t i = 0; i < n; i++)
		if (!c->w[i].over && c->w[i].asked)
			witness_ask_step(&c->w[i].ask, fds[1 + i].revents, now);
	return fds[0].revents != 0 && drain_wake(c);
}

/* Takes what has come; false if nothing more will. */
static bool
take_answers(struct cosigner *c, struct head *h)
{
	bool more = false;
	for (size_t i = 0; i < c->q->witness_count; i++) {
		struct witness *w = &c->w[i];
		if (!w->over && witness_ask_events(&w->ask) == 0)
			take_answer(c, h, i);
		more |= !w->over;
	}
	return more;
}

/* Whether those who have not answered yet decide about the quorum. */
static bool
is_open(const struct cosigner *c, const struct head *h)
{
	struct note_seen all[QUORUM_WITNESSES_MAX];
	for (size_t i = 0; i < c->q->witness_count; i++) {
		all[i] = h->seen[i];
		all[i].verified |= !c->w[i].over;
	}
	return !quorum_met(c->q, h->seen) && quorum_met(c->q, all);
}

/* Waits for all who were asked, until they have signed or the time is over.  When it is settled
 * whether the quorum signs, it ends as soon as there is something newer. */
static void
gather(struct cosigner *c, struct head *h, int64_t until_ms)
{
	bool woken = false, met = quorum_met(c->q, h->seen);
	while (take_answers(c, h) && !atomic_load(&c->stopping) && (!woken || is_open(c, h))) {
		if (!met && quorum_met(c->q, h->seen))
			met = post(c, h); /* the others may come later */
		woken |= wait_for_any(c, until_ms);
	}
	for (size_t i = 0; i < c->q->witness_count; i++)
		witness_ask_end(&c->w[i].ask);
	if (woken)
		cosigner_wake(c); /* there is something to look at */
}

static bool
anybody_left(struct cosigner *c, const struct head *h)
{
	bool any = false;
	for (size_t i = 0; i < c->q->witness_count; i++) {
		c->w[i].over = !c->w[i].asked || h->seen[i].verified;
		c->w[i].tries = 0;
		any |= !c->w[i].over;
		if (h->seen[i].verified)
			cosigner_say_well(c, i, h->cp.size);
	}
	return any;
}

static void
round_of(struct cosigner *c, struct head *h)
{
	look(c, h);
	c->again_ms = is_posted(c, h) ? c->posted.until_ms : 0;
	if (c->again_ms != 0 || !anybody_left(c, h))
		return;
	int64_t until_ms = cosigner_now_ms() + LIMIT_WITNESS_MS;
	for (size_t i = 0; i < c->q->witness_count; i++)
		if (!c->w[i].over)
			ask(c, h, i, until_ms);
	gather(c, h, until_ms);
	(void)post(c, h); /* what could not be posted is asked for again */
	c->again_ms = again_at(c);
	if (atomic_load(&c->stopping) || quorum_met(c->q, h->seen))
		return;
	cosigner_say_quorum(c, h, false);
	if (raise_to(&c->shell->settled_size, h->cp.size))
		tell_workers(c); /* exports wait no longer */
}

static void
one_round(struct cosigner *c)
{
	struct head h = { 0 };
	struct err e = { 0 };
	bool found = false;
	arena_init(&h.arena, ROUND_ARENA);
	if (!read_head(c, &h, UINT64_MAX, &found, &e)) {
		log_warn("head.unread", "why=%s", log_quote_text(e.text));
		c->again_ms = again_at(c);
	} else if (found)
		round_of(c, &h);
	arena_done(&h.arena);
}

static void *
cosigner_run(void *arg)
{
	struct cosigner *c = arg;
	role_set(ROLE_COSIGNER);
	look_back(c);
	while (!atomic_load(&c->stopping)) {
		one_round(c);
		struct pollfd fd = { c->wake, POLLIN, 0 };
		int64_t left = c->again_ms == 0 ? -1 : c->again_ms - cosigner_now_ms();
		if (c->again_ms == 0 || left > 0)
			(void)poll(&fd, 1, (int)left);
		(void)drain_wake(c);
	}
	return NULL;
}

bool
cosigner_start(struct cosigner *c, struct err *e)
{
	ASSERT_ON(ROLE_MAIN);
	if (pthread_create(&c->thread, NULL, cosigner_run, c) != 0)
		return err_set(e, ERR_NOMEM, "cosigner thread");
	c->running = true;
	return true;
}

void
cosigner_stop(struct cosigner *c)
{
	ASSERT_ON(ROLE_MAIN);
	if (c == NULL || !c->running)
		return;
	atomic_store(&c->stopping, true);
	cosigner_wake(c);
	(void)pthread_join(c->thread, NULL);
	c->running = false;
}

#include "daemon/notary.h"

#include "audit/checkpoint.h"
#include "daemon/log.h"
#include "daemon/notary_line.h"
#include "daemon/prover.h"
#include "daemon/role.h"
#include "daemon/shell.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { ARENA_BYTES = 64 << 10, ASKS_MAIL = NOTARY_ASKS + 1 };
/* Between two tries: the signer is not there; it does not do what it should. */
enum { AWAY_US = 100000, AMISS_US = 1000000 };

struct notary {
	struct notary_setup set;
	struct sha256 sha;
	struct prover prover;
	struct notary_line line;
	struct notary_met met; /* since notary_meet; its keys do not change */
	bool was_met;
	struct mailbox *asks;
	/* asked and not home, in order; those from 'unsent' on were not sent on this line */
	struct mailbox_item *first, *last, *unsent;
	struct merkle at;     /* what the signer's anchor will be when it did what was sent */
	bool peaks;	      /* its frontier is known */
	uint64_t progress_us; /* the last good word, or the begin of the wait for one */
	uint64_t next_try_us;
	bool told_away, told_amiss;
	pthread_t thread;
	bool running;
	_Atomic bool stopping;
	struct mailbox_item wake; /* posted by notary_stop, to end the wait */
};

static struct notary_ask *
ask_of(struct mailbox_item *item)
{
	return MAILBOX_ENTRY(item, struct notary_ask, item);
}

static uint64_t
now_us(const struct notary *n)
{
	return wall_boot(&n->set.shell->wall);
}

/* ---- the end ---- */

/* The signer holds a head that this store has not: whoever goes on makes a fork. */
static void
stop_for_good(struct notary *n, const struct err *e)
{
	atomic_store(&n->set.shell->broken, true);
	shell_end(n->set.shell);
	log_error("signer.contradicts", "code=%s why=%s action=%s", err_token(e->code),
	    log_quote_text(e->text),
	    log_quote_text("stopping; nothing was signed, see reltod(8), The signer"));
	_exit(err_exit(e->code));
}

/* ---- the line ---- */

static void
hang_up(struct notary *n, uint64_t pause_us)
{
	if (n->line.greeted && n->first == NULL)
		n->progress_us = now_us(n); /* the wait for a signer begins */
	notary_line_close(&n->line);
	n->unsent = n->first;
	n->peaks = false;
	n->next_try_us = now_us(n) + pause_us;
}

/* What the signer says or does not do and should: told once, until it signs again. */
static void
amiss(struct notary *n, const struct err *e)
{
	if (!n->told_amiss)
		log_error("signer.amiss", "code=%s why=%s action=%s", err_token(e->code),
		    log_quote_text(e->text), log_quote_text("trying again every second"));
	n->told_amiss = true;
	hang_up(n, AMISS_US);
}

static bool
read_keys(struct notary *n, const struct signing_hello *in, struct notary_met *out, struct err *e)
{
	struct bytes origin = n->set.shell->origin;
	memset(out, 0, sizeof(*out));
	out->anchor = in->anchor;
	out->key_count = in->key_count;
	for (size_t i = 0; i < in->key_count; i++) {
		if (!note_key_parse(&n->sha, in->keys[i], &out->keys[i], e))
			return err_wrap(e, "the signer's key");
		if (!bytes_is(origin, out->keys[i].name))
			return err_set(e, ERR_CONFIG,
			    "the signer signs for '%s', and log { origin } is '%.*s'",
			    out->keys[i].name, (int)origin.len, (const char *)origin.data);
	}
	return true;
}

static bool
same_keys(const struct notary_met *a, const struct notary_met *b)
{
	bool same = a->key_count == b->key_count;
	for (size_t i = 0; same && i < a->key_count; i++)
		same = memcmp(a->keys[i].public, b->keys[i].public, 32) == 0;
	return same;
}

bool
notary_compare(struct notary *n, const struct signing_head *anchor, struct err *e)
{
	ASSERT_ON(ROLE_NOTARY);
	uint64_t size = 0;
	uint8_t root[32];
	if (!prover_size(&n->prover, &size, e))
		return false;
	if (anchor->size > size)
		return err_set(e, ERR_ROLLBACK,
		    "the signer has signed %" PRIu64
		    " records of this log, and the store has %" PRIu64
		    ": it was cut, rolled back, or is not the one that ran last; bring that one "
		    "back, and do not make the anchor anew",
		    anchor->size, size);
	if (!prover_root(&n->prover, anchor->size, root, e))
		return false;
	if (memcmp(root, anchor->root, sizeof(root)) != 0)
		return err_set(e, ERR_FORK,
		    "the first %" PRIu64
		    " records of the store are not those that the signer signed: "
		    "it was changed, or is of another broker",
		    anchor->size);
	return true;
}

/* The first word on a new line. */
static bool
greet(struct notary *n, const struct signing_hello *in, struct err *e)
{
	struct notary_met now;
	if (!read_keys(n, in, &now, e))
		return false;
	if (n->was_met && !same_keys(&n->met, &now))
		return err_set(e, ERR_CONFIG,
		    "the signer has other keys than when the broker started: restart the broker");
	if (n->was_met && !notary_compare(n, &now.anchor, e))
		return false;
	n->met = now;
	n->line.greeted = n->was_met = true;
	n->at = (struct merkle){ .leaf_count = now.anchor.size };
	n->peaks = false;
	n->unsent = n->first;
	return true;
}

/* ---- signatures ---- */

/* That the note is the head that was asked for, signed by every key of the signer. */
static bool
check_note(struct notary *n, const struct notary_ask *ask, struct bytes in, struct err *e)
{
	SCOPED(arena_done) struct arena a;
	struct checkpoint head = { .origin = n->set.shell->origin, .size = ask->tree.leaf_count };
	struct note note;
	struct note_seen seen[SIGNING_KEYS_MAX];
	struct bytes text;
	arena_init(&a, ARENA_BYTES);
	memcpy(head.root, ask->root, sizeof(head.root));
	if (!note_parse(&a, in, &note, e) || !checkpoint_text(&a, &head, &text, e))
		return false;
	if (!bytes_equal(text, note.text))
		return err_set(e, ERR_DATA, "the signer signed another head than was asked for");
	if (!note_verify(&note, n->met.keys, n->met.key_count, seen, e))
		return false;
	for (size_t i = 0; i < n->met.key_count; i++)
		if (!seen[i].verified)
			return err_set(e, ERR_DATA, "a key of the signer did not sign");
	return true;
}

static void
send_home(struct notary *n)
{
	struct mailbox_item *item = n->first;
	if (n->unsent == item)
		n->unsent = item->next;
	n->first = item->next;
	if (n->first == NULL)
		n->last = NULL;
	mailbox_reply(n->set.home, item);
}

static bool
take_signed(struct notary *n, const struct signing_signed *in, struct err *e)
{
	/* those before it were covered by the anchor when the line began, and not sent */
	while (n->first != n->unsent && ask_of(n->first)->tree.leaf_count < in->size)
		send_home(n);
	if (n->first == n->unsent || ask_of(n->first)->tree.leaf_count != in->size)
		return err_set(
		    e, ERR_DATA, "the signer signed %" PRIu64 ", which was not asked", in->size);
	struct notary_ask *ask = ask_of(n->first);
	if (!check_note(n, ask, in->note, e))
		return false;
	memcpy(ask->note, in->note.data, in->note.len);
	ask->note_len = in->note.len;
	send_home(n);
	n->progress_us = now_us(n);
	n->told_amiss = false;
	return true;
}

static bool
take_refused(const struct signing_refused *in, struct err *e)
{
	enum err_code code = in->reason == SIGNING_ROLLBACK ? ERR_ROLLBACK
			     : in->reason == SIGNING_FORK || in->reason == SIGNING_NOT_PROVEN
				 ? ERR_FORK
			     : in->reason == SIGNING_MALFORMED ? ERR_INTERNAL
							       : ERR_SIGNER;
	return err_set(e, code,
	    "the signer refuses (%s): its anchor is of %" PRIu64 " records; its messages say more",
	    signing_reason_name(in->reason), in->anchor.size);
}

static bool
take_message(struct notary *n, const struct signing_message *m, struct err *e)
{
	if (m->kind == SIGNING_HELLO && !n->line.greeted)
		return greet(n, &m->hello, e);
	if (m->kind == SIGNING_SIGNED && n->line.greeted)
		return take_signed(n, &m->signed_, e);
	if (m->kind == SIGNING_REFUSED && n->line.greeted)
		return take_refused(&m->refused, e);
	return err_set(e, ERR_DATA, "the signer speaks out of turn");
}

/* ---- asking ---- */

static bool
ask_one(struct notary *n, const struct notary_ask *ask, struct err *e)
{
	struct signing_message m = { .kind = SIGNING_ASK };
	struct prover_step step = { &n->at, n->peaks, ask->tree.leaf_count };
	m.ask.from = n->at.leaf_count;
	m.ask.head.size = ask->tree.leaf_count;
	memcpy(m.ask.head.root, ask->root, sizeof(ask->root));
	if (!prover_extends(&n->prover, &step, &m.ask.proof, e) ||
	    !notary_line_send(&n->line, &m, e))
		return false;
	n->at = ask->tree;
	n->peaks = true;
	return true;
}

/* All that was not sent on this line. */
static bool
ask_all(struct notary *n, struct err *e)
{
	while (n->unsent != NULL) {
		struct notary_ask *ask = ask_of(n->unsent);
		bool covered = ask->tree.leaf_count < n->at.leaf_count;
		if (!covered && !ask_one(n, ask, e))
			return false;
		n->unsent = n->unsent->next;
	}
	return true;
}

/* Takes what was asked for since. */
static void
gather(struct notary *n)
{
	struct mailbox_item *next, *item = mailbox_take(n->asks, SIZE_MAX);
	for (; item != NULL; item = next) {
		next = item->next;
		item->next = NULL;
		if (item == &n->wake)
			continue;
		if (n->first == NULL && n->line.greeted)
			n->progress_us = now_us(n); /* the wait begins */
		if (n->last == NULL)
			n->first = item;
		else
			n->last->next = item;
		n->last = item;
		if (n->unsent == NULL)
			n->unsent = item;
	}
}

/* ---- the thread ---- */

/* What went wrong is either the store's contradiction, or a reason to try again. */
static void
judge(struct notary *n, const struct err *e)
{
	if (e->code == ERR_ROLLBACK || e->code == ERR_FORK || e->code == ERR_CORRUPT ||
	    e->code == ERR_STORE || e->code == ERR_INTERNAL)
		stop_for_good(n, e);
	if (e->code == ERR_UNREACHABLE)
		hang_up(n, AWAY_US);
	else
		amiss(n, e);
}

/* One step on the line; nothing blocks. */
static void
step(struct notary *n)
{
	struct signing_message m;
	uint8_t packet[SIGNING_BYTES_MAX];
	struct err e = { 0 };
	bool got = true, ok = true;
	if (!n->line.open) {
		if (now_us(n) < n->next_try_us)
			return;
		ok = notary_line_open(&n->line, n->set.path, n->set.uid, &e);
	}
	while (ok && got)
		ok = notary_line_take(&n->line, packet, &m, &got, &e) &&
		     (!got || take_message(n, &m, &e));
	if (ok && n->line.greeted)
		ok = ask_all(n, &e);
	if (!ok)
		judge(n, &e);
}

static uint64_t
wait_us(const struct notary *n)
{
	return atomic_load(&n->set.shell->signer_wait_ms) * 1000;
}

/* Whether the signer owes something for too long. */
static void
listen_for_it(struct notary *n)
{
	struct shell *s = n->set.shell;
	uint64_t now = now_us(n);
	bool waits = !n->line.greeted || n->first != NULL;
	if (!waits)
		n->progress_us = now;
	bool away = waits && now - n->progress_us >= wait_us(n);
	if (away == n->told_away)
		return;
	n->told_away = away;
	atomic_store(&s->signer_away, away);
	if (away)
		log_error("signer.away", "action=%s",
		    log_quote_text("no new reports, and nothing leaves that is not signed; start "
				   "relto-signer, or let it go on"));
	else
		log_info("signer.back", "action=%s", log_quote_text("intake and delivery go on"));
}

/* Until the line or the mailbox has something, or a wait ends. */
static void
rest(struct notary *n)
{
	struct pollfd at[2] = { { .fd = mailbox_fd(n->asks), .events = POLLIN },
		{ .fd = n->line.open ? n->line.fd : -1, .events = POLLIN } };
	uint64_t now = now_us(n), until = UINT64_MAX;
	bool waits = !n->line.greeted || n->first != NULL;
	if (!n->line.open)
		until = n->next_try_us;
	if (waits && !n->told_away && n->progress_us + wait_us(n) < until)
		until = n->progress_us + wait_us(n);
	int ms = until == UINT64_MAX ? -1 : until <= now ? 0 : (int)((until - now + 999) / 1000);
	(void)poll(at, 2, ms);
}

static void *
run(void *arg)
{
	struct notary *n = arg;
	role_set(ROLE_NOTARY);
	n->progress_us = now_us(n);
	while (!atomic_load(&n->stopping)) {
		gather(n);
		step(n);
		listen_for_it(n);
		rest(n);
	}
	return NULL;
}

/* ---- main's ---- */

bool
notary_new(const struct notary_setup *setup, struct notary **out, struct err *e)
{
	ASSERT_ON(ROLE_MAIN);
	SCOPED(notary_free) struct notary *n = calloc(1, sizeof(*n));
	if (n == NULL)
		return err_set(e, ERR_NOMEM, "notary");
	n->set = *setup;
	if (!sha256_init(&n->sha, e) || !mailbox_new(ASKS_MAIL, &n->asks, e) ||
	    !prover_init(&n->prover, setup->shell->store, &n->sha, e))
		return false;
	*out = MOVE(n);
	return true;
}

bool
notary_meet(struct notary *n, struct notary_met *out, struct err *e)
{
	ASSERT_ON(ROLE_MAIN);
	struct signing_message m;
	uint8_t packet[SIGNING_BYTES_MAX];
	uint64_t until = now_us(n) + wait_us(n);
	while (!n->line.greeted) {
		bool got = false;
		bool ok =
		    (n->line.open || notary_line_open(&n->line, n->set.path, n->set.uid, e)) &&
		    notary_line_take(&n->line, packet, &m, &got, e) &&
		    (!got || take_message(n, &m, e));
		if (!ok && e->code != ERR_UNREACHABLE)
			return false;
		if (!ok)
			notary_line_close(&n->line);
		if (n->line.greeted)
			break;
		if (now_us(n) >= until && ok)
			(void)err_set(e, ERR_SIGNER, "the signer does not answer");
		if (now_us(n) >= until) {
			e->code = ERR_SIGNER;
			return err_wrap(e, "start relto-signer, and then the broker");
		}
		struct pollfd at = { .fd = n->line.open ? n->line.fd : -1, .events = POLLIN };
		(void)poll(&at, 1, AWAY_US / 1000);
	}
	*out = n->met;
	return true;
}

bool
notary_start(struct notary *n, struct err *e)
{
	ASSERT_ON(ROLE_MAIN);
	if (pthread_create(&n->thread, NULL, run, n) != 0)
		return err_set(e, ERR_NOMEM, "notary thread");
	n->running = true;
	return true;
}

void
notary_stop(struct notary *n)
{
	ASSERT_ON(ROLE_MAIN);
	if (n == NULL || !n->running)
		return;
	atomic_store(&n->stopping, true);
	mailbox_reply(n->asks, &n->wake);
	(void)pthread_join(n->thread, NULL);
	n->running = false;
}

void
notary_free(struct notary *n)
{
	ASSERT_ON(ROLE_MAIN);
	if (n == NULL)
		return;
	notary_stop(n);
	if (n->asks != NULL)
		(void)mailbox_take(n->asks, SIZE_MAX);
	mailbox_free(n->asks);
	notary_line_close(&n->line);
	prover_done(&n->prover);
	sha256_done(&n->sha);
	free(n);
}

void
notary_ask_for(struct notary *n, struct notary_ask *ask)
{
	ASSERT_ON(ROLE_COMMITTER);
	ask->note_len = 0;
	mailbox_reply(n->asks, &ask->item);
}

#include "daemon/on_mailbox.h"
#include "daemon/role.h"

#include "daemon/fill.h"
#include "daemon/log.h"
#include "daemon/on.h"
#include "daemon/on_admin.h"
#include "daemon/outlet.h"
#include "proto/msg.h"
#include "proto/uuid.h"

#include <inttypes.h>
#include <stdio.h>

enum { ARENA = 1 << 20, LETTERS = 256 };

/* What an operator asks for, in the transaction of what it does. */
static bool
draft(struct conn *c, const char *command, struct bytes argument, struct job *j, struct err *e)
{
	struct body b;
	struct record *r = arena_zalloc(j->arena, 1, sizeof(*r));
	if (r == NULL)
		return err_set(e, ERR_NOMEM, "record");
	event_body_begin(&b, EVENT_ADMIN);
	event_body_bytes(&b, BODY_ADMIN_COMMAND, bytes_of(command));
	event_body_bytes(&b, BODY_ADMIN_ARGUMENT, argument);
	event_body_bytes(&b, BODY_ADMIN_RESULT, bytes_of("ok"));
	j->mailbox.admin = r;
	return desk_record(c, &b, j->arena, r, e);
}

/* The number of a party; 0: there was never one of this name. */
static bool
find_party(struct desk *d, struct bytes name, struct arena *a, uint32_t *id, struct err *e)
{
	bool found = false;
	bool ok = store_view_open(d->view, a, e) &&
		  store_find_name(d->view, STORE_NAME_PARTY, name, id, &found, e);
	store_view_close(d->view);
	if (!found)
		*id = 0;
	return ok;
}

/* ---- Subscriptions ---- */

/* Somebody reads it: whoever deletes it ends that first. */
static bool
is_read(const struct desk *d, uint32_t party, uint8_t mode, struct bytes name)
{
	const struct outlet *o;
	for (o = d->outlets; o != NULL; o = o->hh.next)
		if (o->party == party && o->mode == mode && bytes_is(name, o->name) &&
		    !LIST_EMPTY(&o->consumers))
			return true;
	return false;
}

/* Whose they are; what is wrong, or ERR_NONE. */
static bool
whose(struct conn *c, const struct msg_subscriptions *s, struct arena *a, uint32_t *party,
    struct complaint *no, struct err *e)
{
	bool deletes = s->act == MSG_SUBSCRIPTION_DELETE;
	uint8_t mode = s->exercise ? MODE_EXERCISE : MODE_LIVE;
	*party = desk_party(c);
	if (s->party.len > 0) {
		if (!find_party(desk_of(c), s->party, a, party, e))
			return false;
		if (deletes || *party == 0)
			*no = (struct complaint){ .code = deletes ? ERR_MALFORMED : ERR_NOT_FOUND,
				.field = bytes_of("subscriptions.party") };
	} else if ((c->peer->roles & ROLE_SUBSCRIBE) == 0)
		no->code = ERR_ROLE;
	else if (*party == 0)
		no->code = ERR_UNKNOWN_AGENT;
	else if (deletes && s->name.len == 0)
		*no = (struct complaint){ .code = ERR_MALFORMED,
			.field = bytes_of("subscriptions.name") };
	else if (deletes && is_read(desk_of(c), *party, mode, s->name))
		*no = (struct complaint){ .code = ERR_BUSY,
			.detail = bytes_of("somebody reads it now"),
			.retry_ms = 1000 };
	return true;
}

static bool
fill_subscriptions(struct conn *c, const struct msg_subscriptions *s, struct job *j, struct err *e)
{
	struct job_mailbox *m = &j->mailbox;
	m->mode = s->exercise ? MODE_EXERCISE : MODE_LIVE;
	if (s->act == MSG_SUBSCRIPTION_DELETE) {
		m->act = MAILBOX_DELETE;
		j->records = LETTERS + 1;
		return arena_copy(j->arena, s->name, &m->name, e);
	}
	m->act = MAILBOX_LIST;
	m->from = s->from;
	m->room = MSG_SUBSCRIPTIONS_MAX;
	m->rows = arena_zalloc(j->arena, m->room, sizeof(*m->rows));
	if (m->rows == NULL)
		return err_set(e, ERR_NOMEM, "subscriptions");
	return s->party.len == 0 || draft(c, "subscriptions", s->party, j, e);
}

bool
on_subscriptions(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	const struct msg_subscriptions *s = &m->subscriptions;
	struct complaint no = { .code = ERR_NONE };
	uint32_t party = 0;
	bool yes = true;
	if (s->party.len > 0 && (!admin_allowed(c, m, &yes, e) || !yes))
		return !yes && e->code == ERR_NONE;
	if (!whose(c, s, *request, &party, &no, e))
		return false;
	if (no.code == ERR_BUSY)
		return conn_refuse(c, m->request, &no, e);
	if (no.code != ERR_NONE)
		return desk_refuse(c, m->request, &no, e);
	bool told = s->act != MSG_SUBSCRIPTION_DELETE || desk_may_record(c, m->request, &yes, e);
	if (!told || !yes)
		return told;
	SCOPED(job_free) struct job *j = job_new(JOB_MAILBOX, NULL, ARENA);
	if (j == NULL)
		return err_set(e, ERR_NOMEM, "subscriptions");
	j->mailbox.party = party;
	j->request = m->request;
	j->records = 1;
	j->bytes = 4096;
	desk_say_who(c, j);
	if (!fill_subscriptions(c, s, j, e))
		return false;
	(void)!desk_post(c, &j);
	return true;
}

static bool
say_list(struct conn *c, const struct job *j, struct err *e)
{
	const struct job_mailbox *l = &j->mailbox;
	struct msg m = { .request = j->request, .type = MSG_SUBSCRIPTION_LIST };
	struct msg_subscription *items = arena_zalloc(j->arena, l->count + 1, sizeof(*items));
	if (items == NULL)
		return err_set(e, ERR_NOMEM, "subscriptions");
	for (size_t i = 0; i < l->count; i++)
		items[i] = (struct msg_subscription){ .name = bytes_of(l->rows[i].name),
			.topic = bytes_of(l->rows[i].pattern),
			.mode = (enum mode)l->rows[i].mode,
			.waiting = l->rows[i].waiting };
	m.subscription_list = (struct msg_subscription_list){ items, l->count, l->more };
	return conn_send(c, 3, &m, e);
}

/* Who began to read it meanwhile would wait for ever. */
static void
turn_away(struct worker *w, uint32_t id)
{
	struct outlet *o = outlet_find(w->desk, id);
	const struct consumer *k;
	uint64_t conns[LIMIT_CONNECTIONS_PER_PARTY];
	size_t count = 0;
	if (o == NULL)
		return;
	o->deleted = true;
	LIST_FOREACH (k, &o->consumers, of_outlet)
		if (count < sizeof(conns) / sizeof(conns[0]))
			conns[count++] = k->conn->id;
	for (size_t i = 0; i < count; i++) {
		struct conn *c = worker_find_conn(w, conns[i]);
		if (c != NULL)
			conn_fail(c, 0, &(struct complaint){ .code = ERR_NO_SUBSCRIPTION });
	}
}

/* ---- DeadLetters ---- */

static bool
name_of(struct store_view *v, uint32_t id, struct bytes *out, struct err *e)
{
	bool found = false;
	return store_name_text(v, STORE_NAME_PARTY, id, out, &found, e) &&
	       (found || err_set(e, ERR_CORRUPT, "a party without a name"));
}

/* Empty if it is there no more. */
static bool
subscription_name(struct store_view *v, uint32_t id, struct bytes *out, struct err *e)
{
	struct store_subscription s;
	size_t count = id == 0 ? 0 : 1;
	*out = bytes_of("");
	if (count > 0 && !store_read_subscriptions(v, id - 1, &s, &count, e))
		return false;
	if (count > 0 && s.id == id)
		*out = s.name;
	return true;
}

static bool
describe(
    struct store_view *v, const struct store_letter *l, struct msg_dead_letter *to, struct err *e)
{
	*to = (struct msg_dead_letter){ .report =
					    bytes_from(l->key.report.id, sizeof(l->key.report.id)),
		.mode = (enum mode)l->mode,
		.precedence = (enum precedence)l->precedence,
		.reason = bytes_of(store_dead_token(l->why)),
		.attempts = l->attempts,
		.time = l->dead_us };
	return name_of(v, l->key.party, &to->party, e) &&
	       name_of(v, l->key.report.originator, &to->publisher, e) &&
	       subscription_name(v, l->key.subscription, &to->subscription, e);
}

struct page {
	struct store_letter letters[MSG_DEAD_LETTERS_MAX + 1];
	struct msg_dead_letter items[MSG_DEAD_LETTERS_MAX];
};

/* One page of those from the cursor on; only 'party's, if it is not 0.  A party is told of those
 * that were sent to it: of the others it may have none any more, and nobody decides anew for a list
 * (S7, decision 0038). */
static bool
read_page(struct desk *d, struct session_letters *at, struct page *p, size_t *count, struct err *e)
{
	size_t n = MSG_DEAD_LETTERS_MAX + 1;
	bool ok = at->all ? store_read_letters(d->view, &at->from, p->letters, &n, e)
			  : store_read_sent_letters(d->view, &at->from, p->letters, &n, e);
	if (!ok)
		return false;
	size_t mine = 0;
	while (mine < n && (at->party == 0 || p->letters[mine].key.party == at->party))
		mine++;
	*count = mine < MSG_DEAD_LETTERS_MAX ? mine : MSG_DEAD_LETTERS_MAX;
	for (size_t i = 0; i < *count; i++)
		if (!describe(d->view, &p->letters[i], &p->items[i], e))
			return false;
	at->given = mine > *count ? at->given + *count : 0;
	if (mine > *count)
		at->from = p->letters[*count].key;
	return true;
}

static bool
list_letters(struct conn *c, uint64_t request, struct arena *a, struct err *e)
{
	struct desk *d = desk_of(c);
	struct session_letters *at = &c->session->letters;
	struct msg m = { .request = request, .type = MSG_DEAD_LETTER_LIST };
	struct page *p = arena_zalloc(a, 1, sizeof(*p));
	if (p == NULL)
		return err_set(e, ERR_NOMEM, "dead letters");
	bool ok = store_view_open(d->view, a, e) &&
		  read_page(d, at, p, &m.dead_letter_list.letter_count, e);
	store_view_close(d->view);
	m.dead_letter_list.letters = p->items;
	m.dead_letter_list.next = at->given;
	return ok && conn_send(c, 3, &m, e);
}

/* All of a report for a party, with the topics by which subscriptions are found. */
static bool
gather(struct desk *d, struct job *j, struct bytes report, struct err *e)
{
	struct job_mailbox *m = &j->mailbox;
	struct store_letter_key from = { .party = m->party };
	struct store_letter *page = arena_zalloc(j->arena, LETTERS, sizeof(*page));
	m->letters = arena_zalloc(j->arena, LETTERS, sizeof(*m->letters));
	size_t count = LETTERS;
	if (page == NULL || m->letters == NULL)
		return err_set(e, ERR_NOMEM, "dead letters");
	memcpy(from.report.id, report.data, sizeof(from.report.id));
	if (!store_read_letters(d->view, &from, page, &count, e))
		return false;
	for (size_t i = 0; i < count; i++) {
		struct bytes part;
		struct envelope_manifest manifest;
		struct job_letter *to = &m->letters[m->letter_count];
		bool found = false;
		if (page[i].key.party != m->party ||
		    memcmp(page[i].key.report.id, from.report.id, sizeof(from.report.id)) != 0)
			break;
		if (!store_read_part(
			d->view, page[i].intake, STORE_PART_MANIFEST, &part, &found, e))
			return false;
		if (!found || !envelope_manifest_decode(part, j->arena, &manifest, e))
			return err_set(e, ERR_CORRUPT, "a dead letter without its manifest");
		to->key = page[i].key;
		to->topic = manifest.topic;
		m->letter_count++;
	}
	return true;
}

/* RETRY, DROP. */
static bool
act(struct conn *c, const struct msg *m, uint32_t party, struct err *e)
{
	const struct msg_dead_letters *l = &m->dead_letters;
	struct desk *d = desk_of(c);
	char argument[LIMIT_PARTY_NAME_BYTES + 40], id[UUID_TEXT + 1];
	bool again = l->act == MSG_DEAD_RETRY;
	SCOPED(job_free) struct job *j = job_new(JOB_MAILBOX, NULL, 2 * DESK_SCRATCH);
	if (j == NULL)
		return err_set(e, ERR_NOMEM, "dead letters");
	j->mailbox.act = again ? MAILBOX_RETRY : MAILBOX_DROP;
	j->mailbox.party = party;
	bool ok = store_view_open(d->view, j->arena, e) && gather(d, j, l->report, e);
	store_view_close(d->view);
	if (!ok)
		return false;
	uuid_print(l->report.data, id);
	(void)snprintf(argument, sizeof(argument), "%.*s %s", (int)l->party.len,
	    (const char *)l->party.data, id);
	if (j->mailbox.letter_count == 0) {
		struct complaint no = { .code = ERR_NOT_FOUND,
			.field = bytes_of("dead_letters.report") };
		return desk_refuse(c, m->request, &no, e);
	}
	j->request = m->request;
	j->records = 1;
	j->bytes = 4096;
	desk_say_who(c, j);
	if (!draft(c, again ? "dead-letters retry" : "dead-letters drop", bytes_of(argument), j, e))
		return false;
	(void)!desk_post(c, &j);
	return true;
}

/* Who asks for what; no->code says what is wrong with it. */
static void
check_letters(
    const struct conn *c, const struct msg_dead_letters *l, uint32_t party, struct complaint *no)
{
	const struct session_letters *at = &c->session->letters;
	bool lists = l->act == MSG_DEAD_LIST;
	if (!l->all && ((c->peer->roles & ROLE_SUBSCRIBE) == 0 || !lists))
		no->code = ERR_ROLE;
	else if (!l->all && party == 0)
		no->code = ERR_UNKNOWN_AGENT;
	else if (!lists && (l->party.len == 0 || l->report.len == 0))
		*no = (struct complaint){ .code = ERR_MALFORMED,
			.field = l->party.len == 0 ? bytes_of("dead_letters.party")
						   : bytes_of("dead_letters.report") };
	else if (l->all && l->party.len > 0 && party == 0)
		*no = (struct complaint){ .code = ERR_NOT_FOUND,
			.field = bytes_of("dead_letters.party") };
	else if (lists && l->from != 0 &&
		 (l->from != at->given || l->all != at->all || party != at->party))
		*no = (struct complaint){ .code = ERR_MALFORMED,
			.field = bytes_of("dead_letters.from") };
}

bool
on_dead_letters(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	const struct msg_dead_letters *l = &m->dead_letters;
	struct session_letters *at = &c->session->letters;
	struct complaint no = { .code = ERR_NONE };
	uint32_t party = l->all ? 0 : desk_party(c);
	bool yes = true;
	if (l->all && (!admin_allowed(c, m, &yes, e) || !yes))
		return !yes && e->code == ERR_NONE;
	if (l->all && l->party.len > 0 && !find_party(desk_of(c), l->party, *request, &party, e))
		return false;
	check_letters(c, l, party, &no);
	if (no.code != ERR_NONE)
		return desk_refuse(c, m->request, &no, e);
	if (l->act != MSG_DEAD_LIST)
		return act(c, m, party, e);
	if (l->from == 0)
		*at =
		    (struct session_letters){ .all = l->all, .party = party, .from.party = party };
	if (l->all && l->from == 0 && !admin_note(c, "dead-letters list", "ok", e))
		return false;
	return list_letters(c, m->request, *request, e);
}

/* ---- home ---- */

static bool
say_done(struct conn *c, const struct job *j, struct err *e)
{
	const struct job_mailbox *m = &j->mailbox;
	struct msg pong = { .request = j->request, .type = MSG_PONG };
	char json[96];
	if (m->act == MAILBOX_LIST)
		return say_list(c, j, e);
	if (m->act == MAILBOX_DELETE)
		return conn_send(c, 3, &pong, e);
	(void)snprintf(json, sizeof(json), "{\"ok\":true,\"%s\":%zu,\"kept\":%zu}",
	    m->act == MAILBOX_RETRY ? "retried" : "dropped", m->done, m->letter_count - m->done);
	return admin_reply(c, j->request, json, e);
}

static bool
say_failed(struct conn *c, const struct job *j, struct err *e)
{
	bool theirs = j->err.code == ERR_NO_SUBSCRIPTION || j->err.code == ERR_USAGE;
	struct complaint no = { .code = theirs ? j->err.code : desk_our_fault(&j->err) };
	if (j->err.code == ERR_USAGE)
		no.detail = bytes_of(j->err.text);
	return theirs ? desk_refuse(c, j->request, &no, e) : conn_refuse(c, j->request, &no, e);
}

/* A long queue ends piece by piece; who is not answered asks again, and goes on with it. */
static void
go_on(struct worker *w, struct job *j)
{
	struct conn *c = worker_find_conn(w, j->conn);
	uint64_t request = j->request;
	struct complaint busy = { .code = ERR_BUSY, .retry_ms = 1000 };
	struct err e = { 0 };
	j->fate = JOB_PENDING;
	j->mailbox.more = false;
	bool posted = desk_post_own(w->desk, &j);
	if (c == NULL)
		return;
	if (posted)
		conn_owes(c, 0);
	else if (!conn_refuse(c, request, &busy, &e))
		conn_fail(c, request, &(struct complaint){ .code = e.code });
}

void
mailbox_home(struct worker *w, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	struct err e = { 0 };
	if (j->mailbox.act == MAILBOX_FILL) {
		fill_home(w, j);
		return;
	}
	bool good = j->fate == JOB_DONE, deleted = good && j->mailbox.act == MAILBOX_DELETE;
	if (deleted && j->mailbox.more) {
		go_on(w, j);
		return;
	}
	if (deleted)
		turn_away(w, j->mailbox.id);
	struct conn *c = worker_find_conn(w, j->conn);
	if (c != NULL && !(good ? say_done(c, j, &e) : say_failed(c, j, &e)))
		conn_fail(c, j->request, &(struct complaint){ .code = e.code });
	job_free(j);
}

/*
 * on_audit.c - AuditList and AuditPull: reading the log; every reading is itself a record.
 * An AUDIT_READ of a list says what the session may be shown from then on (docs/audit-format.md,
 * section 2): further pages within it need no record of their own.
 */
#include "audit/view.h"
#include "daemon/explain.h"
#include "daemon/heads.h"
#include "daemon/on.h"
#include "daemon/pull.h"
#include "daemon/readings.h"
#include "daemon/receipts.h"
#include "daemon/role.h"

enum {
	LIST_SCAN = 2000, /* entries looked at for one answer, exactly: 'next' must not depend on
			   * the size of those that are not shown (S7) */
	LIST_BYTES = 1 << 20,
	LIST_PAGE = 64,
	LIST_ARENA = 64 << 20
};

/* Which act, what it read from, how many. */
static bool
record_read(struct conn *c, const struct desk_note *how, unsigned act, bool *posted, struct err *e)
{
	struct body b;
	struct desk_note n = *how;
	event_body_begin(&b, EVENT_AUDIT_READ);
	event_body_bytes(&b, BODY_AUDIT_READ_PARTY, bytes_of(c->peer->party));
	event_body_enum(&b, BODY_AUDIT_READ_ACT, act);
	event_body_uint(&b, BODY_AUDIT_READ_FIRST, how->from);
	event_body_uint(&b, BODY_AUDIT_READ_COUNT, how->count);
	n.body = &b;
	return desk_note(c, &n, posted, e);
}

struct list {
	struct arena *a;
	struct viewer who;
	uint64_t at, end, scanned;
	size_t bytes, room;
	struct msg_audit_record *items;
	size_t count;
};

static bool
add(struct list *l, struct bytes entry, struct err *e)
{
	struct record r;
	uint8_t leaf[32];
	if (!record_entry_parse(entry, &r, leaf, e))
		return false;
	unsigned mask = view_slots(&r, &l->who);
	if (mask == 0)
		return true;
	/* closed slots are shown as commitments, which the entry does not hold */
	struct sha256 sha;
	if (!sha256_init(&sha, e))
		return false;
	bool hashed = record_leaf(&sha, &r, leaf, e);
	sha256_done(&sha);
	if (!hashed)
		return false;
	size_t len = record_opening_size(&r, mask);
	uint8_t *opening = arena_alloc(l->a, len);
	if (opening == NULL)
		return err_set(e, ERR_NOMEM, "opening");
	record_opening_write(&r, mask, opening);
	l->items[l->count++] = (struct msg_audit_record){ l->at, bytes_from(opening, len) };
	l->bytes += len;
	return true;
}

/* What is looked over and not shown must not use up the room of the answer. */
static bool
scan_page(struct desk *d, struct list *l, bool *more, struct err *e)
{
	struct bytes entries[LIST_PAGE];
	size_t count = LIST_PAGE;
	struct arena memory;
	if (l->end - l->at < count)
		count = (size_t)(l->end - l->at);
	if (LIST_SCAN - l->scanned < count)
		count = (size_t)(LIST_SCAN - l->scanned);
	arena_init(&memory, 8 * LIST_BYTES);
	bool ok = store_view_open(d->view, &memory, e) &&
		  store_read_entries(d->view, l->at, LIST_BYTES, entries, &count, e);
	store_view_close(d->view);
	*more = ok && count > 0;
	for (size_t i = 0; ok && i < count && l->count < l->room && l->bytes < LIST_BYTES; i++) {
		ok = add(l, entries[i], e);
		l->at++;
		l->scanned++;
	}
	arena_done(&memory);
	return ok;
}

static bool
scan(struct desk *d, struct list *l, struct err *e)
{
	while (l->at < l->end && l->count < l->room && l->bytes < LIST_BYTES &&
	       l->scanned < LIST_SCAN) {
		bool more = false;
		if (!scan_page(d, l, &more, e))
			return false;
		if (!more)
			return true;
	}
	return true;
}

/* A page of what the session's reading covers. */
struct ask {
	uint64_t request, from, count;
};

static bool
list(struct conn *c, const struct ask *ask, struct arena *a, struct err *e)
{
	struct desk *d = desk_of(c);
	struct heads now;
	struct list l = { .a = a,
		.who = { bytes_of(c->peer->party), c->peer->hub },
		.at = ask->from,
		.room = ask->count };
	l.items = arena_zalloc(a, l.room + 1, sizeof(*l.items));
	if (l.items == NULL)
		return err_set(e, ERR_NOMEM, "list");
	bool ok = store_view_open(d->view, a, e) && heads_published(d, &now, e);
	store_view_close(d->view);
	/* what no published head covers tells how the log grows (AUDIT 5) */
	uint64_t end = !ok ? 0 : c->peer->hub ? atomic_load(&d->shell->signed_size) : now.size;
	l.end = end < c->session->reading.end ? end : c->session->reading.end;
	if (!ok || !scan(d, &l, e))
		return false;
	struct msg out = { .request = ask->request, .type = MSG_AUDIT_PART };
	out.audit_part = (struct msg_audit_part){ .last = true,
		.records = l.items,
		.record_count = l.count,
		.next = l.at < end ? l.at : 0 };
	return conn_send(c, 1, &out, e);
}

static bool
answer_list(struct conn *c, const struct ask *ask, struct err *e)
{
	struct arena memory;
	arena_init(&memory, LIST_ARENA);
	bool ok = list(c, ask, &memory, e);
	arena_done(&memory);
	return ok;
}

bool
on_audit_list(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	const struct reading *r = &c->session->reading;
	const struct ask ask = { m->request, m->audit_list.from, m->audit_list.count };
	bool yes, posted;
	(void)request;
	if ((c->peer->roles & ROLE_AUDIT) == 0)
		return desk_refuse(c, m->request, &(struct complaint){ .code = ERR_ROLE }, e);
	if (reading_covers(r, ask.from))
		return answer_list(c, &ask, e);
	bool told = desk_may_record(c, m->request, &yes, e);
	if (!told || !yes)
		return told;
	struct desk_note how = { .request = m->request,
		.errand = DESK_LIST,
		.from = ask.from,
		.count = reading_span(r, ask.from, c->peer->hub ? ask.count : LIST_SCAN),
		.wanted = ask.count };
	return record_read(c, &how, 1, &posted, e);
}

/* It is on record: what it says may be shown. */
static bool
list_home(struct conn *c, const struct job *j, struct err *e)
{
	const struct ask ask = { j->request, j->notes.from, j->notes.wanted };
	if ((c->peer->roles & ROLE_AUDIT) == 0)
		return true;
	reading_add(&c->session->reading, j->notes.from, j->notes.span);
	return answer_list(c, &ask, e);
}

void
audit_home(struct conn *c, const struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	struct err e = { 0 };
	bool ok = true;
	if (j->notes.errand == DESK_PROVE) {
		receipts_home(c, j);
		return;
	}
	if (j->fate != JOB_DONE) {
		if (j->notes.errand == DESK_PULL)
			pull_drop(c);
		ok = conn_refuse(c, j->request,
		    &(struct complaint){ .code = j->err.code, .retry_ms = 1000 }, &e);
	} else if (j->notes.errand == DESK_PULL)
		pull_recorded(c, j->notes.index);
	else if (j->notes.errand == DESK_LIST)
		ok = list_home(c, j, &e);
	if (!ok)
		conn_fail(c, j->request, &(struct complaint){ .code = e.code });
}

bool
on_audit_pull(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	(void)request;
	struct complaint no = { .code = ERR_ROLE };
	if ((c->peer->roles & ROLE_AUDIT) == 0)
		return desk_refuse(c, m->request, &no, e);
	no.code = ERR_BUSY;
	if (c->session->pull != NULL)
		return conn_refuse(c, m->request, &no, e);
	struct desk_note how = {
		.request = m->request, .publish = c->peer->hub, .errand = DESK_PULL
	};
	bool posted = false, yes;
	bool told = desk_may_record(c, m->request, &yes, e);
	if (!told || !yes)
		return told;
	how.from = m->audit_pull.from;
	if (!pull_begin(c, m->request, how.from, e) || !record_read(c, &how, 2, &posted, e))
		return false;
	if (!posted)
		pull_drop(c);
	return true;
}

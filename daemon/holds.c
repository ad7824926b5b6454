#include "daemon/holds.h"
#include "daemon/role.h"

#include "daemon/explain.h"
#include "daemon/log.h"
#include "daemon/on.h"
#include "policy/decide.h"
#include "proto/msg.h"
#include "proto/uuid.h"

#include <inttypes.h>

enum {
	PAGE = 16,		      /* holds in an answer: some milliseconds */
	PAGE_PORTIONS = 512,	      /* ..and no further one after so many portions */
	PAGE_BYTES = DESK_SCRATCH / 4 /* ..or after so much of what holds wait for was read */
};

/* ---- one ---- */

static bool
party_name(struct desk *d, uint32_t id, struct bytes *out, struct err *e)
{
	bool found = false;
	if (!store_name_text(d->view, STORE_NAME_PARTY, id, out, &found, e))
		return false;
	return found || err_set(e, ERR_CORRUPT, "a party without a name");
}

/* Of all that the hold waits for, what has the name. */
static bool
select_waits(struct desk *d, const uint8_t name[WAIT_NAME_BYTES], struct arena *a,
    struct question *q, struct err *e)
{
	struct bytes part;
	struct waits all;
	bool found = false;
	if (!store_read_part(d->view, q->held.decision, JOB_PART_WAITS, &part, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_CORRUPT, "a note of a hold that waits for nothing");
	if (!waits_read(part, a, &all, e))
		return false;
	for (size_t i = 0; i < all.count; i++) {
		if (memcmp(all.items[i].name, name, WAIT_NAME_BYTES) != 0)
			continue;
		if (q->count++ == 0)
			q->waits = &all.items[i];
	}
	return q->count > 0 || err_set(e, ERR_CORRUPT, "a note of what no hold waits for");
}

static bool
read_manifest(struct conn *c, struct arena *a, struct question *q, struct err *e)
{
	struct bytes part;
	struct envelope_manifest m;
	bool found = false;
	if (!store_read_part(
		desk_of(c)->view, q->held.intake, STORE_PART_MANIFEST, &part, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_CORRUPT, "a held report without its manifest");
	if (!envelope_manifest_decode(part, a, &m, e))
		return false;
	q->own = bytes_equal(m.originator, bytes_of(c->peer->agent));
	q->mode = m.mode;
	return true;
}

/* What the note names, with all that belongs to it. */
static bool
read_question(struct conn *c, const uint8_t name[WAIT_NAME_BYTES], struct arena *a,
    struct question *q, struct err *e)
{
	struct desk *d = desk_of(c);
	bool given = false;
	if (!store_find_given(d->view, q->held.party, &q->held.report, &q->given, &given, e))
		return false;
	if (!given || q->given.decision != q->held.decision)
		return err_set(e, ERR_CORRUPT, "a hold that is not the present decision");
	return select_waits(d, name, a, q, e) && party_name(d, q->held.party, &q->recipient, e) &&
	       party_name(d, q->held.report.originator, &q->publisher, e) &&
	       read_manifest(c, a, q, e);
}

bool
holds_find(struct conn *c, const uint8_t name[WAIT_NAME_BYTES], struct arena *a,
    struct question *out, bool *found, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct question q = { .count = 0 };
	struct bytes value;
	char note[HOLD_NOTE_ROOM];
	hold_note_name(desk_party(c), name, note);
	if (!store_read_note(desk_of(c)->view, note, &value, found, e))
		return false;
	if (!*found)
		return true;
	if (!hold_note_read(value, &q.held, e))
		return false;
	*found = desk_is_signed(desk_of(c), q.held.decision);
	if (!*found)
		return true;
	if (!read_question(c, name, a, &q, e))
		return false;
	*out = q;
	return true;
}

/* ---- the list ---- */

struct list {
	struct conn *conn;
	struct arena *a;
	struct msg_hold *items;
	size_t count, room, portions;
	uint8_t next[WAIT_NAME_BYTES];
	bool more;
};

/* The facts that were judged when it was held: its labels. */
static bool
read_facts(
    struct desk *d, const struct question *q, struct arena *a, struct facts *out, struct err *e)
{
	struct bytes bytes;
	bool found = false;
	if (!store_read_part(d->view, q->held.decision, STORE_PART_FACTS, &bytes, &found, e) ||
	    (!found &&
		!store_read_part(d->view, q->held.intake, STORE_PART_FACTS, &bytes, &found, e)))
		return false;
	if (!found)
		return err_set(e, ERR_CORRUPT, "a held report without its facts");
	return facts_decode(bytes, a, out, e);
}

static bool
body_size(struct desk *d, const struct question *q, uint32_t portion, struct arena *a,
    uint64_t *out, struct err *e)
{
	struct bytes head;
	struct envelope_portion p;
	bool found = false;
	if (!store_read_part(d->view, q->held.intake, STORE_PART_HEAD(portion), &head, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_CORRUPT, "a held portion without its head");
	if (!envelope_portion_decode(head, (struct bytes){ NULL, 0 }, a, &p, e))
		return false;
	*out = p.body_length;
	return true;
}

/* Marking and size: all of a portion that an approver is shown here. */
static bool
show_portion(struct list *l, const struct question *q, const struct facts *f,
    struct msg_hold_portion *to, struct err *e)
{
	struct desk *d = desk_of(l->conn);
	struct err why = { 0 };
	bool *pick = arena_zalloc(l->a, f->portion_count + 1, sizeof(*pick));
	if (pick == NULL)
		return err_set(e, ERR_NOMEM, "marking");
	if (to->portion >= f->portion_count)
		return err_set(e, ERR_CORRUPT, "a hold of a portion that is not there");
	pick[to->portion] = true;
	/* a vocabulary that is gone leaves it without a marking */
	if (!policy_marking_of(d->rules->epoch, f, pick, l->a, &to->marking, &why)) {
		if (why.code == ERR_NOMEM)
			return err_set(e, ERR_NOMEM, "marking");
		to->marking = (struct bytes){ NULL, 0 };
	}
	return body_size(d, q, to->portion, l->a, &to->size, e);
}

static bool
show_portions(struct list *l, const struct question *q, struct msg_hold *to, struct err *e)
{
	struct facts f;
	struct msg_hold_portion *p = arena_zalloc(l->a, q->count, sizeof(*p));
	if (p == NULL)
		return err_set(e, ERR_NOMEM, "portions");
	if (!read_facts(desk_of(l->conn), q, l->a, &f, e))
		return false;
	to->portions = p;
	for (size_t i = 0; i < q->count; i++) {
		if (i > 0 && q->waits[i].portion == q->waits[i - 1].portion)
			continue;
		p[to->portion_count].portion = q->waits[i].portion;
		if (!show_portion(l, q, &f, &p[to->portion_count++], e))
			return false;
	}
	l->portions += to->portion_count;
	return true;
}

/* A consent: which source, who asks, for whom, until when, which mode; nothing else (section 8). */
static bool
show_consent(struct list *l, const struct question *q, struct msg_hold *to, struct err *e)
{
	uint8_t *id = arena_alloc(l->a, UUID_BYTES);
	if (id == NULL)
		return err_set(e, ERR_NOMEM, "source");
	if (!uuid_parse(q->waits[0].what.subject, id))
		return err_set(e, ERR_CORRUPT, "a consent on no report");
	to->source = bytes_from(id, UUID_BYTES);
	return true;
}

static bool
show(struct list *l, const uint8_t name[WAIT_NAME_BYTES], const struct question *q, struct err *e)
{
	struct bytes id, report;
	struct msg_hold *to = &l->items[l->count];
	if (!arena_copy(l->a, bytes_from(name, WAIT_NAME_BYTES), &id, e) ||
	    !arena_copy(l->a, bytes_from(q->held.report.id, STORE_ID_BYTES), &report, e))
		return false;
	*to = (struct msg_hold){ .hold = id,
		.kind = q->waits[0].what.kind,
		.publisher = q->publisher,
		.recipient = q->recipient,
		.mode = q->mode,
		.deadline = UINT64_MAX };
	for (size_t i = 0; i < q->count; i++)
		if (q->waits[i].deadline_us < to->deadline)
			to->deadline = q->waits[i].deadline_us;
	l->count++;
	if (to->kind == OBLIGATION_CONSENT)
		return show_consent(l, q, to, e);
	to->report = report;
	to->agreement = q->waits[0].what.agreement;
	to->rule = q->waits[0].what.subject;
	to->own = q->own;
	return show_portions(l, q, to, e);
}

/* The one of this name; or, if the answer is full, where the next one begins. */
static bool
take(struct list *l, const uint8_t name[WAIT_NAME_BYTES], struct bytes value, struct err *e)
{
	struct question q = { .count = 0 };
	if (l->count == l->room || l->portions >= PAGE_PORTIONS ||
	    (l->count > 0 && l->a->used > PAGE_BYTES)) {
		memcpy(l->next, name, WAIT_NAME_BYTES);
		l->more = true;
		return true;
	}
	if (!hold_note_read(value, &q.held, e))
		return false;
	if (!desk_is_signed(desk_of(l->conn), q.held.decision))
		return true;
	return read_question(l->conn, name, l->a, &q, e) && show(l, name, &q, e);
}

static bool
gather(struct list *l, struct bytes from, struct err *e)
{
	struct desk *d = desk_of(l->conn);
	struct store_note page[PAGE + 1];
	struct bytes value;
	char at[HOLD_NOTE_ROOM];
	size_t count = PAGE + 1;
	bool found = false;
	hold_note_root(desk_party(l->conn), at);
	if (from.len == WAIT_NAME_BYTES) {
		hold_note_name(desk_party(l->conn), from.data, at);
		if (!store_read_note(d->view, at, &value, &found, e) ||
		    (found && !take(l, from.data, value, e)))
			return false;
	}
	if (!store_read_notes(d->view, bytes_of(at), page, &count, e))
		return false;
	for (size_t i = 0; i < count && !l->more; i++) {
		uint8_t name[WAIT_NAME_BYTES];
		if (!hold_note_split(page[i].name, name))
			return err_set(e, ERR_CORRUPT, "the name of a hold's note");
		if (!take(l, name, page[i].value, e))
			return false;
	}
	return true;
}

bool
on_holds(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct desk *d = desk_of(c);
	struct arena memory;
	struct err why = { 0 };
	struct msg out = { .request = m->request, .type = MSG_HOLD_LIST };
	(void)request;
	if ((c->peer->roles & ROLE_APPROVE) == 0 || desk_party(c) == 0)
		return desk_refuse(c, m->request, &(struct complaint){ .code = ERR_ROLE }, e);
	arena_init(&memory, DESK_SCRATCH);
	struct list l = {
		.conn = c, .a = &memory, .room = m->holds.count < PAGE ? m->holds.count : PAGE
	};
	l.items = arena_zalloc(&memory, PAGE, sizeof(*l.items));
	bool ok = l.items != NULL || err_set(&why, ERR_NOMEM, "list of holds");
	ok = ok && store_view_open(d->view, &memory, &why) && gather(&l, m->holds.from, &why);
	store_view_close(d->view);
	out.hold_list = (struct msg_hold_list){ .holds = l.items, .hold_count = l.count };
	if (l.more)
		out.hold_list.next = bytes_from(l.next, sizeof(l.next));
	ok = ok && conn_send(c, 3, &out, &why);
	if (!ok) {
		log_warn(
		    "holds.not-listed", "conn=%" PRIu64 " why=%s", c->id, log_quote_text(why.text));
		ok = conn_refuse(
		    c, m->request, &(struct complaint){ .code = desk_our_fault(&why) }, e);
	}
	arena_done(&memory);
	return ok;
}

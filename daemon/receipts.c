#include "daemon/receipts.h"
#include "daemon/pull.h"
#include "daemon/role.h"

#include "audit/view.h"
#include "daemon/config.h"
#include "daemon/explain.h"
#include "daemon/heads.h"
#include "daemon/on.h"

#include <stdlib.h>

enum {
	PROVE_SCAN = 2000, /* entries looked at for one answer: some milliseconds.. */
	PROVE_PROOFS = 16, /* ..and proofs: each may read as many entries as a tile has */
	PROVE_BYTES = 1 << 20,
	PROVE_PAGE = 64,
	PROVE_ARENA = 64 << 20,
	PROVE_DELIVERIES = 1 << 16 /* of one report: 8 agreements of 1,024 members, narrowed */
};

/* A reading of the log for one report, from answer to answer. */
struct receipts {
	uint64_t request;
	uint8_t report[STORE_ID_BYTES];
	bool waits;		  /* its AUDIT_READ is on its way */
	bool published, received; /* as what the asker's roles let it look */
	bool found;
	uint64_t from;	      /* the INTAKE.. */
	uint64_t next;	      /* ..and where the next answer goes on; 0: it is over */
	uint64_t *deliveries; /* of the report, rising: what its ACKs name */
	size_t delivery_count, delivery_room;
};

void
receipts_free(struct receipts *r)
{
	ASSERT_ON(ROLE_WORKER);
	if (r != NULL)
		free(r->deliveries);
	free(r);
}

/* ---- whose report it is ---- */

/* The INTAKE of what the party published or was given; not found: there is none that it may know
 * of.  What was decided for it and never delivered is none (S7). */
static bool
find(struct conn *c, struct receipts *r, bool *found, struct err *e)
{
	struct desk *d = desk_of(c);
	uint32_t party = desk_party(c);
	struct store_report_key key = { .originator = party }, after = { .originator = 0 };
	struct store_report row;
	struct store_given g;
	bool more = r->received, own = false;
	memcpy(key.id, r->report, sizeof(key.id));
	memcpy(after.id, r->report, sizeof(after.id));
	r->from = UINT64_MAX;
	if (party == 0)
		return true;
	if (r->published && !store_find_report(d->view, &key, &row, &own, e))
		return false;
	if (own)
		r->from = row.intake;
	while (more) {
		uint64_t delivery;
		if (!store_next_given(d->view, party, &after, &g, &more, e))
			return false;
		if (!more)
			break;
		if (!explain_delivery(d, &g, &delivery, e))
			return false;
		if (delivery != STORE_NONE && g.intake < r->from)
			r->from = g.intake;
		after = g.report;
	}
	*found = r->from != UINT64_MAX;
	return true;
}

/* ---- which records ---- */

static bool
remember_delivery(struct receipts *r, uint64_t index, struct err *e)
{
	if (r->delivery_count == PROVE_DELIVERIES)
		return err_set(e, ERR_LIMIT, "deliveries of one report");
	if (r->delivery_count == r->delivery_room) {
		size_t room = r->delivery_room == 0 ? 16 : 2 * r->delivery_room;
		uint64_t *more = reallocarray(r->deliveries, room, sizeof(*more));
		if (more == NULL)
			return err_set(e, ERR_NOMEM, "deliveries of a report");
		r->deliveries = more;
		r->delivery_room = room;
	}
	r->deliveries[r->delivery_count++] = index;
	return true;
}

static int
by_index(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static bool
is_acknowledged(const struct receipts *r, const struct record *record)
{
	struct body b;
	if (r->delivery_count == 0 ||
	    !event_body_parse(EVENT_ACK, RECORD_SLOT(record, 7)->value, &b, NULL) ||
	    !event_body_has(&b, BODY_ACK_DELIVERIES))
		return false;
	struct cursor c = cursor_over(event_body_get(&b, BODY_ACK_DELIVERIES));
	while (c.left >= 8) {
		uint64_t index = cursor_u64(&c);
		if (bsearch(&index, r->deliveries, r->delivery_count, sizeof(index), by_index) !=
		    NULL)
			return true;
	}
	return false;
}

/* One answer. */
struct page {
	struct conn *conn;
	struct receipts *r;
	struct arena *a;
	struct heads head;
	struct msg_proof *items;
	size_t count, scanned, bytes;
};

/* The slots that the asker may open of a record of this report; 0: it is none, or none of its. */
static bool
slots_of(struct page *p, const struct record *record, unsigned *slots, struct err *e)
{
	struct receipts *r = p->r;
	struct slot_common common;
	struct viewer who = { bytes_of(p->conn->peer->party), false };
	uint64_t place;
	*slots = 0;
	if (!slot_get_common(RECORD_SLOT(record, 1)->value, &common, e))
		return false;
	if (common.type != EVENT_ACK &&
	    !bytes_equal(common.report, bytes_from(r->report, sizeof(r->report))))
		return true;
	enum view_place where = view_place(record, who.party, &place);
	if (!(where == VIEW_PUBLISHER ? r->published : where == VIEW_RECIPIENT && r->received))
		return true;
	if (common.type == EVENT_ACK && !is_acknowledged(r, record))
		return true;
	if (common.type == EVENT_DELIVERY && !remember_delivery(r, r->next, e))
		return false;
	*slots = view_slots(record, &who);
	return true;
}

static bool
add(struct page *p, struct bytes entry, struct err *e)
{
	struct desk *d = desk_of(p->conn);
	struct record record;
	uint8_t leaf[32];
	unsigned slots;
	if (!record_entry_parse(entry, &record, leaf, e) || !slots_of(p, &record, &slots, e))
		return false;
	if (slots == 0)
		return true;
	/* closed slots are shown as commitments, which the entry does not hold */
	if (!record_leaf(&d->sha, &record, leaf, e))
		return false;
	size_t len = record_opening_size(&record, slots);
	uint8_t *opening = arena_alloc(p->a, len);
	if (opening == NULL)
		return err_set(e, ERR_NOMEM, "opening");
	record_opening_write(&record, slots, opening);
	p->items[p->count++] =
	    (struct msg_proof){ .index = p->r->next, .opening = bytes_from(opening, len) };
	p->bytes += len;
	p->r->found = true;
	return true;
}

/* What no head covers that the session was shown stays for later. */
static bool
has_room(const struct page *p)
{
	return p->r->next < p->head.size && p->count < PROVE_PROOFS && p->bytes < PROVE_BYTES &&
	       p->scanned < PROVE_SCAN;
}

/* What is looked over and not shown must not use up the room of the answer. */
static bool
scan(struct page *p, struct err *e)
{
	struct desk *d = desk_of(p->conn);
	while (has_room(p)) {
		struct bytes entries[PROVE_PAGE];
		size_t count = PROVE_PAGE;
		struct arena memory;
		arena_init(&memory, 8 * PROVE_BYTES);
		bool ok = store_view_open(d->view, &memory, e) &&
			  store_read_entries(d->view, p->r->next, PROVE_BYTES, entries, &count, e);
		store_view_close(d->view);
		if (ok && count == 0)
			ok = err_set(e, ERR_CORRUPT, "an entry below a published head is missing");
		for (size_t i = 0; ok && i < count && has_room(p); i++) {
			ok = add(p, entries[i], e);
			p->r->next++;
			p->scanned++;
		}
		arena_done(&memory);
		if (!ok)
			return false;
	}
	return true;
}

/* ---- the answer ---- */

static bool
read_head(struct page *p, struct err *e)
{
	struct desk *d = desk_of(p->conn);
	p->items = arena_zalloc(p->a, PROVE_PROOFS, sizeof(*p->items));
	if (p->items == NULL)
		return err_set(e, ERR_NOMEM, "proofs");
	bool ok = store_view_open(d->view, p->a, e) && heads_told(p->conn, &p->head, e);
	store_view_close(d->view);
	return ok;
}

static bool
prove(struct page *p, struct err *e)
{
	struct desk *d = desk_of(p->conn);
	struct arena memory;
	arena_init(&memory, PROVE_ARENA);
	bool ok = store_view_open(d->view, &memory, e);
	for (size_t i = 0; ok && i < p->count; i++)
		ok = heads_inclusion(
		    d, p->a, p->items[i].index, p->head.size, &p->items[i].inclusion, e);
	store_view_close(d->view);
	arena_done(&memory);
	return ok;
}

static bool
send_page(struct page *p, struct err *e)
{
	struct receipts *r = p->r;
	struct conn *c = p->conn;
	bool over = r->next >= p->head.size;
	struct complaint later = { .code = ERR_NOT_PUBLISHED,
		.retry_ms = (uint32_t)desk_settings(desk_of(c))->log_heads_every_ms };
	struct msg m = { .request = r->request, .type = MSG_PROOF_LIST };
	m.proof_list = (struct msg_proof_list){ .checkpoint = p->head.note,
		.proofs = p->items,
		.proof_count = p->count,
		.next = over ? 0 : r->next };
	if (over)
		r->next = 0;
	if (over && !r->found)
		return conn_refuse(c, r->request, &later, e);
	return conn_send(c, 1, &m, e);
}

static bool
answer(struct conn *c, struct err *e)
{
	struct arena memory;
	struct page p = { .conn = c, .r = c->session->receipts, .a = &memory };
	arena_init(&memory, PROVE_ARENA);
	bool ok = read_head(&p, e) && scan(&p, e) && prove(&p, e) && send_page(&p, e);
	arena_done(&memory);
	return ok;
}

/* Trouble of ours; the reading begins again when it is asked for again. */
static void
refuse(struct conn *c, struct receipts *r, const struct err *why)
{
	struct err e = { 0 };
	struct complaint no = { .code =
				    err_may_retry(why->code) ? why->code : desk_our_fault(why) };
	no.retry_ms = err_may_retry(no.code) ? 1000 : 0;
	r->next = 0;
	if (!conn_refuse(c, r->request, &no, &e))
		conn_fail(c, r->request, &(struct complaint){ .code = e.code });
}

void
receipts_home(struct conn *c, const struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	struct receipts *r = c->session->receipts;
	struct err e = { 0 };
	r->waits = false;
	if (j->fate == JOB_DONE) {
		r->next = r->from; /* not before: what is not on record is not begun */
		if (answer(c, &e))
			return;
	} else
		e = j->err;
	refuse(c, r, &e);
}

/* ---- Prove ---- */

/* AUDIT_READ: a receipt, of the report with this INTAKE, one. */
static bool
record_it(struct conn *c, struct receipts *r, struct err *e)
{
	struct body b;
	struct desk_note how = { .request = r->request, .errand = DESK_PROVE, .body = &b };
	event_body_begin(&b, EVENT_AUDIT_READ);
	event_body_bytes(&b, BODY_AUDIT_READ_PARTY, bytes_of(c->peer->party));
	event_body_enum(&b, BODY_AUDIT_READ_ACT, 3);
	event_body_uint(&b, BODY_AUDIT_READ_FIRST, r->from);
	event_body_uint(&b, BODY_AUDIT_READ_COUNT, 1);
	return desk_note(c, &how, &r->waits, e);
}

static bool
begin(struct conn *c, struct receipts *r, struct err *e)
{
	struct desk *d = desk_of(c);
	struct arena memory;
	bool found = false, yes;
	if (!desk_may_record(c, r->request, &yes, e))
		return false;
	if (!yes)
		return true;
	arena_init(&memory, PROVE_ARENA);
	bool ok = store_view_open(d->view, &memory, e) && find(c, r, &found, e);
	store_view_close(d->view);
	arena_done(&memory);
	if (!ok)
		return false;
	if (found)
		return record_it(c, r, e);
	/* somebody guesses ids: on record */
	return desk_refuse(c, r->request, &(struct complaint){ .code = ERR_UNKNOWN_REPORT }, e);
}

/* What the last one was about is forgotten. */
static void
start_over(struct receipts *r, const struct msg *m)
{
	memcpy(r->report, m->prove.report.data, sizeof(r->report));
	r->found = false;
	r->next = 0;
	r->delivery_count = 0;
}

/* Whether it goes on where the last answer ended, and may look as far as then. */
static bool
goes_on(struct receipts *r, const struct msg *m, unsigned roles)
{
	bool published = (roles & (ROLE_PUBLISH | ROLE_APPROVE | ROLE_AUDIT)) != 0;
	bool received = (roles & (ROLE_SUBSCRIBE | ROLE_AUDIT)) != 0;
	bool same = r->published == published && r->received == received;
	r->published = published;
	r->received = received;
	return same && r->next != 0 && r->next == m->prove.from &&
	       bytes_equal(m->prove.report, bytes_from(r->report, sizeof(r->report)));
}

bool
on_prove(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct session *s = c->session;
	unsigned roles = c->peer->roles;
	struct err why = { 0 };
	(void)request;
	if ((roles & (ROLE_PUBLISH | ROLE_APPROVE | ROLE_AUDIT | ROLE_SUBSCRIBE)) == 0)
		return desk_refuse(c, m->request, &(struct complaint){ .code = ERR_ROLE }, e);
	if (s->receipts == NULL)
		s->receipts = calloc(1, sizeof(*s->receipts));
	struct receipts *r = s->receipts;
	if (r == NULL)
		return err_set(e, ERR_NOMEM, "receipts");
	if (r->waits)
		return conn_refuse(
		    c, m->request, &(struct complaint){ .code = ERR_BUSY, .retry_ms = 1000 }, e);
	r->request = m->request;
	bool on = goes_on(r, m, roles);
	if (!on)
		start_over(r, m);
	if (!(on ? answer(c, &why) : begin(c, r, &why)))
		refuse(c, r, &why);
	return true;
}

#include "daemon/heads.h"
#include "daemon/role.h"

#include "audit/log.h"
#include "daemon/attest.h"
#include "daemon/explain.h"
#include "daemon/log.h"
#include "daemon/tree.h"

enum { HEADS_ARENA = 4 << 20 };

/* ---- proofs ---- */

static bool
as_names(struct arena *a, const struct merkle_proof *p, struct names *out, struct err *e)
{
	struct bytes *items = arena_zalloc(a, p->count + 1, sizeof(*items));
	if (items == NULL)
		return err_set(e, ERR_NOMEM, "proof");
	for (size_t i = 0; i < p->count; i++)
		if (!arena_copy(a, bytes_from(p->hash[i], 32), &items[i], e))
			return false;
	*out = (struct names){ items, p->count };
	return true;
}

bool
heads_consistency(
    struct desk *d, struct arena *a, const uint64_t sizes[2], struct names *out, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct tree_view tree;
	struct merkle_source source = tree_source(&tree, d->view, &d->sha);
	struct desk_proof *last = &d->proof; /* most sessions are told of the same step */
	*out = (struct names){ NULL, 0 };
	if (sizes[0] == 0 || sizes[0] == sizes[1])
		return true;
	if (last->sizes[0] != sizes[0] || last->sizes[1] != sizes[1]) {
		last->sizes[0] = 0;
		if (!merkle_consistency(&source, sizes[0], sizes[1], &last->proof, e))
			return false;
		memcpy(last->sizes, sizes, sizeof(last->sizes));
	}
	return as_names(a, &last->proof, out, e);
}

bool
heads_inclusion(struct desk *d, struct arena *a, uint64_t index, uint64_t size, struct names *out,
    struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct tree_view tree;
	struct merkle_source source = tree_source(&tree, d->view, &d->sha);
	struct merkle_proof p;
	return merkle_inclusion(&source, index, size, &p, e) && as_names(a, &p, out, e);
}

static bool
published(struct desk *d, uint64_t at_most, struct heads *out, struct err *e)
{
	struct store_checkpoint cp;
	bool found = false;
	if (!store_read_checkpoint(d->view, at_most, true, &cp, &found, e))
		return false;
	*out = (struct heads){ 0 };
	if (found)
		*out = (struct heads){ cp.size, cp.note };
	return true;
}

bool
heads_published(struct desk *d, struct heads *out, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	return published(d, UINT64_MAX, out, e);
}

bool
heads_settled(struct desk *d, struct heads *out, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	return published(d, atomic_load(&d->shell->settled_size), out, e);
}

bool
heads_told(const struct conn *c, struct heads *out, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct store_checkpoint cp;
	uint64_t size = c->session->heads_size;
	bool found = false;
	*out = (struct heads){ 0 };
	if (size == 0)
		return true;
	if (!store_read_checkpoint(desk_of(c)->view, size, true, &cp, &found, e))
		return false;
	if (!found || cp.size != size) /* what was published stays */
		return err_set(e, ERR_CORRUPT, "the head of %llu records is missing",
		    (unsigned long long)size);
	*out = (struct heads){ cp.size, cp.note };
	return true;
}

/* ---- Heads ---- */

/* Where the party's newest PARTY_HEAD below 'size' stands; STORE_NONE: there is none. */
static bool
find_party_head(struct conn *c, uint64_t size, uint64_t *out, struct err *e)
{
	struct desk *d = desk_of(c);
	struct store_head head;
	struct record r;
	struct body b;
	uint8_t leaf[32];
	bool found = false;
	if (!store_read_head(d->view, desk_party(c), &head, &found, e))
		return false;
	uint64_t at = found ? head.head_index : STORE_NONE;
	/* walk back to the newest one that the published head covers */
	while (at != STORE_NONE && at >= size) {
		if (!explain_record(d, at, &r, leaf, e) ||
		    !event_body_parse(EVENT_PARTY_HEAD, RECORD_SLOT(&r, 7)->value, &b, e))
			return false;
		at = event_body_has(&b, BODY_PARTY_HEAD_PREVIOUS)
			 ? event_body_number(&b, BODY_PARTY_HEAD_PREVIOUS)
			 : STORE_NONE;
	}
	*out = at;
	return true;
}

/* Its opening and where it stands below 'size'; and what it states, left alone if there is none. */
static bool
party_head(struct conn *c, struct arena *a, uint64_t size, struct msg_heads *m,
    struct session_shown *states, struct err *e)
{
	struct desk *d = desk_of(c);
	struct record r;
	struct body b;
	uint8_t leaf[32];
	uint64_t at;
	if (!find_party_head(c, size, &at, e))
		return false;
	if (at == STORE_NONE)
		return true;
	if (!explain_record(d, at, &r, leaf, e) || !record_leaf(&d->sha, &r, leaf, e) ||
	    !event_body_parse(EVENT_PARTY_HEAD, RECORD_SLOT(&r, 7)->value, &b, e))
		return false;
	unsigned mask = 1u << 1 | 1u << 7;
	size_t len = record_opening_size(&r, mask);
	uint8_t *opening = arena_alloc(a, len);
	if (opening == NULL)
		return err_set(e, ERR_NOMEM, "opening");
	record_opening_write(&r, mask, opening);
	m->party_head = at;
	m->opening = bytes_from(opening, len);
	states->size = event_body_number(&b, BODY_PARTY_HEAD_SIZE);
	memcpy(states->root, event_body_get(&b, BODY_PARTY_HEAD_ROOT).data, sizeof(states->root));
	return heads_inclusion(d, a, at, size, &m->inclusion, e);
}

static bool
tell(struct conn *c, struct arena *a, struct err *e)
{
	struct desk *d = desk_of(c);
	struct session *s = c->session;
	struct heads now;
	struct session_shown states = { .size = 0 };
	struct msg m = { .type = MSG_HEADS };
	if (!heads_published(d, &now, e))
		return false;
	/* the same one once more, when witnesses have signed it */
	if (now.size < s->heads_size ||
	    (now.size == s->heads_size && now.note.len <= s->heads_bytes))
		return true;
	uint64_t sizes[2] = { s->heads_size, now.size };
	m.heads = (struct msg_heads){ .checkpoint = now.note, .from = s->heads_size };
	if (!heads_consistency(d, a, sizes, &m.heads.consistency, e) ||
	    !party_head(c, a, now.size, &m.heads, &states, e) || !conn_send(c, 3, &m, e))
		return false;
	if (states.size != 0)
		attest_shown(s, states.size, states.root);
	s->heads_size = now.size;
	s->heads_bytes = now.note.len;
	return true;
}

void
heads_tell(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	struct desk *d = desk_of(c);
	struct arena memory;
	struct err e = { 0 };
	if (c->state != CONN_READY || c->session == NULL)
		return;
	arena_init(&memory, HEADS_ARENA);
	bool ok = store_view_open(d->view, &memory, &e) && tell(c, &memory, &e);
	store_view_close(d->view);
	arena_done(&memory);
	if (!ok) {
		log_error("heads.failed", "conn=%llu why=%s", (unsigned long long)c->id,
		    log_quote_text(e.text));
		/* it asked for nothing: who says nothing meanwhile would read of a shortage long
		 * after it is over */
		if (e.code == ERR_NOMEM)
			d->heads_due = true;
		else
			conn_fail(c, 0, &(struct complaint){ .code = desk_our_fault(&e) });
	}
}

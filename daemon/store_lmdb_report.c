/* The tables report, part, given and hold of the LMDB driver. */
#include "daemon/store_lmdb.h"

#include <assert.h>

#include "daemon/role.h"
#include "proto/arena.h"
#include "proto/limits.h"

/* ---- report: originator u32 | id 16 ---- */

static void
report_key(struct key *k, const struct store_report_key *r)
{
	k->len = 0;
	store_key_u32(k, r->originator);
	store_key_bytes(k, bytes_from(r->id, sizeof(r->id)));
}

static bool
report_key_parse(struct cursor *c, struct store_report_key *out)
{
	out->originator = cursor_u32(c);
	cursor_copy(c, out->id, sizeof(out->id));
	return !c->failed;
}

bool
store_put_report(struct store *s, const struct store_report *r, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct key k;
	struct value v;
	v.len = 0;
	report_key(&k, &r->key);
	store_value_u64(&v, r->intake);
	store_value_bytes(&v, bytes_from(r->manifest, sizeof(r->manifest)));
	store_value_u32(&v, r->decisions);
	store_value_bytes(&v, bytes_from(r->chain, sizeof(r->chain)));
	store_value_u64(&v, r->expires_us);
	store_value_u64(&v, r->accepted_us);
	store_value_u32(&v, r->body_bytes);
	return store_row_put(
		   s, T_REPORT, store_key_view(&k), store_value_view(&v), MDB_NOOVERWRITE, e) &&
	       store_put_part(s, r->intake, STORE_PART_KEY, store_key_view(&k), e);
}

static bool
report_parse(struct store_view *v, struct bytes key, struct bytes row, void *out, struct err *e)
{
	struct store_report r = { 0 };
	struct cursor kc = cursor_over(key), c = cursor_over(row);
	(void)report_key_parse(&kc, &r.key);
	r.intake = cursor_u64(&c);
	cursor_copy(&c, r.manifest, sizeof(r.manifest));
	r.decisions = cursor_u32(&c);
	cursor_copy(&c, r.chain, sizeof(r.chain));
	r.expires_us = cursor_u64(&c);
	r.accepted_us = cursor_u64(&c);
	r.body_bytes = cursor_u32(&c);
	if (!cursor_finished(&kc) || !cursor_finished(&c))
		return store_lmdb_corrupt(v->s, T_REPORT, key, "wrong length", e);
	memcpy(out, &r, sizeof(r));
	return true;
}

bool
store_find_report(struct store_view *v, const struct store_report_key *key,
    struct store_report *out, bool *found, struct err *e)
{
	struct key k;
	struct bytes row;
	bool there;
	report_key(&k, key);
	if (!store_row_get(v, T_REPORT, store_key_view(&k), &row, &there, e))
		return false;
	if (there && !report_parse(v, store_key_view(&k), row, out, e))
		return false;
	*found = there;
	return true;
}

bool
store_read_reports(struct store_view *v, const struct store_report_key *after,
    struct store_report *out, size_t *count, struct err *e)
{
	struct key from = { 0 };
	if (after != NULL) {
		report_key(&from, after);
		store_key_above(&from);
	}
	struct page p = { v, T_REPORT, store_key_view(&from), 0, report_parse, out, sizeof(*out) };
	return store_page_read(&p, count, e);
}

bool
store_drop_report(struct store *s, const struct store_report_key *key, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct key k;
	report_key(&k, key);
	return store_row_drop(s, T_REPORT, store_key_view(&k), NULL, e);
}

/* ---- part: index u64 | part u16 | chunk u16 ---- */

static void
part_key(struct key *k, uint64_t index, uint16_t part)
{
	k->len = 0;
	store_key_u64(k, index);
	store_key_u16(k, part);
}

bool
store_put_part(struct store *s, uint64_t index, uint16_t part, struct bytes bytes, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct key k;
	part_key(&k, index, part);
	return store_chunks_put(s, T_PART, &k, bytes, MDB_APPEND, e);
}

bool
store_read_part(struct store_view *v, uint64_t index, uint16_t part, struct bytes *out, bool *found,
    struct err *e)
{
	struct key k;
	part_key(&k, index, part);
	return store_chunks_get(v, T_PART, &k, out, found, e);
}

bool
store_find_intake(
    struct store_view *v, uint64_t intake, struct store_report_key *out, bool *found, struct err *e)
{
	struct key k;
	struct bytes row;
	bool there;
	part_key(&k, intake, STORE_PART_KEY);
	store_key_u16(&k, 0);
	if (!store_row_get(v, T_PART, store_key_view(&k), &row, &there, e))
		return false;
	if (there) {
		struct store_report_key r = { 0 };
		struct cursor c = cursor_over(row);
		(void)report_key_parse(&c, &r);
		if (!cursor_finished(&c))
			return store_lmdb_corrupt(
			    v->s, T_PART, store_key_view(&k), "wrong length", e);
		*out = r;
	}
	*found = there;
	return true;
}

/* The rows of bodies stand between those of heads: part 17, 19, .. */
static bool
is_body(struct bytes key, uint64_t intake, bool *past)
{
	struct cursor c = cursor_over(key);
	*past = cursor_u64(&c) != intake;
	uint16_t part = cursor_u16(&c);
	return !*past && part >= STORE_PART_FIRST_BODY && (part - STORE_PART_FIRST_BODY) % 2 == 0;
}

bool
store_drop_bodies(struct store *s, uint64_t intake, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct key from;
	part_key(&from, intake, STORE_PART_FIRST_BODY);
	SCOPED(store_walk_end) struct walk w = { 0 };
	if (!store_walk_start(&w, &s->batch.view, T_PART, store_key_view(&from), e))
		return false;
	for (;;) {
		struct bytes key, row;
		bool more, past;
		if (!store_walk_next(&w, &key, &row, &more, e))
			return false;
		if (!more)
			return true;
		bool body = is_body(key, intake, &past);
		if (past)
			return true;
		int code = body ? mdb_cursor_del(w.cursor, 0) : 0;
		if (code != 0)
			return store_lmdb_fail(s, code, store_lmdb_table(T_PART), e);
	}
}

bool
store_next_bodies(struct store_view *v, uint64_t from, uint64_t *intake, bool *found, struct err *e)
{
	SCOPED(store_walk_end) struct walk w = { 0 };
	struct key k;
	for (;;) {
		struct bytes key, row;
		bool more, past;
		part_key(&k, from, STORE_PART_FIRST_BODY);
		if (w.cursor == NULL && !store_walk_start(&w, v, T_PART, store_key_view(&k), e))
			return false;
		if (!store_walk_next(&w, &key, &row, &more, e))
			return false;
		if (!more) {
			*found = false;
			return true;
		}
		struct cursor c = cursor_over(key);
		uint64_t at = cursor_u64(&c);
		if (is_body(key, at, &past)) {
			*intake = at;
			*found = true;
			return true;
		}
		if (at != from) { /* its rows below the bodies need no look */
			from = at;
			store_walk_end(&w);
		}
	}
}

/* ---- given: party u32 | id 16 | originator u32 ---- */

/* The id comes before the originator: a source is named by its id alone. */
static void
given_key(struct key *k, uint32_t party, const struct store_report_key *r)
{
	k->len = 0;
	store_key_u32(k, party);
	store_key_bytes(k, bytes_from(r->id, sizeof(r->id)));
	store_key_u32(k, r->originator);
}

bool
store_put_given(struct store *s, const struct store_given *g, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	if (g->masks.len > LIMIT_PORTIONS)
		return err_set(e, ERR_LIMIT, "store: masks of %zu portions", g->masks.len);
	struct key k;
	struct value v;
	v.len = 0;
	given_key(&k, g->party, &g->report);
	store_value_u64(&v, g->decision);
	store_value_u64(&v, g->delivery);
	store_value_u64(&v, g->epoch);
	store_value_u64(&v, g->good_until_us);
	store_value_u64(&v, g->intake);
	store_value_bytes(&v, g->masks);
	return store_row_put(s, T_GIVEN, store_key_view(&k), store_value_view(&v), 0, e);
}

bool
store_drop_given(
    struct store *s, uint32_t party, const struct store_report_key *report, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct key k;
	given_key(&k, party, report);
	return store_row_drop(s, T_GIVEN, store_key_view(&k), NULL, e);
}

static bool
given_parse(struct store_view *v, struct bytes key, struct bytes row, void *out, struct err *e)
{
	struct store_given g = { 0 };
	struct cursor kc = cursor_over(key), c = cursor_over(row);
	g.party = cursor_u32(&kc);
	cursor_copy(&kc, g.report.id, sizeof(g.report.id));
	g.report.originator = cursor_u32(&kc);
	g.decision = cursor_u64(&c);
	g.delivery = cursor_u64(&c);
	g.epoch = cursor_u64(&c);
	g.good_until_us = cursor_u64(&c);
	g.intake = cursor_u64(&c);
	struct bytes masks = bytes_from(c.at, c.left);
	if (!cursor_finished(&kc) || c.failed || masks.len > LIMIT_PORTIONS)
		return store_lmdb_corrupt(v->s, T_GIVEN, key, "wrong length", e);
	if (!arena_copy(v->arena, masks, &g.masks, e))
		return false;
	memcpy(out, &g, sizeof(g));
	return true;
}

bool
store_find_given(struct store_view *v, uint32_t party, const struct store_report_key *report,
    struct store_given *out, bool *found, struct err *e)
{
	struct key k;
	struct bytes row;
	bool there;
	given_key(&k, party, report);
	if (!store_row_get(v, T_GIVEN, store_key_view(&k), &row, &there, e))
		return false;
	if (there && !given_parse(v, store_key_view(&k), row, out, e))
		return false;
	*found = there;
	return true;
}

/* The first row of the table 'given' at or above 'from'. */
static bool
given_first(struct store_view *v, const struct key *from, struct store_given *out, bool *found,
    struct err *e)
{
	SCOPED(store_walk_end) struct walk w = { 0 };
	struct bytes key, row;
	bool more;
	if (!store_walk_start(&w, v, T_GIVEN, store_key_view(from), e) ||
	    !store_walk_next(&w, &key, &row, &more, e))
		return false;
	if (more && !given_parse(v, key, row, out, e))
		return false;
	*found = more;
	return true;
}

bool
store_next_given(struct store_view *v, uint32_t party, const struct store_report_key *after,
    struct store_given *out, bool *found, struct err *e)
{
	struct key from;
	struct store_given g;
	bool there;
	given_key(&from, party, after);
	store_key_above(&from);
	if (!given_first(v, &from, &g, &there, e))
		return false;
	*found =
	    there && g.party == party && memcmp(g.report.id, after->id, sizeof(after->id)) == 0;
	if (*found)
		*out = g;
	return true;
}

bool
store_read_given(struct store_view *v, const struct store_given *after, struct store_given *out,
    size_t *count, struct err *e)
{
	struct key from = { 0 };
	if (after != NULL) {
		given_key(&from, after->party, &after->report);
		store_key_above(&from);
	}
	struct page p = { v, T_GIVEN, store_key_view(&from), 0, given_parse, out, sizeof(*out) };
	return store_page_read(&p, count, e);
}

/* ---- hold: deadline u64 | decision u64 ---- */

static void
hold_key(struct key *k, uint64_t deadline_us, uint64_t decision)
{
	k->len = 0;
	store_key_u64(k, deadline_us);
	store_key_u64(k, decision);
}

static bool
hold_parse(struct store_view *v, struct bytes key, struct bytes row, void *out, struct err *e)
{
	struct store_held h = { 0 };
	struct cursor kc = cursor_over(key), c = cursor_over(row);
	h.deadline_us = cursor_u64(&kc);
	h.decision = cursor_u64(&kc);
	h.intake = cursor_u64(&c);
	h.party = cursor_u32(&c);
	(void)report_key_parse(&c, &h.report);
	if (!cursor_finished(&kc) || !cursor_finished(&c))
		return store_lmdb_corrupt(v->s, T_HOLD, key, "wrong length", e);
	memcpy(out, &h, sizeof(h));
	return true;
}

/* The hold under a key; *found false if there is none. */
static bool
hold_find(struct store *s, const struct key *k, struct store_held *out, bool *found, struct err *e)
{
	struct bytes row;
	return store_row_get(&s->batch.view, T_HOLD, store_key_view(k), &row, found, e) &&
	       (!*found || hold_parse(&s->batch.view, store_key_view(k), row, out, e));
}

bool
store_put_hold(struct store *s, const struct store_held *h, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct key k;
	struct value v;
	struct store_held old;
	bool replaced;
	v.len = 0;
	hold_key(&k, h->deadline_us, h->decision);
	if (!hold_find(s, &k, &old, &replaced, e))
		return false;
	store_value_u64(&v, h->intake);
	store_value_u32(&v, h->party);
	store_value_u32(&v, h->report.originator);
	store_value_bytes(&v, bytes_from(h->report.id, sizeof(h->report.id)));
	struct usage_step step = { 0, 0, replaced ? 0 : 1, 0, h->intake, 0 };
	return store_row_put(s, T_HOLD, store_key_view(&k), store_value_view(&v), 0, e) &&
	       store_tally_step(s, step, e);
}

bool
store_drop_hold(struct store *s, uint64_t deadline_us, uint64_t decision, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct key k;
	struct store_held old;
	bool found;
	hold_key(&k, deadline_us, decision);
	if (!hold_find(s, &k, &old, &found, e))
		return false;
	if (!found)
		return true;
	struct usage_step step = { 0, 0, -1, 0, old.intake, 0 };
	return store_row_drop(s, T_HOLD, store_key_view(&k), NULL, e) &&
	       store_tally_step(s, step, e);
}

bool
store_read_holds(struct store_view *v, const struct store_held *after, struct store_held *out,
    size_t *count, struct err *e)
{
	struct key from = { 0 };
	if (after != NULL) {
		hold_key(&from, after->deadline_us, after->decision);
		store_key_above(&from);
	}
	struct page p = { v, T_HOLD, store_key_view(&from), 0, hold_parse, out, sizeof(*out) };
	return store_page_read(&p, count, e);
}

/* The tables subscription and queue of the LMDB driver, and what waits for each party. */
#include "daemon/store_lmdb.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/role.h"
#include "proto/arena.h"
#include "proto/facts.h"
#include "proto/limits.h"

/* ---- the tally ---- */

/* Room for item 'index' of a zeroed array. */
static bool
array_reach(void **items, size_t *room, size_t index, size_t size, struct err *e)
{
	if (index < *room)
		return true;
	size_t want = *room == 0 ? 64 : *room;
	while (want <= index)
		want *= 2;
	uint8_t *wider = reallocarray(*items, want, size);
	if (wider == NULL)
		return err_set(e, ERR_NOMEM, "queue counts");
	memset(wider + *room * size, 0, (want - *room) * size);
	*items = wider;
	*room = want;
	return true;
}

bool
store_tally_party(struct store *s, uint32_t party, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct tally *l = &s->tally;
	void *usage = l->usage;
	bool ok = array_reach(&usage, &l->usage_room, party, sizeof(*l->usage), e);
	l->usage = usage;
	return ok;
}

bool
store_tally_own(struct store *s, uint32_t subscription, uint32_t party, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct tally *l = &s->tally;
	void *owners = l->owners;
	bool ok = array_reach(&owners, &l->owner_room, subscription, sizeof(*l->owners), e);
	l->owners = owners;
	ok = ok && store_tally_party(s, party, e);
	if (ok)
		l->owners[subscription].party = party;
	return ok;
}

static uint32_t
owner_of(const struct store *s, uint32_t subscription)
{
	const struct tally *l = &s->tally;
	return subscription < l->owner_room ? l->owners[subscription].party : 0;
}

static void
usage_add(struct tally *l, const struct usage_step *step, int64_t sign)
{
	if (step->reports != 0)
		store_needs_change(&l->needs, step->intake, sign * step->reports);
	if (step->party == 0)
		return;
	struct party_usage *p = &l->usage[step->party];
	struct store_usage *u = step->subscription == 0 ? &p->letters : &p->queues;
	if (step->subscription != 0) {
		l->owners[step->subscription].waits += (uint32_t)(sign * step->reports);
		l->owners[step->subscription].sent += (uint32_t)(sign * step->sent);
	}
	u->reports += (uint64_t)(sign * step->reports);
	u->bytes += (uint64_t)(sign * step->bytes);
}

bool
store_tally_first(struct store *s, const struct usage_step *step, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	if (!store_needs_reserve(&s->tally.needs, e))
		return false;
	usage_add(&s->tally, step, 1);
	return true;
}

/* Notes what the batch does to a queue, so that an abort can take it back. */
bool
store_tally_step(struct store *s, struct usage_step step, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct tally *l = &s->tally;
	void *undo = l->undo;
	bool ok = array_reach(&undo, &l->undo_room, l->undo_count, sizeof(*l->undo), e);
	l->undo = undo;
	if (!ok || !store_needs_reserve(&l->needs, e))
		return false;
	l->undo[l->undo_count++] = step;
	usage_add(l, &step, 1);
	return true;
}

void
store_tally_keep(struct store *s)
{
	ASSERT_ON(ROLE_COMMITTER);
	s->tally.undo_count = 0;
	s->tally.subscriptions_changed = false;
}

bool
store_tally_undo(struct store *s, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct tally *l = &s->tally;
	while (l->undo_count > 0)
		usage_add(l, &l->undo[--l->undo_count], -1);
	if (!l->subscriptions_changed)
		return true;
	struct store_view v = { .s = s, .open = true };
	int code = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &v.txn);
	if (code != 0)
		return store_lmdb_fail(s, code, "begin", e);
	bool ok = store_tally_load(s, &v, e);
	mdb_txn_abort(v.txn);
	return ok;
}

void
store_tally_free(struct store *s)
{
	ASSERT_ON(ROLE_COMMITTER);
	free(s->tally.usage);
	free(s->tally.owners);
	free(s->tally.undo);
	store_needs_free(&s->tally.needs);
}

struct store_usage
store_usage(const struct store *s, uint32_t party)
{
	const struct tally *l = &s->tally;
	return party < l->usage_room ? l->usage[party].queues : (struct store_usage){ 0, 0 };
}

struct store_usage
store_letters(const struct store *s, uint32_t party)
{
	const struct tally *l = &s->tally;
	return party < l->usage_room ? l->usage[party].letters : (struct store_usage){ 0, 0 };
}

uint32_t
store_waiting(const struct store *s, uint32_t subscription)
{
	const struct tally *l = &s->tally;
	return subscription < l->owner_room ? l->owners[subscription].waits : 0;
}

uint32_t
store_sent(const struct store *s, uint32_t subscription)
{
	const struct tally *l = &s->tally;
	return subscription < l->owner_room ? l->owners[subscription].sent : 0;
}

bool
store_is_needed(const struct store *s, uint64_t intake)
{
	return store_needs_has(&s->tally.needs, intake);
}

/* ---- subscription: id u32 ---- */

static void
subscription_key(struct key *k, uint32_t id)
{
	k->len = 0;
	store_key_u32(k, id);
}

bool
store_put_subscription(struct store *s, struct store_subscription *sub, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	if (sub->name.len > LIMIT_PARTY_NAME_BYTES || sub->pattern.len > LIMIT_TOPIC_BYTES)
		return err_set(e, ERR_LIMIT, "store: a subscription's name or pattern is too long");
	uint32_t id = sub->id;
	if (id == 0 && !store_counter_next(s, "next-subscription", &id, e))
		return false;
	struct key k;
	struct value v;
	v.len = 0;
	subscription_key(&k, id);
	store_value_u32(&v, sub->party);
	store_value_u8(&v, sub->mode);
	store_value_u64(&v, sub->created);
	store_value_u8(&v, (uint8_t)sub->name.len);
	store_value_bytes(&v, sub->name);
	store_value_bytes(&v, sub->pattern);
	s->tally.subscriptions_changed = true;
	if (!store_row_put(s, T_SUBSCRIPTION, store_key_view(&k), store_value_view(&v), 0, e) ||
	    !store_tally_own(s, id, sub->party, e))
		return false;
	sub->id = id;
	return true;
}

static bool
subscription_parse(
    struct store_view *v, struct bytes key, struct bytes row, void *out, struct err *e)
{
	struct store_subscription sub = { 0 };
	struct cursor kc = cursor_over(key), c = cursor_over(row);
	sub.id = cursor_u32(&kc);
	sub.party = cursor_u32(&c);
	sub.mode = cursor_u8(&c);
	sub.created = cursor_u64(&c);
	struct bytes name = cursor_take(&c, cursor_u8(&c));
	struct bytes pattern = cursor_take(&c, c.left);
	if (!cursor_finished(&kc) || !cursor_finished(&c))
		return store_lmdb_corrupt(v->s, T_SUBSCRIPTION, key, "wrong length", e);
	if (!arena_copy(v->arena, name, &sub.name, e) ||
	    !arena_copy(v->arena, pattern, &sub.pattern, e))
		return false;
	memcpy(out, &sub, sizeof(sub));
	return true;
}

bool
store_read_subscriptions(struct store_view *v, uint32_t after, struct store_subscription *out,
    size_t *count, struct err *e)
{
	struct key from;
	subscription_key(&from, after);
	store_key_above(&from);
	struct page p = { v, T_SUBSCRIPTION, store_key_view(&from), 0, subscription_parse, out,
		sizeof(*out) };
	return store_page_read(&p, count, e);
}

bool
store_drop_subscription(struct store *s, uint32_t id, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct key k;
	struct bytes key, row;
	bool more;
	subscription_key(&k, id);
	SCOPED(store_walk_end) struct walk w = { 0 };
	if (!store_walk_start(&w, &s->batch.view, T_QUEUE, store_key_view(&k), e) ||
	    !store_walk_next(&w, &key, &row, &more, e))
		return false;
	if (more && key.len >= k.len && memcmp(key.data, k.data, k.len) == 0) {
		store_break(s);
		return err_set(
		    e, ERR_STORE, "store: subscription %u still has a queue", (unsigned)id);
	}
	s->tally.subscriptions_changed = true;
	return store_row_drop(s, T_SUBSCRIPTION, store_key_view(&k), NULL, e) &&
	       store_tally_own(s, id, 0, e);
}

/* ---- queue: subscription u32 | 3 - precedence u8 (FLASH 0 .. ROUTINE 3) | decision u64 ---- */

static void
queue_key(struct key *k, const struct store_queue_key *q)
{
	assert(q->precedence >= PRECEDENCE_ROUTINE && q->precedence <= PRECEDENCE_FLASH);
	k->len = 0;
	store_key_u32(k, q->subscription);
	store_key_u8(k, (uint8_t)(PRECEDENCE_FLASH - q->precedence));
	store_key_u64(k, q->decision);
}

static bool
queue_parse(struct store_view *v, struct bytes key, struct bytes row, void *out, struct err *e)
{
	struct store_queued q = { 0 };
	struct cursor kc = cursor_over(key), c = cursor_over(row);
	q.key.subscription = cursor_u32(&kc);
	uint8_t band = cursor_u8(&kc);
	q.key.decision = cursor_u64(&kc);
	q.attempts = cursor_u32(&c);
	q.not_before_ms = cursor_u64(&c);
	q.epoch = cursor_u64(&c);
	q.good_until_us = cursor_u64(&c);
	q.expires_us = cursor_u64(&c);
	q.intake = cursor_u64(&c);
	q.bytes = cursor_u32(&c);
	q.report.originator = cursor_u32(&c);
	cursor_copy(&c, q.report.id, sizeof(q.report.id));
	if (!cursor_finished(&kc) || !cursor_finished(&c) ||
	    band > PRECEDENCE_FLASH - PRECEDENCE_ROUTINE)
		return store_lmdb_corrupt(v->s, T_QUEUE, key, "wrong length", e);
	q.key.precedence = (uint8_t)(PRECEDENCE_FLASH - band);
	memcpy(out, &q, sizeof(q));
	return true;
}

bool
store_find_queued(struct store_view *v, const struct store_queue_key *key, struct store_queued *out,
    bool *found, struct err *e)
{
	struct key k;
	struct bytes row;
	bool there;
	queue_key(&k, key);
	if (!store_row_get(v, T_QUEUE, store_key_view(&k), &row, &there, e))
		return false;
	if (there && !queue_parse(v, store_key_view(&k), row, out, e))
		return false;
	*found = there;
	return true;
}

static void
queue_row(struct value *v, const struct store_queued *q)
{
	v->len = 0;
	store_value_u32(v, q->attempts);
	store_value_u64(v, q->not_before_ms);
	store_value_u64(v, q->epoch);
	store_value_u64(v, q->good_until_us);
	store_value_u64(v, q->expires_us);
	store_value_u64(v, q->intake);
	store_value_u32(v, q->bytes);
	store_value_u32(v, q->report.originator);
	store_value_bytes(v, bytes_from(q->report.id, sizeof(q->report.id)));
}

bool
store_enqueue(struct store *s, const struct store_queued *q, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	uint32_t party = owner_of(s, q->key.subscription);
	if (party == 0) {
		store_break(s);
		return err_set(e, ERR_STORE, "store: there is no subscription %u",
		    (unsigned)q->key.subscription);
	}
	struct key k;
	struct value v;
	struct store_queued old = { 0 };
	bool added, found = false;
	queue_key(&k, &q->key);
	queue_row(&v, q);
	if (!store_row_add(s, T_QUEUE, store_key_view(&k), store_value_view(&v), &added, e))
		return false;
	if (!added &&
	    (!store_find_queued(&s->batch.view, &q->key, &old, &found, e) ||
		!store_row_put(s, T_QUEUE, store_key_view(&k), store_value_view(&v), 0, e)))
		return false;
	struct usage_step step = { q->key.subscription, party, added ? 1 : 0,
		(int64_t)q->bytes - old.bytes, q->intake, (q->attempts > 0) - (old.attempts > 0) };
	return store_tally_step(s, step, e);
}

/* Found and taken by one search. */
bool
store_dequeue(struct store *s, const struct store_queue_key *key, bool *dropped, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct key k;
	struct bytes at, row;
	struct store_queued old;
	bool there;
	queue_key(&k, key);
	SCOPED(store_walk_end) struct walk w = { 0 };
	if (!store_walk_start(&w, &s->batch.view, T_QUEUE, store_key_view(&k), e) ||
	    !store_walk_next(&w, &at, &row, &there, e))
		return false;
	there = there && bytes_equal(at, store_key_view(&k));
	if (there && !queue_parse(&s->batch.view, at, row, &old, e))
		return false;
	int code = there ? mdb_cursor_del(w.cursor, 0) : 0;
	if (code != 0)
		return store_lmdb_fail(s, code, store_lmdb_table(T_QUEUE), e);
	if (there) {
		struct usage_step step = { key->subscription, owner_of(s, key->subscription), -1,
			-(int64_t)old.bytes, old.intake, -(old.attempts > 0) };
		if (!store_tally_step(s, step, e))
			return false;
	}
	if (dropped != NULL)
		*dropped = there;
	return true;
}

bool
store_read_queue(struct store_view *v, const struct store_queue_key *after,
    struct store_queued *out, size_t *count, struct err *e)
{
	struct key from;
	struct store_queue_key start = *after;
	if (after->decision == STORE_QUEUE_START)
		start.decision = 0;
	queue_key(&from, &start);
	if (after->decision != STORE_QUEUE_START)
		store_key_above(&from);
	struct page p = { v, T_QUEUE, store_key_view(&from), sizeof(uint32_t) + 1, queue_parse, out,
		sizeof(*out) };
	return store_page_read(&p, count, e);
}

bool
store_read_queues(struct store_view *v, const struct store_queue_key *after,
    struct store_queued *out, size_t *count, struct err *e)
{
	struct key from = { 0 };
	if (after != NULL) {
		queue_key(&from, after);
		store_key_above(&from);
	}
	struct page p = { v, T_QUEUE, store_key_view(&from), 0, queue_parse, out, sizeof(*out) };
	return store_page_read(&p, count, e);
}

/* ---- counting at open ---- */

static bool
load_subscriptions(struct store *s, struct store_view *v, struct err *e)
{
	SCOPED(store_walk_end) struct walk w = { 0 };
	if (!store_walk_start(&w, v, T_SUBSCRIPTION, bytes_from(NULL, 0), e))
		return false;
	for (;;) {
		struct bytes key, row;
		bool more;
		if (!store_walk_next(&w, &key, &row, &more, e))
			return false;
		if (!more)
			return store_walk_whole(&w, e);
		struct cursor kc = cursor_over(key), c = cursor_over(row);
		uint32_t id = cursor_u32(&kc), party = cursor_u32(&c);
		if (!cursor_finished(&kc) || c.failed || id == 0 || party == 0)
			return store_lmdb_corrupt(s, T_SUBSCRIPTION, key, "no number", e);
		if (!store_walk_reached(&w, key, e) || !store_tally_own(s, id, party, e))
			return false;
	}
}

static bool
load_queues(struct store *s, struct store_view *v, struct err *e)
{
	SCOPED(store_walk_end) struct walk w = { 0 };
	if (!store_walk_start(&w, v, T_QUEUE, bytes_from(NULL, 0), e))
		return false;
	for (;;) {
		struct bytes key, row;
		struct store_queued q;
		bool more;
		if (!store_walk_next(&w, &key, &row, &more, e))
			return false;
		if (!more)
			return store_walk_whole(&w, e);
		if (!store_walk_reached(&w, key, e) || !queue_parse(v, key, row, &q, e))
			return false;
		uint32_t party = owner_of(s, q.key.subscription);
		if (party == 0)
			return store_lmdb_corrupt(
			    s, T_QUEUE, key, "there is no such subscription", e);
		struct usage_step step = { q.key.subscription, party, 1, q.bytes, q.intake,
			q.attempts > 0 };
		if (!store_tally_first(s, &step, e))
			return false;
	}
}

static bool
load_holds(struct store *s, struct store_view *v, struct err *e)
{
	SCOPED(store_walk_end) struct walk w = { 0 };
	if (!store_walk_start(&w, v, T_HOLD, bytes_from(NULL, 0), e))
		return false;
	for (;;) {
		struct bytes key, row;
		bool more;
		if (!store_walk_next(&w, &key, &row, &more, e))
			return false;
		if (!more)
			return store_walk_whole(&w, e);
		struct cursor c = cursor_over(row);
		uint64_t intake = cursor_u64(&c);
		if (c.failed)
			return store_lmdb_corrupt(s, T_HOLD, key, "wrong length", e);
		struct usage_step step = { 0, 0, 1, 0, intake, 0 };
		if (!store_walk_reached(&w, key, e) || !store_tally_first(s, &step, e))
			return false;
	}
}

bool
store_tally_load(struct store *s, struct store_view *v, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	store_tally_free(s);
	s->tally = (struct tally){ 0 };
	return load_subscriptions(s, v, e) && load_queues(s, v, e) && load_holds(s, v, e) &&
	       store_letters_load(s, v, e);
}

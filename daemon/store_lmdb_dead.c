/* The table dead of the LMDB driver: party u32 | id 16 | originator u32 | subscription u32. */
#include "daemon/store_lmdb.h"

#include "daemon/role.h"
#include "proto/facts.h"
#include "proto/limits.h"

const char *
store_dead_token(enum store_dead why)
{
	static const char *const tokens[] = {
		[STORE_DEAD_NO_SUBSCRIPTION] = "no-subscription",
		[STORE_DEAD_MAILBOX_FULL] = "mailbox-full",
		[STORE_DEAD_MAX_DELIVERIES] = "max-deliveries",
	};
	return tokens[why];
}

static void
letter_key(struct key *k, const struct store_letter_key *l)
{
	k->len = 0;
	store_key_u32(k, l->party);
	store_key_bytes(k, bytes_from(l->report.id, sizeof(l->report.id)));
	store_key_u32(k, l->report.originator);
	store_key_u32(k, l->subscription);
}

static bool
letter_parse(struct store_view *v, struct bytes key, struct bytes row, void *out, struct err *e)
{
	struct store_letter l = { 0 };
	struct cursor kc = cursor_over(key), c = cursor_over(row);
	l.key.party = cursor_u32(&kc);
	cursor_copy(&kc, l.key.report.id, sizeof(l.key.report.id));
	l.key.report.originator = cursor_u32(&kc);
	l.key.subscription = cursor_u32(&kc);
	uint8_t why = cursor_u8(&c);
	l.why = (enum store_dead)why;
	l.mode = cursor_u8(&c);
	l.precedence = cursor_u8(&c);
	l.attempts = cursor_u32(&c);
	l.record = cursor_u64(&c);
	l.dead_us = cursor_u64(&c);
	l.decision = cursor_u64(&c);
	l.not_before_ms = cursor_u64(&c);
	l.expires_us = cursor_u64(&c);
	l.intake = cursor_u64(&c);
	l.bytes = cursor_u32(&c);
	bool said = why >= STORE_DEAD_NO_SUBSCRIPTION && why <= STORE_DEAD_MAX_DELIVERIES &&
		    l.precedence >= PRECEDENCE_ROUTINE && l.precedence <= PRECEDENCE_FLASH;
	if (!cursor_finished(&kc) || !cursor_finished(&c) || !said || l.key.party == 0)
		return store_lmdb_corrupt(v->s, T_DEAD, key, "wrong length or value", e);
	memcpy(out, &l, sizeof(l));
	return true;
}

static bool
letter_find(
    struct store *s, const struct key *k, struct store_letter *out, bool *found, struct err *e)
{
	struct bytes row;
	return store_row_get(&s->batch.view, T_DEAD, store_key_view(k), &row, found, e) &&
	       (!*found || letter_parse(&s->batch.view, store_key_view(k), row, out, e));
}

bool
store_put_letter(struct store *s, const struct store_letter *l, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct key k;
	struct value v;
	struct store_letter old = { .bytes = 0 };
	bool replaced = false;
	letter_key(&k, &l->key);
	if (!letter_find(s, &k, &old, &replaced, e))
		return false;
	v.len = 0;
	store_value_u8(&v, (uint8_t)l->why);
	store_value_u8(&v, l->mode);
	store_value_u8(&v, l->precedence);
	store_value_u32(&v, l->attempts);
	store_value_u64(&v, l->record);
	store_value_u64(&v, l->dead_us);
	store_value_u64(&v, l->decision);
	store_value_u64(&v, l->not_before_ms);
	store_value_u64(&v, l->expires_us);
	store_value_u64(&v, l->intake);
	store_value_u32(&v, l->bytes);
	struct usage_step step = { 0, l->key.party, replaced ? 0 : 1,
		(int64_t)l->bytes - (replaced ? old.bytes : 0), l->intake, 0 };
	return store_tally_party(s, l->key.party, e) &&
	       store_row_put(s, T_DEAD, store_key_view(&k), store_value_view(&v), 0, e) &&
	       store_tally_step(s, step, e);
}

bool
store_drop_letter(struct store *s, const struct store_letter_key *key, bool *dropped, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct key k;
	struct store_letter old;
	bool found = false;
	letter_key(&k, key);
	if (!letter_find(s, &k, &old, &found, e))
		return false;
	struct usage_step step = { 0, key->party, -1, found ? -(int64_t)old.bytes : 0,
		found ? old.intake : 0, 0 };
	if (found && (!store_row_drop(s, T_DEAD, store_key_view(&k), NULL, e) ||
			 !store_tally_step(s, step, e)))
		return false;
	if (dropped != NULL)
		*dropped = found;
	return true;
}

bool
store_read_letters(struct store_view *v, const struct store_letter_key *from,
    struct store_letter *out, size_t *count, struct err *e)
{
	struct key k = { 0 };
	if (v->s->no_dead) {
		*count = 0;
		return true;
	}
	if (from != NULL)
		letter_key(&k, from);
	struct page p = { v, T_DEAD, store_key_view(&k), 0, letter_parse, out, sizeof(*out) };
	return store_page_read(&p, count, e);
}

bool
store_read_sent_letters(struct store_view *v, const struct store_letter_key *from,
    struct store_letter *out, size_t *count, struct err *e)
{
	size_t room = *count, got = 0;
	struct key k;
	SCOPED(store_walk_end) struct walk w = { 0 };
	*count = 0;
	if (v->s->no_dead)
		return true;
	letter_key(&k, from);
	if (!store_walk_start(&w, v, T_DEAD, store_key_view(&k), e))
		return false;
	for (size_t looked = 0; looked < LIMIT_LETTERS_LOOKED && got < room; looked++) {
		struct bytes key, row;
		bool more;
		if (!store_walk_next(&w, &key, &row, &more, e) ||
		    (more && !letter_parse(v, key, row, &out[got], e)))
			return false;
		if (!more || out[got].key.party != from->party)
			break;
		got += out[got].attempts > 0;
	}
	*count = got;
	return true;
}

bool
store_letters_load(struct store *s, struct store_view *v, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	SCOPED(store_walk_end) struct walk w = { 0 };
	if (s->no_dead)
		return true;
	if (!store_walk_start(&w, v, T_DEAD, bytes_from(NULL, 0), e))
		return false;
	for (;;) {
		struct bytes key, row;
		struct store_letter l;
		bool more;
		if (!store_walk_next(&w, &key, &row, &more, e))
			return false;
		if (!more)
			return store_walk_whole(&w, e);
		if (!store_walk_reached(&w, key, e) || !letter_parse(v, key, row, &l, e) ||
		    !store_tally_party(s, l.key.party, e))
			return false;
		struct usage_step step = { 0, l.key.party, 1, l.bytes, l.intake, 0 };
		if (!store_tally_first(s, &step, e))
			return false;
	}
}

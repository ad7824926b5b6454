#include "audit/record.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/arena.h"
#include "proto/merkle.h"

enum {
	ALL_SLOTS = 0x1fe,
	OPENING_HEAD = 4 + 2, /* "RLO1" || u16 */
	PLACE_VALUE = 4 + 8
};

bool
record_begin(struct record *r, struct arena *a, const uint8_t salts[RECORD_SALTS], struct err *e)
{
	uint8_t *place = arena_alloc(a, PLACE_VALUE);
	if (place == NULL)
		return err_set(e, ERR_NOMEM, "record");
	memset(r, 0, sizeof(*r));
	for (unsigned i = 0; i < RECORD_SLOTS; i++) {
		r->slot[i].open = true;
		memcpy(r->slot[i].salt, salts + (size_t)i * RECORD_SALT, RECORD_SALT);
	}
	r->place = place;
	return true;
}

/* Each slot is filled once. */
static struct bytes *
fill(struct record *r, unsigned number)
{
	struct record_slot *s = RECORD_SLOT(r, number);
	assert(s->open && s->value.len == 0 && !s->hashed);
	return &s->value;
}

bool
record_set_common(struct record *r, struct arena *a, const struct slot_common *v, struct err *e)
{
	return slot_put_common(a, v, fill(r, 1), &r->time, e);
}

bool
record_set_release(struct record *r, struct arena *a, const struct slot_release *v, struct err *e)
{
	return slot_put_release(a, v, fill(r, 2), e);
}

bool
record_set_publication(
    struct record *r, struct arena *a, const struct slot_publication *v, struct err *e)
{
	return slot_put_publication(a, v, fill(r, 3), &r->publication, e);
}

bool
record_set_decision(struct record *r, struct arena *a, const struct slot_decision *v, struct err *e)
{
	return slot_put_decision(a, v, fill(r, 4), &r->link, e);
}

bool
record_set_hub(struct record *r, struct arena *a, const struct slot_hub *v, struct err *e)
{
	return slot_put_hub(a, v, fill(r, 5), e);
}

bool
record_set_person(struct record *r, struct arena *a, const struct slot_person *v, struct err *e)
{
	return slot_put_person(a, v, fill(r, 6), e);
}

bool
record_set_body(struct record *r, struct arena *a, const struct body *v, struct err *e)
{
	if (!event_body_check(v, e))
		return false;
	size_t size = event_body_size(v);
	uint8_t *value = arena_alloc(a, size);
	if (value == NULL)
		return err_set(e, ERR_NOMEM, "body of %zu bytes", size);
	event_body_write(v, value);
	*fill(r, 7) = bytes_from(value, size);
	if (v->type == EVENT_DELIVERY && event_body_number(v, BODY_DELIVERY_ACCEPTED) == SLOT_LATER)
		r->accepted = value + size - 8;
	return true;
}

static bool
commitment(struct sha256 *h, unsigned number, const uint8_t *salt, struct bytes value,
    uint8_t out[32], struct err *e)
{
	uint8_t head[3 + RECORD_SALT] = { 0x02, 0, (uint8_t)number };
	memcpy(head + 3, salt, RECORD_SALT);
	sha256_begin(h);
	sha256_add(h, bytes_from(head, sizeof(head)));
	sha256_add(h, value);
	return sha256_end(h, out, e);
}

static bool
hash_slot(struct sha256 *h, struct record *r, unsigned number, struct err *e)
{
	struct record_slot *s = RECORD_SLOT(r, number);
	s->hashed = commitment(h, number, s->salt, s->value, s->c, e);
	return s->hashed;
}

bool
record_hash_early(struct sha256 *h, struct record *r, struct err *e)
{
	const bool patched[RECORD_SLOTS] = { true, false, r->publication != NULL, r->link != NULL,
		false, false, r->accepted != NULL, true };
	for (unsigned i = 1; i <= RECORD_SLOTS; i++)
		if (!patched[i - 1] && !hash_slot(h, r, i, e))
			return false;
	return true;
}

/* 0x03, u16 8, and the eight commitments. */
enum { ALL_HEAD = 3, ALL_BYTES = ALL_HEAD + RECORD_SLOTS * 32 };

static bool
leaf_data_of(struct sha256 *h, uint8_t all[ALL_BYTES], uint8_t out[RECORD_LEAF_DATA], struct err *e)
{
	uint8_t data[RECORD_LEAF_DATA] = "RLT1";
	all[0] = 0x03;
	put_u16(all + 1, RECORD_SLOTS);
	put_u16(data + 4, RECORD_SLOTS);
	if (!sha256_of(h, bytes_from(all, ALL_BYTES), data + 6, e))
		return false;
	memcpy(out, data, sizeof(data));
	return true;
}

bool
record_leaf_data(struct sha256 *h, struct record *r, uint8_t out[RECORD_LEAF_DATA], struct err *e)
{
	uint8_t all[ALL_BYTES];
	for (unsigned i = 1; i <= RECORD_SLOTS; i++) {
		struct record_slot *s = RECORD_SLOT(r, i);
		if (!s->hashed && !hash_slot(h, r, i, e))
			return false;
		memcpy(all + ALL_HEAD + (size_t)(i - 1) * 32, s->c, 32);
	}
	return leaf_data_of(h, all, out, e);
}

bool
record_leaf(struct sha256 *h, struct record *r, uint8_t out[32], struct err *e)
{
	uint8_t data[RECORD_LEAF_DATA];
	return record_leaf_data(h, r, data, e) &&
	       merkle_leaf(h, bytes_from(data, sizeof(data)), out, e);
}

bool
record_party_leaf(
    struct sha256 *h, uint64_t index, const uint8_t leaf[32], uint8_t out[32], struct err *e)
{
	uint8_t data[RECORD_PARTY_LEAF_DATA] = "RLP1";
	put_u64(data + 4, index);
	memcpy(data + 12, leaf, 32);
	return merkle_leaf(h, bytes_from(data, sizeof(data)), out, e);
}

static int
by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, 32);
}

bool
record_released(struct sha256 *h, const struct record_release *v, uint8_t out[32], struct err *e)
{
	if (v->count != 0)
		qsort(v->commitments, v->count, 32, by_bytes);
	sha256_begin(h);
	sha256_add(h, bytes_of("RLD1"));
	sha256_add(h, bytes_from(v->manifest, 32));
	sha256_add(h, bytes_from(v->commitments, v->count * 32));
	return sha256_end(h, out, e);
}

static bool
opened(const struct record *r, unsigned number, unsigned mask)
{
	return r->slot[number - 1].open && (mask >> number & 1);
}

size_t
record_opening_size(const struct record *r, unsigned mask)
{
	size_t size = OPENING_HEAD;
	for (unsigned i = 1; i <= RECORD_SLOTS; i++)
		size +=
		    opened(r, i, mask) ? 1 + RECORD_SALT + 4 + r->slot[i - 1].value.len : 1 + 32;
	return size;
}

void
record_opening_write(const struct record *r, unsigned mask, uint8_t *to)
{
	memcpy(to, "RLO1", 4);
	put_u16(to + 4, RECORD_SLOTS);
	to += OPENING_HEAD;
	for (unsigned i = 1; i <= RECORD_SLOTS; i++) {
		const struct record_slot *s = &r->slot[i - 1];
		if (!opened(r, i, mask)) {
			assert(s->hashed);
			*to++ = 0;
			memcpy(to, s->c, 32);
			to += 32;
			continue;
		}
		*to++ = 1;
		memcpy(to, s->salt, RECORD_SALT);
		put_u32(to + RECORD_SALT, (uint32_t)s->value.len);
		to += RECORD_SALT + 4;
		if (s->value.len != 0)
			memcpy(to, s->value.data, s->value.len);
		to += s->value.len;
	}
}

bool
record_opening_parse(struct bytes in, struct record *out, struct err *e)
{
	struct record r = { .time = NULL };
	struct cursor c = cursor_over(in);
	struct bytes magic = cursor_take(&c, 4);
	if (!bytes_is(magic, "RLO1") || cursor_u16(&c) != RECORD_SLOTS)
		return err_set(e, ERR_MALFORMED, "no opening of %d slots", RECORD_SLOTS);
	for (unsigned i = 0; i < RECORD_SLOTS; i++) {
		struct record_slot *s = &r.slot[i];
		uint8_t kind = cursor_u8(&c);
		if (kind > 1)
			return err_set(
			    e, ERR_MALFORMED, "opening: slot %u of kind %u", i + 1, kind);
		s->open = kind == 1;
		s->hashed = kind == 0;
		if (s->open) {
			cursor_copy(&c, s->salt, RECORD_SALT);
			s->value = cursor_take(&c, cursor_u32(&c));
		} else
			cursor_copy(&c, s->c, sizeof(s->c));
	}
	if (!cursor_finished(&c))
		return err_set(e, ERR_MALFORMED, "opening of %zu bytes", in.len);
	*out = r;
	return true;
}

size_t
record_entry_size(const struct record *r)
{
	return 32 + record_opening_size(r, ALL_SLOTS);
}

void
record_entry_write(const struct record *r, const uint8_t leaf[32], uint8_t *to)
{
	memcpy(to, leaf, 32);
	record_opening_write(r, ALL_SLOTS, to + 32);
}

bool
record_entry_parse(struct bytes in, struct record *out, uint8_t leaf[32], struct err *e)
{
	struct cursor c = cursor_over(in);
	struct bytes hash = cursor_take(&c, 32);
	if (c.failed)
		return err_set(e, ERR_MALFORMED, "entry of %zu bytes", in.len);
	if (!record_opening_parse(bytes_from(c.at, c.left), out, e))
		return err_wrap(e, "entry");
	memcpy(leaf, hash.data, 32);
	return true;
}

/* One slot of an opening; its commitment.  What is no slot fails the cursor. */
static bool
take_commitment(struct sha256 *h, struct cursor *c, unsigned number, uint8_t out[32], struct err *e)
{
	uint8_t kind = cursor_u8(c);
	if (kind == 0) {
		cursor_copy(c, out, 32);
		return true;
	}
	struct bytes salt = cursor_take(c, RECORD_SALT);
	struct bytes value = cursor_take(c, cursor_u32(c));
	c->failed |= kind != 1;
	return c->failed || commitment(h, number, salt.data, value, out, e);
}

bool
record_entry_leaf(struct sha256 *h, struct bytes in, uint8_t leaf[32], struct err *e)
{
	uint8_t all[ALL_BYTES], data[RECORD_LEAF_DATA];
	struct cursor c = cursor_over(in);
	(void)cursor_take(&c, 32);
	struct bytes magic = cursor_take(&c, 4);
	if (!bytes_is(magic, "RLO1") || cursor_u16(&c) != RECORD_SLOTS)
		c.failed = true;
	for (unsigned i = 1; i <= RECORD_SLOTS; i++)
		if (!take_commitment(h, &c, i, all + ALL_HEAD + (size_t)(i - 1) * 32, e))
			return false;
	if (!cursor_finished(&c))
		return err_set(
		    e, ERR_MALFORMED, "entry: opening of %zu bytes", in.len < 32 ? 0 : in.len - 32);
	return leaf_data_of(h, all, data, e) &&
	       merkle_leaf(h, bytes_from(data, sizeof(data)), leaf, e);
}

/* A present slot of its own form. */
static bool
read_slot(const struct record *r, unsigned number, struct record_said *s, struct err *e)
{
	struct bytes in = r->slot[number - 1].value;
	switch (number) {
	case 1:
		return true; /* it was read to know the type */
	case 2:
		return slot_get_release(in, &s->release, e);
	case 3:
		return slot_get_publication(in, &s->publication, e);
	case 4:
		return slot_get_decision(in, &s->decision, e);
	case 5:
		return slot_get_hub(in, &s->hub, e);
	case 6:
		return slot_get_person(in, &s->person, e);
	case 7:
		return event_body_parse(s->common.type, in, &s->body, e);
	default:
		return slot_get_place(in, &s->place, e);
	}
}

/* What a record says of which only slot 1 is read. */
static void
say_nothing(struct record_said *s)
{
	s->release = (struct slot_release){ 0 };
	s->publication = (struct slot_publication){ .index = SLOT_ABSENT };
	s->decision = (struct slot_decision){ .link = SLOT_ABSENT };
	s->hub = (struct slot_hub){ .connection = SLOT_ABSENT };
	s->person = (struct slot_person){ 0 };
	event_body_begin(&s->body, s->common.type);
	s->place = SLOT_ABSENT;
}

bool
record_take_apart(const struct record *r, struct record_said *out, struct err *e)
{
	if (!r->slot[0].open)
		return err_set(e, ERR_MALFORMED, "slot 1 is closed");
	if (!slot_get_common(r->slot[0].value, &out->common, e))
		return false;
	enum event_type type = out->common.type;
	say_nothing(out);
	for (unsigned i = 1; i <= RECORD_SLOTS; i++) {
		if (!r->slot[i - 1].open)
			continue;
		bool used = event_slots(type) >> i & 1;
		if (!used && r->slot[i - 1].value.len != 0)
			return err_set(
			    e, ERR_MALFORMED, "%s: slot %u must be empty", event_token(type), i);
		if (used && !read_slot(r, i, out, e))
			return err_wrap(e, "%s", event_token(type));
	}
	return true;
}

bool
record_check(const struct record *r, enum event_type *type, struct err *e)
{
	struct record_said s;
	if (!record_take_apart(r, &s, e))
		return false;
	*type = s.common.type;
	return true;
}

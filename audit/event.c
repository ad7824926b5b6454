#include "audit/event.h"

#include <assert.h>
#include <inttypes.h>

#include "proto/syntax.h"

static const struct {
	const char *token;
	unsigned slots;
} events[EVENT_END] = {
	[EVENT_NONE] = { "unknown", 0 },
#define S(i) (1u << (i))
#define E(number, name, token, slots) [EVENT_##name] = { token, slots },
#include "audit/event.def"
#undef E
#undef S
};

static const struct body_def defs[BODY_FIELD_COUNT] = {
#define F(event, name, token, kind, required, words) \
	{ EVENT_##event, token, BODY_##kind, required, words },
#include "audit/body.def"
#undef F
};

const char *
event_token(enum event_type type)
{
	return (unsigned)type < EVENT_END ? events[type].token : events[EVENT_NONE].token;
}

enum event_type
event_from_token(struct bytes token)
{
	for (unsigned t = EVENT_NONE + 1; t < EVENT_END; t++)
		if (bytes_is(token, events[t].token))
			return (enum event_type)t;
	return EVENT_NONE;
}

unsigned
event_slots(enum event_type type)
{
	return (unsigned)type < EVENT_END ? events[type].slots : 0;
}

const struct body_def *
event_body_def(enum body_field f)
{
	assert((unsigned)f < BODY_FIELD_COUNT);
	return &defs[f];
}

size_t
event_body_fields(enum event_type type, enum body_field *first)
{
	size_t count = 0;
	for (unsigned f = 0; f < BODY_FIELD_COUNT; f++) {
		if (defs[f].type != type && count > 0)
			break; /* they stand together */
		if (defs[f].type != type)
			continue;
		if (count++ == 0)
			*first = (enum body_field)f;
	}
	assert(count <= BODY_FIELDS_MAX);
	return count;
}

struct bytes
event_body_word(enum body_field f, unsigned v)
{
	const char *at = event_body_def(f)->words;
	for (unsigned i = 1; *at != '\0'; i++) {
		size_t n = strcspn(at, " ");
		if (i == v)
			return bytes_from(at, n);
		at += n + (at[n] == ' ');
	}
	return bytes_of("");
}

/* The place of 'f' in its body. */
static size_t
place_of(const struct body *b, enum body_field f)
{
	enum body_field first = f;
	size_t count = event_body_fields(b->type, &first);
	assert(f >= first && (size_t)(f - first) < count);
	return (size_t)(f - first);
}

void
event_body_begin(struct body *b, enum event_type type)
{
	memset(b, 0, sizeof(*b));
	b->type = type;
}

void
event_body_bytes(struct body *b, enum body_field f, struct bytes v)
{
	enum body_kind kind = event_body_def(f)->kind;
	assert(kind != BODY_UINT && kind != BODY_ENUM);
	b->field[place_of(b, f)] = v;
}

void
event_body_uint(struct body *b, enum body_field f, uint64_t v)
{
	assert(event_body_def(f)->kind == BODY_UINT);
	size_t i = place_of(b, f);
	put_u64(b->number[i], v);
	b->field[i] = bytes_from(b->number[i], 8);
}

void
event_body_enum(struct body *b, enum body_field f, unsigned v)
{
	assert(event_body_def(f)->kind == BODY_ENUM && event_body_word(f, v).len != 0);
	size_t i = place_of(b, f);
	b->number[i][0] = (uint8_t)v;
	b->field[i] = bytes_from(b->number[i], 1);
}

size_t
event_body_size(const struct body *b)
{
	enum body_field first;
	size_t count = event_body_fields(b->type, &first), size = 0, given = 0;
	for (size_t i = 0; i < count; i++) {
		size += 4 + b->field[i].len;
		given += b->field[i].len;
	}
	return given == 0 ? 0 : size;
}

void
event_body_write(const struct body *b, uint8_t *to)
{
	enum body_field first;
	size_t count = event_body_size(b) == 0 ? 0 : event_body_fields(b->type, &first);
	for (size_t i = 0; i < count; i++) {
		struct bytes v = b->field[i];
		put_u32(to, (uint32_t)v.len);
		to += 4;
		if (v.len != 0)
			memcpy(to, v.data, v.len);
		to += v.len;
	}
}

static bool
ascending(struct bytes v)
{
	for (size_t i = 8; i < v.len; i += 8)
		if (memcmp(v.data + i - 8, v.data + i, 8) >= 0)
			return false;
	return true;
}

/* A present value of its kind. */
static bool
well_formed(enum body_field f, struct bytes v)
{
	switch (event_body_def(f)->kind) {
	case BODY_DIGEST:
		return v.len == 32;
	case BODY_DIGESTS:
		return v.len % 32 == 0;
	case BODY_TEXT:
		return syntax_is_utf8(v);
	case BODY_UINT:
		return v.len == 8;
	case BODY_ENUM:
		return v.len == 1 && event_body_word(f, v.data[0]).len != 0;
	case BODY_INDEXES:
		return v.len % 8 == 0 && ascending(v);
	case BODY_ID:
		return v.len == 16;
	case BODY_BYTES:
		return true;
	}
	return false;
}

/* An ACK says one of two things, wholly. */
static bool
ack_check(const struct body *b, struct err *e)
{
	bool says[5];
	for (size_t i = 0; i < 5; i++)
		says[i] = b->field[i].len != 0;
	if (says[1] != says[2] || says[2] != says[3] || says[3] != says[4] || says[0] == says[1])
		return err_set(
		    e, ERR_MALFORMED, "body of ack: either deliveries or a whole attestation");
	return true;
}

bool
event_body_check(const struct body *b, struct err *e)
{
	enum body_field first;
	size_t count = event_body_fields(b->type, &first);
	for (size_t i = 0; i < count; i++) {
		enum body_field f = (enum body_field)(first + i);
		struct bytes v = b->field[i];
		if (v.len == 0 ? defs[f].required : !well_formed(f, v))
			return err_set(e, ERR_MALFORMED, "body of %s: field '%s' %s",
			    event_token(b->type), defs[f].token,
			    v.len == 0 ? "is missing" : "is not well-formed");
	}
	return b->type != EVENT_ACK || ack_check(b, e);
}

bool
event_body_parse(enum event_type type, struct bytes value, struct body *out, struct err *e)
{
	struct body b;
	event_body_begin(&b, type);
	enum body_field first;
	size_t count = event_body_fields(type, &first), given = 0;
	struct cursor c = cursor_over(value);
	for (size_t i = 0; i < count && value.len != 0; i++) {
		b.field[i] = cursor_take(&c, cursor_u32(&c));
		given += b.field[i].len;
	}
	if (!cursor_finished(&c) || (value.len != 0 && given == 0))
		return err_set(e, ERR_MALFORMED, "body of %s: %zu bytes do not fit its fields",
		    event_token(type), value.len);
	if (!event_body_check(&b, e))
		return false;
	*out = b;
	return true;
}

bool
event_body_has(const struct body *b, enum body_field f)
{
	return b->field[place_of(b, f)].len != 0;
}

struct bytes
event_body_get(const struct body *b, enum body_field f)
{
	return b->field[place_of(b, f)];
}

uint64_t
event_body_number(const struct body *b, enum body_field f)
{
	struct cursor c = cursor_over(b->field[place_of(b, f)]);
	return c.left == 1 ? cursor_u8(&c) : cursor_u64(&c);
}

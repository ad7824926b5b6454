#include "proto/codec.h"

#include "proto/arena.h"
#include <assert.h>
#include <stdio.h>

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_LEN = 2 };
enum { DEPTH_MAX = 8, VARINT_MAX = 10 };

void
codec_init(struct codec *c, struct arena *a, uint32_t elements)
{
	*c = (struct codec){ .arena = a, .elements = elements };
}

void
codec_where(const struct codec *c, char *out, size_t size)
{
	size_t at = 0;
	out[0] = 0;
	for (unsigned i = 0; i < c->depth && at + 1 < size; i++) {
		const char *dot = at == 0 ? "" : ".";
		int n = c->path[i].index == CODEC_NO_INDEX
			    ? snprintf(out + at, size - at, "%s%s", dot, c->path[i].name)
			    : snprintf(out + at, size - at, "%s%s[%zu]", dot, c->path[i].name,
				  c->path[i].index);
		at += n < 0 ? 0 : (size_t)n;
	}
}

/* ---- the checks of values ---- */

bool
codec_check_bytes(const struct codec_field *f, struct bytes v, struct err *e)
{
	bool text = f->kind == CODEC_TEXT || f->kind == CODEC_TEXTS;
	if (v.len == 0 && f->may_lack)
		return true;
	if (f->min == f->max && v.len != f->min)
		return err_set(e, ERR_MALFORMED, "%zu bytes, not %zu", v.len, (size_t)f->min);
	if (v.len < f->min)
		return err_set(
		    e, ERR_MALFORMED, "%zu bytes, not at least %zu", v.len, (size_t)f->min);
	if (v.len > f->max)
		return err_set(e, ERR_LIMIT, "%zu bytes, not at most %zu", v.len, (size_t)f->max);
	if (text && !syntax_is_utf8(v))
		return err_set(e, ERR_MALFORMED, "not UTF-8 without NUL");
	return f->check == NULL || v.len == 0 || f->check(v, e);
}

bool
codec_check_number(const struct codec_field *f, uint64_t v, struct err *e)
{
	if (v >= f->min && v <= f->max)
		return true;
	if (f->kind == CODEC_ENUM || f->min == f->max)
		return err_set(
		    e, ERR_MALFORMED, "%llu is none of its values", (unsigned long long)v);
	return err_set(e, v < f->min ? ERR_MALFORMED : ERR_LIMIT, "%llu, not %llu to %llu",
	    (unsigned long long)v, (unsigned long long)f->min, (unsigned long long)f->max);
}

bool
codec_check_count(const struct codec_field *f, size_t count, struct err *e)
{
	if (count > f->most)
		return err_set(
		    e, ERR_LIMIT, "%zu entries, not at most %lu", count, (unsigned long)f->most);
	if (count < f->least)
		return err_set(e, ERR_MALFORMED, "%zu entries, not at least %lu", count,
		    (unsigned long)f->least);
	return true;
}

/* ---- reading ---- */

/* A check of a value failed: the encoding around it may still be sound. */
static bool
value(struct codec *c, bool good)
{
	if (!good)
		c->value = true;
	return good;
}

bool
codec_varint(struct cursor *c, uint64_t *out, struct err *e)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < VARINT_MAX; i++) {
		uint8_t b = cursor_u8(c);
		if (c->failed)
			return err_set(e, ERR_MALFORMED, "ends inside a number");
		if (i == VARINT_MAX - 1 && b > 1)
			break;
		v |= (uint64_t)(b & 0x7f) << (7 * i);
		if (b & 0x80)
			continue;
		if (b == 0 && i != 0)
			return err_set(e, ERR_NOT_CANONICAL, "a number longer than it need be");
		*out = v;
		return true;
	}
	c->failed = true;
	return err_set(e, ERR_MALFORMED, "a number of more than 64 bits");
}

static bool
read_block(struct cursor *c, struct bytes *out, struct err *e)
{
	uint64_t len = 0;
	if (!codec_varint(c, &len, e))
		return false;
	if (len > c->left)
		return err_set(e, ERR_MALFORMED, "%llu bytes announced, %zu are left",
		    (unsigned long long)len, c->left);
	*out = cursor_take(c, (size_t)len);
	return true;
}

static enum wire
wire_of(const struct codec_field *f)
{
	switch ((enum codec_kind)f->kind) {
	case CODEC_BOOL:
	case CODEC_ENUM:
	case CODEC_U32:
	case CODEC_U64:
		return WIRE_VARINT;
	case CODEC_FIXED64:
		return WIRE_64;
	case CODEC_BLOB:
	case CODEC_TEXT:
	case CODEC_PART:
	case CODEC_MAYBE:
	case CODEC_BLOBS:
	case CODEC_TEXTS:
	case CODEC_U32S:
	case CODEC_U64S:
	case CODEC_PARTS:
		break;
	}
	return WIRE_LEN;
}

static bool
spend(struct codec *c, size_t elements, struct err *e)
{
	if (elements > c->elements)
		return err_set(e, ERR_LIMIT, "too many elements in one message");
	c->elements -= (uint32_t)elements;
	return true;
}

/* Every all-zero item is a valid "absent", which is why the arena's zeroed memory will do. */
static void *
room_for(struct codec *c, size_t count, size_t size, struct err *e)
{
	void *out = arena_zalloc(c->arena, count, size);
	if (out == NULL)
		(void)err_set(e, ERR_NOMEM, "%zu entries of %zu bytes", count, size);
	return out;
}

/* A pointer to const items of any type is written as one to void: they are alike here. */
static void
set_array(void *out, const struct codec_field *f, const void *items, size_t count)
{
	memcpy((uint8_t *)out + f->at, &items, sizeof(items));
	memcpy((uint8_t *)out + f->aside, &count, sizeof(count));
}

static bool
read_number(
    struct codec *k, struct cursor *c, const struct codec_field *f, void *out, struct err *e)
{
	uint64_t v = 0;
	if (f->kind == CODEC_FIXED64) {
		struct bytes raw = cursor_take(c, 8); /* little-endian, alone in this schema */
		for (size_t i = raw.len; i-- > 0;)
			v = v << 8 | raw.data[i];
		if (c->failed)
			return err_set(e, ERR_MALFORMED, "ends inside a number");
	} else if (!codec_varint(c, &v, e)) {
		return false;
	}
	if (v == 0)
		return err_set(e, f->kind == CODEC_ENUM ? ERR_MALFORMED : ERR_NOT_CANONICAL,
		    "a zero that is written out");
	if (f->kind == CODEC_BOOL && v != 1)
		return err_set(
		    e, ERR_NOT_CANONICAL, "a truth value of %llu", (unsigned long long)v);
	if (f->kind == CODEC_U32 && v > UINT32_MAX)
		return err_set(e, ERR_NOT_CANONICAL, "a number of more than 32 bits");
	if (f->kind != CODEC_BOOL && !value(k, codec_check_number(f, v, e)))
		return false;
	uint32_t narrow = (uint32_t)v;
	uint8_t *to = (uint8_t *)out + f->at;
	if (f->kind == CODEC_BOOL)
		memcpy(to, &(bool){ true }, sizeof(bool));
	else if (f->kind == CODEC_U32 || f->kind == CODEC_ENUM)
		memcpy(to, &narrow, sizeof(narrow));
	else
		memcpy(to, &v, sizeof(v));
	return true;
}

static bool
read_bytes(struct codec *k, struct cursor *c, const struct codec_field *f, void *out, struct err *e)
{
	struct bytes v;
	if (!read_block(c, &v, e))
		return false;
	if (v.len == 0)
		return err_set(e, ERR_NOT_CANONICAL, "an empty value that is written out");
	if (!value(k, codec_check_bytes(f, v, e)))
		return false;
	memcpy((uint8_t *)out + f->at, &v, sizeof(v));
	return true;
}

/* How many entries with this very tag follow one another from here. */
static size_t
count_entries(struct cursor c, uint64_t tag)
{
	size_t count = 0;
	for (;;) {
		struct bytes skipped;
		if (!read_block(&c, &skipped, NULL))
			return count + 1; /* the reading proper will say what is wrong */
		count++;
		uint64_t next = 0;
		if (c.left == 0 || !codec_varint(&c, &next, NULL) || next != tag)
			return count;
	}
}

/* The tag of entry i is read already if i is 0. */
static bool
next_entry(struct codec *c, struct cursor *in, size_t i, struct bytes *out, struct err *e)
{
	uint64_t tag = 0;
	c->path[c->depth - 1].index = i;
	if (i != 0 && !codec_varint(in, &tag, e))
		return false;
	return read_block(in, out, e);
}

/* How many entries of this list come, after they were allowed; 0 if they were not. */
static size_t
allow_entries(struct codec *c, const struct cursor *in, const struct codec_field *f, struct err *e)
{
	size_t count = count_entries(*in, (uint64_t)f->number << 3 | WIRE_LEN);
	return spend(c, count, e) && value(c, codec_check_count(f, count, e)) ? count : 0;
}

static bool
read_names(
    struct codec *c, struct cursor *in, const struct codec_field *f, void *out, struct err *e)
{
	size_t count = allow_entries(c, in, f, e);
	struct bytes *items = count == 0 ? NULL : room_for(c, count, sizeof(*items), e);
	if (items == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!next_entry(c, in, i, &items[i], e) ||
		    !value(c, codec_check_bytes(f, items[i], e)))
			return false;
		if (f->ascending && i != 0 && bytes_compare(items[i - 1], items[i]) >= 0)
			return value(
			    c, err_set(e, ERR_MALFORMED, "not in strictly ascending order"));
	}
	struct names list = { items, count };
	memcpy((uint8_t *)out + f->at, &list, sizeof(list));
	return true;
}

static bool
read_parts(
    struct codec *c, struct cursor *in, const struct codec_field *f, void *out, struct err *e)
{
	size_t count = allow_entries(c, in, f, e);
	uint8_t *items = count == 0 ? NULL : room_for(c, count, f->sub->size, e);
	if (items == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		struct bytes v;
		if (!next_entry(c, in, i, &v, e) ||
		    !codec_read(c, f->sub, v, items + i * f->sub->size, e))
			return false;
	}
	set_array(out, f, items, count);
	return true;
}

static bool
read_packed(
    struct codec *c, struct cursor *in, const struct codec_field *f, void *out, struct err *e)
{
	struct bytes block;
	if (!read_block(in, &block, e))
		return false;
	size_t count = 0, width = f->kind == CODEC_U32S ? 4 : 8;
	for (size_t i = 0; i < block.len; i++)
		count += block.data[i] < 0x80;
	if (count == 0)
		return err_set(e, ERR_NOT_CANONICAL, "an empty list that is written out");
	if (!spend(c, count, e) || !value(c, codec_check_count(f, count, e)))
		return false;
	uint8_t *items = room_for(c, count, width, e);
	if (items == NULL)
		return false;
	struct cursor each = cursor_over(block);
	uint64_t before = 0;
	for (size_t i = 0; each.left != 0; i++) {
		uint64_t v = 0;
		c->path[c->depth - 1].index = i;
		if (!codec_varint(&each, &v, e) || !value(c, codec_check_number(f, v, e)))
			return false;
		if (f->ascending && i != 0 && v <= before)
			return value(
			    c, err_set(e, ERR_MALFORMED, "not in strictly ascending order"));
		uint32_t narrow = (uint32_t)v; /* the limits of a U32S keep it below 2^32 */
		memcpy(items + i * width, width == 4 ? (void *)&narrow : (void *)&v, width);
		before = v;
	}
	c->path[c->depth - 1].index = CODEC_NO_INDEX;
	set_array(out, f, items, count);
	return true;
}

static bool
read_part(struct codec *c, struct cursor *in, const struct codec_field *f, void *out, struct err *e)
{
	struct bytes v;
	if (!read_block(in, &v, e) || !codec_read(c, f->sub, v, (uint8_t *)out + f->at, e))
		return false;
	if (f->kind == CODEC_MAYBE)
		memcpy((uint8_t *)out + f->aside, &(bool){ true }, sizeof(bool));
	return true;
}

static bool
read_field(
    struct codec *c, struct cursor *in, const struct codec_field *f, void *out, struct err *e)
{
	switch ((enum codec_kind)f->kind) {
	case CODEC_BOOL:
	case CODEC_ENUM:
	case CODEC_U32:
	case CODEC_U64:
	case CODEC_FIXED64:
		return read_number(c, in, f, out, e);
	case CODEC_BLOB:
	case CODEC_TEXT:
		return read_bytes(c, in, f, out, e);
	case CODEC_PART:
	case CODEC_MAYBE:
		return read_part(c, in, f, out, e);
	case CODEC_BLOBS:
	case CODEC_TEXTS:
		return read_names(c, in, f, out, e);
	case CODEC_PARTS:
		return read_parts(c, in, f, out, e);
	case CODEC_U32S:
	case CODEC_U64S:
		return read_packed(c, in, f, out, e);
	}
	return err_set(e, ERR_INTERNAL, "a field of kind %u", f->kind);
}

/* May this field be left out? */
static bool
check_absent(struct codec *c, const struct codec_field *f, struct err *e)
{
	bool needed;
	switch ((enum codec_kind)f->kind) {
	case CODEC_PART:
		needed = true;
		break;
	case CODEC_BLOB:
	case CODEC_TEXT:
		needed = f->min != 0 && !f->may_lack;
		break;
	case CODEC_ENUM:
	case CODEC_U32:
	case CODEC_U64:
	case CODEC_FIXED64:
		needed = f->min != 0;
		break;
	case CODEC_BLOBS:
	case CODEC_TEXTS:
	case CODEC_PARTS:
	case CODEC_U32S:
	case CODEC_U64S:
		needed = f->least != 0;
		break;
	case CODEC_BOOL:
	case CODEC_MAYBE:
	default:
		needed = false;
	}
	if (!needed)
		return true;
	c->path[c->depth - 1].name = f->name;
	c->path[c->depth - 1].index = CODEC_NO_INDEX;
	return value(c, err_set(e, ERR_MALFORMED, "missing"));
}

/* A tag that no field from 'f' on has. */
static bool
no_such_field(
    const struct codec_shape *shape, const struct codec_field *f, uint64_t tag, struct err *e)
{
	for (const struct codec_field *g = shape->fields; g < f; g++)
		if (g->number == tag >> 3 && wire_of(g) == (tag & 7))
			return err_set(
			    e, ERR_NOT_CANONICAL, "field '%s' again or out of order", g->name);
	return err_set(e, ERR_UNKNOWN_MESSAGE, "unknown field %llu of type %llu",
	    (unsigned long long)(tag >> 3), (unsigned long long)(tag & 7));
}

/* Goes on from 'f' to the field of 'tag', over fields that may be left out; NULL with *e set. */
static const struct codec_field *
find_field(struct codec *c, const struct codec_shape *shape, const struct codec_field *f,
    uint64_t tag, struct err *e)
{
	const struct codec_field *end = shape->fields + shape->count, *found = f;
	while (found < end && found->number < tag >> 3)
		found++;
	if (found == end || found->number != tag >> 3 || wire_of(found) != (tag & 7)) {
		(void)no_such_field(shape, f, tag, e);
		return NULL;
	}
	for (; f < found; f++)
		if (!check_absent(c, f, e))
			return NULL;
	c->path[c->depth - 1].name = found->name;
	c->path[c->depth - 1].index = CODEC_NO_INDEX;
	return found;
}

/* Walks the fields of one message; c->path[c->depth - 1] is the field at hand. */
static bool
read_fields(
    struct codec *c, const struct codec_shape *shape, struct bytes in, void *out, struct err *e)
{
	struct cursor cur = cursor_over(in);
	const struct codec_field *f = shape->fields, *end = f + shape->count;
	while (cur.left != 0) {
		uint64_t tag = 0;
		c->path[c->depth - 1].name = NULL;
		if (!codec_varint(&cur, &tag, e) || (f = find_field(c, shape, f, tag, e)) == NULL)
			return false;
		if (!spend(c, 1, e) || !read_field(c, &cur, f, out, e))
			return false;
		f++;
	}
	for (; f < end; f++)
		if (!check_absent(c, f, e))
			return false;
	return true;
}

bool
codec_read(
    struct codec *c, const struct codec_shape *shape, struct bytes in, void *out, struct err *e)
{
	assert(c->depth < DEPTH_MAX); /* the schema is not recursive */
	memset(out, 0, shape->size);
	c->path[c->depth].name = NULL;
	c->path[c->depth].index = CODEC_NO_INDEX;
	c->depth++;
	if (!read_fields(c, shape, in, out, e)) {
		if (c->path[c->depth - 1].name == NULL)
			c->depth--;
		return false; /* the path stays as it is, for codec_where */
	}
	c->depth--;
	return true;
}

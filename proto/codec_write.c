/* codec_write.c - the other half of codec.h: sizes, then one pass of writing. */
#include "proto/arena.h"
#include "proto/codec.h"

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_LEN = 2 };

static size_t
varint_size(uint64_t v)
{
	size_t n = 1;
	while (v >= 0x80) {
		v >>= 7;
		n++;
	}
	return n;
}

size_t
codec_put_varint(uint8_t *out, uint64_t v)
{
	size_t n = 0;
	while (v >= 0x80) {
		out[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	out[n++] = (uint8_t)v;
	return n;
}

/* ---- getting at the fields of our structs ---- */

static uint64_t
number_at(const struct codec_field *f, const void *in)
{
	const uint8_t *from = (const uint8_t *)in + f->at;
	uint32_t narrow;
	uint64_t wide;
	bool truth;
	switch ((enum codec_kind)f->kind) {
	case CODEC_BOOL:
		memcpy(&truth, from, sizeof(truth));
		return truth;
	case CODEC_U32:
	case CODEC_ENUM:
		memcpy(&narrow, from, sizeof(narrow));
		return narrow;
	case CODEC_U64:
	case CODEC_FIXED64:
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
	memcpy(&wide, from, sizeof(wide));
	return wide;
}

static struct bytes
bytes_at(const struct codec_field *f, const void *in)
{
	struct bytes v;
	memcpy(&v, (const uint8_t *)in + f->at, sizeof(v));
	return v;
}

static struct names
names_at(const struct codec_field *f, const void *in)
{
	struct names v;
	memcpy(&v, (const uint8_t *)in + f->at, sizeof(v));
	return v;
}

static const uint8_t *
array_at(const struct codec_field *f, const void *in, size_t *count)
{
	const void *items;
	memcpy(&items, (const uint8_t *)in + f->at, sizeof(items));
	memcpy(count, (const uint8_t *)in + f->aside, sizeof(*count));
	return items;
}

static bool
is_there(const struct codec_field *f, const void *in)
{
	bool there = true;
	if (f->kind == CODEC_MAYBE)
		memcpy(&there, (const uint8_t *)in + f->aside, sizeof(there));
	return there;
}

static uint64_t
packed_at(const struct codec_field *f, const uint8_t *items, size_t i)
{
	uint32_t narrow;
	uint64_t wide;
	if (f->kind == CODEC_U32S) {
		memcpy(&narrow, items + i * sizeof(narrow), sizeof(narrow));
		return narrow;
	}
	memcpy(&wide, items + i * sizeof(wide), sizeof(wide));
	return wide;
}

/* ---- sizes ---- */

static size_t
tag_size(const struct codec_field *f)
{
	return varint_size((uint64_t)f->number << 3);
}

static size_t
block_size(const struct codec_field *f, size_t len)
{
	return tag_size(f) + varint_size(len) + len;
}

static size_t
packed_size(const struct codec_field *f, const void *in)
{
	size_t count, sum = 0;
	const uint8_t *items = array_at(f, in, &count);
	for (size_t i = 0; i < count; i++)
		sum += varint_size(packed_at(f, items, i));
	return sum;
}

static size_t
entries_size(const struct codec_field *f, const void *in)
{
	size_t sum = 0, count;
	if (f->kind == CODEC_PARTS) {
		const uint8_t *items = array_at(f, in, &count);
		for (size_t i = 0; i < count; i++)
			sum += block_size(f, codec_size(f->sub, items + i * f->sub->size));
		return sum;
	}
	struct names list = names_at(f, in);
	for (size_t i = 0; i < list.count; i++)
		sum += block_size(f, list.items[i].len);
	return sum;
}

static size_t
field_size(const struct codec_field *f, const void *in)
{
	size_t len;
	switch ((enum codec_kind)f->kind) {
	case CODEC_BOOL:
	case CODEC_ENUM:
	case CODEC_U32:
	case CODEC_U64:
		return number_at(f, in) == 0 ? 0 : tag_size(f) + varint_size(number_at(f, in));
	case CODEC_FIXED64:
		return number_at(f, in) == 0 ? 0 : tag_size(f) + 8;
	case CODEC_BLOB:
	case CODEC_TEXT:
		len = bytes_at(f, in).len;
		return len == 0 ? 0 : block_size(f, len);
	case CODEC_PART:
	case CODEC_MAYBE:
		return is_there(f, in)
			   ? block_size(f, codec_size(f->sub, (const uint8_t *)in + f->at))
			   : 0;
	case CODEC_BLOBS:
	case CODEC_TEXTS:
	case CODEC_PARTS:
		return entries_size(f, in);
	case CODEC_U32S:
	case CODEC_U64S:
		len = packed_size(f, in);
		return len == 0 ? 0 : block_size(f, len);
	}
	return 0;
}

size_t
codec_size(const struct codec_shape *shape, const void *in)
{
	size_t sum = 0;
	for (size_t i = 0; i < shape->count; i++)
		sum += field_size(&shape->fields[i], in);
	return sum;
}

/* ---- the checks, as in reading ---- */

static bool check_shape(
    const struct codec_shape *shape, const void *in, uint32_t *elements, struct err *e);

static bool
check_names(const struct codec_field *f, const void *in, struct err *e)
{
	struct names list = names_at(f, in);
	if (!codec_check_count(f, list.count, e))
		return false;
	for (size_t i = 0; i < list.count; i++) {
		if (!codec_check_bytes(f, list.items[i], e))
			return err_wrap(e, "entry %zu", i);
		if (f->ascending && i != 0 && bytes_compare(list.items[i - 1], list.items[i]) >= 0)
			return err_set(
			    e, ERR_MALFORMED, "entry %zu: not in strictly ascending order", i);
	}
	return true;
}

static bool
check_parts(const struct codec_field *f, const void *in, uint32_t *elements, struct err *e)
{
	size_t count;
	const uint8_t *items = array_at(f, in, &count);
	if (!codec_check_count(f, count, e))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!check_shape(f->sub, items + i * f->sub->size, elements, e))
			return err_wrap(e, "entry %zu", i);
	return true;
}

static bool
check_packed(const struct codec_field *f, const void *in, struct err *e)
{
	size_t count;
	const uint8_t *items = array_at(f, in, &count);
	if (!codec_check_count(f, count, e))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!codec_check_number(f, packed_at(f, items, i), e))
			return err_wrap(e, "entry %zu", i);
		if (f->ascending && i != 0 && packed_at(f, items, i - 1) >= packed_at(f, items, i))
			return err_set(
			    e, ERR_MALFORMED, "entry %zu: not in strictly ascending order", i);
	}
	return true;
}

static bool
check_field(const struct codec_field *f, const void *in, uint32_t *elements, struct err *e)
{
	switch ((enum codec_kind)f->kind) {
	case CODEC_BOOL:
		return true;
	case CODEC_ENUM:
	case CODEC_U32:
	case CODEC_U64:
	case CODEC_FIXED64:
		return codec_check_number(f, number_at(f, in), e);
	case CODEC_BLOB:
	case CODEC_TEXT:
		return codec_check_bytes(f, bytes_at(f, in), e);
	case CODEC_PART:
	case CODEC_MAYBE:
		return !is_there(f, in) ||
		       check_shape(f->sub, (const uint8_t *)in + f->at, elements, e);
	case CODEC_BLOBS:
	case CODEC_TEXTS:
		return check_names(f, in, e);
	case CODEC_PARTS:
		return check_parts(f, in, elements, e);
	case CODEC_U32S:
	case CODEC_U64S:
		return check_packed(f, in, e);
	}
	return err_set(e, ERR_INTERNAL, "a field of kind %u", f->kind);
}

/* What reading this field will spend: one, and one for each entry; nothing if it is not written. */
static size_t
elements_of(const struct codec_field *f, const void *in)
{
	size_t count = 0;
	switch ((enum codec_kind)f->kind) {
	case CODEC_BOOL:
	case CODEC_ENUM:
	case CODEC_U32:
	case CODEC_U64:
	case CODEC_FIXED64:
		return number_at(f, in) != 0;
	case CODEC_BLOB:
	case CODEC_TEXT:
		return bytes_at(f, in).len != 0;
	case CODEC_PART:
	case CODEC_MAYBE:
		return is_there(f, in);
	case CODEC_BLOBS:
	case CODEC_TEXTS:
		count = names_at(f, in).count;
		break;
	case CODEC_PARTS:
	case CODEC_U32S:
	case CODEC_U64S:
		(void)array_at(f, in, &count);
		break;
	}
	return count == 0 ? 0 : 1 + count;
}

static bool
check_shape(const struct codec_shape *shape, const void *in, uint32_t *elements, struct err *e)
{
	for (size_t i = 0; i < shape->count; i++) {
		const struct codec_field *f = &shape->fields[i];
		size_t spent = elements_of(f, in);
		if (spent > *elements)
			return err_set(e, ERR_LIMIT, "too many elements in one message");
		*elements -= (uint32_t)spent;
		if (!check_field(f, in, elements, e))
			return err_wrap(e, "%s", f->name);
	}
	return true;
}

/* ---- writing ---- */

static uint8_t *
put_tag(uint8_t *to, const struct codec_field *f, unsigned wire)
{
	return to + codec_put_varint(to, (uint64_t)f->number << 3 | wire);
}

static uint8_t *
put_block(uint8_t *to, const struct codec_field *f, struct bytes v)
{
	to = put_tag(to, f, WIRE_LEN);
	to += codec_put_varint(to, v.len);
	if (v.len != 0)
		memcpy(to, v.data, v.len);
	return to + v.len;
}

static uint8_t *put_shape(uint8_t *to, const struct codec_shape *shape, const void *in);

static uint8_t *
put_part(uint8_t *to, const struct codec_field *f, const void *in)
{
	to = put_tag(to, f, WIRE_LEN);
	to += codec_put_varint(to, codec_size(f->sub, in));
	return put_shape(to, f->sub, in);
}

static uint8_t *
put_number(uint8_t *to, const struct codec_field *f, const void *in)
{
	uint64_t v = number_at(f, in);
	if (v == 0)
		return to;
	if (f->kind != CODEC_FIXED64) {
		to = put_tag(to, f, WIRE_VARINT);
		return to + codec_put_varint(to, v);
	}
	to = put_tag(to, f, WIRE_64);
	for (unsigned i = 0; i < 8; i++)
		*to++ = (uint8_t)(v >> (8 * i));
	return to;
}

static uint8_t *
put_packed(uint8_t *to, const struct codec_field *f, const void *in)
{
	size_t count;
	const uint8_t *items = array_at(f, in, &count);
	if (count == 0)
		return to;
	to = put_tag(to, f, WIRE_LEN);
	to += codec_put_varint(to, packed_size(f, in));
	for (size_t i = 0; i < count; i++)
		to += codec_put_varint(to, packed_at(f, items, i));
	return to;
}

static uint8_t *
put_entries(uint8_t *to, const struct codec_field *f, const void *in)
{
	size_t count;
	if (f->kind == CODEC_PARTS) {
		const uint8_t *items = array_at(f, in, &count);
		for (size_t i = 0; i < count; i++)
			to = put_part(to, f, items + i * f->sub->size);
		return to;
	}
	struct names list = names_at(f, in);
	for (size_t i = 0; i < list.count; i++)
		to = put_block(to, f, list.items[i]);
	return to;
}

static uint8_t *
put_field(uint8_t *to, const struct codec_field *f, const void *in)
{
	switch ((enum codec_kind)f->kind) {
	case CODEC_BOOL:
	case CODEC_ENUM:
	case CODEC_U32:
	case CODEC_U64:
	case CODEC_FIXED64:
		return put_number(to, f, in);
	case CODEC_BLOB:
	case CODEC_TEXT:
		return bytes_at(f, in).len == 0 ? to : put_block(to, f, bytes_at(f, in));
	case CODEC_PART:
	case CODEC_MAYBE:
		return is_there(f, in) ? put_part(to, f, (const uint8_t *)in + f->at) : to;
	case CODEC_BLOBS:
	case CODEC_TEXTS:
	case CODEC_PARTS:
		return put_entries(to, f, in);
	case CODEC_U32S:
	case CODEC_U64S:
		return put_packed(to, f, in);
	}
	return to;
}

static uint8_t *
put_shape(uint8_t *to, const struct codec_shape *shape, const void *in)
{
	for (size_t i = 0; i < shape->count; i++)
		to = put_field(to, &shape->fields[i], in);
	return to;
}

bool
codec_write(const struct codec_shape *shape, const void *in, const struct codec_frame *frame,
    struct bytes *out, struct err *e)
{
	uint32_t elements = frame->elements;
	if (!check_shape(shape, in, &elements, e))
		return false;
	size_t size = codec_size(shape, in);
	uint8_t *to = arena_alloc(frame->arena, frame->head.len + size);
	if (to == NULL)
		return err_set(e, ERR_NOMEM, "a message of %zu bytes", frame->head.len + size);
	if (frame->head.len != 0)
		memcpy(to, frame->head.data, frame->head.len);
	(void)put_shape(to + frame->head.len, shape, in);
	*out = bytes_from(to, frame->head.len + size);
	return true;
}

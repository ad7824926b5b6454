#include "tests/lib/shape_rig.h"

#include "proto/arena.h"
#include <assert.h>
#include <stdio.h>

const char *
shape_fault_name(enum shape_fault fault)
{
	static const char *const names[FAULT_COUNT] = { "none", "too long", "too short",
		"not UTF-8", "a NUL", "above", "missing", "too many", "not rising",
		"default written", "long number", "twice", "unknown field", "wire type",
		"over 64 bits" };
	return names[fault];
}

/* ---- filling ---- */

static struct bytes
text_of(struct arena *a, const struct codec_field *f, size_t i)
{
	static const char *const spellings[] = { "x", "a.b", "spiffe://a.example/b", "a/b" };
	for (size_t k = 0; f->check != NULL && k < 4; k++)
		if (f->check(bytes_of(spellings[k]), NULL))
			return bytes_of(spellings[k]);
	size_t len = f->min == 0 ? 1 : f->min;
	uint8_t *out = arena_alloc(a, len);
	assert(out != NULL);
	memset(out, 'a' + (int)i, len);
	return bytes_from(out, len);
}

static uint64_t
number_of(const struct codec_field *f, size_t i)
{
	return f->min == 0 ? 1 + i : f->min + i;
}

static size_t
entries_of(const struct codec_field *f, bool all)
{
	size_t wanted = all ? 2 : 0;
	return wanted < f->least ? f->least : wanted > f->most ? f->most : wanted;
}

static void *fill(struct arena *a, const struct codec_shape *shape, bool all, void *out);

static void
fill_list(struct arena *a, const struct codec_field *f, bool all, uint8_t *to)
{
	size_t n = entries_of(f, all), width = f->kind == CODEC_U32S ? 4 : 8;
	if (f->kind == CODEC_PARTS) {
		uint8_t *items = arena_zalloc(a, n, f->sub->size);
		for (size_t i = 0; i < n; i++)
			(void)fill(a, f->sub, all, items + i * f->sub->size);
		memcpy(to + f->at, &items, sizeof(items));
		memcpy(to + f->aside, &n, sizeof(n));
		return;
	}
	if (f->kind == CODEC_BLOBS || f->kind == CODEC_TEXTS) {
		struct bytes *items = arena_zalloc(a, n, sizeof(*items));
		for (size_t i = 0; i < n; i++)
			items[i] = text_of(a, f, i);
		struct names list = { items, n };
		memcpy(to + f->at, &list, sizeof(list));
		return;
	}
	uint8_t *items = arena_zalloc(a, n, width);
	for (size_t i = 0; i < n; i++) {
		uint64_t v = number_of(f, i);
		uint32_t narrow = (uint32_t)v;
		memcpy(items + i * width, width == 4 ? (void *)&narrow : (void *)&v, width);
	}
	memcpy(to + f->at, &items, sizeof(items));
	memcpy(to + f->aside, &n, sizeof(n));
}

static void
fill_field(struct arena *a, const struct codec_field *f, bool all, uint8_t *to)
{
	uint64_t v = f->kind == CODEC_BOOL ? 1 : number_of(f, 0);
	uint32_t narrow = (uint32_t)v;
	bool truth = true;
	struct bytes text;
	switch ((enum codec_kind)f->kind) {
	case CODEC_BOOL:
		memcpy(to + f->at, &truth, all ? sizeof(truth) : 0);
		break;
	case CODEC_ENUM:
	case CODEC_U32:
		memcpy(to + f->at, &narrow, all || f->min != 0 ? sizeof(narrow) : 0);
		break;
	case CODEC_U64:
	case CODEC_FIXED64:
		memcpy(to + f->at, &v, all || f->min != 0 ? sizeof(v) : 0);
		break;
	case CODEC_BLOB:
	case CODEC_TEXT:
		text = text_of(a, f, 0);
		if (all || (f->min != 0 && !f->may_lack))
			memcpy(to + f->at, &text, sizeof(text));
		break;
	case CODEC_MAYBE:
		if (!all)
			break;
		memcpy(to + f->aside, &truth, sizeof(truth));
		(void)fill(a, f->sub, all, to + f->at);
		break;
	case CODEC_PART:
		(void)fill(a, f->sub, all, to + f->at);
		break;
	case CODEC_BLOBS:
	case CODEC_TEXTS:
	case CODEC_U32S:
	case CODEC_U64S:
	case CODEC_PARTS:
		fill_list(a, f, all, to);
		break;
	}
}

static void *
fill(struct arena *a, const struct codec_shape *shape, bool all, void *out)
{
	for (size_t i = 0; i < shape->count; i++)
		fill_field(a, &shape->fields[i], all, out);
	return out;
}

void *
shape_fill(struct arena *a, const struct codec_shape *shape)
{
	return fill(a, shape, true, arena_zalloc(a, 1, shape->size));
}

void *
shape_fill_least(struct arena *a, const struct codec_shape *shape)
{
	return fill(a, shape, false, arena_zalloc(a, 1, shape->size));
}

/* ---- writing, with a fault ---- */

struct out {
	struct arena *arena;
	uint8_t *data;
	size_t len, cap;
	struct shape_spoil *spoil;
};

static void
put(struct out *o, const void *data, size_t n)
{
	if (o->len + n > o->cap) {
		size_t cap = 2 * (o->len + n) + 64;
		uint8_t *grown = arena_alloc(o->arena, cap);
		assert(grown != NULL);
		if (o->len != 0)
			memcpy(grown, o->data, o->len);
		o->data = grown;
		o->cap = cap;
	}
	if (n != 0)
		memcpy(o->data + o->len, data, n);
	o->len += n;
}

/* 'extra' bytes more than needed. */
static void
put_varint(struct out *o, uint64_t v, unsigned extra)
{
	uint8_t b[24];
	size_t n = 0;
	while (v >= 0x80) {
		b[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	b[n++] = (uint8_t)v;
	for (; extra > 0; extra--) {
		b[n - 1] |= 0x80;
		b[n++] = 0;
	}
	put(o, b, n);
}

static bool
spoils(const struct out *o, const struct codec_field *f, enum shape_fault fault)
{
	return !o->spoil->done && o->spoil->target == f && o->spoil->fault == fault;
}

static bool
spoil(struct out *o, const struct codec_field *f, enum shape_fault fault, bool possible)
{
	if (!spoils(o, f, fault) || !possible)
		return false;
	o->spoil->done = o->spoil->could = true;
	return true;
}

static void
put_tag(struct out *o, const struct codec_field *f, unsigned wire)
{
	put_varint(o, (uint64_t)f->number << 3 | wire, 0);
}

static void
put_number(struct out *o, const struct codec_field *f, uint64_t v, bool enumerated)
{
	if (spoil(o, f, FAULT_ABOVE, f->kind == CODEC_BOOL || f->max < UINT64_MAX))
		v = f->kind == CODEC_BOOL ? 2 : f->max + 1;
	if (spoil(o, f, FAULT_DEFAULT, !enumerated))
		v = 0;
	else if (v == 0)
		return;
	if (f->kind == CODEC_FIXED64) {
		uint8_t raw[8];
		for (unsigned i = 0; i < 8; i++)
			raw[i] = (uint8_t)(v >> (8 * i));
		put_tag(o, f, 1);
		put(o, raw, 8);
		return;
	}
	put_tag(o, f, 0);
	if (spoil(o, f, FAULT_OVER_64, true))
		put(o, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10);
	else
		put_varint(o, v, spoil(o, f, FAULT_LONG_NUMBER, true) ? 1 : 0);
}

/* A text or blob, singular or an entry, with what can be wrong in it. */
static struct bytes
spoilt_bytes(struct out *o, const struct codec_field *f, struct bytes v)
{
	bool text = f->kind == CODEC_TEXT || f->kind == CODEC_TEXTS;
	size_t len = v.len;
	if (spoil(o, f, FAULT_TOO_LONG, f->max < (4u << 20)))
		len = f->max + 1;
	else if (spoil(o, f, FAULT_TOO_SHORT, f->min > 1))
		len = f->min - 1;
	uint8_t *copy = arena_alloc(o->arena, len + 1);
	assert(copy != NULL);
	memset(copy, 'a', len);
	memcpy(copy, v.data, v.len < len ? v.len : len);
	if (spoil(o, f, FAULT_NOT_UTF8, text && len != 0))
		copy[0] = 0xff;
	if (spoil(o, f, FAULT_NUL, text && len != 0))
		copy[len - 1] = 0;
	return bytes_from(copy, len);
}

static void
put_block(struct out *o, const struct codec_field *f, struct bytes v)
{
	put_tag(o, f, 2);
	put_varint(o, v.len, spoil(o, f, FAULT_LONG_NUMBER, true) ? 1 : 0);
	put(o, v.data, v.len);
}

static struct bytes write_shape(struct out *o, const struct codec_shape *shape, const uint8_t *in);

static void
put_list(struct out *o, const struct codec_field *f, const uint8_t *in)
{
	struct names list;
	const uint8_t *items;
	size_t count;
	memcpy(&list, in + f->at, sizeof(list));
	memcpy(&items, in + f->at, sizeof(items));
	memcpy(&count, in + f->aside, sizeof(count));
	if (f->kind != CODEC_PARTS)
		count = list.count;
	size_t n = count;
	if (spoil(o, f, FAULT_MISSING, f->least != 0))
		n = 0;
	if (spoil(o, f, FAULT_TOO_MANY, f->most < 5000 && n != 0))
		n = f->most + 1;
	bool same = spoil(o, f, FAULT_NOT_RISING, f->ascending && n > 1);
	for (size_t i = 0; i < n; i++) {
		size_t k = same ? 0 : i % count;
		put_block(o, f,
		    f->kind == CODEC_PARTS ? write_shape(o, f->sub, items + k * f->sub->size)
					   : spoilt_bytes(o, f, list.items[k]));
	}
}

static void
put_packed(struct out *o, const struct codec_field *f, const uint8_t *in)
{
	struct out inner = { o->arena, NULL, 0, 0, o->spoil };
	const uint8_t *items;
	size_t count, width = f->kind == CODEC_U32S ? 4 : 8;
	memcpy(&items, in + f->at, sizeof(items));
	memcpy(&count, in + f->aside, sizeof(count));
	size_t n = spoil(o, f, FAULT_TOO_MANY, count != 0) ? f->most + 1 : count;
	if (spoil(o, f, FAULT_MISSING, f->least != 0))
		return;
	bool same = spoil(o, f, FAULT_NOT_RISING, f->ascending && n > 1);
	if (spoil(o, f, FAULT_DEFAULT, true))
		n = 0; /* an empty list, written out */
	else if (n == 0)
		return;
	for (size_t i = 0; i < n; i++) {
		uint64_t v = 0;
		memcpy(&v, items + (same ? 0 : i % count) * width, width); /* little-endian hosts */
		v = same ? v : number_of(f, i);
		if (spoil(o, f, FAULT_ABOVE, f->max < UINT64_MAX))
			v = f->max + 1;
		put_varint(&inner, v, spoil(o, f, FAULT_LONG_NUMBER, true) ? 1 : 0);
	}
	put_tag(o, f, 2);
	put_varint(o, inner.len, 0);
	put(o, inner.data, inner.len);
}

static uint64_t
number_at(const struct codec_field *f, const uint8_t *in)
{
	uint32_t narrow;
	uint64_t wide;
	if (f->kind == CODEC_BOOL)
		return in[f->at];
	memcpy(&narrow, in + f->at, sizeof(narrow));
	if (f->kind == CODEC_U32 || f->kind == CODEC_ENUM)
		return narrow;
	memcpy(&wide, in + f->at, sizeof(wide));
	return wide;
}

static void
put_bytes(struct out *o, const struct codec_field *f, const uint8_t *in)
{
	struct bytes v;
	memcpy(&v, in + f->at, sizeof(v));
	if (spoil(o, f, FAULT_DEFAULT, true))
		put_block(o, f, bytes_from("", 0));
	else if (v.len != 0)
		put_block(o, f, spoilt_bytes(o, f, v));
}

static bool
is_singular(const struct codec_field *f)
{
	return f->kind < CODEC_BLOBS;
}

static bool
must_be(const struct codec_field *f)
{
	if (f->kind == CODEC_PART)
		return true;
	if (f->kind == CODEC_BOOL || f->kind == CODEC_MAYBE || !is_singular(f))
		return false;
	return f->min != 0 && !f->may_lack;
}

static void
put_field(struct out *o, const struct codec_field *f, const uint8_t *in)
{
	bool there = true;
	switch ((enum codec_kind)f->kind) {
	case CODEC_BOOL:
	case CODEC_ENUM:
	case CODEC_U32:
	case CODEC_U64:
	case CODEC_FIXED64:
		put_number(o, f, number_at(f, in), false);
		break;
	case CODEC_BLOB:
	case CODEC_TEXT:
		put_bytes(o, f, in);
		break;
	case CODEC_MAYBE:
		memcpy(&there, in + f->aside, sizeof(there));
		if (there)
			put_block(o, f, write_shape(o, f->sub, in + f->at));
		break;
	case CODEC_PART:
		put_block(o, f, write_shape(o, f->sub, in + f->at));
		break;
	case CODEC_BLOBS:
	case CODEC_TEXTS:
	case CODEC_PARTS:
		put_list(o, f, in);
		break;
	case CODEC_U32S:
	case CODEC_U64S:
		put_packed(o, f, in);
		break;
	}
}

static void
put_spoilt(struct out *o, const struct codec_field *f, const uint8_t *in)
{
	if (spoil(o, f, FAULT_UNKNOWN, true))
		put(o, "\xa0\x3f\x01", 3); /* field 1012 */
	if (spoil(o, f, FAULT_WIRE_TYPE, true)) {
		put_tag(o, f, 5);
		put(o, "abcd", 4);
		return;
	}
	if (spoil(o, f, FAULT_MISSING, must_be(f)))
		return;
	put_field(o, f, in);
	if (spoil(o, f, FAULT_TWICE, is_singular(f)))
		put_field(o, f, in);
}

static struct bytes
write_shape(struct out *o, const struct codec_shape *shape, const uint8_t *in)
{
	struct out inner = { o->arena, NULL, 0, 0, o->spoil };
	for (size_t i = 0; i < shape->count; i++)
		put_spoilt(&inner, &shape->fields[i], in);
	return bytes_from(inner.data, inner.len);
}

struct bytes
shape_write(
    struct arena *a, const struct codec_shape *shape, const void *in, struct shape_spoil *how)
{
	struct out o = { a, NULL, 0, 0, how };
	how->done = how->could = false;
	return write_shape(&o, shape, in);
}

void
shape_walk(const struct codec_shape *shape, shape_visit *visit, void *arg)
{
	for (size_t i = 0; i < shape->count; i++) {
		visit(arg, &shape->fields[i]);
		if (shape->fields[i].sub != NULL)
			shape_walk(shape->fields[i].sub, visit, arg);
	}
}

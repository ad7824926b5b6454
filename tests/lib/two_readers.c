#include "tests/lib/two_readers.h"

#include "proto/arena.h"
#include "proto/limits.h"
#include "proto/msg_shapes.h"
#include "tests/lib/relto.pb-c.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROOM = 64 << 20 };

static char differ_in[128];

static bool
differ(const char *name, const char *what)
{
	(void)snprintf(differ_in, sizeof(differ_in), "%s: %s", name, what);
	return false;
}

const char *
two_readers_why(void)
{
	return differ_in;
}

/* ---- the library by itself ---- */

/* A member of a message of the library, as it lies in the struct that protoc made. */
static const void *
member(const ProtobufCMessage *m, unsigned offset)
{
	return (const uint8_t *)m + offset;
}

static size_t
count_of(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return *(const size_t *)member(m, f->quantifier_offset);
}

/* The i-th message in field f: of a list, or the only one (NULL: absent). */
static const ProtobufCMessage *
message_in(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, size_t i)
{
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return (*(ProtobufCMessage *const *const *)member(m, f->offset))[i];
	if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
	    *(const uint32_t *)member(m, f->quantifier_offset) != f->id)
		return NULL; /* the union holds another member */
	return *(ProtobufCMessage *const *)member(m, f->offset);
}

/* Unknown fields survive a repack unseen, so they are counted, at every level. */
static bool
no_unknown(const ProtobufCMessage *m)
{
	bool none = m == NULL || m->n_unknown_fields == 0;
	for (unsigned i = 0; none && m != NULL && i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		if (f->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		size_t n = f->label == PROTOBUF_C_LABEL_REPEATED ? count_of(m, f) : 1;
		for (size_t k = 0; none && k < n; k++)
			none = no_unknown(message_in(m, f, k));
	}
	return none;
}

/* What the library reads, if that is the canonical form of what it read; else NULL. */
static ProtobufCMessage *
theirs(const ProtobufCMessageDescriptor *d, struct bytes in)
{
	ProtobufCMessage *m = protobuf_c_message_unpack(d, NULL, in.len, in.data);
	bool good = m != NULL && no_unknown(m) && protobuf_c_message_get_packed_size(m) == in.len;
	uint8_t *again = good ? malloc(in.len + 1) : NULL;
	good =
	    again != NULL && bytes_equal(bytes_from(again, protobuf_c_message_pack(m, again)), in);
	free(again);
	if (good)
		return m;
	if (m != NULL)
		protobuf_c_message_free_unpacked(m, NULL);
	return NULL;
}

/* ---- the same values in both ---- */

static bool same_message(
    const struct codec_shape *shape, const uint8_t *ours, const ProtobufCMessage *theirs);

static bool
same_bytes(struct bytes a, const ProtobufCBinaryData *b)
{
	return bytes_equal(a, bytes_from(b->data, b->len));
}

/* Of a number, a text or a message that stands alone. */
static bool
same_single(const struct codec_field *f, const uint8_t *ours, const ProtobufCMessage *m,
    const ProtobufCFieldDescriptor *g)
{
	struct bytes v;
	const ProtobufCMessage *sub;
	switch ((enum codec_kind)f->kind) {
	case CODEC_BOOL:
		return *(const bool *)(ours + f->at) ==
		       (*(const protobuf_c_boolean *)member(m, g->offset) != 0);
	case CODEC_ENUM:
	case CODEC_U32:
		return memcmp(ours + f->at, member(m, g->offset), 4) == 0;
	case CODEC_U64:
	case CODEC_FIXED64:
		return memcmp(ours + f->at, member(m, g->offset), 8) == 0;
	case CODEC_BLOB:
	case CODEC_TEXT:
		memcpy(&v, ours + f->at, sizeof(v));
		return same_bytes(v, member(m, g->offset));
	case CODEC_PART:
	case CODEC_MAYBE:
		sub = message_in(m, g, 0);
		if (f->kind == CODEC_MAYBE && !*(const bool *)(ours + f->aside))
			return sub == NULL;
		return sub != NULL && same_message(f->sub, ours + f->at, sub);
	case CODEC_BLOBS:
	case CODEC_TEXTS:
	case CODEC_U32S:
	case CODEC_U64S:
	case CODEC_PARTS:
		break;
	}
	return false;
}

static bool
same_names(const struct codec_field *f, const uint8_t *ours, const ProtobufCMessage *m,
    const ProtobufCFieldDescriptor *g)
{
	struct names list;
	memcpy(&list, ours + f->at, sizeof(list));
	const ProtobufCBinaryData *items =
	    *(const ProtobufCBinaryData *const *)member(m, g->offset);
	bool same = list.count == count_of(m, g);
	for (size_t i = 0; same && i < list.count; i++)
		same = same_bytes(list.items[i], &items[i]);
	return same;
}

static bool
same_list(const struct codec_field *f, const uint8_t *ours, const ProtobufCMessage *m,
    const ProtobufCFieldDescriptor *g)
{
	if (f->kind == CODEC_BLOBS || f->kind == CODEC_TEXTS)
		return same_names(f, ours, m, g);
	const uint8_t *items;
	size_t count, width = f->kind == CODEC_U32S ? 4 : 8;
	memcpy(&items, ours + f->at, sizeof(items));
	memcpy(&count, ours + f->aside, sizeof(count));
	bool same = count == count_of(m, g);
	if (f->kind != CODEC_PARTS)
		return same &&
		       (count == 0 || memcmp(items, *(const void *const *)member(m, g->offset),
					  count * width) == 0);
	for (size_t i = 0; same && i < count; i++)
		same = same_message(f->sub, items + i * f->sub->size, message_in(m, g, i));
	return same;
}

static bool
same_message(const struct codec_shape *shape, const uint8_t *ours, const ProtobufCMessage *theirs)
{
	for (unsigned i = 0; i < shape->count; i++) {
		const struct codec_field *f = &shape->fields[i];
		const ProtobufCFieldDescriptor *g =
		    protobuf_c_message_descriptor_get_field(theirs->descriptor, f->number);
		bool list = f->kind >= CODEC_BLOBS;
		if (g == NULL || list != (g->label == PROTOBUF_C_LABEL_REPEATED))
			return differ(f->name, "another schema");
		if (!(list ? same_list : same_single)(f, ours, theirs, g))
			return differ(f->name, "another value");
	}
	return true;
}

/* ---- both ---- */

/* What our codec says, and what it holds if it accepts: the struct of 'shape'. */
struct ours {
	bool accepted;
	bool of_encoding; /* refused for its encoding, not for a value, a limit or for memory */
	const struct codec_shape *shape;
	const uint8_t *body;
	struct bytes again;
};

static bool
is_of_encoding(enum err_code code, bool value)
{
	return !value &&
	       (code == ERR_NOT_CANONICAL || code == ERR_UNKNOWN_MESSAGE || code == ERR_MALFORMED);
}

/* 'm' is what the library read as canonical, and is freed; 'body' in it is what we read. */
static enum readers_say
compare(const struct ours *o, struct bytes in, ProtobufCMessage *m, const ProtobufCMessage *body)
{
	bool same = true;
	if (!o->accepted && o->of_encoding && m != NULL)
		same = differ("library", "reads what the codec refuses for its encoding");
	else if (o->accepted && (m == NULL || body == NULL))
		same = differ("codec", "accepts what the library refuses");
	else if (o->accepted && !bytes_equal(o->again, in))
		same = differ("codec", "does not write what it read");
	else if (o->accepted)
		same = same_message(o->shape, o->body, body);
	if (m != NULL)
		protobuf_c_message_free_unpacked(m, NULL);
	return !same ? READERS_DIFFER : o->accepted ? READERS_ACCEPT : READERS_REFUSE;
}

static enum readers_say
compare_shape(const struct codec_shape *shape, const ProtobufCMessageDescriptor *d, struct bytes in,
    uint32_t elements)
{
	SCOPED(arena_done) struct arena a;
	struct codec c;
	struct err e = { 0 };
	struct ours o = { .shape = shape };
	arena_init(&a, ROOM);
	uint8_t *body = arena_zalloc(&a, 1, shape->size);
	assert(body != NULL);
	codec_init(&c, &a, elements);
	struct codec_frame frame = { &a, elements, { NULL, 0 } };
	o.accepted = codec_read(&c, shape, in, body, &e);
	o.of_encoding = is_of_encoding(e.code, c.value);
	o.body = body;
	if (o.accepted && !codec_write(shape, body, &frame, &o.again, NULL))
		o.again = bytes_from(NULL, 0);
	ProtobufCMessage *m = theirs(d, in);
	return compare(&o, in, m, m);
}

/* The field of Message's oneof that is there; NULL without one. */
static const ProtobufCFieldDescriptor *
body_field(const ProtobufCMessage *m)
{
	for (unsigned i = 0; m != NULL && i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		if (f->type == PROTOBUF_C_TYPE_MESSAGE && message_in(m, f, 0) != NULL)
			return f;
	}
	return NULL;
}

/* A Message without a body is sound for the library; for us it is no message. */
static ProtobufCMessage *
their_message(struct bytes in)
{
	ProtobufCMessage *m = theirs(&relto__v1__message__descriptor, in);
	if (m != NULL && body_field(m) == NULL) {
		protobuf_c_message_free_unpacked(m, NULL);
		return NULL;
	}
	return m;
}

bool
two_readers_library_reads(struct bytes in)
{
	ProtobufCMessage *m = their_message(in);
	if (m != NULL)
		protobuf_c_message_free_unpacked(m, NULL);
	return m != NULL;
}

enum readers_say
two_readers_message(struct bytes in)
{
	SCOPED(arena_done) struct arena a;
	struct msg m;
	struct fault f;
	struct err e = { 0 };
	struct ours o = { 0 };
	arena_init(&a, ROOM);
	o.accepted = msg_decode(in, &a, &m, &f, &e);
	o.of_encoding = is_of_encoding(e.code, f.sound);
	ProtobufCMessage *t = their_message(in);
	if (!o.accepted || t == NULL)
		return compare(&o, in, t, t);
	const ProtobufCFieldDescriptor *g = body_field(t);
	if (((const Relto__V1__Message *)t)->request != m.request ||
	    strcmp(g->name, msg_name(m.type)) != 0) {
		protobuf_c_message_free_unpacked(t, NULL);
		(void)differ("message", "another request or type");
		return READERS_DIFFER;
	}
	o.shape = msg_shapes_of(m.type);
	o.body = (const uint8_t *)&m.hello; /* every member of a union begins where it does */
	if (!msg_encode(&m, &a, &o.again, NULL))
		o.again = bytes_from(NULL, 0);
	return compare(&o, in, t, message_in(t, g, 0));
}

enum readers_say
two_readers_part(enum parts_type type, struct bytes in)
{
	static const ProtobufCMessageDescriptor *const descriptors[] = {
		[PARTS_MANIFEST] = &relto__v1__manifest__descriptor,
		[PARTS_ROUTING] = &relto__v1__routing__descriptor,
		[PARTS_NOTICE] = &relto__v1__notice__descriptor,
		[PARTS_SEAL] = &relto__v1__seal__descriptor,
		[PARTS_PORTION_HEAD] = &relto__v1__portion_head__descriptor,
		[PARTS_PORTION_BODY] = &relto__v1__portion_body__descriptor,
	};
	return compare_shape(parts_shape(type), descriptors[type], in, LIMIT_MESSAGE_ELEMENTS);
}

enum readers_say
two_readers_facts(struct bytes in)
{
	return compare_shape(facts_shape(), &relto__v1__facts__descriptor, in, LIMIT_REPORT_BYTES);
}

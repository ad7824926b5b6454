#include "proto/schema.h"

#include "proto/arena.h"
#include "proto/relto.pb-c.h"

/* What one element may cost the unpacker beside the bytes that it copies: the largest struct of the
 * schema, its pointer, its entry in the unpacker's own list, rounding. */
enum { ELEMENT_COST = 640, FIXED_COST = 16384 };

static const ProtobufCMessageDescriptor *
descriptor_of(enum schema_type type)
{
	switch (type) {
	case SCHEMA_MESSAGE:
		return &relto__v1__message__descriptor;
	case SCHEMA_MANIFEST:
		return &relto__v1__manifest__descriptor;
	case SCHEMA_ROUTING:
		return &relto__v1__routing__descriptor;
	case SCHEMA_NOTICE:
		return &relto__v1__notice__descriptor;
	case SCHEMA_SEAL:
		return &relto__v1__seal__descriptor;
	case SCHEMA_PORTION_HEAD:
		return &relto__v1__portion_head__descriptor;
	case SCHEMA_PORTION_BODY:
		return &relto__v1__portion_body__descriptor;
	case SCHEMA_FACTS:
		return &relto__v1__facts__descriptor;
	}
	return NULL;
}

/* The unpacker does not say why it failed. */
struct supply {
	struct arena *arena;
	bool ran_dry;
};

static void *
take(void *supply, size_t size)
{
	struct supply *s = supply;
	void *p = arena_alloc(s->arena, size);
	s->ran_dry |= p == NULL;
	return p;
}

static void
give(void *supply, void *p)
{
	(void)supply;
	(void)p; /* all at once, by arena_done */
}

static bool no_unknown(const ProtobufCMessage *m);

/* Of one field that holds messages. */
static bool
no_unknown_in(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const uint8_t *base = (const uint8_t *)m;
	if (f->label != PROTOBUF_C_LABEL_REPEATED) {
		if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
		    *(const uint32_t *)(const void *)(base + f->quantifier_offset) != f->id)
			return true; /* the union holds another member */
		const ProtobufCMessage *sub =
		    *(ProtobufCMessage *const *)(const void *)(base + f->offset);
		return sub == NULL || no_unknown(sub);
	}
	size_t count = *(const size_t *)(const void *)(base + f->quantifier_offset);
	ProtobufCMessage **subs = *(ProtobufCMessage * *const *)(const void *)(base + f->offset);
	for (size_t i = 0; i < count; i++)
		if (!no_unknown(subs[i]))
			return false;
	return true;
}

/* Unknown fields survive a repack unseen, so they are counted, at every level. */
static bool
no_unknown(const ProtobufCMessage *m)
{
	if (m->n_unknown_fields != 0)
		return false;
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		if (f->type == PROTOBUF_C_TYPE_MESSAGE && !no_unknown_in(m, f))
			return false;
	}
	return true;
}

static bool
judge(const ProtobufCMessage *m, struct bytes in, struct arena *a, struct err *e)
{
	if (m == NULL)
		return err_set(e, ERR_NOT_CANONICAL, "the library cannot read it");
	if (!no_unknown(m))
		return err_set(e, ERR_UNKNOWN_MESSAGE, "an unknown field");
	if (protobuf_c_message_get_packed_size(m) != in.len)
		return err_set(e, ERR_NOT_CANONICAL, "not the size of its canonical form");
	uint8_t *again = arena_alloc(a, in.len);
	if (again == NULL)
		return err_set(e, ERR_NOMEM, "a second form of %zu bytes", in.len);
	size_t n = protobuf_c_message_pack(m, again);
	if (!bytes_equal(bytes_from(again, n), in))
		return err_set(e, ERR_NOT_CANONICAL, "not its canonical form");
	return true;
}

bool
schema_agrees(enum schema_type type, struct bytes in, uint32_t elements, struct err *e)
{
	SCOPED(arena_done) struct arena a;
	struct supply s = { &a, false };
	arena_init(&a, 3 * in.len + (size_t)elements * ELEMENT_COST + FIXED_COST);
	ProtobufCAllocator allocator = { take, give, &s };
	ProtobufCMessage *m =
	    protobuf_c_message_unpack(descriptor_of(type), &allocator, in.len, in.data);
	if (m == NULL && s.ran_dry)
		return err_set(e, ERR_NOMEM, "no second opinion on %zu bytes", in.len);
	return judge(m, in, &a, e);
}

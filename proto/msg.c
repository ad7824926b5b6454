#include "proto/msg.h"

#include "proto/arena.h"
#include "proto/limits.h"
#include "proto/msg_shapes.h"
#include <assert.h>
#include <stdio.h>

enum { TAG_REQUEST = 1 << 3, WIRE_LEN = 2, HEAD_MAX = 32 };

static const struct {
	const char *name;
	uint32_t number;
	enum msg_from from;
	unsigned since;
} types[MSG_COUNT] = {
#define CLIENT MSG_FROM_CLIENT
#define BROKER MSG_FROM_BROKER
#define BOTH MSG_FROM_BOTH
#define M(NAME, member, number, from, since) [MSG_##NAME] = { #member, number, from, since },
#include "proto/msg.def"
#undef M
#undef CLIENT
#undef BROKER
#undef BOTH
};

const char *
msg_name(enum msg_type type)
{
	return type > MSG_NONE && type < MSG_COUNT ? types[type].name : "none";
}

bool
msg_is_from(enum msg_type type, enum msg_from from)
{
	return type > MSG_NONE && type < MSG_COUNT && (types[type].from & from) != 0;
}

unsigned
msg_since(enum msg_type type)
{
	return type > MSG_NONE && type < MSG_COUNT ? types[type].since : 0;
}

unsigned
msg_needs(const struct msg *m)
{
	return m->type == MSG_SUBSCRIBE && m->subscribe.proof ? 2 : msg_since(m->type);
}

/* Where each type's struct stands in struct msg. */
static void *
body_of(struct msg *m)
{
	switch (m->type) {
#define M(NAME, member, number, from, since) \
	case MSG_##NAME: \
		return &m->member;
#include "proto/msg.def"
#undef M
	case MSG_NONE:
	case MSG_COUNT:
		break;
	}
	return NULL;
}

static enum msg_type
type_of(uint64_t tag)
{
	for (unsigned t = MSG_NONE + 1; t < MSG_COUNT; t++)
		if (tag == ((uint64_t)types[t].number << 3 | WIRE_LEN))
			return (enum msg_type)t;
	return MSG_NONE;
}

/* Where one of the oneof should stand, or behind it, there is 'tag'. */
static bool
wrong_tag(uint64_t tag, struct err *e)
{
	if (tag == TAG_REQUEST || type_of(tag) != MSG_NONE)
		return err_set(e, ERR_NOT_CANONICAL, "field %llu again or out of order",
		    (unsigned long long)(tag >> 3));
	return err_set(e, ERR_UNKNOWN_MESSAGE, "field %llu of type %llu",
	    (unsigned long long)(tag >> 3), (unsigned long long)(tag & 7));
}

/* Message's own two fields: the request, left out if 0, and one of the oneof to the end. */
static bool
read_head(struct cursor *c, struct msg *m, struct err *e)
{
	uint64_t tag = 0, len = 0;
	if (!codec_varint(c, &tag, e))
		return false;
	if (tag == TAG_REQUEST) {
		if (!codec_varint(c, &m->request, e))
			return false;
		if (m->request == 0)
			return err_set(e, ERR_NOT_CANONICAL, "request: a zero that is written out");
		if (!codec_varint(c, &tag, e))
			return false;
	}
	m->type = type_of(tag);
	if (m->type == MSG_NONE)
		return wrong_tag(tag, e);
	if (!codec_varint(c, &len, e))
		return err_wrap(e, "%s", types[m->type].name);
	if (len > c->left)
		return err_set(e, ERR_MALFORMED, "%s: ends too early", types[m->type].name);
	if (len == c->left)
		return true;
	(void)cursor_take(c, (size_t)len);
	return codec_varint(c, &tag, e) && wrong_tag(tag, e);
}

enum msg_type
msg_peek(struct bytes begins, uint64_t *size)
{
	struct cursor c = cursor_over(begins);
	uint64_t tag = 0, len = 0;
	if (!codec_varint(&c, &tag, NULL))
		return MSG_NONE;
	if (tag == TAG_REQUEST && (!codec_varint(&c, &len, NULL) || !codec_varint(&c, &tag, NULL)))
		return MSG_NONE;
	enum msg_type type = type_of(tag);
	if (type == MSG_NONE || !codec_varint(&c, &len, NULL))
		return MSG_NONE;
	size_t head = begins.len - c.left;
	*size = len > UINT64_MAX - head ? UINT64_MAX : head + len;
	return type;
}

static bool
blame(struct fault *f, const struct msg *m, const struct codec *c, struct err *e)
{
	char where[sizeof(f->field) - 16];
	codec_where(c, where, sizeof(where));
	if (f != NULL) {
		f->sound = c->value;
		(void)snprintf(f->field, sizeof(f->field), "%s%s%s", types[m->type].name,
		    where[0] == 0 ? "" : ".", where);
	}
	return err_wrap(e, "%s%s%s", types[m->type].name, where[0] == 0 ? "" : ".", where);
}

bool
msg_decode(struct bytes in, struct arena *a, struct msg *out, struct fault *f, struct err *e)
{
	struct msg m = { 0 };
	struct cursor c = cursor_over(in);
	struct codec codec;
	codec_init(&codec, a, LIMIT_MESSAGE_ELEMENTS);
	if (f != NULL)
		*f = (struct fault){ 0 };
	bool head = read_head(&c, &m, e);
	if (f != NULL) {
		f->request = m.request;
		f->type = m.type;
	}
	if (!head)
		return false;
	if (!codec_read(&codec, msg_shapes_of(m.type), bytes_from(c.at, c.left), body_of(&m), e))
		return blame(f, &m, &codec, e);
	*out = m;
	return true;
}

bool
msg_encode(const struct msg *m, struct arena *a, struct bytes *out, struct err *e)
{
	struct msg copy = *m; /* body_of wants a pointer it could write through */
	const void *body = body_of(&copy);
	assert(body != NULL);
	uint8_t head[HEAD_MAX];
	size_t n = 0;
	if (m->request != 0) {
		head[n++] = TAG_REQUEST;
		n += codec_put_varint(head + n, m->request);
	}
	n += codec_put_varint(head + n, (uint64_t)types[m->type].number << 3 | WIRE_LEN);
	const struct codec_shape *shape = msg_shapes_of(m->type);
	n += codec_put_varint(head + n, codec_size(shape, body));
	struct codec_frame frame = { a, LIMIT_MESSAGE_ELEMENTS, bytes_from(head, n) };
	struct bytes whole;
	if (!codec_write(shape, body, &frame, &whole, e)) {
		if (e != NULL && e->code == ERR_MALFORMED)
			e->code = ERR_INTERNAL; /* it is ours */
		return err_wrap(e, "%s", types[m->type].name);
	}
	if (whole.len > LIMIT_MESSAGE_BYTES)
		return err_set(e, ERR_LIMIT, "%s of %zu bytes, not at most %u", types[m->type].name,
		    whole.len, LIMIT_MESSAGE_BYTES);
	*out = whole;
	return true;
}

struct msg
msg_error_for(uint64_t request, enum err_code code, const struct fault *f, uint32_t retry_ms)
{
	struct msg m = { .request = request, .type = MSG_ERROR };
	m.error.code = bytes_of(err_token(code));
	m.error.text = bytes_of(err_text(code));
	m.error.retry_ms = err_may_retry(code) ? retry_ms : 0;
	if (f != NULL) {
		m.error.field = bytes_of(f->field);
		m.error.nearest = bytes_of(f->nearest);
		m.error.detail = bytes_of(f->detail);
	}
	return m;
}

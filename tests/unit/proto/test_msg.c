#include "proto/msg.h"

#include "proto/arena.h"
#include "proto/limits.h"
#include "proto/msg_shapes.h"
#include "tests/lib/shape_rig.h"
#include "tests/lib/test.h"

enum { ROOM = 64 << 20, REQUEST = 5, CASES_LEAST = 900 };

static const uint32_t numbers[MSG_COUNT] = {
#define M(NAME, member, number, from, since) [MSG_##NAME] = number,
#include "proto/msg.def"
#undef M
};

/* Message { request: 5, oneof: body } */
static struct bytes
wrapped(struct arena *a, enum msg_type type, struct bytes body)
{
	uint8_t *out = arena_alloc(a, body.len + 16);
	size_t n = 0;
	out[n++] = 0x08;
	out[n++] = REQUEST;
	n += codec_put_varint(out + n, (uint64_t)numbers[type] << 3 | 2);
	n += codec_put_varint(out + n, body.len);
	if (body.len != 0)
		memcpy(out + n, body.data, body.len);
	return bytes_from(out, n + body.len);
}

static struct bytes
written(struct arena *a, enum msg_type type, bool full)
{
	struct shape_spoil none = { NULL, FAULT_NONE, false, false };
	const struct codec_shape *shape = msg_shapes_of(type);
	const void *in = full ? shape_fill(a, shape) : shape_fill_least(a, shape);
	return wrapped(a, type, shape_write(a, shape, in, &none));
}

static void
every_message_comes_back_byte_for_byte(void **state)
{
	(void)state;
	for (unsigned t = MSG_NONE + 1; t < MSG_COUNT; t++) {
		for (int full = 0; full < 2; full++) {
			SCOPED(arena_done) struct arena a;
			struct msg m;
			struct fault f;
			struct err e;
			struct bytes again;
			arena_init(&a, ROOM);
			struct bytes in = written(&a, (enum msg_type)t, full != 0);
			if (!msg_decode(in, &a, &m, &f, &e))
				fail_msg("%s: %s", msg_name((enum msg_type)t), e.text);
			assert_int_equal(m.type, t);
			assert_int_equal(m.request, REQUEST);
			if (!msg_encode(&m, &a, &again, &e))
				fail_msg("%s: %s", msg_name((enum msg_type)t), e.text);
			assert_true(bytes_equal(in, again));
		}
	}
}

static void
its_first_bytes_say_what_a_message_is_and_how_long(void **state)
{
	(void)state;
	for (unsigned t = MSG_NONE + 1; t < MSG_COUNT; t++) {
		SCOPED(arena_done) struct arena a;
		arena_init(&a, ROOM);
		struct bytes in = written(&a, (enum msg_type)t, true);
		uint64_t size = 0;
		size_t n = in.len < MSG_PEEK_BYTES ? in.len : MSG_PEEK_BYTES;
		assert_int_equal(msg_peek(bytes_from(in.data, n), &size), t);
		assert_int_equal(size, in.len);
	}
}

static void
first_bytes_that_say_nothing_are_no_message(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
	} none[] = {
		{ "", 0 },
		{ "\x08", 1 },			   /* ends before the request */
		{ "\x08\x07", 2 },		   /* ..before what it is */
		{ "\x08\x07\x5a", 3 },		   /* ..before its length */
		{ "\x08\x07\x5a\x80", 4 },	   /* ..inside that */
		{ "\x08\x07\x5b\x01", 4 },	   /* a field of another kind */
		{ "\x08\x07\x08\x07\x5a\x01", 6 }, /* the request twice */
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },
	};
	uint64_t size = 99;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		struct bytes in = bytes_from((const uint8_t *)none[i].bytes, none[i].len);
		assert_int_equal(msg_peek(in, &size), MSG_NONE);
		assert_int_equal(size, 99);
	}
	/* a length that nothing can have does not wrap */
	static const uint8_t huge[] = { 0x5a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0x01 };
	assert_int_equal(msg_peek(bytes_from(huge, sizeof(huge)), &size), MSG_PUBLISH);
	assert_true(size == UINT64_MAX);
}

static void
a_message_that_ends_early_or_late_is_refused(void **state)
{
	(void)state;
	for (unsigned t = MSG_NONE + 1; t < MSG_COUNT; t++) {
		SCOPED(arena_done) struct arena a;
		struct msg m;
		arena_init(&a, ROOM);
		struct bytes in = written(&a, (enum msg_type)t, true);
		for (size_t n = 0; n < in.len; n++)
			assert_false(msg_decode(bytes_from(in.data, n), &a, &m, NULL, NULL));
		uint8_t *longer = arena_zalloc(&a, 1, in.len + 1);
		memcpy(longer, in.data, in.len);
		assert_false(msg_decode(bytes_from(longer, in.len + 1), &a, &m, NULL, NULL));
	}
}

/* ---- every fault at every field ---- */

static enum err_code
expected(const struct codec_field *f, enum shape_fault fault)
{
	bool fixed = f->min == f->max;
	switch (fault) {
	case FAULT_TOO_LONG:
		return fixed ? ERR_MALFORMED : ERR_LIMIT;
	case FAULT_ABOVE:
		if (f->kind == CODEC_BOOL || (f->kind == CODEC_U32 && f->max == UINT32_MAX))
			return ERR_NOT_CANONICAL;
		return f->kind == CODEC_ENUM || fixed ? ERR_MALFORMED : ERR_LIMIT;
	case FAULT_TOO_MANY:
		return ERR_LIMIT;
	case FAULT_DEFAULT:
		return f->kind == CODEC_ENUM ? ERR_MALFORMED : ERR_NOT_CANONICAL;
	case FAULT_LONG_NUMBER:
	case FAULT_TWICE:
		return ERR_NOT_CANONICAL;
	case FAULT_UNKNOWN:
	case FAULT_WIRE_TYPE:
		return ERR_UNKNOWN_MESSAGE;
	case FAULT_NONE:
	case FAULT_TOO_SHORT:
	case FAULT_NOT_UTF8:
	case FAULT_NUL:
	case FAULT_MISSING:
	case FAULT_NOT_RISING:
	case FAULT_OVER_64:
	case FAULT_COUNT:
		break;
	}
	return ERR_MALFORMED;
}

/* A value that is wrong in a sound message: the connection may go on. */
static bool
is_value(const struct codec_field *f, enum shape_fault fault)
{
	return fault <= FAULT_NOT_RISING && expected(f, fault) != ERR_NOT_CANONICAL;
}

struct sweep {
	enum msg_type type;
	unsigned cases;
};

static void
try_fault(
    const struct sweep *s, const struct codec_field *target, enum shape_fault fault, bool *could)
{
	SCOPED(arena_done) struct arena a;
	struct msg m = { .request = 77 };
	struct fault f;
	struct err e = { 0 };
	struct shape_spoil how = { target, fault, false, false };
	const struct codec_shape *shape = msg_shapes_of(s->type);
	arena_init(&a, ROOM);
	struct bytes body = shape_write(&a, shape, shape_fill(&a, shape), &how);
	*could = how.could;
	if (!how.could)
		return;
	const char *name = msg_name(s->type), *what = shape_fault_name(fault);
	if (msg_decode(wrapped(&a, s->type, body), &a, &m, &f, &e))
		fail_msg("%s.%s: %s was accepted", name, target->name, what);
	if (e.code != expected(target, fault))
		fail_msg(
		    "%s.%s: %s gives %s (%s)", name, target->name, what, err_token(e.code), e.text);
	if (f.sound != is_value(target, fault))
		fail_msg("%s.%s: %s, sound=%d", name, target->name, what, f.sound);
	if (f.sound && strstr(f.field, target->name) == NULL)
		fail_msg("%s.%s: %s blames '%s'", name, target->name, what, f.field);
	assert_int_equal(f.request, REQUEST);
	assert_int_equal(f.type, s->type);
	assert_int_equal(m.request, 77); /* untouched */
}

static void
try_field(void *arg, const struct codec_field *target)
{
	struct sweep *s = arg;
	for (unsigned fault = FAULT_NONE + 1; fault < FAULT_COUNT; fault++) {
		bool could;
		try_fault(s, target, (enum shape_fault)fault, &could);
		s->cases += could;
	}
}

static void
every_fault_at_every_field_is_refused_with_its_code_and_place(void **state)
{
	(void)state;
	struct sweep s = { MSG_NONE, 0 };
	for (unsigned t = MSG_NONE + 1; t < MSG_COUNT; t++) {
		s.type = (enum msg_type)t;
		shape_walk(msg_shapes_of(s.type), try_field, &s);
	}
	assert_true(s.cases >= CASES_LEAST); /* the sweep itself has not gone blind */
}

static void
the_place_of_a_fault_is_named_from_the_message_down(void **state)
{
	(void)state;
	SCOPED(arena_done) struct arena a;
	struct msg m = { .request = 1, .type = MSG_WELCOME };
	struct err e;
	struct bytes out;
	arena_init(&a, ROOM);
	struct msg_agreement two[2];
	const struct codec_shape *welcome = msg_shapes_of(MSG_WELCOME);
	memcpy(&m.welcome, shape_fill(&a, welcome), sizeof(m.welcome));
	memcpy(two, m.welcome.agreements, sizeof(two));
	two[1].terms = bytes_of("short");
	m.welcome.agreements = two;
	assert_false(msg_encode(&m, &a, &out, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_string_equal(e.text, "welcome: agreements: entry 1: terms: 5 bytes, not 32");
}

/* ---- Message itself ---- */

static enum err_code
code_of(const char *bytes, size_t n)
{
	SCOPED(arena_done) struct arena a;
	struct msg m;
	struct err e = { 0 };
	arena_init(&a, ROOM);
	return msg_decode(bytes_from(bytes, n), &a, &m, NULL, &e) ? ERR_NONE : e.code;
}

static void
the_head_of_a_message_has_one_form(void **state)
{
	(void)state;
	assert_int_equal(code_of("\x08\x05\xb2\x01\x00", 5), ERR_NONE); /* Ping */
	assert_int_equal(code_of("\xba\x01\x00", 3), ERR_NONE);		/* Bye, no request */
	assert_int_equal(code_of("", 0), ERR_MALFORMED);
	assert_int_equal(code_of("\x08\x05", 2), ERR_MALFORMED);
	assert_int_equal(code_of("\x08\x00\xb2\x01\x00", 5), ERR_NOT_CANONICAL);
	assert_int_equal(code_of("\x08\x85\x00\xb2\x01\x00", 6), ERR_NOT_CANONICAL);
	assert_int_equal(code_of("\x08\x05\x08\x05\xb2\x01\x00", 7), ERR_NOT_CANONICAL);
	assert_int_equal(code_of("\xb2\x01\x00\x08\x05", 5), ERR_NOT_CANONICAL);
	assert_int_equal(code_of("\x08\x05\xb2\x01\x00\xb2\x01\x00", 8), ERR_NOT_CANONICAL);
	assert_int_equal(code_of("\x08\x05\xb2\x01\x00\xba\x01\x00", 8), ERR_NOT_CANONICAL);
	assert_int_equal(code_of("\x08\x05\xb2\x81\x00\x00", 6), ERR_NOT_CANONICAL); /* tag */
	assert_int_equal(code_of("\x08\x05\xb2\x01\x80\x00", 6), ERR_NOT_CANONICAL); /* length */
	assert_int_equal(code_of("\x08\x05\xb0\x01\x00", 5), ERR_UNKNOWN_MESSAGE);   /* wire type */
	assert_int_equal(code_of("\x08\x05\xc2\x3e\x00", 5), ERR_UNKNOWN_MESSAGE);   /* 1000 */
	assert_int_equal(code_of("\x08\x05\xb2\x01\x00\xc0\x3e\x01", 8), ERR_UNKNOWN_MESSAGE);
	assert_int_equal(code_of("\x08\x05\xb2\x01\x01", 5), ERR_MALFORMED);
	assert_int_equal(code_of("\x00\x00", 2), ERR_UNKNOWN_MESSAGE); /* field 0 */
}

/* ---- bombs ---- */

static struct bytes
empty_portions(struct arena *a, size_t count)
{
	uint8_t *body = arena_alloc(a, 2 * count);
	for (size_t i = 0; i < count; i++) {
		body[2 * i] = 5 << 3 | 2;
		body[2 * i + 1] = 0;
	}
	return wrapped(a, MSG_PUBLISH, bytes_from(body, 2 * count));
}

static void
a_message_has_so_many_elements_and_not_one_more(void **state)
{
	(void)state;
	SCOPED(arena_done) struct arena a, small;
	struct msg m;
	struct err e;
	arena_init(&a, ROOM);
	arena_init(&small, ROOM);
	assert_true(
	    msg_decode(empty_portions(&a, LIMIT_MESSAGE_ELEMENTS - 1), &small, &m, NULL, &e));
	assert_int_equal(m.publish.portion_count, LIMIT_MESSAGE_ELEMENTS - 1);
	size_t used = small.used;
	assert_false(msg_decode(empty_portions(&a, LIMIT_MESSAGE_ELEMENTS), &small, &m, NULL, &e));
	assert_int_equal(e.code, ERR_LIMIT);
	assert_int_equal(small.used, used); /* refused before memory was asked for */
	assert_false(msg_decode(empty_portions(&a, 4u << 20), &small, &m, NULL, &e));
	assert_int_equal(small.used, used);
}

static void
the_arenas_cap_bounds_what_a_message_may_take(void **state)
{
	(void)state;
	SCOPED(arena_done) struct arena a, small;
	struct msg m;
	struct err e;
	arena_init(&a, ROOM);
	arena_init(&small, 4096);
	assert_false(msg_decode(empty_portions(&a, 4000), &small, &m, NULL, &e));
	assert_int_equal(e.code, ERR_NOMEM);
}

/* ---- encoding, errors, directions ---- */

static void
what_a_peer_would_refuse_is_not_sent(void **state)
{
	(void)state;
	SCOPED(arena_done) struct arena a;
	struct bytes out;
	struct err e;
	arena_init(&a, ROOM);
	struct msg m = { .request = 1, .type = MSG_EXPLAIN };
	m.explain.report = bytes_of("short");
	assert_false(msg_encode(&m, &a, &out, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_string_equal(e.text, "explain: report: 5 bytes, not 16");
	uint32_t versions[17];
	for (uint32_t i = 0; i < 17; i++)
		versions[i] = i + 1;
	m = (struct msg){ .type = MSG_HELLO };
	m.hello.versions = (struct msg_u32s){ versions, 16 };
	assert_true(msg_encode(&m, &a, &out, &e));
	m.hello.versions.count = 17;
	assert_false(msg_encode(&m, &a, &out, &e));
	assert_int_equal(e.code, ERR_LIMIT);
	versions[1] = 1;
	m.hello.versions.count = 2;
	assert_false(msg_encode(&m, &a, &out, &e));
	assert_string_equal(e.text, "hello: versions: entry 1: not in strictly ascending order");
}

static void
an_error_carries_its_code_text_and_hint(void **state)
{
	(void)state;
	SCOPED(arena_done) struct arena a;
	struct fault f = { .field = "publish.portions[0]", .nearest = "SECRET", .detail = "why" };
	struct bytes out;
	struct err e;
	struct msg m = msg_error_for(9, ERR_INVALID_LABEL, &f, 500), back;
	arena_init(&a, ROOM);
	assert_int_equal(m.error.retry_ms, 0); /* it would fail again */
	assert_true(msg_encode(&m, &a, &out, &e) && msg_decode(out, &a, &back, NULL, &e));
	assert_int_equal(back.request, 9);
	assert_true(bytes_is(back.error.code, "invalid-label"));
	assert_true(bytes_is(back.error.text, err_text(ERR_INVALID_LABEL)));
	assert_true(bytes_is(back.error.field, "publish.portions[0]"));
	assert_true(bytes_is(back.error.nearest, "SECRET"));
	assert_true(bytes_is(back.error.detail, "why"));
	assert_int_equal(msg_error_for(0, ERR_BUSY, NULL, 500).error.retry_ms, 500);
}

static void
each_side_sends_its_own_messages_only(void **state)
{
	(void)state;
	assert_true(msg_is_from(MSG_PUBLISH, MSG_FROM_CLIENT));
	assert_false(msg_is_from(MSG_PUBLISH, MSG_FROM_BROKER));
	assert_true(msg_is_from(MSG_DELIVER, MSG_FROM_BROKER));
	assert_false(msg_is_from(MSG_DELIVER, MSG_FROM_CLIENT));
	assert_true(msg_is_from(MSG_BYE, MSG_FROM_CLIENT) && msg_is_from(MSG_BYE, MSG_FROM_BROKER));
	assert_false(msg_is_from(MSG_NONE, MSG_FROM_CLIENT));
	assert_string_equal(msg_name(MSG_AUDIT_LIST), "audit_list");
	assert_string_equal(msg_name(MSG_COUNT), "none");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_comes_back_byte_for_byte),
		cmocka_unit_test(a_message_that_ends_early_or_late_is_refused),
		cmocka_unit_test(its_first_bytes_say_what_a_message_is_and_how_long),
		cmocka_unit_test(first_bytes_that_say_nothing_are_no_message),
		cmocka_unit_test(every_fault_at_every_field_is_refused_with_its_code_and_place),
		cmocka_unit_test(the_place_of_a_fault_is_named_from_the_message_down),
		cmocka_unit_test(the_head_of_a_message_has_one_form),
		cmocka_unit_test(a_message_has_so_many_elements_and_not_one_more),
		cmocka_unit_test(the_arenas_cap_bounds_what_a_message_may_take),
		cmocka_unit_test(what_a_peer_would_refuse_is_not_sent),
		cmocka_unit_test(an_error_carries_its_code_text_and_hint),
		cmocka_unit_test(each_side_sends_its_own_messages_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

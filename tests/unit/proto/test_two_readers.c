/*
 * Our codec and protobuf-c say the same (decision 0012): of every message, every part of a report
 * and facts, well formed, with one fault at one field, and with bytes changed at random.
 */
#include "tests/lib/two_readers.h"

#include "proto/arena.h"
#include "proto/msg_shapes.h"
#include "tests/lib/shape_rig.h"
#include "tests/lib/slurp.h"
#include "tests/lib/test.h"

enum { ROOM = 64 << 20, MUTANTS = 1500, KINDS = MSG_COUNT + PARTS_PORTION_BODY + 1 };
enum { CASES_LEAST = 1300, ACCEPTED_LEAST = 2000 };

/* ---- kinds: a type of message, a type of part, or facts ---- */

struct kind {
	enum msg_type message;
	enum parts_type part; /* if there is no message; without either, facts */
	const struct codec_shape *shape;
	uint32_t number;
};

static struct kind
kind_of(unsigned i)
{
	static const uint32_t numbers[MSG_COUNT] = {
#define M(NAME, member, number, from, since) [MSG_##NAME] = number,
#include "proto/msg.def"
#undef M
	};
	struct kind k = { .shape = facts_shape() };
	if (i > MSG_NONE && i < MSG_COUNT) {
		k.message = (enum msg_type)i;
		k.number = numbers[i];
		k.shape = msg_shapes_of(k.message);
	} else if (i > MSG_COUNT) {
		k.part = (enum parts_type)(i - MSG_COUNT);
		k.shape = parts_shape(k.part);
	}
	return k;
}

/* For a message, Message { request: 5, oneof: body }. */
static struct bytes
whole(struct arena *a, const struct kind *k, struct bytes body)
{
	if (k->message == MSG_NONE)
		return body;
	uint8_t *out = arena_alloc(a, body.len + 16);
	size_t n = 0;
	out[n++] = 0x08;
	out[n++] = 5;
	n += codec_put_varint(out + n, (uint64_t)k->number << 3 | 2);
	n += codec_put_varint(out + n, body.len);
	if (body.len != 0)
		memcpy(out + n, body.data, body.len);
	return bytes_from(out, n + body.len);
}

/* A copy of exactly its length, so that a sanitizer sees a byte read past its end. */
static enum readers_say
judge(const struct kind *k, struct bytes in)
{
	uint8_t *copy = malloc(in.len == 0 ? 1 : in.len);
	if (in.len != 0)
		memcpy(copy, in.data, in.len);
	struct bytes alone = bytes_from(copy, in.len);
	enum readers_say say = k->message != MSG_NONE ? two_readers_message(alone)
			       : k->part != 0	      ? two_readers_part(k->part, alone)
						      : two_readers_facts(alone);
	free(copy);
	return say;
}

/* ---- sound, and with one fault ---- */

struct sweep {
	struct kind kind;
	unsigned cases;
};

static void
try_fault(struct sweep *s, const struct codec_field *target, enum shape_fault fault, bool full)
{
	SCOPED(arena_done) struct arena a;
	struct shape_spoil how = { target, fault, false, false };
	const struct codec_shape *shape = s->kind.shape;
	arena_init(&a, ROOM);
	const void *in = full ? shape_fill(&a, shape) : shape_fill_least(&a, shape);
	struct bytes body = shape_write(&a, shape, in, &how);
	if (fault != FAULT_NONE && !how.could)
		return;
	s->cases++;
	enum readers_say want = fault == FAULT_NONE ? READERS_ACCEPT : READERS_REFUSE;
	if (judge(&s->kind, whole(&a, &s->kind, body)) != want)
		fail_msg("%s.%s: %s: %s", shape->name, target == NULL ? "" : target->name,
		    shape_fault_name(fault), two_readers_why());
}

static void
try_field(void *arg, const struct codec_field *target)
{
	for (unsigned fault = FAULT_NONE + 1; fault < FAULT_COUNT; fault++)
		try_fault(arg, target, (enum shape_fault)fault, true);
}

static void
both_accept_what_is_sound_and_refuse_every_fault_at_every_field(void **state)
{
	(void)state;
	struct sweep s = { .cases = 0 };
	for (unsigned i = 0; i < KINDS; i++) {
		if (i == MSG_COUNT)
			continue; /* no part of number 0 */
		s.kind = kind_of(i);
		try_fault(&s, NULL, FAULT_NONE, true);
		try_fault(&s, NULL, FAULT_NONE, false);
		shape_walk(s.kind.shape, try_field, &s);
	}
	assert_true(s.cases >= CASES_LEAST); /* the sweep itself has not gone blind */
}

/* ---- mutants ---- */

static uint64_t random_state;

static size_t
random_below(size_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(random_state >> 33) % n;
}

/* One change; 'data' has room for as much again. */
static size_t
mutate(uint8_t *data, size_t n)
{
	size_t at = random_below(n), other = random_below(n), len = 1 + random_below(12);
	len = len > n - at ? n - at : len;
	switch (random_below(6)) {
	case 0: /* a bit */
		data[at] ^= (uint8_t)(1u << random_below(8));
		break;
	case 1: /* a byte that means something to a reader of varints and tags */
		data[at] =
		    (const uint8_t[]){ 0, 1, 2, 0x7f, 0x80, 0xff, 0x0a, 0x12 }[random_below(8)];
		break;
	case 2: /* bytes gone */
		memmove(data + at, data + at + len, n - at - len);
		return n - len;
	case 3: /* bytes twice */
		memmove(data + at + len, data + at, n - at);
		return n + len;
	case 4: /* bytes from elsewhere over it */
		memmove(data + at, data + other, len > n - other ? n - other : len);
		break;
	default: /* one byte more */
		memmove(data + at + 1, data + at, n - at);
		data[at] = (uint8_t)random_below(256);
		return n + 1;
	}
	return n;
}

struct tally {
	unsigned accepted, refused;
};

static struct bytes
mutant(struct arena *a, struct bytes from)
{
	size_t n = from.len;
	uint8_t *data = arena_alloc(a, 2 * n + 256);
	if (n != 0)
		memcpy(data, from.data, n);
	for (size_t changes = 1 + random_below(3); changes > 0 && n != 0; changes--)
		n = mutate(data, n);
	return bytes_from(data, n);
}

/* Every other mutant is wrapped after the change, so that the length around it is right. */
static void
try_mutants(const struct kind *k, struct tally *t, bool full)
{
	for (unsigned i = 0; i < MUTANTS; i++) {
		SCOPED(arena_done) struct arena a;
		arena_init(&a, ROOM);
		struct shape_spoil none = { NULL, FAULT_NONE, false, false };
		const void *in = full ? shape_fill(&a, k->shape) : shape_fill_least(&a, k->shape);
		struct bytes body = shape_write(&a, k->shape, in, &none);
		struct bytes bad =
		    i % 2 == 0 ? whole(&a, k, mutant(&a, body)) : mutant(&a, whole(&a, k, body));
		enum readers_say say = judge(k, bad);
		if (say == READERS_DIFFER)
			fail_msg("%s, mutant %u: %s", k->shape->name, i, two_readers_why());
		t->accepted += say == READERS_ACCEPT;
		t->refused += say == READERS_REFUSE;
	}
}

static void
both_say_the_same_of_bytes_changed_at_random(void **state)
{
	(void)state;
	const char *seed = getenv("RELTO_SEED");
	struct tally t = { 0, 0 };
	random_state = seed == NULL ? 20261130 : strtoull(seed, NULL, 0);
	print_message("seed %llu\n", (unsigned long long)random_state);
	for (unsigned i = 0; i < KINDS; i++) {
		if (i == MSG_COUNT)
			continue;
		struct kind k = kind_of(i);
		try_mutants(&k, &t, true);
		try_mutants(&k, &t, false);
	}
	print_message("%u accepted, %u refused\n", t.accepted, t.refused);
	assert_true(t.accepted >= ACCEPTED_LEAST && t.refused >= ACCEPTED_LEAST);
}

/* ---- bytes of others ---- */

static void
both_read_the_golden_report_alike(void **state)
{
	(void)state;
	static const struct {
		const char *file;
		unsigned kind;
	} golden[] = {
		{ "publish.bin", MSG_PUBLISH },
		{ "deliver.bin", MSG_DELIVER },
		{ "manifest.bin", MSG_COUNT + PARTS_MANIFEST },
		{ "routing.bin", MSG_COUNT + PARTS_ROUTING },
		{ "seal.bin", MSG_COUNT + PARTS_SEAL },
		{ "head-0.bin", MSG_COUNT + PARTS_PORTION_HEAD },
		{ "head-1.bin", MSG_COUNT + PARTS_PORTION_HEAD },
		{ "head-2.bin", MSG_COUNT + PARTS_PORTION_HEAD },
		{ "body-0.bin", MSG_COUNT + PARTS_PORTION_BODY },
		{ "body-1.bin", MSG_COUNT + PARTS_PORTION_BODY },
		{ "body-2.bin", MSG_COUNT + PARTS_PORTION_BODY },
		{ "facts.bin", MSG_NONE },
	};
	for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		SCOPED(arena_done) struct arena a;
		char path[512];
		arena_init(&a, ROOM);
		(void)snprintf(path, sizeof(path), "tests/vectors/golden/wire/%s", golden[i].file);
		struct bytes in = slurp(&a, path);
		struct kind k = kind_of(golden[i].kind);
		if (in.data == NULL || judge(&k, in) != READERS_ACCEPT)
			fail_msg("%s: %s", golden[i].file, two_readers_why());
	}
}

static void
both_refuse_a_list_of_numbers_that_is_empty_or_not_packed(void **state)
{
	(void)state;
	struct kind hello = kind_of(MSG_HELLO);
	assert_int_equal(
	    judge(&hello, bytes_from("\x08\x05\x52\x03\x0a\x01\x01", 7)), READERS_ACCEPT);
	assert_int_equal(judge(&hello, bytes_from("\x08\x05\x52\x02\x0a\x00", 6)), READERS_REFUSE);
	assert_int_equal(judge(&hello, bytes_from("\x08\x05\x52\x02\x08\x01", 6)), READERS_REFUSE);
}

/* ---- the library by itself ---- */

static void
the_library_refuses_by_itself_what_is_not_canonical(void **state)
{
	(void)state;
	/* Explain.report given twice, a field 15 in it, a default in Subscribe, a zero request */
	static const struct {
		const char *bytes;
		size_t len;
		bool good;
	} cases[] = {
		{ "\x08\x05\xb2\x01\x00", 5, true },
		{ "\x08\x05\x72\x06\x0a\x01x\x0a\x01y", 10, false },
		{ "\x08\x05\x72\x05\x0a\x01x\x78\x01", 9, false },
		{ "\x08\x05\x62\x02\x28\x00", 6, false }, { "\x08\x00\xb2\x01\x00", 5, false },
		{ "\x08\x85\x00\xb2\x01\x00", 6, false }, { "\x08", 1, false },
		{ "\x08\x05", 2, false }, /* a Message without a body */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    two_readers_library_reads(bytes_from(cases[i].bytes, cases[i].len)),
		    cases[i].good);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_accept_what_is_sound_and_refuse_every_fault_at_every_field),
		cmocka_unit_test(both_say_the_same_of_bytes_changed_at_random),
		cmocka_unit_test(both_read_the_golden_report_alike),
		cmocka_unit_test(both_refuse_a_list_of_numbers_that_is_empty_or_not_packed),
		cmocka_unit_test(the_library_refuses_by_itself_what_is_not_canonical),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Every fault at every field of every part of a report. */
#include "proto/parts.h"

#include "proto/arena.h"
#include "tests/lib/shape_rig.h"
#include "tests/lib/test.h"

enum { ROOM = 64 << 20, CASES_LEAST = 250 };

struct sweep {
	enum parts_type type;
	unsigned cases;
};

static void
try_field(void *arg, const struct codec_field *target)
{
	struct sweep *s = arg;
	for (unsigned fault = FAULT_NONE + 1; fault < FAULT_COUNT; fault++) {
		SCOPED(arena_done) struct arena a;
		struct shape_spoil how = { target, (enum shape_fault)fault, false, false };
		struct parts_place at = { .arena = &a };
		struct err e = { 0 };
		const struct codec_shape *shape = parts_shape(s->type);
		arena_init(&a, ROOM);
		struct bytes in = shape_write(&a, shape, shape_fill(&a, shape), &how);
		if (!how.could)
			continue;
		s->cases++;
		void *out = arena_zalloc(&a, 1, shape->size);
		if (parts_read(s->type, in, &at, out, &e))
			fail_msg("%s.%s: %s was accepted", shape->name, target->name,
			    shape_fault_name((enum shape_fault)fault));
		bool limit = fault == FAULT_TOO_MANY ||
			     (fault == FAULT_TOO_LONG && target->min != target->max) ||
			     (fault == FAULT_ABOVE && target->kind >= CODEC_U32 &&
				 target->min != target->max);
		if (e.code != (limit ? ERR_LIMIT : ERR_MALFORMED))
			fail_msg("%s.%s: %s gives %s", shape->name, target->name,
			    shape_fault_name((enum shape_fault)fault), err_token(e.code));
	}
}

static void
every_fault_in_a_part_is_malformed_or_a_limit(void **state)
{
	(void)state;
	struct sweep s = { PARTS_MANIFEST, 0 };
	for (unsigned t = PARTS_MANIFEST; t <= PARTS_PORTION_BODY; t++) {
		s.type = (enum parts_type)t;
		shape_walk(parts_shape(s.type), try_field, &s);
	}
	assert_true(s.cases >= CASES_LEAST); /* the sweep itself has not gone blind */
}

static void
a_part_comes_back_byte_for_byte(void **state)
{
	(void)state;
	for (unsigned t = PARTS_MANIFEST; t <= PARTS_PORTION_BODY; t++) {
		SCOPED(arena_done) struct arena a;
		struct parts_place at = { .arena = &a };
		const struct codec_shape *shape = parts_shape((enum parts_type)t);
		struct bytes in = { 0 }, again = { 0 };
		struct err e;
		arena_init(&a, ROOM);
		void *full = shape_fill(&a, shape), *out = arena_zalloc(&a, 1, shape->size);
		if (!parts_write((enum parts_type)t, full, &a, &in, &e) ||
		    !parts_read((enum parts_type)t, in, &at, out, &e) ||
		    !parts_write((enum parts_type)t, out, &a, &again, &e))
			fail_msg("%s: %s", shape->name, e.text);
		assert_true(bytes_equal(in, again));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fault_in_a_part_is_malformed_or_a_limit),
		cmocka_unit_test(a_part_comes_back_byte_for_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

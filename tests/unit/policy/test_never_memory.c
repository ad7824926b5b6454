/* A never that memory fails for is told so: one allocation fails alone, and nothing is proven, nor
 * said to mean nothing. */
#include "tests/lib/arena_once.h"
#include "tests/unit/policy/policy_rig.h"

#include "policy/never.h"

static void
no_shortage_makes_an_answer(void **state)
{
	static const char *const sentences[] = {
		"never release to NOR topic maritime.> label ATLAS is SECRET",
		"never release to NOR topic cyber.*",
		"never release to KEN topic cyber.* label ATLAS is SECRET",
	};
	static const bool broken[] = { true, false, false };
	struct rig r;
	(void)state;
	rig_init(&r);
	rig_load_text(&r, rig_base);
	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
		struct rule rule;
		size_t n = 0;
		bool whole = false;
		assert_true(
		    never_read(r.epoch, bytes_of(sentences[i]), &r.arena, &r.errors, &rule));
		while (!whole) {
			struct never_ask q = { .epoch = r.epoch,
				.agreement = epoch_agreement(r.epoch, bytes_of("atlas")),
				.rule = &rule,
				.most = NEVER_CELLS };
			struct never_answer answer;
			struct arena a;
			struct err e = { .code = ERR_NONE };
			arena_init(&a, SIZE_MAX);
			arena_once_fails = ++n;
			bool known = never_ask(&q, &a, &answer, &e);
			whole = arena_once_fails != 0;
			arena_once_fails = 0;
			if (known) /* it was not needed, or a report that goes was found first */
				assert_true(answer.missing == 0 && answer.broken == broken[i]);
			else
				assert_int_equal(e.code, ERR_NOMEM);
			assert_true(known || !whole);
			arena_done(&a);
		}
		assert_true(n > 50);
	}
	rig_done(&r);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_shortage_makes_an_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

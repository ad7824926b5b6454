/* The matrix: what tests/vectors/policy/matrix.py cannot reach. */
#include "tests/unit/policy/policy_rig.h"

#include "policy/matrix.h"

#define JUNE_2026 (UINT64_C(1780315200) * 1000000)

static struct matrix
make(struct rig *r, uint64_t time)
{
	struct matrix_ask q = { .epoch = r->epoch, .time = time, .most = MATRIX_TRIES };
	struct matrix m;
	struct err e = { 0 };
	if (!matrix_make(&q, &r->arena, &m, &e))
		fail_msg("%s", e.text);
	return m;
}

static const struct matrix_row *
find(const struct matrix *m, const char *from, const char *to, const char *topic)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct matrix_row *x = &m->rows[i];
		if (bytes_is(x->from->name, from) && bytes_is(x->to->name, to) &&
		    bytes_is(x->topic, topic) && x->low == PRECEDENCE_ROUTINE &&
		    bytes_is(x->vocab->name, "ATLAS"))
			return x;
	}
	return NULL;
}

static void
too_many_labels_are_not_decided(void **state)
{
	struct rig r;
	struct matrix m;
	struct err e = { 0 };
	(void)state;
	rig_init(&r);
	rig_load_text(&r, rig_base);
	struct matrix_ask q = { .epoch = r.epoch, .time = JUNE_2026, .most = 100 };
	assert_false(matrix_make(&q, &r.arena, &m, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_int_equal(err_exit(e.code), 70);
	assert_non_null(strstr(e.text, "not decided: more than 100 labels to try"));
	rig_done(&r);
}

static void
a_sender_never_sends_to_itself_nor_to_whom_may_not_receive(void **state)
{
	struct rig r;
	(void)state;
	rig_init(&r);
	rig_load_text(
	    &r, rig_edit(&r, rig_base, "    member GBR {\n        may [ originate receive ]",
		    "    member GBR {\n        may [ originate ]"));
	struct matrix m = make(&r, JUNE_2026);
	assert_non_null(find(&m, "GBR", "NOR", "maritime.>"));
	assert_non_null(find(&m, "NOR", "KEN", "maritime.>"));
	for (size_t i = 0; i < m.count; i++) {
		assert_true(m.rows[i].from != m.rows[i].to);
		assert_false(bytes_is(m.rows[i].to->name, "GBR"));
		assert_false(bytes_is(m.rows[i].from->name, "KEN")); /* may receive only */
		assert_false(bytes_is(m.rows[i].from->name, "HUB"));
	}
	rig_done(&r);
}

static void
an_agreement_that_cannot_be_used_has_a_row_that_says_why(void **state)
{
	struct rig r;
	(void)state;
	rig_init(&r);
	rig_load_text(&r, rig_base);
	struct matrix m = make(&r, JUNE_2026 + UINT64_C(3) * 365 * 86400 * 1000000);
	assert_int_equal(m.count, 4); /* GBR and NOR to each other and to KEN */
	for (size_t i = 0; i < m.count; i++)
		assert_string_equal(m.rows[i].status, "it is no longer in force");
	rig_done(&r);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_many_labels_are_not_decided),
		cmocka_unit_test(a_sender_never_sends_to_itself_nor_to_whom_may_not_receive),
		cmocka_unit_test(an_agreement_that_cannot_be_used_has_a_row_that_says_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/lib/test.h"

#include "audit/view.h"
#include "tests/unit/audit/small.h"

static int
setup(void **state)
{
	*state = small_new();
	return 0;
}

static int
teardown(void **state)
{
	small_free(*state);
	return 0;
}

/* "1278": the slots in the mask. */
static const char *
slots(struct small *s, uint64_t index, const char *party)
{
	static char text[10];
	struct record r;
	uint8_t leaf[32];
	struct viewer who = { bytes_of(party), false };
	size_t n = 0;
	assert_true(record_entry_parse(s->entries[index], &r, leaf, NULL));
	unsigned mask = view_slots(&r, &who);
	for (unsigned i = 1; i <= RECORD_SLOTS; i++)
		if (mask >> i & 1)
			text[n++] = (char)('0' + i);
	text[n] = '\0';
	return text;
}

static void
everybody_sees_exactly_what_the_format_says(void **state)
{
	struct small *s = *state;
	static const struct {
		const char *gbr, *nor, *ken;
	} want[] = { { "", "", "" }, { "", "", "" }, { "", "178", "" }, { "12347", "", "" },
		{ "12347", "", "" }, { "12347", "", "" }, { "12347", "1278", "" },
		{ "12347", "1278", "" }, { "17", "", "" }, { "", "17", "" } };
	small_usual(s);
	for (uint64_t i = 0; i < 10; i++) {
		assert_string_equal(slots(s, i, "GBR"), want[i].gbr);
		assert_string_equal(slots(s, i, "NOR"), want[i].nor);
		assert_string_equal(slots(s, i, "KEN"), want[i].ken);
		assert_string_equal(slots(s, i, "USA"), "");
		assert_string_equal(slots(s, i, ""), "");
	}
}

static void
the_hubs_auditor_sees_everything(void **state)
{
	struct small *s = *state;
	struct record r;
	uint8_t leaf[32];
	struct viewer who = { { NULL, 0 }, true };
	small_start(s);
	assert_true(record_entry_parse(s->entries[0], &r, leaf, NULL));
	assert_int_equal(view_slots(&r, &who), 0x1fe);
}

static void
a_narrowing_shows_only_to_who_had_a_delivery(void **state)
{
	struct small *s = *state;
	small_usual(s);
	struct small_decision d = { EVENT_NARROWED, "NOR", OUTCOME_WITHHOLD, SMALL_WITHHOLD, 0, 4,
		"NOR" };
	assert_string_equal(slots(s, small_decide(s, &d), "NOR"), "18");
	d = (struct small_decision){ EVENT_NARROWED, "KEN", OUTCOME_WITHHOLD, SMALL_WITHHOLD, 0, 5,
		NULL };
	assert_string_equal(slots(s, small_decide(s, &d), "KEN"), "");
}

static void
a_shared_decision_shows_to_none_of_its_recipients(void **state)
{
	struct small *s = *state;
	small_start(s);
	small_policy(s, "policy");
	small_report(s);
	struct small_decision d = { EVENT_DECISION, "KEN\nNOR", OUTCOME_WITHHOLD, SMALL_WITHHOLD, 0,
		small_intake(s), NULL };
	uint64_t index = small_decide(s, &d);
	assert_string_equal(slots(s, index, "KEN"), "");
	assert_string_equal(slots(s, index, "NOR"), "");
	assert_string_equal(slots(s, index, "KEN\nNOR"), "");
}

static void
a_record_stands_in_a_partys_tree_by_one_slot(void **state)
{
	struct small *s = *state;
	struct record r;
	uint8_t leaf[32];
	uint64_t index = 99;
	small_usual(s);
	assert_true(record_entry_parse(s->entries[6], &r, leaf, NULL)); /* the DELIVERY */
	assert_int_equal(view_place(&r, bytes_of("GBR"), &index), VIEW_PUBLISHER);
	assert_int_equal(index, 3);
	assert_int_equal(view_place(&r, bytes_of("NOR"), &index), VIEW_RECIPIENT);
	assert_int_equal(index, 1);
	assert_int_equal(view_place(&r, bytes_of("KEN"), &index), VIEW_NOWHERE);
	assert_true(bytes_is(view_recipient(&r), "NOR"));
	assert_true(
	    record_entry_parse(s->entries[8], &r, leaf, NULL)); /* a PARTY_HEAD is no leaf */
	assert_int_equal(view_place(&r, bytes_of("GBR"), &index), VIEW_NOWHERE);
	assert_int_equal(view_recipient(&r).len, 0);
}

static void
what_was_lost_with_the_log_before_shows_to_every_party(void **state)
{
	struct small *s = *state;
	struct record r;
	struct body b;
	uint8_t digest[32] = { 0 };
	uint64_t place;
	small_begin(s, &r, EVENT_RECOVER, false);
	small_by_hub(s, &r);
	event_body_begin(&b, EVENT_RECOVER);
	event_body_bytes(&b, BODY_RECOVER_HEAD, bytes_of("a head"));
	event_body_uint(&b, BODY_RECOVER_SIZE, 4);
	event_body_bytes(&b, BODY_RECOVER_DIGEST, bytes_from(digest, 32));
	small_body(s, &r, &b);
	uint64_t index = small_add(s, &r, NULL, NULL, 0);
	assert_string_equal(slots(s, index, "GBR"), "17");
	assert_string_equal(slots(s, index, "KEN"), "17");
	assert_int_equal(view_place(&r, bytes_of("GBR"), &place), VIEW_NOWHERE);
}

static void
what_cannot_be_read_is_nobodys(void **state)
{
	struct small *s = *state;
	struct record r;
	uint8_t leaf[32];
	uint64_t index;
	struct viewer who = { bytes_of("GBR"), false };
	small_usual(s);
	assert_true(record_entry_parse(s->entries[6], &r, leaf, NULL));
	RECORD_SLOT(&r, 4)->value.len--;
	assert_int_equal(view_slots(&r, &who), 0);
	assert_int_equal(view_place(&r, who.party, &index), VIEW_NOWHERE);
	assert_int_equal(view_recipient(&r).len, 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(everybody_sees_exactly_what_the_format_says),
		T(the_hubs_auditor_sees_everything),
		T(a_narrowing_shows_only_to_who_had_a_delivery),
		T(a_shared_decision_shows_to_none_of_its_recipients),
		T(a_record_stands_in_a_partys_tree_by_one_slot),
		T(what_was_lost_with_the_log_before_shows_to_every_party),
		T(what_cannot_be_read_is_nobodys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

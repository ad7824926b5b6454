#include "tests/lib/test.h"

#include "audit/slot.h"
#include "proto/arena.h"

static int
setup(void **state)
{
	struct arena *a = calloc(1, sizeof(*a));
	arena_init(a, 1u << 20);
	*state = a;
	return 0;
}

static int
teardown(void **state)
{
	arena_done(*state);
	free(*state);
	return 0;
}

static const uint8_t digest[32] = { 0xd1 };

static void
slots_read_back_as_they_were_written(void **state)
{
	struct arena *a = *state;
	struct bytes v;
	struct slot_release release = { bytes_of("NOR"), bytes_of("atlas@3"), bytes_of("M"),
		digest },
			    r2;
	struct slot_publication publication = { bytes_of("GBR"), bytes_of("spiffe://x/y"), digest,
		bytes_of("B"), 7 },
				p2;
	struct slot_decision decision = { OUTCOME_HOLD, bytes_of("0 hold review atlas -\n"), digest,
		digest, 9 },
			     d2;
	struct slot_hub hub = { bytes_of("hub-1"), 3, digest, bytes_of("free") }, h2;
	struct slot_person person = { bytes_of("CN=a"), bytes_of("why") }, n2;
	assert_true(slot_put_release(a, &release, &v, NULL) && slot_get_release(v, &r2, NULL));
	assert_true(bytes_is(r2.marking, "M") && memcmp(r2.released, digest, 32) == 0);
	assert_true(slot_put_publication(a, &publication, &v, NULL, NULL) &&
		    slot_get_publication(v, &p2, NULL));
	assert_true(bytes_is(p2.agent, "spiffe://x/y") && p2.index == 7);
	assert_true(
	    slot_put_decision(a, &decision, &v, NULL, NULL) && slot_get_decision(v, &d2, NULL));
	assert_true(d2.outcome == OUTCOME_HOLD && d2.link == 9 && d2.reasons.len == 22);
	assert_true(slot_put_hub(a, &hub, &v, NULL) && slot_get_hub(v, &h2, NULL));
	assert_true(h2.connection == 3 && bytes_is(h2.clock, "free"));
	assert_true(slot_put_person(a, &person, &v, NULL) && slot_get_person(v, &n2, NULL));
	assert_true(bytes_is(n2.justification, "why"));
}

static void
nothing_said_is_the_empty_value_and_reads_as_absent(void **state)
{
	struct arena *a = *state;
	struct bytes v;
	struct slot_release release = { .released = NULL }, r2;
	struct slot_publication publication = { .index = SLOT_ABSENT }, p2;
	struct slot_decision decision = { .link = SLOT_ABSENT }, d2;
	struct slot_hub hub = { .connection = SLOT_ABSENT }, h2;
	uint64_t place;
	assert_true(slot_put_release(a, &release, &v, NULL) && v.len == 0);
	assert_true(slot_get_release(v, &r2, NULL) && r2.released == NULL);
	assert_true(slot_put_publication(a, &publication, &v, NULL, NULL) && v.len == 0);
	assert_true(slot_get_publication(v, &p2, NULL) && p2.index == SLOT_ABSENT);
	assert_true(slot_put_decision(a, &decision, &v, NULL, NULL) && v.len == 0);
	assert_true(slot_get_decision(v, &d2, NULL) && d2.link == SLOT_ABSENT && d2.outcome == 0);
	assert_true(slot_put_hub(a, &hub, &v, NULL) && v.len == 0);
	assert_true(slot_get_hub(v, &h2, NULL) && h2.connection == SLOT_ABSENT);
	assert_true(slot_get_place(v, &place, NULL) && place == SLOT_ABSENT);
	/* the other spelling of nothing */
	static const uint8_t zeros[16];
	struct err e;
	assert_false(slot_get_release(bytes_from(zeros, 16), &r2, &e));
	assert_string_equal(e.text, "slot 2: 16 bytes do not fit its fields");
}

static void
a_number_to_come_is_zero_until_it_is_patched(void **state)
{
	struct arena *a = *state;
	struct bytes v;
	uint8_t *later = NULL;
	struct slot_decision decision = { .link = SLOT_LATER }, d2;
	struct slot_publication publication = { bytes_of("GBR"), { NULL, 0 }, NULL, { NULL, 0 },
		SLOT_LATER },
				p2;
	assert_true(slot_put_decision(a, &decision, &v, &later, NULL));
	put_u64(later, 77);
	assert_true(slot_get_decision(v, &d2, NULL) && d2.link == 77);
	assert_true(slot_put_publication(a, &publication, &v, &later, NULL));
	put_u64(later, 78);
	assert_true(slot_get_publication(v, &p2, NULL) && p2.index == 78);
	publication.index = 5;
	assert_true(slot_put_publication(a, &publication, &v, &later, NULL) && later == NULL);
}

/* A slot value of raw fields. */
static struct bytes
raw(uint8_t *to, const struct bytes *fields, size_t count)
{
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		put_u32(to + n, (uint32_t)fields[i].len);
		if (fields[i].len != 0)
			memcpy(to + n + 4, fields[i].data, fields[i].len);
		n += 4 + fields[i].len;
	}
	return bytes_from(to, n);
}

#define REFUSED(get, out, value, why) \
	do { \
		struct err e_; \
		assert_false(get(value, out, &e_)); \
		assert_int_equal(e_.code, ERR_MALFORMED); \
		assert_string_equal(e_.text, why); \
	} while (0)

static void
every_field_of_slots_1_to_3_is_checked(void **state)
{
	uint8_t t[512];
	static const uint8_t z[64];
	struct slot_common c;
	struct slot_release r;
	struct slot_publication p;
	const struct bytes no = { NULL, 0 }, bad = bytes_of("\xff"), one = bytes_of("\1"),
			   u = { z, 8 }, odd = { z, 31 };
	(void)state;
	REFUSED(slot_get_common, &c, no, "slot 1: field 'type' is not well-formed");
	REFUSED(slot_get_common, &c, raw(t, (struct bytes[]){ bytes_of("\x1b"), u, no }, 3),
	    "slot 1: field 'type' is not well-formed");
	REFUSED(slot_get_common, &c, raw(t, (struct bytes[]){ one, no, no }, 3),
	    "slot 1: field 'time' is not well-formed");
	REFUSED(slot_get_common, &c, raw(t, (struct bytes[]){ one, u, { z, 15 } }, 3),
	    "slot 1: field 'report' is not well-formed");
	REFUSED(slot_get_release, &r, raw(t, (struct bytes[]){ bad, no, no, no }, 4),
	    "slot 2: field 'recipient' is not well-formed");
	REFUSED(slot_get_release, &r, raw(t, (struct bytes[]){ no, bad, no, no }, 4),
	    "slot 2: field 'agreements' is not well-formed");
	REFUSED(slot_get_release, &r, raw(t, (struct bytes[]){ no, no, bad, no }, 4),
	    "slot 2: field 'marking' is not well-formed");
	REFUSED(slot_get_release, &r, raw(t, (struct bytes[]){ no, no, no, odd }, 4),
	    "slot 2: field 'released' is not well-formed");
	REFUSED(slot_get_publication, &p, raw(t, (struct bytes[]){ bad, no, no, no, no }, 5),
	    "slot 3: field 'party' is not well-formed");
	REFUSED(slot_get_publication, &p, raw(t, (struct bytes[]){ no, bad, no, no, no }, 5),
	    "slot 3: field 'agent' is not well-formed");
	REFUSED(slot_get_publication, &p, raw(t, (struct bytes[]){ no, no, odd, no, no }, 5),
	    "slot 3: field 'manifest' is not well-formed");
	REFUSED(slot_get_publication, &p, raw(t, (struct bytes[]){ no, no, no, bad, no }, 5),
	    "slot 3: field 'banner' is not well-formed");
	REFUSED(slot_get_publication, &p, raw(t, (struct bytes[]){ no, no, no, no, odd }, 5),
	    "slot 3: field 'index' is not well-formed");
}

static void
every_field_of_the_slots_behind_is_checked(void **state)
{
	uint8_t t[512];
	static const uint8_t z[64];
	struct slot_decision d;
	struct slot_hub h;
	struct slot_person n;
	uint64_t place;
	const struct bytes no = { NULL, 0 }, bad = bytes_of("\xff"), odd = { z, 31 };
	(void)state;
	REFUSED(slot_get_decision, &d,
	    raw(t, (struct bytes[]){ bytes_of("\5"), no, no, no, no }, 5),
	    "slot 4: field 'outcome' is not well-formed");
	REFUSED(slot_get_decision, &d,
	    raw(t, (struct bytes[]){ no, bytes_of("x\n"), no, no, no }, 5),
	    "slot 4: field 'reasons' is not well-formed");
	REFUSED(slot_get_decision, &d, raw(t, (struct bytes[]){ no, no, odd, no, no }, 5),
	    "slot 4: field 'policy' is not well-formed");
	REFUSED(slot_get_decision, &d, raw(t, (struct bytes[]){ no, no, no, odd, no }, 5),
	    "slot 4: field 'facts' is not well-formed");
	REFUSED(slot_get_decision, &d,
	    raw(t, (struct bytes[]){ no, no, no, no, bytes_of("\xff\xff\xff\xff\xff\xff\xff\xfe") },
		5),
	    "slot 4: field 'link' is not well-formed");
	REFUSED(slot_get_hub, &h, raw(t, (struct bytes[]){ bad, no, no, no }, 4),
	    "slot 5: field 'node' is not well-formed");
	REFUSED(slot_get_hub, &h, raw(t, (struct bytes[]){ no, odd, no, no }, 4),
	    "slot 5: field 'connection' is not well-formed");
	REFUSED(slot_get_hub, &h, raw(t, (struct bytes[]){ no, no, odd, no }, 4),
	    "slot 5: field 'certificate' is not well-formed");
	REFUSED(slot_get_hub, &h, raw(t, (struct bytes[]){ no, no, no, bad }, 4),
	    "slot 5: field 'clock' is not well-formed");
	REFUSED(slot_get_person, &n, raw(t, (struct bytes[]){ bad, no }, 2),
	    "slot 6: field 'actor' is not well-formed");
	REFUSED(slot_get_person, &n, raw(t, (struct bytes[]){ no, bad }, 2),
	    "slot 6: field 'justification' is not well-formed");
	REFUSED(slot_get_place, &place, raw(t, (struct bytes[]){ odd }, 1),
	    "slot 8: field 'index' is not well-formed");
}

static void
reasons_are_written_and_read_line_by_line(void **state)
{
	struct arena *a = *state;
	const struct slot_reason in[] = {
		{ 0, bytes_of("release"), bytes_of("release"), bytes_of("atlas"), bytes_of("m") },
		{ 4294967295u, bytes_of("withhold"), bytes_of("no-rule"), { NULL, 0 },
		    { NULL, 0 } },
	};
	struct bytes text;
	struct slot_reason r;
	assert_true(slot_reasons(a, in, 2, &text, NULL));
	assert_true(bytes_is(text, "0 release release atlas m\n4294967295 withhold no-rule - -\n"));
	assert_true(slot_reason_next(&text, &r, NULL) && bytes_is(r.rule, "m"));
	assert_true(slot_reason_next(&text, &r, NULL));
	assert_true(r.portion == 4294967295u && r.agreement.len == 0 && r.rule.len == 0);
	assert_int_equal(text.len, 0);
}

static void
a_reason_that_is_no_word_is_not_written(void **state)
{
	struct arena *a = *state;
	struct bytes text;
	struct err e;
	static const char *const bad[] = { "a b", "a\nb", "", "\xff", "a\x7f" };
	for (size_t i = 0; i < 5; i++) {
		struct slot_reason r = { 3, bytes_of("hold"), bytes_of(bad[i]), { NULL, 0 },
			{ NULL, 0 } };
		assert_false(slot_reasons(a, &r, 1, &text, &e));
		assert_string_equal(e.text, "reason of portion 3 is no word");
	}
	struct slot_reason r = { 3, bytes_of("maybe"), bytes_of("x"), { NULL, 0 }, { NULL, 0 } };
	assert_false(slot_reasons(a, &r, 1, &text, &e));
}

static void
lines_that_are_no_reasons_say_why(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "", "reasons: a line without end" },
		{ "0 release release a b", "reasons: a line without end" },
		{ "0 release release a\n", "reasons: a line of too few words" },
		{ "0 release  a b\n", "reasons: no word at 2" },
		{ "0 release release a b c\n", "reasons: no word at 4" },
		{ "00 release release a b\n", "reasons: no portion or verdict" },
		{ "4294967296 release release a b\n", "reasons: no portion or verdict" },
		{ "x release release a b\n", "reasons: no portion or verdict" },
		{ "0 redact release a b\n", "reasons: no portion or verdict" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bytes text = bytes_of(cases[i].text);
		struct slot_reason r;
		struct err e;
		assert_false(slot_reason_next(&text, &r, &e));
		assert_string_equal(e.text, cases[i].why);
	}
}

static void
outcomes_have_words(void **state)
{
	(void)state;
	assert_string_equal(slot_outcome_word(OUTCOME_REDACT), "redact");
	assert_string_equal(slot_outcome_word((enum outcome)0), "-");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_read_back_as_they_were_written),
		cmocka_unit_test(nothing_said_is_the_empty_value_and_reads_as_absent),
		cmocka_unit_test(a_number_to_come_is_zero_until_it_is_patched),
		cmocka_unit_test(every_field_of_slots_1_to_3_is_checked),
		cmocka_unit_test(every_field_of_the_slots_behind_is_checked),
		cmocka_unit_test(reasons_are_written_and_read_line_by_line),
		cmocka_unit_test(a_reason_that_is_no_word_is_not_written),
		cmocka_unit_test(lines_that_are_no_reasons_say_why),
		cmocka_unit_test(outcomes_have_words),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}

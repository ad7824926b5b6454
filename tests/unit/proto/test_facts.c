#include "proto/facts.h"

#include "proto/arena.h"
#include "tests/lib/test.h"

enum { ROOM = 4 << 20 };
static const uint8_t salt[16] = "0123456789abcdef";
static const char one[] = "00112233-4455-6677-8899-aabbccddeeff";
static const char two[] = "ffeeddcc-bbaa-9988-7766-554433221100";

static struct bytes names[] = { { (const uint8_t *)"KEN", 3 }, { (const uint8_t *)"NOR", 3 } };

/* Facts of a later decision with something in every list. */
static struct facts
whole(void)
{
	static struct fact_agreement agreements[2] = {
		{ { (const uint8_t *)"atlas", 5 }, true, { 1, 2, 3 } },
		{ { (const uint8_t *)"other", 5 }, false, { 0 } },
	};
	static struct fact_source sources[2];
	static struct fact_approval approvals[1];
	static struct fact_opened opened[2];
	static struct fact_before before[1];
	static struct raw_category category;
	static struct raw_label label;
	static struct fact_portion portions[2];
	sources[0] = (struct fact_source){ bytes_of(one), bytes_of("NOR"), bytes_of("atlas"),
		{ names, 2 }, { NULL, 0 } };
	sources[1] = (struct fact_source){ .id = bytes_of(two), .via = bytes_of(one) };
	approvals[0] = (struct fact_approval){ { OBLIGATION_CONSENT, bytes_of("atlas"),
						   bytes_of(one), bytes_of("NOR") },
		bytes_of("KEN"), 1, true };
	opened[0] = (struct fact_opened){ { OBLIGATION_REVIEW, bytes_of("atlas"),
					      bytes_of("flash-review"), bytes_of("GBR") },
		bytes_of("KEN"), 0, 1780272000000000 };
	opened[1] = (struct fact_opened){ { OBLIGATION_SIGNER, bytes_of("atlas"), { NULL, 0 },
					      bytes_of("GBR") },
		bytes_of("KEN"), 0, 1780272000000001 };
	before[0] = (struct fact_before){ bytes_of("KEN"), 1, { names, 1 } };
	category = (struct raw_category){ bytes_of("Releasable To"), { names, 2 } };
	label = (struct raw_label){ bytes_of("ATLAS"), bytes_of("SECRET"), &category, 1 };
	portions[0] = (struct fact_portion){ &label, 1, bytes_of("text/plain") };
	portions[1] = (struct fact_portion){ NULL, 0, bytes_of("") };
	return (struct facts){ bytes_of("GBR"), bytes_of("maritime.piracy"), PRECEDENCE_FLASH,
		MODE_EXERCISE, 1780272000250123, 1780272000250000, 0, SIGNER_REVOKED, agreements, 2,
		true, { NULL, 0 }, { names, 2 }, sources, 2, approvals, 1, opened, 2, true, before,
		1, portions, 2, true, { bytes_of("KEN"), true, { names, 2 } } };
}

static void
facts_come_back_as_they_were(void **state)
{
	(void)state;
	SCOPED(arena_done) struct arena a;
	struct facts f = whole(), g;
	struct bytes bytes, again;
	struct err e;
	arena_init(&a, ROOM);
	if (!facts_encode(&f, salt, &a, &bytes, &e) || !facts_decode(bytes, &a, &g, &e))
		fail_msg("%s", e.text);
	assert_true(bytes_equal(g.topic, f.topic));
	assert_true(g.time == f.time && g.accepted == f.accepted && g.expires == 0);
	assert_int_equal(g.signer, SIGNER_REVOKED);
	assert_true(g.agreements[0].has_terms && g.agreements[0].terms[2] == 3);
	assert_false(g.agreements[1].has_terms);
	assert_true(g.has_only_to && g.only_to.count == 0); /* present and empty: nobody */
	assert_true(bytes_is(g.sources[0].id, one) && bytes_is(g.sources[1].via, one));
	assert_null(g.sources[0].via.data);
	assert_null(g.sources[1].agreement.data); /* absent stays absent */
	assert_true(bytes_is(g.approvals[0].what.subject, one) && g.approvals[0].approve);
	assert_true(bytes_is(g.opened[0].what.subject, "flash-review"));
	assert_int_equal(g.opened[1].what.subject.len, 0);
	assert_true(g.later && bytes_is(g.before[0].agreements.items[0], "KEN"));
	assert_true(bytes_is(g.portions[0].labels[0].categories[0].values.items[1], "NOR"));
	assert_true(g.has_backfill && g.backfill.asked && g.backfill.agreements.count == 2);
	assert_true(bytes_is(g.backfill.recipient, "KEN"));
	assert_true(facts_encode(&g, salt, &a, &again, &e));
	assert_true(bytes_equal(bytes, again));
}

static void
facts_that_end_early_or_late_are_malformed(void **state)
{
	(void)state;
	SCOPED(arena_done) struct arena a;
	struct facts f = whole(), g;
	struct bytes bytes;
	struct err e;
	arena_init(&a, ROOM);
	assert_true(facts_encode(&f, salt, &a, &bytes, &e));
	unsigned whole_again = 0;
	for (size_t n = 0; n < bytes.len; n++) {
		SCOPED(arena_done) struct arena b;
		arena_init(&b, ROOM);
		if (facts_decode(bytes_from(bytes.data, n), &b, &g, &e))
			whole_again++; /* cut between two fields */
		else
			assert_int_equal(e.code, ERR_MALFORMED);
	}
	assert_true(whole_again < 20);
	uint8_t *longer = arena_zalloc(&a, 1, bytes.len + 2);
	memcpy(longer, bytes.data, bytes.len);
	assert_false(facts_decode(bytes_from(longer, bytes.len + 2), &a, &g, &e));
}

static void
what_facts_may_not_say_is_refused(void **state)
{
	(void)state;
	SCOPED(arena_done) struct arena a;
	struct bytes out;
	struct err e;
	arena_init(&a, ROOM);
	struct facts f = whole();
	f.precedence = (enum precedence)0;
	assert_false(facts_encode(&f, salt, &a, &out, &e));
	assert_string_equal(e.text, "facts: precedence: 0 is none of its values");
	f = whole();
	f.signer = (enum signer_state)3;
	assert_false(facts_encode(&f, salt, &a, &out, &e));
	f = whole();
	struct fact_source s = { .id = bytes_of("S1") };
	f.sources = &s;
	f.source_count = 1;
	assert_false(facts_encode(&f, salt, &a, &out, &e));
	assert_string_equal(e.text, "facts: sources[0]: a source id that is no UUID");
	f = whole();
	f.topic = bytes_from("a\0b", 3);
	assert_false(facts_encode(&f, salt, &a, &out, &e));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(facts_come_back_as_they_were),
		cmocka_unit_test(facts_that_end_early_or_late_are_malformed),
		cmocka_unit_test(what_facts_may_not_say_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

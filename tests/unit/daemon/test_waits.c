/* What a hold waits for: as it is kept, what approvers call it, and the notes by which they find
 * it. */
#include "tests/lib/test.h"

#include "daemon/batch.h"
#include "daemon/waits.h"
#include "tests/lib/store_rig.h"

enum { RECIPIENT = 9, DECISION = 40 };

static const uint8_t secret[32] = { 7 };

static struct wait
named(struct obligation what, const char *recipient, uint32_t portion)
{
	struct sha256 h = { 0 };
	struct err e = { 0 };
	struct wait w = { .portion = portion, .what = what, .deadline_us = 1000 + portion };
	const struct wait_of v = { secret, bytes_of(recipient), &w.what };
	assert_true(sha256_init(&h, &e));
	assert_true(wait_name(&h, &v, w.name, &e));
	sha256_done(&h);
	return w;
}

#define WHAT(kind, agreement, subject, approver) \
	((struct obligation){ kind, bytes_of(agreement), bytes_of(subject), bytes_of(approver) })
#define REVIEW(subject) WHAT(OBLIGATION_REVIEW, "atlas", subject, "GBR")
#define SOURCE "019e7b54-9000-73d8-8ce7-e585471967e1"

static bool
same_name(struct wait a, struct wait b)
{
	return memcmp(a.name, b.name, WAIT_NAME_BYTES) == 0;
}

static void
one_question_has_one_name_and_no_two_have_the_same(void **state)
{
	(void)state;
	const struct wait review = named(REVIEW("r"), "NOR", 0);
	assert_true(same_name(review, named(REVIEW("r"), "NOR", 5)));
	assert_false(same_name(review, named(REVIEW("s"), "NOR", 0)));
	assert_false(same_name(review, named(REVIEW("r"), "KEN", 0)));
	assert_false(
	    same_name(review, named(WHAT(OBLIGATION_REVIEW, "atlas", "r", "KEN"), "NOR", 0)));
	assert_false(
	    same_name(review, named(WHAT(OBLIGATION_REVIEW, "nordic", "r", "GBR"), "NOR", 0)));
	assert_false(
	    same_name(review, named(WHAT(OBLIGATION_SIGNER, "atlas", "r", "GBR"), "NOR", 0)));
	/* fields do not run into each other */
	assert_false(same_name(named(WHAT(OBLIGATION_REVIEW, "a", "bc", "GBR"), "NOR", 0),
	    named(WHAT(OBLIGATION_REVIEW, "ab", "c", "GBR"), "NOR", 0)));
	/* an agreement is not told of a consent: under all of them it is one question */
	assert_true(same_name(named(WHAT(OBLIGATION_CONSENT, "atlas", SOURCE, "NOR"), "KEN", 0),
	    named(WHAT(OBLIGATION_CONSENT, "nordic", SOURCE, "NOR"), "KEN", 1)));
}

static size_t
three(struct wait out[3])
{
	out[0] = named(WHAT(OBLIGATION_CONSENT, "atlas", SOURCE, "NOR"), "KEN", 2);
	out[0].indirect = true;
	out[1] = named(REVIEW("r"), "KEN", 255);
	out[2] = named(REVIEW("r"), "KEN", 0);
	return 3;
}

static void
what_is_written_comes_back_by_name_and_portion(void **state)
{
	SCOPED(arena_done) struct arena a;
	struct wait w[3];
	struct waits got;
	struct bytes part;
	struct err e = { 0 };
	(void)state;
	arena_init(&a, 1 << 20);
	size_t n = three(w);
	assert_true(waits_write(&a, w, n, &part, &e));
	assert_true(waits_read(part, &a, &got, &e));
	assert_int_equal(got.count, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct wait *x = &got.items[i];
		assert_memory_equal(x->name, w[i].name, WAIT_NAME_BYTES);
		assert_int_equal(x->portion, w[i].portion);
		assert_int_equal(x->what.kind, w[i].what.kind);
		assert_int_equal(x->deadline_us, w[i].deadline_us);
		assert_int_equal(x->indirect, w[i].indirect);
		assert_true(bytes_equal(x->what.subject, w[i].what.subject));
		assert_true(bytes_equal(x->what.approver, w[i].what.approver));
		assert_true(bytes_equal(x->what.agreement, w[i].what.agreement));
		assert_true(i == 0 || memcmp(x[-1].name, x->name, WAIT_NAME_BYTES) <= 0);
	}
	/* nobody is asked: a hold by a suspension */
	assert_true(waits_write(&a, w, 0, &part, &e));
	assert_int_equal(part.len, 1);
	assert_true(waits_read(part, &a, &got, &e));
	assert_int_equal(got.count, 0);
}

static void
a_part_that_is_cut_short_or_has_more_is_corrupt(void **state)
{
	SCOPED(arena_done) struct arena a;
	struct wait w[3];
	struct waits got;
	struct bytes part;
	struct err e = { 0 };
	uint8_t longer[1024];
	(void)state;
	arena_init(&a, 1 << 20);
	size_t n = three(w), whole = 1;
	assert_true(waits_write(&a, w, n, &part, &e));
	assert_true(part.len < sizeof(longer));
	for (size_t len = 0; len < part.len; len++) {
		size_t ends = 1; /* where one ends the list might */
		for (size_t i = 0; i < n && ends < len; i++)
			ends += 28 + 6 + w[i].what.agreement.len + w[i].what.subject.len +
				w[i].what.approver.len;
		bool ok = waits_read(bytes_from(part.data, len), &a, &got, &e);
		assert_int_equal(ok, len > 0 && ends == len);
		assert_true(ok || e.code == ERR_CORRUPT);
		whole += ok;
	}
	assert_int_equal(whole, 4);
	memcpy(longer, part.data, part.len);
	longer[part.len] = 0;
	assert_false(waits_read(bytes_from(longer, part.len + 1), &a, &got, &e));
	longer[0] = 2; /* another layout */
	assert_false(waits_read(bytes_from(longer, part.len), &a, &got, &e));
	longer[0] = 1;
	longer[19] = 4; /* a kind that there is not */
	assert_false(waits_read(bytes_from(longer, part.len), &a, &got, &e));
}

/* ---- in the store ---- */

static size_t
notes(struct store_rig *r, const char *approver)
{
	struct store_note page[8];
	size_t count = 8;
	uint32_t id = 0;
	bool found = false;
	char root[HOLD_NOTE_ROOM];
	struct store_view *v = store_rig_look(r);
	OK(r, store_find_name(v, STORE_NAME_PARTY, bytes_of(approver), &id, &found, &r->e));
	if (!found)
		return 0;
	hold_note_root(id, root);
	OK(r, store_read_notes(v, bytes_of(root), page, &count, &r->e));
	for (size_t i = 0; i < count; i++) {
		uint8_t name[WAIT_NAME_BYTES];
		char again[HOLD_NOTE_ROOM];
		struct store_held h;
		assert_true(hold_note_split(page[i].name, name));
		hold_note_name(id, name, again);
		assert_true(bytes_is(page[i].name, again));
		OK(r, hold_note_read(page[i].value, &h, &r->e));
		assert_int_equal(h.party, RECIPIENT);
		assert_int_equal(h.decision, DECISION);
	}
	return count;
}

static void
each_approver_finds_its_questions_as_long_as_the_hold_lasts(void **state)
{
	struct store_rig *r = *state;
	struct ledger ledger = { .store = r->store };
	struct committer c = { .ledger = &ledger };
	struct store_held h = {
		.deadline_us = 5, .decision = DECISION, .intake = 1, .party = RECIPIENT
	};
	struct wait w[3];
	struct bytes part;
	arena_init(&ledger.scratch, 1 << 20);
	size_t n = three(w);
	assert_true(waits_write(&ledger.scratch, w, n, &part, &r->e));
	BEGIN(r);
	OK(r, store_put_part(r->store, DECISION, JOB_PART_WAITS, part, &r->e));
	OK(r, apply_hold_put(&c, &h, part, &r->e));
	COMMIT(r);
	assert_int_equal(notes(r, "NOR"), 1);
	assert_int_equal(notes(r, "GBR"), 1); /* two portions, one question */
	assert_int_equal(notes(r, "KEN"), 0);
	BEGIN(r);
	OK(r, apply_hold_drop(&c, h.deadline_us, DECISION, &r->e));
	COMMIT(r);
	assert_int_equal(notes(r, "NOR") + notes(r, "GBR"), 0);
	struct store_held left;
	size_t count = 1;
	OK(r, store_read_holds(store_rig_look(r), NULL, &left, &count, &r->e));
	assert_int_equal(count, 0);
	/* that of a build that kept no such part */
	BEGIN(r);
	OK(r, store_put_hold(r->store, &h, &r->e));
	OK(r, apply_hold_drop(&c, h.deadline_us, DECISION + 1, &r->e));
	COMMIT(r);
	arena_done(&ledger.scratch);
}

static void
a_note_that_is_none_is_corrupt(void **state)
{
	uint8_t row[HOLD_NOTE_BYTES + 1] = { 0 }, name[WAIT_NAME_BYTES];
	struct store_held h;
	struct err e = { 0 };
	(void)state;
	assert_true(hold_note_read(bytes_from(row, HOLD_NOTE_BYTES), &h, &e));
	assert_false(hold_note_read(bytes_from(row, HOLD_NOTE_BYTES + 1), &h, &e));
	assert_false(hold_note_read(bytes_from(row, HOLD_NOTE_BYTES - 1), &h, &e));
	assert_false(hold_note_split(bytes_of("hold.1/00112233445566778899aabbccddeefg"), name));
	assert_false(hold_note_split(bytes_of("hold.1/00"), name));
	assert_true(hold_note_split(bytes_of("hold.1/00112233445566778899aabbccddeeff"), name));
	assert_int_equal(name[15], 0xff);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_question_has_one_name_and_no_two_have_the_same),
		cmocka_unit_test(what_is_written_comes_back_by_name_and_portion),
		cmocka_unit_test(a_part_that_is_cut_short_or_has_more_is_corrupt),
		STORE_TEST(each_approver_finds_its_questions_as_long_as_the_hold_lasts),
		cmocka_unit_test(a_note_that_is_none_is_corrupt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What happened one by one in a log: holds and their ends, what was stopped, what changed. */
#include "tests/lib/test.h"

#include "audit/verify_story.h"
#include "tests/unit/audit/verify_rig.h"

struct told { /* begins with the rig, which is what the verifier's callbacks get */
	struct rig rig;
	struct arena a;
	struct story story;
};

static void
tell(void *ctx, const struct verify_record *r)
{
	struct told *t = ctx;
	story_record(&t->story, r);
}

static int
begin(void **state)
{
	void *rig;
	struct told *t = calloc(1, sizeof(*t));
	assert_non_null(t);
	assert_int_equal(setup(&rig), 0);
	t->rig = *(struct rig *)rig;
	free(rig);
	t->rig.trust.seen = t->rig.seen;
	t->rig.ask.trust = &t->rig.trust;
	t->rig.ask.ctx = t;
	t->rig.ask.on_record = tell;
	arena_init(&t->a, (size_t)1 << 30);
	*state = t;
	return 0;
}

static int
end(void **state)
{
	struct told *t = *state;
	arena_done(&t->a);
	return teardown(state);
}

static const struct story *
story_of(struct told *t)
{
	arena_reset(&t->a, (size_t)1 << 30);
	story_init(&t->story, &t->a);
	small_bundle(t->rig.s, "", 0);
	verify(&t->rig);
	assert_true(t->rig.result.walked);
	assert_false(t->story.dry);
	return &t->story;
}

/* Another report that is decided so for NOR; the decision. */
static uint64_t
decide(struct small *s, int id, enum outcome outcome, const char *reasons)
{
	memset(s->id, id, sizeof(s->id));
	small_report(s);
	struct small_decision d = { EVENT_DECISION, "NOR", outcome, reasons,
		outcome == OUTCOME_RELEASE ? 3u : 0, small_intake(s), NULL };
	return small_decide(s, &d);
}

static uint64_t
narrow(struct small *s, uint64_t link, enum outcome outcome, const char *reasons, const char *place)
{
	struct small_decision d = { EVENT_NARROWED, "NOR", outcome, reasons,
		outcome == OUTCOME_REDACT ? 1u : 0, link, place };
	return small_decide(s, &d);
}

static void
a_hold_ends_with_what_is_decided_next(void **state)
{
	struct told *t = *state;
	struct small *s = t->rig.s;
	small_usual(s);
	uint64_t held = decide(s, 0x11, OUTCOME_HOLD, SMALL_HOLD);
	s->now += 5000000;
	uint64_t over = narrow(s, held, OUTCOME_WITHHOLD, SMALL_WITHHOLD, NULL);
	const struct story *x = story_of(t);
	assert_int_equal(x->hold_count, 1);
	const struct story_hold *h = x->holds;
	assert_true(h->ended);
	assert_int_equal(h->record, held);
	assert_int_equal(h->end_record, over);
	assert_true(h->end_us - h->since_us >= 5000000);
	assert_int_equal(h->by, EVENT_NARROWED);
	assert_int_equal(h->outcome, OUTCOME_WITHHOLD);
	assert_true(h->reason.len > 0);
	assert_true(bytes_is(h->recipient, "NOR") && bytes_is(h->publisher, "GBR"));
}

static void
a_hold_that_expires_ends_and_one_that_waits_does_not(void **state)
{
	struct told *t = *state;
	struct small *s = t->rig.s;
	small_usual(s);
	uint64_t held = decide(s, 0x11, OUTCOME_HOLD, SMALL_HOLD);
	s->now = s->expires + 1;
	(void)small_expire(s, "NOR", held, NULL);
	(void)decide(s, 0x22, OUTCOME_HOLD, SMALL_HOLD);
	const struct story *x = story_of(t);
	assert_int_equal(x->hold_count, 2);
	assert_int_equal(x->holds->by, EVENT_EXPIRE);
	assert_int_equal(x->holds->outcome, 0);
	assert_false(x->holds->next->ended);
	assert_int_equal(x->stop_count, 1);
	assert_int_equal(x->stops->type, EVENT_EXPIRE);
}

static void
what_is_narrowed_says_whether_it_had_been_delivered(void **state)
{
	struct told *t = *state;
	struct small *s = t->rig.s;
	small_usual(s);
	uint64_t first = decide(s, 0x11, OUTCOME_RELEASE, SMALL_RELEASE);
	(void)small_deliver(s, "NOR", first, 3);
	(void)narrow(s, first, OUTCOME_REDACT, SMALL_REDACT, "NOR");
	uint64_t second = decide(s, 0x22, OUTCOME_RELEASE, SMALL_RELEASE);
	(void)narrow(s, second, OUTCOME_WITHHOLD, SMALL_WITHHOLD, NULL);
	const struct story *x = story_of(t);
	assert_int_equal(x->hold_count, 0);
	assert_int_equal(x->stop_count, 2);
	assert_true(x->stops->delivered);
	assert_int_equal(x->stops->outcome, OUTCOME_REDACT);
	assert_false(x->stops->next->delivered);
	assert_true(x->stops->next->what.len > 0);
}

static void
agreements_that_say_alike_are_told_once_with_all_parties(void **state)
{
	struct told *t = *state;
	struct small *s = t->rig.s;
	small_start(s);
	(void)small_agreement(s, "NOR");
	(void)small_agreement(s, "KEN");
	small_policy(s, "policy\n");
	(void)small_agreement(s, "GBR");
	const struct story *x = story_of(t);
	assert_int_equal(x->change_count, 4);
	const struct story_change *c = x->changes;
	assert_int_equal(c->type, EVENT_START);
	c = c->next;
	assert_int_equal(c->type, EVENT_AGREEMENT);
	assert_true(bytes_is(c->name, "atlas") && bytes_is(c->parties, "NOR, KEN"));
	assert_int_equal(c->told, 2);
	c = c->next;
	assert_int_equal(c->type, EVENT_POLICY);
	assert_int_equal(c->name.len, 64);
	assert_true(bytes_is(c->next->parties, "GBR"));
}

static void
without_memory_nothing_counts(void **state)
{
	struct told *t = *state;
	small_usual(t->rig.s);
	(void)decide(t->rig.s, 0x11, OUTCOME_HOLD, SMALL_HOLD);
	arena_reset(&t->a, 0);
	story_init(&t->story, &t->a);
	small_bundle(t->rig.s, "", 0);
	verify(&t->rig);
	assert_true(t->story.dry);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_hold_ends_with_what_is_decided_next),
		TEST(a_hold_that_expires_ends_and_one_that_waits_does_not),
		TEST(what_is_narrowed_says_whether_it_had_been_delivered),
		TEST(agreements_that_say_alike_are_told_once_with_all_parties),
		TEST(without_memory_nothing_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Classes of topics: every topic that the agreement covers has one, and it alone matches the same
 * patterns. */
#include "tests/unit/policy/policy_rig.h"

#include "policy/rules.h"
#include "policy/topics.h"

enum { RULES = 4, OWN = 3 };

struct world {
	struct bytes topics[OWN];
	struct condition conditions[RULES];
	struct rule rules[RULES];
	struct agreement agreement;
};

static uint32_t
roll(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 16) % below;
}

/* A pattern, or with 'topic' a topic, of few tokens, so that many meet. */
static struct bytes
make(struct rig *r, uint32_t *seed, bool topic)
{
	static const char *const words[] = { "a", "b", "any0", "*", ">" };
	size_t count = 1 + roll(seed, 4);
	const char *text = "";
	for (size_t i = 0; i < count; i++) {
		uint32_t w = roll(seed, topic ? 3 : i + 1 == count ? 5 : 4);
		text = arena_printf(&r->arena, "%s%s%s", text, i == 0 ? "" : ".", words[w]);
	}
	return bytes_of(text);
}

static void
build(struct rig *r, uint32_t *seed, struct world *w)
{
	*w = (struct world){ 0 };
	for (size_t i = 0; i < OWN; i++)
		w->topics[i] = make(r, seed, false);
	for (size_t i = 0; i < RULES; i++) {
		w->conditions[i] =
		    (struct condition){ .kind = CONDITION_TOPIC, .pattern = make(r, seed, false) };
		w->rules[i].conditions = &w->conditions[i];
		w->rules[i].condition_count = 1;
	}
	w->agreement.name = bytes_of("x");
	w->agreement.topics = (struct names){ w->topics, 1 + roll(seed, OWN) };
	w->agreement.rules = w->rules;
	w->agreement.rule_count = RULES;
}

static bool
alike(const struct world *w, struct bytes x, struct bytes y)
{
	for (size_t i = 0; i < w->agreement.topics.count; i++)
		if (topic_matches(w->topics[i], x) != topic_matches(w->topics[i], y))
			return false;
	for (size_t i = 0; i < RULES; i++)
		if (topic_matches(w->conditions[i].pattern, x) !=
		    topic_matches(w->conditions[i].pattern, y))
			return false;
	return true;
}

static void
every_topic_is_like_the_witness_of_one_class(void **state)
{
	struct rig r;
	uint32_t seed = 7;
	size_t covered = 0;
	(void)state;
	rig_init(&r);
	for (size_t round = 0; round < 300; round++) {
		struct world w;
		const struct topic_class *list;
		size_t count;
		struct err e = { 0 };
		const struct agreement *of = &w.agreement;
		build(&r, &seed, &w);
		assert_true(topics_classes(&r.arena, &of, 1, &list, &count, &e));
		for (size_t i = 0; i < 40; i++) {
			struct bytes topic = make(&r, &seed, true);
			size_t like = 0;
			for (size_t k = 0; k < count; k++)
				if (alike(&w, topic, list[k].witness)) {
					like++;
					assert_true(topic_matches(list[k].pattern, topic));
				}
			assert_int_equal(like, agreement_covers(&w.agreement, topic) ? 1 : 0);
			covered += like;
		}
		for (size_t k = 0; k < count; k++) {
			assert_true(topic_matches(list[k].pattern, list[k].witness));
			assert_true(agreement_covers(&w.agreement, list[k].witness));
		}
	}
	assert_true(covered > 1000);
	rig_done(&r);
}

static void
too_many_patterns_are_refused(void **state)
{
	struct rig r;
	struct bytes topics[TOPICS_PATTERNS + 1];
	struct agreement a = { .name = bytes_of("x"), .topics = { topics, TOPICS_PATTERNS } };
	const struct agreement *of = &a;
	const struct topic_class *list;
	size_t count;
	struct err e = { 0 };
	(void)state;
	rig_init(&r);
	for (size_t i = 0; i <= TOPICS_PATTERNS; i++)
		topics[i] = bytes_of(arena_printf(&r.arena, "t%zu", i));
	assert_true(topics_classes(&r.arena, &of, 1, &list, &count, &e));
	assert_int_equal(count, TOPICS_PATTERNS);
	a.topics.count++;
	assert_false(topics_classes(&r.arena, &of, 1, &list, &count, &e));
	assert_int_equal(e.code, ERR_LIMIT);
	assert_non_null(strstr(e.text, "the topics of agreement 'x' fall into too many classes"));
	rig_done(&r);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_topic_is_like_the_witness_of_one_class),
		cmocka_unit_test(too_many_patterns_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/lib/test.h"

#include <event2/event.h>

#include "daemon/expiry.h"
#include "daemon/log.h"
#include "tests/lib/world.h"

static struct world w;
static struct ruleset rules, *in_force = &rules;
static struct wall wall;
static struct event_base *base;
static struct expiry *x;
static char said[8192];

static void
listen_in(const char *line, size_t len)
{
	size_t used = strlen(said);
	(void)snprintf(said + used, sizeof(said) - used, "%.*s", (int)len, line);
}

static int
begin(void **state)
{
	struct err e = { 0 };
	(void)state;
	said[0] = '\0';
	log_test_seams(NULL, listen_in);
	world_make(&w);
	rules.trust = world_trust(&w);
	wall_init(&wall, 0);
	base = event_base_new();
	return expiry_new(&(struct expiry_setup){ base, &wall, &in_force }, &x, &e) ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	expiry_free(x);
	event_base_free(base);
	trust_unref(rules.trust);
	world_done(&w);
	return 0;
}

static unsigned
told(int64_t now)
{
	unsigned lines = 0;
	said[0] = '\0';
	expiry_look(x, now);
	for (const char *c = said; (c = strstr(c, "trust.ends")) != NULL; c++)
		lines++;
	return lines;
}

static void
the_brokers_certificate_is_told_at_30_7_and_1_days_and_when_it_has_ended(void **state)
{
	(void)state;
	int64_t ends = trust_hub_not_after(rules.trust);
	assert_int_equal(told(ends - 30 * WORLD_DAY - 1), 0);
	assert_int_equal(told(ends - 30 * WORLD_DAY), 1);
	assert_non_null(strstr(said, "warn"));
	assert_non_null(strstr(said, "what=\"the broker's certificate\" party=HUB days=30"));
	assert_int_equal(told(ends - 30 * WORLD_DAY + 3600), 0);
	assert_int_equal(told(ends - 7 * WORLD_DAY - 1), 0);
	assert_int_equal(told(ends - 7 * WORLD_DAY), 1);
	assert_int_equal(told(ends - WORLD_DAY), 1);
	assert_non_null(strstr(said, "error"));
	assert_int_equal(told(ends - 1), 0);
	assert_int_equal(told(ends), 1);
	assert_non_null(strstr(said, "replace it and reload"));
	assert_int_equal(told(ends + WORLD_DAY), 0);
}

static void
new_rules_are_told_again(void **state)
{
	(void)state;
	int64_t ends = trust_hub_not_after(rules.trust);
	assert_int_equal(told(ends - WORLD_DAY), 1);
	assert_int_equal(told(ends - WORLD_DAY), 0);
	struct trust *was = rules.trust;
	rules.trust = world_trust(&w);
	assert_int_equal(told(ends - WORLD_DAY), 1);
	trust_unref(was);
	expiry_begin(NULL);
}

static void
each_party_has_its_bundle(void **state)
{
	struct trust_end at;
	size_t count = 0;
	(void)state;
	for (; trust_end_at(rules.trust, count, &at); count++)
		if (count > 0)
			assert_string_equal(at.what, "a CA certificate");
	assert_int_equal(count, 1 + w.setup.party_count);
	assert_true(at.at > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    the_brokers_certificate_is_told_at_30_7_and_1_days_and_when_it_has_ended, begin,
		    end),
		cmocka_unit_test_setup_teardown(new_rules_are_told_again, begin, end),
		cmocka_unit_test_setup_teardown(each_party_has_its_bundle, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

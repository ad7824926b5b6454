#include "tests/lib/test.h"

#include <event2/event.h>

#include "daemon/ends.h"
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
again(void)
{
	trust_unref(rules.trust);
	rules.trust = world_trust(&w);
}

static void
without_lists(void)
{
	w.parties[WORLD_GBR].crl_count = 0;
	again();
}

static void
the_brokers_certificate_is_told_at_30_7_and_1_days_and_when_it_has_ended(void **state)
{
	(void)state;
	without_lists();
	int64_t ends = trust_hub_not_after(rules.trust);
	assert_int_equal(told(ends - 30 * WORLD_DAY - 1), 0);
	assert_int_equal(told(ends - 30 * WORLD_DAY), 1);
	assert_non_null(strstr(said, "warn"));
	assert_non_null(strstr(said, "what=\"the broker's certificate\" party=HUB sha256="));
	assert_non_null(strstr(said, " days=30 hours=0 "));
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
	without_lists();
	int64_t ends = trust_hub_not_after(rules.trust);
	assert_int_equal(told(ends - WORLD_DAY), 1);
	assert_int_equal(told(ends - WORLD_DAY), 0);
	struct trust *was = rules.trust;
	rules.trust = world_trust(&w);
	assert_int_equal(told(ends - WORLD_DAY), 1);
	trust_unref(was);
	expiry_begin(NULL);
}

static size_t
ends_of(enum trust_end_kind kind, const char *party)
{
	struct trust_ends at = { 0 };
	struct trust_end end;
	size_t count = 0;
	while (trust_end_next(rules.trust, &at, &end))
		count += end.kind == kind && (party == NULL || strcmp(end.party, party) == 0);
	return count;
}

static void
each_certificate_of_each_bundle_is_there(void **state)
{
	(void)state;
	assert_int_equal(ends_of(TRUST_END_CA, NULL), w.setup.party_count);
	struct mint_spec spec = { "GBR intermediate", NULL, 0, MINT_AUTHORITY,
		WORLD_NOW - WORLD_DAY, WORLD_NOW + 40 * WORLD_DAY };
	struct world_id between = world_issue_spec(&w.ca[WORLD_GBR], &spec, mint_p256());
	w.parties[WORLD_GBR].bundle =
	    world_pem_join(&w, w.parties[WORLD_GBR].bundle, world_pem_cert(&w, between.cert));
	again();
	assert_int_equal(ends_of(TRUST_END_CA, "GBR"), 2);
	assert_int_equal(expiry_next(x, TRUST_END_CA), WORLD_NOW + 40 * WORLD_DAY);
	assert_int_equal(
	    told(WORLD_NOW + 10 * WORLD_DAY - 1), 2); /* the broker's; and GBR's list */
	assert_int_equal(told(WORLD_NOW + 10 * WORLD_DAY), 1);
	assert_non_null(strstr(said, "what=\"a CA certificate\" party=GBR sha256="));
	/* the other one of the bundle ends later, and is not silent because this one ended */
	(void)told(WORLD_NOW + 40 * WORLD_DAY);
	assert_int_equal(told(WORLD_NOW + 70 * WORLD_DAY), 3);
	world_id_done(&between);
}

static void
a_list_is_told_in_the_last_quarter_of_its_time_and_when_it_is_over(void **state)
{
	(void)state;
	int64_t made = WORLD_NOW - WORLD_DAY / 2, ends = made + WORLD_DAY;
	assert_int_equal(expiry_next(x, TRUST_END_LIST), ends);
	(void)told(WORLD_NOW); /* the broker's certificate, 20 days ahead */
	assert_int_equal(told(ends - WORLD_DAY / 4 - 1), 0);
	assert_int_equal(told(ends - WORLD_DAY / 4), 1);
	assert_non_null(
	    strstr(said, "what=\"a revocation list\" party=GBR sha256=- days=0 hours=6"));
	assert_non_null(strstr(said, "put a newer one there"));
	assert_int_equal(told(ends - 1), 0);
	assert_int_equal(told(ends), 1);
	assert_non_null(strstr(said, "the party is shut out"));
}

static void
a_long_list_is_told_by_days(void **state)
{
	(void)state;
	w.setup.crl_max_age_s = 200 * WORLD_DAY;
	w.crls[0] = world_pem_crl(
	    &w, &w.ca[WORLD_GBR], NULL, WORLD_NOW - WORLD_DAY, WORLD_NOW + 199 * WORLD_DAY);
	again();
	int64_t ends = WORLD_NOW + 199 * WORLD_DAY;
	assert_int_equal(expiry_next(x, TRUST_END_LIST), ends);
	(void)told(ends - 30 * WORLD_DAY - 1);
	assert_int_equal(told(ends - 30 * WORLD_DAY), 1);
	assert_int_equal(told(ends - 7 * WORLD_DAY), 1);
	assert_int_equal(told(ends - WORLD_DAY), 1);
}

static void
a_party_that_is_shut_out_has_no_end_and_none_without_lists(void **state)
{
	(void)state;
	assert_int_equal(ends_of(TRUST_END_LIST, "NOR"), 0);
	w.parties[WORLD_GBR].unusable = bytes_of("gone");
	again();
	assert_int_equal(ends_of(TRUST_END_CA, "GBR") + ends_of(TRUST_END_LIST, NULL), 0);
	assert_true(expiry_next(x, TRUST_END_LIST) == INT64_MAX);
}

static void
stages_have_their_edges(void **state)
{
	(void)state;
	static const struct {
		int64_t began, left;
		enum ends_stage stage;
	} rows[] = {
		{ INT64_MIN, 30 * ENDS_DAY_S + 1, ENDS_FAR },
		{ INT64_MIN, 30 * ENDS_DAY_S, ENDS_MONTH },
		{ INT64_MIN, 7 * ENDS_DAY_S + 1, ENDS_MONTH },
		{ INT64_MIN, 7 * ENDS_DAY_S, ENDS_WEEK },
		{ INT64_MIN, ENDS_DAY_S + 1, ENDS_WEEK },
		{ INT64_MIN, ENDS_DAY_S, ENDS_DAY },
		{ INT64_MIN, 1, ENDS_DAY },
		{ INT64_MIN, 0, ENDS_PAST },
		{ WORLD_NOW - 3600, 901, ENDS_FAR },
		{ WORLD_NOW - 3600, 900, ENDS_DAY },
		{ WORLD_NOW - 3600, 0, ENDS_PAST },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t now = WORLD_NOW - rows[i].left;
		assert_int_equal(ends_stage(rows[i].began, WORLD_NOW, now), rows[i].stage);
	}
}

#define BEGAN (WORLD_NOW - WORLD_DAY)

/* The end of what the agent's party must replace for it, not of what it shares with all others. */
static void
a_peers_own_end_is_that_of_leaf_and_intermediates_and_not_of_the_anchor(void **state)
{
	static const int days[][3] = { /* of the intermediate and the leaf, and what is its own */
		{ 40, 50, 40 }, { 50, 40, 40 }, { 200, 150, 150 }
	};
	(void)state;
	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
		struct mint_spec spec = { "NOR intermediate", NULL, 0, MINT_AUTHORITY, BEGAN,
			WORLD_NOW + days[i][0] * WORLD_DAY };
		struct world_id between = world_issue_spec(&w.ca[WORLD_NOR], &spec, mint_p256());
		struct world_id leaf = world_issue(&between, "spiffe://nor.example/fusion-desk",
		    MINT_CLIENT, BEGAN, WORLD_NOW + days[i][1] * WORLD_DAY);
		STACK_OF(X509) *others = sk_X509_new_null();
		struct trust_peer *p = NULL;
		struct trust_refusal why;
		assert_int_equal(sk_X509_push(others, between.cert), 1);
		if (!trust_admit(rules.trust, leaf.cert, others, &p, &why))
			fail_msg("%s", why.why);
		assert_int_equal(p->own_after, WORLD_NOW + days[i][2] * WORLD_DAY);
		assert_int_equal(p->began, BEGAN);
		again();
		assert_true(trust_still_allowed(rules.trust, p, &why));
		assert_int_equal(p->own_after, WORLD_NOW + days[i][2] * WORLD_DAY);
		trust_peer_free(p);
		sk_X509_free(others);
		world_id_done(&leaf);
		world_id_done(&between);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    the_brokers_certificate_is_told_at_30_7_and_1_days_and_when_it_has_ended, begin,
		    end),
		cmocka_unit_test_setup_teardown(new_rules_are_told_again, begin, end),
		cmocka_unit_test_setup_teardown(
		    each_certificate_of_each_bundle_is_there, begin, end),
		cmocka_unit_test_setup_teardown(
		    a_list_is_told_in_the_last_quarter_of_its_time_and_when_it_is_over, begin, end),
		cmocka_unit_test_setup_teardown(a_long_list_is_told_by_days, begin, end),
		cmocka_unit_test_setup_teardown(
		    a_party_that_is_shut_out_has_no_end_and_none_without_lists, begin, end),
		cmocka_unit_test_setup_teardown(
		    a_peers_own_end_is_that_of_leaf_and_intermediates_and_not_of_the_anchor, begin,
		    end),
		cmocka_unit_test(stages_have_their_edges),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/lib/test.h"

#include "audit/quorum.h"
#include "tests/unit/audit/golden.h"

struct rig {
	struct sha256 h;
	struct arena a;
	char vkeys[QUORUM_WITNESSES_MAX + 1][NOTE_VKEY_MAX]; /* of witnesses */
	char log[NOTE_VKEY_MAX];
	struct quorum q;
};

static void
make_key(struct rig *g, const char *seed, uint8_t type, char out[NOTE_VKEY_MAX])
{
	EVP_PKEY *key = golden_key(&g->h, seed);
	struct note_name name = { bytes_of(seed), type };
	struct note_key k;
	assert_true(note_key_of(&g->h, &name, key, &k, NULL));
	note_key_print(&k, out);
	EVP_PKEY_free(key);
}

static int
setup(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));
	assert_true(sha256_init(&g->h, NULL));
	arena_init(&g->a, 1u << 20);
	for (size_t i = 0; i <= QUORUM_WITNESSES_MAX; i++)
		make_key(g, arena_printf(&g->a, "w%zu", i), NOTE_COSIGNATURE, g->vkeys[i]);
	make_key(g, "log/g1", NOTE_ED25519, g->log);
	*state = g;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *g = *state;
	arena_done(&g->a);
	sha256_done(&g->h);
	free(g);
	return 0;
}

/* 'n' witnesses named w0, w1.. and then 'more'. */
static struct bytes
file(struct rig *g, size_t n, const char *more)
{
	const char *text = "";
	for (size_t i = 0; i < n; i++)
		text = arena_printf(&g->a, "%switness w%zu %s\n", text, i, g->vkeys[i]);
	return bytes_of(arena_printf(&g->a, "%s%s", text, more));
}

static bool
met(struct rig *g, unsigned signers)
{
	struct note_seen seen[QUORUM_WITNESSES_MAX] = { 0 };
	for (unsigned i = 0; i < QUORUM_WITNESSES_MAX; i++)
		seen[i].verified = (signers >> i & 1) != 0;
	return quorum_met(&g->q, seen);
}

/* The sets of signers, of 2^n, that meet it. */
static unsigned
sets(struct rig *g, unsigned n, const char *more)
{
	unsigned count = 0;
	assert_true(quorum_parse(&g->h, file(g, n, more), &g->q, NULL));
	for (unsigned s = 0; s < 1u << n; s++)
		count += met(g, s);
	return count;
}

static void
a_group_counts_its_members_and_groups_of_groups_too(void **state)
{
	struct rig *g = *state;
	assert_int_equal(sets(g, 3, "quorum none\n"), 8);
	assert_int_equal(sets(g, 3, "quorum w1\n"), 4);
	assert_true(met(g, 2) && !met(g, 5));
	assert_int_equal(sets(g, 3, "group g 2 w0 w1 w2\nquorum g\n"), 4);
	assert_int_equal(sets(g, 3, "group g any w0 w1 w2\nquorum g\n"), 7);
	assert_int_equal(sets(g, 3, "group g all w0 w1 w2\nquorum g\n"), 1);
	assert_int_equal(sets(g, 3, "group g 3 w0 w1 w2\nquorum g\n"), 1);
	/* two of the first three, and one of the others */
	assert_int_equal(
	    sets(g, 6, "group x 2 w0 w1 w2\ngroup y any w3 w4 w5\ngroup z all x y\nquorum z\n"),
	    4 * 7);
	assert_true(met(g, 0x23) && !met(g, 0x07) && !met(g, 0x39));
}

static void
white_space_comments_urls_and_logs_stand_where_they_may(void **state)
{
	struct rig *g = *state;
	char *text = arena_printf(&g->a,
	    " # a comment\n\n\t\nlog %s\n \twitness  X\t%s  http://127.0.0.1:1/w \nquorum X\t\n",
	    g->log, g->vkeys[0]);
	struct note_key other = { .name = "log/g1" };
	assert_true(quorum_parse(&g->h, bytes_of(text), &g->q, NULL));
	assert_string_equal(g->q.urls[0], "http://127.0.0.1:1/w");
	assert_string_equal(g->q.names[0], "X");
	assert_true(quorum_knows(&g->q, &g->q.logs[0]) && !quorum_knows(&g->q, &other));
	assert_true(quorum_parse(&g->h, bytes_of("quorum none\n"), &g->q, NULL));
	assert_true(quorum_knows(&g->q, &other)); /* no log is named: any */
}

static void
a_file_that_is_wrong_says_where(void **state)
{
	struct rig *g = *state;
	const struct {
		const char *more, *why;
	} bad[] = {
		{ "", "there is no line 'quorum NAME'" },
		{ "quorum w0", "the last line does not end" },
		{ "quorum w0\nquorum w1\n", "line 5: a second quorum" },
		{ "quorum w9\n", "line 4: a quorum that no line before defines" },
		{ "quorum w0 w1\n", "a quorum is one name, or 'none'" },
		{ "quorum\n", "a quorum is one name, or 'none'" },
		{ "group g 2 w0\nquorum g\n", "more are needed than the group has members" },
		{ "group g 0 w0\nquorum g\n", "a number from 1" },
		{ "group g 01 w0\nquorum g\n", "a number from 1" },
		{ "group g all\nquorum g\n", "a group without members" },
		{ "group g\nquorum g\n", "line 4: a group needs a name" },
		{ "group\n", "a group needs a name" },
		{ "group g all g\nquorum g\n", "a member that no line before defines" },
		{ "group g all none\nquorum g\n", "a member that no line before defines" },
		{ "group g all w0 w0\nquorum g\n", "a member that is in a group already" },
		{ "group g any w0\ngroup f any w0\nquorum g\n", "is in a group already" },
		{ "group g any w0\ngroup f any g\ngroup e any g\n", "is in a group already" },
		{ "group w0 any w1\n", "the name is taken" },
		{ "group none any w1\n", "'none' is nobody's name" },
		{ "witness\n", "a witness needs a name and a vkey" },
		{ "witness x\n", "a vkey is missing" },
		{ "witness x y\n", "line 4: no vkey" },
		{ "log\n", "a vkey is missing" },
		{ "quora w0\n", "a line begins with log, witness, group or quorum" },
		{ "quorum w0\r\n", "a control character" },
		{ "# \x7f\n", "a control character" },
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct err e = { 0 };
		assert_false(quorum_parse(&g->h, file(g, 3, bad[i].more), &g->q, &e));
		assert_int_equal(e.code, ERR_DATA);
		if (strstr(e.text, bad[i].why) == NULL)
			fail_msg("'%s' does not say '%s'", e.text, bad[i].why);
	}
}

static void
a_key_stands_once_and_is_of_its_kind(void **state)
{
	struct rig *g = *state;
	struct err e = { 0 };
	const struct {
		const char *text, *why;
	} bad[] = {
		{ arena_printf(&g->a, "witness x %s\nquorum x\n", g->log), "type 04" },
		{ arena_printf(&g->a, "log %s\nquorum none\n", g->vkeys[0]), "type 01" },
		{ arena_printf(&g->a, "log %s\nlog %s\nquorum none\n", g->log, g->log),
		    "line 2: this key is there already" },
		{ arena_printf(
		      &g->a, "witness a %s\nwitness b %s\nquorum a\n", g->vkeys[0], g->vkeys[0]),
		    "line 2: this key is there already" },
		{ arena_printf(&g->a, "log %s u v\nquorum none\n", g->log), "more than a vkey" },
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_false(quorum_parse(&g->h, bytes_of(bad[i].text), &g->q, &e));
		if (strstr(e.text, bad[i].why) == NULL)
			fail_msg("'%s' does not say '%s'", e.text, bad[i].why);
	}
}

static void
as_many_as_the_limits_say_and_no_more(void **state)
{
	struct rig *g = *state;
	struct err e = { 0 };
	assert_true(quorum_parse(
	    &g->h, file(g, QUORUM_WITNESSES_MAX, "group g all w0 w14\nquorum g\n"), &g->q, NULL));
	assert_true(met(g, 0x4001) && !met(g, 0x4000));
	assert_false(
	    quorum_parse(&g->h, file(g, QUORUM_WITNESSES_MAX + 1, "quorum none\n"), &g->q, &e));
	assert_non_null(strstr(e.text, "line 16: more than 15 witnesses"));
	const char *groups = "";
	for (unsigned i = 0; i < QUORUM_GROUPS_MAX; i++)
		groups = arena_printf(&g->a, "%sgroup g%u any %s%u\n", groups, i,
		    i == 0 ? "w" : "g", i == 0 ? 0 : i - 1);
	assert_true(quorum_parse(
	    &g->h, file(g, 1, arena_printf(&g->a, "%squorum g31\n", groups)), &g->q, NULL));
	assert_true(met(g, 1) && !met(g, 2)); /* through all thirty-two */
	assert_false(quorum_parse(&g->h,
	    file(g, 1, arena_printf(&g->a, "%sgroup h any g31\nquorum h\n", groups)), &g->q, &e));
	assert_non_null(strstr(e.text, "more than 32 groups"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(a_group_counts_its_members_and_groups_of_groups_too),
		T(white_space_comments_urls_and_logs_stand_where_they_may),
		T(a_file_that_is_wrong_says_where),
		T(a_key_stands_once_and_is_of_its_kind),
		T(as_many_as_the_limits_say_and_no_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

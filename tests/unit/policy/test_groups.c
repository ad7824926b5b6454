/* Membership lists: who belongs to a group, when, and what is in doubt. */
#include "tests/lib/test.h"

#include "tests/unit/policy/spif_rig.h"

#define GROUPS "urn:nato:stanag:4774:spif:extensions:1:0"
#define SETS \
	TAGSET("Rel", TAG(PERMISSIVE, VALUE("ARM", "051") VALUE("AUT", "040") VALUE("FIN", "246") \
					  VALUE("KFOR", "900") VALUE("RS", "901"))) \
	TAGSET("Context", TAG(PERMISSIVE, VALUE("KFOR", "1") VALUE("ARM", "2"))) \
	TAGSET("Caveat", TAG(RESTRICTIVE, VALUE("KFOR", "1") VALUE("AUT", "40")))
#define LIST(attributes, members) "<n:membership " attributes ">\n" members "</n:membership>\n"
#define MEMBER(attributes) "<n:member " attributes "/>\n"
#define SPIF_WITH(lists) \
	SPIF_HEAD SPIF_POLICY SPIF_CLASSES \
	    "<securityCategoryTagSets>" SETS "</securityCategoryTagSets>" \
	    "<extensions><n:memberships xmlns:n='" GROUPS "'>\n" lists \
	    "</n:memberships></extensions></SPIF>"
#define KFOR_OF(members) SPIF_WITH(LIST("n:name='KFOR'", members))
#define DAY UINT64_C(86400000000)

static uint32_t
value_of(const struct vocab *v, const char *set, const char *name)
{
	uint32_t n = vocab_value(v, vocab_tagset(v, bytes_of(set)), bytes_of(name));
	assert_int_not_equal(n, VOCAB_NONE);
	return n;
}

static uint64_t
day(const char *text)
{
	uint64_t us;
	assert_true(text_to_date(bytes_of(text), &us));
	return us;
}

/* Whether whoever holds NAME of Rel belongs to KFOR there, all through 'from' to 'until'. */
static bool
belongs(const struct vocab *v, const char *name, const char *from, const char *until)
{
	struct clearance c;
	struct err e;
	assert_true(clearance_init(&spif_arena, v, &c, &e));
	(void)clearance_add_groups(&c, value_of(v, "Rel", name), day(from), day(until) + DAY);
	return vocab_has(c.values, value_of(v, "Rel", "KFOR"));
}

#define ALWAYS "1970-01-01", "9999-12-30"

/* The list makes nobody a member, and says why. */
static void
is_nobody(const char *spif, const char *why)
{
	struct text_errors l;
	struct vocab *v = NULL;
	bool found = false;
	text_errors_init(&l);
	assert_true(spif_check(&spif_arena, bytes_of("p.xml"), bytes_of(spif), &l, &v));
	for (size_t i = 0; i < l.warning_count && i < LIMIT_POLICY_ERRORS; i++)
		found = found || strcmp(l.warnings[i].text, why) == 0;
	if (!found)
		print_message("%s", text_errors_format(&l, &spif_arena));
	assert_true(found);
	assert_int_equal(v->member_count, 0);
	text_errors_done(&l);
}

static void
a_list_speaks_of_the_permissive_values_that_have_its_name(void **state)
{
	(void)state;
	const struct vocab *v = spif_ok(KFOR_OF(MEMBER("n:name='ARM' n:lacv='051'")
		MEMBER("n:name='aut'") MEMBER("name='AUT' lacv='40'")));
	assert_true(belongs(v, "ARM", ALWAYS));
	assert_true(belongs(v, "AUT", ALWAYS));
	assert_false(belongs(v, "FIN", ALWAYS));
	assert_false(belongs(v, "RS", ALWAYS));
	/* In Context the lacv of ARM is another, and AUT is no value of it: by name alone nobody
	 * is let in.  Caveat is restrictive: holding more there is no membership. */
	for (uint32_t i = 0; i < v->member_count; i++)
		assert_int_equal(v->members[i].group, value_of(v, "Rel", "KFOR"));
	assert_int_equal(v->member_count, 3);
}

static void
a_member_is_a_value_of_the_groups_own_category(void **state)
{
	(void)state;
	/* one tag set with two types is two categories */
	static const char spif[] = SPIF_HEAD SPIF_POLICY SPIF_CLASSES
	    "<securityCategoryTagSets><securityCategoryTagSet name='Rel' id='1.2.1'>"
	    "<securityCategoryTag tagType='permissive'><tagCategory name='KFOR' lacv='1'/>"
	    "<tagCategory name='ARM' lacv='2'/></securityCategoryTag>"
	    "<securityCategoryTag tagType='restrictive'><tagCategory name='AUT' lacv='3'/>"
	    "</securityCategoryTag></securityCategoryTagSet></securityCategoryTagSets>"
	    "<extensions><memberships xmlns='" GROUPS "'><membership name='KFOR'>"
	    "<member name='AUT'/><member name='ARM'/></membership></memberships></extensions>"
	    "</SPIF>";
	const struct vocab *v = spif_ok(spif);
	assert_int_equal(v->member_count, 1);
	assert_int_equal(v->members[0].value, value_of(v, "Rel", "ARM"));
}

static void
a_group_without_a_list_has_no_members(void **state)
{
	(void)state;
	const struct vocab *v = spif_ok(KFOR_OF(MEMBER("n:name='ARM'")));
	struct clearance c;
	struct err e;
	assert_true(clearance_init(&spif_arena, v, &c, &e));
	assert_int_equal(clearance_add_groups(&c, value_of(v, "Rel", "ARM"), 0, DAY).partly, 0);
	assert_false(vocab_has(c.values, value_of(v, "Rel", "RS")));
	assert_int_equal(spif_ok(SPIF_WITH(""))->member_count, 0);
	assert_int_equal(spif_shipped("atlas")->member_count, 0);
}

static void
groups_of_groups_are_not_followed(void **state)
{
	(void)state;
	const struct vocab *v = spif_ok(SPIF_WITH(LIST("n:name='RS'", MEMBER("n:name='KFOR'"))
		LIST("n:name='KFOR'", MEMBER("n:name='ARM'"))));
	struct clearance c;
	struct err e;
	assert_true(clearance_init(&spif_arena, v, &c, &e));
	(void)clearance_add_groups(&c, value_of(v, "Rel", "ARM"), 0, DAY);
	assert_true(vocab_has(c.values, value_of(v, "Rel", "KFOR")));
	assert_false(vocab_has(c.values, value_of(v, "Rel", "RS")));
}

static void
whoever_was_a_member_once_is_none(void **state)
{
	(void)state;
	const struct vocab *v =
	    spif_ok(KFOR_OF(MEMBER("n:name='FIN' n:lacv='246' n:obsolete='true'")
		    MEMBER("n:name='ARM' n:obsolete='false'")));
	assert_false(belongs(v, "FIN", ALWAYS));
	assert_true(belongs(v, "ARM", ALWAYS));
	v = spif_ok(SPIF_WITH(LIST("n:name='KFOR' n:obsolete='1'", MEMBER("n:name='ARM'"))));
	assert_int_equal(v->member_count, 0);
	is_nobody(KFOR_OF(MEMBER("n:name='ARM' n:obsolete='perhaps'")),
	    "obsolete is 'true' or 'false', not 'perhaps'; it is taken for true");
}

static void
a_membership_counts_only_if_it_covers_the_whole_time(void **state)
{
	(void)state;
	const struct vocab *v = spif_ok(
	    KFOR_OF(MEMBER("n:name='ARM' n:notBefore='2026-01-01' n:notAfter='2026-12-31'")));
	assert_true(belongs(v, "ARM", "2026-01-01", "2026-12-31"));
	assert_false(belongs(v, "ARM", "2025-12-31", "2026-12-31"));
	assert_false(belongs(v, "ARM", "2026-01-01", "2027-01-01"));
	struct clearance c;
	struct err e;
	assert_true(clearance_init(&spif_arena, v, &c, &e));
	uint32_t arm = value_of(v, "Rel", "ARM");
	uint64_t end = day("2027-01-01");
	assert_int_equal(clearance_add_groups(&c, arm, day("2026-01-01"), end).partly, 0);
	assert_int_equal(clearance_add_groups(&c, arm, day("2026-01-01"), end + 1).partly, 1);
	assert_int_equal(clearance_add_groups(&c, arm, day("2026-01-01") - 1, end).partly, 1);
}

static void
dates_of_list_and_member_both_count(void **state)
{
	(void)state;
	const struct vocab *v =
	    spif_ok(SPIF_WITH(LIST("n:name='KFOR' n:notAfter='2026-06-30T12:00:00Z'",
		MEMBER("n:name='ARM' n:notBefore='20260101000000Z' n:notAfter='2026-12-31'")
		    MEMBER("n:name='AUT' n:notAfter='2026-05-31'"))));
	assert_true(belongs(v, "ARM", "2026-01-01", "2026-06-29"));
	assert_false(belongs(v, "ARM", "2026-01-01", "2026-06-30"));
	assert_true(belongs(v, "AUT", "2026-01-01", "2026-05-31"));
	assert_false(belongs(v, "AUT", "2026-01-01", "2026-06-01"));
}

static void
what_is_in_doubt_makes_nobody_a_member(void **state)
{
	(void)state;
	is_nobody(KFOR_OF(MEMBER("n:name='ARM' n:notAfter='soon'")),
	    "notAfter is not a time: 'soon'; nobody is a member by this");
	is_nobody(KFOR_OF(MEMBER("n:name='ARM' n:until='2026-01-01'")),
	    "unknown attribute 'until'; nobody is a member by this");
	is_nobody(KFOR_OF(MEMBER("n:lacv='051'")), "a name is missing; nobody is a member by this");
	is_nobody(SPIF_WITH(LIST("", MEMBER("n:name='ARM'"))),
	    "a name is missing; nobody is a member by this");
	is_nobody(SPIF_WITH(LIST("n:name='KFOR' n:from='x'", MEMBER("n:name='ARM'"))),
	    "unknown attribute 'from'; nobody is a member by this");
	is_nobody(KFOR_OF(MEMBER("n:name='ARM'") "<n:except n:name='AUT'/>"),
	    "unknown element 'except'; nobody is a member of 'KFOR'");
	is_nobody(SPIF_WITH(LIST("n:name='KFOR'", MEMBER("n:name='ARM'"))
			  LIST("n:name='kfor'", MEMBER("n:name='AUT'"))),
	    "a second membership list 'kfor': nobody is a member by either");
	is_nobody(SPIF_WITH("<n:group n:name='KFOR'/>"), "unknown element 'group' in memberships");
	is_nobody(KFOR_OF(MEMBER("n:name='ARM' n:notBefore='2026-02-01' n:notAfter='2026-01-01'")),
	    "the membership of 'ARM' ends before it begins");
}

static void
a_linter_says_which_lists_and_members_match_nothing(void **state)
{
	(void)state;
	is_nobody(SPIF_WITH(LIST("n:name='ISAF'", MEMBER("n:name='ARM'"))),
	    "the membership list 'ISAF' matches no permissive value");
	is_nobody(KFOR_OF(MEMBER("n:name='WSM'")),
	    "member 'WSM' matches no value beside the group 'KFOR'");
	is_nobody(KFOR_OF(MEMBER("n:name='ARM' n:lacv='052'")),
	    "member 'ARM' matches no value beside the group 'KFOR'");
	is_nobody(KFOR_OF(MEMBER("n:name='WSM' n:notAfter='2026-01-01T00:00:00'")),
	    "notAfter has no time zone; it is taken for UTC");
}

static void
lists_of_another_extension_are_none(void **state)
{
	(void)state;
	assert_int_equal(spif_ok(SPIF_HEAD SPIF_POLICY SPIF_CLASSES
			     "<securityCategoryTagSets>" SETS "</securityCategoryTagSets>"
			     "<extensions><memberships><membership name='KFOR'><member name='ARM'/>"
			     "</membership></memberships></extensions></SPIF>")
			     ->member_count,
	    0);
}

static void
two_blocks_of_lists_are_refused(void **state)
{
	(void)state;
	struct text_errors l;
	struct vocab *v = NULL;
	text_errors_init(&l);
	assert_false(spif_load(&spif_arena, bytes_of("p.xml"),
	    bytes_of(SPIF_HEAD SPIF_POLICY SPIF_CLASSES
		"<extensions><m xmlns='" GROUPS "'/><memberships xmlns='" GROUPS
		"'/><memberships xmlns='" GROUPS "'/></extensions></SPIF>"),
	    &l, &v));
	assert_string_equal(l.errors[0].text, "memberships stands twice");
	text_errors_done(&l);
}

/* One list of 'count' times the same member. */
static const char *
crowd(size_t count)
{
	static const char member[] = "<n:member n:name='RS'/>";
	char *text = arena_zalloc(&spif_arena, 4096 + count * sizeof(member), 1);
	assert_non_null(text);
	(void)strcpy(text,
	    SPIF_HEAD SPIF_POLICY SPIF_CLASSES "<securityCategoryTagSets>" TAGSET("Rel",
		TAG(PERMISSIVE, VALUE("KFOR", "1")
				    VALUE("RS", "2"))) "</securityCategoryTagSets>"
						       "<extensions><n:memberships xmlns:n='" GROUPS
						       "'><n:membership n:name='KFOR'>");
	char *at = text + strlen(text);
	for (size_t i = 0; i < count; i++, at += sizeof(member) - 1)
		memcpy(at, member, sizeof(member));
	(void)strcpy(at, "</n:membership></n:memberships></extensions></SPIF>");
	return text;
}

static void
members_of_groups_have_a_limit(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(crowd(LIMIT_SPIF_MEMBERS));
	assert_int_equal(v->member_count, LIMIT_SPIF_MEMBERS);
	struct text_errors l;
	text_errors_init(&l);
	assert_false(spif_load(
	    &spif_arena, bytes_of("p.xml"), bytes_of(crowd(LIMIT_SPIF_MEMBERS + 1)), &l, &v));
	assert_string_equal(l.errors[0].text, "more than 65536 members of groups");
	text_errors_done(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_speaks_of_the_permissive_values_that_have_its_name),
		cmocka_unit_test(a_member_is_a_value_of_the_groups_own_category),
		cmocka_unit_test(a_group_without_a_list_has_no_members),
		cmocka_unit_test(groups_of_groups_are_not_followed),
		cmocka_unit_test(whoever_was_a_member_once_is_none),
		cmocka_unit_test(a_membership_counts_only_if_it_covers_the_whole_time),
		cmocka_unit_test(dates_of_list_and_member_both_count),
		cmocka_unit_test(what_is_in_doubt_makes_nobody_a_member),
		cmocka_unit_test(a_linter_says_which_lists_and_members_match_nothing),
		cmocka_unit_test(lists_of_another_extension_are_none),
		cmocka_unit_test(two_blocks_of_lists_are_refused),
		cmocka_unit_test(members_of_groups_have_a_limit),
	};
	return cmocka_run_group_tests_name("groups", tests, spif_set_up, spif_tear_down);
}

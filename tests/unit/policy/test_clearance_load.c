/* Clearances in files of their own and groups by membership lists, as the loader takes them. */
#include "tests/unit/policy/policy_rig.h"

#define CLEARANCE(policy, rest) \
	"<c:ConfidentialityClearance " \
	"xmlns:c='urn:nato:stanag:4774:confidentialityclearance:1:0' " \
	"xmlns='urn:nato:stanag:4774:confidentialitymetadatalabel:1:0'>" \
	"<PolicyIdentifier>" policy "</PolicyIdentifier>" rest "</c:ConfidentialityClearance>"
#define CLASSES(inner) "<c:ClassificationList>" inner "</c:ClassificationList>"
#define CLASS(name) "<Classification>" name "</Classification>"
#define VALUE(name) "<GenericValue>" name "</GenericValue>"
/* What the base policy types for NOR in ATLAS. */
#define NOR_ATLAS \
	CLEARANCE("ATLAS", \
	    CLASSES(CLASS("UNCLASSIFIED") CLASS("RESTRICTED") CLASS("CONFIDENTIAL") CLASS( \
		"SECRET")) "<Category TagName='Releasable To' Type='PERMISSIVE'>" VALUE("NOR") \
		VALUE("ATLAS") "</Category>" \
			       "<Category TagName='Handling' Type='RESTRICTIVE'>" VALUE("ORCON") \
				   VALUE("FININT") "</Category>")
static const char nor_typed[] = "clearance ATLAS up-to SECRET {\n"
				"            \"Releasable To\" [ NOR ATLAS ]\n"
				"            Handling [ ORCON FININT ]\n"
				"        }\n";

/* The base policy with something else in place of what NOR is typed. */
static const char *
with(struct rig *r, const char *statement)
{
	return rig_edit(r, rig_base, nor_typed, statement);
}

static struct bytes
export_of(const char *statement, const char *xml)
{
	static char kept[2][65536];
	static unsigned turn;
	struct rig r;
	rig_init(&r);
	rig_put(&r, "nor.clearance.xml", xml);
	rig_load_text(&r, with(&r, statement));
	struct bytes text = epoch_export(r.epoch);
	char *to = kept[turn++ % 2];
	assert_true(text.len < sizeof(kept[0]));
	memcpy(to, text.data, text.len);
	rig_done(&r);
	return bytes_from(to, text.len);
}

static void
is_refused(const char *statement, const char *xml, const char *why)
{
	struct rig r;
	bool found = false;
	rig_init(&r);
	rig_put(&r, "nor.clearance.xml", xml);
	rig_put(&r, "relto.policy", with(&r, statement));
	assert_false(rig_load(&r, 0));
	for (size_t i = 0; i < r.errors.error_count && i < LIMIT_POLICY_ERRORS; i++)
		found = found || strcmp(r.errors.errors[i].text, why) == 0;
	if (!found)
		print_message("%s", text_errors_format(&r.errors, &r.arena));
	assert_true(found);
	rig_done(&r);
}

static void
a_clearance_in_a_file_is_exported_as_if_typed(void **state)
{
	(void)state;
	struct bytes typed = export_of(nor_typed, "");
	struct bytes named = export_of("clearance ATLAS file \"nor.clearance.xml\"\n", NOR_ATLAS);
	assert_true(bytes_equal(named, typed));
	struct bytes plain = export_of("clearance file \"nor.clearance.xml\"\n", NOR_ATLAS);
	assert_true(bytes_equal(plain, typed));
}

static void
the_digest_covers_what_the_file_says(void **state)
{
	(void)state;
	const char *statement = "clearance file \"nor.clearance.xml\"\n";
	struct bytes whole = export_of(statement, NOR_ATLAS);
	struct rig r;
	rig_init(&r);
	struct bytes less = export_of(statement, rig_edit(&r, NOR_ATLAS, VALUE("ORCON"), ""));
	assert_false(bytes_equal(less, whole));
	rig_done(&r);
}

static void
paths_are_relative_to_the_file_that_names_them(void **state)
{
	(void)state;
	struct rig r;
	rig_init(&r);
	const char *text = with(&r, "clearance ATLAS file \"c/nor.xml\"\n");
	const char *at = strstr(text, "agreement atlas");
	assert_non_null(at);
	rig_put(&r, "relto.policy",
	    arena_printf(&r.arena, "%.*sinclude \"sub/a.policy\"\n", (int)(at - text), text));
	rig_put(&r, "sub/a.policy", at);
	rig_put(&r, "sub/c/nor.xml", NOR_ATLAS);
	if (!rig_load(&r, 0))
		fail_msg("%s", text_errors_format(&r.errors, &r.arena));
	rig_done(&r);
}

static void
two_clearances_in_one_vocabulary_are_refused_wherever_they_stand(void **state)
{
	(void)state;
	is_refused("clearance ATLAS [ SECRET ]\n        clearance file \"nor.clearance.xml\"\n",
	    NOR_ATLAS, "member 'NOR' has two clearances in 'ATLAS'");
	is_refused("clearance file \"nor.clearance.xml\"\n        clearance file "
		   "\"./nor.clearance.xml\"\n",
	    NOR_ATLAS, "cannot read './nor.clearance.xml'");
	is_refused("clearance file \"nor.clearance.xml\"\n        clearance ATLAS file "
		   "\"nor.clearance.xml\"\n",
	    NOR_ATLAS, "member 'NOR' has two clearances in 'ATLAS'");
}

static void
a_file_must_be_there_and_of_the_vocabulary_named(void **state)
{
	(void)state;
	is_refused("clearance ATLAS file \"none.xml\"\n", "", "cannot read 'none.xml'");
	is_refused("clearance ATLAS file \"nor.clearance.xml\"\n",
	    CLEARANCE("TLP", CLASSES(CLASS("RED"))),
	    "the clearance in the file is in 'TLP', not 'ATLAS'");
	is_refused("clearance ATLS file \"nor.clearance.xml\"\n", NOR_ATLAS,
	    "there is no vocabulary 'ATLS'");
	is_refused("clearance file \"nor.clearance.xml\"\n", CLEARANCE("NATO", ""),
	    "unknown vocabulary 'NATO'");
	is_refused("clearance file \"nor.clearance.xml\"\n", "<a/>",
	    "the root element is not ConfidentialityClearance of STANAG 4774");
	is_refused("clearance ATLAS file [ \"nor.clearance.xml\" ]\n", NOR_ATLAS,
	    "these are not the values that 'clearance' takes");
	is_refused("clearance ATLAS files \"nor.clearance.xml\"\n", NOR_ATLAS,
	    "'up-to CLASSIFICATION' or a list in [ ] stands here");
}

static void
a_file_of_another_vocabulary_is_one_fault(void **state)
{
	(void)state;
	struct rig r;
	rig_init(&r);
	rig_put(&r, "nor.clearance.xml", CLEARANCE("TLP", CLASSES(CLASS("RED"))));
	/* NOR has a clearance in TLP, which the file does not double */
	rig_put(&r, "relto.policy", with(&r, "clearance ATLAS file \"nor.clearance.xml\"\n"));
	assert_false(rig_load(&r, EPOCH_NO_EXPECTS));
	assert_int_equal(r.errors.error_count, 1);
	rig_done(&r);
}

static void
a_clearance_from_a_file_has_no_block(void **state)
{
	(void)state;
	is_refused("clearance file \"nor.clearance.xml\" {\n            Handling [ SIGINT ]\n"
		   "        }\n",
	    NOR_ATLAS, "a clearance from a file has no block");
}

static void
what_is_dropped_is_told_with_the_place_in_the_file(void **state)
{
	(void)state;
	struct rig r;
	rig_init(&r);
	rig_put(&r, "nor.clearance.xml",
	    rig_edit(&r, NOR_ATLAS, VALUE("ATLAS"), "\n" VALUE("XXA") VALUE("ATLAS")));
	rig_load_text(&r, with(&r, "clearance file \"nor.clearance.xml\"\n"));
	assert_int_equal(r.errors.warning_count, 1);
	assert_string_equal(
	    r.errors.warnings[0].text, "unknown value 'XXA' in 'Releasable To' is dropped");
	assert_string_equal(r.errors.warnings[0].file, "nor.clearance.xml");
	assert_int_equal(r.errors.warnings[0].line, 2);
	rig_done(&r);
}

/* ---- groups ---- */

/* The shipped vocabulary with membership lists. */
static const char *
atlas_with(struct rig *r, const char *lists)
{
	struct bytes spif = { NULL, 0 };
	struct err e;
	assert_true(rig_disk("policy/vocab/atlas.spif.xml", &r->arena, &spif, &e));
	const char *text = arena_printf(&r->arena, "%.*s", (int)spif.len, (const char *)spif.data);
	return rig_edit(r, text, "</spif:SPIF>",
	    arena_printf(&r->arena,
		"<spif:extensions><memberships "
		"xmlns='urn:nato:stanag:4774:spif:extensions:1:0'>%s</memberships>"
		"</spif:extensions></spif:SPIF>",
		lists));
}

#define LIST(name, members) "<membership name='" name "'>" members "</membership>"
#define ALL \
	LIST("ATLAS", "<member name='NOR'/><member name='KEN' notAfter='2026-12-31'/>") \
	LIST("EUNAVFOR", "<member name='ATLAS'/>")

/* Loads the base policy with lists and NOR's statements; false with the errors in the rig. */
static bool
load_with(struct rig *r, const char *lists, const char *statement)
{
	rig_init(r);
	rig_put(r, "atlas.spif.xml", atlas_with(r, lists));
	rig_put(r, "relto.policy",
	    rig_edit(r, with(r, statement), "policy/vocab/atlas.spif.xml", "atlas.spif.xml"));
	return rig_load(r, 0);
}

#define HOLDS_NOR "clearance ATLAS [ SECRET ] {\n            \"Releasable To\" [ NOR ]\n        }\n"

static void
groups_of_a_value_are_written_out(void **state)
{
	(void)state;
	struct rig r;
	bool ok = load_with(&r, ALL, HOLDS_NOR "        groups-of ATLAS \"Releasable To\" NOR\n");
	if (!ok)
		fail_msg("%s", text_errors_format(&r.errors, &r.arena));
	const char *text = arena_printf(&r.arena, "%.*s", (int)epoch_export(r.epoch).len,
	    (const char *)epoch_export(r.epoch).data);
	assert_non_null(strstr(text, "        clearance ATLAS [ SECRET ] {\n"
				     "            \"Releasable To\" [ ATLAS NOR ]\n"
				     "        }\n"));
	assert_null(strstr(text, "groups-of"));
	assert_int_equal(r.errors.warning_count, 0);
	rig_done(&r);
}

static void
without_the_word_no_list_counts(void **state)
{
	(void)state;
	struct rig r;
	assert_true(load_with(&r, ALL, HOLDS_NOR));
	const char *text = arena_printf(&r.arena, "%.*s", (int)epoch_export(r.epoch).len,
	    (const char *)epoch_export(r.epoch).data);
	assert_non_null(strstr(text, "            \"Releasable To\" [ NOR ]\n"));
	rig_done(&r);
}

static void
groups_by_list_do_not_depend_on_the_order_of_the_text(void **state)
{
	(void)state;
	/* ATLAS is not held by itself: that a list gives it to NOR does not count */
	static const char *const orders[] = {
		HOLDS_NOR "        groups-of ATLAS \"Releasable To\" NOR\n"
			  "        groups-of ATLAS \"Releasable To\" ATLAS\n",
		HOLDS_NOR "        groups-of ATLAS \"Releasable To\" ATLAS\n"
			  "        groups-of ATLAS \"Releasable To\" NOR\n",
	};
	for (size_t i = 0; i < 2; i++) {
		struct rig r;
		assert_false(load_with(&r, ALL, orders[i]));
		assert_int_equal(r.errors.error_count, 1);
		assert_string_equal(r.errors.errors[0].text, "member 'NOR' does not hold 'ATLAS'");
		rig_done(&r);
	}
	struct rig r;
	assert_true(load_with(
	    &r, ALL, "groups-of ATLAS \"Releasable To\" NOR\n        " HOLDS_NOR)); /* before the
										       clearance */
	rig_done(&r);
}

static void
a_membership_that_ends_before_the_agreement_adds_nothing(void **state)
{
	(void)state;
	struct rig r;
	assert_true(load_with(&r, LIST("ATLAS", "<member name='NOR' notAfter='2028-12-30'/>"),
	    HOLDS_NOR "        groups-of ATLAS \"Releasable To\" NOR\n"));
	assert_int_equal(r.errors.warning_count, 1);
	assert_string_equal(r.errors.warnings[0].text,
	    "1 membership list names 'NOR' for a part of that time alone: nothing is added");
	const char *text = arena_printf(&r.arena, "%.*s", (int)epoch_export(r.epoch).len,
	    (const char *)epoch_export(r.epoch).data);
	assert_non_null(strstr(text, "            \"Releasable To\" [ NOR ]\n"));
	rig_done(&r);
	/* the last day is included, and so is that of the agreement */
	assert_true(load_with(&r,
	    LIST("ATLAS", "<member name='NOR' notBefore='2026-01-01' notAfter='2028-12-31'/>"),
	    HOLDS_NOR "        groups-of ATLAS \"Releasable To\" NOR\n"));
	assert_int_equal(r.errors.warning_count, 0);
	rig_done(&r);
}

static void
a_group_that_nobody_knows_adds_nothing_and_that_is_told(void **state)
{
	(void)state;
	struct rig r;
	assert_true(load_with(&r, "", HOLDS_NOR "        groups-of ATLAS \"Releasable To\" NOR\n"));
	assert_int_equal(r.errors.warning_count, 1);
	assert_string_equal(r.errors.warnings[0].text,
	    "no membership list in the SPIF of 'ATLAS' names 'NOR': nothing is added");
	rig_done(&r);
}

static void
groups_are_refused(const char *statement, const char *why)
{
	struct rig r;
	char text[512];
	(void)snprintf(text, sizeof(text), HOLDS_NOR "        groups-of %s\n", statement);
	assert_false(load_with(&r, ALL, text));
	assert_int_equal(r.errors.error_count, 1);
	assert_string_equal(r.errors.errors[0].text, why);
	rig_done(&r);
}

static void
groups_are_asked_for_by_a_permissive_value_that_is_held(void **state)
{
	(void)state;
	groups_are_refused("ATLAS \"Releasable To\" GBR", "member 'NOR' does not hold 'GBR'");
	groups_are_refused("ATLAS Handling ORCON", "'ORCON' is restrictive");
	groups_are_refused("ATLAS Caveat DRAFT", "'DRAFT' is informative");
	groups_are_refused("GBR-NATIONAL \"Eyes Only\" UK", "member 'NOR' does not hold 'UK'");
	groups_are_refused("ATLASS \"Releasable To\" NOR", "there is no vocabulary 'ATLASS'");
	groups_are_refused("ATLAS \"Releasable\" NOR",
	    "unknown category 'Releasable' in 'ATLAS'; did you mean 'Releasable To'?");
	groups_are_refused("ATLAS \"Releasable To\" NORR",
	    "unknown value 'NORR' in 'Releasable To'; did you mean 'NOR'?");
	groups_are_refused(
	    "ATLAS \"Releasable To\" NOR\n        groups-of atlas \"releasable to\" nor",
	    "the groups of 'nor' are asked for twice");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clearance_in_a_file_is_exported_as_if_typed),
		cmocka_unit_test(the_digest_covers_what_the_file_says),
		cmocka_unit_test(paths_are_relative_to_the_file_that_names_them),
		cmocka_unit_test(two_clearances_in_one_vocabulary_are_refused_wherever_they_stand),
		cmocka_unit_test(a_file_must_be_there_and_of_the_vocabulary_named),
		cmocka_unit_test(a_file_of_another_vocabulary_is_one_fault),
		cmocka_unit_test(a_clearance_from_a_file_has_no_block),
		cmocka_unit_test(what_is_dropped_is_told_with_the_place_in_the_file),
		cmocka_unit_test(groups_of_a_value_are_written_out),
		cmocka_unit_test(without_the_word_no_list_counts),
		cmocka_unit_test(groups_by_list_do_not_depend_on_the_order_of_the_text),
		cmocka_unit_test(a_membership_that_ends_before_the_agreement_adds_nothing),
		cmocka_unit_test(a_group_that_nobody_knows_adds_nothing_and_that_is_told),
		cmocka_unit_test(groups_are_asked_for_by_a_permissive_value_that_is_held),
	};
	return cmocka_run_group_tests_name("clearances of a policy", tests, NULL, NULL);
}

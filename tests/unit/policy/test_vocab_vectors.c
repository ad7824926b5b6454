/* The facts of DESIGN section 3 about the NATO SPIF v79 and the labels of ADatP-4774, Table 17. */
#include "tests/lib/test.h"

#include "policy/clearance_xml.h"
#include "policy/label_xml.h"
#include "policy/marking.h"
#include "policy/spif.h"
#include "tests/lib/slurp.h"

struct rig {
	struct arena arena;
	struct text_errors errors;
	struct vocab *nato;
	struct label labels[3];
};
static struct rig rig;

static int
set_up(void **state)
{
	static const char *const names[] = { "spif/nato-table17-1.label.xml",
		"spif/nato-table17-2.label.xml", "spif/nato-table17-3.label.xml" };
	(void)state;
	struct err e = { 0 };
	arena_init(&rig.arena, 64 << 20);
	text_errors_init(&rig.errors);
	struct bytes spif = slurp_vector(&rig.arena, "spif/nato-v79.spif.xml");
	assert_true(spif_check(&rig.arena, bytes_of("nato-v79"), spif, &rig.errors, &rig.nato));
	const struct vocab *set[] = { rig.nato };
	for (size_t i = 0; i < 3; i++) {
		struct text_file *f = arena_zalloc(&rig.arena, 1, sizeof(*f));
		*f = (struct text_file){ bytes_of(names[i]), slurp_vector(&rig.arena, names[i]) };
		struct raw_label raw;
		assert_true(label_xml_read(&rig.arena, set, 1, f, &rig.errors, &raw));
		assert_true(label_resolve(&rig.arena, rig.nato, &raw, &rig.labels[i], &e));
	}
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	text_errors_done(&rig.errors);
	arena_done(&rig.arena);
	return 0;
}

/* "TAG SET: value, value" by hand, as in Annex A. */
static void
hold(struct clearance *c, const char *tagset, const char *const *values)
{
	uint32_t t = vocab_tagset(rig.nato, bytes_of(tagset));
	assert_int_not_equal(t, VOCAB_NONE);
	for (; *values != NULL; values++) {
		uint32_t n = vocab_value(rig.nato, t, bytes_of(*values));
		assert_int_not_equal(n, VOCAB_NONE);
		clearance_add_value(c, n);
	}
}

static struct clearance
clearance_up_to(const char *class_)
{
	struct clearance c;
	struct err e;
	assert_true(clearance_init(&rig.arena, rig.nato, &c, &e));
	clearance_add_up_to(&c, vocab_class(rig.nato, bytes_of(class_)));
	return c;
}

#define HOLD(c, tagset, ...) hold(c, tagset, (const char *const[]){ __VA_ARGS__, NULL })

static struct clearance
gbr(void)
{
	struct clearance c = clearance_up_to("TOP SECRET");
	HOLD(&c, "Context", "NATO", "EAPC", "GEORGIA", "ISAF", "KFOR", "PFP", "RUSSIA", "UKRAINE",
	    "Releasable");
	HOLD(&c, "Releasable To", "NATO", "EAPC", "ISAF", "KFOR", "PFP", "GBR");
	HOLD(&c, "Only", "NATO", "GBR");
	HOLD(&c, "Additional Sensitivity", "ATOMAL", "BOHEMIA", "CRYPTO");
	return c;
}

static struct clearance
nzl(void)
{
	struct clearance c = clearance_up_to("SECRET");
	HOLD(&c, "Context", "ISAF", "Releasable");
	HOLD(&c, "Releasable To", "NZL", "ISAF");
	HOLD(&c, "Only", "NZL");
	return c;
}

static struct clearance
wsm(void)
{
	struct clearance c = clearance_up_to("SECRET");
	HOLD(&c, "Context", "Releasable");
	assert_int_equal(vocab_value(rig.nato, vocab_tagset(rig.nato, bytes_of("Releasable To")),
			     bytes_of("WSM")),
	    VOCAB_NONE);
	return c;
}

static void
the_nato_spif_loads_without_an_error(void **state)
{
	(void)state;
	assert_int_equal(rig.errors.error_count, 0);
	assert_true(bytes_is(rig.nato->name, "NATO"));
	assert_int_equal(rig.nato->class_count, 5);
	assert_int_equal(rig.nato->value_count, 205);
	assert_int_equal(rig.nato->category_count, 5);
}

static void
table_17_gives_the_verdicts_of_the_standard(void **state)
{
	(void)state;
	static const enum acdf expected[3][3] = {
		{ ACDF_PERMIT, ACDF_PERMIT, ACDF_PERMISSIVE },
		{ ACDF_PERMIT, ACDF_PERMISSIVE, ACDF_PERMISSIVE },
		{ ACDF_PERMIT, ACDF_PERMISSIVE, ACDF_PERMISSIVE },
	};
	struct clearance c[3] = { gbr(), nzl(), wsm() };
	for (size_t l = 0; l < 3; l++)
		for (size_t p = 0; p < 3; p++)
			assert_int_equal(clearance_acdf(&c[p], &rig.labels[l]), expected[l][p]);
}

/* The clearance of a file of tests/vectors/policy/annex-a. */
static struct clearance
clearance_in(const char *name, size_t warnings)
{
	const char *path =
	    arena_printf(&rig.arena, "tests/vectors/policy/annex-a/%s.clearance.xml", name);
	struct text_file f = { bytes_of(path), slurp(&rig.arena, path) };
	const struct vocab *set[] = { rig.nato };
	struct text_errors l;
	struct clearance c;
	text_errors_init(&l);
	assert_true(clearance_xml_read(&rig.arena, set, 1, &f, &l, &c));
	assert_int_equal(l.warning_count, warnings);
	if (warnings != 0)
		assert_string_equal(
		    l.warnings[0].text, "unknown value 'WSM' in 'Releasable To' is dropped");
	text_errors_done(&l);
	return c;
}

static void
the_clearances_of_annex_a_say_the_same_in_xml(void **state)
{
	(void)state;
	struct clearance typed[3] = { gbr(), nzl(), wsm() };
	struct clearance in_xml[3] = { clearance_in("gbr", 0), clearance_in("nzl", 0),
		clearance_in("wsm", 1) };
	for (size_t p = 0; p < 3; p++) {
		assert_int_equal(in_xml[p].classes, typed[p].classes);
		assert_memory_equal(
		    in_xml[p].values, typed[p].values, rig.nato->words * sizeof(*typed[p].values));
		for (size_t l = 0; l < 3; l++)
			assert_int_equal(clearance_acdf(&in_xml[p], &rig.labels[l]),
			    clearance_acdf(&typed[p], &rig.labels[l]));
	}
}

static void
table_17_prints_the_markings_of_the_standard(void **state)
{
	(void)state;
	static const char *const expected[] = {
		"NATO UNCLASSIFIED Releasable to ISAF, KFOR, RESOLUTE SUPPORT",
		"NATO UNCLASSIFIED",
		"NATO UNCLASSIFIED - STAFF",
	};
	const struct bytes none = { NULL, 0 };
	for (size_t i = 0; i < 3; i++) {
		struct bytes text;
		struct err e;
		assert_true(marking_print(&rig.arena, &rig.labels[i], none, &text, &e));
		assert_string_equal((const char *)text.data, expected[i]);
	}
}

static void
a_marking_is_printed_in_the_language_asked_for(void **state)
{
	(void)state;
	struct bytes text;
	struct err e;
	assert_true(marking_print(&rig.arena, &rig.labels[0], bytes_of("fr"), &text, &e));
	assert_string_equal((const char *)text.data,
	    "NATO SANS CLASSIFICATION Communicable a ISAF, KFOR, RESOLUTE SUPPORT");
}

static void
the_label_files_are_read_with_warnings_alone(void **state)
{
	(void)state;
	struct text_errors l;
	struct text_file f = { bytes_of("1.xml"),
		slurp_vector(&rig.arena, "spif/nato-table17-1.label.xml") };
	const struct vocab *set[] = { rig.nato };
	struct raw_label raw;
	text_errors_init(&l);
	assert_true(label_xml_read(&rig.arena, set, 1, &f, &l, &raw));
	assert_int_equal(l.error_count, 0);
	assert_int_equal(l.warning_count, 2);
	assert_string_equal(l.warnings[0].text, "CreationDateTime is missing");
	assert_string_equal(l.warnings[1].text, "the attribute is called URI, not URL");
	text_errors_done(&l);
}

static void
the_labels_of_table_17_are_valid(void **state)
{
	(void)state;
	struct err e = { 0 };
	for (size_t i = 0; i < 3; i++)
		assert_true(label_check(&rig.labels[i], 0, &e));
}

static void
table_17_is_written_and_read_again_with_the_same_meaning(void **state)
{
	(void)state;
	struct label_xml_dates dates = { 1, 2 };
	const struct vocab *set[] = { rig.nato };
	for (size_t i = 0; i < 3; i++) {
		struct text_errors l;
		struct text_file f = { .name = bytes_of("w.xml") };
		struct raw_label raw;
		struct label again;
		struct err e;
		text_errors_init(&l);
		assert_true(label_xml_write(&rig.arena, &rig.labels[i], &dates, &f.source, &e));
		assert_true(label_xml_read(&rig.arena, set, 1, &f, &l, &raw));
		assert_int_equal(l.warning_count, 0);
		assert_true(label_resolve(&rig.arena, rig.nato, &raw, &again, &e));
		assert_true(label_equal(&rig.labels[i], &again));
		text_errors_done(&l);
	}
}

static void
the_spif_that_is_not_well_formed_is_refused_at_line_85(void **state)
{
	(void)state;
	struct text_errors l;
	struct vocab *v;
	text_errors_init(&l);
	struct bytes spif = slurp_vector(&rig.arena, "spif/invalid-not-wellformed.spif.xml");
	assert_false(spif_check(&rig.arena, bytes_of("bad"), spif, &l, &v));
	assert_int_equal(l.error_count, 1);
	assert_int_equal(l.errors[0].line, 85);
	assert_string_equal(l.errors[0].text, "mismatched tag");
	text_errors_done(&l);
}

static void
the_repeated_class_is_refused_for_its_namespace_and_then_for_itself(void **state)
{
	(void)state;
	struct text_errors l;
	struct vocab *v;
	text_errors_init(&l);
	struct bytes spif =
	    slurp_vector(&rig.arena, "spif/invalid-duplicate-excluded-class.spif.xml");
	assert_false(spif_check(&rig.arena, bytes_of("bad"), spif, &l, &v));
	assert_int_equal(l.error_count, 1);
	assert_string_equal(l.errors[0].text, "the SPIF is in no namespace");
	assert_string_equal(l.errors[0].help, "xmlns=\"http://www.xmlspif.org/spif\" is required");
	text_errors_done(&l);

	text_errors_init(&l);
	assert_memory_equal(spif.data, "<SPIF>", 6);
	char *mended = arena_printf(&rig.arena,
	    "<SPIF xmlns='http://www.xmlspif.org/spif' schemaVersion='2.1'>%.*s", (int)spif.len - 6,
	    (const char *)spif.data + 6);
	assert_false(spif_check(&rig.arena, bytes_of("bad"), bytes_of(mended), &l, &v));
	assert_int_equal(l.error_count, 1);
	assert_string_equal(l.errors[0].text, "excludedClass 'Ambrosia' stands twice");
	assert_non_null(strstr(l.errors[0].source, "Listed twice, an error."));
	text_errors_done(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nato_spif_loads_without_an_error),
		cmocka_unit_test(table_17_gives_the_verdicts_of_the_standard),
		cmocka_unit_test(the_clearances_of_annex_a_say_the_same_in_xml),
		cmocka_unit_test(table_17_prints_the_markings_of_the_standard),
		cmocka_unit_test(a_marking_is_printed_in_the_language_asked_for),
		cmocka_unit_test(the_label_files_are_read_with_warnings_alone),
		cmocka_unit_test(the_labels_of_table_17_are_valid),
		cmocka_unit_test(table_17_is_written_and_read_again_with_the_same_meaning),
		cmocka_unit_test(the_spif_that_is_not_well_formed_is_refused_at_line_85),
		cmocka_unit_test(
		    the_repeated_class_is_refused_for_its_namespace_and_then_for_itself),
	};
	return cmocka_run_group_tests_name("vocabulary vectors", tests, set_up, tear_down);
}

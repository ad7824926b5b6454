#include "tests/lib/test.h"

#include "tests/unit/policy/spif_rig.h"

static const struct bytes no_lang = { NULL, 0 };

static const char *
print_in(const struct label *l, const char *lang)
{
	struct bytes text;
	struct err e;
	assert_true(marking_print(&spif_arena, l, bytes_of(lang), &text, &e));
	return (const char *)text.data;
}

static const char *
print(const struct label *l)
{
	return print_in(l, NULL);
}

static struct label
read_back(const struct vocab *v, const char *text)
{
	struct raw_label raw;
	struct label l = { 0 };
	struct err e = { 0 };
	bool ok = marking_read(&spif_arena, &v, 1, bytes_of(text), &raw, &e) &&
		  label_resolve(&spif_arena, v, &raw, &l, &e);
	if (!ok)
		print_message("%s\n", e.text);
	assert_true(ok);
	return l;
}

static void
is_unreadable(const struct vocab *v, const char *text, const char *why)
{
	struct raw_label raw;
	struct err e = { 0 };
	assert_false(marking_read(&spif_arena, &v, 1, bytes_of(text), &raw, &e));
	assert_int_equal(e.code, ERR_DATA);
	assert_string_equal(e.text, why);
}

static void
the_shipped_vocabularies_print_the_markings_of_the_design(void **state)
{
	(void)state;
	struct vocab *atlas = spif_shipped("atlas");
	struct label l = label_of(atlas, "SECRET", "Releasable To: NOR, GBR");
	assert_string_equal(print(&l), "ATLAS SECRET//REL TO GBR, NOR");
	l = label_of(atlas, "RESTRICTED", "Releasable To: ATLAS; Handling: FININT");
	assert_string_equal(print(&l), "ATLAS RESTRICTED//FININT//REL TO ATLAS");
	assert_string_equal(
	    print_in(&l, "fr"), "ATLAS DIFFUSION RESTREINTE//FININT//COMMUNICABLE A ATLAS");
	assert_string_equal(print_in(&l, "de"), "ATLAS RESTRICTED//FININT//REL TO ATLAS");
	l = label_of(atlas, "UNCLASSIFIED", "Caveat: DRAFT, EXERCISE");
	assert_string_equal(print(&l), "ATLAS UNCLASSIFIED//EXERCISE/DRAFT");
	l = label_of(spif_shipped("tlp-2.0"), "AMBER+STRICT", "");
	assert_string_equal(print(&l), "TLP:AMBER+STRICT");
	l = label_of(spif_shipped("gbr-national"), "SECRET", "Eyes Only: UKNOR, UK");
	assert_string_equal(print(&l), "GBR-NATIONAL SECRET//UK/UKNOR EYES ONLY");
}

/* Every class, with each single value, with each pair of neighbours, and with all values. */
static void
round_trip(const struct vocab *v, const struct label *l)
{
	struct label again = read_back(v, print(l));
	if (!label_equal(l, &again))
		print_message("%s\n", print(l));
	assert_true(label_equal(l, &again));
}

static void
what_the_shipped_vocabularies_print_reads_back(void **state)
{
	(void)state;
	static const char *const names[] = { "tlp-2.0", "atlas", "gbr-national" };
	for (size_t n = 0; n < 3; n++) {
		const struct vocab *v = spif_shipped(names[n]);
		uint64_t *set = arena_zalloc(&spif_arena, v->words, sizeof(*set));
		assert_true(v->readable);
		for (uint32_t c = 0; c < v->class_count; c++) {
			struct label l = { v, c, set };
			memset(set, 0, v->words * sizeof(*set));
			round_trip(v, &l);
			for (uint32_t i = 0; i < v->value_count; i++) {
				memset(set, 0, v->words * sizeof(*set));
				vocab_put(set, i);
				round_trip(v, &l);
				vocab_put(set, (i + 1) % v->value_count);
				vocab_put(set, (i + 7) % v->value_count);
				round_trip(v, &l);
			}
			for (uint32_t i = 0; i < v->value_count; i++)
				vocab_put(set, i);
			round_trip(v, &l);
		}
	}
}

static void
people_may_change_case_white_space_and_order(void **state)
{
	(void)state;
	struct vocab *v = spif_shipped("atlas");
	struct label expected =
	    label_of(v, "SECRET", "Releasable To: GBR, NOR, MERCHANT SHIPPING; Handling: FININT");
	static const char *const texts[] = {
		"ATLAS SECRET//FININT//REL TO MERCHANT SHIPPING, GBR, NOR",
		"  atlas   secret//finint//rel  to nor,gbr,merchant shipping ",
		"ATLAS SECRET//REL TO GBR, MERCHANT SHIPPING, NOR//FININT",
	};
	for (size_t i = 0; i < 3; i++) {
		struct label l = read_back(v, texts[i]);
		assert_true(label_equal(&l, &expected));
	}
}

static void
what_is_no_marking_is_refused(void **state)
{
	(void)state;
	struct vocab *v = spif_shipped("atlas");
	static const char *const texts[][2] = {
		{ "ATLAS", "'ATLAS' is no marking of 'ATLAS'" },
		{ "ATLASSECRET",
		    "'ATLASSECRET' is no marking of 'ATLAS'; did you mean 'ATLAS SECRET'?" },
		{ "ATLAS SECRTE//FININT", "'ATLAS SECRTE//FININT' is no marking of 'ATLAS'; did "
					  "you mean 'ATLAS SECRET'?" },
		{ "ATLAS SECRET//", "'ATLAS SECRET//' is not a whole marking of 'ATLAS'" },
		{ "ATLAS SECRET//REL TO",
		    "'ATLAS SECRET//REL TO' is not a whole marking of 'ATLAS'" },
		{ "ATLAS SECRET//REL TO GBR,",
		    "'ATLAS SECRET//REL TO GBR,' is not a whole marking of 'ATLAS'" },
		{ "ATLAS SECRET//REL TO GRB", "'grb' in 'ATLAS SECRET//REL TO GRB' is no part of a "
					      "marking of 'ATLAS'; did you mean 'GBR'?" },
		{ "ATLAS SECRET//FINNINT//REL TO GBR",
		    "'finnint' in 'ATLAS SECRET//FINNINT//REL TO GBR' is no part of a marking of "
		    "'ATLAS'; did you mean 'FININT'?" },
		{ "ATLAS SECRET//REL TO GBR NOR",
		    "'nor' in 'ATLAS SECRET//REL TO GBR NOR' is no "
		    "part of a marking of 'ATLAS'; did you mean 'NOR'?" },
		/* one list or two? */
		{ "ATLAS SECRET//REL TO GBR//REL TO NOR",
		    "'rel to nor' in 'ATLAS SECRET//REL TO GBR//REL TO NOR' is no part of a "
		    "marking of 'ATLAS'" },
		{ "ATLAS SECRET//REL TO GBR, GBR",
		    "'gbr' in 'ATLAS SECRET//REL TO GBR, GBR' is no part of a marking of 'ATLAS'; "
		    "did you mean 'GBR'?" },
		{ "ATLAS SECRET REL TO GBR",
		    "'rel to gbr' in 'ATLAS SECRET REL TO GBR' is no part of a marking of "
		    "'ATLAS'" },
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		is_unreadable(v, texts[i][0], texts[i][1]);
	is_unreadable(v, "TLP:RED", "'TLP:RED' is no marking of a known vocabulary");
	is_unreadable(v, "", "'' is no marking of a known vocabulary");
	char *text = arena_alloc(&spif_arena, 4098);
	memset(text, 'A', 4097);
	text[4097] = 0;
	is_unreadable(v, text, "a marking of more than 4096 bytes");
}

static void
the_vocabulary_is_found_among_several(void **state)
{
	(void)state;
	const struct vocab *set[] = { spif_shipped("tlp-2.0"), spif_shipped("atlas"),
		spif_shipped("gbr-national") };
	struct raw_label raw;
	struct err e;
	assert_true(marking_read(&spif_arena, set, 3, bytes_of("TLP:AMBER"), &raw, &e));
	assert_true(bytes_is(raw.vocabulary, "TLP"));
	assert_true(bytes_is(raw.classification, "AMBER"));
	assert_true(marking_read(
	    &spif_arena, set, 3, bytes_of("GBR-NATIONAL SECRET//UK EYES ONLY"), &raw, &e));
	assert_true(bytes_is(raw.vocabulary, "GBR-NATIONAL"));
	assert_int_equal(raw.category_count, 1);
	assert_true(bytes_is(raw.categories[0].name, "Eyes Only"));
	assert_true(bytes_is(raw.categories[0].values.items[0], "UK"));
}

#define QUALIFIERS(list) "<markingQualifier markingCode=\"pageTop\">" list "</markingQualifier>"
#define QUALIFIER(code, text) \
	"<qualifier markingQualifier=\"" text "\" qualifierCode=\"" code "\"/>"
#define MARKING(attributes, codes) "<markingData " attributes ">" codes "</markingData>"

static void
a_marking_that_can_be_read_in_two_ways_is_refused(void **state)
{
	(void)state;
	/* "A/B" is one value or two */
	struct vocab *v = spif_ok(SPIF_OF(
	    TAGSET("S", TAG(PERMISSIVE, VALUE("A", "1") VALUE("B", "2") VALUE("A/B", "3")))));
	assert_true(v->readable);
	is_unreadable(
	    v, "P LOW A/B", "'P LOW A/B' can be read in two ways; write the label as JSON");
	struct label l = read_back(v, "P LOW B/A");
	struct label expected = label_of(v, "LOW", "S: A, B");
	assert_true(label_equal(&l, &expected));
}

static void
a_marking_cannot_keep_us_busy(void **state)
{
	(void)state;
	/* values of one letter without a separator that shows: 12! ways to say the same */
	char spif[8192];
	size_t n = (size_t)snprintf(spif, sizeof(spif), "%s",
	    SPIF_HEAD SPIF_POLICY SPIF_CLASSES
	    "<securityCategoryTagSets><securityCategoryTagSet name='S' id='1'>"
	    "<securityCategoryTag name='t' tagType='permissive'>");
	for (unsigned i = 0; i < 40; i++) {
		n += (size_t)snprintf(spif + n, sizeof(spif) - n,
		    "<tagCategory name='%.*s' lacv='%u'/>", (int)i + 1,
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", i);
	}
	(void)snprintf(spif + n, sizeof(spif) - n, "%s",
	    "<markingQualifier markingCode='pageTop'><qualifier markingQualifier='' "
	    "qualifierCode='separator'/></markingQualifier></securityCategoryTag>"
	    "</securityCategoryTagSet></securityCategoryTagSets></SPIF>");
	struct vocab *v = spif_ok(spif);
	char text[600] = "P LOW ";
	memset(text + 6, 'a', 500);
	strcpy(text + 506, "!"); /* no reading at all: each is tried */
	is_unreadable(v, text, "the marking takes too long to read");
}

static void
codes_of_the_spif_hide_and_replace(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(SPIF_OF(TAGSET("S",
	    TAG(INFORMATIVE,
		VALUE_WITH("HIDDEN", "1", MARKING("", "<code>noNameDisplay</code>")) VALUE_WITH(
		    "UNMARKED", "2", MARKING("phrase=\"X\"", "<code>noMarkingDisplay</code>"))
		    VALUE_WITH("FIRST", "3",
			MARKING("phrase=\"P/1\"", "<code>replacePolicy</code>")) VALUE_WITH("LAST",
			"4",
			MARKING("phrase=\"P/2\"", "<code>noNameDisplay</code>"
						  "<code>replacePolicy</code>")) VALUE_WITH("QUIET",
			"5", MARKING("phrase=\"q\"", "<code>suppressClassName</code>"))))));
	struct label l = label_of(v, "LOW", "S: HIDDEN, UNMARKED");
	assert_string_equal(print(&l), "P LOW");
	l = label_of(v, "LOW", "S: FIRST");
	assert_string_equal(print(&l), "P/1 LOW FIRST");
	l = label_of(v, "LOW", "S: FIRST, LAST");
	assert_string_equal(print(&l), "P/2 LOW FIRST");
	l = label_of(v, "HIGH", "S: QUIET, FIRST");
	assert_string_equal(print(&l), "P/1 FIRST/q");
	assert_false(v->readable);
	is_unreadable(v, "P LOW",
	    "'P LOW': markings of 'P' cannot be read back; write the label as JSON or STANAG 4774 "
	    "XML");
}

static void
prefixes_suffixes_and_separators_stand_where_the_spif_puts_them(void **state)
{
	(void)state;
	struct vocab *v =
	    spif_ok(SPIF_HEAD SPIF_POLICY SPIF_CLASSES "<securityCategoryTagSets>" TAGSET(
		"S", TAG(PERMISSIVE,
			 VALUE("A", "1") VALUE_WITH("B", "2",
			     QUALIFIERS(QUALIFIER("prefix", "&lt;") QUALIFIER("suffix", "&gt;")))
			     QUALIFIERS(QUALIFIER("prefix", "to ") QUALIFIER("suffix", " only")
				     QUALIFIER("separator", " or ")))) TAGSET("I",
		TAG(INFORMATIVE,
		    VALUE("N", "1"))) "</securityCategoryTagSets>" QUALIFIERS(QUALIFIER("prefix",
		"[ ") QUALIFIER("suffix", " ]") QUALIFIER("separator", " - ")) "</SPIF>");
	struct label l = label_of(v, "LOW", "S: A, B; I: N");
	assert_string_equal(print(&l), "[ P - LOW - to A or <B> only - N ]");
	round_trip(v, &l);
	l = label_of(v, "HIGH", "");
	assert_string_equal(print(&l), "[ P - HIGH ]");
	round_trip(v, &l);
}

static void
values_that_print_alike_cannot_be_read_back(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(SPIF_OF(
	    TAGSET("S", TAG(PERMISSIVE, VALUE("A", "1") VALUE_WITH("B", "2",
					    MARKING("phrase=\"a\"", "<code>pageTop</code>"))))));
	assert_false(v->readable);
	/* the schema's attributes that are missing come first */
	assert_string_equal(spif_errors.warnings[spif_errors.warning_count - 1].text,
	    "'B' prints like 'A': markings cannot be read back");
}

/* ---- records ---- */

static void
a_record_has_a_line_per_vocabulary_in_byte_order(void **state)
{
	(void)state;
	struct vocab *atlas = spif_shipped("atlas");
	struct vocab *tlp = spif_shipped("tlp-2.0");
	struct bytes text;
	struct err e;
	assert_true(vocab_set_releasability(atlas, bytes_of("Releasable To"), &e));
	struct label labels[] = {
		label_of(tlp, "GREEN", ""),
		label_of(atlas, "RESTRICTED", "Releasable To: GBR, NOR, ATLAS"),
		label_of(atlas, "SECRET", "Releasable To: GBR, NOR"),
		label_of(tlp, "AMBER", ""),
		label_of(atlas, "SECRET", "Releasable To: KEN"),
	};
	assert_true(marking_record(&spif_arena, labels, 4, &text, &e));
	assert_string_equal((const char *)text.data, "ATLAS SECRET//REL TO GBR, NOR\nTLP:AMBER");
	assert_true(marking_record(&spif_arena, labels, 5, &text, &e));
	assert_string_equal((const char *)text.data, "ATLAS SECRET (originator only)\nTLP:AMBER");
	assert_true(marking_record(&spif_arena, labels, 0, &text, &e));
	assert_int_equal(text.len, 0);
}

static void
a_flagged_banner_is_never_accepted_as_input(void **state)
{
	(void)state;
	struct vocab *v = spif_shipped("atlas");
	struct label l = label_of(v, "SECRET", "");
	struct banner b = { l, true };
	struct bytes text;
	struct err e;
	assert_true(marking_print_banner(&spif_arena, &b, no_lang, &text, &e));
	assert_string_equal((const char *)text.data, "ATLAS SECRET (originator only)");
	is_unreadable(v, (const char *)text.data,
	    "'(originator only)' in 'ATLAS SECRET (originator only)' is no part of a marking of "
	    "'ATLAS'");
}

static void
a_label_goes_back_to_the_names_of_its_spif(void **state)
{
	(void)state;
	struct vocab *v = spif_shipped("atlas");
	struct label l = label_of(v, "secret", "releasable to: nor, gbr; caveat: draft");
	struct raw_label raw;
	struct err e;
	assert_true(marking_raw(&spif_arena, &l, &raw, &e));
	assert_true(bytes_is(raw.classification, "SECRET"));
	assert_int_equal(raw.category_count, 2);
	assert_true(bytes_is(raw.categories[0].name, "Releasable To"));
	assert_int_equal(raw.categories[0].values.count, 2);
	assert_true(bytes_is(raw.categories[0].values.items[0], "GBR"));
	assert_true(bytes_is(raw.categories[1].name, "Caveat"));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, spif_set_up, spif_tear_down)
	const struct CMUnitTest tests[] = {
		T(the_shipped_vocabularies_print_the_markings_of_the_design),
		T(what_the_shipped_vocabularies_print_reads_back),
		T(people_may_change_case_white_space_and_order),
		T(what_is_no_marking_is_refused),
		T(the_vocabulary_is_found_among_several),
		T(a_marking_that_can_be_read_in_two_ways_is_refused),
		T(a_marking_cannot_keep_us_busy),
		T(codes_of_the_spif_hide_and_replace),
		T(prefixes_suffixes_and_separators_stand_where_the_spif_puts_them),
		T(values_that_print_alike_cannot_be_read_back),
		T(a_record_has_a_line_per_vocabulary_in_byte_order),
		T(a_flagged_banner_is_never_accepted_as_input),
		T(a_label_goes_back_to_the_names_of_its_spif),
	};
	return cmocka_run_group_tests_name("markings", tests, NULL, NULL);
}

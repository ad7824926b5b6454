/* Labels in the XML of STANAG 4774. */
#include "tests/lib/test.h"

#include "policy/label_xml.h"
#include "tests/unit/policy/spif_rig.h"

#define NS "urn:nato:stanag:4774:confidentialitymetadatalabel:1:0"
#define LABEL(inner) \
	"<originatorConfidentialityLabel xmlns='" NS "'>\n" inner \
	"</originatorConfidentialityLabel>"
#define CREATED "<CreationDateTime>2026-01-01T00:00:00Z</CreationDateTime>"
#define INFO(inner) "<ConfidentialityInformation>" inner "</ConfidentialityInformation>"
#define OID "2.25.98120477318462750913384411906725533217"
#define POLICY "<PolicyIdentifier URI='urn:oid:" OID "'> atlas </PolicyIdentifier>"
#define SECRET "<Classification>secret</Classification>"
#define CATEGORY(name, type, values) \
	"<Category TagName='" name "' Type='" type "'>" values "</Category>"
#define VALUE_OF(v) "<GenericValue>" v "</GenericValue>"
#define WHOLE(categories) LABEL(INFO(POLICY SECRET categories) CREATED)

static bool
read_xml(const char *xml, struct text_errors *l, struct raw_label *out)
{
	const struct vocab *set[] = { spif_shipped("atlas") };
	struct text_file *f = arena_zalloc(&spif_arena, 1, sizeof(*f));
	*f = (struct text_file){ bytes_of("l.xml"), bytes_of(xml) };
	return label_xml_read(&spif_arena, set, 1, f, l, out);
}

static struct raw_label
reads(const char *xml, const char *warning)
{
	struct text_errors l;
	struct raw_label raw = { .category_count = 0 };
	text_errors_init(&l);
	bool ok = read_xml(xml, &l, &raw);
	if (!ok)
		print_message("%s", text_errors_format(&l, &spif_arena));
	assert_true(ok);
	assert_int_equal(l.warning_count, warning == NULL ? 0 : 1);
	if (warning != NULL)
		assert_string_equal(l.warnings[0].text, warning);
	text_errors_done(&l);
	return raw;
}

static void
is_refused(const char *xml, const char *why)
{
	struct text_errors l;
	struct raw_label raw;
	text_errors_init(&l);
	assert_false(read_xml(xml, &l, &raw));
	assert_int_equal(l.error_count, 1);
	assert_string_equal(l.errors[0].text, why);
	text_errors_done(&l);
}

static void
a_label_is_read_whole(void **state)
{
	(void)state;
	struct raw_label raw =
	    reads(WHOLE(CATEGORY("Releasable To", "PERMISSIVE", VALUE_OF("GBR") VALUE_OF(" nor "))
			  CATEGORY("Handling", "restrictive", VALUE_OF("FININT"))),
		NULL);
	const struct vocab *v = spif_shipped("atlas");
	struct label l;
	struct err e;
	assert_true(vocab_same_name(raw.vocabulary, v->name));
	assert_true(label_resolve(&spif_arena, v, &raw, &l, &e));
	struct label expected = label_of(v, "SECRET", "Releasable To: GBR, NOR; Handling: FININT");
	assert_true(label_equal(&l, &expected));
}

static void
what_does_not_change_the_meaning_is_a_warning(void **state)
{
	(void)state;
	(void)reads(LABEL(INFO(POLICY SECRET)), "CreationDateTime is missing");
	(void)reads("<originatorConfidentialityLabel>" INFO(POLICY SECRET) CREATED
	    "</originatorConfidentialityLabel>",
	    "the label is not in the namespace of STANAG 4774");
	(void)reads("<OriginatorConfidentialityLabel xmlns='" NS "'>" INFO(POLICY SECRET) CREATED
	    "</OriginatorConfidentialityLabel>",
	    NULL);
	(void)reads("<alternativeConfidentialityLabel xmlns='" NS "'>" INFO(POLICY SECRET) CREATED
	    "</alternativeConfidentialityLabel>",
	    "an alternative label is read as the originator's");
	(void)reads("<a xmlns='urn:x'><b>" WHOLE("") "</b></a>", NULL);
	(void)reads(WHOLE("<PrivacyMark>x</PrivacyMark>"), "the PrivacyMark is left out");
	(void)reads(WHOLE("<Category TagName='Handling'>" VALUE_OF("ORCON") "</Category>"),
	    "a Category without Type");
	(void)reads(
	    LABEL(INFO("<PolicyIdentifier URL='x'>ATLAS</PolicyIdentifier>" SECRET) CREATED),
	    "the attribute is called URI, not URL");
}

static void
what_would_change_the_meaning_is_an_error(void **state)
{
	(void)state;
	is_refused(WHOLE(CATEGORY("Handling", "PERMISSIVE", VALUE_OF("ORCON"))),
	    "'ORCON' is restrictive in 'ATLAS', not permissive");
	is_refused(
	    WHOLE(CATEGORY("Handling", "SECRET", VALUE_OF("ORCON"))), "unknown Type 'SECRET'");
	is_refused(WHOLE("<Category Type='RESTRICTIVE'/>"), "a Category without TagName");
	is_refused(WHOLE(CATEGORY("Handling", "RESTRICTIVE", "<Value>ORCON</Value>")),
	    "element 'Value' in a Category");
	is_refused(
	    WHOLE(CATEGORY("Handling", "RESTRICTIVE", VALUE_OF("  "))), "'GenericValue' is empty");
	is_refused(WHOLE(CATEGORY("Handling", "RESTRICTIVE", VALUE_OF("OR<b/>CON"))),
	    "an element inside 'GenericValue', which holds text");
	is_refused(WHOLE("<Unknown/>"), "unknown element 'Unknown'");
	is_refused(WHOLE(SECRET), "a second 'Classification'");
	/* which of two counts would be a guess, and the lower one a leak */
	is_refused("<a>" WHOLE("") WHOLE("") "</a>", "a second 'originatorConfidentialityLabel'");
	is_refused(LABEL(INFO(POLICY SECRET) INFO(POLICY SECRET) CREATED),
	    "a second 'ConfidentialityInformation'");
	is_refused(LABEL(INFO(SECRET)), "PolicyIdentifier is missing");
	is_refused(LABEL(INFO(POLICY)), "Classification is missing");
	is_refused(LABEL(CREATED), "ConfidentialityInformation is missing");
	is_refused("<a/>", "there is no originatorConfidentialityLabel");
	is_refused("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "a DOCTYPE is not allowed");
	is_refused("<a>", "no element found");
}

static void
one_name_with_two_types_is_one_category(void **state)
{
	(void)state;
	struct raw_label raw = reads(WHOLE(CATEGORY("Other", "PERMISSIVE", VALUE_OF("A")) CATEGORY(
					 " other ", "RESTRICTIVE", VALUE_OF("B") VALUE_OF("C"))),
	    NULL);
	assert_int_equal(raw.category_count, 1);
	assert_int_equal(raw.categories[0].values.count, 3);
	raw = reads(WHOLE(CATEGORY("Handling", "RESTRICTIVE", VALUE_OF("ORCON"))
			    CATEGORY("Handling", "RESTRICTIVE", VALUE_OF("FININT"))),
	    NULL);
	assert_int_equal(raw.category_count, 2); /* for label_resolve to refuse */
}

static void
values_and_size_are_limited(void **state)
{
	(void)state;
	char *name = arena_alloc(&spif_arena, LIMIT_NAME_BYTES + 2);
	memset(name, 'n', LIMIT_NAME_BYTES + 1);
	name[LIMIT_NAME_BYTES + 1] = 0;
	static const char format[] = WHOLE(CATEGORY("Handling", "RESTRICTIVE", VALUE_OF("%s")));
	is_refused(
	    arena_printf(&spif_arena, format, name), "'GenericValue' is longer than 1024 bytes");
	(void)reads(arena_printf(&spif_arena, format, name + 1), NULL);
	char *big = arena_alloc(&spif_arena, LIMIT_LABEL_XML_BYTES + 2);
	size_t n = (size_t)snprintf(big, LIMIT_LABEL_XML_BYTES, "%s", WHOLE(""));
	memset(big + n, ' ', LIMIT_LABEL_XML_BYTES + 1 - n);
	big[LIMIT_LABEL_XML_BYTES + 1] = 0;
	is_refused(big, "larger than 1048576 bytes");
	big[LIMIT_LABEL_XML_BYTES] = 0;
	(void)reads(big, NULL);
}

static void
another_policy_of_that_name_is_refused(void **state)
{
	(void)state;
	is_refused(LABEL(INFO("<PolicyIdentifier URI='urn:oid:1.2'>ATLAS</PolicyIdentifier>" SECRET)
			   CREATED),
	    "the policy is 'urn:oid:1.2' here, and urn:oid:" OID " in the SPIF of 'ATLAS'");
	(void)reads(
	    LABEL(INFO("<PolicyIdentifier URI='" OID "'>ATLAS</PolicyIdentifier>" SECRET) CREATED),
	    NULL);
}

static struct bytes
written(const struct label *l, uint64_t created, uint64_t review)
{
	struct label_xml_dates dates = { created, review };
	struct bytes xml;
	struct err e;
	assert_true(label_xml_write(&spif_arena, l, &dates, &xml, &e));
	return xml;
}

static void
a_label_is_written_as_the_schema_wants_it(void **state)
{
	(void)state;
	struct label l = label_of(spif_shipped("atlas"), "SECRET",
	    "Releasable To: NOR, GBR; Handling: FININT; Caveat: EXERCISE");
	struct bytes xml = written(&l, 1780272001999999, 1940630399000000);
	assert_string_equal((const char *)xml.data,
	    "<originatorConfidentialityLabel xmlns=\"" NS "\" "
	    "ReviewDateTime=\"2031-06-30T23:59:59Z\">\n"
	    "  <ConfidentialityInformation>\n"
	    "    <PolicyIdentifier URI=\"urn:oid:2.25.98120477318462750913384411906725533217\">"
	    "ATLAS</PolicyIdentifier>\n"
	    "    <Classification>SECRET</Classification>\n"
	    "    <Category TagName=\"Handling\" Type=\"RESTRICTIVE\" "
	    "URI=\"urn:oid:2.25.98120477318462750913384411906725533217.1\">\n"
	    "      <GenericValue>FININT</GenericValue>\n"
	    "    </Category>\n"
	    "    <Category TagName=\"Releasable To\" Type=\"PERMISSIVE\" "
	    "URI=\"urn:oid:2.25.98120477318462750913384411906725533217.2\">\n"
	    "      <GenericValue>GBR</GenericValue>\n"
	    "      <GenericValue>NOR</GenericValue>\n"
	    "    </Category>\n"
	    "    <Category TagName=\"Caveat\" Type=\"INFORMATIVE\" "
	    "URI=\"urn:oid:2.25.98120477318462750913384411906725533217.3\">\n"
	    "      <GenericValue>EXERCISE</GenericValue>\n"
	    "    </Category>\n"
	    "  </ConfidentialityInformation>\n"
	    "  <CreationDateTime>2026-06-01T00:00:01Z</CreationDateTime>\n"
	    "</originatorConfidentialityLabel>");
}

/* The label is written, and read back without a word as the same label. */
static void
comes_back(const struct vocab *v, const struct label *l)
{
	struct text_errors errors;
	struct raw_label raw = { .category_count = 0 };
	struct label again;
	struct err e;
	struct text_file f = { bytes_of("w.xml"), written(l, 1, 0) };
	text_errors_init(&errors);
	assert_true(label_xml_read(&spif_arena, &v, 1, &f, &errors, &raw));
	assert_int_equal(errors.warning_count, 0);
	assert_true(label_resolve(&spif_arena, v, &raw, &again, &e));
	assert_true(label_equal(l, &again));
	struct bytes twice = written(&again, 1, 0);
	assert_true(bytes_equal(f.source, twice));
	text_errors_done(&errors);
}

static void
what_is_written_comes_back_as_the_same_label(void **state)
{
	(void)state;
	const struct vocab *v = spif_shipped("atlas");
	for (uint32_t i = 0; i < v->class_count; i++) {
		uint64_t *values = arena_zalloc(&spif_arena, v->words, sizeof(*values));
		struct label l = { v, i, values };
		comes_back(v, &l);
		for (uint32_t k = i; k < v->value_count; k += i + 1) {
			vocab_put(values, k);
			comes_back(v, &l);
		}
	}
}

static void
what_is_special_in_xml_is_escaped(void **state)
{
	(void)state;
	const struct vocab *v = spif_ok(SPIF_HEAD
	    "<securityPolicyId name='P&lt;&amp;>&quot;' id='no oid'/>"
	    "<securityClassifications><securityClassification name='A&amp;B' lacv='1' "
	    "hierarchy='1'/></securityClassifications><securityCategoryTagSets>" TAGSET(
		"S&amp;&lt;&gt;&quot;&#9;x",
		TAG(PERMISSIVE, VALUE("&lt;a&gt;", "1"))
		    TAG(RESTRICTIVE, VALUE("b", "2"))) "</securityCategoryTagSets></SPIF>");
	struct label l = { v, 0, (const uint64_t[]){ 3 } };
	struct bytes xml = written(&l, 1, 0);
	assert_non_null(strstr((const char *)xml.data,
	    "    <PolicyIdentifier>P&lt;&amp;&gt;\"</PolicyIdentifier>\n"
	    "    <Classification>A&amp;B</Classification>\n"
	    "    <Category TagName=\"S&amp;&lt;>&quot;&#x9;x\" Type=\"PERMISSIVE\""));
	assert_non_null(strstr((const char *)xml.data,
	    "<Category TagName=\"S&amp;&lt;>&quot;&#x9;x\" Type=\"RESTRICTIVE\""));
	assert_non_null(strstr((const char *)xml.data, "<GenericValue>&lt;a&gt;</GenericValue>"));
	comes_back(v, &l);
}

static void
a_label_without_memory_is_not_written(void **state)
{
	(void)state;
	struct label l = label_of(spif_shipped("atlas"), "SECRET", "Releasable To: NOR");
	struct label_xml_dates dates = { 1, 0 };
	struct bytes xml;
	size_t cap = 0;
	for (;; cap += 64) {
		struct arena small;
		struct err e = { 0 };
		arena_init(&small, cap);
		bool ok = label_xml_write(&small, &l, &dates, &xml, &e);
		arena_done(&small);
		if (ok)
			break;
		assert_int_equal(e.code, ERR_NOMEM);
	}
	assert_true(cap > 64);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, spif_set_up, spif_tear_down)
	const struct CMUnitTest tests[] = {
		T(a_label_is_read_whole),
		T(another_policy_of_that_name_is_refused),
		T(a_label_is_written_as_the_schema_wants_it),
		T(what_is_written_comes_back_as_the_same_label),
		T(what_is_special_in_xml_is_escaped),
		T(a_label_without_memory_is_not_written),
		T(what_does_not_change_the_meaning_is_a_warning),
		T(what_would_change_the_meaning_is_an_error),
		T(one_name_with_two_types_is_one_category),
		T(values_and_size_are_limited),
	};
	return cmocka_run_group_tests_name("label XML", tests, NULL, NULL);
}

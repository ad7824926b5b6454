/* Clearances in the XML of STANAG 4774. */
#include "tests/lib/test.h"

#include "policy/clearance_xml.h"
#include "tests/unit/policy/spif_rig.h"

#define SLAB "urn:nato:stanag:4774:confidentialitymetadatalabel:1:0"
#define CLEARANCE_WITH(attributes, inner) \
	"<c:ConfidentialityClearance xmlns:c='" CLEARANCE_XML_NAMESPACE "' xmlns='" SLAB \
	"'" attributes ">\n" inner "</c:ConfidentialityClearance>"
#define CLEARANCE(inner) CLEARANCE_WITH("", inner)
#define OID "2.25.98120477318462750913384411906725533217"
#define POLICY "<PolicyIdentifier URI='urn:oid:" OID "'> atlas </PolicyIdentifier>\n"
#define CLASSES(inner) "<c:ClassificationList>" inner "</c:ClassificationList>\n"
#define CLASS(name) "<Classification>" name "</Classification>"
#define SECRET CLASSES(CLASS("secret"))
#define CATEGORY(name, type, values) \
	"<Category TagName='" name "' Type='" type "'>" values "</Category>\n"
#define VALUE_OF(v) "<GenericValue>" v "</GenericValue>"
#define WHOLE(categories) CLEARANCE(POLICY SECRET categories)

static bool
read_xml(const char *xml, struct text_errors *l, struct clearance *out)
{
	const struct vocab *set[] = { spif_shipped("tlp-2.0"), spif_shipped("atlas") };
	struct text_file *f = arena_zalloc(&spif_arena, 1, sizeof(*f));
	*f = (struct text_file){ bytes_of("c.xml"), bytes_of(xml) };
	return clearance_xml_read(&spif_arena, set, 2, f, l, out);
}

static struct clearance
reads(const char *xml, const char *warning)
{
	struct text_errors l;
	struct clearance c;
	text_errors_init(&l);
	bool ok = read_xml(xml, &l, &c);
	if (!ok)
		print_message("%s", text_errors_format(&l, &spif_arena));
	assert_true(ok);
	assert_int_equal(l.warning_count, warning == NULL ? 0 : 1);
	if (warning != NULL)
		assert_string_equal(l.warnings[0].text, warning);
	text_errors_done(&l);
	return c;
}

static void
is_refused(const char *xml, const char *why)
{
	struct text_errors l;
	struct clearance c;
	text_errors_init(&l);
	assert_false(read_xml(xml, &l, &c));
	assert_int_equal(l.error_count, 1);
	assert_string_equal(l.errors[0].text, why);
	text_errors_done(&l);
}

static bool
holds(const struct clearance *c, const char *set, const char *name)
{
	const struct vocab *v = c->vocab;
	return vocab_has(c->values, vocab_value(v, vocab_tagset(v, bytes_of(set)), bytes_of(name)));
}

static size_t
count_held(const struct clearance *c)
{
	size_t n = 0;
	for (uint32_t i = 0; i < c->vocab->value_count; i++)
		n += vocab_has(c->values, i);
	return n;
}

static void
a_clearance_is_read_whole(void **state)
{
	(void)state;
	struct clearance c =
	    reads(CLEARANCE_WITH(" Id='x' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' "
				 "xsi:schemaLocation='a b'",
		      POLICY CLASSES(CLASS("secret") CLASS("UNCLASSIFIED"))
			  CATEGORY("Releasable To", "PERMISSIVE", VALUE_OF("GBR") VALUE_OF(" nor "))
			      CATEGORY("handling", "restrictive", VALUE_OF("FININT"))
				  CATEGORY("Releasable To", "PERMISSIVE", VALUE_OF("KEN"))),
		NULL);
	assert_true(bytes_is(c.vocab->name, "ATLAS"));
	assert_int_equal(c.classes, 1 << vocab_class(c.vocab, bytes_of("SECRET")) |
					1 << vocab_class(c.vocab, bytes_of("UNCLASSIFIED")));
	assert_int_equal(count_held(&c), 4);
	assert_true(holds(&c, "Releasable To", "GBR") && holds(&c, "Releasable To", "NOR") &&
		    holds(&c, "Releasable To", "KEN") && holds(&c, "Handling", "FININT"));
}

static void
the_list_of_classifications_is_no_ceiling(void **state)
{
	(void)state;
	struct clearance c = reads(WHOLE(""), NULL);
	assert_int_equal(c.classes, 1 << vocab_class(c.vocab, bytes_of("SECRET")));
}

static void
what_the_vocabulary_does_not_have_is_dropped_with_a_warning(void **state)
{
	(void)state;
	struct clearance c =
	    reads(WHOLE(CATEGORY("Releasable To", "PERMISSIVE", VALUE_OF("XXA") VALUE_OF("GBR"))),
		"unknown value 'XXA' in 'Releasable To' is dropped");
	assert_int_equal(count_held(&c), 1);
	c = reads(WHOLE(CATEGORY("Only", "PERMISSIVE", VALUE_OF("GBR"))),
	    "unknown category 'Only' in 'ATLAS' is dropped");
	assert_int_equal(count_held(&c), 0);
}

static void
the_policy_must_be_known_and_be_the_one_that_is_meant(void **state)
{
	(void)state;
	is_refused(CLEARANCE("<PolicyIdentifier>ATLLAS</PolicyIdentifier>" SECRET),
	    "unknown vocabulary 'ATLLAS'; did you mean 'ATLAS'?");
	is_refused(CLEARANCE(SECRET), "PolicyIdentifier is missing");
	is_refused(CLEARANCE(POLICY POLICY SECRET), "a second 'PolicyIdentifier'");
	is_refused(CLEARANCE("<PolicyIdentifier/>" SECRET), "'PolicyIdentifier' is empty");
	is_refused(CLEARANCE("<PolicyIdentifier URI='urn:oid:1.2'>ATLAS</PolicyIdentifier>" SECRET),
	    "the policy is 'urn:oid:1.2' here, and urn:oid:" OID " in the SPIF of 'ATLAS'");
	(void)reads(CLEARANCE("<PolicyIdentifier>ATLAS</PolicyIdentifier>" SECRET), NULL);
	(void)reads(
	    CLEARANCE("<PolicyIdentifier URI='" OID "'>ATLAS</PolicyIdentifier>" SECRET), NULL);
}

static void
a_classification_that_is_unknown_or_missing_is_an_error(void **state)
{
	(void)state;
	is_refused(CLEARANCE(POLICY CLASSES(CLASS("SECRETT"))),
	    "unknown classification 'SECRETT' in 'ATLAS'; did you mean 'SECRET'?");
	is_refused(CLEARANCE(POLICY), "ClassificationList is missing");
	is_refused(CLEARANCE(POLICY CLASSES("")), "without a Classification it clears nothing");
	is_refused(CLEARANCE(POLICY SECRET SECRET), "a second 'ClassificationList'");
	is_refused(CLEARANCE(POLICY CLASSES(CLASS(" "))), "'Classification' is empty");
	is_refused(CLEARANCE(POLICY CLASSES("<Classification><b/>SECRET</Classification>")),
	    "an element inside 'Classification', which holds text");
}

static void
a_value_is_held_under_its_own_type_alone(void **state)
{
	(void)state;
	is_refused(WHOLE(CATEGORY("Handling", "PERMISSIVE", VALUE_OF("ORCON"))),
	    "'ORCON' is restrictive in 'ATLAS', not permissive");
	is_refused(WHOLE(CATEGORY("Handling", "LOOSE", VALUE_OF("ORCON"))), "unknown Type 'LOOSE'");
	is_refused(WHOLE("<Category TagName='Handling'>" VALUE_OF("ORCON") "</Category>"),
	    "a Category without Type");
	is_refused(WHOLE("<Category Type='RESTRICTIVE'>" VALUE_OF("ORCON") "</Category>"),
	    "a Category without TagName");
}

static void
what_is_not_understood_might_limit_it(void **state)
{
	(void)state;
	is_refused(CLEARANCE_WITH(" notAfter='2026-01-01'", POLICY SECRET),
	    "ConfidentialityClearance: unknown attribute 'notAfter'");
	is_refused(CLEARANCE_WITH(" c:notAfter='2026-01-01'", POLICY SECRET),
	    "ConfidentialityClearance: unknown attribute 'notAfter'");
	is_refused(
	    WHOLE("<c:Validity/>"), "element 'Validity' cannot stand in ConfidentialityClearance");
	is_refused(WHOLE("<x:Validity xmlns:x='urn:x'/>"),
	    "element 'Validity' is in no namespace of STANAG 4774");
	is_refused(WHOLE("<PolicyIdentifier xmlns=''>ATLAS</PolicyIdentifier>"),
	    "element 'PolicyIdentifier' is in no namespace of STANAG 4774");
	is_refused(WHOLE(CATEGORY("Handling", "RESTRICTIVE", "<IntegerValue>1</IntegerValue>")),
	    "element 'IntegerValue' cannot stand in Category");
	is_refused(WHOLE("until 2026"), "text in 'ConfidentialityClearance', which holds elements");
	is_refused(WHOLE("<Category TagName='Handling' Type='RESTRICTIVE' until='x'/>"),
	    "Category: unknown attribute 'until'");
}

static void
only_a_clearance_is_one(void **state)
{
	(void)state;
	static const char not_one[] =
	    "the root element is not ConfidentialityClearance of STANAG 4774";
	is_refused("<originatorConfidentialityLabel xmlns='" SLAB "'/>", not_one);
	is_refused("<ConfidentialityClearance xmlns='" SLAB "'/>", not_one);
	is_refused("<ConfidentialityClearance/>", not_one);
	is_refused("", "no element found");
	is_refused("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "a DOCTYPE is not allowed");
}

static void
a_clearance_has_a_size(void **state)
{
	(void)state;
	static const char whole[] = WHOLE("");
	char *text = arena_alloc(&spif_arena, LIMIT_LABEL_XML_BYTES + 2);
	assert_non_null(text);
	memset(text, ' ', LIMIT_LABEL_XML_BYTES + 1);
	memcpy(text, whole, sizeof(whole) - 1);
	text[LIMIT_LABEL_XML_BYTES + 1] = 0;
	is_refused(text, "larger than 1048576 bytes");
	text[LIMIT_LABEL_XML_BYTES] = 0;
	(void)reads(text, NULL);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, spif_set_up, spif_tear_down)
	const struct CMUnitTest tests[] = {
		T(a_clearance_is_read_whole),
		T(the_list_of_classifications_is_no_ceiling),
		T(what_the_vocabulary_does_not_have_is_dropped_with_a_warning),
		T(the_policy_must_be_known_and_be_the_one_that_is_meant),
		T(a_classification_that_is_unknown_or_missing_is_an_error),
		T(a_value_is_held_under_its_own_type_alone),
		T(what_is_not_understood_might_limit_it),
		T(only_a_clearance_is_one),
		T(a_clearance_has_a_size),
	};
	return cmocka_run_group_tests_name("clearances in XML", tests, NULL, NULL);
}

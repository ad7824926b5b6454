/* What spif_load refuses, and where it points. */
#include "tests/lib/test.h"

#include "policy/vocab_parts.h"
#include "tests/unit/policy/spif_rig.h"

/* The SPIF is refused with this one error, at this line. */
static void
is_refused(const char *text, uint32_t line, const char *why)
{
	struct text_errors l;
	struct vocab *v = NULL;
	text_errors_init(&l);
	assert_false(spif_check(&spif_arena, bytes_of("p.xml"), bytes_of(text), &l, &v));
	assert_null(v);
	if (l.error_count != 1 || strcmp(l.errors[0].text, why) != 0)
		print_message("%s", text_errors_format(&l, &spif_arena));
	assert_int_equal(l.error_count, 1);
	assert_string_equal(l.errors[0].text, why);
	assert_int_equal(l.errors[0].line, line);
	text_errors_done(&l);
}

/* The SPIF loads, and this is among the warnings. */
static void
is_warned_of(const char *text, const char *what)
{
	struct text_errors l;
	struct vocab *v;
	bool found = false;
	text_errors_init(&l);
	bool ok = spif_check(&spif_arena, bytes_of("p.xml"), bytes_of(text), &l, &v);
	for (size_t i = 0; i < l.warning_count && i < LIMIT_POLICY_ERRORS; i++)
		found = found || strcmp(l.warnings[i].text, what) == 0;
	if (!ok || !found)
		print_message("%s", text_errors_format(&l, &spif_arena));
	assert_true(ok);
	assert_true(found);
	text_errors_done(&l);
}

#define TAIL "</SPIF>"
#define CLASS(attributes) \
	"<securityClassifications>\n<securityClassification " attributes \
	"/>\n</securityClassifications>"
#define SETS(sets) \
	SPIF_HEAD SPIF_POLICY SPIF_CLASSES "<securityCategoryTagSets>\n" sets \
					   "</securityCategoryTagSets></SPIF>"
#define IN_VALUE(inner) \
	SETS(TAGSET("S", TAG(RESTRICTIVE, VALUE_WITH("A", "1", inner) VALUE("B", "2"))))

static void
what_is_not_well_formed_is_one_error(void **state)
{
	(void)state;
	is_refused("", 1, "no element found");
	is_refused("<SPIF>\n<a></b></SPIF>", 2, "mismatched tag");
	is_refused(SPIF_HEAD, 1, "no element found");
	is_refused(
	    "<SPIF xmlns='http://www.xmlspif.org/spif' a='1' a='2'/>", 1, "duplicate attribute");
	is_refused("<SPIF>\xff</SPIF>", 1, "not well-formed (invalid token)");
}

static void
a_doctype_is_refused_and_nothing_expands(void **state)
{
	(void)state;
	is_refused("<?xml version='1.0'?>\n<!DOCTYPE SPIF [ <!ENTITY a \"aaaaaaaa\"> <!ENTITY b "
		   "\"&a;&a;\"> ]>\n<SPIF>&b;</SPIF>",
	    2, "a DOCTYPE is not allowed");
	is_refused("<SPIF>&x;</SPIF>", 1, "undefined entity");
}

static void
namespace_root_and_version_are_required(void **state)
{
	(void)state;
	is_refused("<SPIF schemaVersion='2.1'/>", 1, "the SPIF is in no namespace");
	is_refused("<SPIF xmlns='http://www.xmslpif.org/spif' schemaVersion='2.1'/>", 1,
	    "the document is in another namespace than that of SPIFs");
	is_refused("<spif xmlns='http://www.xmlspif.org/spif' schemaVersion='2.1'/>", 1,
	    "the root element is not SPIF");
	is_refused("<SPIF xmlns='http://www.xmlspif.org/spif'/>", 1,
	    "schemaVersion is missing; 2.1, 2.0 and 1.0 are read");
	is_refused("<SPIF xmlns='http://www.xmlspif.org/spif' schemaVersion='3.0'/>", 1,
	    "schema version '3.0' is not read; 2.1, 2.0 and 1.0 are");
	static const char *const versions[] = { "1.0", "2.0", "2.1" };
	for (size_t i = 0; i < 3; i++)
		(void)spif_ok(arena_printf(&spif_arena,
		    "<SPIF xmlns='http://www.xmlspif.org/spif' schemaVersion='%s'>%s</SPIF>",
		    versions[i], SPIF_POLICY SPIF_CLASSES));
}

static void
elements_that_we_do_not_know_might_be_constraints(void **state)
{
	(void)state;
	is_refused(IN_VALUE("<excludedClas>LOW</excludedClas>"), 2,
	    "element 'excludedClas' cannot stand in tagCategory");
	is_refused(IN_VALUE("<excludedClass xmlns=''>LOW</excludedClass>"), 2,
	    "element 'excludedClass' is in no namespace");
	is_refused(SETS(TAGSET("S", TAG(RESTRICTIVE " maxSelections='1'", VALUE("A", "1")))), 2,
	    "securityCategoryTag: unknown attribute 'maxSelections'");
	is_warned_of(IN_VALUE("<markingDate/>"),
	    "element 'markingDate' cannot stand in tagCategory; it is ignored");
	is_warned_of(
	    IN_VALUE("<x:y xmlns:x='urn:x'/>"), "element 'y' of another namespace is ignored");
	is_warned_of(SPIF_HEAD SPIF_POLICY SPIF_CLASSES "<extensions><anything/></extensions>" TAIL,
	    "SPIF: the schema requires the attribute 'rbacId'");
}

static void
policy_and_classifications_must_be_there(void **state)
{
	(void)state;
	is_refused(SPIF_HEAD SPIF_CLASSES TAIL, 1, "securityPolicyId is missing");
	is_refused(SPIF_HEAD SPIF_POLICY SPIF_POLICY SPIF_CLASSES TAIL, 1,
	    "securityPolicyId stands twice");
	is_refused(SPIF_HEAD SPIF_POLICY TAIL, 1, "there is no classification");
	is_refused(SPIF_HEAD SPIF_POLICY SPIF_CLASSES SPIF_CLASSES TAIL, 1,
	    "securityClassifications stands twice");
}

static void
a_class_needs_name_lacv_and_hierarchy(void **state)
{
	(void)state;
	is_refused(
	    SPIF_HEAD SPIF_POLICY CLASS("lacv='1' hierarchy='1'") TAIL, 2, "the name is missing");
	is_refused(SPIF_HEAD SPIF_POLICY CLASS("name=' ' lacv='1' hierarchy='1'") TAIL, 2,
	    "the name is empty");
	is_refused(
	    SPIF_HEAD SPIF_POLICY CLASS("name='A' hierarchy='1'") TAIL, 2, "lacv is missing");
	is_refused(
	    SPIF_HEAD SPIF_POLICY CLASS("name='A' lacv='1'") TAIL, 2, "hierarchy is missing");
	is_refused(SPIF_HEAD SPIF_POLICY CLASS("name='A' lacv='1' hierarchy='high'") TAIL, 2,
	    "hierarchy is not an integer: 'high'");
	is_refused(SPIF_HEAD SPIF_POLICY CLASS("name='A' lacv='1' hierarchy='1' obsolete='yes'")
		       TAIL,
	    2, "obsolete is 'true' or 'false', not 'yes'");
	is_refused(SPIF_HEAD SPIF_POLICY CLASS("name='A&#8203;B' lacv='1' hierarchy='1'") TAIL, 2,
	    "a name with a control or invisible character");
	is_refused(SPIF_HEAD SPIF_POLICY CLASS("name='A&#10;B' lacv='1' hierarchy='1'") TAIL, 2,
	    "a name with a control or invisible character");
	is_refused(SPIF_HEAD SPIF_POLICY CLASS(
		       "name='A' lacv='1' hierarchy='1'/><securityClassification name=' a ' "
		       "lacv='2' hierarchy='2'") TAIL,
	    2, "the name ' a ' is taken: names compare without case and with white space folded");
	is_refused(SPIF_HEAD SPIF_POLICY CLASS(
		       "name='A' lacv='01' hierarchy='1'/><securityClassification name='B' "
		       "lacv='1' hierarchy='2'") TAIL,
	    2, "lacv 1 is that of 'A'");
}

static void
a_tag_has_one_of_four_types(void **state)
{
	(void)state;
	is_refused(SETS(TAGSET("S", TAG("", VALUE("A", "1")))), 2, "tagType is missing");
	is_refused(SETS(TAGSET("S", TAG("tagType='informative'", VALUE("A", "1")))), 2,
	    "tagType 'informative' is none of restrictive, permissive, enumerated, tagType7");
	is_refused(SETS(TAGSET("S", TAG("tagType='enumerated'", VALUE("A", "1")))), 2,
	    "enumerated needs enumType restrictive or permissive");
	is_refused(
	    SETS(TAGSET("S", TAG("tagType='enumerated' enumType='tagType7'", VALUE("A", "1")))), 2,
	    "enumerated needs enumType restrictive or permissive");
}

static void
values_are_told_apart_within_their_set(void **state)
{
	(void)state;
	is_refused(SETS(TAGSET("S",
		       TAG(RESTRICTIVE, VALUE("A  B", "1")) TAG(PERMISSIVE, VALUE("a b", "2")))),
	    2, "the name 'a b' is taken: names compare without case and with white space folded");
	is_refused(SETS(TAGSET("S", TAG(RESTRICTIVE, VALUE("A", "1")))
			   TAGSET("s", TAG(RESTRICTIVE, VALUE("A", "1")))),
	    2, "the name 's' is taken: names compare without case and with white space folded");
	is_refused(
	    SETS(TAGSET("S", TAG(RESTRICTIVE, "<tagCategory name='A'/>"))), 2, "lacv is missing");
	(void)spif_ok(SETS(TAGSET("S", TAG(RESTRICTIVE, VALUE("A", "1")))
		TAGSET("T", TAG(RESTRICTIVE, VALUE("A", "1")))));
	is_refused(SPIF_HEAD SPIF_POLICY SPIF_CLASSES "<securityCategoryTagSets/>"
						      "<securityCategoryTagSets/>" TAIL,
	    1, "securityCategoryTagSets stands twice");
}

static void
constraints_must_name_what_exists(void **state)
{
	(void)state;
	is_refused(IN_VALUE("<excludedClass>LOWE</excludedClass>"), 2,
	    "excludedClass: there is no classification 'LOWE'");
	is_refused(IN_VALUE("<excludedClass>LOW</excludedClass>\n<excludedClass> low "
			    "</excludedClass>"),
	    3, "excludedClass ' low ' stands twice");
	is_refused(SETS(TAGSET("S",
		       TAG(RESTRICTIVE, "<tagCategory name='A' lacv='1' requiredClass='X'/>"))),
	    2, "requiredClass: there is no classification 'X'");
	is_refused(IN_VALUE("<excludedCategory tagSetRef='T' tagType='restrictive'/>"), 2,
	    "there is no tag set 'T'");
	is_refused(
	    IN_VALUE("<excludedCategory tagType='restrictive'/>"), 2, "tagSetRef is missing");
	is_refused(IN_VALUE("<requiredCategory/>"), 2, "requiredCategory without operation");
	is_refused(IN_VALUE("<requiredCategory operation='some'/>"), 2,
	    "operation is onlyOne, oneOrMore or all, not 'some'");
	is_refused(IN_VALUE("<requiredCategory operation='all'><categoryGroup tagSetRef='S' "
			    "tagType='enumerated'/></requiredCategory>"),
	    2, "enumerated needs enumType restrictive or permissive");
}

static void
counts_dates_and_phrases_are_typed(void **state)
{
	(void)state;
	is_refused(SETS(TAGSET("S", TAG(RESTRICTIVE " minSelection='-1'", VALUE("A", "1")))), 2,
	    "minSelection is negative");
	is_refused(SETS(TAGSET("S", TAG(RESTRICTIVE " singleSelection='one'", VALUE("A", "1")))), 2,
	    "singleSelection is 'true' or 'false', not 'one'");
	is_refused(SETS(TAGSET(
		       "S", TAG(RESTRICTIVE, "<tagCategory name='A' lacv='1' notBefore='soon'/>"))),
	    2, "notBefore is not a time: 'soon'");
	is_refused(IN_VALUE("<markingQualifier><qualifier/></markingQualifier>"), 2,
	    "a qualifier without qualifierCode");
	is_refused(IN_VALUE("<markingQualifier><qualifier qualifierCode='infix'/>"
			    "</markingQualifier>"),
	    2, "qualifierCode is prefix, suffix or separator");
	is_refused(IN_VALUE("<markingData phrase='a&#10;b'/>"), 2,
	    "a phrase with a control or invisible character");
}

/* Elements of the schema that are not looked into, with all that it lets them have. */
static void
the_schema_is_known_where_nothing_is_read(void **state)
{
	(void)state;
	struct text_errors l;
	struct vocab *v = NULL;
	text_errors_init(&l);
	assert_true(spif_check(&spif_arena, bytes_of("p.xml"),
	    bytes_of(
		"<SPIF xmlns='http://www.xmlspif.org/spif' schemaVersion='2.1' version='1' "
		"creationDate='20260101000000Z' originatorDN='CN=x' keyIdentifier='0' "
		"privilegeId='1.2' rbacId='1.2'>"
		"<defaultSecurityPolicyId name='D' id='1.1'/><securityPolicyId name='P' id='1.2'/>"
		"<updateInfo/><securityClassifications name='c'>"
		"<securityClassification name='A' lacv='1' hierarchy='1' color='lime'>"
		"<equivalentClassification policyRef='Q' lacv='1' applied='both'/>"
		"</securityClassification></securityClassifications><securityCategoryTagSets>"
		"<securityCategoryTagSet name='S' id='1.2.1'>"
		"<securityCategoryTag tagType='enumerated' enumType='permissive' "
		"maxSelection='unbounded' minSelection=' unbounded '>"
		"<tagCategory name='V' lacv='1'><equivalentSecCategoryTag policyRef='Q' "
		"tagSetId='1.3' tagType='enumerated' enumType='permissive' lacv='1' applied='both' "
		"action='discard'/></tagCategory></securityCategoryTag>"
		"<equivalentSecurityCategoryTagSet policyRef='Q' name='T' id='1.4'/>"
		"</securityCategoryTagSet></securityCategoryTagSets>"
		"<privacyMarks maxSelection='1' minSelection='0'><privacyMark name='M'/>"
		"</privacyMarks>"
		"<equivalentPolicies><equivalentPolicy name='Q' id='1.5'/></equivalentPolicies>"
		"<extensions/></SPIF>"),
	    &l, &v));
	if (l.warning_count != 0)
		print_message("%s", text_errors_format(&l, &spif_arena));
	assert_int_equal(l.warning_count, 0);
	assert_int_equal(v->tags[0].min, 0);
	assert_int_equal(v->tags[0].max, UINT32_MAX);
	text_errors_done(&l);
}

static void
a_linter_says_what_a_validator_would(void **state)
{
	(void)state;
	is_warned_of(IN_VALUE("<excludedCategory tagSetRef='S' tagType='restrictive' lacv='2'/>"
			      "<excludedClass>LOW</excludedClass>"),
	    "tagCategory: the schema wants 'excludedClass' earlier");
	is_warned_of(SPIF_HEAD SPIF_CLASSES SPIF_POLICY TAIL,
	    "SPIF: the schema wants 'securityPolicyId' earlier");
	is_warned_of(SPIF_HEAD SPIF_POLICY CLASS("name='A' lacv='1' hierarchy='1' color='pink'")
			 TAIL,
	    "color 'pink' is none of the schema");
	is_warned_of(SPIF_HEAD SPIF_POLICY CLASS("name='A' lacv='1' hierarchy='1' color='#12345g'")
			 TAIL,
	    "color '#12345g' is none of the schema");
	is_warned_of(SPIF_HEAD SPIF_POLICY CLASS(
			 "name='A' lacv='1' hierarchy='1' color='#00FF00'/><securityClassification "
			 "name='B' lacv='2' hierarchy='2' color='#00FF00'") TAIL,
	    "'A' and 'B' have one color");
	is_warned_of(SPIF_HEAD "<securityPolicyId name='P' id='1.2' since='x'/>" SPIF_CLASSES TAIL,
	    "securityPolicyId: unknown attribute 'since'");
	char name[258];
	memset(name, 'n', 257);
	name[257] = 0;
	is_warned_of(
	    arena_printf(&spif_arena,
		SPIF_HEAD SPIF_POLICY CLASS("name='%s' lacv='1' hierarchy='1'") TAIL, name),
	    "a name of 257 characters; the schema lets it have 256");
}

static void
a_linter_says_what_stops_nothing(void **state)
{
	(void)state;
	is_warned_of(SETS(TAGSET("S", TAG(RESTRICTIVE, VALUE("A", "1") VALUE("B", "01")))),
	    "lacv 1 is that of 'A', too");
	is_warned_of(SETS(TAGSET("S", TAG(RESTRICTIVE, VALUE(" A", "1")))),
	    "stray white space in the name ' A'");
	is_warned_of(SETS(TAGSET("S", TAG(RESTRICTIVE, VALUE("A  B", "1")))),
	    "stray white space in the name 'A  B'");
	is_warned_of(SETS(TAGSET("S", TAG(RESTRICTIVE " minSelection='2'", VALUE("A", "1")))),
	    "minSelection 2 can never be met: no label is valid");
	is_warned_of(SETS(TAGSET("S", TAG(RESTRICTIVE, ""))), "a tag without values");
	is_warned_of(SETS(TAGSET("S", TAG(RESTRICTIVE, "<tagCategory name='A' lacv='1' "
						       "notAfter='2026-01-01T00:00:00'/>"))),
	    "notAfter has no time zone; it is taken for UTC");
	is_warned_of(IN_VALUE("<excludedCategory tagSetRef='S' tagType='permissive' lacv='1'/>"),
	    "the reference to 'S' matches no value");
	is_warned_of(IN_VALUE("<excludedCategory tagSetRef='S' tagType='restrictive' lacv='1'/>"),
	    "the value excludes itself: it can never be used");
	is_warned_of(IN_VALUE("<markingData><code>pageLeft</code></markingData>"),
	    "unknown marking code 'pageLeft'");
	is_warned_of(IN_VALUE("<markingData phrase=''><code>pageTop</code></markingData>"),
	    "'A' does not print: markings cannot be read back");
	is_warned_of(SPIF_HEAD SPIF_POLICY CLASS(
			 "name='A' lacv='1' hierarchy='1'/><securityClassification name='B' "
			 "lacv='2' hierarchy='1'") TAIL,
	    "'A' and 'B' have one hierarchy: neither is above the other");
	is_warned_of(IN_VALUE("<requiredCategory operation='all'/>"),
	    "requiredCategory without categoryGroup can never be met");
	is_warned_of(
	    IN_VALUE("<requiredClass>LOW</requiredClass><excludedClass>LOW</excludedClass>"),
	    "the required classification is excluded, too");
	is_warned_of(IN_VALUE("<markingData phrase='X'><code>replacePolicy</code></markingData>"),
	    "'A' changes how policy or classification print: markings cannot be read back");
	is_warned_of(SPIF_HEAD SPIF_POLICY
	    "<securityClassifications>"
	    "<securityClassification name='X' lacv='1' hierarchy='1'/>"
	    "<securityClassification name='Y' lacv='2' hierarchy='2'><markingData phrase='x'/>"
	    "</securityClassification></securityClassifications></SPIF>",
	    "'Y' prints like 'X': markings cannot be read back");
	is_warned_of(IN_VALUE("<markingData phrase='b'/>"),
	    "'B' prints like 'A': markings cannot be read back");
	is_warned_of(SPIF_HEAD SPIF_POLICY CLASS("name=' A' lacv='1' hierarchy='1'") TAIL,
	    "stray white space in the name ' A'");
	is_warned_of(SETS(TAGSET("S ", TAG(RESTRICTIVE, VALUE("A", "1")))),
	    "stray white space in the name 'S '");
}

static void
a_linter_says_what_is_no_identifier_and_what_dates_do_not_say(void **state)
{
	(void)state;
	is_warned_of(
	    SETS(TAGSET("S", TAG(RESTRICTIVE, VALUE("A", "1")))), "id '1' is no object identifier");
	is_warned_of(SETS("<securityCategoryTagSet name='S' id='1.2.3'/>"
			  "<securityCategoryTagSet name='T' id='1.2.3'/>"),
	    "id 1.2.3 is that of 'S', too");
	is_warned_of(SPIF_HEAD "<securityPolicyId name='P' id='3.x'/>" SPIF_CLASSES TAIL,
	    "the policy's id '3.x' is no object identifier");
	is_warned_of(SETS(TAGSET("S", TAG(RESTRICTIVE, "<tagCategory name='A' lacv='1' "
						       "notBefore='2026-01-02' "
						       "notAfter='2026-01-01'/>"))),
	    "'A' ends before it begins");
	is_warned_of(SPIF_HEAD "<securityPolicyId name=' P'/>" SPIF_CLASSES TAIL,
	    "stray white space in the policy name ' P'");
	is_warned_of("<SPIF xmlns='http://www.xmlspif.org/spif' schemaVersion='2.1' "
		     "notAfter='2026-01-01'>" SPIF_POLICY SPIF_CLASSES TAIL,
	    "notBefore and notAfter of the whole SPIF are not looked at");
}

/* A SPIF with so many classes, or values. */
static const char *
many(unsigned classes, unsigned values)
{
	size_t size = 1024 + classes * 100u + values * 60u;
	char *text = arena_alloc(&spif_arena, size);
	assert_non_null(text);
	size_t n =
	    (size_t)snprintf(text, size, "%s<securityClassifications>", SPIF_HEAD SPIF_POLICY);
	for (unsigned i = 0; i < classes; i++)
		n += (size_t)snprintf(text + n, size - n,
		    "<securityClassification name='C%u' lacv='%u' hierarchy='%u'/>", i, i, i);
	n += (size_t)snprintf(text + n, size - n,
	    "</securityClassifications><securityCategoryTagSets><securityCategoryTagSet name='S' "
	    "id='1'><securityCategoryTag name='t' tagType='restrictive'>");
	for (unsigned i = 0; i < values; i++)
		n += (size_t)snprintf(
		    text + n, size - n, "<tagCategory name='V%u' lacv='%u'/>", i, i);
	(void)snprintf(text + n, size - n,
	    "</securityCategoryTag></securityCategoryTagSet></securityCategoryTagSets></SPIF>");
	return text;
}

static void
limits_of_a_spif_hold_at_and_past_them(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(many(LIMIT_SPIF_CLASSES, 1));
	assert_int_equal(vocab_class(v, bytes_of("C63")), 63);
	is_refused(many(LIMIT_SPIF_CLASSES + 1, 1), 1, "more than 64 classifications");
	v = spif_ok(many(1, LIMIT_SPIF_VALUES));
	assert_int_equal(v->words, 64);
	struct label l = label_of(v, "C0", "S: V0, V63, V64, V4095");
	assert_true(label_has_value(&l, 4095));
	is_refused(many(1, LIMIT_SPIF_VALUES + 1), 1, "more than 4096 values");

	char *name = arena_alloc(&spif_arena, LIMIT_NAME_BYTES + 2);
	memset(name, 'n', LIMIT_NAME_BYTES + 1);
	name[LIMIT_NAME_BYTES + 1] = 0;
	static const char format[] = SPIF_HEAD SPIF_POLICY
	    "<securityClassifications><securityClassification name='%s' lacv='1' hierarchy='1'/>"
	    "</securityClassifications></SPIF>";
	is_refused(arena_printf(&spif_arena, format, name), 1, "a name of more than 1024 bytes");
	v = spif_ok(arena_printf(&spif_arena, format, name + 1));
	assert_int_equal(vocab_class(v, bytes_of(name + 1)), 0);
	assert_int_equal(vocab_class(v, bytes_of(name)), VOCAB_NONE);
}

static void
a_phrase_has_1024_bytes(void **state)
{
	(void)state;
	char phrase[1024 + 2] = "";
	memset(phrase, 'p', 1024 + 1);
	static const char format[] = IN_VALUE("<markingData phrase='%s'/>");
	is_refused(
	    arena_printf(&spif_arena, format, phrase), 2, "a phrase of more than 1024 bytes");
	struct vocab *v = spif_ok(arena_printf(&spif_arena, format, phrase + 1));
	assert_int_equal(v->values[0].marks->phrases[0].text.len, 1024);
}

static void
depth_and_size_of_a_spif_are_limited(void **state)
{
	(void)state;
	char deep[2048] = SPIF_HEAD SPIF_POLICY SPIF_CLASSES "<extensions>";
	for (unsigned i = 2; i < LIMIT_SPIF_DEPTH; i++)
		strcat(deep, "<a>");
	size_t at = strlen(deep);
	for (unsigned i = 2; i < LIMIT_SPIF_DEPTH; i++)
		strcat(deep, "</a>");
	strcat(deep, "</extensions></SPIF>");
	(void)spif_ok(deep);
	memmove(deep + at + 4, deep + at, strlen(deep + at) + 1);
	memcpy(deep + at, "<b/>", 4);
	is_refused(deep, 1, "elements are nested too deeply");

	size_t size = LIMIT_SPIF_BYTES + 1;
	char *big = arena_alloc(&spif_arena, size + 1);
	size_t n = (size_t)snprintf(big, size, "%s", SPIF_HEAD SPIF_POLICY SPIF_CLASSES "</SPIF>");
	memset(big + n, ' ', size - n);
	big[size] = 0;
	is_refused(big, 0, "larger than 4194304 bytes");
	big[size - 1] = 0;
	(void)spif_ok(big);
}

static void
loading_alone_says_nothing_but_errors(void **state)
{
	(void)state;
	struct text_errors l;
	struct vocab *v;
	text_errors_init(&l);
	assert_true(spif_load(&spif_arena, bytes_of("p.xml"),
	    bytes_of(SETS(TAGSET("S", TAG(RESTRICTIVE, VALUE("A", "1") VALUE(" B", "01"))))), &l,
	    &v));
	assert_int_equal(l.warning_count, 0);
	text_errors_done(&l);
}

static void
the_digest_is_that_of_the_bytes(void **state)
{
	(void)state;
	/* printf '%s' TEXT | sha256sum */
	struct vocab *v =
	    spif_ok(SPIF_HEAD SPIF_POLICY CLASS("name='A' lacv='1' hierarchy='1'") TAIL);
	static const uint8_t expected[32] = { 0xb4, 0xf9, 0xcd, 0x8d, 0xa3, 0xda, 0x6c, 0xe8, 0xaf,
		0x39, 0x76, 0x4c, 0xfb, 0x89, 0x9d, 0xaa, 0x52, 0xc4, 0x10, 0xb7, 0x1f, 0xe7, 0xe1,
		0x5d, 0xa4, 0x95, 0x7d, 0xbb, 0x9f, 0x29, 0xdf, 0x23 };
	assert_memory_equal(v->digest, expected, 32);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, spif_set_up, spif_tear_down)
	const struct CMUnitTest tests[] = {
		T(what_is_not_well_formed_is_one_error),
		T(a_doctype_is_refused_and_nothing_expands),
		T(namespace_root_and_version_are_required),
		T(elements_that_we_do_not_know_might_be_constraints),
		T(policy_and_classifications_must_be_there),
		T(a_class_needs_name_lacv_and_hierarchy),
		T(a_tag_has_one_of_four_types),
		T(values_are_told_apart_within_their_set),
		T(constraints_must_name_what_exists),
		T(counts_dates_and_phrases_are_typed),
		T(the_schema_is_known_where_nothing_is_read),
		T(a_linter_says_what_a_validator_would),
		T(a_linter_says_what_stops_nothing),
		T(a_linter_says_what_is_no_identifier_and_what_dates_do_not_say),
		T(limits_of_a_spif_hold_at_and_past_them),
		T(a_phrase_has_1024_bytes),
		T(depth_and_size_of_a_spif_are_limited),
		T(loading_alone_says_nothing_but_errors),
		T(the_digest_is_that_of_the_bytes),
	};
	return cmocka_run_group_tests_name("SPIF", tests, NULL, NULL);
}

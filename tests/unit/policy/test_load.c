/* Every error at load (design, section 4), with its exact place and words. */
#include "tests/unit/policy/policy_rig.h"

#include "policy/compile.h"
#include "tests/unit/policy/spif_rig.h"

struct fault {
	const char *from, *to; /* an edit of the base policy */
	const char *error;     /* LINE:COL: TEXT of the first error */
	const char *help;      /* NULL: not looked at */
};

static void
expect_fault(const struct fault *f)
{
	struct rig r;
	rig_init(&r);
	rig_put(&r, "relto.policy", rig_edit(&r, rig_base, f->from, f->to));
	rig_put(&r, "old.xml", SPIF_HEAD SPIF_POLICY SPIF_CLASSES "</SPIF>");
	bool loaded = rig_load(&r, 0);
	const struct text_fault *first = &r.errors.errors[0];
	const char *got =
	    loaded ? "it loaded"
		   : arena_printf(&r.arena, "%u:%u: %s", first->line, first->col, first->text);
	if (strcmp(got, f->error) != 0)
		fail_msg("\n  '%s' for '%s'\n  got  %s\n  want %s", f->to, f->from, got, f->error);
	if (f->help != NULL)
		assert_string_equal(first->help == NULL ? "none" : first->help, f->help);
	assert_int_equal(r.err.code, ERR_POLICY);
	assert_non_null(strstr(r.err.text, first->text));
	rig_done(&r);
}

#define PATTERN_HELP \
	"1 to 16 tokens of A-Z, a-z, 0-9, '_' and '-' joined by dots; '*' is one token, '>' at " \
	"the end one or more"
#define EACH(table) \
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) \
	expect_fault(&table[i])

static void
the_base_policy_loads(void **state)
{
	struct rig r;
	(void)state;
	rig_init(&r);
	rig_load_text(&r, rig_base);
	assert_int_equal(r.errors.warning_count, 0);
	rig_done(&r);
}

static void
names_of_nothing_are_refused(void **state)
{
	static const struct fault faults[] = {
		{ "hub HUB", "hub HUV", "1:5: there is no party 'HUV'", "did you mean 'HUB'?" },
		{ "hub HUB\n", "", "98:1: 'hub' is missing",
		    "the party that runs the broker: hub NAME" },
		{ "member NOR", "member NOX", "57:12: there is no party 'NOX'",
		    "did you mean 'NOR'?" },
		{ "suspend spare", "suspend spar", "32:9: there is no agreement 'spar'",
		    "did you mean 'spare'?" },
		{ "suspend spare", "suspend spare\nsuspend spare",
		    "33:9: 'spare' is suspended twice", NULL },
		{ "clearance TLP [", "clearance TPL [", "55:19: there is no vocabulary 'TPL'",
		    "did you mean 'TLP'?" },
		{ "to [ KEN ]", "to [ USA ]", "93:14: 'USA' is no member of agreement 'atlas'",
		    NULL },
		{ "to [ KEN ]", "from [ HUB ]", "93:16: 'HUB' is no member of agreement 'atlas'",
		    NULL },
		{ "of originator", "of HUB", "86:30: 'HUB' is no member of agreement 'atlas'",
		    NULL },
		{ "from GBR to NOR", "from HUB to NOR",
		    "97:25: 'HUB' is no member of agreement 'atlas'", NULL },
		{ "from GBR to NOR", "from GBR to HUB",
		    "97:32: 'HUB' is no member of agreement 'atlas'", NULL },
	};
	(void)state;
	EACH(faults);
}

static void
names_that_a_vocabulary_lacks_are_refused(void **state)
{
	static const struct fault faults[] = {
		{ "[ CLEAR GREEN AMBER ]", "[ CLEAR GREEM AMBER ]",
		    "55:31: unknown classification 'GREEM' in 'TLP'; did you mean 'GREEN'?", NULL },
		{ "up-to SECRET", "up-to SECRETT",
		    "51:31: unknown classification 'SECRETT' in 'ATLAS'; did you mean 'SECRET'?",
		    NULL },
		{ "Handling [ ORCON", "Handlin [ ORCON",
		    "53:13: unknown category 'Handlin' in 'ATLAS'; did you mean 'Handling'?",
		    NULL },
		{ "[ ORCON FININT ]", "[ ORCON FINNT ]",
		    "53:30: unknown value 'FINNT' in 'Handling'; did you mean 'FININT'?", NULL },
		{ "label ATLAS at-most SECRET", "label ATLAS at-most SECRIT",
		    "80:29: unknown classification 'SECRIT' in 'ATLAS'; did you mean 'SECRET'?",
		    NULL },
		{ "label ATLAS has Handling FININT", "label ATLAS has Handlung FININT",
		    "94:25: unknown category 'Handlung' in 'ATLAS'; did you mean 'Handling'?",
		    NULL },
		{ "label ATLAS has Handling FININT", "label ATLAS has Handling FINANCE",
		    "94:34: unknown value 'FINANCE' in 'Handling'", NULL },
		{ "classification SECRET SECRET", "classification SECRAT SECRET",
		    "74:24: unknown classification 'SECRAT' in 'GBR-NATIONAL'; did "
		    "you mean 'SECRET'?",
		    NULL },
		{ "classification SECRET SECRET", "classification SECRET SECRUT",
		    "74:31: unknown classification 'SECRUT' in 'ATLAS'; did you mean 'SECRET'?",
		    NULL },
		{ "\"Eyes Only\" UK ", "\"Eyes Onli\" UK ",
		    "75:18: unknown category 'Eyes Onli' in 'GBR-NATIONAL'; did "
		    "you mean 'Eyes Only'?",
		    NULL },
		{ "\"Eyes Only\" UK ", "\"Eyes Only\" UKX ",
		    "75:30: unknown value 'UKX' in 'Eyes Only'; did you mean 'UK'?", NULL },
		{ "\"Releasable To\" GBR", "\"Released To\" GBR",
		    "75:33: unknown category 'Released To' in 'ATLAS'; did you "
		    "mean 'Releasable To'?",
		    NULL },
		{ "\"Releasable To\" GBR", "\"Releasable To\" GBX",
		    "75:49: unknown value 'GBX' in 'Releasable To'; did you mean 'GBR'?", NULL },
		{ "releasability \"Eyes Only\"", "releasability Eyes",
		    "8:19: unknown category 'Eyes' in 'GBR-NATIONAL'", NULL },
		{ "releasability \"Eyes Only\"", "releasability Handling",
		    "8:19: category 'Handling' of 'GBR-NATIONAL' has no permissive tag", NULL },
		{ "vocabulary TLP", "vocabulary TLB",
		    "10:12: the SPIF is the security policy 'TLP', not 'TLB'",
		    "write: vocabulary \"TLP\"" },
		{ "policy/vocab/tlp-2.0.spif.xml", "policy/vocab/none.xml",
		    "11:10: cannot read 'policy/vocab/none.xml'", NULL },
		{ "policy/vocab/tlp-2.0.spif.xml", "LICENSE", "2:34: syntax error", NULL },
	};
	(void)state;
	EACH(faults);
}

static void
a_list_stands_for_no_name(void **state)
{
	static const struct fault faults[] = {
		{ "clearance TLP up-to", "clearance [ TLP ] up-to",
		    "63:9: these are not the values that 'clearance' takes",
		    "usage: clearance VOCABULARY up-to CLASSIFICATION { .. }, or with a list in "
		    "[ ], or file \"FILE\"" },
		{ "label TLP at-most AMBER", "label [ TLP ] at-most AMBER",
		    "89:9: these are not the values that 'label' takes", NULL },
		{ "label TLP at-most AMBER", "label TLP at-most [ AMBER ]",
		    "89:9: these are not the values that 'label' takes", NULL },
		{ "has Handling FININT", "has Handling [ FININT ]",
		    "94:9: these are not the values that 'label' takes", NULL },
		{ "classification SECRET SECRET", "classification SECRET [ SECRET ]",
		    "74:9: these are not the values that 'classification' takes",
		    "usage: classification FROM-CLASS TO-CLASS" },
		{ "\"Eyes Only\" UK ", "\"Eyes Only\" [ UK ] ",
		    "75:9: these are not the values that 'category' takes", NULL },
		{ "    rule maritime", "    equivalence [ TLP ] to ATLAS { }\n    rule maritime",
		    "78:5: these are not the values that 'equivalence' takes", NULL },
	};
	(void)state;
	EACH(faults);
}

/* No schema lets a list come so far; what looks the names up is not to rely on it. */
static void
a_list_is_looked_up_as_no_name(void **state)
{
	struct rig r;
	size_t at;
	uint32_t n;
	const struct text_value list = { .kind = TEXT_LIST };
	(void)state;
	rig_init(&r);
	struct compile c = { .errors = &r.errors };
	assert_null(compile_find_vocab(&c, &list, &at));
	assert_false(compile_find_class(&c, NULL, &list, &n));
	assert_false(compile_find_value(&c, NULL, 0, &list, &n));
	assert_int_equal(r.errors.error_count, 3);
	assert_string_equal(r.errors.errors[0].text, "the name of a vocabulary stands here");
	assert_string_equal(r.errors.errors[1].text, "the name of a classification stands here");
	assert_string_equal(r.errors.errors[2].text, "the name of a value stands here");
	rig_done(&r);
}

static void
names_have_a_form_and_some_are_taken(void **state)
{
	static const struct fault faults[] = {
		{ "party KEN", "party any", "24:7: 'any' cannot be the name of a party",
		    "'any', 'originator' and 'recipient' have a meaning in rules" },
		{ "party KEN", "party originator",
		    "24:7: 'originator' cannot be the name of a party", NULL },
		{ "party KEN", "party recipient", "24:7: 'recipient' cannot be the name of a party",
		    NULL },
		{ "party KEN", "party K.N", "24:7: 'K.N' cannot be the name of a party", NULL },
		{ "party KEN", "party -KEN", "24:7: '-KEN' cannot be the name of a party", NULL },
		{ "agreement spare", "agreement \"sp re\"",
		    "33:11: 'sp re' cannot be the name of an agreement", NULL },
		{ "rule tlp", "rule tl.p", "88:10: 'tl.p' cannot be the name of a rule", NULL },
		{ "trust-domain ken.example", "trust-domain KEN.example",
		    "25:18: 'KEN.example' is not a trust domain",
		    "a trust domain is a-z, 0-9, '.', '-' and '_', as in "
		    "spiffe://nor.example/desk" },
		{ "agent /desk", "agent desk", "17:11: 'desk' is not the path of a SPIFFE id",
		    "as in: agent /fusion-desk { .. }" },
		{ "agent /desk", "agent /desk/..",
		    "17:11: '/desk/..' is not the path of a SPIFFE id", NULL },
		{ "agent /desk", "agent /a//b", "17:11: '/a//b' is not the path of a SPIFFE id",
		    NULL },
		{ "roles [ publish", "roles [ publisch", "17:27: 'publisch' is not known here",
		    "did you mean 'publish'?" },
		{ "roles [ publish subscribe ]", "roles [ ]",
		    "17:25: an agent without a role can do nothing", NULL },
		{ "roles [ publish", "roles [ operate publish",
		    "13:1: agent '/desk' of party 'GBR' has the role 'operate', which only the "
		    "hub's agents may have",
		    NULL },
	};
	(void)state;
	EACH(faults);
}

static void
two_of_one_name_are_refused(void **state)
{
	static const struct fault faults[] = {
		{ "party KEN", "party GBR", "24:7: two parties are named 'GBR'",
		    "first in 'relto.policy' line 13" },
		{ "agreement spare", "agreement atlas", "40:11: two agreements are named 'atlas'",
		    NULL },
		{ "vocabulary TLP {\n",
		    "vocabulary tlp { spif \"policy/vocab/tlp-2.0.spif.xml\" "
		    "}\nvocabulary TLP {\n",
		    "11:12: two vocabularies are named 'TLP'", NULL },
		{ "member KEN", "member NOR",
		    "65:12: party 'NOR' is a member of agreement 'atlas' twice", NULL },
		{ "clearance TLP [ CLEAR GREEN AMBER ]", "clearance atlas up-to SECRET",
		    "55:19: member 'GBR' has two clearances in 'ATLAS'", NULL },
		{ "            Handling [ ORCON FININT ]\n        }\n        clearance TLP [",
		    "            \"releasable  to\" [ KEN ]\n        }\n        clearance TLP [",
		    "53:13: the category 'releasable  to' stands here twice", NULL },
		{ "rule tlp", "rule never", "92:10: agreement 'atlas' has two rules 'never'",
		    NULL },
		{ "agent /desk { roles [ publish subscribe ] }",
		    "agent /desk { roles [ publish ] }\n    agent /desk { roles [ sign ] }",
		    "18:11: party 'GBR' has two agents '/desk'", NULL },
		{ "    rule maritime",
		    "    equivalence GBR-NATIONAL to TLP { classification SECRET RED }\n    rule "
		    "maritime",
		    "78:17: agreement 'atlas' has two equivalences from 'GBR-NATIONAL'", NULL },
		{ "mode live", "mode live\n    mode live",
		    "46:5: 'mode' is set twice in agreement 'atlas'", NULL },
	};
	(void)state;
	EACH(faults);
}

static void
trust_is_not_shared(void **state)
{
	static const struct fault faults[] = {
		{ "trust-domain ken.example", "trust-domain gbr.example",
		    "24:1: parties 'GBR' and 'KEN' have one trust domain, 'gbr.example'", NULL },
		{ "trust/ken-ca.pem", "trust/gbr-ca.pem",
		    "24:1: parties 'GBR' and 'KEN' have one trust anchor key", NULL },
		{ "trust/ken-ca.pem", "trust/none.pem",
		    "26:18: cannot read 'tests/policy-sample/trust/none.pem'", NULL },
		{ "tests/policy-sample/trust/ken-ca.pem", "LICENSE", "26:18: no certificate in it",
		    NULL },
		{ "    trust-domain ken.example\n", "",
		    "24:1: 'trust-domain' is missing in party 'KEN'", NULL },
		{ "    trust-bundle \"tests/policy-sample/trust/ken-ca.pem\"\n", "",
		    "24:1: 'trust-bundle' is missing in party 'KEN'", NULL },
	};
	(void)state;
	EACH(faults);
}

static void
agreements_are_whole(void **state)
{
	static const struct fault faults[] = {
		{ "may [ receive ]", "may [ ]", "66:13: member 'KEN' may do nothing", NULL },
		{ "        may [ receive ]\n", "", "70:5: 'may' is missing in member 'KEN'", NULL },
		{ "may [ receive ]", "may [ recieve ]", "66:15: 'recieve' is not known here",
		    "did you mean 'receive'?" },
		{ "until 2028-12-31", "until 2025-12-31", "43:33: it ends before it begins", NULL },
		{ "until 2028-12-31", "until 2028-02-30", "43:33: '2028-02-30' is not a date",
		    NULL },
		{ "valid from", "valid form", "35:11: 'form' where 'from' belongs", NULL },
		{ "version 3", "version 0",
		    "42:13: '0' is not an integer from 1 to 9223372036854775807", NULL },
		{ "version 3", "version three",
		    "42:13: 'three' is not an integer from 1 to 9223372036854775807", NULL },
		{ "    version 3\n", "", "97:1: 'version' is missing in agreement 'atlas'", NULL },
		{ "state in-force", "state inforce", "44:11: 'inforce' is not known here",
		    "did you mean 'in-force'?" },
		{ "mode live", "mode dead", "45:10: 'dead' is not known here", NULL },
		{ "topics [ maritime.> cyber.* ]", "topics [ maritime.>.x ]",
		    "46:14: 'maritime.>.x' is not a topic pattern", PATTERN_HELP },
		{ "topics [ maritime.> cyber.* ]", "topics [ ]", "46:12: the list is empty", NULL },
		{ "topics [ maritime.> cyber.* ]", "topics maritime.>",
		    "46:5: 'topics' takes a list in [ ]", NULL },
		{ "onward consent within 72h", "onward never", "47:12: 'never' is not known here",
		    NULL },
		{ "onward consent within 72h", "onward members within 72h",
		    "47:20: only 'consent' takes a time: consent within 72h", NULL },
		{ "onward consent within 72h", "onward consent within 72",
		    "47:27: '72' is not a duration", NULL },
		{ "precedence at-most FLASH", "precedence at-least FLASH",
		    "50:20: 'at-least' where 'at-most' belongs", NULL },
		{ "precedence at-most FLASH", "precedence at-most FLUSH",
		    "50:28: 'FLUSH' is not known here", "did you mean 'FLASH'?" },
		{ "clearance TLP up-to AMBER", "clearance TLP AMBER",
		    "63:23: 'up-to CLASSIFICATION' or a list in [ ] stands here", NULL },
		{ "clearance TLP up-to AMBER", "clearance TLP AMBER GREEN",
		    "63:23: 'up-to CLASSIFICATION' or a list in [ ] stands here", NULL },
		{ "clearance TLP up-to AMBER", "clearance TLP [ AMBER ] GREEN",
		    "63:33: nothing may follow the list", NULL },
		{ "Handling [ ORCON FININT ]", "Handling ORCON",
		    "53:13: a category takes a list of values in [ ]",
		    "\"Releasable To\" [ GBR NOR ]" },
		{ "onward consent", "unmarked-labels releasable-to all\n    onward consent",
		    "47:35: 'all' where 'members' belongs", NULL },
		{ "onward consent", "unmarked-labels released-to members\n    onward consent",
		    "47:21: 'released-to' where 'releasable-to' belongs", NULL },
		{ "onward consent", "unmarked-portions releasable-to member\n    onward consent",
		    "47:37: 'member' where 'members' belongs", NULL },
		{ "onward consent", "unmarked-portions to members\n    onward consent",
		    "47:23: 'to' where 'releasable-to' belongs", NULL },
		{ "onward consent", "signatures needed [ GBR ]\n    onward consent",
		    "47:16: 'needed' where 'required' belongs", NULL },
		{ "onward consent", "signatures required [ HUB ]\n    onward consent",
		    "47:27: 'HUB' is no member of agreement 'atlas'", NULL },
		{ "onward consent", "backfil\n    onward consent",
		    "47:5: unknown setting 'backfil' in agreement 'atlas'",
		    "did you mean 'backfill'?" },
	};
	(void)state;
	EACH(faults);
}

#define SHELL \
	"version 1\nvalid from 2026-01-01 until 2026-12-31\nstate draft\nmode live\ntopics [ x ]\n"

static void
an_equivalence_never_weakens(void **state)
{
#define ENTRY "        category \"Eyes Only\" UKNOR \"Releasable To\" NOR\n"
	static const struct fault faults[] = {
		{ ENTRY, ENTRY "        category Handling INVESTIGATION \"Releasable To\" KEN\n",
		    "77:57: the equivalence weakens: restrictive becomes permissive",
		    "restrictive to restrictive, permissive to permissive or restrictive, "
		    "informative to informative" },
		{ ENTRY, ENTRY "        category Handling INVESTIGATION Caveat DRAFT\n",
		    "77:48: the equivalence weakens: restrictive becomes informative", NULL },
		{ ENTRY, ENTRY "        category \"Eyes Only\" UKUS Caveat DRAFT\n",
		    "77:42: the equivalence weakens: permissive becomes informative", NULL },
		{ ENTRY, ENTRY "        category Descriptor LOCSEN Handling ORCON\n",
		    "77:45: the equivalence weakens: informative becomes restrictive", NULL },
		{ ENTRY, ENTRY "        category \"Eyes Only\" UK Handling ORCON\n",
		    "77:30: 'UK' is mapped twice", "every source value is mapped once at most" },
		{ ENTRY, ENTRY "        classification SECRET CONFIDENTIAL\n",
		    "77:24: 'SECRET' is mapped twice", NULL },
		{ ENTRY, ENTRY "        category \"Eyes Only\" UKUS Handling LIMDIS\n",
		    "77:44: the value 'LIMDIS' is obsolete", "nothing new is labelled so" },
		{ "suspend spare",
		    "vocabulary P { spif old.xml }\nagreement old {\n" SHELL
		    "equivalence TLP to P { classification RED OLD }\n}\nsuspend spare",
		    "39:43: the classification 'OLD' is obsolete", "nothing new is labelled so" },
		{ "classification OFFICIAL-SENSITIVE RESTRICTED",
		    "classification OFFICIAL-SENSITIVE \"TOP SECRET\"",
		    "72:5: the equivalence weakens: 'OFFICIAL-SENSITIVE' is not "
		    "above 'SECRET', but its image 'TOP SECRET' is above 'SECRET'",
		    NULL },
		{ "equivalence GBR-NATIONAL to ATLAS", "equivalence ATLAS to ATLAS",
		    "72:26: 'ATLAS' is mapped to itself", NULL },
		{ "equivalence GBR-NATIONAL to ATLAS", "equivalence GBR-NATIONAL two ATLAS",
		    "72:30: 'two' where 'to' belongs", NULL },
		{ "clearance TLP up-to AMBER", "clearance GBR-NATIONAL up-to SECRET",
		    "72:17: member 'NOR' has a clearance in 'GBR-NATIONAL', which "
		    "the equivalence maps",
		    "put them in two agreements" },
	};
	(void)state;
	EACH(faults);
}

static void
rules_are_whole(void **state)
{
	static const struct fault faults[] = {
		{ "        withhold\n", "", "95:5: rule 'never' has no verdict",
		    "a rule ends in one of release, hold, withhold" },
		{ "        withhold\n", "        withhold\n        release\n",
		    "96:9: rule 'never' has two verdicts",
		    "a rule ends in one of release, hold, withhold" },
		{ "        withhold\n", "        withhold\n        withhold\n",
		    "96:9: 'withhold' is set twice in rule 'never'", NULL },
		{ "label TLP at-most AMBER", "label GBR-NATIONAL at-most SECRET",
		    "88:5: rule 'tlp' can never match: no member has a clearance in 'GBR-NATIONAL'",
		    "a release rule sees labels as mapped; name the vocabulary that the "
		    "members are cleared in" },
		{ "label TLP at-most AMBER", "label TLP below AMBER",
		    "89:19: 'below' is not known here", NULL },
		{ "label TLP at-most AMBER", "label TLP at-most AMBER RED",
		    "89:33: nothing may follow the classification", NULL },
		{ "topic maritime.>\n        label", "topic maritime..x\n        label",
		    "79:15: 'maritime..x' is not a topic pattern", PATTERN_HELP },
		{ "precedence at-least IMMEDIATE", "precedence over IMMEDIATE",
		    "84:20: 'over' is not known here", NULL },
		{ "precedence at-least IMMEDIATE", "content-type text",
		    "84:22: 'text' is not a content type", NULL },
		{ "precedence at-least IMMEDIATE", "content-type */plain",
		    "84:22: '*/plain' is not a content type", NULL },
		{ "to [ KEN ]", "to KEN", "93:12: 'any' or a list of members in [ ] stands here",
		    "a list of one needs its brackets" },
		{ "to [ KEN ]", "to [ ]", "93:12: the list is empty", NULL },
		{ "to [ KEN ]", "to [ KEN KEN ]", "93:18: 'KEN' is twice in this list", NULL },
		{ "within 2h", "within 2 h", "86:9: these are not the values that 'hold' takes",
		    NULL },
		{ "within 2h", "within 2w", "86:48: '2w' is not a duration", NULL },
		{ "within 2h", "after 2h", "86:41: 'after' where 'within' belongs", NULL },
		{ "hold for-approval-of originator within 2h", "hold",
		    "86:9: these are not the values that 'hold' takes", NULL },
	};
	(void)state;
	EACH(faults);
}

static void
a_release_rule_that_speaks_of_no_label_is_warned_of(void **state)
{
	struct rig r;
	(void)state;
	rig_init(&r);
	rig_load_text(&r, rig_edit(&r, rig_base, "label TLP at-most AMBER", "topic maritime.>"));
	assert_int_equal(r.errors.warning_count, 1);
	assert_string_equal(r.errors.warnings[0].text,
	    "rule 'tlp' releases nothing: it has no condition on a label");
	assert_string_equal(r.errors.warnings[0].help,
	    "each vocabulary on a portion needs a release rule that speaks of it");
	assert_int_equal(r.errors.warnings[0].line, 88);
	rig_done(&r);
}

#define LIST "[ \"ATLAS SECRET//REL TO NOR\" ]"

static void
an_expect_has_all_its_parts(void **state)
{
	static const struct fault faults[] = {
		{ "expect release from GBR to NOR topic maritime.piracy " LIST, "expect release",
		    "97:5: an expect says what for whom", NULL },
		{ "topic maritime.piracy " LIST, "topic " LIST,
		    "97:36: a value must follow 'topic'", NULL },
		{ "topic maritime.piracy " LIST, "topic maritime.piracy precedence",
		    "97:58: a value must follow 'precedence'", NULL },
		{ LIST, LIST " [ TLP:GREEN ]", "97:89: nothing may follow the labels",
		    "expect release|hold|withhold [REASON] from PARTY to PARTY topic TOPIC "
		    "[precedence P] [ \"MARKING\" .. ]" },
		{ LIST, "{ lable TLP GREEN }", "97:60: a label of the expect stands here",
		    "label ATLAS SECRET { \"Releasable To\" [ NOR ] }" },
		{ LIST, "{ label TLP }", "97:60: a label of the expect stands here", NULL },
		{ LIST, "{ label TLP [ GREEN ] }", "97:60: a label of the expect stands here",
		    NULL },
		{ LIST, "{ label [ TLP ] GREEN }", "97:60: a label of the expect stands here",
		    NULL },
		{ LIST, "{ label TPL GREEN }", "97:66: there is no vocabulary 'TPL'",
		    "did you mean 'TLP'?" },
		{ LIST, "{ label ATLAS SECRET { Handling ORCON } }",
		    "97:81: a category takes a list of values in [ ]", NULL },
	};
	(void)state;
	EACH(faults);
}

static void
an_expect_must_hold(void **state)
{
	static const struct fault faults[] = {
		{ "expect release", "expect withhold",
		    "97:5: the expect does not hold: the verdict is release",
		    "every check passed: rule maritime" },
		{ "expect release", "expect withhold classification",
		    "97:5: the expect does not hold: the verdict is release", NULL },
		{ "to NOR topic", "to KEN topic",
		    "97:5: the expect does not hold: the verdict is withhold, classification",
		    NULL },
		{ "topic maritime.piracy", "topic air.piracy",
		    "97:42: the topic 'air.piracy' is outside the topics of agreement 'atlas'",
		    NULL },
		{ "from GBR to NOR", "from KEN to NOR",
		    "97:5: the expect does not hold: the report is refused, agreement-not-usable",
		    "atlas: you may not originate under it" },
		{ "from GBR to NOR", "from GBR to GBR",
		    "97:5: the expect does not hold: 'GBR' receives nothing from "
		    "'GBR' under the agreement",
		    NULL },
		{ LIST, "{ label ATLAS SECRET { \"Releasable To\" [ ] } }",
		    "97:5: the expect does not hold: the report is refused, invalid-label", NULL },
		{ LIST, "[ ]", "97:5: the expect does not hold: the report is refused, unlabelled",
		    NULL },
		{ LIST, "", "97:5: an expect has either a list of markings or a block of labels",
		    NULL },
		{ LIST, LIST " { label TLP GREEN }",
		    "97:5: an expect has either a list of markings or a block of labels", NULL },
		{ LIST, "[ \"ATLAS SECRET//REL TO NOBODY\" ]",
		    "97:60: 'nobody' in 'ATLAS SECRET//REL TO NOBODY' is no part "
		    "of a marking of 'ATLAS'",
		    NULL },
		{ " topic maritime.piracy", "", "97:5: 'topic' is missing in the expect", NULL },
		{ "from GBR to NOR", "to NOR", "97:5: 'from' is missing in the expect", NULL },
		{ "from GBR to NOR", "from GBR", "97:5: 'to' is missing in the expect", NULL },
		{ "from GBR to NOR", "from GBR from NOR", "97:29: 'from' stands here twice", NULL },
		{ "expect release", "expect withhold because",
		    "97:21: there is no reason 'because'", NULL },
		{ "expect release", "expect redact", "97:12: 'redact' is not known here", NULL },
		{ "topic maritime.piracy", "topic maritime.piracy precedence HIGH",
		    "97:69: 'HIGH' is not known here", NULL },
		{ "topic maritime.piracy", "topic maritime.piracy precedence IMMEDIATE",
		    "97:5: the expect does not hold: the verdict is hold, review", NULL },
	};
	(void)state;
	EACH(faults);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_base_policy_loads),
		cmocka_unit_test(names_of_nothing_are_refused),
		cmocka_unit_test(names_that_a_vocabulary_lacks_are_refused),
		cmocka_unit_test(a_list_stands_for_no_name),
		cmocka_unit_test(a_list_is_looked_up_as_no_name),
		cmocka_unit_test(names_have_a_form_and_some_are_taken),
		cmocka_unit_test(two_of_one_name_are_refused),
		cmocka_unit_test(trust_is_not_shared),
		cmocka_unit_test(agreements_are_whole),
		cmocka_unit_test(an_equivalence_never_weakens),
		cmocka_unit_test(rules_are_whole),
		cmocka_unit_test(a_release_rule_that_speaks_of_no_label_is_warned_of),
		cmocka_unit_test(an_expect_has_all_its_parts),
		cmocka_unit_test(an_expect_must_hold),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

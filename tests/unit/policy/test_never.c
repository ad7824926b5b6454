/* 'never release ..': what it reads, what it says, and that it is right, by every label there is.
 */
#include "tests/unit/policy/cells_rig.h"

#include "policy/compile.h"
#include "policy/never.h"

#define PIRACY "GBR to NOR topic maritime.piracy"
#define EXPECT "    expect release from " PIRACY " [ \"ATLAS SECRET//REL TO NOR\" ]\n"
#define BROKEN "97:1: the never does not hold: agreement 'atlas' releases "
#define NEVER_USAGE \
	"never release [from PARTY] [to PARTY] [topic PATTERN] [label VOCABULARY TEST ..] " \
	"[precedence TEST P] [content-type TYPE]"

/* ---- words ---- */

struct said {
	const char *never; /* in place of the base policy's expect.. */
	const char *error; /* ..LINE:COL: TEXT of the first error; NULL: it loads */
	const char *help;
};

static void
check_said(const struct said *x)
{
	struct rig r;
	rig_init(&r);
	rig_put(&r, "relto.policy", rig_edit(&r, rig_base, EXPECT, x->never));
	bool loaded = rig_load(&r, 0);
	const struct text_fault *first = &r.errors.errors[0];
	const char *got =
	    loaded ? NULL
		   : arena_printf(&r.arena, "%u:%u: %s", first->line, first->col, first->text);
	if ((got == NULL) != (x->error == NULL) || (got != NULL && strcmp(got, x->error) != 0))
		fail_msg("\n  '%s'\n  got  %s\n  want %s", x->never, got, x->error);
	if (x->help != NULL)
		assert_string_equal(first->help == NULL ? "none" : first->help, x->help);
	rig_done(&r);
}

static void
what_is_wrong_in_a_never_is_told(void **state)
{
	static const struct said all[] = {
		{ "never\n", "97:1: a never says what is never released", NEVER_USAGE },
		{ "never release\n", "97:1: a never says what is never released", NEVER_USAGE },
		{ "never hold to KEN\n", "97:1: a never says what is never released", NULL },
		{ "never release KEN\n", "97:1: a never says what is never released", NULL },
		{ "never release \"to\" KEN\n", "97:1: a never says what is never released", NULL },
		{ "never release to KEM\n", "97:18: 'KEM' is no member of agreement 'atlas'",
		    "did you mean 'KEN'?" },
		{ "never release to [ KEN HUB ]\n",
		    "97:24: 'HUB' is no member of agreement 'atlas'", NULL },
		{ "never release to\n", "97:15: these are not the values that 'to' takes", NULL },
		{ "never release to KEN NOR\n", "97:15: these are not the values that 'to' takes",
		    NULL },
		{ "never release label ATLAS\n",
		    "97:15: these are not the values that 'label' takes", NULL },
		{ "never release label ATLAS is DARK\n",
		    "97:30: unknown classification 'DARK' in 'ATLAS'", NULL },
		{ "never release topic a..b\n", "97:21: 'a..b' is not a topic pattern", NULL },
		{ "never release precedence at-least SOON\n", "97:35: 'SOON' is not known here",
		    NULL },
		{ "never release content-type text\n", "97:28: 'text' is not a content type",
		    NULL },
		{ "never release to KEN {\n}\n", "97:1: 'never' takes no block", NULL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		check_said(&all[i]);
}

static void
one_that_does_not_hold_names_a_report(void **state)
{
	static const struct said all[] = {
		{ "never release to KEN label ATLAS at-least SECRET\n", NULL, NULL },
		{ "never release to KEN label ATLAS has Handling FININT\n", NULL, NULL },
		{ "never release label ATLAS at-least SECRET precedence at-least IMMEDIATE\n", NULL,
		    NULL }, /* held is not released */
		{ "never release to KEN topic cyber.*\n", NULL, NULL },
		{ "never release to [ KEN ] from any label ATLAS is RESTRICTED\n",
		    BROKEN "from GBR to KEN topic "
			   "maritime.any0 label \"ATLAS RESTRICTED//REL TO ATLAS\"",
		    "released by rule maritime, relto.policy:78" },
		{ "never release label GBR-NATIONAL is SECRET\n", /* as written */
		    BROKEN "from NOR to GBR topic "
			   "maritime.any0 label \"GBR-NATIONAL SECRET//UK EYES ONLY\"",
		    NULL },
		{ "never release precedence at-least FLASH from GBR content-type image/*\n",
		    BROKEN "from GBR to KEN topic "
			   "maritime.any0 precedence FLASH content-type image/x-0 label \"ATLAS "
			   "UNCLASSIFIED//REL TO ATLAS\"",
		    NULL },
		{ "never release label TLP is GREEN\n", /* only beside a label with releasability */
		    BROKEN
		    "from NOR to GBR topic "
		    "maritime.any0 label \"TLP:GREEN\" label \"ATLAS UNCLASSIFIED//REL TO ATLAS\"",
		    NULL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		check_said(&all[i]);
}

#define NOTHING "97:1: the never means nothing in agreement 'atlas': "

static void
one_that_nothing_is_meant_by_is_an_error(void **state)
{
	static const struct said all[] = {
		{ "never release to KEN topic maritme.>\n", NOTHING "its topic is not covered",
		    "name a topic of an agreement, a member that may originate, and another that "
		    "may receive" },
		{ "never release to KEN topic maritime\n", NOTHING "its topic is not covered",
		    NULL },
		{ "never release to KEN topic cyber.a.>\n", NOTHING "its topic is not covered",
		    NULL },
		{ "never release topic cyber.> topic maritime.>\n",
		    NOTHING "its topic is not covered", NULL },
		{ "never release from KEN\n", NOTHING "nobody that 'from' allows may originate",
		    NULL },
		{ "never release from GBR from NOR\n",
		    NOTHING "nobody that 'from' allows may originate", NULL },
		{ "never release to KEN to NOR\n", NOTHING "nobody that 'to' allows may receive",
		    NULL },
		{ "never release to NOR from NOR\n",
		    NOTHING "nobody that 'from' allows may send to anybody that 'to' allows",
		    NULL },
		{ "never release from KEN topic x\n",
		    NOTHING "its topic and its 'from' are not there together", NULL },
		/* and their neighbours */
		{ "never release to KEN topic > topic *.a label ATLAS is SECRET\n", NULL, NULL },
		{ "never release from [ KEN NOR ] label ATLAS is SECRET to KEN\n", NULL, NULL },
		{ "never release to [ NOR KEN ] from NOR label ATLAS is SECRET\n", NULL, NULL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		check_said(&all[i]);
}

/* Of several agreements what none of them has; otherwise what none has together. */
static void
what_no_agreement_has_is_counted(void **state)
{
	struct never_tally t = { .asked = 0 };
	(void)state;
	assert_int_equal(never_lacks(&t), NEVER_TOPIC | NEVER_FROM | NEVER_TO);
	never_count(&t, NEVER_TOPIC | NEVER_TO);
	never_count(&t, NEVER_TOPIC);
	assert_int_equal(never_lacks(&t), NEVER_TOPIC);
	never_count(&t, NEVER_TO);
	assert_int_equal(never_lacks(&t), NEVER_TOPIC | NEVER_TO);
	assert_int_equal(t.meant, 0);
	never_count(&t, 0);
	assert_int_equal(t.meant, 1);
	assert_int_equal(t.asked, 4);
}

/* ---- beside the agreements ---- */

static void
check_top(const char *from, const char *to, const char *error)
{
	struct rig r;
	rig_init(&r);
	rig_put(&r, "relto.policy", rig_edit(&r, rig_base, from, to));
	bool loaded = rig_load(&r, 0);
	const char *got = loaded ? "it loaded" : r.errors.errors[0].text;
	if (strcmp(got, error == NULL ? "it loaded" : error) != 0)
		fail_msg("\n  got  %s\n  want %s", got, error);
	rig_done(&r);
}

static void
beside_the_agreements_it_is_judged_for_all(void **state)
{
	(void)state;
	check_top("hub HUB\n", "hub HUB\nnever release to KEN label ATLAS is SECRET\n", NULL);
	check_top("hub HUB\n", "hub HUB\nnever release to HUB\n", NULL); /* warned of */
	check_top("hub HUB\n", "hub HUB\nnever release to HUP\n", "there is no party 'HUP'");
	check_top("hub HUB\n", "hub HUB\nnever release to NOR\n",
	    "the never does not hold: agreement 'atlas' releases from GBR to NOR topic "
	    "maritime.any0 label \"ATLAS UNCLASSIFIED//REL TO ATLAS\"");
	/* a draft may come into force as it is; what is terminated cannot come back */
	check_top("    state in-force\n    mode live\n",
	    "    state draft\n    mode live\n    never release to NOR\n",
	    "the never does not hold: agreement 'atlas' releases from GBR to NOR topic "
	    "maritime.any0 label \"ATLAS UNCLASSIFIED//REL TO ATLAS\"");
}

static void
what_is_terminated_releases_nothing_any_more(void **state)
{
	struct rig r;
	(void)state;
	rig_init(&r);
	const char *text = rig_edit(&r, rig_base, "state in-force", "state terminated");
	rig_load_text(&r, rig_edit(&r, text, "hub HUB\n", "hub HUB\nnever release to NOR\n"));
	rig_done(&r);
}

static void
it_is_no_part_of_the_export(void **state)
{
	struct rig r, without;
	(void)state;
	rig_init(&r);
	rig_init(&without);
	const char *text = rig_edit(&r, rig_base, "hub HUB\n", "hub HUB\nnever release to HUB\n");
	rig_load_text(
	    &r, rig_edit(&r, text, EXPECT, "never release to KEN label ATLAS is SECRET\n"));
	rig_load_text(&without, rig_base);
	assert_true(bytes_equal(epoch_export(r.epoch), epoch_export(without.epoch)));
	rig_done(&r);
	rig_done(&without);
}

/* Twenty values that rules name one by one: too many classes to look at while a broker loads. */
static void
one_that_is_too_large_does_not_load(void **state)
{
	struct rig r;
	const char *values = "", *rules = "";
	(void)state;
	rig_init(&r);
	for (unsigned i = 0; i < 20; i++) {
		values = arena_printf(
		    &r.arena, "%s<tagCategory name=\"v%u\" lacv=\"%u\"/>", values, i, i + 1);
		rules = arena_printf(
		    &r.arena, "%srule r%u {\nlabel B has S v%u\nwithhold\n}\n", rules, i, i);
	}
	rig_put(&r, "b.xml",
	    arena_printf(&r.arena,
		SPIF("B", CLASS("LOW", "1"),
		    SET("S", "tagType7", "tag7Encoding=\"bitSetAttributes\"", "%s")),
		values));
	rig_put(&r, "relto.policy",
	    arena_printf(&r.arena,
		"vocabulary B {\nspif b.xml\n}\nparty P0 { agent /x { roles [ publish ] } }\n"
		"party P1 { agent /x { roles [ publish ] } }\n"
		"agreement g {\nversion 1\nvalid from 2026-01-01 until 2026-12-31\nstate "
		"in-force\nmode live\ntopics [ a ]\nunmarked-portions releasable-to members\n"
		"member P0 { may [ originate ] }\n"
		"member P1 {\nmay [ receive ]\nclearance B [ LOW ]\n}\n"
		"rule go {\nlabel B is LOW\nrelease\n}\n%snever release label B has S v3\n}\n",
		rules));
	assert_false(rig_load(&r, EPOCH_TRUST_OPTIONAL | EPOCH_PARTIAL));
	assert_string_equal(r.errors.errors[0].text,
	    "the never cannot be decided for agreement 'g': not decided: too many classes of "
	    "labels");
	assert_string_equal(r.errors.errors[0].help, "name fewer labels, or split the agreement");
	rig_done(&r);
}

/* ---- against every label ---- */

/* With the sentence as a withhold rule in the policy's own text: something goes without it that it
 * withholds. */
static bool
is_broken(struct rig *keeper, const struct choices *c, const char *conditions_text, bool *loads)
{
	struct world w = { .kept = calloc(1, sizeof(struct kept)), .until = LATER };
	const char *text = render(keeper, c);
	bool broken = false;
	assert_non_null(w.kept);
	bool good = load(&w.old, keeper, c);
	rig_init(&w.new);
	rig_put(&w.new, "a.xml", spif_a[c->spif_a]);
	rig_put(&w.new, "b.xml", spif_b[0]);
	rig_put(&w.new, "c.xml", spif_c[0]);
	rig_put(&w.new, "relto.policy",
	    arena_printf(&keeper->arena, "%.*srule zz {\n%swithhold\n}\n}\n", (int)strlen(text) - 2,
		text, conditions_text));
	*loads = rig_load(&w.new, EPOCH_TRUST_OPTIONAL | EPOCH_PARTIAL) && good;
	w.epochs[0] = w.old.epoch;
	w.epochs[1] = w.new.epoch;
	if (*loads)
		compare(&w, false, false);
	for (size_t i = 0; i < w.kept->count; i++)
		broken = broken || w.kept->items[i].said[0].verdict == VERDICT_RELEASE;
	done_world(&w);
	free(w.kept);
	return broken;
}

static void
it_holds_where_a_rule_that_withholds_it_would_change_nothing(void **state)
{
	struct rig keeper;
	size_t broken = 0, whole = 0, empty = 0;
	(void)state;
	rig_init(&keeper);
	for (size_t n = 0; n < (is_full() ? 2000 : 150); n++) {
		struct choices c = { 0 };
		struct rig r;
		bool loads;
		seed = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
		roll(&keeper, &c, 0);
		const char *x = ONE_OF(conditions), *y = ONE_OF(conditions);
		const char *both = arena_printf(&keeper.arena, "%s\n%s\n", x, y);
		bool want = is_broken(&keeper, &c, both, &loads);
		const char *text = render(&keeper, &c);
		if (!loads)
			continue;
		rig_init(&r);
		rig_put(&r, "a.xml", spif_a[c.spif_a]);
		rig_put(&r, "b.xml", spif_b[0]);
		rig_put(&r, "c.xml", spif_c[0]);
		rig_put(&r, "relto.policy",
		    arena_printf(&keeper.arena, "%.*snever release %s %s\n}\n",
			(int)strlen(text) - 2, text, x, y));
		bool loaded = rig_load(&r, EPOCH_TRUST_OPTIONAL | EPOCH_PARTIAL);
		bool nothing = !loaded && strstr(r.errors.errors[0].text, "means nothing") != NULL;
		assert_int_equal(loaded || nothing, !want);
		broken += want;
		whole += loaded;
		empty += nothing;
		rig_done(&r);
	}
	assert_true(broken > 10 && whole > 10 && empty > 0);
	rig_done(&keeper);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_in_a_never_is_told),
		cmocka_unit_test(one_that_does_not_hold_names_a_report),
		cmocka_unit_test(one_that_nothing_is_meant_by_is_an_error),
		cmocka_unit_test(what_no_agreement_has_is_counted),
		cmocka_unit_test(beside_the_agreements_it_is_judged_for_all),
		cmocka_unit_test(what_is_terminated_releases_nothing_any_more),
		cmocka_unit_test(it_is_no_part_of_the_export),
		cmocka_unit_test(one_that_is_too_large_does_not_load),
		cmocka_unit_test(it_holds_where_a_rule_that_withholds_it_would_change_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

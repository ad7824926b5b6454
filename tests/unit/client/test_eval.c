/* `relto policy eval`: which lines are facts, and what becomes of those that are not. */
#include "tests/unit/policy/policy_rig.h"

#include "client/cli/eval.h"
#include "client/cli/facts_json.h"

static const char base[] =
    "{\"originator\":\"GBR\",\"topic\":\"maritime.piracy\",\"agreements\":[\"atlas\"],"
    "\"precedence\":\"ROUTINE\",\"mode\":\"live\",\"time\":\"2026-06-01T00:00:00Z\","
    "\"expires\":null,\"only_to\":null,\"not_to\":[],\"sources\":[],\"approvals\":[],"
    "\"portions\":[{\"labels\":[{\"vocabulary\":\"ATLAS\",\"classification\":\"SECRET\","
    "\"categories\":{\"Releasable To\":[\"NOR\"]}}],\"content_type\":\"text/plain\"}]}";

static int
setup(void **state)
{
	struct rig *r = malloc(sizeof(*r));
	assert_non_null(r);
	rig_init(r);
	rig_load_text(r, rig_base);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	rig_done(*state);
	free(*state);
	return 0;
}

static bool
is_facts(struct rig *r, const char *line, struct facts *out)
{
	struct err e = { 0 };
	bool good = facts_json_read(bytes_of(line), &r->arena, out, &e);
	assert_true(good || e.code == ERR_MALFORMED);
	return good;
}

static void
what_may_be_missing_has_its_default(void **state)
{
	struct facts f;
	assert_true(is_facts(*state, base, &f));
	assert_int_equal(f.time, UINT64_C(1780272000000000));
	assert_int_equal(f.accepted, f.time);
	assert_int_equal(f.signer, SIGNER_GOOD);
	assert_int_equal(f.expires, 0);
	assert_false(f.has_only_to);
	assert_false(f.later);
	assert_false(f.agreements[0].has_terms);
}

struct edit {
	const char *from, *to;
	bool facts;
};

/* An apostrophe stands for a quotation mark. */
static const struct edit edits[] = {
	{ "'only_to':null", "'only_to':[]", true },
	{ "'only_to':null", "'only_to':'NOR'", false },
	{ "'only_to':null,", "", false },
	{ "'not_to':[]", "'not_to':null", false },
	{ "'not_to':[]", "'not_to':[1]", false },
	{ "'not_to':[]", "'not_to':[],'not_to':[]", false },
	{ "'not_to':[]", "'not_to':[],'notto':[]", false },
	{ "'expires':null", "'expires':'2026-06-01T00:00:00.5Z'", true },
	{ "'expires':null", "'expires':'2026-06-01T00:00:00+00:00'", false },
	{ "'expires':null", "'expires':5", false },
	{ "'expires':null", "'expires':'2026-13-01T00:00:00Z'", false },
	{ "'mode':'live'", "'mode':'LIVE'", false },
	{ "'ROUTINE'", "'routine'", false },
	{ "'ROUTINE'", "1", false },
	{ "'GBR'", "'G\\u0000BR'", false },
	{ "'GBR'", "null", false },
	{ "'mode'", "'signer':'revoked','mode'", true },
	{ "'mode'", "'signer':null,'mode'", false },
	{ "'mode'", "'accepted':'2026-05-01T00:00:00Z','mode'", true },
	{ "'mode'", "'before':null,'opened':null,'mode'", true },
	{ "'mode'", "'before':[],'opened':[],'mode'", true },
	{ "'mode'", "'before':[{'recipient':'NOR','portion':0,'agreements':[]}],'mode'", true },
	{ "'mode'", "'before':[{'recipient':'NOR','portion':-1,'agreements':[]}],'mode'", false },
	{ "'mode'", "'before':[{'recipient':'NOR','portion':0.0,'agreements':[]}],'mode'", false },
	{ "'sources':[]",
	    "'sources':[{'id':'a','originator':null,'agreement':null,'onward_to':[]}]", true },
	{ "'sources':[]", "'sources':[{'id':'a','originator':null,'agreement':'x','onward_to':[]}]",
	    false },
	{ "'sources':[]",
	    "'sources':[{'id':'a','originator':'N','agreement':'x','onward_to':[],'via':'b'}]",
	    true },
	{ "'sources':[]", "'sources':[{'id':'a','agreement':'x','onward_to':[]}]", false },
	{ "'approvals':[]",
	    "'approvals':[{'kind':'signer','agreement':'x',"
	    "'approver':'y','recipient':'z','portion':0,'decision':'approve'}]",
	    true },
	{ "'approvals':[]",
	    "'approvals':[{'kind':'signer','rule':'r','agreement':'x',"
	    "'approver':'y','recipient':'z','portion':0,'decision':'approve'}]",
	    false },
	{ "'approvals':[]",
	    "'approvals':[{'kind':'review','source':'r',"
	    "'agreement':'x','approver':'y','recipient':'z','portion':0,'decision':'approve'}]",
	    false },
	{ "'approvals':[]",
	    "'approvals':[{'kind':'consent','source':'r',"
	    "'agreement':'x','approver':'y','recipient':'z','portion':0,'decision':'perhaps'}]",
	    false },
	{ "{'Releasable To':['NOR']}", "{}", true },
	{ "{'Releasable To':['NOR']}", "[]", false },
	{ "{'Releasable To':['NOR']}", "{'a':'b'}", false },
	{ ",'content_type':'text/plain'", "", false },
};

static const char *
quotes(struct rig *r, const char *text)
{
	char *copy = arena_printf(&r->arena, "%s", text);
	assert_non_null(copy);
	for (char *at = copy; (at = strchr(at, '\'')) != NULL;)
		*at = '"';
	return copy;
}

static void
a_line_is_strictly_facts_or_malformed(void **state)
{
	struct rig *r = *state;
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		struct facts f;
		const char *line =
		    rig_edit(r, base, quotes(r, edits[i].from), quotes(r, edits[i].to));
		if (is_facts(r, line, &f) != edits[i].facts)
			fail_msg("%s", edits[i].to);
	}
	static const char *const nothing[] = { "", " ", "null", "[]", "{}", "{", "1 2", "\xff" };
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
		struct facts f;
		assert_false(is_facts(r, nothing[i], &f));
	}
}

static void
an_expiry_in_the_first_moment_is_one(void **state)
{
	struct facts f;
	struct rig *r = *state;
	const char *line =
	    rig_edit(r, base, "\"expires\":null", "\"expires\":\"1970-01-01T00:00:00Z\"");
	assert_true(is_facts(r, line, &f));
	assert_int_equal(f.expires, 1);
	assert_true(
	    is_facts(r, rig_edit(r, line, "2026-06-01T00:00:00Z", "1970-01-01T00:00:00Z"), &f));
	assert_true(f.expires <= f.time);
}

static void
each_line_has_an_answer_and_a_bad_one_stops_nothing(void **state)
{
	struct rig *r = *state;
	struct err e = { 0 };
	char *text = NULL;
	size_t len = 0;
	char *in = arena_printf(&r->arena, "%s\nnonsense\n\n%s", base, base);
	FILE *from = fmemopen(in, strlen(in), "r"), *to = open_memstream(&text, &len);
	assert_non_null(from);
	assert_non_null(to);
	assert_true(eval_stream(r->epoch, from, to, &e));
	assert_int_equal(fclose(from), 0);
	assert_int_equal(fclose(to), 0);
	const char *answer = quotes(r,
	    "{'decisions':[{'recipient':'KEN','outcome':'withhold','portions':[{'portion':0,"
	    "'verdict':'withhold','agreement':'atlas','reason':'classification','rule':null,"
	    "'obligations':[]}]},{'recipient':'NOR','outcome':'release','portions':[{"
	    "'portion':0,'verdict':'release','agreement':'atlas','reason':'release',"
	    "'rule':'maritime','obligations':[]}]}]}");
	const char *no = quotes(r, "{'refused':'malformed'}");
	assert_string_equal(
	    text, arena_printf(&r->arena, "%s\n%s\n%s\n%s\n", answer, no, no, answer));
	free(text);
}

static void
a_line_may_be_long(void **state)
{
	struct rig *r = *state;
	struct facts f;
	char *blanks = arena_alloc(&r->arena, (4 << 20) + 1);
	assert_non_null(blanks);
	memset(blanks, ' ', 4 << 20);
	blanks[4 << 20] = '\0';
	assert_true(is_facts(r, arena_printf(&r->arena, "%s%s", blanks, base), &f));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_may_be_missing_has_its_default),
		cmocka_unit_test(a_line_is_strictly_facts_or_malformed),
		cmocka_unit_test(an_expiry_in_the_first_moment_is_one),
		cmocka_unit_test(each_line_has_an_answer_and_a_bad_one_stops_nothing),
		cmocka_unit_test(a_line_may_be_long),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}

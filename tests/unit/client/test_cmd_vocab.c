/* relto vocab, run as people run it: what it prints and how it exits. */
#include "tests/lib/test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/cmd.h"
#include "client/cli/label_arg.h"
#include "client/cli/out.h"
#include "tests/unit/policy/spif_rig.h"

#define ATLAS "policy/vocab/atlas.spif.xml"

static char out[65536], told[65536];

/* Runs the command with stdout and stderr in files; returns its exit status. */
static int
run(const char *const *words)
{
	char *argv[16];
	int argc = 0;
	FILE *to[2] = { tmpfile(), tmpfile() };
	int saved[2] = { dup(1), dup(2) };
	char *texts[2] = { out, told };
	assert_true(to[0] != NULL && to[1] != NULL && saved[0] >= 0 && saved[1] >= 0);
	for (; words[argc] != NULL; argc++)
		argv[argc] = arena_printf(&spif_arena, "%s", words[argc]);
	argv[argc] = NULL;
	(void)fflush(stdout);
	for (int i = 0; i < 2; i++)
		assert_true(dup2(fileno(to[i]), i + 1) >= 0);
	int status = out_end(cmd_vocab(argc, argv));
	(void)fflush(stderr);
	for (int i = 0; i < 2; i++) {
		assert_true(dup2(saved[i], i + 1) >= 0);
		(void)close(saved[i]);
		rewind(to[i]);
		texts[i][fread(texts[i], 1, sizeof(out) - 1, to[i])] = 0;
		(void)fclose(to[i]);
	}
	return status;
}

#define RUN(...) run((const char *const[]){ "vocab", __VA_ARGS__, NULL })

static const char *
file_with(const char *name, const char *text)
{
	char *path =
	    arena_printf(&spif_arena, "%s/relto-test-%ld-%s", P_tmpdir, (long)getpid(), name);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
	return path;
}

static void
check_says_what_a_good_spif_holds(void **state)
{
	(void)state;
	assert_int_equal(RUN("check", ATLAS, "policy/vocab/tlp-2.0.spif.xml"), 0);
	assert_non_null(strstr(out,
	    "policy/vocab/atlas.spif.xml: good: vocabulary ATLAS, 5 classifications, 3 categories, "
	    "83 values; markings can be read back\nSPIF digest "));
	assert_non_null(strstr(out, "vocabulary TLP, 5 classifications"));
	assert_int_equal(RUN("check", "--json", ATLAS), 0);
	assert_int_equal(strncmp(out,
			     "{\"file\":\"policy/vocab/atlas.spif.xml\",\"good\":true,"
			     "\"vocabulary\":\"ATLAS\",\"digest\":\"",
			     80),
	    0);
	assert_non_null(
	    strstr(out, "\"markings_read_back\":true,\"errors\":[],\"warnings\":[]}\n"));
}

static void
check_points_at_faults_and_exits_65(void **state)
{
	(void)state;
	const char *path = file_with("bad.xml", "<SPIF schemaVersion='2.1'/>");
	assert_int_equal(RUN("check", path, ATLAS), 65);
	assert_string_equal(
	    told, arena_printf(&spif_arena,
		      "%s:1:1: error: the SPIF is in no namespace\n<SPIF schemaVersion='2.1'/>\n^\n"
		      "help: xmlns=\"http://www.xmlspif.org/spif\" is required\n",
		      path));
	assert_non_null(strstr(out, "vocabulary ATLAS")); /* the others are looked at, too */
	assert_int_equal(RUN("check", "--json", path), 65);
	assert_string_equal(out,
	    arena_printf(&spif_arena,
		"{\"file\":\"%s\",\"good\":false,\"errors\":[{\"file\":\"%s\",\"line\":1,\"col\":1,"
		"\"text\":\"the SPIF is in no namespace\",\"help\":\"xmlns=\\\"http://"
		"www.xmlspif.org/spif\\\" is required\"}],\"warnings\":[]}\n",
		path, path));
	(void)unlink(path);
	assert_int_equal(RUN("check", path), 66);
}

static void
a_spif_that_others_can_write_is_warned_of(void **state)
{
	(void)state;
	const char *path = file_with("open.xml", "<SPIF/>");
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(RUN("check", "--json", path), 65);
	assert_int_equal(strncmp(told, path, strlen(path)), 0);
	assert_string_equal(told + strlen(path),
	    ": warning: group or others can write it; reltod would refuse it\n");
	(void)unlink(path);
}

static void
mark_prints_labels_in_all_their_forms(void **state)
{
	(void)state;
	const char *xml = file_with("label.xml",
	    "<originatorConfidentialityLabel "
	    "xmlns='urn:nato:stanag:4774:confidentialitymetadatalabel:1:0'>"
	    "<ConfidentialityInformation><PolicyIdentifier>ATLAS</PolicyIdentifier>"
	    "<Classification>RESTRICTED</Classification></ConfidentialityInformation>"
	    "</originatorConfidentialityLabel>");
	assert_int_equal(
	    RUN("mark", ATLAS, "atlas secret//rel to nor,gbr",
		"{\"vocabulary\":\"ATLAS\",\"classification\":\"SECRET\",\"categories\":"
		"{\"Handling\":[\"ORCON\"]}}",
		xml),
	    0);
	assert_string_equal(out, "ATLAS SECRET//REL TO GBR, NOR\nATLAS SECRET//ORCON\n"
				 "ATLAS RESTRICTED\n");
	assert_string_equal(told,
	    arena_printf(&spif_arena, "relto: warning: %s:1: CreationDateTime is missing\n", xml));
	(void)unlink(xml);
	assert_int_equal(RUN("mark", ATLAS, "ATLAS SECRET//REL TO GBR", "--lang", "fr"), 0);
	assert_string_equal(out, "ATLAS SECRET//COMMUNICABLE A GBR\n");
	assert_int_equal(RUN("mark", "--json", ATLAS, "ATLAS SECRET//REL TO GBR"), 0);
	assert_string_equal(out,
	    "{\"marking\":\"ATLAS SECRET//REL TO GBR\",\"label\":{\"vocabulary\":\"ATLAS\","
	    "\"classification\":\"SECRET\",\"categories\":{\"Releasable To\":[\"GBR\"]}},"
	    "\"valid\":true,\"reason\":null}\n");
}

static void
mark_exits_1_for_an_invalid_label_and_65_for_none(void **state)
{
	(void)state;
	assert_int_equal(RUN("mark", ATLAS, "ATLAS RESTRICTED//SIGINT"), 1);
	assert_string_equal(out, "ATLAS RESTRICTED//SIGINT\n");
	assert_string_equal(told, "relto: the label is not valid: 'SIGINT' cannot stand with "
				  "classification 'RESTRICTED'\n");
	assert_int_equal(RUN("mark", ATLAS, "ATLAS SECRET//REL TO GRB"), 65);
	assert_string_equal(told,
	    "relto: 'grb' in 'ATLAS SECRET//REL TO GRB' is no part of a marking of 'ATLAS'; did "
	    "you mean 'GBR'?\n");
	assert_int_equal(
	    RUN("mark", ATLAS, "{\"vocabulary\":\"TLP\",\"classification\":\"RED\"}"), 65);
	assert_string_equal(told, "relto: unknown vocabulary 'TLP'\n");
	assert_int_equal(
	    RUN("mark", ATLAS, "{\"vocabulary\":\"ATLAS\",\"classification\":\"SECERT\"}"), 65);
	assert_string_equal(
	    told, "relto: unknown classification 'SECERT' in 'ATLAS'; did you mean 'SECRET'?\n");
}

static void
a_label_in_json_has_three_members_and_no_other(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "{", "the label is no JSON: string or '}' expected near end of file" },
		{ "{}", "vocabulary is missing or no string" },
		{ "{\"vocabulary\":\"A\"}", "classification is missing or no string" },
		{ "{\"vocabulary\":\"A\",\"classification\":1}",
		    "classification is missing or no string" },
		{ "{\"vocabulary\":\"A\",\"classification\":\"B\",\"categories\":[]}",
		    "categories is no object" },
		{ "{\"vocabulary\":\"A\",\"classification\":\"B\",\"categories\":{\"C\":\"D\"}}",
		    "the values of a category are no list" },
		{ "{\"vocabulary\":\"A\",\"classification\":\"B\",\"categories\":{\"C\":[1]}}",
		    "a value is missing or no string" },
		{ "{\"vocabulary\":\"A\",\"classification\":\"B\",\"x\":1}",
		    "a label has vocabulary, classification and categories, and no other member" },
		{ "{\"vocabulary\":\"A\",\"vocabulary\":\"A\"}",
		    "the label is no JSON: duplicate object key near '\"vocabulary\"'" },
	};
	struct label_arg with = { &spif_arena, NULL, 0, &spif_errors };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct raw_label raw;
		struct err e = { 0 };
		assert_false(label_arg_read(&with, cases[i][0], &raw, &e));
		assert_int_equal(e.code, ERR_DATA);
		assert_string_equal(e.text, cases[i][1]);
	}
}

#define SHOWN "tests/unit/client/vocab/show.spif.xml"

/* What stands in the file was written down by hand from the SPIF beside it. */
static void
is_text_of(const char *path)
{
	struct bytes b = slurp(&spif_arena, path);
	assert_non_null(b.data);
	assert_string_equal(out, arena_printf(&spif_arena, "%.*s", (int)b.len, b.data));
}

static void
show_says_what_a_vocabulary_holds_and_demands(void **state)
{
	(void)state;
	assert_int_equal(RUN("show", SHOWN), 0);
	is_text_of("tests/unit/client/vocab/show.txt");
	assert_string_equal(told, "");
	assert_int_equal(RUN("show", "--json", SHOWN), 0);
	is_text_of("tests/unit/client/vocab/show.json");
}

static void
show_has_the_phrases_of_a_language(void **state)
{
	(void)state;
	assert_int_equal(RUN("show", SHOWN, "--lang", "fr"), 0);
	assert_non_null(strstr(out, "P HAUT"));
	assert_null(strstr(out, "P TOP"));
}

static void
what_could_steer_a_terminal_is_not_shown(void **state)
{
	(void)state;
	/* the creation date of that SPIF has a bidi control in it */
	assert_int_equal(RUN("show", SHOWN), 0);
	assert_null(strstr(out, "created"));
	assert_null(strstr(out, "\xe2\x80\xae"));
	const char *path = file_with("hostile.xml",
	    SPIF_HEAD SPIF_POLICY "<securityClassifications><securityClassification name='A' "
				  "lacv='1' hierarchy='1'><markingData phrase='a\tb'/>"
				  "</securityClassification></securityClassifications></SPIF>");
	assert_int_equal(RUN("show", path), 0);
	assert_null(strpbrk(out, "\t\033\r"));
	(void)unlink(path);
	path = file_with("hostile.xml",
	    SPIF_HEAD SPIF_POLICY "<securityClassifications><securityClassification "
				  "name='A&#x200b;' lacv='1' hierarchy='1'/>"
				  "</securityClassifications></SPIF>");
	assert_int_equal(RUN("show", path), 65);
	assert_string_equal(out, "");
	assert_non_null(strstr(told, "a name with a control or invisible character"));
	(void)unlink(path);
	assert_int_equal(RUN("show", path), 66);
}

static void
mark_writes_one_valid_label_as_xml(void **state)
{
	(void)state;
	assert_int_equal(RUN("mark", ATLAS, "ATLAS SECRET//REL TO GBR", "--xml", "--created",
			     "2026-06-01", "--review", "2031-06-01T12:00:00Z"),
	    0);
	assert_string_equal(told, "");
	assert_non_null(strstr(out, " ReviewDateTime=\"2031-06-01T12:00:00Z\">\n"));
	assert_non_null(strstr(out, "<CreationDateTime>2026-06-01T00:00:00Z</CreationDateTime>\n"));
	assert_non_null(strstr(out, "</originatorConfidentialityLabel>\n"));
	const char *xml = file_with("written.xml", out);
	assert_int_equal(RUN("mark", ATLAS, xml), 0);
	assert_string_equal(out, "ATLAS SECRET//REL TO GBR\n");
	assert_string_equal(told, "");
	(void)unlink(xml);
	assert_int_equal(RUN("mark", ATLAS, "ATLAS SECRET//REL TO GBR", "--xml"), 0);
	assert_string_equal(told, "relto: warning: no ReviewDateTime (--review TIME), which "
				  "ADatP-4774 asks of a label without a successor\n");
	assert_int_equal(RUN("mark", ATLAS, "ATLAS RESTRICTED//SIGINT", "--xml"), 1);
	assert_string_equal(out, "");
	assert_non_null(strstr(told, "relto: the label is not valid: 'SIGINT' cannot stand"));
}

static void
xml_has_one_label_and_its_own_options(void **state)
{
	(void)state;
	assert_int_equal(RUN("mark", ATLAS, "ATLAS SECRET", "ATLAS SECRET", "--xml"), 64);
	assert_non_null(strstr(told, "--xml writes one label: a document has one root"));
	assert_int_equal(RUN("mark", ATLAS, "ATLAS SECRET", "--xml", "--json"), 64);
	assert_int_equal(RUN("mark", ATLAS, "ATLAS SECRET", "--xml", "--lang", "fr"), 64);
	assert_non_null(strstr(told, "--xml goes without --json and --lang"));
	assert_int_equal(RUN("mark", ATLAS, "ATLAS SECRET", "--created", "2026-06-01"), 64);
	assert_non_null(strstr(told, "--created and --review go with --xml"));
	assert_int_equal(RUN("mark", ATLAS, "ATLAS SECRET", "--xml", "--review", "soon"), 64);
	assert_non_null(strstr(told, "a time that is none (2026-06-01 or with T..Z)"));
	assert_int_equal(RUN("mark", ATLAS, "ATLAS SECRET", "--xml", "--review"), 64);
	assert_string_equal(out, "");
}

static void
a_wrong_call_exits_64(void **state)
{
	(void)state;
	assert_int_equal(run((const char *const[]){ "vocab", NULL }), 64);
	assert_int_equal(RUN("check"), 64);
	assert_int_equal(RUN("mark", ATLAS), 64);
	assert_int_equal(RUN("show"), 64);
	assert_int_equal(RUN("show", ATLAS, ATLAS), 64);
	assert_int_equal(RUN("paint", ATLAS), 64);
	assert_int_equal(RUN("check", "--quick", ATLAS), 64);
	assert_string_equal(out, "");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, spif_set_up, spif_tear_down)
	const struct CMUnitTest tests[] = {
		T(check_says_what_a_good_spif_holds),
		T(check_points_at_faults_and_exits_65),
		T(a_spif_that_others_can_write_is_warned_of),
		T(mark_prints_labels_in_all_their_forms),
		T(mark_exits_1_for_an_invalid_label_and_65_for_none),
		T(a_label_in_json_has_three_members_and_no_other),
		T(show_says_what_a_vocabulary_holds_and_demands),
		T(show_has_the_phrases_of_a_language),
		T(what_could_steer_a_terminal_is_not_shown),
		T(mark_writes_one_valid_label_as_xml),
		T(xml_has_one_label_and_its_own_options),
		T(a_wrong_call_exits_64),
	};
	return cmocka_run_group_tests_name("relto vocab", tests, NULL, NULL);
}

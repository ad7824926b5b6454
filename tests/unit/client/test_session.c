/* Labels of reports as the command shows them. */
#include "tests/lib/test.h"

#include <stdlib.h>

#include "client/cli/session.h"

static struct session session;

static int
set_up(void **state)
{
	struct err e = { 0 };
	(void)state;
	arena_init(&session.arena, 64 << 20);
	arena_init(&session.scratch, 64 << 20);
	text_errors_init(&session.said);
	assert_int_equal(setenv("RELTO_HOME", "/nonexistent", 1), 0);
	assert_true(session_vocabs(&session, &e));
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	text_errors_done(&session.said);
	arena_done(&session.scratch);
	arena_done(&session.arena);
	return 0;
}

static const char *
marking(const char *vocabulary, const char *classification)
{
	struct relto_label l = { .vocabulary = vocabulary, .classification = classification };
	return session_marking(&session, &l);
}

static void
a_label_is_shown_in_its_own_vocabulary(void **state)
{
	(void)state;
	/* ATLAS comes first and has a SECRET and a RESTRICTED, too */
	assert_string_equal(marking("GBR-NATIONAL", "SECRET"), "GBR-NATIONAL SECRET");
	assert_string_equal(marking("atlas", "secret"), "ATLAS SECRET");
	assert_string_equal(marking("TLP", "RED"), "TLP:RED");
	assert_string_equal(marking("NATO", "SECRET"), "NATO SECRET (vocabulary not known here)");
	assert_string_equal(marking("TLP", "SECRET"), "TLP SECRET (vocabulary not known here)");
}

static void
a_year_of_reports_takes_no_more_memory_than_one(void **state)
{
	(void)state;
	(void)marking("ATLAS", "SECRET");
	size_t arena = session.arena.used, most = 0;
	for (unsigned i = 0; i < 100; i++) {
		session_next(&session);
		(void)marking("ATLAS", "SECRET");
		most = session.scratch.used > most ? session.scratch.used : most;
	}
	assert_int_equal(session.arena.used, arena);
	assert_int_equal(session.scratch.used, most);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_label_is_shown_in_its_own_vocabulary),
		cmocka_unit_test(a_year_of_reports_takes_no_more_memory_than_one),
	};
	return cmocka_run_group_tests_name("session", tests, set_up, tear_down);
}

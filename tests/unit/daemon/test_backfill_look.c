/* A report that alone is too large for the memory of a search: passed over, and told. */
#include "tests/lib/test.h"

#include "daemon/backfill_look.h"
#include "daemon/log.h"
#include "daemon/role.h"
#include "daemon/ruleset.h"
#include "tests/lib/store_rig.h"

#include <stdlib.h>
#include <string.h>

enum { LARGE = 36 << 20, MAP = 256 << 20, RULES = 99 }; /* of 68 MiB two do not fit */

static char told[256];
static unsigned tellings;

static void
sink(const char *line, size_t len)
{
	const char *what = strstr(line, "backfill.");
	assert_true(len > 0 && what != NULL);
	(void)snprintf(told, sizeof(told), "%s", what);
	tellings++;
}

static int
setup(void **state)
{
	struct store_rig *r = calloc(1, sizeof(*r));
	assert_non_null(r);
	store_rig_init(r);
	r->config.map_bytes = MAP;
	OK(r, store_rig_open(r));
	log_test_seams(NULL, sink);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	log_test_seams(NULL, NULL);
	store_rig_done(*state);
	free(*state);
	return 0;
}

/* With its body, and with these parts beside it. */
static void
put_report(struct store_rig *r, uint64_t intake, struct bytes manifest, struct bytes routing)
{
	struct store_report row = { .key.originator = 1, .intake = intake, .accepted_us = 1 };
	row.key.id[0] = (uint8_t)intake;
	OK(r, store_put_part(r->store, intake, STORE_PART_MANIFEST, manifest, &r->e));
	if (routing.len != 0)
		OK(r, store_put_part(r->store, intake, STORE_PART_ROUTING, routing, &r->e));
	OK(r, store_put_report(r->store, &row, &r->e));
	OK(r, store_put_part(r->store, intake, STORE_PART_BODY(0), bytes_of("x"), &r->e));
}

static void
a_report_that_alone_is_too_large_is_passed_over_and_told(void **state)
{
	struct store_rig *r = *state;
	uint8_t *large = calloc(1, LARGE);
	uint32_t gbr, nor;
	assert_non_null(large);
	BEGIN(r);
	OK(r, store_name(r->store, STORE_NAME_PARTY, bytes_of("GBR"), &gbr, &r->e));
	OK(r, store_name(r->store, STORE_NAME_PARTY, bytes_of("NOR"), &nor, &r->e));
	put_report(r, 3, bytes_from(large, LARGE), bytes_from(large, LARGE));
	put_report(r, 20, bytes_of("small"), (struct bytes){ NULL, 0 });
	COMMIT(r);
	free(large);
	store_view_close(r->view);

	struct shell shell = { .signed_size = 50 };
	struct ruleset rules = { .number = RULES };
	struct desk desk = { .shell = &shell, .rules = &rules, .view = r->view };
	struct outlet outlet = { .id = 7, .desk = &desk, .party = nor, .mode = 1 };
	struct backfill_page page = { .count = 0 };
	struct arena keep;
	role_set(ROLE_WORKER);
	arena_init(&keep, 1 << 20);
	OK(r, backfill_look(&outlet, &keep, &page, &r->e));
	assert_int_equal(page.at.id[0], 3);
	assert_true(page.more); /* so much was read: the rest comes in the next turn */
	OK(r, backfill_look(&outlet, &keep, &page, &r->e));
	arena_done(&keep);
	role_set(ROLE_COMMITTER);
	assert_string_equal(told, "backfill.too-large subscription=7 record=3\n");
	assert_int_equal(tellings, 1);
	assert_int_equal(page.count, 0);
	assert_false(page.more);
	assert_int_equal(page.at.id[0], 20);
	assert_int_equal(r->e.code, ERR_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_report_that_alone_is_too_large_is_passed_over_and_told, setup, teardown),
	};
	role_set(ROLE_COMMITTER);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What an operator is told of rules that are in force and not all gone by. */
#include "tests/lib/test.h"

#include "daemon/load.h"
#include "daemon/shortfall.h"
#include "policy/compile.h"
#include "policy/text.h"
#include "tests/lib/world.h"

#include <jansson.h>
#include <stdlib.h>

enum { AGREEMENTS = SHORTFALL_NAMES + 2 };
#define LONG \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* and three digits: 64 */

static struct world world;
static unsigned strangers; /* parties of the policy that have no trust: shut out */

static bool
read_memory(void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	char *text = NULL;
	size_t len;
	(void)ctx;
	if (strcmp(path, "relto.policy") != 0)
		return err_set(e, ERR_NOT_FOUND, "%s", path);
	FILE *to = open_memstream(&text, &len);
	(void)fprintf(to, "hub HUB\nparty HUB {\n trust-domain hub.example\n trust-bundle \"h\"\n"
			  " agent /a { roles [ operate ] }\n}\n");
	for (unsigned i = 0; i < strangers; i++)
		(void)fprintf(to,
		    "party P%03u {\n trust-domain p%u.x\n trust-bundle \"h\"\n"
		    " agent /a { roles [ subscribe ] }\n}\n",
		    i, i);
	for (unsigned i = 0; i < AGREEMENTS; i++)
		(void)fprintf(to,
		    "agreement " LONG "%03u {\n version 1\n valid from 2026-01-01 until "
		    "2026-12-31\n state in-force\n mode live\n topics [ x ]\n member HUB { may [ "
		    "receive ] }\n}\n",
		    i);
	(void)fclose(to);
	bool ok = arena_copy(a, bytes_of(text), out, e);
	free(text);
	return ok;
}

/* All of them are good. */
static struct ruleset *
rules(void)
{
	const struct epoch_source source = { .read = read_memory };
	struct text_errors errors;
	struct err e = { 0 };
	struct epoch *epoch = NULL;
	text_errors_init(&errors);
	if (!epoch_load(&source, "relto.policy", EPOCH_TRUST_OPTIONAL, &errors, &epoch, &e))
		fail_msg("%s", e.text);
	text_errors_done(&errors);
	for (unsigned i = 0; i < AGREEMENTS; i++)
		epoch->agreements[i].has_terms = true;
	struct trust *trust = world_trust(&world);
	struct ruleset *r = ruleset_new(&epoch, &trust);
	assert_non_null(r);
	return r;
}

/* Gives the rules back; what is said of them, within its bound. */
static json_t *
said(struct ruleset *r)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	(void)fprintf(to, "{\"ok\":true");
	shortfall_write(r, to);
	(void)fputc('}', to);
	(void)fclose(to);
	assert_true(len < SHORTFALL_BYTES);
	json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (o == NULL)
		fail_msg("no JSON: %s", text);
	free(text);
	ruleset_unref(r);
	return o;
}

static void
is(json_t *o, const char *wanted)
{
	json_t *want = json_loads(wanted, 0, NULL);
	assert_non_null(want);
	if (json_equal(o, want) == 0)
		fail_msg("%s", json_dumps(o, 0));
	json_decref(want);
	json_decref(o);
}

static size_t
size(const json_t *o, const char *list)
{
	return json_array_size(json_object_get(o, list));
}

static void
of_rules_that_all_count_nothing_is_said(void **state)
{
	(void)state;
	is(said(rules()), "{\"ok\":true}");
}

static void
each_agreement_is_in_one_list(void **state)
{
	(void)state;
	struct ruleset *r = rules();
	struct agreement *a = r->epoch->agreements;
	struct signature signatures[] = { { .party = bytes_of("GBR") },
		{ .party = bytes_of("NOR"), .why = "no file \"x\"" } };
	epoch_refuse_agreement(r->epoch, 0, "its version is lower than one before");
	a[0].unsigned_ = true;
	a[1].unsigned_ = true;
	a[1].signers.count = 2;
	a[1].signatures = signatures;
	a[2].unsigned_ = true; /* the files are good */
	a[3].unsigned_ = true;
	a[3].has_terms = false;
	is(said(r), "{\"ok\":true,"
		    "\"refused\":[{\"agreement\":\"" LONG "000\","
		    "\"why\":\"its version is lower than one before\"}],"
		    "\"unsigned\":[{\"agreement\":\"" LONG "001\",\"party\":\"NOR\"},"
		    "{\"agreement\":\"" LONG "002\"}],"
		    "\"waits\":[\"" LONG "003\"]}");
}

static void
a_party_that_is_shut_out_is_named(void **state)
{
	(void)state;
	struct bytes *unusable = &world.parties[WORLD_NOR].unusable;
	*unusable = bytes_of("its bundle \"x\" cannot be used");
	struct ruleset *r = rules();
	*unusable = (struct bytes){ 0 };
	is(said(r), "{\"ok\":true,\"shut_out\":[\"NOR\"]}");
}

static void
a_party_whose_list_is_too_old_is_shut_out_too(void **state)
{
	(void)state;
	struct ruleset *r = rules();
	world.now += 400 * (int64_t)WORLD_DAY;
	json_t *o = said(r);
	world.now -= 400 * (int64_t)WORLD_DAY;
	is(o, "{\"ok\":true,\"shut_out\":[\"GBR\"]}");
}

static void
a_list_has_a_limit_and_the_rest_is_counted(void **state)
{
	(void)state;
	for (unsigned n = SHORTFALL_NAMES; n <= AGREEMENTS; n++) {
		struct ruleset *r = rules();
		for (unsigned i = 0; i < n; i++)
			epoch_refuse_agreement(
			    r->epoch, i, "its state is an earlier one than its version had");
		json_t *o = said(r);
		assert_int_equal(size(o, "refused"), SHORTFALL_NAMES);
		assert_int_equal(
		    json_integer_value(json_object_get(o, "more")), n - SHORTFALL_NAMES);
		assert_int_equal(json_object_get(o, "more") != NULL, n > SHORTFALL_NAMES);
		json_decref(o);
	}
}

/* The longest names everywhere: what said() holds against the bound. */
static void
all_lists_full_stay_within_the_bound(void **state)
{
	(void)state;
	struct ruleset *r = rules();
	struct signature signatures[AGREEMENTS];
	for (unsigned i = 0; i < AGREEMENTS; i++)
		signatures[i] = (struct signature){ .party = bytes_of(LONG "000"), .why = "none" };
	struct agreement *a = r->epoch->agreements;
	a[0].unsigned_ = true;
	a[0].signers.count = AGREEMENTS;
	a[0].signatures = signatures;
	for (unsigned i = 1; i < AGREEMENTS; i++)
		a[i].has_terms = false;
	json_t *o = said(r);
	assert_int_equal(size(o, "unsigned"), SHORTFALL_NAMES);
	assert_int_equal(size(o, "waits"), SHORTFALL_NAMES);
	assert_int_equal(json_integer_value(json_object_get(o, "more")), 3);
	json_decref(o);
}

/* What the POLICY record says, for the auditors. */
static void
a_record_names_who_is_shut_out_up_to_a_limit(void **state)
{
	(void)state;
	for (unsigned more = 0; more < 2; more++) {
		strangers = LOAD_SHUT_OUT_NAMES + more;
		struct ruleset *r = rules();
		char *text = load_shut_out(r);
		assert_non_null(text);
		assert_memory_equal(text, "P000\nP001\n", 10);
		assert_string_equal(
		    text + LOAD_SHUT_OUT_NAMES * 5 - 5, more == 0 ? "P255" : "P255\n+1");
		free(text);
		ruleset_unref(r);
	}
	strangers = 0;
}

static int
setup(void **state)
{
	(void)state;
	world_make(&world);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_done(&world);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_rules_that_all_count_nothing_is_said),
		cmocka_unit_test(each_agreement_is_in_one_list),
		cmocka_unit_test(a_party_that_is_shut_out_is_named),
		cmocka_unit_test(a_party_whose_list_is_too_old_is_shut_out_too),
		cmocka_unit_test(a_list_has_a_limit_and_the_rest_is_counted),
		cmocka_unit_test(all_lists_full_stay_within_the_bound),
		cmocka_unit_test(a_record_names_who_is_shut_out_up_to_a_limit),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}

/*
 * probe_liar.c - librelto before a hub that lies (tests/lib/hub.py); run by test_liar.py with the
 * lab's folder in LAB and the hub's address in ADDRESS.
 */
#include "client/relto.h"
#include "tests/lib/test.h"

static const char *
in_lab(const char *name)
{
	static char paths[8][512];
	static unsigned next;
	char *out = paths[next++ % 8];
	(void)snprintf(out, 512, "%s/%s", getenv("LAB"), name);
	return out;
}

static void
must(bool ok, const struct relto_error *e)
{
	if (!ok)
		fail_msg("%s: %s", e->code, e->text);
}

static struct relto_context *
context(void)
{
	struct relto_error e;
	struct relto_context *ctx = relto_context_new(&e);
	must(ctx != NULL, &e);
	must(relto_context_server(ctx, getenv("ADDRESS"), &e), &e);
	must(relto_context_hub_file(ctx, "spiffe://hub.example/relto", in_lab("hub/ca.pem"), &e),
	    &e);
	must(relto_context_identity_files(ctx, in_lab("parties/GBR/fusion-desk.pem"),
		 in_lab("parties/GBR/fusion-desk.key"), &e),
	    &e);
	return ctx;
}

static void
an_answer_about_another_report_ends_the_connection(void **state)
{
	(void)state;
	struct relto_error e;
	struct relto_answer a;
	struct relto_label label = { "ATLAS", "SECRET", NULL, 0 };
	struct relto_portion portion = { &label, 1, NULL, NULL, { "x", 1 } };
	struct relto_report report = {
		.topic = "maritime.piracy", .portions = &portion, .portion_count = 1
	};
	struct relto_context *ctx = context();
	struct relto_connection *c = relto_connect(ctx, &e);
	must(c != NULL, &e);
	must(relto_submit(c, &report, NULL, &e), &e);
	assert_false(relto_answer(c, 10000, &a, &e));
	assert_string_equal(e.code, "protocol");
	assert_true(e.fatal);
	assert_false(relto_ping(c, &e));
	relto_close(c);
	relto_context_free(ctx);
}

/* What the hub shows of its log, beside what the state folder knows: EXPECT is the code. */
static void
a_log_that_does_not_go_on_is_refused_with_its_code(void **state)
{
	(void)state;
	struct relto_error e = { 0 };
	struct relto_context *ctx = context();
	must(relto_context_log_key(ctx, getenv("VKEY"), &e), &e);
	must(relto_context_state_dir(ctx, getenv("STATE"), &e), &e);
	struct relto_connection *c = relto_connect(ctx, &e);
	assert_string_equal(e.code, getenv("EXPECT"));
	assert_int_equal(c == NULL, e.fatal);
	relto_close(c);
	relto_context_free(ctx);
}

/* The policy file of the witnesses. */
static struct relto_bytes
quorum(void)
{
	static char text[65536];
	FILE *f = fopen(getenv("QUORUM"), "r");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof(text), f);
	(void)fclose(f);
	return (struct relto_bytes){ text, n };
}

/* What goes on without the witnesses ends, however much comes. */
static void
a_log_that_goes_on_without_its_witnesses_ends_the_connection(void **state)
{
	(void)state;
	struct relto_error e = { 0 };
	struct relto_delivery *d = NULL;
	struct relto_context *ctx = context();
	struct relto_bytes policy = quorum();
	must(relto_context_log_key(ctx, getenv("VKEY"), &e), &e);
	relto_context_timeout(ctx, 1000);
	assert_false(relto_context_quorum(ctx, policy, 604801, &e));
	assert_string_equal(e.code, "usage");
	assert_false(relto_context_quorum(ctx, (struct relto_bytes){ "quorum A\n", 9 }, 1, &e));
	assert_string_equal(e.code, "data");
	must(relto_context_quorum(ctx, policy, 604800, &e), &e);
	must(relto_context_quorum(ctx, policy, 1, &e), &e);
	struct relto_connection *c = relto_connect(ctx, &e);
	must(c != NULL, &e);
	assert_false(relto_next(c, 20000, &d, &e));
	assert_string_equal(e.code, "quorum");
	assert_non_null(strstr(e.text, "evidence: not kept (no state folder)"));
	assert_true(e.fatal);
	relto_close(c);
	relto_context_free(ctx);
}

static bool
each(void *arg, const struct relto_proof *p)
{
	(void)arg;
	(void)p;
	return true;
}

static void
a_proof_under_a_head_that_is_not_signed_is_none_yet(void **state)
{
	(void)state;
	struct relto_error e = { 0 };
	const uint8_t id[RELTO_ID_BYTES] = { 1 };
	const struct relto_prover to = { each, NULL };
	struct relto_context *ctx = context();
	must(relto_context_log_key(ctx, getenv("VKEY"), &e), &e);
	must(relto_context_quorum(ctx, quorum(), 0, &e), &e);
	relto_context_timeout(ctx, 1000);
	struct relto_connection *c = relto_connect(ctx, &e);
	must(c != NULL, &e);
	assert_false(relto_receipts(c, id, &to, &e));
	assert_string_equal(e.code, getenv("PROVE"));
	assert_non_null(
	    strstr(e.text, e.fatal ? "'w/bravo' does not verify" : "without w/bravo, w/charlie"));
	relto_close(c);
	relto_context_free(ctx);
}

static void
a_quorum_without_the_log_s_key_is_none(void **state)
{
	(void)state;
	struct relto_error e = { 0 };
	struct relto_context *ctx = context();
	must(relto_context_quorum(ctx, quorum(), 0, &e), &e);
	assert_null(relto_connect(ctx, &e));
	assert_string_equal(e.code, "usage");
	assert_string_equal(
	    e.text, "the context lacks the log's key, and has a quorum of witnesses");
	relto_context_free(ctx);
}

int
main(void)
{
	const struct CMUnitTest witnesses[] = {
		cmocka_unit_test(a_log_that_goes_on_without_its_witnesses_ends_the_connection),
		cmocka_unit_test(a_quorum_without_the_log_s_key_is_none),
	};
	const struct CMUnitTest proofs[] = {
		cmocka_unit_test(a_proof_under_a_head_that_is_not_signed_is_none_yet),
	};
	const struct CMUnitTest logs[] = {
		cmocka_unit_test(a_log_that_does_not_go_on_is_refused_with_its_code),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_about_another_report_ends_the_connection),
	};
	if (getenv("LAB") == NULL || getenv("ADDRESS") == NULL) {
		(void)fprintf(stderr, "NO LAB: run tests/integration/test_liar.py\n");
		return 77;
	}
	if (getenv("PROVE") != NULL)
		return cmocka_run_group_tests(proofs, NULL, NULL);
	if (getenv("QUORUM") != NULL)
		return cmocka_run_group_tests(witnesses, NULL, NULL);
	return getenv("EXPECT") != NULL ? cmocka_run_group_tests(logs, NULL, NULL)
					: cmocka_run_group_tests(tests, NULL, NULL);
}

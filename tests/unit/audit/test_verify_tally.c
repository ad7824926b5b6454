/* What relto-verify tells of reports: where one went, what still waits, how much went to whom. */
#include "tests/lib/test.h"

#include <jansson.h>

#include "tests/unit/audit/cli_rig.h"

/* Another report; its INTAKE. */
static uint64_t
another(struct small *s, int id)
{
	memset(s->id, id, sizeof(s->id));
	small_report(s);
	return small_intake(s);
}

static uint64_t
judge(struct small *s, enum outcome outcome, const char *reasons, uint64_t intake)
{
	struct small_decision d = { EVENT_DECISION, "NOR", outcome, reasons,
		outcome == OUTCOME_RELEASE ? 3u : 0, intake, NULL };
	return small_decide(s, &d);
}

/* Behind the usual: 11.. is undelivered, 22.. delivered, 33.. held, 44.. expired. */
static void
small_waiting(struct small *s)
{
	small_usual(s);
	(void)judge(s, OUTCOME_RELEASE, SMALL_RELEASE, another(s, 0x11));
	uint64_t d = judge(s, OUTCOME_RELEASE, SMALL_RELEASE, another(s, 0x22));
	(void)small_deliver(s, "NOR", d, 3);
	(void)judge(s, OUTCOME_HOLD, SMALL_HOLD, another(s, 0x33));
	d = judge(s, OUTCOME_RELEASE, SMALL_RELEASE, another(s, 0x44));
	s->now = s->expires + 1;
	(void)small_expire(s, "NOR", d, NULL);
	small_bundle(s, "", 0);
}

static void
gaps_are_what_waits_to_leave_to_be_acknowledged_or_to_be_decided(void **state)
{
	struct rig *g = *state;
	small_waiting(g->s);
	write_bundle(g, "b");
	assert_int_equal(RUN(g, "gaps", "b", "--key", g->vkey), 0);
	says(
	    g->out, "11111111-1111-1111-1111-111111111111  undelivered    from GBR to NOR since 2");
	says(
	    g->out, "22222222-2222-2222-2222-222222222222  unacknowledged from GBR to NOR since 2");
	says(g->out, " delivery 14\n");
	says(
	    g->out, "33333333-3333-3333-3333-333333333333  held           from GBR to NOR since 2");
	assert_int_equal(lines(g->out), 3);
	assert_string_equal(g->errors, "3 wait\n");
	assert_int_equal(RUN(g, "gaps", "b", "--key", g->vkey, "--csv"), 0);
	says(g->out, "report,gap,since,publisher,recipient,decision,delivery\r\n");
	says(g->out, "Z,\"GBR\",\"NOR\",13,14\r\n");
	assert_int_equal(RUN(g, "gaps", "b", "--key", g->vkey, "--json"), 0);
	says(g->out, "{\"report\":\"33333333-3333-3333-3333-333333333333\",\"gap\":\"held\","
		     "\"publisher\":\"GBR\",\"recipient\":\"NOR\",\"since\":\"2");
}

static void
what_was_acknowledged_or_has_ended_or_was_withheld_is_no_gap(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "b");
	assert_int_equal(RUN(g, "gaps", "b", "--key", g->vkey), 0);
	assert_string_equal(g->out, "");
	assert_string_equal(g->errors, "0 wait\n");
}

static void
another_set_of_portions_waits_anew(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	uint64_t d = judge(g->s, OUTCOME_RELEASE, SMALL_RELEASE, another(g->s, 0x11));
	(void)small_deliver(g->s, "NOR", d, 3);
	struct small_decision narrowed = { EVENT_NARROWED, "NOR", OUTCOME_REDACT, SMALL_REDACT, 1,
		d, "NOR" };
	(void)small_decide(g->s, &narrowed);
	small_bundle(g->s, "", 0);
	write_bundle(g, "b");
	assert_int_equal(RUN(g, "gaps", "b", "--key", g->vkey), 0);
	says(g->out, "  undelivered    from GBR to NOR");
	/* to its recipient it is something that did not come, of which nothing is told */
	small_bundle(g->s, "NOR", 0);
	write_bundle(g, "nor");
	assert_int_equal(RUN(g, "gaps", "nor", "--party", "NOR", "--key", g->vkey), 0);
	assert_string_equal(g->out, "");
}

static json_t *
figures(struct rig *g)
{
	json_error_t why;
	assert_int_equal(RUN(g, "stats", "b", "--key", g->vkey, "--json"), 0);
	json_t *j = json_loads(g->out, JSON_REJECT_DUPLICATES, &why);
	assert_non_null(j);
	return j;
}

static long long
figure(const json_t *j, const char *list, size_t at, const char *name)
{
	const json_t *v = json_object_get(json_array_get(json_object_get(j, list), at), name);
	assert_true(json_is_integer(v));
	return json_integer_value(v);
}

static void
stats_say_who_sent_how_much_to_whom_when_and_why_not(void **state)
{
	struct rig *g = *state;
	small_waiting(g->s);
	write_bundle(g, "b");
	json_t *j = figures(g);
	assert_int_equal(json_array_size(json_object_get(j, "pairs")), 2);
	assert_int_equal(figure(j, "pairs", 0, "withhold"), 1); /* to KEN */
	assert_int_equal(figure(j, "pairs", 1, "release"), 4);
	assert_int_equal(figure(j, "pairs", 1, "hold"), 1);
	assert_int_equal(figure(j, "pairs", 1, "delivered"), 2);
	assert_int_equal(figure(j, "pairs", 1, "acknowledged"), 1);
	assert_int_equal(figure(j, "pairs", 1, "ended"), 1);
	assert_int_equal(figure(j, "days", 0, "accepted"), 5);
	assert_int_equal(json_array_size(json_object_get(j, "reasons")), 3);
	assert_int_equal(figure(j, "reasons", 0, "count"), 2); /* hold review */
	assert_int_equal(figure(j, "reasons", 1, "count"), 8); /* release */
	assert_int_equal(figure(j, "reasons", 2, "count"), 2); /* withhold no-rule */
	assert_int_equal(
	    json_integer_value(json_object_get(json_object_get(j, "types"), "intake")), 5);
	json_decref(j);
	assert_int_equal(RUN(g, "stats", "b", "--key", g->vkey), 0);
	says(g->out, "from GBR to KEN: release 0, redact 0, hold 0, withhold 1; delivered 0, "
		     "acknowledged 0, ended 0\n");
	says(g->out, "from GBR to NOR: release 4, redact 0, hold 1, withhold 0; delivered 2, "
		     "acknowledged 1, ended 1\n");
	says(g->out, ": accepted 5, delivered 2, acknowledged 1, refused 0\n");
	says(g->out, "withhold no-rule: 2\n");
}

static void
stats_are_of_the_records_that_the_terms_pick(void **state)
{
	struct rig *g = *state;
	small_waiting(g->s);
	write_bundle(g, "b");
	assert_int_equal(
	    RUN(g, "stats", "b", "recipient=KEN", "from", "1970-01-01", "--key", g->vkey), 0);
	says(g->out, "from GBR to KEN: release 0, redact 0, hold 0, withhold 1; ");
	says(g->out, ": accepted 0, delivered 0, acknowledged 0, refused 0\n");
	says(g->out, "withhold no-rule: 2\n");
	assert_null(strstr(g->out, "NOR"));
	assert_int_equal(RUN(g, "stats", "b", "until", "1970-01-01", "--key", g->vkey), 0);
	assert_string_equal(g->out, "");
	assert_int_equal(RUN(g, "stats", "b", "KEN", "--key", g->vkey), 1);
	says(g->errors, "'KEN' is no term");
}

static void
a_trace_is_the_records_of_one_report_and_the_acks_that_name_its_deliveries(void **state)
{
	struct rig *g = *state;
	small_waiting(g->s);
	write_bundle(g, "b");
	assert_int_equal(
	    RUN(g, "trace", "b", "5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a", "--key", g->vkey), 0);
	assert_int_equal(lines(g->out), 5);
	says(g->out, "  intake ");
	says(g->out, "  ack ");
	assert_int_equal(RUN(g, "trace", "b", "22222222-2222-2222-2222-222222222222", "--key",
			     g->vkey, "--json"),
	    0);
	assert_int_equal(lines(g->out), 3);
	assert_null(strstr(g->out, "\"type\":\"ack\""));
	assert_int_equal(
	    RUN(g, "trace", "b", "99999999-9999-9999-9999-999999999999", "--key", g->vkey), 1);
	says(g->errors, "nothing here speaks of the report '99999999-9999-9999-9999-999999999999'");
	assert_int_equal(RUN(g, "trace", "b", "9", "--key", g->vkey), 1);
	says(g->errors, "'9' is no report id");
	assert_int_equal(RUN(g, "trace", "b", "--key", g->vkey), 1);
	says(g->errors, "trace takes a bundle and one report id");
}

/* A log whose tree does not give the signed root. */
static void
nothing_is_told_of_a_log_that_is_not_the_signed_one(void **state)
{
	struct rig *g = *state;
	small_waiting(g->s);
	struct small_file *f = small_file(g->s, "tile/0/000.p/20");
	assert_non_null(f);
	f->data[0] ^= 1;
	write_bundle(g, "b");
	assert_int_not_equal(RUN(g, "gaps", "b", "--key", g->vkey), 0);
	assert_string_equal(g->out, "");
	assert_int_not_equal(RUN(g, "stats", "b", "--key", g->vkey), 0);
	assert_string_equal(g->out, "");
}

static void
a_larger_head_must_extend_the_smaller_one(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "early");
	small_bundle(g->s, "NOR", 0);
	write_bundle(g, "same");
	small_stop(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "late");
	for (int i = 0; i < 2; i++) { /* in either order */
		assert_int_equal(
		    RUN(g, "compare", i ? "late" : "early", i ? "early" : "late", "--key", g->vkey),
		    0);
		says(g->out, "10 records  early\n11 records  late\nthe larger one extends the "
			     "smaller\n");
	}
	assert_int_equal(
	    RUN(g, "compare", "early/checkpoint", "late", "--key", g->vkey, "--json"), 0);
	says(g->out,
	    "{\"relation\":\"extends\",\"exit\":0,\"heads\":[{\"from\":\"early/checkpoint\","
	    "\"size\":10,");
	assert_int_equal(RUN(g, "compare", "early", "same/checkpoint", "--key", g->vkey), 0);
	says(g->out, "the same head\n");
	assert_int_equal(RUN(g, "compare", "early", "late/checkpoint", "--key", g->vkey), 1);
	says(g->errors,
	    "'late/checkpoint' has the larger head, 11 records: give the bundle that it "
	    "belongs to, since only its tree shows whether it extends the other\n");
	assert_int_equal(RUN(g, "compare", "early", "none", "--key", g->vkey), 1);
	says(g->errors, "'none': no such file\n");
	assert_int_equal(RUN(g, "compare", "early", "--key", g->vkey), 1);
	says(g->errors, "compare takes two bundles or checkpoints");
	assert_int_equal(RUN(g, "compare", "early", "late", "--key", g->vkey, "--state", "s"), 1);
	says(g->errors, "compare keeps nothing: it takes no --state");
}

static void
of_two_brokers_with_one_key_the_evidence_is_kept(void **state)
{
	struct rig *g = *state;
	char note[4096], kept[4096];
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "one");
	small_stop(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "one-later");
	small_free(g->s);
	g->s = small_new(); /* the same key, another history */
	g->s->now += 1000000;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "two");
	assert_int_equal(RUN(g, "compare", "one", "two/", "--key", g->vkey), 5);
	says(g->out, "FORK: they are not of one log\n");
	says(g->errors, "consistency: one size, and two roots");
	says(g->errors, "both signed heads are kept in one.fork-0\n");
	slurp(g->dir, "one.fork-0/kept", kept, sizeof(kept));
	slurp(g->dir, "one/checkpoint", note, sizeof(note));
	assert_string_equal(kept, note);
	slurp(g->dir, "one.fork-0/shown", kept, sizeof(kept));
	slurp(g->dir, "two/checkpoint", note, sizeof(note));
	assert_string_equal(kept, note);
	assert_int_equal(RUN(g, "compare", "two/", "one-later", "--key", g->vkey, "--json"), 5);
	says(g->out, "{\"relation\":\"fork\",\"exit\":5,");
	says(g->errors, "both signed heads are kept in two.fork-0\n");
}

static void
a_head_that_the_log_did_not_sign_is_not_compared(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "b");
	struct small_file *f = small_file(g->s, "checkpoint");
	f->data[f->len - 10] = f->data[f->len - 10] == 'A' ? 'B' : 'A';
	write_bundle(g, "forged");
	assert_int_equal(RUN(g, "compare", "b", "forged", "--key", g->vkey), 3);
	assert_string_equal(g->out, "");
	says(g->errors, "forged");
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(gaps_are_what_waits_to_leave_to_be_acknowledged_or_to_be_decided),
		T(what_was_acknowledged_or_has_ended_or_was_withheld_is_no_gap),
		T(another_set_of_portions_waits_anew),
		T(stats_say_who_sent_how_much_to_whom_when_and_why_not),
		T(stats_are_of_the_records_that_the_terms_pick),
		T(a_trace_is_the_records_of_one_report_and_the_acks_that_name_its_deliveries),
		T(nothing_is_told_of_a_log_that_is_not_the_signed_one),
		T(a_larger_head_must_extend_the_smaller_one),
		T(of_two_brokers_with_one_key_the_evidence_is_kept),
		T(a_head_that_the_log_did_not_sign_is_not_compared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

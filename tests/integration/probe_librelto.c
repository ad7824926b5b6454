/*
 * probe_librelto.c - what a program sees of a running broker through relto.h alone.
 * Run by test_librelto.py with the lab's folder and the broker's address in LAB and ADDRESS.
 */
#include "client/relto.h"
#include "tests/lib/test.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

static const char *lab;

/* Fails with the library's own words. */
static void
must(bool ok, const struct relto_error *e)
{
	if (!ok)
		fail_msg("%s: %s field=%s nearest=%s detail=%s", e->code, e->text, e->field,
		    e->nearest, e->detail);
}

static const char *
in_lab(const char *name)
{
	static char paths[8][512];
	static unsigned next;
	char *out = paths[next++ % 8];
	(void)snprintf(out, 512, "%s/%s", lab, name);
	return out;
}

static const char *
of_party(const char *party, const char *file)
{
	char name[128];
	(void)snprintf(name, sizeof(name), "parties/%s/%s", party, file);
	return in_lab(name);
}

/* A whole file; the fourth call from here takes its place. */
static struct relto_bytes
slurp(const char *path)
{
	static char room[4][65536];
	static unsigned next;
	char *to = room[next++ % 4];
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	size_t n = fread(to, 1, 65535, f);
	(void)fclose(f);
	to[n] = 0;
	return (struct relto_bytes){ to, n };
}

/* An agent of the lab with everything pinned. */
static struct relto_context *
context(const char *party, const char *agent)
{
	struct relto_error e;
	char certificate[64], key[64];
	(void)snprintf(certificate, sizeof(certificate), "%s.pem", agent);
	(void)snprintf(key, sizeof(key), "%s.key", agent);
	struct relto_context *ctx = relto_context_new(&e);
	assert_non_null(ctx);
	must(relto_context_server(ctx, getenv("ADDRESS"), &e), &e);
	must(relto_context_hub_file(ctx, "spiffe://hub.example/relto", in_lab("hub/ca.pem"), &e),
	    &e);
	must(relto_context_identity_files(
		 ctx, of_party(party, certificate), of_party(party, key), &e),
	    &e);
	must(relto_context_trust_dir(ctx, in_lab("home/trust"), &e), &e);
	must(relto_context_log_key(ctx, slurp(in_lab("hub/log.vkey")).data, &e), &e);
	return ctx;
}

static struct relto_connection *
connection(const struct relto_context *ctx)
{
	struct relto_error e;
	struct relto_connection *c = relto_connect(ctx, &e);
	must(c != NULL, &e);
	return c;
}

/* A report of one portion that NOR may have. */
struct sample {
	const char *to[2], *under[1];
	struct relto_category category;
	struct relto_label labels[2];
	struct relto_portion portion;
	struct relto_report report;
};

static struct relto_report *
sample(struct sample *s, const char *content)
{
	*s = (struct sample){ .to = { "GBR", "NOR" }, .under = { "atlas" } };
	s->category = (struct relto_category){ "Releasable To", { s->to, 2 } };
	s->labels[0] = (struct relto_label){ "ATLAS", "SECRET", &s->category, 1 };
	s->labels[1] = (struct relto_label){ "TLP", "AMBER", NULL, 0 };
	s->portion = (struct relto_portion){ .labels = s->labels,
		.label_count = 2,
		.title = "Skiffs",
		.content = { content, strlen(content) } };
	s->report = (struct relto_report){ .topic = "maritime.piracy",
		.agreements = { s->under, 1 },
		.portions = &s->portion,
		.portion_count = 1 };
	return &s->report;
}

/* Takes deliveries until 'id' comes; acknowledges all. */
static struct relto_delivery *
receive(struct relto_connection *c, const uint8_t id[16])
{
	struct relto_error e;
	for (;;) {
		struct relto_delivery *d;
		must(relto_next(c, 10000, &d, &e), &e);
		must(relto_ack(c, d, &e), &e);
		if (memcmp(d->id, id, 16) == 0)
			return d;
		relto_delivery_free(d);
	}
}

static void
a_report_goes_from_one_party_to_the_other_and_verifies(void **state)
{
	(void)state;
	struct relto_error e;
	struct sample s;
	struct relto_receipt *receipt;
	struct relto_context *gbr = context("GBR", "fusion-desk"),
			     *nor = context("NOR", "fusion-desk");
	struct relto_connection *from = connection(gbr), *to = connection(nor);
	assert_string_equal(relto_session(from)->party, "GBR");
	assert_string_equal(relto_session(from)->agent, "spiffe://gbr.example/fusion-desk");
	struct relto_subscription_request wanted = { .topic = NULL };
	struct relto_subscription got;
	must(relto_subscribe(to, &wanted, &got, &e), &e);
	assert_string_equal(got.name, "inbox");
	must(relto_publish(from, sample(&s, "Two skiffs."), &receipt, &e), &e);
	assert_int_equal(receipt->released, 1);
	assert_false(receipt->again);
	struct relto_delivery *d = receive(to, receipt->id);
	assert_int_equal(d->trust, RELTO_VERIFIED);
	assert_string_equal(d->why, "signature good: GBR /fusion-desk");
	assert_string_equal(d->party, "GBR");
	assert_string_equal(d->topic, "maritime.piracy");
	assert_int_equal(d->portion_count, 1);
	assert_string_equal(d->portions[0].portion.title, "Skiffs");
	assert_memory_equal(d->portions[0].portion.content.data, "Two skiffs.", 11);
	assert_string_equal(d->portions[0].portion.labels[0].categories[0].values.items[1], "NOR");
	assert_int_equal(d->agreements.count, 1);
	assert_true(d->chain_count > 0 && d->manifest.len > 0);
	relto_delivery_free(d);
	relto_receipt_free(receipt);
	relto_close(from);
	relto_close(to);
	relto_context_free(gbr);
	relto_context_free(nor);
}

static void
the_same_report_again_gets_the_first_receipt(void **state)
{
	(void)state;
	struct relto_error e;
	struct sample s;
	struct relto_receipt *first, *second;
	struct relto_context *gbr = context("GBR", "fusion-desk");
	struct relto_connection *c = connection(gbr);
	memset(sample(&s, "once")->id, 0x42, 16);
	uint8_t now[8];
	uint64_t t = (uint64_t)time(NULL);
	memcpy(now, &t, 8);
	memcpy(s.report.id, now, 8);
	must(relto_publish(c, &s.report, &first, &e), &e);
	assert_memory_equal(first->id, s.report.id, 16);
	/* built anew it is another manifest: salts and order differ */
	assert_false(relto_publish(c, &s.report, &second, &e));
	assert_string_equal(e.code, "id-conflict");
	assert_false(e.fatal);
	relto_receipt_free(first);
	relto_close(c);
	relto_context_free(gbr);
}

static void
a_window_of_reports_is_signed_in_batches_and_every_one_is_answered(void **state)
{
	(void)state;
	enum { N = 300 };
	struct relto_error e;
	struct sample s;
	bool seen[N] = { false };
	struct relto_context *gbr = context("GBR", "fusion-desk");
	struct relto_connection *c = connection(gbr);
	for (size_t i = 0; i < N; i++)
		must(relto_submit(c, sample(&s, "many"), &seen[i], &e), &e);
	assert_int_equal(relto_unanswered(c), N);
	for (size_t i = 0; i < N; i++) {
		struct relto_answer a;
		must(relto_answer(c, 10000, &a, &e), &e);
		if (a.receipt == NULL)
			fail_msg("%s: %s", a.error.code, a.error.text);
		assert_false(*(bool *)a.cookie);
		*(bool *)a.cookie = true;
		assert_memory_equal(a.id, a.receipt->id, 16);
		relto_receipt_free(a.receipt);
	}
	struct relto_answer none;
	assert_false(relto_answer(c, 0, &none, &e));
	assert_string_equal(e.code, "usage");
	assert_int_equal(relto_overdue(c), 0);
	relto_close(c);
	relto_context_free(gbr);
}

static bool
count_them(void *arg, const struct relto_delivery *d, bool *ack)
{
	*ack = d->trust == RELTO_VERIFIED;
	(*(unsigned *)arg)++;
	return true;
}

static void
a_handler_takes_what_waits_and_it_does_not_come_again(void **state)
{
	(void)state;
	struct relto_error e;
	unsigned count = 0, again = 0;
	struct relto_context *nor = context("NOR", "fusion-desk");
	struct relto_connection *c = connection(nor);
	struct relto_subscription_request wanted = { .credit = 16 };
	must(relto_subscribe(c, &wanted, NULL, &e), &e);
	struct relto_handler h = { count_them, &count, 0, 1500 };
	must(relto_run(c, &h, &e), &e);
	assert_true(count >= 300);
	relto_close(c);
	c = connection(nor);
	must(relto_subscribe(c, &wanted, NULL, &e), &e);
	h.arg = &again;
	h.idle_ms = 500;
	must(relto_run(c, &h, &e), &e);
	assert_int_equal(again, 0);
	relto_close(c);
	relto_context_free(nor);
}

/* Three reports for NOR; what it then receives is given back, not acknowledged. */
static void
three_for_nor(struct relto_connection *nor, struct relto_delivery *got[3])
{
	struct relto_error e;
	struct sample s;
	struct relto_receipt *receipt;
	struct relto_subscription_request wanted = { .credit = 16 };
	struct relto_context *gbr = context("GBR", "fusion-desk");
	struct relto_connection *c = connection(gbr);
	for (unsigned i = 0; i < 3; i++) {
		must(relto_publish(c, sample(&s, "one of three"), &receipt, &e), &e);
		relto_receipt_free(receipt);
	}
	relto_close(c);
	relto_context_free(gbr);
	must(relto_subscribe(nor, &wanted, NULL, &e), &e);
	for (unsigned i = 0; i < 3; i++)
		must(relto_next(nor, 10000, &got[i], &e), &e);
}

static void
gathered_acknowledgements_go_before_a_wait_and_at_the_end(void **state)
{
	(void)state;
	struct relto_error e;
	struct relto_delivery *got[3], *none;
	struct relto_context *nor = context("NOR", "fusion-desk");
	for (unsigned waits = 0; waits < 2; waits++) {
		struct relto_connection *c = connection(nor);
		three_for_nor(c, got);
		for (unsigned i = 6; i-- > 0;)
			must(relto_ack_later(c, got[i / 2], &e), &e);
		assert_false(waits == 1 && relto_next(c, 200, &none, &e));
		for (unsigned i = 0; i < 3; i++)
			relto_delivery_free(got[i]);
		relto_close(c);
		c = connection(nor);
		must(relto_subscribe(
			 c, &(struct relto_subscription_request){ .credit = 16 }, NULL, &e),
		    &e);
		assert_false(relto_next(c, 500, &none, &e));
		relto_close(c);
	}
	relto_context_free(nor);
}

static void
an_explanation_names_every_recipient_with_its_reason(void **state)
{
	(void)state;
	struct relto_error e;
	struct sample s;
	struct relto_explanation *x;
	struct relto_receipt *receipt;
	struct relto_context *gbr = context("GBR", "fusion-desk");
	struct relto_connection *c = connection(gbr);
	must(relto_dry_run(c, sample(&s, "dry"), &x, &e), &e);
	assert_true(x->dry_run);
	assert_int_equal(x->decision_count, 2);
	assert_string_equal(x->decisions[0].recipient, "KEN");
	assert_int_equal(x->decisions[0].outcome, RELTO_WITHHOLD);
	assert_int_equal(x->decisions[0].portions[0].verdict, RELTO_PORTION_WITHHOLD);
	assert_true(x->decisions[0].portions[0].reason[0] != 0);
	assert_int_equal(x->decisions[1].outcome, RELTO_RELEASE);
	assert_int_equal(x->decisions[1].index, 0);
	relto_explanation_free(x);
	must(relto_publish(c, sample(&s, "wet"), &receipt, &e), &e);
	must(relto_explain(c, receipt->id, &x, &e), &e);
	assert_false(x->dry_run);
	assert_memory_equal(x->id, receipt->id, 16);
	assert_int_equal(x->decision_count, 2);
	assert_true(x->decisions[1].index > receipt->index);
	relto_explanation_free(x);
	relto_receipt_free(receipt);
	uint8_t other[16] = { 1 };
	assert_false(relto_explain(c, other, &x, &e));
	assert_string_equal(e.code, "unknown-report");
	relto_close(c);
	relto_context_free(gbr);
}

static void
a_refusal_names_the_field_and_what_would_be_right(void **state)
{
	(void)state;
	struct relto_error e;
	struct sample s;
	struct relto_receipt *receipt;
	struct relto_context *gbr = context("GBR", "fusion-desk");
	struct relto_connection *c = connection(gbr);
	sample(&s, "x");
	s.labels[0].classification = "SECRTE";
	assert_false(relto_publish(c, &s.report, &receipt, &e));
	assert_string_equal(e.code, "invalid-label");
	assert_string_equal(e.nearest, "SECRET");
	assert_true(e.field[0] != 0);
	assert_int_equal(e.exit_status, 65);
	sample(&s, "x");
	s.report.topic = "maritime..piracy"; /* found before anything is sent */
	assert_false(relto_publish(c, &s.report, &receipt, &e));
	assert_string_equal(e.code, "malformed");
	must(relto_ping(c, &e), &e);
	relto_close(c);
	relto_context_free(gbr);
}

static void
whoami_says_who_and_under_which_terms(void **state)
{
	(void)state;
	struct relto_error e;
	struct relto_identity *me;
	struct relto_context *ken = context("KEN", "fusion-desk");
	struct relto_connection *c = connection(ken);
	must(relto_whoami(c, &me, &e), &e);
	assert_string_equal(me->party, "KEN");
	assert_string_equal(me->hub_party, "HUB");
	assert_true(me->roles.count > 0);
	assert_int_equal(me->agreement_count, 1);
	assert_string_equal(me->agreements[0].name, "atlas");
	assert_false(me->has_policy);
	relto_identity_free(me);
	relto_close(c);
	relto_context_free(ken);
}

static void
terms_that_were_not_accepted_are_not_published_under(void **state)
{
	(void)state;
	struct relto_error e;
	struct sample s;
	struct relto_receipt *receipt;
	const uint8_t other[32] = { 7 };
	struct relto_context *gbr = context("GBR", "fusion-desk");
	must(relto_context_terms(gbr, "atlas", other, &e), &e);
	struct relto_connection *c = connection(gbr);
	assert_false(relto_publish(c, sample(&s, "x"), &receipt, &e));
	assert_string_equal(e.code, "agreement-not-usable");
	assert_non_null(strstr(e.text, "not those that were accepted"));
	relto_close(c);
	relto_context_free(gbr);
}

static void
a_signer_that_is_not_pinned_is_not_shown_unless_asked(void **state)
{
	(void)state;
	struct relto_error e;
	struct sample s;
	struct relto_receipt *receipt;
	for (int show = 0; show < 2; show++) {
		struct relto_context *gbr = context("GBR", "fusion-desk");
		struct relto_context *nor = relto_context_new(&e);
		must(relto_context_server(nor, getenv("ADDRESS"), &e), &e);
		must(relto_context_hub_file(
			 nor, "spiffe://hub.example/relto", in_lab("hub/ca.pem"), &e),
		    &e);
		must(relto_context_identity(nor, slurp(in_lab("parties/NOR/fusion-desk.pem")),
			 slurp(in_lab("parties/NOR/fusion-desk.key")), &e),
		    &e);
		/* KEN's CA under GBR's domain: it does not vouch for GBR's agents */
		if (show == 0)
			must(relto_context_trust(nor, "GBR", "gbr.example",
				 slurp(in_lab("parties/KEN/ca.pem")), &e),
			    &e);
		relto_context_show_unverified(nor, show == 1);
		struct relto_connection *from = connection(gbr), *to = connection(nor);
		assert_null(relto_log_head(to));
		struct relto_subscription_request wanted = { .topic = NULL };
		must(relto_subscribe(to, &wanted, NULL, &e), &e);
		must(relto_publish(from, sample(&s, "who says so?"), &receipt, &e), &e);
		struct relto_delivery *d = receive(to, receipt->id);
		assert_int_equal(d->trust, show == 0 ? RELTO_BAD : RELTO_UNPINNED);
		assert_int_equal(d->portion_count, (size_t)show);
		assert_non_null(strstr(
		    d->why, show == 0 ? "does not hold under the CA of GBR"
				      : "no CA certificates of the trust domain gbr.example"));
		relto_delivery_free(d);
		relto_receipt_free(receipt);
		relto_close(from);
		relto_close(to);
		relto_context_free(gbr);
		relto_context_free(nor);
	}
}

static void
refusals_of_the_connection_come_in_words(void **state)
{
	(void)state;
	struct relto_error e;
	/* KEN's key and certificate, but the hub's CA is not the one pinned */
	struct relto_context *ctx = context("KEN", "fusion-desk");
	must(relto_context_hub_file(
		 ctx, "spiffe://hub.example/relto", in_lab("parties/KEN/ca.pem"), &e),
	    &e);
	assert_null(relto_connect(ctx, &e));
	assert_string_equal(e.code, "certificate");
	assert_non_null(strstr(e.text, "this is not the pinned hub spiffe://hub.example/relto"));
	assert_true(e.fatal);
	must(relto_context_hub_file(ctx, "spiffe://hub.example/another", in_lab("hub/ca.pem"), &e),
	    &e);
	assert_null(relto_connect(ctx, &e));
	assert_string_equal(e.code, "certificate");
	must(relto_context_hub_file(ctx, "spiffe://hub.example/relto", in_lab("hub/ca.pem"), &e),
	    &e);
	/* the broker's own certificate: a server's, no client's */
	must(relto_context_identity_files(
		 ctx, in_lab("hub/broker.pem"), in_lab("hub/broker.key"), &e),
	    &e);
	assert_null(relto_connect(ctx, &e));
	assert_string_equal(e.code, "tls");
	assert_non_null(strstr(e.text, "clientAuth"));
	must(relto_context_server(ctx, "127.0.0.1:1", &e), &e);
	assert_null(relto_connect(ctx, &e));
	assert_string_equal(e.code, "unreachable");
	assert_false(relto_context_server(ctx, "nonsense", &e));
	assert_string_equal(e.code, "usage");
	relto_context_free(ctx);
}

static bool
count_records(void *arg, const struct relto_record *r)
{
	(void)r;
	(*(unsigned *)arg)++;
	return true;
}

/* Records can be listed when a published head covers them: at most 10 s after they were made. */
static void
a_party_lists_its_own_records(void **state)
{
	(void)state;
	struct relto_error e;
	struct relto_delivery *d;
	unsigned count = 0;
	uint64_t next = 0;
	struct relto_context *gbr = context("GBR", "inspector");
	struct relto_connection *c = connection(gbr);
	struct relto_lister to = { 0, 1000, count_records, &count };
	for (int tries = 0; tries < 30 && count == 0; tries++) {
		must(relto_audit_list(c, &to, &next, &e), &e);
		if (count == 0 && !relto_next(c, 500, &d, &e))
			assert_string_equal(e.code, "timeout");
	}
	assert_true(count > 0);
	assert_int_equal(relto_overdue(c), 0);
	relto_close(c);
	relto_context_free(gbr);
}

static void *
wake_soon(void *arg)
{
	(void)usleep(
	    100000); /* the other thread is in its wait by then; if not, it finds the wake-up */
	relto_wake(arg);
	return NULL;
}

static void
a_wait_is_ended_from_another_thread_and_the_connection_goes_on(void **state)
{
	(void)state;
	struct relto_error e;
	struct relto_delivery *d;
	pthread_t thread;
	struct relto_context *ken = context("KEN", "watch");
	struct relto_connection *c = connection(ken);
	assert_int_equal(pthread_create(&thread, NULL, wake_soon, c), 0);
	assert_false(relto_next(c, 30000, &d, &e));
	assert_string_equal(e.code, "interrupted");
	assert_false(e.fatal);
	(void)pthread_join(thread, NULL);
	must(relto_ping(c, &e), &e);
	assert_false(relto_next(c, 0, &d, &e));
	assert_string_equal(e.code, "timeout");
	relto_close(c);
	relto_context_free(ken);
}

static void
the_checkpoint_is_kept_and_a_forged_past_is_a_fork(void **state)
{
	(void)state;
	struct relto_error e;
	char folder[512], command[1200];
	(void)snprintf(folder, sizeof(folder), "%s", in_lab("state-probe"));
	struct relto_context *gbr = context("GBR", "fusion-desk");
	must(relto_context_state_dir(gbr, folder, &e), &e);
	struct relto_connection *c = connection(gbr);
	const struct relto_checkpoint *head = relto_log_head(c);
	assert_non_null(head);
	uint64_t size = head->size;
	assert_string_equal(head->origin, "hub.example/relto/g1");
	relto_close(c);
	c = connection(gbr); /* from the kept one on */
	assert_true(relto_log_head(c)->size >= size);
	relto_close(c);
	/* heads that this log never had, under its own key */
	static const struct {
		const char *size, *story;
	} forged[] = { { "3", "no proof that size" },
		{ "1000000000", "has not published so much" } };
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(command, sizeof(command), "%s '%s' '%s' %s", getenv("FORGE"), lab,
		    folder, forged[i].size);
		assert_int_equal(system(command), 0);
		assert_null(relto_connect(gbr, &e));
		assert_string_equal(e.code, "fork");
		assert_non_null(strstr(e.text, forged[i].story));
		assert_non_null(strstr(e.text, folder)); /* where the evidence is */
	}
	relto_context_free(gbr);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_report_goes_from_one_party_to_the_other_and_verifies),
		cmocka_unit_test(the_same_report_again_gets_the_first_receipt),
		cmocka_unit_test(
		    a_window_of_reports_is_signed_in_batches_and_every_one_is_answered),
		cmocka_unit_test(a_handler_takes_what_waits_and_it_does_not_come_again),
		cmocka_unit_test(gathered_acknowledgements_go_before_a_wait_and_at_the_end),
		cmocka_unit_test(an_explanation_names_every_recipient_with_its_reason),
		cmocka_unit_test(a_refusal_names_the_field_and_what_would_be_right),
		cmocka_unit_test(whoami_says_who_and_under_which_terms),
		cmocka_unit_test(terms_that_were_not_accepted_are_not_published_under),
		cmocka_unit_test(a_signer_that_is_not_pinned_is_not_shown_unless_asked),
		cmocka_unit_test(refusals_of_the_connection_come_in_words),
		cmocka_unit_test(a_party_lists_its_own_records),
		cmocka_unit_test(a_wait_is_ended_from_another_thread_and_the_connection_goes_on),
		cmocka_unit_test(the_checkpoint_is_kept_and_a_forged_past_is_a_fork),
	};
	lab = getenv("LAB");
	if (lab == NULL || getenv("ADDRESS") == NULL) {
		(void)fprintf(stderr, "NO LAB: run tests/integration/test_librelto.py\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

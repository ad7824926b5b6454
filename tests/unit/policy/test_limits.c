/* Limits of a policy and of a report, each at it and one past it.  Large texts are made here. */
#include "tests/unit/policy/policy_rig.h"

#include "client/cli/mint.h"

#include <openssl/pem.h>

/* ---- what a policy may hold ---- */

/* 'count' statements, each with its number between 'before' and 'after'. */
static const char *
repeat(struct rig *r, const char *before, const char *after, unsigned count)
{
	size_t room = count * (strlen(before) + strlen(after) + 8) + 1, n = 0;
	char *text = arena_alloc(&r->arena, room);
	assert_non_null(text);
	for (unsigned i = 0; i < count; i++)
		n += (size_t)snprintf(text + n, room - n, "%s%u%s", before, i, after);
	return text;
}

/* The policy loads; with 'fault', it is refused with this one error instead. */
static void
loads_or(struct rig *r, const char *text, const char *fault)
{
	rig_put(r, "relto.policy", text);
	bool loaded = rig_load(r, EPOCH_TRUST_OPTIONAL | EPOCH_PARTIAL);
	if (loaded != (fault == NULL))
		fail_msg("%s", text_errors_format(&r->errors, &r->arena));
	if (fault == NULL)
		return;
	assert_int_equal(r->errors.error_count, 1);
	assert_string_equal(r->errors.errors[0].text, fault);
}

static void
a_policy_has_10000_parties(void **state)
{
	(void)state;
	for (unsigned more = 0; more < 2; more++) {
		struct rig r;
		rig_init(&r);
		loads_or(&r, repeat(&r, "party P", " {\n}\n", LIMIT_PARTIES + more),
		    more == 0 ? NULL : "more than 10000 parties");
		if (more == 0)
			assert_int_equal(epoch_party_count(r.epoch), LIMIT_PARTIES);
		rig_done(&r);
	}
}

#define SHELL \
	"version 1\n valid from 2026-01-01 until 2026-12-31\n state draft\n mode live\n" \
	" topics [ x ]\n"

static void
a_policy_has_4096_agreements(void **state)
{
	(void)state;
	for (unsigned more = 0; more < 2; more++) {
		struct rig r;
		rig_init(&r);
		loads_or(&r, repeat(&r, "agreement A", " {\n" SHELL "}\n", LIMIT_AGREEMENTS + more),
		    more == 0 ? NULL : "more than 4096 agreements");
		if (more == 0)
			assert_int_equal(epoch_agreement_count(r.epoch), LIMIT_AGREEMENTS);
		rig_done(&r);
	}
}

static void
an_agreement_has_1024_members(void **state)
{
	(void)state;
	for (unsigned more = 0; more < 2; more++) {
		struct rig r;
		unsigned count = LIMIT_MEMBERS_PER_AGREEMENT + more;
		rig_init(&r);
		const char *parties = repeat(&r, "party P", " {\n}\n", count);
		const char *members = repeat(&r, "member P", " { may [ receive ] }\n", count);
		loads_or(&r,
		    arena_printf(&r.arena, "%sagreement wide {\n" SHELL "%s}\n", parties, members),
		    more == 0 ? NULL : "more than 1024 members in agreement 'wide'");
		if (more == 0)
			assert_int_equal(epoch_agreement_at(r.epoch, 0)->member_count,
			    LIMIT_MEMBERS_PER_AGREEMENT);
		rig_done(&r);
	}
}

/* Every file but the root says nothing. */
static bool
read_comment(void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	if (strcmp(path, "relto.policy") == 0)
		return rig_read(ctx, path, a, out, e);
	*out = bytes_of("# nothing\n");
	return true;
}

static void
a_policy_has_16384_files(void **state)
{
	(void)state;
	for (unsigned more = 0; more < 2; more++) {
		struct rig r;
		struct text_block block;
		const struct text_reader reader = { read_comment, rig_list, &r };
		rig_init(&r);
		rig_put(&r, "relto.policy",
		    repeat(&r, "include f", "\n", LIMIT_POLICY_FILES - 1 + more));
		bool good = text_load(&r.arena, "relto.policy", &reader, &r.errors, &block);
		assert_true(good == (more == 0));
		assert_int_equal(r.errors.error_count, more);
		if (more != 0) {
			assert_string_equal(r.errors.errors[0].text, "more than 16384 files");
			assert_int_equal(r.errors.errors[0].line, LIMIT_POLICY_FILES);
		}
		rig_done(&r);
	}
}

/* So many certificates of one key. */
static const char *
bundle(struct rig *r, unsigned count)
{
	struct err e = { 0 };
	EVP_PKEY *key = mint_p256();
	BIO *pem = BIO_new(BIO_s_mem());
	char *data;
	for (unsigned i = 0; i < count; i++) {
		const struct mint_spec spec = {
			.name = "CA", .usage = MINT_AUTHORITY, .until_s = 1
		};
		X509 *cert;
		assert_true(mint_cert(&spec, key, NULL, &cert, &e));
		assert_int_equal(PEM_write_bio_X509(pem, cert), 1);
		X509_free(cert);
	}
	int len = (int)BIO_get_mem_data(pem, &data);
	const char *text = arena_printf(&r->arena, "%.*s", len, data);
	BIO_free(pem);
	EVP_PKEY_free(key);
	return text;
}

static void
a_party_has_64_anchors(void **state)
{
	(void)state;
	for (unsigned more = 0; more < 2; more++) {
		struct rig r;
		rig_init(&r);
		rig_put(&r, "ca.pem", bundle(&r, 64 + more));
		loads_or(&r, "party A {\n trust-domain a.x\n trust-bundle ca.pem\n}\n",
		    more == 0 ? NULL : "more than 64 certificates");
		if (more == 0)
			assert_int_equal(epoch_party_at(r.epoch, 0)->anchor_count, 64);
		rig_done(&r);
	}
}

static void
an_anchor_that_is_repeated_counts_once(void **state)
{
	(void)state;
	struct rig r;
	rig_init(&r);
	const char *all = bundle(&r, 64), *end = strstr(all, "-----END CERTIFICATE-----\n");
	rig_put(&r, "ca.pem", arena_printf(&r.arena, "%s%.*s", all, (int)(end - all + 26), all));
	loads_or(&r, "party A {\n trust-domain a.x\n trust-bundle ca.pem\n}\n", NULL);
	assert_int_equal(epoch_party_at(r.epoch, 0)->anchor_count, 64);
	rig_done(&r);
}

/* ---- what a report may hold ---- */

struct report {
	struct bytes names[LIMIT_VALUES_PER_CATEGORY + 1];
	struct raw_category categories[LIMIT_CATEGORIES_PER_LABEL + 1];
	struct raw_label labels[LIMIT_LABELS_PER_PORTION + 1];
	struct fact_portion portions[LIMIT_PORTIONS + 1];
	struct fact_agreement agreements[LIMIT_AGREEMENTS_PER_REPORT + 1];
	/* each source under two agreements, as facts have it */
	struct fact_source sources[2 * (LIMIT_SOURCES_ALL + 1)];
	struct facts facts;
};

/* A report of GBR that is released to NOR; what it has one of is there up to one past its limit. */
static struct report *
report(struct rig *r)
{
	struct report *p = arena_zalloc(&r->arena, 1, sizeof(*p));
	assert_non_null(p);
	for (size_t i = 0; i <= LIMIT_VALUES_PER_CATEGORY; i++)
		p->names[i] =
		    bytes_of("NOR"); /* a value named twice counts once; so does a party */
	for (size_t i = 0; i <= LIMIT_CATEGORIES_PER_LABEL; i++)
		p->categories[i] =
		    (struct raw_category){ bytes_of("Releasable To"), { p->names, 1 } };
	for (size_t i = 0; i <= LIMIT_LABELS_PER_PORTION; i++)
		p->labels[i] =
		    (struct raw_label){ bytes_of("ATLAS"), bytes_of("SECRET"), p->categories, 1 };
	for (size_t i = 0; i <= LIMIT_PORTIONS; i++)
		p->portions[i] = (struct fact_portion){ p->labels, 1, bytes_of("text/plain") };
	for (size_t i = 0; i <= LIMIT_AGREEMENTS_PER_REPORT; i++)
		p->agreements[i].name = bytes_of("atlas");
	for (size_t i = 0; i < 2 * (LIMIT_SOURCES_ALL + 1); i++)
		p->sources[i] = (struct fact_source){
			.id = bytes_of(arena_printf(&r->arena, "s%zu", i / 2)),
			.originator = bytes_of("GBR"),
			.agreement = bytes_of(i % 2 == 0 ? "atlas" : "spare"),
		};
	p->facts = (struct facts){ .originator = bytes_of("GBR"),
		.topic = bytes_of("maritime.piracy"),
		.precedence = PRECEDENCE_ROUTINE,
		.mode = MODE_LIVE,
		.time = UINT64_C(1780000000) * 1000000, /* 2026-05-28 */
		.accepted = UINT64_C(1780000000) * 1000000,
		.signer = SIGNER_GOOD,
		.agreements = p->agreements,
		.agreement_count = 1,
		.sources = p->sources,
		.portions = p->portions,
		.portion_count = 1 };
	return p;
}

/* ---- each sets one count ---- */

static void
set_portions(struct report *p, size_t count)
{
	p->facts.portion_count = count;
}

static void
set_labels(struct report *p, size_t count)
{
	p->portions[0].label_count = count;
}

static void
set_categories(struct report *p, size_t count)
{
	p->labels[0].category_count = count;
}

static void
set_values(struct report *p, size_t count)
{
	p->categories[0].values.count = count;
}

static void
set_agreements(struct report *p, size_t count)
{
	p->facts.agreement_count = count;
}

static void
set_only_to(struct report *p, size_t count)
{
	p->facts.has_only_to = true;
	p->facts.only_to = (struct names){ p->names, count };
}

static void
set_not_to(struct report *p, size_t count)
{
	p->facts.not_to = (struct names){ p->names, count };
}

static void
set_named(struct report *p, size_t count)
{
	p->facts.source_count = 2 * count;
}

static void
set_sources(struct report *p, size_t count)
{
	for (size_t i = 0; i < 2 * count; i++)
		p->sources[i].via = bytes_of("s");
	p->facts.source_count = 2 * count;
}

static const struct limit {
	void (*set)(struct report *p, size_t count);
	size_t most;
	const char *field, *detail;
	enum err_code otherwise; /* what the report is refused with at the limit, if anything */
} limits[] = {
	{ set_portions, LIMIT_PORTIONS, "portions", "a report has 256 portions", ERR_NONE },
	{ set_labels, LIMIT_LABELS_PER_PORTION, "portions[0]",
	    "a portion has 4 labels of 32 categories of 256 values", ERR_INVALID_LABEL },
	{ set_categories, LIMIT_CATEGORIES_PER_LABEL, "portions[0]",
	    "a portion has 4 labels of 32 categories of 256 values", ERR_INVALID_LABEL },
	{ set_values, LIMIT_VALUES_PER_CATEGORY, "portions[0]",
	    "a portion has 4 labels of 32 categories of 256 values", ERR_NONE },
	{ set_agreements, LIMIT_AGREEMENTS_PER_REPORT, "agreements", "a report names 8 agreements",
	    ERR_NONE },
	{ set_only_to, LIMIT_AUDIENCE, "only_to", "an audience list has 256 names", ERR_NONE },
	{ set_not_to, LIMIT_AUDIENCE, "not_to", "an audience list has 256 names", ERR_NONE },
	{ set_named, LIMIT_SOURCES_NAMED, "sources", "a report names 32 sources and rests on 256",
	    ERR_NONE },
	{ set_sources, LIMIT_SOURCES_ALL, "sources", "a report names 32 sources and rests on 256",
	    ERR_NONE },
};

static void
a_report_is_refused_one_past_each_limit(void **state)
{
	(void)state;
	struct rig r;
	rig_init(&r);
	rig_load_text(&r, rig_base);
	for (size_t i = 0; i < 2 * sizeof(limits) / sizeof(limits[0]); i++) {
		const struct limit *x = &limits[i / 2];
		struct report *p = report(&r);
		struct decisions d;
		struct err e = { 0 };
		bool past = i % 2 == 1;
		x->set(p, x->most + past);
		assert_true(policy_decide(r.epoch, &p->facts, &r.arena, &d, &e));
		if (d.refusal.code != (past ? ERR_LIMIT : x->otherwise))
			fail_msg("%s: %s", x->field, err_token(d.refusal.code));
		if (past) {
			assert_true(bytes_is(d.refusal.field, x->field));
			assert_true(bytes_is(d.refusal.detail, x->detail));
		}
	}
	rig_done(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_policy_has_10000_parties),
		cmocka_unit_test(a_policy_has_4096_agreements),
		cmocka_unit_test(an_agreement_has_1024_members),
		cmocka_unit_test(a_policy_has_16384_files),
		cmocka_unit_test(a_party_has_64_anchors),
		cmocka_unit_test(an_anchor_that_is_repeated_counts_once),
		cmocka_unit_test(a_report_is_refused_one_past_each_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

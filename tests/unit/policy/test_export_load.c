/* A policy loaded back from its canonical export: the same policy, or an error. */
#include "policy/vocab.h"
#include "tests/unit/policy/policy_rig.h"

struct back { /* the rig, and what its export is loaded into */
	struct rig rig;
	struct text_errors errors;
	struct epoch *epoch;
	struct err err;
	bool without;		 /* the SPIFs are not there */
	struct rig_file more[2]; /* of the rig; or none */
};

static int
setup(void **state)
{
	struct back *b = calloc(1, sizeof(*b));
	assert_non_null(b);
	rig_init(&b->rig);
	rig_load_text(&b->rig, rig_base);
	text_errors_init(&b->errors);
	*state = b;
	return 0;
}

static int
teardown(void **state)
{
	struct back *b = *state;
	epoch_free(b->epoch);
	text_errors_done(&b->errors);
	rig_done(&b->rig);
	free(b);
	return 0;
}

/* Another policy in the rig. */
static void
instead(struct back *b, const char *text)
{
	epoch_free(b->rig.epoch);
	b->rig.epoch = NULL;
	b->rig.count = 0;
	for (size_t i = 0; i < 2 && b->more[i].path != NULL; i++)
		rig_put(&b->rig, b->more[i].path, b->more[i].text);
	rig_load_text(&b->rig, text);
}

static void
hex_of(const uint8_t digest[32], char out[65])
{
	for (size_t i = 0; i < 32; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* By digest, from what the rig has loaded. */
static bool
read_spif(void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	const struct back *b = ctx;
	for (size_t i = 0; !b->without && i < epoch_vocab_count(b->rig.epoch); i++) {
		uint8_t digest[32];
		char hex[65];
		struct bytes spif = epoch_spif(b->rig.epoch, i, digest);
		hex_of(digest, hex);
		if (strcmp(hex, path) == 0)
			return arena_copy(a, spif, out, e);
	}
	return err_set(e, ERR_NOT_FOUND, "there is no '%s'", path);
}

static bool
load(struct back *b, const char *text)
{
	const struct epoch_source from = { .read = read_spif, .list = rig_list, .ctx = b };
	epoch_free(b->epoch);
	b->epoch = NULL;
	text_errors_done(&b->errors);
	text_errors_init(&b->errors);
	b->err = (struct err){ 0 };
	return epoch_load_export(&from, bytes_of(text), &b->errors, &b->epoch, &b->err);
}

static const char *
export_of(struct back *b)
{
	struct bytes text = epoch_export(b->rig.epoch);
	return arena_printf(&b->rig.arena, "%.*s", (int)text.len, (const char *)text.data);
}

static void
a_policy_comes_back_from_its_export_with_its_digest_and_terms(void **state)
{
	struct back *b = *state;
	assert_true(load(b, export_of(b)));
	assert_memory_equal(epoch_digest(b->epoch), epoch_digest(b->rig.epoch), 32);
	assert_int_equal(epoch_agreement_count(b->epoch), 2);
	for (size_t i = 0; i < 2; i++) {
		const struct agreement *was = epoch_agreement_at(b->rig.epoch, i);
		const struct agreement *is = epoch_agreement_at(b->epoch, i);
		assert_true(is->has_terms);
		assert_memory_equal(is->terms, was->terms, 32);
		assert_int_equal(is->suspended, was->suspended);
		assert_int_equal(is->state, was->state);
	}
}

static void
what_must_be_signed_is_unsigned_until_the_log_says_otherwise(void **state)
{
	struct back *b = *state;
	instead(b, rig_edit(&b->rig, rig_base, "    topics [ maritime",
		       "    signatures required [ GBR NOR ]\n    topics [ maritime"));
	assert_true(load(b, export_of(b)));
	const struct agreement *a = epoch_agreement(b->epoch, bytes_of("atlas"));
	assert_true(a->unsigned_);
	assert_true(epoch_accept_signatures(b->epoch, a->index, bytes_of("GBR 00\n"), &b->err));
	assert_false(a->unsigned_);
	epoch_defer_terms(b->epoch, a->index);
	assert_false(a->has_terms);
}

static void
text_that_is_not_what_it_would_be_exported_as_is_refused(void **state)
{
	struct back *b = *state;
	struct rig *r = &b->rig;
	const char *text = export_of(b);
	assert_false(load(b, arena_printf(&r->arena, "%s\n", text)));
	assert_int_equal(b->err.code, ERR_DATA);
	assert_string_equal(b->err.text, "it is not the canonical export of what it says");
	assert_false(load(b, rig_edit(r, text, "    version 3\n", "    version 03\n")));
	assert_int_equal(b->err.code, ERR_POLICY);
	assert_false(load(b, rig_edit(r, text, "hub HUB\n", "include \"x\"\nhub HUB\n")));
	assert_false(load(b, rig_edit(r, text, "    trust-domain nor",
				 "    trust-bundle \"/etc/passwd\"\n    trust-domain nor")));
	assert_false(load(b, rig_edit(r, text, "    anchor ", "    anchor 0")));
	assert_non_null(strstr(b->err.text, "64 digits 0-9, a-f of a SHA-256 stand here"));
	assert_false(load(b, rig_edit(r, text, "spif SHA256 ", "spif SHA512 ")));
	assert_false(load(b, rig_edit(r, text, "spif SHA256 ", "spif SHA256 A")));
	assert_false(load(b, ""));
}

static void
a_spif_that_is_not_there_is_an_error(void **state)
{
	struct back *b = *state;
	b->without = true;
	assert_false(load(b, export_of(b)));
	assert_int_equal(b->err.code, ERR_POLICY);
	assert_non_null(strstr(b->err.text, "there is no '"));
}

/* An export is all files of a policy in one. */
static void
an_export_may_be_longer_than_a_file(void **state)
{
	struct back *b = *state;
	struct rig *r = &b->rig;
	size_t room = (size_t)3 << 20;
	char *more = arena_alloc(&r->arena, room), *at = more;
	assert_non_null(more);
	for (unsigned i = 0; (size_t)(at - more) < (1u << 20) + 4096; i++)
		at += snprintf(at, room - (size_t)(at - more),
		    "agreement z%u {\n    title \"%0900u\"\n    version 1\n%s}\n", i, i,
		    "    valid from 2026-01-01 until 2026-12-31\n    state draft\n"
		    "    mode live\n    topics [ x ]\n");
	size_t half = (size_t)(at - more) / 2;
	while (strncmp(more + half, "\nagreement ", 11) != 0)
		half++;
	const struct rig_file files[] = {
		{ "more-1.policy", arena_printf(&r->arena, "%.*s", (int)half + 1, more) },
		{ "more-2.policy", more + half + 1 }
	};
	memcpy(b->more, files, sizeof(files));
	instead(b, rig_edit(r, rig_base, "hub HUB\n",
		       "hub HUB\ninclude \"more-1.policy\"\ninclude \"more-2.policy\"\n"));
	assert_true(epoch_export(r->epoch).len > 1u << 20);
	assert_true(load(b, export_of(b)));
}

static void
without_memory_no_policy_comes_back(void **state)
{
	struct back *b = *state;
	struct arena one;
	arena_init(&one, 0);
	struct text_block top;
	assert_false(
	    text_parse_export(&one, bytes_of("export"), bytes_of(export_of(b)), &b->errors, &top));
	assert_non_null(strstr(b->errors.errors[0].text, "out of memory"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_policy_comes_back_from_its_export_with_its_digest_and_terms, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_must_be_signed_is_unsigned_until_the_log_says_otherwise, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    text_that_is_not_what_it_would_be_exported_as_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_spif_that_is_not_there_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    an_export_may_be_longer_than_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    without_memory_no_policy_comes_back, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

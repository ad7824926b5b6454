/* Which agreements of a policy were in force, found again from the records (docs/audit-format.md,
 * section 2). */
#include "client/cli/replay_rules.h"
#include "tests/unit/policy/policy_rig.h"

struct past {
	struct rig rig;
	struct arena a;
	struct sha256 hash;
	struct content_reader reader;
	struct replay_rules rules;
	const uint8_t *lacks; /* a content that is not there */
};

/* policy/HEX is the rig's export, spif/HEX its SPIFs. */
static bool
read(void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	struct past *p = ctx;
	char name[BUNDLE_PATH_MAX];
	*out = (struct bytes){ NULL, 0 };
	bundle_content_path(BUNDLE_POLICY, epoch_digest(p->rig.epoch), name);
	if (strcmp(path, name) == 0 && p->lacks != epoch_digest(p->rig.epoch))
		return arena_copy(a, epoch_export(p->rig.epoch), out, e);
	for (size_t i = 0; i < epoch_vocab_count(p->rig.epoch); i++) {
		uint8_t digest[32];
		struct bytes spif = epoch_spif(p->rig.epoch, i, digest);
		bundle_content_path(BUNDLE_SPIF, digest, name);
		if (strcmp(path, name) == 0)
			return arena_copy(a, spif, out, e);
	}
	return true;
}

static int
setup(void **state)
{
	struct past *p = calloc(1, sizeof(*p));
	struct err e;
	assert_non_null(p);
	rig_init(&p->rig);
	rig_load_text(&p->rig, rig_base);
	arena_init(&p->a, (size_t)1 << 26);
	assert_true(sha256_init(&p->hash, &e));
	p->reader = (struct content_reader){ read, p, &p->hash };
	replay_rules_init(&p->rules, &p->a, &p->reader);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct past *p = *state;
	replay_rules_done(&p->rules);
	sha256_done(&p->hash);
	arena_done(&p->a);
	rig_done(&p->rig);
	free(p);
	return 0;
}

static const struct agreement *
atlas(const struct past *p)
{
	return epoch_agreement(p->rig.epoch, bytes_of("atlas"));
}

/* An AGREEMENT record of atlas. */
static void
told(struct past *p, uint64_t version, enum agreement_state state, bool same_terms)
{
	struct body b;
	struct err e;
	uint8_t terms[32];
	memcpy(terms, atlas(p)->terms, sizeof(terms));
	terms[0] ^= (uint8_t)!same_terms;
	event_body_begin(&b, EVENT_AGREEMENT);
	event_body_bytes(&b, BODY_AGREEMENT_PARTY, bytes_of("NOR"));
	event_body_bytes(&b, BODY_AGREEMENT_NAME, bytes_of("atlas"));
	event_body_uint(&b, BODY_AGREEMENT_VERSION, version);
	event_body_bytes(&b, BODY_AGREEMENT_TERMS, bytes_from(terms, sizeof(terms)));
	event_body_enum(&b, BODY_AGREEMENT_STATE, state);
	event_body_enum(&b, BODY_AGREEMENT_SUSPENDED, 1);
	if (atlas(p)->signers.count > 0)
		event_body_bytes(&b, BODY_AGREEMENT_SIGNERS, bytes_of("NOR 00\n"));
	assert_true(replay_rules_agreement(&p->rules, &b, &e));
}

/* The POLICY record of the rig's policy: atlas as it stands then. */
static const struct agreement *
in_force(struct past *p)
{
	struct body b;
	struct err e = { 0 };
	const char *why;
	event_body_begin(&b, EVENT_POLICY);
	event_body_bytes(&b, BODY_POLICY_DIGEST, bytes_from(epoch_digest(p->rig.epoch), 32));
	event_body_enum(&b, BODY_POLICY_CAUSE, 1);
	assert_true(replay_rules_policy(&p->rules, &b, &e));
	const struct epoch *now = replay_rules_of(&p->rules, epoch_digest(p->rig.epoch), &why);
	if (now == NULL)
		fail_msg("%s", why);
	return epoch_agreement(now, bytes_of("atlas"));
}

static void
an_agreement_that_was_told_as_it_is_is_in_force(void **state)
{
	struct past *p = *state;
	told(p, 2, STATE_TERMINATED, false); /* what an earlier version was does not count */
	told(p, 3, STATE_IN_FORCE, true);
	const struct agreement *a = in_force(p);
	assert_null(a->refused);
	assert_true(a->has_terms);
	assert_false(a->unsigned_);
}

static void
what_was_told_in_a_higher_version_refuses_this_one(void **state)
{
	struct past *p = *state;
	told(p, 3, STATE_IN_FORCE, true);
	told(p, 4, STATE_IN_FORCE, false);
	assert_string_equal(in_force(p)->refused, "its version is lower than one before");
}

static void
other_terms_or_a_later_state_of_its_version_refuse_it(void **state)
{
	struct past *p = *state;
	told(p, 3, STATE_IN_FORCE, false);
	assert_string_equal(in_force(p)->refused, "its version was used before with other terms");
	told(p, 3, STATE_IN_FORCE, true);
	assert_string_equal(in_force(p)->refused, "the log has two terms of its version");
	replay_rules_done(&p->rules);
	replay_rules_init(&p->rules, &p->a, &p->reader);
	told(p, 3, STATE_TERMINATED, true);
	told(p, 3, STATE_IN_FORCE, true);
	assert_string_equal(
	    in_force(p)->refused, "its state is an earlier one than its version had");
}

static void
what_nobody_was_told_of_waits(void **state)
{
	struct past *p = *state;
	const struct agreement *a = in_force(p);
	assert_null(a->refused);
	assert_false(a->has_terms);
	told(p, 2, STATE_IN_FORCE, false);
	assert_false(in_force(p)->has_terms);
	told(p, 3, STATE_IN_FORCE, true);
	assert_true(
	    in_force(p)->has_terms); /* the same policy once more, and what was told since */
	assert_int_equal(p->rules.policies, 3);
	assert_true(in_force(p)->has_terms);
	assert_int_equal(p->rules.policies, 3); /* nothing was told: not loaded again */
}

static void
what_must_be_signed_is_when_it_was_told_with_its_signers(void **state)
{
	struct past *p = *state;
	epoch_free(p->rig.epoch);
	p->rig.epoch = NULL;
	p->rig.count = 0;
	rig_load_text(&p->rig, rig_edit(&p->rig, rig_base, "    topics [ maritime",
				   "    signatures required [ NOR ]\n    topics [ maritime"));
	assert_true(in_force(p)->unsigned_);
	told(p, 3, STATE_IN_FORCE, true);
	assert_false(in_force(p)->unsigned_);
}

static void
a_policy_that_is_not_there_or_not_in_force_judges_nothing(void **state)
{
	struct past *p = *state;
	struct body b;
	struct err e = { 0 };
	const char *why;
	const uint8_t *digest = epoch_digest(p->rig.epoch);
	const uint8_t other[32] = { 1 };
	assert_null(replay_rules_of(&p->rules, digest, &why));
	assert_string_equal(why, "no POLICY record stands before it");
	p->lacks = digest;
	event_body_begin(&b, EVENT_POLICY);
	event_body_bytes(&b, BODY_POLICY_DIGEST, bytes_from(digest, 32));
	event_body_enum(&b, BODY_POLICY_CAUSE, 1);
	assert_true(replay_rules_policy(&p->rules, &b, &e));
	assert_null(replay_rules_of(&p->rules, digest, &why));
	assert_string_equal(why, "the bundle lacks its policy");
	assert_null(replay_rules_of(&p->rules, other, &why));
	assert_string_equal(why, "it names another policy than the last POLICY record");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_agreement_that_was_told_as_it_is_is_in_force),
		TEST(what_was_told_in_a_higher_version_refuses_this_one),
		TEST(other_terms_or_a_later_state_of_its_version_refuse_it),
		TEST(what_nobody_was_told_of_waits),
		TEST(what_must_be_signed_is_when_it_was_told_with_its_signers),
		TEST(a_policy_that_is_not_there_or_not_in_force_judges_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

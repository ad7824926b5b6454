#include "proto/envelope.h"

#include "proto/arena.h"
#include "proto/limits.h"
#include "proto/sha256.h"
#include "tests/lib/test.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

enum { ROOM = 256 << 20 };

/* Numbers that look random and are the same every time. */
static bool
fill(void *ctx, void *to, size_t n)
{
	uint64_t *s = ctx;
	for (size_t i = 0; i < n; i++) {
		*s = *s * 6364136223846793005u + 1442695040888963407u;
		((uint8_t *)to)[i] = (uint8_t)(*s >> 56);
	}
	return true;
}

struct rig {
	struct arena arena;
	struct sha256 hash;
	uint64_t seed;
	struct envelope_maker maker;
	struct envelope_verifier verifier;
	EVP_PKEY *key;
	uint8_t digest[32];
	struct envelope_signer who;
};

static int
setup(void **state)
{
	static struct rig r;
	struct err e;
	memset(&r, 0, sizeof(r));
	arena_init(&r.arena, ROOM);
	assert_true(sha256_init(&r.hash, &e));
	r.seed = 1;
	r.maker = (struct envelope_maker){ &r.hash, fill, &r.seed };
	r.verifier.hash = &r.hash;
	r.key = EVP_EC_gen("P-256");
	assert_non_null(r.key);
	memset(r.digest, 0x5a, sizeof(r.digest));
	r.who = (struct envelope_signer){ r.key, bytes_from(r.digest, 32),
		bytes_of("spiffe://gbr.example/desk") };
	*state = &r;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;
	EVP_PKEY_free(r->key);
	sha256_done(&r->hash);
	arena_done(&r->arena);
	return 0;
}

static struct raw_label label = { .vocabulary = { (const uint8_t *)"ATLAS", 5 },
	.classification = { (const uint8_t *)"SECRET", 6 } };

/* A draft of n portions, "portion 0" .. */
static struct envelope_draft
draft(struct rig *r, size_t n)
{
	struct envelope_draft_portion *p = arena_zalloc(&r->arena, n, sizeof(*p));
	struct envelope_agreement *g = arena_zalloc(&r->arena, 1, sizeof(*g));
	for (size_t i = 0; i < n; i++)
		p[i] = (struct envelope_draft_portion){ &label, 1, bytes_of("text/plain"),
			bytes_of("title"), bytes_of(arena_printf(&r->arena, "portion %zu", i)) };
	*g = (struct envelope_agreement){ bytes_of("atlas"), bytes_from(r->digest, 32) };
	return (struct envelope_draft){
		.hub = bytes_of("spiffe://hub.example/relto"),
		.originator = r->who.originator,
		.signer = r->who.digest,
		.topic = bytes_of("maritime.piracy"),
		.precedence = PRECEDENCE_FLASH,
		.mode = MODE_LIVE,
		.created = 1780272000000,
		.routing = { .agreements = g, .agreement_count = 1, .has_only_to = true },
		.portions = p,
		.portion_count = n,
	};
}

static struct msg_publish
built(struct rig *r, const struct envelope_draft *d)
{
	struct msg_publish p;
	struct err e;
	if (!envelope_build(&r->maker, d, &r->arena, &p, &e))
		fail_msg("%s", e.text);
	return p;
}

static void
sealed(struct rig *r, struct msg_publish *p, bool single)
{
	struct envelope_batch b = { &p, 1, single };
	struct err e;
	if (!envelope_seal(&r->maker, &b, r->key, &r->arena, &e))
		fail_msg("%s", e.text);
}

static struct envelope
opened(struct rig *r, const struct msg_publish *p)
{
	struct envelope v;
	struct err e;
	struct fault f;
	if (!envelope_open(p, &r->arena, &v, &f, &e))
		fail_msg("%s (%s)", e.text, f.field);
	return v;
}

/* ---- what is built is what is opened ---- */

static void
what_is_built_opens_and_verifies_in_every_size(void **state)
{
	struct rig *r = *state;
	static const struct {
		size_t portions, class;
	} sizes[] = { { 1, 4 }, { 4, 4 }, { 5, 16 }, { 16, 16 }, { 17, 64 }, { 64, 64 },
		{ 65, 256 }, { 256, 256 } };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct envelope_draft d = draft(r, sizes[i].portions);
		struct msg_publish p = built(r, &d);
		sealed(r, &p, i % 2 == 0);
		struct envelope v = opened(r, &p);
		struct err e;
		assert_int_equal(v.portion_count, sizes[i].portions);
		assert_int_equal(v.manifest.commitments.count, sizes[i].class);
		assert_int_equal(v.seal.path.count, i % 2 == 0 ? 0 : 6);
		assert_true(v.routing.has_only_to && v.routing.only_to.count == 0);
		assert_true(bytes_is(v.portions[sizes[i].portions - 1].content,
		    arena_printf(&r->arena, "portion %zu", sizes[i].portions - 1)));
		if (!envelope_verify(&r->verifier, &v, &r->who, &e))
			fail_msg("%s", e.text);
	}
}

static void
a_report_has_256_portions_and_not_one_more(void **state)
{
	struct rig *r = *state;
	struct msg_publish p;
	struct err e;
	struct fault f;
	struct envelope v;
	struct envelope_draft d = draft(r, 257);
	assert_false(envelope_build(&r->maker, &d, &r->arena, &p, &e));
	assert_int_equal(e.code, ERR_LIMIT);
	d = draft(r, 256);
	p = built(r, &d);
	sealed(r, &p, true);
	struct msg_portion more[257];
	memcpy(more, p.portions, 256 * sizeof(more[0]));
	more[256] = more[255];
	p.portions = more;
	p.portion_count = 257;
	assert_false(envelope_open(&p, &r->arena, &v, &f, &e));
	assert_int_equal(e.code, ERR_LIMIT);
	assert_string_equal(f.field, "portions");
}

static void
an_id_is_made_of_the_time_and_random_bits(void **state)
{
	struct rig *r = *state;
	struct envelope_draft d = draft(r, 1);
	struct msg_publish p = built(r, &d);
	sealed(r, &p, true);
	struct envelope v = opened(r, &p);
	const uint8_t *id = v.manifest.id.data;
	uint64_t ms = 0;
	for (int i = 0; i < 6; i++)
		ms = ms << 8 | id[i];
	assert_int_equal(ms, 1780272000000);
	assert_int_equal(id[6] >> 4, 7);
	assert_int_equal(id[8] >> 6, 2);
	d.id = bytes_of("0123456789abcdef");
	p = built(r, &d);
	sealed(r, &p, true);
	assert_true(bytes_is(opened(r, &p).manifest.id, "0123456789abcdef"));
}

/* ---- batches ---- */

static void
a_batch_of_64_shares_one_signature_and_each_verifies_alone(void **state)
{
	struct rig *r = *state;
	struct msg_publish reports[SEAL_BATCH_MAX], *all[SEAL_BATCH_MAX];
	struct err e;
	uint64_t places = 0;
	struct bytes signature = { NULL, 0 };
	struct envelope_draft d = draft(r, 1);
	for (size_t i = 0; i < SEAL_BATCH_MAX; i++) {
		reports[i] = built(r, &d);
		all[i] = &reports[i];
	}
	for (size_t n = 1; n <= SEAL_BATCH_MAX; n = n * 4 - 1) {
		struct envelope_batch b = { all, n, false };
		assert_true(envelope_seal(&r->maker, &b, r->key, &r->arena, &e));
		places = 0;
		for (size_t i = 0; i < n; i++) {
			struct envelope v = opened(r, all[i]);
			signature = i == 0 ? v.seal.signature : signature;
			assert_true(bytes_equal(v.seal.signature, signature));
			places |= 1ull << v.seal.place;
			if (!envelope_verify(&r->verifier, &v, &r->who, &e))
				fail_msg("%zu of %zu: %s", i, n, e.text);
		}
		assert_int_equal(__builtin_popcountll(places), n); /* no place twice */
		if (n == 43)
			n = 16; /* 1, 3, 11, 43, then 63 */
	}
	struct envelope_batch full = { all, 64, false }, over = { all, 65, false },
			      two = { all, 2, true };
	assert_true(envelope_seal(&r->maker, &full, r->key, &r->arena, &e));
	assert_false(envelope_seal(&r->maker, &over, r->key, &r->arena, &e));
	assert_string_equal(e.text, "a batch of 65 reports");
	assert_false(envelope_seal(&r->maker, &two, r->key, &r->arena, &e));
}

/* ---- keys ---- */

static EVP_PKEY *
rsa(unsigned bits)
{
	return EVP_RSA_gen(bits);
}

static void
every_accepted_kind_of_key_signs_and_others_do_not(void **state)
{
	struct rig *r = *state;
	struct envelope_draft d = draft(r, 1);
	struct err e;
	EVP_PKEY *good[] = { EVP_EC_gen("P-256"), EVP_EC_gen("P-384"),
		EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), rsa(3072) };
	EVP_PKEY *bad[] = { EVP_EC_gen("P-521"), EVP_EC_gen("secp256k1"), rsa(2048),
		EVP_PKEY_Q_keygen(NULL, NULL, "ED448"), EVP_PKEY_Q_keygen(NULL, NULL, "X25519") };
	for (size_t i = 0; i < 4; i++) {
		struct msg_publish p = built(r, &d), *one = &p;
		struct envelope_batch b = { &one, 1, false };
		assert_true(envelope_seal(&r->maker, &b, good[i], &r->arena, &e));
		struct envelope v = opened(r, &p);
		struct envelope_signer who = r->who;
		who.key = good[i];
		if (!envelope_verify(&r->verifier, &v, &who, &e))
			fail_msg("key %zu: %s", i, e.text);
		/* a fresh verifier: under another key it does not hold */
		struct envelope_verifier fresh = { .hash = &r->hash };
		who.key = good[(i + 1) % 4];
		assert_false(envelope_verify(&fresh, &v, &who, &e));
		assert_int_equal(e.code, ERR_BAD_SIGNATURE);
		EVP_PKEY *wrong = bad[i];
		assert_false(envelope_seal(&r->maker, &b, wrong, &r->arena, &e));
		assert_string_equal(e.text, "a key of this kind does not sign reports");
	}
	assert_false(seal_signature(bad[4], r->digest, bytes_of("x"), &e));
	for (size_t i = 0; i < 4; i++)
		EVP_PKEY_free(good[i]);
	for (size_t i = 0; i < 5; i++)
		EVP_PKEY_free(bad[i]);
}

/* ---- tampering ---- */

static void
refused(struct rig *r, const struct msg_publish *p, const char *story)
{
	struct err e;
	struct envelope_verifier fresh = { .hash = &r->hash };
	struct envelope v = opened(r, p);
	assert_false(envelope_verify(&fresh, &v, &r->who, &e));
	assert_int_equal(e.code, ERR_BAD_SIGNATURE);
	if (strstr(e.text, story) == NULL)
		fail_msg("'%s' is not in '%s'", story, e.text);
}

static void
parts_of_another_report_do_not_pass(void **state)
{
	struct rig *r = *state;
	struct envelope_draft d = draft(r, 2);
	struct msg_publish a = built(r, &d), b = built(r, &d), p;
	struct msg_portion mixed[2];
	sealed(r, &a, false);
	sealed(r, &b, false);
	p = a;
	p.routing = b.routing;
	refused(r, &p, "routing: does not match the commitment");
	p = a;
	p.seal = b.seal;
	refused(r, &p, "seal: the signature does not hold");
	p = a;
	memcpy(mixed, a.portions, sizeof(mixed));
	p.portions = mixed;
	mixed[0].body = a.portions[1].body;
	refused(r, &p, "portions[0]: the body does not match its digest");
	mixed[0] = b.portions[0];
	p.portion_count = 1;
	refused(r, &p, "portions[0]: its head is not among the commitments");
	uint8_t *shorter = arena_zalloc(&r->arena, 1, a.portions[0].body.len);
	memcpy(shorter, a.portions[0].body.data, a.portions[0].body.len);
	mixed[0] = a.portions[0];
	/* content one byte shorter, its length byte mended: still canonical */
	shorter[a.portions[0].body.len - 1 - strlen("portion 0")]--;
	mixed[0].body = bytes_from(shorter, a.portions[0].body.len - 1);
	refused(r, &p, "portions[0]: a body of");
}

static void
the_signer_must_be_who_the_manifest_says(void **state)
{
	struct rig *r = *state;
	struct envelope_draft d = draft(r, 1);
	struct msg_publish p = built(r, &d);
	struct envelope_signer who = r->who;
	struct err e;
	uint8_t other[32] = { 1 };
	sealed(r, &p, true);
	struct envelope v = opened(r, &p);
	who.originator = bytes_of("spiffe://gbr.example/other");
	assert_false(envelope_verify(&r->verifier, &v, &who, &e));
	assert_string_equal(e.text, "manifest.originator: not the agent that signed");
	who = r->who;
	who.digest = bytes_from(other, 32);
	assert_false(envelope_verify(&r->verifier, &v, &who, &e));
	assert_string_equal(e.text, "manifest.signer: not the certificate of the signer");
}

static void
no_bit_of_a_seal_may_change(void **state)
{
	struct rig *r = *state;
	struct envelope_draft d = draft(r, 1);
	struct msg_publish p = built(r, &d);
	struct err e;
	sealed(r, &p, false);
	struct bytes seal = p.seal;
	for (size_t i = 0; i < seal.len; i += 7) {
		SCOPED(arena_done) struct arena a;
		struct envelope v;
		struct envelope_verifier fresh = { .hash = &r->hash };
		uint8_t *copy = arena_alloc(&r->arena, seal.len);
		memcpy(copy, seal.data, seal.len);
		copy[i] ^= 1;
		p.seal = bytes_from(copy, seal.len);
		arena_init(&a, ROOM);
		assert_false(envelope_open(&p, &a, &v, NULL, &e) &&
			     envelope_verify(&fresh, &v, &r->who, &e));
	}
}

static void
a_cached_verdict_is_for_this_root_signature_and_signer_alone(void **state)
{
	struct rig *r = *state;
	struct envelope_draft d = draft(r, 1);
	struct msg_publish a = built(r, &d), b = built(r, &d);
	struct err e;
	sealed(r, &a, false);
	sealed(r, &b, false);
	struct envelope va = opened(r, &a), vb = opened(r, &b);
	assert_true(envelope_verify(&r->verifier, &va, &r->who, &e));
	struct envelope_signer nobody = r->who;
	nobody.key = NULL; /* not needed again: the verdict is cached */
	assert_true(envelope_verify(&r->verifier, &va, &nobody, &e));
	vb.seal.signature = va.seal.signature;
	assert_false(envelope_verify(&r->verifier, &vb, &r->who, &e));
}

/* ---- deliveries ---- */

static void
a_redacted_report_verifies_and_its_time_is_bounded(void **state)
{
	struct rig *r = *state;
	struct envelope_draft d = draft(r, 5);
	struct msg_publish p = built(r, &d);
	struct err e;
	sealed(r, &p, false);
	const struct msg_portion some[] = { p.portions[1], p.portions[3] };
	struct msg_deliver m = {
		.manifest = p.manifest, .seal = p.seal, .portions = some, .portion_count = 2
	};
	struct envelope v;
	assert_true(envelope_open_delivery(&m, &r->arena, &v, NULL, &e));
	assert_false(v.has_routing);
	const uint64_t five = 5 * 60 * 1000, created = 1780272000000;
	struct envelope_times t = { created * 1000, created };
	assert_true(envelope_verify_delivery(&r->verifier, &v, &r->who, &t, &e));
	t = (struct envelope_times){ (created - five) * 1000, created };
	assert_true(envelope_verify_delivery(&r->verifier, &v, &r->who, &t, &e));
	t.accepted_us = (created - five - 1) * 1000;
	assert_false(envelope_verify_delivery(&r->verifier, &v, &r->who, &t, &e));
	assert_int_equal(e.code, ERR_UNVERIFIED);
	assert_string_equal(e.text, "accepted more than 5 minutes before it was created");
	t = (struct envelope_times){ (created + five) * 1000, created };
	assert_true(envelope_verify_delivery(&r->verifier, &v, &r->who, &t, &e));
	t.accepted_us = (created + five + 1) * 1000;
	assert_false(envelope_verify_delivery(&r->verifier, &v, &r->who, &t, &e));
	assert_string_equal(e.text, "accepted more than 5 minutes in the future");
	const struct msg_portion swapped[] = { p.portions[3], p.portions[1] };
	m.portions = swapped;
	assert_false(envelope_open_delivery(&m, &r->arena, &v, NULL, &e));
	assert_int_equal(e.code, ERR_MALFORMED);
	m.portion_count = 0;
	assert_false(envelope_open_delivery(&m, &r->arena, &v, NULL, &e));
}

/* ---- notices ---- */

static void
a_recall_carries_nothing_and_nothing_else_may(void **state)
{
	struct rig *r = *state;
	struct err e;
	struct fault f;
	struct envelope v;
	struct msg_publish p;
	struct envelope_draft d = draft(r, 1), recall = { 0 };
	d.has_notice = true;
	d.notice = (struct envelope_notice){ { NULL, 0 }, ENVELOPE_SUPERSEDE,
		bytes_of("0123456789abcdef"), bytes_of("corrected") };
	p = built(r, &d);
	sealed(r, &p, true);
	v = opened(r, &p);
	assert_true(v.has_notice && v.notice.act == ENVELOPE_SUPERSEDE);
	assert_true(envelope_verify(&r->verifier, &v, &r->who, &e));
	struct msg_publish none = p;
	none.portion_count = 0;
	assert_false(envelope_open(&none, &r->arena, &v, &f, &e));
	assert_string_equal(f.field, "portions");
	recall = d;
	recall.notice.act = ENVELOPE_RECALL;
	assert_false(envelope_build(&r->maker, &recall, &r->arena, &p, &e));
	recall.portion_count = 0;
	p = built(r, &recall); /* agreements are still in its routing */
	sealed(r, &p, true);
	assert_false(envelope_open(&p, &r->arena, &v, &f, &e));
	assert_string_equal(f.field, "notice.act");
	recall.routing = (struct envelope_routing){ 0 };
	p = built(r, &recall);
	sealed(r, &p, true);
	v = opened(r, &p);
	assert_int_equal(v.portion_count, 0);
}

/* Between two fields a part may end and be whole: then its commitment says no. */
static void
a_part_that_ends_early_does_not_pass(void **state)
{
	struct rig *r = *state;
	struct envelope_draft d = draft(r, 1);
	struct msg_publish whole = built(r, &d);
	sealed(r, &whole, false);
	struct bytes *parts[] = { &whole.manifest, &whole.routing, &whole.seal };
	for (size_t k = 0; k < 3; k++) {
		struct bytes part = *parts[k];
		for (size_t n = 0; n < part.len; n++) {
			SCOPED(arena_done) struct arena a;
			struct envelope v;
			struct err e;
			arena_init(&a, ROOM);
			*parts[k] = bytes_from(part.data, n);
			assert_false(envelope_open(&whole, &a, &v, NULL, &e) &&
				     envelope_verify(&r->verifier, &v, &r->who, &e));
			assert_true(e.code == ERR_MALFORMED || e.code == ERR_BAD_SIGNATURE);
		}
		*parts[k] = part;
	}
	struct msg_portion one = whole.portions[0];
	whole.portions = &one;
	for (size_t n = 0; n < whole.portions[0].body.len; n++) {
		struct envelope v;
		struct err e;
		struct bytes body = one.body;
		one.body = bytes_from(body.data, n);
		assert_false(envelope_open(&whole, &r->arena, &v, NULL, &e) &&
			     envelope_verify(&r->verifier, &v, &r->who, &e));
		one.body = body;
	}
}

static void
the_place_of_a_fault_is_named(void **state)
{
	struct rig *r = *state;
	struct envelope_draft d = draft(r, 2);
	struct envelope_draft_portion portions[2] = { d.portions[0], d.portions[1] };
	struct raw_label bad = label;
	struct msg_publish p;
	struct err e;
	d.portions = portions;
	portions[1].labels = &bad;
	bad.vocabulary = bytes_from("a\0b", 3);
	assert_false(envelope_build(&r->maker, &d, &r->arena, &p, &e));
	assert_int_equal(e.code, ERR_MALFORMED);
	assert_string_equal(
	    e.text, "portions[1]: head: labels: entry 0: vocabulary: not UTF-8 without NUL");
	d = draft(r, 1);
	d.topic = bytes_of("maritime.*");
	assert_false(envelope_build(&r->maker, &d, &r->arena, &p, &e));
	assert_non_null(strstr(e.text, "manifest: topic: token 2 of the topic"));
}

/* Randomness that ends after so many calls. */
struct dry {
	uint64_t seed;
	unsigned left;
};

static bool
fill_while_it_lasts(void *ctx, void *to, size_t n)
{
	struct dry *d = ctx;
	return d->left-- != 0 && fill(&d->seed, to, n);
}

static void
randomness_that_fails_anywhere_fails_the_building(void **state)
{
	struct rig *r = *state;
	struct envelope_draft d = draft(r, 1);
	unsigned budget = 0;
	bool done = false;
	for (; !done; budget++) {
		struct dry dry = { 1, budget };
		struct envelope_maker m = { &r->hash, fill_while_it_lasts, &dry };
		struct msg_publish p, *one = &p;
		struct envelope_batch b = { &one, 1, false };
		struct err e;
		done = envelope_build(&m, &d, &r->arena, &p, &e) &&
		       envelope_seal(&m, &b, r->key, &r->arena, &e);
		assert_true(done || e.code == ERR_CRYPTO);
		assert_true(budget < 100);
	}
	assert_true(budget > 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define CLAIM(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CLAIM(what_is_built_opens_and_verifies_in_every_size),
		CLAIM(a_report_has_256_portions_and_not_one_more),
		CLAIM(an_id_is_made_of_the_time_and_random_bits),
		CLAIM(a_batch_of_64_shares_one_signature_and_each_verifies_alone),
		CLAIM(every_accepted_kind_of_key_signs_and_others_do_not),
		CLAIM(parts_of_another_report_do_not_pass),
		CLAIM(the_signer_must_be_who_the_manifest_says),
		CLAIM(no_bit_of_a_seal_may_change),
		CLAIM(a_cached_verdict_is_for_this_root_signature_and_signer_alone),
		CLAIM(a_redacted_report_verifies_and_its_time_is_bounded),
		CLAIM(a_recall_carries_nothing_and_nothing_else_may),
		CLAIM(a_part_that_ends_early_does_not_pass),
		CLAIM(the_place_of_a_fault_is_named),
		CLAIM(randomness_that_fails_anywhere_fails_the_building),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

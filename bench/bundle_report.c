#include "bench/bundle_report.h"

#include "audit/bundle.h"
#include "client/cli/mint.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

enum { DAY_S = 86400, YEARS_S = 10 * 365 * DAY_S };

static void
must(bool ok, const char *what, const struct err *e)
{
	if (!ok)
		mix_die(what, e);
}

static void
digest(struct reports *r, struct bytes of, uint8_t out[32])
{
	struct err e = { 0 };
	must(sha256_of(r->h, of, out, &e), "digest", &e);
}

/* ---- who signs ---- */

static EVP_PKEY *
key_of(uint8_t seed)
{
	uint8_t bytes[32] = { seed };
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, bytes, sizeof(bytes));
	must(key != NULL, "key", NULL);
	return key;
}

/* A certificate whose serial number is not random: signed again. */
static X509 *
issue(const struct mint_spec *spec, EVP_PKEY *key, const struct mint_authority *by)
{
	struct err e = { 0 };
	X509 *x;
	must(mint_cert(spec, key, by, &x, &e), "certificate", &e);
	must(ASN1_INTEGER_set(X509_get_serialNumber(x), by == NULL ? 1 : 2) == 1 &&
		 X509_sign(x, by == NULL ? key : by->key, NULL) > 0,
	    "certificate", NULL);
	return x;
}

static struct bytes
der_of(struct reports *r, X509 *x)
{
	int len = i2d_X509(x, NULL);
	uint8_t *out = len <= 0 ? NULL : arena_alloc(&r->keep, (size_t)len), *to = out;
	must(out != NULL && i2d_X509(x, &to) == len, "certificate", NULL);
	return bytes_from(out, (size_t)len);
}

static void
make_signer(struct reports *r, int64_t start_s)
{
	static const char *const uri[] = { MIX_AGENT };
	struct mint_spec ca = { .name = "authority",
		.usage = MINT_AUTHORITY,
		.from_s = start_s - DAY_S,
		.until_s = start_s + YEARS_S };
	struct mint_spec leaf = { .name = "agent",
		.uris = uri,
		.uri_count = 1,
		.usage = MINT_CLIENT | MINT_SIGNER,
		.from_s = start_s - DAY_S,
		.until_s = start_s + YEARS_S };
	EVP_PKEY *ca_key = key_of(1);
	r->key = key_of(2);
	X509 *anchor = issue(&ca, ca_key, NULL);
	X509 *agent = issue(&leaf, r->key, &(struct mint_authority){ anchor, ca_key });
	r->anchor = der_of(r, anchor);
	r->leaf = der_of(r, agent);
	digest(r, r->anchor, r->anchor_digest);
	digest(r, r->leaf, r->leaf_digest);
	X509_free(anchor);
	X509_free(agent);
	EVP_PKEY_free(ca_key);
}

/* ---- the policy: of the canonical export what a verifier reads ---- */

static void
make_policy(struct reports *r)
{
	char hex[BUNDLE_HEX_LEN + 1], *members = arena_printf(&r->keep, "%s", "");
	for (unsigned i = 0; i <= r->mix->recipients && members != NULL; i++)
		members = arena_printf(&r->keep, "%s    member %s {\n        may [ %s ]\n    }\n",
		    members, mix_party(i), i == 0 ? "originate receive" : "receive");
	bundle_hex(r->anchor_digest, hex);
	char *terms = arena_printf(&r->keep, "agreement " MIX_AGREEMENT " {\n%s    version 3\n}\n",
	    members == NULL ? "" : members);
	char *policy = terms == NULL ? NULL
				     : arena_printf(&r->keep,
					   "%sparty %s {\n    anchor %s\n    trust-domain "
					   "gbr.example\n}\n",
					   terms, mix_party(0), hex);
	must(members != NULL && policy != NULL, "policy", NULL);
	r->terms = bytes_of(terms);
	r->policy = bytes_of(policy);
	digest(r, r->terms, r->terms_digest);
	digest(r, r->policy, r->policy_digest);
}

/* ---- reports ---- */

static const struct raw_label labels[MIX_PORTIONS] = {
	{ .vocabulary = { (const uint8_t *)"ATLAS", 5 },
	    .classification = { (const uint8_t *)"RESTRICTED", 10 } },
	{ .vocabulary = { (const uint8_t *)"ATLAS", 5 },
	    .classification = { (const uint8_t *)"SECRET", 6 } },
};

static bool
fill(void *ctx, void *to, size_t n)
{
	mix_fill(ctx, to, n);
	return true;
}

static void
build(struct reports *r, size_t at)
{
	struct err e = { 0 };
	struct envelope_maker by = { r->h, fill, r->mix };
	const struct envelope_agreement agreement = { bytes_of(MIX_AGREEMENT),
		bytes_from(r->terms_digest, 32) };
	struct envelope_draft_portion portions[MIX_PORTIONS];
	for (size_t i = 0; i < MIX_PORTIONS; i++)
		portions[i] = (struct envelope_draft_portion){ &labels[i], 1,
			bytes_of("text/plain"), bytes_of("Sighting"),
			bytes_of("Fishing vessel without lights, heading north.") };
	uint8_t *id = r->ids[at];
	r->count++;
	mix_fill(r->mix, id, 16);
	put_u64(id, (r->now_us / 1000 << 16) | 0x7000u | (r->count & 0xfff)); /* version 7 */
	id[8] = (uint8_t)(0x80 | (id[8] & 0x3f));
	struct envelope_draft d = { .id = bytes_from(id, 16),
		.hub = bytes_of("spiffe://hub.example/relto"),
		.originator = bytes_of(MIX_AGENT),
		.signer = bytes_from(r->leaf_digest, 32),
		.topic = bytes_of("maritime.piracy"),
		.precedence = PRECEDENCE_ROUTINE,
		.mode = MODE_LIVE,
		.created = r->now_us / 1000,
		.routing = { .agreements = &agreement, .agreement_count = 1 },
		.portions = portions,
		.portion_count = MIX_PORTIONS };
	must(envelope_build(&by, &d, &r->batch, &r->publish[at], &e), "report", &e);
}

static void
next_batch(struct reports *r)
{
	struct err e = { 0 };
	struct envelope_maker by = { r->h, fill, r->mix };
	struct msg_publish *list[SEAL_BATCH_MAX];
	arena_done(&r->batch);
	arena_init(&r->batch, (size_t)8 << 20);
	r->made = r->alone ? 1 : SEAL_BATCH_MAX;
	r->used = 0;
	for (size_t i = 0; i < r->made; i++) {
		build(r, i);
		list[i] = &r->publish[i];
	}
	const struct envelope_batch batch = { list, r->made, r->alone };
	must(envelope_seal(&by, &batch, r->key, &r->batch, &e), "seal", &e);
	r->signatures++;
}

static void
make_facts(struct reports *r)
{
	struct err e = { 0 };
	uint8_t salt[16];
	struct fact_agreement agreement = { .name = bytes_of(MIX_AGREEMENT), .has_terms = true };
	struct fact_portion portions[MIX_PORTIONS];
	for (size_t i = 0; i < MIX_PORTIONS; i++)
		portions[i] = (struct fact_portion){ &labels[i], 1, bytes_of("text/plain") };
	memcpy(agreement.terms, r->terms_digest, 32);
	mix_fill(r->mix, salt, sizeof(salt));
	struct facts f = { .originator = bytes_of(mix_party(0)),
		.topic = bytes_of("maritime.piracy"),
		.precedence = PRECEDENCE_ROUTINE,
		.mode = MODE_LIVE,
		.time = r->now_us,
		.accepted = r->now_us,
		.signer = SIGNER_GOOD,
		.agreements = &agreement,
		.agreement_count = 1,
		.portions = portions,
		.portion_count = MIX_PORTIONS };
	must(facts_encode(&f, salt, &r->batch, &r->now.facts, &e), "facts", &e);
}

/* The digest of the first n portions, as decisions that release them say. */
static void
released(
    struct reports *r, const uint8_t id[16], const uint8_t manifest[32], size_t n, uint8_t out[32])
{
	struct err e = { 0 };
	uint8_t chosen[MIX_PORTIONS][32];
	for (size_t i = 0; i < n; i++) {
		const struct envelope_part head = { ENVELOPE_HEAD, bytes_from(id, 16),
			r->now.publish->portions[i].head };
		must(envelope_commit(r->h, &head, chosen[i], &e), "head", &e);
	}
	must(record_released(r->h, &(struct record_release){ manifest, chosen, n }, out, &e),
	    "released", &e);
}

void
reports_make(void *ctx, struct mix_report *out)
{
	struct err e = { 0 };
	struct reports *r = ctx;
	if (r->used == r->made)
		next_batch(r);
	const struct msg_publish *p = r->now.publish = &r->publish[r->used];
	memcpy(out->id, r->ids[r->used++], 16);
	make_facts(r);
	must(envelope_leaf(r->h, p->manifest, out->manifest, &e), "manifest", &e);
	digest(r, p->manifest, r->now.manifest_digest);
	digest(r, p->routing, r->now.routing_digest);
	digest(r, p->seal, out->seal);
	digest(r, r->now.facts, out->facts);
	for (size_t i = 0; i < MIX_PORTIONS; i++) {
		digest(r, p->portions[i].head, r->now.heads[i]);
		released(r, out->id, out->manifest, i + 1, out->released[i]);
	}
	memcpy(out->policy, r->policy_digest, 32);
	memcpy(out->chain, r->leaf_digest, 32);
	memcpy(out->anchor, r->anchor_digest, 32);
}

void
reports_begin(struct reports *r, struct mix *mix, struct sha256 *h, int64_t start_s)
{
	r->h = h;
	r->mix = mix;
	arena_init(&r->keep, 1u << 20);
	arena_init(&r->batch, 0);
	make_signer(r, start_s);
	make_policy(r);
}

void
reports_end(struct reports *r)
{
	EVP_PKEY_free(r->key);
	arena_done(&r->batch);
	arena_done(&r->keep);
}

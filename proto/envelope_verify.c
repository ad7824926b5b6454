/* envelope_verify.c - commitments, the batch root, signatures (design section 6). */
#include "proto/envelope.h"
#include "proto/limits.h"
#include "proto/sha256.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>

enum {
	TAG_LEAF = 0x00,
	TAG_NODE = 0x01,
	TAG_BODY = 0x13,
	PAD = 64, /* spaces, so that the message is no TLS or other protocol's to sign */
	RSA_BITS_MIN = 3072,
	SKEW_MS = 5 * 60 * 1000,
};
static const char context[] = "relto/1 batch"; /* its NUL is part of the signed message */
enum { SIGNED_LEN = PAD + sizeof(context) + SHA256_LEN };

bool
envelope_leaf(struct sha256 *h, struct bytes manifest, uint8_t out[32], struct err *e)
{
	return sha256_tagged(h, TAG_LEAF, manifest, out, e);
}

bool
envelope_root(struct sha256 *h, const uint8_t leaf[32], const struct envelope_seal *s,
    uint8_t out[32], struct err *e)
{
	uint8_t root[SHA256_LEN];
	memcpy(root, leaf, sizeof(root));
	for (size_t l = 0; l < s->path.count; l++) {
		bool right = (s->place >> l & 1) != 0;
		struct bytes self = bytes_from(root, sizeof(root));
		sha256_begin(h);
		sha256_add(h, bytes_from(&(uint8_t){ TAG_NODE }, 1));
		sha256_add(h, right ? s->path.items[l] : self);
		sha256_add(h, right ? self : s->path.items[l]);
		if (!sha256_end(h, root, e))
			return false;
	}
	memcpy(out, root, sizeof(root));
	return true;
}

bool
envelope_commit(struct sha256 *h, const struct envelope_part *p, uint8_t out[32], struct err *e)
{
	uint8_t kind = (uint8_t)p->kind;
	sha256_begin(h);
	sha256_add(h, bytes_from(&kind, 1));
	sha256_add(h, p->id);
	sha256_add(h, p->bytes);
	return sha256_end(h, out, e);
}

bool
envelope_body_digest(struct sha256 *h, struct bytes body, uint8_t out[32], struct err *e)
{
	return sha256_tagged(h, TAG_BODY, body, out, e);
}

bool
envelope_chain_digest(struct sha256 *h, const struct names *chain, uint8_t out[32], struct err *e)
{
	sha256_begin(h);
	for (size_t i = 0; i < chain->count; i++)
		sha256_add(h, chain->items[i]);
	return sha256_end(h, out, e);
}

size_t
envelope_signed_message(const uint8_t root[32], uint8_t out[ENVELOPE_SIGNED_MAX])
{
	_Static_assert((int)SIGNED_LEN <= (int)ENVELOPE_SIGNED_MAX, "room");
	memset(out, ' ', PAD);
	memcpy(out + PAD, context, sizeof(context));
	memcpy(out + PAD + sizeof(context), root, SHA256_LEN);
	return SIGNED_LEN;
}

/* The digest of an EC key's curve; NULL if the curve is not accepted. */
static const char *
digest_for_curve(const EVP_PKEY *key)
{
	char group[64];
	size_t len = 0;
	if (EVP_PKEY_get_group_name(key, group, sizeof(group), &len) != 1)
		return NULL;
	int nid = OBJ_sn2nid(group);
	return nid == NID_X9_62_prime256v1 ? "SHA256" : nid == NID_secp384r1 ? "SHA384" : NULL;
}

bool
envelope_key_scheme(const EVP_PKEY *key, struct envelope_scheme *out, struct err *e)
{
	struct envelope_scheme s = { NULL, false };
	bool ok = false;
	if (EVP_PKEY_is_a(key, "ED25519")) {
		ok = true;
	} else if (EVP_PKEY_is_a(key, "EC")) {
		s.digest = digest_for_curve(key);
		ok = s.digest != NULL;
	} else if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS")) {
		s = (struct envelope_scheme){ "SHA256", true };
		ok = EVP_PKEY_get_bits(key) >= RSA_BITS_MIN;
	}
	if (!ok)
		return err_set(e, ERR_BAD_SIGNATURE, "a key of this kind does not sign reports");
	*out = s;
	return true;
}

bool
envelope_set_padding(EVP_PKEY_CTX *ctx, const struct envelope_scheme *s)
{
	return !s->pss || (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
			      EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, "SHA256", NULL) == 1 &&
			      EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
}

bool
envelope_signature(EVP_PKEY *key, const uint8_t root[32], struct bytes signature, struct err *e)
{
	struct envelope_scheme s = { NULL, false };
	uint8_t message[ENVELOPE_SIGNED_MAX];
	size_t len = envelope_signed_message(root, message);
	if (!envelope_key_scheme(key, &s, e))
		return false;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *inner = NULL; /* belongs to ctx */
	bool ready = ctx != NULL &&
		     EVP_DigestVerifyInit_ex(ctx, &inner, s.digest, NULL, NULL, key, NULL) == 1 &&
		     envelope_set_padding(inner, &s);
	/* anything but 1 is "no": a malformed signature gives a negative number */
	bool good =
	    ready && EVP_DigestVerify(ctx, signature.data, signature.len, message, len) == 1;
	EVP_MD_CTX_free(ctx);
	if (!ready)
		return err_set(e, ERR_CRYPTO, "verifying cannot begin");
	return good || err_set(e, ERR_BAD_SIGNATURE, "the signature does not hold");
}

/* ---- a whole report ---- */

static bool
check_commitment(
    struct sha256 *h, const struct envelope_part *p, struct bytes expected, struct err *e)
{
	uint8_t got[SHA256_LEN];
	if (!envelope_commit(h, p, got, e))
		return false;
	return bytes_equal(bytes_from(got, sizeof(got)), expected) ||
	       err_set(e, ERR_BAD_SIGNATURE, "does not match the commitment");
}

static bool
is_committed(const struct names *commitments, const uint8_t wanted[32])
{
	size_t low = 0, high = commitments->count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = memcmp(wanted, commitments->items[mid].data, SHA256_LEN);
		if (c == 0)
			return true;
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return false;
}

static bool
check_portion(
    struct sha256 *h, const struct envelope *v, const struct envelope_portion *p, struct err *e)
{
	uint8_t got[SHA256_LEN];
	struct envelope_part head = { ENVELOPE_HEAD, v->manifest.id, p->head_bytes };
	if (!envelope_commit(h, &head, got, e))
		return false;
	if (!is_committed(&v->manifest.commitments, got))
		return err_set(e, ERR_BAD_SIGNATURE, "its head is not among the commitments");
	if (p->body_length != p->body_bytes.len)
		return err_set(e, ERR_BAD_SIGNATURE, "a body of %zu bytes, the head says %llu",
		    p->body_bytes.len, (unsigned long long)p->body_length);
	if (!envelope_body_digest(h, p->body_bytes, got, e))
		return false;
	return bytes_equal(bytes_from(got, sizeof(got)), p->body_digest) ||
	       err_set(e, ERR_BAD_SIGNATURE, "the body does not match its digest");
}

static bool
check_parts(struct sha256 *h, const struct envelope *v, struct err *e)
{
	struct envelope_part routing = { ENVELOPE_ROUTING, v->manifest.id, v->routing_bytes };
	struct envelope_part notice = { ENVELOPE_NOTICE, v->manifest.id, v->notice_bytes };
	if (v->has_routing && !check_commitment(h, &routing, v->manifest.routing, e))
		return err_wrap(e, "routing");
	if (v->has_notice && !check_commitment(h, &notice, v->manifest.notice, e))
		return err_wrap(e, "notice");
	for (size_t i = 0; i < v->portion_count; i++)
		if (!check_portion(h, v, &v->portions[i], e))
			return err_wrap(e, "portions[%zu]", i);
	return true;
}

/* What a cached verdict is filed under. */
static bool
cache_key(struct sha256 *h, const struct envelope *v, const uint8_t root[32], uint8_t out[32],
    struct err *e)
{
	sha256_begin(h);
	sha256_add(h, bytes_from(root, SHA256_LEN));
	sha256_add(h, v->manifest.signer);
	sha256_add(h, v->seal.signature);
	return sha256_end(h, out, e);
}

static bool
check_signature(
    struct envelope_verifier *by, const struct envelope *v, EVP_PKEY *key, struct err *e)
{
	enum { SLOTS = sizeof(by->good) / sizeof(by->good[0]) };
	uint8_t root[SHA256_LEN], filed[SHA256_LEN];
	if (!envelope_leaf(by->hash, v->manifest_bytes, root, e) ||
	    !envelope_root(by->hash, root, &v->seal, root, e) ||
	    !cache_key(by->hash, v, root, filed, e))
		return false;
	for (unsigned i = 0; i < SLOTS; i++)
		if (memcmp(by->good[i], filed, sizeof(filed)) == 0)
			return true;
	if (!envelope_signature(key, root, v->seal.signature, e))
		return false;
	memcpy(by->good[by->next], filed, sizeof(filed));
	by->next = (by->next + 1) % SLOTS;
	return true;
}

bool
envelope_verify(struct envelope_verifier *by, const struct envelope *v,
    const struct envelope_signer *who, struct err *e)
{
	if (!bytes_equal(v->manifest.originator, who->originator))
		return err_set(
		    e, ERR_BAD_SIGNATURE, "manifest.originator: not the agent that signed");
	if (!bytes_equal(v->manifest.signer, who->digest))
		return err_set(
		    e, ERR_BAD_SIGNATURE, "manifest.signer: not the certificate of the signer");
	if (!check_parts(by->hash, v, e))
		return false;
	return check_signature(by, v, who->key, e) || err_wrap(e, "seal");
}

bool
envelope_verify_delivery(struct envelope_verifier *by, const struct envelope *v,
    const struct envelope_signer *who, const struct envelope_times *t, struct err *e)
{
	uint64_t accepted_ms = t->accepted_us / 1000;
	if (accepted_ms + SKEW_MS < v->manifest.created)
		return err_set(
		    e, ERR_UNVERIFIED, "accepted more than 5 minutes before it was created");
	if (accepted_ms > t->now_ms + SKEW_MS)
		return err_set(e, ERR_UNVERIFIED, "accepted more than 5 minutes in the future");
	return envelope_verify(by, v, who, e);
}

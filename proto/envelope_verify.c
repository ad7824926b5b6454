/* envelope_verify.c - commitments, and whether a whole report holds (design section 6). */
#include "proto/envelope.h"
#include "proto/limits.h"
#include "proto/sha256.h"

enum {
	TAG_LEAF = 0x00,
	TAG_BODY = 0x13,
	SKEW_MS = 5 * 60 * 1000,
};

bool
envelope_leaf(struct sha256 *h, struct bytes manifest, uint8_t out[32], struct err *e)
{
	return sha256_tagged(h, TAG_LEAF, manifest, out, e);
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
	    !seal_root(by->hash, root, &v->seal, root, e) ||
	    !cache_key(by->hash, v, root, filed, e))
		return false;
	for (unsigned i = 0; i < SLOTS; i++)
		if (memcmp(by->good[i], filed, sizeof(filed)) == 0)
			return true;
	if (!seal_signature(key, root, v->seal.signature, e))
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

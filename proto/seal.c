#include "proto/seal.h"

#include "proto/arena.h"
#include "proto/limits.h"
#include "proto/sha256.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>

enum {
	TAG_NODE = 0x01,
	PAD = 64, /* spaces, so that the message is no TLS or other protocol's to sign */
	RSA_BITS_MIN = 3072,
};
static const char context[] = "relto/1 batch"; /* its NUL is part of the signed message */
enum { SIGNED_LEN = PAD + sizeof(context) + SHA256_LEN };

bool
seal_check(const struct seal *s, struct err *e)
{
	if (s->path.count != 0 && s->path.count != SEAL_PATH)
		return err_set(e, ERR_MALFORMED, "path: %zu hashes, not none or 6", s->path.count);
	if (s->place >= SEAL_BATCH_MAX || (s->path.count == 0 && s->place != 0))
		return err_set(
		    e, ERR_MALFORMED, "place %u with a path of %zu", s->place, s->path.count);
	return true;
}

bool
seal_root(
    struct sha256 *h, const uint8_t leaf[32], const struct seal *s, uint8_t out[32], struct err *e)
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

size_t
seal_message(const uint8_t root[32], uint8_t out[SEAL_MESSAGE_MAX])
{
	_Static_assert((int)SIGNED_LEN <= (int)SEAL_MESSAGE_MAX, "room");
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

/* How a key signs: the digest's name (NULL: none, Ed25519), and whether with RSA-PSS. */
struct scheme {
	const char *digest;
	bool pss;
};

static bool
key_scheme(const EVP_PKEY *key, struct scheme *out, struct err *e)
{
	struct scheme s = { NULL, false };
	bool ok = false;
	if (EVP_PKEY_is_a(key, "ED25519")) {
		ok = true;
	} else if (EVP_PKEY_is_a(key, "EC")) {
		s.digest = digest_for_curve(key);
		ok = s.digest != NULL;
	} else if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS")) {
		s = (struct scheme){ "SHA256", true };
		ok = EVP_PKEY_get_bits(key) >= RSA_BITS_MIN;
	}
	if (!ok)
		return err_set(e, ERR_BAD_SIGNATURE, "a key of this kind does not sign reports");
	*out = s;
	return true;
}

/* Sets PSS padding where the scheme has it; true if that worked or is not needed. */
static bool
set_padding(EVP_PKEY_CTX *ctx, const struct scheme *s)
{
	return !s->pss || (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
			      EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, "SHA256", NULL) == 1 &&
			      EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
}

bool
seal_holds(EVP_PKEY *key, struct bytes message, struct bytes signature, struct err *e)
{
	struct scheme s = { NULL, false };
	if (!key_scheme(key, &s, e))
		return false;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *inner = NULL; /* belongs to ctx */
	bool ready = ctx != NULL &&
		     EVP_DigestVerifyInit_ex(ctx, &inner, s.digest, NULL, NULL, key, NULL) == 1 &&
		     set_padding(inner, &s);
	/* anything but 1 is "no": a malformed signature gives a negative number */
	bool good = ready && EVP_DigestVerify(ctx, signature.data, signature.len, message.data,
				 message.len) == 1;
	EVP_MD_CTX_free(ctx);
	if (!ready)
		return err_set(e, ERR_CRYPTO, "verifying cannot begin");
	return good || err_set(e, ERR_BAD_SIGNATURE, "the signature does not hold");
}

bool
seal_signature(EVP_PKEY *key, const uint8_t root[32], struct bytes signature, struct err *e)
{
	uint8_t message[SEAL_MESSAGE_MAX];
	return seal_holds(key, bytes_from(message, seal_message(root, message)), signature, e);
}

bool
seal_sign(EVP_PKEY *key, struct bytes message, struct arena *a, struct bytes *out, struct err *e)
{
	struct scheme s = { NULL, false };
	size_t n = LIMIT_SIGNATURE_BYTES;
	if (!key_scheme(key, &s, e))
		return false;
	uint8_t *signature = arena_alloc(a, n);
	if (signature == NULL)
		return err_set(e, ERR_NOMEM, "signature");
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *inner = NULL; /* belongs to ctx */
	bool ok = ctx != NULL &&
		  EVP_DigestSignInit_ex(ctx, &inner, s.digest, NULL, NULL, key, NULL) == 1 &&
		  set_padding(inner, &s) &&
		  EVP_DigestSign(ctx, signature, &n, message.data, message.len) == 1;
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return err_set(e, ERR_CRYPTO, "the key does not sign");
	*out = bytes_from(signature, n);
	return true;
}

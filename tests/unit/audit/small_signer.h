/*
 * small_signer.h - who signs the reports of a small log: two parties' authorities, an agent of
 * GBR, the seals.  A test points 'by' elsewhere before the report is made.
 */
#pragma once
#include "client/cli/mint.h"
#include "proto/seal.h"
#include "proto/sha256.h"

enum {
	SMALL_START_S = 1700006400, /* 2023-11-15 */
	SMALL_DAY_S = 86400,
	SMALL_DER = 2048
};
#define SMALL_AGENT "spiffe://gbr.example/fusion-desk"

struct small_id {
	X509 *cert;
	EVP_PKEY *key;
	struct bytes der; /* in 'bytes' */
	uint8_t bytes[SMALL_DER];
};
struct small_signer {
	struct small_id gbr, nor, leaf; /* GBR's and NOR's authority; SMALL_AGENT */
	struct {
		const char *party, *agent;     /* of slot 3; the manifest's originator */
		const struct small_id *named;  /* the manifest's signer */
		const struct small_id *chain;  /* what slot 7 names.. */
		const struct small_id *anchor; /* ..and ends in */
		const struct small_id *policy; /* GBR's anchor in the policy */
		EVP_PKEY *key;		       /* that signs */
		const uint8_t *over;	       /* this manifest's leaf hash; NULL: the right one */
		struct bytes signature, seal;  /* instead of good ones, if not absent */
		uint8_t path[SEAL_PATH][32];
		size_t path_count;
		uint32_t place;
		bool spoil; /* the path, once it is signed */
	} by;
};

/* 'issuer' NULL: an authority. */
static inline void
small_issue(struct small_id *out, const struct small_id *issuer, const char *uri, unsigned usage,
    int64_t days)
{
	struct err e;
	const struct mint_authority by = { issuer == NULL ? NULL : issuer->cert,
		issuer == NULL ? NULL : issuer->key };
	const struct mint_spec spec = { .name = uri == NULL ? "authority" : "agent",
		.uris = &uri,
		.uri_count = uri != NULL,
		.usage = usage,
		.from_s = SMALL_START_S - SMALL_DAY_S,
		.until_s = SMALL_START_S + days * SMALL_DAY_S };
	out->key = mint_p256();
	if (!mint_cert(&spec, out->key, issuer == NULL ? NULL : &by, &out->cert, &e))
		fail_msg("%s", e.text);
	unsigned char *to = out->bytes;
	int len = i2d_X509(out->cert, NULL);
	assert_true(len > 0 && len < SMALL_DER);
	out->der = bytes_from(out->bytes, (size_t)i2d_X509(out->cert, &to));
}

static inline void
small_id_done(struct small_id *id)
{
	X509_free(id->cert);
	EVP_PKEY_free(id->key);
}

static inline void
small_signer_make(struct small_signer *s)
{
	small_issue(&s->gbr, NULL, NULL, MINT_AUTHORITY, 3650);
	small_issue(&s->nor, NULL, NULL, MINT_AUTHORITY, 3650);
	small_issue(&s->leaf, &s->gbr, SMALL_AGENT, MINT_CLIENT | MINT_SIGNER, 3650);
	s->by.party = "GBR";
	s->by.agent = SMALL_AGENT;
	s->by.named = s->by.chain = &s->leaf;
	s->by.anchor = s->by.policy = &s->gbr;
	s->by.key = s->leaf.key;
	s->by.place = 37;
	s->by.path_count = SEAL_PATH;
	memset(s->by.path, 9, sizeof(s->by.path));
}

static inline void
small_signer_done(struct small_signer *s)
{
	small_id_done(&s->gbr);
	small_id_done(&s->nor);
	small_id_done(&s->leaf);
}

/* The blocks of both parties in the canonical export. */
static inline void
small_parties(struct sha256 *h, const struct small_signer *s, char *to, size_t size)
{
	const struct bytes der[2] = { s->by.policy->der, s->nor.der };
	char hex[2][65];
	uint8_t digest[32];
	for (size_t i = 0; i < 2; i++) {
		assert_true(sha256_of(h, der[i], digest, NULL));
		golden_hex(digest, 32, hex[i]);
	}
	int n = snprintf(to, size,
	    "party GBR {\n    agent /fusion-desk {\n        roles [ publish ]\n    }\n"
	    "    anchor %s\n    name \"anchor\"\n    trust-domain gbr.example\n}\n"
	    "party NOR {\n    anchor %s\n    trust-domain nor.example\n}\n",
	    hex[0], hex[1]);
	assert_true(n > 0 && (size_t)n < size);
}

/* A protobuf field of bytes. */
static inline size_t
small_field(uint8_t *to, unsigned number, const void *data, size_t len)
{
	size_t n = 0;
	unsigned tag = number << 3 | 2;
	if (tag > 127)
		to[n++] = (uint8_t)(tag | 0x80);
	to[n++] = (uint8_t)(tag > 127 ? tag >> 7 : tag);
	to[n++] = (uint8_t)len;
	memcpy(to + n, data, len);
	return n + len;
}

/* The signature over the root that 'by' gives for a manifest's leaf hash. */
static inline struct bytes
small_sign(struct sha256 *h, const struct small_signer *s, const uint8_t leaf[32], uint8_t to[128])
{
	uint8_t root[32], message[SEAL_MESSAGE_MAX];
	struct bytes path[SEAL_PATH];
	struct seal seal = { s->by.place, { path, s->by.path_count }, { NULL, 0 } };
	size_t len = 128;
	for (size_t i = 0; i < s->by.path_count; i++)
		path[i] = bytes_from(s->by.path[i], 32);
	assert_true(seal_root(h, s->by.over == NULL ? leaf : s->by.over, &seal, root, NULL));
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	assert_int_equal(
	    EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, s->by.key, NULL), 1);
	assert_int_equal(EVP_DigestSign(ctx, to, &len, message, seal_message(root, message)), 1);
	EVP_MD_CTX_free(ctx);
	return bytes_from(to, len);
}

/* The Seal of a manifest; returns its length. */
static inline size_t
small_seal(struct sha256 *h, const struct small_signer *s, const uint8_t leaf[32], uint8_t to[512])
{
	uint8_t made[128];
	struct bytes signature = s->by.signature;
	size_t n = 0;
	if (signature.data == NULL)
		signature = small_sign(h, s, leaf, made);
	if (s->by.place != 0) {
		to[n++] = 1 << 3;
		to[n++] = (uint8_t)s->by.place;
	}
	for (size_t i = 0; i < s->by.path_count; i++) {
		n += small_field(to + n, 2, s->by.path[i], 32);
		to[n - 1] ^= s->by.spoil;
	}
	return n + small_field(to + n, 3, signature.data, signature.len);
}

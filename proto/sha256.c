/* OpenSSL 3 marks these calls as deprecated in favour of EVP; they are the same code without it
 * (docs/decisions/0005-sha256.md). */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "proto/sha256.h"

#include <openssl/crypto.h>

/* FIPS 180-4: the digest of the empty string. */
static const uint8_t of_nothing[SHA256_LEN] = { 0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14,
	0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93,
	0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55 };

bool
sha256_init(struct sha256 *h, struct err *e)
{
	uint8_t digest[SHA256_LEN];
	*h = (struct sha256){ .failed = false };
	sha256_begin(h);
	return (sha256_end(h, digest, e) && memcmp(digest, of_nothing, sizeof(digest)) == 0) ||
	       err_set(e, ERR_CRYPTO, "no SHA-256");
}

void
sha256_done(struct sha256 *h)
{
	if (h != NULL)
		OPENSSL_cleanse(h, sizeof(*h));
}

void
sha256_begin(struct sha256 *h)
{
	h->failed = SHA256_Init(&h->state) != 1;
}

void
sha256_add(struct sha256 *h, struct bytes in)
{
	if (in.len != 0 && SHA256_Update(&h->state, in.data, in.len) != 1)
		h->failed = true;
}

bool
sha256_end(struct sha256 *h, uint8_t out[SHA256_LEN], struct err *e)
{
	uint8_t digest[SHA256_LEN];
	if (h->failed || SHA256_Final(digest, &h->state) != 1)
		return err_set(e, ERR_CRYPTO, "SHA-256");
	memcpy(out, digest, sizeof(digest));
	return true;
}

bool
sha256_of(struct sha256 *h, struct bytes in, uint8_t out[SHA256_LEN], struct err *e)
{
	sha256_begin(h);
	sha256_add(h, in);
	return sha256_end(h, out, e);
}

bool
sha256_tagged(
    struct sha256 *h, uint8_t tag, struct bytes in, uint8_t out[SHA256_LEN], struct err *e)
{
	sha256_begin(h);
	sha256_add(h, bytes_from(&tag, 1));
	sha256_add(h, in);
	return sha256_end(h, out, e);
}

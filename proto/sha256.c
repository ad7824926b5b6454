#include "proto/sha256.h"

#include <openssl/evp.h>

bool
sha256_init(struct sha256 *h, struct err *e)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (ctx == NULL)
		return err_set(e, ERR_NOMEM, "digest context");
	if (EVP_DigestInit_ex2(ctx, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(ctx);
		return err_set(e, ERR_CRYPTO, "no SHA-256");
	}
	*h = (struct sha256){ .ctx = ctx };
	return true;
}

void
sha256_done(struct sha256 *h)
{
	if (h == NULL)
		return;
	EVP_MD_CTX_free(h->ctx);
	*h = (struct sha256){ 0 };
}

void
sha256_begin(struct sha256 *h)
{
	/* the digest stays the context's own: no fetch */
	h->failed = EVP_DigestInit_ex2(h->ctx, NULL, NULL) != 1;
}

void
sha256_add(struct sha256 *h, struct bytes in)
{
	if (in.len != 0 && EVP_DigestUpdate(h->ctx, in.data, in.len) != 1)
		h->failed = true;
}

bool
sha256_end(struct sha256 *h, uint8_t out[SHA256_LEN], struct err *e)
{
	uint8_t digest[SHA256_LEN];
	if (h->failed || EVP_DigestFinal_ex(h->ctx, digest, NULL) != 1)
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

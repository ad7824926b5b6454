/* chain_certs.c - chains as they travel and are stored: rows of DER certificates. */
#include "proto/chain.h"

bool
chain_certs_new(const struct bytes *der, size_t count, STACK_OF(X509) * *out, struct err *e)
{
	if (count == 0 || count > LIMIT_CHAIN_CERTS)
		return err_set(e, ERR_DATA, "a chain of %zu certificates", count);
	STACK_OF(X509) *certs = sk_X509_new_reserve(NULL, (int)count);
	if (certs == NULL)
		return err_set(e, ERR_NOMEM, "chain");
	for (size_t i = 0; i < count; i++) {
		X509 *x = NULL;
		if (!cert_from_der(der[i], &x, e)) {
			chain_certs_free(certs);
			return err_wrap(e, "certificate %zu of the chain", i + 1);
		}
		(void)sk_X509_push(certs, x); /* room was reserved */
	}
	*out = certs;
	return true;
}

void
chain_certs_free(STACK_OF(X509) * certs)
{
	sk_X509_pop_free(certs, X509_free);
}

bool
chain_split(struct bytes in, struct bytes out[LIMIT_CHAIN_CERTS], size_t *count, struct err *e)
{
	struct cursor c = cursor_over(in);
	size_t n = 0;
	while (c.left > 0 && n < LIMIT_CHAIN_CERTS) {
		/* X.690 8.1.3: tag SEQUENCE, then the length in one byte or in one to three more */
		const uint8_t *start = c.at;
		bool sequence = cursor_u8(&c) == 0x30;
		size_t len = cursor_u8(&c), more = len < 0x80 ? 0 : len & 0x7f;
		if (more > 0)
			len = 0;
		for (size_t i = 0; i < more && i < 4; i++)
			len = len << 8 | cursor_u8(&c);
		(void)cursor_take(&c, len);
		if (c.failed || !sequence || more > 3)
			return err_set(e, ERR_DATA, "no row of certificates");
		out[n++] = bytes_from(start, (size_t)(c.at - start));
	}
	if (!cursor_finished(&c))
		return err_set(e, ERR_DATA, "more than %u certificates", LIMIT_CHAIN_CERTS);
	*count = n;
	return true;
}

bool
chain_digest(const struct bytes *der, size_t count, uint8_t out[32])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;
	for (size_t i = 0; ok && i < count; i++)
		ok = EVP_DigestUpdate(ctx, der[i].data, der[i].len) == 1;
	ok = ok && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

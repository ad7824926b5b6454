/* A signature of terms as a partner sends it: it opens to one signer's certificate, of at most four
 * inside, and cannot be spelt otherwise; or it is refused with an error. */
#include <assert.h>

#include "proto/chain.h"
#include "proto/cms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = bytes_of("agreement atlas {\n}\n"), in = bytes_from(data, size);
	STACK_OF(X509) *certs = NULL;
	struct err e = { 0 };
	if (!cms_open(in, text, &certs, &e)) {
		assert(certs == NULL && e.code != ERR_NONE && e.text[0] != '\0');
		return 0;
	}
	struct chain_verdict v;
	assert(sk_X509_num(certs) >= 1 && sk_X509_num(certs) <= (int)LIMIT_CHAIN_CERTS);
	(void)!chain_leaf(sk_X509_value(certs, 0), CHAIN_TERMS, &v);
	chain_certs_free(certs);
	return 0;
}

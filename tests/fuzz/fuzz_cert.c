/* A certificate as a stranger sends it, a bundle and a revocation list: nothing of it may crash,
 * and what passes as a leaf names one SPIFFE id. */
#include <assert.h>

#include "proto/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
judge(X509 *x)
{
	for (int use = CHAIN_CLIENT; use <= CHAIN_TERMS; use++) {
		struct chain_verdict v;
		if (!chain_leaf(x, (enum chain_use)use, &v)) {
			assert(v.fault != CHAIN_GOOD);
			continue;
		}
		struct spiffe_id id;
		assert(spiffe_parse(bytes_of(v.cert.id_text), &id, NULL));
		assert(!v.cert.is_ca && !v.cert.key_cert_sign);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_from(data, size);
	X509 *x = NULL;
	struct chain_anchors *anchors = NULL;
	if (cert_from_der(in, &x, NULL))
		judge(x);
	if (chain_anchors_new(in, &in, 1, &anchors, NULL) && x != NULL) {
		struct chain_verdict v;
		assert(!chain_judge(anchors, x, NULL, CHAIN_CLIENT, 1780315200, &v));
	}
	chain_anchors_free(anchors);
	X509_free(x);
	return 0;
}

#include "daemon/salt.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

bool
salt_take(struct salt_pool *p, void *to, size_t len, struct err *e)
{
	assert(len <= SALT_POOL);
	if (p->left < len) {
		if (RAND_bytes(p->bytes, SALT_POOL) != 1)
			return err_set(e, ERR_CRYPTO, "no random salts");
		p->left = SALT_POOL;
	}
	p->left -= len;
	memcpy(to, p->bytes + p->left, len);
	OPENSSL_cleanse(p->bytes + p->left, len);
	return true;
}

void
salt_done(struct salt_pool *p)
{
	OPENSSL_cleanse(p, sizeof(*p));
}

#include "proto/dry.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>

static _Thread_local bool ran;
static atomic_bool ever;

static void *
noted(void *p)
{
	if (p == NULL)
		dry_note();
	return p;
}

/* Nothing asked for is nothing given, as in libcrypto's own. */
static void *
take(size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return size == 0 ? NULL : noted(malloc(size));
}

static void
give(void *p, const char *file, int line)
{
	(void)file, (void)line;
	free(p);
}

static void *
take_again(void *p, size_t size, const char *file, int line)
{
	if (size != 0)
		return noted(realloc(p, size));
	give(p, file, line);
	return NULL;
}

bool
dry_watch(void)
{
	(void)CRYPTO_set_mem_functions(take, take_again, give);
	ran = false;
	if (OSSL_LIB_CTX_get0_global_default() == NULL || ran)
		return false;
	EVP_MD *digest = EVP_MD_fetch(NULL, "SHA256", NULL);
	EVP_PKEY_CTX *key = ran ? NULL : EVP_PKEY_CTX_new_from_name(NULL, "ED25519", NULL);
	bool up = digest != NULL && key != NULL && !ran;
	EVP_PKEY_CTX_free(key);
	EVP_MD_free(digest);
	return up;
}

void
dry_begin(void)
{
	ran = false;
}

void
dry_note(void)
{
	ran = true;
	atomic_store_explicit(&ever, true, memory_order_relaxed);
}

bool
dry_ran(void)
{
	return ran;
}

bool
dry_ever(void)
{
	return atomic_load_explicit(&ever, memory_order_relaxed);
}

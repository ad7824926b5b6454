#include "daemon/dry.h"

#include <openssl/crypto.h>
#include <stdlib.h>

static _Thread_local bool ran;

static void *
noted(void *p)
{
	ran |= p == NULL;
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

void
dry_watch(void)
{
	(void)CRYPTO_set_mem_functions(take, take_again, give);
}

void
dry_begin(void)
{
	ran = false;
}

bool
dry_ran(void)
{
	return ran;
}

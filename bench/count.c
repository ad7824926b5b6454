/* count.c - the functions that bench/libcount.so puts before those of libc, OpenSSL and LMDB. */
#include "bench/count.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <lmdb.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* glibc's own names of what is counted */
void *__libc_malloc(size_t len);
void *__libc_calloc(size_t count, size_t len);
void *__libc_realloc(void *old, size_t len);
void __libc_free(void *p);

static struct counts nowhere;
static struct counts *counts = &nowhere;

static void *
next(void **slot, const char *name)
{
	if (*slot == NULL)
		*slot = dlsym(RTLD_NEXT, name);
	return *slot;
}

/* 'real': the function of that name that this one stands before */
#define REAL(name) \
	static void *slot; \
	__typeof__(&name) real = (__typeof__(&name))(uintptr_t)next(&slot, #name)

static void
add(uint64_t *to, uint64_t n)
{
	(void)__atomic_fetch_add(to, n, __ATOMIC_RELAXED);
}

__attribute__((constructor)) static void
open_file(void)
{
	const char *path = getenv("RELTO_BENCH_COUNTS");
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(struct counts)) != 0)
		return;
	void *map = mmap(NULL, sizeof(struct counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (map != MAP_FAILED)
		counts = map;
}

/* ---- libc ---- */

static void *
allocated(void *p, size_t len)
{
	add(&counts->mallocs, 1);
	add(&counts->malloc_bytes, len);
	return p;
}

void *
malloc(size_t len)
{
	return allocated(__libc_malloc(len), len);
}

void *
calloc(size_t count, size_t len)
{
	return allocated(__libc_calloc(count, len), count * len);
}

void *
realloc(void *old, size_t len)
{
	return allocated(__libc_realloc(old, len), len);
}

void
free(void *p)
{
	if (p != NULL)
		add(&counts->frees, 1);
	__libc_free(p);
}

/* ---- OpenSSL ---- */

int
SSL_read_ex(SSL *ssl, void *to, size_t room, size_t *len)
{
	REAL(SSL_read_ex);
	int rc = real(ssl, to, room, len);
	if (rc == 1) {
		add(&counts->tls_reads, 1);
		add(&counts->tls_read_bytes, *len);
	}
	return rc;
}

int
SSL_write_ex(SSL *ssl, const void *from, size_t len, size_t *written)
{
	REAL(SSL_write_ex);
	int rc = real(ssl, from, len, written);
	if (rc == 1) {
		add(&counts->tls_writes, 1);
		add(&counts->tls_write_bytes, *written);
	}
	return rc;
}

int
EVP_DigestUpdate(EVP_MD_CTX *ctx, const void *data, size_t len)
{
	REAL(EVP_DigestUpdate);
	add(&counts->digest_bytes, len);
	return real(ctx, data, len);
}

int
EVP_DigestFinal_ex(EVP_MD_CTX *ctx, unsigned char *out, unsigned *len)
{
	REAL(EVP_DigestFinal_ex);
	add(&counts->digests, 1);
	return real(ctx, out, len);
}

/* ---- LMDB ---- */

static struct count_table *
table(MDB_dbi dbi)
{
	return &counts->tables[dbi < COUNT_TABLES ? dbi : 0];
}

int
mdb_dbi_open(MDB_txn *txn, const char *name, unsigned flags, MDB_dbi *dbi)
{
	REAL(mdb_dbi_open);
	int rc = real(txn, name, flags, dbi);
	if (rc == 0 && name != NULL)
		(void)strncpy(table(*dbi)->name, name, COUNT_NAME - 1);
	return rc;
}

int
mdb_get(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data)
{
	REAL(mdb_get);
	add(&table(dbi)->gets, 1);
	return real(txn, dbi, key, data);
}

int
mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned flags)
{
	REAL(mdb_put);
	add(&table(dbi)->puts, 1);
	add(&table(dbi)->key_bytes, key->mv_size);
	add(&table(dbi)->value_bytes, data->mv_size);
	return real(txn, dbi, key, data, flags);
}

int
mdb_del(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data)
{
	REAL(mdb_del);
	int rc = real(txn, dbi, key, data);
	if (rc == 0)
		add(&table(dbi)->dels, 1);
	return rc;
}

int
mdb_cursor_del(MDB_cursor *cursor, unsigned flags)
{
	REAL(mdb_cursor_del);
	add(&table(mdb_cursor_dbi(cursor))->dels, 1);
	return real(cursor, flags);
}

int
mdb_txn_commit(MDB_txn *txn)
{
	REAL(mdb_txn_commit);
	add(&counts->commits, 1);
	return real(txn);
}

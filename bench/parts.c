/*
 * parts.c - what single operations cost that a report has many of, beside the plainest way to the
 * same bytes: checksums of rows, hashes of slots, salts, requests' memory.
 *     parts [ROUNDS]
 * Prints a line and a JSON object for each: ns of CPU a call.
 */
#include "audit/record.h"
#include "daemon/crc32c.h"
#include "proto/arena.h"
#include "proto/limits.h"
#include "proto/sha256.h"

#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

enum {
	ROW = 300,  /* the mean of what a report puts into the store */
	SLOT = 100, /* ..and of what it hashes at once */
	REQUEST = 1900
};

static uint8_t data[ROW];
static volatile uint32_t sink;
static struct sha256 sha;

static void
crc_of_relto(void)
{
	sink += crc32c(0, bytes_from(data, ROW));
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static void
crc_of_cpu(void)
{
	uint64_t crc = UINT32_MAX;
	for (size_t i = 0; i + 8 <= ROW; i += 8) {
		uint64_t word;
		memcpy(&word, data + i, sizeof(word));
		crc = _mm_crc32_u64(crc, word);
	}
	for (size_t i = ROW / 8 * 8; i < ROW; i++)
		crc = _mm_crc32_u8((uint32_t)crc, data[i]);
	sink += ~(uint32_t)crc;
}
#endif

static void
hash_of_relto(void)
{
	uint8_t out[SHA256_LEN];
	struct err e;
	if (!sha256_of(&sha, bytes_from(data, SLOT), out, &e))
		exit(1);
	sink += out[0];
}

/* OpenSSL 3 calls it deprecated: for the comparison alone */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static void
hash_bare(void)
{
	uint8_t out[SHA256_LEN];
	SHA256_CTX ctx;
	SHA256_Init(&ctx);
	SHA256_Update(&ctx, data, SLOT);
	SHA256_Final(out, &ctx);
	sink += out[0];
}
#pragma GCC diagnostic pop

static void
salts_of_relto(void)
{
	uint8_t to[RECORD_SALTS];
	if (RAND_bytes(to, sizeof(to)) != 1)
		exit(1);
	sink += to[0];
}

static void
salts_drawn_ahead(void)
{
	static uint8_t pool[64 * RECORD_SALTS];
	static size_t at = sizeof(pool);
	if (at == sizeof(pool)) {
		if (RAND_bytes(pool, sizeof(pool)) != 1)
			exit(1);
		at = 0;
	}
	sink += pool[at];
	at += RECORD_SALTS;
}

static void
request_memory(void)
{
	struct arena a;
	arena_init(&a, LIMIT_ARENA_FACTOR * REQUEST + LIMIT_ARENA_EXTRA);
	uint8_t *p = arena_alloc(&a, REQUEST);
	if (p == NULL)
		exit(1);
	*p = 1;
	sink += *p;
	arena_done(&a);
}

/* ---- measuring ---- */

static double
cpu_s(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
measure(const char *what, void (*run)(void), unsigned rounds)
{
	for (unsigned i = 0; i < rounds / 10; i++)
		run();
	double from = cpu_s();
	for (unsigned i = 0; i < rounds; i++)
		run();
	(void)printf(
	    "{\"part\":\"%s\",\"ns\":%.1f}\n", what, (cpu_s() - from) * 1e9 / (double)rounds);
}

int
main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 500000;
	struct err e;
	if (!sha256_init(&sha, &e))
		return 1;
	memset(data, 0x5a, sizeof(data));
	measure("CRC-32C of a row, as relto does it", crc_of_relto, rounds);
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		measure("CRC-32C of a row, by the processor", crc_of_cpu, rounds);
#endif
	measure("SHA-256 of a slot, as relto does it", hash_of_relto, rounds);
	measure("SHA-256 of a slot, bare", hash_bare, rounds);
	measure("salts of a record, as relto draws them", salts_of_relto, rounds / 10);
	measure("salts of a record, 64 records at once", salts_drawn_ahead, rounds);
	measure("memory of a request", request_memory, rounds);
	sha256_done(&sha);
	return 0;
}

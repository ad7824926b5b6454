#include "daemon/crc32c.h"

#include <pthread.h>

enum { SLICES = 8 };
static const uint32_t polynomial = 0x82f63b78; /* reflected */

/* Slicing by eight: table[k][b] is the checksum of byte b followed by k zeros. */
static uint32_t table[SLICES][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fill(void)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t crc = b;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ polynomial : crc >> 1;
		table[0][b] = crc;
	}
	for (uint32_t b = 0; b < 256; b++)
		for (int k = 1; k < SLICES; k++)
			table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 255];
}

typedef uint32_t way(uint32_t crc, const uint8_t *p, size_t left);

static uint32_t
by_table(uint32_t crc, const uint8_t *p, size_t left)
{
	for (; left >= SLICES; left -= SLICES, p += SLICES) {
		uint32_t low = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
					 (uint32_t)p[3] << 24);
		crc = table[7][low & 255] ^ table[6][low >> 8 & 255] ^ table[5][low >> 16 & 255] ^
		      table[4][low >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^
		      table[0][p[7]];
	}
	for (; left > 0; left--, p++)
		crc = crc >> 8 ^ table[0][(crc ^ *p) & 255];
	return crc;
}

#ifdef __x86_64__
/* SSE 4.2 has this very polynomial: a tenth of the table's time. */
__attribute__((target("sse4.2"))) static uint32_t
by_instruction(uint32_t crc, const uint8_t *p, size_t left)
{
	uint64_t wide = crc;
	for (; left >= 8; left -= 8, p += 8) {
		uint64_t word;
		memcpy(&word, p, sizeof(word));
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = (uint32_t)wide;
	for (; left > 0; left--, p++)
		crc = __builtin_ia32_crc32qi(crc, *p);
	return crc;
}

static way *
best(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("sse4.2") ? by_instruction : by_table;
}
#else
static way *
best(void)
{
	return by_table;
}
#endif

static way *chosen;

static void
begin(void)
{
	fill();
	chosen = best();
}

uint32_t
crc32c(uint32_t crc, struct bytes in)
{
	(void)pthread_once(&once, begin);
	return ~chosen(~crc, in.data, in.len);
}

uint32_t
crc32c_by_table(uint32_t crc, struct bytes in)
{
	(void)pthread_once(&once, begin);
	return ~by_table(~crc, in.data, in.len);
}

/*
 * count.h - what bench/libcount.so counts in a process into which it is preloaded: allocations,
 * what goes through TLS, rows of LMDB.  The counts live in the file that RELTO_BENCH_COUNTS names,
 * so that another process reads them at any moment.  bench/count.py knows this layout.
 */
#pragma once
#include <stdint.h>

enum { COUNT_TABLES = 24, COUNT_NAME = 16 };

struct count_table {
	char name[COUNT_NAME];
	uint64_t gets, puts, key_bytes, value_bytes, dels;
};

struct counts {
	uint64_t mallocs, malloc_bytes, frees;
	uint64_t tls_reads, tls_read_bytes, tls_writes, tls_write_bytes; /* successful calls */
	uint64_t digests, digest_bytes;
	uint64_t commits;
	struct count_table tables[COUNT_TABLES]; /* by number of LMDB */
};

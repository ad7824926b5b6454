/*
 * meter.h - what another process has used so far: CPU, bytes, memory.  By proc(5) and its CPU
 * clock; the reader has to be the same user or root.
 */
#pragma once
#include <stdint.h>

struct meter {
	double wall_s, cpu_s;	/* cpu: user and system of all threads, ended ones included */
	uint64_t reads, writes; /* system calls */
	uint64_t asked_bytes;	/* given to write(2) and its like, sockets included */
	uint64_t dirtied_bytes; /* of the page cache, by whole folios: what the disk gets at most */
	uint64_t rss_kb;
};

double meter_now(void); /* CLOCK_MONOTONIC, s */
/* Ends the program if there is no such process. */
struct meter meter_read(int pid);
/* What was used between the two; rss_kb may have shrunk and is then 0. */
struct meter meter_between(const struct meter *from, const struct meter *to);
/* The value at a share of 0..1 of 'values', which it sorts; 0 of none. */
double meter_quantile(double *values, uint64_t count, double share);

/*
 * wall.h - the time of day, and when not to believe it (DESIGN section 11).
 * Time never runs backwards here: what is given out is never before the last commit, so a clock
 * that was put back revives nothing.  A clock more than LIMIT_CLOCK_AHEAD_S ahead of "last commit
 * plus the boot-time clock since" is in doubt: intake and delivery stop until somebody accepts it.
 * Threads: wall_now from any; the rest is the committer's.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct wall_source { /* µs; CLOCK_REALTIME since 1970 and CLOCK_BOOTTIME */
	uint64_t (*real_us)(void *arg);
	uint64_t (*boot_us)(void *arg);
	bool (*synced)(void *arg); /* the kernel says that somebody keeps the clock right */
	void *arg;
};
struct wall {
	struct wall_source source;
	_Atomic uint64_t last_us; /* time of the last commit */
	_Atomic int64_t belief; /* twice (the last commit's time less its boot time), and the lowest
				 * bit says that this is in doubt: one word, so that what was
				 * accepted is never doubted by what it was before */
	_Atomic bool synced;	/* when it was last asked */
	uint64_t gap_us;	/* how far ahead it may be after a reboot */
};

void wall_init(struct wall *w, uint64_t gap_us);
/* The last commit that the store remembers (time 0: none), and whether the machine was booted
 * since. */
void wall_resume(struct wall *w, uint64_t last_us, uint64_t boot_us, bool rebooted);
/* Now, µs since 1970 UTC, never before the last commit.  False: in doubt; do nothing that depends
 * on it. */
bool wall_now(struct wall *w, uint64_t *us);
/* For records and log lines, which are written in doubt too. */
uint64_t wall_best(struct wall *w);
uint64_t wall_boot(struct wall *w);
/* A commit at 'us' succeeded. */
void wall_committed(struct wall *w, uint64_t us);
/* The operator says that the clock is right.  Returns by how much it is ahead, µs. */
int64_t wall_accept(struct wall *w);
bool wall_in_doubt(const struct wall *w);
/* What the system's clock says, believed or not, µs since 1970. */
uint64_t wall_says(struct wall *w);
/* What it should say: the last commit's time and what the boot clock adds. */
uint64_t wall_expected(struct wall *w);
/* Asks the kernel whether the clock is kept right; true if that changed since it was last asked. */
bool wall_ask_synced(struct wall *w);
/* For slot 5: "doubt", "sync" or "free" (audit-format, section 1). */
const char *wall_quality(struct wall *w);

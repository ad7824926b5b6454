/*
 * readings.h - AUDIT_READ without a record for every page: what the last one of a session says that
 * it may be shown, and how many a party may cause.  Whoever reads the log makes it grow, so there
 * is a bound for it (DESIGN S12); the record always stands before what it allows (AUDIT 7).
 * Threads: values of the caller's.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Records first .. end - 1 may be shown to the session, by AUDIT_READ records that are durable; end
 * 0: there is none. */
struct reading {
	uint64_t first, end;
};
bool reading_covers(const struct reading *r, uint64_t index);
/* How many records the next AUDIT_READ is about: 'wanted', or of a session that reads on just where
 * its last one ended, very many. */
uint64_t reading_span(const struct reading *r, uint64_t from, uint64_t wanted);
/* One more is durable, about 'span' records: together with what ends where it begins, or alone. */
void reading_add(struct reading *r, uint64_t from, uint64_t span);

/* That are counted each by itself, on one worker; beyond them parties share what the one that took
 * least has left. */
enum { READING_PARTIES = 64 };
struct reading_rates {
	struct {
		uint32_t party;
		uint64_t due_ms; /* when all that was taken is there again; 0: never used */
	} of[READING_PARTIES];
};
/* Takes one of LIMIT_AUDIT_READS; false: the party has to wait for *retry_ms. */
bool readings_take(struct reading_rates *r, uint32_t party, uint64_t now_ms, uint32_t *retry_ms);

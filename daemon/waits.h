/*
 * waits.h - what a held report waits for: the open obligations of one decision, kept as part 11 of
 * its record (docs/decisions/0004-parts.md) as long as the hold lasts and after it.
 * An approver calls those that are one question to it by one name, 16 bytes that tell it nothing
 * else: of a review or a revoked signer every portion under that rule or agreement, of a consent
 * all that a source is asked for, whatever the agreement (PROTOCOL.md section 5a).
 * Threads: values; the arena's owner.
 */
#pragma once
#include "daemon/store.h"
#include "proto/facts.h"
#include "proto/sha256.h"

enum { WAIT_NAME_BYTES = 16 };
struct wait {
	uint8_t name[WAIT_NAME_BYTES];
	uint32_t portion;
	struct obligation what;
	uint64_t deadline_us;
	bool indirect; /* on a source that the report itself does not name */
};
struct waits {
	const struct wait *items; /* by name, then portion */
	size_t count;
};

/* What makes the name: 'secret' is the digest of the facts of the report's INTAKE, which holds a
 * salt that nobody but an auditor knows. */
struct wait_of {
	const uint8_t *secret; /* 32 */
	struct bytes recipient;
	const struct obligation *what;
};
MUST_USE bool wait_name(
    struct sha256 *h, const struct wait_of *v, uint8_t out[WAIT_NAME_BYTES], struct err *e);

/* The note by which an approver's party finds the hold: its name, and what it says. */
enum { HOLD_NOTE_ROOM = 64, HOLD_NOTE_BYTES = 48 };
void hold_note_name(
    uint32_t approver, const uint8_t name[WAIT_NAME_BYTES], char out[HOLD_NOTE_ROOM]);
/* The beginning that the names of all its notes share, up to the '/'. */
void hold_note_root(uint32_t approver, char out[HOLD_NOTE_ROOM]);
MUST_USE bool hold_note_split(struct bytes note, uint8_t name[WAIT_NAME_BYTES]);
void hold_note_write(const struct store_held *h, uint8_t out[HOLD_NOTE_BYTES]);
MUST_USE bool hold_note_read(struct bytes value, struct store_held *out, struct err *e);

/* Sorts 'items' and writes them. */
MUST_USE bool waits_write(
    struct arena *a, struct wait *items, size_t count, struct bytes *out, struct err *e);
/* One after the other: begin, then next until nothing is left of the cursor.  ERR_CORRUPT: it is no
 * such part. */
MUST_USE bool waits_begin(struct bytes in, struct cursor *out, struct err *e);
MUST_USE bool waits_next(struct cursor *c, struct wait *out, struct err *e);
/* All of them.  Views point into 'in'.  ERR_CORRUPT. */
MUST_USE bool waits_read(struct bytes in, struct arena *a, struct waits *out, struct err *e);

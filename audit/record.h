/*
 * record.h - a record: eight slots, each hidden behind a salted commitment, and the leaf over them.
 * docs/audit-format.md sections 3 and 5.  The bytes stored are the bytes hashed.
 *
 * In reltod: an I/O worker calls record_begin, the setters and record_hash_early; the committer
 * gives the record to log_append, which patches in what depends on the index, hashes the rest, and
 * then record_entry_write gives what is stored.
 * Threads: values with views into an arena; one owner at a time.
 */
#pragma once
#include "audit/event.h"
#include "audit/slot.h"
#include "proto/sha256.h"

struct arena;

enum {
	RECORD_SLOTS = 8,
	RECORD_SALT = 16,
	RECORD_SALTS = RECORD_SLOTS * RECORD_SALT,
	RECORD_LEAF_DATA = 38,
	RECORD_PARTY_LEAF_DATA = 44
};

struct record_slot {
	struct bytes value; /* borrowed; meaningful if open */
	uint8_t salt[RECORD_SALT];
	uint8_t c[32]; /* the commitment; meaningful if hashed */
	bool open;     /* value and salt are here, not only c */
	bool hashed;
};

struct record {
	struct record_slot slot[RECORD_SLOTS]; /* [i-1] is slot i */
	/* What log_append patches; NULL where there is nothing to patch. */
	uint8_t *time, *publication, *link, *accepted, *place;
};

#define RECORD_SLOT(r, number) (&(r)->slot[(number)-1])

/* Eight open, empty slots with these salts (fresh random bytes for every record). 'a' gives room
 * for slot 8.  ERR_NOMEM. */
MUST_USE bool record_begin(
    struct record *r, struct arena *a, const uint8_t salts[RECORD_SALTS], struct err *e);
/* Fill a slot, once each.  common->time may be 0: log_append sets it. */
MUST_USE bool record_set_common(
    struct record *r, struct arena *a, const struct slot_common *v, struct err *e);
MUST_USE bool record_set_release(
    struct record *r, struct arena *a, const struct slot_release *v, struct err *e);
MUST_USE bool record_set_publication(
    struct record *r, struct arena *a, const struct slot_publication *v, struct err *e);
MUST_USE bool record_set_decision(
    struct record *r, struct arena *a, const struct slot_decision *v, struct err *e);
MUST_USE bool record_set_hub(
    struct record *r, struct arena *a, const struct slot_hub *v, struct err *e);
MUST_USE bool record_set_person(
    struct record *r, struct arena *a, const struct slot_person *v, struct err *e);
/* A DELIVERY whose 'accepted' is SLOT_LATER gets it from log_append.  ERR_DATA: the body is not
 * well-formed. */
MUST_USE bool record_set_body(
    struct record *r, struct arena *a, const struct body *v, struct err *e);

/* Hashes every slot that log_append will not patch (of 2..7). */
MUST_USE bool record_hash_early(struct sha256 *h, struct record *r, struct err *e);
/* Hashes what is not hashed yet, then the leaf. */
MUST_USE bool record_leaf_data(
    struct sha256 *h, struct record *r, uint8_t out[RECORD_LEAF_DATA], struct err *e);
MUST_USE bool record_leaf(struct sha256 *h, struct record *r, uint8_t out[32], struct err *e);
/* The leaf hash of a party tree. */
MUST_USE bool record_party_leaf(
    struct sha256 *h, uint64_t index, const uint8_t leaf[32], uint8_t out[32], struct err *e);
/* What a decision releases: H("RLD1" || manifest leaf hash || commitments, ascending). */
struct record_release {
	const uint8_t *manifest;    /* leaf hash, 32 */
	uint8_t (*commitments)[32]; /* of the released heads; sorted in place */
	size_t count;
};
MUST_USE bool record_released(
    struct sha256 *h, const struct record_release *v, uint8_t out[32], struct err *e);

/* The opening: slots in 'mask' (bit i for slot i, 1..8) that are open are written with salt and
 * value, all others as commitments.  Every slot must have been hashed. */
size_t record_opening_size(const struct record *r, unsigned mask);
void record_opening_write(const struct record *r, unsigned mask, uint8_t *to);
/* Reads an opening; commitments of open slots are not hashed yet.  Views point into 'in'.
 * ERR_MALFORMED. */
MUST_USE bool record_opening_parse(struct bytes in, struct record *out, struct err *e);

/* The stored entry: leaf hash, then the opening with every open slot.  (The store puts a checksum
 * behind it, as behind every row.)  The record must have been hashed. */
size_t record_entry_size(const struct record *r);
void record_entry_write(const struct record *r, const uint8_t leaf[32], uint8_t *to);
/* Reads an entry; ERR_MALFORMED.  Does not hash: record_leaf(out) must give 'leaf'. */
MUST_USE bool record_entry_parse(
    struct bytes in, struct record *out, uint8_t leaf[32], struct err *e);

/* The leaf of an entry with every slot open or not, hashed where it lies: the same as
 * record_entry_parse and record_leaf.  ERR_MALFORMED. */
MUST_USE bool record_entry_leaf(struct sha256 *h, struct bytes in, uint8_t leaf[32], struct err *e);

/* A record taken apart; what is closed or empty is all absent.  Views point into its slots. */
struct record_said {
	struct slot_common common;
	struct slot_release release;
	struct slot_publication publication;
	struct slot_decision decision;
	struct slot_hub hub;
	struct slot_person person;
	struct body body;
	uint64_t place;
};
/* All that can be said of one record alone: slot 1 open and well-formed, every open slot
 * well-formed, slots that the type may not use empty where open, the body that of the type.
 * ERR_MALFORMED. */
MUST_USE bool record_take_apart(const struct record *r, struct record_said *out, struct err *e);
/* The same, for who wants nothing but the type. */
MUST_USE bool record_check(const struct record *r, enum event_type *type, struct err *e);

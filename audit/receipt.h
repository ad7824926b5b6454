/*
 * receipt.h - what a receipt shows: a record, as far as it is opened, and its place under a signed
 * head (docs/audit-format.md section 7; a C2SP tlog-proof whose 'extra' is an opening).
 * Errors say what does not hold: ERR_MALFORMED, ERR_BAD_SIGNATURE, ERR_UNVERIFIED (the record is
 * not in that tree), ERR_CORRUPT (a content is not the one that the record names), ERR_NOMEM,
 * ERR_CRYPTO.
 * Threads: pure.
 */
#pragma once
#include "audit/checkpoint.h"
#include "audit/record.h"

struct receipt {
	struct checkpoint head; /* the tree that the record is in */
	uint64_t index;
	struct record record; /* views into the opening */
	enum event_type type;
	struct slot_common common;
	uint8_t leaf[32];
};

/* What proves one record: parts of a proof file, or of a message. */
struct receipt_proof {
	struct bytes opening;
	uint64_t index;
	const struct merkle_proof *path;
};
/* Is it a record, and in the tree of 'head'?  That the head is believed is the caller's to ask. */
MUST_USE bool receipt_check(struct sha256 *h, const struct checkpoint *head,
    const struct receipt_proof *p, struct receipt *out, struct err *e);
/* A whole file, with its checkpoint.  What 'out' points to is in 'file' and 'a'. */
MUST_USE bool receipt_open(struct sha256 *h, struct arena *a, struct bytes file,
    const struct checkpoint_trust *trust, struct receipt *out, struct err *e);
/* The slots that are open (bit i for slot i). */
unsigned receipt_slots(const struct receipt *r);
/* True if exactly those slots are open that section 4 opens to the party, as the publisher or as
 * whose history the record stands in, and nothing in them says that it is another's. */
bool receipt_is_for(const struct receipt *r, struct bytes party);

/* A report as it was received: the manifest, and the heads of what was released, in any order. */
struct receipt_report {
	struct bytes manifest;
	const struct bytes *heads;
	size_t count; /* at most 256 */
};
/* Is the record about exactly this report and these portions?  ERR_USAGE: the record names no
 * contents (an ACK, say). */
MUST_USE bool receipt_matches(
    struct sha256 *h, const struct receipt *r, const struct receipt_report *report, struct err *e);
/* Is that the body that the head commits to?  'front' and 'content' are its bytes, one after the
 * other. */
MUST_USE bool receipt_body_matches(
    struct sha256 *h, struct bytes head, struct bytes front, struct bytes content, struct err *e);

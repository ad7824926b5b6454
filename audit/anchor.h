/*
 * anchor.h - the last head that the log's signer signed, and what it signs next (AUDIT section 5).
 * The anchor is what the broker's operator cannot put back: a head is signed only if it is proven
 * to extend it.  The file has two slots that are written in turn, so that one which is torn leaves
 * the other, of which all was signed that ever was (docs/audit-format.md, 12).
 * Threads: values.
 */
#pragma once
#include "audit/signing.h"

struct anchor {
	char origin[NOTE_NAME_MAX + 1];
	struct signing_head head;
	uint64_t turn; /* rises by one with each writing; 0: not written yet, or in the old form */
	bool alone;    /* the other slot is torn, or damaged */
};
/* A slot is a page, so that no write of one touches the disk's blocks of the other. */
enum { ANCHOR_TEXT_MAX = 512, ANCHOR_SLOT = 4096, ANCHOR_FILE = 2 * ANCHOR_SLOT };

/* The anchor of a log without records.  ERR_CRYPTO. */
MUST_USE bool anchor_new(struct sha256 *h, struct bytes origin, struct anchor *out, struct err *e);
/* The bytes of a slot, and where in the file it is: the one that the turn before is not in. */
MUST_USE bool anchor_write(
    struct sha256 *h, const struct anchor *a, char out[ANCHOR_SLOT], struct err *e);
size_t anchor_place(const struct anchor *a);
/* The later of the two slots; or a file of the old form, five lines.  ERR_CORRUPT where neither
 * slot is whole, or they do not follow one another; ERR_MALFORMED where this is no anchor. */
MUST_USE bool anchor_parse(struct sha256 *h, struct bytes in, struct anchor *out, struct err *e);

/* Whether the head that is asked for may be signed after 'at'.  False: *why, and ERR_FORK with the
 * words for it (ERR_CRYPTO, ERR_NOMEM: SIGNING_FAILED). */
MUST_USE bool anchor_judge(struct sha256 *h, const struct signing_head *at,
    const struct signing_ask *ask, enum signing_reason *why, struct err *e);

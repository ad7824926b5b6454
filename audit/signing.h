/*
 * signing.h - what the broker and the log's signer say to each other (docs/audit-format.md, 12).
 * A message is one packet of a SOCK_SEQPACKET socket; all of it is one of four kinds, nothing
 * follows it.  The signer speaks first (hello); then each ask has one answer, in order.
 * Threads: values; views point into what was parsed.
 */
#pragma once
#include "audit/note.h"
#include "proto/merkle.h"

enum {
	SIGNING_KEYS_MAX = 2,	 /* while one key follows another */
	SIGNING_NOTE_MAX = 1280, /* three lines and a signature of each key */
	SIGNING_BYTES_MAX = 4096 /* of a packet: an ask with the longest proof takes 2,134 */
};
enum signing_kind { SIGNING_HELLO = 1, SIGNING_ASK, SIGNING_SIGNED, SIGNING_REFUSED };

/* Why there is no signature; the numbers are on the wire. */
enum signing_reason {
	SIGNING_MALFORMED = 1, /* no ask */
	SIGNING_ROLLBACK,      /* the new head is smaller than the anchor */
	SIGNING_FORK,	       /* the size of the anchor, another root */
	SIGNING_NOT_PROVEN,    /* the proof does not lead from the anchor to the new head */
	SIGNING_NOT_KEPT,      /* the anchor could not be made durable: ask again */
	SIGNING_FAILED	       /* libcrypto or memory: ask again */
};
/* "fork", ..; never NULL. */
const char *signing_reason_name(enum signing_reason r);

struct signing_head {
	uint64_t size;
	uint8_t root[32];
};
/* Where the signer stands, and its keys: of two the first is the one that goes. */
struct signing_hello {
	struct signing_head anchor;
	size_t key_count;
	struct bytes keys[SIGNING_KEYS_MAX]; /* vkeys */
};
struct signing_ask {
	uint64_t from; /* size of the anchor, as the broker knows it */
	struct signing_head head;
	struct merkle_proof proof; /* consistency; none from 0, and none for the anchor again */
};
struct signing_signed {
	uint64_t size;
	struct bytes note;
};
struct signing_refused {
	enum signing_reason reason;
	struct signing_head anchor;
};
struct signing_message {
	enum signing_kind kind;
	union {
		struct signing_hello hello;
		struct signing_ask ask;
		struct signing_signed signed_;
		struct signing_refused refused;
	};
};

/* ERR_MALFORMED with what is wrong. */
MUST_USE bool signing_parse(struct bytes in, struct signing_message *out, struct err *e);
/* The length of what was written.  That lists and texts are within their bounds is the caller's
 * duty (assert). */
size_t signing_write(const struct signing_message *m, uint8_t out[SIGNING_BYTES_MAX]);

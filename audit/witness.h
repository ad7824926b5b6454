/*
 * witness.h - what a witness judges and answers (C2SP tlog-witness, add-checkpoint; AUDIT 5), and
 * what whoever asks one makes of the answer.
 * Threads: values; no shared state.
 */
#pragma once
#include "audit/checkpoint.h"

enum {
	WITNESS_PROOF_MAX = 63,
	WITNESS_LOGS_MAX = NOTE_SIGNATURES_MAX,
	WITNESS_BODY_MAX = 32 + WITNESS_PROOF_MAX * 45 + NOTE_BYTES_MAX,
	WITNESS_ANSWER_MAX = 8192,
	WITNESS_CLOCK_S = 300 /* a cosignature's time may be so far from ours (AUDIT 8: 9) */
};
#define WITNESS_PATH "/add-checkpoint"
#define WITNESS_SIZE_TYPE "text/x.tlog.size"

/* The body of add-checkpoint: "old N", hashes, an empty line, the checkpoint. */
struct witness_request {
	uint64_t old;
	size_t count;
	uint8_t proof[WITNESS_PROOF_MAX][32];
	struct bytes note; /* as signed; a view */
};
/* Syntax only, but for the note's.  ERR_MALFORMED. */
MUST_USE bool witness_request_parse(struct bytes body, struct witness_request *out, struct err *e);
MUST_USE bool witness_request_write(
    struct arena *a, const struct witness_request *r, struct bytes *out, struct err *e);

/* The logs that a witness knows: keys whose name is the origin, and the last head of each origin,
 * kept with the first of its keys. */
struct witness_head {
	bool any; /* false: none was ever cosigned, as if of size 0 */
	uint64_t size;
	uint8_t root[32];
};
struct witness_book {
	size_t count;
	struct note_key logs[WITNESS_LOGS_MAX];
	struct witness_head heads[WITNESS_LOGS_MAX];
};
/* Where the head of an origin stands; WITNESS_LOGS_MAX: it is no known log's. */
size_t witness_book_find(const struct witness_book *b, struct bytes origin);

/* Status codes of HTTP. */
enum witness_answer {
	WITNESS_COSIGN = 200,
	WITNESS_MALFORMED = 400, /* or old > size */
	WITNESS_FORBIDDEN = 403, /* no good signature of the log */
	WITNESS_UNKNOWN = 404,	 /* origin */
	WITNESS_CONFLICT = 409,	 /* old is not the size of the last head */
	WITNESS_UNPROVED = 422,	 /* bad proof, or the same size with another root */
	WITNESS_FAILED = 500	 /* for want of memory; nothing was judged */
};
struct witness_verdict {
	enum witness_answer answer;
	size_t at;		/* in the book; WITNESS_LOGS_MAX unless the origin is known */
	struct checkpoint head; /* from the signature on; views point into the request */
	struct bytes text;	/* that was signed */
	bool fork;		/* signed by the log: the same size with another root */
};
/* 'e' says why it is not WITNESS_COSIGN.  The book is the caller's to change, durably, before
 * anybody hears of the cosignature. */
void witness_judge(struct arena *a, struct sha256 *h, const struct witness_book *b,
    const struct witness_request *r, struct witness_verdict *out, struct err *e);

/* Looks for the line of 'key' in the answer to 'note' and adds it to *cosigned (a note of the same
 * text).  Its time must be within WITNESS_CLOCK_S of 'now_s'.  Lines of others are ignored.
 * ERR_BAD_SIGNATURE, ERR_MALFORMED, ERR_NOMEM. */
struct witness_reply {
	struct bytes body;
	const struct note_key *key;
	uint64_t now_s;
};
MUST_USE bool witness_attach(
    struct arena *a, const struct witness_reply *reply, struct bytes *cosigned, struct err *e);
/* The body of a 409: a size and LF.  ERR_MALFORMED. */
MUST_USE bool witness_size_parse(struct bytes body, uint64_t *out, struct err *e);

/*
 * checkpoint.h - a signed tree head (C2SP tlog-checkpoint, exactly three lines) and proof files
 * (C2SP tlog-proof).
 * Threads: values.
 */
#pragma once
#include "audit/note.h"
#include "proto/merkle.h"

struct checkpoint {
	struct bytes origin; /* borrowed */
	uint64_t size;
	uint8_t root[32];
};

/* The three lines. */
MUST_USE bool checkpoint_text(
    struct arena *a, const struct checkpoint *c, struct bytes *out, struct err *e);
/* Reads the text of a note; 'origin' points into it.  ERR_MALFORMED. */
MUST_USE bool checkpoint_parse(struct bytes text, struct checkpoint *out, struct err *e);

/* An origin "name/gN": "name", and N; false if it is not so spelt. */
MUST_USE bool checkpoint_generation(struct bytes origin, struct bytes *stem, uint64_t *generation);

/* What such texts are made of.  A line is taken off the front, without its LF; false if none ends.
 * A size is decimal without leading zeros, a hash base64 of 32 bytes; false for another spelling.
 */
MUST_USE bool checkpoint_line(struct bytes *text, struct bytes *line);
MUST_USE bool checkpoint_decimal(struct bytes in, uint64_t *out);
MUST_USE bool checkpoint_hash(struct bytes line, uint8_t out[32]);

/* The whole note, signed by the log's key (whose name is the origin). */
MUST_USE bool checkpoint_sign(struct arena *a, const struct note_signer *log,
    const struct checkpoint *c, struct bytes *note, struct err *e);
/* The note with one more line, of a witness. */
MUST_USE bool checkpoint_cosign(struct arena *a, const struct note_signer *witness,
    struct bytes note, struct bytes *out, struct err *e);

/* Whom to believe. */
struct quorum;
enum { CHECKPOINT_WITNESSES_MAX = NOTE_SIGNATURES_MAX - 1 };
struct checkpoint_trust {
	const struct note_key *log;
	const struct note_key *witnesses;
	size_t witness_count;	/* at most CHECKPOINT_WITNESSES_MAX */
	size_t quorum;		/* how many of them must have signed */
	struct note_seen *seen; /* out, may be NULL: what each witness said */
	/* NULL, or whose witnesses these are, in its order: its quorum must have signed */
	const struct quorum *rule;
};
/* Parses and verifies: the log's signature, origin = the key's name, the quorum.  Views point into
 * 'note'.  ERR_MALFORMED; ERR_BAD_SIGNATURE also where the log's signature or the quorum is
 * missing. */
MUST_USE bool checkpoint_open(struct arena *a, struct bytes note,
    const struct checkpoint_trust *trust, struct checkpoint *out, struct err *e);

/* A proof file. */
struct checkpoint_proof {
	struct bytes extra; /* the opening; absent: no such line */
	uint64_t index;
	struct merkle_proof path;
	struct bytes note; /* the checkpoint, as signed */
};
MUST_USE bool checkpoint_proof_write(
    struct arena *a, const struct checkpoint_proof *p, struct bytes *out, struct err *e);
MUST_USE bool checkpoint_proof_parse(
    struct arena *a, struct bytes in, struct checkpoint_proof *out, struct err *e);

/*
 * note.h - C2SP signed notes: keys, signature lines, verification.
 * Threads: values; the EVP_PKEY is the caller's.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/sha256.h"

struct arena;
struct evp_pkey_st;

enum { NOTE_ED25519 = 1, NOTE_COSIGNATURE = 4 };
enum {
	NOTE_NAME_MAX = 255,
	NOTE_SIGNATURES_MAX = 16,
	NOTE_BYTES_MAX = 65536,
	NOTE_VKEY_MAX = NOTE_NAME_MAX + 1 + 8 + 1 + 44 + 1
};

struct note_key {
	char name[NOTE_NAME_MAX + 1];
	uint8_t type; /* NOTE_ED25519 or NOTE_COSIGNATURE */
	uint8_t id[4];
	uint8_t public[32];
};

struct note_name {
	struct bytes name;
	uint8_t type;
};
/* A key from its parts; ERR_DATA for another type, or a name that is empty, too long, not UTF-8, or
 * has white space, control characters or "+". */
MUST_USE bool note_key_make(struct sha256 *h, const struct note_name *name,
    const uint8_t public[32], struct note_key *out, struct err *e);
/* From the public half of a private key; ERR_CRYPTO if it is not Ed25519. */
MUST_USE bool note_key_of(struct sha256 *h, const struct note_name *name, struct evp_pkey_st *key,
    struct note_key *out, struct err *e);
/* From a vkey, one trailing LF allowed; the key id must be right.  ERR_DATA. */
MUST_USE bool note_key_parse(
    struct sha256 *h, struct bytes vkey, struct note_key *out, struct err *e);
/* The vkey, NUL-terminated. */
void note_key_print(const struct note_key *k, char out[NOTE_VKEY_MAX]);

struct note_signature {
	struct bytes name;
	uint8_t id[4];
	struct bytes blob; /* without the key id, in the arena */
};
struct note {
	struct bytes text; /* with its last LF; a view */
	size_t count;
	struct note_signature signatures[NOTE_SIGNATURES_MAX];
};
/* Syntax only: nothing is verified yet.  ERR_MALFORMED, ERR_NOMEM. */
MUST_USE bool note_parse(struct arena *a, struct bytes in, struct note *out, struct err *e);

/* What one known key said. */
struct note_seen {
	bool verified;
	uint64_t time; /* of a cosignature: s since 1970 */
};
/* For each of 'count' keys whether it signed.  A bad or repeated signature of any of them rejects
 * the note: ERR_BAD_SIGNATURE.  That the wanted ones are verified is the caller's to ask. */
MUST_USE bool note_verify(const struct note *n, const struct note_key *keys, size_t count,
    struct note_seen *seen, struct err *e);

/* Who signs: the private key, and under which name and type. */
struct note_signer {
	struct evp_pkey_st *key; /* borrowed */
	const struct note_key *as;
	uint64_t time; /* of a cosignature: s since 1970 */
};
/* The signature line ("— name base64" LF) over 'text': plain for NOTE_ED25519, with the time for
 * NOTE_COSIGNATURE.  ERR_CRYPTO. */
MUST_USE bool note_sign(struct arena *a, const struct note_signer *signer, struct bytes text,
    struct bytes *line, struct err *e);

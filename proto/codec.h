/*
 * codec.h - reads and writes messages of the schema by tables, strictly: only the canonical
 * encoding is accepted, so two readers can never see two things in the same bytes (FACTS 33).
 * A shape lists the fields of one message in the order of their numbers, with the place in our
 * struct and the limits of each.  Reading is without copies: views borrow from the input, arrays of
 * entries go into the arena after they were counted and allowed.
 * Canonical: fields ascending, singular ones at most once, varints as short as can be, defaults
 * left out, repeated numbers packed, no unknown field.
 * The structs filled here are plain data whose all-zero value means "absent".
 * Pure; no shared state.
 */
#pragma once
#include "proto/facts.h"
#include "proto/syntax.h"

enum codec_kind {
	CODEC_BLOB = 1, /* struct bytes, min..max bytes */
	CODEC_TEXT,	/* the same, UTF-8 without NUL */
	CODEC_BOOL,	/* bool */
	CODEC_ENUM,	/* enum, min..max; anything else is malformed */
	CODEC_U32,	/* uint32_t, min..max */
	CODEC_U64,	/* uint64_t, min..max */
	CODEC_FIXED64,	/* uint64_t, min..max */
	CODEC_PART,	/* struct, embedded; must be there */
	CODEC_MAYBE,	/* struct, embedded, with a bool at 'aside' that says whether it is there */
	CODEC_BLOBS,	/* struct names: at most 'most', each min..max bytes */
	CODEC_TEXTS,	/* the same, each UTF-8 without NUL */
	CODEC_U32S,	/* items at 'at', their size_t count at 'aside'; each min..max */
	CODEC_U64S,	/* the same */
	CODEC_PARTS	/* an array of structs at 'at', its size_t count at 'aside' */
};

struct codec_shape;
struct codec_field {
	const char *name;
	uint8_t number;
	uint8_t kind;	/* enum codec_kind */
	bool may_lack;	/* a BLOB or TEXT of min > 0 may be absent altogether */
	bool ascending; /* entries rise strictly */
	uint16_t at, aside;
	uint32_t least, most; /* entries of a repeated field */
	uint64_t min, max;
	bool (*check)(struct bytes in, struct err *e); /* of each text or blob that is there */
	const struct codec_shape *sub;
};
struct codec_shape {
	const char *name;
	const struct codec_field *fields;
	uint8_t count;
	uint16_t size; /* of our struct */
};

/* One reading of one message: what it may take, and where it stands. */
struct codec {
	struct arena *arena;
	uint32_t elements; /* fields and entries that may still come */
	unsigned depth;
	bool value; /* what failed is one value's range, not the encoding */
	struct {
		const char *name; /* NULL: the shape itself */
		size_t index;	  /* of the entry, CODEC_NO_INDEX */
	} path[8];
};
#define CODEC_NO_INDEX SIZE_MAX

void codec_init(struct codec *c, struct arena *a, uint32_t elements);
/*
 * Reads 'in' into *out (shape->size bytes, written in full or, on failure, in part: give it a local
 * and copy).  ERR_UNKNOWN_MESSAGE, ERR_NOT_CANONICAL, ERR_LIMIT, ERR_MALFORMED, ERR_NOMEM, with
 * the field before the story.
 */
MUST_USE bool codec_read(
    struct codec *c, const struct codec_shape *shape, struct bytes in, void *out, struct err *e);
/* After a failure: "portions[3].labels[0].categories", cut to 'size', "" at the top. */
void codec_where(const struct codec *c, char *out, size_t size);

/* One varint as the canonical form has it: false leaves the cursor failed and sets *e. */
MUST_USE bool codec_varint(struct cursor *c, uint64_t *out, struct err *e);

struct codec_frame {
	struct arena *arena;
	uint32_t elements; /* as many as a reader will allow */
	struct bytes head; /* put before it: how Message carries its request number */
};
/* Writes *in, checked by the same rules: ERR_LIMIT, ERR_MALFORMED with the field, ERR_NOMEM. */
MUST_USE bool codec_write(const struct codec_shape *shape, const void *in,
    const struct codec_frame *frame, struct bytes *out, struct err *e);
/* The size that codec_write will give, without the head; 'in' need not be valid. */
size_t codec_size(const struct codec_shape *shape, const void *in);
/* Writes a varint (at most 10 bytes) and returns its length. */
size_t codec_put_varint(uint8_t *out, uint64_t v);

/* For tests and for codec_write: the checks of one value or of the number of entries. */
MUST_USE bool codec_check_bytes(const struct codec_field *f, struct bytes v, struct err *e);
MUST_USE bool codec_check_number(const struct codec_field *f, uint64_t v, struct err *e);
MUST_USE bool codec_check_count(const struct codec_field *f, size_t count, struct err *e);

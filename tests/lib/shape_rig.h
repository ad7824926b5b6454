/*
 * shape_rig.h - fills and writes messages by the tables of proto/codec.h, well or with one fault of
 * a chosen kind at a chosen field.  The writer shares nothing with codec_write.c but the tables.
 */
#pragma once
#include "proto/codec.h"

struct arena;

enum shape_fault {
	FAULT_NONE,
	/* one value is wrong */
	FAULT_TOO_LONG,	  /* a text, blob or entry one byte longer than allowed */
	FAULT_TOO_SHORT,  /* one byte shorter than the least (if that is above 1) */
	FAULT_NOT_UTF8,	  /* a text with a byte that begins no character */
	FAULT_NUL,	  /* a text with a NUL */
	FAULT_ABOVE,	  /* a number or enum one past its highest */
	FAULT_MISSING,	  /* left out though it must be there */
	FAULT_TOO_MANY,	  /* one entry more than allowed */
	FAULT_NOT_RISING, /* the same entry twice where they must rise */
	/* the encoding is wrong */
	FAULT_DEFAULT,	   /* a default written out */
	FAULT_LONG_NUMBER, /* a varint (a value or a length) in more bytes than it needs */
	FAULT_TWICE,	   /* a singular field again */
	FAULT_UNKNOWN,	   /* a field before it that the schema does not have */
	FAULT_WIRE_TYPE,   /* the right number, another wire type */
	FAULT_OVER_64,	   /* a varint of more than 64 bits */
	FAULT_COUNT
};
const char *shape_fault_name(enum shape_fault fault);

/* A struct of the shape with every field there and valid: least lengths where they are above 0,
 * one character otherwise, two entries in every list. */
void *shape_fill(struct arena *a, const struct codec_shape *shape);
/* The same with every field that may be absent left out. */
void *shape_fill_least(struct arena *a, const struct codec_shape *shape);

/*
 * Writes *in with 'fault' at the first occurrence of 'target'.  *could says whether that fault is
 * possible there; if not, what is returned means nothing.
 */
struct shape_spoil {
	const struct codec_field *target; /* NULL: none */
	enum shape_fault fault;
	bool could, done;
};
struct bytes shape_write(
    struct arena *a, const struct codec_shape *shape, const void *in, struct shape_spoil *spoil);

/* Every field of the shape and of those below it, once, in the order of writing. */
typedef void shape_visit(void *arg, const struct codec_field *f);
void shape_walk(const struct codec_shape *shape, shape_visit *visit, void *arg);

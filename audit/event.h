/*
 * event.h - the types of audit records and the bodies (slot 7) that go with them.
 * One generic encoder and decoder over audit/body.def, so that the two cannot differ.
 * Threads: values; no shared state.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

struct arena;

enum event_type {
	EVENT_NONE = 0, /* is none of them */
#define E(number, name, token, slots) EVENT_##name = number,
#include "audit/event.def"
#undef E
	EVENT_END
};

enum body_kind {
	BODY_DIGEST = 1,
	BODY_DIGESTS, /* 32 bytes each */
	BODY_TEXT,
	BODY_UINT,
	BODY_ENUM,
	BODY_INDEXES, /* u64 each, ascending */
	BODY_ID,
	BODY_BYTES
};

/* BODY_REFUSED_CODE and so on: the line of audit/body.def, over all events. */
enum body_field {
#define F(event, name, token, kind, required, words) BODY_##event##_##name,
#include "audit/body.def"
#undef F
	BODY_FIELD_COUNT
};

enum { BODY_FIELDS_MAX = 8 };

/* A body being written or read.  Do not copy it: numbers are kept inside. */
struct body {
	enum event_type type;
	struct bytes field[BODY_FIELDS_MAX]; /* borrowed; absent: length 0 */
	uint8_t number[BODY_FIELDS_MAX][8];
};

/* The token of a type ("party-head"); of an unknown number "unknown". */
const char *event_token(enum event_type type);
/* The type of a token; EVENT_NONE if there is none. */
enum event_type event_from_token(struct bytes token);
/* The slots that a record of the type may use: bit i for slot i (1..8); 0 for an unknown type. */
unsigned event_slots(enum event_type type);

/* Writing: begin, the setters, then record_set_body or event_body_encode.  A field of another type,
 * or a value of another kind, is our own mistake (assert).  Views must live until it is encoded. */
void event_body_begin(struct body *b, enum event_type type);
void event_body_bytes(struct body *b, enum body_field f, struct bytes v); /* all but UINT, ENUM */
void event_body_uint(struct body *b, enum body_field f, uint64_t v);
void event_body_enum(struct body *b, enum body_field f, unsigned v);

/* The slot value: length for event_body_write, which needs that much room. */
size_t event_body_size(const struct body *b);
void event_body_write(const struct body *b, uint8_t *to);
/* Checks what was set as event_body_parse would: ERR_DATA and the field. */
MUST_USE bool event_body_check(const struct body *b, struct err *e);

/* Reads a slot value; ERR_MALFORMED and the field at the first fault (length, UTF-8, order of
 * indexes, enum out of range, required field missing, unknown bytes).  Views point into 'value'.
 * A type without a body takes the empty value only. */
MUST_USE bool event_body_parse(
    enum event_type type, struct bytes value, struct body *out, struct err *e);

/* Reading: the raw field (absent: length 0), a number (0 if absent: ask event_body_has). */
bool event_body_has(const struct body *b, enum body_field f);
struct bytes event_body_get(const struct body *b, enum body_field f);
uint64_t event_body_number(const struct body *b, enum body_field f);

/* The table itself, for printers: the fields of a type in order. */
struct body_def {
	enum event_type type;
	const char *token;
	enum body_kind kind;
	bool required;
	const char *words;
};
/* The fields of 'type': the first one's number, and how many. */
size_t event_body_fields(enum event_type type, enum body_field *first);
const struct body_def *event_body_def(enum body_field f);
/* The word of an enum field's value ("in-force"); "" if out of range.  Not NUL-terminated. */
struct bytes event_body_word(enum body_field f, unsigned v);

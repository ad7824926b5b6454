/*
 * slot.h - the typed slots 1 to 6 and 8 of a record, encoder and decoder side by side
 * (docs/audit-format.md section 1).  Absent: a view of length 0, a NULL digest, SLOT_ABSENT.
 * Threads: values; no shared state.
 */
#pragma once
#include "audit/event.h"
#include "proto/bytes.h"
#include "proto/facts.h"

struct arena;

#define SLOT_ABSENT UINT64_MAX	    /* this number is not given */
#define SLOT_LATER (UINT64_MAX - 1) /* the committer will patch it in */

struct slot_common { /* 1 */
	enum event_type type;
	uint64_t time;	     /* µs since 1970 UTC; the committer sets it */
	struct bytes report; /* 16 or absent */
};
struct slot_release { /* 2 */
	struct bytes recipient, agreements, marking;
	const uint8_t *released; /* 32 */
};
struct slot_publication { /* 3 */
	struct bytes party, agent;
	const uint8_t *manifest; /* leaf hash of the manifest, 32 */
	struct bytes banner;
	uint64_t index; /* SLOT_LATER: log_append sets it */
};
struct slot_decision { /* 4 */
	enum outcome outcome;
	struct bytes reasons; /* from slot_reasons */
	const uint8_t *policy, *facts;
	uint64_t link; /* SLOT_LATER: log_append sets it */
};
struct slot_hub { /* 5 */
	struct bytes node;
	uint64_t connection;
	const uint8_t *certificate;
	struct bytes clock; /* "sync", "free", "doubt" */
};
struct slot_person { /* 6 */
	struct bytes actor, justification;
};

/*
 * Encoders: the slot value in 'a'.  All fields absent gives the empty value { NULL, 0 }.  A number
 * that is SLOT_LATER is written as 0; '*later' (may be NULL) is then where its 8 bytes are, else
 * NULL.  ERR_NOMEM.
 */
MUST_USE bool slot_put_common(
    struct arena *a, const struct slot_common *v, struct bytes *out, uint8_t **time, struct err *e);
MUST_USE bool slot_put_release(
    struct arena *a, const struct slot_release *v, struct bytes *out, struct err *e);
MUST_USE bool slot_put_publication(struct arena *a, const struct slot_publication *v,
    struct bytes *out, uint8_t **later, struct err *e);
MUST_USE bool slot_put_decision(struct arena *a, const struct slot_decision *v, struct bytes *out,
    uint8_t **later, struct err *e);
MUST_USE bool slot_put_hub(
    struct arena *a, const struct slot_hub *v, struct bytes *out, struct err *e);
MUST_USE bool slot_put_person(
    struct arena *a, const struct slot_person *v, struct bytes *out, struct err *e);

/* Decoders: ERR_MALFORMED and the field.  The empty value gives all fields absent (slot 1 may not
 * be empty).  Views point into 'in'. */
MUST_USE bool slot_get_common(struct bytes in, struct slot_common *out, struct err *e);
MUST_USE bool slot_get_release(struct bytes in, struct slot_release *out, struct err *e);
MUST_USE bool slot_get_publication(struct bytes in, struct slot_publication *out, struct err *e);
MUST_USE bool slot_get_decision(struct bytes in, struct slot_decision *out, struct err *e);
MUST_USE bool slot_get_hub(struct bytes in, struct slot_hub *out, struct err *e);
MUST_USE bool slot_get_person(struct bytes in, struct slot_person *out, struct err *e);
MUST_USE bool slot_get_place(struct bytes in, uint64_t *index, struct err *e); /* or SLOT_ABSENT */

/* One portion's line of slot 4. */
struct slot_reason {
	uint32_t portion;
	struct bytes verdict; /* "release", "hold", "withhold" */
	struct bytes reason;
	struct bytes agreement, rule; /* absent: "-" */
};
/* The lines, in the order given; a word with a space or control character is ERR_DATA. */
MUST_USE bool slot_reasons(struct arena *a, const struct slot_reason *reasons, size_t count,
    struct bytes *out, struct err *e);
/* Takes the next line off '*text'; ERR_MALFORMED.  At the end of the text ask text->len first. */
MUST_USE bool slot_reason_next(struct bytes *text, struct slot_reason *out, struct err *e);
/* The word of an outcome: "release", "redact", "hold", "withhold"; "-" for none. */
const char *slot_outcome_word(enum outcome o);

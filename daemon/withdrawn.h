/*
 * withdrawn.h - what a Notice names, and what is remembered of reports that were withdrawn (design
 * 8): a note for each that was recalled, and for each party from which a newer one took it, so that
 * nothing brings it back.  Values, and reads of whatever view the caller has.
 */
#pragma once
#include "daemon/store.h"

/* The report that a Notice names; JOB_PART_NAMED (docs/decisions/0029-notices.md). */
struct named {
	uint8_t act; /* enum envelope_act; 0: there is no Notice */
	uint8_t precedence;
	struct store_report_key key;
	struct bytes reason; /* a closed code, or absent */
};
enum { NAMED_BYTES = 2 + 4 + STORE_ID_BYTES + 64 };
/* 'to' has room for NAMED_BYTES. */
struct bytes named_write(const struct named *n, uint8_t to[NAMED_BYTES]);
/* Views point into 'in'.  ERR_CORRUPT. */
MUST_USE bool named_read(struct bytes in, struct named *out, struct err *e);
/* Of the report with this INTAKE; act 0: it has no Notice. */
MUST_USE bool named_find(struct store_view *v, uint64_t intake, struct named *out, struct err *e);

/* The names of the notes. */
enum { WITHDRAWN_ROOM = 96 };
void withdrawn_all(const struct store_report_key *report, char out[WITHDRAWN_ROOM]);
void withdrawn_from(
    uint32_t party, const struct store_report_key *report, char out[WITHDRAWN_ROOM]);
/* Of a report that a newer one was to take the place of, for anybody. */
void withdrawn_newer(const struct store_report_key *report, char out[WITHDRAWN_ROOM]);
/* Whether there is any of these notes of the report but those of single parties. */
MUST_USE bool withdrawn_any(
    struct store_view *v, const struct store_report_key *report, bool *is, struct err *e);
/* Whether the report was recalled, or taken from the party by a newer one. */
MUST_USE bool withdrawn_is(struct store_view *v, uint32_t party,
    const struct store_report_key *report, bool *is, struct err *e);

/* The DELIVERY of what the party had of it, now or before; STORE_NONE: nothing ever. */
MUST_USE bool withdrawn_had(
    struct store_view *v, const struct store_given *g, uint64_t *delivery, struct err *e);

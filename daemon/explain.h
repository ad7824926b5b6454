/*
 * explain.h - what a publisher may know of the decisions about its own report.
 * Threads: the publisher's worker.
 */
#pragma once
#include "daemon/publish.h"

/* Answers a dry run. */
MUST_USE bool explain_dry_run(
    struct conn *c, uint64_t request, const struct publish *p, struct arena *a, struct err *e);
/* The first receipt of a report that is stored, read back through the desk's open view. */
MUST_USE bool explain_receipt(
    struct desk *d, struct job_publish *p, struct arena *a, struct err *e);
/* What a receipt says of agreements that could not be used, to be kept with the report. */
MUST_USE bool explain_unusable_write(
    struct arena *a, const struct msg_unusable *u, size_t count, struct bytes *out, struct err *e);
/* ..read back, of an INTAKE, through the desk's open view. */
MUST_USE bool explain_unusable_read(struct desk *d, uint64_t intake, struct arena *a,
    const struct msg_unusable **out, size_t *count, struct err *e);
/* The digest of the facts of an INTAKE. */
MUST_USE bool explain_secret(struct desk *d, uint64_t intake, uint8_t out[32], struct err *e);
/* The DELIVERY of what it was given, or of what it had before that was narrowed; STORE_NONE: there
 * never was one. */
MUST_USE bool explain_delivery(
    struct desk *d, const struct store_given *g, uint64_t *index, struct err *e);
/* The record of an entry, parsed; views point into the entry's bytes. */
MUST_USE bool explain_record(
    struct desk *d, uint64_t index, struct record *r, uint8_t leaf[32], struct err *e);

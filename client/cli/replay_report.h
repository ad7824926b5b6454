/*
 * replay_report.h - whether facts say of a report what its publisher signed: manifest, routing and
 * heads, which the log commits to (docs/audit-format.md section 8).
 * Threads: one.
 */
#pragma once
#include "client/cli/content.h"
#include "proto/arena.h"
#include "proto/envelope.h"

struct replay_report {
	const struct content_reader *reader;
	struct arena file; /* holds the file of report/ that was read last */
	bool read;
	uint64_t number; /* of that file */
	struct bytes left;
};
void replay_report_init(struct replay_report *r, const struct content_reader *reader);
void replay_report_done(struct replay_report *r);

/* One report, as its publisher wrote it. */
struct replay_signed {
	const char *lacks; /* what the bundle has not; then nothing else counts */
	struct envelope_manifest manifest;
	struct envelope_routing routing;
	const struct fact_portion *portions;
	size_t portion_count;
};
struct replay_intake {
	uint64_t index;
	const uint8_t *leaf; /* of the manifest, slot 3 */
};
/* INTAKEs come in order.  What *out points to lives in 'a'. */
MUST_USE bool replay_report_read(struct replay_report *r, const struct replay_intake *intake,
    struct arena *a, struct replay_signed *out, struct err *e);

/* What these facts say otherwise than the report, in a word; NULL: nothing. */
const char *replay_report_differs(const struct replay_signed *s, const struct facts *f);

/* What facts of one report have in common for good, its sources too: later ones must repeat it. */
MUST_USE bool replay_report_core(
    const struct facts *f, struct sha256 *h, struct arena *a, uint8_t out[32], struct err *e);
/* The obligations that were opened, as a digest. */
MUST_USE bool replay_report_opened(
    const struct facts *f, struct sha256 *h, struct arena *a, uint8_t out[32], struct err *e);

/*
 * feedback.h - what recipients said of a report (design 8), remembered beside its FEEDBACK records:
 * a note for each party that said something, so that the originator is told without a walk through
 * the log (docs/decisions/0034-feedback.md).  The records are the evidence; a note has the last
 * LIMIT_FEEDBACK_KEPT of them.
 * Values, and reads of whatever view the caller has.
 */
#pragma once
#include "daemon/store.h"
#include "proto/limits.h"

enum {
	FEEDBACK_CODE = 32, /* at most so long a code: proto/notice.def */
	FEEDBACK_NAME = 64,
	FEEDBACK_BYTES = 8 + LIMIT_FEEDBACK_KEPT * (3 * 8 + 1 + FEEDBACK_CODE)
};

struct feedback_said {
	uint64_t record; /* FEEDBACK */
	uint64_t time_us, sighted_us;
	struct bytes code;
};
struct feedback {
	uint64_t count; /* of all that it ever said */
	size_t kept;	/* the last of them, oldest first */
	struct feedback_said said[LIMIT_FEEDBACK_KEPT];
};

/* The name of a party's note; without a party (0) what all of a report's begin with. */
void feedback_name(const struct store_report_key *report, uint32_t party, char out[FEEDBACK_NAME]);
/* Whose note that is.  ERR_CORRUPT. */
MUST_USE bool feedback_party(struct bytes name, uint32_t *out, struct err *e);
/* Views point into 'in'.  ERR_CORRUPT. */
MUST_USE bool feedback_read(struct bytes in, struct feedback *out, struct err *e);
struct bytes feedback_write(const struct feedback *f, uint8_t to[FEEDBACK_BYTES]);
/* One more; the oldest gives way. */
void feedback_add(struct feedback *f, const struct feedback_said *said);

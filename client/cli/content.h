/*
 * content.h - the contents of a bundle, by digest (docs/audit-format.md section 8): what is given
 * out is what the digest says.
 * Threads: one.
 */
#pragma once
#include "audit/bundle.h"

struct content_reader {
	/* A whole file of the bundle into 'a'; one that is not there gives { NULL, 0 }. */
	bool (*read)(
	    void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e);
	void *ctx;
	struct sha256 *hash; /* borrowed */
};
struct content_want {
	enum bundle_dir dir;
	const uint8_t *digest; /* 32 */
};
/* Absent where the bundle lacks it; ERR_DATA if it is not what its name says. */
MUST_USE bool content_read(const struct content_reader *r, const struct content_want *want,
    struct arena *a, struct bytes *out, struct err *e);

/* Whether a record of this type decides: a NARROWED or APPROVAL is a later decision, of whose facts
 * what was released or held before counts, and the answers of people. */
bool content_decides(enum event_type type);

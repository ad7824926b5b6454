/*
 * doctor.h - relto doctor: whether a context would work, and what to do where it would not.
 * Threads: one.
 */
#pragma once
#include "client/cli/session.h"

enum finding_kind { FINDING_OK, FINDING_WARN, FINDING_FAIL };
struct finding {
	enum finding_kind kind;
	const char *check; /* "certificate" */
	const char *text;  /* what was found */
	const char *help;  /* what to do; NULL with FINDING_OK */
};
enum { FINDINGS = 128 };
/* All texts live in the arena; what does not fit is counted as a failure. */
struct doctor {
	struct arena *arena;
	const struct context *context;
	struct finding items[FINDINGS];
	size_t count;
	uint64_t now_ms;
};

void doctor_say(struct doctor *d, enum finding_kind kind, const char *check, const char *help,
    const char *fmt, ...) PRINTF_LIKE(5, 6);
/* When something ends: fails if it has, warns within 30 days of it. */
void doctor_until(
    struct doctor *d, const char *check, const char *what, uint64_t ms, const char *help);
/* The files that the context names: certificate, key, bundles, the log's key, the state folder. */
void doctor_files(struct doctor *d);
/* The broker: connection, who I am, agreements and their terms. */
void doctor_broker(struct doctor *d, const struct context_flags *flags);

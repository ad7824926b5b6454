/*
 * sheet.h - the auditor's report of a log as one page of HTML that needs nothing else: no script,
 * no other file, readable on a screen and on paper.
 * What stands in it comes from other parties: all of it goes through html.h.
 * Threads: one.
 */
#pragma once
#include "audit/verify_say.h"
#include "audit/verify_story.h"
#include "audit/verify_tally.h"

struct sheet_replay {
	uint64_t reports, decisions, policies; /* judged again */
	uint64_t differ, facts, unjudged;
};
struct sheet {
	const struct verify_say *say; /* what was found and may be concluded */
	struct tally_pair **pairs;    /* from a tally: the figures of `relto-verify stats` */
	struct tally_day **days;
	struct tally_reason **reasons;
	size_t pair_count, day_count, reason_count;
	uint64_t held, undelivered, unacknowledged; /* what still waits, of `gaps` */
	const struct story *story;
	struct bytes note; /* the signed checkpoint, as it is */
	const char *key;   /* of the log, as the auditor gave it */
	struct sheet_replay replay;
	uint64_t made_us;
	const char *version;
};
/* Writes the page.  False for want of memory or a digest; what the file could not take its owner
 * finds out. */
MUST_USE bool sheet_write(FILE *to, const struct sheet *s, struct err *e);

/* ---- its parts, for sheet*.c alone ---- */

extern const char sheet_style[];
/* A section with its heading; the id is the anchor. */
void sheet_section(FILE *to, const char *id, const char *title);
void sheet_section_end(FILE *to);
/* A table that may be wider than the page: it scrolls by itself. */
void sheet_table(FILE *to, const char *id, const char *label);
void sheet_table_end(FILE *to);
/* <th scope="col">; numbers stand at the right. */
void sheet_head(FILE *to, const char *text, bool number);
void sheet_cell(FILE *to, struct bytes text);
void sheet_number(FILE *to, uint64_t n);
/* "2026-11-30 09:05:44" UTC, in a <time>; "2 h 5 min". */
void sheet_time(FILE *to, uint64_t us);
void sheet_duration(FILE *to, uint64_t us);
/* The first characters of a report's id; the whole one as its title. */
void sheet_report(FILE *to, struct bytes id);
/* ' data-NAME="text"' */
void sheet_data(FILE *to, const char *name, struct bytes text);
void sheet_data_uint(FILE *to, const char *name, uint64_t n);

MUST_USE bool sheet_releases(FILE *to, const struct sheet *s, struct err *e);
void sheet_days(FILE *to, const struct sheet *s);
void sheet_reasons(FILE *to, const struct sheet *s);
void sheet_holds(FILE *to, const struct story *s);
void sheet_stops(FILE *to, const struct story *s);
void sheet_changes(FILE *to, const struct story *s);

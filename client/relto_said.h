/*
 * relto_said.h - part of relto.h: what became of a report: how far its recall has come, what
 * recipients answer to that, and what they say a report is worth.
 */
#ifndef RELTO_SAID_H
#define RELTO_SAID_H

#include "relto.h"

#ifdef __cplusplus
extern "C" {
#endif

struct relto_recalled { /* a recipient of a report that was recalled; times are 0: not (yet) */
	const char *recipient;
	bool withdrawn;	      /* something of it waited, and does no more */
	uint64_t notified_us; /* it had something, and is told since then */
	uint64_t received_us; /* it acknowledged that */
	const char *answer;   /* a closed code, "" if there is none yet */
	uint64_t answered_us;
};
struct relto_recall_status {
	uint8_t report[RELTO_ID_BYTES];
	const char *topic;
	enum relto_precedence precedence;
	bool exercise;
	bool recalled;			/* false: it was not, and nothing below is set */
	uint8_t notice[RELTO_ID_BYTES]; /* the id of its last recall */
	const char *code;
	uint64_t recalled_us;
	const struct relto_recalled *recipients;
	size_t recipient_count;
};
/* How far the last recall of a report has come; the id is the report's, or the recall's own. */
RELTO_API bool relto_recall_status(struct relto_connection *c, const uint8_t id[RELTO_ID_BYTES],
    struct relto_recall_status **out, struct relto_error *e);
RELTO_API void relto_recall_status_free(struct relto_recall_status *s);
/* What became here of a report that was recalled: one of relto_answer_code.  The id is the
 * recall's, or the report's.  Returns when it is on record; its originator reads it. */
RELTO_API bool relto_recall_answer(struct relto_connection *c, const uint8_t id[RELTO_ID_BYTES],
    const char *answer, struct relto_error *e);
RELTO_API const char *relto_answer_code(size_t n); /* by number from 0; NULL behind the last */
/* What a report that was delivered here is worth, to its originator alone: one of
 * relto_feedback_code, with the time in "sighted" alone (else 0). */
RELTO_API bool relto_feedback(struct relto_connection *c, const uint8_t report[RELTO_ID_BYTES],
    const char *code, uint64_t sighted_us, struct relto_error *e);
RELTO_API const char *relto_feedback_code(size_t n);

struct relto_feedback_said {
	const char *code;
	uint64_t said_us, sighted_us; /* sighted_us: of "sighted" alone, else 0 */
};
struct relto_feedback_by {
	const char *recipient;
	uint64_t count;				/* how often it said something.. */
	const struct relto_feedback_said *said; /* ..and the last of that, oldest first */
	size_t said_count;
};
struct relto_feedback_status {
	uint8_t report[RELTO_ID_BYTES];
	const struct relto_feedback_by *recipients; /* who said something */
	size_t recipient_count;
};
/* What recipients said of a report of one's own party; the records in the log have all of it.
 * unknown-report: it is not there, or another party's; version: the broker is too old. */
RELTO_API bool relto_feedback_status(struct relto_connection *c,
    const uint8_t report[RELTO_ID_BYTES], struct relto_feedback_status **out,
    struct relto_error *e);
RELTO_API void relto_feedback_status_free(struct relto_feedback_status *s);

#ifdef __cplusplus
}
#endif
#endif

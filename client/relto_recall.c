#include "client/inside.h"

#include "proto/notice.h"

#include <stdlib.h>

enum { STATUS_BYTES = 16 << 20 };

struct held_status {
	struct relto_recall_status pub;
	struct arena arena;
};

const char *
relto_notice_code(enum relto_act act, size_t n)
{
	return notice_code((enum notice_list)act, n);
}

void
relto_recall_status_free(struct relto_recall_status *s)
{
	if (s == NULL)
		return;
	arena_done(&((struct held_status *)s)->arena);
	free(s);
}

/* The messages came with version 2. */
static bool
knows_recalls(struct relto_connection *c, struct relto_error *e)
{
	return c->version >= msg_since(MSG_RECALL_STATUS) ||
	       inside_failf(e, ERR_VERSION, "this broker knows no recalls: it is too old");
}

static bool
copy_head(struct arena *a, const struct msg_recall_status_reply *in, struct relto_recall_status *s)
{
	memcpy(s->report, in->report.data, sizeof(s->report));
	s->topic = inside_text(a, in->topic);
	s->precedence = (enum relto_precedence)in->precedence;
	s->exercise = in->mode == MODE_EXERCISE;
	s->recalled = in->notice.len > 0;
	s->code = inside_text(a, in->reason);
	if (s->recalled)
		memcpy(s->notice, in->notice.data, sizeof(s->notice));
	s->recalled_us = in->recalled;
	return s->topic != NULL && s->code != NULL;
}

/* Adds one message of perhaps several. */
static bool
add_page(struct held_status *h, const struct msg_recall_status_reply *in)
{
	struct relto_recall_status *s = &h->pub;
	size_t old = s->recipient_count;
	struct relto_recalled *all =
	    arena_zalloc(&h->arena, old + in->recipient_count, sizeof(*all));
	if (all == NULL || (s->topic == NULL && !copy_head(&h->arena, in, s)))
		return false;
	if (old > 0)
		memcpy(all, s->recipients, old * sizeof(*all));
	for (size_t i = 0; i < in->recipient_count; i++) {
		const struct msg_recall_recipient *from = &in->recipients[i];
		struct relto_recalled *to = &all[old + i];
		*to = (struct relto_recalled){ inside_text(&h->arena, from->recipient),
			from->withdrawn, from->notified, from->received,
			inside_text(&h->arena, from->answer), from->answered };
		if (to->recipient == NULL || to->answer == NULL)
			return false;
	}
	s->recipients = all;
	s->recipient_count = old + in->recipient_count;
	return true;
}

/* The answer is about the report that was asked for, or about the one that it recalls. */
static bool
is_asked(struct relto_connection *c, const struct msg_recall_status_reply *in,
    const uint8_t id[RELTO_ID_BYTES], struct relto_error *e)
{
	return bytes_equal(in->notice, bytes_from(id, RELTO_ID_BYTES)) ||
	       inside_is_about(c, in->report, id, e);
}

static bool
collect(struct relto_connection *c, const uint8_t id[RELTO_ID_BYTES], struct held_status *h,
    struct relto_error *e)
{
	for (bool more = true; more;) {
		SCOPED(inside_message_free) struct inside_message *m = NULL;
		if (!inside_expect(c, MSG_RECALL_STATUS_REPLY, &m, e) ||
		    !is_asked(c, &m->msg.recall_status_reply, id, e))
			return false;
		more = m->msg.recall_status_reply.more;
		if (!add_page(h, &m->msg.recall_status_reply))
			return inside_failf(e, ERR_NOMEM, "recall");
	}
	return true;
}

bool
relto_recall_status(struct relto_connection *c, const uint8_t id[RELTO_ID_BYTES],
    struct relto_recall_status **out, struct relto_error *e)
{
	struct msg m = { .type = MSG_RECALL_STATUS };
	if (!knows_recalls(c, e))
		return false;
	struct held_status *h = calloc(1, sizeof(*h));
	if (h == NULL)
		return inside_failf(e, ERR_NOMEM, "recall");
	arena_init(&h->arena, STATUS_BYTES);
	m.recall_status.report = bytes_from(id, RELTO_ID_BYTES);
	bool ok = inside_start(c, &m, 0, e) && collect(c, id, h, e);
	inside_forget(c);
	if (ok)
		*out = &h->pub;
	else
		relto_recall_status_free(&h->pub);
	return ok;
}

/* A recall says again what its report said: the broker knows it. */
bool
relto_recall(struct relto_connection *c, const uint8_t report[RELTO_ID_BYTES], const char *code,
    struct relto_receipt **receipt, struct relto_error *e)
{
	struct relto_recall_status *s = NULL;
	if (!relto_recall_status(c, report, &s, e))
		return false;
	const struct relto_report r = {
		.topic = s->topic, .precedence = s->precedence, .exercise = s->exercise
	};
	struct relto_notice about = { .act = RELTO_RECALL, .code = code };
	memcpy(about.report, report, sizeof(about.report));
	bool ok = relto_publish_about(c, &r, &about, receipt, e);
	relto_recall_status_free(s);
	return ok;
}

/* ---- what a recipient says ---- */

const char *
relto_answer_code(size_t n)
{
	return notice_code(NOTICE_ANSWER, n);
}

const char *
relto_feedback_code(size_t n)
{
	return notice_code(NOTICE_FEEDBACK, n);
}

bool
relto_recall_answer(struct relto_connection *c, const uint8_t id[RELTO_ID_BYTES],
    const char *answer, struct relto_error *e)
{
	struct msg m = { .type = MSG_RECALL_ANSWER };
	SCOPED(inside_message_free) struct inside_message *got = NULL;
	m.recall_answer.report = bytes_from(id, RELTO_ID_BYTES);
	m.recall_answer.answer = bytes_of(answer);
	return knows_recalls(c, e) && inside_ask(c, &m, MSG_PONG, &got, e);
}

bool
relto_feedback(struct relto_connection *c, const uint8_t report[RELTO_ID_BYTES], const char *code,
    uint64_t sighted_us, struct relto_error *e)
{
	struct msg m = { .type = MSG_FEEDBACK };
	SCOPED(inside_message_free) struct inside_message *got = NULL;
	m.feedback.report = bytes_from(report, RELTO_ID_BYTES);
	m.feedback.code = bytes_of(code);
	m.feedback.sighted = sighted_us;
	return knows_recalls(c, e) && inside_ask(c, &m, MSG_PONG, &got, e);
}

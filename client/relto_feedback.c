#include "client/inside.h"

#include <stdlib.h>

enum { STATUS_BYTES = 16 << 20 };

struct held_feedback {
	struct relto_feedback_status pub;
	struct arena arena;
};

void
relto_feedback_status_free(struct relto_feedback_status *s)
{
	if (s == NULL)
		return;
	arena_done(&((struct held_feedback *)s)->arena);
	free(s);
}

static bool
copy_recipient(
    struct arena *a, const struct msg_feedback_recipient *in, struct relto_feedback_by *to)
{
	struct relto_feedback_said *said = arena_zalloc(a, in->said_count + 1, sizeof(*said));
	if (said == NULL)
		return false;
	for (size_t i = 0; i < in->said_count; i++) {
		said[i] = (struct relto_feedback_said){ inside_text(a, in->said[i].code),
			in->said[i].time, in->said[i].sighted };
		if (said[i].code == NULL)
			return false;
	}
	*to = (struct relto_feedback_by){ inside_text(a, in->recipient), in->count, said,
		in->said_count };
	return to->recipient != NULL;
}

static bool
add_page(struct held_feedback *h, const struct msg_feedback_status_reply *in)
{
	struct relto_feedback_status *s = &h->pub;
	size_t old = s->recipient_count;
	struct relto_feedback_by *all =
	    arena_zalloc(&h->arena, old + in->recipient_count + 1, sizeof(*all));
	if (all == NULL)
		return false;
	if (old > 0)
		memcpy(all, s->recipients, old * sizeof(*all));
	for (size_t i = 0; i < in->recipient_count; i++)
		if (!copy_recipient(&h->arena, &in->recipients[i], &all[old + i]))
			return false;
	s->recipients = all;
	s->recipient_count = old + in->recipient_count;
	return true;
}

/* What goes on goes on behind whom it ended with; it ends, since each page has somebody. */
static bool
is_sound(
    struct relto_connection *c, const struct msg_feedback_status_reply *in, struct relto_error *e)
{
	struct err why;
	if (in->next.len == 0 ||
	    (in->recipient_count > 0 &&
		bytes_equal(in->next, in->recipients[in->recipient_count - 1].recipient)))
		return true;
	(void)err_set(&why, ERR_PROTOCOL, "a list of feedback that goes on nowhere");
	return inside_break(c, &why, e);
}

static bool
ask(struct relto_connection *c, struct held_feedback *h, bool *more, struct relto_error *e)
{
	struct msg m = { .type = MSG_FEEDBACK_STATUS };
	SCOPED(inside_message_free) struct inside_message *got = NULL;
	struct relto_feedback_status *s = &h->pub;
	m.feedback_status.report = bytes_from(s->report, sizeof(s->report));
	if (s->recipient_count > 0)
		m.feedback_status.from = bytes_of(s->recipients[s->recipient_count - 1].recipient);
	if (!inside_ask(c, &m, MSG_FEEDBACK_STATUS_REPLY, &got, e))
		return false;
	const struct msg_feedback_status_reply *in = &got->msg.feedback_status_reply;
	if (!inside_is_about(c, in->report, s->report, e) || !is_sound(c, in, e))
		return false;
	*more = in->next.len > 0;
	return add_page(h, in) || inside_failf(e, ERR_NOMEM, "feedback");
}

bool
relto_feedback_status(struct relto_connection *c, const uint8_t report[RELTO_ID_BYTES],
    struct relto_feedback_status **out, struct relto_error *e)
{
	if (c->version < msg_since(MSG_FEEDBACK_STATUS))
		return inside_failf(e, ERR_VERSION, "this broker tells no feedback: it is too old");
	struct held_feedback *h = calloc(1, sizeof(*h));
	if (h == NULL)
		return inside_failf(e, ERR_NOMEM, "feedback");
	arena_init(&h->arena, STATUS_BYTES);
	memcpy(h->pub.report, report, sizeof(h->pub.report));
	bool more = true;
	while (more) {
		if (!ask(c, h, &more, e)) {
			relto_feedback_status_free(&h->pub);
			return false;
		}
	}
	*out = &h->pub;
	return true;
}

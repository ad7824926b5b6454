/* on_feedback.c - who said what of a report, for the party that published it. */
#include "daemon/desk.h"
#include "daemon/feedback.h"
#include "daemon/on.h"
#include "daemon/role.h"
#include "proto/arena.h"
#include "proto/msg.h"

enum { PAGE = MSG_FEEDBACK_RECIPIENTS_MAX + 1, ARENA = 1 << 20 };

/* One FeedbackStatus. */
struct ask {
	struct conn *conn;
	struct desk *desk;
	struct arena *a;
	struct store_report_key report;
	struct msg reply;
	struct msg_feedback_recipient *items;
};

/* A report of the session's own party; anything else is not there (S7). */
static bool
find_report(struct ask *q, struct bytes id, struct err *e)
{
	struct store_report row;
	bool found = false;
	q->report.originator = desk_party(q->conn);
	memcpy(q->report.id, id.data, sizeof(q->report.id));
	if (!store_find_report(q->desk->view, &q->report, &row, &found, e))
		return false;
	return (found && desk_is_signed(q->desk, row.intake)) ||
	       err_set(e, ERR_UNKNOWN_REPORT, "no such report of yours");
}

/* Where to go on: behind the note of that party.  Of one that said nothing, and of a name that is
 * nobody's, it is the beginning: the answer tells neither from the other. */
static bool
find_start(struct ask *q, struct bytes from, char at[FEEDBACK_NAME], struct err *e)
{
	uint32_t party = 0;
	struct bytes value;
	bool found = from.len > 0;
	feedback_name(&q->report, 0, at);
	if (found && !store_find_name(q->desk->view, STORE_NAME_PARTY, from, &party, &found, e))
		return false;
	if (!found)
		return true;
	char name[FEEDBACK_NAME];
	feedback_name(&q->report, party, name);
	if (!store_read_note(q->desk->view, name, &value, &found, e))
		return false;
	if (found)
		memcpy(at, name, sizeof(name));
	return true;
}

/* What one party said; what is not signed yet was not said yet. */
static bool
add(struct ask *q, const struct store_note *note, struct err *e)
{
	struct msg_feedback_status_reply *to = &q->reply.feedback_status_reply;
	struct feedback f;
	uint32_t party;
	bool found = false;
	struct msg_feedback_recipient *r = &q->items[to->recipient_count];
	if (!feedback_party(note->name, &party, e) || !feedback_read(note->value, &f, e))
		return false;
	struct msg_feedback_said *said = arena_zalloc(q->a, f.kept, sizeof(*said));
	if (said == NULL)
		return err_set(e, ERR_NOMEM, "feedback");
	if (!store_name_text(q->desk->view, STORE_NAME_PARTY, party, &r->recipient, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_CORRUPT, "a party without its name");
	while (f.kept > 0 && !desk_is_signed(q->desk, f.said[f.kept - 1].record)) {
		f.kept--;
		f.count--;
	}
	for (size_t i = 0; i < f.kept; i++)
		said[i] = (struct msg_feedback_said){ f.said[i].code, f.said[i].time_us,
			f.said[i].sighted_us };
	r->count = f.count;
	r->said = said;
	r->said_count = f.kept;
	to->recipient_count += f.kept > 0;
	return true;
}

static bool
fill(struct ask *q, struct bytes from, struct err *e)
{
	struct msg_feedback_status_reply *to = &q->reply.feedback_status_reply;
	struct store_note page[PAGE];
	struct bytes after;
	char at[FEEDBACK_NAME];
	if (!find_start(q, from, at, e))
		return false;
	after = bytes_of(at);
	to->report = bytes_from(q->report.id, sizeof(q->report.id));
	to->recipients = q->items;
	for (size_t count = PAGE; count == PAGE && to->recipient_count < PAGE;) {
		if (!store_read_notes(q->desk->view, after, page, &count, e))
			return false;
		for (size_t i = 0; i < count && to->recipient_count < PAGE; i++) {
			if (!add(q, &page[i], e))
				return false;
			after = page[i].name;
		}
	}
	if (to->recipient_count == PAGE) /* more than an answer takes */
		to->next = q->items[--to->recipient_count - 1].recipient;
	return true;
}

bool
on_feedback_status(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	SCOPED(arena_done) struct arena memory;
	struct ask q = { .conn = c,
		.desk = desk_of(c),
		.a = &memory,
		.reply = { .request = m->request, .type = MSG_FEEDBACK_STATUS_REPLY } };
	struct err why = { 0 };
	(void)request;
	arena_init(&memory, ARENA);
	if ((c->peer->roles & (ROLE_PUBLISH | ROLE_AUDIT | ROLE_APPROVE)) == 0)
		return desk_refuse(c, m->request, &(struct complaint){ .code = ERR_ROLE }, e);
	q.items = arena_zalloc(&memory, PAGE, sizeof(*q.items));
	bool ok = q.items != NULL || err_set(&why, ERR_NOMEM, "feedback");
	ok = ok && store_view_open(q.desk->view, &memory, &why) &&
	     find_report(&q, m->feedback_status.report, &why) &&
	     fill(&q, m->feedback_status.from, &why);
	store_view_close(q.desk->view);
	if (ok)
		return conn_send(c, 2, &q.reply, e);
	if (why.code == ERR_UNKNOWN_REPORT) /* somebody guesses ids: on record */
		return desk_refuse(c, m->request, &(struct complaint){ .code = why.code }, e);
	return conn_refuse(c, m->request, &(struct complaint){ .code = desk_our_fault(&why) }, e);
}

/* on_notices.c - what became of a notice: how far a recall has come; what recipients answer to it,
 * and say of a report. */
#include "daemon/explain.h"
#include "daemon/notices.h"
#include "daemon/on.h"
#include "daemon/role.h"
#include "proto/envelope.h"
#include "proto/msg.h"
#include "proto/notice.h"

#include <stdlib.h>

enum {
	PAGE = 128, /* recipients looked at in one turn: some 10 us each, and there may be 8,192 */
	NOTICES_ARENA = LIMIT_MESSAGE_BYTES
};
enum { ACT_WITHDRAWN = 1, ACT_NOTIFIED };

/* A RecallStatus from page to page. */
struct recall_reading {
	uint64_t request;
	uint8_t report[STORE_ID_BYTES]; /* that was asked for.. */
	struct store_report_key recall; /* ..and the recall that the first page was of */
	uint64_t next; /* the record where the next page goes on; 0: it is the first */
};

/* One page of it. */
struct status {
	struct recall_reading *of;
	struct conn *conn;
	struct desk *desk;
	struct arena *a;
	struct store_report_key recall;
	uint64_t intake; /* of the recall */
	struct msg reply;
	struct msg_recall_recipient *items;
};

/* ---- which recall ---- */

static bool
read_manifest(struct status *s, uint64_t intake, struct err *e)
{
	struct bytes manifest;
	struct envelope_manifest m;
	bool found = false;
	if (!store_read_part(s->desk->view, intake, STORE_PART_MANIFEST, &manifest, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_CORRUPT, "a report without its manifest");
	if (!envelope_manifest_decode(manifest, s->a, &m, e))
		return false;
	s->reply.recall_status_reply.topic = m.topic;
	s->reply.recall_status_reply.precedence = m.precedence;
	s->reply.recall_status_reply.mode = m.mode;
	return true;
}

/* The last recall of the report, if there is one. */
static bool
find_recall(struct status *s, const struct store_report_key *report, bool *found, struct err *e)
{
	char name[WITHDRAWN_ROOM];
	struct bytes id;
	if (s->of->next != 0) { /* whatever was recalled since */
		s->recall = s->of->recall;
		*found = true;
		return true;
	}
	withdrawn_all(report, name);
	if (!store_read_note(s->desk->view, name, &id, found, e))
		return false;
	if (*found && id.len != sizeof(s->recall.id))
		return err_set(e, ERR_CORRUPT, "note %s", name);
	s->recall.originator = report->originator;
	if (*found)
		memcpy(s->recall.id, id.data, sizeof(s->recall.id));
	return true;
}

static bool
take_recall(struct status *s, bool *found, struct err *e)
{
	struct msg_recall_status_reply *to = &s->reply.recall_status_reply;
	struct store_report row;
	struct named n;
	if (!store_find_report(s->desk->view, &s->recall, &row, found, e))
		return false;
	*found = *found && desk_is_signed(s->desk, row.intake);
	if (!*found)
		return true;
	if (!named_find(s->desk->view, row.intake, &n, e))
		return false;
	s->intake = row.intake;
	to->recalled = row.accepted_us;
	to->reason = n.reason;
	return arena_copy(s->a, bytes_from(s->recall.id, STORE_ID_BYTES), &to->notice, e) &&
	       arena_copy(s->a, bytes_from(n.key.id, STORE_ID_BYTES), &to->report, e);
}

/* A report of the session's party, or a recall of one. */
static bool
begin(struct status *s, struct bytes id, bool *recalled, struct err *e)
{
	struct store_report_key key = { .originator = desk_party(s->conn) };
	struct store_report row;
	struct named n;
	bool found = false;
	memcpy(key.id, id.data, sizeof(key.id));
	if (!store_find_report(s->desk->view, &key, &row, &found, e))
		return false;
	if (!found || !desk_is_signed(s->desk, row.intake))
		return err_set(e, ERR_UNKNOWN_REPORT, "no such report of yours");
	s->reply.recall_status_reply.report = id;
	if (!read_manifest(s, row.intake, e) || !named_find(s->desk->view, row.intake, &n, e))
		return false;
	s->recall = key;
	*recalled = n.act == ENVELOPE_RECALL;
	if (!*recalled && !find_recall(s, &key, recalled, e))
		return false;
	return !*recalled || take_recall(s, recalled, e);
}

/* ---- who was told ---- */

/* One RECALL record behind the INTAKE; false in *is: it is none of this recall. */
static bool
read_record(struct status *s, uint64_t index, struct record_said *said, bool *is, struct err *e)
{
	struct record r;
	uint8_t leaf[32];
	*is = desk_is_signed(s->desk, index);
	if (!*is)
		return true;
	if (!explain_record(s->desk, index, &r, leaf, e) || !record_take_apart(&r, said, e))
		return false;
	*is = said->common.type == EVENT_RECALL &&
	      bytes_equal(event_body_get(&said->body, BODY_RECALL_NOTICE),
		  bytes_from(s->recall.id, STORE_ID_BYTES));
	return true;
}

/* What it has said to the notice. */
static bool
read_answer(
    struct status *s, const struct store_given *g, struct msg_recall_recipient *to, struct err *e)
{
	struct record_said said;
	bool is = false;
	if (!read_record(s, g->decision, &said, &is, e))
		return false;
	if (!is || !event_body_has(&said.body, BODY_RECALL_ANSWER))
		return true;
	to->answer = event_body_get(&said.body, BODY_RECALL_ANSWER);
	to->answered = said.common.time;
	return true;
}

static bool
read_notified(struct status *s, struct msg_recall_recipient *to, struct err *e)
{
	struct store_given g;
	uint32_t party = 0;
	bool found = false;
	if (!store_find_name(s->desk->view, STORE_NAME_PARTY, to->recipient, &party, &found, e) ||
	    (found && !store_find_given(s->desk->view, party, &s->recall, &g, &found, e)))
		return false;
	if (!found)
		return true;
	to->received = g.good_until_us; /* of a recall: when it was acknowledged */
	return read_answer(s, &g, to, e);
}

static bool
send_page(struct status *s, bool more, struct err *e)
{
	s->reply.recall_status_reply.recipients = s->items;
	s->reply.recall_status_reply.more = more;
	return conn_send(s->conn, 2, &s->reply, e);
}

/* What was withdrawn from a party and what it was told stand side by side; NULL: the page is full.
 */
static struct msg_recall_recipient *
item_of(struct status *s, struct bytes name)
{
	size_t *n = &s->reply.recall_status_reply.recipient_count;
	if (*n > 0 && bytes_equal(s->items[*n - 1].recipient, name))
		return &s->items[*n - 1];
	if (*n == PAGE)
		return NULL;
	s->items[*n] = (struct msg_recall_recipient){ .recipient = name };
	return &s->items[(*n)++];
}

/* From record 'index' on; afterwards it says where to go on, 0 at the end. */
static bool
read_page(struct status *s, uint64_t *index, struct err *e)
{
	struct record_said said;
	for (bool is = *index != 0; is; ++*index) {
		if (!read_record(s, *index, &said, &is, e))
			return false;
		if (!is)
			break;
		struct msg_recall_recipient *to = item_of(s, said.release.recipient);
		if (to == NULL)
			return true;
		bool told = event_body_number(&said.body, BODY_RECALL_ACT) == ACT_NOTIFIED;
		to->withdrawn |= !told;
		if (told)
			to->notified = said.common.time;
		if (told && !read_notified(s, to, e))
			return false;
	}
	*index = 0;
	return true;
}

/* *next is where the next page goes on, 0 if this was the last one. */
static bool
send_status(struct conn *c, struct recall_reading *r, uint64_t *next, struct err *e)
{
	SCOPED(arena_done) struct arena memory;
	arena_init(&memory, NOTICES_ARENA);
	struct status s = { .of = r,
		.conn = c,
		.desk = desk_of(c),
		.a = &memory,
		.items = arena_zalloc(&memory, PAGE, sizeof(*s.items)),
		.reply = { .request = r->request, .type = MSG_RECALL_STATUS_REPLY } };
	bool recalled = false;
	if (s.items == NULL)
		return err_set(e, ERR_NOMEM, "recall");
	bool ok = store_view_open(s.desk->view, &memory, e) &&
		  begin(&s, bytes_from(r->report, sizeof(r->report)), &recalled, e);
	*next = r->next != 0 ? r->next : recalled ? s.intake + 1 : 0;
	ok = ok && read_page(&s, next, e) && send_page(&s, *next != 0, e);
	store_view_close(s.desk->view);
	r->recall = s.recall;
	return ok;
}

/* A page, and the next one in another turn; false: the answer to it could not be given. */
static bool
next_page(struct conn *c, struct err *e)
{
	struct session *s = c->session;
	struct err why = { 0 };
	uint64_t request = s->recall->request;
	bool ok = send_status(c, s->recall, &s->recall->next, &why);
	if (ok && s->recall->next != 0) {
		conn_want_turn(c);
		return true;
	}
	free(MOVE(s->recall));
	if (ok)
		return true;
	if (why.code == ERR_UNKNOWN_REPORT) /* somebody guesses ids: on record */
		return desk_refuse(c, request, &(struct complaint){ .code = why.code }, e);
	return conn_refuse(c, request, &(struct complaint){ .code = why.code }, e);
}

void
notices_step(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	struct err e = { 0 };
	if (c->session == NULL || c->session->recall == NULL)
		return;
	if (conn_room(c, 2) == 0)
		conn_want_room(c);
	else if (!next_page(c, &e))
		conn_fail(c, 0, &(struct complaint){ .code = e.code });
}

bool
on_recall_status(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct session *s = c->session;
	(void)request;
	if ((c->peer->roles & (ROLE_PUBLISH | ROLE_AUDIT | ROLE_APPROVE)) == 0)
		return desk_refuse(c, m->request, &(struct complaint){ .code = ERR_ROLE }, e);
	if (s->recall != NULL) /* one after the other */
		return conn_refuse(
		    c, m->request, &(struct complaint){ .code = ERR_BUSY, .retry_ms = 1000 }, e);
	s->recall = calloc(1, sizeof(*s->recall));
	if (s->recall == NULL)
		return err_set(e, ERR_NOMEM, "recall");
	s->recall->request = m->request;
	memcpy(s->recall->report, m->recall_status.report.data, sizeof(s->recall->report));
	return next_page(c, e);
}

/* ---- what a recipient says ---- */

/* The recall that names this report, if the id is that of a report. */
static bool
recall_of(struct desk *d, struct store_given *g, bool *found, struct err *e)
{
	char name[WITHDRAWN_ROOM];
	struct bytes id;
	struct store_report_key key = { .originator = g->report.originator };
	uint32_t party = g->party;
	withdrawn_all(&g->report, name);
	if (!store_read_note(d->view, name, &id, found, e) || !*found)
		return e->code == ERR_NONE;
	if (id.len != sizeof(key.id))
		return err_set(e, ERR_CORRUPT, "note %s", name);
	memcpy(key.id, id.data, sizeof(key.id));
	return store_find_given(d->view, party, &key, g, found, e);
}

/* What the party was given under this id: a report for feedback, a recall for an answer. */
static bool
find_given(struct conn *c, const struct job_said *want, struct bytes id,
    struct store_report_key *out, struct err *e)
{
	struct desk *d = desk_of(c);
	struct store_report_key after = { .originator = 0 };
	bool found = true, fits = false;
	memcpy(after.id, id.data, sizeof(after.id));
	while (found && !fits) {
		struct store_given g;
		uint64_t delivery = STORE_NONE;
		if (!store_next_given(d->view, want->party, &after, &g, &found, e))
			return false;
		if (!found)
			break;
		after = g.report;
		fits = true;
		if (want->answer && g.masks.len > 0 && !recall_of(d, &g, &fits, e))
			return false;
		if (fits && !withdrawn_had(d->view, &g, &delivery, e))
			return false;
		fits = fits && (g.masks.len == 0) == want->answer && delivery != STORE_NONE &&
		       desk_is_signed(d, delivery);
		*out = g.report;
	}
	return fits || err_set(e, ERR_UNKNOWN_REPORT, "no such report");
}

static bool
refuse_said(struct conn *c, uint64_t request, enum err_code code, struct err *e)
{
	struct complaint no = { .code = code, .retry_ms = err_may_retry(code) ? 1000 : 0 };
	bool theirs = code == ERR_UNKNOWN_REPORT || code == ERR_ROLE;
	return theirs ? desk_refuse(c, request, &no, e) : conn_refuse(c, request, &no, e);
}

static bool
say(struct conn *c, const struct msg *m, const struct job_said *what, struct bytes id,
    struct err *e)
{
	struct desk *d = desk_of(c);
	struct err why = { 0 };
	bool yes, told = desk_may_record(c, m->request, &yes, e);
	if (!told || !yes)
		return told;
	SCOPED(job_free) struct job *j = job_new(JOB_SAID, NULL, NOTICES_ARENA);
	if (j == NULL)
		return err_set(e, ERR_NOMEM, "job");
	j->said = *what;
	j->request = m->request;
	j->records = 1;
	j->bytes = 4096;
	desk_say_who(c, j);
	bool ok = store_view_open(d->view, j->arena, &why) &&
		  find_given(c, &j->said, id, &j->said.report, &why) &&
		  arena_copy(j->arena, what->code, &j->said.code, &why);
	store_view_close(d->view);
	if (!ok)
		return refuse_said(c, m->request,
		    why.code == ERR_UNKNOWN_REPORT ? why.code : desk_our_fault(&why), e);
	(void)desk_post(c, &j);
	return true;
}

static bool
bad_code(struct conn *c, uint64_t request, const char *field, struct bytes nearest, struct err *e)
{
	struct complaint no = {
		.code = ERR_MALFORMED, .field = bytes_of(field), .nearest = nearest
	};
	return desk_refuse(c, request, &no, e);
}

bool
on_recall_answer(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	const struct job_said what = {
		.party = desk_party(c), .answer = true, .code = m->recall_answer.answer
	};
	(void)request;
	if ((c->peer->roles & ROLE_SUBSCRIBE) == 0)
		return refuse_said(c, m->request, ERR_ROLE, e);
	if (!notice_is_code(NOTICE_ANSWER, what.code))
		return bad_code(c, m->request, "recall_answer.answer",
		    bytes_of(notice_code(NOTICE_ANSWER, 0)), e);
	return say(c, m, &what, m->recall_answer.report, e);
}

bool
on_feedback(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	const struct job_said what = {
		.party = desk_party(c), .code = m->feedback.code, .sighted_us = m->feedback.sighted
	};
	(void)request;
	if ((c->peer->roles & ROLE_SUBSCRIBE) == 0)
		return refuse_said(c, m->request, ERR_ROLE, e);
	if (!notice_is_code(NOTICE_FEEDBACK, what.code))
		return bad_code(
		    c, m->request, "feedback.code", bytes_of(notice_code(NOTICE_FEEDBACK, 0)), e);
	if (bytes_is(what.code, "sighted") != (what.sighted_us != 0))
		return bad_code(c, m->request, "feedback.sighted", (struct bytes){ NULL, 0 }, e);
	return say(c, m, &what, m->feedback.report, e);
}

void
notices_home(struct worker *w, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	struct conn *c = worker_find_conn(w, j->conn);
	struct err e = { 0 };
	struct msg m = { .request = j->request, .type = MSG_PONG };
	if (c != NULL && !(j->fate == JOB_DONE ? conn_send(c, 3, &m, &e)
					       : refuse_said(c, j->request, j->err.code, &e)))
		conn_fail(c, j->request, &(struct complaint){ .code = e.code });
	job_free(j);
}

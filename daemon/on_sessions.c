#include "daemon/on_sessions.h"

#include "daemon/listener.h"
#include "daemon/on.h"
#include "daemon/on_admin.h"
#include "daemon/trust.h"
#include "proto/msg.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* A page ends with the bucket in which it reaches so many; they are short lists. */
enum { PAGE_SESSIONS = 256, SESSIONS_ARENA = LIMIT_MESSAGE_BYTES, OWED_BYTES = 65536 };

static void
write_one(const struct conn *c, const char *between, FILE *to)
{
	uint64_t now = worker_now_ms(c->worker);
	/* names, SPIFFE ids and addresses need no escapes */
	(void)fprintf(to, "%s{\"connection\":%" PRIu64 ",\"address\":\"%s\",\"state\":\"%s\"",
	    between, c->id, c->ticket->address, conn_state_name(c->state));
	if (c->peer != NULL)
		(void)fprintf(to,
		    ",\"party\":\"%s\",\"agent\":\"%s\",\"certificate_until\":%" PRId64,
		    c->peer->party, c->peer->agent, c->peer->not_after);
	(void)fprintf(to,
	    ",\"version\":%u,\"state_ms\":%" PRIu64 ",\"idle_ms\":%" PRIu64
	    ",\"subscriptions\":%u,\"unanswered\":%" PRIu32 ",\"slowed\":%s}",
	    c->version, now - c->since_ms, now - c->active_ms,
	    c->session == NULL ? 0 : c->session->consumer_count, c->unanswered,
	    c->slowed ? "true" : "false");
}

/* From this bucket of the table on; *next is where the page ends, WORKER_BUCKETS at the end. */
static void
write_page(const struct worker *w, unsigned *next, FILE *to)
{
	unsigned count = 0;
	(void)fputs("{\"sessions\":[", to);
	for (; *next < WORKER_BUCKETS && count < PAGE_SESSIONS; ++*next) {
		const struct conn *c;
		LIST_FOREACH (c, &w->by_id[*next], of_bucket)
			write_one(c, count++ == 0 ? "" : ",", to);
	}
}

/* 'from' counts buckets, worker after worker. */
static bool
look(const struct worker *w, struct job *j, struct err *e)
{
	char *text = NULL;
	size_t len = 0;
	unsigned bucket = (unsigned)(j->sessions.from % WORKER_BUCKETS);
	FILE *to = open_memstream(&text, &len);
	if (to == NULL)
		return err_set(e, ERR_NOMEM, "sessions");
	write_page(w, &bucket, to);
	uint64_t next = (uint64_t)w->index * WORKER_BUCKETS + bucket;
	if (next == (uint64_t)w->count * WORKER_BUCKETS)
		next = 0;
	j->sessions.next = next;
	(void)fprintf(to, "],\"next\":%" PRIu64 "}", next);
	bool ok = fclose(to) == 0 || err_set(e, ERR_NOMEM, "sessions");
	ok = ok && arena_copy(j->arena, bytes_from(text, len), &j->sessions.json, e);
	free(text);
	return ok;
}

static void
answer(struct worker *w, const struct job *j)
{
	struct conn *c = worker_find_conn(w, j->conn);
	struct err e = { 0 };
	struct msg m = { .request = j->request, .type = MSG_STATUS_REPLY };
	if (c == NULL)
		return;
	conn_paid(c, OWED_BYTES);
	m.status_reply.json = j->sessions.json;
	c->session->sessions_next = j->sessions.next;
	bool ok = j->err.code == ERR_NONE
		      ? conn_send(c, 0, &m, &e)
		      : conn_refuse(c, j->request, &(struct complaint){ .code = j->err.code }, &e);
	if (!ok)
		conn_fail(c, j->request, &(struct complaint){ .code = e.code });
}

void
sessions_letter(struct worker *w, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	if (j->sessions.looked) {
		answer(w, j);
		job_free(j);
		return;
	}
	j->sessions.looked = true;
	if (!look(w, j, &j->err) && j->err.code == ERR_NONE)
		j->err.code = ERR_NOMEM;
	worker_mail(w->all[j->home], LETTER_JOB, &j->letter);
}

bool
on_sessions(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct worker *w = c->worker;
	bool yes = false;
	(void)request;
	if (!admin_allowed(c, m, &yes, e) || !yes)
		return !yes && e->code == ERR_NONE;
	if (m->sessions.from != 0 && m->sessions.from != c->session->sessions_next)
		return desk_refuse(c, m->request,
		    &(struct complaint){
			.code = ERR_MALFORMED, .field = bytes_of("sessions.from") },
		    e);
	/* one reading is one record, however many pages it has: each goes on where the last ended
	 */
	if (m->sessions.from == 0 && !admin_note(c, "sessions", "ok", e))
		return false;
	struct job *j = job_new(JOB_SESSIONS, NULL, SESSIONS_ARENA);
	if (j == NULL)
		return err_set(e, ERR_NOMEM, "sessions");
	j->home = w->index;
	j->conn = c->id;
	j->request = m->request;
	j->sessions = (struct job_sessions){ .from = m->sessions.from };
	conn_owes(c, OWED_BYTES);
	worker_mail(w->all[m->sessions.from / WORKER_BUCKETS], LETTER_JOB, &j->letter);
	return true;
}

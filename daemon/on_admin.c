#include "daemon/on_admin.h"
#include "daemon/role.h"

#include "daemon/committer.h"
#include "daemon/config.h"
#include "daemon/cosigner.h"
#include "daemon/log.h"
#include "daemon/mailbox.h"
#include "daemon/on.h"
#include "daemon/shortfall.h"
#include "proto/msg.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { STATUS_ROOM = 32768 + SHORTFALL_BYTES, ADMIN_ARENA = 65536 };

bool
admin_allowed(struct conn *c, const struct msg *m, bool *yes, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	*yes = c->peer->hub && (c->peer->roles & ROLE_OPERATE) != 0;
	if (*yes)
		return true;
	return desk_refuse(c, m->request, &(struct complaint){ .code = ERR_ROLE }, e);
}

bool
admin_note(struct conn *c, const char *command, const char *result, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct body b;
	event_body_begin(&b, EVENT_ADMIN);
	event_body_bytes(&b, BODY_ADMIN_COMMAND, bytes_of(command));
	event_body_bytes(&b, BODY_ADMIN_RESULT, bytes_of(result));
	bool posted;
	return desk_note(c, &(struct desk_note){ .body = &b }, &posted, e);
}

bool
admin_reply(struct conn *c, uint64_t request, const char *json, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct msg m = { .request = request, .type = MSG_STATUS_REPLY };
	m.status_reply.json = bytes_of(json);
	return conn_send(c, 3, &m, e);
}

/* The ADMIN record of a command that succeeds, for the transaction of what it does. */
static bool
draft(struct conn *c, const char *command, struct job *j, struct record **out, struct err *e)
{
	struct body b;
	struct record *r = arena_zalloc(j->arena, 1, sizeof(*r));
	if (r == NULL)
		return err_set(e, ERR_NOMEM, "record");
	event_body_begin(&b, EVENT_ADMIN);
	event_body_bytes(&b, BODY_ADMIN_COMMAND, bytes_of(command));
	event_body_bytes(&b, BODY_ADMIN_RESULT, bytes_of("ok"));
	*out = r;
	return desk_record(c, &b, j->arena, r, e);
}

/* ---- Status ---- */

static void
counters(const struct shell *s, FILE *to)
{
	uint64_t sum[METRIC_COUNT] = { 0 };
	for (unsigned i = 0; i < s->worker_count; i++)
		metrics_sum(&s->workers[i]->metrics, sum);
	if (s->cosigner != NULL)
		metrics_sum(cosigner_metrics(s->cosigner), sum);
	(void)fprintf(to, "\"counters\":{");
	for (unsigned i = 0; i < METRIC_COUNT; i++)
		(void)fprintf(to, "%s\"%s\":%" PRIu64, i == 0 ? "" : ",",
		    metrics_name((enum metric)i), sum[i]);
	(void)fprintf(to, "}");
}

static void
status(const struct conn *c, const struct store_state *st, FILE *to)
{
	struct shell *s = desk_of(c)->shell;
	const uint8_t *policy = epoch_digest(desk_of(c)->rules->epoch);
	unsigned sessions = 0;
	for (unsigned i = 0; i < s->worker_count; i++)
		sessions += worker_load(s->workers[i]);
	/* names are of [A-Za-z0-9_./-]: they need no escapes */
	(void)fprintf(to,
	    "\"node\":\"%.*s\",\"origin\":\"%.*s\",\"log_size\":%" PRIu64
	    ",\"signed_size\":%" PRIu64 ",\"published_size\":%" PRIu64 ",\"policy_record\":%" PRIu64
	    ",\"policy\":\"",
	    (int)s->node.len, (const char *)s->node.data, (int)s->origin.len,
	    (const char *)s->origin.data, st->fence.log_size,
	    (uint64_t)atomic_load(&s->signed_size), st->published, desk_of(c)->rules->number);
	for (size_t i = 0; i < 32; i++)
		(void)fprintf(to, "%02x", policy[i]);
	(void)fprintf(to,
	    "\",\"commits\":%" PRIu64 ",\"workers\":%u,\"connections\":%u,"
	    "\"clock_in_doubt\":%s,\"time_us\":%" PRIu64 ",",
	    st->commits, s->worker_count, sessions, wall_in_doubt(&s->wall) ? "true" : "false",
	    wall_best(&s->wall));
	counters(s, to);
	if (s->cosigner != NULL)
		cosigner_report(s->cosigner, to);
}

/* To Status, or without a state to Reload: with what of the rules this worker does not go by. */
static bool
answer(struct conn *c, uint64_t request, const struct store_state *st, struct err *e)
{
	char *text = calloc(1, STATUS_ROOM);
	FILE *to = text == NULL ? NULL : fmemopen(text, STATUS_ROOM, "w");
	if (to == NULL) {
		free(text);
		return err_set(e, ERR_NOMEM, "status");
	}
	(void)fputc('{', to);
	if (st != NULL)
		status(c, st, to);
	else
		(void)fprintf(to, "\"ok\":true");
	shortfall_write(desk_of(c)->rules, to);
	(void)fputc('}', to);
	bool ok = fclose(to) == 0 && admin_reply(c, request, text, e);
	free(text);
	return ok;
}

bool
on_status(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	bool yes = false;
	struct store_state st;
	struct desk *d = desk_of(c);
	if (!admin_allowed(c, m, &yes, e) || !yes)
		return !yes && e->code == ERR_NONE;
	bool ok = store_view_open(d->view, *request, e) && store_read_state(d->view, &st, e);
	store_view_close(d->view);
	return ok && admin_note(c, "status", "ok", e) && answer(c, m->request, &st, e);
}

/* ---- Reload ---- */

bool
on_reload(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	bool yes = false;
	(void)request;
	if (!admin_allowed(c, m, &yes, e) || !yes)
		return !yes && e->code == ERR_NONE;
	SCOPED(job_free) struct job *j = job_new(JOB_RULES, NULL, ADMIN_ARENA);
	if (j == NULL)
		return err_set(e, ERR_NOMEM, "reload");
	if (!draft(c, "reload", j, &j->policy.admin, e))
		return false;
	j->home = JOB_HOME_MAIN;
	j->conn = c->id;
	j->request = m->request;
	j->records = 1;
	j->policy.asked_home = c->worker->index;
	j->policy.asked_conn = c->id;
	desk_say_who(c, j);
	j->owed = true;
	conn_owes(c, 0);
	struct job *sent = MOVE(j);
	mailbox_reply(desk_of(c)->shell->main, &sent->letter.item);
	return true;
}

/* ---- Drain ---- */

/* Answered before main hears of it: what it does first is to send this session its Bye. */
bool
on_drain(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	bool yes = false, posted = false;
	struct body b;
	(void)request;
	if (!admin_allowed(c, m, &yes, e) || !yes)
		return !yes && e->code == ERR_NONE;
	SCOPED(job_free) struct job *j = job_new(JOB_DRAIN, NULL, ADMIN_ARENA);
	if (j == NULL)
		return err_set(e, ERR_NOMEM, "drain");
	event_body_begin(&b, EVENT_ADMIN);
	event_body_bytes(&b, BODY_ADMIN_COMMAND, bytes_of("drain"));
	event_body_bytes(&b, BODY_ADMIN_RESULT, bytes_of("ok"));
	if (!desk_note(c, &(struct desk_note){ .body = &b, .request = m->request }, &posted, e))
		return false;
	if (!posted)
		return true; /* it was answered */
	if (!admin_reply(c, m->request, "{\"ok\":true}", e))
		return false;
	struct job *sent = MOVE(j);
	mailbox_reply(desk_of(c)->shell->main, &sent->letter.item);
	return true;
}

/* ---- AcceptClock ---- */

bool
on_accept_clock(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	bool yes = false;
	(void)request;
	if (!admin_allowed(c, m, &yes, e) || !yes)
		return !yes && e->code == ERR_NONE;
	SCOPED(job_free) struct job *j = job_new(JOB_CLOCK, NULL, ADMIN_ARENA);
	if (j == NULL)
		return err_set(e, ERR_NOMEM, "clock");
	if (!draft(c, "clock accept", j, &j->notes.records, e))
		return false;
	j->notes.count = 1;
	j->request = m->request;
	j->records = 2;
	desk_say_who(c, j);
	(void)!desk_post(c, &j);
	return true;
}

void
admin_home(struct worker *w, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	struct conn *c = worker_find_conn(w, j->conn);
	struct err e = { 0 };
	const char *command = j->kind == JOB_CLOCK ? "clock accept" : "reload";
	bool ok = true;
	/* the workers have the rules that this reload brought: main answers after the last of them
	 */
	if (c != NULL && j->fate == JOB_DONE && j->kind == JOB_RULES)
		ok = answer(c, j->request, NULL, &e);
	else if (c != NULL && j->fate == JOB_DONE)
		ok = admin_reply(c, j->request, "{\"ok\":true}", &e);
	else if (c != NULL)
		ok =
		    admin_note(c, command, err_token(j->err.code), &e) &&
		    conn_refuse(c, j->request,
			&(struct complaint){ .code = j->err.code, .detail = bytes_of(j->err.text) },
			&e);
	if (!ok)
		conn_fail(c, j->request, &(struct complaint){ .code = e.code });
	job_free(j);
}

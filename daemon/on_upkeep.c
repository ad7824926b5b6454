#include "daemon/on_upkeep.h"
#include "daemon/role.h"

#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/on.h"
#include "daemon/on_admin.h"
#include "proto/msg.h"

#include <inttypes.h>
#include <stdio.h>

enum { UPKEEP_ARENA = 65536, TELL_MS = 1000 };

/* ---- Backup ---- */

bool
on_backup(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	bool yes = false;
	struct desk *d = desk_of(c);
	(void)request;
	if (!admin_allowed(c, m, &yes, e) || !yes)
		return !yes && e->code == ERR_NONE;
	if (d->shell->config->store_backup_dir[0] == '\0') {
		struct complaint no = { .code = ERR_CONFIG,
			.detail = bytes_of("the setting 'store { backup-dir }' says where backups "
					   "may go; there is none") };
		return admin_note(c, "backup", err_token(no.code), e) &&
		       conn_refuse(c, m->request, &no, e);
	}
	SCOPED(job_free) struct job *j = job_new(JOB_BACKUP, NULL, UPKEEP_ARENA);
	if (j == NULL)
		return err_set(e, ERR_NOMEM, "backup");
	(void)snprintf(j->backup.name, sizeof(j->backup.name), "%.*s", (int)m->backup.name.len,
	    (const char *)m->backup.name.data);
	j->request = m->request;
	j->records = 1;
	desk_say_who(c, j);
	uint64_t conn = c->id, asked = m->request;
	if (desk_post(c, &j) && d->backup.conn == 0) {
		d->backup.conn = conn;
		d->backup.request = asked;
		d->backup.told_ms = worker_now_ms(c->worker);
	}
	return true;
}

void
upkeep_tick(struct worker *w)
{
	ASSERT_ON(ROLE_WORKER);
	struct desk *d = w->desk;
	uint64_t now = worker_now_ms(w);
	if (d->backup.conn == 0 || now - d->backup.told_ms < TELL_MS)
		return;
	d->backup.told_ms = now;
	struct conn *c = worker_find_conn(w, d->backup.conn);
	struct err e = { 0 };
	struct msg m = { .request = d->backup.request, .type = MSG_PROGRESS };
	m.progress.done = atomic_load(&d->shell->copied);
	m.progress.total = atomic_load(&d->shell->copy_total);
	if (c != NULL && c->state == CONN_READY && !conn_send(c, CONN_ANSWER_LANE, &m, &e))
		conn_fail(c, m.request, &(struct complaint){ .code = e.code });
}

/* ---- Erase ---- */

static bool
fill_erase(struct job *j, const struct msg_erase *m, struct err *e)
{
	uint64_t *list = arena_alloc(j->arena, m->records.count * sizeof(*list));
	if (list == NULL)
		return err_set(e, ERR_NOMEM, "erase");
	for (size_t i = 0; i < m->records.count; i++)
		list[i] = m->records.items[i];
	j->erase.records = list;
	j->erase.count = m->records.count;
	return arena_copy(j->arena, m->because, &j->by.because, e);
}

bool
on_erase(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	bool yes = false;
	(void)request;
	if (!admin_allowed(c, m, &yes, e) || !yes)
		return !yes && e->code == ERR_NONE;
	SCOPED(job_free) struct job *j = job_new(JOB_ERASE, NULL, UPKEEP_ARENA);
	if (j == NULL)
		return err_set(e, ERR_NOMEM, "erase");
	desk_say_who(c, j);
	if (!fill_erase(j, &m->erase, e))
		return false;
	j->request = m->request;
	j->records = 1;
	j->bytes = m->erase.records.count * 8;
	(void)!desk_post(c, &j);
	return true;
}

/* ---- home ---- */

static bool
say_done(struct conn *c, const struct job *j, struct err *e)
{
	char json[256]; /* a name by syntax_name needs no escapes */
	if (j->kind == JOB_BACKUP)
		(void)snprintf(json, sizeof(json),
		    "{\"ok\":true,\"name\":\"%s\",\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 "}",
		    j->backup.name, j->backup.records, j->backup.bytes);
	else
		(void)snprintf(json, sizeof(json),
		    "{\"ok\":true,\"record\":%" PRIu64 ",\"erased\":%zu}", j->erase.index,
		    j->erase.count);
	return admin_reply(c, j->request, json, e);
}

/* A backup that failed has its record by the committer. */
static bool
say_failed(struct conn *c, const struct job *j, struct err *e)
{
	struct complaint no = { .code = j->err.code, .detail = bytes_of(j->err.text) };
	bool told = j->kind == JOB_BACKUP && j->backup.why.code == j->err.code;
	return (told || admin_note(c, j->kind == JOB_BACKUP ? "backup" : "erase",
			    err_token(no.code), e)) &&
	       conn_refuse(c, j->request, &no, e);
}

void
upkeep_home(struct worker *w, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	struct desk *d = w->desk;
	struct conn *c = worker_find_conn(w, j->conn);
	struct err e = { 0 };
	bool good = j->fate == JOB_DONE;
	if (j->kind == JOB_BACKUP && d->backup.conn == j->conn && d->backup.request == j->request)
		d->backup.conn = 0;
	if (j->kind == JOB_BACKUP && good)
		log_info("backup.made", "name=%s records=%" PRIu64 " bytes=%" PRIu64,
		    j->backup.name, j->backup.records, j->backup.bytes);
	else if (j->kind == JOB_BACKUP)
		log_error("backup.failed", "name=%s code=%s why=%s", j->backup.name,
		    err_token(j->err.code), log_quote_text(j->err.text));
	if (c != NULL && !(good ? say_done(c, j, &e) : say_failed(c, j, &e)))
		conn_fail(c, j->request, &(struct complaint){ .code = e.code });
	job_free(j);
}

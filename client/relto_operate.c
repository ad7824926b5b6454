/* relto_operate.c - the operator's requests. */
#include "client/inside.h"
#include "client/lists.h"

#include <stdlib.h>
#include <string.h>

/* An answer that is one JSON object; before it there may be word of how far it is. */
static bool
await_json(
    struct relto_connection *c, const struct relto_backup *b, char **json, struct relto_error *e)
{
	struct err why;
	for (;;) {
		SCOPED(inside_message_free) struct inside_message *m = NULL;
		if (!inside_await(c, &m, e))
			return false;
		if (m->msg.type == MSG_ERROR)
			return inside_refused(e, &m->msg.error);
		if (b != NULL && m->msg.type == MSG_PROGRESS) {
			if (b->progress != NULL)
				b->progress(b->arg, m->msg.progress.done, m->msg.progress.total);
			continue;
		}
		if (m->msg.type != MSG_STATUS_REPLY) {
			(void)err_set(&why, ERR_PROTOCOL, "the broker answered with %s",
			    msg_name(m->msg.type));
			return inside_break(c, &why, e);
		}
		struct bytes in = m->msg.status_reply.json;
		*json = strndup((const char *)in.data, in.len);
		return *json != NULL || inside_failf(e, ERR_NOMEM, "answer");
	}
}

static bool
ask(struct relto_connection *c, struct msg *m, const struct relto_backup *b, char **json,
    struct relto_error *e)
{
	if (c->version < msg_since(m->type))
		return inside_failf(
		    e, ERR_VERSION, "this broker does not know this: it is too old");
	bool ok = inside_start(c, m, 0, e) && await_json(c, b, json, e);
	inside_forget(c);
	return ok;
}

bool
relto_status(struct relto_connection *c, char **json, struct relto_error *e)
{
	return ask(c, &(struct msg){ .type = MSG_STATUS }, NULL, json, e);
}

bool
relto_reload(struct relto_connection *c, char **json, struct relto_error *e)
{
	return ask(c, &(struct msg){ .type = MSG_RELOAD }, NULL, json, e);
}

bool
relto_sessions(struct relto_connection *c, uint64_t from, char **json, struct relto_error *e)
{
	struct msg m = { .type = MSG_SESSIONS };
	m.sessions.from = from;
	return ask(c, &m, NULL, json, e);
}

bool
relto_drain(struct relto_connection *c, char **json, struct relto_error *e)
{
	return ask(c, &(struct msg){ .type = MSG_DRAIN }, NULL, json, e);
}

bool
relto_accept_clock(struct relto_connection *c, char **json, struct relto_error *e)
{
	return ask(c, &(struct msg){ .type = MSG_ACCEPT_CLOCK }, NULL, json, e);
}

bool
relto_backup(
    struct relto_connection *c, const struct relto_backup *b, char **json, struct relto_error *e)
{
	struct msg m = { .type = MSG_BACKUP };
	m.backup.name = bytes_of(b->name);
	return ask(c, &m, b, json, e);
}

static bool
settle(struct relto_connection *c, const struct msg_dead_letters *what, char **json,
    struct relto_error *e)
{
	struct msg m = { .type = MSG_DEAD_LETTERS };
	m.dead_letters = *what;
	return ask(c, &m, NULL, json, e);
}

bool
lists_letters_retry(struct relto_connection *c, const char *party,
    const uint8_t report[RELTO_ID_BYTES], char **json, struct relto_error *e)
{
	return settle(c,
	    &(struct msg_dead_letters){ .act = MSG_DEAD_RETRY,
		.all = true,
		.party = bytes_of(party),
		.report = bytes_from(report, RELTO_ID_BYTES) },
	    json, e);
}

bool
lists_letters_drop(struct relto_connection *c, const char *party,
    const uint8_t report[RELTO_ID_BYTES], char **json, struct relto_error *e)
{
	return settle(c,
	    &(struct msg_dead_letters){ .act = MSG_DEAD_DROP,
		.all = true,
		.party = bytes_of(party),
		.report = bytes_from(report, RELTO_ID_BYTES) },
	    json, e);
}

bool
relto_erase(struct relto_connection *c, const struct relto_erasure *what, char **json,
    struct relto_error *e)
{
	struct msg m = { .type = MSG_ERASE };
	m.erase.records = (struct msg_u64s){ what->records, what->count };
	m.erase.because = bytes_of(what->because);
	return ask(c, &m, NULL, json, e);
}

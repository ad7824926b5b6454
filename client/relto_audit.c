#include "client/inside.h"

static void
give_records(const struct msg_audit_part *p, const struct relto_lister *to)
{
	for (size_t i = 0; i < p->record_count; i++) {
		struct relto_record r = { p->records[i].index,
			{ p->records[i].opening.data, p->records[i].opening.len } };
		if (!to->each(to->arg, &r))
			return;
	}
}

bool
relto_audit_list(struct relto_connection *c, const struct relto_lister *to, uint64_t *next,
    struct relto_error *e)
{
	struct msg m = { .type = MSG_AUDIT_LIST };
	m.audit_list.from = to->from;
	m.audit_list.count = to->count;
	uint64_t go_on = 0;
	bool ok = inside_start(c, &m, 0, e), last = false;
	while (ok && !last) {
		struct inside_message *answer = NULL;
		ok = inside_expect(c, MSG_AUDIT_PART, &answer, e);
		if (!ok)
			break;
		give_records(&answer->msg.audit_part, to);
		last = answer->msg.audit_part.last;
		go_on = answer->msg.audit_part.next;
		inside_message_free(answer);
	}
	inside_forget(c);
	if (ok && go_on != 0 && go_on <= to->from) { /* it would never end */
		struct err why;
		(void)err_set(&why, ERR_PROTOCOL, "the broker's list of records does not go on");
		return inside_break(c, &why, e);
	}
	if (ok)
		*next = go_on;
	return ok;
}

static bool
give_piece(const struct relto_bundle *b, const struct msg_audit_part *p, struct relto_error *e)
{
	if (p->name.len == 0)
		return true;
	char name[256]; /* the message's limit is 255 */
	memcpy(name, p->name.data, p->name.len);
	name[p->name.len] = 0;
	return b->put(b->arg, name, (struct relto_bytes){ p->data.data, p->data.len }) ||
	       inside_failf(e, ERR_INTERRUPTED, "the caller stopped the bundle at %s", name);
}

bool
relto_audit_pull(struct relto_connection *c, const struct relto_bundle *b, struct relto_error *e)
{
	struct msg m = { .type = MSG_AUDIT_PULL };
	m.audit_pull.from = b->from;
	m.audit_pull.bodies_of_policy = b->bodies_of_policy;
	bool ok = inside_start(c, &m, 0, e), last = false;
	while (ok && !last) {
		struct inside_message *answer = NULL;
		ok = inside_expect(c, MSG_AUDIT_PART, &answer, e) &&
		     give_piece(b, &answer->msg.audit_part, e);
		last = ok && answer->msg.audit_part.last;
		inside_message_free(answer);
	}
	inside_forget(c);
	return ok;
}

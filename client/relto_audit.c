#include "client/inside.h"

/* A listing under way. */
struct listing {
	const struct relto_lister *to;
	uint64_t at, count; /* the least index that may come, how many came */
	bool enough;
};

/* They rise from where the question began, and are no more than were asked for. */
static bool
give_records(struct listing *l, const struct msg_audit_part *p, struct err *why)
{
	for (size_t i = 0; i < p->record_count; i++) {
		uint64_t index = p->records[i].index;
		if (index < l->at || l->count == l->to->count)
			return err_set(why, ERR_PROTOCOL,
			    "the broker lists record %llu, which was not asked for",
			    (unsigned long long)index);
		l->at = index + 1;
		l->count++;
		struct relto_record r = { index,
			{ p->records[i].opening.data, p->records[i].opening.len } };
		l->enough = l->enough || !l->to->each(l->to->arg, &r);
	}
	return true;
}

bool
relto_audit_list(struct relto_connection *c, const struct relto_lister *to, uint64_t *next,
    struct relto_error *e)
{
	struct msg m = { .type = MSG_AUDIT_LIST };
	m.audit_list.from = to->from;
	m.audit_list.count = to->count;
	uint64_t go_on = 0;
	struct listing l = { .to = to, .at = to->from };
	struct err why = { 0 };
	bool ok = inside_start(c, &m, 0, e), last = false, sound = true;
	while (ok && !last && sound) {
		struct inside_message *answer = NULL;
		ok = inside_expect(c, MSG_AUDIT_PART, &answer, e);
		if (!ok)
			break;
		sound = give_records(&l, &answer->msg.audit_part, &why);
		last = answer->msg.audit_part.last;
		go_on = answer->msg.audit_part.next;
		inside_message_free(answer);
	}
	inside_forget(c);
	/* it would never end, or show a record twice */
	if (ok && sound && go_on != 0 && (go_on <= to->from || go_on < l.at))
		sound = err_set(&why, ERR_PROTOCOL, "the broker's list of records does not go on");
	if (ok && !sound)
		return inside_break(c, &why, e);
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

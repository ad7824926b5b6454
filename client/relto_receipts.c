#include "client/inside.h"

enum { RECEIPTS_BYTES = 64 << 20, DELIVERIES_MAX = 1 << 16, UNSIGNED_MS = 1000 };

/* The receipts of one report, from answer to answer. */
struct reading {
	struct relto_connection *c;
	const struct relto_prover *to;
	uint8_t id[RELTO_ID_BYTES];
	struct arena arena;   /* of 'deliveries' */
	uint64_t *deliveries; /* of the report, rising */
	size_t delivery_count, delivery_room;
	uint64_t next, count;
	bool ended; /* by the caller */
};

static bool
remember_delivery(struct reading *r, uint64_t index, struct err *e)
{
	if (r->delivery_count == r->delivery_room) {
		size_t room = r->delivery_room == 0 ? 64 : 2 * r->delivery_room;
		uint64_t *more = arena_zalloc(&r->arena, room, sizeof(*more));
		if (more == NULL || room > DELIVERIES_MAX)
			return err_set(e, ERR_NOMEM, "deliveries of a report");
		if (r->delivery_count > 0)
			memcpy(more, r->deliveries, r->delivery_count * sizeof(*more));
		r->deliveries = more;
		r->delivery_room = room;
	}
	r->deliveries[r->delivery_count++] = index;
	return true;
}

static bool
acknowledges(const struct reading *r, const struct receipt *in)
{
	struct body b;
	if (!event_body_parse(EVENT_ACK, RECORD_SLOT(&in->record, 7)->value, &b, NULL) ||
	    !event_body_has(&b, BODY_ACK_DELIVERIES))
		return false;
	struct cursor at = cursor_over(event_body_get(&b, BODY_ACK_DELIVERIES));
	while (at.left >= 8) {
		uint64_t index = cursor_u64(&at);
		for (size_t i = 0; i < r->delivery_count; i++)
			if (r->deliveries[i] == index)
				return true;
	}
	return false;
}

/* A record of the report that was asked for. */
static bool
is_asked_for(struct reading *r, const struct receipt *in, struct err *e)
{
	bool ours = in->type == EVENT_ACK
			? acknowledges(r, in)
			: bytes_equal(in->common.report, bytes_from(r->id, sizeof(r->id)));
	if (!ours)
		return err_set(e, ERR_PROTOCOL, "a receipt about another report");
	return in->type != EVENT_DELIVERY || remember_delivery(r, in->index, e);
}

static bool
give(struct reading *r, const struct msg_proof *p, struct bytes note, struct err *e)
{
	SCOPED(arena_done) struct arena a;
	struct receipt in;
	struct bytes file;
	arena_init(&a, RECEIPTS_BYTES);
	if (p->index < r->next)
		return err_set(e, ERR_PROTOCOL, "the broker's list of receipts is out of order");
	if (!inside_receipt(r->c, p, note, &a, &in, e) || !is_asked_for(r, &in, e) ||
	    !inside_receipt_file(&a, p, note, &file, e))
		return false;
	r->next = p->index + 1;
	r->count++;
	const struct relto_proof out = { .index = in.index,
		.size = in.head.size,
		.type = event_token(in.type),
		.time_us = in.common.time,
		.opening = { p->opening.data, p->opening.len },
		.file = { file.data, file.len } };
	r->ended = !r->to->each(r->to->arg, &out);
	return true;
}

/* One answer; *more: another one follows. */
static bool
take(struct reading *r, const struct msg_proof_list *l, bool *more, struct err *e)
{
	uint64_t from = r->next;
	for (size_t i = 0; i < l->proof_count && !r->ended; i++)
		if (!give(r, &l->proofs[i], l->checkpoint, e))
			return false;
	*more = l->next != 0 && !r->ended;
	if (*more && (l->next < r->next || l->next <= from)) /* it would never end */
		return err_set(e, ERR_PROTOCOL, "the broker's list of receipts does not go on");
	r->next = l->next;
	return true;
}

/* With a quorum the head under which the proofs stand must be signed by it: it is told again when
 * it is. */
static bool
await_signed(struct relto_connection *c, int64_t until, struct relto_error *e)
{
	bool came;
	while (c->quorum.due_ms != INT64_MAX && link_now() < until)
		if (!inside_turn(c, until, &came, e))
			return false;
	return true;
}

/* An answer that was too early; false: it is over. */
static bool
is_early(struct reading *r, const struct err *why, int64_t deadline, struct relto_error *e)
{
	bool came;
	if (why->code != ERR_NOT_PUBLISHED)
		return why->code == ERR_NOMEM ? inside_fail(e, why) : inside_break(r->c, why, e);
	if (link_now() >= deadline)
		return inside_fail(e, why);
	return inside_turn(r->c, link_deadline(UNSIGNED_MS), &came, e);
}

static bool
read_all(struct reading *r, struct relto_error *e)
{
	struct err why;
	int64_t deadline = link_deadline(r->c->ctx->timeout_ms);
	for (bool more = true; more;) {
		if (!await_signed(r->c, deadline, e))
			return false;
		struct msg m = { .type = MSG_PROVE };
		m.prove.report = bytes_from(r->id, sizeof(r->id));
		m.prove.from = r->next;
		SCOPED(inside_message_free) struct inside_message *answer = NULL;
		if (!inside_ask(r->c, &m, MSG_PROOF_LIST, &answer, e))
			return false;
		if (!inside_quorum_signed(r->c, answer->msg.proof_list.checkpoint, &why)) {
			if (!is_early(r, &why, deadline, e))
				return false;
			continue;
		}
		if (!take(r, &answer->msg.proof_list, &more, &why))
			return why.code == ERR_NOMEM ? inside_fail(e, &why)
						     : inside_break(r->c, &why, e);
	}
	return r->count > 0 || r->ended ||
	       inside_failf(e, ERR_NOT_PUBLISHED, "no published head covers a record of it yet");
}

bool
relto_receipts(struct relto_connection *c, const uint8_t id[RELTO_ID_BYTES],
    const struct relto_prover *to, struct relto_error *e)
{
	struct reading r = { .c = c, .to = to };
	if (c->version < msg_since(MSG_PROVE))
		return inside_failf(e, ERR_VERSION, "this broker gives no receipts: it is too old");
	if (!c->ctx->has_log)
		return inside_failf(
		    e, ERR_CONFIG, "receipts need the log's key: it is the log-key of the context");
	memcpy(r.id, id, sizeof(r.id));
	arena_init(&r.arena, RECEIPTS_BYTES);
	bool ok = read_all(&r, e);
	arena_done(&r.arena);
	return ok;
}

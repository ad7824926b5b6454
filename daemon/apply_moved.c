/* apply_moved.c - acknowledgements of what has moved since it was delivered: into a hold, out of
 * one and back into the queue, or among the dead letters.  What a subscription acknowledged does
 * not come again (S6). */
#include "daemon/batch.h"
#include "daemon/role.h"

#include <inttypes.h>
#include <stdlib.h>

enum { NAME_ROOM = 32, NOTE_BYTES = 1024 };

/* Who acknowledged while this decision held it, u32 each. */
static void
name_note(char out[NAME_ROOM], uint64_t decision)
{
	(void)snprintf(out, NAME_ROOM, "acked/%" PRIu64, decision);
}

static bool
has(struct bytes ids, uint32_t id)
{
	struct cursor c = cursor_over(ids);
	while (c.left > 0)
		if (cursor_u32(&c) == id)
			return true;
	return false;
}

/* What would not fit comes once more: so many subscriptions of one party is more than any has. */
static bool
note_acked(struct committer *c, uint64_t decision, uint32_t subscription, struct err *e)
{
	char name[NAME_ROOM];
	uint8_t ids[NOTE_BYTES];
	struct bytes was = { NULL, 0 };
	bool found = false;
	name_note(name, decision);
	if (!store_read_note(store_batch_view(c->ledger->store), name, &was, &found, e))
		return false;
	size_t len = found ? was.len : 0;
	if (len + 4 > sizeof(ids) || (found && has(was, subscription)))
		return true;
	if (len > 0)
		memcpy(ids, was.data, len);
	put_u32(ids + len, subscription);
	return store_put_note(c->ledger->store, name, bytes_from(ids, len + 4), e);
}

bool
apply_still_owed(struct committer *c, uint64_t decision, struct bytes *owed, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	char name[NAME_ROOM];
	struct bytes acked;
	bool found = false;
	name_note(name, decision);
	if (!store_read_note(store_batch_view(c->ledger->store), name, &acked, &found, e))
		return false;
	if (!found)
		return true;
	uint8_t *ids = arena_alloc(&c->ledger->scratch, owed->len + 1);
	if (ids == NULL)
		return err_set(e, ERR_NOMEM, "subscriptions");
	struct cursor all = cursor_over(*owed);
	size_t len = 0;
	while (all.left > 0) {
		uint32_t id = cursor_u32(&all);
		if (has(acked, id))
			continue;
		put_u32(ids + len, id);
		len += 4;
	}
	*owed = bytes_from(ids, len);
	return store_put_note(c->ledger->store, name, (struct bytes){ NULL, 0 }, e);
}

bool
apply_ack_moved(struct committer *c, uint32_t party, const struct job_acked *item, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct store_view *v = store_batch_view(c->ledger->store);
	struct store_report r;
	struct store_given g;
	struct bytes part;
	bool known = false, given = false, held = false, earlier = false;
	struct store_letter_key letter = { party, item->report, item->key.subscription };
	if (!store_drop_letter(c->ledger->store, &letter, NULL, e) ||
	    !store_find_report(v, &item->report, &r, &known, e) ||
	    !store_find_given(v, party, &item->report, &g, &given, e))
		return false;
	if (!known || !given || (r.expires_us != 0 && r.expires_us <= c->ledger->now_us))
		return true; /* it ended */
	if (!store_read_part(v, g.decision, JOB_PART_OWED, &part, &held, e))
		return false;
	if (held)
		return note_acked(c, g.decision, item->key.subscription, e);
	struct store_queue_key key = item->key;
	if (!store_read_part(v, g.decision, JOB_PART_QUEUED, &part, &earlier, e))
		return false;
	struct cursor before = cursor_over(earlier ? part : bytes_of(""));
	key.decision = earlier ? cursor_u64(&before) : g.decision;
	return store_dequeue(c->ledger->store, &key, NULL, e);
}

/* ---- ACK ---- */

static struct ack_group *
ack_group(struct committer *c, const struct job_ack *ack, const struct job_acked *item)
{
	for (size_t i = 0; i < c->ack_count; i++) {
		struct ack_group *g = &c->acks[i];
		if (g->subscription == item->key.subscription && g->publisher == item->publisher &&
		    g->count < ACK_DELIVERIES)
			return g;
	}
	if (c->ack_count == BATCH_ACKS)
		return NULL;
	struct ack_group *g = &c->acks[c->ack_count++];
	*g = (struct ack_group){ .subscription = item->key.subscription,
		.party = ack->party,
		.publisher = item->publisher };
	return g;
}

static bool
note_ack(struct committer *c, struct ack_group *g, uint64_t delivery, struct err *e)
{
	if (g->count == g->room) {
		size_t room = g->room == 0 ? 64 : g->room * 2;
		uint64_t *more = arena_alloc(&c->ledger->scratch, room * sizeof(*more));
		if (more == NULL)
			return err_set(e, ERR_NOMEM, "acks");
		if (g->count > 0)
			memcpy(more, g->deliveries, g->count * sizeof(*more));
		g->deliveries = more;
		g->room = room;
	}
	g->deliveries[g->count++] = delivery;
	return true;
}

bool
apply_ack(struct committer *c, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	for (size_t i = 0; i < j->ack.count; i++) {
		const struct job_acked *item = &j->ack.items[i];
		bool waited = false;
		if (item->recall) {
			if (!apply_recall_read(c, j->ack.party, item, e))
				return false;
			continue;
		}
		/* an entry that is gone (narrowed, expired) was delivered all the same: the worker
		 * asks once for each delivery, and this is the receipt for it */
		if (!store_dequeue(c->ledger->store, &item->key, &waited, e) ||
		    (!waited && !apply_ack_moved(c, j->ack.party, item, e)))
			return false;
		c->ledger->dirty = true;
		struct ack_group *g = ack_group(c, &j->ack, item);
		if (g == NULL) { /* all groups are taken: those become records now */
			if (!apply_acks(c, e))
				return false;
			g = ack_group(c, &j->ack, item);
		}
		if (!note_ack(c, g, item->delivery, e))
			return false;
	}
	return true;
}

static int
by_index(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static bool
put_ack(struct committer *c, struct ack_group *g, struct err *e)
{
	struct roll_party *recipient = roll_find(&c->ledger->roll, g->party);
	struct roll_party *publisher = roll_find(&c->ledger->roll, g->publisher);
	struct arena *a = &c->ledger->scratch;
	uint8_t *indexes = arena_alloc(a, g->count * 8);
	if (recipient == NULL || publisher == NULL)
		return err_set(e, ERR_INTERNAL, "party %u is not on the roll", g->party);
	if (indexes == NULL)
		return err_set(e, ERR_NOMEM, "acks");
	qsort(g->deliveries, g->count, sizeof(*g->deliveries), by_index);
	size_t n = 0;
	for (size_t i = 0; i < g->count; i++)
		if (i == 0 || g->deliveries[i] != g->deliveries[i - 1])
			put_u64(indexes + 8 * n++, g->deliveries[i]);
	struct record r;
	struct body body;
	struct log_out out;
	struct apply_begin b = { .type = EVENT_ACK, .hub = true };
	struct slot_release release = { .recipient = bytes_of(recipient->name) };
	struct slot_publication publication = { .party = bytes_of(publisher->name),
		.index = SLOT_LATER };
	struct ledger_place at = { .publisher = publisher, .recipient = recipient };
	event_body_begin(&body, EVENT_ACK);
	event_body_bytes(&body, BODY_ACK_DELIVERIES, bytes_from(indexes, n * 8));
	return apply_record(c, &b, &r, e) && record_set_release(&r, a, &release, e) &&
	       record_set_publication(&r, a, &publication, e) && record_set_body(&r, a, &body, e) &&
	       ledger_append(c->ledger, &r, &at, &out, e);
}

bool
apply_acks(struct committer *c, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	size_t count = c->ack_count;
	c->ack_count = 0;
	for (size_t i = 0; i < count; i++)
		if (!put_ack(c, &c->acks[i], e))
			return false;
	return true;
}

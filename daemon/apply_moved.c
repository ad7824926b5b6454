/* apply_moved.c - acknowledgements of what has moved since it was delivered: into a hold, or out of
 * one and back into the queue.  What a subscription acknowledged does not come again (S6). */
#include "daemon/batch.h"

#include <inttypes.h>

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
	struct store_view *v = store_batch_view(c->ledger->store);
	struct store_report r;
	struct store_given g;
	struct bytes part;
	bool known = false, given = false, held = false, earlier = false;
	if (!store_find_report(v, &item->report, &r, &known, e) ||
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

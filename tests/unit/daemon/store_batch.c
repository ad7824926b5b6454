#include "tests/lib/test.h"

#include "proto/facts.h"
#include "tests/unit/daemon/store_batch.h"

struct store_report
batch_report(uint8_t byte, uint64_t intake)
{
	struct store_report rep = { .key = { .originator = 1 }, .intake = intake, .decisions = 1 };
	memset(rep.key.id, byte, sizeof(rep.key.id));
	return rep;
}

/* One batch with every kind of write, on top of what the batch before put. */
bool
batch_put(struct store_rig *r, uint8_t byte)
{
	static const uint8_t tile[STORE_TILE_BYTES];
	struct store *s = r->store;
	struct store_report rep = batch_report(byte, byte);
	struct store_subscription sub = { .party = 1, .mode = 1, .name = bytes_of("inbox") };
	struct store_given g = { .party = 1, .report = rep.key, .masks = bytes_of("m") };
	struct store_held h = { .deadline_us = byte, .decision = byte, .report = rep.key };
	struct store_checkpoint c = { byte, false, bytes_of("note") };
	struct store_head party = { .tree = 1, .size = byte };
	struct store_queue_key old = { 1, PRECEDENCE_FLASH, (uint64_t)byte - 1 };
	char name[2] = { (char)byte, 0 };
	uint8_t digest[32];
	uint32_t id;
	if (!store_name(s, STORE_NAME_AGENT, bytes_of(name), &id, &r->e) ||
	    !store_put_part(s, byte, STORE_PART_MANIFEST, bytes_of("manifest"), &r->e) ||
	    !store_put_report(s, &rep, &r->e) ||
	    !store_put_part(s, byte, STORE_PART_BODY(0), bytes_of("body"), &r->e) ||
	    !store_put_given(s, &g, &r->e) || !store_put_hold(s, &h, &r->e) ||
	    !store_put_subscription(s, &sub, &r->e))
		return false;
	struct store_queued q = { .key = { sub.id, PRECEDENCE_FLASH, byte }, .bytes = 10 };
	return store_enqueue(s, &q, &r->e) && store_dequeue(s, &old, NULL, &r->e) &&
	       store_drop_bodies(s, (uint64_t)byte - 1, &r->e) && store_rig_log(r, 64) &&
	       store_put_tile(s, 0, byte, tile, &r->e) && store_put_head(s, &party, &r->e) &&
	       store_put_checkpoint(s, &c, &r->e) &&
	       store_put_blob(s, STORE_CHAIN, bytes_of(name), digest, &r->e) &&
	       store_put_note(s, "note", bytes_of(name), &r->e) &&
	       store_drop_subscription(s, sub.id + 1, &r->e);
}

bool
batch_commit(struct store_rig *r, uint8_t byte)
{
	if (!store_rig_begin(r))
		return false;
	if (!batch_put(r, byte)) {
		store_abort(r->store);
		return false;
	}
	return store_commit(r->store, &r->fence, &r->stamp, &r->e);
}

struct store_counts
batch_count(struct store_rig *r)
{
	struct store_counts n;
	OK(r, store_check(store_rig_look(r), NULL, &n, &r->e));
	return n;
}

void
batch_first(struct store_rig *r)
{
	OK(r, batch_commit(r, 1));
	struct store_state st;
	OK(r, store_read_state(store_rig_look(r), &st, &r->e));
	r->fence = st.fence;
}

/* apply_holds.c - holds and who is asked: for each question to an approver a note, named by the
 * approver and by what it calls the question, so that its list costs what is on it (S12). */
#include "daemon/batch.h"
#include "daemon/role.h"
#include "daemon/waits.h"

#include <inttypes.h>

static bool
put_note(struct committer *c, const struct wait *w, struct bytes value, struct err *e)
{
	struct store *s = c->ledger->store;
	char name[HOLD_NOTE_ROOM];
	uint32_t approver;
	if (!store_name(s, STORE_NAME_PARTY, w->what.approver, &approver, e))
		return false;
	hold_note_name(approver, w->name, name);
	return store_put_note(s, name, value, e);
}

/* One for each name; an empty value takes it away.  One after the other: a partner can make a part
 * that has a mebibyte, and a sweep ends many. */
static bool
put_notes(struct committer *c, struct bytes part, struct bytes value, struct err *e)
{
	struct cursor at;
	struct wait w, last = { .portion = 0 };
	if (!waits_begin(part, &at, e))
		return false;
	for (bool first = true; at.left > 0; first = false, last = w) {
		if (!waits_next(&at, &w, e))
			return false;
		if ((first || memcmp(w.name, last.name, WAIT_NAME_BYTES) != 0) &&
		    !put_note(c, &w, value, e))
			return false;
	}
	return true;
}

bool
apply_hold_put(struct committer *c, const struct store_held *h, struct bytes part, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	uint8_t row[HOLD_NOTE_BYTES];
	hold_note_write(h, row);
	return put_notes(c, part, bytes_from(row, sizeof(row)), e) &&
	       store_put_hold(c->ledger->store, h, e);
}

bool
apply_hold_drop(struct committer *c, uint64_t deadline_us, uint64_t decision, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct store *s = c->ledger->store;
	struct bytes part;
	bool found = false;
	if (!store_read_part(store_batch_view(s), decision, JOB_PART_WAITS, &part, &found, e))
		return false;
	/* of an older build's hold there are neither part nor notes */
	if (found && !put_notes(c, part, (struct bytes){ NULL, 0 }, e))
		return false;
	return store_drop_hold(s, deadline_us, decision, e);
}

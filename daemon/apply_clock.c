/* apply_clock.c - what the log says of the clock: doubt, its acceptance, steps, who keeps it right
 * (AUDIT 5, DESIGN 11). */
#include "daemon/batch.h"
#include "daemon/role.h"

#include <stdlib.h>

enum { STEP_US = 1000000, WATCH_US = 1000000 };
enum clock_event { CLOCK_AHEAD = 1, CLOCK_ACCEPTED, CLOCK_STEPPED, CLOCK_SYNC, CLOCK_FREE };

static bool
put_clock(struct committer *c, enum clock_event event, const struct job_by *by, struct err *e)
{
	struct body b;
	struct log_out out;
	event_body_begin(&b, EVENT_CLOCK);
	event_body_enum(&b, BODY_CLOCK_EVENT, (unsigned)event);
	event_body_uint(&b, BODY_CLOCK_WALL, wall_says(&c->shell->wall));
	event_body_uint(&b, BODY_CLOCK_EXPECTED, wall_expected(&c->shell->wall));
	return apply_own_record(c, &b, by, &out, e);
}

/* Doubt ends when this is durable (committer.c), no earlier. */
bool
apply_clock(struct committer *c, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	if (!wall_in_doubt(&c->shell->wall)) {
		job_fail(j, ERR_CLOCK, "the clock is not in doubt");
		return true;
	}
	c->accepted_in_batch = true;
	c->ledger->now_us = wall_says(&c->shell->wall);
	return put_clock(c, CLOCK_ACCEPTED, &j->by, e) && apply_notes(c, j, e);
}

/* A clock that was set, by less than what would be doubt: measured against the boot clock. */
static void
watch_steps(struct committer *c)
{
	int64_t offset = (int64_t)wall_says(&c->shell->wall) - (int64_t)wall_boot(&c->shell->wall);
	c->step_untold |= c->clock_watched && llabs(offset - c->clock_offset_us) > STEP_US &&
			  !wall_in_doubt(&c->shell->wall);
	c->clock_watched = true;
	c->clock_offset_us = offset;
}

bool
apply_clock_watch(struct committer *c, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct wall *w = &c->shell->wall;
	uint64_t now = wall_boot(w);
	if (!wall_in_doubt(w)) {
		c->doubt_told = false;
	} else if (!c->doubt_told) { /* from here on intake and delivery stand still */
		c->doubt_in_batch = true;
		if (!put_clock(c, CLOCK_AHEAD, NULL, e))
			return false;
	}
	if (now >= c->next_watch_us) {
		c->next_watch_us = now + WATCH_US;
		watch_steps(c);
		c->sync_untold |= wall_ask_synced(w);
	}
	if (c->step_untold && !put_clock(c, CLOCK_STEPPED, NULL, e))
		return false;
	return !c->sync_untold ||
	       put_clock(c, atomic_load(&w->synced) ? CLOCK_SYNC : CLOCK_FREE, NULL, e);
}

/* again_holds.c - holds that are due, or may be: found and judged again, a few at a time. */
#include "daemon/again.h"
#include "daemon/role.h"

#include "daemon/job.h"
#include "daemon/log.h"

#include <event2/event.h>
#include <inttypes.h>

enum { HOLD_PAGE = 64, HOLDS_A_TURN = 4 };

/* True: there is nothing more to do now (decided, on its way to the committer, or not held any
 * more). */
static bool
hold(struct desk *d, const struct store_held *h, struct err *e)
{
	struct again a = { .queued = { .decision = STORE_NONE },
		.held_deadline_us = h->deadline_us };
	struct arena memory;
	bool found = false;
	uint64_t until;
	arena_init(&memory, DESK_ARENA_EXTRA);
	bool ok = store_view_open(d->view, &memory, e) &&
		  store_find_given(d->view, h->party, &h->report, &a.given, &found, e);
	store_view_close(d->view);
	if (ok && found && a.given.decision == h->decision)
		ok = again_decide(d, &a, &until, e) != AGAIN_FAILED;
	if (!ok)
		log_warn("hold.not-judged", "decision=%" PRIu64 " why=%s", h->decision,
		    log_quote_text(e->text));
	arena_done(&memory);
	return ok;
}

static bool
is_mine(const struct desk *d, const struct store_held *h)
{
	const struct party *p = ruleset_party(d->rules, h->party);
	return p == NULL ? d->worker->index == 0 : worker_of_party(d->worker, p->name) == d->worker;
}

static bool
read_holds(struct desk *d, const struct store_held *after, struct store_held *page, size_t *count,
    struct err *e)
{
	struct arena memory;
	arena_init(&memory, DESK_ARENA_EXTRA);
	bool ok = store_view_open(d->view, &memory, e) &&
		  store_read_holds(d->view, after, page, count, e);
	store_view_close(d->view);
	arena_done(&memory);
	return ok;
}

void
again_hold(struct desk *d, uint64_t deadline_us, uint64_t decision)
{
	ASSERT_ON(ROLE_WORKER);
	struct store_held one, after = { .deadline_us = deadline_us, .decision = decision - 1 };
	struct err e = { 0 };
	size_t count = 1;
	if (d->rules == NULL)
		return; /* the committer was faster than main: with the rules all holds are due */
	if (!read_holds(d, &after, &one, &count, &e) ||
	    (count == 1 && one.decision == decision && is_mine(d, &one) && !hold(d, &one, &e)))
		d->holds_due = true;
}

void
again_hold_home(struct desk *d, const struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	if (j->fate == JOB_FAILED) {
		log_warn("decision.not-recorded", "why=%s", log_quote_text(j->err.text));
		d->holds_due = true;
	} else if (j->fate == JOB_STALE) {
		again_hold(d, j->again.held_deadline_us, j->again.given.decision);
	}
}

/* A few holds of the round; false: the round is over. */
static bool
step_round(struct desk *d)
{
	struct store_held page[HOLD_PAGE];
	struct err e = { 0 };
	size_t count = HOLD_PAGE, judged = 0;
	if (!read_holds(d, d->hold_begun ? &d->hold_at : NULL, page, &count, &e)) {
		d->holds_due = true;
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (judged == HOLDS_A_TURN)
			return true;
		d->hold_at = page[i];
		d->hold_begun = true;
		if (!is_mine(d, &page[i]))
			continue;
		judged++;
		if (hold(d, &page[i], &e))
			continue;
		d->holds_due = true; /* another round, at the next tick.. */
		if (e.code == ERR_CLOCK)
			return false; /* ..and nothing else can be judged in this one */
	}
	return count == HOLD_PAGE;
}

static void
on_round(int fd, short what, void *arg)
{
	static const struct timeval soon = { 0, 1000 };
	struct desk *d = arg;
	(void)fd;
	(void)what;
	bool more = step_round(d);
	/* others have their turn between two steps */
	if (more && event_add(d->hold_event, &soon) == 0)
		return;
	d->holds_due |= more;
	d->in_round = false;
}

void
again_all_holds(struct desk *d)
{
	ASSERT_ON(ROLE_WORKER);
	if (d->in_round || d->rules == NULL)
		return;
	if (d->hold_event == NULL)
		d->hold_event = event_new(d->worker->base, -1, 0, on_round, d);
	if (d->hold_event == NULL)
		return; /* the next tick tries again */
	d->holds_due = false;
	d->in_round = true;
	d->hold_begun = false;
	on_round(-1, 0, d);
}

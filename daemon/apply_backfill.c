/* apply_backfill.c - a DECISION for who was not judged when the report came (DESIGN 8, decision
 * 0035): made only if all that the worker saw is so still. */
#include "daemon/backfill.h"
#include "daemon/backfilled.h"
#include "daemon/batch.h"
#include "daemon/role.h"
#include "daemon/ruleset.h"
#include "proto/envelope.h"

/* ---- how far it came ---- */

bool
apply_backfill_look(struct committer *c, struct job_subscribe *s, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	char name[BACKFILL_NAME];
	backfill_note_name(s->want.id, name);
	return apply_place_read(c, name, &s->backfilling, &s->backfill_at, e);
}

bool
apply_backfill_note(
    struct committer *c, uint32_t subscription, const struct store_report_key *at, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	char name[BACKFILL_NAME];
	backfill_note_name(subscription, name);
	return apply_place_put(c, name, at, e);
}

/* ---- whether it is so still ---- */

static struct roll_subscription *
find_subscription(struct roll_party *p, uint32_t id)
{
	for (size_t i = 0; p != NULL && i < p->sub_count; i++)
		if (p->subs[i].id == id && !p->subs[i].gone)
			return &p->subs[i];
	return NULL;
}

/* The rules and the time that it was decided by. */
static bool
is_fresh(const struct committer *c, const struct job *j)
{
	const struct job_again *a = &j->again;
	return apply_still_holds(c, j->rules, a->decided_us, a->good_until_us);
}

/* Nobody was judged for it since, and it has not ended: it came under an earlier policy, its bodies
 * are kept, it is neither recalled nor superseded nor expired. */
static bool
is_missed(
    struct committer *c, const struct job *j, struct store_report *r, bool *yes, struct err *e)
{
	const struct job_again *a = &j->again;
	struct store_view *v = store_batch_view(c->ledger->store);
	struct store_given g;
	uint64_t intake = 0;
	bool given = true, known = false, bodies = false, gone = true, from = true;
	*yes = false;
	if (!store_find_given(v, a->given.party, &a->given.report, &g, &given, e) ||
	    !store_find_report(v, &a->given.report, r, &known, e) ||
	    !withdrawn_any(v, &a->given.report, &gone, e) ||
	    !withdrawn_is(v, a->given.party, &a->given.report, &from, e))
		return false;
	if (given || !known || gone || from || r->intake != a->given.intake ||
	    r->intake >= j->rules || (r->expires_us != 0 && r->expires_us <= c->ledger->now_us))
		return true;
	if (!store_next_bodies(v, r->intake, &intake, &bodies, e))
		return false;
	*yes = bodies && intake == r->intake;
	return true;
}

/* ---- the decision ---- */

/* Whom the publisher is told of, and what later reports may be passed on by (backfilled.h). */
static bool
remember(struct committer *c, const struct job_again *a, struct err *e)
{
	struct store *s = c->ledger->store;
	char name[BACKFILLED_ROOM];
	uint8_t before[BACKFILLED_BYTES], now[BACKFILLED_BYTES];
	uint64_t newest;
	backfilled_note(&a->given.report, name);
	if (!backfilled_newest(store_batch_view(s), &a->given.report, &newest, e))
		return false;
	put_u64(before, newest);
	put_u64(now, a->index);
	return store_put_part(
		   s, a->index, JOB_PART_BACKFILLED, bytes_from(before, sizeof(before)), e) &&
	       store_put_note(s, name, bytes_from(now, sizeof(now)), e);
}

/* What it takes the place of, where the party waits for that. */
static bool
supersede(struct committer *c, const struct job_again *a, struct roll_party *p, struct err *e)
{
	struct named n;
	if (!named_find(store_batch_view(c->ledger->store), a->given.intake, &n, e))
		return false;
	return n.act != ENVELOPE_SUPERSEDE ||
	       apply_superseded(c, &a->given.report, a->given.intake, p, e);
}

/* ---- into which queues ---- */

/* The one that asked, and those that the report is meant for and that are still looking: their own
 * search will find it given. */
static bool
takes_it(struct committer *c, const struct job_again *a, const struct roll_subscription *s,
    bool *yes, struct err *e)
{
	char name[BACKFILL_NAME];
	struct bytes note;
	*yes = !s->gone && s->id == a->subscription;
	if (*yes || s->gone || s->mode != a->mode || !topic_matches(bytes_of(s->pattern), a->topic))
		return true;
	backfill_note_name(s->id, name);
	return store_read_note(store_batch_view(c->ledger->store), name, &note, yes, e);
}

static bool
count_queues(struct committer *c, const struct job_again *a, const struct roll_party *p,
    size_t *count, struct err *e)
{
	bool yes = false;
	*count = 0;
	for (size_t i = 0; i < p->sub_count; i++) {
		if (!takes_it(c, a, &p->subs[i], &yes, e))
			return false;
		*count += yes;
	}
	return true;
}

static bool
enqueue(struct committer *c, const struct job_again *a, const struct store_queued *entry,
    struct roll_party *p, struct err *e)
{
	bool yes = false;
	for (size_t i = 0; i < p->sub_count; i++) {
		struct store_queued into = *entry;
		into.key.subscription = p->subs[i].id;
		if (!takes_it(c, a, &p->subs[i], &yes, e) ||
		    (yes && !store_enqueue(c->ledger->store, &into, e)))
			return false;
		if (yes)
			batch_tell(c, p, &p->subs[i]);
	}
	return true;
}

static bool
record(struct committer *c, struct job *j, const struct store_report *r, struct roll_party *p,
    struct err *e)
{
	struct job_again *a = &j->again;
	struct store *s = c->ledger->store;
	struct ledger_place at = { .publisher = roll_find(&c->ledger->roll, a->publisher),
		.link = a->given.intake };
	uint64_t good = a->good_until_us == UINT64_MAX ? 0 : a->good_until_us;
	struct log_out out;
	if (at.publisher == NULL)
		return err_set(e, ERR_INTERNAL, "party %u is not on the roll", a->publisher);
	if (!ledger_append(c->ledger, &a->record, &at, &out, e))
		return false;
	a->index = out.index;
	struct store_given given = { .party = a->given.party,
		.report = a->given.report,
		.intake = r->intake,
		.decision = out.index,
		.delivery = STORE_NONE,
		.epoch = j->rules,
		.good_until_us = good,
		.masks = a->masks };
	struct store_queued entry = { .key = { a->subscription, a->precedence, out.index },
		.not_before_ms = a->not_before_ms,
		.epoch = j->rules,
		.good_until_us = good,
		.expires_us = r->expires_us,
		.intake = r->intake,
		.report = r->key,
		.bytes = r->body_bytes };
	return store_put_part(s, out.index, STORE_PART_FACTS, a->facts, e) && remember(c, a, e) &&
	       store_put_given(s, &given, e) && supersede(c, a, p, e) &&
	       enqueue(c, a, &entry, p, e);
}

bool
apply_backfill(struct committer *c, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct job_again *a = &j->again;
	struct roll_party *p = roll_find(&c->ledger->roll, a->given.party);
	struct roll_subscription *s = find_subscription(p, a->subscription);
	struct store_report r;
	size_t queues = 0;
	bool missed = false;
	if (s == NULL) { /* deleted meanwhile */
		a->more = false;
		return apply_backfill_note(c, a->subscription, NULL, e);
	}
	if (a->facts.len != 0) {
		if (!is_fresh(c, j)) {
			j->fate = JOB_STALE;
			return true;
		}
		if (!is_missed(c, j, &r, &missed, e))
			return false;
		/* old reports are no work that the reserve is for */
		if (missed && !apply_has_room(c, j))
			return true;
		if (missed && !count_queues(c, a, p, &queues, e))
			return false;
		if (missed && !apply_mailbox_spares(c, p->id, queues, r.body_bytes)) {
			job_fail(j, ERR_QUOTA, "the mailbox is half full");
			return true;
		}
		if (missed && !record(c, j, &r, p, e))
			return false;
	}
	return apply_backfill_note(c, a->subscription, a->more ? &a->looked_at : NULL, e);
}

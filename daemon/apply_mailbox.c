/* apply_mailbox.c - what a party does to its subscriptions, and an operator to dead letters
 * (DESIGN 8, decision 0028). */
#include "daemon/batch.h"
#include "daemon/fill.h"
#include "daemon/role.h"
#include "daemon/ruleset.h"

enum { DELETE_STEP = 64 }; /* entries of a queue that end in one batch */

/* ---- LIST ---- */

static void
list(struct committer *c, const struct roll_party *p, struct job_mailbox *m)
{
	m->count = 0;
	for (size_t i = m->from; i < p->sub_count && m->count < m->room; i++) {
		const struct roll_subscription *s = &p->subs[i];
		struct job_mailbox_row *to = &m->rows[m->count++];
		to->mode = s->mode;
		/* a party is told of what it was sent: of the rest nobody has decided today (S7) */
		to->waiting = m->admin != NULL ? store_waiting(c->ledger->store, s->id)
					       : store_sent(c->ledger->store, s->id);
		memcpy(to->name, s->name, sizeof(to->name));
		memcpy(to->pattern, s->pattern, sizeof(to->pattern));
	}
	m->more = m->from + m->count < p->sub_count;
}

/* ---- how far a search came ---- */

bool
apply_place_read(
    struct committer *c, const char *name, bool *found, struct store_report_key *at, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct bytes note;
	if (!store_read_note(store_batch_view(c->ledger->store), name, &note, found, e))
		return false;
	if (!*found)
		return true;
	struct cursor from = cursor_over(note);
	at->originator = cursor_u32(&from);
	cursor_copy(&from, at->id, sizeof(at->id));
	return cursor_finished(&from) || err_set(e, ERR_CORRUPT, "the note '%s'", name);
}

bool
apply_place_put(
    struct committer *c, const char *name, const struct store_report_key *at, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	uint8_t row[4 + STORE_ID_BYTES];
	c->ledger->dirty = true;
	if (at == NULL)
		return store_put_note(c->ledger->store, name, (struct bytes){ NULL, 0 }, e);
	put_u32(row, at->originator);
	memcpy(row + 4, at->id, sizeof(at->id));
	return store_put_note(c->ledger->store, name, bytes_from(row, sizeof(row)), e);
}

/* ---- FILL ---- */

bool
apply_fill_look(struct committer *c, struct job_subscribe *s, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	char name[FILL_NAME];
	fill_note_name(s->want.id, name);
	return apply_place_read(c, name, &s->filling, &s->fill_at, e);
}

static bool
put_fill(
    struct committer *c, uint32_t subscription, const struct store_report_key *at, struct err *e)
{
	char name[FILL_NAME];
	fill_note_name(subscription, name);
	return apply_place_put(c, name, at, e);
}

bool
apply_fill_note(struct committer *c, const struct job_subscribe *s, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	return put_fill(c, s->want.id, &s->fill_at, e);
}

static bool
is_there(const struct roll_party *p, uint32_t subscription)
{
	for (size_t i = 0; i < p->sub_count; i++)
		if (p->subs[i].id == subscription && !p->subs[i].gone)
			return true;
	return false;
}

/* Dead letters of the report that have no subscription: it found one.  To be tried again would
 * bring it there once more (S6). */
static bool
drop_orphans(struct committer *c, const struct roll_party *p, const struct store_report_key *report,
    struct err *e)
{
	struct store_letter page[16];
	struct store_letter_key from = { .party = p->id, .report = *report };
	for (size_t count = 16; count == 16;) {
		if (!store_read_letters(store_batch_view(c->ledger->store), &from, page, &count, e))
			return false;
		for (size_t i = 0; i < count; i++) {
			const struct store_letter_key *k = &page[i].key;
			if (k->party != p->id || memcmp(&k->report, report, sizeof(*report)) != 0)
				return true;
			if (!is_there(p, k->subscription) &&
			    !store_drop_letter(c->ledger->store, k, NULL, e))
				return false;
			from = *k;
			from.subscription++;
		}
	}
	return true;
}

/* Whether all that is known of these can be read. */
static bool
can_fill(struct committer *c, const struct roll_party *p, struct job *j, struct err *e)
{
	const struct job_mailbox *m = &j->mailbox;
	for (size_t i = 0; i < m->fill_count; i++) {
		struct store_given g;
		struct apply_standing is = { .known = true };
		bool found = false;
		if (!store_find_given(store_batch_view(c->ledger->store), p->id,
			&m->fills[i].report, &g, &found, e) ||
		    (found && g.masks.len > 0 && !apply_standing(c, &g, &is, e)))
			return false;
		if (!is.known) {
			job_fail(j, ERR_IO, "the file of a record cannot be reached");
			return true;
		}
	}
	return true;
}

/* One report of those that the party was given, if it may still go as far as is known: it is looked
 * at again before it leaves (S5). */
static bool
fill_one(struct committer *c, struct roll_party *p, const struct job_mailbox *m,
    const struct job_fill *f, struct err *e)
{
	struct store *s = c->ledger->store;
	struct store_view *v = store_batch_view(s);
	struct store_given g;
	struct store_report r;
	struct apply_standing is;
	uint64_t intake = 0;
	bool given = false, known = false, bodies = false;
	if (!store_find_given(v, p->id, &f->report, &g, &given, e) ||
	    !store_find_report(v, &f->report, &r, &known, e))
		return false;
	if (!given || !known || g.masks.len == 0 ||
	    (r.expires_us != 0 && r.expires_us <= c->ledger->now_us))
		return true;
	if (!store_next_bodies(v, r.intake, &intake, &bodies, e) || !apply_standing(c, &g, &is, e))
		return false;
	if (!bodies || intake != r.intake ||
	    (is.outcome != OUTCOME_RELEASE && is.outcome != OUTCOME_REDACT))
		return true;
	struct store_queued entry = { .key = { m->id, f->precedence, is.decision },
		.not_before_ms = f->not_before_ms,
		.epoch = g.epoch,
		.good_until_us = g.good_until_us,
		.expires_us = r.expires_us,
		.intake = r.intake,
		.report = r.key,
		.bytes = r.body_bytes };
	struct apply_dead dead = { p, &entry, m->mode, STORE_DEAD_MAILBOX_FULL, STORE_NONE };
	if (!drop_orphans(c, p, &f->report, e))
		return false;
	return apply_mailbox_takes(c, p->id, entry.bytes) ? store_enqueue(s, &entry, e)
							  : apply_dead_letter(c, &dead, e);
}

static bool
fill(struct committer *c, struct roll_party *p, struct job *j, struct err *e)
{
	struct job_mailbox *m = &j->mailbox;
	if (!is_there(p, m->id)) { /* deleted meanwhile */
		m->more = false;
		return put_fill(c, m->id, NULL, e);
	}
	if (!can_fill(c, p, j, e) || j->fate == JOB_FAILED)
		return j->fate == JOB_FAILED;
	for (size_t i = 0; i < m->fill_count; i++)
		if (!fill_one(c, p, m, &m->fills[i], e))
			return false;
	return put_fill(c, m->id, m->more ? &m->fill_at : NULL, e);
}

/* ---- DELETE ---- */

/* Some of what waits ends, each with its record; *left: not all of it. */
static bool
empty(struct committer *c, struct roll_party *p, const struct roll_subscription *s, bool *left,
    struct err *e)
{
	struct store *store = c->ledger->store;
	size_t done = 0;
	*left = false;
	for (unsigned lane = PRECEDENCE_ROUTINE; lane <= PRECEDENCE_FLASH; lane++) {
		struct store_queue_key at = { s->id, (uint8_t)lane, STORE_QUEUE_START };
		for (size_t count = 1; count == 1;) {
			struct store_queued entry;
			if (!store_read_queue(store_batch_view(store), &at, &entry, &count, e))
				return false;
			if (count == 0)
				break;
			if (done++ == DELETE_STEP) {
				*left = true;
				return true;
			}
			struct apply_dead d = { .party = p,
				.entry = &entry,
				.mode = s->mode,
				.why = STORE_DEAD_NO_SUBSCRIPTION,
				.record = STORE_NONE };
			if (!apply_dead_letter(c, &d, e) ||
			    !store_dequeue(store, &entry.key, NULL, e))
				return false;
			at = entry.key;
		}
	}
	return true;
}

static bool
unsubscribe(struct committer *c, struct roll_party *p, struct job *j, struct err *e)
{
	struct job_mailbox *m = &j->mailbox;
	struct roll_subscription *s = roll_subscription(p, m->mode, m->name);
	size_t others = 0;
	for (size_t i = 0; i < p->sub_count; i++)
		others += p->subs[i].mode == m->mode && !p->subs[i].gone && &p->subs[i] != s;
	if (s == NULL) {
		job_fail(j, ERR_NO_SUBSCRIPTION, "there is none of this name");
		return true;
	}
	if (others == 0) {
		job_fail(j, ERR_USAGE, "it is the only subscription that its mode has");
		return true;
	}
	m->id = s->id;
	c->ledger->dirty = true;
	if (!empty(c, p, s, &m->more, e) || m->more)
		return m->more && e->code == ERR_NONE;
	struct store_subscription is = { .id = s->id,
		.party = p->id,
		.mode = s->mode,
		.name = bytes_of(s->name),
		.pattern = bytes_of(s->pattern) };
	struct apply_subscription it = { p, &is, &j->by, true };
	uint64_t index;
	roll_touch(&c->ledger->roll, p);
	p->lost_subs = s->gone = true;
	return apply_subscription_record(c, &it, &index, e) && put_fill(c, s->id, NULL, e) &&
	       apply_backfill_note(c, s->id, NULL, e) &&
	       store_drop_subscription(c->ledger->store, s->id, e);
}

/* ---- RETRY, DROP ---- */

/* Into the queue that it came from.  Where that is none, or none any more, into those that match
 * and came later: others may have acknowledged it (S6). */
static bool
is_meant(const struct roll_party *p, const struct roll_subscription *s,
    const struct store_letter *l, struct bytes topic)
{
	if (s->gone || is_there(p, l->key.subscription))
		return !s->gone && s->id == l->key.subscription;
	return s->created > l->record && s->mode == l->mode &&
	       topic_matches(bytes_of(s->pattern), topic);
}

/* As a new entry, which is decided anew before anything of it leaves (S5).  *went false: it stays.
 */
static bool
requeue(struct committer *c, const struct store_letter *l, const struct store_given *g,
    struct bytes topic, bool *went, struct err *e)
{
	struct roll_party *p = roll_find(&c->ledger->roll, l->key.party);
	struct store_queued entry = { .key = { 0, l->precedence, 0 },
		.not_before_ms = l->not_before_ms,
		.good_until_us = g->good_until_us,
		.expires_us = l->expires_us,
		.intake = l->intake,
		.report = l->key.report,
		.bytes = l->bytes };
	struct apply_standing is;
	*went = false;
	if (!apply_standing(c, g, &is, e))
		return false;
	entry.key.decision = is.decision;
	if (p == NULL || !is.known || is.outcome == OUTCOME_HOLD)
		return true; /* the hold's end is for others to bring about */
	if (is.outcome == OUTCOME_WITHHOLD)
		return *went = true;
	for (size_t i = 0; i < p->sub_count; i++) {
		struct roll_subscription *s = &p->subs[i];
		if (!is_meant(p, s, l, topic) || !apply_mailbox_takes(c, p->id, l->bytes))
			continue;
		entry.key.subscription = s->id;
		if (!store_enqueue(c->ledger->store, &entry, e) || !batch_back(c, p, &entry, e))
			return false;
		*went = true;
	}
	return true;
}

static bool
retry(struct committer *c, const struct store_letter *l, struct bytes topic, bool *went,
    struct err *e)
{
	struct store *s = c->ledger->store;
	struct store_given g;
	bool found = false;
	*went = false;
	if (l->expires_us != 0 && l->expires_us <= c->ledger->now_us)
		return true; /* it ends with the next sweep */
	if (!store_find_given(store_batch_view(s), l->key.party, &l->key.report, &g, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_CORRUPT, "a dead letter without what was given");
	if (!requeue(c, l, &g, topic, went, e) || !*went)
		return e->code == ERR_NONE;
	g.epoch = 0; /* no POLICY record has this index: it has to be decided again (S5) */
	return store_put_given(s, &g, e);
}

/* As it is now; *found false: it is gone. */
static bool
find(struct committer *c, const struct store_letter_key *key, struct store_letter *out, bool *found,
    struct err *e)
{
	size_t count = 1;
	if (!store_read_letters(store_batch_view(c->ledger->store), key, out, &count, e))
		return false;
	*found = count == 1 && memcmp(&out->key, key, sizeof(*key)) == 0;
	return true;
}

static bool
letters(struct committer *c, struct job_mailbox *m, struct err *e)
{
	m->done = 0;
	for (size_t i = 0; i < m->letter_count; i++) {
		struct store_letter l;
		bool found = false, goes = true;
		if (!find(c, &m->letters[i].key, &l, &found, e))
			return false;
		if (!found)
			continue;
		if (m->act == MAILBOX_RETRY && !retry(c, &l, m->letters[i].topic, &goes, e))
			return false;
		if (!goes)
			continue;
		if (!store_drop_letter(c->ledger->store, &l.key, NULL, e))
			return false;
		m->done++;
	}
	c->ledger->dirty = true;
	return true;
}

bool
apply_mailbox(struct committer *c, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct job_mailbox *m = &j->mailbox;
	struct roll_party *p = roll_find(&c->ledger->roll, m->party);
	struct ledger_place nowhere = { 0 };
	struct log_out out;
	if (p == NULL) {
		job_fail(j, ERR_NOT_FOUND, "no such party");
		return true;
	}
	if (m->admin != NULL && !ledger_append(c->ledger, m->admin, &nowhere, &out, e))
		return false;
	switch (m->act) {
	case MAILBOX_LIST:
		list(c, p, m);
		return true;
	case MAILBOX_DELETE:
		return unsubscribe(c, p, j, e);
	case MAILBOX_FILL:
		return fill(c, p, j, e);
	case MAILBOX_RETRY:
	case MAILBOX_DROP:
		return letters(c, m, e);
	}
	return err_set(e, ERR_INTERNAL, "a mailbox job of no kind");
}

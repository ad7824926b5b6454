/* apply_rules.c - a new ruleset, and subscriptions: what changes who may flow where (AUDIT 1). */
#include "daemon/config.h"
#include "daemon/role.h"
#include "daemon/rules_step.h"

#include <stdio.h>

/* ---- SUBSCRIBE ---- */

bool
apply_subscription_record(
    struct committer *c, const struct apply_subscription *a, uint64_t *index, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct body b;
	struct log_out out;
	event_body_begin(&b, EVENT_SUBSCRIPTION);
	event_body_bytes(&b, BODY_SUBSCRIPTION_PARTY, bytes_of(a->party->name));
	event_body_enum(&b, BODY_SUBSCRIPTION_MODE, a->is->mode);
	event_body_bytes(&b, BODY_SUBSCRIPTION_NAME, a->is->name);
	event_body_bytes(&b, BODY_SUBSCRIPTION_PATTERN, a->is->pattern);
	event_body_enum(&b, BODY_SUBSCRIPTION_ACT, a->deleted ? 2 : 1);
	if (!apply_own_record(c, &b, a->by, &out, e))
		return false;
	*index = out.index;
	return true;
}

/* New in the log, the store and the roll; the roll forgets it again if the batch fails. */
static bool
create(struct committer *c, struct roll_party *p, struct store_subscription *s,
    const struct job_by *by, struct err *e)
{
	struct apply_subscription it = { .party = p, .is = s, .by = by };
	if (!apply_subscription_record(c, &it, &s->created, e) ||
	    !store_put_subscription(c->ledger->store, s, e))
		return false;
	if (!roll_subscribe(p, s))
		return err_set(e, ERR_NOMEM, "subscription");
	roll_touch(&c->ledger->roll, p);
	p->new_subs++;
	return true;
}

bool
apply_subscribe(struct committer *c, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct job_subscribe *s = &j->subscribe;
	struct roll_party *p = roll_find(&c->ledger->roll, s->want.party);
	if (p == NULL) {
		job_fail(j, ERR_SHUT_OUT, "the party is not on the roll");
		return true;
	}
	struct roll_subscription *known = roll_subscription(p, s->want.mode, s->want.name);
	if (known != NULL) {
		if (s->want.pattern.len > 0 && !bytes_is(s->want.pattern, known->pattern)) {
			job_fail(j, ERR_SUBSCRIPTION_DIFFERS, known->pattern);
			return true;
		}
		s->want.id = known->id;
		if (!apply_fill_look(c, s, e) || !apply_backfill_look(c, s, e))
			return false;
		return arena_copy(j->arena, bytes_of(known->pattern), &s->want.pattern, e);
	}
	if (p->sub_count >= committer_settings(c)->limit_subscriptions) {
		job_fail(j, ERR_QUOTA, "too many subscriptions");
		return true;
	}
	if (s->want.pattern.len == 0)
		s->want.pattern = bytes_of(">");
	s->created = true;
	s->filling = s->backfilling = s->from_start;
	return create(c, p, &s->want, &j->by, e) &&
	       (!s->from_start || (apply_fill_note(c, s, e) &&
				      apply_backfill_note(c, s->want.id, &s->backfill_at, e)));
}

/* ---- RULES ---- */

/* Every party has an inbox in each mode from the moment the policy names it (DESIGN 8). */
static bool
put_inboxes(struct committer *c, struct roll_party *p, struct err *e)
{
	for (unsigned mode = MODE_LIVE; mode <= MODE_EXERCISE; mode++) {
		struct store_subscription s = { .party = p->id,
			.mode = (uint8_t)mode,
			.name = bytes_of("inbox"),
			.pattern = bytes_of(">") };
		if (!create(c, p, &s, NULL, e))
			return false;
	}
	return true;
}

/* The log key, once for each party that may open the log. */
static bool
put_log_key(struct rules_step *s, struct roll_party *p, struct err *e)
{
	char vkey[NOTE_VKEY_MAX];
	struct rules_key k = { KEY_LOG, KEY_ADDED, vkey };
	note_key_print(&s->c->key, vkey);
	return apply_keys_put(s, p, &k, e);
}

static bool
put_party(struct rules_step *s, const struct party *named, struct err *e)
{
	struct committer *c = s->c;
	uint32_t id = 0;
	s->work++;
	if (!store_name(c->ledger->store, STORE_NAME_PARTY, named->name, &id, e))
		return false;
	s->rules->party_ids[named->index] = id;
	struct roll_party *p = roll_find(&c->ledger->roll, id);
	if (p != NULL)
		return true;
	p = roll_add(&c->ledger->roll, id, named->name);
	if (p == NULL)
		return err_set(e, ERR_NOMEM, "party");
	p->fresh = true;
	roll_touch(&c->ledger->roll, p);
	p->worker = worker_of_party(c->shell->workers[0], named->name)->index;
	s->work += 2 * STEP_RECORD;
	return put_log_key(s, p, e) && put_inboxes(c, p, e);
}

static bool
put_parties(struct rules_step *s, struct err *e)
{
	const struct epoch *epoch = s->rules->epoch;
	for (; s->at->item < epoch_party_count(epoch) && !step_spent(s); s->at->item++)
		if (!put_party(s, epoch_party_at(epoch, s->at->item), e))
			return false;
	return true;
}

static bool
put_text(struct rules_step *s, struct bytes text, struct err *e)
{
	uint8_t digest[STORE_HASH_BYTES];
	s->work += 1 + text.len / STEP_BYTES;
	s->c->ledger->dirty = true;
	return store_put_blob(s->c->ledger->store, STORE_POLICY, text, digest, e);
}

/* Item i of: the export, the SPIFs, the terms, the anchors of each party. */
static bool
put_item(struct rules_step *s, size_t i, struct err *e)
{
	const struct epoch *epoch = s->rules->epoch;
	uint8_t digest[32];
	if (i == 0)
		return put_text(s, epoch_export(epoch), e);
	i -= 1;
	if (i < epoch_vocab_count(epoch))
		return put_text(s, epoch_spif(epoch, i, digest), e);
	i -= epoch_vocab_count(epoch);
	if (i < epoch_agreement_count(epoch)) {
		const struct agreement *g = epoch_agreement_at(epoch, i);
		return !g->has_terms || put_text(s, g->terms_text, e);
	}
	const struct party *p = epoch_party_at(epoch, i - epoch_agreement_count(epoch));
	for (size_t k = 0; k < p->anchor_count; k++)
		if (!put_text(s, p->anchors[k].der, e))
			return false;
	return true;
}

/* All that the digests in the records stand for is kept, for the auditor's replay. */
static bool
put_texts(struct rules_step *s, struct err *e)
{
	const struct epoch *epoch = s->rules->epoch;
	size_t count =
	    1 + epoch_vocab_count(epoch) + epoch_agreement_count(epoch) + epoch_party_count(epoch);
	for (; s->at->item < count && !step_spent(s); s->at->item++)
		if (!put_item(s, s->at->item, e))
			return false;
	return true;
}

static bool
put_policy(struct committer *c, struct job *job, struct err *e)
{
	struct job_rules *j = &job->policy;
	const struct epoch *epoch = j->rules->epoch;
	struct body b;
	struct log_out out;
	event_body_begin(&b, EVENT_POLICY);
	event_body_bytes(&b, BODY_POLICY_DIGEST, bytes_from(epoch_digest(epoch), 32));
	if (c->ledger->fence.epoch != STORE_NONE)
		event_body_bytes(&b, BODY_POLICY_PREVIOUS, bytes_from(c->ledger->fence.policy, 32));
	event_body_enum(&b, BODY_POLICY_CAUSE, j->at_start ? 1 : 2);
	if (j->crls.len > 0)
		event_body_bytes(&b, BODY_POLICY_CRLS, j->crls);
	if (j->shut_out.len > 0)
		event_body_bytes(&b, BODY_POLICY_SHUT_OUT, j->shut_out);
	if (!apply_own_record(c, &b, &job->by, &out, e))
		return false;
	j->rules->number = out.index;
	return store_put_epoch(c->ledger->store, out.index, epoch_digest(epoch), e);
}

bool
apply_rules_notes(struct rules_step *s, const char *root,
    bool (*each)(struct rules_step *, const struct store_note *, struct err *), struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct store_note page[64];
	char *after = s->at->note;
	size_t room = sizeof(page) / sizeof(page[0]);
	if (after[0] == 0)
		(void)snprintf(after, sizeof(s->at->note), "%s", root);
	for (size_t count = room; count == room && !step_spent(s);) {
		if (!store_read_notes(
			store_batch_view(s->c->ledger->store), bytes_of(after), page, &count, e))
			return false;
		s->work += count;
		for (size_t i = 0; i < count; i++) {
			if (!each(s, &page[i], e))
				return false;
			(void)snprintf(
			    after, sizeof(s->at->note), "%s", (const char *)page[i].name.data);
		}
	}
	return true;
}

/* The last step: from here on decisions of other rules are stale. */
static bool
put_in_force(struct committer *c, struct job *j, struct err *e)
{
	struct ledger_place nowhere = { 0 };
	struct log_out out;
	if (!put_policy(c, j, e) ||
	    (j->policy.admin != NULL &&
		!ledger_append(c->ledger, j->policy.admin, &nowhere, &out, e)))
		return false;
	c->next = j->policy.rules;
	return true;
}

bool
apply_rules(struct committer *c, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	static bool (*const stages[])(struct rules_step *, struct err *) = { put_parties, put_texts,
		apply_agreements_judge, apply_agreements_lost, apply_agreements_told,
		apply_keys_gone, apply_keys_told, apply_signers_judge };
	struct job_rules_at *at = &j->policy.at;
	struct rules_step s = { c, j->policy.rules, at, 0 };
	while (at->stage < sizeof(stages) / sizeof(stages[0])) {
		if (!stages[at->stage](&s, e))
			return false;
		if (step_spent(&s)) {
			j->fate = JOB_UNFINISHED;
			return true;
		}
		*at = (struct job_rules_at){ .stage = at->stage + 1 };
	}
	return put_in_force(c, j, e);
}

/* ---- once they are durable ---- */

static void
no_later_than(uint64_t *at, uint64_t then)
{
	if (*at > then)
		*at = then;
}

/* What comes round sooner now does so from now on. */
static void
take_settings(struct committer *c)
{
	const struct config *set = committer_settings(c);
	uint64_t now = wall_boot(&c->shell->wall);
	shell_take_settings(c->shell, set);
	no_later_than(&c->next_heads_us, now + set->log_heads_every_ms * 1000);
	no_later_than(&c->next_party_heads_us, now + set->log_party_heads_ms * 1000);
}

void
apply_take_rules(struct committer *c)
{
	ASSERT_ON(ROLE_COMMITTER);
	if (c->next == NULL)
		return;
	ruleset_unref(c->rules);
	c->rules = ruleset_ref(c->next);
	c->ledger->fence.epoch = c->rules->number;
	memcpy(c->ledger->fence.policy, epoch_digest(c->rules->epoch), STORE_HASH_BYTES);
	take_settings(c);
}

/* apply_rules.c - a new ruleset, and subscriptions: what changes who may flow where (AUDIT 1). */
#include "daemon/batch.h"
#include "daemon/config.h"
#include "daemon/ruleset.h"

#include <inttypes.h>

/* ---- SUBSCRIBE ---- */

static bool
put_subscription_record(struct committer *c, const struct roll_party *p,
    const struct store_subscription *s, const struct job_by *by, uint64_t *index, struct err *e)
{
	struct body b;
	struct log_out out;
	event_body_begin(&b, EVENT_SUBSCRIPTION);
	event_body_bytes(&b, BODY_SUBSCRIPTION_PARTY, bytes_of(p->name));
	event_body_enum(&b, BODY_SUBSCRIPTION_MODE, s->mode);
	event_body_bytes(&b, BODY_SUBSCRIPTION_NAME, s->name);
	event_body_bytes(&b, BODY_SUBSCRIPTION_PATTERN, s->pattern);
	event_body_enum(&b, BODY_SUBSCRIPTION_ACT, 1);
	if (!apply_own_record(c, &b, by, &out, e))
		return false;
	*index = out.index;
	return true;
}

/* New in the log, the store and the roll; the roll forgets it again if the batch fails. */
static bool
create(struct committer *c, struct roll_party *p, struct store_subscription *s,
    const struct job_by *by, struct err *e)
{
	if (!put_subscription_record(c, p, s, by, &s->created, e) ||
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
		return arena_copy(j->arena, bytes_of(known->pattern), &s->want.pattern, e);
	}
	if (p->sub_count >= c->shell->config->limit_subscriptions) {
		job_fail(j, ERR_QUOTA, "too many subscriptions");
		return true;
	}
	if (s->want.pattern.len == 0)
		s->want.pattern = bytes_of(">");
	s->created = true;
	return create(c, p, &s->want, &j->by, e);
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
put_key(struct committer *c, struct roll_party *p, struct err *e)
{
	char vkey[NOTE_VKEY_MAX];
	struct record r;
	struct body b;
	struct log_out out;
	struct arena *a = &c->ledger->scratch;
	struct apply_begin begin = { .type = EVENT_KEY };
	struct ledger_place at = { .recipient = p };
	note_key_print(&c->key, vkey);
	event_body_begin(&b, EVENT_KEY);
	event_body_bytes(&b, BODY_KEY_PARTY, bytes_of(p->name));
	event_body_enum(&b, BODY_KEY_PURPOSE, 1);
	event_body_enum(&b, BODY_KEY_ACT, 1);
	event_body_bytes(&b, BODY_KEY_KEY, bytes_of(vkey));
	return apply_record(c, &begin, &r, e) && record_set_body(&r, a, &b, e) &&
	       ledger_append(c->ledger, &r, &at, &out, e);
}

static bool
put_party(struct committer *c, struct ruleset *rules, const struct party *named, struct err *e)
{
	uint32_t id = 0;
	if (!store_name(c->ledger->store, STORE_NAME_PARTY, named->name, &id, e))
		return false;
	rules->party_ids[named->index] = id;
	struct roll_party *p = roll_find(&c->ledger->roll, id);
	if (p != NULL)
		return true;
	p = roll_add(&c->ledger->roll, id, named->name);
	if (p == NULL)
		return err_set(e, ERR_NOMEM, "party");
	p->fresh = true;
	roll_touch(&c->ledger->roll, p);
	p->worker = worker_of_party(c->shell->workers[0], named->name)->index;
	return put_key(c, p, e) && put_inboxes(c, p, e);
}

/* Exports, terms and SPIFs are kept by digest, for the auditor's replay. */
static bool
put_texts(struct committer *c, const struct ruleset *rules, struct err *e)
{
	struct store *s = c->ledger->store;
	uint8_t digest[STORE_HASH_BYTES];
	if (!store_put_blob(s, STORE_POLICY, epoch_export(rules->epoch), digest, e))
		return false;
	for (size_t i = 0; i < epoch_vocab_count(rules->epoch); i++)
		if (!store_put_blob(
			s, STORE_POLICY, epoch_spif(rules->epoch, i, digest), digest, e))
			return false;
	for (size_t i = 0; i < epoch_agreement_count(rules->epoch); i++) {
		const struct agreement *g = epoch_agreement_at(rules->epoch, i);
		if (g->has_terms && !store_put_blob(s, STORE_POLICY, g->terms_text, digest, e))
			return false;
	}
	for (size_t i = 0; i < epoch_party_count(rules->epoch); i++) {
		const struct party *p = epoch_party_at(rules->epoch, i);
		for (size_t k = 0; k < p->anchor_count; k++)
			if (!store_put_blob(s, STORE_POLICY, p->anchors[k].der, digest, e))
				return false;
	}
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
apply_rules(struct committer *c, struct job *j, struct err *e)
{
	struct ruleset *rules = j->policy.rules;
	for (size_t i = 0; i < epoch_party_count(rules->epoch); i++)
		if (!put_party(c, rules, epoch_party_at(rules->epoch, i), e))
			return false;
	if (!put_texts(c, rules, e) || !apply_agreements(c, rules, e) || !put_policy(c, j, e))
		return false;
	struct ledger_place nowhere = { 0 };
	struct log_out out;
	if (j->policy.admin != NULL &&
	    !ledger_append(c->ledger, j->policy.admin, &nowhere, &out, e))
		return false;
	c->next = rules;
	return true;
}

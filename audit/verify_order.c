#include "audit/verify_order.h"

#include <inttypes.h>
#include <stdlib.h>

#include "audit/form.h"
#include "audit/verify_approval.h"
#include "audit/verify_backfill.h"
#include "audit/verify_judged.h"
#include "audit/verify_keys.h"
#include "audit/verify_party.h"
#include "audit/verify_recover.h"
#include "audit/verify_terms.h"

#define AHEAD_US 300000000u /* clocks of witnesses and auditors may differ by five minutes */

static bool
no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "verification");
}

static void
check_time(struct verify *v, const struct verify_slots *s)
{
	uint64_t time = s->r.common.time, index = s->r.index;
	if (v->out->opened != 0 && time < v->out->last_time)
		verify_run_find(
		    v, VERIFY_TIME, index, "its time is before that of a record before it");
	if (v->ask->now_s != 0 && time / 1000000 > v->ask->now_s + AHEAD_US / 1000000)
		verify_run_find(v, VERIFY_TIME, index, "its time is in the future");
	for (size_t i = 0; i < v->ask->trust->witness_count; i++) {
		const struct note_seen *seen = &v->ask->trust->seen[i];
		if (seen->verified && time > AHEAD_US && (time - AHEAD_US) / 1000000 > seen->time)
			verify_run_find(v, VERIFY_TIME, index,
			    "its time is after a witness saw the log that holds it");
	}
}

/* What is current for one recipient, made if need be. */
static bool
current_of(struct verify *v, const struct verify_slots *s, struct bytes recipient,
    struct verify_current **out, struct err *e)
{
	const struct bytes parts[3] = { s->publication.party, s->r.common.report, recipient };
	return verify_run_current(v, parts, out, e);
}

/* A link is held against what it names only where both slots and the recipient are shown. */
static bool
all_open(const struct verify_slots *s, unsigned i, unsigned k)
{
	return verify_slot_open(s, 2) && verify_slot_open(s, i) && verify_slot_open(s, k);
}

static void
check_policy(struct verify *v, const struct verify_slots *s)
{
	if (v->about.party.len != 0 || (verify_run_partial(v) && !v->has_policy) ||
	    s->decision.policy == NULL)
		return; /* without one, check_form says so */
	if (!v->has_policy || memcmp(s->decision.policy, v->policy, 32) != 0)
		verify_run_find(v, VERIFY_GAP, s->r.index,
		    "it was judged under a policy that is not the last POLICY record's");
}

static bool
on_intake(struct verify *v, const struct verify_slots *s, struct err *e)
{
	bool known;
	struct verify_report *report, now = { .intake = s->r.index, .accepted = s->r.common.time };
	if (!verify_run_report_at(v, s, &known, &report, e) ||
	    !verify_run_text(v, s->publication.agent, &now.agent, e) ||
	    !verify_run_text(v, s->publication.banner, &now.banner, e))
		return false;
	if (known)
		verify_run_find(v, VERIFY_GAP, s->r.index, "the same report was accepted before");
	if (s->publication.manifest != NULL)
		memcpy(now.manifest, s->publication.manifest, 32);
	now.has_policy = s->decision.policy != NULL;
	if (now.has_policy)
		memcpy(now.policy, s->decision.policy, 32);
	now.has_session = s->hub.certificate != NULL;
	if (now.has_session)
		memcpy(now.session, s->hub.certificate, 32);
	*report = now;
	check_policy(v, s);
	return verify_judged_begin(v, s, e);
}

/* What a recipient is told of what is released to him, but for its digest. */
struct told {
	uint32_t agreements, marking; /* numbers of texts */
};

static bool
told_of(struct verify *v, const struct verify_slots *s, struct told *out, struct err *e)
{
	return verify_run_text(v, s->release.agreements, &out->agreements, e) &&
	       verify_run_text(v, s->release.marking, &out->marking, e);
}

/* The verdicts of all portions, counted, and which of them are released or held. */
struct verdicts {
	bool in_order; /* one line a portion, from 0 */
	size_t count, released, held;
	uint8_t open[32], only_held[32];
};

static struct verdicts
count_verdicts(struct bytes reasons)
{
	struct verdicts n = { .in_order = true };
	struct slot_reason line;
	while (reasons.len != 0 && slot_reason_next(&reasons, &line, NULL)) {
		bool release = bytes_is(line.verdict, "release"),
		     hold = bytes_is(line.verdict, "hold");
		n.in_order = n.in_order && line.portion == n.count;
		n.count++;
		n.released += release;
		n.held += hold;
		if ((release || hold) && line.portion < 256)
			n.open[line.portion / 8] |= (uint8_t)(1u << line.portion % 8);
		if (hold && line.portion < 256)
			n.only_held[line.portion / 8] |= (uint8_t)(1u << line.portion % 8);
	}
	return n;
}

static bool
outcome_follows(enum outcome outcome, const struct verdicts *n)
{
	switch (outcome) {
	case OUTCOME_RELEASE:
		return n->count != 0 && n->released == n->count;
	case OUTCOME_REDACT:
		return n->released != 0 && n->held == 0 && n->released < n->count;
	case OUTCOME_HOLD:
		return n->held != 0;
	case OUTCOME_WITHHOLD:
		return n->released == 0 && n->held == 0;
	}
	return false;
}

static bool
narrows(const uint8_t before[32], const uint8_t now[32])
{
	for (size_t i = 0; i < 32; i++)
		if (now[i] & ~before[i])
			return false;
	return true;
}

/* A first decision stands in its INTAKE's run, or is one of backfill; a later one follows the
 * current one. */
static bool
check_link(struct verify *v, const struct verify_slots *s, const struct verify_current *c,
    const struct verdicts *n, struct err *e)
{
	uint64_t index = s->r.index, link = s->decision.link;
	if (s->r.type == EVENT_DECISION && v->in_run) {
		if (c->known)
			verify_run_find(v, VERIFY_GAP, index, "one recipient is judged twice");
		return true;
	}
	struct verify_report *report;
	if (!verify_run_report(v, s, &report, e))
		return false;
	bool first = s->r.type == EVENT_DECISION && !c->known;
	if (verify_run_partial(v) && !c->known && !(first && report != NULL))
		return true;
	if (first)
		return verify_backfill_link(v, s, e);
	if (!c->known || c->index != link)
		verify_run_find(
		    v, VERIFY_GAP, index, "it does not link to the decision it replaces");
	else if (!narrows(c->open, n->open))
		verify_run_find(v, VERIFY_GAP, index, "it widens the decision it replaces");
	return true;
}

/* What ends or narrows a delivery is part of its recipient's history; where nothing was delivered
 * it must not be: that it exists is the leak.  'ever': also what was delivered under a decision
 * that is replaced may be meant. */
static void
check_place(
    struct verify *v, const struct verify_slots *s, const struct verify_current *c, bool ever)
{
	bool placed = s->place != SLOT_ABSENT;
	if (!verify_slot_open(s, 8) || !c->known)
		return; /* nothing can be said of it */
	if (c->delivered && !placed)
		verify_run_find(v, VERIFY_GAP, s->r.index,
		    "it follows a delivery, but is left out of its recipient's history");
	if (placed && !c->delivered && !(ever && c->ever))
		verify_run_find(v, VERIFY_GAP, s->r.index,
		    "it stands in the history of a recipient to whom nothing was delivered");
}

static bool
names_alone(const struct verify_slots *s)
{
	struct bytes names = s->release.recipient, name, before = { NULL, 0 };
	size_t count = 0;
	for (; verify_run_next_name(&names, &name); before = name, count++)
		if (count != 0 && bytes_compare(before, name) >= 0)
			return false;
	return count < 2 ||
	       (s->r.type == EVENT_DECISION && s->decision.outcome == OUTCOME_WITHHOLD);
}

static void
check_judgement(struct verify *v, const struct verify_slots *s, const struct verdicts *n)
{
	bool releases =
	    s->decision.outcome == OUTCOME_RELEASE || s->decision.outcome == OUTCOME_REDACT;
	check_policy(v, s);
	if (releases != (s->release.released != NULL) ||
	    releases != (s->release.agreements.len != 0) ||
	    releases != (s->release.marking.len != 0))
		verify_run_find(v, VERIFY_CONTENT, s->r.index,
		    "outcome and what is released (slot 2) do not fit");
	if (!n->in_order)
		verify_run_find(v, VERIFY_MALFORMED, s->r.index,
		    "its reasons are not one line for each portion, from 0");
	if (!names_alone(s))
		verify_run_find(v, VERIFY_MALFORMED, s->r.index,
		    "only a first decision that withholds may name several recipients, in order");
	if (!outcome_follows(s->decision.outcome, n))
		verify_run_find(
		    v, VERIFY_CONTENT, s->r.index, "its outcome does not follow from its reasons");
}

/* Of the report itself a decision says what its INTAKE said. */
static bool
check_published(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct verify_report *report;
	uint32_t agent, banner;
	if (!verify_run_report(v, s, &report, e) ||
	    !verify_run_text(v, s->publication.agent, &agent, e) ||
	    !verify_run_text(v, s->publication.banner, &banner, e))
		return false;
	if (report == NULL)
		return true;
	if (s->publication.manifest != NULL &&
	    memcmp(report->manifest, s->publication.manifest, 32) != 0)
		verify_run_find(v, VERIFY_CONTENT, s->r.index,
		    "its manifest is not that of its report's INTAKE");
	if (report->agent != agent || report->banner != banner)
		verify_run_find(v, VERIFY_CONTENT, s->r.index,
		    "its agent or banner is not that of its report's INTAKE");
	return true;
}

static bool
on_decision(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct bytes names = s->release.recipient, name;
	struct verdicts n = count_verdicts(s->decision.reasons);
	struct told told;
	check_judgement(v, s, &n);
	if (!check_published(v, s, e) || !verify_judged_agreements(v, s, e) ||
	    !told_of(v, s, &told, e))
		return false;
	while (verify_run_next_name(&names, &name)) {
		struct verify_current *c;
		if (!current_of(v, s, name, &c, e))
			return false;
		if (!check_link(v, s, c, &n, e))
			return false;
		bool approval = s->r.type == EVENT_APPROVAL;
		if (!approval) /* there slot 8 is the approver's */
			check_place(v, s, c, false);
		if (approval && verify_slot_open(s, 7) && !verify_approval_record(v, s, c, e))
			return false;
		*c = (struct verify_current){ .known = true,
			.index = s->r.index,
			.outcome = s->decision.outcome,
			.ever = c->ever,
			.approvals = c->approvals,
			.agreements = told.agreements,
			.marking = told.marking,
			.has_facts = s->decision.facts != NULL,
			.has_released = s->release.released != NULL };
		memcpy(c->open, n.open, sizeof(c->open));
		memcpy(c->held, n.only_held, sizeof(c->held));
		if (c->has_facts)
			memcpy(c->facts, s->decision.facts, 32);
		if (c->has_released)
			memcpy(c->released, s->release.released, 32);
	}
	return true;
}

static bool
check_delivery(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct verify_current *c;
	struct verify_report *report;
	struct told told;
	uint64_t index = s->r.index;
	if (!current_of(v, s, s->release.recipient, &c, e) ||
	    !verify_run_report(v, s, &report, e) || !told_of(v, s, &told, e))
		return false;
	if (verify_run_partial(v) && !c->known)
		return true;
	if (!c->known || c->index != s->decision.link)
		verify_run_find(v, VERIFY_GAP, index,
		    "a delivery that does not follow the current decision for its recipient");
	else if (c->delivered)
		verify_run_find(
		    v, VERIFY_GAP, index, "it was delivered under the same decision before");
	else if (!c->has_released)
		verify_run_find(v, VERIFY_GAP, index, "a delivery of what is not released");
	else if (s->release.released == NULL || memcmp(c->released, s->release.released, 32) != 0)
		verify_run_find(
		    v, VERIFY_GAP, index, "a delivery of other portions than are released");
	else if (c->agreements != told.agreements || c->marking != told.marking)
		verify_run_find(v, VERIFY_GAP, index,
		    "a delivery under other agreements or another marking than its decision");
	if (report != NULL &&
	    event_body_number(&s->body, BODY_DELIVERY_ACCEPTED) != report->accepted)
		verify_run_find(v, VERIFY_TIME, index, "it states another time of acceptance");
	c->delivered = c->ever = true;
	return true;
}

static bool
on_delivery(struct verify *v, const struct verify_slots *s, struct err *e)
{
	uint8_t key[8];
	put_u64(key, s->r.index);
	struct verify_delivery *d = map_at(&v->deliveries, bytes_from(key, 8), NULL);
	if (d == NULL)
		return no_memory(e);
	if (!verify_run_text(v, s->release.recipient, &d->recipient, e) ||
	    !verify_run_text(v, s->publication.party, &d->publisher, e))
		return false;
	return !all_open(s, 3, 4) || check_delivery(v, s, e);
}

static bool
on_ack(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct bytes list = event_body_get(&s->body, BODY_ACK_DELIVERIES);
	uint32_t recipient, publisher;
	if (list.len == 0)
		return verify_party_attested(v, s, e);
	if (!verify_run_text(v, s->release.recipient, &recipient, e) ||
	    !verify_run_text(v, s->publication.party, &publisher, e))
		return false;
	for (struct cursor c = cursor_over(list); c.left != 0;) {
		uint64_t index = cursor_u64(&c);
		uint8_t key[8];
		put_u64(key, index);
		const struct verify_delivery *d = map_find(&v->deliveries, bytes_from(key, 8));
		if (d == NULL && index < v->about.first)
			continue;
		if (d == NULL)
			verify_run_find(v, VERIFY_GAP, s->r.index,
			    "it acknowledges record %" PRIu64 ", which is no delivery", index);
		else if (d->recipient != recipient || (publisher != 0 && d->publisher != publisher))
			verify_run_find(v, VERIFY_GAP, s->r.index,
			    "it acknowledges record %" PRIu64 ", another's delivery", index);
	}
	return true;
}

/* EXPIRE, RECALL, SUPERSEDE, DEAD_LETTER: 'decision' names what is queued; 'ends' it. */
static bool
on_queue(struct verify *v, const struct verify_slots *s, enum body_field decision, bool ends,
    struct err *e)
{
	struct verify_current *c;
	if (!all_open(s, 3, 7))
		return true;
	if (s->r.type == EVENT_EXPIRE &&
	    event_body_number(&s->body, BODY_EXPIRE_EXPIRY) > s->r.common.time)
		verify_run_find(
		    v, VERIFY_TIME, s->r.index, "it stands before the expiry that it states");
	if (!current_of(v, s, s->release.recipient, &c, e))
		return false;
	if (verify_run_partial(v) && !c->known)
		return true;
	if (!c->known || c->index != event_body_number(&s->body, decision))
		verify_run_find(v, VERIFY_GAP, s->r.index,
		    "it does not name the current decision for its recipient");
	check_place(v, s, c, s->r.type != EVENT_EXPIRE);
	if (ends) {
		c->outcome = (enum outcome)0;
		c->has_released = false;
	}
	return true;
}

/* Whoever had something of the report or waited for it is told, or it is taken from him. */
static bool
on_withdrawn(struct verify *v, const struct verify_slots *s, enum body_field decision, bool ends,
    struct err *e)
{
	struct verify_report *report;
	if (!verify_run_report(v, s, &report, e))
		return false;
	if (report != NULL)
		report->withdrawn = true;
	return on_queue(v, s, decision, ends, e);
}

/* START and STOP say what tree they found. */
static bool
on_tree(struct verify *v, const struct verify_slots *s, enum body_field size, enum body_field root,
    struct err *e)
{
	uint8_t mine[32];
	if (!merkle_root(v->h, &v->log.tree, mine, e))
		return false;
	if (event_body_number(&s->body, size) != s->r.index ||
	    memcmp(event_body_get(&s->body, root).data, mine, 32) != 0)
		verify_run_find(v, VERIFY_CONSISTENCY, s->r.index,
		    "it states another tree than the records before it");
	return true;
}

static void
on_policy(struct verify *v, const struct verify_slots *s)
{
	v->policy_at = s->r.index;
	struct bytes previous = event_body_get(&s->body, BODY_POLICY_PREVIOUS);
	if (v->has_policy && (previous.len == 0 || memcmp(previous.data, v->policy, 32) != 0))
		verify_run_find(v, VERIFY_GAP, s->r.index, "it does not name the policy before it");
	if (!v->has_policy && previous.len != 0 && !verify_run_partial(v))
		verify_run_find(v, VERIFY_GAP, s->r.index, "it names a policy before the first");
	memcpy(v->policy, event_body_get(&s->body, BODY_POLICY_DIGEST).data, 32);
	v->has_policy = true;
}

static bool
erasure(struct verify *v, uint64_t index, struct verify_erasure **out, struct err *e)
{
	uint8_t key[8];
	put_u64(key, index);
	*out = map_at(&v->erasures, bytes_from(key, 8), NULL);
	return *out != NULL || no_memory(e);
}

static bool
on_erase(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct verify_erasure *x;
	struct bytes list = event_body_get(&s->body, BODY_ERASE_RECORDS);
	for (struct cursor c = cursor_over(list); c.left != 0;) {
		if (!erasure(v, cursor_u64(&c), &x, e))
			return false;
		x->named = true;
	}
	return true;
}

/* What is said in a body that is closed here cannot be held against anything. */
static bool
needs_body(enum event_type type)
{
	return type == EVENT_PARTY_HEAD || type == EVENT_POLICY || type == EVENT_AGREEMENT ||
	       type == EVENT_KEY || type == EVENT_START || type == EVENT_STOP ||
	       type == EVENT_RECOVER;
}

static bool
by_type(struct verify *v, const struct verify_slots *s, struct err *e)
{
	if (needs_body(s->r.type) && !verify_slot_open(s, 7))
		return true;
	switch ((int)s->r.type) {
	case EVENT_INTAKE:
		return on_intake(v, s, e);
	case EVENT_DECISION:
	case EVENT_NARROWED:
	case EVENT_APPROVAL:
		return !all_open(s, 3, 4) || on_decision(v, s, e);
	case EVENT_DELIVERY:
		return on_delivery(v, s, e);
	case EVENT_ACK:
		return on_ack(v, s, e);
	case EVENT_EXPIRE:
		return on_queue(v, s, BODY_EXPIRE_DECISION, true, e);
	case EVENT_RECALL:
		return on_withdrawn(v, s, BODY_RECALL_DECISION,
		    event_body_number(&s->body, BODY_RECALL_ACT) == 1, e);
	case EVENT_SUPERSEDE:
		return on_withdrawn(v, s, BODY_SUPERSEDE_DECISION,
		    event_body_number(&s->body, BODY_SUPERSEDE_ACT) == 1, e);
	case EVENT_DEAD_LETTER:
		return on_queue(v, s, BODY_DEAD_LETTER_DECISION, false, e);
	case EVENT_PARTY_HEAD:
		return verify_party_head(v, s, e);
	case EVENT_POLICY:
		on_policy(v, s);
		return verify_keys_policy(v, s, e);
	case EVENT_AGREEMENT:
		return verify_terms_record(v, s, e);
	case EVENT_KEY:
		return verify_keys_record(v, s, e);
	case EVENT_START:
		return on_tree(v, s, BODY_START_SIZE, BODY_START_ROOT, e);
	case EVENT_STOP:
		return on_tree(v, s, BODY_STOP_SIZE, BODY_STOP_ROOT, e);
	case EVENT_ERASE:
		return on_erase(v, s, e);
	case EVENT_RECOVER:
		return verify_recover_record(v, s, e);
	default:
		return true;
	}
}

static void
check_form(struct verify *v, const struct verify_slots *s)
{
	enum form is = form_check(s->r.record, s->said, &v->why);
	if (is != FORM_GOOD)
		verify_run_find(v, is == FORM_LOOSE ? VERIFY_GAP : VERIFY_MALFORMED, s->r.index,
		    "%s", v->why.text);
}

bool
verify_order_record(struct verify *v, const struct verify_slots *s, struct err *e)
{
	check_time(v, s);
	check_form(v, s);
	if (!verify_judged_next(v, s, e))
		return false;
	if (!verify_slot_open(s, 6) && verify_run_hub(v)) {
		struct verify_erasure *x;
		if (!erasure(v, s->r.index, &x, e))
			return false;
		x->closed = true;
	}
	return by_type(v, s, e) && verify_party_record(v, s, e);
}

static void
finish_erasure(void *ctx, struct bytes key, void *value)
{
	struct verify *v = ctx;
	const struct verify_erasure *x = value;
	struct cursor c = cursor_over(key);
	uint64_t index = cursor_u64(&c);
	if (x->closed && !x->named)
		verify_run_find(v, VERIFY_GAP, index, "its person is erased, but no ERASE says so");
	if (x->named && !x->closed && index >= v->about.first && v->about.party.len == 0)
		verify_run_find(
		    v, VERIFY_GAP, index, "an ERASE names it, but its person is not erased");
}

bool
verify_order_finish(struct verify *v, struct err *e)
{
	map_each(&v->erasures, finish_erasure, v);
	return verify_judged_end(v, e) && verify_party_finish(v, e);
}

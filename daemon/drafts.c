#include "daemon/drafts.h"
#include "daemon/role.h"

#include "daemon/waits.h"
#include "proto/facts.h"
#include <assert.h>

bool
drafts_facts(struct drafts *d, struct bytes *bytes, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	uint8_t salt[16];
	return salt_take(&d->desk->salts, salt, sizeof(salt), e) &&
	       facts_encode(d->facts, salt, d->a, bytes, e) &&
	       sha256_of(&d->desk->sha, *bytes, d->facts_digest, e);
}

/* An open record of 'type' about this report. */
static bool
begin(struct drafts *d, enum event_type type, struct record *r, struct err *e)
{
	uint8_t salts[RECORD_SALTS];
	struct slot_common common = { .type = type, .report = d->report->manifest.id };
	return desk_salts(d->desk, salts, e) && record_begin(r, d->a, salts, e) &&
	       record_set_common(r, d->a, &common, e) && record_set_hub(r, d->a, &d->hub, e);
}

/* Slots 3 and 6 of INTAKE, DECISION, NARROWED: the publication in full, and the person. */
static bool
set_publication(struct drafts *d, struct record *r, struct err *e)
{
	struct slot_publication p = { .party = d->party,
		.agent = d->agent,
		.manifest = d->manifest,
		.banner = d->banner,
		.index = SLOT_LATER };
	struct slot_person person = { .actor = d->actor, .justification = d->because };
	return record_set_publication(r, d->a, &p, e) && record_set_person(r, d->a, &person, e);
}

bool
drafts_intake(struct drafts *d, const struct drafts_intake *v, struct record *out, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct slot_decision s = { .policy = epoch_digest(d->desk->rules->epoch),
		.facts = d->facts_digest,
		.link = SLOT_ABSENT };
	struct body b;
	memcpy(d->secret, d->facts_digest, sizeof(d->secret));
	event_body_begin(&b, EVENT_INTAKE);
	event_body_bytes(&b, BODY_INTAKE_SEAL, bytes_from(v->seal, 32));
	event_body_bytes(&b, BODY_INTAKE_CHAIN, bytes_from(v->chain, 32));
	event_body_bytes(&b, BODY_INTAKE_ANCHORS, bytes_from(v->anchor, 32));
	return begin(d, EVENT_INTAKE, out, e) && set_publication(d, out, e) &&
	       record_set_decision(out, d->a, &s, e) && record_set_body(out, d->a, &b, e) &&
	       record_hash_early(&d->desk->sha, out, e);
}

/* ---- slot 4: reasons ---- */

static bool
reasons(struct drafts *d, const struct recipient_decision *r, struct bytes *out, struct err *e)
{
	size_t n = d->decided->portion_count;
	struct slot_reason *lines = arena_zalloc(d->a, n, sizeof(*lines));
	if (lines == NULL)
		return err_set(e, ERR_NOMEM, "reasons");
	for (size_t i = 0; i < n; i++) {
		const struct portion_decision *p = &r->portions[i];
		lines[i] = (struct slot_reason){ .portion = (uint32_t)i,
			.verdict = bytes_of(verdict_name(p->verdict)),
			.reason = bytes_of(reason_token(p->reason)),
			.rule = p->rule };
		if (p->agreement != NULL)
			lines[i].agreement = p->agreement->name;
	}
	return slot_reasons(d->a, lines, n, out, e);
}

/* ---- slot 2: what is released ---- */

bool
drafts_agreements(
    struct drafts *d, const struct recipient_decision *r, struct bytes *text, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	return policy_released_by(d->decided, r, d->a, text, e);
}

/* The digest over what r gets: manifest leaf and the commitments of its portions. */
static bool
released(struct drafts *d, const struct recipient_decision *r, uint8_t out[32], struct err *e)
{
	size_t n = d->decided->portion_count;
	uint8_t(*commitments)[32] = arena_alloc(d->a, n * 32);
	struct record_release v = { .manifest = d->manifest, .commitments = commitments };
	if (commitments == NULL)
		return err_set(e, ERR_NOMEM, "released digest");
	for (size_t i = 0; i < n; i++) {
		struct envelope_part head = { ENVELOPE_HEAD, d->report->manifest.id,
			d->report->portions[i].head_bytes };
		if (r->portions[i].verdict == VERDICT_RELEASE &&
		    !envelope_commit(&d->desk->sha, &head, commitments[v.count++], e))
			return false;
	}
	return record_released(&d->desk->sha, &v, out, e);
}

/* Slot 2 but for the recipient: those judged alike share it. */
struct release {
	const struct portion_decision *of; /* NULL: of nobody yet */
	struct slot_release slot;
	uint8_t digest[32];
};

static bool
make_release(
    struct drafts *d, const struct recipient_decision *r, struct release *out, struct err *e)
{
	struct slot_release *s = &out->slot;
	if (out->of == r->portions)
		return true;
	*s = (struct slot_release){ .released = NULL };
	if (r->outcome == OUTCOME_RELEASE || r->outcome == OUTCOME_REDACT) {
		s->released = out->digest;
		if (!drafts_agreements(d, r, &s->agreements, e) ||
		    !policy_marking(d->desk->rules->epoch, d->facts, r, d->a, &s->marking, e) ||
		    !released(d, r, out->digest, e))
			return false;
	} /* a hold releases nothing yet */
	out->of = r->portions;
	return true;
}

static bool
release_slot(struct drafts *d, const struct recipient_decision *r, struct release *shared,
    struct slot_release *s, struct err *e)
{
	if (!make_release(d, r, shared, e))
		return false;
	*s = shared->slot;
	s->recipient = r->recipient;
	return true;
}

/* ---- DECISION, DELIVERY, NARROWED ---- */

struct decided { /* one record of a decision */
	enum event_type type;
	const struct body *body; /* NULL: none */
	enum outcome outcome;
	struct bytes lines;
	struct slot_release release;
};

static bool
decision(struct drafts *d, const struct decided *v, struct record *out, struct err *e)
{
	struct slot_decision s = { .outcome = v->outcome,
		.reasons = v->lines,
		.policy = epoch_digest(d->desk->rules->epoch),
		.facts = d->facts_digest,
		.link = SLOT_LATER };
	return begin(d, v->type, out, e) && record_set_release(out, d->a, &v->release, e) &&
	       set_publication(d, out, e) && record_set_decision(out, d->a, &s, e) &&
	       (v->body == NULL || record_set_body(out, d->a, v->body, e)) &&
	       record_hash_early(&d->desk->sha, out, e);
}

static bool
delivery(struct drafts *d, const struct slot_release *release, struct record *out, struct err *e)
{
	struct slot_publication p = { .party = d->party, .index = SLOT_LATER };
	struct slot_decision link = { .link = SLOT_LATER };
	struct body b;
	event_body_begin(&b, EVENT_DELIVERY);
	event_body_uint(&b, BODY_DELIVERY_ACCEPTED, SLOT_LATER);
	/* the broker's own act: whose connection will carry it is not known yet */
	struct slot_hub session = d->hub;
	d->hub.connection = SLOT_ABSENT;
	d->hub.certificate = NULL;
	bool begun = begin(d, EVENT_DELIVERY, out, e);
	d->hub = session;
	return begun && record_set_release(out, d->a, release, e) &&
	       record_set_publication(out, d->a, &p, e) &&
	       record_set_decision(out, d->a, &link, e) && record_set_body(out, d->a, &b, e) &&
	       record_hash_early(&d->desk->sha, out, e);
}

bool
drafts_masks(
    struct drafts *d, const struct recipient_decision *r, struct bytes *masks, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	size_t n = d->decided->portion_count;
	uint8_t *m = arena_alloc(d->a, n);
	if (m == NULL)
		return err_set(e, ERR_NOMEM, "masks");
	for (size_t i = 0; i < n; i++)
		m[i] = r->portions[i].verdict == VERDICT_WITHHOLD ? 0 : r->portions[i].mask;
	*masks = bytes_from(m, n);
	return true;
}

uint64_t
drafts_deadline(const struct drafts *d, const struct recipient_decision *r)
{
	uint64_t deadline = d->facts->expires == 0 ? UINT64_MAX : d->facts->expires;
	for (size_t i = 0; i < d->decided->portion_count; i++)
		for (size_t k = 0; k < r->portions[i].open_count; k++)
			if (r->portions[i].open[k].deadline < deadline)
				deadline = r->portions[i].open[k].deadline;
	return deadline;
}

bool
drafts_opened(
    struct drafts *d, const struct recipient_decision *r, struct bytes *bytes, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	size_t count = 0, n = 0;
	for (size_t i = 0; i < d->decided->portion_count; i++)
		count += r->portions[i].open_count;
	struct fact_opened *opened = arena_zalloc(d->a, count + 1, sizeof(*opened));
	if (opened == NULL)
		return err_set(e, ERR_NOMEM, "obligations");
	for (size_t i = 0; i < d->decided->portion_count; i++)
		for (size_t k = 0; k < r->portions[i].open_count; k++)
			if (r->portions[i].open[k].fresh)
				opened[n++] = (struct fact_opened){
					.what = r->portions[i].open[k].what,
					.recipient = r->recipient,
					.portion = (uint32_t)i,
					.time = d->facts->time,
				};
	*bytes = (struct bytes){ NULL, 0 };
	if (n == 0)
		return true;
	struct facts only = *d->facts;
	uint8_t salt[16] = { 0 };
	only.opened = opened;
	only.opened_count = n;
	return facts_encode(&only, salt, d->a, bytes, e);
}

static bool
name_of(struct drafts *d, const struct recipient_decision *r, struct wait *w, struct err *e)
{
	const struct wait_of v = { d->secret, r->recipient, &w->what };
	return wait_name(&d->desk->sha, &v, w->name, e);
}

bool
drafts_waits(
    struct drafts *d, const struct recipient_decision *r, struct bytes *bytes, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	size_t count = 0, n = 0;
	for (size_t i = 0; i < d->decided->portion_count; i++)
		count += r->portions[i].open_count;
	struct wait *waits = arena_zalloc(d->a, count + 1, sizeof(*waits));
	if (waits == NULL)
		return err_set(e, ERR_NOMEM, "obligations");
	for (size_t i = 0; i < d->decided->portion_count; i++)
		for (size_t k = 0; k < r->portions[i].open_count; k++) {
			const struct open_obligation *o = &r->portions[i].open[k];
			waits[n] = (struct wait){ .portion = (uint32_t)i,
				.what = o->what,
				.deadline_us = o->deadline,
				.indirect = o->indirect };
			if (!name_of(d, r, &waits[n++], e))
				return false;
		}
	return waits_write(d->a, waits, n, bytes, e);
}

static bool
recipient_row(struct drafts *d, const struct recipient_decision *r,
    const struct slot_release *release, struct job_recipient *row, struct err *e)
{
	row->party = r->party == NULL ? 0 : d->desk->rules->party_ids[r->party->index];
	row->outcome = r->outcome;
	row->delivery_index = STORE_NONE;
	if (row->party == 0)
		return err_set(e, ERR_INTERNAL, "a recipient without a number");
	if (!drafts_masks(d, r, &row->masks, e))
		return false;
	if (r->outcome == OUTCOME_HOLD) {
		row->hold_deadline_us = drafts_deadline(d, r);
		return drafts_opened(d, r, &row->opened, e) && drafts_waits(d, r, &row->waits, e);
	}
	row->agreements = release->agreements;
	/* before the quorum signed a head over the decision it cannot be delivered: prepare.c asks
	 * for the DELIVERY then */
	if (ruleset_needs_quorum(d->desk->rules, release->agreements))
		return true;
	row->delivery = arena_zalloc(d->a, 1, sizeof(*row->delivery));
	if (row->delivery == NULL)
		return err_set(e, ERR_NOMEM, "delivery");
	return delivery(d, release, row->delivery, e);
}

/* The recipients that are withheld for the same reasons, as one list of names. */
static bool
join_withheld(struct drafts *d, size_t first, const struct bytes *lines, bool *done,
    struct bytes *names, struct err *e)
{
	const struct decisions *all = d->decided;
	size_t len = 0;
	for (size_t i = first; i < all->recipient_count; i++)
		len += all->recipients[i].recipient.len + 1;
	uint8_t *text = arena_alloc(d->a, len), *to = text;
	if (text == NULL)
		return err_set(e, ERR_NOMEM, "recipients");
	for (size_t i = first; i < all->recipient_count; i++) {
		const struct recipient_decision *r = &all->recipients[i];
		if (r->outcome != OUTCOME_WITHHOLD || done[i] ||
		    !bytes_equal(lines[i], lines[first]))
			continue;
		if (to != text)
			*to++ = '\n';
		memcpy(to, r->recipient.data, r->recipient.len);
		to += r->recipient.len;
		done[i] = true;
	}
	*names = bytes_from(text, (size_t)(to - text));
	return true;
}

static void
count_outcome(struct job_publish *p, enum outcome o)
{
	p->released += o == OUTCOME_RELEASE;
	p->redacted += o == OUTCOME_REDACT;
	p->held += o == OUTCOME_HOLD;
	p->withheld += o == OUTCOME_WITHHOLD;
}

/* The reason lines of every recipient; those judged alike share their text. */
static bool
all_reasons(struct drafts *d, struct bytes *lines, struct err *e)
{
	const struct decisions *all = d->decided;
	for (size_t i = 0; i < all->recipient_count; i++) {
		size_t k = i;
		while (k > 0 && all->recipients[k - 1].portions != all->recipients[i].portions)
			k--;
		if (k > 0)
			lines[i] = lines[k - 1];
		else if (!reasons(d, &all->recipients[i], &lines[i], e))
			return false;
	}
	return true;
}

/* Room for the rows of those who may get something, and for the records: one for each of these, and
 * at most one for each run of withheld ones with one text.  A row and a record for each of 1,000
 * members, cleared and wiped, cost more than to judge them. */
static bool
make_room(struct drafts *d, struct job_publish *p, const struct bytes *lines, size_t *records,
    struct err *e)
{
	const struct decisions *all = d->decided;
	const uint8_t *told = NULL;
	size_t rows = 0, texts = 0;
	for (size_t i = 0; i < all->recipient_count; i++) {
		bool withheld = all->recipients[i].outcome == OUTCOME_WITHHOLD;
		rows += !withheld;
		texts += withheld && (texts == 0 || lines[i].data != told);
		told = withheld ? lines[i].data : told;
	}
	*records = rows + texts;
	p->decisions = arena_zalloc(d->a, *records, sizeof(*p->decisions));
	p->recipients = arena_zalloc(d->a, rows + 1, sizeof(*p->recipients)); /* one to write in */
	return (p->decisions != NULL && p->recipients != NULL) ||
	       err_set(e, ERR_NOMEM, "decisions");
}

bool
drafts_decisions(struct drafts *d, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct job_publish *p = &j->publish;
	const struct decisions *all = d->decided;
	size_t n = all->recipient_count, room = 0;
	struct bytes *lines = arena_zalloc(d->a, n + 1, sizeof(*lines));
	bool *done = arena_zalloc(d->a, n + 1, sizeof(*done));
	p->decision_count = p->recipient_count = 0;
	p->released = p->redacted = p->held = p->withheld = 0;
	struct release shared = { .of = NULL };
	if (lines == NULL || done == NULL)
		return err_set(e, ERR_NOMEM, "decisions");
	if (!all_reasons(d, lines, e) || !make_room(d, p, lines, &room, e))
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct recipient_decision *r = &all->recipients[i];
		struct decided v = {
			.type = EVENT_DECISION, .outcome = r->outcome, .lines = lines[i]
		};
		count_outcome(p, r->outcome);
		if (done[i])
			continue;
		if (!release_slot(d, r, &shared, &v.release, e))
			return false;
		bool withheld = r->outcome == OUTCOME_WITHHOLD;
		if (withheld && !join_withheld(d, i, lines, done, &v.release.recipient, e))
			return false;
		assert(p->decision_count < room);
		if (!decision(d, &v, &p->decisions[p->decision_count], e))
			return false;
		struct job_recipient *row = &p->recipients[p->recipient_count];
		row->draft = (uint32_t)p->decision_count++;
		if (withheld)
			continue;
		p->recipient_count++;
		if (!recipient_row(d, r, &v.release, row, e))
			return false;
	}
	return true;
}

/* A later decision's record. */
static bool
later(struct drafts *d, const struct recipient_decision *r, struct decided *v, struct record *out,
    struct err *e)
{
	struct release one = { .of = NULL };
	v->outcome = r->outcome;
	return reasons(d, r, &v->lines, e) && release_slot(d, r, &one, &v->release, e) &&
	       decision(d, v, out, e);
}

bool
drafts_narrowed(
    struct drafts *d, const struct recipient_decision *r, struct record *out, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	return later(d, r, &(struct decided){ .type = EVENT_NARROWED }, out, e);
}

bool
drafts_backfill(
    struct drafts *d, const struct recipient_decision *r, struct record *out, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	return later(d, r, &(struct decided){ .type = EVENT_DECISION }, out, e);
}

bool
drafts_approval(struct drafts *d, const struct recipient_decision *r, const struct drafts_answer *v,
    struct record *out, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct body b;
	event_body_begin(&b, EVENT_APPROVAL);
	event_body_enum(&b, BODY_APPROVAL_KIND, v->what->kind);
	event_body_bytes(&b, BODY_APPROVAL_AGREEMENT, v->what->agreement);
	if (v->what->subject.len > 0)
		event_body_bytes(&b, BODY_APPROVAL_SUBJECT, v->what->subject);
	event_body_bytes(&b, BODY_APPROVAL_APPROVER, v->what->approver);
	event_body_bytes(&b, BODY_APPROVAL_RECIPIENT, r->recipient);
	event_body_uint(&b, BODY_APPROVAL_PORTION, v->portion);
	event_body_enum(&b, BODY_APPROVAL_ANSWER, v->approve ? 1 : 2);
	return later(d, r, &(struct decided){ .type = EVENT_APPROVAL, .body = &b }, out, e);
}

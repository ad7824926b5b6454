#include "client/cli/replay_walk.h"

#include "client/cli/replay_judge.h"

void
replay_walk_init(struct replay_walk *r, struct arena *keep, const struct content_reader *reader)
{
	*r = (struct replay_walk){ .keep = keep, .reader = reader };
	arena_init(&r->one, REPLAY_COURT_MAX);
	replay_rules_init(&r->rules, keep, reader);
	replay_past_init(&r->past, keep);
	replay_report_init(&r->parts, reader);
	map_init(&r->signers, keep, sizeof(struct replay_signer));
}

void
replay_walk_done(struct replay_walk *r)
{
	replay_rules_done(&r->rules);
	replay_report_done(&r->parts);
	arena_done(&r->one);
}

static bool
fail(struct replay_walk *r, const struct err *e)
{
	if (!r->failed)
		r->err = *e;
	r->failed = true;
	return false;
}

/* ---- a record, taken apart ---- */

static struct bytes
value_of(const struct record *r, unsigned slot)
{
	return RECORD_SLOT(r, slot)->open ? RECORD_SLOT(r, slot)->value : (struct bytes){ NULL, 0 };
}

/* The verifier read them before: false only for what it told as malformed. */
static bool
take_apart(const struct verify_record *v, struct replay_record *out)
{
	struct err e;
	const struct record *r = v->record;
	*out = (struct replay_record){ .of = v };
	event_body_begin(&out->body, v->type);
	struct bytes body = value_of(r, 7);
	return slot_get_release(value_of(r, 2), &out->release, &e) &&
	       slot_get_publication(value_of(r, 3), &out->publication, &e) &&
	       slot_get_decision(value_of(r, 4), &out->decision, &e) &&
	       (body.len == 0 || event_body_parse(v->type, body, &out->body, &e));
}

/* ---- who signs ---- */

/* What a KEY says of a signer counts from the POLICY record that it was told for. */
static bool
take_key(struct replay_walk *r, const struct replay_record *v, struct err *e)
{
	enum { PURPOSE_SIGNER = 3, ACT_ADDED = 1 };
	struct bytes key = event_body_get(&v->body, BODY_KEY_KEY);
	if (event_body_number(&v->body, BODY_KEY_PURPOSE) != PURPOSE_SIGNER)
		return true;
	struct replay_signer *s =
	    replay_judge_signer(r, event_body_get(&v->body, BODY_KEY_PARTY), key);
	if (s == NULL)
		return err_set(e, ERR_NOMEM, "signers");
	s->next_gone = event_body_number(&v->body, BODY_KEY_ACT) != ACT_ADDED;
	s->policies = r->policies;
	return true;
}

/* ---- the walk ---- */

/* A DECISION that stands behind its INTAKE. */
static bool
goes_on(const struct replay_walk *r, const struct replay_record *v)
{
	return r->in_run && v->of->type == EVENT_DECISION && v->of->index == r->run.last + 1 &&
	       v->decision.link == r->run.intake;
}

static bool
take(struct replay_walk *r, const struct replay_record *v, struct err *e)
{
	switch ((int)v->of->type) {
	case EVENT_AGREEMENT:
		return replay_rules_agreement(&r->rules, &v->body, e);
	case EVENT_POLICY:
		r->policies++;
		return replay_rules_policy(&r->rules, &v->body, e);
	case EVENT_KEY:
		return take_key(r, v, e);
	case EVENT_INTAKE:
		return replay_judge_intake(r, v, e);
	case EVENT_DECISION:
	case EVENT_NARROWED:
	case EVENT_APPROVAL:
		return replay_judge_later(r, v, e);
	case EVENT_DELIVERY:
		return replay_judge_delivery(r, v, e);
	default:
		return true;
	}
}

void
replay_walk_record(struct replay_walk *r, const struct verify_record *record)
{
	struct replay_record v;
	struct err e = { 0 };
	bool ok = true;
	if (r->failed)
		return;
	r->recent[record->index % REPLAY_RECENT] = record->common.time;
	if (!take_apart(record, &v)) {
		if (content_decides(record->type))
			ok = replay_judge_unread(r, record, &e);
	} else if (goes_on(r, &v)) {
		r->run.last = record->index;
		ok = replay_judge_decision(r, &v, &e);
	} else {
		ok = replay_judge_end(r, &e) && take(r, &v, &e);
	}
	if (!ok)
		(void)fail(r, &e);
}

void
replay_walk_end(struct replay_walk *r)
{
	struct err e = { 0 };
	if (!r->failed && !replay_judge_end(r, &e))
		(void)fail(r, &e);
}

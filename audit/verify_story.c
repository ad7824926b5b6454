#include "audit/verify_story.h"

#include "audit/verify_seen.h"

void
story_init(struct story *s, struct arena *a)
{
	*s = (struct story){ .a = a };
	s->last_hold = &s->holds;
	s->last_stop = &s->stops;
	s->last_change = &s->changes;
	map_init(&s->open, a, sizeof(struct story_hold *));
}

static bool
keep(struct story *s, struct bytes in, struct bytes *out)
{
	if (in.len != 0 && !arena_copy(s->a, in, out, NULL))
		s->dry = true;
	return !s->dry;
}

static void *
make(struct story *s, size_t size)
{
	void *at = arena_zalloc(s->a, 1, size);
	s->dry = s->dry || at == NULL;
	return at;
}

/* The reason of the first portion with this verdict; absent: there is none. */
static struct bytes
reason_of(struct bytes reasons, const char *verdict)
{
	struct slot_reason line;
	while (reasons.len != 0 && slot_reason_next(&reasons, &line, NULL))
		if (bytes_is(line.verdict, verdict))
			return line.reason;
	return (struct bytes){ NULL, 0 };
}

/* ---- holds ---- */

static struct story_hold **
open_of(struct story *s, const struct verify_record *r, const struct seen *v)
{
	const struct bytes parts[] = { v->publication.party, r->common.report,
		v->release.recipient };
	size_t len = 3;
	for (size_t i = 0; i < 3; i++)
		len += parts[i].len;
	uint8_t *key = arena_alloc(s->a, len), *at = key;
	for (size_t i = 0; key != NULL && i < 3; i++) {
		if (parts[i].len > 0)
			memcpy(at, parts[i].data, parts[i].len);
		at += parts[i].len;
		*at++ = 0;
	}
	struct story_hold **out = key == NULL ? NULL : map_at(&s->open, bytes_from(key, len), NULL);
	s->dry = s->dry || out == NULL;
	return out;
}

static struct story_hold *
begin_hold(struct story *s, const struct verify_record *r, const struct seen *v)
{
	struct story_hold *h = make(s, sizeof(*h));
	if (h == NULL || !keep(s, r->common.report, &h->report) ||
	    !keep(s, v->publication.party, &h->publisher) ||
	    !keep(s, v->release.recipient, &h->recipient))
		return NULL;
	h->record = r->index;
	h->since_us = r->common.time;
	if (s->hold_count++ < STORY_ROWS) {
		*s->last_hold = h;
		s->last_hold = &h->next;
	}
	return h;
}

static void
end_hold(struct story *s, struct story_hold *h, const struct verify_record *r, const struct seen *v)
{
	h->ended = true;
	h->end_record = r->index;
	h->end_us = r->common.time;
	h->by = r->type;
	h->outcome = v->decision.outcome;
	(void)keep(s, reason_of(v->decision.reasons, "withhold"), &h->reason);
}

/* A decision, or what ends one. */
static void
follow_hold(struct story *s, const struct verify_record *r, const struct seen *v)
{
	enum { ANSWER_APPROVE = 1 };
	bool holds = v->decision.outcome == OUTCOME_HOLD;
	struct story_hold **at = open_of(s, r, v);
	if (at == NULL)
		return;
	struct story_hold *h = *at;
	if (h != NULL && r->type == EVENT_APPROVAL) {
		bool yes = event_body_number(&v->body, BODY_APPROVAL_ANSWER) == ANSWER_APPROVE;
		h->approvals += yes;
		h->rejections += !yes;
	}
	if (holds && h == NULL)
		*at = begin_hold(s, r, v);
	else if (!holds && h != NULL) {
		end_hold(s, h, r, v);
		*at = NULL;
	}
}

/* ---- what was stopped ---- */

static void
stop(struct story *s, const struct verify_record *r, const struct seen *v, struct bytes what)
{
	if (s->stop_count++ >= STORY_ROWS)
		return;
	struct story_stop *to = make(s, sizeof(*to));
	if (to == NULL || !keep(s, r->common.report, &to->report) ||
	    !keep(s, v->publication.party, &to->publisher) ||
	    !keep(s, v->release.recipient, &to->recipient) || !keep(s, what, &to->what))
		return;
	to->record = r->index;
	to->time_us = r->common.time;
	to->type = r->type;
	to->outcome = v->decision.outcome;
	to->delivered = v->placed;
	*s->last_stop = to;
	s->last_stop = &to->next;
}

static struct bytes
narrowed_by(struct bytes reasons)
{
	struct bytes why = reason_of(reasons, "withhold");
	return why.len > 0 ? why : reason_of(reasons, "hold");
}

static struct bytes
act_of(const struct seen *v, enum body_field f)
{
	return event_body_word(f, (unsigned)event_body_number(&v->body, f));
}

/* ---- what changed ---- */

/* The next row, or NULL: enough were told. */
static struct story_change *
change(struct story *s, const struct verify_record *r, struct bytes name, struct bytes what)
{
	if (s->change_count++ >= STORY_ROWS)
		return NULL;
	struct story_change *c = make(s, sizeof(*c));
	if (c == NULL || !keep(s, name, &c->name) || !keep(s, what, &c->what))
		return NULL;
	c->record = r->index;
	c->time_us = r->common.time;
	c->type = r->type;
	*s->last_change = c;
	s->last_change = &c->next;
	return c;
}

static bool
is_same(const struct story_change *c, const struct seen *v)
{
	return c != NULL && bytes_equal(c->name, event_body_get(&v->body, BODY_AGREEMENT_NAME)) &&
	       c->version == event_body_number(&v->body, BODY_AGREEMENT_VERSION) &&
	       bytes_equal(c->what, act_of(v, BODY_AGREEMENT_STATE)) &&
	       c->suspended == (event_body_number(&v->body, BODY_AGREEMENT_SUSPENDED) == 2);
}

static void
agreement(struct story *s, const struct verify_record *r, const struct seen *v)
{
	enum { PARTIES_TOLD = 12 };
	struct bytes party = event_body_get(&v->body, BODY_AGREEMENT_PARTY);
	if (!is_same(s->agreement, v)) {
		s->agreement = change(s, r, event_body_get(&v->body, BODY_AGREEMENT_NAME),
		    act_of(v, BODY_AGREEMENT_STATE));
		if (s->agreement == NULL)
			return;
		s->agreement->version = event_body_number(&v->body, BODY_AGREEMENT_VERSION);
		s->agreement->suspended =
		    event_body_number(&v->body, BODY_AGREEMENT_SUSPENDED) == 2;
	}
	struct story_change *c = s->agreement;
	if (++c->told > PARTIES_TOLD)
		return;
	const char *text = arena_printf(s->a, "%.*s%s%.*s", (int)c->parties.len,
	    c->parties.len == 0 ? "" : (const char *)c->parties.data, c->told > 1 ? ", " : "",
	    (int)party.len, (const char *)party.data);
	s->dry = s->dry || text == NULL;
	c->parties = bytes_of(text == NULL ? "" : text);
}

static void
policy(struct story *s, const struct verify_record *r, const struct seen *v)
{
	char hex[BUNDLE_HEX_LEN + 1];
	bundle_hex(event_body_get(&v->body, BODY_POLICY_DIGEST).data, hex);
	(void)change(s, r, bytes_of(hex), act_of(v, BODY_POLICY_CAUSE));
	s->agreement = NULL; /* what is told from now on is told anew */
}

/* ---- a record ---- */

static void
told(struct story *s, const struct verify_record *r, const struct seen *v)
{
	const struct bytes none = { NULL, 0 };
	switch ((int)r->type) {
	case EVENT_NARROWED:
		stop(s, r, v, narrowed_by(v->decision.reasons));
		return;
	case EVENT_RECALL:
		stop(s, r, v, act_of(v, BODY_RECALL_ACT));
		return;
	case EVENT_SUPERSEDE:
		stop(s, r, v, act_of(v, BODY_SUPERSEDE_ACT));
		return;
	case EVENT_EXPIRE:
		stop(s, r, v, none);
		return;
	case EVENT_DEAD_LETTER:
		stop(s, r, v, event_body_get(&v->body, BODY_DEAD_LETTER_REASON));
		return;
	case EVENT_AGREEMENT:
		agreement(s, r, v);
		return;
	case EVENT_POLICY:
		policy(s, r, v);
		return;
	case EVENT_START:
		(void)change(s, r, none, act_of(v, BODY_START_LAST));
		return;
	case EVENT_STOP:
		(void)change(s, r, none, event_body_get(&v->body, BODY_STOP_CAUSE));
		return;
	case EVENT_CLOCK:
		(void)change(s, r, none, act_of(v, BODY_CLOCK_EVENT));
		return;
	case EVENT_ERASE:
	case EVENT_RECOVER:
	case EVENT_CLOSE:
		(void)change(s, r, none, none);
		return;
	default:
		return;
	}
}

/* A notice that was passed on, or an answer to one, ends nothing by itself. */
static bool
withdraws(const struct verify_record *r, const struct seen *v)
{
	enum { ACT_WITHDRAWN = 1 };
	if (r->type == EVENT_RECALL)
		return event_body_number(&v->body, BODY_RECALL_ACT) == ACT_WITHDRAWN;
	if (r->type == EVENT_SUPERSEDE)
		return event_body_number(&v->body, BODY_SUPERSEDE_ACT) == ACT_WITHDRAWN;
	return r->type == EVENT_EXPIRE;
}

static bool
is_one_recipient(struct bytes recipient)
{
	return recipient.len > 0 && memchr(recipient.data, '\n', recipient.len) == NULL;
}

void
story_record(struct story *s, const struct verify_record *r)
{
	struct seen v;
	bool decides =
	    r->type == EVENT_DECISION || r->type == EVENT_NARROWED || r->type == EVENT_APPROVAL;
	if (s->dry)
		return;
	seen_look(r, &v);
	if ((decides || withdraws(r, &v)) && is_one_recipient(v.release.recipient) &&
	    (v.decision.outcome == OUTCOME_HOLD || s->open.count > 0))
		follow_hold(s, r, &v);
	told(s, r, &v);
}

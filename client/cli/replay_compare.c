#include "client/cli/replay_judge.h"

static bool
no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "what differs");
}

bool
replay_compare_tell(struct replay_walk *r, const struct replay_found *f, struct err *e)
{
	r->counts[f->kind]++;
	if (r->found_count == REPLAY_KEEP)
		return true;
	if (r->found == NULL)
		r->found = arena_zalloc(r->keep, REPLAY_KEEP, sizeof(*r->found));
	if (r->found == NULL)
		return no_memory(e);
	struct replay_found *to = &r->found[r->found_count];
	*to = *f;
	if (!arena_copy(r->keep, f->publisher, &to->publisher, e) ||
	    !arena_copy(r->keep, f->recipient, &to->recipient, e) ||
	    !arena_copy(r->keep, f->recorded, &to->recorded, e) ||
	    !arena_copy(r->keep, f->now, &to->now, e))
		return false;
	r->found_count++;
	return true;
}

static struct replay_found
fault_of(const struct replay_record *v)
{
	struct replay_found f = { .record = v->of->index,
		.type = v->of->type,
		.publisher = v->publication.party,
		.portion = REPLAY_ALL };
	if (v->of->common.report.len == sizeof(f.report))
		memcpy(f.report, v->of->common.report.data, sizeof(f.report));
	return f;
}

bool
replay_compare_fault(struct replay_walk *r, const struct replay_record *v,
    const struct replay_fault *x, struct err *e)
{
	struct replay_found f = fault_of(v);
	f.kind = x->kind;
	f.what = x->what;
	f.recorded = x->recorded;
	f.now = x->now;
	if (v->of->type != EVENT_DECISION) /* whose recipients may be many */
		f.recipient = v->release.recipient;
	return replay_compare_tell(r, &f, e);
}

/* ---- one recipient ---- */

static struct bytes
or_dash(struct bytes b)
{
	return b.len == 0 ? bytes_of("-") : b;
}

#define SHOWN(b) (int)(b).len, (const char *)(b).data

/* "release release atlas maritime", as slot 4 has it. */
static bool
line_of(struct replay_walk *r, const struct portion_decision *p, struct bytes *out, struct err *e)
{
	struct bytes agreement = or_dash(p->agreement == NULL ? bytes_of("") : p->agreement->name);
	struct bytes rule = or_dash(p->rule);
	const char *text = arena_printf(&r->one, "%s %s %.*s %.*s", verdict_name(p->verdict),
	    reason_token(p->reason), SHOWN(agreement), SHOWN(rule));
	*out = bytes_of(text == NULL ? "" : text);
	return text != NULL || no_memory(e);
}

static bool
same_line(const struct slot_reason *was, const struct portion_decision *p)
{
	struct bytes agreement = p->agreement == NULL ? bytes_of("") : p->agreement->name;
	return bytes_is(was->verdict, verdict_name(p->verdict)) &&
	       bytes_is(was->reason, reason_token(p->reason)) &&
	       bytes_equal(was->agreement, agreement) && bytes_equal(was->rule, p->rule);
}

/* What stands behind the number of the portion. */
static struct bytes
recorded_line(const struct slot_reason *was, struct bytes end)
{
	const uint8_t *at = was->verdict.data;
	size_t len = (size_t)(end.data - at);
	return bytes_from(at, len > 0 ? len - 1 : 0); /* its LF */
}

static bool
compare_portions(struct replay_walk *r, const struct replay_pair *p, struct bytes reasons,
    struct replay_found *f, struct err *e)
{
	struct slot_reason line;
	size_t n = 0;
	f->what = "verdict";
	for (; reasons.len > 0 && slot_reason_next(&reasons, &line, NULL); n++) {
		if (n >= p->decided->portion_count)
			break;
		const struct portion_decision *now = &p->now->portions[n];
		if (line.portion == n && same_line(&line, now))
			continue;
		f->portion = (uint32_t)n;
		f->recorded = recorded_line(&line, reasons);
		if (!line_of(r, now, &f->now, e) || !replay_compare_tell(r, f, e))
			return false;
	}
	f->portion = REPLAY_ALL;
	if (n == p->decided->portion_count && reasons.len == 0)
		return true;
	f->what = "number of portions";
	f->recorded = f->now = (struct bytes){ NULL, 0 };
	return replay_compare_tell(r, f, e);
}

static bool
compare_text(struct replay_walk *r, struct replay_found *f, const char *what,
    const struct bytes pair[2], struct err *e)
{
	if (bytes_equal(pair[0], pair[1]))
		return true;
	f->what = what;
	f->recorded = pair[0];
	f->now = pair[1];
	return replay_compare_tell(r, f, e);
}

/* Agreements and marking of what goes; a hold and a withhold have none. */
static bool
compare_release(struct replay_walk *r, const struct replay_record *v, const struct replay_pair *p,
    struct replay_found *f, struct err *e)
{
	struct bytes by = { NULL, 0 }, marking = { NULL, 0 };
	bool goes = p->now->outcome == OUTCOME_RELEASE || p->now->outcome == OUTCOME_REDACT;
	if (goes && (!policy_released_by(p->decided, p->now, &r->one, &by, e) ||
			!policy_marking(p->epoch, p->facts, p->now, &r->one, &marking, e)))
		return false;
	const struct bytes agreements[2] = { v->release.agreements, by };
	const struct bytes markings[2] = { v->release.marking, marking };
	return compare_text(r, f, "agreements", agreements, e) &&
	       compare_text(r, f, "marking", markings, e);
}

bool
replay_compare(struct replay_walk *r, const struct replay_record *v, const struct replay_pair *p,
    struct err *e)
{
	struct replay_found f = fault_of(v);
	const struct bytes outcomes[2] = { bytes_of(slot_outcome_word(v->decision.outcome)),
		bytes_of(slot_outcome_word(p->now->outcome)) };
	f.kind = REPLAY_DIFFERS;
	f.recipient = p->now->recipient;
	r->decisions++;
	return compare_portions(r, p, v->decision.reasons, &f, e) &&
	       compare_text(r, &f, "outcome", outcomes, e) && compare_release(r, v, p, &f, e);
}

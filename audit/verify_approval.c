#include "audit/verify_approval.h"

#include <inttypes.h>

#include "audit/wirefield.h"
#include "proto/uuid.h"

enum { KIND_CONSENT = 2, KIND_SIGNER = 3, ANSWER_APPROVE = 1, FACTS_APPROVALS = 14 };

/* One obligation of one portion for one recipient. */
struct obliged {
	char source[UUID_TEXT +
		    1]; /* what 'subject' is of a consent in facts, which have its bytes */
	uint64_t kind, portion;
	struct bytes agreement, subject, approver, recipient;
	bool approve;
};
struct answered {
	bool approve;
	uint64_t seen; /* 1 + the last record in whose facts it was found */
};

_Static_assert(sizeof(struct answered) == VERIFY_APPROVAL_BYTES, "the map's values");

static bool
key_of(struct verify *v, const struct verify_slots *s, const struct obliged *o,
    struct verify_key *out, struct err *e)
{
	uint8_t numbers[16];
	put_u64(numbers, o->kind);
	put_u64(numbers + 8, o->portion);
	const struct bytes parts[] = { s->publication.party, s->r.common.report, o->recipient,
		o->agreement, o->subject, o->approver, bytes_from(numbers, sizeof(numbers)) };
	return verify_run_key(v, parts, sizeof(parts) / sizeof(parts[0]), out, e);
}

/* ---- the record ---- */

/* The line of a portion; false: there is none. */
static bool
line_of(struct bytes reasons, uint64_t portion, struct slot_reason *out)
{
	while (reasons.len != 0 && slot_reason_next(&reasons, out, NULL))
		if (out->portion == portion)
			return true;
	return false;
}

static void
check_body(struct verify *v, const struct verify_slots *s, const struct obliged *o)
{
	struct slot_reason line;
	uint64_t index = s->r.index;
	bool signer = o->kind == KIND_SIGNER;
	if (!bytes_equal(o->recipient, s->release.recipient))
		verify_run_find(v, VERIFY_CONTENT, index, "it approves for another recipient");
	if (signer != (o->subject.len == 0) ||
	    (signer && !bytes_equal(o->approver, s->publication.party)))
		verify_run_find(v, VERIFY_CONTENT, index, "what it decides is no obligation");
	if (!line_of(s->decision.reasons, o->portion, &line))
		verify_run_find(v, VERIFY_CONTENT, index, "it decides a portion without a reason");
	else if (!o->approve && !bytes_is(line.verdict, "withhold") &&
		 bytes_equal(line.agreement, o->agreement))
		verify_run_find(v, VERIFY_CONTENT, index,
		    "what it rejects is released or held by that agreement");
}

/* Whose session it came from: not the publisher's, as far as certificates tell. */
static bool
check_session(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct verify_report *report;
	if (!verify_run_report(v, s, &report, e))
		return false;
	if (report != NULL && report->has_session && s->hub.certificate != NULL &&
	    memcmp(report->session, s->hub.certificate, 32) == 0)
		verify_run_find(v, VERIFY_CONTENT, s->r.index,
		    "it came from the agent that published the report");
	return true;
}

bool
verify_approval_record(
    struct verify *v, const struct verify_slots *s, struct verify_current *before, struct err *e)
{
	struct obliged o = { .kind = event_body_number(&s->body, BODY_APPROVAL_KIND),
		.portion = event_body_number(&s->body, BODY_APPROVAL_PORTION),
		.agreement = event_body_get(&s->body, BODY_APPROVAL_AGREEMENT),
		.subject = event_body_get(&s->body, BODY_APPROVAL_SUBJECT),
		.approver = event_body_get(&s->body, BODY_APPROVAL_APPROVER),
		.recipient = event_body_get(&s->body, BODY_APPROVAL_RECIPIENT),
		.approve = event_body_number(&s->body, BODY_APPROVAL_ANSWER) == ANSWER_APPROVE };
	struct verify_key key;
	check_body(v, s, &o);
	if (before->known &&
	    (o.portion >= 256 || (before->held[o.portion / 8] >> o.portion % 8 & 1) == 0))
		verify_run_find(
		    v, VERIFY_GAP, s->r.index, "it decides a portion that was not held");
	if (!check_session(v, s, e) || !key_of(v, s, &o, &key, e))
		return false;
	bool known = map_find(&v->approvals, bytes_from(&key, sizeof(key))) != NULL;
	before->approvals += !known;
	if (known)
		verify_run_find(v, VERIFY_GAP, s->r.index, "it decides what was decided before");
	struct answered *a = map_at(&v->approvals, bytes_from(&key, sizeof(key)), NULL);
	if (a == NULL)
		return err_set(e, ERR_NOMEM, "approvals");
	a->approve = o.approve;
	return true;
}

/* ---- facts ---- */

static bool
read_obligation(struct bytes in, struct obliged *o)
{
	struct cursor c = cursor_over(in);
	struct wirefield f;
	while (wirefield_next(&c, &f)) {
		if (f.number == 1)
			o->kind = f.varint;
		else if (f.number == 2)
			o->agreement = f.bytes;
		else if (f.number == 3)
			o->subject = f.bytes;
		else if (f.number == 4)
			o->approver = f.bytes;
	}
	if (o->kind == KIND_CONSENT && o->subject.len == UUID_BYTES) {
		uuid_print(o->subject.data, o->source);
		o->subject = bytes_from(o->source, UUID_TEXT);
	}
	return cursor_finished(&c);
}

static bool
read_approval(struct bytes in, struct obliged *o)
{
	struct cursor c = cursor_over(in);
	struct wirefield f;
	bool ok = true;
	*o = (struct obliged){ .approve = false };
	while (wirefield_next(&c, &f)) {
		if (f.number == 1)
			ok = ok && read_obligation(f.bytes, o);
		else if (f.number == 2)
			o->recipient = f.bytes;
		else if (f.number == 3)
			o->portion = f.varint;
		else if (f.number == 4)
			o->approve = f.varint != 0;
	}
	return ok && cursor_finished(&c);
}

/* How many of the facts' approvals for this recipient some APPROVAL stated, each once; the others
 * make it wrong. */
static bool
count(struct verify *v, const struct verify_slots *s, struct bytes facts, struct bytes recipient,
    size_t *stated, bool *wrong, struct err *e)
{
	struct cursor c = cursor_over(facts);
	struct wirefield f;
	struct obliged o;
	struct verify_key key;
	while (wirefield_next(&c, &f)) {
		if (f.number != FACTS_APPROVALS)
			continue;
		bool read = read_approval(f.bytes, &o);
		if (read && !bytes_equal(o.recipient, recipient))
			continue;
		if (!key_of(v, s, &o, &key, e))
			return false;
		struct answered *a = map_find(&v->approvals, bytes_from(&key, sizeof(key)));
		if (!read || a == NULL || a->approve != o.approve || a->seen == s->r.index + 1) {
			*wrong = true;
			continue;
		}
		a->seen = s->r.index + 1;
		(*stated)++;
	}
	return true;
}

static bool
check_recipient(struct verify *v, const struct verify_slots *s, struct bytes facts,
    struct bytes recipient, struct err *e)
{
	struct verify_current *now;
	size_t stated = 0;
	bool wrong = false;
	const struct bytes parts[3] = { s->publication.party, s->r.common.report, recipient };
	if (!verify_run_current(v, parts, &now, e) ||
	    !count(v, s, facts, recipient, &stated, &wrong, e))
		return false;
	if (wrong || stated != now->approvals)
		verify_run_find(v, VERIFY_CONTENT, s->r.index,
		    "its facts have %s approvals than APPROVAL records say for %.*s",
		    wrong ? "other" : "fewer", (int)recipient.len, (const char *)recipient.data);
	return true;
}

/* Whether there is anything to look at: mostly there is not. */
static bool
any(struct verify *v, const struct verify_slots *s, bool *out, struct err *e)
{
	struct bytes names = s->release.recipient, name;
	*out = v->facts.approvals != 0;
	while (!*out && verify_run_next_name(&names, &name)) {
		struct verify_current *now;
		const struct bytes parts[3] = { s->publication.party, s->r.common.report, name };
		if (!verify_run_current(v, parts, &now, e))
			return false;
		*out = now->approvals != 0;
	}
	return true;
}

bool
verify_approval_facts(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct bytes names = s->release.recipient, name, facts = { NULL, 0 };
	struct arena a;
	bool needed = false;
	if (verify_run_partial(v) || s->decision.facts == NULL || !v->facts.present)
		return true;
	if (!any(v, s, &needed, e))
		return false;
	if (!needed)
		return true;
	arena_init(&a, VERIFY_FILE_MAX);
	const struct verify_want want = { BUNDLE_FACTS, s->decision.facts, &a };
	bool ok = verify_run_content(v, s->r.index, &want, &facts, e);
	while (ok && verify_run_next_name(&names, &name))
		ok = check_recipient(v, s, facts, name, e);
	arena_done(&a);
	return ok;
}

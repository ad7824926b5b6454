#include "audit/verify_backfill.h"

#include "audit/verify_judged.h"
#include "audit/wirefield.h"

enum { FACTS_BACKFILL = 19 };

/* ---- the record ---- */

static void
gap(struct verify *v, const struct verify_slots *s, const char *why)
{
	verify_run_find(v, VERIFY_GAP, s->r.index, "%s", why);
}

/* ..and he may receive under it now. */
static bool
check_receives(
    struct verify *v, const struct verify_slots *s, struct bytes agreement, struct err *e)
{
	bool denied = false;
	if (!verify_judged_no_receiver(
		v, s->decision.policy, agreement, s->release.recipient, &denied, e))
		return false;
	if (denied)
		gap(v, s, "it backfills for who may not receive");
	return true;
}

/* The policy of the INTAKE and that of the decision have 'backfill' in each agreement that a reason
 * names, as far as they are here. */
static bool
check_agreements(struct verify *v, const struct verify_slots *s, const struct verify_report *report,
    struct err *e)
{
	const uint8_t *policies[2] = { report->has_policy ? report->policy : NULL,
		s->decision.policy };
	struct bytes text = s->decision.reasons;
	struct slot_reason line;
	while (text.len != 0 && slot_reason_next(&text, &line, NULL))
		for (size_t i = 0; i < 2; i++) {
			bool denied = false;
			if (policies[i] != NULL &&
			    !verify_judged_no_backfill(v, policies[i], line.agreement, &denied, e))
				return false;
			if (i == 1 && !denied && policies[1] != NULL &&
			    !check_receives(v, s, line.agreement, e))
				return false;
			if (denied)
				verify_run_find(v, VERIFY_GAP, s->r.index,
				    "it backfills under %.*s, which %s without 'backfill'",
				    (int)line.agreement.len, (const char *)line.agreement.data,
				    i == 0 ? "was accepted" : "now is");
		}
	return true;
}

bool
verify_backfill_link(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct verify_report *report;
	if (!verify_run_report(v, s, &report, e))
		return false;
	if (report == NULL || s->decision.link != report->intake ||
	    (v->has_policy && v->policy_at < report->intake)) {
		gap(v, s, "a first decision does not stand with its INTAKE without a gap");
		return true;
	}
	if (s->decision.outcome != OUTCOME_RELEASE && s->decision.outcome != OUTCOME_REDACT)
		gap(v, s, "it backfills what it does not release");
	if (bytes_equal(s->release.recipient, s->publication.party))
		gap(v, s, "it backfills for the publisher");
	if (report->withdrawn)
		gap(v, s, "it backfills a report that was recalled or superseded");
	if (report->backfill == VERIFY_NO)
		gap(v, s, "it backfills a report whose routing does not ask for it");
	return !verify_run_hub(v) || check_agreements(v, s, report, e);
}

/* ---- its facts ---- */

/* Field 19 as it was read. */
struct field {
	bool there, asked, later;
	unsigned recipients, asks; /* how many of each there are */
	struct bytes recipient;
	struct bytes agreements[VERIFY_RUN_AGREEMENTS];
	size_t count;
};

static void
read_inner(struct bytes in, struct field *out)
{
	struct cursor c = cursor_over(in);
	out->there = true;
	for (struct wirefield f; wirefield_next(&c, &f);) {
		out->recipients += f.number == 1;
		out->asks += f.number == 2;
		if (f.number == 1)
			out->recipient = f.bytes;
		else if (f.number == 2)
			out->asked = f.varint == 1;
		else if (f.number == 3 && out->count < VERIFY_RUN_AGREEMENTS)
			out->agreements[out->count++] = f.bytes;
	}
}

static struct field
read_field(struct bytes facts)
{
	struct field out = { .there = false };
	struct cursor c = cursor_over(facts);
	for (struct wirefield f; wirefield_next(&c, &f);) {
		if (f.number == FACTS_BACKFILL)
			read_inner(f.bytes, &out);
		else if (f.number == 16)
			out.later = f.varint == 1;
	}
	return out;
}

/* Each agreement that a reason names is listed. */
static bool
lists_all(const struct field *f, struct bytes reasons)
{
	struct slot_reason line;
	while (reasons.len != 0 && slot_reason_next(&reasons, &line, NULL)) {
		bool listed = false;
		for (size_t i = 0; i < f->count; i++)
			listed = listed || bytes_equal(f->agreements[i], line.agreement);
		if (!listed)
			return false;
	}
	return true;
}

static void
compare(struct verify *v, const struct verify_slots *s, const struct field *f, bool first)
{
	bool in_run = s->r.type == EVENT_DECISION && v->in_run;
	const char *wrong = NULL;
	if (!f->there) {
		if (first)
			gap(v, s, "it is away from its INTAKE by facts that are of no backfill");
		return;
	}
	if (in_run)
		wrong = "the facts of a backfill stand with its INTAKE";
	else if (!f->later || !f->asked || f->asks != 1 || f->recipients != 1 ||
		 !bytes_equal(f->recipient, s->release.recipient))
		wrong = "its facts are of a backfill for another, or that nobody asked for";
	else if (first && !lists_all(f, s->decision.reasons))
		wrong = "it backfills under an agreement that its facts do not list";
	if (wrong != NULL)
		verify_run_find(v, VERIFY_CONTENT, s->r.index, "%s", wrong);
	if (first && v->facts.expires != 0 && v->facts.time >= v->facts.expires)
		verify_run_find(
		    v, VERIFY_TIME, s->r.index, "it backfills a report that had expired");
}

bool
verify_backfill_facts(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct verify_report *report;
	struct bytes facts = { NULL, 0 };
	struct arena a;
	if (!v->facts.present || s->decision.facts == NULL)
		return true;
	if (!verify_run_report(v, s, &report, e))
		return false;
	bool first = s->r.type == EVENT_DECISION && !v->in_run && report != NULL &&
		     s->decision.link == report->intake;
	if (!first && !v->facts.backfill)
		return true;
	arena_init(&a, VERIFY_FILE_MAX);
	const struct verify_want want = { BUNDLE_FACTS, s->decision.facts, &a };
	bool ok = verify_run_content(v, s->r.index, &want, &facts, e);
	const struct field f = read_field(facts);
	if (ok)
		compare(v, s, &f, first);
	arena_done(&a);
	return ok;
}

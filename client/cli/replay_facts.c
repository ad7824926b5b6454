#include "client/cli/replay_facts.h"

#include "audit/export.h"
#include "client/cli/replay_sources.h"
#include "proto/limits.h"

enum { LOOK_BACK_US = 10000000 };

static bool
tell(struct replay_walk *r, const struct replay_record *v, enum replay_kind kind, const char *what,
    struct err *e)
{
	const struct replay_fault f = { .kind = kind, .what = what };
	return replay_compare_fault(r, v, &f, e);
}

/* ---- an INTAKE ---- */

static bool
copy_names(
    struct replay_walk *r, struct names *to, const struct bytes *from, size_t count, struct err *e)
{
	struct bytes *items = arena_zalloc(r->keep, count + 1, sizeof(*items));
	if (items == NULL)
		return err_set(e, ERR_NOMEM, "reports of the past");
	for (size_t i = 0; i < count; i++)
		if (!arena_copy(r->keep, from[i], &items[i], e))
			return false;
	*to = (struct names){ items, count };
	return true;
}

/* What later records are held against. */
static bool
keep_report(struct replay_walk *r, const struct replay_signed *s, struct err *e)
{
	struct past_report *to = r->run.report;
	const struct facts *f = &r->run.facts;
	struct bytes names[LIMIT_AGREEMENTS_PER_REPORT], signer;
	size_t count = f->agreement_count < LIMIT_AGREEMENTS_PER_REPORT
			   ? f->agreement_count
			   : LIMIT_AGREEMENTS_PER_REPORT;
	for (size_t i = 0; i < count; i++)
		names[i] = f->agreements[i].name;
	to->mode = f->mode;
	to->portions = f->portion_count < LIMIT_PORTIONS ? f->portion_count : LIMIT_PORTIONS;
	if (!copy_names(r, &to->agreements, names, count, e) ||
	    !copy_names(r, &to->sources, s->routing.sources.items, s->routing.sources.count, e) ||
	    !replay_report_core(f, r->reader->hash, &r->one, to->core, e) ||
	    !arena_copy(r->keep, s->manifest.signer, &signer, e))
		return false;
	to->signer = signer.len == 32 ? signer.data : NULL;
	to->known = true;
	to->asks = s->routing.backfill;
	to->listed_known = !to->asks;
	return true;
}

/* What no facts of a first decision have, and who published. */
static const char *
first_differs(const struct facts *f, const struct replay_record *v)
{
	if (f->later || f->before_count > 0 || f->has_backfill)
		return "they are those of a later decision";
	if (f->approval_count > 0 || f->opened_count > 0)
		return "they have approvals or obligations from before";
	if (f->accepted != f->time)
		return "time of acceptance";
	if (f->signer != SIGNER_GOOD)
		return "state of the signer";
	return bytes_equal(f->originator, v->publication.party) ? NULL : "originator";
}

/* Whether the record before the cut is so young that the broker may not have seen it yet. */
static bool
may_be_unseen(const struct replay_walk *r, const struct replay_record *v, uint64_t cut)
{
	uint64_t back = v->of->index - cut, time = r->run.facts.time;
	return cut > 0 && back < REPLAY_RECENT &&
	       r->recent[(cut - 1) % REPLAY_RECENT] + LOOK_BACK_US >= time;
}

/* What the broker went by was some beginning of this log, which ended a moment before the facts'
 * time or later. */
struct looked {
	bool known, same;
};
static bool
look_back(struct replay_walk *r, const struct replay_record *v, struct arena *a, struct looked *out,
    struct err *e)
{
	struct sources_ask ask = { r->run.report, v->of->index };
	while (true) {
		struct sources_found found;
		if (!replay_sources_find(&r->past, &ask, a, &found, e) ||
		    !replay_sources_same(&found, &r->run.facts, a, &out->same, e))
			return false;
		out->known = found.known;
		if (out->same || !out->known || !may_be_unseen(r, v, ask.cut))
			return true;
		ask.cut--;
		arena_reset(a, REPLAY_COURT_MAX);
	}
}

static bool
check_sources(struct replay_walk *r, const struct replay_record *v, struct err *e)
{
	struct arena a;
	struct looked looked = { false, false };
	if (r->run.report->sources.count == 0 && r->run.facts.source_count == 0)
		return true;
	arena_init(&a, REPLAY_COURT_MAX);
	bool ok = look_back(r, v, &a, &looked, e);
	arena_done(&a);
	if (!ok)
		return false;
	if (!looked.known)
		return tell(r, v, REPLAY_UNJUDGED, "what its sources were could not be found", e);
	return looked.same || tell(r, v, REPLAY_FACTS, "sources", e);
}

bool
replay_facts_intake(struct replay_walk *r, const struct replay_record *v, struct err *e)
{
	struct replay_signed s;
	const struct replay_intake intake = { v->of->index, v->publication.manifest };
	const char *other = first_differs(&r->run.facts, v);
	if (other != NULL && !tell(r, v, REPLAY_FACTS, other, e))
		return false;
	if (intake.leaf == NULL)
		return tell(r, v, REPLAY_UNJUDGED, "its facts could not be held against it", e);
	if (!replay_report_read(&r->parts, &intake, &r->one, &s, e))
		return false;
	if (s.lacks != NULL) {
		const struct replay_fault f = { .kind = REPLAY_UNJUDGED,
			.what = "its facts could not be held against the report",
			.now = bytes_of(s.lacks) };
		return replay_compare_fault(r, v, &f, e);
	}
	other = replay_report_differs(&s, &r->run.facts);
	if (other != NULL && !tell(r, v, REPLAY_FACTS, other, e))
		return false;
	return keep_report(r, &s, e) && check_sources(r, v, e);
}

/* Named first, and usable when the report came. */
static bool
counts(const struct facts *f, size_t i, const struct decisions *d)
{
	for (size_t k = 0; k < i; k++)
		if (bytes_equal(f->agreements[k].name, f->agreements[i].name))
			return false;
	for (size_t k = 0; k < d->unusable_count; k++)
		if (bytes_equal(d->unusable[k].agreement, f->agreements[i].name))
			return false;
	return true;
}

/* Whether the terms that a report names are this agreement's, and had 'backfill'; *known: they are
 * in the bundle. */
static bool
terms_have(
    struct replay_walk *r, const struct fact_agreement *g, bool *has, bool *known, struct err *e)
{
	struct bytes text = { NULL, 0 };
	struct err why = { 0 };
	const struct content_want want = { BUNDLE_POLICY, g->terms };
	*has = false;
	if (!g->has_terms)
		return true;
	if (!content_read(r->reader, &want, &r->one, &text, &why) && why.code != ERR_DATA) {
		*e = why;
		return false;
	}
	*known = *known && text.data != NULL;
	*has = text.data != NULL && export_terms_backfill(text, g->name);
	return true;
}

bool
replay_facts_listed(struct replay_walk *r, struct err *e)
{
	struct past_report *to = r->run.report;
	const struct facts *f = &r->run.facts;
	struct bytes names[LIMIT_AGREEMENTS_PER_REPORT];
	size_t count = 0;
	bool known = true;
	if (!to->known || !to->asks)
		return true;
	for (size_t i = 0; i < f->agreement_count && i < LIMIT_AGREEMENTS_PER_REPORT; i++) {
		bool has = false;
		if (!counts(f, i, &r->run.decided))
			continue;
		if (!terms_have(r, &f->agreements[i], &has, &known, e))
			return false;
		if (has)
			names[count++] = f->agreements[i].name;
	}
	to->listed_known = known;
	return copy_names(r, &to->listed, names, count, e);
}

/* ---- a later decision ---- */

static bool
is_set(const uint8_t *masks, size_t portion, size_t bit)
{
	return masks != NULL && (masks[portion] >> bit & 1) != 0;
}

/* 'before' has, portion by portion, the agreements that released or held it. */
static bool
same_before(const struct replay_later *l, const struct past_decision *d, struct bytes recipient)
{
	const struct facts *f = l->facts;
	size_t n = 0;
	for (size_t p = 0; p < l->report->portions; p++) {
		size_t want = 0;
		for (size_t g = 0; g < l->report->agreements.count; g++)
			want += is_set(d->masks, p, g);
		if (want == 0)
			continue;
		if (n == f->before_count)
			return false;
		const struct fact_before *b = &f->before[n++];
		if (b->portion != p || b->agreements.count != want ||
		    !bytes_equal(b->recipient, recipient))
			return false;
		for (size_t g = 0, k = 0; g < l->report->agreements.count; g++)
			if (is_set(d->masks, p, g) &&
			    !bytes_equal(b->agreements.items[k++], l->report->agreements.items[g]))
				return false;
	}
	return n == f->before_count;
}

static bool
check_before(struct replay_walk *r, const struct replay_record *v, const struct replay_later *l,
    struct err *e)
{
	uint8_t opened[32];
	const struct past_recipient *to =
	    replay_past_given(&r->past, l->report, v->release.recipient);
	if (to == NULL)
		return tell(r, v, REPLAY_FACTS, "nothing was released or held before", e);
	if (!to->now->known)
		return tell(r, v, REPLAY_UNJUDGED, "what it follows is not known", e);
	if (!same_before(l, to->now, v->release.recipient) &&
	    !tell(r, v, REPLAY_FACTS, "what was released or held before", e))
		return false;
	if (!replay_report_opened(l->facts, r->reader->hash, &r->one, opened, e))
		return false;
	return memcmp(opened, to->now->opened, sizeof(opened)) == 0 ||
	       tell(r, v, REPLAY_FACTS, "the obligations that were open, or since when", e);
}

/* A signer of whom a KEY said that it is gone is not good any more; the reverse only narrows. */
static bool
check_signer(struct replay_walk *r, const struct replay_record *v, const struct replay_later *l,
    struct err *e)
{
	char hex[BUNDLE_HEX_LEN + 1];
	if (l->report->signer == NULL || l->facts->signer == SIGNER_REVOKED)
		return true;
	bundle_hex(l->report->signer, hex);
	const struct replay_signer *s = replay_judge_signer(r, l->report->publisher, bytes_of(hex));
	if (s == NULL)
		return err_set(e, ERR_NOMEM, "signers");
	return !s->gone || tell(r, v, REPLAY_FACTS, "state of the signer", e);
}

/* Field 19 is what the routing part and the terms that it names say, for this recipient. */
static bool
check_field(struct replay_walk *r, const struct replay_record *v, const struct replay_later *l,
    struct err *e)
{
	const struct fact_backfill *b = &l->facts->backfill;
	if (!l->report->listed_known)
		return tell(r, v, REPLAY_UNJUDGED, "terms that the report names are missing", e);
	return (l->facts->has_backfill && b->asked == l->report->asks &&
		   bytes_equal(b->recipient, v->release.recipient) &&
		   names_equal(&b->agreements, &l->report->listed)) ||
	       tell(r, v, REPLAY_FACTS, "what may be backfilled", e);
}

/* Nobody spoke of the recipient before, so nothing is carried over from there. */
static bool
check_backfill(struct replay_walk *r, const struct replay_record *v, const struct replay_later *l,
    struct err *e)
{
	const struct facts *f = l->facts;
	if ((replay_past_given(&r->past, l->report, v->release.recipient) != NULL ||
		f->before_count + f->approval_count + f->opened_count > 0) &&
	    !tell(r, v, REPLAY_FACTS, "it was judged before", e))
		return false;
	return check_field(r, v, l, e);
}

static bool
check_follows(struct replay_walk *r, const struct replay_record *v, const struct replay_later *l,
    struct err *e)
{
	const struct past_recipient *to =
	    replay_past_given(&r->past, l->report, v->release.recipient);
	if (to != NULL && to->backfilled && !check_field(r, v, l, e))
		return false;
	if (l->facts->has_backfill && (to == NULL || !to->backfilled) &&
	    !tell(r, v, REPLAY_FACTS, "what may be backfilled", e))
		return false;
	return check_before(r, v, l, e);
}

bool
replay_facts_later(struct replay_walk *r, const struct replay_record *v,
    const struct replay_later *l, struct err *e)
{
	uint8_t core[32];
	if (!l->facts->later && !tell(r, v, REPLAY_FACTS, "they are those of a first decision", e))
		return false;
	if (!l->report->known)
		return tell(r, v, REPLAY_UNJUDGED, "the facts of its INTAKE are not known", e);
	if (!replay_report_core(l->facts, r->reader->hash, &r->one, core, e))
		return false;
	if (memcmp(core, l->report->core, sizeof(core)) != 0)
		return tell(
		    r, v, REPLAY_FACTS, "they speak of another report than its INTAKE's", e);
	return check_signer(r, v, l, e) &&
	       (l->backfill ? check_backfill(r, v, l, e) : check_follows(r, v, l, e));
}

/* ---- for those that follow ---- */

/* What is open from now on: what the facts have, and what this decision opened, if it holds. */
static bool
opened_now(struct replay_walk *r, const struct replay_pair *p, uint8_t out[32], struct err *e)
{
	struct facts all = *p->facts;
	size_t n = all.opened_count, most = n;
	bool holds = p->now->outcome == OUTCOME_HOLD;
	for (size_t i = 0; holds && i < p->decided->portion_count; i++)
		most += p->now->portions[i].open_count;
	struct fact_opened *list = arena_zalloc(&r->one, most + 1, sizeof(*list));
	if (list == NULL)
		return err_set(e, ERR_NOMEM, "obligations");
	if (n > 0)
		memcpy(list, all.opened, n * sizeof(*list));
	for (size_t i = 0; holds && i < p->decided->portion_count; i++) {
		const struct portion_decision *d = &p->now->portions[i];
		for (size_t k = 0; k < d->open_count; k++)
			if (d->open[k].fresh)
				list[n++] = (struct fact_opened){ d->open[k].what,
					p->now->recipient, (uint32_t)i, p->facts->time };
	}
	all.opened = list;
	all.opened_count = n;
	return replay_report_opened(&all, r->reader->hash, &r->one, out, e);
}

bool
replay_facts_decided(struct replay_walk *r, struct past_report *report, uint64_t index,
    const struct replay_pair *p, struct err *e)
{
	struct past_decision d = { .record = index, .outcome = p->now->outcome };
	uint8_t masks[LIMIT_PORTIONS] = { 0 };
	if (p->now->outcome == OUTCOME_WITHHOLD &&
	    replay_past_given(&r->past, report, p->now->recipient) == NULL)
		return true; /* nothing can follow it */
	for (size_t i = 0; i < report->portions && i < p->decided->portion_count; i++)
		if (p->now->portions[i].verdict != VERDICT_WITHHOLD)
			masks[i] = p->now->portions[i].mask;
	d.known = report->known;
	d.masks = masks;
	return opened_now(r, p, d.opened, e) &&
	       replay_past_decided(&r->past, report, p->now->recipient, &d, e);
}

bool
replay_facts_unknown(
    struct replay_walk *r, struct past_report *report, const struct replay_record *v, struct err *e)
{
	struct past_decision d = { .record = v->of->index, .outcome = v->decision.outcome };
	if (v->decision.outcome == OUTCOME_WITHHOLD &&
	    replay_past_given(&r->past, report, v->release.recipient) == NULL)
		return true;
	return replay_past_decided(&r->past, report, v->release.recipient, &d, e);
}

#include "client/cli/replay_judge.h"

#include "client/cli/replay_facts.h"

static bool
fault(struct replay_walk *r, const struct replay_record *v, enum replay_kind kind, const char *what,
    struct err *e)
{
	const struct replay_fault f = { .kind = kind, .what = what };
	return replay_compare_fault(r, v, &f, e);
}

bool
replay_judge_unread(struct replay_walk *r, const struct verify_record *v, struct err *e)
{
	const struct replay_record none = { .of = v };
	return fault(r, &none, REPLAY_UNJUDGED, "the record cannot be read", e);
}

/* ---- facts and policy ---- */

/* What a record was judged by, into r->one.  *epoch NULL: it cannot be judged, which is told. */
static bool
load(struct replay_walk *r, const struct replay_record *v, struct facts *f,
    const struct epoch **epoch, struct err *e)
{
	struct bytes bytes = { NULL, 0 };
	struct err why = { 0 };
	const char *lack = "it names no policy or no facts";
	const struct slot_decision *d = &v->decision;
	*epoch = NULL;
	if (d->policy == NULL || d->facts == NULL)
		return fault(r, v, REPLAY_UNJUDGED, lack, e);
	const struct content_want want = { BUNDLE_FACTS, d->facts };
	bool ok = content_read(r->reader, &want, &r->one, &bytes, &why);
	if (!ok && why.code != ERR_DATA) {
		*e = why;
		return false;
	}
	if (!ok || bytes.data == NULL)
		return fault(r, v, REPLAY_UNJUDGED,
		    ok ? "the bundle lacks its facts" : "its facts are not what their name says",
		    e);
	if (!facts_decode(bytes, &r->one, f, &why)) {
		if (why.code == ERR_NOMEM)
			*e = why;
		return why.code != ERR_NOMEM &&
		       fault(r, v, REPLAY_UNJUDGED, "its facts cannot be read", e);
	}
	const struct epoch *p = replay_rules_of(&r->rules, d->policy, &lack);
	if (p == NULL) {
		const struct replay_fault x = { .kind = REPLAY_UNJUDGED,
			.what = "its policy cannot be used",
			.now = bytes_of(lack) };
		return replay_compare_fault(r, v, &x, e);
	}
	*epoch = p;
	return true;
}

/* Facts that no accepted report can have are no want of memory. */
static bool
decide(struct replay_walk *r, const struct replay_record *v, const struct epoch *p,
    const struct facts *f, struct decisions *out, bool *done, struct err *e)
{
	struct err why = { 0 };
	*done = policy_decide(p, f, &r->one, out, &why);
	if (*done)
		return true;
	if (why.code == ERR_NOMEM) {
		*e = why;
		return false;
	}
	const struct replay_fault x = { REPLAY_DIFFERS, "facts that no report can have",
		{ NULL, 0 }, bytes_of(err_token(why.code)) };
	return replay_compare_fault(r, v, &x, e);
}

/* ---- an INTAKE ---- */

static bool
compare_banner(
    struct replay_walk *r, const struct replay_record *v, const struct epoch *p, struct err *e)
{
	struct replay_fault x = {
		.kind = REPLAY_DIFFERS, .what = "banner", .recorded = v->publication.banner
	};
	if (!policy_banner(p, &r->run.facts, &r->one, &x.now, e))
		return false;
	return bytes_equal(x.now, x.recorded) || replay_compare_fault(r, v, &x, e);
}

/* A report that was taken is judged as one that is refused. */
static bool
refused(struct replay_walk *r, const struct replay_record *v, struct err *e)
{
	const struct replay_fault x = { REPLAY_DIFFERS, "outcome", bytes_of("accepted"),
		bytes_of(err_token(r->run.decided.refusal.code)) };
	return replay_compare_fault(r, v, &x, e);
}

/* A recall names no agreement and has no portion: there is nothing to decide, and nobody to. */
static bool
is_recall(const struct facts *f)
{
	return f->agreement_count == 0 && f->portion_count == 0;
}

static bool
judge_intake(struct replay_walk *r, const struct replay_record *v, struct err *e)
{
	struct replay_run *run = &r->run;
	const struct epoch *p;
	bool done;
	if (!load(r, v, &run->facts, &p, e))
		return false;
	if (p == NULL)
		return true;
	if (!replay_facts_intake(r, v, e))
		return false;
	run->decided = (struct decisions){ .good_until = UINT64_MAX };
	done = is_recall(&run->facts);
	if (!done && !decide(r, v, p, &run->facts, &run->decided, &done, e))
		return false;
	if (!done)
		return true;
	if (!replay_facts_listed(r, e))
		return false;
	run->judged = run->decided.refusal.code == ERR_NONE;
	run->epoch = p;
	run->seen = arena_zalloc(&r->one, run->decided.recipient_count + 1, sizeof(*run->seen));
	if (run->seen == NULL)
		return err_set(e, ERR_NOMEM, "recipients");
	r->reports += run->judged;
	if (!run->judged)
		return refused(r, v, e);
	/* what it was judged by had changed meanwhile: the committer has it decided again */
	if (v->of->common.time >= run->decided.good_until &&
	    !fault(r, v, REPLAY_DIFFERS, "it was recorded when it held no longer", e))
		return false;
	/* its banner is that of the report which it names, as its own INTAKE says */
	return is_recall(&run->facts) || compare_banner(r, v, p, e);
}

bool
replay_judge_intake(struct replay_walk *r, const struct replay_record *v, struct err *e)
{
	arena_reset(&r->one, REPLAY_COURT_MAX);
	r->run = (struct replay_run){ .intake = v->of->index, .last = v->of->index };
	r->in_run = true;
	r->run.report =
	    replay_past_begin(&r->past, v->publication.party, v->of->common.report, v->of->index);
	if (r->run.report == NULL)
		return err_set(e, ERR_NOMEM, "reports of the past");
	if (v->decision.facts != NULL)
		memcpy(r->run.facts_digest, v->decision.facts, sizeof(r->run.facts_digest));
	return judge_intake(r, v, e);
}

/* ---- a DECISION behind it ---- */

static ptrdiff_t
find(const struct decisions *d, struct bytes recipient)
{
	size_t low = 0, high = d->recipient_count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = bytes_compare(d->recipients[mid].recipient, recipient);
		if (c == 0)
			return (ptrdiff_t)mid;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return -1;
}

static bool
take_name(struct bytes *names, struct bytes *name)
{
	if (names->len == 0)
		return false;
	const uint8_t *end = memchr(names->data, '\n', names->len);
	size_t n = end == NULL ? names->len : (size_t)(end - names->data);
	*name = bytes_from(names->data, n);
	*names = bytes_from(names->data + n + (end != NULL), names->len - n - (end != NULL));
	return true;
}

static bool
compare_one(struct replay_walk *r, const struct replay_record *v, struct bytes name, struct err *e)
{
	struct replay_run *run = &r->run;
	ptrdiff_t at = find(&run->decided, name);
	if (at < 0) {
		const struct replay_fault x = { REPLAY_DIFFERS, "recipient", name,
			bytes_of("it may not receive") };
		return replay_compare_fault(r, v, &x, e);
	}
	const struct replay_pair pair = { run->epoch, &run->facts, &run->decided,
		&run->decided.recipients[at] };
	run->seen[at] = true;
	return replay_compare(r, v, &pair, e) &&
	       replay_facts_decided(r, run->report, v->of->index, &pair, e);
}

bool
replay_judge_decision(struct replay_walk *r, const struct replay_record *v, struct err *e)
{
	struct bytes names = v->release.recipient, name;
	const struct replay_run *run = &r->run;
	if (!run->judged) {
		if (run->epoch == NULL && !fault(r, v, REPLAY_UNJUDGED, "its report is not", e))
			return false;
		return replay_facts_unknown(r, run->report, v, e);
	}
	if (v->decision.facts == NULL ||
	    memcmp(v->decision.facts, run->facts_digest, sizeof(run->facts_digest)) != 0)
		return fault(r, v, REPLAY_FACTS, "they are not those of its INTAKE", e);
	while (take_name(&names, &name))
		if (!compare_one(r, v, name, e))
			return false;
	return true;
}

/* Whoever is judged and has no DECISION was passed over. */
bool
replay_judge_end(struct replay_walk *r, struct err *e)
{
	const struct replay_run *run = &r->run;
	bool over = r->in_run && run->judged;
	r->in_run = false;
	for (size_t i = 0; over && i < run->decided.recipient_count; i++) {
		const struct recipient_decision *d = &run->decided.recipients[i];
		struct replay_found f = { .kind = REPLAY_DIFFERS,
			.record = run->intake,
			.type = EVENT_INTAKE,
			.publisher = run->report->publisher,
			.recipient = d->recipient,
			.portion = REPLAY_ALL,
			.what = "outcome",
			.recorded = bytes_of("none"),
			.now = bytes_of(slot_outcome_word(d->outcome)) };
		memcpy(f.report, run->report->id, sizeof(f.report));
		if (!run->seen[i] && !replay_compare_tell(r, &f, e))
			return false;
	}
	return true;
}

/* ---- what came later ---- */

static bool
judge_later(
    struct replay_walk *r, const struct replay_record *v, struct past_report *report, struct err *e)
{
	struct facts f;
	const struct epoch *p;
	struct decisions decided;
	bool done;
	if (!load(r, v, &f, &p, e))
		return false;
	if (p == NULL)
		return replay_facts_unknown(r, report, v, e);
	const struct replay_later later = { &f, report,
		v->of->type == EVENT_DECISION && v->decision.link == report->intake };
	if (!replay_facts_later(r, v, &later, e) || !decide(r, v, p, &f, &decided, &done, e))
		return false;
	ptrdiff_t at = done ? find(&decided, v->release.recipient) : -1;
	if (at < 0) {
		return fault(r, v, REPLAY_FACTS,
			   later.backfill ? "they backfill nothing under this policy"
					  : "they do not speak of its recipient",
			   e) &&
		       replay_facts_unknown(r, report, v, e);
	}
	const struct replay_pair pair = { p, &f, &decided, &decided.recipients[at] };
	if (!replay_compare(r, v, &pair, e) ||
	    !replay_facts_decided(r, report, v->of->index, &pair, e))
		return false;
	struct past_recipient *to = replay_past_given(&r->past, report, v->release.recipient);
	if (to != NULL && later.backfill)
		to->backfilled = true;
	return true;
}

bool
replay_judge_later(struct replay_walk *r, const struct replay_record *v, struct err *e)
{
	struct past_report *report =
	    replay_past_report(&r->past, v->publication.party, v->of->common.report);
	if (report == NULL)
		return fault(r, v, REPLAY_UNJUDGED, "no INTAKE of its report stands before it", e);
	arena_reset(&r->one, REPLAY_COURT_MAX);
	return judge_later(r, v, report, e);
}

bool
replay_judge_delivery(struct replay_walk *r, const struct replay_record *v, struct err *e)
{
	struct past_report *report =
	    replay_past_report(&r->past, v->publication.party, v->of->common.report);
	struct past_recipient *to =
	    report == NULL ? NULL : replay_past_given(&r->past, report, v->release.recipient);
	return to == NULL || replay_past_delivered(&r->past, to, v->of->index, e);
}

/* ---- who signs ---- */

struct replay_signer *
replay_judge_signer(struct replay_walk *r, struct bytes party, struct bytes hex)
{
	uint8_t key[192];
	size_t n = party.len < 64 ? party.len : 64, m = hex.len < 64 ? hex.len : 64;
	if (n > 0)
		memcpy(key, party.data, n);
	key[n] = 0;
	if (m > 0)
		memcpy(key + n + 1, hex.data, m);
	struct replay_signer *s = map_at(&r->signers, bytes_from(key, n + 1 + m), NULL);
	if (s != NULL && r->policies > s->policies)
		s->gone = s->next_gone;
	return s;
}

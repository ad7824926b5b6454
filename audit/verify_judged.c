#include "audit/verify_judged.h"

#include "audit/export.h"
#include "audit/wirefield.h"

static bool
no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "decisions of a report");
}

/* ---- the run ---- */

bool
verify_judged_begin(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct verify_run *run = &v->run;
	struct verify_run fresh = { .intake = s->r.index, .last = s->r.index };
	arena_done(&run->a);
	arena_init(&fresh.a, VERIFY_FILE_MAX);
	*run = fresh;
	v->in_run = true;
	if (s->decision.policy != NULL)
		memcpy(run->policy, s->decision.policy, 32);
	if (s->decision.facts != NULL)
		memcpy(run->facts, s->decision.facts, 32);
	return arena_copy(&run->a, s->publication.party, &run->publisher, e) &&
	       arena_copy(&run->a, s->r.common.report, &run->report, e);
}

static bool
add_agreement(struct verify_run *run, struct bytes name, struct err *e)
{
	for (size_t i = 0; i < run->agreement_count; i++)
		if (bytes_equal(run->agreements[i], name))
			return true;
	if (name.len == 0 || run->agreement_count == VERIFY_RUN_AGREEMENTS) {
		run->unnamed = true;
		return true;
	}
	return arena_copy(&run->a, name, &run->agreements[run->agreement_count++], e);
}

static bool
goes_on(const struct verify *v, const struct verify_slots *s)
{
	const struct verify_run *run = &v->run;
	return v->in_run && s->r.type == EVENT_DECISION && s->r.index == run->last + 1 &&
	       s->decision.link == run->intake &&
	       bytes_equal(s->publication.party, run->publisher) &&
	       bytes_equal(s->r.common.report, run->report);
}

bool
verify_judged_next(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct verify_run *run = &v->run;
	struct bytes text = s->decision.reasons;
	struct slot_reason line;
	if (!goes_on(v, s))
		return verify_judged_end(v, e);
	run->last = s->r.index;
	run->decisions++;
	while (text.len != 0 && slot_reason_next(&text, &line, NULL))
		if (!add_agreement(run, line.agreement, e))
			return false;
	return true;
}

/* ---- who may receive, as the canonical export says ---- */

static bool
add_receiver(struct verify *v, struct verify_receivers *r, struct bytes name, struct err *e)
{
	if ((r->count & (r->count - 1)) == 0) { /* room for twice as many */
		struct bytes *wider = arena_zalloc(v->keep, r->count * 2 + 1, sizeof(*wider));
		if (wider == NULL)
			return no_memory(e);
		if (r->count != 0)
			memcpy(wider, r->names, r->count * sizeof(*wider));
		r->names = wider;
	}
	return arena_copy(v->keep, name, &r->names[r->count++], e);
}

static bool
read_receivers(struct verify *v, struct bytes policy, struct bytes agreement,
    struct verify_receivers *r, struct err *e)
{
	struct bytes line, name, member = { NULL, 0 }, rights;
	bool inside = false;
	while (export_line(&policy, &line)) {
		if (export_between(line, "agreement ", " {", &name))
			inside = bytes_equal(name, agreement);
		else if (bytes_is(line, "}"))
			inside = false;
		r->found = r->found || inside;
		if (!inside)
			continue;
		r->backfill = r->backfill || bytes_is(line, "    backfill");
		if (export_between(line, "    version ", "", &name) &&
		    !arena_copy(v->keep, name, &r->version, e))
			return false;
		if (export_between(line, "    member ", " {", &name))
			member = name;
		else if (bytes_is(line, "    }"))
			member = (struct bytes){ NULL, 0 };
		else if (member.len != 0 &&
			 export_between(line, "        may [", "receive ]", &rights) &&
			 !add_receiver(v, r, member, e))
			return false;
	}
	return true;
}

/* Of an agreement of a policy; a fault in its file is told of the run's INTAKE. */
static bool
look_up(struct verify *v, const uint8_t policy_digest[32], struct bytes agreement,
    struct verify_receivers **out, struct err *e)
{
	struct verify_key key;
	struct bytes policy = { NULL, 0 };
	struct arena a;
	const struct bytes parts[] = { bytes_from(policy_digest, 32), agreement };
	if (!verify_run_key(v, parts, 2, &key, e))
		return false;
	struct verify_receivers *r = map_at(&v->receivers, bytes_from(&key, sizeof(key)), NULL);
	*out = r;
	if (r == NULL || r->looked)
		return r != NULL || no_memory(e);
	r->looked = true;
	arena_init(&a, VERIFY_FILE_MAX);
	const struct verify_want want = { BUNDLE_POLICY, policy_digest, &a };
	bool ok = verify_run_content(v, v->run.intake, &want, &policy, e) &&
		  read_receivers(v, policy, agreement, r, e);
	r->policy = policy.data != NULL;
	arena_done(&a);
	return ok;
}

/* Of an agreement of the run's policy; not found: the policy is not in the bundle. */
static bool
receivers_of(struct verify *v, struct bytes agreement, struct verify_receivers **out, struct err *e)
{
	return look_up(v, v->run.policy, agreement, out, e);
}

/* ---- what a decision released by ---- */

/* "NAME@VERSION", a line of slot 2. */
static bool
next_agreement(struct bytes *lines, struct bytes *whole, struct bytes *name, struct bytes *version)
{
	if (lines->len == 0)
		return false;
	const uint8_t *end = memchr(lines->data, '\n', lines->len);
	size_t n = end == NULL ? lines->len : (size_t)(end - lines->data), at = n;
	*whole = bytes_from(lines->data, n);
	*lines = bytes_from(lines->data + n + (end != NULL), lines->len - n - (end != NULL));
	while (at != 0 && whole->data[at - 1] != '@')
		at--;
	*name = bytes_from(whole->data, at == 0 ? n : at - 1);
	*version = bytes_from(whole->data + at, n - at);
	return true;
}

/* Whether a reason that releases names the agreement. */
static bool
releases_by(struct bytes reasons, struct bytes agreement)
{
	struct slot_reason line;
	while (reasons.len != 0 && slot_reason_next(&reasons, &line, NULL))
		if (bytes_is(line.verdict, "release") && bytes_equal(line.agreement, agreement))
			return true;
	return false;
}

static bool
has_agreement(struct bytes lines, struct bytes agreement)
{
	struct bytes whole, name, version;
	while (next_agreement(&lines, &whole, &name, &version))
		if (bytes_equal(name, agreement))
			return true;
	return false;
}

/* They are those of the reasons, in byte order. */
static bool
agreements_fit(const struct verify_slots *s)
{
	struct bytes lines = s->release.agreements, reasons = s->decision.reasons;
	struct bytes whole, name, version, before = { NULL, 0 };
	struct slot_reason line;
	for (; next_agreement(&lines, &whole, &name, &version); before = whole)
		if (bytes_compare(before, whole) >= 0 || !releases_by(reasons, name))
			return false;
	while (reasons.len != 0 && slot_reason_next(&reasons, &line, NULL))
		if (bytes_is(line.verdict, "release") &&
		    !has_agreement(s->release.agreements, line.agreement))
			return false;
	return true;
}

bool
verify_judged_agreements(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct bytes lines = s->release.agreements, whole, name, version;
	struct verify_receivers *r;
	if (lines.len != 0 && !agreements_fit(s))
		verify_run_find(v, VERIFY_CONTENT, s->r.index,
		    "the agreements that it released by are not those of its reasons");
	if (!verify_run_hub(v) || s->decision.policy == NULL)
		return true;
	while (next_agreement(&lines, &whole, &name, &version)) {
		if (!look_up(v, s->decision.policy, name, &r, e))
			return false;
		if (r->policy && !bytes_equal(r->version, version))
			verify_run_find(v, VERIFY_CONTENT, s->r.index,
			    "it released by %.*s, which its policy has in another version",
			    (int)whole.len, (const char *)whole.data);
	}
	return true;
}

bool
verify_judged_no_backfill(
    struct verify *v, const uint8_t policy[32], struct bytes agreement, bool *no, struct err *e)
{
	struct verify_receivers *r;
	if (!look_up(v, policy, agreement, &r, e))
		return false;
	*no = r->policy && !r->backfill;
	return true;
}

bool
verify_judged_no_receiver(struct verify *v, const uint8_t policy[32], struct bytes agreement,
    struct bytes who, bool *no, struct err *e)
{
	struct verify_receivers *r;
	if (!look_up(v, policy, agreement, &r, e))
		return false;
	*no = r->policy;
	for (size_t i = 0; i < r->count; i++)
		*no = *no && !bytes_equal(r->names[i], who);
	return true;
}

/* ---- the end of the run ---- */

static bool
each_receiver(struct verify *v, struct bytes agreement, struct err *e)
{
	struct verify_receivers *r;
	const struct verify_run *run = &v->run;
	if (!receivers_of(v, agreement, &r, e))
		return false;
	if (r->policy && !r->found)
		verify_run_find(v, VERIFY_CONTENT, run->intake,
		    "it was judged under %.*s, which its policy does not have", (int)agreement.len,
		    (const char *)agreement.data);
	for (size_t i = 0; i < r->count; i++) {
		struct verify_current *c;
		const struct bytes parts[3] = { run->publisher, run->report, r->names[i] };
		if (bytes_equal(r->names[i], run->publisher))
			continue;
		if (!verify_run_current(v, parts, &c, e))
			return false;
		if (!c->known)
			verify_run_find(v, VERIFY_GAP, run->intake,
			    "%.*s may receive under %.*s, but no decision speaks of it",
			    (int)r->names[i].len, (const char *)r->names[i].data,
			    (int)agreement.len, (const char *)agreement.data);
	}
	return true;
}

/* Whether an agreement has nobody who may receive but the publisher. */
static bool
has_no_other(struct verify *v, struct bytes agreement, bool *alone, struct err *e)
{
	struct verify_receivers *r;
	if (!receivers_of(v, agreement, &r, e))
		return false;
	*alone = r->found;
	for (size_t i = 0; i < r->count; i++)
		*alone = *alone && bytes_equal(r->names[i], v->run.publisher);
	return true;
}

/* No DECISION at all: only of a recall, which has a notice and no heads, and whose facts name no
 * agreement and no portion, or if some agreement that the facts name has no other receiver. */
static bool
nobody_judged(struct verify *v, struct err *e)
{
	struct verify_run *run = &v->run;
	struct bytes facts = { NULL, 0 };
	struct wirefield f, in;
	bool nobody = false, named = false;
	const struct verify_want want = { BUNDLE_FACTS, run->facts, &run->a };
	if (!verify_run_content(v, run->intake, &want, &facts, e))
		return false;
	for (struct cursor c = cursor_over(facts); !nobody && wirefield_next(&c, &f);) {
		struct cursor inner = cursor_over(f.bytes);
		named = named || f.number == 10 || f.number == 18;
		if (f.number != 10 || !wirefield_next(&inner, &in) || in.number != 1)
			continue;
		if (!has_no_other(v, in.bytes, &nobody, e))
			return false;
	}
	bool recall = run->alone && !named && facts.len != 0;
	if (!nobody && !recall)
		verify_run_find(v, VERIFY_GAP, run->intake,
		    "no decision follows, and nothing here shows that nobody may receive it");
	return true;
}

bool
verify_judged_end(struct verify *v, struct err *e)
{
	struct verify_run *run = &v->run;
	bool over = v->in_run;
	v->in_run = false;
	if (!over || !verify_run_hub(v))
		return true;
	if (run->decisions == 0)
		return nobody_judged(v, e);
	if (run->unnamed)
		verify_run_find(v, VERIFY_GAP, run->intake,
		    "a reason of its first decisions names no agreement, or a ninth");
	for (size_t i = 0; i < run->agreement_count; i++)
		if (!each_receiver(v, run->agreements[i], e))
			return false;
	return true;
}

#include "audit/verify_content.h"

#include <inttypes.h>

#include "audit/verify_approval.h"
#include "audit/verify_attest.h"
#include "audit/verify_backfill.h"
#include "audit/verify_signer.h"
#include "audit/wirefield.h"

enum { HEADS_MAX = VERIFY_HEADS, TAG_ROUTING = 0x10, TAG_HEAD = 0x11, TAG_NOTICE = 0x12 };

bool
verify_content_file(struct verify *v, uint64_t file, struct err *e)
{
	char path[BUNDLE_PATH_MAX];
	if (v->about.party.len != 0)
		return true;
	bundle_report_path(file, path);
	arena_done(&v->report_arena);
	arena_init(&v->report_arena, VERIFY_FILE_MAX);
	return verify_run_read(v, path, &v->report_arena, &v->report_file, e);
}

static void
stray_line(struct verify *v, uint64_t index)
{
	verify_run_find(v, VERIFY_MALFORMED, index, "report/ has a line that belongs to no INTAKE");
}

void
verify_content_pass(struct verify *v, uint64_t index)
{
	uint8_t heads[HEADS_MAX][32];
	struct bundle_report line;
	struct bytes rest = v->report_file;
	if (verify_run_hub(v) && bundle_report_next(&rest, heads, &line, NULL) &&
	    line.index == index)
		v->report_file = rest;
}

void
verify_content_file_end(struct verify *v)
{
	struct bytes rest = v->report_file;
	uint8_t heads[HEADS_MAX][32];
	struct bundle_report line;
	while (verify_run_hub(v) && rest.len != 0) {
		if (!bundle_report_next(&rest, heads, &line, NULL)) {
			verify_run_find(v, VERIFY_MALFORMED, SLOT_ABSENT,
			    "report/ has something else than lines");
			return;
		}
		stray_line(v, line.index);
	}
}

/* What the verifier wants of a manifest. */
struct manifest {
	struct bytes id, originator, signer, routing, notice;
	size_t count;
	struct bytes commitments[HEADS_MAX];
};

static bool
manifest_read(struct bytes in, struct manifest *out)
{
	static const struct bytes absent = { NULL, 0 };
	struct cursor c = cursor_over(in);
	struct wirefield f;
	out->id = out->originator = out->signer = out->routing = out->notice = absent;
	out->count = 0;
	while (wirefield_next(&c, &f)) {
		if (f.number == 2)
			out->id = f.bytes;
		else if (f.number == 4)
			out->originator = f.bytes;
		else if (f.number == 5)
			out->signer = f.bytes;
		else if (f.number == 12)
			out->routing = f.bytes;
		else if (f.number == 13)
			out->notice = f.bytes;
		else if (f.number == 14 && out->count < HEADS_MAX && f.bytes.len == 32)
			out->commitments[out->count++] = f.bytes;
		else if (f.number == 14)
			return false;
	}
	return cursor_finished(&c) && out->id.len == 16 && out->routing.len == 32 &&
	       out->notice.len == 32;
}

/* One report while its INTAKE is looked at. */
struct intake {
	const struct verify_slots *s;
	struct bundle_report line;
	struct manifest manifest;
	struct bytes seal; /* absent: not in the bundle */
	bool signer_judged;
	struct arena a;
	uint8_t heads[HEADS_MAX][32];	    /* SHA-256, from the line */
	uint8_t commitments[HEADS_MAX][32]; /* recomputed */
	size_t head_count;
};

/* The line of report/ that speaks of this INTAKE; *found false: it is not there. */
static void
find_line(struct verify *v, struct intake *in, bool *found)
{
	struct bytes rest = v->report_file;
	char path[BUNDLE_PATH_MAX];
	*found = false;
	if (v->report_file.data == NULL) {
		bundle_report_path(in->s->r.index / BUNDLE_RECORDS, path);
		verify_run_lack(v, path, in->s->r.index);
		return;
	}
	while (!*found && bundle_report_next(&rest, in->heads, &in->line, NULL) &&
	       in->line.index <= in->s->r.index) {
		*found = in->line.index == in->s->r.index;
		v->report_file = rest;
		if (!*found)
			stray_line(v, in->line.index);
	}
	if (!*found)
		verify_run_find(v, VERIFY_MALFORMED, in->s->r.index,
		    "report/ has no line for this INTAKE in its place");
}

/* H(tag || report id || bytes) */
static bool
commitment(struct verify *v, struct bytes id, uint8_t tag, struct bytes data, uint8_t out[32],
    struct err *e)
{
	sha256_begin(v->h);
	sha256_add(v->h, bytes_from(&tag, 1));
	sha256_add(v->h, id);
	sha256_add(v->h, data);
	return sha256_end(v->h, out, e);
}

/* Field 6 of the routing part. */
static bool
keep_backfill(struct verify *v, const struct intake *in, struct bytes routing, struct err *e)
{
	struct verify_report *report;
	struct cursor c = cursor_over(routing);
	bool yes = false;
	if (!verify_run_report(v, in->s, &report, e))
		return false;
	for (struct wirefield f; wirefield_next(&c, &f);)
		yes = yes || (f.number == 6 && f.varint != 0);
	if (report != NULL)
		report->backfill = yes ? VERIFY_YES : VERIFY_NO;
	return true;
}

/* A part that the manifest commits to with one hash. */
static bool
check_part(struct verify *v, struct intake *in, enum bundle_dir dir, const uint8_t digest[32],
    struct err *e)
{
	uint8_t mine[32];
	struct bytes data = { NULL, 0 };
	bool routing = dir == BUNDLE_ROUTING;
	if (!verify_run_content(
		v, in->s->r.index, &(struct verify_want){ dir, digest, &in->a }, &data, e))
		return false;
	/* a manifest does not show whether there is a notice: one that is only named proves nothing
	 */
	if (data.data == NULL && !routing)
		verify_run_find(v, VERIFY_CONTENT, in->s->r.index,
		    "report/ names a notice that is not in the bundle");
	if (data.data == NULL)
		return true;
	if (!commitment(v, in->manifest.id, routing ? TAG_ROUTING : TAG_NOTICE, data, mine, e))
		return false;
	if (!bytes_equal(
		bytes_from(mine, 32), routing ? in->manifest.routing : in->manifest.notice))
		verify_run_find(v, VERIFY_CONTENT, in->s->r.index,
		    "its %s is not the one that its manifest commits to",
		    routing ? "routing" : "notice");
	else if (routing)
		return keep_backfill(v, in, data, e);
	return true;
}

static bool
is_committed(const struct manifest *m, const uint8_t c[32])
{
	for (size_t i = 0; i < m->count; i++)
		if (memcmp(m->commitments[i].data, c, 32) == 0)
			return true;
	return false;
}

static bool
named_before(const struct intake *in, size_t head)
{
	for (size_t i = 0; i < head; i++)
		if (memcmp(in->heads[i], in->heads[head], 32) == 0)
			return true;
	return false;
}

/* Portions stand in ascending 'order', field 2 of their heads. */
static void
check_order(struct verify *v, const struct intake *in, struct bytes head, uint64_t *last)
{
	struct cursor c = cursor_over(head);
	for (struct wirefield f; wirefield_next(&c, &f);) {
		if (f.number != 2)
			continue;
		if (f.varint <= *last)
			verify_run_find(v, VERIFY_CONTENT, in->s->r.index,
			    "report/ names its heads in another order than that of its portions");
		*last = f.varint;
	}
}

static bool
check_heads(struct verify *v, struct intake *in, struct err *e)
{
	size_t found = 0;
	uint64_t order = 0;
	for (size_t i = 0; i < in->line.head_count; i++) {
		struct bytes data = { NULL, 0 };
		if (named_before(in, i))
			verify_run_find(v, VERIFY_CONTENT, in->s->r.index,
			    "report/ names the head of portion %zu twice", i);
		if (!verify_run_content(v, in->s->r.index,
			&(struct verify_want){ BUNDLE_HEAD, in->heads[i], &in->a }, &data, e))
			return false;
		if (data.data == NULL)
			continue;
		check_order(v, in, data, &order);
		if (!commitment(v, in->manifest.id, TAG_HEAD, data, in->commitments[i], e))
			return false;
		if (is_committed(&in->manifest, in->commitments[i]))
			found++;
		else
			verify_run_find(v, VERIFY_CONTENT, in->s->r.index,
			    "the head of portion %zu is not one that its manifest commits to", i);
	}
	in->head_count = found == in->line.head_count ? found : 0;
	return true;
}

static bool
check_manifest(struct verify *v, struct intake *in, bool *sound, struct err *e)
{
	uint8_t leaf[32];
	struct bytes data = { NULL, 0 };
	*sound = false;
	if (!verify_run_content(v, in->s->r.index,
		&(struct verify_want){ BUNDLE_MANIFEST, in->line.manifest, &in->a }, &data, e))
		return false;
	if (data.data == NULL || in->s->publication.manifest == NULL)
		return true;
	if (!merkle_leaf(v->h, data, leaf, e))
		return false;
	if (memcmp(leaf, in->s->publication.manifest, 32) != 0)
		verify_run_find(v, VERIFY_CONTENT, in->s->r.index,
		    "its manifest is not the one that the record commits to");
	else if (!manifest_read(data, &in->manifest))
		verify_run_find(v, VERIFY_MALFORMED, in->s->r.index, "its manifest cannot be read");
	else if (!bytes_equal(in->manifest.id, in->s->r.common.report))
		verify_run_find(
		    v, VERIFY_CONTENT, in->s->r.index, "its manifest has another report id");
	else
		*sound = true;
	return true;
}

/* Every decision has a reason for each portion: as many as the line of report/ has heads. */
static bool
check_portions(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct verify_report *report;
	struct bytes text = s->decision.reasons;
	struct slot_reason line;
	size_t count = 0;
	if (!verify_run_report(v, s, &report, e))
		return false;
	if (report == NULL)
		return true;
	while (text.len != 0 && slot_reason_next(&text, &line, NULL))
		count++;
	if (!report->counted)
		report->portions = count;
	report->counted = true;
	if (count != report->portions)
		verify_run_find(v, VERIFY_CONTENT, s->r.index,
		    "it judges %zu portions; the report has %zu", count, report->portions);
	return true;
}

static bool
count_portions(struct verify *v, const struct intake *in, struct err *e)
{
	struct verify_report *report;
	if (!verify_run_report(v, in->s, &report, e))
		return false;
	if (report != NULL) {
		report->counted = true;
		report->portions = in->line.head_count;
	}
	return true;
}

/* Keeps the heads' commitments for the decisions that follow. */
static bool
keep_heads(struct verify *v, const struct intake *in, struct err *e)
{
	struct verify_report *report;
	if (!verify_run_report(v, in->s, &report, e))
		return false;
	if (report == NULL || in->head_count == 0)
		return true;
	report->commitments = arena_alloc(v->keep, in->head_count * 32);
	if (report->commitments == NULL)
		return err_set(e, ERR_NOMEM, "heads");
	memcpy(report->commitments, in->commitments, in->head_count * 32);
	report->head_count = in->head_count;
	return true;
}

static bool
check_report(struct verify *v, struct intake *in, struct err *e)
{
	bool found, sound;
	find_line(v, in, &found);
	if (!found)
		return true;
	v->run.alone = in->line.has_notice && in->line.head_count == 0;
	if (!count_portions(v, in, e) || !check_manifest(v, in, &sound, e))
		return false;
	if (!sound)
		return true;
	const struct verify_signed what = { in->s, in->manifest.originator, in->manifest.signer,
		in->seal };
	return verify_signer_report(v, &what, &in->signer_judged, e) &&
	       check_part(v, in, BUNDLE_ROUTING, in->line.routing, e) &&
	       (!in->line.has_notice || check_part(v, in, BUNDLE_NOTICE, in->line.notice, e)) &&
	       check_heads(v, in, e) && keep_heads(v, in, e);
}

/* What the record itself names.  The policy's export may be that of a POLICY record before the
 * first in the bundle. */
static bool
check_named(struct verify *v, struct intake *in, struct err *e)
{
	const struct verify_slots *s = in->s;
	struct bytes anchors = event_body_get(&s->body, BODY_INTAKE_ANCHORS);
	const uint8_t *seal = event_body_get(&s->body, BODY_INTAKE_SEAL).data;
	if (!verify_run_content(
		v, s->r.index, &(struct verify_want){ BUNDLE_SEAL, seal, &in->a }, &in->seal, e) ||
	    !verify_run_content_once(
		v, s->r.index, BUNDLE_CHAIN, event_body_get(&s->body, BODY_INTAKE_CHAIN).data, e))
		return false;
	for (size_t i = 0; i < anchors.len; i += 32)
		if (!verify_run_content_once(v, s->r.index, BUNDLE_ANCHOR, anchors.data + i, e))
			return false;
	return s->decision.policy == NULL ||
	       verify_run_content_once(v, s->r.index, BUNDLE_POLICY, s->decision.policy, e);
}

static bool
on_intake(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct intake *in = v->intake == NULL ? arena_alloc(v->keep, sizeof(*in)) : v->intake;
	if (in == NULL)
		return err_set(e, ERR_NOMEM, "report");
	v->intake = in;
	in->s = s;
	in->seal = (struct bytes){ NULL, 0 };
	in->signer_judged = false;
	in->head_count = 0;
	arena_init(&in->a, VERIFY_FILE_MAX);
	bool ok = check_named(v, in, e) && check_report(v, in, e);
	v->out->unproved_reports += !in->signer_judged;
	arena_done(&in->a);
	return ok;
}

/* Into v->facts, where they may be already. */
static bool
read_facts(struct verify *v, uint64_t index, const uint8_t digest[32], struct err *e)
{
	struct bytes data = { NULL, 0 };
	struct arena a;
	struct verify_facts facts = { .known = true };
	bool twice = false;
	if (v->facts.known && memcmp(v->facts.digest, digest, 32) == 0)
		return true;
	memcpy(facts.digest, digest, 32);
	arena_init(&a, VERIFY_FILE_MAX);
	bool ok = verify_run_content(
	    v, index, &(struct verify_want){ BUNDLE_FACTS, facts.digest, &a }, &data, e);
	struct cursor c = cursor_over(ok ? data : (struct bytes){ NULL, 0 });
	for (struct wirefield f; wirefield_next(&c, &f);) {
		if (f.number == 6)
			facts.time = f.varint;
		else if (f.number == 7)
			facts.accepted = f.varint;
		else if (f.number == 8)
			facts.expires = f.varint;
		facts.approvals += f.number == 14;
		twice = twice || (facts.backfill && f.number == 19);
		facts.backfill = facts.backfill || f.number == 19;
	}
	facts.present = ok && data.data != NULL;
	if (facts.present && (c.failed || twice))
		verify_run_find(v, VERIFY_MALFORMED, index, "its facts cannot be read");
	arena_done(&a);
	v->facts = facts;
	return ok;
}

/* Acceptance <= the facts' time <= the record's < expiry, if it was not past already. */
static bool
check_facts(struct verify *v, const struct verify_slots *s, struct err *e)
{
	uint64_t time = s->r.common.time;
	if (s->decision.facts == NULL)
		return true;
	if (!read_facts(v, s->r.index, s->decision.facts, e))
		return false;
	const struct verify_facts *f = &v->facts;
	if (!f->present)
		return true;
	if (f->accepted > f->time || f->time > time)
		verify_run_find(v, VERIFY_TIME, s->r.index,
		    "acceptance, facts and record do not follow one another in time");
	if (f->expires != 0 && f->time < f->expires && time >= f->expires)
		verify_run_find(v, VERIFY_TIME, s->r.index,
		    "it was judged before the report's expiry and recorded after it");
	return true;
}

/* The digest of what is released, from the heads in the bundle. */
static bool
check_released(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct verify_report *report;
	uint8_t digest[32];
	if (s->release.released == NULL)
		return true;
	if (!verify_run_report(v, s, &report, e))
		return false;
	if (report == NULL || report->head_count == 0)
		return true;
	struct record_release what = { report->manifest, v->chosen, 0 };
	struct bytes text = s->decision.reasons;
	struct slot_reason line;
	while (text.len != 0 && slot_reason_next(&text, &line, NULL)) {
		if (!bytes_is(line.verdict, "release"))
			continue;
		if (line.portion >= report->head_count || what.count == HEADS_MAX) {
			verify_run_find(v, VERIFY_CONTENT, s->r.index,
			    "it releases portion %" PRIu32 ", which the report does not have",
			    line.portion);
			return true;
		}
		memcpy(v->chosen[what.count++], report->commitments[line.portion], 32);
	}
	if (!record_released(v->h, &what, digest, e))
		return false;
	if (memcmp(digest, s->release.released, 32) != 0)
		verify_run_find(v, VERIFY_CONTENT, s->r.index,
		    "the portions that it releases are not those that its digest names");
	return true;
}

/* Every SPIF that the export names. */
static bool
check_spifs(struct verify *v, const struct verify_slots *s, struct bytes export, struct err *e)
{
	static const char word[] = "spif SHA256 ";
	size_t n = sizeof(word) - 1;
	while (export.len >= n + 64) {
		const uint8_t *at = memmem(export.data, export.len, word, n);
		if (at == NULL || (size_t)(export.data + export.len - at) < n + 64)
			return true;
		uint8_t digest[32];
		if (bundle_unhex(bytes_from(at + n, 64), digest) &&
		    !verify_run_content_once(v, s->r.index, BUNDLE_SPIF, digest, e))
			return false;
		export.len -= (size_t)(at + n - export.data);
		export.data = at + n;
	}
	return true;
}

static bool
on_policy(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct arena a;
	struct bytes export = { NULL, 0 };
	arena_init(&a, VERIFY_FILE_MAX);
	bool ok = verify_run_content(v, s->r.index,
		      &(struct verify_want){
			  BUNDLE_POLICY, event_body_get(&s->body, BODY_POLICY_DIGEST).data, &a },
		      &export, e) &&
		  check_spifs(v, s, export, e);
	arena_done(&a);
	return ok;
}

/* A decision against its report, where its slots are open. */
static bool
on_decision(struct verify *v, const struct verify_slots *s, struct err *e)
{
	if (!check_facts(v, s, e))
		return false;
	if (!verify_slot_open(s, 2) || !verify_slot_open(s, 3) || !verify_slot_open(s, 4))
		return true;
	return check_portions(v, s, e) && check_released(v, s, e) &&
	       verify_approval_facts(v, s, e) && verify_backfill_facts(v, s, e);
}

/* A report expires when the facts say that it was judged by. */
static bool
on_expire(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct verify_current *c;
	const struct bytes parts[3] = { s->publication.party, s->r.common.report,
		s->release.recipient };
	if (!verify_slot_open(s, 2) || !verify_slot_open(s, 3) || !verify_slot_open(s, 7))
		return true;
	if (!verify_run_current(v, parts, &c, e))
		return false;
	if (!c->known || !c->has_facts)
		return true;
	if (!read_facts(v, s->r.index, c->facts, e))
		return false;
	if (v->facts.present && event_body_number(&s->body, BODY_EXPIRE_EXPIRY) != v->facts.expires)
		verify_run_find(v, VERIFY_TIME, s->r.index,
		    "it states another expiry than the facts of the decision that it ends");
	return true;
}

bool
verify_content_record(struct verify *v, const struct verify_slots *s, struct err *e)
{
	bool body = verify_slot_open(s, 7);
	if (v->about.party.len != 0)
		return true;
	switch ((int)s->r.type) {
	case EVENT_INTAKE:
		if (!body)
			verify_content_pass(v, s->r.index);
		return (!body || on_intake(v, s, e)) && check_facts(v, s, e);
	case EVENT_DECISION:
	case EVENT_NARROWED:
	case EVENT_APPROVAL:
		return on_decision(v, s, e);
	case EVENT_EXPIRE:
		return on_expire(v, s, e);
	case EVENT_POLICY:
		return !body || on_policy(v, s, e);
	case EVENT_ACK:
		return !body || verify_attest_record(v, s, e);
	default:
		return true;
	}
}

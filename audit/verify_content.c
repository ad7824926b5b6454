#include "audit/verify_content.h"

#include <inttypes.h>

#include "audit/wirefield.h"

enum {
	FILE_MAX = 64u << 20,
	HEADS_MAX = 256,
	TAG_ROUTING = 0x10,
	TAG_HEAD = 0x11,
	TAG_NOTICE = 0x12
};

/* A content, read into 'a' and held against its name; absent: { NULL, 0 } and counted as missing.
 * One that does not match is a finding, and absent too. */
struct want {
	enum bundle_dir dir;
	const uint8_t *digest;
	struct arena *a;
};
static bool
content(struct verify *v, const struct verify_slots *s, const struct want *w, struct bytes *out,
    struct err *e)
{
	char path[BUNDLE_PATH_MAX];
	uint8_t mine[32], key[33] = { (uint8_t)w->dir };
	struct bytes data = { NULL, 0 };
	memcpy(key + 1, w->digest, 32);
	bool first = map_find(&v->contents, bytes_from(key, sizeof(key))) == NULL;
	if (map_at(&v->contents, bytes_from(key, sizeof(key)), NULL) == NULL)
		return err_set(e, ERR_NOMEM, "contents");
	bundle_content_path(w->dir, w->digest, path);
	*out = (struct bytes){ NULL, 0 };
	if (!verify_run_read(v, path, w->a, &data, e) || !sha256_of(v->h, data, mine, e))
		return false;
	v->out->missing += first && data.data == NULL;
	v->out->contents += first && data.data != NULL;
	if (data.data == NULL)
		return true;
	if (memcmp(mine, w->digest, 32) == 0)
		*out = data;
	else if (first)
		verify_run_find(
		    v, VERIFY_CONTENT, s->r.index, "%s is not what its name says", path);
	return true;
}

/* The same for what many records share: read once, its bytes not wanted. */
static bool
content_once(struct verify *v, const struct verify_slots *s, enum bundle_dir dir,
    const uint8_t digest[32], struct err *e)
{
	uint8_t key[33] = { (uint8_t)dir };
	struct bytes data = { NULL, 0 };
	struct arena a;
	memcpy(key + 1, digest, 32);
	if (map_find(&v->contents, bytes_from(key, sizeof(key))) != NULL)
		return true;
	arena_init(&a, FILE_MAX);
	bool ok = content(v, s, &(struct want){ dir, digest, &a }, &data, e);
	arena_done(&a);
	return ok;
}

/* The whole file, before anything in it is used. */
static bool
are_lines(struct bytes file)
{
	uint8_t heads[HEADS_MAX][32];
	struct bundle_report line;
	for (uint64_t last = 0; file.len != 0; last = line.index)
		if (!bundle_report_next(&file, heads, &line, NULL) || line.index < last)
			return false;
	return true;
}

bool
verify_content_file(struct verify *v, uint64_t file, struct err *e)
{
	char path[BUNDLE_PATH_MAX];
	if (v->about.party.len != 0)
		return true;
	bundle_report_path(file, path);
	arena_done(&v->report_arena);
	arena_init(&v->report_arena, FILE_MAX);
	if (!verify_run_read(v, path, &v->report_arena, &v->report_file, e))
		return false;
	if (v->report_file.data != NULL && !are_lines(v->report_file)) {
		verify_run_find(v, VERIFY_MALFORMED, SLOT_ABSENT,
		    "%s has something else than lines that rise by index", path);
		v->report_file = (struct bytes){ NULL, 0 };
	}
	return true;
}

/* What the verifier wants of a manifest. */
struct manifest {
	struct bytes id, routing, notice;
	size_t count;
	struct bytes commitments[HEADS_MAX];
};

static bool
manifest_read(struct bytes in, struct manifest *out)
{
	struct cursor c = cursor_over(in);
	struct wirefield f;
	memset(out, 0, sizeof(*out));
	while (wirefield_next(&c, &f)) {
		if (f.number == 2)
			out->id = f.bytes;
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
	*found = false;
	if (v->report_file.data == NULL) {
		v->out->missing++;
		return;
	}
	/* a record that does not give its leaf may have been the INTAKE of a line before */
	while (!*found && bundle_report_next(&rest, in->heads, &in->line, NULL) &&
	       in->line.index <= in->s->r.index) {
		v->report_file = rest;
		*found = in->line.index == in->s->r.index;
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

/* A part that the manifest commits to with one hash. */
static bool
check_part(struct verify *v, struct intake *in, enum bundle_dir dir, const uint8_t digest[32],
    struct err *e)
{
	uint8_t mine[32];
	struct bytes data = { NULL, 0 };
	bool routing = dir == BUNDLE_ROUTING;
	if (!content(v, in->s, &(struct want){ dir, digest, &in->a }, &data, e))
		return false;
	if (data.data == NULL)
		return true;
	if (!commitment(v, in->manifest.id, routing ? TAG_ROUTING : TAG_NOTICE, data, mine, e))
		return false;
	if (!bytes_equal(
		bytes_from(mine, 32), routing ? in->manifest.routing : in->manifest.notice))
		verify_run_find(v, VERIFY_CONTENT, in->s->r.index,
		    "its %s is not the one that its manifest commits to",
		    routing ? "routing" : "notice");
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

/* Portions stand in ascending 'order', a field of their heads; a head that has none is no order. */
static void
check_order(struct verify *v, const struct intake *in, struct bytes head, uint64_t *last)
{
	struct cursor c = cursor_over(head);
	for (struct wirefield f; wirefield_next(&c, &f);) {
		if (f.number != 2)
			continue;
		if (f.varint <= *last)
			verify_run_find(v, VERIFY_CONTENT, in->s->r.index,
			    "its heads do not stand in the order of its portions");
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
		if (!content(
			v, in->s, &(struct want){ BUNDLE_HEAD, in->heads[i], &in->a }, &data, e))
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
	if (!content(
		v, in->s, &(struct want){ BUNDLE_MANIFEST, in->line.manifest, &in->a }, &data, e))
		return false;
	if (data.data == NULL)
		return true;
	if (!merkle_leaf(v->h, data, leaf, e))
		return false;
	if (in->s->publication.manifest == NULL ||
	    memcmp(leaf, in->s->publication.manifest, 32) != 0)
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

/* Keeps the heads' commitments for the decisions that follow. */
static bool
keep_heads(struct verify *v, const struct intake *in, struct err *e)
{
	struct verify_key key;
	const struct bytes parts[] = { in->s->publication.party, in->s->r.common.report };
	if (!verify_run_key(v, parts, 2, &key, e))
		return false;
	struct verify_report *report = map_find(&v->reports, bytes_from(&key, sizeof(key)));
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
	if (!check_manifest(v, in, &sound, e))
		return false;
	if (!sound)
		return true;
	return check_part(v, in, BUNDLE_ROUTING, in->line.routing, e) &&
	       (!in->line.has_notice || check_part(v, in, BUNDLE_NOTICE, in->line.notice, e)) &&
	       check_heads(v, in, e) && keep_heads(v, in, e);
}

static bool
on_intake(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct bytes anchors = event_body_get(&s->body, BODY_INTAKE_ANCHORS);
	if (!content_once(v, s, BUNDLE_SEAL, event_body_get(&s->body, BODY_INTAKE_SEAL).data, e) ||
	    !content_once(v, s, BUNDLE_CHAIN, event_body_get(&s->body, BODY_INTAKE_CHAIN).data, e))
		return false;
	for (size_t i = 0; i < anchors.len; i += 32)
		if (!content_once(v, s, BUNDLE_ANCHOR, anchors.data + i, e))
			return false;
	struct intake *in = arena_zalloc(&v->report_arena, 1, sizeof(*in));
	if (in == NULL)
		return err_set(e, ERR_NOMEM, "report");
	in->s = s;
	arena_init(&in->a, FILE_MAX);
	bool ok = check_report(v, in, e);
	arena_done(&in->a);
	return ok;
}

static bool
read_facts(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct bytes data = { NULL, 0 };
	struct arena a;
	struct verify_facts facts = { .known = true };
	memcpy(facts.digest, s->decision.facts, 32);
	arena_init(&a, FILE_MAX);
	bool ok = content(v, s, &(struct want){ BUNDLE_FACTS, facts.digest, &a }, &data, e);
	struct cursor c = cursor_over(ok ? data : (struct bytes){ NULL, 0 });
	for (struct wirefield f; wirefield_next(&c, &f);) {
		if (f.number == 6)
			facts.time = f.varint;
		else if (f.number == 7)
			facts.accepted = f.varint;
		else if (f.number == 8)
			facts.expires = f.varint;
	}
	facts.present = ok && data.data != NULL;
	if (facts.present && c.failed)
		verify_run_find(v, VERIFY_MALFORMED, s->r.index, "its facts cannot be read");
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
	if ((!v->facts.known || memcmp(v->facts.digest, s->decision.facts, 32) != 0) &&
	    !read_facts(v, s, e))
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
	struct verify_key key;
	uint8_t chosen[HEADS_MAX][32], digest[32];
	const struct bytes parts[] = { s->publication.party, s->r.common.report };
	if (s->release.released == NULL)
		return true;
	if (!verify_run_key(v, parts, 2, &key, e))
		return false;
	const struct verify_report *report = map_find(&v->reports, bytes_from(&key, sizeof(key)));
	if (report == NULL || report->head_count == 0)
		return true;
	struct record_release what = { report->manifest, chosen, 0 };
	struct bytes text = s->decision.reasons;
	struct slot_reason line = { .portion = UINT32_MAX };
	while (text.len != 0 && slot_reason_next(&text, &line, NULL)) {
		if (!bytes_is(line.verdict, "release"))
			continue;
		if (line.portion >= report->head_count || what.count == HEADS_MAX) {
			verify_run_find(v, VERIFY_CONTENT, s->r.index,
			    "it releases portion %" PRIu32 ", which the report does not have",
			    line.portion);
			return true;
		}
		memcpy(chosen[what.count++], report->commitments[line.portion], 32);
	}
	if (!record_released(v->h, &what, digest, e))
		return false;
	if (line.portion + 1 != report->head_count)
		verify_run_find(v, VERIFY_CONTENT, s->r.index,
		    "it judges %" PRIu32 " portions; the report has %zu", line.portion + 1,
		    report->head_count);
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
		    !content_once(v, s, BUNDLE_SPIF, digest, e))
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
	arena_init(&a, FILE_MAX);
	bool ok = content(v, s,
		      &(struct want){
			  BUNDLE_POLICY, event_body_get(&s->body, BODY_POLICY_DIGEST).data, &a },
		      &export, e) &&
		  check_spifs(v, s, export, e);
	arena_done(&a);
	return ok;
}

bool
verify_content_record(struct verify *v, const struct verify_slots *s, struct err *e)
{
	bool body = RECORD_SLOT(s->r.record, 7)->open;
	if (v->about.party.len != 0)
		return true;
	switch ((int)s->r.type) {
	case EVENT_INTAKE:
		return (!body || on_intake(v, s, e)) && check_facts(v, s, e);
	case EVENT_DECISION:
	case EVENT_NARROWED:
	case EVENT_APPROVAL:
		return check_facts(v, s, e) && check_released(v, s, e);
	case EVENT_POLICY:
		return !body || on_policy(v, s, e);
	case EVENT_AGREEMENT:
		return !body || content_once(v, s, BUNDLE_POLICY,
				    event_body_get(&s->body, BODY_AGREEMENT_TERMS).data, e);
	default:
		return true;
	}
}

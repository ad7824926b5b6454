#include "client/cli/policy_replay.h"

#include "client/cli/content.h"
#include "client/cli/files.h"
#include "policy/party.h"
#include "proto/uuid.h"

enum { FILE_MAX = 256 << 20, COURT_MAX = 64 << 20 };

struct replaying {
	const char *folder;
	const struct epoch *const *epochs;
	struct arena *arena;	/* of what is told */
	struct arena file, one; /* of a file of records; of one report */
	struct sha256 hash;
	uint8_t last[SHA256_LEN]; /* facts that were judged last: INTAKE and DECISIONs share them */
	bool any;
	struct replay *out;
	struct err *err;
};

static bool
no_memory(struct replaying *r)
{
	return err_set(r->err, ERR_NOMEM, "replay");
}

/* ---- files ---- */

static bool
read_file(struct replaying *r, const char *name, struct arena *a, struct bytes *out)
{
	const char *path = arena_printf(a, "%s/%s", r->folder, name);
	return path == NULL ? no_memory(r) : files_read(path, a, out, r->err);
}

/* Absent where the bundle lacks it: content_reader's. */
static bool
read_if_there(void *ctx, const char *name, struct arena *a, struct bytes *out, struct err *e)
{
	struct replaying *r = ctx;
	*out = (struct bytes){ NULL, 0 };
	if (read_file(r, name, a, out) || e->code != ERR_NOT_FOUND)
		return e->code == ERR_NONE;
	*e = (struct err){ .code = ERR_NONE };
	return true;
}

static bool
read_facts(struct replaying *r, const uint8_t digest[SHA256_LEN], struct bytes *out)
{
	const struct content_reader from = { read_if_there, r, &r->hash };
	const struct content_want want = { BUNDLE_FACTS, digest };
	return content_read(&from, &want, &r->one, out, r->err);
}

/* ---- one report under both ---- */

static struct cell_said
said_of(const struct decisions *d, struct bytes to, size_t portion)
{
	struct cell_said out = { .verdict = VERDICT_WITHHOLD, .refused = true };
	for (size_t i = 0; d->refusal.code == ERR_NONE && i < d->recipient_count; i++) {
		const struct portion_decision *p = &d->recipients[i].portions[portion];
		if (bytes_equal(d->recipients[i].recipient, to))
			out = (struct cell_said){ p->verdict, false, p->reason, p->rule, p->place };
	}
	return out;
}

static bool
room_for_one(struct replaying *r)
{
	struct replay *x = r->out;
	if (x->row_count < x->row_room)
		return true;
	size_t more = x->row_room == 0 ? 64 : 2 * x->row_room;
	struct replay_row *rows = arena_zalloc(r->arena, more, sizeof(*rows));
	if (rows == NULL)
		return no_memory(r);
	if (x->row_count > 0)
		memcpy(rows, x->rows, x->row_count * sizeof(*rows));
	x->rows = rows;
	x->row_room = more;
	return true;
}

static bool
keep_text(struct replaying *r, struct replay_row *row, const struct facts *f, struct bytes to)
{
	return arena_copy(r->arena, f->originator, &row->from, r->err) &&
	       arena_copy(r->arena, f->topic, &row->topic, r->err) &&
	       arena_copy(r->arena, to, &row->to, r->err);
}

static bool
compare(struct replaying *r, const struct replay_row *base, const struct facts *f,
    const struct decisions d[2], struct bytes to)
{
	struct replay_row row = *base;
	row.portion_count = f->portion_count;
	for (size_t i = 0; i < f->portion_count; i++) {
		struct replay_portion p = { .portion = (uint32_t)i };
		for (size_t s = 0; s < 2; s++)
			p.said[s] = said_of(&d[s], to, i);
		if (p.said[0].verdict == p.said[1].verdict)
			continue;
		if (row.portions == NULL)
			row.portions =
			    arena_zalloc(r->arena, f->portion_count, sizeof(*row.portions));
		if (row.portions == NULL)
			return no_memory(r);
		row.portions[row.differ_count++] = p;
		if (p.said[1].verdict < p.said[0].verdict)
			row.turn = DIFF_WIDENS;
		else if (row.turn == 0)
			row.turn = DIFF_NARROWS;
	}
	if (row.differ_count == 0)
		return true;
	if (!room_for_one(r) || !keep_text(r, &row, f, to))
		return false;
	r->out->rows[r->out->row_count++] = row;
	r->out->widens = r->out->widens || row.turn == DIFF_WIDENS;
	return true;
}

static bool
is_in(const struct decisions *d, struct bytes to)
{
	for (size_t i = 0; d->refusal.code == ERR_NONE && i < d->recipient_count; i++)
		if (bytes_equal(d->recipients[i].recipient, to))
			return true;
	return false;
}

static bool
compare_all(struct replaying *r, const struct replay_row *base, const struct facts *f,
    const struct decisions d[2])
{
	for (size_t s = 0; s < 2; s++)
		for (size_t i = 0; d[s].refusal.code == ERR_NONE && i < d[s].recipient_count; i++) {
			struct bytes to = d[s].recipients[i].recipient;
			if ((s == 0 || !is_in(&d[0], to)) && !compare(r, base, f, d, to))
				return false;
		}
	return true;
}

/* Terms are those of the day: under either policy they are taken as agreed. */
static bool
forget_terms(struct replaying *r, struct facts *f)
{
	struct fact_agreement *named = arena_zalloc(&r->one, f->agreement_count, sizeof(*named));
	if (named == NULL)
		return no_memory(r);
	for (size_t i = 0; i < f->agreement_count; i++)
		named[i].name = f->agreements[i].name;
	f->agreements = named;
	return true;
}

static bool
judge(struct replaying *r, struct replay_row *base, struct bytes bytes)
{
	struct facts f;
	struct decisions d[2];
	if (!facts_decode(bytes, &r->one, &f, r->err))
		return err_wrap(r->err, "facts of record %llu", (unsigned long long)base->record);
	if (!forget_terms(r, &f))
		return false;
	base->time = f.time;
	base->later = f.later;
	for (size_t s = 0; s < 2; s++)
		if (!policy_decide(r->epochs[s], &f, &r->one, &d[s], r->err))
			return false;
	r->out->judged++;
	return compare_all(r, base, &f, d);
}

/* ---- records ---- */

static bool
take_facts(struct replaying *r, uint64_t index, const struct slot_common *c, const uint8_t *digest)
{
	struct replay_row base = { .record = index };
	struct bytes bytes;
	char *id = arena_zalloc(r->arena, UUID_TEXT + 1, 1);
	if (id == NULL)
		return no_memory(r);
	if (c->report.len == UUID_BYTES)
		uuid_print(c->report.data, id);
	base.report = id;
	memcpy(r->last, digest, sizeof(r->last));
	r->any = true;
	arena_reset(&r->one, COURT_MAX);
	if (!read_facts(r, digest, &bytes))
		return false;
	if (bytes.data != NULL)
		return judge(r, &base, bytes);
	r->out->missing++;
	return true;
}

static bool
take_record(struct replaying *r, uint64_t index, struct bytes opening)
{
	struct record record;
	struct slot_common common;
	struct slot_decision decision;
	if (opening.len == 0)
		return true; /* not in this view */
	if (!record_opening_parse(opening, &record, r->err) ||
	    !slot_get_common(RECORD_SLOT(&record, 1)->value, &common, r->err))
		return err_wrap(r->err, "record %llu", (unsigned long long)index);
	if (!content_decides(common.type) || !RECORD_SLOT(&record, 4)->open)
		return true;
	if (!slot_get_decision(RECORD_SLOT(&record, 4)->value, &decision, r->err))
		return err_wrap(r->err, "record %llu", (unsigned long long)index);
	if (decision.facts == NULL ||
	    (r->any && memcmp(r->last, decision.facts, sizeof(r->last)) == 0))
		return true;
	return take_facts(r, index, &common, decision.facts);
}

static bool
take_files(struct replaying *r, const struct bundle_about *about)
{
	for (uint64_t i = 0; i < about->size;) {
		char name[BUNDLE_PATH_MAX];
		struct bytes bytes, opening;
		bundle_record_path(i / BUNDLE_RECORDS, name);
		arena_reset(&r->file, FILE_MAX);
		if (!read_file(r, name, &r->file, &bytes))
			return false;
		struct cursor c = cursor_over(bytes);
		for (uint64_t end = i + BUNDLE_RECORDS; i < end && i < about->size; i++)
			if (!bundle_record_next(&c, &opening, r->err) ||
			    !take_record(r, i, opening))
				return err_wrap(r->err, "'%s'", name);
	}
	return true;
}

static bool
open_bundle(struct replaying *r, struct bundle_about *about)
{
	struct bytes text;
	if (!read_file(r, "bundle", &r->file, &text) || !bundle_about_parse(text, about, r->err))
		return false;
	if (about->party.data == NULL)
		return true;
	return err_set(r->err, ERR_DATA,
	    "it is the view of party %.*s, without facts: an auditor of the hub can pull one that "
	    "has them",
	    (int)about->party.len, (const char *)about->party.data);
}

bool
replay_run(const char *bundle, const struct epoch *const epochs[2], struct arena *a,
    struct replay *out, struct err *e)
{
	struct bundle_about about;
	struct replaying r = {
		.folder = bundle, .epochs = epochs, .arena = a, .out = out, .err = e
	};
	*out = (struct replay){ .judged = 0 };
	if (!sha256_init(&r.hash, e))
		return false;
	arena_init(&r.file, FILE_MAX);
	arena_init(&r.one, COURT_MAX);
	bool ok = open_bundle(&r, &about) && take_files(&r, &about);
	arena_done(&r.file);
	arena_done(&r.one);
	sha256_done(&r.hash);
	return ok || err_wrap(e, "bundle '%s'", bundle);
}

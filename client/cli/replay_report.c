#include "client/cli/replay_report.h"

enum { HEADS_MAX = 256, FILE_MAX = 256 << 20 };

void
replay_report_init(struct replay_report *r, const struct content_reader *reader)
{
	*r = (struct replay_report){ .reader = reader };
	arena_init(&r->file, FILE_MAX);
}

void
replay_report_done(struct replay_report *r)
{
	arena_done(&r->file);
}

static bool
open_file(struct replay_report *r, uint64_t number, struct err *e)
{
	char path[BUNDLE_PATH_MAX];
	if (r->read && r->number == number)
		return true;
	bundle_report_path(number, path);
	arena_reset(&r->file, FILE_MAX);
	r->left = (struct bytes){ NULL, 0 };
	r->read = true;
	r->number = number;
	return r->reader->read(r->reader->ctx, path, &r->file, &r->left, e);
}

/* The line of an INTAKE; *found false: there is none. */
static bool
find_line(struct replay_report *r, uint64_t index, uint8_t (*heads)[32], struct bundle_report *line,
    bool *found)
{
	struct bytes rest = r->left;
	struct err why;
	*found = false;
	while (!*found && rest.len > 0 && bundle_report_next(&rest, heads, line, &why) &&
	       line->index <= index) {
		*found = line->index == index;
		r->left = rest;
	}
	return *found;
}

/* ---- reading ---- */

struct reading {
	struct replay_report *r;
	struct arena *a;
	struct replay_signed *out;
	struct err *err;
};

/* A content that is there, and is what the digest says; otherwise that is what lacks. */
static bool
content(struct reading *x, enum bundle_dir dir, const uint8_t digest[32], struct bytes *out,
    bool *there)
{
	struct err why = { 0 };
	const struct content_want want = { dir, digest };
	bool ok = content_read(x->r->reader, &want, x->a, out, &why);
	*there = ok && out->data != NULL;
	if (*there)
		return true;
	x->out->lacks = bundle_dir(dir);
	if (ok || why.code == ERR_DATA)
		return true;
	*x->err = why;
	return false;
}

/* What does not decode was never accepted: that, too, is a lack. */
static bool
undecoded(struct reading *x, const char *what, const struct err *why)
{
	x->out->lacks = what;
	if (why->code != ERR_NOMEM)
		return true;
	*x->err = *why;
	return false;
}

static bool
read_parts(struct reading *x, const struct bundle_report *line, const uint8_t leaf[32])
{
	struct bytes manifest, routing;
	struct err why = { 0 };
	uint8_t mine[32];
	bool there;
	if (!content(x, BUNDLE_MANIFEST, line->manifest, &manifest, &there))
		return false;
	if (!there)
		return true;
	if (!envelope_leaf(x->r->reader->hash, manifest, mine, x->err))
		return false;
	if (memcmp(mine, leaf, sizeof(mine)) != 0) {
		x->out->lacks = "the manifest that the record commits to";
		return true;
	}
	if (!envelope_manifest_decode(manifest, x->a, &x->out->manifest, &why))
		return undecoded(x, "a manifest that can be read", &why);
	if (!content(x, BUNDLE_ROUTING, line->routing, &routing, &there))
		return false;
	if (!there)
		return true;
	struct envelope_part part = { ENVELOPE_ROUTING, x->out->manifest.id, routing };
	if (!envelope_commit(x->r->reader->hash, &part, mine, x->err))
		return false;
	if (!bytes_equal(bytes_from(mine, 32), x->out->manifest.routing)) {
		x->out->lacks = "the routing that the manifest commits to";
		return true;
	}
	if (!envelope_routing_decode(routing, x->a, &x->out->routing, &why))
		return undecoded(x, "a routing that can be read", &why);
	return true;
}

static bool
is_committed(struct reading *x, struct bytes head, bool *yes)
{
	uint8_t mine[32];
	const struct names *all = &x->out->manifest.commitments;
	struct envelope_part part = { ENVELOPE_HEAD, x->out->manifest.id, head };
	if (!envelope_commit(x->r->reader->hash, &part, mine, x->err))
		return false;
	*yes = false;
	for (size_t i = 0; i < all->count; i++)
		*yes = *yes || bytes_equal(all->items[i], bytes_from(mine, sizeof(mine)));
	return true;
}

static bool
read_head(struct reading *x, const uint8_t digest[32], struct fact_portion *to)
{
	struct bytes head;
	struct envelope_portion portion = { 0 };
	struct err why = { 0 };
	const struct bytes no_body = { NULL, 0 };
	bool there, yes;
	if (!content(x, BUNDLE_HEAD, digest, &head, &there))
		return false;
	if (!there)
		return true;
	if (!is_committed(x, head, &yes))
		return false;
	if (!yes) {
		x->out->lacks = "a head that the manifest commits to";
		return true;
	}
	if (!envelope_portion_decode(head, no_body, x->a, &portion, &why))
		return undecoded(x, "a head that can be read", &why);
	*to = (struct fact_portion){ portion.labels, portion.label_count, portion.content_type };
	return true;
}

static bool
read_heads(struct reading *x, const struct bundle_report *line)
{
	struct fact_portion *to = arena_zalloc(x->a, line->head_count + 1, sizeof(*to));
	if (to == NULL)
		return err_set(x->err, ERR_NOMEM, "portions");
	for (size_t i = 0; x->out->lacks == NULL && i < line->head_count; i++)
		if (!read_head(x, line->heads[i], &to[i]))
			return false;
	x->out->portions = to;
	x->out->portion_count = line->head_count;
	return true;
}

bool
replay_report_read(struct replay_report *r, const struct replay_intake *intake, struct arena *a,
    struct replay_signed *out, struct err *e)
{
	struct reading x = { r, a, out, e };
	struct bundle_report line;
	bool found;
	uint8_t(*heads)[32] = arena_alloc(a, sizeof(*heads) * HEADS_MAX);
	*out = (struct replay_signed){ .lacks = NULL };
	if (heads == NULL)
		return err_set(e, ERR_NOMEM, "report");
	if (!open_file(r, intake->index / BUNDLE_RECORDS, e))
		return false;
	if (!find_line(r, intake->index, heads, &line, &found)) {
		out->lacks = "its line of report/";
		return true;
	}
	return read_parts(&x, &line, intake->leaf) && (out->lacks != NULL || read_heads(&x, &line));
}

/* ---- comparing ---- */

static bool
same_labels(const struct fact_portion *x, const struct fact_portion *y)
{
	bool same = x->label_count == y->label_count;
	for (size_t i = 0; same && i < x->label_count; i++) {
		const struct raw_label *a = &x->labels[i], *b = &y->labels[i];
		same = bytes_equal(a->vocabulary, b->vocabulary) &&
		       bytes_equal(a->classification, b->classification) &&
		       a->category_count == b->category_count;
		for (size_t k = 0; same && k < a->category_count; k++)
			same = bytes_equal(a->categories[k].name, b->categories[k].name) &&
			       names_equal(&a->categories[k].values, &b->categories[k].values);
	}
	return same;
}

static bool
same_agreements(const struct envelope_routing *r, const struct facts *f)
{
	bool same = r->agreement_count == f->agreement_count;
	for (size_t i = 0; same && i < r->agreement_count; i++)
		same = bytes_equal(r->agreements[i].name, f->agreements[i].name) &&
		       f->agreements[i].has_terms &&
		       bytes_equal(r->agreements[i].terms, bytes_from(f->agreements[i].terms, 32));
	return same;
}

const char *
replay_report_differs(const struct replay_signed *s, const struct facts *f)
{
	const struct envelope_manifest *m = &s->manifest;
	const struct envelope_routing *r = &s->routing;
	if (!bytes_equal(m->topic, f->topic))
		return "topic";
	if (m->precedence != f->precedence)
		return "precedence";
	if (m->mode != f->mode)
		return "mode";
	if (m->expires * 1000 != f->expires)
		return "expiry";
	if (!same_agreements(r, f))
		return "agreements";
	if (r->has_only_to != f->has_only_to || !names_equal(&r->only_to, &f->only_to) ||
	    !names_equal(&r->not_to, &f->not_to))
		return "audience";
	if (s->portion_count != f->portion_count)
		return "number of portions";
	for (size_t i = 0; i < s->portion_count; i++) {
		if (!same_labels(&s->portions[i], &f->portions[i]))
			return "labels";
		if (!bytes_equal(s->portions[i].content_type, f->portions[i].content_type))
			return "content type";
	}
	return NULL;
}

/* ---- digests ---- */

static bool
digest_of(const struct facts *f, struct sha256 *h, struct arena *a, uint8_t out[32], struct err *e)
{
	static const uint8_t no_salt[16];
	struct bytes bytes;
	return facts_encode(f, no_salt, a, &bytes, e) && sha256_of(h, bytes, out, e);
}

bool
replay_report_core(
    const struct facts *f, struct sha256 *h, struct arena *a, uint8_t out[32], struct err *e)
{
	struct facts core = *f;
	core.time = core.accepted;
	core.signer = SIGNER_GOOD;
	core.approvals = NULL;
	core.opened = NULL;
	core.before = NULL;
	core.approval_count = core.opened_count = core.before_count = 0;
	core.later = core.has_backfill = false;
	return digest_of(&core, h, a, out, e);
}

bool
replay_report_opened(
    const struct facts *f, struct sha256 *h, struct arena *a, uint8_t out[32], struct err *e)
{
	struct facts only = *f;
	only.time = only.accepted;
	only.signer = SIGNER_GOOD;
	only.approvals = NULL;
	only.before = NULL;
	only.approval_count = only.before_count = 0;
	only.later = only.has_backfill = false;
	return digest_of(&only, h, a, out, e);
}

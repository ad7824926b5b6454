/* facts.c - struct facts <-> the message Facts: the bytes of a decision that are kept and replayed.
 */
#include "proto/arena.h"
#include "proto/fields.h"
#include "proto/parts.h"
#include "proto/uuid.h"

enum { FACT_LISTS = 1 << 20 /* entries; what they take is bounded by the bytes and the arena */ };

/* The message's fields in place; struct facts has the agreements' terms by value. */
struct wire_agreement {
	struct bytes name, terms;
};
struct wire_facts {
	struct bytes salt;
	struct facts f;
	const struct wire_agreement *agreements;
	size_t agreement_count;
};

#define TEXT_MAX LIMIT_NAME_BYTES

static const struct codec_field obligation_fields[] = {
	F_ENUM(struct obligation, 1, kind, OBLIGATION_SIGNER),
	F_TEXT(struct obligation, 2, agreement, 0, TEXT_MAX),
	F_BLOB(struct obligation, 3, subject, 0, TEXT_MAX),
	F_TEXT(struct obligation, 4, approver, 0, TEXT_MAX),
};
static const struct codec_shape obligation =
    SHAPE(struct obligation, "obligation", obligation_fields);

static const struct codec_field agreement_fields[] = {
	F_TEXT(struct wire_agreement, 1, name, 0, TEXT_MAX),
	F_BLOB_OR_NONE(struct wire_agreement, 2, terms, DIGEST_BYTES, DIGEST_BYTES),
};
static const struct codec_shape agreement =
    SHAPE(struct wire_agreement, "agreement", agreement_fields);

static const struct codec_field source_fields[] = {
	F_BLOB(struct fact_source, 1, id, ID_BYTES, ID_BYTES),
	F_TEXT(struct fact_source, 2, originator, 0, TEXT_MAX),
	F_TEXT(struct fact_source, 3, agreement, 0, TEXT_MAX),
	F_TEXTS(struct fact_source, 4, onward_to, FACT_LISTS, 0, TEXT_MAX),
	F_BLOB_OR_NONE(struct fact_source, 5, via, ID_BYTES, ID_BYTES),
};
static const struct codec_shape source = SHAPE(struct fact_source, "source", source_fields);

static const struct codec_field approval_fields[] = {
	F_PART(struct fact_approval, 1, what, &obligation),
	F_TEXT(struct fact_approval, 2, recipient, 0, TEXT_MAX),
	F_U32(struct fact_approval, 3, portion, 0, UINT32_MAX),
	F_BOOL(struct fact_approval, 4, approve),
};
static const struct codec_shape approval = SHAPE(struct fact_approval, "approval", approval_fields);

static const struct codec_field opened_fields[] = {
	F_PART(struct fact_opened, 1, what, &obligation),
	F_TEXT(struct fact_opened, 2, recipient, 0, TEXT_MAX),
	F_U32(struct fact_opened, 3, portion, 0, UINT32_MAX),
	F_U64(struct fact_opened, 4, time, 0, TIME_US_MAX),
};
static const struct codec_shape opened = SHAPE(struct fact_opened, "opened", opened_fields);

static const struct codec_field before_fields[] = {
	F_TEXT(struct fact_before, 1, recipient, 0, TEXT_MAX),
	F_U32(struct fact_before, 2, portion, 0, UINT32_MAX),
	F_TEXTS(struct fact_before, 3, agreements, FACT_LISTS, 0, TEXT_MAX),
};
static const struct codec_shape before = SHAPE(struct fact_before, "before", before_fields);

static const struct codec_field backfill_fields[] = {
	F_TEXT(struct fact_backfill, 1, recipient, 0, TEXT_MAX),
	F_BOOL(struct fact_backfill, 2, asked),
	F_TEXTS(struct fact_backfill, 3, agreements, FACT_LISTS, 0, TEXT_MAX),
};
static const struct codec_shape backfill = SHAPE(struct fact_backfill, "backfill", backfill_fields);

static const struct codec_field portion_fields[] = {
	F_PARTS(struct fact_portion, 1, labels, label_count, FACT_LISTS, &parts_label),
	F_TEXT(struct fact_portion, 2, content_type, 0, TEXT_MAX),
};
static const struct codec_shape portion = SHAPE(struct fact_portion, "portion", portion_fields);

#define AT(no, m, k) .name = #m, .number = (no), .kind = (k), .at = offsetof(struct wire_facts, f.m)
#define LIST(no, m, n, shape) \
	{ \
		AT(no, m, CODEC_PARTS), .aside = offsetof(struct wire_facts, f.n), \
					.most = FACT_LISTS, .sub = (shape) \
	}

static const struct codec_field facts_fields[] = {
	F_BLOB(struct wire_facts, 1, salt, SALT_BYTES, SALT_BYTES),
	{ AT(2, originator, CODEC_TEXT), .max = TEXT_MAX },
	{ AT(3, topic, CODEC_TEXT), .max = TEXT_MAX },
	{ AT(4, precedence, CODEC_ENUM), .min = 1, .max = PRECEDENCE_FLASH },
	{ AT(5, mode, CODEC_ENUM), .min = 1, .max = MODE_EXERCISE },
	{ AT(6, time, CODEC_U64), .max = TIME_US_MAX },
	{ AT(7, accepted, CODEC_U64), .max = TIME_US_MAX },
	{ AT(8, expires, CODEC_U64), .max = TIME_US_MAX },
	{ AT(9, signer, CODEC_ENUM), .min = 1, .max = SIGNER_REVOKED },
	F_PARTS(struct wire_facts, 10, agreements, agreement_count, FACT_LISTS, &agreement),
	{ AT(11, only_to, CODEC_MAYBE), .aside = offsetof(struct wire_facts, f.has_only_to),
	    .sub = &parts_name_list },
	{ AT(12, not_to, CODEC_TEXTS), .most = FACT_LISTS, .max = TEXT_MAX },
	LIST(13, sources, source_count, &source),
	LIST(14, approvals, approval_count, &approval),
	LIST(15, opened, opened_count, &opened),
	{ AT(16, later, CODEC_BOOL) },
	LIST(17, before, before_count, &before),
	LIST(18, portions, portion_count, &portion),
	{ AT(19, backfill, CODEC_MAYBE), .aside = offsetof(struct wire_facts, f.has_backfill),
	    .sub = &backfill },
};
static const struct codec_shape facts = SHAPE(struct wire_facts, "facts", facts_fields);

const struct codec_shape *
facts_shape(void)
{
	return &facts;
}

/* Facts are ours, not a peer's: their elements are bounded by their bytes (LIMIT_REPORT_BYTES). */
enum { ELEMENTS = LIMIT_REPORT_BYTES };

/* ---- the ids, between the two forms ---- */

/* A text of 36 characters becomes 16 bytes, or the other way; what is absent stays so. */
typedef bool turn(struct arena *a, struct bytes *id, struct err *e);

static bool
to_wire(struct arena *a, struct bytes *id, struct err *e)
{
	uint8_t raw[UUID_BYTES];
	if (id->data == NULL)
		return true;
	if (!uuid_parse(*id, raw))
		return err_set(e, ERR_MALFORMED, "a source id that is no UUID");
	return arena_copy(a, bytes_from(raw, sizeof(raw)), id, e);
}

static bool
to_text(struct arena *a, struct bytes *id, struct err *e)
{
	char text[UUID_TEXT + 1];
	if (id->data == NULL)
		return true;
	if (id->len != UUID_BYTES)
		return err_set(e, ERR_MALFORMED, "a source id of %zu bytes", id->len);
	uuid_print(id->data, text);
	return arena_copy(a, bytes_from(text, UUID_TEXT), id, e);
}

static bool
turn_subject(struct arena *a, struct obligation *o, turn *to, struct err *e)
{
	if (o->kind == OBLIGATION_CONSENT)
		return to(a, &o->subject, e);
	return syntax_is_utf8(o->subject) ||
	       err_set(e, ERR_MALFORMED, "a subject that is not UTF-8");
}

/* A copy of 'count' items that may be changed; NULL when out of memory. */
static void *
copy_of(struct arena *a, const void *items, size_t count, size_t size)
{
	void *out = arena_zalloc(a, count, size);
	if (out != NULL && count != 0)
		memcpy(out, items, count * size);
	return out;
}

static bool
turn_ids(struct arena *a, struct facts *f, turn *to, struct err *e)
{
	struct fact_source *s = copy_of(a, f->sources, f->source_count, sizeof(*s));
	struct fact_approval *p = copy_of(a, f->approvals, f->approval_count, sizeof(*p));
	struct fact_opened *o = copy_of(a, f->opened, f->opened_count, sizeof(*o));
	if (s == NULL || p == NULL || o == NULL)
		return err_set(e, ERR_NOMEM, "facts");
	for (size_t i = 0; i < f->source_count; i++)
		if (!to(a, &s[i].id, e) || !to(a, &s[i].via, e))
			return err_wrap(e, "sources[%zu]", i);
	for (size_t i = 0; i < f->approval_count; i++)
		if (!turn_subject(a, &p[i].what, to, e))
			return err_wrap(e, "approvals[%zu]", i);
	for (size_t i = 0; i < f->opened_count; i++)
		if (!turn_subject(a, &o[i].what, to, e))
			return err_wrap(e, "opened[%zu]", i);
	f->sources = s;
	f->approvals = p;
	f->opened = o;
	return true;
}

/* ---- both ways ---- */

bool
facts_encode(const struct facts *f, const uint8_t salt[16], struct arena *a, struct bytes *out,
    struct err *e)
{
	struct wire_agreement *named = arena_zalloc(a, f->agreement_count, sizeof(*named));
	if (named == NULL)
		return err_set(e, ERR_NOMEM, "facts");
	for (size_t i = 0; i < f->agreement_count; i++) {
		const struct fact_agreement *from = &f->agreements[i];
		named[i].name = from->name;
		if (from->has_terms)
			named[i].terms = bytes_from(from->terms, DIGEST_BYTES);
	}
	struct wire_facts w = { bytes_from(salt, SALT_BYTES), *f, named, f->agreement_count };
	struct codec_frame frame = { a, ELEMENTS, { NULL, 0 } };
	if (!turn_ids(a, &w.f, to_wire, e) || !codec_write(&facts, &w, &frame, out, e))
		return err_wrap(e, "facts");
	return true;
}

static bool
read_facts(struct bytes in, struct arena *a, struct wire_facts *out, struct err *e)
{
	char where[96];
	struct codec c;
	codec_init(&c, a, ELEMENTS);
	if (codec_read(&c, &facts, in, out, e))
		return true;
	codec_where(&c, where, sizeof(where));
	return err_wrap(e, "%s", where);
}

bool
facts_decode(struct bytes in, struct arena *a, struct facts *out, struct err *e)
{
	struct wire_facts w;
	struct err local;
	struct err *why = e == NULL ? &local : e;
	if (!read_facts(in, a, &w, why)) {
		if (why->code == ERR_NOT_CANONICAL || why->code == ERR_UNKNOWN_MESSAGE)
			why->code = ERR_MALFORMED;
		return err_wrap(why, "facts");
	}
	struct fact_agreement *named = arena_zalloc(a, w.agreement_count, sizeof(*named));
	if (named == NULL)
		return err_set(e, ERR_NOMEM, "facts");
	for (size_t i = 0; i < w.agreement_count; i++) {
		named[i].name = w.agreements[i].name;
		named[i].has_terms = w.agreements[i].terms.len != 0;
		if (named[i].has_terms)
			memcpy(named[i].terms, w.agreements[i].terms.data, DIGEST_BYTES);
	}
	w.f.agreements = named;
	w.f.agreement_count = w.agreement_count;
	if (!turn_ids(a, &w.f, to_text, e))
		return err_wrap(e, "facts");
	*out = w.f;
	return true;
}

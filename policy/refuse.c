#include "policy/court.h"

#include <stdlib.h>

/* "field" and "detail" of a refusal; false on shortage. */
static bool
refuse(struct refusal *out, enum err_code code, const char *field, const char *detail)
{
	if (field == NULL || detail == NULL)
		return false;
	*out = (struct refusal){ .code = code,
		.field = field[0] == '\0' ? (struct bytes){ NULL, 0 } : bytes_of(field),
		.detail = bytes_of(detail) };
	return true;
}

/* ---- malformed ---- */

static bool
enums_are_good(const struct facts *f)
{
	return f->precedence >= PRECEDENCE_ROUTINE && f->precedence <= PRECEDENCE_FLASH &&
	       (f->mode == MODE_LIVE || f->mode == MODE_EXERCISE) &&
	       (f->signer == SIGNER_GOOD || f->signer == SIGNER_REVOKED);
}

void
refuse_malformed(const struct facts *f, struct refusal *out)
{
	if (!enums_are_good(f))
		(void)refuse(out, ERR_MALFORMED, "", "a code has no meaning");
	else if (topic_check(f->topic) == TOPIC_BAD)
		(void)refuse(out, ERR_MALFORMED, "topic",
		    "a topic is tokens of A-Z, a-z, 0-9, '_' and '-', joined by dots");
	else if (f->portion_count == 0)
		(void)refuse(out, ERR_MALFORMED, "portions", "a report has a portion at least");
	else if (f->has_backfill && !f->later)
		(void)refuse(out, ERR_MALFORMED, "backfill", "a first decision backfills nothing");
}

/* ---- limits ---- */

static int
by_bytes(const void *x, const void *y)
{
	return bytes_compare(*(const struct bytes *)x, *(const struct bytes *)y);
}

/* How many different reports are named, directly or at all; false on shortage. */
static bool
count_sources(const struct facts *f, struct arena *a, bool direct, size_t *different)
{
	struct bytes *ids = arena_zalloc(a, f->source_count, sizeof(*ids));
	size_t n = 0;
	if (ids == NULL)
		return false;
	for (size_t i = 0; i < f->source_count; i++)
		if (!direct || f->sources[i].via.data == NULL)
			ids[n++] = f->sources[i].id;
	if (n > 1)
		qsort(ids, n, sizeof(*ids), by_bytes);
	*different = 0;
	for (size_t i = 0; i < n; i++)
		if (i == 0 || !bytes_equal(ids[i - 1], ids[i]))
			(*different)++;
	return true;
}

/* The lengths of names and content types are the wire's to limit: too long is unknown here. */
static bool
label_is_over(const struct raw_label *l)
{
	if (l->category_count > LIMIT_CATEGORIES_PER_LABEL)
		return true;
	for (size_t i = 0; i < l->category_count; i++)
		if (l->categories[i].values.count > LIMIT_VALUES_PER_CATEGORY)
			return true;
	return false;
}

static bool
portion_is_over(const struct fact_portion *p)
{
	if (p->label_count > LIMIT_LABELS_PER_PORTION)
		return true;
	for (size_t i = 0; i < p->label_count; i++)
		if (label_is_over(&p->labels[i]))
			return true;
	return false;
}

bool
refuse_limit(const struct facts *f, struct arena *a, struct refusal *out)
{
	size_t named, all;
	if (!count_sources(f, a, true, &named) || !count_sources(f, a, false, &all))
		return false;
	if (topic_check(f->topic) == TOPIC_TOO_LONG)
		return refuse(out, ERR_LIMIT, "topic", "a topic has 255 bytes and 16 tokens");
	if (f->agreement_count > LIMIT_AGREEMENTS_PER_REPORT)
		return refuse(out, ERR_LIMIT, "agreements", "a report names 8 agreements");
	if (f->only_to.count > LIMIT_AUDIENCE || f->not_to.count > LIMIT_AUDIENCE)
		return refuse(out, ERR_LIMIT,
		    f->only_to.count > LIMIT_AUDIENCE ? "only_to" : "not_to",
		    "an audience list has 256 names");
	if (named > LIMIT_SOURCES_NAMED || all > LIMIT_SOURCES_ALL)
		return refuse(
		    out, ERR_LIMIT, "sources", "a report names 32 sources and rests on 256");
	if (f->portion_count > LIMIT_PORTIONS)
		return refuse(out, ERR_LIMIT, "portions", "a report has 256 portions");
	for (size_t i = 0; i < f->portion_count; i++)
		if (portion_is_over(&f->portions[i]))
			return refuse(out, ERR_LIMIT, arena_printf(a, "portions[%zu]", i),
			    "a portion has 4 labels of 32 categories of 256 values");
	return true;
}

/* ---- agreements, audience, labels ---- */

static bool
refuse_unusable(struct court *c, struct refusal *out)
{
	const char *detail = "";
	for (size_t i = 0; i < c->named_count; i++) {
		const struct named *n = &c->named[i];
		if (n->fault == NULL)
			return true;
		detail = arena_printf(c->arena, "%s%s%.*s: %s", detail, i == 0 ? "" : "; ",
		    (int)n->name.len, (const char *)n->name.data, n->fault);
		if (detail == NULL)
			return false;
	}
	return refuse(out, ERR_AGREEMENT_NOT_USABLE, "agreements", detail);
}

bool
refuse_agreements(struct court *c, struct refusal *out)
{
	bool done = c->facts->agreement_count == 0
			? refuse(out, ERR_NO_AGREEMENT, "agreements", "name an agreement at least")
			: refuse_unusable(c, out);
	return done || err_set(c->err, ERR_NOMEM, "decision");
}

static bool
is_member(const struct court *c, struct bytes name)
{
	for (size_t i = 0; i < c->named_count; i++)
		if (c->named[i].fault == NULL &&
		    agreement_member(c->named[i].agreement, name) != NULL)
			return true;
	return false;
}

/* The members of all usable agreements: the originator is one of them and may know. */
static void
suggest_member(struct court *c, struct bytes name, struct refusal *out)
{
	for (size_t i = 0; i < c->named_count && out->nearest.data == NULL; i++) {
		const struct agreement *a = c->named[i].agreement;
		if (c->named[i].fault != NULL)
			continue;
		struct bytes *known = arena_zalloc(c->arena, a->member_count, sizeof(*known));
		if (known == NULL)
			return;
		for (size_t k = 0; k < a->member_count; k++)
			known[k] = a->members[k].party->name;
		ptrdiff_t at = text_nearest(name, known, a->member_count);
		if (at >= 0)
			out->nearest = known[at];
	}
}

static bool
refuse_names(struct court *c, const struct names *list, const char *field, struct refusal *out)
{
	for (size_t i = 0; i < list->count; i++) {
		if (is_member(c, list->items[i]))
			continue;
		if (!refuse(out, ERR_UNKNOWN_AUDIENCE, arena_printf(c->arena, "%s[%zu]", field, i),
			"no member of an agreement that can be used"))
			return err_set(c->err, ERR_NOMEM, "decision");
		suggest_member(c, list->items[i], out);
		return true;
	}
	return true;
}

bool
refuse_audience(struct court *c, struct refusal *out)
{
	if (c->facts->has_only_to && !refuse_names(c, &c->facts->only_to, "only_to", out))
		return false;
	return out->code != ERR_NONE || refuse_names(c, &c->facts->not_to, "not_to", out);
}

bool
refuse_unlabelled(const struct facts *f, struct arena *a, struct refusal *out)
{
	for (size_t i = 0; i < f->portion_count; i++)
		if (f->portions[i].label_count == 0)
			return refuse(out, ERR_UNLABELLED,
			    arena_printf(a, "portions[%zu].labels", i),
			    "a portion needs a label at least");
	return true;
}

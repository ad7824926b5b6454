#include "client/cli/facts_json.h"

#include <jansson.h>

#include "policy/text.h"

struct reader {
	struct arena *a;
	struct err *e;
};

static bool
bad(struct reader *r, const char *what)
{
	return err_set(r->e, ERR_MALFORMED, "%s", what);
}

static void *
get(struct reader *r, size_t count, size_t size)
{
	void *p = arena_zalloc(r->a, count, size);
	if (p == NULL)
		err_set(r->e, ERR_NOMEM, "facts");
	return p;
}

/* ---- members ---- */

struct member_of {
	const char *name;
	bool optional;
};

/* Every key known, none missing. */
static bool
has_shape(struct reader *r, const json_t *o, const struct member_of *members, size_t count)
{
	size_t found = 0, needed = 0, present = 0;
	if (!json_is_object(o))
		return bad(r, "an object is needed");
	for (size_t i = 0; i < count; i++) {
		bool here = json_object_get(o, members[i].name) != NULL;
		needed += !members[i].optional;
		found += here && !members[i].optional;
		present += here;
	}
	if (found != needed)
		return bad(r, "a member is missing");
	return present == json_object_size(o) || bad(r, "an unknown member");
}

static bool
read_text(struct reader *r, const json_t *v, struct bytes *out)
{
	if (!json_is_string(v))
		return bad(r, "a string is needed");
	return arena_copy(r->a, bytes_from(json_string_value(v), json_string_length(v)), out, r->e);
}

static bool
read_names(struct reader *r, const json_t *v, struct names *out)
{
	if (!json_is_array(v))
		return bad(r, "a list is needed");
	size_t count = json_array_size(v);
	struct bytes *items = get(r, count, sizeof(*items));
	if (items == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!read_text(r, json_array_get(v, i), &items[i]))
			return false;
	*out = (struct names){ items, count };
	return true;
}

static bool
read_time(struct reader *r, const json_t *v, uint64_t *out)
{
	struct bytes text;
	if (!read_text(r, v, &text))
		return false;
	return text_to_time(text, out) || bad(r, "a time is needed");
}

static bool
read_index(struct reader *r, const json_t *v, uint32_t *out)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > UINT32_MAX)
		return bad(r, "the number of a portion is needed");
	*out = (uint32_t)json_integer_value(v);
	return true;
}

/* The place of a string among 'known', from 1. */
static bool
read_choice(
    struct reader *r, const json_t *v, const char *const *known, size_t count, unsigned *out)
{
	for (size_t i = 0; i < count && json_is_string(v); i++)
		if (bytes_is(bytes_from(json_string_value(v), json_string_length(v)), known[i])) {
			*out = (unsigned)i + 1;
			return true;
		}
	return bad(r, "a code that is not known");
}

/* ---- obligations ---- */

/* The members of an obligation by kind; what 'extra' adds comes with it. */
static bool
obligation_shape(struct reader *r, const json_t *o, unsigned kind, const char *const *extra)
{
	static const char *const subject[] = { "", "rule", "source", NULL };
	struct member_of members[8] = { { "kind", false }, { "agreement", false },
		{ "approver", false } };
	size_t n = 3;
	if (subject[kind] != NULL)
		members[n++] = (struct member_of){ subject[kind], false };
	for (; *extra != NULL; extra++)
		members[n++] = (struct member_of){ *extra, false };
	return has_shape(r, o, members, n);
}

static bool
read_obligation(struct reader *r, const json_t *o, const char *const *extra, struct obligation *out)
{
	static const char *const kinds[] = { "review", "consent", "signer" };
	unsigned kind;
	if (!json_is_object(o))
		return bad(r, "an object is needed");
	if (!read_choice(r, json_object_get(o, "kind"), kinds, 3, &kind) ||
	    !obligation_shape(r, o, kind, extra))
		return false;
	*out = (struct obligation){ .kind = (enum obligation_kind)kind, .subject = bytes_of("") };
	const json_t *subject = json_object_get(o, kind == OBLIGATION_REVIEW ? "rule" : "source");
	if (kind != OBLIGATION_SIGNER && !read_text(r, subject, &out->subject))
		return false;
	return read_text(r, json_object_get(o, "agreement"), &out->agreement) &&
	       read_text(r, json_object_get(o, "approver"), &out->approver);
}

static bool
read_approval(struct reader *r, const json_t *o, struct fact_approval *out)
{
	static const char *const extra[] = { "recipient", "portion", "decision", NULL };
	static const char *const decisions[] = { "approve", "reject" };
	unsigned decision;
	if (!read_obligation(r, o, extra, &out->what) ||
	    !read_text(r, json_object_get(o, "recipient"), &out->recipient) ||
	    !read_index(r, json_object_get(o, "portion"), &out->portion) ||
	    !read_choice(r, json_object_get(o, "decision"), decisions, 2, &decision))
		return false;
	out->approve = decision == 1;
	return true;
}

static bool
read_opening(struct reader *r, const json_t *o, struct fact_opened *out)
{
	static const char *const extra[] = { "recipient", "portion", "time", NULL };
	return read_obligation(r, o, extra, &out->what) &&
	       read_text(r, json_object_get(o, "recipient"), &out->recipient) &&
	       read_index(r, json_object_get(o, "portion"), &out->portion) &&
	       read_time(r, json_object_get(o, "time"), &out->time);
}

/* ---- lists of objects ---- */

static bool
read_approvals(struct reader *r, const json_t *v, struct facts *f)
{
	if (!json_is_array(v))
		return bad(r, "a list is needed");
	f->approval_count = json_array_size(v);
	struct fact_approval *list = get(r, f->approval_count, sizeof(*list));
	if (list == NULL)
		return false;
	f->approvals = list;
	for (size_t i = 0; i < f->approval_count; i++)
		if (!read_approval(r, json_array_get(v, i), &list[i]))
			return false;
	return true;
}

static bool
read_opened(struct reader *r, const json_t *v, struct facts *f)
{
	if (v == NULL || json_is_null(v))
		return true;
	if (!json_is_array(v))
		return bad(r, "a list is needed");
	f->opened_count = json_array_size(v);
	struct fact_opened *list = get(r, f->opened_count, sizeof(*list));
	if (list == NULL)
		return false;
	f->opened = list;
	for (size_t i = 0; i < f->opened_count; i++)
		if (!read_opening(r, json_array_get(v, i), &list[i]))
			return false;
	return true;
}

static bool
read_before_one(struct reader *r, const json_t *o, struct fact_before *out)
{
	static const struct member_of members[] = { { "recipient", false }, { "portion", false },
		{ "agreements", false } };
	return has_shape(r, o, members, 3) &&
	       read_text(r, json_object_get(o, "recipient"), &out->recipient) &&
	       read_index(r, json_object_get(o, "portion"), &out->portion) &&
	       read_names(r, json_object_get(o, "agreements"), &out->agreements);
}

static bool
read_before(struct reader *r, const json_t *v, struct facts *f)
{
	if (v == NULL || json_is_null(v))
		return true;
	if (!json_is_array(v))
		return bad(r, "a list is needed");
	f->later = true;
	f->before_count = json_array_size(v);
	struct fact_before *list = get(r, f->before_count, sizeof(*list));
	if (list == NULL)
		return false;
	f->before = list;
	for (size_t i = 0; i < f->before_count; i++)
		if (!read_before_one(r, json_array_get(v, i), &list[i]))
			return false;
	return true;
}

static bool
read_backfill(struct reader *r, const json_t *o, struct facts *f)
{
	static const struct member_of members[] = { { "recipient", false }, { "asked", false },
		{ "agreements", false } };
	if (o == NULL || json_is_null(o))
		return true;
	if (!has_shape(r, o, members, 3) ||
	    !read_text(r, json_object_get(o, "recipient"), &f->backfill.recipient) ||
	    !read_names(r, json_object_get(o, "agreements"), &f->backfill.agreements))
		return false;
	if (!json_is_boolean(json_object_get(o, "asked")))
		return bad(r, "'asked' is true or false");
	f->backfill.asked = json_is_true(json_object_get(o, "asked"));
	f->has_backfill = f->later = true;
	return true;
}

static bool
read_source(struct reader *r, const json_t *o, struct fact_source *out)
{
	static const struct member_of members[] = { { "id", false }, { "originator", false },
		{ "agreement", false }, { "onward_to", false }, { "via", true } };
	if (!has_shape(r, o, members, 5) || !read_text(r, json_object_get(o, "id"), &out->id) ||
	    !read_names(r, json_object_get(o, "onward_to"), &out->onward_to))
		return false;
	const json_t *via = json_object_get(o, "via");
	const json_t *agreement = json_object_get(o, "agreement");
	const json_t *originator = json_object_get(o, "originator");
	bool known = !json_is_null(agreement);
	if (via != NULL && !read_text(r, via, &out->via))
		return false;
	if (known && !read_text(r, agreement, &out->agreement))
		return false;
	if (!known && json_is_null(originator)) /* of a report that is unknown here */
		return true;
	return read_text(r, originator, &out->originator);
}

static bool
read_sources(struct reader *r, const json_t *v, struct facts *f)
{
	if (!json_is_array(v))
		return bad(r, "a list is needed");
	f->source_count = json_array_size(v);
	struct fact_source *list = get(r, f->source_count, sizeof(*list));
	if (list == NULL)
		return false;
	f->sources = list;
	for (size_t i = 0; i < f->source_count; i++)
		if (!read_source(r, json_array_get(v, i), &list[i]))
			return false;
	return true;
}

/* ---- portions ---- */

static bool
read_categories(struct reader *r, json_t *o, struct raw_label *out)
{
	const char *key;
	size_t key_len;
	json_t *values;
	if (!json_is_object(o))
		return bad(r, "an object of categories is needed");
	struct raw_category *list = get(r, json_object_size(o), sizeof(*list));
	if (list == NULL)
		return false;
	size_t n = 0;
	json_object_keylen_foreach(o, key, key_len, values)
	{
		if (!arena_copy(r->a, bytes_from(key, key_len), &list[n].name, r->e) ||
		    !read_names(r, values, &list[n++].values))
			return false;
	}
	out->categories = list;
	out->category_count = n;
	return true;
}

static bool
read_label(struct reader *r, const json_t *o, struct raw_label *out)
{
	static const struct member_of members[] = { { "vocabulary", false },
		{ "classification", false }, { "categories", false } };
	return has_shape(r, o, members, 3) &&
	       read_text(r, json_object_get(o, "vocabulary"), &out->vocabulary) &&
	       read_text(r, json_object_get(o, "classification"), &out->classification) &&
	       read_categories(r, json_object_get(o, "categories"), out);
}

static bool
read_portion(struct reader *r, const json_t *o, struct fact_portion *out)
{
	static const struct member_of members[] = { { "labels", false },
		{ "content_type", false } };
	if (!has_shape(r, o, members, 2) ||
	    !read_text(r, json_object_get(o, "content_type"), &out->content_type))
		return false;
	const json_t *labels = json_object_get(o, "labels");
	if (!json_is_array(labels))
		return bad(r, "a list is needed");
	out->label_count = json_array_size(labels);
	struct raw_label *list = get(r, out->label_count, sizeof(*list));
	if (list == NULL)
		return false;
	out->labels = list;
	for (size_t i = 0; i < out->label_count; i++)
		if (!read_label(r, json_array_get(labels, i), &list[i]))
			return false;
	return true;
}

static bool
read_portions(struct reader *r, const json_t *v, struct facts *f)
{
	if (!json_is_array(v))
		return bad(r, "a list is needed");
	f->portion_count = json_array_size(v);
	struct fact_portion *list = get(r, f->portion_count, sizeof(*list));
	if (list == NULL)
		return false;
	f->portions = list;
	for (size_t i = 0; i < f->portion_count; i++)
		if (!read_portion(r, json_array_get(v, i), &list[i]))
			return false;
	return true;
}

/* ---- the whole ---- */

static bool
read_agreements(struct reader *r, const json_t *v, struct facts *f)
{
	struct names names;
	if (!read_names(r, v, &names))
		return false;
	struct fact_agreement *list = get(r, names.count, sizeof(*list));
	if (list == NULL)
		return false;
	for (size_t i = 0; i < names.count; i++)
		list[i].name = names.items[i];
	f->agreements = list;
	f->agreement_count = names.count;
	return true;
}

/* In struct facts an expiry of 0 means none, so the first moment of 1970 moves by a microsecond. */
static void
keep_expiry(struct facts *f, bool has_expiry)
{
	if (!has_expiry || f->expires != 0)
		return;
	f->expires = 1;
	if (f->time == 0)
		f->time = 1;
}

static bool
read_times(struct reader *r, const json_t *o, struct facts *f)
{
	const json_t *accepted = json_object_get(o, "accepted");
	const json_t *expires = json_object_get(o, "expires");
	if (!read_time(r, json_object_get(o, "time"), &f->time))
		return false;
	f->accepted = f->time;
	if (accepted != NULL && !read_time(r, accepted, &f->accepted))
		return false;
	if (!json_is_null(expires) && !read_time(r, expires, &f->expires))
		return false;
	keep_expiry(f, !json_is_null(expires));
	return true;
}

static bool
read_codes(struct reader *r, const json_t *o, struct facts *f)
{
	static const char *const precedences[] = { "ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH" };
	static const char *const modes[] = { "live", "exercise" };
	static const char *const signers[] = { "good", "revoked" };
	unsigned precedence, mode, signer = SIGNER_GOOD;
	const json_t *state = json_object_get(o, "signer");
	if (!read_choice(r, json_object_get(o, "precedence"), precedences, 4, &precedence) ||
	    !read_choice(r, json_object_get(o, "mode"), modes, 2, &mode))
		return false;
	if (state != NULL && !read_choice(r, state, signers, 2, &signer))
		return false;
	f->precedence = (enum precedence)precedence;
	f->mode = (enum mode)mode;
	f->signer = (enum signer_state)signer;
	return true;
}

static bool
read_audience(struct reader *r, const json_t *o, struct facts *f)
{
	const json_t *only = json_object_get(o, "only_to");
	f->has_only_to = !json_is_null(only);
	if (f->has_only_to && !read_names(r, only, &f->only_to))
		return false;
	return read_names(r, json_object_get(o, "not_to"), &f->not_to);
}

static bool
read_facts(struct reader *r, const json_t *o, struct facts *f)
{
	static const struct member_of members[] = { { "originator", false }, { "topic", false },
		{ "agreements", false }, { "precedence", false }, { "mode", false },
		{ "time", false }, { "expires", false }, { "only_to", false }, { "not_to", false },
		{ "sources", false }, { "approvals", false }, { "portions", false },
		{ "accepted", true }, { "signer", true }, { "before", true }, { "opened", true },
		{ "backfill", true } };
	return has_shape(r, o, members, sizeof(members) / sizeof(members[0])) &&
	       read_text(r, json_object_get(o, "originator"), &f->originator) &&
	       read_text(r, json_object_get(o, "topic"), &f->topic) &&
	       read_agreements(r, json_object_get(o, "agreements"), f) && read_codes(r, o, f) &&
	       read_times(r, o, f) && read_audience(r, o, f) &&
	       read_sources(r, json_object_get(o, "sources"), f) &&
	       read_approvals(r, json_object_get(o, "approvals"), f) &&
	       read_opened(r, json_object_get(o, "opened"), f) &&
	       read_before(r, json_object_get(o, "before"), f) &&
	       read_backfill(r, json_object_get(o, "backfill"), f) &&
	       read_portions(r, json_object_get(o, "portions"), f);
}

bool
facts_json_read(struct bytes line, struct arena *a, struct facts *out, struct err *e)
{
	struct reader r = { a, e };
	struct facts f = { 0 };
	json_error_t why;
	json_t *o = json_loadb((const char *)line.data, line.len, JSON_REJECT_DUPLICATES, &why);
	if (o == NULL)
		return bad(&r, "not a JSON object");
	bool ok = read_facts(&r, o, &f);
	json_decref(o);
	if (ok)
		*out = f;
	return ok;
}

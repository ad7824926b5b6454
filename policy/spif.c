#include "policy/spif.h"

#include "policy/spif_parts.h"

#include <openssl/evp.h>
#include <stdio.h>

enum { WORK_FACTOR = 32, WORK_EXTRA = 1 << 20 }; /* the tree of a SPIF, per byte of it */

#define SHOWN(b) (int)((b).len < 100 ? (b).len : 100), (const char *)(b).data

/* ---- small parts that all passes use ---- */

const struct xml_element *
spif_next(const struct xml_element *x, const char *name)
{
	while (x != NULL && !(bytes_is(x->ns, SPIF_NAMESPACE) && bytes_is(x->name, name)))
		x = x->next;
	return x;
}

bool
spif_error(struct spif *s, const struct xml_element *x, const char *fmt, ...)
{
	char text[1024];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return text_error(s->errors, &x->pos, NULL, "%s", text);
}

void
spif_warn(struct spif *s, const struct xml_element *x, const char *fmt, ...)
{
	char text[1024];
	if (!s->warns)
		return;
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	text_warning(s->errors, &x->pos, NULL, "%s", text);
}

bool
spif_no_memory(struct spif *s)
{
	return text_error(s->errors, NULL, NULL, "out of memory: the SPIF is too large");
}

bool
spif_type(struct spif *s, const struct xml_element *x, enum spif_encoding *encoding,
    enum vocab_type *type)
{
	static const struct {
		const char *tag, *enumerated;
		enum spif_encoding encoding;
		enum vocab_type type;
	} known[] = {
		{ "restrictive", NULL, SPIF_RESTRICTIVE, VOCAB_RESTRICTIVE },
		{ "permissive", NULL, SPIF_PERMISSIVE, VOCAB_PERMISSIVE },
		{ "tagType7", NULL, SPIF_TAG7, VOCAB_INFORMATIVE },
		{ "enumerated", "restrictive", SPIF_ENUM_RESTRICTIVE, VOCAB_RESTRICTIVE },
		{ "enumerated", "permissive", SPIF_ENUM_PERMISSIVE, VOCAB_PERMISSIVE },
	};
	const struct bytes *tag = xml_attribute(x, "tagType");
	const struct bytes *enumerated = xml_attribute(x, "enumType");
	if (tag == NULL)
		return spif_error(s, x, "tagType is missing");
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!bytes_is(*tag, known[i].tag) ||
		    (known[i].enumerated != NULL &&
			(enumerated == NULL || !bytes_is(*enumerated, known[i].enumerated))))
			continue;
		*encoding = known[i].encoding;
		*type = known[i].type;
		return true;
	}
	if (bytes_is(*tag, "enumerated"))
		return spif_error(s, x, "enumerated needs enumType restrictive or permissive");
	return spif_error(s, x,
	    "tagType '%.*s' is none of restrictive, permissive, enumerated, tagType7", SHOWN(*tag));
}

bool
spif_boolean(struct spif *s, const struct xml_element *x, const char *name, bool *out)
{
	const struct bytes *t = xml_attribute(x, name);
	if (t == NULL)
		return true;
	bool yes = vocab_same_name(*t, bytes_of("true")) || vocab_same_name(*t, bytes_of("1"));
	if (!yes && !vocab_same_name(*t, bytes_of("false")) && !vocab_same_name(*t, bytes_of("0")))
		return spif_error(s, x, "%s is 'true' or 'false', not '%.*s'", name, SHOWN(*t));
	*out = yes;
	return true;
}

struct bytes
spif_trim(struct bytes in)
{
	while (in.len != 0 && strchr(" \t\r\n", in.data[0]) != NULL && in.data[0] != 0)
		in = (struct bytes){ in.data + 1, in.len - 1 };
	while (in.len != 0 && strchr(" \t\r\n", in.data[in.len - 1]) != NULL &&
	       in.data[in.len - 1] != 0)
		in.len--;
	return in;
}

struct bytes
spif_lacv_text(struct bytes text)
{
	struct bytes out = spif_trim(text);
	while (out.len > 1 && out.data[0] == '0' && out.data[1] >= '0' && out.data[1] <= '9')
		out = (struct bytes){ out.data + 1, out.len - 1 };
	return out;
}

struct bytes
spif_lacv(const struct xml_element *x)
{
	const struct bytes *t = xml_attribute(x, "lacv");
	return t == NULL ? (struct bytes){ NULL, 0 } : spif_lacv_text(*t);
}

/* A decimal integer of at most 18 digits, as XML Schema writes it. */
static bool
take_integer(struct spif *s, const struct xml_element *x, const char *name, int64_t *out)
{
	const struct bytes *t = xml_attribute(x, name);
	if (t == NULL)
		return spif_error(s, x, "%s is missing", name);
	struct bytes in = spif_trim(*t);
	bool negative = in.len != 0 && in.data[0] == '-';
	if (negative || (in.len != 0 && in.data[0] == '+'))
		in = (struct bytes){ in.data + 1, in.len - 1 };
	int64_t n = 0;
	bool ok = in.len != 0 && in.len <= 18;
	for (size_t i = 0; i < in.len && ok; i++) {
		ok = in.data[i] >= '0' && in.data[i] <= '9';
		n = n * 10 + (in.data[i] - '0');
	}
	if (!ok)
		return spif_error(s, x, "%s is not an integer: '%.*s'", name, SHOWN(*t));
	*out = negative ? -n : n;
	return true;
}

/* "unbounded" is what the schema takes for granted; *out is untouched then. */
static bool
take_count(struct spif *s, const struct xml_element *x, const char *name, uint32_t *out)
{
	int64_t n;
	const struct bytes *t = xml_attribute(x, name);
	if (t == NULL || bytes_is(spif_trim(*t), "unbounded"))
		return true;
	if (!take_integer(s, x, name, &n))
		return false;
	if (n < 0)
		return spif_error(s, x, "%s is negative", name);
	*out = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
	return true;
}

/* A name: not empty, not too long, nothing in it that cannot be seen. */
static bool
take_name(struct spif *s, const struct xml_element *x, struct bytes *out)
{
	const struct bytes *t = xml_attribute(x, "name");
	size_t at;
	if (t == NULL)
		return spif_error(s, x, "the name is missing");
	if (spif_trim(*t).len == 0)
		return spif_error(s, x, "the name is empty");
	if (t->len > LIMIT_NAME_BYTES)
		return spif_error(s, x, "a name of more than %u bytes", LIMIT_NAME_BYTES);
	if (!text_is_clean(*t, &at) || memchr(t->data, '\n', t->len) != NULL)
		return spif_error(s, x, "a name with a control or invisible character");
	return arena_copy(s->arena, *t, out, NULL) || spif_no_memory(s);
}

/* What is only told to people; one that could not be shown is left out. */
static bool
take_remark(struct spif *s, const struct xml_element *x, const char *name, struct bytes *out)
{
	const struct bytes *t = xml_attribute(x, name);
	struct bytes in = t == NULL ? (struct bytes){ NULL, 0 } : spif_trim(*t);
	size_t at;
	if (in.len == 0 || in.len > LIMIT_NAME_BYTES || !text_is_clean(in, &at))
		return true;
	return arena_copy(s->arena, in, out, NULL) || spif_no_memory(s);
}

static bool
take_number(
    struct spif *s, const struct xml_element *x, uint32_t scope, struct bytes name, uint32_t number)
{
	uint32_t taken;
	if (!vocab_index_add(s->arena, s->index, scope, name, number, &taken))
		return spif_no_memory(s);
	if (taken == VOCAB_NONE)
		return true;
	return spif_error(s, x,
	    "the name '%.*s' is taken: names compare without case and "
	    "with white space folded",
	    SHOWN(name));
}

/* 'late': a day without a time ends with its last microsecond. */
static bool
take_moment(struct spif *s, const struct xml_element *x, const char *name, bool late, uint64_t *out)
{
	const struct bytes *t = xml_attribute(x, name);
	bool without = false;
	if (t == NULL)
		return true;
	if (!spif_moment(*t, late, &without, out))
		return spif_error(s, x, "%s is not a time: '%.*s'", name, SHOWN(*t));
	if (without)
		spif_warn(s, x, "%s has no time zone; it is taken for UTC", name);
	return true;
}

/* ---- classifications ---- */

static bool
take_class(struct spif *s, const struct xml_element *x)
{
	if (s->v.class_count == LIMIT_SPIF_CLASSES)
		return spif_error(s, x, "more than %u classifications", LIMIT_SPIF_CLASSES);
	uint32_t number = s->v.class_count;
	struct vocab_class *c = &s->classes[number];
	s->class_at[number] = x;
	if (!take_name(s, x, &c->name) || !take_integer(s, x, "lacv", &c->lacv) ||
	    !take_integer(s, x, "hierarchy", &c->hierarchy) ||
	    !spif_boolean(s, x, "obsolete", &c->obsolete) || !spif_marks(s, x, &c->marks) ||
	    !take_remark(s, x, "color", &c->colour) ||
	    !take_number(s, x, VOCAB_SCOPE_CLASS, c->name, number))
		return false;
	for (uint32_t i = 0; i < number; i++)
		if (s->classes[i].lacv == c->lacv)
			return spif_error(s, x, "lacv %lld is that of '%.*s'", (long long)c->lacv,
			    SHOWN(s->classes[i].name));
	s->v.class_count++;
	return true;
}

static bool
take_classes(struct spif *s)
{
	const struct xml_element *all = spif_next(s->root->child, "securityClassifications");
	const struct xml_element *x =
	    all == NULL ? NULL : spif_next(all->child, "securityClassification");
	if (x == NULL)
		return spif_error(s, s->root, "there is no classification");
	if (spif_next(all->next, "securityClassifications") != NULL)
		return spif_error(s, all, "securityClassifications stands twice");
	bool ok = true;
	for (; x != NULL; x = spif_next(x->next, "securityClassification"))
		ok = take_class(s, x) && ok;
	return ok;
}

/* ---- tag sets, tags, values ---- */

static bool
take_value(struct spif *s, const struct xml_element *x, enum spif_encoding encoding)
{
	const struct vocab_tag *tag = &s->tags[s->v.tag_count];
	uint32_t number = s->v.value_count;
	struct vocab_value *v = &s->values[number];
	*v = (struct vocab_value){ .tagset = tag->tagset,
		.category = tag->category,
		.tag = s->v.tag_count,
		.not_after = UINT64_MAX };
	s->value_at[number] = x;
	s->value_encoding[number] = encoding;
	struct bytes lacv = spif_lacv(x);
	if (lacv.len == 0)
		return spif_error(s, x, "lacv is missing");
	if (!take_name(s, x, &v->name) || !spif_boolean(s, x, "obsolete", &v->obsolete) ||
	    !take_moment(s, x, "notBefore", false, &v->not_before) ||
	    !take_moment(s, x, "notAfter", true, &v->not_after) || !spif_marks(s, x, &v->marks) ||
	    !take_number(s, x, VOCAB_SCOPE_VALUES + v->tagset, v->name, number))
		return false;
	if (!arena_copy(s->arena, lacv, &v->lacv, NULL))
		return spif_no_memory(s);
	s->v.value_count++;
	return true;
}

/* The category of a type in a tag set, made when its first tag comes. */
static uint32_t
category_of(struct spif *s, uint32_t tagset, enum vocab_type type)
{
	uint32_t *c = &s->tagsets[tagset].category[type];
	if (*c == VOCAB_NONE) {
		*c = s->v.category_count++;
		s->categories[*c] = (struct vocab_category){ .tagset = tagset, .type = type };
	}
	return *c;
}

static bool
take_tag(struct spif *s, const struct xml_element *x, uint32_t tagset)
{
	struct vocab_tag *t = &s->tags[s->v.tag_count];
	enum spif_encoding encoding = SPIF_RESTRICTIVE;
	enum vocab_type type = VOCAB_RESTRICTIVE;
	bool single = false;
	*t = (struct vocab_tag){ .tagset = tagset, .first = s->v.value_count, .max = UINT32_MAX };
	s->tag_at[s->v.tag_count] = x;
	if (!spif_type(s, x, &encoding, &type) || !take_count(s, x, "minSelection", &t->min) ||
	    !take_count(s, x, "maxSelection", &t->max) ||
	    !spif_boolean(s, x, "singleSelection", &single) || !spif_marks(s, x, &t->marks))
		return false;
	if (single && t->max > 1)
		t->max = 1;
	t->category = category_of(s, tagset, type);
	bool ok = true;
	const struct xml_element *c = spif_next(x->child, "tagCategory");
	for (; c != NULL; c = spif_next(c->next, "tagCategory"))
		ok = take_value(s, c, encoding) && ok;
	t->count = s->v.value_count - t->first;
	s->categories[t->category].count += t->count;
	s->v.tag_count++;
	return ok;
}

static bool
take_tagset(struct spif *s, const struct xml_element *x)
{
	uint32_t number = s->v.tagset_count;
	struct vocab_tagset *t = &s->tagsets[number];
	s->tagset_at[number] = x;
	for (size_t i = 0; i < 4; i++)
		t->category[i] = VOCAB_NONE;
	if (!take_name(s, x, &t->name) || !take_remark(s, x, "id", &t->id) ||
	    !take_number(s, x, VOCAB_SCOPE_TAGSET, t->name, number))
		return false;
	s->v.tagset_count++;
	bool ok = true;
	const struct xml_element *c = spif_next(x->child, "securityCategoryTag");
	for (; c != NULL; c = spif_next(c->next, "securityCategoryTag"))
		ok = take_tag(s, c, number) && ok;
	return ok;
}

static bool
take_tagsets(struct spif *s)
{
	const struct xml_element *all = spif_next(s->root->child, "securityCategoryTagSets");
	if (all == NULL)
		return true;
	if (spif_next(all->next, "securityCategoryTagSets") != NULL)
		return spif_error(s, all, "securityCategoryTagSets stands twice");
	bool ok = true;
	const struct xml_element *x = spif_next(all->child, "securityCategoryTagSet");
	for (; x != NULL; x = spif_next(x->next, "securityCategoryTagSet"))
		ok = take_tagset(s, x) && ok;
	return ok;
}

static bool
make_masks(struct spif *s)
{
	struct vocab *v = &s->v;
	v->words = (v->value_count + 63) / 64;
	if (v->words == 0)
		v->words = 1;
	uint64_t *sets =
	    arena_zalloc(s->arena, ((size_t)v->category_count + 1) * v->words, sizeof(*sets));
	if (sets == NULL)
		return spif_no_memory(s);
	v->restrictive = sets + (size_t)v->category_count * v->words;
	for (uint32_t c = 0; c < v->category_count; c++)
		s->categories[c].mask = sets + (size_t)c * v->words;
	for (uint32_t i = 0; i < v->value_count; i++) {
		uint32_t c = s->values[i].category;
		vocab_put(sets + (size_t)c * v->words, i);
		if (s->categories[c].type == VOCAB_RESTRICTIVE)
			vocab_put(sets + (size_t)v->category_count * v->words, i);
	}
	return true;
}

/* ---- the whole ---- */

/* How many SPIF elements of a name there are under 'x': room for what will come of them. */
static size_t
count_all(const struct xml_element *x, const char *name)
{
	size_t n = 0;
	for (const struct xml_element *c = x->child; c != NULL; c = c->next)
		n += (bytes_is(c->name, name) ? 1u : 0u) + count_all(c, name);
	return n;
}

static bool
make_room(struct spif *s)
{
	size_t classes = count_all(s->root, "securityClassification") + 1;
	size_t tagsets = count_all(s->root, "securityCategoryTagSet") + 1;
	size_t tags = count_all(s->root, "securityCategoryTag") + 1;
	size_t values = count_all(s->root, "tagCategory") + 1;
	if (values - 1 > LIMIT_SPIF_VALUES)
		return spif_error(s, s->root, "more than %u values", LIMIT_SPIF_VALUES);
	s->classes = arena_zalloc(s->arena, classes, sizeof(*s->classes));
	s->tagsets = arena_zalloc(s->arena, tagsets, sizeof(*s->tagsets));
	s->categories = arena_zalloc(s->arena, tags, sizeof(*s->categories));
	s->tags = arena_zalloc(s->arena, tags, sizeof(*s->tags));
	s->values = arena_zalloc(s->arena, values, sizeof(*s->values));
	s->class_at = arena_zalloc(s->work, classes, sizeof(struct xml_element *));
	s->tagset_at = arena_zalloc(s->work, tagsets, sizeof(struct xml_element *));
	s->tag_at = arena_zalloc(s->work, tags, sizeof(struct xml_element *));
	s->value_at = arena_zalloc(s->work, values, sizeof(struct xml_element *));
	s->value_encoding = arena_zalloc(s->work, values, sizeof(*s->value_encoding));
	s->index = vocab_index_new(s->arena, classes + tagsets + values);
	if (s->classes == NULL || s->tagsets == NULL || s->categories == NULL || s->tags == NULL ||
	    s->values == NULL || s->class_at == NULL || s->tagset_at == NULL || s->tag_at == NULL ||
	    s->value_at == NULL || s->value_encoding == NULL || s->index == NULL)
		return spif_no_memory(s);
	s->v.classes = s->classes;
	s->v.tagsets = s->tagsets;
	s->v.categories = s->categories;
	s->v.tags = s->tags;
	s->v.values = s->values;
	s->v.index = s->index;
	return true;
}

static bool
take_policy(struct spif *s)
{
	const struct xml_element *x = spif_next(s->root->child, "securityPolicyId");
	if (x == NULL)
		return spif_error(s, s->root, "securityPolicyId is missing");
	if (spif_next(x->next, "securityPolicyId") != NULL)
		return spif_error(s, x, "securityPolicyId stands twice");
	return take_name(s, x, &s->v.name) && take_remark(s, x, "id", &s->v.id) &&
	       take_remark(s, s->root, "version", &s->v.version) &&
	       take_remark(s, s->root, "schemaVersion", &s->v.schema) &&
	       take_remark(s, s->root, "creationDate", &s->v.created) &&
	       spif_marks(s, s->root, &s->v.marks) && spif_marks(s, x, &s->v.name_marks);
}

/* Each pass needs what the one before has found; inside a pass all faults are gathered. */
static bool
build(struct spif *s)
{
	if (!spif_shape(s) || !make_room(s))
		return false;
	bool ok = take_policy(s);
	ok = take_classes(s) && ok;
	ok = take_tagsets(s) && ok;
	return ok && make_masks(s) && spif_rules(s) && spif_groups(s) && spif_lint(s);
}

static bool
load(struct spif *s, struct bytes file, struct bytes spif, struct vocab **out)
{
	struct text_file f = { file, spif };
	s->v.spif = spif;
	s->v.releasability = VOCAB_NONE;
	if (!xml_parse(s->work, &f, LIMIT_SPIF_BYTES, s->errors, &s->root) || !build(s))
		return false;
	if (EVP_Digest(spif.data, spif.len, s->v.digest, NULL, EVP_sha256(), NULL) != 1)
		return text_error(s->errors, NULL, NULL, "SHA-256 failed");
	struct vocab *v = arena_zalloc(s->arena, 1, sizeof(*v));
	if (v == NULL)
		return spif_no_memory(s);
	*v = s->v;
	*out = v;
	return true;
}

bool
spif_load(struct arena *a, struct bytes file, struct bytes spif, struct text_errors *l,
    struct vocab **out)
{
	SCOPED(arena_done) struct arena work;
	struct spif s = { .arena = a, .work = &work, .errors = l };
	arena_init(&work, spif.len * WORK_FACTOR + WORK_EXTRA);
	return load(&s, file, spif, out);
}

bool
spif_check(struct arena *a, struct bytes file, struct bytes spif, struct text_errors *l,
    struct vocab **out)
{
	SCOPED(arena_done) struct arena work;
	struct spif s = { .arena = a, .work = &work, .errors = l, .warns = true };
	arena_init(&work, spif.len * WORK_FACTOR + WORK_EXTRA);
	return load(&s, file, spif, out);
}

#include "policy/label_xml.h"

#include "policy/label_xml_parts.h"

#define SHOWN(b) (int)((b).len < 100 ? (b).len : 100), (const char *)(b).data

struct reading {
	struct arena *arena;
	struct text_errors *errors;
	const struct vocab *vocab; /* NULL: not known here */
};

/* Element names are told by their local part; some writers begin them with a capital. */
static bool
is_element(const struct xml_element *x, const char *name)
{
	return x->name.len == strlen(name) && x->name.len != 0 &&
	       (x->name.data[0] | 0x20) == (name[0] | 0x20) &&
	       memcmp(x->name.data + 1, name + 1, x->name.len - 1) == 0;
}

static const struct xml_element *
find(const struct xml_element *x, const char *name)
{
	while (x != NULL && !is_element(x, name))
		x = x->next;
	return x;
}

/* The first element of that name in the tree, itself included; at most LIMIT_SPIF_DEPTH deep. */
static const struct xml_element *
find_deep(const struct xml_element *x, const char *name)
{
	if (is_element(x, name))
		return x;
	for (const struct xml_element *c = x->child; c != NULL; c = c->next) {
		const struct xml_element *found = find_deep(c, name);
		if (found != NULL)
			return found;
	}
	return NULL;
}

/* An error if a second element of that name stands in the tree: which one counts would be a guess,
 * and the lower one would be a leak. */
static bool
check_alone(struct reading *r, const struct xml_element *x, const struct xml_element *first)
{
	bool ok = true;
	if (x != first && bytes_equal(x->name, first->name))
		return text_error(r->errors, &x->pos, "give each label in a file of its own",
		    "a second '%.*s'", SHOWN(x->name));
	for (const struct xml_element *c = x->child; ok && c != NULL; c = c->next)
		ok = check_alone(r, c, first);
	return ok;
}

bool
label_xml_text(
    struct arena *a, struct text_errors *l, const struct xml_element *x, struct bytes *out)
{
	if (x->child != NULL)
		return text_error(l, &x->child->pos, NULL,
		    "an element inside '%.*s', which holds text", SHOWN(x->name));
	if (vocab_same_name(x->text, bytes_of("")))
		return text_error(l, &x->pos, NULL, "'%.*s' is empty", SHOWN(x->name));
	if (x->text.len > LIMIT_NAME_BYTES)
		return text_error(l, &x->pos, NULL, "'%.*s' is longer than %u bytes",
		    SHOWN(x->name), LIMIT_NAME_BYTES);
	return arena_copy(a, x->text, out, NULL) || text_error(l, NULL, NULL, "out of memory");
}

bool
label_xml_type(
    struct text_errors *l, const struct xml_element *x, struct bytes text, enum vocab_type *out)
{
	*out = 0;
	for (enum vocab_type k = VOCAB_RESTRICTIVE; k <= VOCAB_INFORMATIVE; k++)
		if (vocab_same_name(text, bytes_of(vocab_type_name(k))))
			*out = k;
	return *out != 0 || text_error(l, &x->pos, "RESTRICTIVE, PERMISSIVE or INFORMATIVE",
				"unknown Type '%.*s'", SHOWN(text));
}

bool
label_xml_policy(struct text_errors *l, const struct xml_element *x, const struct vocab *v)
{
	static const char scheme[] = "urn:oid:";
	const struct bytes *uri = xml_attribute(x, "URI");
	if (uri == NULL || v->id.len == 0)
		return true;
	struct bytes id = *uri;
	if (id.len > sizeof(scheme) - 1 && memcmp(id.data, scheme, sizeof(scheme) - 1) == 0)
		id = bytes_from(id.data + sizeof(scheme) - 1, id.len - (sizeof(scheme) - 1));
	return bytes_equal(id, v->id) ||
	       text_error(l, &x->pos, NULL,
		   "the policy is '%.*s' here, and urn:oid:%.*s in the SPIF of '%.*s'", SHOWN(*uri),
		   SHOWN(v->id), SHOWN(v->name));
}

/* The Type of a Category; 0 where it has none. */
static bool
take_type(struct reading *r, const struct xml_element *x, enum vocab_type *out)
{
	const struct bytes *t = xml_attribute(x, "Type");
	*out = 0;
	if (t != NULL)
		return label_xml_type(r->errors, x, *t, out);
	text_warning(r->errors, &x->pos, NULL, "a Category without Type");
	return true;
}

/* A value under a wrong type would be decided upon by another rule than its writer meant. */
static bool
check_type(struct reading *r, const struct xml_element *x, const struct raw_category *c,
    struct bytes value, enum vocab_type type)
{
	uint32_t tagset = r->vocab == NULL ? VOCAB_NONE : vocab_tagset(r->vocab, c->name);
	uint32_t n = tagset == VOCAB_NONE ? VOCAB_NONE : vocab_value(r->vocab, tagset, value);
	if (n == VOCAB_NONE || type == 0) /* unknown ones are label_resolve's */
		return true;
	enum vocab_type real = r->vocab->categories[r->vocab->values[n].category].type;
	return real == type ||
	       text_error(r->errors, &x->pos, NULL, "'%.*s' is %s in '%.*s', not %s", SHOWN(value),
		   vocab_type_name(real), SHOWN(r->vocab->name), vocab_type_name(type));
}

static size_t
count_children(const struct xml_element *x)
{
	size_t n = 0;
	for (x = x->child; x != NULL; x = x->next)
		n++;
	return n;
}

/* Adds the values of a Category to 'c', which has room. */
static bool
take_values(
    struct reading *r, const struct xml_element *x, struct raw_category *c, struct bytes *items)
{
	enum vocab_type type;
	bool ok = take_type(r, x, &type);
	for (const struct xml_element *v = x->child; v != NULL; v = v->next) {
		struct bytes text = { NULL, 0 };
		if (!is_element(v, "GenericValue")) {
			ok = text_error(r->errors, &v->pos, "GenericValue is read",
			    "element '%.*s' in a Category", SHOWN(v->name));
			continue;
		}
		if (!label_xml_text(r->arena, r->errors, v, &text) ||
		    !check_type(r, v, c, text, type)) {
			ok = false;
			continue;
		}
		items[c->values.count++] = text;
	}
	c->values.items = items;
	return ok;
}

/* Whether an earlier Category has the name of 'x' with another Type: one category to us, since
 * the vocabulary tells the types apart. */
static struct raw_category *
same_name(struct raw_category *all, size_t count, const struct xml_element *const *at,
    const struct xml_element *x)
{
	const struct bytes *type = xml_attribute(x, "Type");
	const struct bytes *name = xml_attribute(x, "TagName");
	for (size_t i = 0; i < count; i++) {
		const struct bytes *other = xml_attribute(at[i], "Type");
		if (vocab_same_name(all[i].name, *name) && type != NULL && other != NULL &&
		    !vocab_same_name(*type, *other))
			return &all[i];
	}
	return NULL;
}

static bool
take_categories(struct reading *r, const struct xml_element *info, struct raw_label *out)
{
	size_t room = count_children(info);
	struct raw_category *all = arena_zalloc(r->arena, room, sizeof(*all));
	const struct xml_element **at = arena_zalloc(r->arena, room, sizeof(struct xml_element *));
	if (all == NULL || at == NULL)
		return text_error(r->errors, NULL, NULL, "out of memory");
	bool ok = true;
	const struct xml_element *x = find(info->child, "Category");
	for (; x != NULL; x = find(x->next, "Category")) {
		const struct bytes *name = xml_attribute(x, "TagName");
		if (name == NULL) {
			ok = text_error(r->errors, &x->pos, NULL, "a Category without TagName");
			continue;
		}
		struct raw_category *c = same_name(all, out->category_count, at, x);
		size_t have = c == NULL ? 0 : c->values.count;
		struct bytes *items =
		    arena_zalloc(r->arena, have + count_children(x), sizeof(*items));
		if (items == NULL)
			return text_error(r->errors, NULL, NULL, "out of memory");
		if (c == NULL) {
			at[out->category_count] = x;
			c = &all[out->category_count++];
			if (!arena_copy(r->arena, *name, &c->name, NULL))
				return text_error(r->errors, NULL, NULL, "out of memory");
		} else if (have != 0) {
			memcpy(items, c->values.items, have * sizeof(*items));
		}
		ok = take_values(r, x, c, items) && ok;
	}
	out->categories = all;
	return ok;
}

static bool
take_information(struct reading *r, const struct vocab *const *set, size_t count,
    const struct xml_element *info, struct raw_label *out)
{
	const struct xml_element *policy = find(info->child, "PolicyIdentifier");
	const struct xml_element *class_ = find(info->child, "Classification");
	if (policy == NULL || class_ == NULL)
		return text_error(r->errors, &info->pos, NULL, "%s is missing",
		    policy == NULL ? "PolicyIdentifier" : "Classification");
	for (const struct xml_element *x = info->child; x != NULL; x = x->next) {
		if (is_element(x, "PrivacyMark"))
			text_warning(r->errors, &x->pos, NULL, "the PrivacyMark is left out");
		else if ((is_element(x, "PolicyIdentifier") && x != policy) ||
			 (is_element(x, "Classification") && x != class_))
			return text_error(
			    r->errors, &x->pos, NULL, "a second '%.*s'", SHOWN(x->name));
		else if (x != policy && x != class_ && !is_element(x, "Category"))
			return text_error(
			    r->errors, &x->pos, NULL, "unknown element '%.*s'", SHOWN(x->name));
	}
	if (!label_xml_text(r->arena, r->errors, policy, &out->vocabulary) ||
	    !label_xml_text(r->arena, r->errors, class_, &out->classification))
		return false;
	if (xml_attribute(policy, "URI") == NULL && xml_attribute(policy, "URL") != NULL)
		text_warning(r->errors, &policy->pos, NULL, "the attribute is called URI, not URL");
	r->vocab = vocab_find(set, count, out->vocabulary);
	if (r->vocab != NULL && !label_xml_policy(r->errors, policy, r->vocab))
		return false;
	return take_categories(r, info, out);
}

static const struct xml_element *
find_label(struct reading *r, const struct xml_element *root)
{
	const struct xml_element *x = find_deep(root, "originatorConfidentialityLabel");
	if (x == NULL) {
		x = find_deep(root, "alternativeConfidentialityLabel");
		if (x != NULL)
			text_warning(r->errors, &x->pos, NULL,
			    "an alternative label is read as the originator's");
	}
	if (x == NULL) {
		(void)text_error(
		    r->errors, &root->pos, NULL, "there is no originatorConfidentialityLabel");
		return NULL;
	}
	if (!bytes_is(x->ns, LABEL_XML_NAMESPACE))
		text_warning(r->errors, &x->pos, "xmlns=\"" LABEL_XML_NAMESPACE "\"",
		    "the label is not in the namespace of STANAG 4774");
	if (find(x->child, "CreationDateTime") == NULL)
		text_warning(r->errors, &x->pos, NULL, "CreationDateTime is missing");
	return x;
}

bool
label_xml_read(struct arena *a, const struct vocab *const *set, size_t count,
    const struct text_file *file, struct text_errors *l, struct raw_label *out)
{
	SCOPED(arena_done) struct arena work;
	arena_init(&work, file->source.len * 32 + (1 << 20));
	struct reading r = { .arena = a, .errors = l };
	struct raw_label label = { .category_count = 0 };
	const struct xml_element *root;
	if (!xml_parse(&work, file, LIMIT_LABEL_XML_BYTES, l, &root))
		return false;
	const struct xml_element *x = find_label(&r, root);
	const struct xml_element *info =
	    x == NULL ? NULL : find(x->child, "ConfidentialityInformation");
	if (x == NULL)
		return false;
	if (info == NULL)
		return text_error(l, &x->pos, NULL, "ConfidentialityInformation is missing");
	if (!check_alone(&r, root, x) || !check_alone(&r, x, info) ||
	    !take_information(&r, set, count, info, &label))
		return false;
	*out = label;
	return true;
}

#include "policy/clearance_xml.h"

#include "policy/label_xml.h"
#include "policy/label_xml_parts.h"

#define SHOWN(b) (int)((b).len < 100 ? (b).len : 100), (const char *)(b).data

struct reading {
	struct arena *arena; /* the clearance's */
	struct arena *work;  /* of this reading alone */
	struct text_errors *errors;
	const struct vocab *const *set;
	size_t count;
	struct clearance out;
};

static bool
is_ours(struct bytes ns)
{
	return bytes_is(ns, CLEARANCE_XML_NAMESPACE) || bytes_is(ns, LABEL_XML_NAMESPACE);
}

static bool
no_memory(struct reading *r)
{
	return text_error(r->errors, NULL, NULL, "out of memory");
}

/* Whether 'word' is one of the words of 'list'. */
static bool
listed(const char *list, struct bytes word)
{
	while (*list != 0) {
		size_t n = strcspn(list, " ");
		if (word.len == n && memcmp(list, word.data, n) == 0)
			return true;
		list += n + strspn(list + n, " ");
	}
	return false;
}

/* ---- form: which element holds which, with which attributes ---- */

static const struct shape {
	const char *element;
	const char *children;	/* separated by blanks; "": text alone */
	const char *attributes; /* those of other namespaces say nothing to us */
} shapes[] = {
	{ "ConfidentialityClearance", "PolicyIdentifier ClassificationList Category", "Id" },
	{ "PolicyIdentifier", "", "URI" },
	{ "ClassificationList", "Classification", "" },
	{ "Classification", "", "URI" },
	{ "Category", "GenericValue", "TagName Type URI" },
	{ "GenericValue", "", "" },
};

static const struct shape *
shape_of(struct bytes name)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (bytes_is(name, shapes[i].element))
			return &shapes[i];
	return NULL;
}

static bool
check_attributes(struct reading *r, const struct xml_element *x, const struct shape *s)
{
	for (size_t i = 0; i < x->attribute_count; i++) {
		const struct xml_attribute *t = &x->attributes[i];
		bool other = t->ns.data != NULL && !is_ours(t->ns);
		if (!other && !(t->ns.data == NULL && listed(s->attributes, t->name)))
			return text_error(r->errors, &x->pos,
			    "what is not understood might limit the clearance",
			    "%s: unknown attribute '%.*s'", s->element, SHOWN(t->name));
	}
	return true;
}

/* At most LIMIT_SPIF_DEPTH deep; what a 'Category' holds goes no deeper. */
static bool
check_form(struct reading *r, const struct xml_element *x, const struct shape *s)
{
	if (!check_attributes(r, x, s))
		return false;
	if (*s->children != 0 && !vocab_same_name(x->text, bytes_of("")))
		return text_error(
		    r->errors, &x->pos, NULL, "text in '%s', which holds elements", s->element);
	for (const struct xml_element *c = x->child; c != NULL && *s->children != 0; c = c->next) {
		if (!is_ours(c->ns))
			return text_error(r->errors, &c->pos,
			    "what is not understood might limit the clearance",
			    "element '%.*s' is in no namespace of STANAG 4774", SHOWN(c->name));
		if (!listed(s->children, c->name))
			return text_error(r->errors, &c->pos,
			    "what is not understood might limit the clearance",
			    "element '%.*s' cannot stand in %s", SHOWN(c->name), s->element);
		if (!check_form(r, c, shape_of(c->name)))
			return false;
	}
	return true;
}

static const struct xml_element *
find(const struct xml_element *x, const char *name)
{
	while (x != NULL && !bytes_is(x->name, name))
		x = x->next;
	return x;
}

/* The one child of that name. */
static bool
find_one(struct reading *r, const struct xml_element *root, const char *name,
    const struct xml_element **out)
{
	*out = find(root->child, name);
	if (*out == NULL)
		return text_error(r->errors, &root->pos, NULL, "%s is missing", name);
	const struct xml_element *second = find((*out)->next, name);
	return second == NULL || text_error(r->errors, &second->pos, NULL, "a second '%s'", name);
}

/* ---- meaning ---- */

static bool
take_policy(struct reading *r, const struct xml_element *root)
{
	const struct xml_element *x;
	const struct vocab *v;
	struct bytes name;
	struct err e = { 0 };
	if (!find_one(r, root, "PolicyIdentifier", &x) ||
	    !label_xml_text(r->work, r->errors, x, &name))
		return false;
	if (!vocab_need(r->set, r->count, name, &v, &e))
		return text_error_from(r->errors, &x->pos, &e);
	return label_xml_policy(r->errors, x, v) &&
	       (clearance_init(r->arena, v, &r->out, &e) || no_memory(r));
}

static bool
take_classes(struct reading *r, const struct xml_element *root)
{
	const struct xml_element *list;
	if (!find_one(r, root, "ClassificationList", &list))
		return false;
	if (list->child == NULL)
		return text_error(
		    r->errors, &list->pos, NULL, "without a Classification it clears nothing");
	for (const struct xml_element *x = list->child; x != NULL; x = x->next) {
		struct bytes name;
		struct err e = { 0 };
		uint32_t n;
		if (!label_xml_text(r->work, r->errors, x, &name))
			return false;
		if (!vocab_need_class(r->out.vocab, name, &n, &e))
			return text_error_from(r->errors, &x->pos, &e);
		clearance_add_class(&r->out, n);
	}
	return true;
}

/* A value under a wrong type would be decided upon by another rule than its writer meant. */
static bool
take_value(struct reading *r, const struct xml_element *x, uint32_t tagset, enum vocab_type type)
{
	const struct vocab *v = r->out.vocab;
	struct bytes name;
	if (!label_xml_text(r->work, r->errors, x, &name))
		return false;
	uint32_t n = vocab_value(v, tagset, name);
	if (n == VOCAB_NONE) {
		text_warning(r->errors, &x->pos, NULL, "unknown value '%.*s' in '%.*s' is dropped",
		    SHOWN(name), SHOWN(v->tagsets[tagset].name));
		return true;
	}
	enum vocab_type real = v->categories[v->values[n].category].type;
	if (real != type)
		return text_error(r->errors, &x->pos, NULL, "'%.*s' is %s in '%.*s', not %s",
		    SHOWN(name), vocab_type_name(real), SHOWN(v->name), vocab_type_name(type));
	clearance_add_value(&r->out, n);
	return true;
}

static bool
take_category(struct reading *r, const struct xml_element *x)
{
	const struct bytes *name = xml_attribute(x, "TagName");
	const struct bytes *type = xml_attribute(x, "Type");
	enum vocab_type t;
	if (name == NULL || type == NULL)
		return text_error(r->errors, &x->pos, NULL, "a Category without %s",
		    name == NULL ? "TagName" : "Type");
	if (!label_xml_type(r->errors, x, *type, &t))
		return false;
	uint32_t tagset = vocab_tagset(r->out.vocab, *name);
	if (tagset == VOCAB_NONE) {
		text_warning(r->errors, &x->pos, NULL,
		    "unknown category '%.*s' in '%.*s' is dropped", SHOWN(*name),
		    SHOWN(r->out.vocab->name));
		return true;
	}
	for (const struct xml_element *c = x->child; c != NULL; c = c->next)
		if (!take_value(r, c, tagset, t))
			return false;
	return true;
}

static bool
take_clearance(struct reading *r, const struct xml_element *root)
{
	static const char help[] = "xmlns=\"" CLEARANCE_XML_NAMESPACE "\"";
	if (!bytes_is(root->name, shapes[0].element) ||
	    !bytes_is(root->ns, CLEARANCE_XML_NAMESPACE))
		return text_error(r->errors, &root->pos, help,
		    "the root element is not ConfidentialityClearance of STANAG 4774");
	if (!check_form(r, root, &shapes[0]) || !take_policy(r, root) || !take_classes(r, root))
		return false;
	const struct xml_element *x = find(root->child, "Category");
	for (; x != NULL; x = find(x->next, "Category"))
		if (!take_category(r, x))
			return false;
	return true;
}

bool
clearance_xml_read(struct arena *a, const struct vocab *const *set, size_t count,
    const struct text_file *file, struct text_errors *l, struct clearance *out)
{
	SCOPED(arena_done) struct arena work;
	struct reading r = { .arena = a, .work = &work, .errors = l, .set = set, .count = count };
	const struct xml_element *root;
	arena_init(&work, file->source.len * 32 + (1 << 20));
	if (!xml_parse(&work, file, LIMIT_LABEL_XML_BYTES, l, &root) || !take_clearance(&r, root))
		return false;
	*out = r.out;
	return true;
}

#include "policy/xml.h"

#include <expat.h>
#include <stdlib.h>

#include "proto/dry.h"

/* No URI and no name can hold it, so it parts namespace and local name. */
#define PART '\n'
#define XML_NAMESPACE "http://www.w3.org/XML/1998/namespace"

struct node {
	struct xml_element element; /* first: a node is its element */
	struct node *up, *last_child;
	size_t text_cap;
};
struct build {
	uint32_t magic;
	struct arena *arena; /* NULL: only look whether it is well-formed */
	const struct text_file *file;
	struct text_errors *errors;
	XML_Parser parser;
	struct node *at, *root;
	unsigned depth;
	bool failed;
};
enum { BUILD_MAGIC = 0x786d6c31 };

static struct build *
build_of(void *data)
{
	struct build *b = data;
	if (b->magic != BUILD_MAGIC)
		abort();
	return b;
}

static struct text_pos
position(const struct build *b)
{
	return (struct text_pos){ b->file, (uint32_t)XML_GetCurrentLineNumber(b->parser),
		(uint32_t)XML_GetCurrentColumnNumber(b->parser) + 1 };
}

/* The first fault ends the parse. */
static void
stop(struct build *b, const char *help, const char *text)
{
	struct text_pos pos = position(b);
	if (!b->failed)
		(void)text_error(b->errors, &pos, help, "%s", text);
	b->failed = true;
	(void)XML_StopParser(b->parser, XML_FALSE);
}

static void
on_doctype(
    void *data, const XML_Char *name, const XML_Char *system, const XML_Char *public_, int internal)
{
	(void)name;
	(void)system;
	(void)public_;
	(void)internal;
	stop(build_of(data), "remove it: it could bring entities and other files into the text",
	    "a DOCTYPE is not allowed");
}

/* "uri PART local" or "local", copied. */
static bool
split(struct build *b, const XML_Char *full, struct bytes *ns, struct bytes *name)
{
	const char *part = strchr(full, PART);
	struct bytes whole;
	if (!arena_copy(b->arena, bytes_of(full), &whole, NULL))
		return false;
	size_t uri = part == NULL ? 0 : (size_t)(part - full);
	*ns = (struct bytes){ NULL, 0 };
	if (part != NULL)
		*ns = (struct bytes){ whole.data, uri };
	size_t local = part == NULL ? 0 : uri + 1;
	*name = (struct bytes){ whole.data + local, whole.len - local };
	return true;
}

static bool
copy_attributes(struct build *b, struct xml_element *x, const XML_Char **list)
{
	size_t count = 0;
	while (list[count * 2] != NULL)
		count++;
	struct xml_attribute *out = arena_zalloc(b->arena, count, sizeof(*out));
	if (out == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!split(b, list[i * 2], &out[i].ns, &out[i].name) ||
		    !arena_copy(b->arena, bytes_of(list[i * 2 + 1]), &out[i].value, NULL))
			return false;
	}
	x->attributes = out;
	x->attribute_count = count;
	return true;
}

static void
link_node(struct build *b, struct node *n)
{
	n->up = b->at;
	if (b->at == NULL) {
		b->root = n;
	} else {
		n->element.parent = &b->at->element;
		if (b->at->last_child == NULL)
			b->at->element.child = &n->element;
		else
			b->at->last_child->element.next = &n->element;
		b->at->last_child = n;
	}
	b->at = n;
}

static void
on_start(void *data, const XML_Char *name, const XML_Char **attributes)
{
	struct build *b = build_of(data);
	if (b->failed)
		return;
	if (++b->depth > LIMIT_SPIF_DEPTH) {
		stop(b, NULL, "elements are nested too deeply");
		return;
	}
	if (b->arena == NULL)
		return;
	struct node *n = arena_zalloc(b->arena, 1, sizeof(*n));
	if (n == NULL || !split(b, name, &n->element.ns, &n->element.name) ||
	    !copy_attributes(b, &n->element, attributes)) {
		stop(b, NULL, "out of memory: the document is too large");
		return;
	}
	n->element.pos = position(b);
	link_node(b, n);
}

static void
on_end(void *data, const XML_Char *name)
{
	struct build *b = build_of(data);
	(void)name;
	b->depth--;
	if (b->at != NULL)
		b->at = b->at->up;
}

static void
on_text(void *data, const XML_Char *text, int len)
{
	struct build *b = build_of(data);
	if (b->at == NULL || b->failed || len <= 0)
		return;
	struct node *n = b->at;
	size_t have = n->element.text.len;
	if (have + (size_t)len > n->text_cap) {
		size_t cap = (have + (size_t)len) * 2;
		uint8_t *grown = arena_alloc(b->arena, cap);
		if (grown == NULL) {
			stop(b, NULL, "out of memory: the document is too large");
			return;
		}
		if (have != 0)
			memcpy(grown, n->element.text.data, have);
		n->element.text.data = grown;
		n->text_cap = cap;
	}
	/* the arena's memory, which only 'element' calls constant */
	uint8_t *to = (uint8_t *)(uintptr_t)n->element.text.data;
	memcpy(to + have, text, (size_t)len);
	n->element.text.len = have + (size_t)len;
}

static bool
run(struct build *b)
{
	XML_Parser p = XML_ParserCreateNS(NULL, PART);
	if (p == NULL) {
		dry_note();
		return text_error(b->errors, NULL, NULL, "out of memory");
	}
	b->parser = p;
	XML_SetUserData(p, b);
	XML_SetStartDoctypeDeclHandler(p, on_doctype);
	XML_SetElementHandler(p, on_start, on_end);
	if (b->arena != NULL)
		XML_SetCharacterDataHandler(p, on_text);
	struct bytes s = b->file->source;
	const char *in = s.len == 0 ? "" : (const char *)s.data;
	if (XML_Parse(p, in, (int)s.len, XML_TRUE) != XML_STATUS_OK && !b->failed) {
		if (XML_GetErrorCode(p) == XML_ERROR_NO_MEMORY)
			dry_note(); /* no fault of the file */
		stop(b, NULL, XML_ErrorString(XML_GetErrorCode(p)));
	}
	XML_ParserFree(p);
	return !b->failed;
}

bool
xml_parse(struct arena *a, const struct text_file *file, size_t max, struct text_errors *l,
    const struct xml_element **out)
{
	struct text_pos whole = { file, 0, 0 };
	if (file->source.len > max || file->source.len > INT32_MAX)
		return text_error(l, &whole, NULL, "larger than %zu bytes", max);
	struct build look = { .magic = BUILD_MAGIC, .file = file, .errors = l };
	struct build build = { .magic = BUILD_MAGIC, .arena = a, .file = file, .errors = l };
	if (!run(&look) || !run(&build))
		return false;
	*out = &build.root->element;
	return true;
}

const struct bytes *
xml_attribute(const struct xml_element *x, const char *name)
{
	for (size_t i = 0; i < x->attribute_count; i++)
		if (x->attributes[i].ns.data == NULL && bytes_is(x->attributes[i].name, name))
			return &x->attributes[i].value;
	return NULL;
}

struct bytes
xml_lang(const struct xml_element *x)
{
	for (size_t i = 0; i < x->attribute_count; i++)
		if (bytes_is(x->attributes[i].ns, XML_NAMESPACE) &&
		    bytes_is(x->attributes[i].name, "lang"))
			return x->attributes[i].value;
	return (struct bytes){ NULL, 0 };
}

#include "client/cli/label_arg.h"

#include <jansson.h>
#include <string.h>

#include "client/cli/files.h"
#include "policy/label_xml.h"
#include "policy/marking.h"

static void
free_json(json_t *o)
{
	json_decref(o);
}

SCOPED_FOR(json_t, free_json)

static bool
no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "label");
}

static bool
take_text(struct arena *a, const json_t *v, const char *what, struct bytes *out, struct err *e)
{
	if (!json_is_string(v))
		return err_set(e, ERR_DATA, "%s is missing or no string", what);
	return arena_copy(a, bytes_from(json_string_value(v), json_string_length(v)), out, e);
}

static bool
take_values(struct arena *a, const json_t *list, struct names *out, struct err *e)
{
	size_t count = json_array_size(list); /* 0 of what is no array */
	struct bytes *items = arena_zalloc(a, count, sizeof(*items));
	if (items == NULL)
		return no_memory(e);
	if (!json_is_array(list))
		return err_set(e, ERR_DATA, "the values of a category are no list");
	for (size_t i = 0; i < count; i++)
		if (!take_text(a, json_array_get(list, i), "a value", &items[i], e))
			return false;
	*out = (struct names){ items, count };
	return true;
}

static bool
take_categories(struct arena *a, json_t *o, struct raw_label *out, struct err *e)
{
	struct raw_category *list = arena_zalloc(a, json_object_size(o), sizeof(*list));
	const char *key;
	size_t len;
	json_t *values;
	if (list == NULL)
		return no_memory(e);
	if (o != NULL && !json_is_object(o))
		return err_set(e, ERR_DATA, "categories is no object");
	json_object_keylen_foreach(o, key, len, values)
	{
		struct raw_category *c = &list[out->category_count++];
		if (!arena_copy(a, bytes_from(key, len), &c->name, e) ||
		    !take_values(a, values, &c->values, e))
			return false;
	}
	out->categories = list;
	return true;
}

static bool
from_json(struct arena *a, const char *arg, struct raw_label *out, struct err *e)
{
	json_error_t why;
	struct raw_label l = { .category_count = 0 };
	SCOPED(free_json)
	json_t *o = json_loads(arg, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	if (o == NULL)
		return err_set(e, ERR_DATA, "the label is no JSON: %s", why.text);
	json_t *categories = json_object_get(o, "categories");
	size_t known = 2 + (categories != NULL);
	if (!take_text(a, json_object_get(o, "vocabulary"), "vocabulary", &l.vocabulary, e) ||
	    !take_text(
		a, json_object_get(o, "classification"), "classification", &l.classification, e) ||
	    !take_categories(a, categories, &l, e))
		return false;
	if (json_object_size(o) != known)
		return err_set(e, ERR_DATA,
		    "a label has vocabulary, classification and categories, and no other member");
	*out = l;
	return true;
}

static bool
from_xml(const struct label_arg *with, const char *path, struct raw_label *out, struct err *e)
{
	struct text_file *f = arena_zalloc(with->arena, 1, sizeof(*f));
	if (f == NULL)
		return no_memory(e);
	f->name = bytes_of(path);
	if (!files_read(path, with->arena, &f->source, e))
		return false;
	if (label_xml_read(with->arena, with->set, with->count, f, with->warnings, out))
		return true;
	return text_errors_to_err(with->warnings, ERR_DATA, e);
}

bool
label_arg_read(const struct label_arg *with, const char *arg, struct raw_label *out, struct err *e)
{
	size_t len = strlen(arg);
	if (arg[strspn(arg, " \t\r\n")] == '{')
		return from_json(with->arena, arg, out, e);
	if (len > 4 && strcmp(arg + len - 4, ".xml") == 0)
		return from_xml(with, arg, out, e);
	return marking_read(with->arena, with->set, with->count, bytes_of(arg), out, e);
}

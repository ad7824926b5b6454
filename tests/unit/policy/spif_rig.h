/* spif_rig.h - small SPIFs written in tests, and labels in them. */
#pragma once
#include "policy/clearance.h"
#include "policy/marking.h"
#include "policy/spif.h"
#include "tests/lib/slurp.h"

#define SPIF_HEAD "<SPIF xmlns=\"http://www.xmlspif.org/spif\" schemaVersion=\"2.1\">"
#define SPIF_POLICY "<securityPolicyId name=\"P\" id=\"1.2\"/>"
#define SPIF_CLASSES \
	"<securityClassifications>" \
	"<securityClassification name=\"LOW\" lacv=\"1\" hierarchy=\"10\"/>" \
	"<securityClassification name=\"HIGH\" lacv=\"2\" hierarchy=\"20\"/>" \
	"<securityClassification name=\"OLD\" lacv=\"3\" hierarchy=\"15\" obsolete=\"true\"/>" \
	"</securityClassifications>"
/* A SPIF whose tag sets are 'sets'. */
#define SPIF_OF(sets) \
	SPIF_HEAD SPIF_POLICY SPIF_CLASSES "<securityCategoryTagSets>" sets \
					   "</securityCategoryTagSets></SPIF>"
#define TAGSET(name, tags) \
	"<securityCategoryTagSet name=\"" name "\" id=\"1\">" tags "</securityCategoryTagSet>"
#define TAG(attributes, values) \
	"<securityCategoryTag name=\"t\" " attributes ">" values "</securityCategoryTag>"
#define VALUE(name, lacv) "<tagCategory name=\"" name "\" lacv=\"" lacv "\"/>"
#define VALUE_WITH(name, lacv, inner) \
	"<tagCategory name=\"" name "\" lacv=\"" lacv "\">" inner "</tagCategory>"
#define PERMISSIVE "tagType=\"permissive\""
#define RESTRICTIVE "tagType=\"restrictive\""
#define INFORMATIVE "tagType=\"tagType7\""

static struct arena spif_arena;
static struct text_errors spif_errors;

static inline int
spif_set_up(void **state)
{
	(void)state;
	arena_init(&spif_arena, 64 << 20);
	text_errors_init(&spif_errors);
	return 0;
}

static inline int
spif_tear_down(void **state)
{
	(void)state;
	text_errors_done(&spif_errors);
	arena_done(&spif_arena);
	return 0;
}

static inline struct vocab *
spif_ok(const char *text)
{
	struct vocab *v = NULL;
	bool ok = spif_check(&spif_arena, bytes_of("p.xml"), bytes_of(text), &spif_errors, &v);
	if (!ok)
		print_message("%s", text_errors_format(&spif_errors, &spif_arena));
	assert_true(ok);
	return v;
}

static inline struct vocab *
spif_shipped(const char *name)
{
	char path[256];
	(void)snprintf(path, sizeof(path), "policy/vocab/%s.spif.xml", name);
	struct bytes b = slurp(&spif_arena, path);
	assert_non_null(b.data);
	struct vocab *v = NULL;
	size_t before = spif_errors.warning_count;
	bool ok = spif_check(&spif_arena, bytes_of(name), b, &spif_errors, &v);
	if (!ok || spif_errors.warning_count != before)
		print_message("%s", text_errors_format(&spif_errors, &spif_arena));
	assert_true(ok);
	assert_int_equal(spif_errors.warning_count, before);
	return v;
}

/*
 * A raw label from "CLASS" and "Set: value, value; Set: value".
 */
static inline struct raw_label
raw_of(const struct vocab *v, const char *class_, const char *text)
{
	struct raw_category *c = arena_zalloc(&spif_arena, 64, sizeof(*c));
	struct raw_label raw = { v->name, bytes_of(class_), c, 0 };
	while (*text != 0) {
		size_t n = strcspn(text, ":");
		struct bytes *items = arena_zalloc(&spif_arena, 600, sizeof(*items));
		struct raw_category *to = &c[raw.category_count++];
		*to = (struct raw_category){ bytes_from(text, n), { items, 0 } };
		text += n + 1;
		while (*text != 0 && *text != ';') {
			text += strspn(text, " ,");
			size_t len = strcspn(text, ",;");
			if (len != 0)
				items[to->values.count++] = bytes_from(text, len);
			text += len;
		}
		text += strspn(text, "; ");
	}
	return raw;
}

static inline struct label
label_of(const struct vocab *v, const char *class_, const char *text)
{
	struct raw_label raw = raw_of(v, class_, text);
	struct label l = { NULL, 0, NULL };
	struct err e = { 0 };
	bool ok = label_resolve(&spif_arena, v, &raw, &l, &e);
	if (!ok)
		print_message("%s\n", e.text);
	assert_true(ok);
	return l;
}

static inline void
label_is_refused(const struct vocab *v, const char *class_, const char *text, const char *why)
{
	struct raw_label raw = raw_of(v, class_, text);
	struct label l;
	struct err e = { 0 };
	assert_false(label_resolve(&spif_arena, v, &raw, &l, &e));
	assert_string_equal(e.text, why);
}

static inline void
label_is_valid(const struct vocab *v, const char *class_, const char *text)
{
	struct label l = label_of(v, class_, text);
	struct err e = { 0 };
	bool ok = label_check(&l, 0, &e);
	if (!ok)
		print_message("%s\n", e.text);
	assert_true(ok);
}

static inline void
label_breaks(const struct vocab *v, const char *class_, const char *text, const char *why)
{
	struct label l = label_of(v, class_, text);
	struct err e = { 0 };
	assert_false(label_check(&l, 0, &e));
	assert_int_equal(e.code, ERR_INVALID_LABEL);
	assert_string_equal(e.text, why);
}

#include "policy/vocab.h"

#include "policy/vocab_parts.h"

enum { NEAREST_OF = 512 }; /* names that an error looks at: a peer can cause it */

/* ---- names ---- */

static bool
is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Writes the folded form, which is never longer than the name; returns its length. */
static size_t
fold(struct bytes name, uint8_t *to)
{
	size_t n = 0;
	bool space = false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];
		if (is_space(c)) {
			space = n != 0;
			continue;
		}
		if (space)
			to[n++] = ' ';
		space = false;
		to[n++] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
	}
	return n;
}

/* The next folded byte of a name, or -1 at its end. */
static int
next_folded(struct bytes *name, bool *started)
{
	size_t i = 0;
	while (i < name->len && is_space(name->data[i]))
		i++;
	if (i == name->len)
		return -1;
	if (i != 0 && *started) {
		*name = (struct bytes){ name->data + i, name->len - i };
		return ' ';
	}
	uint8_t c = name->data[i];
	*name = (struct bytes){ name->data + i + 1, name->len - i - 1 };
	*started = true;
	return c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c;
}

bool
vocab_same_name(struct bytes a, struct bytes b)
{
	bool started_a = false;
	bool started_b = false;
	for (;;) {
		int x = next_folded(&a, &started_a);
		int y = next_folded(&b, &started_b);
		if (x != y)
			return false;
		if (x < 0)
			return true;
	}
}

bool
vocab_fold(struct arena *a, struct bytes name, struct bytes *out, struct err *e)
{
	uint8_t *to = arena_alloc(a, name.len + 1);
	if (to == NULL)
		return err_set(e, ERR_NOMEM, "name of %zu bytes", name.len);
	size_t n = fold(name, to);
	to[n] = 0;
	*out = (struct bytes){ to, n };
	return true;
}

/* ---- the index ---- */

static uint32_t
hash(uint32_t scope, struct bytes folded)
{
	uint64_t h =
	    UINT64_C(0xcbf29ce484222325) ^ scope; /* FNV-1a: the names are the operator's */
	for (size_t i = 0; i < folded.len; i++)
		h = (h ^ folded.data[i]) * UINT64_C(0x100000001b3);
	return (uint32_t)(h ^ h >> 32);
}

struct vocab_index *
vocab_index_new(struct arena *a, size_t count)
{
	uint32_t size = 16;
	while (size < count * 2 + 1)
		size *= 2;
	struct vocab_index *x = arena_zalloc(a, 1, sizeof(*x));
	struct vocab_entry *entries = arena_zalloc(a, size, sizeof(*entries));
	if (x == NULL || entries == NULL)
		return NULL;
	for (uint32_t i = 0; i < size; i++)
		entries[i].number = VOCAB_NONE;
	*x = (struct vocab_index){ entries, size - 1 };
	return x;
}

/* The entry of a folded name, or the free one where it belongs. */
static struct vocab_entry *
seek(const struct vocab_index *x, uint32_t scope, struct bytes folded)
{
	uint32_t i = hash(scope, folded) & x->mask;
	for (;; i = (i + 1) & x->mask) {
		struct vocab_entry *n = &x->entries[i];
		if (n->number == VOCAB_NONE ||
		    (n->scope == scope && bytes_equal(n->folded, folded)))
			return n;
	}
}

bool
vocab_index_add(struct arena *a, struct vocab_index *x, uint32_t scope, struct bytes name,
    uint32_t number, uint32_t *taken)
{
	struct bytes folded;
	if (!vocab_fold(a, name, &folded, NULL))
		return false;
	struct vocab_entry *n = seek(x, scope, folded);
	*taken = n->number;
	if (n->number == VOCAB_NONE)
		*n = (struct vocab_entry){ scope, number, folded };
	return true;
}

uint32_t
vocab_index_find(const struct vocab_index *x, uint32_t scope, struct bytes name)
{
	uint8_t text[LIMIT_NAME_BYTES];
	if (name.len > sizeof(text))
		return VOCAB_NONE; /* spif_load takes no longer ones */
	struct bytes folded = { text, fold(name, text) };
	return seek(x, scope, folded)->number;
}

uint32_t
vocab_class(const struct vocab *v, struct bytes name)
{
	return vocab_index_find(v->index, VOCAB_SCOPE_CLASS, name);
}

uint32_t
vocab_tagset(const struct vocab *v, struct bytes name)
{
	return vocab_index_find(v->index, VOCAB_SCOPE_TAGSET, name);
}

uint32_t
vocab_value(const struct vocab *v, uint32_t tagset, struct bytes name)
{
	return vocab_index_find(v->index, VOCAB_SCOPE_VALUES + tagset, name);
}

/* ---- the same, with a story ---- */

#define SHOWN(b) (int)((b).len < 100 ? (b).len : 100), (const char *)(b).data

/* "unknown WHAT 'name' in 'where'; did you mean 'near'?" */
static bool
unknown(struct err *e, const char *what, struct bytes name, struct bytes where,
    const struct bytes *known, size_t count)
{
	ptrdiff_t i = text_nearest(name, known, count);
	if (i < 0)
		return err_set(e, ERR_INVALID_LABEL, "unknown %s '%.*s' in '%.*s'", what,
		    SHOWN(name), SHOWN(where));
	return err_set(e, ERR_INVALID_LABEL, "unknown %s '%.*s' in '%.*s'; did you mean '%.*s'?",
	    what, SHOWN(name), SHOWN(where), SHOWN(known[i]));
}

bool
vocab_need_class(const struct vocab *v, struct bytes name, uint32_t *out, struct err *e)
{
	uint32_t n = vocab_class(v, name);
	if (n != VOCAB_NONE) {
		*out = n;
		return true;
	}
	struct bytes known[LIMIT_SPIF_CLASSES];
	for (uint32_t i = 0; i < v->class_count; i++)
		known[i] = v->classes[i].name;
	return unknown(e, "classification", name, v->name, known, v->class_count);
}

bool
vocab_need_tagset(const struct vocab *v, struct bytes name, uint32_t *out, struct err *e)
{
	uint32_t n = vocab_tagset(v, name);
	if (n != VOCAB_NONE) {
		*out = n;
		return true;
	}
	struct bytes known[NEAREST_OF];
	uint32_t count = 0;
	for (; count < v->tagset_count && count < NEAREST_OF; count++)
		known[count] = v->tagsets[count].name;
	return unknown(e, "category", name, v->name, known, count);
}

bool
vocab_need_value(
    const struct vocab *v, uint32_t tagset, struct bytes name, uint32_t *out, struct err *e)
{
	uint32_t n = vocab_value(v, tagset, name);
	if (n != VOCAB_NONE) {
		*out = n;
		return true;
	}
	struct bytes known[NEAREST_OF];
	uint32_t count = 0;
	for (uint32_t i = 0; i < v->value_count && count < NEAREST_OF; i++)
		if (v->values[i].tagset == tagset)
			known[count++] = v->values[i].name;
	return unknown(e, "value", name, v->tagsets[tagset].name, known, count);
}

const struct vocab *
vocab_find(const struct vocab *const *set, size_t count, struct bytes name)
{
	for (size_t i = 0; i < count; i++)
		if (vocab_same_name(set[i]->name, name))
			return set[i];
	return NULL;
}

bool
vocab_need(const struct vocab *const *set, size_t count, struct bytes name,
    const struct vocab **out, struct err *e)
{
	const struct vocab *v = vocab_find(set, count, name);
	if (v != NULL) {
		*out = v;
		return true;
	}
	struct bytes known[NEAREST_OF];
	size_t n = count < NEAREST_OF ? count : NEAREST_OF;
	for (size_t i = 0; i < n; i++)
		known[i] = set[i]->name;
	ptrdiff_t near = text_nearest(name, known, n);
	if (near < 0)
		return err_set(e, ERR_INVALID_LABEL, "unknown vocabulary '%.*s'", SHOWN(name));
	return err_set(e, ERR_INVALID_LABEL, "unknown vocabulary '%.*s'; did you mean '%.*s'?",
	    SHOWN(name), SHOWN(known[near]));
}

/* ---- questions ---- */

bool
vocab_set_releasability(struct vocab *v, struct bytes tagset, struct err *e)
{
	uint32_t t = VOCAB_NONE;
	if (!vocab_need_tagset(v, tagset, &t, e)) {
		if (e != NULL)
			e->code = ERR_POLICY;
		return false;
	}
	uint32_t c = v->tagsets[t].category[VOCAB_PERMISSIVE];
	if (c == VOCAB_NONE)
		return err_set(e, ERR_POLICY, "category '%.*s' of '%.*s' has no permissive tag",
		    SHOWN(tagset), SHOWN(v->name));
	v->releasability = c;
	return true;
}

uint64_t
vocab_up_to(const struct vocab *v, uint32_t class_)
{
	uint64_t set = 0;
	for (uint32_t i = 0; i < v->class_count; i++)
		if (v->classes[i].hierarchy <= v->classes[class_].hierarchy)
			set |= UINT64_C(1) << i;
	return set;
}

uint64_t
vocab_from(const struct vocab *v, uint32_t class_)
{
	uint64_t set = 0;
	for (uint32_t i = 0; i < v->class_count; i++)
		if (v->classes[i].hierarchy >= v->classes[class_].hierarchy)
			set |= UINT64_C(1) << i;
	return set;
}

bool
vocab_value_current(const struct vocab *v, uint32_t value, uint64_t time)
{
	const struct vocab_value *x = &v->values[value];
	return !x->obsolete && time >= x->not_before && time <= x->not_after;
}

const char *
vocab_type_name(enum vocab_type t)
{
	switch (t) {
	case VOCAB_RESTRICTIVE:
		return "restrictive";
	case VOCAB_PERMISSIVE:
		return "permissive";
	case VOCAB_INFORMATIVE:
		return "informative";
	}
	return "unknown";
}

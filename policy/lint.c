#include "policy/lint.h"

#include "policy/lint_parts.h"

enum {
	SOON_DAYS = 30,
	QUESTIONS = 50000 /* about a second; more are not decided */
};

const char *
lint_name(enum lint l)
{
	static const char *const names[LINT_COUNT] = {
#define L(name, token, text) token,
#include "policy/lint.def"
#undef L
	};
	return names[l];
}

static const struct text_statement *
find(const struct text_block *b, const char *keyword, struct bytes name)
{
	for (size_t i = 0; i < b->count; i++)
		if (bytes_is(b->items[i].name, keyword) && b->items[i].value_count > 0 &&
		    b->items[i].values[0].kind != TEXT_LIST &&
		    bytes_equal(b->items[i].values[0].text, name))
			return &b->items[i];
	return NULL;
}

const struct text_pos *
lint_place(const struct text_block *b, const char *keyword, struct bytes name)
{
	const struct text_statement *s = find(b, keyword, name);
	return s == NULL ? &b->end : &s->pos;
}

/* ---- agreements that end soon ---- */

static void
lint_end(const struct lint_case *c)
{
	const uint64_t day = UINT64_C(86400) * 1000000;
	const struct text_statement *s = text_find(&c->statement->block, "valid");
	const struct agreement *of = c->of;
	if (of->state != STATE_IN_FORCE || of->valid_until > c->linter->at + SOON_DAYS * day)
		return;
	struct bytes last = s == NULL || s->value_count < 4 ? bytes_of("?") : s->values[3].text;
	bool over = of->valid_until <= c->linter->at;
	text_warning_named(c->linter->warnings, lint_name(LINT_EXPIRES_SOON),
	    s == NULL ? &c->statement->pos : &s->pos,
	    over ? "state terminated, or agree on a new version"
		 : "agree on a new version in time, or let it end",
	    "agreement '%.*s' %s: its last day %s %.*s", SHOWN(of->name),
	    over ? "has ended" : "ends soon", over ? "was" : "is", SHOWN(last));
}

/* ---- equivalences with gaps ---- */

/* A classification between two that are mapped. */
static const struct vocab_class *
hole(const struct label_map *m)
{
	const struct vocab_class *k = m->from->classes;
	for (uint32_t x = 0; x < m->from->class_count; x++) {
		bool below = false, above = false;
		for (uint32_t y = 0; y < m->from->class_count; y++) {
			if (m->classes[y] == VOCAB_NONE)
				continue;
			below = below || k[y].hierarchy < k[x].hierarchy;
			above = above || k[y].hierarchy > k[x].hierarchy;
		}
		if (m->classes[x] == VOCAB_NONE && !k[x].obsolete && below && above)
			return &k[x];
	}
	return NULL;
}

/* A restrictive value of a category of which others are mapped. */
static const struct vocab_value *
left_out(const struct label_map *m)
{
	const struct vocab *v = m->from;
	for (uint32_t x = 0; x < v->value_count; x++) {
		if (m->values[x] != VOCAB_NONE || v->values[x].obsolete ||
		    v->categories[v->values[x].category].type != VOCAB_RESTRICTIVE)
			continue;
		for (uint32_t y = 0; y < v->value_count; y++)
			if (m->values[y] != VOCAB_NONE &&
			    v->values[y].category == v->values[x].category)
				return &v->values[x];
	}
	return NULL;
}

static bool
maps_any(const uint32_t *map, uint32_t count, const uint64_t *mask)
{
	for (uint32_t i = 0; i < count; i++)
		if (map[i] != VOCAB_NONE && (mask == NULL || vocab_has(mask, i)))
			return true;
	return false;
}

/* Without one of these entries no label can pass at all. */
static const char *
lacks_all(const struct agreement *of, const struct label_map *m)
{
	const struct vocab *v = m->from;
	if (!maps_any(m->classes, v->class_count, NULL))
		return "classification";
	if (!of->unmarked_labels && v->releasability != VOCAB_NONE &&
	    !maps_any(m->values, v->value_count, v->categories[v->releasability].mask))
		return "value of the releasability category";
	return NULL;
}

static void
lint_gap(const struct lint_case *c, const struct label_map *m)
{
	const struct text_pos *pos = lint_place(&c->statement->block, "equivalence", m->from->name);
	const char *name = lint_name(LINT_EQUIVALENCE_GAP);
	const char *all = lacks_all(c->of, m);
	const struct vocab_class *class_ = hole(m);
	const struct vocab_value *value = left_out(m);
	if (all != NULL)
		text_warning_named(c->linter->warnings, name, pos,
		    "map one, or remove the equivalence",
		    "the equivalence maps no %s: no label of '%.*s' passes", all,
		    SHOWN(m->from->name));
	if (class_ != NULL)
		text_warning_named(c->linter->warnings, name, pos,
		    "map it, or none of those above it",
		    "'%.*s' has no entry, and classifications below and above it have",
		    SHOWN(class_->name));
	if (value != NULL)
		text_warning_named(c->linter->warnings, name, pos,
		    "map it, or none of its category",
		    "'%.*s' of '%.*s' has no entry, and others of its category have",
		    SHOWN(value->name), SHOWN(m->from->tagsets[value->tagset].name));
}

/* ---- all ---- */

static bool
lint_agreement(struct linter *l, const struct agreement *of)
{
	size_t questions = QUESTIONS;
	struct lint_case c = { l, of, find(l->top, "agreement", of->name), { NULL, 0, NULL, false },
		&questions };
	if (c.statement == NULL || of->state == STATE_TERMINATED)
		return true;
	if (!situations_of(l->arena, of, &c.situations))
		return false;
	lint_end(&c);
	for (size_t i = 0; i < of->equivalence_count; i++)
		lint_gap(&c, &of->equivalences[i].map);
	lint_members(&c);
	lint_approvers(&c);
	lint_rules(&c);
	return true;
}

bool
lint_policy(const struct epoch *e, const struct text_block *top, uint64_t at,
    struct text_errors *warnings, struct text_errors *open)
{
	struct linter l = { e, top, at, warnings, open, NULL };
	if (!lint_alike(&l))
		return false;
	for (size_t i = 0; i < epoch_agreement_count(e); i++) {
		struct arena arena; /* situations of one are nothing to the next */
		arena_init(&arena, (size_t)256 << 20);
		l.arena = &arena;
		bool ok = lint_agreement(&l, epoch_agreement_at(e, i));
		arena_done(&arena);
		if (!ok)
			return false;
	}
	return true;
}

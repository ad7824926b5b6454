/* Changes of the report: a value of a label, its classification, the precedence, the mode. */
#include "policy/marking.h"
#include "policy/remedy_try.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

enum { REPLACE_MAX = 4 }; /* values of a label that are tried against every other of their tag */

/* One label of the report, and what may become of it. */
struct relabel {
	struct attempt *t;
	size_t index;
	struct label is;
	uint64_t *changed; /* room for another set of values */
};

static bool
no_memory(struct attempt *t)
{
	return err_set(t->err, ERR_NOMEM, "changes");
}

/* The report with another label in that place, in 'a'. */
static bool
make_report(const struct relabel *x, const struct label *l, struct arena *a, struct facts *f)
{
	struct attempt *t = x->t;
	const struct fact_portion *old = &t->q->ask->facts->portions[0];
	struct raw_label *labels = arena_zalloc(a, old->label_count, sizeof(*labels));
	struct fact_portion *portion = arena_zalloc(a, 1, sizeof(*portion));
	if (labels == NULL || portion == NULL)
		return no_memory(t);
	memcpy(labels, old->labels, old->label_count * sizeof(*labels));
	if (!marking_raw(a, l, &labels[x->index], t->err))
		return false;
	*portion = (struct fact_portion){ labels, old->label_count, old->content_type };
	*f = *t->q->ask->facts;
	f->portions = portion;
	return true;
}

/* Whether it goes so; most do not, and leave nothing behind. */
static bool
judge_label(const struct relabel *x, const struct label *l, bool *goes)
{
	struct arena scratch;
	struct facts f;
	arena_init(&scratch, SIZE_MAX);
	bool ok = make_report(x, l, &scratch, &f) && remedy_judge(x->t, &f, goes);
	arena_done(&scratch);
	return ok;
}

static bool
keep_label(const struct relabel *x, const struct label *l, struct remedy *r, const char *text)
{
	struct facts f;
	if (text == NULL)
		return no_memory(x->t);
	r->text = bytes_of(text);
	return make_report(x, l, x->t->arena, &f) && remedy_keep(x->t, &f, r);
}

static struct bytes
value_name(const struct relabel *x, uint32_t value)
{
	return x->is.vocab->values[value].name;
}

static struct bytes
category_name(const struct relabel *x, uint32_t value)
{
	return x->is.vocab->tagsets[x->is.vocab->values[value].tagset].name;
}

static const char *
say_values(const struct relabel *x, uint32_t drop, uint32_t add)
{
	struct arena *a = x->t->arena;
	if (drop == VOCAB_NONE)
		return arena_printf(a, "label %zu: add %.*s to %.*s", x->index + 1,
		    SHOWN(value_name(x, add)), SHOWN(category_name(x, add)));
	if (add == VOCAB_NONE)
		return arena_printf(a, "label %zu: without %.*s in %.*s", x->index + 1,
		    SHOWN(value_name(x, drop)), SHOWN(category_name(x, drop)));
	return arena_printf(a, "label %zu: %.*s instead of %.*s in %.*s", x->index + 1,
	    SHOWN(value_name(x, add)), SHOWN(value_name(x, drop)), SHOWN(category_name(x, drop)));
}

/* The label without 'drop', with 'add'; either may be VOCAB_NONE.  *goes may be NULL. */
static bool
try_change(const struct relabel *x, uint32_t drop, uint32_t add, bool *goes)
{
	const struct vocab *v = x->is.vocab;
	struct label l = { v, x->is.classification, x->changed };
	struct remedy r = { .kind = REMEDY_LABEL_VALUE };
	bool released;
	for (uint32_t w = 0; w < v->words; w++)
		x->changed[w] = x->is.values[w];
	if (drop != VOCAB_NONE)
		x->changed[drop / 64] &= ~(UINT64_C(1) << (drop % 64));
	if (add != VOCAB_NONE)
		vocab_put(x->changed, add);
	if (!judge_label(x, &l, &released))
		return false;
	if (goes != NULL)
		*goes = released;
	return !released || keep_label(x, &l, &r, say_values(x, drop, add));
}

/* Every value of the tag in place of this one, where neither adding it nor dropping this one
 * suffices. */
static bool
try_instead(struct relabel *x, uint32_t drop, const bool *added)
{
	const struct vocab *v = x->is.vocab;
	for (uint32_t i = 0; i < v->value_count; i++)
		if (v->values[i].tag == v->values[drop].tag && !vocab_has(x->is.values, i) &&
		    !added[i] && !try_change(x, drop, i, NULL))
			return false;
	return true;
}

static bool
try_values(struct relabel *x)
{
	const struct vocab *v = x->is.vocab;
	bool *goes = arena_zalloc(x->t->arena, v->value_count, sizeof(*goes));
	uint32_t on_label = 0;
	if (goes == NULL)
		return no_memory(x->t);
	for (uint32_t i = 0; i < v->value_count; i++) {
		bool has = vocab_has(x->is.values, i);
		on_label += has;
		if (!try_change(x, has ? i : VOCAB_NONE, has ? VOCAB_NONE : i, &goes[i]))
			return false;
	}
	for (uint32_t i = 0; i < v->value_count && on_label <= REPLACE_MAX; i++)
		if (vocab_has(x->is.values, i) && !goes[i] && !try_instead(x, i, goes))
			return false;
	return true;
}

/* How many classifications lie between the two, by hierarchy. */
static unsigned
steps(const struct vocab *v, uint32_t a, uint32_t b)
{
	uint64_t between = (vocab_up_to(v, a) ^ vocab_up_to(v, b));
	unsigned n = 0;
	for (; between != 0; between &= between - 1)
		n++;
	return n;
}

static bool
try_classes(const struct relabel *x)
{
	const struct vocab *v = x->is.vocab;
	uint32_t now = x->is.classification;
	for (uint32_t i = 0; i < v->class_count; i++) {
		struct label l = { v, i, x->is.values };
		struct remedy r = { .kind = REMEDY_LABEL_CLASSIFICATION, .size = steps(v, i, now) };
		bool goes = false;
		if (i != now && !judge_label(x, &l, &goes))
			return false;
		if (!goes)
			continue;
		const char *text = arena_printf(x->t->arena, "label %zu: %.*s instead of %.*s",
		    x->index + 1, SHOWN(v->classes[i].name), SHOWN(v->classes[now].name));
		if (!keep_label(x, &l, &r, text))
			return false;
	}
	return true;
}

static bool
try_labels(struct attempt *t)
{
	const struct fact_portion *p = &t->q->ask->facts->portions[0];
	for (size_t i = 0; i < p->label_count; i++) {
		struct relabel x = { .t = t, .index = i };
		struct err e = { 0 };
		const struct vocab *v = epoch_vocab(t->q->epoch, p->labels[i].vocabulary);
		if (v == NULL || !label_resolve(t->arena, v, &p->labels[i], &x.is, &e))
			continue; /* what it says is in the refusal */
		x.changed = arena_zalloc(t->arena, v->words, sizeof(*x.changed));
		if (x.changed == NULL)
			return no_memory(t);
		if (!try_values(&x) || !try_classes(&x))
			return false;
	}
	return true;
}

static bool
try_precedences(struct attempt *t)
{
	for (enum precedence p = PRECEDENCE_ROUTINE; p <= PRECEDENCE_FLASH; p++) {
		struct facts f = *t->q->ask->facts;
		struct remedy r = { .kind = REMEDY_PRECEDENCE };
		bool goes;
		if (p == f.precedence)
			continue;
		char *text = arena_printf(t->arena, "precedence %s instead of %s",
		    precedence_name(p), precedence_name(f.precedence));
		if (text == NULL)
			return no_memory(t);
		r.size = (unsigned)(p > f.precedence ? p - f.precedence : f.precedence - p);
		f.precedence = p;
		r.text = bytes_of(text);
		if (!remedy_judge(t, &f, &goes) || (goes && !remedy_keep(t, &f, &r)))
			return false;
	}
	return true;
}

static bool
try_mode(struct attempt *t)
{
	struct facts f = *t->q->ask->facts;
	struct remedy r = { .kind = REMEDY_MODE };
	bool goes;
	f.mode = f.mode == MODE_LIVE ? MODE_EXERCISE : MODE_LIVE;
	char *text = arena_printf(t->arena, "mode %s instead of %s", mode_name(f.mode),
	    mode_name(t->q->ask->facts->mode));
	if (text == NULL)
		return no_memory(t);
	r.text = bytes_of(text);
	return remedy_judge(t, &f, &goes) && (!goes || remedy_keep(t, &f, &r));
}

bool
remedy_report(struct attempt *t)
{
	return try_labels(t) && try_precedences(t) && try_mode(t);
}

#include "policy/remedy.h"

#include <stdlib.h>

#include "policy/remedy_try.h"

const char *
remedy_token(enum remedy_kind k)
{
	static const char *const tokens[] = {
#define K(name, token) token,
#include "policy/remedy.def"
#undef K
	};
	return k < REMEDY_KINDS ? tokens[k] : "none";
}

static bool
keep(struct attempt *t, const struct remedy *r)
{
	struct remedies *o = t->out;
	if (o->count == REMEDY_MAX)
		o->left_out++;
	else
		o->items[o->count++] = *r;
	return true;
}

bool
remedy_judge(struct attempt *t, const struct facts *f, bool *goes)
{
	struct fact_agreement named;
	struct facts one = reasons_facts(f, t->agreement, &named);
	enum verdict v;
	if (!reasons_verdict(t->q->epoch, &one, t->q->ask->to, &v, t->err))
		return false;
	*goes = v == VERDICT_RELEASE;
	return true;
}

bool
remedy_keep(struct attempt *t, const struct facts *f, struct remedy *r)
{
	r->labels = f->portions[0].labels;
	r->precedence = f->precedence;
	r->mode = f->mode;
	return keep(t, r);
}

/* Loads the policy with the change in it.  *out NULL: it does not load, for 'errors'. */
static bool
load_changed(struct attempt *t, const struct remedy *r, unsigned more, struct text_errors *errors,
    struct epoch **out)
{
	struct err e = { 0 };
	struct epoch_source src = overlay_source(t->q->overlay);
	(*t->q->loads)++;
	t->q->overlay->edit = &r->edit;
	bool loaded = epoch_load(&src, t->q->root, t->q->flags | more, errors, out, &e);
	t->q->overlay->edit = NULL;
	if (!loaded && e.code == ERR_NOMEM) {
		*t->err = e;
		return false;
	}
	return true;
}

/* Whether the report goes under the changed policy, its expects aside. */
static bool
goes_under(struct attempt *t, const struct remedy *r, bool *goes)
{
	SCOPED(epoch_free) struct epoch *p = NULL;
	SCOPED(text_errors_done) struct text_errors errors;
	struct fact_agreement named;
	enum verdict v = VERDICT_WITHHOLD;
	text_errors_init(&errors);
	if (!load_changed(t, r, EPOCH_NO_EXPECTS, &errors, &p))
		return false;
	const struct agreement *a = p == NULL ? NULL : epoch_agreement(p, t->agreement->name);
	if (a != NULL) {
		struct facts one = reasons_facts(t->q->ask->facts, a, &named);
		if (!reasons_verdict(p, &one, t->q->ask->to, &v, t->err))
			return false;
	}
	*goes = v == VERDICT_RELEASE;
	return true;
}

/* "agreements.d/atlas.policy:64: the expect does not hold: .." */
static bool
tell_refused(struct attempt *t, struct remedy *r, const struct text_errors *errors)
{
	const struct text_fault *f = &errors->errors[0];
	struct bytes folder = t->q->text->folder;
	bool under = strncmp(f->file, (const char *)folder.data, folder.len) == 0;
	char *why = arena_printf(
	    t->arena, "%s:%u: %s", f->file + (under ? folder.len : 0), f->line, f->text);
	if (why == NULL)
		return err_set(t->err, ERR_NOMEM, "changes");
	r->refused = bytes_of(why);
	return true;
}

bool
remedy_load(struct attempt *t, struct remedy *r)
{
	SCOPED(epoch_free) struct epoch *p = NULL;
	SCOPED(text_errors_done) struct text_errors errors;
	bool goes;
	text_errors_init(&errors);
	if (*t->q->loads >= REMEDY_LOADS) {
		t->out->loads_ended = true;
		return true;
	}
	if (!goes_under(t, r, &goes))
		return false;
	if (!goes)
		return true;
	if (!load_changed(t, r, 0, &errors, &p))
		return false;
	if (p == NULL && !tell_refused(t, r, &errors))
		return false;
	return keep(t, r);
}

static int
by_size(const void *x, const void *y)
{
	const struct remedy *a = x, *b = y;
	bool a_no = a->refused.data != NULL, b_no = b->refused.data != NULL;
	if (a_no != b_no)
		return a_no - b_no;
	if (a->kind != b->kind)
		return (a->kind > b->kind) - (a->kind < b->kind);
	if (a->size != b->size)
		return (a->size > b->size) - (a->size < b->size);
	return bytes_compare(a->text, b->text);
}

bool
remedy_find(
    const struct remedy_ask *q, const struct reasons *r, struct remedies *out, struct err *e)
{
	struct remedies found = { .items = arena_zalloc(
				      q->text->arena, REMEDY_MAX, sizeof(struct remedy)) };
	struct attempt t = { .q = q, .reasons = r, .agreement = r->agreement, .err = e };
	if (found.items == NULL)
		return err_set(e, ERR_NOMEM, "changes");
	t.recipient = agreement_member(r->agreement, q->ask->to);
	t.arena = q->text->arena;
	t.out = &found;
	if (!remedy_report(&t) || !remedy_policy(&t))
		return false;
	if (found.count > 1)
		qsort(found.items, found.count, sizeof(*found.items), by_size);
	*out = found;
	return true;
}

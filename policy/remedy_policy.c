/* Changes of the policy, each as its writer would make it in the text. */
#include "policy/remedy_try.h"

#include "policy/compile.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

/* Where a change is made. */
struct spot {
	struct attempt *t;
	const struct text_statement *agreement;
	const struct text_statement *from, *to; /* its members; NULL: none */
};

/* A label of the report in one reading: as written, or as the members read it. */
struct reading {
	struct label label;
	size_t vocab; /* in the epoch */
};

static bool
no_memory(struct attempt *t)
{
	return err_set(t->err, ERR_NOMEM, "changes");
}

/* The words for people, the place, and then the attempt. */
static bool
try_edit(struct spot *s, struct remedy *r, const char *text)
{
	if (text == NULL)
		return no_memory(s->t);
	r->text = bytes_of(text);
	r->place = edit_place(s->t->q->text, &r->edit.pos);
	return remedy_load(s->t, r);
}

static const char *
quote(struct attempt *t, struct bytes name)
{
	const char *q = text_quote(t->arena, name);
	return q == NULL ? "\"\"" : q;
}

/* ---- clearances ---- */

/* "{ CATEGORY [ VALUES ] .. }" of a label; "" without values. */
static const char *
label_block(struct attempt *t, const struct label *l)
{
	const struct vocab *v = l->vocab;
	const char *text = "";
	for (uint32_t k = 0; k < v->tagset_count && text != NULL; k++) {
		if (!label_has_tagset(l, k))
			continue;
		text = arena_printf(
		    t->arena, "%s            %s [", text, quote(t, v->tagsets[k].name));
		for (uint32_t i = 0; i < v->value_count && text != NULL; i++)
			if (v->values[i].tagset == k && vocab_has(l->values, i))
				text = arena_printf(
				    t->arena, "%s %s", text, quote(t, v->values[i].name));
		text = text == NULL ? NULL : arena_printf(t->arena, "%s ]\n", text);
	}
	return text;
}

static bool
try_clearance(struct spot *s, const struct reading *x)
{
	struct attempt *t = s->t;
	const struct vocab *v = x->label.vocab;
	struct remedy r = { .kind = REMEDY_CLEARANCE };
	const char *block = label_block(t, &x->label);
	if (block == NULL)
		return no_memory(t);
	char *text = arena_printf(t->arena, "clearance %s [ %s ]%s%s%s", quote(t, v->name),
	    quote(t, v->classes[x->label.classification].name), *block == 0 ? "" : " {\n", block,
	    *block == 0 ? "" : "        }");
	if (text == NULL)
		return no_memory(t);
	if (!edit_block_add(t->q->text, s->to, bytes_of(text), &r.edit, t->err))
		return false;
	return try_edit(s, &r,
	    arena_printf(t->arena, "a clearance of %.*s in %.*s: %.*s and what the label has",
		SHOWN(t->q->ask->to), SHOWN(v->name),
		SHOWN(v->classes[x->label.classification].name)));
}

/* 'up-to X' becomes the list of what it is, and one more. */
static bool
spell_out(struct attempt *t, const struct clearance *k, uint32_t more,
    const struct text_statement *c, struct edit *out)
{
	const struct text_value *const ends[] = { &c->values[1], &c->values[2] };
	const char *text = "[";
	for (uint32_t i = 0; i < k->vocab->class_count && text != NULL; i++)
		if (i == more || (k->classes >> i & 1) != 0)
			text = arena_printf(
			    t->arena, "%s %s", text, quote(t, k->vocab->classes[i].name));
	text = text == NULL ? NULL : arena_printf(t->arena, "%s ]", text);
	return text == NULL ? no_memory(t)
			    : edit_replace_values(t->q->text, ends, bytes_of(text), out, t->err);
}

static bool
try_class(struct spot *s, const struct reading *x, const struct text_statement *c)
{
	struct attempt *t = s->t;
	uint32_t class_ = x->label.classification;
	struct bytes name = x->label.vocab->classes[class_].name;
	struct remedy r = { .kind = REMEDY_CLASSIFICATION };
	const struct clearance *k = t->recipient->clearances[x->vocab];
	if ((k->classes >> class_ & 1) != 0)
		return true;
	bool made = c->values[1].kind == TEXT_LIST ? edit_list_add(t->q->text, &c->values[1],
							 bytes_of(quote(t, name)), &r.edit, t->err)
						   : spell_out(t, k, class_, c, &r.edit);
	if (!made)
		return false;
	return try_edit(s, &r,
	    arena_printf(t->arena, "%.*s in the clearance of %.*s in %.*s", SHOWN(name),
		SHOWN(t->q->ask->to), SHOWN(x->label.vocab->name)));
}

static bool
try_value(struct spot *s, const struct reading *x, const struct text_statement *c, uint32_t value)
{
	struct attempt *t = s->t;
	const struct vocab *v = x->label.vocab;
	struct bytes name = v->values[value].name;
	struct bytes category = v->tagsets[v->values[value].tagset].name;
	const struct text_statement *have = edit_category(&c->block, category);
	struct remedy r = { .kind = REMEDY_VALUE };
	char *text = arena_printf(t->arena, "%s [ %s ]", quote(t, category), quote(t, name));
	bool made;
	if (text == NULL)
		return no_memory(t);
	if (have != NULL)
		made = edit_list_add(
		    t->q->text, &have->values[0], bytes_of(quote(t, name)), &r.edit, t->err);
	else if (c->has_block)
		made = edit_block_add(t->q->text, c, bytes_of(text), &r.edit, t->err);
	else
		made = edit_block_new(t->q->text, c, bytes_of(text), &r.edit, t->err);
	if (!made)
		return false;
	return try_edit(s, &r,
	    arena_printf(t->arena, "%.*s under %.*s in the clearance of %.*s in %.*s", SHOWN(name),
		SHOWN(category), SHOWN(t->q->ask->to), SHOWN(v->name)));
}

static bool
try_reading(struct spot *s, const struct reading *x)
{
	const struct vocab *v = x->label.vocab;
	const struct clearance *k = s->t->recipient->clearances[x->vocab];
	if (k == NULL)
		return try_clearance(s, x);
	const struct text_statement *c = edit_find(&s->to->block, "clearance", v->name, true);
	if (c == NULL || compile_clearance_file(c) != NULL) /* a file is somebody else's word */
		return true;
	for (uint32_t i = 0; i < v->value_count; i++)
		if (vocab_has(x->label.values, i) && !vocab_has(k->values, i) &&
		    !try_value(s, x, c, i))
			return false;
	return try_class(s, x, c);
}

/* ---- the readings of the report's labels ---- */

static size_t
vocab_index(const struct epoch *p, const struct vocab *v)
{
	size_t i = 0;
	while (i < epoch_vocab_count(p) && epoch_vocab_at(p, i) != v)
		i++;
	return i;
}

/* Label 'i' as written and, if the agreement maps it, as read; *count says how many there are. */
static bool
read_label(struct attempt *t, size_t i, struct reading out[2], size_t *count)
{
	const struct raw_label *raw = &t->q->ask->facts->portions[0].labels[i];
	const struct vocab *v = epoch_vocab(t->q->epoch, raw->vocabulary);
	struct err e = { 0 };
	*count = 0;
	if (v == NULL || !label_resolve(t->arena, v, raw, &out[0].label, &e))
		return e.code != ERR_NOMEM || no_memory(t);
	out[0].vocab = vocab_index(t->q->epoch, v);
	*count = 1;
	for (size_t k = 0; k < t->agreement->equivalence_count; k++) {
		const struct equivalence *q = &t->agreement->equivalences[k];
		if (q->from != out[0].vocab)
			continue;
		out[1].vocab = q->to;
		if (label_map_apply(t->arena, &q->map, &out[0].label, &out[1].label, &e))
			*count = 2;
		else if (e.code == ERR_NOMEM)
			return no_memory(t);
	}
	return true;
}

static bool
try_clearances(struct spot *s)
{
	for (size_t i = 0; i < s->t->q->ask->facts->portions[0].label_count; i++) {
		struct reading x[2];
		size_t count;
		if (!read_label(s->t, i, x, &count))
			return false;
		for (size_t k = 0; k < count; k++)
			if (!try_reading(s, &x[k]))
				return false;
	}
	return true;
}

/* ---- rules ---- */

static const char *
free_name(struct spot *s, const char *wish)
{
	const char *name = wish;
	for (unsigned n = 2;
	     name != NULL && edit_find(&s->agreement->block, "rule", bytes_of(name), false) != NULL;
	     n++)
		name = arena_printf(s->t->arena, "%s-%u", wish, n);
	return name;
}

/* The narrowest rule that could release it: this sender, recipient and topic, these
 * classifications. */
static bool
try_rule(struct spot *s)
{
	struct attempt *t = s->t;
	const struct facts *f = t->q->ask->facts;
	struct remedy r = { .kind = REMEDY_RULE_ADDED };
	const char *name = free_name(s, "release-one");
	const char *text =
	    name == NULL ? NULL
			 : arena_printf(t->arena,
			       "rule %s {\n        from   [ %.*s ]\n        to     [ %.*s "
			       "]\n        topic  %.*s\n",
			       name, SHOWN(f->originator), SHOWN(t->q->ask->to), SHOWN(f->topic));
	for (size_t i = 0; i < f->portions[0].label_count; i++) {
		struct reading x[2];
		size_t count;
		if (text == NULL || !read_label(t, i, x, &count))
			return text != NULL ? false : no_memory(t);
		if (count == 0)
			return true;
		const struct vocab *v = x[count - 1].label.vocab;
		text =
		    arena_printf(t->arena, "%s        label  %s is %s\n", text, quote(t, v->name),
			quote(t, v->classes[x[count - 1].label.classification].name));
	}
	text = text == NULL ? NULL : arena_printf(t->arena, "%s        release\n    }", text);
	if (text == NULL)
		return no_memory(t);
	if (!edit_block_add(t->q->text, s->agreement, bytes_of(text), &r.edit, t->err))
		return false;
	return try_edit(s, &r,
	    arena_printf(t->arena,
		"a rule that releases these classifications from %.*s to %.*s on this topic",
		SHOWN(f->originator), SHOWN(t->q->ask->to)));
}

/* Without the rule that a check named: if a second one matches too, no single removal helps. */
static bool
try_removals(struct spot *s)
{
	struct attempt *t = s->t;
	for (size_t i = 0; i < t->reasons->step_count; i++) {
		const struct reasons_step *step = &t->reasons->steps[i];
		struct remedy r = { .kind = REMEDY_RULE_REMOVED };
		if (step->verdict == VERDICT_RELEASE || step->verdict == 0 ||
		    step->rule.data == NULL)
			continue;
		const struct text_statement *rule =
		    edit_find(&s->agreement->block, "rule", step->rule, false);
		if (rule == NULL)
			continue;
		if (!edit_remove(t->q->text, rule, &r.edit, t->err) ||
		    !try_edit(
			s, &r, arena_printf(t->arena, "without rule %.*s", SHOWN(step->rule))))
			return false;
	}
	return true;
}

/* ---- rights, topics, dates, states ---- */

static bool
try_may(struct spot *s, const struct text_statement *member, const char *right)
{
	struct attempt *t = s->t;
	struct remedy r = { .kind = REMEDY_RIGHT };
	const struct text_statement *may = edit_find(&member->block, "may", (struct bytes){ 0 }, 0);
	if (may == NULL)
		return true;
	if (!edit_list_add(t->q->text, &may->values[0], bytes_of(right), &r.edit, t->err))
		return false;
	return try_edit(
	    s, &r, arena_printf(t->arena, "%.*s may %s", SHOWN(member->values[0].text), right));
}

static bool
try_precedence(struct spot *s)
{
	struct attempt *t = s->t;
	const char *wanted = precedence_name(t->q->ask->facts->precedence);
	const struct text_statement *p =
	    edit_find(&s->from->block, "precedence", (struct bytes){ 0 }, false);
	struct remedy r = { .kind = REMEDY_RIGHT };
	char *text = arena_printf(t->arena, "precedence at-most %s", wanted);
	if (text == NULL)
		return no_memory(t);
	bool made = p != NULL
			? edit_replace(t->q->text, &p->values[1], bytes_of(wanted), &r.edit, t->err)
			: edit_block_add(t->q->text, s->from, bytes_of(text), &r.edit, t->err);
	return made && try_edit(s, &r,
			   arena_printf(t->arena, "%.*s may send up to %s",
			       SHOWN(s->from->values[0].text), wanted));
}

static bool
try_rights(struct spot *s)
{
	const struct attempt *t = s->t;
	const struct facts *f = t->q->ask->facts;
	const struct member *from = agreement_member(t->agreement, f->originator);
	if (s->to != NULL && !t->recipient->may_receive && !try_may(s, s->to, "receive"))
		return false;
	if (s->from == NULL)
		return true;
	if (!from->may_originate && !try_may(s, s->from, "originate"))
		return false;
	return f->precedence <= from->at_most || try_precedence(s);
}

static bool
try_topic(struct spot *s)
{
	struct attempt *t = s->t;
	struct bytes topic = t->q->ask->facts->topic;
	struct remedy r = { .kind = REMEDY_TOPIC };
	const struct text_statement *list =
	    edit_find(&s->agreement->block, "topics", (struct bytes){ 0 }, false);
	if (list == NULL || topic_check(topic) != TOPIC_GOOD ||
	    agreement_covers(t->agreement, topic))
		return true;
	if (!edit_list_add(t->q->text, &list->values[0], topic, &r.edit, t->err))
		return false;
	return try_edit(
	    s, &r, arena_printf(t->arena, "the topic %.*s in the agreement", SHOWN(topic)));
}

static bool
try_date(struct spot *s)
{
	struct attempt *t = s->t;
	uint64_t now = t->q->ask->facts->time;
	struct remedy r = { .kind = REMEDY_DATE };
	const struct text_statement *valid =
	    edit_find(&s->agreement->block, "valid", (struct bytes){ 0 }, false);
	bool early = now < t->agreement->valid_from;
	if (valid == NULL || (!early && now < t->agreement->valid_until))
		return true;
	const char *day = text_day(t->arena, now);
	if (day == NULL)
		return no_memory(t);
	if (!edit_replace(
		t->q->text, &valid->values[early ? 1 : 3], bytes_of(day), &r.edit, t->err))
		return false;
	return try_edit(
	    s, &r, arena_printf(t->arena, "valid %s %s", early ? "from" : "until", day));
}

/* A draft comes into force; what was terminated stays so, that takes a new version. */
static bool
try_state(struct spot *s)
{
	struct attempt *t = s->t;
	struct remedy r = { .kind = REMEDY_STATE };
	const struct text_statement *state =
	    edit_find(&s->agreement->block, "state", (struct bytes){ 0 }, false);
	if (state == NULL || t->agreement->state != STATE_DRAFT)
		return true;
	if (!edit_replace(t->q->text, &state->values[0], bytes_of("in-force"), &r.edit, t->err))
		return false;
	return try_edit(s, &r, "the agreement in force");
}

static bool
try_suspension(struct spot *s)
{
	struct attempt *t = s->t;
	struct remedy r = { .kind = REMEDY_SUSPENSION };
	const struct text_statement *suspend =
	    edit_find(&t->q->text->top, "suspend", t->agreement->name, false);
	if (suspend == NULL)
		return true;
	return edit_remove(t->q->text, suspend, &r.edit, t->err) &&
	       try_edit(s, &r, "the suspension ended");
}

static bool
try_unmarked(struct spot *s, const char *setting, bool is_set)
{
	struct attempt *t = s->t;
	struct remedy r = { .kind = REMEDY_UNMARKED };
	char *text = arena_printf(t->arena, "%s releasable-to members", setting);
	if (text == NULL)
		return no_memory(t);
	if (is_set)
		return true;
	return edit_block_add(t->q->text, s->agreement, bytes_of(text), &r.edit, t->err) &&
	       try_edit(s, &r, text);
}

bool
remedy_policy(struct attempt *t)
{
	const struct text_block *top = &t->q->text->top;
	struct spot s = { .t = t };
	s.agreement = edit_find(top, "agreement", t->agreement->name, false);
	if (s.agreement == NULL)
		return true;
	const struct text_block *b = &s.agreement->block;
	s.from = edit_find(b, "member", t->q->ask->facts->originator, false);
	s.to = edit_find(b, "member", t->q->ask->to, false);
	if (s.from == NULL || s.to == NULL)
		return true; /* a member is no small change */
	return try_rule(&s) && try_clearances(&s) && try_rights(&s) && try_topic(&s) &&
	       try_date(&s) && try_state(&s) && try_suspension(&s) && try_removals(&s) &&
	       try_unmarked(&s, "unmarked-labels", t->agreement->unmarked_labels) &&
	       try_unmarked(&s, "unmarked-portions", t->agreement->unmarked_portions);
}

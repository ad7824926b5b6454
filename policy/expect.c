/* 'expect VERDICT from A to B topic T [precedence P] [ markings ] | { labels }': tests that a
 * policy carries with itself (DESIGN section 4). */
#include "policy/compile.h"
#include "policy/marking.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

static const char usage[] =
    "expect release|hold|withhold [REASON] from PARTY to PARTY topic TOPIC [precedence P] "
    "[ \"MARKING\" .. ]";

struct expect {
	const struct text_statement *statement;
	enum verdict verdict;
	enum reason reason; /* of a withhold; REASON_NONE: any */
	const struct text_value *from, *to, *topic, *precedence, *labels;
	enum precedence at;
};

/* ---- reading ---- */

static enum reason
find_reason(struct bytes token)
{
	for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++)
		if (bytes_is(token, reason_token(r)))
			return r;
	return REASON_NONE;
}

static bool
unknown_reason(struct compile *c, const struct text_value *v)
{
	struct bytes known[REASON_COUNT];
	for (enum reason r = 0; r < REASON_COUNT; r++)
		known[r] = bytes_of(reason_token(r));
	return text_error(c->errors, &v->pos,
	    text_did_you_mean(c->errors, v->text, known + 1, REASON_COUNT - 1, usage),
	    "there is no reason '%.*s'", SHOWN(v->text));
}

/* The verdict and, of a withhold, its reason; *next is what follows. */
static bool
read_verdict(struct compile *c, struct expect *x, size_t *next)
{
	static const char *const known[] = { "release", "hold", "withhold" };
	const struct text_statement *s = x->statement;
	size_t at;
	if (s->value_count < 2)
		return text_error(c->errors, &s->pos, usage, "an expect says what for whom");
	if (!text_choice(c->errors, &s->values[0], known, 3, &at))
		return false;
	x->verdict = (enum verdict)(at + 1);
	*next = 1;
	if (x->verdict != VERDICT_WITHHOLD || bytes_is(s->values[1].text, "from"))
		return true;
	x->reason = find_reason(s->values[1].text);
	*next = 2;
	return x->reason != REASON_NONE || unknown_reason(c, &s->values[1]);
}

static bool
read_pairs(struct compile *c, struct expect *x, size_t i)
{
	static const char *const known[] = { "from", "to", "topic", "precedence" };
	const struct text_value **slots[] = { &x->from, &x->to, &x->topic, &x->precedence };
	const struct text_statement *s = x->statement;
	size_t at;
	for (; i < s->value_count && s->values[i].kind != TEXT_LIST; i += 2) {
		if (!text_choice(c->errors, &s->values[i], known, 4, &at))
			return false;
		if (i + 1 == s->value_count || s->values[i + 1].kind == TEXT_LIST)
			return text_error(c->errors, &s->values[i].pos, usage,
			    "a value must follow '%s'", known[at]);
		if (*slots[at] != NULL)
			return text_error(c->errors, &s->values[i].pos, usage,
			    "'%s' stands here twice", known[at]);
		*slots[at] = &s->values[i + 1];
	}
	if (i < s->value_count)
		x->labels = &s->values[i++];
	if (i < s->value_count)
		return text_error(
		    c->errors, &s->values[i].pos, usage, "nothing may follow the labels");
	return true;
}

static bool
read_expect(struct compile *c, struct expect *x)
{
	static const char *const precedences[] = { "ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH" };
	const struct text_pos *pos = &x->statement->pos;
	size_t at = 0;
	if (!read_verdict(c, x, &at) || !read_pairs(c, x, at))
		return false;
	if (x->from == NULL || x->to == NULL || x->topic == NULL)
		return text_error(c->errors, pos, usage, "'%s' is missing in the expect",
		    x->from == NULL ? "from"
		    : x->to == NULL ? "to"
				    : "topic");
	if ((x->labels != NULL) == x->statement->has_block)
		return text_error(c->errors, pos, usage,
		    "an expect has either a list of markings or a block of labels");
	at = 0;
	if (x->precedence != NULL && !text_choice(c->errors, x->precedence, precedences, 4, &at))
		return false;
	x->at = (enum precedence)(at + 1);
	return true;
}

/* ---- labels ---- */

static bool
read_markings(struct compile *c, const struct expect *x, struct raw_label *out, size_t *count)
{
	for (size_t i = 0; i < x->labels->count; i++) {
		const struct text_value *v = &x->labels->items[i];
		struct err e = { 0 };
		if (!marking_read(
			c->a, c->e->vocabs, c->e->vocab_count, v->text, &out[(*count)++], &e))
			return text_error_from(c->errors, &v->pos, &e);
	}
	return true;
}

static bool
read_raw(struct compile *c, const struct text_statement *s, struct raw_label *out)
{
	size_t at;
	struct raw_category *categories = arena_zalloc(c->a, s->block.count, sizeof(*categories));
	if (categories == NULL)
		return compile_no_memory(c);
	if (!bytes_is(s->name, "label") || s->value_count != 2 || s->values[0].kind == TEXT_LIST ||
	    s->values[1].kind == TEXT_LIST)
		return text_error(c->errors, &s->pos,
		    "label ATLAS SECRET { \"Releasable To\" [ NOR ] }",
		    "a label of the expect stands here");
	if (compile_find_vocab(c, &s->values[0], &at) == NULL)
		return false;
	for (size_t i = 0; i < s->block.count; i++) {
		const struct text_statement *t = &s->block.items[i];
		if (t->has_block || t->value_count != 1 || t->values[0].kind != TEXT_LIST)
			return text_error(
			    c->errors, &t->pos, NULL, "a category takes a list of values in [ ]");
		categories[i].name = t->name;
		if (!text_list(c->errors, &t->values[0], c->a, true, &categories[i].values))
			return false;
	}
	*out =
	    (struct raw_label){ s->values[0].text, s->values[1].text, categories, s->block.count };
	return true;
}

static bool
read_labels(struct compile *c, const struct expect *x, struct fact_portion *out)
{
	const struct text_block *b = &x->statement->block;
	size_t most = x->labels != NULL ? x->labels->count : b->count, count = 0;
	struct raw_label *labels = arena_zalloc(c->a, most, sizeof(*labels));
	if (labels == NULL)
		return compile_no_memory(c);
	if (x->labels != NULL && !read_markings(c, x, labels, &count))
		return false;
	for (size_t i = 0; x->labels == NULL && i < b->count; i++)
		if (!read_raw(c, &b->items[i], &labels[count++]))
			return false;
	*out = (struct fact_portion){ labels, count, bytes_of("text/plain") };
	return true;
}

/* ---- judging ---- */

static bool
check_names(struct compile *c, const struct agreement *a, const struct expect *x)
{
	const struct text_value *who[] = { x->from, x->to };
	for (size_t i = 0; i < 2; i++)
		if (agreement_member(a, who[i]->text) == NULL)
			return text_error(c->errors, &who[i]->pos, NULL,
			    "'%.*s' is no member of agreement '%.*s'", SHOWN(who[i]->text),
			    SHOWN(a->name));
	if (!agreement_covers(a, x->topic->text))
		return text_error(c->errors, &x->topic->pos, NULL,
		    "the topic '%.*s' is outside the topics of agreement '%.*s'",
		    SHOWN(x->topic->text), SHOWN(a->name));
	return true;
}

static bool
compare(struct compile *c, const struct expect *x, const struct decisions *d)
{
	const struct text_pos *pos = &x->statement->pos;
	if (d->refusal.code != ERR_NONE)
		return text_error(c->errors, pos,
		    text_note(c->errors, "%.*s", SHOWN(d->refusal.detail)),
		    "the expect does not hold: the report is refused, %s",
		    err_token(d->refusal.code));
	for (size_t i = 0; i < d->recipient_count; i++) {
		const struct portion_decision *p = &d->recipients[i].portions[0];
		if (!bytes_equal(d->recipients[i].recipient, x->to->text))
			continue;
		if (p->verdict == x->verdict &&
		    (x->reason == REASON_NONE || x->reason == p->reason))
			return true;
		return text_error(c->errors, pos,
		    text_note(c->errors, "%s%s%.*s", reason_text(p->reason),
			p->rule.len > 0 ? ": rule " : "", SHOWN(p->rule)),
		    "the expect does not hold: the verdict is %s%s%s", verdict_name(p->verdict),
		    p->verdict == VERDICT_RELEASE ? "" : ", ",
		    p->verdict == VERDICT_RELEASE ? "" : reason_token(p->reason));
	}
	return text_error(c->errors, pos, NULL,
	    "the expect does not hold: '%.*s' receives nothing from '%.*s' under the agreement",
	    SHOWN(x->to->text), SHOWN(x->from->text));
}

/* One statement; false only for want of memory. */
static bool
judge(struct compile *c, const struct agreement *a, const struct text_statement *s)
{
	struct expect x = { .statement = s };
	struct fact_portion portion;
	struct err e = { 0 };
	struct decisions d;
	if (!read_expect(c, &x) || !check_names(c, a, &x) || !read_labels(c, &x, &portion))
		return true; /* told */
	struct fact_agreement named = { .name = a->name };
	struct facts f = { .originator = x.from->text,
		.topic = x.topic->text,
		.precedence = x.at,
		.mode = a->mode,
		.time = a->valid_from,
		.accepted = a->valid_from,
		.signer = SIGNER_GOOD,
		.agreements = &named,
		.agreement_count = 1,
		.portions = &portion,
		.portion_count = 1 };
	if (!decide_under(c->e, a, &f, c->a, &d, &e))
		return compile_no_memory(c);
	compare(c, &x, &d);
	return true;
}

bool
expect_judge(struct compile *c, const struct agreement *a, const struct text_block *block)
{
	for (size_t i = 0; i < block->count; i++)
		if (bytes_is(block->items[i].name, "expect") && !judge(c, a, &block->items[i]))
			return false;
	return true;
}

#include "policy/never.h"

#include "policy/compile.h"
#include "policy/example.h"
#include "policy/lint.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

static const char usage[] =
    "never release [from PARTY] [to PARTY] [topic PATTERN] [label VOCABULARY TEST ..] "
    "[precedence TEST P] [content-type TYPE]";
static const char *const keywords[] = { "from", "to", "topic", "label", "precedence",
	"content-type" };
enum { KEYWORDS = sizeof(keywords) / sizeof(keywords[0]) };

/* ---- reading: the words become the statements of a rule ---- */

static bool
is_keyword(const struct text_value *v)
{
	for (size_t i = 0; v->kind == TEXT_WORD && i < KEYWORDS; i++)
		if (bytes_is(v->text, keywords[i]))
			return true;
	return false;
}

/* 'to KEN' is 'to [ KEN ]'. */
static bool
make_list(struct compile *c, struct text_statement *s)
{
	bool names = bytes_is(s->name, "from") || bytes_is(s->name, "to");
	if (!names || s->value_count != 1 || s->values[0].kind == TEXT_LIST ||
	    bytes_is(s->values[0].text, "any"))
		return true;
	struct text_value *list = arena_zalloc(c->a, 1, sizeof(*list));
	if (list == NULL)
		return compile_no_memory(c);
	*list = (struct text_value){
		.kind = TEXT_LIST, .pos = s->values[0].pos, .items = s->values, .count = 1
	};
	s->values = list;
	return true;
}

/* *good is false where an error was told. */
static bool
cut(struct compile *c, const struct text_statement *s, struct text_block *out, bool *good)
{
	struct text_statement *items = arena_zalloc(c->a, s->value_count, sizeof(*items));
	size_t n = 0;
	if (items == NULL)
		return compile_no_memory(c);
	*good = s->value_count > 1 && bytes_is(s->values[0].text, "release") &&
		is_keyword(&s->values[1]);
	if (!*good) {
		text_error(c->errors, &s->pos, usage, "a never says what is never released");
		return true;
	}
	for (size_t i = 1; i < s->value_count;) {
		struct text_statement *t = &items[n++];
		size_t end = i + 1;
		while (end < s->value_count && !is_keyword(&s->values[end]))
			end++;
		*t = (struct text_statement){ .name = s->values[i].text,
			.pos = s->values[i].pos,
			.values = &s->values[i + 1],
			.value_count = end - i - 1 };
		if (!make_list(c, t))
			return false;
		i = end;
	}
	*out = (struct text_block){ items, n, s->pos };
	return true;
}

static bool
read(struct compile *c, const struct agreement *a, const struct text_statement *s, struct rule *out,
    bool *good)
{
	struct text_block b;
	size_t before = c->errors->error_count;
	*out = (struct rule){ .name = bytes_of("never"),
		.place = compile_place(c, &s->pos),
		.verdict = VERDICT_WITHHOLD };
	if (!cut(c, s, &b, good))
		return false;
	if (*good)
		compile_rule_check(c, "never", &b);
	if (*good && !compile_rule_conditions(c, a, &b, out))
		return false;
	*good = *good && c->errors->error_count == before;
	return true;
}

bool
never_read(struct epoch *p, struct bytes sentence, struct arena *a, struct text_errors *errors,
    struct rule *out)
{
	struct compile c = { .e = p, .a = a, .errors = errors };
	struct text_block b;
	bool good;
	if (!text_parse(a, bytes_of("sentence"), sentence, errors, &b))
		return false;
	if (b.count != 1 || !bytes_is(b.items[0].name, "never") || b.items[0].has_block)
		return text_error(errors, b.count == 0 ? NULL : &b.items[0].pos, usage,
		    "a sentence that begins with 'never' stands here");
	return read(&c, NULL, &b.items[0], out, &good) && good;
}

/* ---- whether anything is meant ---- */

static bool
part_holds(const struct rule *rule, enum condition_kind kind, struct bytes name)
{
	const struct facts f = { .originator = name, .topic = name };
	bool holds = true;
	for (size_t i = 0; i < rule->condition_count; i++) {
		const struct rule one = { .conditions = &rule->conditions[i],
			.condition_count = 1 };
		if (one.conditions->kind == kind)
			holds = holds && (kind == CONDITION_TO ? rules_to(&one, name)
							       : rules_live(&one, &f));
	}
	return holds;
}

static unsigned
missing_parties(const struct agreement *of, const struct rule *rule)
{
	size_t senders = 0, receivers = 0, both = 0;
	for (size_t i = 0; i < of->member_count; i++) {
		const struct member *m = &of->members[i];
		bool sends = m->may_originate && part_holds(rule, CONDITION_FROM, m->party->name);
		bool gets = m->may_receive && part_holds(rule, CONDITION_TO, m->party->name);
		senders += sends;
		receivers += gets;
		both += sends && gets;
	}
	if (senders == 1 && receivers == 1 && both == 1) /* nobody sends to itself */
		return NEVER_FROM | NEVER_TO;
	return (senders == 0 ? NEVER_FROM : 0u) | (receivers == 0 ? NEVER_TO : 0u);
}

/* Whether any topic is both the agreement's and the rule's; so also if there are too many to tell
 * apart: then the sentence is not decided either. */
static bool
find_topic(const struct agreement *of, const struct rule *rule, bool *found, struct err *e)
{
	SCOPED(arena_done) struct arena a;
	struct agreement alone = *of;
	const struct agreement *const list[] = { &alone };
	const struct topic_class *classes = NULL;
	struct err why = { .code = ERR_NONE };
	size_t count = 0;
	arena_init(&a, LIMIT_EPOCH_BYTES);
	alone.rules = rule;
	alone.rule_count = 1;
	bool known = topics_classes(&a, list, 1, &classes, &count, &why);
	*found = why.code == ERR_LIMIT;
	for (size_t i = 0; known && i < count; i++)
		*found = *found || part_holds(rule, CONDITION_TOPIC, classes[i].witness);
	if (known || *found)
		return true;
	*e = why;
	return false;
}

void
never_count(struct never_tally *t, unsigned missing)
{
	t->all = t->asked == 0 ? missing : t->all & missing;
	t->any |= missing;
	t->asked++;
	t->meant += missing == 0;
}

unsigned
never_lacks(const struct never_tally *t)
{
	if (t->asked == 0)
		return NEVER_TOPIC | NEVER_FROM | NEVER_TO;
	return t->all != 0 ? t->all : t->any;
}

const char *
never_missing(unsigned parts)
{
	switch (parts) {
	case NEVER_TOPIC:
		return "its topic is not covered";
	case NEVER_FROM:
		return "nobody that 'from' allows may originate";
	case NEVER_TO:
		return "nobody that 'to' allows may receive";
	case NEVER_FROM | NEVER_TO:
		return "nobody that 'from' allows may send to anybody that 'to' allows";
	case NEVER_TOPIC | NEVER_FROM:
		return "its topic and its 'from' are not there together";
	case NEVER_TOPIC | NEVER_TO:
		return "its topic and its 'to' are not there together";
	default:
		return "its topic, 'from' and 'to' are not there together";
	}
}

/* ---- asking ---- */

static bool
look(void *ctx, const struct cell *c)
{
	struct never_answer *out = ctx;
	if (c->said[0].verdict == VERDICT_RELEASE) {
		out->broken = true;
		out->release = *c;
		return false; /* one suffices */
	}
	if (!out->held)
		out->hold = *c;
	out->held = true;
	return true;
}

bool
never_ask(const struct never_ask *q, struct arena *a, struct never_answer *out, struct err *e)
{
	struct agreement *with = arena_zalloc(a, 1, sizeof(*with));
	struct rule *rules = arena_zalloc(a, q->agreement->rule_count + 1, sizeof(*rules));
	struct err told = { .code = ERR_NONE };
	bool covered;
	if (with == NULL || rules == NULL)
		return err_set(e, ERR_NOMEM, "never");
	for (size_t i = 0; i < q->agreement->rule_count; i++)
		rules[i] = q->agreement->rules[i];
	rules[q->agreement->rule_count] = *q->rule;
	*with = *q->agreement;
	with->rules = rules;
	with->rule_count++;
	struct cells_ask cells = { .side = { { q->epoch, q->agreement }, { q->epoch, with } },
		.from = q->agreement->valid_from,
		.until = q->agreement->valid_until,
		.most = q->most,
		.progress = q->progress };
	*out = (struct never_answer){ .broken = false };
	if (!find_topic(q->agreement, q->rule, &covered, e))
		return false;
	out->missing =
	    missing_parties(q->agreement, q->rule) | (covered ? 0u : (unsigned)NEVER_TOPIC);
	if (out->missing != 0)
		return true;
	if (cells_compare(&cells, a, look, out, &told) || out->broken)
		return true;
	*e = told;
	return false;
}

const char *
never_example(struct arena *a, const struct epoch *p, const struct cell *c)
{
	const struct occasion *o = c->occasion;
	const char *text = arena_printf(a, "from %.*s to %.*s topic %.*s", SHOWN(c->sender),
	    SHOWN(c->receiver), SHOWN(o->topic->witness));
	if (text != NULL && o->precedence != PRECEDENCE_ROUTINE)
		text = arena_printf(a, "%s precedence %s", text, precedence_name(o->precedence));
	if (text != NULL && !bytes_is(o->content->witness, "text/plain"))
		text = arena_printf(a, "%s content-type %.*s", text, SHOWN(o->content->witness));
	for (size_t i = 0; text != NULL && i < c->label_count; i++) {
		const char *label = example_label(a, p, &c->labels[i]);
		text = label == NULL
			   ? NULL
			   : arena_printf(a, "%s label %s%s%s", text, label[0] == '{' ? "'" : "\"",
				 label, label[0] == '{' ? "'" : "\"");
	}
	return text;
}

/* ---- at load ---- */

static bool
judge(struct compile *c, const struct agreement *a, const struct rule *rule,
    const struct text_statement *s, unsigned *missing)
{
	struct never_ask q = { c->e, a, rule, NEVER_CELLS, NULL };
	struct never_answer answer;
	struct arena scratch;
	struct err e = { .code = ERR_NONE };
	arena_init(&scratch, LIMIT_EPOCH_BYTES);
	bool known = never_ask(&q, &scratch, &answer, &e);
	*missing = known ? answer.missing : 0;
	if (!known && e.code != ERR_NOMEM)
		text_error(c->errors, &s->pos, "name fewer labels, or split the agreement",
		    "the never cannot be decided for agreement '%.*s': %s", SHOWN(a->name), e.text);
	if (known && answer.broken) {
		const char *example = never_example(&scratch, c->e, &answer.release);
		text_error(c->errors, &s->pos,
		    text_note(c->errors, "released by rule %.*s, %.*s",
			SHOWN(answer.release.said[0].rule), SHOWN(answer.release.said[0].place)),
		    "the never does not hold: agreement '%.*s' releases %s", SHOWN(a->name),
		    example == NULL ? "it" : example);
	}
	arena_done(&scratch);
	return known || e.code != ERR_NOMEM || compile_no_memory(c);
}

static const char meant[] =
    "name a topic of an agreement, a member that may originate, and another that may receive";

bool
never_judge(struct compile *c, const struct agreement *a, const struct text_block *block)
{
	for (size_t i = 0; i < block->count; i++) {
		const struct text_statement *s = &block->items[i];
		struct rule rule;
		bool good;
		unsigned missing = 0;
		if (!bytes_is(s->name, "never") || s->has_block)
			continue;
		if (!read(c, a, s, &rule, &good) || (good && !judge(c, a, &rule, s, &missing)))
			return false;
		if (missing != 0)
			text_error(c->errors, &s->pos, meant,
			    "the never means nothing in agreement '%.*s': %s", SHOWN(a->name),
			    never_missing(missing));
	}
	return true;
}

static bool
judge_everywhere(struct compile *c, const struct rule *rule, const struct text_statement *s)
{
	struct never_tally t = { .asked = 0 };
	for (size_t i = 0; i < c->e->agreement_count; i++) {
		unsigned missing;
		if (c->e->agreements[i].state == STATE_TERMINATED)
			continue;
		if (!judge(c, &c->e->agreements[i], rule, s, &missing))
			return false;
		never_count(&t, missing);
	}
	if (t.meant == 0)
		text_warning_named(c->errors, lint_name(LINT_IDLE_NEVER), &s->pos, meant,
		    "the never means nothing in any agreement: %s", never_missing(never_lacks(&t)));
	return true;
}

bool
never_judge_all(struct compile *c)
{
	for (size_t i = 0; i < c->top->count; i++) {
		const struct text_statement *s = &c->top->items[i];
		struct rule rule;
		bool good;
		if (!bytes_is(s->name, "never") || s->has_block)
			continue;
		if (!read(c, NULL, s, &rule, &good))
			return false;
		bool sound = c->errors->error_count == 0; /* of the agreements, too */
		if (good && sound && !judge_everywhere(c, &rule, s))
			return false;
	}
	return true;
}

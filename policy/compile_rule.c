/* 'rule NAME { conditions; release | hold .. | withhold }'. */
#include "policy/compile.h"
#include "policy/lint.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

enum {
	SET_FROM,
	SET_TO,
	SET_TOPIC,
	SET_LABEL,
	SET_PRECEDENCE,
	SET_CONTENT_TYPE,
	SET_RELEASE,
	SET_HOLD,
	SET_WITHHOLD,
	SET_COUNT
};
static const struct text_setting settings[SET_COUNT] = {
	[SET_FROM] = { "from", "a", TEXT_BLOCK_NONE, true, false,
	    "from [ GBR NOR ], or: from any" },
	[SET_TO] = { "to", "a", TEXT_BLOCK_NONE, true, false, "to [ GBR NOR ], or: to any" },
	[SET_TOPIC] = { "topic", "v", TEXT_BLOCK_NONE, true, false, "topic maritime.>" },
	[SET_LABEL] = { "label", "vvv?v", TEXT_BLOCK_NONE, true, false,
	    "label VOCABULARY at-most|at-least|is CLASSIFICATION, or: label VOCABULARY has|lacks "
	    "CATEGORY [VALUE]" },
	[SET_PRECEDENCE] = { "precedence", "vv", TEXT_BLOCK_NONE, true, false,
	    "precedence at-least IMMEDIATE" },
	[SET_CONTENT_TYPE] = { "content-type", "v", TEXT_BLOCK_NONE, true, false,
	    "content-type text/plain, or: content-type text/*" },
	[SET_RELEASE] = { "release", "", TEXT_BLOCK_NONE, false, false, "release" },
	[SET_HOLD] = { "hold", "vvvv", TEXT_BLOCK_NONE, false, false,
	    "hold for-approval-of originator|recipient|PARTY within 2h" },
	[SET_WITHHOLD] = { "withhold", "", TEXT_BLOCK_NONE, false, false, "withhold" },
};

static bool
no_member(struct compile *c, const struct agreement *a, const struct text_value *v)
{
	if (a == NULL) {
		compile_no_party(c, v);
		return true;
	}
	struct bytes *known = arena_zalloc(c->a, a->member_count, sizeof(*known));
	if (known == NULL)
		return compile_no_memory(c);
	for (size_t i = 0; i < a->member_count; i++)
		known[i] = a->members[i].party->name;
	text_error(c->errors, &v->pos,
	    text_did_you_mean(c->errors, v->text, known, a->member_count, NULL),
	    "'%.*s' is no member of agreement '%.*s'", SHOWN(v->text), SHOWN(a->name));
	return true;
}

bool
compile_rule_members(
    struct compile *c, const struct agreement *a, const struct text_value *list, struct names *out)
{
	struct names raw;
	if (!text_list(c->errors, list, c->a, false, &raw))
		return true; /* told */
	for (size_t i = 0; i < list->count; i++) {
		struct bytes name = list->items[i].text;
		bool known =
		    a == NULL ? epoch_party(c->e, name) != NULL : agreement_member(a, name) != NULL;
		if (!known && !no_member(c, a, &list->items[i]))
			return false;
	}
	return compile_sorted(c, &raw, out);
}

/* ---- conditions; *count grows only by a condition that is one ---- */

static bool
read_parties(struct compile *c, const struct agreement *a, const struct text_statement *s,
    struct condition *out, size_t *count)
{
	const struct text_value *v = &s->values[0];
	out->kind = bytes_is(s->name, "from") ? CONDITION_FROM : CONDITION_TO;
	if (v->kind != TEXT_LIST) {
		if (!bytes_is(v->text, "any"))
			text_error(c->errors, &v->pos, "a list of one needs its brackets",
			    "'any' or a list of members in [ ] stands here");
		return true; /* 'any' is no condition */
	}
	(*count)++;
	return compile_rule_members(c, a, v, &out->parties);
}

static void
read_topic(struct compile *c, const struct text_statement *s, struct condition *out, size_t *count)
{
	const struct text_value *v = &s->values[0];
	*out = (struct condition){ .kind = CONDITION_TOPIC, .pattern = v->text };
	if (topic_check_pattern(v->text) != TOPIC_GOOD)
		text_error(c->errors, &v->pos,
		    "1 to 16 tokens of A-Z, a-z, 0-9, '_' and '-' joined by dots; '*' is one "
		    "token, '>' at the end one or more",
		    "'%.*s' is not a topic pattern", SHOWN(v->text));
	(*count)++;
}

static void
read_precedence(
    struct compile *c, const struct text_statement *s, struct condition *out, size_t *count)
{
	static const char *const ops[] = { "at-most", "at-least" };
	static const char *const known[] = { "ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH" };
	size_t op, at;
	if (!text_choice(c->errors, &s->values[0], ops, 2, &op) ||
	    !text_choice(c->errors, &s->values[1], known, 4, &at))
		return;
	*out = (struct condition){ .kind = CONDITION_PRECEDENCE,
		.at_most = op == 0,
		.precedence = (enum precedence)(at + 1) };
	(*count)++;
}

static void
read_content_type(
    struct compile *c, const struct text_statement *s, struct condition *out, size_t *count)
{
	const struct text_value *v = &s->values[0];
	*out = (struct condition){ .kind = CONDITION_CONTENT_TYPE, .pattern = v->text };
	if (!rules_content_pattern(v->text))
		text_error(c->errors, &v->pos, settings[SET_CONTENT_TYPE].usage,
		    "'%.*s' is not a content type", SHOWN(v->text));
	(*count)++;
}

static bool
read_class_test(struct compile *c, const struct text_statement *s, struct condition *out)
{
	if (s->value_count != 3)
		return text_error(c->errors, &s->values[3].pos, settings[SET_LABEL].usage,
		    "nothing may follow the classification");
	if (!compile_find_class(c, out->vocab, &s->values[2], &out->class_))
		return false;
	if (out->test == LABEL_TEST_AT_MOST)
		out->classes = vocab_up_to(out->vocab, out->class_);
	else if (out->test == LABEL_TEST_AT_LEAST)
		out->classes = vocab_from(out->vocab, out->class_);
	else
		out->classes = UINT64_C(1) << out->class_;
	return true;
}

static void
read_label(struct compile *c, const struct text_statement *s, struct condition *out, size_t *count)
{
	static const char *const ops[] = { "at-most", "at-least", "is", "has", "lacks" };
	size_t op, at;
	*out = (struct condition){ .kind = CONDITION_LABEL, .value = VOCAB_NONE };
	out->vocab = compile_find_vocab(c, &s->values[0], &at);
	if (!text_choice(c->errors, &s->values[1], ops, 5, &op) || out->vocab == NULL)
		return;
	out->test = (enum label_test)(op + 1);
	if (out->test < LABEL_TEST_HAS) {
		if (read_class_test(c, s, out))
			(*count)++;
		return;
	}
	if (!compile_find_tagset(c, out->vocab, &s->values[2].pos, s->values[2].text, &out->tagset))
		return;
	if (s->value_count == 4 &&
	    !compile_find_value(c, out->vocab, out->tagset, &s->values[3], &out->value))
		return;
	(*count)++;
}

/* ---- verdicts ---- */

static bool
read_hold(
    struct compile *c, const struct agreement *a, const struct text_statement *s, struct rule *out)
{
	const struct text_value *who = &s->values[1];
	uint64_t ms = 0;
	if (!text_keyword(c->errors, &s->values[0], "for-approval-of") ||
	    !text_keyword(c->errors, &s->values[2], "within"))
		return true;
	if (text_duration(c->errors, &s->values[3], 0, LIMIT_POLICY_DURATION_MS, &ms))
		out->within = ms * 1000;
	out->approver = APPROVER_PARTY;
	out->approver_party = who->text;
	if (bytes_is(who->text, "originator"))
		out->approver = APPROVER_ORIGINATOR;
	else if (bytes_is(who->text, "recipient"))
		out->approver = APPROVER_RECIPIENT;
	else if (agreement_member(a, who->text) == NULL)
		return no_member(c, a, who);
	return true;
}

static void
count_verdict(
    struct compile *c, const struct text_statement *s, struct rule *out, enum verdict verdict)
{
	if (out->verdict != 0)
		text_error(c->errors, &s->pos, "a rule ends in one of release, hold, withhold",
		    "rule '%.*s' has two verdicts", SHOWN(out->name));
	out->verdict = verdict;
}

/* A condition on a vocabulary in which no member has a clearance never holds in a release rule,
 * which sees labels as mapped. */
static void
check_release(struct compile *c, const struct agreement *a, const struct text_statement *s,
    const struct rule *rule)
{
	bool speaks = false;
	for (size_t i = 0; i < rule->condition_count; i++) {
		const struct vocab *v = rule->conditions[i].vocab;
		bool cleared = false;
		if (rule->conditions[i].kind != CONDITION_LABEL)
			continue;
		speaks = true;
		for (size_t m = 0; m < a->member_count && !cleared; m++)
			for (size_t k = 0; k < c->e->vocab_count && !cleared; k++)
				cleared =
				    c->e->vocabs[k] == v && a->members[m].clearances[k] != NULL;
		if (!cleared)
			text_error(c->errors, &s->pos,
			    "a release rule sees labels as mapped; name the vocabulary that the "
			    "members are cleared in",
			    "rule '%.*s' can never match: no member has a clearance in '%.*s'",
			    SHOWN(rule->name), SHOWN(v->name));
	}
	if (!speaks && text_find(&s->block, "label") == NULL)
		text_warning_named(c->errors, lint_name(LINT_NO_VOCABULARY), &s->pos,
		    "each vocabulary on a portion needs a release rule that speaks of it",
		    "rule '%.*s' releases nothing: it has no condition on a label",
		    SHOWN(rule->name));
}

static bool
read_statement(struct compile *c, const struct agreement *a, const struct text_statement *s,
    struct rule *out, struct condition *next)
{
	switch (compile_setting(s, settings, SET_COUNT)) {
	case SET_FROM:
	case SET_TO:
		return read_parties(c, a, s, next, &out->condition_count);
	case SET_TOPIC:
		read_topic(c, s, next, &out->condition_count);
		break;
	case SET_LABEL:
		read_label(c, s, next, &out->condition_count);
		break;
	case SET_PRECEDENCE:
		read_precedence(c, s, next, &out->condition_count);
		break;
	case SET_CONTENT_TYPE:
		read_content_type(c, s, next, &out->condition_count);
		break;
	case SET_RELEASE:
		count_verdict(c, s, out, VERDICT_RELEASE);
		break;
	case SET_HOLD:
		count_verdict(c, s, out, VERDICT_HOLD);
		return read_hold(c, a, s, out);
	case SET_WITHHOLD:
		count_verdict(c, s, out, VERDICT_WITHHOLD);
		break;
	default:
		break; /* told by text_check */
	}
	return true;
}

bool
compile_rule_conditions(
    struct compile *c, const struct agreement *a, const struct text_block *b, struct rule *out)
{
	struct condition *conditions = arena_zalloc(c->a, b->count + 1, sizeof(*conditions));
	if (conditions == NULL)
		return compile_no_memory(c);
	out->conditions = conditions;
	for (size_t i = 0; i < b->count; i++)
		if (!read_statement(c, a, &b->items[i], out, &conditions[out->condition_count]))
			return false;
	return true;
}

bool
compile_rule_check(struct compile *c, const char *of, const struct text_block *b)
{
	return text_check(c->errors, of, b, settings, SET_COUNT);
}

bool
compile_rule_one(
    struct compile *c, const struct agreement *a, const struct text_statement *s, struct rule *out)
{
	const struct text_block *b = &s->block;
	*out = (struct rule){ .place = compile_place(c, &s->pos) };
	if (!text_name(c->errors, &s->values[0], "a rule", &out->name))
		out->name = bytes_of("");
	compile_rule_check(c, text_note(c->errors, "rule '%.*s'", SHOWN(out->name)), b);
	if (!compile_rule_conditions(c, a, b, out))
		return false;
	if (out->verdict == 0)
		text_error(c->errors, &b->end, "a rule ends in one of release, hold, withhold",
		    "rule '%.*s' has no verdict", SHOWN(out->name));
	if (out->verdict == VERDICT_RELEASE)
		check_release(c, a, s, out);
	return true;
}

/* Rules that never match, and release rules without which nothing changes. */
#include "policy/lint_parts.h"
#include "policy/party.h"

/* ---- what rules speak of ---- */

static bool
is_label(const struct condition *c, const struct vocab *v)
{
	return c->kind == CONDITION_LABEL && (v == NULL || c->vocab == v);
}

/* The conditions on labels: of V, or all. */
static size_t
count_labels(const struct rule *rule, const struct vocab *v)
{
	size_t n = 0;
	for (size_t i = 0; i < rule->condition_count; i++)
		n += is_label(&rule->conditions[i], v);
	return n;
}

/* The next vocabulary that the rule speaks of, from condition *at on; NULL: no more. */
static const struct vocab *
next_vocab(const struct rule *rule, size_t *at)
{
	for (; *at < rule->condition_count; (*at)++) {
		const struct condition *c = &rule->conditions[*at];
		bool again = c->kind != CONDITION_LABEL;
		for (size_t i = 0; i < *at && !again; i++)
			again = is_label(&rule->conditions[i], c->vocab);
		if (again)
			continue;
		(*at)++;
		return c->vocab;
	}
	return NULL;
}

static bool
speaks_of_no_more(const struct rule *rule, const struct rule *than)
{
	size_t at = 0;
	for (const struct vocab *v; (v = next_vocab(rule, &at)) != NULL;)
		if (count_labels(than, v) == 0)
			return false;
	return true;
}

/* Labels of other vocabularies may be read as this one: then a portion can show several of it. */
static bool
is_mapped_into(const struct agreement *of, const struct vocab *v)
{
	for (size_t i = 0; i < of->equivalence_count; i++)
		if (of->equivalences[i].map.to == v)
			return true;
	return false;
}

static void
must(struct space_query *q, const struct rule *rule)
{
	for (size_t i = 0; i < rule->condition_count; i++)
		if (is_label(&rule->conditions[i], q->vocab))
			space_must(q, &rule->conditions[i]);
}

static void
not_all(struct space_query *q, const struct rule *rule)
{
	struct space_group *g = space_not_all(q);
	for (size_t i = 0; i < rule->condition_count; i++)
		if (is_label(&rule->conditions[i], q->vocab))
			space_add(q, g, &rule->conditions[i]);
}

static void
worse(enum space_answer *all, enum space_answer one)
{
	if (one == SPACE_NONE || *all == SPACE_SOME)
		*all = one;
}

/* ---- can it match? ---- */

/* Apart from labels: somebody may publish so that it is live, for somebody it speaks of. */
static bool
is_ever_live(const struct lint_case *c, size_t rule)
{
	const struct agreement *of = c->of;
	for (size_t i = 0; i < c->situations.count; i++) {
		const struct situation *s = &c->situations.items[i];
		for (size_t g = 0; s->live[rule] && g < of->group_count; g++) {
			const struct member *m = situation_recipient(&c->situations, s, g);
			if (m != NULL && rules_to(&of->rules[rule], m->party->name))
				return true;
		}
	}
	return false;
}

/* A release rule wants a label that satisfies all, as a publisher can write it.  Against a release
 * any labels will do, one for each condition, and later decisions see labels that the vocabulary
 * would refuse today: a guard is only told if no label whatever can match. */
static enum space_answer
can_match_labels(const struct lint_case *c, const struct rule *rule)
{
	bool release = rule->verdict == VERDICT_RELEASE;
	enum space_answer all = SPACE_SOME;
	size_t at = 0;
	for (const struct vocab *v; (v = next_vocab(rule, &at)) != NULL && all != SPACE_NONE;) {
		struct space_query q = { .vocab = v,
			.accepted = release,
			.from = c->of->valid_from,
			.until = c->of->valid_until };
		if (!release && is_mapped_into(c->of, v))
			continue;
		must(&q, rule);
		worse(&all, space_ask(&q));
	}
	return all;
}

static enum space_answer
can_match(const struct lint_case *c, size_t rule)
{
	enum space_answer labels = can_match_labels(c, &c->of->rules[rule]);
	if (labels == SPACE_NONE || is_ever_live(c, rule))
		return labels;
	return c->situations.undecided ? SPACE_UNDECIDED : SPACE_NONE;
}

/* ---- can it change anything? ---- */

static enum space_answer
ask(const struct lint_case *c, const struct space_query *q)
{
	if (*c->questions == 0)
		return SPACE_UNDECIDED;
	--*c->questions;
	return space_ask(q);
}

static bool
applies(const struct lint_case *c, const struct situation *s, size_t rule, const struct member *m)
{
	return s->live[rule] && rules_to(&c->of->rules[rule], m->party->name);
}

/* A label of V that the rule matches, that is cleared for the member, and that no withhold rule
 * takes away by itself.  Every label of V on a portion that the rule releases is one. */
static void
start(struct space_query *q, const struct lint_case *c, const struct situation *s,
    const struct rule *rule, const struct member *m)
{
	const struct vocab *v = q->vocab;
	for (size_t i = 0; i < epoch_vocab_count(c->linter->epoch); i++)
		if (epoch_vocab_at(c->linter->epoch, i) == v)
			q->clearance = m->clearances[i];
	q->releasability = !c->of->unmarked_labels;
	q->accepted = true;
	q->from = c->of->valid_from;
	q->until = c->of->valid_until;
	must(q, rule);
	for (size_t i = 0; i < c->of->rule_count; i++) {
		const struct rule *w = &c->of->rules[i];
		if (w->verdict == VERDICT_WITHHOLD && applies(c, s, i, m) &&
		    count_labels(w, NULL) == count_labels(w, v))
			not_all(q, w); /* without any condition on labels: it always matches */
	}
}

/* The portion needs a label with releasability; the rule's own vocabularies may have none. */
static bool
can_be_marked(const struct lint_case *c, const struct member *m)
{
	if (c->of->unmarked_portions)
		return true;
	for (size_t i = 0; i < epoch_vocab_count(c->linter->epoch); i++)
		if (epoch_vocab_at(c->linter->epoch, i)->releasability != VOCAB_NONE &&
		    m->clearances[i] != NULL)
			return true;
	return false;
}

static bool
is_cleared_in(const struct lint_case *c, const struct member *m, const struct vocab *v)
{
	for (size_t i = 0; i < epoch_vocab_count(c->linter->epoch); i++)
		if (epoch_vocab_at(c->linter->epoch, i) == v)
			return m->clearances[i] != NULL;
	return false;
}

enum space_answer
lint_can_release(const struct lint_case *c, const struct situation *s, const struct rule *rule,
    const struct member *m)
{
	enum space_answer all = can_be_marked(c, m) ? SPACE_SOME : SPACE_NONE;
	size_t at = 0;
	for (const struct vocab *v; all != SPACE_NONE && (v = next_vocab(rule, &at)) != NULL;) {
		struct space_query q = { .vocab = v };
		if (!is_cleared_in(c, m, v))
			return SPACE_NONE;
		start(&q, c, s, rule, m);
		worse(&all, ask(c, &q));
	}
	return all;
}

/* Whether 'other' matches wherever 'rule' releases something. */
static bool
follows(const struct lint_case *c, const struct situation *s, const struct rule *rule,
    const struct rule *other, const struct member *m)
{
	size_t at = 0;
	if (!speaks_of_no_more(other, rule))
		return false;
	for (const struct vocab *v; (v = next_vocab(other, &at)) != NULL;) {
		struct space_query q = { .vocab = v };
		start(&q, c, s, rule, m);
		not_all(&q, other);
		if (ask(c, &q) != SPACE_NONE)
			return false;
	}
	return true;
}

/* Whether a label of V that the rule covers may be left uncovered by all others. */
static enum space_answer
is_needed_for(const struct lint_case *c, const struct situation *s, const struct rule *rule,
    const struct member *m, const struct vocab *v)
{
	struct space_query q = { .vocab = v };
	start(&q, c, s, rule, m);
	for (size_t i = 0; i < c->of->rule_count; i++) {
		const struct rule *other = &c->of->rules[i];
		if (other == rule || other->verdict != VERDICT_RELEASE || !applies(c, s, i, m) ||
		    count_labels(other, v) == 0)
			continue;
		if (follows(c, s, rule, other, m))
			return SPACE_NONE;
		if (count_labels(other, NULL) == count_labels(other, v) &&
		    !is_mapped_into(c->of, v))
			not_all(&q, other);
	}
	return ask(c, &q);
}

static enum space_answer
can_change_for(const struct lint_case *c, const struct situation *s, const struct rule *rule,
    const struct member *m)
{
	enum space_answer best = lint_can_release(c, s, rule, m);
	enum space_answer needed = SPACE_NONE;
	size_t at = 0;
	if (best == SPACE_NONE)
		return SPACE_NONE;
	for (const struct vocab *v; (v = next_vocab(rule, &at)) != NULL;) {
		enum space_answer got = is_needed_for(c, s, rule, m, v);
		if (got == SPACE_SOME)
			return best;
		if (got == SPACE_UNDECIDED)
			needed = got;
	}
	return needed;
}

static enum space_answer
can_change(const struct lint_case *c, size_t rule)
{
	enum space_answer answer = c->situations.undecided ? SPACE_UNDECIDED : SPACE_NONE;
	for (size_t i = 0; i < c->situations.count; i++) {
		const struct situation *s = &c->situations.items[i];
		for (size_t g = 0; s->live[rule] && g < c->of->group_count; g++) {
			const struct member *m = situation_recipient(&c->situations, s, g);
			if (m == NULL || !applies(c, s, rule, m))
				continue;
			if (*c->questions == 0)
				return SPACE_UNDECIDED;
			enum space_answer got = can_change_for(c, s, &c->of->rules[rule], m);
			if (got == SPACE_SOME)
				return got;
			if (got == SPACE_UNDECIDED)
				answer = got;
		}
	}
	return answer;
}

/* ---- saying it ---- */

static void
leave_open(
    const struct lint_case *c, enum lint what, const struct text_pos *pos, const struct rule *rule)
{
	text_warning_named(c->linter->open, lint_name(what), pos, NULL,
	    "rule '%.*s' was not decided within bounds", SHOWN(rule->name));
}

static void
lint_rule(const struct lint_case *c, size_t i, const struct text_pos *pos)
{
	const struct rule *rule = &c->of->rules[i];
	bool release = rule->verdict == VERDICT_RELEASE;
	if (release && count_labels(rule, NULL) == 0)
		return; /* the loader has told */
	enum space_answer answer = can_match(c, i);
	if (answer == SPACE_NONE)
		text_warning_named(c->linter->warnings, lint_name(LINT_NEVER_MATCHES), pos,
		    "its conditions exclude one another, the agreement's topics or its members' "
		    "rights: mend or remove it",
		    "rule '%.*s' can never match", SHOWN(rule->name));
	if (answer == SPACE_UNDECIDED)
		leave_open(c, LINT_NEVER_MATCHES, pos, rule);
	if (answer == SPACE_NONE || !release)
		return;
	answer = can_change(c, i);
	if (answer == SPACE_NONE)
		text_warning_named(c->linter->warnings, lint_name(LINT_NEVER_CHANGES), pos,
		    "other rules release the same, withhold it all, or nobody is cleared for it: "
		    "mend or remove it",
		    "without rule '%.*s' nothing would be decided otherwise", SHOWN(rule->name));
	if (answer == SPACE_UNDECIDED)
		leave_open(c, LINT_NEVER_CHANGES, pos, rule);
}

/* In the order of the text. */
void
lint_rules(const struct lint_case *c)
{
	for (size_t k = 0; k < c->statement->block.count; k++) {
		const struct text_statement *s = &c->statement->block.items[k];
		if (!bytes_is(s->name, "rule") || s->value_count == 0)
			continue;
		for (size_t i = 0; i < c->of->rule_count; i++)
			if (bytes_equal(c->of->rules[i].name, s->values[0].text))
				lint_rule(c, i, &s->pos);
	}
}

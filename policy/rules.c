#include "policy/rules.h"

#include "policy/duty.h"
#include "proto/syntax.h"

static enum verdict
because(struct why *why, enum verdict v, enum reason reason)
{
	*why = (struct why){ .reason = reason };
	return v;
}

static enum verdict
because_of(struct why *why, enum verdict v, enum reason reason, const struct rule *rule)
{
	*why = (struct why){ .reason = reason, .rule = rule };
	return v;
}

static enum verdict
because_label(struct ask *q, struct why *why, enum reason reason, size_t label)
{
	q->fault = label + 1;
	return because(why, VERDICT_WITHHOLD, reason);
}

bool
rules_listed(const struct names *list, struct bytes name)
{
	for (size_t i = 0; i < list->count; i++)
		if (bytes_equal(list->items[i], name))
			return true;
	return false;
}

/* ---- conditions of rules ---- */

static bool
precedence_holds(const struct condition *c, enum precedence p)
{
	return c->at_most ? p <= c->precedence : p >= c->precedence;
}

bool
rules_live(const struct rule *rule, const struct facts *f)
{
	for (size_t i = 0; i < rule->condition_count; i++) {
		const struct condition *c = &rule->conditions[i];
		if (c->kind == CONDITION_FROM && !rules_listed(&c->parties, f->originator))
			return false;
		if (c->kind == CONDITION_TOPIC && !topic_matches(c->pattern, f->topic))
			return false;
		if (c->kind == CONDITION_PRECEDENCE && !precedence_holds(c, f->precedence))
			return false;
	}
	return true;
}

bool
rules_to(const struct rule *rule, struct bytes recipient)
{
	for (size_t i = 0; i < rule->condition_count; i++)
		if (rule->conditions[i].kind == CONDITION_TO &&
		    !rules_listed(&rule->conditions[i].parties, recipient))
			return false;
	return true;
}

bool
rules_satisfies(const struct condition *c, const struct label *l)
{
	bool has;
	switch (c->test) {
	case LABEL_TEST_AT_MOST:
	case LABEL_TEST_AT_LEAST:
	case LABEL_TEST_IS:
		return (c->classes >> l->classification & 1) != 0;
	case LABEL_TEST_HAS:
	case LABEL_TEST_LACKS:
		has = c->value == VOCAB_NONE ? label_has_tagset(l, c->tagset)
					     : label_has_value(l, c->value);
		return has == (c->test == LABEL_TEST_HAS);
	}
	return false;
}

/* In a release rule: the labels as mapped, where one could not be mapped itself; there must be one
 * of the vocabulary, and every one must satisfy the condition. */
static bool
label_holds_for_release(const struct condition *c, const struct view *v)
{
	bool any = false;
	for (size_t i = 0; i < v->label_count; i++) {
		const struct seen_label *s = &v->labels[i];
		const struct label *l = s->mapped != NULL ? s->mapped : s->written;
		if (l == NULL || l->vocab != c->vocab)
			continue;
		if (!rules_satisfies(c, l))
			return false;
		any = true;
	}
	return any;
}

/* In a hold or withhold rule: as written and as mapped, any one suffices. */
static bool
label_holds_against(const struct condition *c, const struct view *v)
{
	for (size_t i = 0; i < v->label_count; i++) {
		const struct label *both[] = { v->labels[i].written, v->labels[i].mapped };
		for (size_t k = 0; k < 2; k++)
			if (both[k] != NULL && both[k]->vocab == c->vocab &&
			    rules_satisfies(c, both[k]))
				return true;
	}
	return false;
}

bool
rules_content_pattern(struct bytes in)
{
	struct bytes out;
	if (in.len == 0 || memchr(in.data, ';', in.len) != NULL || !syntax_media_type(in, &out) ||
	    out.len != in.len)
		return false;
	size_t type = (size_t)((const uint8_t *)memchr(in.data, '/', in.len) - in.data);
	if (memchr(in.data, '*', type) != NULL)
		return false;
	struct bytes sub = bytes_from(in.data + type + 1, in.len - type - 1);
	return bytes_is(sub, "*") || memchr(sub.data, '*', sub.len) == NULL;
}

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool
content_type_matches(struct bytes pattern, struct bytes type)
{
	size_t n = pattern.len;
	bool open = n >= 2 && pattern.data[n - 1] == '*' && pattern.data[n - 2] == '/';
	if (open)
		n--; /* up to and with the slash */
	if (open ? type.len <= n : type.len != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (lower(pattern.data[i]) != lower(type.data[i]))
			return false;
	return true;
}

bool
rules_portion(const struct rule *rule, const struct view *v)
{
	for (size_t i = 0; i < rule->condition_count; i++) {
		const struct condition *c = &rule->conditions[i];
		if (c->kind == CONDITION_CONTENT_TYPE &&
		    !content_type_matches(c->pattern, v->content_type))
			return false;
		if (c->kind != CONDITION_LABEL)
			continue;
		bool holds = rule->verdict == VERDICT_RELEASE ? label_holds_for_release(c, v)
							      : label_holds_against(c, v);
		if (!holds)
			return false;
	}
	return true;
}

/* ---- the checks ---- */

enum verdict
rules_audience(struct ask *q, struct why *why)
{
	const struct facts *f = q->facts;
	struct bytes r = q->recipient->party->name;
	if ((f->has_only_to && !rules_listed(&f->only_to, r)) || rules_listed(&f->not_to, r))
		return because(why, VERDICT_WITHHOLD, REASON_AUDIENCE);
	return VERDICT_RELEASE;
}

enum verdict
rules_expired(struct ask *q, struct why *why)
{
	if (q->facts->expires != 0 && q->facts->expires <= q->facts->time)
		return because(why, VERDICT_WITHHOLD, REASON_EXPIRED);
	return VERDICT_RELEASE;
}

static bool
lacks_releasability(const struct label *l)
{
	return l->vocab->releasability != VOCAB_NONE && !label_has_releasability(l);
}

/* Nothing but ACDF_PERMIT permits. */
static const enum reason by_acdf[] = { REASON_NO_CLEARANCE, [ACDF_PERMIT] = REASON_NONE,
	[ACDF_VOCABULARY] = REASON_NO_CLEARANCE, [ACDF_CLASSIFICATION] = REASON_CLASSIFICATION,
	[ACDF_RESTRICTIVE] = REASON_RESTRICTIVE, [ACDF_PERMISSIVE] = REASON_PERMISSIVE };

/* One label; *seen is the label as mapped. */
static enum reason
label_reason(const struct ask *q, const struct seen_label *s, const struct label **seen)
{
	if (s->written == NULL)
		return REASON_INVALID_LABEL;
	const struct clearance *c = q->recipient->clearances[s->vocab];
	const struct label *l = s->written;
	if (c == NULL) {
		c = s->equivalence == NULL ? NULL : q->recipient->clearances[s->equivalence->to];
		if (c == NULL)
			return REASON_NO_CLEARANCE;
		if ((l = s->mapped) == NULL)
			return REASON_NO_EQUIVALENCE;
	}
	*seen = l;
	enum reason reason = by_acdf[clearance_acdf(c, l)];
	if (reason != REASON_NONE)
		return reason;
	if (!q->agreement->unmarked_labels &&
	    (lacks_releasability(s->written) || lacks_releasability(l)))
		return REASON_NO_RELEASABILITY;
	return REASON_NONE;
}

enum verdict
rules_clearance(struct ask *q, struct why *why)
{
	bool marked = false;
	for (size_t i = 0; i < q->view->label_count; i++) {
		const struct label *seen = NULL;
		enum reason reason = label_reason(q, &q->view->labels[i], &seen);
		if (reason != REASON_NONE)
			return because_label(q, why, reason, i);
		if (seen->vocab->releasability != VOCAB_NONE)
			marked = true;
	}
	if (!marked && !q->agreement->unmarked_portions)
		return because(why, VERDICT_WITHHOLD, REASON_NO_RELEASABILITY);
	return VERDICT_RELEASE;
}

static bool
speaks_of(const struct rule *rule, const struct vocab *v)
{
	for (size_t i = 0; i < rule->condition_count; i++)
		if (rule->conditions[i].kind == CONDITION_LABEL && rule->conditions[i].vocab == v)
			return true;
	return false;
}

static bool
matches(const struct ask *q, size_t rule)
{
	return q->view->matches[rule] &&
	       rules_to(&q->agreement->rules[rule], q->recipient->party->name);
}

/* The least release rule that matches and speaks of the vocabulary.  Rules are sorted by name. */
static const struct rule *
covering(const struct ask *q, const struct vocab *v)
{
	for (size_t i = 0; i < q->agreement->rule_count; i++) {
		const struct rule *rule = &q->agreement->rules[i];
		if (rule->verdict == VERDICT_RELEASE && speaks_of(rule, v) && matches(q, i))
			return rule;
	}
	return NULL;
}

enum verdict
rules_coverage(struct ask *q, struct why *why)
{
	const struct rule *least = NULL;
	for (size_t i = 0; i < q->view->label_count; i++) {
		const struct seen_label *s = &q->view->labels[i];
		const struct label *l = s->mapped != NULL ? s->mapped : s->written;
		const struct rule *rule = l == NULL ? NULL : covering(q, l->vocab);
		if (rule == NULL)
			return because_label(q, why, REASON_NO_RULE, i);
		if (least == NULL || rule < least) /* one array, sorted by name */
			least = rule;
	}
	if (least == NULL) /* no label at all: nothing covers nothing */
		return because(why, VERDICT_WITHHOLD, REASON_NO_RULE);
	q->cover = least;
	why->rule = least;
	return VERDICT_RELEASE;
}

enum verdict
rules_forbidden(struct ask *q, struct why *why)
{
	for (size_t i = 0; i < q->agreement->rule_count; i++) {
		const struct rule *rule = &q->agreement->rules[i];
		if (rule->verdict == VERDICT_WITHHOLD && matches(q, i))
			return because_of(why, VERDICT_WITHHOLD, REASON_FORBIDDEN, rule);
	}
	return VERDICT_RELEASE;
}

/* A pair of source and agreement whose originator is neither the publisher nor the recipient. */
static bool
may_go_on(struct ask *q, const struct fact_source *s, const struct ask_source *about)
{
	const struct agreement *from = about->from;
	if (from == NULL || from->unsigned_ || from->refused != NULL)
		return false; /* its text is not what the parties agreed */
	switch (from->onward) {
	case ONWARD_PROHIBITED:
		return false;
	case ONWARD_CONSENT:
		duty_consent(q, s, from->consent_within);
		return true;
	case ONWARD_MEMBERS:
		if (!agreement_in_force(from, q->facts->time) || !about->had)
			return false;
		if (from->valid_until < q->in_force_until)
			q->in_force_until = from->valid_until;
		return true;
	}
	return false;
}

enum verdict
rules_sources(struct ask *q, struct why *why)
{
	const struct facts *f = q->facts;
	bool onward = true;
	for (size_t i = 0; i < f->source_count; i++) {
		const struct fact_source *s = &f->sources[i];
		if (s->agreement.data == NULL && s->via.data == NULL)
			return because(why, VERDICT_WITHHOLD, REASON_UNKNOWN_SOURCE);
		if (s->agreement.data == NULL) {
			onward = false; /* a source of a source that is no longer known */
			continue;
		}
		if (!q->sources[i].own && !may_go_on(q, s, &q->sources[i]))
			onward = false;
	}
	return onward ? VERDICT_RELEASE : because(why, VERDICT_WITHHOLD, REASON_ONWARD);
}

enum verdict
rules_review(struct ask *q, struct why *why)
{
	if (q->facts->signer != SIGNER_GOOD)
		duty_signer(q);
	for (size_t i = 0; i < q->agreement->rule_count; i++) {
		const struct rule *rule = &q->agreement->rules[i];
		if (rule->verdict == VERDICT_HOLD && matches(q, i))
			duty_review(q, rule);
	}
	enum reason reason = duty_settle(q, &why->rule);
	if (reason == REASON_NONE)
		return VERDICT_RELEASE;
	why->reason = reason;
	if (reason == REASON_REJECTED || reason == REASON_TIMED_OUT)
		return VERDICT_WITHHOLD;
	return VERDICT_HOLD;
}

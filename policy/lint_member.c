/* Members that can do nothing, and approvers that have nobody to approve. */
#include "policy/lint_parts.h"
#include "policy/party.h"

static bool
has_role(const struct party *p, unsigned role)
{
	for (size_t i = 0; i < p->agent_count; i++)
		if ((p->agents[i].roles & role) != 0)
			return true;
	return false;
}

/* ---- idle members ---- */

/* Why it cannot send; NULL: it can, as far as is seen here. */
static const char *
cannot_send(const struct lint_case *c, const struct member *m)
{
	if (!m->may_originate)
		return "it may not originate";
	if (!has_role(m->party, ROLE_PUBLISH))
		return "its party has no agent with 'publish'";
	for (size_t i = 0; i < c->of->member_count; i++)
		if (&c->of->members[i] != m && c->of->members[i].may_receive)
			return NULL;
	return "nobody else may receive";
}

static bool
is_released_to(const struct lint_case *c, const struct member *m)
{
	for (size_t i = 0; i < c->situations.count; i++) {
		const struct situation *s = &c->situations.items[i];
		for (size_t k = 0; s->only != m->party && k < c->of->rule_count; k++) {
			const struct rule *rule = &c->of->rules[k];
			if (rule->verdict == VERDICT_RELEASE && s->live[k] &&
			    rules_to(rule, m->party->name) &&
			    lint_can_release(c, s, rule, m) != SPACE_NONE)
				return true;
		}
	}
	return c->situations.undecided;
}

static const char *
cannot_receive(const struct lint_case *c, const struct member *m)
{
	if (!m->may_receive)
		return "it may not receive";
	if (!has_role(m->party, ROLE_SUBSCRIBE))
		return "its party has no agent with 'subscribe'";
	return is_released_to(c, m) ? NULL : "no release rule gives it anything it is cleared for";
}

void
lint_members(const struct lint_case *c)
{
	for (size_t i = 0; i < c->of->member_count; i++) {
		const struct member *m = &c->of->members[i];
		const char *send = cannot_send(c, m);
		const char *receive = send == NULL ? NULL : cannot_receive(c, m);
		if (send == NULL || receive == NULL)
			continue;
		text_warning_named(c->linter->warnings, lint_name(LINT_IDLE_MEMBER),
		    lint_place(&c->statement->block, "member", m->party->name),
		    "give its party an agent with the role, or the member the right; or remove it",
		    "member '%.*s' can neither send (%s) nor receive (%s)", SHOWN(m->party->name),
		    send, receive);
	}
}

/* ---- approvers ---- */

/* Whether a hold rule may ask the member to approve. */
static bool
asks(const struct rule *rule, const struct member *m)
{
	struct facts f = { .originator = m->party->name };
	bool from = true;
	for (size_t i = 0; i < rule->condition_count; i++) {
		struct rule one = { .conditions = &rule->conditions[i], .condition_count = 1 };
		if (one.conditions->kind == CONDITION_FROM)
			from = from && rules_live(&one, &f);
	}
	switch (rule->approver) {
	case APPROVER_ORIGINATOR:
		return m->may_originate && from;
	case APPROVER_RECIPIENT:
		return m->may_receive && rules_to(rule, m->party->name);
	case APPROVER_PARTY:
		return bytes_equal(rule->approver_party, m->party->name);
	}
	return false;
}

static const struct rule *
asking_rule(const struct lint_case *c, const struct member *m)
{
	for (size_t i = 0; i < c->of->rule_count; i++)
		if (c->of->rules[i].verdict == VERDICT_HOLD && asks(&c->of->rules[i], m))
			return &c->of->rules[i];
	return NULL;
}

/* The one agent with the role, if there is just one. */
static const struct agent *
sole(const struct party *p, unsigned role)
{
	const struct agent *found = NULL;
	for (size_t i = 0; i < p->agent_count; i++) {
		if ((p->agents[i].roles & role) == 0)
			continue;
		if (found != NULL)
			return NULL;
		found = &p->agents[i];
	}
	return found;
}

/* Nobody approves what it published itself.  Without a rule there is still what a signer signed
 * that is revoked. */
static void
lint_self(const struct lint_case *c, const struct member *m)
{
	const struct agent *agent = sole(m->party, ROLE_APPROVE);
	const struct rule *rule = NULL;
	if (!m->may_originate || agent == NULL || agent != sole(m->party, ROLE_PUBLISH))
		return;
	for (size_t i = 0; i < c->of->rule_count && rule == NULL; i++) {
		const struct rule *r = &c->of->rules[i];
		if (r->verdict == VERDICT_HOLD && r->approver == APPROVER_ORIGINATOR && asks(r, m))
			rule = r;
	}
	text_warning_named(c->linter->warnings, lint_name(LINT_SELF_APPROVER),
	    lint_place(c->linter->top, "party", m->party->name),
	    "give 'approve' to an agent that does not publish",
	    "'%.*s' alone publishes and approves for party '%.*s', and nobody approves what it "
	    "published itself: what %s%.*s%s of agreement '%.*s' is withheld in the end",
	    SHOWN(agent->path), SHOWN(m->party->name), rule == NULL ? "a revoked signer" : "rule '",
	    rule == NULL ? 0 : (int)rule->name.len,
	    rule == NULL ? "" : (const char *)rule->name.data, rule == NULL ? " signed" : "' holds",
	    SHOWN(c->of->name));
}

void
lint_approvers(const struct lint_case *c)
{
	static const char help[] = "agent /release-office { roles [ approve ] }";
	const char *name = lint_name(LINT_NO_APPROVER);
	for (size_t i = 0; i < c->of->member_count; i++) {
		const struct member *m = &c->of->members[i];
		const struct rule *rule = asking_rule(c, m);
		const struct text_pos *pos = lint_place(c->linter->top, "party", m->party->name);
		lint_self(c, m);
		if (has_role(m->party, ROLE_APPROVE))
			continue;
		if (rule != NULL)
			text_warning_named(c->linter->warnings, name, pos, help,
			    "party '%.*s' must approve for rule '%.*s' of agreement '%.*s' and has "
			    "no agent with 'approve': all that it holds is withheld in the end",
			    SHOWN(m->party->name), SHOWN(rule->name), SHOWN(c->of->name));
		else if (m->may_originate && c->of->onward == ONWARD_CONSENT)
			text_warning_named(c->linter->warnings, name, pos, help,
			    "party '%.*s' must consent to what goes on from agreement '%.*s' and "
			    "has no agent with 'approve': nothing goes on",
			    SHOWN(m->party->name), SHOWN(c->of->name));
	}
}

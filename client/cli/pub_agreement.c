#include "client/cli/pub_agreement.h"

#include <string.h>

#include "client/cli/agreements.h"

/* One token of a pattern against one of a topic; "*" is any, ">" the rest. */
static bool
covers(const char *pattern, const char *topic)
{
	for (;;) {
		size_t p = strcspn(pattern, "."), t = strcspn(topic, ".");
		if (p == 1 && pattern[0] == '>')
			return t > 0;
		if (!(p == 1 && pattern[0] == '*') && (p != t || memcmp(pattern, topic, p) != 0))
			return false;
		if (pattern[p] == 0 || topic[t] == 0)
			return pattern[p] == 0 && topic[t] == 0;
		pattern += p + 1;
		topic += t + 1;
	}
}

/* Why an agreement cannot be used for this report; NULL: it can. */
static const char *
why_not(const struct relto_agreement *g, const struct relto_report *r)
{
	bool topic = false;
	for (size_t i = 0; i < g->topics.count; i++)
		topic |= covers(g->topics.items[i], r->topic);
	return g->state != RELTO_IN_FORCE    ? "it is not in force"
	       : g->suspended		     ? "it is suspended"
	       : !g->may_originate	     ? "you may not originate under it"
	       : g->exercise && !r->exercise ? "it is for --exercise"
	       : !g->exercise && r->exercise ? "it is not for --exercise"
	       : !topic			     ? "it does not cover the topic"
					     : NULL;
}

static void
say_why_not(const struct relto_identity *me, const struct relto_report *r)
{
	(void)fprintf(stderr, "relto: no agreement of yours can be used for the topic '%s'%s\n",
	    r->topic, r->exercise ? " with --exercise" : "");
	for (size_t i = 0; i < me->agreement_count; i++) {
		const struct relto_agreement *g = &me->agreements[i];
		out_cleanf(stderr, "  %s: %s; its topics:", g->name, why_not(g, r));
		for (size_t k = 0; k < g->topics.count; k++)
			out_cleanf(stderr, " %s", g->topics.items[k]);
		(void)fputc('\n', stderr);
	}
	if (me->agreement_count == 0)
		(void)fputs("  your party is in no agreement\n", stderr);
}

/* Without --agreement: the one that this party may use for the report; else which there are. */
static int
choose(struct session *s, const struct relto_identity *me, const struct relto_report *r,
    struct pub_agreements *chosen)
{
	const char *names = "";
	if (chosen->count > 0)
		return 0;
	for (size_t i = 0; i < me->agreement_count; i++) {
		const struct relto_agreement *g = &me->agreements[i];
		if (why_not(g, r) != NULL)
			continue;
		names = arena_printf(&s->arena, "%s %s", names, g->name);
		if (chosen->count < PUB_AGREEMENTS)
			chosen->names[chosen->count++] = arena_printf(&s->arena, "%s", g->name);
	}
	if (chosen->count == 0)
		say_why_not(me, r);
	if (chosen->count > 1)
		return out_usage(chosen->usage,
		    "several agreements cover the topic; choose with --agreement:%s", names);
	return chosen->count == 1 ? 0 : err_exit(ERR_USAGE);
}

int
pub_agreements(struct session *s, const struct relto_report *report, struct pub_agreements *chosen)
{
	struct relto_identity *me = NULL;
	struct relto_error e = { 0 };
	unsigned tries = 0;
	while (!relto_whoami(s->connection, &me, &e))
		if (!session_again(&e, &tries))
			return session_error(&e);
	int status = choose(s, me, report, chosen);
	if (status == 0)
		status = agreements_pinned(s, me, chosen->names, chosen->count);
	relto_identity_free(me);
	return status;
}

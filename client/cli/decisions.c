#include "client/cli/decisions.h"

#include <inttypes.h>

static const char *const outcomes[] = { "?", "release", "redact", "hold", "withhold" };
static const char *const verdicts[] = { "?", "release", "hold", "withhold" };
static const char *const kinds[] = { "?", "review", "consent", "signer" };

static const char *
word(const char *const *words, size_t count, unsigned i)
{
	return i < count ? words[i] : words[0];
}
#define WORD(words, i) word(words, sizeof(words) / sizeof((words)[0]), (unsigned)(i))

/* What the reports that this one cites do to it. */
static const char *
words_of(const char *reason)
{
	static const struct {
		const char *reason, *words;
	} all[] = {
		{ "unknown-source",
		    "it cites a report that your party did not publish and was not given" },
		{ "onward",
		    "it rests on a report whose agreement does not let it go on to this party" },
		{ "consent", "the originator of a report that it rests on must consent" },
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(all[i].reason, reason) == 0)
			return all[i].words;
	return NULL;
}

static void
print_obligation(FILE *to, const struct relto_obligation *o)
{
	char time[32];
	bool consent = o->kind == RELTO_CONSENT;
	(void)fprintf(to, "      open: %s", WORD(kinds, o->kind));
	if (o->approver[0] != 0)
		out_cleanf(to, " by %s", o->approver);
	if (o->subject[0] != 0)
		out_cleanf(to, consent ? " to what rests on its report %s" : " (%s)", o->subject);
	else if (consent)
		(void)fputs(" to what rests on a source of a source", to);
	(void)fprintf(to, " until %s\n", session_time(o->deadline_us / 1000, time));
}

static void
print_portion(FILE *to, const struct relto_portion_decision *p)
{
	const char *words = words_of(p->reason);
	out_cleanf(to, "    portion %-3" PRIu32 " %-9s %s", p->portion, WORD(verdicts, p->verdict),
	    p->reason);
	if (p->agreement[0] != 0)
		out_cleanf(to, "  under %s", p->agreement);
	if (p->rule[0] != 0)
		out_cleanf(to, "  rule %s", p->rule);
	if (p->place[0] != 0)
		out_cleanf(to, "  %s", p->place);
	(void)fputc('\n', to);
	if (words != NULL)
		(void)fprintf(to, "      %s\n", words);
	for (size_t i = 0; i < p->obligation_count; i++)
		print_obligation(to, &p->obligations[i]);
}

void
decisions_print(FILE *to, const struct relto_explanation *x)
{
	char time[32];
	for (size_t i = 0; i < x->unusable_count; i++) {
		out_cleanf(to, "  agreement %s: %s", x->unusable[i].agreement, x->unusable[i].why);
		(void)fputc('\n', to);
	}
	for (size_t i = 0; i < x->decision_count; i++) {
		const struct relto_decision *d = &x->decisions[i];
		out_cleanf(to, "  %-12s %s", d->recipient, WORD(outcomes, d->outcome));
		if (d->delivered_us != 0)
			(void)fprintf(
			    to, ", delivered %s", session_time(d->delivered_us / 1000, time));
		if (d->acknowledged_us != 0)
			(void)fprintf(
			    to, ", acknowledged %s", session_time(d->acknowledged_us / 1000, time));
		(void)fputc('\n', to);
		for (size_t k = 0; k < d->portion_count; k++)
			print_portion(to, &d->portions[k]);
	}
	if (x->decision_count == 0)
		(void)fputs("  nobody: no member of the agreements may receive\n", to);
}

static void
portion_json(struct out_json *j, const struct relto_portion_decision *p)
{
	out_json_begin(j, NULL, '{');
	out_json_uint(j, "portion", p->portion);
	out_json_text(j, "verdict", WORD(verdicts, p->verdict));
	out_json_text(j, "reason", p->reason);
	out_json_text(j, "agreement", p->agreement[0] == 0 ? NULL : p->agreement);
	out_json_text(j, "rule", p->rule[0] == 0 ? NULL : p->rule);
	out_json_text(j, "place", p->place[0] == 0 ? NULL : p->place);
	out_json_begin(j, "obligations", '[');
	for (size_t i = 0; i < p->obligation_count; i++) {
		const struct relto_obligation *o = &p->obligations[i];
		out_json_begin(j, NULL, '{');
		out_json_text(j, "kind", WORD(kinds, o->kind));
		out_json_text(j, "agreement", o->agreement);
		out_json_text(j, "subject", o->subject);
		out_json_text(j, "approver", o->approver);
		out_json_uint(j, "deadline_us", o->deadline_us);
		out_json_end(j, '}');
	}
	out_json_end(j, ']');
	out_json_end(j, '}');
}

void
decisions_json(struct out_json *j, const char *key, const struct relto_explanation *x)
{
	out_json_begin(j, key, '[');
	for (size_t i = 0; i < x->decision_count; i++) {
		const struct relto_decision *d = &x->decisions[i];
		out_json_begin(j, NULL, '{');
		out_json_text(j, "recipient", d->recipient);
		out_json_text(j, "outcome", WORD(outcomes, d->outcome));
		out_json_uint(j, "record", d->index);
		out_json_uint(j, "time_us", d->time_us);
		out_json_uint(j, "delivered_us", d->delivered_us);
		out_json_uint(j, "acknowledged_us", d->acknowledged_us);
		out_json_hex(j, "policy", d->policy, sizeof(d->policy));
		out_json_begin(j, "portions", '[');
		for (size_t k = 0; k < d->portion_count; k++)
			portion_json(j, &d->portions[k]);
		out_json_end(j, ']');
		out_json_end(j, '}');
	}
	out_json_end(j, ']');
}

void
decisions_unusable_json(struct out_json *j, const struct relto_unusable *u, size_t count)
{
	out_json_begin(j, "unusable", '[');
	for (size_t i = 0; i < count; i++) {
		out_json_begin(j, NULL, '{');
		out_json_text(j, "agreement", u[i].agreement);
		out_json_text(j, "why", u[i].why);
		out_json_end(j, '}');
	}
	out_json_end(j, ']');
}

bool
decisions_reach_somebody(const struct relto_explanation *x)
{
	for (size_t i = 0; i < x->decision_count; i++)
		if (x->decisions[i].outcome != RELTO_WITHHOLD)
			return true;
	return false;
}

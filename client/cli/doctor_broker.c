#include "client/cli/agreements.h"
#include "client/cli/doctor.h"
#include "client/generation.h"

#include <inttypes.h>
#include <string.h>

/* What somebody can do about an error of the connection. */
static const char *
help_for(const struct relto_error *e)
{
	static const struct {
		const char *code, *help;
	} table[] = {
		{ "unreachable",
		    "is the broker running, and is the address right? Ask its operator" },
		{ "timeout", "is there a firewall between, or another service at that address?" },
		{ "tls", "the broker does not take this certificate: ask its operator whether the "
			 "policy lists this agent" },
		{ "certificate",
		    "this is not the hub that is pinned: do not go on, ask its operator by "
		    "another way" },
		{ "fork",
		    "trust nothing of this broker, keep the state folder, and give it to your "
		    "auditor" },
		{ "quorum",
		    "the witnesses are away, or this is another log than they see: ask them and "
		    "the operator by another way, and give the evidence to your auditor" },
		{ "generation", "ask the operator by another way whether the log was restored, "
				"and under which key; then: relto context accept-log" },
		{ "version", "relto and the broker are of different times: update the older one" },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(e->code, table[i].code) == 0)
			return table[i].help;
	return "correct what it names";
}

static bool
has_role(const struct relto_identity *me, const char *role)
{
	for (size_t i = 0; i < me->roles.count; i++)
		if (strcmp(me->roles.items[i], role) == 0)
			return true;
	return false;
}

static void
check_terms(struct doctor *d, const struct relto_agreement *g, const char *check,
    const struct pins *pins, bool publishes)
{
	const struct pin *pin = pins_find(pins, g->name);
	if (pin == NULL && publishes)
		doctor_say(d, FINDING_WARN, check,
		    "read the terms, then: relto agreement accept NAME --terms DIGEST",
		    "its terms were not accepted here: what is published goes under whatever the "
		    "broker shows");
	else if (pin != NULL && !agreements_accepted(g, pin))
		doctor_say(d, FINDING_FAIL, check,
		    "ask the other parties, by another way than the broker; nothing is published "
		    "under these terms",
		    "the broker shows other terms than version %" PRIu64
		    ", which was accepted here",
		    pin->version);
	else
		doctor_say(d, FINDING_OK, check, NULL, "version %" PRIu64 ", %s%s%s", g->version,
		    g->may_originate ? "I may send" : "",
		    g->may_originate && g->may_receive ? ", " : "",
		    g->may_receive ? "I may receive" : "");
}

static void
check_agreement(
    struct doctor *d, const struct relto_agreement *g, const struct pins *pins, bool publishes)
{
	const char *check = arena_printf(d->arena, "agreement %s", g->name);
	if (check == NULL) {
		doctor_say(d, FINDING_FAIL, "agreement", "try again", "out of memory");
		return;
	}
	if (g->suspended || g->state != RELTO_IN_FORCE)
		doctor_say(d, FINDING_WARN, check, "ask the operator of the hub",
		    g->suspended ? "it is suspended: nothing goes under it"
				 : "it is not in force: nothing goes under it");
	else if (d->now_ms < g->valid_from)
		doctor_say(d, FINDING_WARN, check, "wait", "it is not in force yet");
	else if (g->valid_until != 0)
		doctor_until(d, check, "it is in force", g->valid_until,
		    "ask the parties for a new version");
	check_terms(d, g, check, pins, publishes);
}

static void
check_identity(struct doctor *d, const struct relto_identity *me)
{
	SCOPED(arena_done) struct arena a;
	struct pins pins = { 0 };
	struct err e = { 0 };
	arena_init(&a, 8 << 20);
	doctor_say(d, me->roles.count == 0 ? FINDING_WARN : FINDING_OK, "agent",
	    me->roles.count == 0 ? "ask the operator of the hub to give the agent roles" : NULL,
	    "%s of %s; roles: %zu", me->agent, me->party, me->roles.count);
	doctor_until(d, "agent", "the chain of its certificate is valid", me->certificate_until,
	    "ask your party's authority for a new one");
	if (d->context->terms != NULL && !pins_load(d->context->terms, &a, &pins, &e))
		doctor_say(
		    d, FINDING_FAIL, "terms", "correct the file, or accept again", "%s", e.text);
	if (me->agreement_count == 0 && (has_role(me, "publish") || has_role(me, "subscribe")))
		doctor_say(d, FINDING_WARN, "agreement", "ask the operator of the hub",
		    "the party is a member of no agreement: nothing can be sent or received");
	for (size_t i = 0; i < me->agreement_count; i++)
		check_agreement(d, &me->agreements[i], &pins, has_role(me, "publish"));
}

/* Who signed the head that is shown; that the quorum may be behind for a while was judged. */
static void
check_signed(struct doctor *d, const struct session *s, const struct relto_checkpoint *head)
{
	struct err e = { 0 };
	if (s->context->quorum == NULL)
		return;
	if (inside_quorum_signed(s->connection, bytes_of(head->note), &e))
		doctor_say(d, FINDING_OK, "witnesses", NULL, "the quorum signed it");
	else
		doctor_say(d, FINDING_WARN, "witnesses",
		    "run it again in 10 s; if it stays so, ask the operator", "%s", e.text);
}

void
doctor_broker(struct doctor *d, const struct context_flags *flags)
{
	struct session s = { 0 };
	struct relto_identity *me = NULL;
	struct relto_error e = { 0 };
	struct err why = { 0 };
	if (!session_connect(&s, flags, &e) || !relto_whoami(s.connection, &me, &e))
		doctor_say(d, FINDING_FAIL, "broker", help_for(&e), "%s%s%s%s%s", e.code,
		    e.code[0] == 0 ? "" : ": ", e.text, e.detail[0] == 0 ? "" : ": ", e.detail);
	else {
		const struct relto_checkpoint *head = relto_log_head(s.connection);
		doctor_say(d, FINDING_OK, "broker", NULL, "%s", s.context->server);
		doctor_say(d, FINDING_OK, "log", NULL,
		    "%s of size %" PRIu64 ", which extends what was seen before", head->origin,
		    head->size);
		check_signed(d, &s, head);
		check_identity(d, me);
		if (session_vocabs(&s, &why))
			doctor_say(
			    d, FINDING_OK, "vocabularies", NULL, "%zu are known", s.vocab_count);
		else
			doctor_say(d, FINDING_FAIL, "vocabularies",
			    "relto vocab check HOME/vocab/*.spif.xml", "%s", why.text);
	}
	relto_identity_free(me);
	session_close(&s);
}

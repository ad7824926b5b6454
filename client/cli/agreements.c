#include "client/cli/agreements.h"

#include <inttypes.h>
#include <string.h>

static const char *
state(enum relto_state s)
{
	static const char *const names[] = { "?", "draft", "in-force", "terminated" };
	return (unsigned)s < 4 ? names[s] : names[0];
}

/* ---- what was accepted ---- */

void
agreements_digest(FILE *to, const uint8_t terms[RELTO_DIGEST_BYTES])
{
	for (size_t i = 0; i < RELTO_DIGEST_BYTES; i++)
		(void)fprintf(to, "%02x", terms[i]);
}

static void
accepted_json(struct out_json *j, const struct relto_agreement *g, const struct pin *pin)
{
	out_json_bool(j, "accepted", agreements_accepted(g, pin));
	if (pin == NULL) {
		out_json_text(j, "accepted_terms", NULL);
		return;
	}
	out_json_uint(j, "accepted_version", pin->version);
	out_json_hex(j, "accepted_terms", pin->terms, sizeof(pin->terms));
}

static void
accepted_print(const struct relto_agreement *g, const struct pin *pin)
{
	if (agreements_accepted(g, pin))
		(void)puts("    accepted");
	else if (pin == NULL)
		(void)puts("    not accepted here: nothing is published under it");
	else {
		(void)printf(
		    "    not accepted here: version %" PRIu64 " was, terms ", pin->version);
		agreements_digest(stdout, pin->terms);
		(void)putchar('\n');
	}
}

bool
agreements_accepted(const struct relto_agreement *g, const struct pin *pin)
{
	return pin != NULL && memcmp(pin->terms, g->terms, sizeof(pin->terms)) == 0;
}

/* ---- an agreement ---- */

void
agreements_json(struct out_json *j, const struct relto_identity *me, const struct pins *pins)
{
	out_json_begin(j, "agreements", '[');
	for (size_t i = 0; i < me->agreement_count; i++) {
		const struct relto_agreement *g = &me->agreements[i];
		out_json_begin(j, NULL, '{');
		out_json_text(j, "name", g->name);
		out_json_uint(j, "version", g->version);
		out_json_hex(j, "terms", g->terms, sizeof(g->terms));
		out_json_text(j, "title", g->title);
		out_json_text(j, "state", state(g->state));
		out_json_bool(j, "suspended", g->suspended);
		out_json_uint(j, "valid_from_ms", g->valid_from);
		out_json_uint(j, "valid_until_ms", g->valid_until);
		out_json_text(j, "mode", g->exercise ? "exercise" : "live");
		session_texts_json(j, "topics", &g->topics);
		out_json_bool(j, "may_originate", g->may_originate);
		out_json_bool(j, "may_receive", g->may_receive);
		out_json_uint(j, "precedence_at_most", g->at_most);
		session_texts_json(j, "members", &g->members);
		if (pins != NULL)
			accepted_json(j, g, pins_find(pins, g->name));
		out_json_end(j, '}');
	}
	out_json_end(j, ']');
}

static void
texts_print(const char *what, const struct relto_texts *t)
{
	(void)fputs(what, stdout);
	for (size_t i = 0; i < t->count; i++)
		out_cleanf(stdout, " %s", t->items[i]);
	(void)putchar('\n');
}

void
agreements_print(const struct relto_agreement *g, const struct pins *pins)
{
	char from[32], until[32];
	out_cleanf(stdout, "%s@%" PRIu64 "  %s%s%s", g->name, g->version, state(g->state),
	    g->suspended ? ", suspended" : "", g->exercise ? ", EXERCISE" : "");
	(void)fputs("\n    ", stdout);
	out_clean(stdout, bytes_of(g->title == NULL ? "" : g->title));
	(void)printf("\n    terms    ");
	agreements_digest(stdout, g->terms);
	(void)printf("\n    valid    %s to %s\n", session_time(g->valid_from, from),
	    session_time(g->valid_until, until));
	texts_print("    topics  ", &g->topics);
	texts_print("    members ", &g->members);
	(void)printf("    you may  %s%s\n", g->may_originate ? "originate " : "",
	    g->may_receive ? "receive" : "");
	if (pins != NULL)
		accepted_print(g, pins_find(pins, g->name));
}

/* ---- before anything is published ---- */

/* What the broker shows of an agreement; NULL: nothing. */
static const struct relto_agreement *
shown(const struct relto_identity *me, const char *name)
{
	for (size_t i = 0; i < me->agreement_count; i++)
		if (strcmp(me->agreements[i].name, name) == 0)
			return &me->agreements[i];
	return NULL;
}

static void
say_version(const char *what, uint64_t version, const uint8_t terms[32])
{
	(void)fprintf(stderr, "  %s  version %" PRIu64 "  ", what, version);
	agreements_digest(stderr, terms);
	(void)fputc('\n', stderr);
}

/* Nothing leaves under terms that this party has not accepted. */
static int
refuse_terms(const struct relto_agreement *g, const char *name, const struct pin *pin)
{
	out_cleanf(stderr, "relto: agreement-not-usable: %s: %s", name,
	    g == NULL	  ? "the broker shows no such agreement any more"
	    : pin == NULL ? "its terms were not accepted here"
			  : "the broker's terms are not those that were accepted");
	(void)fputc('\n', stderr);
	if (pin != NULL)
		say_version("accepted    ", pin->version, pin->terms);
	if (g != NULL) {
		say_version("the broker's", g->version, g->terms);
		(void)fputs("  ask the other parties what they agreed to, by another way than this "
			    "broker; then: relto agreement accept ",
		    stderr);
		out_cleanf(stderr, "%s --terms ", g->name);
		agreements_digest(stderr, g->terms);
		(void)fputc('\n', stderr);
	}
	return err_exit(ERR_AGREEMENT_NOT_USABLE);
}

int
agreements_pinned(
    struct session *s, const struct relto_identity *me, const char *const *names, size_t count)
{
	struct pins pins;
	struct err why = { 0 };
	struct relto_error e = { 0 };
	if (!pins_load(s->context->terms, &s->arena, &pins, &why))
		return out_error(&why);
	for (size_t i = 0; i < count; i++) {
		const struct relto_agreement *g = shown(me, names[i]);
		const struct pin *pin = pins_find(&pins, names[i]);
		/* neither: the broker says what it says of any such */
		if ((g != NULL || pin != NULL) && (g == NULL || !agreements_accepted(g, pin)))
			return refuse_terms(g, names[i], pin);
		/* librelto holds them against what the report will name */
		if (pin != NULL && !relto_context_terms(s->library, pin->agreement, pin->terms, &e))
			return session_error(&e);
	}
	return 0;
}

/* cmd_agreement.c - relto agreement list|accept: what my party agreed to, and what it accepted. */
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include "audit/bundle.h"
#include "client/cli/agreements.h"
#include "client/cli/cmd.h"

const char cmd_agreement_usage[] = "agreement list [--json]\n"
				   "       relto agreement accept NAME [--terms DIGEST] [--json]";

enum { OPT_JSON = 1, OPT_TERMS };
static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "terms", required_argument, NULL, OPT_TERMS },
	CONTEXT_OPTIONS,
	{ NULL, 0, NULL, 0 },
};

struct call {
	struct context_flags flags;
	const char *name;  /* NULL: list */
	const char *terms; /* as said; NULL: what the broker shows */
	uint8_t digest[32];
	bool json;
	struct session session;
	struct pins pins;
	struct relto_identity *me;
};

/* 0, or the exit status of a wrong call, said. */
static int
parse(struct call *c, int argc, char **argv)
{
	int code;
	opterr = 0;
	optind = 1;
	while ((code = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (code == OPT_JSON)
			c->json = true;
		else if (code == OPT_TERMS)
			c->terms = optarg;
		else if (code == ':')
			return out_usage(cmd_agreement_usage, "%s takes a value", argv[optind - 1]);
		else if (code == '?' || !context_flag(&c->flags, code, optarg))
			return out_usage(cmd_agreement_usage, "what is '%s'?", argv[optind - 1]);
	}
	const char *what = optind < argc ? argv[optind] : "";
	bool list = strcmp(what, "list") == 0, accept = strcmp(what, "accept") == 0;
	if (!list && !accept)
		return out_usage(cmd_agreement_usage, "say what to do");
	if (argc - optind != (accept ? 2 : 1))
		return out_usage(
		    cmd_agreement_usage, accept ? "accept which agreement?" : "list takes no name");
	c->name = accept ? argv[optind + 1] : NULL;
	if (c->terms != NULL && (list || !bundle_unhex(bytes_of(c->terms), c->digest)))
		return out_usage(cmd_agreement_usage,
		    "--terms '%s' is not right: accept takes a digest, 64 hexadecimal digits",
		    c->terms);
	return 0;
}

/* ---- list ---- */

/* What was accepted of agreements that the broker shows no more. */
static void
print_lost(const struct call *c)
{
	for (size_t i = 0; i < c->pins.count; i++) {
		const struct pin *pin = &c->pins.items[i];
		bool shown = false;
		for (size_t k = 0; k < c->me->agreement_count; k++)
			shown |= strcmp(c->me->agreements[k].name, pin->agreement) == 0;
		if (shown)
			continue;
		out_cleanf(stdout, "%s", pin->agreement);
		(void)printf("  accepted as version %" PRIu64
			     ", and none of yours any more\n    terms    ",
		    pin->version);
		agreements_digest(stdout, pin->terms);
		(void)putchar('\n');
	}
}

static int
list(const struct call *c)
{
	struct out_json j = { .to = stdout };
	if (c->json) {
		out_json_begin(&j, NULL, '{');
		out_json_text(&j, "party", c->me->party);
		agreements_json(&j, c->me, &c->pins);
		out_json_end(&j, '}');
		out_json_line(&j);
		return 0;
	}
	for (size_t i = 0; i < c->me->agreement_count; i++)
		agreements_print(&c->me->agreements[i], &c->pins);
	print_lost(c);
	return 0;
}

/* ---- accept ---- */

static int
refuse(const struct relto_agreement *g, const char *why, const uint8_t *other)
{
	out_cleanf(stderr, "relto: %s: %s; nothing was changed", g->name, why);
	(void)fprintf(stderr, "\n  the broker's    version %" PRIu64 "  ", g->version);
	agreements_digest(stderr, g->terms);
	(void)fputs("\n  yours           ", stderr);
	agreements_digest(stderr, other);
	(void)fputs("\n  ask the other parties, by another way than this broker\n", stderr);
	return err_exit(ERR_AGREEMENT_NOT_USABLE);
}

static void
say(const struct call *c, const struct relto_agreement *g, const struct pin *before)
{
	struct out_json j = { .to = stdout };
	bool same = agreements_accepted(g, before);
	if (c->json) {
		out_json_begin(&j, NULL, '{');
		out_json_text(&j, "agreement", g->name);
		out_json_uint(&j, "version", g->version);
		out_json_hex(&j, "terms", g->terms, sizeof(g->terms));
		out_json_bool(&j, "changed", !same);
		if (before != NULL)
			out_json_hex(&j, "before", before->terms, sizeof(before->terms));
		out_json_end(&j, '}');
		out_json_line(&j);
		return;
	}
	out_cleanf(stdout, "%s@%" PRIu64 "  ", g->name, g->version);
	agreements_digest(stdout, g->terms);
	(void)putchar('\n');
	if (same)
		(void)fputs("accepted before\n", stderr);
	else if (c->terms == NULL)
		(void)fputs("accepted as the broker shows it; compare the digest with what the "
			    "other parties have, by another way\n",
		    stderr);
}

/* Versions rise and one version has one digest, for us as for the broker. */
static int
accept(struct call *c, const struct relto_agreement *g)
{
	const struct pin *before = pins_find(&c->pins, g->name);
	struct pin old = { 0 }, new = { .agreement = g->name, .version = g->version };
	struct err e = { 0 };
	memcpy(new.terms, g->terms, sizeof(new.terms));
	if (before != NULL)
		old = *before;
	if (c->terms != NULL && memcmp(c->digest, g->terms, sizeof(c->digest)) != 0)
		return refuse(g, "the broker has other terms than those named", c->digest);
	if (before != NULL && g->version < old.version)
		return refuse(g, "a later version was accepted before", old.terms);
	if (before != NULL && g->version == old.version && !agreements_accepted(g, &old))
		return refuse(g, "the same version was accepted with other terms", old.terms);
	if (!agreements_accepted(g, before) && !pins_put(&c->pins, &c->session.arena, &new, &e))
		return out_error(&e);
	say(c, g, before == NULL ? NULL : &old);
	return 0;
}

static int
accept_named(struct call *c)
{
	for (size_t i = 0; i < c->me->agreement_count; i++)
		if (strcmp(c->me->agreements[i].name, c->name) == 0)
			return accept(c, &c->me->agreements[i]);
	(void)fprintf(stderr, "relto: there is no agreement '%s' of yours; there are:", c->name);
	for (size_t i = 0; i < c->me->agreement_count; i++)
		out_cleanf(stderr, " %s", c->me->agreements[i].name);
	(void)fputc('\n', stderr);
	return err_exit(ERR_NOT_FOUND);
}

int
cmd_agreement(int argc, char **argv)
{
	struct call c = { 0 };
	struct relto_error e = { 0 };
	struct err why = { 0 };
	int status = parse(&c, argc, argv);
	if (status != 0)
		return status;
	status = session_open(&c.session, &c.flags);
	if (status == 0 && !relto_whoami(c.session.connection, &c.me, &e))
		status = session_error(&e);
	if (status == 0 && !pins_load(c.session.context->terms, &c.session.arena, &c.pins, &why))
		status = out_error(&why);
	if (status == 0)
		status = c.name == NULL ? list(&c) : accept_named(&c);
	relto_identity_free(c.me);
	session_close(&c.session);
	return status;
}

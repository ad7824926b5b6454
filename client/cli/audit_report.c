/* audit_report.c - relto audit report BUNDLE --html. */
#include "client/cli/audit_report.h"

#include "client/cli/audit_bundle.h"
#include "client/cli/disk.h"
#include "client/cli/replay_walk.h"
#include "client/cli/sheet.h"
#include "client/relto.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char audit_report_usage[] =
    "audit report BUNDLE --html [--out FILE] [--key VKEY] [--context NAME] [--json]";

enum { BAD_BUNDLE = 65, ANSWER_NO = 1 };

struct call {
	struct audit_bundle_ask ask;
	const char *out;
	bool html, json;
	struct audit_bundle bundle;
	struct replay_walk walk;
	struct tally tally;
	struct story story;
};

static int
parse(struct call *c, int argc, char **argv)
{
	static const struct option options[] = { { "key", required_argument, NULL, 1 },
		{ "context", required_argument, NULL, 2 }, { "json", no_argument, NULL, 3 },
		{ "html", no_argument, NULL, 4 }, { "out", required_argument, NULL, 5 },
		{ NULL, 0, NULL, 0 } };
	int code;
	opterr = 0;
	optind = 1;
	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (code == 1)
			c->ask.key = optarg;
		else if (code == 2)
			c->ask.context = optarg;
		else if (code == 5)
			c->out = optarg;
		else if (code != 3 && code != 4)
			return out_usage(audit_report_usage, "what is '%s'?", argv[optind - 1]);
		c->json |= code == 3;
		c->html |= code == 4;
	}
	if (argc - optind != 1)
		return out_usage(audit_report_usage, "the report is of one bundle");
	if (!c->html)
		return out_usage(audit_report_usage, "--html is the form that there is");
	if (c->json && c->out == NULL)
		return out_usage(audit_report_usage, "--json says what was written: to --out FILE");
	c->ask.path = argv[optind];
	return 0;
}

static void
on_record(void *ctx, const struct verify_record *r)
{
	struct call *c = ctx;
	replay_walk_record(&c->walk, r);
	tally_record(&c->tally, r);
	story_record(&c->story, r);
}

/* ---- the page ---- */

static bool
fill(struct call *c, struct sheet *s, struct err *e)
{
	const struct replay_walk *w = &c->walk;
	s->replay = (struct sheet_replay){ w->reports, w->decisions, w->rules.policies,
		w->counts[REPLAY_DIFFERS], w->counts[REPLAY_FACTS], w->counts[REPLAY_UNJUDGED] };
	s->story = &c->story;
	s->key = c->bundle.key_text;
	s->made_us = (uint64_t)time(NULL) * 1000000;
	s->version = relto_version();
	for (const struct tally_case *k = c->tally.first; k != NULL; k = k->next) {
		const char *gap = tally_gap(k);
		s->held += gap != NULL && strcmp(gap, "held") == 0;
		s->undelivered += gap != NULL && strcmp(gap, "undelivered") == 0;
		s->unacknowledged += gap != NULL && strcmp(gap, "unacknowledged") == 0;
	}
	if (!tally_pairs(&c->tally, &s->pairs, &s->pair_count) ||
	    !tally_days(&c->tally, &s->days, &s->day_count) ||
	    !tally_reasons(&c->tally, &s->reasons, &s->reason_count) || c->story.dry)
		return err_set(e, ERR_NOMEM, "the figures");
	return verify_files_read(&c->bundle, "checkpoint", &c->bundle.arena, &s->note, e);
}

/* The whole page, before a byte of it is written: it appears whole or not at all. */
static bool
make_page(const struct sheet *s, char **text, size_t *len, struct err *e)
{
	FILE *to = open_memstream(text, len);
	if (to == NULL)
		return err_set(e, ERR_NOMEM, "the page");
	bool ok = sheet_write(to, s, e);
	bool whole = ferror(to) == 0;
	whole = fclose(to) == 0 && whole;
	return ok && (whole || err_set(e, ERR_NOMEM, "the page"));
}

static bool
put_page(const char *path, const struct sheet *s, struct err *e)
{
	char *text = NULL;
	size_t len = 0;
	bool ok = make_page(s, &text, &len, e);
	if (ok && path != NULL)
		ok = disk_write(path, 0600, bytes_from(text, len), e);
	else if (ok && fwrite(text, 1, len, stdout) != len)
		ok = err_set(e, ERR_IO, "standard output");
	free(text);
	return ok;
}

static void
print_json(const struct call *c, const struct sheet *s, bool good)
{
	struct out_json j = { .to = stdout };
	out_json_begin(&j, NULL, '{');
	out_json_bool(&j, "ok", good);
	out_json_text(&j, "page", c->out);
	audit_bundle_json(&c->bundle, &j);
	out_json_begin(&j, "replay", '{');
	out_json_uint(&j, "decisions", s->replay.decisions);
	out_json_uint(&j, "differ", s->replay.differ);
	out_json_uint(&j, "facts", s->replay.facts);
	out_json_uint(&j, "unjudged", s->replay.unjudged);
	out_json_end(&j, '}');
	out_json_end(&j, '}');
	out_json_line(&j);
}

static int
tell(struct call *c, struct err *e)
{
	struct sheet s = { .say = NULL };
	if (!fill(c, &s, e))
		return out_error(e);
	bool follows = s.replay.differ + s.replay.facts + s.replay.unjudged == 0;
	const struct verify_say say = { .result = &c->bundle.result,
		.told = &c->bundle.told,
		.trust = &c->bundle.trust,
		.replayed = follows };
	s.say = &say;
	if (!put_page(c->out, &s, e))
		return out_error(e);
	bool good = follows && c->bundle.result.code == VERIFY_OK;
	if (c->json)
		print_json(c, &s, good);
	else if (!follows)
		(void)fputs("relto: not all decisions follow the policy: relto audit replay lists "
			    "them\n",
		    stderr);
	return c->bundle.result.code != VERIFY_OK ? BAD_BUNDLE : follows ? 0 : ANSWER_NO;
}

/* ---- the run ---- */

static int
run(struct call *c, struct err *e)
{
	struct audit_bundle *b = &c->bundle;
	if (!audit_bundle_open(b, &c->ask, e))
		return out_error(e);
	replay_walk_init(&c->walk, &b->arena, &b->reader);
	tally_init(&c->tally, &b->arena, bytes_of(""));
	story_init(&c->story, &b->arena);
	b->on_record = on_record;
	b->ctx = c;
	if (!audit_bundle_verify(b, e))
		return out_error(e);
	replay_walk_end(&c->walk);
	audit_bundle_tell(b);
	if (!audit_bundle_is_signed(b))
		return out_error(&(struct err){
		    ERR_DATA, "no page was made: its records are not what the log's key signed" });
	if (!audit_bundle_is_whole(b, e))
		return out_error(e);
	if (c->walk.failed)
		return out_error(&c->walk.err);
	return tell(c, e);
}

int
audit_report(int argc, char **argv)
{
	struct err e = { 0 };
	struct call *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return out_error(&(struct err){ ERR_NOMEM, "out of memory" });
	int status = parse(c, argc, argv);
	if (status == 0) {
		status = out_end(run(c, &e));
		replay_walk_done(&c->walk);
		audit_bundle_close(&c->bundle);
	}
	free(c);
	return status;
}

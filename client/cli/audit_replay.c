/* audit_replay.c - relto audit replay BUNDLE. */
#include "client/cli/audit_replay.h"

#include "client/cli/audit_bundle.h"
#include "client/cli/replay_walk.h"
#include "client/cli/table.h"
#include "proto/uuid.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

#define SHOWN(b) (int)(b).len, (const char *)(b).data

const char audit_replay_usage[] = "audit replay BUNDLE [--key VKEY] [--context NAME] [--json]";

enum { BAD_BUNDLE = 65, ANSWER_NO = 1 };

struct call {
	struct audit_bundle_ask ask;
	bool json;
	struct audit_bundle bundle;
	struct replay_walk walk;
};

static int
parse(struct call *c, int argc, char **argv)
{
	static const struct option options[] = { { "key", required_argument, NULL, 1 },
		{ "context", required_argument, NULL, 2 }, { "json", no_argument, NULL, 3 },
		{ NULL, 0, NULL, 0 } };
	int code;
	opterr = 0;
	optind = 1;
	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (code == 1)
			c->ask.key = optarg;
		else if (code == 2)
			c->ask.context = optarg;
		else if (code == 3)
			c->json = true;
		else
			return out_usage(audit_replay_usage, "what is '%s'?", argv[optind - 1]);
	}
	if (argc - optind != 1)
		return out_usage(audit_replay_usage, "one bundle is replayed");
	c->ask.path = argv[optind];
	return 0;
}

/* ---- what is said ---- */

static const char *
kind_word(enum replay_kind k)
{
	static const char *const words[] = { "", "differs", "facts", "not judged" };
	return words[k];
}

static bool
add_row(struct table *t, struct arena *a, const struct replay_found *f, struct err *e)
{
	char id[UUID_TEXT + 1];
	uuid_print(f->report, id);
	const char *what = f->portion == REPLAY_ALL
			       ? f->what
			       : arena_printf(a, "%s of portion %u", f->what, f->portion + 1);
	const char *cells[] = { kind_word(f->kind), arena_printf(a, "%" PRIu64, f->record),
		event_token(f->type), arena_printf(a, "%s", id),
		arena_printf(a, "%.*s", SHOWN(f->publisher)),
		arena_printf(a, "%.*s", SHOWN(f->recipient)), what,
		arena_printf(a, "%.*s", SHOWN(f->recorded)),
		arena_printf(a, "%.*s", SHOWN(f->now)) };
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		if (cells[i] == NULL)
			return err_set(e, ERR_NOMEM, "rows");
	return table_add(t, cells, e);
}

static bool
print_rows(struct call *c, struct err *e)
{
	static const char *const head[] = { "FAULT", "RECORD", "TYPE", "REPORT", "FROM", "TO",
		"WHAT", "RECORDED", "NOW" };
	struct table t;
	struct arena *a = &c->bundle.arena;
	table_init(&t, a, "", sizeof(head) / sizeof(head[0]));
	if (!table_head(&t, head, e))
		return false;
	for (size_t i = 0; i < c->walk.found_count; i++)
		if (!add_row(&t, a, &c->walk.found[i], e))
			return false;
	if (c->walk.found_count > 0)
		table_print(&t, stdout);
	return true;
}

static uint64_t
faults(const struct replay_walk *w)
{
	return w->counts[REPLAY_DIFFERS] + w->counts[REPLAY_FACTS] + w->counts[REPLAY_UNJUDGED];
}

static bool
print(struct call *c, struct err *e)
{
	const struct replay_walk *w = &c->walk;
	if (!print_rows(c, e))
		return false;
	if (faults(w) > w->found_count)
		(void)printf("..and %" PRIu64 " more\n", faults(w) - w->found_count);
	(void)printf("%" PRIu64 " decisions on %" PRIu64 " reports judged again, under %" PRIu64
		     " polic%s of their day: %" PRIu64 " differ%s\n",
	    w->decisions, w->reports, w->rules.policies, w->rules.policies == 1 ? "y" : "ies",
	    w->counts[REPLAY_DIFFERS], w->counts[REPLAY_DIFFERS] == 1 ? "s" : "");
	if (w->counts[REPLAY_FACTS] > 0)
		(void)printf(
		    "facts that are not what the log says: %" PRIu64 "\n", w->counts[REPLAY_FACTS]);
	if (w->counts[REPLAY_UNJUDGED] > 0)
		(void)printf("not judged, or not against the log: %" PRIu64 "\n",
		    w->counts[REPLAY_UNJUDGED]);
	if (c->bundle.result.code != VERIFY_OK)
		(void)puts("nothing may be concluded: the bundle does not verify");
	else if (faults(w) == 0)
		(void)puts("the recorded decisions follow the recorded policy");
	return true;
}

static void
put_found(const struct replay_found *f, struct out_json *j)
{
	char id[UUID_TEXT + 1];
	uuid_print(f->report, id);
	out_json_begin(j, NULL, '{');
	out_json_text(j, "fault", f->kind == REPLAY_UNJUDGED ? "unjudged" : kind_word(f->kind));
	out_json_uint(j, "record", f->record);
	out_json_text(j, "type", event_token(f->type));
	out_json_text(j, "report", id);
	out_json_bytes(j, "publisher", f->publisher);
	out_json_bytes_or_null(j, "recipient", f->recipient);
	if (f->portion != REPLAY_ALL)
		out_json_uint(j, "portion", f->portion);
	out_json_text(j, "what", f->what);
	out_json_bytes_or_null(j, "recorded", f->recorded);
	out_json_bytes_or_null(j, "now", f->now);
	out_json_end(j, '}');
}

static void
print_json(const struct call *c)
{
	const struct replay_walk *w = &c->walk;
	struct out_json j = { .to = stdout };
	out_json_begin(&j, NULL, '{');
	out_json_bool(&j, "ok", faults(w) == 0 && c->bundle.result.code == VERIFY_OK);
	audit_bundle_json(&c->bundle, &j);
	out_json_uint(&j, "policies", w->rules.policies);
	out_json_uint(&j, "reports", w->reports);
	out_json_uint(&j, "decisions", w->decisions);
	out_json_uint(&j, "differ", w->counts[REPLAY_DIFFERS]);
	out_json_uint(&j, "facts", w->counts[REPLAY_FACTS]);
	out_json_uint(&j, "unjudged", w->counts[REPLAY_UNJUDGED]);
	out_json_begin(&j, "faults", '[');
	for (size_t i = 0; i < w->found_count; i++)
		put_found(&w->found[i], &j);
	out_json_end(&j, ']');
	out_json_end(&j, '}');
	out_json_line(&j);
}

/* ---- the run ---- */

static void
on_record(void *ctx, const struct verify_record *r)
{
	struct call *c = ctx;
	replay_walk_record(&c->walk, r);
}

static int
run(struct call *c, struct err *e)
{
	struct audit_bundle *b = &c->bundle;
	if (!audit_bundle_open(b, &c->ask, e))
		return out_error(e);
	replay_walk_init(&c->walk, &b->arena, &b->reader);
	b->on_record = on_record;
	b->ctx = c;
	if (!audit_bundle_verify(b, e))
		return out_error(e);
	replay_walk_end(&c->walk);
	audit_bundle_tell(b);
	if (!audit_bundle_is_signed(b))
		return out_error(&(struct err){ ERR_DATA,
		    "nothing was judged: its records are not what the log's key signed" });
	if (!audit_bundle_is_whole(b, e))
		return out_error(e);
	if (c->walk.failed)
		return out_error(&c->walk.err);
	if (c->json)
		print_json(c);
	else if (!print(c, e))
		return out_error(e);
	return b->result.code != VERIFY_OK ? BAD_BUNDLE : faults(&c->walk) > 0 ? ANSWER_NO : 0;
}

int
audit_replay(int argc, char **argv)
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

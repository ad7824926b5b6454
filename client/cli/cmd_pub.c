/* cmd_pub.c - relto pub: a report from files and markings (DESIGN section 12). */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/alarms.h"
#include "client/cli/cmd.h"
#include "client/cli/decisions.h"
#include "client/cli/files.h"
#include "client/cli/label_arg.h"
#include "client/cli/notice_arg.h"
#include "client/cli/pub_agreement.h"
#include "client/cli/pub_proof.h"
#include "proto/syntax.h"

const char cmd_pub_usage[] =
    "pub TOPIC [FILE|-] --label L.. [--title T] [--type T] [--portion FILE --label L..]..\n"
    "      [--agreement A..] [--precedence P] [--only-to X..] [--not-to X..] [--source ID..]\n"
    "      [--supersedes ID|--about ID] [--code CODE]\n"
    "      [--expires T] [--not-before T] [--id ID] [--exercise] [--backfill] [--dry-run]\n"
    "      [--proof] [--json]";

enum { PORTIONS = 256, LABELS = 4, NAMES = 256, SOURCES = 32 };
enum option_code {
	OPT_LABEL = 1,
	OPT_TITLE,
	OPT_TYPE,
	OPT_PORTION,
	OPT_AGREEMENT,
	OPT_PRECEDENCE,
	OPT_ONLY_TO,
	OPT_NOT_TO,
	OPT_SOURCE,
	OPT_SUPERSEDES,
	OPT_ABOUT,
	OPT_CODE,
	OPT_EXPIRES,
	OPT_NOT_BEFORE,
	OPT_ID,
	OPT_EXERCISE,
	OPT_BACKFILL,
	OPT_DRY_RUN,
	OPT_PROOF,
	OPT_JSON
};

struct part { /* one portion as asked for */
	const char *file, *title, *type;
	const char *labels[LABELS];
	size_t label_count;
};
struct call {
	struct context_flags flags;
	const char *topic;
	struct part parts[PORTIONS];
	size_t part_count;
	const char *only_to[NAMES], *not_to[NAMES];
	size_t only_to_count, not_to_count;
	struct pub_agreements agreements;
	struct relto_source sources[SOURCES];
	size_t source_count;
	struct relto_report report;
	struct relto_notice notice;
	bool dry_run, json, has_only_to, proof;
	struct alarms alarms;
};

static const struct option options[] = {
	{ "label", required_argument, NULL, OPT_LABEL },
	{ "title", required_argument, NULL, OPT_TITLE },
	{ "type", required_argument, NULL, OPT_TYPE },
	{ "portion", required_argument, NULL, OPT_PORTION },
	{ "agreement", required_argument, NULL, OPT_AGREEMENT },
	{ "precedence", required_argument, NULL, OPT_PRECEDENCE },
	{ "only-to", required_argument, NULL, OPT_ONLY_TO },
	{ "not-to", required_argument, NULL, OPT_NOT_TO },
	{ "source", required_argument, NULL, OPT_SOURCE },
	{ "supersedes", required_argument, NULL, OPT_SUPERSEDES },
	{ "about", required_argument, NULL, OPT_ABOUT },
	{ "code", required_argument, NULL, OPT_CODE },
	{ "expires", required_argument, NULL, OPT_EXPIRES },
	{ "not-before", required_argument, NULL, OPT_NOT_BEFORE },
	{ "id", required_argument, NULL, OPT_ID },
	{ "exercise", no_argument, NULL, OPT_EXERCISE },
	{ "backfill", no_argument, NULL, OPT_BACKFILL },
	{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
	{ "proof", no_argument, NULL, OPT_PROOF },
	{ "json", no_argument, NULL, OPT_JSON },
	CONTEXT_OPTIONS,
	{ NULL, 0, NULL, 0 },
};

/* What would be right, where a value can be wrong. */
static const char *
right(int code)
{
	switch (code) {
	case OPT_LABEL:
		return "a portion has at most 4";
	case OPT_PORTION:
		return "a report has at most 256";
	case OPT_AGREEMENT:
		return "a report names at most 8";
	case OPT_PRECEDENCE:
		return "ROUTINE, PRIORITY, IMMEDIATE or FLASH";
	case OPT_ONLY_TO:
	case OPT_NOT_TO:
		return "a report names at most 256";
	case OPT_SOURCE:
		return "at most 32 ids of reports, each a UUID";
	case OPT_SUPERSEDES:
	case OPT_ABOUT:
		return "one report in all, by its id, a UUID";
	case OPT_EXPIRES:
	case OPT_NOT_BEFORE:
		return "a time in UTC such as 2026-01-31T18:00:00Z";
	case OPT_ID:
		return "a UUID";
	default:
		return "";
	}
}

/* ---- the words ---- */

static bool
add(const char **list, size_t *count, size_t room, const char *value)
{
	if (*count == room)
		return false;
	list[(*count)++] = value;
	return true;
}

static bool
precedence(const char *text, enum relto_precedence *out)
{
	static const char *const names[] = { "ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH" };
	for (unsigned i = 0; i < 4; i++)
		if (strcasecmp(text, names[i]) == 0) {
			*out = (enum relto_precedence)(i + 1);
			return true;
		}
	return false;
}

/* What concerns a portion goes to the one that was begun last. */
static bool
portion_option(struct call *c, int code, const char *value)
{
	struct part *p = &c->parts[c->part_count - 1];
	switch (code) {
	case OPT_LABEL:
		return add(p->labels, &p->label_count, LABELS, value);
	case OPT_TITLE:
		p->title = value;
		return true;
	case OPT_TYPE:
		p->type = value;
		return true;
	default:
		if (c->part_count == PORTIONS)
			return false;
		c->parts[c->part_count++] = (struct part){ .file = value };
		return true;
	}
}

static bool
option(struct call *c, int code, const char *value)
{
	switch (code) {
	case OPT_LABEL:
	case OPT_TITLE:
	case OPT_TYPE:
	case OPT_PORTION:
		return portion_option(c, code, value);
	case OPT_AGREEMENT:
		return add(c->agreements.names, &c->agreements.count, PUB_AGREEMENTS, value);
	case OPT_PRECEDENCE:
		return precedence(value, &c->report.precedence);
	case OPT_ONLY_TO:
		c->has_only_to = true;
		return add(c->only_to, &c->only_to_count, NAMES, value);
	case OPT_NOT_TO:
		return add(c->not_to, &c->not_to_count, NAMES, value);
	case OPT_SOURCE:
		return c->source_count < SOURCES &&
		       relto_id_parse(value, c->sources[c->source_count++].id);
	case OPT_SUPERSEDES:
		return notice_arg_set(&c->notice, RELTO_SUPERSEDE, value);
	case OPT_ABOUT:
		return notice_arg_set(&c->notice, RELTO_ABOUT, value);
	case OPT_CODE:
		c->notice.code = value;
		return true;
	case OPT_EXPIRES:
		return session_time_parse(value, &c->report.expires);
	case OPT_NOT_BEFORE:
		return session_time_parse(value, &c->report.not_before);
	case OPT_ID:
		return relto_id_parse(value, c->report.id);
	case OPT_EXERCISE:
		c->report.exercise = true;
		return true;
	case OPT_BACKFILL:
		c->report.backfill = true;
		return true;
	case OPT_DRY_RUN:
		c->dry_run = true;
		return true;
	case OPT_PROOF:
		c->proof = true;
		return true;
	case OPT_JSON:
		c->json = true;
		return true;
	default:
		return context_flag(&c->flags, code, value);
	}
}

static bool
is_piped(const struct part *p)
{
	return p->file == NULL || strcmp(p->file, "-") == 0;
}

static int
check_parts(const struct call *c)
{
	size_t piped = 0;
	struct err e = { 0 };
	if (!syntax_topic(bytes_of(c->topic), &e))
		return out_usage(cmd_pub_usage,
		    "the topic '%s' is not right: 1 to 16 words of letters, digits, '_' and '-', "
		    "with dots between",
		    c->topic);
	for (size_t i = 0; i < c->part_count; i++) {
		if (c->parts[i].label_count == 0)
			return out_usage(cmd_pub_usage, "portion %zu has no --label", i);
		piped += is_piped(&c->parts[i]);
	}
	if (piped > 1)
		return out_usage(cmd_pub_usage, "%zu portions from standard input", piped);
	return notice_arg_check(cmd_pub_usage, &c->notice);
}

/* 0, or the exit status of a wrong call, said. */
static int
parse(struct call *c, int argc, char **argv)
{
	int code, index = 0;
	c->part_count = 1;
	c->agreements.usage = cmd_pub_usage;
	opterr = 0;
	optind = 1;
	while ((code = getopt_long(argc, argv, ":", options, &index)) != -1) {
		if (code == '?' || code == ':')
			return out_usage(cmd_pub_usage,
			    code == '?' ? "what is '%s'?" : "%s takes a value", argv[optind - 1]);
		if (!option(c, code, optarg))
			return out_usage(cmd_pub_usage, "--%s '%s' is not right: %s",
			    options[index].name, optarg == NULL ? "" : optarg, right(code));
	}
	if (optind < argc)
		c->topic = argv[optind++];
	if (optind < argc)
		c->parts[0].file = argv[optind++];
	if (optind < argc)
		return out_usage(cmd_pub_usage, "what is '%s'?", argv[optind]);
	if (c->topic == NULL)
		return out_usage(cmd_pub_usage, "TOPIC is missing");
	if (c->parts[0].file == NULL && c->parts[0].label_count == 0 && c->part_count > 1) {
		c->part_count--;
		memmove(&c->parts[0], &c->parts[1], c->part_count * sizeof(c->parts[0]));
	}
	return check_parts(c);
}

/* ---- the report ---- */

static bool
read_stdin(struct arena *a, struct bytes *out, struct err *e)
{
	size_t room = 65536, len = 0;
	uint8_t *data = arena_alloc(a, room);
	for (;;) {
		if (data == NULL || len > LIMIT_REPORT_BYTES)
			return err_set(e, ERR_LIMIT, "standard input is larger than a report");
		ssize_t n = read(STDIN_FILENO, data + len, room - len);
		if (n < 0)
			return err_set(e, ERR_IO, "standard input cannot be read");
		if (n == 0)
			break;
		len += (size_t)n;
		if (len < room)
			continue;
		uint8_t *more = arena_alloc(a, room * 2);
		if (more != NULL)
			memcpy(more, data, len);
		data = more;
		room *= 2;
	}
	*out = bytes_from(data, len);
	return true;
}

static bool
texts(struct arena *a, const struct names *from, struct relto_texts *to, struct err *e)
{
	const char **items = arena_zalloc(a, from->count + 1, sizeof(*items));
	for (size_t i = 0; items != NULL && i < from->count; i++) {
		items[i] = arena_printf(
		    a, "%.*s", (int)from->items[i].len, (const char *)from->items[i].data);
		if (items[i] == NULL)
			items = NULL;
	}
	*to = (struct relto_texts){ items, from->count };
	return items != NULL || err_set(e, ERR_NOMEM, "label");
}

static bool
label(struct session *s, const char *arg, struct relto_label *to, struct err *e)
{
	struct label_arg with = { &s->arena, s->vocabs, s->vocab_count, &s->said };
	struct raw_label raw;
	if (!label_arg_read(&with, arg, &raw, e))
		return false;
	struct relto_category *c = arena_zalloc(&s->arena, raw.category_count + 1, sizeof(*c));
	if (c == NULL)
		return err_set(e, ERR_NOMEM, "label");
	for (size_t i = 0; i < raw.category_count; i++) {
		c[i].name = arena_printf(&s->arena, "%.*s", (int)raw.categories[i].name.len,
		    (const char *)raw.categories[i].name.data);
		if (c[i].name == NULL ||
		    !texts(&s->arena, &raw.categories[i].values, &c[i].values, e))
			return false;
	}
	to->vocabulary = arena_printf(
	    &s->arena, "%.*s", (int)raw.vocabulary.len, (const char *)raw.vocabulary.data);
	to->classification = arena_printf(
	    &s->arena, "%.*s", (int)raw.classification.len, (const char *)raw.classification.data);
	to->categories = c;
	to->category_count = raw.category_count;
	return to->vocabulary != NULL && to->classification != NULL;
}

static bool
portions(struct session *s, struct call *c, struct err *e)
{
	struct relto_portion *p = arena_zalloc(&s->arena, c->part_count, sizeof(*p));
	if (p == NULL)
		return err_set(e, ERR_NOMEM, "portions");
	for (size_t i = 0; i < c->part_count; i++) {
		const struct part *from = &c->parts[i];
		struct relto_label *l = arena_zalloc(&s->arena, LABELS, sizeof(*l));
		struct bytes content;
		if (l == NULL)
			return err_set(e, ERR_NOMEM, "portions");
		if (!(is_piped(from) ? read_stdin(&s->arena, &content, e)
				     : files_read(from->file, &s->arena, &content, e)))
			return false;
		for (size_t k = 0; k < from->label_count; k++)
			if (!label(s, from->labels[k], &l[k], e))
				return err_wrap(e, "--label '%s'", from->labels[k]);
		p[i] = (struct relto_portion){ .labels = l,
			.label_count = from->label_count,
			.content_type = from->type,
			.title = from->title,
			.content = { content.data, content.len } };
	}
	c->report.portions = p;
	c->report.portion_count = c->part_count;
	return true;
}

static bool
fill(struct session *s, struct call *c, struct err *e)
{
	c->report.agreements = (struct relto_texts){ c->agreements.names, c->agreements.count };
	c->report.has_only_to = c->has_only_to;
	c->report.only_to = (struct relto_texts){ c->only_to, c->only_to_count };
	c->report.not_to = (struct relto_texts){ c->not_to, c->not_to_count };
	c->report.sources = c->sources;
	c->report.source_count = c->source_count;
	return session_vocabs(s, e) && portions(s, c, e);
}

/* ---- what came of it ---- */

static int
say_json(const struct call *c, const struct relto_receipt *r, const struct relto_explanation *x)
{
	struct out_json j = { .to = stdout };
	char id[RELTO_ID_TEXT];
	relto_id_print(r == NULL ? x->id : r->id, id);
	out_json_begin(&j, NULL, '{');
	out_json_text(&j, "report", id);
	out_json_bool(&j, "dry_run", r == NULL);
	notice_arg_json(&j, &c->notice);
	if (r != NULL) {
		out_json_uint(&j, "record", r->index);
		out_json_uint(&j, "accepted_us", r->accepted_us);
		out_json_bool(&j, "again", r->again);
		out_json_uint(&j, "released", r->released);
		out_json_uint(&j, "redacted", r->redacted);
		out_json_uint(&j, "held", r->held);
		out_json_uint(&j, "withheld", r->withheld);
	}
	if (x != NULL)
		decisions_json(&j, "decisions", x);
	decisions_unusable_json(&j, r == NULL ? x->unusable : r->unusable,
	    r == NULL ? x->unusable_count : r->unusable_count);
	out_json_end(&j, '}');
	out_json_line(&j);
	bool reached =
	    x != NULL ? decisions_reach_somebody(x) : r->released + r->redacted + r->held > 0;
	return reached ? 0 : 1;
}

/* NULL: it says nothing of an earlier one. */
static const struct relto_notice *
notice(const struct call *c)
{
	return c->notice.act == 0 ? NULL : &c->notice;
}

static int
refused(const struct call *c, const struct relto_error *e)
{
	int status = session_error(e);
	notice_arg_refused(&c->notice, c->report.exercise, e);
	return status;
}

static int
dry_run(struct session *s, struct call *c)
{
	struct relto_explanation *x = NULL;
	struct relto_error e = { 0 };
	if (!relto_dry_run_about(s->connection, &c->report, notice(c), &x, &e))
		return refused(c, &e);
	int status = c->json ? say_json(c, NULL, x) : (decisions_reach_somebody(x) ? 0 : 1);
	if (!c->json) {
		(void)printf("nothing was published; it would be decided%s:\n",
		    c->report.exercise ? ", as EXERCISE" : "");
		decisions_print(stdout, x);
		notice_arg_preview(stdout, &c->notice, x);
	}
	relto_explanation_free(x);
	return status;
}

static int
publish(struct session *s, struct call *c)
{
	struct relto_receipt *r = NULL;
	struct relto_explanation *x = NULL;
	struct relto_error e = { 0 };
	char id[RELTO_ID_TEXT];
	if (!relto_publish_about(s->connection, &c->report, notice(c), &r, &e))
		return refused(c, &e);
	bool nobody = r->released + r->redacted + r->held == 0;
	if (nobody && !relto_explain(s->connection, r->id, &x, &e))
		(void)session_error(&e);
	if (c->json)
		(void)say_json(c, r, x);
	else {
		relto_id_print(r->id, id);
		(void)puts(id);
		(void)fprintf(stderr, "accepted%s%s: %u whole, %u in part, %u held, %u withheld\n",
		    r->again ? " before" : "", c->report.exercise ? " as EXERCISE" : "",
		    r->released, r->redacted, r->held, r->withheld);
		for (size_t i = 0; i < r->unusable_count; i++) {
			out_cleanf(stderr, "agreement %s was not used: %s",
			    r->unusable[i].agreement, r->unusable[i].why);
			(void)fputc('\n', stderr);
		}
		notice_arg_done(stderr, &c->notice, r);
		if (x != NULL)
			decisions_print(stderr, x);
	}
	int status = c->proof ? pub_proof(s, r->id) : 0;
	relto_explanation_free(x);
	relto_receipt_free(r);
	alarms_watch(&c->alarms, s->connection);
	if (status == 0 && alarms_raised(&c->alarms))
		status = err_exit(ERR_PROTOCOL);
	return status != 0 ? status : nobody ? 1 : 0;
}

int
cmd_pub(int argc, char **argv)
{
	static struct call c;
	struct session s = { 0 };
	struct err e = { 0 };
	int status = parse(&c, argc, argv);
	if (status != 0)
		return status;
	s.reconnect = true;
	c.report.topic = c.topic;
	status = session_open(&s, &c.flags);
	if (status == 0)
		status = pub_agreements(&s, &c.report, &c.agreements);
	if (status == 0 && !fill(&s, &c, &e))
		status = out_error(&e);
	if (status == 0)
		status = c.dry_run ? dry_run(&s, &c) : publish(&s, &c);
	session_close(&s);
	return status;
}

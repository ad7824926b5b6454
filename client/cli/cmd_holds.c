/* cmd_holds.c - relto holds list|show|approve|reject: what waits for a person of my party. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cmd.h"
#include "client/cli/session.h"
#include "client/cli/table.h"

const char cmd_holds_usage[] =
    "holds list [--json] | holds show ID [--json] | holds approve|reject ID [--recipient PARTY] "
    "[--obligation RULE|SOURCE|signer] [--portion N].. [--all] --because TEXT [--json]";

enum { PORTIONS = 256 };

struct call {
	struct context_flags flags;
	const char *words[2], *recipient, *obligation, *because;
	size_t count;
	uint8_t id[RELTO_ID_BYTES];
	uint32_t portions[PORTIONS];
	size_t portion_count;
	bool json, all;
};

static const struct option options[] = {
	{ "json", no_argument, NULL, 1 },
	{ "recipient", required_argument, NULL, 2 },
	{ "obligation", required_argument, NULL, 3 },
	{ "portion", required_argument, NULL, 4 },
	{ "because", required_argument, NULL, 5 },
	{ "all", no_argument, NULL, 6 },
	CONTEXT_OPTIONS,
	{ NULL, 0, NULL, 0 },
};

/* ---- the call ---- */

/* Rising, each once. */
static bool
add_portion(struct call *c, const char *text)
{
	char *end = NULL;
	errno = 0;
	unsigned long n = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != 0 || errno != 0 || n >= PORTIONS)
		return false;
	size_t at = c->portion_count;
	while (at > 0 && c->portions[at - 1] > n)
		at--;
	if (at > 0 && c->portions[at - 1] == n)
		return true;
	memmove(&c->portions[at + 1], &c->portions[at],
	    (c->portion_count - at) * sizeof(c->portions[0]));
	c->portions[at] = (uint32_t)n;
	c->portion_count++;
	return true;
}

static bool
option(struct call *c, int code, const char *value)
{
	switch (code) {
	case 1:
		return c->json = true;
	case 2:
		c->recipient = value;
		return true;
	case 3:
		c->obligation = value;
		return true;
	case 4:
		return add_portion(c, value);
	case 5:
		c->because = value;
		return true;
	case 6:
		return c->all = true;
	default:
		return context_flag(&c->flags, code, value);
	}
}

static int
parse(struct call *c, int argc, char **argv)
{
	int code;
	opterr = 0;
	optind = 1;
	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (code == '?')
			return out_usage(cmd_holds_usage, "what is '%s'?", argv[optind - 1]);
		if (!option(c, code, optarg))
			return out_usage(cmd_holds_usage,
			    "'%s' is no portion: they have numbers from 0 to 255", optarg);
	}
	for (; optind < argc; optind++) {
		if (c->count == 2)
			return out_usage(cmd_holds_usage, "what is '%s'?", argv[optind]);
		c->words[c->count++] = argv[optind];
	}
	return c->count == 0 ? out_usage(cmd_holds_usage, "say what to do") : 0;
}

static int
check_words(struct call *c, bool with_id, bool decides)
{
	if (c->count != (with_id ? 2u : 1u) || (with_id && !relto_id_parse(c->words[1], c->id)))
		return out_usage(cmd_holds_usage,
		    with_id
			? "ID is that of a hold or of a report, as 'relto holds list' prints them"
			: "list takes no ID");
	if (!decides && (c->recipient != NULL || c->obligation != NULL || c->because != NULL ||
			    c->portion_count > 0 || c->all))
		return out_usage(cmd_holds_usage, "only approve and reject take this option");
	if (decides && (c->because == NULL || c->because[0] == 0))
		return out_usage(cmd_holds_usage,
		    "say why with --because TEXT: it is kept for the hub's auditor");
	return 0;
}

/* ---- showing ---- */

static const char *
kind_of(const struct relto_hold *h)
{
	static const char *const kinds[] = { "?", "review", "consent", "signer" };
	return (size_t)h->kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[h->kind] : kinds[0];
}

static const char *
mode_of(const struct relto_hold *h)
{
	return h->exercise ? "EXERCISE" : "live";
}

static void
hold_json(struct out_json *j, const char *key, const struct relto_hold *h)
{
	char id[RELTO_ID_TEXT];
	out_json_begin(j, key, '{');
	relto_id_print(h->id, id);
	out_json_text(j, "hold", id);
	out_json_text(j, "kind", kind_of(h));
	out_json_text(j, "mode", h->exercise ? "exercise" : "live");
	out_json_text(j, "publisher", h->publisher);
	out_json_text(j, "recipient", h->recipient);
	out_json_uint(j, "deadline_us", h->deadline_us);
	if (h->has_source) {
		relto_id_print(h->source, id);
		out_json_text(j, "source", id);
	}
	if (h->has_report) {
		relto_id_print(h->report, id);
		out_json_text(j, "report", id);
		out_json_text(j, "agreement", h->agreement);
		out_json_text(j, "rule", h->rule[0] == 0 ? NULL : h->rule);
		out_json_bool(j, "own", h->own);
		out_json_begin(j, "portions", '[');
		for (size_t i = 0; i < h->portion_count; i++) {
			out_json_begin(j, NULL, '{');
			out_json_uint(j, "portion", h->portions[i].portion);
			out_json_text(j, "marking", h->portions[i].marking);
			out_json_uint(j, "bytes", h->portions[i].size);
			out_json_end(j, '}');
		}
		out_json_end(j, ']');
	}
	out_json_end(j, '}');
}

/* Its lines, one behind the other. */
static void
marking_print(const char *text)
{
	if (text[0] == 0)
		(void)fputs("(no marking)", stdout);
	while (text[0] != 0) {
		size_t len = strcspn(text, "\n");
		out_clean(stdout, bytes_from(text, len));
		text += len + (text[len] != 0);
		if (text[0] != 0)
			(void)fputs("; ", stdout);
	}
}

static void
hold_print(const struct relto_hold *h)
{
	char id[RELTO_ID_TEXT], time[32];
	relto_id_print(h->id, id);
	(void)printf("hold       %s\nmode       %s\nkind       %s\n", id, mode_of(h), kind_of(h));
	out_cleanf(stdout, h->has_source ? "asked by   %s" : "from       %s", h->publisher);
	(void)putchar('\n');
	out_cleanf(stdout, "for        %s", h->recipient);
	(void)printf("\nuntil      %s\n", session_time(h->deadline_us / 1000, time));
	if (h->has_source) {
		relto_id_print(h->source, id);
		(void)printf("source     %s\n", id);
	}
	if (!h->has_report)
		return;
	relto_id_print(h->report, id);
	(void)printf("report     %s\n", id);
	out_cleanf(stdout, "agreement  %s", h->agreement);
	(void)putchar('\n');
	if (h->rule[0] != 0) {
		out_cleanf(stdout, "rule       %s", h->rule);
		(void)putchar('\n');
	}
	if (h->own)
		(void)puts(
		    "           you published it: another agent of your party has to decide");
	for (size_t i = 0; i < h->portion_count; i++) {
		(void)printf("portion %-3" PRIu32, h->portions[i].portion);
		marking_print(h->portions[i].marking);
		(void)printf(", %" PRIu64 " bytes\n", h->portions[i].size);
	}
}

/* One line of the table: the least marking that says what it is about. */
static bool
row(struct session *s, struct table *t, const struct relto_hold *h, struct err *e)
{
	char id[RELTO_ID_TEXT], about[RELTO_ID_TEXT], time[32];
	relto_id_print(h->id, id);
	relto_id_print(h->has_source ? h->source : h->report, about);
	const char *cells[] = { arena_printf(&s->arena, "%s", id), mode_of(h), kind_of(h),
		arena_printf(&s->arena, "%s", h->publisher),
		arena_printf(&s->arena, "%s", h->recipient),
		arena_printf(&s->arena, "%s", session_time(h->deadline_us / 1000, time)),
		arena_printf(&s->arena, "%s %s", h->has_source ? "source" : "report", about),
		arena_printf(&s->arena, "%s", h->rule) };
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		if (cells[i] == NULL)
			return err_set(e, ERR_NOMEM, "table");
	return table_add(t, cells, e);
}

static int
list_print(struct session *s, const struct relto_holds *x)
{
	static const char *const head[] = { "HOLD", "MODE", "KIND", "FROM", "FOR", "UNTIL", "ABOUT",
		"RULE" };
	struct table t;
	struct err e = { 0 };
	if (x->count == 0) {
		(void)fputs("nothing waits for your party\n", stderr);
		return 0;
	}
	table_init(&t, &s->arena, "", sizeof(head) / sizeof(head[0]));
	bool ok = table_head(&t, head, &e);
	for (size_t i = 0; ok && i < x->count; i++)
		ok = row(s, &t, &x->items[i], &e);
	if (!ok)
		return out_error(&e);
	table_print(&t, stdout);
	return 0;
}

/* The next deadline first. */
static int
by_deadline(const void *x, const void *y)
{
	const struct relto_hold *a = x, *b = y;
	int c = (a->deadline_us > b->deadline_us) - (a->deadline_us < b->deadline_us);
	return c != 0 ? c : memcmp(a->id, b->id, sizeof(a->id));
}

static int
run_list(struct session *s, const struct call *c, const struct relto_holds *x)
{
	struct relto_hold *sorted = arena_alloc(&s->arena, x->count * sizeof(*sorted));
	struct relto_holds by_time = { sorted, x->count };
	struct err e;
	if (x->count > 0 && sorted == NULL) {
		(void)err_set(&e, ERR_NOMEM, "list of holds");
		return out_error(&e);
	}
	if (x->count > 0)
		memcpy(sorted, x->items, x->count * sizeof(*sorted));
	if (x->count > 1)
		qsort(sorted, x->count, sizeof(*sorted), by_deadline);
	if (!c->json)
		return list_print(s, &by_time);
	struct out_json j = { .to = stdout };
	out_json_begin(&j, NULL, '{');
	out_json_begin(&j, "holds", '[');
	for (size_t i = 0; i < x->count; i++)
		hold_json(&j, NULL, &sorted[i]);
	out_json_end(&j, ']');
	out_json_end(&j, '}');
	out_json_line(&j);
	return 0;
}

/* ---- which ---- */

static bool
is_meant(const struct call *c, const struct relto_hold *h)
{
	char source[RELTO_ID_TEXT];
	bool report = h->has_report && memcmp(h->report, c->id, sizeof(c->id)) == 0;
	relto_id_print(h->source, source);
	if (memcmp(h->id, c->id, sizeof(c->id)) != 0 && !report)
		return false;
	if (c->recipient != NULL && strcmp(c->recipient, h->recipient) != 0)
		return false;
	if (c->obligation == NULL)
		return true;
	const char *name = h->has_source ? source : h->kind == RELTO_SIGNER ? "signer" : h->rule;
	return strcmp(c->obligation, name) == 0;
}

static int
nothing_found(const struct call *c)
{
	struct err e;
	(void)err_set(&e, ERR_UNKNOWN_HOLD, "%s: %s", c->words[1], err_text(ERR_UNKNOWN_HOLD));
	(void)out_error(&e);
	(void)fputs("'relto holds list' shows what waits for your party\n", stderr);
	return err_exit(ERR_UNKNOWN_HOLD);
}

static int
run_show(const struct call *c, const struct relto_holds *x)
{
	size_t shown = 0;
	struct out_json j = { .to = stdout };
	for (size_t i = 0; i < x->count; i++) {
		if (!is_meant(c, &x->items[i]))
			continue;
		if (c->json) {
			j.comma = false;
			hold_json(&j, NULL, &x->items[i]);
			out_json_line(&j);
		} else {
			if (shown > 0)
				(void)putchar('\n');
			hold_print(&x->items[i]);
		}
		shown++;
	}
	return shown > 0 ? 0 : nothing_found(c);
}

/* ---- deciding ---- */

static void
say_decided(const struct call *c, const struct relto_hold *h, const struct relto_decided *d)
{
	char id[RELTO_ID_TEXT];
	struct out_json j = { .to = stdout };
	relto_id_print(h->id, id);
	if (!c->json) {
		out_cleanf(stdout, "%s %s%s for %s",
		    strcmp(c->words[0], "approve") == 0 ? "approved" : "rejected",
		    h->exercise ? "EXERCISE " : "", id, h->recipient);
		for (size_t i = 0; i < d->portion_count; i++)
			(void)printf("%s %" PRIu32, i == 0 ? ", portion" : ",", d->portions[i]);
		(void)putchar('\n');
		return;
	}
	out_json_begin(&j, NULL, '{');
	out_json_text(&j, "hold", id);
	out_json_text(&j, "answer", c->words[0]);
	out_json_text(&j, "mode", h->exercise ? "exercise" : "live");
	out_json_text(&j, "recipient", h->recipient);
	out_json_begin(&j, "portions", '[');
	for (size_t i = 0; i < d->portion_count; i++)
		out_json_uint(&j, NULL, d->portions[i]);
	out_json_end(&j, ']');
	out_json_end(&j, '}');
	out_json_line(&j);
}

static int
decide_one(struct session *s, const struct call *c, const struct relto_hold *h)
{
	struct relto_answer_to_hold a = { .approve = strcmp(c->words[0], "approve") == 0,
		.portions = c->portions,
		.portion_count = c->portion_count,
		.because = c->because };
	struct relto_decided d = { .portion_count = 0 };
	struct relto_error e = { 0 };
	memcpy(a.hold, h->id, sizeof(a.hold));
	if (!relto_decide(s->connection, &a, &d, &e))
		return session_error(&e);
	say_decided(c, h, &d);
	return 0;
}

/* More than one is decided only if that was said. */
static int
run_decide(struct session *s, const struct call *c, const struct relto_holds *x)
{
	size_t meant = 0;
	int status = 0;
	for (size_t i = 0; i < x->count; i++)
		meant += is_meant(c, &x->items[i]);
	if (meant == 0)
		return nothing_found(c);
	if (meant > 1 && !c->all) {
		(void)fprintf(stderr,
		    "relto holds: %zu holds are meant; name one, or narrow it with --recipient and "
		    "--obligation, or say --all:\n",
		    meant);
		(void)fflush(stderr);
		for (size_t i = 0; i < x->count; i++)
			if (is_meant(c, &x->items[i])) {
				char id[RELTO_ID_TEXT];
				relto_id_print(x->items[i].id, id);
				out_cleanf(stderr, "  %s  %s %s for %s %s", id,
				    mode_of(&x->items[i]), kind_of(&x->items[i]),
				    x->items[i].recipient, x->items[i].rule);
				(void)fputc('\n', stderr);
			}
		return err_exit(ERR_USAGE);
	}
	for (size_t i = 0; i < x->count; i++)
		if (is_meant(c, &x->items[i]) && x->items[i].has_source && c->portion_count > 0) {
			(void)fputs("relto holds: a consent is for all that rests on the source; "
				    "leave out --portion\n",
			    stderr);
			return err_exit(ERR_USAGE);
		}
	for (size_t i = 0; status == 0 && i < x->count; i++)
		if (is_meant(c, &x->items[i]))
			status = decide_one(s, c, &x->items[i]);
	return status;
}

int
cmd_holds(int argc, char **argv)
{
	struct call c = { 0 };
	struct session s = { 0 };
	struct relto_holds *x = NULL;
	struct relto_error e = { 0 };
	int status = parse(&c, argc, argv);
	if (status != 0)
		return status;
	bool list = strcmp(c.words[0], "list") == 0, show = strcmp(c.words[0], "show") == 0;
	bool decides = strcmp(c.words[0], "approve") == 0 || strcmp(c.words[0], "reject") == 0;
	if (!list && !show && !decides)
		return out_usage(cmd_holds_usage, "what is '%s'?", c.words[0]);
	status = check_words(&c, !list, decides);
	if (status != 0)
		return status;
	status = session_open(&s, &c.flags);
	if (status == 0 && !relto_holds(s.connection, &x, &e))
		status = session_error(&e);
	else if (status == 0)
		status = list	? run_list(&s, &c, x)
			 : show ? run_show(&c, x)
				: run_decide(&s, &c, x);
	relto_holds_free(x);
	session_close(&s);
	return status;
}

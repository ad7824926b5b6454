/* cmd_audit.c - relto audit list|show|pull: the log, as far as I may see it. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/record.h"
#include "client/cli/audit_pull.h"
#include "client/cli/cmd.h"

const char cmd_audit_usage[] =
    "audit list [--from N] [--count N] [--json] | audit show INDEX [--json] | audit pull DIR "
    "[--from N] [--json]";

struct call {
	struct context_flags flags;
	const char *words[3];
	size_t count;
	uint64_t from, limit, seen;
	bool json, one;
};

static const struct option options[] = {
	{ "from", required_argument, NULL, 1 },
	{ "count", required_argument, NULL, 2 },
	{ "json", no_argument, NULL, 3 },
	CONTEXT_OPTIONS,
	{ NULL, 0, NULL, 0 },
};

static bool
number(const char *text, uint64_t *out)
{
	char *end = NULL;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == 0 && errno == 0;
}

static int
parse(struct call *c, int argc, char **argv)
{
	int code;
	opterr = 0;
	optind = 1;
	c->limit = UINT64_MAX;
	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		bool ok = code == 3;
		c->json |= code == 3;
		if (code == 1 || code == 2)
			ok = number(optarg, code == 1 ? &c->from : &c->limit);
		else if (code != 3 && code != '?')
			ok = context_flag(&c->flags, code, optarg);
		if (!ok && code != '?')
			return out_usage(cmd_audit_usage, "'%s' is no number", optarg);
		if (!ok)
			return out_usage(cmd_audit_usage, "what is '%s'?", argv[optind - 1]);
	}
	for (; optind < argc; optind++) {
		if (c->count == 3)
			return out_usage(cmd_audit_usage, "what is '%s'?", argv[optind]);
		c->words[c->count++] = argv[optind];
	}
	if (c->limit == 0)
		return out_usage(cmd_audit_usage, "--count is 1 or more");
	return c->count == 0 ? out_usage(cmd_audit_usage, "say what to do") : 0;
}

/* ---- records ---- */

static void
value_json(struct out_json *j, const struct body *b, const struct body_def *def, enum body_field f)
{
	struct bytes v = event_body_get(b, f);
	if (!event_body_has(b, f))
		return;
	switch (def->kind) {
	case BODY_UINT:
		out_json_uint(j, def->token, event_body_number(b, f));
		return;
	case BODY_ENUM:
		out_json_bytes(
		    j, def->token, event_body_word(f, (unsigned)event_body_number(b, f)));
		return;
	case BODY_TEXT:
		out_json_bytes(j, def->token, v);
		return;
	case BODY_INDEXES:
		out_json_begin(j, def->token, '[');
		for (struct cursor c = cursor_over(v); c.left > 0;)
			out_json_uint(j, NULL, cursor_u64(&c));
		out_json_end(j, ']');
		return;
	case BODY_DIGEST:
	case BODY_DIGESTS:
	case BODY_ID:
	case BODY_BYTES:
		out_json_hex(j, def->token, v.data, v.len);
		return;
	}
}

static void
body_json(struct out_json *j, const struct record *r, enum event_type type)
{
	struct body b;
	struct err e;
	enum body_field first;
	size_t count = event_body_fields(type, &first);
	if (!RECORD_SLOT(r, 7)->open || !event_body_parse(type, RECORD_SLOT(r, 7)->value, &b, &e))
		return;
	out_json_begin(j, "body", '{');
	for (size_t i = 0; i < count; i++) {
		enum body_field f = (enum body_field)((size_t)first + i);
		value_json(j, &b, event_body_def(f), f);
	}
	out_json_end(j, '}');
}

static void
slots_json(struct out_json *j, const struct record *r)
{
	struct slot_release release;
	struct slot_publication pub;
	struct slot_decision d;
	struct err e;
	if (RECORD_SLOT(r, 2)->open && slot_get_release(RECORD_SLOT(r, 2)->value, &release, &e) &&
	    release.recipient.len > 0) {
		out_json_bytes(j, "recipient", release.recipient);
		out_json_bytes(j, "agreements", release.agreements);
		out_json_bytes(j, "marking", release.marking);
	}
	if (RECORD_SLOT(r, 3)->open && slot_get_publication(RECORD_SLOT(r, 3)->value, &pub, &e) &&
	    pub.party.len > 0) {
		out_json_bytes(j, "publisher", pub.party);
		out_json_bytes(j, "agent", pub.agent);
		out_json_bytes(j, "banner", pub.banner);
	}
	if (RECORD_SLOT(r, 4)->open && slot_get_decision(RECORD_SLOT(r, 4)->value, &d, &e) &&
	    RECORD_SLOT(r, 4)->value.len > 0) {
		out_json_text(j, "outcome", slot_outcome_word(d.outcome));
		out_json_bytes(j, "reasons", d.reasons);
	}
}

static void
print_text(const char *what, struct bytes text)
{
	if (text.len == 0)
		return;
	(void)printf("  %s ", what);
	while (text.len > 0) {
		const uint8_t *end = memchr(text.data, '\n', text.len);
		size_t len = end == NULL ? text.len : (size_t)(end - text.data), skip = end != NULL;
		out_clean(stdout, bytes_from(text.data, len));
		(void)fputs(end == NULL ? "" : "; ", stdout);
		text = bytes_from(text.data + len + skip, text.len - len - skip);
	}
}

static void
print_record(uint64_t index, const struct slot_common *common, const struct record *r)
{
	char time[32];
	struct slot_release release = { 0 };
	struct slot_publication pub = { 0 };
	struct slot_decision d = { 0 };
	struct err e;
	(void)printf("%8" PRIu64 "  %s  %-12s", index, session_time(common->time / 1000, time),
	    event_token(common->type));
	if (common->report.len == RELTO_ID_BYTES) {
		char id[RELTO_ID_TEXT];
		relto_id_print(common->report.data, id);
		(void)printf(" %s", id);
	}
	if (RECORD_SLOT(r, 3)->open && slot_get_publication(RECORD_SLOT(r, 3)->value, &pub, &e))
		print_text("from", pub.party);
	if (RECORD_SLOT(r, 2)->open && slot_get_release(RECORD_SLOT(r, 2)->value, &release, &e))
		print_text("to", release.recipient);
	if (RECORD_SLOT(r, 4)->open && slot_get_decision(RECORD_SLOT(r, 4)->value, &d, &e) &&
	    d.outcome != 0)
		(void)printf("  %s", slot_outcome_word(d.outcome));
	(void)putchar('\n');
}

static bool
each(void *arg, const struct relto_record *rec)
{
	struct call *c = arg;
	struct record r;
	struct slot_common common;
	struct err e = { 0 };
	if (c->one && rec->index != c->from)
		return false;
	if (!record_opening_parse(bytes_from(rec->opening.data, rec->opening.len), &r, &e) ||
	    !slot_get_common(RECORD_SLOT(&r, 1)->value, &common, &e)) {
		out_cleanf(stderr, "relto: record %" PRIu64 ": %s", rec->index, e.text);
		(void)fputc('\n', stderr);
		return true;
	}
	c->seen++;
	if (!c->json && !c->one)
		print_record(rec->index, &common, &r);
	else {
		struct out_json j = { .to = stdout };
		out_json_begin(&j, NULL, '{');
		out_json_uint(&j, "index", rec->index);
		out_json_text(&j, "type", event_token(common.type));
		out_json_uint(&j, "time_us", common.time);
		if (common.report.len == RELTO_ID_BYTES) {
			char id[RELTO_ID_TEXT];
			relto_id_print(common.report.data, id);
			out_json_text(&j, "report", id);
		}
		slots_json(&j, &r);
		body_json(&j, &r, common.type);
		out_json_end(&j, '}');
		out_json_line(&j);
	}
	return c->seen < c->limit;
}

static int
list(struct session *s, struct call *c)
{
	struct relto_error e = { 0 };
	uint64_t at = c->from, next = 0;
	do {
		uint32_t page = c->limit - c->seen < 500 ? (uint32_t)(c->limit - c->seen) : 500;
		struct relto_lister l = { .from = at, .count = page, .each = each, .arg = c };
		if (!relto_audit_list(s->connection, &l, &next, &e))
			return session_error(&e);
		at = next;
	} while (next != 0 && c->seen < c->limit && !c->one);
	if (c->one && c->seen == 0) {
		(void)fprintf(stderr, "relto: no record %" PRIu64 " that you may see\n", c->from);
		return 66;
	}
	return 0;
}

int
cmd_audit(int argc, char **argv)
{
	struct call c = { 0 };
	struct session s = { 0 };
	int status = parse(&c, argc, argv);
	if (status != 0)
		return status;
	const char *what = c.words[0];
	if (strcmp(what, "show") == 0) {
		c.one = true;
		c.limit = 1;
		if (c.count != 2 || !number(c.words[1], &c.from))
			return out_usage(cmd_audit_usage, "INDEX is a number");
	} else if (strcmp(what, "pull") == 0 ? c.count != 2
					     : strcmp(what, "list") != 0 || c.count != 1)
		return out_usage(cmd_audit_usage, "what is '%s'?", what);
	struct audit_pull pull = { c.words[1], c.from, c.json };
	status = session_open(&s, &c.flags);
	if (status == 0)
		status = strcmp(what, "pull") == 0 ? audit_pull_run(&s, &pull) : list(&s, &c);
	session_close(&s);
	return status;
}

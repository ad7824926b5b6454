#include "client/cli/sheet.h"

#include "audit/base64.h"
#include "client/cli/html.h"

#include <inttypes.h>

/* ---- words ---- */

void
sheet_data(FILE *to, const char *name, struct bytes text)
{
	(void)fprintf(to, " data-%s=\"", name);
	html_text(to, text);
	(void)fputc('"', to);
}

void
sheet_data_uint(FILE *to, const char *name, uint64_t n)
{
	(void)fprintf(to, " data-%s=\"%" PRIu64 "\"", name, n);
}

void
sheet_section(FILE *to, const char *id, const char *title)
{
	(void)fprintf(to, "<section id=\"%s\" aria-labelledby=\"%s-h\">\n<h2 id=\"%s-h\">%s</h2>\n",
	    id, id, id, title);
}

void
sheet_section_end(FILE *to)
{
	(void)fputs("</section>\n", to);
}

void
sheet_table(FILE *to, const char *id, const char *label)
{
	(void)fprintf(to,
	    "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"%s\">\n<table "
	    "id=\"%s\">\n",
	    label, id);
}

void
sheet_table_end(FILE *to)
{
	(void)fputs("</table>\n</div>\n", to);
}

void
sheet_head(FILE *to, const char *text, bool number)
{
	(void)fprintf(to, "<th scope=\"col\"%s>%s</th>", number ? " class=\"n\"" : "", text);
}

void
sheet_cell(FILE *to, struct bytes text)
{
	(void)fputs("<td>", to);
	html_text(to, text);
	(void)fputs("</td>", to);
}

void
sheet_number(FILE *to, uint64_t n)
{
	(void)fprintf(to, "<td class=\"n%s\">%" PRIu64 "</td>", n == 0 ? " zero" : "", n);
}

void
sheet_time(FILE *to, uint64_t us)
{
	char full[PRINT_TIME];
	verify_print_time(us, full);
	(void)fprintf(
	    to, "<time datetime=\"%s\">%.10s %.8s</time>", full, full, full + sizeof("2026-01-01"));
}

void
sheet_duration(FILE *to, uint64_t us)
{
	static const struct {
		uint64_t s;
		const char *unit;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	uint64_t s = us / 1000000;
	size_t i = 0;
	while (i < 3 && s < units[i].s)
		i++;
	(void)fprintf(to, "%" PRIu64 " %s", s / units[i].s, units[i].unit);
	if (i < 3 && s % units[i].s / units[i + 1].s > 0)
		(void)fprintf(
		    to, " %" PRIu64 " %s", s % units[i].s / units[i + 1].s, units[i + 1].unit);
}

/* The end of a UUID of version 7 tells reports apart, its beginning is the time. */
void
sheet_report(FILE *to, struct bytes id)
{
	char text[37];
	verify_print_uuid(id, text);
	(void)fprintf(to, "<td class=\"id\">%s</td>", text);
}

/* ---- the head of the page ---- */

static bool
put_head(FILE *to, const struct sheet *s, struct err *e)
{
	struct sha256 h;
	uint8_t digest[SHA256_LEN];
	char text[64] = { 0 };
	const struct verify_result *r = s->say->result;
	bool ok = sha256_init(&h, e) && sha256_of(&h, bytes_of(sheet_style), digest, e);
	sha256_done(&h);
	if (!ok)
		return false;
	base64_write(bytes_from(digest, sizeof(digest)), text);
	(void)fputs("<!DOCTYPE html>\n<html lang=\"en\"", to);
	sheet_data_uint(to, "exit", (uint64_t)r->code);
	sheet_data(to, "origin", bytes_of(r->origin));
	sheet_data_uint(to, "size", r->size);
	sheet_data_uint(to, "opened", r->opened);
	(void)fprintf(to,
	    ">\n<head>\n<meta charset=\"utf-8\">\n"
	    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
	    "'sha256-%s'; base-uri 'none'; form-action 'none'\">\n"
	    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	    "<meta name=\"referrer\" content=\"no-referrer\">\n<title>Audit report: ",
	    text);
	html_word(to, r->origin);
	(void)fprintf(to, "</title>\n<style>%s</style>\n</head>\n<body>\n", sheet_style);
	return true;
}

static const struct {
	const char *id, *title;
} contents[] = { { "conclusions", "Conclusions" }, { "figures", "Figures" },
	{ "releases", "Releases" }, { "days", "Days" }, { "reasons", "Reasons" },
	{ "holds", "Holds" }, { "stops", "Narrowed and recalled" },
	{ "changes", "Agreements and policy" }, { "records", "Records" },
	{ "checkpoint", "Checkpoint" } };

static void
put_contents(FILE *to)
{
	(void)fputs("<nav aria-label=\"Sections\"><ul>\n", to);
	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++)
		(void)fprintf(
		    to, "<li><a href=\"#%s\">%s</a></li>\n", contents[i].id, contents[i].title);
	(void)fputs("</ul></nav>\n", to);
}

/* ---- the verdict ---- */

static bool
replays(const struct sheet *s)
{
	return s->replay.differ == 0 && s->replay.facts == 0 && s->replay.unjudged == 0;
}

static void
put_verification(FILE *to, const struct sheet *s)
{
	const struct verify_result *r = s->say->result;
	if (r->code == VERIFY_OK)
		(void)fprintf(to,
		    "<div class=\"verdict good\" id=\"verified\" data-ok=\"true\"><strong>Verified"
		    "</strong><p>The log's key signed the head of %" PRIu64
		    " records, and nothing in them was found at fault.</p></div>\n",
		    r->size);
	else
		(void)fprintf(to,
		    "<div class=\"verdict bad\" id=\"verified\" data-ok=\"false\"><strong>Not "
		    "verified (%s)</strong><p>Nothing may be concluded from this page: see the "
		    "findings.</p></div>\n",
		    verify_say_word(r->code));
}

static void
put_replay(FILE *to, const struct sheet *s)
{
	const struct sheet_replay *p = &s->replay;
	(void)fprintf(to, "<div class=\"verdict %s\" id=\"replay\"", replays(s) ? "good" : "bad");
	sheet_data_uint(to, "decisions", p->decisions);
	sheet_data_uint(to, "differ", p->differ);
	sheet_data_uint(to, "facts", p->facts);
	sheet_data_uint(to, "unjudged", p->unjudged);
	(void)fprintf(to,
	    "><strong>%s</strong><p>%" PRIu64 " decisions on %" PRIu64
	    " reports were judged again, under the policy of their day: %" PRIu64 " differ.",
	    replays(s) ? "Decisions follow the policy" : "Not all decisions follow the policy",
	    p->decisions, p->reports, p->differ);
	if (p->facts > 0)
		(void)fprintf(
		    to, " In %" PRIu64 " places facts are not what the log says.", p->facts);
	if (p->unjudged > 0)
		(void)fprintf(to, " In %" PRIu64 " places it could not be judged.", p->unjudged);
	(void)fprintf(
	    to, "%s</p></div>\n", replays(s) ? "" : " <code>relto audit replay</code> lists them.");
}

static void
put_fact(FILE *to, const char *name, const char *text)
{
	(void)fprintf(to, "<dt>%s</dt><dd class=\"break\">", name);
	html_word(to, text);
	(void)fputs("</dd>\n", to);
}

static void
put_facts(FILE *to, const struct sheet *s)
{
	const struct verify_result *r = s->say->result;
	char root[65], size[24];
	verify_print_hex(r->root, sizeof(r->root), root);
	(void)snprintf(size, sizeof(size), "%" PRIu64, r->size);
	(void)fputs("<dl class=\"facts\">\n", to);
	put_fact(to, "Log", r->origin);
	if (r->opened > 0) {
		(void)fputs("<dt>Period</dt><dd>", to);
		sheet_time(to, r->first_time);
		(void)fputs(" to ", to);
		sheet_time(to, r->last_time);
		(void)fputs(" UTC</dd>\n", to);
	}
	put_fact(to, "Checkpoint size", size);
	put_fact(to, "Root", root);
	put_fact(to, "Verified with", s->key);
	(void)fputs("<dt>Page made</dt><dd>", to);
	sheet_time(to, s->made_us);
	(void)fputs(" UTC</dd>\n</dl>\n", to);
}

static void
put_findings(FILE *to, const struct verify_say *s)
{
	size_t all = 0;
	for (size_t i = 0; i < VERIFY_CODES; i++)
		all += s->result->findings[i];
	if (all == 0)
		return;
	sheet_section(to, "findings", "Findings");
	(void)fputs("<ul class=\"plain\">\n", to);
	for (size_t i = 0; i < s->told->count; i++) {
		uint64_t index = s->told->finding[i].index;
		(void)fprintf(to, "<li>%s: ", verify_say_word(s->told->finding[i].code));
		if (index != SLOT_ABSENT)
			(void)fprintf(to, "record %" PRIu64 ": ", index);
		html_word(to, s->told->finding[i].text);
		(void)fputs("</li>\n", to);
	}
	(void)fputs("</ul>\n", to);
	if (all > s->told->count)
		(void)fprintf(to, "<p>..and %zu more.</p>\n", all - s->told->count);
	sheet_section_end(to);
}

/* ---- what may be concluded ---- */

static const char not_word[] = "NOT: ";

/* Those that begin with NOT, or the others. */
static void
put_lines(FILE *to, const char *title, const struct verify_lines *l, int negative)
{
	size_t n = 0;
	for (size_t i = 0; i < l->count; i++) {
		bool not = strncmp(l->line[i], not_word, sizeof(not_word) - 1) == 0;
		if (negative >= 0 && not != (negative > 0))
			continue;
		if (n++ == 0)
			(void)fprintf(to, "<h3>%s</h3>\n<ul class=\"plain\">\n", title);
		(void)fputs("<li>", to);
		html_word(to, l->line[i] + (not ? sizeof(not_word) - 1 : 0));
		(void)fputs("</li>\n", to);
	}
	if (n > 0)
		(void)fputs("</ul>\n", to);
}

static void
put_conclusions(FILE *to, const struct sheet *s)
{
	struct verify_lines l;
	sheet_section(to, "conclusions", "What may be concluded");
	verify_say_concluded(s->say, &l);
	put_lines(to, "It may be concluded", &l, 0);
	put_lines(to, "It may not be concluded", &l, 1);
	verify_say_checked(s->say, &l);
	put_lines(to, "Checked", &l, -1);
	verify_say_unchecked(s->say, &l);
	put_lines(to, "Not checked", &l, -1);
	sheet_section_end(to);
}

/* ---- figures ---- */

static void
put_figure(FILE *to, const char *name, const char *key, uint64_t n)
{
	(void)fprintf(
	    to, "<div><dt>%s</dt><dd data-figure=\"%s\">%" PRIu64 "</dd></div>\n", name, key, n);
}

static void
put_figures(FILE *to, const struct sheet *s)
{
	struct tally_day all = { 0 };
	for (size_t i = 0; i < s->day_count; i++) {
		all.accepted += s->days[i]->accepted;
		all.delivered += s->days[i]->delivered;
		all.acknowledged += s->days[i]->acknowledged;
		all.refused += s->days[i]->refused;
	}
	sheet_section(to, "figures", "Figures");
	(void)fputs("<dl class=\"figures\">\n", to);
	put_figure(to, "reports accepted", "accepted", all.accepted);
	put_figure(to, "publications refused", "refused", all.refused);
	put_figure(to, "deliveries", "delivered", all.delivered);
	put_figure(to, "acknowledged", "acknowledged", all.acknowledged);
	put_figure(to, "held now", "held", s->held);
	put_figure(to, "released, not delivered", "undelivered", s->undelivered);
	put_figure(to, "delivered, not acknowledged", "unacknowledged", s->unacknowledged);
	(void)fputs("</dl>\n", to);
	sheet_section_end(to);
}

static void
put_types(FILE *to, const struct sheet *s)
{
	sheet_section(to, "records", "Records");
	sheet_table(to, "types", "Records by type");
	(void)fputs("<thead><tr>", to);
	sheet_head(to, "Type", false);
	sheet_head(to, "Records", true);
	(void)fputs("</tr></thead>\n<tbody>\n", to);
	for (unsigned t = 1; t < EVENT_END; t++) {
		uint64_t n = s->say->result->by_type[t];
		if (n == 0)
			continue;
		(void)fputs("<tr", to);
		sheet_data(to, "type", bytes_of(event_token((enum event_type)t)));
		sheet_data_uint(to, "count", n);
		(void)fprintf(to, "><th scope=\"row\">%s</th>", event_token((enum event_type)t));
		sheet_number(to, n);
		(void)fputs("</tr>\n", to);
	}
	(void)fputs("</tbody>\n", to);
	sheet_table_end(to);
	sheet_section_end(to);
}

static void
put_checkpoint(FILE *to, const struct sheet *s)
{
	sheet_section(to, "checkpoint", "Checkpoint");
	(void)fputs(
	    "<p>The signed note that this page rests on. Whoever holds an earlier or a later "
	    "one of this log can compare.</p>\n<pre>",
	    to);
	html_text(to, s->note);
	(void)fputs("</pre>\n", to);
	sheet_section_end(to);
}

bool
sheet_write(FILE *to, const struct sheet *s, struct err *e)
{
	if (!put_head(to, s, e))
		return false;
	(void)fputs("<a class=\"skip\" href=\"#conclusions\">Skip to the conclusions</a>\n<main>\n"
		    "<header>\n<h1>Audit report</h1>\n<p class=\"of\">Who was sent what, under "
		    "which agreement, and why not</p>\n",
	    to);
	put_verification(to, s);
	put_replay(to, s);
	put_facts(to, s);
	put_contents(to);
	(void)fputs("</header>\n", to);
	put_findings(to, s->say);
	put_conclusions(to, s);
	put_figures(to, s);
	if (!sheet_releases(to, s, e))
		return false;
	sheet_days(to, s);
	sheet_reasons(to, s);
	sheet_holds(to, s->story);
	sheet_stops(to, s->story);
	sheet_changes(to, s->story);
	put_types(to, s);
	put_checkpoint(to, s);
	(void)fputs("<footer>Made by relto ", to);
	html_word(to, s->version);
	(void)fputs(" from a bundle of the log alone. Times are UTC.</footer>\n"
		    "</main>\n</body>\n</html>\n",
	    to);
	return true;
}

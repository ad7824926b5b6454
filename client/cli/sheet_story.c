/* sheet_story.c - what happened one by one: holds, what was stopped, what changed. */
#include "client/cli/sheet.h"

#include "client/cli/html.h"

#include <inttypes.h>

/* More than a page takes. */
static void
put_rest(FILE *to, uint64_t all)
{
	if (all > STORY_ROWS)
		(void)fprintf(to,
		    "<p>..and %" PRIu64 " more: <code>relto-verify show</code> lists them.</p>\n",
		    all - STORY_ROWS);
}

/* ---- holds ---- */

static const char *
end_words(const struct story_hold *h)
{
	if (!h->ended)
		return "held";
	if (h->by == EVENT_EXPIRE)
		return "expired";
	if (h->by == EVENT_RECALL)
		return "recalled";
	if (h->by == EVENT_SUPERSEDE)
		return "superseded";
	return h->outcome == 0 ? "ended" : slot_outcome_word(h->outcome);
}

static void
put_hold(FILE *to, const struct story_hold *h)
{
	(void)fputs("<tr", to);
	sheet_data_uint(to, "record", h->record);
	(void)fputc('>', to);
	sheet_report(to, h->report);
	sheet_cell(to, h->publisher);
	sheet_cell(to, h->recipient);
	(void)fputs("<td>", to);
	sheet_time(to, h->since_us);
	(void)fputs("</td><td>", to);
	if (h->ended)
		sheet_time(to, h->end_us);
	(void)fputs("</td><td class=\"n\">", to);
	if (h->ended)
		sheet_duration(to, h->end_us > h->since_us ? h->end_us - h->since_us : 0);
	(void)fprintf(to, "</td><td>%s", end_words(h));
	if (h->reason.len > 0) {
		(void)fputs(" <span class=\"soft\">", to);
		html_text(to, h->reason);
		(void)fputs("</span>", to);
	}
	(void)fputs("</td><td>", to);
	if (h->approvals > 0)
		(void)fprintf(to, "%" PRIu64 " approved ", h->approvals);
	if (h->rejections > 0)
		(void)fprintf(to, "%" PRIu64 " rejected", h->rejections);
	(void)fputs("</td></tr>\n", to);
}

void
sheet_holds(FILE *to, const struct story *s)
{
	static const char *const heads[] = { "Report", "From", "To", "Since", "Until", "For",
		"Ended as", "Answers" };
	sheet_section(to, "holds", "Holds");
	if (s->hold_count == 0) {
		(void)fputs("<p>Nothing was held.</p>\n", to);
		sheet_section_end(to);
		return;
	}
	sheet_table(to, "hold-table", "Holds and how they ended");
	(void)fputs("<thead><tr>", to);
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		sheet_head(to, heads[i], i == 5);
	(void)fputs("</tr></thead>\n<tbody>\n", to);
	for (const struct story_hold *h = s->holds; h != NULL; h = h->next)
		put_hold(to, h);
	(void)fputs("</tbody>\n", to);
	sheet_table_end(to);
	put_rest(to, s->hold_count);
	sheet_section_end(to);
}

/* ---- what was stopped ---- */

static const char *
stop_words(const struct story_stop *x)
{
	switch ((int)x->type) {
	case EVENT_NARROWED:
		return "narrowed, now";
	case EVENT_RECALL:
		return "recall";
	case EVENT_SUPERSEDE:
		return "superseded";
	case EVENT_EXPIRE:
		return "expired";
	default:
		return "dead letter";
	}
}

static void
put_stop(FILE *to, const struct story_stop *x)
{
	(void)fputs("<tr", to);
	sheet_data_uint(to, "record", x->record);
	sheet_data(to, "type", bytes_of(event_token(x->type)));
	(void)fputs("><td>", to);
	sheet_time(to, x->time_us);
	(void)fputs("</td>", to);
	sheet_report(to, x->report);
	sheet_cell(to, x->publisher);
	sheet_cell(to, x->recipient);
	(void)fprintf(to, "<td>%s", stop_words(x));
	if (x->outcome != 0)
		(void)fprintf(to, " %s", slot_outcome_word(x->outcome));
	if (x->what.len > 0) {
		(void)fputs(" <span class=\"soft\">", to);
		html_text(to, x->what);
		(void)fputs("</span>", to);
	}
	(void)fprintf(to, "</td><td>%s</td>", x->delivered ? "yes" : "no");
	(void)fprintf(to, "<td class=\"n\">%" PRIu64 "</td></tr>\n", x->record);
}

void
sheet_stops(FILE *to, const struct story *s)
{
	static const char *const heads[] = { "When", "Report", "From", "To", "What",
		"Delivered before", "Record" };
	sheet_section(to, "stops", "Narrowed, recalled, expired");
	if (s->stop_count == 0) {
		(void)fputs("<p>Nothing was stopped after it was decided.</p>\n", to);
		sheet_section_end(to);
		return;
	}
	sheet_table(to, "stop-table", "What was stopped after it was decided");
	(void)fputs("<thead><tr>", to);
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		sheet_head(to, heads[i], i == 6);
	(void)fputs("</tr></thead>\n<tbody>\n", to);
	for (const struct story_stop *x = s->stops; x != NULL; x = x->next)
		put_stop(to, x);
	(void)fputs("</tbody>\n", to);
	sheet_table_end(to);
	put_rest(to, s->stop_count);
	sheet_section_end(to);
}

/* ---- what changed ---- */

static void
put_agreement(FILE *to, const struct story_change *c)
{
	(void)fputs("Agreement <b>", to);
	html_text(to, c->name);
	(void)fprintf(to, "</b> version %" PRIu64 ", ", c->version);
	html_text(to, c->what);
	(void)fprintf(to, "%s <span class=\"soft\">told to ", c->suspended ? ", suspended" : "");
	html_text(to, c->parties);
	(void)fprintf(to, "%s</span>", c->told > 12 ? " and others" : "");
}

static void
put_policy(FILE *to, const struct story_change *c)
{
	(void)fputs("Policy in force <span class=\"soft\">at a ", to);
	html_text(to, c->what);
	(void)fputs("</span> <code class=\"break\">", to);
	html_text(to, c->name);
	(void)fputs("</code>", to);
}

static void
put_other(FILE *to, const struct story_change *c)
{
	const char *words = c->type == EVENT_START     ? "The broker starts"
			    : c->type == EVENT_STOP    ? "The broker stops"
			    : c->type == EVENT_CLOCK   ? "Clock"
			    : c->type == EVENT_ERASE   ? "Persons erased"
			    : c->type == EVENT_RECOVER ? "Restored from an earlier log"
						       : "The log is closed";
	(void)fputs(words, to);
	if (c->what.len == 0)
		return;
	(void)fputs(" <span class=\"soft\">", to);
	html_text(to, c->what);
	(void)fputs("</span>", to);
}

void
sheet_changes(FILE *to, const struct story *s)
{
	sheet_section(to, "changes", "Agreements and policy");
	(void)fputs("<ol class=\"line\">\n", to);
	for (const struct story_change *c = s->changes; c != NULL; c = c->next) {
		bool agreement = c->type == EVENT_AGREEMENT, policy = c->type == EVENT_POLICY;
		(void)fprintf(to, "<li%s",
		    agreement ? " class=\"agreement\""
		    : policy  ? " class=\"policy\""
			      : "");
		sheet_data_uint(to, "record", c->record);
		sheet_data(to, "type", bytes_of(event_token(c->type)));
		(void)fputc('>', to);
		sheet_time(to, c->time_us);
		if (agreement)
			put_agreement(to, c);
		else if (policy)
			put_policy(to, c);
		else
			put_other(to, c);
		(void)fputs("</li>\n", to);
	}
	(void)fputs("</ol>\n", to);
	put_rest(to, s->change_count);
	sheet_section_end(to);
}

/* sheet_flow.c - who was sent what: the matrix, the days, the reasons. */
#include "client/cli/sheet.h"

#include "client/cli/html.h"

#include <inttypes.h>
#include <stdlib.h>

enum { MATRIX_MOST = 24, CHART_DAYS = 1500, DAYS_LEAST = 7, SHADES = 4 };

/* ---- the matrix ---- */

struct matrix { /* names in byte order */
	struct bytes *from, *to;
	size_t from_count, to_count;
	uint64_t most;
};

static uint64_t
released(const struct tally_pair *p)
{
	return p->outcomes[OUTCOME_RELEASE] + p->outcomes[OUTCOME_REDACT];
}

static int
by_bytes(const void *x, const void *y)
{
	return bytes_compare(*(const struct bytes *)x, *(const struct bytes *)y);
}

static size_t
unique(struct bytes *names, size_t count)
{
	size_t n = 0;
	if (count > 1)
		qsort(names, count, sizeof(*names), by_bytes);
	for (size_t i = 0; i < count; i++)
		if (n == 0 || !bytes_equal(names[n - 1], names[i]))
			names[n++] = names[i];
	return n;
}

static void
fill(struct matrix *m, const struct sheet *s)
{
	for (size_t i = 0; i < s->pair_count; i++) {
		m->from[i] = s->pairs[i]->publisher;
		m->to[i] = s->pairs[i]->recipient;
		m->most = released(s->pairs[i]) > m->most ? released(s->pairs[i]) : m->most;
	}
	m->from_count = unique(m->from, s->pair_count);
	m->to_count = unique(m->to, s->pair_count);
}

static const struct tally_pair *
pair_of(const struct sheet *s, struct bytes from, struct bytes to)
{
	for (size_t i = 0; i < s->pair_count; i++)
		if (bytes_equal(s->pairs[i]->publisher, from) &&
		    bytes_equal(s->pairs[i]->recipient, to))
			return s->pairs[i];
	return NULL;
}

static void
put_pair_data(FILE *to, const struct tally_pair *p)
{
	sheet_data(to, "publisher", p->publisher);
	sheet_data(to, "recipient", p->recipient);
	for (unsigned o = OUTCOME_RELEASE; o <= OUTCOME_WITHHOLD; o++)
		sheet_data_uint(to, slot_outcome_word((enum outcome)o), p->outcomes[o]);
	sheet_data_uint(to, "delivered", p->delivered);
	sheet_data_uint(to, "acknowledged", p->acknowledged);
	sheet_data_uint(to, "ended", p->ended);
}

static void
put_square(FILE *to, const struct tally_pair *p, uint64_t most)
{
	if (p == NULL) {
		(void)fputs("<td class=\"zero\">&#8211;</td>", to);
		return;
	}
	uint64_t n = released(p), kept = p->outcomes[OUTCOME_HOLD] + p->outcomes[OUTCOME_WITHHOLD];
	unsigned shade = n == 0 ? 0 : (unsigned)(1 + (n - 1) * SHADES / most);
	(void)fprintf(to, "<td class=\"%s%.0u\"", n == 0 ? "zero" : "s", shade);
	sheet_data_uint(to, "released", n);
	(void)fprintf(to, ">%" PRIu64, n);
	if (kept > 0)
		(void)fprintf(to, "<small>of %" PRIu64 "</small>", n + kept);
	(void)fputs("</td>", to);
}

static void
put_matrix(FILE *to, const struct sheet *s, const struct matrix *m)
{
	(void)fputs(
	    "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Releases, from "
	    "rows to columns\">\n<table class=\"matrix\" id=\"matrix\">\n<thead><tr><th "
	    "scope=\"col\">from \\ to</th>",
	    to);
	for (size_t i = 0; i < m->to_count; i++) {
		(void)fputs("<th scope=\"col\">", to);
		html_text(to, m->to[i]);
		(void)fputs("</th>", to);
	}
	(void)fputs("</tr></thead>\n<tbody>\n", to);
	for (size_t f = 0; f < m->from_count; f++) {
		(void)fputs("<tr><th scope=\"row\">", to);
		html_text(to, m->from[f]);
		(void)fputs("</th>", to);
		for (size_t t = 0; t < m->to_count; t++)
			put_square(to, pair_of(s, m->from[f], m->to[t]), m->most);
		(void)fputs("</tr>\n", to);
	}
	(void)fputs("</tbody>\n</table>\n</div>\n", to);
}

static void
put_pairs(FILE *to, const struct sheet *s)
{
	static const char *const heads[] = { "Release", "Redact", "Hold", "Withhold", "Delivered",
		"Acknowledged", "Ended" };
	(void)fputs("<h3>From each to each</h3>\n", to);
	sheet_table(to, "pairs", "From each to each");
	(void)fputs("<thead><tr>", to);
	sheet_head(to, "From", false);
	sheet_head(to, "To", false);
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		sheet_head(to, heads[i], true);
	(void)fputs("</tr></thead>\n<tbody>\n", to);
	for (size_t i = 0; i < s->pair_count; i++) {
		const struct tally_pair *p = s->pairs[i];
		(void)fputs("<tr", to);
		put_pair_data(to, p);
		(void)fputc('>', to);
		sheet_cell(to, p->publisher);
		sheet_cell(to, p->recipient);
		for (unsigned o = OUTCOME_RELEASE; o <= OUTCOME_WITHHOLD; o++)
			sheet_number(to, p->outcomes[o]);
		sheet_number(to, p->delivered);
		sheet_number(to, p->acknowledged);
		sheet_number(to, p->ended);
		(void)fputs("</tr>\n", to);
	}
	(void)fputs("</tbody>\n", to);
	sheet_table_end(to);
}

bool
sheet_releases(FILE *to, const struct sheet *s, struct err *e)
{
	struct matrix m = { .from = calloc(s->pair_count + 1, sizeof(struct bytes)),
		.to = calloc(s->pair_count + 1, sizeof(struct bytes)) };
	bool ok = m.from != NULL && m.to != NULL;
	sheet_section(to, "releases", "Releases");
	if (ok && s->pair_count == 0)
		(void)fputs("<p>No report was decided.</p>\n", to);
	if (ok && s->pair_count > 0) {
		fill(&m, s);
		if (m.from_count <= MATRIX_MOST && m.to_count <= MATRIX_MOST) {
			(void)fputs("<p>Reports of which a recipient was released all or some "
				    "portions, by the decision that stands; small, of how many "
				    "that were decided for it.</p>\n",
			    to);
			put_matrix(to, s, &m);
		}
		put_pairs(to, s);
	}
	sheet_section_end(to);
	free(m.from);
	free(m.to);
	return ok || err_set(e, ERR_NOMEM, "the matrix");
}

/* ---- the days ---- */

static uint64_t
value_of(const struct tally_day *d, unsigned which)
{
	const uint64_t values[] = { d->accepted, d->delivered, d->acknowledged, d->refused };
	return values[which];
}

static void
put_date(FILE *to, uint64_t day)
{
	char full[PRINT_TIME];
	verify_print_time(day * 86400 * 1000000, full);
	(void)fprintf(to, "%.10s", full);
}

/* Bars, one a day, without a word in them: they stretch. */
static void
put_bars(FILE *to, const struct sheet *s, unsigned which, uint64_t most)
{
	uint64_t first = s->days[0]->day, span = s->days[s->day_count - 1]->day - first + 1;
	if (span < DAYS_LEAST) /* a few days are no wall */
		span = DAYS_LEAST;
	(void)fprintf(to,
	    "<svg class=\"chart\" viewBox=\"0 0 %" PRIu64
	    " 100\" preserveAspectRatio=\"none\" aria-hidden=\"true\">",
	    span * 10);
	for (size_t i = 0; i < s->day_count; i++) {
		uint64_t n = value_of(s->days[i], which), height = n == 0 ? 0 : 1 + n * 99 / most;
		if (n > 0)
			(void)fprintf(to,
			    "<rect class=\"c%u\" x=\"%" PRIu64 "\" y=\"%" PRIu64
			    "\" width=\"8\" height=\"%" PRIu64 "\"/>",
			    which, (s->days[i]->day - first) * 10 + 1, 100 - height, height);
	}
	(void)fputs("</svg>\n", to);
}

static void
put_chart(FILE *to, const struct sheet *s, unsigned which, const char *name)
{
	uint64_t total = 0;
	const struct tally_day *peak = s->days[0];
	for (size_t i = 0; i < s->day_count; i++) {
		total += value_of(s->days[i], which);
		if (value_of(s->days[i], which) > value_of(peak, which))
			peak = s->days[i];
	}
	(void)fprintf(to, "<figure><figcaption><b>%s</b><span>%" PRIu64 " in all", name, total);
	if (total > 0) {
		(void)fprintf(to, ", most %" PRIu64 " on ", value_of(peak, which));
		put_date(to, peak->day);
	}
	(void)fputs("</span></figcaption>\n", to);
	put_bars(to, s, which, total == 0 ? 1 : value_of(peak, which));
	(void)fputs("</figure>\n", to);
}

static void
put_charts(FILE *to, const struct sheet *s)
{
	static const char *const names[] = { "Accepted", "Delivered", "Acknowledged", "Refused" };
	uint64_t first = s->days[0]->day, last = s->days[s->day_count - 1]->day;
	if (last - first >= CHART_DAYS) {
		(void)fputs("<p>So many days are between the first and the last that no chart "
			    "would show them.</p>\n",
		    to);
		return;
	}
	for (unsigned i = 0; i < 4; i++)
		put_chart(to, s, i, names[i]);
	(void)fputs("<div class=\"axis\" aria-hidden=\"true\"><span>", to);
	put_date(to, first);
	(void)fputs("</span><span>", to);
	if (last - first >= DAYS_LEAST - 1) /* its end stands at the end */
		put_date(to, last);
	(void)fputs("</span></div>\n", to);
}

void
sheet_days(FILE *to, const struct sheet *s)
{
	sheet_section(to, "days", "Volume by day");
	if (s->day_count > 0)
		put_charts(to, s);
	sheet_table(to, "day-table", "Volume by day");
	(void)fputs("<thead><tr>", to);
	sheet_head(to, "Day (UTC)", false);
	sheet_head(to, "Accepted", true);
	sheet_head(to, "Delivered", true);
	sheet_head(to, "Acknowledged", true);
	sheet_head(to, "Refused", true);
	(void)fputs("</tr></thead>\n<tbody>\n", to);
	for (size_t i = 0; i < s->day_count; i++) {
		const struct tally_day *d = s->days[i];
		(void)fputs("<tr data-day=\"", to);
		put_date(to, d->day);
		(void)fputc('"', to);
		sheet_data_uint(to, "accepted", d->accepted);
		sheet_data_uint(to, "delivered", d->delivered);
		sheet_data_uint(to, "acknowledged", d->acknowledged);
		sheet_data_uint(to, "refused", d->refused);
		(void)fputs("><th scope=\"row\">", to);
		put_date(to, d->day);
		(void)fputs("</th>", to);
		for (unsigned k = 0; k < 4; k++)
			sheet_number(to, value_of(d, k));
		(void)fputs("</tr>\n", to);
	}
	(void)fputs("</tbody>\n", to);
	sheet_table_end(to);
	sheet_section_end(to);
}

/* ---- the reasons ---- */

void
sheet_reasons(FILE *to, const struct sheet *s)
{
	uint64_t most = 1;
	for (size_t i = 0; i < s->reason_count; i++)
		if (s->reasons[i]->count > most)
			most = s->reasons[i]->count;
	sheet_section(to, "reasons", "Reasons");
	(void)fputs("<p>Of each portion for each recipient, in every decision; and of publications "
		    "that were refused.</p>\n",
	    to);
	sheet_table(to, "reason-table", "Reasons");
	(void)fputs("<thead><tr>", to);
	sheet_head(to, "Verdict", false);
	sheet_head(to, "Reason", false);
	sheet_head(to, "Times", true);
	(void)fputs("<td></td></tr></thead>\n<tbody>\n", to);
	for (size_t i = 0; i < s->reason_count; i++) {
		const struct tally_reason *r = s->reasons[i];
		bool stops = !bytes_is(r->verdict, "release");
		(void)fputs("<tr", to);
		sheet_data(to, "verdict", r->verdict);
		sheet_data(to, "reason", r->reason);
		sheet_data_uint(to, "count", r->count);
		(void)fputc('>', to);
		sheet_cell(to, r->verdict);
		sheet_cell(to, r->reason);
		sheet_number(to, r->count);
		(void)fprintf(to,
		    "<td class=\"bar\"><svg viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" "
		    "aria-hidden=\"true\"><rect class=\"c%d\" width=\"%" PRIu64
		    "\" height=\"10\"/></svg></td></tr>\n",
		    stops ? 3 : 0, 1 + (uint64_t)((double)r->count / (double)most * 999));
	}
	(void)fputs("</tbody>\n", to);
	sheet_table_end(to);
	sheet_section_end(to);
}

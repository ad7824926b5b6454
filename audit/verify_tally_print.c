#include "audit/verify_tally_print.h"

#include <inttypes.h>

/* A gap as it is printed. */
struct gap {
	const struct tally_case *of;
	const char *word;
	char report[37], since[PRINT_TIME];
};

static void
gap_of(const struct tally_case *c, const char *word, struct gap *out)
{
	*out = (struct gap){ .of = c, .word = word };
	verify_print_uuid(c->report, out->report);
	verify_print_time(
	    c->delivered == SLOT_ABSENT ? c->decided_us : c->delivered_us, out->since);
}

static void
gap_json(FILE *to, const struct gap *g)
{
	(void)fprintf(to, "{\"report\":\"%s\",\"gap\":\"%s\"", g->report, g->word);
	if (g->of->publisher.len != 0) {
		(void)fputs(",\"publisher\":", to);
		verify_print_json(to, g->of->publisher);
	}
	(void)fputs(",\"recipient\":", to);
	verify_print_json(to, g->of->recipient);
	(void)fprintf(to, ",\"since\":\"%s\"", g->since);
	if (g->of->decided != SLOT_ABSENT)
		(void)fprintf(to, ",\"decision\":%" PRIu64, g->of->decided);
	if (g->of->delivered != SLOT_ABSENT)
		(void)fprintf(to, ",\"delivery\":%" PRIu64, g->of->delivered);
	(void)fputs("}\n", to);
}

static void
gap_text(FILE *to, const struct gap *g)
{
	(void)fprintf(to, "%s  %-14s", g->report, g->word);
	if (g->of->publisher.len != 0) {
		(void)fputs(" from ", to);
		verify_print_plain(to, g->of->publisher);
	}
	(void)fputs(" to ", to);
	verify_print_plain(to, g->of->recipient);
	(void)fprintf(to, " since %s", g->since);
	if (g->of->delivered != SLOT_ABSENT)
		(void)fprintf(to, " delivery %" PRIu64, g->of->delivered);
	else
		(void)fprintf(to, " decision %" PRIu64, g->of->decided);
	(void)fputc('\n', to);
}

static void
gap_csv(FILE *to, const struct gap *g)
{
	(void)fprintf(to, "%s,%s,%s,", g->report, g->word, g->since);
	verify_print_cell(to, g->of->publisher, ",");
	verify_print_cell(to, g->of->recipient, ",");
	if (g->of->decided != SLOT_ABSENT)
		(void)fprintf(to, "%" PRIu64, g->of->decided);
	(void)fputc(',', to);
	if (g->of->delivered != SLOT_ABSENT)
		(void)fprintf(to, "%" PRIu64, g->of->delivered);
	(void)fputs("\r\n", to);
}

uint64_t
tally_print_gaps(FILE *to, enum print_form form, const struct tally *t)
{
	uint64_t count = 0;
	if (form == PRINT_CSV)
		(void)fputs("report,gap,since,publisher,recipient,decision,delivery\r\n", to);
	for (const struct tally_case *c = t->first; c != NULL; c = c->next) {
		struct gap g;
		const char *word = tally_gap(c);
		if (word == NULL)
			continue;
		count++;
		gap_of(c, word, &g);
		if (form == PRINT_JSON)
			gap_json(to, &g);
		else if (form == PRINT_CSV)
			gap_csv(to, &g);
		else
			gap_text(to, &g);
	}
	return count;
}

/* ---- stats ---- */

struct stats {
	struct tally_pair **pairs;
	struct tally_day **days;
	struct tally_reason **reasons;
	size_t pair_count, day_count, reason_count;
};

static void
date_of(uint64_t day, char out[PRINT_TIME])
{
	verify_print_time(day * 86400 * 1000000, out);
	out[10] = '\0';
}

static void
pair_text(FILE *to, const struct tally_pair *p)
{
	(void)fputs("from ", to);
	verify_print_plain(to, p->publisher.len == 0 ? bytes_of("?") : p->publisher);
	(void)fputs(" to ", to);
	verify_print_plain(to, p->recipient);
	(void)fprintf(to,
	    ": release %" PRIu64 ", redact %" PRIu64 ", hold %" PRIu64 ", withhold %" PRIu64
	    "; delivered %" PRIu64 ", acknowledged %" PRIu64 ", ended %" PRIu64 "\n",
	    p->outcomes[OUTCOME_RELEASE], p->outcomes[OUTCOME_REDACT], p->outcomes[OUTCOME_HOLD],
	    p->outcomes[OUTCOME_WITHHOLD], p->delivered, p->acknowledged, p->ended);
}

static void
stats_text(FILE *to, const struct stats *s)
{
	char date[PRINT_TIME];
	for (size_t i = 0; i < s->pair_count; i++)
		pair_text(to, s->pairs[i]);
	for (size_t i = 0; i < s->day_count; i++) {
		const struct tally_day *d = s->days[i];
		date_of(d->day, date);
		(void)fprintf(to,
		    "day %s: accepted %" PRIu64 ", delivered %" PRIu64 ", acknowledged %" PRIu64
		    ", refused %" PRIu64 "\n",
		    date, d->accepted, d->delivered, d->acknowledged, d->refused);
	}
	for (size_t i = 0; i < s->reason_count; i++) {
		verify_print_plain(to, s->reasons[i]->verdict);
		(void)fputc(' ', to);
		verify_print_plain(to, s->reasons[i]->reason);
		(void)fprintf(to, ": %" PRIu64 "\n", s->reasons[i]->count);
	}
}

static void
pair_json(FILE *to, const struct tally_pair *p)
{
	(void)fputc('{', to);
	if (p->publisher.len != 0) {
		(void)fputs("\"publisher\":", to);
		verify_print_json(to, p->publisher);
		(void)fputc(',', to);
	}
	(void)fputs("\"recipient\":", to);
	verify_print_json(to, p->recipient);
	for (unsigned o = OUTCOME_RELEASE; o <= OUTCOME_WITHHOLD; o++)
		(void)fprintf(
		    to, ",\"%s\":%" PRIu64, slot_outcome_word((enum outcome)o), p->outcomes[o]);
	(void)fprintf(to,
	    ",\"delivered\":%" PRIu64 ",\"acknowledged\":%" PRIu64 ",\"ended\":%" PRIu64 "}",
	    p->delivered, p->acknowledged, p->ended);
}

void
tally_print_types(FILE *to, const uint64_t by_type[EVENT_END])
{
	const char *sep = "";
	(void)fputs("\"types\":{", to);
	for (unsigned t = 1; t < EVENT_END; t++) {
		if (by_type[t] == 0)
			continue;
		(void)fprintf(
		    to, "%s\"%s\":%" PRIu64, sep, event_token((enum event_type)t), by_type[t]);
		sep = ",";
	}
	(void)fputc('}', to);
}

static void
stats_json(FILE *to, const struct stats *s, const struct tally *t)
{
	char date[PRINT_TIME];
	(void)fputs("\"pairs\":[", to);
	for (size_t i = 0; i < s->pair_count; i++) {
		(void)fputs(i == 0 ? "" : ",", to);
		pair_json(to, s->pairs[i]);
	}
	(void)fputs("],\"days\":[", to);
	for (size_t i = 0; i < s->day_count; i++) {
		const struct tally_day *d = s->days[i];
		date_of(d->day, date);
		(void)fprintf(to,
		    "%s{\"day\":\"%s\",\"accepted\":%" PRIu64 ",\"delivered\":%" PRIu64
		    ",\"acknowledged\":%" PRIu64 ",\"refused\":%" PRIu64 "}",
		    i == 0 ? "" : ",", date, d->accepted, d->delivered, d->acknowledged,
		    d->refused);
	}
	(void)fputs("],\"reasons\":[", to);
	for (size_t i = 0; i < s->reason_count; i++) {
		(void)fputs(i == 0 ? "{\"verdict\":" : ",{\"verdict\":", to);
		verify_print_json(to, s->reasons[i]->verdict);
		(void)fputs(",\"reason\":", to);
		verify_print_json(to, s->reasons[i]->reason);
		(void)fprintf(to, ",\"count\":%" PRIu64 "}", s->reasons[i]->count);
	}
	(void)fputs("],", to);
	tally_print_types(to, t->by_type);
}

bool
tally_print_stats(FILE *to, enum print_form form, struct tally *t)
{
	struct stats s;
	if (!tally_pairs(t, &s.pairs, &s.pair_count) || !tally_days(t, &s.days, &s.day_count) ||
	    !tally_reasons(t, &s.reasons, &s.reason_count))
		return false;
	if (form == PRINT_JSON)
		stats_json(to, &s, t);
	else
		stats_text(to, &s);
	return true;
}

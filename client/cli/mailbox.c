#include "client/cli/mailbox.h"

#include <inttypes.h>

#include "client/cli/out.h"
#include "client/cli/table.h"
#include "client/lists.h"

static const char *
mode_of(bool exercise)
{
	return exercise ? "EXERCISE" : "live";
}

static const char *
precedence_of(enum relto_precedence p)
{
	static const char *const words[] = { "?", "ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH" };
	return (size_t)p < sizeof(words) / sizeof(words[0]) ? words[p] : words[0];
}

static bool
add(struct table *t, const char *const *cells, struct err *e)
{
	for (size_t i = 0; i < t->columns; i++)
		if (cells[i] == NULL)
			return err_set(e, ERR_NOMEM, "table");
	return table_add(t, cells, e);
}

/* ---- subscriptions ---- */

/* An operator is told all that waits, a party what came back to it. */
static void
subscriptions_json(const struct lists_subscriptions *x, bool own)
{
	struct out_json j = { .to = stdout };
	out_json_begin(&j, NULL, '[');
	for (size_t i = 0; i < x->count; i++) {
		const struct lists_subscription *it = &x->items[i];
		out_json_begin(&j, NULL, '{');
		out_json_text(&j, "name", it->name);
		out_json_text(&j, "topic", it->topic);
		out_json_text(&j, "mode", it->exercise ? "exercise" : "live");
		out_json_uint(&j, own ? "returned" : "waiting", it->waiting);
		out_json_end(&j, '}');
	}
	out_json_end(&j, ']');
	out_json_line(&j);
}

static bool
subscriptions_table(struct session *s, const struct lists_subscriptions *x, bool own, struct err *e)
{
	const char *const head[] = { "NAME", "MODE", "TOPIC", own ? "RETURNED" : "WAITING" };
	struct table t;
	table_init(&t, &s->arena, "", sizeof(head) / sizeof(head[0]));
	bool ok = table_head(&t, head, e);
	for (size_t i = 0; ok && i < x->count; i++) {
		const struct lists_subscription *it = &x->items[i];
		const char *cells[] = { it->name, mode_of(it->exercise), it->topic,
			arena_printf(&s->arena, "%" PRIu64, it->waiting) };
		ok = add(&t, cells, e);
	}
	if (ok)
		table_print(&t, stdout);
	return ok;
}

int
mailbox_subscriptions(struct session *s, const char *party, bool json)
{
	struct lists_subscriptions *x = NULL;
	struct relto_error why = { 0 };
	struct err e = { 0 };
	if (!lists_subscriptions(s->connection, party, &x, &why))
		return session_error(&why);
	bool ok = true;
	if (json)
		subscriptions_json(x, party == NULL);
	else
		ok = subscriptions_table(s, x, party == NULL, &e);
	lists_subscriptions_free(x);
	return ok ? 0 : out_error(&e);
}

/* ---- dead letters ---- */

static void
letters_json(const struct lists_letters *x)
{
	char id[RELTO_ID_TEXT];
	struct out_json j = { .to = stdout };
	out_json_begin(&j, NULL, '[');
	for (size_t i = 0; i < x->count; i++) {
		const struct lists_letter *l = &x->items[i];
		relto_id_print(l->report, id);
		out_json_begin(&j, NULL, '{');
		out_json_text(&j, "party", l->party);
		out_json_text(&j, "report", l->has_report ? id : NULL);
		out_json_text(&j, "publisher", l->has_report ? l->publisher : NULL);
		out_json_text(&j, "subscription", l->subscription[0] == 0 ? NULL : l->subscription);
		out_json_text(&j, "mode", l->exercise ? "exercise" : "live");
		out_json_text(&j, "precedence", precedence_of(l->precedence));
		out_json_text(&j, "reason", l->reason);
		out_json_uint(&j, "attempts", l->attempts);
		out_json_uint(&j, "time_us", l->time_us);
		out_json_end(&j, '}');
	}
	out_json_end(&j, ']');
	out_json_line(&j);
}

static bool
letter_row(struct session *s, struct table *t, const struct lists_letter *l, struct err *e)
{
	char id[RELTO_ID_TEXT], time[32];
	relto_id_print(l->report, id);
	const char *cells[] = { arena_printf(&s->arena, "%s", l->has_report ? id : ""), l->party,
		l->publisher, l->subscription, mode_of(l->exercise), precedence_of(l->precedence),
		l->reason, arena_printf(&s->arena, "%" PRIu32, l->attempts),
		arena_printf(&s->arena, "%s", session_time(l->time_us / 1000, time)) };
	return add(t, cells, e);
}

int
mailbox_letters(struct session *s, bool all, const char *party, bool json)
{
	static const char *const head[] = { "REPORT", "FOR", "FROM", "SUBSCRIPTION", "MODE",
		"PRECEDENCE", "REASON", "DELIVERIES", "SINCE" };
	struct lists_letters *x = NULL;
	struct relto_error why = { 0 };
	struct err e = { 0 };
	struct table t;
	bool ok = true;
	if (!lists_letters(s->connection, all, party, &x, &why))
		return session_error(&why);
	if (json)
		letters_json(x);
	else if (x->count == 0)
		(void)fputs("there are no dead letters\n", stderr);
	else {
		table_init(&t, &s->arena, "", sizeof(head) / sizeof(head[0]));
		ok = table_head(&t, head, &e);
		for (size_t i = 0; ok && i < x->count; i++)
			ok = letter_row(s, &t, &x->items[i], &e);
		if (ok)
			table_print(&t, stdout);
	}
	lists_letters_free(x);
	return ok ? 0 : out_error(&e);
}

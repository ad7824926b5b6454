#include "client/cli/admin_sessions.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "client/cli/session.h"
#include "client/cli/table.h"
#include "proto/limits.h"

/* All pages, oldest connection first: the broker tells them in no order. */
static bool
read_all(struct relto_connection *c, json_t *all, struct relto_error *e, struct err *why)
{
	uint64_t from = 0;
	do {
		char *text = NULL;
		if (!relto_sessions(c, from, &text, e))
			return false;
		json_t *page = json_loads(text, 0, NULL);
		free(text);
		uint64_t next = (uint64_t)json_integer_value(json_object_get(page, "next"));
		bool ok = json_array_extend(all, json_object_get(page, "sessions")) == 0 &&
			  (next == 0 || next > from);
		json_decref(page);
		if (!ok)
			return err_set(
			    why, ERR_PROTOCOL, "the broker's answer is no list of sessions");
		from = next;
	} while (from != 0);
	return true;
}

static int
by_connection(const void *a, const void *b)
{
	json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "connection"));
	json_int_t y = json_integer_value(json_object_get(*(json_t *const *)b, "connection"));
	return (x > y) - (x < y);
}

static const char *
number(struct arena *a, const json_t *o, const char *key, json_int_t unit)
{
	const char *text = arena_printf(
	    a, "%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(o, key)) / unit);
	return text == NULL ? "" : text;
}

static const char *
state(struct arena *a, const json_t *o)
{
	const char *text = json_string_value(json_object_get(o, "state"));
	bool slowed = json_is_true(json_object_get(o, "slowed"));
	return text != NULL && slowed ? arena_printf(a, "%s, slowed", text) : text;
}

static bool
print_table(json_t *const *items, size_t count, struct err *e)
{
	static const char *const names[] = { "connection", "party", "agent", "address", "state",
		"for s", "idle s", "subscriptions", "unanswered" };
	struct arena a;
	struct table t;
	arena_init(&a, LIMIT_MESSAGE_BYTES * 4);
	table_init(&t, &a, "", 9);
	bool ok = table_head(&t, names, e);
	for (size_t i = 0; ok && i < count; i++) {
		const json_t *o = items[i];
		const char *const cells[] = { number(&a, o, "connection", 1),
			json_string_value(json_object_get(o, "party")),
			json_string_value(json_object_get(o, "agent")),
			json_string_value(json_object_get(o, "address")), state(&a, o),
			number(&a, o, "state_ms", 1000), number(&a, o, "idle_ms", 1000),
			number(&a, o, "subscriptions", 1), number(&a, o, "unanswered", 1) };
		ok = table_add(&t, cells, e);
	}
	if (ok)
		table_print(&t, stdout);
	arena_done(&a);
	return ok;
}

static void
print_json(json_t *const *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		(void)json_dumpf(items[i], stdout, JSON_ENSURE_ASCII | JSON_COMPACT);
		(void)putchar('\n');
	}
}

int
sessions_print(struct relto_connection *c, bool as_json)
{
	struct relto_error e = { 0 };
	struct err why = { 0 };
	json_t *all = json_array();
	if (all == NULL || !read_all(c, all, &e, &why)) {
		json_decref(all);
		return why.code == ERR_NONE ? session_error(&e) : out_error(&why);
	}
	size_t count = json_array_size(all);
	json_t **items = calloc(count + 1, sizeof(json_t *));
	for (size_t i = 0; items != NULL && i < count; i++)
		items[i] = json_array_get(all, i);
	bool ok = items != NULL || err_set(&why, ERR_NOMEM, "sessions");
	if (ok)
		qsort(items, count, sizeof(json_t *), by_connection);
	if (ok && as_json)
		print_json(items, count);
	else if (ok)
		ok = print_table(items, count, &why);
	free(items);
	json_decref(all);
	return ok ? 0 : out_error(&why);
}

/* Past reports that would have gone elsewhere, as a table and as JSON. */
#include "client/cli/policy_out.h"
#include "client/cli/policy_replay.h"
#include "client/cli/table.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

static const char *
portions(struct arena *a, const struct replay_row *r)
{
	const char *text = "";
	for (size_t i = 0; i < r->differ_count && text != NULL; i++)
		text =
		    arena_printf(a, "%s%s%u", text, i == 0 ? "" : " ", r->portions[i].portion + 1);
	return text == NULL ? NULL : arena_printf(a, "%s of %zu", text, r->portion_count);
}

static bool
add_row(struct table *t, struct arena *a, const struct replay_row *r, struct err *e)
{
	const char *cells[] = { diff_turn_name(r->turn), r->report,
		arena_printf(
		    a, "%llu%s", (unsigned long long)r->record, r->later ? " (later)" : ""),
		arena_printf(a, "%.*s", SHOWN(r->from)), arena_printf(a, "%.*s", SHOWN(r->to)),
		arena_printf(a, "%.*s", SHOWN(r->topic)), portions(a, r),
		policy_out_verdict(a, &r->portions[0].said[0]),
		policy_out_verdict(a, &r->portions[0].said[1]) };
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		if (cells[i] == NULL)
			return err_set(e, ERR_NOMEM, "rows");
	return table_add(t, cells, e);
}

bool
replay_print(const struct replay *r, struct arena *a, struct err *e)
{
	static const char *const head[] = { "CHANGE", "REPORT", "RECORD", "FROM", "TO", "TOPIC",
		"PORTIONS", "THEN", "NOW" };
	struct table t;
	table_init(&t, a, "", sizeof(head) / sizeof(head[0]));
	if (!table_head(&t, head, e))
		return false;
	for (size_t i = 0; i < r->row_count; i++)
		if (!add_row(&t, a, &r->rows[i], e))
			return false;
	if (r->row_count > 0)
		table_print(&t, stdout);
	printf("%llu facts of the past judged under both, %zu decisions would have been others\n",
	    (unsigned long long)r->judged, r->row_count);
	if (r->missing > 0)
		printf("not decided: the bundle lacks the facts of %llu records\n",
		    (unsigned long long)r->missing);
	return true;
}

static void
put_row(struct out_json *j, const struct replay_row *r)
{
	out_json_begin(j, NULL, '{');
	out_json_text(j, "change", diff_turn_name(r->turn));
	out_json_text(j, "report", r->report);
	out_json_uint(j, "record", r->record);
	out_json_bool(j, "later", r->later);
	out_json_bytes(j, "from", r->from);
	out_json_bytes(j, "to", r->to);
	out_json_bytes(j, "topic", r->topic);
	out_json_uint(j, "time", r->time);
	out_json_uint(j, "portion_count", r->portion_count);
	out_json_begin(j, "portions", '[');
	for (size_t i = 0; i < r->differ_count; i++) {
		out_json_begin(j, NULL, '{');
		out_json_uint(j, "portion", r->portions[i].portion);
		policy_out_said(j, "then", &r->portions[i].said[0]);
		policy_out_said(j, "now", &r->portions[i].said[1]);
		out_json_end(j, '}');
	}
	out_json_end(j, ']');
	out_json_end(j, '}');
}

void
replay_json(const struct replay *r, struct out_json *j)
{
	out_json_begin(j, "replay", '{');
	out_json_uint(j, "judged", r->judged);
	out_json_uint(j, "missing", r->missing);
	out_json_bool(j, "widens", r->widens);
	out_json_begin(j, "decisions", '[');
	for (size_t i = 0; i < r->row_count; i++)
		put_row(j, &r->rows[i]);
	out_json_end(j, ']');
	out_json_end(j, '}');
}

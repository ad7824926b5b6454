#include "audit/verify_trace.h"

#include "proto/uuid.h"

bool
verify_trace_begin(struct verify_trace *t, struct arena *a, const char *id, struct err *e)
{
	*t = (struct verify_trace){ .dry = false };
	map_init(&t->deliveries, a, 1);
	return uuid_parse(bytes_of(id), t->report) ||
	       err_set(e, ERR_USAGE, "'%s' is no report id", id);
}

static bool
names_a_delivery(const struct verify_trace *t, const struct record *r)
{
	struct body b;
	if (!RECORD_SLOT(r, 7)->open ||
	    !event_body_parse(EVENT_ACK, RECORD_SLOT(r, 7)->value, &b, NULL))
		return false;
	struct cursor c = cursor_over(event_body_get(&b, BODY_ACK_DELIVERIES));
	while (c.left >= 8) {
		uint64_t index = cursor_u64(&c);
		if (map_find(&t->deliveries, bytes_from(&index, sizeof(index))) != NULL)
			return true;
	}
	return false;
}

bool
verify_trace_picks(struct verify_trace *t, const struct verify_record *r)
{
	if (r->type == EVENT_ACK)
		return names_a_delivery(t, r->record);
	if (!bytes_equal(r->common.report, bytes_from(t->report, sizeof(t->report))))
		return false;
	if (r->type == EVENT_DELIVERY &&
	    map_at(&t->deliveries, bytes_from(&r->index, sizeof(r->index)), NULL) == NULL)
		t->dry = true;
	return true;
}

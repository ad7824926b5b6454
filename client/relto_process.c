#include "client/inside.h"

enum {
	TURNS = 256, /* then others have their turn */
	ACKS_MS = 1000
};

/* What the next look would not see again: messages taken, states reached. */
static uint64_t
progress(const struct relto_connection *c)
{
	return c->taken + c->line.losses + c->line.sessions;
}

static bool
send_old_acks(struct relto_connection *c, struct relto_error *e)
{
	return c->ack_count == 0 || link_now() - c->ack_since_ms < ACKS_MS ||
	       inside_acks_flush(c, e);
}

static int
until(int64_t due)
{
	int64_t left = due - link_now();
	return due == INT64_MAX ? -1 : left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

static void
say_wants(const struct relto_connection *c, bool more, struct relto_wants *out)
{
	int64_t due = inside_line_due(c), ping = inside_ping_due(c);
	struct inside_message *m;
	struct inside_pending *p;
	*out = (struct relto_wants){ .fd = relto_fd(c) };
	STAILQ_FOREACH (m, &c->deliveries, next)
		out->deliveries++;
	STAILQ_FOREACH (p, &c->answered, next)
		out->answers++;
	if (c->link != NULL)
		out->events = link_events(c->link);
	if (ping < due)
		due = ping;
	if (c->ack_count > 0 && c->ack_since_ms + ACKS_MS < due)
		due = c->ack_since_ms + ACKS_MS;
	out->timeout_ms = more || out->deliveries + out->answers > 0 ? 0 : until(due);
}

bool
relto_process(struct relto_connection *c, struct relto_wants *out, struct relto_error *e)
{
	bool came, more = true;
	for (unsigned n = 0; more && n < TURNS; n++) {
		uint64_t before = progress(c);
		enum inside_state was = c->line.state;
		if (!send_old_acks(c, e) || !inside_turn(c, 0, &came, e))
			return false;
		more = progress(c) != before || c->line.state != was;
	}
	say_wants(c, more, out);
	return true;
}

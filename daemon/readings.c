#include "daemon/readings.h"

#include <stddef.h>

#include "proto/limits.h"

enum { READ_ON = 65536 }; /* records; a page is a thousand */

bool
reading_covers(const struct reading *r, uint64_t index)
{
	return index >= r->first && index < r->end;
}

uint64_t
reading_span(const struct reading *r, uint64_t from, uint64_t wanted)
{
	return r->end != 0 && from == r->end && wanted < READ_ON ? READ_ON : wanted;
}

void
reading_add(struct reading *r, uint64_t from, uint64_t span)
{
	r->first = r->end != 0 && from == r->end ? r->first : from;
	r->end = from + span;
}

/* The party's place, or one that says nothing any more; NULL: all are in use. */
static uint64_t *
place_of(struct reading_rates *r, uint32_t party, uint64_t now_ms)
{
	size_t free = READING_PARTIES;
	for (size_t i = 0; i < READING_PARTIES; i++) {
		if (r->of[i].due_ms != 0 && r->of[i].party == party)
			return &r->of[i].due_ms;
		if (r->of[i].due_ms <= now_ms)
			free = i;
	}
	if (free == READING_PARTIES)
		return NULL;
	r->of[free].party = party;
	r->of[free].due_ms = 0;
	return &r->of[free].due_ms;
}

bool
readings_take(struct reading_rates *r, uint32_t party, uint64_t now_ms, uint32_t *retry_ms)
{
	uint64_t *due = place_of(r, party, now_ms);
	*retry_ms = LIMIT_AUDIT_READ_MS;
	if (due == NULL)
		return false;
	uint64_t next = (*due > now_ms ? *due : now_ms) + LIMIT_AUDIT_READ_MS;
	uint64_t most = now_ms + (uint64_t)LIMIT_AUDIT_READS * LIMIT_AUDIT_READ_MS;
	if (next > most) {
		*retry_ms = (uint32_t)(next - most);
		return false;
	}
	*due = next;
	return true;
}

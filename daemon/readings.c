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

/*
 * The party's place; else that of whoever took least, with what was taken of it: so nobody is shut
 * out, all together take no more than the places allow, and who loses his place gains nothing by
 * it, since the others owe as much.
 */
static size_t
place_of(struct reading_rates *r, uint32_t party)
{
	size_t least = 0;
	for (size_t i = 0; i < READING_PARTIES; i++) {
		if (r->of[i].due_ms != 0 && r->of[i].party == party)
			return i;
		if (r->of[i].due_ms < r->of[least].due_ms)
			least = i;
	}
	return least;
}

bool
readings_take(struct reading_rates *r, uint32_t party, uint64_t now_ms, uint32_t *retry_ms)
{
	size_t i = place_of(r, party);
	uint64_t due = r->of[i].due_ms;
	uint64_t next = (due > now_ms ? due : now_ms) + LIMIT_AUDIT_READ_MS;
	uint64_t most = now_ms + (uint64_t)LIMIT_AUDIT_READS * LIMIT_AUDIT_READ_MS;
	if (next > most) {
		*retry_ms = (uint32_t)(next - most);
		return false;
	}
	r->of[i].party = party; /* not before: who waits pushes nobody out */
	r->of[i].due_ms = next;
	return true;
}

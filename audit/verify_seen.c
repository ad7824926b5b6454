#include "audit/verify_seen.h"

#include <string.h>

static struct bytes
value_of(const struct record *r, unsigned slot)
{
	return RECORD_SLOT(r, slot)->open ? RECORD_SLOT(r, slot)->value : (struct bytes){ NULL, 0 };
}

void
seen_look(const struct verify_record *r, struct seen *s)
{
	struct bytes body = value_of(r->record, 7);
	memset(s, 0, sizeof(*s));
	event_body_begin(&s->body, r->type);
	s->placed = value_of(r->record, 8).len > 0;
	(void)(slot_get_release(value_of(r->record, 2), &s->release, NULL) &&
	       slot_get_publication(value_of(r->record, 3), &s->publication, NULL) &&
	       slot_get_decision(value_of(r->record, 4), &s->decision, NULL) &&
	       (body.len == 0 || event_body_parse(r->type, body, &s->body, NULL)));
}

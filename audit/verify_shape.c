#include "audit/verify_shape.h"

#include "audit/view.h"

enum { ALL_BUT_PERSON = 0x1be };

/* The slots that this view has: all, or what the party opens as publisher, by slot 8, as the one
 * that a head is of. */
static unsigned
slots_of_view(const struct verify *v, const struct verify_slots *s)
{
	unsigned slots = 0;
	if (v->about.party.len == 0)
		return ALL_BUT_PERSON; /* an erased person is looked at in verify_order.c */
	if (verify_slot_open(s, 3))
		slots |= view_publisher_slots(s->r.type);
	if (verify_slot_open(s, 8))
		slots |= view_recipient_slots(s->r.type);
	if (s->r.type == EVENT_PARTY_HEAD)
		slots |= 1u << 1 | 1u << 7;
	return slots;
}

static bool
decides(enum event_type type)
{
	return type == EVENT_DECISION || type == EVENT_NARROWED || type == EVENT_APPROVAL;
}

/* What must be there. */
static void
check_fields(struct verify *v, const struct verify_slots *s)
{
	enum event_type type = s->r.type;
	bool judged = verify_slot_open(s, 4) && (decides(type) || type == EVENT_INTAKE);
	if (type <= EVENT_FEEDBACK && type != EVENT_ACK && s->r.common.report.len == 0)
		verify_run_find(v, VERIFY_MALFORMED, s->r.index, "it is of no report");
	if (verify_slot_open(s, 2) && type >= EVENT_DECISION && type <= EVENT_FEEDBACK &&
	    s->release.recipient.len == 0)
		verify_run_find(v, VERIFY_MALFORMED, s->r.index, "it has no recipient");
	if (judged && s->decision.facts == NULL)
		verify_run_find(v, VERIFY_MALFORMED, s->r.index, "it names no facts");
	if (judged && decides(type) && s->decision.outcome == 0)
		verify_run_find(v, VERIFY_MALFORMED, s->r.index, "it has no outcome");
	if (type == EVENT_INTAKE && verify_slot_open(s, 3) && s->publication.manifest == NULL)
		verify_run_find(v, VERIFY_MALFORMED, s->r.index, "it names no manifest");
}

/* What its type leaves out of slots 3 and 4. */
static void
check_absent(struct verify *v, const struct verify_slots *s)
{
	enum event_type type = s->r.type;
	const struct slot_publication *p = &s->publication;
	const struct slot_decision *d = &s->decision;
	bool publication = p->agent.len != 0 || p->manifest != NULL || p->banner.len != 0;
	bool judgement = d->outcome != 0 || d->reasons.len != 0;
	if (publication && !decides(type) && type != EVENT_INTAKE)
		verify_run_find(
		    v, VERIFY_MALFORMED, s->r.index, "slot 3 has more than its type states there");
	if ((type == EVENT_INTAKE && (judgement || d->link != SLOT_ABSENT)) ||
	    (type == EVENT_DELIVERY && (judgement || d->policy != NULL || d->facts != NULL)))
		verify_run_find(
		    v, VERIFY_MALFORMED, s->r.index, "slot 4 has more than its type states there");
}

/* A record without its place would be in nobody's history. */
static void
check_places(struct verify *v, const struct verify_slots *s)
{
	enum event_type type = s->r.type;
	bool attests = type == EVENT_ACK && event_body_has(&s->body, BODY_ACK_SIZE);
	bool published = type <= EVENT_FEEDBACK && !attests;
	bool given = type == EVENT_DELIVERY || type == EVENT_AGREEMENT || type == EVENT_KEY ||
		     (type == EVENT_ACK && !attests);
	if (published && verify_slot_open(s, 3) &&
	    (s->publication.index == SLOT_ABSENT || s->publication.party.len == 0))
		verify_run_find(
		    v, VERIFY_GAP, s->r.index, "it has no place in the tree of its publisher");
	if (given && verify_slot_open(s, 8) && s->place == SLOT_ABSENT)
		verify_run_find(
		    v, VERIFY_GAP, s->r.index, "it has no place in the tree of whom it is for");
}

void
verify_shape_record(struct verify *v, const struct verify_slots *s)
{
	unsigned slots = slots_of_view(v, s);
	for (unsigned i = 1; i <= RECORD_SLOTS; i++)
		if (slots >> i & 1 && !verify_slot_open(s, i))
			verify_run_find(v, VERIFY_GAP, s->r.index, "slot %u is not opened", i);
	check_fields(v, s);
	check_absent(v, s);
	check_places(v, s);
}

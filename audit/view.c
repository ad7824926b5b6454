#include "audit/view.h"

#define BIT(i) (1u << (i))

enum { EVERYTHING = 0x1fe };

/* What a record says about parties; every view is absent where it says nothing. */
struct named {
	enum event_type type;
	struct bytes publisher; /* of slot 3, if it has an index */
	uint64_t publication;
	struct bytes recipient; /* whose tree slot 8 speaks of, if it has an index */
	uint64_t place;
	struct bytes head; /* the party of a PARTY_HEAD */
};

/* Which field of the body names the party of slot 8, for types where slot 2 does not. */
static bool
body_party(enum event_type type, enum body_field *f)
{
	switch ((int)type) {
	case EVENT_APPROVAL:
		*f = BODY_APPROVAL_APPROVER;
		return true;
	case EVENT_AGREEMENT:
		*f = BODY_AGREEMENT_PARTY;
		return true;
	case EVENT_KEY:
		*f = BODY_KEY_PARTY;
		return true;
	case EVENT_PARTY_HEAD:
		*f = BODY_PARTY_HEAD_PARTY;
		return true;
	default:
		return false;
	}
}

/* The party in the body, or else in slot 2; absent if the slot is closed or says none. */
static struct bytes
party_of_place(const struct record_said *s)
{
	enum body_field f;
	return body_party(s->common.type, &f) ? event_body_get(&s->body, f) : s->release.recipient;
}

struct bytes
view_owner(const struct record_said *s)
{
	return s->place == SLOT_ABSENT ? (struct bytes){ NULL, 0 } : party_of_place(s);
}

/* False for a record that cannot be read: it is then nobody's. */
static bool
read_names(const struct record *r, struct named *out)
{
	struct record_said s;
	if (!record_take_apart(r, &s, NULL))
		return false;
	*out = (struct named){ .type = s.common.type,
		.publication = s.publication.index,
		.recipient = view_owner(&s),
		.place = s.place };
	if (s.publication.index != SLOT_ABSENT)
		out->publisher = s.publication.party;
	if (s.common.type == EVENT_PARTY_HEAD)
		out->head = party_of_place(&s);
	return true;
}

static bool
is_party(struct bytes named, struct bytes who)
{
	return named.len != 0 && bytes_equal(named, who);
}

unsigned
view_slots_published(enum event_type type)
{
	return BIT(1) | BIT(2) | BIT(3) | BIT(4) | (type == EVENT_APPROVAL ? 0 : BIT(7));
}

unsigned
view_slots_placed(enum event_type type)
{
	switch ((int)type) {
	case EVENT_DELIVERY:
	case EVENT_ACK:
		return BIT(1) | BIT(2) | BIT(7) | BIT(8);
	case EVENT_NARROWED:
	case EVENT_EXPIRE:
	case EVENT_RECALL:
	case EVENT_SUPERSEDE:
	case EVENT_DEAD_LETTER:
	case EVENT_FEEDBACK:
		return BIT(1) | BIT(8);
	case EVENT_APPROVAL:
	case EVENT_AGREEMENT:
	case EVENT_KEY:
		return BIT(1) | BIT(7) | BIT(8);
	default:
		return 0;
	}
}

unsigned
view_slots(const struct record *r, const struct viewer *who)
{
	if (who->everything)
		return EVERYTHING;
	struct named n;
	if (!read_names(r, &n))
		return 0;
	unsigned slots = 0;
	if (is_party(n.publisher, who->party))
		slots |= view_slots_published(n.type);
	if (is_party(n.recipient, who->party))
		slots |= view_slots_placed(n.type);
	if (is_party(n.head, who->party) || n.type == EVENT_RECOVER)
		slots |= BIT(1) | BIT(7);
	return slots;
}

enum view_place
view_place(const struct record *r, struct bytes party, uint64_t *index)
{
	struct named n;
	if (!read_names(r, &n))
		return VIEW_NOWHERE;
	if (is_party(n.publisher, party)) {
		*index = n.publication;
		return VIEW_PUBLISHER;
	}
	if (is_party(n.recipient, party)) {
		*index = n.place;
		return VIEW_RECIPIENT;
	}
	return VIEW_NOWHERE;
}

struct bytes
view_recipient(const struct record *r)
{
	struct named n;
	if (!read_names(r, &n))
		return (struct bytes){ NULL, 0 };
	return n.recipient;
}

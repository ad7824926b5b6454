#include "audit/form.h"

/* A record's fields outside of slot 7, bit i for the i-th; 'slot' is where it stands. */
enum {
	REPORT = 1 << 0,
	RECIPIENT = 1 << 1,
	AGREEMENTS = 1 << 2,
	MARKING = 1 << 3,
	DIGEST = 1 << 4,
	PARTY = 1 << 5,
	AGENT = 1 << 6,
	MANIFEST = 1 << 7,
	BANNER = 1 << 8,
	INDEX = 1 << 9,
	OUTCOME = 1 << 10,
	REASONS = 1 << 11,
	POLICY = 1 << 12,
	FACTS = 1 << 13,
	LINK = 1 << 14,
	NODE = 1 << 15,
	CONNECTION = 1 << 16,
	CERTIFICATE = 1 << 17,
	CLOCK = 1 << 18,
	PERSON = 1 << 19,
	PLACE = 1 << 20,
	FIELDS = 21,
	/* what goes together */
	RELEASED = AGREEMENTS | MARKING | DIGEST,
	PUBLISHED = PARTY | AGENT | MANIFEST | BANNER | INDEX,
	JUDGED = OUTCOME | REASONS | POLICY | FACTS | LINK,
	HUB = NODE | CLOCK,
	SESSION = CONNECTION | CERTIFICATE,
	/* without these a record is not joined to the others */
	LINKS = PARTY | INDEX | PLACE | LINK | POLICY
};
static const struct {
	uint8_t slot;
	const char *name;
} fields[FIELDS] = {
	{ 1, "report id" },
	{ 2, "recipient" },
	{ 2, "agreements" },
	{ 2, "marking" },
	{ 2, "released digest" },
	{ 3, "party" },
	{ 3, "agent" },
	{ 3, "manifest" },
	{ 3, "banner" },
	{ 3, "index" },
	{ 4, "outcome" },
	{ 4, "reasons" },
	{ 4, "policy" },
	{ 4, "facts" },
	{ 4, "link" },
	{ 5, "node" },
	{ 5, "connection" },
	{ 5, "certificate" },
	{ 5, "clock" },
	{ 6, "person" },
	{ 8, "index" },
};

struct rule {
	unsigned must, may;
};
static const struct rule rules[EVENT_END] = {
#define R(name, must, may) [EVENT_##name] = { must, may },
#include "audit/form.def"
#undef R
};

#define IF(there, bit) ((there) ? (unsigned)(bit) : 0u)

static unsigned
said_of_parties(const struct record_said *s)
{
	const struct slot_release *v = &s->release;
	const struct slot_publication *p = &s->publication;
	return IF(s->common.report.len, REPORT) | IF(v->recipient.len, RECIPIENT) |
	       IF(v->agreements.len, AGREEMENTS) | IF(v->marking.len, MARKING) |
	       IF(v->released != NULL, DIGEST) | IF(p->party.len, PARTY) | IF(p->agent.len, AGENT) |
	       IF(p->manifest != NULL, MANIFEST) | IF(p->banner.len, BANNER) |
	       IF(p->index != SLOT_ABSENT, INDEX) | IF(s->place != SLOT_ABSENT, PLACE);
}

static unsigned
said_of_judgement(const struct record_said *s)
{
	const struct slot_decision *d = &s->decision;
	const struct slot_hub *h = &s->hub;
	return IF(d->outcome != 0, OUTCOME) | IF(d->reasons.len, REASONS) |
	       IF(d->policy != NULL, POLICY) | IF(d->facts != NULL, FACTS) |
	       IF(d->link != SLOT_ABSENT, LINK) | IF(h->node.len, NODE) |
	       IF(h->connection != SLOT_ABSENT, CONNECTION) |
	       IF(h->certificate != NULL, CERTIFICATE) | IF(h->clock.len, CLOCK) |
	       IF(s->person.actor.len + s->person.justification.len, PERSON);
}

/* An ACK of deliveries stands in two trees, an attestation in none; an APPROVAL in that of its
 * approver, unless that is the publisher. */
static void
sharpen_by_body(const struct record *r, const struct record_said *s, struct rule *is)
{
	bool ack = s->common.type == EVENT_ACK;
	bool approval = s->common.type == EVENT_APPROVAL && RECORD_SLOT(r, 3)->open;
	if ((!ack && !approval) || !RECORD_SLOT(r, 7)->open)
		return;
	unsigned trees = approval ? PLACE : PARTY | INDEX | PLACE;
	bool stands = approval ? !bytes_equal(event_body_get(&s->body, BODY_APPROVAL_APPROVER),
				     s->publication.party)
			       : event_body_has(&s->body, BODY_ACK_DELIVERIES);
	if (stands)
		is->must |= trees;
	else
		is->may &= ~trees;
}

static enum form
fault(enum event_type type, unsigned field, const char *how, struct err *why)
{
	bool outside = (1u << field & (INDEX | PLACE)) != 0;
	(void)err_set(why, ERR_MALFORMED, "%s: slot %u %s %s%s", event_token(type),
	    fields[field].slot, how, fields[field].name,
	    outside ? ": it is left out of a party's history" : "");
	return (1u << field & LINKS) != 0 ? FORM_LOOSE : FORM_WRONG;
}

/* The first of these fields. */
static unsigned
first_of(unsigned set)
{
	unsigned i = 0;
	while ((set >> i & 1) == 0)
		i++;
	return i;
}

enum form
form_check(const struct record *r, const struct record_said *s, struct err *why)
{
	enum event_type type = s->common.type;
	unsigned said = said_of_parties(s) | said_of_judgement(s), lacks = 0;
	struct rule is = rules[type];
	sharpen_by_body(r, s, &is);
	for (unsigned i = 0; i < FIELDS; i++)
		if (RECORD_SLOT(r, fields[i].slot)->open)
			lacks |= is.must & ~said & 1u << i;
	unsigned more = said & ~(is.must | is.may);
	if (more != 0)
		(void)fault(type, first_of(more), "should have no", why);
	else if ((lacks & ~(unsigned)LINKS) != 0)
		return fault(type, first_of(lacks & ~(unsigned)LINKS), "has no", why);
	else if (lacks != 0)
		return fault(type, first_of(lacks), "has no", why);
	return more != 0 ? FORM_WRONG : FORM_GOOD;
}

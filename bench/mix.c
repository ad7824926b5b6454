#include "bench/mix.h"

#include "proto/arena.h"

#include <stdio.h>
#include <stdlib.h>

static const char banner[] = "ATLAS SECRET//REL TO ATLAS";
static const char node[] = "hub-1";

/* In byte order but for the publisher. */
static const char *const parties[MIX_RECIPIENTS + 1] = { "GBR", "BEL", "CAN", "DEU", "DNK", "ESP",
	"EST", "FIN", "FRA", "ITA", "LTU", "LVA", "NLD", "NOR", "POL", "PRT", "SWE" };

static const struct {
	enum outcome outcome;
	unsigned portions;
	const char *reasons, *marking;
} judged[3] = {
	{ OUTCOME_RELEASE, 2,
	    "0 release release atlas maritime\n1 release release atlas maritime\n",
	    "ATLAS SECRET//REL TO ATLAS" },
	{ OUTCOME_REDACT, 1,
	    "0 release release atlas maritime\n1 withhold classification atlas -\n",
	    "ATLAS RESTRICTED//REL TO ATLAS" },
	{ OUTCOME_WITHHOLD, 0,
	    "0 withhold classification atlas -\n1 withhold classification atlas -\n", "" },
};

void
mix_die(const char *what, const struct err *e)
{
	(void)fprintf(stderr, "%s: %s\n", what, e == NULL ? "failed" : e->text);
	exit(1);
}

const char *
mix_party(unsigned number)
{
	return number <= MIX_RECIPIENTS ? parties[number] : NULL;
}

unsigned
mix_withheld(const struct mix *m)
{
	return m->recipients / 4;
}

/* splitmix64: as good as salts have to be here */
void
mix_fill(struct mix *m, void *to, size_t n)
{
	for (size_t i = 0; i < n; i += 8) {
		uint64_t x = m->salts += 0x9e3779b97f4a7c15u;
		x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
		x = (x ^ x >> 27) * 0x94d049bb133111ebu;
		x ^= x >> 31;
		memcpy((uint8_t *)to + i, &x, n - i < 8 ? n - i : 8);
	}
}

static void
begin(struct mix *m, struct arena *a, enum event_type type, bool report, struct record *r)
{
	uint8_t salts[RECORD_SALTS];
	struct err e = { 0 };
	struct slot_common common = { .type = type };
	static const uint8_t certificate[32] = { 0x5c };
	struct slot_hub hub = { .node = bytes_of(node),
		.connection = report ? 7 : SLOT_ABSENT,
		.certificate = report ? certificate : NULL,
		.clock = bytes_of("sync") };
	struct slot_person person = { .actor = bytes_of("CN=alice,OU=fusion-desk,O=GBR") };
	bool bare = type == EVENT_AGREEMENT || type == EVENT_KEY;
	mix_fill(m, salts, sizeof(salts));
	if (report)
		common.report = bytes_from(m->report.id, sizeof(m->report.id));
	if (!record_begin(r, a, salts, &e) || !record_set_common(r, a, &common, &e) ||
	    (!bare && !record_set_hub(r, a, &hub, &e)) ||
	    (type == EVENT_INTAKE && !record_set_person(r, a, &person, &e)))
		mix_die(event_token(type), &e);
}

void
mix_begin(struct mix *m, struct arena *a, enum event_type type, struct record *r)
{
	begin(m, a, type, false, r);
}

static void
publication(struct mix *m, struct arena *a, bool whole, struct record *r)
{
	struct err e = { 0 };
	struct slot_publication p = { .party = bytes_of(parties[0]), .index = SLOT_LATER };
	if (whole) {
		p.agent = bytes_of(MIX_AGENT);
		p.manifest = m->report.manifest;
		p.banner = bytes_of(banner);
	}
	if (!record_set_publication(r, a, &p, &e))
		mix_die("slot 3", &e);
}

static void
body(struct arena *a, const struct body *b, struct record *r)
{
	struct err e = { 0 };
	if (!record_set_body(r, a, b, &e))
		mix_die("slot 7", &e);
}

static void
intake(struct mix *m, struct arena *a, uint64_t now, struct mix_record *out)
{
	struct err e = { 0 };
	struct body b;
	struct mix_report *r = &m->report;
	mix_fill(m, r, sizeof(*r)); /* digests of what is nowhere */
	m->reports++;
	put_u64(r->id, m->reports << 16);
	m->accepted = now;
	if (m->make != NULL)
		m->make(m->ctx, r);
	begin(m, a, EVENT_INTAKE, true, &out->r);
	publication(m, a, true, &out->r);
	struct slot_decision d = { .policy = r->policy, .facts = r->facts, .link = SLOT_ABSENT };
	event_body_begin(&b, EVENT_INTAKE);
	event_body_bytes(&b, BODY_INTAKE_SEAL, bytes_from(r->seal, 32));
	event_body_bytes(&b, BODY_INTAKE_CHAIN, bytes_from(r->chain, 32));
	event_body_bytes(&b, BODY_INTAKE_ANCHORS, bytes_from(r->anchor, 32));
	if (!record_set_decision(&out->r, a, &d, &e))
		mix_die("slot 4", &e);
	body(a, &b, &out->r);
	m->intake = m->next;
}

/* Of the withheld, whose names stand in one record, the first. */
static unsigned
first_withheld(const struct mix *m)
{
	return m->recipients - mix_withheld(m);
}

static unsigned
kind_of(const struct mix *m, unsigned recipient)
{
	return recipient >= first_withheld(m) ? 2 : recipient % 2;
}

static struct slot_release
release_to(const struct mix *m, unsigned recipient, const char *names)
{
	unsigned kind = kind_of(m, recipient);
	struct slot_release v = { .recipient = bytes_of(names) };
	if (judged[kind].portions == 0)
		return v;
	v.agreements = bytes_of(MIX_AGREEMENT "@3");
	v.marking = bytes_of(judged[kind].marking);
	v.released = m->report.released[judged[kind].portions - 1];
	return v;
}

static void
decision(struct mix *m, struct arena *a, unsigned recipient, struct mix_record *out)
{
	struct err e = { 0 };
	char names[MIX_RECIPIENTS * 4] = "";
	unsigned last = recipient == first_withheld(m) ? m->recipients - 1 : recipient;
	for (unsigned i = recipient; i <= last; i++)
		(void)snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
		    i == recipient ? "" : "\n", parties[i + 1]);
	struct slot_release release = release_to(m, recipient, names);
	unsigned kind = kind_of(m, recipient);
	struct slot_decision d = { judged[kind].outcome, bytes_of(judged[kind].reasons),
		m->report.policy, m->report.facts, SLOT_LATER };
	begin(m, a, EVENT_DECISION, true, &out->r);
	publication(m, a, true, &out->r);
	if (!record_set_release(&out->r, a, &release, &e) ||
	    !record_set_decision(&out->r, a, &d, &e))
		mix_die("decision", &e);
	out->link = m->intake;
	m->decided[recipient] = m->next;
}

static void
delivery(struct mix *m, struct arena *a, unsigned recipient, struct mix_record *out)
{
	struct err e = { 0 };
	struct body b;
	struct slot_release release = release_to(m, recipient, parties[recipient + 1]);
	struct slot_decision d = { .link = SLOT_LATER };
	begin(m, a, EVENT_DELIVERY, true, &out->r);
	publication(m, a, false, &out->r);
	event_body_begin(&b, EVENT_DELIVERY);
	event_body_uint(&b, BODY_DELIVERY_ACCEPTED, SLOT_LATER);
	if (!record_set_release(&out->r, a, &release, &e) ||
	    !record_set_decision(&out->r, a, &d, &e))
		mix_die("delivery", &e);
	body(a, &b, &out->r);
	out->link = m->decided[recipient];
	out->accepted = m->accepted;
	out->recipient = (int)recipient + 1;
	m->acks[recipient][m->waiting[recipient]++] = m->next;
}

static void
ack(struct mix *m, struct arena *a, unsigned recipient, struct mix_record *out)
{
	struct err e = { 0 };
	struct body b;
	uint8_t list[8 * MIX_ACKED];
	struct slot_release release = { .recipient = bytes_of(parties[recipient + 1]) };
	for (size_t i = 0; i < MIX_ACKED; i++)
		put_u64(list + 8 * i, m->acks[recipient][i]);
	m->waiting[recipient] = 0;
	begin(m, a, EVENT_ACK, false, &out->r);
	publication(m, a, false, &out->r);
	event_body_begin(&b, EVENT_ACK);
	event_body_bytes(&b, BODY_ACK_DELIVERIES, bytes_from(list, sizeof(list)));
	if (!record_set_release(&out->r, a, &release, &e))
		mix_die("ack", &e);
	body(a, &b, &out->r);
	out->recipient = (int)recipient + 1;
}

/* Step 0 is the INTAKE; then come DECISIONs, DELIVERYs, and the ACKs that are due. */
static unsigned
decisions_of(const struct mix *m)
{
	return first_withheld(m) + (mix_withheld(m) > 0);
}

static unsigned
acks_from(const struct mix *m)
{
	return 1 + decisions_of(m) + first_withheld(m);
}

/* The next recipient who has read enough, or first_withheld: nobody. */
static unsigned
next_ack(const struct mix *m)
{
	unsigned given = first_withheld(m), from = m->step - acks_from(m);
	while (from < given && m->waiting[from] < MIX_ACKED)
		from++;
	return from;
}

bool
mix_between(const struct mix *m)
{
	return m->step == 0 || (m->step >= acks_from(m) && next_ack(m) == first_withheld(m));
}

void
mix_next(struct mix *m, struct arena *a, uint64_t now, struct mix_record *out)
{
	*out = (struct mix_record){ .publisher = 0, .recipient = MIX_NOBODY };
	if (mix_between(m)) {
		intake(m, a, now, out);
		m->step = 1;
	} else if (m->step <= decisions_of(m)) {
		decision(m, a, m->step - 1, out);
		m->step++;
	} else if (m->step < acks_from(m)) {
		delivery(m, a, m->step - decisions_of(m) - 1, out);
		m->step++;
	} else {
		unsigned from = next_ack(m);
		ack(m, a, from, out);
		m->step = acks_from(m) + from + 1;
	}
	m->next++;
}

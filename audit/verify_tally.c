#include "audit/verify_tally.h"

#include "audit/verify_seen.h"

#include <stdlib.h>

enum { DAY_S = 86400 };

void
tally_init(struct tally *t, struct arena *a, struct bytes own)
{
	*t = (struct tally){ .a = a, .own = own };
	t->last = &t->first;
	map_init(&t->cases, a, sizeof(struct tally_case));
	map_init(&t->deliveries, a, sizeof(struct tally_case *));
	map_init(&t->days, a, sizeof(struct tally_day));
	map_init(&t->reasons, a, sizeof(struct tally_reason));
}

/* Two byte strings as one key. */
static void *
at_pair(struct tally *t, struct map *m, struct bytes one, struct bytes two)
{
	uint8_t *key = arena_alloc(t->a, one.len + 1 + two.len);
	void *at = NULL;
	if (key != NULL) {
		if (one.len != 0)
			memcpy(key, one.data, one.len);
		key[one.len] = 0;
		if (two.len != 0)
			memcpy(key + one.len + 1, two.data, two.len);
		at = map_at(m, bytes_from(key, one.len + 1 + two.len), NULL);
	}
	t->dry = t->dry || at == NULL;
	return at;
}

static bool
keep(struct tally *t, struct bytes in, struct bytes *out)
{
	if (out->len == 0 && in.len != 0 && !arena_copy(t->a, in, out, NULL))
		t->dry = true;
	return !t->dry;
}

static struct tally_case *
case_of(
    struct tally *t, const struct verify_record *r, const struct seen *s, struct bytes recipient)
{
	struct tally_case *c = at_pair(t, &t->cases, r->common.report, recipient);
	if (c == NULL)
		return NULL;
	if (c->report.len == 0) {
		c->decided = c->delivered = SLOT_ABSENT;
		*t->last = c;
		t->last = &c->next;
	}
	return keep(t, r->common.report, &c->report) && keep(t, recipient, &c->recipient) &&
		       keep(t, s->publication.party, &c->publisher)
		   ? c
		   : NULL;
}

/* Slot 2, where it is closed to the recipient itself, is that recipient's. */
static struct bytes
recipient_of(const struct tally *t, const struct verify_record *r, const struct seen *s)
{
	return RECORD_SLOT(r->record, 2)->open ? s->release.recipient : t->own;
}

static void
count_reasons(struct tally *t, struct bytes reasons, uint64_t times)
{
	struct slot_reason line;
	while (reasons.len != 0 && slot_reason_next(&reasons, &line, NULL)) {
		struct tally_reason *at = at_pair(t, &t->reasons, line.verdict, line.reason);
		if (at == NULL || !keep(t, line.verdict, &at->verdict) ||
		    !keep(t, line.reason, &at->reason))
			return;
		at->count += times;
	}
}

/* Called for a record of its type. */
typedef void count_record(
    struct tally *t, const struct verify_record *r, const struct seen *s, struct tally_day *day);

/* A decision for one recipient, or a withheld one for several that shares a record. */
static void
decide_each(struct tally *t, const struct verify_record *r, const struct seen *s)
{
	uint64_t recipients = 0;
	for (struct bytes left = s->release.recipient; left.len != 0 && !t->dry; recipients++) {
		const uint8_t *end = memchr(left.data, '\n', left.len);
		struct bytes name =
		    bytes_from(left.data, end == NULL ? left.len : (size_t)(end - left.data));
		struct tally_case *c = case_of(t, r, s, name);
		if (c == NULL)
			return;
		c->outcome = s->decision.outcome;
		c->decided = r->index;
		c->decided_us = r->common.time;
		c->delivered = SLOT_ABSENT; /* another set of portions needs another DELIVERY */
		c->acknowledged = false;
		c->end = TALLY_OPEN;
		left = end == NULL ? (struct bytes){ NULL, 0 }
				   : bytes_from(end + 1, left.len - name.len - 1);
	}
	count_reasons(t, s->decision.reasons, recipients);
}

static struct tally_day *
day_of(struct tally *t, const struct verify_record *r)
{
	uint64_t day = r->common.time / 1000000 / DAY_S;
	struct tally_day *at = map_at(&t->days, bytes_from(&day, sizeof(day)), NULL);
	if (at != NULL)
		at->day = day;
	t->dry = t->dry || at == NULL;
	return at;
}

static void
delivered(
    struct tally *t, const struct verify_record *r, const struct seen *s, struct tally_day *day)
{
	struct tally_case *c = case_of(t, r, s, recipient_of(t, r, s));
	struct tally_case **at =
	    map_at(&t->deliveries, bytes_from(&r->index, sizeof(r->index)), NULL);
	t->dry = t->dry || at == NULL;
	if (t->dry)
		return;
	*at = c;
	c->end = TALLY_OPEN;
	c->delivered = r->index;
	c->delivered_us = r->common.time;
	c->acknowledged = false;
	day->delivered++;
}

static void
acknowledged(
    struct tally *t, const struct verify_record *r, const struct seen *s, struct tally_day *day)
{
	(void)r;
	struct cursor c = cursor_over(event_body_get(&s->body, BODY_ACK_DELIVERIES));
	while (c.left >= 8) {
		uint64_t index = cursor_u64(&c);
		struct tally_case **at =
		    map_find(&t->deliveries, bytes_from(&index, sizeof(index)));
		if (at == NULL)
			continue;
		if ((*at)->delivered == index)
			(*at)->acknowledged = true;
		day->acknowledged++;
	}
}

static void
end_case(struct tally *t, const struct verify_record *r, const struct seen *s, enum tally_end end)
{
	struct tally_case *c = case_of(t, r, s, recipient_of(t, r, s));
	if (c != NULL)
		c->end = end;
}

static void
decided(struct tally *t, const struct verify_record *r, const struct seen *s, struct tally_day *day)
{
	(void)day;
	/* neither a recipient nor an approver sees what was decided */
	if (s->decision.outcome != 0)
		decide_each(t, r, s);
	else if (r->type == EVENT_NARROWED)
		end_case(t, r, s, TALLY_NARROWED);
}

static void
ended(struct tally *t, const struct verify_record *r, const struct seen *s, struct tally_day *day)
{
	(void)day;
	end_case(t, r, s, r->type == EVENT_EXPIRE ? TALLY_EXPIRED : TALLY_DEAD);
}

/* A notice that was passed on, or an answer to one, ends nothing by itself.  In the recipient's own
 * view the body is closed: what it was given was withdrawn. */
static bool
withdrew(const struct seen *s, enum body_field act)
{
	struct bytes v = event_body_get(&s->body, act);
	return v.len == 0 || bytes_is(event_body_word(act, v.data[0]), "withdrawn");
}

static void
recalled(
    struct tally *t, const struct verify_record *r, const struct seen *s, struct tally_day *day)
{
	(void)day;
	if (withdrew(s, BODY_RECALL_ACT))
		end_case(t, r, s, TALLY_RECALLED);
}

static void
superseded(
    struct tally *t, const struct verify_record *r, const struct seen *s, struct tally_day *day)
{
	(void)day;
	if (withdrew(s, BODY_SUPERSEDE_ACT))
		end_case(t, r, s, TALLY_SUPERSEDED);
}

static void
accepted(
    struct tally *t, const struct verify_record *r, const struct seen *s, struct tally_day *day)
{
	(void)t;
	(void)r;
	(void)s;
	day->accepted++;
}

static void
refused(struct tally *t, const struct verify_record *r, const struct seen *s, struct tally_day *day)
{
	(void)r;
	uint64_t count = event_body_number(&s->body, BODY_REFUSED_COUNT);
	struct bytes word = bytes_of("refused"), code = event_body_get(&s->body, BODY_REFUSED_CODE);
	struct tally_reason *at = at_pair(t, &t->reasons, word, code);
	if (at == NULL || !keep(t, word, &at->verdict) || !keep(t, code, &at->reason))
		return;
	at->count += count;
	day->refused += count;
}

static count_record *const counted[EVENT_END] = {
	[EVENT_INTAKE] = accepted,
	[EVENT_DECISION] = decided,
	[EVENT_NARROWED] = decided,
	[EVENT_APPROVAL] = decided,
	[EVENT_DELIVERY] = delivered,
	[EVENT_ACK] = acknowledged,
	[EVENT_EXPIRE] = ended,
	[EVENT_DEAD_LETTER] = ended,
	[EVENT_RECALL] = recalled,
	[EVENT_SUPERSEDE] = superseded,
	[EVENT_REFUSED] = refused,
};

void
tally_record(struct tally *t, const struct verify_record *r)
{
	struct seen s;
	count_record *count = counted[r->type];
	t->records++;
	t->by_type[r->type]++;
	struct tally_day *day = t->dry || count == NULL ? NULL : day_of(t, r);
	if (day == NULL)
		return;
	seen_look(r, &s);
	count(t, r, &s, day);
}

const char *
tally_gap(const struct tally_case *c)
{
	if (c->end != TALLY_OPEN || c->outcome == OUTCOME_WITHHOLD)
		return NULL;
	if (c->outcome == OUTCOME_HOLD)
		return "held";
	if (c->delivered == SLOT_ABSENT)
		return "undelivered";
	return c->acknowledged ? NULL : "unacknowledged";
}

const char *
tally_end_word(enum tally_end end)
{
	static const char *const words[TALLY_ENDS] = { "open", "expired", "recalled", "superseded",
		"dead-letter", "narrowed" };
	return words[end];
}

/* ---- for printing ---- */

struct list {
	void **items;
	size_t count;
};

static void
list_one(void *ctx, struct bytes key, void *value)
{
	struct list *l = ctx;
	(void)key;
	l->items[l->count++] = value;
}

static bool
list_of(
    struct tally *t, const struct map *m, int (*by)(const void *, const void *), struct list *out)
{
	*out = (struct list){ arena_zalloc(t->a, m->count + 1, sizeof(void *)), 0 };
	t->dry = t->dry || out->items == NULL;
	if (t->dry)
		return false;
	map_each(m, list_one, out);
	if (out->count > 1)
		qsort(out->items, out->count, sizeof(void *), by);
	return true;
}

static int
by_names(const void *x, const void *y)
{
	const struct tally_pair *a = *(struct tally_pair *const *)x;
	const struct tally_pair *b = *(struct tally_pair *const *)y;
	int c = bytes_compare(a->publisher, b->publisher);
	return c != 0 ? c : bytes_compare(a->recipient, b->recipient);
}

static int
by_day(const void *x, const void *y)
{
	const struct tally_day *a = *(struct tally_day *const *)x;
	const struct tally_day *b = *(struct tally_day *const *)y;
	return (a->day > b->day) - (a->day < b->day);
}

static int
by_words(const void *x, const void *y)
{
	const struct tally_reason *a = *(struct tally_reason *const *)x;
	const struct tally_reason *b = *(struct tally_reason *const *)y;
	int c = bytes_compare(a->verdict, b->verdict);
	return c != 0 ? c : bytes_compare(a->reason, b->reason);
}

static void
count_case(struct tally_pair *p, const struct tally_case *c)
{
	p->publisher = c->publisher;
	p->recipient = c->recipient;
	p->outcomes[c->outcome]++;
	p->delivered += c->delivered != SLOT_ABSENT;
	p->acknowledged += c->acknowledged;
	p->ended += c->end != TALLY_OPEN;
}

bool
tally_pairs(struct tally *t, struct tally_pair ***out, size_t *count)
{
	struct map pairs;
	struct list l;
	map_init(&pairs, t->a, sizeof(struct tally_pair));
	for (const struct tally_case *c = t->first; c != NULL; c = c->next) {
		struct tally_pair *p = at_pair(t, &pairs, c->publisher, c->recipient);
		if (p == NULL)
			return false;
		count_case(p, c);
	}
	if (!list_of(t, &pairs, by_names, &l))
		return false;
	*out = (struct tally_pair **)l.items;
	*count = l.count;
	return true;
}

bool
tally_days(struct tally *t, struct tally_day ***out, size_t *count)
{
	struct list l;
	if (!list_of(t, &t->days, by_day, &l))
		return false;
	*out = (struct tally_day **)l.items;
	*count = l.count;
	return true;
}

bool
tally_reasons(struct tally *t, struct tally_reason ***out, size_t *count)
{
	struct list l;
	if (!list_of(t, &t->reasons, by_words, &l))
		return false;
	*out = (struct tally_reason **)l.items;
	*count = l.count;
	return true;
}

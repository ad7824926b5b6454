#include "audit/slot.h"

#include <stdio.h>

#include "proto/arena.h"
#include "proto/syntax.h"

enum { FIELDS_MAX = 5 };

/* The fields of a slot on their way out. */
struct fields {
	size_t count;
	struct bytes field[FIELDS_MAX];
	uint8_t number[8]; /* a slot has at most one */
};

static struct bytes
digest(const uint8_t *d)
{
	return bytes_from(d, d == NULL ? 0 : 32);
}

/* A number that is later is written as 0 and patched. */
static struct bytes
number(struct fields *f, uint64_t v)
{
	put_u64(f->number, v == SLOT_LATER ? 0 : v);
	return bytes_from(f->number, v == SLOT_ABSENT ? 0 : 8);
}

/* The slot value; nothing at all if no field is given.  Its last byte is that of the last field. */
static bool
join(struct arena *a, const struct fields *f, struct bytes *out, struct err *e)
{
	size_t size = 0, given = 0;
	for (size_t i = 0; i < f->count; i++) {
		if (f->field[i].len > UINT32_MAX || size > UINT32_MAX)
			return err_set(e, ERR_LIMIT, "slot field of %zu bytes", f->field[i].len);
		size += 4 + f->field[i].len;
		given += f->field[i].len;
	}
	if (given == 0) {
		*out = (struct bytes){ NULL, 0 };
		return true;
	}
	uint8_t *value = arena_alloc(a, size), *to = value;
	if (value == NULL)
		return err_set(e, ERR_NOMEM, "slot of %zu bytes", size);
	for (size_t i = 0; i < f->count; i++) {
		struct bytes v = f->field[i];
		put_u32(to, (uint32_t)v.len);
		if (v.len != 0)
			memcpy(to + 4, v.data, v.len);
		to += 4 + v.len;
	}
	*out = bytes_from(value, size);
	return true;
}

/* Where the 8 bytes that end the value are, if they are to be patched. */
static uint8_t *
tail(struct bytes value, uint64_t v)
{
	return v == SLOT_LATER ? (uint8_t *)(uintptr_t)(value.data + value.len - 8) : NULL;
}

bool
slot_put_common(
    struct arena *a, const struct slot_common *v, struct bytes *out, uint8_t **time, struct err *e)
{
	uint8_t type = (uint8_t)v->type, when[8];
	put_u64(when, v->time);
	struct fields f = { .count = 3,
		.field = { bytes_from(&type, 1), bytes_from(when, 8), v->report } };
	if (!join(a, &f, out, e))
		return false;
	if (time != NULL)
		*time = (uint8_t *)(uintptr_t)(out->data + 4 + 1 + 4);
	return true;
}

bool
slot_put_release(struct arena *a, const struct slot_release *v, struct bytes *out, struct err *e)
{
	struct fields f = { .count = 4,
		.field = { v->recipient, v->agreements, v->marking, digest(v->released) } };
	return join(a, &f, out, e);
}

bool
slot_put_publication(struct arena *a, const struct slot_publication *v, struct bytes *out,
    uint8_t **later, struct err *e)
{
	struct fields f = { .count = 5,
		.field = { v->party, v->agent, digest(v->manifest), v->banner } };
	f.field[4] = number(&f, v->index);
	if (!join(a, &f, out, e))
		return false;
	if (later != NULL)
		*later = tail(*out, v->index);
	return true;
}

bool
slot_put_decision(struct arena *a, const struct slot_decision *v, struct bytes *out,
    uint8_t **later, struct err *e)
{
	uint8_t outcome = (uint8_t)v->outcome;
	struct fields f = { .count = 5,
		.field = { bytes_from(&outcome, outcome != 0), v->reasons, digest(v->policy),
		    digest(v->facts) } };
	f.field[4] = number(&f, v->link);
	if (!join(a, &f, out, e))
		return false;
	if (later != NULL)
		*later = tail(*out, v->link);
	return true;
}

bool
slot_put_hub(struct arena *a, const struct slot_hub *v, struct bytes *out, struct err *e)
{
	struct fields f = { .count = 4,
		.field = { v->node, { NULL, 0 }, digest(v->certificate), v->clock } };
	f.field[1] = number(&f, v->connection);
	return join(a, &f, out, e);
}

bool
slot_put_person(struct arena *a, const struct slot_person *v, struct bytes *out, struct err *e)
{
	struct fields f = { .count = 2, .field = { v->actor, v->justification } };
	return join(a, &f, out, e);
}

/* Takes a slot apart into its fields; the empty value gives them all absent. */
static bool
take(struct bytes in, unsigned slot, struct fields *f, struct err *e)
{
	struct cursor c = cursor_over(in);
	size_t given = 0;
	for (size_t i = 0; i < f->count && in.len != 0; i++) {
		f->field[i] = cursor_take(&c, cursor_u32(&c));
		given += f->field[i].len;
	}
	if (!cursor_finished(&c) || (in.len != 0 && given == 0))
		return err_set(
		    e, ERR_MALFORMED, "slot %u: %zu bytes do not fit its fields", slot, in.len);
	return true;
}

static bool
fault(unsigned slot, const char *field, struct err *e)
{
	return err_set(e, ERR_MALFORMED, "slot %u: field '%s' is not well-formed", slot, field);
}

static bool
is_number(struct bytes v, uint64_t *out)
{
	struct cursor c = cursor_over(v);
	*out = v.len == 0 ? SLOT_ABSENT : cursor_u64(&c);
	/* the two highest numbers mean something else here */
	return v.len == 0 || (cursor_finished(&c) && *out < SLOT_LATER);
}

static bool
is_digest(struct bytes v, const uint8_t **out)
{
	*out = v.len == 0 ? NULL : v.data;
	return v.len == 0 || v.len == 32;
}

bool
slot_get_common(struct bytes in, struct slot_common *out, struct err *e)
{
	struct fields f = { .count = 3 };
	if (!take(in, 1, &f, e))
		return false;
	if (f.field[0].len != 1 || event_slots((enum event_type)f.field[0].data[0]) == 0)
		return fault(1, "type", e);
	struct slot_common v = { .type = (enum event_type)f.field[0].data[0],
		.report = f.field[2] };
	if (f.field[1].len == 0 || !is_number(f.field[1], &v.time))
		return fault(1, "time", e);
	if (v.report.len != 0 && v.report.len != 16)
		return fault(1, "report", e);
	*out = v;
	return true;
}

bool
slot_get_release(struct bytes in, struct slot_release *out, struct err *e)
{
	struct fields f = { .count = 4 };
	if (!take(in, 2, &f, e))
		return false;
	struct slot_release v = { f.field[0], f.field[1], f.field[2], NULL };
	if (!syntax_is_utf8(v.recipient))
		return fault(2, "recipient", e);
	if (!syntax_is_utf8(v.agreements))
		return fault(2, "agreements", e);
	if (!syntax_is_utf8(v.marking))
		return fault(2, "marking", e);
	if (!is_digest(f.field[3], &v.released))
		return fault(2, "released", e);
	*out = v;
	return true;
}

bool
slot_get_publication(struct bytes in, struct slot_publication *out, struct err *e)
{
	struct fields f = { .count = 5 };
	if (!take(in, 3, &f, e))
		return false;
	struct slot_publication v = {
		.party = f.field[0], .agent = f.field[1], .banner = f.field[3]
	};
	if (!syntax_is_utf8(v.party))
		return fault(3, "party", e);
	if (!syntax_is_utf8(v.agent))
		return fault(3, "agent", e);
	if (!is_digest(f.field[2], &v.manifest))
		return fault(3, "manifest", e);
	if (!syntax_is_utf8(v.banner))
		return fault(3, "banner", e);
	if (!is_number(f.field[4], &v.index))
		return fault(3, "index", e);
	*out = v;
	return true;
}

/* Every line of the reasons, so that whoever prints them later need not doubt. */
static bool
reasons_valid(struct bytes text)
{
	while (text.len != 0) {
		struct slot_reason r;
		if (!slot_reason_next(&text, &r, NULL))
			return false;
	}
	return true;
}

bool
slot_get_decision(struct bytes in, struct slot_decision *out, struct err *e)
{
	struct fields f = { .count = 5 };
	if (!take(in, 4, &f, e))
		return false;
	struct slot_decision v = { .reasons = f.field[1] };
	if (f.field[0].len > 1 ||
	    (f.field[0].len == 1 &&
		(f.field[0].data[0] == 0 || f.field[0].data[0] > OUTCOME_WITHHOLD)))
		return fault(4, "outcome", e);
	if (f.field[0].len == 1)
		v.outcome = (enum outcome)f.field[0].data[0];
	if (!syntax_is_utf8(v.reasons) || !reasons_valid(v.reasons))
		return fault(4, "reasons", e);
	if (!is_digest(f.field[2], &v.policy))
		return fault(4, "policy", e);
	if (!is_digest(f.field[3], &v.facts))
		return fault(4, "facts", e);
	if (!is_number(f.field[4], &v.link))
		return fault(4, "link", e);
	*out = v;
	return true;
}

bool
slot_get_hub(struct bytes in, struct slot_hub *out, struct err *e)
{
	struct fields f = { .count = 4 };
	if (!take(in, 5, &f, e))
		return false;
	struct slot_hub v = { .node = f.field[0], .clock = f.field[3] };
	if (!syntax_is_utf8(v.node))
		return fault(5, "node", e);
	if (!is_number(f.field[1], &v.connection))
		return fault(5, "connection", e);
	if (!is_digest(f.field[2], &v.certificate))
		return fault(5, "certificate", e);
	if (!syntax_is_utf8(v.clock))
		return fault(5, "clock", e);
	*out = v;
	return true;
}

bool
slot_get_person(struct bytes in, struct slot_person *out, struct err *e)
{
	struct fields f = { .count = 2 };
	if (!take(in, 6, &f, e))
		return false;
	struct slot_person v = { f.field[0], f.field[1] };
	if (!syntax_is_utf8(v.actor))
		return fault(6, "actor", e);
	if (!syntax_is_utf8(v.justification))
		return fault(6, "justification", e);
	*out = v;
	return true;
}

bool
slot_get_place(struct bytes in, uint64_t *index, struct err *e)
{
	struct fields f = { .count = 1 };
	uint64_t v;
	if (!take(in, 8, &f, e))
		return false;
	if (!is_number(f.field[0], &v))
		return fault(8, "index", e);
	*index = v;
	return true;
}

static bool
is_word(struct bytes w)
{
	uint8_t all = 0;
	for (size_t i = 0; i < w.len; i++) {
		if (w.data[i] <= ' ' || w.data[i] == 0x7f)
			return false;
		all |= w.data[i];
	}
	return w.len != 0 && (all < 0x80 || syntax_is_utf8(w));
}

static bool
is_verdict(struct bytes w)
{
	return bytes_is(w, "release") || bytes_is(w, "hold") || bytes_is(w, "withhold");
}

static struct bytes
or_dash(struct bytes w)
{
	return w.len == 0 ? bytes_of("-") : w;
}

/* Appends the words of a line to 'to' with single spaces; returns the end. */
static uint8_t *
put_line(uint8_t *to, const struct bytes *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		memcpy(to, words[i].data, words[i].len);
		to += words[i].len;
		*to++ = i + 1 < count ? ' ' : '\n';
	}
	return to;
}

bool
slot_reasons(struct arena *a, const struct slot_reason *reasons, size_t count, struct bytes *out,
    struct err *e)
{
	size_t size = 0;
	for (size_t i = 0; i < count; i++) {
		const struct slot_reason *r = &reasons[i];
		if (!is_verdict(r->verdict) || !is_word(r->reason) ||
		    !is_word(or_dash(r->agreement)) || !is_word(or_dash(r->rule)))
			return err_set(e, ERR_DATA, "reason of portion %u is no word", r->portion);
		size += 10 + r->verdict.len + r->reason.len + or_dash(r->agreement).len +
			or_dash(r->rule).len + 5;
	}
	uint8_t *text = arena_alloc(a, size), *to = text;
	if (text == NULL)
		return err_set(e, ERR_NOMEM, "reasons");
	for (size_t i = 0; i < count; i++) {
		const struct slot_reason *r = &reasons[i];
		char portion[12];
		(void)snprintf(portion, sizeof(portion), "%u", r->portion);
		struct bytes words[] = { bytes_of(portion), r->verdict, r->reason,
			or_dash(r->agreement), or_dash(r->rule) };
		to = put_line(to, words, 5);
	}
	*out = bytes_from(text, (size_t)(to - text));
	return true;
}

/* A decimal number without leading zeros, below 2^32. */
static bool
parse_portion(struct bytes w, uint32_t *out)
{
	uint64_t v = 0;
	if (w.len == 0 || w.len > 10 || (w.len > 1 && w.data[0] == '0'))
		return false;
	for (size_t i = 0; i < w.len; i++) {
		if (w.data[i] < '0' || w.data[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(w.data[i] - '0');
	}
	*out = (uint32_t)v;
	return v <= UINT32_MAX;
}

bool
slot_reason_next(struct bytes *text, struct slot_reason *out, struct err *e)
{
	const uint8_t *end = text->len == 0 ? NULL : memchr(text->data, '\n', text->len);
	if (end == NULL)
		return err_set(e, ERR_MALFORMED, "reasons: a line without end");
	struct bytes words[5] = { { NULL, 0 } };
	const uint8_t *at = text->data;
	for (size_t i = 0; i < 5; i++) {
		const uint8_t *stop = i == 4 ? end : memchr(at, ' ', (size_t)(end - at));
		if (stop == NULL)
			return err_set(e, ERR_MALFORMED, "reasons: a line of too few words");
		words[i] = bytes_from(at, (size_t)(stop - at));
		if (!is_word(words[i]))
			return err_set(e, ERR_MALFORMED, "reasons: no word at %zu", i);
		at = i == 4 ? at : stop + 1;
	}
	struct slot_reason r = {
		.verdict = words[1], .reason = words[2], .agreement = words[3], .rule = words[4]
	};
	if (!parse_portion(words[0], &r.portion) || !is_verdict(r.verdict))
		return err_set(e, ERR_MALFORMED, "reasons: no portion or verdict");
	if (bytes_is(r.agreement, "-"))
		r.agreement = (struct bytes){ NULL, 0 };
	if (bytes_is(r.rule, "-"))
		r.rule = (struct bytes){ NULL, 0 };
	text->len -= (size_t)(end + 1 - text->data);
	text->data = end + 1;
	*out = r;
	return true;
}

const char *
slot_outcome_word(enum outcome o)
{
	switch (o) {
	case OUTCOME_RELEASE:
		return "release";
	case OUTCOME_REDACT:
		return "redact";
	case OUTCOME_HOLD:
		return "hold";
	case OUTCOME_WITHHOLD:
		return "withhold";
	}
	return "-";
}

#include "daemon/waits.h"

#include "proto/arena.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { TAG = 0x14, FIXED = WAIT_NAME_BYTES + 2 + 1 + 1 + 8 };

/* Each with its length, so that no two lists of fields are the same bytes. */
static void
add(struct sha256 *h, struct bytes b)
{
	uint8_t len[4];
	put_u32(len, (uint32_t)b.len);
	sha256_add(h, bytes_from(len, sizeof(len)));
	sha256_add(h, b);
}

bool
wait_name(struct sha256 *h, const struct wait_of *v, uint8_t out[WAIT_NAME_BYTES], struct err *e)
{
	const uint8_t begin[2] = { TAG, (uint8_t)v->what->kind };
	uint8_t whole[32];
	sha256_begin(h);
	sha256_add(h, bytes_from(begin, sizeof(begin)));
	sha256_add(h, bytes_from(v->secret, 32));
	add(h, v->recipient);
	add(h, v->what->kind == OBLIGATION_CONSENT ? bytes_of("") : v->what->agreement);
	add(h, v->what->subject);
	add(h, v->what->approver);
	if (!sha256_end(h, whole, e))
		return false;
	memcpy(out, whole, WAIT_NAME_BYTES);
	return true;
}

static int
by_name(const void *x, const void *y)
{
	const struct wait *a = x, *b = y;
	int c = memcmp(a->name, b->name, sizeof(a->name));
	return c != 0 ? c : (a->portion > b->portion) - (a->portion < b->portion);
}

static uint8_t *
put_text(uint8_t *to, struct bytes b)
{
	put_u16(to, (uint16_t)b.len);
	if (b.len > 0)
		memcpy(to + 2, b.data, b.len);
	return to + 2 + b.len;
}

/* name | u16 portion | u8 kind | u8 indirect | u64 deadline | three texts, each after its u16
 * length */
bool
waits_write(struct arena *a, struct wait *items, size_t count, struct bytes *out, struct err *e)
{
	size_t len = 0;
	if (count > 1)
		qsort(items, count, sizeof(*items), by_name);
	for (size_t i = 0; i < count; i++) {
		const struct obligation *o = &items[i].what;
		if (o->agreement.len > UINT16_MAX || o->subject.len > UINT16_MAX ||
		    o->approver.len > UINT16_MAX || items[i].portion > UINT16_MAX)
			return err_set(e, ERR_INTERNAL, "an obligation that is too long");
		len += FIXED + 6 + o->agreement.len + o->subject.len + o->approver.len;
	}
	uint8_t *to = arena_alloc(a, len + 1);
	if (to == NULL)
		return err_set(e, ERR_NOMEM, "what a hold waits for");
	*out = bytes_from(to, len + 1);
	*to++ = 1; /* so that a hold that waits for nobody has its part, too */
	for (size_t i = 0; i < count; i++) {
		const struct wait *w = &items[i];
		memcpy(to, w->name, WAIT_NAME_BYTES);
		put_u16(to + 16, (uint16_t)w->portion);
		to[18] = (uint8_t)w->what.kind;
		to[19] = w->indirect;
		put_u64(to + 20, w->deadline_us);
		to = put_text(to + FIXED, w->what.agreement);
		to = put_text(to, w->what.subject);
		to = put_text(to, w->what.approver);
	}
	return true;
}

static bool
corrupt(struct err *e)
{
	return err_set(e, ERR_CORRUPT, "what a hold waits for");
}

bool
waits_begin(struct bytes in, struct cursor *out, struct err *e)
{
	*out = cursor_over(in);
	return (cursor_u8(out) == 1 && !out->failed) || corrupt(e);
}

bool
waits_next(struct cursor *c, struct wait *out, struct err *e)
{
	struct wait w = { .portion = 0 };
	cursor_copy(c, w.name, sizeof(w.name));
	w.portion = cursor_u16(c);
	w.what.kind = (enum obligation_kind)cursor_u8(c);
	w.indirect = cursor_u8(c) != 0;
	w.deadline_us = cursor_u64(c);
	w.what.agreement = cursor_take(c, cursor_u16(c));
	w.what.subject = cursor_take(c, cursor_u16(c));
	w.what.approver = cursor_take(c, cursor_u16(c));
	*out = w;
	return (!c->failed && w.what.kind >= OBLIGATION_REVIEW &&
		   w.what.kind <= OBLIGATION_SIGNER) ||
	       corrupt(e);
}

bool
waits_read(struct bytes in, struct arena *a, struct waits *out, struct err *e)
{
	struct cursor c;
	struct wait *items = arena_zalloc(a, in.len / (FIXED + 6) + 1, sizeof(*items));
	size_t n = 0;
	if (items == NULL)
		return err_set(e, ERR_NOMEM, "what a hold waits for");
	if (!waits_begin(in, &c, e))
		return false;
	while (c.left > 0)
		if (!waits_next(&c, &items[n++], e))
			return false;
	*out = (struct waits){ items, n };
	return true;
}

/* ---- notes: "hold.APPROVER/NAME", both in hex ---- */

void
hold_note_root(uint32_t approver, char out[HOLD_NOTE_ROOM])
{
	(void)snprintf(out, HOLD_NOTE_ROOM, "hold.%" PRIx32 "/", approver);
}

void
hold_note_name(uint32_t approver, const uint8_t name[WAIT_NAME_BYTES], char out[HOLD_NOTE_ROOM])
{
	hold_note_root(approver, out);
	char *to = out + strlen(out);
	for (size_t i = 0; i < WAIT_NAME_BYTES; i++)
		(void)snprintf(to + 2 * i, 3, "%02x", name[i]);
}

static bool
nibble(uint8_t c, uint8_t *out)
{
	if (c >= '0' && c <= '9')
		*out = (uint8_t)(c - '0');
	else if (c >= 'a' && c <= 'f')
		*out = (uint8_t)(c - 'a' + 10);
	else
		return false;
	return true;
}

bool
hold_note_split(struct bytes note, uint8_t name[WAIT_NAME_BYTES])
{
	if (note.len < 2 * WAIT_NAME_BYTES)
		return false;
	const uint8_t *hex = note.data + note.len - 2 * WAIT_NAME_BYTES;
	for (size_t i = 0; i < WAIT_NAME_BYTES; i++) {
		uint8_t high, low;
		if (!nibble(hex[2 * i], &high) || !nibble(hex[2 * i + 1], &low))
			return false;
		name[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

void
hold_note_write(const struct store_held *h, uint8_t out[HOLD_NOTE_BYTES])
{
	put_u64(out, h->deadline_us);
	put_u64(out + 8, h->decision);
	put_u64(out + 16, h->intake);
	put_u32(out + 24, h->party);
	put_u32(out + 28, h->report.originator);
	memcpy(out + 32, h->report.id, STORE_ID_BYTES);
}

bool
hold_note_read(struct bytes value, struct store_held *out, struct err *e)
{
	struct cursor c = cursor_over(value);
	struct store_held h = { .deadline_us = cursor_u64(&c) };
	h.decision = cursor_u64(&c);
	h.intake = cursor_u64(&c);
	h.party = cursor_u32(&c);
	h.report.originator = cursor_u32(&c);
	cursor_copy(&c, h.report.id, STORE_ID_BYTES);
	if (!cursor_finished(&c))
		return err_set(e, ERR_CORRUPT, "a note of a hold");
	*out = h;
	return true;
}

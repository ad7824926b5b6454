#include "daemon/feedback.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

enum { PARTY_HEX = 8 };

void
feedback_name(const struct store_report_key *report, uint32_t party, char out[FEEDBACK_NAME])
{
	int n = snprintf(out, FEEDBACK_NAME, "feedback.%08" PRIx32, report->originator);
	for (size_t i = 0; i < STORE_ID_BYTES; i++)
		n += snprintf(out + n, FEEDBACK_NAME - (size_t)n, "%02x", report->id[i]);
	(void)snprintf(out + n, FEEDBACK_NAME - (size_t)n, party == 0 ? "/" : "/%08" PRIx32, party);
}

bool
feedback_party(struct bytes name, uint32_t *out, struct err *e)
{
	uint32_t party = 0;
	bool good = name.len > PARTY_HEX && name.data[name.len - PARTY_HEX - 1] == '/';
	for (size_t i = good ? name.len - PARTY_HEX : name.len; i < name.len; i++) {
		uint8_t c = name.data[i];
		bool digit = c >= '0' && c <= '9', letter = c >= 'a' && c <= 'f';
		good = good && (digit || letter);
		party = party << 4 | (uint32_t)(digit ? c - '0' : c - 'a' + 10);
	}
	if (!good || party == 0)
		return err_set(e, ERR_CORRUPT, "a note of feedback without its party");
	*out = party;
	return true;
}

bool
feedback_read(struct bytes in, struct feedback *out, struct err *e)
{
	struct cursor c = cursor_over(in);
	struct feedback f = { .count = cursor_u64(&c) };
	while (c.left > 0 && f.kept < LIMIT_FEEDBACK_KEPT) {
		struct feedback_said *s = &f.said[f.kept++];
		s->record = cursor_u64(&c);
		s->time_us = cursor_u64(&c);
		s->sighted_us = cursor_u64(&c);
		s->code = cursor_take(&c, cursor_u8(&c));
	}
	if (!cursor_finished(&c) || f.kept == 0 || f.count < f.kept)
		return err_set(e, ERR_CORRUPT, "a note of feedback");
	*out = f;
	return true;
}

struct bytes
feedback_write(const struct feedback *f, uint8_t to[FEEDBACK_BYTES])
{
	size_t n = 8;
	put_u64(to, f->count);
	for (size_t i = 0; i < f->kept; i++) {
		const struct feedback_said *s = &f->said[i];
		assert(s->code.len <= FEEDBACK_CODE);
		put_u64(to + n, s->record);
		put_u64(to + n + 8, s->time_us);
		put_u64(to + n + 16, s->sighted_us);
		to[n + 24] = (uint8_t)s->code.len;
		memcpy(to + n + 25, s->code.data, s->code.len);
		n += 25 + s->code.len;
	}
	return bytes_from(to, n);
}

void
feedback_add(struct feedback *f, const struct feedback_said *said)
{
	if (f->kept == LIMIT_FEEDBACK_KEPT)
		memmove(&f->said[0], &f->said[1], --f->kept * sizeof(f->said[0]));
	f->said[f->kept++] = *said;
	f->count++;
}

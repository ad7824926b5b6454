#include "audit/verify_run.h"

#include <stdio.h>

enum { TOLD_MAX = 64 };

/* Which finding is graver: what makes the others doubtful comes first. */
static const uint8_t gravity[VERIFY_CODES] = {
	[VERIFY_SIGNATURE] = 8,
	[VERIFY_MALFORMED] = 7,
	[VERIFY_INCLUSION] = 6,
	[VERIFY_CONSISTENCY] = 5,
	[VERIFY_CONTENT] = 4,
	[VERIFY_GAP] = 3,
	[VERIFY_TIME] = 2,
	[VERIFY_STALE] = 1,
};

void
verify_run_find(struct verify *v, enum verify_code code, uint64_t index, const char *fmt, ...)
{
	char text[1024];
	size_t told = 0;
	for (size_t i = 0; i < VERIFY_CODES; i++)
		told += v->out->findings[i];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	v->out->findings[code]++;
	if (gravity[code] > gravity[v->out->code])
		v->out->code = code;
	struct verify_finding f = { code, index, text };
	if (told < TOLD_MAX && v->ask->on_finding != NULL)
		v->ask->on_finding(v->ask->ctx, &f);
}

bool
verify_run_read(
    struct verify *v, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	struct bytes data = { NULL, 0 };
	if (!v->ask->read(v->ask->ctx, path, a, &data, e))
		return err_wrap(e, "%s", path);
	*out = data;
	return true;
}

bool
verify_run_key(struct verify *v, const struct bytes *parts, size_t count, struct verify_key *out,
    struct err *e)
{
	sha256_begin(v->h);
	for (size_t i = 0; i < count; i++) {
		uint8_t len[4];
		put_u32(len, (uint32_t)parts[i].len);
		sha256_add(v->h, bytes_from(len, sizeof(len)));
		sha256_add(v->h, parts[i]);
	}
	return sha256_end(v->h, out->bytes, e);
}

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

void
verify_run_lack(struct verify *v, const char *path, uint64_t index)
{
	struct verify_result *out = v->out;
	out->missing++;
	if (out->lack_count < VERIFY_LACKS) {
		struct verify_lack *l = &out->lacks[out->lack_count++];
		(void)snprintf(l->path, sizeof(l->path), "%s", path);
		l->index = index;
	}
	if (v->ask->strict)
		verify_run_find(v, VERIFY_GAP, index, "%s is not in the bundle", path);
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

bool
verify_run_report(
    struct verify *v, const struct verify_slots *s, struct verify_report **out, struct err *e)
{
	struct verify_key key;
	const struct bytes parts[] = { s->publication.party, s->r.common.report };
	if (!verify_run_key(v, parts, 2, &key, e))
		return false;
	*out = map_find(&v->reports, bytes_from(&key, sizeof(key)));
	return true;
}

bool
verify_run_current(
    struct verify *v, const struct bytes parts[3], struct verify_current **out, struct err *e)
{
	struct verify_key key;
	if (!verify_run_key(v, parts, 3, &key, e))
		return false;
	*out = map_at(&v->current, bytes_from(&key, sizeof(key)), NULL);
	return *out != NULL || err_set(e, ERR_NOMEM, "decisions");
}

bool
verify_run_content(
    struct verify *v, uint64_t index, const struct verify_want *w, struct bytes *out, struct err *e)
{
	char path[BUNDLE_PATH_MAX];
	uint8_t mine[32], key[33] = { (uint8_t)w->dir };
	struct bytes data = { NULL, 0 };
	memcpy(key + 1, w->digest, 32);
	bool first = map_find(&v->contents, bytes_from(key, sizeof(key))) == NULL;
	if (map_at(&v->contents, bytes_from(key, sizeof(key)), NULL) == NULL)
		return err_set(e, ERR_NOMEM, "contents");
	bundle_content_path(w->dir, w->digest, path);
	*out = (struct bytes){ NULL, 0 };
	if (!verify_run_read(v, path, w->a, &data, e) || !sha256_of(v->h, data, mine, e))
		return false;
	if (first && data.data == NULL)
		verify_run_lack(v, path, index);
	v->out->contents += first && data.data != NULL;
	if (data.data == NULL)
		return true;
	if (memcmp(mine, w->digest, 32) == 0)
		*out = data;
	else if (first)
		verify_run_find(v, VERIFY_CONTENT, index, "%s is not what its name says", path);
	return true;
}

bool
verify_run_content_once(
    struct verify *v, uint64_t index, enum bundle_dir dir, const uint8_t digest[32], struct err *e)
{
	uint8_t key[33] = { (uint8_t)dir };
	struct bytes data = { NULL, 0 };
	struct arena a;
	memcpy(key + 1, digest, 32);
	if (map_find(&v->contents, bytes_from(key, sizeof(key))) != NULL)
		return true;
	arena_init(&a, VERIFY_FILE_MAX);
	bool ok = verify_run_content(v, index, &(struct verify_want){ dir, digest, &a }, &data, e);
	arena_done(&a);
	return ok;
}

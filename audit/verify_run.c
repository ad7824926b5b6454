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
verify_run_text(struct verify *v, struct bytes text, uint32_t *out, struct err *e)
{
	uint32_t *number = text.len == 0 ? NULL : map_at(&v->texts, text, NULL);
	*out = 0;
	if (text.len == 0)
		return true;
	if (number == NULL || v->texts.count == UINT32_MAX)
		return err_set(e, ERR_NOMEM, "names");
	if (*number == 0)
		*number = (uint32_t)v->texts.count;
	*out = *number;
	return true;
}

/* Publisher and id, and perhaps a recipient. */
enum { ID_BYTES = 16, REPORT_KEY = 4 + ID_BYTES + 1, CURRENT_KEY = REPORT_KEY + 4 };

static bool
report_key(struct verify *v, struct bytes publisher, struct bytes id, uint8_t out[REPORT_KEY],
    struct err *e)
{
	uint32_t number;
	if (!verify_run_text(v, publisher, &number, e))
		return false;
	memset(out, 0, REPORT_KEY);
	put_u32(out, number);
	out[4] = id.len == ID_BYTES; /* slot 1 has one, or none */
	if (id.len == ID_BYTES)
		memcpy(out + 5, id.data, ID_BYTES);
	return true;
}

bool
verify_run_report(
    struct verify *v, const struct verify_slots *s, struct verify_report **out, struct err *e)
{
	uint8_t key[REPORT_KEY];
	if (!report_key(v, s->publication.party, s->r.common.report, key, e))
		return false;
	*out = map_find(&v->reports, bytes_from(key, sizeof(key)));
	return true;
}

bool
verify_run_report_at(struct verify *v, const struct verify_slots *s, bool *known,
    struct verify_report **out, struct err *e)
{
	uint8_t key[REPORT_KEY];
	size_t before = v->reports.count;
	if (!report_key(v, s->publication.party, s->r.common.report, key, e))
		return false;
	*out = map_at(&v->reports, bytes_from(key, sizeof(key)), NULL);
	*known = v->reports.count == before;
	return *out != NULL || err_set(e, ERR_NOMEM, "reports");
}

bool
verify_run_current(
    struct verify *v, const struct bytes parts[3], struct verify_current **out, struct err *e)
{
	uint8_t key[CURRENT_KEY];
	uint32_t recipient;
	if (!report_key(v, parts[0], parts[1], key, e) ||
	    !verify_run_text(v, parts[2], &recipient, e))
		return false;
	put_u32(key + REPORT_KEY, recipient);
	*out = map_at(&v->current, bytes_from(key, sizeof(key)), NULL);
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
	size_t before = v->contents.count;
	if (map_at(&v->contents, bytes_from(key, sizeof(key)), NULL) == NULL)
		return err_set(e, ERR_NOMEM, "contents");
	bool first = v->contents.count != before;
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

bool
verify_run_next_name(struct bytes *names, struct bytes *name)
{
	if (names->len == 0)
		return false;
	const uint8_t *end = memchr(names->data, '\n', names->len);
	size_t n = end == NULL ? names->len : (size_t)(end - names->data);
	*name = bytes_from(names->data, n);
	names->data += n + (end != NULL);
	names->len -= n + (end != NULL);
	return true;
}

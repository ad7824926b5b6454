#include "audit/bundle.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit/map.h"
#include "audit/view.h"
#include "proto/arena.h"
#include "proto/syntax.h"

enum {
	SEEN_MAX = 64 << 20,
	BUFFER = 65536,
	HEADS_MAX = 256,
	LINE_MAX_BYTES = 21 + (HEADS_MAX + 3) * 65
};

struct buffer { /* the next bytes of a file, not yet emitted */
	char path[BUNDLE_PATH_MAX];
	size_t len;
	uint8_t data[BUFFER];
};

struct bundle_writer {
	struct bundle_about about;
	struct bundle_sink sink;
	struct log log; /* its tiles become tile/ */
	struct buffer records, reports;
	struct arena seen_arena;
	struct map seen;		  /* digests of the contents that many records share */
	uint8_t last[BUNDLE_DIR_END][32]; /* of the others, the last one */
	uint8_t entries[TILE_WIDTH * TILE_ENTRY];
};

static const char *const dirs[BUNDLE_DIR_END] = {
	[BUNDLE_FACTS] = "facts",
	[BUNDLE_MANIFEST] = "manifest",
	[BUNDLE_ROUTING] = "routing",
	[BUNDLE_NOTICE] = "notice",
	[BUNDLE_SEAL] = "seal",
	[BUNDLE_CHAIN] = "chain",
	[BUNDLE_ANCHOR] = "anchor",
	[BUNDLE_HEAD] = "head",
	[BUNDLE_POLICY] = "policy",
	[BUNDLE_SPIF] = "spif",
};

void
bundle_hex(const uint8_t digest[32], char out[BUNDLE_HEX_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < 32; i++) {
		out[2 * i] = digits[digest[i] >> 4];
		out[2 * i + 1] = digits[digest[i] & 15];
	}
	out[BUNDLE_HEX_LEN] = '\0';
}

const char *
bundle_dir(enum bundle_dir d)
{
	assert(d > 0 && d < BUNDLE_DIR_END);
	return dirs[d];
}

void
bundle_content_path(enum bundle_dir d, const uint8_t digest[32], char out[BUNDLE_PATH_MAX])
{
	const char *dir = bundle_dir(d);
	size_t n = strlen(dir);
	memcpy(out, dir, n + 1);
	out[n] = '/';
	bundle_hex(digest, out + n + 1);
}

void
bundle_record_path(uint64_t file, char out[BUNDLE_PATH_MAX])
{
	(void)snprintf(out, BUNDLE_PATH_MAX, "record/%06" PRIu64, file);
}

void
bundle_report_path(uint64_t file, char out[BUNDLE_PATH_MAX])
{
	(void)snprintf(out, BUNDLE_PATH_MAX, "report/%06" PRIu64, file);
}

static bool
emit(struct bundle_writer *w, const char *path, struct bytes data, struct err *e)
{
	return w->sink.emit(w->sink.ctx, path, data, e) || err_wrap(e, "%s", path);
}

static bool
emit_tile(void *ctx, struct tile_id id, const uint8_t data[TILE_BYTES], struct err *e)
{
	char path[TILE_PATH_MAX];
	tile_path(id.level, id.n, TILE_WIDTH, path);
	return emit(ctx, path, bytes_from(data, TILE_BYTES), e);
}

bool
bundle_writer_new(struct sha256 *h, const struct bundle_about *about, struct bundle_sink sink,
    struct bundle_writer **out, struct err *e)
{
	struct bundle_writer *w = calloc(1, sizeof(*w));
	if (w == NULL)
		return err_set(e, ERR_NOMEM, "bundle");
	w->about = *about;
	w->sink = sink;
	arena_init(&w->seen_arena, SEEN_MAX);
	map_init(&w->seen, &w->seen_arena, 1);
	log_init(&w->log, h, (struct log_sink){ emit_tile, w });
	*out = w;
	return true;
}

void
bundle_writer_free(struct bundle_writer *w)
{
	if (w != NULL)
		arena_done(&w->seen_arena);
	free(w);
}

static bool
flush(struct bundle_writer *w, struct buffer *b, struct err *e)
{
	size_t len = b->len;
	b->len = 0;
	return len == 0 || emit(w, b->path, bytes_from(b->data, len), e);
}

/* Room for 'n' bytes of the file 'path' behind what is there. */
static bool
room(struct bundle_writer *w, struct buffer *b, const char *path, size_t n, struct err *e)
{
	assert(n <= sizeof(b->data));
	if ((strcmp(b->path, path) != 0 || n > sizeof(b->data) - b->len) && !flush(w, b, e))
		return false;
	(void)snprintf(b->path, sizeof(b->path), "%s", path);
	return true;
}

/* An opening that no buffer holds. */
static bool
emit_large(struct bundle_writer *w, const char *path, const struct record *r, unsigned slots,
    struct err *e)
{
	size_t size = record_opening_size(r, slots);
	uint8_t *data = malloc(4 + size);
	if (data == NULL)
		return err_set(e, ERR_NOMEM, "opening of %zu bytes", size);
	put_u32(data, (uint32_t)size);
	record_opening_write(r, slots, data + 4);
	bool ok = flush(w, &w->records, e) && emit(w, path, bytes_from(data, 4 + size), e);
	free(data);
	return ok;
}

static bool
add_opening(struct bundle_writer *w, const struct record *r, unsigned slots, struct err *e)
{
	char path[BUNDLE_PATH_MAX];
	struct buffer *b = &w->records;
	size_t size = slots == 0 ? 0 : record_opening_size(r, slots);
	bundle_record_path(w->log.tree.leaf_count / BUNDLE_RECORDS, path);
	if (size > sizeof(b->data) - 4)
		return emit_large(w, path, r, slots, e);
	if (!room(w, b, path, 4 + size, e))
		return false;
	put_u32(b->data + b->len, (uint32_t)size);
	if (size != 0)
		record_opening_write(r, slots, b->data + b->len + 4);
	b->len += 4 + size;
	return true;
}

static bool
add_entry(struct bundle_writer *w, const uint8_t data[RECORD_LEAF_DATA], struct err *e)
{
	uint64_t index = w->log.tree.leaf_count;
	uint8_t *at = w->entries + index % TILE_WIDTH * TILE_ENTRY;
	put_u16(at, RECORD_LEAF_DATA);
	memcpy(at + 2, data, RECORD_LEAF_DATA);
	if (index % TILE_WIDTH != TILE_WIDTH - 1)
		return true;
	char path[TILE_PATH_MAX];
	tile_path(TILE_ENTRIES, index / TILE_WIDTH, TILE_WIDTH, path);
	return emit(w, path, bytes_from(w->entries, sizeof(w->entries)), e);
}

bool
bundle_add(struct bundle_writer *w, struct bytes entry, unsigned *opened, struct err *e)
{
	struct record r;
	uint8_t stored[32], leaf[32], data[RECORD_LEAF_DATA];
	uint64_t index = w->log.tree.leaf_count;
	if (!record_entry_parse(entry, &r, stored, e) || !record_leaf_data(w->log.h, &r, data, e) ||
	    !merkle_leaf(w->log.h, bytes_from(data, sizeof(data)), leaf, e))
		return err_wrap(e, "record %" PRIu64, index);
	if (memcmp(leaf, stored, 32) != 0)
		return err_set(
		    e, ERR_CORRUPT, "record %" PRIu64 " does not give its leaf hash", index);
	struct viewer who = { w->about.party, w->about.party.len == 0 };
	unsigned slots = index < w->about.first ? 0 : view_slots(&r, &who);
	if (!add_opening(w, &r, slots, e) || !add_entry(w, data, e) || !log_grow(&w->log, leaf, e))
		return false;
	if (opened != NULL)
		*opened = slots;
	return true;
}

/* Whether this content was emitted before; it counts as emitted from now on. */
static bool
seen_before(
    struct bundle_writer *w, enum bundle_dir d, const uint8_t digest[32], bool *seen, struct err *e)
{
	uint8_t key[33] = { (uint8_t)d };
	memcpy(key + 1, digest, 32);
	*seen = memcmp(w->last[d], digest, 32) == 0;
	memcpy(w->last[d], digest, 32);
	if (*seen ||
	    (d != BUNDLE_CHAIN && d != BUNDLE_ANCHOR && d != BUNDLE_POLICY && d != BUNDLE_SPIF))
		return true;
	*seen = map_find(&w->seen, bytes_from(key, sizeof(key))) != NULL;
	return map_at(&w->seen, bytes_from(key, sizeof(key)), NULL) != NULL ||
	       err_set(e, ERR_NOMEM, "contents of the bundle");
}

bool
bundle_add_content(struct bundle_writer *w, enum bundle_dir d, struct bytes data, struct err *e)
{
	uint8_t digest[32];
	char path[BUNDLE_PATH_MAX];
	assert(w->about.party.len == 0);
	bool seen;
	if (!sha256_of(w->log.h, data, digest, e) || !seen_before(w, d, digest, &seen, e))
		return false;
	if (seen)
		return true;
	bundle_content_path(d, digest, path);
	return emit(w, path, data, e);
}

bool
bundle_add_report(struct bundle_writer *w, const struct bundle_report *v, struct err *e)
{
	char path[BUNDLE_PATH_MAX], name[BUNDLE_HEX_LEN + 1];
	struct buffer *b = &w->reports;
	assert(w->about.party.len == 0 && v->index + 1 == w->log.tree.leaf_count);
	if (v->head_count > HEADS_MAX)
		return err_set(e, ERR_LIMIT, "report of %zu portions", v->head_count);
	bundle_report_path(v->index / BUNDLE_RECORDS, path);
	if (!room(w, b, path, LINE_MAX_BYTES, e))
		return false;
	char *at = (char *)b->data + b->len;
	at += snprintf(at, 21, "%" PRIu64, v->index);
	const uint8_t *digests[] = { v->manifest, v->routing, v->has_notice ? v->notice : NULL };
	for (size_t i = 0; i < 3 + v->head_count; i++) {
		const uint8_t *d = i < 3 ? digests[i] : v->heads[i - 3];
		if (d != NULL)
			bundle_hex(d, name);
		at += snprintf(at, BUNDLE_HEX_LEN + 2, " %s", d == NULL ? "-" : name);
	}
	*at++ = '\n';
	b->len = (size_t)((uint8_t *)at - b->data);
	return true;
}

/* The unfinished tile of every level. */
static bool
finish_tiles(struct bundle_writer *w, struct err *e)
{
	uint64_t size = w->log.tree.leaf_count;
	char path[TILE_PATH_MAX];
	for (unsigned level = 0; level < TILE_LEVELS; level++) {
		uint64_t count = size >> (level * 8);
		unsigned width = count % TILE_WIDTH;
		if (width == 0)
			continue;
		tile_path(level, count / TILE_WIDTH, width, path);
		if (!emit(w, path, bytes_from(w->log.edge[level], (size_t)width * 32), e))
			return false;
	}
	unsigned width = size % TILE_WIDTH;
	if (width == 0)
		return true;
	tile_path(TILE_ENTRIES, size / TILE_WIDTH, width, path);
	return emit(w, path, bytes_from(w->entries, (size_t)width * TILE_ENTRY), e);
}

static bool
finish_about(struct bundle_writer *w, struct bytes note, const struct note_key *key, struct err *e)
{
	char vkey[NOTE_VKEY_MAX + 1];
	struct bytes about = { NULL, 0 };
	struct arena a;
	note_key_print(key, vkey);
	size_t n = strlen(vkey);
	vkey[n] = '\n';
	arena_init(&a, 16384);
	bool ok = bundle_about_write(&a, &w->about, &about, e) && emit(w, "bundle", about, e) &&
		  emit(w, "log.vkey", bytes_from(vkey, n + 1), e) && emit(w, "checkpoint", note, e);
	arena_done(&a);
	return ok;
}

bool
bundle_finish(struct bundle_writer *w, struct bytes note, const struct note_key *key,
    const uint8_t root[32], struct err *e)
{
	uint8_t mine[32];
	if (!merkle_root(w->log.h, &w->log.tree, mine, e))
		return false;
	if (w->log.tree.leaf_count != w->about.size || memcmp(mine, root, 32) != 0)
		return err_set(e, ERR_CORRUPT,
		    "the %" PRIu64 " records given are not the tree of %" PRIu64,
		    w->log.tree.leaf_count, w->about.size);
	return flush(w, &w->records, e) && flush(w, &w->reports, e) && finish_tiles(w, e) &&
	       finish_about(w, note, key, e);
}

bool
bundle_about_write(struct arena *a, const struct bundle_about *v, struct bytes *out, struct err *e)
{
	char *text = arena_printf(a,
	    "relto-bundle 1\norigin %.*s\nsize %" PRIu64 "\nview %s%.*s\nfirst %" PRIu64 "\n",
	    (int)v->origin.len, (const char *)v->origin.data, v->size,
	    v->party.len == 0 ? "hub" : "party ", (int)v->party.len,
	    v->party.len == 0 ? "" : (const char *)v->party.data, v->first);
	if (text == NULL)
		return err_set(e, ERR_NOMEM, "bundle");
	*out = bytes_of(text);
	return true;
}

/* The rest of a line that begins with 'word'. */
static bool
line_after(struct bytes *in, const char *word, struct bytes *rest)
{
	size_t n = strlen(word);
	const uint8_t *end = in->len == 0 ? NULL : memchr(in->data, '\n', in->len);
	if (end == NULL || (size_t)(end - in->data) < n || memcmp(in->data, word, n) != 0)
		return false;
	*rest = bytes_from(in->data + n, (size_t)(end - in->data) - n);
	in->len -= (size_t)(end + 1 - in->data);
	in->data = end + 1;
	return true;
}

static bool
decimal(struct bytes in, uint64_t *out)
{
	uint64_t v = 0;
	if (in.len == 0 || (in.len > 1 && in.data[0] == '0'))
		return false;
	for (size_t i = 0; i < in.len; i++) {
		uint8_t d = (uint8_t)(in.data[i] - '0');
		if (d > 9 || v > (UINT64_MAX - d) / 10)
			return false;
		v = v * 10 + d;
	}
	*out = v;
	return true;
}

bool
bundle_about_parse(struct bytes in, struct bundle_about *out, struct err *e)
{
	struct bundle_about v = { 0 };
	struct bytes rest;
	bool ok = line_after(&in, "relto-bundle 1", &rest) && rest.len == 0 &&
		  line_after(&in, "origin ", &v.origin) && v.origin.len != 0 &&
		  line_after(&in, "size ", &rest) && decimal(rest, &v.size);
	if (ok && line_after(&in, "view party ", &v.party))
		ok = syntax_is_name(v.party);
	else
		ok = ok && line_after(&in, "view hub", &rest) && rest.len == 0;
	if (!ok || !line_after(&in, "first ", &rest) || !decimal(rest, &v.first) || in.len != 0)
		return err_set(e, ERR_MALFORMED, "bundle: not a description of version 1");
	*out = v;
	return true;
}

bool
bundle_record_next(struct cursor *file, struct bytes *opening, struct err *e)
{
	uint32_t len = cursor_u32(file);
	struct bytes v = cursor_take(file, len);
	if (file->failed)
		return err_set(e, ERR_MALFORMED, "an opening of %u bytes is cut", len);
	*opening = v;
	return true;
}

bool
bundle_unhex(struct bytes word, uint8_t out[32])
{
	static const char digits[] = "0123456789abcdef";
	if (word.len != BUNDLE_HEX_LEN)
		return false;
	for (size_t i = 0; i < BUNDLE_HEX_LEN; i++) {
		const char *at = word.data[i] == '\0' ? NULL : strchr(digits, word.data[i]);
		if (at == NULL)
			return false;
		out[i / 2] = (uint8_t)(out[i / 2] << 4 | (at - digits));
	}
	return true;
}

/* The next word of a line, up to a single space or the end. */
static struct bytes
next_word(struct bytes *line)
{
	const uint8_t *end = line->len == 0 ? NULL : memchr(line->data, ' ', line->len);
	struct bytes word = *line;
	if (end == NULL)
		*line = (struct bytes){ NULL, 0 };
	else {
		word.len = (size_t)(end - line->data);
		line->len -= word.len + 1;
		line->data = end + 1;
	}
	return word;
}

bool
bundle_report_next(
    struct bytes *file, uint8_t (*heads)[32], struct bundle_report *out, struct err *e)
{
	struct bundle_report v = { .heads = (const uint8_t(*)[32])heads };
	struct bytes line = { NULL, 0 }, word;
	bool ok = line_after(file, "", &line) && decimal(next_word(&line), &v.index) &&
		  bundle_unhex(next_word(&line), v.manifest) &&
		  bundle_unhex(next_word(&line), v.routing);
	word = next_word(&line);
	v.has_notice = !bytes_is(word, "-");
	ok = ok && (!v.has_notice || bundle_unhex(word, v.notice));
	for (; ok && line.data != NULL; v.head_count++)
		ok =
		    v.head_count < HEADS_MAX && bundle_unhex(next_word(&line), heads[v.head_count]);
	if (!ok)
		return err_set(e, ERR_MALFORMED, "not a line of a report");
	*out = v;
	return true;
}

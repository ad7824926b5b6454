/* small_bundle.h - the bundle of a small log, as files in memory. */
#pragma once
#include "tests/unit/audit/small.h"

static inline struct small_file *
small_file(struct small *s, const char *path)
{
	for (size_t i = 0; i < s->file_count; i++)
		if (strcmp(s->files[i].path, path) == 0)
			return &s->files[i];
	return NULL;
}

static inline bool
small_emit(void *ctx, const char *path, struct bytes data, struct err *e)
{
	struct small *s = ctx;
	struct small_file *f = small_file(s, path);
	(void)e;
	if (f == NULL) {
		assert_true(s->file_count < SMALL_FILES);
		f = &s->files[s->file_count++];
		(void)snprintf(f->path, sizeof(f->path), "%s", path);
		f->len = 0;
		f->data = NULL;
	}
	uint8_t *grown = arena_alloc(&s->a, f->len + data.len + 1);
	if (f->len != 0)
		memcpy(grown, f->data, f->len);
	memcpy(grown + f->len, data.data, data.len);
	f->data = grown;
	f->len += data.len;
	return true;
}

static inline struct bytes
small_note(struct small *s, uint64_t size, const uint8_t root[32])
{
	struct bytes note;
	struct checkpoint c = { .origin = bytes_of(s->vkey.name), .size = size };
	struct note_signer by = { s->key, &s->vkey, 0 };
	memcpy(c.root, root, 32);
	assert_true(checkpoint_sign(&s->a, &by, &c, &note, NULL));
	return note;
}

/* The whole bundle; party "" for the hub's auditor. */
static inline void
small_bundle(struct small *s, const char *party, uint64_t first)
{
	struct bundle_writer *w;
	struct err e;
	uint8_t root[32];
	uint64_t size = s->log.tree.leaf_count;
	struct bundle_about about = { bytes_of(s->vkey.name), size, bytes_of(party), first };
	if (*party == '\0')
		about.party = (struct bytes){ NULL, 0 };
	s->file_count = 0;
	s->view = party;
	s->first = first;
	assert_true(merkle_root(&s->h, &s->log.tree, root, NULL));
	assert_true(
	    bundle_writer_new(&s->h, &about, (struct bundle_sink){ small_emit, s }, &w, NULL));
	for (uint64_t i = 0; i < size; i++) {
		unsigned opened;
		if (!bundle_add(w, s->entries[i], &opened, &e))
			fail_msg("%s", e.text);
		if (opened != 0 && s->lines[i].heads != NULL && *party == '\0')
			assert_true(bundle_add_report(w, &s->lines[i], NULL));
	}
	for (size_t i = 0; i < s->content_count && *party == '\0'; i++)
		assert_true(bundle_add_content(w, s->dirs[i], s->contents[i], NULL));
	if (!bundle_finish(w, small_note(s, size, root), &s->vkey, root, &e))
		fail_msg("%s", e.text);
	bundle_writer_free(w);
}

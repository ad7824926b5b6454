#include "policy/overlay.h"

struct overlay_kept {
	struct bytes path;
	struct bytes text;
	struct names names; /* of a folder */
	bool folder;
	struct overlay_kept *next;
};

void
overlay_init(struct overlay *o, const struct epoch_source *below, struct arena *a)
{
	*o = (struct overlay){ .below = below, .arena = a };
}

static struct overlay_kept *
find(const struct overlay *o, const char *path, bool folder)
{
	for (struct overlay_kept *k = o->kept; k != NULL; k = k->next)
		if (k->folder == folder && bytes_is(k->path, path))
			return k;
	return NULL;
}

static struct overlay_kept *
keep(struct overlay *o, const char *path, bool folder, struct err *e)
{
	struct overlay_kept *k = arena_zalloc(o->arena, 1, sizeof(*k));
	if (k == NULL || !arena_copy(o->arena, bytes_of(path), &k->path, e)) {
		(void)err_set(e, ERR_NOMEM, "policy");
		return NULL;
	}
	k->folder = folder;
	return k;
}

static void
link_in(struct overlay *o, struct overlay_kept *k)
{
	k->next = o->kept;
	o->kept = k;
}

static bool
apply(const struct edit *d, struct bytes text, struct arena *a, struct bytes *out, struct err *e)
{
	size_t len = text.len - d->remove.len + d->insert.len, end = d->at + d->remove.len;
	uint8_t *to = arena_alloc(a, len);
	if (to == NULL)
		return err_set(e, ERR_NOMEM, "policy");
	if (d->at > 0)
		memcpy(to, text.data, d->at);
	if (d->insert.len > 0)
		memcpy(to + d->at, d->insert.data, d->insert.len);
	if (text.len > end)
		memcpy(to + d->at + d->insert.len, text.data + end, text.len - end);
	*out = bytes_from(to, len);
	return true;
}

static bool
overlay_read(void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	struct overlay *o = ctx;
	struct overlay_kept *k = find(o, path, false);
	if (k == NULL) {
		k = keep(o, path, false, e);
		if (k == NULL || !o->below->read(o->below->ctx, path, o->arena, &k->text, e))
			return false;
		link_in(o, k);
	}
	if (o->edit != NULL && bytes_equal(o->edit->pos.file->name, k->path))
		return apply(o->edit, k->text, a, out, e);
	*out = k->text;
	return true;
}

static bool
overlay_list(void *ctx, const char *path, struct arena *a, struct names *out, struct err *e)
{
	struct overlay *o = ctx;
	struct overlay_kept *k = find(o, path, true);
	(void)a;
	if (k == NULL) {
		k = keep(o, path, true, e);
		if (k == NULL || !o->below->list(o->below->ctx, path, o->arena, &k->names, e))
			return false;
		link_in(o, k);
	}
	*out = k->names;
	return true;
}

struct epoch_source
overlay_source(struct overlay *o)
{
	return (struct epoch_source){ .read = overlay_read, .list = overlay_list, .ctx = o };
}

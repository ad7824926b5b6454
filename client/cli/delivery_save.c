/* delivery_save.c - a report as a folder, made beside its place and moved there when it is whole.
 */
#include "client/cli/delivery.h"
#include "client/cli/disk.h"
#include "policy/label_xml.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PLACES = 64 }; /* reports under one name: more is an attack */

/* A new file in 'folder'; whatever an interrupted attempt left under its name goes. */
static FILE *
make(int folder, const char *name)
{
	if (unlinkat(folder, name, 0) != 0 && errno != ENOENT)
		return NULL;
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	if (fd >= 0 && f == NULL)
		(void)close(fd);
	return f;
}

/* Closed, and on the disk. */
static bool
finish(FILE *f)
{
	bool ok = fflush(f) == 0 && fsync(fileno(f)) == 0;
	return fclose(f) == 0 && ok;
}

static bool
put(int folder, const char *name, const void *data, size_t len)
{
	FILE *f = make(folder, name);
	if (f == NULL)
		return false;
	bool ok = len == 0 || fwrite(data, 1, len, f) == len;
	return finish(f) && ok;
}

/* The content; and what it takes to show that it is what was released (relto-verify receipt): the
 * head, which is committed to, and the bytes of the body before the content, which end it. */
static bool
put_portion(int folder, size_t n, const struct relto_received *r)
{
	char name[DELIVERY_FILE];
	const struct relto_bytes *content = &r->portion.content;
	delivery_file(n, name);
	if (!put(folder, name, content->data, content->len))
		return false;
	(void)snprintf(name, sizeof(name), "%02zu.head", n);
	if (!put(folder, name, r->head.data, r->head.len))
		return false;
	(void)snprintf(name, sizeof(name), "%02zu.front", n);
	return put(folder, name, r->body.data, r->body.len - content->len);
}

/* A label as XML, for other programs; only where its vocabulary is known here. */
static bool
put_label(int folder, struct session *s, const struct relto_delivery *d, size_t portion, size_t n)
{
	const struct relto_label *l = &d->portions[portion].portion.labels[n];
	const struct label_xml_dates dates = { d->created * 1000, 0 };
	struct label label;
	struct bytes xml;
	struct err e;
	char name[DELIVERY_FILE];
	if (!session_label(s, l, &label))
		return true;
	if (!label_xml_write(&s->scratch, &label, &dates, &xml, &e)) {
		errno = ENOMEM;
		return false;
	}
	(void)snprintf(name, sizeof(name), "%02zu.%zu.label.xml", portion, n);
	FILE *f = make(folder, name);
	if (f == NULL)
		return false;
	bool ok = fwrite(xml.data, 1, xml.len, f) == xml.len && fputc('\n', f) != EOF;
	return finish(f) && ok;
}

static bool
put_labels(int folder, struct session *s, const struct relto_delivery *d)
{
	for (size_t i = 0; i < d->portion_count; i++)
		for (size_t n = 0; n < d->portions[i].portion.label_count; n++)
			if (!put_label(folder, s, d, i, n))
				return false;
	return true;
}

static bool
put_all(int folder, struct session *s, const struct relto_delivery *d)
{
	for (size_t i = 0; i < d->portion_count; i++)
		if (!put_portion(folder, i, &d->portions[i]))
			return false;
	if (!put(folder, "manifest", d->manifest.data, d->manifest.len) ||
	    !put_labels(folder, s, d))
		return false;
	if (d->notice.len > 0 && !put(folder, "notice", d->notice.data, d->notice.len))
		return false;
	if (d->proof.len > 0 && !put(folder, "delivery.tlog-proof", d->proof.data, d->proof.len))
		return false;
	FILE *f = make(folder, "report.json");
	if (f == NULL)
		return false;
	delivery_json(f, s, d, true);
	bool ok = ferror(f) == 0;
	return finish(f) && ok && fsync(folder) == 0;
}

static int
open_folder(int at, const char *name)
{
	if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
		return -1;
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Is that folder this report?  Ids are unique for a party, not for whoever wants to be in the way:
 * the manifest decides. */
static bool
is_saved(int base, const char *name, const char *digest)
{
	char path[DELIVERY_NAME + 16];
	(void)snprintf(path, sizeof(path), "%s/report.json", name);
	int fd = openat(base, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	json_t *o = fd < 0 ? NULL : json_loadfd(fd, 0, NULL);
	const char *there = json_string_value(json_object_get(o, "manifest"));
	bool same = there != NULL && strcmp(there, digest) == 0;
	json_decref(o);
	if (fd >= 0)
		(void)close(fd);
	return same;
}

/* PARTY.ID, for an exercise with that before it; of a party that is not pinned, what it says of
 * itself, and that it is not verified. */
static void
name_of(
    const struct relto_delivery *d, const uint8_t report[RELTO_ID_BYTES], char to[DELIVERY_NAME])
{
	char id[RELTO_ID_TEXT];
	const char *domain = strstr(d->originator, "//");
	relto_id_print(report, id);
	domain = domain == NULL ? "" : domain + 2;
	size_t len = strcspn(domain, "/") < 128 ? strcspn(domain, "/") : 128;
	const char *mode = d->exercise ? "EXERCISE." : "";
	if (d->party[0] != 0)
		(void)snprintf(to, DELIVERY_NAME, "%s%.64s.%s", mode, d->party, id);
	else
		(void)snprintf(
		    to, DELIVERY_NAME, "%sunverified.%.*s.%s", mode, (int)len, domain, id);
}

/* The first name that is free, or is this report already: *saved.  False: too many in the way. */
static bool
find_place(int base, const struct relto_delivery *d, struct delivery_place *at, bool *saved)
{
	char first[DELIVERY_NAME], digest[DELIVERY_DIGEST];
	name_of(d, d->id, first);
	delivery_digest(d, digest);
	for (unsigned n = 1; n <= PLACES; n++) {
		if (n == 1)
			(void)snprintf(at->name, sizeof(at->name), "%s", first);
		else
			(void)snprintf(at->name, sizeof(at->name), "%.200s.%u", first, n);
		at->beside = n > 1;
		*saved = is_saved(base, at->name, digest);
		if (*saved || faccessat(base, at->name, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
			return true;
	}
	errno = EEXIST;
	return false;
}

static bool
save_in(int base, struct session *s, const struct relto_delivery *d, struct delivery_place *at)
{
	char part[DELIVERY_NAME + 8];
	bool saved;
	if (!find_place(base, d, at, &saved))
		return false;
	if (saved)
		return fsync(base) == 0; /* whoever saved it may not have lived to do this */
	(void)snprintf(part, sizeof(part), ".%s.part", at->name);
	int folder = open_folder(base, part);
	bool ok = folder >= 0 && put_all(folder, s, d);
	int why = errno;
	if (folder >= 0)
		(void)close(folder);
	errno = why;
	return ok && renameat(base, part, base, at->name) == 0 && fsync(base) == 0;
}

bool
delivery_save(struct session *s, const struct relto_delivery *d, const char *folder,
    struct delivery_place *at)
{
	struct err unsaid;
	int base = open_folder(AT_FDCWD, folder);
	if (base < 0)
		return false;
	bool ok = disk_sync_name(folder, &unsaid) && save_in(base, s, d, at);
	int why = errno;
	(void)close(base);
	errno = why;
	return ok;
}

/* ---- what another report says of it ---- */

const char *
delivery_mark_file(const struct relto_delivery *d)
{
	return d->about.act == RELTO_RECALL ? "recalled.json" : "superseded.json";
}

static bool
put_mark(int folder, const struct relto_delivery *d)
{
	char id[RELTO_ID_TEXT];
	const char *part = ".mark.part";
	FILE *f = make(folder, part);
	struct out_json j = { .to = f };
	if (f == NULL)
		return false;
	relto_id_print(d->id, id);
	out_json_begin(&j, NULL, '{');
	out_json_text(&j, "act", delivery_act(d));
	out_json_text(&j, "by", id);
	out_json_text(&j, "code", d->about.code[0] == 0 ? NULL : d->about.code);
	out_json_uint(&j, "created_ms", d->created);
	out_json_uint(&j, "accepted_us", d->accepted_us);
	out_json_end(&j, '}');
	out_json_line(&j);
	bool ok = ferror(f) == 0;
	return finish(f) && ok && renameat(folder, part, folder, delivery_mark_file(d)) == 0 &&
	       fsync(folder) == 0;
}

bool
delivery_mark(const struct relto_delivery *d, const char *folder, struct delivery_place *at)
{
	int base = -1, place = -1;
	at->name[0] = 0;
	at->beside = false;
	if (d->about.act != RELTO_RECALL && d->about.act != RELTO_SUPERSEDE)
		return true;
	name_of(d, d->about.report, at->name);
	base = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (base >= 0)
		place = openat(base, at->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool none = place < 0 && errno == ENOENT, ok = none || (place >= 0 && put_mark(place, d));
	int why = errno;
	if (none)
		at->name[0] = 0;
	if (place >= 0)
		(void)close(place);
	if (base >= 0)
		(void)close(base);
	errno = why;
	return ok;
}

#include "client/cli/witness_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/disk.h"
#include "client/cli/files.h"
#include "client/cli/mint.h"
#include "proto/arena.h"
#include "proto/dry.h"

enum { ARENA = 8 << 20, FORKS_MAX = 64, PATH_ROOM = 4096 };

static bool
path_in(const char *folder, const char *name, char out[PATH_ROOM], struct err *e)
{
	int n = snprintf(out, PATH_ROOM, "%s/%s", folder, name);
	return (n > 0 && n < PATH_ROOM) || err_set(e, ERR_IO, "%s: the path is too long", folder);
}

/* ---- the key ---- */

static bool
read_key(const char *path, struct evp_pkey_st **out, struct err *e)
{
	struct arena a;
	struct bytes pem = { NULL, 0 };
	struct stat st;
	if (stat(path, &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return err_set(e, ERR_CONFIG,
		    "%s: group or others can read the key (mode %03o): chmod 600", path,
		    (unsigned)st.st_mode & 0777u);
	arena_init(&a, ARENA);
	dry_begin();
	bool ok = files_read(path, &a, &pem, e);
	BIO *bio = ok ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
	EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	arena_done(&a);
	if (ok && dry_ran())
		ok = err_set(e, ERR_NOMEM, "key");
	if (ok && (key == NULL || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519))
		ok = err_set(e, ERR_CONFIG, "%s: no Ed25519 private key", path);
	if (ok)
		*out = key;
	else
		EVP_PKEY_free(key);
	return ok;
}

static bool
write_key(const char *path, struct evp_pkey_st **out, struct err *e)
{
	char *data = NULL;
	EVP_PKEY *key = mint_ed25519();
	BIO *bio = BIO_new(BIO_s_mem());
	bool ok = key != NULL && bio != NULL &&
		  PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;
	long len = ok ? BIO_get_mem_data(bio, &data) : 0;
	ok = (ok || err_set(e, ERR_CRYPTO, "no key could be made")) &&
	     disk_create(path, 0600, bytes_from(data, (size_t)len), e) && disk_sync_name(path, e);
	if (len > 0)
		OPENSSL_cleanse(data, (size_t)len);
	BIO_free(bio);
	if (ok)
		*out = key;
	else
		EVP_PKEY_free(key);
	return ok;
}

/* ---- a new witness ---- */

static bool
make_folder(const char *folder, const struct note_key *me, struct err *e)
{
	char vkey[NOTE_VKEY_MAX + 1], path[PATH_ROOM];
	if (!disk_folder(folder, e) || !disk_sync_name(folder, e) ||
	    !path_in(folder, "vkey", path, e))
		return false;
	if (access(path, F_OK) == 0)
		return err_set(e, ERR_USAGE,
		    "%s: a witness's folder already; what it remembers is not thrown away", folder);
	note_key_print(me, vkey);
	size_t len = strlen(vkey);
	vkey[len++] = '\n';
	char heads[PATH_ROOM];
	/* 'vkey' comes last: a folder without it is none */
	return path_in(folder, "heads", heads, e) &&
	       (access(heads, F_OK) == 0 || disk_create(heads, 0600, bytes_of(""), e)) &&
	       disk_create(path, 0644, bytes_from(vkey, len), e) && disk_sync_name(path, e);
}

bool
witness_state_make(
    const struct witness_place *at, const char *name, struct note_key *out, struct err *e)
{
	struct evp_pkey_st *key = NULL;
	struct sha256 h;
	struct note_name as = { bytes_of(name), NOTE_COSIGNATURE };
	static const uint8_t none[32];
	if (!sha256_init(&h, e))
		return false;
	bool ok = note_key_make(&h, &as, none, out, e) && /* the name is judged first */
		  (access(at->key, F_OK) == 0 ? read_key(at->key, &key, e)
					      : write_key(at->key, &key, e)) &&
		  note_key_of(&h, &as, key, out, e) && make_folder(at->folder, out, e);
	EVP_PKEY_free(key);
	sha256_done(&h);
	return ok;
}

/* ---- opening ---- */

static bool
take_lock(struct witness_state *s, struct err *e)
{
	char path[PATH_ROOM];
	if (!path_in(s->folder, "vkey", path, e))
		return false;
	s->lock = open(path, O_RDONLY | O_CLOEXEC);
	if (s->lock < 0)
		return err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
		    "%s: no witness's folder; 'relto witness --new NAME' makes one", s->folder);
	if (flock(s->lock, LOCK_EX | LOCK_NB) == 0)
		return true;
	return err_set(e, errno == EWOULDBLOCK ? ERR_BUSY : ERR_IO,
	    "%s: another process is this witness", s->folder);
}

static bool
read_who(struct witness_state *s, struct err *e)
{
	char path[PATH_ROOM];
	struct bytes vkey;
	struct note_key own;
	if (!path_in(s->folder, "vkey", path, e) || !files_read(path, &s->arena, &vkey, e) ||
	    !note_key_parse(&s->h, vkey, &s->me, e))
		return err_wrap(e, "%s", s->folder);
	struct note_name as = { bytes_of(s->me.name), NOTE_COSIGNATURE };
	if (!note_key_of(&s->h, &as, s->key, &own, e))
		return false;
	return (s->me.type == NOTE_COSIGNATURE && memcmp(own.public, s->me.public, 32) == 0) ||
	       err_set(e, ERR_CONFIG, "%s: the folder of another key", s->folder);
}

static bool
hold_note(struct witness_state *s, size_t at, struct bytes note, struct err *e)
{
	uint8_t *copy = malloc(note.len + 1);
	if (copy == NULL)
		return err_set(e, ERR_NOMEM, "checkpoint");
	if (note.len != 0)
		memcpy(copy, note.data, note.len);
	free((void *)(uintptr_t)s->notes[at].data);
	s->notes[at] = bytes_from(copy, note.len);
	return true;
}

/* A checkpoint that was kept: of a log that is still asked for it must be signed by it.  One of a
 * log that is not named any more would be forgotten by the next write, and so is an error. */
static bool
take_kept(struct witness_state *s, struct bytes note, struct err *e)
{
	struct witness_request r = { .note = note };
	struct witness_verdict v;
	struct err why = { 0 };
	dry_begin();
	witness_judge(&s->arena, &s->h, &s->book, &r, &v, &why);
	if (dry_ran() || v.answer == WITNESS_FAILED)
		return err_set(e, ERR_NOMEM, "checkpoint");
	if (v.answer == WITNESS_UNKNOWN)
		return err_set(e, ERR_CONFIG,
		    "the last head of a log that no --log names any more: name it still");
	if (v.answer != WITNESS_COSIGN || s->book.heads[v.at].any)
		return err_set(
		    e, ERR_DATA, "a checkpoint that is damaged or not the log's: %s", why.text);
	struct witness_head head = { .any = true, .size = v.head.size };
	memcpy(head.root, v.head.root, 32);
	s->book.heads[v.at] = head;
	return hold_note(s, v.at, note, e);
}

static bool
read_heads(struct witness_state *s, struct err *e)
{
	char path[PATH_ROOM];
	struct bytes all;
	if (!path_in(s->folder, "heads", path, e) || !files_read(path, &s->arena, &all, e))
		return false;
	while (all.len != 0) {
		const uint8_t *end = memchr(all.data, '\0', all.len);
		size_t len = end == NULL ? all.len : (size_t)(end - all.data);
		if (end == NULL)
			return err_set(e, ERR_DATA, "%s: it is cut", path);
		if (!take_kept(s, bytes_from(all.data, len), e))
			return err_wrap(e, "%s", path);
		all.data += len + 1;
		all.len -= len + 1;
	}
	return true;
}

bool
witness_state_open(const struct witness_place *at, const struct witness_book *logs,
    struct witness_state *out, struct err *e)
{
	memset(out, 0, sizeof(*out));
	out->lock = -1;
	out->book = *logs;
	arena_init(&out->arena, ARENA);
	bool ok = sha256_init(&out->h, e);
	out->folder = arena_printf(&out->arena, "%s", at->folder);
	ok = ok && (out->folder != NULL || err_set(e, ERR_NOMEM, "folder")) && take_lock(out, e) &&
	     read_key(at->key, &out->key, e) && read_who(out, e) && read_heads(out, e) &&
	     disk_sync_name(at->folder, e);
	if (!ok)
		witness_state_close(out);
	return ok;
}

void
witness_state_close(struct witness_state *s)
{
	for (size_t i = 0; i < WITNESS_LOGS_MAX; i++) {
		free((void *)(uintptr_t)s->notes[i].data);
		s->notes[i] = (struct bytes){ NULL, 0 };
	}
	EVP_PKEY_free(s->key);
	s->key = NULL;
	if (s->lock >= 0)
		(void)close(s->lock);
	s->lock = -1;
	arena_done(&s->arena);
	sha256_done(&s->h);
}

/* ---- keeping ---- */

/* All heads, with a NUL behind each. */
static bool
all_heads(const struct witness_state *s, struct arena *a, struct bytes *out, struct err *e)
{
	size_t len = 0;
	for (size_t i = 0; i < s->book.count; i++)
		len += s->notes[i].data == NULL ? 0 : s->notes[i].len + 1;
	uint8_t *all = arena_alloc(a, len), *to = all;
	if (all == NULL)
		return err_set(e, ERR_NOMEM, "heads");
	for (size_t i = 0; i < s->book.count; i++) {
		if (s->notes[i].data == NULL)
			continue;
		memcpy(to, s->notes[i].data, s->notes[i].len);
		to += s->notes[i].len;
		*to++ = '\0';
	}
	*out = bytes_from(all, len);
	return true;
}

/* Beside, synced, renamed, and the name synced too. */
static bool
write_heads(const struct witness_state *s, struct bytes all, struct err *e)
{
	char path[PATH_ROOM], beside[PATH_ROOM];
	if (!path_in(s->folder, "heads", path, e) || !path_in(s->folder, "heads.new", beside, e))
		return false;
	if (unlink(beside) != 0 && errno != ENOENT) /* of a run that was killed */
		return err_set(e, ERR_IO, "%s: %s", beside, strerror(errno));
	if (!disk_create(beside, 0600, all, e))
		return false;
	if (rename(beside, path) != 0)
		return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
	return disk_sync_name(path, e);
}

bool
witness_state_keep(
    struct witness_state *s, const struct witness_verdict *v, struct bytes note, struct err *e)
{
	struct arena a;
	struct bytes all = { NULL, 0 };
	struct witness_head head = { .any = true, .size = v->head.size };
	memcpy(head.root, v->head.root, 32);
	if (!hold_note(s, v->at, note, e))
		return false;
	arena_init(&a, ARENA);
	bool ok = all_heads(s, &a, &all, e) && write_heads(s, all, e);
	arena_done(&a);
	if (ok)
		s->book.heads[v->at] = head;
	return ok;
}

static size_t
count_forks(const char *folder)
{
	DIR *d = opendir(folder);
	size_t n = 0;
	for (const struct dirent *entry; d != NULL && (entry = readdir(d)) != NULL;)
		n += strncmp(entry->d_name, "fork-", 5) == 0;
	if (d != NULL)
		(void)closedir(d);
	return n;
}

bool
witness_state_keep_fork(
    struct witness_state *s, const struct witness_verdict *v, struct bytes note, struct err *e)
{
	char name[64], path[PATH_ROOM];
	const uint8_t *r = v->head.root;
	(void)snprintf(name, sizeof(name), "fork-%" PRIu64 "-%02x%02x%02x%02x", v->head.size, r[0],
	    r[1], r[2], r[3]);
	if (!path_in(s->folder, name, path, e))
		return false;
	if (access(path, F_OK) == 0 || count_forks(s->folder) >= FORKS_MAX)
		return true;
	return disk_create(path, 0600, note, e) && disk_sync_name(path, e);
}

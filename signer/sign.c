#include "signer/sign.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/checkpoint.h"

enum { KEY_BYTES = 4096 };

/* ---- keys ---- */

static bool
read_secret(int fd, const char *path, char *to, size_t *len, struct err *e)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return err_set(e, ERR_CONFIG,
		    "%s: a key that group or others can reach, or no regular file (mode %03o)",
		    path, (unsigned)st.st_mode & 0777u);
	for (*len = 0; *len < KEY_BYTES;) {
		ssize_t n = read(fd, to + *len, KEY_BYTES - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
		if (n == 0)
			break;
		*len += (size_t)n;
	}
	return true;
}

static bool
read_key(const char *path, struct evp_pkey_st **out, struct err *e)
{
	char pem[KEY_BYTES];
	size_t len = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_set(
		    e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: %s", path, strerror(errno));
	bool ok = read_secret(fd, path, pem, &len, e);
	(void)close(fd);
	BIO *bio = ok ? BIO_new_mem_buf(pem, (int)len) : NULL;
	EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	OPENSSL_cleanse(pem, sizeof(pem));
	if (!ok)
		return false;
	if (key == NULL || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519) {
		EVP_PKEY_free(key);
		return err_set(e, ERR_CONFIG, "%s holds no Ed25519 private key", path);
	}
	*out = key;
	return true;
}

bool
sign_add_key(struct sign *s, const char *path, struct bytes origin, struct err *e)
{
	struct note_name name = { origin, NOTE_ED25519 };
	assert(s->key_count < SIGNING_KEYS_MAX);
	struct sign_key *k = &s->keys[s->key_count];
	if (!read_key(path, &k->key, e))
		return false;
	s->key_count++;
	if (!note_key_of(&s->h, &name, k->key, &k->public, e))
		return err_wrap(e, "origin '%.*s'", (int)origin.len, (const char *)origin.data);
	if (s->key_count == 2 && memcmp(k->public.public, s->keys[0].public.public, 32) == 0)
		return err_set(e, ERR_CONFIG, "%s is the other key again", path);
	return true;
}

void
sign_done(struct sign *s)
{
	for (size_t i = 0; i < s->key_count; i++)
		EVP_PKEY_free(s->keys[i].key);
	s->key_count = 0;
	keep_done(&s->keep);
	sha256_done(&s->h);
}

struct signing_message
sign_hello(const struct sign *s, char vkeys[SIGNING_KEYS_MAX][NOTE_VKEY_MAX])
{
	struct signing_message m = { .kind = SIGNING_HELLO };
	m.hello.anchor = s->anchor.head;
	m.hello.key_count = s->key_count;
	for (size_t i = 0; i < s->key_count; i++) {
		note_key_print(&s->keys[i].public, vkeys[i]);
		m.hello.keys[i] = bytes_of(vkeys[i]);
	}
	return m;
}

/* ---- a turn ---- */

void
sign_turn_begin(const struct sign *s, struct sign_turn *t)
{
	t->count = 0;
	t->last = s->anchor.head;
	t->refused = false;
	t->why = (struct err){ 0 };
}

static bool
refuse(struct sign_turn *t, enum signing_reason reason)
{
	t->refused = true;
	t->refusal.reason = reason;
	return false;
}

bool
sign_turn_take(struct sign *s, struct sign_turn *t, struct bytes packet)
{
	struct signing_message m;
	enum signing_reason why = SIGNING_FAILED;
	assert(t->count < SIGN_TURN && !t->refused);
	if (!signing_parse(packet, &m, &t->why))
		return refuse(t, SIGNING_MALFORMED);
	if (m.kind != SIGNING_ASK) {
		(void)err_set(&t->why, ERR_MALFORMED, "a message that only a signer sends");
		return refuse(t, SIGNING_MALFORMED);
	}
	if (!anchor_judge(&s->h, &t->last, &m.ask, &why, &t->why))
		return refuse(t, why);
	t->last = m.ask.head;
	t->heads[t->count++] = m.ask.head;
	return true;
}

bool
sign_turn_keep(struct sign *s, struct sign_turn *t, struct err *e)
{
	struct anchor next = s->anchor;
	next.head = t->last;
	next.turn++;
	if (next.head.size == s->anchor.head.size)
		return true; /* what was signed, once more */
	if (keep_store(&s->keep, &next, e)) {
		s->anchor = next;
		return true;
	}
	t->count = 0;
	t->why = *e;
	return refuse(t, SIGNING_NOT_KEPT);
}

bool
sign_note(struct sign *s, const struct signing_head *head, struct arena *a, struct bytes *note,
    struct err *e)
{
	struct checkpoint c = { .origin = bytes_of(s->anchor.origin), .size = head->size };
	struct note_signer by = { .key = s->keys[0].key, .as = &s->keys[0].public };
	struct bytes text, line;
	memcpy(c.root, head->root, sizeof(c.root));
	if (!checkpoint_sign(a, &by, &c, note, e))
		return false;
	if (s->key_count == 1)
		return true;
	by = (struct note_signer){ .key = s->keys[1].key, .as = &s->keys[1].public };
	if (!checkpoint_text(a, &c, &text, e) || !note_sign(a, &by, text, &line, e))
		return false;
	uint8_t *both = arena_alloc(a, note->len + line.len);
	if (both == NULL)
		return err_set(e, ERR_NOMEM, "checkpoint");
	memcpy(both, note->data, note->len);
	memcpy(both + note->len, line.data, line.len);
	*note = bytes_from(both, note->len + line.len);
	return true;
}

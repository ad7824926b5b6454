#include "audit/note.h"

#include <assert.h>
#include <stdio.h>

#include <openssl/evp.h>

#include "audit/base64.h"
#include "proto/arena.h"
#include "proto/syntax.h"

static const char dash[] = "\xe2\x80\x94 "; /* an em dash and a space begin a signature line */
enum { DASH = sizeof(dash) - 1, SIGNATURE = 64, BLOB_MAX = 4 + 8 + SIGNATURE };

/* Unicode's white space (property White_Space), of which signed-note lets none into a name. */
static bool
is_space(uint32_t p)
{
	static const uint32_t spaces[] = { 0x20, 0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f,
		0x3000 };
	for (size_t i = 0; i < sizeof(spaces) / sizeof(*spaces); i++)
		if (p == spaces[i])
			return true;
	return (p >= 9 && p <= 13) || (p >= 0x2000 && p <= 0x200a);
}

/* The next character of text that is known to be UTF-8. */
static uint32_t
next_point(struct bytes *text)
{
	uint8_t lead = text->data[0];
	size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	uint32_t p = n == 1 ? lead : lead & (0x7fu >> n);
	for (size_t i = 1; i < n; i++)
		p = p << 6 | (text->data[i] & 0x3fu);
	text->data += n;
	text->len -= n;
	return p;
}

static bool
is_key_name(struct bytes name)
{
	if (name.len == 0 || name.len > NOTE_NAME_MAX || !syntax_is_utf8(name))
		return false;
	while (name.len != 0) {
		uint32_t p = next_point(&name);
		if (p < 0x20 || p == 0x7f || p == '+' || is_space(p))
			return false;
	}
	return true;
}

bool
note_key_make(struct sha256 *h, const struct note_name *name, const uint8_t public[32],
    struct note_key *out, struct err *e)
{
	if (name->type != NOTE_ED25519 && name->type != NOTE_COSIGNATURE)
		return err_set(e, ERR_DATA, "key of type %u", name->type);
	if (!is_key_name(name->name))
		return err_set(
		    e, ERR_DATA, "a name of %zu bytes that no key can have", name->name.len);
	const uint8_t middle[2] = { '\n', name->type };
	uint8_t digest[32];
	sha256_begin(h);
	sha256_add(h, name->name);
	sha256_add(h, bytes_from(middle, 2));
	sha256_add(h, bytes_from(public, 32));
	if (!sha256_end(h, digest, e))
		return false;
	struct note_key k = { .type = name->type };
	memcpy(k.name, name->name.data, name->name.len);
	memcpy(k.id, digest, 4);
	memcpy(k.public, public, 32);
	*out = k;
	return true;
}

bool
note_key_of(struct sha256 *h, const struct note_name *name, struct evp_pkey_st *key,
    struct note_key *out, struct err *e)
{
	uint8_t public[32];
	size_t len = sizeof(public);
	if (EVP_PKEY_get_id(key) != EVP_PKEY_ED25519 ||
	    EVP_PKEY_get_raw_public_key(key, public, &len) != 1 || len != 32)
		return err_set(e, ERR_CRYPTO, "the key is not Ed25519");
	return note_key_make(h, name, public, out, e);
}

static bool
read_id(struct bytes hex, uint8_t out[4])
{
	for (size_t i = 0; i < 8 && hex.len == 8; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *at = hex.data[i] == '\0' ? NULL : strchr(digits, hex.data[i]);
		if (at == NULL)
			return false;
		out[i / 2] = (uint8_t)(out[i / 2] << 4 | (at - digits));
	}
	return hex.len == 8;
}

bool
note_key_parse(struct sha256 *h, struct bytes vkey, struct note_key *out, struct err *e)
{
	uint8_t id[4] = { 0 }, key[36];
	size_t len = 0;
	struct note_key k;
	if (vkey.len != 0 && vkey.data[vkey.len - 1] == '\n')
		vkey.len--;
	const uint8_t *plus = vkey.len == 0 ? NULL : memchr(vkey.data, '+', vkey.len);
	struct cursor c = cursor_over(vkey);
	struct bytes name = cursor_take(&c, plus == NULL ? 0 : (size_t)(plus - vkey.data));
	(void)cursor_take(&c, 1);
	struct bytes hex = cursor_take(&c, 8);
	if (cursor_u8(&c) != '+' || c.left != 44 || !read_id(hex, id) ||
	    !base64_read(bytes_from(c.at, c.left), key, &len) || len != 33)
		return err_set(e, ERR_DATA, "no vkey (name+hex+base64)");
	struct note_name as = { name, key[0] };
	if (!note_key_make(h, &as, key + 1, &k, e))
		return err_wrap(e, "vkey");
	if (memcmp(k.id, id, 4) != 0)
		return err_set(e, ERR_DATA, "vkey '%s': the key id is not that of the key", k.name);
	*out = k;
	return true;
}

void
note_key_print(const struct note_key *k, char out[NOTE_VKEY_MAX])
{
	uint8_t key[33] = { k->type };
	char text[45] = { 0 };
	memcpy(key + 1, k->public, 32);
	base64_write(bytes_from(key, sizeof(key)), text);
	(void)snprintf(out, NOTE_VKEY_MAX, "%s+%02x%02x%02x%02x+%s", k->name, k->id[0], k->id[1],
	    k->id[2], k->id[3], text);
}

static bool
malformed(const char *what, struct err *e)
{
	return err_set(e, ERR_MALFORMED, "signed note: %s", what);
}

/* One line without its LF. */
static bool
parse_line(struct arena *a, struct bytes line, struct note_signature *out, struct err *e)
{
	struct note_signature s;
	if (line.len < DASH || memcmp(line.data, dash, DASH) != 0)
		return malformed("a signature line without dash", e);
	struct bytes rest = bytes_from(line.data + DASH, line.len - DASH);
	const uint8_t *space = rest.len == 0 ? NULL : memchr(rest.data, ' ', rest.len);
	if (space == NULL)
		return malformed("a signature line of one word", e);
	s.name = bytes_from(rest.data, (size_t)(space - rest.data));
	if (!is_key_name(s.name))
		return malformed("a signature by no possible name", e);
	struct bytes text = bytes_from(space + 1, rest.len - s.name.len - 1);
	size_t len = 0;
	uint8_t *blob = arena_alloc(a, text.len);
	if (blob == NULL)
		return err_set(e, ERR_NOMEM, "signature of %zu bytes", text.len);
	if (!base64_read(text, blob, &len) || len < 5)
		return malformed("a signature that is not base64", e);
	memcpy(s.id, blob, 4);
	s.blob = bytes_from(blob + 4, len - 4);
	*out = s;
	return true;
}

/* UTF-8 without control characters but LF. */
static bool
is_note_text(struct bytes in)
{
	for (size_t i = 0; i < in.len; i++)
		if (in.data[i] < 0x20 && in.data[i] != '\n')
			return false;
	return syntax_is_utf8(in);
}

bool
note_parse(struct arena *a, struct bytes in, struct note *out, struct err *e)
{
	if (in.len > NOTE_BYTES_MAX)
		return malformed("too long", e);
	if (in.len == 0 || in.data[in.len - 1] != '\n' || !is_note_text(in))
		return malformed("no text", e);
	/* the last blank line parts text and signatures */
	size_t split = in.len;
	for (size_t i = 1; i < in.len; i++)
		if (in.data[i] == '\n' && in.data[i - 1] == '\n')
			split = i;
	if (split == in.len)
		return malformed("no blank line before the signatures", e);
	struct note n = { .text = bytes_from(in.data, split) };
	struct bytes rest = bytes_from(in.data + split + 1, in.len - split - 1);
	while (rest.len != 0) {
		const uint8_t *end = memchr(rest.data, '\n', rest.len);
		struct bytes line = bytes_from(rest.data, (size_t)(end - rest.data));
		if (n.count == NOTE_SIGNATURES_MAX)
			return malformed("too many signatures", e);
		if (!parse_line(a, line, &n.signatures[n.count], e))
			return false;
		n.count++;
		rest = bytes_from(end + 1, rest.len - line.len - 1);
	}
	if (n.count == 0)
		return malformed("no signature", e);
	*out = n;
	return true;
}

static bool
ed25519_verify(const uint8_t public[32], struct bytes text, const uint8_t *signature)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public, 32);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = key != NULL && ctx != NULL &&
		  EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
		  EVP_DigestVerify(ctx, signature, SIGNATURE, text.data, text.len) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return ok;
}

/* What a witness signs: "cosignature/v1", the time, the whole text. */
static bool
cosigned_text(struct arena *a, struct bytes text, uint64_t time, struct bytes *out, struct err *e)
{
	char head[64];
	int n =
	    snprintf(head, sizeof(head), "cosignature/v1\ntime %llu\n", (unsigned long long)time);
	uint8_t *all = arena_alloc(a, (size_t)n + text.len);
	if (all == NULL)
		return err_set(e, ERR_NOMEM, "cosignature");
	memcpy(all, head, (size_t)n);
	if (text.len != 0)
		memcpy(all + n, text.data, text.len);
	*out = bytes_from(all, (size_t)n + text.len);
	return true;
}

/* Verifies a blob of a key that it is said to be of. */
static bool
verify_one(const struct note *n, const struct note_signature *s, const struct note_key *k,
    struct note_seen *seen, struct err *e)
{
	struct cursor c = cursor_over(s->blob);
	struct bytes text = n->text;
	struct arena a;
	arena_init(&a, NOTE_BYTES_MAX + 8192);
	uint64_t time = 0;
	bool ok = true;
	if (k->type == NOTE_COSIGNATURE) {
		time = cursor_u64(&c);
		ok = time <= INT64_MAX && cosigned_text(&a, n->text, time, &text, e);
	}
	ok = ok && !c.failed && c.left == SIGNATURE && ed25519_verify(k->public, text, c.at);
	arena_done(&a);
	if (!ok)
		return err_set(
		    e, ERR_BAD_SIGNATURE, "the signature of '%s' does not verify", k->name);
	if (seen->verified)
		return err_set(e, ERR_BAD_SIGNATURE, "two signatures of '%s'", k->name);
	*seen = (struct note_seen){ .verified = true, .time = time };
	return true;
}

bool
note_verify(const struct note *n, const struct note_key *keys, size_t count, struct note_seen *seen,
    struct err *e)
{
	struct note_seen found[NOTE_SIGNATURES_MAX + 1] = { 0 };
	assert(count <= NOTE_SIGNATURES_MAX && (count == 0 || keys != NULL));
	for (size_t i = 0; i < n->count; i++) {
		const struct note_signature *s = &n->signatures[i];
		for (size_t k = 0; k < count; k++)
			if (bytes_is(s->name, keys[k].name) && memcmp(s->id, keys[k].id, 4) == 0 &&
			    !verify_one(n, s, &keys[k], &found[k], e))
				return false;
	}
	memcpy(seen, found, count * sizeof(*seen));
	return true;
}

static bool
ed25519_sign(struct evp_pkey_st *key, struct bytes text, uint8_t *signature, struct err *e)
{
	size_t len = SIGNATURE;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
		  EVP_DigestSign(ctx, signature, &len, text.data, text.len) == 1 &&
		  len == SIGNATURE;
	EVP_MD_CTX_free(ctx);
	return ok || err_set(e, ERR_CRYPTO, "signing failed");
}

bool
note_sign(struct arena *a, const struct note_signer *signer, struct bytes text, struct bytes *line,
    struct err *e)
{
	uint8_t blob[BLOB_MAX];
	size_t at = 4;
	memcpy(blob, signer->as->id, 4);
	if (signer->as->type == NOTE_COSIGNATURE) {
		put_u64(blob + at, signer->time);
		at += 8;
		if (!cosigned_text(a, text, signer->time, &text, e))
			return false;
	}
	if (!ed25519_sign(signer->key, text, blob + at, e))
		return false;
	at += SIGNATURE;
	size_t name = strlen(signer->as->name), size = DASH + name + 1 + base64_len(at) + 1;
	char *out = arena_alloc(a, size);
	if (out == NULL)
		return err_set(e, ERR_NOMEM, "signature line");
	memcpy(out, dash, DASH);
	memcpy(out + DASH, signer->as->name, name);
	out[DASH + name] = ' ';
	base64_write(bytes_from(blob, at), out + DASH + name + 1);
	out[size - 1] = '\n';
	*line = bytes_from(out, size);
	return true;
}

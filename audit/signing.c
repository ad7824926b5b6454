#include "audit/signing.h"

#include <assert.h>

static const char magic[4] = { 'R', 'L', 'S', '1' };

const char *
signing_reason_name(enum signing_reason r)
{
	switch (r) {
	case SIGNING_MALFORMED:
		return "malformed";
	case SIGNING_ROLLBACK:
		return "rollback";
	case SIGNING_FORK:
		return "fork";
	case SIGNING_NOT_PROVEN:
		return "not-proven";
	case SIGNING_NOT_KEPT:
		return "not-kept";
	case SIGNING_FAILED:
		return "failed";
	}
	return "unknown";
}

/* ---- reading ---- */

static void
read_head(struct cursor *c, struct signing_head *out)
{
	out->size = cursor_u64(c);
	cursor_copy(c, out->root, sizeof(out->root));
}

static bool
read_hello(struct cursor *c, struct signing_hello *out, struct err *e)
{
	read_head(c, &out->anchor);
	out->key_count = cursor_u8(c);
	if (!c->failed && (out->key_count == 0 || out->key_count > SIGNING_KEYS_MAX))
		return err_set(e, ERR_MALFORMED, "a hello with %zu keys", out->key_count);
	for (size_t i = 0; !c->failed && i < out->key_count; i++) {
		out->keys[i] = cursor_take(c, cursor_u16(c));
		if (!c->failed && (out->keys[i].len == 0 || out->keys[i].len >= NOTE_VKEY_MAX))
			return err_set(e, ERR_MALFORMED, "a key of %zu bytes", out->keys[i].len);
	}
	return true;
}

static bool
read_ask(struct cursor *c, struct signing_ask *out, struct err *e)
{
	out->from = cursor_u64(c);
	read_head(c, &out->head);
	out->proof.count = cursor_u8(c);
	if (out->proof.count > MERKLE_PROOF_MAX)
		return err_set(e, ERR_MALFORMED, "a proof of %zu hashes", out->proof.count);
	for (size_t i = 0; i < out->proof.count; i++)
		cursor_copy(c, out->proof.hash[i], 32);
	return true;
}

static bool
read_signed(struct cursor *c, struct signing_signed *out, struct err *e)
{
	out->size = cursor_u64(c);
	out->note = cursor_take(c, cursor_u16(c));
	if (!c->failed && (out->note.len == 0 || out->note.len > SIGNING_NOTE_MAX))
		return err_set(e, ERR_MALFORMED, "a note of %zu bytes", out->note.len);
	return true;
}

static bool
read_refused(struct cursor *c, struct signing_refused *out, struct err *e)
{
	uint8_t reason = cursor_u8(c);
	if (!c->failed && (reason < SIGNING_MALFORMED || reason > SIGNING_FAILED))
		return err_set(e, ERR_MALFORMED, "the reason %u is none", reason);
	out->reason = (enum signing_reason)reason;
	read_head(c, &out->anchor);
	return true;
}

static bool
read_kind(struct cursor *c, struct signing_message *m, struct err *e)
{
	switch (m->kind) {
	case SIGNING_HELLO:
		return read_hello(c, &m->hello, e);
	case SIGNING_ASK:
		return read_ask(c, &m->ask, e);
	case SIGNING_SIGNED:
		return read_signed(c, &m->signed_, e);
	case SIGNING_REFUSED:
		return read_refused(c, &m->refused, e);
	}
	return err_set(e, ERR_MALFORMED, "the kind %u is none", (unsigned)m->kind);
}

bool
signing_parse(struct bytes in, struct signing_message *out, struct err *e)
{
	struct cursor c = cursor_over(in);
	struct signing_message m = { 0 };
	struct bytes head = cursor_take(&c, sizeof(magic));
	if (in.len > SIGNING_BYTES_MAX)
		return err_set(e, ERR_MALFORMED, "a packet of %zu bytes", in.len);
	if (c.failed || memcmp(head.data, magic, sizeof(magic)) != 0)
		return err_set(e, ERR_MALFORMED, "it does not begin with RLS1");
	m.kind = (enum signing_kind)cursor_u8(&c);
	if (!read_kind(&c, &m, e))
		return false;
	if (!cursor_finished(&c))
		return err_set(e, ERR_MALFORMED, "a packet of %zu bytes is %s", in.len,
		    c.failed ? "too short" : "too long");
	*out = m;
	return true;
}

/* ---- writing ---- */

struct writer {
	uint8_t *to;
	size_t len;
};

static void
write_bytes(struct writer *w, const void *data, size_t len)
{
	assert(len <= SIGNING_BYTES_MAX - w->len);
	if (len > 0)
		memcpy(w->to + w->len, data, len);
	w->len += len;
}

static void
write_u8(struct writer *w, size_t v)
{
	uint8_t b = (uint8_t)v;
	write_bytes(w, &b, 1);
}

static void
write_u64(struct writer *w, uint64_t v)
{
	uint8_t b[8];
	put_u64(b, v);
	write_bytes(w, b, sizeof(b));
}

static void
write_head(struct writer *w, const struct signing_head *h)
{
	write_u64(w, h->size);
	write_bytes(w, h->root, sizeof(h->root));
}

static void
write_text(struct writer *w, struct bytes text)
{
	uint8_t b[2];
	put_u16(b, (uint16_t)text.len);
	write_bytes(w, b, sizeof(b));
	write_bytes(w, text.data, text.len);
}

static void
write_kind(struct writer *w, const struct signing_message *m)
{
	switch (m->kind) {
	case SIGNING_HELLO:
		assert(m->hello.key_count >= 1 && m->hello.key_count <= SIGNING_KEYS_MAX);
		write_head(w, &m->hello.anchor);
		write_u8(w, m->hello.key_count);
		for (size_t i = 0; i < m->hello.key_count; i++)
			write_text(w, m->hello.keys[i]);
		break;
	case SIGNING_ASK:
		assert(m->ask.proof.count <= MERKLE_PROOF_MAX);
		write_u64(w, m->ask.from);
		write_head(w, &m->ask.head);
		write_u8(w, m->ask.proof.count);
		write_bytes(w, m->ask.proof.hash, m->ask.proof.count * 32);
		break;
	case SIGNING_SIGNED:
		assert(m->signed_.note.len <= SIGNING_NOTE_MAX);
		write_u64(w, m->signed_.size);
		write_text(w, m->signed_.note);
		break;
	case SIGNING_REFUSED:
		write_u8(w, m->refused.reason);
		write_head(w, &m->refused.anchor);
		break;
	}
}

size_t
signing_write(const struct signing_message *m, uint8_t out[SIGNING_BYTES_MAX])
{
	struct writer w = { out, 0 };
	write_bytes(&w, magic, sizeof(magic));
	write_u8(&w, m->kind);
	write_kind(&w, m);
	return w.len;
}

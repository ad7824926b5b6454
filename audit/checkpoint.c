#include "audit/checkpoint.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "audit/base64.h"
#include "audit/quorum.h"
#include "proto/arena.h"

static const char proof_magic[] = "c2sp.org/tlog-proof@v1\n";

static bool
join(struct arena *a, const struct bytes *parts, size_t count, struct bytes *out, struct err *e)
{
	size_t size = 0;
	for (size_t i = 0; i < count; i++)
		size += parts[i].len;
	uint8_t *all = arena_alloc(a, size), *to = all;
	if (all == NULL)
		return err_set(e, ERR_NOMEM, "text of %zu bytes", size);
	for (size_t i = 0; i < count; i++) {
		if (parts[i].len != 0)
			memcpy(to, parts[i].data, parts[i].len);
		to += parts[i].len;
	}
	*out = bytes_from(all, size);
	return true;
}

bool
checkpoint_generation(struct bytes origin, struct bytes *stem, uint64_t *generation)
{
	size_t at = origin.len;
	while (at > 0 && origin.data[at - 1] != '/')
		at--;
	if (at < 2 || at == origin.len || origin.data[at] != 'g')
		return false;
	*stem = bytes_from(origin.data, at - 1);
	return checkpoint_decimal(
	    bytes_from(origin.data + at + 1, origin.len - at - 1), generation);
}

bool
checkpoint_text(struct arena *a, const struct checkpoint *c, struct bytes *out, struct err *e)
{
	char rest[80], root[45] = { 0 };
	base64_write(bytes_from(c->root, 32), root);
	int n = snprintf(rest, sizeof(rest), "\n%" PRIu64 "\n%s\n", c->size, root);
	const struct bytes parts[] = { c->origin, bytes_from(rest, (size_t)n) };
	return join(a, parts, 2, out, e);
}

bool
checkpoint_line(struct bytes *text, struct bytes *line)
{
	const uint8_t *end = text->len == 0 ? NULL : memchr(text->data, '\n', text->len);
	if (end == NULL)
		return false;
	*line = bytes_from(text->data, (size_t)(end - text->data));
	text->data = end + 1;
	text->len -= line->len + 1;
	return true;
}

bool
checkpoint_decimal(struct bytes in, uint64_t *out)
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
checkpoint_hash(struct bytes line, uint8_t out[32])
{
	uint8_t hash[33];
	size_t len;
	if (line.len != 44 || !base64_read(line, hash, &len) || len != 32)
		return false;
	memcpy(out, hash, 32);
	return true;
}

bool
checkpoint_parse(struct bytes text, struct checkpoint *out, struct err *e)
{
	struct checkpoint c;
	struct bytes size, root;
	if (!checkpoint_line(&text, &c.origin) || c.origin.len == 0)
		return err_set(e, ERR_MALFORMED, "checkpoint: no origin");
	if (!checkpoint_line(&text, &size) || !checkpoint_decimal(size, &c.size))
		return err_set(e, ERR_MALFORMED, "checkpoint: no size");
	if (!checkpoint_line(&text, &root) || !checkpoint_hash(root, c.root))
		return err_set(e, ERR_MALFORMED, "checkpoint: no root");
	if (text.len != 0)
		return err_set(e, ERR_MALFORMED, "checkpoint: more than three lines");
	*out = c;
	return true;
}

bool
checkpoint_sign(struct arena *a, const struct note_signer *log, const struct checkpoint *c,
    struct bytes *note, struct err *e)
{
	struct bytes text = { NULL, 0 }, line = { NULL, 0 };
	assert(bytes_is(c->origin, log->as->name) && log->as->type == NOTE_ED25519);
	if (!checkpoint_text(a, c, &text, e) || !note_sign(a, log, text, &line, e))
		return err_wrap(e, "checkpoint of %" PRIu64 " records", c->size);
	const struct bytes parts[] = { text, bytes_of("\n"), line };
	return join(a, parts, 3, note, e);
}

bool
checkpoint_cosign(struct arena *a, const struct note_signer *witness, struct bytes note,
    struct bytes *out, struct err *e)
{
	struct note n;
	struct bytes line = { NULL, 0 };
	assert(witness->as->type == NOTE_COSIGNATURE);
	if (!note_parse(a, note, &n, e) || !note_sign(a, witness, n.text, &line, e))
		return err_wrap(e, "cosigning");
	const struct bytes parts[] = { note, line };
	return join(a, parts, 2, out, e);
}

/* Everybody who was given signed what must be signed. */
static bool
check_quorum(const struct checkpoint_trust *t, const struct note_seen *seen, struct err *e)
{
	size_t signers = 0;
	for (size_t i = 0; i < t->witness_count; i++)
		signers += seen[1 + i].verified;
	if (!seen[0].verified)
		return err_set(
		    e, ERR_BAD_SIGNATURE, "no signature of the log's key '%s'", t->log->name);
	if (signers < t->quorum)
		return err_set(e, ERR_BAD_SIGNATURE, "%zu of the witnesses signed, not %zu",
		    signers, t->quorum);
	if (t->rule != NULL && !quorum_met(t->rule, seen + 1))
		return err_set(e, ERR_BAD_SIGNATURE,
		    "%zu of %zu witnesses signed, which is not the quorum", signers,
		    t->witness_count);
	return true;
}

bool
checkpoint_open(struct arena *a, struct bytes note, const struct checkpoint_trust *trust,
    struct checkpoint *out, struct err *e)
{
	struct note n;
	struct note_key keys[1 + CHECKPOINT_WITNESSES_MAX];
	struct note_seen seen[1 + CHECKPOINT_WITNESSES_MAX];
	struct checkpoint c = { 0 };
	assert(trust->witness_count <= CHECKPOINT_WITNESSES_MAX);
	keys[0] = *trust->log;
	for (size_t i = 0; i < trust->witness_count; i++)
		keys[1 + i] = trust->witnesses[i];
	if (!note_parse(a, note, &n, e) ||
	    !note_verify(&n, keys, 1 + trust->witness_count, seen, e) ||
	    !check_quorum(trust, seen, e) || !checkpoint_parse(n.text, &c, e))
		return err_wrap(e, "checkpoint");
	if (!bytes_is(c.origin, trust->log->name))
		return err_set(e, ERR_BAD_SIGNATURE,
		    "checkpoint: its origin is not the name of the log's key");
	if (trust->seen != NULL)
		memcpy(trust->seen, seen + 1, trust->witness_count * sizeof(*seen));
	*out = c;
	return true;
}

bool
checkpoint_proof_write(
    struct arena *a, const struct checkpoint_proof *p, struct bytes *out, struct err *e)
{
	size_t size = base64_len(p->extra.len) + 64 + p->path.count * 45;
	char *body = arena_alloc(a, size), *to = body;
	if (body == NULL)
		return err_set(e, ERR_NOMEM, "proof");
	if (p->extra.len != 0) {
		(void)snprintf(to, 7, "extra ");
		base64_write(p->extra, to + 6);
		to += 6 + base64_len(p->extra.len);
		*to++ = '\n';
	}
	to += snprintf(to, 32, "index %" PRIu64 "\n", p->index);
	for (size_t i = 0; i < p->path.count; i++, to += 45) {
		base64_write(bytes_from(p->path.hash[i], 32), to);
		to[44] = '\n';
	}
	*to++ = '\n';
	const struct bytes parts[] = { bytes_of(proof_magic), bytes_from(body, (size_t)(to - body)),
		p->note };
	return join(a, parts, 3, out, e);
}

/* "word rest": the rest, if the line begins so. */
static bool
after(struct bytes line, const char *word, struct bytes *rest)
{
	size_t n = strlen(word);
	if (line.len < n || memcmp(line.data, word, n) != 0)
		return false;
	*rest = bytes_from(line.data + n, line.len - n);
	return true;
}

static bool
parse_extra(struct arena *a, struct bytes text, struct bytes *out, struct err *e)
{
	size_t len;
	uint8_t *data = arena_alloc(a, text.len);
	if (data == NULL)
		return err_set(e, ERR_NOMEM, "proof");
	if (text.len == 0 || !base64_read(text, data, &len))
		return err_set(e, ERR_MALFORMED, "proof: 'extra' is not base64");
	*out = bytes_from(data, len);
	return true;
}

bool
checkpoint_proof_parse(
    struct arena *a, struct bytes in, struct checkpoint_proof *out, struct err *e)
{
	struct checkpoint_proof p = { 0 };
	struct bytes line, rest;
	if (!after(in, proof_magic, &in))
		return err_set(e, ERR_MALFORMED, "proof: not a tlog-proof of version 1");
	if (!checkpoint_line(&in, &line))
		return err_set(e, ERR_MALFORMED, "proof: no index");
	if (after(line, "extra ", &rest)) {
		if (!parse_extra(a, rest, &p.extra, e))
			return false;
		if (!checkpoint_line(&in, &line))
			return err_set(e, ERR_MALFORMED, "proof: no index");
	}
	if (!after(line, "index ", &rest) || !checkpoint_decimal(rest, &p.index))
		return err_set(e, ERR_MALFORMED, "proof: no index");
	bool more = checkpoint_line(&in, &line);
	for (; more && line.len != 0; more = checkpoint_line(&in, &line)) {
		if (p.path.count == MERKLE_PROOF_MAX ||
		    !checkpoint_hash(line, p.path.hash[p.path.count]))
			return err_set(e, ERR_MALFORMED, "proof: hash %zu", p.path.count);
		p.path.count++;
	}
	if (!more || in.len == 0)
		return err_set(e, ERR_MALFORMED, "proof: no checkpoint");
	p.note = in;
	*out = p;
	return true;
}

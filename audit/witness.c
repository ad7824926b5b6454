#include "audit/witness.h"

#include <inttypes.h>
#include <stdio.h>

#include "audit/base64.h"
#include "proto/arena.h"

bool
witness_request_parse(struct bytes body, struct witness_request *out, struct err *e)
{
	struct witness_request r = { 0 };
	struct bytes line;
	if (body.len > WITNESS_BODY_MAX)
		return err_set(e, ERR_MALFORMED, "a request of %zu bytes", body.len);
	if (!checkpoint_line(&body, &line) || line.len < 4 || memcmp(line.data, "old ", 4) != 0 ||
	    !checkpoint_decimal(bytes_from(line.data + 4, line.len - 4), &r.old))
		return err_set(e, ERR_MALFORMED, "no line 'old N'");
	for (;;) {
		if (!checkpoint_line(&body, &line))
			return err_set(e, ERR_MALFORMED, "no empty line behind the proof");
		if (line.len == 0)
			break;
		if (r.count == WITNESS_PROOF_MAX || !checkpoint_hash(line, r.proof[r.count]))
			return err_set(e, ERR_MALFORMED, "line %zu of the proof", r.count + 1);
		r.count++;
	}
	r.note = body;
	*out = r;
	return true;
}

bool
witness_request_write(
    struct arena *a, const struct witness_request *r, struct bytes *out, struct err *e)
{
	size_t room = 32 + r->count * 45 + r->note.len;
	char *text = arena_alloc(a, room), *to = text;
	if (text == NULL)
		return err_set(e, ERR_NOMEM, "request of %zu bytes", room);
	to += snprintf(to, 32, "old %" PRIu64 "\n", r->old);
	for (size_t i = 0; i < r->count; i++, to += 45) {
		base64_write(bytes_from(r->proof[i], 32), to);
		to[44] = '\n';
	}
	*to++ = '\n';
	if (r->note.len != 0)
		memcpy(to, r->note.data, r->note.len);
	*out = bytes_from(text, (size_t)(to - text) + r->note.len);
	return true;
}

size_t
witness_book_find(const struct witness_book *b, struct bytes origin)
{
	for (size_t i = 0; i < b->count; i++)
		if (bytes_is(origin, b->logs[i].name))
			return i;
	return WITNESS_LOGS_MAX;
}

/* Whether any key of this origin signed; a bad signature of one of them refuses the note. */
static bool
is_signed(const struct witness_book *b, const struct note *n, struct bytes origin, struct err *e)
{
	struct note_key keys[WITNESS_LOGS_MAX];
	struct note_seen seen[WITNESS_LOGS_MAX];
	size_t count = 0;
	bool any = false;
	for (size_t i = 0; i < b->count; i++)
		if (bytes_is(origin, b->logs[i].name))
			keys[count++] = b->logs[i];
	if (!note_verify(n, keys, count, seen, e))
		return false;
	for (size_t i = 0; i < count; i++)
		any |= seen[i].verified;
	return any || err_set(e, ERR_BAD_SIGNATURE, "no signature of the log");
}

/* An empty tree has one root. */
static bool
is_empty_root(struct sha256 *h, const uint8_t root[32], struct err *e)
{
	uint8_t empty[32];
	if (!sha256_of(h, bytes_of(""), empty, e))
		return false;
	return memcmp(root, empty, 32) == 0 ||
	       err_set(e, ERR_DATA, "the root of an empty tree is another");
}

/* That the new head goes on from the last one. */
static bool
is_proved(struct sha256 *h, const struct witness_head *was, const struct witness_request *r,
    struct witness_verdict *v, struct err *e)
{
	struct merkle_consistency_claim claim = { .from = was->size, .size = v->head.size };
	if (was->any && was->size == v->head.size && memcmp(was->root, v->head.root, 32) != 0) {
		v->fork = true;
		return err_set(e, ERR_FORK, "another root of size %" PRIu64, was->size);
	}
	if (r->old == 0 || r->old == v->head.size) {
		if (r->count != 0)
			return err_set(e, ERR_DATA, "a proof where there is nothing to prove");
		return v->head.size != 0 || is_empty_root(h, v->head.root, e);
	}
	memcpy(claim.from_root, was->root, 32);
	memcpy(claim.root, v->head.root, 32);
	return merkle_check_consistency(h, &claim, r->proof, r->count, e);
}

static enum witness_answer
judge(struct arena *a, struct sha256 *h, const struct witness_book *b,
    const struct witness_request *r, struct witness_verdict *v, struct err *e)
{
	struct note n;
	struct checkpoint c = { 0 };
	if (!note_parse(a, r->note, &n, e))
		return e->code == ERR_NOMEM ? WITNESS_FAILED : WITNESS_MALFORMED;
	if (!checkpoint_parse(n.text, &c, e))
		return WITNESS_MALFORMED;
	v->at = witness_book_find(b, c.origin);
	if (v->at == WITNESS_LOGS_MAX) {
		(void)err_set(e, ERR_NOT_FOUND, "no such log");
		return WITNESS_UNKNOWN;
	}
	if (!is_signed(b, &n, c.origin, e))
		return WITNESS_FORBIDDEN;
	v->head = c;
	v->text = n.text;
	const struct witness_head *was = &b->heads[v->at];
	if (r->old > c.size) {
		(void)err_set(e, ERR_DATA, "old is more than the size");
		return WITNESS_MALFORMED;
	}
	if (r->old != was->size) {
		(void)err_set(e, ERR_DATA, "the last head has size %" PRIu64, was->size);
		return WITNESS_CONFLICT;
	}
	return is_proved(h, was, r, v, e) ? WITNESS_COSIGN : WITNESS_UNPROVED;
}

void
witness_judge(struct arena *a, struct sha256 *h, const struct witness_book *b,
    const struct witness_request *r, struct witness_verdict *out, struct err *e)
{
	struct witness_verdict v = { .at = WITNESS_LOGS_MAX };
	struct err why = { 0 };
	v.answer = judge(a, h, b, r, &v, &why);
	if (why.code == ERR_CRYPTO)
		v.answer = WITNESS_FAILED;
	if (e != NULL)
		*e = why;
	*out = v;
}

/* Whether 'line' is a cosignature of the key over the text of the note, of about now. */
static bool
is_cosignature(struct arena *a, const struct witness_reply *reply, const struct note *n,
    struct bytes line, struct err *e)
{
	struct note one;
	struct note_seen seen = { 0 };
	size_t len = n->text.len + 1 + line.len + 1;
	uint8_t *all = arena_alloc(a, len);
	if (all == NULL)
		return err_set(e, ERR_NOMEM, "cosignature");
	memcpy(all, n->text.data, n->text.len);
	all[n->text.len] = '\n';
	memcpy(all + n->text.len + 1, line.data, line.len);
	all[len - 1] = '\n';
	if (!note_parse(a, bytes_from(all, len), &one, e) ||
	    !note_verify(&one, reply->key, 1, &seen, e))
		return false;
	if (!seen.verified)
		return err_set(e, ERR_NOT_FOUND, "a line of another key");
	uint64_t apart =
	    seen.time > reply->now_s ? seen.time - reply->now_s : reply->now_s - seen.time;
	return apart <= WITNESS_CLOCK_S ||
	       err_set(e, ERR_BAD_SIGNATURE,
		   "a cosignature of %" PRIu64 " s since 1970, when it is %" PRIu64, seen.time,
		   reply->now_s);
}

static bool
add_line(struct arena *a, struct bytes line, struct bytes *note, struct err *e)
{
	size_t len = note->len + line.len + 1;
	uint8_t *all = len > NOTE_BYTES_MAX ? NULL : arena_alloc(a, len);
	if (all == NULL)
		return err_set(e, ERR_NOMEM, "cosigned checkpoint of %zu bytes", len);
	memcpy(all, note->data, note->len);
	memcpy(all + note->len, line.data, line.len);
	all[len - 1] = '\n';
	*note = bytes_from(all, len);
	return true;
}

bool
witness_attach(
    struct arena *a, const struct witness_reply *reply, struct bytes *cosigned, struct err *e)
{
	struct note n;
	struct bytes rest = reply->body, line;
	struct err why = { 0 };
	if (rest.len > WITNESS_ANSWER_MAX)
		return err_set(e, ERR_MALFORMED, "an answer of %zu bytes", rest.len);
	if (!note_parse(a, *cosigned, &n, e))
		return false;
	if (n.count == NOTE_SIGNATURES_MAX)
		return err_set(e, ERR_LIMIT, "no room for one more signature");
	while (checkpoint_line(&rest, &line)) {
		if (is_cosignature(a, reply, &n, line, &why))
			return add_line(a, line, cosigned, e);
		if (why.code != ERR_NOT_FOUND)
			return err_set(e, why.code, "%s", why.text);
	}
	return err_set(
	    e, ERR_BAD_SIGNATURE, "no cosignature of '%s' in the answer", reply->key->name);
}

bool
witness_size_parse(struct bytes body, uint64_t *out, struct err *e)
{
	struct bytes line;
	if (!checkpoint_line(&body, &line) || body.len != 0 || !checkpoint_decimal(line, out))
		return err_set(e, ERR_MALFORMED, "a conflict without a size");
	return true;
}

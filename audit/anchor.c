#include "audit/anchor.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "audit/base64.h"
#include "audit/checkpoint.h"

static const char old_form[] = "relto-anchor 1\n";
static const char new_form[] = "relto-anchor 2\n";
static const char last_word[] = "sha256 ";
enum { LAST_LINE = sizeof(last_word) - 1 + 64 + 1 };

static void
to_hex(const uint8_t digest[32], char out[65])
{
	for (size_t i = 0; i < 64; i++)
		out[i] = "0123456789abcdef"[digest[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
	out[64] = 0;
}

bool
anchor_new(struct sha256 *h, struct bytes origin, struct anchor *out, struct err *e)
{
	struct merkle empty = { 0 };
	struct anchor a = { .head = { .size = 0 } };
	if (origin.len == 0 || origin.len > NOTE_NAME_MAX)
		return err_set(e, ERR_DATA, "an origin of %zu bytes", origin.len);
	memcpy(a.origin, origin.data, origin.len);
	if (!merkle_root(h, &empty, a.head.root, e))
		return false;
	*out = a;
	return true;
}

bool
anchor_write(struct sha256 *h, const struct anchor *a, char out[ANCHOR_SLOT], struct err *e)
{
	char root[45] = { 0 }, hex[65];
	uint8_t digest[32];
	assert(a->turn > 0);
	base64_write(bytes_from(a->head.root, 32), root);
	int n = snprintf(out, ANCHOR_TEXT_MAX, "%s%" PRIu64 "\n%s\n%" PRIu64 "\n%s\n", new_form,
	    a->turn, a->origin, a->head.size, root);
	if (!sha256_of(h, bytes_from(out, (size_t)n), digest, e))
		return false;
	to_hex(digest, hex);
	n += snprintf(out + n, ANCHOR_TEXT_MAX - (size_t)n, "%s%s\n", last_word, hex);
	memset(out + n, '\n', ANCHOR_SLOT - (size_t)n);
	return true;
}

size_t
anchor_place(const struct anchor *a)
{
	return (size_t)(a->turn % 2) * ANCHOR_SLOT;
}

/* The lines between the first and the checksum, if it is theirs. */
static bool
check_sum(struct sha256 *h, struct bytes in, const char *first, struct bytes *lines, struct err *e)
{
	char hex[65];
	uint8_t digest[32];
	size_t begin = strlen(first);
	if (in.len > ANCHOR_TEXT_MAX || in.len <= LAST_LINE + begin ||
	    memcmp(in.data, first, begin) != 0)
		return err_set(e, ERR_MALFORMED, "this is no anchor");
	struct bytes text = bytes_from(in.data, in.len - LAST_LINE);
	const uint8_t *line = in.data + text.len;
	if (!sha256_of(h, text, digest, e))
		return false;
	to_hex(digest, hex);
	if (memcmp(line, last_word, sizeof(last_word) - 1) != 0 || in.data[in.len - 1] != '\n' ||
	    memcmp(line + sizeof(last_word) - 1, hex, 64) != 0)
		return err_set(e, ERR_CORRUPT, "the anchor does not match its checksum");
	*lines = bytes_from(text.data + begin, text.len - begin);
	return true;
}

static bool
read_head(struct bytes text, struct anchor *a, struct err *e)
{
	struct checkpoint c;
	if (!checkpoint_parse(text, &c, e))
		return err_wrap(e, "anchor");
	if (c.origin.len > NOTE_NAME_MAX || memchr(c.origin.data, 0, c.origin.len) != NULL)
		return err_set(e, ERR_MALFORMED, "anchor: its origin is none");
	memcpy(a->origin, c.origin.data, c.origin.len);
	a->head.size = c.size;
	memcpy(a->head.root, c.root, sizeof(c.root));
	return true;
}

/* What fills a slot are line feeds. */
static bool
read_slot(struct sha256 *h, struct bytes in, size_t place, struct anchor *out, struct err *e)
{
	struct anchor a = { .alone = false };
	struct bytes text, turn;
	in = bytes_from(in.data + place, ANCHOR_SLOT);
	while (in.len > 1 && in.data[in.len - 1] == '\n' && in.data[in.len - 2] == '\n')
		in.len--;
	if (!check_sum(h, in, new_form, &text, e))
		return false;
	if (!checkpoint_line(&text, &turn) || !checkpoint_decimal(turn, &a.turn) || a.turn == 0 ||
	    anchor_place(&a) != place)
		return err_set(e, ERR_CORRUPT, "anchor: a slot in the place of the other");
	if (!read_head(text, &a, e))
		return false;
	*out = a;
	return true;
}

static bool
follows(const struct anchor *new, const struct anchor *old)
{
	return new->turn - old->turn == 1 && strcmp(new->origin, old->origin) == 0 &&
	       (new->head.size > old->head.size ||
		   (new->head.size ==
		       old->head.size &&memcmp(
			   new->head.root, old->head.root, sizeof(old->head.root)) == 0));
}

/* What was written last; a crash tears at most that one. */
static bool
read_slots(struct sha256 *h, struct bytes in, struct anchor *out, struct err *e)
{
	struct anchor slot[2];
	struct err why[2] = { { 0 } };
	bool whole[2];
	for (size_t i = 0; i < 2; i++) {
		whole[i] = read_slot(h, in, i * ANCHOR_SLOT, &slot[i], &why[i]);
		if (!whole[i] && why[i].code != ERR_MALFORMED && why[i].code != ERR_CORRUPT)
			return err_set(e, why[i].code, "%s", why[i].text);
	}
	if (!whole[0] && !whole[1])
		return err_set(e, ERR_CORRUPT, "no slot of the anchor matches its checksum");
	size_t last = whole[0] && (!whole[1] || slot[0].turn > slot[1].turn) ? 0 : 1;
	if (whole[1 - last] && !follows(&slot[last], &slot[1 - last]))
		return err_set(e, ERR_CORRUPT, "the slots of the anchor do not follow one another");
	*out = slot[last];
	out->alone = !whole[1 - last];
	return true;
}

bool
anchor_parse(struct sha256 *h, struct bytes in, struct anchor *out, struct err *e)
{
	struct anchor a = { .turn = 0 };
	struct bytes text;
	if (in.len == ANCHOR_FILE)
		return read_slots(h, in, out, e);
	if (!check_sum(h, in, old_form, &text, e) || !read_head(text, &a, e))
		return false;
	*out = a;
	return true;
}

static bool
refuse(enum signing_reason *why, enum signing_reason reason)
{
	*why = reason;
	return false;
}

/* The anchor again: what was signed may be asked for once more, as an answer can get lost. */
static bool
judge_again(const struct signing_head *at, const struct signing_ask *ask, enum signing_reason *why,
    struct err *e)
{
	if (memcmp(ask->head.root, at->root, sizeof(at->root)) != 0)
		return err_set(e, ERR_FORK, "another log of %" PRIu64 " records was signed already",
			   at->size) ||
		       refuse(why, SIGNING_FORK);
	if (ask->from != at->size || ask->proof.count != 0)
		return err_set(e, ERR_FORK, "a proof from %" PRIu64 " to the anchor of %" PRIu64,
			   ask->from, at->size) ||
		       refuse(why, SIGNING_NOT_PROVEN);
	return true;
}

bool
anchor_judge(struct sha256 *h, const struct signing_head *at, const struct signing_ask *ask,
    enum signing_reason *why, struct err *e)
{
	struct merkle_consistency_claim claim = { .from = at->size, .size = ask->head.size };
	if (ask->head.size < at->size)
		return err_set(e, ERR_FORK,
			   "a log of %" PRIu64 " records, and one of %" PRIu64
			   " was signed: it was cut or rolled back",
			   ask->head.size, at->size) ||
		       refuse(why, SIGNING_ROLLBACK);
	if (ask->head.size == at->size)
		return judge_again(at, ask, why, e);
	if (ask->from != at->size)
		return err_set(e, ERR_FORK,
			   "a proof from %" PRIu64 ", and the anchor is of %" PRIu64, ask->from,
			   at->size) ||
		       refuse(why, SIGNING_NOT_PROVEN);
	if (at->size == 0) /* everything extends the empty log */
		return ask->proof.count == 0 || err_set(e, ERR_FORK, "a proof from nothing") ||
		       refuse(why, SIGNING_NOT_PROVEN);
	memcpy(claim.from_root, at->root, 32);
	memcpy(claim.root, ask->head.root, 32);
	struct err inner = { 0 };
	if (merkle_check_consistency(
		h, &claim, (const uint8_t(*)[32])ask->proof.hash, ask->proof.count, &inner))
		return true;
	bool ours = inner.code != ERR_DATA;
	return err_set(e, ours ? inner.code : ERR_FORK,
		   "the log of %" PRIu64 " records is not proven to extend that of %" PRIu64 ": %s",
		   ask->head.size, at->size, inner.text) ||
	       refuse(why, ours ? SIGNING_FAILED : SIGNING_NOT_PROVEN);
}

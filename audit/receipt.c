#include "audit/receipt.h"

#include "audit/view.h"
#include "audit/wirefield.h"

enum { HEADS_MAX = 256 };

static bool
check_record(struct sha256 *h, const struct receipt_proof *p, struct receipt *r, struct err *e)
{
	return record_opening_parse(p->opening, &r->record, e) &&
	       record_check(&r->record, &r->type, e) &&
	       slot_get_common(RECORD_SLOT(&r->record, 1)->value, &r->common, e) &&
	       record_leaf(h, &r->record, r->leaf, e);
}

bool
receipt_check(struct sha256 *h, const struct checkpoint *head, const struct receipt_proof *p,
    struct receipt *out, struct err *e)
{
	struct receipt r = { .head = *head, .index = p->index };
	struct err why = { 0 };
	if (!check_record(h, p, &r, e))
		return err_wrap(e, "the opening");
	struct merkle_inclusion_claim claim = { .index = p->index, .size = head->size };
	memcpy(claim.leaf, r.leaf, sizeof(claim.leaf));
	memcpy(claim.root, head->root, sizeof(claim.root));
	if (!merkle_check_inclusion(
		h, &claim, (const uint8_t(*)[32])p->path->hash, p->path->count, &why)) {
		enum err_code code = why.code == ERR_DATA ? ERR_UNVERIFIED : why.code;
		return err_set(
		    e, code, "the record is not in the tree of the checkpoint: %.400s", why.text);
	}
	*out = r;
	return true;
}

bool
receipt_open(struct sha256 *h, struct arena *a, struct bytes file,
    const struct checkpoint_trust *trust, struct receipt *out, struct err *e)
{
	struct checkpoint_proof p;
	struct checkpoint head;
	if (!checkpoint_proof_parse(a, file, &p, e))
		return false;
	if (p.extra.len == 0)
		return err_set(
		    e, ERR_MALFORMED, "it has no 'extra': nothing says what the record is");
	if (!checkpoint_open(a, p.note, trust, &head, e))
		return err_wrap(e, "the checkpoint");
	const struct receipt_proof proof = { p.extra, p.index, &p.path };
	return receipt_check(h, &head, &proof, out, e);
}

unsigned
receipt_slots(const struct receipt *r)
{
	unsigned mask = 0;
	for (unsigned i = 1; i <= RECORD_SLOTS; i++)
		if (RECORD_SLOT(&r->record, i)->open)
			mask |= 1u << i;
	return mask;
}

bool
receipt_is_for(const struct receipt *r, struct bytes party)
{
	uint64_t place;
	unsigned open = receipt_slots(r);
	enum view_place where = view_place(&r->record, party, &place);
	if (where == VIEW_PUBLISHER)
		return open == view_slots_published(r->type);
	if (open != view_slots_placed(r->type))
		return false;
	/* where no open slot names the party, only the place tells that it is in a history */
	return where == VIEW_RECIPIENT ||
	       (view_recipient(&r->record).len == 0 &&
		   slot_get_place(RECORD_SLOT(&r->record, 8)->value, &place, NULL) &&
		   place != SLOT_ABSENT);
}

/* ---- contents ---- */

struct manifest {
	struct bytes id;
	struct bytes commitments[HEADS_MAX];
	size_t count;
};

static bool
read_manifest(struct bytes in, struct manifest *out, struct err *e)
{
	struct cursor c = cursor_over(in);
	struct wirefield f;
	*out = (struct manifest){ .count = 0 };
	while (wirefield_next(&c, &f)) {
		if (f.number == 2)
			out->id = f.bytes;
		else if (f.number == 14 && out->count < HEADS_MAX && f.bytes.len == 32)
			out->commitments[out->count++] = f.bytes;
	}
	return !c.failed || err_set(e, ERR_CORRUPT, "the manifest cannot be read");
}

/* SHA-256(0x11 || report id || head), which must be in the manifest. */
static bool
commit(
    struct sha256 *h, const struct manifest *m, struct bytes head, uint8_t out[32], struct err *e)
{
	static const uint8_t kind = 0x11;
	sha256_begin(h);
	sha256_add(h, bytes_from(&kind, 1));
	sha256_add(h, m->id);
	sha256_add(h, head);
	if (!sha256_end(h, out, e))
		return false;
	for (size_t i = 0; i < m->count; i++)
		if (memcmp(m->commitments[i].data, out, 32) == 0)
			return true;
	return err_set(e, ERR_CORRUPT, "a portion is none of the report's");
}

static bool
check_released(struct sha256 *h, const struct receipt *r, const struct receipt_report *report,
    const uint8_t leaf[32], struct err *e)
{
	struct slot_release release = { .released = NULL };
	struct manifest m;
	uint8_t commitments[HEADS_MAX][32], digest[32];
	if (!RECORD_SLOT(&r->record, 2)->open ||
	    !slot_get_release(RECORD_SLOT(&r->record, 2)->value, &release, e) ||
	    release.released == NULL)
		return err_set(e, ERR_USAGE, "the record (%s) does not say what was released",
		    event_token(r->type));
	if (!read_manifest(report->manifest, &m, e))
		return false;
	if (!bytes_equal(m.id, r->common.report))
		return err_set(e, ERR_CORRUPT, "the record is about another report");
	for (size_t i = 0; i < report->count; i++)
		if (!commit(h, &m, report->heads[i], commitments[i], e))
			return false;
	const struct record_release v = { leaf, commitments, report->count };
	if (!record_released(h, &v, digest, e))
		return false;
	return memcmp(digest, release.released, 32) == 0 ||
	       err_set(e, ERR_CORRUPT,
		   "what was released by the record is not this manifest with these %zu portions",
		   report->count);
}

bool
receipt_matches(
    struct sha256 *h, const struct receipt *r, const struct receipt_report *report, struct err *e)
{
	uint8_t leaf[32];
	struct slot_publication p = { .manifest = NULL };
	if (report->count > HEADS_MAX)
		return err_set(e, ERR_MALFORMED, "more than %d portions", HEADS_MAX);
	if (!merkle_leaf(h, report->manifest, leaf, e))
		return false;
	if (RECORD_SLOT(&r->record, 3)->open &&
	    !slot_get_publication(RECORD_SLOT(&r->record, 3)->value, &p, e))
		return false;
	if (p.manifest != NULL && memcmp(p.manifest, leaf, 32) != 0)
		return err_set(e, ERR_CORRUPT, "the record is about another manifest");
	if (p.manifest != NULL && r->type == EVENT_INTAKE)
		return true; /* all of the report, and nothing of a release */
	return check_released(h, r, report, leaf, e);
}

bool
receipt_body_matches(
    struct sha256 *h, struct bytes head, struct bytes front, struct bytes content, struct err *e)
{
	static const uint8_t kind = 0x13;
	struct cursor c = cursor_over(head);
	struct wirefield f;
	struct bytes wanted = { NULL, 0 };
	uint64_t length = 0;
	uint8_t digest[32];
	while (wirefield_next(&c, &f)) {
		if (f.number == 5)
			length = f.varint;
		else if (f.number == 6)
			wanted = f.bytes;
	}
	if (c.failed || wanted.len != 32)
		return err_set(e, ERR_CORRUPT, "the head of a portion cannot be read");
	sha256_begin(h);
	sha256_add(h, bytes_from(&kind, 1));
	sha256_add(h, front);
	sha256_add(h, content);
	if (!sha256_end(h, digest, e))
		return false;
	return (length == front.len + content.len && memcmp(digest, wanted.data, 32) == 0) ||
	       err_set(e, ERR_CORRUPT, "the content is not the one that was released");
}

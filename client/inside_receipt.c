/* inside_receipt.c - a record with its proof, before anybody believes it (PROTOCOL section 5b). */
#include "client/inside.h"

static bool
copy_path(const struct names *in, struct merkle_proof *out)
{
	if (in->count > MERKLE_PROOF_MAX)
		return false;
	out->count = in->count;
	for (size_t i = 0; i < in->count; i++)
		memcpy(out->hash[i], in->items[i].data, 32);
	return true;
}

static bool
check(struct relto_connection *c, const struct msg_proof *p, struct bytes note, struct arena *a,
    struct receipt *out, struct err *e)
{
	struct checkpoint head;
	struct merkle_proof path;
	const struct checkpoint_trust trust = { .log = &c->log };
	const struct receipt_proof proof = { p->opening, p->index, &path };
	if (!checkpoint_open(a, note, &trust, &head, e))
		return err_wrap(e, "its checkpoint");
	if (!inside_heads_shown(c, &head))
		return err_set(e, ERR_UNVERIFIED,
		    "its checkpoint is none that the broker showed in this session");
	if (!copy_path(&p->inclusion, &path))
		return err_set(e, ERR_UNVERIFIED, "its path is too long");
	if (!receipt_check(&c->hash, &head, &proof, out, e))
		return false;
	return receipt_is_for(out, bytes_of(c->session.party)) ||
	       err_set(e, ERR_UNVERIFIED,
		   "it opens more, or less, of the record (%s) than this party may see",
		   event_token(out->type));
}

bool
inside_receipt(struct relto_connection *c, const struct msg_proof *p, struct bytes note,
    struct arena *a, struct receipt *out, struct err *e)
{
	struct err why = { 0 };
	if (!c->ctx->has_log)
		return err_set(e, ERR_CONFIG, "without a log-key nothing can be proved");
	if (check(c, p, note, a, out, &why))
		return true;
	enum err_code ours =
	    why.code == ERR_NOMEM || why.code == ERR_CRYPTO ? why.code : ERR_UNVERIFIED;
	return err_set(
	    e, ours, "the proof of record %llu: %.600s", (unsigned long long)p->index, why.text);
}

bool
inside_receipt_file(
    struct arena *a, const struct msg_proof *p, struct bytes note, struct bytes *out, struct err *e)
{
	struct checkpoint_proof file = { .extra = p->opening, .index = p->index, .note = note };
	if (!copy_path(&p->inclusion, &file.path))
		return err_set(e, ERR_UNVERIFIED, "its path is too long");
	return checkpoint_proof_write(a, &file, out, e);
}

/* ---- of a delivery ---- */

/* As the record has them: LF between. */
static bool
same_agreements(struct bytes text, const struct names *in)
{
	for (size_t i = 0; i < in->count; i++) {
		struct bytes name = in->items[i];
		size_t sep = i + 1 < in->count;
		if (text.len < name.len + sep || memcmp(text.data, name.data, name.len) != 0 ||
		    (sep == 1 && text.data[name.len] != '\n'))
			return false;
		text = bytes_from(text.data + name.len + sep, text.len - name.len - sep);
	}
	return text.len == 0;
}

static bool
same_place(const struct receipt *r, const struct msg_deliver *in, struct err *e)
{
	uint64_t place;
	if (!slot_get_place(RECORD_SLOT(&r->record, 8)->value, &place, e))
		return false;
	return (place == in->evidence.party_index &&
		   memcmp(r->leaf, in->evidence.leaf_hash.data, sizeof(r->leaf)) == 0) ||
	       err_set(e, ERR_UNVERIFIED, "it is not the record that the delivery names");
}

/* What came beside the report is what the record says. */
static bool
same_frame(const struct receipt *r, const struct msg_deliver *in, struct err *e)
{
	struct slot_release release;
	struct body b;
	if (!slot_get_release(RECORD_SLOT(&r->record, 2)->value, &release, e) ||
	    !same_place(r, in, e) ||
	    !event_body_parse(r->type, RECORD_SLOT(&r->record, 7)->value, &b, e))
		return false;
	if (event_body_number(&b, BODY_DELIVERY_ACCEPTED) != in->accepted)
		return err_set(e, ERR_UNVERIFIED, "it has another time of acceptance");
	return same_agreements(release.agreements, &in->agreements) ||
	       err_set(e, ERR_UNVERIFIED, "it names other agreements");
}

/* Of a recall: the RECALL of the report that it names, of which its recipient sees that alone. */
static bool
check_recall(
    const struct receipt *r, const struct msg_deliver *in, const struct envelope *v, struct err *e)
{
	struct slot_common common;
	if (r->type != EVENT_RECALL)
		return err_set(e, ERR_UNVERIFIED, "it is of no recall");
	if (!slot_get_common(RECORD_SLOT(&r->record, 1)->value, &common, e))
		return false;
	return bytes_equal(common.report, v->notice.report)
		   ? same_place(r, in, e)
		   : err_set(e, ERR_UNVERIFIED, "it is the recall of another report");
}

static bool
check_delivery(struct relto_connection *c, const struct msg_deliver *in, const struct envelope *v,
    struct arena *a, struct err *e)
{
	struct receipt r;
	struct bytes *heads = arena_zalloc(a, v->portion_count + 1, sizeof(*heads));
	const struct receipt_report report = { v->manifest_bytes, heads, v->portion_count };
	if (heads == NULL)
		return err_set(e, ERR_NOMEM, "proof");
	for (size_t i = 0; i < v->portion_count; i++)
		heads[i] = v->portions[i].head_bytes;
	if (!in->has_proof)
		return err_set(e, ERR_UNVERIFIED, "it came without one");
	if (!inside_receipt(c, &in->proof, in->checkpoint, a, &r, e))
		return false;
	if (v->has_notice && v->notice.act == ENVELOPE_RECALL)
		return check_recall(&r, in, v, e);
	if (r.type != EVENT_DELIVERY)
		return err_set(e, ERR_UNVERIFIED, "it is of no delivery");
	return receipt_matches(&c->hash, &r, &report, e) && same_frame(&r, in, e);
}

bool
inside_receipt_delivery(struct relto_connection *c, const struct msg_deliver *in,
    const struct envelope *v, struct arena *a, struct err *e)
{
	struct err why = { 0 };
	if (check_delivery(c, in, v, a, &why))
		return true;
	bool ours = why.code == ERR_NOMEM || why.code == ERR_CRYPTO;
	return err_set(e, ours ? why.code : ERR_UNVERIFIED,
	    "there is no proof that it is in the log: %.800s", why.text);
}

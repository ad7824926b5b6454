/* envelope_build.c - making reports: parts, padding, batch signatures (design section 6). */
#include "proto/arena.h"
#include "proto/envelope.h"
#include "proto/limits.h"
#include "proto/parts.h"
#include "proto/sha256.h"

#include <openssl/evp.h>
#include <stdlib.h>

enum { ID_LEN = 16, SALT_LEN = 16, TAG_NODE = 0x01 };

static bool
fill(const struct envelope_maker *by, void *to, size_t n, struct err *e)
{
	return by->fill(by->ctx, to, n) || err_set(e, ERR_CRYPTO, "%zu random bytes", n);
}

/* n random bytes that live in the arena. */
static bool
make(const struct envelope_maker *by, struct arena *a, size_t n, struct bytes *out, struct err *e)
{
	uint8_t *to = arena_alloc(a, n);
	if (to == NULL)
		return err_set(e, ERR_NOMEM, "%zu random bytes", n);
	if (!fill(by, to, n, e))
		return false;
	*out = bytes_from(to, n);
	return true;
}

/* RFC 9562: 48 bits of ms, version 7, variant 2, the rest random. */
static bool
make_id(
    const struct envelope_maker *by, struct arena *a, uint64_t ms, struct bytes *out, struct err *e)
{
	uint8_t *id = arena_alloc(a, ID_LEN);
	if (id == NULL)
		return err_set(e, ERR_NOMEM, "report id");
	if (!fill(by, id, ID_LEN, e))
		return false;
	uint8_t time[8];
	put_u64(time, ms << 16);
	memcpy(id, time, 6);
	id[6] = (uint8_t)(0x70 | (id[6] & 0x0f));
	id[8] = (uint8_t)(0x80 | (id[8] & 0x3f));
	*out = bytes_from(id, ID_LEN);
	return true;
}

static int
by_value(const void *a, const void *b)
{
	uint64_t x, y;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

/* n distinct random 63-bit numbers, rising: the reading order without its gaps. */
static bool
make_orders(const struct envelope_maker *by, uint64_t *orders, size_t n, struct err *e)
{
	bool distinct;
	do {
		if (!fill(by, orders, n * sizeof(*orders), e))
			return false;
		for (size_t i = 0; i < n; i++)
			orders[i] >>= 1;
		qsort(orders, n, sizeof(*orders), by_value);
		distinct = true;
		for (size_t i = 1; i < n; i++)
			distinct = distinct && orders[i - 1] != orders[i];
	} while (!distinct);
	return true;
}

static size_t
class_for(size_t portions)
{
	size_t n = 4;
	while (n < portions)
		n *= 4;
	return n;
}

static int
by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, SHA256_LEN);
}

/* Pads with random values to the class and sorts, so neither number nor place of any shows. */
static bool
make_commitments(const struct envelope_maker *by, struct arena *a, const struct msg_publish *p,
    struct envelope_manifest *m, struct err *e)
{
	size_t n = class_for(p->portion_count);
	uint8_t *all = arena_alloc(a, n * SHA256_LEN);
	struct bytes *views = arena_zalloc(a, n, sizeof(*views));
	if (all == NULL || views == NULL)
		return err_set(e, ERR_NOMEM, "%zu commitments", n);
	if (!fill(by, all, n * SHA256_LEN, e))
		return false;
	for (size_t i = 0; i < p->portion_count; i++) {
		struct envelope_part head = { ENVELOPE_HEAD, m->id, p->portions[i].head };
		if (!envelope_commit(by->hash, &head, all + i * SHA256_LEN, e))
			return false;
	}
	qsort(all, n, SHA256_LEN, by_bytes);
	for (size_t i = 0; i < n; i++)
		views[i] = bytes_from(all + i * SHA256_LEN, SHA256_LEN);
	m->commitments = (struct names){ views, n };
	return true;
}

static bool
build_portion(const struct envelope_maker *by, struct arena *a,
    const struct envelope_draft_portion *d, struct msg_portion *out, struct err *e)
{
	struct parts_body b = { .title = d->title, .content = d->content };
	struct parts_head h = {
		.labels = d->labels, .label_count = d->label_count, .content_type = d->content_type
	};
	uint8_t digest[SHA256_LEN];
	memcpy(&h.order, out->head.data, sizeof(h.order)); /* left there by build_portions */
	if (!make(by, a, SALT_LEN, &b.salt, e) || !make(by, a, SALT_LEN, &h.salt, e))
		return false;
	if (!parts_write(PARTS_PORTION_BODY, &b, a, &out->body, e))
		return err_wrap(e, "body");
	h.body_length = out->body.len;
	h.body_digest = bytes_from(digest, sizeof(digest));
	if (!envelope_body_digest(by->hash, out->body, digest, e))
		return false;
	return parts_write(PARTS_PORTION_HEAD, &h, a, &out->head, e) || err_wrap(e, "head");
}

static bool
build_portions(const struct envelope_maker *by, const struct envelope_draft *d, struct arena *a,
    struct msg_publish *p, struct err *e)
{
	size_t n = d->portion_count;
	if (n > LIMIT_PORTIONS)
		return err_set(e, ERR_LIMIT, "%zu portions, not at most %u", n, LIMIT_PORTIONS);
	struct msg_portion *out = arena_zalloc(a, n, sizeof(*out));
	uint64_t *orders = arena_zalloc(a, n, sizeof(*orders));
	if (out == NULL || orders == NULL)
		return err_set(e, ERR_NOMEM, "%zu portions", n);
	if (!make_orders(by, orders, n, e))
		return false;
	for (size_t i = 0; i < n; i++) {
		out[i].head = bytes_from(&orders[i], sizeof(orders[i]));
		if (!build_portion(by, a, &d->portions[i], &out[i], e))
			return err_wrap(e, "portions[%zu]", i);
	}
	p->portions = out;
	p->portion_count = n;
	return true;
}

static bool
build_routing(const struct envelope_maker *by, const struct envelope_draft *d, struct arena *a,
    struct msg_publish *p, struct err *e)
{
	struct envelope_routing r = d->routing;
	struct envelope_notice n = d->notice;
	if (!make(by, a, SALT_LEN, &r.salt, e) || !make(by, a, SALT_LEN, &n.salt, e))
		return false;
	if (!parts_write(PARTS_ROUTING, &r, a, &p->routing, e))
		return err_wrap(e, "routing");
	if (d->has_notice && !parts_write(PARTS_NOTICE, &n, a, &p->notice, e))
		return err_wrap(e, "notice");
	return true;
}

static bool
build_manifest(const struct envelope_maker *by, const struct envelope_draft *d, struct arena *a,
    struct msg_publish *p, struct err *e)
{
	struct envelope_manifest m = { 1, d->id, d->hub, d->originator, d->signer, d->topic,
		d->precedence, d->mode, d->created, d->not_before, d->expires, { 0 }, { 0 },
		{ 0 } };
	if (m.id.len == 0 && !make_id(by, a, d->created, &m.id, e))
		return false;
	uint8_t routing[SHA256_LEN], notice[SHA256_LEN];
	m.routing = bytes_from(routing, sizeof(routing));
	m.notice = bytes_from(notice, sizeof(notice));
	struct envelope_part rp = { ENVELOPE_ROUTING, m.id, p->routing };
	struct envelope_part np = { ENVELOPE_NOTICE, m.id, p->notice };
	if (!envelope_commit(by->hash, &rp, routing, e) ||
	    !(d->has_notice ? envelope_commit(by->hash, &np, notice, e)
			    : fill(by, notice, sizeof(notice), e)) ||
	    !make_commitments(by, a, p, &m, e))
		return false;
	return parts_write(PARTS_MANIFEST, &m, a, &p->manifest, e) || err_wrap(e, "manifest");
}

static size_t
size_of(const struct msg_publish *p)
{
	size_t sum = p->manifest.len + p->routing.len + p->notice.len + LIMIT_SIGNATURE_BYTES;
	for (size_t i = 0; i < p->portion_count; i++)
		sum += p->portions[i].head.len + p->portions[i].body.len;
	return sum;
}

bool
envelope_build(const struct envelope_maker *by, const struct envelope_draft *d, struct arena *a,
    struct msg_publish *out, struct err *e)
{
	struct msg_publish p = { 0 };
	bool recall = d->has_notice && d->notice.act == ENVELOPE_RECALL;
	if (recall != (d->portion_count == 0))
		return err_set(
		    e, ERR_MALFORMED, recall ? "a recall has no portions" : "no portions");
	if (!build_portions(by, d, a, &p, e) || !build_routing(by, d, a, &p, e) ||
	    !build_manifest(by, d, a, &p, e))
		return false;
	if (size_of(&p) > LIMIT_REPORT_BYTES)
		return err_set(e, ERR_LIMIT, "a report of %zu bytes, not at most %u", size_of(&p),
		    LIMIT_REPORT_BYTES);
	*out = p;
	return true;
}

/* ---- signing ---- */

/* A tree of 64 leaves of which some are reports; level l has 64 >> l nodes. */
struct tree {
	struct {
		uint8_t hash[SHA256_LEN];
		bool known;
	} node[SEAL_PATH + 1][SEAL_BATCH_MAX];
	uint32_t place[SEAL_BATCH_MAX]; /* of report i */
};

static bool
take_place(const struct envelope_maker *by, struct tree *t, uint32_t *out, struct err *e)
{
	uint8_t p;
	do {
		if (!fill(by, &p, 1, e))
			return false;
		p %= SEAL_BATCH_MAX; /* 64 divides 256: no bias */
	} while (t->node[0][p].known);
	t->node[0][p].known = true;
	*out = p;
	return true;
}

/* The parent of a pair of which one or both are known; the other becomes random. */
static bool
join(const struct envelope_maker *by, struct tree *t, unsigned l, unsigned pair, struct err *e)
{
	for (unsigned i = 2 * pair; i < 2 * pair + 2; i++)
		if (!t->node[l][i].known && !fill(by, t->node[l][i].hash, SHA256_LEN, e))
			return false;
	sha256_begin(by->hash);
	sha256_add(by->hash, bytes_from(&(uint8_t){ TAG_NODE }, 1));
	sha256_add(by->hash, bytes_from(t->node[l][2 * pair].hash, SHA256_LEN));
	sha256_add(by->hash, bytes_from(t->node[l][2 * pair + 1].hash, SHA256_LEN));
	t->node[l + 1][pair].known = true;
	return sha256_end(by->hash, t->node[l + 1][pair].hash, e);
}

static bool
grow(const struct envelope_maker *by, const struct envelope_batch *b, struct tree *t, struct err *e)
{
	for (size_t i = 0; i < b->count; i++)
		if (!take_place(by, t, &t->place[i], e) ||
		    !envelope_leaf(
			by->hash, b->reports[i]->manifest, t->node[0][t->place[i]].hash, e))
			return false;
	for (unsigned l = 0; l < SEAL_PATH; l++)
		for (unsigned pair = 0; pair < (1u << SEAL_PATH) >> (l + 1); pair++)
			if ((t->node[l][2 * pair].known || t->node[l][2 * pair + 1].known) &&
			    !join(by, t, l, pair, e))
				return false;
	return true;
}

static bool
sign_root(EVP_PKEY *key, const uint8_t root[32], struct arena *a, struct bytes *out, struct err *e)
{
	uint8_t message[SEAL_MESSAGE_MAX];
	return seal_sign(key, bytes_from(message, seal_message(root, message)), a, out, e);
}

static bool
write_seal(const struct tree *t, uint32_t place, struct bytes signature, struct arena *a,
    struct bytes *out)
{
	struct bytes path[SEAL_PATH];
	for (unsigned l = 0; l < SEAL_PATH; l++)
		path[l] = bytes_from(t->node[l][(place >> l) ^ 1].hash, SHA256_LEN);
	struct seal s = { place, { path, SEAL_PATH }, signature };
	return parts_write(PARTS_SEAL, &s, a, out, NULL);
}

static bool
seal_single(const struct envelope_maker *by, struct msg_publish *p, EVP_PKEY *key, struct arena *a,
    struct err *e)
{
	uint8_t leaf[SHA256_LEN];
	struct seal s = { 0 };
	return envelope_leaf(by->hash, p->manifest, leaf, e) &&
	       sign_root(key, leaf, a, &s.signature, e) &&
	       parts_write(PARTS_SEAL, &s, a, &p->seal, e);
}

bool
envelope_seal(const struct envelope_maker *by, const struct envelope_batch *b, EVP_PKEY *key,
    struct arena *a, struct err *e)
{
	if (b->count == 0 || b->count > SEAL_BATCH_MAX || (b->single && b->count != 1))
		return err_set(e, ERR_USAGE, "a batch of %zu reports", b->count);
	if (b->single)
		return seal_single(by, b->reports[0], key, a, e);
	struct tree *t = arena_zalloc(a, 1, sizeof(*t));
	struct bytes signature;
	if (t == NULL)
		return err_set(e, ERR_NOMEM, "a batch");
	if (!grow(by, b, t, e) || !sign_root(key, t->node[SEAL_PATH][0].hash, a, &signature, e))
		return false;
	for (size_t i = 0; i < b->count; i++)
		if (!write_seal(t, t->place[i], signature, a, &b->reports[i]->seal))
			return err_set(e, ERR_NOMEM, "seal %zu", i);
	return true;
}

/* envelope.c - opening reports and their parts; envelope_verify.c and envelope_build.c do the rest.
 */
#include "proto/envelope.h"

#include "proto/arena.h"
#include "proto/limits.h"
#include "proto/parts.h"
#include <stdio.h>

/* Where a fault is: "manifest.topic", "portions[3].head.labels[0]". */
struct spot {
	struct parts_place at;
	struct fault *f; /* may be NULL */
};

static bool
blame(struct spot *s, const char *part, struct err *e)
{
	const char *dot = s->at.where[0] == 0 ? "" : ".";
	if (s->f != NULL)
		(void)snprintf(
		    s->f->field, sizeof(s->f->field), "%s%s%.46s", part, dot, s->at.where);
	return err_wrap(e, "%s", part);
}

/* A fault that concerns a whole part or the report. */
static bool
refuse(struct spot *s, const char *part, struct err *e)
{
	s->at.where[0] = 0;
	return blame(s, part, e);
}

static bool
read_part(struct spot *s, enum parts_type type, struct bytes in, void *out, struct err *e)
{
	static const char *const names[] = { [PARTS_MANIFEST] = "manifest",
		[PARTS_ROUTING] = "routing",
		[PARTS_NOTICE] = "notice",
		[PARTS_SEAL] = "seal" };
	return parts_read(type, in, &s->at, out, e) || blame(s, names[type], e);
}

static bool
check_class(const struct envelope_manifest *m, struct err *e)
{
	size_t n = m->commitments.count;
	if (n != 4 && n != 16 && n != 64 && n != 256)
		return err_set(e, ERR_MALFORMED, "commitments: %zu, not 4, 16, 64 or 256", n);
	return true;
}

bool
envelope_manifest_decode(
    struct bytes in, struct arena *a, struct envelope_manifest *out, struct err *e)
{
	struct parts_place at = { .arena = a };
	struct envelope_manifest m;
	if (!parts_read(PARTS_MANIFEST, in, &at, &m, e) || !check_class(&m, e))
		return err_wrap(e, "manifest");
	*out = m;
	return true;
}

bool
envelope_routing_decode(
    struct bytes in, struct arena *a, struct envelope_routing *out, struct err *e)
{
	struct parts_place at = { .arena = a };
	struct envelope_routing r;
	if (!parts_read(PARTS_ROUTING, in, &at, &r, e))
		return err_wrap(e, "routing");
	*out = r;
	return true;
}

bool
envelope_notice_decode(struct bytes in, struct arena *a, struct envelope_notice *out, struct err *e)
{
	struct parts_place at = { .arena = a };
	struct envelope_notice n;
	if (!parts_read(PARTS_NOTICE, in, &at, &n, e))
		return err_wrap(e, "notice");
	*out = n;
	return true;
}

bool
envelope_seal_decode(struct bytes in, struct arena *a, struct seal *out, struct err *e)
{
	struct parts_place at = { .arena = a };
	struct seal s;
	if (!parts_read(PARTS_SEAL, in, &at, &s, e) || !seal_check(&s, e))
		return err_wrap(e, "seal");
	*out = s;
	return true;
}

/* 'place' says which part of the portion was at fault: "head", "body". */
static bool
read_portion(struct parts_place *at, const struct msg_portion *in, struct envelope_portion *out,
    const char **place, struct err *e)
{
	struct parts_head h;
	struct parts_body b = { 0 };
	*place = "head";
	if (!parts_read(PARTS_PORTION_HEAD, in->head, at, &h, e))
		return false;
	*place = "body";
	if (in->body.len != 0 && !parts_read(PARTS_PORTION_BODY, in->body, at, &b, e))
		return false;
	*out = (struct envelope_portion){ in->head, in->body, h.order, h.labels, h.label_count,
		h.content_type, h.body_length, h.body_digest, b.title, b.content };
	return true;
}

bool
envelope_portion_decode(struct bytes head, struct bytes body, struct arena *a,
    struct envelope_portion *out, struct err *e)
{
	struct parts_place at = { .arena = a };
	const struct msg_portion in = { head, body };
	const char *place;
	struct envelope_portion p;
	if (!read_portion(&at, &in, &p, &place, e))
		return err_wrap(e, "%s", place);
	*out = p;
	return true;
}

/* Reads every portion; a body must be there, and the order must rise. */
static bool
open_portions(struct spot *s, const struct msg_portion *in, struct envelope *v, struct err *e)
{
	char name[48];
	struct envelope_portion *out = arena_zalloc(s->at.arena, v->portion_count, sizeof(*out));
	if (out == NULL)
		return err_set(e, ERR_NOMEM, "%zu portions", v->portion_count);
	for (size_t i = 0; i < v->portion_count; i++) {
		const char *place = "body";
		bool ok = in[i].body.len != 0 ? read_portion(&s->at, &in[i], &out[i], &place, e)
					      : err_set(e, ERR_MALFORMED, "missing");
		(void)snprintf(name, sizeof(name), "portions[%zu].%s", i, place);
		if (!ok)
			return in[i].body.len == 0 ? refuse(s, name, e) : blame(s, name, e);
		(void)snprintf(name, sizeof(name), "portions[%zu].head.order", i);
		if (i != 0 && out[i - 1].order >= out[i].order) {
			(void)err_set(e, ERR_MALFORMED, "not in strictly ascending order");
			return refuse(s, name, e);
		}
	}
	v->portions = out;
	return true;
}

static size_t
total_bytes(const struct envelope *v, const struct msg_portion *portions)
{
	size_t sum =
	    v->manifest_bytes.len + v->routing_bytes.len + v->notice_bytes.len + v->seal_bytes.len;
	for (size_t i = 0; i < v->portion_count; i++)
		sum += portions[i].head.len + portions[i].body.len;
	return sum;
}

/* Manifest, notice, seal and portions, which publisher and recipient both have. */
static bool
open_common(struct spot *s, const struct msg_portion *portions, struct envelope *v, struct err *e)
{
	if (v->portion_count > LIMIT_PORTIONS) {
		(void)err_set(
		    e, ERR_LIMIT, "%zu, not at most %u", v->portion_count, LIMIT_PORTIONS);
		return refuse(s, "portions", e);
	}
	size_t total = total_bytes(v, portions);
	if (total > LIMIT_REPORT_BYTES)
		return err_set(e, ERR_LIMIT, "a report of %zu bytes, not at most %u", total,
		    LIMIT_REPORT_BYTES);
	if (!read_part(s, PARTS_MANIFEST, v->manifest_bytes, &v->manifest, e))
		return false;
	if (!check_class(&v->manifest, e))
		return refuse(s, "manifest.commitments", e);
	v->has_notice = v->notice_bytes.len != 0;
	if (v->has_notice && !read_part(s, PARTS_NOTICE, v->notice_bytes, &v->notice, e))
		return false;
	if (!read_part(s, PARTS_SEAL, v->seal_bytes, &v->seal, e))
		return false;
	if (!seal_check(&v->seal, e))
		return refuse(s, "seal.path", e);
	if (v->portion_count > v->manifest.commitments.count) {
		(void)err_set(e, ERR_MALFORMED, "%zu portions, %zu commitments", v->portion_count,
		    v->manifest.commitments.count);
		return refuse(s, "portions", e);
	}
	return open_portions(s, portions, v, e);
}

/* A recall withdraws a report and carries nothing of its own (design section 8). */
static bool
check_recall(struct spot *s, const struct envelope *v, struct err *e)
{
	bool recall = v->has_notice && v->notice.act == ENVELOPE_RECALL;
	if (!recall && v->portion_count == 0) {
		(void)err_set(e, ERR_MALFORMED, "none");
		return refuse(s, "portions", e);
	}
	const struct envelope_routing *r = &v->routing;
	if (recall && (v->portion_count != 0 || r->agreement_count != 0 || r->has_only_to ||
			  r->not_to.count != 0 || r->sources.count != 0)) {
		(void)err_set(
		    e, ERR_MALFORMED, "a recall has no portions, agreements, lists or sources");
		return refuse(s, "notice.act", e);
	}
	return true;
}

bool
envelope_open(const struct msg_publish *p, struct arena *a, struct envelope *out, struct fault *f,
    struct err *e)
{
	struct spot s = { { .arena = a }, f };
	struct envelope v = { .manifest_bytes = p->manifest,
		.routing_bytes = p->routing,
		.notice_bytes = p->notice,
		.seal_bytes = p->seal,
		.has_routing = true,
		.portion_count = p->portion_count };
	if (!open_common(&s, p->portions, &v, e) ||
	    !read_part(&s, PARTS_ROUTING, v.routing_bytes, &v.routing, e) ||
	    !check_recall(&s, &v, e))
		return false;
	*out = v;
	return true;
}

bool
envelope_open_delivery(const struct msg_deliver *d, struct arena *a, struct envelope *out,
    struct fault *f, struct err *e)
{
	struct spot s = { { .arena = a }, f };
	struct envelope v = { .manifest_bytes = d->manifest,
		.notice_bytes = d->notice,
		.seal_bytes = d->seal,
		.portion_count = d->portion_count };
	if (!open_common(&s, d->portions, &v, e) || !check_recall(&s, &v, e))
		return false;
	*out = v;
	return true;
}

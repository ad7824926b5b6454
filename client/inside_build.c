/* inside_build.c - from the caller's report to the parts that are signed and sent. */
#include "client/inside.h"

#include <assert.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <time.h>

enum { REPORT_EXTRA = 256 << 10 };

static bool
random_fill(void *ctx, void *to, size_t n)
{
	(void)ctx;
	return n <= INT32_MAX && RAND_bytes(to, (int)n) == 1;
}

static uint64_t
now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool
copy_names(struct arena *a, const struct relto_texts *in, struct names *out)
{
	struct bytes *items = arena_zalloc(a, in->count, sizeof(*items));
	if (items == NULL)
		return false;
	for (size_t i = 0; i < in->count; i++)
		items[i] = bytes_of(in->items[i]);
	*out = (struct names){ items, in->count };
	return true;
}

static bool
copy_label(struct arena *a, const struct relto_label *in, struct raw_label *out)
{
	struct raw_category *c = arena_zalloc(a, in->category_count, sizeof(*c));
	if (c == NULL)
		return false;
	for (size_t i = 0; i < in->category_count; i++) {
		c[i].name = bytes_of(in->categories[i].name);
		if (!copy_names(a, &in->categories[i].values, &c[i].values))
			return false;
	}
	*out = (struct raw_label){ bytes_of(in->vocabulary), bytes_of(in->classification), c,
		in->category_count };
	return true;
}

static bool
copy_portion(struct arena *a, const struct relto_portion *in, struct envelope_draft_portion *out)
{
	struct raw_label *labels = arena_zalloc(a, in->label_count, sizeof(*labels));
	if (labels == NULL)
		return false;
	for (size_t i = 0; i < in->label_count; i++)
		if (!copy_label(a, &in->labels[i], &labels[i]))
			return false;
	*out = (struct envelope_draft_portion){ labels, in->label_count,
		bytes_of(in->content_type == NULL ? "text/plain" : in->content_type),
		bytes_of(in->title), bytes_from(in->content.data, in->content.len) };
	return true;
}

/* The terms under which an agreement is named: those pinned, else those of this session.  One that
 * the session does not have goes out with zeroes, and the broker says what it says of any such. */
static bool
find_terms(struct relto_connection *c, const char *name, const uint8_t **out, struct relto_error *e)
{
	static const uint8_t none[32];
	const uint8_t *shown = none, *pinned = NULL;
	const struct relto_identity *known = &c->session;
	if (c->more_agreements && c->all == NULL && !relto_whoami(c, &c->all, e))
		return false;
	if (c->all != NULL)
		known = c->all;
	for (size_t i = 0; i < known->agreement_count; i++)
		if (strcmp(known->agreements[i].name, name) == 0)
			shown = known->agreements[i].terms;
	for (size_t i = 0; i < c->ctx->pin_count; i++)
		if (strcmp(c->ctx->pins[i].agreement, name) == 0)
			pinned = c->ctx->pins[i].terms;
	if (pinned != NULL && memcmp(pinned, shown, 32) != 0)
		return inside_failf(e, ERR_AGREEMENT_NOT_USABLE,
		    "agreement %s: the broker's terms are not those that were accepted", name);
	*out = shown;
	return true;
}

static bool
copy_agreements(struct relto_connection *c, struct arena *a, const struct relto_report *in,
    struct envelope_routing *out, struct relto_error *e)
{
	size_t n = in->agreements.count;
	struct envelope_agreement *list = arena_zalloc(a, n, sizeof(*list));
	if (list == NULL)
		return inside_failf(e, ERR_NOMEM, "report");
	for (size_t i = 0; i < n; i++) {
		const uint8_t *terms = NULL;
		if (!find_terms(c, in->agreements.items[i], &terms, e))
			return false;
		list[i] = (struct envelope_agreement){ bytes_of(in->agreements.items[i]),
			bytes_from(terms, 32) };
	}
	out->agreements = list;
	out->agreement_count = n;
	return true;
}

static bool
copy_routing(struct arena *a, const struct relto_report *in, struct envelope_routing *out)
{
	struct bytes *sources = arena_zalloc(a, in->source_count, sizeof(*sources));
	if (sources == NULL)
		return false;
	for (size_t i = 0; i < in->source_count; i++)
		sources[i] = bytes_from(in->sources[i].id, RELTO_ID_BYTES);
	out->sources = (struct names){ sources, in->source_count };
	out->has_only_to = in->has_only_to;
	out->backfill = in->backfill;
	return copy_names(a, &in->only_to, &out->only_to) &&
	       copy_names(a, &in->not_to, &out->not_to);
}

static bool
copy_portions(struct arena *a, const struct relto_report *in, struct envelope_draft *d)
{
	struct envelope_draft_portion *p = arena_zalloc(a, in->portion_count, sizeof(*p));
	if (p == NULL)
		return false;
	for (size_t i = 0; i < in->portion_count; i++)
		if (!copy_portion(a, &in->portions[i], &p[i]))
			return false;
	d->portions = p;
	d->portion_count = in->portion_count;
	return true;
}

static bool
has_id(const struct relto_report *r)
{
	static const uint8_t none[RELTO_ID_BYTES];
	return memcmp(r->id, none, sizeof(none)) != 0;
}

static struct envelope_maker
maker(struct relto_connection *c)
{
	return (struct envelope_maker){ &c->hash, random_fill, NULL };
}

static bool
build(struct relto_connection *c, const struct relto_report *in, const struct relto_notice *about,
    struct inside_pending *p, struct relto_error *e)
{
	struct err why;
	struct envelope_manifest m;
	struct envelope_maker by = maker(c);
	struct envelope_draft d = {
		.id = has_id(in) ? bytes_from(in->id, RELTO_ID_BYTES) : (struct bytes){ NULL, 0 },
		.hub = bytes_of(c->ctx->hub_id),
		.originator = bytes_of(c->signer_id),
		.signer = bytes_from(c->signer_digest, sizeof(c->signer_digest)),
		.topic = bytes_of(in->topic),
		.precedence =
		    in->precedence == 0 ? PRECEDENCE_ROUTINE : (enum precedence)in->precedence,
		.mode = in->exercise ? MODE_EXERCISE : MODE_LIVE,
		.created = now_ms(),
		.not_before = in->not_before,
		.expires = in->expires,
	};
	if (c->signer_id == NULL)
		return inside_failf(e, ERR_NOT_PUBLISHER,
		    "the certificate may not sign reports (extended key usage documentSigning, "
		    "1.3.6.1.5.5.7.3.36, and key usage digitalSignature)");
	if (!copy_agreements(c, &p->arena, in, &d.routing, e))
		return false;
	d.has_notice = about != NULL;
	if (about != NULL)
		d.notice = (struct envelope_notice){ .act = (enum envelope_act)about->act,
			.report = bytes_from(about->report, RELTO_ID_BYTES),
			.reason = bytes_of(about->code) };
	if (!copy_routing(&p->arena, in, &d.routing) || !copy_portions(&p->arena, in, &d))
		return inside_failf(e, ERR_NOMEM, "report");
	if (!envelope_build(&by, &d, &p->arena, &p->report, &why) ||
	    !envelope_manifest_decode(p->report.manifest, &p->arena, &m, &why))
		return inside_fail(e, &why);
	memcpy(p->id, m.id.data, sizeof(p->id));
	p->lane = (uint8_t)(m.precedence - 1);
	return true;
}

static size_t
content_bytes(const struct relto_report *r)
{
	size_t sum = 0;
	for (size_t i = 0; i < r->portion_count; i++)
		sum += r->portions[i].content.len;
	return sum;
}

size_t
inside_bytes(const struct msg_publish *p)
{
	size_t sum = p->manifest.len + p->routing.len + p->notice.len + p->seal.len;
	for (size_t i = 0; i < p->portion_count; i++)
		sum += p->portions[i].head.len + p->portions[i].body.len;
	return sum;
}

bool
inside_build(struct relto_connection *c, const struct relto_report *report,
    const struct relto_notice *about, struct inside_pending **out, struct relto_error *e)
{
	struct inside_pending *p;
	size_t content = content_bytes(report);
	if (report->topic == NULL)
		return inside_failf(e, ERR_USAGE, "the report has no topic");
	if (content > LIMIT_REPORT_BYTES)
		return inside_failf(e, ERR_LIMIT, "a report of %zu bytes, not at most %u", content,
		    LIMIT_REPORT_BYTES);
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return inside_failf(e, ERR_NOMEM, "report");
	arena_init(&p->arena, 2 * content + (size_t)LIMIT_MESSAGE_BYTES / 4 + REPORT_EXTRA);
	if (!build(c, report, about, p, e)) {
		inside_pending_free(p);
		return false;
	}
	*out = p;
	return true;
}

bool
inside_seal(struct relto_connection *c, const struct envelope_batch *b, struct arena *a,
    struct relto_error *e)
{
	struct err why;
	struct envelope_maker by = maker(c);
	return envelope_seal(&by, b, inside_signer(c->ctx)->key, a, &why) || inside_fail(e, &why);
}

bool
inside_is_about(
    struct relto_connection *c, struct bytes report, const uint8_t id[16], struct relto_error *e)
{
	struct err why;
	if (bytes_equal(report, bytes_from(id, RELTO_ID_BYTES)))
		return true;
	(void)err_set(&why, ERR_PROTOCOL, "the broker answered about another report");
	return inside_break(c, &why, e);
}

bool
inside_ask_decision(struct relto_connection *c, const struct relto_report *report,
    const struct relto_notice *about, uint8_t id[16], struct relto_error *e)
{
	struct inside_pending *p = NULL;
	if (!inside_up(c, e) || !inside_build(c, report, about, &p, e))
		return false;
	assert(p != NULL);
	struct msg_publish *one = &p->report;
	struct envelope_batch b = { &one, 1, !c->ctx->batch };
	struct msg m = { .type = MSG_PUBLISH };
	bool ok = inside_seal(c, &b, &p->arena, e);
	if (ok) {
		m.publish = p->report;
		m.publish.dry_run = true;
		memcpy(id, p->id, sizeof(p->id));
		ok = inside_start(c, &m, p->lane, e);
	}
	inside_pending_free(p);
	return ok;
}

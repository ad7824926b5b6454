#include "audit/verify_attest.h"

#include "audit/export.h"
#include "audit/verify_chain.h"
#include "proto/seal.h"

/* One judgement. */
struct scene {
	const struct verify_slots *s;
	struct arena a;
	bool complete; /* all that it takes is there */
	struct bytes chain;
	const char *domain; /* the party's; NULL: the policy does not have the party */
	struct bytes anchors[LIMIT_ANCHORS]; /* DER */
	size_t anchor_count;
};

/* The entry of everything that the verdict on this chain depends on, but for the time. */
static bool
entry(struct verify *v, const struct verify_slots *s, struct verify_chain **out, struct err *e)
{
	const struct bytes parts[] = { event_body_get(&s->body, BODY_ACK_CERTIFICATE),
		bytes_from(v->policy, sizeof(v->policy)), s->release.recipient };
	const struct verify_chain_name name = { parts, sizeof(parts) / sizeof(parts[0]),
		verify_chain_time(s) };
	return verify_chains_find(v, &v->attesters, &name, out, e);
}

/* ---- what it is judged by ---- */

static bool
add_anchor(struct verify *v, struct scene *c, struct bytes hex, struct err *e)
{
	uint8_t digest[32];
	struct verify_want want = { BUNDLE_ANCHOR, digest, &c->a };
	if (!bundle_unhex(hex, digest) || c->anchor_count == LIMIT_ANCHORS)
		return true;
	if (!verify_run_content(v, c->s->r.index, &want, &c->anchors[c->anchor_count], e))
		return false;
	c->complete = c->complete && c->anchors[c->anchor_count++].data != NULL;
	return true;
}

/* What the block of the party has: its trust domain and its anchors. */
static bool
read_party(struct verify *v, struct scene *c, struct bytes export, struct err *e)
{
	struct bytes line, rest, party = c->s->release.recipient;
	bool inside = false, ended = false;
	const char *head =
	    arena_printf(&c->a, "party %.*s {", (int)party.len, (const char *)party.data);
	if (head == NULL)
		return err_set(e, ERR_NOMEM, "policy");
	while (!ended && export_line(&export, &line)) {
		ended = inside && bytes_is(line, "}");
		if (inside && export_between(line, "    trust-domain ", "", &rest)) {
			c->domain =
			    arena_printf(&c->a, "%.*s", (int)rest.len, (const char *)rest.data);
			if (c->domain == NULL)
				return err_set(e, ERR_NOMEM, "policy");
		}
		if (inside && export_between(line, "    anchor ", "", &rest) &&
		    !add_anchor(v, c, rest, e))
			return false;
		inside = inside || bytes_is(line, head);
	}
	return true;
}

static bool
gather(struct verify *v, struct scene *c, struct err *e)
{
	struct bytes export = { NULL, 0 };
	struct verify_want chain = { BUNDLE_CHAIN,
		event_body_get(&c->s->body, BODY_ACK_CERTIFICATE).data, &c->a };
	struct verify_want policy = { BUNDLE_POLICY, v->policy, &c->a };
	if (!verify_run_content(v, c->s->r.index, &chain, &c->chain, e) ||
	    !verify_run_content(v, c->s->r.index, &policy, &export, e))
		return false;
	c->complete = c->chain.data != NULL && export.data != NULL;
	return !c->complete || read_party(v, c, export, e);
}

/* ---- the judgement ---- */

static bool
judge(struct verify *v, struct scene *c, struct verify_chain *by, struct err *e)
{
	bool good = false;
	struct verify_chain_case k = { .s = c->s,
		.whose = "who attested it",
		.use = CHAIN_CLIENT,
		.chain = c->chain,
		.anchors = c->anchors,
		.anchor_count = c->anchor_count };
	bool ok = verify_chain_leaf(v, &k, &good, e);
	if (ok && good && (c->domain == NULL || !bytes_is(k.found.cert.id.domain, c->domain)))
		(void)verify_chain_bad(v, &k, "its trust domain is not that of the party");
	else if (ok && good)
		ok = verify_chain_path(v, &k, by, e);
	verify_chain_case_done(&k);
	return ok;
}

/* by->key is NULL if something is missing ('*judged' false) or if the chain is not good, which is
 * told. */
static bool
find_attester(struct verify *v, const struct verify_slots *s, struct verify_chain **by,
    bool *judged, struct err *e)
{
	if (!entry(v, s, by, e))
		return false;
	*judged = true;
	if ((*by)->key != NULL)
		return true;
	struct scene c = { .s = s };
	arena_init(&c.a, VERIFY_FILE_MAX);
	bool ok = gather(v, &c, e) && (!c.complete || judge(v, &c, *by, e));
	*judged = c.complete;
	arena_done(&c.a);
	return ok;
}

static bool
check(struct verify *v, const struct verify_slots *s, const struct verify_chain *by, struct err *e)
{
	SCOPED(arena_done) struct arena a;
	struct bytes text;
	struct err why;
	struct log_attest said = { bytes_of(v->out->origin), s->release.recipient,
		event_body_number(&s->body, BODY_ACK_SIZE), { 0 } };
	arena_init(&a, VERIFY_FILE_MAX);
	memcpy(said.root, event_body_get(&s->body, BODY_ACK_ROOT).data, sizeof(said.root));
	if (s->hub.certificate == NULL || memcmp(s->hub.certificate, by->leaf, 32) != 0)
		verify_run_find(v, VERIFY_SIGNATURE, s->r.index,
		    "it is attested by another certificate than that of its session");
	if (!log_attest_text(&a, &said, &text, e))
		return false;
	if (seal_holds(by->key, text, event_body_get(&s->body, BODY_ACK_SIGNATURE), &why)) {
		v->out->attested++;
		return true;
	}
	if (why.code != ERR_BAD_SIGNATURE)
		return err_set(e, why.code, "%s", why.text);
	verify_run_find(
	    v, VERIFY_SIGNATURE, s->r.index, "it is not signed by who attests it: %s", why.text);
	return true;
}

bool
verify_attest_record(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct verify_chain *by = NULL;
	bool judged = false;
	if (!verify_slot_open(s, 7) || !event_body_has(&s->body, BODY_ACK_CERTIFICATE))
		return true;
	if (v->has_policy && verify_slot_open(s, 2) && verify_slot_open(s, 5) &&
	    !find_attester(v, s, &by, &judged, e))
		return false;
	v->out->unproved_attests += !judged;
	return !judged || by->key == NULL || check(v, s, by, e);
}

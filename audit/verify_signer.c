#include "audit/verify_signer.h"

#include "audit/export.h"
#include "audit/verify_chain.h"
#include "audit/wirefield.h"
#include "proto/seal.h"

/* One judgement. */
struct scene {
	const struct verify_signed *r;
	struct arena a;
	bool complete; /* all of the following are there */
	struct bytes chain, policy;
	struct bytes *anchors; /* DER */
	size_t anchor_count;
};

/* The entry of everything that the verdict on this report's chain depends on, but for the time. */
static bool
entry(struct verify *v, const struct verify_slots *s, struct verify_chain **out, struct err *e)
{
	const struct bytes parts[] = { event_body_get(&s->body, BODY_INTAKE_CHAIN),
		event_body_get(&s->body, BODY_INTAKE_ANCHORS), bytes_from(s->decision.policy, 32),
		s->publication.party, s->publication.agent };
	const struct verify_chain_name name = { parts, sizeof(parts) / sizeof(parts[0]),
		verify_chain_time(s) };
	return verify_chains_find(v, &v->signers, &name, out, e);
}

/* ---- what it is judged by ---- */

static bool
gather(struct verify *v, struct scene *c, struct err *e)
{
	const struct verify_slots *s = c->r->s;
	struct bytes digests = event_body_get(&s->body, BODY_INTAKE_ANCHORS);
	struct verify_want chain = { BUNDLE_CHAIN, event_body_get(&s->body, BODY_INTAKE_CHAIN).data,
		&c->a };
	struct verify_want policy = { BUNDLE_POLICY, s->decision.policy, &c->a };
	c->anchor_count = digests.len / 32;
	c->anchors = arena_zalloc(&c->a, c->anchor_count, sizeof(*c->anchors));
	if (c->anchors == NULL)
		return err_set(e, ERR_NOMEM, "anchors");
	if (!verify_run_content(v, s->r.index, &chain, &c->chain, e) ||
	    !verify_run_content(v, s->r.index, &policy, &c->policy, e))
		return false;
	c->complete = c->chain.data != NULL && c->policy.data != NULL;
	for (size_t i = 0; c->complete && i < c->anchor_count; i++) {
		struct verify_want anchor = { BUNDLE_ANCHOR, digests.data + i * 32, &c->a };
		if (!verify_run_content(v, s->r.index, &anchor, &c->anchors[i], e))
			return false;
		c->complete = c->anchors[i].data != NULL;
	}
	return true;
}

/* Whether the block of the publishing party in the canonical export has the statement 'line'. */
static bool
policy_has(const struct scene *c, const char *party, const char *line)
{
	struct bytes rest = c->policy, one;
	bool inside = false;
	while (export_line(&rest, &one)) {
		if (bytes_is(one, party))
			inside = true;
		else if (bytes_is(one, "}"))
			inside = false;
		else if (inside && bytes_is(one, line))
			return true;
	}
	return false;
}

/* The leaf's trust domain and every anchor must be the party's own. */
static bool
check_policy(struct verify *v, struct scene *c, struct bytes domain, bool *good, struct err *e)
{
	const struct verify_slots *s = c->r->s;
	struct bytes party = s->publication.party;
	struct bytes digests = event_body_get(&s->body, BODY_INTAKE_ANCHORS);
	const char *block =
	    arena_printf(&c->a, "party %.*s {", (int)party.len, (const char *)party.data);
	const char *line = arena_printf(
	    &c->a, "    trust-domain %.*s", (int)domain.len, (const char *)domain.data);
	if (block == NULL || line == NULL)
		return err_set(e, ERR_NOMEM, "policy");
	*good = policy_has(c, block, line);
	if (!*good)
		verify_run_find(v, VERIFY_SIGNATURE, s->r.index,
		    "the trust domain of its signer, %.*s, is not that of %.*s", (int)domain.len,
		    (const char *)domain.data, (int)party.len, (const char *)party.data);
	for (size_t i = 0; *good && i < c->anchor_count; i++) {
		char hex[BUNDLE_HEX_LEN + 1], anchor[BUNDLE_HEX_LEN + 16];
		bundle_hex(digests.data + i * 32, hex);
		(void)snprintf(anchor, sizeof(anchor), "    anchor %s", hex);
		*good = policy_has(c, block, anchor);
		if (!*good)
			verify_run_find(v, VERIFY_SIGNATURE, s->r.index,
			    "its anchor %s is none that the policy has for %.*s", hex,
			    (int)party.len, (const char *)party.data);
	}
	return true;
}

/* ---- the judgement ---- */

/* That the leaf is the agent's, and of its party by the policy. */
static bool
check_leaf(
    struct verify *v, struct scene *c, struct verify_chain_case *k, bool *good, struct err *e)
{
	*good = bytes_equal(k->found.cert.id.text, c->r->s->publication.agent);
	if (!*good)
		return verify_chain_bad(v, k, "its certificate is that of another agent");
	return check_policy(v, c, k->found.cert.id.domain, good, e);
}

static bool
judge(struct verify *v, struct scene *c, struct verify_chain *by, struct err *e)
{
	bool good = false;
	struct verify_chain_case k = { .s = c->r->s,
		.whose = "its signer",
		.use = CHAIN_SIGNER,
		.chain = c->chain,
		.anchors = c->anchors,
		.anchor_count = c->anchor_count };
	bool ok = verify_chain_leaf(v, &k, &good, e) && (!good || check_leaf(v, c, &k, &good, e)) &&
		  (!good || verify_chain_path(v, &k, by, e));
	verify_chain_case_done(&k);
	return ok;
}

/* Who signs this report.  by->key is NULL if something is missing ('*judged' false) or if the chain
 * is not good, which is told. */
static bool
find_signer(struct verify *v, const struct verify_signed *r, struct verify_chain **by, bool *judged,
    struct err *e)
{
	struct scene c = { .r = r };
	if (!entry(v, r->s, by, e))
		return false;
	*judged = true;
	if ((*by)->key != NULL)
		return true;
	arena_init(&c.a, VERIFY_FILE_MAX);
	bool ok = gather(v, &c, e) && (!c.complete || judge(v, &c, *by, e));
	*judged = c.complete;
	arena_done(&c.a);
	return ok;
}

/* ---- the seal ---- */

static bool
read_seal(struct bytes in, struct bytes path[SEAL_PATH], struct seal *out)
{
	struct cursor c = cursor_over(in);
	struct seal s = { .path = { path, 0 } };
	uint32_t last = 0;
	for (struct wirefield f; wirefield_next(&c, &f); last = f.number) {
		if (f.number < last || (f.number == last && f.number != 2))
			return false;
		if (f.number == 1 && f.bytes.data == NULL && f.varint < SEAL_BATCH_MAX)
			s.place = (uint32_t)f.varint;
		else if (f.number == 2 && f.bytes.len == 32 && s.path.count < SEAL_PATH)
			path[s.path.count++] = f.bytes;
		else if (f.number == 3)
			s.signature = f.bytes;
		else
			return false;
	}
	*out = s;
	return cursor_finished(&c) && seal_check(&s, NULL);
}

/* A batch has one root and one signature: verified once. */
static bool
check_signature(struct verify *v, const struct verify_signed *r, const struct verify_chain *by,
    const struct seal *seal, struct err *e)
{
	uint8_t root[32];
	struct verify_key key;
	struct err why;
	if (!seal_root(v->h, r->s->publication.manifest, seal, root, e))
		return false;
	const struct bytes parts[] = { bytes_from(root, 32), bytes_from(by->leaf, 32),
		seal->signature };
	if (!verify_run_key(v, parts, 3, &key, e))
		return false;
	struct bytes name = bytes_from(&key, sizeof(key));
	if (map_find(&v->verified, name) == NULL) {
		if (!seal_signature(by->key, root, seal->signature, &why)) {
			verify_run_find(v, VERIFY_SIGNATURE, r->s->r.index,
			    "it is not signed by its publisher: %s", why.text);
			return true;
		}
		if (map_at(&v->verified, name, NULL) == NULL)
			return err_set(e, ERR_NOMEM, "signatures");
		v->out->signatures++;
	}
	v->out->signed_reports++;
	return true;
}

bool
verify_signer_report(struct verify *v, const struct verify_signed *r, bool *judged, struct err *e)
{
	struct bytes path[SEAL_PATH];
	struct seal seal;
	struct verify_chain *by;
	const char *wrong = NULL;
	*judged = false;
	if (r->seal.data == NULL || r->s->decision.policy == NULL)
		return true;
	if (!find_signer(v, r, &by, judged, e))
		return false;
	if (by->key == NULL)
		return true;
	if (!bytes_equal(r->originator, r->s->publication.agent))
		wrong = "its manifest names another agent as originator";
	else if (!bytes_equal(r->signer, bytes_from(by->leaf, 32)))
		wrong = "its manifest names another certificate than its chain begins with";
	else if (!read_seal(r->seal, path, &seal))
		wrong = "its seal cannot be read";
	if (wrong == NULL)
		return check_signature(v, r, by, &seal, e);
	verify_run_find(v, VERIFY_SIGNATURE, r->s->r.index, "%s", wrong);
	return true;
}

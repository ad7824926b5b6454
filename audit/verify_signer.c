#include "audit/verify_signer.h"

#include "audit/export.h"
#include "audit/wirefield.h"
#include "proto/chain.h"
#include "proto/seal.h"

/* Keys are held outside of arenas: so many, then all are forgotten and judged anew. */
enum { SIGNERS_MAX = 1024 };

/* A chain that is good for one agent under one policy. */
struct signer {
	EVP_PKEY *key; /* owned; NULL: not judged yet, or not good */
	uint8_t leaf[32];
	int64_t from, until; /* s: judged at 'from'; no certificate of it ends before 'until' */
};

/* One judgement. */
struct scene {
	const struct verify_signed *r;
	struct arena a;
	bool complete; /* all of the following are there */
	struct bytes chain, policy;
	struct bytes *anchors; /* DER */
	size_t anchor_count;
};

/* ---- what was judged ---- */

static void
free_key(void *ctx, struct bytes name, void *value)
{
	struct signer *by = value;
	(void)ctx;
	(void)name;
	EVP_PKEY_free(by->key);
	by->key = NULL;
}

void
verify_signer_init(struct verify *v)
{
	arena_init(&v->signer_arena, VERIFY_FILE_MAX);
	map_init(&v->signers, &v->signer_arena, sizeof(struct signer));
}

void
verify_signer_done(struct verify *v)
{
	map_each(&v->signers, free_key, NULL);
	arena_done(&v->signer_arena);
}

/* The entry of everything that the verdict on this report's chain depends on, but for the time. */
static bool
entry(struct verify *v, const struct verify_slots *s, struct signer **out, struct err *e)
{
	struct verify_key key;
	const struct bytes parts[] = { event_body_get(&s->body, BODY_INTAKE_CHAIN),
		event_body_get(&s->body, BODY_INTAKE_ANCHORS), bytes_from(s->decision.policy, 32),
		s->publication.party, s->publication.agent };
	if (!verify_run_key(v, parts, sizeof(parts) / sizeof(parts[0]), &key, e))
		return false;
	struct bytes name = bytes_from(&key, sizeof(key));
	if (v->signers.count >= SIGNERS_MAX && map_find(&v->signers, name) == NULL) {
		verify_signer_done(v);
		verify_signer_init(v);
	}
	*out = map_at(&v->signers, name, NULL);
	return *out != NULL || err_set(e, ERR_NOMEM, "signers");
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

static bool
bad_chain(struct verify *v, const struct scene *c, const char *why)
{
	verify_run_find(v, VERIFY_SIGNATURE, c->r->s->r.index, "the chain of its signer: %s", why);
	return true;
}

static bool
no_chain(struct verify *v, const struct scene *c, const struct chain_verdict *found, struct err *e)
{
	return found->fault == CHAIN_INTERNAL ? err_set(e, ERR_CRYPTO, "chain: %s", found->why)
					      : bad_chain(v, c, found->why);
}

static bool
judge_path(
    struct verify *v, struct scene *c, STACK_OF(X509) * certs, struct signer *by, struct err *e)
{
	SCOPED(chain_anchors_free) struct chain_anchors *anchors = NULL;
	int64_t at = (int64_t)(c->r->s->r.common.time / 1000000);
	X509 *leaf = sk_X509_value(certs, 0);
	struct chain_verdict found;
	struct err why;
	bool trusted = false;
	if (!chain_leaf(leaf, CHAIN_SIGNER, &found))
		return no_chain(v, c, &found, e);
	if (!bytes_equal(found.cert.id.text, c->r->s->publication.agent))
		return bad_chain(v, c, "its certificate is that of another agent");
	if (!check_policy(v, c, found.cert.id.domain, &trusted, e))
		return false;
	if (!trusted)
		return true;
	if (!chain_anchors_from_der(c->anchors, c->anchor_count, &anchors, &why))
		return why.code == ERR_NOMEM ? err_set(e, ERR_NOMEM, "%s", why.text)
					     : bad_chain(v, c, why.text);
	if (!chain_path(anchors, leaf, certs, CHAIN_SIGNER, at, &found))
		return no_chain(v, c, &found, e);
	memcpy(by->leaf, found.cert.digest, sizeof(by->leaf));
	by->from = at;
	by->until = found.not_after;
	by->key = X509_get_pubkey(leaf);
	return by->key != NULL || err_set(e, ERR_NOMEM, "key");
}

static bool
judge(struct verify *v, struct scene *c, struct signer *by, struct err *e)
{
	struct bytes der[LIMIT_CHAIN_CERTS];
	STACK_OF(X509) *certs = NULL;
	size_t count = 0;
	struct err why;
	if (!chain_split(c->chain, der, &count, &why) || !chain_certs_new(der, count, &certs, &why))
		return why.code == ERR_NOMEM ? err_set(e, ERR_NOMEM, "%s", why.text)
					     : bad_chain(v, c, why.text);
	bool ok = judge_path(v, c, certs, by, e);
	chain_certs_free(certs);
	return ok;
}

/*
 * Who signs this report.  by->key is NULL if something is missing ('*judged' false) or if the chain
 * is not good, which is told.  Parsing a certificate takes longer than a signature: a verdict is
 * kept as long as it holds.
 */
static bool
find_signer(struct verify *v, const struct verify_signed *r, struct signer **by, bool *judged,
    struct err *e)
{
	struct scene c = { .r = r };
	int64_t at = (int64_t)(r->s->r.common.time / 1000000);
	if (!entry(v, r->s, by, e))
		return false;
	*judged = true;
	if ((*by)->key != NULL && at >= (*by)->from && at < (*by)->until)
		return true;
	free_key(NULL, (struct bytes){ NULL, 0 }, *by);
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
check_signature(struct verify *v, const struct verify_signed *r, const struct signer *by,
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
	struct signer *by;
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

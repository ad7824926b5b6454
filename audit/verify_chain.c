#include "audit/verify_chain.h"

/* Keys are held outside of arenas: so many, then all are forgotten and judged anew. */
enum { CHAINS_MAX = 1024 };

/* ---- what was judged ---- */

static void
free_key(void *ctx, struct bytes name, void *value)
{
	struct verify_chain *c = value;
	(void)ctx;
	(void)name;
	EVP_PKEY_free(c->key);
	c->key = NULL;
}

void
verify_chains_init(struct verify_chains *all)
{
	arena_init(&all->a, VERIFY_FILE_MAX);
	map_init(&all->map, &all->a, sizeof(struct verify_chain));
}

void
verify_chains_done(struct verify_chains *all)
{
	map_each(&all->map, free_key, NULL);
	arena_done(&all->a);
}

bool
verify_chains_find(struct verify *v, struct verify_chains *all,
    const struct verify_chain_name *name, struct verify_chain **out, struct err *e)
{
	struct verify_key key;
	if (!verify_run_key(v, name->parts, name->count, &key, e))
		return false;
	struct bytes by = bytes_from(&key, sizeof(key));
	if (all->map.count >= CHAINS_MAX && map_find(&all->map, by) == NULL) {
		verify_chains_done(all);
		verify_chains_init(all);
	}
	struct verify_chain *c = map_at(&all->map, by, NULL);
	if (c == NULL)
		return err_set(e, ERR_NOMEM, "chains");
	if (c->key != NULL && (name->at < c->from || name->at >= c->until))
		free_key(NULL, by, c);
	*out = c;
	return true;
}

/* ---- the judgement ---- */

int64_t
verify_chain_time(const struct verify_slots *s)
{
	return (int64_t)(s->r.common.time / 1000000);
}

bool
verify_chain_bad(struct verify *v, const struct verify_chain_case *c, const char *why)
{
	verify_run_find(v, VERIFY_SIGNATURE, c->s->r.index, "the chain of %s: %s", c->whose, why);
	return true;
}

/* What could not be read, or could not for want of memory. */
static bool
unread(struct verify *v, const struct verify_chain_case *c, const struct err *why, struct err *e)
{
	return why->code == ERR_NOMEM ? err_set(e, ERR_NOMEM, "%s", why->text)
				      : verify_chain_bad(v, c, why->text);
}

static bool
refused(struct verify *v, const struct verify_chain_case *c, struct err *e)
{
	return c->found.fault == CHAIN_INTERNAL ? err_set(e, ERR_CRYPTO, "chain: %s", c->found.why)
						: verify_chain_bad(v, c, c->found.why);
}

bool
verify_chain_leaf(struct verify *v, struct verify_chain_case *c, bool *good, struct err *e)
{
	struct bytes der[LIMIT_CHAIN_CERTS];
	size_t count = 0;
	struct err why;
	*good = false;
	if (!chain_split(c->chain, der, &count, &why) ||
	    !chain_certs_new(der, count, &c->certs, &why))
		return unread(v, c, &why, e);
	*good = chain_leaf(sk_X509_value(c->certs, 0), c->use, &c->found);
	return *good || refused(v, c, e);
}

bool
verify_chain_path(
    struct verify *v, struct verify_chain_case *c, struct verify_chain *by, struct err *e)
{
	SCOPED(chain_anchors_free) struct chain_anchors *anchors = NULL;
	int64_t at = verify_chain_time(c->s);
	X509 *leaf = sk_X509_value(c->certs, 0);
	struct err why;
	if (!chain_anchors_from_der(c->anchors, c->anchor_count, &anchors, &why))
		return unread(v, c, &why, e);
	if (!chain_path(anchors, leaf, c->certs, c->use, at, &c->found))
		return refused(v, c, e);
	memcpy(by->leaf, c->found.cert.digest, sizeof(by->leaf));
	by->from = at;
	by->until = c->found.not_after;
	by->key = X509_get_pubkey(leaf);
	return by->key != NULL || err_set(e, ERR_NOMEM, "key");
}

void
verify_chain_case_done(struct verify_chain_case *c)
{
	chain_certs_free(c->certs);
	c->certs = NULL;
}

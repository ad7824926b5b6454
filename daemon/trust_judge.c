#include "daemon/trust_set.h"
#include "proto/dry.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- judging ---- */

static void
refuse(struct trust_refusal *why, const struct chain_verdict *v, const struct trust_party *p)
{
	memset(why, 0, sizeof(*why));
	why->fault = v->fault;
	memcpy(why->why, v->why, sizeof(why->why));
	memcpy(why->leaf, v->cert.digest, sizeof(why->leaf));
	(void)snprintf(why->agent, sizeof(why->agent), "%s", v->cert.id_text);
	/* these are found only after the signatures of the chain held: the claim is proved */
	bool proved = v->fault == CHAIN_EXPIRED || v->fault == CHAIN_NOT_YET_VALID ||
		      v->fault == CHAIN_REVOKED || v->fault == CHAIN_NO_CRL ||
		      v->fault == CHAIN_CRL_STALE || v->fault == CHAIN_UNLISTED;
	if (proved)
		(void)snprintf(why->party, sizeof(why->party), "%s", p->name);
}

struct finding {
	const struct trust_party *party;
	const struct trust_agent *agent;
	struct chain_verdict v;
};

static bool
found(struct finding *f, enum chain_fault fault, const char *why)
{
	f->v.fault = fault;
	(void)snprintf(f->v.why, sizeof(f->v.why), "%.159s", why);
	return false;
}

/* A judgement during which libcrypto ran dry is none, whatever it says. */
static bool
judged(struct finding *f, bool good)
{
	return dry_ran() ? found(f, CHAIN_INTERNAL, "out of memory") : good;
}

/* The party that the leaf claims; its anchors alone will judge the claim (S8). */
static bool
find_party(const struct trust *t, X509 *leaf, enum chain_use use, struct finding *f)
{
	if (!chain_leaf(leaf, use, &f->v))
		return false;
	f->party = trust_party_of_domain(t, f->v.cert.id.domain);
	if (f->party == NULL)
		return found(f, CHAIN_UNKNOWN_DOMAIN, "no party has the trust domain of the id");
	if (f->party->anchors == NULL)
		return found(f, CHAIN_SHUT_OUT, f->party->why);
	return true;
}

static bool
find_agent(struct finding *f)
{
	f->agent = trust_agent_of_path(f->party, f->v.cert.id.path);
	return f->agent != NULL || found(f, CHAIN_UNLISTED, "the policy does not list the agent");
}

/* Everything that is asked of a session's or a signer's certificate at 'now', in s. */
static bool
find(const struct trust *t, X509 *leaf, STACK_OF(X509) * others, enum chain_use use, int64_t now,
    struct finding *f)
{
	f->party = NULL;
	f->agent = NULL;
	if (!find_party(t, leaf, use, f) ||
	    !chain_path(f->party->anchors, leaf, others, use, now, &f->v) || !find_agent(f))
		return false;
	if (trust_crl_until(t, f->party) <= now)
		return found(f, CHAIN_CRL_STALE, "past crl-max-age or nextUpdate");
	return true;
}

/* ---- sessions ---- */

void
trust_peer_free(struct trust_peer *p)
{
	if (p == NULL)
		return;
	free(p->party);
	free(p->agent);
	chain_certs_free(p->certs);
	free(p);
}

int64_t
trust_peer_until(const struct trust_peer *p)
{
	return p->not_after < p->crl_until ? p->not_after : p->crl_until;
}

static void
peer_update(const struct trust *t, const struct finding *f, struct trust_peer *p)
{
	p->roles = f->agent->roles;
	p->hub = f->party->hub;
	p->not_after = f->v.not_after;
	p->own_after = f->v.own_after;
	p->crl_until = trust_crl_until(t, f->party);
	memcpy(p->material, f->party->material, sizeof(p->material));
}

/* The leaf first, then what was sent with it, without the leaf itself. */
static STACK_OF(X509) * certs_copy(X509 *leaf, STACK_OF(X509) * others)
{
	STACK_OF(X509) *certs = sk_X509_new_reserve(NULL, sk_X509_num(others) + 1);
	if (certs == NULL)
		return NULL;
	(void)X509_up_ref(leaf);
	(void)sk_X509_push(certs, leaf);
	for (int i = 0; i < sk_X509_num(others); i++) {
		X509 *x = sk_X509_value(others, i);
		if (x == leaf || X509_cmp(x, leaf) == 0)
			continue;
		(void)X509_up_ref(x);
		(void)sk_X509_push(certs, x);
	}
	return certs;
}

static struct trust_peer *
peer_new(const struct trust *t, const struct finding *f, X509 *leaf, STACK_OF(X509) * others)
{
	SCOPED(trust_peer_free) struct trust_peer *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->party = strdup(f->party->name);
	p->agent = strdup(f->v.cert.id_text);
	p->certs = certs_copy(leaf, others);
	if (p->party == NULL || p->agent == NULL || p->certs == NULL)
		return NULL;
	p->began = f->v.cert.not_before_s;
	memcpy(p->leaf, f->v.cert.digest, sizeof(p->leaf));
	peer_update(t, f, p);
	return MOVE(p);
}

bool
trust_admit(const struct trust *t, X509 *leaf, STACK_OF(X509) * others, struct trust_peer **out,
    struct trust_refusal *why)
{
	struct finding f;
	if (!judged(&f, find(t, leaf, others, CHAIN_CLIENT, t->now(t->now_arg), &f))) {
		refuse(why, &f.v, f.party);
		return false;
	}
	struct trust_peer *p = peer_new(t, &f, leaf, others);
	if (p == NULL) {
		(void)found(&f, CHAIN_INTERNAL, "out of memory");
		refuse(why, &f.v, f.party);
		return false;
	}
	*out = p;
	return true;
}

/*
 * Ten thousand sessions are swept in a second: where bundle and lists are those that the chain was
 * judged by, the signatures still hold, and only the agent, the dates and the party are asked
 * again.
 */
static bool
same_material(const struct trust *t, const struct trust_peer *p, struct finding *f)
{
	int64_t now = t->now(t->now_arg);
	struct spiffe_id id;
	memset(f, 0, sizeof(*f));
	if (!spiffe_parse(bytes_of(p->agent), &id, NULL))
		return false;
	f->party = trust_party_of_domain(t, id.domain);
	if (f->party == NULL || f->party->anchors == NULL ||
	    strcmp(f->party->name, p->party) != 0 ||
	    memcmp(f->party->material, p->material, sizeof(p->material)) != 0)
		return false;
	f->agent = trust_agent_of_path(f->party, id.path);
	f->v.not_after = p->not_after;
	f->v.own_after = p->own_after;
	return f->agent != NULL && now < p->not_after && now < trust_crl_until(t, f->party);
}

bool
trust_still_allowed(const struct trust *t, struct trust_peer *p, struct trust_refusal *why)
{
	struct finding f;
	if (same_material(t, p, &f)) {
		peer_update(t, &f, p);
		return true;
	}
	dry_begin();
	bool same = judged(&f,
	    find(t, sk_X509_value(p->certs, 0), p->certs, CHAIN_CLIENT, t->now(t->now_arg), &f));
	/* a trust domain that moved to another party is another identity */
	if (same && strcmp(f.party->name, p->party) != 0)
		same = found(&f, CHAIN_UNLISTED, "the trust domain is now another party's");
	if (!same) {
		refuse(why, &f.v, f.party);
		return false;
	}
	peer_update(t, &f, p);
	return true;
}

/* ---- signers ---- */

void
trust_signer_free(struct trust_signer *s)
{
	if (s == NULL)
		return;
	EVP_PKEY_free(s->key);
	free(s->party);
	free(s->agent);
	free(s);
}

/* The chain as certificates, its leaf naming exactly 'originator'. */
static bool
signer_certs(const struct bytes *chain, size_t count, struct bytes originator,
    STACK_OF(X509) * *certs, struct finding *f)
{
	struct err e = { 0 };
	memset(f, 0, sizeof(*f));
	if (!chain_certs_new(chain, count, certs, &e))
		return found(f, e.code == ERR_NOMEM ? CHAIN_INTERNAL : CHAIN_IDENTITY, e.text);
	if (!chain_leaf(sk_X509_value(*certs, 0), CHAIN_SIGNER, &f->v))
		return false;
	return bytes_equal(f->v.cert.id.text, originator) ||
	       found(f, CHAIN_OTHER_ID, "the signer's certificate names another agent");
}

static struct trust_signer *
signer_new(const struct trust *t, const struct finding *f, X509 *leaf)
{
	SCOPED(trust_signer_free) struct trust_signer *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->key = X509_get_pubkey(leaf);
	s->party = strdup(f->party->name);
	s->agent = strdup(f->v.cert.id_text);
	if (s->key == NULL || s->party == NULL || s->agent == NULL)
		return NULL;
	memcpy(s->leaf, f->v.cert.digest, sizeof(s->leaf));
	memcpy(s->anchor, f->v.anchor, sizeof(s->anchor));
	s->not_after = f->v.not_after;
	s->crl_until = trust_crl_until(t, f->party);
	return MOVE(s);
}

bool
trust_signer_new(const struct trust *t, const struct bytes *chain, size_t count,
    struct bytes originator, int64_t now_s, struct trust_signer **out, struct trust_refusal *why)
{
	STACK_OF(X509) *certs = NULL;
	struct finding f;
	struct trust_signer *s = NULL;
	dry_begin();
	bool good = signer_certs(chain, count, originator, &certs, &f) &&
		    find(t, sk_X509_value(certs, 0), certs, CHAIN_SIGNER, now_s, &f);
	if (judged(&f, good)) {
		s = signer_new(t, &f, sk_X509_value(certs, 0));
		if (s == NULL || !chain_digest(chain, count, s->chain)) {
			trust_signer_free(s);
			s = NULL;
			(void)found(&f, CHAIN_INTERNAL, "out of memory");
		}
	}
	chain_certs_free(certs);
	if (s == NULL) {
		refuse(why, &f.v, f.party);
		return false;
	}
	*out = s;
	return true;
}

bool
trust_signer_stands(const struct trust *t, const struct bytes *chain, size_t count,
    struct bytes originator, int64_t accepted_s, struct trust_refusal *why)
{
	STACK_OF(X509) *certs = NULL;
	struct finding f;
	dry_begin();
	bool stands =
	    signer_certs(chain, count, originator, &certs, &f) &&
	    find_party(t, sk_X509_value(certs, 0), CHAIN_SIGNER, &f) &&
	    chain_judge_again(f.party->anchors, sk_X509_value(certs, 0), certs, accepted_s, &f.v) &&
	    find_agent(&f);
	chain_certs_free(certs);
	stands = judged(&f, stands);
	if (!stands)
		refuse(why, &f.v, f.party);
	return stands;
}

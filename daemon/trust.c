#include "daemon/trust.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/tls.h"

struct trust_agent {
	char *path;
	uint32_t roles;
};

struct trust_party {
	char *name, *domain;
	struct chain_anchors *anchors; /* NULL: shut out */
	char why[200];		       /* why it is */
	bool hub;
	struct trust_agent *agents; /* by path */
	size_t agent_count;
};

struct trust {
	_Atomic unsigned refs;
	SSL_CTX *ctx;
	struct trust_party *parties; /* by trust domain */
	size_t party_count;
	struct trust_party *hub;
	struct tls_identity own;
	char hub_id[LIMIT_SPIFFE_ID_BYTES + 1];
	int64_t hub_not_after;
	int64_t crl_max_age_s;
	int64_t (*now)(void *);
	void *now_arg;
};

/* ---- building ---- */

static char *
copy(struct bytes b)
{
	return strndup(b.data == NULL ? "" : (const char *)b.data, b.len);
}

static int
agent_order(const void *a, const void *b)
{
	return strcmp(((const struct trust_agent *)a)->path, ((const struct trust_agent *)b)->path);
}

static int
party_order(const void *a, const void *b)
{
	return strcmp(
	    ((const struct trust_party *)a)->domain, ((const struct trust_party *)b)->domain);
}

static bool
party_agents(struct trust_party *p, const struct trust_party_setup *s, struct err *e)
{
	p->agents = calloc(s->agent_count + 1, sizeof(*p->agents));
	if (p->agents == NULL)
		return err_set(e, ERR_NOMEM, "agents");
	for (size_t i = 0; i < s->agent_count; i++) {
		p->agents[i].path = copy(s->agents[i].path);
		p->agents[i].roles = s->agents[i].roles;
		if (p->agents[i].path == NULL)
			return err_set(e, ERR_NOMEM, "agents");
		p->agent_count = i + 1;
	}
	qsort(p->agents, p->agent_count, sizeof(*p->agents), agent_order);
	return true;
}

/* A party whose files are unusable stays in the set without anchors: nobody can speak for it. */
static bool
party_fill(struct trust_party *p, const struct trust_party_setup *s, struct err *e)
{
	p->name = copy(s->name);
	p->domain = copy(s->domain);
	if (p->name == NULL || p->domain == NULL)
		return err_set(e, ERR_NOMEM, "party");
	if (!party_agents(p, s, e))
		return false;
	struct err why = { 0 };
	if (s->unusable.data != NULL)
		(void)snprintf(p->why, sizeof(p->why), "%.*s", (int)s->unusable.len,
		    (const char *)s->unusable.data);
	else if (!chain_anchors_new(s->bundle, s->crls, s->crl_count, &p->anchors, &why))
		(void)snprintf(p->why, sizeof(p->why), "%.199s", why.text);
	if (why.code == ERR_NOMEM)
		return err_set(e, ERR_NOMEM, "party %s", p->name);
	if (p->anchors == NULL)
		log_error("trust.party-shut-out", "party=%s why=%s", log_quote_text(p->name),
		    log_quote_text(p->why));
	return true;
}

static bool
trust_parties(struct trust *t, const struct trust_setup *s, struct err *e)
{
	t->parties = calloc(s->party_count + 1, sizeof(*t->parties));
	if (t->parties == NULL)
		return err_set(e, ERR_NOMEM, "parties");
	for (size_t i = 0; i < s->party_count; i++) {
		t->party_count = i + 1;
		if (!party_fill(&t->parties[i], &s->parties[i], e))
			return false;
	}
	qsort(t->parties, t->party_count, sizeof(*t->parties), party_order);
	for (size_t i = 0; i < t->party_count; i++) {
		if (i > 0 && strcmp(t->parties[i - 1].domain, t->parties[i].domain) == 0)
			return err_set(e, ERR_CONFIG, "two parties have the trust domain %s",
			    t->parties[i].domain);
		t->parties[i].hub = bytes_is(s->hub, t->parties[i].name);
		if (t->parties[i].hub)
			t->hub = &t->parties[i];
	}
	return t->hub != NULL || err_set(e, ERR_CONFIG, "there is no hub party");
}

static struct trust_party *
party_of_domain(const struct trust *t, struct bytes domain)
{
	for (size_t low = 0, high = t->party_count; low < high;) {
		size_t mid = low + (high - low) / 2;
		int c = bytes_compare(domain, bytes_of(t->parties[mid].domain));
		if (c == 0)
			return &t->parties[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

static const struct trust_agent *
agent_of_path(const struct trust_party *p, struct bytes path)
{
	for (size_t i = 0; i < p->agent_count; i++)
		if (bytes_is(path, p->agents[i].path))
			return &p->agents[i];
	return NULL;
}

/* ---- the broker's own certificate ---- */

/* PEM may ask for a passphrase on the terminal: never. */
static int
no_passphrase(char *buf, int size, int writing, void *ctx)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

static bool
own_certificates(struct tls_identity *own, struct bytes pem, struct err *e)
{
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	own->others = sk_X509_new_null();
	if (bio == NULL || own->others == NULL) {
		BIO_free(bio);
		return err_set(e, ERR_NOMEM, "certificate");
	}
	own->leaf = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
	for (X509 *x; (x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL;)
		(void)sk_X509_push(own->others, x);
	BIO_free(bio);
	unsigned long last = ERR_peek_last_error();
	ERR_clear_error();
	if (own->leaf == NULL || ERR_GET_REASON(last) != PEM_R_NO_START_LINE)
		return err_set(
		    e, ERR_CONFIG, "identity: the certificate file cannot be read as PEM");
	return true;
}

static bool
own_key(struct tls_identity *own, struct bytes pem, struct err *e)
{
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	own->key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (own->key == NULL)
		return err_set(e, ERR_CONFIG,
		    "identity: the key cannot be read as an unencrypted PEM private key");
	if (X509_check_private_key(own->leaf, own->key) != 1) {
		ERR_clear_error();
		return err_set(e, ERR_CONFIG, "identity: the key is not that of the certificate");
	}
	return true;
}

/* Clients pin the hub's bundle and SPIFFE id, so a certificate outside it would shut out all. */
static bool
own_judge(struct trust *t, bool reload, struct err *e)
{
	struct chain_verdict v;
	if (!chain_leaf(t->own.leaf, CHAIN_SERVER, &v))
		return err_set(e, ERR_CONFIG, "identity: %s: %s", chain_fault_text(v.fault), v.why);
	(void)snprintf(t->hub_id, sizeof(t->hub_id), "%s", v.cert.id_text);
	if (!bytes_is(v.cert.id.domain, t->hub->domain))
		return err_set(e, ERR_CONFIG,
		    "identity: the certificate names %s, the trust domain of the hub party is %s",
		    t->hub_id, t->hub->domain);
	t->hub_not_after = v.cert.not_after_s;
	if (t->hub->anchors == NULL)
		return true; /* the hub party is shut out; its broker still serves the others */
	int64_t now = t->now(t->now_arg);
	if (chain_path(t->hub->anchors, t->own.leaf, t->own.others, CHAIN_SERVER, now, &v)) {
		t->hub_not_after = v.not_after;
		return true;
	}
	bool lists = v.fault == CHAIN_NO_CRL || v.fault == CHAIN_CRL_STALE;
	if (!lists && !(reload && v.fault == CHAIN_EXPIRED))
		return err_set(e, ERR_CONFIG, "identity: %s: %s", chain_fault_text(v.fault), v.why);
	log_error("trust.own-certificate", "fault=%s why=%s", chain_fault_token(v.fault),
	    log_quote_text(v.why));
	return true;
}

bool
trust_new(const struct trust_setup *setup, struct trust **out, struct err *e)
{
	SCOPED(trust_unref) struct trust *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return err_set(e, ERR_NOMEM, "trust");
	atomic_init(&t->refs, 1);
	t->crl_max_age_s = setup->crl_max_age_s;
	t->now = setup->now;
	t->now_arg = setup->now_arg;
	if (!trust_parties(t, setup, e) || !own_certificates(&t->own, setup->certificate, e) ||
	    !own_key(&t->own, setup->key, e) || !own_judge(t, setup->reload, e) ||
	    !tls_context_new(&t->own, &t->ctx, e) || !tls_try(t, &t->own, e))
		return false;
	*out = MOVE(t);
	return true;
}

struct trust *
trust_ref(struct trust *t)
{
	unsigned before = atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	assert(before > 0);
	return t;
}

static void
party_done(struct trust_party *p)
{
	for (size_t i = 0; i < p->agent_count; i++)
		free(p->agents[i].path);
	free(p->agents);
	chain_anchors_free(p->anchors);
	free(p->name);
	free(p->domain);
}

void
trust_unref(struct trust *t)
{
	if (t == NULL || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t i = 0; i < t->party_count; i++)
		party_done(&t->parties[i]);
	free(t->parties);
	SSL_CTX_free(t->ctx);
	X509_free(t->own.leaf);
	chain_certs_free(t->own.others);
	EVP_PKEY_free(t->own.key);
	free(t);
}

const char *
trust_hub_id(const struct trust *t)
{
	return t->hub_id;
}

int64_t
trust_hub_not_after(const struct trust *t)
{
	return t->hub_not_after;
}

SSL_CTX *
trust_context(const struct trust *t)
{
	return t->ctx;
}

/* s since 1970: the party's lists pass their hard age, or say themselves that they are over. */
static int64_t
crl_until(const struct trust *t, const struct trust_party *p)
{
	int64_t made = chain_crl_made(p->anchors), next = chain_crl_next(p->anchors);
	if (made == INT64_MAX)
		return INT64_MAX;
	return made + t->crl_max_age_s < next ? made + t->crl_max_age_s : next;
}

bool
trust_party_usable(const struct trust *t, struct bytes party, const char **why)
{
	for (size_t i = 0; i < t->party_count; i++) {
		const struct trust_party *p = &t->parties[i];
		if (!bytes_is(party, p->name))
			continue;
		*why = p->why; /* empty if it is not shut out */
		if (p->anchors != NULL && crl_until(t, p) <= t->now(t->now_arg))
			*why = chain_fault_text(CHAIN_CRL_STALE);
		return true;
	}
	return false;
}

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

/* The party that the leaf claims; its anchors alone will judge the claim (S8). */
static bool
find_party(const struct trust *t, X509 *leaf, enum chain_use use, struct finding *f)
{
	if (!chain_leaf(leaf, use, &f->v))
		return false;
	f->party = party_of_domain(t, f->v.cert.id.domain);
	if (f->party == NULL)
		return found(f, CHAIN_UNKNOWN_DOMAIN, "no party has the trust domain of the id");
	if (f->party->anchors == NULL)
		return found(f, CHAIN_SHUT_OUT, f->party->why);
	return true;
}

static bool
find_agent(struct finding *f)
{
	f->agent = agent_of_path(f->party, f->v.cert.id.path);
	return f->agent != NULL || found(f, CHAIN_UNLISTED, "the policy does not list the agent");
}

/* Everything that is asked of a session's or a signer's certificate at the present time. */
static bool
find(const struct trust *t, X509 *leaf, STACK_OF(X509) * others, enum chain_use use,
    struct finding *f)
{
	int64_t now = t->now(t->now_arg);
	f->party = NULL;
	f->agent = NULL;
	if (!find_party(t, leaf, use, f) ||
	    !chain_path(f->party->anchors, leaf, others, use, now, &f->v) || !find_agent(f))
		return false;
	if (crl_until(t, f->party) <= now)
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
	p->crl_until = crl_until(t, f->party);
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
	memcpy(p->leaf, f->v.cert.digest, sizeof(p->leaf));
	peer_update(t, f, p);
	return MOVE(p);
}

bool
trust_admit(const struct trust *t, X509 *leaf, STACK_OF(X509) * others, struct trust_peer **out,
    struct trust_refusal *why)
{
	struct finding f;
	if (!find(t, leaf, others, CHAIN_CLIENT, &f)) {
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

bool
trust_still_allowed(const struct trust *t, struct trust_peer *p, struct trust_refusal *why)
{
	struct finding f;
	bool same = find(t, sk_X509_value(p->certs, 0), p->certs, CHAIN_CLIENT, &f);
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
	s->crl_until = crl_until(t, f->party);
	return MOVE(s);
}

bool
trust_signer_new(const struct trust *t, const struct bytes *chain, size_t count,
    struct bytes originator, struct trust_signer **out, struct trust_refusal *why)
{
	STACK_OF(X509) *certs = NULL;
	struct finding f;
	struct trust_signer *s = NULL;
	if (signer_certs(chain, count, originator, &certs, &f) &&
	    find(t, sk_X509_value(certs, 0), certs, CHAIN_SIGNER, &f)) {
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
	bool stands =
	    signer_certs(chain, count, originator, &certs, &f) &&
	    find_party(t, sk_X509_value(certs, 0), CHAIN_SIGNER, &f) &&
	    chain_judge_again(f.party->anchors, sk_X509_value(certs, 0), certs, accepted_s, &f.v) &&
	    find_agent(&f);
	chain_certs_free(certs);
	if (!stands)
		refuse(why, &f.v, f.party);
	return stands;
}

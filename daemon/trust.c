#include "daemon/trust_set.h"
#include "proto/dry.h"
#include "proto/sha256.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"

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

/* Lengths go in, so that no two sets of files look like one. */
static bool
party_material(const struct trust_party_setup *s, uint8_t out[32])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;
	for (size_t i = 0; ok && i <= s->crl_count; i++) {
		struct bytes file = i == 0 ? s->bundle : s->crls[i - 1];
		uint8_t len[8];
		put_u64(len, file.len);
		ok = EVP_DigestUpdate(ctx, len, sizeof(len)) == 1 &&
		     EVP_DigestUpdate(ctx, file.data, file.len) == 1;
	}
	ok = ok && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
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
	if (why.code == ERR_NOMEM || dry_ran()) /* no fault of the files: not to shut them out */
		return err_set(e, ERR_NOMEM, "party %s", p->name);
	if (!party_material(s, p->material))
		return err_set(e, ERR_CRYPTO, "party %s", p->name);
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

const struct trust_party *
trust_party_of_domain(const struct trust *t, struct bytes domain)
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

const struct trust_agent *
trust_agent_of_path(const struct trust_party *p, struct bytes path)
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
	memcpy(t->hub_leaf, v.cert.digest, sizeof(t->hub_leaf));
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

static int
by_digest(const void *a, const void *b)
{
	return memcmp(a, b, 32);
}

/* For the POLICY record: which lists were in use. */
static bool
digest_lists(struct trust *t, const struct trust_setup *setup, struct err *e)
{
	struct sha256 sha;
	size_t count = 0, n = 0;
	for (size_t i = 0; i < setup->party_count; i++)
		count += setup->parties[i].crl_count;
	t->has_lists = count > 0;
	uint8_t(*all)[32] = calloc(count + 1, sizeof(*all));
	bool ok = all != NULL && sha256_init(&sha, e);
	if (!ok) {
		free(all);
		return err_set(e, ERR_NOMEM, "revocation lists");
	}
	for (size_t i = 0; ok && i < setup->party_count; i++)
		for (size_t k = 0; ok && k < setup->parties[i].crl_count; k++)
			ok = sha256_of(&sha, setup->parties[i].crls[k], all[n++], e);
	qsort(all, n, sizeof(*all), by_digest);
	ok = ok && sha256_of(&sha, bytes_from(all, n * sizeof(*all)), t->lists, e);
	sha256_done(&sha);
	free(all);
	return ok;
}

bool
trust_lists_digest(const struct trust *t, uint8_t out[32])
{
	if (t->has_lists)
		memcpy(out, t->lists, 32);
	return t->has_lists;
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
	dry_begin();
	if (!digest_lists(t, setup, e) || !trust_parties(t, setup, e) ||
	    !own_certificates(&t->own, setup->certificate, e) || !own_key(&t->own, setup->key, e) ||
	    !own_judge(t, setup->reload, e) || !tls_context_new(&t->own, &t->ctx, e) ||
	    !tls_try(t, &t->own, e))
		return false;
	if (dry_ran()) /* libcrypto may have left something out in silence */
		return err_set(e, ERR_NOMEM, "trust");
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

const uint8_t *
trust_hub_leaf(const struct trust *t)
{
	return t->hub_leaf;
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

int64_t
trust_crl_until(const struct trust *t, const struct trust_party *p)
{
	int64_t made = chain_crl_made(p->anchors), next = chain_crl_next(p->anchors);
	if (made == INT64_MAX)
		return INT64_MAX;
	return made + t->crl_max_age_s < next ? made + t->crl_max_age_s : next;
}

const struct chain_anchors *
trust_party_anchors(const struct trust *t, struct bytes party, int64_t *until, const char **why)
{
	*why = "there is no such party";
	for (size_t i = 0; i < t->party_count; i++) {
		const struct trust_party *p = &t->parties[i];
		if (!bytes_is(party, p->name))
			continue;
		*why = p->why;
		*until = trust_crl_until(t, p);
		return p->anchors;
	}
	return NULL;
}

bool
trust_end_next(const struct trust *t, struct trust_ends *at, struct trust_end *out)
{
	if (!at->begun) {
		at->begun = true;
		*out = (struct trust_end){ TRUST_END_BROKER, t->hub->name, t->hub_leaf, INT64_MIN,
			t->hub_not_after };
		return true;
	}
	for (; at->party < t->party_count; at->party++, at->place = 0) {
		const struct trust_party *p = &t->parties[at->party];
		size_t i = at->place++,
		       count = p->anchors == NULL ? 0 : chain_anchors_count(p->anchors);
		if (i < count) {
			*out = (struct trust_end){ TRUST_END_CA, p->name,
				chain_anchors_digest(p->anchors, i), INT64_MIN,
				chain_anchors_until(p->anchors, i) };
			return true;
		}
		if (i == count && p->anchors != NULL && trust_crl_until(t, p) != INT64_MAX) {
			*out = (struct trust_end){ TRUST_END_LIST, p->name, NULL,
				chain_crl_made(p->anchors), trust_crl_until(t, p) };
			return true;
		}
	}
	return false;
}

/* "" if it is not shut out. */
static const char *
why_shut_out(const struct trust *t, const struct trust_party *p)
{
	if (p->anchors != NULL && trust_crl_until(t, p) <= t->now(t->now_arg))
		return chain_fault_text(CHAIN_CRL_STALE);
	return p->why;
}

bool
trust_party_usable(const struct trust *t, struct bytes party, const char **why)
{
	for (size_t i = 0; i < t->party_count; i++) {
		if (!bytes_is(party, t->parties[i].name))
			continue;
		*why = why_shut_out(t, &t->parties[i]);
		return true;
	}
	return false;
}

const char *
trust_party_at(const struct trust *t, size_t i, const char **why)
{
	if (i >= t->party_count)
		return NULL;
	*why = why_shut_out(t, &t->parties[i]);
	return t->parties[i].name;
}

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "audit/note.h"
#include "client/cli/context.h"
#include "client/cli/lab.h"
#include "client/cli/mint.h"

#define DAY 86400
#define EARLIER 3600 /* s: clocks of machines that share a lab need not agree */
#define AUTHORITY_DAYS 3650
#define AGENT_DAYS 397

/* ---- PEM ---- */

/* Writes what 'bio' gathered and frees it; NULL is an error of OpenSSL. */
static bool
put_bio(struct lab *l, BIO *bio, mode_t mode, const char *path, struct err *e)
{
	char *data = NULL;
	long len = bio == NULL ? 0 : BIO_get_mem_data(bio, &data);
	bool ok = len > 0
		      ? lab_put(l, lab_path(l, "%s", path), mode, bytes_from(data, (size_t)len), e)
		      : err_set(e, ERR_CRYPTO, "%s cannot be encoded", path);
	BIO_free(bio);
	ERR_clear_error();
	return ok;
}

static bool
put_cert(struct lab *l, X509 *x, const char *path, struct err *e)
{
	BIO *bio = BIO_new(BIO_s_mem());
	if (bio != NULL && PEM_write_bio_X509(bio, x) != 1) {
		BIO_free(bio);
		bio = NULL;
	}
	return put_bio(l, bio, 0644, path, e);
}

static bool
put_key(struct lab *l, EVP_PKEY *key, const char *path, struct err *e)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	if (bio != NULL && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
		BIO_free(bio);
		bio = NULL;
	}
	return put_bio(l, bio, 0400, path, e);
}

static bool
put_crl(struct lab *l, X509_CRL *crl, const char *path, struct err *e)
{
	BIO *bio = BIO_new(BIO_s_mem());
	if (bio != NULL && PEM_write_bio_X509_CRL(bio, crl) != 1) {
		BIO_free(bio);
		bio = NULL;
	}
	return put_bio(l, bio, 0644, path, e);
}

/* ---- what a lab has ---- */

struct issued {
	X509 *cert;
	EVP_PKEY *key;
};

static void
issued_done(struct issued *i)
{
	X509_free(i->cert);
	EVP_PKEY_free(i->key);
}

static bool
issue(struct lab *l, const struct mint_spec *spec, const struct issued *by, struct issued *out,
    struct err *e)
{
	struct mint_authority issuer = { by == NULL ? NULL : by->cert,
		by == NULL ? NULL : by->key };
	(void)l;
	out->cert = NULL;
	out->key = mint_p256();
	if (out->key == NULL)
		return err_set(e, ERR_CRYPTO, "no P-256 key");
	return mint_cert(spec, out->key, by == NULL ? NULL : &issuer, &out->cert, e);
}

static bool
make_agent(struct lab *l, const char *party, const char *agent, const struct issued *authority,
    struct err *e)
{
	const char *uri =
	    arena_printf(&l->arena, "spiffe://%s.example/%s", lab_lower(l, party), agent);
	const char *cert = arena_printf(&l->arena, "parties/%s/%s.pem", party, agent);
	const char *key = arena_printf(&l->arena, "parties/%s/%s.key", party, agent);
	if (uri == NULL || cert == NULL || key == NULL)
		return err_set(e, ERR_NOMEM, "agent");
	/* one certificate for the session and for signing reports */
	struct mint_spec spec = { agent, &uri, 1, MINT_CLIENT | MINT_SIGNER, l->now_s - EARLIER,
		l->now_s + (int64_t)AGENT_DAYS * DAY };
	struct issued id;
	bool ok = issue(l, &spec, authority, &id, e) && put_cert(l, id.cert, cert, e) &&
		  put_key(l, id.key, key, e);
	issued_done(&id);
	return ok;
}

static bool
make_list(struct lab *l, const char *party, const struct issued *authority, struct err *e)
{
	struct mint_authority issuer = { authority->cert, authority->key };
	const char *path = arena_printf(&l->arena, "policy/trust/%s.crl", lab_lower(l, party));
	X509_CRL *crl = NULL;
	if (path == NULL)
		return err_set(e, ERR_NOMEM, "revocation list");
	bool ok = mint_crl(&issuer, NULL, l->now_s - EARLIER,
		      l->now_s + (int64_t)LAB_CRL_DAYS * DAY, &crl, e) &&
		  put_crl(l, crl, path, e);
	X509_CRL_free(crl);
	return ok;
}

/* The bundle goes to the policy and to what every context trusts. */
static bool
put_authority(struct lab *l, const char *party, const struct issued *authority, struct err *e)
{
	const char *own = arena_printf(&l->arena, "parties/%s/ca.pem", party);
	const char *key = arena_printf(&l->arena, "parties/%s/ca.key", party);
	const char *policy = arena_printf(&l->arena, "policy/trust/%s-ca.pem", lab_lower(l, party));
	const char *home = arena_printf(&l->arena, "home/trust/%s.pem", party);
	if (own == NULL || key == NULL || policy == NULL || home == NULL)
		return err_set(e, ERR_NOMEM, "authority");
	return put_cert(l, authority->cert, own, e) && put_key(l, authority->key, key, e) &&
	       put_cert(l, authority->cert, policy, e) && put_cert(l, authority->cert, home, e);
}

static bool
make_broker(struct lab *l, const struct issued *authority, struct err *e)
{
	static const char *const uri = LAB_HUB_ID;
	struct mint_spec spec = { "relto", &uri, 1, MINT_SERVER, l->now_s - EARLIER,
		l->now_s + (int64_t)AGENT_DAYS * DAY };
	struct issued id;
	bool ok = issue(l, &spec, authority, &id, e) && put_cert(l, id.cert, "hub/broker.pem", e) &&
		  put_key(l, id.key, "hub/broker.key", e) &&
		  put_cert(l, authority->cert, "hub/ca.pem", e);
	issued_done(&id);
	return ok;
}

static bool
make_party(struct lab *l, const char *party, bool hub, struct err *e)
{
	const char *name = arena_printf(&l->arena, "%s lab authority", party);
	/* the trust domain in the authority itself: a recipient's trust folder needs no more */
	const char *domain = arena_printf(&l->arena, "spiffe://%s.example", lab_lower(l, party));
	struct mint_spec spec = { name, &domain, domain == NULL ? 0 : 1, MINT_AUTHORITY,
		l->now_s - EARLIER, l->now_s + (int64_t)AUTHORITY_DAYS * DAY };
	struct issued authority = { NULL, NULL };
	size_t count;
	const struct lab_agent *agents = lab_agents(hub, &count);
	bool ok = (name != NULL || err_set(e, ERR_NOMEM, "authority")) &&
		  issue(l, &spec, NULL, &authority, e) && put_authority(l, party, &authority, e) &&
		  make_list(l, party, &authority, e);
	for (size_t i = 0; ok && i < count; i++)
		ok = make_agent(l, party, agents[i].name, &authority, e);
	if (ok && hub)
		ok = make_broker(l, &authority, e);
	issued_done(&authority);
	return ok || err_wrap(e, "party %s", party);
}

/* ---- the key of the log ---- */

static bool
vkey_text(struct lab *l, EVP_PKEY *key, const char **out, struct err *e)
{
	struct note_name name = { bytes_of(LAB_ORIGIN), NOTE_ED25519 };
	struct note_key public;
	struct sha256 hash;
	char vkey[NOTE_VKEY_MAX];
	if (!sha256_init(&hash, e))
		return false;
	bool ok = note_key_of(&hash, &name, key, &public, e);
	sha256_done(&hash);
	if (!ok)
		return false;
	note_key_print(&public, vkey);
	*out = arena_printf(&l->arena, "%s\n", vkey);
	return *out != NULL || err_set(e, ERR_NOMEM, "the log's key");
}

static bool
make_log_key(struct lab *l, struct err *e)
{
	EVP_PKEY *key = mint_ed25519();
	const char *vkey = NULL;
	bool ok = (key != NULL || err_set(e, ERR_CRYPTO, "no Ed25519 key")) &&
		  put_key(l, key, l->signer ? "signer/log.key" : "hub/log.key", e) &&
		  vkey_text(l, key, &vkey, e) &&
		  lab_put(l, lab_path(l, "hub/log.vkey"), 0644, bytes_of(vkey), e) &&
		  lab_put(l, lab_path(l, "home/log.vkey"), 0644, bytes_of(vkey), e);
	EVP_PKEY_free(key);
	return ok;
}

bool
lab_pki(struct lab *l, struct err *e)
{
	for (size_t i = 0; i < l->party_count; i++)
		if (!make_party(l, l->parties[i], false, e))
			return false;
	return make_party(l, LAB_HUB, true, e) && make_log_key(l, e);
}

/* ---- revocation ---- */

static BIO *
open_bio(struct lab *l, const char *path, struct err *e)
{
	struct bytes pem;
	const char *whole = arena_printf(&l->arena, "%s/%s", l->dir, path);
	if (whole == NULL) {
		(void)err_set(e, ERR_NOMEM, "revocation");
		return NULL;
	}
	if (!context_read_file(whole, true, &l->arena, &pem, e))
		return NULL;
	return BIO_new_mem_buf(pem.data, (int)pem.len);
}

static bool
list_again(struct lab *l, const char *list, struct issued *authority, X509 *agent, struct err *e)
{
	struct mint_authority issuer = { authority->cert, authority->key };
	X509_CRL *new = NULL;
	BIO *bio = open_bio(l, list, e);
	X509_CRL *old = bio == NULL ? NULL : PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
	BIO_free(bio);
	bool ok = (old != NULL || bio == NULL || err_set(e, ERR_DATA, "%s cannot be read", list)) &&
		  old != NULL &&
		  mint_crl_more(&issuer, old, agent, l->now_s,
		      l->now_s + (int64_t)LAB_CRL_DAYS * DAY, &new, e) &&
		  put_crl(l, new, list, e);
	X509_CRL_free(old);
	X509_CRL_free(new);
	return ok;
}

static X509 *
load_cert(struct lab *l, const char *path, struct err *e)
{
	BIO *bio = open_bio(l, path, e);
	if (bio == NULL)
		return NULL;
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (x == NULL)
		(void)err_set(e, ERR_DATA, "%s is no certificate", path);
	return x;
}

static EVP_PKEY *
load_key(struct lab *l, const char *path, struct err *e)
{
	BIO *bio = open_bio(l, path, e);
	if (bio == NULL)
		return NULL;
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (key == NULL)
		(void)err_set(e, ERR_DATA, "%s is no key", path);
	return key;
}

bool
lab_pki_revoke(struct lab *l, const char *party, const char *agent, struct err *e)
{
	const char *ca = arena_printf(&l->arena, "parties/%s/ca.pem", party);
	const char *ca_key = arena_printf(&l->arena, "parties/%s/ca.key", party);
	const char *cert = arena_printf(&l->arena, "parties/%s/%s.pem", party, agent);
	const char *list = arena_printf(&l->arena, "policy/trust/%s.crl", lab_lower(l, party));
	if (ca == NULL || ca_key == NULL || cert == NULL || list == NULL)
		return err_set(e, ERR_NOMEM, "revocation");
	struct issued authority = { load_cert(l, ca, e), NULL };
	X509 *x = authority.cert == NULL ? NULL : load_cert(l, cert, e);
	authority.key = x == NULL ? NULL : load_key(l, ca_key, e);
	bool ok = authority.key != NULL && list_again(l, list, &authority, x, e);
	X509_free(x);
	issued_done(&authority);
	ERR_clear_error();
	return ok;
}

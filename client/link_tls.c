#include "client/link_tls.h"

#include <openssl/err.h>
#include <time.h>

enum { ALERT_BASE = 1000 /* OpenSSL's reasons for alerts that were received */ };

static const unsigned char alpn[] = { 7, 'r', 'e', 'l', 't', 'o', '/', '1' };

/* RFC 8446 section 6.2, in the words of somebody who has to mend it. */
static const struct {
	int alert;
	const char *name, *words;
} alerts[] = {
	{ 40, "handshake_failure", "it has nothing in common with us to encrypt or sign with" },
	{ 42, "bad_certificate",
	    "our certificate is not acceptable: it needs exactly one URI name, a SPIFFE "
	    "id, CA:FALSE, no right to sign certificates and a strong key" },
	{ 43, "unsupported_certificate",
	    "our certificate may not be used for this: it lacks the extended key usage "
	    "clientAuth or the key usage digitalSignature" },
	{ 44, "certificate_revoked", "our certificate has been revoked" },
	{ 45, "certificate_expired", "our certificate has expired or is not valid yet" },
	{ 46, "certificate_unknown",
	    "our certificate is genuine, but its agent is not listed at the broker, or our "
	    "party's revocation list is missing or too old there" },
	{ 48, "unknown_ca",
	    "no party of the broker has our trust domain, or our certificate does not come "
	    "from the CA that the broker knows for it" },
	{ 49, "access_denied", "we are not allowed in" },
	{ 51, "decrypt_error", "our private key does not belong to our certificate" },
	{ 70, "protocol_version", "it does not speak TLS 1.3" },
	{ 71, "insufficient_security", "our parameters are too weak for it" },
	{ 80, "internal_error", "it failed on its own side" },
	{ 116, "certificate_required", "we presented no certificate" },
	{ 120, "no_application_protocol", "it is no relto broker of version 1" },
};

static bool
refused_by_peer(int alert, struct err *e)
{
	for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++)
		if (alerts[i].alert == alert)
			return err_set(e, ERR_TLS, "the broker refused us: %s (TLS alert %s)",
			    alerts[i].words, alerts[i].name);
	return err_set(e, ERR_TLS, "the broker refused us (TLS alert %d)", alert);
}

bool
link_tls_error(const struct link_tls_check *check, struct err *e)
{
	unsigned long first = ERR_peek_error();
	char text[256];
	ERR_error_string_n(first, text, sizeof(text));
	int reason = ERR_GET_REASON(first);
	bool ours = ERR_GET_LIB(first) == ERR_LIB_SSL;
	ERR_clear_error();
	if (check->dry)
		return err_set(e, ERR_NOMEM, "out of memory in the handshake");
	if (check->verdict.fault != CHAIN_GOOD)
		return err_set(e, ERR_CERTIFICATE, "this is not the pinned hub %s: %s (%s)",
		    check->hub->id, chain_fault_text(check->verdict.fault), check->verdict.why);
	if (ours && reason > ALERT_BASE && reason < ALERT_BASE + 256)
		return refused_by_peer(reason - ALERT_BASE, e);
	if (ours && reason == SSL_R_WRONG_VERSION_NUMBER)
		return err_set(e, ERR_TLS, "what is listening there does not speak TLS");
	return err_set(e, ERR_TLS, "TLS failed: %s", first == 0 ? "the connection ended" : text);
}

/* The chain must end in the hub's pinned anchors, and the leaf be the hub (design section 7). */
static int
judge_hub(X509_STORE_CTX *ctx, void *arg)
{
	struct link_tls_check *c = arg;
	X509 *leaf = X509_STORE_CTX_get0_cert(ctx);
	if (leaf == NULL)
		return 0;
	bool good = chain_judge(c->hub->anchors, leaf, X509_STORE_CTX_get0_untrusted(ctx),
	    CHAIN_SERVER, (int64_t)time(NULL), &c->verdict);
	if (good && !bytes_is(c->verdict.cert.id.text, c->hub->id)) {
		c->verdict.fault = CHAIN_OTHER_ID;
		(void)snprintf(
		    c->verdict.why, sizeof(c->verdict.why), "%.150s", c->verdict.cert.id_text);
	}
	bool ok = c->verdict.fault == CHAIN_GOOD;
	X509_STORE_CTX_set_error(ctx, ok ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
	return ok;
}

static bool
use_identity(SSL_CTX *tls, const struct link_target *t, struct err *e)
{
	if (SSL_CTX_use_certificate(tls, t->leaf) != 1) {
		const char *why = ERR_reason_error_string(ERR_peek_last_error());
		ERR_clear_error();
		return err_set(e, ERR_DATA, "our certificate cannot be used: %s",
		    why == NULL ? "OpenSSL does not say why" : why);
	}
	if (SSL_CTX_use_PrivateKey(tls, t->key) != 1 || SSL_CTX_check_private_key(tls) != 1) {
		ERR_clear_error();
		return err_set(e, ERR_USAGE, "the private key does not belong to the certificate");
	}
	for (int i = 1; t->chain != NULL && i < sk_X509_num(t->chain); i++)
		if (SSL_CTX_add1_chain_cert(tls, sk_X509_value(t->chain, i)) != 1)
			return err_set(e, ERR_CRYPTO, "an intermediate certificate");
	return true;
}

bool
link_tls_new(
    const struct link_target *t, struct link_tls_check *check, SSL_CTX **out, struct err *e)
{
	char newest[] = "X25519MLKEM768:X25519:P-256", plain[] = "X25519:P-256";
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	*check = (struct link_tls_check){ .hub = t->hub };
	/* X25519MLKEM768 is unknown to OpenSSL 3.0, which refuses the whole list for it (FACTS) */
	bool ok = tls != NULL && SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) == 1 &&
		  (SSL_CTX_set1_groups_list(tls, newest) == 1 ||
		      SSL_CTX_set1_groups_list(tls, plain) == 1) &&
		  SSL_CTX_set_alpn_protos(tls, alpn, sizeof(alpn)) == 0;
	ERR_clear_error();
	if (!ok || !use_identity(tls, t, e)) {
		SSL_CTX_free(tls);
		return ok ? false : err_set(e, ERR_CRYPTO, "TLS settings");
	}
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(tls, judge_hub, check);
	(void)SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_options(tls, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	(void)SSL_CTX_set_max_cert_list(tls, LIMIT_CERT_LIST_BYTES);
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
	(void)SSL_CTX_clear_mode(tls, SSL_MODE_AUTO_RETRY);
	*out = tls;
	return true;
}

#include "daemon/tls.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CIPHERS "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define SESSION_MAGIC 0x746c7353u
/* not in OpenSSL's table of alerts, so it becomes certificate_unknown */
#define ERROR_CERTIFICATE_UNKNOWN X509_V_ERR_PERMITTED_VIOLATION

static const uint8_t alpn_wire[] = "\x07" TLS_ALPN;
_Static_assert(sizeof(alpn_wire) == 1 + 7 + 1, "the length byte of ALPN");

/* What one SSL carries; freed with it. */
struct session {
	uint32_t magic;
	struct trust *trust;
	struct trust_peer *peer; /* set by a handshake that verified, until it is taken.. */
	/* ..and with it goes this, of two KiB.  Fault 0: the certificate was not what failed */
	struct trust_refusal *refusal;
	uint32_t key_updates;
};

static int session_index = -1;
static pthread_once_t session_once = PTHREAD_ONCE_INIT;

static void
session_free(void *parent, void *session, CRYPTO_EX_DATA *all_data, int index, long number_argument,
    void *pointer_argument)
{
	(void)parent;
	(void)all_data;
	(void)index;
	(void)number_argument;
	(void)pointer_argument;
	struct session *s = session;
	if (s == NULL)
		return;
	assert(s->magic == SESSION_MAGIC);
	trust_peer_free(s->peer);
	trust_unref(s->trust);
	free(s->refusal);
	free(s);
}

static void
session_register(void)
{
	session_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, session_free);
}

static struct session *
session_of(const SSL *ssl)
{
	struct session *s = SSL_get_ex_data(ssl, session_index);
	assert(s != NULL && s->magic == SESSION_MAGIC);
	return s;
}

/* ---- callbacks of OpenSSL ---- */

static int
error_for_alert(enum chain_fault fault)
{
	static const struct {
		const char *alert;
		int error;
	} map[] = {
		{ "bad certificate", X509_V_ERR_CERT_REJECTED },
		{ "unsupported certificate", X509_V_ERR_INVALID_PURPOSE },
		{ "unknown ca", X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY },
		{ "certificate expired", X509_V_ERR_CERT_HAS_EXPIRED },
		{ "certificate revoked", X509_V_ERR_CERT_REVOKED },
		{ "internal error", X509_V_ERR_UNSPECIFIED },
	};
	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (strcmp(chain_fault_alert(fault), map[i].alert) == 0)
			return map[i].error;
	return ERROR_CERTIFICATE_UNKNOWN;
}

static int
on_verify(X509_STORE_CTX *ctx, void *arg)
{
	(void)arg;
	SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct session *s = session_of(ssl);
	assert(s->refusal != NULL); /* no handshake is asked for after the first */
	trust_peer_free(s->peer);
	s->peer = NULL;
	if (trust_admit(s->trust, X509_STORE_CTX_get0_cert(ctx), X509_STORE_CTX_get0_untrusted(ctx),
		&s->peer, s->refusal)) {
		X509_STORE_CTX_set_error(ctx, X509_V_OK);
		return 1;
	}
	X509_STORE_CTX_set_error(ctx, error_for_alert(s->refusal->fault));
	return 0;
}

static int
on_client_hello(SSL *ssl, int *alert, void *arg)
{
	(void)arg;
	const unsigned char *alpn;
	size_t len;
	/* OpenSSL does not ask on_alpn where the client names no protocol at all */
	if (SSL_client_hello_get0_ext(
		ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &alpn, &len) == 1)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	return SSL_CLIENT_HELLO_ERROR;
}

static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
    unsigned in_len, void *arg)
{
	(void)ssl;
	(void)arg;
	unsigned char *chosen;
	if (SSL_select_next_proto(&chosen, out_len, alpn_wire, sizeof(alpn_wire) - 1, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* OpenSSL works off whatever it has read ahead before it comes back, AUTO_RETRY or not; but nothing
 * behind a shutdown. */
static void
count_key_update(SSL *ssl)
{
	if (++session_of(ssl)->key_updates > LIMIT_KEY_UPDATES)
		SSL_set_shutdown(ssl, SSL_get_shutdown(ssl) | SSL_RECEIVED_SHUTDOWN);
}

static void
on_message(int is_write, int version, int content_type, const void *message, size_t len, SSL *ssl,
    void *argument)
{
	(void)version;
	(void)argument;
	if (is_write == 0 && content_type == SSL3_RT_HANDSHAKE && len > 0 &&
	    *(const uint8_t *)message == SSL3_MT_KEY_UPDATE)
		count_key_update(ssl);
}

/* ---- the context ---- */

static bool
context_protocol(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
				     SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	/* one read takes what has come, not a header and then a body */
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_security_level(ctx, 2);
	/* OpenSSL 3.0 refuses a list with a group that it does not know (FACTS 37); its macro casts
	 * const away, so the lists are not const */
	char with_pq[] = "X25519MLKEM768:X25519:P-256", without[] = "X25519:P-256";
	bool groups = SSL_CTX_set1_groups_list(ctx, with_pq) == 1 ||
		      SSL_CTX_set1_groups_list(ctx, without) == 1;
	ERR_clear_error();
	return groups && SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_num_tickets(ctx, 0) == 1 && SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
	       SSL_CTX_set_recv_max_early_data(ctx, 0) == 1 &&
	       SSL_CTX_set_ciphersuites(ctx, CIPHERS) == 1;
}

static void
context_peers(SSL_CTX *ctx)
{
	/* no list of names of CAs is set, so none is sent */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify_depth(ctx, LIMIT_CHAIN_DEPTH);
	SSL_CTX_set_max_cert_list(ctx, LIMIT_CERT_LIST_BYTES);
	SSL_CTX_set_cert_verify_callback(ctx, on_verify, NULL);
	SSL_CTX_set_client_hello_cb(ctx, on_client_hello, NULL);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	SSL_CTX_set_msg_callback(ctx, on_message);
}

bool
tls_context_new(const struct tls_identity *own, SSL_CTX **out, struct err *e)
{
	(void)pthread_once(&session_once, session_register);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	bool ok = session_index >= 0 && ctx != NULL && context_protocol(ctx) &&
		  SSL_CTX_use_certificate(ctx, own->leaf) == 1 &&
		  SSL_CTX_use_PrivateKey(ctx, own->key) == 1;
	for (int i = 0; ok && i < sk_X509_num(own->others); i++)
		ok = SSL_CTX_add1_chain_cert(ctx, sk_X509_value(own->others, i)) == 1;
	if (!ok) {
		unsigned long last = ERR_get_error();
		const char *reason = ERR_reason_error_string(last);
		SSL_CTX_free(ctx);
		ERR_clear_error();
		return err_set(
		    e, ERR_CRYPTO, "TLS context: %s", reason == NULL ? "refused" : reason);
	}
	context_peers(ctx);
	*out = ctx;
	return true;
}

SSL *
tls_open(struct trust *t)
{
	struct session *s = calloc(1, sizeof(*s));
	SSL *ssl = SSL_new(trust_context(t));
	if (s != NULL)
		s->refusal = calloc(1, sizeof(*s->refusal));
	if (s != NULL && s->refusal != NULL && ssl != NULL &&
	    SSL_set_ex_data(ssl, session_index, s) == 1) {
		s->magic = SESSION_MAGIC;
		s->trust = trust_ref(t);
		SSL_set_accept_state(ssl);
		return ssl;
	}
	if (s != NULL)
		free(s->refusal);
	free(s);
	SSL_free(ssl);
	ERR_clear_error();
	return NULL;
}

/* ---- after the handshake ---- */

static bool
alpn_agreed(const SSL *ssl)
{
	const unsigned char *name;
	unsigned len;
	SSL_get0_alpn_selected(ssl, &name, &len);
	return bytes_is(bytes_from(name, len), TLS_ALPN);
}

bool
tls_take_peer(SSL *ssl, struct trust_peer **out, struct trust_refusal *why)
{
	struct session *s = session_of(ssl);
	X509 *shown = SSL_get0_peer_certificate(ssl);
	bool good = SSL_is_init_finished(ssl) == 1 && SSL_version(ssl) == TLS1_3_VERSION &&
		    SSL_session_reused(ssl) == 0 && SSL_get_verify_result(ssl) == X509_V_OK &&
		    alpn_agreed(ssl) && s->peer != NULL && shown != NULL &&
		    X509_cmp(shown, sk_X509_value(s->peer->certs, 0)) == 0;
	if (!good) {
		memset(why, 0, sizeof(*why));
		why->fault = CHAIN_HANDSHAKE;
		(void)snprintf(why->why, sizeof(why->why), "the handshake left no verified peer");
		return false;
	}
	*out = MOVE(s->peer);
	free(MOVE(s->refusal));
	return true;
}

void
tls_refusal(SSL *ssl, struct trust_refusal *out)
{
	struct session *s = session_of(ssl);
	unsigned long last = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(last);
	ERR_clear_error();
	if (s->refusal != NULL && s->refusal->fault != CHAIN_GOOD) {
		*out = *s->refusal;
		return;
	}
	memset(out, 0, sizeof(*out));
	bool none = ERR_GET_LIB(last) == ERR_LIB_SSL &&
		    ERR_GET_REASON(last) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;
	out->fault = none ? CHAIN_NO_CERTIFICATE : CHAIN_HANDSHAKE;
	(void)snprintf(
	    out->why, sizeof(out->why), "%s", reason == NULL ? "the connection ended" : reason);
}

uint32_t
tls_key_updates(const SSL *ssl)
{
	return session_of(ssl)->key_updates;
}

void
tls_saw_data(SSL *ssl)
{
	session_of(ssl)->key_updates = 0;
}

/* ---- the trial of a new set, before it is used (FACTS 30) ---- */

static SSL *
trial_client(const struct tls_identity *show, struct err *e)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	bool ok = ctx != NULL;
	if (ok && show != NULL)
		ok = SSL_CTX_use_certificate(ctx, show->leaf) == 1 &&
		     SSL_CTX_use_PrivateKey(ctx, show->key) == 1;
	SSL *ssl = ok ? SSL_new(ctx) : NULL;
	SSL_CTX_free(ctx); /* the SSL holds it */
	/* 0 is success here, unlike everywhere else in OpenSSL */
	if (ssl == NULL || SSL_set_alpn_protos(ssl, alpn_wire, sizeof(alpn_wire) - 1) != 0) {
		SSL_free(ssl);
		(void)err_set(e, ERR_NOMEM, "trial of the TLS set");
		return NULL;
	}
	SSL_set_connect_state(ssl);
	return ssl;
}

/* Both ends over memory until the server has an answer: true if it accepted. */
static bool
trial_run(SSL *server, SSL *client)
{
	for (int round = 0; round < 8; round++) {
		(void)SSL_do_handshake(client);
		ERR_clear_error();
		int r = SSL_do_handshake(server);
		if (r == 1 || SSL_get_error(server, r) != SSL_ERROR_WANT_READ)
			return r == 1;
	}
	return false;
}

static bool
trial(struct trust *t, const struct tls_identity *show, enum chain_fault *fault, struct err *e)
{
	SSL *server = tls_open(t), *client = trial_client(show, e);
	BIO *near_end = NULL, *far_end = NULL;
	bool ok =
	    server != NULL && client != NULL && BIO_new_bio_pair(&near_end, 0, &far_end, 0) == 1;
	if (!ok) {
		SSL_free(server);
		SSL_free(client);
		return err_set(e, ERR_NOMEM, "trial of the TLS set");
	}
	SSL_set_bio(server, near_end, near_end);
	SSL_set_bio(client, far_end, far_end);
	bool accepted = trial_run(server, client);
	struct trust_refusal why;
	tls_refusal(server, &why);
	/* a TLS 1.3 client is through before the server has judged it (FACTS 29) */
	bool agreed = SSL_version(client) == TLS1_3_VERSION && alpn_agreed(client) &&
		      SSL_is_init_finished(client) == 1;
	SSL_free(server);
	SSL_free(client);
	ERR_clear_error();
	if (accepted)
		return err_set(e, ERR_CRYPTO, "a client that must be refused was accepted");
	if (!agreed)
		return err_set(e, ERR_CRYPTO, "no handshake with itself: %s", why.why);
	*fault = why.fault;
	return true;
}

bool
tls_try(struct trust *t, const struct tls_identity *own, struct err *e)
{
	enum chain_fault fault = CHAIN_GOOD;
	if (!trial(t, NULL, &fault, e))
		return err_wrap(e, "trial without a certificate");
	if (fault != CHAIN_NO_CERTIFICATE)
		return err_set(
		    e, ERR_CRYPTO, "trial without a certificate: %s", chain_fault_text(fault));
	/* the broker is no agent, whatever its certificate may be used for */
	if (!trial(t, own, &fault, e))
		return err_wrap(e, "trial with the broker's own certificate");
	if (fault == CHAIN_HANDSHAKE || fault == CHAIN_NO_CERTIFICATE || fault == CHAIN_INTERNAL)
		return err_set(e, ERR_CRYPTO, "trial with the broker's own certificate: %s",
		    chain_fault_text(fault));
	return true;
}

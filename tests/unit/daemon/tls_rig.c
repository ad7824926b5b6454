#include "tests/unit/daemon/tls_rig.h"

#include <openssl/err.h>

#include "daemon/log.h"

struct world rig_world;
struct trust *rig_trust;

static void
quiet(const char *line, size_t len)
{
	(void)line;
	(void)len;
}

int
rig_begin(void **state)
{
	(void)state;
	log_test_seams(NULL, quiet);
	world_make(&w);
	t = world_trust(&w);
	return 0;
}

int
rig_end(void **state)
{
	(void)state;
	trust_unref(t);
	world_done(&w);
	return 0;
}

/* ---- one handshake over memory ---- */

unsigned rig_tickets;

static int
on_ticket(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	(void)session;
	rig_tickets++;
	return 0;
}

SSL *
rig_client(const struct world_id *id, STACK_OF(X509) * chain)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	assert_non_null(ctx);
	SSL_CTX_set_security_level(ctx, 0); /* the client may be as weak as it likes */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(ctx, on_ticket);
	if (id != NULL) {
		assert_int_equal(SSL_CTX_use_certificate(ctx, id->cert), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(ctx, id->key), 1);
	}
	for (int i = 0; i < sk_X509_num(chain); i++)
		assert_int_equal(SSL_CTX_add1_chain_cert(ctx, sk_X509_value(chain, i)), 1);
	SSL *ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	SSL_set_connect_state(ssl);
	SSL_set_alpn_protos(ssl, (const uint8_t *)"\x07relto/1", 8);
	return ssl;
}

void
rig_join(struct ends *x, SSL *client)
{
	BIO *a = NULL, *b = NULL;
	memset(x, 0, sizeof(*x));
	x->client = client;
	x->server = tls_open(t);
	assert_non_null(x->server);
	assert_int_equal(BIO_new_bio_pair(&a, 65536, &b, 65536), 1);
	SSL_set_bio(x->server, a, a);
	SSL_set_bio(x->client, b, b);
}

void
rig_shake(struct ends *x)
{
	int r = 0;
	for (int round = 0; round < 10; round++) {
		(void)SSL_do_handshake(x->client);
		ERR_clear_error();
		r = SSL_do_handshake(x->server);
		if (r == 1 || SSL_get_error(x->server, r) != SSL_ERROR_WANT_READ)
			break;
	}
	x->accepted = r == 1 && tls_take_peer(x->server, &x->peer, &x->why);
	if (r != 1)
		tls_refusal(x->server, &x->why);
	char byte;
	ERR_clear_error();
	if (SSL_read(x->client, &byte, 1) <= 0) {
		int reason = ERR_GET_REASON(ERR_peek_last_error());
		x->alert = reason > SSL_AD_REASON_OFFSET ? reason - SSL_AD_REASON_OFFSET : 0;
	}
	ERR_clear_error();
}

void
rig_part(struct ends *x)
{
	trust_peer_free(x->peer);
	SSL_free(x->server);
	SSL_free(x->client);
}

/* Shows 'id'; it must be refused with this reason and this alert, and nothing else be said. */
void
rig_refused(const struct world_id *id, STACK_OF(X509) * chain, enum chain_fault fault, int alert)
{
	struct ends x;
	rig_join(&x, rig_client(id, chain));
	rig_shake(&x);
	assert_false(x.accepted);
	assert_null(x.peer);
	assert_string_equal(chain_fault_token(x.why.fault), chain_fault_token(fault));
	assert_int_equal(x.alert, alert);
	assert_true(strlen(x.why.why) > 0);
	rig_part(&x);
}

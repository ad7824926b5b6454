/*
 * tls.h - mutual TLS 1.3 on the broker's side (DESIGN section 7; FACTS 24-31, 37).
 * TLS 1.3 only, ALPN relto/1 required, no tickets, no session cache, no early data, no
 * post-handshake authentication, no names of CAs sent; AUTO_RETRY cleared so that a flood of
 * KeyUpdates cannot hold a loop (FACTS 28).
 * A connection keeps a reference to the set it was accepted under until its SSL is freed.
 * Threads: an SSL belongs to one thread; the SSL_CTX inside a set is immutable.
 */
#pragma once
#include "daemon/trust.h"

#define TLS_ALPN "relto/1"

/* Used by trust_new: the context over the set's certificate and key; and its trial by handshakes.
 */
struct tls_identity {
	X509 *leaf;
	STACK_OF(X509) * others;
	EVP_PKEY *key;
};
MUST_USE bool tls_context_new(const struct tls_identity *own, SSL_CTX **out, struct err *e);
/*
 * Handshakes with itself over memory: a client without a certificate and one that shows the
 * broker's own must be refused, with TLS 1.3 and ALPN agreed.  Errors: ERR_CRYPTO with what went
 * otherwise; ERR_NOMEM.
 */
MUST_USE bool tls_try(struct trust *t, const struct tls_identity *own, struct err *e);

/* A server SSL that holds a reference to 't'; NULL when out of memory (close the connection: never
 * go on without). */
SSL *tls_open(struct trust *t);
/*
 * After SSL_do_handshake returned 1: takes the peer that the handshake verified.  False (close) if
 * there is none or no ALPN: fails closed whatever SSL_get_verify_result says (FACTS 25).
 */
MUST_USE bool tls_take_peer(SSL *ssl, struct trust_peer **out, struct trust_refusal *why);
/*
 * After SSL_do_handshake failed: why, in words.  A refused certificate keeps its own fault;
 * everything else is CHAIN_HANDSHAKE with OpenSSL's reason (the error queue is emptied), or
 * CHAIN_NO_CERTIFICATE.
 */
void tls_refusal(SSL *ssl, struct trust_refusal *out);
/*
 * KeyUpdates received since the last tls_saw_data(); close above LIMIT_KEY_UPDATES.  The pump calls
 * tls_saw_data whenever SSL_read returned application data.
 */
uint32_t tls_key_updates(const SSL *ssl);
void tls_saw_data(SSL *ssl);

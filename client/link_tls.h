/* link_tls.h - the TLS settings of a client, and a broker's refusals in words. */
#pragma once
#include "client/link.h"

/* What the check of the server's certificate found; lives as long as the SSL_CTX. */
struct link_tls_check {
	const struct link_hub *hub;
	struct chain_verdict verdict;
	bool dry; /* memory ran out in the handshake: what it read is spoiled (proto/dry.h) */
};

/* A context for one connection.  ERR_CRYPTO, ERR_USAGE (key and certificate do not match). */
MUST_USE bool link_tls_new(
    const struct link_target *t, struct link_tls_check *check, SSL_CTX **out, struct err *e);
/* The error at the head of OpenSSL's queue, in words; empties the queue.  'check' tells whether it
 * was we who refused.  Always false. */
bool link_tls_error(const struct link_tls_check *check, struct err *e);

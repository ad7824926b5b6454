/* What a client says of a handshake that failed: each alert in words (proto/chain.def sends some).
 */
#include "tests/lib/test.h"

#include "client/link_tls.h"

#include <openssl/err.h>

static void
story_is(const struct link_tls_check *check, enum err_code code, const char *story)
{
	struct err e = { 0 };
	assert_false(link_tls_error(check, &e));
	assert_int_equal(e.code, code);
	assert_string_equal(e.text, story);
	assert_int_equal(ERR_peek_error(), 0);
}

static const struct {
	int alert;
	const char *name, *words;
} alerts[] = {
	{ 40, "handshake_failure", "it has nothing in common with us to encrypt or sign with" },
	{ 42, "bad_certificate",
	    "our certificate is not acceptable: it needs exactly one URI name, a SPIFFE id, "
	    "CA:FALSE, no right to sign certificates and a strong key" },
	{ 43, "unsupported_certificate",
	    "our certificate may not be used for this: it lacks the extended key usage "
	    "clientAuth or the key usage digitalSignature" },
	{ 44, "certificate_revoked", "our certificate has been revoked" },
	{ 45, "certificate_expired", "our certificate has expired or is not valid yet" },
	{ 46, "certificate_unknown",
	    "our certificate is genuine, but its agent is not listed at the broker, or our "
	    "party's revocation list is missing or too old there" },
	{ 48, "unknown_ca",
	    "no party of the broker has our trust domain, or our certificate does not come from "
	    "the CA that the broker knows for it" },
	{ 49, "access_denied", "we are not allowed in" },
	{ 51, "decrypt_error", "our private key does not belong to our certificate" },
	{ 70, "protocol_version", "it does not speak TLS 1.3" },
	{ 71, "insufficient_security", "our parameters are too weak for it" },
	{ 80, "internal_error", "it failed on its own side" },
	{ 116, "certificate_required", "we presented no certificate" },
	{ 120, "no_application_protocol", "it is no relto broker of version 1" },
};

static void
each_alert_is_said_in_words(void **state)
{
	const struct link_tls_check check = { .hub = NULL };
	(void)state;
	for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++) {
		char story[300];
		(void)snprintf(story, sizeof(story), "the broker refused us: %s (TLS alert %s)",
		    alerts[i].words, alerts[i].name);
		ERR_raise(ERR_LIB_SSL, 1000 + alerts[i].alert);
		story_is(&check, ERR_TLS, story);
	}
	ERR_raise(ERR_LIB_SSL, 1000 + 1); /* the first and the last number mean nothing to us */
	story_is(&check, ERR_TLS, "the broker refused us (TLS alert 1)");
	ERR_raise(ERR_LIB_SSL, 1000 + 255);
	story_is(&check, ERR_TLS, "the broker refused us (TLS alert 255)");
}

/* What our own certificates can be refused for must have words of its own. */
static void
each_alert_that_a_broker_sends_has_words(void **state)
{
	const struct link_tls_check check = { .hub = NULL };
	(void)state;
	for (enum chain_fault f = CHAIN_GOOD + 1; f < CHAIN_FAULT_COUNT; f++) {
		char name[64];
		struct err e = { 0 };
		bool found = f == CHAIN_HANDSHAKE; /* it has none */
		(void)snprintf(name, sizeof(name), "TLS alert %s)", chain_fault_alert(f));
		for (char *at = name + strlen("TLS alert "); *at != 0; at++)
			*at = *at == ' ' ? '_' : *at;
		for (int alert = 0; alert < 256; alert++) {
			ERR_raise(ERR_LIB_SSL, 1000 + alert);
			assert_false(link_tls_error(&check, &e));
			found = found || strstr(e.text, name) != NULL;
		}
		if (!found)
			fail_msg("%s", name);
	}
}

static void
what_is_no_alert_is_told_apart(void **state)
{
	static const struct link_hub hub = { NULL, "spiffe://hub.example/relto" };
	struct link_tls_check check = { .hub = &hub };
	(void)state;
	story_is(&check, ERR_TLS, "TLS failed: the connection ended");
	ERR_raise(ERR_LIB_SSL, SSL_R_WRONG_VERSION_NUMBER);
	story_is(&check, ERR_TLS, "what is listening there does not speak TLS");
	check.verdict.fault = CHAIN_UNTRUSTED;
	(void)snprintf(check.verdict.why, sizeof(check.verdict.why), "no issuer");
	ERR_raise(ERR_LIB_SSL, 1000 + 40); /* our own verdict comes first */
	story_is(&check, ERR_CERTIFICATE,
	    "this is not the pinned hub spiffe://hub.example/relto: the chain does not end in the "
	    "party's bundle (no issuer)");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_alert_is_said_in_words),
		cmocka_unit_test(each_alert_that_a_broker_sends_has_words),
		cmocka_unit_test(what_is_no_alert_is_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* on_attest.c - Attest: what a client verified of its party's own tree, on its way into the log. */
#include "daemon/attest.h"
#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/on.h"
#include "daemon/trust.h"
#include "proto/seal.h"

#include "audit/log.h"

#include <inttypes.h>
#include <openssl/x509.h>

enum { ATTEST_ARENA = 2 * LIMIT_CERT_LIST_BYTES + 65536, RETRY_MS = 1000 };

void
attest_shown(struct session *s, uint64_t size, const uint8_t root[32])
{
	ASSERT_ON(ROLE_WORKER);
	if (s->shown[0].size == size)
		return;
	s->shown[1] = s->shown[0];
	s->shown[0].size = size;
	memcpy(s->shown[0].root, root, sizeof(s->shown[0].root));
}

/* The head of that size which this session was shown; NULL: none, or an empty tree. */
static const struct session_shown *
find_shown(const struct session *s, uint64_t size)
{
	for (size_t i = 0; size != 0 && i < sizeof(s->shown) / sizeof(s->shown[0]); i++)
		if (s->shown[i].size == size)
			return &s->shown[i];
	return NULL;
}

/* Whoever has many certificates is one agent still. */
static bool
agent_of(struct conn *c, uint8_t out[32], struct err *e)
{
	struct sha256 *h = &desk_of(c)->sha;
	sha256_begin(h);
	sha256_add(h, bytes_from((const uint8_t *)c->peer->party, strlen(c->peer->party) + 1));
	sha256_add(h, bytes_of(c->peer->agent));
	return sha256_end(h, out, e);
}

/* What this agent attested last, in whichever session; where there is no room the oldest goes. */
static struct desk_attested *
attested(struct desk *d, const uint8_t agent[32])
{
	struct desk_attested *oldest = &d->attested[0];
	for (size_t i = 0; i < DESK_ATTESTED; i++) {
		struct desk_attested *a = &d->attested[i];
		if (a->used && memcmp(a->agent, agent, sizeof(a->agent)) == 0)
			return a;
		if (!a->used || (oldest->used && a->at_ms < oldest->at_ms))
			oldest = oldest->used ? a : oldest;
	}
	*oldest = (struct desk_attested){ .used = true };
	memcpy(oldest->agent, agent, sizeof(oldest->agent));
	return oldest;
}

/* Once in a while, and only what is new.  Attempts count too: each costs us a signature. */
static bool
is_due(struct desk *d, struct desk_attested *a, uint64_t size, uint32_t *retry_ms)
{
	uint64_t now = worker_now_ms(d->worker), every = desk_settings(d)->limit_attest_ms;
	uint64_t since = now - a->at_ms;
	bool early = a->tried && since < every;
	*retry_ms = early ? (uint32_t)(every - since) : 0;
	if (early || size <= a->size)
		return false;
	a->at_ms = now;
	a->tried = true;
	return true;
}

/* The certificates of the session as they were sent, DER, one after the other. */
static bool
chain_of(const struct conn *c, struct arena *a, struct bytes *out, struct err *e)
{
	size_t len = 0;
	int count = sk_X509_num(c->peer->certs);
	for (int i = 0; i < count; i++) {
		int n = i2d_X509(sk_X509_value(c->peer->certs, i), NULL);
		if (n <= 0)
			return err_set(e, ERR_NOMEM, "the session's chain");
		len += (size_t)n;
	}
	uint8_t *to = arena_alloc(a, len);
	if (to == NULL)
		return err_set(e, ERR_NOMEM, "the session's chain");
	*out = bytes_from(to, len);
	for (int i = 0; i < count; i++)
		if (i2d_X509(sk_X509_value(c->peer->certs, i), &to) <= 0)
			return err_set(e, ERR_NOMEM, "the session's chain");
	return true;
}

static bool
fill_record(struct conn *c, const struct msg_attest *m, struct arena *a, struct job_attest *out,
    struct err *e)
{
	struct desk *d = desk_of(c);
	uint8_t salts[RECORD_SALTS], chain[32];
	struct body b;
	struct slot_common common = { .type = EVENT_ACK };
	struct slot_release release = { .recipient = bytes_of(c->peer->party) };
	struct slot_hub hub = desk_hub(c);
	if (!chain_of(c, a, &out->chain, e) || !sha256_of(&d->sha, out->chain, chain, e))
		return false;
	event_body_begin(&b, EVENT_ACK);
	event_body_uint(&b, BODY_ACK_SIZE, m->size);
	event_body_bytes(&b, BODY_ACK_ROOT, m->root);
	event_body_bytes(&b, BODY_ACK_CERTIFICATE, bytes_from(chain, sizeof(chain)));
	event_body_bytes(&b, BODY_ACK_SIGNATURE, m->signature);
	struct record *r = &out->record;
	return desk_salts(d, salts, e) && record_begin(r, a, salts, e) &&
	       record_set_common(r, a, &common, e) && record_set_release(r, a, &release, e) &&
	       record_set_hub(r, a, &hub, e) && record_set_body(r, a, &b, e) &&
	       record_hash_early(&d->sha, r, e);
}

static bool
go(struct conn *c, const struct msg *m, struct err *e)
{
	SCOPED(job_free) struct job *j = job_new(JOB_ATTEST, NULL, ATTEST_ARENA);
	if (j == NULL)
		return err_set(e, ERR_NOMEM, "attestation");
	j->request = m->request;
	j->rules = desk_of(c)->rules->number;
	j->records = 1;
	j->bytes = 1024 + LIMIT_CERT_LIST_BYTES;
	j->attest.until_us = (uint64_t)trust_peer_until(c->peer) * 1000000;
	j->attest.size = m->attest.size;
	if (!agent_of(c, j->attest.agent, e) ||
	    !fill_record(c, &m->attest, j->arena, &j->attest, e))
		return false;
	(void)!desk_post(c, &j);
	return true;
}

/* Is it the session's own signature over just this?  ERR_BAD_SIGNATURE if not. */
static bool
check_signature(struct conn *c, const struct msg_attest *m, struct err *e)
{
	SCOPED(arena_done) struct arena a;
	struct bytes text;
	struct log_attest said = { desk_of(c)->shell->origin, bytes_of(c->peer->party), m->size,
		{ 0 } };
	arena_init(&a, 65536);
	memcpy(said.root, m->root.data, sizeof(said.root));
	EVP_PKEY *key = X509_get0_pubkey(sk_X509_value(c->peer->certs, 0));
	if (key == NULL)
		return err_set(e, ERR_NOMEM, "the session's key");
	return log_attest_text(&a, &said, &text, e) && seal_holds(key, text, m->signature, e);
}

static void
tell_fork(struct conn *c, const struct msg_attest *m, const struct session_shown *ours)
{
	char said[65], is[65];
	for (size_t i = 0; i < 32; i++) {
		(void)snprintf(said + 2 * i, 3, "%02x", m->root.data[i]);
		(void)snprintf(is + 2 * i, 3, "%02x", ours->root[i]);
	}
	metrics_add(&c->worker->metrics, METRIC_attest_forks, 1);
	log_error("attest.fork",
	    "conn=%" PRIu64 " agent=%s size=%" PRIu64 " attested=%s ours=%s action=%s", c->id,
	    log_quote_text(c->peer->agent), m->size, said, is,
	    log_quote_text("a client signed another tree of its party than the log has: it was "
			   "shown another log, or it is wrong; ask its party"));
}

/* ERR_NONE: it may go.  'e' is of our own troubles. */
static bool
judge(struct conn *c, const struct msg_attest *m, struct complaint *no, struct err *e)
{
	const struct session_shown *head = find_shown(c->session, m->size);
	struct err why = { 0 };
	uint8_t agent[32];
	if (!agent_of(c, agent, e))
		return false;
	if ((c->peer->roles & ROLE_SUBSCRIBE) == 0)
		*no = (struct complaint){ .code = ERR_ROLE };
	else if (!bytes_equal(m->origin, desk_of(c)->shell->origin))
		*no = (struct complaint){ .code = ERR_MALFORMED,
			.field = bytes_of("attest.origin"),
			.nearest = desk_of(c)->shell->origin };
	else if (head == NULL)
		*no = (struct complaint){ .code = ERR_MALFORMED, .field = bytes_of("attest.size") };
	else if (sk_X509_num(c->peer->certs) > (int)LIMIT_CHAIN_CERTS)
		*no = (struct complaint){ .code = ERR_LIMIT };
	else if (!is_due(desk_of(c), attested(desk_of(c), agent), m->size, &no->retry_ms))
		no->code = ERR_QUOTA;
	else if (!check_signature(c, m, &why)) {
		if (why.code != ERR_BAD_SIGNATURE)
			return err_set(e, why.code, "%s", why.text);
		*no = (struct complaint){ .code = ERR_BAD_SIGNATURE,
			.field = bytes_of("attest.signature") };
	} else if (memcmp(m->root.data, head->root, sizeof(head->root)) != 0) {
		tell_fork(c, m, head);
		*no = (struct complaint){ .code = ERR_FORK, .field = bytes_of("attest.root") };
	}
	return true;
}

bool
on_attest(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct complaint no = { .code = ERR_NONE };
	(void)request;
	if (!judge(c, &m->attest, &no, e))
		return false;
	if (no.code != ERR_NONE) {
		metrics_add(&c->worker->metrics, METRIC_attests_refused, 1);
		return desk_refuse(c, m->request, &no, e);
	}
	return go(c, m, e);
}

/* A job that was stale (new rules came between) may come again at once. */
void
attest_home(struct worker *w, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	struct conn *c = worker_find_conn(w, j->conn);
	struct desk_attested *a = attested(w->desk, j->attest.agent);
	struct err e = { 0 };
	bool done = j->fate == JOB_DONE;
	if (done && a->size < j->attest.size)
		a->size = j->attest.size;
	a->tried = a->tried && done;
	metrics_add(&w->metrics, done ? METRIC_attests : METRIC_attests_refused, 1);
	if (c != NULL) {
		const struct msg pong = { .request = j->request, .type = MSG_PONG };
		const struct complaint no = {
			.code = j->fate == JOB_FAILED ? j->err.code : ERR_BUSY, .retry_ms = RETRY_MS
		};
		if (!(done ? conn_send(c, CONN_ANSWER_LANE, &pong, &e)
			   : conn_refuse(c, j->request, &no, &e)))
			conn_fail(c, j->request, &(struct complaint){ .code = e.code });
	}
	job_free(j);
}

#include "client/inside.h"
#include "proto/dry.h"

#include <openssl/x509.h>
#include <stdlib.h>

enum { VERSION = 1, GOODBYE_MS = 1000, SESSION_BYTES = 64 << 20, JOIN_TRIES = 8 };

static void
free_messages(struct inside_messages *list)
{
	while (!STAILQ_EMPTY(list)) {
		struct inside_message *m = STAILQ_FIRST(list);
		STAILQ_REMOVE_HEAD(list, next);
		inside_message_free(m);
	}
}

static void
free_pendings(struct inside_pendings *list)
{
	while (!STAILQ_EMPTY(list)) {
		struct inside_pending *p = STAILQ_FIRST(list);
		STAILQ_REMOVE_HEAD(list, next);
		inside_pending_free(p);
	}
}

static void
connection_free(struct relto_connection *c)
{
	if (c == NULL)
		return;
	while (!STAILQ_EMPTY(&c->chains)) {
		struct inside_chain *chain = STAILQ_FIRST(&c->chains);
		STAILQ_REMOVE_HEAD(&c->chains, next);
		chain_certs_free(chain->certs);
		free(chain);
	}
	relto_identity_free(c->all);
	free_messages(&c->deliveries);
	free_messages(&c->answers);
	free_pendings(&c->unsent);
	free_pendings(&c->sent);
	free_pendings(&c->answered);
	link_free(c->link);
	sha256_done(&c->hash);
	arena_done(&c->head_arena);
	arena_done(&c->arena);
	free(c);
}
SCOPED_FOR(struct relto_connection, connection_free)

static struct relto_connection *
connection_new(const struct relto_context *ctx, struct err *e)
{
	struct relto_connection *c = calloc(1, sizeof(*c));
	if (c == NULL) {
		(void)err_set(e, ERR_NOMEM, "connection");
		return NULL;
	}
	c->ctx = ctx;
	STAILQ_INIT(&c->deliveries);
	STAILQ_INIT(&c->answers);
	STAILQ_INIT(&c->chains);
	STAILQ_INIT(&c->unsent);
	STAILQ_INIT(&c->sent);
	STAILQ_INIT(&c->answered);
	arena_init(&c->arena, SESSION_BYTES);
	if (!sha256_init(&c->hash, e)) {
		connection_free(c);
		return NULL;
	}
	c->verifier.hash = &c->hash;
	return c;
}

static bool
check_context(const struct relto_context *ctx, struct err *e)
{
	const char *missing = ctx->host == NULL		   ? "a server"
			      : ctx->hub == NULL	   ? "the hub's id and CA certificates"
			      : ctx->identity.leaf == NULL ? "a certificate and key"
							   : NULL;
	return missing == NULL || err_set(e, ERR_USAGE, "the context lacks %s", missing);
}

static bool
open_link(struct relto_connection *c, struct err *e)
{
	const struct relto_context *ctx = c->ctx;
	struct link_hub hub = { ctx->hub, ctx->hub_id };
	struct link_target t = { ctx->host, ctx->port, &hub, ctx->identity.leaf, ctx->identity.key,
		ctx->identity.chain, ctx->timeout_ms };
	return link_open(&t, &c->link, e);
}

/* The chain that signs, in DER, if its leaf may sign at all; else an agent that only receives. */
static bool
add_chain(struct relto_connection *c, struct msg_hello *hello, struct err *e)
{
	struct chain_verdict v = { 0 };
	const struct inside_identity *signer = inside_signer(c->ctx);
	if (!chain_leaf(signer->leaf, CHAIN_SIGNER, &v))
		return true;
	size_t n = (size_t)sk_X509_num(signer->chain);
	struct bytes *ders = arena_zalloc(&c->arena, n, sizeof(*ders));
	for (size_t i = 0; ders != NULL && i < n; i++) {
		unsigned char *der = NULL;
		int len = i2d_X509(sk_X509_value(signer->chain, (int)i), &der);
		bool ok =
		    len > 0 && arena_copy(&c->arena, bytes_from(der, (size_t)len), &ders[i], e);
		OPENSSL_free(der);
		if (!ok)
			return err_set(e, ERR_CRYPTO, "the signer's certificate");
	}
	c->signer_id = inside_text(&c->arena, v.cert.id.text);
	memcpy(c->signer_digest, v.cert.digest, sizeof(c->signer_digest));
	hello->signer_chain = (struct names){ ders, n };
	return (ders != NULL && c->signer_id != NULL) ||
	       err_set(e, ERR_NOMEM, "the signer's chain");
}

bool
inside_welcome(struct relto_connection *c, const struct msg_welcome *w, struct err *e)
{
	struct relto_identity *s = &c->session;
	s->party = inside_text(&c->arena, w->party);
	s->agent = inside_text(&c->arena, w->agent);
	s->hub_party = inside_text(&c->arena, w->hub_party);
	s->node = inside_text(&c->arena, w->node);
	s->agreement_count = w->agreement_count;
	c->limits = w->limits;
	c->more_agreements = w->more;
	if (s->party == NULL || s->agent == NULL || s->hub_party == NULL || s->node == NULL ||
	    !inside_agreements(&c->arena, w->agreements, w->agreement_count, &s->agreements))
		return err_set(e, ERR_NOMEM, "session");
	if (w->version != VERSION)
		return err_set(e, ERR_VERSION, "the broker chose version %u", w->version);
	link_limit(c->link, LIMIT_MESSAGE_BYTES);
	return inside_heads_welcome(c, w, e);
}

static bool
say_hello(struct relto_connection *c, struct relto_error *e)
{
	struct err why;
	static const uint32_t versions[] = { VERSION };
	struct msg m = { .type = MSG_HELLO };
	m.hello.versions = (struct msg_u32s){ versions, 1 };
	m.hello.software = bytes_of("librelto/" RELTO_VERSION);
	if (!add_chain(c, &m.hello, &why) || !inside_heads_load(c, &m.hello, &why))
		return inside_fail(e, &why);
	struct inside_message *answer = NULL;
	struct relto_error refused;
	bool ok = inside_ask(c, &m, MSG_WELCOME, &answer, &refused);
	inside_message_free(answer); /* it was taken when it came */
	if (ok)
		return true;
	bool ours =
	    strcmp(c->failed.code, refused.code) == 0; /* found here, not said by the broker */
	if (strcmp(refused.code, err_token(ERR_FORK)) == 0 && c->has_head && !ours)
		return inside_heads_disowned(c, &why) || inside_fail(e, &why);
	if (e != NULL)
		*e = refused;
	return false;
}

static struct relto_connection *
connect_once(const struct relto_context *ctx, struct relto_error *e)
{
	struct err why;
	SCOPED(connection_free) struct relto_connection *c = NULL;
	if (!check_context(ctx, &why) || (c = connection_new(ctx, &why)) == NULL ||
	    !open_link(c, &why)) {
		(void)inside_fail(e, &why);
		return NULL;
	}
	return say_hello(c, e) ? MOVE(c) : NULL;
}

void
relto_close(struct relto_connection *c)
{
	if (c == NULL)
		return;
	const struct msg bye = { .type = MSG_BYE };
	int64_t deadline = link_deadline(GOODBYE_MS);
	if (!inside_heads_end(c, NULL))
		c->lines_len = 0; /* nobody is left to be told */
	if (c->failed.code[0] == 0 && inside_acks_flush(c, NULL) &&
	    inside_send_unasked(c, &bye, NULL)) {
		bool came = true;
		while (link_now() < deadline && inside_turn(c, deadline, &came, NULL))
			continue;
	}
	connection_free(c);
}

/*
 * A Hello names one head, so where several are kept (processes that were connected at once) each
 * Welcome joins one more.  An honest broker, which publishes every 10 s, joins them in two.
 */
struct relto_connection *
relto_connect(const struct relto_context *ctx, struct relto_error *e)
{
	struct relto_connection *c = NULL;
	if (dry_ran()) { /* the context may lack an anchor or a list that there was no memory for */
		(void)inside_failf(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	for (unsigned tries = 0; tries < JOIN_TRIES; tries++) {
		c = connect_once(ctx, e);
		if (c == NULL || c->apart == 0)
			break;
		if (tries + 1 == JOIN_TRIES) {
			struct err why;
			(void)inside_heads_never_joined(c, &why);
			(void)inside_fail(e, &why);
		}
		relto_close(c);
		c = NULL;
	}
	if (c == NULL && e != NULL)
		e->fatal = true;
	return c;
}

int
relto_fd(const struct relto_connection *c)
{
	return link_fd(c->link);
}

void
relto_wake(struct relto_connection *c)
{
	link_wake(c->link);
}

const struct relto_identity *
relto_session(const struct relto_connection *c)
{
	return &c->session;
}

const struct relto_checkpoint *
relto_log_head(const struct relto_connection *c)
{
	return c->has_head ? &c->head : NULL;
}

size_t
relto_overdue(const struct relto_connection *c)
{
	return inside_heads_overdue(c);
}

bool
relto_ping(struct relto_connection *c, struct relto_error *e)
{
	struct msg m = { .type = MSG_PING };
	struct inside_message *answer = NULL;
	bool ok = inside_acks_flush(c, e) && inside_ask(c, &m, MSG_PONG, &answer, e);
	inside_message_free(answer);
	return ok;
}

/* ---- whoami ---- */

struct held_identity {
	struct relto_identity pub;
	struct arena arena;
};

void
relto_identity_free(struct relto_identity *i)
{
	if (i == NULL)
		return;
	arena_done(&((struct held_identity *)i)->arena);
	free(i);
}

/* Adds one page: who I am stands on the first, agreements on all. */
static bool
add_page(struct held_identity *h, const struct msg_identity *in)
{
	struct arena *a = &h->arena;
	struct relto_identity *i = &h->pub;
	const struct relto_agreement *page;
	size_t old = i->agreement_count, count = old + in->agreement_count;
	if (i->party == NULL) {
		i->party = inside_text(a, in->party);
		i->agent = inside_text(a, in->agent);
		i->hub_party = inside_text(a, in->hub_party);
		i->node = inside_text(a, in->node);
		i->certificate_until = in->certificate_until;
		i->has_policy = in->policy.len == sizeof(i->policy);
		if (i->has_policy)
			memcpy(i->policy, in->policy.data, sizeof(i->policy));
		if (!inside_texts(a, &in->roles, &i->roles))
			return false;
	}
	struct relto_agreement *all = arena_zalloc(a, count, sizeof(*all));
	if (all == NULL || !inside_agreements(a, in->agreements, in->agreement_count, &page))
		return false;
	if (old != 0)
		memcpy(all, i->agreements, old * sizeof(*all));
	if (in->agreement_count != 0)
		memcpy(all + old, page, in->agreement_count * sizeof(*all));
	i->agreements = all;
	i->agreement_count = count;
	return i->party != NULL && i->agent != NULL && i->hub_party != NULL && i->node != NULL;
}

static bool
collect_pages(struct relto_connection *c, struct held_identity *h, struct relto_error *e)
{
	bool more = true;
	while (more) {
		struct inside_message *m = NULL;
		if (!inside_expect(c, MSG_IDENTITY, &m, e))
			return false;
		bool ok = add_page(h, &m->msg.identity);
		more = m->msg.identity.more;
		inside_message_free(m);
		if (!ok)
			return inside_failf(e, ERR_NOMEM, "identity");
	}
	return true;
}

bool
relto_whoami(struct relto_connection *c, struct relto_identity **out, struct relto_error *e)
{
	struct msg m = { .type = MSG_WHOAMI };
	struct held_identity *h = calloc(1, sizeof(*h));
	if (h == NULL)
		return inside_failf(e, ERR_NOMEM, "identity");
	arena_init(&h->arena, SESSION_BYTES);
	bool ok = inside_start(c, &m, 0, e) && collect_pages(c, h, e);
	inside_forget(c);
	if (ok)
		*out = &h->pub;
	else
		relto_identity_free(&h->pub);
	return ok;
}

/* ---- operator ---- */

static bool
ask_json(struct relto_connection *c, enum msg_type type, char **json, struct relto_error *e)
{
	struct msg m = { .type = type };
	SCOPED(inside_message_free) struct inside_message *answer = NULL;
	if (!inside_ask(c, &m, MSG_STATUS_REPLY, &answer, e))
		return false;
	struct bytes in = answer->msg.status_reply.json;
	char *copy = strndup((const char *)in.data, in.len);
	if (copy == NULL)
		return inside_failf(e, ERR_NOMEM, "status");
	*json = copy;
	return true;
}

bool
relto_status(struct relto_connection *c, char **json, struct relto_error *e)
{
	return ask_json(c, MSG_STATUS, json, e);
}

bool
relto_reload(struct relto_connection *c, char **json, struct relto_error *e)
{
	return ask_json(c, MSG_RELOAD, json, e);
}

bool
relto_accept_clock(struct relto_connection *c, char **json, struct relto_error *e)
{
	return ask_json(c, MSG_ACCEPT_CLOCK, json, e);
}

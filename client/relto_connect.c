#include "client/generation.h"
#include "proto/dry.h"

#include <errno.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { GOODBYE_MS = 1000, SESSION_BYTES = 64 << 20 };

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
	inside_line_clear(c);
	free_pendings(&c->unsent);
	free_pendings(&c->ready);
	free_pendings(&c->answered);
	free(c->told);
	if (c->wake >= 0)
		(void)close(c->wake);
	sha256_done(&c->hash);
	arena_done(&c->head_arena);
	arena_done(&c->session_arena);
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
	c->line.state = LINE_DOWN;
	c->quorum.due_ms = INT64_MAX;
	STAILQ_INIT(&c->deliveries);
	STAILQ_INIT(&c->answers);
	STAILQ_INIT(&c->chains);
	STAILQ_INIT(&c->unsent);
	STAILQ_INIT(&c->ready);
	STAILQ_INIT(&c->sent);
	STAILQ_INIT(&c->answered);
	arena_init(&c->arena, SESSION_BYTES);
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	bool ok = c->wake >= 0 || err_set(e, ERR_IO, "eventfd: %s", strerror(errno));
	if (!ok || !sha256_init(&c->hash, e)) {
		connection_free(c);
		return NULL;
	}
	c->verifier.hash = &c->hash;
	return c;
}

static bool
check_context(const struct relto_context *ctx, struct err *e)
{
	const char *missing = ctx->server_count == 0	   ? "a server"
			      : ctx->hub == NULL	   ? "the hub's id and CA certificates"
			      : ctx->identity.leaf == NULL ? "a certificate and key"
			      : ctx->quorum != NULL && !ctx->has_log
				  ? "the log's key, and has a quorum of witnesses"
				  : NULL;
	return missing == NULL || err_set(e, ERR_USAGE, "the context lacks %s", missing);
}

/* The chain that signs, in DER, if its leaf may sign at all; else an agent that only receives. */
static bool
add_chain(struct relto_connection *c, struct err *e)
{
	struct chain_verdict v = { 0 };
	const struct inside_identity *signer = inside_signer(c->ctx);
	if (!chain_leaf(signer->leaf, CHAIN_SIGNER, &v))
		return !dry_ran() || err_set(e, ERR_NOMEM, "the signer's certificate");
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
	c->hello_chain = (struct names){ ders, n };
	return (ders != NULL && c->signer_id != NULL) ||
	       err_set(e, ERR_NOMEM, "the signer's chain");
}

static bool
copy_session(struct arena *a, const struct msg_welcome *w, struct relto_identity *s)
{
	s->party = inside_text(a, w->party);
	s->agent = inside_text(a, w->agent);
	s->hub_party = inside_text(a, w->hub_party);
	s->node = inside_text(a, w->node);
	s->agreement_count = w->agreement_count;
	return s->party != NULL && s->agent != NULL && s->hub_party != NULL && s->node != NULL &&
	       inside_agreements(a, w->agreements, w->agreement_count, &s->agreements);
}

bool
inside_welcome(struct relto_connection *c, const struct msg_welcome *w, struct err *e)
{
	struct relto_identity session = { 0 };
	struct arena a;
	arena_init(&a, SESSION_BYTES);
	if (!copy_session(&a, w, &session)) {
		arena_done(&a);
		return err_set(e, ERR_NOMEM, "session");
	}
	arena_done(&c->session_arena);
	c->session_arena = a;
	c->session = session;
	c->limits = w->limits;
	c->more_agreements = w->more;
	c->version = w->version;
	if (w->version < MSG_VERSION_LEAST || w->version > MSG_VERSION_MOST)
		return err_set(e, ERR_VERSION, "the broker chose version %u", w->version);
	link_limit(c->link, LIMIT_MESSAGE_BYTES);
	return inside_heads_welcome(c, w, e);
}

void
relto_close(struct relto_connection *c)
{
	if (c == NULL)
		return;
	const struct msg bye = { .type = MSG_BYE };
	int64_t deadline = link_deadline(GOODBYE_MS);
	c->line.closing = true;
	c->line.leaving = false;
	c->attest.head.size = 0; /* nothing is said behind Bye */
	if (c->version != 0 && !inside_heads_end(c, NULL))
		c->lines_len = 0; /* nobody is left to be told */
	if (c->line.state == LINE_UP && c->failed.code[0] == 0 && inside_acks_flush(c, NULL) &&
	    inside_put_unasked(c, &bye, NULL)) {
		bool came = true;
		while (link_now() < deadline && inside_turn(c, deadline, &came, NULL))
			continue;
	}
	connection_free(c);
}

static struct relto_connection *
connect_to(const struct relto_context *ctx, bool as_shown, const struct generation_begin *begin,
    struct relto_error *e)
{
	struct err why;
	SCOPED(connection_free) struct relto_connection *c = NULL;
	if (dry_ran()) { /* the context may lack an anchor or a list that there was no memory for */
		(void)inside_failf(e, ERR_NOMEM, "out of memory");
	} else if (!check_context(ctx, &why) || (c = connection_new(ctx, &why)) == NULL ||
		   !add_chain(c, &why)) {
		(void)inside_fail(e, &why);
	} else {
		c->as_shown = as_shown;
		c->begin = begin;
		bool up = inside_line(c, INT64_MAX, e);
		if (up && c->begin == NULL)
			return MOVE(c);
		if (up) /* 'begin' is gone before a later head could be held against it */
			(void)inside_failf(
			    e, ERR_NOT_PUBLISHED, "the broker shows no head of its log");
	}
	if (e != NULL)
		e->fatal = true;
	return NULL;
}

struct relto_connection *
relto_connect(const struct relto_context *ctx, struct relto_error *e)
{
	return connect_to(ctx, false, NULL, e);
}

struct relto_connection *
generation_connect(const struct relto_context *ctx, struct relto_error *e)
{
	return connect_to(ctx, true, NULL, e);
}

struct relto_connection *
generation_connect_behind(
    const struct relto_context *ctx, const struct generation_begin *begin, struct relto_error *e)
{
	return connect_to(ctx, true, begin, e);
}

int
relto_fd(const struct relto_connection *c)
{
	return c->link == NULL ? -1 : link_fd(c->link);
}

bool
relto_is_up(const struct relto_connection *c, uint64_t *sessions, struct relto_error *lost)
{
	*sessions = c->line.sessions;
	*lost = c->line.lost;
	return c->line.state == LINE_UP && c->failed.code[0] == 0;
}

void
relto_wake(struct relto_connection *c)
{
	uint64_t one = 1;
	(void)!write(c->wake, &one, sizeof(one));
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

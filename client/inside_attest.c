/*
 * inside_attest.c - once a minute a client that receives signs what tree of its party it verified
 * (AUDIT 2), so that the log has one thing of what arrived that is not the broker's own word.
 */
#include "audit/log.h"
#include "client/inside.h"
#include "proto/dry.h"
#include "proto/seal.h"

void
inside_attest_head(struct relto_connection *c, const struct keep_tree *tree)
{
	if (tree->size < c->attest.head.size)
		return;
	c->attest.head = *tree;
}

/* Something changed, a minute is over, and nothing of what came is missing from it. */
static bool
is_due(const struct relto_connection *c)
{
	const struct inside_attest *a = &c->attest;
	return c->subscription_count > 0 && a->request == 0 && a->head.size > a->settled &&
	       (a->tried_ms == 0 || link_now() - a->tried_ms >= LIMIT_ATTEST_MS) && !a->disputed &&
	       c->failed.code[0] == 0 && !c->said_bye && inside_heads_overdue(c) == 0;
}

static bool
sign(struct relto_connection *c, struct arena *a, struct msg_attest *out, struct err *e)
{
	struct bytes text;
	struct log_attest said = { bytes_of(c->head.origin), bytes_of(c->session.party),
		c->attest.head.size, { 0 } };
	memcpy(said.root, c->attest.head.root, sizeof(said.root));
	out->origin = said.origin;
	out->size = said.size;
	out->root = bytes_from(c->attest.head.root, sizeof(c->attest.head.root));
	return log_attest_text(a, &said, &text, e) &&
	       seal_sign(c->ctx->identity.key, text, a, &out->signature, e);
}

bool
inside_attest_send(struct relto_connection *c, struct relto_error *e)
{
	SCOPED(arena_done) struct arena a;
	struct msg m = { .type = MSG_ATTEST };
	struct err why = { 0 };
	arena_init(&a, 1 << 20);
	if (!is_due(c))
		return true;
	c->attest.tried_ms = link_now();
	if (!sign(c, &a, &m.attest, &why)) /* a key that cannot: nothing that receives needs it */
		return why.code != ERR_NOMEM || inside_fail(e, &why);
	c->attest.sent = c->attest.head.size;
	c->attest.request = c->last_request + 1; /* the answer may come while we send */
	if (inside_put(c, &m, 0, e))
		return true;
	c->attest.request = 0;
	return false;
}

/* A refusal of what the broker showed itself, by a key that it knows: somebody lies. */
static bool
is_dispute(struct bytes code)
{
	return bytes_is(code, err_token(ERR_FORK)) || bytes_is(code, err_token(ERR_BAD_SIGNATURE));
}

bool
inside_attest_answer(struct relto_connection *c, const struct msg *m)
{
	struct inside_attest *a = &c->attest;
	if (a->request == 0 || m->request != a->request)
		return false;
	a->request = 0;
	if (m->type != MSG_ERROR) {
		a->settled = a->taken = a->sent;
		return true;
	}
	a->disputed = is_dispute(m->error.code);
	/* another process of this agent was first: so much is attested */
	if (bytes_is(m->error.code, err_token(ERR_QUOTA)) && m->error.retry_ms == 0)
		a->settled = a->sent;
	return true;
}

uint64_t
relto_attested(const struct relto_connection *c, bool *refused)
{
	*refused = c->attest.disputed;
	return c->attest.taken;
}

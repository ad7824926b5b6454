#include "client/judge.h"

#include "proto/dry.h"
#include "proto/spiffe.h"
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static bool PRINTF_LIKE(3, 4)
    say(struct judge_found *out, enum relto_trust trust, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	out->trust = trust;
	(void)vsnprintf(out->why, sizeof(out->why), fmt, args);
	va_end(args);
	return true;
}

static struct inside_chain *
find_chain(struct relto_connection *c, struct bytes digest)
{
	struct inside_chain *chain;
	STAILQ_FOREACH (chain, &c->chains, next)
		if (bytes_equal(bytes_from(chain->digest, sizeof(chain->digest)), digest))
			return chain;
	return NULL;
}

/* Judged once for a span of time: without revocation lists a chain that was good at one moment is
 * good until the first of its certificates ends. */
static bool
chain_holds(struct inside_chain *chain, const struct inside_party *p, int64_t at)
{
	if (chain->judged_for == p && at >= chain->since && at <= chain->verdict.not_after)
		return true;
	X509 *leaf = sk_X509_value(chain->certs, 0);
	bool good = chain_judge(p->anchors, leaf, chain->certs, CHAIN_SIGNER, at, &chain->verdict);
	chain->judged_for = good ? p : NULL;
	chain->since = at;
	return good;
}

/* The party of a trust domain, whose CA alone speaks for it; NULL: nobody's. */
static const struct inside_party *
party_of(const struct relto_connection *c, struct bytes domain)
{
	for (size_t i = 0; i < c->ctx->party_count; i++)
		if (bytes_is(domain, c->ctx->parties[i].domain))
			return &c->ctx->parties[i];
	return NULL;
}

/* Everything that needs the party's CA. */
static bool
judge_signed(struct relto_connection *c, const struct msg_deliver *in, const struct envelope *v,
    struct judge_found *out, const struct inside_party *p)
{
	struct err why = { 0 };
	struct inside_chain *chain = find_chain(c, in->chain);
	if (chain == NULL)
		return say(out, RELTO_BAD, "the signer's certificates did not come with it");
	if (!chain_holds(chain, p, (int64_t)(in->accepted / 1000000)))
		return say(out, RELTO_BAD,
		    "the signer's certificate does not hold under the CA of %s: %s (%s)", p->party,
		    chain_fault_text(chain->verdict.fault), chain->verdict.why);
	struct envelope_signer who = { X509_get0_pubkey(sk_X509_value(chain->certs, 0)),
		bytes_from(chain->verdict.cert.digest, 32), chain->verdict.cert.id.text };
	struct envelope_times t = { in->accepted, (uint64_t)time(NULL) * 1000 };
	if (!envelope_verify_delivery(&c->verifier, v, &who, &t, &why))
		return say(out, RELTO_BAD, "%.400s", why.text);
	struct bytes path = chain->verdict.cert.id.path;
	return say(out, RELTO_VERIFIED, "signature good: %s %.*s", p->party, (int)path.len,
	    (const char *)path.data);
}

/* Whether exercise and live traffic are kept apart (DESIGN S11); NULL: they are. */
static const char *
mixed_up(const struct relto_connection *c, uint32_t subscription, enum mode mode)
{
	for (size_t i = 0; i < c->subscription_count; i++)
		if (c->subscriptions[i].number == subscription)
			return c->subscriptions[i].mode == mode ? NULL
			       : mode == MODE_EXERCISE
				   ? "EXERCISE traffic came on a subscription for live traffic"
				   : "live traffic came on a subscription for EXERCISE traffic";
	return "it came on no subscription of this session";
}

static bool
judge(struct relto_connection *c, const struct msg_deliver *in, struct arena *a, struct envelope *v,
    struct judge_found *out, struct err *e)
{
	struct err why = { 0 };
	struct spiffe_id id;
	*out = (struct judge_found){ .trust = RELTO_BAD };
	if (!envelope_open_delivery(in, a, v, NULL, &why)) {
		if (why.code == ERR_NOMEM)
			return err_set(e, ERR_NOMEM, "%s", why.text);
		return say(out, RELTO_BAD, "the report is malformed: %.400s", why.text);
	}
	out->readable = true;
	if (!bytes_is(v->manifest.hub, c->ctx->hub_id))
		return say(out, RELTO_BAD, "the report was not meant for this hub");
	const char *mixed = mixed_up(c, in->subscription, v->manifest.mode);
	if (mixed != NULL)
		return say(out, RELTO_BAD, "%s", mixed);
	if (!spiffe_parse(v->manifest.originator, &id, &why))
		return say(out, RELTO_BAD, "the originator has no SPIFFE id");
	const struct inside_party *p = party_of(c, id.domain);
	if (p == NULL)
		return say(out, RELTO_UNPINNED,
		    "no CA certificates of the trust domain %.*s are trusted here",
		    (int)id.domain.len, (const char *)id.domain.data);
	out->party = p->party;
	return judge_signed(c, in, v, out, p);
}

bool
judge_delivery(struct relto_connection *c, const struct msg_deliver *in, struct arena *a,
    struct envelope *v, struct judge_found *out, struct err *e)
{
	dry_begin();
	bool ok = judge(c, in, a, v, out, e);
	if (ok && out->trust == RELTO_BAD && dry_ran()) /* bad for want of memory is not bad */
		return err_set(e, ERR_NOMEM, "delivery");
	return ok;
}

bool
judge_chain(struct relto_connection *c, const struct msg_deliver *in, struct arena *a,
    struct relto_delivery *out, struct err *e)
{
	struct inside_chain *chain = find_chain(c, in->chain);
	size_t n = chain == NULL ? 0 : (size_t)sk_X509_num(chain->certs);
	struct relto_bytes *list = arena_zalloc(a, n, sizeof(*list));
	if (list == NULL)
		return err_set(e, ERR_NOMEM, "certificates");
	for (size_t i = 0; i < n; i++) {
		unsigned char *der = NULL;
		struct bytes copy;
		int len = i2d_X509(sk_X509_value(chain->certs, (int)i), &der);
		bool ok = len > 0 && arena_copy(a, bytes_from(der, (size_t)len), &copy, e);
		OPENSSL_free(der);
		if (!ok)
			return err_set(e, ERR_NOMEM, "certificates");
		list[i] = (struct relto_bytes){ copy.data, copy.len };
	}
	out->chain = list;
	out->chain_count = n;
	return true;
}

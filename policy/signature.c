#include "policy/signature.h"

#include "policy/compile.h"
#include "proto/cms.h"

#include <openssl/sha.h>

#define SHOWN(b) (int)(b).len, (const char *)(b).data

/* One signature while it is judged. */
struct task {
	struct epoch *epoch;
	const struct signature_judge *by;
	struct agreement *of;
	struct signature *signature;
	const struct party *party;
	struct err *err;
};

/* "signatures/atlas@3.NOR.p7s: it signs another text".  False on shortage. */
static bool
complain(struct task *t, const char *why)
{
	t->signature->why = arena_printf(&t->epoch->arena, "%s: %s", t->signature->path, why);
	return t->signature->why != NULL || err_set(t->err, ERR_NOMEM, "signature");
}

/* An agent that the party's own anchors vouch for, and the policy lets sign. */
static bool
check_agent(const struct task *t, const struct chain_verdict *v, struct err *why)
{
	const struct spiffe_id *id = &v->cert.id;
	if (!bytes_equal(id->domain, t->party->trust_domain))
		return err_set(why, ERR_CERTIFICATE, "%s is no agent of %.*s", v->cert.id_text,
		    SHOWN(t->party->name));
	const struct agent *agent = party_agent(t->party, id->path);
	if (agent == NULL)
		return err_set(why, ERR_CERTIFICATE, "%s is not listed", v->cert.id_text);
	return (agent->roles & ROLE_SIGN) != 0 ||
	       err_set(why, ERR_CERTIFICATE, "%s has not the role sign", v->cert.id_text);
}

static bool
check_chain(struct task *t, STACK_OF(X509) * certs, struct err *why)
{
	const char *unusable = "";
	int64_t until = INT64_MAX;
	struct chain_verdict v;
	X509 *leaf = sk_X509_value(certs, 0);
	const struct chain_anchors *anchors =
	    t->by->anchors(t->by->ctx, t->party, &until, &unusable);
	if (anchors == NULL)
		return err_set(why, ERR_CERTIFICATE, "the trust files of %.*s: %s",
		    SHOWN(t->party->name), unusable);
	if (!chain_leaf(leaf, CHAIN_TERMS, &v))
		return err_set(why, ERR_CERTIFICATE, "%s: %s", chain_fault_text(v.fault), v.why);
	if (!check_agent(t, &v, why))
		return false;
	if (!chain_path(anchors, leaf, certs, CHAIN_TERMS, t->by->at, &v))
		return err_set(why, ERR_CERTIFICATE, "%s: %s", chain_fault_text(v.fault), v.why);
	if (until <= t->by->at)
		return err_set(why, ERR_CERTIFICATE, "%s", chain_fault_text(CHAIN_CRL_STALE));
	struct agreement *a = t->of;
	int64_t end = v.not_after < until ? v.not_after : until;
	a->signed_from = v.not_before > a->signed_from ? v.not_before : a->signed_from;
	a->signed_until = end < a->signed_until ? end : a->signed_until;
	return true;
}

/* False on shortage; otherwise 'why' of the signature tells. */
static bool
judge(struct task *t)
{
	struct signature *s = t->signature;
	STACK_OF(X509) *certs = NULL;
	struct err why = { 0 };
	if (s->file.data == NULL)
		return true;
	t->party = agreement_member(t->of, s->party)->party;
	bool good =
	    cms_open(s->file, t->of->terms_text, &certs, &why) && check_chain(t, certs, &why);
	chain_certs_free(certs);
	s->why = NULL;
	SHA256(s->file.data, s->file.len, s->digest);
	if (!good && why.code == ERR_NOMEM)
		return err_set(t->err, ERR_NOMEM, "signature");
	return good || complain(t, why.text);
}

static bool
write_lines(struct task *t)
{
	struct agreement *a = t->of;
	char *lines = arena_printf(&t->epoch->arena, "%s", "");
	for (size_t i = 0; lines != NULL && i < a->signers.count; i++) {
		char hex[65];
		for (size_t k = 0; k < 32; k++)
			(void)snprintf(hex + 2 * k, 3, "%02x", a->signatures[i].digest[k]);
		lines = arena_printf(
		    &t->epoch->arena, "%s%.*s %s\n", lines, SHOWN(a->signers.items[i]), hex);
	}
	a->signed_by = bytes_of(lines == NULL ? "" : lines);
	return lines != NULL || err_set(t->err, ERR_NOMEM, "signatures");
}

static bool
judge_agreement(struct task *t)
{
	struct agreement *a = t->of;
	bool all = a->has_terms;
	a->signed_from = 0;
	a->signed_until = INT64_MAX;
	for (size_t i = 0; a->has_terms && i < a->signers.count; i++) {
		t->signature = &a->signatures[i];
		if (!judge(t))
			return false;
		all = all && t->signature->why == NULL;
	}
	return !all || write_lines(t);
}

bool
signature_judge_all(struct epoch *p, const struct signature_judge *by, struct err *e)
{
	for (size_t i = 0; i < p->agreement_count; i++) {
		struct task t = { p, by, &p->agreements[i], NULL, NULL, e };
		if (t.of->signatures != NULL && !judge_agreement(&t))
			return false;
	}
	return true;
}

/* ---- for people ---- */

static void
warn(const struct agreement *a, const struct signature *s, const char *dir, struct text_errors *to)
{
	text_warning(to, NULL,
	    text_note(to,
		"%.*s makes it: relto policy terms %s %.*s | openssl cms -sign -binary "
		"-outform DER -signer CERT.pem -inkey KEY.pem -out %s",
		SHOWN(s->party), dir, SHOWN(a->name), s->path),
	    "agreement '%.*s' lacks the signature of %.*s: %s", SHOWN(a->name), SHOWN(s->party),
	    s->why);
}

void
signature_warn(const struct epoch *p, const char *dir, struct text_errors *to)
{
	for (size_t i = 0; i < p->agreement_count; i++) {
		const struct agreement *a = &p->agreements[i];
		if (a->signers.count > 0 && a->signatures == NULL)
			text_warning(to, NULL, NULL,
			    "the signatures that agreement '%.*s' requires were not judged: that "
			    "takes the trust files",
			    SHOWN(a->name));
		for (size_t k = 0; a->signatures != NULL && k < a->signers.count; k++)
			if (a->signatures[k].why != NULL)
				warn(a, &a->signatures[k], dir, to);
	}
}

#include "client/cli/replay_rules.h"

#include "policy/text.h"

#include <stdio.h>

#define SHOWN(b) (int)(b).len, (const char *)(b).data

enum { EXPORT_MAX = 256 << 20 };

/* What was told of an agreement under its highest version. */
struct told {
	bool any;
	struct agreement was; /* version, state and terms count, and who signed */
	bool twice;	      /* one version, two terms: no honest log says that */
};

void
replay_rules_init(struct replay_rules *r, struct arena *keep, const struct content_reader *reader)
{
	*r = (struct replay_rules){ .keep = keep, .reader = reader };
	map_init(&r->told, keep, sizeof(struct told));
}

void
replay_rules_done(struct replay_rules *r)
{
	epoch_free(r->epoch);
	r->epoch = NULL;
}

static void
take_terms(struct agreement *to, const struct body *b)
{
	struct bytes terms = event_body_get(b, BODY_AGREEMENT_TERMS);
	memcpy(to->terms, terms.data, sizeof(to->terms));
}

bool
replay_rules_agreement(struct replay_rules *r, const struct body *b, struct err *e)
{
	struct bytes signers = event_body_get(b, BODY_AGREEMENT_SIGNERS);
	struct told *t = map_at(&r->told, event_body_get(b, BODY_AGREEMENT_NAME), NULL);
	struct agreement is = { .version = event_body_number(b, BODY_AGREEMENT_VERSION),
		.state = (enum agreement_state)event_body_number(b, BODY_AGREEMENT_STATE) };
	if (t == NULL)
		return err_set(e, ERR_NOMEM, "agreements");
	take_terms(&is, b);
	r->news = true;
	if (t->any && is.version < t->was.version)
		return true;
	if (!t->any || is.version > t->was.version) {
		*t = (struct told){ .any = true, .was = is };
		return arena_copy(r->keep, signers, &t->was.signed_by, e);
	}
	t->twice = t->twice || memcmp(is.terms, t->was.terms, sizeof(is.terms)) != 0;
	if (is.state > t->was.state)
		t->was.state = is.state;
	return true;
}

/* ---- a policy ---- */

static bool
read_spif(void *ctx, const char *hex, struct arena *a, struct bytes *out, struct err *e)
{
	const struct replay_rules *r = ctx;
	uint8_t digest[32];
	const struct content_want want = { BUNDLE_SPIF, digest };
	if (!bundle_unhex(bytes_of(hex), digest))
		return err_set(e, ERR_DATA, "'%s' is no digest", hex);
	if (!content_read(r->reader, &want, a, out, e))
		return false;
	return out->data != NULL || err_set(e, ERR_NOT_FOUND, "the bundle lacks spif/%s", hex);
}

/* Nothing of an export includes anything. */
static bool
list_nothing(void *ctx, const char *path, struct arena *a, struct names *out, struct err *e)
{
	(void)ctx;
	(void)path;
	(void)a;
	(void)e;
	*out = (struct names){ NULL, 0 };
	return true;
}

/* Accepted, refused, or waiting: an agreement of the export against what was told of its name. */
static bool
judge(struct replay_rules *r, const struct agreement *g, struct err *e)
{
	const struct told *t = map_find(&r->told, g->name);
	if (t != NULL && t->twice) {
		epoch_refuse_agreement(r->epoch, g->index, "the log has two terms of its version");
		return true;
	}
	const char *why = t == NULL ? NULL : agreement_takes_back(g, &t->was);
	if (why != NULL) {
		epoch_refuse_agreement(r->epoch, g->index, why);
		return true;
	}
	if (t != NULL && t->was.version == g->version)
		return g->signers.count == 0 ||
		       epoch_accept_signatures(r->epoch, g->index, t->was.signed_by, e);
	if (g->signers.count == 0) /* that it waits for signatures is how it was loaded */
		epoch_defer_terms(r->epoch, g->index);
	return true;
}

static bool
load(struct replay_rules *r, struct bytes text, struct err *e)
{
	struct text_errors errors;
	struct err why = { 0 };
	const struct epoch_source from = { read_spif, list_nothing, r, NULL };
	text_errors_init(&errors);
	bool ok = epoch_load_export(&from, text, &errors, &r->epoch, &why);
	text_errors_done(&errors);
	if (!ok && why.code == ERR_NOMEM)
		return err_set(e, ERR_NOMEM, "policy");
	if (!ok)
		(void)snprintf(
		    r->why, sizeof(r->why), "its policy does not load: %.200s", why.text);
	for (size_t i = 0; ok && i < epoch_agreement_count(r->epoch); i++)
		if (!judge(r, epoch_agreement_at(r->epoch, i), e))
			return false;
	r->policies += ok;
	return true;
}

bool
replay_rules_policy(struct replay_rules *r, const struct body *b, struct err *e)
{
	struct bytes digest = event_body_get(b, BODY_POLICY_DIGEST), text = { NULL, 0 };
	struct arena a;
	struct err why = { 0 };
	if (r->begun && !r->news && memcmp(r->digest, digest.data, sizeof(r->digest)) == 0)
		return true;
	replay_rules_done(r);
	r->begun = true;
	r->news = false;
	memcpy(r->digest, digest.data, sizeof(r->digest));
	(void)snprintf(r->why, sizeof(r->why), "the bundle lacks its policy");
	arena_init(&a, EXPORT_MAX);
	const struct content_want want = { BUNDLE_POLICY, r->digest };
	bool ok = content_read(r->reader, &want, &a, &text, &why);
	if (ok && text.data != NULL)
		ok = load(r, text, e);
	else if (!ok && why.code == ERR_DATA)
		(void)snprintf(r->why, sizeof(r->why), "%.200s", why.text);
	else if (!ok)
		*e = why;
	arena_done(&a);
	return ok || why.code == ERR_DATA;
}

const struct epoch *
replay_rules_of(const struct replay_rules *r, const uint8_t digest[32], const char **why)
{
	*why = r->begun ? r->why : "no POLICY record stands before it";
	if (!r->begun)
		return NULL;
	if (memcmp(digest, r->digest, sizeof(r->digest)) == 0)
		return r->epoch;
	*why = "it names another policy than the last POLICY record";
	return NULL;
}

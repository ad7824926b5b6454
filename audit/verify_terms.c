#include "audit/verify_terms.h"

#include "audit/export.h"
#include "proto/chain.h"
#include "proto/cms.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

/* One record. */
struct scene {
	struct verify *v;
	const struct verify_slots *s;
	struct arena a;
	struct bytes terms, signers;
	struct err *err;
};

static struct bytes
field(const struct scene *c, unsigned n)
{
	return event_body_get(&c->s->body, n);
}

/* Takes "PARTY HEX" LF off the lines. */
static bool
next_signer(struct bytes *lines, struct bytes *party, uint8_t digest[32])
{
	struct bytes line;
	if (!export_line(lines, &line) || line.len <= BUNDLE_HEX_LEN + 1)
		return false;
	size_t name = line.len - BUNDLE_HEX_LEN - 1;
	*party = bytes_from(line.data, name);
	return line.data[name] == ' ' && memchr(line.data, ' ', name) == NULL &&
	       bundle_unhex(bytes_from(line.data + name + 1, BUNDLE_HEX_LEN), digest);
}

static bool
is_well_formed(struct bytes lines)
{
	struct bytes party, before = { NULL, 0 };
	uint8_t digest[32];
	while (lines.len > 0) {
		if (!next_signer(&lines, &party, digest) ||
		    (before.data != NULL && bytes_compare(before, party) >= 0))
			return false;
		before = party;
	}
	return true;
}

/* ---- the terms ---- */

/* The rest of the first line of the agreement's block that begins and ends so. */
static struct bytes
statement(const struct scene *c, const char *head, const char *tail)
{
	struct bytes rest = c->terms, line, found;
	while (export_line(&rest, &line) && !bytes_is(line, "}"))
		if (export_between(line, head, tail, &found))
			return found;
	return (struct bytes){ NULL, 0 };
}

/* The terms are those of the agreement and version that the record names. */
static bool
check_name(struct scene *c)
{
	struct bytes name = statement(c, "agreement ", " {");
	struct bytes version = statement(c, "    version ", "");
	char wanted[24];
	(void)snprintf(wanted, sizeof(wanted), "%llu",
	    (unsigned long long)event_body_number(&c->s->body, BODY_AGREEMENT_VERSION));
	if (bytes_equal(name, field(c, BODY_AGREEMENT_NAME)) && bytes_is(version, wanted))
		return true;
	verify_run_find(c->v, VERIFY_CONTENT, c->s->r.index,
	    "its terms are those of another agreement or version");
	return false;
}

/* Both lists are in byte order. */
static bool
check_required(struct scene *c)
{
	struct bytes required = statement(c, "    signatures required [ ", " ]");
	struct bytes lines = c->signers, party = { NULL, 0 };
	uint8_t digest[32];
	bool same = true;
	while (same && required.len > 0) {
		const uint8_t *end = memchr(required.data, ' ', required.len);
		size_t n = end == NULL ? required.len : (size_t)(end - required.data);
		same = next_signer(&lines, &party, digest) &&
		       bytes_equal(party, bytes_from(required.data, n));
		n += end != NULL;
		required = bytes_from(required.data + n, required.len - n);
	}
	if (same && lines.len == 0)
		return true;
	verify_run_find(c->v, VERIFY_CONTENT, c->s->r.index,
	    "the signers that it names are not those that its terms require");
	return false;
}

/* ---- a signature ---- */

static bool
bad(struct scene *c, struct bytes party, const char *why)
{
	verify_run_find(c->v, VERIFY_SIGNATURE, c->s->r.index,
	    "the signature of %.*s under its terms: %s", SHOWN(party), why);
	return true;
}

/* The anchors that the terms have for the party in this trust domain.  '*complete' false: one is
 * not in the bundle. */
static bool
find_anchors(
    struct scene *c, struct bytes party, struct bytes domain, struct bytes *out, size_t *count)
{
	const char *head = arena_printf(&c->a, "anchor %.*s %.*s ", SHOWN(party), SHOWN(domain));
	struct bytes rest = c->terms, line, hex;
	uint8_t digest[32];
	*count = 0;
	if (head == NULL)
		return err_set(c->err, ERR_NOMEM, "anchors");
	while (export_line(&rest, &line) && *count < LIMIT_ANCHORS) {
		if (!export_between(line, head, "", &hex) || !bundle_unhex(hex, digest))
			continue;
		struct verify_want want = { BUNDLE_ANCHOR, digest, &c->a };
		if (!verify_run_content(c->v, c->s->r.index, &want, &out[(*count)++], c->err))
			return false;
	}
	return true;
}

static bool
judge_path(struct scene *c, struct bytes party, STACK_OF(X509) * certs)
{
	SCOPED(chain_anchors_free) struct chain_anchors *anchors = NULL;
	struct bytes der[LIMIT_ANCHORS];
	struct chain_verdict found;
	struct err why = { 0 };
	size_t count = 0;
	X509 *leaf = sk_X509_value(certs, 0);
	int64_t at = (int64_t)(c->s->r.common.time / 1000000);
	if (!chain_leaf(leaf, CHAIN_TERMS, &found))
		return found.fault == CHAIN_INTERNAL ? err_set(c->err, ERR_CRYPTO, "%s", found.why)
						     : bad(c, party, found.why);
	if (!find_anchors(c, party, found.cert.id.domain, der, &count))
		return false;
	if (count == 0)
		return bad(c, party, "its certificate is of another trust domain");
	for (size_t i = 0; i < count; i++)
		if (der[i].data == NULL)
			return true; /* which is counted as missing */
	if (!chain_anchors_from_der(der, count, &anchors, &why))
		return why.code == ERR_NOMEM ? err_set(c->err, ERR_NOMEM, "%s", why.text)
					     : bad(c, party, why.text);
	if (!chain_path(anchors, leaf, certs, CHAIN_TERMS, at, &found))
		return found.fault == CHAIN_INTERNAL ? err_set(c->err, ERR_CRYPTO, "%s", found.why)
						     : bad(c, party, found.why);
	c->v->out->signed_terms++;
	return true;
}

static bool
judge(struct scene *c, struct bytes party, const uint8_t digest[32])
{
	struct verify_want want = { BUNDLE_POLICY, digest, &c->a };
	STACK_OF(X509) *certs = NULL;
	struct bytes file = { NULL, 0 };
	struct err why = { 0 };
	if (!verify_run_content(c->v, c->s->r.index, &want, &file, c->err))
		return false;
	if (file.data == NULL)
		return true;
	if (!cms_open(file, c->terms, &certs, &why))
		return why.code == ERR_NOMEM ? err_set(c->err, ERR_NOMEM, "signature")
					     : bad(c, party, why.text);
	bool ok = judge_path(c, party, certs);
	chain_certs_free(certs);
	return ok;
}

/* ---- a record ---- */

static bool
check(struct scene *c)
{
	struct verify_want want = { BUNDLE_POLICY, field(c, BODY_AGREEMENT_TERMS).data, &c->a };
	struct bytes lines = c->signers, party;
	uint8_t digest[32];
	if (!verify_run_content(c->v, c->s->r.index, &want, &c->terms, c->err))
		return false;
	if (c->terms.data == NULL || !check_name(c) || !check_required(c) ||
	    verify_run_partial(c->v))
		return true;
	while (next_signer(&lines, &party, digest))
		if (!judge(c, party, digest))
			return false;
	return true;
}

/* What many records say alike is held against the terms once, at the first of them: that is the
 * one by which they were accepted. */
static bool
is_first(struct scene *c, bool *first)
{
	uint8_t version[8];
	struct verify_key key;
	put_u64(version, event_body_number(&c->s->body, BODY_AGREEMENT_VERSION));
	const struct bytes parts[] = { field(c, BODY_AGREEMENT_NAME), bytes_from(version, 8),
		field(c, BODY_AGREEMENT_TERMS), c->signers };
	if (!verify_run_key(c->v, parts, sizeof(parts) / sizeof(parts[0]), &key, c->err))
		return false;
	uint8_t *seen = map_at(&c->v->agreements, bytes_from(&key, sizeof(key)), NULL);
	if (seen == NULL)
		return err_set(c->err, ERR_NOMEM, "agreements");
	*first = *seen == 0;
	*seen = 1;
	return true;
}

bool
verify_terms_record(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct scene c = { .v = v, .s = s, .err = e };
	bool first = false;
	c.signers = field(&c, BODY_AGREEMENT_SIGNERS);
	if (!is_well_formed(c.signers)) {
		verify_run_find(v, VERIFY_MALFORMED, s->r.index,
		    "its signers are no lines of a party and a SHA-256 in hex, in order");
		return true;
	}
	if (!verify_run_hub(v))
		return true;
	if (!is_first(&c, &first))
		return false;
	if (!first)
		return true;
	arena_init(&c.a, VERIFY_FILE_MAX);
	bool ok = check(&c);
	arena_done(&c.a);
	return ok;
}

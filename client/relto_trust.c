/* relto_trust.c - whose reports to believe: parties, their trust domains and CA certificates. */
#include "client/inside.h"

#include "proto/spiffe.h"
#include "proto/syntax.h"
#include <dirent.h>
#include <errno.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <unistd.h>

/* One anchor in two bundles would speak for both parties (S8). */
static bool
share_anchor(const struct chain_anchors *a, const struct chain_anchors *b)
{
	for (size_t i = 0; i < chain_anchors_count(a); i++)
		for (size_t k = 0; k < chain_anchors_count(b); k++)
			if (memcmp(chain_anchors_digest(a, i), chain_anchors_digest(b, k), 32) == 0)
				return true;
	return false;
}

static bool
add_party(struct relto_context *ctx, const struct inside_party *p, struct relto_error *e)
{
	for (size_t i = 0; i < ctx->party_count; i++) {
		const struct inside_party *other = &ctx->parties[i];
		if (strcmp(other->party, p->party) == 0 || strcmp(other->domain, p->domain) == 0 ||
		    share_anchor(other->anchors, p->anchors))
			return inside_failf(e, ERR_CONFIG,
			    "trust: %s and %s share a name, a trust domain or a CA certificate",
			    p->party, other->party);
	}
	struct inside_party *all = arena_zalloc(&ctx->arena, ctx->party_count + 1, sizeof(*all));
	if (all == NULL)
		return inside_failf(e, ERR_NOMEM, "trust");
	if (ctx->party_count != 0)
		memcpy(all, ctx->parties, ctx->party_count * sizeof(*all));
	all[ctx->party_count++] = *p;
	ctx->parties = all;
	return true;
}

/* The trust domain in a CA certificate's URI name "spiffe://DOMAIN", into 'out'. */
static bool
domain_of_certificate(X509 *x, char out[256])
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	bool found = false;
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
		if (n->type != GEN_URI)
			continue;
		struct bytes uri = bytes_from(ASN1_STRING_get0_data(n->d.uniformResourceIdentifier),
		    (size_t)ASN1_STRING_length(n->d.uniformResourceIdentifier));
		const size_t skip = strlen("spiffe://");
		if (uri.len <= skip || memcmp(uri.data, "spiffe://", skip) != 0)
			continue;
		struct bytes domain = bytes_from(uri.data + skip, uri.len - skip);
		found = spiffe_is_domain(domain);
		if (found) {
			memcpy(out, domain.data, domain.len);
			out[domain.len] = 0;
		}
	}
	GENERAL_NAMES_free(names);
	return found;
}

/* The domain of a line "trust-domain: DOMAIN" before the first certificate. */
static bool
domain_of_line(struct relto_bytes pem, char out[256])
{
	static const char key[] = "trust-domain:", begin[] = "-----BEGIN";
	const char *at = pem.data, *end = at + pem.len;
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		struct bytes line = bytes_from(at, (size_t)((stop == NULL ? end : stop) - at));
		if (line.len >= sizeof(begin) - 1 &&
		    memcmp(line.data, begin, sizeof(begin) - 1) == 0)
			return false;
		if (line.len >= sizeof(key) - 1 && memcmp(line.data, key, sizeof(key) - 1) == 0) {
			struct bytes v =
			    bytes_from(line.data + sizeof(key) - 1, line.len - sizeof(key) + 1);
			while (v.len != 0 && v.data[0] == ' ')
				v = bytes_from(v.data + 1, v.len - 1);
			while (
			    v.len != 0 && (v.data[v.len - 1] == ' ' || v.data[v.len - 1] == '\r'))
				v.len--;
			if (!spiffe_is_domain(v))
				return false;
			memcpy(out, v.data, v.len);
			out[v.len] = 0;
			return true;
		}
		at = stop == NULL ? end : stop + 1;
	}
	return false;
}

bool
inside_domain(struct relto_bytes pem, char out[256], struct err *e)
{
	char found[256] = "";
	bool ok = true;
	if (domain_of_line(pem, out))
		return true;
	STACK_OF(X509) *all = inside_certificates(pem);
	out[0] = 0;
	for (int i = 0; ok && i < sk_X509_num(all); i++) {
		if (!domain_of_certificate(sk_X509_value(all, i), found))
			continue;
		ok = out[0] == 0 || strcmp(out, found) == 0 ||
		     err_set(e, ERR_CONFIG, "CA certificates of two trust domains, %s and %s", out,
			 found);
		memcpy(out, found, sizeof(found));
	}
	sk_X509_pop_free(all, X509_free);
	return ok;
}

/* The domain that was said, or that the certificates say: there has to be one, since a CA without a
 * domain would vouch for whatever domain comes first. */
static bool
choose_domain(
    const char *party, const char *said, struct relto_bytes pem, char out[256], struct err *e)
{
	if (said != NULL) {
		(void)snprintf(out, 256, "%s", said);
		return spiffe_is_domain(bytes_of(said)) ||
		       err_set(e, ERR_USAGE, "'%s' is no trust domain", said);
	}
	return inside_domain(pem, out, e) &&
	       (out[0] != 0 || err_set(e, ERR_CONFIG,
				   "the CA certificates of %s do not name its trust domain: say it "
				   "('relto context trust' has --domain)",
				   party));
}

bool
relto_context_trust(struct relto_context *ctx, const char *party, const char *domain,
    struct relto_bytes ca_pem, struct relto_error *e)
{
	struct err why;
	char found[256] = "";
	struct inside_party p = { 0 };
	if (!syntax_is_name(bytes_of(party)))
		return inside_failf(e, ERR_USAGE, "trust: '%s' is no party", party);
	if (!choose_domain(party, domain, ca_pem, found, &why)) {
		(void)err_wrap(&why, "trust: %s", party);
		return inside_fail(e, &why);
	}
	p.party = inside_keep_text(ctx, bytes_of(party), e);
	p.domain = inside_keep_text(ctx, bytes_of(found), e);
	if (p.party == NULL || p.domain == NULL)
		return false;
	if (!chain_anchors_new(bytes_from(ca_pem.data, ca_pem.len), NULL, 0, &p.anchors, &why)) {
		(void)err_wrap(&why, "CA certificates of %s", party);
		return inside_fail(e, &why);
	}
	if (add_party(ctx, &p, e))
		return true;
	chain_anchors_free(p.anchors);
	return false;
}

/* The first word of PARTY.domain, if there is such a file. */
static bool
read_domain(struct relto_context *ctx, const char *path, char **out, struct relto_error *e)
{
	struct relto_bytes text = { NULL, 0 };
	*out = NULL;
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return true;
	if (!inside_read_file(ctx, path, false, &text, e))
		return false;
	const char *at = text.data;
	size_t len = 0;
	while (len < text.len && at[len] != '\n' && at[len] != '\r' && at[len] != ' ')
		len++;
	*out = inside_keep_text(ctx, bytes_from(at, len), e);
	return *out != NULL;
}

/* One PARTY.pem of the folder, with the PARTY.domain beside it. */
static bool
trust_file(struct relto_context *ctx, const char *folder, const char *name, struct relto_error *e)
{
	char path[4096], party[LIMIT_PARTY_NAME_BYTES + 1], *domain = NULL;
	struct relto_bytes pem = { NULL, 0 };
	size_t n = strlen(name) - strlen(".pem");
	if (n > LIMIT_PARTY_NAME_BYTES)
		return inside_failf(e, ERR_CONFIG, "'%s/%s': not PARTY.pem", folder, name);
	memcpy(party, name, n);
	party[n] = 0;
	(void)snprintf(path, sizeof(path), "%s/%s.domain", folder, party);
	if (!read_domain(ctx, path, &domain, e))
		return false;
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return inside_read_file(ctx, path, false, &pem, e) &&
	       relto_context_trust(ctx, party, domain, pem, e);
}

bool
relto_context_trust_dir(struct relto_context *ctx, const char *path, struct relto_error *e)
{
	DIR *d = opendir(path);
	if (d == NULL)
		return inside_failf(
		    e, ERR_NOT_FOUND, "trust folder '%s': %s", path, strerror(errno));
	bool ok = true;
	const struct dirent *entry;
	while (ok && (entry = readdir(d)) != NULL) {
		size_t n = strlen(entry->d_name);
		if (n > 4 && entry->d_name[0] != '.' && strcmp(entry->d_name + n - 4, ".pem") == 0)
			ok = trust_file(ctx, path, entry->d_name, e);
	}
	(void)closedir(d);
	return ok;
}

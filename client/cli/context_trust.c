#include "client/cli/context_trust.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/disk.h"
#include "client/cli/out.h"
#include "client/inside.h"
#include "proto/chain.h"
#include "proto/spiffe.h"
#include "proto/syntax.h"

#define ARENA_BYTES (64u << 20)

struct trusted { /* one party */
	const char *party, *domain;
	struct bytes pem;
	struct chain_anchors *anchors;
};

static void
trusted_done_scoped(struct trusted *t)
{
	chain_anchors_free(t->anchors);
}

/* ---- reading ---- */

static bool
take_bundle(const char *path, struct arena *a, struct trusted *out, struct err *e)
{
	if (!context_read_file(path, false, a, &out->pem, e))
		return false;
	return chain_anchors_new(out->pem, NULL, 0, &out->anchors, e) || err_wrap(e, "%s", path);
}

static bool
own_domain(const struct trusted *t, struct arena *a, const char **out, struct err *e)
{
	char domain[256];
	if (!inside_domain((struct relto_bytes){ t->pem.data, t->pem.len }, domain, e))
		return false;
	*out = arena_printf(a, "%s", domain);
	return *out != NULL || err_set(e, ERR_NOMEM, "trust");
}

/* What the folder has of a party; ERR_NOT_FOUND if it has nothing. */
static bool
read_party(
    const char *folder, const char *party, struct arena *a, struct trusted *out, struct err *e)
{
	struct bytes said;
	struct err none = { 0 };
	const char *pem = arena_printf(a, "%s/%s.pem", folder, party);
	const char *domain = arena_printf(a, "%s/%s.domain", folder, party);
	*out = (struct trusted){ .party = party };
	if (pem == NULL || domain == NULL)
		return err_set(e, ERR_NOMEM, "trust");
	if (!take_bundle(pem, a, out, e))
		return false;
	if (!context_read_file(domain, false, a, &said, &none))
		return none.code == ERR_NOT_FOUND ? own_domain(out, a, &out->domain, e)
						  : err_set(e, none.code, "%s", none.text);
	out->domain = arena_printf(
	    a, "%.*s", (int)strcspn((const char *)said.data, " \r\n"), (const char *)said.data);
	return out->domain != NULL || err_set(e, ERR_NOMEM, "trust");
}

/* ---- showing ---- */

static void
show(struct out_json *j, const struct trusted *t)
{
	if (j != NULL) {
		out_json_begin(j, NULL, '{');
		out_json_text(j, "party", t->party);
		out_json_text(j, "domain", t->domain);
		out_json_begin(j, "anchors", '[');
	}
	for (size_t i = 0; i < chain_anchors_count(t->anchors); i++) {
		const uint8_t *digest = chain_anchors_digest(t->anchors, i);
		if (j != NULL) {
			out_json_hex(j, NULL, digest, 32);
			continue;
		}
		(void)printf("%-12s %-22s ", i == 0 ? t->party : "", i == 0 ? t->domain : "");
		for (int b = 0; b < 32; b++)
			(void)printf("%02x", digest[b]);
		(void)putchar('\n');
	}
	if (j != NULL) {
		out_json_end(j, ']');
		out_json_end(j, '}');
	}
}

static void
say_digests(const char *what, const struct trusted *t)
{
	for (size_t i = 0; i < chain_anchors_count(t->anchors); i++) {
		(void)fprintf(stderr, "  %s %s ", what, t->domain);
		for (int b = 0; b < 32; b++)
			(void)fprintf(stderr, "%02x", chain_anchors_digest(t->anchors, i)[b]);
		(void)fputc('\n', stderr);
	}
}

static bool
list(const struct context_trust *t, struct out_json *j, struct arena *a, struct err *e)
{
	char **names;
	size_t count;
	if (!context_names(t->context->trust, ".pem", a, &names, &count, e))
		return false;
	for (size_t i = 0; i < count; i++) {
		SCOPED(trusted_done) struct trusted one = { .anchors = NULL };
		if (!read_party(t->context->trust, names[i], a, &one, e))
			return false;
		show(j, &one);
	}
	return true;
}

/* ---- pinning ---- */

static bool
give(struct relto_context *to, const struct trusted *t, struct err *e)
{
	struct relto_error why = { 0 };
	if (relto_context_trust(to, t->party, t->domain[0] == 0 ? NULL : t->domain,
		(struct relto_bytes){ t->pem.data, t->pem.len }, &why))
		return true;
	return err_set(e, ERR_CONFIG, "%s", why.text);
}

/* What librelto would refuse later, with all the others, is refused now. */
static bool
fits_the_others(
    const struct context_trust *t, const struct trusted *new, struct arena *a, struct err *e)
{
	char **names;
	size_t count;
	if (!context_names(t->context->trust, ".pem", a, &names, &count, e))
		return false;
	struct relto_context *all = relto_context_new(NULL);
	bool ok = all != NULL || err_set(e, ERR_NOMEM, "trust");
	for (size_t i = 0; ok && i < count; i++) {
		SCOPED(trusted_done) struct trusted other = { .anchors = NULL };
		if (strcmp(names[i], new->party) != 0)
			ok = read_party(t->context->trust, names[i], a, &other, e) &&
			     give(all, &other, e);
	}
	ok = ok && give(all, new, e);
	relto_context_free(all);
	return ok;
}

static bool
read_new(const struct context_trust *t, struct arena *a, struct trusted *out, struct err *e)
{
	*out = (struct trusted){ .party = t->party };
	if (!syntax_is_name(bytes_of(t->party)))
		return err_set(e, ERR_USAGE, "'%s' cannot be the name of a party", t->party);
	if (t->domain != NULL && !spiffe_is_domain(bytes_of(t->domain)))
		return err_set(e, ERR_USAGE, "'%s' is no trust domain", t->domain);
	if (!take_bundle(t->file, a, out, e) || !own_domain(out, a, &out->domain, e))
		return false;
	if (out->domain[0] == 0 && t->domain == NULL)
		return err_set(e, ERR_USAGE,
		    "%s does not name the trust domain of %s: say it with --domain", t->file,
		    t->party);
	if (out->domain[0] != 0 && t->domain != NULL && strcmp(out->domain, t->domain) != 0)
		return err_set(e, ERR_CONFIG, "%s is of the trust domain %s, not %s", t->file,
		    out->domain, t->domain);
	if (t->domain != NULL)
		out->domain = t->domain;
	return fits_the_others(t, out, a, e);
}

static bool
is_same(const struct trusted *a, const struct trusted *b)
{
	return strcmp(a->domain, b->domain) == 0 && bytes_equal(a->pem, b->pem);
}

/* Whatever moment it stops at, no bundle is there beside another's domain. */
static bool
write_party(const struct context_trust *t, const struct trusted *new, struct arena *a, bool moves,
    struct err *e)
{
	const char *pem = arena_printf(a, "%s/%s.pem", t->context->trust, new->party);
	const char *domain = arena_printf(a, "%s/%s.domain", t->context->trust, new->party);
	const char *text = arena_printf(a, "%s\n", new->domain);
	if (pem == NULL || domain == NULL || text == NULL)
		return err_set(e, ERR_NOMEM, "trust");
	if (!disk_folder(t->context->trust, e))
		return false;
	if (moves &&
	    ((unlink(pem) != 0 && errno != ENOENT) || (unlink(domain) != 0 && errno != ENOENT)))
		return err_set(e, ERR_IO, "%s: %s", pem, strerror(errno));
	return (t->domain == NULL || disk_write(domain, 0600, bytes_of(text), e)) &&
	       disk_write(pem, 0600, new->pem, e);
}

static bool
add(const struct context_trust *t, struct out_json *j, struct arena *a, struct err *e)
{
	SCOPED(trusted_done) struct trusted new = { .anchors = NULL }, old = { .anchors = NULL };
	struct err why = { 0 };
	if (!read_new(t, a, &new, e))
		return false;
	bool known = read_party(t->context->trust, t->party, a, &old, &why);
	bool moves = !known || strcmp(old.domain, new.domain) != 0;
	if ((known && !is_same(&old, &new)) || (!known && why.code != ERR_NOT_FOUND)) {
		(void)fprintf(stderr, "relto: %s is pinned already%s%s\n", t->party,
		    known ? "" : ": ", known ? "" : why.text);
		if (known)
			say_digests("old", &old);
		say_digests("new", &new);
		if (!t->replace)
			return err_set(e, ERR_USAGE,
			    "nothing was changed; ask %s, by another way, then use --replace",
			    t->party);
	}
	if (!write_party(t, &new, a, moves, e))
		return false;
	show(j, &new);
	return true;
}

int
context_trust_run(const struct context_trust *t)
{
	SCOPED(arena_done) struct arena a;
	struct err e = { 0 };
	struct out_json j = { .to = stdout };
	struct out_json *to = t->json ? &j : NULL;
	arena_init(&a, ARENA_BYTES);
	if (t->json)
		out_json_begin(&j, NULL, '[');
	if (!(t->party == NULL ? list(t, to, &a, &e) : add(t, to, &a, &e)))
		return out_error(&e);
	if (t->json) {
		out_json_end(&j, ']');
		out_json_line(&j);
	}
	return 0;
}

#include "policy/epoch.h"

#include <stdlib.h>

#include "policy/compile.h"

static const struct text_setting settings[] = {
	{ "hub", "v", TEXT_BLOCK_NONE, false, false, "hub PARTY" },
	{ "vocabulary", "v", TEXT_BLOCK_REQUIRED, true, false,
	    "vocabulary NAME { spif \"FILE\" }" },
	{ "party", "v", TEXT_BLOCK_REQUIRED, true, false, "party NAME { .. }" },
	{ "agreement", "v", TEXT_BLOCK_REQUIRED, true, false, "agreement NAME { .. }" },
	{ "suspend", "v", TEXT_BLOCK_NONE, true, false, "suspend AGREEMENT" },
	{ "never", NULL, TEXT_BLOCK_NONE, true, false, NULL },
};

static bool
load_files(struct compile *c, const char *path, struct text_block *top)
{
	struct text_reader reader = { c->src->read, c->src->list, c->src->ctx };
	const char *slash = strrchr(path, '/');
	c->folder = bytes_from(path, slash == NULL ? 0 : (size_t)(slash - path) + 1);
	return text_load(c->a, path, &reader, c->errors, top);
}

static bool
compile_all(struct compile *c, const struct text_block *top)
{
	c->top = top;
	text_check(c->errors, "", top, settings, sizeof(settings) / sizeof(settings[0]));
	if (!compile_vocab_all(c) || !compile_party_all(c) || !compile_agreement_all(c))
		return false;
	if (c->errors->error_count > 0)
		return false;
	return export_all(c) && ((c->flags & EPOCH_EXPORTED) != 0 || compile_signatures(c));
}

static struct epoch *
epoch_new(struct err *e)
{
	struct epoch *p = calloc(1, sizeof(*p));
	if (p == NULL) {
		(void)err_set(e, ERR_NOMEM, "policy");
		return NULL;
	}
	arena_init(&p->arena, LIMIT_EPOCH_BYTES);
	p->has_trust = true;
	return p;
}

bool
epoch_load(const struct epoch_source *src, const char *path, unsigned flags,
    struct text_errors *errors, struct epoch **out, struct err *e)
{
	SCOPED(epoch_free) struct epoch *p = epoch_new(e);
	struct text_block top;
	if (p == NULL)
		return false;
	struct compile c = { .e = p, .a = &p->arena, .errors = errors, .src = src, .flags = flags };
	if (!load_files(&c, path, &top) || !compile_all(&c, &top) || errors->error_count > 0)
		return text_errors_to_err(errors, ERR_POLICY, e);
	*out = MOVE(p);
	return true;
}

bool
epoch_load_export(const struct epoch_source *src, struct bytes text, struct text_errors *errors,
    struct epoch **out, struct err *e)
{
	SCOPED(epoch_free) struct epoch *p = epoch_new(e);
	struct text_block top;
	struct bytes kept;
	if (p == NULL)
		return false;
	struct compile c = { .e = p,
		.a = &p->arena,
		.errors = errors,
		.src = src,
		.flags = EPOCH_EXPORTED | EPOCH_NO_EXPECTS };
	if (!arena_copy(&p->arena, text, &kept, e))
		return false;
	if (!text_parse_export(&p->arena, bytes_of("export"), kept, errors, &top) ||
	    !compile_all(&c, &top) || errors->error_count > 0)
		return text_errors_to_err(errors, ERR_POLICY, e);
	if (!bytes_equal(p->export_text, text))
		return err_set(e, ERR_DATA, "it is not the canonical export of what it says");
	*out = MOVE(p);
	return true;
}

void
epoch_free(struct epoch *p)
{
	if (p == NULL)
		return;
	arena_done(&p->arena);
	free(p);
}

struct bytes
epoch_export(const struct epoch *p)
{
	return p->export_text;
}

const uint8_t *
epoch_digest(const struct epoch *p)
{
	return p->digest;
}

bool
epoch_has_trust(const struct epoch *p)
{
	return p->has_trust;
}

/* ---- parties ---- */

size_t
epoch_party_count(const struct epoch *p)
{
	return p->party_count;
}

const struct party *
epoch_party_at(const struct epoch *p, size_t index)
{
	return &p->parties[index];
}

const struct party *
epoch_party(const struct epoch *p, struct bytes name)
{
	size_t low = 0, high = p->party_count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = bytes_compare(p->parties[mid].name, name);
		if (c == 0)
			return &p->parties[mid];
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

const struct party *
epoch_party_of_domain(const struct epoch *p, struct bytes trust_domain)
{
	size_t low = 0, high = p->domain_count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = bytes_compare(p->domains[mid]->trust_domain, trust_domain);
		if (c == 0)
			return p->domains[mid];
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

const struct party *
epoch_hub(const struct epoch *p)
{
	return p->hub;
}

bool
epoch_agent(const struct epoch *p, struct bytes spiffe_id, const struct party **party,
    const struct agent **agent)
{
	static const char scheme[] = "spiffe://";
	struct cursor c = cursor_over(spiffe_id);
	if (!bytes_is(cursor_take(&c, sizeof(scheme) - 1), scheme))
		return false;
	const uint8_t *slash = c.left == 0 ? NULL : memchr(c.at, '/', c.left);
	if (slash == NULL)
		return false;
	struct bytes domain = cursor_take(&c, (size_t)(slash - c.at));
	const struct party *found = epoch_party_of_domain(p, domain);
	const struct agent *listed =
	    found == NULL ? NULL : party_agent(found, bytes_from(c.at, c.left));
	if (listed == NULL)
		return false;
	*party = found;
	*agent = listed;
	return true;
}

/* ---- agreements and vocabularies ---- */

size_t
epoch_agreement_count(const struct epoch *p)
{
	return p->agreement_count;
}

const struct agreement *
epoch_agreement_at(const struct epoch *p, size_t index)
{
	return &p->agreements[index];
}

const struct agreement *
epoch_agreement(const struct epoch *p, struct bytes name)
{
	size_t low = 0, high = p->agreement_count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = bytes_compare(p->agreements[mid].name, name);
		if (c == 0)
			return &p->agreements[mid];
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

void
epoch_refuse_agreement(struct epoch *p, size_t index, const char *why)
{
	p->agreements[index].refused = why;
}

bool
epoch_accept_signatures(struct epoch *p, size_t index, struct bytes lines, struct err *e)
{
	struct agreement *a = &p->agreements[index];
	if (!arena_copy(&p->arena, lines, &a->signed_by, e))
		return false;
	a->unsigned_ = false;
	return true;
}

void
epoch_refuse_signatures(struct epoch *p, size_t index)
{
	p->agreements[index].unsigned_ = true;
}

void
epoch_defer_terms(struct epoch *p, size_t index)
{
	p->agreements[index].has_terms = false;
}

size_t
epoch_vocab_count(const struct epoch *p)
{
	return p->vocab_count;
}

const struct vocab *
epoch_vocab_at(const struct epoch *p, size_t index)
{
	return p->vocabs[index];
}

const struct vocab *
epoch_vocab(const struct epoch *p, struct bytes name)
{
	return vocab_find(p->vocabs, p->vocab_count, name);
}

struct bytes
epoch_spif(const struct epoch *p, size_t index, uint8_t digest[32])
{
	memcpy(digest, p->vocabs[index]->digest, 32);
	return p->vocabs[index]->spif;
}

/* Parties: 'party NAME { name trust-domain trust-bundle crl agent }', and 'hub'. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "policy/compile.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

enum { SET_NAME, SET_DOMAIN, SET_BUNDLE, SET_CRL, SET_AGENT, SET_COUNT };
enum { SET_ANCHOR = SET_COUNT, SET_EXPORTED }; /* ..which an export has for its bundle */
static const struct text_setting settings[SET_EXPORTED] = {
	[SET_NAME] = { "name", "v", TEXT_BLOCK_NONE, false, false, "name \"FULL NAME\"" },
	[SET_DOMAIN] = { "trust-domain", "v", TEXT_BLOCK_NONE, false, false,
	    "trust-domain nor.example" },
	[SET_BUNDLE] = { "trust-bundle", "v", TEXT_BLOCK_NONE, false, false,
	    "trust-bundle \"FILE.pem\"" },
	[SET_CRL] = { "crl", "v", TEXT_BLOCK_NONE, true, false, "crl \"FILE\"" },
	[SET_AGENT] = { "agent", "v", TEXT_BLOCK_REQUIRED, true, false,
	    "agent /desk { roles [ publish subscribe ] }" },
	[SET_ANCHOR] = { "anchor", "v", TEXT_BLOCK_NONE, true, false, "anchor HEX" },
};
static const struct text_setting agent_settings[] = {
	{ "roles", "l", TEXT_BLOCK_NONE, false, true,
	    "roles [ publish subscribe approve audit operate sign ]" },
};

struct declared {
	const struct text_statement *statement;
	struct party party;
};

/* ---- agents ---- */

/* The path of a SPIFFE id: segments of [A-Za-z0-9._-]+, none "." or "..". */
static bool
is_path(struct bytes p)
{
	size_t start = 0;
	if (p.len < 2 || p.len > LIMIT_SPIFFE_ID_BYTES - 256 || p.data[0] != '/')
		return false;
	for (size_t i = 1; i <= p.len; i++) {
		uint8_t ch = i == p.len ? '/' : p.data[i];
		if (ch == '/') {
			struct bytes segment = bytes_from(p.data + start + 1, i - start - 1);
			if (segment.len == 0 || bytes_is(segment, ".") || bytes_is(segment, ".."))
				return false;
			start = i;
			continue;
		}
		bool good = (ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z') ||
			    (ch >= 'a' && ch <= 'z') || ch == '.' || ch == '_' || ch == '-';
		if (!good)
			return false;
	}
	return true;
}

static unsigned
read_roles(struct compile *c, const struct text_value *list)
{
	static const char *const known[] = { "publish", "subscribe", "approve", "audit", "operate",
		"sign" };
	unsigned roles = 0;
	size_t at;
	if (list->count == 0)
		text_error(c->errors, &list->pos, NULL, "an agent without a role can do nothing");
	for (size_t i = 0; i < list->count; i++)
		if (text_choice(c->errors, &list->items[i], known, 6, &at))
			roles |= party_role(list->items[i].text);
	return roles;
}

static void
read_agent(struct compile *c, const struct text_statement *s, struct agent *out)
{
	text_check(c->errors, "agent", &s->block, agent_settings, 1);
	const struct text_statement *roles = text_find(&s->block, "roles");
	out->path = s->values[0].text;
	if (!is_path(out->path))
		text_error(c->errors, &s->values[0].pos, "as in: agent /fusion-desk { .. }",
		    "'%.*s' is not the path of a SPIFFE id", SHOWN(out->path));
	if (roles != NULL && text_fits(roles, &agent_settings[0]))
		out->roles = read_roles(c, &roles->values[0]);
}

static int
by_path(const void *x, const void *y)
{
	const struct agent *a = x, *b = y;
	return bytes_compare(a->path, b->path);
}

static void
refuse_agent_twins(struct compile *c, const struct declared *d)
{
	const struct party *p = &d->party;
	for (size_t i = 1; i < p->agent_count; i++)
		if (bytes_equal(p->agents[i - 1].path, p->agents[i].path))
			text_error(c->errors,
			    compile_second(&d->statement->block, "agent", p->agents[i].path,
				&d->statement->pos),
			    NULL, "party '%.*s' has two agents '%.*s'", SHOWN(p->name),
			    SHOWN(p->agents[i].path));
}

static bool
read_agents(struct compile *c, struct declared *d)
{
	const struct text_block *b = &d->statement->block;
	struct agent *list = arena_zalloc(c->a, b->count, sizeof(*list));
	if (list == NULL)
		return compile_no_memory(c);
	for (size_t i = 0; i < b->count; i++)
		if (compile_setting(&b->items[i], settings, SET_COUNT) == SET_AGENT)
			read_agent(c, &b->items[i], &list[d->party.agent_count++]);
	if (d->party.agent_count > 1)
		qsort(list, d->party.agent_count, sizeof(*list), by_path);
	d->party.agents = list;
	refuse_agent_twins(c, d);
	return true;
}

/* ---- trust ---- */

static bool
is_domain(struct bytes d)
{
	for (size_t i = 0; i < d.len; i++) {
		uint8_t ch = d.data[i];
		bool good = (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || ch == '.' ||
			    ch == '_' || ch == '-';
		if (!good)
			return false;
	}
	return d.len > 0 && d.len <= 255;
}

static bool
add_anchor(struct compile *c, X509 *cert, struct anchor *out, struct err *e)
{
	int len = i2d_X509(cert, NULL);
	if (len <= 0)
		return err_set(e, ERR_DATA, "a certificate cannot be encoded");
	uint8_t *der = arena_alloc(c->a, (size_t)len), *at = der;
	if (der == NULL)
		return err_set(e, ERR_NOMEM, "trust bundle");
	if (i2d_X509(cert, &at) != len)
		return err_set(e, ERR_DATA, "a certificate cannot be encoded");
	out->der = bytes_from(der, (size_t)len);
	SHA256(der, (size_t)len, out->digest);
	uint8_t *key = NULL;
	int key_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &key);
	if (key_len <= 0)
		return err_set(e, ERR_DATA, "a certificate without a key");
	SHA256(key, (size_t)key_len, out->key);
	OPENSSL_free(key);
	return true;
}

static bool
known_anchor(const struct anchor *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (memcmp(list[i].digest, list[count].digest, 32) == 0)
			return true;
	return false;
}

static bool
read_certificates(struct compile *c, BIO *bio, struct party *p, struct err *e)
{
	struct anchor *list = arena_zalloc(c->a, LIMIT_ANCHORS + 1, sizeof(*list));
	size_t n = 0;
	bool good = true;
	X509 *cert = NULL;
	if (list == NULL)
		return err_set(e, ERR_NOMEM, "trust bundle");
	while (good && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		good = add_anchor(c, cert, &list[n], e);
		if (good && !known_anchor(list, n) && ++n > LIMIT_ANCHORS)
			good = err_set(e, ERR_LIMIT, "more than %u certificates", LIMIT_ANCHORS);
		X509_free(cert);
	}
	/* it must have ended for want of a further BEGIN line, not inside one */
	if (good && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		good = err_set(e, ERR_DATA, "certificate %zu is damaged", n + 1);
	if (good && n == 0)
		good = err_set(e, ERR_DATA, "no certificate in it");
	ERR_clear_error();
	if (!good)
		return false;
	p->anchors = list;
	p->anchor_count = n;
	return true;
}

static bool
parse_bundle(struct compile *c, struct bytes pem, struct party *p, struct err *e)
{
	if (pem.len > INT32_MAX)
		return err_set(e, ERR_LIMIT, "too large");
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	if (bio == NULL)
		return err_set(e, ERR_NOMEM, "trust bundle");
	ERR_clear_error();
	bool ok = read_certificates(c, bio, p, e);
	BIO_free(bio);
	if (ok)
		p->bundle = pem;
	return ok;
}

/* What the party last had, so that terms do not change because its own file is damaged. */
static void
shut_out(struct compile *c, struct party *p)
{
	const struct party *old =
	    c->src->previous == NULL ? NULL : epoch_party(c->src->previous, p->name);
	p->shut_out = true;
	if (old == NULL)
		return;
	struct anchor *list = arena_zalloc(c->a, old->anchor_count, sizeof(*list));
	for (size_t i = 0; list != NULL && i < old->anchor_count; i++) {
		struct err e;
		list[i] = old->anchors[i];
		if (!arena_copy(c->a, old->anchors[i].der, &list[i].der, &e))
			return;
	}
	p->anchors = list;
	p->anchor_count = list == NULL ? 0 : old->anchor_count;
}

static bool
read_bundle(struct compile *c, const struct text_statement *s, struct party *p)
{
	struct bytes pem;
	struct err e = { 0 };
	const char *path = compile_path(c, &s->pos, s->values[0].text);
	if (path == NULL)
		return compile_no_memory(c);
	p->bundle_path = bytes_of(path);
	if (compile_read(c, path, &pem, &e) && parse_bundle(c, pem, p, &e))
		return true;
	if (e.code == ERR_NOMEM)
		return compile_no_memory(c);
	const struct text_pos *at = &s->values[0].pos;
	if ((c->flags & EPOCH_TOLERANT) != 0) {
		text_warning(
		    c->errors, at, NULL, "party '%.*s' is shut out: %s", SHOWN(p->name), e.text);
		shut_out(c, p);
	} else if ((c->flags & EPOCH_TRUST_OPTIONAL) != 0 && e.code == ERR_NOT_FOUND) {
		text_warning(c->errors, at, NULL, "anchors not compared: %s", e.text);
		c->e->has_trust = false;
	} else {
		text_error_from(c->errors, at, &e);
	}
	return true;
}

/* A setting that start-up needs and that the policy tools can do without. */
static void
missing(struct compile *c, const struct declared *d, const char *setting)
{
	const struct text_pos *at = &d->statement->pos;
	struct bytes name = d->party.name;
	if ((c->flags & EPOCH_PARTIAL) != 0) {
		text_warning(
		    c->errors, at, NULL, "'%s' is missing in party '%.*s'", setting, SHOWN(name));
		c->e->has_trust = false;
	} else {
		text_error(
		    c->errors, at, NULL, "'%s' is missing in party '%.*s'", setting, SHOWN(name));
	}
}

static bool
read_crls(struct compile *c, struct declared *d)
{
	const struct text_block *b = &d->statement->block;
	struct bytes *list = arena_zalloc(c->a, b->count, sizeof(*list));
	if (list == NULL)
		return compile_no_memory(c);
	for (size_t i = 0; i < b->count; i++) {
		const struct text_statement *s = &b->items[i];
		if (compile_setting(s, settings, SET_COUNT) != SET_CRL)
			continue;
		const char *path = compile_path(c, &s->pos, s->values[0].text);
		if (path == NULL)
			return compile_no_memory(c);
		list[d->party.crl_count++] = bytes_of(path);
	}
	d->party.crl_paths = list;
	return true;
}

static const struct text_statement *
setting(const struct declared *d, size_t which)
{
	const struct text_statement *s = text_find(&d->statement->block, settings[which].name);
	return s != NULL && text_fits(s, &settings[which]) ? s : NULL;
}

/* Of an export: digests alone.  A key stands for its certificate then: that no two parties share
 * one was seen when the policy was loaded. */
static bool
read_anchors(struct compile *c, struct declared *d)
{
	const struct text_block *b = &d->statement->block;
	struct anchor *list = arena_zalloc(c->a, b->count, sizeof(*list));
	if (list == NULL)
		return compile_no_memory(c);
	for (size_t i = 0; i < b->count; i++) {
		struct anchor *to = &list[d->party.anchor_count];
		if (compile_setting(&b->items[i], settings, SET_EXPORTED) != SET_ANCHOR ||
		    !compile_digest(c, &b->items[i].values[0], to->digest))
			continue;
		memcpy(to->key, to->digest, sizeof(to->key));
		d->party.anchor_count++;
	}
	d->party.anchors = list;
	return true;
}

static bool
read_trust(struct compile *c, struct declared *d)
{
	const struct text_statement *t = setting(d, SET_BUNDLE);
	if ((c->flags & EPOCH_EXPORTED) != 0)
		return read_anchors(c, d);
	if (t != NULL)
		return read_bundle(c, t, &d->party);
	missing(c, d, "trust-bundle");
	return true;
}

static bool
declare(struct compile *c, const struct text_statement *s, struct declared *d)
{
	const struct text_statement *t;
	*d = (struct declared){ .statement = s };
	if (!text_name(c->errors, &s->values[0], "a party", &d->party.name))
		d->party.name = bytes_of("");
	if (bytes_is(d->party.name, "any") || bytes_is(d->party.name, "originator") ||
	    bytes_is(d->party.name, "recipient"))
		text_error(c->errors, &s->values[0].pos,
		    "'any', 'originator' and 'recipient' have a meaning in rules",
		    "'%.*s' cannot be the name of a party", SHOWN(d->party.name));
	text_check(c->errors, text_note(c->errors, "party '%.*s'", SHOWN(d->party.name)), &s->block,
	    settings, (c->flags & EPOCH_EXPORTED) != 0 ? SET_EXPORTED : SET_COUNT);
	if ((t = setting(d, SET_NAME)) != NULL &&
	    !text_string(c->errors, &t->values[0], LIMIT_NAME_BYTES, &d->party.full_name))
		d->party.full_name = bytes_of("");
	if ((t = setting(d, SET_DOMAIN)) == NULL)
		missing(c, d, "trust-domain");
	else if (is_domain(t->values[0].text))
		d->party.trust_domain = t->values[0].text;
	else
		text_error(c->errors, &t->values[0].pos,
		    "a trust domain is a-z, 0-9, '.', '-' and '_', as in spiffe://nor.example/desk",
		    "'%.*s' is not a trust domain", SHOWN(t->values[0].text));
	if (!read_trust(c, d))
		return false;
	return read_crls(c, d) && read_agents(c, d);
}

/* ---- all of them ---- */

static int
by_name(const void *x, const void *y)
{
	const struct declared *a = x, *b = y;
	int d = bytes_compare(a->party.name, b->party.name);
	if (d != 0)
		return d;
	return (a->statement > b->statement) - (a->statement < b->statement);
}

static void
refuse_twins(struct compile *c, const struct declared *list, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (list[i].party.name.len > 0 &&
		    bytes_equal(list[i - 1].party.name, list[i].party.name))
			text_error(c->errors, &list[i].statement->values[0].pos,
			    text_note(c->errors, "first in %s",
				text_place(c->errors, &list[i - 1].statement->pos)),
			    "two parties are named '%.*s'", SHOWN(list[i].party.name));
}

static int
by_domain(const void *x, const void *y)
{
	const struct party *a = *(const struct party *const *)x;
	const struct party *b = *(const struct party *const *)y;
	int d = bytes_compare(a->trust_domain, b->trust_domain);
	return d != 0 ? d : (a->index > b->index) - (a->index < b->index);
}

static bool
index_domains(struct compile *c, const struct declared *list)
{
	struct epoch *e = c->e;
	e->domains = arena_zalloc(c->a, e->party_count, sizeof(*e->domains));
	if (e->domains == NULL)
		return compile_no_memory(c);
	for (size_t i = 0; i < e->party_count; i++)
		if (e->parties[i].trust_domain.len > 0)
			e->domains[e->domain_count++] = &e->parties[i];
	if (e->domain_count > 1)
		qsort(e->domains, e->domain_count, sizeof(*e->domains), by_domain);
	for (size_t i = 1; i < e->domain_count; i++) {
		const struct party *a = e->domains[i - 1], *b = e->domains[i];
		if (bytes_equal(a->trust_domain, b->trust_domain))
			text_error(c->errors, &list[b->index].statement->pos, NULL,
			    "parties '%.*s' and '%.*s' have one trust domain, '%.*s'",
			    SHOWN(a->name), SHOWN(b->name), SHOWN(a->trust_domain));
	}
	return true;
}

struct held { /* the key of an anchor and who holds it: a certificate may be issued again */
	const uint8_t *key;
	const struct party *party;
};

static int
by_key(const void *x, const void *y)
{
	const struct held *a = x, *b = y;
	int d = memcmp(a->key, b->key, 32);
	return d != 0 ? d
		      : (a->party->index > b->party->index) - (a->party->index < b->party->index);
}

/* S8: an anchor in two bundles would let one party's CA speak for another. */
static bool
compare_anchors(struct compile *c, const struct declared *list)
{
	size_t n = 0;
	for (size_t i = 0; i < c->e->party_count; i++)
		n += c->e->parties[i].anchor_count;
	struct held *all = arena_zalloc(c->a, n, sizeof(*all));
	if (all == NULL)
		return compile_no_memory(c);
	n = 0;
	for (size_t i = 0; i < c->e->party_count; i++)
		for (size_t k = 0; k < c->e->parties[i].anchor_count; k++)
			all[n++] =
			    (struct held){ c->e->parties[i].anchors[k].key, &c->e->parties[i] };
	if (n > 1)
		qsort(all, n, sizeof(*all), by_key);
	for (size_t i = 1; i < n; i++)
		if (all[i - 1].party != all[i].party && memcmp(all[i - 1].key, all[i].key, 32) == 0)
			text_error(c->errors, &list[all[i].party->index].statement->pos, NULL,
			    "parties '%.*s' and '%.*s' have one trust anchor key",
			    SHOWN(all[i - 1].party->name), SHOWN(all[i].party->name));
	return true;
}

static void
find_hub(struct compile *c)
{
	const struct text_statement *s = text_find(c->top, "hub");
	if (s == NULL && (c->flags & EPOCH_PARTIAL) == 0)
		text_error(c->errors, &c->top->end, "the party that runs the broker: hub NAME",
		    "'hub' is missing");
	if (s == NULL || s->value_count != 1 || s->values[0].kind == TEXT_LIST)
		return;
	for (size_t i = 0; i < c->e->party_count; i++)
		if (bytes_equal(c->e->parties[i].name, s->values[0].text)) {
			c->e->parties[i].is_hub = true;
			c->e->hub = &c->e->parties[i];
			return;
		}
	compile_no_party(c, &s->values[0]);
}

/* Only agents of the hub party may operate. */
static void
check_operators(struct compile *c, const struct declared *list)
{
	for (size_t i = 0; i < c->e->party_count && c->e->hub != NULL; i++) {
		const struct party *p = &c->e->parties[i];
		for (size_t k = 0; k < p->agent_count && !p->is_hub; k++)
			if ((p->agents[k].roles & ROLE_OPERATE) != 0)
				text_error(c->errors, &list[i].statement->pos, NULL,
				    "agent '%.*s' of party '%.*s' has the role 'operate', which "
				    "only the hub's agents may have",
				    SHOWN(p->agents[k].path), SHOWN(p->name));
	}
}

static bool
publish(struct compile *c, struct declared *list, size_t count)
{
	struct epoch *e = c->e;
	e->parties = arena_zalloc(c->a, count, sizeof(*e->parties));
	if (e->parties == NULL)
		return compile_no_memory(c);
	for (size_t i = 0; i < count; i++) {
		e->parties[i] = list[i].party;
		e->parties[i].index = (uint32_t)i;
	}
	e->party_count = count;
	find_hub(c);
	check_operators(c, list);
	return index_domains(c, list) && compare_anchors(c, list);
}

bool
compile_party_all(struct compile *c)
{
	size_t count = 0;
	struct declared *list = arena_zalloc(c->a, c->top->count, sizeof(*list));
	if (list == NULL)
		return compile_no_memory(c);
	for (size_t i = 0; i < c->top->count; i++) {
		const struct text_statement *s = &c->top->items[i];
		if (!bytes_is(s->name, "party") || s->value_count != 1 || !s->has_block)
			continue;
		if (count == LIMIT_PARTIES)
			return text_error(
			    c->errors, &s->pos, NULL, "more than %u parties", LIMIT_PARTIES);
		if (!declare(c, s, &list[count++]))
			return false;
	}
	if (count > 1)
		qsort(list, count, sizeof(*list), by_name);
	refuse_twins(c, list, count);
	return publish(c, list, count);
}

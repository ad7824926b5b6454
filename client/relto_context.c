#include "client/inside.h"

#include "proto/spiffe.h"
#include "proto/uuid.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONTEXT_BYTES = 64 << 20, FILE_MAX = 1 << 20, TIMEOUT_MS = 30000 };
enum { QUORUM_AGE_S = 600, QUORUM_AGE_MOST_S = 604800 };

const char *
relto_version(void)
{
	return RELTO_VERSION;
}

void
relto_id_print(const uint8_t id[RELTO_ID_BYTES], char out[RELTO_ID_TEXT])
{
	uuid_print(id, out);
}

bool
relto_id_parse(const char *text, uint8_t out[RELTO_ID_BYTES])
{
	return uuid_parse(bytes_of(text), out);
}

struct relto_context *
relto_context_new(struct relto_error *e)
{
	struct err why;
	struct relto_context *ctx = calloc(1, sizeof(*ctx));
	if (ctx == NULL) {
		(void)inside_failf(e, ERR_NOMEM, "context");
		return NULL;
	}
	arena_init(&ctx->arena, CONTEXT_BYTES);
	ctx->timeout_ms = TIMEOUT_MS;
	ctx->batch = true;
	if (!keep_new(NULL, &ctx->keep, &why)) {
		(void)inside_fail(e, &why);
		relto_context_free(ctx);
		return NULL;
	}
	return ctx;
}

static void
identity_done(struct inside_identity *i)
{
	sk_X509_pop_free(i->chain, X509_free);
	EVP_PKEY_free(i->key);
	*i = (struct inside_identity){ 0 };
}

void
relto_context_free(struct relto_context *ctx)
{
	if (ctx == NULL)
		return;
	identity_done(&ctx->identity);
	identity_done(&ctx->signer);
	chain_anchors_free(ctx->hub);
	for (size_t i = 0; i < ctx->party_count; i++)
		chain_anchors_free(ctx->parties[i].anchors);
	keep_free(ctx->keep);
	arena_done(&ctx->arena);
	free(ctx);
}

/* ---- files ---- */

bool
inside_read_file(struct relto_context *ctx, const char *path, bool secret, struct relto_bytes *out,
    struct relto_error *e)
{
	struct stat s;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return inside_failf(e, ERR_NOT_FOUND, "'%s': %s", path, strerror(errno));
	bool plain = fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_size <= FILE_MAX;
	bool open_to_others = plain && secret && (s.st_mode & (S_IRWXG | S_IRWXO)) != 0;
	size_t want = plain ? (size_t)s.st_size : 0, got = 0;
	uint8_t *to = plain && !open_to_others ? arena_alloc(&ctx->arena, want + 1) : NULL;
	ssize_t n = 1;
	while (to != NULL && got < want && (n = read(fd, to + got, want - got)) > 0)
		got += (size_t)n;
	(void)close(fd);
	if (open_to_others)
		return inside_failf(
		    e, ERR_CONFIG, "'%s': others may read this key; chmod 600 it", path);
	if (to == NULL || got != want)
		return inside_failf(e, ERR_IO, "'%s' cannot be read", path);
	*out = (struct relto_bytes){ to, got };
	return true;
}

char *
inside_keep_text(struct relto_context *ctx, struct bytes in, struct relto_error *e)
{
	struct bytes out;
	struct err why;
	if (arena_copy(&ctx->arena, in, &out, &why))
		return (char *)(uintptr_t)out.data; /* our own copy */
	(void)inside_fail(e, &why);
	return NULL;
}

/* ---- server and hub ---- */

static bool
add_server(struct relto_context *ctx, struct bytes server, struct inside_server *out,
    struct relto_error *e)
{
	const uint8_t *colon = server.len == 0 ? NULL : memrchr(server.data, ':', server.len);
	size_t at = colon == NULL ? 0 : (size_t)(colon - server.data);
	if (at == 0 || at + 1 == server.len)
		return inside_failf(e, ERR_USAGE, "server '%.*s': not HOST:PORT", (int)server.len,
		    (const char *)server.data);
	struct bytes host = bytes_from(server.data, at);
	if (host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']')
		host = bytes_from(host.data + 1, host.len - 2);
	out->host = inside_keep_text(ctx, host, e);
	out->port = inside_keep_text(ctx, bytes_from(colon + 1, server.len - at - 1), e);
	return out->host != NULL && out->port != NULL;
}

bool
relto_context_server(struct relto_context *ctx, const char *server, struct relto_error *e)
{
	struct inside_server servers[INSIDE_SERVERS];
	size_t count = 0;
	for (const char *at = server; at != NULL; count++) {
		const char *end = strchr(at, ',');
		struct bytes one = bytes_from(at, end == NULL ? strlen(at) : (size_t)(end - at));
		if (count == INSIDE_SERVERS)
			return inside_failf(e, ERR_LIMIT, "more than %d servers", INSIDE_SERVERS);
		if (!add_server(ctx, one, &servers[count], e))
			return false;
		at = end == NULL ? NULL : end + 1;
	}
	memcpy(ctx->servers, servers, count * sizeof(servers[0]));
	ctx->server_count = count;
	return true;
}

void
relto_context_reconnect(struct relto_context *ctx, uint32_t most_ms)
{
	ctx->reconnect_ms = most_ms;
}

bool
relto_context_hub(
    struct relto_context *ctx, const char *hub_id, struct relto_bytes ca_pem, struct relto_error *e)
{
	struct err why;
	struct spiffe_id id;
	struct chain_anchors *anchors = NULL;
	if (!spiffe_parse(bytes_of(hub_id), &id, &why)) {
		(void)err_wrap(&why, "hub '%s'", hub_id);
		why.code = ERR_USAGE;
		return inside_fail(e, &why);
	}
	if (!chain_anchors_new(bytes_from(ca_pem.data, ca_pem.len), NULL, 0, &anchors, &why)) {
		(void)err_wrap(&why, "CA certificates of the hub");
		return inside_fail(e, &why);
	}
	char *text = inside_keep_text(ctx, bytes_of(hub_id), e);
	if (text == NULL) {
		chain_anchors_free(anchors);
		return false;
	}
	chain_anchors_free(ctx->hub);
	ctx->hub = anchors;
	ctx->hub_id = text;
	return true;
}

bool
relto_context_hub_file(
    struct relto_context *ctx, const char *hub_id, const char *ca_path, struct relto_error *e)
{
	struct relto_bytes pem = { NULL, 0 };
	return inside_read_file(ctx, ca_path, false, &pem, e) &&
	       relto_context_hub(ctx, hub_id, pem, e);
}

/* ---- identities ---- */

/* A key that is encrypted is refused; nobody is asked for a passphrase. */
static int
no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

STACK_OF(X509) * inside_certificates(struct relto_bytes pem)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	BIO *in = BIO_new_mem_buf(pem.data, (int)pem.len);
	X509 *x = NULL;
	while (all != NULL && in != NULL &&
	       (x = PEM_read_bio_X509(in, NULL, no_passphrase, NULL)) != NULL)
		if (sk_X509_push(all, x) <= 0)
			X509_free(x);
	BIO_free(in);
	ERR_clear_error();
	return all;
}

static bool
read_identity(struct relto_bytes certificate, struct relto_bytes key, struct inside_identity *out,
    struct relto_error *e)
{
	if (certificate.len > FILE_MAX || key.len > FILE_MAX)
		return inside_failf(e, ERR_USAGE, "a certificate or key of more than 1 MiB");
	struct inside_identity i = { .chain = inside_certificates(certificate) };
	BIO *in = BIO_new_mem_buf(key.data, (int)key.len);
	i.key = in == NULL ? NULL : PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL);
	BIO_free(in);
	ERR_clear_error();
	i.leaf = i.chain == NULL ? NULL : sk_X509_value(i.chain, 0);
	bool ok = i.leaf != NULL && i.key != NULL;
	const char *fault =
	    i.leaf == NULL ? "no certificate in it" : "no unencrypted private key in it";
	if (ok && sk_X509_num(i.chain) > (int)LIMIT_CHAIN_CERTS) {
		ok = false;
		fault = "too many certificates: the leaf, then its intermediates";
	}
	if (ok && X509_check_private_key(i.leaf, i.key) != 1) {
		ERR_clear_error();
		ok = false;
		fault = "the private key does not belong to the certificate";
	}
	if (!ok) {
		identity_done(&i);
		return inside_failf(e, ERR_DATA, "identity: %s", fault);
	}
	identity_done(out);
	*out = i;
	return true;
}

bool
relto_context_identity(struct relto_context *ctx, struct relto_bytes certificate_pem,
    struct relto_bytes key_pem, struct relto_error *e)
{
	return read_identity(certificate_pem, key_pem, &ctx->identity, e);
}

bool
relto_context_identity_files(struct relto_context *ctx, const char *certificate_path,
    const char *key_path, struct relto_error *e)
{
	struct relto_bytes certificate = { NULL, 0 }, key = { NULL, 0 };
	return inside_read_file(ctx, certificate_path, false, &certificate, e) &&
	       inside_read_file(ctx, key_path, true, &key, e) &&
	       relto_context_identity(ctx, certificate, key, e);
}

bool
relto_context_signer(struct relto_context *ctx, struct relto_bytes certificate_pem,
    struct relto_bytes key_pem, struct relto_error *e)
{
	return read_identity(certificate_pem, key_pem, &ctx->signer, e);
}

/* ---- the log, the rest ---- */

bool
relto_context_log_key(struct relto_context *ctx, const char *vkey, struct relto_error *e)
{
	struct err why;
	struct note_key key;
	SCOPED(sha256_done) struct sha256 h = { 0 };
	if (!sha256_init(&h, &why) || !note_key_parse(&h, bytes_of(vkey), &key, &why)) {
		(void)err_wrap(&why, "log key");
		return inside_fail(e, &why);
	}
	if (key.type != NOTE_ED25519)
		return inside_failf(e, ERR_DATA, "log key: this is a witness's key, not a log's");
	ctx->log = key;
	ctx->has_log = true;
	return true;
}

bool
relto_context_quorum(
    struct relto_context *ctx, struct relto_bytes policy, uint32_t age_s, struct relto_error *e)
{
	struct err why;
	struct bytes text = { NULL, 0 };
	SCOPED(sha256_done) struct sha256 h = { 0 };
	if (age_s > QUORUM_AGE_MOST_S)
		return inside_failf(
		    e, ERR_USAGE, "a quorum's age of more than %d s", QUORUM_AGE_MOST_S);
	struct quorum *q = arena_zalloc(&ctx->arena, 1, sizeof(*q));
	if (q == NULL)
		return inside_failf(e, ERR_NOMEM, "quorum");
	if (!sha256_init(&h, &why) ||
	    !quorum_parse(&h, bytes_from(policy.data, policy.len), q, &why) ||
	    !arena_copy(&ctx->arena, bytes_from(policy.data, policy.len), &text, &why))
		return inside_fail(e, &why);
	if (q->rule == QUORUM_NONE)
		return inside_failf(e, ERR_DATA, "quorum: of nobody, which demands nothing");
	ctx->quorum = q;
	ctx->quorum_text = text;
	ctx->quorum_s = age_s == 0 ? QUORUM_AGE_S : age_s;
	return true;
}

bool
relto_context_state_dir(struct relto_context *ctx, const char *path, struct relto_error *e)
{
	struct err why;
	struct keep *k = NULL;
	if (!keep_new(path, &k, &why))
		return inside_fail(e, &why);
	keep_free(ctx->keep);
	ctx->keep = k;
	return true;
}

bool
relto_context_terms(struct relto_context *ctx, const char *agreement,
    const uint8_t digest[RELTO_DIGEST_BYTES], struct relto_error *e)
{
	struct inside_pin *all = arena_zalloc(&ctx->arena, ctx->pin_count + 1, sizeof(*all));
	char *name = inside_keep_text(ctx, bytes_of(agreement), e);
	if (all == NULL || name == NULL)
		return inside_failf(e, ERR_NOMEM, "terms");
	if (ctx->pin_count != 0)
		memcpy(all, ctx->pins, ctx->pin_count * sizeof(*all));
	all[ctx->pin_count].agreement = name;
	memcpy(all[ctx->pin_count++].terms, digest, RELTO_DIGEST_BYTES);
	ctx->pins = all;
	return true;
}

void
relto_context_timeout(struct relto_context *ctx, uint32_t timeout_ms)
{
	ctx->timeout_ms = timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms;
}

void
relto_context_show_unverified(struct relto_context *ctx, bool show)
{
	ctx->show_unverified = show;
}

void
relto_context_batch(struct relto_context *ctx, bool batch)
{
	ctx->batch = batch;
}

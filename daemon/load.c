#include "daemon/load.h"

#include "daemon/file.h"
#include "daemon/trust_load.h"
#include "policy/text.h"
#include "proto/dry.h"

#include <openssl/pem.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

enum { KEY_BYTES = 65536 };

static int64_t
now_s(void *arg)
{
	(void)arg;
	return (int64_t)time(NULL);
}

/* DIR/relto.policy, or the file itself. */
static char *
root_file(const char *path, struct arena *a)
{
	struct stat st;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return arena_printf(a, "%s/relto.policy", path);
	return arena_printf(a, "%s", path);
}

bool
load_rules(const struct load *from, FILE *to, struct ruleset **out, struct err *e)
{
	const struct config *cfg = from->config;
	struct epoch_source source = file_policy;
	bool reload = from->reload;
	struct text_errors errors;
	struct arena a;
	SCOPED(epoch_free) struct epoch *epoch = NULL;
	SCOPED(trust_unref) struct trust *trust = NULL;
	struct trust_clock clock = { now_s, NULL };
	text_errors_init(&errors);
	source.previous = from->previous == NULL ? NULL : from->previous->epoch;
	arena_init(&a, 1 << 20);
	const char *path = root_file(cfg->policy, &a);
	bool ok = path != NULL || err_set(e, ERR_NOMEM, "policy");
	dry_begin();
	ok = ok && epoch_load(&source, path, reload ? EPOCH_TOLERANT : 0, &errors, &epoch, e);
	/* a file that looked damaged for want of memory is not to blame, and shuts nobody out */
	if (dry_ran())
		ok = err_set(e, ERR_NOMEM, "policy");
	const char *said = dry_ran() ? NULL : text_errors_format(&errors, &a);
	if (said != NULL && said[0] != 0)
		(void)fputs(said, to);
	text_errors_done(&errors);
	arena_done(&a);
	if (!ok)
		return false;
	if (!trust_load(epoch, cfg, reload, &clock, &trust, e))
		return dry_ran() ? err_set(e, ERR_NOMEM, "trust") : false;
	*out = ruleset_new(&epoch, &trust);
	return *out != NULL || err_set(e, ERR_NOMEM, "ruleset");
}

bool
load_log_key(const struct config *cfg, struct evp_pkey_st **out, struct err *e)
{
	struct arena a;
	struct bytes pem;
	arena_init(&a, KEY_BYTES * 2);
	dry_begin();
	bool ok = file_read(cfg->log_key, FILE_SECRET, KEY_BYTES, &a, &pem, e);
	BIO *bio = ok ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
	EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	arena_done(&a);
	if (!ok)
		return err_wrap(e, "log { key }");
	if (dry_ran()) {
		EVP_PKEY_free(key);
		return err_set(e, ERR_NOMEM, "log { key }");
	}
	if (key == NULL || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519) {
		EVP_PKEY_free(key);
		return err_set(
		    e, ERR_CONFIG, "log { key }: '%s' holds no Ed25519 private key", cfg->log_key);
	}
	*out = key;
	return true;
}

char *
load_shut_out(const struct ruleset *r)
{
	size_t n = epoch_party_count(r->epoch), used = 0;
	char *text = calloc(n + 1, LIMIT_PARTY_NAME_BYTES + 2);
	for (size_t i = 0; text != NULL && i < n; i++) {
		const struct party *p = epoch_party_at(r->epoch, i);
		const char *why;
		if (trust_party_usable(r->trust, p->name, &why))
			continue;
		if (used > 0)
			text[used++] = '\n';
		memcpy(text + used, p->name.data, p->name.len);
		used += p->name.len;
	}
	return text;
}

#include "daemon/load.h"

#include "audit/quorum.h"
#include "daemon/file.h"
#include "daemon/folders.h"
#include "daemon/trust_load.h"
#include "daemon/witness_ask.h"
#include "policy/signature.h"
#include "policy/text.h"
#include "proto/dry.h"

#include <openssl/pem.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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

static const struct chain_anchors *
anchors_of(void *ctx, const struct party *p, int64_t *until, const char **why)
{
	return trust_party_anchors(ctx, p->name, until, why);
}

/* Signatures under agreements, as their files have them.  Which agreements are usable says the
 * committer, who knows what was accepted before. */
static bool
judge_signatures(
    struct epoch *epoch, struct trust *trust, const struct load *from, FILE *to, struct err *e)
{
	struct signature_judge by = { anchors_of, trust, now_s(NULL) };
	dry_begin();
	if (!signature_judge_all(epoch, &by, e) || dry_ran())
		return err_set(e, ERR_NOMEM, "signatures");
	if (!from->test)
		return true;
	SCOPED(arena_done) struct arena a;
	struct text_errors lacking;
	arena_init(&a, 1 << 20);
	text_errors_init(&lacking);
	signature_warn(epoch, from->config->policy, &lacking);
	const char *said = text_errors_format(&lacking, &a);
	(void)fputs(said == NULL ? "" : said, to);
	text_errors_done(&lacking);
	return true;
}

static bool
note_lists(const struct epoch *epoch, struct folders *f, struct err *e)
{
	for (size_t i = 0; i < epoch_party_count(epoch); i++) {
		const struct party *p = epoch_party_at(epoch, i);
		for (size_t k = 0; k < p->crl_count; k++) {
			char path[4096];
			(void)snprintf(path, sizeof(path), "%.*s", (int)p->crl_paths[k].len,
			    (const char *)p->crl_paths[k].data);
			if (!folders_add(f, path, e))
				return false;
		}
	}
	return true;
}

bool
load_rules(const struct load *from, FILE *to, struct ruleset **out, struct err *e)
{
	const struct config *cfg = from->config;
	struct epoch_source source =
	    from->folders == NULL ? file_policy : folders_source(from->folders);
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
	if (!ok || (from->folders != NULL && !note_lists(epoch, from->folders, e)))
		return false;
	if (!trust_load(epoch, cfg, reload, &clock, &trust, e))
		return dry_ran() ? err_set(e, ERR_NOMEM, "trust") : false;
	if (!judge_signatures(epoch, trust, from, to, e))
		return false;
	*out = ruleset_new(&epoch, &trust);
	if (*out == NULL)
		return err_set(e, ERR_NOMEM, "ruleset");
	ruleset_settle(*out, cfg, NULL);
	return true;
}

bool
load_user(const char *name, uid_t *uid, struct err *e)
{
	uint64_t number;
	const struct passwd *p;
	if (name[0] == '\0')
		*uid = geteuid();
	else if (text_to_integer(bytes_of(name), &number) && number < (uid_t)-1)
		*uid = (uid_t)number;
	else if ((p = getpwnam(name)) != NULL)
		*uid = p->pw_uid;
	else
		return err_set(e, ERR_CONFIG, "user '%s' does not exist", name);
	return true;
}

bool
load_log_key(const struct config *cfg, struct evp_pkey_st **out, struct err *e)
{
	struct arena a;
	struct bytes pem;
	if (cfg->log_key[0] == '\0')
		return err_set(e, ERR_CONFIG,
		    "log { key } is not set, and this needs the key of the log itself");
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

/* The largest set of witnesses that can be asked is enough, and each of them can be. */
static bool
can_be_met(const struct quorum *q, struct err *e)
{
	struct note_seen all[QUORUM_WITNESSES_MAX] = { 0 };
	struct witness_ask ask;
	for (size_t i = 0; i < q->witness_count; i++) {
		all[i].verified = q->urls[i][0] != '\0';
		if (all[i].verified && !witness_ask_init(&ask, q->urls[i], e))
			return false;
	}
	if (q->rule == QUORUM_NONE)
		return err_set(e, ERR_CONFIG,
		    "'quorum none' asks for nobody's signature: leave the setting out");
	return quorum_met(q, all) ||
	       err_set(e, ERR_CONFIG,
		   "the witnesses that have a URL could never be the quorum: a broker asks no "
		   "others");
}

bool
load_quorum(const struct config *cfg, const struct note_key *log, struct quorum *out, bool *any,
    struct err *e)
{
	struct arena a;
	struct sha256 h;
	struct bytes text;
	*any = cfg->log_quorum[0] != '\0';
	if (!*any)
		return true;
	arena_init(&a, 4 * QUORUM_FILE_MAX);
	bool ok = sha256_init(&h, e) &&
		  file_read(cfg->log_quorum, FILE_OURS, QUORUM_FILE_MAX, &a, &text, e);
	if (ok && !quorum_parse(&h, text, out, e)) {
		e->code = ERR_CONFIG;
		ok = false;
	}
	if (ok && log != NULL && !quorum_knows(out, log))
		ok =
		    err_set(e, ERR_CONFIG, "it names other logs than '%s' with its key", log->name);
	ok = ok && can_be_met(out, e);
	arena_done(&a);
	sha256_done(&h);
	return ok || err_wrap(e, "log { quorum \"%s\" }", cfg->log_quorum);
}

char *
load_shut_out(const struct ruleset *r)
{
	size_t n = epoch_party_count(r->epoch), used = 0, named = 0;
	char *text = calloc(LOAD_SHUT_OUT_NAMES + 1, LIMIT_PARTY_NAME_BYTES + 2);
	for (size_t i = 0; text != NULL && i < n; i++) {
		const struct party *p = epoch_party_at(r->epoch, i);
		const char *why = "";
		if (trust_party_usable(r->trust, p->name, &why) && *why == '\0')
			continue;
		if (named++ >= LOAD_SHUT_OUT_NAMES)
			continue;
		if (used > 0)
			text[used++] = '\n';
		memcpy(text + used, p->name.data, p->name.len);
		used += p->name.len;
	}
	if (named > LOAD_SHUT_OUT_NAMES)
		(void)snprintf(
		    text + used, LIMIT_PARTY_NAME_BYTES, "\n+%zu", named - LOAD_SHUT_OUT_NAMES);
	return text;
}

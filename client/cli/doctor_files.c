#include "audit/quorum.h"
#include "client/cli/doctor.h"
#include "proto/cert.h"
#include "proto/chain.h"

#include <dirent.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char ask_hub[] = "ask the operator of the hub for it, and compare it by another way";
static const char ask_ca[] = "ask your party's authority for a new one: nothing goes without it";

static int
no_passphrase(char *buf, int size, int writing, void *ctx)
{
	(void)buf, (void)size, (void)writing, (void)ctx;
	return -1;
}

/* ms since 1970; 0 if it cannot be told, which is past. */
static uint64_t
not_after_ms(const X509 *x)
{
	struct tm tm;
	time_t at;
	if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) != 1 || (at = timegm(&tm)) < 0)
		return 0;
	return (uint64_t)at * 1000;
}

/* Each certificate of a file until it ends; false: there is none. */
static bool
each_until(struct doctor *d, const char *check, struct bytes pem, const char *help)
{
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	X509 *x;
	uint64_t first = UINT64_MAX;
	while (bio != NULL && (x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
		uint64_t ends = not_after_ms(x);
		first = ends < first ? ends : first;
		X509_free(x);
	}
	BIO_free(bio);
	ERR_clear_error();
	if (first != UINT64_MAX)
		doctor_until(d, check, "its certificates are valid", first, help);
	return first != UINT64_MAX;
}

static EVP_PKEY *
private_key(struct doctor *d, const char *path)
{
	struct bytes pem;
	struct err e = { 0 };
	if (!context_read_file(path, false, d->arena, &pem, &e)) {
		doctor_say(d, FINDING_FAIL, "key", "say where it is: relto context add --key", "%s",
		    e.text);
		return NULL;
	}
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	EVP_PKEY *key =
	    bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (key == NULL)
		doctor_say(d, FINDING_FAIL, "key",
		    "it must be a private key in PEM, without a passphrase", "%s: no private key",
		    path);
	return key;
}

static void
check_key(struct doctor *d, X509 *leaf)
{
	EVP_PKEY *key = private_key(d, d->context->key);
	if (key == NULL)
		return;
	if (X509_check_private_key(leaf, key) != 1)
		doctor_say(d, FINDING_FAIL, "key",
		    "certificate and key of the context must belong together",
		    "%s is not the key of the certificate", d->context->key);
	else
		doctor_say(d, FINDING_OK, "key", NULL, "it is the certificate's");
	EVP_PKEY_free(key);
	ERR_clear_error();
}

static void
check_identity(struct doctor *d)
{
	struct bytes pem;
	struct err e = { 0 };
	struct cert cert;
	if (!context_read_file(d->context->certificate, false, d->arena, &pem, &e)) {
		doctor_say(d, FINDING_FAIL, "certificate", ask_ca, "%s", e.text);
		return;
	}
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	X509 *leaf = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
	if (leaf == NULL || !cert_read(leaf, &cert, &e))
		doctor_say(d, FINDING_FAIL, "certificate", ask_ca,
		    "%s: no certificate with exactly one SPIFFE id", d->context->certificate);
	else {
		doctor_say(d, FINDING_OK, "certificate", NULL, "%s", cert.id_text);
		doctor_until(d, "certificate", "it is valid", not_after_ms(leaf), ask_ca);
		check_key(d, leaf);
	}
	X509_free(leaf);
	BIO_free(bio);
	ERR_clear_error();
}

static void
check_bundle(struct doctor *d, const char *check, const char *path, const char *help)
{
	SCOPED(chain_anchors_free) struct chain_anchors *anchors = NULL;
	struct bytes pem;
	struct err e = { 0 };
	if (!context_read_file(path, false, d->arena, &pem, &e) ||
	    !chain_anchors_new(pem, NULL, 0, &anchors, &e))
		doctor_say(d, FINDING_FAIL, check, help, "%s: %s", path, e.text);
	else
		(void)each_until(d, check, pem, help);
}

static struct bytes
first_line(struct bytes text)
{
	const uint8_t *end = text.len == 0 ? NULL : memchr(text.data, '\n', text.len);
	return end == NULL ? text : bytes_from(text.data, (size_t)(end - text.data));
}

static void
check_log_key(struct doctor *d)
{
	struct bytes text;
	struct err e = { 0 };
	SCOPED(sha256_done) struct sha256 h = { 0 };
	struct note_key key;
	char vkey[NOTE_VKEY_MAX];
	if (!sha256_init(&h, &e) ||
	    !context_read_file(d->context->log_key, false, d->arena, &text, &e) ||
	    !note_key_parse(&h, first_line(text), &key, &e)) {
		doctor_say(
		    d, FINDING_FAIL, "log-key", ask_hub, "%s: %s", d->context->log_key, e.text);
		return;
	}
	note_key_print(&key, vkey);
	doctor_say(d, FINDING_OK, "log-key", NULL, "%s", vkey);
}

/* Which witnesses have to sign what is shown. */
static void
check_quorum(struct doctor *d)
{
	const char *path = d->context->quorum;
	struct bytes text;
	struct err e = { 0 };
	SCOPED(sha256_done) struct sha256 h = { 0 };
	struct quorum q;
	if (path == NULL)
		return;
	if (!sha256_init(&h, &e) || !context_read_file(path, true, d->arena, &text, &e) ||
	    !quorum_parse(&h, text, &q, &e))
		doctor_say(d, FINDING_FAIL, "quorum",
		    "correct the file: log, witness, group and quorum lines of tlog-policy",
		    "%s: %s", path, e.text);
	else if (q.rule == QUORUM_NONE)
		doctor_say(d, FINDING_FAIL, "quorum", "name the witnesses that must sign",
		    "%s: a quorum of nobody demands nothing", path);
	else
		doctor_say(d, FINDING_OK, "quorum", NULL, "of %zu witnesses: %s", q.witness_count,
		    q.rule == QUORUM_WITNESS ? q.names[q.at] : q.groups[q.at].name);
}

/* Whose reports can be verified. */
static void
check_trust(struct doctor *d)
{
	static const char pin[] =
	    "relto context trust PARTY FILE, with a bundle from the party itself";
	char **names;
	size_t count = 0;
	struct err e = { 0 };
	if (d->context->trust == NULL) {
		doctor_say(d, FINDING_WARN, "trust", "relto context add --trust DIR",
		    "the context has no folder of bundles: no report can be verified");
		return;
	}
	if (!context_names(d->context->trust, ".pem", d->arena, &names, &count, &e)) {
		doctor_say(d, FINDING_FAIL, "trust", pin, "%s", e.text);
		return;
	}
	doctor_say(d, count == 0 ? FINDING_WARN : FINDING_OK, "trust", count == 0 ? pin : NULL,
	    "the reports of %zu parties can be verified", count);
	for (size_t i = 0; i < count; i++) {
		const char *path = arena_printf(d->arena, "%s/%s.pem", d->context->trust, names[i]);
		const char *check = arena_printf(d->arena, "trust %s", names[i]);
		if (path == NULL || check == NULL)
			doctor_say(d, FINDING_FAIL, "trust", "try again", "out of memory");
		else
			check_bundle(d, check, path, pin);
	}
}

/* What clients keep of the log, and evidence against it. */
static void
check_state(struct doctor *d)
{
	const char *state = d->context->state;
	struct stat st;
	size_t forks = 0, unsigned_heads = 0;
	if (stat(state, &st) != 0) {
		doctor_say(d, FINDING_OK, "state", NULL, "nothing was seen of the log yet");
		return;
	}
	if (access(state, W_OK | X_OK) != 0) {
		doctor_say(d, FINDING_FAIL, "state",
		    "make it yours: what was seen of the log is kept there", "%s cannot be written",
		    state);
		return;
	}
	DIR *folder = opendir(state);
	for (struct dirent *f; folder != NULL && (f = readdir(folder)) != NULL;) {
		forks += strncmp(f->d_name, "fork-", 5) == 0;
		unsigned_heads += strncmp(f->d_name, "unsigned-", 9) == 0;
	}
	if (folder != NULL)
		(void)closedir(folder);
	if (forks > 0)
		doctor_say(d, FINDING_FAIL, "state",
		    "trust nothing of this broker, keep the folder, and give it to your auditor",
		    "%s has evidence of %zu forks of the log", state, forks);
	else
		doctor_say(d, FINDING_OK, "state", NULL, "no fork of the log was seen");
	if (unsigned_heads > 0)
		doctor_say(d, FINDING_WARN, "state",
		    "ask the witnesses and the operator what was signed then; give the folders to "
		    "your auditor, and remove them when it is settled",
		    "%s has %zu heads of the log that the quorum had not signed in time", state,
		    unsigned_heads);
}

void
doctor_files(struct doctor *d)
{
	check_identity(d);
	check_bundle(d, "hub-ca", d->context->hub_ca, ask_hub);
	check_log_key(d);
	check_quorum(d);
	check_trust(d);
	check_state(d);
}

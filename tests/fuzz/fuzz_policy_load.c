/* A whole policy from its root file: vocabularies are the shipped ones, bundles those of the
 * sample. What loads, exports as text of the grammar, loads again to the same digest, from its
 * export too, and decides.  The input is also read as an export.
 */
#include <openssl/sha.h>
#include <stdint.h>
#include <stdlib.h>

#include "policy/decide.h"
#include "policy/text.h"
#include "tests/lib/slurp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
read_file(void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	static const char *const known[] = { "policy/vocab/atlas.spif.xml",
		"policy/vocab/gbr-national.spif.xml", "policy/vocab/tlp-2.0.spif.xml",
		"tests/policy-sample/trust/gbr-ca.pem", "tests/policy-sample/trust/nor-ca.pem",
		"tests/policy-sample/trust/ken-ca.pem", "tests/policy-sample/trust/hub-ca.pem",
		"tests/fuzz/corpus/clearance_xml/whole" };
	const struct bytes *root = ctx;
	if (strcmp(path, "relto.policy") == 0)
		return arena_copy(a, *root, out, e);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(path, known[i]) != 0)
			continue;
		*out = slurp(a, path);
		return out->data != NULL || err_set(e, ERR_NOMEM, "%s", path);
	}
	return err_set(e, ERR_NOT_FOUND, "cannot read '%s'", path);
}

static bool
list_folder(void *ctx, const char *path, struct arena *a, struct names *out, struct err *e)
{
	(void)ctx;
	(void)a;
	(void)out;
	return err_set(e, ERR_NOT_FOUND, "cannot read '%s'", path);
}

static struct epoch *
load(struct bytes root, unsigned flags)
{
	struct epoch_source source = { .read = read_file, .list = list_folder, .ctx = &root };
	SCOPED(text_errors_done) struct text_errors errors;
	struct epoch *p = NULL;
	struct err e = { 0 };
	text_errors_init(&errors);
	bool ok = epoch_load(&source, "relto.policy", flags, &errors, &p, &e);
	if (ok != (errors.error_count == 0) || ok != (p != NULL))
		abort();
	return p;
}

/* A report from each member to all others; that it does not crash is the claim. */
static void
decide(const struct epoch *p, const struct agreement *g, struct arena *a)
{
	struct bytes to[] = { bytes_of("ATLAS") };
	struct raw_category k = { bytes_of("Releasable To"), { to, 1 } };
	struct raw_label l = { bytes_of("ATLAS"), bytes_of("SECRET"), &k, 1 };
	struct fact_portion portion = { &l, 1, bytes_of("text/plain") };
	struct fact_agreement named = { .name = g->name };
	for (size_t i = 0; i < epoch_party_count(p); i++) {
		struct facts f = { .originator = epoch_party_at(p, i)->name,
			.topic = bytes_of("maritime.piracy"),
			.precedence = PRECEDENCE_FLASH,
			.mode = g->mode,
			.time = g->valid_from,
			.signer = SIGNER_REVOKED,
			.agreements = &named,
			.agreement_count = 1,
			.portions = &portion,
			.portion_count = 1 };
		struct decisions d;
		struct err e;
		if (!policy_decide(p, &f, a, &d, &e) && e.code != ERR_NOMEM)
			abort();
	}
}

/* A SPIF by the hex of its digest. */
static bool
read_spif(void *ctx, const char *hex, struct arena *a, struct bytes *out, struct err *e)
{
	static const char *const known[] = { "policy/vocab/atlas.spif.xml",
		"policy/vocab/gbr-national.spif.xml", "policy/vocab/tlp-2.0.spif.xml" };
	(void)ctx;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		uint8_t digest[32];
		char text[65];
		*out = slurp(a, known[i]);
		if (out->data == NULL)
			return err_set(e, ERR_NOMEM, "%s", known[i]);
		SHA256(out->data, out->len, digest);
		for (size_t k = 0; k < sizeof(digest); k++)
			(void)snprintf(text + 2 * k, 3, "%02x", digest[k]);
		if (strcmp(text, hex) == 0)
			return true;
	}
	return err_set(e, ERR_NOT_FOUND, "cannot read '%s'", hex);
}

static struct epoch *
load_back(struct bytes text)
{
	struct epoch_source source = { .read = read_spif, .list = list_folder };
	SCOPED(text_errors_done) struct text_errors errors;
	struct epoch *p = NULL;
	struct err e = { 0 };
	text_errors_init(&errors);
	bool ok = epoch_load_export(&source, text, &errors, &p, &e);
	if (ok != (p != NULL) || (ok && !bytes_equal(epoch_export(p), text)))
		abort();
	return p;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes root = bytes_from(data, size);
	epoch_free(load_back(root));
	SCOPED(epoch_free) struct epoch *p = load(root, EPOCH_TRUST_OPTIONAL);
	if (p == NULL)
		return 0;
	SCOPED(epoch_free) struct epoch *again = load(root, EPOCH_TRUST_OPTIONAL);
	SCOPED(arena_done) struct arena a;
	SCOPED(text_errors_done) struct text_errors errors;
	struct text_block block;
	arena_init(&a, 256 << 20);
	text_errors_init(&errors);
	if (again == NULL || memcmp(epoch_digest(p), epoch_digest(again), 32) != 0)
		abort();
	if (!text_parse(&a, bytes_of("export"), epoch_export(p), &errors, &block))
		abort();
	SCOPED(epoch_free) struct epoch *back = load_back(epoch_export(p));
	if (back == NULL || memcmp(epoch_digest(p), epoch_digest(back), 32) != 0)
		abort();
	for (size_t i = 0; i < epoch_agreement_count(p); i++)
		decide(p, epoch_agreement_at(p, i), &a);
	return 0;
}

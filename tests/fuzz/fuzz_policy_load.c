/* A whole policy from its root file: vocabularies are the shipped ones, bundles those of the
 * sample. What loads, exports as text of the grammar, loads again to the same digest, and decides.
 */
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
		"tests/policy-sample/trust/ken-ca.pem", "tests/policy-sample/trust/hub-ca.pem" };
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes root = bytes_from(data, size);
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
	for (size_t i = 0; i < epoch_agreement_count(p); i++)
		decide(p, epoch_agreement_at(p, i), &a);
	return 0;
}

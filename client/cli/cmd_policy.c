/* cmd_policy.c - relto policy check|fmt|eval|export|terms (DESIGN sections 4 and 12). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "client/cli/cmd.h"
#include "client/cli/eval.h"
#include "client/cli/files.h"
#include "client/cli/out.h"
#include "client/cli/policy_diff.h"
#include "client/cli/policy_explain.h"
#include "client/cli/policy_fmt.h"
#include "client/cli/policy_lint.h"
#include "client/cli/policy_matrix.h"
#include "client/cli/policy_out.h"
#include "client/cli/policy_prove.h"
#include "policy/decide.h"
#include "policy/signature.h"
#include "policy/text.h"
#include "proto/chain.h"
#include "proto/dry.h"

const char cmd_policy_usage[] =
    "policy check [--strict] [--at TIME] DIR.. | fmt [--check] DIR|FILE.. | eval DIR --jsonl | "
    "export DIR | terms DIR [AGREEMENT] [--json]\n"
    "       relto policy explain DIR --from P --to P --topic T --label L.. [--precedence P]\n"
    "             [--content-type T] [--mode live|exercise] [--at TIME] [--agreement NAME..] "
    "[--json]\n"
    "       relto policy matrix DIR [--csv | --json] [--topic T] [--label L..] [--from P] [--to "
    "P]\n"
    "             [--agreement NAME] [--at TIME]\n"
    "       relto policy diff OLD NEW [--replay BUNDLE] [--each] [--agreement NAME] [--at TIME] "
    "[--json]\n"
    "       relto policy prove DIR 'never release to P label L..' [--json]";

enum { WORDS_MAX = 256 };
struct call {
	const char *words[WORDS_MAX]; /* what is left of the options */
	size_t count;
	bool json, jsonl, strict;
	uint64_t at; /* µs: today, for the linter; 0: now */
};

/* ---- check ---- */

static void
check_json(const struct policy_load *l, const char *path, const struct linted *n)
{
	struct out_json j = { .to = stdout };
	out_json_begin(&j, NULL, '{');
	out_json_text(&j, "policy", path);
	out_json_bool(&j, "good", l->epoch != NULL);
	if (l->epoch != NULL && epoch_has_trust(l->epoch))
		out_json_hex(&j, "digest", epoch_digest(l->epoch), 32);
	else
		out_json_text(&j, "digest", NULL);
	if (l->epoch == NULL && l->errors.error_count == 0)
		out_json_text(&j, "error", l->err.text);
	policy_out_faults(&j, "errors", l->errors.errors, l->errors.error_count);
	policy_out_warnings(&j, "warnings", &l->errors, &n->warnings);
	out_json_uint(&j, "warning_count", l->errors.warning_count + n->warnings.warning_count);
	policy_out_faults(&j, "undecided", n->open.warnings, n->open.warning_count);
	out_json_end(&j, '}');
	out_json_line(&j);
}

static void
check_text(const struct policy_load *l, const char *path)
{
	printf("%s: good: %zu parties, %zu agreements, %zu vocabularies\n", path,
	    epoch_party_count(l->epoch), epoch_agreement_count(l->epoch),
	    epoch_vocab_count(l->epoch));
	if (!epoch_has_trust(l->epoch))
		return;
	(void)fputs("policy digest ", stdout);
	for (size_t i = 0; i < 32; i++)
		printf("%02x", epoch_digest(l->epoch)[i]);
	(void)fputc('\n', stdout);
}

/* The bundle with its lists, as the broker's trust is made of them. */
static bool
check_lists(struct arena *a, const struct party *p, struct chain_anchors **out, struct err *e)
{
	struct bytes *lists = arena_zalloc(a, p->crl_count + 1, sizeof(*lists));
	if (lists == NULL)
		return err_set(e, ERR_NOMEM, "revocation lists");
	for (size_t i = 0; i < p->crl_count; i++) {
		const char *path = arena_printf(
		    a, "%.*s", (int)p->crl_paths[i].len, (const char *)p->crl_paths[i].data);
		if (path == NULL)
			return err_set(e, ERR_NOMEM, "revocation lists");
		if (!files_read_ours(path, LIMIT_CRL_BYTES, a, &lists[i], e))
			return false;
	}
	return chain_anchors_new(p->bundle, lists, p->crl_count, out, e);
}

/* The anchors of each party, as a broker has them; NULL: it would be shut out. */
struct trusted {
	struct chain_anchors **anchors;
	size_t count;
};

static void
trusted_done_scoped(struct trusted *t)
{
	for (size_t i = 0; i < t->count; i++)
		chain_anchors_free(t->anchors[i]);
	free(t->anchors);
}

/* What would shut a party out is no error of the policy: the others go on (design 4). */
static bool
check_trust(struct policy_load *l, struct trusted *t)
{
	struct arena files;
	size_t count = epoch_party_count(l->epoch);
	t->anchors = calloc(count + 1, sizeof(struct chain_anchors *));
	if (t->anchors == NULL)
		return err_set(&l->err, ERR_NOMEM, "trust");
	t->count = count;
	arena_init(&files, LIMIT_TRUST_BYTES);
	for (size_t i = 0; i < count; i++) {
		const struct party *p = epoch_party_at(l->epoch, i);
		struct err e = { 0 };
		if (p->bundle.len > 0 && !check_lists(&files, p, &t->anchors[i], &e))
			text_warning(&l->errors, NULL, NULL, "party '%.*s' would be shut out: %s",
			    (int)p->name.len, (const char *)p->name.data, e.text);
	}
	arena_done(&files);
	return true;
}

static const struct chain_anchors *
anchors_of(void *ctx, const struct party *p, int64_t *until, const char **why)
{
	const struct trusted *t = ctx;
	*why = "they cannot be used";
	if (t->anchors[p->index] != NULL)
		*until = chain_crl_next(t->anchors[p->index]);
	return t->anchors[p->index];
}

/* Trust files and signatures, as a broker that knows nothing of before would judge them. */
static bool
check_files(struct policy_load *l, const char *path, uint64_t at)
{
	SCOPED(trusted_done) struct trusted t = { NULL, 0 };
	struct signature_judge by = { anchors_of, &t,
		at == 0 ? (int64_t)time(NULL) : (int64_t)(at / 1000000) };
	if (!check_trust(l, &t) || !signature_judge_all(l->epoch, &by, &l->err))
		return false;
	/* a signature that looked bad for want of memory accuses nobody */
	if (dry_ran())
		return err_set(&l->err, ERR_NOMEM, "signatures");
	signature_warn(l->epoch, path, &l->errors);
	return true;
}

static int
check_one(const struct call *k, const char *path)
{
	SCOPED(policy_load_done) struct policy_load l;
	SCOPED(linted_done) struct linted n;
	bool good = policy_load_epoch(&l, path, EPOCH_TRUST_OPTIONAL);
	linted_init(&n);
	if (good) {
		if (!check_files(&l, path, k->at) || !policy_lint(l.epoch, path, k->at, &n, &l.err))
			return out_error(&l.err);
	}
	bool warned = l.errors.warning_count + n.warnings.warning_count > 0;
	int refused = k->strict && warned ? err_exit(ERR_POLICY) : 0;
	if (k->json) {
		check_json(&l, path, &n);
		return good ? refused : err_exit(l.err.code);
	}
	int status = policy_load_tell(&l);
	const char *text = text_errors_format(&n.warnings, &l.arena);
	if (text != NULL)
		(void)fputs(text, stderr);
	if (good)
		check_text(&l, path);
	return status != 0 ? status : refused;
}

static int
run_check(const struct call *k)
{
	int status = 0;
	if (k->count == 0 || k->jsonl)
		return out_usage(cmd_policy_usage, "check which policy?");
	for (size_t i = 0; i < k->count; i++) {
		int one = check_one(k, k->words[i]);
		status = status == 0 ? one : status;
	}
	return status;
}

/* ---- eval ---- */

static int
run_eval(const struct call *k)
{
	struct err e = { 0 };
	if (k->count != 1 || !k->jsonl)
		return out_usage(cmd_policy_usage, "eval takes one policy and --jsonl");
	SCOPED(policy_load_done) struct policy_load l;
	bool good = policy_load_epoch(&l, k->words[0], EPOCH_TRUST_OPTIONAL | EPOCH_PARTIAL);
	if (!good)
		return policy_load_tell(&l);
	if (!eval_stream(l.epoch, stdin, stdout, &e))
		return out_error(&e);
	return 0;
}

/* ---- export and terms ---- */

static int
run_export(const struct call *k)
{
	if (k->count != 1 || k->jsonl)
		return out_usage(cmd_policy_usage, "export takes one policy");
	SCOPED(policy_load_done) struct policy_load l;
	bool good = policy_load_epoch(&l, k->words[0], 0);
	int status = policy_load_tell(&l);
	if (!good)
		return status;
	struct bytes text = epoch_export(l.epoch);
	struct out_json j = { .to = stdout };
	if (!k->json) {
		(void)fwrite(text.data, 1, text.len, stdout);
		return 0;
	}
	out_json_begin(&j, NULL, '{');
	out_json_hex(&j, "digest", epoch_digest(l.epoch), 32);
	out_json_bytes(&j, "export", text);
	out_json_end(&j, '}');
	out_json_line(&j);
	return 0;
}

static void
write_terms(struct out_json *j, const struct agreement *a)
{
	out_json_begin(j, NULL, '{');
	out_json_bytes(j, "agreement", a->name);
	out_json_uint(j, "version", a->version);
	out_json_text(j, "state", agreement_state_name(a->state));
	out_json_hex(j, "digest", a->terms, sizeof(a->terms));
	out_json_bytes(j, "terms", a->terms_text);
	out_json_end(j, '}');
}

/* All agreements, or one of them. */
static void
list_terms(const struct epoch *p, const struct agreement *only, bool json)
{
	struct out_json j = { .to = stdout };
	if (json)
		out_json_begin(&j, NULL, '[');
	for (size_t i = 0; i < epoch_agreement_count(p); i++) {
		const struct agreement *a = epoch_agreement_at(p, i);
		if (only != NULL && only != a)
			continue;
		if (json) {
			write_terms(&j, a);
			continue;
		}
		for (size_t k = 0; k < sizeof(a->terms); k++)
			printf("%02x", a->terms[k]);
		printf("  %.*s@%llu\n", (int)a->name.len, (const char *)a->name.data,
		    (unsigned long long)a->version);
	}
	if (json) {
		out_json_end(&j, ']');
		out_json_line(&j);
	}
}

static int
run_terms(const struct call *k)
{
	struct stat st;
	if (k->count < 1 || k->count > 2 || k->jsonl)
		return out_usage(
		    cmd_policy_usage, "terms takes a policy and the name of an agreement");
	/* the policy may stand first or second: what is no file is the name */
	bool turned = k->count == 2 && stat(k->words[0], &st) != 0;
	const char *name = k->count == 1 ? NULL : k->words[turned ? 0 : 1];
	SCOPED(policy_load_done) struct policy_load l;
	bool good = policy_load_epoch(&l, k->words[turned ? 1 : 0], 0);
	int status = policy_load_tell(&l);
	if (!good)
		return status;
	const struct agreement *a = name == NULL ? NULL : epoch_agreement(l.epoch, bytes_of(name));
	if (name != NULL && a == NULL) {
		struct err e;
		(void)err_set(&e, ERR_NOT_FOUND, "there is no agreement '%s'", name);
		return out_error(&e);
	}
	if (a != NULL && !k->json)
		(void)fwrite(a->terms_text.data, 1, a->terms_text.len, stdout);
	else
		list_terms(l.epoch, a, k->json);
	return 0;
}

/* ---- the command ---- */

static const struct {
	const char *name;
	int (*run)(const struct call *k);
} commands[] = {
	{ "check", run_check },
	{ "eval", run_eval },
	{ "export", run_export },
	{ "terms", run_terms },
};

static bool
is_check(char **argv)
{
	return strcmp(argv[1], "check") == 0;
}

static bool
read_call(struct call *k, int argc, char **argv, const char **unknown)
{
	bool words_only = false;
	for (int i = 2; i < argc; i++) {
		*unknown = argv[i];
		if (words_only || argv[i][0] != '-') {
			if (k->count == WORDS_MAX)
				return false;
			k->words[k->count++] = argv[i];
		} else if (strcmp(argv[i], "--") == 0) {
			words_only = true;
		} else if (strcmp(argv[i], "--json") == 0) {
			k->json = true;
		} else if (strcmp(argv[i], "--jsonl") == 0) {
			k->jsonl = true;
		} else if (strcmp(argv[i], "--strict") == 0 && is_check(argv)) {
			k->strict = true;
		} else if (strcmp(argv[i], "--at") == 0 && is_check(argv) && i + 1 < argc) {
			*unknown = argv[++i];
			if (!text_to_time(bytes_of(argv[i]), &k->at))
				return false;
		} else {
			return false;
		}
	}
	return true;
}

int
cmd_policy(int argc, char **argv)
{
	struct call k = { .count = 0 };
	const char *unknown = "";
	if (argc < 2)
		return out_usage(cmd_policy_usage, "policy does what?");
	if (strcmp(argv[1], "fmt") == 0)
		return policy_fmt(argc, argv);
	if (strcmp(argv[1], "explain") == 0)
		return policy_explain(argc - 1, argv + 1);
	if (strcmp(argv[1], "matrix") == 0)
		return policy_matrix(argc - 1, argv + 1);
	if (strcmp(argv[1], "diff") == 0)
		return policy_diff(argc - 1, argv + 1);
	if (strcmp(argv[1], "prove") == 0)
		return policy_prove(argc - 1, argv + 1);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		if (!read_call(&k, argc, argv, &unknown))
			return out_usage(cmd_policy_usage, "'%s' is not understood", unknown);
		return commands[i].run(&k);
	}
	return out_usage(cmd_policy_usage, "there is no 'policy %s'", argv[1]);
}

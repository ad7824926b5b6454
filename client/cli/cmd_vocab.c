/* cmd_vocab.c - relto vocab check|mark: tools for SPIFs (DESIGN sections 3 and 12). */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "client/cli/cmd.h"
#include "client/cli/files.h"
#include "client/cli/label_arg.h"
#include "client/cli/out.h"
#include "policy/marking.h"
#include "policy/spif.h"

const char cmd_vocab_usage[] =
    "vocab check FILE.. [--json] | vocab mark FILE LABEL.. [--lang LANG] [--json]";

enum { WORDS_MAX = 256, ARENA_MAX = 256 << 20 };
struct call {
	const char *words[WORDS_MAX]; /* what is left of the options */
	size_t count;
	bool json;
	const char *lang; /* NULL: the phrases without a language */
};

/* One SPIF, as far as it loaded. */
struct loaded {
	struct arena arena;
	struct text_errors errors;
	struct vocab *vocab; /* NULL: it did not */
};

static void
loaded_done(struct loaded *l)
{
	text_errors_done(&l->errors);
	arena_done(&l->arena);
}

static inline void
loaded_done_scoped(struct loaded *l)
{
	loaded_done(l);
}

/* What reltod would refuse. */
static void
warn_if_writable(const char *path)
{
	struct stat st;
	if (stat(path, &st) == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		(void)fprintf(stderr,
		    "%s: warning: group or others can write it; reltod would refuse it\n", path);
}

/* False with an error only if the file cannot be read; faults in it are in the list. */
static bool
load(struct loaded *l, const char *path, bool lint, struct err *e)
{
	struct bytes spif;
	*l = (struct loaded){ .vocab = NULL };
	arena_init(&l->arena, ARENA_MAX);
	text_errors_init(&l->errors);
	if (!files_read(path, &l->arena, &spif, e))
		return false;
	warn_if_writable(path);
	bool ok = lint ? spif_check(&l->arena, bytes_of(path), spif, &l->errors, &l->vocab)
		       : spif_load(&l->arena, bytes_of(path), spif, &l->errors, &l->vocab);
	if (!ok)
		l->vocab = NULL;
	return true;
}

static void
tell(struct loaded *l)
{
	const char *text = text_errors_format(&l->errors, &l->arena);
	if (text != NULL)
		(void)fputs(text, stderr);
}

/* ---- check ---- */

static void
write_faults(struct out_json *j, const char *key, const struct text_fault *faults, size_t count)
{
	out_json_begin(j, key, '[');
	for (size_t i = 0; i < count && i < LIMIT_POLICY_ERRORS; i++) {
		out_json_begin(j, NULL, '{');
		out_json_text(j, "file", faults[i].file);
		out_json_uint(j, "line", faults[i].line);
		out_json_uint(j, "col", faults[i].col);
		out_json_text(j, "text", faults[i].text);
		out_json_text(j, "help", faults[i].help);
		out_json_end(j, '}');
	}
	out_json_end(j, ']');
}

static void
check_json(const struct loaded *l, const char *path)
{
	struct out_json j = { .to = stdout };
	const struct vocab *v = l->vocab;
	out_json_begin(&j, NULL, '{');
	out_json_text(&j, "file", path);
	out_json_bool(&j, "good", v != NULL);
	if (v != NULL) {
		out_json_bytes(&j, "vocabulary", v->name);
		out_json_hex(&j, "digest", v->digest, sizeof(v->digest));
		out_json_uint(&j, "classifications", v->class_count);
		out_json_uint(&j, "categories", v->category_count);
		out_json_uint(&j, "values", v->value_count);
		out_json_bool(&j, "markings_read_back", v->readable);
	}
	write_faults(&j, "errors", l->errors.errors, l->errors.error_count);
	write_faults(&j, "warnings", l->errors.warnings, l->errors.warning_count);
	out_json_end(&j, '}');
	out_json_line(&j);
}

static void
check_text(const struct loaded *l, const char *path)
{
	const struct vocab *v = l->vocab;
	printf("%s: good: vocabulary ", path);
	out_clean(stdout, v->name);
	printf(", %u classifications, %u categories, %u values; markings %s be read back\n",
	    v->class_count, v->category_count, v->value_count, v->readable ? "can" : "cannot");
	(void)fputs("SPIF digest ", stdout);
	for (size_t i = 0; i < sizeof(v->digest); i++)
		printf("%02x", v->digest[i]);
	(void)fputc('\n', stdout);
}

static int
check_one(const struct call *k, const char *path)
{
	struct err e = { 0 };
	SCOPED(loaded_done) struct loaded l;
	if (!load(&l, path, true, &e))
		return out_error(&e);
	if (k->json) {
		check_json(&l, path);
	} else {
		tell(&l);
		if (l.vocab != NULL)
			check_text(&l, path);
	}
	return l.vocab != NULL ? 0 : err_exit(ERR_DATA);
}

static int
run_check(const struct call *k)
{
	int status = 0;
	if (k->count == 0)
		return out_usage(cmd_vocab_usage, "check which SPIF?");
	for (size_t i = 0; i < k->count; i++) {
		int one = check_one(k, k->words[i]);
		status = status == 0 ? one : status;
	}
	return status;
}

/* ---- mark ---- */

static void
write_label(struct out_json *j, const struct raw_label *raw)
{
	out_json_begin(j, "label", '{');
	out_json_bytes(j, "vocabulary", raw->vocabulary);
	out_json_bytes(j, "classification", raw->classification);
	out_json_begin(j, "categories", '{');
	for (size_t i = 0; i < raw->category_count; i++) {
		const struct raw_category *c = &raw->categories[i];
		char name[LIMIT_NAME_BYTES + 1]; /* names of a SPIF are no longer */
		(void)snprintf(
		    name, sizeof(name), "%.*s", (int)c->name.len, (const char *)c->name.data);
		out_json_begin(j, name, '[');
		for (size_t n = 0; n < c->values.count; n++)
			out_json_bytes(j, NULL, c->values.items[n]);
		out_json_end(j, ']');
	}
	out_json_end(j, '}');
	out_json_end(j, '}');
}

static uint64_t
now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

struct marked {
	struct label label;
	struct raw_label raw; /* with the names of the SPIF */
	struct bytes text;
	bool valid;
	struct err why; /* it is not */
};

static bool
mark(struct loaded *l, const struct call *k, const char *arg, struct marked *out, struct err *e)
{
	const struct vocab *set[] = { l->vocab };
	const struct vocab *v;
	struct label_arg with = { &l->arena, set, 1, &l->errors };
	if (!label_arg_read(&with, arg, &out->raw, e) ||
	    !vocab_need(set, 1, out->raw.vocabulary, &v, e) ||
	    !label_resolve(&l->arena, v, &out->raw, &out->label, e))
		return false;
	out->valid = label_check(&out->label, now_us(), &out->why);
	return marking_raw(&l->arena, &out->label, &out->raw, e) &&
	       marking_print(&l->arena, &out->label, bytes_of(k->lang), &out->text, e);
}

static void
mark_json(const struct marked *m)
{
	struct out_json j = { .to = stdout };
	out_json_begin(&j, NULL, '{');
	out_json_bytes(&j, "marking", m->text);
	write_label(&j, &m->raw);
	out_json_bool(&j, "valid", m->valid);
	out_json_text(&j, "reason", m->valid ? NULL : m->why.text);
	out_json_end(&j, '}');
	out_json_line(&j);
}

static int
mark_one(struct loaded *l, const struct call *k, const char *arg)
{
	struct err e = { 0 };
	struct marked m;
	size_t before = l->errors.warning_count;
	if (!mark(l, k, arg, &m, &e))
		return out_error(&e);
	for (size_t i = before; i < l->errors.warning_count && i < LIMIT_POLICY_ERRORS; i++)
		(void)fprintf(stderr, "relto: warning: %s:%u: %s\n", l->errors.warnings[i].file,
		    l->errors.warnings[i].line, l->errors.warnings[i].text);
	if (k->json) {
		mark_json(&m);
	} else {
		out_clean(stdout, m.text);
		(void)fputc('\n', stdout);
	}
	if (!m.valid)
		(void)fprintf(stderr, "relto: the label is not valid: %s\n", m.why.text);
	return m.valid ? 0 : 1;
}

static int
run_mark(const struct call *k)
{
	struct err e = { 0 };
	int status = 0;
	if (k->count < 2)
		return out_usage(cmd_vocab_usage, "mark needs a SPIF and a label");
	SCOPED(loaded_done) struct loaded l;
	if (!load(&l, k->words[0], false, &e))
		return out_error(&e);
	if (l.vocab == NULL) {
		tell(&l);
		return err_exit(ERR_DATA);
	}
	for (size_t i = 1; i < k->count; i++) {
		int one = mark_one(&l, k, k->words[i]);
		status = status == 0 ? one : status;
	}
	return status;
}

/* ---- the command ---- */

static bool
read_call(int argc, char **argv, struct call *k)
{
	bool words_only = false;
	for (int i = 2; i < argc; i++) {
		if (!words_only && strcmp(argv[i], "--") == 0) {
			words_only = true;
		} else if (!words_only && strcmp(argv[i], "--json") == 0) {
			k->json = true;
		} else if (!words_only && strcmp(argv[i], "--lang") == 0 && i + 1 < argc) {
			k->lang = argv[++i];
		} else if ((!words_only && strncmp(argv[i], "--", 2) == 0) ||
			   k->count == WORDS_MAX) {
			return false;
		} else {
			k->words[k->count++] = argv[i];
		}
	}
	return true;
}

int
cmd_vocab(int argc, char **argv)
{
	struct call k = { .count = 0 };
	if (argc < 2)
		return out_usage(cmd_vocab_usage, "check or mark?");
	if (!read_call(argc, argv, &k))
		return out_usage(cmd_vocab_usage, "an unknown option, or too many words");
	if (strcmp(argv[1], "check") == 0)
		return run_check(&k);
	if (strcmp(argv[1], "mark") == 0)
		return run_mark(&k);
	return out_usage(cmd_vocab_usage, "unknown part '%s'", argv[1]);
}

/* cmd_vocab.c - relto vocab check|show|mark: tools for SPIFs (DESIGN sections 3 and 12). */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "client/cli/cmd.h"
#include "client/cli/files.h"
#include "client/cli/label_arg.h"
#include "client/cli/out.h"
#include "client/cli/vocab_tool.h"
#include "policy/label_xml.h"
#include "policy/marking.h"
#include "policy/spif.h"

const char cmd_vocab_usage[] =
    "vocab check FILE.. [--json] | vocab show FILE [--lang LANG] [--json] | "
    "vocab mark FILE LABEL.. [--lang LANG] [--json] | "
    "vocab mark FILE LABEL --xml [--created TIME] [--review TIME]";

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
check_json(const struct vocab_loaded *l, const char *path)
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
check_text(const struct vocab_loaded *l, const char *path)
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
check_one(const struct vocab_call *k, const char *path)
{
	struct err e = { 0 };
	SCOPED(vocab_loaded_done) struct vocab_loaded l;
	if (!vocab_load(&l, path, true, &e))
		return out_error(&e);
	if (k->json) {
		check_json(&l, path);
	} else {
		vocab_tell(&l);
		if (l.vocab != NULL)
			check_text(&l, path);
	}
	return l.vocab != NULL ? 0 : err_exit(ERR_DATA);
}

static int
run_check(const struct vocab_call *k)
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

/* ---- show ---- */

static int
run_show(const struct vocab_call *k)
{
	struct err e = { 0 };
	if (k->count != 1)
		return out_usage(cmd_vocab_usage, "show takes one SPIF");
	SCOPED(vocab_loaded_done) struct vocab_loaded l;
	if (!vocab_load(&l, k->words[0], false, &e))
		return out_error(&e);
	if (l.vocab == NULL) {
		vocab_tell(&l);
		return err_exit(ERR_DATA);
	}
	bool ok = k->json ? vocab_show_json(&l, k, &e) : vocab_show(&l, k, &e);
	return ok ? 0 : out_error(&e);
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
mark(struct vocab_loaded *l, const struct vocab_call *k, const char *arg, struct marked *out,
    struct err *e)
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

/* An invalid label is not written: somebody would bind it to a document. */
static bool
mark_xml(struct vocab_loaded *l, const struct vocab_call *k, const struct marked *m, struct err *e)
{
	struct label_xml_dates dates = { k->created == 0 ? now_us() : k->created, k->review };
	struct bytes xml;
	if (!m->valid)
		return true;
	if (!label_xml_write(&l->arena, &m->label, &dates, &xml, e))
		return false;
	(void)fwrite(xml.data, 1, xml.len, stdout);
	(void)fputc('\n', stdout);
	if (k->review == 0)
		(void)fputs("relto: warning: no ReviewDateTime (--review TIME), which ADatP-4774 "
			    "asks of a label without a successor\n",
		    stderr);
	return true;
}

static int
mark_one(struct vocab_loaded *l, const struct vocab_call *k, const char *arg)
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
	} else if (k->xml) {
		if (!mark_xml(l, k, &m, &e))
			return out_error(&e);
	} else {
		out_clean(stdout, m.text);
		(void)fputc('\n', stdout);
	}
	if (!m.valid)
		(void)fprintf(stderr, "relto: the label is not valid: %s\n", m.why.text);
	return m.valid ? 0 : 1;
}

static int
run_mark(const struct vocab_call *k)
{
	struct err e = { 0 };
	int status = 0;
	if (k->count < 2)
		return out_usage(cmd_vocab_usage, "mark needs a SPIF and a label");
	if (k->xml && (k->json || k->lang != NULL))
		return out_usage(cmd_vocab_usage, "--xml goes without --json and --lang");
	if (k->xml && k->count != 2)
		return out_usage(
		    cmd_vocab_usage, "--xml writes one label: a document has one root");
	if (!k->xml && (k->created != 0 || k->review != 0))
		return out_usage(cmd_vocab_usage, "--created and --review go with --xml");
	SCOPED(vocab_loaded_done) struct vocab_loaded l;
	if (!vocab_load(&l, k->words[0], false, &e))
		return out_error(&e);
	if (l.vocab == NULL) {
		vocab_tell(&l);
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
read_time(const char *text, uint64_t *us)
{
	return (text_to_time(bytes_of(text), us) || text_to_date(bytes_of(text), us)) && *us != 0;
}

/* The option at *i, with its value; false if it is none. */
static bool
read_option(int argc, char **argv, int *i, struct vocab_call *k)
{
	const char *name = argv[*i];
	if (strcmp(name, "--json") == 0)
		return k->json = true;
	if (strcmp(name, "--xml") == 0)
		return k->xml = true;
	if (*i + 1 == argc)
		return false;
	const char *value = argv[++*i];
	if (strcmp(name, "--lang") == 0)
		k->lang = value;
	else if (strcmp(name, "--created") == 0)
		return read_time(value, &k->created);
	else if (strcmp(name, "--review") == 0)
		return read_time(value, &k->review);
	else
		return false;
	return true;
}

static bool
read_call(int argc, char **argv, struct vocab_call *k)
{
	bool words_only = false;
	for (int i = 2; i < argc; i++) {
		if (!words_only && strcmp(argv[i], "--") == 0) {
			words_only = true;
		} else if (!words_only && strncmp(argv[i], "--", 2) == 0) {
			if (!read_option(argc, argv, &i, k))
				return false;
		} else if (k->count == VOCAB_CALL_WORDS) {
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
	struct vocab_call k = { .count = 0 };
	if (argc < 2)
		return out_usage(cmd_vocab_usage, "check, show or mark?");
	if (!read_call(argc, argv, &k))
		return out_usage(cmd_vocab_usage,
		    "an unknown option, a time that is none (2026-06-01 or with T..Z), or too many "
		    "words");
	if (strcmp(argv[1], "check") == 0)
		return run_check(&k);
	if (strcmp(argv[1], "show") == 0)
		return run_show(&k);
	if (strcmp(argv[1], "mark") == 0)
		return run_mark(&k);
	return out_usage(cmd_vocab_usage, "unknown part '%s'", argv[1]);
}

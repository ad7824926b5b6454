/*
 * relto-verify - the auditor's offline verifier: a bundle, a trusted key, nothing else.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/verify_files.h"
#include "audit/verify_filter.h"
#include "audit/verify_print.h"
#include "audit/verify_say.h"
#include "audit/view.h"
#include "proto/arena.h"
#include "proto/syntax.h"

static const char usage[] =
    "usage: relto-verify verify BUNDLE --key VKEY [option..]\n"
    "       relto-verify show BUNDLE [field=value..] [from TIME] [until TIME] --key VKEY\n"
    "       relto-verify party BUNDLE PARTY --key VKEY\n"
    "options:\n"
    "  --key VKEY       the log's key, as text or the name of a file that holds it\n"
    "  --witness VKEY   a witness to listen to; may repeat\n"
    "  --quorum N       how many of them must have signed\n"
    "  --state FILE     keeps the largest verified head of each log, and refuses forks\n"
    "  --max-age TIME   the last record may be no older (such as 90s, 15m, 24h, 7d)\n"
    "  --json           JSON, for records one object a line\n"
    "  --csv            of `show` and `party`: comma-separated values\n"
    "exit: 0 ok, 1 usage, 2 malformed, 3 signature or quorum, 4 inclusion, 5 consistency,\n"
    "      6 content, 7 completeness, 8 stale, 9 time\n";

enum { WORDS_MAX = 80 };

struct options {
	const char *command, *bundle, *key, *state;
	const char *witnesses[CHECKPOINT_WITNESSES_MAX];
	size_t witness_count, quorum;
	uint64_t max_age_s;
	enum print_form form;
	char *words[WORDS_MAX];
	size_t word_count;
};

/* One run.  It begins with the directory: what verify_files_read expects. */
struct run {
	struct verify_dir dir;
	struct sha256 h;
	struct arena arena;
	struct options options;
	struct note_key log, witnesses[CHECKPOINT_WITNESSES_MAX];
	struct note_seen seen[CHECKPOINT_WITNESSES_MAX];
	struct checkpoint_trust trust;
	struct verify_heads heads;
	struct checkpoint kept;
	struct verify_filter filter;
	struct bytes party; /* of `party`, else absent */
	uint64_t shown;
	struct verify_told told;
	struct verify_result result;
	const char *evidence;
};

static bool
parse_number(const char *text, uint64_t *out, const char **end)
{
	uint64_t v = 0;
	const char *at = text;
	for (; *at >= '0' && *at <= '9'; at++) {
		if (v > 100000000000u)
			return false;
		v = v * 10 + (uint64_t)(*at - '0');
	}
	*out = v;
	*end = at;
	return at != text;
}

static bool
parse_duration(const char *text, uint64_t *out)
{
	const char *unit;
	uint64_t n, each;
	if (!parse_number(text, &n, &unit) || unit[0] == '\0' || unit[1] != '\0')
		return false;
	switch (*unit) {
	case 's':
		each = 1;
		break;
	case 'm':
		each = 60;
		break;
	case 'h':
		each = 3600;
		break;
	case 'd':
		each = 86400;
		break;
	default:
		return false;
	}
	*out = n * each;
	return n != 0;
}

/* An option with a value; 'value' is NULL at the end of the line. */
static bool
take_option(struct options *o, const char *name, const char *value, struct err *e)
{
	const char *end;
	uint64_t n;
	if (value == NULL)
		return err_set(e, ERR_USAGE, "%s needs a value", name);
	if (strcmp(name, "--key") == 0)
		o->key = value;
	else if (strcmp(name, "--state") == 0)
		o->state = value;
	else if (strcmp(name, "--witness") == 0) {
		if (o->witness_count == CHECKPOINT_WITNESSES_MAX)
			return err_set(
			    e, ERR_USAGE, "more than %d witnesses", CHECKPOINT_WITNESSES_MAX);
		o->witnesses[o->witness_count++] = value;
	} else if (strcmp(name, "--quorum") == 0) {
		if (!parse_number(value, &n, &end) || *end != '\0')
			return err_set(e, ERR_USAGE, "--quorum needs a number, not '%s'", value);
		o->quorum = n;
	} else if (!parse_duration(value, &o->max_age_s))
		return err_set(e, ERR_USAGE, "--max-age needs a time such as 24h, not '%s'", value);
	return true;
}

static bool
takes_value(const char *name)
{
	static const char *const names[] = { "--key", "--state", "--witness", "--quorum",
		"--max-age" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static bool
take_word(struct options *o, char *word, struct err *e)
{
	if (o->command == NULL)
		o->command = word;
	else if (o->bundle == NULL)
		o->bundle = word;
	else if (o->word_count == WORDS_MAX)
		return err_set(e, ERR_USAGE, "more than %d words", WORDS_MAX);
	else
		o->words[o->word_count++] = word;
	return true;
}

static bool
parse_options(char **argv, struct options *o, struct err *e)
{
	o->form = PRINT_TEXT;
	for (char **at = argv; *at != NULL; at++) {
		bool ok = true;
		if (strcmp(*at, "--json") == 0)
			o->form = PRINT_JSON;
		else if (strcmp(*at, "--csv") == 0)
			o->form = PRINT_CSV;
		else if (takes_value(*at)) {
			ok = take_option(o, at[0], at[1], e);
			at += ok;
		} else if ((*at)[0] == '-')
			ok = err_set(e, ERR_USAGE, "there is no option '%s'", *at);
		else
			ok = take_word(o, *at, e);
		if (!ok)
			return false;
	}
	return true;
}

static bool
check_options(const struct options *o, struct err *e)
{
	if (o->command == NULL || o->bundle == NULL)
		return err_set(e, ERR_USAGE, "a command and a bundle are needed");
	bool verify = strcmp(o->command, "verify") == 0, party = strcmp(o->command, "party") == 0;
	if (!verify && !party && strcmp(o->command, "show") != 0)
		return err_set(e, ERR_USAGE, "there is no command '%s'", o->command);
	if (o->key == NULL)
		return err_set(e, ERR_USAGE,
		    "--key is needed: take the log's key from somebody you trust, "
		    "not from the bundle");
	if (o->quorum > o->witness_count)
		return err_set(
		    e, ERR_USAGE, "a quorum of %zu of %zu witnesses", o->quorum, o->witness_count);
	if (verify && (o->word_count != 0 || o->form == PRINT_CSV))
		return err_set(e, ERR_USAGE, "verify takes no %s",
		    o->word_count != 0 ? "further words" : "--csv");
	if (party && o->word_count > 1)
		return err_set(e, ERR_USAGE, "party takes one name");
	return true;
}

static bool
prepare(struct run *r, struct err *e)
{
	struct options *o = &r->options;
	if (!sha256_init(&r->h, e) || !verify_files_open(o->bundle, &r->dir, e) ||
	    !verify_files_key(&r->h, o->key, &r->log, e))
		return false;
	for (size_t i = 0; i < o->witness_count; i++)
		if (!verify_files_key(&r->h, o->witnesses[i], &r->witnesses[i], e))
			return false;
	r->trust = (struct checkpoint_trust){ &r->log, r->witnesses, o->witness_count, o->quorum,
		r->seen };
	if (strcmp(o->command, "show") == 0 &&
	    !verify_filter_parse(&r->filter, o->words, o->word_count, e))
		return false;
	if (strcmp(o->command, "party") == 0 && o->word_count == 1)
		r->party = bytes_of(o->words[0]);
	if (r->party.data != NULL && !syntax_is_name(r->party))
		return err_set(e, ERR_USAGE, "'%s' is no party's name", o->words[0]);
	return o->state == NULL ||
	       (verify_files_heads(&r->arena, o->state, &r->heads, e) &&
		   verify_files_kept(&r->arena, &r->heads, &r->log, &r->kept, e));
}

static void
on_finding(void *ctx, const struct verify_finding *f)
{
	struct run *r = ctx;
	verify_say_finding(&r->told, f);
}

static void
show(struct run *r, const struct verify_record *record)
{
	if (r->shown++ == 0 && r->options.form == PRINT_CSV)
		verify_print_csv_head(stdout);
	verify_print_record(stdout, r->options.form, record);
}

static void
on_record(void *ctx, const struct verify_record *record)
{
	struct run *r = ctx;
	uint64_t place;
	bool party = strcmp(r->options.command, "party") == 0;
	if (strcmp(r->options.command, "verify") == 0)
		return;
	if (!party && verify_filter_picks(&r->filter, record))
		show(r, record);
	if (party && r->party.data != NULL &&
	    view_place(record->record, r->party, &place) != VIEW_NOWHERE)
		show(r, record);
	/* without a name: the party that the bundle is of, in which everything else is closed */
	if (party && r->party.data == NULL && record->type != EVENT_PARTY_HEAD)
		show(r, record);
}

/* The head just verified becomes the kept one, or the fork's evidence is saved. */
static bool
keep_head(struct run *r, struct err *e)
{
	struct bytes note, origin = bytes_of(r->result.origin);
	const struct verify_result *v = &r->result;
	if (r->options.state == NULL || !v->signed_by_log)
		return true;
	if (!verify_files_read(r, "checkpoint", &r->arena, &note, e))
		return false;
	if (v->findings[VERIFY_CONSISTENCY] != 0 && r->kept.size != 0) {
		const struct bytes notes[2] = { verify_files_note(&r->heads, origin), note };
		return verify_files_fork(
		    &r->arena, r->options.state, &r->log, notes, &r->evidence, e);
	}
	if (v->code != VERIFY_OK || v->size <= r->kept.size)
		return true;
	return verify_files_keep(r->options.state, &r->heads, origin, note, e);
}

static void
say_party(const struct run *r, FILE *to)
{
	const struct verify_result *v = &r->result;
	struct bytes name = r->party.data == NULL ? bytes_of(v->party) : r->party;
	for (size_t i = 0; i < v->party_count; i++) {
		const struct verify_party *p = &v->parties[i];
		if (!bytes_equal(p->name, name))
			continue;
		(void)fprintf(to,
		    "%.*s: %" PRIu64 " records, %" PRIu64 " of them covered by %" PRIu64
		    " heads, %s\n",
		    (int)name.len, (const char *)name.data, p->leaves, p->covered, p->heads,
		    v->code == VERIFY_OK ? "without a gap" : "see the findings");
		return;
	}
	(void)fprintf(to, "%.*s: nothing is recorded\n", (int)name.len, (const char *)name.data);
}

static void
say(const struct run *r)
{
	struct verify_say s = { &r->result, &r->told, &r->trust, r->evidence, r->kept.size };
	bool json = r->options.form == PRINT_JSON;
	if (strcmp(r->options.command, "verify") != 0) {
		verify_say_findings(stderr, &s);
		if (strcmp(r->options.command, "party") == 0)
			say_party(r, stderr);
		return;
	}
	if (!json)
		verify_say_findings(stderr, &s);
	if (json)
		verify_say_json(stdout, &s);
	else
		verify_say_text(stdout, &s);
}

/* A party's bundle can speak of no other party. */
static bool
check_party(const struct run *r, struct err *e)
{
	if (strcmp(r->options.command, "party") != 0 || !r->result.signed_by_log)
		return true;
	if (r->result.hub && r->party.data == NULL)
		return err_set(e, ERR_USAGE, "the bundle is of the hub's auditor: name a party");
	if (!r->result.hub && r->party.data != NULL && !bytes_is(r->party, r->result.party))
		return err_set(e, ERR_USAGE, "the bundle is of %s alone", r->result.party);
	return true;
}

static bool
run(struct run *r, struct err *e)
{
	if (!prepare(r, e))
		return false;
	struct verify_ask ask = { .read = verify_files_read,
		.on_record = on_record,
		.on_finding = on_finding,
		.ctx = r,
		.trust = &r->trust,
		.now_s = (uint64_t)time(NULL),
		.max_age_s = r->options.max_age_s,
		.kept_size = r->kept.size };
	memcpy(ask.kept_root, r->kept.root, 32);
	if (!verify_bundle(&r->h, &r->arena, &ask, &r->result, e) || !check_party(r, e) ||
	    !keep_head(r, e))
		return false;
	say(r);
	if (fflush(stdout) != 0)
		return err_set(e, ERR_IO, "standard output");
	return true;
}

/* What could not be done, by the exit codes of the verifier. */
static int
exit_of(const struct err *e)
{
	return e->code == ERR_BAD_SIGNATURE ? VERIFY_SIGNATURE
	       : e->code == ERR_USAGE || e->code == ERR_NOT_FOUND || e->code == ERR_DATA
		   ? VERIFY_USAGE
		   : VERIFY_MALFORMED;
}

int
main(int argc, char **argv)
{
	struct err e = { 0 };
	struct run *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return VERIFY_MALFORMED;
	r->dir.fd = -1;
	arena_init(&r->arena, (size_t)1 << 40);
	int code;
	if (argc < 1 || !parse_options(argv + 1, &r->options, &e) ||
	    !check_options(&r->options, &e)) {
		(void)fprintf(stderr, "relto-verify: %s\n%s", e.text, usage);
		code = VERIFY_USAGE;
	} else if (!run(r, &e)) {
		(void)fprintf(stderr, "relto-verify: %s\n", e.text);
		code = exit_of(&e);
	} else
		code = (int)r->result.code;
	arena_done(&r->arena);
	sha256_done(&r->h);
	verify_files_close(&r->dir);
	free(r);
	return code;
}

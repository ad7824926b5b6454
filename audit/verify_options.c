#include "audit/verify_options.h"

#include "proto/syntax.h"

const char verify_usage[] =
    "usage: relto-verify verify BUNDLE --key VKEY [--party NAME] [option..]\n"
    "       relto-verify show BUNDLE [field=value..] [from TIME] [until TIME] --key VKEY\n"
    "       relto-verify party BUNDLE PARTY --key VKEY\n"
    "       relto-verify trace BUNDLE REPORT-ID --key VKEY\n"
    "       relto-verify gaps BUNDLE --key VKEY\n"
    "       relto-verify stats BUNDLE [field=value..] [from TIME] [until TIME] --key VKEY\n"
    "       relto-verify compare BUNDLE-OR-CHECKPOINT BUNDLE-OR-CHECKPOINT --key VKEY\n"
    "       relto-verify receipt FILE --key VKEY [--report FOLDER] [--json]\n"
    "       relto-verify --help | --version\n"
    "options:\n"
    "  --key VKEY       the log's key, as text or the name of a file that holds it\n"
    "  --party NAME     the bundle is that party's own; without it, of an auditor of the hub\n"
    "  --from N         it may begin with record N; without it, with record 0\n"
    "  --witness VKEY   a witness to listen to; may repeat\n"
    "  --quorum N|FILE  how many of them must have signed, or a C2SP tlog-policy that says which\n"
    "  --state FILE     keeps the largest verified heads, and refuses forks\n"
    "  --evidence FILE  what a client kept of receipts and deliveries must be in the log\n"
    "  --report FOLDER  the report as `relto sub --save` saved it must be what is released\n"
    "  --strict         contents that are not in the bundle are a finding\n"
    "  --max-age TIME   the last record may be no older (such as 90s, 15m, 24h, 7d)\n"
    "  --json           JSON, for records and gaps one object a line\n"
    "  --csv            of `show`, `party`, `trace`, `gaps`: comma-separated values\n"
    "exit: 0 ok, 1 usage, 2 malformed, 3 signature or quorum, 4 inclusion, 5 consistency,\n"
    "      6 content, 7 completeness, 8 stale, 9 time\n";

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
whole_number(const char *name, const char *text, uint64_t *out, struct err *e)
{
	const char *end;
	if (!parse_number(text, out, &end) || *end != '\0')
		return err_set(e, ERR_USAGE, "%s needs a number, not '%s'", name, text);
	return true;
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

static bool
take_witness(struct verify_options *o, const char *value, struct err *e)
{
	if (o->witness_count == CHECKPOINT_WITNESSES_MAX)
		return err_set(e, ERR_USAGE, "more than %d witnesses", CHECKPOINT_WITNESSES_MAX);
	o->witnesses[o->witness_count++] = value;
	return true;
}

/* Where an option's value goes as it is; NULL: it is read first, or takes none. */
static const char **
plain_value(struct verify_options *o, const char *name)
{
	return strcmp(name, "--key") == 0	 ? &o->key
	       : strcmp(name, "--state") == 0	 ? &o->state
	       : strcmp(name, "--evidence") == 0 ? &o->evidence
	       : strcmp(name, "--party") == 0	 ? &o->party
	       : strcmp(name, "--report") == 0	 ? &o->report
						 : NULL;
}

/* An option with a value. */
static bool
take_option(struct verify_options *o, const char *name, const char *value, struct err *e)
{
	uint64_t n;
	const char **plain = plain_value(o, name);
	if (plain != NULL) {
		*plain = value;
		return true;
	}
	if (strcmp(name, "--witness") == 0)
		return take_witness(o, value, e);
	if (strcmp(name, "--from") == 0)
		return whole_number(name, value, &o->from, e);
	if (strcmp(name, "--quorum") == 0) {
		const char *end = value;
		if (!parse_number(value, &n, &end) || *end != '\0') {
			o->policy = value;
			return true;
		}
		o->quorum = n;
		return true;
	}
	if (!parse_duration(value, &o->max_age_s))
		return err_set(e, ERR_USAGE, "--max-age needs a time such as 24h, not '%s'", value);
	return true;
}

static bool
takes_value(struct verify_options *o, const char *name)
{
	static const char *const names[] = { "--witness", "--quorum", "--from", "--max-age" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return plain_value(o, name) != NULL;
}

static bool
take_flag(struct verify_options *o, const char *name)
{
	if (strcmp(name, "--json") == 0)
		o->form = PRINT_JSON;
	else if (strcmp(name, "--csv") == 0)
		o->form = PRINT_CSV;
	else if (strcmp(name, "--strict") == 0)
		o->strict = true;
	else if (strcmp(name, "--help") == 0)
		o->help = true;
	else if (strcmp(name, "--version") == 0)
		o->version = true;
	else
		return false;
	return true;
}

/* What each command is called, the words it takes behind the bundle, and whether it prints tables.
 */
static const struct {
	const char *name;
	size_t words;
	const char *takes; /* NULL: any number */
	bool tables;
} commands[] = {
	[COMMAND_VERIFY] = { "verify", 0, "no further words", false },
	[COMMAND_SHOW] = { "show", 0, NULL, true },
	[COMMAND_PARTY] = { "party", 1, "a bundle and one name", true },
	[COMMAND_TRACE] = { "trace", 1, "a bundle and one report id", true },
	[COMMAND_GAPS] = { "gaps", 0, "no further words", true },
	[COMMAND_STATS] = { "stats", 0, NULL, false },
	[COMMAND_COMPARE] = { "compare", 1, "two bundles or checkpoints", false },
	[COMMAND_RECEIPT] = { "receipt", 0, "one file", false },
};

static bool
take_command(struct verify_options *o, const char *word, struct err *e)
{
	for (unsigned i = COMMAND_VERIFY; i <= COMMAND_RECEIPT; i++)
		if (strcmp(word, commands[i].name) == 0)
			o->command = (enum verify_command)i;
	return o->command != 0 || err_set(e, ERR_USAGE, "there is no command '%s'", word);
}

static bool
take_word(struct verify_options *o, char *word, struct err *e)
{
	if (o->command == 0)
		return take_command(o, word, e);
	if (o->bundle == NULL)
		o->bundle = word;
	else if (o->word_count == OPTIONS_WORDS_MAX)
		return err_set(e, ERR_USAGE, "more than %d words", OPTIONS_WORDS_MAX);
	else
		o->words[o->word_count++] = word;
	return true;
}

/* The party of `party` is a word, elsewhere an option. */
static bool
check_party(struct verify_options *o, struct err *e)
{
	if (o->command == COMMAND_PARTY) {
		if (o->party != NULL)
			return err_set(e, ERR_USAGE, "party takes a bundle and one name");
		o->party = o->words[0];
	}
	return o->party == NULL || syntax_is_name(bytes_of(o->party)) ||
	       err_set(e, ERR_USAGE, "'%s' is no party's name", o->party);
}

/* What has no meaning for a single record. */
static bool
check_receipt(const struct verify_options *o, struct err *e)
{
	bool of_bundles = o->state != NULL || o->evidence != NULL || o->party != NULL ||
			  o->from != 0 || o->strict || o->max_age_s != 0;
	if (o->command == COMMAND_RECEIPT && of_bundles)
		return err_set(e, ERR_USAGE,
		    "receipt takes --key, --witness, --quorum, --report and --json alone");
	return o->command == COMMAND_RECEIPT || o->report == NULL ||
	       err_set(e, ERR_USAGE, "--report is of `receipt`");
}

static bool
check_words(const struct verify_options *o, struct err *e)
{
	const char *name = commands[o->command].name, *takes = commands[o->command].takes;
	if (takes != NULL && o->word_count != commands[o->command].words)
		return err_set(e, ERR_USAGE, "%s takes %s", name, takes);
	if (o->form == PRINT_CSV && !commands[o->command].tables)
		return err_set(e, ERR_USAGE, "%s takes no --csv", name);
	if (o->command == COMMAND_COMPARE && o->state != NULL)
		return err_set(e, ERR_USAGE, "compare keeps nothing: it takes no --state");
	return true;
}

static bool
check(struct verify_options *o, struct err *e)
{
	if (o->command == 0 || o->bundle == NULL)
		return err_set(e, ERR_USAGE, "a command and a bundle are needed");
	if (!check_words(o, e) || !check_receipt(o, e) || !check_party(o, e))
		return false;
	if (o->key == NULL)
		return err_set(e, ERR_USAGE,
		    "--key is needed: take the log's key from somebody you trust, "
		    "not from the bundle");
	if (o->policy != NULL && (o->witness_count != 0 || o->quorum != 0))
		return err_set(e, ERR_USAGE,
		    "the file of --quorum names the witnesses: no --witness beside it");
	if (o->quorum > o->witness_count)
		return err_set(
		    e, ERR_USAGE, "a quorum of %zu of %zu witnesses", o->quorum, o->witness_count);
	return true;
}

bool
verify_options_parse(char **argv, struct verify_options *out, struct err *e)
{
	struct verify_options o = { .form = PRINT_TEXT };
	for (char **at = argv; *at != NULL; at++) {
		bool ok = true;
		if (takes_value(&o, *at)) {
			ok = at[1] == NULL ? err_set(e, ERR_USAGE, "%s needs a value", *at)
					   : take_option(&o, at[0], at[1], e);
			at += ok;
		} else if ((*at)[0] == '-')
			ok = take_flag(&o, *at) ||
			     err_set(e, ERR_USAGE, "there is no option '%s'", *at);
		else
			ok = take_word(&o, *at, e);
		if (!ok)
			return false;
	}
	if (!o.help && !o.version && !check(&o, e))
		return false;
	*out = o;
	return true;
}

#include "client/cli/policy_prove.h"

#include <getopt.h>

#include "client/cli/policy_out.h"
#include "policy/never.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

static const char usage[] =
    "policy prove DIR 'never release to KEN label ATLAS at-least SECRET' [--json]\n"
    "      (also: from P, topic PATTERN, precedence at-least P, content-type TYPE)";

enum { OPT_JSON = 1 };
static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ NULL, 0, NULL, 0 },
};

struct proof {
	const char *dir, *sentence;
	bool json;
	struct never_answer answer;	   /* of the first agreement that releases it, or.. */
	const struct agreement *agreement; /* ..that holds it; NULL: of none */
	struct never_tally tally;	   /* agreements that are not terminated */
	struct err open;		   /* the first that was not decided */
};

static int
parse(struct proof *k, int argc, char **argv)
{
	int code;
	opterr = 0;
	optind = 1;
	while ((code = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (code != OPT_JSON)
			return out_usage(usage, "what is '%s'?", argv[optind - 1]);
		k->json = true;
	}
	if (argc - optind != 2)
		return out_usage(usage, "a policy and one sentence, in quotes, stand here");
	k->dir = argv[optind];
	k->sentence = argv[optind + 1];
	return 0;
}

static int
read_sentence(struct policy_load *l, const struct proof *k, struct rule *rule)
{
	if (never_read(l->epoch, bytes_of(k->sentence), &l->arena, &l->errors, rule))
		return 0;
	struct err e = { 0 };
	(void)text_errors_to_err(&l->errors, ERR_USAGE, &e);
	const char *text = text_errors_format(&l->errors, &l->arena);
	if (text != NULL)
		(void)fputs(text, stderr);
	return err_exit(ERR_USAGE);
}

/* Agreements one by one, until one releases it: that counts, whatever else is not decided. */
static bool
prove(struct policy_load *l, struct proof *k, const struct rule *rule, struct err *e)
{
	for (size_t i = 0; i < epoch_agreement_count(l->epoch) && !k->answer.broken; i++) {
		const struct agreement *a = epoch_agreement_at(l->epoch, i);
		struct never_ask q = { l->epoch, a, rule, CELLS_MOST, policy_out_progress };
		struct never_answer one;
		struct err why = { .code = ERR_NONE };
		if (a->state == STATE_TERMINATED)
			continue;
		if (!never_ask(&q, &l->arena, &one, &why)) {
			err_wrap(&why, "agreement '%.*s'", SHOWN(a->name));
			if (why.code != ERR_INTERNAL && why.code != ERR_LIMIT) {
				*e = why;
				return false;
			}
			if (k->open.code == ERR_NONE)
				k->open = why;
			continue;
		}
		never_count(&k->tally, one.missing);
		if (!one.broken && (!one.held || k->agreement != NULL))
			continue;
		k->answer = one;
		k->agreement = a;
	}
	return true;
}

static const struct cell *
example_of(const struct proof *k)
{
	return k->answer.broken ? &k->answer.release : k->answer.held ? &k->answer.hold : NULL;
}

/* What policy explain says of it, whatever the report; NULL: that it may be used. */
static const char *
not_in_use(const struct agreement *a)
{
	return a->state == STATE_DRAFT ? "a draft" : a->suspended ? "suspended now" : NULL;
}

static bool
says_nothing(const struct proof *k)
{
	return k->tally.meant == 0 && k->open.code == ERR_NONE;
}

static void
tell(struct policy_load *l, const struct proof *k)
{
	const struct cell *c = example_of(k);
	if (says_nothing(k))
		printf("nothing that can be published is meant by it: %s\n",
		    never_missing(never_lacks(&k->tally)));
	else if (!k->answer.broken)
		printf("proven: held against %zu of %zu agreement%s, every report that can be "
		       "published\n",
		    k->tally.meant, k->tally.asked, k->tally.asked == 1 ? "" : "s");
	if (c == NULL)
		return;
	const char *example = never_example(&l->arena, l->epoch, c);
	const char *question = policy_out_question(l, k->dir, k->agreement, c);
	const char *asleep = not_in_use(k->agreement);
	out_cleanf(stdout, "%s agreement %.*s%s%s%s %s %s", k->answer.broken ? "not so:" : "but",
	    SHOWN(k->agreement->name), asleep == NULL ? "" : " (", asleep == NULL ? "" : asleep,
	    asleep == NULL ? "" : ")",
	    k->answer.broken ? "releases" : "holds, so that an approver may release it,",
	    example == NULL ? "it" : example);
	(void)fputc('\n', stdout);
	out_cleanf(stdout, "  by rule %.*s, %.*s", SHOWN(c->said[0].rule), SHOWN(c->said[0].place));
	(void)fputc('\n', stdout);
	out_cleanf(stdout, "  ask: %s", question == NULL ? "-" : question);
	(void)fputc('\n', stdout);
}

static void
put_example(struct policy_load *l, struct out_json *j, const char *key, const struct proof *k,
    const struct cell *c)
{
	if (c == NULL) {
		out_json_text(j, key, NULL);
		return;
	}
	out_json_begin(j, key, '{');
	out_json_bytes(j, "agreement", k->agreement->name);
	out_json_text(j, "mode", mode_name(k->agreement->mode));
	out_json_text(j, "not_in_use", not_in_use(k->agreement));
	policy_out_example(l, j, c);
	out_json_bytes(j, "rule", c->said[0].rule);
	out_json_bytes(j, "place", c->said[0].place);
	out_json_end(j, '}');
}

static void
put_missing(struct out_json *j, unsigned parts)
{
	static const char *const names[] = { "topic", "from", "to" };
	out_json_begin(j, "missing", '[');
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((parts >> i & 1) != 0)
			out_json_text(j, NULL, names[i]);
	out_json_end(j, ']');
}

static void
tell_json(struct policy_load *l, const struct proof *k)
{
	struct out_json j = { .to = stdout };
	out_json_begin(&j, NULL, '{');
	out_json_text(&j, "sentence", k->sentence);
	out_json_bool(&j, "proven", !k->answer.broken && !says_nothing(k));
	out_json_uint(&j, "agreements", k->tally.meant);
	out_json_uint(&j, "of", k->tally.asked);
	put_missing(&j, says_nothing(k) ? never_lacks(&k->tally) : 0);
	put_example(l, &j, "released", k, k->answer.broken ? &k->answer.release : NULL);
	put_example(l, &j, "held", k, !k->answer.broken && k->answer.held ? &k->answer.hold : NULL);
	out_json_end(&j, '}');
	out_json_line(&j);
}

int
policy_prove(int argc, char **argv)
{
	struct proof k = { .json = false };
	struct rule rule;
	struct err e = { 0 };
	int status = parse(&k, argc, argv);
	if (status != 0)
		return status;
	SCOPED(policy_load_done) struct policy_load l;
	status = policy_load(&l, k.dir);
	if (status == 0)
		status = read_sentence(&l, &k, &rule);
	if (status != 0)
		return status;
	bool known = prove(&l, &k, &rule, &e);
	policy_out_progress_end();
	if (!known)
		return out_error(&e);
	if (!k.answer.broken && k.open.code != ERR_NONE)
		return out_error(&k.open);
	if (k.json)
		tell_json(&l, &k);
	else
		tell(&l, &k);
	return k.answer.broken ? 1 : says_nothing(&k) ? err_exit(ERR_DATA) : 0;
}

#include "client/cli/policy_explain.h"

#include <getopt.h>
#include <strings.h>

#include "client/cli/out.h"

static const char usage[] =
    "policy explain DIR --from PARTY --to PARTY --topic TOPIC --label L.. [--precedence P]\n"
    "      [--content-type T] [--mode live|exercise] [--at TIME] [--agreement NAME..] [--json]";

enum { LABELS = LIMIT_LABELS_PER_PORTION, NAMED = 64 };
enum option_code {
	OPT_FROM = 1,
	OPT_TO,
	OPT_TOPIC,
	OPT_LABEL,
	OPT_PRECEDENCE,
	OPT_CONTENT_TYPE,
	OPT_MODE,
	OPT_AT,
	OPT_AGREEMENT,
	OPT_JSON
};
static const struct option options[] = {
	{ "from", required_argument, NULL, OPT_FROM },
	{ "to", required_argument, NULL, OPT_TO },
	{ "topic", required_argument, NULL, OPT_TOPIC },
	{ "label", required_argument, NULL, OPT_LABEL },
	{ "precedence", required_argument, NULL, OPT_PRECEDENCE },
	{ "content-type", required_argument, NULL, OPT_CONTENT_TYPE },
	{ "mode", required_argument, NULL, OPT_MODE },
	{ "at", required_argument, NULL, OPT_AT },
	{ "agreement", required_argument, NULL, OPT_AGREEMENT },
	{ "json", no_argument, NULL, OPT_JSON },
	{ NULL, 0, NULL, 0 },
};

struct call {
	const char *dir, *from, *to, *topic, *type, *at;
	const char *labels[LABELS], *agreements[NAMED];
	size_t label_count, agreement_count;
	enum precedence precedence;
	enum mode mode;
	bool json;
};

/* ---- the words ---- */

static const char *
right(int code)
{
	switch (code) {
	case OPT_LABEL:
		return "a portion has at most 4";
	case OPT_PRECEDENCE:
		return "ROUTINE, PRIORITY, IMMEDIATE or FLASH";
	case OPT_MODE:
		return "live or exercise";
	case OPT_TOPIC:
		return "a topic is tokens of A-Z, a-z, 0-9, '_' and '-', joined by dots";
	default:
		return "at most 64";
	}
}

static bool
read_precedence(const char *text, enum precedence *out)
{
	for (enum precedence p = PRECEDENCE_ROUTINE; p <= PRECEDENCE_FLASH; p++)
		if (strcasecmp(text, precedence_name(p)) == 0) {
			*out = p;
			return true;
		}
	return false;
}

static bool
read_mode(const char *text, enum mode *out)
{
	for (enum mode m = MODE_LIVE; m <= MODE_EXERCISE; m++)
		if (strcmp(text, mode_name(m)) == 0) {
			*out = m;
			return true;
		}
	return false;
}

static bool
add(const char **list, size_t *count, size_t room, const char *value)
{
	if (*count == room)
		return false;
	list[(*count)++] = value;
	return true;
}

static bool
take(struct call *k, int code, const char *value)
{
	const char **words[] = { [OPT_FROM] = &k->from,
		[OPT_TO] = &k->to,
		[OPT_TOPIC] = &k->topic,
		[OPT_CONTENT_TYPE] = &k->type,
		[OPT_AT] = &k->at };
	switch (code) {
	case OPT_LABEL:
		return add(k->labels, &k->label_count, LABELS, value);
	case OPT_AGREEMENT:
		return add(k->agreements, &k->agreement_count, NAMED, value);
	case OPT_PRECEDENCE:
		return read_precedence(value, &k->precedence);
	case OPT_MODE:
		return read_mode(value, &k->mode);
	case OPT_JSON:
		k->json = true;
		return true;
	default:
		*words[code] = value;
		return code != OPT_TOPIC || topic_check(bytes_of(value)) == TOPIC_GOOD;
	}
}

static int
parse(struct call *k, int argc, char **argv)
{
	int code, index = 0;
	opterr = 0;
	optind = 1;
	while ((code = getopt_long(argc, argv, ":", options, &index)) != -1) {
		if (code == '?' || code == ':')
			return out_usage(usage, code == '?' ? "what is '%s'?" : "%s takes a value",
			    argv[optind - 1]);
		if (!take(k, code, optarg))
			return out_usage(usage, "--%s '%s' is not right: %s", options[index].name,
			    optarg == NULL ? "" : optarg, right(code));
	}
	if (optind < argc)
		k->dir = argv[optind++];
	if (optind < argc)
		return out_usage(usage, "what is '%s'?", argv[optind]);
	if (k->dir == NULL || k->from == NULL || k->to == NULL || k->topic == NULL ||
	    k->label_count == 0)
		return out_usage(usage, "%s is missing",
		    k->dir == NULL     ? "DIR"
		    : k->from == NULL  ? "--from"
		    : k->to == NULL    ? "--to"
		    : k->topic == NULL ? "--topic"
				       : "--label");
	if (strcmp(k->from, k->to) == 0)
		return out_usage(usage, "a report does not go to its originator");
	return 0;
}

/* ---- the question ---- */

static bool
fill(struct policy_load *l, const struct call *k, struct explanation *x, struct err *e)
{
	struct raw_label *labels = arena_zalloc(&l->arena, k->label_count, sizeof(*labels));
	struct fact_portion *portion = arena_zalloc(&l->arena, 1, sizeof(*portion));
	uint64_t at;
	if (labels == NULL || portion == NULL)
		return err_set(e, ERR_NOMEM, "question");
	if (!policy_load_party(l, k->from, e) || !policy_load_party(l, k->to, e) ||
	    !policy_load_time(k->at, &at, e))
		return false;
	for (size_t i = 0; i < k->label_count; i++)
		if (!policy_load_label(l, k->labels[i], &labels[i], e))
			return false;
	*portion = (struct fact_portion){ labels, k->label_count, bytes_of(k->type) };
	x->to = bytes_of(k->to);
	x->facts = (struct facts){ .originator = bytes_of(k->from),
		.topic = bytes_of(k->topic),
		.precedence = k->precedence,
		.mode = k->mode,
		.time = at,
		.accepted = at,
		.signer = SIGNER_GOOD,
		.portions = portion,
		.portion_count = 1 };
	return true;
}

/* The agreements named, or all that have both as members. */
static bool
pick(struct policy_load *l, const struct call *k, const struct agreement **list, size_t *count,
    struct err *e)
{
	for (size_t i = 0; i < k->agreement_count; i++)
		if (!policy_load_agreement(l, k->agreements[i], &list[(*count)++], e))
			return false;
	for (size_t i = 0; k->agreement_count == 0 && i < epoch_agreement_count(l->epoch); i++) {
		const struct agreement *a = epoch_agreement_at(l->epoch, i);
		if (agreement_member(a, bytes_of(k->from)) != NULL &&
		    agreement_member(a, bytes_of(k->to)) != NULL)
			list[(*count)++] = a;
	}
	return true;
}

static bool
explain_one(struct policy_load *l, struct explanation *x, struct explained *one,
    const struct agreement *a, struct err *e)
{
	struct reasons_ask ask = { &x->facts, x->to };
	struct remedy_ask q = { .epoch = l->epoch,
		.text = &l->text,
		.overlay = &l->overlay,
		.root = l->root,
		.flags = POLICY_LOAD_FLAGS,
		.loads = &x->loads,
		.ask = &ask };
	if (!reasons_of(l->epoch, &l->text, &ask, a, &one->reasons, e))
		return false;
	return one->reasons.verdict == VERDICT_RELEASE ||
	       remedy_find(&q, &one->reasons, &one->remedies, e);
}

static bool
explain_all(struct policy_load *l, const struct call *k, struct explanation *x, struct err *e)
{
	size_t most = k->agreement_count + epoch_agreement_count(l->epoch);
	const struct agreement **list = arena_zalloc(&l->arena, most, sizeof(*list));
	x->list = arena_zalloc(&l->arena, most, sizeof(*x->list));
	x->verdict = VERDICT_WITHHOLD;
	if (list == NULL || x->list == NULL)
		return err_set(e, ERR_NOMEM, "explanation");
	if (!pick(l, k, list, &x->count, e))
		return false;
	for (size_t i = 0; i < x->count; i++) {
		if (!explain_one(l, x, &x->list[i], list[i], e))
			return false;
		if (x->list[i].reasons.verdict < x->verdict)
			x->verdict = x->list[i].reasons.verdict;
	}
	return true;
}

int
policy_explain(int argc, char **argv)
{
	struct call k = {
		.precedence = PRECEDENCE_ROUTINE, .mode = MODE_LIVE, .type = "text/plain"
	};
	struct explanation x = { .count = 0 };
	struct err e = { 0 };
	int status = parse(&k, argc, argv);
	if (status != 0)
		return status;
	SCOPED(policy_load_done) struct policy_load l;
	status = policy_load(&l, k.dir);
	if (status != 0)
		return status;
	if (!fill(&l, &k, &x, &e) || !explain_all(&l, &k, &x, &e))
		return out_error(&e);
	if (k.json)
		explanation_json(&l, &x);
	else if (!explanation_print(&l, &x, &e))
		return out_error(&e);
	return 0;
}

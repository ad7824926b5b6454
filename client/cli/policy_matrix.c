#include "client/cli/policy_matrix.h"

#include <getopt.h>

#include "client/cli/out.h"

static const char usage[] =
    "policy matrix DIR [--csv | --json] [--from PARTY] [--to PARTY] [--agreement NAME]\n"
    "      [--topic TOPIC] [--label L..] [--at TIME]";

enum { LABELS = LIMIT_LABELS_PER_PORTION };
enum option_code {
	OPT_FROM = 1,
	OPT_TO,
	OPT_AGREEMENT,
	OPT_TOPIC,
	OPT_LABEL,
	OPT_AT,
	OPT_CSV,
	OPT_JSON
};
static const struct option options[] = {
	{ "from", required_argument, NULL, OPT_FROM },
	{ "to", required_argument, NULL, OPT_TO },
	{ "agreement", required_argument, NULL, OPT_AGREEMENT },
	{ "topic", required_argument, NULL, OPT_TOPIC },
	{ "label", required_argument, NULL, OPT_LABEL },
	{ "at", required_argument, NULL, OPT_AT },
	{ "csv", no_argument, NULL, OPT_CSV },
	{ "json", no_argument, NULL, OPT_JSON },
	{ NULL, 0, NULL, 0 },
};

struct call {
	const char *dir, *from, *to, *agreement, *topic, *at;
	const char *labels[LABELS];
	size_t label_count;
	bool csv, json;
};

static bool
take(struct call *k, int code, const char *value)
{
	const char **words[] = { [OPT_FROM] = &k->from,
		[OPT_TO] = &k->to,
		[OPT_AGREEMENT] = &k->agreement,
		[OPT_TOPIC] = &k->topic,
		[OPT_AT] = &k->at };
	switch (code) {
	case OPT_LABEL:
		if (k->label_count == LABELS)
			return false;
		k->labels[k->label_count++] = value;
		return true;
	case OPT_CSV:
		k->csv = true;
		return !k->json;
	case OPT_JSON:
		k->json = true;
		return !k->csv;
	default:
		*words[code] = value;
		return code != OPT_TOPIC || topic_check(bytes_of(value)) == TOPIC_GOOD;
	}
}

static const char *
right(int code)
{
	switch (code) {
	case OPT_LABEL:
		return "a portion has at most 4";
	case OPT_TOPIC:
		return "a topic is tokens of A-Z, a-z, 0-9, '_' and '-', joined by dots";
	default:
		return "either --csv or --json";
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
	return k->dir == NULL ? out_usage(usage, "DIR is missing") : 0;
}

static struct bytes
word(const char *text)
{
	return text == NULL ? (struct bytes){ NULL, 0 } : bytes_of(text);
}

static bool
fill(struct policy_load *l, const struct call *k, struct matrix_ask *q, struct err *e)
{
	const struct agreement *a;
	struct raw_label *labels = arena_zalloc(&l->arena, LABELS, sizeof(*labels));
	*q = (struct matrix_ask){ .epoch = l->epoch,
		.from = word(k->from),
		.to = word(k->to),
		.agreement = word(k->agreement),
		.topic = word(k->topic),
		.most = MATRIX_TRIES,
		.labels = labels,
		.label_count = k->label_count };
	if (labels == NULL)
		return err_set(e, ERR_NOMEM, "labels");
	if ((k->from != NULL && !policy_load_party(l, k->from, e)) ||
	    (k->to != NULL && !policy_load_party(l, k->to, e)) ||
	    (k->agreement != NULL && !policy_load_agreement(l, k->agreement, &a, e)))
		return false;
	for (size_t i = 0; i < k->label_count; i++)
		if (!policy_load_label(l, k->labels[i], &labels[i], e))
			return false;
	return policy_load_time(k->at, &q->time, e);
}

int
policy_matrix(int argc, char **argv)
{
	struct call k = { .csv = false };
	struct matrix_ask q;
	struct matrix m;
	struct err e = { 0 };
	int status = parse(&k, argc, argv);
	if (status != 0)
		return status;
	SCOPED(policy_load_done) struct policy_load l;
	status = policy_load(&l, k.dir);
	if (status != 0)
		return status;
	bool ok = fill(&l, &k, &q, &e) && matrix_make(&q, &l.arena, &m, &e);
	if (ok && k.json)
		ok = matrix_json(&l, &m, &e);
	else if (ok && k.csv)
		ok = matrix_csv(&l, &m, &e);
	else if (ok)
		ok = matrix_table(&l, &m, k.label_count > 0, &e);
	return ok ? 0 : out_error(&e);
}

#include "client/cli/policy_diff.h"

#include <getopt.h>

#include "client/cli/policy_out.h"

static const char usage[] =
    "policy diff OLD NEW [--replay BUNDLE] [--agreement NAME] [--each] [--at TIME] [--json]";

enum option_code { OPT_AGREEMENT = 1, OPT_EACH, OPT_AT, OPT_REPLAY, OPT_JSON };
static const struct option options[] = {
	{ "agreement", required_argument, NULL, OPT_AGREEMENT },
	{ "each", no_argument, NULL, OPT_EACH },
	{ "at", required_argument, NULL, OPT_AT },
	{ "replay", required_argument, NULL, OPT_REPLAY },
	{ "json", no_argument, NULL, OPT_JSON },
	{ NULL, 0, NULL, 0 },
};

struct call {
	const char *agreement, *at;
	bool each;
};

static int
parse(struct differing *d, struct call *k, int argc, char **argv)
{
	int code;
	opterr = 0;
	optind = 1;
	while ((code = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (code) {
		case OPT_AGREEMENT:
			k->agreement = optarg;
			break;
		case OPT_AT:
			k->at = optarg;
			break;
		case OPT_REPLAY:
			d->bundle = optarg;
			break;
		case OPT_EACH:
			k->each = true;
			break;
		case OPT_JSON:
			d->json = true;
			break;
		default:
			return out_usage(usage, code == '?' ? "what is '%s'?" : "%s takes a value",
			    argv[optind - 1]);
		}
	}
	if (argc - optind != 2)
		return out_usage(usage, "two policies stand here, the old and the new one");
	d->dirs[0] = argv[optind];
	d->dirs[1] = argv[optind + 1];
	return 0;
}

/* Either policy may have it. */
static bool
find_agreement(struct differing *d, const char *name, struct err *e)
{
	const struct agreement *a;
	return name == NULL || epoch_agreement(d->loads[0].epoch, bytes_of(name)) != NULL ||
	       policy_load_agreement(&d->loads[1], name, &a, e);
}

static bool
compare(struct differing *d, const struct call *k, struct err *e)
{
	struct diff_ask q = { .epochs = { d->loads[0].epoch, d->loads[1].epoch },
		.texts = { &d->loads[0].text, &d->loads[1].text },
		.agreement = { NULL, 0 },
		.most = CELLS_MOST,
		.each = k->each,
		.progress = policy_out_progress };
	if (k->agreement != NULL)
		q.agreement = bytes_of(k->agreement);
	if (!policy_load_time(k->at, &q.time, e) || !find_agreement(d, k->agreement, e))
		return false;
	bool ok = diff_make(&q, &d->loads[1].arena, &d->diff, e);
	policy_out_progress_end();
	return ok && (d->bundle == NULL ||
			 replay_run(d->bundle, q.epochs, &d->loads[1].arena, &d->replay, e));
}

static int
run(struct differing *d, const struct call *k)
{
	struct err e = { 0 };
	if (!compare(d, k, &e))
		return out_error(&e);
	if (d->json)
		policy_diff_json(d);
	else if (!policy_diff_print(d, &e))
		return out_error(&e);
	if (d->diff.widens || d->replay.widens || d->diff.refused_count > 0)
		return 1;
	bool open = d->diff.open_count > 0 || d->replay.missing > 0;
	return open ? err_exit(ERR_INTERNAL) : 0;
}

int
policy_diff(int argc, char **argv)
{
	struct differing d = { .json = false };
	struct call k = { .each = false };
	int status = parse(&d, &k, argc, argv);
	if (status != 0)
		return status;
	for (size_t i = 0; i < 2 && status == 0; i++)
		status = policy_load(&d.loads[i], d.dirs[i]);
	if (status == 0)
		status = run(&d, &k);
	for (size_t i = 0; i < 2; i++)
		policy_load_done(&d.loads[i]);
	return status;
}

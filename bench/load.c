/*
 * load.c - traffic against a running broker, and what it cost the broker.  Used by bench/run.
 * Prints one JSON object; '_us' are for each report.
 */
#include "bench/meter.h"
#include "bench/traffic.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES = 64 };

static const char usage[] =
    "usage: load LAB SERVER PID [--reports N] [--bytes N] [--window N] [--rate PER_S]\n"
    "            [--publishers A,B] [--subscribers C,D] [--releasable X,Y] [--only-to C,D]\n"
    "            [--topic T] [--agreement G]\n";

/* The names of a list, in room that lives as long as the program. */
static struct relto_texts
split(char *list)
{
	static const char *room[4 * NAMES];
	static size_t used;
	struct relto_texts t = { room + used, 0 };
	for (char *p; used < 4 * NAMES && (p = strsep(&list, ",")) != NULL;)
		if (*p != '\0') {
			room[used++] = p;
			t.count++;
		}
	return t;
}

static bool
parse(int argc, char **argv, struct traffic *t)
{
	static const struct option options[] = { { "reports", required_argument, NULL, 'n' },
		{ "bytes", required_argument, NULL, 'b' },
		{ "window", required_argument, NULL, 'w' },
		{ "rate", required_argument, NULL, 'r' },
		{ "publishers", required_argument, NULL, 'p' },
		{ "subscribers", required_argument, NULL, 's' },
		{ "releasable", required_argument, NULL, 'l' },
		{ "only-to", required_argument, NULL, 'o' },
		{ "topic", required_argument, NULL, 't' },
		{ "agreement", required_argument, NULL, 'g' }, { NULL, 0, NULL, 0 } };
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (o) {
		case 'n':
			t->reports = strtoull(optarg, NULL, 10);
			break;
		case 'b':
			t->bytes = strtoull(optarg, NULL, 10);
			break;
		case 'w':
			t->window = strtoull(optarg, NULL, 10);
			break;
		case 'r':
			t->rate = strtod(optarg, NULL);
			break;
		case 'p':
			t->publishers = split(optarg);
			break;
		case 's':
			t->subscribers = split(optarg);
			break;
		case 'l':
			t->releasable = split(optarg);
			break;
		case 'o':
			t->only_to = split(optarg);
			break;
		case 't':
			t->topic = optarg;
			break;
		case 'g':
			t->agreement = optarg;
			break;
		default:
			return false;
		}
	if (argc - optind != 3 || t->publishers.count == 0 || t->reports < t->publishers.count)
		return false;
	t->lab = (struct party_lab){ argv[optind], argv[optind + 1], atoi(argv[optind + 2]) };
	return true;
}

/* ---- what it cost ---- */

struct watch {
	int pid;
	struct party_operator admin;
	struct meter from, used;
	struct party_counts before, counted;
};

static void
begin(void *arg)
{
	struct watch *w = arg;
	w->before = party_counts(&w->admin);
	w->from = meter_read(w->pid);
}

static void
end(void *arg)
{
	struct watch *w = arg;
	struct meter to = meter_read(w->pid);
	w->used = meter_between(&w->from, &to);
	struct party_counts after = party_counts(&w->admin);
	w->counted = party_counts_between(&w->before, &after);
}

static void
print_latency(const char *what, double *ms, uint64_t count)
{
	if (count > 0)
		(void)printf(",\"%s_p50_ms\":%.2f,\"%s_p99_ms\":%.2f", what,
		    meter_quantile(ms, count, 0.5), what, meter_quantile(ms, count, 0.99));
}

static void
print(const struct traffic *t, const struct watch *w, const struct traffic_result *r)
{
	double n = (double)t->reports;
	uint64_t commits = w->counted.commits == 0 ? 1 : w->counted.commits;
	(void)printf("{\"reports\":%" PRIu64 ",\"deliveries\":%" PRIu64 ",\"bytes\":%zu,"
		     "\"publish_s\":%.3f,\"all_s\":%.3f,\"per_s\":%.0f,",
	    t->reports, r->deliveries, t->bytes, r->publish_s, r->all_s, n / r->all_s);
	(void)printf("\"busy\":%" PRIu64 ",", r->busy);
	(void)printf("\"commits\":%" PRIu64 ",\"per_commit\":%.1f,\"records\":%.2f,"
		     "\"server_cpu_us\":%.1f,",
	    commits, n / (double)commits, (double)w->counted.records / n, w->used.cpu_s * 1e6 / n);
	(void)printf("\"asked_bytes\":%.0f,\"dirtied_bytes\":%.0f,\"read_calls\":%.2f,"
		     "\"write_calls\":%.2f,",
	    (double)w->used.asked_bytes / n, (double)w->used.dirtied_bytes / n,
	    (double)w->used.reads / n, (double)w->used.writes / n);
	(void)printf("\"bytes_in\":%.1f,\"bytes_out\":%.1f,\"messages_in\":%.2f,"
		     "\"messages_out\":%.2f",
	    (double)w->counted.bytes_in / n, (double)w->counted.bytes_out / n,
	    (double)w->counted.messages_in / n, (double)w->counted.messages_out / n);
	if (t->rate > 0) {
		print_latency("receipt", r->receipt_ms, r->receipts);
		print_latency("delivery", r->delivery_ms, r->deliveries);
	}
	(void)printf("}\n");
}

int
main(int argc, char **argv)
{
	static const char *const gbr = "GBR", *const both[] = { "GBR", "NOR" };
	struct traffic t = { .reports = 20000,
		.window = 1024,
		.bytes = 1024,
		.topic = "maritime.piracy",
		.agreement = "atlas",
		.publishers = { &gbr, 1 },
		.releasable = { both, 2 } };
	if (!parse(argc, argv, &t)) {
		(void)fputs(usage, stderr);
		return 64;
	}
	struct watch w = { .pid = t.lab.pid, .admin = party_operator_open(&t.lab) };
	struct traffic_result r = traffic_run(&t, &(struct traffic_watch){ begin, end, &w });
	print(&t, &w, &r);
	party_operator_close(&w.admin);
	free(r.receipt_ms);
	free(r.delivery_ms);
	return 0;
}

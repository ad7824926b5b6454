/*
 * load.c - one publisher and one subscriber against a running broker: how many reports a second,
 *how many in a commit, how much CPU of the server each costs.  Used by bench/run. load LAB SERVER
 *PID REPORTS BYTES WINDOW prints one JSON object.
 */
#include "client/relto.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT_MS = 20000 };

struct run {
	const char *lab, *server;
	uint64_t reports, window;
	size_t bytes;
	atomic_uint_fast64_t received;
	atomic_bool ready, failed;
};

static void
die(const char *what, const struct relto_error *e)
{
	(void)fprintf(stderr, "load: %s: %s: %s %s\n", what, e->code, e->text, e->detail);
	exit(1);
}

static char *
in_lab(const struct run *r, const char *path)
{
	char *full = NULL;
	if (asprintf(&full, "%s/%s", r->lab, path) < 0)
		exit(1);
	return full;
}

static char *
slurp(const char *path)
{
	char *text = calloc(1, 4096);
	FILE *f = fopen(path, "r");
	if (f == NULL || text == NULL || fread(text, 1, 4095, f) == 0)
		exit(1);
	(void)fclose(f);
	return text;
}

static struct relto_context *
context(const struct run *r, const char *party)
{
	struct relto_error e = { 0 };
	struct relto_context *x = relto_context_new(&e);
	char cert[256], key[256];
	(void)snprintf(cert, sizeof(cert), "%s/parties/%s/fusion-desk.pem", r->lab, party);
	(void)snprintf(key, sizeof(key), "%s/parties/%s/fusion-desk.key", r->lab, party);
	if (x == NULL || !relto_context_server(x, r->server, &e) ||
	    !relto_context_hub_file(x, "spiffe://hub.example/relto", in_lab(r, "hub/ca.pem"), &e) ||
	    !relto_context_identity_files(x, cert, key, &e) ||
	    !relto_context_log_key(x, slurp(in_lab(r, "home/log.vkey")), &e) ||
	    !relto_context_trust_dir(x, in_lab(r, "home/trust"), &e))
		die("context", &e);
	return x;
}

static void *
subscriber(void *arg)
{
	struct run *r = arg;
	struct relto_error e = { 0 };
	struct relto_subscription_request want = { .credit = 1024 };
	struct relto_context *x = context(r, "NOR");
	struct relto_connection *c = relto_connect(x, &e);
	if (c == NULL || !relto_subscribe(c, &want, NULL, &e))
		die("subscribe", &e);
	atomic_store(&r->ready, true);
	for (uint64_t n = 0; n < r->reports; n++) {
		struct relto_delivery *d;
		if (!relto_next(c, TIMEOUT_MS, &d, &e) || d->trust != RELTO_VERIFIED ||
		    !relto_ack_later(c, d, &e))
			die("receive", &e);
		relto_delivery_free(d);
		atomic_fetch_add(&r->received, 1);
	}
	if (!relto_ping(c, &e))
		die("acknowledge", &e);
	relto_close(c);
	relto_context_free(x);
	return NULL;
}

static void
publisher(struct run *r)
{
	struct relto_error e = { 0 };
	struct relto_context *x = context(r, "GBR");
	struct relto_connection *c = relto_connect(x, &e);
	char *body = malloc(r->bytes);
	if (c == NULL || body == NULL)
		die("connect", &e);
	memset(body, 'x', r->bytes);
	const char *rel[] = { "GBR", "NOR" }, *names[] = { "atlas" };
	struct relto_category cat = { "Releasable To", { rel, 2 } };
	struct relto_label labels[] = { { "ATLAS", "SECRET", &cat, 1 } };
	struct relto_portion portion = {
		.labels = labels, .label_count = 1, .content = { body, r->bytes }
	};
	struct relto_report report = { .topic = "maritime.piracy",
		.agreements = { names, 1 },
		.portions = &portion,
		.portion_count = 1 };
	uint64_t sent = 0, answered = 0;
	while (answered < r->reports) {
		struct relto_answer a;
		/* by 64, since so many share a signature */
		size_t batch = r->window < 64 ? 1 : 64;
		while (sent < r->reports && relto_unanswered(c) + batch <= r->window)
			for (size_t i = 0; i < batch && sent < r->reports; i++, sent++)
				if (!relto_submit(c, &report, NULL, &e))
					die("submit", &e);
		if (!relto_answer(c, TIMEOUT_MS, &a, &e))
			die("answer", &e);
		if (a.receipt == NULL)
			die("refused", &a.error);
		relto_receipt_free(a.receipt);
		answered++;
	}
	free(body);
	relto_close(c);
	relto_context_free(x);
}

static double
seconds(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* user and system time of a process, s (proc(5): fields 14 and 15 of stat) */
static double
cpu_of(const char *pid)
{
	char path[64];
	unsigned long user = 0, sys = 0;
	(void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	char *text = slurp(path);
	char *at = strrchr(text, ')');
	if (at == NULL ||
	    sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) != 2)
		exit(1);
	free(text);
	return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

static uint64_t
commits(const struct run *r)
{
	struct relto_error e = { 0 };
	struct relto_context *x = relto_context_new(&e);
	char *json = NULL;
	if (x == NULL || !relto_context_server(x, r->server, &e) ||
	    !relto_context_hub_file(x, "spiffe://hub.example/relto", in_lab(r, "hub/ca.pem"), &e) ||
	    !relto_context_identity_files(x, in_lab(r, "parties/HUB/operator.pem"),
		in_lab(r, "parties/HUB/operator.key"), &e))
		die("operator", &e);
	struct relto_connection *c = relto_connect(x, &e);
	if (c == NULL || !relto_status(c, &json, &e))
		die("status", &e);
	char *at = strstr(json, "\"commits\":");
	uint64_t n = at == NULL ? 0 : strtoull(at + 10, NULL, 10);
	free(json);
	relto_close(c);
	relto_context_free(x);
	return n;
}

int
main(int argc, char **argv)
{
	if (argc != 7) {
		(void)fprintf(stderr, "usage: load LAB SERVER PID REPORTS BYTES WINDOW\n");
		return 64;
	}
	struct run r = { .lab = argv[1],
		.server = argv[2],
		.reports = strtoull(argv[4], NULL, 10),
		.bytes = strtoull(argv[5], NULL, 10),
		.window = strtoull(argv[6], NULL, 10) };
	pthread_t thread;
	uint64_t commits_before = commits(&r);
	if (pthread_create(&thread, NULL, subscriber, &r) != 0)
		return 1;
	while (!atomic_load(&r.ready))
		(void)usleep(1000);
	double cpu = cpu_of(argv[3]), start = seconds();
	publisher(&r);
	double published = seconds() - start;
	(void)pthread_join(thread, NULL);
	double all = seconds() - start;
	cpu = cpu_of(argv[3]) - cpu;
	uint64_t n = commits(&r) - commits_before;
	(void)printf("{\"reports\":%" PRIu64 ",\"bytes\":%zu,\"publish_s\":%.3f,\"all_s\":%.3f,"
		     "\"per_s\":%.0f,\"commits\":%" PRIu64 ",\"per_commit\":%.1f,"
		     "\"server_cpu_us\":%.1f}\n",
	    r.reports, r.bytes, published, all, (double)r.reports / all, n,
	    (double)r.reports / (double)(n == 0 ? 1 : n), cpu * 1e6 / (double)r.reports);
	return 0;
}

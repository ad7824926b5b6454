/*
 * sessions.c - many sessions of a running broker: what one costs to open and to keep, idle.
 *     sessions LAB SERVER PID COUNT HOLD_S PARTY...
 * The parties take turns.  With HOLD_S 0 each session subscribes to its party's inbox and ends at
 * once, which leaves COUNT parties with a queue.  Prints one JSON object.
 */
#include "bench/meter.h"
#include "bench/party.h"

#include <stdlib.h>
#include <unistd.h>

struct sessions {
	struct party_lab lab;
	char **parties;
	size_t party_count, count;
	unsigned hold_s;
	struct relto_context **contexts;
	struct relto_connection **open;
};

static void
open_one(struct sessions *s, size_t i)
{
	struct relto_error e = { 0 };
	struct relto_context **x = &s->contexts[i % s->party_count];
	if (*x == NULL)
		*x = party_context(&s->lab, s->parties[i % s->party_count]);
	s->open[i] = relto_connect(*x, &e);
	if (s->open[i] == NULL)
		party_die("connect", &e);
}

static void
subscribe(struct sessions *s, size_t i)
{
	struct relto_error e = { 0 };
	if (!relto_subscribe(s->open[i], &(struct relto_subscription_request){ 0 }, NULL, &e))
		party_die("subscribe", &e);
	relto_close(s->open[i]);
	s->open[i] = NULL;
}

static void
measure(struct sessions *s)
{
	double n = (double)s->count;
	struct meter a = meter_read(s->lab.pid);
	for (size_t i = 0; i < s->count; i++) {
		open_one(s, i);
		if (s->hold_s == 0)
			subscribe(s, i);
	}
	struct meter b = meter_read(s->lab.pid);
	(void)sleep(s->hold_s);
	struct meter c = meter_read(s->lab.pid);
	struct meter opening = meter_between(&a, &b), idle = meter_between(&b, &c);
	(void)printf("{\"sessions\":%zu,\"open_cpu_us\":%.0f,\"rss_kb_each\":%.1f,"
		     "\"idle_cpu_us_per_s\":%.0f}\n",
	    s->count, opening.cpu_s * 1e6 / n, (double)opening.rss_kb / n,
	    idle.wall_s > 0.5 ? idle.cpu_s * 1e6 / idle.wall_s : 0);
}

int
main(int argc, char **argv)
{
	if (argc < 7) {
		(void)fprintf(
		    stderr, "usage: sessions LAB SERVER PID COUNT HOLD_S PARTY [PARTY..]\n");
		return 64;
	}
	struct sessions s = { .lab = { argv[1], argv[2], atoi(argv[3]) },
		.count = strtoull(argv[4], NULL, 10),
		.hold_s = (unsigned)atoi(argv[5]),
		.parties = argv + 6,
		.party_count = (size_t)argc - 6 };
	s.contexts = calloc(s.party_count, sizeof(struct relto_context *));
	s.open = calloc(s.count + 1, sizeof(struct relto_connection *));
	if (s.contexts == NULL || s.open == NULL)
		return 1;
	measure(&s);
	for (size_t i = 0; i < s.count; i++)
		relto_close(s.open[i]);
	for (size_t i = 0; i < s.party_count; i++)
		relto_context_free(s.contexts[i]);
	free(s.contexts);
	free(s.open);
	return 0;
}

#include "daemon/observe_text.h"

#include "daemon/cosigner.h"
#include "daemon/expiry.h"
#include "daemon/health.h"
#include "daemon/role.h"
#include "daemon/worker.h"

#include <dirent.h>
#include <inttypes.h>
#include <sys/resource.h>
#include <unistd.h>

static void
head(FILE *to, const char *name, const char *type, const char *help)
{
	(void)fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
gauge(FILE *to, const char *name, const char *help, uint64_t value)
{
	head(to, name, "gauge", help);
	(void)fprintf(to, "%s %" PRIu64 "\n", name, value);
}

static void
counter(FILE *to, const char *name, const char *help, uint64_t value)
{
	head(to, name, "counter", help);
	(void)fprintf(to, "%s %" PRIu64 "\n", name, value);
}

static void
counters(const struct shell *s, FILE *to)
{
	uint64_t sum[METRIC_COUNT] = { 0 };
	char name[64];
	for (unsigned i = 0; i < s->worker_count; i++)
		metrics_sum(&s->workers[i]->metrics, sum);
	if (s->cosigner != NULL)
		metrics_sum(cosigner_metrics(s->cosigner), sum);
	for (unsigned i = 0; i < METRIC_COUNT; i++) {
		(void)snprintf(name, sizeof(name), "relto_%s_total", metrics_name((enum metric)i));
		counter(to, name, metrics_text((enum metric)i), sum[i]);
	}
}

/* How long reports waited, by the lane they go in. */
static void
lanes(const struct shell *s, FILE *to)
{
	static const char *const name[METRIC_LANES] = { "ROUTINE", "PRIORITY", "IMMEDIATE",
		"FLASH" };
	static const uint64_t bound[METRIC_WAIT_STEPS] = METRIC_WAIT_MS;
	struct metric_waits sum[METRIC_LANES] = { 0 };
	head(to, "relto_delivery_wait_seconds", "histogram",
	    "from its acceptance, with a reader there, until a report was handed to TLS");
	for (unsigned lane = 0; lane < METRIC_LANES; lane++) {
		struct metric_waits *w = &sum[lane];
		uint64_t so_far = 0;
		for (unsigned i = 0; i < s->worker_count; i++)
			metrics_sum_waits(&s->workers[i]->metrics, lane, w);
		for (unsigned i = 0; i < METRIC_WAIT_STEPS; i++)
			(void)fprintf(to,
			    "relto_delivery_wait_seconds_bucket{lane=\"%s\",le=\"%g\"} %" PRIu64
			    "\n",
			    name[lane], (double)bound[i] / 1e3, so_far += w->step[i]);
		(void)fprintf(to,
		    "relto_delivery_wait_seconds_bucket{lane=\"%s\",le=\"+Inf\"} %" PRIu64 "\n"
		    "relto_delivery_wait_seconds_sum{lane=\"%s\"} %.3f\n"
		    "relto_delivery_wait_seconds_count{lane=\"%s\"} %" PRIu64 "\n",
		    name[lane], w->count, name[lane], (double)w->ms / 1e3, name[lane], w->count);
	}
	head(to, "relto_deliveries_late_total", "counter",
	    "of these, past the deadline of their lane");
	for (unsigned lane = 0; lane < METRIC_LANES; lane++)
		(void)fprintf(to, "relto_deliveries_late_total{lane=\"%s\"} %" PRIu64 "\n",
		    name[lane], sum[lane].late);
	head(to, "relto_deliveries_overdue", "gauge",
	    "subscriptions in which a report of the lane waits past its deadline now");
	for (unsigned lane = 0; lane < METRIC_LANES; lane++)
		(void)fprintf(to, "relto_deliveries_overdue{lane=\"%s\"} %" PRIu64 "\n", name[lane],
		    sum[lane].overdue);
}

static void
doors(const struct broker *b, FILE *to)
{
	struct listener_counts c = listener_counts(b->listener);
	gauge(to, "relto_connections", "connections open, those that wait to shake hands included",
	    c.open);
	gauge(to, "relto_connections_half_open", "of these, those before Hello", c.half_open);
	head(to, "relto_connections_refused_total", "counter", "connections closed at the door");
	const struct {
		const char *why;
		uint64_t count;
	} refused[] = { { "full", c.refused_full }, { "address", c.refused_address },
		{ "waited", c.refused_waiting }, { "descriptors", c.out_of_fds } };
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		(void)fprintf(to, "relto_connections_refused_total{why=\"%s\"} %" PRIu64 "\n",
		    refused[i].why, refused[i].count);
}

static uint64_t
open_descriptors(void)
{
	uint64_t count = 0;
	DIR *folder = opendir("/proc/self/fd");
	for (struct dirent *f; folder != NULL && (f = readdir(folder)) != NULL;)
		count += f->d_name[0] != '.';
	if (folder != NULL)
		(void)closedir(folder);
	return count == 0 ? 0 : count - 1; /* that of the folder */
}

static void
process(FILE *to)
{
	struct rusage used = { 0 };
	uint64_t pages[2] = { 0, 0 };
	FILE *statm = fopen("/proc/self/statm", "re");
	if (statm != NULL) {
		if (fscanf(statm, "%" SCNu64 " %" SCNu64, &pages[0], &pages[1]) != 2)
			pages[1] = 0;
		(void)fclose(statm);
	}
	(void)getrusage(RUSAGE_SELF, &used);
	head(to, "process_cpu_seconds_total", "counter", "user and system time");
	(void)fprintf(to, "process_cpu_seconds_total %.6f\n",
	    (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
		(double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
	gauge(to, "process_resident_memory_bytes", "resident memory",
	    pages[1] * (uint64_t)sysconf(_SC_PAGESIZE));
	gauge(to, "process_open_fds", "open descriptors", open_descriptors());
}

/* No party is named (S7): of each kind the first that ends. */
static void
ends(const struct broker *b, FILE *to)
{
	static const char *const name[TRUST_END_KINDS] = { "broker", "ca", "list" };
	head(to, "relto_trust_ends_timestamp_seconds", "gauge",
	    "when the broker's certificate, the first CA certificate and the first revocation list "
	    "end");
	for (unsigned kind = 0; kind < TRUST_END_KINDS; kind++) {
		int64_t first = expiry_next(b->expiry, (enum trust_end_kind)kind);
		if (first != INT64_MAX)
			(void)fprintf(to,
			    "relto_trust_ends_timestamp_seconds{what=\"%s\"} %" PRId64 "\n",
			    name[kind], first);
	}
}

static void
metrics(const struct broker *b, FILE *to)
{
	const struct shell *s = &b->shell;
	head(to, "relto_build_info", "gauge", "always 1; version and node");
	/* node names are of [A-Za-z0-9_./-]: they need no escapes */
	(void)fprintf(
	    to, "relto_build_info{version=\"%s\",node=\"%s\"} 1\n", RELTO_VERSION, b->config->node);
	gauge(to, "relto_ready", "1 while partners are let in", b->ready && !b->stopping);
	gauge(to, "relto_log_signed_records", "records of the log under a signed head",
	    atomic_load(&s->signed_size));
	gauge(to, "relto_policy_record", "index of the POLICY record in force", b->rules->number);
	gauge(to, "relto_clock_in_doubt",
	    "1 while nothing is taken or delivered for the clock's sake", wall_in_doubt(&s->wall));
	gauge(to, "relto_signer_away", "1 while nothing is taken, as relto-signer does not sign",
	    atomic_load(&s->signer_away));
	gauge(to, "relto_store_full", "1 while no new reports are taken, as there is no room",
	    atomic_load(&s->full));
	gauge(to, "relto_reload_failed",
	    "1 if the last reload failed and the policy before it stays", b->reload_failed);
	if (s->cosigner != NULL)
		gauge(to, "relto_log_cosigned_records",
		    "records of the log under a head that the quorum of witnesses signed",
		    atomic_load(&s->cosigned_size));
	ends(b, to);
	lanes(s, to);
	doors(b, to);
	counters(s, to);
	process(to);
}

static bool
readiness(const struct broker *b, FILE *to)
{
	const char *why =
	    b->stopping				 ? "it is stopping"
	    : !b->ready				 ? "it is not ready yet"
	    : atomic_load(&b->shell.broken)	 ? "the store is broken"
	    : wall_in_doubt(&b->shell.wall)	 ? "the clock is in doubt: relto admin clock accept"
	    : atomic_load(&b->shell.signer_away) ? "relto-signer does not sign: nothing is taken"
	    : atomic_load(&b->shell.full) ? "there is no room for new reports: they are refused"
					  : NULL;
	(void)fprintf(to, "%s\n", why == NULL ? "ready" : why);
	return why == NULL;
}

bool
observe_text(void *broker, enum observe_path path, FILE *to)
{
	ASSERT_ON(ROLE_MAIN);
	const struct broker *b = broker;
	switch (path) {
	case OBSERVE_METRICS:
		metrics(b, to);
		return true;
	case OBSERVE_HEALTH:
		return health_well(b->health, to);
	case OBSERVE_READY:
		return readiness(b, to);
	}
	return false;
}

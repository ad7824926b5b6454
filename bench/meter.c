#include "bench/meter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double
read_clock(clockid_t id)
{
	struct timespec t;
	if (clock_gettime(id, &t) != 0) {
		perror("bench: clock");
		exit(1);
	}
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double
meter_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

/* The number after "NAME:" in a file of /proc/PID. */
static uint64_t
number(int pid, const char *file, const char *name)
{
	char path[64], line[256];
	uint64_t n = 0;
	size_t len = strlen(name);
	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	FILE *f = fopen(path, "re");
	if (f == NULL) {
		perror(path);
		exit(1);
	}
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			n = strtoull(line + len + 1, NULL, 10);
	(void)fclose(f);
	return n;
}

struct meter
meter_read(int pid)
{
	clockid_t cpu;
	if (clock_getcpuclockid(pid, &cpu) != 0) {
		(void)fprintf(stderr, "bench: no process %d\n", pid);
		exit(1);
	}
	return (struct meter){ .wall_s = meter_now(),
		.cpu_s = read_clock(cpu),
		.reads = number(pid, "io", "syscr"),
		.writes = number(pid, "io", "syscw"),
		.asked_bytes = number(pid, "io", "wchar"),
		.dirtied_bytes = number(pid, "io", "write_bytes"),
		.rss_kb = number(pid, "status", "VmRSS") };
}

struct meter
meter_between(const struct meter *from, const struct meter *to)
{
	return (struct meter){ .wall_s = to->wall_s - from->wall_s,
		.cpu_s = to->cpu_s - from->cpu_s,
		.reads = to->reads - from->reads,
		.writes = to->writes - from->writes,
		.asked_bytes = to->asked_bytes - from->asked_bytes,
		.dirtied_bytes = to->dirtied_bytes - from->dirtied_bytes,
		.rss_kb = to->rss_kb > from->rss_kb ? to->rss_kb - from->rss_kb : 0 };
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double
meter_quantile(double *values, uint64_t count, double share)
{
	if (count == 0)
		return 0;
	qsort(values, count, sizeof(*values), by_value);
	uint64_t at = (uint64_t)(share * (double)count);
	return values[at < count ? at : count - 1];
}

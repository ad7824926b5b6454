#include "client/cli/admin_upkeep.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int
by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static bool
read_index(const char *word, uint64_t *out)
{
	char *end;
	if (word[0] < '0' || word[0] > '9')
		return false;
	errno = 0;
	unsigned long long n = strtoull(word, &end, 10);
	if (errno != 0 || *end != '\0' || n > INT64_MAX)
		return false;
	*out = n;
	return true;
}

const char *
upkeep_records(struct upkeep *u, char *const *words, int count)
{
	if (count == 0)
		return "say which records: their indices in the log";
	if (count > UPKEEP_RECORDS)
		return "at most 1,000 records at once";
	for (int i = 0; i < count; i++)
		if (!read_index(words[i], &u->records[i]))
			return "a record is named by its index in the log, a number";
	u->count = (size_t)count;
	qsort(u->records, u->count, sizeof(u->records[0]), by_value);
	for (size_t i = 1; i < u->count; i++)
		if (u->records[i] == u->records[i - 1])
			return "a record is named twice";
	return NULL;
}

static void
show(void *arg, uint64_t done, uint64_t total)
{
	(void)arg;
	(void)fprintf(stderr, "\r%" PRIu64 " of at most %" PRIu64 " MiB copied ", done >> 20,
	    (total >> 20) + 1);
	(void)fflush(stderr);
}

bool
upkeep_run(const struct upkeep *u, struct relto_connection *c, char **json, struct relto_error *e)
{
	if (u->backup == NULL)
		return relto_erase(
		    c, &(struct relto_erasure){ u->records, u->count, u->because }, json, e);
	bool shown = isatty(STDERR_FILENO) == 1;
	struct relto_backup b = { .name = u->backup, .progress = shown ? show : NULL };
	bool ok = relto_backup(c, &b, json, e);
	if (shown)
		(void)fputs("\r\033[K", stderr);
	return ok;
}

/* apply_archive.c - records that stand in files leave the store (decision 0025). */
#include "daemon/archive.h"
#include "daemon/batch.h"
#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/role.h"
#include "proto/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { ROWS_A_BATCH = 1024, ARENA = 4096 };
static const uint64_t look_us = 60000000; /* how often it is looked for what is due.. */

/* Whole files of records. */
static uint32_t
segment_of(const struct committer *c)
{
	uint64_t n = c->shell->config->store_archive_segment;
	return (uint32_t)(n - n % STORE_ARCHIVE_FILE);
}

/* On the store's own disk the part that intake leaves free is not the archive's either. */
static bool
keeps_tenth(const struct config *cfg)
{
	struct stat a, b;
	return stat(cfg->store_path, &a) != 0 || stat(cfg->store_archive, &b) != 0 ||
	       a.st_dev == b.st_dev;
}

static void
begin(struct committer *c)
{
	const struct config *cfg = c->shell->config;
	struct wall *w = &c->shell->wall;
	uint64_t now = wall_best(w), after = committer_settings(c)->store_archive_after_ms * 1000;
	const char *generation = strrchr(cfg->log_origin, '/');
	struct archiver_setup set = { .store = c->ledger->store,
		.dir = cfg->store_archive,
		.key = c->shell->log_key,
		.segment = segment_of(c),
		.reserve = { cfg->store_reserve, keeps_tenth(cfg) ? LIMIT_DISK_FREE_PERCENT : 0 },
		.before_us = now > after ? now - after : 0 };
	struct err e = { 0 };
	/* ..or as often as anything can be, where that is less */
	c->next_archive_us = wall_boot(w) + (after < look_us ? after : look_us);
	(void)sscanf(generation == NULL ? "" : generation, "/g%" SCNu64, &set.generation);
	if (wall_in_doubt(w))
		return;
	if (!archiver_begin(&set, &c->archiver, &e))
		log_error(
		    "archive.failed", "code=%s why=%s", err_token(e.code), log_quote_text(e.text));
}

static void
tell_failure(const struct archiver_result *r)
{
	if (r->why.code == ERR_NONE || r->why.code == ERR_BUSY)
		return;
	log_error("archive.failed", "code=%s why=%s action=%s", err_token(r->why.code),
	    log_quote_text(r->why.text),
	    log_quote_text("the records stay in the store, and persons that were erased in files"));
}

/* What it verified may go; what it made anew is done with. */
static void
end(struct committer *c)
{
	struct archiver_result r;
	archiver_end(c->archiver, &r);
	c->archiver = NULL;
	tell_failure(&r);
	if (r.renewed > 0) {
		c->archive.renewed = r.renewed;
		memcpy(c->archive.files, r.files, sizeof(r.files));
		c->next_archive_us = 0;
		return;
	}
	if (r.why.code != ERR_NONE || r.to == 0)
		return;
	log_info("archive.verified", "to=%" PRIu64, r.to);
	c->archive.to = r.to;
	c->archive.segment = r.segment;
	c->archive.at = 0;
	c->next_archive_us = 0;
}

struct job *
apply_archive_next(struct committer *c, bool stopping)
{
	ASSERT_ON(ROLE_COMMITTER);
	if (c->archiver != NULL && stopping)
		archiver_stop(c->archiver);
	if (c->archiver != NULL && (stopping || archiver_over(c->archiver)))
		end(c);
	bool due = wall_boot(&c->shell->wall) >= c->next_archive_us;
	if (stopping || !due || c->archiver != NULL || c->rules == NULL ||
	    c->shell->config->store_archive[0] == '\0')
		return NULL;
	struct job *j = NULL;
	if (c->archive.to == 0 && c->archive.renewed == 0)
		begin(c);
	else if ((j = job_new(JOB_ARCHIVE, NULL, ARENA)) != NULL)
		j->home = JOB_HOME_NOBODY;
	return j;
}

/* A batch that failed is not tried again at once. */
void
apply_archive_done(struct committer *c, uint64_t before)
{
	ASSERT_ON(ROLE_COMMITTER);
	if (c->archive.renewed > 0) {
		bool done = c->archive.at != before; /* else its batch failed: the note stays */
		if (done)
			log_info("archive.renewed", "files=%zu", c->archive.renewed);
		c->archive.renewed = 0;
		c->next_archive_us = done ? 0 : wall_boot(&c->shell->wall) + look_us;
		return;
	}
	if (c->archive.at == before)
		c->next_archive_us = wall_boot(&c->shell->wall) + look_us;
	if (c->archive.at != c->archive.to)
		return;
	log_info("archive.made", "to=%" PRIu64, c->archive.to);
	c->archive.to = 0;
}

static bool
put_admin(struct committer *c, struct err *e)
{
	struct body b;
	struct log_out out;
	char range[64];
	uint64_t to = c->archive.to;
	(void)snprintf(range, sizeof(range), "%" PRIu64 "-%" PRIu64, to - c->archive.segment, to);
	event_body_begin(&b, EVENT_ADMIN);
	event_body_bytes(&b, BODY_ADMIN_COMMAND, bytes_of("archive"));
	event_body_bytes(&b, BODY_ADMIN_ARGUMENT, bytes_of(range));
	event_body_bytes(&b, BODY_ADMIN_RESULT, bytes_of("ok"));
	return apply_own_record(c, &b, NULL, &out, e);
}

static bool
apply_renewed(struct committer *c, struct err *e)
{
	c->ledger->dirty = true;
	for (size_t i = 0; i < c->archive.renewed; i++)
		if (!store_renewed(c->ledger->store, &c->archive.files[i], e))
			return false;
	c->archive.in_batch = c->archive.at + 1; /* while no rows go that only counts batches */
	return true;
}

bool
apply_archive(struct committer *c, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct store_archive now;
	(void)j;
	if (c->archive.renewed > 0)
		return apply_renewed(c, e);
	if (!store_read_archive(store_batch_view(c->ledger->store), &now, e))
		return false;
	uint64_t to = c->archive.to;
	if (to - now.end > ROWS_A_BATCH)
		to = now.end + ROWS_A_BATCH;
	c->ledger->dirty = true;
	if (!store_archive_entries(c->ledger->store, to, c->archive.segment, e) ||
	    (to == c->archive.to && !put_admin(c, e)))
		return false;
	c->archive.in_batch = to;
	return true;
}

bool
apply_archive_has(struct committer *c, uint64_t index, bool *has, bool *soon, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct store_archive now;
	if (!store_read_archive(store_batch_view(c->ledger->store), &now, e))
		return false;
	uint64_t segment = now.segment != 0 ? now.segment : segment_of(c);
	uint64_t next = (now.end / segment + 1) * segment; /* the end of the one that is next */
	bool begun = now.end % segment != 0;		   /* some of its rows are gone */
	*has = index < now.end;
	*soon = !*has && index < next && (begun || c->archiver != NULL || c->archive.to != 0);
	return true;
}

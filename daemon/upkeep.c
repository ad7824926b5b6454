/* upkeep.c - what the committer does between its batches: backups and the archive. */
#include "daemon/await.h"
#include "daemon/batch.h"
#include "daemon/role.h"

/* A backup that was asked for begins between two batches, and is in one of its own when it is over.
 * What keeps it from beginning may be what stops everything. */
void
upkeep_backup(struct committer *c, struct job *j)
{
	ASSERT_ON(ROLE_COMMITTER);
	/* the copy has to be one that was signed */
	if (!await_for(c, 0, &j->backup.why) || !apply_backup_start(c, j))
		batch_run_one(c, j);
}

static void
archive(struct committer *c, bool stopping)
{
	struct job *j = apply_archive_next(c, stopping);
	uint64_t before = c->archive.at;
	if (j == NULL)
		return;
	batch_run_one(c, j);
	apply_archive_done(c, before);
}

void
upkeep_next(struct committer *c, bool stopping)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct job *j = apply_backup_end(c, stopping);
	if (j != NULL)
		batch_run_one(c, j);
	if (stopping || await_has_room(c))
		archive(c, stopping);
}

void
upkeep_give_up(struct committer *c)
{
	ASSERT_ON(ROLE_COMMITTER);
	(void)apply_archive_next(c, true);
	struct job *backup = apply_backup_end(c, true);
	if (backup == NULL)
		return;
	job_fail(backup, ERR_SIGNER, "the log's signer does not answer");
	committer_return(c->shell, backup);
}

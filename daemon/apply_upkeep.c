/* apply_upkeep.c - what operators do to the store: persons that are erased, backups. */
#include "daemon/backup.h"
#include "daemon/batch.h"
#include "daemon/config.h"
#include "daemon/role.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- ERASE ---- */

/* One that names a person and is still open; else the job has failed. */
static bool
read_person(struct committer *c, struct job *j, uint64_t index, struct record *r, uint8_t leaf[32],
    struct err *e)
{
	struct store_view *v = store_batch_view(c->ledger->store);
	struct bytes entry;
	bool found = false, archived = false, soon = false;
	char why[96];
	if (!apply_archive_has(c, index, &archived, &soon, e))
		return false;
	if (soon) {
		(void)snprintf(
		    why, sizeof(why), "record %" PRIu64 " is on its way into the archive", index);
		job_fail(j, ERR_BUSY, why);
		return true;
	}
	if (!store_read_entry(v, index, &entry, &found, e))
		return false;
	if (!found) {
		(void)snprintf(why, sizeof(why), "there is no record %" PRIu64, index);
		job_fail(j, ERR_NOT_FOUND, why);
		return true;
	}
	if (!record_entry_parse(entry, r, leaf, e))
		return err_set(e, ERR_CORRUPT, "record %" PRIu64 " cannot be read", index);
	const struct record_slot *person = RECORD_SLOT(r, 6);
	if (person->open && person->value.len > 0)
		return true;
	(void)snprintf(why, sizeof(why), "record %" PRIu64 " %s", index,
	    person->open ? "names no person" : "is erased already");
	job_fail(j, ERR_NOT_FOUND, why);
	return true;
}

/* The commitment stays in the place of salt and value, and so does the leaf. */
static bool
erase_person(
    struct committer *c, uint64_t index, struct record *r, const uint8_t leaf[32], struct err *e)
{
	uint8_t is[32];
	bool archived = false, soon = false;
	if (!record_leaf(&c->ledger->sha, r, is, e) ||
	    !apply_archive_has(c, index, &archived, &soon, e))
		return false;
	if (memcmp(is, leaf, sizeof(is)) != 0 && archived)
		return err_set(
		    e, ERR_IO, "archived record %" PRIu64 " does not give its leaf", index);
	if (memcmp(is, leaf, sizeof(is)) != 0) {
		store_break(c->ledger->store);
		return err_set(e, ERR_CORRUPT,
		    "record %" PRIu64 ": its contents do not give its leaf hash", index);
	}
	RECORD_SLOT(r, 6)->open = false;
	size_t size = record_entry_size(r);
	uint8_t *entry = arena_alloc(&c->ledger->scratch, size);
	if (entry == NULL)
		return err_set(e, ERR_NOMEM, "entry of %zu bytes", size);
	record_entry_write(r, leaf, entry);
	if (!archived)
		return store_erase_entry(c->ledger->store, index, bytes_from(entry, size), e);
	c->next_archive_us = 0; /* its file is made anew at once */
	return store_erase_archived(c->ledger->store, index, bytes_from(entry, size), e);
}

static bool
put_erase(struct committer *c, struct job *j, struct err *e)
{
	struct body b;
	struct log_out out;
	uint8_t *list = arena_alloc(&c->ledger->scratch, j->erase.count * 8);
	if (list == NULL)
		return err_set(e, ERR_NOMEM, "indexes");
	for (size_t i = 0; i < j->erase.count; i++)
		put_u64(list + 8 * i, j->erase.records[i]);
	event_body_begin(&b, EVENT_ERASE);
	event_body_bytes(&b, BODY_ERASE_RECORDS, bytes_from(list, j->erase.count * 8));
	if (!apply_own_record(c, &b, &j->by, &out, e))
		return false;
	j->erase.index = out.index;
	return true;
}

/* All of them or none, in the transaction of the record that says so. */
bool
apply_erase(struct committer *c, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct record r;
	uint8_t leaf[32];
	for (size_t i = 0; i < j->erase.count; i++)
		if (!read_person(c, j, j->erase.records[i], &r, leaf, e))
			return false;
		else if (j->fate == JOB_FAILED)
			return true;
	for (size_t i = 0; i < j->erase.count; i++)
		if (!read_person(c, j, j->erase.records[i], &r, leaf, e) ||
		    !erase_person(c, j->erase.records[i], &r, leaf, e))
			return false;
	return put_erase(c, j, e);
}

/* ---- BACKUP ---- */

/* The newest head is stored with its signature, so that the copy has it: a commit without records.
 * It may still be published later. */
static bool
settle(struct committer *c, struct err *e)
{
	struct ledger *l = c->ledger;
	if (!ledger_begin(l, wall_best(&c->shell->wall), e))
		return false;
	struct store_checkpoint cp = { .size = c->note_size,
		.note = bytes_from(c->note, c->note_len) };
	struct store_stamp now;
	l->dirty = true;
	if ((c->note != NULL && !store_put_checkpoint(l->store, &cp, e))) {
		ledger_undo(l);
		return false;
	}
	now = committer_stamp(c);
	if (!ledger_commit(l, &now, e))
		return false;
	wall_committed(&c->shell->wall, now.time_us);
	return true;
}

static bool
start(struct committer *c, struct job *j, struct err *e)
{
	struct shell *s = c->shell;
	struct backup_setup set = { .store = c->ledger->store,
		.dir = s->config->store_backup_dir,
		.name = bytes_of(j->backup.name),
		.key = s->log_key,
		.map_bytes = s->config->store_map_size,
		.archive = s->config->store_archive,
		.within_ms = committer_settings(c)->store_backup_within_ms,
		.done = &s->copied,
		.total = &s->copy_total };
	atomic_store(&s->copied, 0);
	return settle(c, e) && backup_begin(&set, &c->backup, e);
}

bool
apply_backup_start(struct committer *c, struct job *j)
{
	ASSERT_ON(ROLE_COMMITTER);
	if (c->backing != NULL) {
		(void)err_set(&j->backup.why, ERR_BUSY, "a backup is under way");
		return false;
	}
	if (!start(c, j, &j->backup.why))
		return false;
	c->backing = j;
	return true;
}

struct job *
apply_backup_end(struct committer *c, bool now)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct backup_result r;
	if (c->backing == NULL || (!now && !backup_over(c->backup)))
		return NULL;
	if (now)
		backup_stop(c->backup);
	backup_end(c->backup, &r);
	c->backup = NULL;
	struct job *j = c->backing;
	c->backing = NULL;
	j->backup.records = r.records;
	j->backup.bytes = r.bytes;
	j->backup.why = r.why;
	if (now && r.why.code == ERR_BUSY)
		(void)err_set(&j->backup.why, ERR_DRAINING, "the broker stops");
	return j;
}

/* What came of it: good or not, there is a record. */
bool
apply_backup(struct committer *c, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct body b;
	struct log_out out;
	enum err_code why = j->backup.why.code;
	event_body_begin(&b, EVENT_ADMIN);
	event_body_bytes(&b, BODY_ADMIN_COMMAND, bytes_of("backup"));
	event_body_bytes(&b, BODY_ADMIN_ARGUMENT, bytes_of(j->backup.name));
	event_body_bytes(&b, BODY_ADMIN_RESULT, bytes_of(why == ERR_NONE ? "ok" : err_token(why)));
	if (!apply_own_record(c, &b, &j->by, &out, e))
		return false;
	if (why != ERR_NONE)
		job_fail(j, why, j->backup.why.text);
	return true;
}

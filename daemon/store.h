/*
 * store.h - the store: reports, queues, the audit log and the rest, in one transaction.
 * DESIGN section 9, AUDIT sections 3 and 4; the tables byte by byte:
 * docs/decisions/0003-store-tables.md. Nothing of LMDB shows here: a replicated engine will be a
 * second driver behind this header.
 *
 * Writing.  One batch at a time, on the committer: store_begin, any of the store_put, store_drop
 * and store_name calls, then store_commit or store_abort.  Until store_commit has returned true
 * nothing has happened; a batch that fails anywhere leaves nothing behind.  store_commit returns
 * after the disk has it (fdatasync) and carries the fence: what the caller believes to be stored
 * must be what is stored.
 *
 * Errors of a batch.  ERR_FULL (map or disk full) and ERR_NOMEM are benign: abort, answer BUSY, go
 * on.  Every other error (ERR_STORE, ERR_CORRUPT) means that the outcome, or what is stored, is in
 * doubt: the store latches (store_is_broken), leaves a mark for the next start and refuses every
 * further batch; the caller stops the process (AUDIT I3, FACTS 3).  Nothing is retried in place.
 *
 * Reading.  A struct store_view is a snapshot of what was committed; a worker owns one or a few,
 * opens it for one event and closes it before the event ends, since an open view pins every page
 * freed after it (FACTS 10).  All that a read gives out is copied into the arena of the view.
 * Absence is no error: it is *found == false.  A value whose checksum is wrong is ERR_CORRUPT,
 * never absence.
 *
 * Threads: store_open, store_free and all of a batch belong to the committer (or to whoever runs
 * alone, before the threads start and after they ended); a view belongs to the thread that uses it.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

struct arena;
struct store;
struct store_view;

#define STORE_FORMAT 1u	      /* of the tables; another one is refused */
#define STORE_NONE UINT64_MAX /* "no such index": DELIVERY not yet recorded, no POLICY yet */
#define STORE_ID_BYTES 16u
#define STORE_HASH_BYTES 32u
#define STORE_TILE_BYTES 8192u /* 256 hashes */

/* ---- opening ------------------------------------------------------------------------------- */

struct store_config {
	const char *path;   /* a folder; made (0700) if it does not exist.  Borrowed for the call */
	uint64_t map_bytes; /* the most that the store may grow to; address space only */
	uint64_t reserve_bytes;	  /* free disk space that intake leaves to the log and to deletes */
	unsigned reserve_percent; /* the same, in percent of the disk; the larger counts */
	unsigned views;		  /* that may be open at once */
	uint64_t
	    generation; /* N of "origin/gN"; must be that of the store, which keeps it for ever */
	const char *archive; /* a folder: records that stand in files; NULL or "": there are none */
};

/*
 * Opens the store, or creates it so that a crash at any moment leaves either no store or a whole
 * one (FACTS 2).  A store of another format, of another generation, one that another process has
 * open or that is damaged: ERR_STORE or ERR_CORRUPT, and nothing is changed.
 */
MUST_USE bool store_open(const struct store_config *cfg, struct store **out, struct err *e);
/* Closes it.  All views must be freed.  A batch that is open is aborted.  NULL is accepted. */
void store_free(struct store *s);
SCOPED_FOR(struct store, store_free)

/* True once an error left the outcome in doubt; from then on every store_begin is refused. */
bool store_is_broken(const struct store *s);
/* Latches it from outside: the caller found the log and the tree to differ, say.  Any thread may:
 * a worker whose view met what LMDB says after a commit that failed. */
void store_break(struct store *s);
/* True if the last process left the store broken, or the machine went down under it ('boot_id' is
 * not that of the last commit and the last process said no goodbye): verify everything, not the
 * tail alone.  The mark goes with store_verified. */
bool store_needs_full_check(const struct store *s, const uint8_t boot_id[16]);
/* Says that the full verification passed. */
MUST_USE bool store_verified(struct store *s, struct err *e);
/* Housekeeping, about once a minute: readers that died are forgotten (FACTS 11). */
void store_tick(struct store *s);
/* ERR_FULL unless 'bytes' more of new reports leave the reserve alone: free disk above the reserve
 * and at most 80 % of the map in use.  For batches that bring new reports; one that only logs and
 * deletes does not ask. */
MUST_USE bool store_headroom(struct store *s, uint64_t bytes, struct err *e);

/* ---- a batch ------------------------------------------------------------------------------- */

struct store_fence {
	uint64_t generation;
	uint64_t log_size;		  /* leaves of the main tree */
	uint64_t epoch;			  /* index of the last POLICY record, or STORE_NONE */
	uint8_t policy[STORE_HASH_BYTES]; /* its epoch's digest; zero if there is none */
};
struct store_stamp {	  /* what the clock rule needs (DESIGN 11) */
	uint64_t time_us; /* of the commit, since 1970 UTC */
	uint64_t boot_us; /* CLOCK_BOOTTIME */
	uint8_t boot_id[16];
};
struct store_state {
	struct store_fence fence;
	struct store_stamp stamp; /* of the last commit; zero in a new store */
	uint64_t commits;
	uint64_t published; /* size of the newest published checkpoint, 0 if none */
	bool clean;	    /* the last process said goodbye, and nobody wrote since */
};

/* Starts a batch.  What its reads and names need is taken from 'scratch', which outlives it. */
MUST_USE bool store_begin(struct store *s, struct arena *scratch, struct err *e);
/*
 * Makes the batch durable.  'expect' is the fence as it was before this batch; if the stored one
 * differs the batch is aborted with ERR_STORE and the store is broken.  The new fence follows from
 * the batch: log size from the main head, epoch from store_put_epoch.  The batch is over whatever
 * is returned.
 */
MUST_USE bool store_commit(struct store *s, const struct store_fence *expect,
    const struct store_stamp *now, struct err *e);
/* Drops the batch.  Without an open batch it does nothing. */
void store_abort(struct store *s);
/* The open batch as a view: reads see what the batch wrote.  Valid until it ends; do not free. */
struct store_view *store_batch_view(struct store *s);
/* The next commit is the last one of this process: 'clean' is stored with it. */
void store_say_goodbye(struct store *s);

/* Names get numbers that are never used again, from 1. */
enum store_name_kind { STORE_NAME_PARTY = 1, STORE_NAME_AGENT, STORE_NAME_AGREEMENT };
/* The number of a name of at most 480 bytes, a new one if it has none. */
MUST_USE bool store_name(
    struct store *s, enum store_name_kind kind, struct bytes text, uint32_t *id, struct err *e);

/* A report is known by its originator party (a name id) and its id. */
struct store_report_key {
	uint32_t originator;
	uint8_t id[STORE_ID_BYTES];
};
struct store_report {
	struct store_report_key key;
	uint64_t intake;		    /* index of the INTAKE record */
	uint8_t manifest[STORE_HASH_BYTES]; /* manifest digest, for id-conflict */
	uint32_t decisions; /* DECISION records, which follow the INTAKE without a gap */
	uint8_t chain[STORE_HASH_BYTES]; /* SHA-256 under which the signer's chain is kept */
	uint64_t accepted_us;
	uint64_t expires_us; /* 0 = never */
	uint32_t body_bytes; /* of all parts together; what a queue entry of it weighs */
};
/* A new report; that it is new was checked in this batch, else ERR_STORE. */
MUST_USE bool store_put_report(struct store *s, const struct store_report *r, struct err *e);

enum store_part { /* part k's head and body: STORE_PART_HEAD(k), STORE_PART_BODY(k) */
	STORE_PART_MANIFEST = 0,
	STORE_PART_ROUTING = 1,
	STORE_PART_NOTICE = 2,
	STORE_PART_SEAL = 3,
	STORE_PART_FACTS = 4, /* of a later decision: under that record's index */
	STORE_PART_KEY = 5,   /* written by store_put_report: whose parts these are */
	STORE_PART_FIRST_HEAD = 16,
	STORE_PART_FIRST_BODY = 17
};
#define STORE_PART_HEAD(k) ((uint16_t)(STORE_PART_FIRST_HEAD + 2u * (unsigned)(k)))
#define STORE_PART_BODY(k) ((uint16_t)(STORE_PART_FIRST_BODY + 2u * (unsigned)(k)))
/* The parts of a record go in by rising number, records by rising index (the key part counts: put
 * parts 0 to 4, then the report, then heads and bodies).  Out of order: ERR_STORE. */
MUST_USE bool store_put_part(
    struct store *s, uint64_t index, uint16_t part, struct bytes bytes, struct err *e);

/* What a party was given of a report. */
struct store_given {
	uint32_t party;
	struct store_report_key report;
	uint64_t intake;
	uint64_t decision; /* the newest record that decides: DECISION, APPROVAL or NARROWED */
	uint64_t delivery; /* the DELIVERY record of the present set of portions, or STORE_NONE */
	uint64_t epoch;	   /* index of the POLICY record that it was decided under */
	uint64_t good_until_us; /* 0 = no end */
	struct bytes masks; /* per portion: bit i = agreement i of Routing released or held it */
};
/* Puts it, or replaces what (party, report) had. */
MUST_USE bool store_put_given(struct store *s, const struct store_given *g, struct err *e);
MUST_USE bool store_drop_given(
    struct store *s, uint32_t party, const struct store_report_key *report, struct err *e);

/* Subscriptions: numbers from 1, never used again. */
struct store_subscription {
	uint32_t id; /* 0 in store_put_subscription: a new one, whose number is given back */
	uint32_t party;
	uint8_t mode;	      /* enum mode */
	uint64_t created;     /* index of its SUBSCRIPTION record */
	struct bytes name;    /* at most 64 bytes */
	struct bytes pattern; /* at most 255 bytes */
};
MUST_USE bool store_put_subscription(
    struct store *s, struct store_subscription *sub, struct err *e);
/* Its queue must be empty (else ERR_STORE): each entry's end is a record. */
MUST_USE bool store_drop_subscription(struct store *s, uint32_t id, struct err *e);

/* A queue entry: one report for one subscription. */
struct store_queue_key {
	uint32_t subscription;
	uint8_t precedence; /* enum precedence */
	uint64_t decision;  /* the record by which the report became deliverable: the order (S6) */
};
struct store_queued {
	struct store_queue_key key;
	uint32_t attempts;
	uint64_t not_before_ms; /* since 1970 UTC; 0 = at once */
	uint64_t epoch;		/* index of the POLICY record that it was last decided under; 0: it
				 * was a dead letter */
	uint64_t good_until_us; /* 0 = no end */
	uint64_t expires_us;	/* 0 = never */
	uint64_t intake;
	struct store_report_key report;
	uint32_t bytes; /* what it weighs in the party's quota */
};
/* A new entry, or a replacement of the one under its key (attempts, times, epoch). */
MUST_USE bool store_enqueue(struct store *s, const struct store_queued *q, struct err *e);
/* *dropped (may be NULL) says whether there was one: an ack may come twice. */
MUST_USE bool store_dequeue(
    struct store *s, const struct store_queue_key *key, bool *dropped, struct err *e);
struct store_usage {
	uint64_t reports;
	uint64_t bytes;
};
/* What waits in all queues of a party, the open batch included.  Counted at open, then kept; for
 * the committer. */
struct store_usage store_usage(const struct store *s, uint32_t party);
/* Entries of one queue, likewise. */
uint32_t store_waiting(const struct store *s, uint32_t subscription);
/* Of these, those that were sent to the party before, and came back; likewise. */
uint32_t store_sent(const struct store *s, uint32_t subscription);
/* Some queue entry, dead letter or hold stands on this INTAKE, so its bodies must stay; likewise.
 */
bool store_is_needed(const struct store *s, uint64_t intake);

/*
 * Dead letters: what could not be put into a queue of a party, or was taken out of it after too
 * many deliveries (decision 0028).  One for each report and subscription, by party and report.
 */
enum store_dead {
	STORE_DEAD_NO_SUBSCRIPTION = 1,
	STORE_DEAD_MAILBOX_FULL,
	STORE_DEAD_MAX_DELIVERIES
};
/* As its record and those who ask are told. */
const char *store_dead_token(enum store_dead why);
struct store_letter_key {
	uint32_t party;
	struct store_report_key report;
	uint32_t subscription; /* 0: there was none */
};
struct store_letter {
	struct store_letter_key key;
	enum store_dead why;
	uint8_t mode; /* enum mode */
	uint8_t precedence;
	uint32_t attempts;
	uint64_t record; /* DEAD_LETTER */
	uint64_t dead_us;
	uint64_t decision; /* in the key of its queue entry */
	uint64_t not_before_ms;
	uint64_t expires_us; /* 0 = never */
	uint64_t intake;
	uint32_t bytes;
};
/* A new one, or in place of the one under its key. */
MUST_USE bool store_put_letter(struct store *s, const struct store_letter *l, struct err *e);
/* *dropped may be NULL. */
MUST_USE bool store_drop_letter(
    struct store *s, const struct store_letter_key *key, bool *dropped, struct err *e);
/* All dead letters of a party, the open batch included; for the committer. */
struct store_usage store_letters(const struct store *s, uint32_t party);

/* Held reports, by deadline. */
struct store_held {
	uint64_t deadline_us;
	uint64_t decision; /* the record that held it */
	uint64_t intake;
	uint32_t party; /* the recipient it is held from */
	struct store_report_key report;
};
MUST_USE bool store_put_hold(struct store *s, const struct store_held *h, struct err *e);
MUST_USE bool store_drop_hold(
    struct store *s, uint64_t deadline_us, uint64_t decision, struct err *e);

/* The log (docs/audit-format.md, sections 5 and 6).  Indices rise by one from 0: another is
 * ERR_STORE.  'value' is what record_entry_write gives, leaf hash first: at most 1 MiB. */
MUST_USE bool store_put_entry(struct store *s, uint64_t index, struct bytes value, struct err *e);
/* The entries as they lie in the pages that the batch will write, from 'from' on, without a gap;
 * valid until its next write. */
MUST_USE bool store_see_entries(
    struct store *s, uint64_t from, struct bytes *out, size_t *count, struct err *e);
/* Rewrites an entry whose slot 6 was erased; the leaf hash (its first 32 bytes) must stay. */
MUST_USE bool store_erase_entry(struct store *s, uint64_t index, struct bytes value, struct err *e);
/* A full tile, once: a second time is ERR_STORE. */
MUST_USE bool store_put_tile(struct store *s, uint8_t level, uint64_t n,
    const uint8_t hashes[STORE_TILE_BYTES], struct err *e);
#define STORE_MAIN_TREE 0u
struct store_head {
	uint32_t tree; /* STORE_MAIN_TREE, or the name id of a party */
	uint64_t size;
	uint8_t root[STORE_HASH_BYTES];
	uint8_t frontier[64][STORE_HASH_BYTES]; /* only those of set bits of size are kept */
	uint64_t time_us;			/* of the last record */
	uint64_t head_index; /* party trees: the last PARTY_HEAD, or STORE_NONE */
	uint64_t head_size;  /* party trees: the size that it said */
};
/* Replaces the head of a tree.  In a batch that put entries the main head must follow, and its size
 * must be the last index plus one; store_commit refuses anything else. */
MUST_USE bool store_put_head(struct store *s, const struct store_head *h, struct err *e);
/* A signed checkpoint.  Sizes only rise (the same size replaces it: cosignatures came).  The newest
 * one before it goes, unless it was published. */
struct store_checkpoint {
	uint64_t size;
	bool published; /* given to somebody (AUDIT 5) */
	struct bytes note;
};
MUST_USE bool store_put_checkpoint(
    struct store *s, const struct store_checkpoint *c, struct err *e);
/* A published checkpoint with signatures added; ERR_NOT_FOUND if none of this size was published,
 * ERR_DATA if 'note' does not begin with it. */
MUST_USE bool store_put_cosigned(struct store *s, uint64_t size, struct bytes note, struct err *e);
/* From this batch on records are decided under the epoch whose POLICY record is 'index'. */
MUST_USE bool store_put_epoch(
    struct store *s, uint64_t index, const uint8_t digest[STORE_HASH_BYTES], struct err *e);

/* Bytes by their SHA-256, which the store computes itself: doubles cost nothing. */
enum store_blob {
	STORE_CHAIN = 1,
	STORE_POLICY
}; /* a signer's chain; exports, terms, SPIFs, anchors */
MUST_USE bool store_put_blob(struct store *s, enum store_blob kind, struct bytes bytes,
    uint8_t digest[STORE_HASH_BYTES], struct err *e);
/* Small named values of the caller's, at most 1,024 bytes under a name of at most 96; an empty
 * value removes. */
MUST_USE bool store_put_note(struct store *s, const char *name, struct bytes value, struct err *e);

/* Retention: the bodies of a report (heads, manifest and the rest are evidence and stay); the row
 * that remembers its id. */
MUST_USE bool store_drop_bodies(struct store *s, uint64_t intake, struct err *e);
MUST_USE bool store_drop_report(struct store *s, const struct store_report_key *key, struct err *e);

/* ---- views --------------------------------------------------------------------------------- */

/* A closed view.  ERR_STORE if there are more than config.views. */
MUST_USE bool store_view_new(struct store *s, struct store_view **out, struct err *e);
void store_view_free(struct store_view *v);
SCOPED_FOR(struct store_view, store_view_free)
/* Takes a snapshot.  What is read is copied into 'arena'. */
MUST_USE bool store_view_open(struct store_view *v, struct arena *arena, struct err *e);
/* Lets the snapshot go; what was copied stays.  A closed view stays closed. */
void store_view_close(struct store_view *v);

MUST_USE bool store_read_state(struct store_view *v, struct store_state *out, struct err *e);
MUST_USE bool store_find_name(struct store_view *v, enum store_name_kind kind, struct bytes text,
    uint32_t *id, bool *found, struct err *e);
/* The name of a number. */
MUST_USE bool store_name_text(struct store_view *v, enum store_name_kind kind, uint32_t id,
    struct bytes *text, bool *found, struct err *e);
MUST_USE bool store_find_report(struct store_view *v, const struct store_report_key *key,
    struct store_report *out, bool *found, struct err *e);
/* Whose record this INTAKE index is. */
MUST_USE bool store_find_intake(struct store_view *v, uint64_t intake, struct store_report_key *out,
    bool *found, struct err *e);
MUST_USE bool store_read_part(struct store_view *v, uint64_t index, uint16_t part,
    struct bytes *out, bool *found, struct err *e);
/* Its masks are copied. */
MUST_USE bool store_find_given(struct store_view *v, uint32_t party,
    const struct store_report_key *report, struct store_given *out, bool *found, struct err *e);
/* What the party was given of reports with this id, whoever originated them: the first of an
 * originator above 'after' (0 to begin). */
MUST_USE bool store_next_given(struct store_view *v, uint32_t party,
    const struct store_report_key *after, struct store_given *out, bool *found, struct err *e);
/* The lowest INTAKE index at or above 'from' that still has bodies, for retention. */
MUST_USE bool store_next_bodies(
    struct store_view *v, uint64_t from, uint64_t *intake, bool *found, struct err *e);
MUST_USE bool store_read_blob(struct store_view *v, enum store_blob kind,
    const uint8_t digest[STORE_HASH_BYTES], struct bytes *out, bool *found, struct err *e);
MUST_USE bool store_read_note(
    struct store_view *v, const char *name, struct bytes *out, bool *found, struct err *e);

struct store_note {
	struct bytes name, value;
};
/* Pages: the first *count (in: room; out: given) after a position; 0 means the end. */
/* Entries of one subscription and precedence after the decision index 'after' (key.decision; start
 * with STORE_QUEUE_START). */
#define STORE_QUEUE_START UINT64_MAX /* before every decision index */
MUST_USE bool store_read_queue(struct store_view *v, const struct store_queue_key *after,
    struct store_queued *out, size_t *count, struct err *e);
MUST_USE bool store_find_queued(struct store_view *v, const struct store_queue_key *key,
    struct store_queued *out, bool *found, struct err *e);
/* All entries of all queues, in key order, after 'after' (NULL to begin); for start-up and sweeps.
 */
MUST_USE bool store_read_queues(struct store_view *v, const struct store_queue_key *after,
    struct store_queued *out, size_t *count, struct err *e);
/* Dead letters in key order, from 'from' on (NULL: all). */
MUST_USE bool store_read_letters(struct store_view *v, const struct store_letter_key *from,
    struct store_letter *out, size_t *count, struct err *e);
/* Of those of the party of 'from', from there on, those that were sent to it: among the first
 * LIMIT_LETTERS_LOOKED. */
MUST_USE bool store_read_sent_letters(struct store_view *v, const struct store_letter_key *from,
    struct store_letter *out, size_t *count, struct err *e);
/* Holds by deadline, after 'after' (NULL to begin): only its deadline and decision are looked at.
 */
MUST_USE bool store_read_holds(struct store_view *v, const struct store_held *after,
    struct store_held *out, size_t *count, struct err *e);
/* Notes by name, above 'after', that share what it has up to its first '/'. */
MUST_USE bool store_read_notes(
    struct store_view *v, struct bytes after, struct store_note *out, size_t *count, struct err *e);
/* Subscriptions with a number above 'after'. */
MUST_USE bool store_read_subscriptions(struct store_view *v, uint32_t after,
    struct store_subscription *out, size_t *count, struct err *e);
/* Reports by originator and id, after 'after' (NULL to begin). */
MUST_USE bool store_read_reports(struct store_view *v, const struct store_report_key *after,
    struct store_report *out, size_t *count, struct err *e);
/* What was given, by party, id and originator, after 'after' (NULL to begin); masks are copied. */
MUST_USE bool store_read_given(struct store_view *v, const struct store_given *after,
    struct store_given *out, size_t *count, struct err *e);
/* Heads of trees with a number above 'after'; the main tree's comes from store_read_head alone. */
MUST_USE bool store_read_heads(
    struct store_view *v, uint32_t after, struct store_head *out, size_t *count, struct err *e);

/* The log. */
MUST_USE bool store_read_entry(
    struct store_view *v, uint64_t index, struct bytes *out, bool *found, struct err *e);
/* Entries from 'from' on, without a gap: at most *count and about 'max_bytes', at least one if
 * there is one.  A gap is ERR_CORRUPT. */
MUST_USE bool store_read_entries(struct store_view *v, uint64_t from, size_t max_bytes,
    struct bytes *out, size_t *count, struct err *e);
MUST_USE bool store_read_tile(struct store_view *v, uint8_t level, uint64_t n,
    uint8_t out[STORE_TILE_BYTES], bool *found, struct err *e);
/* A tree that never had a leaf: size 0, *found false. */
MUST_USE bool store_read_head(
    struct store_view *v, uint32_t tree, struct store_head *out, bool *found, struct err *e);
/* The newest checkpoint of a size of at most 'at_most'; with 'published' the newest such. */
MUST_USE bool store_read_checkpoint(struct store_view *v, uint64_t at_most, bool published,
    struct store_checkpoint *out, bool *found, struct err *e);

/*
 * Records in files.  The oldest records may stand in files of config.archive instead of in rows
 * (daemon/archive.h writes them, whole segments at a time); reads of entries find them there.
 * A file that cannot be reached, or is damaged, is ERR_IO: what needs it waits until it is back.
 * Tiles, heads and all other rows stay.  An index only says where to look: a record that is not
 * there, or is another one, is looked for from the beginning of its file, so that the two files may
 * be replaced one after the other.
 *   gN/FROM-TO/record/NNNNNN   1,024 records: for each u32 length || opening, as in a bundle
 *   gN/FROM-TO/index/NNNNNN    for each of them u32 where it begins || u32 store_archive_crc
 */
enum { STORE_ARCHIVE_FILE = 1024, STORE_ARCHIVE_PATH = 128, STORE_OUTDATED_PAGE = 64 };
struct store_archive {
	uint64_t end;	  /* records below stand in files; 0: none */
	uint32_t segment; /* records a folder: a multiple of STORE_ARCHIVE_FILE; 0: none yet */
};
MUST_USE bool store_read_archive(struct store_view *v, struct store_archive *out, struct err *e);
/* In a batch: the rows of all records below 'to' go.  Their files must be there and durable.  The
 * segment is that of the first time, for ever. */
MUST_USE bool store_archive_entries(struct store *s, uint64_t to, uint32_t segment, struct err *e);
/*
 * In a batch: a record that stands in a file gets another entry with the same leaf hash, as a row
 * again, which from then on is what reads find, whatever the file has.  The file is noted as one
 * that has to be made anew.
 */
MUST_USE bool store_erase_archived(
    struct store *s, uint64_t index, struct bytes value, struct err *e);
/* Files (by the number in their name) that have to be made anew, above 'after' (NULL to begin).
 * 'mark' is another one after each erasure. */
struct store_outdated {
	uint64_t file, mark;
};
MUST_USE bool store_read_outdated(struct store_view *v, const struct store_outdated *after,
    struct store_outdated *out, size_t *count, struct err *e);
/* In a batch: the file was made anew when it had that mark. */
MUST_USE bool store_renewed(struct store *s, const struct store_outdated *file, struct err *e);
/* "g1/000000000000-000000065536" */
void store_archive_folder(
    uint64_t generation, uint64_t from, uint64_t to, char out[STORE_ARCHIVE_PATH]);
/* CRC-32C of u64 index || u32 length || opening. */
uint32_t store_archive_crc(uint64_t index, struct bytes opening);

/*
 * A copy of what was committed, compacted: without what was deleted, and with nothing of free pages
 * (FACTS 14).  It is written to 'fd' from its beginning, with threads of its own, while batches and
 * views go on.  It pins every page freed after it began, so the caller bounds it: it ends, with
 * ERR_BUSY, soon after 'stop' is set or 'until_ms' (of CLOCK_BOOTTIME) has come, and with ERR_FULL
 * when the map has no headroom any more, or the disk that it is written to no more than the store's
 * reserve where that is the store's own.  ERR_IO: it could not be written.  A store that was opened
 * as a copy cannot be copied.
 * Threads: from any, which both functions of 'watch' are called on; it is shared with its watcher.
 */
struct store_copy {
	_Atomic bool stop; /* the watcher's */
	uint64_t until_ms;
	/* Called once, as soon as the snapshot is taken: what is committed later is not in it. */
	void (*taken)(void *arg);
	/* Bytes written, and what they may be in the end, at most. */
	void (*went)(void *arg, uint64_t done, uint64_t most);
	void *arg;
};
MUST_USE bool store_copy(struct store *s, int fd, struct store_copy *watch, struct err *e);
/* Opens a copy ('path' has its data.mdb) to be read and verified; nothing is written to it and no
 * batch can begin.  The generation is not asked. */
MUST_USE bool store_open_copy(const struct store_config *cfg, struct store **out, struct err *e);

/* Reads everything and checks every checksum; the first that is wrong is ERR_CORRUPT.  ERR_BUSY
 * once *stop; it may be NULL. */
struct store_counts {
	uint64_t rows;
	uint64_t bytes;
};
MUST_USE bool store_check(
    struct store_view *v, const _Atomic bool *stop, struct store_counts *out, struct err *e);

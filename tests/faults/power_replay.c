/*
 * power_replay.c - disks after power cuts, from a record of power_record.c.
 * usage: power_replay BASE RECORD WORK SEED [--no-flushes[=NAME] | --at-end] COMMAND
 *	look FIRST STEP END	images FIRST, FIRST + STEP, .. below END, in the order of their
 *cuts: verified as a start would, and what is in them (power_look.h)
 *	make NUMBER		leaves one image in WORK
 *	end			leaves in WORK what there is without a cut
 * BASE is the folder as it was when the record began.  An image is known by seed and number: where
 * the power went, and what became of what was not flushed.  --no-flushes: no flush counts, of what
 * begins with NAME;
 * --at-end: the power goes when all is over.
 */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/power_disk.h"
#include "tests/faults/power_look.h"

enum { PATH = 4096, LOOK_SECONDS = 60, FIRST_ENTRIES = 60 };
static const char *const subtrees[] = { "spool", "run", "archive", "home/state", "home/saved" };

struct replay {
	const char *base, *record, *work, *kept;
	uint64_t seed, keep_every;
	const char *deaf; /* power_disk_new */
	bool at_end;
	struct power_disk *disk;
	/* places that deserve more cuts than their share */
	size_t *sends, *flushed, *files, *starts;
	size_t send_count, flushed_count, file_count, start_count;
};

struct image {
	uint64_t number;
	size_t cut; /* so many entries have happened */
	struct power_chance chance;
};

static int
failed(const char *what)
{
	(void)fprintf(stderr, "power_replay: %s: %s\n", what, strerror(errno));
	return 70;
}

/* ---- where the power goes ---- */

static void
open_disk(struct replay *r)
{
	r->disk = power_disk_new(r->base, r->record, r->deaf);
	size_t n = power_disk_entries(r->disk);
	size_t **lists[] = { &r->sends, &r->flushed, &r->files, &r->starts };
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if ((*lists[i] = calloc(n + 1, sizeof(size_t))) == NULL)
			exit(failed("memory"));
	for (size_t i = 0; i < n; i++) {
		uint32_t kind = power_disk_entry(r->disk, i)->kind;
		if (kind == POWER_SEND)
			r->sends[r->send_count++] = i;
		if (kind == POWER_SYNC_DONE || kind == POWER_WRITE_DONE)
			r->flushed[r->flushed_count++] = i;
		if (kind == POWER_START)
			r->starts[r->start_count++] = i;
		else if (kind < POWER_ACCEPT)
			r->files[r->file_count++] = i;
	}
}

static size_t
pick(uint64_t *state, const size_t *list, size_t count)
{
	return count == 0 ? 0 : list[power_roll(state, count)];
}

/* Anywhere; as soon as something left; beside a flush; between changes of files; as a process
 * begins. */
static size_t
choose_cut(const struct replay *r, uint64_t *state)
{
	size_t n = power_disk_entries(r->disk), cut;
	uint64_t where = power_roll(state, 100);
	if (where < 35)
		return power_roll(state, n + 1);
	if (where < 55)
		cut = pick(state, r->sends, r->send_count) + 1;
	else if (where < 75)
		cut = pick(state, r->flushed, r->flushed_count) + power_roll(state, 2);
	else if (where < 90)
		cut = pick(state, r->files, r->file_count) + 1;
	else
		cut = pick(state, r->starts, r->start_count) + power_roll(state, FIRST_ENTRIES);
	return cut < n ? cut : n;
}

static struct image
choose(const struct replay *r, uint64_t number)
{
	static const unsigned keep[] = { 0, 10, 50, 50, 90, 100 }, tear[] = { 0, 0, 30, 100 };
	struct image i = { .number = number };
	uint64_t *state = &i.chance.state;
	*state = r->seed * 0x2545F4914F6CDD1Du + number;
	i.cut = r->at_end ? power_disk_entries(r->disk) : choose_cut(r, state);
	i.chance.keep = keep[power_roll(state, 6)];
	i.chance.tear = tear[power_roll(state, 4)];
	i.chance.tear_bytes = power_roll(state, 2) == 0 ? 512 : 4096;
	return i;
}

static int
by_cut(const void *a, const void *b)
{
	const struct image *x = a, *y = b;
	return x->cut != y->cut ? (x->cut > y->cut) - (x->cut < y->cut)
				: (x->number > y->number) - (x->number < y->number);
}

/* ---- an image ---- */

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st;
	(void)flag;
	return f->level == 0 ? 0 : remove(path);
}

static void
clear(const char *work)
{
	(void)nftw(work, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool
write_image(struct replay *r, struct power_chance *chance, const char *work)
{
	char to[PATH];
	(void)snprintf(to, sizeof(to), "%s/home", work);
	bool ok = mkdir(to, 0700) == 0;
	for (size_t i = 0; ok && i < sizeof(subtrees) / sizeof(subtrees[0]); i++) {
		(void)snprintf(to, sizeof(to), "%s/%s", work, subtrees[i]);
		ok = power_disk_write(r->disk, chance, subtrees[i], to);
	}
	return ok;
}

/* In a process of its own: LMDB may stop the program at a page that cannot be, and a map that is
 * cut short ends in SIGBUS. */
static void
look_at(struct replay *r, struct image *i)
{
	char kept[PATH], vkey[PATH];
	(void)snprintf(kept, sizeof(kept), "%s/%" PRIu64, r->kept, i->number);
	(void)snprintf(vkey, sizeof(vkey), "%s/hub/log.vkey", r->base);
	(void)alarm(LOOK_SECONDS);
	if (!write_image(r, &i->chance, r->work))
		exit(failed("write an image"));
	if (r->keep_every != 0 && i->number % r->keep_every == 0 &&
	    (mkdir(kept, 0700) != 0 || !write_image(r, &i->chance, kept)))
		exit(failed("keep an image"));
	power_look(r->work, vkey, stdout);
	exit(fflush(stdout) == 0 ? 0 : 70);
}

static bool
look(struct replay *r, struct image *i)
{
	int status;
	power_disk_run(r->disk, i->cut);
	(void)printf("image %" PRIu64 " %zu\n", i->number, i->cut);
	(void)fflush(stdout);
	pid_t child = fork();
	if (child == 0)
		look_at(r, i);
	if (child < 0 || waitpid(child, &status, 0) != child)
		return false;
	clear(r->work);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 70)
		return false;
	if (WIFSIGNALED(status))
		(void)printf("\ndied %s\n", strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		(void)printf("\ndied exit status %d\n", WEXITSTATUS(status));
	return printf("end\n") > 0 && fflush(stdout) == 0;
}

/* ---- commands ---- */

static int
command_look(struct replay *r, char **range)
{
	uint64_t first = strtoull(range[0], NULL, 10), stride = strtoull(range[1], NULL, 10);
	uint64_t end = strtoull(range[2], NULL, 10);
	if (range[3] != NULL) {
		r->kept = range[3];
		r->keep_every = strtoull(range[4], NULL, 10);
	}
	if (stride == 0 || first >= end)
		return 0;
	size_t count = (size_t)((end - first + stride - 1) / stride);
	struct image *all = calloc(count, sizeof(*all));
	if (all == NULL)
		return failed("memory");
	for (size_t i = 0; i < count; i++)
		all[i] = choose(r, first + i * stride);
	qsort(all, count, sizeof(*all), by_cut);
	bool ok = true;
	for (size_t i = 0; ok && i < count; i++)
		ok = look(r, &all[i]);
	free(all);
	return ok ? 0 : failed("look at an image");
}

static int
command_make(struct replay *r, const char *number)
{
	struct image i = choose(r, strtoull(number, NULL, 10));
	power_disk_run(r->disk, i.cut);
	(void)printf("cut %zu keep %u tear %u bytes %zu\n", i.cut, i.chance.keep, i.chance.tear,
	    i.chance.tear_bytes);
	return write_image(r, &i.chance, r->work) ? 0 : failed("write the image");
}

static int
command_end(struct replay *r)
{
	struct power_chance chance = { .all = true };
	power_disk_run(r->disk, power_disk_entries(r->disk));
	return write_image(r, &chance, r->work) ? 0 : failed("write the end");
}

int
main(int argc, char **argv)
{
	int at = 5;
	struct replay r = { 0 };
	if (argc > at && strncmp(argv[at], "--", 2) == 0) {
		const char *of = argv[at] + strlen("--no-flushes");
		if (strncmp(argv[at], "--no-flushes", strlen("--no-flushes")) == 0)
			r.deaf = of[0] == '=' ? of + 1 : of;
		r.at_end = strcmp(argv[at++], "--at-end") == 0;
	}
	if (argc <= at) {
		(void)fputs("usage: power_replay BASE RECORD WORK SEED [OPTION] COMMAND\n", stderr);
		return 64;
	}
	r.base = argv[1];
	r.record = argv[2];
	r.work = argv[3];
	r.seed = strtoull(argv[4], NULL, 10);
	open_disk(&r);
	if (strcmp(argv[at], "look") == 0 && (argc == at + 4 || argc == at + 6))
		return command_look(&r, argv + at + 1);
	if (strcmp(argv[at], "make") == 0 && argc == at + 2)
		return command_make(&r, argv[at + 1]);
	if (strcmp(argv[at], "end") == 0 && argc == at + 1)
		return command_end(&r);
	(void)fputs("power_replay: look FIRST STEP END [KEPT EVERY], make NUMBER or end\n", stderr);
	return 64;
}

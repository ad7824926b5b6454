/*
 * power_disk.h - the disk after a power cut, made from a record of power_record.c.
 * The model: what was flushed is there.  Of everything else, each write, each change of a size and
 * each change of a name may be there or not, whatever became of the others; a write may be torn at
 * 512 or 4,096 bytes.  A flush of a file makes its bytes and its size durable, not its name; a name
 * is durable once its folder was flushed.  A rename is whole: a file never loses both names.  A
 * write to an O_DSYNC descriptor is durable when it returned.  What a failed flush was asked for no
 * later one makes durable: the cache takes it for written.  A file that is mapped for writing may
 * hold anything.
 * Whoever runs out of memory here, or reads a record that makes no sense, stops the program.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/faults/power_entry.h"

struct power_disk;

/* What becomes of what was not flushed. */
struct power_chance {
	uint64_t state;	   /* of the generator; power_roll */
	bool all;	   /* everything is there, as without a cut */
	unsigned keep;	   /* of 100 changes so many are there.. */
	unsigned tear;	   /* ..of 100 writes so many are torn */
	size_t tear_bytes; /* where: 512 or 4096 */
};
/* A number below 'below'. */
uint64_t power_roll(uint64_t *state, uint64_t below);

/* The folder 'base' as it was, all of it durable, and the record that follows.  Of names that begin
 * with 'deaf' no flush ever counts, a control: "" is all of them, NULL none. */
struct power_disk *power_disk_new(const char *base, const char *record, const char *deaf);
size_t power_disk_entries(const struct power_disk *d);
const struct power_entry *power_disk_entry(const struct power_disk *d, size_t i);
/* Goes on until the first 'cut' entries have happened. */
void power_disk_run(struct power_disk *d, size_t cut);
/* Writes what is below 'name' after a cut now as 'to'; nothing if there is no such name.  The disk
 * is of no use afterwards: call it in a process of its own.  False, with errno, if it cannot. */
bool power_disk_write(
    struct power_disk *d, struct power_chance *chance, const char *name, const char *to);

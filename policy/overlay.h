/*
 * overlay.h - the files of a policy, read once and kept, with one change in place: what a policy
 * would be if its text were another.
 * Threads: one owner.
 */
#pragma once
#include "policy/epoch.h"
#include "policy/text.h"

struct edit {		     /* a piece of one file, and what stands in its place */
	struct text_pos pos; /* where it begins */
	size_t at;	     /* the same in bytes of the file */
	struct bytes remove; /* what is there now */
	struct bytes insert;
};

struct overlay {
	const struct epoch_source *below;
	struct arena *arena; /* keeps what was read */
	struct overlay_kept *kept;
	const struct edit *edit; /* NULL: the files as they are */
};

void overlay_init(struct overlay *o, const struct epoch_source *below, struct arena *a);
/* The source that reads through it; it lives as long as the overlay and gives out views into its
 * arena. */
struct epoch_source overlay_source(struct overlay *o);

/*
 * verify_compare.h - two heads of one log, each a checkpoint or the one of a bundle: is the smaller
 * one of the larger one's tree?
 */
#pragma once
#include "audit/verify_state.h"

struct verify_compare {
	const char *paths[2]; /* of the smaller head and of the larger one */
	struct bytes notes[2];
	struct checkpoint heads[2];
	bool same;  /* one size and one root */
	bool fork;  /* one size and two roots */
	bool whole; /* the larger one is a bundle: its tree can be walked */
};
/* Reads both and verifies their signatures, the witnesses' too.  ERR_USAGE, ERR_IO, what
 * checkpoint_open says. */
MUST_USE bool verify_compare_open(struct arena *a, const char *const paths[2],
    const struct checkpoint_trust *trust, struct verify_compare *out, struct err *e);

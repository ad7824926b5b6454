/*
 * cells_case.h - the inside of cells.h: one crowd of receivers in one scene, label by label.
 * Threads: one.
 */
#pragma once
#include "policy/cells.h"
#include "policy/cover.h"

struct cells_run {
	const struct cells_ask *ask;
	struct arena *arena;		    /* what is given out */
	struct arena scratch, words, court; /* of a case, of its labels, of a decision */
	struct realms realms;
	const struct sight (*sights)[2]; /* by realm */
	struct scenes scenes;
	bool same_world;
	uint64_t moments[16];
	size_t moment_count;
	cells_taker *take;
	void *ctx;
	struct err *err;
};

struct case_ {
	struct cells_side side[2];
	const struct crowd *to;
	const struct scene *scene;
	const struct occasion *occasion;
	struct bytes sender, receiver;
	const struct member *from[2];
	const struct member *member[2]; /* the receiver; NULL: it gets nothing on that side */
	const bool *applies[2];		/* by rule */
};
MUST_USE bool case_run(struct cells_run *run, const struct case_ *c);

/* ---- judging by the kernel (cells_judge.c) ---- */

/* The agreements as a case needs them: in force at any time, with two members. */
struct bench_side {
	const struct epoch *epoch;
	struct agreement open, marked; /* 'marked': unmarked portions are the members' */
	struct member members[2];
	bool sits;
};
struct bench {
	struct bench_side side[2];
	const struct case_ *of;
	uint64_t time;
	struct cells_run *run;
};
MUST_USE bool bench_init(struct bench *b, struct cells_run *run, const struct case_ *c);
/* 'unmarked': a portion without releasability is not withheld for that. */
MUST_USE bool bench_judge(struct bench *b, size_t side, const struct raw_label *labels,
    size_t count, bool unmarked, struct cell_said *out);

/*
 * cosigner_inside.h - the inside of the cosigner: cosigner.c asks and judges, cosigner_say.c tells
 * operators.  Threads: the cosigner's alone, but for 'report', which the lock guards.
 */
#pragma once
#include "daemon/cosigner.h"
#include "daemon/witness_ask.h"
#include "proto/arena.h"

#include <pthread.h>

struct store_view;

struct witness {
	const struct note_key *key;
	bool asked; /* it has a URL */
	struct witness_ask ask;
	uint64_t size; /* of the head that it cosigned last, as far as is known; 0: ask */
	unsigned tries;
	bool over;	 /* nothing more is expected of it in this round */
	int64_t told_ms; /* when its failure was logged last; 0: it is well */
};
/* What status says, under the lock. */
struct report {
	bool met;
	uint64_t size; /* of the head that 'met' speaks of */
	struct {
		uint64_t size; /* the largest that it signed */
		char why[192]; /* "" if it is well */
	} witness[QUORUM_WITNESSES_MAX];
};
/* One head and how far it has come. */
struct head {
	struct arena arena;
	struct checkpoint cp;
	struct bytes note; /* with what came so far */
	size_t stored;	   /* bytes of it that the store has or will have */
	struct note_seen seen[QUORUM_WITNESSES_MAX];
};
struct cosigner {
	struct cosigner_setup set;
	struct shell *shell;
	struct quorum *q;
	struct witness w[QUORUM_WITNESSES_MAX];
	int wake;
	pthread_t thread;
	bool running;
	_Atomic bool stopping;
	struct sha256 h;
	struct store_view *view;
	struct metrics metrics;
	struct {
		uint64_t size;
		size_t len;
		int64_t until_ms; /* then it is asked for again, should it have been lost */
	} posted;
	int64_t again_ms;   /* ask again then; 0: when something new is published */
	int64_t missing_ms; /* when a missing quorum was logged last; 0: it is not missing */
	pthread_mutex_t lock;
	struct report report;
};

/* Of a clock that never steps. */
int64_t cosigner_now_ms(void);
/* Witness 'i' has signed the head of 'size'. */
void cosigner_say_well(struct cosigner *c, size_t i, uint64_t size);
/* ..or why not.  'grave': it says that this log is not what it saw. */
void cosigner_say_failed(struct cosigner *c, size_t i, bool grave, const char *why);
void cosigner_say_quorum(struct cosigner *c, const struct head *h, bool met);

#include "daemon/job.h"

#include "proto/arena.h"
#include <stdlib.h>

struct job *
job_new(enum job_kind kind, struct arena **arena, size_t cap)
{
	struct job *j = calloc(1, sizeof(*j));
	struct arena *own = NULL;
	if (j != NULL && arena == NULL) {
		own = calloc(1, sizeof(*own));
		if (own != NULL)
			arena_init(own, cap);
	}
	if (j == NULL || (arena == NULL && own == NULL)) {
		free(j);
		return NULL;
	}
	j->kind = kind;
	j->letter.kind = LETTER_JOB;
	j->arena = arena == NULL ? own : MOVE(*arena);
	return j;
}

void
notice_free(struct notice *n)
{
	if (n != NULL) {
		free(n->deliveries);
		free(n->backs);
	}
	free(n);
}

void
job_free(struct job *j)
{
	if (j == NULL)
		return;
	arena_done(j->arena);
	free(j->arena);
	free(j);
}

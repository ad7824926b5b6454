/*
 * policy_replay.h - the past reports of an audit bundle under two policies: which would have gone
 * elsewhere.  Facts are all it takes; bodies are in no bundle.  Whether the bundle is what the log
 * says is relto-verify's to find.
 * Threads: one.
 */
#pragma once
#include "client/cli/out.h"
#include "policy/decide.h"
#include "policy/diff.h"

struct replay_portion {
	uint32_t portion;
	struct cell_said said[2];
};
struct replay_row { /* one decision for one recipient */
	enum diff_turn turn;
	uint64_t record;    /* that names the facts first */
	const char *report; /* 36 characters */
	uint64_t time;	    /* µs */
	bool later;	    /* a decision that was made again */
	struct bytes from, to, topic;
	size_t portion_count;
	struct replay_portion *portions; /* those that differ */
	size_t differ_count;
};
struct replay {
	struct replay_row *rows;
	size_t row_count, row_room;
	uint64_t judged;  /* facts */
	uint64_t missing; /* facts that records name and the bundle lacks */
	bool widens;
};
/* What *out points to lives in 'a' and in the epochs. */
MUST_USE bool replay_run(const char *bundle, const struct epoch *const epochs[2], struct arena *a,
    struct replay *out, struct err *e);
MUST_USE bool replay_print(const struct replay *r, struct arena *a, struct err *e);
void replay_json(const struct replay *r, struct out_json *j);

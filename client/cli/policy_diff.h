/*
 * policy_diff.h - relto policy diff: what a change of a policy changes.
 */
#pragma once
#include "client/cli/policy_load.h"
#include "client/cli/policy_replay.h"

struct differing {
	const char *dirs[2];
	struct policy_load loads[2];
	struct diff diff;
	const char *bundle; /* NULL: no past reports */
	struct replay replay;
	bool json;
};

int policy_diff(int argc, char **argv);

MUST_USE bool policy_diff_print(struct differing *d, struct err *e);
void policy_diff_json(struct differing *d);

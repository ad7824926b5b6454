/*
 * cmd.h - one function a command of relto (DESIGN section 12): int cmd_NAME(argc, argv) gets the
 * words from its own name on and returns the exit status.  Data goes to stdout, talk to stderr.
 * cmd_NAME_usage says how it is called, without "relto".
 */
#pragma once

#define C(name, summary) \
	extern const char cmd_##name##_usage[]; \
	int cmd_##name(int argc, char **argv);
#define L(name, summary) C(name, summary)
#include "client/cli/cmd.def"
#undef C
#undef L

/*
 * cmd.h - one function a command of relto (DESIGN section 12): int cmd_NAME(argc, argv) gets the
 * words from its own name on and returns the exit status.  Data goes to stdout, talk to stderr.
 */
#pragma once

#define C(name, usage, summary) int cmd_##name(int argc, char **argv);
#include "client/cli/cmd.def"
#undef C

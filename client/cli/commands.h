/* commands.h - the commands of relto as a table (cmd.def). */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct command {
	const char *name, *usage, *summary;
	int (*run)(int argc, char **argv);
	bool context; /* it talks to a broker, and takes the settings of a context */
};
extern const struct command commands[];
extern const size_t command_count;
/* NULL: there is none of that name. */
const struct command *command_find(const char *name);

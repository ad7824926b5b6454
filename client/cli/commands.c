#include "client/cli/commands.h"

#include "client/cli/cmd.h"

#include <string.h>

const struct command commands[] = {
#define C(name, summary) { #name, cmd_##name##_usage, summary, cmd_##name, true },
#define L(name, summary) { #name, cmd_##name##_usage, summary, cmd_##name, false },
#include "client/cli/cmd.def"
#undef C
#undef L
};
const size_t command_count = sizeof(commands) / sizeof(commands[0]);

const struct command *
command_find(const char *name)
{
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	return NULL;
}

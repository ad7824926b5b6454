/* cmd_supersede.c - relto supersede: relto pub with --supersedes, as what is done is called. */
#include <stdlib.h>
#include <string.h>

#include "client/cli/cmd.h"
#include "client/cli/out.h"

const char cmd_supersede_usage[] =
    "supersede ID TOPIC [FILE|-] --label L.. [--code corrected|updated|relabelled]\n"
    "      [every other option of 'relto pub' but --about]";

int
cmd_supersede(int argc, char **argv)
{
	enum { ADDED = 1 }; /* "--supersedes ID" for "ID" */
	char command[] = "pub", option[] = "--supersedes";
	if (argc < 3 || argv[1][0] == '-')
		return out_usage(cmd_supersede_usage, "which report, and under which topic?");
	char **words = calloc((size_t)argc + ADDED + 1, sizeof(*words));
	if (words == NULL)
		return out_error(&(struct err){ ERR_NOMEM, "out of memory" });
	words[0] = command;
	words[1] = option;
	memcpy(words + 2, argv + 1, ((size_t)argc - 1) * sizeof(*words));
	int status = cmd_pub(argc + ADDED, words);
	free(words);
	return status;
}

/* main.c - relto: finds the command. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/commands.h"
#include "client/cli/out.h"
#include "client/relto.h"
#include "proto/dry.h"

static void
help(FILE *to)
{
	(void)fputs("usage: relto COMMAND .. | help | --version | COMMAND --help\n\n", to);
	for (size_t i = 0; i < command_count; i++)
		(void)fprintf(to, "  relto %s\n      %s\n", commands[i].usage, commands[i].summary);
	(void)fputs(
	    "\n--json gives every command's data as JSON.  Commands that talk to a broker take "
	    "--context NAME\nand the settings of a context (--server, --trust, ..).  RELTO_HOME "
	    "moves the folder of contexts.\n",
	    to);
}

/* "relto sub --help", "relto context trust --help" */
static bool
asks_for_help(int argc, char **argv)
{
	return argc > 2 &&
	       (strcmp(argv[2], "--help") == 0 || strcmp(argv[argc - 1], "--help") == 0);
}

int
main(int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN); /* a closed connection or pipe is an error, not the end */
	if (argc < 2) {
		help(stderr);
		return err_exit(ERR_USAGE);
	}
	if (!dry_watch())
		return out_error(&(struct err){ ERR_NOMEM, "out of memory" });
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0) {
		help(stdout);
		return out_end(0);
	}
	if (strcmp(argv[1], "--version") == 0) {
		(void)printf("relto %s\n", relto_version());
		return out_end(0);
	}
	const struct command *c = command_find(argv[1]);
	if (c != NULL && asks_for_help(argc, argv)) {
		(void)printf("usage: relto %s\n%s\n", c->usage, c->summary);
		return out_end(0);
	}
	if (c != NULL)
		return out_end(c->run(argc - 1, argv + 1));
	(void)fprintf(
	    stderr, "relto: there is no command '%s'; 'relto help' lists them\n", argv[1]);
	return err_exit(ERR_USAGE);
}

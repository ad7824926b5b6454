/* relto completion: what a shell is told, and what the shell then asks with each Tab. */
#include "client/cli/cmd.h"
#include "client/cli/complete.h"
#include "client/cli/out.h"

#include <string.h>

const char cmd_completion_usage[] = "completion bash|zsh|fish";

/* Each asks `relto completion -- WORD..`, the last one as far as it is typed (complete.h). */
static const struct {
	const char *shell, *text;
} scripts[] = {
	{ "bash",
	    "_relto() {\n"
	    "\tlocal line typed=\"${COMP_WORDS[COMP_CWORD]}\" found\n"
	    "\tCOMPREPLY=()\n"
	    "\twhile IFS= read -r line; do\n"
	    "\t\tcase $line in\n"
	    "\t\t:file) compopt -o filenames; mapfile -t found < <(compgen -f -- \"$typed\") ;;\n"
	    "\t\t:dir) compopt -o filenames; mapfile -t found < <(compgen -d -- \"$typed\") ;;\n"
	    "\t\t*) found=(\"${line%%$'\\t'*}\") ;;\n"
	    "\t\tesac\n"
	    "\t\tCOMPREPLY+=(\"${found[@]}\")\n"
	    "\tdone < <(relto completion -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
	    "}\n"
	    "complete -F _relto relto\n" },
	{ "zsh", "#compdef relto\n"
		 "_relto() {\n"
		 "\tlocal line\n"
		 "\tlocal -a plain\n"
		 "\twhile IFS= read -r line; do\n"
		 "\t\tcase $line in\n"
		 "\t\t:file) _files ;;\n"
		 "\t\t:dir) _files -/ ;;\n"
		 "\t\t*) plain+=(\"${${line//:/\\\\:}/$'\\t'/:}\") ;;\n"
		 "\t\tesac\n"
		 "\tdone < <(relto completion -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
		 "\t(( $#plain )) && _describe relto plain\n"
		 "}\n"
		 "if [[ ${funcstack[1]} == _relto ]]; then _relto \"$@\"\n"
		 "else compdef _relto relto; fi\n" },
	{ "fish", "function __relto_complete\n"
		  "\tset -l words (commandline -opc)\n"
		  "\tset -l typed (commandline -ct)\n"
		  "\tfor line in (relto completion -- $words[2..-1] \"$typed\" 2>/dev/null)\n"
		  "\t\tswitch $line\n"
		  "\t\t\tcase :file\n"
		  "\t\t\t\t__fish_complete_path $typed\n"
		  "\t\t\tcase :dir\n"
		  "\t\t\t\t__fish_complete_directories $typed\n"
		  "\t\t\tcase '*'\n"
		  "\t\t\t\techo $line\n"
		  "\t\tend\n"
		  "\tend\n"
		  "end\n"
		  "complete -c relto -f -a '(__relto_complete)'\n" },
};

int
cmd_completion(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "--") == 0) {
		complete(stdout, (const char *const *)argv + 2, (size_t)argc - 2);
		return 0;
	}
	for (size_t i = 0; argc == 2 && i < sizeof(scripts) / sizeof(scripts[0]); i++)
		if (strcmp(argv[1], scripts[i].shell) == 0) {
			(void)fputs(scripts[i].text, stdout);
			return 0;
		}
	return out_usage(cmd_completion_usage, "for which shell: bash, zsh or fish?");
}

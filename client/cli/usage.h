/*
 * usage.h - a command's usage text taken apart: its forms, and of each the words and options.
 * The text is what people read (`relto COMMAND --help`); completion reads the same.  Forms are
 * apart by " | " or by "relto" at the beginning of a line; "a|b" are choices; "[..]" may be left
 * out. Threads: any.
 */
#pragma once
#include "proto/bytes.h"

enum { USAGE_SUBS = 2, USAGE_CHOICES = 16, USAGE_WORDS = 8, USAGE_OPTIONS = 48 };

/* "status|reload", "FILE|-" */
struct usage_choices {
	struct bytes text[USAGE_CHOICES];
	size_t count;
};
struct usage_option {
	struct bytes name;	    /* with its "--" */
	struct usage_choices value; /* none: it takes no value */
};
struct usage_form {
	struct usage_choices
	    sub[USAGE_SUBS]; /* "list", "clock accept": literal words after the command */
	size_t subs;
	struct usage_choices word[USAGE_WORDS]; /* what is no option, in order */
	bool more[USAGE_WORDS];			/* it may repeat: "FILE.." */
	size_t words;
	struct usage_option option[USAGE_OPTIONS];
	size_t options;
};

/* The next form of a usage text, taken off *text; false: there is none.  What does not fit into a
 * form is left out (a test sees to it that all fits). */
bool usage_next(struct bytes *text, struct bytes command, struct usage_form *out);

/*
 * verify_options.h - the command line of relto-verify.
 */
#pragma once
#include "audit/checkpoint.h"
#include "audit/verify_print.h"

enum { OPTIONS_WORDS_MAX = 80 };

enum verify_command { COMMAND_VERIFY = 1, COMMAND_SHOW, COMMAND_PARTY };
struct verify_options {
	enum verify_command command;
	bool help, version; /* then nothing else counts */
	const char *bundle, *key, *state, *evidence;
	const char *party; /* whose view it must be; NULL: that of an auditor of the hub party */
	uint64_t from;	   /* it may begin with this record */
	bool strict;
	const char *witnesses[CHECKPOINT_WITNESSES_MAX];
	size_t witness_count, quorum;
	uint64_t max_age_s;
	enum print_form form;
	char *words[OPTIONS_WORDS_MAX]; /* of `show`: the filter */
	size_t word_count;
};

extern const char verify_usage[];
/* 'argv' without the program's name, NULL at the end.  ERR_USAGE. */
MUST_USE bool verify_options_parse(char **argv, struct verify_options *out, struct err *e);

/*
 * verify_options.h - the command line of relto-verify.
 */
#pragma once
#include "audit/checkpoint.h"
#include "audit/verify_print.h"

enum { OPTIONS_WORDS_MAX = 80 };

enum verify_command {
	COMMAND_VERIFY = 1,
	COMMAND_SHOW,
	COMMAND_PARTY,
	COMMAND_TRACE,
	COMMAND_GAPS,
	COMMAND_STATS,
	COMMAND_COMPARE,
	COMMAND_RECEIPT
};
struct verify_options {
	enum verify_command command;
	bool help, version; /* then nothing else counts */
	const char *bundle; /* of `receipt`: the file */
	const char *key, *state, *evidence, *report;
	const char *party; /* whose view it must be; NULL: that of an auditor of the hub party */
	uint64_t from;	   /* it may begin with this record */
	bool strict;
	const char *witnesses[CHECKPOINT_WITNESSES_MAX];
	size_t witness_count, quorum;
	const char *policy; /* a file of C2SP tlog-policy, instead of the two; NULL: none */
	uint64_t max_age_s;
	enum print_form form;
	char *words[OPTIONS_WORDS_MAX]; /* of `show` and `stats`: the filter; `trace`: the report;
					   `compare`: the other */
	size_t word_count;
};

extern const char verify_usage[];
/* 'argv' without the program's name, NULL at the end.  ERR_USAGE. */
MUST_USE bool verify_options_parse(char **argv, struct verify_options *out, struct err *e);

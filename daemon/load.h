/*
 * load.h - policy and trust from the disk, as one ruleset; the log key.
 * Threads: main.
 */
#pragma once
#include "daemon/config.h"
#include "daemon/ruleset.h"

#include <stdio.h>

struct evp_pkey_st;

struct load {
	const struct config *config;
	bool reload;
	/* a reload: what is in force; a party that is shut out keeps its anchors of then, so that
	 * the terms of its agreements do not move */
	const struct ruleset *previous;
};
/*
 * The ruleset that the configuration names.  What is wrong with the policy is written to 'to' as
 * the people who wrote it read it (file:line:col, caret, help).  'reload': a party whose own files
 * are unusable is shut out and does not stop the others.
 */
MUST_USE bool load_rules(const struct load *from, FILE *to, struct ruleset **out, struct err *e);
/* The Ed25519 key of the log. */
MUST_USE bool load_log_key(const struct config *cfg, struct evp_pkey_st **out, struct err *e);
/* Names, byte order, LF between, of the parties that are shut out; NULL when out of memory. */
char *load_shut_out(const struct ruleset *r);

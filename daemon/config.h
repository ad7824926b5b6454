/*
 * config.h - reltod.conf: typed settings, one line each in config.def (DESIGN sections 4 and 11).
 * Unknown or wrongly repeated settings are errors; paths are relative to the file and given out
 * absolute; files that group or others can write are refused.
 * Threads: immutable once loaded; owned by main.
 */
#pragma once
#include "daemon/log.h"
#include "daemon/sandbox.h"
#include "proto/arena.h"
#include "proto/err.h"

#include <stdint.h>
#include <stdio.h>

struct config_listen {
	char *address; /* numeric, without brackets */
	uint16_t port; /* 0: the system picks one, run-dir/addresses says which */
	char *text;    /* as written */
};
struct config_listens {
	struct config_listen *items; /* at least one */
	size_t count;
};

/* NAME, PATH, ORIGIN: NUL-terminated, "" if absent.  DURATION: ms.  SIZE: bytes.  WORKERS: 0 is
 * auto. */
#define CONFIG_NAME char *
#define CONFIG_PATH char *
#define CONFIG_ORIGIN char *
#define CONFIG_LISTEN struct config_listens
#define CONFIG_DURATION uint64_t
#define CONFIG_SIZE uint64_t
#define CONFIG_COUNT uint64_t
#define CONFIG_WORKERS uint64_t
#define CONFIG_LEVEL enum log_level
#define CONFIG_FORMAT enum log_format
#define CONFIG_SANDBOX enum sandbox_want
struct config {
	struct arena arena; /* owns the texts */
	char *path;	    /* of the file, absolute */
	char *dir;
#define S(type, block, name, field, dflt, min, max, takes, reason) CONFIG_##type field;
#include "daemon/config.def"
#undef S
};

/*
 * Loads and checks 'path'.  On failure *report (the caller frees) holds every error found, at most
 * LIMIT_POLICY_ERRORS, as `file:line:col: error: text` with source line, caret and help; 'e' says
 * the first in a line (ERR_CONFIG; ERR_NOT_FOUND if there is no such file; ERR_IO).
 */
MUST_USE bool config_load(const char *path, struct config **out, char **report, struct err *e);
void config_free(struct config *c);
SCOPED_FOR(struct config, config_free)

/* `reltod -T`: the effective settings as a configuration file that loads to the same. */
void config_print(const struct config *c, FILE *to);
/* True if settings differ that take a restart: their names go into 'names', comma-separated. */
MUST_USE bool config_needs_restart(
    const struct config *now, const struct config *next, char *names, size_t size);
/* True if settings differ that a reload takes over: likewise. */
MUST_USE bool config_changes(
    const struct config *now, const struct config *next, char *names, size_t size);
/* What a reload makes of the file: of 'next' what it takes over, of 'now', which lives longer, what
 * takes a restart. */
void config_take_over(const struct config *now, struct config *next);
/* The settings as reltod.conf(5) lists them (mdoc), from config.def alone. */
void config_manual(FILE *to);

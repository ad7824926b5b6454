/*
 * context.h - where the broker is, who I am and whom I trust: HOME/contexts/NAME.conf in the block
 * grammar (DESIGN sections 4 and 12).  HOME is RELTO_HOME, else XDG_CONFIG_HOME/relto, else
 * ~/.config/relto.  A flag wins over RELTO_*, that over the context.  Which context: --context,
 * RELTO_CONTEXT, or the one chosen by `relto context use` (HOME/current).
 * Threads: one.
 */
#pragma once
#include "proto/arena.h"
#include "proto/err.h"

#include <getopt.h>

enum context_field {
	CONTEXT_name, /* --context */
#define F(field, setting, path, what) CONTEXT_##field,
#include "client/cli/context.def"
#undef F
	CONTEXT_FIELDS
};

/* What the command line said; fill with context_flag. */
struct context_flags {
	const char *value[CONTEXT_FIELDS]; /* NULL: not said */
};
/* For getopt_long: put CONTEXT_OPTIONS into the array of options, and give context_flag what is not
 * yours.  False: not a context's option either. */
enum { CONTEXT_OPTION = 1000 };
#define CONTEXT_ARG(setting, field) \
	{ \
		setting, required_argument, NULL, CONTEXT_OPTION + (int)CONTEXT_##field \
	}
#define CONTEXT_OPTIONS \
	CONTEXT_ARG("context", name), CONTEXT_ARG("server", server), \
	    CONTEXT_ARG("server-file", server_file), CONTEXT_ARG("hub-id", hub_id), \
	    CONTEXT_ARG("hub-ca", hub_ca), CONTEXT_ARG("certificate", certificate), \
	    CONTEXT_ARG("key", key), CONTEXT_ARG("trust", trust), CONTEXT_ARG("log-key", log_key), \
	    CONTEXT_ARG("quorum", quorum), CONTEXT_ARG("quorum-age", quorum_age)
bool context_flag(struct context_flags *f, int option, const char *value);

/* All texts live in 'arena'; what nobody said is NULL.  Paths are absolute. */
struct context {
	struct arena arena;
	const char *name; /* "" if everything came from flags and variables */
	const char *path; /* of its file; NULL without one */
	/* HOME/state/NAME, made when it is first used: checkpoints live there */
	const char *state;
	const char *terms;  /* HOME/contexts/NAME.terms: what was accepted (pins.h) */
	const char *server; /* as said; after context_ready also the first line of server-file */
	const char *server_file, *hub_id, *hub_ca, *certificate, *key, *trust, *log_key, *quorum,
	    *quorum_age;
};

/*
 * Errors: ERR_NOT_FOUND (no such context), ERR_CONFIG (what is wrong in the file, or it can be
 * written by others), ERR_IO, ERR_NOMEM.  'flags' may be NULL.
 */
MUST_USE bool context_load(const struct context_flags *flags, struct context **out, struct err *e);
void context_free(struct context *c);
SCOPED_FOR(struct context, context_free)
/* Reads server-file where no server was said, and checks that all is there that a connection needs:
 * server, hub-id, hub-ca, certificate, key and log-key.  ERR_CONFIG names what is missing and how
 * to say it, or a key that others can read. */
MUST_USE bool context_ready(struct context *c, struct err *e);

/* The folder HOME, in 'a'. */
MUST_USE bool context_home(struct arena *a, const char **out, struct err *e);
/* The name in HOME/current; "" if none was chosen. */
MUST_USE bool context_current(struct arena *a, const char **out, struct err *e);
/* The names in a folder that end in 'suffix', without it, sorted; none if there is no folder. */
MUST_USE bool context_names(const char *folder, const char *suffix, struct arena *a, char ***out,
    size_t *count, struct err *e);
/* Writes HOME/current, or HOME/contexts/NAME.conf, so that a reader sees the old or the new. */
MUST_USE bool context_choose(const char *name, struct err *e);
MUST_USE bool context_save(const char *name, const struct context_flags *flags, struct err *e);
/* A whole file, at most 1 MiB, NUL after it.  'ours': refused if group or others can write it. */
MUST_USE bool context_read_file(
    const char *path, bool ours, struct arena *a, struct bytes *out, struct err *e);

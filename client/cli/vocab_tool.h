/*
 * vocab_tool.h - what the parts of 'relto vocab' share.
 * Threads: one.
 */
#pragma once
#include "policy/text.h"
#include "policy/vocab.h"

enum { VOCAB_CALL_WORDS = 256 };
struct vocab_call {
	const char *words[VOCAB_CALL_WORDS]; /* what is left of the options */
	size_t count;
	bool json, xml;
	const char *lang;	  /* NULL: the phrases without a language */
	uint64_t created, review; /* of --xml, in µs since 1970; 0: not given */
};

/* One SPIF, as far as it loaded. */
struct vocab_loaded {
	struct arena arena;
	struct text_errors errors;
	struct vocab *vocab; /* NULL: it did not */
};
/* False with an error only if the file cannot be read; faults in it are in the list.  A file that
 * reltod would refuse, since others can write it, is told on stderr. */
MUST_USE bool vocab_load(struct vocab_loaded *l, const char *path, bool lint, struct err *e);
void vocab_loaded_done(struct vocab_loaded *l);
/* Errors and warnings, on stderr. */
void vocab_tell(struct vocab_loaded *l);

/* 'relto vocab show', on stdout: tables for people, or one line of JSON. */
MUST_USE bool vocab_show(struct vocab_loaded *l, const struct vocab_call *k, struct err *e);
MUST_USE bool vocab_show_json(struct vocab_loaded *l, const struct vocab_call *k, struct err *e);

static inline void
vocab_loaded_done_scoped(struct vocab_loaded *l)
{
	vocab_loaded_done(l);
}

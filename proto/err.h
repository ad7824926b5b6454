/*
 * err.h - an error: one code and the story of how it came about.
 * The story is for our own log or terminal; a peer is given err_text(code) alone (DESIGN S7, S13).
 * Threads: values; no shared state.
 */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* The two compiler features that relto uses (HOUSE section 3). */
#define SCOPED(done) __attribute__((cleanup(done##_scoped)))
#define SCOPED_FOR(type, done) \
	__attribute__((unused)) static inline void done##_scoped(type **p) \
	{ \
		done(*p); \
	}
#define MOVE(p) \
	__extension__({ \
		__typeof__(p) moved_ = (p); \
		(p) = NULL; \
		moved_; \
	})

enum err_code {
	ERR_NONE = 0,
#define E(name, token, exit, retry, text) ERR_##name,
#include "proto/err.def"
#undef E
	ERR_COUNT
};

struct err {
	enum err_code code;
	char text[1024]; /* the story, NUL-terminated, cut if longer */
};

/* Starts the story (replacing any older one).  Always returns false. 'e' may be NULL. */
bool err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Puts a place before the story: "place: story".  Always returns false.  'e' may be NULL. */
bool err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The stable token ("id-conflict"), fixed text, exit status and retry hint of a code. Never NULL.
 */
const char *err_token(enum err_code code);
const char *err_text(enum err_code code);
int err_exit(enum err_code code);
bool err_may_retry(enum err_code code);
/* The code of a token of 'len' bytes; ERR_INTERNAL if there is none. */
enum err_code err_from_token(const char *token, size_t len);

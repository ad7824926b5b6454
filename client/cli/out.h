/*
 * out.h - what the commands of relto say: errors in one form, JSON by our own writer (a library
 * that lets invalid UTF-8 through has no place here).
 * Threads: one.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

#include <stdio.h>

/* "relto: STORY" on stderr; returns the exit status of the error's code. */
int out_error(const struct err *e);
/* "relto COMMAND: TEXT", then the usage, on stderr; returns the exit status of a wrong call. */
int out_usage(const char *usage, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Flushes stdout: 'status', or that of an I/O error if what was to be said could not be written. */
int out_end(int status);

/*
 * A JSON text, written as it comes: begin and end nest; inside an object each value has a key (NULL
 * elsewhere).  Invalid UTF-8 comes out as U+FFFD, control and bidi characters escaped.
 */
struct out_json {
	FILE *to;
	bool comma; /* something stands before in this object or array */
};
void out_json_begin(struct out_json *j, const char *key, char bracket); /* '{' or '[' */
void out_json_end(struct out_json *j, char bracket);			/* '}' or ']' */
void out_json_bytes(struct out_json *j, const char *key, struct bytes value);
/* ..or null, if it is absent. */
void out_json_bytes_or_null(struct out_json *j, const char *key, struct bytes value);
void out_json_text(struct out_json *j, const char *key, const char *value); /* NULL: null */
void out_json_uint(struct out_json *j, const char *key, uint64_t value);
void out_json_int(struct out_json *j, const char *key, int64_t value);
void out_json_bool(struct out_json *j, const char *key, bool value);
/* Lower-case hex. */
void out_json_hex(struct out_json *j, const char *key, const uint8_t *data, size_t len);
void out_json_base64(struct out_json *j, const char *key, struct bytes value);
/* The line feed after a whole text. */
void out_json_line(struct out_json *j);

/* Untrusted text for a terminal: control, bidi and zero-width characters become '?'. */
void out_clean(FILE *to, struct bytes text);
/* The same of a formatted text, in which a line feed is '?' too: the caller ends its lines. */
void out_cleanf(FILE *to, const char *fmt, ...) PRINTF_LIKE(2, 3);

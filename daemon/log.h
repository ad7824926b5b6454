/*
 * log.h - the daemon's one-line messages for operators.  The audit log is the record; this is not.
 * A line is one event name and key=value pairs:
 *	log_info("report.committed", "conn=%" PRIu64 " agent=%s", id, log_quote_text(agent));
 * Keys are [a-z0-9_]+; a value is a bare word of ours or what log_quote gives.  Never bodies,
 * markings, keys.  Lines of one event above LOG_BURST a second and thread are counted, not written;
 *the next written line of the event ends in suppressed=N.  Errors are never suppressed. Threads:
 *any; a line is one write(2).  log_setup may be called again at a reload.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

enum log_level { LOG_ERROR = 1, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format {
	LOG_TEXT = 1, /* 2026-06-01T12:00:00.000Z info  report.committed conn=1 */
	LOG_LOGFMT,   /* time=2026-06-01T12:00:00.000Z level=info event=report.committed conn=1 */
	LOG_JSON      /* {"time":"..","level":"info","event":"report.committed","conn":"1"} */
};
#define LOG_BURST 50u	      /* lines of an event, a second and a thread */
#define LOG_LINE_BYTES 2048u  /* longer lines lose their last pairs and end in cut=yes */
#define LOG_QUOTED_BYTES 512u /* of an untrusted text; the rest becomes "..." */

/* Lines go to descriptor 'fd' (not owned).  Before the first call: info, text, standard error. */
void log_setup(enum log_level level, enum log_format format, int fd);
bool log_wants(enum log_level level);
/*
 * Untrusted bytes as "..." with control, bidi and invalid characters escaped; safe in every format.
 * The text stays valid until the 8th later call on the same thread.
 */
const char *log_quote(struct bytes untrusted);
const char *log_quote_text(const char *untrusted);
/* 2n lower-case hex digits of at most 32 bytes; lives as long as a log_quote. */
const char *log_hex(const uint8_t *data, size_t len);

void log_write(enum log_level level, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

/* For tests: the seams.  NULL restores the system's. 'now_us' is both wall clock and rate clock. */
void log_test_seams(uint64_t (*now_us)(void), void (*sink)(const char *line, size_t len));

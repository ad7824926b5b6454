/*
 * pump.h - TLS bytes in and out of a non-blocking socket on a worker's loop (DESIGN 13, FACTS
 * 16-31). Output gathers in one buffer and is written in full 16 KiB records.  A write that TLS
 * could not finish is repeated with the same bytes.  Threads: the connection's worker.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"
#include <openssl/ssl.h>

struct event;
struct event_base;

enum { PUMP_RECORD = 16384 /* plaintext of a full TLS record */ };

enum pump_result {
	PUMP_DONE,    /* as asked */
	PUMP_BLOCKED, /* the socket must become ready first; the events are set for it */
	PUMP_ENDED,   /* the peer's stream ended (close_notify, FIN or RST) */
	PUMP_FAILED   /* TLS or the socket failed: nothing more can be read or written */
};

struct pump {
	int fd;
	SSL *ssl;
	struct event *read_event, *write_event;
	uint8_t *out; /* not written yet: out[out_at .. out_len) */
	size_t out_at, out_len, out_cap;
	size_t retry_len;      /* of the record that TLS has begun, 0 = none */
	bool read_wants_write; /* TLS must write before it can read on.. */
	bool write_wants_read; /* ..and the other way round */
	bool reading, writing; /* what the events are set for */
	bool clean_end;	       /* the end was a close_notify */
	bool shut;	       /* pump_shut was called */
	bool broken;	       /* a fatal error: TLS must not be used again */
};

/* Takes the socket and the SSL (on failure too); sets socket options and TLS modes. */
MUST_USE bool pump_init(struct pump *p, int fd, SSL *ssl, struct err *e);
/* Puts it on a loop ('cb' gets EV_READ, EV_WRITE and 'arg') / takes it off, to be put on another.
 */
MUST_USE bool pump_attach(struct pump *p, struct event_base *base,
    void (*cb)(int fd, short what, void *arg), void *arg, struct err *e);
void pump_detach(struct pump *p);
/* Which readiness the loop waits for: 'reading' is the caller's wish, the rest the pump knows. */
void pump_wait(struct pump *p, bool reading, bool writing);

enum pump_result pump_handshake(struct pump *p);
/* Up to 'cap' bytes; *len is set with PUMP_DONE only.  TLS may hold more, for which the socket will
 * not become ready again: read until PUMP_BLOCKED or come back unasked. */
enum pump_result pump_read(struct pump *p, uint8_t *to, size_t cap, size_t *len);

/* Room for 'len' more bytes of output: write there, then pump_added(p, n <= len).  NULL: memory. */
uint8_t *pump_space(struct pump *p, size_t len);
void pump_added(struct pump *p, size_t len);
size_t pump_pending(const struct pump *p);
/* True if TLS holds a record that the socket has not taken. */
bool pump_has_begun(const struct pump *p);
/* Writes what there is.  PUMP_DONE: nothing is left. */
enum pump_result pump_write(struct pump *p);
/* From now on the end is a RST, and what the kernel has not sent is dropped. */
void pump_forget(struct pump *p);
/* close_notify and FIN: nothing can be written any more, but reading goes on.  Once. */
void pump_shut(struct pump *p);
/* Reads and drops what the peer still sends, so that our last words are not lost to a RST. */
enum pump_result pump_discard(struct pump *p);
void pump_done(struct pump *p);

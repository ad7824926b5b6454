/*
 * io_rig.h - workers, connections and TLS clients in one thread, on socket pairs, under a clock
 * that the test moves.  Handlers and hooks are the test's: what they were called with is in
 * 'rig.calls'.
 */
#pragma once
#include "tests/lib/test.h"

#include "daemon/conn.h"
#include "daemon/listener.h"
#include "daemon/on.h"
#include "daemon/trust.h"
#include "daemon/worker.h"
#include "proto/arena.h"
#include "proto/msg.h"

#include <openssl/ssl.h>

enum { RIG_WORKERS = 2, RIG_PEERS = 256 };
enum rig_wait { RIG_IDLE = 400 /* rounds without what was waited for: it will not come */ };

/* One client. */
struct peer {
	SSL *ssl;
	int fd;
	bool connected, refused, ended, clean; /* clean: a close_notify came */
	bool silent;			       /* the test reads by itself */
	uint8_t *in;
	size_t in_len, in_cap;
	uint64_t conn; /* id of the broker's side */
};

struct rig_calls { /* atomic: some tests run the workers as threads */
	atomic_uint hello, other, arrived, gone, party_gone, refused, turned_away, room, its_turn,
	    committed;
	atomic_uint notices, rules, ticks, started, stopped, left;
	enum msg_type last_type;
	enum err_code refused_code;
	char refused_field[96];
	enum chain_fault fault;
};

struct rig {
	struct worker *worker[RIG_WORKERS];
	bool in_worker; /* broker code is running, not the test's */
	bool threads;	/* the workers run by themselves: only clients are stepped */
	struct trust *trust, *coming;
	struct io_limits limits;
	_Atomic uint64_t now_ms;
	_Atomic uint64_t us, tick_us; /* what each look at the clock takes, in an instant else */
	_Atomic int64_t wall_s;
	struct peer peer[RIG_PEERS];
	unsigned peers;
	uint64_t next_id;
	struct rig_calls calls;
	/* what the handlers do, if the test wants something else than Pong */
	unsigned version; /* that the session speaks; 0: the newest */
	handler *on_request;
	bool (*start)(struct worker *w, struct err *e);
	bool (*arrived)(struct conn *c, struct err *e);
	void (*room)(struct conn *c);
	void (*its_turn)(struct conn *c);
	void (*gone)(struct conn *c);
	uint32_t on_rules_rate; /* 0: new rules change nothing */
};
extern struct rig rig;

/* What every handler does but on_hello (io_fakes.c). */
struct arena;
MUST_USE bool rig_request(struct conn *c, const struct msg *m, struct arena **a, struct err *e);

/* cmocka's setup and teardown: 'workers' of RIG_WORKERS without threads. */
int rig_up(void **state);
int rig_down(void **state);

/* Parties: HUB, GBR, NOR; agents /desk of each.  "FOE" has a certificate of a CA that nobody knows.
 */
struct trust *rig_trust(const char *without_party);
struct peer *rig_connect(const char *party, unsigned worker);
/* ..until Hello is answered. */
struct peer *rig_ready(const char *party, unsigned worker);
/* A socket pair whose other end speaks no TLS. */
int rig_raw(unsigned worker, uint64_t *id);

/* One round of everything: workers and clients. */
void rig_round(void);
void rig_rounds(unsigned n);
/* Moves both clocks and lets every worker look at its deadlines. */
void rig_pass_ms(uint64_t ms);
struct conn *rig_conn(const struct peer *p);
/* Waits for bytes on the client's socket and takes them: when the workers are threads. */
void rig_wait(struct peer *p);
enum conn_state rig_state(const struct peer *p); /* CONN_CLOSED when it is gone */

void rig_write(struct peer *p, const void *data, size_t len);
void rig_send(struct peer *p, unsigned lane, const struct msg *m);
void rig_ask(struct peer *p, enum msg_type type, uint64_t request);
/* The bytes of one message of this type, framed for 'lane'; returns their number. */
size_t rig_frame(enum msg_type type, uint64_t request, unsigned lane, uint8_t *to, size_t cap);
/* The next whole message, or MSG_NONE if none comes.  Views live until the next call. */
const struct msg *rig_next(struct peer *p);
enum msg_type rig_next_type(struct peer *p);
/* True if an Error with this code comes next and then the end of the stream. */
bool rig_ends_with(struct peer *p, enum err_code code);
bool rig_until_ended(struct peer *p);
bool rig_until_state(struct peer *p, enum conn_state s);
uint64_t rig_metric(enum metric m);

/*
 * on.h - what the I/O shell calls: one handler per message (on_*.c), and the hooks of a worker's
 * life. All run on the worker's thread, none may block.  The shell never looks into jobs, notices,
 * sessions, desks or the rules.
 *
 * A handler gets a message that was decoded and checked, in an arena that it may take (MOVE) for
 * the job it makes; what it leaves is freed on return.  False ends the connection with e->code:
 * only for faults of the peer that break the protocol, and for our own (memory).  A request that is
 * merely refused is answered with conn_refuse and true.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

struct arena;
struct conn;
struct letter;
struct msg;
struct trust_refusal;
struct worker;
struct worker_party;

typedef bool handler(struct conn *c, const struct msg *m, struct arena **request, struct err *e);

handler on_hello;   /* ends in conn_ready() or false */
handler on_publish; /* calls conn_owes() when a job is under way */
handler on_subscribe;
handler on_ack; /* in DRAINING too */
handler on_explain;
handler on_whoami;
handler on_audit_list;
handler on_audit_pull;
handler on_attest, on_nack, on_subscriptions, on_dead_letters;
handler on_status;
handler on_reload;
handler on_accept_clock;
handler on_holds;
handler on_decide;
handler on_prove;
handler on_recall_status;
handler on_recall_answer;
handler on_feedback;
handler on_feedback_status;
handler on_backup;
handler on_erase;
handler on_sessions;
handler on_drain;
/* Ping and Bye are answered by conn.c itself. */

/* A worker's thread begins and ends: makes and frees w->desk (store view, rules, deliveries). After
 * a start that failed, stop is called too. */
MUST_USE bool on_worker_start(struct worker *w, struct err *e);
void on_worker_stop(struct worker *w);
/* LETTER_JOB, that another worker sent when this one's thread had ended: frees it. */
void on_left(struct letter *l);
/* The stop begins: what was kept back goes out now. */
void on_stopping(struct worker *w);
/* LETTER_JOB: a job is back from the committer, durable or failed; its connection may be gone.  The
 * job is the callee's now (MAILBOX_ENTRY(l, struct job, letter)). */
void on_committed(struct worker *w, struct letter *l);
/* LETTER_NOTICE: the committer says that something may be delivered, or that heads were published.
 */
void on_notice(struct worker *w, struct letter *l);
/* LETTER_RULES: new rules (policy epoch and trust).  Sets w->trust and what the desk keeps; after
 * it the shell judges every connection of this worker again (S9). */
void on_rules(struct worker *w, struct letter *l);
/* LETTER_COMING: rules that are not recorded yet, or none.  Sets w->coming; what they forbid ends,
 * and nothing that they alone allow begins.  on_rules takes them back. */
void on_coming(struct worker *w, struct letter *l);
/* Every WORKER_TICK_MS: ack-wait, good-until and the like. */
void on_tick(struct worker *w);

/* The connection is home, its peer and party are known, Hello has not come.  False: not let in. */
MUST_USE bool on_arrived(struct conn *c, struct err *e);
/* There is room again after conn_want_room(). */
void on_room(struct conn *c);
/* Its turn after conn_want_turn(). */
void on_its_turn(struct conn *c);
/* The connection ends: free c->session, forget the id.  Nothing can be sent any more. */
void on_gone(struct conn *c);
/* The last connection of the party is gone from this worker: free p->delivery. */
void on_party_gone(struct worker *w, struct worker_party *p);
/* The certificate was not accepted (c->peer is NULL then), or is not any more after new rules or at
 * its end (S9): the REFUSED record.  A handshake that failed before any certificate is only
 * counted.
 */
void on_turned_away(struct conn *c, const struct trust_refusal *why);
/* The peer broke the protocol and is about to be closed: the REFUSED record.  'report' is absent or
 * 16 bytes; the shell itself never knows one. */
void on_refused(struct conn *c, enum err_code code, struct bytes field, struct bytes report);

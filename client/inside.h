/*
 * inside.h - what the files of librelto share.  Not installed.
 * inside_turn.c sends, waits and hands round what comes; inside_line.c sees to it that there is a
 * session to do so; inside_heads.c follows the log, inside_quorum.c who else signed it;
 * inside_copy.c and inside_error.c make what the caller gets.  relto_*.c are the public calls.
 * Threads: as relto.h says.
 */
#pragma once
#include "audit/quorum.h"
#include "audit/receipt.h"
#include "client/keep.h"
#include "client/link.h"
#include "client/relto.h"
#include "proto/arena.h"
#include "proto/chain.h"
#include "proto/envelope.h"
#include "proto/msg.h"

#include <sys/queue.h>

/* A certificate with its chain and key; who signs, who connects. */
struct inside_identity {
	X509 *leaf; /* borrowed from chain */
	EVP_PKEY *key;
	STACK_OF(X509) * chain; /* leaf first */
};

struct inside_party { /* whose reports are believed */
	char *party;
	char *domain;
	struct chain_anchors *anchors;
};
struct inside_pin { /* terms that were accepted */
	char *agreement;
	uint8_t terms[32];
};

struct inside_server {
	char *host, *port;
};
enum { INSIDE_SERVERS = 8 };

struct relto_context {
	struct arena arena; /* of the texts and arrays below */
	struct inside_server servers[INSIDE_SERVERS];
	size_t server_count;
	uint32_t
	    reconnect_ms; /* the longest delay between two tries; 0: a lost connection is lost */
	char *hub_id;
	struct chain_anchors *hub;
	struct inside_identity identity, signer; /* signer.leaf NULL: identity signs */
	struct inside_party *parties;
	size_t party_count;
	struct inside_pin *pins;
	size_t pin_count;
	struct note_key log;
	bool has_log;
	struct quorum *quorum; /* NULL: no witness is asked for */
	struct bytes quorum_text;
	uint32_t quorum_s; /* so long what is shown may be without it */
	struct keep *keep;
	int timeout_ms;
	bool show_unverified, batch;
};

/* One message that came, with the memory it lives in. */
struct inside_message {
	STAILQ_ENTRY(inside_message) next;
	struct arena arena;
	struct msg msg;
};
STAILQ_HEAD(inside_messages, inside_message);
void inside_message_free(struct inside_message *m);
SCOPED_FOR(struct inside_message, inside_message_free)

/* A signer's chain as Signer announced it, judged when the first report of it comes. */
struct inside_chain {
	STAILQ_ENTRY(inside_chain) next;
	uint8_t digest[32];
	STACK_OF(X509) * certs;
	/* the last verdict, good for reports accepted from 'since' to the end of the chain */
	const struct inside_party *judged_for;
	int64_t since;
	struct chain_verdict verdict;
};
STAILQ_HEAD(inside_chains, inside_chain);

/* A report submitted: built, then sealed, then sent, then answered.  A session that ends between
 * the last two takes it back to sealed: the next one sends the same bytes. */
struct inside_pending {
	STAILQ_ENTRY(inside_pending) next;
	struct arena arena;
	struct msg_publish report;
	uint8_t id[16];
	void *cookie;
	uint64_t request; /* 0: not sent in this session */
	uint8_t lane;
	size_t bytes;
	struct inside_message *answer; /* NULL: none yet */
};
STAILQ_HEAD(inside_pendings, inside_pending);

/* Evidence that no PARTY_HEAD covers yet, that of one second together. */
struct inside_evidence {
	uint64_t party_index; /* the highest */
	int64_t since_ms;     /* link_now() */
	size_t count;
};
enum { INSIDE_SECONDS = 256 };

/* A head that this session was shown and that extends all before it. */
struct inside_shown {
	uint64_t size;
	uint8_t root[32];
};
enum { INSIDE_SHOWN = 256 }; /* the last: what comes in a slow lane may rest on an older one */

/* How far the witnesses have signed what is shown (inside_quorum.c). */
struct inside_quorum {
	bool any; /* a head is known that the quorum signed, and that what is shown extends.. */
	uint64_t size;	 /* ..of so many records.. */
	uint64_t time_s; /* ..at this time, by the witnesses' clocks */
	bool waits;	 /* the session does not begin before there is one that is new enough */
	int64_t due_ms;	 /* link_now(): by then what is shown has to be signed; INT64_MAX: it is */
	int64_t late_ms; /* when that was found to be over; 0: not yet */
	char missing[512]; /* who has not signed the last head that was shown */
};

/* What is attested of the party's tree (inside_attest.c). */
struct inside_attest {
	struct keep_tree head; /* the largest that was verified in this session */
	uint64_t settled;      /* so much needs no attestation any more */
	uint64_t sent;	       /* by the request that is not answered yet.. */
	uint64_t request;      /* ..this; 0: none */
	int64_t tried_ms;      /* link_now() of the last try; 0: none */
	uint64_t taken;	       /* by the broker; what it has from another process is settled too */
	bool disputed;	       /* it refuses what it showed itself */
};

/*
 * How a connection comes by its sessions (inside_line.c).
 *
 *   DOWN -> DIALLING -> GREETING -> RESUMING -> UP      what fails anywhere goes back to DOWN,
 *     '--------'-----------'------------'-------'        or to OVER, which is final
 */
enum inside_state {
	LINE_DOWN = 1, /* until due_ms, then the next server is dialled */
	LINE_DIALLING, /* from here on due_ms is when it has taken too long */
	LINE_GREETING, /* Hello is on its way */
	LINE_RESUMING, /* so is a Subscribe for every subscription there was */
	LINE_UP,
	LINE_OVER
};
struct inside_line {
	enum inside_state state;
	int64_t due_ms;
	size_t server;		 /* the one that is tried, or was reached */
	unsigned tries;		 /* since a session that held */
	int64_t up_ms;		 /* when this one was up */
	unsigned joins;		 /* sessions in a row that only joined heads (inside_heads.c) */
	uint64_t sessions;	 /* that were up */
	uint64_t losses;	 /* tries and sessions that ended */
	uint64_t hello;		 /* its request, until Welcome came; 0 */
	size_t open;		 /* Subscribes that are not answered */
	bool closing;		 /* by relto_close: nothing is tried again */
	bool leaving;		 /* the broker is going down: finish, then connect elsewhere */
	int64_t leave_ms;	 /* at the latest then */
	struct relto_error lost; /* why the last try or session ended */
};

/* An acknowledgement that is not known to be durable. */
struct inside_told {
	uint8_t key[32];  /* of what was delivered */
	uint64_t request; /* 0: not sent yet; or.. */
};
#define INSIDE_TOLD_LOST UINT64_MAX /* ..of a session that was lost */

enum { INSIDE_ACKS = 64, INSIDE_SUBSCRIPTIONS = 256, INSIDE_TOLD = 4096 };
/* What was subscribed to: a delivery must be of its mode, and the next session has it too. */
struct inside_subscription {
	uint32_t number;  /* in this session; to the caller it is its place, from 1 */
	uint64_t request; /* of the Subscribe that is not answered; 0 */
	char name[65], topic[256];
	uint32_t credit; /* 0: all that the broker allows */
	enum mode mode;
	bool proof; /* each has to bring one */
};

struct relto_connection {
	const struct relto_context *ctx;
	struct link *link; /* NULL: none */
	int wake;	   /* eventfd */
	struct inside_line line;
	struct sha256 hash;
	struct envelope_verifier verifier;
	struct arena arena;	  /* what lives as long as the connection: of the signer */
	struct names hello_chain; /* the signer's, in DER */
	uint8_t signer_digest[32];
	const char *signer_id;	    /* NULL: the certificate may not sign */
	struct arena session_arena; /* of the session, until the next Welcome */
	struct relto_identity session;
	struct msg_limits limits;
	bool more_agreements;	    /* than Welcome had room for */
	struct relto_identity *all; /* with all of them, once they were asked for */
	unsigned version;	    /* of the protocol, as Welcome chose it */
	uint64_t last_request;
	int64_t last_sent_ms;
	uint64_t taken;		   /* messages that came */
	struct relto_error failed; /* code "" while the session is of use */
	bool said_bye;

	struct inside_subscription subscriptions[INSIDE_SUBSCRIPTIONS];
	size_t subscription_count;
	struct inside_messages deliveries;
	struct inside_messages answers; /* to 'awaited' */
	uint64_t awaited;
	uint64_t asked_in;		/* line.losses when it was asked */
	uint64_t last_ack;		/* request of the last ack that is not answered; 0: none */
	struct relto_error refused_ack; /* code "" if none was */
	uint64_t acks[INSIDE_ACKS];	/* relto_ack_later: gathered, not sent yet.. */
	size_t ack_count;
	uint32_t ack_subscription; /* ..all of one subscription.. */
	int64_t ack_since_ms;	   /* ..the oldest since then */
	struct inside_told *told;  /* the last INSIDE_TOLD; NULL: none yet */
	size_t told_count;
	struct inside_chains chains;

	struct inside_pendings unsent, ready, sent, answered; /* ready: sealed, not sent */
	size_t unsent_count, sent_count;		      /* sent_count: all but those */
	size_t in_flight, sent_bytes;			      /* not answered yet */

	/* the log, as verified */
	struct note_key log; /* of the generation that is believed */
	bool as_shown;	     /* whatever is shown: nothing is remembered or kept (generation.h).. */
	const struct generation_begin *begin; /* ..but for this, until the first head; or NULL */
	struct arena head_arena;
	struct relto_checkpoint head;
	bool has_head;
	size_t apart; /* heads kept that no proof joins to this one yet */
	struct inside_shown shown[INSIDE_SHOWN];
	size_t shown_count; /* in all; the last is shown[(shown_count - 1) % INSIDE_SHOWN] */
	struct inside_evidence evidence[INSIDE_SECONDS]; /* oldest first */
	size_t evidence_count;
	bool late;	  /* what an earlier session left to watch was not covered in time */
	uint64_t covered; /* size of the party tree by the last verified PARTY_HEAD */
	struct inside_attest attest;
	struct inside_quorum quorum;
	char lines[4096]; /* evidence on its way to the state folder */
	size_t lines_len;
};

/* Sends what relto_ack_later gathered (relto_receive.c); does not wait. */
MUST_USE bool inside_acks_flush(struct relto_connection *c, struct relto_error *e);

/* ---- acknowledgements that may not have arrived (inside_told.c) ---- */

/* What is acknowledged by 'request'; 0: by the one that inside_told_sent then names. */
void inside_told_add(struct relto_connection *c, const uint8_t key[32], uint64_t request);
void inside_told_sent(struct relto_connection *c, uint64_t request);
/* If it was one: it was answered, and so were those before it. */
void inside_told_settle(struct relto_connection *c, uint64_t request);
/* Their session ended. */
void inside_told_lost(struct relto_connection *c);
/* Whether it was acknowledged in a session that was lost; that is forgotten then. */
bool inside_told_take(struct relto_connection *c, const uint8_t key[32]);

/* ---- sessions (inside_line.c) ---- */

/*
 * Sees to a session until one is up or the time is: c->line.state tells.  False: it is over for
 * good, or interrupted; *e says why.  What ended a session (c->failed) is judged here and nowhere
 * else, and the session cleared away.
 */
MUST_USE bool inside_line(struct relto_connection *c, int64_t deadline, struct relto_error *e);
/* The same for who begins something: waits as long as the context allows. */
MUST_USE bool inside_up(struct relto_connection *c, struct relto_error *e);
/* What ended the last session or try, for who waited for its answer; returns false. */
bool inside_lost(const struct relto_connection *c, struct relto_error *e);
/* The Subscribe for what is remembered of one. */
struct msg_subscribe inside_subscribe(
    const struct relto_connection *c, const struct inside_subscription *s);
/* *mine: it was the answer to a Subscribe of inside_line's, or to Hello. */
MUST_USE bool inside_line_answer(
    struct relto_connection *c, const struct msg *m, bool *mine, struct err *e);
/* Whether something follows what ended this session (c->failed). */
bool inside_goes_on(const struct relto_connection *c);
/* Clears a session away; what the caller gave to be sent or wants to have stays. */
void inside_line_clear(struct relto_connection *c);
/* What the broker says at an end, or instead of a beginning. */
void inside_last_word(struct relto_connection *c, const struct msg_error *m);
/* When inside_line wants to be called again at the latest. */
int64_t inside_line_due(const struct relto_connection *c);
/* Sends what is ready, as far as the windows have room; does not wait (relto_publish.c). */
MUST_USE bool inside_pump(struct relto_connection *c, struct relto_error *e);
/* What was sent and not answered is to be sent again. */
void inside_unsend(struct relto_connection *c);
void inside_messages_free(struct inside_messages *list);

/* ---- errors (inside_error.c) ---- */

/* Fills *out from *e; returns false. */
bool inside_fail(struct relto_error *out, const struct err *e);
/* From an Error of the broker; returns false. */
bool inside_refused(struct relto_error *out, const struct msg_error *m);
/* Like inside_fail with the code and story at hand. */
bool inside_failf(struct relto_error *out, enum err_code code, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* The identity that signs. */
static inline const struct inside_identity *
inside_signer(const struct relto_context *ctx)
{
	return ctx->signer.leaf != NULL ? &ctx->signer : &ctx->identity;
}

/* ---- the context (relto_context.c, relto_trust.c) ---- */

/* A whole file into the context's memory.  'secret': nobody else may be able to read it. */
MUST_USE bool inside_read_file(struct relto_context *ctx, const char *path, bool secret,
    struct relto_bytes *out, struct relto_error *e);
/* A copy in the context's memory; NULL with *e set. */
char *inside_keep_text(struct relto_context *ctx, struct bytes in, struct relto_error *e);
/* Those of a PEM text, in its order. */
STACK_OF(X509) * inside_certificates(struct relto_bytes pem);
/* The trust domain that CA certificates name, "" if none does.  ERR_CONFIG: they name two. */
MUST_USE bool inside_domain(struct relto_bytes pem, char out[256], struct err *e);

/* ---- the connection (inside_turn.c) ---- */

/* Sends 'm' under the next request number, which is left in it, and waits while too much is queued.
 */
MUST_USE bool inside_send(
    struct relto_connection *c, struct msg *m, uint8_t lane, struct relto_error *e);
/* The same without waiting: the kernel takes now what it can, the rest goes with the next turn. */
MUST_USE bool inside_put(
    struct relto_connection *c, struct msg *m, uint8_t lane, struct relto_error *e);
/* The same without a number: nothing answers. */
MUST_USE bool inside_put_unasked(
    struct relto_connection *c, const struct msg *m, struct relto_error *e);
/* Waits while too much is queued. */
MUST_USE bool inside_push(struct relto_connection *c, struct relto_error *e);
/* Takes the delivery of this number, of the session, out of those that wait for the caller. */
void inside_unqueue(struct relto_connection *c, uint32_t subscription, uint64_t delivery);
/* Whether so much is queued that a sender has to wait. */
bool inside_is_full(const struct relto_connection *c);
/* Waits for the next message that answers request 'c->awaited', an Error among them. */
MUST_USE bool inside_await(
    struct relto_connection *c, struct inside_message **out, struct relto_error *e);
/* A request whose answers come in several messages: start, expect.., forget. */
MUST_USE bool inside_start(
    struct relto_connection *c, struct msg *m, uint8_t lane, struct relto_error *e);
/* The same in the session that there is: what it asks for means nothing in another one. */
MUST_USE bool inside_start_here(
    struct relto_connection *c, struct msg *m, uint8_t lane, struct relto_error *e);
/* The next answer, which must be of 'type'; an Error becomes *e. */
MUST_USE bool inside_expect(struct relto_connection *c, enum msg_type type,
    struct inside_message **out, struct relto_error *e);
void inside_forget(struct relto_connection *c);
/* A request with one answer of 'type'. */
MUST_USE bool inside_ask(struct relto_connection *c, struct msg *m, enum msg_type type,
    struct inside_message **out, struct relto_error *e);
/*
 * Takes what comes until 'deadline' or until one message was handed round.  *came says whether.  A
 * session that ends meanwhile is followed by another one, if the context wants that: then
 * c->line.losses has risen.
 */
MUST_USE bool inside_turn(
    struct relto_connection *c, int64_t deadline, bool *came, struct relto_error *e);
/* The same for one exchange with the session that there is, whatever its state. */
MUST_USE bool inside_turn_once(
    struct relto_connection *c, int64_t deadline, bool *came, struct relto_error *e);
/* When a keep-alive is due. */
int64_t inside_ping_due(const struct relto_connection *c);
/* A fault of the peer or of the network: the connection is of no use any more.  Returns false. */
bool inside_break(struct relto_connection *c, const struct err *why, struct relto_error *e);
void inside_pending_free(struct inside_pending *p);

/* ---- reports (inside_build.c) ---- */

/* A report with all its parts but the seal; about NULL: it has no Notice. */
MUST_USE bool inside_build(struct relto_connection *c, const struct relto_report *report,
    const struct relto_notice *about, struct inside_pending **out, struct relto_error *e);
MUST_USE bool inside_seal(struct relto_connection *c, const struct envelope_batch *b,
    struct arena *a, struct relto_error *e);
/* The bytes that count in the publish window. */
size_t inside_bytes(const struct msg_publish *p);
/* Builds, seals and sends one for a dry run, whose id goes to 'id'; inside_expect gives the answer,
 * inside_forget ends it. */
MUST_USE bool inside_ask_decision(struct relto_connection *c, const struct relto_report *report,
    const struct relto_notice *about, uint8_t id[16], struct relto_error *e);
/* An answer has to be about what was asked; else the connection is broken. */
MUST_USE bool inside_is_about(
    struct relto_connection *c, struct bytes report, const uint8_t id[16], struct relto_error *e);

/* Takes what Welcome says, as soon as it comes: what comes behind it goes on from there. */
MUST_USE bool inside_welcome(
    struct relto_connection *c, const struct msg_welcome *w, struct err *e);

/* ---- which log (inside_generation.c) ---- */

/* The key under the name of the last generation that was accepted.  ERR_CORRUPT, ERR_IO. */
MUST_USE bool inside_log(
    struct sha256 *h, const struct relto_context *ctx, struct note_key *out, struct err *e);
struct inside_generation {
	struct note_key key;
	struct checkpoint head;
	bool later; /* than the one that is believed */
};
/* Whether that is a head of another generation of the log, by its key.  Views point into 'a'. */
MUST_USE bool inside_other_generation(struct relto_connection *c, struct arena *a,
    struct bytes note, struct inside_generation *out, struct err *e);

/* ---- the log (inside_heads.c) ---- */

/* What Hello says of the log, loaded from the state. */
MUST_USE bool inside_heads_load(struct relto_connection *c, struct msg_hello *hello, struct err *e);
/* Saves two heads of one log that cannot both be true, and says what to do.  Returns false. */
struct inside_fork {
	struct bytes kept, shown;
	struct bytes receipt; /* of a PARTY_HEAD that cannot be; may be absent */
};
bool inside_heads_forked(
    struct relto_connection *c, const struct inside_fork *f, const char *what, struct err *e);
/* The broker says that it never published so much: the same fork, found by the other side. */
bool inside_heads_disowned(struct relto_connection *c, struct err *e);
/* Heads that were shown to several connections stay apart however often a proof is asked for. */
bool inside_heads_never_joined(struct relto_connection *c, struct err *e);
MUST_USE bool inside_heads_welcome(
    struct relto_connection *c, const struct msg_welcome *w, struct err *e);
MUST_USE bool inside_heads_take(
    struct relto_connection *c, const struct msg_heads *h, struct err *e);
/* Whether that head was shown in this session: nothing else is believed of the log. */
bool inside_heads_shown(const struct relto_connection *c, const struct checkpoint *cp);
struct inside_proof {	  /* what came with a receipt or delivery */
	const char *kind; /* "receipt", "delivery" */
	struct bytes report;
	uint64_t index;
	const struct msg_evidence *evidence;
};
MUST_USE bool inside_heads_evidence(
    struct relto_connection *c, const struct inside_proof *p, struct err *e);
MUST_USE bool inside_heads_flush(struct relto_connection *c, struct err *e);

/* ---- attestations (inside_attest.c) ---- */

/* A head of the party's tree was verified. */
void inside_attest_head(struct relto_connection *c, const struct keep_tree *tree);
/* Attests it, if it is time; false only if nothing more can be sent. */
MUST_USE bool inside_attest_send(struct relto_connection *c, struct relto_error *e);
/* True: it was the answer to an attestation. */
bool inside_attest_answer(struct relto_connection *c, const struct msg *m);

/* At the end of a session: flushes, and leaves what is not covered yet to the next one. */
MUST_USE bool inside_heads_end(struct relto_connection *c, struct err *e);

/* How many pieces of evidence are uncovered for too long. */
size_t inside_heads_overdue(const struct relto_connection *c);

/* ---- witnesses (inside_quorum.c); without a quorum in the context nothing of it is asked ---- */

/* At the beginning of a session: what the quorum signed before.  ERR_CONFIG: it judges another
 * log. */
MUST_USE bool inside_quorum_load(struct relto_connection *c, struct err *e);
/* Welcome came: from now on time counts. */
void inside_quorum_welcome(struct relto_connection *c);
/* A head was shown that extends what was verified.  ERR_QUORUM: a signature in it is forged. */
MUST_USE bool inside_quorum_shown(
    struct relto_connection *c, const struct checkpoint *cp, struct bytes note, struct err *e);
/* Whether it is time to give up: nothing more came ('idle'), and what is shown is not signed. */
bool inside_quorum_is_late(struct relto_connection *c, bool idle);
/* Saves what was shown and says what to do.  Returns false. */
bool inside_quorum_missing(struct relto_connection *c, struct err *e);
/* Whether the quorum signed that note of the log.  ERR_NOT_PUBLISHED: it did not, yet; ERR_QUORUM:
 * it is no note of the log, or a signature is forged. */
MUST_USE bool inside_quorum_signed(
    const struct relto_connection *c, struct bytes note, struct err *e);

/* ---- receipts (inside_receipt.c) ---- */

/*
 * A record with its proof, as it came: its place in the tree of a head that this session was shown,
 * exactly the slots of this party's view.  Views point into 'p' and 'a'.  ERR_UNVERIFIED and what
 * does not hold; ERR_CONFIG: no log key.
 */
MUST_USE bool inside_receipt(struct relto_connection *c, const struct msg_proof *p,
    struct bytes note, struct arena *a, struct receipt *out, struct err *e);
/* That of a delivery: of its DELIVERY record, about exactly what came.  ERR_UNVERIFIED. */
MUST_USE bool inside_receipt_delivery(struct relto_connection *c, const struct msg_deliver *in,
    const struct envelope *v, struct arena *a, struct err *e);
/* The same as a proof file (C2SP tlog-proof), in 'a'. */
MUST_USE bool inside_receipt_file(struct arena *a, const struct msg_proof *p, struct bytes note,
    struct bytes *out, struct err *e);

/* ---- copying into what the caller gets (inside_copy.c) ---- */

/* NUL-terminated copy; NULL when the arena is full. */
const char *inside_text(struct arena *a, struct bytes in);
MUST_USE bool inside_texts(struct arena *a, const struct names *in, struct relto_texts *out);
MUST_USE bool inside_agreements(struct arena *a, const struct msg_agreement *in, size_t count,
    const struct relto_agreement **out);
MUST_USE bool inside_unusable(struct arena *a, const struct msg_unusable *in, size_t count,
    const struct relto_unusable **out);

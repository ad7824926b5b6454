/*
 * inside.h - what the files of librelto share.  Not installed.
 * inside_turn.c sends, waits and hands round what comes; inside_heads.c follows the log;
 * inside_copy.c and inside_error.c make what the caller gets.  relto_*.c are the public calls.
 * Threads: as relto.h says.
 */
#pragma once
#include "audit/checkpoint.h"
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

struct relto_context {
	struct arena arena; /* of the texts and arrays below */
	char *host, *port, *hub_id;
	struct chain_anchors *hub;
	struct inside_identity identity, signer; /* signer.leaf NULL: identity signs */
	struct inside_party *parties;
	size_t party_count;
	struct inside_pin *pins;
	size_t pin_count;
	struct note_key log;
	bool has_log;
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

/* A report submitted: built, then sealed and sent, then answered. */
struct inside_pending {
	STAILQ_ENTRY(inside_pending) next;
	struct arena arena;
	struct msg_publish report;
	uint8_t id[16];
	void *cookie;
	uint64_t request; /* 0: not sent yet */
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

enum { INSIDE_ACKS = 64 };
struct relto_connection {
	const struct relto_context *ctx;
	struct link *link;
	struct sha256 hash;
	struct envelope_verifier verifier;
	struct arena arena; /* session, head, what lives as long as the connection */
	struct relto_identity session;
	uint8_t signer_digest[32];
	const char *signer_id; /* NULL: the certificate may not sign */
	struct msg_limits limits;
	bool more_agreements;	    /* than Welcome had room for */
	struct relto_identity *all; /* with all of them, once they were asked for */
	uint64_t last_request;
	int64_t last_sent_ms;
	struct relto_error failed; /* code "" while the connection is of use */
	bool said_bye;

	struct inside_messages deliveries;
	struct inside_messages answers; /* to 'awaited' */
	uint64_t awaited;
	uint64_t last_ack;		/* request of the last ack that is not answered; 0: none */
	struct relto_error refused_ack; /* code "" if none was */
	uint64_t acks[INSIDE_ACKS];	/* relto_ack_later: gathered, not sent yet.. */
	size_t ack_count;
	uint32_t ack_subscription; /* ..all of one subscription.. */
	int64_t ack_since_ms;	   /* ..the oldest since then */
	struct inside_chains chains;

	struct inside_pendings unsent, sent, answered;
	size_t unsent_count, sent_count; /* sent_count: answered ones too */
	size_t in_flight, sent_bytes;	 /* not answered yet */

	/* the log, as verified */
	struct arena head_arena;
	struct relto_checkpoint head;
	bool has_head;
	size_t apart; /* heads kept that no proof joins to this one yet */
	struct inside_evidence evidence[INSIDE_SECONDS]; /* oldest first */
	size_t evidence_count;
	bool late;	  /* what an earlier session left to watch was not covered in time */
	uint64_t covered; /* size of the party tree by the last verified PARTY_HEAD */
	char lines[4096]; /* evidence on its way to the state folder */
	size_t lines_len;
};

/* Sends what relto_ack_later gathered (relto_receive.c). */
MUST_USE bool inside_acks_flush(struct relto_connection *c, struct relto_error *e);

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

/* Sends 'm' under the next request number, which is left in it. */
MUST_USE bool inside_send(
    struct relto_connection *c, struct msg *m, uint8_t lane, struct relto_error *e);
/* The same without a number: nothing answers. */
MUST_USE bool inside_send_unasked(
    struct relto_connection *c, const struct msg *m, struct relto_error *e);
/* Waits for the next message that answers request 'c->awaited', an Error among them. */
MUST_USE bool inside_await(
    struct relto_connection *c, struct inside_message **out, struct relto_error *e);
/* A request whose answers come in several messages: start, expect.., forget. */
MUST_USE bool inside_start(
    struct relto_connection *c, struct msg *m, uint8_t lane, struct relto_error *e);
/* The next answer, which must be of 'type'; an Error becomes *e. */
MUST_USE bool inside_expect(struct relto_connection *c, enum msg_type type,
    struct inside_message **out, struct relto_error *e);
void inside_forget(struct relto_connection *c);
/* A request with one answer of 'type'. */
MUST_USE bool inside_ask(struct relto_connection *c, struct msg *m, enum msg_type type,
    struct inside_message **out, struct relto_error *e);
/*
 * Takes what comes until 'deadline' or until one message was handed round.  *came says whether.
 */
MUST_USE bool inside_turn(
    struct relto_connection *c, int64_t deadline, bool *came, struct relto_error *e);
/* A fault of the peer or of the network: the connection is of no use any more.  Returns false. */
bool inside_break(struct relto_connection *c, const struct err *why, struct relto_error *e);
void inside_pending_free(struct inside_pending *p);

/* ---- reports (inside_build.c) ---- */

/* A report with all its parts but the seal. */
MUST_USE bool inside_build(struct relto_connection *c, const struct relto_report *report,
    struct inside_pending **out, struct relto_error *e);
MUST_USE bool inside_seal(struct relto_connection *c, const struct envelope_batch *b,
    struct arena *a, struct relto_error *e);
/* The bytes that count in the publish window. */
size_t inside_bytes(const struct msg_publish *p);
/* Waits until one more report of 'bytes' fits into the broker's window. */
MUST_USE bool inside_window(struct relto_connection *c, size_t bytes, struct relto_error *e);
/* Builds, seals and sends one, whose id goes to 'id'; inside_expect gives the answer, inside_forget
 * ends it. */
MUST_USE bool inside_publish(struct relto_connection *c, const struct relto_report *report,
    bool dry_run, uint8_t id[16], struct relto_error *e);
/* An answer has to be about what was asked; else the connection is broken. */
MUST_USE bool inside_is_about(
    struct relto_connection *c, struct bytes report, const uint8_t id[16], struct relto_error *e);

/* Takes what Welcome says, as soon as it comes: what comes behind it goes on from there. */
MUST_USE bool inside_welcome(
    struct relto_connection *c, const struct msg_welcome *w, struct err *e);

/* ---- the log (inside_heads.c) ---- */

/* What Hello says of the log, loaded from the state. */
MUST_USE bool inside_heads_load(struct relto_connection *c, struct msg_hello *hello, struct err *e);
/* The broker says that it never published so much: the same fork, found by the other side. */
bool inside_heads_disowned(struct relto_connection *c, struct err *e);
/* Heads that were shown to several connections stay apart however often a proof is asked for. */
bool inside_heads_never_joined(struct relto_connection *c, struct err *e);
MUST_USE bool inside_heads_welcome(
    struct relto_connection *c, const struct msg_welcome *w, struct err *e);
MUST_USE bool inside_heads_take(
    struct relto_connection *c, const struct msg_heads *h, struct err *e);
struct inside_proof {	  /* what came with a receipt or delivery */
	const char *kind; /* "receipt", "delivery" */
	struct bytes report;
	uint64_t index;
	const struct msg_evidence *evidence;
};
MUST_USE bool inside_heads_evidence(
    struct relto_connection *c, const struct inside_proof *p, struct err *e);
MUST_USE bool inside_heads_flush(struct relto_connection *c, struct err *e);

/* At the end of a session: flushes, and leaves what is not covered yet to the next one. */
MUST_USE bool inside_heads_end(struct relto_connection *c, struct err *e);

/* How many pieces of evidence are uncovered for too long. */
size_t inside_heads_overdue(const struct relto_connection *c);

/* ---- copying into what the caller gets (inside_copy.c) ---- */

/* NUL-terminated copy; NULL when the arena is full. */
const char *inside_text(struct arena *a, struct bytes in);
MUST_USE bool inside_texts(struct arena *a, const struct names *in, struct relto_texts *out);
MUST_USE bool inside_agreements(struct arena *a, const struct msg_agreement *in, size_t count,
    const struct relto_agreement **out);
MUST_USE bool inside_unusable(struct arena *a, const struct msg_unusable *in, size_t count,
    const struct relto_unusable **out);

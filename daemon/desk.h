/*
 * desk.h - what a worker's handlers keep: for the worker, for each session, and for each
 * subscription that somebody reads (an outlet). Threads: the worker's alone.
 */
#pragma once
#include "audit/record.h"
#include "daemon/conn.h"
#include "daemon/job.h"
#include "daemon/readings.h"
#include "daemon/role.h"
#include "daemon/ruleset.h"
#include "daemon/salt.h"
#include "daemon/shelf.h"
#include "daemon/shell.h"
#include "daemon/table.h"
#include "proto/arena.h"
#include "proto/envelope.h"
#include "proto/merkle.h"

struct outlet;

enum {
	DESK_REFUSALS = 64,   /* kinds of refusal counted at once */
	SESSION_CHAINS = 64,  /* chains of signers that a session was told */
	SESSION_OUTLETS = 32, /* subscriptions of one session */
	DESK_ATTESTED = 256,  /* agents whose last attestation is remembered */
	DESK_ARENA_EXTRA = 1 << 20,
	DESK_SCRATCH = 4 * LIMIT_MESSAGE_BYTES /* a delivery: its parts, and the message of them */
};

/* One second's identical refusals become one counted record (AUDIT 1). */
struct refusal_count {
	uint64_t first_ms;
	uint64_t count; /* 0: free */
	bool flushing;	/* its record is being made */
	enum err_code code;
	char party[65], agent[256], field[96], peer[64];
	uint8_t report[16];
	bool has_report;
	uint64_t conn;
	uint8_t leaf[32];
	bool has_leaf;
};

/* What an agent attested last (attest.h). */
struct desk_attested {
	bool used, tried;
	uint8_t agent[32];    /* SHA-256 of its party and SPIFFE id */
	uint64_t size, at_ms; /* that is in the log; when it was last tried */
};

struct desk {
	struct worker *worker;
	struct shell *shell;
	struct ruleset *rules;	/* a reference; NULL until main gave the first */
	struct ruleset *coming; /* another: on_coming */
	struct store_view *view;
	struct arena scratch; /* of one delivery */
	struct shelf *shelf;
	bool looking;	/* the view is open for an outlet, into 'scratch'.. */
	uint64_t looks; /* ..for the so-many-th time.. */
	uint64_t seen;	/* ..and shell.withdrawals before it was */
	struct sha256 sha;
	struct salt_pool salts;
	struct desk_proof { /* the last that a session was given; sizes 0: none */
		uint64_t sizes[2];
		struct merkle_proof proof;
	} proof;
	struct outlet *outlets; /* by subscription id */
	struct job *parked;	/* stale jobs that wait for the rules that made them so (by next) */
	struct notice *backs;	/* what came back to a queue while there was no memory (by next) */
	struct refusal_count refusals[DESK_REFUSALS];
	struct desk_attested attested[DESK_ATTESTED];
	bool heads_due;	 /* a session could not be told of a head: all of them, once more */
	bool holds_due;	 /* every hold is to be judged again, from the next tick on */
	bool in_round;	 /* that is under way.. */
	bool hold_begun; /* ..and has come to 'hold_at' */
	struct store_held hold_at;
	struct event *hold_event;
	struct { /* a session here waits for a backup; conn 0: none */
		uint64_t conn, request, told_ms;
	} backup;
	uint64_t looked_ms; /* when every outlet was last asked for more */
	struct reading_rates readings;
};

struct session {
	struct desk *desk;
	/* ten thousand sessions are idle (PERFORMANCE.md): what not each of them needs is asked for
	 * when it is needed */
	void *chain_memory;	     /* of the chain; NULL: none was given */
	struct names chain;	     /* of the signer, as Hello gave it */
	char *actor;		     /* the certificate's subject, once it was asked for */
	struct trust_signer *signer; /* judged at the first publication under the present rules */
	uint64_t signer_rules;
	struct envelope_verifier verifier;
	uint8_t (*chains)[32]; /* SESSION_CHAINS signers that it was told of; NULL: none yet */
	unsigned chain_count;
	uint64_t heads_size;   /* of the last checkpoint it was given.. */
	size_t heads_bytes;    /* ..and how long that was: cosignatures make it longer */
	struct session_shown { /* of the last PARTY_HEADs that it was shown, newest first */
		uint64_t size; /* 0: none */
		uint8_t root[32];
	} shown[2];
	uint32_t last_outlet;	       /* numbers of its subscriptions, from 1 */
	uint32_t credit;	       /* most of each of them, as Welcome told it */
	struct pull *pull;	       /* an export under way */
	struct receipts *receipts;     /* the report whose receipts were asked for last */
	struct recall_reading *recall; /* a RecallStatus under way */
	struct reading reading;	       /* what its last AUDIT_READ covers */
	struct session_letters {       /* where its list of dead letters goes on */
		bool all;
		uint32_t party; /* 0: everybody's */
		uint64_t given; /* so many; 0: none, or to the end */
		struct store_letter_key from;
	} letters;
	uint64_t sessions_next; /* where its reading of Sessions goes on; 0: none is under way */
	bool deciding;		/* a Decide is under way; it may take some mebibytes */
	struct consumer *consumers[SESSION_OUTLETS];
	unsigned consumer_count;
};

static inline struct desk *
desk_of(const struct conn *c)
{
	return c->worker->desk;
}

/* Those that came with the rules; before the first, those of the start. */
const struct config *desk_settings(const struct desk *d);
/* The party id of the session; 0 if its party left the policy. */
uint32_t desk_party(const struct conn *c);
/* Whether a record is below the signed head: nobody hears of one that is not (AUDIT I2). */
static inline bool
desk_is_signed(const struct desk *d, uint64_t index)
{
	return index < atomic_load(&d->shell->signed_size);
}
/* Opens the view for the deliveries of this event, unless it is open for them: all that is read
 * until desk_look_away is of one moment. */
MUST_USE bool desk_look(struct desk *d, struct err *e);
void desk_look_away(struct desk *d);
/* Whether the session's party may cause one more record of its own making now (LIMIT_AUDIT_READS);
 * if not, the request was answered.  False: that failed. */
MUST_USE bool desk_may_record(struct conn *c, uint64_t request, bool *yes, struct err *e);
/* Posts the job; a full mailbox answers the request with BUSY (job freed): false.  Takes it always.
 */
bool desk_post(struct conn *c, struct job **j);
/* Keeps a stale job until the next rules come. */
void desk_park(struct desk *d, struct job *j);
/* For jobs without a connection: posted, or freed and false. */
MUST_USE bool desk_post_own(struct desk *d, struct job **j);
/* Stored data is damaged: nothing may be sent or acknowledged any more (DESIGN 9).  Does not
 * return. */
_Noreturn void desk_stop_for_good(struct desk *d, const struct err *e);
/* Slots 5 and 6 for what this connection does. */
struct slot_hub desk_hub(const struct conn *c);
/* Says in a job who asked for it. */
void desk_say_who(const struct conn *c, struct job *j);
/* The subject of the session's certificate, RFC 2253; empty when out of memory. */
struct bytes desk_actor(const struct conn *c, struct arena *a);
/* Eight fresh salts. */
MUST_USE bool desk_salts(struct desk *d, uint8_t salts[RECORD_SALTS], struct err *e);
/* Counts a refusal towards its REFUSED record. */
struct refused {
	enum err_code code;
	struct bytes field, report;		 /* absent: none */
	const struct trust_refusal *certificate; /* not NULL: whom the certificate claims to be */
};
void desk_count_refusal(struct desk *d, const struct conn *c, const struct refused *why);
/* What a peer is told of a failure that is ours: whether it may try again, no more. */
enum err_code desk_our_fault(const struct err *e);
/* Answers what the peer should not have asked with an Error, and counts it; the connection stays.
 */
MUST_USE bool desk_refuse(
    struct conn *c, uint64_t request, const struct complaint *no, struct err *e);
/* Writes the REFUSED records whose second is over; 'all': every one. */
void desk_flush_refusals(struct desk *d, bool all);
/* A record of slots 1, 5, 6, 7 that this connection caused, on its way.  'home' (0: nothing) is
 * what the job comes home as: its sender.  False: nothing was sent. */
/* The record itself, in 'a', for a job that carries it with its act. */
MUST_USE bool desk_record(
    struct conn *c, const struct body *b, struct arena *a, struct record *r, struct err *e);
enum desk_errand { DESK_NOTHING = 0, DESK_PULL, DESK_LIST, DESK_PROVE };
struct desk_note {
	const struct body *body;
	uint64_t request;
	bool publish;
	enum desk_errand errand;
	uint64_t from, count; /* of a list: what its AUDIT_READ says.. */
	uint64_t wanted;      /* ..and how many were asked for */
};
/* *posted false: the mailbox was full and the request was answered BUSY. */
MUST_USE bool desk_note(struct conn *c, const struct desk_note *n, bool *posted, struct err *e);
/* The certificates of a stored chain: DER, one after the other; views into 'in'. */
MUST_USE bool desk_split_chain(struct arena *a, struct bytes in, struct names *out, struct err *e);
/* The text of a report id, 36 characters and a NUL. */
void desk_uuid(const uint8_t id[16], char out[37]);

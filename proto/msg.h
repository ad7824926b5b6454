/*
 * msg.h - the messages of the connection as plain structs (proto/relto.proto, docs/PROTOCOL.md).
 * Decoding checks everything that a message can be checked for by itself: every field's length,
 * range and text (UTF-8 without NUL), the number of elements, the canonical form, and that there is
 * no unknown field.  The parts of a report inside Publish and Deliver stay bytes
 * here; proto/envelope.h opens them.
 * Views borrow from the input bytes, arrays live in the arena: both must outlive the struct msg.
 * Threads: pure; no shared state.
 */
#pragma once
#include "proto/facts.h"

struct arena;

enum msg_type { /* the zero is none of them */
	MSG_NONE = 0,
#define M(NAME, member, number, from, since) MSG_##NAME,
#include "proto/msg.def"
#undef M
	MSG_COUNT
};

enum { MSG_VERSION_LEAST = 1, MSG_VERSION_MOST = 2 }; /* of the protocol */
enum msg_from { MSG_FROM_CLIENT = 1, MSG_FROM_BROKER = 2, MSG_FROM_BOTH = 3 };

enum msg_answer { MSG_APPROVE = 1, MSG_REJECT };
enum { MSG_FEEDBACK_RECIPIENTS_MAX = 64 };
enum { MSG_SUBSCRIPTIONS_MAX = 256, MSG_DEAD_LETTERS_MAX = 100 }; /* in one message */
enum msg_subscription_act { MSG_SUBSCRIPTION_LIST_THEM = 1, MSG_SUBSCRIPTION_DELETE };
enum msg_dead_act { MSG_DEAD_LIST = 1, MSG_DEAD_RETRY, MSG_DEAD_DROP };
enum msg_agreement_state { MSG_STATE_DRAFT = 1, MSG_STATE_IN_FORCE, MSG_STATE_TERMINATED };

struct msg_u32s {
	const uint32_t *items;
	size_t count;
};
struct msg_u64s {
	const uint64_t *items;
	size_t count;
};

/* ---- client to broker ---- */

struct msg_hello {
	struct msg_u32s versions; /* 1..16, strictly ascending */
	struct bytes software;	  /* text, at most 64 bytes */
	struct bytes log_origin;  /* text, empty: no checkpoint yet */
	uint64_t log_size;
	struct names signer_chain; /* 0..4 certificates, DER, leaf first */
};
struct msg_portion { /* parts of a report, not yet opened */
	struct bytes head;
	struct bytes body;
};
struct msg_publish { /* the parts are checked by envelope_open, as refusals of the report */
	struct bytes manifest, routing, notice, seal; /* notice empty: none */
	const struct msg_portion *portions;
	size_t portion_count;
	bool dry_run;
};
struct msg_subscribe {
	struct bytes name;  /* [A-Za-z0-9][A-Za-z0-9_-]{0,63} */
	struct bytes topic; /* pattern; empty: as it is, '>' for a new one */
	enum mode mode;
	uint32_t credit; /* 1..LIMIT_CREDIT */
	bool from_start;
	bool proof; /* version 2: every Deliver brings its proof */
};
struct msg_ack {
	uint32_t subscription;	    /* as Subscribed numbered it */
	struct msg_u64s deliveries; /* at least one, strictly ascending */
};
struct msg_explain {
	struct bytes report; /* 16 */
};
struct msg_audit_list {
	uint64_t from;
	uint32_t count; /* 1..1,000 */
};
struct msg_audit_pull {
	uint64_t from;
	bool bodies_of_policy;
};
struct msg_attest {
	struct bytes origin; /* text */
	uint64_t size;
	struct bytes root; /* 32 */
	struct bytes signature;
};
struct msg_holds {
	struct bytes from; /* 16, or empty: from the beginning */
	uint32_t count;	   /* 1..100 */
};
struct msg_decide {
	struct bytes hold;	  /* 16 */
	struct msg_u32s portions; /* strictly ascending; none: all that it waits for */
	enum msg_answer answer;
	struct bytes because; /* text, 1..1,024 bytes */
};
struct msg_nack {
	uint32_t subscription;
	struct msg_u64s deliveries; /* strictly ascending, at least one */
	uint32_t delay_ms;
};
struct msg_subscriptions {
	enum msg_subscription_act act;
	struct bytes party; /* empty: one's own */
	struct bytes name;  /* of the one to delete.. */
	bool exercise;	    /* ..and its mode */
	uint32_t from;
};
struct msg_dead_letters {
	enum msg_dead_act act;
	bool all; /* an operator's */
	struct bytes party;
	struct bytes report; /* 16, or empty */
	uint64_t from;
};
struct msg_prove {
	struct bytes report; /* 16 */
	uint64_t from;	     /* 0, or where the last answer ended */
};
struct msg_backup {
	struct bytes name; /* of a new folder in the broker's backup-dir */
};
struct msg_recall_answer {
	struct bytes report; /* 16 */
	struct bytes answer; /* text: a closed code */
};
struct msg_feedback {
	struct bytes report; /* 16 */
	struct bytes code;   /* text: closed */
	uint64_t sighted;    /* µs, 0: none */
};
struct msg_recall_status {
	struct bytes report; /* 16 */
};
struct msg_erase {
	struct msg_u64s records; /* main indices, strictly ascending, 1..1,000 */
	struct bytes because;	 /* text, 1..1,024 bytes */
};
struct msg_feedback_status {
	struct bytes report; /* 16 */
	struct bytes from;   /* text: empty, or 'next' of the answer before */
};
struct msg_sessions {
	uint64_t from; /* 0, or where the last answer ended */
};

/* ---- broker to client ---- */

struct msg_limits {
	uint64_t message_bytes, report_bytes;
	uint32_t portions, publish_window;
	uint64_t publish_window_bytes;
	uint32_t credit, idle_ms;
};
struct msg_agreement {
	struct bytes name;
	uint64_t version;
	struct bytes terms; /* 32 */
	struct bytes title;
	enum msg_agreement_state state;
	uint64_t valid_from, valid_until; /* ms; until: the first moment out of force, 0 = open */
	enum mode mode;
	struct names topics;
	bool suspended, may_originate, may_receive;
	enum precedence at_most;
	struct names members;
};
struct msg_welcome {
	uint32_t version;
	struct bytes party, agent, hub_party, node;
	struct msg_limits limits;
	const struct msg_agreement *agreements;
	size_t agreement_count;
	struct bytes checkpoint;  /* signed note */
	struct names consistency; /* 32 each */
	uint64_t time;		  /* ms */
	bool more;		  /* not all agreements fitted: Whoami gives the rest */
};
struct msg_heads {
	struct bytes checkpoint;
	uint64_t from;
	struct names consistency; /* 32 each */
	uint64_t party_head;
	struct bytes opening;	/* RLO1; empty: there is none yet */
	struct names inclusion; /* 32 each */
};
struct msg_evidence {
	uint64_t party_index;
	struct bytes leaf_hash; /* 32 */
};
struct msg_unusable {
	struct bytes agreement, why; /* text */
};
struct msg_receipt {
	struct bytes report; /* 16 */
	uint64_t index;
	struct msg_evidence evidence;
	uint64_t accepted; /* µs */
	const struct msg_unusable *unusable;
	size_t unusable_count;
	uint32_t released, redacted, held, withheld;
	bool again;
};
struct msg_subscribed {
	uint32_t subscription;
	struct bytes name, topic;
	enum mode mode;
	bool created;
	uint32_t credit;
};
struct msg_signer {
	struct bytes digest; /* 32: SHA-256 of the DER certificates, one after the other */
	struct names chain;  /* 1..4, DER, leaf first */
};
struct msg_proof {
	uint64_t index;
	struct bytes opening;	/* RLO1 */
	struct names inclusion; /* 32 each */
};
struct msg_deliver { /* the parts are checked by envelope_open_delivery */
	uint32_t subscription;
	uint64_t delivery;
	uint32_t attempt; /* from 1 */
	struct bytes manifest, notice, seal;
	const struct msg_portion *portions;
	size_t portion_count;
	uint64_t accepted;	 /* µs */
	struct bytes chain;	 /* 32 */
	struct names agreements; /* text name@version, strictly ascending */
	struct msg_evidence evidence;
	bool has_proof; /* version 2, if it was subscribed to so.. */
	struct msg_proof proof;
	struct bytes checkpoint; /* ..in the tree of this */
};
struct msg_open_obligation {
	enum obligation_kind kind;
	struct bytes agreement, subject, approver; /* text, may be empty (design section 5, end) */
	uint64_t deadline;			   /* µs */
};
struct msg_portion_decision {
	uint32_t portion;
	enum verdict verdict;
	struct bytes reason, agreement, rule, place; /* text; the last three may be empty */
	const struct msg_open_obligation *obligations;
	size_t obligation_count;
};
struct msg_recipient_decision {
	struct bytes recipient;
	enum outcome outcome;
	const struct msg_portion_decision *portions;
	size_t portion_count;
	uint64_t index, time;		  /* time: µs */
	struct bytes policy;		  /* 32 */
	uint64_t delivered, acknowledged; /* µs, 0: not yet */
};
struct msg_explanation {
	struct bytes report; /* 16 */
	const struct msg_recipient_decision *decisions;
	size_t decision_count;
	const struct msg_unusable *unusable;
	size_t unusable_count;
	bool dry_run;
	bool more; /* another Explanation with further recipients follows */
};
struct msg_identity {
	struct bytes party, agent;
	struct names roles;
	struct bytes hub_party, node;
	const struct msg_agreement *agreements;
	size_t agreement_count;
	struct bytes policy;	    /* 32, or empty */
	uint64_t certificate_until; /* ms */
	bool more;		    /* another Identity with further agreements follows */
};
struct msg_audit_record {
	uint64_t index;
	struct bytes opening; /* RLO1 */
};
struct msg_audit_part {
	struct bytes name; /* text: relative path without . or .. */
	struct bytes data;
	bool last;
	const struct msg_audit_record *records;
	size_t record_count;
	uint64_t next;
};
struct msg_status_reply {
	struct bytes json; /* text */
};
struct msg_error {
	struct bytes code, text;	     /* text; code is a token of err.def */
	struct bytes field, nearest, detail; /* text, may be empty */
	uint32_t retry_ms;
};

struct msg_hold_portion {
	uint32_t portion;
	struct bytes marking; /* text, one line a vocabulary */
	uint64_t size;	      /* bytes of its body */
};
struct msg_hold {	   /* of a consent: the first six, the mode, nothing else (section 8) */
	struct bytes hold; /* 16 */
	enum obligation_kind kind;
	struct bytes publisher, recipient; /* parties */
	uint64_t deadline;		   /* µs */
	struct bytes source;		   /* 16, or empty: it is no consent */
	struct bytes report;		   /* 16, or empty */
	struct bytes agreement, rule;	   /* text, may be empty */
	bool own;			   /* published by this very agent: another one decides */
	const struct msg_hold_portion *portions;
	size_t portion_count;
	enum mode mode;
};
struct msg_hold_list {
	const struct msg_hold *holds;
	size_t hold_count;
	struct bytes next; /* 16: where to go on; empty at the end */
};
struct msg_subscription {
	struct bytes name, topic;
	enum mode mode;
	uint64_t waiting; /* for an operator entries of its queue, else those that came back */
};
struct msg_subscription_list {
	const struct msg_subscription *subscriptions;
	size_t subscription_count;
	bool more;
};
struct msg_dead_letter {
	struct bytes party, publisher; /* text; no publisher where there is no report */
	struct bytes report;	       /* 16; empty: nothing of it reached the party, which asks */
	struct bytes subscription;     /* name; empty: there is none, or not any more */
	enum mode mode;
	enum precedence precedence;
	struct bytes reason; /* text */
	uint32_t attempts;
	uint64_t time; /* µs */
};
struct msg_dead_letter_list {
	const struct msg_dead_letter *letters;
	size_t letter_count;
	uint64_t next; /* 0: the end */
};
struct msg_decided {
	struct bytes hold;	  /* 16 */
	struct msg_u32s portions; /* that were decided now; of a consent none are told */
};

struct msg_proof_list {
	struct bytes checkpoint; /* signed note */
	const struct msg_proof *proofs;
	size_t proof_count;
	uint64_t next; /* where to go on; 0: nothing follows */
};
struct msg_recall_recipient {
	struct bytes recipient;
	bool withdrawn;
	uint64_t notified, received; /* µs, 0: not */
	struct bytes answer;	     /* a closed code, or empty */
	uint64_t answered;	     /* µs, 0: not yet */
};
struct msg_recall_status_reply {
	struct bytes report; /* 16 */
	struct bytes topic;
	enum precedence precedence;
	enum mode mode;
	struct bytes notice; /* 16, or empty: it was not recalled */
	struct bytes reason; /* a closed code, or empty */
	uint64_t recalled;   /* µs */
	const struct msg_recall_recipient *recipients;
	size_t recipient_count;
	bool more;
};
struct msg_feedback_said {
	struct bytes code;	/* text: closed */
	uint64_t time, sighted; /* µs; sighted 0: none */
};
struct msg_feedback_recipient {
	struct bytes recipient;
	uint64_t count;			      /* of all that it said */
	const struct msg_feedback_said *said; /* the last of it, oldest first */
	size_t said_count;
};
struct msg_feedback_status_reply {
	struct bytes report; /* 16 */
	const struct msg_feedback_recipient *recipients;
	size_t recipient_count;
	struct bytes next; /* text: the last recipient; empty: the end */
};
struct msg_progress {
	uint64_t done, total; /* bytes; the total is an estimate */
};

struct msg_empty { /* Whoami, Status, Reload, AcceptClock, Drain, Ping, Bye, Pong */
	char none;
};

struct msg {
	uint64_t request; /* the client's, from 1, rising; answers repeat it; 0: unasked */
	enum msg_type type;
	union {
		struct msg_hello hello;
		struct msg_publish publish;
		struct msg_subscribe subscribe;
		struct msg_ack ack;
		struct msg_explain explain;
		struct msg_audit_list audit_list;
		struct msg_audit_pull audit_pull;
		struct msg_attest attest;
		struct msg_holds holds;
		struct msg_decide decide;
		struct msg_nack nack;
		struct msg_subscriptions subscriptions;
		struct msg_dead_letters dead_letters;
		struct msg_subscription_list subscription_list;
		struct msg_dead_letter_list dead_letter_list;
		struct msg_prove prove;
		struct msg_backup backup;
		struct msg_erase erase;
		struct msg_recall_answer recall_answer;
		struct msg_feedback feedback;
		struct msg_recall_status recall_status;
		struct msg_feedback_status feedback_status;
		struct msg_sessions sessions;
		struct msg_welcome welcome;
		struct msg_heads heads;
		struct msg_receipt receipt;
		struct msg_subscribed subscribed;
		struct msg_signer signer;
		struct msg_deliver deliver;
		struct msg_explanation explanation;
		struct msg_identity identity;
		struct msg_audit_part audit_part;
		struct msg_status_reply status_reply;
		struct msg_error error;
		struct msg_hold_list hold_list;
		struct msg_decided decided;
		struct msg_proof_list proof_list;
		struct msg_progress progress;
		struct msg_recall_status_reply recall_status_reply;
		struct msg_feedback_status_reply feedback_status_reply;
		struct msg_empty whoami, status, reload, accept_clock, drain, ping, bye, pong;
	};
};

/* What was wrong with a message, for an answer to its sender; see msg_error_for. */
struct fault {
	uint64_t request;   /* of the bad message, 0 if it could not be read */
	enum msg_type type; /* of the bad message, MSG_NONE if it could not be read */
	bool sound;	    /* only a value is out of its range: the request can be refused and the
			     * connection go on; else the peer broke the protocol */
	char field[96];	    /* "publish.portions[3].head", empty if no field is to blame */
	char nearest[96];   /* the nearest valid value, empty if there is none */
	char detail[192];   /* in words, empty if the code's text says all */
};

/*
 * Reads one whole message.  Arrays go into 'a', whose cap bounds them; views borrow from 'in'.  'f'
 * may be NULL.
 * ERR_UNKNOWN_MESSAGE: a type or field that the schema does not have.  ERR_NOT_CANONICAL: readable,
 * but not as the canonical encoding has it.  ERR_LIMIT: too long, too many.  ERR_MALFORMED:
 * anything else.  ERR_NOMEM: the arena's cap.  On each of them *out is untouched; f->sound says
 * whether the connection can go on.
 */
MUST_USE bool msg_decode(
    struct bytes in, struct arena *a, struct msg *out, struct fault *f, struct err *e);

/*
 * What a message is and how long, by its first bytes: MSG_PEEK_BYTES of them are enough.  For who
 * must know before it is whole; nothing else is checked, but what msg_decode takes is of this type
 * and size.  MSG_NONE, and *size untouched: they do not say, or nothing that msg_decode would take.
 */
enum { MSG_PEEK_BYTES = 24 };
enum msg_type msg_peek(struct bytes begins, uint64_t *size);

/*
 * Writes 'm' canonically into 'a'.  The same checks as in decoding, so what we send is what a peer
 * accepts; a failure is ERR_LIMIT (does not fit: split it) or ERR_INTERNAL with the field.
 */
MUST_USE bool msg_encode(const struct msg *m, struct arena *a, struct bytes *out, struct err *e);

/* True if that side may send messages of this type (msg.def); check it right after msg_decode. */
bool msg_is_from(enum msg_type type, enum msg_from from);
/* The first version of the protocol that has it; in a session of an older one it is
 * ERR_UNKNOWN_MESSAGE. */
unsigned msg_since(enum msg_type type);
/* The same with its fields: a message of an older version may have got one later. */
unsigned msg_needs(const struct msg *m);
/* For logs: "publish", "audit_list".  Never NULL. */
const char *msg_name(enum msg_type type);

/*
 * An Error for 'request' with the code's token and fixed text; field, nearest and detail from 'f'
 * (may be NULL), retry_ms if err_may_retry(code).  The views borrow from 'f' and from constants.
 */
struct msg msg_error_for(
    uint64_t request, enum err_code code, const struct fault *f, uint32_t retry_ms);

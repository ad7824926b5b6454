/*
 * relto.h - librelto, the client library of the relto message broker.
 *
 *     struct relto_error e;
 *     struct relto_context *ctx = relto_context_new(&e);      // who I am, whom I trust
 *     relto_context_server(ctx, "127.0.0.1:4774", &e); ...
 *     struct relto_connection *c = relto_connect(ctx, &e);    // TLS 1.3, mutual, pinned hub
 *     relto_publish(c, &report, &receipt, &e);                // returns when it is durable
 *     relto_subscribe(c, &wanted, NULL, &e);
 *     relto_next(c, 5000, &delivery, &e);                     // verified before you see it
 *     relto_ack(c, delivery, &e);
 *
 * Errors.  A function that can fail returns false (or NULL), fills *e, which may be NULL, and
 * leaves its other outputs alone.  e->code is a stable token ("bad-signature"); README and
 * docs/PROTOCOL.md list them.  An error of the broker about one request leaves the connection
 * usable; after e->fatal it only remains to close it.
 * Ownership.  Inputs are borrowed for the length of the call.  What comes back as a pointer to a
 * struct is one block, freed by the relto_..._free of its name; everything in it lives and dies
 * with it, and nothing in it is to be changed.  Every ..._free and relto_close accept NULL.
 * Text is UTF-8 with a NUL at its end; times are milliseconds since 1970 UTC unless the name ends
 * in _us (microseconds); timeouts are milliseconds, -1 waits without end, 0 does not wait.
 * Threads.  A context is set up by one thread, and constant from the first relto_connect on: then
 * any thread may connect with it.  A connection and what it gave out belong to one thread at a
 * time; different connections, of one context too, are independent.  relto_wake alone may be called
 * from any thread and from signal handlers, until relto_close begins.  The library starts no
 * threads and touches no process state; its sockets never raise SIGPIPE.
 */
#ifndef RELTO_H
#define RELTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RELTO_API __attribute__((visibility("default")))
#define RELTO_VERSION "0.1.0"

enum { RELTO_ID_BYTES = 16, RELTO_ID_TEXT = 37, RELTO_DIGEST_BYTES = 32 };

struct relto_error {
	char code[32];	   /* stable token, "" if there was no error */
	char text[1024];   /* what happened, for people */
	char field[128];   /* of your own report or request, "" if none is to blame */
	char nearest[256]; /* the nearest valid value, "" if there is none */
	char detail[1024]; /* more about your own report, "" if none */
	int exit_status;   /* what the command relto exits with for this code (sysexits) */
	bool may_retry;	   /* the same call may succeed later; not before retry_ms */
	uint32_t retry_ms;
	bool fatal; /* the connection is of no use any more */
};

struct relto_bytes {
	const void *data;
	size_t len;
};
/* A list of texts; NULL is an empty one. */
struct relto_texts {
	const char *const *items;
	size_t count;
};

/* The version of the library that is linked, "0.1.0". */
RELTO_API const char *relto_version(void);
/* Lower-case UUID text of a report id, with its NUL. */
RELTO_API void relto_id_print(const uint8_t id[RELTO_ID_BYTES], char out[RELTO_ID_TEXT]);
/* False if 'text' is no UUID of 36 characters. */
RELTO_API bool relto_id_parse(const char *text, uint8_t out[RELTO_ID_BYTES]);

/* ------------------------------------------------------------------ context */

struct relto_context;

/* An empty context, or NULL (no-memory).  Free it after the last connection made from it. */
RELTO_API struct relto_context *relto_context_new(struct relto_error *e);
RELTO_API void relto_context_free(struct relto_context *ctx);

/* "host:port", an IPv6 address in brackets; up to 8 of one hub, with commas between.  relto_connect
 * tries each once. */
RELTO_API bool relto_context_server(
    struct relto_context *ctx, const char *server, struct relto_error *e);
/* The hub that is pinned: its SPIFFE id, and the CA certificates (PEM) that may vouch for it. */
RELTO_API bool relto_context_hub(struct relto_context *ctx, const char *hub_id,
    struct relto_bytes ca_pem, struct relto_error *e);
RELTO_API bool relto_context_hub_file(
    struct relto_context *ctx, const char *hub_id, const char *ca_path, struct relto_error *e);
/* My certificate (PEM, leaf first, then intermediates) and its private key (PEM, unencrypted).
 * Files of keys that others may read are refused. */
RELTO_API bool relto_context_identity(struct relto_context *ctx, struct relto_bytes certificate_pem,
    struct relto_bytes key_pem, struct relto_error *e);
RELTO_API bool relto_context_identity_files(struct relto_context *ctx, const char *certificate_path,
    const char *key_path, struct relto_error *e);
/* Another certificate and key to sign reports with; without it the identity signs. */
RELTO_API bool relto_context_signer(struct relto_context *ctx, struct relto_bytes certificate_pem,
    struct relto_bytes key_pem, struct relto_error *e);
/* Whose reports I believe: a party's name, its trust domain ("nor.example") and its CA certificates
 * (PEM).  The CA speaks for that domain alone.  Two parties that share a domain or a CA certificate
 * are refused.  With domain NULL it is that of the SPIFFE id in the CA certificates (URI subject
 * alternative name "spiffe://nor.example"), or of a line "trust-domain: nor.example" before the
 * first one; where neither is there: config. */
RELTO_API bool relto_context_trust(struct relto_context *ctx, const char *party, const char *domain,
    struct relto_bytes ca_pem, struct relto_error *e);
/* A folder of PARTY.pem files, each as by relto_context_trust, with the domain that the first line
 * of PARTY.domain says, if there is such a file. */
RELTO_API bool relto_context_trust_dir(
    struct relto_context *ctx, const char *path, struct relto_error *e);
/* The log's public key, a C2SP vkey "origin+keyid+key"; one LF at the end is allowed. */
RELTO_API bool relto_context_log_key(
    struct relto_context *ctx, const char *vkey, struct relto_error *e);
/*
 * The witnesses that must have signed what the broker shows of its log: a policy file of C2SP
 * tlog-policy, its text (`log`, `witness`, `group`, `quorum`; URLs are ignored; `quorum none` is
 * refused).  A session begins only when a head is known that the quorum signed and that what is
 * shown extends: the head itself, or one that was signed at most 'age_s' seconds ago (1 to 604,800;
 * 0: 600).  It ends, for good, when what is shown stays without the quorum's signatures for so
 * long, or one of them is forged: quorum.  What was shown is then in the state folder, where the
 * last signed head is kept too: without one each relto_connect waits for a signed head, which takes
 * as long as the hub's `heads-every`.  Needs the log's key.
 */
RELTO_API bool relto_context_quorum(
    struct relto_context *ctx, struct relto_bytes policy, uint32_t age_s, struct relto_error *e);
/* A folder (made if need be, mode 0700) where the largest verified checkpoint is kept, the size and
 * root of the party's own tree, the evidence that came with receipts and deliveries, and what
 * proves a fork (the first 64 pieces).  Processes may share it: what they were shown is joined by
 * proofs.  Without it all that lives in the context alone and dies with it. */
RELTO_API bool relto_context_state_dir(
    struct relto_context *ctx, const char *path, struct relto_error *e);
/* Terms of an agreement that my party accepted.  Once one is pinned for a name, a report under that
 * agreement is sent only if the broker shows these terms; else it fails with agreement-not-usable
 * before anything is sent.  An agreement without a pin is used with the terms the broker shows. */
RELTO_API bool relto_context_terms(struct relto_context *ctx, const char *agreement,
    const uint8_t digest[RELTO_DIGEST_BYTES], struct relto_error *e);
/* How long connecting, and each wait for an answer, may take; 30,000 ms at first. */
RELTO_API void relto_context_timeout(struct relto_context *ctx, uint32_t timeout_ms);
/* A connection that is lost comes back by itself, at the next server; 'most_ms' is the longest
 * delay before a try (a random one, up to a bound that doubles), 0, as at first: it does not.  What
 * a person has to judge ends it all the same: another hub, a fork, a right that is gone.  Then
 * subscriptions are as they were; reports that were not answered go again, the same bytes, and what
 * had arrived says 'again' in its receipt; what was not acknowledged comes again, under another
 * number.  Calls that waited for other answers fail without 'fatal', and the next call goes on. */
RELTO_API void relto_context_reconnect(struct relto_context *ctx, uint32_t most_ms);
/* Show reports too whose originator's party is not in the trust folder (false at first).  A report
 * that is verified and fails is never shown. */
RELTO_API void relto_context_show_unverified(struct relto_context *ctx, bool show);
/* Whether this agent ever signs several reports at once (true at first).  With false no path goes
 * into the seals, and every report has its own signature. */
RELTO_API void relto_context_batch(struct relto_context *ctx, bool batch);

/* --------------------------------------------------------------- connection */

struct relto_connection;

enum relto_state { RELTO_DRAFT = 1, RELTO_IN_FORCE, RELTO_TERMINATED };
enum relto_precedence { RELTO_ROUTINE = 1, RELTO_PRIORITY, RELTO_IMMEDIATE, RELTO_FLASH };

struct relto_agreement { /* as its members may know it */
	const char *name;
	uint64_t version;
	uint8_t terms[RELTO_DIGEST_BYTES];
	const char *title;
	enum relto_state state;
	uint64_t valid_from, valid_until; /* the latter: the first moment out of force */
	bool exercise;
	struct relto_texts topics;
	bool suspended, may_originate, may_receive;
	enum relto_precedence at_most; /* what this party may send under it */
	struct relto_texts members;
};

struct relto_identity { /* who the broker says I am */
	const char *party, *agent;
	struct relto_texts roles;
	const char *hub_party, *node;
	const struct relto_agreement *agreements;
	size_t agreement_count;
	bool has_policy; /* only the hub party is told */
	uint8_t policy[RELTO_DIGEST_BYTES];
	uint64_t certificate_until;
};

struct relto_checkpoint { /* the largest that was verified */
	const char *origin;
	uint64_t size;
	uint8_t root[RELTO_DIGEST_BYTES];
	const char *note; /* as signed */
};

/* Connects, checks that it is the pinned hub, says Hello, verifies the log's checkpoint and that it
 * extends the one kept, or those that other processes kept meanwhile.  NULL: unreachable, timeout,
 * tls (the text says in words why the broker refused the certificate, as far as TLS tells),
 * certificate (it is not the hub that is pinned), fork (the log was rewritten or rolled back; the
 * evidence is in the state folder), quorum (its witnesses did not sign it), generation (of the log:
 * `relto context accept-log`), version, protocol, io, no-memory, config (the quorum is of another
 * log), usage (something of the context is missing). */
RELTO_API struct relto_connection *relto_connect(
    const struct relto_context *ctx, struct relto_error *e);
/* Says goodbye (waiting at most a second for the broker's own), closes and frees.  Publishes not
 * yet answered may or may not have been accepted. */
RELTO_API void relto_close(struct relto_connection *c);
/* The socket; -1 while there is none.  relto_process says what to wait for there. */
RELTO_API int relto_fd(const struct relto_connection *c);
/* For a program with a loop of its own: does what can be done without waiting and says what to wait
 * for.  Call it right before each poll(2), after relto_next and relto_answer with timeout 0, which
 * do not wait either, nor do relto_ack_later, and relto_submit while fewer than 64 are unanswered.
 * Only the look-up of a server's name waits: give addresses.  False: the connection is over, or
 * was woken. */
struct relto_wants {
	int fd; /* -1: none, only the time */
	short events;
	int timeout_ms;		    /* call again then at the latest; -1: never */
	size_t deliveries, answers; /* that wait to be taken: then timeout_ms is 0 */
};
RELTO_API bool relto_process(
    struct relto_connection *c, struct relto_wants *out, struct relto_error *e);
/* Whether there is a session now.  *sessions: how many there were; *lost: why the last one that
 * ended, or the last try, did (code "": none has).  Numbers of deliveries are of one session. */
RELTO_API bool relto_is_up(
    const struct relto_connection *c, uint64_t *sessions, struct relto_error *lost);
/* Makes a wait of this connection end with the code "interrupted".  A publish that was interrupted
 * may have been accepted. */
RELTO_API void relto_wake(struct relto_connection *c);

/* As of Welcome: party, agent, hub party, node; lives until the next session begins.  Roles are
 * empty, and so may be the agreements if they are many: relto_whoami has all. */
RELTO_API const struct relto_identity *relto_session(const struct relto_connection *c);
/* The largest verified checkpoint; NULL if no log key was given.  Lives until the next call with
 * this connection. */
RELTO_API const struct relto_checkpoint *relto_log_head(const struct relto_connection *c);

/* How many receipts and deliveries are older than 120 s and still not covered by a verified head of
 * my party's tree: 0, unless the broker keeps records from its log.  Raise an alarm then.  With a
 * state folder one that an earlier session left uncovered is among them, when heads that are more
 * than 120 s apart do not cover it. */
RELTO_API size_t relto_overdue(const struct relto_connection *c);
/* How many records the head of my party's tree had that this connection attested last: it does so
 * once a minute while it has a subscription.  *refused: the broker refuses what it showed. */
RELTO_API uint64_t relto_attested(const struct relto_connection *c, bool *refused);

/* Asks the broker who I am, under which agreements and terms. */
RELTO_API bool relto_whoami(
    struct relto_connection *c, struct relto_identity **out, struct relto_error *e);
RELTO_API void relto_identity_free(struct relto_identity *i);
/* Asks whether the broker is still there. */
RELTO_API bool relto_ping(struct relto_connection *c, struct relto_error *e);

/* ------------------------------------------------------------------ reports */

struct relto_category {
	const char *name;
	struct relto_texts values;
};
struct relto_label {
	const char *vocabulary, *classification;
	const struct relto_category *categories;
	size_t category_count;
};
struct relto_portion {
	const struct relto_label *labels; /* 1..4, of different vocabularies */
	size_t label_count;
	const char *content_type; /* NULL: text/plain */
	const char *title;	  /* NULL: none */
	struct relto_bytes content;
};
struct relto_source {
	uint8_t id[RELTO_ID_BYTES];
};
/* A report to publish.  Zero it, then set what you need; zero is a sensible default everywhere but
 * for topic, portions and their labels. */
struct relto_report {
	uint8_t id[RELTO_ID_BYTES]; /* all zero: a fresh one; the receipt says which */
	const char *topic;
	enum relto_precedence precedence; /* 0: ROUTINE */
	bool exercise;
	uint64_t not_before, expires;  /* 0: none */
	struct relto_texts agreements; /* 1..8; their terms are those of this session */
	bool has_only_to; /* false: no restriction; true with none in only_to: nobody */
	struct relto_texts only_to, not_to; /* parties */
	const struct relto_source *sources;
	size_t source_count;
	bool backfill;
	const struct relto_portion *portions;
	size_t portion_count;
};

struct relto_evidence {	      /* what later proves that the log has this record */
	uint64_t party_index; /* in the party's own tree */
	uint8_t leaf_hash[RELTO_DIGEST_BYTES];
};
struct relto_unusable {
	const char *agreement, *why;
};
struct relto_receipt {
	uint8_t id[RELTO_ID_BYTES];
	uint64_t index; /* of the INTAKE record in the log */
	struct relto_evidence evidence;
	uint64_t accepted_us;
	const struct relto_unusable *unusable; /* agreements named that could not be used */
	size_t unusable_count;
	uint32_t released, redacted, held, withheld; /* recipients */
	bool again; /* it had been accepted before; nothing new happened */
};
RELTO_API void relto_receipt_free(struct relto_receipt *r);

/* Publishes one report and waits until it is durable.  On a refusal e->field and e->nearest say
 * what to mend.  After a timeout it may have been accepted: relto_submit does not forget it. */
RELTO_API bool relto_publish(struct relto_connection *c, const struct relto_report *report,
    struct relto_receipt **receipt, struct relto_error *e);

/* What a report says of an earlier one: that it takes its place, calls it back, or is about it. */
enum relto_act { RELTO_SUPERSEDE = 1, RELTO_RECALL, RELTO_ABOUT };
struct relto_notice {
	enum relto_act act; /* 0: nothing */
	uint8_t report[RELTO_ID_BYTES];
	const char *code; /* one of relto_notice_code, NULL or "": none */
};
/* The closed codes of an act, by number from 0; NULL behind the last. */
RELTO_API const char *relto_notice_code(enum relto_act act, size_t n);
/* Publishes a report that supersedes or is about an earlier one; for a recall see relto_recall.
 * unknown-report: that one is not there, or not this party's to name. */
RELTO_API bool relto_publish_about(struct relto_connection *c, const struct relto_report *report,
    const struct relto_notice *about, struct relto_receipt **receipt, struct relto_error *e);

/*
 * Calls a report of one's own party back, for one of the codes of RELTO_RECALL: what waits of it is
 * withdrawn, and whoever had any of it is told.  It needs no agreement in force.  unknown-report:
 * it is not there, or another party's.
 */
RELTO_API bool relto_recall(struct relto_connection *c, const uint8_t report[RELTO_ID_BYTES],
    const char *code, struct relto_receipt **receipt, struct relto_error *e);

/* Many reports at once: relto_submit takes a report (copied, not yet signed), relto_flush signs all
 * that gathered, 64 under one signature, and sends them; relto_answer waits for the next answer, in
 * no order.  relto_submit flushes by itself before it takes the 65th.  At the broker's window a
 * flush waits for room (answers are kept for relto_answer meanwhile); if that fails the reports
 * that were not sent stay, for the next flush. */
RELTO_API bool relto_submit(struct relto_connection *c, const struct relto_report *report,
    void *cookie, struct relto_error *e);
RELTO_API bool relto_flush(struct relto_connection *c, struct relto_error *e);
/* Submitted and not yet fetched by relto_answer. */
RELTO_API size_t relto_unanswered(const struct relto_connection *c);

struct relto_answer {
	void *cookie; /* as given to relto_submit */
	uint8_t id[RELTO_ID_BYTES];
	struct relto_receipt *receipt; /* yours to free; NULL: refused, see 'error' */
	struct relto_error error;
};
/* Flushes, then waits.  False: timeout (nothing came in time), usage (nothing is unanswered), or
 * the connection failed. */
RELTO_API bool relto_answer(
    struct relto_connection *c, int timeout_ms, struct relto_answer *out, struct relto_error *e);

/* -------------------------------------------------------------- explanation */

enum relto_outcome { RELTO_RELEASE = 1, RELTO_REDACT, RELTO_HOLD, RELTO_WITHHOLD };
enum relto_verdict { RELTO_PORTION_RELEASE = 1, RELTO_PORTION_HOLD, RELTO_PORTION_WITHHOLD };
enum relto_obligation_kind { RELTO_REVIEW = 1, RELTO_CONSENT, RELTO_SIGNER };

struct relto_obligation {
	enum relto_obligation_kind kind;
	const char *agreement, *subject, *approver; /* "" where you may not know */
	uint64_t deadline_us;
};
struct relto_portion_decision {
	uint32_t portion;
	enum relto_verdict verdict;
	const char *reason, *agreement, *rule, *place; /* "" for none */
	const struct relto_obligation *obligations;
	size_t obligation_count;
};
struct relto_decision {
	const char *recipient;
	enum relto_outcome outcome;
	const struct relto_portion_decision *portions;
	size_t portion_count;
	uint64_t index;					 /* of the record; 0 in a dry run */
	uint64_t time_us, delivered_us, acknowledged_us; /* 0: not yet */
	uint8_t policy[RELTO_DIGEST_BYTES];
};
struct relto_explanation {
	uint8_t id[RELTO_ID_BYTES];
	bool dry_run;
	const struct relto_decision *decisions; /* by recipient, in byte order */
	size_t decision_count;
	const struct relto_unusable *unusable;
	size_t unusable_count;
};
RELTO_API void relto_explanation_free(struct relto_explanation *x);

/* The decisions on my own report, with reasons.  unknown-report: none, or not mine. */
RELTO_API bool relto_explain(struct relto_connection *c, const uint8_t id[RELTO_ID_BYTES],
    struct relto_explanation **out, struct relto_error *e);
/* What would be decided if this were published now; nothing is kept. */
RELTO_API bool relto_dry_run(struct relto_connection *c, const struct relto_report *report,
    struct relto_explanation **out, struct relto_error *e);
/* The same of a report that supersedes or is about an earlier one; errors as relto_publish_about.
 */
RELTO_API bool relto_dry_run_about(struct relto_connection *c, const struct relto_report *report,
    const struct relto_notice *about, struct relto_explanation **out, struct relto_error *e);

/* -------------------------------------------------------------------- holds */

struct relto_hold_portion {
	uint32_t portion;
	const char *marking; /* lines, one a vocabulary */
	uint64_t size;	     /* bytes of its body */
};
/* One question to my party: a rule wants its approval, a source of its own is used (consent), or a
 * report of its own was signed with a key that was revoked.  Of a consent there is the source, who
 * asks, for whom, until when, whether it is an exercise, and nothing else. */
struct relto_hold {
	uint8_t id[RELTO_ID_BYTES]; /* my party's name for it, as long as it is open */
	enum relto_obligation_kind kind;
	const char *publisher, *recipient; /* parties */
	uint64_t deadline_us;		   /* then it is withheld */
	bool exercise;			   /* as the source of a consent is, too */
	bool has_source, has_report;
	uint8_t source[RELTO_ID_BYTES]; /* of a consent */
	uint8_t report[RELTO_ID_BYTES]; /* of the others, like all that follows */
	const char *agreement, *rule;	/* "" for none */
	bool own; /* this very agent published it: another one has to decide */
	const struct relto_hold_portion *portions;
	size_t portion_count;
};
struct relto_holds {
	const struct relto_hold *items; /* in no order that tells anything */
	size_t count;
};
RELTO_API void relto_holds_free(struct relto_holds *x);
/* All that waits for my party.  role: the agent may not approve; version: the broker is too old. */
RELTO_API bool relto_holds(
    struct relto_connection *c, struct relto_holds **out, struct relto_error *e);

struct relto_answer_to_hold {
	uint8_t hold[RELTO_ID_BYTES];
	bool approve;		  /* false: reject */
	const uint32_t *portions; /* rising; none: all that it waits for */
	size_t portion_count;
	const char *because; /* 1..1,024 bytes; for the auditor of the hub alone */
};
struct relto_decided {
	uint32_t portions[256]; /* that were decided now; of a consent they are not told */
	size_t portion_count;
};
/* Decides, and returns when that is durable.  'out' may be NULL.  unknown-hold: there is none of
 * the name (any more), or it is another party's; own-report: this agent published it.  After a
 * connection that failed the answer may or may not have counted: ask again what waits. */
RELTO_API bool relto_decide(struct relto_connection *c, const struct relto_answer_to_hold *answer,
    struct relto_decided *out, struct relto_error *e);

/* ------------------------------------------------------------- subscription */

struct relto_subscription_request {
	const char *name;  /* NULL: inbox */
	const char *topic; /* pattern; NULL: as the subscription is, '>' for a new one */
	bool exercise;
	uint32_t
	    credit; /* deliveries on their way unacknowledged; 0: as many as the broker allows */
	bool from_start; /* a new subscription begins with what is kept */
	/* Each delivery brings the proof that it is in the log, once a head covers it (in seconds).
	 * Needs the log's key (config) and a broker that knows of it (version). */
	bool proof;
};
struct relto_subscription {
	uint32_t number; /* in this connection; deliveries name it */
	char name[65], topic[256];
	bool exercise, created;
	uint32_t credit;
};
/* Opens a durable subscription (made if there is none of the name).  'out' may be NULL.
 * subscription-differs: it exists with another pattern. */
RELTO_API bool relto_subscribe(struct relto_connection *c,
    const struct relto_subscription_request *wanted, struct relto_subscription *out,
    struct relto_error *e);

enum relto_trust {
	RELTO_VERIFIED = 1, /* signature, chain and every portion hold under the party's own CA */
	RELTO_UNPINNED,	    /* no CA certificates of this party here: nothing was verified */
	RELTO_BAD	    /* verified, and it fails: 'why' says what */
};
struct relto_received {
	struct relto_portion portion;
	uint64_t order;		 /* rises in reading order; the numbers between mean nothing */
	struct relto_bytes head; /* the bytes that are committed to */
	struct relto_bytes body;
};
struct relto_delivery {
	uint32_t subscription;
	uint64_t number;  /* of the delivery in the subscription; the same when it comes again */
	uint32_t attempt; /* from 1 */
	enum relto_trust trust;
	const char *why;   /* "signature good: GBR /fusion-desk", or what is wrong */
	const char *party; /* of the originator, as pinned here; "" if it is not */
	uint8_t id[RELTO_ID_BYTES];
	const char *originator; /* SPIFFE id of the agent */
	const char *topic;
	enum relto_precedence precedence;
	bool exercise;
	uint64_t created, not_before, expires;
	uint64_t accepted_us;
	struct relto_texts agreements; /* name@version of those that released something */
	struct relto_evidence evidence;
	const struct relto_received *portions; /* in reading order; none unless it may be shown */
	size_t portion_count;
	struct relto_bytes manifest, seal,
	    notice; /* the signed bytes; empty unless it may be shown */
	/* Of a subscription with 'proof': a tlog-proof; or none was valid: trust is RELTO_BAD. */
	struct relto_bytes proof;
	bool unproved;
	const struct relto_bytes *chain; /* the signer's certificates, DER, leaf first */
	size_t chain_count;
	/* What the report is about, if it may be shown.  A recall has no portions: the report that
	 * it names is to be withdrawn here. */
	struct relto_notice about;
};
RELTO_API void relto_delivery_free(struct relto_delivery *d);

/* The next delivery of any subscription of this connection.  Everything was verified; where that
 * failed trust is RELTO_BAD (or RELTO_UNPINNED without relto_context_show_unverified) and there is
 * nothing in it to show.  False with timeout: nothing came; with any other code see e->fatal. */
RELTO_API bool relto_next(
    struct relto_connection *c, int timeout_ms, struct relto_delivery **out, struct relto_error *e);
/* Says that a delivery need not come again, and returns when that is durable.  Do it after the
 * report is safe with you.  Reports that come without acknowledgement come again after a while.  If
 * the session is lost (false, or before), what comes again is acknowledged, and not given out. */
RELTO_API bool relto_ack(
    struct relto_connection *c, const struct relto_delivery *d, struct relto_error *e);
/* The same without waiting, for high rates.  Gathered and sent together: at 64, after a second,
 * before the library waits for a delivery, and by relto_settle and relto_close. */
RELTO_API bool relto_ack_later(
    struct relto_connection *c, const struct relto_delivery *d, struct relto_error *e);
/* Gives a delivery back that was not acknowledged: it comes again after delay_ms (at most a day),
 * here or to another reader of the subscription, and holds no credit until then.  Each coming
 * counts: after the broker's max-deliveries it is a dead letter.  Returns when that is durable.
 * usage: a longer delay; version: the broker is too old; quota: too many wait so.  Of a session
 * that was lost it comes again anyway, as soon as it can: that is the error, and nothing is to be
 * done.  What came of it again meanwhile, because it was with the caller for too long, is not given
 * out. */
RELTO_API bool relto_nack(struct relto_connection *c, const struct relto_delivery *d,
    uint64_t delay_ms, struct relto_error *e);
/* Comes back when every relto_ack_later of this session is durable; the first that was refused is
 * the error. */
RELTO_API bool relto_settle(struct relto_connection *c, struct relto_error *e);

/* The same with a callback: calls 'handle' for each delivery until it returns false, or 'limit'
 * were handled (0: no limit), or none came for idle_ms (-1: no limit), or an error.  A delivery
 * for which it returned true and set *ack is acknowledged.  The delivery dies after the call. */
struct relto_handler {
	bool (*handle)(void *arg, const struct relto_delivery *d, bool *ack);
	void *arg;
	uint64_t limit;
	int idle_ms;
};
/* True: ended by handler, limit or idle; all acknowledgements are durable. */
RELTO_API bool relto_run(
    struct relto_connection *c, const struct relto_handler *h, struct relto_error *e);

#ifdef __cplusplus
}
#endif

#include "relto_audit.h"
#include "relto_operator.h"
#include "relto_said.h"
#endif

#include "proto/msg_shapes.h"

#include "proto/fields.h"
#include <assert.h>

enum {
	VERSIONS_MAX = 16,
	SOFTWARE_MAX = 64,
	ORIGIN_MAX = 255,
	LIST_MAX = 1000,
	PROOF_MAX = 64, /* a proof in a tree of 2^63 leaves */
	CONSISTENCY_MAX = 128,
	NOTE_MAX = 65536, /* a checkpoint with many cosignatures */
	OPENING_MAX = 1 << 20,
	PATH_MAX_BYTES = 255,
	CODE_MAX = 64,
	WORDS_MAX = 1024,
	PLACE_MAX = 4096, /* file:line of a rule */
	ROLES_MAX = 16,
	HOLDS_MAX = 100,
	PROOFS_MAX = 64,
	MARKING_MAX = 65536,
};

/* ---- client to broker ---- */

static const struct codec_field hello_fields[] = {
	{ .name = "versions",
	    .number = 1,
	    .kind = CODEC_U32S,
	    .at = offsetof(struct msg_hello, versions.items),
	    .aside = offsetof(struct msg_hello, versions.count),
	    .least = 1,
	    .most = VERSIONS_MAX,
	    .min = 1,
	    .max = UINT32_MAX,
	    .ascending = true },
	F_TEXT(struct msg_hello, 2, software, 0, SOFTWARE_MAX),
	F_TEXT(struct msg_hello, 3, log_origin, 0, ORIGIN_MAX),
	F_U64(struct msg_hello, 4, log_size, 0, INDEX_MAX),
	F_BLOBS(struct msg_hello, 5, signer_chain, LIMIT_CHAIN_CERTS, 1, LIMIT_CERT_LIST_BYTES),
};
static const struct codec_shape hello = SHAPE(struct msg_hello, "hello", hello_fields);

/* Parts of a report have their limits in envelope_open: they are refusals, not protocol errors. */
static const struct codec_field portion_fields[] = {
	F_BLOB(struct msg_portion, 1, head, 0, LIMIT_MESSAGE_BYTES),
	F_BLOB(struct msg_portion, 2, body, 0, LIMIT_MESSAGE_BYTES),
};
static const struct codec_shape portion = SHAPE(struct msg_portion, "portion", portion_fields);

static const struct codec_field publish_fields[] = {
	F_BLOB(struct msg_publish, 1, manifest, 0, LIMIT_MESSAGE_BYTES),
	F_BLOB(struct msg_publish, 2, routing, 0, LIMIT_MESSAGE_BYTES),
	F_BLOB(struct msg_publish, 3, notice, 0, LIMIT_MESSAGE_BYTES),
	F_BLOB(struct msg_publish, 4, seal, 0, LIMIT_MESSAGE_BYTES),
	F_PARTS(struct msg_publish, 5, portions, portion_count, MANY, &portion),
	F_BOOL(struct msg_publish, 6, dry_run),
};
static const struct codec_shape publish = SHAPE(struct msg_publish, "publish", publish_fields);

static const struct codec_field subscribe_fields[] = {
	F_SPELT(struct msg_subscribe, 1, name, 1, LIMIT_PARTY_NAME_BYTES, syntax_name),
	F_SPELT(struct msg_subscribe, 2, topic, 0, LIMIT_TOPIC_BYTES, syntax_pattern),
	F_ENUM(struct msg_subscribe, 3, mode, MODE_EXERCISE),
	F_U32(struct msg_subscribe, 4, credit, 1, LIMIT_CREDIT),
	F_BOOL(struct msg_subscribe, 5, from_start),
	F_BOOL(struct msg_subscribe, 6, proof),
};
static const struct codec_shape subscribe =
    SHAPE(struct msg_subscribe, "subscribe", subscribe_fields);

#define F_DELIVERIES(T) \
	{ \
		.name = "deliveries", .number = 2, .kind = CODEC_U64S, \
		.at = offsetof(T, deliveries.items), .aside = offsetof(T, deliveries.count), \
		.least = 1, .most = LIMIT_CREDIT, .max = UINT64_MAX, .ascending = true \
	}

static const struct codec_field ack_fields[] = {
	F_U32(struct msg_ack, 1, subscription, 0, UINT32_MAX),
	F_DELIVERIES(struct msg_ack),
};
static const struct codec_shape ack = SHAPE(struct msg_ack, "ack", ack_fields);

static const struct codec_field nack_fields[] = {
	F_U32(struct msg_nack, 1, subscription, 0, UINT32_MAX),
	F_DELIVERIES(struct msg_nack),
	F_U32(struct msg_nack, 3, delay_ms, 0, LIMIT_NACK_DELAY_MS),
};
static const struct codec_shape nack = SHAPE(struct msg_nack, "nack", nack_fields);

static const struct codec_field subscriptions_fields[] = {
	F_ENUM(struct msg_subscriptions, 1, act, MSG_SUBSCRIPTION_DELETE),
	F_TEXT(struct msg_subscriptions, 2, party, 0, LIMIT_PARTY_NAME_BYTES),
	F_SPELT(struct msg_subscriptions, 3, name, 0, LIMIT_PARTY_NAME_BYTES, syntax_name),
	F_BOOL(struct msg_subscriptions, 4, exercise),
	F_U32(struct msg_subscriptions, 5, from, 0, UINT32_MAX),
};
static const struct codec_shape subscriptions =
    SHAPE(struct msg_subscriptions, "subscriptions", subscriptions_fields);

static const struct codec_field dead_letters_fields[] = {
	F_ENUM(struct msg_dead_letters, 1, act, MSG_DEAD_DROP),
	F_BOOL(struct msg_dead_letters, 2, all),
	F_TEXT(struct msg_dead_letters, 3, party, 0, LIMIT_PARTY_NAME_BYTES),
	F_BLOB_OR_NONE(struct msg_dead_letters, 4, report, ID_BYTES, ID_BYTES),
	F_U64(struct msg_dead_letters, 5, from, 0, INDEX_MAX),
};
static const struct codec_shape dead_letters =
    SHAPE(struct msg_dead_letters, "dead_letters", dead_letters_fields);

static const struct codec_field explain_fields[] = {
	F_BLOB(struct msg_explain, 1, report, ID_BYTES, ID_BYTES),
};
static const struct codec_shape explain = SHAPE(struct msg_explain, "explain", explain_fields);

static const struct codec_field audit_list_fields[] = {
	F_U64(struct msg_audit_list, 1, from, 0, INDEX_MAX),
	F_U32(struct msg_audit_list, 2, count, 1, LIST_MAX),
};
static const struct codec_shape audit_list =
    SHAPE(struct msg_audit_list, "audit_list", audit_list_fields);

static const struct codec_field audit_pull_fields[] = {
	F_U64(struct msg_audit_pull, 1, from, 0, INDEX_MAX),
	F_BOOL(struct msg_audit_pull, 2, bodies_of_policy),
};
static const struct codec_shape audit_pull =
    SHAPE(struct msg_audit_pull, "audit_pull", audit_pull_fields);

static const struct codec_field attest_fields[] = {
	F_TEXT(struct msg_attest, 1, origin, 1, ORIGIN_MAX),
	F_U64(struct msg_attest, 2, size, 0, INDEX_MAX),
	F_BLOB(struct msg_attest, 3, root, DIGEST_BYTES, DIGEST_BYTES),
	F_BLOB(struct msg_attest, 4, signature, 1, LIMIT_SIGNATURE_BYTES),
};
static const struct codec_shape attest = SHAPE(struct msg_attest, "attest", attest_fields);

static const struct codec_field holds_fields[] = {
	F_BLOB_OR_NONE(struct msg_holds, 1, from, ID_BYTES, ID_BYTES),
	F_U32(struct msg_holds, 2, count, 1, HOLDS_MAX),
};
static const struct codec_shape holds = SHAPE(struct msg_holds, "holds", holds_fields);

/* Portions of a report by their numbers, rising. */
#define F_PORTION_NUMBERS(T, no, m) \
	{ \
		.name = #m, .number = (no), .kind = CODEC_U32S, .at = offsetof(T, m.items), \
		.aside = offsetof(T, m.count), .most = LIMIT_PORTIONS, .max = LIMIT_PORTIONS - 1, \
		.ascending = true \
	}

static const struct codec_field decide_fields[] = {
	F_BLOB(struct msg_decide, 1, hold, ID_BYTES, ID_BYTES),
	F_PORTION_NUMBERS(struct msg_decide, 2, portions),
	F_ENUM(struct msg_decide, 3, answer, MSG_REJECT),
	F_TEXT(struct msg_decide, 4, because, 1, WORDS_MAX),
};
static const struct codec_shape decide = SHAPE(struct msg_decide, "decide", decide_fields);

static const struct codec_field prove_fields[] = {
	F_BLOB(struct msg_prove, 1, report, ID_BYTES, ID_BYTES),
	F_U64(struct msg_prove, 2, from, 0, INDEX_MAX),
};
static const struct codec_shape prove = SHAPE(struct msg_prove, "prove", prove_fields);

static const struct codec_field backup_fields[] = {
	F_SPELT(struct msg_backup, 1, name, 1, LIMIT_PARTY_NAME_BYTES, syntax_name),
};
static const struct codec_shape backup = SHAPE(struct msg_backup, "backup", backup_fields);

static const struct codec_field erase_fields[] = {
	{ .name = "records",
	    .number = 1,
	    .kind = CODEC_U64S,
	    .at = offsetof(struct msg_erase, records.items),
	    .aside = offsetof(struct msg_erase, records.count),
	    .least = 1,
	    .most = LIMIT_ERASE_RECORDS,
	    .max = INDEX_MAX,
	    .ascending = true },
	F_TEXT(struct msg_erase, 2, because, 1, WORDS_MAX),
};
static const struct codec_shape erase = SHAPE(struct msg_erase, "erase", erase_fields);

static const struct codec_field recall_answer_fields[] = {
	F_BLOB(struct msg_recall_answer, 1, report, ID_BYTES, ID_BYTES),
	F_TEXT(struct msg_recall_answer, 2, answer, 1, CODE_MAX),
};
static const struct codec_shape recall_answer =
    SHAPE(struct msg_recall_answer, "recall_answer", recall_answer_fields);

static const struct codec_field feedback_fields[] = {
	F_BLOB(struct msg_feedback, 1, report, ID_BYTES, ID_BYTES),
	F_TEXT(struct msg_feedback, 2, code, 1, CODE_MAX),
	F_U64(struct msg_feedback, 3, sighted, 0, TIME_US_MAX),
};
static const struct codec_shape feedback = SHAPE(struct msg_feedback, "feedback", feedback_fields);

static const struct codec_field recall_status_fields[] = {
	F_BLOB(struct msg_recall_status, 1, report, ID_BYTES, ID_BYTES),
};
static const struct codec_shape recall_status =
    SHAPE(struct msg_recall_status, "recall_status", recall_status_fields);
static const struct codec_field feedback_status_fields[] = {
	F_BLOB(struct msg_feedback_status, 1, report, ID_BYTES, ID_BYTES),
	F_TEXT(struct msg_feedback_status, 2, from, 0, LIMIT_PARTY_NAME_BYTES),
};
static const struct codec_shape feedback_status =
    SHAPE(struct msg_feedback_status, "feedback_status", feedback_status_fields);
static const struct codec_field sessions_fields[] = {
	F_U64(struct msg_sessions, 1, from, 0, UINT64_MAX),
};
static const struct codec_shape sessions = SHAPE(struct msg_sessions, "sessions", sessions_fields);

/* ---- broker to client ---- */

static const struct codec_field limits_fields[] = {
	F_U64(struct msg_limits, 1, message_bytes, 1, UINT64_MAX),
	F_U64(struct msg_limits, 2, report_bytes, 1, UINT64_MAX),
	F_U32(struct msg_limits, 3, portions, 1, UINT32_MAX),
	F_U32(struct msg_limits, 4, publish_window, 1, UINT32_MAX),
	F_U64(struct msg_limits, 5, publish_window_bytes, 1, UINT64_MAX),
	F_U32(struct msg_limits, 6, credit, 1, UINT32_MAX),
	F_U32(struct msg_limits, 7, idle_ms, 1, UINT32_MAX),
};
static const struct codec_shape limits = SHAPE(struct msg_limits, "limits", limits_fields);

static const struct codec_field agreement_fields[] = {
	F_TEXT(struct msg_agreement, 1, name, 1, LIMIT_PARTY_NAME_BYTES),
	F_U64(struct msg_agreement, 2, version, 0, UINT64_MAX),
	F_BLOB(struct msg_agreement, 3, terms, DIGEST_BYTES, DIGEST_BYTES),
	F_TEXT(struct msg_agreement, 4, title, 0, WORDS_MAX),
	F_ENUM(struct msg_agreement, 5, state, MSG_STATE_TERMINATED),
	F_U64(struct msg_agreement, 6, valid_from, 0, LIMIT_TIME_MS + 1),
	F_U64(struct msg_agreement, 7, valid_until, 0, LIMIT_TIME_MS + 1),
	F_ENUM(struct msg_agreement, 8, mode, MODE_EXERCISE),
	F_TEXTS(struct msg_agreement, 9, topics, MANY, 1, LIMIT_TOPIC_BYTES),
	F_BOOL(struct msg_agreement, 10, suspended),
	F_BOOL(struct msg_agreement, 11, may_originate),
	F_BOOL(struct msg_agreement, 12, may_receive),
	F_ENUM(struct msg_agreement, 13, at_most, PRECEDENCE_FLASH),
	F_TEXTS(struct msg_agreement, 14, members, LIMIT_MEMBERS_PER_AGREEMENT, 1,
	    LIMIT_PARTY_NAME_BYTES),
};
static const struct codec_shape agreement =
    SHAPE(struct msg_agreement, "agreement", agreement_fields);

static const struct codec_field welcome_fields[] = {
	F_U32(struct msg_welcome, 1, version, 1, UINT32_MAX),
	F_TEXT(struct msg_welcome, 2, party, 1, LIMIT_PARTY_NAME_BYTES),
	F_TEXT(struct msg_welcome, 3, agent, 1, LIMIT_SPIFFE_ID_BYTES),
	F_TEXT(struct msg_welcome, 4, hub_party, 1, LIMIT_PARTY_NAME_BYTES),
	F_TEXT(struct msg_welcome, 5, node, 1, LIMIT_PARTY_NAME_BYTES),
	F_PART(struct msg_welcome, 6, limits, &limits),
	F_PARTS(struct msg_welcome, 7, agreements, agreement_count, LIMIT_AGREEMENTS, &agreement),
	F_TEXT(struct msg_welcome, 8, checkpoint, 0, NOTE_MAX),
	F_BLOBS(struct msg_welcome, 9, consistency, CONSISTENCY_MAX, DIGEST_BYTES, DIGEST_BYTES),
	F_U64(struct msg_welcome, 10, time, 0, LIMIT_TIME_MS),
	F_BOOL(struct msg_welcome, 11, more),
};
static const struct codec_shape welcome = SHAPE(struct msg_welcome, "welcome", welcome_fields);

static const struct codec_field heads_fields[] = {
	F_TEXT(struct msg_heads, 1, checkpoint, 1, NOTE_MAX),
	F_U64(struct msg_heads, 2, from, 0, INDEX_MAX),
	F_BLOBS(struct msg_heads, 3, consistency, CONSISTENCY_MAX, DIGEST_BYTES, DIGEST_BYTES),
	F_U64(struct msg_heads, 4, party_head, 0, INDEX_MAX),
	F_BLOB(struct msg_heads, 5, opening, 0, OPENING_MAX),
	F_BLOBS(struct msg_heads, 6, inclusion, PROOF_MAX, DIGEST_BYTES, DIGEST_BYTES),
};
static const struct codec_shape heads = SHAPE(struct msg_heads, "heads", heads_fields);

static const struct codec_field evidence_fields[] = {
	F_U64(struct msg_evidence, 1, party_index, 0, INDEX_MAX),
	F_BLOB(struct msg_evidence, 2, leaf_hash, DIGEST_BYTES, DIGEST_BYTES),
};
static const struct codec_shape evidence = SHAPE(struct msg_evidence, "evidence", evidence_fields);

static const struct codec_field unusable_fields[] = {
	F_TEXT(struct msg_unusable, 1, agreement, 1, LIMIT_PARTY_NAME_BYTES),
	F_TEXT(struct msg_unusable, 2, why, 0, WORDS_MAX),
};
static const struct codec_shape unusable = SHAPE(struct msg_unusable, "unusable", unusable_fields);

static const struct codec_field receipt_fields[] = {
	F_BLOB(struct msg_receipt, 1, report, ID_BYTES, ID_BYTES),
	F_U64(struct msg_receipt, 2, index, 0, INDEX_MAX),
	F_PART(struct msg_receipt, 3, evidence, &evidence),
	F_U64(struct msg_receipt, 4, accepted, 1, TIME_US_MAX),
	F_PARTS(struct msg_receipt, 5, unusable, unusable_count, LIMIT_AGREEMENTS_PER_REPORT,
	    &unusable),
	F_U32(struct msg_receipt, 6, released, 0, UINT32_MAX),
	F_U32(struct msg_receipt, 7, redacted, 0, UINT32_MAX),
	F_U32(struct msg_receipt, 8, held, 0, UINT32_MAX),
	F_U32(struct msg_receipt, 9, withheld, 0, UINT32_MAX),
	F_BOOL(struct msg_receipt, 10, again),
};
static const struct codec_shape receipt = SHAPE(struct msg_receipt, "receipt", receipt_fields);

static const struct codec_field subscribed_fields[] = {
	F_U32(struct msg_subscribed, 1, subscription, 0, UINT32_MAX),
	F_SPELT(struct msg_subscribed, 2, name, 1, LIMIT_PARTY_NAME_BYTES, syntax_name),
	F_SPELT(struct msg_subscribed, 3, topic, 1, LIMIT_TOPIC_BYTES, syntax_pattern),
	F_ENUM(struct msg_subscribed, 4, mode, MODE_EXERCISE),
	F_BOOL(struct msg_subscribed, 5, created),
	F_U32(struct msg_subscribed, 6, credit, 1, LIMIT_CREDIT),
};
static const struct codec_shape subscribed =
    SHAPE(struct msg_subscribed, "subscribed", subscribed_fields);

static const struct codec_field signer_fields[] = {
	F_BLOB(struct msg_signer, 1, digest, DIGEST_BYTES, DIGEST_BYTES),
	{ FIELD_(struct msg_signer, 2, chain, CODEC_BLOBS), .least = 1, .most = LIMIT_CHAIN_CERTS,
	    .min = 1, .max = LIMIT_CERT_LIST_BYTES },
};
static const struct codec_shape signer = SHAPE(struct msg_signer, "signer", signer_fields);

static const struct codec_field proof_fields[] = {
	F_U64(struct msg_proof, 1, index, 0, INDEX_MAX),
	F_BLOB(struct msg_proof, 2, opening, 1, OPENING_MAX),
	F_BLOBS(struct msg_proof, 3, inclusion, PROOF_MAX, DIGEST_BYTES, DIGEST_BYTES),
};
static const struct codec_shape proof = SHAPE(struct msg_proof, "proof", proof_fields);

static const struct codec_field deliver_fields[] = {
	F_U32(struct msg_deliver, 1, subscription, 0, UINT32_MAX),
	F_U64(struct msg_deliver, 2, delivery, 0, UINT64_MAX),
	F_U32(struct msg_deliver, 3, attempt, 1, UINT32_MAX),
	F_BLOB(struct msg_deliver, 4, manifest, 1, LIMIT_MESSAGE_BYTES),
	F_BLOB(struct msg_deliver, 5, notice, 0, LIMIT_MESSAGE_BYTES),
	F_BLOB(struct msg_deliver, 6, seal, 1, LIMIT_MESSAGE_BYTES),
	F_PARTS(struct msg_deliver, 7, portions, portion_count, LIMIT_PORTIONS, &portion),
	F_U64(struct msg_deliver, 8, accepted, 1, TIME_US_MAX),
	F_BLOB(struct msg_deliver, 9, chain, DIGEST_BYTES, DIGEST_BYTES),
	{ FIELD_(struct msg_deliver, 10, agreements, CODEC_TEXTS),
	    .most = LIMIT_AGREEMENTS_PER_REPORT, .min = 1, .max = WORDS_MAX, .ascending = true },
	F_PART(struct msg_deliver, 12, evidence, &evidence),
	F_MAYBE(struct msg_deliver, 13, proof, has_proof, &proof),
	F_TEXT(struct msg_deliver, 14, checkpoint, 0, NOTE_MAX),
};
static const struct codec_shape deliver = SHAPE(struct msg_deliver, "deliver", deliver_fields);

static const struct codec_field open_obligation_fields[] = {
	F_ENUM(struct msg_open_obligation, 1, kind, OBLIGATION_SIGNER),
	F_TEXT(struct msg_open_obligation, 2, agreement, 0, WORDS_MAX),
	F_TEXT(struct msg_open_obligation, 3, subject, 0, WORDS_MAX),
	F_TEXT(struct msg_open_obligation, 4, approver, 0, WORDS_MAX),
	F_U64(struct msg_open_obligation, 5, deadline, 0, TIME_US_MAX),
};
static const struct codec_shape open_obligation =
    SHAPE(struct msg_open_obligation, "obligation", open_obligation_fields);

static const struct codec_field portion_decision_fields[] = {
	F_U32(struct msg_portion_decision, 1, portion, 0, LIMIT_PORTIONS - 1),
	F_ENUM(struct msg_portion_decision, 2, verdict, VERDICT_WITHHOLD),
	F_TEXT(struct msg_portion_decision, 3, reason, 1, CODE_MAX),
	F_TEXT(struct msg_portion_decision, 4, agreement, 0, LIMIT_PARTY_NAME_BYTES),
	F_TEXT(struct msg_portion_decision, 5, rule, 0, LIMIT_PARTY_NAME_BYTES),
	F_TEXT(struct msg_portion_decision, 6, place, 0, PLACE_MAX),
	F_PARTS(
	    struct msg_portion_decision, 7, obligations, obligation_count, MANY, &open_obligation),
};
static const struct codec_shape portion_decision =
    SHAPE(struct msg_portion_decision, "portion", portion_decision_fields);

static const struct codec_field recipient_decision_fields[] = {
	F_TEXT(struct msg_recipient_decision, 1, recipient, 1, LIMIT_PARTY_NAME_BYTES),
	F_ENUM(struct msg_recipient_decision, 2, outcome, OUTCOME_WITHHOLD),
	F_PARTS(struct msg_recipient_decision, 3, portions, portion_count, LIMIT_PORTIONS,
	    &portion_decision),
	F_U64(struct msg_recipient_decision, 4, index, 0, INDEX_MAX),
	F_U64(struct msg_recipient_decision, 5, time, 0, TIME_US_MAX),
	F_BLOB_OR_NONE(struct msg_recipient_decision, 6, policy, DIGEST_BYTES, DIGEST_BYTES),
	F_U64(struct msg_recipient_decision, 7, delivered, 0, TIME_US_MAX),
	F_U64(struct msg_recipient_decision, 8, acknowledged, 0, TIME_US_MAX),
};
static const struct codec_shape recipient_decision =
    SHAPE(struct msg_recipient_decision, "decision", recipient_decision_fields);

static const struct codec_field explanation_fields[] = {
	F_BLOB(struct msg_explanation, 1, report, ID_BYTES, ID_BYTES),
	F_PARTS(struct msg_explanation, 2, decisions, decision_count, MANY, &recipient_decision),
	F_PARTS(struct msg_explanation, 3, unusable, unusable_count, LIMIT_AGREEMENTS_PER_REPORT,
	    &unusable),
	F_BOOL(struct msg_explanation, 4, dry_run),
	F_BOOL(struct msg_explanation, 5, more),
};
static const struct codec_shape explanation =
    SHAPE(struct msg_explanation, "explanation", explanation_fields);

static const struct codec_field identity_fields[] = {
	F_TEXT(struct msg_identity, 1, party, 1, LIMIT_PARTY_NAME_BYTES),
	F_TEXT(struct msg_identity, 2, agent, 1, LIMIT_SPIFFE_ID_BYTES),
	F_TEXTS(struct msg_identity, 3, roles, ROLES_MAX, 1, CODE_MAX),
	F_TEXT(struct msg_identity, 4, hub_party, 1, LIMIT_PARTY_NAME_BYTES),
	F_TEXT(struct msg_identity, 5, node, 1, LIMIT_PARTY_NAME_BYTES),
	F_PARTS(struct msg_identity, 6, agreements, agreement_count, LIMIT_AGREEMENTS, &agreement),
	F_BLOB_OR_NONE(struct msg_identity, 7, policy, DIGEST_BYTES, DIGEST_BYTES),
	F_U64(struct msg_identity, 8, certificate_until, 0, LIMIT_TIME_MS),
	F_BOOL(struct msg_identity, 9, more),
};
static const struct codec_shape identity = SHAPE(struct msg_identity, "identity", identity_fields);

static const struct codec_field audit_record_fields[] = {
	F_U64(struct msg_audit_record, 1, index, 0, INDEX_MAX),
	F_BLOB(struct msg_audit_record, 2, opening, 1, OPENING_MAX),
};
static const struct codec_shape audit_record =
    SHAPE(struct msg_audit_record, "record", audit_record_fields);

static const struct codec_field audit_part_fields[] = {
	F_SPELT(struct msg_audit_part, 1, name, 0, PATH_MAX_BYTES, syntax_path),
	F_BLOB(struct msg_audit_part, 2, data, 0, LIMIT_MESSAGE_BYTES),
	F_BOOL(struct msg_audit_part, 3, last),
	F_PARTS(struct msg_audit_part, 4, records, record_count, LIST_MAX, &audit_record),
	F_U64(struct msg_audit_part, 5, next, 0, INDEX_MAX),
};
static const struct codec_shape audit_part =
    SHAPE(struct msg_audit_part, "audit_part", audit_part_fields);

static const struct codec_field status_reply_fields[] = {
	F_TEXT(struct msg_status_reply, 1, json, 2, LIMIT_MESSAGE_BYTES),
};
static const struct codec_shape status_reply =
    SHAPE(struct msg_status_reply, "status_reply", status_reply_fields);

static const struct codec_field error_fields[] = {
	F_TEXT(struct msg_error, 1, code, 1, CODE_MAX),
	F_TEXT(struct msg_error, 2, text, 1, WORDS_MAX),
	F_TEXT(struct msg_error, 3, field, 0, WORDS_MAX),
	F_TEXT(struct msg_error, 4, nearest, 0, WORDS_MAX),
	F_TEXT(struct msg_error, 5, detail, 0, WORDS_MAX),
	F_U32(struct msg_error, 6, retry_ms, 0, UINT32_MAX),
};
static const struct codec_shape error = SHAPE(struct msg_error, "error", error_fields);

static const struct codec_field hold_portion_fields[] = {
	F_U32(struct msg_hold_portion, 1, portion, 0, LIMIT_PORTIONS - 1),
	F_TEXT(struct msg_hold_portion, 2, marking, 0, MARKING_MAX),
	F_U64(struct msg_hold_portion, 3, size, 0, LIMIT_MESSAGE_BYTES),
};
static const struct codec_shape hold_portion =
    SHAPE(struct msg_hold_portion, "portion", hold_portion_fields);

static const struct codec_field hold_fields[] = {
	F_BLOB(struct msg_hold, 1, hold, ID_BYTES, ID_BYTES),
	F_ENUM(struct msg_hold, 2, kind, OBLIGATION_SIGNER),
	F_TEXT(struct msg_hold, 3, publisher, 1, LIMIT_PARTY_NAME_BYTES),
	F_TEXT(struct msg_hold, 4, recipient, 1, LIMIT_PARTY_NAME_BYTES),
	F_U64(struct msg_hold, 5, deadline, 1, TIME_US_MAX),
	F_BLOB_OR_NONE(struct msg_hold, 6, source, ID_BYTES, ID_BYTES),
	F_BLOB_OR_NONE(struct msg_hold, 7, report, ID_BYTES, ID_BYTES),
	F_TEXT(struct msg_hold, 8, agreement, 0, LIMIT_PARTY_NAME_BYTES),
	F_TEXT(struct msg_hold, 9, rule, 0, LIMIT_PARTY_NAME_BYTES),
	F_BOOL(struct msg_hold, 10, own),
	F_PARTS(struct msg_hold, 11, portions, portion_count, LIMIT_PORTIONS, &hold_portion),
	F_ENUM(struct msg_hold, 12, mode, MODE_EXERCISE),
};
static const struct codec_shape hold = SHAPE(struct msg_hold, "hold", hold_fields);

static const struct codec_field hold_list_fields[] = {
	F_PARTS(struct msg_hold_list, 1, holds, hold_count, HOLDS_MAX, &hold),
	F_BLOB_OR_NONE(struct msg_hold_list, 2, next, ID_BYTES, ID_BYTES),
};
static const struct codec_shape hold_list =
    SHAPE(struct msg_hold_list, "hold_list", hold_list_fields);

static const struct codec_field decided_fields[] = {
	F_BLOB(struct msg_decided, 1, hold, ID_BYTES, ID_BYTES),
	F_PORTION_NUMBERS(struct msg_decided, 2, portions),
};
static const struct codec_shape decided = SHAPE(struct msg_decided, "decided", decided_fields);

static const struct codec_field proof_list_fields[] = {
	F_TEXT(struct msg_proof_list, 1, checkpoint, 1, NOTE_MAX),
	F_PARTS(struct msg_proof_list, 2, proofs, proof_count, PROOFS_MAX, &proof),
	F_U64(struct msg_proof_list, 3, next, 0, INDEX_MAX),
};
static const struct codec_shape proof_list =
    SHAPE(struct msg_proof_list, "proof_list", proof_list_fields);

static const struct codec_field progress_fields[] = {
	F_U64(struct msg_progress, 1, done, 0, INDEX_MAX),
	F_U64(struct msg_progress, 2, total, 0, INDEX_MAX),
};
static const struct codec_shape progress = SHAPE(struct msg_progress, "progress", progress_fields);

static const struct codec_field subscription_fields[] = {
	F_SPELT(struct msg_subscription, 1, name, 1, LIMIT_PARTY_NAME_BYTES, syntax_name),
	F_SPELT(struct msg_subscription, 2, topic, 1, LIMIT_TOPIC_BYTES, syntax_pattern),
	F_ENUM(struct msg_subscription, 3, mode, MODE_EXERCISE),
	F_U64(struct msg_subscription, 4, waiting, 0, INDEX_MAX),
};
static const struct codec_shape subscription =
    SHAPE(struct msg_subscription, "subscription", subscription_fields);

static const struct codec_field subscription_list_fields[] = {
	F_PARTS(struct msg_subscription_list, 1, subscriptions, subscription_count,
	    MSG_SUBSCRIPTIONS_MAX, &subscription),
	F_BOOL(struct msg_subscription_list, 2, more),
};
static const struct codec_shape subscription_list =
    SHAPE(struct msg_subscription_list, "subscription_list", subscription_list_fields);

static const struct codec_field dead_letter_fields[] = {
	F_TEXT(struct msg_dead_letter, 1, party, 1, LIMIT_PARTY_NAME_BYTES),
	F_TEXT(struct msg_dead_letter, 2, publisher, 0, LIMIT_PARTY_NAME_BYTES),
	F_BLOB_OR_NONE(struct msg_dead_letter, 3, report, ID_BYTES, ID_BYTES),
	F_SPELT(struct msg_dead_letter, 4, subscription, 0, LIMIT_PARTY_NAME_BYTES, syntax_name),
	F_ENUM(struct msg_dead_letter, 5, mode, MODE_EXERCISE),
	F_ENUM(struct msg_dead_letter, 6, precedence, PRECEDENCE_FLASH),
	F_TEXT(struct msg_dead_letter, 7, reason, 1, CODE_MAX),
	F_U32(struct msg_dead_letter, 8, attempts, 0, UINT32_MAX),
	F_U64(struct msg_dead_letter, 9, time, 0, TIME_US_MAX),
};
static const struct codec_shape dead_letter =
    SHAPE(struct msg_dead_letter, "dead_letter", dead_letter_fields);

static const struct codec_field dead_letter_list_fields[] = {
	F_PARTS(struct msg_dead_letter_list, 1, letters, letter_count, MSG_DEAD_LETTERS_MAX,
	    &dead_letter),
	F_U64(struct msg_dead_letter_list, 2, next, 0, INDEX_MAX),
};
static const struct codec_shape dead_letter_list =
    SHAPE(struct msg_dead_letter_list, "dead_letter_list", dead_letter_list_fields);
static const struct codec_field recall_recipient_fields[] = {
	F_TEXT(struct msg_recall_recipient, 1, recipient, 1, LIMIT_PARTY_NAME_BYTES),
	F_BOOL(struct msg_recall_recipient, 2, withdrawn),
	F_U64(struct msg_recall_recipient, 3, notified, 0, TIME_US_MAX),
	F_U64(struct msg_recall_recipient, 4, received, 0, TIME_US_MAX),
	F_TEXT(struct msg_recall_recipient, 5, answer, 0, CODE_MAX),
	F_U64(struct msg_recall_recipient, 6, answered, 0, TIME_US_MAX),
};
static const struct codec_shape recall_recipient =
    SHAPE(struct msg_recall_recipient, "recipient", recall_recipient_fields);

static const struct codec_field recall_status_reply_fields[] = {
	F_BLOB(struct msg_recall_status_reply, 1, report, ID_BYTES, ID_BYTES),
	F_SPELT(struct msg_recall_status_reply, 2, topic, 1, LIMIT_TOPIC_BYTES, syntax_topic),
	F_ENUM(struct msg_recall_status_reply, 3, precedence, PRECEDENCE_FLASH),
	F_ENUM(struct msg_recall_status_reply, 4, mode, MODE_EXERCISE),
	F_BLOB_OR_NONE(struct msg_recall_status_reply, 5, notice, ID_BYTES, ID_BYTES),
	F_TEXT(struct msg_recall_status_reply, 6, reason, 0, CODE_MAX),
	F_U64(struct msg_recall_status_reply, 7, recalled, 0, TIME_US_MAX),
	F_PARTS(struct msg_recall_status_reply, 8, recipients, recipient_count, MANY,
	    &recall_recipient),
	F_BOOL(struct msg_recall_status_reply, 9, more),
};
static const struct codec_shape recall_status_reply =
    SHAPE(struct msg_recall_status_reply, "recall_status_reply", recall_status_reply_fields);

static const struct codec_field feedback_said_fields[] = {
	F_TEXT(struct msg_feedback_said, 1, code, 1, CODE_MAX),
	F_U64(struct msg_feedback_said, 2, time, 1, TIME_US_MAX),
	F_U64(struct msg_feedback_said, 3, sighted, 0, TIME_US_MAX),
};
static const struct codec_shape feedback_said =
    SHAPE(struct msg_feedback_said, "said", feedback_said_fields);
static const struct codec_field feedback_recipient_fields[] = {
	F_TEXT(struct msg_feedback_recipient, 1, recipient, 1, LIMIT_PARTY_NAME_BYTES),
	F_U64(struct msg_feedback_recipient, 2, count, 1, UINT64_MAX),
	F_PARTS(struct msg_feedback_recipient, 3, said, said_count, LIMIT_FEEDBACK_KEPT,
	    &feedback_said),
};
static const struct codec_shape feedback_recipient =
    SHAPE(struct msg_feedback_recipient, "recipient", feedback_recipient_fields);

static const struct codec_field feedback_status_reply_fields[] = {
	F_BLOB(struct msg_feedback_status_reply, 1, report, ID_BYTES, ID_BYTES),
	F_PARTS(struct msg_feedback_status_reply, 2, recipients, recipient_count,
	    MSG_FEEDBACK_RECIPIENTS_MAX, &feedback_recipient),
	F_TEXT(struct msg_feedback_status_reply, 3, next, 0, LIMIT_PARTY_NAME_BYTES),
};
static const struct codec_shape feedback_status_reply =
    SHAPE(struct msg_feedback_status_reply, "feedback_status_reply", feedback_status_reply_fields);

static const struct codec_shape whoami = { .name = "whoami", .size = sizeof(struct msg_empty) };
static const struct codec_shape status = { .name = "status", .size = sizeof(struct msg_empty) };
static const struct codec_shape reload = { .name = "reload", .size = sizeof(struct msg_empty) };
static const struct codec_shape accept_clock = { .name = "accept_clock",
	.size = sizeof(struct msg_empty) };
static const struct codec_shape drain = { .name = "drain", .size = sizeof(struct msg_empty) };
static const struct codec_shape ping = { .name = "ping", .size = sizeof(struct msg_empty) };
static const struct codec_shape bye = { .name = "bye", .size = sizeof(struct msg_empty) };
static const struct codec_shape pong = { .name = "pong", .size = sizeof(struct msg_empty) };

static const struct codec_shape *const shapes[MSG_COUNT] = {
#define M(NAME, member, number, from, since) [MSG_##NAME] = &member,
#include "proto/msg.def"
#undef M
};

const struct codec_shape *
msg_shapes_of(enum msg_type type)
{
	assert(type > MSG_NONE && type < MSG_COUNT);
	return shapes[type];
}

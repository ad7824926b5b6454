#include "proto/parts.h"

#include "proto/fields.h"
#include "proto/spiffe.h"
#include <assert.h>

enum { REASON_MAX = 64, ORDER_BITS = 63, KINDS = 8 };

static bool
is_spiffe_id(struct bytes in, struct err *e)
{
	struct spiffe_id id;
	return spiffe_parse(in, &id, e);
}

static const struct codec_field manifest_fields[] = {
	F_U32(struct envelope_manifest, 1, version, 1, 1),
	F_BLOB(struct envelope_manifest, 2, id, ID_BYTES, ID_BYTES),
	F_SPELT(struct envelope_manifest, 3, hub, 1, LIMIT_SPIFFE_ID_BYTES, is_spiffe_id),
	F_SPELT(struct envelope_manifest, 4, originator, 1, LIMIT_SPIFFE_ID_BYTES, is_spiffe_id),
	F_BLOB(struct envelope_manifest, 5, signer, DIGEST_BYTES, DIGEST_BYTES),
	F_SPELT(struct envelope_manifest, 6, topic, 1, LIMIT_TOPIC_BYTES, syntax_topic),
	F_ENUM(struct envelope_manifest, 7, precedence, PRECEDENCE_FLASH),
	F_ENUM(struct envelope_manifest, 8, mode, MODE_EXERCISE),
	F_U64(struct envelope_manifest, 9, created, 1, LIMIT_TIME_MS),
	F_U64(struct envelope_manifest, 10, not_before, 0, LIMIT_TIME_MS),
	F_U64(struct envelope_manifest, 11, expires, 0, LIMIT_TIME_MS),
	F_BLOB(struct envelope_manifest, 12, routing, DIGEST_BYTES, DIGEST_BYTES),
	F_BLOB(struct envelope_manifest, 13, notice, DIGEST_BYTES, DIGEST_BYTES),
	{ FIELD_(struct envelope_manifest, 14, commitments, CODEC_BLOBS), .least = 4,
	    .most = LIMIT_PORTIONS, .min = DIGEST_BYTES, .max = DIGEST_BYTES, .ascending = true },
};

static const struct codec_field name_list_fields[] = {
	{ .name = "name",
	    .number = 1,
	    .kind = CODEC_TEXTS,
	    .at = 0,
	    .most = LIMIT_AUDIENCE,
	    .min = 1,
	    .max = LIMIT_PARTY_NAME_BYTES },
};
const struct codec_shape parts_name_list = SHAPE(struct names, "names", name_list_fields);

static const struct codec_field agreement_fields[] = {
	F_TEXT(struct envelope_agreement, 1, name, 1, LIMIT_PARTY_NAME_BYTES),
	F_BLOB(struct envelope_agreement, 2, terms, DIGEST_BYTES, DIGEST_BYTES),
};
static const struct codec_shape agreement =
    SHAPE(struct envelope_agreement, "agreement", agreement_fields);

static const struct codec_field routing_fields[] = {
	F_BLOB(struct envelope_routing, 1, salt, SALT_BYTES, SALT_BYTES),
	F_PARTS(struct envelope_routing, 2, agreements, agreement_count,
	    LIMIT_AGREEMENTS_PER_REPORT, &agreement),
	F_MAYBE(struct envelope_routing, 3, only_to, has_only_to, &parts_name_list),
	F_TEXTS(struct envelope_routing, 4, not_to, LIMIT_AUDIENCE, 1, LIMIT_PARTY_NAME_BYTES),
	F_BLOBS(struct envelope_routing, 5, sources, LIMIT_SOURCES_NAMED, ID_BYTES, ID_BYTES),
	F_BOOL(struct envelope_routing, 6, backfill),
};

static const struct codec_field notice_fields[] = {
	F_BLOB(struct envelope_notice, 1, salt, SALT_BYTES, SALT_BYTES),
	F_ENUM(struct envelope_notice, 2, act, ENVELOPE_ABOUT),
	F_BLOB(struct envelope_notice, 3, report, ID_BYTES, ID_BYTES),
	F_TEXT(struct envelope_notice, 4, reason, 0, REASON_MAX),
};

static const struct codec_field seal_fields[] = {
	/* one of 64 places, so that a 65th is malformed and not over a limit */
	{ FIELD_(struct seal, 1, place, CODEC_ENUM), .max = SEAL_BATCH_MAX - 1 },
	F_BLOBS(struct seal, 2, path, SEAL_PATH, DIGEST_BYTES, DIGEST_BYTES),
	F_BLOB(struct seal, 3, signature, 1, LIMIT_SIGNATURE_BYTES),
};

/* What a label says is for its vocabulary to judge (invalid-label), so empty texts pass here. */
static const struct codec_field category_fields[] = {
	F_TEXT(struct raw_category, 1, name, 0, LIMIT_NAME_BYTES),
	F_TEXTS(struct raw_category, 2, values, LIMIT_VALUES_PER_CATEGORY, 0, LIMIT_NAME_BYTES),
};
static const struct codec_shape category = SHAPE(struct raw_category, "category", category_fields);

static const struct codec_field label_fields[] = {
	F_TEXT(struct raw_label, 1, vocabulary, 0, LIMIT_NAME_BYTES),
	F_TEXT(struct raw_label, 2, classification, 0, LIMIT_NAME_BYTES),
	F_PARTS(
	    struct raw_label, 3, categories, category_count, LIMIT_CATEGORIES_PER_LABEL, &category),
};
const struct codec_shape parts_label = SHAPE(struct raw_label, "label", label_fields);

static const struct codec_field head_fields[] = {
	F_BLOB(struct parts_head, 1, salt, SALT_BYTES, SALT_BYTES),
	F_FIXED64(struct parts_head, 2, order, 0, (1ull << ORDER_BITS) - 1),
	F_PARTS(struct parts_head, 3, labels, label_count, LIMIT_LABELS_PER_PORTION, &parts_label),
	F_SPELT(
	    struct parts_head, 4, content_type, 1, LIMIT_CONTENT_TYPE_BYTES, syntax_content_type),
	F_U64(struct parts_head, 5, body_length, 1, LIMIT_REPORT_BYTES),
	F_BLOB(struct parts_head, 6, body_digest, DIGEST_BYTES, DIGEST_BYTES),
};

static const struct codec_field body_fields[] = {
	F_BLOB(struct parts_body, 1, salt, SALT_BYTES, SALT_BYTES),
	F_TEXT(struct parts_body, 2, title, 0, LIMIT_TITLE_BYTES),
	F_BLOB(struct parts_body, 3, content, 0, LIMIT_REPORT_BYTES),
};

static const struct codec_shape shapes[KINDS] = {
	[PARTS_MANIFEST] = SHAPE(struct envelope_manifest, "manifest", manifest_fields),
	[PARTS_ROUTING] = SHAPE(struct envelope_routing, "routing", routing_fields),
	[PARTS_NOTICE] = SHAPE(struct envelope_notice, "notice", notice_fields),
	[PARTS_SEAL] = SHAPE(struct seal, "seal", seal_fields),
	[PARTS_PORTION_HEAD] = SHAPE(struct parts_head, "head", head_fields),
	[PARTS_PORTION_BODY] = SHAPE(struct parts_body, "body", body_fields),
};

const struct codec_shape *
parts_shape(enum parts_type type)
{
	assert(type >= PARTS_MANIFEST && type <= PARTS_PORTION_BODY);
	return &shapes[type];
}

bool
parts_read(enum parts_type type, struct bytes in, struct parts_place *at, void *out, struct err *e)
{
	struct codec c;
	struct err local;
	struct err *why = e == NULL ? &local : e;
	codec_init(&c, at->arena, LIMIT_MESSAGE_ELEMENTS);
	at->where[0] = 0;
	if (codec_read(&c, parts_shape(type), in, out, why))
		return true;
	codec_where(&c, at->where, sizeof(at->where));
	if (why->code == ERR_NOT_CANONICAL || why->code == ERR_UNKNOWN_MESSAGE)
		why->code = ERR_MALFORMED;
	return at->where[0] == 0 ? false : err_wrap(why, "%s", at->where);
}

bool
parts_write(enum parts_type type, const void *in, struct arena *a, struct bytes *out, struct err *e)
{
	struct codec_frame frame = { a, LIMIT_MESSAGE_ELEMENTS, { NULL, 0 } };
	return codec_write(parts_shape(type), in, &frame, out, e);
}

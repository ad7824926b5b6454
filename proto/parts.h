/*
 * parts.h - the tables of the signed parts of a report, for envelope_*.c and facts.c alone.
 * A part is bytes of its own: it is read, checked and judged canonical by itself.
 */
#pragma once
#include "proto/codec.h"
#include "proto/envelope.h"

enum parts_type {
	PARTS_MANIFEST = 1,
	PARTS_ROUTING,
	PARTS_NOTICE,
	PARTS_SEAL,
	PARTS_PORTION_HEAD,
	PARTS_PORTION_BODY
};

struct parts_head {
	struct bytes salt;
	uint64_t order;
	const struct raw_label *labels;
	size_t label_count;
	struct bytes content_type;
	uint64_t body_length;
	struct bytes body_digest;
};
struct parts_body {
	struct bytes salt, title, content;
};

const struct codec_shape *parts_shape(enum parts_type type);
/* Label of relto.proto -> struct raw_label; NameList -> struct names. */
extern const struct codec_shape parts_label;
extern const struct codec_shape parts_name_list;

/*
 * Reads one part into the struct of its shape.  Every fault but a limit and memory is
 * ERR_MALFORMED: a part is judged as the content of a report.  On failure *out is undefined and
 * at->where names the field inside the part.
 */
struct parts_place {
	struct arena *arena;
	char where[96];
};
MUST_USE bool parts_read(
    enum parts_type type, struct bytes in, struct parts_place *at, void *out, struct err *e);
/* Writes one part into 'a'. */
MUST_USE bool parts_write(
    enum parts_type type, const void *in, struct arena *a, struct bytes *out, struct err *e);

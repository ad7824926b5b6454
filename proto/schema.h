/*
 * schema.h - the second opinion on foreign bytes: protobuf-c, with the schema as protoc compiled
 * it. codec.h reads by our own tables; before what it read is believed, the library must read the
 * same bytes too, find no unknown field at any level and write them back identically (FACTS 32,
 * 33).  A slip in a table, or a form that two readers would take differently, ends here. This is
 * the one file that sees protobuf types.  Pure; the unpacker works in an arena of its own, capped
 * by the size of the input and the number of elements that were counted.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

enum schema_type {
	SCHEMA_MESSAGE = 1,
	SCHEMA_MANIFEST,
	SCHEMA_ROUTING,
	SCHEMA_NOTICE,
	SCHEMA_SEAL,
	SCHEMA_PORTION_HEAD,
	SCHEMA_PORTION_BODY,
	SCHEMA_FACTS
};

/*
 * 'elements': as codec_read counted them.  ERR_NOT_CANONICAL if unpacking fails or the bytes are
 * not what packing gives, ERR_UNKNOWN_MESSAGE for an unknown field, ERR_NOMEM.
 */
MUST_USE bool schema_agrees(
    enum schema_type type, struct bytes in, uint32_t elements, struct err *e);

/*
 * fields.h - how the tables of codec.h are written: one line a field, named as in relto.proto.
 * T: our struct; no: the field's number; m: the member, which has the schema's name.
 */
#pragma once
#include "proto/codec.h"
#include "proto/limits.h"

#include <stddef.h>

#define FIELD_(T, no, m, k) .name = #m, .number = (no), .kind = (k), .at = offsetof(T, m)

#define F_BLOB(T, no, m, lo, hi) \
	{ \
		FIELD_(T, no, m, CODEC_BLOB), .min = (lo), .max = (hi) \
	}
#define F_BLOB_OR_NONE(T, no, m, lo, hi) \
	{ \
		FIELD_(T, no, m, CODEC_BLOB), .min = (lo), .max = (hi), .may_lack = true \
	}
#define F_TEXT(T, no, m, lo, hi) \
	{ \
		FIELD_(T, no, m, CODEC_TEXT), .min = (lo), .max = (hi) \
	}
#define F_SPELT(T, no, m, lo, hi, how) \
	{ \
		FIELD_(T, no, m, CODEC_TEXT), .min = (lo), .max = (hi), .check = (how) \
	}
#define F_BOOL(T, no, m) \
	{ \
		FIELD_(T, no, m, CODEC_BOOL) \
	}
#define F_ENUM(T, no, m, hi) \
	{ \
		FIELD_(T, no, m, CODEC_ENUM), .min = 1, .max = (hi) \
	}
#define F_U32(T, no, m, lo, hi) \
	{ \
		FIELD_(T, no, m, CODEC_U32), .min = (lo), .max = (hi) \
	}
#define F_U64(T, no, m, lo, hi) \
	{ \
		FIELD_(T, no, m, CODEC_U64), .min = (lo), .max = (hi) \
	}
#define F_FIXED64(T, no, m, lo, hi) \
	{ \
		FIELD_(T, no, m, CODEC_FIXED64), .min = (lo), .max = (hi) \
	}
#define F_PART(T, no, m, shape) \
	{ \
		FIELD_(T, no, m, CODEC_PART), .sub = (shape) \
	}
#define F_MAYBE(T, no, m, flag, shape) \
	{ \
		FIELD_(T, no, m, CODEC_MAYBE), .aside = offsetof(T, flag), .sub = (shape) \
	}
#define F_BLOBS(T, no, m, n, lo, hi) \
	{ \
		FIELD_(T, no, m, CODEC_BLOBS), .most = (n), .min = (lo), .max = (hi) \
	}
#define F_TEXTS(T, no, m, n, lo, hi) \
	{ \
		FIELD_(T, no, m, CODEC_TEXTS), .most = (n), .min = (lo), .max = (hi) \
	}
#define F_PARTS(T, no, m, how_many, n, shape) \
	{ \
		FIELD_(T, no, m, CODEC_PARTS), .aside = offsetof(T, how_many), .most = (n), \
					       .sub = (shape) \
	}

#define SHAPE(T, title, list) \
	{ \
		.name = (title), .fields = (list), .count = sizeof(list) / sizeof((list)[0]), \
		.size = sizeof(T) \
	}

/* Ranges that many fields share. */
#define INDEX_MAX ((uint64_t)INT64_MAX)
#define TIME_US_MAX ((uint64_t)LIMIT_TIME_MS * 1000 + 999)
#define MANY LIMIT_MESSAGE_ELEMENTS /* as many as the message's elements allow */
enum { ID_BYTES = 16, DIGEST_BYTES = 32, SALT_BYTES = 16 };

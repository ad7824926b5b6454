/*
 * spiffe.h - SPIFFE ids: spiffe://TRUST-DOMAIN/PATH (SPIFFE-ID, section 2).
 * Strict: no upper case in the domain, no percent, no empty, "." or ".." segment, no slash at the
 * end, and a path there must be (an agent or a hub is never a whole trust domain).  One id has one
 * spelling, so ids are compared byte by byte.
 * Pure; values.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

struct spiffe_id { /* views into the text that was parsed */
	struct bytes text;
	struct bytes domain; /* "gbr.example" */
	struct bytes path;   /* "/fusion-desk" */
};

/* ERR_MALFORMED, saying what is wrong.  'in' is borrowed by *out. */
MUST_USE bool spiffe_parse(struct bytes in, struct spiffe_id *out, struct err *e);
/* True for a trust domain alone, as policy files name it: 1..255 of a-z 0-9 . - _ */
bool spiffe_is_domain(struct bytes in);

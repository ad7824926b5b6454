/*
 * verify_trace.h - everything that a log says of one report: its own records, and the ACKs, which
 * name only its DELIVERYs.
 */
#pragma once
#include "audit/map.h"
#include "audit/verify.h"

struct verify_trace {
	uint8_t report[16];
	struct map deliveries; /* index -> nothing */
	bool dry;	       /* memory ran out: nothing here counts */
};
/* 'id': a UUID, or its 32 digits.  ERR_USAGE. */
MUST_USE bool verify_trace_begin(
    struct verify_trace *t, struct arena *a, const char *id, struct err *e);
/* Asked of every record in order. */
bool verify_trace_picks(struct verify_trace *t, const struct verify_record *r);

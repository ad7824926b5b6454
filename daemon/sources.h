/*
 * sources.h - what the store knows of the reports that a report cites: the sources of its facts
 * (design 5, step 6; decision 0010).
 * Threads: the worker whose view it is.
 */
#pragma once
#include "daemon/store.h"
#include "proto/facts.h"

struct sources_ask {
	struct store_view *view; /* closed; open for the duration of the call */
	uint32_t publisher;
	enum mode mode;
	const struct names *ids; /* of Routing */
	size_t most_bytes;	 /* that may be read: LIMIT_SOURCES_BYTES */
};
struct sources {
	const struct fact_source *items;
	size_t count;
	bool over; /* more than LIMIT_SOURCES_ALL, or too much to read: refuse the report */
};
/* All of it lives in 'a'. */
MUST_USE bool sources_find(
    const struct sources_ask *q, struct arena *a, struct sources *out, struct err *e);

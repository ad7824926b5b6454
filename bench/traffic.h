/*
 * traffic.h - publishers and subscribers, a thread and a connection each, against a broker.
 * Each report goes to every subscriber.  A body begins with the time at which it was due, so that
 * its recipient knows how long it took.
 */
#pragma once
#include "bench/party.h"

struct traffic {
	struct party_lab lab;
	uint64_t reports; /* of all publishers together */
	uint64_t window;  /* unanswered ones of each publisher */
	double rate;  /* reports/s of each publisher, one signature each; 0: as fast as it goes */
	size_t bytes; /* of a body */
	const char *topic, *agreement;
	struct relto_texts publishers, subscribers;
	struct relto_texts releasable, only_to; /* the latter empty: no restriction */
};

struct traffic_result {
	double publish_s;		  /* until the last receipt */
	double all_s;			  /* until the last acknowledgement is durable */
	double *receipt_ms, *delivery_ms; /* one for each; free(3) */
	uint64_t receipts, deliveries;
	uint64_t busy; /* answers that told a publisher to come again */
};

/* Called by traffic_run when everybody is connected, and again when all is done. */
struct traffic_watch {
	void (*begin)(void *arg);
	void (*end)(void *arg);
	void *arg;
};

struct traffic_result traffic_run(const struct traffic *t, const struct traffic_watch *watch);

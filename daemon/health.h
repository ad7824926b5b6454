/*
 * health.h - whether every thread still moves, looked at once a second; what the watchdog of a
 * service manager and `/healthz` are told.
 * Threads: main's loop.
 */
#pragma once
#include "daemon/service.h"
#include "daemon/shell.h"

#include <stdio.h>

struct event_base;
struct health;

struct health_setup {
	struct event_base *base;
	struct shell *shell; /* with its workers */
	const struct service *service;
	uint32_t still_ms; /* HEALTH_STILL_MS; less in tests */
};
/* A thread that has not moved for so long does not any more: more than the longest flush, signature
 * or step of a large policy. */
enum { HEALTH_STILL_MS = 30000 };

MUST_USE bool health_new(const struct health_setup *s, struct health **out, struct err *e);
void health_free(struct health *h);
/* False: 'to' says which thread stands still. */
bool health_well(const struct health *h, FILE *to);

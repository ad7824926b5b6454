/*
 * observe_text.h - what /metrics, /healthz and /readyz say of a broker: sums over all parties,
 * never of one (S7).  The Prometheus text format, 0.0.4. Threads: main.
 */
#pragma once
#include "daemon/broker.h"
#include "daemon/observe.h"

/* The answer callback of observe.h; 'broker' is a struct broker. */
bool observe_text(void *broker, enum observe_path path, FILE *to);

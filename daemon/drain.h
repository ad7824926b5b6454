/*
 * drain.h - an operator ends the broker in good order (Drain).  Every session is told Bye and gets
 * what it is owed; who comes meanwhile is told that the broker goes down; when the last session is
 * gone, or its time is over, the broker ends as by SIGTERM.
 * Threads: main.
 */
#pragma once
#include "daemon/broker.h"

MUST_USE bool drain_init(struct broker *b, struct err *e);
void drain_begin(struct broker *b);
void drain_done(struct broker *b);

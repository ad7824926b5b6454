/*
 * on_mailbox.h - Subscriptions and DeadLetters: what a party has, what it gives up, and what an
 * operator does about it.  A party sees its own alone (S7).
 * Threads: the session's worker; DELETE on the worker of the subscription's readers, which is it.
 */
#pragma once
#include "daemon/desk.h"

/* A job of these came home: the answer. */
void mailbox_home(struct worker *w, struct job *j);

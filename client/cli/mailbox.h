/*
 * mailbox.h - subscriptions and dead letters, for relto sub and relto admin.
 * Each gives the exit status.  Threads: one.
 */
#pragma once
#include "client/cli/session.h"

/* party NULL: my own. */
int mailbox_subscriptions(struct session *s, const char *party, bool json);
/* all: an operator's view, of 'party' or (NULL) of everybody's. */
int mailbox_letters(struct session *s, bool all, const char *party, bool json);

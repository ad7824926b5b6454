/*
 * admin_sessions.h - relto admin sessions: who is connected.
 * Threads: one.
 */
#pragma once
#include <stdbool.h>

#include "client/relto.h"

/* Prints them, as JSON one object a line; the exit status. */
int sessions_print(struct relto_connection *c, bool as_json);

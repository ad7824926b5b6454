/*
 * decisions.h - decisions with their reasons, for people and as JSON: relto explain, relto pub.
 * Threads: one.
 */
#pragma once
#include "client/cli/session.h"

void decisions_print(FILE *to, const struct relto_explanation *x);
void decisions_json(struct out_json *j, const char *key, const struct relto_explanation *x);
/* True if at least one recipient is given something, or may be once a hold ends. */
bool decisions_reach_somebody(const struct relto_explanation *x);

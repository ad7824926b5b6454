/*
 * decisions.h - decisions with their reasons, for people and as JSON: relto explain, relto pub.
 * Threads: one.
 */
#pragma once
#include "client/cli/session.h"

void decisions_print(FILE *to, const struct relto_explanation *x);
void decisions_json(struct out_json *j, const char *key, const struct relto_explanation *x);
/* True if at least one recipient is given something, or may be once a hold ends. */
/* "unusable": the agreements that were named and could not be used, and why. */
void decisions_unusable_json(struct out_json *j, const struct relto_unusable *u, size_t count);
bool decisions_reach_somebody(const struct relto_explanation *x);

/*
 * agreements.h - the agreements of my party as the broker shows them, beside what was accepted of
 * them (pins.h).
 * Threads: one.
 */
#pragma once
#include "client/cli/pins.h"
#include "client/cli/session.h"

/* 'pins' NULL: not asked. */
void agreements_json(struct out_json *j, const struct relto_identity *me, const struct pins *pins);
void agreements_print(const struct relto_agreement *g, const struct pins *pins);
/* In hex. */
void agreements_digest(FILE *to, const uint8_t terms[RELTO_DIGEST_BYTES]);
/* 'pin' NULL: nothing was. */
bool agreements_accepted(const struct relto_agreement *g, const struct pin *pin);
/* Whether the terms of these agreements, as the broker shows them, are those that the context has;
 * librelto will send nothing under others.  Otherwise says why, and gives the exit status. */
int agreements_pinned(
    struct session *s, const struct relto_identity *me, const char *const *names, size_t count);

/*
 * party.h - a party of a lab as a client of librelto, and the operator.  Benchmarks have nobody to
 * tell of an error: it ends the program.
 */
#pragma once
#include "client/relto.h"

#include <stdio.h>

struct party_lab {
	const char *dir, *server;
	int pid; /* of the broker */
};

_Noreturn void party_die(const char *what, const struct relto_error *e);
/* The agent /fusion-desk of a party, trusting whom home/trust names. */
struct relto_context *party_context(const struct party_lab *lab, const char *party);

/* What the broker counts (docs/man/relto.1, admin status). */
struct party_counts {
	uint64_t commits, records, messages_in, messages_out, bytes_in, bytes_out;
};
struct party_operator {
	struct relto_context *context;
	struct relto_connection *connection;
};
struct party_operator party_operator_open(const struct party_lab *lab);
void party_operator_close(struct party_operator *o);
struct party_counts party_counts(struct party_operator *o);
struct party_counts party_counts_between(
    const struct party_counts *from, const struct party_counts *to);

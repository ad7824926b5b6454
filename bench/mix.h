/*
 * mix.h - the audit records that traffic leaves behind, one after the other, always the same: of
 * each report its INTAKE, a DECISION for each recipient (those from whom it is withheld, a quarter,
 * share one), a DELIVERY for each of the others, and an ACK for each MIX_ACKED of a recipient's
 * deliveries.  Two portions: recipients get both, or the first alone, in turn.
 * Nothing here is random: salts come from a counter.  A failure ends the program.
 */
#pragma once
#include "audit/record.h"

enum { MIX_RECIPIENTS = 16, MIX_ACKED = 8, MIX_PORTIONS = 2 };
#define MIX_AGENT "spiffe://gbr.example/fusion-desk"
#define MIX_AGREEMENT "atlas"

/* Party 0 publishes, the others receive. */
const char *mix_party(unsigned number);

/* What the records of a report name. */
struct mix_report {
	uint8_t id[16], manifest[32], policy[32], facts[32], seal[32], chain[32], anchor[32];
	uint8_t released[MIX_PORTIONS][32]; /* the digest of the first n + 1 portions */
};

struct mix {
	unsigned recipients; /* 1 to MIX_RECIPIENTS; the caller sets it.. */
	uint64_t next;	     /* ..and the index of the next record */
	/* makes the next report: its 'id' is set; NULL: names what is nowhere */
	void (*make)(void *ctx, struct mix_report *r);
	void *ctx;
	uint64_t reports;
	/* from here on its own */
	uint64_t salts, accepted, intake, decided[MIX_RECIPIENTS], acks[MIX_RECIPIENTS][MIX_ACKED];
	unsigned step, waiting[MIX_RECIPIENTS];
	struct mix_report report;
};

enum { MIX_NOBODY = -1 };
struct mix_record {
	struct record r;
	int publisher, recipient; /* whose trees it stands in */
	uint64_t link, accepted;  /* for log_in */
};

void mix_die(const char *what, const struct err *e);
void mix_fill(struct mix *m, void *to, size_t n);
/* Slot 5 of a record that the broker writes of itself, and the salts. */
void mix_begin(struct mix *m, struct arena *a, enum event_type type, struct record *r);
/* The next record, to be appended at once at time 'now' or a later one; 'accepted' of deliveries is
 * the 'now' of the INTAKE. */
void mix_next(struct mix *m, struct arena *a, uint64_t now, struct mix_record *out);
/* How many of the recipients the reports are withheld from. */
unsigned mix_withheld(const struct mix *m);
/* Whether the next record is an INTAKE. */
bool mix_between(const struct mix *m);

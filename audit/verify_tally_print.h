/*
 * verify_tally_print.h - what `gaps` and `stats` say of a tally.
 */
#pragma once
#include "audit/verify_print.h"
#include "audit/verify_tally.h"

/* What still waits, a line each; for CSV with a head.  Gives how many. */
uint64_t tally_print_gaps(FILE *to, enum print_form form, const struct tally *t);
/* Who to whom, days, reasons: lines; or as JSON the members "pairs", "days", "reasons" and "types",
 * without the braces around them.  False without memory. */
bool tally_print_stats(FILE *to, enum print_form form, struct tally *t);
/* The member "types" of a JSON object: how many records there are of each. */
void tally_print_types(FILE *to, const uint64_t by_type[EVENT_END]);

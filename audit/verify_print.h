/*
 * verify_print.h - records as lines for people, JSON Lines and CSV.
 */
#pragma once
#include <stdio.h>

#include "audit/verify.h"

enum print_form { PRINT_TEXT = 1, PRINT_JSON, PRINT_CSV };

/* One record.  For CSV verify_print_csv_head comes first. */
void verify_print_record(FILE *to, enum print_form form, const struct verify_record *r);
void verify_print_csv_head(FILE *to);

/* A JSON string, quotes and all; what is not UTF-8 becomes U+FFFD. */
void verify_print_json(FILE *to, struct bytes text);
/* Text for a terminal: control characters and what is not UTF-8 as \xNN. */
void verify_print_plain(FILE *to, struct bytes text);
/* RFC 3339 UTC with microseconds; 28 bytes with its NUL. */
enum { PRINT_TIME = 32 };
void verify_print_time(uint64_t us, char out[PRINT_TIME]);
/* A report id in the 36 characters of a UUID; "-" if there is none. */
void verify_print_uuid(struct bytes id, char out[37]);
/* A cell of CSV, quoted, and 'end' behind it; one that a spreadsheet would compute begins with an
 * apostrophe. */
void verify_print_cell(FILE *to, struct bytes text, const char *end);
void verify_print_hex(const uint8_t *data, size_t len, char *out); /* 2 len + 1 */

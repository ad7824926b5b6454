/*
 * export.h - lines of a policy's canonical export: a statement is a line, four spaces a level, and
 * no string has a line feed in it.
 */
#pragma once
#include "proto/bytes.h"

/* Takes a line off the text. */
bool export_line(struct bytes *text, struct bytes *line);
/* What is between 'head' and 'tail' in a line that begins and ends so. */
bool export_between(struct bytes line, const char *head, const char *tail, struct bytes *out);
/* Whether these are the terms of the agreement, and have 'backfill'. */
bool export_terms_backfill(struct bytes terms, struct bytes agreement);

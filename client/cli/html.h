/*
 * html.h - text on its way into a page: whatever it holds, it is only text there.
 * Threads: one.
 */
#pragma once
#include "proto/bytes.h"

#include <stdio.h>

/* As content of an element or of an attribute in double quotes.  What is not UTF-8, and control,
 * bidi and zero-width characters, come out as U+FFFD; a line feed stays one. */
void html_text(FILE *to, struct bytes text);
void html_word(FILE *to, const char *text);

/*
 * complete.h - what may stand next on relto's command line, from the usage texts and the context.
 * Threads: one.
 */
#pragma once
#include <stddef.h>
#include <stdio.h>

/*
 * The words after "relto", the last one as far as it is typed ("" for a new one).  Writes one
 * candidate a line, a tab and what it is behind it where that helps; ":file" and ":dir" stand for
 * the names of files and folders.  Says nothing where nothing is known.
 */
void complete(FILE *to, const char *const *words, size_t count);

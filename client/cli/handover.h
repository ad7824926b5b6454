/*
 * handover.h - a report given to a program (relto sub --exec), and what was dealt with already.
 * Threads: one.
 */
#pragma once
#include "client/cli/delivery.h"

/*
 * Runs 'command' in a shell, the contents of the portions one after the other on its standard
 * input, and in its environment RELTO_REPORT, RELTO_PARTY, RELTO_TOPIC, RELTO_ORIGINATOR,
 * RELTO_MARKINGS (one line a portion) and, if 'folder' is not NULL, RELTO_FOLDER.  The connection
 * is kept alive meanwhile.  Whether the program exited 0.
 */
MUST_USE bool handover_run(
    struct session *s, const char *command, const char *folder, const struct relto_delivery *d);

/*
 * Reports that need nothing any more but their acknowledgement: one that took longer than the
 * broker's patience comes again, and must not be dealt with twice.
 */
enum { HANDOVER_REMEMBERED = 4096 }; /* more than can be on their way at once */
struct handover_done {
	char digest[HANDOVER_REMEMBERED][DELIVERY_DIGEST]; /* it wraps */
	size_t count;
};
bool handover_is_done(const struct handover_done *h, const struct relto_delivery *d);
void handover_set_done(struct handover_done *h, const struct relto_delivery *d);

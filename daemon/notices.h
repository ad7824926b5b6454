/*
 * notices.h - the Notice of a report that was sent to us: whether its party may say that of the
 * report which it names (design 8).
 * Threads: the publisher's worker.
 */
#pragma once
#include "daemon/publish.h"

/*
 * Looks up what p->report's Notice names, into p->named and, of a recall, p->banner.
 * ERR_UNKNOWN_REPORT: it is not there, of the other mode, or not this party's to name, all the
 * same; ERR_MALFORMED with the field in *f.  Without a Notice nothing happens.
 */
MUST_USE bool notices_check(
    struct desk *d, struct publish *p, struct arena *a, struct fault *f, struct err *e);
/* Whether who is given this may see what it is about: a recall, or who had the report named or
 * published it.  In the open view. */
MUST_USE bool notices_may_see(
    struct desk *d, const struct store_given *to, bool *yes, struct err *e);
/* What a recipient said is on record, or is not to be. */
void notices_home(struct worker *w, struct job *j);
/* A RecallStatus under way goes on: it is the session's turn, or there is room. */
void notices_step(struct conn *c);

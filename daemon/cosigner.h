/*
 * cosigner.h - the thread that shows published heads to the witnesses and brings their cosignatures
 * home (C2SP tlog-witness; AUDIT 5; decision 0023).  It is beside the path of every report: a
 * witness that is dead, slow or lies costs nobody's batch any time.  Whether the quorum signed a
 * head is judged here alone, by what is durable in the store.
 * Threads: new, start, stop, free are main's; wake and report any's.
 */
#pragma once
#include "audit/quorum.h"
#include "daemon/metrics.h"
#include "daemon/shell.h"

#include <stdio.h>

struct cosigner_setup {
	struct shell *shell;
	struct quorum *quorum; /* taken over; malloc'ed */
};
/* A quorum that its witnesses with a URL could never meet is an error at load_quorum. */
MUST_USE bool cosigner_new(
    const struct cosigner_setup *setup, struct cosigner **out, struct err *e);
MUST_USE bool cosigner_start(struct cosigner *c, struct err *e);
/* At once, whatever it is waiting for.  Before the committer and the workers end. */
void cosigner_stop(struct cosigner *c);
void cosigner_free(struct cosigner *c);

/* A head was published, or cosignatures are durable.  NULL is accepted. */
void cosigner_wake(struct cosigner *c);
/* A member of the status: ,"quorum":{..} */
void cosigner_report(struct cosigner *c, FILE *to);
const struct metrics *cosigner_metrics(const struct cosigner *c);

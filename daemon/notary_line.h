/*
 * notary_line.h - the socket to the log's signer: packets in and out, and who is at the other end.
 * Threads: a value of the notary's.
 */
#pragma once
#include "audit/signing.h"

#include <sys/types.h>

struct notary_line {
	int fd;
	bool open;
	bool greeted; /* the owner's: the signer has said where it stands */
};
/* ERR_UNREACHABLE: nobody is there; ERR_CONFIG: somebody else than 'uid' is. */
MUST_USE bool notary_line_open(struct notary_line *l, const char *path, uid_t uid, struct err *e);
void notary_line_close(struct notary_line *l);
/* One packet, if one waits (*got).  'm' points into 'packet'.  ERR_UNREACHABLE: the other end is
 * gone; ERR_DATA: what came is no message. */
MUST_USE bool notary_line_take(struct notary_line *l, uint8_t packet[SIGNING_BYTES_MAX],
    struct signing_message *m, bool *got, struct err *e);
/* ERR_UNREACHABLE also where the other end does not read. */
MUST_USE bool notary_line_send(
    struct notary_line *l, const struct signing_message *m, struct err *e);

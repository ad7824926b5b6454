/*
 * floor_tls.h - bytes of no meaning through bare TLS 1.3, both sides with a certificate, on
 * loopback.  Errors end the program.  Threads: a lane belongs to one.
 */
#pragma once
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

enum { LANE_RECORD = 16384 };

/* One end of a connection, as counts. */
struct lane {
	SSL *ssl;
	int fd;	       /* does not block */
	size_t record; /* what is due is written in pieces of at most this */
	uint64_t in;   /* bytes received.. */
	uint64_t due;  /* ..to be sent.. */
	uint64_t out;  /* ..and sent */
};

/* Two ends of a new connection: the broker of a lab, and a party's /fusion-desk. */
void lane_pair(const char *lab, const char *party, struct lane *server, struct lane *client);
/* Reads what is there, writes what is due.  True: some of it must wait until the peer reads. */
bool lane_turn(struct lane *l);
void lane_close(struct lane *l);

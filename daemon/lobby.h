/*
 * lobby.h - source addresses, and whom of them was accepted and waits to shake hands.
 * Each source has its own line, and the lines are served in turn.  A source may have one more
 * handshake under way only while it has fewer than there are places left: however many places the
 * greedy take, there is one for whoever comes from elsewhere, at once.
 * Threads: main's, but for the counters of a source, which workers count down.
 */
#pragma once
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct ticket;

enum { LOBBY_BUCKETS = 1024, SOURCE_KEY_BYTES = 16 };

STAILQ_HEAD(ticket_line, ticket);
/* One source address: IPv4 as mapped, IPv6 cut to its /64. */
struct source {
	uint8_t key[SOURCE_KEY_BYTES];
	_Atomic uint32_t open;	    /* connections, those that wait included.. */
	_Atomic uint32_t half_open; /* ..and those that shake hands, or have not said Hello */
	struct ticket_line line;
	uint32_t waiting;
	LIST_ENTRY(source) of_bucket;
	TAILQ_ENTRY(source) of_crowd; /* while somebody waits */
};
LIST_HEAD(source_list, source);
TAILQ_HEAD(source_crowd, source);

struct lobby {
	struct source_list sources[LOBBY_BUCKETS];
	struct source_crowd crowd;
	uint32_t waiting;
};

void lobby_init(struct lobby *l);
/* Closes whoever still waits; sources without connections are freed. */
void lobby_done(struct lobby *l);
/* The entry of an address, a new one if there is none; NULL: out of memory. */
struct source *lobby_source(struct lobby *l, const uint8_t key[SOURCE_KEY_BYTES]);
/* To the end of its source's line. */
void lobby_enter(struct lobby *l, struct ticket *t);
/* Whose turn it is when 'left' places are left: out of the lobby; NULL: nobody may go in now. */
struct ticket *lobby_next(struct lobby *l, uint32_t left);
/* The last in the longest line, out of the lobby; NULL: none is longer than 'more_than'. */
struct ticket *lobby_greediest(struct lobby *l, uint32_t more_than);
/* Somebody who came before 'since_ms', out of the lobby; NULL: nobody. */
struct ticket *lobby_late(struct lobby *l, uint64_t since_ms);

/*
 * leaves.h - the certificates of agents that are connected are told before they end, like those of
 * the broker and the parties (expiry.h): each once for a stage, however often its agent comes back.
 * Threads: worker; all connections of a party are on one.
 */
#pragma once
#include <stdint.h>

struct conn;

enum { LEAVES_KEPT = 256 }; /* told last on a worker; of more than these one may be told again */
struct leaves {
	struct {
		uint8_t leaf[32];
		uint8_t told; /* enum ends_stage */
	} kept[LEAVES_KEPT];
	unsigned next;
};

/* At 'now_s' since 1970: has the end of this peer's certificate come nearer than was told? */
void leaves_look(struct conn *c, int64_t now_s);

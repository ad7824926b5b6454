/*
 * retry.h - whether and when a connection that was lost is tried again.
 * Full jitter: anything from nothing to a bound that doubles, so that a thousand clients of a
 * broker that died do not come back in one moment.  Pure: the random number comes from the caller.
 */
#pragma once
#include "proto/err.h"

#include <stdint.h>

enum {
	RETRY_FIRST_MS = 200,
	RETRY_CALM_MS = 10000 /* a session that was up so long: the next loss is a first one */
};

/*
 * Whether another try may help without a person.  A wrong key, a certificate that is refused, a
 * fork, a right that is gone and a broker that breaks the protocol are a person's to judge; so is
 * want of memory the caller's.
 */
bool retry_may_help(enum err_code code, bool may_retry);
/* The tries that count after a session was up for so long: one that ends at once is one more. */
unsigned retry_tries(unsigned tries, int64_t up_ms);
/* Before try 'round' (from 0) of a server that did not answer; at most 'most_ms'. */
int64_t retry_delay_ms(unsigned round, uint32_t most_ms, uint32_t random);

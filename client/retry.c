#include "client/retry.h"

bool
retry_may_help(enum err_code code, bool may_retry)
{
	if (code == ERR_NOMEM || code == ERR_INTERRUPTED)
		return false;
	return may_retry || code == ERR_IO;
}

unsigned
retry_tries(unsigned tries, int64_t up_ms)
{
	return up_ms >= RETRY_CALM_MS ? 0 : tries;
}

int64_t
retry_delay_ms(unsigned round, uint32_t most_ms, uint32_t random)
{
	uint64_t bound = (uint64_t)RETRY_FIRST_MS << (round < 32 ? round : 32);
	if (bound > most_ms)
		bound = most_ms;
	return (int64_t)(random % (bound + 1));
}

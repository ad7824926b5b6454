#include "daemon/startup_said.h"

#include "daemon/log.h"

#include <inttypes.h>

void
startup_said_begin(struct startup_said *s, uint64_t (*now_ms)(void))
{
	*s = (struct startup_said){ now_ms, now_ms() };
}

void
startup_said_more(void *said, uint64_t done, uint64_t of)
{
	struct startup_said *s = said;
	uint64_t now = s->now_ms();
	if (now - s->told_ms < STARTUP_SAID_MS)
		return;
	s->told_ms = now;
	log_info("log.verifying", "done=%" PRIu64 " of=%" PRIu64 " percent=%" PRIu64, done, of,
	    of == 0 ? 100 : done * 100 / of);
}

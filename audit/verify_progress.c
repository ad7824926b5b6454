#include "audit/verify_progress.h"

#include <inttypes.h>
#include <stdio.h>

void
verify_progress_begin(struct verify_progress *p, bool shown)
{
	*p = (struct verify_progress){ shown, UINT64_MAX };
}

void
verify_progress_more(struct verify_progress *p, uint64_t index, uint64_t size)
{
	uint64_t percent = index >= size ? 100 : (index + 1) * 100 / size;
	if (!p->shown || percent == p->percent)
		return;
	p->percent = percent;
	(void)fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " records, %" PRIu64 " %%", index + 1,
	    size, percent);
}

void
verify_progress_end(struct verify_progress *p)
{
	if (p->shown && p->percent != UINT64_MAX)
		(void)fputs("\r\033[K", stderr);
	p->shown = false;
}

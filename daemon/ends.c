#include "daemon/ends.h"

enum ends_stage
ends_stage(int64_t began, int64_t at, int64_t now)
{
	int64_t left = at - now;
	if (left <= 0)
		return ENDS_PAST;
	if (began != INT64_MIN && left > (at - began) / 4)
		return ENDS_FAR;
	return left <= ENDS_DAY_S	 ? ENDS_DAY
	       : left <= 7 * ENDS_DAY_S	 ? ENDS_WEEK
	       : left <= 30 * ENDS_DAY_S ? ENDS_MONTH
					 : ENDS_FAR;
}

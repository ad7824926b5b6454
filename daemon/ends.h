/*
 * ends.h - how near its end something is that ends by itself: 30, 7 and 1 days ahead, and past it.
 * Times are s since 1970.  Threads: any; nothing is kept.
 */
#pragma once
#include <stdint.h>

enum { ENDS_HOUR_S = 3600, ENDS_DAY_S = 86400 };
enum ends_stage { ENDS_FAR, ENDS_MONTH, ENDS_WEEK, ENDS_DAY, ENDS_PAST };

/*
 * 'began': what is made for a short time only, as lists and the certificates of agents may be, is
 * far from its end before its last quarter; INT64_MIN: that does not matter.
 */
enum ends_stage ends_stage(int64_t began, int64_t at, int64_t now);

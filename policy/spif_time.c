/* Moments in a SPIF: X.509's generalized time, xs:dateTime, or a day. */
#include <stdio.h>

#include "policy/spif_parts.h"

/* YYYYMMDDHHMMSS[.f]Z, as in X.509, rewritten for text_to_time. */
static bool
from_generalized(struct bytes in, uint64_t *us)
{
	char text[40];
	for (size_t i = 0; i < in.len; i++)
		if (i < 14 && (in.data[i] < '0' || in.data[i] > '9'))
			return false;
	if (in.len < 15 || in.len > 24)
		return false;
	const char *t = (const char *)in.data;
	(void)snprintf(text, sizeof(text), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2s%.*s", t, t + 4, t + 6,
	    t + 8, t + 10, t + 12, (int)in.len - 14, t + 14);
	return text_to_time(bytes_of(text), us);
}

/* Cuts "+HH:MM" or "-HH:MM" off the end; *minutes is how far it is ahead of UTC. */
static bool
cut_offset(struct bytes *in, int *minutes)
{
	if (in->len < 6)
		return false;
	const uint8_t *t = in->data + in->len - 6;
	if ((t[0] != '+' && t[0] != '-') || t[3] != ':')
		return false;
	for (size_t i = 1; i < 6; i++)
		if (i != 3 && (t[i] < '0' || t[i] > '9'))
			return false;
	int n = ((t[1] - '0') * 10 + t[2] - '0') * 60 + (t[4] - '0') * 10 + t[5] - '0';
	*minutes = t[0] == '+' ? n : -n;
	in->len -= 6;
	return n <= 14 * 60;
}

/* xs:dateTime with an offset, or without any, which we take for UTC. */
static bool
from_local(struct bytes in, bool *without, uint64_t *us)
{
	char text[40];
	int minutes = 0;
	uint64_t t;
	*without = !cut_offset(&in, &minutes);
	if (in.len > 30)
		return false;
	(void)snprintf(text, sizeof(text), "%.*sZ", (int)in.len, (const char *)in.data);
	if (!text_to_time(bytes_of(text), &t))
		return false;
	int64_t shifted = (int64_t)t - (int64_t)minutes * 60000000;
	*us = shifted < 0 ? 0 : (uint64_t)shifted;
	return true;
}

bool
spif_moment(struct bytes text, bool late, bool *without, uint64_t *out)
{
	struct bytes in = spif_trim(text);
	uint64_t us;
	*without = false;
	if (text_to_date(in, &us))
		us += late ? UINT64_C(86400000000) - 1 : 0;
	else if (!text_to_time(in, &us) && !from_generalized(in, &us) &&
		 !from_local(in, without, &us))
		return false;
	*out = us;
	return true;
}

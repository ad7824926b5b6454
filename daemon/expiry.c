#include "daemon/expiry.h"

#include "daemon/log.h"
#include "daemon/role.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>

enum { HOUR_S = 3600, DAY_S = 86400 };
enum stage { FAR, MONTH, WEEK, DAY, ENDED };

struct expiry {
	struct expiry_setup setup;
	struct event *tick;
	const struct trust *of; /* which set the stages are of */
	uint8_t *told;		/* enum stage of each end */
	size_t count;
};

static enum stage
stage_of(int64_t left)
{
	return left <= 0	    ? ENDED
	       : left <= DAY_S	    ? DAY
	       : left <= 7 * DAY_S  ? WEEK
	       : left <= 30 * DAY_S ? MONTH
				    : FAR;
}

static void
tell(const struct trust_end *end, enum stage stage, int64_t left)
{
	const char *action = stage == ENDED
				 ? "nothing that rests on it goes any more; replace it and reload"
				 : "replace it and reload before";
	if (stage >= DAY)
		log_error("trust.ends", "what=%s party=%s days=%" PRId64 " action=%s",
		    log_quote_text(end->what), end->party, left / DAY_S, log_quote_text(action));
	else
		log_warn("trust.ends", "what=%s party=%s days=%" PRId64 " action=%s",
		    log_quote_text(end->what), end->party, left / DAY_S, log_quote_text(action));
}

/* Room for the stages of this set, none told; false: no memory, and it is looked at again later. */
static bool
begin(struct expiry *x, const struct trust *t)
{
	struct trust_end end;
	size_t count = 0;
	while (trust_end_at(t, count, &end))
		count++;
	uint8_t *told = calloc(count, 1);
	if (told == NULL)
		return false;
	free(x->told);
	x->told = told;
	x->count = count;
	x->of = t;
	return true;
}

void
expiry_look(struct expiry *x, int64_t now)
{
	ASSERT_ON(ROLE_MAIN);
	const struct trust *t = (*x->setup.rules)->trust;
	struct trust_end end;
	if (x->of != t && !begin(x, t))
		return;
	for (size_t i = 0; i < x->count && trust_end_at(t, i, &end); i++) {
		if (end.at == INT64_MAX)
			continue;
		enum stage stage = stage_of(end.at - now);
		if (stage > x->told[i])
			tell(&end, stage, end.at - now);
		x->told[i] = (uint8_t)stage;
	}
}

static int64_t
now_s(const struct expiry *x)
{
	return (int64_t)(wall_best(x->setup.wall) / 1000000);
}

static void
on_tick(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	ASSERT_ON(ROLE_MAIN);
	expiry_look(arg, now_s(arg));
}

void
expiry_begin(struct expiry *x)
{
	ASSERT_ON(ROLE_MAIN);
	if (x == NULL)
		return;
	x->of = NULL; /* another set may lie where the last one lay */
	expiry_look(x, now_s(x));
}

bool
expiry_new(const struct expiry_setup *s, struct expiry **out, struct err *e)
{
	ASSERT_ON(ROLE_MAIN);
	static const struct timeval hour = { HOUR_S, 0 };
	struct expiry *x = calloc(1, sizeof(*x));
	if (x == NULL)
		return err_set(e, ERR_NOMEM, "expiry");
	x->setup = *s;
	x->tick = event_new(s->base, -1, EV_PERSIST, on_tick, x);
	if (x->tick == NULL || event_add(x->tick, &hour) != 0) {
		expiry_free(x);
		return err_set(e, ERR_NOMEM, "expiry");
	}
	*out = x;
	return true;
}

void
expiry_free(struct expiry *x)
{
	ASSERT_ON(ROLE_MAIN);
	if (x == NULL)
		return;
	if (x->tick != NULL)
		event_free(x->tick);
	free(x->told);
	free(x);
}

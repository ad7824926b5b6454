#include "daemon/expiry.h"

#include "daemon/ends.h"
#include "daemon/log.h"
#include "daemon/role.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>

struct expiry {
	struct expiry_setup setup;
	struct event *tick;
	const struct trust *of; /* which set the stages are of */
	uint8_t *told;		/* enum ends_stage of each end */
	size_t count;
	int64_t looked; /* s since 1970, last */
};

static void
tell(const struct trust_end *end, enum ends_stage stage, int64_t left)
{
	static const struct {
		const char *what, *before, *after;
	} words[TRUST_END_KINDS] = {
		[TRUST_END_BROKER] = { "the broker's certificate", "replace it and reload before",
		    "nothing that rests on it goes any more; replace it and reload" },
		[TRUST_END_CA] = { "a CA certificate", "replace it and reload before",
		    "nothing that rests on it goes any more; replace it and reload" },
		[TRUST_END_LIST] = { "a revocation list", "put a newer one there and reload before",
		    "the party is shut out; put a newer one there and reload" },
	};
	const char *action = stage == ENDS_PAST ? words[end->kind].after : words[end->kind].before;
	log_write(stage >= ENDS_DAY ? LOG_ERROR : LOG_WARN, "trust.ends",
	    "what=%s party=%s sha256=%s days=%" PRId64 " hours=%" PRId64 " action=%s",
	    log_quote_text(words[end->kind].what), end->party,
	    end->digest == NULL ? "-" : log_hex(end->digest, 32), left / ENDS_DAY_S,
	    left % ENDS_DAY_S / ENDS_HOUR_S, log_quote_text(action));
}

/* Room for the stages of this set, none told; false: no memory, and it is looked at again later. */
static bool
begin(struct expiry *x, const struct trust *t)
{
	struct trust_ends at = { 0 };
	struct trust_end end;
	size_t count = 0;
	while (trust_end_next(t, &at, &end))
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
	struct trust_ends at = { 0 };
	struct trust_end end;
	if (x->of != t && !begin(x, t))
		return;
	x->looked = now;
	for (size_t i = 0; i < x->count && trust_end_next(t, &at, &end); i++) {
		enum ends_stage stage = ends_stage(end.began, end.at, now);
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

/* An hour by the time of day, not by the loop's clock: one that was set, or a machine that slept,
 * brings an end nearer at once. */
static void
on_tick(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	ASSERT_ON(ROLE_MAIN);
	struct expiry *x = arg;
	int64_t now = now_s(x);
	if (now >= x->looked + ENDS_HOUR_S || now < x->looked)
		expiry_look(x, now);
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
	static const struct timeval second = { 1, 0 };
	struct expiry *x = calloc(1, sizeof(*x));
	if (x == NULL)
		return err_set(e, ERR_NOMEM, "expiry");
	x->setup = *s;
	x->tick = event_new(s->base, -1, EV_PERSIST, on_tick, x);
	if (x->tick == NULL || event_add(x->tick, &second) != 0) {
		expiry_free(x);
		return err_set(e, ERR_NOMEM, "expiry");
	}
	*out = x;
	return true;
}

int64_t
expiry_next(const struct expiry *x, enum trust_end_kind kind)
{
	ASSERT_ON(ROLE_MAIN);
	struct trust_ends at = { 0 };
	struct trust_end end;
	int64_t first = INT64_MAX;
	while (trust_end_next((*x->setup.rules)->trust, &at, &end))
		if (end.kind == kind && end.at < first)
			first = end.at;
	return first;
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

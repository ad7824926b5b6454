#include "daemon/release.h"

#include <stdlib.h>

bool
release_permit(struct desk *d, const struct release_token *t)
{
	ASSERT_ON(ROLE_WORKER);
	uint64_t now;
	if (atomic_load(&d->shell->broken) || d->rules == NULL || d->rules->number != t->rules)
		return false;
	if (t->rules != atomic_load(&d->shell->in_force))
		return false;
	if (t->delivery == STORE_NONE || t->delivery >= atomic_load(&d->shell->signed_size))
		return false;
	if (!wall_now(&d->shell->wall, &now))
		return false;
	return t->good_until_us == 0 || now < t->good_until_us;
}

static bool
may_go(void *token, struct conn *c)
{
	struct release *r = token;
	(void)c;
	return release_permit(r->token.desk, &r->token);
}

static void
done(void *token, struct conn *c, enum stream_end how)
{
	struct release *r = token;
	enum release_end end = how == STREAM_SENT   ? RELEASE_SENT
			       : how == STREAM_VOID ? RELEASE_VOID
						    : RELEASE_GONE;
	void (*tell)(void *, struct conn *, enum release_end) = r->done;
	void *arg = r->arg;
	release_free(r);
	tell(arg, c, end);
}

void
release_free(struct release *r)
{
	if (r == NULL)
		return;
	arena_done(r->memory);
	free(r->memory);
	free(r);
}

bool
release_send(struct conn *c, unsigned lane, struct release **r, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	if (!release_permit((*r)->token.desk, &(*r)->token))
		return err_set(e, ERR_BUSY, "not permitted now");
	struct stream s = { .message = (*r)->message, .may_go = may_go, .done = done, .token = *r };
	if (!conn_stream_report(c, lane, &s, e))
		return false;
	*r = NULL;
	return true;
}

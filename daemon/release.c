#include "daemon/release.h"
#include "daemon/role.h"

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
	if (t->decision != STORE_NONE && t->decision >= atomic_load(&d->shell->cosigned_size))
		return false;
	if (atomic_load(shell_withdrew(d->shell, t->intake)) > t->seen)
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

struct release *
release_new(struct bytes message)
{
	struct release *r = malloc(sizeof(*r) + message.len);
	if (r == NULL)
		return NULL;
	*r = (struct release){ .len = message.len };
	memcpy(r->message, message.data, message.len);
	return r;
}

void
release_free(struct release *r)
{
	ASSERT_ON(ROLE_WORKER);
	if (r == NULL)
		return;
	explicit_bzero(r->message, r->len);
	free(r);
}

bool
release_send(struct conn *c, unsigned lane, struct release **r, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	if (!release_permit((*r)->token.desk, &(*r)->token))
		return err_set(e, ERR_BUSY, "not permitted now");
	struct stream s = { .message = bytes_from((*r)->message, (*r)->len),
		.may_go = may_go,
		.done = done,
		.token = *r };
	if (!conn_stream_report(c, lane, &s, e))
		return false;
	*r = NULL;
	return true;
}

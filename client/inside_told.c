/*
 * inside_told.c - acknowledgements that are not known to have arrived.  When their session is lost
 * the report comes again, unless they did; what comes again is acknowledged, and not shown.
 */
#include "client/inside.h"

#include <stdlib.h>

void
inside_told_add(struct relto_connection *c, const uint8_t key[32], uint64_t request)
{
	if (c->ctx->reconnect_ms == 0)
		return;
	if (c->told == NULL)
		c->told = calloc(INSIDE_TOLD, sizeof(*c->told));
	if (c->told == NULL)
		return; /* then one may come twice */
	if (c->told_count == INSIDE_TOLD)
		memmove(c->told, c->told + 1, --c->told_count * sizeof(*c->told));
	struct inside_told *t = &c->told[c->told_count++];
	memcpy(t->key, key, sizeof(t->key));
	t->request = request;
}

void
inside_told_sent(struct relto_connection *c, uint64_t request)
{
	for (size_t i = 0; i < c->told_count; i++)
		if (c->told[i].request == 0)
			c->told[i].request = request;
}

/* Acknowledgements are answered in their order. */
void
inside_told_settle(struct relto_connection *c, uint64_t request)
{
	size_t kept = 0, i = 0;
	while (i < c->told_count && c->told[i].request != request)
		i++;
	if (request == 0 || i == c->told_count)
		return;
	for (i = 0; i < c->told_count; i++)
		if (c->told[i].request == 0 || c->told[i].request > request)
			c->told[kept++] = c->told[i];
	c->told_count = kept;
}

void
inside_told_lost(struct relto_connection *c)
{
	for (size_t i = 0; i < c->told_count; i++)
		c->told[i].request = INSIDE_TOLD_LOST;
}

bool
inside_told_take(struct relto_connection *c, const uint8_t key[32])
{
	for (size_t i = 0; i < c->told_count; i++) {
		struct inside_told *t = &c->told[i];
		if (t->request != INSIDE_TOLD_LOST || memcmp(t->key, key, sizeof(t->key)) != 0)
			continue;
		memmove(t, t + 1, (--c->told_count - i) * sizeof(*t));
		return true;
	}
	return false;
}

#include "daemon/lobby.h"
#include "daemon/role.h"

#include "daemon/listener.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void
lobby_init(struct lobby *l)
{
	ASSERT_ON(ROLE_MAIN);
	for (unsigned i = 0; i < LOBBY_BUCKETS; i++)
		LIST_INIT(&l->sources[i]);
	TAILQ_INIT(&l->crowd);
	l->waiting = 0;
}

void
lobby_done(struct lobby *l)
{
	ASSERT_ON(ROLE_MAIN);
	for (struct ticket *t; (t = lobby_greediest(l, 0)) != NULL;)
		ticket_free(t);
	for (unsigned i = 0; i < LOBBY_BUCKETS; i++) {
		for (struct source *s; (s = LIST_FIRST(&l->sources[i])) != NULL;) {
			LIST_REMOVE(s, of_bucket);
			free(s);
		}
	}
}

static struct source_list *
bucket_of(struct lobby *l, const uint8_t key[SOURCE_KEY_BYTES])
{
	uint32_t h = 2166136261u;
	for (unsigned i = 0; i < SOURCE_KEY_BYTES; i++)
		h = (h ^ key[i]) * 16777619u;
	return &l->sources[h % LOBBY_BUCKETS];
}

/* Sources without connections are dropped on the way. */
struct source *
lobby_source(struct lobby *l, const uint8_t key[SOURCE_KEY_BYTES])
{
	ASSERT_ON(ROLE_MAIN);
	struct source_list *bucket = bucket_of(l, key);
	struct source *s, *next, *found = NULL;
	LIST_FOREACH_SAFE(s, bucket, of_bucket, next)
	{
		if (memcmp(s->key, key, sizeof(s->key)) == 0) {
			found = s;
		} else if (atomic_load(&s->open) == 0) {
			LIST_REMOVE(s, of_bucket);
			free(s);
		}
	}
	if (found != NULL)
		return found;
	s = calloc(1, sizeof(*s));
	if (s != NULL) {
		memcpy(s->key, key, sizeof(s->key));
		STAILQ_INIT(&s->line);
		LIST_INSERT_HEAD(bucket, s, of_bucket);
	}
	return s;
}

void
lobby_enter(struct lobby *l, struct ticket *t)
{
	ASSERT_ON(ROLE_MAIN);
	struct source *s = t->source;
	STAILQ_INSERT_TAIL(&s->line, t, of_line);
	if (s->waiting++ == 0)
		TAILQ_INSERT_TAIL(&l->crowd, s, of_crowd);
	l->waiting++;
}

static struct ticket *
leave(struct lobby *l, struct ticket *t)
{
	struct source *s = t->source;
	STAILQ_REMOVE(&s->line, t, ticket, of_line);
	if (--s->waiting == 0)
		TAILQ_REMOVE(&l->crowd, s, of_crowd);
	l->waiting--;
	return t;
}

static void
turn_over(struct lobby *l, struct source *s)
{
	TAILQ_REMOVE(&l->crowd, s, of_crowd);
	TAILQ_INSERT_TAIL(&l->crowd, s, of_crowd);
}

struct ticket *
lobby_next(struct lobby *l, uint32_t left)
{
	ASSERT_ON(ROLE_MAIN);
	struct source *s;
	TAILQ_FOREACH (s, &l->crowd, of_crowd) {
		if (atomic_load(&s->half_open) >= left)
			continue;
		turn_over(l, s);
		return leave(l, STAILQ_FIRST(&s->line));
	}
	return NULL;
}

struct ticket *
lobby_greediest(struct lobby *l, uint32_t more_than)
{
	ASSERT_ON(ROLE_MAIN);
	struct source *s, *most = NULL;
	TAILQ_FOREACH (s, &l->crowd, of_crowd)
		if (s->waiting > (most == NULL ? more_than : most->waiting))
			most = s;
	return most == NULL ? NULL : leave(l, STAILQ_LAST(&most->line, ticket, of_line));
}

struct ticket *
lobby_late(struct lobby *l, uint64_t since_ms)
{
	ASSERT_ON(ROLE_MAIN);
	struct source *s;
	TAILQ_FOREACH (s, &l->crowd, of_crowd)
		if (STAILQ_FIRST(&s->line)->since_ms < since_ms)
			return leave(l, STAILQ_FIRST(&s->line));
	return NULL;
}

#include "daemon/parties.h"

#include "daemon/conn.h"
#include "daemon/on.h"
#include "daemon/role.h"
#include "daemon/turns.h"

#include <inttypes.h>
#include <stdlib.h>

/* FNV-1a, 32 bits. */
uint32_t
parties_hash(struct bytes name)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < name.len; i++)
		h = (h ^ name.data[i]) * 16777619u;
	return h;
}

static struct worker_party_list *
bucket_of(struct worker *w, struct bytes name)
{
	return &w->parties[parties_hash(name) % WORKER_BUCKETS];
}

struct worker_party *
parties_find(struct worker *w, struct bytes name)
{
	ASSERT_ON(ROLE_WORKER);
	struct worker_party *p;
	LIST_FOREACH (p, bucket_of(w, name), of_bucket) {
		if (bytes_is(name, p->name))
			return p;
	}
	return NULL;
}

static struct worker_party *
party_new(struct worker *w, struct bytes name)
{
	struct worker_party *p = calloc(1, sizeof(*p));
	if (p == NULL || name.len >= sizeof(p->name) || !quota_init(&p->quota, w, p)) {
		free(p);
		return NULL;
	}
	memcpy(p->name, name.data, name.len);
	share_init(&p->share);
	LIST_INSERT_HEAD(bucket_of(w, name), p, of_bucket);
	return p;
}

static void
party_free(struct worker_party *p)
{
	LIST_REMOVE(p, of_bucket);
	quota_done(&p->quota);
	free(p);
}

bool
parties_enter(struct worker *w, struct conn *c, struct bytes name, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct worker_party *p = parties_find(w, name);
	if (p != NULL && p->conn_count >= w->limits->connections_per_party)
		return err_set(e, ERR_QUOTA, "%" PRIu32 " connections of a party", p->conn_count);
	if (p == NULL)
		p = party_new(w, name);
	if (p == NULL)
		return err_set(e, ERR_NOMEM, "party of a connection");
	LIST_INSERT_HEAD(&p->conns, c, of_party);
	p->conn_count++;
	turns_leave(w, c); /* among the strangers */
	c->party = p;
	turns_touch(w, c);
	return true;
}

void
parties_leave(struct worker *w, struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	turns_leave(w, c); /* if it waits, then for the party's share */
	quota_leave(c);
	struct worker_party *p = MOVE(c->party);
	p->input_bytes -= c->input_bytes;
	LIST_REMOVE(c, of_party);
	if (--p->conn_count > 0)
		return;
	on_party_gone(w, p);
	if (!quota_owes(w, p))
		party_free(p);
}

void
parties_look(struct worker *w)
{
	ASSERT_ON(ROLE_WORKER);
	struct worker_party *p, *next;
	for (unsigned i = 0; i < WORKER_BUCKETS; i++)
		LIST_FOREACH_SAFE(p, &w->parties[i], of_bucket, next)
		{
			quota_look(w, p);
			if (p->conn_count == 0 && !quota_owes(w, p))
				party_free(p);
		}
}

void
parties_new_rates(struct worker *w)
{
	ASSERT_ON(ROLE_WORKER);
	struct worker_party *p;
	for (unsigned i = 0; i < WORKER_BUCKETS; i++)
		LIST_FOREACH (p, &w->parties[i], of_bucket)
			quota_forget(w, p);
}

void
parties_free(struct worker *w)
{
	ASSERT_ON(ROLE_WORKER);
	for (unsigned i = 0; i < WORKER_BUCKETS; i++)
		while (!LIST_EMPTY(&w->parties[i]))
			party_free(LIST_FIRST(&w->parties[i]));
}

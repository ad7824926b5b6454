#include "daemon/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
	pthread_mutex_t lock;
	struct mailbox_item *first;
	struct mailbox_item **end; /* where the next item is linked */
	size_t counted;
	size_t capacity;
	bool closed;
	int event; /* readable exactly while first != NULL */
};

bool
mailbox_new(size_t capacity, struct mailbox **out, struct err *e)
{
	assert(capacity > 0);
	struct mailbox *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return err_set(e, ERR_NOMEM, "mailbox");
	m->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->event < 0) {
		int error = errno;
		free(m);
		return err_set(e, ERR_IO, "eventfd: %s", strerror(error));
	}
	(void)pthread_mutex_init(&m->lock, NULL);
	m->end = &m->first;
	m->capacity = capacity;
	*out = m;
	return true;
}

void
mailbox_free(struct mailbox *m)
{
	if (m == NULL)
		return;
	assert(m->first == NULL);
	(void)close(m->event);
	(void)pthread_mutex_destroy(&m->lock);
	free(m);
}

/* The counter is 0 before, so the write cannot block or overflow. */
static void
ring(struct mailbox *m)
{
	uint64_t one = 1;
	ssize_t n;
	do
		n = write(m->event, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
	assert(n == (ssize_t)sizeof(one));
}

static void
hush(struct mailbox *m)
{
	uint64_t count;
	ssize_t n;
	do
		n = read(m->event, &count, sizeof(count));
	while (n < 0 && errno == EINTR);
	assert(n == (ssize_t)sizeof(count));
}

static bool
add(struct mailbox *m, struct mailbox_item *item, bool counted)
{
	(void)pthread_mutex_lock(&m->lock);
	bool room = !counted || (!m->closed && m->counted < m->capacity);
	if (room) {
		bool was_empty = m->first == NULL;
		item->next = NULL;
		item->counted = counted;
		*m->end = item;
		m->end = &item->next;
		m->counted += counted;
		if (was_empty)
			ring(m);
	}
	(void)pthread_mutex_unlock(&m->lock);
	return room;
}

bool
mailbox_post(struct mailbox *m, struct mailbox_item *item)
{
	return add(m, item, true);
}

void
mailbox_reply(struct mailbox *m, struct mailbox_item *item)
{
	(void)add(m, item, false);
}

void
mailbox_close(struct mailbox *m)
{
	(void)pthread_mutex_lock(&m->lock);
	m->closed = true;
	(void)pthread_mutex_unlock(&m->lock);
}

int
mailbox_fd(const struct mailbox *m)
{
	return m->event;
}

struct mailbox_item *
mailbox_take(struct mailbox *m, size_t max)
{
	(void)pthread_mutex_lock(&m->lock);
	struct mailbox_item *chain = m->first;
	struct mailbox_item **end = &m->first;
	for (size_t n = 0; n < max && *end != NULL; n++) {
		m->counted -= (*end)->counted;
		end = &(*end)->next;
	}
	if (end == &m->first) {
		chain = NULL;
	} else {
		struct mailbox_item *rest = *end;
		*end = NULL;
		m->first = rest;
		if (rest == NULL) {
			m->end = &m->first;
			hush(m);
		}
	}
	(void)pthread_mutex_unlock(&m->lock);
	return chain;
}

bool
mailbox_wait(struct mailbox *m, int timeout_ms)
{
	struct pollfd p = { .fd = m->event, .events = POLLIN };
	return poll(&p, 1, timeout_ms) > 0;
}

bool
mailbox_wait_either(struct mailbox *a, struct mailbox *b, int timeout_ms)
{
	struct pollfd p[2] = { { .fd = a->event, .events = POLLIN },
		{ .fd = b->event, .events = POLLIN } };
	return poll(p, 2, timeout_ms) > 0;
}

size_t
mailbox_count(struct mailbox *m)
{
	(void)pthread_mutex_lock(&m->lock);
	size_t n = m->counted;
	(void)pthread_mutex_unlock(&m->lock);
	return n;
}

/*
 * floor.c - the least that a report can cost: its bytes through bare TLS 1.3 and its rows into bare
 * LMDB, group commit and fdatasync included.  Nothing is parsed, hashed, signed or checked.  Sizes
 * and counts come from a real run (bench/run).
 *     floor LAB FOLDER REPORTS PER_COMMIT PUBLISH RECEIPT DELIVER ACK ACKS TABLE..
 * the bytes of each for one report, ACKS messages of the recipient for a report; TABLE as in
 * floor_store.h.  Two threads serve, one for TLS and one for LMDB; publisher and recipient have
 * their own, which do not count.  Prints one JSON object.
 */
#include "bench/floor_store.h"
#include "bench/floor_tls.h"
#include "bench/meter.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW = 1024 };

struct sizes {
	uint64_t publish, receipt, deliver, ack;
};

struct floor {
	uint64_t reports, per_commit;
	struct sizes bytes;
	struct lane publisher, recipient;	/* the server's ends */
	struct lane at_publisher, at_recipient; /* theirs */
	struct floor_store store;
	int to_store, to_tls; /* eventfds */
	atomic_uint_fast64_t received, acked, committed;
	atomic_bool finished;
	double tls_s, store_s; /* CPU */
};

static double
thread_cpu(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
ring(int fd)
{
	if (eventfd_write(fd, 1) != 0)
		exit(1);
}

/* ---- the store's thread ---- */

/* How many reports the next transaction takes; *acks: it has nothing but acknowledgements. */
static uint64_t
batch(struct floor *f, bool *acks)
{
	uint64_t received = atomic_load(&f->received), rest = received - f->store.reports;
	*acks = f->store.reports == f->reports && atomic_load(&f->acked) == f->reports;
	if (rest >= f->per_commit)
		return f->per_commit;
	return received == f->reports ? rest : 0;
}

static void *
serve_store(void *arg)
{
	struct floor *f = arg;
	double from = thread_cpu();
	for (eventfd_t count; f->store.acked < f->reports;) {
		bool acks = false;
		uint64_t n = batch(f, &acks);
		if (n == 0 && !acks) {
			if (eventfd_read(f->to_store, &count) != 0)
				exit(1);
			continue;
		}
		floor_store_commit(&f->store, n, atomic_load(&f->acked));
		atomic_store(&f->committed, f->store.reports);
		atomic_store(&f->finished, f->store.acked == f->reports);
		ring(f->to_tls);
	}
	f->store_s = thread_cpu() - from;
	return NULL;
}

/* ---- the TLS thread ---- */

/* Tells the store when a batch is whole. */
static void
hand_over(struct floor *f, uint64_t *told)
{
	uint64_t received = f->publisher.in / f->bytes.publish;
	uint64_t acked = f->recipient.in / f->bytes.ack;
	atomic_store(&f->received, received);
	atomic_store(&f->acked, acked);
	bool whole = received - *told >= f->per_commit || received == f->reports;
	if (!whole || (*told == f->reports && acked < f->reports))
		return;
	*told = received;
	ring(f->to_store);
}

static void *
serve_tls(void *arg)
{
	struct floor *f = arg;
	double from = thread_cpu();
	uint64_t told = 0;
	struct pollfd p[] = { { f->publisher.fd, POLLIN, 0 }, { f->recipient.fd, POLLIN, 0 },
		{ f->to_tls, POLLIN, 0 } };
	while (!atomic_load(&f->finished)) {
		eventfd_t count;
		uint64_t committed = atomic_load(&f->committed);
		f->publisher.due = committed * f->bytes.receipt;
		f->recipient.due = committed * f->bytes.deliver;
		p[0].events = lane_turn(&f->publisher) ? POLLIN | POLLOUT : POLLIN;
		p[1].events = lane_turn(&f->recipient) ? POLLIN | POLLOUT : POLLIN;
		hand_over(f, &told);
		(void)poll(p, 3, -1);
		if ((p[2].revents & POLLIN) != 0)
			(void)eventfd_read(f->to_tls, &count);
	}
	f->tls_s = thread_cpu() - from;
	return NULL;
}

/* ---- the clients ---- */

static void
wait_for(const struct lane *l, bool blocked)
{
	struct pollfd p = { l->fd, (short)(blocked ? POLLIN | POLLOUT : POLLIN), 0 };
	(void)poll(&p, 1, -1);
}

static void *
publish(void *arg)
{
	struct floor *f = arg;
	struct lane *l = &f->at_publisher;
	for (uint64_t answered = 0; answered < f->reports;) {
		uint64_t may = answered + WINDOW < f->reports ? answered + WINDOW : f->reports;
		uint64_t due = may * f->bytes.publish;
		l->due = may == f->reports ? due : due / LANE_RECORD * LANE_RECORD;
		bool blocked = lane_turn(l);
		answered = l->in / f->bytes.receipt;
		if (answered < f->reports && (blocked || l->out == l->due))
			wait_for(l, blocked);
	}
	return NULL;
}

static void *
receive(void *arg)
{
	struct floor *f = arg;
	struct lane *l = &f->at_recipient;
	for (uint64_t all = f->reports * f->bytes.ack; l->out < all;) {
		bool blocked = lane_turn(l);
		l->due = l->in / f->bytes.deliver * f->bytes.ack;
		if (l->out < all && (blocked || l->out == l->due))
			wait_for(l, blocked);
	}
	return NULL;
}

/* ---- all ---- */

static void
run(struct floor *f)
{
	void *(*const parts[])(void *arg) = { serve_store, serve_tls, publish, receive };
	pthread_t threads[4];
	for (size_t i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, parts[i], f) != 0)
			exit(1);
	for (size_t i = 0; i < 4; i++)
		(void)pthread_join(threads[i], NULL);
}

int
main(int argc, char **argv)
{
	if (argc < 11) {
		(void)fputs("usage: floor LAB FOLDER REPORTS PER_COMMIT PUBLISH RECEIPT DELIVER"
			    " ACK ACKS TABLE..\n",
		    stderr);
		return 64;
	}
	uint64_t v[7];
	for (size_t i = 0; i < 7; i++)
		v[i] = strtoull(argv[3 + i], NULL, 10);
	struct floor f = { .reports = v[0],
		.per_commit = v[1],
		.bytes = { v[2], v[3], v[4], v[5] },
		.to_store = eventfd(0, EFD_CLOEXEC),
		.to_tls = eventfd(0, EFD_CLOEXEC) };
	for (int i = 10; i < argc; i++)
		floor_store_add(&f.store, argv[i]);
	floor_store_open(&f.store, argv[2], f.reports);
	lane_pair(argv[1], "GBR", &f.publisher, &f.at_publisher);
	lane_pair(argv[1], "NOR", &f.recipient, &f.at_recipient);
	f.at_recipient.record = f.bytes.ack / (v[6] == 0 ? 1 : v[6]) + 1;
	struct meter from = meter_read(getpid());
	run(&f);
	struct meter to = meter_read(getpid()), used = meter_between(&from, &to);
	double n = (double)f.reports;
	(void)printf("{\"reports\":%" PRIu64 ",\"per_s\":%.0f,\"commits\":%" PRIu64
		     ",\"per_commit\":%.1f,\"server_cpu_us\":%.1f,\"tls_us\":%.1f,"
		     "\"store_us\":%.1f,\"dirtied_bytes\":%.0f}\n",
	    f.reports, n / used.wall_s, f.store.commits, n / (double)f.store.commits,
	    (f.tls_s + f.store_s) * 1e6 / n, f.tls_s * 1e6 / n, f.store_s * 1e6 / n,
	    (double)used.dirtied_bytes / n);
	floor_store_close(&f.store);
	lane_close(&f.publisher);
	lane_close(&f.recipient);
	lane_close(&f.at_publisher);
	lane_close(&f.at_recipient);
	return 0;
}

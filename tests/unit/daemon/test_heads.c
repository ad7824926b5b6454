/*
 * A head that a session cannot be told for want of memory is told later: the session asked for
 * nothing, and would read of the shortage with its next answer.  The linker's --wrap leads the
 * store's newest checkpoint through here.
 */
#include "tests/lib/test.h"

#include "daemon/config.h"
#include "daemon/heads.h"
#include "daemon/mailbox.h"
#include "daemon/on.h"
#include "daemon/pull.h"
#include "daemon/shelf.h"
#include "daemon/trust.h"
#include "daemon/turns.h"
#include "tests/lib/store_rig.h"

#include <stdlib.h>

static bool dry;
static unsigned asked;

bool __wrap_store_read_checkpoint(struct store_view *v, uint64_t at_most, bool published,
    struct store_checkpoint *out, bool *found, struct err *e);

bool
__wrap_store_read_checkpoint(struct store_view *v, uint64_t at_most, bool published,
    struct store_checkpoint *out, bool *found, struct err *e)
{
	(void)v;
	(void)at_most;
	(void)published;
	asked++;
	if (dry)
		return err_set(e, ERR_NOMEM, "a stored value");
	*out = (struct store_checkpoint){ .size = 5, .note = bytes_of("a note") };
	*found = true;
	return true;
}

static uint64_t now_ms = 5000;

static uint64_t
clock_ms(void *arg)
{
	(void)arg;
	return now_ms;
}

static uint64_t
clock_us(void *arg)
{
	(void)arg;
	return now_ms * 1000;
}

static void
a_session_outlives_a_head_that_it_could_not_be_told(void **state)
{
	struct store_rig *r = *state;
	struct shell shell = { 0 };
	struct worker *w;
	const struct worker_setup setup = {
		.count = 1, .clock = { clock_ms, clock_us, NULL, NULL }, .shell = &shell
	};
	char nor[] = "NOR";
	struct trust_peer peer = { .party = nor };
	struct worker_party party = { 0 };
	store_view_close(r->view);
	role_set(ROLE_WORKER);
	OK(r, worker_new(&setup, &w, &r->e));
	struct desk d = { .worker = w,
		.shell = &shell,
		.view = r->view,
		.shelf = calloc(1, sizeof(struct shelf)) };
	struct session s = { .desk = &d };
	struct conn c = { .state = CONN_READY,
		.worker = w,
		.peer = &peer,
		.party = &party,
		.session = &s,
		.pump.fd = -1 };
	assert_non_null(d.shelf);
	OK(r, sha256_init(&d.sha, &r->e));
	share_init(&party.share);
	outbox_init(&c.outbox);
	w->desk = &d;
	TAILQ_INSERT_TAIL(&w->conns, &c, of_worker);

	dry = true;
	heads_tell(&c);
	assert_int_equal(asked, 1);
	assert_int_equal(c.state, CONN_READY); /* and nothing waits to be said to it */
	assert_int_equal(s.heads_size, 0);
	assert_false(c.wants_turn);

	dry = false;
	on_tick(w);
	assert_true(c.wants_turn);
	c.wants_turn = false;
	heads_tell(&c);
	assert_int_equal(s.heads_size, 5);
	now_ms += 5000;
	on_tick(w);
	assert_false(c.wants_turn); /* once */

	c.state = CONN_CLOSED;
	outbox_clear(&c.outbox, NULL, &c);
	turns_leave(w, &c);
	TAILQ_REMOVE(&w->conns, &c, of_worker);
	sha256_done(&d.sha);
	free(d.shelf);
	worker_free(w);
	role_set(ROLE_COMMITTER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_session_outlives_a_head_that_it_could_not_be_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/lib/test.h"

#include <poll.h>
#include <pthread.h>

#include "daemon/mailbox.h"
#include "daemon/role.h"

struct letter {
	unsigned sender;
	unsigned number;
	struct mailbox_item item;
};

static struct mailbox *
box(size_t capacity)
{
	struct mailbox *m = NULL;
	struct err e;
	assert_true(mailbox_new(capacity, &m, &e));
	return m;
}

static unsigned
number_of(struct mailbox_item *item)
{
	return MAILBOX_ENTRY(item, struct letter, item)->number;
}

static bool
readable(const struct mailbox *m)
{
	struct pollfd p = { .fd = mailbox_fd(m), .events = POLLIN };
	return poll(&p, 1, 0) == 1;
}

static void
items_come_out_in_the_order_in_which_they_went_in(void **state)
{
	(void)state;
	SCOPED(mailbox_free) struct mailbox *m = box(4);
	struct letter l[3] = { { .number = 0 }, { .number = 1 }, { .number = 2 } };
	assert_null(mailbox_take(m, 10));
	for (unsigned i = 0; i < 3; i++)
		assert_true(mailbox_post(m, &l[i].item));
	struct mailbox_item *item = mailbox_take(m, 2);
	assert_int_equal(number_of(item), 0);
	assert_int_equal(number_of(item->next), 1);
	assert_null(item->next->next);
	item = mailbox_take(m, 2);
	assert_int_equal(number_of(item), 2);
	assert_null(item->next);
}

static void
a_full_mailbox_refuses_a_post_and_never_a_reply(void **state)
{
	(void)state;
	SCOPED(mailbox_free) struct mailbox *m = box(2);
	struct letter l[5] = { { .number = 0 } };
	assert_true(mailbox_post(m, &l[0].item));
	assert_true(mailbox_post(m, &l[1].item));
	assert_false(mailbox_post(m, &l[2].item));
	mailbox_reply(m, &l[3].item);
	mailbox_reply(m, &l[4].item);
	assert_int_equal(mailbox_count(m), 2);
	assert_ptr_equal(mailbox_take(m, 1), &l[0].item);
	assert_int_equal(mailbox_count(m), 1);
	assert_true(mailbox_post(m, &l[2].item));
	assert_false(mailbox_post(m, &l[0].item));
	(void)mailbox_take(m, 10);
}

static void
a_closed_mailbox_refuses_posts_and_takes_replies(void **state)
{
	(void)state;
	SCOPED(mailbox_free) struct mailbox *m = box(2);
	struct letter l[2] = { { .number = 0 } };
	mailbox_close(m);
	assert_false(mailbox_post(m, &l[0].item));
	mailbox_reply(m, &l[1].item);
	assert_ptr_equal(mailbox_take(m, 10), &l[1].item);
}

static void
the_descriptor_is_readable_exactly_while_items_wait(void **state)
{
	(void)state;
	SCOPED(mailbox_free) struct mailbox *m = box(4);
	struct letter l[2] = { { .number = 0 } };
	assert_false(readable(m));
	assert_false(mailbox_wait(m, 0));
	assert_true(mailbox_post(m, &l[0].item));
	mailbox_reply(m, &l[1].item);
	assert_true(readable(m));
	assert_true(mailbox_wait(m, -1));
	(void)mailbox_take(m, 1);
	assert_true(readable(m));
	(void)mailbox_take(m, 1);
	assert_false(readable(m));
	(void)mailbox_take(m, 0);
	assert_false(readable(m));
}

enum { SENDERS = 4, LETTERS = 2000 };

struct sender {
	struct mailbox *to;
	struct letter letters[LETTERS];
};

static void *
send_all(void *arg)
{
	struct sender *s = arg;
	for (unsigned i = 0; i < LETTERS; i++)
		while (!mailbox_post(s->to, &s->letters[i].item))
			(void)poll(NULL, 0, 1);
	return NULL;
}

static void
many_senders_lose_nothing_and_each_keeps_its_order(void **state)
{
	(void)state;
	SCOPED(mailbox_free) struct mailbox *m = box(64);
	struct sender *s = calloc(SENDERS, sizeof(*s));
	pthread_t thread[SENDERS];
	unsigned next[SENDERS] = { 0 };
	assert_non_null(s);
	for (unsigned i = 0; i < SENDERS; i++) {
		s[i].to = m;
		for (unsigned k = 0; k < LETTERS; k++)
			s[i].letters[k] = (struct letter){ .sender = i, .number = k };
		assert_int_equal(pthread_create(&thread[i], NULL, send_all, &s[i]), 0);
	}
	for (unsigned got = 0; got < SENDERS * LETTERS;) {
		assert_true(mailbox_wait(m, -1));
		for (struct mailbox_item *item = mailbox_take(m, 7); item != NULL;) {
			struct letter *l = MAILBOX_ENTRY(item, struct letter, item);
			item = item->next;
			assert_int_equal(l->number, next[l->sender]++);
			got++;
		}
	}
	for (unsigned i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	free(s);
}

static void
a_thread_has_the_role_that_it_took_and_before_that_any(void **state)
{
	(void)state;
	assert_true(role_is(ROLE_MAIN));
	assert_true(role_is(ROLE_COMMITTER));
	role_set(ROLE_WORKER);
	assert_true(role_is(ROLE_WORKER));
	assert_false(role_is(ROLE_COMMITTER));
	role_set(ROLE_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_come_out_in_the_order_in_which_they_went_in),
		cmocka_unit_test(a_full_mailbox_refuses_a_post_and_never_a_reply),
		cmocka_unit_test(a_closed_mailbox_refuses_posts_and_takes_replies),
		cmocka_unit_test(the_descriptor_is_readable_exactly_while_items_wait),
		cmocka_unit_test(many_senders_lose_nothing_and_each_keeps_its_order),
		cmocka_unit_test(a_thread_has_the_role_that_it_took_and_before_that_any),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/lib/test.h"

#include "proto/facts.h"
#include "proto/limits.h"
#include "tests/lib/store_rig.h"

static struct store_report_key
report_id(uint32_t originator, uint8_t byte)
{
	struct store_report_key k = { .originator = originator };
	memset(k.id, byte, sizeof(k.id));
	return k;
}

static uint32_t
subscribe(struct store_rig *r, uint32_t party, const char *name)
{
	struct store_subscription sub = { .party = party,
		.mode = MODE_LIVE,
		.created = 7,
		.name = bytes_of(name),
		.pattern = bytes_of("maritime.>") };
	OK(r, store_put_subscription(r->store, &sub, &r->e));
	return sub.id;
}

static struct store_queued
entry_for(uint32_t subscription, uint8_t precedence, uint64_t decision)
{
	struct store_queued q = { .key = { subscription, precedence, decision },
		.epoch = 1,
		.good_until_us = 2,
		.expires_us = 3,
		.intake = 4,
		.report = report_id(1, 6),
		.bytes = 100 };
	return q;
}

static struct store_letter
letter_for(uint32_t party, uint8_t report, uint32_t subscription)
{
	struct store_letter l = { .key = { party, report_id(1, report), subscription },
		.why = STORE_DEAD_MAX_DELIVERIES,
		.mode = MODE_LIVE,
		.precedence = PRECEDENCE_FLASH,
		.attempts = 16,
		.record = 9,
		.dead_us = 10,
		.decision = 3,
		.not_before_ms = 11,
		.expires_us = 12,
		.intake = 2,
		.bytes = 100 };
	return l;
}

/* Field by field: what is between them is nobody's. */
static void
same_letter(const struct store_letter *a, const struct store_letter *b)
{
	assert_memory_equal(&a->key, &b->key, sizeof(a->key));
	assert_int_equal(a->why, b->why);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->precedence, b->precedence);
	assert_int_equal(a->attempts, b->attempts);
	assert_int_equal(a->record, b->record);
	assert_int_equal(a->dead_us, b->dead_us);
	assert_int_equal(a->decision, b->decision);
	assert_int_equal(a->not_before_ms, b->not_before_ms);
	assert_int_equal(a->expires_us, b->expires_us);
	assert_int_equal(a->intake, b->intake);
	assert_int_equal(a->bytes, b->bytes);
}

static void
a_dead_letter_is_read_as_it_was_put_and_keeps_its_report(void **state)
{
	struct store_rig *r = *state;
	BEGIN(r);
	/* out of order; 0: there was no subscription */
	struct store_letter put[] = { letter_for(2, 7, 5), letter_for(2, 7, 0), letter_for(3, 6, 1),
		letter_for(2, 8, 1) };
	for (size_t i = 0; i < 4; i++)
		OK(r, store_put_letter(r->store, &put[i], &r->e));
	OK(r, store_put_letter(r->store, &put[0], &r->e)); /* the same once more is one */
	assert_int_equal(store_letters(r->store, 2).reports, 3);
	assert_int_equal(store_letters(r->store, 2).bytes, 300);
	assert_int_equal(store_usage(r->store, 2).reports, 0);
	assert_true(store_is_needed(r->store, 2));
	COMMIT(r);
	store_rig_close(r);
	assert_true(store_rig_open(r)); /* counted anew */
	assert_int_equal(store_letters(r->store, 2).reports, 3);
	assert_true(store_is_needed(r->store, 2));
	struct store_letter page[8];
	size_t count = 8;
	OK(r, store_read_letters(store_rig_look(r), NULL, page, &count, &r->e));
	assert_int_equal(count, 4);
	same_letter(&page[0], &put[1]);
	same_letter(&page[1], &put[0]);
	same_letter(&page[2], &put[3]);
	same_letter(&page[3], &put[2]);
	count = 1;
	struct store_letter_key from = put[1].key;
	from.subscription++;
	OK(r, store_read_letters(store_rig_look(r), &from, page, &count, &r->e));
	assert_int_equal(page[0].key.subscription, 5);
}

static void
a_dead_letter_that_goes_lets_its_report_go_unless_the_batch_fails(void **state)
{
	struct store_rig *r = *state;
	struct store_letter l = letter_for(2, 7, 5);
	bool dropped = false;
	BEGIN(r);
	OK(r, store_put_letter(r->store, &l, &r->e));
	COMMIT(r);
	BEGIN(r);
	OK(r, store_drop_letter(r->store, &l.key, &dropped, &r->e));
	assert_true(dropped);
	assert_false(store_is_needed(r->store, 2));
	store_abort(r->store);
	assert_true(store_is_needed(r->store, 2));
	assert_int_equal(store_letters(r->store, 2).reports, 1);
	BEGIN(r);
	OK(r, store_drop_letter(r->store, &l.key, &dropped, &r->e));
	OK(r, store_drop_letter(r->store, &l.key, &dropped, &r->e));
	assert_false(dropped);
	COMMIT(r);
	assert_int_equal(store_letters(r->store, 2).bytes, 0);
	assert_false(store_is_needed(r->store, 2));
}

/* Of party 2: 'unsent' that were never sent, then two that were; and one of party 3. */
static void
put_letters(struct store_rig *r, uint16_t unsent)
{
	struct store_letter l = letter_for(2, 0, 1);
	BEGIN(r);
	for (uint16_t i = 0; i < unsent + 2; i++) {
		l.key.report.id[0] = (uint8_t)(i >> 8);
		l.key.report.id[1] = (uint8_t)i;
		l.attempts = i < unsent ? 0 : i;
		OK(r, store_put_letter(r->store, &l, &r->e));
	}
	l = letter_for(3, 7, 1);
	OK(r, store_put_letter(r->store, &l, &r->e));
	COMMIT(r);
}

static void
dead_letters_that_were_sent_are_found_behind_so_many_that_were_not(void **state)
{
	struct store_rig *r = *state;
	struct store_letter page[4];
	struct store_letter_key from = { .party = 2 };
	size_t count = 4;
	put_letters(r, LIMIT_LETTERS_LOOKED - 1);
	OK(r, store_read_sent_letters(store_rig_look(r), &from, page, &count, &r->e));
	assert_int_equal(count, 1); /* the second one stands past the limit */
	assert_int_equal(page[0].attempts, LIMIT_LETTERS_LOOKED - 1);
	from = page[0].key;
	count = 4;
	OK(r, store_read_sent_letters(r->view, &from, page, &count, &r->e));
	assert_int_equal(count, 2); /* none of another party */
	assert_int_equal(page[1].attempts, LIMIT_LETTERS_LOOKED);
	count = 1;
	OK(r, store_read_sent_letters(r->view, &from, page, &count, &r->e));
	assert_int_equal(count, 1);
	from = (struct store_letter_key){ .party = 2 };
	BEGIN(r);
	struct store_letter_key first = letter_for(2, 0, 1).key;
	first.report.id[0] = first.report.id[1] = 0;
	OK(r, store_drop_letter(r->store, &first, NULL, &r->e));
	COMMIT(r);
	count = 4;
	OK(r, store_read_sent_letters(store_rig_look(r), &from, page, &count, &r->e));
	assert_int_equal(count, 2);
}

static void
a_queue_is_read_by_precedence_in_order(void **state)
{
	struct store_rig *r = *state;
	BEGIN(r);
	uint32_t inbox = subscribe(r, 2, "inbox"), other = subscribe(r, 2, "other");
	for (uint64_t d = 1; d <= 3; d++) {
		struct store_queued q = entry_for(inbox, PRECEDENCE_ROUTINE, d);
		OK(r, store_enqueue(r->store, &q, &r->e));
		q.key.precedence = PRECEDENCE_FLASH;
		q.key.decision = d + 10;
		OK(r, store_enqueue(r->store, &q, &r->e));
		q.key.subscription = other;
		OK(r, store_enqueue(r->store, &q, &r->e));
	}
	COMMIT(r);
	struct store_queued page[8];
	size_t count = 8;
	struct store_queue_key at = { inbox, PRECEDENCE_ROUTINE, STORE_QUEUE_START };
	OK(r, store_read_queue(store_rig_look(r), &at, page, &count, &r->e));
	assert_int_equal(count, 3);
	assert_int_equal(page[2].key.decision, 3);
	at.decision = 1;
	count = 1;
	OK(r, store_read_queue(r->view, &at, page, &count, &r->e));
	assert_int_equal(count, 1);
	assert_int_equal(page[0].key.decision, 2);
	assert_int_equal(page[0].intake, 4);
	assert_int_equal(page[0].bytes, 100);
	assert_int_equal(page[0].expires_us, 3);
	at = (struct store_queue_key){ inbox, PRECEDENCE_FLASH, STORE_QUEUE_START };
	count = 8;
	OK(r, store_read_queue(r->view, &at, page, &count, &r->e));
	assert_int_equal(count, 3);
	assert_int_equal(page[0].key.decision, 11);
	at.precedence = PRECEDENCE_PRIORITY;
	count = 8;
	OK(r, store_read_queue(r->view, &at, page, &count, &r->e));
	assert_int_equal(count, 0);
	count = 8;
	OK(r, store_read_queues(r->view, NULL, page, &count, &r->e));
	assert_int_equal(count, 8);
	assert_int_equal(page[0].key.precedence, PRECEDENCE_FLASH);
	count = 8;
	OK(r, store_read_queues(r->view, &page[7].key, page, &count, &r->e));
	assert_int_equal(count, 1);
}

static void
what_waits_for_a_party_and_in_a_queue_is_counted_through_aborts_and_starts(void **state)
{
	struct store_rig *r = *state;
	bool dropped;
	BEGIN(r);
	uint32_t inbox = subscribe(r, 2, "inbox");
	struct store_queued q = entry_for(inbox, PRECEDENCE_FLASH, 1);
	OK(r, store_enqueue(r->store, &q, &r->e));
	q.key.decision = 2;
	OK(r, store_enqueue(r->store, &q, &r->e));
	q.attempts = 1;
	OK(r, store_enqueue(r->store, &q, &r->e));
	COMMIT(r);
	assert_int_equal(store_usage(r->store, 2).reports, 2);
	assert_int_equal(store_usage(r->store, 2).bytes, 200);
	assert_int_equal(store_sent(r->store, inbox), 1);
	BEGIN(r);
	OK(r, store_dequeue(r->store, &q.key, &dropped, &r->e));
	assert_true(dropped);
	assert_int_equal(store_sent(r->store, inbox), 0);
	OK(r, store_dequeue(r->store, &q.key, &dropped, &r->e));
	assert_false(dropped);
	assert_int_equal(store_usage(r->store, 2).reports, 1);
	assert_int_equal(store_waiting(r->store, inbox), 1);
	(void)subscribe(r, 3, "inbox");
	store_abort(r->store);
	assert_int_equal(store_usage(r->store, 2).reports, 2);
	assert_int_equal(store_waiting(r->store, inbox), 2);
	assert_int_equal(store_sent(r->store, inbox), 1);
	assert_int_equal(store_usage(r->store, 2).bytes, 200);
	BEGIN(r);
	q.key.decision = 1;
	OK(r, store_dequeue(r->store, &q.key, NULL, &r->e));
	COMMIT(r);
	REOPEN(r);
	assert_int_equal(store_sent(r->store, inbox), 1);
	assert_int_equal(store_sent(r->store, 4000), 0);
	assert_int_equal(store_usage(r->store, 2).reports, 1);
	assert_int_equal(store_usage(r->store, 2).bytes, 100);
	assert_int_equal(store_usage(r->store, 4000).reports, 0);
	assert_int_equal(store_waiting(r->store, inbox), 1);
	assert_int_equal(store_waiting(r->store, 4000), 0);
}

static void
an_abort_takes_back_what_was_counted(void **state)
{
	struct store_rig *r = *state;
	BEGIN(r);
	struct store_queued q = entry_for(subscribe(r, 2, "inbox"), PRECEDENCE_FLASH, 1);
	OK(r, store_enqueue(r->store, &q, &r->e));
	COMMIT(r);
	BEGIN(r);
	q.bytes = 150;
	OK(r, store_enqueue(r->store, &q, &r->e));
	assert_int_equal(store_usage(r->store, 2).bytes, 150);
	q.key.decision = 2;
	q.intake = 9;
	OK(r, store_enqueue(r->store, &q, &r->e));
	assert_int_equal(store_usage(r->store, 2).reports, 2);
	assert_true(store_is_needed(r->store, 9));
	store_abort(r->store);
	assert_int_equal(store_usage(r->store, 2).reports, 1);
	assert_int_equal(store_usage(r->store, 2).bytes, 100);
	assert_false(store_is_needed(r->store, 9));
	assert_true(store_is_needed(r->store, 4));
}

static void
a_queue_entry_is_found_and_replaced(void **state)
{
	struct store_rig *r = *state;
	bool found;
	BEGIN(r);
	struct store_queued q = entry_for(subscribe(r, 2, "inbox"), PRECEDENCE_FLASH, 1), got;
	OK(r, store_enqueue(r->store, &q, &r->e));
	q.attempts = 3;
	q.not_before_ms = 12345;
	OK(r, store_enqueue(r->store, &q, &r->e));
	COMMIT(r);
	OK(r, store_find_queued(store_rig_look(r), &q.key, &got, &found, &r->e));
	assert_true(found && got.attempts == 3 && got.not_before_ms == 12345);
	q.key.decision = 9;
	OK(r, store_find_queued(r->view, &q.key, &got, &found, &r->e));
	assert_false(found);
}

static void
a_queue_without_a_subscription_is_refused(void **state)
{
	struct store_rig *r = *state;
	struct store_queued q = entry_for(5, PRECEDENCE_FLASH, 1);
	BEGIN(r);
	assert_false(store_enqueue(r->store, &q, &r->e));
	assert_int_equal(r->e.code, ERR_STORE);
	assert_non_null(strstr(r->e.text, "there is no subscription 5"));
}

static void
a_subscription_with_a_queue_is_not_dropped(void **state)
{
	struct store_rig *r = *state;
	struct store_subscription page[4];
	size_t count = 4;
	BEGIN(r);
	uint32_t first = subscribe(r, 2, "inbox"), second = subscribe(r, 2, "second");
	struct store_queued q = entry_for(second, PRECEDENCE_FLASH, 1);
	OK(r, store_enqueue(r->store, &q, &r->e));
	COMMIT(r);
	BEGIN(r);
	OK(r, store_drop_subscription(r->store, first, &r->e));
	COMMIT(r);
	OK(r, store_read_subscriptions(store_rig_look(r), 0, page, &count, &r->e));
	assert_int_equal(count, 1);
	assert_int_equal(page[0].id, second);
	assert_int_equal(page[0].mode, MODE_LIVE);
	assert_int_equal(page[0].created, 7);
	assert_true(bytes_is(page[0].name, "second") && bytes_is(page[0].pattern, "maritime.>"));
	BEGIN(r);
	assert_int_equal(subscribe(r, 2, "third"), second + 1);
	assert_false(store_drop_subscription(r->store, second, &r->e));
	assert_int_equal(r->e.code, ERR_STORE);
	assert_non_null(strstr(r->e.text, "subscription 2 still has a queue"));
}

static void
holds_come_by_deadline(void **state)
{
	struct store_rig *r = *state;
	BEGIN(r);
	for (uint64_t d = 5; d > 0; d--) {
		struct store_held h = { .deadline_us = d * 10,
			.decision = 7,
			.intake = d,
			.party = 3,
			.report = report_id(1, 8) };
		OK(r, store_put_hold(r->store, &h, &r->e));
	}
	OK(r, store_drop_hold(r->store, 20, 7, &r->e));
	COMMIT(r);
	struct store_held page[4];
	size_t count = 2;
	OK(r, store_read_holds(store_rig_look(r), NULL, page, &count, &r->e));
	assert_int_equal(count, 2);
	assert_int_equal(page[0].deadline_us, 10);
	assert_int_equal(page[1].deadline_us, 30);
	assert_int_equal(page[1].intake, 3);
	assert_int_equal(page[1].report.id[0], 8);
	count = 4;
	OK(r, store_read_holds(r->view, &page[1], page, &count, &r->e));
	assert_int_equal(count, 2);
	assert_int_equal(page[0].deadline_us, 40);
}

static void
a_hundred_thousand_entries_are_paged_and_counted(void **state)
{
	struct store_rig *r = *state;
	enum { ALL = 100000, PAGE = 256 };
	store_rig_close(r);
	r->config.map_bytes = 256u << 20;
	OK(r, store_rig_open(r));
	BEGIN(r);
	uint32_t inbox = subscribe(r, 2, "inbox");
	for (uint64_t d = 0; d < ALL; d++) {
		struct store_queued q = entry_for(inbox, PRECEDENCE_ROUTINE, d);
		OK(r, store_enqueue(r->store, &q, &r->e));
	}
	COMMIT(r);
	REOPEN(r);
	assert_int_equal(store_usage(r->store, 2).reports, ALL);
	struct store_queued *page = calloc(PAGE, sizeof(*page));
	struct store_queue_key at = { inbox, PRECEDENCE_ROUTINE, STORE_QUEUE_START };
	size_t count = PAGE, sum = 0;
	assert_non_null(page);
	OK(r, store_read_queue(store_rig_look(r), &at, page, &count, &r->e));
	while (count > 0) {
		assert_int_equal(page[0].key.decision, sum);
		sum += count;
		at = page[count - 1].key;
		count = PAGE;
		OK(r, store_read_queue(r->view, &at, page, &count, &r->e));
	}
	assert_int_equal(sum, ALL);
	free(page);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(dead_letters_that_were_sent_are_found_behind_so_many_that_were_not),
		STORE_TEST(a_queue_is_read_by_precedence_in_order),
		STORE_TEST(
		    what_waits_for_a_party_and_in_a_queue_is_counted_through_aborts_and_starts),
		STORE_TEST(an_abort_takes_back_what_was_counted),
		STORE_TEST(a_queue_entry_is_found_and_replaced),
		STORE_TEST(a_queue_without_a_subscription_is_refused),
		STORE_TEST(a_subscription_with_a_queue_is_not_dropped),
		STORE_TEST(holds_come_by_deadline),
		STORE_TEST(a_dead_letter_is_read_as_it_was_put_and_keeps_its_report),
		STORE_TEST(a_dead_letter_that_goes_lets_its_report_go_unless_the_batch_fails),
		STORE_TEST(a_hundred_thousand_entries_are_paged_and_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

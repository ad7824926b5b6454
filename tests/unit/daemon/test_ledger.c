/* The second look (AUDIT 3): a bit that turns between the hash and the store, one row that is not
 * there, a tree that is another: nothing of the batch is durable, and nothing goes on. */
#include "daemon/ledger.h"
#include "tests/lib/store_rig.h"
#include "tests/lib/test.h"

/* ---- a hand between the ledger and the store ---- */

bool __real_store_put_entry(struct store *s, uint64_t index, struct bytes value, struct err *e);
bool __wrap_store_put_entry(struct store *s, uint64_t index, struct bytes value, struct err *e);

static struct {
	uint64_t index; /* whose entry; UINT64_MAX: nobody's */
	size_t byte, len;
	bool lost;
} hand;

bool
__wrap_store_put_entry(struct store *s, uint64_t index, struct bytes value, struct err *e)
{
	if (index != hand.index)
		return __real_store_put_entry(s, index, value, e);
	hand.len = value.len;
	if (hand.lost)
		return true;
	uint8_t *copy = malloc(value.len);
	assert_non_null(copy);
	memcpy(copy, value.data, value.len);
	copy[hand.byte] ^= 1;
	bool ok = __real_store_put_entry(s, index, bytes_from(copy, value.len), e);
	free(copy);
	return ok;
}

/* ---- batches ---- */

struct rig {
	struct store_rig store;
	struct ledger ledger;
};

static void
open_ledger(struct rig *r)
{
	OK(&r->store, ledger_init(&r->ledger, r->store.store, &r->store.e));
	r->ledger.fence = r->store.fence;
}

static int
setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	hand.index = UINT64_MAX;
	hand.lost = false;
	store_rig_init(&r->store);
	assert_true(store_rig_open(&r->store));
	open_ledger(r);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;
	ledger_done(&r->ledger);
	store_rig_done(&r->store);
	free(r);
	return 0;
}

static void
append(struct rig *r)
{
	static const uint8_t salts[RECORD_SALTS] = { 7 };
	struct err *e = &r->store.e;
	struct arena *a = &r->ledger.scratch;
	const struct slot_common common = { .type = EVENT_PAD };
	const struct slot_hub hub = { bytes_of("hub-1"), SLOT_ABSENT, NULL, bytes_of("free") };
	const struct ledger_place nowhere = { .publisher = NULL };
	struct record record;
	struct log_out out;
	OK(&r->store, record_begin(&record, a, salts, e));
	OK(&r->store, record_set_common(&record, a, &common, e));
	OK(&r->store, record_set_hub(&record, a, &hub, e));
	OK(&r->store, ledger_append(&r->ledger, &record, &nowhere, &out, e));
}

static void
begin(struct rig *r, unsigned records)
{
	OK(&r->store, ledger_begin(&r->ledger, 1000, &r->store.e));
	while (records-- > 0)
		append(r);
}

/* The commit is refused so, the store is broken, and the next start has nothing of the batch. */
static void
is_found(struct rig *r, const char *text)
{
	struct err e = { 0 };
	uint64_t before = r->store.fence.log_size;
	assert_false(ledger_commit(&r->ledger, &r->store.stamp, &e));
	assert_int_equal(e.code, ERR_CORRUPT);
	if (strstr(e.text, text) == NULL)
		fail_msg("'%s' is not in '%s'", text, e.text);
	assert_true(store_is_broken(r->store.store));
	assert_false(ledger_begin(&r->ledger, 1000, &e));
	ledger_done(&r->ledger);
	r->ledger = (struct ledger){ .store = NULL };
	hand.index = UINT64_MAX;
	REOPEN(&r->store);
	assert_int_equal(r->store.fence.log_size, before);
	open_ledger(r);
	assert_false(ledger_begin(&r->ledger, 1000, &e)); /* not before all was verified */
	OK(&r->store, store_verified(r->store.store, &r->store.e));
}

/* ---- claims ---- */

static void
a_batch_that_nobody_touched_is_committed(void **state)
{
	struct rig *r = *state;
	begin(r, 3);
	OK(&r->store, ledger_commit(&r->ledger, &r->store.stamp, &r->store.e));
	assert_int_equal(r->ledger.fence.log_size, 3);
}

static void
a_bit_turned_between_the_hash_and_the_store_is_found_wherever_it_is(void **state)
{
	struct rig *r = *state;
	hand.index = 1;
	hand.byte = 0;
	begin(r, 3);
	size_t len = hand.len;
	is_found(r, "record 1: it does not give its leaf hash");
	assert_true(len > 100);
	for (size_t at = 1; at < len + 7; at += at < 32 ? 1 : 7) {
		hand.index = 1;
		hand.byte = at < len ? at : len - 1;
		begin(r, 3);
		is_found(r, "second look at entry 1");
	}
}

static void
the_last_entry_is_looked_at_as_the_first_one_is(void **state)
{
	struct rig *r = *state;
	static const uint64_t all[] = { 0, 63, 64, 99 }; /* a look takes 64 at a time */
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		hand.index = all[i];
		hand.byte = 40;
		begin(r, 100);
		is_found(r, "second look at entry");
	}
}

static void
an_entry_that_the_store_has_not_is_found(void **state)
{
	struct rig *r = *state;
	hand.index = 2;
	hand.lost = true;
	begin(r, 3);
	is_found(r, "entry 2 is missing");
}

static void
a_tree_that_is_not_that_of_the_entries_is_found(void **state)
{
	struct rig *r = *state;
	begin(r, 3);
	r->ledger.log.tree.frontier[0][5] ^= 1;
	is_found(r, "what is stored has another root than what was hashed");
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(a_batch_that_nobody_touched_is_committed),
		CLAIM(a_bit_turned_between_the_hash_and_the_store_is_found_wherever_it_is),
		CLAIM(the_last_entry_is_looked_at_as_the_first_one_is),
		CLAIM(an_entry_that_the_store_has_not_is_found),
		CLAIM(a_tree_that_is_not_that_of_the_entries_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

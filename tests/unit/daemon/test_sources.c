#include "tests/lib/test.h"

#include "audit/record.h"
#include "daemon/job.h"
#include "daemon/sources.h"
#include "proto/envelope.h"
#include "proto/limits.h"
#include "tests/lib/store_rig.h"

#include <stdlib.h>

/* A report of GBR that was delivered to NOR and waits for KEN; NOR cites it. */
static const uint8_t id[STORE_ID_BYTES] = "a report of GBR";
enum { GBR = 1, NOR, KEN };

static uint64_t
log_size(struct store_rig *r)
{
	struct store_head h = { 0 };
	bool found;
	OK(r, store_read_head(store_batch_view(r->store), STORE_MAIN_TREE, &h, &found, &r->e));
	return h.size;
}

static void
put_entry(struct store_rig *r, struct bytes value)
{
	struct store_head h = { 0 };
	bool found;
	OK(r, store_read_head(store_batch_view(r->store), STORE_MAIN_TREE, &h, &found, &r->e));
	OK(r, store_put_entry(r->store, h.size, value, &r->e));
	h.size++;
	OK(r, store_put_head(r->store, &h, &r->e));
}

/* A record with the slots that are looked at; its index. */
static uint64_t
put_record(struct store_rig *r, enum event_type type, struct bytes recipient, uint64_t link)
{
	static const uint8_t salts[RECORD_SALTS], digest[32];
	struct record rec;
	struct slot_common common = { .type = type, .time = 1, .report = bytes_from(id, 16) };
	struct slot_release release = { .recipient = recipient, .released = digest };
	struct slot_decision d = { .outcome = OUTCOME_RELEASE,
		.reasons = bytes_of("0 release release a r\n"),
		.policy = digest,
		.facts = digest,
		.link = link };
	uint8_t leaf[32];
	SCOPED(sha256_done) struct sha256 h;
	struct arena *a = &r->scratch;
	OK(r, sha256_init(&h, &r->e));
	OK(r, record_begin(&rec, a, salts, &r->e));
	OK(r, record_set_common(&rec, a, &common, &r->e));
	OK(r, record_set_release(&rec, a, &release, &r->e));
	OK(r, record_set_decision(&rec, a, &d, &r->e));
	OK(r, record_leaf(&h, &rec, leaf, &r->e));
	uint8_t *entry = arena_alloc(a, record_entry_size(&rec));
	assert_non_null(entry);
	record_entry_write(&rec, leaf, entry);
	uint64_t index = log_size(r);
	put_entry(r, bytes_from(entry, record_entry_size(&rec)));
	return index;
}

static bool
fill(void *ctx, void *to, size_t n)
{
	uint8_t *seed = ctx;
	for (size_t i = 0; i < n; i++)
		((uint8_t *)to)[i] = ++*seed;
	return true;
}

/* Its parts, as a publisher makes them. */
static struct msg_publish
build(struct store_rig *r)
{
	static const uint8_t digest[32];
	uint8_t seed = 0;
	struct msg_publish out;
	SCOPED(sha256_done) struct sha256 h;
	OK(r, sha256_init(&h, &r->e));
	struct envelope_maker by = { &h, fill, &seed };
	struct bytes release = bytes_of("ATLAS"), to = bytes_of("Releasable To");
	struct raw_category category = { to, { &release, 1 } };
	struct raw_label label = { bytes_of("ATLAS"), bytes_of("SECRET"), &category, 1 };
	struct envelope_draft_portion p = { &label, 1, bytes_of("text/plain"), bytes_of(""),
		bytes_of("body") };
	struct envelope_agreement a = { bytes_of("atlas"), bytes_from(digest, 32) };
	struct envelope_draft d = { .id = bytes_from(id, 16),
		.hub = bytes_of("spiffe://hub.example/relto"),
		.originator = bytes_of("spiffe://gbr.example/desk"),
		.signer = bytes_from(digest, 32),
		.topic = bytes_of("maritime.piracy"),
		.precedence = PRECEDENCE_ROUTINE,
		.mode = MODE_LIVE,
		.created = 1,
		.routing = { .agreements = &a, .agreement_count = 1 },
		.portions = &p,
		.portion_count = 1 };
	OK(r, envelope_build(&by, &d, &r->scratch, &out, &r->e));
	return out;
}

static void
put_given(struct store_rig *r, uint32_t party, uint64_t decision, uint64_t delivery)
{
	struct store_given g = { .party = party,
		.report = { .originator = GBR },
		.decision = decision,
		.delivery = delivery,
		.masks = bytes_of("\1") };
	memcpy(g.report.id, id, sizeof(id));
	OK(r, store_put_given(r->store, &g, &r->e));
}

/* In an open batch; 'parts' false: its manifest and routing are lost. */
static void
put_source(struct store_rig *r, bool parts)
{
	const char *const names[] = { "GBR", "NOR", "KEN" };
	uint32_t number;
	for (size_t i = 0; i < 3; i++) {
		OK(r, store_name(r->store, STORE_NAME_PARTY, bytes_of(names[i]), &number, &r->e));
		assert_int_equal(number, i + 1);
	}
	struct msg_publish p = build(r);
	struct store_report row = { .key = { .originator = GBR }, .intake = 0, .decisions = 2 };
	memcpy(row.key.id, id, sizeof(id));
	assert_int_equal(put_record(r, EVENT_INTAKE, bytes_of(""), SLOT_ABSENT), 0);
	if (parts) {
		OK(r, store_put_part(r->store, 0, STORE_PART_MANIFEST, p.manifest, &r->e));
		OK(r, store_put_part(r->store, 0, STORE_PART_ROUTING, p.routing, &r->e));
	}
	OK(r, store_put_report(r->store, &row, &r->e));
	uint64_t ken = put_record(r, EVENT_DECISION, bytes_of("KEN"), 0);
	uint64_t nor = put_record(r, EVENT_DECISION, bytes_of("NOR"), 0);
	put_given(r, KEN, ken, STORE_NONE);
	put_given(r, NOR, nor, put_record(r, EVENT_DELIVERY, bytes_of("NOR"), nor));
}

static bool
ask(struct store_rig *r, size_t most, struct sources *out)
{
	struct bytes item = bytes_from(id, sizeof(id));
	struct names ids = { &item, 1 };
	struct sources_ask q = { .view = r->view,
		.publisher = NOR,
		.mode = MODE_LIVE,
		.ids = &ids,
		.most_bytes = most };
	store_view_close(r->view);
	arena_done(&r->read);
	arena_init(&r->read, 1 << 20);
	return sources_find(&q, &r->read, out, &r->e);
}

static void
what_the_store_has_becomes_one_pair_with_all_who_have_it(void **state)
{
	struct store_rig *r = *state;
	struct sources s;
	BEGIN(r);
	put_source(r, true);
	COMMIT(r);
	OK(r, ask(r, LIMIT_SOURCES_BYTES, &s));
	assert_false(s.over);
	assert_int_equal(s.count, 1);
	assert_true(bytes_is(s.items[0].originator, "GBR"));
	assert_true(bytes_is(s.items[0].agreement, "atlas"));
	assert_null(s.items[0].via.data);
	assert_int_equal(s.items[0].onward_to.count, 2);
	assert_true(bytes_is(s.items[0].onward_to.items[0], "KEN"));
	assert_true(bytes_is(s.items[0].onward_to.items[1], "NOR"));
}

static void
what_fits_into_the_bytes_allowed_is_found_and_one_byte_less_is_too_much(void **state)
{
	struct store_rig *r = *state;
	struct sources s;
	size_t low = 0, high = 1 << 20; /* too little, enough */
	BEGIN(r);
	put_source(r, true);
	COMMIT(r);
	while (high - low > 1) {
		size_t middle = (low + high) / 2;
		OK(r, ask(r, middle, &s));
		if (s.over)
			low = middle;
		else
			high = middle;
	}
	assert_in_range(high, 500, 10000);
	OK(r, ask(r, high, &s));
	assert_true(!s.over && s.count == 1 && s.items[0].onward_to.count == 2);
	OK(r, ask(r, high - 1, &s));
	assert_true(s.over);
}

static void
a_source_whose_parts_are_lost_is_damage_and_not_unknown(void **state)
{
	struct store_rig *r = *state;
	struct sources s;
	BEGIN(r);
	put_source(r, false);
	COMMIT(r);
	assert_false(ask(r, LIMIT_SOURCES_BYTES, &s));
	assert_int_equal(r->e.code, ERR_CORRUPT);
	assert_non_null(strstr(r->e.text, "part 0 is missing"));
}

/* A decision that narrowed the one before it, which had been delivered. */
static uint64_t
narrow(struct store_rig *r, uint64_t before, uint64_t delivery)
{
	uint8_t number[8];
	static const uint8_t salt[16];
	struct bytes facts, agreement = bytes_of("atlas");
	struct fact_before b = { bytes_of("NOR"), 0, { &agreement, 1 } };
	struct fact_portion p = { .content_type = bytes_of("text/plain") };
	struct facts f = { .originator = bytes_of("GBR"),
		.topic = bytes_of("maritime.piracy"),
		.precedence = PRECEDENCE_ROUTINE,
		.mode = MODE_LIVE,
		.signer = SIGNER_GOOD,
		.later = true,
		.before = &b,
		.before_count = 1,
		.portions = &p,
		.portion_count = 1 };
	OK(r, facts_encode(&f, salt, &r->scratch, &facts, &r->e));
	put_u64(number, delivery);
	uint64_t index = put_record(r, EVENT_NARROWED, bytes_of("NOR"), before);
	OK(r, store_put_part(r->store, index, STORE_PART_FACTS, facts, &r->e));
	OK(r, store_put_part(
		  r->store, index, JOB_PART_DELIVERED, bytes_from(number, sizeof(number)), &r->e));
	return index;
}

/* So many decisions back it was delivered; since then none was. */
static size_t
known_after(struct store_rig *r, unsigned steps)
{
	struct sources s;
	BEGIN(r);
	put_source(r, true);
	uint64_t decision = 2, delivery = 3;
	for (unsigned i = 0; i < steps; i++) {
		decision = narrow(r, decision, delivery);
		delivery = put_record(r, EVENT_DELIVERY, bytes_of("NOR"), decision);
	}
	put_given(r, NOR, decision, STORE_NONE);
	COMMIT(r);
	OK(r, ask(r, LIMIT_SOURCES_BYTES, &s));
	assert_int_equal(s.count, 1);
	return s.items[0].agreement.len;
}

static void
a_delivery_sixty_three_decisions_back_is_remembered(void **state)
{
	assert_int_equal(known_after(*state, 63), strlen("atlas"));
}

static void
a_longer_story_counts_as_never_delivered(void **state)
{
	assert_int_equal(known_after(*state, 64), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(what_the_store_has_becomes_one_pair_with_all_who_have_it),
		STORE_TEST(what_fits_into_the_bytes_allowed_is_found_and_one_byte_less_is_too_much),
		STORE_TEST(a_source_whose_parts_are_lost_is_damage_and_not_unknown),
		STORE_TEST(a_delivery_sixty_three_decisions_back_is_remembered),
		STORE_TEST(a_longer_story_counts_as_never_delivered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

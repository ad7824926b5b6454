#include "tests/lib/test.h"

#include "audit/event.h"

static void
types_have_tokens_and_numbers_that_never_change(void **state)
{
	(void)state;
	assert_int_equal(EVENT_INTAKE, 1);
	assert_int_equal(EVENT_REFUSED, 12);
	assert_int_equal(EVENT_SUBSCRIPTION, 26);
	for (unsigned t = 1; t < EVENT_END; t++) {
		assert_int_equal(event_from_token(bytes_of(event_token((enum event_type)t))), t);
		assert_true(event_slots((enum event_type)t) & 1u << 1);
	}
	assert_string_equal(event_token((enum event_type)99), "unknown");
	assert_int_equal(event_slots((enum event_type)99), 0);
	assert_int_equal(event_from_token(bytes_of("unknown")), EVENT_NONE);
}

static void
the_words_of_enums_count_from_one(void **state)
{
	(void)state;
	assert_true(bytes_is(event_body_word(BODY_AGREEMENT_STATE, 1), "draft"));
	assert_true(bytes_is(event_body_word(BODY_AGREEMENT_STATE, 2), "in-force"));
	assert_true(bytes_is(event_body_word(BODY_AGREEMENT_STATE, 3), "terminated"));
	assert_int_equal(event_body_word(BODY_AGREEMENT_STATE, 0).len, 0);
	assert_int_equal(event_body_word(BODY_AGREEMENT_STATE, 4).len, 0);
	assert_int_equal(event_body_word(BODY_AGREEMENT_NAME, 1).len, 0);
}

static void
a_body_reads_back_as_it_was_written(void **state)
{
	struct body b, again;
	uint8_t value[256];
	(void)state;
	event_body_begin(&b, EVENT_REFUSED);
	event_body_bytes(&b, BODY_REFUSED_CODE, bytes_of("bad-signature"));
	event_body_uint(&b, BODY_REFUSED_COUNT, 17);
	event_body_bytes(&b, BODY_REFUSED_PEER, bytes_of("192.0.2.7"));
	assert_true(event_body_check(&b, NULL));
	size_t size = event_body_size(&b);
	event_body_write(&b, value);
	assert_true(event_body_parse(EVENT_REFUSED, bytes_from(value, size), &again, NULL));
	assert_true(bytes_is(event_body_get(&again, BODY_REFUSED_CODE), "bad-signature"));
	assert_int_equal(event_body_number(&again, BODY_REFUSED_COUNT), 17);
	assert_true(bytes_is(event_body_get(&again, BODY_REFUSED_PEER), "192.0.2.7"));
	assert_false(event_body_has(&again, BODY_REFUSED_FIELD));
	assert_int_equal(event_body_number(&again, BODY_REFUSED_PARTY), 0);
}

/* Writes the raw fields of a body. */
static struct bytes
raw(uint8_t *to, const struct bytes *fields, size_t count)
{
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		put_u32(to + n, (uint32_t)fields[i].len);
		if (fields[i].len != 0)
			memcpy(to + n + 4, fields[i].data, fields[i].len);
		n += 4 + fields[i].len;
	}
	return bytes_from(to, n);
}

static void
refused(enum event_type type, struct bytes value, const char *why)
{
	struct body b;
	struct err e;
	assert_false(event_body_parse(type, value, &b, &e));
	assert_int_equal(e.code, ERR_MALFORMED);
	assert_string_equal(e.text, why);
}

static void
every_kind_of_field_is_checked(void **state)
{
	static const uint8_t z[64];
	uint8_t to[512];
	const struct bytes no = { NULL, 0 }, d = { z, 32 }, u = { z, 8 };
	static const uint8_t falling[16] = { [7] = 2, [15] = 2 };
	(void)state;
	refused(EVENT_INTAKE, raw(to, (struct bytes[]){ { z, 31 }, d, d }, 3),
	    "body of intake: field 'seal' is not well-formed");
	refused(EVENT_INTAKE, raw(to, (struct bytes[]){ d, d, { z, 33 } }, 3),
	    "body of intake: field 'anchors' is not well-formed");
	refused(EVENT_INTAKE, raw(to, (struct bytes[]){ d, d, no }, 3),
	    "body of intake: field 'anchors' is missing");
	refused(EVENT_DELIVERY, raw(to, (struct bytes[]){ { z, 7 } }, 1),
	    "body of delivery: field 'accepted' is not well-formed");
	refused(EVENT_STOP, raw(to, (struct bytes[]){ bytes_of("\xff"), u, d }, 3),
	    "body of stop: field 'cause' is not well-formed");
	refused(EVENT_ERASE, raw(to, (struct bytes[]){ { falling, 16 } }, 1),
	    "body of erase: field 'records' is not well-formed");
	refused(EVENT_POLICY, raw(to, (struct bytes[]){ d, no, bytes_of("\3"), no, no }, 5),
	    "body of policy: field 'cause' is not well-formed");
	refused(EVENT_POLICY, raw(to, (struct bytes[]){ d, no, { z, 1 }, no, no }, 5),
	    "body of policy: field 'cause' is not well-formed");
	refused(EVENT_SUPERSEDE, raw(to, (struct bytes[]){ { z, 15 }, bytes_of("\1"), no, u }, 4),
	    "body of supersede: field 'notice' is not well-formed");
}

static void
a_body_has_exactly_its_fields(void **state)
{
	uint8_t to[64] = { 0 };
	const struct bytes u = { to + 32, 8 };
	(void)state;
	struct bytes value = raw(to, &u, 1);
	for (size_t n = 1; n < value.len; n++) {
		struct body b;
		assert_false(event_body_parse(EVENT_DELIVERY, bytes_from(to, n), &b, NULL));
	}
	refused(EVENT_DELIVERY, bytes_from(to, value.len + 1),
	    "body of delivery: 13 bytes do not fit its fields");
	refused(EVENT_DELIVERY, (struct bytes){ NULL, 0 },
	    "body of delivery: field 'accepted' is missing");
	refused(EVENT_PAD, bytes_from(to, 4), "body of pad: 4 bytes do not fit its fields");
	/* only zero lengths is the other spelling of nothing */
	memset(to, 0, sizeof(to));
	refused(EVENT_CLOSE, bytes_from(to, 8), "body of close: 8 bytes do not fit its fields");
}

static void
an_ack_says_one_of_two_things_wholly(void **state)
{
	static const uint8_t z[64] = { 1 };
	uint8_t to[512];
	struct body b;
	const struct bytes no = { NULL, 0 }, d = { z, 32 }, u = { z, 8 }, sig = { z, 64 };
	static const char why[] = "body of ack: either deliveries or a whole attestation";
	(void)state;
	assert_true(event_body_parse(
	    EVENT_ACK, raw(to, (struct bytes[]){ u, no, no, no, no }, 5), &b, NULL));
	assert_true(event_body_parse(
	    EVENT_ACK, raw(to, (struct bytes[]){ no, u, d, d, sig }, 5), &b, NULL));
	refused(EVENT_ACK, raw(to, (struct bytes[]){ u, u, d, d, sig }, 5), why);
	refused(EVENT_ACK, raw(to, (struct bytes[]){ no, u, d, d, no }, 5), why);
	refused(EVENT_ACK, (struct bytes){ NULL, 0 }, why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_have_tokens_and_numbers_that_never_change),
		cmocka_unit_test(the_words_of_enums_count_from_one),
		cmocka_unit_test(a_body_reads_back_as_it_was_written),
		cmocka_unit_test(every_kind_of_field_is_checked),
		cmocka_unit_test(a_body_has_exactly_its_fields),
		cmocka_unit_test(an_ack_says_one_of_two_things_wholly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

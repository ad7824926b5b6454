#include "tests/lib/test.h"

#include "daemon/crc32c.h"

/* RFC 3720, appendix B.4 */
static void
the_vectors_of_rfc_3720_hold(void **state)
{
	(void)state;
	uint8_t b[32] = { 0 };
	assert_int_equal(crc32c(0, bytes_from(b, 32)), 0x8a9136aa);
	memset(b, 0xff, sizeof(b));
	assert_int_equal(crc32c(0, bytes_from(b, 32)), 0x62a8ab43);
	for (unsigned i = 0; i < 32; i++)
		b[i] = (uint8_t)i;
	assert_int_equal(crc32c(0, bytes_from(b, 32)), 0x46dd794e);
	assert_int_equal(crc32c(0, bytes_of("123456789")), 0xe3069283);
}

static void
a_checksum_continues_over_pieces_of_any_length(void **state)
{
	(void)state;
	uint8_t b[64];
	for (unsigned i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)(i * 7);
	uint32_t whole = crc32c(0, bytes_from(b, sizeof(b)));
	for (size_t cut = 0; cut <= sizeof(b); cut++)
		assert_int_equal(
		    crc32c(crc32c(0, bytes_from(b, cut)), bytes_from(b + cut, sizeof(b) - cut)),
		    whole);
	assert_int_equal(crc32c(0, bytes_from(NULL, 0)), 0);
}

static void
the_instruction_and_the_table_say_the_same(void **state)
{
	(void)state;
	uint8_t b[300];
	for (unsigned i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)(i * 31 + 7);
	for (size_t from = 0; from < 16; from++)
		for (size_t len = 0; from + len <= sizeof(b); len++) {
			struct bytes piece = bytes_from(b + from, len);
			assert_int_equal(crc32c(0, piece), crc32c_by_table(0, piece));
			assert_int_equal(
			    crc32c(0x8a9136aa, piece), crc32c_by_table(0x8a9136aa, piece));
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_of_rfc_3720_hold),
		cmocka_unit_test(the_instruction_and_the_table_say_the_same),
		cmocka_unit_test(a_checksum_continues_over_pieces_of_any_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

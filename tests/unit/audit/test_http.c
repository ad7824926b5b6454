#include "tests/lib/test.h"

#include "audit/http.h"
#include "proto/arena.h"

enum { BODY = 100 };

static enum http_read
request(const char *text)
{
	struct http_message m;
	return http_read_request(bytes_of(text), BODY, &m);
}

static enum http_read
response(const char *text, bool ended)
{
	struct http_message m;
	return http_read_response(bytes_of(text), ended, BODY, &m);
}

#define HEAD "POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n"

static void
a_request_is_whole_when_its_last_byte_is_there(void **state)
{
	(void)state;
	static const char text[] = HEAD "content-LENGTH: \t5\t \r\nContent-Type: a/b\r\n\r\nhello";
	struct http_message m;
	for (size_t n = 0; n < sizeof(text) - 1; n++)
		assert_int_equal(http_read_request(bytes_from(text, n), BODY, &m), HTTP_MORE);
	assert_int_equal(http_read_request(bytes_of(text), BODY, &m), HTTP_WHOLE);
	assert_true(bytes_is(m.method, "POST") && bytes_is(m.path, "/add-checkpoint") &&
		    bytes_is(m.type, "a/b") && bytes_is(m.body, "hello"));
	assert_int_equal(request("GET / HTTP/1.0\r\n\r\n"), HTTP_WHOLE);
}

static void
what_two_readers_could_read_in_two_ways_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { HEAD "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
		HEAD "Content-Length: 1, 1\r\n\r\nx", HEAD "Content-Length: +1\r\n\r\nx",
		HEAD "Content-Length: 0x1\r\n\r\nx", HEAD "Content-Length:\r\n\r\n",
		HEAD "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		HEAD "Transfer-Encoding: xyz\r\n\r\n", HEAD "Content-Length : 1\r\n\r\nx",
		HEAD "Content-Length: 1\r\n folded: 2\r\n\r\nx",
		HEAD "Content-Length: 1\n\r\n\r\nx", HEAD "X: a\rb\r\n\r\n",
		HEAD "X: a\x01\r\n\r\n", HEAD "no colon\r\n\r\n", HEAD ": nameless\r\n\r\n",
		HEAD "Host: again\r\n\r\n", "POST / HTTP/1.1\r\n\r\n", /* no Host */
		HEAD "Content-Length: 1\r\n\r\nxx",		       /* a byte behind it */
		HEAD "Content-Type: a/b\r\nContent-Type: a/c\r\n\r\n", "POST / HTTP/1.2\r\n\r\n",
		"POST / HTTP/1.0 \r\n\r\n", "POST  / HTTP/1.0\r\n\r\n",
		"POST http://w/ HTTP/1.0\r\n\r\n", "POST /\r\n\r\n", "P(ST / HTTP/1.0\r\n\r\n",
		"\r\n\r\n", " POST / HTTP/1.0\r\n\r\n" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(request(bad[i]), HTTP_BAD);
}

static void
a_body_or_head_over_its_limit_is_refused_before_it_is_there(void **state)
{
	(void)state;
	assert_int_equal(request(HEAD "Content-Length: 100\r\n\r\n"), HTTP_MORE);
	assert_int_equal(request(HEAD "Content-Length: 101\r\n\r\n"), HTTP_LARGE);
	assert_int_equal(request(HEAD "Content-Length: 999999999999999\r\n\r\n"), HTTP_LARGE);
	assert_int_equal(request(HEAD "Content-Length: 9999999999999999\r\n\r\n"), HTTP_BAD);
	static char text[HTTP_HEAD_MAX + 1];
	struct http_message m;
	int n = snprintf(text, sizeof(text), HEAD "X: ");
	memset(text + n, 'a', HTTP_HEAD_MAX - (size_t)n);
	assert_int_equal(
	    http_read_request(bytes_from(text, HTTP_HEAD_MAX - 1), BODY, &m), HTTP_MORE);
	assert_int_equal(http_read_request(bytes_from(text, HTTP_HEAD_MAX), BODY, &m), HTTP_LARGE);
	memcpy(text + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
	assert_int_equal(http_read_request(bytes_from(text, HTTP_HEAD_MAX), BODY, &m), HTTP_WHOLE);
}

static void
a_response_ends_at_its_length_or_with_the_stream(void **state)
{
	(void)state;
	struct http_message m;
	struct bytes text = bytes_of("HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\n"
				     "Content-Length: 3\r\n\r\n12\n");
	assert_int_equal(http_read_response(text, false, BODY, &m), HTTP_WHOLE);
	assert_true(m.status == 409 && bytes_is(m.body, "12\n"));
	assert_true(bytes_is(m.type, "text/x.tlog.size"));
	assert_int_equal(response("HTTP/1.0 200\r\n\r\nabc", false), HTTP_MORE);
	assert_int_equal(response("HTTP/1.0 200\r\n\r\nabc", true), HTTP_WHOLE);
	assert_int_equal(response("HTTP/1.0 200\r\nContent-Length: 4\r\n\r\nabc", true), HTTP_BAD);
	assert_int_equal(response("HTTP/1.0 200\r\nContent-Le", true), HTTP_BAD);
	static const char *const bad[] = { "HTTP/2 200\r\n\r\n", "HTTP/1.1 2000\r\n\r\n",
		"HTTP/1.1 20\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 600\r\n\r\n",
		"HTTP/1.1 2a0\r\n\r\n", "200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(response(bad[i], true), HTTP_BAD);
	assert_int_equal(
	    response("HTTP/1.1 200\r\nContent-Length: 101\r\n\r\n", false), HTTP_LARGE);
}

static void
what_is_written_is_read(void **state)
{
	(void)state;
	struct arena a;
	struct bytes text = { NULL, 0 };
	struct http_message m;
	struct http_target to = { "127.0.0.1:1", "/x/add-checkpoint" };
	arena_init(&a, 1 << 16);
	assert_true(http_write_post(&a, &to, bytes_of("body"), &text, NULL));
	assert_int_equal(http_read_request(text, BODY, &m), HTTP_WHOLE);
	assert_true(bytes_is(m.path, "/x/add-checkpoint") && bytes_is(m.body, "body"));
	for (unsigned i = 0; i < 2; i++) {
		assert_true(http_write_response(
		    &a, i == 0 ? 422 : 500, "text/plain", bytes_of("no\n"), &text, NULL));
		assert_int_equal(http_read_response(text, false, BODY, &m), HTTP_WHOLE);
		assert_true(m.status == (i == 0 ? 422 : 500) && bytes_is(m.body, "no\n"));
	}
	arena_done(&a);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_whole_when_its_last_byte_is_there),
		cmocka_unit_test(what_two_readers_could_read_in_two_ways_is_refused),
		cmocka_unit_test(a_body_or_head_over_its_limit_is_refused_before_it_is_there),
		cmocka_unit_test(a_response_ends_at_its_length_or_with_the_stream),
		cmocka_unit_test(what_is_written_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * http.h - the little of HTTP that witnesses speak (RFC 9112): one message a connection, whole in
 * memory.  A reader takes one spelling and refuses the rest: two lengths, a Transfer-Encoding, a
 * folded line, a lone CR or LF, a control character, bytes behind the body.
 * Threads: pure.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

struct arena;

enum { HTTP_HEAD_MAX = 16384 }; /* bytes, with the empty line that ends it */

enum http_read {
	HTTP_MORE = 1, /* so far good, and not whole */
	HTTP_WHOLE,
	HTTP_BAD,
	HTTP_LARGE /* the head or the body is over its limit */
};
/* Views point into what was read; what a kind of message has not is absent. */
struct http_message {
	struct bytes method, path; /* of a request */
	unsigned status;	   /* of a response */
	struct bytes type;	   /* Content-Type, as written */
	struct bytes body;
};
/* 'out' is set with HTTP_WHOLE alone.  A request without Content-Length has no body. */
enum http_read http_read_request(struct bytes in, size_t body_max, struct http_message *out);
/* 'ended': the peer has sent all.  A response without Content-Length goes on until then. */
enum http_read http_read_response(
    struct bytes in, bool ended, size_t body_max, struct http_message *out);

/* A whole message with Content-Length, and "Connection: close".  ERR_NOMEM. */
MUST_USE bool http_write_response(struct arena *a, unsigned status, const char *type,
    struct bytes body, struct bytes *out, struct err *e);
/* A POST of HTTP/1.0, which no server answers in chunks. */
struct http_target {
	const char *host, *path; /* "127.0.0.1:4775", "/add-checkpoint" */
};
MUST_USE bool http_write_post(struct arena *a, const struct http_target *to, struct bytes body,
    struct bytes *out, struct err *e);

#include "audit/http.h"

#include <stdio.h>

#include "proto/arena.h"

struct head {
	struct bytes first; /* the first line */
	size_t len;	    /* with the empty line */
	bool has_length;
	size_t length;
	unsigned hosts;
	struct bytes type;
};

/* RFC 9110, 5.6.2: what names of methods and fields are made of. */
static bool
is_token(struct bytes in)
{
	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.data[i];
		bool letter =
		    (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!letter && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
			return false;
	}
	return in.len != 0;
}

static bool
is_named(struct bytes name, const char *lower)
{
	bool same = name.len == strlen(lower);
	for (size_t i = 0; same && i < name.len; i++) {
		uint8_t c = name.data[i];
		same = (c >= 'A' && c <= 'Z' ? (c | 0x20) : c) == (uint8_t)lower[i];
	}
	return same;
}

/* The next line up to CR LF; every line of a head has one.  False: a lone CR, LF or control. */
static bool
take_line(struct bytes *head, struct bytes *line)
{
	size_t n = 0;
	for (; n < head->len && head->data[n] != '\r'; n++) {
		uint8_t c = head->data[n];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	if (n + 1 >= head->len || head->data[n + 1] != '\n')
		return false;
	*line = bytes_from(head->data, n);
	head->data += n + 2;
	head->len -= n + 2;
	return true;
}

static struct bytes
trim(struct bytes in)
{
	while (in.len != 0 && (in.data[0] == ' ' || in.data[0] == '\t')) {
		in.data++;
		in.len--;
	}
	while (in.len != 0 && (in.data[in.len - 1] == ' ' || in.data[in.len - 1] == '\t'))
		in.len--;
	return in;
}

static bool
read_length(struct bytes in, size_t *out)
{
	size_t v = 0;
	if (in.len == 0 || in.len > 15)
		return false;
	for (size_t i = 0; i < in.len; i++) {
		if (in.data[i] < '0' || in.data[i] > '9')
			return false;
		v = v * 10 + (size_t)(in.data[i] - '0');
	}
	*out = v;
	return true;
}

static bool
take_field(struct head *h, struct bytes line)
{
	const uint8_t *colon = memchr(line.data, ':', line.len);
	if (colon == NULL)
		return false;
	struct bytes name = bytes_from(line.data, (size_t)(colon - line.data));
	struct bytes value = trim(bytes_from(colon + 1, line.len - name.len - 1));
	if (!is_token(name) || is_named(name, "transfer-encoding"))
		return false;
	if (is_named(name, "host"))
		return ++h->hosts == 1;
	if (is_named(name, "content-length")) {
		bool first = !h->has_length;
		h->has_length = true;
		return first && read_length(value, &h->length);
	}
	if (is_named(name, "content-type")) {
		bool first = h->type.data == NULL;
		h->type = value;
		return first;
	}
	return true;
}

/* The head, if it is all there. */
static enum http_read
read_head(struct bytes in, struct head *out)
{
	struct head h = { 0 };
	size_t seen = in.len < HTTP_HEAD_MAX ? in.len : HTTP_HEAD_MAX;
	const uint8_t *end = seen == 0 ? NULL : memmem(in.data, seen, "\r\n\r\n", 4);
	if (end == NULL)
		return seen == HTTP_HEAD_MAX ? HTTP_LARGE : HTTP_MORE;
	h.len = (size_t)(end - in.data) + 4;
	struct bytes rest = bytes_from(in.data, h.len - 2), line;
	if (!take_line(&rest, &h.first))
		return HTTP_BAD;
	while (rest.len != 0)
		if (!take_line(&rest, &line) || line.len == 0 || !take_field(&h, line))
			return HTTP_BAD;
	*out = h;
	return HTTP_WHOLE;
}

/* Splits at the first space. */
static bool
take_word(struct bytes *line, struct bytes *word)
{
	const uint8_t *space = line->len == 0 ? NULL : memchr(line->data, ' ', line->len);
	if (space == NULL)
		return false;
	*word = bytes_from(line->data, (size_t)(space - line->data));
	line->data = space + 1;
	line->len -= word->len + 1;
	return true;
}

static bool
is_path(struct bytes in)
{
	for (size_t i = 0; i < in.len; i++)
		if (in.data[i] <= ' ' || in.data[i] >= 0x7f)
			return false;
	return in.len != 0 && in.data[0] == '/';
}

enum http_read
http_read_request(struct bytes in, size_t body_max, struct http_message *out)
{
	struct head h;
	struct http_message m = { 0 };
	enum http_read step = read_head(in, &h);
	if (step != HTTP_WHOLE)
		return step;
	if (!take_word(&h.first, &m.method) || !is_token(m.method) ||
	    !take_word(&h.first, &m.path) || !is_path(m.path))
		return HTTP_BAD;
	bool newer = bytes_is(h.first, "HTTP/1.1");
	if ((!newer && !bytes_is(h.first, "HTTP/1.0")) || (newer && h.hosts == 0))
		return HTTP_BAD;
	if (h.length > body_max)
		return HTTP_LARGE;
	if (in.len - h.len < h.length)
		return HTTP_MORE;
	if (in.len - h.len > h.length)
		return HTTP_BAD;
	m.type = h.type;
	m.body = bytes_from(in.data + h.len, h.length);
	*out = m;
	return HTTP_WHOLE;
}

/* "HTTP/1.x NNN reason" */
static bool
read_status(struct bytes line, unsigned *out)
{
	struct bytes version, reason = line;
	if (!take_word(&reason, &version) ||
	    (!bytes_is(version, "HTTP/1.1") && !bytes_is(version, "HTTP/1.0")) || reason.len < 3 ||
	    (reason.len > 3 && reason.data[3] != ' '))
		return false;
	*out = 0;
	for (size_t i = 0; i < 3; i++) {
		if (reason.data[i] < '0' || reason.data[i] > '9')
			return false;
		*out = *out * 10 + (unsigned)(reason.data[i] - '0');
	}
	return *out >= 200 && *out <= 599;
}

enum http_read
http_read_response(struct bytes in, bool ended, size_t body_max, struct http_message *out)
{
	struct head h;
	struct http_message m = { 0 };
	enum http_read step = read_head(in, &h);
	if (step != HTTP_WHOLE)
		return step == HTTP_MORE && ended ? HTTP_BAD : step;
	if (!read_status(h.first, &m.status))
		return HTTP_BAD;
	size_t there = in.len - h.len;
	if (!h.has_length)
		h.length = there;
	if (h.length > body_max)
		return HTTP_LARGE;
	if (there > h.length || (ended && there < h.length))
		return HTTP_BAD;
	if (there < h.length || (!h.has_length && !ended))
		return HTTP_MORE;
	m.type = h.type;
	m.body = bytes_from(in.data + h.len, h.length);
	*out = m;
	return HTTP_WHOLE;
}

static const char *
reason_of(unsigned status)
{
	static const struct {
		unsigned status;
		const char *reason;
	} reasons[] = { { 200, "OK" }, { 400, "Bad Request" }, { 403, "Forbidden" },
		{ 404, "Not Found" }, { 405, "Method Not Allowed" }, { 409, "Conflict" },
		{ 413, "Content Too Large" }, { 422, "Unprocessable Content" } };
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Internal Server Error";
}

static bool
with_body(struct arena *a, const char *head, struct bytes body, struct bytes *out, struct err *e)
{
	struct bytes top = bytes_of(head);
	uint8_t *all = head == NULL ? NULL : arena_alloc(a, top.len + body.len);
	if (all == NULL)
		return err_set(e, ERR_NOMEM, "HTTP message of %zu bytes", body.len);
	memcpy(all, top.data, top.len);
	if (body.len != 0)
		memcpy(all + top.len, body.data, body.len);
	*out = bytes_from(all, top.len + body.len);
	return true;
}

bool
http_write_response(struct arena *a, unsigned status, const char *type, struct bytes body,
    struct bytes *out, struct err *e)
{
	const char *head = arena_printf(a,
	    "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n"
	    "\r\n",
	    status, reason_of(status), type, body.len);
	return with_body(a, head, body, out, e);
}

bool
http_write_post(struct arena *a, const struct http_target *to, struct bytes body, struct bytes *out,
    struct err *e)
{
	const char *head = arena_printf(a,
	    "POST %s HTTP/1.0\r\nHost: %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
	    "Content-Length: %zu\r\nConnection: close\r\n\r\n",
	    to->path, to->host, body.len);
	return with_body(a, head, body, out, e);
}

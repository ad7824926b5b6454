#include "proto/syntax.h"

#include "proto/limits.h"

static bool
is_alnum(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool
is_token_char(uint8_t c)
{
	return is_alnum(c) || c == '_' || c == '-';
}

/* The length of the character at the start of 'in', 0 if it is none (Unicode, table 3-7). */
static size_t
utf8_step(struct bytes in)
{
	const uint8_t *p = in.data;
	if (p[0] < 0x80)
		return p[0] == 0 ? 0 : 1;
	size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || in.len < len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
	bool surrogate = p[0] == 0xed && p[1] > 0x9f;
	bool beyond = p[0] == 0xf4 && p[1] > 0x8f;
	return overlong || surrogate || beyond ? 0 : len;
}

/* Eight bytes of ASCII, none of them NUL: what most texts are made of. */
static bool
is_plain_word(const uint8_t *p)
{
	const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
	uint64_t x;
	memcpy(&x, p, sizeof(x));
	return ((x | (x - ones)) & highs) == 0;
}

bool
syntax_is_utf8(struct bytes in)
{
	while (in.len != 0) {
		size_t n = in.len >= 8 && is_plain_word(in.data) ? 8 : utf8_step(in);
		if (n == 0)
			return false;
		in.data += n;
		in.len -= n;
	}
	return true;
}

bool
syntax_is_name(struct bytes in)
{
	if (in.len == 0 || in.len > LIMIT_PARTY_NAME_BYTES || !is_alnum(in.data[0]))
		return false;
	for (size_t i = 1; i < in.len; i++)
		if (!is_token_char(in.data[i]))
			return false;
	return true;
}

bool
syntax_name(struct bytes in, struct err *e)
{
	if (in.len > LIMIT_PARTY_NAME_BYTES)
		return err_set(e, ERR_LIMIT, "a name of %zu bytes, not at most %u", in.len,
		    LIMIT_PARTY_NAME_BYTES);
	if (!syntax_is_name(in))
		return err_set(e, ERR_MALFORMED,
		    "not a name: letters, digits, '-' and '_', beginning with a letter or digit");
	return true;
}

/* The bytes before the next 'stop' or the end. */
static struct bytes
next_token(struct bytes *rest, uint8_t stop)
{
	size_t n = 0;
	while (n < rest->len && rest->data[n] != stop)
		n++;
	struct bytes token = bytes_from(rest->data, n);
	rest->data += n;
	rest->len -= n;
	return token;
}

static bool
is_topic_token(struct bytes token)
{
	for (size_t i = 0; i < token.len; i++)
		if (!is_token_char(token.data[i]))
			return false;
	return token.len != 0;
}

static bool
topic_tokens(struct bytes in, bool wild, struct err *e)
{
	if (in.len > LIMIT_TOPIC_BYTES)
		return err_set(e, ERR_LIMIT, "a topic of %zu bytes, not at most %u", in.len,
		    LIMIT_TOPIC_BYTES);
	if (in.len == 0)
		return err_set(e, ERR_MALFORMED, "an empty topic");
	struct bytes rest = in;
	for (unsigned count = 1;; count++) {
		struct bytes token = next_token(&rest, '.');
		bool any =
		    wild && (bytes_is(token, "*") || (bytes_is(token, ">") && rest.len == 0));
		if (!any && !is_topic_token(token))
			return err_set(e, ERR_MALFORMED,
			    "token %u of the topic is not made of letters, digits, '-' and '_'",
			    count);
		if (count > LIMIT_TOPIC_TOKENS)
			return err_set(
			    e, ERR_LIMIT, "a topic of more than %u tokens", LIMIT_TOPIC_TOKENS);
		if (rest.len == 0)
			return true;
		rest.data++;
		rest.len--;
	}
}

bool
syntax_topic(struct bytes in, struct err *e)
{
	return topic_tokens(in, false, e);
}

bool
syntax_pattern(struct bytes in, struct err *e)
{
	return topic_tokens(in, true, e);
}

static bool
is_path_token(struct bytes token)
{
	for (size_t i = 0; i < token.len; i++)
		if (!is_token_char(token.data[i]) && token.data[i] != '.')
			return false;
	return token.len != 0 && !bytes_is(token, ".") && !bytes_is(token, "..");
}

bool
syntax_path(struct bytes in, struct err *e)
{
	struct bytes rest = in;
	for (;;) {
		if (!is_path_token(next_token(&rest, '/')))
			return err_set(e, ERR_MALFORMED, "not a plain relative path");
		if (rest.len == 0)
			return true;
		rest.data++;
		rest.len--;
	}
}

/* RFC 2045, 5.1 */
static bool
is_media_token(struct bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (!is_alnum(b.data[i]) &&
		    (b.data[i] == 0 || strchr("!#$%&'*+-.^_`{|}~", b.data[i]) == NULL))
			return false;
	return b.len > 0;
}

bool
syntax_media_type(struct bytes in, struct bytes *out)
{
	struct bytes rest = in, type = next_token(&rest, ';');
	while (type.len > 0 && (type.data[type.len - 1] == ' ' || type.data[type.len - 1] == '\t'))
		type.len--;
	struct bytes sub = type, top = next_token(&sub, '/');
	if (sub.len < 2 || !is_media_token(top) ||
	    !is_media_token(bytes_from(sub.data + 1, sub.len - 1)))
		return false;
	*out = type;
	return true;
}

bool
syntax_content_type(struct bytes in, struct err *e)
{
	struct bytes type;
	return syntax_media_type(in, &type) ||
	       err_set(e, ERR_MALFORMED, "a content type is type/subtype");
}

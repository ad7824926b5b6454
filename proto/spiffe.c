#include "proto/spiffe.h"

#include "proto/limits.h"

static const char scheme[] = "spiffe://";
enum { SCHEME_LEN = sizeof(scheme) - 1, DOMAIN_MAX = 255 };

static bool
is_lower_or_digit(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool
spiffe_is_domain(struct bytes in)
{
	if (in.len == 0 || in.len > DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.data[i];
		if (!is_lower_or_digit(c) && c != '.' && c != '-' && c != '_')
			return false;
	}
	return true;
}

/* One segment of the path, without its slash. */
static bool
is_segment(struct bytes in)
{
	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.data[i];
		bool upper = c >= 'A' && c <= 'Z';
		if (!is_lower_or_digit(c) && !upper && c != '.' && c != '-' && c != '_')
			return false;
	}
	return in.len != 0 && !bytes_is(in, ".") && !bytes_is(in, "..");
}

static bool
is_path(struct bytes in)
{
	size_t at = 0;
	while (at < in.len) {
		size_t end = at + 1; /* in.data[at] is the slash */
		while (end < in.len && in.data[end] != '/')
			end++;
		if (!is_segment(bytes_from(in.data + at + 1, end - at - 1)))
			return false;
		at = end;
	}
	return in.len != 0;
}

bool
spiffe_parse(struct bytes in, struct spiffe_id *out, struct err *e)
{
	if (in.len > LIMIT_SPIFFE_ID_BYTES)
		return err_set(e, ERR_MALFORMED, "a SPIFFE id of %zu bytes, not at most %u", in.len,
		    LIMIT_SPIFFE_ID_BYTES);
	if (in.len < SCHEME_LEN || memcmp(in.data, scheme, SCHEME_LEN) != 0)
		return err_set(e, ERR_MALFORMED, "a SPIFFE id begins with %s", scheme);
	struct bytes rest = bytes_from(in.data + SCHEME_LEN, in.len - SCHEME_LEN);
	size_t n = 0;
	while (n < rest.len && rest.data[n] != '/')
		n++;
	struct spiffe_id id = { in, bytes_from(rest.data, n),
		bytes_from(rest.data + n, rest.len - n) };
	if (!spiffe_is_domain(id.domain))
		return err_set(e, ERR_MALFORMED,
		    "the trust domain of a SPIFFE id is 1..255 of a-z, 0-9, '.', '-', '_'");
	if (!is_path(id.path))
		return err_set(e, ERR_MALFORMED,
		    "a SPIFFE id here has a path of segments of letters, digits, '.', '-', '_'");
	*out = id;
	return true;
}

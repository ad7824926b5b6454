#include "policy/text_chars.h"

#include "policy/text.h"

bool
text_char_in_word(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       (c != 0 && strchr("_.:/+@*%=<>~|-", c) != NULL);
}

bool
text_is_clean(struct bytes in, size_t *at)
{
	for (size_t i = 0; i < in.len;) {
		uint32_t point;
		size_t len;
		bool cr = in.data[i] == '\r' && (i + 1 == in.len || in.data[i + 1] != '\n');
		if (cr || text_char_at(in, i, &point, &len) != TEXT_CHAR_PLAIN) {
			*at = i;
			return false;
		}
		i += len;
	}
	return true;
}

bool
text_is_word(struct bytes in)
{
	for (size_t i = 0; i < in.len; i++)
		if (!text_char_in_word(in.data[i]))
			return false;
	return in.len != 0;
}

char *
text_quote(struct arena *a, struct bytes in)
{
	if (in.len > LIMIT_POLICY_FILE_BYTES)
		return NULL;
	if (text_is_word(in))
		return arena_printf(a, "%.*s", (int)in.len, (const char *)in.data);
	size_t at = 0;
	if (!text_is_clean(in, &at) || (in.len != 0 && memchr(in.data, '\n', in.len) != NULL))
		return NULL;
	char *out = arena_alloc(a, in.len * 2 + 3);
	if (out == NULL)
		return NULL;
	char *to = out;
	*to++ = '"';
	for (size_t i = 0; i < in.len; i++) {
		if (in.data[i] == '"' || in.data[i] == '\\')
			*to++ = '\\';
		*to++ = (char)in.data[i];
	}
	*to++ = '"';
	*to = 0;
	return out;
}

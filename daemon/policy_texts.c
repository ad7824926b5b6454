#include "daemon/policy_texts.h"

static int
nibble(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
from_hex(const uint8_t *hex, uint8_t out[32])
{
	for (size_t i = 0; i < 32; i++) {
		int hi = nibble(hex[2 * i]), lo = nibble(hex[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return false;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

bool
policy_texts_next_spif(struct bytes *text, uint8_t digest[32])
{
	static const char word[] = "    spif SHA256 ";
	enum { WORD = sizeof(word) - 1, LINE = WORD + 64 };
	while (text->len > 0) {
		const uint8_t *end = memchr(text->data, '\n', text->len);
		size_t len = end == NULL ? text->len : (size_t)(end - text->data);
		const uint8_t *line = text->data;
		text->data += len + (end != NULL);
		text->len -= len + (end != NULL);
		if (len == LINE && memcmp(line, word, WORD) == 0 && from_hex(line + WORD, digest))
			return true;
	}
	return false;
}

#include "proto/uuid.h"

static bool
is_dash(size_t at)
{
	return at == 8 || at == 13 || at == 18 || at == 23;
}

void
uuid_print(const uint8_t id[UUID_BYTES], char out[UUID_TEXT + 1])
{
	static const char hex[] = "0123456789abcdef";
	size_t nibble = 0;
	for (size_t i = 0; i < UUID_TEXT; i++) {
		if (is_dash(i)) {
			out[i] = '-';
			continue;
		}
		out[i] = hex[nibble % 2 == 0 ? id[nibble / 2] >> 4 : id[nibble / 2] & 15];
		nibble++;
	}
	out[UUID_TEXT] = 0;
}

static int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
uuid_parse(struct bytes text, uint8_t out[UUID_BYTES])
{
	uint8_t id[UUID_BYTES] = { 0 };
	size_t nibble = 0;
	if (text.len != UUID_TEXT)
		return false;
	for (size_t i = 0; i < UUID_TEXT; i++) {
		int v = hex_value(text.data[i]);
		if (is_dash(i) ? text.data[i] != '-' : v < 0)
			return false;
		if (is_dash(i))
			continue;
		id[nibble / 2] = (uint8_t)(id[nibble / 2] << 4 | v);
		nibble++;
	}
	memcpy(out, id, sizeof(id));
	return true;
}

#include "audit/base64.h"

static const char alphabet[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_write(struct bytes in, char *out)
{
	for (size_t i = 0; i < in.len; i += 3, out += 4) {
		size_t n = in.len - i < 3 ? in.len - i : 3;
		uint32_t v = (uint32_t)in.data[i] << 16;
		v |= n > 1 ? (uint32_t)in.data[i + 1] << 8 : 0;
		v |= n > 2 ? in.data[i + 2] : 0;
		for (unsigned j = 0; j < 4; j++)
			out[j] = j <= n ? alphabet[v >> (18 - 6 * j) & 63] : '=';
	}
}

static bool
value_of(uint8_t c, uint32_t *out)
{
	const char *at = c == '\0' ? NULL : strchr(alphabet, c);
	if (at == NULL)
		return false;
	*out = (uint32_t)(at - alphabet);
	return true;
}

/* Four characters, 'n' of them not padding; the bits that pad must be zero. */
static bool
read_four(const uint8_t *at, unsigned n, uint8_t *out)
{
	uint32_t v = 0, six;
	for (unsigned i = 0; i < 4; i++) {
		six = 0;
		if (i < n ? !value_of(at[i], &six) : at[i] != '=')
			return false;
		v = v << 6 | six;
	}
	for (unsigned i = 0; i < n - 1; i++)
		out[i] = (uint8_t)(v >> (16 - 8 * i));
	return n == 4 || (v & (n == 3 ? 0xffu : 0xffffu)) == 0;
}

bool
base64_read(struct bytes text, uint8_t *out, size_t *len)
{
	if (text.len % 4 != 0)
		return false;
	size_t done = 0;
	for (size_t i = 0; i < text.len; i += 4) {
		unsigned n = 4;
		if (i + 4 == text.len && text.data[i + 3] == '=')
			n = text.data[i + 2] == '=' ? 2 : 3;
		if (!read_four(text.data + i, n, out + done))
			return false;
		done += n - 1;
	}
	*len = done;
	return true;
}

#include "proto/text_char.h"

struct range {
	uint32_t first, last;
	enum text_char class_;
};

/* Characters that make a text look other than it is ("Trojan source"), sorted. */
static const struct range hidden[] = {
	{ 0x00ad, 0x00ad, TEXT_CHAR_INVISIBLE }, /* soft hyphen */
	{ 0x034f, 0x034f, TEXT_CHAR_INVISIBLE }, /* combining grapheme joiner */
	{ 0x061c, 0x061c, TEXT_CHAR_BIDI },
	{ 0x115f, 0x1160, TEXT_CHAR_INVISIBLE }, /* Hangul fillers */
	{ 0x17b4, 0x17b5, TEXT_CHAR_INVISIBLE }, { 0x180b, 0x180f, TEXT_CHAR_INVISIBLE },
	{ 0x200b, 0x200d, TEXT_CHAR_INVISIBLE }, { 0x200e, 0x200f, TEXT_CHAR_BIDI },
	{ 0x2028, 0x2029, TEXT_CHAR_CONTROL }, /* line ends that we do not count as such */
	{ 0x202a, 0x202e, TEXT_CHAR_BIDI }, { 0x2060, 0x2065, TEXT_CHAR_INVISIBLE },
	{ 0x2066, 0x2069, TEXT_CHAR_BIDI }, { 0x206a, 0x206f, TEXT_CHAR_INVISIBLE },
	{ 0x3164, 0x3164, TEXT_CHAR_INVISIBLE },
	{ 0xfe00, 0xfe0f, TEXT_CHAR_INVISIBLE }, /* variation selectors */
	{ 0xfeff, 0xfeff, TEXT_CHAR_INVISIBLE }, /* byte order mark */
	{ 0xffa0, 0xffa0, TEXT_CHAR_INVISIBLE }, { 0xfff9, 0xfffb, TEXT_CHAR_INVISIBLE },
	{ 0x1bca0, 0x1bca3, TEXT_CHAR_INVISIBLE }, { 0x1d173, 0x1d17a, TEXT_CHAR_INVISIBLE },
	{ 0xe0000, 0xe0fff, TEXT_CHAR_INVISIBLE }, /* tags and more variation selectors */
};

static enum text_char
class_of(uint32_t point)
{
	if (point < 0x20)
		return point == '\t' || point == '\n' || point == '\r' ? TEXT_CHAR_PLAIN
								       : TEXT_CHAR_CONTROL;
	if (point >= 0x7f && point < 0xa0)
		return TEXT_CHAR_CONTROL;
	if (point < hidden[0].first) /* nearly every one */
		return TEXT_CHAR_PLAIN;
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		if (point >= hidden[i].first && point <= hidden[i].last)
			return hidden[i].class_;
	return TEXT_CHAR_PLAIN;
}

/* The length that a first byte announces and the bits it carries; 0 if it announces nothing. */
static size_t
announced(uint8_t first, uint32_t *bits)
{
	static const struct {
		uint8_t mask, lead;
	} leads[] = { { 0xe0, 0xc0 }, { 0xf0, 0xe0 }, { 0xf8, 0xf0 } };
	for (size_t i = 0; i < 3; i++) {
		if ((first & leads[i].mask) == leads[i].lead) {
			*bits = first & (uint8_t)~leads[i].mask;
			return i + 2;
		}
	}
	return 0;
}

enum text_char
text_char_at(struct bytes in, size_t at, uint32_t *point, size_t *len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t first = in.data[at];
	*point = first;
	*len = 1;
	if (first < 0x80)
		return class_of(first);
	uint32_t p = 0;
	size_t n = announced(first, &p);
	if (n == 0 || n > in.len - at)
		return TEXT_CHAR_BAD_UTF8;
	for (size_t i = 1; i < n; i++) {
		if ((in.data[at + i] & 0xc0) != 0x80)
			return TEXT_CHAR_BAD_UTF8;
		p = p << 6 | (in.data[at + i] & 0x3f);
	}
	if (p < least[n] || p > 0x10ffff || (p >= 0xd800 && p <= 0xdfff))
		return TEXT_CHAR_BAD_UTF8;
	*point = p;
	*len = n;
	return class_of(p);
}

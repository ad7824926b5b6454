#include "audit/wirefield.h"

static uint64_t
varint(struct cursor *c)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t b = cursor_u8(c);
		v |= (uint64_t)(b & 0x7f) << shift;
		if ((b & 0x80) == 0)
			return v;
	}
	c->failed = true;
	return 0;
}

/* Little-endian. */
static uint64_t
fixed(struct bytes in)
{
	uint64_t v = 0;
	for (size_t i = in.len; i > 0; i--)
		v = v << 8 | in.data[i - 1];
	return v;
}

bool
wirefield_next(struct cursor *c, struct wirefield *out)
{
	if (c->failed || c->left == 0)
		return false;
	struct wirefield f = { 0 };
	uint64_t tag = varint(c), len;
	f.number = (uint32_t)(tag >> 3);
	switch (tag & 7) {
	case 0:
		f.varint = varint(c);
		break;
	case 1:
		f.varint = fixed(cursor_take(c, 8));
		break;
	case 2:
		len = varint(c);
		f.bytes = cursor_take(c, len > c->left ? SIZE_MAX : (size_t)len);
		break;
	case 5:
		(void)cursor_take(c, 4);
		break;
	default:
		c->failed = true;
	}
	if (c->failed || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
		c->failed = true;
	else
		*out = f;
	return !c->failed;
}

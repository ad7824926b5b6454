#include "proto/notice.h"

static const struct {
	enum notice_list list;
	const char *code;
} codes[] = {
#define N(list, code) { NOTICE_##list, code },
#include "proto/notice.def"
#undef N
};
enum { CODES = sizeof(codes) / sizeof(codes[0]) };

const char *
notice_code(enum notice_list list, size_t n)
{
	for (size_t i = 0; i < CODES; i++)
		if (codes[i].list == list && n-- == 0)
			return codes[i].code;
	return NULL;
}

bool
notice_is_code(enum notice_list list, struct bytes code)
{
	for (size_t i = 0; i < CODES; i++)
		if (codes[i].list == list && bytes_is(code, codes[i].code))
			return true;
	return false;
}

#include "proto/err.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *token;
	int exit;
	bool retry;
	const char *text;
} codes[ERR_COUNT] = {
	[ERR_NONE] = { "none", 0, false, "no error" },
#define E(name, token, exit, retry, text) [ERR_##name] = { token, exit, retry, text },
#include "proto/err.def"
#undef E
};

bool
err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	if (e == NULL)
		return false;
	va_list args;
	va_start(args, fmt);
	e->code = code;
	(void)vsnprintf(e->text, sizeof(e->text), fmt, args);
	va_end(args);
	return false;
}

bool
err_wrap(struct err *e, const char *fmt, ...)
{
	if (e == NULL)
		return false;
	char story[sizeof(e->text)];
	memcpy(story, e->text, sizeof(story));
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(e->text, sizeof(e->text), fmt, args);
	va_end(args);
	if (n >= 0 && (size_t)n < sizeof(e->text) - 3)
		(void)snprintf(e->text + n, sizeof(e->text) - (size_t)n, ": %.*s",
		    (int)(sizeof(e->text) - (size_t)n - 3), story);
	return false;
}

const char *
err_token(enum err_code code)
{
	assert(code < ERR_COUNT);
	return codes[code].token;
}

const char *
err_text(enum err_code code)
{
	assert(code < ERR_COUNT);
	return codes[code].text;
}

int
err_exit(enum err_code code)
{
	assert(code < ERR_COUNT);
	return codes[code].exit;
}

bool
err_may_retry(enum err_code code)
{
	assert(code < ERR_COUNT);
	return codes[code].retry;
}

enum err_code
err_from_token(const char *token, size_t len)
{
	for (unsigned c = ERR_NONE + 1; c < ERR_COUNT; c++)
		if (strlen(codes[c].token) == len && memcmp(codes[c].token, token, len) == 0)
			return (enum err_code)c;
	return ERR_INTERNAL;
}

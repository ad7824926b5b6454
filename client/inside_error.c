#include "client/inside.h"

#include <stdarg.h>
#include <stdio.h>

#include "proto/dry.h"

static void
copy(char *to, size_t size, struct bytes in)
{
	size_t n = in.len < size ? in.len : size - 1;
	if (n != 0)
		memcpy(to, in.data, n);
	to[n] = 0;
}

bool
inside_fail(struct relto_error *out, const struct err *e)
{
	struct err dry = { .code = ERR_NOMEM };
	if (out == NULL)
		return false;
	if (dry_ran() && e->code != ERR_NOMEM) { /* what had no memory to be read is not bad */
		(void)snprintf(dry.text, sizeof(dry.text), "out of memory (%.400s)", e->text);
		e = &dry;
	}
	dry_begin();
	*out = (struct relto_error){ .exit_status = err_exit(e->code),
		.may_retry = err_may_retry(e->code) };
	copy(out->code, sizeof(out->code), bytes_of(err_token(e->code)));
	copy(out->text, sizeof(out->text), bytes_of(e->text[0] == 0 ? err_text(e->code) : e->text));
	return false;
}

bool
inside_refused(struct relto_error *out, const struct msg_error *m)
{
	if (out == NULL)
		return false;
	enum err_code known = err_from_token((const char *)m->code.data, m->code.len);
	*out = (struct relto_error){ .exit_status = err_exit(known),
		.may_retry = m->retry_ms != 0 || err_may_retry(known),
		.retry_ms = m->retry_ms };
	copy(out->code, sizeof(out->code), m->code);
	copy(out->text, sizeof(out->text), m->text);
	copy(out->field, sizeof(out->field), m->field);
	copy(out->nearest, sizeof(out->nearest), m->nearest);
	copy(out->detail, sizeof(out->detail), m->detail);
	return false;
}

bool
inside_failf(struct relto_error *out, enum err_code code, const char *fmt, ...)
{
	struct err e = { .code = code };
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(e.text, sizeof(e.text), fmt, args);
	va_end(args);
	return inside_fail(out, &e);
}

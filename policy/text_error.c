/* The list of errors and warnings of one run, and how people read it. */
#include "policy/text.h"

#include "policy/page.h"
#include "policy/text_chars.h"

#include <stdio.h>

enum {
	TEXT_MAX = 2048,	  /* bytes of one message: names in it are at most 1 KiB */
	SHOWN_BEFORE = 100,	  /* characters shown before the caret.. */
	SHOWN = 160,		  /* ..and in all */
	LIST_BYTES = 1024 * 1024, /* all texts of a list */
};

void
text_errors_init(struct text_errors *l)
{
	memset(l, 0, sizeof(*l));
	arena_init(&l->arena, LIST_BYTES);
	arena_init(&l->notes, LIST_BYTES);
}

void
text_errors_done(struct text_errors *l)
{
	if (l == NULL)
		return;
	arena_done(&l->arena);
	arena_done(&l->notes);
	memset(l, 0, sizeof(*l));
}

/* A copy for a terminal: what could move the cursor or hide itself becomes '?'. */
static const char *
printable(struct text_errors *l, struct bytes in, size_t max_chars)
{
	char *out = arena_alloc(&l->arena, in.len + 1);
	if (out == NULL)
		return "";
	size_t to = 0;
	size_t chars = 0;
	for (size_t i = 0; i < in.len && chars < max_chars; chars++) {
		uint32_t point;
		size_t len;
		bool plain = text_char_at(in, i, &point, &len) == TEXT_CHAR_PLAIN;
		if (!plain || point == '\r' || point == '\n') {
			out[to++] = '?';
		} else {
			memcpy(out + to, in.data + i, len);
			to += len;
		}
		i += len;
	}
	out[to] = 0;
	return out;
}

/* The line that holds 'pos', without its end; absent if the file is not that long. */
static struct bytes
line_of(const struct text_pos *pos)
{
	struct bytes s = pos->file->source;
	if (s.data == NULL || pos->line == 0)
		return (struct bytes){ NULL, 0 };
	size_t at = 0;
	for (uint32_t line = 1; line < pos->line; line++) {
		const uint8_t *nl = at < s.len ? memchr(s.data + at, '\n', s.len - at) : NULL;
		if (nl == NULL)
			return (struct bytes){ NULL, 0 };
		at = (size_t)(nl - s.data) + 1;
	}
	const uint8_t *nl = at < s.len ? memchr(s.data + at, '\n', s.len - at) : NULL;
	size_t end = nl == NULL ? s.len : (size_t)(nl - s.data);
	if (end > at && s.data[end - 1] == '\r')
		end--;
	return (struct bytes){ s.data + at, end - at };
}

/* Puts the source line, or the part of a long one around the column, under the fault. */
static void
show_line(struct text_errors *l, const struct text_pos *pos, struct text_fault *f)
{
	struct bytes line = line_of(pos);
	if (line.data == NULL || pos->col == 0)
		return;
	uint32_t before = pos->col - 1;
	uint32_t skip = before > SHOWN_BEFORE ? before - SHOWN_BEFORE : 0;
	for (uint32_t i = 0; i < skip && line.len != 0; i++) {
		uint32_t point;
		size_t len;
		(void)text_char_at(line, 0, &point, &len);
		line = (struct bytes){ line.data + len, line.len - len };
	}
	f->source = printable(l, line, SHOWN);
	f->caret = before - skip;
}

static void
keep(struct text_errors *l, struct text_fault *f, const struct text_pos *pos, const char *help,
    const char *text)
{
	static const struct text_pos nowhere = { NULL, 0, 0 };
	const struct text_pos *p = pos == NULL ? &nowhere : pos;
	*f = (struct text_fault){ .file = "", .line = p->line, .col = p->col };
	f->text = printable(l, bytes_of(text), TEXT_MAX);
	if (help != NULL && help[0] != 0)
		f->help = printable(l, bytes_of(help), TEXT_MAX);
	if (p->file != NULL) {
		f->file = printable(l, p->file->name, TEXT_MAX);
		show_line(l, p, f);
	}
}

bool
text_error(
    struct text_errors *l, const struct text_pos *pos, const char *help, const char *fmt, ...)
{
	if (l->error_count++ >= LIMIT_POLICY_ERRORS)
		return false;
	char text[TEXT_MAX];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	keep(l, &l->errors[l->error_count - 1], pos, help, text);
	return false;
}

void
text_warning_named(struct text_errors *l, const char *name, const struct text_pos *pos,
    const char *help, const char *fmt, ...)
{
	if (l->warning_count++ >= LIMIT_POLICY_ERRORS)
		return;
	char text[TEXT_MAX];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	keep(l, &l->warnings[l->warning_count - 1], pos, help, text);
	l->warnings[l->warning_count - 1].name = name;
}

void
text_warning(
    struct text_errors *l, const struct text_pos *pos, const char *help, const char *fmt, ...)
{
	if (l->warning_count++ >= LIMIT_POLICY_ERRORS)
		return;
	char text[TEXT_MAX];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	keep(l, &l->warnings[l->warning_count - 1], pos, help, text);
}

void
text_error_help(struct text_errors *l, const char *help)
{
	size_t n = l->error_count;
	if (n > 0 && n <= LIMIT_POLICY_ERRORS && l->errors[n - 1].help == NULL)
		l->errors[n - 1].help = printable(l, bytes_of(help), TEXT_MAX);
}

bool
text_error_from(struct text_errors *l, const struct text_pos *pos, const struct err *e)
{
	return text_error(l, pos, NULL, "%s", e->text);
}

const char *
text_note(struct text_errors *l, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	const char *out = arena_printf(&l->notes, "%s", text);
	return out == NULL ? "" : out;
}

const char *
text_place(struct text_errors *l, const struct text_pos *pos)
{
	if (pos->file == NULL)
		return "";
	return text_note(l, "'%.*s' line %u", (int)pos->file->name.len,
	    (const char *)pos->file->name.data, pos->line);
}

/* The caret stands under its column: tabs of the line are repeated, all else is one blank. */
static void
page_caret(struct page *p, const struct text_fault *f)
{
	struct bytes line = bytes_of(f->source);
	page_add(p, f->source);
	page_add(p, "\n");
	for (uint32_t i = 0; i < f->caret; i++) {
		uint32_t point = ' ';
		size_t len = 0;
		if (line.len != 0)
			(void)text_char_at(line, 0, &point, &len);
		line = (struct bytes){ line.data + len, line.len - len };
		page_put(p, point == '\t' ? "\t" : " ", 1);
	}
	page_add(p, "^\n");
}

static void
page_fault(struct page *p, const struct text_fault *f, const char *severity)
{
	page_add(p, f->file);
	if (f->line != 0)
		page_number(p, ":", f->line, "");
	if (f->col != 0)
		page_number(p, ":", f->col, "");
	if (f->file[0] != 0)
		page_add(p, ": ");
	page_add(p, severity);
	page_add(p, f->text);
	if (f->name != NULL) {
		page_add(p, " [");
		page_add(p, f->name);
		page_add(p, "]");
	}
	page_add(p, "\n");
	if (f->source != NULL)
		page_caret(p, f);
	if (f->help != NULL) {
		page_add(p, "help: ");
		page_add(p, f->help);
		page_add(p, "\n");
	}
}

static void
page_faults(struct page *p, const struct text_fault *faults, size_t count, const char *severity)
{
	size_t kept = count < LIMIT_POLICY_ERRORS ? count : LIMIT_POLICY_ERRORS;
	for (size_t i = 0; i < kept; i++)
		page_fault(p, &faults[i], severity);
	if (count > kept) {
		page_number(p, "and ", count - kept, " more ");
		page_put(p, severity, strcspn(severity, ":"));
		page_add(p, count - kept == 1 ? "\n" : "s\n");
	}
}

char *
text_errors_format(const struct text_errors *l, struct arena *a)
{
	struct page p = { .arena = a };
	page_add(&p, "");
	page_faults(&p, l->warnings, l->warning_count, "warning: ");
	page_faults(&p, l->errors, l->error_count, "error: ");
	return p.failed ? NULL : p.text;
}

bool
text_errors_to_err(const struct text_errors *l, enum err_code code, struct err *e)
{
	if (l->error_count == 0)
		return err_set(e, code, "no error was recorded");
	const struct text_fault *f = &l->errors[0];
	(void)err_set(e, code, "%s", f->text);
	if (f->line != 0)
		(void)err_wrap(e, "%s:%u:%u", f->file, f->line, f->col);
	else if (f->file[0] != 0)
		(void)err_wrap(e, "%s", f->file);
	if (l->error_count > 1)
		(void)err_wrap(e, "%zu errors, the first", l->error_count);
	return false;
}

#include "client/cli/out.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "proto/dry.h"
#include "proto/text_char.h"

void
out_clean(FILE *to, struct bytes text)
{
	for (size_t at = 0, n; at < text.len; at += n) {
		uint32_t c = 0;
		if (text_char_at(text, at, &c, &n) == TEXT_CHAR_PLAIN && c >= 0x20)
			(void)fwrite(text.data + at, 1, n, to);
		else
			(void)fputc('?', to);
	}
}

static void PRINTF_LIKE(2, 0) clean_printed(FILE *to, const char *fmt, va_list args)
{
	char *text = NULL;
	int len = vasprintf(&text, fmt, args);
	if (len < 0) {
		(void)fputc('?', to);
		return;
	}
	out_clean(to, bytes_from(text, (size_t)len));
	free(text);
}

void
out_cleanf(FILE *to, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	clean_printed(to, fmt, args);
	va_end(args);
}

int
out_error(const struct err *e)
{
	bool dry =
	    dry_ever() && e->code != ERR_NOMEM; /* then it may be wrong about what it blames */
	(void)fputs(dry ? "relto: out of memory: " : "relto: ", stderr);
	out_clean(stderr, bytes_of(e->text));
	(void)fputc('\n', stderr);
	return err_exit(dry ? ERR_NOMEM : e->code);
}

int
out_usage(const char *usage, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	(void)fputs("relto: ", stderr);
	clean_printed(stderr, fmt, args);
	va_end(args);
	(void)fprintf(stderr, "\nusage: relto %s\n", usage);
	return err_exit(ERR_USAGE);
}

int
out_end(int status)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return status;
	(void)fputs("relto: standard output cannot be written\n", stderr);
	return status != 0 ? status : err_exit(ERR_IO);
}

/* ---- JSON ---- */

static void
json_char(FILE *to, enum text_char kind, uint32_t c)
{
	if (kind == TEXT_CHAR_BAD_UTF8)
		(void)fputs("\\ufffd", to);
	else if (c == '"' || c == '\\')
		(void)fprintf(to, "\\%c", (int)c);
	else if (c == '\n')
		(void)fputs("\\n", to);
	else if (c < 0x10000)
		(void)fprintf(to, "\\u%04x", c);
	else
		(void)fprintf(
		    to, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + (c & 0x3ff));
}

static void
json_string(FILE *to, struct bytes text)
{
	size_t plain = 0; /* where what can be written as it is began */
	(void)fputc('"', to);
	for (size_t at = 0, n; at < text.len; at += n) {
		uint32_t c = 0;
		enum text_char kind = text_char_at(text, at, &c, &n);
		if (kind == TEXT_CHAR_PLAIN && c >= 0x20 && c != '"' && c != '\\')
			continue;
		(void)fwrite(text.data + plain, 1, at - plain, to);
		json_char(to, kind, c);
		plain = at + n;
	}
	if (plain < text.len)
		(void)fwrite(text.data + plain, 1, text.len - plain, to);
	(void)fputc('"', to);
}

static void
json_key(struct out_json *j, const char *key)
{
	if (j->comma)
		(void)fputc(',', j->to);
	j->comma = true;
	if (key != NULL) {
		json_string(j->to, bytes_of(key));
		(void)fputc(':', j->to);
	}
}

void
out_json_begin(struct out_json *j, const char *key, char bracket)
{
	json_key(j, key);
	(void)fputc(bracket, j->to);
	j->comma = false;
}

void
out_json_end(struct out_json *j, char bracket)
{
	(void)fputc(bracket, j->to);
	j->comma = true;
}

void
out_json_bytes(struct out_json *j, const char *key, struct bytes value)
{
	json_key(j, key);
	json_string(j->to, value);
}

void
out_json_bytes_or_null(struct out_json *j, const char *key, struct bytes value)
{
	if (value.data == NULL)
		out_json_text(j, key, NULL);
	else
		out_json_bytes(j, key, value);
}

void
out_json_text(struct out_json *j, const char *key, const char *value)
{
	json_key(j, key);
	if (value == NULL)
		(void)fputs("null", j->to);
	else
		json_string(j->to, bytes_of(value));
}

void
out_json_uint(struct out_json *j, const char *key, uint64_t value)
{
	json_key(j, key);
	(void)fprintf(j->to, "%" PRIu64, value);
}

void
out_json_int(struct out_json *j, const char *key, int64_t value)
{
	json_key(j, key);
	(void)fprintf(j->to, "%" PRId64, value);
}

void
out_json_bool(struct out_json *j, const char *key, bool value)
{
	json_key(j, key);
	(void)fputs(value ? "true" : "false", j->to);
}

void
out_json_hex(struct out_json *j, const char *key, const uint8_t *data, size_t len)
{
	json_key(j, key);
	(void)fputc('"', j->to);
	for (size_t i = 0; i < len; i++)
		(void)fprintf(j->to, "%02x", data[i]);
	(void)fputc('"', j->to);
}

void
out_json_base64(struct out_json *j, const char *key, struct bytes value)
{
	enum { PIECE = 48 }; /* a multiple of 3: the pieces join without padding */
	unsigned char text[PIECE / 3 * 4 + 1];
	json_key(j, key);
	(void)fputc('"', j->to);
	for (size_t at = 0; at < value.len; at += PIECE) {
		size_t n = value.len - at < PIECE ? value.len - at : PIECE;
		(void)EVP_EncodeBlock(text, value.data + at, (int)n);
		(void)fputs((const char *)text, j->to);
	}
	(void)fputc('"', j->to);
}

void
out_json_line(struct out_json *j)
{
	(void)fputc('\n', j->to);
	j->comma = false;
}

#include "client/cli/html.h"

#include "proto/text_char.h"

static const char *
entity(uint32_t c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

void
html_text(FILE *to, struct bytes text)
{
	for (size_t at = 0, n; at < text.len; at += n) {
		uint32_t c = 0;
		bool plain = text_char_at(text, at, &c, &n) == TEXT_CHAR_PLAIN && c != '\r';
		const char *instead = plain ? entity(c) : "\xEF\xBF\xBD";
		if (instead != NULL)
			(void)fputs(instead, to);
		else
			(void)fwrite(text.data + at, 1, n, to);
	}
}

void
html_word(FILE *to, const char *text)
{
	html_text(to, bytes_of(text));
}

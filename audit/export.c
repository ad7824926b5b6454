#include "audit/export.h"

#include <string.h>

bool
export_line(struct bytes *text, struct bytes *line)
{
	const uint8_t *end = text->len == 0 ? NULL : memchr(text->data, '\n', text->len);
	if (end == NULL)
		return false;
	*line = bytes_from(text->data, (size_t)(end - text->data));
	*text = bytes_from(end + 1, text->len - line->len - 1);
	return true;
}

bool
export_between(struct bytes line, const char *head, const char *tail, struct bytes *out)
{
	size_t h = strlen(head), t = strlen(tail);
	if (line.len < h + t || memcmp(line.data, head, h) != 0 ||
	    memcmp(line.data + line.len - t, tail, t) != 0)
		return false;
	*out = bytes_from(line.data + h, line.len - h - t);
	return true;
}

bool
export_terms_backfill(struct bytes terms, struct bytes agreement)
{
	struct bytes line, name;
	bool has = false;
	if (!export_line(&terms, &line) || !export_between(line, "agreement ", " {", &name) ||
	    !bytes_equal(name, agreement))
		return false;
	while (export_line(&terms, &line) && !bytes_is(line, "}"))
		has = has || bytes_is(line, "    backfill");
	return has;
}

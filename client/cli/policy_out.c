#include "client/cli/policy_out.h"

static void
put_faults(struct out_json *j, const struct text_fault *faults, size_t count)
{
	for (size_t i = 0; i < count && i < LIMIT_POLICY_ERRORS; i++) {
		out_json_begin(j, NULL, '{');
		if (faults[i].name != NULL)
			out_json_text(j, "name", faults[i].name);
		out_json_text(j, "file", faults[i].file);
		out_json_uint(j, "line", faults[i].line);
		out_json_uint(j, "col", faults[i].col);
		out_json_text(j, "text", faults[i].text);
		out_json_text(j, "help", faults[i].help);
		out_json_end(j, '}');
	}
}

void
policy_out_faults(
    struct out_json *j, const char *key, const struct text_fault *faults, size_t count)
{
	out_json_begin(j, key, '[');
	put_faults(j, faults, count);
	out_json_end(j, ']');
}

void
policy_out_warnings(struct out_json *j, const char *key, const struct text_errors *first,
    const struct text_errors *second)
{
	out_json_begin(j, key, '[');
	put_faults(j, first->warnings, first->warning_count);
	put_faults(j, second->warnings, second->warning_count);
	out_json_end(j, ']');
}

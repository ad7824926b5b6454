#include "client/cli/policy_out.h"

void
policy_out_faults(
    struct out_json *j, const char *key, const struct text_fault *faults, size_t count)
{
	out_json_begin(j, key, '[');
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
	out_json_end(j, ']');
}

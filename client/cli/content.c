#include "client/cli/content.h"

bool
content_read(const struct content_reader *r, const struct content_want *want, struct arena *a,
    struct bytes *out, struct err *e)
{
	char name[BUNDLE_PATH_MAX];
	uint8_t got[SHA256_LEN];
	struct bytes found = { NULL, 0 };
	bundle_content_path(want->dir, want->digest, name);
	if (!r->read(r->ctx, name, a, &found, e))
		return false;
	if (found.data != NULL) {
		if (!sha256_of(r->hash, found, got, e))
			return false;
		if (memcmp(got, want->digest, sizeof(got)) != 0)
			return err_set(e, ERR_DATA, "'%s' is not what its name says", name);
	}
	*out = found;
	return true;
}

bool
content_decides(enum event_type type)
{
	return type == EVENT_INTAKE || type == EVENT_DECISION || type == EVENT_NARROWED ||
	       type == EVENT_APPROVAL;
}

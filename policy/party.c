#include "policy/party.h"

static const struct {
	enum role role;
	const char *name;
} roles[] = {
	{ ROLE_PUBLISH, "publish" },
	{ ROLE_SUBSCRIBE, "subscribe" },
	{ ROLE_APPROVE, "approve" },
	{ ROLE_AUDIT, "audit" },
	{ ROLE_OPERATE, "operate" },
	{ ROLE_SIGN, "sign" },
};

const struct agent *
party_agent(const struct party *p, struct bytes path)
{
	size_t low = 0, high = p->agent_count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = bytes_compare(p->agents[mid].path, path);
		if (c == 0)
			return &p->agents[mid];
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

unsigned
party_role(struct bytes name)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (bytes_is(name, roles[i].name))
			return roles[i].role;
	return 0;
}

const char *
party_role_name(enum role role)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (roles[i].role == role)
			return roles[i].name;
	return NULL;
}

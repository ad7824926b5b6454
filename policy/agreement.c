#include "policy/agreement.h"

#include "policy/party.h"
#include "proto/limits.h"

const struct member *
agreement_member(const struct agreement *a, struct bytes party)
{
	size_t low = 0, high = a->member_count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = bytes_compare(a->members[mid].party->name, party);
		if (c == 0)
			return &a->members[mid];
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

bool
agreement_in_force(const struct agreement *a, uint64_t time)
{
	return a->state == STATE_IN_FORCE && time >= a->valid_from && time < a->valid_until;
}

bool
agreement_covers(const struct agreement *a, struct bytes topic)
{
	if (topic_check(topic) != TOPIC_GOOD)
		return false;
	for (size_t i = 0; i < a->topics.count; i++)
		if (topic_matches(a->topics.items[i], topic))
			return true;
	return false;
}

const char *
agreement_state_name(enum agreement_state state)
{
	switch (state) {
	case STATE_DRAFT:
		return "draft";
	case STATE_IN_FORCE:
		return "in-force";
	case STATE_TERMINATED:
		return "terminated";
	}
	return "?";
}

const char *
agreement_takes_back(const struct agreement *a, const struct agreement *accepted)
{
	if (a->version < accepted->version)
		return "its version is lower than one before";
	if (a->version > accepted->version)
		return NULL;
	if (memcmp(a->terms, accepted->terms, sizeof(a->terms)) != 0)
		return "its version was used before with other terms";
	if (a->state < accepted->state)
		return "its state is an earlier one than its version had";
	return NULL;
}

/* ---- topics ---- */

/* Cuts the first token off 'rest'; false at the end.  "a." has a second, empty token. */
static bool
next_token(struct bytes *rest, struct bytes *token)
{
	if (rest->data == NULL)
		return false;
	const uint8_t *dot = rest->len == 0 ? NULL : memchr(rest->data, '.', rest->len);
	if (dot == NULL) {
		*token = *rest;
		*rest = (struct bytes){ NULL, 0 };
		return true;
	}
	size_t len = (size_t)(dot - rest->data);
	*token = bytes_from(rest->data, len);
	*rest = bytes_from(dot + 1, rest->len - len - 1);
	return true;
}

static bool
token_is_plain(struct bytes token)
{
	for (size_t i = 0; i < token.len; i++) {
		uint8_t c = token.data[i];
		bool good = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
			    (c >= 'a' && c <= 'z') || c == '_' || c == '-';
		if (!good)
			return false;
	}
	return token.len > 0;
}

static enum topic_fault
check(struct bytes topic, bool pattern)
{
	struct bytes token, rest = topic.data == NULL ? bytes_of("") : topic;
	size_t tokens = 0;
	while (next_token(&rest, &token)) {
		bool wild = pattern &&
			    (bytes_is(token, "*") || (bytes_is(token, ">") && rest.data == NULL));
		if (!wild && !token_is_plain(token))
			return TOPIC_BAD;
		tokens++;
	}
	if (topic.len > LIMIT_TOPIC_BYTES || tokens > LIMIT_TOPIC_TOKENS)
		return TOPIC_TOO_LONG;
	return TOPIC_GOOD;
}

enum topic_fault
topic_check(struct bytes topic)
{
	return check(topic, false);
}

enum topic_fault
topic_check_pattern(struct bytes pattern)
{
	return check(pattern, true);
}

bool
topic_matches(struct bytes pattern, struct bytes topic)
{
	struct bytes want, have;
	while (next_token(&pattern, &want)) {
		if (!next_token(&topic, &have))
			return false;
		if (bytes_is(want, ">"))
			return true;
		if (!bytes_is(want, "*") && !bytes_equal(want, have))
			return false;
	}
	return topic.data == NULL;
}

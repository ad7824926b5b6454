#include "client/cli/replay_past.h"

void
replay_past_init(struct replay_past *p, struct arena *keep)
{
	*p = (struct replay_past){ .keep = keep };
	map_init(&p->reports, keep, sizeof(struct past_report *));
	map_init(&p->ids, keep, sizeof(struct past_report *));
	map_init(&p->given, keep, sizeof(struct past_recipient *));
}

/* Names have no NUL, ids are of one length: no two triples have one key. */
enum { KEY_MAX = 3 * 128 };
static struct bytes
key_of(uint8_t room[KEY_MAX], struct bytes publisher, struct bytes id, struct bytes party)
{
	const struct bytes parts[] = { publisher, id, party };
	size_t n = 0;
	for (size_t i = 0; i < 3; i++) {
		size_t len = parts[i].len < 127 ? parts[i].len : 127;
		if (len > 0)
			memcpy(room + n, parts[i].data, len);
		n += len;
		room[n++] = 0;
	}
	return bytes_from(room, n);
}

struct past_report *
replay_past_report(struct replay_past *p, struct bytes publisher, struct bytes id)
{
	uint8_t room[KEY_MAX];
	struct past_report **at = map_find(&p->reports, key_of(room, publisher, id, bytes_of("")));
	return at == NULL ? NULL : *at;
}

struct past_report *
replay_past_begin(struct replay_past *p, struct bytes publisher, struct bytes id, uint64_t record)
{
	uint8_t room[KEY_MAX];
	struct err e;
	struct past_report *r = arena_zalloc(p->keep, 1, sizeof(*r));
	struct past_report **at =
	    map_at(&p->reports, key_of(room, publisher, id, bytes_of("")), NULL);
	struct past_report **same = map_at(&p->ids, id, NULL);
	if (r == NULL || at == NULL || same == NULL ||
	    !arena_copy(p->keep, publisher, &r->publisher, &e))
		return NULL;
	r->intake = record;
	if (id.len == sizeof(r->id))
		memcpy(r->id, id.data, sizeof(r->id));
	r->same_id = *same;
	*same = r;
	*at = r;
	return r;
}

struct past_recipient *
replay_past_given(struct replay_past *p, const struct past_report *of, struct bytes party)
{
	uint8_t room[KEY_MAX];
	struct bytes id = bytes_from(of->id, sizeof(of->id));
	struct past_recipient **at = map_find(&p->given, key_of(room, of->publisher, id, party));
	return at == NULL ? NULL : *at;
}

static struct past_recipient *
make(struct replay_past *p, struct past_report *of, struct bytes party)
{
	uint8_t room[KEY_MAX];
	struct err e;
	struct bytes id = bytes_from(of->id, sizeof(of->id));
	struct past_recipient *r = arena_zalloc(p->keep, 1, sizeof(*r));
	struct past_recipient **at =
	    map_at(&p->given, key_of(room, of->publisher, id, party), NULL);
	if (r == NULL || at == NULL || !arena_copy(p->keep, party, &r->party, &e))
		return NULL;
	r->next = of->first;
	of->first = r;
	return *at = r;
}

bool
replay_past_decided(struct replay_past *p, struct past_report *of, struct bytes party,
    const struct past_decision *d, struct err *e)
{
	struct past_recipient *to = replay_past_given(p, of, party);
	struct past_decision *now = arena_zalloc(p->keep, 1, sizeof(*now));
	struct bytes masks = { NULL, 0 };
	if (to == NULL)
		to = make(p, of, party);
	if (to == NULL || now == NULL)
		return err_set(e, ERR_NOMEM, "decisions of the past");
	if (d->masks != NULL && !arena_copy(p->keep, bytes_from(d->masks, of->portions), &masks, e))
		return false;
	*now = *d;
	now->masks = masks.data;
	now->older = to->now;
	to->now = now;
	return true;
}

bool
replay_past_delivered(
    struct replay_past *p, struct past_recipient *to, uint64_t record, struct err *e)
{
	struct past_delivery *d = arena_zalloc(p->keep, 1, sizeof(*d));
	if (d == NULL)
		return err_set(e, ERR_NOMEM, "deliveries of the past");
	*d = (struct past_delivery){ .older = to->went, .record = record };
	if (to->now != NULL && to->now->known)
		d->masks = to->now->masks;
	to->went = d;
	return true;
}

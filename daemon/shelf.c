#include "daemon/shelf.h"
#include "daemon/role.h"

#include "proto/arena.h"

enum { SHELF_ROW = 1 << 16, SHELF_EVIDENCE }; /* above every part */

static struct shelf_slot *
slot_of(struct shelf *s, uint64_t intake, uint32_t what)
{
	uint64_t h = (intake * 64 + what) * 0x9e3779b97f4a7c15u;
	return &s->slots[h >> 32 & (SHELF_SLOTS - 1)];
}

/* What is there of it; absent: nothing. */
static struct bytes
look(struct shelf *s, uint64_t intake, uint32_t what)
{
	const struct shelf_slot *is = slot_of(s, intake, what);
	if (is->intake != intake || is->what != what || s->end - is->at > SHELF_BYTES)
		return bytes_from(NULL, 0);
	return bytes_from(s->ring + is->at % SHELF_BYTES, is->len);
}

static void
keep(struct shelf *s, uint64_t intake, uint32_t what, struct bytes item)
{
	size_t tail = SHELF_BYTES - s->end % SHELF_BYTES;
	if (item.len == 0 || item.len > SHELF_ITEM_BYTES)
		return;
	if (tail < item.len)
		s->end += tail; /* an item lies in one piece */
	memcpy(s->ring + s->end % SHELF_BYTES, item.data, item.len);
	*slot_of(s, intake, what) = (struct shelf_slot){ intake, s->end, what, (uint32_t)item.len };
	s->end += item.len;
}

bool
shelf_part(struct shelf *s, struct store_view *v, uint64_t intake, uint16_t number, struct arena *a,
    struct bytes *out, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct bytes known = look(s, intake, number);
	bool found = false;
	if (known.len > 0)
		return arena_copy(a, known, out, e);
	if (!store_read_part(v, intake, number, out, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_CORRUPT, "part %u is missing", number);
	keep(s, intake, number, *out);
	return true;
}

void
shelf_put_evidence(struct shelf *s, const struct evidence *v)
{
	ASSERT_ON(ROLE_WORKER);
	if (v->delivery != STORE_NONE)
		keep(s, v->delivery, SHELF_EVIDENCE, bytes_from(v, sizeof(*v)));
}

bool
shelf_find_evidence(struct shelf *s, uint64_t delivery, struct evidence *out)
{
	ASSERT_ON(ROLE_WORKER);
	struct bytes known = look(s, delivery, SHELF_EVIDENCE);
	if (known.len != sizeof(*out))
		return false;
	memcpy(out, known.data, sizeof(*out));
	return true;
}

bool
shelf_report(struct shelf *s, struct store_view *v, const struct store_queued *of,
    struct store_report *out, bool *found, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct bytes known = look(s, of->intake, SHELF_ROW);
	if (known.len == sizeof(*out)) {
		memcpy(out, known.data, sizeof(*out));
		*found = true;
		return true;
	}
	if (!store_find_report(v, &of->report, out, found, e))
		return false;
	if (*found)
		keep(s, of->intake, SHELF_ROW, bytes_from(out, sizeof(*out)));
	return true;
}

void
shelf_wipe(struct shelf *s)
{
	ASSERT_ON(ROLE_WORKER);
	if (s->end == 0)
		return;
	explicit_bzero(s->ring, s->end < SHELF_BYTES ? s->end : SHELF_BYTES);
	memset(s->slots, 0, sizeof(s->slots));
	s->end = 0;
}

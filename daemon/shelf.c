#include "daemon/shelf.h"

#include "proto/arena.h"

enum { SHELF_ROW = 1 << 16 }; /* above every part */

static struct shelf_slot *
slot_of(struct shelf *s, uint64_t intake, uint32_t what)
{
	uint64_t h = (intake * 64 + what) * 0x9e3779b97f4a7c15u;
	return &s->slots[h >> 32 & (SHELF_SLOTS - 1)];
}

static bool
holds(const struct shelf_slot *at, uint64_t intake, uint32_t what)
{
	return at->len > 0 && at->intake == intake && at->what == what;
}

static void
wipe(struct shelf_slot *at)
{
	explicit_bzero(at->data, at->len);
	at->len = 0;
}

static void
keep(struct shelf_slot *at, uint64_t intake, uint32_t what, const void *data, size_t len)
{
	if (len == 0 || len > SHELF_BYTES)
		return;
	wipe(at);
	at->intake = intake;
	at->what = what;
	at->len = (uint32_t)len;
	memcpy(at->data, data, len);
}

bool
shelf_part(struct shelf *s, struct store_view *v, uint64_t intake, uint16_t number, struct arena *a,
    struct bytes *out, struct err *e)
{
	struct shelf_slot *at = slot_of(s, intake, number);
	bool found = false;
	if (holds(at, intake, number))
		return arena_copy(a, bytes_from(at->data, at->len), out, e);
	if (!store_read_part(v, intake, number, out, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_CORRUPT, "part %u is missing", number);
	keep(at, intake, number, out->data, out->len);
	return true;
}

bool
shelf_report(struct shelf *s, struct store_view *v, const struct store_queued *of,
    struct store_report *out, bool *found, struct err *e)
{
	struct shelf_slot *at = slot_of(s, of->intake, SHELF_ROW);
	*found = true;
	if (holds(at, of->intake, SHELF_ROW)) {
		memcpy(out, at->data, sizeof(*out));
		return true;
	}
	if (!store_find_report(v, &of->report, out, found, e))
		return false;
	if (*found)
		keep(at, of->intake, SHELF_ROW, out, sizeof(*out));
	return true;
}

void
shelf_wipe(struct shelf *s)
{
	for (size_t i = 0; i < SHELF_SLOTS; i++)
		wipe(&s->slots[i]);
}

/* Which reports something still waits for: a count for each INTAKE index. */
#include "daemon/role.h"
#include "daemon/store_lmdb.h"

#include <assert.h>
#include <stdlib.h>

static size_t
home_of(const struct needs *n, uint64_t intake)
{
	return (size_t)(intake * 0x9e3779b97f4a7c15u >> 20) & (n->room - 1);
}

/* The slot of an intake, or the free one where it belongs. */
static size_t
slot_of(const struct needs *n, uint64_t intake)
{
	size_t i = home_of(n, intake);
	while (n->slots[i].count > 0 && n->slots[i].intake != intake)
		i = (i + 1) & (n->room - 1);
	return i;
}

bool
store_needs_reserve(struct needs *n, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	if (n->room > 0 && (n->used + 1) * 4 <= n->room * 3)
		return true;
	struct needs wider = { .room = n->room == 0 ? 64 : n->room * 2 };
	wider.slots = calloc(wider.room, sizeof(*wider.slots));
	if (wider.slots == NULL)
		return err_set(e, ERR_NOMEM, "queue counts");
	for (size_t i = 0; i < n->room; i++)
		if (n->slots[i].count > 0)
			wider.slots[slot_of(&wider, n->slots[i].intake)] = n->slots[i];
	wider.used = n->used;
	free(n->slots);
	*n = wider;
	return true;
}

/* Frees slot i; those after it that would no longer be found move up. */
static void
vacate(struct needs *n, size_t i)
{
	size_t mask = n->room - 1;
	n->slots[i].count = 0;
	n->used--;
	for (size_t j = (i + 1) & mask; n->slots[j].count > 0; j = (j + 1) & mask) {
		size_t home = home_of(n, n->slots[j].intake);
		if (((j - home) & mask) < ((j - i) & mask))
			continue; /* its home lies behind the hole */
		n->slots[i] = n->slots[j];
		n->slots[j].count = 0;
		i = j;
	}
}

void
store_needs_change(struct needs *n, uint64_t intake, int64_t by)
{
	ASSERT_ON(ROLE_COMMITTER);
	assert(n->room > 0);
	size_t i = slot_of(n, intake);
	if (by > 0) {
		assert(n->used < n->room - 1 || n->slots[i].count > 0);
		n->used += n->slots[i].count == 0;
		n->slots[i].intake = intake;
		n->slots[i].count++;
	} else if (by < 0) {
		assert(n->slots[i].count > 0);
		if (n->slots[i].count > 1)
			n->slots[i].count--;
		else
			vacate(n, i);
	}
}

bool
store_needs_has(const struct needs *n, uint64_t intake)
{
	return n->room > 0 && n->slots[slot_of(n, intake)].count > 0;
}

void
store_needs_free(struct needs *n)
{
	ASSERT_ON(ROLE_COMMITTER);
	free(n->slots);
	*n = (struct needs){ 0 };
}

/* An opening, and the same bytes as a stored entry: reading, checking, viewing, writing again. */
#include <assert.h>
#include <stdlib.h>

#include "audit/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Either answer is good. */
static void
any(bool answer)
{
	(void)answer;
}

static void
written_again(const struct record *r, struct bytes in)
{
	size_t size = record_opening_size(r, 0x1fe);
	uint8_t *again = malloc(size);
	assert(again != NULL && size == in.len);
	record_opening_write(r, 0x1fe, again);
	assert(memcmp(again, in.data, size) == 0);
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = { data, size };
	struct record r;
	struct sha256 h;
	uint8_t leaf[32];
	uint64_t index;
	enum event_type type;
	struct viewer nor = { bytes_of("NOR"), false };
	if (record_entry_parse(in, &r, leaf, NULL))
		(void)view_slots(&r, &nor);
	if (!record_opening_parse(in, &r, NULL) || !sha256_init(&h, NULL))
		return 0;
	if (record_leaf(&h, &r, leaf, NULL))
		written_again(&r, in);
	/* what may be opened to a recipient never holds slots 3 to 6 */
	unsigned slots = view_slots(&r, &nor);
	if (view_place(&r, nor.party, &index) != VIEW_PUBLISHER)
		assert((slots & (1u << 3 | 1u << 4 | 1u << 5 | 1u << 6)) == 0);
	any(record_check(&r, &type, NULL));
	sha256_done(&h);
	return 0;
}

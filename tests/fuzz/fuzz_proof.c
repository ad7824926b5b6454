/* A proof file: what parses is written again byte for byte; its path is folded; its opening is read
 * as a receipt, about a report that is the same bytes. */
#include <assert.h>

#include "audit/receipt.h"
#include "proto/arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Either answer is good. */
static void
any(bool answer)
{
	(void)answer;
}

/* Nothing is signed here, so the head is one of our own. */
static void
as_receipt(struct sha256 *h, const struct checkpoint_proof *p, struct bytes in)
{
	struct receipt r;
	const struct checkpoint head = { .size = p->index + 1 };
	const struct receipt_proof proof = { p->extra, p->index, &p->path };
	const struct receipt_report report = { in, &in, 1 };
	any(receipt_check(h, &head, &proof, &r, NULL));
	any(receipt_body_matches(h, p->extra, in, in, NULL));
	r = (struct receipt){ .index = p->index };
	if (!record_opening_parse(p->extra, &r.record, NULL) ||
	    !record_check(&r.record, &r.type, NULL) ||
	    !slot_get_common(RECORD_SLOT(&r.record, 1)->value, &r.common, NULL))
		return;
	any(receipt_is_for(&r, bytes_of("NOR")));
	any(receipt_matches(h, &r, &report, NULL));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = { data, size }, again;
	struct arena a;
	struct sha256 h;
	struct checkpoint_proof p;
	if (!sha256_init(&h, NULL))
		return 0;
	arena_init(&a, 16u << 20);
	if (checkpoint_proof_parse(&a, in, &p, NULL)) {
		if (checkpoint_proof_write(&a, &p, &again, NULL))
			assert(bytes_equal(in, again));
		as_receipt(&h, &p, in);
		struct merkle_inclusion_claim i = { .index = p.index, .size = p.index + 3 };
		struct merkle_consistency_claim c = { .from = p.index, .size = p.index + 9 };
		any(merkle_check_inclusion(
		    &h, &i, (const uint8_t(*)[32])p.path.hash, p.path.count, NULL));
		any(merkle_check_consistency(
		    &h, &c, (const uint8_t(*)[32])p.path.hash, p.path.count, NULL));
	}
	arena_done(&a);
	sha256_done(&h);
	return 0;
}

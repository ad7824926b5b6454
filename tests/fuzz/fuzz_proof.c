/* A proof file: what parses is written again byte for byte; its path is folded. */
#include <assert.h>

#include "audit/checkpoint.h"
#include "proto/arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Either answer is good. */
static void
any(bool answer)
{
	(void)answer;
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

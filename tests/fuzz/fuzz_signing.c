/* What comes over the signer's socket, both ways; the anchor's file; and an ask, judged. */
#include "audit/anchor.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read is written back byte for byte. */
static void
again(struct bytes in, const struct signing_message *m)
{
	uint8_t packet[SIGNING_BYTES_MAX];
	size_t len = signing_write(m, packet);
	if (!bytes_equal(in, bytes_from(packet, len)))
		abort();
}

/* Whatever is accepted after an anchor is no smaller, and of the anchor's size only itself. */
static void
judge(struct sha256 *h, const struct signing_ask *ask)
{
	struct signing_head at = { .size = 3 };
	enum signing_reason why = 0;
	struct err e = { 0 };
	memset(at.root, 0xa5, sizeof(at.root));
	if (anchor_judge(h, &at, ask, &why, &e)) {
		if (ask->head.size < at.size ||
		    (ask->head.size == at.size && memcmp(ask->head.root, at.root, 32) != 0))
			abort();
	} else if (why < SIGNING_ROLLBACK || why > SIGNING_FAILED) {
		abort();
	}
}

/* The slot that was taken is what would be written. */
static void
same_slot(struct sha256 *h, struct bytes in, const struct anchor *a)
{
	char slot[ANCHOR_SLOT];
	if (a->turn > 0 && (!anchor_write(h, a, slot, NULL) ||
			       memcmp(slot, in.data + anchor_place(a), sizeof(slot)) != 0))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = { data, size };
	struct signing_message m;
	struct anchor a;
	struct sha256 h;
	if (!sha256_init(&h, NULL))
		return 0;
	if (signing_parse(in, &m, NULL)) {
		again(in, &m);
		if (m.kind == SIGNING_ASK)
			judge(&h, &m.ask);
	}
	if (anchor_parse(&h, in, &a, NULL))
		same_slot(&h, in, &a);
	sha256_done(&h);
	return 0;
}

/* A signed note; its text as a checkpoint; the whole as a vkey. */
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
	struct bytes in = { data, size };
	struct arena a;
	struct sha256 h;
	struct note n;
	struct note_key key;
	struct note_seen seen[2];
	struct checkpoint c;
	static const char vkey[] =
	    "relto.example/broker-1+290ca5af+AUnuCEK9OzNumd04sCOBJZKDCDyjs1qj2Z1BL8E8cQSl";
	if (!sha256_init(&h, NULL))
		return 0;
	arena_init(&a, 1u << 20);
	any(note_key_parse(&h, in, &key, NULL));
	if (note_key_parse(&h, bytes_of(vkey), &key, NULL)) {
		struct checkpoint_trust trust = { .log = &key };
		any(checkpoint_open(&a, in, &trust, &c, NULL));
		if (note_parse(&a, in, &n, NULL)) {
			any(note_verify(&n, &key, 1, seen, NULL));
			any(checkpoint_parse(n.text, &c, NULL));
		}
	}
	arena_done(&a);
	sha256_done(&h);
	return 0;
}

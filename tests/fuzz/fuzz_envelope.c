/*
 * The parts of a report as a Publish or Deliver carries them (the input is that message's
 * encoding), and the same bytes as each part alone: they are refused, or hashed and verified
 * without harm; protobuf-c reads the same in them.
 */
#include "proto/arena.h"
#include "proto/envelope.h"
#include "proto/limits.h"
#include "proto/sha256.h"
#include "tests/lib/two_readers.h"

#include <openssl/evp.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nobody's key: the signature is never good, so nothing that verifies may come out. */
static void
verify(const struct envelope *v)
{
	static EVP_PKEY *key;
	struct err e;
	SCOPED(sha256_done) struct sha256 h = { 0 };
	if (key == NULL)
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (!sha256_init(&h, &e))
		abort();
	struct envelope_verifier by = { .hash = &h };
	struct envelope_signer who = { key, v->manifest.signer, v->manifest.originator };
	if (envelope_verify(&by, v, &who, &e))
		abort();
}

static void
try_parts(struct bytes in, struct arena *a)
{
	struct envelope_manifest m;
	struct envelope_routing r;
	struct envelope_notice n;
	struct seal s;
	struct envelope_portion p;
	int any = envelope_manifest_decode(in, a, &m, NULL);
	any += envelope_routing_decode(in, a, &r, NULL);
	any += envelope_notice_decode(in, a, &n, NULL);
	any += envelope_seal_decode(in, a, &s, NULL);
	any += envelope_portion_decode(in, (struct bytes){ NULL, 0 }, a, &p, NULL);
	if (any != 0 && in.len == 0)
		abort(); /* nothing is no part */
	for (unsigned t = PARTS_MANIFEST; t <= PARTS_PORTION_BODY; t++)
		if (two_readers_part((enum parts_type)t, in) == READERS_DIFFER)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(arena_done) struct arena a;
	struct msg m;
	struct envelope v;
	struct fault f;
	struct bytes in = bytes_from(data, size);
	arena_init(&a, 64 * size + LIMIT_ARENA_EXTRA);
	try_parts(in, &a);
	if (!msg_decode(in, &a, &m, &f, NULL))
		return 0;
	if (m.type == MSG_PUBLISH && envelope_open(&m.publish, &a, &v, &f, NULL))
		verify(&v);
	if (m.type == MSG_DELIVER && envelope_open_delivery(&m.deliver, &a, &v, &f, NULL))
		verify(&v);
	return 0;
}

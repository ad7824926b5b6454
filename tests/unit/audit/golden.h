/* golden.h - the three records, keys and names of the audit format's golden log, for tests. */
#pragma once
#include <openssl/evp.h>
#include <stdio.h>

#include "audit/log.h"
#include "audit/note.h"
#include "proto/arena.h"
#include "proto/sha256.h"

#define GOLDEN_LOG "relto.example/broker-1"
#define GOLDEN_WITNESS "relto.example/w/partner-a"
#define GOLDEN_TIME 1700000060u
#define GOLDEN_REASONS "0 release release atlas maritime\n1 withhold classification atlas -\n"

static inline void
golden_hash(struct sha256 *h, const char *text, uint8_t out[32])
{
	assert_true(sha256_of(h, bytes_of(text), out, NULL));
}

/* salt_i = H("relto-test-salt" || u16be i)[:16] */
static inline void
golden_salts(struct sha256 *h, uint8_t out[RECORD_SALTS])
{
	for (unsigned i = 1; i <= RECORD_SLOTS; i++) {
		uint8_t in[17] = "relto-test-salt", digest[32];
		put_u16(in + 15, (uint16_t)i);
		assert_true(sha256_of(h, bytes_from(in, sizeof(in)), digest, NULL));
		memcpy(out + (i - 1) * RECORD_SALT, digest, RECORD_SALT);
	}
}

/* Record j; the numbers that depend on the index are left to log_append (later) or written. */
static inline void
golden_record(struct sha256 *h, struct arena *a, uint8_t j, bool later, struct record *r)
{
	uint8_t salts[RECORD_SALTS], id[16], released[32], manifest[32], policy[32], facts[32],
	    leaf[32];
	memset(id, j, sizeof(id));
	golden_salts(h, salts);
	golden_hash(h, "released", released);
	golden_hash(h, "manifest", manifest);
	golden_hash(h, "policy", policy);
	golden_hash(h, "facts", facts);
	golden_hash(h, "leaf", leaf);
	struct slot_common common = { EVENT_DECISION, later ? 0 : 1700000000000000u + j,
		bytes_from(id, 16) };
	struct slot_release release = { bytes_of("NOR"), bytes_of("atlas@3"),
		bytes_of("ATLAS RESTRICTED//REL TO ATLAS"), released };
	struct slot_publication publication = { bytes_of("GBR"),
		bytes_of("spiffe://gbr.example/fusion-desk"), manifest,
		bytes_of("ATLAS SECRET//REL TO GBR, NOR"), later ? SLOT_LATER : j };
	struct slot_decision decision = { OUTCOME_REDACT, bytes_of(GOLDEN_REASONS), policy, facts,
		later ? SLOT_LATER : j };
	struct slot_hub hub = { bytes_of("hub-1"), 7, leaf, bytes_of("sync") };
	struct slot_person person = { bytes_of("CN=alice"), bytes_of("routine") };
	struct err e;
	assert_true(record_begin(r, a, salts, &e));
	assert_true(record_set_common(r, a, &common, &e));
	assert_true(record_set_release(r, a, &release, &e));
	assert_true(record_set_publication(r, a, &publication, &e));
	assert_true(record_set_decision(r, a, &decision, &e));
	assert_true(record_set_hub(r, a, &hub, &e));
	assert_true(record_set_person(r, a, &person, &e));
	if (!later) {
		put_u32(r->place, 8);
		put_u64(r->place + 4, j);
		RECORD_SLOT(r, 8)->value = bytes_from(r->place, 12);
	}
}

/* An Ed25519 key of the seed H(text). */
static inline EVP_PKEY *
golden_key(struct sha256 *h, const char *text)
{
	uint8_t seed[32];
	golden_hash(h, text, seed);
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
	assert_non_null(key);
	return key;
}

static inline void
golden_hex(const uint8_t *data, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", data[i]);
}

#define assert_hex(data, len, expected) \
	do { \
		char hex_[2 * 512 + 1]; \
		golden_hex(data, len, hex_); \
		assert_string_equal(hex_, expected); \
	} while (0)

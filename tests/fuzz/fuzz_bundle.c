/*
 * A file of record/ under a tree and a checkpoint that fit it, so that every rule about records is
 * reached.  First byte: 'p' for a party's bundle, 'f' for one that begins at record 1, 's' for one
 * record that commits to the contents given (make_intake), else the hub's.  The same bytes also as
 * the other files of a bundle.
 */
#include <assert.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "audit/verify.h"
#include "audit/wirefield.h"
#include "proto/arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Either answer is good. */
static void
any(bool answer)
{
	(void)answer;
}

enum { RECORDS = 200, PARTS = 5, INTAKE_S = 1780272000 };
#define AGENT "spiffe://gbr.example/fusion-desk"
/* the leaf hash of the one manifest in the corpus for which anybody has a signature */
static const char golden[] = "690bdbbc2f2f5bb57b7eb477d0d1907dddbe00fa9e176db1757ef197f2e6a95e";
static const enum bundle_dir kinds[PARTS] = { BUNDLE_POLICY, BUNDLE_MANIFEST, BUNDLE_SEAL,
	BUNDLE_CHAIN, BUNDLE_ANCHOR };

struct made {
	struct sha256 h;
	struct arena a;
	struct bytes records, about, note, report;
	struct bytes parts[PARTS]; /* of 's', by their paths */
	char paths[PARTS][BUNDLE_PATH_MAX];
	uint8_t digests[PARTS][32], manifest[32];
	struct log log;
	size_t count;
	uint8_t leaves[RECORDS][32];
};

static bool
read_file(void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	const struct made *m = ctx;
	struct bytes found = { NULL, 0 };
	for (size_t i = 0; i < PARTS; i++)
		if (strcmp(path, m->paths[i]) == 0)
			found = m->parts[i];
	if (found.data != NULL)
		return arena_copy(a, found, out, e);
	if (m->report.data != NULL && strncmp(path, "report/", 7) == 0)
		found = m->report;
	else if (strcmp(path, "record/000000") == 0 || strncmp(path, "report/", 7) == 0 ||
		 strncmp(path, "facts/", 6) == 0)
		found = m->records;
	else if (strcmp(path, "bundle") == 0)
		found = m->about;
	else if (strcmp(path, "checkpoint") == 0)
		found = m->note;
	else if (strncmp(path, "tile/0/", 7) == 0)
		found = bytes_from(m->leaves, m->count * 32);
	*out = (struct bytes){ NULL, 0 };
	return found.data == NULL || arena_copy(a, found, out, e);
}

/* The INTAKE of a report of GBR and its line in report/. */
static void
write_intake(struct made *m, struct record *r)
{
	char hex[BUNDLE_HEX_LEN + 1];
	assert(record_leaf(&m->h, r, m->leaves[0], NULL));
	size_t size = record_opening_size(r, 0x1fe);
	uint8_t *to = arena_alloc(&m->a, size + 4);
	assert(to != NULL);
	put_u32(to, (uint32_t)size);
	record_opening_write(r, 0x1fe, to + 4);
	m->records = bytes_from(to, size + 4);
	bundle_hex(m->digests[1], hex);
	m->report = bytes_of(arena_printf(&m->a, "0 %s %s -\n", hex, golden));
}

/* Policy, manifest, seal, chain, anchor, each after its length in two bytes. */
static void
make_intake(struct made *m, struct bytes in)
{
	static const uint8_t salts[RECORD_SALTS] = { 1 };
	struct cursor c = cursor_over(in);
	struct record r;
	struct body b;
	for (size_t i = 0; i < PARTS; i++) {
		m->parts[i] = cursor_take(&c, cursor_u16(&c));
		assert(sha256_of(&m->h, m->parts[i], m->digests[i], NULL));
		bundle_content_path(kinds[i], m->digests[i], m->paths[i]);
	}
	assert(merkle_leaf(&m->h, m->parts[1], m->manifest, NULL));
	struct wirefield f;
	struct bytes id = bytes_from(salts, 16);
	for (c = cursor_over(m->parts[1]); wirefield_next(&c, &f);)
		if (f.number == 2 && f.bytes.len == 16)
			id = f.bytes;
	struct slot_common common = { EVENT_INTAKE, (uint64_t)INTAKE_S * 1000000, id };
	struct slot_publication by = { bytes_of("GBR"), bytes_of(AGENT), m->manifest,
		bytes_of("ATLAS SECRET"), 0 };
	struct slot_decision d = { .policy = m->digests[0], .facts = salts, .link = SLOT_ABSENT };
	event_body_begin(&b, EVENT_INTAKE);
	event_body_bytes(&b, BODY_INTAKE_SEAL, bytes_from(m->digests[2], 32));
	event_body_bytes(&b, BODY_INTAKE_CHAIN, bytes_from(m->digests[3], 32));
	event_body_bytes(&b, BODY_INTAKE_ANCHORS, bytes_from(m->digests[4], 32));
	assert(record_begin(&r, &m->a, salts, NULL) &&
	       record_set_common(&r, &m->a, &common, NULL) &&
	       record_set_publication(&r, &m->a, &by, NULL) &&
	       record_set_decision(&r, &m->a, &d, NULL) && record_set_body(&r, &m->a, &b, NULL));
	write_intake(m, &r);
}

/* The leaf of every opening that parses; of others, zeros. */
static void
make_tree(struct made *m)
{
	struct cursor c = cursor_over(m->records);
	struct bytes opening;
	while (m->count < RECORDS && c.left != 0 && bundle_record_next(&c, &opening, NULL)) {
		struct record r;
		if (record_opening_parse(opening, &r, NULL))
			assert(record_leaf(&m->h, &r, m->leaves[m->count], NULL));
		assert(log_grow(&m->log, m->leaves[m->count++], NULL));
	}
	m->records.len -= c.left;
}

static void
run(struct made *m, uint8_t view)
{
	static const uint8_t seed[32] = { 1 };
	struct note_key key;
	struct note_name name = { bytes_of("hub.example/relto/g1"), NOTE_ED25519 };
	struct checkpoint c = { .origin = name.name, .size = m->count };
	struct bundle_about about = { .origin = name.name, .size = m->count };
	struct verify_result result;
	EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
	struct note_signer by = { pkey, &key, 0 };
	about.party = bytes_of(view == 'p' ? "NOR" : "");
	about.first = view == 'f';
	assert(note_key_of(&m->h, &name, pkey, &key, NULL));
	assert(merkle_root(&m->h, &m->log.tree, c.root, NULL));
	assert(checkpoint_sign(&m->a, &by, &c, &m->note, NULL));
	assert(bundle_about_write(&m->a, &about, &m->about, NULL));
	struct checkpoint_trust trust = { .log = &key };
	struct verify_ask ask = { .read = read_file, .ctx = m, .trust = &trust, .now_s = 1 };
	assert(verify_bundle(&m->h, &m->a, &ask, &result, NULL));
	assert(result.signed_by_log);
	char hex[BUNDLE_HEX_LEN + 1];
	bundle_hex(m->manifest, hex);
	assert(result.signed_reports == 0 || strcmp(hex, golden) == 0);
	EVP_PKEY_free(pkey);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct made *m = calloc(1, sizeof(*m));
	if (m == NULL || size == 0 || !sha256_init(&m->h, NULL)) {
		free(m);
		return 0;
	}
	struct bundle_about about;
	uint8_t heads[256][32];
	struct bundle_report line;
	unsigned level, width;
	uint64_t n;
	struct bytes in = { data, size };
	any(bundle_about_parse(in, &about, NULL));
	any(bundle_report_next(&in, heads, &line, NULL));
	any(tile_path_parse((struct bytes){ data, size }, &level, &n, &width, NULL));
	arena_init(&m->a, 256u << 20);
	log_init(&m->log, &m->h, (struct log_sink){ NULL, NULL });
	m->records = bytes_from(data + 1, size - 1);
	if (data[0] == 's')
		make_intake(m, m->records);
	make_tree(m);
	run(m, data[0]);
	arena_done(&m->a);
	sha256_done(&m->h);
	free(m);
	return 0;
}

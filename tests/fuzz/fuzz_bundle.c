/*
 * A file of record/ under a tree and a checkpoint that fit it, so that every rule about records is
 * reached.  First byte: 'p' for a party's bundle, 'f' for one that begins at record 1, else the
 * hub's.  The same bytes also as the other files of a bundle.
 */
#include <assert.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "audit/verify.h"
#include "proto/arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Either answer is good. */
static void
any(bool answer)
{
	(void)answer;
}

enum { RECORDS = 200 };

struct made {
	struct sha256 h;
	struct arena a;
	struct bytes records, about, note;
	struct log log;
	size_t count;
	uint8_t leaves[RECORDS][32];
};

static bool
read_file(void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	const struct made *m = ctx;
	struct bytes found = { NULL, 0 };
	if (strcmp(path, "record/000000") == 0 || strncmp(path, "report/", 7) == 0 ||
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
	make_tree(m);
	run(m, data[0]);
	arena_done(&m->a);
	sha256_done(&m->h);
	free(m);
	return 0;
}

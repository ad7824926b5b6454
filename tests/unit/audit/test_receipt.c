/* test_receipt.c - receipts: what they show, and that every changed byte of one is seen. */
#include "tests/lib/test.h"

#include "tests/unit/audit/cli_rig.h"

#include "audit/receipt.h"
#include "audit/view.h"

enum { INTAKE = 3, RELEASED = 4, DELIVERY = 6, ACK = 7, HEAD = 8 };

static unsigned
slots_for(struct small *s, uint64_t index, const char *party)
{
	struct record r;
	uint8_t leaf[32];
	struct viewer who = { bytes_of(party), false };
	assert_true(record_entry_parse(s->entries[index], &r, leaf, NULL));
	return view_slots(&r, &who);
}

/* The leaf hashes as subtrees. */
static bool
subtree(void *ctx, unsigned level, uint64_t n, uint8_t out[32], struct err *e)
{
	struct small *s = ctx;
	uint8_t left[32], right[32];
	if (level == 0) {
		memcpy(out, s->entries[n].data, 32);
		return true;
	}
	return subtree(ctx, level - 1, 2 * n, left, e) &&
	       subtree(ctx, level - 1, 2 * n + 1, right, e) &&
	       merkle_node(&s->h, left, right, out, e);
}

static struct bytes
opening_of(struct small *s, uint64_t index, unsigned mask)
{
	struct record r;
	uint8_t leaf[32];
	assert_true(record_entry_parse(s->entries[index], &r, leaf, NULL));
	assert_true(record_leaf(&s->h, &r, leaf, NULL));
	uint8_t *to = arena_alloc(&s->a, record_opening_size(&r, mask));
	record_opening_write(&r, mask, to);
	return bytes_from(to, record_opening_size(&r, mask));
}

static struct bytes
note_of(struct small *s)
{
	uint8_t root[32];
	assert_true(merkle_root(&s->h, &s->log.tree, root, NULL));
	return small_note(s, s->log.tree.leaf_count, root);
}

/* A receipt of the record with these slots open. */
static struct bytes
receipt_of(struct small *s, uint64_t index, unsigned mask)
{
	struct bytes out;
	struct merkle_source source = { &s->h, subtree, s };
	struct checkpoint_proof p = { .index = index, .note = note_of(s) };
	p.extra = opening_of(s, index, mask);
	assert_true(merkle_inclusion(&source, index, s->log.tree.leaf_count, &p.path, NULL));
	assert_true(checkpoint_proof_write(&s->a, &p, &out, NULL));
	return out;
}

static void
put(struct rig *g, const char *name, struct bytes data)
{
	char path[256];
	(void)snprintf(path, sizeof(path), "%s/%s", g->dir, name);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(data.data, 1, data.len, f), data.len);
	assert_int_equal(fclose(f), 0);
}

static enum err_code
opens(struct small *s, struct bytes file, struct receipt *out)
{
	struct err e = { 0 };
	struct receipt r;
	struct checkpoint_trust trust = { .log = &s->vkey };
	bool ok = receipt_open(&s->h, &s->a, file, &trust, &r, &e);
	if (ok && out != NULL)
		*out = r;
	return ok ? ERR_NONE : e.code;
}

static void
a_receipt_shows_its_record_to_whom_it_is_for(void **state)
{
	struct rig *g = *state;
	struct small *s = g->s;
	static const char *const parties[] = { "GBR", "NOR", "KEN" };
	struct receipt r;
	small_usual(s);
	for (uint64_t i = 0; i < s->log.tree.leaf_count; i++)
		for (size_t p = 0; p < 3; p++) {
			unsigned mask = slots_for(s, i, parties[p]);
			if (mask == 0 || i >= HEAD)
				continue;
			assert_int_equal(opens(s, receipt_of(s, i, mask), &r), ERR_NONE);
			assert_int_equal(r.index, i);
			assert_int_equal(receipt_slots(&r), mask);
			assert_true(receipt_is_for(&r, bytes_of(parties[p])));
			if (i != ACK || p != 1)
				assert_int_equal(mask & (p == 0 ? 0x160 : 0x78), 0);
			assert_false(receipt_is_for(&r, bytes_of("KEN")));
		}
}

static void
a_receipt_that_opens_more_or_less_is_nobodys(void **state)
{
	struct rig *g = *state;
	struct small *s = g->s;
	struct receipt r;
	small_usual(s);
	unsigned recipient = slots_for(s, DELIVERY, "NOR"),
		 publisher = slots_for(s, DELIVERY, "GBR");
	for (unsigned i = 2; i <= RECORD_SLOTS; i++) {
		assert_int_equal(
		    opens(s, receipt_of(s, DELIVERY, recipient ^ 1u << i), &r), ERR_NONE);
		assert_false(receipt_is_for(&r, bytes_of("NOR")));
		assert_int_equal(
		    opens(s, receipt_of(s, DELIVERY, publisher ^ 1u << i), &r), ERR_NONE);
		assert_false(receipt_is_for(&r, bytes_of("GBR")));
	}
	/* without slot 1 it says nothing at all */
	assert_int_equal(opens(s, receipt_of(s, DELIVERY, recipient ^ 2u), NULL), ERR_MALFORMED);
}

/* Of each line: no change of a byte is taken, and by what it is refused. */
static void
every_changed_byte_of_a_receipt_is_seen(void **state)
{
	struct rig *g = *state;
	struct small *s = g->s;
	small_usual(s);
	struct bytes file = receipt_of(s, DELIVERY, slots_for(s, DELIVERY, "NOR"));
	uint8_t *copy = arena_alloc(&s->a, file.len);
	unsigned line = 0, blanks = 0, seen[16] = { 0 }, length[16] = { 0 };
	for (size_t i = 0; i < file.len; i++) {
		memcpy(copy, file.data, file.len);
		copy[i] ^= 1;
		enum err_code code = opens(s, bytes_from(copy, file.len), NULL);
		assert_int_not_equal(code, ERR_NONE);
		bool signature = blanks > 0; /* of the checkpoint, text or lines */
		if (line == 0)
			assert_int_equal(code, ERR_MALFORMED);
		else if (code != ERR_MALFORMED)
			assert_int_equal(code, signature ? ERR_BAD_SIGNATURE : ERR_UNVERIFIED);
		length[line]++;
		seen[line] |= 1u << (code == ERR_MALFORMED) | 4u * (code != ERR_MALFORMED);
		if (file.data[i] == '\n') {
			blanks += i > 0 && file.data[i - 1] == '\n';
			line++;
		}
	}
	/* what each line protects was really reached */
	for (unsigned i = 1; i < line; i++)
		assert_true(length[i] == 1 || (seen[i] & 4) != 0);
	for (size_t i = 0; i < file.len; i++) /* nor is one that is cut */
		assert_int_not_equal(opens(s, bytes_from(file.data, i), NULL), ERR_NONE);
}

static void
a_receipt_is_refused_by_the_code_of_what_does_not_hold(void **state)
{
	struct rig *g = *state;
	struct small *s = g->s;
	char root[65];
	small_usual(s);
	struct bytes good = receipt_of(s, DELIVERY, slots_for(s, DELIVERY, "NOR")), text;
	put(g, "r", good);
	assert_int_equal(RUN(g, "receipt", "r", "--key", g->vkey), 0);
	says(g->out, "delivery     5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a to NOR under atlas@3");
	says(g->out, "the key of hub.example/relto/g1 signed a head of 10 records, root ");
	says(g->out, "record 6 of them is this one, unchanged\n  of it are open: 1, 2, 7, 8\n");
	says(g->out, "not shown:\n  what the closed slots say: 3, 4, 5, 6\n");
	says(g->out, "--report");
	/* 2: no opening; another kind of file */
	struct checkpoint_proof p;
	assert_true(checkpoint_proof_parse(&s->a, good, &p, NULL));
	struct checkpoint_proof bad = p;
	bad.extra.len = 0;
	assert_true(checkpoint_proof_write(&s->a, &bad, &text, NULL));
	put(g, "r", text);
	assert_int_equal(RUN(g, "receipt", "r", "--key", g->vkey), 2);
	says(g->errors, "it has no 'extra': nothing says what the record is");
	put(g, "r", bytes_of("c2sp.org/tlog-proof@v2\n"));
	assert_int_equal(RUN(g, "receipt", "r", "--key", g->vkey, "--json"), 2);
	says(g->out, "{\"exit\":2,\"finding\":\"proof: not a tlog-proof of version 1\"}\n");
	/* 3: another key, a quorum that is not there */
	put(g, "r", good);
	assert_int_equal(RUN(g, "receipt", "r", "--key",
			     "relto.example/broker-1+290ca5af+"
			     "AUnuCEK9OzNumd04sCOBJZKDCDyjs1qj2Z1BL8E8cQSl"),
	    3);
	assert_int_equal(RUN(g, "receipt", "r", "--key", g->vkey, "--quorum", "1", "--witness",
			     "relto.example/w/partner-a+942ebb65+"
			     "BJpGQwbRMJ0aPF5vc6dXOYi4J/+I4sqtY9usi0LE7l46"),
	    3);
	/* 4: another place, the proof of another record, the record of another proof */
	bad = p;
	bad.index = 7;
	assert_true(checkpoint_proof_write(&s->a, &bad, &text, NULL));
	put(g, "r", text);
	assert_int_equal(RUN(g, "receipt", "r", "--key", g->vkey), 4);
	says(g->errors, "the record is not in the tree of the checkpoint");
	bad.extra = opening_of(s, ACK, slots_for(s, ACK, "NOR"));
	bad.index = DELIVERY;
	assert_true(checkpoint_proof_write(&s->a, &bad, &text, NULL));
	put(g, "r", text);
	assert_int_equal(RUN(g, "receipt", "r", "--key", g->vkey), 4);
	/* what is right is told in JSON with the record */
	put(g, "r", good);
	assert_int_equal(RUN(g, "receipt", "r", "--key", g->vkey, "--json"), 0);
	says(g->out, "{\"exit\":0,\"origin\":\"hub.example/relto/g1\",\"size\":10,\"root\":\"");
	says(g->out, "\"record\":{\"index\":6,\"type\":\"delivery\",");
	says(g->out, "\"closed\":[3,4,5,6]");
	assert_int_equal(lines(g->out), 1);
	uint8_t hash[32];
	assert_true(merkle_root(&s->h, &s->log.tree, hash, NULL));
	golden_hex(hash, 32, root);
	says(g->out, root);
}

static void
a_witness_counts_and_bounds_the_time(void **state)
{
	struct rig *g = *state;
	struct small *s = g->s;
	struct note_name name = { bytes_of(GOLDEN_WITNESS), NOTE_COSIGNATURE };
	struct note_key vkey;
	char key[NOTE_VKEY_MAX];
	EVP_PKEY *secret = golden_key(&s->h, "relto test witness");
	assert_true(note_key_of(&s->h, &name, secret, &vkey, NULL));
	note_key_print(&vkey, key);
	small_usual(s);
	for (unsigned late = 0; late < 2; late++) {
		/* the record may be five minutes ahead of who signed, and no second more */
		uint64_t at = s->now / 1000000 - 300 - late;
		struct note_signer by = { secret, &vkey, at };
		struct checkpoint_proof p;
		struct bytes text;
		struct bytes plain = receipt_of(s, HEAD + 1, slots_for(s, HEAD + 1, "NOR"));
		assert_true(checkpoint_proof_parse(&s->a, plain, &p, NULL));
		assert_true(checkpoint_cosign(&s->a, &by, p.note, &p.note, NULL));
		assert_true(checkpoint_proof_write(&s->a, &p, &text, NULL));
		put(g, "r", text);
		int code =
		    RUN(g, "receipt", "r", "--key", g->vkey, "--witness", key, "--quorum", "1");
		assert_int_equal(code, late ? 9 : 0);
		says(late ? g->errors : g->out,
		    late ? "later than the signature of a witness" : "so did 1 witness\n");
	}
	EVP_PKEY_free(secret);
}

/* The folder of a report with these heads, "" for none. */
static void
save(struct rig *g, struct bytes manifest, const char *first, const char *second)
{
	char path[256];
	static const char *const names[] = { "report/00.head", "report/01.head" };
	const char *heads[] = { first, second };
	(void)snprintf(path, sizeof(path), "%s/report", g->dir);
	(void)mkdir(path, 0700);
	put(g, "report/manifest", manifest);
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", g->dir, names[i]);
		(void)unlink(path);
		if (heads[i][0] != '\0')
			put(g, names[i], bytes_of(heads[i]));
	}
}

static void
a_saved_report_is_the_one_of_the_receipt_or_none(void **state)
{
	struct rig *g = *state;
	struct small *s = g->s;
	small_usual(s);
	struct bytes manifest = { NULL, 0 };
	for (size_t i = 0; i < s->content_count; i++)
		if (s->dirs[i] == BUNDLE_MANIFEST)
			manifest = s->contents[i];
	put(g, "delivery", receipt_of(s, DELIVERY, slots_for(s, DELIVERY, "NOR")));
	put(g, "decision", receipt_of(s, RELEASED, slots_for(s, RELEASED, "GBR")));
	put(g, "intake", receipt_of(s, INTAKE, slots_for(s, INTAKE, "GBR")));
	put(g, "ack", receipt_of(s, ACK, slots_for(s, ACK, "NOR")));
	static const struct {
		const char *receipt, *first, *second, *says;
		int code;
		bool changed; /* the manifest */
	} cases[] = {
		{ "delivery", "head 0", "head 1", "its manifest and 2 portions", 0, false },
		{ "delivery", "head 1", "head 0", "its manifest and 2 portions", 0, false },
		{ "decision", "head 0", "head 1", "its manifest and 2 portions", 0, false },
		{ "intake", "head 0", "head 1", "the manifest in the folder is that", 0, false },
		{ "delivery", "head 0", "", "is not this manifest with these 1 portion", 6, false },
		{ "delivery", "head 0", "head 0", "is not this manifest", 6, false },
		{ "delivery", "head 0", "head 2", "a portion is none of the report's", 6, false },
		{ "delivery", "head 0", "head 1", "", 6, true },
		{ "decision", "head 0", "head 1", "is about another manifest", 6, true },
		{ "intake", "head 0", "head 1", "is about another manifest", 6, true },
		{ "ack", "head 0", "head 1", "(ack) does not say what was released", 1, false },
	};
	uint8_t *other = arena_alloc(&s->a, manifest.len);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		memcpy(other, manifest.data, manifest.len);
		other[manifest.len - 1] ^= cases[i].changed;
		save(g, bytes_from(other, manifest.len), cases[i].first, cases[i].second);
		int code =
		    RUN(g, "receipt", cases[i].receipt, "--key", g->vkey, "--report", "report");
		assert_int_equal(code, cases[i].code);
		says(code == 0 ? g->out : g->errors, cases[i].says);
	}
	assert_int_equal(RUN(g, "receipt", "delivery", "--key", g->vkey, "--report", "none"), 1);
	assert_int_equal(RUN(g, "receipt", "none", "--key", g->vkey), 1);
	says(g->errors, "'none': no such file");
}

/* PortionHead: body_length 5, body_digest 6; the body as "front" and "content". */
static void
a_content_is_the_one_of_its_head_or_none(void **state)
{
	struct rig *g = *state;
	struct small *s = g->s;
	uint8_t head[64], digest[32];
	size_t n = 0;
	struct err e = { 0 };
	assert_true(sha256_tagged(&s->h, 0x13, bytes_of("frontcontent"), digest, NULL));
	head[n++] = 5 << 3;
	head[n++] = 12;
	n += small_field(head + n, 6, digest, 32);
	struct bytes h = bytes_from(head, n), front = bytes_of("front");
	assert_true(receipt_body_matches(&s->h, h, front, bytes_of("content"), &e));
	assert_false(receipt_body_matches(&s->h, h, front, bytes_of("c0ntent"), &e));
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_false(receipt_body_matches(&s->h, h, front, bytes_of("contents"), &e));
	head[1] = 13; /* the length is another than the digest's */
	assert_false(receipt_body_matches(&s->h, h, front, bytes_of("content"), &e));
	assert_false(receipt_body_matches(&s->h, bytes_of("\xff"), front, bytes_of("content"), &e));
	says(e.text, "cannot be read");
}

static void
what_means_nothing_for_a_receipt_is_a_wrong_call(void **state)
{
	struct rig *g = *state;
	static const char *const more[][2] = { { "--state", "x" }, { "--evidence", "x" },
		{ "--party", "NOR" }, { "--from", "1" }, { "--max-age", "1d" } };
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(
		    RUN(g, "receipt", "r", "--key", g->vkey, more[i][0], more[i][1]), 1);
		says(g->errors, "receipt takes --key, --witness, --quorum, --report and --json");
	}
	assert_int_equal(RUN(g, "receipt", "r", "--key", g->vkey, "--strict"), 1);
	assert_int_equal(RUN(g, "receipt", "r", "s", "--key", g->vkey), 1);
	assert_int_equal(RUN(g, "receipt", "r", "--key", g->vkey, "--csv"), 1);
	assert_int_equal(RUN(g, "verify", "r", "--key", g->vkey, "--report", "x"), 1);
	says(g->errors, "--report is of `receipt`");
}

int
main(void)
{
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CLAIM(a_receipt_shows_its_record_to_whom_it_is_for),
		CLAIM(a_receipt_that_opens_more_or_less_is_nobodys),
		CLAIM(every_changed_byte_of_a_receipt_is_seen),
		CLAIM(a_receipt_is_refused_by_the_code_of_what_does_not_hold),
		CLAIM(a_witness_counts_and_bounds_the_time),
		CLAIM(a_saved_report_is_the_one_of_the_receipt_or_none),
		CLAIM(a_content_is_the_one_of_its_head_or_none),
		CLAIM(what_means_nothing_for_a_receipt_is_a_wrong_call),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

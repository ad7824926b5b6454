/*
 * small.h - a small log for tests, made with the code under test record by record, and its bundle
 * as files in memory.  Salts are all alike: nothing here is secret.
 */
#pragma once
#include "tests/unit/audit/golden.h"
#include "tests/unit/audit/small_signer.h"

#include "audit/bundle.h"
#include "audit/verify.h"

enum { SMALL_ENTRIES = 4096, SMALL_FILES = 4200, SMALL_CONTENTS = 2048 };

#define SMALL_MEMBER(name, may) "    member " name " {\n        may [ " may " ]\n    }\n"
enum { SMALL_WHOLE = 99 }; /* of a drop: the whole slot */

struct small_file {
	char path[BUNDLE_PATH_MAX];
	uint8_t *data;
	size_t len;
};
struct small {
	struct sha256 h;
	struct arena a;
	EVP_PKEY *key;
	struct note_key vkey;
	struct log log;
	uint64_t now, expires; /* µs; of the last report */
	struct bytes entries[SMALL_ENTRIES];
	struct merkle gbr, nor, ken;
	uint64_t head_of[3]; /* last PARTY_HEAD of each, SLOT_ABSENT */
	uint8_t policy[32], facts[32], manifest_leaf[32], manifest[32], routing[32], head[2][32];
	uint8_t commitments[2][32]; /* of the heads */
	uint8_t id[16];
	struct small_signer signer;
	struct bytes contents[SMALL_CONTENTS]; /* to put into the bundle, each once */
	enum bundle_dir dirs[SMALL_CONTENTS];
	size_t content_count;
	struct bundle_report lines[SMALL_ENTRIES]; /* of INTAKEs, by index */
	uint64_t intake;			   /* the last one's index */
	const char *members;			   /* blocks of who may do what under atlas */
	const char *banner, *agreements, *marking; /* of the next records */
	struct small_drop {
		unsigned slot, field; /* of the next record: this is left out; slot 0: nothing */
	} drop;
	const char *view; /* of the bundle made last: a party, or "" */
	uint64_t first;
	size_t file_count;
	struct small_file files[SMALL_FILES];
};

static inline struct small *
small_new(void)
{
	struct small *s = calloc(1, sizeof(*s));
	struct note_name name = { bytes_of("hub.example/relto/g1"), NOTE_ED25519 };
	assert_true(sha256_init(&s->h, NULL));
	arena_init(&s->a, (size_t)1 << 30);
	s->key = golden_key(&s->h, "relto test log");
	assert_true(note_key_of(&s->h, &name, s->key, &s->vkey, NULL));
	log_init(&s->log, &s->h, (struct log_sink){ NULL, NULL });
	s->now = (uint64_t)SMALL_START_S * 1000000;
	for (size_t i = 0; i < 3; i++)
		s->head_of[i] = SLOT_ABSENT;
	memset(s->id, 0x5a, sizeof(s->id));
	s->banner = s->marking = "ATLAS SECRET";
	s->agreements = "atlas@3";
	s->members = SMALL_MEMBER("GBR", "originate receive") SMALL_MEMBER("NOR", "receive");
	small_signer_make(&s->signer);
	return s;
}

static inline void
small_free(struct small *s)
{
	small_signer_done(&s->signer);
	EVP_PKEY_free(s->key);
	sha256_done(&s->h);
	arena_done(&s->a);
	free(s);
}

static inline struct merkle *
small_tree(struct small *s, const char *party)
{
	return strcmp(party, "GBR") == 0 ? &s->gbr : strcmp(party, "NOR") == 0 ? &s->nor : &s->ken;
}

static inline void
small_begin(struct small *s, struct record *r, enum event_type type, bool report)
{
	uint8_t salts[RECORD_SALTS];
	memset(salts, 7, sizeof(salts));
	struct slot_common common = { type, 0, bytes_from(s->id, report ? 16 : 0) };
	assert_true(record_begin(r, &s->a, salts, NULL));
	assert_true(record_set_common(r, &s->a, &common, NULL));
}

static inline void
small_by_hub(struct small *s, struct record *r)
{
	struct slot_hub hub = { bytes_of("hub-1"), SLOT_ABSENT, NULL, bytes_of("sync") };
	assert_true(record_set_hub(r, &s->a, &hub, NULL));
}

static inline void
small_body(struct small *s, struct record *r, struct body *b)
{
	struct err e;
	if (!record_set_body(r, &s->a, b, &e))
		fail_msg("%s", e.text);
}

/* The slot's value without one field. */
static inline struct bytes
small_without(struct small *s, struct bytes value, unsigned field)
{
	struct cursor c = cursor_over(value);
	uint8_t *to = arena_alloc(&s->a, value.len);
	size_t len = 0, said = 0;
	for (unsigned i = 1; c.left != 0; i++) {
		struct bytes v = cursor_take(&c, cursor_u32(&c));
		if (i == field)
			v.len = 0;
		put_u32(to + len, (uint32_t)v.len);
		if (v.len != 0)
			memcpy(to + len + 4, v.data, v.len);
		len += 4 + v.len;
		said += v.len;
	}
	return bytes_from(to, said == 0 ? 0 : len);
}

/* Leaves out what s->drop says; what log_append writes is the last field of its slot. */
static inline void
small_leave_out(struct small *s, struct record *r, const char **publisher, const char **recipient)
{
	struct small_drop d = s->drop;
	bool last = d.field == SMALL_WHOLE || d.field == 5;
	s->drop.slot = 0;
	if (d.slot == 0)
		return;
	if (d.slot == 8) {
		*recipient = NULL;
		return;
	}
	struct bytes *value = &RECORD_SLOT(r, d.slot)->value;
	*value = small_without(s, *value, d.field);
	if (d.field == SMALL_WHOLE)
		value->len = 0;
	uint8_t *end = (uint8_t *)(uintptr_t)(value->data + value->len) - 8;
	if (d.slot == 3) {
		r->publication = last ? NULL : end;
		*publisher = last ? NULL : *publisher;
	} else if (d.slot == 4 && r->link != NULL)
		r->link = last ? NULL : end;
	else if (d.slot == 1)
		r->time = (uint8_t *)(uintptr_t)(value->data + 9);
}

/* Appends and stores; gives the index. */
static inline uint64_t
small_add(
    struct small *s, struct record *r, const char *publisher, const char *recipient, uint64_t link)
{
	small_leave_out(s, r, &publisher, &recipient);
	struct log_in in = { .now = s->now++,
		.link = link,
		.publication = publisher == NULL ? NULL : small_tree(s, publisher),
		.place = recipient == NULL ? NULL : small_tree(s, recipient) };
	struct log_out out;
	struct err e;
	if (!log_append(&s->log, r, &in, &out, &e))
		fail_msg("%s", e.text);
	uint8_t *entry = arena_alloc(&s->a, record_entry_size(r));
	record_entry_write(r, out.leaf, entry);
	assert_true(out.index < SMALL_ENTRIES);
	s->entries[out.index] = bytes_from(entry, record_entry_size(r));
	return out.index;
}

static inline void
small_content(struct small *s, enum bundle_dir dir, struct bytes data, uint8_t digest[32])
{
	uint8_t *copy = arena_alloc(&s->a, data.len + 1);
	memcpy(copy, data.data, data.len);
	assert_true(sha256_of(&s->h, data, digest, NULL));
	for (size_t i = 0; i < s->content_count; i++)
		if (s->dirs[i] == dir && bytes_equal(s->contents[i], data))
			return;
	assert_true(s->content_count < SMALL_CONTENTS);
	s->contents[s->content_count] = bytes_from(copy, data.len);
	s->dirs[s->content_count++] = dir;
}

static inline uint64_t
small_tree_record(struct small *s, enum event_type type, enum body_field size, enum body_field root)
{
	struct record r;
	struct body b;
	uint8_t mine[32];
	assert_true(merkle_root(&s->h, &s->log.tree, mine, NULL));
	small_begin(s, &r, type, false);
	small_by_hub(s, &r);
	event_body_begin(&b, type);
	event_body_uint(&b, size, s->log.tree.leaf_count);
	event_body_bytes(&b, root, bytes_from(mine, 32));
	if (type == EVENT_START) {
		event_body_bytes(&b, BODY_START_VERSION, bytes_of("0.1.0"));
		event_body_bytes(&b, BODY_START_BOOT, bytes_of("b"));
		event_body_enum(&b, BODY_START_LAST, 1);
	} else
		event_body_bytes(&b, BODY_STOP_CAUSE, bytes_of("signal"));
	small_body(s, &r, &b);
	return small_add(s, &r, NULL, NULL, 0);
}

static inline uint64_t
small_start(struct small *s)
{
	return small_tree_record(s, EVENT_START, BODY_START_SIZE, BODY_START_ROOT);
}

static inline uint64_t
small_stop(struct small *s)
{
	return small_tree_record(s, EVENT_STOP, BODY_STOP_SIZE, BODY_STOP_ROOT);
}

static inline uint64_t
small_policy(struct small *s, const char *export)
{
	struct record r;
	struct body b;
	uint8_t before[32];
	char parties[1024];
	bool first = s->policy[0] == 0 && s->policy[1] == 0;
	memcpy(before, s->policy, 32);
	small_parties(&s->h, &s->signer, parties, sizeof(parties));
	char *text = arena_printf(
	    &s->a, "agreement atlas {\n%s    version 3\n}\n%s\n%s", s->members, export, parties);
	small_content(s, BUNDLE_POLICY, bytes_of(text), s->policy);
	small_begin(s, &r, EVENT_POLICY, false);
	small_by_hub(s, &r);
	event_body_begin(&b, EVENT_POLICY);
	event_body_bytes(&b, BODY_POLICY_DIGEST, bytes_from(s->policy, 32));
	if (!first)
		event_body_bytes(&b, BODY_POLICY_PREVIOUS, bytes_from(before, 32));
	event_body_enum(&b, BODY_POLICY_CAUSE, first ? 1 : 2);
	small_body(s, &r, &b);
	return small_add(s, &r, NULL, NULL, 0);
}

static inline void
small_commit(struct small *s, uint8_t tag, const char *data, uint8_t out[32])
{
	sha256_begin(&s->h);
	sha256_add(&s->h, bytes_from(&tag, 1));
	sha256_add(&s->h, bytes_from(s->id, 16));
	sha256_add(&s->h, bytes_of(data));
	assert_true(sha256_end(&s->h, out, NULL));
}

/* Manifest, routing, two heads, facts: what an INTAKE rests on. */
static inline void
small_report(struct small *s)
{
	uint8_t manifest[512], routing[32], notice[32] = { 1 }, facts[64] = { 0 }, signer[32];
	size_t n = 0;
	assert_true(sha256_of(&s->h, s->signer.by.named->der, signer, NULL));
	small_commit(s, 0x10, "routing", routing);
	small_commit(s, 0x11, "head 0", s->commitments[0]);
	small_commit(s, 0x11, "head 1", s->commitments[1]);
	n += small_field(manifest + n, 2, s->id, 16);
	n += small_field(manifest + n, 4, s->signer.by.agent, strlen(s->signer.by.agent));
	n += small_field(manifest + n, 5, signer, 32);
	n += small_field(manifest + n, 12, routing, 32);
	n += small_field(manifest + n, 13, notice, 32);
	n += small_field(manifest + n, 14, s->commitments[0], 32);
	n += small_field(manifest + n, 14, s->commitments[1], 32);
	assert_true(merkle_leaf(&s->h, bytes_from(manifest, n), s->manifest_leaf, NULL));
	small_content(s, BUNDLE_MANIFEST, bytes_from(manifest, n), s->manifest);
	small_content(s, BUNDLE_ROUTING, bytes_of("routing"), s->routing);
	small_content(s, BUNDLE_HEAD, bytes_of("head 0"), s->head[0]);
	small_content(s, BUNDLE_HEAD, bytes_of("head 1"), s->head[1]);
	/* time, accepted, expires: fields 6 to 8, varints; field 10: an agreement of this name */
	n = 0;
	s->expires = s->now; /* it was past when it was judged */
	for (unsigned f = 6; f <= 8; f++) {
		facts[n++] = (uint8_t)(f << 3);
		for (uint64_t v = s->now; v != 0 || n == 1; v >>= 7)
			facts[n++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
	}
	uint8_t name[16];
	n += small_field(facts + n, 10, name, small_field(name, 1, "atlas", 5));
	small_content(s, BUNDLE_FACTS, bytes_from(facts, n), s->facts);
}

static inline void
small_publication(struct small *s, struct record *r, bool whole)
{
	struct slot_publication p = { .party = bytes_of(s->signer.by.party), .index = SLOT_LATER };
	if (whole) {
		p.agent = bytes_of(s->signer.by.agent);
		p.manifest = s->manifest_leaf;
		p.banner = bytes_of(s->banner);
	}
	assert_true(record_set_publication(r, &s->a, &p, NULL));
}

static inline uint64_t
small_intake(struct small *s)
{
	struct record r;
	struct body b;
	uint8_t seal[32], chain[32], anchor[32], sealed[512];
	struct bytes made = s->signer.by.seal;
	if (made.data == NULL)
		made = bytes_from(sealed, small_seal(&s->h, &s->signer, s->manifest_leaf, sealed));
	struct slot_decision d = { (enum outcome)0, { NULL, 0 }, s->policy, s->facts, SLOT_ABSENT };
	small_content(s, BUNDLE_SEAL, made, seal);
	small_content(s, BUNDLE_CHAIN, s->signer.by.chain->der, chain);
	small_content(s, BUNDLE_ANCHOR, s->signer.by.anchor->der, anchor);
	small_begin(s, &r, EVENT_INTAKE, true);
	small_publication(s, &r, true);
	assert_true(record_set_decision(&r, &s->a, &d, NULL));
	small_by_hub(s, &r);
	struct slot_person person = { bytes_of("CN=alice"), { NULL, 0 } };
	assert_true(record_set_person(&r, &s->a, &person, NULL));
	event_body_begin(&b, EVENT_INTAKE);
	event_body_bytes(&b, BODY_INTAKE_SEAL, bytes_from(seal, 32));
	event_body_bytes(&b, BODY_INTAKE_CHAIN, bytes_from(chain, 32));
	event_body_bytes(&b, BODY_INTAKE_ANCHORS, bytes_from(anchor, 32));
	small_body(s, &r, &b);
	s->intake = small_add(s, &r, s->signer.by.party, NULL, 0);
	struct bundle_report *line = &s->lines[s->intake];
	uint8_t *heads = arena_alloc(&s->a, sizeof(s->head));
	memcpy(heads, s->head, sizeof(s->head));
	memcpy(line->manifest, s->manifest, 32);
	memcpy(line->routing, s->routing, 32);
	line->index = s->intake;
	line->head_count = 2;
	line->heads = (const uint8_t(*)[32])heads;
	return s->intake;
}

/* What a decision that releases 'portions' (bit 0, bit 1) names. */
static inline void
small_released(struct small *s, unsigned portions, uint8_t out[32])
{
	uint8_t chosen[2][32];
	struct record_release what = { s->manifest_leaf, chosen, 0 };
	for (unsigned i = 0; i < 2; i++)
		if (portions >> i & 1)
			memcpy(chosen[what.count++], s->commitments[i], 32);
	assert_true(record_released(&s->h, &what, out, NULL));
}

struct small_decision {
	enum event_type type; /* DECISION, NARROWED */
	const char *recipients;
	enum outcome outcome;
	const char *reasons;
	unsigned released; /* portions; 0: no digest */
	uint64_t link;
	const char *place; /* of a NARROWED */
};

static inline uint64_t
small_decide(struct small *s, const struct small_decision *v)
{
	struct record r;
	uint8_t *released = arena_alloc(&s->a, 32);
	small_released(s, v->released, released);
	struct slot_release release = { bytes_of(v->recipients),
		bytes_of(v->released ? s->agreements : ""), bytes_of(v->released ? s->marking : ""),
		v->released ? released : NULL };
	struct slot_decision d = { v->outcome, bytes_of(v->reasons), s->policy, s->facts, v->link };
	small_begin(s, &r, v->type, true);
	small_publication(s, &r, true);
	assert_true(record_set_release(&r, &s->a, &release, NULL));
	assert_true(record_set_decision(&r, &s->a, &d, NULL));
	small_by_hub(s, &r);
	return small_add(s, &r, s->signer.by.party, v->place, v->link);
}

static inline uint64_t
small_deliver(struct small *s, const char *recipient, uint64_t link, unsigned portions)
{
	struct record r;
	struct body b;
	uint8_t released[32];
	struct record intake;
	struct slot_common common = { 0 };
	small_released(s, portions, released);
	assert_true(record_entry_parse(s->entries[s->intake], &intake, (uint8_t[32]){ 0 }, NULL));
	assert_true(slot_get_common(RECORD_SLOT(&intake, 1)->value, &common, NULL));
	struct slot_release release = { bytes_of(recipient), bytes_of(s->agreements),
		bytes_of(s->marking), released };
	struct slot_decision d = { .link = SLOT_LATER };
	small_begin(s, &r, EVENT_DELIVERY, true);
	small_publication(s, &r, false);
	assert_true(record_set_release(&r, &s->a, &release, NULL));
	assert_true(record_set_decision(&r, &s->a, &d, NULL));
	small_by_hub(s, &r);
	event_body_begin(&b, EVENT_DELIVERY);
	event_body_uint(&b, BODY_DELIVERY_ACCEPTED, common.time);
	small_body(s, &r, &b);
	return small_add(s, &r, "GBR", recipient, link);
}

static inline uint64_t
small_ack(struct small *s, const char *recipient, uint64_t delivery)
{
	struct record r;
	struct body b;
	uint8_t index[8];
	put_u64(index, delivery);
	struct slot_release release = { .recipient = bytes_of(recipient) };
	small_begin(s, &r, EVENT_ACK, false);
	small_publication(s, &r, false);
	assert_true(record_set_release(&r, &s->a, &release, NULL));
	small_by_hub(s, &r);
	event_body_begin(&b, EVENT_ACK);
	event_body_bytes(&b, BODY_ACK_DELIVERIES, bytes_from(index, 8));
	small_body(s, &r, &b);
	return small_add(s, &r, "GBR", recipient, 0);
}

/* A client's word of the tree of 'size' records with this root. */
static inline uint64_t
small_attest(struct small *s, const char *party, uint64_t size, const uint8_t root[32])
{
	struct record r;
	struct body b;
	struct slot_release release = { .recipient = bytes_of(party) };
	small_begin(s, &r, EVENT_ACK, false);
	assert_true(record_set_release(&r, &s->a, &release, NULL));
	small_by_hub(s, &r);
	event_body_begin(&b, EVENT_ACK);
	event_body_uint(&b, BODY_ACK_SIZE, size);
	event_body_bytes(&b, BODY_ACK_ROOT, bytes_from(root, 32));
	event_body_bytes(&b, BODY_ACK_CERTIFICATE, bytes_from(s->policy, 32));
	event_body_bytes(&b, BODY_ACK_SIGNATURE, bytes_of("signature"));
	small_body(s, &r, &b);
	return small_add(s, &r, NULL, NULL, 0);
}

/* 'place': whose tree it stands in through slot 8, or NULL. */
static inline uint64_t
small_expire(struct small *s, const char *recipient, uint64_t decision, const char *place)
{
	struct record r;
	struct body b;
	struct slot_release release = { .recipient = bytes_of(recipient) };
	small_begin(s, &r, EVENT_EXPIRE, true);
	small_publication(s, &r, false);
	assert_true(record_set_release(&r, &s->a, &release, NULL));
	small_by_hub(s, &r);
	event_body_begin(&b, EVENT_EXPIRE);
	event_body_uint(&b, BODY_EXPIRE_EXPIRY, s->expires);
	event_body_uint(&b, BODY_EXPIRE_DECISION, decision);
	small_body(s, &r, &b);
	return small_add(s, &r, "GBR", place, 0);
}

static inline uint64_t
small_agreement(struct small *s, const char *party)
{
	struct record r;
	struct body b;
	uint8_t terms[32];
	small_content(s, BUNDLE_POLICY, bytes_of("agreement atlas {\n    version 3\n}\n"), terms);
	small_begin(s, &r, EVENT_AGREEMENT, false);
	event_body_begin(&b, EVENT_AGREEMENT);
	event_body_bytes(&b, BODY_AGREEMENT_PARTY, bytes_of(party));
	event_body_bytes(&b, BODY_AGREEMENT_NAME, bytes_of("atlas"));
	event_body_uint(&b, BODY_AGREEMENT_VERSION, 3);
	event_body_bytes(&b, BODY_AGREEMENT_TERMS, bytes_from(terms, 32));
	event_body_enum(&b, BODY_AGREEMENT_STATE, 2);
	event_body_enum(&b, BODY_AGREEMENT_SUSPENDED, 1);
	small_body(s, &r, &b);
	return small_add(s, &r, NULL, party, 0);
}

static inline uint64_t
small_key(struct small *s, const char *party)
{
	struct record r;
	struct body b;
	char vkey[NOTE_VKEY_MAX];
	note_key_print(&s->vkey, vkey);
	small_begin(s, &r, EVENT_KEY, false);
	event_body_begin(&b, EVENT_KEY);
	event_body_bytes(&b, BODY_KEY_PARTY, bytes_of(party));
	event_body_enum(&b, BODY_KEY_PURPOSE, 1);
	event_body_enum(&b, BODY_KEY_ACT, 1);
	event_body_bytes(&b, BODY_KEY_KEY, bytes_of(vkey));
	small_body(s, &r, &b);
	return small_add(s, &r, NULL, party, 0);
}

/* With 'size' other than SLOT_ABSENT it states that size instead of the true one. */
static inline uint64_t
small_head_of(struct small *s, const char *party, uint64_t size, bool forget)
{
	struct record r;
	struct body b;
	uint8_t root[32];
	struct merkle *tree = small_tree(s, party);
	uint64_t *last = &s->head_of[tree == &s->gbr ? 0 : tree == &s->nor ? 1 : 2];
	assert_true(merkle_root(&s->h, tree, root, NULL));
	small_begin(s, &r, EVENT_PARTY_HEAD, false);
	small_by_hub(s, &r);
	event_body_begin(&b, EVENT_PARTY_HEAD);
	event_body_bytes(&b, BODY_PARTY_HEAD_PARTY, bytes_of(party));
	event_body_uint(&b, BODY_PARTY_HEAD_SIZE, size == SLOT_ABSENT ? tree->leaf_count : size);
	event_body_bytes(&b, BODY_PARTY_HEAD_ROOT, bytes_from(root, 32));
	if (*last != SLOT_ABSENT && !forget)
		event_body_uint(&b, BODY_PARTY_HEAD_PREVIOUS, *last);
	small_body(s, &r, &b);
	*last = small_add(s, &r, NULL, NULL, 0);
	return *last;
}

static inline uint64_t
small_head(struct small *s, const char *party)
{
	return small_head_of(s, party, SLOT_ABSENT, false);
}

#define SMALL_RELEASE "0 release release atlas maritime\n1 release release atlas maritime\n"
#define SMALL_REDACT "0 release release atlas maritime\n1 withhold forbidden atlas no\n"
#define SMALL_WITHHOLD "0 withhold no-rule atlas -\n1 withhold no-rule atlas -\n"
#define SMALL_HOLD "0 hold review atlas flash\n1 hold review atlas flash\n"

/* 0 START, 1 POLICY, 2 AGREEMENT of NOR, 3 INTAKE, 4 release to NOR, 5 withheld from KEN,
 * 6 DELIVERY, 7 ACK, 8 and 9 PARTY_HEADs of GBR and NOR. */
static inline void
small_usual(struct small *s)
{
	small_start(s);
	small_policy(s, "policy\n    spif SHA256 "
			"0000000000000000000000000000000000000000000000000000000000000000\n");
	small_agreement(s, "NOR");
	small_report(s);
	uint64_t intake = small_intake(s);
	struct small_decision yes = { EVENT_DECISION, "NOR", OUTCOME_RELEASE, SMALL_RELEASE, 3,
		intake, NULL };
	struct small_decision no = { EVENT_DECISION, "KEN", OUTCOME_WITHHOLD, SMALL_WITHHOLD, 0,
		intake, NULL };
	uint64_t released = small_decide(s, &yes);
	small_decide(s, &no);
	small_ack(s, "NOR", small_deliver(s, "NOR", released, 3));
	small_head(s, "GBR");
	small_head(s, "NOR");
}

/* The golden wire report, made by other code from the specification (tests/vectors/golden). */
#include "proto/arena.h"
#include "proto/envelope.h"
#include "proto/frame.h"
#include "proto/sha256.h"
#include "tests/lib/test.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static uint8_t space[1 << 20];
static size_t taken;

/* A file of the golden wire report; it stays in 'space'. */
static struct bytes
golden(const char *name)
{
	char path[512];
	(void)snprintf(path, sizeof(path), "%s/tests/vectors/golden/%s%s", RELTO_SOURCE,
	    strncmp(name, "wire-2/", 7) == 0 ? "" : "wire/", name);
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		fail_msg("%s cannot be read", path);
	size_t n = fread(space + taken, 1, sizeof(space) - taken, f);
	(void)fclose(f);
	assert_true(n != 0 && n < sizeof(space) - taken);
	struct bytes out = bytes_from(space + taken, n);
	taken += n;
	return out;
}

struct rig {
	struct arena arena;
	struct sha256 hash;
	X509 *leaf;
	uint8_t leaf_digest[32];
	struct envelope_signer who;
	struct envelope_verifier by;
};

static int
setup(void **state)
{
	static struct rig r;
	struct err e;
	taken = 0;
	arena_init(&r.arena, 1 << 20);
	assert_true(sha256_init(&r.hash, &e));
	struct bytes pem = golden("leaf.pem");
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	r.leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_non_null(r.leaf);
	unsigned n = 0;
	assert_int_equal(X509_digest(r.leaf, EVP_sha256(), r.leaf_digest, &n), 1);
	r.who = (struct envelope_signer){ X509_get0_pubkey(r.leaf),
		bytes_from(r.leaf_digest, sizeof(r.leaf_digest)),
		bytes_of("spiffe://gbr.example/fusion-desk") };
	r.by = (struct envelope_verifier){ .hash = &r.hash };
	*state = &r;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;
	X509_free(r->leaf);
	sha256_done(&r->hash);
	arena_done(&r->arena);
	return 0;
}

static void
same_as(struct bytes got, const char *file)
{
	struct bytes want = golden(file);
	if (!bytes_equal(got, want))
		fail_msg("not what %s holds", file);
}

static void
decoded(struct rig *r, const char *file, struct msg *m)
{
	struct err e;
	struct fault f;
	struct bytes again;
	struct bytes in = golden(file);
	if (!msg_decode(in, &r->arena, m, &f, &e))
		fail_msg("%s: %s (%s)", file, e.text, f.field);
	if (!msg_encode(m, &r->arena, &again, &e))
		fail_msg("%s: %s", file, e.text);
	same_as(again, file);
}

static void
opened(struct rig *r, struct msg *m, struct envelope *v)
{
	struct err e;
	struct fault f;
	decoded(r, "publish.bin", m);
	assert_int_equal(m->type, MSG_PUBLISH);
	if (!envelope_open(&m->publish, &r->arena, v, &f, &e))
		fail_msg("%s (%s)", e.text, f.field);
}

static void
the_publication_says_what_its_inputs_say(void **state)
{
	struct rig *r = *state;
	struct msg m;
	struct envelope v;
	opened(r, &m, &v);
	assert_int_equal(m.request, 7);
	same_as(v.manifest_bytes, "manifest.bin");
	same_as(v.routing_bytes, "routing.bin");
	same_as(v.seal_bytes, "seal.bin");
	same_as(v.seal.signature, "signature.bin");
	assert_false(v.has_notice);
	assert_true(bytes_is(v.manifest.hub, "spiffe://hub.example/broker"));
	assert_true(bytes_is(v.manifest.topic, "maritime.piracy"));
	assert_int_equal(v.manifest.precedence, PRECEDENCE_PRIORITY);
	assert_int_equal(v.manifest.mode, MODE_LIVE);
	assert_int_equal(v.manifest.created, 1780272000000);
	assert_int_equal(v.manifest.expires, 1782864000000);
	assert_int_equal(v.routing.agreement_count, 1);
	assert_true(bytes_is(v.routing.agreements[0].name, "atlas"));
	assert_true(v.routing.has_only_to && v.routing.only_to.count == 2);
	assert_true(bytes_is(v.routing.only_to.items[0], "KEN"));
	assert_int_equal(v.routing.sources.count, 1);
	assert_true(v.routing.backfill);
	assert_int_equal(v.seal.place, 45);
	assert_int_equal(v.portion_count, 3);
	same_as(v.portions[0].head_bytes, "head-0.bin");
	same_as(v.portions[2].body_bytes, "body-2.bin");
	assert_int_equal(v.portions[0].order, 3790939310151156551);
	assert_int_equal(v.portions[0].label_count, 2);
	const struct raw_label *l = &v.portions[0].labels[0];
	assert_true(bytes_is(l->vocabulary, "ATLAS") && bytes_is(l->classification, "SECRET"));
	assert_true(bytes_is(l->categories[0].name, "Releasable To"));
	assert_true(bytes_is(l->categories[0].values.items[1], "NOR"));
	assert_true(bytes_is(v.portions[0].title, "Skiff sighted \xe2\x80\x93 Gulf of Guinea"));
}

static void
its_signature_and_every_commitment_hold(void **state)
{
	struct rig *r = *state;
	struct msg m;
	struct envelope v;
	struct err e;
	uint8_t root[32], message[SEAL_MESSAGE_MAX];
	opened(r, &m, &v);
	assert_true(envelope_leaf(&r->hash, v.manifest_bytes, root, &e));
	assert_true(seal_root(&r->hash, root, &v.seal, root, &e));
	same_as(bytes_from(root, 32), "root.bin");
	same_as(bytes_from(message, seal_message(root, message)), "signed.bin");
	if (!envelope_verify(&r->by, &v, &r->who, &e))
		fail_msg("%s", e.text);
}

static void
what_a_recipient_is_given_verifies_by_itself(void **state)
{
	struct rig *r = *state;
	struct msg m;
	struct envelope v;
	struct err e;
	struct fault f;
	decoded(r, "deliver.bin", &m);
	if (!envelope_open_delivery(&m.deliver, &r->arena, &v, &f, &e))
		fail_msg("%s (%s)", e.text, f.field);
	assert_int_equal(v.portion_count, 1);
	struct envelope_times t = { m.deliver.accepted, m.deliver.accepted / 1000 };
	if (!envelope_verify_delivery(&r->by, &v, &r->who, &t, &e))
		fail_msg("%s", e.text);
	struct bytes chain = golden("chain.der");
	struct names whole = { &chain,
		1 }; /* the digest is over the certificates one after the other */
	uint8_t digest[32];
	assert_true(envelope_chain_digest(&r->hash, &whole, digest, &e));
	assert_true(bytes_equal(m.deliver.chain, bytes_from(digest, 32)));
}

static void
the_messages_of_version_2_say_what_their_inputs_say(void **state)
{
	struct rig *r = *state;
	struct msg m;
	decoded(r, "wire-2/holds.bin", &m);
	assert_int_equal(m.request, 3);
	assert_int_equal(m.holds.count, 16);
	assert_int_equal(m.holds.from.data[1], 0x9f);
	decoded(r, "wire-2/decide.bin", &m);
	assert_int_equal(m.decide.answer, MSG_APPROVE);
	assert_int_equal(m.decide.portions.count, 3);
	assert_int_equal(m.decide.portions.items[2], 255);
	assert_int_equal(m.decide.because.data[0], 's');
	decoded(r, "wire-2/subscribe.bin", &m);
	assert_true(m.subscribe.proof);
	assert_int_equal(msg_needs(&m), 2);
	decoded(r, "wire-2/deliver.bin", &m);
	assert_true(m.deliver.has_proof);
	assert_int_equal(m.deliver.proof.index, 17);
	assert_int_equal(m.deliver.proof.inclusion.count, 1);
	assert_int_equal(m.deliver.evidence.party_index, 9);
	assert_true(memcmp(m.deliver.checkpoint.data, "hub.example", 11) == 0);
	decoded(r, "wire-2/prove.bin", &m);
	assert_int_equal(m.prove.report.data[3], 0x7a);
	assert_int_equal(m.prove.from, 17);
	decoded(r, "wire-2/proof_list.bin", &m);
	assert_int_equal(m.proof_list.proof_count, 1);
	assert_int_equal(m.proof_list.proofs[0].index, 17);
	assert_int_equal(m.proof_list.proofs[0].opening.len, 6);
	assert_int_equal(m.proof_list.proofs[0].inclusion.items[1].data[31], 0x22);
	assert_int_equal(m.proof_list.next, 18);
	assert_true(memcmp(m.proof_list.checkpoint.data, "hub.example", 11) == 0);
	decoded(r, "wire-2/decided.bin", &m);
	assert_int_equal(m.decided.portions.items[1], 2);
	decoded(r, "wire-2/hold_list.bin", &m);
	assert_int_equal(m.hold_list.hold_count, 3);
	assert_int_equal(m.hold_list.next.data[0], 0x30);
	const struct msg_hold *h = m.hold_list.holds;
	assert_int_equal(h[0].kind, OBLIGATION_REVIEW);
	assert_true(bytes_is(h[0].rule, "flash-review") && h[0].own);
	assert_int_equal(h[0].portion_count, 2);
	assert_int_equal(h[0].portions[0].size, 1547);
	assert_int_equal(h[1].kind, OBLIGATION_SIGNER);
	assert_int_equal(h[0].mode, MODE_LIVE);
	assert_int_equal(h[1].mode, MODE_EXERCISE);
	assert_int_equal(h[2].mode, MODE_EXERCISE);
	assert_int_equal(h[2].kind, OBLIGATION_CONSENT);
	assert_int_equal(h[2].source.len, 16);
	assert_int_equal(h[2].report.len + h[2].agreement.len + h[2].portion_count, 0);
}

static void
what_clients_say_of_mailboxes_notices_and_upkeep_says_what_its_inputs_say(void **state)
{
	struct rig *r = *state;
	struct msg m;
	decoded(r, "wire-2/recall_answer.bin", &m);
	assert_int_equal(m.recall_answer.report.data[15], 0x06);
	assert_true(bytes_is(m.recall_answer.answer, "retained-legal"));
	decoded(r, "wire-2/backup.bin", &m);
	assert_true(bytes_is(m.backup.name, "night-1"));
	decoded(r, "wire-2/erase.bin", &m);
	assert_int_equal(m.erase.records.count, 4);
	assert_int_equal(m.erase.records.items[3], 70000);
	assert_true(bytes_is(m.erase.because, "erasure request 7; L\xc3\xb6schung"));
	decoded(r, "wire-2/nack.bin", &m);
	assert_int_equal(m.nack.subscription, 3);
	assert_int_equal(m.nack.deliveries.items[1], 300);
	assert_int_equal(m.nack.delay_ms, 86400000);
	decoded(r, "wire-2/subscriptions.bin", &m);
	assert_int_equal(m.subscriptions.act, MSG_SUBSCRIPTION_DELETE);
	assert_true(bytes_is(m.subscriptions.name, "cyber") && m.subscriptions.exercise);
	decoded(r, "wire-2/dead_letters.bin", &m);
	assert_int_equal(m.dead_letters.act, MSG_DEAD_RETRY);
	assert_true(bytes_is(m.dead_letters.party, "NOR") && m.dead_letters.all);
	assert_int_equal(m.dead_letters.report.len, 16);
	decoded(r, "wire-2/feedback.bin", &m);
	assert_true(bytes_is(m.feedback.code, "sighted"));
	assert_int_equal(m.feedback.sighted, 1780315200000000);
	decoded(r, "wire-2/recall_status.bin", &m);
	assert_int_equal(m.recall_status.report.data[3], 0x7a);
	decoded(r, "wire-2/sessions.bin", &m);
	assert_int_equal(m.sessions.from, 4096);
	decoded(r, "wire-2/drain.bin", &m);
	assert_int_equal(m.type, MSG_DRAIN);
	decoded(r, "wire-2/feedback_status.bin", &m);
	assert_true(bytes_is(m.feedback_status.from, "NOR"));
	assert_int_equal(m.feedback_status.report.data[15], 0x06);
}

static void
what_the_broker_says_of_mailboxes_and_upkeep_says_what_its_inputs_say(void **state)
{
	struct rig *r = *state;
	struct msg m;
	decoded(r, "wire-2/progress.bin", &m);
	assert_int_equal(m.progress.done, 1048576);
	assert_int_equal(m.progress.total, 4294967296);
	decoded(r, "wire-2/subscription_list.bin", &m);
	assert_int_equal(m.subscription_list.subscription_count, 2);
	assert_int_equal(m.subscription_list.subscriptions[0].waiting, 2);
	assert_true(bytes_is(m.subscription_list.subscriptions[1].topic, "cyber.*"));
	assert_int_equal(m.subscription_list.subscriptions[1].mode, MODE_EXERCISE);
	assert_true(m.subscription_list.more);
	decoded(r, "wire-2/dead_letter_list.bin", &m);
	assert_int_equal(m.dead_letter_list.letter_count, 2);
	const struct msg_dead_letter *d = m.dead_letter_list.letters;
	assert_true(bytes_is(d[0].publisher, "GBR") && bytes_is(d[0].reason, "max-deliveries"));
	assert_int_equal(d[0].attempts, 16);
	assert_int_equal(d[0].precedence, PRECEDENCE_FLASH);
	assert_int_equal(d[1].publisher.len + d[1].report.len + d[1].subscription.len, 0);
	assert_int_equal(d[1].time, 1780315200000002);
	assert_int_equal(m.dead_letter_list.next, 9);
}

static void
what_the_broker_says_of_recalls_and_feedback_says_what_its_inputs_say(void **state)
{
	struct rig *r = *state;
	struct msg m;
	decoded(r, "wire-2/recall_status_reply.bin", &m);
	const struct msg_recall_status_reply *s = &m.recall_status_reply;
	assert_true(bytes_is(s->topic, "maritime.piracy") && bytes_is(s->reason, "wrong-label"));
	assert_int_equal(s->notice.data[15], 0xff);
	assert_int_equal(s->precedence, PRECEDENCE_PRIORITY);
	assert_int_equal(s->recipient_count, 2);
	assert_true(s->recipients[0].withdrawn && !s->recipients[1].withdrawn);
	assert_true(bytes_is(s->recipients[1].answer, "destroyed"));
	assert_int_equal(s->recipients[1].answered, 1780315200000005);
	assert_false(s->more);
	decoded(r, "wire-2/feedback_status_reply.bin", &m);
	const struct msg_feedback_status_reply *f = &m.feedback_status_reply;
	assert_int_equal(f->recipient_count, 2);
	assert_true(bytes_is(f->recipients[0].said[0].code, "refuted"));
	assert_int_equal(f->recipients[1].count, 17);
	assert_int_equal(f->recipients[1].said_count, 2);
	assert_int_equal(f->recipients[1].said[1].time, 1780315200000008);
	assert_int_equal(f->recipients[1].said[1].sighted, 1780315100000000);
	assert_true(bytes_is(f->next, "NOR"));
}

static void
both_framings_give_the_same_message(void **state)
{
	struct rig *r = *state;
	struct err e;
	(void)r;
	for (int i = 0; i < 2; i++) {
		SCOPED(frame_lanes_done) struct frame_lanes l;
		frame_lanes_init(&l, LIMIT_MESSAGE_BYTES, LIMIT_MESSAGE_BYTES);
		struct bytes rest = golden(i == 0 ? "publish.frames" : "publish-split.frames");
		struct bytes message = { NULL, 0 };
		while (rest.len != 0) {
			struct frame f;
			assert_int_equal(
			    frame_scan(rest, LIMIT_FRAME_BYTES, &f, NULL, &e), FRAME_WHOLE);
			assert_int_equal(f.lane, 1);
			assert_true(frame_lanes_take(&l, &f, &message, &e));
			rest = bytes_from(rest.data + f.size, rest.len - f.size);
		}
		same_as(message, "publish.bin");
	}
}

static void
the_facts_come_back_byte_for_byte(void **state)
{
	struct rig *r = *state;
	struct facts f;
	struct err e;
	struct bytes in = golden("facts.bin"), again;
	if (!facts_decode(in, &r->arena, &f, &e))
		fail_msg("%s", e.text);
	assert_true(bytes_is(f.originator, "GBR"));
	assert_int_equal(f.time, 1780272000250123);
	assert_true(f.has_only_to && f.only_to.count == 2);
	assert_true(f.agreement_count == 1 && f.agreements[0].has_terms);
	assert_int_equal(f.portion_count, 3);
	assert_true(facts_encode(&f, in.data + 2, &r->arena, &again, &e));
	same_as(again, "facts.bin");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    the_publication_says_what_its_inputs_say, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    its_signature_and_every_commitment_hold, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_a_recipient_is_given_verifies_by_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    the_messages_of_version_2_say_what_their_inputs_say, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_clients_say_of_mailboxes_notices_and_upkeep_says_what_its_inputs_say,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_the_broker_says_of_mailboxes_and_upkeep_says_what_its_inputs_say, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    what_the_broker_says_of_recalls_and_feedback_says_what_its_inputs_say, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    both_framings_give_the_same_message, setup, teardown),
		cmocka_unit_test_setup_teardown(the_facts_come_back_byte_for_byte, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

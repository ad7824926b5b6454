/*
 * bundle.c - a bundle of many records as `relto audit pull` writes one for the hub's auditor, made
 * at once: reports with manifests, routing, heads, facts and seals, their records, party heads, a
 * signed checkpoint.  The same bytes in every run.
 *     bundle FOLDER [--records N] [--recipients K] [--signed-alone] [--bare]
 * FOLDER must not be there.  --signed-alone: a signature for each report, not for 64; --bare:
 * without the contents of reports.  Prints a JSON object of what it made.
 */
#include "bench/bundle_report.h"

#include "audit/bundle.h"
#include "audit/checkpoint.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADS_EVERY = 2048, START_S = 1780315200, STEP_US = 1000 };
#define ORIGIN "hub.example/relto/g1"

static const char usage[] =
    "usage: bundle FOLDER [--records N] [--recipients K] [--signed-alone] [--bare]\n";

struct making {
	uint64_t records; /* at least so many */
	bool bare;
	int dir;
	uint64_t files;
	struct mix mix;
	struct reports reports;
	struct sha256 h;
	struct arena a; /* of one record */
	EVP_PKEY *key;
	struct note_key vkey;
	struct log log;
	struct merkle trees[MIX_RECIPIENTS + 1];
	uint64_t head_of[MIX_RECIPIENTS + 1], heads_at, now;
	struct bundle_writer *writer; /* NULL: only count */
};

static void
must(bool ok, const char *what, const struct err *e)
{
	if (!ok)
		mix_die(what, e);
}

/* ---- files ---- */

static bool
emit(void *ctx, const char *path, struct bytes data, struct err *e)
{
	struct making *b = ctx;
	int fd = openat(b->dir, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	for (const char *slash = strchr(path, '/'); fd < 0 && slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		char folder[BUNDLE_PATH_MAX];
		(void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
		(void)mkdirat(b->dir, folder, 0700);
		fd = openat(b->dir, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	}
	bool ok = fd >= 0 && write(fd, data.data, data.len) == (ssize_t)data.len;
	if (fd >= 0)
		(void)close(fd);
	b->files++;
	return ok || err_set(e, ERR_IO, "%s", path);
}

static void
content(struct making *b, enum bundle_dir dir, struct bytes data)
{
	struct err e = { 0 };
	must(bundle_add_content(b->writer, dir, data, &e), bundle_dir(dir), &e);
}

/* ---- records ---- */

static void
append(struct making *b, struct mix_record *m)
{
	struct err e = { 0 };
	struct log_out out;
	struct log_in in = { .now = b->now, .link = m->link, .accepted = m->accepted };
	in.publication = m->publisher < 0 ? NULL : &b->trees[m->publisher];
	in.place = m->recipient < 0 ? NULL : &b->trees[m->recipient];
	if (b->writer != NULL) {
		must(log_append(&b->log, &m->r, &in, &out, &e), "append", &e);
		uint8_t *entry = arena_alloc(&b->a, record_entry_size(&m->r));
		must(entry != NULL, "entry", NULL);
		record_entry_write(&m->r, out.leaf, entry);
		struct bytes stored = bytes_from(entry, record_entry_size(&m->r));
		must(bundle_add(b->writer, stored, NULL, &e), "entry", &e);
	}
	arena_reset(&b->a, (size_t)1 << 20);
}

/* A record of the broker's own; 'place': whose tree slot 8 stands in. */
static void
own(struct making *b, const struct body *body, int place)
{
	struct err e = { 0 };
	struct mix_record m = { .publisher = MIX_NOBODY, .recipient = place };
	mix_begin(&b->mix, &b->a, body->type, &m.r);
	must(record_set_body(&m.r, &b->a, body, &e), event_token(body->type), &e);
	append(b, &m);
	b->mix.next++;
}

static void
start_or_stop(struct making *b, enum event_type type)
{
	struct err e = { 0 };
	struct body v;
	uint8_t root[32];
	bool start = type == EVENT_START;
	must(merkle_root(&b->h, &b->log.tree, root, &e), "root", &e);
	event_body_begin(&v, type);
	event_body_uint(&v, start ? BODY_START_SIZE : BODY_STOP_SIZE, b->mix.next);
	event_body_bytes(&v, start ? BODY_START_ROOT : BODY_STOP_ROOT, bytes_from(root, 32));
	if (start) {
		event_body_bytes(&v, BODY_START_VERSION, bytes_of("bench"));
		event_body_bytes(&v, BODY_START_BOOT, bytes_of("0"));
		event_body_enum(&v, BODY_START_LAST, 1);
	} else
		event_body_bytes(&v, BODY_STOP_CAUSE, bytes_of("signal"));
	own(b, &v, MIX_NOBODY);
}

/* KEY, AGREEMENT and POLICY: what every log begins with. */
static void
tell_policy(struct making *b)
{
	struct body v;
	char vkey[NOTE_VKEY_MAX];
	note_key_print(&b->vkey, vkey);
	for (unsigned i = 0; i <= b->mix.recipients; i++) {
		event_body_begin(&v, EVENT_KEY);
		event_body_bytes(&v, BODY_KEY_PARTY, bytes_of(mix_party(i)));
		event_body_enum(&v, BODY_KEY_PURPOSE, 1);
		event_body_enum(&v, BODY_KEY_ACT, 1);
		event_body_bytes(&v, BODY_KEY_KEY, bytes_of(vkey));
		own(b, &v, (int)i);
		event_body_begin(&v, EVENT_AGREEMENT);
		event_body_bytes(&v, BODY_AGREEMENT_PARTY, bytes_of(mix_party(i)));
		event_body_bytes(&v, BODY_AGREEMENT_NAME, bytes_of(MIX_AGREEMENT));
		event_body_uint(&v, BODY_AGREEMENT_VERSION, 3);
		event_body_bytes(&v, BODY_AGREEMENT_TERMS, bytes_from(b->reports.terms_digest, 32));
		event_body_enum(&v, BODY_AGREEMENT_STATE, 2);
		event_body_enum(&v, BODY_AGREEMENT_SUSPENDED, 1);
		own(b, &v, (int)i);
	}
	event_body_begin(&v, EVENT_POLICY);
	event_body_bytes(&v, BODY_POLICY_DIGEST, bytes_from(b->reports.policy_digest, 32));
	event_body_enum(&v, BODY_POLICY_CAUSE, 1);
	own(b, &v, MIX_NOBODY);
	if (b->writer == NULL)
		return;
	content(b, BUNDLE_POLICY, b->reports.terms);
	content(b, BUNDLE_POLICY, b->reports.policy);
	content(b, BUNDLE_CHAIN, b->reports.leaf);
	content(b, BUNDLE_ANCHOR, b->reports.anchor);
}

static void
party_heads(struct making *b)
{
	struct err e = { 0 };
	struct body v;
	uint8_t root[32];
	for (unsigned i = 0; i <= b->mix.recipients; i++) {
		must(merkle_root(&b->h, &b->trees[i], root, &e), "root", &e);
		event_body_begin(&v, EVENT_PARTY_HEAD);
		event_body_bytes(&v, BODY_PARTY_HEAD_PARTY, bytes_of(mix_party(i)));
		event_body_uint(&v, BODY_PARTY_HEAD_SIZE, b->trees[i].leaf_count);
		event_body_bytes(&v, BODY_PARTY_HEAD_ROOT, bytes_from(root, 32));
		if (b->head_of[i] != 0)
			event_body_uint(&v, BODY_PARTY_HEAD_PREVIOUS, b->head_of[i]);
		b->head_of[i] = b->mix.next;
		own(b, &v, MIX_NOBODY);
	}
	b->heads_at = b->mix.next + HEADS_EVERY;
}

static void
add_report(struct making *b)
{
	struct err e = { 0 };
	const struct report_parts *p = &b->reports.now;
	struct bundle_report line = {
		.index = b->mix.intake, .head_count = MIX_PORTIONS, .heads = p->heads
	};
	memcpy(line.manifest, p->manifest_digest, 32);
	memcpy(line.routing, p->routing_digest, 32);
	must(bundle_add_report(b->writer, &line, &e), "report/", &e);
	if (b->bare)
		return;
	content(b, BUNDLE_MANIFEST, p->publish->manifest);
	content(b, BUNDLE_ROUTING, p->publish->routing);
	content(b, BUNDLE_SEAL, p->publish->seal);
	content(b, BUNDLE_FACTS, p->facts);
	for (size_t i = 0; i < MIX_PORTIONS; i++)
		content(b, BUNDLE_HEAD, p->publish->portions[i].head);
}

static void
traffic(struct making *b)
{
	while (b->mix.next < b->records || !mix_between(&b->mix)) {
		struct mix_record m;
		bool intake = mix_between(&b->mix);
		if (intake && b->mix.next >= b->heads_at)
			party_heads(b);
		b->now += STEP_US;
		b->reports.now_us = b->now;
		mix_next(&b->mix, &b->a, b->now, &m);
		append(b, &m);
		if (intake && b->writer != NULL)
			add_report(b);
	}
}

/* All records; returns how many. */
static uint64_t
run(struct making *b)
{
	b->mix = (struct mix){ .recipients = b->mix.recipients };
	if (b->writer != NULL) {
		b->mix.make = reports_make;
		b->mix.ctx = &b->reports;
	}
	b->now = (uint64_t)START_S * 1000000;
	b->heads_at = HEADS_EVERY;
	memset(b->head_of, 0, sizeof(b->head_of));
	memset(b->trees, 0, sizeof(b->trees));
	log_init(&b->log, &b->h, (struct log_sink){ NULL, NULL });
	start_or_stop(b, EVENT_START);
	tell_policy(b);
	traffic(b);
	party_heads(b);
	start_or_stop(b, EVENT_STOP);
	return b->mix.next;
}

static void
finish(struct making *b)
{
	struct err e = { 0 };
	struct bytes note;
	struct checkpoint head = { .origin = bytes_of(ORIGIN), .size = b->mix.next };
	struct note_signer by = { .key = b->key, .as = &b->vkey };
	must(merkle_root(&b->h, &b->log.tree, head.root, &e) &&
		 checkpoint_sign(&b->a, &by, &head, &note, &e) &&
		 bundle_finish(b->writer, note, &b->vkey, head.root, &e),
	    "finish", &e);
}

/* The size stands in the bundle before its records do: they are counted first. */
static void
make(struct making *b)
{
	struct err e = { 0 };
	static const uint8_t seed[32] = { 0x5e };
	struct note_name name = { bytes_of(ORIGIN), NOTE_ED25519 };
	arena_init(&b->a, (size_t)1 << 20);
	b->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
	must(b->key != NULL && sha256_init(&b->h, &e) &&
		 note_key_of(&b->h, &name, b->key, &b->vkey, &e),
	    "key", &e);
	reports_begin(&b->reports, &b->mix, &b->h, START_S);
	struct bundle_about about = { .origin = bytes_of(ORIGIN), .size = run(b) };
	must(bundle_writer_new(&b->h, &about, (struct bundle_sink){ emit, b }, &b->writer, &e),
	    "bundle", &e);
	(void)run(b);
	finish(b);
	bundle_writer_free(b->writer);
	reports_end(&b->reports);
	EVP_PKEY_free(b->key);
	arena_done(&b->a);
	sha256_done(&b->h);
}

static bool
parse(int argc, char **argv, struct making *b, const char **folder)
{
	static const struct option options[] = { { "records", required_argument, NULL, 'n' },
		{ "recipients", required_argument, NULL, 'r' },
		{ "signed-alone", no_argument, NULL, 's' }, { "bare", no_argument, NULL, 'b' },
		{ NULL, 0, NULL, 0 } };
	b->records = 300000;
	b->mix.recipients = 4;
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (o) {
		case 'n':
			b->records = strtoull(optarg, NULL, 10);
			break;
		case 'r':
			b->mix.recipients = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 's':
			b->reports.alone = true;
			break;
		case 'b':
			b->bare = true;
			break;
		default:
			return false;
		}
	*folder = argv[optind];
	return optind + 1 == argc && b->mix.recipients >= 1 && b->mix.recipients <= MIX_RECIPIENTS;
}

int
main(int argc, char **argv)
{
	static struct making b;
	const char *folder;
	if (!parse(argc, argv, &b, &folder)) {
		(void)fputs(usage, stderr);
		return 64;
	}
	if (mkdir(folder, 0700) != 0 || (b.dir = open(folder, O_RDONLY | O_DIRECTORY)) < 0) {
		perror(folder);
		return 1;
	}
	make(&b);
	(void)printf("{\"records\":%" PRIu64 ",\"reports\":%" PRIu64 ",\"recipients\":%u,"
		     "\"signatures\":%" PRIu64 "}\n",
	    b.mix.next, b.mix.reports, b.mix.recipients, b.reports.signatures);
	return 0;
}

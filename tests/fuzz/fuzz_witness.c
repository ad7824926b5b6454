/* What a witness is asked and answers: HTTP around it, the body of add-checkpoint, the lines that
 * come back, and the file that says whom to ask.  What was read is written again and read again. */
#include <assert.h>

#include "audit/http.h"
#include "audit/quorum.h"
#include "audit/witness.h"
#include "proto/arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char log_vkey[] =
    "relto.example/broker-1+290ca5af+AUnuCEK9OzNumd04sCOBJZKDCDyjs1qj2Z1BL8E8cQSl";
static const char witness_vkey[] =
    "relto.example/w/partner-a+942ebb65+BJpGQwbRMJ0aPF5vc6dXOYi4J/+I4sqtY9usi0LE7l46";

static void
ask(struct arena *a, struct sha256 *h, struct bytes body)
{
	struct witness_request r, again;
	struct witness_verdict v;
	struct witness_book book = { .count = 1 };
	struct bytes text = { NULL, 0 };
	if (!witness_request_parse(body, &r, NULL))
		return;
	assert(witness_request_write(a, &r, &text, NULL) && bytes_equal(text, body));
	assert(witness_request_parse(text, &again, NULL) && again.count == r.count);
	if (note_key_parse(h, bytes_of(log_vkey), &book.logs[0], NULL))
		witness_judge(a, h, &book, &r, &v, NULL);
}

static void
answer(struct arena *a, struct sha256 *h, struct bytes in)
{
	struct note_key key;
	struct quorum q;
	uint64_t n;
	struct bytes note = bytes_of("o\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n"
				     "\xe2\x80\x94 o AAAAAAA=\n");
	struct witness_reply reply = { in, &key, 1700000060 };
	if (note_key_parse(h, bytes_of(witness_vkey), &key, NULL) &&
	    witness_attach(a, &reply, &note, NULL))
		assert(note.len > in.len / 2);
	if (witness_size_parse(in, &n, NULL))
		assert(in.len <= 21);
	if (quorum_parse(h, in, &q, NULL))
		(void)quorum_met(&q, (struct note_seen[QUORUM_WITNESSES_MAX]){ 0 });
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = { data, size };
	struct http_message m;
	struct arena a;
	struct sha256 h;
	if (!sha256_init(&h, NULL))
		return 0;
	arena_init(&a, 1u << 20);
	ask(&a, &h, in);
	answer(&a, &h, in);
	if (http_read_request(in, WITNESS_BODY_MAX, &m) == HTTP_WHOLE)
		ask(&a, &h, m.body);
	for (unsigned ended = 0; ended < 2; ended++)
		if (http_read_response(in, ended != 0, WITNESS_ANSWER_MAX, &m) == HTTP_WHOLE) {
			assert(m.body.data + m.body.len == data + size);
			answer(&a, &h, m.body);
		}
	arena_done(&a);
	sha256_done(&h);
	return 0;
}

/*
 * witness_ask.h - one witness being asked: a connection that never blocks, one answer within an
 * absolute deadline, and no more bytes of it than an answer has.
 * Threads: the cosigner's.
 */
#pragma once
#include "audit/http.h"
#include "audit/witness.h"

#include <netinet/in.h>

enum { WITNESS_ASK_IN = HTTP_HEAD_MAX + WITNESS_ANSWER_MAX + 1, WITNESS_ASK_PATH = 272 };
enum witness_ask_state {
	WITNESS_ASK_IDLE = 1,
	WITNESS_ASK_CONNECT,
	WITNESS_ASK_SEND,
	WITNESS_ASK_READ,
	WITNESS_ASK_DONE,  /* 'answer' is there */
	WITNESS_ASK_FAILED /* 'why' says so */
};
struct witness_ask {
	struct sockaddr_storage to;
	socklen_t to_len;
	char host[80], path[WITNESS_ASK_PATH]; /* for the request */
	int fd;
	enum witness_ask_state state;
	int64_t until_ms;
	struct bytes out; /* borrowed */
	size_t sent, got;
	struct http_message answer; /* views into 'in' */
	char why[96];
	uint8_t in[WITNESS_ASK_IN];
};

/* http://ADDRESS[:PORT][/PREFIX], the address numeric.  ERR_CONFIG. */
MUST_USE bool witness_ask_init(struct witness_ask *w, const char *url, struct err *e);
/* Begins anew; 'request' lives until the answer.  Times are of a clock that never steps. */
void witness_ask_begin(struct witness_ask *w, struct bytes request, int64_t until_ms);
/* What poll is to wait for; 0: it is over. */
short witness_ask_events(const struct witness_ask *w);
/* The socket is ready (or not: 'ready' 0), and it is 'now_ms'. */
void witness_ask_step(struct witness_ask *w, short ready, int64_t now_ms);
/* Lets go of the socket. */
void witness_ask_end(struct witness_ask *w);

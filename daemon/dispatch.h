/*
 * dispatch.h - from a whole message to its handler: decoding, and which message is legal when.
 * Every message is, in every state, legal, refused (answered, the connection stays) or a breach of
 * the protocol (the connection ends).  Threads: the connection's worker.
 */
#pragma once
#include "daemon/conn.h"
#include "proto/msg.h"

enum dispatch_verdict { /* the zero is none of them */
	DISPATCH_LEGAL = 1,
	DISPATCH_REFUSED,
	DISPATCH_BREACH
};

/* What the table says. */
enum dispatch_verdict dispatch_judge(enum conn_state state, enum msg_type type);
/* Decodes and handles; a breach, or a handler that says no, ends the connection by conn_fail. */
void dispatch_message(struct conn *c, const struct inbox_message *in);

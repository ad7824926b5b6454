/*
 * sandbox.h - what reltod cannot do any more once it serves, whoever runs code in it.
 * Files (Landlock, Linux 5.13): it reads below the folders of its configuration, policy and keys
 * and the little of /proc, /dev and /sys that it needs; it writes below store, archive, run-dir,
 * backup-dir and where its sockets are; nothing can be executed.  System calls (seccomp): those
 * that start or look into other processes, change who it is, mount, load code or speak to the
 * kernel's other parts end the process.
 * Threads: main, before the others start; they inherit it.
 */
#pragma once
#include "proto/err.h"

struct config;
struct folders;

enum sandbox_want { SANDBOX_OFF, SANDBOX_BEST_EFFORT, SANDBOX_REQUIRED };
/* What was reached. */
struct sandbox {
	int landlock; /* its ABI; 0: none */
	bool seccomp;
};
/* 'read': where the policy's files were read from.  ERR_CONFIG where all of it is required and
 * cannot be had; ERR_IO. */
MUST_USE bool sandbox_enter(
    const struct config *c, const struct folders *read, struct sandbox *out, struct err *e);

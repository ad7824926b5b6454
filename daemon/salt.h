/*
 * salt.h - random salts in advance: one call of the random generator for many records (AUDIT 4).
 * What was taken is wiped from the pool, so that no salt is ever given out twice.
 * Threads: a pool has one owner.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

enum { SALT_POOL = 8192 };
struct salt_pool { /* zero it */
	uint8_t bytes[SALT_POOL];
	size_t left;
};

/* 'len' (at most SALT_POOL) fresh random bytes.  ERR_CRYPTO. */
MUST_USE bool salt_take(struct salt_pool *p, void *to, size_t len, struct err *e);
/* Wipes what is left. */
void salt_done(struct salt_pool *p);

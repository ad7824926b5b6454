/*
 * bundle_report.h - the reports behind the records of a made bundle: parts as a publisher builds
 * them, sealed 64 at once, and what the broker keeps beside them.  Keys and certificates come from
 * fixed seeds: the same bytes in every run.  A failure ends the program.
 */
#pragma once
#include "bench/mix.h"
#include "proto/arena.h"
#include "proto/envelope.h"

/* One report: views live until the next is made. */
struct report_parts {
	const struct msg_publish *publish;
	struct bytes facts;
	uint8_t manifest_digest[32], routing_digest[32], heads[MIX_PORTIONS][32];
};

struct reports {
	bool alone;	 /* a signature each */
	uint64_t now_us; /* when the next one is accepted */
	struct report_parts now;
	uint64_t signatures;
	struct bytes terms, policy, leaf, anchor; /* texts, DER */
	uint8_t terms_digest[32], policy_digest[32], leaf_digest[32], anchor_digest[32];
	/* its own */
	struct sha256 *h;
	struct mix *mix; /* for its numbers */
	EVP_PKEY *key;
	struct arena keep, batch;
	struct msg_publish publish[SEAL_BATCH_MAX];
	uint8_t ids[SEAL_BATCH_MAX][16];
	size_t made, used;
	uint64_t count;
};

/* 'mix' says how many recipients; borrowed, as is 'h'. */
void reports_begin(struct reports *r, struct mix *mix, struct sha256 *h, int64_t start_s);
void reports_end(struct reports *r);
/* The 'make' of a mix: 'ctx' is a struct reports; r->now are then its parts. */
void reports_make(void *ctx, struct mix_report *out);

/*
 * compile.h - policy text becomes an epoch: what the loader's files share (DESIGN section 4).
 * Every fault goes to the list of errors with its place; a function returns false only for want of
 * memory, so that one run finds as many faults as it can.
 * Threads: one load has one owner.
 */
#pragma once
#include "policy/epoch.h"
#include "policy/rules.h"
#include "policy/text.h"

struct epoch {
	struct arena arena;
	uint8_t digest[32];
	struct bytes export_text;
	bool has_trust;
	struct party *parties; /* by name */
	size_t party_count;
	const struct party **domains; /* by trust domain; those that have one */
	size_t domain_count;
	const struct party *hub;      /* NULL only if EPOCH_PARTIAL */
	struct agreement *agreements; /* by name */
	size_t agreement_count;
	const struct vocab **vocabs; /* by folded name */
	size_t vocab_count;
};

struct compile {
	struct epoch *e;
	struct arena *a; /* the epoch's */
	struct text_errors *errors;
	const struct epoch_source *src;
	unsigned flags;
	struct bytes folder; /* of the root file, with its slash: cut from places */
	const struct text_block *top;
};

/* A statement's place in the table, or -1 if it is none of it or does not fit (text_check has
 * told).
 */
ptrdiff_t compile_setting(
    const struct text_statement *s, const struct text_setting *settings, size_t count);
/* Where the second statement 'setting NAME' of a block names itself; 'otherwise' if there is none.
 */
const struct text_pos *compile_second(const struct text_block *b, const char *setting,
    struct bytes name, const struct text_pos *otherwise);
/* ERR_NOMEM as an error of the load; returns false. */
bool compile_no_memory(struct compile *c);
/* "agreements.d/atlas.policy:48". */
struct bytes compile_place(struct compile *c, const struct text_pos *pos);
/* 'path' as written in the file of 'pos', relative to it; NULL on shortage. */
const char *compile_path(struct compile *c, const struct text_pos *pos, struct bytes path);
/* Reads a file that the policy names; false with an error (for a bundle the caller judges). */
MUST_USE bool compile_read(struct compile *c, const char *path, struct bytes *out, struct err *e);
/* A copy sorted by bytes. */
MUST_USE bool compile_sorted(struct compile *c, const struct names *in, struct names *out);
/* The error that there is no such party. */
void compile_no_party(struct compile *c, const struct text_value *v);
/* The vocabulary of that name; an error at 'v' if there is none. */
const struct vocab *compile_find_vocab(
    struct compile *c, const struct text_value *v, size_t *index);
/* A classification, tag set or value; an error at 'v' if there is none. */
bool compile_find_class(
    struct compile *c, const struct vocab *of, const struct text_value *v, uint32_t *out);
bool compile_find_tagset(struct compile *c, const struct vocab *of, const struct text_pos *pos,
    struct bytes name, uint32_t *out);
bool compile_find_value(struct compile *c, const struct vocab *of, uint32_t tagset,
    const struct text_value *v, uint32_t *out);

/* Parts, in the order in which they run. */
MUST_USE bool compile_vocab_all(struct compile *c);
MUST_USE bool compile_party_all(struct compile *c);
MUST_USE bool compile_agreement_all(struct compile *c);
/* Inside an agreement. */
MUST_USE bool compile_member_one(
    struct compile *c, const struct text_statement *s, struct member *out);
/* The groups of members that every rule and check treats alike. */
MUST_USE bool compile_member_groups(struct compile *c, struct agreement *a);
/* *good says whether it may be used to compile on. */
MUST_USE bool compile_equivalence_one(
    struct compile *c, const struct text_statement *s, struct equivalence *out, bool *good);
MUST_USE bool compile_rule_one(
    struct compile *c, const struct agreement *a, const struct text_statement *s, struct rule *out);
/* A list of members, in byte order; an error for each name that is none. */
MUST_USE bool compile_rule_members(
    struct compile *c, const struct agreement *a, const struct text_value *list, struct names *out);
/* Judges every 'expect' of an agreement that has compiled without error. */
MUST_USE bool expect_judge(
    struct compile *c, const struct agreement *a, const struct text_block *block);

/* The canonical export of all, and the terms of each agreement: texts and digests (export.c). */
MUST_USE bool export_all(struct compile *c);

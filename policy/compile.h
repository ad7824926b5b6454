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
/* "vv" of an export: SHA256 and 64 hex digits in lower case; an error at the value if not. */
bool compile_digest(struct compile *c, const struct text_value *v, uint8_t out[32]);
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
MUST_USE bool compile_member_one(struct compile *c, const struct agreement *a,
    const struct text_statement *s, struct member *out);
/* A 'clearance' of a member; 'of': by vocabulary. */
#define COMPILE_CLEARANCE_USAGE \
	"clearance VOCABULARY up-to CLASSIFICATION { .. }, or with a list in [ ], or file \"FILE\""
MUST_USE bool compile_clearance_one(struct compile *c, const struct text_statement *s,
    struct member *m, const struct clearance **of);
/* The file that a 'clearance' names; NULL: it is written there. */
const struct text_value *compile_clearance_file(const struct text_statement *s);
/* The 'groups-of' of a member, whose clearances are known. */
MUST_USE bool compile_clearance_groups(struct compile *c, const struct agreement *a,
    const struct member *m, const struct text_statement *const *list, size_t count);
/* Places and groups of members, and who holds what (alike.h). */
MUST_USE bool compile_member_groups(struct compile *c, struct agreement *a);
/* *good says whether it may be used to compile on. */
MUST_USE bool compile_equivalence_one(
    struct compile *c, const struct text_statement *s, struct equivalence *out, bool *good);
MUST_USE bool compile_rule_one(
    struct compile *c, const struct agreement *a, const struct text_statement *s, struct rule *out);
/* The names, repetition and values of what stands in a rule; false with errors told. */
bool compile_rule_check(struct compile *c, const char *of, const struct text_block *b);
/* Its conditions and verdict.  'a' NULL: parties need not be members of anything. */
MUST_USE bool compile_rule_conditions(
    struct compile *c, const struct agreement *a, const struct text_block *b, struct rule *out);
/* A list of members (a NULL: of parties), in byte order; an error for each name that is none. */
MUST_USE bool compile_rule_members(
    struct compile *c, const struct agreement *a, const struct text_value *list, struct names *out);
/* Judges every 'expect' of an agreement that has compiled without error. */
MUST_USE bool expect_judge(
    struct compile *c, const struct agreement *a, const struct text_block *block);

/* After all: the files of the signatures that agreements require. */
MUST_USE bool compile_signatures(struct compile *c);
/* Judges every 'never': those of an agreement that has compiled without error.. */
MUST_USE bool never_judge(
    struct compile *c, const struct agreement *a, const struct text_block *block);
/* ..and those that stand beside the agreements, for all of them. */
MUST_USE bool never_judge_all(struct compile *c);

/* The canonical export of all, and the terms of each agreement: texts and digests (export.c). */
MUST_USE bool export_all(struct compile *c);

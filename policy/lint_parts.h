/*
 * lint_parts.h - what the files of the linter share.
 */
#pragma once
#include "policy/lint.h"
#include "policy/rules.h"
#include "policy/situation.h"
#include "policy/space.h"

struct linter {
	const struct epoch *epoch;
	const struct text_block *top;
	uint64_t at;
	struct text_errors *warnings, *open;
	struct arena *arena;
};
/* One agreement. */
struct lint_case {
	struct linter *linter;
	const struct agreement *of;
	const struct text_statement *statement; /* 'agreement NAME { .. }' */
	struct situations situations;
	size_t *questions; /* to the label space, that may still be asked */
};

#define SHOWN(b) (int)(b).len, (const char *)(b).data

/* The place of 'KEYWORD NAME' in a block, or of the block's last line. */
const struct text_pos *lint_place(
    const struct text_block *b, const char *keyword, struct bytes name);
/* Whether any label can be seen, cleared and covered by release rule 'rule' for 'm': the answer
 * SPACE_SOME only says that nothing here forbids it. */
enum space_answer lint_can_release(const struct lint_case *c, const struct situation *s,
    const struct rule *rule, const struct member *m);

void lint_rules(const struct lint_case *c);
void lint_members(const struct lint_case *c);
void lint_approvers(const struct lint_case *c);
/* Parties with parties, the rules of an agreement with one another. */
MUST_USE bool lint_alike(struct linter *l);

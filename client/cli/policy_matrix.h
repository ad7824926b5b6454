/*
 * policy_matrix.h - relto policy matrix: who may send what to whom.
 */
#pragma once
#include "client/cli/policy_load.h"
#include "policy/matrix.h"

enum matrix_field {
	FIELD_FROM,
	FIELD_TO,
	FIELD_AGREEMENT,
	FIELD_MODE,
	FIELD_STATUS,
	FIELD_TOPIC,
	FIELD_CONTENT,
	FIELD_LOW,
	FIELD_HIGH,
	FIELD_VOCABULARY,
	FIELD_HIGHEST,
	FIELD_RELEASED,
	FIELD_LABEL,
	FIELD_ONE_OF,
	FIELD_CARRIES,
	FIELD_BESIDE,
	FIELD_HELD,
	FIELD_HELD_BY,
	FIELD_VERDICT,
	FIELD_REASON,
	FIELD_RULE,
	FIELD_COUNT
};

int policy_matrix(int argc, char **argv);

/* The fields of a row as text, lists joined by "; "; never NULL. */
MUST_USE bool matrix_fields(struct policy_load *l, const struct matrix_row *row,
    const char *out[FIELD_COUNT], struct err *e);
MUST_USE bool matrix_table(
    struct policy_load *l, const struct matrix *m, bool labels, struct err *e);
MUST_USE bool matrix_csv(struct policy_load *l, const struct matrix *m, struct err *e);
MUST_USE bool matrix_json(struct policy_load *l, const struct matrix *m, struct err *e);

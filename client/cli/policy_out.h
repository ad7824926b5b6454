/*
 * policy_out.h - what the policy tools say alike.
 * Threads: one.
 */
#pragma once
#include "client/cli/out.h"
#include "client/cli/policy_load.h"
#include "policy/cells.h"

/* "key":[{"file":..,"line":..,"col":..,"text":..,"help":..},..], those of them that were kept. */
void policy_out_faults(
    struct out_json *j, const char *key, const struct text_fault *faults, size_t count);
/* The same of the warnings of two lists, one after the other. */
void policy_out_warnings(struct out_json *j, const char *key, const struct text_errors *first,
    const struct text_errors *second);

/* "labels":[{"marking":..,"vocabulary":..,"classification":..,"categories":{..}},..] */
void policy_out_labels(
    struct policy_load *l, struct out_json *j, const struct raw_label *labels, size_t count);
/* The example of a cell as the call of relto policy explain that asks about it; NULL on shortage.
 */
const char *policy_out_question(
    struct policy_load *l, const char *dir, const struct agreement *of, const struct cell *c);
/* Its members, without the brackets. */
void policy_out_example(struct policy_load *l, struct out_json *j, const struct cell *c);
/* What was said of a portion: "withhold classification", "release maritime", "refused" (NULL on
 * shortage); and as {"verdict":..,"reason":..,"rule":..,"place":..}. */
const char *policy_out_verdict(struct arena *a, const struct cell_said *s);
void policy_out_said(struct out_json *j, const char *key, const struct cell_said *s);
/* Progress of long work, on stderr if it is a terminal: a policy_progress as cells_ask takes it. */
void policy_out_progress(void *ctx, size_t done, size_t of);
void policy_out_progress_end(void);

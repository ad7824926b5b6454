/*
 * policy_out.h - what the policy tools say alike.
 * Threads: one.
 */
#pragma once
#include "client/cli/out.h"
#include "policy/text.h"

/* "key":[{"file":..,"line":..,"col":..,"text":..,"help":..},..], those of them that were kept. */
void policy_out_faults(
    struct out_json *j, const char *key, const struct text_fault *faults, size_t count);
/* The same of the warnings of two lists, one after the other. */
void policy_out_warnings(struct out_json *j, const char *key, const struct text_errors *first,
    const struct text_errors *second);

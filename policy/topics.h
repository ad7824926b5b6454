/*
 * topics.h - the topics of agreements in classes: those of a class match the same of their topic
 * patterns, their own and their rules', so that every decision treats them alike.
 * Threads: values.
 */
#pragma once
#include "policy/agreement.h"
#include "proto/arena.h"
#include "proto/err.h"

enum { TOPICS_PATTERNS = 256 /* of 64 a word */, TOPICS_CLASSES = 1024 };

struct topic_class {
	struct bytes pattern; /* what all of its topics match; a class with a narrower pattern takes
				 its topics out of it */
	struct bytes witness; /* a topic of it */
};

/* All classes that any of the agreements (NULL: none) covers, by pattern.  ERR_LIMIT past
 * TOPICS_PATTERNS different patterns in them or TOPICS_CLASSES classes. */
MUST_USE bool topics_classes(struct arena *a, const struct agreement *const *of, size_t of_count,
    const struct topic_class **out, size_t *count, struct err *e);

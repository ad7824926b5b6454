/*
 * scene.h - everything that can be asked of an agreement under two policies but the labels and the
 * recipient, as few cases: which rules of each side are live together, and on which occasions.
 * Threads: pure; what is built lives in the arena given.
 */
#pragma once
#include "policy/contents.h"
#include "policy/crowd.h"
#include "policy/topics.h"

enum { SCENE_OCCASIONS = 1 << 18 /* of one agreement; more are not looked at */ };

struct occasion {
	const struct crowd *from;
	const struct topic_class *topic;
	const struct content_class *content;
	enum precedence precedence;
};
struct scene {
	bool usable[2];	     /* a report of these occasions may name the agreement of that side */
	const bool *live[2]; /* by rule of that side: all holds but 'to' and the labels */
	const struct occasion *occasions; /* by sender, topic, content type, precedence */
	size_t count;
};
struct scenes {
	struct crowds crowds;
	const struct scene *items;
	size_t count;
	size_t topic_count, content_count; /* how many classes there are */
};
/* ERR_LIMIT where there are more classes than the bounds of topics.h and the one above allow. */
MUST_USE bool scenes_of(
    struct arena *a, const struct agreement *const of[2], struct scenes *out, struct err *e);

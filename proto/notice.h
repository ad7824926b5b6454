/*
 * notice.h - the closed codes of notices (proto/notice.def).
 * Pure.
 */
#pragma once
#include "proto/bytes.h"

enum notice_list {
	NOTICE_SUPERSEDE = 1, /* the first three as enum envelope_act */
	NOTICE_RECALL,
	NOTICE_ABOUT,
	NOTICE_ANSWER,
	NOTICE_FEEDBACK
};

/* Whether 'code' is of that list. */
bool notice_is_code(enum notice_list list, struct bytes code);
/* The code with that number of the list, from 0; NULL behind the last. */
const char *notice_code(enum notice_list list, size_t n);

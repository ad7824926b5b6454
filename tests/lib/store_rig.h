/*
 * store_rig.h - a store in a folder of its own, for tests; gone when the test ends.
 * The rig keeps what a committer keeps: the fence and the next index of the log.
 */
#pragma once
#include "daemon/store.h"
#include "proto/arena.h"

struct store_rig {
	char path[64];
	struct store_config config;
	struct store *store;
	struct store_view *view;
	struct arena scratch; /* of batches */
	struct arena read;    /* of the view */
	struct store_fence fence;
	struct store_stamp stamp;
	struct err e;
};

/* Makes the folder; 16 MiB of map and no reserve, unless changed before store_rig_open. */
void store_rig_init(struct store_rig *r);
/* Opens (again) and takes the fence from what is stored. */
bool store_rig_open(struct store_rig *r);
void store_rig_close(struct store_rig *r);
/* Closes and removes the folder. */
void store_rig_done(struct store_rig *r);
/* The path of a file in the folder; a static buffer. */
const char *store_rig_file(const struct store_rig *r, const char *name);

bool store_rig_begin(struct store_rig *r);
/* Commits and, if that worked, moves the fence. */
bool store_rig_commit(struct store_rig *r);
/* Puts an entry of 'len' bytes and the head that covers it. */
bool store_rig_log(struct store_rig *r, size_t len);
/* The view, freshly opened. */
struct store_view *store_rig_look(struct store_rig *r);

/* For cmocka: a rig that is open, in *state; and its end. */
int store_rig_setup(void **state);
int store_rig_teardown(void **state);
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, store_rig_setup, store_rig_teardown)

/* What must work, with the story if it does not. */
#define OK(r, call) \
	do { \
		if (!(call)) \
			fail_msg("%s: %s", #call, (r)->e.text); \
	} while (0)
#define BEGIN(r) OK(r, store_rig_begin(r))
#define COMMIT(r) OK(r, store_rig_commit(r))
#define REOPEN(r) \
	do { \
		store_rig_close(r); \
		OK(r, store_rig_open(r)); \
	} while (0)

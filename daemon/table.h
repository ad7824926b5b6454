/*
 * table.h - uthash, which by itself ends the program when memory runs out.  Here HASH_ADD leaves
 * such an item out, and table_has says so: ask after each.
 */
#pragma once
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define table_has(item) ((item)->hh.tbl != NULL)

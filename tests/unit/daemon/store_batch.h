/*
 * store_batch.h - a batch with every kind of write, for the tests that break it.
 */
#pragma once
#include "tests/lib/store_rig.h"

/* The report that the batch of this number puts. */
struct store_report batch_report(uint8_t byte, uint64_t intake);
/* Everything, on top of what the batch before it put. */
bool batch_put(struct store_rig *r, uint8_t byte);
/* Begin, put, commit; on failure aborted.  The rig's fence is not moved. */
bool batch_commit(struct store_rig *r, uint8_t byte);
/* The first one, with the fence. */
void batch_first(struct store_rig *r);
/* All rows; each checksum is looked at. */
struct store_counts batch_count(struct store_rig *r);

/*
 * crc32c.h - the Castagnoli checksum (RFC 3720, appendix B.4) of every value in the store.
 * It finds damage, not tampering: against that stand the hashes of the log.
 * Threads: any.
 */
#pragma once
#include "proto/bytes.h"

/* The checksum of what 'crc' covers followed by 'in'; start with 0. */
uint32_t crc32c(uint32_t crc, struct bytes in);
/* The same without the processor's instruction, for tests and for processors that lack it. */
uint32_t crc32c_by_table(uint32_t crc, struct bytes in);

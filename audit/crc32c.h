/*
 * crc32c.h - CRC-32C (Castagnoli), for finding damaged rows before they are trusted for anything.
 * Threads: none of its own; pure.
 */
#pragma once
#include "proto/bytes.h"

/* Continues from 'crc' (0 to start) over 'in'. */
uint32_t crc32c(uint32_t crc, struct bytes in);

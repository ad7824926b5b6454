/*
 * policy_texts.h - what a canonical export names by digest (design 4).
 * Threads: any.
 */
#pragma once
#include "proto/bytes.h"

/* Takes the text up to behind the next line `spif SHA256 HEX` off '*text' and gives its digest;
 * false when there is none. */
bool policy_texts_next_spif(struct bytes *text, uint8_t digest[32]);

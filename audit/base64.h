/*
 * base64.h - RFC 4648 section 4, one spelling only: padded, no white space, no stray bits.
 * OpenSSL's decoder accepts more than one spelling of the same bytes, which a signed note must not.
 * Threads: pure.
 */
#pragma once
#include "proto/bytes.h"

/* The text's length for 'n' bytes. */
static inline size_t
base64_len(size_t n)
{
	return (n + 2) / 3 * 4;
}
/* Writes base64_len(in.len) characters, no NUL. */
void base64_write(struct bytes in, char *out);
/* Decodes into 'out', which has room for text.len / 4 * 3 bytes; false for any other spelling. */
bool base64_read(struct bytes text, uint8_t *out, size_t *len);

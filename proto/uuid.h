/*
 * uuid.h - report ids: 16 bytes on the wire, 36 characters for people and in struct facts.
 * Pure; values.
 */
#pragma once
#include "proto/bytes.h"

enum { UUID_BYTES = 16, UUID_TEXT = 36 };

/* Lower-case hex in groups of 8-4-4-4-12, and a NUL. */
void uuid_print(const uint8_t id[UUID_BYTES], char out[UUID_TEXT + 1]);
/* Exactly what uuid_print gives, upper-case hex too; false leaves 'out' alone. */
bool uuid_parse(struct bytes text, uint8_t out[UUID_BYTES]);

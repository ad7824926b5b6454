/*
 * text_chars.h - characters of the block grammar.
 */
#pragma once
#include "proto/text_char.h"

/* Whether a byte may stand in a WORD. */
bool text_char_in_word(uint8_t c);

/*
 * vocab_files.h - the shipped vocabularies (policy/vocab), built into the command so that a lab
 * needs nothing but it.
 */
#pragma once
#include "proto/bytes.h"

enum vocab_file { VOCAB_FILE_ATLAS, VOCAB_FILE_GBR_NATIONAL, VOCAB_FILE_TLP, VOCAB_FILES };

struct vocab_file_entry {
	const char *name; /* "atlas.spif.xml" */
	struct bytes data;
};
extern const struct vocab_file_entry vocab_files[VOCAB_FILES];

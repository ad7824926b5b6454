/*
 * audit_record.h - a record of the log, as far as it is open, as people and programs read it.
 * Threads: one.
 */
#pragma once
#include "client/cli/out.h"

/* One line for people, nothing of which can steer a terminal; ERR_MALFORMED: it is no record. */
MUST_USE bool audit_record_line(uint64_t index, struct bytes opening, struct err *e);
/* A JSON object, which the caller ends; nothing is written of what is no record. */
MUST_USE bool audit_record_json(
    struct out_json *j, uint64_t index, struct bytes opening, struct err *e);

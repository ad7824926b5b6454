/*
 * verify_shape.h - what a record must show by itself: the slots that section 4 of the format opens
 * to the view, the fields and places that section 2 demands of its type.
 */
#pragma once
#include "audit/verify_run.h"

void verify_shape_record(struct verify *v, const struct verify_slots *s);

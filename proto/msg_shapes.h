/* msg_shapes.h - the tables of all messages, for msg.c and for the tests that try every field. */
#pragma once
#include "proto/codec.h"
#include "proto/msg.h"

/* The shape of the struct inside struct msg of that type; never NULL for a type of msg.def. */
const struct codec_shape *msg_shapes_of(enum msg_type type);

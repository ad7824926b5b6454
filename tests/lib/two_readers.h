/*
 * two_readers.h - protobuf-c, with the schema as protoc compiled it, beside proto/codec.h (decision
 * 0010).  What our codec accepts, the library must read, too: without an unknown field at any
 * level, with the same value in every field, and both must write the same bytes again.  What our
 * codec refuses for its encoding, the library must refuse.  (Ranges of values and numbers of
 * entries only our tables know.)
 */
#pragma once
#include "proto/parts.h"

enum readers_say { READERS_REFUSE, READERS_ACCEPT, READERS_DIFFER };

enum readers_say two_readers_message(struct bytes in);
enum readers_say two_readers_part(enum parts_type type, struct bytes in);
enum readers_say two_readers_facts(struct bytes in);
/* Whether the library alone takes it for a canonical Message with a body. */
bool two_readers_library_reads(struct bytes in);
/* For people: in what they differed last. */
const char *two_readers_why(void);

/* Our tables of fields and the schema that protoc compiled say the same. */
#include "proto/msg_shapes.h"
#include "proto/parts.h"
#include "tests/lib/relto.pb-c.h"
#include "tests/lib/test.h"

static unsigned compared;

static bool
is_list(const struct codec_field *f)
{
	return f->kind >= CODEC_BLOBS;
}

static ProtobufCType
type_of(const struct codec_field *f)
{
	switch ((enum codec_kind)f->kind) {
	case CODEC_BOOL:
		return PROTOBUF_C_TYPE_BOOL;
	case CODEC_ENUM:
		return PROTOBUF_C_TYPE_ENUM;
	case CODEC_U32:
	case CODEC_U32S:
		return PROTOBUF_C_TYPE_UINT32;
	case CODEC_U64:
	case CODEC_U64S:
		return PROTOBUF_C_TYPE_UINT64;
	case CODEC_FIXED64:
		return PROTOBUF_C_TYPE_FIXED64;
	case CODEC_PART:
	case CODEC_MAYBE:
	case CODEC_PARTS:
		return PROTOBUF_C_TYPE_MESSAGE;
	case CODEC_BLOB:
	case CODEC_TEXT:
	case CODEC_BLOBS:
	case CODEC_TEXTS:
		break;
	}
	return PROTOBUF_C_TYPE_BYTES;
}

static void
same(const struct codec_shape *shape, const ProtobufCMessageDescriptor *d)
{
	assert_int_equal(shape->count, d->n_fields);
	for (size_t i = 0; i < shape->count; i++) {
		const struct codec_field *f = &shape->fields[i];
		const ProtobufCFieldDescriptor *g = &d->fields[i]; /* protobuf-c sorts by number */
		if (f->number != g->id || is_list(f) != (g->label == PROTOBUF_C_LABEL_REPEATED))
			fail_msg("%s.%s is not as in the schema", d->name, f->name);
		bool place = strcmp(f->name, "place") == 0 && g->type == PROTOBUF_C_TYPE_UINT32;
		if (type_of(f) != g->type && !place) /* Seal.place: one of 64 */
			fail_msg("%s.%s has another type in the schema", d->name, f->name);
		if (strcmp(f->name, g->name) != 0)
			fail_msg("%s.%s is called %s in the schema", d->name, f->name, g->name);
		if (g->type == PROTOBUF_C_TYPE_ENUM) {
			const ProtobufCEnumDescriptor *v = g->descriptor;
			assert_int_equal(f->min, 1);
			assert_int_equal(f->max, v->n_values - 1); /* 0 is no value */
		}
		if (g->type == PROTOBUF_C_TYPE_MESSAGE)
			same(f->sub, g->descriptor);
		compared++;
	}
}

static void
every_message_of_the_schema_has_its_table(void **state)
{
	(void)state;
	static const uint32_t numbers[MSG_COUNT] = {
#define M(NAME, member, number, from, since) [MSG_##NAME] = number,
#include "proto/msg.def"
#undef M
	};
	const ProtobufCMessageDescriptor *message = &relto__v1__message__descriptor;
	assert_int_equal(message->n_fields, MSG_COUNT); /* request, and one each */
	for (unsigned t = MSG_NONE + 1; t < MSG_COUNT; t++) {
		const ProtobufCFieldDescriptor *f =
		    protobuf_c_message_descriptor_get_field(message, numbers[t]);
		assert_non_null(f);
		assert_string_equal(f->name, msg_name((enum msg_type)t));
		same(msg_shapes_of((enum msg_type)t), f->descriptor);
	}
	assert_true(compared > 150);
}

static void
every_part_of_a_report_has_its_table(void **state)
{
	(void)state;
	same(parts_shape(PARTS_MANIFEST), &relto__v1__manifest__descriptor);
	same(parts_shape(PARTS_ROUTING), &relto__v1__routing__descriptor);
	same(parts_shape(PARTS_NOTICE), &relto__v1__notice__descriptor);
	same(parts_shape(PARTS_SEAL), &relto__v1__seal__descriptor);
	same(parts_shape(PARTS_PORTION_HEAD), &relto__v1__portion_head__descriptor);
	same(parts_shape(PARTS_PORTION_BODY), &relto__v1__portion_body__descriptor);
}

static void
the_facts_have_their_table(void **state)
{
	(void)state;
	same(facts_shape(), &relto__v1__facts__descriptor);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_of_the_schema_has_its_table),
		cmocka_unit_test(every_part_of_a_report_has_its_table),
		cmocka_unit_test(the_facts_have_their_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "client/inside.h"

const char *
inside_text(struct arena *a, struct bytes in)
{
	struct bytes out;
	return arena_copy(a, in, &out, NULL) ? (const char *)out.data : NULL;
}

bool
inside_texts(struct arena *a, const struct names *in, struct relto_texts *out)
{
	const char **items = arena_zalloc(a, in->count, sizeof(*items));
	if (items == NULL)
		return false;
	for (size_t i = 0; i < in->count; i++) {
		items[i] = inside_text(a, in->items[i]);
		if (items[i] == NULL)
			return false;
	}
	*out = (struct relto_texts){ items, in->count };
	return true;
}

static bool
copy_agreement(struct arena *a, const struct msg_agreement *in, struct relto_agreement *out)
{
	*out = (struct relto_agreement){
		.name = inside_text(a, in->name),
		.version = in->version,
		.title = inside_text(a, in->title),
		.state = (enum relto_state)in->state,
		.valid_from = in->valid_from,
		.valid_until = in->valid_until,
		.exercise = in->mode == MODE_EXERCISE,
		.suspended = in->suspended,
		.may_originate = in->may_originate,
		.may_receive = in->may_receive,
		.at_most = (enum relto_precedence)in->at_most,
	};
	memcpy(out->terms, in->terms.data, sizeof(out->terms));
	return out->name != NULL && out->title != NULL &&
	       inside_texts(a, &in->topics, &out->topics) &&
	       inside_texts(a, &in->members, &out->members);
}

bool
inside_agreements(struct arena *a, const struct msg_agreement *in, size_t count,
    const struct relto_agreement **out)
{
	struct relto_agreement *items = arena_zalloc(a, count, sizeof(*items));
	if (items == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!copy_agreement(a, &in[i], &items[i]))
			return false;
	*out = items;
	return true;
}

bool
inside_unusable(
    struct arena *a, const struct msg_unusable *in, size_t count, const struct relto_unusable **out)
{
	struct relto_unusable *items = arena_zalloc(a, count, sizeof(*items));
	if (items == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		items[i].agreement = inside_text(a, in[i].agreement);
		items[i].why = inside_text(a, in[i].why);
		if (items[i].agreement == NULL || items[i].why == NULL)
			return false;
	}
	*out = items;
	return true;
}

#include "audit/quorum.h"

/* What the names of a file stand for. */
struct found {
	enum { FOUND_NOTHING = 1, FOUND_WITNESS, FOUND_GROUP } kind;
	size_t at;
};
struct reader {
	struct sha256 *h;
	struct quorum *q;
	uint32_t used_witnesses, used_groups; /* members of some group already */
	struct err *e;
};

static bool
bad(struct reader *r, const char *why)
{
	return err_set(r->e, ERR_DATA, "%s", why);
}

/* The next word; false at the end of the line.  Only space and tab part words. */
static bool
take_word(struct bytes *line, struct bytes *word)
{
	size_t n = 0, from = 0;
	while (from < line->len && (line->data[from] == ' ' || line->data[from] == '\t'))
		from++;
	for (n = from; n < line->len && line->data[n] != ' ' && line->data[n] != '\t';)
		n++;
	*word = bytes_from(line->data + from, n - from);
	*line = bytes_from(line->data + n, line->len - n);
	return word->len != 0;
}

static struct found
find(const struct quorum *q, struct bytes name)
{
	for (size_t i = 0; i < q->witness_count; i++)
		if (bytes_is(name, q->names[i]))
			return (struct found){ FOUND_WITNESS, i };
	for (size_t i = 0; i < q->group_count; i++)
		if (bytes_is(name, q->groups[i].name))
			return (struct found){ FOUND_GROUP, i };
	return (struct found){ FOUND_NOTHING, 0 };
}

static bool
is_new_name(struct reader *r, struct bytes name)
{
	if (name.len > QUORUM_NAME_MAX)
		return bad(r, "the name is too long");
	if (bytes_is(name, "none"))
		return bad(r, "'none' is nobody's name");
	return find(r->q, name).kind == FOUND_NOTHING || bad(r, "the name is taken");
}

/* VKEY [URL] to the end of the line. */
static bool
take_key(struct reader *r, struct bytes line, uint8_t type, struct note_key *key, char *url)
{
	struct bytes word, address = { NULL, 0 };
	if (!take_word(&line, &word))
		return bad(r, "a vkey is missing");
	if (!note_key_parse(r->h, word, key, r->e))
		return false;
	if (key->type != type)
		return bad(r, type == NOTE_COSIGNATURE ? "a witness's vkey has type 04"
						       : "a log's vkey has type 01");
	if (take_word(&line, &address) && address.len > QUORUM_URL_MAX)
		return bad(r, "the URL is too long");
	if (take_word(&line, &word))
		return bad(r, "there is more than a vkey and a URL");
	if (url != NULL && address.len != 0) {
		memcpy(url, address.data, address.len);
		url[address.len] = '\0';
	}
	return true;
}

static bool
is_new_key(struct reader *r, const struct note_key *keys, size_t count, const struct note_key *key)
{
	for (size_t i = 0; i < count; i++)
		if (memcmp(keys[i].public, key->public, sizeof(key->public)) == 0)
			return bad(r, "this key is there already");
	return true;
}

static bool
take_log(struct reader *r, struct bytes line)
{
	struct quorum *q = r->q;
	struct note_key key;
	if (q->log_count == QUORUM_LOGS_MAX)
		return bad(r, "more than 32 logs");
	if (!take_key(r, line, NOTE_ED25519, &key, NULL) ||
	    !is_new_key(r, q->logs, q->log_count, &key))
		return false;
	q->logs[q->log_count++] = key;
	return true;
}

static bool
take_witness(struct reader *r, struct bytes line)
{
	struct quorum *q = r->q;
	struct note_key key;
	struct bytes name;
	char url[QUORUM_URL_MAX + 1] = "";
	if (!take_word(&line, &name))
		return bad(r, "a witness needs a name and a vkey");
	if (q->witness_count == QUORUM_WITNESSES_MAX)
		return bad(r, "more than 15 witnesses");
	if (!is_new_name(r, name) || !take_key(r, line, NOTE_COSIGNATURE, &key, url) ||
	    !is_new_key(r, q->witnesses, q->witness_count, &key))
		return false;
	size_t at = q->witness_count++;
	q->witnesses[at] = key;
	memcpy(q->names[at], name.data, name.len);
	memcpy(q->urls[at], url, sizeof(url));
	return true;
}

/* all, any or a number without leading zeros; 0: all. */
static bool
take_need(struct reader *r, struct bytes *line, uint64_t *need)
{
	struct bytes word;
	if (!take_word(line, &word))
		return bad(r, "a group needs a name, how many, and members");
	if (bytes_is(word, "all") || bytes_is(word, "any")) {
		*need = word.data[1] == 'n';
		return true;
	}
	return (checkpoint_decimal(word, need) && *need != 0) ||
	       bad(r, "a group needs 'all', 'any' or a number from 1");
}

/* Each name is a member once in the whole file, so that nobody counts twice. */
static bool
take_member(struct reader *r, struct bytes name, struct quorum_group *g)
{
	struct found f = find(r->q, name);
	if (f.kind == FOUND_NOTHING)
		return bad(r, "a member that no line before defines");
	uint32_t bit = 1u << f.at;
	uint32_t *used = f.kind == FOUND_WITNESS ? &r->used_witnesses : &r->used_groups;
	if ((*used & bit) != 0)
		return bad(r, "a member that is in a group already");
	*used |= bit;
	*(f.kind == FOUND_WITNESS ? &g->witnesses : &g->groups) |= bit;
	return true;
}

static bool
take_group(struct reader *r, struct bytes line)
{
	struct quorum *q = r->q;
	struct quorum_group g = { 0 };
	struct bytes name, member;
	uint64_t need = 0, members = 0;
	if (!take_word(&line, &name))
		return bad(r, "a group needs a name, how many, and members");
	if (q->group_count == QUORUM_GROUPS_MAX)
		return bad(r, "more than 32 groups");
	if (!is_new_name(r, name) || !take_need(r, &line, &need))
		return false;
	for (; take_word(&line, &member); members++)
		if (!take_member(r, member, &g))
			return false;
	if (members == 0 || need > members)
		return bad(r, members == 0 ? "a group without members"
					   : "more are needed than the group has members");
	g.need = (unsigned)(need == 0 ? members : need);
	memcpy(g.name, name.data, name.len);
	q->groups[q->group_count++] = g;
	return true;
}

static bool
take_quorum(struct reader *r, struct bytes line)
{
	struct bytes name, more;
	if (r->q->rule != 0)
		return bad(r, "a second quorum");
	if (!take_word(&line, &name) || take_word(&line, &more))
		return bad(r, "a quorum is one name, or 'none'");
	struct found f = find(r->q, name);
	if (bytes_is(name, "none"))
		r->q->rule = QUORUM_NONE;
	else if (f.kind == FOUND_NOTHING)
		return bad(r, "a quorum that no line before defines");
	else
		r->q->rule = f.kind == FOUND_WITNESS ? QUORUM_WITNESS : QUORUM_GROUP;
	r->q->at = f.at;
	return true;
}

static bool
take_line(struct reader *r, struct bytes line)
{
	struct bytes word;
	for (size_t i = 0; i < line.len; i++)
		if ((line.data[i] < 0x20 && line.data[i] != '\t') || line.data[i] == 0x7f)
			return bad(r, "a control character");
	if (!take_word(&line, &word) || word.data[0] == '#')
		return true;
	if (bytes_is(word, "log"))
		return take_log(r, line);
	if (bytes_is(word, "witness"))
		return take_witness(r, line);
	if (bytes_is(word, "group"))
		return take_group(r, line);
	if (bytes_is(word, "quorum"))
		return take_quorum(r, line);
	return bad(r, "a line begins with log, witness, group or quorum");
}

bool
quorum_parse(struct sha256 *h, struct bytes text, struct quorum *out, struct err *e)
{
	struct reader r = { .h = h, .q = out, .e = e };
	struct bytes line;
	memset(out, 0, sizeof(*out));
	if (text.len > QUORUM_FILE_MAX)
		return err_set(e, ERR_DATA, "quorum: more than %d bytes", QUORUM_FILE_MAX);
	for (unsigned n = 1; checkpoint_line(&text, &line); n++)
		if (!take_line(&r, line))
			return err_wrap(e, "quorum: line %u", n);
	if (text.len != 0)
		return err_set(e, ERR_DATA, "quorum: the last line does not end");
	return out->rule != 0 || err_set(e, ERR_DATA, "quorum: there is no line 'quorum NAME'");
}

bool
quorum_met(const struct quorum *q, const struct note_seen *seen)
{
	uint32_t met = 0; /* groups name only groups before them */
	for (size_t g = 0; g < q->group_count; g++) {
		unsigned have = 0;
		for (size_t i = 0; i < q->witness_count; i++)
			have += (q->groups[g].witnesses >> i & 1) != 0 && seen[i].verified;
		for (size_t i = 0; i < g; i++)
			have += (q->groups[g].groups >> i & 1) != 0 && (met >> i & 1) != 0;
		if (have >= q->groups[g].need)
			met |= 1u << g;
	}
	switch (q->rule) {
	case QUORUM_NONE:
		return true;
	case QUORUM_WITNESS:
		return seen[q->at].verified;
	case QUORUM_GROUP:
		return (met >> q->at & 1) != 0;
	}
	return false;
}

bool
quorum_knows(const struct quorum *q, const struct note_key *log)
{
	for (size_t i = 0; i < q->log_count; i++)
		if (strcmp(q->logs[i].name, log->name) == 0 &&
		    memcmp(q->logs[i].public, log->public, sizeof(log->public)) == 0)
			return true;
	return q->log_count == 0;
}

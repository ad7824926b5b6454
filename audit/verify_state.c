#include "audit/verify_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/verify_files.h"
#include "audit/verify_print.h"
#include "proto/arena.h"
#include "proto/syntax.h"

static const char magic[] = "relto-verify heads 1\n";
enum { WORD_MAX = 300 };

/* One thing that is kept: a note, or a party's head. */
struct entry {
	struct bytes whole, origin;
	struct bytes note; /* absent: it is a party's */
	struct verify_kept kept;
};

static bool
take_line(struct bytes *in, struct bytes *line)
{
	const uint8_t *end = in->len == 0 ? NULL : memchr(in->data, '\n', in->len);
	if (end == NULL)
		return false;
	*line = bytes_from(in->data, (size_t)(end - in->data));
	*in = bytes_from(end + 1, in->len - line->len - 1);
	return true;
}

/* Takes a word off the line, as a C string. */
static bool
take_word(struct bytes *line, char to[WORD_MAX], struct bytes *view)
{
	const uint8_t *end = line->len == 0 ? NULL : memchr(line->data, ' ', line->len);
	size_t n = end == NULL ? line->len : (size_t)(end - line->data);
	if (n == 0 || n >= WORD_MAX)
		return false;
	memcpy(to, line->data, n);
	to[n] = '\0';
	*view = bytes_from(line->data, n);
	*line = bytes_from(line->data + n + (end != NULL), line->len - n - (end != NULL));
	return true;
}

static bool
take_number(struct bytes *line, uint64_t *out)
{
	char word[WORD_MAX], *end;
	struct bytes view;
	if (!take_word(line, word, &view) || word[0] < '0' || word[0] > '9')
		return false;
	errno = 0;
	*out = strtoull(word, &end, 10);
	return *end == '\0' && errno == 0;
}

static bool
take_party(struct bytes line, struct entry *out)
{
	char word[WORD_MAX];
	struct bytes root;
	return take_word(&line, word, &out->origin) && take_word(&line, word, &out->kept.party) &&
	       syntax_is_name(out->kept.party) && take_number(&line, &out->kept.size) &&
	       take_word(&line, word, &root) && bundle_unhex(root, out->kept.root) && line.len == 0;
}

static bool
take_note(struct bytes line, struct bytes *rest, struct entry *out)
{
	uint64_t len;
	if (!take_number(&line, &len) || line.len != 0 || len == 0 || len > rest->len)
		return false;
	struct bytes text = bytes_from(rest->data, len);
	out->note = text;
	*rest = bytes_from(rest->data + len, rest->len - len);
	return take_line(&text, &out->origin);
}

/* Takes the next entry off the front; false at the end or at a fault. */
static bool
next_entry(struct bytes *in, struct entry *out)
{
	struct bytes rest = *in, line, word;
	char text[WORD_MAX];
	struct entry x = { 0 };
	if (!take_line(&rest, &line) || !take_word(&line, text, &word))
		return false;
	if (!(bytes_is(word, "party") ? take_party(line, &x)
				      : bytes_is(word, "note") && take_note(line, &rest, &x)))
		return false;
	x.whole = bytes_from(in->data, (size_t)(rest.data - in->data));
	*in = rest;
	*out = x;
	return true;
}

static struct bytes
behind_magic(struct bytes file)
{
	return bytes_from(file.data + sizeof(magic) - 1, file.len - (sizeof(magic) - 1));
}

static bool
add_party(struct arena *a, struct verify_state *s, const struct verify_kept *kept, struct err *e)
{
	if ((s->party_count & (s->party_count - 1)) == 0) { /* room for twice as many */
		struct verify_kept *wider = arena_zalloc(a, s->party_count * 2 + 1, sizeof(*wider));
		if (wider == NULL)
			return err_set(e, ERR_NOMEM, "kept heads");
		if (s->party_count != 0)
			memcpy(wider, s->parties, s->party_count * sizeof(*wider));
		s->parties = wider;
	}
	s->parties[s->party_count++] = *kept;
	return true;
}

bool
verify_state_load(struct arena *a, const char *path, const struct note_key *log,
    struct verify_state *out, struct err *e)
{
	struct verify_state s = { .file = bytes_of(magic) };
	struct bytes file = { NULL, 0 }, rest;
	struct entry x;
	struct checkpoint_trust trust = { .log = log };
	if (!verify_files_slurp(path, a, &file, e))
		return err_wrap(e, "'%s'", path);
	if (file.data != NULL)
		s.file = file;
	if (s.file.len < sizeof(magic) - 1 || memcmp(s.file.data, magic, sizeof(magic) - 1) != 0)
		return err_set(e, ERR_DATA, "'%s' is no file of kept heads", path);
	for (rest = behind_magic(s.file); next_entry(&rest, &x);) {
		if (!bytes_is(x.origin, log->name))
			continue;
		if (x.note.data != NULL)
			s.note = x.note;
		else if (!add_party(a, &s, &x.kept, e))
			return false;
	}
	if (rest.len != 0)
		return err_set(e, ERR_DATA, "'%s' is no file of kept heads", path);
	if (s.note.data != NULL && !checkpoint_open(a, s.note, &trust, &s.head, e))
		return err_wrap(e, "kept head");
	*out = s;
	return true;
}

/* ---- writing ---- */

/* Writes 'path' through a temporary file beside it, synced before the rename. */
static bool
replace(const char *path, struct bytes data, struct err *e)
{
	char temp[4096];
	if ((size_t)snprintf(temp, sizeof(temp), "%s.new", path) >= sizeof(temp))
		return err_set(e, ERR_IO, "'%s': the name is too long", path);
	int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool ok = fd >= 0 && write(fd, data.data, data.len) == (ssize_t)data.len && fsync(fd) == 0;
	if (fd >= 0 && close(fd) != 0)
		ok = false;
	if (!ok || rename(temp, path) != 0)
		return err_set(e, ERR_IO, "'%s': %s", path, strerror(errno));
	return true;
}

static const struct verify_party *
covered(const struct verify_result *now, struct bytes name)
{
	for (size_t i = 0; i < now->party_count; i++)
		if (bytes_equal(now->parties[i].name, name))
			return now->parties[i].heads == 0 ? NULL : &now->parties[i];
	return NULL;
}

/* Whether an entry is replaced by what was verified now. */
static bool
is_replaced(const struct entry *x, const struct verify_result *now, bool larger)
{
	if (!bytes_is(x->origin, now->origin))
		return false;
	return x->note.data != NULL ? larger : covered(now, x->kept.party) != NULL;
}

static void
write_state(
    FILE *to, const struct verify_state *was, const struct verify_result *now, struct bytes note)
{
	struct entry x;
	char root[65];
	bool larger = now->size > was->head.size;
	(void)fputs(magic, to);
	for (struct bytes rest = behind_magic(was->file); next_entry(&rest, &x);)
		if (!is_replaced(&x, now, larger))
			(void)fwrite(x.whole.data, 1, x.whole.len, to);
	if (larger) {
		(void)fprintf(to, "note %zu\n", note.len);
		(void)fwrite(note.data, 1, note.len, to);
	}
	for (size_t i = 0; i < now->party_count; i++) {
		const struct verify_party *p = &now->parties[i];
		if (p->heads == 0 || !syntax_is_name(p->name))
			continue;
		verify_print_hex(p->root, 32, root);
		(void)fprintf(to, "party %s %.*s %" PRIu64 " %s\n", now->origin, (int)p->name.len,
		    (const char *)p->name.data, p->covered, root);
	}
}

bool
verify_state_keep(const char *path, const struct verify_state *was, const struct verify_result *now,
    struct bytes note, struct err *e)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	if (to == NULL)
		return err_set(e, ERR_NOMEM, "kept heads");
	write_state(to, was, now, note);
	bool ok = ferror(to) == 0;
	ok = fclose(to) == 0 && ok;
	struct bytes data = bytes_from((const uint8_t *)text, len);
	ok = ok ? bytes_equal(data, was->file) || replace(path, data, e)
		: err_set(e, ERR_NOMEM, "kept heads");
	free(text);
	return ok;
}

bool
verify_state_fork(struct arena *a, const char *path, const struct note_key *log,
    const struct bytes notes[2], const char **out, struct err *e)
{
	char vkey[NOTE_VKEY_MAX];
	static const char *const names[] = { "kept", "shown", "log.vkey" };
	note_key_print(log, vkey);
	const struct bytes contents[] = { notes[0], notes[1], bytes_of(vkey) };
	/* never over an older evidence */
	for (unsigned i = 0; i < 1000; i++) {
		char *dir = arena_printf(a, "%s.fork-%u", path, i);
		if (dir == NULL)
			return err_set(e, ERR_NOMEM, "fork evidence");
		if (mkdir(dir, 0700) != 0 && errno == EEXIST)
			continue;
		for (size_t j = 0; j < 3; j++) {
			char *file = arena_printf(a, "%s/%s", dir, names[j]);
			if (file == NULL || !replace(file, contents[j], e))
				return err_wrap(e, "fork evidence");
		}
		*out = dir;
		return true;
	}
	return err_set(e, ERR_IO, "fork evidence: too many beside '%s'", path);
}

#include "client/cli/handover.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ALIVE_MS = 10000 }; /* how often the broker hears of us while a program runs */

static bool
write_all(int fd, const struct relto_bytes *b)
{
	const char *at = b->data;
	size_t left = b->len;
	while (left > 0) {
		ssize_t n = write(fd, at, left);
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			at += n;
			left -= (size_t)n;
		}
	}
	return true;
}

/* A file in memory, not a pipe: the program reads as much as it likes, and never waits for us. */
static int
contents(const struct relto_delivery *d)
{
	int fd = memfd_create("report", MFD_CLOEXEC);
	bool ok = fd >= 0;
	for (size_t i = 0; ok && i < d->portion_count; i++)
		ok = write_all(fd, &d->portions[i].portion.content);
	if (ok && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

/* To be freed; NULL on shortage. */
static char *
markings(struct session *s, const struct relto_delivery *d)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	if (to == NULL)
		return NULL;
	for (size_t i = 0; i < d->portion_count; i++) {
		const struct relto_portion *p = &d->portions[i].portion;
		(void)fputs(i == 0 ? "" : "\n", to);
		delivery_markings(to, s, p);
	}
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

static void
child(const char *command, int in)
{
	if (dup2(in, STDIN_FILENO) == STDIN_FILENO && signal(SIGPIPE, SIG_DFL) != SIG_ERR)
		(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

/* The environment is that of this process: nothing else is started from it. */
static bool
say(struct session *s, const struct relto_delivery *d, const char *folder)
{
	char id[RELTO_ID_TEXT], about[RELTO_ID_TEXT] = "";
	relto_id_print(d->id, id);
	if (d->about.act != 0)
		relto_id_print(d->about.report, about);
	char *marked = markings(s, d);
	bool ok =
	    marked != NULL && setenv("RELTO_REPORT", id, 1) == 0 &&
	    setenv("RELTO_PARTY", d->party, 1) == 0 && setenv("RELTO_TOPIC", d->topic, 1) == 0 &&
	    setenv("RELTO_MODE", d->exercise ? "exercise" : "live", 1) == 0 &&
	    setenv("RELTO_ORIGINATOR", d->originator, 1) == 0 &&
	    setenv("RELTO_MARKINGS", marked, 1) == 0 &&
	    setenv("RELTO_ACT", delivery_act(d), 1) == 0 && setenv("RELTO_ABOUT", about, 1) == 0 &&
	    setenv("RELTO_CODE", d->about.act == 0 ? "" : d->about.code, 1) == 0 &&
	    (folder == NULL || setenv("RELTO_FOLDER", folder, 1) == 0);
	free(marked);
	return ok;
}

/* A broker that hears nothing for too long hangs up, and the report would come and run again. */
static bool
wait_for(struct session *s, pid_t pid)
{
	int status = 0, fd = pidfd_open(pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	bool alive = fd >= 0;
	while (alive && poll(&p, 1, ALIVE_MS) == 0)
		alive = relto_ping(s->connection, NULL);
	if (fd >= 0)
		(void)close(fd);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool
handover_run(
    struct session *s, const char *command, const char *folder, const struct relto_delivery *d)
{
	int in = say(s, d, folder) ? contents(d) : -1;
	if (in < 0)
		return false;
	(void)fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		child(command, in);
	(void)close(in);
	return pid > 0 && wait_for(s, pid);
}

/* ---- what was dealt with ---- */

bool
handover_is_done(const struct handover_done *h, const struct relto_delivery *d)
{
	char digest[DELIVERY_DIGEST];
	size_t n = h->count < HANDOVER_REMEMBERED ? h->count : HANDOVER_REMEMBERED;
	delivery_digest(d, digest);
	for (size_t i = 0; i < n; i++)
		if (strcmp(h->digest[i], digest) == 0)
			return true;
	return false;
}

void
handover_set_done(struct handover_done *h, const struct relto_delivery *d)
{
	delivery_digest(d, h->digest[h->count++ % HANDOVER_REMEMBERED]);
}

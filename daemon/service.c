#include "daemon/service.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { SOCKETS_MAX = 64 };

/* A number in a variable of that name; 0 if there is none. */
static bool
number(const char *name, uint64_t most, uint64_t *out, struct err *e)
{
	const char *text = getenv(name);
	char *end;
	*out = 0;
	if (text == NULL)
		return true;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *out <= most) ||
	       err_set(e, ERR_CONFIG, "%s='%s' is no number from 0 to %" PRIu64, name, text, most);
}

/* NAME=VALUE is for the process of NAME_PID, if that is said. */
static bool
is_for_us(const char *pid_name, struct err *e, bool *yes)
{
	uint64_t pid;
	if (!number(pid_name, INT32_MAX, &pid, e))
		return false;
	*yes = getenv(pid_name) == NULL || pid == (uint64_t)getpid();
	return true;
}

static bool
open_notify(struct service *s, struct err *e)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	s->fd = -1;
	if (path == NULL)
		return true;
	size_t len = strlen(path);
	if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof(to.sun_path))
		return err_set(e, ERR_CONFIG, "NOTIFY_SOCKET='%s' is no socket's name", path);
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0'; /* the abstract name space */
	s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd >= 0 && connect(s->fd, (struct sockaddr *)&to,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0)
		return true;
	return err_set(e, ERR_IO, "NOTIFY_SOCKET '%s': %s", path, strerror(errno));
}

/* Each must be a socket that listens; none of them outlives an exec. */
static bool
take_sockets(struct service *s, struct err *e)
{
	uint64_t count;
	bool ours;
	if (!is_for_us("LISTEN_PID", e, &ours) || !number("LISTEN_FDS", SOCKETS_MAX, &count, e))
		return false;
	s->sockets = ours ? (unsigned)count : 0;
	for (unsigned i = 0; i < s->sockets; i++) {
		int listens = 0, fd = SERVICE_FIRST_FD + (int)i;
		socklen_t len = sizeof(listens);
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0 ||
		    listens != 1 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
		    fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
			return err_set(e, ERR_CONFIG,
			    "LISTEN_FDS=%u: descriptor %d is no socket that listens", s->sockets,
			    fd);
	}
	return true;
}

bool
service_open(struct service *s, struct err *e)
{
	static const char *const names[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
		"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES" };
	bool watched;
	*s = (struct service){ .fd = -1 };
	if (!take_sockets(s, e) || !open_notify(s, e) || !is_for_us("WATCHDOG_PID", e, &watched) ||
	    !number("WATCHDOG_USEC", UINT64_MAX / 2, &s->watchdog_us, e))
		return false;
	if (!watched || s->fd < 0)
		s->watchdog_us = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unsetenv(names[i]);
	return true;
}

void
service_close(struct service *s)
{
	if (s->fd >= 0)
		(void)close(s->fd);
	s->fd = -1;
}

bool
service_tell(const struct service *s, const char *text)
{
	size_t len = strlen(text);
	return s->fd < 0 || send(s->fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

bool
service_tell_reload(const struct service *s)
{
	struct timespec now;
	char text[64];
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	(void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
	    (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	return service_tell(s, text);
}

#include "daemon/notary_line.h"
#include "daemon/role.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Whom the kernel saw listen there. */
static bool
check_peer(int fd, uid_t uid, struct err *e)
{
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(who);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0)
		return err_set(e, ERR_UNREACHABLE, "the signer's uid: %s", strerror(errno));
	return who.uid == uid ||
	       err_set(e, ERR_CONFIG,
		   "who listens at log { signer } runs as uid %ld, and log { signer-user } is %ld",
		   (long)who.uid, (long)uid);
}

static bool
connect_to(int fd, const char *path, struct err *e)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(at.sun_path))
		return err_set(e, ERR_CONFIG, "log { signer }: a path of %zu bytes, at most %zu",
		    strlen(path), sizeof(at.sun_path) - 1);
	memcpy(at.sun_path, path, strlen(path));
	return connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 ||
	       err_set(e, ERR_UNREACHABLE, "log { signer } %s: %s", path, strerror(errno));
}

bool
notary_line_open(struct notary_line *l, const char *path, uid_t uid, struct err *e)
{
	ASSERT_ON(ROLE_NOTARY);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(e, ERR_UNREACHABLE, "socket: %s", strerror(errno));
	if (!connect_to(fd, path, e) || !check_peer(fd, uid, e)) {
		(void)close(fd);
		return false;
	}
	*l = (struct notary_line){ .fd = fd, .open = true };
	return true;
}

void
notary_line_close(struct notary_line *l)
{
	ASSERT_ON(ROLE_NOTARY);
	if (l->open)
		(void)close(l->fd);
	*l = (struct notary_line){ .fd = -1 };
}

bool
notary_line_take(struct notary_line *l, uint8_t packet[SIGNING_BYTES_MAX],
    struct signing_message *m, bool *got, struct err *e)
{
	ASSERT_ON(ROLE_NOTARY);
	ssize_t n;
	do
		n = recv(l->fd, packet, SIGNING_BYTES_MAX, MSG_DONTWAIT | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	*got = n > 0;
	if (n == 0)
		return err_set(e, ERR_UNREACHABLE, "the signer is gone");
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ||
		       err_set(e, ERR_UNREACHABLE, "the signer: %s", strerror(errno));
	if ((size_t)n <= SIGNING_BYTES_MAX && signing_parse(bytes_from(packet, (size_t)n), m, e))
		return true;
	return err_set(e, ERR_DATA, "the signer sent %zd bytes that are no message", n);
}

bool
notary_line_send(struct notary_line *l, const struct signing_message *m, struct err *e)
{
	ASSERT_ON(ROLE_NOTARY);
	uint8_t packet[SIGNING_BYTES_MAX];
	size_t len = signing_write(m, packet);
	ssize_t n;
	do
		n = send(l->fd, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)len || err_set(e, ERR_UNREACHABLE, "the signer does not read: %s",
					n < 0 ? strerror(errno) : "a part was sent");
}

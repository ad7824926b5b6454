/*
 * power_record.c - preloaded into reltod and relto: writes down, in order, every operation below a
 * folder that a power cut could undo, with its data, and when bytes leave on a socket
 * (power_entry.h).  power_replay makes disks of it.
 *	RELTO_POWER_ROOT	the folder, as realpath gives it
 *	RELTO_POWER_RECORD	the file to append to; several processes may share it
 *	RELTO_POWER_DIE_AT	n: the process kills itself before its n-th operation on files
 *	RELTO_POWER_FAIL_AT	n: its n-th flush, or write that flushes, ends with EIO
 *	RELTO_POWER_MUTANT	what is left out of the record: fdatasync, dsync or folder
 *	RELTO_POWER_BOOT_ID	what the kernel is to have said, as after a reboot
 * An operation is done and then written down, and no thread dies between the two: so the next
 * process finds what the record says.  Calls go straight to the kernel.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/faults/power_entry.h"
#include "tests/faults/power_hook.h"

enum { PATH = 4096 };
static int record = -1;
static size_t root_len;
static char root[PATH];
static const char *mutant = "", *boot_id;
static long die_at, operations, fail_at, flushes;
static pthread_mutex_t doing = PTHREAD_MUTEX_INITIALIZER;

/* ---- the record ---- */

static void
fatal(const char *why)
{
	(void)dprintf(STDERR_FILENO, "power_record: %s: %s\n", why, strerror(errno));
	abort();
}

/* One write with O_APPEND: entries of two threads, or processes, do not mix. */
static void
append(struct power_entry entry, const char *name, const char *to, const struct iovec *data,
    int pieces)
{
	struct iovec all[3 + IOV_MAX];
	int saved = errno;
	if (pieces > IOV_MAX - 3)
		fatal("more pieces than one write takes");
	entry.name_len = (uint16_t)strlen(name);
	entry.to_len = (uint16_t)strlen(to);
	size_t sum = sizeof(entry) + entry.name_len + entry.to_len;
	all[0] = (struct iovec){ &entry, sizeof(entry) };
	all[1] = (struct iovec){ (void *)(uintptr_t)name, entry.name_len };
	all[2] = (struct iovec){ (void *)(uintptr_t)to, entry.to_len };
	for (int i = 0; i < pieces; i++) {
		all[3 + i] = data[i];
		sum += data[i].iov_len;
	}
	entry.bytes = sum;
	if (syscall(SYS_writev, record, all, 3 + pieces) != (long)sum)
		fatal("write the record");
	errno = saved;
}

static void
note(enum power_kind kind, const char *name, const char *to, uint64_t at)
{
	append((struct power_entry){ .kind = kind, .at = at }, name, to, NULL, 0);
}

static long
number(const char *name)
{
	const char *text = getenv(name);
	return text == NULL ? 0 : strtol(text, NULL, 10);
}

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("RELTO_POWER_RECORD"), *below = getenv("RELTO_POWER_ROOT");
	boot_id = getenv("RELTO_POWER_BOOT_ID");
	if (path == NULL || below == NULL)
		return;
	(void)snprintf(root, sizeof(root), "%s", below);
	root_len = strlen(root);
	mutant = getenv("RELTO_POWER_MUTANT");
	mutant = mutant == NULL ? "" : mutant;
	die_at = number("RELTO_POWER_DIE_AT");
	fail_at = number("RELTO_POWER_FAIL_AT");
	int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
	record = (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
	if (record < 0)
		fatal("open the record");
	note(POWER_START, "", "", 0);
}

/* ---- names ---- */

/* What is below the root: true, and 'path' begins with what follows it. */
static bool
below_root(char path[PATH])
{
	if (record < 0 || strncmp(path, root, root_len) != 0 ||
	    (path[root_len] != '/' && path[root_len] != 0))
		return false;
	const char *rest = path + root_len + (path[root_len] == '/');
	memmove(path, rest, strlen(rest) + 1);
	return true;
}

static bool
name_of_fd(int fd, char out[PATH])
{
	char link[64];
	int saved = errno;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = record < 0 ? -1 : readlink(link, out, PATH - 1);
	errno = saved;
	if (n <= 0)
		return false;
	out[n] = 0;
	return below_root(out);
}

/* The name of what 'name' stands for below 'dir'; its folder must exist. */
static bool
name_at(int dir, const char *name, char out[PATH])
{
	char whole[2 * PATH], link[64], base[PATH] = "", folder[PATH];
	int saved = errno;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	ssize_t n = name[0] == '/' || record < 0 ? 0
		    : dir == AT_FDCWD		 ? readlink("/proc/self/cwd", base, PATH - 1)
						 : readlink(link, base, PATH - 1);
	int len = n < 0 ? -1 : snprintf(whole, sizeof(whole), "%s/%s", base, name);
	char *slash = len < 0 ? NULL : strrchr(whole, '/');
	bool ok = record >= 0 && slash != NULL && slash[1] != 0;
	if (ok) {
		*slash = 0;
		ok = realpath(whole[0] == 0 ? "/" : whole, folder) != NULL &&
		     snprintf(out, PATH, "%s/%s", folder, slash + 1) < PATH && below_root(out);
	}
	errno = saved;
	return ok;
}

/* Whatever is done to a file of ours is done and written down before another thread may die. */
static void
may_die(void)
{
	if (die_at != 0 && ++operations == die_at)
		(void)syscall(SYS_kill, getpid(), SIGKILL);
}

static void
lock(bool ours)
{
	if (!ours)
		return;
	(void)pthread_mutex_lock(&doing);
	may_die();
}

static void
unlock(bool ours)
{
	if (ours)
		(void)pthread_mutex_unlock(&doing);
}

/* ---- files come, go and change their names ---- */

/* As after a reboot. */
static int
other_boot(void)
{
	int fd = (int)syscall(SYS_memfd_create, "boot_id", 0);
	if (fd < 0 || syscall(SYS_write, fd, boot_id, strlen(boot_id)) < 0 ||
	    syscall(SYS_lseek, fd, 0, SEEK_SET) != 0)
		fatal("boot id");
	return fd;
}

static int
open_at(int dir, const char *path, int flags, mode_t mode)
{
	char name[PATH];
	struct stat st;
	if (boot_id != NULL && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
		return other_boot();
	if (!(flags & (O_CREAT | O_TRUNC)) || !name_at(dir, path, name))
		return (int)syscall(SYS_openat, dir, path, flags, mode);
	int saved = errno;
	bool there = fstatat(dir, path, &st, 0) == 0;
	errno = saved;
	lock(true);
	int fd = (int)syscall(SYS_openat, dir, path, flags, mode);
	if (fd >= 0 && !there)
		note(POWER_MAKE, name, "", 0);
	else if (fd >= 0 && (flags & O_TRUNC))
		note(POWER_SIZE, name, "", 0);
	unlock(true);
	return fd;
}

USED int
hook_open(const char *path, int flags, ...)
{
	va_list more;
	va_start(more, flags);
	mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
	va_end(more);
	return open_at(AT_FDCWD, path, flags, mode);
}
HOOK64(open, hook_open);
HOOK(__open_2, hook_open);
HOOK(__open64_2, hook_open);

USED int
hook_openat(int dir, const char *path, int flags, ...)
{
	va_list more;
	va_start(more, flags);
	mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
	va_end(more);
	return open_at(dir, path, flags, mode);
}
HOOK64(openat, hook_openat);
HOOK(__openat_2, hook_openat);
HOOK(__openat64_2, hook_openat);

static int
make_dir(int dir, const char *path, mode_t mode)
{
	char name[PATH];
	bool ours = name_at(dir, path, name);
	lock(ours);
	int rc = (int)syscall(SYS_mkdirat, dir, path, mode);
	if (rc == 0 && ours)
		note(POWER_MAKE_DIR, name, "", 0);
	unlock(ours);
	return rc;
}

USED int
hook_mkdir(const char *path, mode_t mode)
{
	return make_dir(AT_FDCWD, path, mode);
}
HOOK(mkdir, hook_mkdir);

USED int
hook_mkdirat(int dir, const char *path, mode_t mode)
{
	return make_dir(dir, path, mode);
}
HOOK(mkdirat, hook_mkdirat);

static int
remove_at(int dir, const char *path, int flags)
{
	char name[PATH];
	bool ours = name_at(dir, path, name);
	lock(ours);
	int rc = (int)syscall(SYS_unlinkat, dir, path, flags);
	if (rc == 0 && ours)
		note(POWER_REMOVE, name, "", 0);
	unlock(ours);
	return rc;
}

USED int
hook_unlinkat(int dir, const char *path, int flags)
{
	return remove_at(dir, path, flags);
}
HOOK(unlinkat, hook_unlinkat);

USED int
hook_unlink(const char *path)
{
	return remove_at(AT_FDCWD, path, 0);
}
HOOK(unlink, hook_unlink);

USED int
hook_rmdir(const char *path)
{
	return remove_at(AT_FDCWD, path, AT_REMOVEDIR);
}
HOOK(rmdir, hook_rmdir);

struct place {
	int dir;
	const char *path;
};

static int
move(struct place from, struct place to)
{
	char name[PATH], into[PATH];
	bool ours = name_at(from.dir, from.path, name), stays = name_at(to.dir, to.path, into);
	lock(ours);
	int rc = (int)syscall(SYS_renameat2, from.dir, from.path, to.dir, to.path, 0);
	if (rc == 0 && ours != stays)
		note(POWER_ODD, "rename across the root", ours ? name : into, 0);
	else if (rc == 0 && ours)
		note(POWER_MOVE, name, into, 0);
	unlock(ours);
	return rc;
}

USED int
hook_rename(const char *from, const char *to)
{
	return move((struct place){ AT_FDCWD, from }, (struct place){ AT_FDCWD, to });
}
HOOK(rename, hook_rename);

USED int
hook_renameat(int dir, const char *from, int to_dir, const char *to)
{
	return move((struct place){ dir, from }, (struct place){ to_dir, to });
}
HOOK(renameat, hook_renameat);

/* ---- bytes ---- */

/* The disk's word on a flush of 'name': false, and what was flushed may never get there. */
static bool
flushes_well(const char *name)
{
	if (fail_at == 0 || ++flushes != fail_at)
		return true;
	note(POWER_FAILED, name, "", 0);
	errno = EIO;
	return false;
}

/* 'n' bytes of the pieces came to stand at 'at'.  False if they were to be flushed and were not. */
static bool
wrote(int fd, const char *name, const struct iovec *pieces, off_t at, ssize_t n)
{
	struct iovec kept[IOV_MAX];
	int used = 0;
	for (size_t left = n < 0 ? 0 : (size_t)n; left > 0; used++) {
		kept[used] = pieces[used];
		if (kept[used].iov_len > left)
			kept[used].iov_len = left;
		left -= kept[used].iov_len;
	}
	if (used == 0)
		return true;
	struct power_entry e = { .kind = POWER_WRITE, .at = (uint64_t)at, .data_len = (uint64_t)n };
	append(e, name, "", kept, used);
	if (!(fcntl(fd, F_GETFL) & O_DSYNC) || strcmp(mutant, "dsync") == 0)
		return true;
	may_die();
	if (!flushes_well(name))
		return false;
	note(POWER_WRITE_DONE, name, "", 0);
	return true;
}

USED ssize_t
hook_pwritev(int fd, const struct iovec *pieces, int count, off_t at)
{
	char name[PATH];
	bool ours = name_of_fd(fd, name);
	lock(ours);
	ssize_t n = syscall(SYS_pwritev, fd, pieces, count, at, 0);
	if (ours && !wrote(fd, name, pieces, at, n))
		n = -1;
	unlock(ours);
	return n;
}
HOOK64(pwritev, hook_pwritev);

USED ssize_t
hook_pwrite(int fd, const void *data, size_t len, off_t at)
{
	struct iovec piece = { (void *)(uintptr_t)data, len };
	return hook_pwritev(fd, &piece, 1, at);
}
HOOK64(pwrite, hook_pwrite);

/* The port at the other end, or 0: no TCP. */
static uint16_t
peer_port(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	int saved = errno;
	bool ok = record >= 0 && getpeername(fd, (struct sockaddr *)&peer, &len) == 0;
	errno = saved;
	if (ok && peer.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&peer)->sin_port);
	return 0;
}

USED ssize_t
hook_writev(int fd, const struct iovec *pieces, int count)
{
	char name[PATH];
	bool ours = name_of_fd(fd, name);
	uint16_t port = ours ? 0 : peer_port(fd);
	if (port != 0)
		note(POWER_SEND, "", "", port);
	lock(ours);
	ssize_t n = syscall(SYS_writev, fd, pieces, count);
	/* with O_APPEND, too, the place is now behind what was written */
	if (ours && !wrote(fd, name, pieces, lseek(fd, 0, SEEK_CUR) - n, n))
		n = -1;
	unlock(ours);
	struct power_entry e = {
		.kind = POWER_SENT, .at = port, .data_len = n < 0 ? 0 : (uint64_t)n
	};
	if (port != 0)
		append(e, "", "", NULL, 0);
	return n;
}
HOOK(writev, hook_writev);

USED ssize_t
hook_write(int fd, const void *data, size_t len)
{
	struct iovec piece = { (void *)(uintptr_t)data, len };
	return record < 0 ? syscall(SYS_write, fd, data, len) : hook_writev(fd, &piece, 1);
}
HOOK(write, hook_write);

USED int
hook_ftruncate(int fd, off_t to)
{
	char name[PATH];
	bool ours = name_of_fd(fd, name);
	lock(ours);
	int rc = (int)syscall(SYS_ftruncate, fd, to);
	if (rc == 0 && ours)
		note(POWER_SIZE, name, "", (uint64_t)to);
	unlock(ours);
	return rc;
}
HOOK64(ftruncate, hook_ftruncate);

USED int
hook_fallocate(int fd, int mode, off_t at, off_t len)
{
	char name[PATH];
	bool ours = name_of_fd(fd, name);
	lock(ours);
	int rc = (int)syscall(SYS_fallocate, fd, mode, at, len);
	if (rc == 0 && ours && mode != 0)
		note(POWER_ODD, "fallocate with a mode", name, 0);
	else if (rc == 0 && ours)
		note(POWER_GROW, name, "", (uint64_t)(at + len));
	unlock(ours);
	return rc;
}
HOOK64(fallocate, hook_fallocate);

USED int
hook_posix_fallocate(int fd, off_t at, off_t len)
{
	return hook_fallocate(fd, 0, at, len) == 0 ? 0 : errno;
}
HOOK64(posix_fallocate, hook_posix_fallocate);

/* ---- flushes ---- */

static int
flush(int fd, long call, const char *name)
{
	lock(true);
	note(POWER_SYNC, name, "", 0);
	int rc = flushes_well(name) ? (int)syscall(call, fd) : -1;
	may_die();
	if (rc == 0)
		note(POWER_SYNC_DONE, name, "", 0);
	unlock(true);
	return rc;
}

USED int
hook_fdatasync(int fd)
{
	char name[PATH];
	bool ours = name_of_fd(fd, name) && strcmp(mutant, "fdatasync") != 0;
	return ours ? flush(fd, SYS_fdatasync, name) : (int)syscall(SYS_fdatasync, fd);
}
HOOK(fdatasync, hook_fdatasync);

USED int
hook_fsync(int fd)
{
	char name[PATH];
	struct stat st;
	bool ours = name_of_fd(fd, name) && fstat(fd, &st) == 0;
	if (ours && S_ISDIR(st.st_mode) && strcmp(mutant, "folder") == 0)
		ours = false;
	return ours ? flush(fd, SYS_fsync, name) : (int)syscall(SYS_fsync, fd);
}
HOOK(fsync, hook_fsync);

/* Of sync_file_range nothing is expected: it flushes neither sizes nor the disk's own cache. */

/* ---- memory ---- */

/* Six parameters are what libc's has. */
USED void *
hook_mmap(void *at, size_t len, int protection, int flags, ...)
{
	char name[PATH];
	va_list more;
	va_start(more, flags);
	int fd = va_arg(more, int);
	off_t offset = va_arg(more, off_t);
	va_end(more);
	void *got = (void *)syscall(SYS_mmap, at, len, protection, flags, fd, offset);
	if (got != MAP_FAILED && fd >= 0 && (flags & MAP_SHARED) && (protection & PROT_WRITE) &&
	    name_of_fd(fd, name))
		note(POWER_MAPPED, name, "", 0);
	return got;
}
HOOK64(mmap, hook_mmap);

/* The model does not follow a map of which something is promised. */
USED int
hook_msync(void *at, size_t len, int flags)
{
	if (record >= 0)
		note(POWER_ODD, "msync", "", 0);
	return (int)syscall(SYS_msync, at, len, flags);
}
HOOK(msync, hook_msync);

/* ---- sockets ---- */

USED int
hook_accept4(int fd, struct sockaddr *peer, socklen_t *len, int flags)
{
	int got = (int)syscall(SYS_accept4, fd, peer, len, flags);
	uint16_t port = got < 0 ? 0 : peer_port(got);
	if (port != 0)
		note(POWER_ACCEPT, "", "", port);
	return got;
}
HOOK(accept4, hook_accept4);

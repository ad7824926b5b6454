#include "daemon/sandbox.h"

#include "daemon/config.h"
#include "daemon/folders.h"
#include "proto/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A sanitizer looks into its own process at the end, and at its memory. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* ---- Landlock ---- */

/* Of later headers than Debian 12's. */
#define ACCESS_TRUNCATE (1ull << 14)  /* ABI 3 */
#define ACCESS_IOCTL_DEV (1ull << 15) /* ABI 5 */
enum { ABI_KNOWN = 5 };

static const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t of_files =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE;

/* All that this ABI can forbid. */
static uint64_t
handled(int abi)
{
	uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
	if (abi >= 2)
		all |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		all |= ACCESS_TRUNCATE;
	if (abi >= 5)
		all |= ACCESS_IOCTL_DEV;
	return all;
}

static uint64_t
writing(int abi)
{
	return handled(abi) &
	       (reading | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
		   LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SOCK |
		   LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
		   LANDLOCK_ACCESS_FS_REFER | ACCESS_TRUNCATE);
}

/* What is not there needs no leave. */
static bool
allow(int rules, const char *path, uint64_t what, struct err *e)
{
	struct stat st;
	struct landlock_path_beneath_attr at = { .allowed_access = what,
		.parent_fd = path[0] == '\0' ? -1 : open(path, O_PATH | O_CLOEXEC) };
	if (at.parent_fd < 0)
		return path[0] == '\0' || errno == ENOENT ||
		       err_set(e, ERR_IO, "sandbox: '%s': %s", path, strerror(errno));
	if (fstat(at.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		at.allowed_access &= of_files;
	bool ok = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &at, 0) == 0 ||
		  err_set(e, ERR_IO, "sandbox: '%s': %s", path, strerror(errno));
	(void)close(at.parent_fd);
	return ok;
}

/* The folder that a file is in. */
static bool
allow_folder_of(int rules, const char *path, uint64_t what, struct err *e)
{
	char copy[4096];
	if (path[0] == '\0')
		return true;
	int n = snprintf(copy, sizeof(copy), "%s", path);
	if (n < 0 || (size_t)n >= sizeof(copy))
		return err_set(e, ERR_CONFIG, "sandbox: '%s' is too long", path);
	return allow(rules, dirname(copy), what, e);
}

static bool
allow_all(int rules, const struct config *c, const struct folders *read, int abi, struct err *e)
{
	static const char *const system[] = { "/proc", "/dev/null", "/dev/urandom", "/etc/ssl",
		"/sys/devices/system/cpu", "/sys/fs/cgroup" };
	struct stat st;
	for (size_t i = 0; i < sizeof(system) / sizeof(system[0]); i++)
		if (!allow(rules, system[i], reading, e))
			return false;
	for (size_t i = 0; i < read->count; i++)
		if (!allow(rules, read->items[i], reading, e))
			return false;
	bool folder = stat(c->policy, &st) == 0 && S_ISDIR(st.st_mode);
	return allow(rules, c->dir, reading, e) &&
	       (folder ? allow(rules, c->policy, reading, e)
		       : allow_folder_of(rules, c->policy, reading, e)) &&
	       allow_folder_of(rules, c->identity_certificate, reading, e) &&
	       allow_folder_of(rules, c->identity_key, reading, e) &&
	       allow_folder_of(rules, c->log_key, reading, e) &&
	       allow(rules, c->store_path, writing(abi), e) &&
	       allow(rules, c->run_dir, writing(abi), e) &&
	       allow(rules, c->store_backup_dir, writing(abi), e) &&
	       allow(rules, c->store_archive, writing(abi), e) &&
	       allow_folder_of(rules, c->observe_socket, writing(abi), e);
}

/* The ABI that was reached; 0: this kernel, or what it runs in, gives none; -1: a path is at fault.
 */
static int
enter_landlock(const struct config *c, const struct folders *read, struct err *e)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi <= 0)
		return 0;
	abi = abi > ABI_KNOWN ? ABI_KNOWN : abi;
	struct landlock_ruleset_attr attr = { .handled_access_fs = handled((int)abi) };
	long rules = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
	if (rules < 0)
		return 0;
	bool ok = allow_all((int)rules, c, read, (int)abi, e);
	bool closed = ok && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
	(void)close((int)rules);
	return closed ? (int)abi : ok ? 0 : -1;
}

/* ---- seccomp ---- */

/* The filter is written out: libseccomp 2.5 falls over (SIGSEGV, a double free) when it has no
 * memory for one. */
#define KILL SECCOMP_RETURN(SECCOMP_RET_KILL_PROCESS)
#define ALLOW SECCOMP_RETURN(SECCOMP_RET_ALLOW)

#ifdef SECCOMP_MACHINE
/* Arguments are looked at by their lower halves, as the kernel takes flags and families. */
static const struct sock_filter filter[] = {
	SECCOMP_BEGIN(SECCOMP_RET_KILL_PROCESS),
#define D(name) SECCOMP_CALL(name, 1), KILL,
#include "daemon/sandbox.def"
#undef D
	/* its flags are in memory, where a filter cannot see them: glibc then uses clone */
	SECCOMP_CALL(clone3, 1),
	SECCOMP_RETURN(SECCOMP_RET_ERRNO | ENOSYS),
	/* threads, and no processes */
	SECCOMP_CALL(clone, 4),
	SECCOMP_LOAD(args[0]),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0),
	KILL,
	ALLOW,
	/* memory that can be written becomes no code */
	SECCOMP_CALL(mprotect, 4),
	SECCOMP_LOAD(args[2]),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
	KILL,
	ALLOW,
	SECCOMP_CALL(mmap, 5),
	SECCOMP_LOAD(args[2]),
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, PROT_EXEC | PROT_WRITE),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROT_EXEC | PROT_WRITE, 0, 1),
	KILL,
	ALLOW,
	/* the three families that it knows */
	SECCOMP_CALL(socket, 5),
	SECCOMP_LOAD(args[0]),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 3, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 2, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 1, 0),
	KILL,
	ALLOW,
};

static bool
enter_seccomp(void)
{
	const struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]),
		(struct sock_filter *)(uintptr_t)filter };
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}
#else
static bool
enter_seccomp(void)
{
	return false;
}
#endif

bool
sandbox_enter(
    const struct config *c, const struct folders *read, struct sandbox *out, struct err *e)
{
	*out = (struct sandbox){ 0, false };
	if (c->sandbox == SANDBOX_OFF)
		return true;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_set(e, ERR_IO, "sandbox: no_new_privs: %s", strerror(errno));
	out->landlock = enter_landlock(c, read, e);
	if (out->landlock < 0)
		return false;
	out->seccomp = !SANITIZED && enter_seccomp();
	if (c->sandbox == SANDBOX_REQUIRED && (out->landlock == 0 || !out->seccomp))
		return err_set(e, ERR_CONFIG,
		    "sandbox required: this kernel%s gives landlock %s, seccomp %s; "
		    "'sandbox best-effort' goes on without",
		    SANITIZED ? ", or this build," : "", out->landlock == 0 ? "no" : "yes",
		    out->seccomp ? "yes" : "no");
	return true;
}

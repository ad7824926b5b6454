#include "signer/confine.h"

#include "proto/seccomp.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

bool
confine_user(const char *name, uid_t *uid, gid_t *gid, struct err *e)
{
	char *end = NULL;
	errno = 0;
	unsigned long number = strtoul(name, &end, 10);
	bool is_number =
	    name[0] >= '0' && name[0] <= '9' && *end == '\0' && errno == 0 && number < (uid_t)-1;
	const struct passwd *p = is_number ? getpwuid((uid_t)number) : getpwnam(name);
	if (p == NULL && !is_number)
		return err_set(e, ERR_CONFIG, "user '%s' does not exist", name);
	*uid = p == NULL ? (uid_t)number : p->pw_uid;
	*gid = p == NULL ? (gid_t)number : p->pw_gid;
	return true;
}

bool
confine_become(const char *user, struct err *e)
{
	uid_t uid;
	gid_t gid;
	if (geteuid() != 0)
		return true;
	if (user == NULL)
		return err_set(
		    e, ERR_CONFIG, "started as root without --user: name the user to become");
	if (!confine_user(user, &uid, &gid, e))
		return false;
	if (setgroups(0, NULL) != 0 || setgid(gid) != 0 || setuid(uid) != 0)
		return err_set(e, ERR_CONFIG, "cannot become user '%s'", user);
	if (uid != 0 && setuid(0) == 0)
		return err_set(e, ERR_CONFIG, "root was not left for good");
	return true;
}

void
confine_early(void)
{
	struct rlimit none = { 0, 0 };
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)umask(077);
}

#ifdef SECCOMP_MACHINE
#define DENIED (SECCOMP_RET_ERRNO | EPERM)
#define NOT(name) SECCOMP_CALL(name, 1), SECCOMP_RETURN(DENIED)

bool
confine_late(void)
{
	struct sock_filter filter[] = {
		SECCOMP_BEGIN(DENIED),
		NOT(socket),
		NOT(socketpair),
		NOT(connect),
		NOT(bind),
		NOT(listen),
		NOT(execve),
		NOT(execveat),
		NOT(bpf),
		NOT(io_uring_setup), /* which would do all of it unseen */
		NOT(process_vm_writev),
		SECCOMP_RETURN(SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
#else
bool
confine_late(void)
{
	return false;
}
#endif

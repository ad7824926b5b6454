/* What the signer cannot do any more once its socket listens: each is tried by a process of its
 * own. */
#include "signer/confine.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FAMILIES = 46 };

/* The exit status of a process that confined itself and then did so. */
static int
tried(int (*what)(void))
{
	int status;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(confine_late() ? what() : 99);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
no_family(void)
{
	for (int family = 0; family < FAMILIES; family++)
		if (socket(family, SOCK_STREAM, 0) >= 0 || errno != EPERM)
			return 1;
	return 0;
}

static int
no_pair(void)
{
	int both[2];
	return socketpair(AF_UNIX, SOCK_STREAM, 0, both) == 0 || errno != EPERM;
}

/* With a socket that was there before. */
static int before;

static int
no_way_out(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "/none" };
	const struct sockaddr *to = (const struct sockaddr *)&at;
	return (connect(before, to, sizeof(at)) == 0 || errno != EPERM) ||
	       (bind(before, to, sizeof(at)) == 0 || errno != EPERM) ||
	       (listen(before, 1) == 0 || errno != EPERM);
}

static int
no_program(void)
{
	static char name[] = "/bin/true", *words[] = { name, NULL };
	return (execv(name, words) == 0 || errno != EPERM) ||
	       (syscall(SYS_execveat, AT_FDCWD, name, words, NULL, 0) == 0 || errno != EPERM);
}

static int
nothing_that_would_do_it_unseen(void)
{
	union bpf_attr none = { 0 };
	return (syscall(SYS_bpf, BPF_MAP_CREATE, &none, sizeof(none)) >= 0 || errno != EPERM) ||
	       (syscall(425, 1, &none) >= 0 || errno != EPERM) ||
	       (syscall(SYS_process_vm_writev, getppid(), NULL, 0UL, NULL, 0UL, 0UL) >= 0 ||
		   errno != EPERM);
}

/* The numbers of x32 do the same by another name. */
static int
no_other_numbers(void)
{
#ifdef __x86_64__
	return syscall(0x40000000 | SYS_socket, AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM;
#else
	return 0;
#endif
}

static int
no_way_back(void)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_SECCOMP) != 2;
}

static int
what_it_does_all_day(void)
{
	char byte;
	int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	return fd < 0 || write(fd, "x", 1) != 1 || read(fd, &byte, 1) != 1 || close(fd) != 0;
}

static void
no_socket_no_program_and_no_way_round(void **state)
{
	(void)state;
	before = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_true(before >= 0);
	assert_int_equal(tried(no_family), 0);
	assert_int_equal(tried(no_pair), 0);
	assert_int_equal(tried(no_way_out), 0);
	assert_int_equal(tried(no_program), 0);
	assert_int_equal(tried(nothing_that_would_do_it_unseen), 0);
	assert_int_equal(tried(no_other_numbers), 0);
	assert_int_equal(tried(no_way_back), 0);
	assert_int_equal(tried(what_it_does_all_day), 0);
	assert_int_equal(close(before), 0);
}

static int
early(void)
{
	struct rlimit core;
	confine_early();
	return getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max != 0 ||
	       prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 || umask(0) != 077;
}

static void
no_core_no_tracer_and_files_for_itself_alone(void **state)
{
	(void)state;
	assert_int_equal(tried(early), 0);
}

static int
becomes_nobody(void)
{
	struct err e = { 0 };
	gid_t groups[1];
	return !confine_become("65534", &e) || getuid() != 65534 || geteuid() != 65534 ||
	       getgid() == 0 || getgroups(1, groups) != 0 || setuid(0) == 0;
}

static void
root_is_left_for_good_or_nothing_starts(void **state)
{
	struct err e = { 0 };
	(void)state;
	if (geteuid() != 0) {
		assert_true(confine_become("whoever", &e)); /* only root becomes somebody */
		print_message("NO root: nobody to become\n");
		skip();
	}
	assert_false(confine_become(NULL, &e));
	assert_int_equal(e.code, ERR_CONFIG);
	assert_string_equal(e.text, "started as root without --user: name the user to become");
	assert_false(confine_become("no-such-user", &e));
	assert_string_equal(e.text, "user 'no-such-user' does not exist");
	assert_int_equal(tried(becomes_nobody), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_socket_no_program_and_no_way_round),
		cmocka_unit_test(no_core_no_tracer_and_files_for_itself_alone),
		cmocka_unit_test(root_is_left_for_good_or_nothing_starts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

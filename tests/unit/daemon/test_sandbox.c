#include "tests/lib/test.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/wait.h>

#include "daemon/config.h"
#include "daemon/folders.h"
#include "daemon/sandbox.h"

/* A folder with what a configuration names; each claim is tried by a process of its own. */
static char base[] = "/tmp/relto-sandbox-XXXXXX";
static char paths[8][128];
enum { CONF, POLICY, STORE, RUN, ELSEWHERE };
static char none[] = "";
static struct config config;
static struct sandbox reached;
static struct folders folders; /* that the policy was read from */

static int
make_folders(void **state)
{
	static const char *const names[] = { "conf", "policy", "store", "run", "elsewhere" };
	(void)state;
	if (mkdtemp(base) == NULL)
		return -1;
	for (size_t i = 0; i < 5; i++) {
		char file[160];
		(void)snprintf(paths[i], sizeof(paths[i]), "%s/%s", base, names[i]);
		(void)snprintf(file, sizeof(file), "%s/file", paths[i]);
		int fd = mkdir(paths[i], 0700) != 0 ? -1 : open(file, O_CREAT | O_WRONLY, 0600);
		if (fd < 0 || close(fd) != 0)
			return -1;
	}
	config = (struct config){ .dir = paths[CONF],
		.policy = paths[POLICY],
		.identity_certificate = none,
		.identity_key = none,
		.log_key = none,
		.store_path = paths[STORE],
		.run_dir = paths[RUN],
		.store_backup_dir = none,
		.store_archive = none,
		.observe_socket = none,
		.sandbox = SANDBOX_BEST_EFFORT };
	return 0;
}

static int
remove_folders(void **state)
{
	char command[160];
	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

/* How a process that entered the sandbox and then did so ended: its exit status, or -signal. */
static int
tried(int (*what)(void))
{
	int status;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct err e = { 0 };
		_exit(sandbox_enter(&config, &folders, &reached, &e) ? what() : 99);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int
opens(int folder, const char *name, int flags)
{
	char path[160];
	(void)snprintf(path, sizeof(path), "%s/%s", paths[folder], name);
	return open(path, flags, 0600) >= 0 ? 1 : 0;
}

static int
reads_conf(void)
{
	return opens(CONF, "file", O_RDONLY);
}
static int
writes_conf(void)
{
	return opens(CONF, "file", O_WRONLY);
}
static int
makes_in_conf(void)
{
	return opens(CONF, "new", O_CREAT | O_WRONLY);
}
static int
reads_policy(void)
{
	return opens(POLICY, "file", O_RDONLY);
}
static int
writes_policy(void)
{
	return opens(POLICY, "file", O_WRONLY);
}
static int
writes_store(void)
{
	return opens(STORE, "file", O_WRONLY | O_TRUNC);
}
static int
makes_in_store(void)
{
	return opens(STORE, "new", O_CREAT | O_WRONLY);
}
static int
makes_in_run(void)
{
	return opens(RUN, "new", O_CREAT | O_WRONLY);
}
static int
reads_elsewhere(void)
{
	return opens(ELSEWHERE, "file", O_RDONLY);
}
static int
makes_elsewhere(void)
{
	return opens(ELSEWHERE, "new", O_CREAT | O_WRONLY);
}
static int
removes_elsewhere(void)
{
	char path[160];
	(void)snprintf(path, sizeof(path), "%s/file", paths[ELSEWHERE]);
	return unlink(path) == 0;
}
static int
reads_passwords(void)
{
	return open("/etc/passwd", O_RDONLY) >= 0;
}

static int
landlock_reached(void)
{
	return reached.landlock;
}

static void
files_are_read_where_the_configuration_is_and_written_in_store_and_run_dir(void **state)
{
	(void)state;
	if (tried(landlock_reached) == 0) {
		print_message("NO LANDLOCK: this kernel has none\n");
		skip();
	}
	assert_int_equal(tried(reads_conf), 1);
	assert_int_equal(tried(reads_policy), 1);
	assert_int_equal(tried(writes_store), 1);
	assert_int_equal(tried(makes_in_store), 1);
	assert_int_equal(tried(makes_in_run), 1);
	assert_int_equal(tried(writes_conf), 0);
	assert_int_equal(tried(makes_in_conf), 0);
	assert_int_equal(tried(writes_policy), 0);
	assert_int_equal(tried(reads_elsewhere), 0);
	assert_int_equal(tried(makes_elsewhere), 0);
	assert_int_equal(tried(removes_elsewhere), 0);
	assert_int_equal(tried(reads_passwords), 0);
}

static void
files_are_read_where_the_policy_was_read_from(void **state)
{
	struct err e;
	char file[160];
	(void)state;
	if (tried(landlock_reached) == 0) {
		print_message("NO LANDLOCK: this kernel has none\n");
		skip();
	}
	(void)snprintf(file, sizeof(file), "%s/a.crl", paths[ELSEWHERE]);
	assert_true(folders_add(&folders, file, &e));
	assert_true(folders_add(&folders, file, &e));
	assert_int_equal(folders.count, 1);
	assert_int_equal(tried(reads_elsewhere), 1);
	assert_int_equal(tried(makes_elsewhere), 0);
	assert_int_equal(tried(removes_elsewhere), 0);
	folders_done(&folders);
}

static int
executes(void)
{
	char *const words[] = { (char *)(uintptr_t) "/bin/true", NULL };
	return execv(words[0], words);
}
static int
forks(void)
{
	return fork() < 0;
}
static int
traces(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}
static int
netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) < 0;
}
static int
packets(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) < 0;
}
static int
makes_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return page == MAP_FAILED || mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0;
}
static int
maps_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0) == MAP_FAILED;
}
static int
leaves(void)
{
	return unshare(CLONE_NEWUSER) != 0;
}
static int
changes_user(void)
{
	return setuid(getuid()) != 0;
}

static void *
thread(void *arg)
{
	return arg;
}
/* What the broker goes on to do. */
static int
works(void)
{
	pthread_t t;
	struct timex clock = { 0 };
	return pthread_create(&t, NULL, thread, NULL) == 0 && pthread_join(t, NULL) == 0 &&
	       socket(AF_INET, SOCK_STREAM, 0) >= 0 && socket(AF_INET6, SOCK_STREAM, 0) >= 0 &&
	       socket(AF_UNIX, SOCK_DGRAM, 0) >= 0 && adjtimex(&clock) >= 0;
}

static int
seccomp_reached(void)
{
	return reached.seccomp;
}

static void
other_programs_processes_and_families_end_it(void **state)
{
	static int (*const deadly[])(void) = { executes, forks, traces, netlink, packets,
		makes_code, maps_code, leaves, changes_user };
	(void)state;
	if (tried(seccomp_reached) == 0) {
		print_message(
		    "NO SECCOMP: this kernel has none, or a sanitizer needs what it forbids\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		assert_int_equal(tried(deadly[i]), -SIGSYS);
	assert_int_equal(tried(works), 1);
}

static int
anything(void)
{
	return 7;
}

static void
whoever_requires_it_does_not_go_on_without(void **state)
{
	(void)state;
	bool whole = tried(landlock_reached) > 0 && tried(seccomp_reached) == 1;
	config.sandbox = SANDBOX_REQUIRED;
	assert_int_equal(tried(anything), whole ? 7 : 99);
	config.sandbox = SANDBOX_OFF;
	assert_int_equal(tried(reads_elsewhere), 1);
	config.sandbox = SANDBOX_BEST_EFFORT;
}

static void
a_folder_that_cannot_be_reached_is_told(void **state)
{
	struct err e = { 0 };
	(void)state;
	char *run = config.run_dir, file[160];
	(void)snprintf(file, sizeof(file), "%s/file/below", paths[CONF]);
	config.run_dir = file;
	struct sandbox s;
	if (tried(landlock_reached) != 99) { /* no Landlock, nothing to reach */
		config.run_dir = run;
		skip();
	}
	assert_false(sandbox_enter(&config, &folders, &s, &e));
	assert_int_equal(e.code, ERR_IO);
	assert_non_null(strstr(e.text, "/file/below': Not a directory"));
	config.run_dir = run;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    files_are_read_where_the_configuration_is_and_written_in_store_and_run_dir),
		cmocka_unit_test(files_are_read_where_the_policy_was_read_from),
		cmocka_unit_test(other_programs_processes_and_families_end_it),
		cmocka_unit_test(whoever_requires_it_does_not_go_on_without),
		cmocka_unit_test(a_folder_that_cannot_be_reached_is_told),
	};
	return cmocka_run_group_tests(tests, make_folders, remove_folders);
}

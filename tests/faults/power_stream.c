/*
 * power_stream.c - part of power_record: streams call the kernel from inside libc, where no preload
 * sees it.  So those that write are made to call write, and are no longer known by a descriptor.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/faults/power_hook.h"

static struct {
	FILE *stream;
	int fd;
} streams[64];
static pthread_mutex_t streams_lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t
cookie_write(void *cookie, const char *data, size_t len)
{
	ssize_t n = write((int)(intptr_t)cookie, data, len);
	return n < 0 ? 0 : n;
}

static void
stream_is(FILE *stream, int fd)
{
	(void)pthread_mutex_lock(&streams_lock);
	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
		if (stream == NULL ? streams[i].fd == fd : streams[i].stream == NULL) {
			streams[i].stream = stream;
			streams[i].fd = stream == NULL ? -1 : fd;
			break;
		}
	(void)pthread_mutex_unlock(&streams_lock);
}

static int
cookie_close(void *cookie)
{
	stream_is(NULL, (int)(intptr_t)cookie);
	return close((int)(intptr_t)cookie);
}

USED FILE *
hook_fdopen(int fd, const char *mode)
{
	static FILE *(*real)(int, const char *);
	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "fdopen");
	if (strpbrk(mode, "wa+") == NULL || getenv("RELTO_POWER_RECORD") == NULL)
		return real(fd, mode);
	cookie_io_functions_t calls = { .write = cookie_write, .close = cookie_close };
	FILE *f = fopencookie((void *)(intptr_t)fd, mode, calls);
	if (f != NULL)
		stream_is(f, fd);
	return f;
}
HOOK(fdopen, hook_fdopen);

USED FILE *
hook_fopen(const char *path, const char *mode)
{
	bool writes = strpbrk(mode, "wa+") != NULL;
	int flags = strchr(mode, '+') != NULL ? O_RDWR : writes ? O_WRONLY : O_RDONLY;
	flags |= mode[0] == 'w' ? O_CREAT | O_TRUNC : mode[0] == 'a' ? O_CREAT | O_APPEND : 0;
	int fd = open(path, flags | O_CLOEXEC, 0666);
	return fd < 0 ? NULL : hook_fdopen(fd, mode);
}
HOOK64(fopen, hook_fopen);

USED int
hook_fileno(FILE *stream)
{
	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
		if (streams[i].stream == stream)
			return streams[i].fd;
	static int (*real)(FILE *);
	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "fileno");
	return real(stream);
}
HOOK(fileno, hook_fileno);

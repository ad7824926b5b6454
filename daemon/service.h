/*
 * service.h - what a service manager is told (sd_notify(3)), and what it gives (sd_listen_fds(3),
 * sd_watchdog_enabled(3)); the protocols alone, without its library.
 * Threads: main, before the others or on its loop.
 */
#pragma once
#include "proto/err.h"

#include <stdint.h>

/* From the environment, which then names them no more. */
struct service {
	int fd;		      /* to NOTIFY_SOCKET; -1: nobody asked to be told */
	uint64_t watchdog_us; /* how long it waits for a sign of life; 0: it does not */
	unsigned sockets; /* how many it listens on for us, from descriptor SERVICE_FIRST_FD on */
};
enum { SERVICE_FIRST_FD = 3 };

/* ERR_CONFIG: a variable that is there is not right.  ERR_IO: the socket cannot be reached. */
MUST_USE bool service_open(struct service *s, struct err *e);
void service_close(struct service *s);
/* One message, such as "READY=1".  What cannot be told is no reason to stop: false, and a manager
 * that misses it acts by its own settings. */
bool service_tell(const struct service *s, const char *text);
/* "RELOADING=1" with the time that the manager wants beside it. */
bool service_tell_reload(const struct service *s);

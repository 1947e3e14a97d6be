#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A real vaktd in a scratch directory, for tests: started, waited for, talked to over its control socket, ended. Every
 * function fails the test (cmocka) when it cannot do its work in HARNESS_TIMEOUT_SEC; nothing sleeps.
 *
 * The daemon is $VAKTD_BIN, behind $VAKTD_WRAPPER if that is set (valgrind). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <systemd/sd-bus.h>

#include "util/clock.h"
#include "util/macro.h"

#define HARNESS_TIMEOUT_SEC 60

#define MANAGER_PATH      "/org/vaktd1"
#define MANAGER_INTERFACE "org.vaktd1.Manager"

typedef struct Harness Harness;

/* To be used as setup and teardown of a test; *state is a Harness then, with no daemon yet. The teardown ends the
 * daemon, and fails the test when it does not exit with 0; it prints the daemon's log when anything failed. */
int harness_setup(void **state);
int harness_teardown(void **state);
#define harness_test(f) cmocka_unit_test_setup_teardown(f, harness_setup, harness_teardown)

/* Files of the scratch directory. */
const char *harness_directory(const Harness *h) _pure_;
void harness_add_job(const Harness *h, const char *name, const char *text); /* writes jobs.d/NAME.job */
void harness_add_jobs(const Harness *h, unsigned n);                        /* "job-0" … that run /bin/true */
void harness_remove_job(const Harness *h, const char *name);
void harness_write(const Harness *h, const char *name, const char *text);

/* What is put into the daemon's environment or before its arguments; before harness_start(). */
void harness_set_environment(Harness *h, const char *name, const char *value);
void harness_set_bus(Harness *h, bool on);                 /* leave out --no-bus */
void harness_set_socket(Harness *h, const Harness *other); /* the control socket of another one */

/* Starts vaktd and returns when it said READY=1. */
void harness_start(Harness *h);
/* Starts it and returns its exit status: it is expected not to get ready. */
int harness_start_and_fail(Harness *h);
/* SIGTERM; it must exit with 0. */
void harness_stop(Harness *h);
/* Has the daemon told its service manager so by now? What it told before is forgotten. */
bool harness_was_told(const Harness *h, const char *line);
void harness_wait_told(Harness *h, const char *line);
/* SIGKILL. */
void harness_kill(Harness *h);
pid_t harness_pid(const Harness *h) _pure_;
size_t harness_resident(const Harness *h); /* bytes of memory that the daemon has */
/* True when the daemon is many times slower than it is: behind a wrapper such as valgrind. */
bool harness_is_slow(void);
/* True when the memory of the daemon says something: not under valgrind or a sanitizer. */
bool harness_can_measure(void);

/* Connections to the control socket. The first is as a client of a bus would make it; uid: as that user (for root
 * only), or (uid_t)-1. */
sd_bus *harness_connect(const Harness *h);
sd_bus *harness_connect_as(const Harness *h, uid_t uid);
int harness_connect_raw(const Harness *h, uid_t uid);

/* Calls a method of org.vaktd1.Manager, which must succeed; the reply is the caller's. */
sd_bus_message *harness_call(sd_bus *bus, const char *member, const char *types, ...);
/* The same with any object. */
sd_bus_message *harness_call_object(sd_bus *bus, const char *path, const char *interface, const char *member,
                                    const char *types, ...);
/* Calls a method of org.vaktd1.Manager, which must fail with this error. */
void harness_call_fails(sd_bus *bus, const char *error, const char *member, const char *types, ...);
/* A new connection is answered. */
void harness_assert_served(const Harness *h);
/* Requests a run; its id. */
uint64_t harness_run(sd_bus *bus, const char *job, bool follow);

/* Signals: what matches is kept in order until it is asked for. */
typedef struct Watch Watch;
Watch *watch_new(sd_bus *bus, const char *match);
Watch *watch_free(Watch *w);
DEFINE_CLEANUP(Watch, watch_free)
/* The next signal, of this member if it is not NULL (others before it are left out); the caller's. */
sd_bus_message *watch_next(Watch *w, const char *member);
/* The next one that is already there, or NULL. */
sd_bus_message *watch_take(Watch *w);

/* Waits until a signal RunFinished of this run is there; its result is written to ret (may be NULL). */
void watch_run_finished(Watch *w, uint64_t id, char *ret, size_t size);

/* Waits until fd is closed by the other side; what comes before is read and left out. */
void harness_wait_closed(int fd);
/* The same without reading. */
void harness_wait_hang_up(int fd);
/* Waits until fd is readable. */
void harness_wait_readable(int fd);

usec_t harness_deadline(void); /* CLOCK_MONOTONIC, µs */

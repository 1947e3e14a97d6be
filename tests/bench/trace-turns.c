/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What trace-turns.py loads into a daemon that was built with -finstrument-functions: it writes down which function is
 * entered and left, and where the event loop waits. Eight bytes each: an address, or one of the marks below in the low
 * bits of a time (ns of CLOCK_MONOTONIC, shifted). Only the thread and process that began is followed. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define RECORDS_MAX (1U << 20)

enum {
        LEAVE = 1ULL << 62,
        TURN = 1ULL << 63,
};

static uint64_t records[RECORDS_MAX];
static unsigned n_records;
static int fd = -1;
static pid_t owner;

#define QUIET __attribute__((no_instrument_function))

QUIET static void flush(void) {
        if (fd >= 0 && getpid() == owner && write(fd, records, n_records * sizeof(*records)) < 0)
                fd = -1;
        n_records = 0;
}

QUIET static void put(uint64_t record) {
        if (fd < 0)
                return;
        if (n_records == RECORDS_MAX)
                flush();
        records[n_records++] = record;
}

QUIET static int find_base(struct dl_phdr_info *info, size_t size, void *ret) {
        *(uint64_t *)ret = info->dlpi_addr;
        return 1; /* the program itself comes first */
}

__attribute__((constructor)) QUIET static void begin(void) {
        const char *path = getenv("VAKT_TRACE");
        uint64_t base = 0;

        if (!path)
                return;
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        owner = getpid();
        (void)unsetenv("VAKT_TRACE");
        (void)unsetenv("LD_PRELOAD");
        (void)dl_iterate_phdr(find_base, &base);
        put(base);
}

__attribute__((destructor)) QUIET static void end(void) {
        flush();
}

QUIET void __cyg_profile_func_enter(void *function, void *site) {
        put((uint64_t)(uintptr_t)function);
}

QUIET void __cyg_profile_func_exit(void *function, void *site) {
        put((uint64_t)(uintptr_t)function | LEAVE);
}

QUIET static void put_turn(void) {
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        put(((uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec) | TURN);
}

/* sd-event waits by the one or the other. */
QUIET int epoll_wait(int epfd, struct epoll_event *events, int n, int timeout) {
        static int (*next)(int, struct epoll_event *, int, int);
        int r;

        next = next ?: (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
        r = next(epfd, events, n, timeout);
        put_turn();
        return r;
}

QUIET int epoll_pwait2(int epfd, struct epoll_event *events, int n, const struct timespec *timeout,
                       const sigset_t *set) {
        static int (*next)(int, struct epoll_event *, int, const struct timespec *, const sigset_t *);
        int r;

        next = next
                       ?: (int (*)(int, struct epoll_event *, int, const struct timespec *, const sigset_t *))dlsym(
                                  RTLD_NEXT, "epoll_pwait2");
        r = next(epfd, events, n, timeout, set);
        put_turn();
        return r;
}

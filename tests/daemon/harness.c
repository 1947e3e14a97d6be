/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Starts and ends the daemon under test. It tells of its readiness as to a service manager, by a socket in
 * NOTIFY_SOCKET, and of its end by a pidfd, so that nothing is waited for by time but failures. A daemon whose test
 * died is killed by the kernel (PR_SET_PDEATHSIG). */

#include "harness.h"

#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define ENVIRONMENT_MAX 8

struct Harness {
        char directory[PATH_MAX];
        char socket[PATH_MAX];
        bool with_bus;
        char *environment[ENVIRONMENT_MAX]; /* NAME=value */
        size_t n_environment;
        int notify_fd;
        pid_t pid; /* 0: not running */
        int pidfd;
};

usec_t harness_deadline(void) {
        return now_clock(CLOCK_MONOTONIC) + HARNESS_TIMEOUT_SEC * USEC_PER_SEC;
}

static int milliseconds_left(usec_t deadline) {
        return (int)(usec_sub(deadline, now_clock(CLOCK_MONOTONIC)) / USEC_PER_MSEC);
}

/* --- the scratch directory --- */

const char *harness_directory(const Harness *h) {
        return h->directory;
}

static void make_path(const Harness *h, char path[static PATH_MAX], const char *name) {
        assert_true(snprintf(path, PATH_MAX, "%s/%s", h->directory, name) < PATH_MAX);
}

void harness_write(const Harness *h, const char *name, const char *text) {
        char path[PATH_MAX];
        FILE *f;

        make_path(h, path, name);
        f = fopen(path, "we");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

void harness_add_job(const Harness *h, const char *name, const char *text) {
        char file[PATH_MAX];

        (void)snprintf(file, sizeof(file), "jobs.d/%s.job", name);
        harness_write(h, file, text);
}

void harness_add_jobs(const Harness *h, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "job-%u", i);
                harness_add_job(h, name, "[Run]\nExec=/bin/true\n");
        }
}

void harness_remove_job(const Harness *h, const char *name) {
        char file[PATH_MAX], path[PATH_MAX];

        (void)snprintf(file, sizeof(file), "jobs.d/%s.job", name);
        make_path(h, path, file);
        assert_int_equal(unlink(path), 0);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static void print_log(const Harness *h) {
        char path[PATH_MAX], line[4096];
        FILE *f;

        make_path(h, path, "log");
        f = fopen(path, "re");
        while (f && fgets(line, sizeof(line), f))
                fprintf(stderr, "# vaktd: %s", line);
        if (f)
                fclose(f);
}

/* --- the daemon's process --- */

void harness_set_environment(Harness *h, const char *name, const char *value) {
        assert_true(h->n_environment < ENVIRONMENT_MAX);
        assert_true(asprintf(&h->environment[h->n_environment++], "%s=%s", name, value) >= 0);
}

void harness_set_bus(Harness *h, bool on) {
        h->with_bus = on;
}

void harness_set_socket(Harness *h, const Harness *other) {
        memcpy(h->socket, other->socket, sizeof(h->socket));
}

/* A socket that the daemon tells its state to. */
static void open_notify_socket(Harness *h) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char path[PATH_MAX];

        make_path(h, path, "supervisor");
        assert_true(strlen(path) < sizeof(address.sun_path));
        memcpy(address.sun_path, path, strlen(path) + 1);
        h->notify_fd = safe_close(h->notify_fd);
        (void)unlink(path);
        h->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(h->notify_fd >= 0);
        assert_int_equal(bind(h->notify_fd, (const struct sockaddr *)&address, sizeof(address)), 0);
}

static _Noreturn void exec_daemon(const Harness *h) {
        static const char *const names[] = { "config", "jobs-dir", "state-dir" };
        static const char *const files[] = { "vaktd.conf", "jobs.d", "state" };
        char options[ELEMENTSOF(names)][PATH_MAX + 32], socket_option[PATH_MAX + 32], notify[PATH_MAX + 8];
        char log[PATH_MAX + 8];
        const char *argv[ELEMENTSOF(names) + 5], *wrapper = getenv("VAKTD_WRAPPER");
        size_t n = 0;
        int fd;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!isempty(wrapper))
                argv[n++] = wrapper;
        argv[n++] = getenv("VAKTD_BIN");
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                (void)snprintf(options[i], sizeof(options[i]), "--%s=%s/%s", names[i], h->directory, files[i]);
                argv[n++] = options[i];
        }
        (void)snprintf(socket_option, sizeof(socket_option), "--socket=%s", h->socket);
        argv[n++] = socket_option;
        if (!h->with_bus)
                argv[n++] = "--no-bus";
        argv[n] = NULL;
        (void)snprintf(notify, sizeof(notify), "%s/supervisor", h->directory);
        (void)setenv("NOTIFY_SOCKET", notify, /* overwrite= */ 1);
        for (size_t i = 0; i < h->n_environment; i++)
                (void)putenv(h->environment[i]);
        (void)snprintf(log, sizeof(log), "%s/log", h->directory);
        fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0 && dup2(fd, STDERR_FILENO) >= 0)
                execv(argv[0], (char *const *)argv);
        _exit(127);
}

static void spawn_daemon(Harness *h) {
        assert_non_null(getenv("VAKTD_BIN"));
        assert_int_equal(h->pid, 0);
        open_notify_socket(h);
        h->pid = fork();
        assert_true(h->pid >= 0);
        if (h->pid == 0)
                exec_daemon(h);
        h->pidfd = pidfd_open(h->pid, 0);
        assert_true(h->pidfd >= 0);
}

/* Waits for the end of the daemon; its exit status, or 128 + the signal that killed it, or -1 past the deadline. */
static int wait_exit(Harness *h, usec_t deadline) {
        struct pollfd p = { .fd = h->pidfd, .events = POLLIN };
        int status;

        if (poll(&p, 1, milliseconds_left(deadline)) <= 0)
                return -1;
        if (waitpid(h->pid, &status, 0) != h->pid)
                return -1;
        h->pid = 0;
        h->pidfd = safe_close(h->pidfd);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool harness_was_told(const Harness *h, const char *line) {
        char text[4096] = "\n";
        ssize_t n;

        while ((n = recv(h->notify_fd, text + 1, sizeof(text) - 2, MSG_DONTWAIT)) > 0) {
                const char *found;

                text[n + 1] = '\0';
                for (found = text; (found = strstr(found, line)); found++)
                        if (found[-1] == '\n' && (found[strlen(line)] == '\n' || found[strlen(line)] == '\0'))
                                return true;
        }
        return false;
}

void harness_wait_told(Harness *h, const char *line) {
        usec_t deadline = harness_deadline();

        for (;;) {
                struct pollfd p[] = {
                        { .fd = h->notify_fd, .events = POLLIN },
                        { .fd = h->pidfd, .events = POLLIN },
                };

                if (poll(p, ELEMENTSOF(p), milliseconds_left(deadline)) <= 0)
                        fail_msg("vaktd does not tell %s in time", line);
                if (harness_was_told(h, line))
                        return;
                if (p[1].revents) {
                        print_log(h);
                        fail_msg("vaktd ended with %d before it told %s", wait_exit(h, deadline), line);
                }
        }
}

void harness_start(Harness *h) {
        spawn_daemon(h);
        harness_wait_told(h, "READY=1");
}

int harness_start_and_fail(Harness *h) {
        int status;

        spawn_daemon(h);
        status = wait_exit(h, harness_deadline());
        assert_true(status >= 0);
        return status;
}

/* Its exit status; past the deadline it is killed, which gives -1. */
static int end_daemon(Harness *h) {
        int status;

        (void)kill(h->pid, SIGTERM);
        status = wait_exit(h, harness_deadline());
        if (status < 0) {
                (void)kill(h->pid, SIGKILL);
                (void)wait_exit(h, harness_deadline());
        }
        return status;
}

void harness_stop(Harness *h) {
        assert_true(h->pid > 0);
        assert_int_equal(end_daemon(h), 0);
}

void harness_kill(Harness *h) {
        assert_true(h->pid > 0);
        assert_int_equal(kill(h->pid, SIGKILL), 0);
        assert_int_equal(wait_exit(h, harness_deadline()), 128 + SIGKILL);
}

pid_t harness_pid(const Harness *h) {
        return h->pid;
}

size_t harness_resident(const Harness *h) {
        char path[64];
        size_t total, resident;
        FILE *f;

        (void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)h->pid);
        f = fopen(path, "re");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%zu %zu", &total, &resident), 2);
        fclose(f);
        return resident * (size_t)sysconf(_SC_PAGESIZE);
}

bool harness_is_slow(void) {
        return !isempty(getenv("VAKTD_WRAPPER"));
}

bool harness_can_measure(void) {
#ifdef ADDRESS_SANITIZER
        return false;
#else
        return !harness_is_slow();
#endif
}

/* --- setup and teardown --- */

int harness_setup(void **state) {
        static const char *const directories[] = { "jobs.d", "state" };
        Harness *h = calloc(1, sizeof(*h));
        const char *tmp = getenv("TMPDIR");

        assert_non_null(h);
        h->notify_fd = h->pidfd = -EBADF;
        (void)snprintf(h->directory, sizeof(h->directory), "%s/vakt.XXXXXX", isempty(tmp) ? "/tmp" : tmp);
        assert_non_null(mkdtemp(h->directory));
        assert_int_equal(chmod(h->directory, 0755), 0); /* so that other users can connect */
        make_path(h, h->socket, "control");
        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                char path[PATH_MAX];

                make_path(h, path, directories[i]);
                assert_int_equal(mkdir(path, 0755), 0);
        }
        *state = h;
        return 0;
}

int harness_teardown(void **state) {
        Harness *h = *state;
        int status = 0;

        if (h->pid > 0)
                status = end_daemon(h);
        if (status != 0) {
                fprintf(stderr, "# vaktd ended with %d\n", status);
                print_log(h);
        }
        safe_close(h->notify_fd);
        safe_close(h->pidfd);
        (void)nftw(h->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        for (size_t i = 0; i < h->n_environment; i++)
                free(h->environment[i]);
        free(h);
        return status == 0 ? 0 : -1;
}

/* --- connections --- */

/* The peer's credentials are those at the time of connect(2). */
static int connect_socket(const Harness *h, uid_t uid) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd, r;

        assert_true(strlen(h->socket) < sizeof(address.sun_path));
        memcpy(address.sun_path, h->socket, strlen(h->socket) + 1);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        if (uid != (uid_t)-1)
                assert_int_equal(seteuid(uid), 0);
        r = connect(fd, (const struct sockaddr *)&address, sizeof(address));
        if (uid != (uid_t)-1)
                assert_int_equal(seteuid(0), 0);
        assert_int_equal(r, 0);
        return fd;
}

int harness_connect_raw(const Harness *h, uid_t uid) {
        return connect_socket(h, uid);
}

sd_bus *harness_connect_as(const Harness *h, uid_t uid) {
        int fd = connect_socket(h, uid);
        sd_bus *bus = NULL;

        assert_true(sd_bus_new(&bus) >= 0);
        assert_true(sd_bus_set_bus_client(bus, true) >= 0);
        assert_true(sd_bus_set_fd(bus, fd, fd) >= 0);
        assert_true(sd_bus_set_method_call_timeout(bus, HARNESS_TIMEOUT_SEC * USEC_PER_SEC) >= 0);
        assert_true(sd_bus_start(bus) >= 0);
        return bus;
}

sd_bus *harness_connect(const Harness *h) {
        return harness_connect_as(h, (uid_t)-1);
}

/* --- calls --- */

static int call(sd_bus *bus, const char *path, const char *interface, const char *member, sd_bus_error *e,
                sd_bus_message **ret, const char *types, va_list ap) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        assert_true(sd_bus_message_new_method_call(bus, &m, "org.vaktd1", path, interface, member) >= 0);
        if (types)
                assert_true(sd_bus_message_appendv(m, types, ap) >= 0);
        return sd_bus_call(bus, m, 0, e, ret);
}

sd_bus_message *harness_call_object(sd_bus *bus, const char *path, const char *interface, const char *member,
                                    const char *types, ...) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        va_list ap;
        int r;

        va_start(ap, types);
        r = call(bus, path, interface, member, &e, &reply, types, ap);
        va_end(ap);
        if (r < 0)
                fail_msg("%s: %s: %s", member, strempty(e.name), e.message ?: strerror(-r));
        return reply;
}

sd_bus_message *harness_call(sd_bus *bus, const char *member, const char *types, ...) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        va_list ap;
        int r;

        va_start(ap, types);
        r = call(bus, MANAGER_PATH, MANAGER_INTERFACE, member, &e, &reply, types, ap);
        va_end(ap);
        if (r < 0)
                fail_msg("%s: %s: %s", member, strempty(e.name), e.message ?: strerror(-r));
        return reply;
}

void harness_call_fails(sd_bus *bus, const char *error, const char *member, const char *types, ...) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        va_list ap;
        int r;

        va_start(ap, types);
        r = call(bus, MANAGER_PATH, MANAGER_INTERFACE, member, &e, NULL, types, ap);
        va_end(ap);
        if (r >= 0)
                fail_msg("%s succeeded and should not", member);
        if (!sd_bus_error_has_name(&e, error))
                fail_msg("%s: %s instead of %s", member, strempty(e.name), error);
        assert_false(isempty(e.message));
}

void harness_assert_served(const Harness *h) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = harness_connect(h);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = harness_call(bus, "ListJobs", NULL);

        assert_true(sd_bus_message_has_signature(reply, "a(sssstttto)"));
}

uint64_t harness_run(sd_bus *bus, const char *job, bool follow) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t id;

        if (follow)
                reply = harness_call(bus, "Run", "sa{sv}", job, 1, "follow", "b", 1);
        else
                reply = harness_call(bus, "Run", "sa{sv}", job, 0);
        assert_true(sd_bus_message_read(reply, "to", &id, NULL) >= 0);
        return id;
}

/* --- signals --- */

struct Watch {
        sd_bus *bus;
        sd_bus_slot *slot;
        sd_bus_message **messages;
        size_t n, taken;
};

static int on_watched(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Watch *w = userdata;

        w->messages = reallocarray(w->messages, w->n + 1, sizeof(*w->messages));
        assert_non_null(w->messages);
        w->messages[w->n++] = sd_bus_message_ref(m);
        return 0;
}

Watch *watch_new(sd_bus *bus, const char *match) {
        Watch *w = calloc(1, sizeof(*w));

        assert_non_null(w);
        w->bus = sd_bus_ref(bus);
        assert_true(sd_bus_add_match(bus, &w->slot, match, on_watched, w) >= 0);
        return w;
}

Watch *watch_free(Watch *w) {
        if (!w)
                return NULL;
        sd_bus_slot_unref(w->slot);
        for (size_t i = w->taken; i < w->n; i++)
                sd_bus_message_unref(w->messages[i]);
        free(w->messages);
        sd_bus_unref(w->bus);
        return mfree(w);
}

sd_bus_message *watch_take(Watch *w) {
        return w->taken < w->n ? w->messages[w->taken++] : NULL;
}

sd_bus_message *watch_next(Watch *w, const char *member) {
        usec_t deadline = harness_deadline();

        for (;;) {
                sd_bus_message *m;
                int r;

                while ((m = watch_take(w))) {
                        if (!member || streq(sd_bus_message_get_member(m), member))
                                return m;
                        sd_bus_message_unref(m);
                }
                r = sd_bus_process(w->bus, NULL);
                if (r < 0)
                        fail_msg("the connection broke while waiting for %s: %s", strempty(member), strerror(-r));
                if (r > 0)
                        continue;
                if (now_clock(CLOCK_MONOTONIC) >= deadline)
                        fail_msg("no signal %s in time", strempty(member));
                assert_true(sd_bus_wait(w->bus, usec_sub(deadline, now_clock(CLOCK_MONOTONIC))) >= 0);
        }
}

void watch_run_finished(Watch *w, uint64_t id, char *ret, size_t size) {
        for (;;) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = watch_next(w, "RunFinished");
                const char *result;
                uint64_t of;

                assert_true(sd_bus_message_read(m, "tsosis", &of, NULL, NULL, &result, NULL, NULL) >= 0);
                if (of != id)
                        continue;
                if (ret)
                        (void)snprintf(ret, size, "%s", result);
                return;
        }
}

/* --- sockets --- */

void harness_wait_readable(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        if (poll(&p, 1, milliseconds_left(harness_deadline())) <= 0)
                fail_msg("nothing came in time");
}

void harness_wait_hang_up(int fd) {
        struct pollfd p = { .fd = fd }; /* POLLHUP comes unasked */

        if (poll(&p, 1, milliseconds_left(harness_deadline())) <= 0)
                fail_msg("the connection was not closed in time");
}

void harness_wait_closed(int fd) {
        char buf[16 * 1024];
        ssize_t n;

        do {
                harness_wait_readable(fd);
                n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
        } while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
        assert_true(n == 0 || errno == ECONNRESET);
}

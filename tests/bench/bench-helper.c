/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the benchmarks in Python cannot do themselves without being slower than what they measure, and the limits:
 *
 *   walk DIRECTORY                  the least that a watcher of a tree does: µs of a walk with inotify_add_watch(2)
 *   read DIRECTORY                  the least that a load of files is: µs until each was opened and read
 *   react DIRECTORY COMMAND…        the least that a trigger does: for each file closed, posix_spawn(3) of the command
 *   loop N AT-ONCE COMMAND…         the least that N runs take, so many at once: prints when it began, and µs
 *   drain DIRECTORY AT-ONCE COMMAND…   the same, one run for each file, whose path is the last argument; removes them
 *   note FILE [PATH]                what a run does: appends when it began, and nothing waits for a reader
 *   stamp SOCKET [PATH]             what a run does: sends when it began, and which file it is about
 *   collect LOG                     what a run of a batch does: appends standard input to a file
 *   burst DIRECTORY DIRECTORIES FILES   writes so many files into so many directories that are there, prints µs
 *   nest DIRECTORY DIRECTORIES FILES    the same into directories that it makes, each in one of those before it
 *
 * The files are called so that bench-paths.py can tell which are missing. Times are µs of CLOCK_MONOTONIC. It is built
 * a second time, static: the start of that costs little beside the run that is measured. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/macro.h"

static _Noreturn void give_up(const char *what) {
        fprintf(stderr, "bench-helper: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static usec_t began; /* this process */

static usec_t now(void) {
        return now_clock(CLOCK_MONOTONIC);
}

/* --- the limits --- */

static void walk(int inotify, const char *path) {
        char sub[PATH_MAX];
        const struct dirent *d;
        DIR *dir = opendir(path);

        if (!dir || inotify_add_watch(inotify, path, IN_ALL_EVENTS) < 0)
                give_up(path);
        while ((d = readdir(dir)))
                if (d->d_type == DT_DIR && d->d_name[0] != '.') {
                        (void)snprintf(sub, sizeof(sub), "%s/%s", path, d->d_name);
                        walk(inotify, sub);
                }
        (void)closedir(dir);
}

static int do_walk(char *argv[]) {
        int inotify = inotify_init1(IN_CLOEXEC);
        usec_t start = now();

        walk(inotify, argv[0]);
        printf("%" PRIu64 "\n", now() - start);
        return EXIT_SUCCESS;
}

static int do_read(char *argv[]) {
        static char bytes[64 * 1024];
        const struct dirent *d;
        DIR *dir = opendir(argv[0]);

        if (!dir)
                give_up(argv[0]);
        while ((d = readdir(dir))) {
                int fd = d->d_type == DT_REG ? openat(dirfd(dir), d->d_name, O_RDONLY | O_CLOEXEC) : -1;

                if (d->d_type == DT_REG && (fd < 0 || read(fd, bytes, sizeof(bytes)) < 0))
                        give_up(d->d_name);
                if (fd >= 0)
                        close(fd);
        }
        (void)closedir(dir);
        printf("%" PRIu64 "\n", now() - began);
        return EXIT_SUCCESS;
}

static int do_react(char *argv[]) {
        char events[4096];
        int inotify = inotify_init1(IN_CLOEXEC);
        pid_t pid;

        (void)signal(SIGCHLD, SIG_IGN); /* nobody waits for them */
        if (inotify_add_watch(inotify, argv[0], IN_CLOSE_WRITE) < 0)
                give_up(argv[0]);
        while (read(inotify, events, sizeof(events)) > 0)
                if (posix_spawn(&pid, argv[1], NULL, NULL, argv + 1, environ) != 0)
                        give_up(argv[1]);
        return EXIT_SUCCESS;
}

static void wait_for_one(void) {
        int status;

        if (wait(&status) < 0 || status != 0)
                give_up("a command failed");
}

/* Starts one more when less than n are under way. */
static void start_one(char *argv[], unsigned *n_running, unsigned at_once) {
        pid_t pid;

        if (*n_running == at_once)
                wait_for_one();
        else
                ++*n_running;
        if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0)
                give_up(argv[0]);
}

static int finish(unsigned n_running) {
        while (n_running-- > 0)
                wait_for_one();
        printf("%" PRIu64 " %" PRIu64 "\n", began, now() - began);
        return EXIT_SUCCESS;
}

static int do_loop(char *argv[]) {
        unsigned n = (unsigned)strtoul(argv[0], NULL, 10), at_once = (unsigned)strtoul(argv[1], NULL, 10),
                 n_running = 0;

        while (n-- > 0)
                start_one(argv + 2, &n_running, at_once);
        return finish(n_running);
}

static int do_drain(char *argv[]) {
        unsigned at_once = (unsigned)strtoul(argv[1], NULL, 10), n_running = 0, n = 0;
        char path[PATH_MAX], *command[8] = {};
        const struct dirent *d;
        DIR *dir = opendir(argv[0]);

        if (!dir)
                give_up(argv[0]);
        for (; argv[2 + n] && n < ELEMENTSOF(command) - 2; n++)
                command[n] = argv[2 + n];
        command[n] = path;
        while ((d = readdir(dir))) {
                if (d->d_name[0] == '.')
                        continue;
                (void)snprintf(path, sizeof(path), "%s/%s", argv[0], d->d_name);
                start_one(command, &n_running, at_once);
                (void)unlink(path);
        }
        (void)closedir(dir);
        return finish(n_running);
}

/* --- what is run --- */

static int do_note(char *argv[]) {
        int fd = open(argv[0], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

        return fd < 0 || dprintf(fd, "%" PRIu64 "\n", began) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int do_stamp(char *argv[]) {
        struct sockaddr_un to = { .sun_family = AF_UNIX };
        char message[PATH_MAX + 32];
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), n;

        (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", argv[0]);
        n = snprintf(message, sizeof(message), "%" PRIu64 " %s", began, argv[1] ? argv[1] : "");
        if (sendto(fd, message, (size_t)n, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
                give_up(argv[0]);
        return EXIT_SUCCESS;
}

static int do_collect(char *argv[]) {
        static char bytes[256 * 1024];
        int fd = open(argv[0], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        ssize_t n;

        if (fd < 0)
                give_up(argv[0]);
        while ((n = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0)
                if (write(fd, bytes, (size_t)n) != n)
                        give_up(argv[0]);
        return EXIT_SUCCESS;
}

/* --- who writes --- */

static void write_file(const char *directory, unsigned number) {
        char path[PATH_MAX];
        int fd;

        (void)snprintf(path, sizeof(path), "%s/file-%u", directory, number);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, "x\n", 2) != 2)
                give_up(path);
        close(fd);
}

static int do_burst(char *argv[]) {
        unsigned n_directories = (unsigned)strtoul(argv[1], NULL, 10), n_files = (unsigned)strtoul(argv[2], NULL, 10);
        usec_t start = now();
        char directory[PATH_MAX];

        for (unsigned i = 0; i < n_files; i++) {
                (void)snprintf(directory, sizeof(directory), "%s/directory-%u", argv[0], i % n_directories);
                write_file(directory, i);
        }
        printf("%" PRIu64 "\n", now() - start);
        return EXIT_SUCCESS;
}

/* Three directories in each. */
static void nested_path(char *path, const char *top, unsigned number) {
        if (number == 0) {
                (void)snprintf(path, PATH_MAX, "%s/nest", top);
                return;
        }
        nested_path(path, top, (number - 1) / 3);
        (void)snprintf(path + strlen(path), PATH_MAX - strlen(path), "/%u", number);
}

static int do_nest(char *argv[]) {
        unsigned n_directories = (unsigned)strtoul(argv[1], NULL, 10), n_files = (unsigned)strtoul(argv[2], NULL, 10);
        unsigned each = n_files / n_directories;
        usec_t start = now();
        char directory[PATH_MAX];

        for (unsigned i = 0; i < n_directories; i++) {
                nested_path(directory, argv[0], i);
                if (mkdir(directory, 0700) < 0)
                        give_up(directory);
                for (unsigned k = 0; k < each; k++)
                        write_file(directory, i * each + k);
        }
        printf("%" PRIu64 "\n", now() - start);
        return EXIT_SUCCESS;
}

int main(int argc, char *argv[]) {
        static const struct {
                const char *name;
                int n_arguments;
                int (*run)(char *argv[]);
        } modes[] = {
                { "walk", 1, do_walk }, { "read", 1, do_read },       { "react", 2, do_react },
                { "loop", 3, do_loop }, { "drain", 3, do_drain },     { "stamp", 1, do_stamp },
                { "note", 1, do_note }, { "collect", 1, do_collect }, { "burst", 3, do_burst },
                { "nest", 3, do_nest },
        };

        began = now();
        for (size_t i = 0; argc >= 2 && i < ELEMENTSOF(modes); i++)
                if (strcmp(argv[1], modes[i].name) == 0 && argc - 2 >= modes[i].n_arguments)
                        return modes[i].run(argv + 2);
        fprintf(stderr, "bench-helper: see the head of its source.\n");
        return EXIT_FAILURE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Watching a tree beside the least that it can cost, and beside inotifywait(1) where that is installed, in turns in
 * one run on tmpfs:
 *
 *   set-up     50,000 directories until all is watched, beside a bare walk with opendir(3) and inotify_add_watch(2);
 * and by fanotify, until everything is heard of, and until all is read memory     that the watcher has more after it
 * than before latency    from write and close to the callback, a file at a time burst      100,000 files in 1,000
 * directories from a process of its own: files a second until all are reported, and how many were lost others 100,000
 * files made elsewhere on the same file system: processor time that these cost fanotify idle       processor time of a
 * second of watching when nothing happens
 *
 * All but the first over inotify and then over fanotify, where that is permitted. The number of directories may be
 * given as the first argument. */

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "util/log.h"
#include "watch/watcher.h"

#define ROUNDS            5
#define BURST_FILES       100000U
#define BURST_DIRECTORIES 1000U
#define LATENCIES         5000U

static char directory[] = "/dev/shm/vakt-bench-watch-XXXXXX";
static unsigned n_directories = 50000;
static uint64_t n_reported;

static usec_t now(void) {
        return now_clock(CLOCK_MONOTONIC);
}

static _Noreturn void give_up(const char *what) {
        fprintf(stderr, "bench-watch: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static void remove_all(void) {
        (void)nftw(directory, remove_entry, 32, FTW_DEPTH | FTW_PHYS);
}

static void make(const char *path) {
        if (mkdir(path, 0700) < 0)
                give_up(path);
}

/* A hundred in each, two levels. */
static void make_tree(void) {
        char path[PATH_MAX];

        for (unsigned i = 0; i < n_directories; i++) {
                if (i % 100 == 0)
                        (void)snprintf(path, sizeof(path), "%s/%u", directory, i);
                else
                        (void)snprintf(path, sizeof(path), "%s/%u/%u", directory, i - i % 100, i);
                make(path);
        }
}

/* --- set-up --- */

static void bare_walk(int inotify, const char *path) {
        char sub[PATH_MAX];
        const struct dirent *d;
        DIR *dir = opendir(path);

        if (!dir || inotify_add_watch(inotify, path, IN_ALL_EVENTS) < 0)
                give_up(path);
        while ((d = readdir(dir)))
                if (d->d_type == DT_DIR && d->d_name[0] != '.') {
                        (void)snprintf(sub, sizeof(sub), "%s/%s", path, d->d_name);
                        bare_walk(inotify, sub);
                }
        (void)closedir(dir);
}

static usec_t measure_bare(void) {
        int inotify = inotify_init1(IN_CLOEXEC);
        usec_t start = now(), took;

        bare_walk(inotify, directory);
        took = now() - start;
        close(inotify);
        return took;
}

static void on_changed(void *userdata, Watch *w, const Change *c) {
        n_reported++;
}

static usec_t active_at;

static void on_state_changed(void *userdata, Watch *w) {
        active_at = watch_state(w) == WATCH_ACTIVE ? now() : 0;
}

static const WatchOps ops = { .changed = on_changed, .state_changed = on_state_changed };

typedef struct Setup {
        sd_event *event;
        Watcher *watcher;
        Watch *watch;
} Setup;

/* Until the watch says that from now on nothing is missed. */
static Setup start(WatchBackend backend) {
        const WatchDef def = {
                .kind = WATCH_TREE, .path = directory, .events = WATCH_COMPLETE, .recursive = true, .backend = backend
        };
        Setup s;

        if (sd_event_new(&s.event) < 0 || watcher_new(&s.watcher, s.event, NULL, NULL) < 0 ||
            watch_new(&s.watch, s.watcher, &def, &ops, NULL) < 0)
                give_up("watch_new");
        while (watch_state(s.watch) == WATCH_STARTING)
                (void)sd_event_run(s.event, USEC_INFINITY);
        return s;
}

static void stop(Setup *s) {
        (void)watch_free(s->watch);
        (void)watcher_free(s->watcher);
        (void)sd_event_unref(s->event);
}

static usec_t measure_watcher(void) {
        usec_t begin = now(), took;
        Setup s = start(WATCH_BACKEND_INOTIFY);

        took = active_at - begin;
        stop(&s);
        return took;
}

/* Microseconds until the state says so; then until all is read. False when it is not permitted. */
static bool measure_fanotify(usec_t *ret_active, usec_t *ret_read) {
        usec_t begin = now();
        Setup s = start(WATCH_BACKEND_FANOTIFY);
        bool active = watch_state(s.watch) == WATCH_ACTIVE;

        *ret_active = active_at - begin;
        while (active && !watcher_is_idle(s.watcher))
                (void)sd_event_run(s.event, 0);
        *ret_read = now() - begin;
        stop(&s);
        return active;
}

/* Until it says that its watches are established; 0 when it is not installed. */
static usec_t measure_inotifywait(void) {
        usec_t begin = now(), took = 0;
        int fds[2], status;
        char line[256];
        FILE *f;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                give_up("pipe");
        pid = fork();
        if (pid == 0) {
                (void)dup2(fds[1], STDERR_FILENO);
                (void)execlp("inotifywait", "inotifywait", "-m", "-r", directory, NULL);
                _exit(127);
        }
        close(fds[1]);
        f = fdopen(fds[0], "re");
        while (took == 0 && fgets(line, sizeof(line), f))
                if (strstr(line, "established"))
                        took = now() - begin;
        (void)fclose(f);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, &status, 0);
        return took;
}

static void bench_set_up(void) {
        usec_t bare = USEC_INFINITY, ours = USEC_INFINITY, theirs = USEC_INFINITY, t;

        for (unsigned i = 0; i < ROUNDS; i++) {
                t = measure_bare();
                bare = MIN(bare, t);
                t = measure_watcher();
                ours = MIN(ours, t);
                t = measure_inotifywait();
                theirs = MIN(theirs, t);
        }
        printf("set-up of %u directories (best of %d): bare walk %.0f ms, vakt %.0f ms, ratio %.2f", n_directories,
               ROUNDS, (double)bare / 1000, (double)ours / 1000, (double)ours / (double)bare);
        if (theirs > 0)
                printf("; inotifywait %.0f ms, ratio %.2f", (double)theirs / 1000, (double)theirs / (double)bare);
        printf("\n");
}

static void bench_set_up_of_fanotify(void) {
        usec_t active = USEC_INFINITY, all = USEC_INFINITY, a, b;

        for (unsigned i = 0; i < ROUNDS; i++) {
                if (!measure_fanotify(&a, &b)) {
                        printf("set-up by fanotify: not permitted\n");
                        return;
                }
                active = MIN(active, a);
                all = MIN(all, b);
        }
        printf("set-up by fanotify: %" PRI_USEC " us until everything is heard of, %.0f ms until all is read\n",
               active, (double)all / 1000);
}

/* --- while it watches --- */

static void write_file(const char *path) {
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        if (fd < 0 || write(fd, "x", 1) != 1)
                give_up(path);
        close(fd);
}

static int compare(const void *a, const void *b) {
        const usec_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static void bench_latency(Setup *s) {
        static usec_t times[LATENCIES];
        char path[PATH_MAX];

        for (unsigned i = 0; i < LATENCIES; i++) {
                uint64_t before = n_reported;
                usec_t begin;

                (void)snprintf(path, sizeof(path), "%s/%u/latency%u", directory, i * 100 % n_directories, i);
                begin = now();
                write_file(path);
                while (n_reported == before)
                        (void)sd_event_run(s->event, USEC_INFINITY);
                times[i] = now() - begin;
        }
        qsort(times, LATENCIES, sizeof(usec_t), compare);
        printf("latency from open, write, close to the callback: p50 %" PRI_USEC " us, p99 %" PRI_USEC
               " us, max %" PRI_USEC " us\n",
               times[LATENCIES / 2], times[LATENCIES * 99 / 100], times[LATENCIES - 1]);
}

static _Noreturn void write_burst(void) {
        char path[PATH_MAX];

        for (unsigned i = 0; i < BURST_FILES; i++) {
                (void)snprintf(path, sizeof(path), "%s/%u/burst%u", directory,
                               i % BURST_DIRECTORIES % (n_directories / 100) * 100, i);
                write_file(path);
        }
        _exit(0);
}

static void bench_burst(Setup *s) {
        uint64_t before = n_reported;
        usec_t begin = now(), took, writer = 0;
        WatchCounters c;
        pid_t pid;

        pid = fork();
        if (pid == 0)
                write_burst();
        while (n_reported - before < BURST_FILES && now() - begin < USEC_PER_MINUTE) {
                (void)sd_event_run(s->event, USEC_PER_SEC);
                if (writer == 0 && waitpid(pid, NULL, WNOHANG) == pid)
                        writer = now() - begin;
        }
        took = now() - begin;
        if (writer == 0)
                (void)waitpid(pid, NULL, 0);
        c = watcher_counters(s->watcher);
        printf("burst of %u files: %.0f files/s until all are reported (writer alone %.0f), lost %lld, %" PRIu64
               " overflows, %" PRIu64 " synthetic\n",
               BURST_FILES, BURST_FILES * 1e6 / (double)took, writer > 0 ? BURST_FILES * 1e6 / (double)writer : 0,
               (long long)BURST_FILES - (long long)(n_reported - before), c.overflows, c.synthetic);
}

static _Noreturn void write_elsewhere(const char *other) {
        char path[PATH_MAX];

        for (unsigned i = 0; i < BURST_FILES; i++) {
                (void)snprintf(path, sizeof(path), "%s/%u", other, i % 1000);
                write_file(path);
        }
        _exit(0);
}

static void bench_others(Setup *s) {
        char other[] = "/dev/shm/vakt-bench-other-XXXXXX";
        usec_t cpu = now_clock(CLOCK_PROCESS_CPUTIME_ID);
        uint64_t before = n_reported;
        pid_t pid;

        if (!mkdtemp(other))
                give_up(other);
        pid = fork();
        if (pid == 0)
                write_elsewhere(other);
        while (waitpid(pid, NULL, WNOHANG) == 0 || !watcher_is_idle(s->watcher))
                (void)sd_event_run(s->event, USEC_PER_MSEC);
        cpu = now_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        printf("others: %.2f us of processor time for each of %u files, %" PRIu64 " reported\n",
               (double)cpu / BURST_FILES, BURST_FILES, n_reported - before);
        (void)nftw(other, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void bench_idle(Setup *s) {
        usec_t cpu, until = now() + USEC_PER_SEC;
        unsigned n = 0;

        while (sd_event_run(s->event, 0) > 0)
                ;
        cpu = now_clock(CLOCK_PROCESS_CPUTIME_ID);
        for (usec_t t = now(); t < until; t = now())
                n += sd_event_run(s->event, until - t) > 0;
        printf("idle second: %u events, %" PRI_USEC " us of processor time\n", n,
               now_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu);
}

static void bench_backend(WatchBackend backend) {
        size_t before = mallinfo2().uordblks, memory;
        Setup s = start(backend);

        if (watch_state(s.watch) == WATCH_ACTIVE) {
                while (!watcher_is_idle(s.watcher))
                        (void)sd_event_run(s.event, 0);
                memory = mallinfo2().uordblks - before;
                printf("--- %s ---\n", backend == WATCH_BACKEND_FANOTIFY ? "fanotify" : "inotify");
                printf("memory: %.1f MiB, %.0f bytes a directory\n", (double)memory / 1048576,
                       (double)memory / n_directories);
                bench_latency(&s);
                bench_burst(&s);
                bench_others(&s);
                bench_idle(&s);
        }
        stop(&s);
}

int main(int argc, char *argv[]) {
        log_set_max_level(LOG_ERR);
        if (argc > 1)
                n_directories = MAX((unsigned)atoi(argv[1]), 100U);
        for (WatchBackend backend = WATCH_BACKEND_INOTIFY; backend <= WATCH_BACKEND_FANOTIFY; backend++) {
                strcpy(directory + strlen(directory) - 6, "XXXXXX");
                if (!mkdtemp(directory))
                        give_up("mkdtemp");
                make_tree();
                if (backend == WATCH_BACKEND_INOTIFY) {
                        bench_set_up();
                        bench_set_up_of_fanotify();
                }
                bench_backend(backend);
                remove_all();
        }
        return 0;
}

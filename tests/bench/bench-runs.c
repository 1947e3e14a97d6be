/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs per second: the whole way from request to outcome (admission, queue, child executor, ledger) beside a bare loop
 * of posix_spawn(3) and a pidfd each on the same sd-event, the same number in flight, in turns in one process. Once
 * for /bin/true, of which the dynamic linker takes the larger part, and once for a static program that does nothing;
 * with the ledger in $TMPDIR, and on tmpfs. A line "sample ROW WHO FIGURE" for each round, in runs per second, and the
 * processor time that this process alone has used, which repeats on a busy machine.
 *
 *     bench-runs [RUNS-PER-ROUND] [ROW…] */

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/manager.h"
#include "trigger/kinds.h"
#include "util/log.h"

#define IN_FLIGHT 8

static const struct {
        const char *name;
        bool is_noop, on_tmpfs;
} all_rows[] = {
        { "runs-true", false, false },
        { "runs-noop", true, false },
        { "runs-tmpfs-true", false, true },
        { "runs-tmpfs-noop", true, true },
};

static unsigned per_round = 2000, n_rounds = 5;
static char *program;

typedef struct Cost {
        usec_t wall, user, system; /* µs; the last two: processor time of this process alone */
} Cost;

static void cost_add(Cost *to, const Cost *c) {
        to->wall += c->wall;
        to->user += c->user;
        to->system += c->system;
}

static Cost cost_now(void) {
        struct rusage u;

        if (getrusage(RUSAGE_SELF, &u) < 0)
                abort();
        return (Cost){
                .wall = now_clock(CLOCK_MONOTONIC),
                .user = (usec_t)u.ru_utime.tv_sec * USEC_PER_SEC + (usec_t)u.ru_utime.tv_usec,
                .system = (usec_t)u.ru_stime.tv_sec * USEC_PER_SEC + (usec_t)u.ru_stime.tv_usec,
        };
}

/* Starts the first runs, and lets each start another one until there were enough. */
static Cost measure(sd_event *event, void (*start)(void *userdata), void *userdata) {
        Cost before = cost_now(), after;

        for (unsigned i = 0; i < IN_FLIGHT; i++)
                start(userdata);
        (void)sd_event_loop(event);
        after = cost_now();
        return (Cost){ after.wall - before.wall, after.user - before.user, after.system - before.system };
}

/* --- the limit: spawn and wait, nothing else --- */

typedef struct Bare {
        sd_event *event;
        unsigned n_started, n_ended;
        posix_spawnattr_t attributes;
} Bare;

static void bare_start(void *userdata);

static int on_bare_child(sd_event_source *s, const siginfo_t *si, void *userdata) {
        Bare *b = userdata;

        sd_event_source_disable_unref(s);
        b->n_ended++;
        if (b->n_started < per_round)
                bare_start(b);
        else if (b->n_ended == per_round)
                (void)sd_event_exit(b->event, 0);
        return 0;
}

static void bare_start(void *userdata) {
        Bare *b = userdata;
        char *const argv[] = { program, NULL };
        sd_event_source *s = NULL;
        pid_t pid;

        if (posix_spawn(&pid, argv[0], NULL, &b->attributes, argv, environ) != 0 ||
            sd_event_add_child(b->event, &s, pid, WEXITED, on_bare_child, b) < 0)
                abort();
        b->n_started++;
}

static Cost bare_round(void) {
        Bare b = {};
        sigset_t all, none;
        Cost cost;

        sigfillset(&all);
        sigemptyset(&none);
        if (sd_event_new(&b.event) < 0 || posix_spawnattr_init(&b.attributes) != 0)
                abort();
        posix_spawnattr_setflags(&b.attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        posix_spawnattr_setsigmask(&b.attributes, &none);
        posix_spawnattr_setsigdefault(&b.attributes, &all);
        cost = measure(b.event, bare_start, &b);
        posix_spawnattr_destroy(&b.attributes);
        sd_event_unref(b.event);
        return cost;
}

/* --- vaktd --- */

typedef struct Full {
        sd_event *event;
        Manager *m;
        unsigned n_requested, n_ended;
} Full;

static void full_request(void *userdata) {
        Full *f = userdata;
        RunRequest r = { .cause = RUN_CAUSE_MANUAL, .trigger = RUN_TRIGGER_NONE };
        const RunRecord *record;

        if (manager_request(f->m, "true", &r, &record) < 0 || record->state == RUN_DONE)
                abort();
        f->n_requested++;
}

static void on_finished(void *userdata, const RunRecord *r) {
        Full *f = userdata;

        if (r->result != RUN_RESULT_SUCCESS)
                abort();
        f->n_ended++;
        if (f->n_requested < per_round)
                full_request(f);
        else if (f->n_ended == per_round)
                (void)sd_event_exit(f->event, 0);
}

static Cost full_round(const char *directory) {
        char config[256];
        char *dirs[] = { (char *)directory, NULL };
        ManagerOptions o = {
                .job_dirs = dirs,
                .state_dir = directory,
                .config_path = config,
                .owner = getuid(),
                .executor = EXECUTOR_CHILD,
                .log_level = -1,
                .triggers = trigger_kinds,
        };
        Full f = {};
        ManagerObserver observer = { .run_finished = on_finished, .userdata = &f };
        Cost cost;

        (void)snprintf(config, sizeof(config), "%s/vaktd.conf", directory);
        if (sd_event_new(&f.event) < 0 || manager_new(&f.m, f.event, &o) < 0 || manager_observe(f.m, &observer) < 0 ||
            manager_start(f.m) < 0)
                abort();
        cost = measure(f.event, full_request, &f);
        manager_free(f.m);
        sd_event_unref(f.event);
        return cost;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static void write_job(const char *directory) {
        char path[PATH_MAX];
        FILE *job;

        (void)snprintf(path, sizeof(path), "%s/true.job", directory);
        job = fopen(path, "we");
        if (!job)
                abort();
        (void)fprintf(job, "[Run]\nExec=%s\nOverlap=parallel\nQueueMax=1000\n", program);
        (void)fchmod(fileno(job), 0644);
        (void)fclose(job);
}

static void print_sample(const char *row, const char *who, Cost *sum, Cost cost) {
        printf("sample %s %s %.0f\n", row, who, per_round * 1e6 / (double)cost.wall);
        (void)fflush(stdout);
        cost_add(sum, &cost);
}

static void print_processor_time(const char *row, const char *who, const Cost *sum) {
        double runs = (double)per_round * n_rounds;

        printf("%s: processor time a run of %s without its children: %.1f + %.1f µs (user, system)\n", row, who,
               (double)sum->user / runs, (double)sum->system / runs);
}

static void compare(const char *row, const char *parent) {
        Cost bare = {}, full = {};
        char directory[PATH_MAX];

        (void)snprintf(directory, sizeof(directory), "%s/vakt-bench-runs-XXXXXX", parent);
        if (!mkdtemp(directory))
                abort();
        write_job(directory);
        for (unsigned i = 0; i < n_rounds; i++) {
                print_sample(row, "spawn-loop", &bare, bare_round());
                print_sample(row, "vaktd", &full, full_round(directory));
        }
        print_processor_time(row, "spawn-loop", &bare);
        print_processor_time(row, "vaktd", &full);
        (void)nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void find_noop(char *buf) {
        ssize_t n = readlink("/proc/self/exe", buf, PATH_MAX - sizeof("/bench-noop"));

        if (n < 0)
                abort();
        buf[n] = '\0';
        (void)strcpy(strrchr(buf, '/'), "/bench-noop");
}

static bool is_wanted(char *const *rows, const char *row) {
        for (char *const *r = rows; *r; r++)
                if (streq(*r, row))
                        return true;
        return !rows[0];
}

int main(int argc, char *argv[]) {
        const char *divisor = getenv("VAKT_BENCH_DIVISOR"), *rounds = getenv("VAKT_BENCH_ROUNDS");
        char noop[PATH_MAX], **rows = argv + 1;
        sigset_t set;
        int null_fd;

        if (argc > 1 && atoi(argv[1]) > 0) {
                per_round = (unsigned)atoi(argv[1]);
                rows++;
        } else if (divisor)
                per_round /= (unsigned)atoi(divisor);
        if (rounds)
                n_rounds = (unsigned)atoi(rounds);
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigprocmask(SIG_BLOCK, &set, NULL);
        /* The daemon's own lines are written, to where they cost what a log file costs. */
        null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void)dup2(null_fd, STDERR_FILENO);
        find_noop(noop);
        for (size_t i = 0; i < ELEMENTSOF(all_rows); i++) {
                if (!is_wanted(rows, all_rows[i].name))
                        continue;
                program = all_rows[i].is_noop ? noop : (char *)"/bin/true";
                compare(all_rows[i].name, all_rows[i].on_tmpfs ? "/dev/shm" : getenv("TMPDIR") ?: "/tmp");
        }
        return EXIT_SUCCESS;
}

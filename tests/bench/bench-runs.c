/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs per second of /bin/true: the whole way from request to outcome (admission, queue, child executor, ledger)
 * beside a bare loop of posix_spawn(3) and a pidfd each on the same sd-event, the same number in flight, in turns in
 * one process. Prints the ratio. */

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/manager.h"
#include "trigger/kinds.h"
#include "util/log.h"

#define IN_FLIGHT 8
#define ROUNDS    5

static unsigned per_round = 2000;

/* --- the limit: spawn and wait, nothing else --- */

typedef struct Bare {
        sd_event *event;
        unsigned n_started, n_ended;
        posix_spawnattr_t attributes;
} Bare;

static void bare_start(Bare *b);

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

static void bare_start(Bare *b) {
        static char *const argv[] = { (char *)"/bin/true", NULL };
        sd_event_source *s = NULL;
        pid_t pid;

        if (posix_spawn(&pid, argv[0], NULL, &b->attributes, argv, environ) != 0 ||
            sd_event_add_child(b->event, &s, pid, WEXITED, on_bare_child, b) < 0)
                abort();
        b->n_started++;
}

static usec_t bare_round(void) {
        Bare b = {};
        sigset_t all, none;
        usec_t begin;

        sigfillset(&all);
        sigemptyset(&none);
        if (sd_event_new(&b.event) < 0 || posix_spawnattr_init(&b.attributes) != 0)
                abort();
        posix_spawnattr_setflags(&b.attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        posix_spawnattr_setsigmask(&b.attributes, &none);
        posix_spawnattr_setsigdefault(&b.attributes, &all);
        begin = now_clock(CLOCK_MONOTONIC);
        for (unsigned i = 0; i < IN_FLIGHT; i++)
                bare_start(&b);
        (void)sd_event_loop(b.event);
        begin = now_clock(CLOCK_MONOTONIC) - begin;
        posix_spawnattr_destroy(&b.attributes);
        sd_event_unref(b.event);
        return begin;
}

/* --- vaktd --- */

typedef struct Full {
        sd_event *event;
        Manager *m;
        unsigned n_requested, n_ended;
} Full;

static void full_request(Full *f) {
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

static usec_t full_round(const char *directory) {
        char config[256];
        char *dirs[] = { (char *)directory, NULL };
        ManagerOptions o = {
                .job_dirs = dirs,
                .state_dir = directory,
                .config_path = config,
                .owner = getuid(),
                .executor = -1,
                .log_level = -1,
                .triggers = trigger_kinds,
        };
        Full f = {};
        ManagerObserver observer = { .run_finished = on_finished, .userdata = &f };
        usec_t begin;

        (void)snprintf(config, sizeof(config), "%s/vaktd.conf", directory);
        if (sd_event_new(&f.event) < 0 || manager_new(&f.m, f.event, &o) < 0 || manager_observe(f.m, &observer) < 0 ||
            manager_start(f.m) < 0)
                abort();
        begin = now_clock(CLOCK_MONOTONIC);
        for (unsigned i = 0; i < IN_FLIGHT; i++)
                full_request(&f);
        (void)sd_event_loop(f.event);
        begin = now_clock(CLOCK_MONOTONIC) - begin;
        manager_free(f.m);
        sd_event_unref(f.event);
        return begin;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

int main(int argc, char *argv[]) {
        char directory[] = "/tmp/vakt-bench-runs-XXXXXX", path[64];
        usec_t bare = 0, full = 0;
        sigset_t set;
        FILE *job;
        int null_fd;

        if (argc > 1)
                per_round = (unsigned)atoi(argv[1]);
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigprocmask(SIG_BLOCK, &set, NULL);
        if (!mkdtemp(directory))
                return EXIT_FAILURE;
        (void)snprintf(path, sizeof(path), "%s/true.job", directory);
        job = fopen(path, "we");
        if (!job)
                return EXIT_FAILURE;
        (void)fputs("[Run]\nExec=/bin/true\nOverlap=parallel\nQueueMax=1000\n", job);
        (void)fchmod(fileno(job), 0644);
        (void)fclose(job);

        /* The daemon's own lines are written, to where they cost what a log file costs. */
        null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void)dup2(null_fd, STDERR_FILENO);
        for (unsigned i = 0; i < ROUNDS; i++) {
                bare += bare_round();
                full += full_round(directory);
        }
        printf("bare posix_spawn+pidfd: %.0f runs/s\n", (double)per_round * ROUNDS * 1e6 / (double)bare);
        printf("vaktd child executor:   %.0f runs/s\n", (double)per_round * ROUNDS * 1e6 / (double)full);
        printf("ratio: %.2f (aim: 0.8 or better)\n", (double)bare / (double)full);
        (void)nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        return EXIT_SUCCESS;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ns for the next elapse of ten typical calendar expressions, in the local zone and in a named one, beside systemd in
 * the same run: its library function (from the private libsystemd-shared, when there is one), and systemd-analyze with
 * the time of one iteration taken off, which prints what it finds. Both go from elapse to elapse, or back to the start
 * when there are no more. systemd forks a process for every elapse in a named zone. */

#include <dlfcn.h>
#include <fcntl.h>
#include <glob.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#include "time/calendar.h"
#include "util/macro.h"

#define LOCAL                  "Europe/Oslo"
#define FOREIGN                "America/New_York"
#define START                  (UINT64_C(1767225600) * USEC_PER_SEC) /* 2026 */
#define OUR_ROUNDS             200000
#define LIBRARY_LOCAL_ROUNDS   5000
#define LIBRARY_FOREIGN_ROUNDS 100
#define ANALYZE_LOCAL_ROUNDS   2000
#define ANALYZE_FOREIGN_ROUNDS 100

static const char *const expressions[] = {
        "minutely",      "*:0/15",         "hourly",
        "daily",         "02:30",          "Mon..Fri 9:00",
        "*-*-1,15 3:00", "*-*~1 23:59:59", "Sun *-03,10-* 2:30",
        "*-02-29",
};

static usec_t monotonic_nsec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (usec_t)ts.tv_sec * 1000000000U + (usec_t)ts.tv_nsec;
}

static double time_ours(const char *text, ZoneCache *cache, const Zone *local) {
        _cleanup_(calendar_freep) Calendar *c = NULL;
        usec_t t = START, begin;

        if (calendar_parse(text, cache, local, START, &c, NULL) < 0)
                exit(1);
        begin = monotonic_nsec();
        for (unsigned i = 0; i < OUR_ROUNDS; i++)
                if (calendar_next(c, NULL, t, &t) < 0)
                        t = START;
        return (double)(monotonic_nsec() - begin) / OUR_ROUNDS;
}

/* systemd's functions, by their names in its private library. */
static struct {
        int (*parse)(const char *text, void **ret);
        int (*next)(const void *spec, uint64_t usec, uint64_t *ret);
        void *(*free)(void *spec);
} library;

static bool library_load(void) {
        glob_t found;
        void *handle = NULL;

        if (glob("/usr/lib*/*/systemd/libsystemd-shared-*.so", 0, NULL, &found) == 0 ||
            glob("/usr/lib*/systemd/libsystemd-shared-*.so", 0, NULL, &found) == 0) {
                handle = dlopen(found.gl_pathv[0], RTLD_NOW | RTLD_LOCAL);
                globfree(&found);
        }
        if (!handle)
                return false;
        *(void **)&library.parse = dlsym(handle, "calendar_spec_from_string");
        *(void **)&library.next = dlsym(handle, "calendar_spec_next_usec");
        *(void **)&library.free = dlsym(handle, "calendar_spec_free");
        return library.parse && library.next && library.free;
}

static double time_library(const char *text, unsigned rounds) {
        uint64_t t = START;
        usec_t begin;
        void *spec;

        if (!library.parse || library.parse(text, &spec) < 0)
                return 0;
        begin = monotonic_nsec();
        for (unsigned i = 0; i < rounds; i++)
                if (library.next(spec, t, &t) < 0)
                        t = START;
        begin = monotonic_nsec() - begin;
        library.free(spec);
        return (double)begin / rounds;
}

/* ns that systemd-analyze takes; 0 when it is not there. */
static double run_analyze(const char *text, unsigned iterations) {
        char option[64];
        char *argv[] = { (char *)"systemd-analyze",
                         (char *)"calendar",
                         (char *)"--base-time=@1767225600",
                         option,
                         (char *)text,
                         NULL };
        posix_spawn_file_actions_t actions;
        usec_t begin = monotonic_nsec();
        int status = -1;
        pid_t pid;

        (void)snprintf(option, sizeof(option), "--iterations=%u", iterations);
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        if (posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) == 0)
                (void)waitpid(pid, &status, 0);
        posix_spawn_file_actions_destroy(&actions);
        return status == 0 ? (double)(monotonic_nsec() - begin) : 0;
}

static double time_analyze(const char *text, unsigned rounds) {
        double one = run_analyze(text, 1), many = run_analyze(text, rounds + 1);

        return one > 0 && many > one ? (many - one) / rounds : 0;
}

static void print_ratio(double theirs, double ours) {
        if (theirs > 0)
                printf(" %10.0f %6.0fx", theirs, theirs / ours);
        else
                printf(" %10s %7s", "-", "-");
}

/* One table. Expressions that end within the rounds would make systemd-analyze look fast: its column is left empty
 * for them. */
static void compare(const char *title, const char *zone, ZoneCache *cache, const Zone *local, unsigned library_rounds,
                    unsigned analyze_rounds) {
        double sum_ours = 0, sum_library = 0;

        printf("\n%s\n%-36s %8s %18s %18s\n", title, "", "ours", "library", "systemd-analyze");
        for (size_t i = 0; i < ELEMENTSOF(expressions); i++) {
                bool rare = streq(expressions[i], "*-02-29") || strstr(expressions[i], "*-03,10-*");
                double ours, theirs;
                char text[128];

                (void)snprintf(text, sizeof(text), "%s%s%s", expressions[i], zone ? " " : "", strempty(zone));
                ours = time_ours(text, cache, local);
                theirs = time_library(text, library_rounds);
                printf("%-36s %6.0fns", text, ours);
                print_ratio(theirs, ours);
                print_ratio(rare ? 0 : time_analyze(text, analyze_rounds), ours);
                putchar('\n');
                sum_ours += ours;
                sum_library += theirs;
        }
        printf("%-36s %6.0fns", "mean", sum_ours / ELEMENTSOF(expressions));
        print_ratio(sum_library / ELEMENTSOF(expressions), sum_ours / ELEMENTSOF(expressions));
        putchar('\n');
}

int main(void) {
        _cleanup_(zone_cache_freep) ZoneCache *cache = NULL;
        const Zone *local;

        setenv("TZ", ":" LOCAL, 1);
        tzset();
        if (zone_cache_new(NULL, &cache) < 0 || zone_cache_get(cache, LOCAL, &local) < 0)
                return 1;
        if (!library_load())
                printf("no libsystemd-shared here: its column stays empty\n");
        compare("ns per elapse in the local zone", NULL, cache, local, LIBRARY_LOCAL_ROUNDS, ANALYZE_LOCAL_ROUNDS);
        compare("ns per elapse in a named zone", FOREIGN, cache, local, LIBRARY_FOREIGN_ROUNDS,
                ANALYZE_FOREIGN_ROUNDS);
        return 0;
}

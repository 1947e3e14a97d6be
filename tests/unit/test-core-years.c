/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The whole of core/ on a clock of its own lives through years of some fifty jobs: real job files, a real ledger, real
 * watches of files, probes that say what they are told (fake-probe.h), and a service manager that runs nothing
 * (fake-executor.h). At random, people ask for runs, cancel, pause, skip and edit; the load of the machine goes up and
 * down, the clock is set, the machine sleeps, reboots; the daemon ends, or dies between any two transactions of the
 * ledger, or in one.
 *
 * After every turn of the loop everything that core counts is counted again over the runs themselves, and what ended
 * must have led to what its file says. Every request has one record: what was promised is there after every death and
 * what was not written is not; nothing begins twice, nothing waits that could go on, and in the end all have a result,
 * the one that the service manager reported.
 *
 * VAKT_YEARS: how many (1); VAKT_SEED: of the random numbers, as it was printed by a run that is to be repeated;
 * VAKT_TRACE: tells on standard error what happens, and leaves the files. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/conditions.h"
#include "core/deadlines.h"
#include "core/manager-body.h"
#include "core/pools.h"
#include "fake-clock.h"
#include "fake-executor.h"
#include "fake-probe.h"
#include "ledger/store.h"
#include "trigger/kinds.h"
#include "trigger/path-job.h"
#include "util/boot-id.h"
#include "util/log.h"

extern const TriggerOps path_trigger_ops;

#define REQUESTS_PER_YEAR 50000
#define JOBS              50
#define TIMER_JOBS        34 /* the first of them have timers, */
#define PATH_JOBS         4  /* the last watch files, the others are asked for by others or by people */
#define FILES             12 /* in the directory that a job watches */
#define BEGIN             (UINT64_C(1893456000) * USEC_PER_SEC) /* 2030-01-01 UTC */
#define SKEW_MAX          (12 * USEC_PER_HOUR)                  /* of the clock, either way */
#define LATE_MAX          (15 * USEC_PER_MINUTE)                /* AccuracySec= and ResumeRampSec=, and some */
#define TURNS_MAX         100000                                /* without time passing */

/* What is known of a request, by id. */
typedef enum EntryState {
        ENTRY_NONE,
        ENTRY_LIVE,
        ENTRY_DONE,
} EntryState;

typedef struct Entry {
        uint64_t parent;
        usec_t scheduled;
        uint32_t trigger;
        uint32_t edition, boot; /* of the job's file, of the machine, when it was asked for */
        JobDef *def;            /* that its run has, while it is live */
        uint8_t state, result, cause;
        uint8_t written_state, written_result; /* by the last transaction that took it in */
        uint8_t n_begun;
        uint8_t reported; /* by the service manager */
        bool is_changed;  /* since then; among the changed */
        bool by_alarm;
        bool is_left; /* in the ledger, until its job's file is good again */
        char job[12];
} Entry;

/* A run that ended in this turn, and what is needed to know what must follow. */
typedef struct Ended {
        uint64_t id;
        RunResult result;
        unsigned attempt;
        bool has_paths, waited_too_long;
        JobDef *def;
} Ended;

typedef struct Ids {
        uint64_t *items;
        size_t n, n_allocated;
} Ids;

static struct {
        char directory[64], jobs[80], config[80];
        char *dirs[2];
        uint64_t seed, state; /* of the random numbers */
        sd_event *event;
        Manager *m;
        bool is_traced, is_stopped;

        Entry *entries;
        size_t n_entries; /* allocated */
        unsigned n_live_entries, n_left;
        Ids changed;  /* since the last transaction */
        Ids live;     /* some of which may be done */
        Ids new_ids;  /* in this turn */
        Ended *ended; /* in this turn */
        size_t n_ended, n_ended_allocated;
        bool is_young; /* the daemon may know runs that we do not: what its predecessor did while it ended */

        uint32_t editions[JOBS]; /* how often each job file was written or taken away */
        unsigned dies_in;        /* transactions; 0 = not */
        bool dies_after;         /* the transaction is written */
        bool is_dead, is_full;   /* the daemon; the disk */
        bool is_behind;          /* the ledger is, as the disk was full */
        unsigned boot;
        unsigned episode; /* of a high load: all monitors clear before the next one */
        bool is_load_low; /* it begins, and what is raised is of the one before */
        int64_t skew;

        uint64_t n_requests, n_turns, n_checked, n_deaths, n_ends, n_reboots, n_reloads, n_steps, n_sleeps;
        uint64_t n_of_result[_RUN_RESULT_MAX], n_of_cause[_RUN_CAUSE_MAX];
} s;

#define CHECK(condition, ...)                                                                               \
        do {                                                                                                \
                if (!(condition)) {                                                                         \
                        print_error("%s:%d: %s: ", __FILE__, __LINE__, #condition);                         \
                        print_error(__VA_ARGS__);                                                           \
                        fail_msg(" (VAKT_SEED=%" PRIu64 ", turn %" PRIu64 ", request %" PRIu64 ")", s.seed, \
                                 s.n_turns, s.n_requests);                                                  \
                }                                                                                           \
        } while (false)

_printf_(1, 2) static void trace(const char *format, ...) {
        va_list ap;

        if (!s.is_traced)
                return;
        fprintf(stderr, "%.6f %.6f ", (double)(fake_clock.realtime - BEGIN) / (double)USEC_PER_SEC,
                (double)fake_clock.boottime / (double)USEC_PER_SEC);
        va_start(ap, format);
        (void)vfprintf(stderr, format, ap);
        va_end(ap);
        fputc('\n', stderr);
}

/* --- random numbers (splitmix64) --- */

static uint64_t random_below(uint64_t below) {
        uint64_t z = (s.state += UINT64_C(0x9e3779b97f4a7c15));

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return below > 0 ? (z ^ (z >> 31)) % below : 0;
}

static bool one_in(uint64_t n) {
        return random_below(n) == 0;
}

/* --- what is known --- */

static void ids_add(Ids *ids, uint64_t id) {
        if (ids->n == ids->n_allocated) {
                ids->n_allocated = MAX(ids->n_allocated * 2, (size_t)64);
                ids->items = realloc(ids->items, ids->n_allocated * sizeof(uint64_t));
                assert_non_null(ids->items);
        }
        ids->items[ids->n++] = id;
}

static Entry *entry(uint64_t id) {
        assert_true(id > 0);
        if (id >= s.n_entries) {
                size_t n = MAX(s.n_entries * 2, (size_t)id + 4096);

                s.entries = realloc(s.entries, n * sizeof(Entry));
                assert_non_null(s.entries);
                memset(s.entries + s.n_entries, 0, (n - s.n_entries) * sizeof(Entry));
                s.n_entries = n;
        }
        return &s.entries[id];
}

static void entry_changed(uint64_t id) {
        Entry *e = entry(id);

        if (!e->is_changed)
                ids_add(&s.changed, id);
        e->is_changed = true;
}

static void entry_set_def(Entry *e, JobDef *def) {
        if (e->def == def)
                return;
        if (def)
                job_def_ref(def);
        job_def_unref(e->def);
        e->def = def;
}

static void entry_set_state(Entry *e, EntryState state) {
        s.n_live_entries += (unsigned)(state == ENTRY_LIVE) - (e->state == ENTRY_LIVE);
        e->state = (uint8_t)state;
}

/* A monitor asks once in an episode, and for each edition of its file, unless it is to ask again and again. What could
 * not be asked for at once, in a pause or while the daemon was down, is asked for within ClearForSec= of its end. */
static void set_reason_of_monitor(Entry *e, const RunRecord *r) {
        const Job *job = job_table_get(manager_jobs(s.m), r->job);
        unsigned episode = s.episode - s.is_load_low;

        e->scheduled = job && job->def && job->def->rare->monitor.every == 0 ? episode : UINT32_MAX + r->id;
}

static Entry *entry_add(const RunRecord *r) {
        Entry *e = entry(r->id);

        CHECK(e->state == ENTRY_NONE, "run %" PRIu64 " is there already", r->id);
        entry_set_state(e, ENTRY_LIVE);
        e->cause = (uint8_t)r->cause;
        e->parent = r->parent;
        e->scheduled = r->scheduled;
        e->trigger = r->trigger;
        e->edition = r->job[0] == 'j' ? s.editions[strtoul(r->job + 1, NULL, 10) % JOBS] : 0;
        e->boot = s.boot;
        e->by_alarm = r->alarm;
        if (r->cause == RUN_CAUSE_MONITOR)
                set_reason_of_monitor(e, r);
        (void)snprintf(e->job, sizeof(e->job), "%s", r->job);
        ids_add(&s.live, r->id);
        entry_changed(r->id);
        return e;
}

static void all_written(void) {
        for (size_t i = 0; i < s.changed.n; i++) {
                Entry *e = entry(s.changed.items[i]);

                e->written_state = e->state;
                e->written_result = e->result;
                e->is_changed = false;
        }
        s.changed.n = 0;
}

/* Returns what it was. */
static Ids all_lost(void) {
        Ids lost = s.changed;

        for (size_t i = 0; i < s.changed.n; i++) {
                Entry *e = entry(s.changed.items[i]);

                if (e->state == ENTRY_DONE && e->written_state == ENTRY_LIVE)
                        ids_add(&s.live, s.changed.items[i]);
                entry_set_state(e, e->written_state);
                e->result = e->written_result;
                e->is_changed = false;
        }
        s.changed = (Ids){};
        return lost;
}

static void forget_turn(void) {
        for (size_t i = 0; i < s.n_ended; i++)
                job_def_unref(s.ended[i].def);
        s.n_ended = s.new_ids.n = 0;
}

/* --- what the daemon says --- */

static void on_run_new(void *userdata, const RunRecord *r) {
        if (s.is_dead)
                return;
        if (entry(r->id)->is_left) {
                entry(r->id)->is_left = false;
                s.n_left--;
                return;
        }
        trace("run %" PRIu64 " of %s by %s, parent %" PRIu64 ", scheduled %" PRIu64 ", trigger %u: %s %s", r->id,
              r->job, run_cause_to_string(r->cause), r->parent, r->scheduled - BEGIN, r->trigger,
              run_state_to_string(r->state), strempty(r->reason));
        (void)entry_add(r);
        ids_add(&s.new_ids, r->id);
        s.n_requests++;
        s.n_of_cause[r->cause]++;
}

/* With the definition that it was started with: in this turn, that is the one in force. */
static JobDef *def_at_end(const Entry *e, const RunRecord *r) {
        const Job *job = job_table_get(manager_jobs(s.m), r->job);

        return job && job->def && !job->gone && r->started > 0 && e->n_begun == 0 ? job->def : e->def;
}

static void on_run_finished(void *userdata, const RunRecord *r) {
        Entry *e = entry(r->id);
        JobDef *def;

        if (s.is_dead)
                return;
        CHECK(r->state == RUN_DONE && r->result != RUN_RESULT_NONE, "run %" PRIu64 " ended without a result", r->id);
        CHECK(e->state == ENTRY_LIVE, "run %" PRIu64 " of %s ended twice, or was never asked for", r->id, r->job);
        CHECK(r->result != RUN_RESULT_LOST || e->n_begun > 0 || e->boot != s.boot,
              "run %" PRIu64 " of %s was not begun, and the machine was not down", r->id, r->job);
        trace("run %" PRIu64 " of %s is %s: %s", r->id, r->job, run_result_to_string(r->result), strempty(r->reason));
        entry_set_state(e, ENTRY_DONE);
        e->result = (uint8_t)r->result;
        entry_changed(r->id);
        def = def_at_end(e, r);
        if (!def) /* it was refused */
                return;
        if (s.n_ended == s.n_ended_allocated) {
                s.n_ended_allocated = MAX(s.n_ended_allocated * 2, (size_t)64);
                s.ended = realloc(s.ended, s.n_ended_allocated * sizeof(Ended));
                assert_non_null(s.ended);
        }
        s.ended[s.n_ended++] = (Ended){
                .id = r->id,
                .result = r->result,
                .attempt = r->attempt,
                .has_paths = r->payload,
                .waited_too_long = r->reason && (strstr(r->reason, "MaxWaitSec=") || strstr(r->reason, "WaitMaxSec=")),
                .def = job_def_ref(def),
        };
}

/* --- what the service manager says --- */

static bool is_dead(void) {
        return s.is_dead;
}

/* Runs of a job that may go on at once. */
static unsigned places_of(const JobDef *def) {
        return def->overlap == OVERLAP_PARALLEL ? def->rare->max_parallel : 1;
}

static void on_began(uint64_t id, const ExecutionRequest *request) {
        Entry *e = entry(id);

        CHECK(e->written_state == ENTRY_LIVE || s.is_behind, "run %" PRIu64 " is begun, but not written", id);
        CHECK(e->n_begun == 0, "run %" PRIu64 " of %s is begun twice", id, e->job);
        e->n_begun = 1;
        CHECK(fake_world_n_running(request->run->job) < places_of(request->def),
              "run %" PRIu64 " of %s: too many at once", id, e->job);
}

static void on_put_back(uint64_t id) {
        entry(id)->n_begun = 0;
}

static void on_reported(uint64_t id, RunResult result) {
        entry(id)->reported = (uint8_t)result;
}

static void on_released(uint64_t id) {
        CHECK(entry(id)->written_state == ENTRY_DONE, "run %" PRIu64 " is released, and its end is not written", id);
}

/* --- dying --- */

int __wrap_store_commit(Store *store);
int __real_store_commit(Store *store);
int __wrap_store_open(Store **ret, const char *path, const BootId *boot);
int __real_store_open(Store **ret, const char *path, const BootId *boot);
int __wrap_store_check(Store *store, usec_t limit);
BootId __wrap_boot_id_get(void);
usec_t __wrap_boot_begin_boottime(void);

int __wrap_store_commit(Store *store) {
        int r;

        if (!s.is_dead && !s.is_full && !s.is_behind && s.dies_in > 0 && --s.dies_in == 0) {
                s.is_dead = true;
                r = s.dies_after ? __real_store_commit(store) : -EIO;
                if (r >= 0)
                        all_written();
                return -EIO;
        }
        s.is_behind = s.is_behind || s.is_full;
        if (s.is_dead || s.is_full)
                return s.is_dead ? -EIO : -ENOSPC;
        r = __real_store_commit(store);
        if (r >= 0) {
                all_written();
                s.is_behind = false;
        }
        return r;
}

int __wrap_store_open(Store **ret, const char *path, const BootId *boot) {
        return s.is_dead ? -EIO : __real_store_open(ret, path, boot);
}

/* It goes over all of the database at each start, for as long as its clock allows. */
int __wrap_store_check(Store *store, usec_t limit) {
        return 0;
}

BootId __wrap_boot_id_get(void) {
        sd_id128_t id = SD_ID128_MAKE(76, 61, 6b, 74, 2d, 79, 65, 61, 72, 73, 00, 00, 00, 00, 00, 00);

        id.bytes[14] = (uint8_t)(s.boot >> 8);
        id.bytes[15] = (uint8_t)s.boot;
        return boot_id_make(id, 0);
}

usec_t __wrap_boot_begin_boottime(void) {
        return 0;
}

/* --- files --- */

static void write_text(const char *path, const char *text) {
        char new[128];
        FILE *f;

        (void)snprintf(new, sizeof(new), "%s/new", s.directory);
        f = fopen(new, "we");
        assert_non_null(f);
        (void)fputs(text, f);
        (void)fchmod(fileno(f), 0644);
        assert_int_equal(fclose(f), 0);
        assert_int_equal(rename(new, path), 0);
}

/* Of the next edition of a job. */
static void job_path(char path[static 128], unsigned i) {
        s.editions[i]++;
        (void)snprintf(path, 128, "%s/j%02u.job", s.jobs, i);
}

/* Never an earlier one, so that there is no cycle. */
static unsigned random_later(unsigned i) {
        return i + 1 + (unsigned)random_below(JOBS - i - 1);
}

static const char *random_of(const char *const *words, size_t n) {
        return words[random_below(n)];
}

static void print_timers(FILE *f) {
        static const char *const triggers[] = {
                "OnCalendar=hourly",
                "OnCalendar=0/2:00",
                "OnCalendar=daily",
                "OnCalendar=Mon..Fri *-*-* 9..17:15:00",
                "OnCalendar=*-*-* 02:30:00 Europe/Oslo",
                "OnCron=7 */6 * * *",
                "OnCron=@daily",
                "OnInterval=5h",
                "OnInterval=9h\nIntervalFrom=end",
                "OnInterval=8h\nIntervalFrom=success",
                "OnBootSec=5min",
                "OnStartupSec=2min",
                "OnInterval=2d\nAnchor=2030-01-01",
                "OnCalendar=Sun 3:0/5",
        };
        static const char *const settings[] = {
                "CatchUp=none",
                "CatchUp=once",
                "CatchUp=all\nCatchUpMax=5",
                "CatchUp=all\nCatchUpWithinSec=6h",
                "RandomizedDelaySec=10min",
                "AccuracySec=1min",
                "Except=Sun *-*-*",
                "WakeSystem=yes",
                "DstGap=after",
        };

        fprintf(f, "[Timer]\n%s\n", random_of(triggers, ELEMENTSOF(triggers)));
        if (one_in(4))
                fprintf(f, "OnCron=%u %u * * *\n", (unsigned)random_below(60), (unsigned)random_below(24));
        for (unsigned n = (unsigned)random_below(3); n > 0; n--)
                fprintf(f, "%s\n", random_of(settings, ELEMENTSOF(settings)));
}

static void print_paths(FILE *f, unsigned i) {
        static const char *const settings[] = { "Batch=each", "SettleSec=5s", "TriggerLimitBurst=3", "Recursive=yes" };

        fprintf(f, "[Path]\nPathChanged=%s/d%02u\nEvents=close delete\nBackend=inotify\n", s.directory, i);
        if (one_in(2))
                fprintf(f, "%s\n", random_of(settings, ELEMENTSOF(settings)));
}

/* All of one condition, and of one other that ends it. */
static void print_monitor(FILE *f, unsigned i) {
        static const char *const settings[] = { "ForSec=20min", "ForSec=3h", "EverySec=5h" };

        fprintf(f, "[Monitor]\nWhen=load1 > 8\nClear=load1 < 4\n");
        if (one_in(2))
                fprintf(f, "%s\n", random_of(settings, ELEMENTSOF(settings)));
        if (i < JOBS - 1 && one_in(2))
                fprintf(f, "OnClear=j%02u\n", random_later(i));
}

static void print_run(FILE *f) {
        static const char *const settings[] = {
                "Overlap=skip",
                "Overlap=replace",
                "Overlap=queue\nQueueMax=3",
                "Overlap=parallel\nMaxParallel=3",
                "Pool=two",
                "Pool=lock",
                "Pool=short",
                "Priority=20",
                "Priority=-50",
                "TimeoutSec=10min",
                "MinIntervalSec=20min",
                "Overlap=parallel\nMaxParallel=2\nQueueMax=5",
                "WaitFor=load1 < 6",
                "WaitFor=load1 < 6\nWaitMaxSec=3h",
                "WaitFor=not job j03 is running",
        };

        fprintf(f, "[Run]\nExec=/bin/true\n");
        if (one_in(2))
                fprintf(f, "Retry=%s\nRetryDelaySec=%us\nRetryFactor=%u\n",
                        one_in(20)  ? "infinity"
                        : one_in(2) ? "1"
                                    : "3",
                        1 + (unsigned)random_below(1200), 1 + (unsigned)random_below(3));
        for (unsigned n = (unsigned)random_below(3); n > 0; n--)
                fprintf(f, "%s\n", random_of(settings, ELEMENTSOF(settings)));
}

static void write_job(unsigned i) {
        char path[128], *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        assert_non_null(f);
        fprintf(f, "[Job]\nDescription=%" PRIu64 "\n", random_below(UINT32_MAX));
        if (one_in(30))
                fprintf(f, "Enabled=no\n");
        if (i < JOBS - 1 && one_in(4))
                fprintf(f, "OnSuccess=j%02u\n", random_later(i));
        if (i < JOBS - 1 && one_in(3))
                fprintf(f, "OnFailure=j%02u%s\n", random_later(i), one_in(20) ? " nobody" : "");
        if (i < JOBS - 1 && one_in(3))
                fprintf(f, "OnAlarm=j%02u\n%s\n", random_later(i), one_in(2) ? "SlowSec=15min" : "ExpectSec=2d");
        if (i < TIMER_JOBS)
                print_timers(f);
        if (i >= JOBS - PATH_JOBS)
                print_paths(f, i);
        if (one_in(6))
                print_monitor(f, i);
        print_run(f);
        assert_int_equal(fclose(f), 0);
        job_path(path, i);
        write_text(path, text);
        trace("%s: %s", path, text);
        free(text);
}

static void write_settings(void) {
        char text[512];

        (void)snprintf(text, sizeof(text),
                       "[Manager]\nHistoryKeep=infinity\nHistoryKeepSec=infinity\nMaxRunning=%u\nResumeRampSec=%us\n"
                       "[Pool two]\nSlots=2\nMaxWaitSec=1h\n[Pool short]\nSlots=1\nMaxWaitSec=%us\n",
                       one_in(2) ? 0 : 5 + (unsigned)random_below(10), (unsigned)random_below(600),
                       1 + (unsigned)random_below(600));
        write_text(s.config, text);
}

static void touch(unsigned i) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/d%02u/%u", s.directory, i, (unsigned)random_below(FILES));
        if (one_in(4))
                (void)unlink(path);
        else
                write_text(path, "x"); /* moved in: not seen as closed */
        if (one_in(2)) {
                int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

                assert_true(fd >= 0);
                assert_int_equal(write(fd, "y", 1), 1);
                close(fd);
        }
}

static void set_load(void) {
        static const int64_t loads[] = { 1000, 5000, 7000, 9000 };
        int64_t load = loads[random_below(ELEMENTSOF(loads))];

        if (one_in(10)) {
                trace("the load is not known");
                fake_probe_set_unknown("load1", "It cannot be read.");
                return;
        }
        trace("the load is %" PRIi64, load);
        s.is_load_low = load < 4000;
        s.episode += s.is_load_low;
        fake_probe_set("load1", load, 0);
}

/* --- counting again --- */

typedef struct Count {
        unsigned running, queued, bounded, delayed, slots, sought, ended;
} Count;

static void check_run(const LiveRun *run, Count *c) {
        const RunRecord *r = &run->record;
        bool bounded = r->cause != RUN_CAUSE_CATCH_UP, started = r->started > 0;
        Entry *e = entry(r->id);

        if (e->state == ENTRY_NONE && s.is_young)
                (void)entry_add(r);
        CHECK(e->state == ENTRY_LIVE, "run %" PRIu64 " of %s lives, and is not to", r->id, r->job);
        CHECK(live_find(&s.m->live, r->id) == run, "run %" PRIu64 " is not found by its number", r->id);
        c->ended += run->stage == RUN_STAGE_DONE; /* what follows from that is done next */
        if (run->stage == RUN_STAGE_DONE)
                return;
        CHECK(started == run_goes_on(run), "run %" PRIu64 ": stage %s", r->id, run_stage_to_string(run->stage));
        CHECK(!started == (r->state == RUN_WAITING || r->state == RUN_QUEUED), "run %" PRIu64 ": state %s", r->id,
              run_state_to_string(r->state));
        CHECK(!started == !run->execution, "run %" PRIu64 ": nobody runs it", r->id);
        CHECK((r->state == RUN_WAITING) == (run->stage == RUN_STAGE_DELAYED) ||
                      (run->stage == RUN_STAGE_QUEUED && run->def->rare->wait_for),
              "run %" PRIu64 ": state %s, stage %s", r->id, run_state_to_string(r->state),
              run_stage_to_string(run->stage));
        entry_set_def(e, run->def);
        c->running += started;
        c->queued += !started;
        c->delayed += run->stage == RUN_STAGE_DELAYED;
        c->bounded += bounded && run->stage != RUN_STAGE_DELAYED;
        c->slots += started || run->stage == RUN_STAGE_READY;
        c->sought += run->is_sought;
}

static void check_job(const Job *job, Count *all) {
        unsigned n_queue = 0, n_delayed = 0;
        const LiveRun *run;
        Count c = {};

        TAILQ_FOREACH(run, &job->live->runs, of_job) {
                CHECK(run->job == job && streq(run->record.job, job->name), "run %" PRIu64, run->record.id);
                check_run(run, &c);
        }
        TAILQ_FOREACH(run, &job->live->queue, waiting)
                n_queue += run->stage == RUN_STAGE_QUEUED ? 1 : 1000;
        TAILQ_FOREACH(run, &job->live->delayed, waiting)
                n_delayed += run->stage == RUN_STAGE_DELAYED ? 1 : 1000;
        CHECK(job->n_running == c.running && job->n_queued == c.queued, "%s: %u+%u, counted %u+%u", job->name,
              job->n_running, job->n_queued, c.running, c.queued);
        CHECK(job->live->n_slots == c.slots && job->live->n_bounded == c.bounded, "%s: %u %u, counted %u %u",
              job->name, job->live->n_slots, job->live->n_bounded, c.slots, c.bounded);
        CHECK(job->live->n_delayed == c.delayed && n_delayed == c.delayed, "%s: %u, counted %u", job->name,
              job->live->n_delayed, c.delayed);
        CHECK(c.running + c.queued - c.slots - c.delayed == n_queue, "%s: %u in the queue", job->name, n_queue);
        CHECK(!TAILQ_EMPTY(&job->live->runs) || job->live->n_ref == 0, "%s has what runs need", job->name);
        CHECK(job->live->n_sought == c.sought, "%s: %u, counted %u", job->name, job->live->n_sought, c.sought);
        CHECK(!job->gone || !TAILQ_EMPTY(&job->live->runs), "%s is gone and still there", job->name);
        all->running += c.running;
        all->ended += c.ended;
        all->queued += c.queued;
}

static void check_pool(const Pool *p) {
        unsigned n_runs = 0, n_running = 0, n_waiting = 0;
        const LiveRun *run;

        TAILQ_FOREACH(run, &s.m->live.all, all) {
                n_runs += run->pool == p;
                n_running += run->pool == p && run_goes_on(run);
                n_waiting += run->pool == p && run->stage == RUN_STAGE_READY;
        }
        CHECK(p->n_runs == n_runs && p->n_running == n_running && p->waiting.n_entries == n_waiting,
              "pool '%s': %u %u %u, counted %u %u %u", p->name, p->n_runs, p->n_running,
              (unsigned)p->waiting.n_entries, n_runs, n_running, n_waiting);
}

static unsigned n_live(void) {
        return s.m->live.by_id.n_nodes;
}

static void check_counts(void) {
        size_t n = 0;
        Count all = {};
        const LiveRun *run;

        TAILQ_FOREACH(run, &s.m->live.all, all)
                n++;
        for (size_t i = 0; i < job_table_size(s.m->jobs); i++)
                check_job(job_table_at(s.m->jobs, i), &all);
        CHECK(all.running + all.queued + all.ended == n && n_live() == n, "%u live runs, counted %zu", n_live(), n);
        CHECK(s.is_young || n == s.n_live_entries - s.n_left, "%zu live runs of %u", n, s.n_live_entries - s.n_left);
        CHECK(s.m->n_running == all.running && s.m->n_queued == all.queued, "%u+%u, counted %u+%u", s.m->n_running,
              s.m->n_queued, all.running, all.queued);
        check_pool(s.m->pools->unlimited);
        for (size_t i = 0; i < s.m->pools->n_named; i++)
                check_pool(s.m->pools->named[i]);
        s.n_checked++;
}

/* --- what must follow --- */

/* Of this turn, that the run asked for: for this job, or (NULL) tries. */
static unsigned count_followers(uint64_t parent, const char *job) {
        unsigned n = 0;

        for (size_t i = 0; i < s.new_ids.n; i++) {
                const Entry *e = entry(s.new_ids.items[i]);

                n += e->parent == parent && (job ? e->cause == RUN_CAUSE_CHAIN && !e->by_alarm && streq(e->job, job)
                                                 : e->cause == RUN_CAUSE_RETRY);
        }
        return n;
}

static void check_chain(const Ended *e, char *const *jobs, unsigned wanted) {
        for (size_t i = 0; jobs && jobs[i]; i++)
                CHECK(count_followers(e->id, jobs[i]) == wanted, "run %" PRIu64 " of %s was %s: %u requests of %s",
                      e->id, e->def->name, run_result_to_string(e->result), count_followers(e->id, jobs[i]), jobs[i]);
}

static void check_followers(const Ended *e) {
        const Job *job = job_table_get(s.m->jobs, e->def->name);
        bool failed = run_result_is_failure(e->result);
        bool again = failed && job && !job->gone && job->def && job->def->enabled &&
                     (e->def->rare->retry.max == UINT_MAX || e->attempt <= e->def->rare->retry.max);
        unsigned n_tries = count_followers(e->id, NULL);

        if (e->has_paths && again) /* those of a run that made way are not tried again, they wait */
                again = n_tries > 0;
        CHECK(n_tries == again, "run %" PRIu64 " of %s was %s in try %u: %u more tries", e->id, e->def->name,
              run_result_to_string(e->result), e->attempt, n_tries);
        if (e->result == RUN_RESULT_SUCCESS)
                check_chain(e, e->def->rare->on_success, 1);
        else
                check_chain(e, e->def->rare->on_failure,
                            (failed && !again) || (e->waited_too_long && e->attempt > 1) ? 1 : 0);
}

/* Who waits for files that others have, for a pause or for a file of the job's own is told of their end. */
static void check_files(const Job *job) {
        const JobPaths *p = NULL;

        for (const TriggerKept *k = job->kept; k; k = k->next)
                if (k->trigger->ops == &path_trigger_ops)
                        p = k->of;
        CHECK(!p || batch_n_waiting(p->batch) == 0 || p->is_ready || p->deadline.position != HEAP_NONE ||
                      job->paused || !job_may_run(job) || !TAILQ_EMPTY(&job->live->runs),
              "files of %s wait for nothing", job->name);
}

/* The first in the queue waits for the machine, until then, and the others for that. */
static bool waits_for_machine(const Job *job) {
        const LiveRun *run = TAILQ_FIRST(&job->live->queue);
        const Reading *readings = job_wait_readings(job, run->def);

        return run->def->rare->wait_for && run->record.trigger != RUN_TRIGGER_NOW &&
               run->record.state == RUN_WAITING && readings &&
               condition_truth(run->def->rare->wait_for, readings) != TRUTH_TRUE &&
               (run->def->rare->wait_max == USEC_INFINITY || run->deadline.position != HEAP_NONE);
}

/* Nothing that waits can go on. */
static void check_nothing_is_stuck(void) {
        bool may_start =
                !s.m->is_held && (s.m->settings.max_running == 0 || s.m->n_running < s.m->settings.max_running);
        const LiveRun *run;

        TAILQ_FOREACH(run, &s.m->live.all, all) {
                const Job *job = run->job;

                if (run->stage == RUN_STAGE_DELAYED)
                        CHECK(job->paused ||
                                      (run->deadline.position != HEAP_NONE &&
                                       s.m->deadlines->heap.entries[run->deadline.position].at > fake_clock.boottime),
                              "run %" PRIu64 " of %s waits for no time", run->record.id, job->name);
                else if (run->stage == RUN_STAGE_QUEUED)
                        CHECK(job->live->n_slots >= places_of(job->def && !job->gone ? job->def : run->def) ||
                                      waits_for_machine(job),
                              "run %" PRIu64 " of %s waits for no run", run->record.id, job->name);
                else if (run->stage == RUN_STAGE_READY)
                        CHECK(!may_start || run->pool->n_running >= run->pool->slots,
                              "run %" PRIu64 " of %s waits for no slot", run->record.id, job->name);
                else
                        CHECK(run_goes_on(run), "run %" PRIu64 " of %s is nowhere", run->record.id, job->name);
        }
        for (size_t i = 0; i < job_table_size(s.m->jobs); i++) {
                const Job *job = job_table_at(s.m->jobs, i);

                CHECK(!job->live->wait || job->n_queued > job->live->n_delayed, "somebody looks for no run of %s",
                      job->name);
                CHECK(!job->paused_alone || job->pause_until == 0 || job->pause_until > fake_clock.realtime,
                      "the pause of %s is over", job->name);
                check_files(job);
                CHECK(!s.m->is_surveyed || usec_add(job->next, LATE_MAX) > fake_clock.realtime,
                      "%s was to elapse at %" PRIu64, job->name, job->next - BEGIN);
        }
}

/* It has what goes on as it is; that a retry fell due, nobody has to know. */
static void check_ledger(void) {
        const LiveRun *run;

        TAILQ_FOREACH(run, &s.m->live.all, all) {
                const RunRecord *r = ledger_get(s.m->ledger, run->record.id);

                CHECK(r && (r->state == run->record.state || r->state == RUN_WAITING) &&
                              r->started == run->record.started && r->attempt == run->record.attempt &&
                              r->cause == run->record.cause,
                      "run %" PRIu64 " of %s is %s, and %s in the ledger", run->record.id, run->record.job,
                      run_state_to_string(run->record.state), r ? run_state_to_string(r->state) : "not");
        }
}

static void check_turn(void) {
        s.n_turns++;
        if (s.m->stopping || s.is_dead) {
                forget_turn();
                return;
        }
        check_counts();
        for (size_t i = 0; i < s.n_ended; i++)
                check_followers(&s.ended[i]);
        forget_turn();
}

/* --- the daemon --- */

static void free_daemon(void) {
        s.m = manager_free(s.m);
        s.event = sd_event_unref(s.event);
        s.is_dead = false;
        s.dies_in = 0;
        forget_turn();
}

static const RunRecord *check_remembered(uint64_t id, const Entry *e) {
        const RunRecord *r = ledger_get(s.m->ledger, id);

        CHECK(!r == (e->written_state == ENTRY_NONE),
              "run %" PRIu64 " of %s: what is written is lost, or was not to be", id, e->job);
        if (r && e->written_state == ENTRY_DONE)
                CHECK(r->state == RUN_DONE && r->result == e->written_result, "run %" PRIu64 " was %s, is %s", id,
                      run_result_to_string((RunResult)e->written_result), run_result_to_string(r->result));
        return r;
}

/* The daemon is new: what is live, and no run of it, has ended when it was taken over, or is left for later. */
static void check_taken_over(void) {
        size_t n = 0;

        for (size_t i = 0; i < s.live.n; i++) {
                uint64_t id = s.live.items[i];
                Entry *e = entry(id);
                const RunRecord *r;

                if (e->state != ENTRY_LIVE) {
                        entry_set_def(e, NULL);
                        continue;
                }
                s.live.items[n++] = id;
                s.n_left -= e->is_left;
                e->is_left = false;
                if (live_find(&s.m->live, id))
                        continue;
                r = ledger_get(s.m->ledger, id);
                CHECK(r, "run %" PRIu64 " of %s is lost", id, e->job);
                if (r->state != RUN_DONE) {
                        CHECK(s.m->take_over.has_left_runs, "run %" PRIu64 " of %s was not taken over", id, e->job);
                        e->is_left = true;
                        s.n_left++;
                        continue;
                }
                entry_set_state(e, ENTRY_DONE);
                e->result = (uint8_t)r->result;
                entry_changed(id);
        }
        s.live.n = n;
}

static void start_daemon(void) {
        static const ManagerObserver observer = { .run_new = on_run_new, .run_finished = on_run_finished };
        ManagerOptions o = {
                .triggers = trigger_kinds,
                .job_dirs = s.dirs,
                .state_dir = s.directory,
                .config_path = s.config,
                .owner = getuid(),
                .executor = EXECUTOR_UNIT,
                .log_level = -1,
                .runtime_dir = s.directory,
        };

        s.is_young = true;
        assert_int_equal(sd_event_new(&s.event), 0);
        assert_int_equal(manager_new(&s.m, s.event, &o), 0);
        assert_int_equal(manager_observe(s.m, &observer), 0);
        assert_int_equal(manager_start(s.m), 0);
        check_taken_over();
        check_turn();
        s.is_young = false;
}

/* It was killed some time ago: nothing that it did since has been seen by anybody. */
static void bury(bool machine) {
        Ids lost = all_lost();

        trace("the %s has died", machine ? "machine" : "daemon");
        free_daemon();
        if (machine) {
                fake_world_down();
                s.boot++;
                s.n_reboots++;
                fake_clock.boottime = fake_clock.monotonic = (10 + random_below(60)) * USEC_PER_SEC;
                fake_clock.realtime += random_below(one_in(10) ? 3 * USEC_PER_DAY : 10 * USEC_PER_MINUTE);
        } else
                fake_clock_advance(random_below(one_in(10) ? 5 * USEC_PER_HOUR : USEC_PER_MINUTE));
        start_daemon();
        for (size_t i = 0; i < lost.n; i++)
                (void)check_remembered(lost.items[i], entry(lost.items[i]));
        free(lost.items);
        s.n_deaths++;
}

static void kill_daemon(bool machine) {
        s.is_dead = true;
        bury(machine);
}

static void on_stopped(void *userdata) {
        s.is_stopped = true;
}

/* Turns until nothing is to be done without time passing. */
static void run_loop(void) {
        for (unsigned n = 0; !s.is_dead; n++) {
                int r = fake_clock_run(s.event);

                CHECK(r >= 0 && n < TURNS_MAX, "%d", r);
                if (r == 0)
                        break;
                check_turn();
        }
        if (s.is_dead)
                bury(one_in(5));
        else if (!s.m->stopping) {
                check_nothing_is_stuck();
                CHECK(s.changed.n == 0 || s.is_behind, "run %" PRIu64 " is not written", s.changed.items[0]);
                if (one_in(100))
                        check_ledger();
        }
}

static void end_daemon(void) {
        s.is_stopped = false;
        manager_stop(s.m, on_stopped, NULL);
        while (!s.is_stopped && s.m->stopping) {
                run_loop(); /* in which it may die */
                if (!s.is_stopped && s.m->stopping)
                        fake_clock_advance(MIN(fake_clock_next(), USEC_PER_MINUTE));
        }
        if (!s.m->stopping)
                return;
        trace("the daemon has ended");
        free_daemon();
        fake_clock_advance(random_below(one_in(5) ? USEC_PER_DAY : USEC_PER_MINUTE));
        start_daemon();
        s.n_ends++;
}

/* --- what people do --- */

static const char *random_name(char buf[static 32]) {
        if (one_in(50))
                (void)snprintf(buf, 32, "t@%u", (unsigned)random_below(5));
        else
                (void)snprintf(buf, 32, "j%02u", (unsigned)random_below(JOBS));
        return buf;
}

static void ask(const char *name) {
        RunRequest request = {
                .cause = RUN_CAUSE_MANUAL,
                .trigger = one_in(10) ? RUN_TRIGGER_NOW : RUN_TRIGGER_NONE,
        };
        uint64_t n = s.n_requests;
        const RunRecord *r;

        if (manager_request(s.m, name, &request, &r) < 0 || s.is_dead)
                return;
        CHECK(s.n_requests >= n + 1, "somebody asked for %s, and nothing came of it", name);
        CHECK(entry(r->id)->written_state != ENTRY_NONE || s.is_behind, "run %" PRIu64 " is promised, but not written",
              r->id);
}

static void cancel(void) {
        const LiveRun *run = TAILQ_FIRST(&s.m->live.all);

        for (uint64_t n = n_live() > 0 ? random_below(n_live()) : 0; n > 0; n--)
                run = TAILQ_NEXT(run, all);
        (void)manager_cancel(s.m, run ? run->record.id : 1);
}

static void edit(void) {
        for (unsigned n = 1 + (unsigned)random_below(3); n > 0; n--) {
                unsigned i = (unsigned)random_below(JOBS);
                char path[128];

                job_path(path, i);
                if (one_in(6))
                        (void)unlink(path);
                else if (one_in(10))
                        write_text(path, "[Run]\nExec=/bin/true\nBogus=yes\n");
                else
                        write_job(i);
        }
        if (one_in(10))
                write_settings();
        assert_int_equal(manager_reload(s.m), 0);
        s.n_reloads++;
}

static void set_clock(void) {
        int64_t by = (int64_t)random_below(2 * SKEW_MAX) - (int64_t)SKEW_MAX - s.skew;

        if (one_in(2))
                by /= 100;
        s.skew += by;
        trace("the clock is set by %" PRIi64, by);
        fake_clock_step(by);
        s.n_steps++;
}

static int on_told(const char *topic, const char *message, void *userdata) {
        assert_true(strlen(message) > 0);
        return 0;
}

static void do_something(void) {
        char name[32];
        uint64_t n = random_below(1000);

        (void)random_name(name);
        trace("deed %" PRIu64 ", %s", n, name);
        if (s.is_full && one_in(3))
                s.is_full = false;
        if (s.is_behind && n >= 930 && n < 980)
                return; /* who dies now forgets, and that is not looked at here */
        if (one_in(4))
                fake_world_hold(false);
        if (one_in(4)) {
                set_load();
                return; /* what else was done would meet the load as it was, or as it is */
        }
        if (n < 300)
                ask(name);
        else if (n < 500)
                touch(JOBS - 1 - (unsigned)random_below(PATH_JOBS));
        else if (n < 580)
                cancel();
        else if (n < 620)
                (void)manager_pause(s.m, name);
        else if (n < 720)
                (void)manager_resume(s.m, name);
        else if (n < 760)
                (void)manager_pause_until(s.m, name, fake_clock.realtime + random_below(USEC_PER_DAY));
        else if (n < 765)
                (void)manager_pause_all(s.m);
        else if (n < 800)
                (void)manager_resume_all(s.m);
        else if (n < 830)
                (void)manager_skip(s.m, name, (unsigned)random_below(4));
        else if (n < 870)
                (void)manager_reset_failed(s.m, name);
        else if (n < 900)
                edit();
        else if (n < 910)
                set_clock();
        else if (n < 930) {
                fake_clock_suspend(random_below(one_in(20) ? 4 * USEC_PER_DAY : 8 * USEC_PER_HOUR));
                s.n_sleeps++;
        } else if (n < 940)
                end_daemon();
        else if (n < 950)
                kill_daemon(one_in(3));
        else if (n < 980) {
                s.dies_in = 1 + (unsigned)random_below(20);
                s.dies_after = one_in(2);
        } else if (n < 985)
                fake_world_hold(true);
        else if (n < 988)
                s.is_full = true;
        else if (job_table_get(s.m->jobs, name))
                assert_int_equal(manager_explain(s.m, job_table_get(s.m->jobs, name), on_told, NULL), 0);
        if (s.is_dead)
                bury(false);
        else
                check_turn();
}

/* --- the end --- */

static void let_all_end(void) {
        char path[128];

        s.is_full = false;
        fake_world_hold(false);
        fake_probe_set("load1", 1000, 0);
        for (unsigned i = 0; i < JOBS; i++) {
                job_path(path, i);
                write_text(path, "[Run]\nExec=/bin/true\n");
        }
        write_text(s.config, "[Manager]\nHistoryKeep=infinity\nHistoryKeepSec=infinity\n");
        assert_int_equal(manager_reload(s.m), 0);
        (void)manager_resume_all(s.m);
        for (size_t i = 0; i < job_table_size(s.m->jobs); i++)
                (void)manager_resume(s.m, job_table_at(s.m->jobs, i)->name);
        forget_turn();
        while (n_live() > 0 || fake_world_n_units() > 0) {
                run_loop();
                CHECK(n_live() + fake_world_n_units() == 0 || fake_clock_next() < USEC_INFINITY, "%u runs never end",
                      n_live());
                fake_clock_advance(MIN(fake_clock_next(), USEC_PER_DAY));
        }
        run_loop();
        assert_int_equal(ledger_commit(s.m->ledger), 0);
}

static void check_end(uint64_t id, Entry *e) {
        const RunRecord *r = check_remembered(id, e);

        if (!r)
                return;
        CHECK(r->state == RUN_DONE && r->result != RUN_RESULT_NONE, "run %" PRIu64 " of %s has no result", id, r->job);
        CHECK(e->state == ENTRY_DONE && e->result == r->result && streq(e->job, r->job), "run %" PRIu64 " of %s", id,
              r->job);
        if (e->reported)
                CHECK(e->reported == r->result ||
                              (e->reported == RUN_RESULT_LOST && r->result == RUN_RESULT_CANCELLED),
                      "run %" PRIu64 " of %s was %s, and is written as %s", id, r->job,
                      run_result_to_string((RunResult)e->reported), run_result_to_string(r->result));
        else
                CHECK(e->n_begun == 0 || r->result == RUN_RESULT_LOST, "run %" PRIu64 " was begun and is %s", id,
                      run_result_to_string(r->result));
        s.n_of_result[r->result]++;
}

/* What follows from a run, by it; what a timer asked for, by its occurrence. */
static int compare_reasons(const void *a, const void *b) {
        const Entry *x = *(const Entry *const *)a, *y = *(const Entry *const *)b;
        const uint64_t xs[] = { x->parent, x->cause == RUN_CAUSE_RETRY, x->parent > 0 ? 0 : x->scheduled,
                                x->parent > 0 ? 0 : (uint64_t)x->edition << 32 | x->trigger };
        const uint64_t ys[] = { y->parent, y->cause == RUN_CAUSE_RETRY, y->parent > 0 ? 0 : y->scheduled,
                                y->parent > 0 ? 0 : (uint64_t)y->edition << 32 | y->trigger };

        for (size_t i = 0; i < ELEMENTSOF(xs); i++)
                if (xs[i] != ys[i])
                        return xs[i] < ys[i] ? -1 : 1;
        return strcmp(x->job, y->job);
}

static bool has_reason(const Entry *e) {
        if (e->state != ENTRY_DONE || e->result == RUN_RESULT_MISSED)
                return false;
        return e->cause == RUN_CAUSE_TIMER || e->cause == RUN_CAUSE_CATCH_UP || e->cause == RUN_CAUSE_RETRY ||
               e->cause == RUN_CAUSE_MONITOR || (e->cause == RUN_CAUSE_CHAIN && e->parent > 0 && !e->by_alarm);
}

/* One reason, one request: also over deaths, and when the clock is set back. */
static void check_doubles(void) {
        const Entry **all = calloc(s.n_entries, sizeof(Entry *));
        size_t n = 0;

        assert_non_null(all);
        for (size_t i = 1; i < s.n_entries; i++)
                if (has_reason(&s.entries[i]))
                        all[n++] = &s.entries[i];
        qsort(all, n, sizeof(Entry *), compare_reasons);
        for (size_t i = 1; i < n; i++)
                CHECK(compare_reasons(&all[i - 1], &all[i]) != 0,
                      "runs %zu and %zu of %s have one reason (%s, run %" PRIu64 ", %" PRIu64 ")",
                      (size_t)(all[i - 1] - s.entries), (size_t)(all[i] - s.entries), all[i]->job,
                      run_cause_to_string(all[i]->cause), all[i]->parent, all[i]->scheduled);
        free(all);
}

static void test_years(void **state) {
        const char *years = getenv("VAKT_YEARS"), *seed = getenv("VAKT_SEED");
        double n_years = years ? strtod(years, NULL) : 1;
        usec_t end = BEGIN + (usec_t)(n_years * (double)USEC_PER_YEAR), next_deed = 0;

        s.is_traced = getenv("VAKT_TRACE");
        s.seed = s.state = seed ? strtoull(seed, NULL, 10) : (uint64_t)getpid() * 1000003 % 1000000;
        print_message("# VAKT_SEED=%" PRIu64 "\n", s.seed);
        for (unsigned i = 0; i < JOBS; i++)
                write_job(i);
        write_settings();
        start_daemon();
        while (fake_clock.realtime < end + (usec_t)s.skew || (double)s.n_requests < n_years * REQUESTS_PER_YEAR) {
                usec_t step;

                run_loop();
                step = MIN(fake_clock_next(), next_deed);
                fake_clock_advance(step);
                next_deed -= step;
                if (next_deed > 0)
                        continue;
                do_something();
                next_deed = random_below(90 * USEC_PER_MINUTE);
        }
        let_all_end();
        for (size_t i = 1; i < s.n_entries; i++)
                check_end(i, &s.entries[i]);
        check_doubles();
        print_message("# %.1f years, %" PRIu64 " requests, %" PRIu64 " turns, %" PRIu64
                      " times counted again; %" PRIu64 " deaths, %" PRIu64 " ends, %" PRIu64 " reboots, %" PRIu64
                      " reloads, %" PRIu64 " times set, %" PRIu64 " sleeps\n",
                      (double)(fake_clock.realtime - BEGIN) / (double)USEC_PER_YEAR, s.n_requests, s.n_turns,
                      s.n_checked, s.n_deaths, s.n_ends, s.n_reboots, s.n_reloads, s.n_steps, s.n_sleeps);
        for (RunCause c = 0; c < _RUN_CAUSE_MAX; c++) {
                print_message("# by %s: %" PRIu64 "\n", run_cause_to_string(c), s.n_of_cause[c]);
                CHECK(n_years < 1 || s.n_of_cause[c] > 0, "there was none");
        }
        for (RunResult r = RUN_RESULT_SUCCESS; r < _RUN_RESULT_MAX; r++) {
                print_message("# %s: %" PRIu64 "\n", run_result_to_string(r), s.n_of_result[r]);
                CHECK(n_years < 1 || s.n_of_result[r] > 0, "there was none");
        }
}

static int setup(void **state) {
        char path[128];

        log_open(LOG_TARGET_NULL);
        fake_clock = (FakeClock){ .realtime = BEGIN, .boottime = USEC_PER_MINUTE, .monotonic = USEC_PER_MINUTE };
        fake_world = (FakeWorld){ random_below, is_dead, on_began, on_put_back, on_reported, on_released };
        (void)snprintf(s.directory, sizeof(s.directory), "/dev/shm/vakt-test-years-XXXXXX");
        assert_non_null(mkdtemp(s.directory));
        (void)snprintf(s.jobs, sizeof(s.jobs), "%s/jobs", s.directory);
        (void)snprintf(s.config, sizeof(s.config), "%s/vaktd.conf", s.directory);
        s.dirs[0] = s.jobs;
        assert_int_equal(mkdir(s.jobs, 0755), 0);
        for (unsigned i = JOBS - PATH_JOBS; i < JOBS; i++) {
                (void)snprintf(path, sizeof(path), "%s/d%02u", s.directory, i);
                assert_int_equal(mkdir(path, 0755), 0);
        }
        (void)snprintf(path, sizeof(path), "%s/t@.job", s.jobs);
        write_text(path, "[Run]\nExec=/bin/echo %i\nRetry=1\n");
        return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int teardown(void **state) {
        manager_free(s.m);
        sd_event_unref(s.event);
        for (size_t i = 0; i < s.n_entries; i++)
                job_def_unref(s.entries[i].def);
        forget_turn();
        free(s.entries);
        free(s.ended);
        free(s.changed.items);
        free(s.live.items);
        free(s.new_ids.items);
        if (!s.is_traced)
                (void)nftw(s.directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_years, setup, teardown) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

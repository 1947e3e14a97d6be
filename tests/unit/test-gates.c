/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The gates between a job and its next run: each row with what opens and shuts it, and the laws that hold between
 * those who ask, for inputs of all kinds. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <inttypes.h>

#include "core/gates.h"

#define NOW  (UINT64_C(1750000000) * USEC_PER_SEC)
#define HOUR USEC_PER_HOUR

/* --- each gate --- */

/* What the gates see of a job. */
typedef struct CaseJob {
        bool gone, paused_alone;
        unsigned skip, n_running, n_queued, n_bounded, n_delayed, n_sought, n_slots;
        usec_t last_start, pause_until;
} CaseJob;

typedef struct Case {
        unsigned line;
        GateInput in;
        CaseJob job;
        WholeJobDef def;
        GateVerdict verdict;
        GateRow row;
        usec_t until;
        const char *why;      /* the whole message */
        const char *wait_for; /* of the definition */
} Case;

/* A line: who asks for what reason, fields of the input, of the job, of its definition, what comes of it. */
#define F(...) __VA_ARGS__
#define CASE(by, because, input, of_job, of_def, ...)                                                \
        {                                                                                            \
                .line = __LINE__, .in = { .asker = GATE_##by, .cause = RUN_CAUSE_##because, input }, \
                .job = { of_job }, .def = { .def.enabled = true, of_def }, __VA_ARGS__               \
        }
#define ADMITS             .verdict = GATE_ADMIT
#define REFUSES(r, text)   .verdict = GATE_REFUSE, .row = GATE_##r, .why = (text)
#define WAITS(r, at, text) .verdict = GATE_WAIT, .row = GATE_##r, .until = (at), .why = (text)
#define FOR_OTHERS         USEC_INFINITY

/* Of "load1 < 2 and ac-power". */
static const Reading calm[] = { { .is_known = true, .value = 1000 }, { .is_known = true, .value = 1 } };
static const Reading busy[] = { { .is_known = true, .value = 3200 }, { .is_known = true, .value = 1 } };
static const Reading by_battery[] = { { .is_known = true, .value = 1000 }, { .is_known = true } };
static const Reading no_load[] = { { .reason = "It cannot be read." }, { .is_known = true, .value = 1 } };
#define WAITS_FOR .wait_for = "load1 < 2 and ac-power"

static PathSource spool = { .kind = PATH_SPOOL }, directory = { .kind = PATH_CHANGED };
static PathDef of_spool = { .sources = &spool, .n_sources = 1 };
static PathDef of_each = { .sources = &directory, .n_sources = 1, .each = true };
static PathDef of_all = { .sources = &directory, .n_sources = 1 };

static const Case cases[] = {
        CASE(REQUEST, TIMER, F(), F(), F(), ADMITS),

        /* A run that is to get one file has none. */
        CASE(REQUEST, TIMER, F(), F(), F(.rare.path_trigger = &of_spool),
             REFUSES(FILE, "A run of this job requires one file, but this run has none; use 'vaktctl run j FILE'.")),
        CASE(REQUEST, CHAIN, F(), F(), F(.rare.path_trigger = &of_each),
             REFUSES(FILE, "A run of this job requires one file, but this run has none; use 'vaktctl run j FILE'.")),
        CASE(REQUEST, PATH, F(.has_file = true), F(), F(.rare.path_trigger = &of_each), ADMITS),
        CASE(REQUEST, TIMER, F(), F(), F(.rare.path_trigger = &of_all), ADMITS),
        CASE(REQUEST, TIMER, F(), F(), F(.rare.path_trigger = &of_each, .rare.unit = (char *)"a.service"), ADMITS),

        /* Paused by itself, and because all jobs are; a person is not held up by that. */
        CASE(REQUEST, TIMER, F(), F(.paused_alone = true, .pause_until = USEC_INFINITY), F(),
             REFUSES(PAUSED, "The job is paused; resume it with 'vaktctl resume j'.")),
        CASE(REQUEST, MANUAL, F(.all_paused = true), F(.paused_alone = true), F(), ADMITS),
        CASE(REQUEST, CATCH_UP, F(.all_paused = true), F(), F(),
             REFUSES(ALL_PAUSED, "All jobs are paused; resume them with 'vaktctl resume --all'.")),
        CASE(REQUEST, CHAIN, F(.all_paused = true), F(.paused_alone = true), F(),
             REFUSES(PAUSED, "The job is paused; resume it with 'vaktctl resume j'.")),
        CASE(FORECAST, TIMER, F(), F(.paused_alone = true, .pause_until = USEC_INFINITY), F(),
             REFUSES(PAUSED, "It is paused; use 'vaktctl resume j' to resume it.")),
        CASE(FORECAST, TIMER, F(), F(.paused_alone = true, .pause_until = NOW), F(),
             REFUSES(PAUSED,
                     "It is paused until Sun 2025-06-15 15:06:40 UTC; use 'vaktctl resume j' to resume it earlier.")),
        CASE(FORECAST, TIMER, F(.all_paused = true), F(), F(),
             REFUSES(ALL_PAUSED, "All jobs are paused; use 'vaktctl resume --all' to resume them.")),
        CASE(RETRY, RETRY, F(), F(.paused_alone = true), F(),
             WAITS(PAUSED, FOR_OTHERS, "waits until the job is resumed.")),
        CASE(FILES, PATH, F(.all_paused = true), F(), F(),
             WAITS(ALL_PAUSED, FOR_OTHERS, "waits until the job is resumed.")),

        /* Gone since the try was accepted; but what a pause holds is not looked at, for its file may come back. */
        CASE(RETRY, RETRY, F(), F(.gone = true), F(),
             REFUSES(GONE, "The job was removed, disabled or became invalid after the retry was scheduled.")),
        CASE(RETRY, RETRY, F(), F(.gone = true, .paused_alone = true), F(),
             WAITS(PAUSED, FOR_OTHERS, "waits until the job is resumed.")),

        CASE(REQUEST, TIMER, F(), F(.skip = 1), F(), REFUSES(SKIP, "It was skipped on request (vaktctl skip).")),
        CASE(REQUEST, MANUAL, F(), F(.skip = 1), F(), ADMITS),
        CASE(RETRY, RETRY, F(), F(.skip = 1), F(), ADMITS),
        CASE(FILES, PATH, F(), F(.skip = 1), F(), ADMITS), /* so that they are refused */
        CASE(FORECAST, TIMER, F(), F(.skip = 1), F(),
             REFUSES(SKIP, "The next occurrence of its triggers is skipped.")),
        CASE(FORECAST, TIMER, F(), F(.skip = 7), F(),
             REFUSES(SKIP, "The next 7 occurrences of its triggers are skipped.")),

        /* MinIntervalSec=, to the microsecond; a person waits for it, too. */
        CASE(REQUEST, MANUAL, F(), F(.last_start = NOW - HOUR + 1), F(.rare.min_interval = HOUR),
             REFUSES(RATE, "The job runs at most once in 1h (MinIntervalSec=)."), .until = NOW + 1),
        CASE(REQUEST, TIMER, F(), F(.last_start = NOW - HOUR), F(.rare.min_interval = HOUR), ADMITS),
        CASE(REQUEST, TIMER, F(), F(.last_start = NOW - HOUR - 1), F(.rare.min_interval = HOUR), ADMITS),
        CASE(REQUEST, TIMER, F(), F(.last_start = NOW), F(.rare.min_interval = 1),
             REFUSES(RATE, "The job runs at most once in 1us (MinIntervalSec=)."), .until = NOW + 1),
        CASE(REQUEST, TIMER, F(), F(.last_start = NOW), F(), ADMITS),
        CASE(REQUEST, TIMER, F(), F(.last_start = 0), F(.rare.min_interval = HOUR), ADMITS),
        CASE(REQUEST, TIMER, F(), F(.last_start = 1), F(.rare.min_interval = USEC_INFINITY),
             REFUSES(RATE, "The job runs at most once in infinity (MinIntervalSec=)."), .until = USEC_INFINITY),
        CASE(FORECAST, TIMER, F(), F(.last_start = NOW - HOUR + USEC_PER_MINUTE), F(.rare.min_interval = HOUR),
             REFUSES(RATE, "No run is started before Sun 2025-06-15 15:07:40 UTC (MinIntervalSec=)."),
             .until = NOW + USEC_PER_MINUTE),
        CASE(RETRY, RETRY, F(), F(.last_start = NOW - HOUR + USEC_PER_MINUTE), F(.rare.min_interval = HOUR),
             WAITS(RATE, NOW + USEC_PER_MINUTE, "waits until Sun 2025-06-15 15:07:40 UTC (MinIntervalSec=).")),
        CASE(RETRY, RETRY, F(), F(.last_start = NOW - HOUR), F(.rare.min_interval = HOUR), ADMITS),
        CASE(FILES, PATH, F(), F(.last_start = NOW - HOUR + USEC_PER_MINUTE), F(.rare.min_interval = HOUR),
             WAITS(RATE, NOW + USEC_PER_MINUTE, "waits until Sun 2025-06-15 15:07:40 UTC (MinIntervalSec=).")),
        /* The clock was set back to before the last start. */
        CASE(REQUEST, TIMER, F(), F(.last_start = NOW + 1), F(.rare.min_interval = HOUR), ADMITS),
        CASE(REQUEST, TIMER, F(), F(.last_start = NOW + HOUR), F(.rare.min_interval = USEC_INFINITY), ADMITS),
        CASE(FORECAST, TIMER, F(), F(.last_start = NOW + 1), F(.rare.min_interval = HOUR), ADMITS),
        CASE(RETRY, RETRY, F(), F(.last_start = NOW + 1), F(.rare.min_interval = HOUR), ADMITS),
        CASE(FILES, PATH, F(), F(.last_start = NOW + 1), F(.rare.min_interval = HOUR), ADMITS),
        /* One waits whose start would be the one to count from: nobody can tell when that is. */
        CASE(REQUEST, TIMER, F(), F(.n_queued = 1, .n_bounded = 1, .n_slots = 1), F(.rare.min_interval = HOUR),
             REFUSES(RATE, "The job runs at most once in 1h (MinIntervalSec=)."), .until = NOW + USEC_PER_SEC),
        CASE(FORECAST, TIMER, F(), F(.n_queued = 1), F(.rare.min_interval = HOUR),
             REFUSES(RATE, "No run is accepted while one waits, and for 1h after it has started (MinIntervalSec=)."),
             .until = NOW + USEC_PER_SEC),
        CASE(FILES, PATH, F(), F(.n_queued = 1),
             F(.rare.min_interval = HOUR, .def.overlap = OVERLAP_PARALLEL, .rare.max_parallel = 2),
             WAITS(RATE, NOW + USEC_PER_SEC,
                   "No run is accepted while one waits, and for 1h after it has started (MinIntervalSec=).")),
        CASE(REQUEST, TIMER, F(), F(.n_queued = 1, .n_delayed = 1), F(.rare.min_interval = HOUR),
             ADMITS), /* a retry */
        CASE(RETRY, RETRY, F(), F(.n_queued = 2, .n_delayed = 1), F(.rare.min_interval = HOUR), ADMITS),

        /* Overlap=: refused, or put behind others. */
        CASE(REQUEST, TIMER, F(), F(.n_running = 1, .n_slots = 1), F(.def.overlap = OVERLAP_SKIP),
             REFUSES(OVERLAP, "Another run of the job is still active (Overlap=skip).")),
        CASE(REQUEST, MANUAL, F(), F(.n_queued = 1, .n_slots = 1), F(.def.overlap = OVERLAP_SKIP),
             REFUSES(OVERLAP, "Another run of the job is still active (Overlap=skip).")),
        CASE(REQUEST, TIMER, F(), F(.n_queued = 1, .n_delayed = 1), F(.def.overlap = OVERLAP_SKIP), ADMITS),
        CASE(FORECAST, TIMER, F(), F(.n_running = 1, .n_slots = 1), F(.def.overlap = OVERLAP_SKIP),
             REFUSES(OVERLAP,
                     "A trigger that elapses now is refused. Another run of the job is still active (Overlap=skip).")),
        CASE(REQUEST, TIMER, F(), F(.n_running = 1, .n_sought = 1, .n_slots = 1), F(.def.overlap = OVERLAP_SKIP),
             WAITS(OVERLAP, FOR_OTHERS, "waits until another run of the job has ended (Overlap=skip).")),
        CASE(REQUEST, TIMER, F(), F(.n_running = 2, .n_sought = 1, .n_slots = 2), F(.def.overlap = OVERLAP_SKIP),
             REFUSES(OVERLAP, "Another run of the job is still active (Overlap=skip).")),
        CASE(REQUEST, TIMER, F(), F(.n_running = 1, .n_bounded = 1, .n_slots = 1), F(.rare.queue_max = 1),
             WAITS(OVERLAP, FOR_OTHERS, "waits until another run of the job has ended (Overlap=queue).")),
        CASE(REQUEST, TIMER, F(), F(.n_running = 1, .n_queued = 1, .n_bounded = 2, .n_slots = 1),
             F(.rare.queue_max = 1), REFUSES(OVERLAP, "1 run of the job is waiting already (QueueMax=1).")),
        CASE(FORECAST, TIMER, F(), F(.n_running = 1, .n_queued = 1, .n_bounded = 2, .n_slots = 1),
             F(.rare.queue_max = 1),
             REFUSES(OVERLAP,
                     "A trigger that elapses now is refused. 1 run of the job is waiting already (QueueMax=1).")),
        CASE(REQUEST, CATCH_UP, F(), F(.n_running = 1, .n_queued = 1, .n_bounded = 2, .n_slots = 1),
             F(.rare.queue_max = 1),
             WAITS(OVERLAP, FOR_OTHERS, "waits until another run of the job has ended (Overlap=queue).")),
        CASE(REQUEST, TIMER, F(), F(.n_running = 1, .n_queued = 9, .n_bounded = 1, .n_slots = 1),
             F(.rare.queue_max = 1),
             WAITS(OVERLAP, FOR_OTHERS, "waits until another run of the job has ended (Overlap=queue).")),
        CASE(REQUEST, TIMER, F(), F(.n_running = 2, .n_bounded = 2, .n_slots = 2),
             F(.def.overlap = OVERLAP_PARALLEL, .rare.max_parallel = 3), ADMITS),
        CASE(REQUEST, TIMER, F(), F(.n_running = 3, .n_bounded = 3, .n_slots = 3),
             F(.def.overlap = OVERLAP_PARALLEL, .rare.max_parallel = 3),
             REFUSES(OVERLAP, "0 runs of the job are waiting already (QueueMax=0).")),
        CASE(REQUEST, TIMER, F(), F(.n_running = 1, .n_queued = 9, .n_bounded = 10, .n_slots = 1),
             F(.def.overlap = OVERLAP_REPLACE),
             WAITS(OVERLAP, FOR_OTHERS, "waits until another run of the job has ended (Overlap=replace).")),
        CASE(FILES, PATH, F(), F(.n_running = 1, .n_sought = 1), F(.def.overlap = OVERLAP_SKIP),
             WAITS(OVERLAP, FOR_OTHERS, "waits until another run of the job has ended (Overlap=skip).")),
        CASE(FILES, PATH, F(), F(.n_running = 1), F(.rare.queue_max = 5),
             WAITS(OVERLAP, FOR_OTHERS, "waits until another run of the job has ended (Overlap=queue).")),
        CASE(FILES, PATH, F(), F(.n_running = 1), F(.def.overlap = OVERLAP_PARALLEL, .rare.max_parallel = 2), ADMITS),
        CASE(QUEUED, TIMER, F(), F(.n_running = 1, .n_queued = 1, .n_slots = 1), F(),
             WAITS(OVERLAP, FOR_OTHERS, "waits until another run of the job has ended (Overlap=queue).")),
        CASE(QUEUED, TIMER, F(), F(.n_queued = 3), F(.def.overlap = OVERLAP_SKIP), ADMITS),
        CASE(QUEUED, TIMER, F(.all_paused = true), F(.skip = 3, .last_start = NOW), F(.rare.min_interval = HOUR),
             ADMITS),

        /* WaitFor=: what is accepted waits for the machine, before it has a place, and unknown is not true. */
        CASE(QUEUED, TIMER, F(.readings = calm), F(), F(), ADMITS, WAITS_FOR),
        CASE(QUEUED, RETRY, F(.readings = busy), F(), F(),
             WAITS(CONDITION, FOR_OTHERS, "waits until its condition is true: load1 is 3.2 and not < 2 (WaitFor=)."),
             WAITS_FOR),
        CASE(QUEUED, MANUAL, F(.readings = by_battery), F(), F(),
             WAITS(CONDITION, FOR_OTHERS, "waits until its condition is true: ac-power: no (WaitFor=)."), WAITS_FOR),
        CASE(QUEUED, TIMER, F(.readings = no_load), F(), F(),
             WAITS(CONDITION, FOR_OTHERS,
                   "waits until its condition is true: load1 is unknown: It cannot be read (WaitFor=)."),
             WAITS_FOR),
        CASE(QUEUED, TIMER, F(), F(), F(),
             WAITS(CONDITION, FOR_OTHERS, "waits until its condition is true: nothing is known of it (WaitFor=)."),
             WAITS_FOR),
        CASE(QUEUED, MANUAL, F(.readings = busy, .is_now = true), F(), F(), ADMITS, WAITS_FOR),
        CASE(QUEUED, TIMER, F(.readings = busy), F(.n_running = 1, .n_queued = 1, .n_slots = 1), F(),
             WAITS(OVERLAP, FOR_OTHERS, "waits until another run of the job has ended (Overlap=queue)."), WAITS_FOR),
        CASE(REQUEST, TIMER, F(.readings = busy), F(), F(), ADMITS, WAITS_FOR),
        /* One that does not wait for the machine passes by those that do, where there is a place for it. */
        CASE(REQUEST, MANUAL, F(.is_now = true), F(.n_queued = 1, .n_bounded = 1), F(.def.overlap = OVERLAP_SKIP),
             WAITS(OVERLAP, FOR_OTHERS, "waits until another run of the job has ended (Overlap=skip)."), WAITS_FOR),
        CASE(REQUEST, MANUAL, F(.is_now = true), F(.n_queued = 1, .n_bounded = 1, .n_slots = 1),
             F(.def.overlap = OVERLAP_SKIP),
             REFUSES(OVERLAP, "Another run of the job is still active (Overlap=skip)."), WAITS_FOR),
        CASE(REQUEST, MANUAL, F(), F(.n_queued = 1, .n_bounded = 1), F(.def.overlap = OVERLAP_SKIP),
             REFUSES(OVERLAP, "Another run of the job is still active (Overlap=skip)."), WAITS_FOR),
        CASE(REQUEST, MANUAL, F(.is_now = true), F(.n_queued = 1, .n_bounded = 1), F(.def.overlap = OVERLAP_SKIP),
             REFUSES(OVERLAP, "Another run of the job is still active (Overlap=skip).")),
        CASE(READY, TIMER, F(.readings = busy), F(), F(), ADMITS, WAITS_FOR),
        CASE(FILES, PATH, F(.readings = busy), F(), F(), ADMITS, WAITS_FOR),

        /* What all share: of those that hold a run up, the first is told. */
        CASE(READY, TIMER, F(), F(.n_queued = 1), F(), ADMITS),
        CASE(READY, TIMER, F(.is_held = true, .pool_running = 1), F(), F(),
             WAITS(SHUTDOWN, FOR_OTHERS, "waits for the next boot: the machine is shutting down.")),
        CASE(READY, TIMER, F(.is_starting = true), F(), F(),
             WAITS(SHUTDOWN, FOR_OTHERS, "waits until vaktd has started.")),
        CASE(FILES, PATH, F(.is_stopping = true), F(), F(),
             WAITS(SHUTDOWN, FOR_OTHERS, "waits until vaktd has started.")),
        CASE(FILES, PATH, F(.is_held = true), F(), F(), ADMITS), /* so that they have a run at the next boot */
        CASE(REQUEST, TIMER, F(.is_held = true, .is_stopping = true, .pool_running = 1), F(), F(), ADMITS),
        CASE(READY, TIMER, F(.pool = "disk", .pool_running = 1, .max_running = 1, .n_running = 1), F(), F(),
             WAITS(POOL, FOR_OTHERS, "waits for pool 'disk': 1 of its 1 slot is in use (Pool=).")),
        CASE(READY, TIMER, F(.pool = "disk", .pool_running = 3, .pool_slots = 2), F(), F(),
             WAITS(POOL, FOR_OTHERS, "waits for pool 'disk': 3 of its 2 slots are in use (Pool=).")),
        CASE(READY, TIMER, F(.pool = "disk", .pool_running = 1, .pool_slots = 2), F(), F(), ADMITS),
        CASE(READY, TIMER, F(.max_running = 4, .n_running = 3), F(), F(), ADMITS),
        CASE(READY, TIMER, F(.max_running = 4, .n_running = 4), F(), F(),
             WAITS(MAX_RUNNING, FOR_OTHERS, "waits for one of the 4 slots of all jobs (MaxRunning=).")),
        CASE(READY, TIMER, F(.n_running = 4), F(), F(), ADMITS),

        /* Files wait for the longest of what holds them up, and so are not asked about in between. */
        CASE(FILES, PATH, F(), F(.n_running = 1, .last_start = NOW), F(.rare.min_interval = HOUR),
             WAITS(OVERLAP, FOR_OTHERS, "waits until another run of the job has ended (Overlap=queue).")),
        CASE(FILES, PATH, F(), F(.n_queued = 1), F(.rare.min_interval = HOUR),
             WAITS(OVERLAP, FOR_OTHERS, "waits until another run of the job has ended (Overlap=queue).")),
};

static void test_each_gate(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Case c = cases[i];
                JobLive live = { .n_bounded = c.job.n_bounded,
                                 .n_delayed = c.job.n_delayed,
                                 .n_sought = c.job.n_sought,
                                 .n_slots = c.job.n_slots };
                Job job = { .live = &live,
                            .gone = c.job.gone,
                            .paused_alone = c.job.paused_alone,
                            .skip = c.job.skip,
                            .last_start = c.job.last_start,
                            .pause_until = c.job.pause_until,
                            .n_running = c.job.n_running,
                            .n_queued = c.job.n_queued };
                char why[GATE_WHY_MAX];
                _cleanup_(condition_freep) Condition *wait_for = NULL;
                GateAnswer a;

                if (c.wait_for)
                        assert_int_equal(condition_parse(c.wait_for, &wait_for, NULL), 0);
                c.def.rare.wait_for = wait_for;
                c.def.def.rare = &c.def.rare;
                memcpy(job.name, "j", sizeof("j"));
                c.in.job = &job;
                c.in.def = job.def = &c.def.def;
                c.in.pool_slots = MAX(c.in.pool_slots, 1U);
                a = gates_ask(&c.in, NOW);
                if (a.verdict != c.verdict || (a.verdict != GATE_ADMIT && a.row != c.row))
                        fail_msg("line %u: verdict %d at %s", c.line, a.verdict, gate_row_to_string(a.row));
                if (a.verdict == GATE_ADMIT)
                        continue;
                if (a.until != (c.until > 0 ? c.until : USEC_INFINITY))
                        fail_msg("line %u: until %" PRIu64, c.line, (uint64_t)a.until);
                if (!streq(gates_why(why, &c.in, &a), c.why))
                        fail_msg("line %u: %s", c.line, why);
        }
}

/* Each row of the table has a case that it shuts. */
static void test_all_rows_are_tested(void **state) {
        JobDef def = job_def_defaults.def;
        JobLive live = {};
        Job j = { .live = &live, .def = &def }; /* its name is "" */
        const GateInput in = { .job = &j, .def = &def, .pool_slots = 1 };

        for (GateRow row = 0; row < _GATE_MAX; row++) {
                unsigned n = 0;

                for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                        n += cases[i].verdict != GATE_ADMIT && cases[i].row == row;
                assert_true(n > 0);
                assert_non_null(gate_row_to_string(row));
                assert_int_equal(gates_ask_row(row, &in, NOW).row, row);
        }
}

/* --- laws --- */

static unsigned upto(unsigned max) {
        return (unsigned)random() % (max + 1);
}

static usec_t some_time(void) {
        static const usec_t near[] = {
                0, NOW - HOUR - 1, NOW - HOUR, NOW - HOUR + 1, NOW - 1, NOW, NOW + 1, NOW + HOUR
        };

        return near[upto(ELEMENTSOF(near) - 1)];
}

/* Small numbers, so that everything meets its bound often; and such as can be of a job. */
static void randomize(Job *job, WholeJobDef *def, GateInput *in) {
        static JobLive live;

        live = (JobLive){};
        *def = (WholeJobDef){
                .def = {
                        .rare = &def->rare,
                        .enabled = upto(9) > 0,
                        .overlap = upto(_OVERLAP_MAX - 1),
                },
                .rare = {
                        .queue_max = upto(2),
                        .max_parallel = 1 + upto(2),
                        .min_interval = (usec_t[]){ 0, 0, 1, HOUR, USEC_INFINITY }[upto(4)],
                },
        };
        *job = (Job){
                .live = &live,
                .def = &def->def,
                .gone = upto(9) == 0,
                .paused_alone = upto(5) == 0,
                .skip = upto(5) == 0,
                .last_start = some_time(),
                .n_running = upto(2),
                .n_queued = upto(3),
        };
        job->live->n_delayed = upto(job->n_queued);
        job->live->n_sought = upto(job->n_running);
        job->live->n_slots = job->n_running + upto(job->n_queued - job->live->n_delayed);
        job->live->n_bounded = upto(job_n_active(job));
        memcpy(job->name, "j", sizeof("j"));
        *in = (GateInput){
                .job = job,
                .def = &def->def,
                .all_paused = upto(5) == 0,
                .pool_slots = 1 + upto(1),
                .pool_running = upto(2),
                .max_running = upto(2),
                .n_running = upto(2),
                .is_starting = upto(5) == 0,
                .is_stopping = upto(5) == 0,
                .is_held = upto(5) == 0,
        };
}

static GateAnswer ask_as(GateInput in, GateAsker asker, RunCause cause, usec_t now) {
        in.asker = asker;
        in.cause = cause;
        in.has_file = cause == RUN_CAUSE_PATH;
        return gates_ask(&in, now);
}

/* Who was told to wait until then is let in then by that gate, and not a microsecond before. */
static void check_until(const GateInput *in, GateAsker asker, RunCause cause) {
        GateAnswer a = ask_as(*in, asker, cause, NOW), b;

        if (a.verdict != GATE_WAIT || a.until == USEC_INFINITY)
                return;
        assert_true(a.until > NOW);
        assert_int_equal(a.row, GATE_RATE);
        if (asker == GATE_FILES && in->job->n_queued > in->job->live->n_delayed)
                return;
        assert_int_equal(ask_as(*in, asker, cause, a.until).verdict, GATE_ADMIT);
        b = ask_as(*in, asker, cause, a.until - 1);
        assert_int_equal(b.verdict, GATE_WAIT);
        assert_int_equal(b.until, a.until);
}

static void check_laws(const GateInput *in) {
        GateAnswer by_timer = ask_as(*in, GATE_REQUEST, RUN_CAUSE_TIMER, NOW);
        GateAnswer forecast = ask_as(*in, GATE_FORECAST, RUN_CAUSE_TIMER, NOW);
        GateAnswer by_hand = ask_as(*in, GATE_REQUEST, RUN_CAUSE_MANUAL, NOW);
        GateAnswer files = ask_as(*in, GATE_FILES, RUN_CAUSE_PATH, NOW);
        GateAnswer by_files = ask_as(*in, GATE_REQUEST, RUN_CAUSE_PATH, NOW);

        /* Explain says of a trigger what becomes of it. */
        assert_int_equal(forecast.verdict, by_timer.verdict);
        assert_int_equal(forecast.row, by_timer.row);
        assert_int_equal(forecast.until, by_timer.until);
        /* A trigger gets no run that a person does not get. */
        if (by_hand.verdict == GATE_REFUSE)
                assert_int_equal(by_timer.verdict, GATE_REFUSE);
        if (by_timer.verdict == GATE_REFUSE && by_hand.verdict != GATE_REFUSE)
                assert_true(by_timer.row == GATE_PAUSED || by_timer.row == GATE_ALL_PAUSED ||
                            by_timer.row == GATE_SKIP);
        /* Files are taken only where a run of them is accepted, but for what somebody asked to skip. */
        assert_int_not_equal(files.verdict, GATE_REFUSE);
        if (files.verdict == GATE_ADMIT && in->job->skip == 0)
                assert_int_not_equal(by_files.verdict, GATE_REFUSE);
        if (files.verdict == GATE_ADMIT && in->job->skip > 0)
                assert_int_equal(by_files.row, GATE_SKIP);
        check_until(in, GATE_FILES, RUN_CAUSE_PATH);
        check_until(in, GATE_RETRY, RUN_CAUSE_RETRY);
}

static void test_laws(void **state) {
        GateInput in;
        WholeJobDef def;
        Job job;

        srandom(1);
        for (unsigned i = 0; i < 200000; i++) {
                randomize(&job, &def, &in);
                check_laws(&in);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_gate),
                cmocka_unit_test(test_all_rows_are_tested),
                cmocka_unit_test(test_laws),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

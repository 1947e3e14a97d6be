/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Alarms about a job: a run takes longer than SlowSec=, no run succeeded for ExpectSec=, it is not known whether the
 * job's monitor should be raised. Each is raised once, kept in the ledger, and not again until a run of the job has
 * succeeded (the last one: until that is known); so a job that fails every minute does not page anybody every minute,
 * not even over restarts.
 *
 * The last success is remembered beside the history, which may be pruned; a job that never succeeded is given its time
 * from when it was seen first. A pause says that somebody knows, and so does who asks to forget that the job failed:
 * what is expected of it is expected from then on. */

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/alarms.h"
#include "core/deadlines.h"
#include "core/manager-body.h"
#include "core/outbox.h"
#include "core/queues.h"
#include "time/span.h"
#include "util/log-messages.h"
#include "util/log.h"

#define KEY_SLOW    "slow"
#define KEY_EXPECT  "expect"
#define KEY_UNKNOWN "unknown"
/* Among the stamps of the triggers, whose keys hold a "=". */
#define SUCCESS_STAMP "success"
#define SINCE_STAMP   "expected" /* since then a success is, if that was later */
#define RESET_STAMP   "reset"    /* not a time: failures of runs up to this one are forgotten */
#define MESSAGE_MAX   512

struct JobAlarms {
        Deadline deadline; /* of ExpectSec= */
        Job *job;
        usec_t since;       /* realtime: ExpectSec= counts from here; 0 = not looked up yet */
        bool slow, unknown; /* raised; that of ExpectSec= is Job.is_overdue */
};

static bool *flag_of(JobAlarms *a, const char *key) {
        return streq(key, KEY_SLOW)      ? &a->slow
               : streq(key, KEY_EXPECT)  ? &a->job->is_overdue
               : streq(key, KEY_UNKNOWN) ? &a->unknown
                                         : NULL;
}

static int load_alarm(const LedgerAlarm *alarm, void *userdata) {
        bool *flag = alarm->raised > 0 ? flag_of(userdata, alarm->key) : NULL;

        if (flag)
                *flag = true;
        return 0;
}

static JobAlarms *job_add_alarms(Job *job) {
        if (job->alarms)
                return job->alarms;
        job->alarms = calloc(1, sizeof(JobAlarms));
        if (!job->alarms)
                return NULL;
        job->alarms->job = job;
        job->alarms->deadline.position = HEAP_NONE;
        return job->alarms;
}

/* With what the ledger knows of it: the job may have been here before. */
static JobAlarms *job_get_alarms(Manager *m, Job *job) {
        if (job->alarms)
                return job->alarms;
        if (job_add_alarms(job))
                (void)ledger_list_alarms(m->ledger, job->name, load_alarm, job->alarms);
        return job->alarms;
}

/* --- raising and clearing --- */

static void raise_alarm(Manager *m, Job *job, const char *key, usec_t since, uint64_t run, const char *message) {
        JobAlarms *a = job_get_alarms(m, job);
        LedgerAlarm alarm = {
                .job = job->name,
                .key = key,
                .since = since,
                .raised = turn_now(m->event).realtime,
                .run = run,
                .text = message,
        };
        LogContext c = { .job = job->name, .run = run, .message_id = MESSAGE_ALARM_RAISED };

        assert(!a || flag_of(a, key));
        if (!a || *flag_of(a, key))
                return;
        *flag_of(a, key) = true;
        if (ledger_set_alarm(m->ledger, &alarm) < 0)
                log_message(LOG_WARNING, &c, "Cannot save for the next start that the alarm was raised, ignoring.");
        log_message(LOG_WARNING, &c, "Alarm (%s): %s", key, message);
        NOTIFY_OBSERVERS(m, alarm_raised, job, &alarm);
        m->listeners->alarm_raised(m, job, &alarm);
        NOTIFY_OBSERVERS(m, job_changed, job);
}

static void clear_alarm(Manager *m, Job *job, const char *key) {
        LedgerAlarm alarm = { .job = job->name, .key = key };
        LogContext c = { .job = job->name, .message_id = MESSAGE_ALARM_CLEARED };

        if (!job->alarms || !*flag_of(job->alarms, key))
                return;
        *flag_of(job->alarms, key) = false;
        (void)ledger_set_alarm(m->ledger, &alarm);
        log_message(LOG_NOTICE, &c, "The alarm (%s) was cleared.", key);
        NOTIFY_OBSERVERS(m, alarm_cleared, job, key);
}

static void alarms_clear(Manager *m, Job *job) {
        clear_alarm(m, job, KEY_SLOW);
        clear_alarm(m, job, KEY_EXPECT);
}

/* --- ExpectSec= --- */

static bool expects(const Job *job) {
        return job_may_run(job) && job->def->rare->expect != USEC_INFINITY && !job->paused;
}

static void arm_expect(Manager *m, JobAlarms *a) {
        bool wanted = expects(a->job) && !a->job->is_overdue;

        deadline_set(m, &a->deadline,
                     wanted ? deadline_of_realtime(m, usec_add(a->since, a->job->def->rare->expect)) : USEC_INFINITY);
}

static void on_expect(Manager *m, Deadline *d) {
        JobAlarms *a = (JobAlarms *)d;
        const JobDef *def = a->job->def;
        char span[SPAN_TEXT_MAX], message[MESSAGE_MAX];

        assert(a->since > 0);
        if (!expects(a->job))
                return;
        /* The clock may have been set since. */
        if (turn_now(m->event).realtime < usec_add(a->since, def->rare->expect)) {
                arm_expect(m, a);
                return;
        }
        (void)snprintf(message, sizeof(message), "It has not succeeded for %s (ExpectSec=).",
                       span_format(span, def->rare->expect, USEC_PER_MSEC));
        raise_alarm(m, a->job, KEY_EXPECT, a->since, 0, message);
}

static void expect_since(Manager *m, JobAlarms *a, const char *stamp, usec_t at) {
        a->since = at;
        if (ledger_set_stamp(m->ledger, a->job->name, stamp, at) < 0)
                log_warning("Cannot save since when a success of %s is expected, ignoring.", a->job->name);
}

static int load_success(const RunRecord *r, void *userdata) {
        *(usec_t *)userdata = r->ended;
        return 1;
}

/* The latest of what is remembered and what stands in the history: the stamps are not kept while nothing is expected.
 * None counts when it lies in the future. */
static void look_up_since(Manager *m, JobAlarms *a) {
        LedgerFilter filter = { .job = a->job->name, .results = 1U << RUN_RESULT_SUCCESS, .limit = 1 };
        usec_t times[3] = {}, now = turn_now(m->event).realtime;

        (void)ledger_get_stamp(m->ledger, a->job->name, SUCCESS_STAMP, &times[0]);
        (void)ledger_get_stamp(m->ledger, a->job->name, SINCE_STAMP, &times[1]);
        (void)ledger_query(m->ledger, &filter, load_success, &times[2], NULL);
        for (size_t i = 0; i < ELEMENTSOF(times); i++)
                if (times[i] <= now)
                        a->since = MAX(a->since, times[i]);
        if (a->since == 0)
                expect_since(m, a, SINCE_STAMP, now);
}

void alarms_set_job(Manager *m, Job *job) {
        bool watched = expects(job) || (job->def && job->def->rare->slow != USEC_INFINITY);
        JobAlarms *a = watched ? job_get_alarms(m, job) : job->alarms;

        if (!a)
                return;
        a->deadline.due = on_expect;
        if (expects(job) && a->since == 0)
                look_up_since(m, a);
        arm_expect(m, a);
}

void alarms_resume(Manager *m, Job *job) {
        JobAlarms *a = expects(job) ? job_get_alarms(m, job) : NULL;

        assert(!job->paused);
        if (a)
                expect_since(m, a, SINCE_STAMP, turn_now(m->event).realtime);
}

void alarms_remove_job(Manager *m, Job *job) {
        if (!job->alarms)
                return;
        deadline_set(m, &job->alarms->deadline, USEC_INFINITY);
        job->alarms = mfree(job->alarms);
}

/* --- SlowSec= --- */

static void on_slow(Manager *m, Deadline *d) {
        LiveRun *run = (LiveRun *)d;
        char span[SPAN_TEXT_MAX], message[MESSAGE_MAX];

        assert(run_goes_on(run));
        (void)snprintf(message, sizeof(message), "Run %" PRIu64 " takes longer than %s (SlowSec=).", run->record.id,
                       span_format(span, run->def->rare->slow, USEC_PER_MSEC));
        raise_alarm(m, run->job, KEY_SLOW, run->record.started, run->record.id, message);
}

void alarms_run_started(Manager *m, LiveRun *run) {
        assert(run_goes_on(run));
        if (run->def->rare->slow == USEC_INFINITY)
                return;
        run->deadline.due = on_slow;
        deadline_set(m, &run->deadline, deadline_of_realtime(m, usec_add(run->record.started, run->def->rare->slow)));
}

void alarms_run_ended(Manager *m, const LiveRun *run) {
        Job *job = run->job;

        assert(run->stage == RUN_STAGE_DONE);
        if (run->record.result != RUN_RESULT_SUCCESS || !job->alarms)
                return;
        alarms_clear(m, job);
        if (job->alarms->since > 0)
                expect_since(m, job->alarms, SUCCESS_STAMP, run->record.ended);
        arm_expect(m, job->alarms);
}

/* --- monitors --- */

void job_set_unknown(Manager *m, Job *job, usec_t since, const char *message) {
        if (message)
                raise_alarm(m, job, KEY_UNKNOWN, since, 0, message);
        else if (job_get_alarms(m, job))
                clear_alarm(m, job, KEY_UNKNOWN);
}

/* --- from the ledger --- */

/* Those of a job that watches for nothing any more are to be cleared by its next success, too. */
static int load_watch(const LedgerAlarm *alarm, void *userdata) {
        Manager *m = userdata;
        Job *job = job_table_get(m->jobs, alarm->job);

        if (job && job_add_alarms(job))
                (void)load_alarm(alarm, job->alarms);
        return 0;
}

void alarms_load(Manager *m) {
        (void)ledger_list_alarms(m->ledger, NULL, load_watch, m);
}

typedef struct AlarmWalk {
        int (*visit)(const LedgerAlarm *alarm, void *userdata);
        void *userdata;
} AlarmWalk;

static int visit_raised(const LedgerAlarm *alarm, void *userdata) {
        const AlarmWalk *w = userdata;

        return alarm->raised > 0 ? w->visit(alarm, w->userdata) : 0;
}

int manager_list_alarms(Manager *m, const char *job, int (*visit)(const LedgerAlarm *alarm, void *userdata),
                        void *userdata) {
        AlarmWalk w = { .visit = visit, .userdata = userdata };

        return ledger_list_alarms(m->ledger, job, visit_raised, &w);
}

/* --- forgetting a failure --- */

static int load_id(const RunRecord *r, void *userdata) {
        *(uint64_t *)userdata = r->id;
        return 1;
}

/* The last run is told by its number, which no clock can turn back. */
static void remember_reset(Manager *m, const Job *job) {
        LogContext c = { .job = job->name };
        uint64_t id = 0;

        (void)ledger_list(m->ledger, job->name, 0, 1, load_id, &id);
        if (ledger_set_stamp(m->ledger, job->name, RESET_STAMP, id) < 0)
                log_message(LOG_WARNING, &c, "Cannot save for the next start that its failure was reset, ignoring.");
}

bool alarms_failure_is_forgotten(Manager *m, const RunRecord *r) {
        usec_t id;

        return run_result_is_failure(r->result) && ledger_get_stamp(m->ledger, r->job, RESET_STAMP, &id) >= 0 &&
               r->id <= id;
}

int manager_reset_failed(Manager *m, const char *name) {
        Job *job = job_table_get(m->jobs, name);
        LiveRun *run;

        if (!job)
                return -ENOENT;
        if (!run_result_is_failure(job->last_result) && !queues_next_retry(job, NULL) &&
            !(job->alarms && (job->alarms->slow || job->is_overdue)))
                return 0;
        remember_reset(m, job);
        alarms_clear(m, job);
        if (job->alarms && job->alarms->since > 0) {
                expect_since(m, job->alarms, SINCE_STAMP, turn_now(m->event).realtime);
                arm_expect(m, job->alarms);
        }
        while ((run = queues_next_retry(job, NULL))) {
                run_set_reason(run, "The failure of the job was reset on request (vaktctl reset-failed).");
                runs_drop(m, run, RUN_RESULT_CANCELLED);
        }
        if (run_result_is_failure(job->last_result))
                job->last_result = RUN_RESULT_NONE;
        NOTIFY_OBSERVERS(m, job_changed, job);
        (void)runs_commit(m);
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the end of a run leads to: another try (Retry=), or other jobs (OnSuccess=, OnFailure=). It is asked for from
 * the outbox, in the transaction of the outcome, so that the ledger has both or neither.
 *
 * A try that waits is a run of its own in the ledger, with its number and the run before it; when it is due follows
 * from when it was asked for, so that a restart needs nothing else. Other jobs hear of the last try only. */

#include <assert.h>
#include <inttypes.h>
#include <limits.h>

#include "core/follow-ups.h"
#include "core/manager-body.h"
#include "core/outbox.h"
#include "core/pools.h"
#include "core/queues.h"
#include "core/reload.h"
#include "core/requests.h"
#include "core/triggers.h"
#include "util/log.h"

#define CHAIN_DEPTH_MAX 64

/* The run that is asked for as what followed from another one was found, forgotten. */
static bool has_followed(const Manager *m, const char *job, const RunRequest *request) {
        for (size_t i = 0; i < m->found.n && request->parent > 0; i++) {
                const RunRecord *found = &m->found.runs[i].run.record;

                if (found->parent == request->parent && found->cause == request->cause && streq(found->job, job) &&
                    streq_ptr(found->alarm, request->alarm))
                        return true;
        }
        return false;
}

/* --- retries --- */

/* One that our own end interrupts is made again once in any case; it has failed at nothing. What files it had are
 * found again by themselves, also where an earlier daemon took the knowledge of them along. */
bool wants_another_try(const LiveRun *run) {
        unsigned max = run->is_interrupted ? MAX(run->def->rare->retry.max, 1U) : run->def->rare->retry.max;

        if (!job_may_run(run->job))
                return false;
        if (run->payload ? run_has_work(run) && (run->is_interrupted || run->returns_payload)
                         : run->record.payload != NULL)
                return false;
        return max == UINT_MAX || run->record.attempt <= max;
}

static int request_retry(Manager *m, LiveRun *failed) {
        RunRequest request = {
                .cause = RUN_CAUSE_RETRY,
                .trigger = failed->record.trigger,
                .scheduled = failed->record.scheduled,
                .parent = failed->record.id,
                .parent_job = failed->record.parent_job,
                .alarm = failed->record.alarm,
                .payload = failed->record.payload,
        };
        _cleanup_(live_run_freep) LiveRun *run = NULL;
        int r;

        assert(failed->stage == RUN_STAGE_DONE && !failed->was_retried);
        failed->was_retried = has_followed(m, failed->record.job, &request);
        if (failed->was_retried)
                return 0;
        r = live_run_new(&run, m, failed->job, &request);
        if (r < 0)
                return r;
        run->record.attempt = failed->record.attempt + 1;
        r = pools_admit(m, run);
        if (r >= 0)
                r = ledger_add(m->ledger, &run->record);
        if (r < 0)
                return r;
        triggers_run_retried(m, failed, run);
        runs_accept(m, TAKE_PTR(run));
        return 0;
}

/* What was to be tried again has been done by another run. */
static void drop_retries(Manager *m, const LiveRun *by) {
        LiveRun *next;

        for (LiveRun *run = queues_next_retry(by->job, NULL); run; run = next) {
                next = queues_next_retry(by->job, run);
                if (run_has_work(run) || run->record.payload)
                        continue; /* has work of its own to do */
                run_set_reason(run, "Run %" PRIu64 " of the job has succeeded meanwhile.", by->record.id);
                runs_drop(m, run, RUN_RESULT_SKIPPED);
        }
}

/* --- chains --- */

/* A cycle in the files is a problem of theirs; one that only instances and what they are called close is found here,
 * when it would be gone through a second time. */
static bool closes_a_cycle(Manager *m, const char *name, const RunRequest *request) {
        uint64_t id = request->parent;

        for (unsigned depth = 0; depth < CHAIN_DEPTH_MAX; depth++) {
                const RunRecord *r = ledger_get(m->ledger, id);

                if (!r)
                        return false;
                if (streq(r->job, name))
                        return true;
                id = r->parent;
        }
        return id > 0;
}

static void request_one(Manager *m, const char *name, const char *key, const RunRequest *request) {
        const char *by = strempty(request->parent_job);
        uint64_t id;
        Job *job;
        int r;

        if (has_followed(m, name, request))
                return;
        if (closes_a_cycle(m, name, request)) {
                runs_refuse(
                        m, name, request, RUN_RESULT_SKIPPED,
                        "The job is one of those that led to this request: the jobs request each other in a cycle, or "
                        "in a chain of more than %d (%s= of job %s).",
                        CHAIN_DEPTH_MAX, key, by);
                return;
        }
        r = reload_get_job(m, name, &job);
        if (r >= 0 && !job->def->enabled)
                runs_refuse(m, name, request, RUN_RESULT_SKIPPED,
                            "Its file sets Enabled=no (requested by %s= of job %s).", key, by);
        else if (r >= 0)
                r = runs_request(m, job, request, /* payload= */ NULL, &id);
        if (r == -ENOENT)
                runs_refuse(m, name, request, RUN_RESULT_START_FAILED,
                            "There is no job with this name; fix %s= of job %s.", key, by);
        else if (r == -ENOEXEC)
                runs_refuse(m, name, request, RUN_RESULT_START_FAILED,
                            "Its file is invalid; see 'vaktctl check' (requested by %s= of job %s).", key, by);
        else if (r < 0)
                runs_refuse(m, name, request, RUN_RESULT_START_FAILED,
                            "It could not be requested (%s= of job %s): %s.", key, by, strerror(-r));
}

static void request_all(Manager *m, char *const *jobs, const char *key, const RunRequest *request) {
        for (size_t i = 0; jobs && jobs[i]; i++)
                request_one(m, jobs[i], key, request);
}

void follow_up(Manager *m, LiveRun *run) {
        RunRequest request = {
                .cause = RUN_CAUSE_CHAIN,
                .trigger = RUN_TRIGGER_NONE,
                .parent = run->record.id,
                .parent_job = run->record.job,
        };
        LogContext c = { .job = run->record.job, .run = run->record.id };
        int r;

        assert(run->stage == RUN_STAGE_DONE);
        if (run->record.result == RUN_RESULT_SUCCESS) {
                drop_retries(m, run);
                request_all(m, run->def->rare->on_success, "OnSuccess", &request);
                return;
        }
        if (!run_result_is_failure(run->record.result) && !run->is_interrupted && !run->is_given_up)
                return;
        if (!run->is_given_up && wants_another_try(run)) {
                r = request_retry(m, run);
                if (r >= 0)
                        return;
                log_message(LOG_ERR, &c, "It cannot be retried: %s.", strerror(-r));
        }
        if (!run->is_interrupted)
                request_all(m, run->def->rare->on_failure, "OnFailure", &request);
}

void follow_up_alarm(Manager *m, const Job *job, const LedgerAlarm *alarm) {
        RunRequest request = {
                .cause = RUN_CAUSE_CHAIN,
                .trigger = RUN_TRIGGER_NONE,
                .parent = alarm->run,
                .parent_job = job->name,
                .alarm = alarm->key,
        };

        assert(alarm->key);
        if (job->def)
                request_all(m, job->def->rare->on_alarm, "OnAlarm", &request);
}

void runs_request_others(Manager *m, const Job *job, char *const *others, const char *key) {
        RunRequest request = { .cause = RUN_CAUSE_CHAIN, .trigger = RUN_TRIGGER_NONE, .parent_job = job->name };

        request_all(m, others, key, &request);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a request becomes a run, or is refused. Either way it has its record in the ledger before anything is done about
 * it. */

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/manager-body.h"
#include "core/outbox.h"
#include "core/triggers.h"
#include "core/pools.h"
#include "core/queues.h"
#include "core/requests.h"
#include "util/log.h"

/* Ends what else the job does or waits for, for Overlap=replace. */
static void replace_other_runs(Manager *m, const LiveRun *by) {
        LiveRun *previous;

        for (LiveRun *run = TAILQ_LAST(&by->job->live->runs, LiveRunList); run; run = previous) {
                previous = TAILQ_PREV(run, LiveRunList, of_job);
                if (run == by || run->stage == RUN_STAGE_STOPPING || run->stage == RUN_STAGE_DONE)
                        continue;
                run_set_reason(run, "It was replaced by run %" PRIu64 " (Overlap=replace).", by->record.id);
                run->returns_payload = run_has_work(run); /* the other one knows nothing of it */
                run_end(m, run);
        }
}

void runs_preempt(const Trigger *t, const Job *job, const char *reason) {
        LiveRun *previous;

        for (LiveRun *run = TAILQ_LAST(&job->live->runs, LiveRunList); run; run = previous) {
                previous = TAILQ_PREV(run, LiveRunList, of_job);
                if (run->stage == RUN_STAGE_STOPPING || !run_goes_on(run) || !run_payload(run, t->ops) ||
                    run->record.cause == RUN_CAUSE_MANUAL)
                        continue;
                run->returns_payload = true;
                run_set_reason(run, "%s", reason);
                run_end(t->manager, run);
        }
}

/* Says of a run that was never accepted that it was recorded. */
static void announce_refusal(Manager *m, const RunRecord *r) {
        run_log_outcome(r);
        NOTIFY_OBSERVERS(m, run_new, r);
        NOTIFY_OBSERVERS(m, run_finished, r);
}

static void mark_refused(RunRecord *r, RunResult result) {
        r->result = result;
        r->ended = r->requested;
}

void runs_accept(Manager *m, LiveRun *run) {
        Job *job = run->job;

        assert(run->record.id > 0 && run->pool && run->stage == RUN_STAGE_NONE);
        if (m->stopping) { /* it stands in the ledger, for the next daemon */
                live_run_free(run);
                return;
        }
        live_add(&m->live, run);
        if (run->record.cause == RUN_CAUSE_RETRY)
                queues_add_retry(m, run);
        else
                queues_add(m, run);
        NOTIFY_OBSERVERS(m, run_new, &run->record);
        if (run->record.cause != RUN_CAUSE_RETRY && run->def->overlap == OVERLAP_REPLACE)
                replace_other_runs(m, run);
        NOTIFY_OBSERVERS(m, job_changed, job);
        NOTIFY_OBSERVERS(m, summary_changed);
        queues_pump_job(m, job);
}

int runs_request(Manager *m, Job *job, const RunRequest *request, RunPayload **payload, uint64_t *ret_id) {
        _cleanup_(live_run_freep) LiveRun *run = NULL;
        char why[GATE_WHY_MAX];
        bool admitted;
        GateAnswer a;
        GateInput in;
        int r;

        assert(job->def && (!payload || *payload));
        r = live_run_new(&run, m, job, request);
        if (r < 0)
                return r;
        in = run_gate_input(run, GATE_REQUEST);
        in.has_file = payload && !(*payload)->is_empty;
        a = gates_ask(&in, run->record.requested);
        admitted = a.verdict != GATE_REFUSE; /* what makes it wait does so once it is accepted */
        if (admitted)
                r = pools_admit(m, run);
        else {
                run_set_reason(run, "%s", gates_why(why, &in, &a));
                run_set_stage(run, RUN_STAGE_DONE);
                mark_refused(&run->record, RUN_RESULT_SKIPPED);
        }
        if (r < 0)
                return r;
        r = ledger_add(m->ledger, &run->record);
        if (r < 0)
                return r;
        *ret_id = run->record.id;
        if (!admitted) {
                announce_refusal(m, &run->record);
                return 0;
        }
        if (payload) {
                run->payload = TAKE_PTR(*payload);
                payload_put(m, &run->record, run->payload);
        }
        runs_accept(m, TAKE_PTR(run));
        return 1;
}

/* --- what is recorded only --- */

void runs_refuse(Manager *m, const char *job, const RunRequest *request, RunResult result, const char *format, ...) {
        RunRecord record = record_of_request(m, job, request);
        LogContext c = { .job = job };
        char reason[LEDGER_TEXT_MAX];
        va_list ap;
        int r;

        assert(result != RUN_RESULT_NONE);
        va_start(ap, format);
        (void)vsnprintf(reason, sizeof(reason), format, ap);
        va_end(ap);
        record.state = RUN_DONE;
        record.reason = reason;
        mark_refused(&record, result);
        r = ledger_add(m->ledger, &record);
        if (r < 0)
                log_message(LOG_ERR, &c, "Cannot record a run that was not started (%s): %s", strerror(-r), reason);
        else
                announce_refusal(m, &record);
}

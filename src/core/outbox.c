/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a run ends: its outcome is given to the ledger, and the run to the outbox. There it lies until those who ended
 * it are done with what they are doing. What it leads to may be the end of others, which come behind it; that is for a
 * file further up (Listeners.run_ended). */

#include <assert.h>
#include <inttypes.h>
#include <signal.h>

#include "core/manager-body.h"
#include "core/outbox.h"
#include "time/span.h"
#include "util/log-messages.h"
#include "util/log.h"

#define OUTBOX_PRIORITY (SD_EVENT_PRIORITY_IMPORTANT - 100)

/* Runs that have ended, and what follows from that is not done yet. */
struct Outbox {
        LiveRunList runs;
        sd_event_source *source; /* a deferred source that does it */
};

/* --- the end of a run --- */

void run_log_outcome(const RunRecord *r) {
        LogContext c = { .job = r->job, .run = r->id, .message_id = MESSAGE_RUN_FAILED };
        usec_t took = r->started > 0 ? usec_sub(r->ended, r->started) : 0;
        char span[SPAN_TEXT_MAX];

        (void)span_format(span, took, took < USEC_PER_SEC ? USEC_PER_MSEC : 10 * USEC_PER_MSEC);
        switch (r->result) {
        case RUN_RESULT_SUCCESS:
                c.message_id = MESSAGE_RUN_SUCCEEDED;
                log_message(LOG_INFO, &c, "Run %" PRIu64 " succeeded after %s.", r->id, span);
                break;
        case RUN_RESULT_SKIPPED:
        case RUN_RESULT_MISSED:
                c.message_id = MESSAGE_RUN_REFUSED;
                log_message(LOG_INFO, &c, "Run %" PRIu64 " was not started: %s", r->id, strempty(r->reason));
                break;
        case RUN_RESULT_CANCELLED:
                c.message_id = MESSAGE_RUN_CANCELLED;
                log_message(LOG_NOTICE, &c, "Run %" PRIu64 " was cancelled: %s", r->id, strempty(r->reason));
                break;
        case RUN_RESULT_EXIT:
                log_message(LOG_WARNING, &c, "Run %" PRIu64 " failed with exit status %d after %s.", r->id, r->code,
                            span);
                break;
        case RUN_RESULT_SIGNAL:
                log_message(LOG_WARNING, &c, "Run %" PRIu64 " was killed by signal %s after %s.", r->id,
                            strempty(sigabbrev_np(r->code)), span);
                break;
        case RUN_RESULT_TIMEOUT:
                log_message(LOG_WARNING, &c, "Run %" PRIu64 " timed out and was stopped after %s.", r->id, span);
                break;
        case RUN_RESULT_NONE:
        case RUN_RESULT_OOM:
        case RUN_RESULT_START_FAILED:
        case RUN_RESULT_LOST:
        case _RUN_RESULT_MAX:
                log_message(LOG_WARNING, &c, "Run %" PRIu64 " failed (%s): %s", r->id, run_result_to_string(r->result),
                            strempty(r->reason));
                break;
        }
}

void runs_finish(Manager *m, LiveRun *run, const ExecOutcome *outcome) {
        RunRecord *r = &run->record;

        assert(outcome->result != RUN_RESULT_NONE);
        if (run_goes_on(run))
                (void)sd_event_source_set_enabled(m->acknowledge_source, SD_EVENT_ONESHOT);
        r->result = outcome->result;
        r->code = outcome->code;
        if (outcome->started > 0)
                r->started = outcome->started;
        r->ended = outcome->ended > 0 ? outcome->ended : turn_now(m->event).realtime;
        r->pid = 0;
        r->cpu = outcome->cpu;
        r->memory_peak = outcome->memory_peak;
        run_set_stage(run, RUN_STAGE_DONE);
        if (r->started > 0) {
                run->job->last_end = r->ended;
                if (r->result != RUN_RESULT_SKIPPED) {
                        run->job->last_result = r->result;
                        run->job->last_code = r->code;
                }
        }
        (void)ledger_update(m->ledger, r);
        run->execution = execution_free(run->execution);
        TAILQ_INSERT_TAIL(&m->outbox->runs, run, waiting);
        (void)sd_event_source_set_enabled(m->outbox->source, SD_EVENT_ONESHOT);
}

void runs_drop(Manager *m, LiveRun *run, RunResult result) {
        ExecOutcome outcome = EXEC_OUTCOME_INIT;

        outcome.result = result;
        runs_finish(m, run, &outcome);
}

/* --- the outbox --- */

void runs_empty_outbox(Manager *m) {
        LiveRun *run;

        while ((run = TAILQ_FIRST(&m->outbox->runs))) {
                assert(run->stage == RUN_STAGE_DONE);
                TAILQ_REMOVE(&m->outbox->runs, run, waiting);
                m->listeners->run_ended(m, run);
        }
        (void)sd_event_source_set_enabled(m->outbox->source, SD_EVENT_OFF);
}

bool outbox_is_empty(const Manager *m) {
        return TAILQ_EMPTY(&m->outbox->runs);
}

static int on_outbox(sd_event_source *s, void *userdata) {
        runs_empty_outbox(userdata);
        return 0;
}

int runs_commit(Manager *m) {
        runs_empty_outbox(m);
        return ledger_commit(m->ledger);
}

/* For what is ended by those who do not empty it: before all other sources, so that it is still one turn. */
int outbox_init(Manager *m) {
        int r;

        m->outbox = calloc(1, sizeof(*m->outbox));
        if (!m->outbox)
                return -ENOMEM;
        TAILQ_INIT(&m->outbox->runs);
        r = event_add_deferred(m->event, &m->outbox->source, "runs-ended", on_outbox, m);
        return r < 0 ? r : sd_event_source_set_priority(m->outbox->source, OUTBOX_PRIORITY);
}

void outbox_done(Manager *m) {
        if (!m->outbox)
                return;
        assert(outbox_is_empty(m));
        sd_event_source_disable_unref(m->outbox->source);
        m->outbox = mfree(m->outbox);
}

/* --- stopping --- */

/* Should we be killed before an interrupted one has ended, it is no less lost than if we had never told it to. */
void run_stop(Manager *m, LiveRun *run, RunResult result) {
        assert(run->execution);
        if (run->stage == RUN_STAGE_STOPPING)
                return;
        run_set_stage(run, RUN_STAGE_STOPPING);
        if (!run->is_interrupted)
                (void)ledger_update(m->ledger, &run->record);
        NOTIFY_OBSERVERS(m, run_changed, &run->record);
        run->execution->ops->stop(run->execution, result);
}

void run_end(Manager *m, LiveRun *run) {
        if (run->execution)
                run_stop(m, run, RUN_RESULT_CANCELLED);
        else
                runs_drop(m, run, RUN_RESULT_CANCELLED);
}

int manager_cancel(Manager *m, uint64_t id) {
        LiveRun *run = live_find(&m->live, id);

        if (!run || run->stage == RUN_STAGE_DONE)
                return ledger_get(m->ledger, id) ? -EALREADY : -ENOENT;
        if (run->stage == RUN_STAGE_STOPPING)
                return 0;
        run_set_reason(run, "It was cancelled on request.");
        run_end(m, run);
        (void)runs_commit(m);
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The words for what happened to a run. They are used in the ledger and on the bus, so they never change their
 * meaning. */

#include "job/run.h"

#include "util/string-table.h"

/* The strings of a record. */
#define TEXTS(r)                                                                                               \
        {                                                                                                      \
                &(r)->job, &(r)->parent_job, &(r)->alarm, &(r)->payload, &(r)->unit, &(r)->host, &(r)->reason, \
                        &(r)->status_text                                                                      \
        }

void owned_run_set_text(const char **text, char *value) {
        free((char *)*text);
        *text = value;
}

void owned_run_done(OwnedRun *o) {
        const char **texts[] = TEXTS(&o->record);

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                free((char *)*texts[i]);
                *texts[i] = NULL;
        }
}

int owned_run_assign(OwnedRun *o, const RunRecord *r) {
        OwnedRun copy = { *r };
        const char **texts[] = TEXTS(&copy.record);
        bool failed = false;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (*texts[i]) {
                        *texts[i] = strdup(*texts[i]);
                        failed = failed || !*texts[i];
                }
        if (!failed) {
                owned_run_done(o);
                *o = copy;
                return 0;
        }
        owned_run_done(&copy);
        return -ENOMEM;
}

static const char *const run_cause_table[] = {
        [RUN_CAUSE_TIMER] = "timer",       [RUN_CAUSE_PATH] = "path",   [RUN_CAUSE_MONITOR] = "monitor",
        [RUN_CAUSE_MANUAL] = "manual",     [RUN_CAUSE_CHAIN] = "chain", [RUN_CAUSE_RETRY] = "retry",
        [RUN_CAUSE_CATCH_UP] = "catch-up",
};
DEFINE_TO_STRING(run_cause, RunCause)
DEFINE_FROM_STRING(run_cause)

static const char *const run_state_table[] = {
        [RUN_WAITING] = "waiting", [RUN_QUEUED] = "queued",     [RUN_STARTING] = "starting",
        [RUN_RUNNING] = "running", [RUN_STOPPING] = "stopping", [RUN_DONE] = "done",
};
DEFINE_TO_STRING(run_state, RunState)
DEFINE_FROM_STRING(run_state)

static const char *const run_result_table[] = {
        [RUN_RESULT_NONE] = "",
        [RUN_RESULT_SUCCESS] = "success",
        [RUN_RESULT_EXIT] = "exit",
        [RUN_RESULT_SIGNAL] = "signal",
        [RUN_RESULT_TIMEOUT] = "timeout",
        [RUN_RESULT_OOM] = "oom",
        [RUN_RESULT_CANCELLED] = "cancelled",
        [RUN_RESULT_START_FAILED] = "start-failed",
        [RUN_RESULT_SKIPPED] = "skipped",
        [RUN_RESULT_MISSED] = "missed",
        [RUN_RESULT_LOST] = "lost",
};
DEFINE_TO_STRING(run_result, RunResult)
DEFINE_FROM_STRING(run_result)

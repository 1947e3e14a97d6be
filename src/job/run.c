/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The words for what happened to a run. They are used in the ledger and on the bus, so they never change their
 * meaning. */

#include "job/run.h"

#include "util/string-table.h"

/* The members that are strings and belong to the record. */
static const size_t strings[] = {
        offsetof(RunRecord, job),     offsetof(RunRecord, parent_job),  offsetof(RunRecord, alarm),
        offsetof(RunRecord, payload), offsetof(RunRecord, unit),        offsetof(RunRecord, host),
        offsetof(RunRecord, reason),  offsetof(RunRecord, status_text),
};

static char **string_at(const RunRecord *r, size_t i) {
        return (char **)(void *)((char *)(uintptr_t)r + strings[i]);
}

void run_record_done(RunRecord *r) {
        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                *string_at(r, i) = mfree(*string_at(r, i));
}

int run_record_copy(RunRecord *ret, const RunRecord *r) {
        RunRecord copy = *r;
        bool failed = false;

        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                if (*string_at(r, i)) {
                        *string_at(&copy, i) = strdup(*string_at(r, i));
                        failed = failed || !*string_at(&copy, i);
                }
        if (failed) {
                run_record_done(&copy);
                return -ENOMEM;
        }
        *ret = copy;
        return 0;
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

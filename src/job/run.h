#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A run: its record (what the ledger keeps and the bus shows) and the names of its states. */

#include <sys/types.h>
#include <systemd/sd-id128.h>

#include "util/clock.h"
#include "util/macro.h"

typedef enum RunCause {
        RUN_CAUSE_TIMER,
        RUN_CAUSE_PATH,
        RUN_CAUSE_MONITOR,
        RUN_CAUSE_MANUAL,
        RUN_CAUSE_CHAIN,
        RUN_CAUSE_RETRY,
        RUN_CAUSE_CATCH_UP,
        _RUN_CAUSE_MAX,
} RunCause;

typedef enum RunState {
        RUN_WAITING,  /* accepted, waits for a condition */
        RUN_QUEUED,   /* waits for a slot, or for another run of its job */
        RUN_STARTING, /* handed to the executor */
        RUN_RUNNING,
        RUN_STOPPING, /* being ended: cancelled, replaced or timed out */
        RUN_DONE,
        _RUN_STATE_MAX,
} RunState;

typedef enum RunResult {
        RUN_RESULT_NONE, /* not done yet; printed as "" */
        RUN_RESULT_SUCCESS,
        RUN_RESULT_EXIT,   /* ended with a status that is not a success */
        RUN_RESULT_SIGNAL, /* killed by a signal */
        RUN_RESULT_TIMEOUT,
        RUN_RESULT_OOM,
        RUN_RESULT_CANCELLED,
        RUN_RESULT_START_FAILED,
        RUN_RESULT_SKIPPED, /* refused, with a reason */
        RUN_RESULT_MISSED,
        RUN_RESULT_LOST, /* the machine, the daemon or its runner went down during it: its end is not known */
        _RUN_RESULT_MAX,
} RunResult;

#define RUN_TRIGGER_NONE UINT32_MAX
#define RUN_TRIGGER_NOW  (UINT32_MAX - 1) /* a person, who does not want it to wait for WaitFor= */

/* What is remembered about a run. Times are µs of CLOCK_REALTIME, 0 = not yet. The strings are borrowed: literals,
 * parts of a message or of a row, or those of an OwnedRun. */
typedef struct RunRecord {
        uint64_t id; /* from 1, never used twice */
        const char *job;
        RunCause cause;
        RunState state;
        RunResult result;
        int code;         /* exit status (exit), signal number (signal, timeout, oom), errno (start-failed), else 0 */
        unsigned attempt; /* from 1 */
        uint32_t trigger; /* index in the definition, RUN_TRIGGER_NONE or RUN_TRIGGER_NOW */
        uint64_t
                parent; /* run that requested it, or 0: for a chain the one that ended, for a retry the previous try */
        const char *parent_job; /* its job; for an alarm, the job that it is about; or NULL */
        const char *alarm;      /* "slow", "expect", "unknown" if an alarm requested it, or NULL */
        const char
                *payload; /* what a path trigger passed to it, for users: a path, and how many more; bytes; or NULL */
        usec_t scheduled;
        usec_t requested;
        usec_t started;
        usec_t ended;
        pid_t pid;               /* main process while it runs, else 0 */
        uint64_t pid_start;      /* when that was started, as field 22 of /proc/PID/stat has it; 0 = not known */
        const char *unit;        /* of the service manager that it runs in, or NULL */
        sd_id128_t invocation;   /* of that unit, or null */
        usec_t cpu;              /* µs of CPU, USEC_INFINITY = not known */
        uint64_t memory_peak;    /* bytes, UINT64_MAX = not known */
        uint64_t files;          /* of [Rotate] and [Clean]: files that it changed, UINT64_MAX = not known */
        uint64_t bytes_freed;    /* the same */
        const char *host;        /* name of the machine */
        const char *reason;      /* a message that says why it was refused or failed, or NULL */
        const char *status_text; /* what the run last reported about itself, or NULL */
} RunRecord;

/* A record with nothing known. */
#define RUN_RECORD_INIT                                                                                     \
        {                                                                                                   \
                .attempt = 1, .trigger = RUN_TRIGGER_NONE, .cpu = USEC_INFINITY, .memory_peak = UINT64_MAX, \
                .files = UINT64_MAX, .bytes_freed = UINT64_MAX                                              \
        }

/* A record that owns its strings. Zeroed it is empty; owned_run_assign() fills it in. After that, its strings are
 * changed by owned_run_set_text() only, its other members directly. */
typedef struct OwnedRun {
        RunRecord record;
} OwnedRun;

/* Makes o a copy of r, which may be the record of o. -ENOMEM: o is unchanged. */
int owned_run_assign(OwnedRun *o, const RunRecord *r);
void owned_run_set_text(const char **text, char *value); /* text: a member of an OwnedRun, which takes value over */
void owned_run_done(OwnedRun *o);                        /* frees its members, not itself */

/* The results that count as failures, to which Retry= and OnFailure= apply, as bits 1 << RunResult. An index of the
 * ledger's database contains the runs with these results: a further one needs a new version of the database, which
 * creates that index again (ledger/schema.c). */
#define RUN_RESULTS_FAILED                                                                                   \
        (1U << RUN_RESULT_EXIT | 1U << RUN_RESULT_SIGNAL | 1U << RUN_RESULT_TIMEOUT | 1U << RUN_RESULT_OOM | \
         1U << RUN_RESULT_START_FAILED | 1U << RUN_RESULT_LOST)

static inline bool run_result_is_failure(RunResult r) {
        return (RUN_RESULTS_FAILED & 1U << r) != 0;
}

/* The words of vaktctl(1): "timer", "catch-up", "queued", "start-failed", … */
const char *run_cause_to_string(RunCause c) _const_;
const char *run_state_to_string(RunState s) _const_;
int run_state_from_string(const char *s) _pure_;
const char *run_result_to_string(RunResult r) _const_;
int run_cause_from_string(const char *s) _pure_;
int run_result_from_string(const char *s) _pure_;

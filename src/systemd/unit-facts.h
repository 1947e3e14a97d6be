#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the service manager reports about a unit: the few of its properties that show whether it runs, and how it
 * ended. */

#include <systemd/sd-bus.h>
#include <systemd/sd-id128.h>

#include "util/clock.h"
#include "util/macro.h"

typedef enum UnitActive {
        UNIT_UNKNOWN, /* nothing was said yet */
        UNIT_INACTIVE,
        UNIT_FAILED,
        UNIT_ACTIVATING,
        UNIT_ACTIVE,
        UNIT_RELOADING,
        UNIT_DEACTIVATING,
        _UNIT_ACTIVE_MAX,
} UnitActive;

#define UNIT_RESULT_MAX 24 /* bytes in the longest word of Result, "start-limit-hit", and some */

/* As in systemd.exec(5) and org.freedesktop.systemd1(5). Times are µs, 0 = not yet; those called _monotonic serve only
 * as marks. */
typedef struct UnitFacts {
        UnitActive active;
        bool loaded; /* LoadState is not "not-found" */
        bool condition_result, assert_result;
        bool send_sigkill;
        int32_t status_errno;        /* the ERRNO= that it sent with sd_notify(3) */
        int32_t code, status;        /* ExecMainCode as CLD_*, ExecMainStatus */
        uint32_t job;                /* id of the job that is queued for it, or 0 */
        uint32_t main_pid, exec_pid; /* while it runs; of the last one that ran */
        uint64_t condition_monotonic, assert_monotonic, active_enter_monotonic, active_exit_monotonic;
        uint64_t exec_exit_monotonic; /* of the main process */
        usec_t inactive_exit;         /* when it was last begun */
        usec_t inactive_exit_monotonic;
        usec_t exec_start, exec_exit; /* of the main process */
        uint64_t handoff;             /* the program was executed (systemd 256 and later report this) */
        uint64_t cpu_nsec;            /* UINT64_MAX = not known */
        uint64_t memory_peak;         /* bytes, UINT64_MAX = not known */
        sd_id128_t invocation;
        usec_t timeout_stop; /* of each step of its end; known only after a query, never from a signal */
        char result[UNIT_RESULT_MAX];
        char step[UNIT_RESULT_MAX]; /* SubState */
        char *status_text;          /* or NULL */
} UnitFacts;

#define UNIT_FACTS_INIT \
        { .cpu_nsec = UINT64_MAX, .memory_peak = UINT64_MAX }

void unit_facts_done(UnitFacts *f); /* frees its members, not itself */

/* Reads properties, a{sv}, from the current position of the message. Unknown ones, and those of an unexpected type,
 * are ignored. -EBADMSG, -ENOMEM. */
int unit_facts_read(UnitFacts *f, sd_bus_message *m);

/* "inactive" … as in ActiveState; anything else counts as unknown. */
UnitActive unit_active_from_string(const char *s) _pure_;

/* It has ended, and nothing is about to change that: the first signal about a unit that is about to start also says
 * inactive, but with a job. */
bool unit_facts_is_over(const UnitFacts *f) _pure_;

/* What RemainAfterExit=yes keeps of a unit that ended well. */
static inline bool unit_facts_has_exited(const UnitFacts *f) {
        return streq(f->step, "exited");
}

/* Its main process ended before the unit was stopped. Also false if that is not known: for a unit whose start lasts as
 * long as the run. */
bool unit_facts_ended_by_itself(const UnitFacts *f) _pure_;

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What people say about a job beside its file: paused, paused until, skip so many. It is kept in the ledger, so that a
 * restart forgets none of it. One timer waits for the pause that ends next. */

#include <assert.h>

#include "core/alarms.h"
#include "core/manager-body.h"
#include "core/outbox.h"
#include "core/pauses.h"
#include "core/queues.h"
#include "util/log.h"

#define RESUME_ACCURACY_USEC USEC_PER_SEC

/* For all jobs together, under the name that no job can have. */
#define ALL_JOBS ""

static void set_effective(const Manager *m, Job *job) {
        job->paused = job->paused_alone || m->paused;
}

void pauses_load(Manager *m, Job *job) {
        LedgerJobState state;

        if (ledger_get_job_state(m->ledger, job->name, &state) >= 0) {
                job->paused_alone = state.paused;
                job->pause_until = state.pause_until;
                job->skip = state.skip;
        }
        set_effective(m, job);
}

void pauses_load_all(Manager *m) {
        LedgerJobState state;

        m->paused = ledger_get_job_state(m->ledger, ALL_JOBS, &state) >= 0 && state.paused;
}

static void pauses_save(Manager *m, const Job *job) {
        LedgerJobState state = { .paused = job->paused_alone, .pause_until = job->pause_until, .skip = job->skip };
        LogContext c = { .job = job->name };
        int r;

        r = ledger_set_job_state(m->ledger, job->name, &state);
        if (r < 0)
                log_message(LOG_WARNING, &c, "Cannot save this request for the next start, ignoring: %s.",
                            strerror(-r));
}

void runs_use_up_skip(Manager *m, Job *job) {
        if (job->skip == 0 || job->paused)
                return;
        job->skip--;
        pauses_save(m, job);
        NOTIFY_OBSERVERS(m, job_changed, job);
}

void pauses_start(Manager *m) {
        usec_t first = USEC_INFINITY;

        for (size_t i = 0; i < job_table_size(m->jobs); i++) {
                const Job *job = job_table_at(m->jobs, i);

                if (job->paused_alone && job->pause_until > 0)
                        first = MIN(first, job->pause_until);
        }
        (void)sd_event_source_set_time(m->resume_source, first);
        (void)sd_event_source_set_enabled(m->resume_source, first < USEC_INFINITY ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/* What it means for the job that it is paused now, or is not any more. */
static void apply(Manager *m, Job *job) {
        bool was_paused = job->paused;

        set_effective(m, job);
        if (job->paused == was_paused)
                return;
        if (!job->paused) {
                queues_resume(m, job);
                alarms_resume(m, job);
        }
        if (m->is_started)
                TELL_TRIGGERS(m, pause_changed, job);
        alarms_set_job(m, job);
}

static void set_paused(Manager *m, Job *job, bool paused, usec_t until) {
        LogContext c = { .job = job->name };

        assert(paused == (until > 0));
        if (job->paused_alone == paused && job->pause_until == until)
                return;
        job->paused_alone = paused;
        job->pause_until = until;
        pauses_save(m, job);
        apply(m, job);
        log_message(LOG_NOTICE, &c,
                    paused        ? "Paused: no trigger starts it until it is resumed."
                    : job->paused ? "Resumed, but all jobs are paused: use 'vaktctl resume --all' to resume them."
                                  : "Resumed.");
        NOTIFY_OBSERVERS(m, job_changed, job);
}

void pauses_reload(Manager *m) {
        pauses_load_all(m);
        for (size_t i = 0; i < job_table_size(m->jobs); i++) {
                Job *job = job_table_at(m->jobs, i);
                bool was_paused = job->paused;

                pauses_load(m, job);
                if (job->paused == was_paused)
                        continue;
                job->paused = was_paused;
                apply(m, job);
                NOTIFY_OBSERVERS(m, job_changed, job);
        }
        pauses_start(m);
}

static int set_all_paused(Manager *m, bool paused) {
        LedgerJobState state = { .paused = paused };
        int r;

        if (m->paused == paused)
                return 0;
        m->paused = paused;
        r = ledger_set_job_state(m->ledger, ALL_JOBS, &state);
        if (r < 0)
                log_warning_errno(r, "Cannot save for the next start that all jobs are paused, ignoring: %m");
        log_notice(paused ? "All jobs are paused: no trigger starts them until they are resumed."
                          : "All jobs are resumed, except those that are paused by name.");
        for (size_t i = 0; i < job_table_size(m->jobs); i++) {
                Job *job = job_table_at(m->jobs, i);

                apply(m, job);
                NOTIFY_OBSERVERS(m, job_changed, job);
        }
        NOTIFY_OBSERVERS(m, summary_changed);
        (void)runs_commit(m);
        return 0;
}

int manager_pause_all(Manager *m) {
        return set_all_paused(m, true);
}

int manager_resume_all(Manager *m) {
        return set_all_paused(m, false);
}

bool manager_is_paused(const Manager *m) {
        return m->paused;
}

static int on_resume(sd_event_source *s, uint64_t usec, void *userdata) {
        Manager *m = userdata;
        usec_t now = turn_now(m->event).realtime;

        for (size_t i = 0; i < job_table_size(m->jobs); i++) {
                Job *job = job_table_at(m->jobs, i);

                if (job->paused_alone && job->pause_until > 0 && job->pause_until <= now)
                        set_paused(m, job, false, 0);
        }
        pauses_start(m);
        return 0;
}

int pauses_init(Manager *m) {
        return event_add_timer(m->event, &m->resume_source, "pause-ends", CLOCK_REALTIME, RESUME_ACCURACY_USEC,
                               on_resume, m);
}

static int pause_job(Manager *m, const char *name, bool paused, usec_t until) {
        Job *job = job_table_get(m->jobs, name);

        if (!job)
                return -ENOENT;
        set_paused(m, job, paused, until);
        pauses_start(m);
        (void)runs_commit(m); /* who asked is told only of what is written */
        return 0;
}

int manager_pause(Manager *m, const char *job) {
        return pause_job(m, job, true, USEC_INFINITY);
}

int manager_resume(Manager *m, const char *job) {
        return pause_job(m, job, false, 0);
}

int manager_pause_until(Manager *m, const char *job, usec_t until) {
        return until <= turn_now(m->event).realtime ? -EINVAL : pause_job(m, job, true, until);
}

int manager_skip(Manager *m, const char *name, unsigned count) {
        Job *job = job_table_get(m->jobs, name);
        LogContext c = { .job = name };

        if (!job)
                return -ENOENT;
        if (count > MANAGER_SKIP_MAX)
                return -ERANGE;
        if (job->skip == count)
                return 0;
        job->skip = count;
        pauses_save(m, job);
        if (count > 0)
                log_message(LOG_NOTICE, &c, "Its triggers skip the next %u occurrence%s.", count, PLURAL(count));
        else
                log_message(LOG_NOTICE, &c, "Its triggers no longer skip occurrences.");
        NOTIFY_OBSERVERS(m, job_changed, job);
        (void)runs_commit(m);
        return 0;
}

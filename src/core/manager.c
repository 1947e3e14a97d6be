/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Brings the parts together and answers who asks. What happens to a request is in runs.c, what a new load of the files
 * means in reload.c. */

#include "core/manager.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/manager-internal.h"
#include "util/log-messages.h"
#include "util/log.h"

static void log_setting_faults(const Diagnostics *d) {
        for (size_t i = 0; i < d->n_items; i++) {
                LogContext c = {
                        .message_id = MESSAGE_CONFIG_FAULT,
                        .file = d->items[i].file,
                        .line = d->items[i].line,
                };

                log_message(LOG_ERR, &c, "%s:%u: %s", d->items[i].file, d->items[i].line, d->items[i].message);
        }
}

/* Reads vaktd.conf over the settings in force; faults go into the diagnostics. */
static int load_settings(Manager *m) {
        Settings s;
        int r;

        settings_init(&s);
        r = settings_load(&s, m->options.config_path, m->options.owner, &m->diagnostics);
        log_setting_faults(&m->diagnostics);
        if (r < 0)
                return r;
        m->settings = s;
        if (m->options.log_level >= 0)
                log_set_max_level(m->options.log_level);
        else if (s.log_level >= 0)
                log_set_max_level(s.log_level);
        return 0;
}

static int open_executor(Manager *m) {
        /* EXECUTOR_AUTO and EXECUTOR_CHILD come to the same as long as there is one executor. */
        return child_executor_new(&m->executor, m->event, runs_callbacks(), m->options.user_instance);
}

int manager_new(Manager **ret, sd_event *event, const ManagerOptions *options) {
        _cleanup_(manager_freep) Manager *m = NULL;
        int r;

        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->event = sd_event_ref(event);
        m->options = *options;
        r = load_settings(m);
        if (r < 0)
                return r;
        r = job_table_new(&m->jobs);
        if (r >= 0)
                r = job_loader_new(&m->loader, options->job_dirs, options->owner);
        if (r >= 0)
                r = timers_new(&m->timers, event, runs_elapsed, m);
        if (r >= 0)
                r = runs_init(m);
        if (r >= 0)
                r = open_executor(m);
        if (r < 0)
                return log_error_errno(r, "Cannot set the daemon up: %m");
        r = ledger_open(&m->ledger, options->state_dir);
        if (r < 0)
                return log_error_errno(r, "Cannot open the ledger in %s: %m", options->state_dir);
        r = reload_jobs(m);
        if (r < 0)
                return log_error_errno(r, "Cannot load the job files: %m");
        *ret = TAKE_PTR(m);
        return 0;
}

Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;
        m->n_observers = 0;
        runs_free_all(m);
        for (size_t i = 0; m->jobs && i < job_table_size(m->jobs); i++)
                timers_remove_job(m->timers, job_table_at(m->jobs, i));
        job_table_free(m->jobs);
        timers_free(m->timers);
        executor_free(m->executor);
        ledger_close(m->ledger);
        job_loader_free(m->loader);
        diagnostics_done(&m->diagnostics);
        sd_event_unref(m->event);
        return mfree(m);
}

int manager_start(Manager *m) {
        m->started_at = now_realtime();
        return timers_start(m->timers, m->jobs, ledger_is_first_of_boot(m->ledger));
}

void manager_stop(Manager *m, void (*done)(void *userdata), void *userdata) {
        m->stopping = true;
        m->stopped = done;
        m->stopped_userdata = userdata;
        timers_stop(m->timers);
        runs_stop_all(m);
}

int manager_observe(Manager *m, const ManagerObserver *o) {
        if (m->n_observers == OBSERVERS_MAX)
                return -ENOSPC;
        m->observers[m->n_observers++] = *o;
        return 0;
}

int manager_reload(Manager *m) {
        LogContext c = { .message_id = MESSAGE_RELOADED };
        size_t n_jobs, n_faults;
        int r;

        diagnostics_done(&m->diagnostics);
        (void)load_settings(m); /* a bad file leaves the settings in force as they are, and a diagnostic */
        r = reload_jobs(m);
        if (r < 0)
                return log_error_errno(r, "Cannot load the job files: %m; what is in force stays so");
        runs_pump(m);
        n_jobs = job_table_size(m->jobs);
        n_faults = m->diagnostics.n_items;
        if (n_faults == 0)
                log_message(LOG_INFO, &c, "Reloaded: %zu job%s.", n_jobs, PLURAL(n_jobs));
        else
                log_message(LOG_WARNING, &c,
                            "Reloaded: %zu job%s, %zu fault%s in files; what was good before stays in force.", n_jobs,
                            PLURAL(n_jobs), n_faults, PLURAL(n_faults));
        NOTIFY_OBSERVERS(m, reloaded, &m->diagnostics);
        NOTIFY_OBSERVERS(m, summary_changed);
        return 0;
}

static int set_paused(Manager *m, const char *name, bool paused) {
        Job *job = job_table_get(m->jobs, name);
        LogContext c = { .job = name };

        if (!job)
                return -ENOENT;
        if (job->paused == paused)
                return 0;
        job->paused = paused;
        log_message(LOG_NOTICE, &c, paused ? "Paused: triggers are refused until it is resumed." : "Resumed.");
        NOTIFY_OBSERVERS(m, job_changed, job);
        return 0;
}

int manager_pause(Manager *m, const char *job) {
        return set_paused(m, job, true);
}

int manager_resume(Manager *m, const char *job) {
        return set_paused(m, job, false);
}

/* --- answers --- */

JobTable *manager_jobs(Manager *m) {
        return m->jobs;
}

const Diagnostics *manager_diagnostics(Manager *m) {
        return &m->diagnostics;
}

unsigned manager_n_running(const Manager *m) {
        return m->n_running;
}

unsigned manager_n_queued(const Manager *m) {
        return m->n_queued;
}

usec_t manager_started_at(const Manager *m) {
        return m->started_at;
}

const RunRecord *manager_get_run(Manager *m, uint64_t id) {
        const LiveRun *run = runs_find(m, id);

        return run ? &run->record : ledger_get(m->ledger, id);
}

typedef struct ListWalk {
        const Manager *manager;
        uint64_t last; /* the lowest id seen */
        unsigned n_left;
        int (*visit)(const RunRecord *r, void *userdata);
        void *userdata;
} ListWalk;

/* What the ledger remembers of a run that goes on is older than what we know. */
static int visit_current(const RunRecord *r, void *userdata) {
        ListWalk *w = userdata;
        const LiveRun *run = runs_find(w->manager, r->id);

        w->last = r->id;
        w->n_left--;
        return w->visit(run ? &run->record : r, w->userdata);
}

int manager_list_runs(Manager *m, const char *job, uint64_t before, unsigned limit,
                      int (*visit)(const RunRecord *r, void *userdata), void *userdata) {
        ListWalk w = {
                .manager = m,
                .last = before > 0 ? before : UINT64_MAX,
                .n_left = limit,
                .visit = visit,
                .userdata = userdata,
        };
        int r;

        r = ledger_list(m->ledger, job, before, limit, visit_current, &w);
        /* Runs so long that the ledger has forgotten their beginning. */
        for (size_t i = m->n_live; r == 0 && i > 0 && w.n_left > 0; i--) {
                const RunRecord *record = &m->live[i - 1]->record;

                if (record->id >= w.last || (job && !streq(job, record->job)) || ledger_get(m->ledger, record->id))
                        continue;
                w.n_left--;
                r = visit(record, userdata);
        }
        return r;
}

/* --- for people --- */

void manager_dump(Manager *m) {
        const Job *next = timers_next_job(m->timers);

        log_notice("State: jobs %zu, running %u, waiting %u, faults in files %zu, executor %s, next job %s.",
                   job_table_size(m->jobs), m->n_running, m->n_queued, m->diagnostics.n_items, m->executor->ops->name,
                   next ? next->name : "none");
        for (size_t i = 0; i < m->n_live; i++) {
                const RunRecord *r = &m->live[i]->record;
                LogContext c = { .job = r->job, .run = r->id };

                log_message(LOG_NOTICE, &c, "State: run %" PRIu64 " is %s (%s), pid %d.", r->id,
                            run_state_to_string(r->state), run_cause_to_string(r->cause), r->pid);
        }
}

char *manager_status(Manager *m, char buf[static MANAGER_STATUS_MAX], usec_t now_realtime_usec) {
        const Job *next = timers_next_job(m->timers);
        size_t n_jobs = job_table_size(m->jobs);
        char at[64] = "";
        struct tm tm;

        if (next && next->next != USEC_INFINITY) {
                time_t seconds = (time_t)(MAX(next->next, now_realtime_usec) / USEC_PER_SEC);

                if (localtime_r(&seconds, &tm))
                        (void)strftime(at, sizeof(at), "%a %Y-%m-%d %H:%M:%S %Z", &tm);
        }
        if (at[0] != '\0')
                (void)snprintf(buf, MANAGER_STATUS_MAX, "%zu job%s, %u running, next %s at %s", n_jobs, PLURAL(n_jobs),
                               m->n_running, next->name, at);
        else
                (void)snprintf(buf, MANAGER_STATUS_MAX, "%zu job%s, %u running", n_jobs, PLURAL(n_jobs), m->n_running);
        return buf;
}

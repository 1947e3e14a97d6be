/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A load of the job files is put into force as a difference: what did not change notices nothing, what changed keeps
 * its clock and its counters, what is gone is let finish. Nothing is ever triggered by a reload itself. The loader
 * hands out the same JobDef for the same content, so the comparison is one of pointers. */

#include <assert.h>
#include <stdio.h>

#include "core/alarms.h"
#include "core/manager-body.h"
#include "core/pauses.h"
#include "core/queues.h"
#include "core/reload.h"
#include "core/triggers.h"
#include "util/log-messages.h"
#include "util/log.h"

/* What the job did last, before this daemon: what was cancelled before its start, or could not be requested, is
 * nothing that it did. */
static int load_last_run(const RunRecord *r, void *userdata) {
        return r->started == 0 || owned_run_assign(userdata, r) < 0 ? 0 : 1;
}

void reload_load_last(Manager *m, Job *job) {
        const uint32_t not_run = 1U << RUN_RESULT_NONE | 1U << RUN_RESULT_SKIPPED | 1U << RUN_RESULT_MISSED;
        LedgerFilter filter = {
                .job = job->name,
                .results = ((1U << _RUN_RESULT_MAX) - 1) & ~not_run,
                .limit = LEDGER_SCAN_MAX,
        };
        OwnedRun last = {};
        usec_t n_runs = 0;

        if (ledger_get_stamp(m->ledger, job->name, RUNS_STAMP, &n_runs) >= 0)
                job->n_runs += n_runs;
        if (ledger_query(m->ledger, &filter, load_last_run, &last, NULL) <= 0)
                return;
        job->last_start = last.record.started;
        job->last_end = last.record.ended;
        job->last_code = last.record.code;
        job->last_result = alarms_failure_is_forgotten(m, &last.record) ? RUN_RESULT_NONE : last.record.result;
        owned_run_done(&last);
}

/* NULL without memory. */
static char *format_problem(const Diagnostic *d) {
        char *text;
        int r = d->line > 0 ? asprintf(&text, "%s:%u: %s", d->file, d->line, d->message)
                            : asprintf(&text, "%s: %s", d->file, d->message);

        return r < 0 ? NULL : text;
}

/* Gives the job what was loaded for it; true when anything about it changed. */
static int job_update(Manager *m, Job *job, JobDef *def, const Diagnostic *problem) {
        _cleanup_free_ char *text = NULL;
        bool changed = job->gone || job->def != def;
        int r;

        text = problem ? format_problem(problem) : NULL;
        if (problem && !text)
                return -ENOMEM;
        job->problem_is_private = problem && problem->is_private;
        if (!streq_ptr(job->problem, text)) {
                free(job->problem);
                job->problem = TAKE_PTR(text);
                changed = true;
        }
        if (job->gone || job->def != def) {
                job->gone = false;
                job_def_ref(def);
                job_def_unref(job->def);
                job->def = def;
                r = triggers_set_job(m, job);
                if (r < 0)
                        return r;
                alarms_set_job(m, job);
                queues_redefine(m, job);
        }
        return changed;
}

static int job_add(Manager *m, const char *name, JobDef *def, const Diagnostic *problem, Job **ret) {
        _cleanup_(job_freep) Job *job = NULL;
        int r;

        r = job_new(&job, name);
        if (r < 0)
                return r;
        r = job_table_add(m->jobs, job);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(job);
        pauses_load(m, *ret);
        if (m->is_started)
                reload_load_last(m, *ret);
        r = job_update(m, *ret, def, problem);
        if (r < 0)
                return r;
        NOTIFY_OBSERVERS(m, job_new, *ret);
        return 0;
}

static int put_into_force(Manager *m, const LoadedJob *loaded) {
        Job *job = job_table_get(m->jobs, loaded->name);
        int r;

        if (!job)
                r = job_add(m, loaded->name, loaded->def, loaded->problem, &job);
        else {
                r = job_update(m, job, loaded->def, loaded->problem);
                if (r > 0)
                        NOTIFY_OBSERVERS(m, job_changed, job);
        }
        if (r < 0)
                return r;
        job->on_demand = false;
        job->generation = m->generation;
        return 0;
}

/* An instance without a file of its own lives as long as its template does. */
static void refresh_on_demand(Manager *m, Job *job) {
        _cleanup_(job_def_unrefp) JobDef *def = NULL;
        int r;

        r = job_loader_instantiate(m->loader, job->name, &def, NULL);
        if (r == -ENOENT)
                return;
        job->generation = m->generation;
        if (r < 0 || (!job->gone && job->def && job->def->digest == def->digest))
                return;
        r = job_update(m, job, def, NULL);
        if (r >= 0)
                NOTIFY_OBSERVERS(m, job_changed, job);
}

void reload_drop_job_if_over(Manager *m, Job *job) {
        if (!job->gone || !TAILQ_EMPTY(&job->live->runs))
                return;
        assert(job->n_running == 0 && job->n_queued == 0);
        alarms_remove_job(m, job);
        TELL_TRIGGERS(m, remove_job, job);
        NOTIFY_OBSERVERS(m, job_removed, job);
        job_table_remove(m->jobs, job);
}

static void drop_unseen_jobs(Manager *m) {
        for (size_t i = job_table_size(m->jobs); i > 0; i--) {
                Job *job = job_table_at(m->jobs, i - 1);

                if (job->on_demand && job->generation != m->generation)
                        refresh_on_demand(m, job);
                if (job->generation == m->generation)
                        continue;
                job->gone = true;
                TELL_TRIGGERS(m, remove_job, job);
                if (!TAILQ_EMPTY(&job->live->runs))
                        NOTIFY_OBSERVERS(m, job_changed, job);
                else
                        reload_drop_job_if_over(m, job);
        }
}

void reload_log_problems(const Diagnostics *diagnostics) {
        for (size_t i = 0; i < diagnostics->n_items; i++) {
                const Diagnostic *d = &diagnostics->items[i];
                LogContext c = { .message_id = MESSAGE_CONFIG_PROBLEM, .file = d->file, .line = d->line };
                _cleanup_free_ char *text = format_problem(d);

                log_message(LOG_ERR, &c, "%s", text ?: d->message);
        }
}

int reload_jobs(Manager *m) {
        const LoadedJob *loaded;
        size_t n;
        int r;

        m->loaded_at = turn_now(m->event).realtime;
        r = job_loader_load(m->loader, m->loaded_at);
        if (r < 0)
                return r;
        reload_log_problems(job_loader_diagnostics(m->loader));
        m->generation++;
        loaded = job_loader_jobs(m->loader, &n);
        for (size_t i = 0; i < n; i++) {
                r = put_into_force(m, &loaded[i]);
                if (r < 0)
                        return r;
        }
        job_loader_forget_jobs(m->loader);
        drop_unseen_jobs(m);
        pauses_start(m);
        return diagnostics_merge(&m->diagnostics, job_loader_diagnostics(m->loader));
}

int reload_add_once(Manager *m, const char *name, const Job **ret) {
        _cleanup_(job_def_unrefp) JobDef *def = NULL;
        _cleanup_(diagnostics_done) Diagnostics d = {};
        Job *job;
        int r;

        r = job_loader_add_once(m->loader, name, turn_now(m->event).realtime, &d, &def);
        if (r < 0)
                return r;
        r = job_add(m, name, def, NULL, &job);
        if (r < 0) {
                job_loader_remove(m->loader, name);
                return r;
        }
        job->generation = m->generation;
        *ret = job;
        NOTIFY_OBSERVERS(m, summary_changed);
        return 0;
}

int reload_get_job(Manager *m, const char *name, Job **ret) {
        _cleanup_(job_def_unrefp) JobDef *def = NULL;
        Job *job = job_table_get(m->jobs, name);
        int r;

        if (!job) {
                if (!job_name_is_valid(name))
                        return -ENOENT;
                if (job_table_size(m->jobs) >= LOADER_JOBS_MAX)
                        return -ENOBUFS;
                r = job_loader_instantiate(m->loader, name, &def, NULL);
                if (r == -EINVAL)
                        return -ENOEXEC;
                if (r < 0)
                        return r;
                r = job_add(m, name, def, NULL, &job);
                if (r < 0)
                        return r;
                job->on_demand = true;
                pauses_start(m);
                NOTIFY_OBSERVERS(m, summary_changed);
        }
        if (job->gone)
                return -ENOENT;
        if (!job->def)
                return -ENOEXEC;
        *ret = job;
        return 0;
}

int reload_get_job_or_placeholder(Manager *m, const char *name, Job **ret) {
        _cleanup_(job_def_unrefp) JobDef *def = NULL;
        int r;

        r = reload_get_job(m, name, ret);
        if (r >= 0 || r == -ENOMEM)
                return r;
        *ret = job_table_get(m->jobs, name);
        if (*ret)
                return 0;
        /* Not with a definition that could be started: it says nothing but what the job was called. */
        r = job_def_new(&def, name);
        if (r >= 0)
                r = job_add(m, name, def, NULL, ret);
        if (r >= 0)
                (*ret)->gone = true;
        return r;
}

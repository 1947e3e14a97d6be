/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Puts the parts of the manager together, starts and stops it, and answers clients. Nothing in core/ calls this file,
 * and no file of core/ calls one that stands above it: src/README.md has their order. What goes upwards all the same
 * goes through Listeners, the executor's callbacks, the table of trigger kinds, and observers. */

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>

#include "core/absences.h"
#include "core/alarms.h"
#include "core/conditions.h"
#include "core/deadlines.h"
#include "core/drain.h"
#include "core/follow-ups.h"
#include "core/manager-body.h"
#include "core/once.h"
#include "core/outbox.h"
#include "core/pauses.h"
#include "core/pools.h"
#include "core/queues.h"
#include "core/reload.h"
#include "core/runs.h"
#include "core/take-over.h"
#include "core/triggers.h"
#include "util/log-messages.h"
#include "util/log.h"

#define RUNS_DUMPED_MAX 1000

/* Reads vaktd.conf over the current settings; errors go into the diagnostics. At a reload, what was good before
 * stays: then nothing is taken from files with errors. */
static int load_settings(Manager *m, bool is_reload) {
        Settings s;
        int r;

        settings_init(&s);
        r = settings_load(&s, m->options.config_path, m->options.owner, &m->diagnostics);
        diagnostics_find_private(&m->diagnostics);
        reload_log_problems(&m->diagnostics);
        m->n_setting_problems = m->diagnostics.n_items;
        if (r < 0 || (is_reload && r == SETTINGS_PARTIAL)) {
                settings_done(&s);
                return r;
        }
        if (r == SETTINGS_PARTIAL)
                log_warning("Ignoring lines of vaktd.conf with errors: their settings have defaults. Fix "
                            "them and reload.");
        settings_done(&m->settings);
        m->settings = s;
        if (m->options.log_level >= 0)
                log_set_max_level(m->options.log_level);
        else if (s.log_level >= 0)
                log_set_max_level(s.log_level);
        return 0;
}

/* Units where a service manager runs us and answers. A daemon that somebody starts by hand has children: its runs
 * would get into the way of those of the service, whose numbers they share. */
static ExecutorChoice choose_executor(const Manager *m) {
        ExecutorChoice choice = m->options.executor >= 0 ? (ExecutorChoice)m->options.executor : m->settings.executor;

        if (choice != EXECUTOR_AUTO)
                return choice;
        return getenv("INVOCATION_ID") && unit_executor_is_available(m->options.user_instance) ? EXECUTOR_UNIT
                                                                                               : EXECUTOR_CHILD;
}

static int open_executor(Manager *m) {
        ExecutorOptions *o = &m->executor_options;
        int r;

        *o = (ExecutorOptions){
                .callbacks = *runs_callbacks(),
                .userdata = m,
                .user_instance = m->options.user_instance,
                .runtime_dir = m->options.runtime_dir,
        };
        o->callbacks.drained = drain_executor_done;
        o->callbacks.found = take_over_found;
        o->callbacks.forgotten = take_over_forgotten;
        o->callbacks.surveyed = take_over_surveyed;
        r = choose_executor(m) == EXECUTOR_UNIT ? unit_executor_new(&m->executor, m->event, o)
                                                : child_executor_new(&m->executor, m->event, o);
        if (r == -EHOSTDOWN)
                log_error("Executor=unit is set, but there is no service manager; use "
                          "Executor=auto or child.");
        return r;
}

/* TZ= of our environment is the local zone then, as everywhere. */
static int open_zones(Manager *m) {
        const char *tz = getenv("TZ");
        int r;

        r = zone_cache_new(NULL, &m->zones);
        if (r < 0)
                return r;
        (void)zone_cache_local(m->zones); /* read now, while there surely is memory for it */
        if (isempty(tz))
                return 0;
        r = zone_cache_set_local(m->zones, tz + (tz[0] == ':'));
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                log_warning_errno(r, "TZ=%s is not a time zone of this system, using /etc/localtime", tz);
        return 0;
}

/* It is called in the middle of something. */
static void on_ledger_recovered(bool is_readable, void *userdata) {
        Manager *m = userdata;

        if (is_readable)
                (void)sd_event_source_set_enabled(m->readable_source, SD_EVENT_ONESHOT);
        else
                once_look_at_all(m);
}

static int open_ledger(Manager *m) {
        _cleanup_free_ char *message = NULL;
        int r;

        r = ledger_open(&m->ledger, m->event, m->options.state_dir, &message);
        if (r < 0) {
                log_message(LOG_ERR, (&(LogContext){ .error = -r }), "Cannot open the ledger in %s: %s",
                            m->options.state_dir, message ?: strerror(-r));
                return r;
        }
        ledger_on_recovery(m->ledger, on_ledger_recovered, m);
        ledger_on_turn_end(m->ledger, runs_start_at_once, m);
        r = values_new(&m->values, m->ledger);
        if (r < 0)
                return r;
        pauses_load_all(m);
        return 0;
}

static void retention_of_job(const char *name, unsigned *keep, usec_t *keep_usec, void *userdata) {
        const Manager *m = userdata;
        const Job *job = job_table_get(m->jobs, name);

        if (!job || !job->def)
                return;
        if (job->def->rare->history_keep > 0)
                *keep = job->def->rare->history_keep;
        if (job->def->rare->history_keep_usec > 0)
                *keep_usec = job->def->rare->history_keep_usec;
}

static void set_retention(Manager *m) {
        ledger_set_retention(m->ledger, m->settings.history_keep, m->settings.history_keep_usec, retention_of_job, m);
}

/* Before any client can ask for anything, and before anything is planned: never two at once holds from the first
 * request on, and an interval that counts from the end of a run stands still while one goes on. */
static void load_what_was(Manager *m) {
        int r;

        for (size_t i = 0; i < job_table_size(m->jobs); i++)
                reload_load_last(m, job_table_at(m->jobs, i));
        alarms_load(m);
        m->is_unread_of_jobs = ledger_is_unread(m->ledger);
        r = take_over_runs(m);
        m->is_unread = r < 0;
        conditions_jobs_loaded(m);
        (void)values_load(m->values);
        if (r < 0)
                log_warning_errno(r,
                                  "Cannot read from the ledger what an earlier daemon left: %m; trying again when it "
                                  "can be read");
}

/* What stands in a ledger that could not be read at start counts from now on. */
static int on_readable(sd_event_source *source, void *userdata) {
        Manager *m = userdata;

        pauses_reload(m);
        load_what_was(m);
        once_plan_anew(m);
        if (!m->is_unread)
                TELL_TRIGGERS(m, hold, /* hold= */ !m->is_surveyed || m->stopping);
        return 0;
}

static int open_parts(Manager *m) {
        LoaderTarget target;
        int r;

        r = job_table_new(&m->jobs);
        if (r >= 0)
                r = open_zones(m);
        if (r >= 0)
                r = open_executor(m);
        if (r < 0)
                return r;
        target = !m->executor->ops->outlives_daemon ? LOADER_FOR_CHILDREN
                 : m->options.user_instance         ? LOADER_FOR_USER_UNITS
                                                    : LOADER_FOR_UNITS;
        r = once_init(m);
        if (r >= 0)
                r = job_loader_new(&m->loader, once_job_dirs(m), m->options.owner, m->zones, target,
                                   m->options.state_dir);
        if (r < 0)
                return r;
        job_loader_set_once(m->loader);
        r = deadlines_init(m);
        if (r >= 0)
                r = conditions_init(m);
        if (r >= 0)
                r = pools_init(m);
        if (r >= 0)
                r = pauses_init(m);
        if (r >= 0)
                r = outbox_init(m);
        if (r >= 0)
                r = event_add_deferred(m->event, &m->readable_source, "ledger-readable", on_readable, m);
        if (r >= 0)
                r = drain_init(m);
        return r < 0 ? r : runs_init(m);
}

static const Listeners listeners = {
        .run_ended = runs_deal_with_end,
        .alarm_raised = follow_up_alarm,
};

int manager_new(Manager **ret, sd_event *event, const ManagerOptions *options) {
        _cleanup_(manager_freep) Manager *m = NULL;
        char host[HOST_NAME_MAX + 1] = "";
        int r;

        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->listeners = &listeners;
        TAILQ_INIT(&m->live.all);
        m->event = sd_event_ref(event);
        m->take_over.deadline.position = HEAP_NONE;
        m->options = *options;
        (void)gethostname(host, sizeof(host) - 1);
        m->host = strdup(host);
        if (!m->host)
                return -ENOMEM;
        r = load_settings(m, /* is_reload= */ false);
        if (r < 0)
                return r;
        r = open_parts(m);
        if (r < 0)
                return log_error_errno(r, "Cannot set up the daemon: %m");
        r = open_ledger(m);
        if (r < 0)
                return r;
        r = triggers_init(m);
        if (r < 0)
                return log_error_errno(r, "Cannot set up the triggers: %m");
        ledger_read_ahead(m->ledger); /* until manager_start() has ended */
        r = reload_jobs(m);
        if (r < 0)
                return log_error_errno(r, "Cannot load the job files: %m");
        set_retention(m);
        load_what_was(m);
        *ret = TAKE_PTR(m);
        return 0;
}

Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;
        m->n_observers = 0;
        if (m->outbox)
                runs_empty_outbox(m);
        if (m->jobs && m->ledger)
                TELL_TRIGGERS(m, flush);
        runs_free_all(m);
        outbox_done(m);
        drain_done(m);
        conditions_close_values(m);
        m->ledger = ledger_close(m->ledger); /* asks for the retention of jobs one last time */
        triggers_done(m);
        for (size_t i = 0; m->jobs && i < job_table_size(m->jobs); i++) {
                alarms_remove_job(m, job_table_at(m->jobs, i));
                queues_settle(job_table_at(m->jobs, i));
        }
        conditions_done(m);
        values_free(m->values);
        job_table_free(m->jobs);
        pools_done(m);
        take_over_done(m);
        deadlines_done(m);
        sd_event_source_disable_unref(m->resume_source);
        sd_event_source_disable_unref(m->readable_source);
        executor_free(m->executor);
        executor_free(m->former_executor);
        once_done(m);
        job_loader_free(m->loader);
        zone_cache_free(m->zones);
        diagnostics_done(&m->diagnostics);
        settings_done(&m->settings);
        free(m->host);
        sd_event_unref(m->event);
        return mfree(m);
}

/* A load needs memory that nothing needs afterwards. */
static void give_memory_back(Manager *m) {
        ledger_end_read_ahead(m->ledger);
        (void)malloc_trim(0);
}

int manager_start(Manager *m) {
        int r;

        assert(!m->is_started && !m->stopping);
        m->started_at = turn_now(m->event).realtime;
        absences_look(m); /* it says who was not there when the last daemon was */
        m->is_started = true;
        r = triggers_start(m);
        if (r < 0)
                return r;
        give_memory_back(m);
        take_over_start(m);
        queues_pump(m);
        return 0;
}

void manager_stop(Manager *m, void (*done)(void *userdata), void *userdata) {
        runs_empty_outbox(m);
        m->stopping = true;
        TELL_TRIGGERS(m, hold, /* hold= */ true);
        drain_begin(m, done, userdata);
}

int manager_observe(Manager *m, const ManagerObserver *o) {
        if (m->n_observers == OBSERVERS_MAX)
                return -ENOSPC;
        m->observers[m->n_observers++] = *o;
        return 0;
}

static void log_reloaded(const Manager *m) {
        const size_t n_jobs = job_table_size(m->jobs), n_problems = m->diagnostics.n_items;
        LogContext c = { .message_id = MESSAGE_RELOADED };

        if (n_problems == 0)
                log_message(LOG_INFO, &c, "Reloaded: %zu job%s.", n_jobs, PLURAL(n_jobs));
        else
                log_message(LOG_WARNING, &c,
                            "Reloaded: %zu job%s, %zu problem%s in files; previous valid versions stay in use.",
                            n_jobs, PLURAL(n_jobs), n_problems, PLURAL(n_problems));
}

int manager_reload(Manager *m) {
        int r;

        diagnostics_done(&m->diagnostics);
        (void)load_settings(m,
                            /* is_reload= */ true); /* an invalid file leaves the current settings, and a diagnostic */
        r = pools_configure(m);
        if (r < 0)
                log_error_errno(r, "Cannot apply the pools of vaktd.conf: %m; reload when there is more memory");
        queues_pump(m);
        TELL_TRIGGERS(m, reload);
        r = reload_jobs(m);
        if (r < 0)
                return log_error_errno(r, "Cannot load the job files: %m; previous versions stay in use");
        set_retention(m);
        absences_look(m);
        give_memory_back(m);
        once_look_at_all(m);
        if (m->take_over.has_left_runs)
                (void)take_over_runs(m);
        log_reloaded(m);
        NOTIFY_OBSERVERS(m, reloaded, &m->diagnostics);
        NOTIFY_OBSERVERS(m, summary_changed);
        return 0;
}

int manager_request(Manager *m, const char *name, const RunRequest *request, const RunRecord **ret) {
        uint64_t id;
        Job *job;
        int r;

        if (m->stopping)
                return -ESHUTDOWN;
        r = reload_get_job(m, name, &job);
        if (r < 0)
                return r;
        if (!job->def->enabled)
                return -EBADF;
        r = request->cause == RUN_CAUSE_MANUAL ? triggers_request(m, job, request, &id) : 0;
        if (r == 0)
                r = runs_request(m, job, request, /* payload= */ NULL, &id);
        if (r < 0)
                return r;
        /* Who asked is told only of what is written. */
        runs_empty_outbox(m);
        if (!runs_start_at_once(m))
                (void)ledger_commit(m->ledger);
        *ret = manager_get_run(m, id);
        return *ret ? 0 : -EIO;
}

/* --- answers --- */

JobTable *manager_jobs(Manager *m) {
        return m->jobs;
}

const Diagnostics *manager_diagnostics(Manager *m) {
        return &m->diagnostics;
}

const char *manager_ledger_error(Manager *m) {
        const char *message = NULL;

        (void)ledger_state(m->ledger, &message);
        return message;
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

usec_t manager_loaded_at(const Manager *m) {
        return m->loaded_at;
}

int manager_unchanged_directories(Manager *m, UnchangedVisit visit, void *userdata) {
        return job_loader_unchanged(m->loader, visit, userdata);
}

const ManagerOptions *manager_options(const Manager *m) {
        return &m->options;
}

const RunRecord *manager_get_run(Manager *m, uint64_t id) {
        const LiveRun *run = live_find(&m->live, id);

        return run ? &run->record : ledger_get(m->ledger, id);
}

typedef struct ListWalk {
        const Manager *manager;
        int (*visit)(const RunRecord *r, void *userdata);
        void *userdata;
} ListWalk;

/* What the ledger remembers of a run that goes on may be older than what we know. */
static int visit_current(const RunRecord *r, void *userdata) {
        const ListWalk *w = userdata;
        const LiveRun *run = live_find(&w->manager->live, r->id);

        return w->visit(run ? &run->record : r, w->userdata);
}

int manager_list_runs(Manager *m, const char *job, uint64_t before, unsigned limit,
                      int (*visit)(const RunRecord *r, void *userdata), void *userdata) {
        ListWalk w = { .manager = m, .visit = visit, .userdata = userdata };

        return ledger_list(m->ledger, job, before, limit, visit_current, &w);
}

int manager_query_runs(Manager *m, const LedgerFilter *filter, int (*visit)(const RunRecord *r, void *userdata),
                       void *userdata, uint64_t *ret_next) {
        ListWalk w = { .manager = m, .visit = visit, .userdata = userdata };

        return ledger_query(m->ledger, filter, visit_current, &w, ret_next);
}

int manager_list_live_runs(const Manager *m, unsigned limit, int (*visit)(const RunRecord *r, void *userdata),
                           void *userdata) {
        for (unsigned pass = 0; pass < 2; pass++) {
                const LiveRun *run;

                TAILQ_FOREACH(run, &m->live.all, all) {
                        int r;

                        if (run_goes_on(run) != (pass == 0))
                                continue;
                        if (limit-- == 0)
                                return 0;
                        r = visit(&run->record, userdata);
                        if (r != 0)
                                return r;
                }
        }
        return 0;
}

const char *manager_executor(const Manager *m) {
        return m->executor->ops->name;
}

/* --- for people --- */

/* One that is paused by name is not next. */
static const Job *next_job(const Manager *m) {
        const Job *next = NULL;

        for (size_t i = 0; i < job_table_size(m->jobs); i++) {
                const Job *job = job_table_at(m->jobs, i);

                if (!job->paused_alone && job->next < (next ? next->next : USEC_INFINITY))
                        next = job;
        }
        return next;
}

void manager_dump(Manager *m) {
        const Job *next = next_job(m);
        const char *ledger = NULL;
        const LiveRun *run;
        size_t n = 0;

        if (ledger_state(m->ledger, &ledger) != LEDGER_OK)
                log_notice("State: %s", ledger);
        log_notice("State: jobs %zu, running %u, waiting %u, problems in files %zu, executor %s, next job %s.",
                   job_table_size(m->jobs), m->n_running, m->n_queued, m->diagnostics.n_items, m->executor->ops->name,
                   next ? next->name : "none");
        TAILQ_FOREACH(run, &m->live.all, all) {
                const RunRecord *r = &run->record;
                LogContext c = { .job = r->job, .run = r->id };

                if (n++ == RUNS_DUMPED_MAX) {
                        log_notice("State: %zu more runs.", (size_t)m->live.by_id.n_nodes - RUNS_DUMPED_MAX);
                        break;
                }
                log_message(LOG_NOTICE, &c, "State: run %" PRIu64 " is %s (%s), pid %d.", r->id,
                            run_state_to_string(r->state), run_cause_to_string(r->cause), r->pid);
        }
}

char *manager_status(Manager *m, char buf[static MANAGER_STATUS_MAX], usec_t now_realtime_usec) {
        const Job *next = next_job(m);
        size_t n_jobs = job_table_size(m->jobs), n_failed = 0;
        const char *message;
        char at[64] = "";
        struct tm tm;

        if (next) {
                time_t seconds = (time_t)(MAX(next->next, now_realtime_usec) / USEC_PER_SEC);

                if (localtime_r(&seconds, &tm))
                        (void)strftime(at, sizeof(at), "%a %Y-%m-%d %H:%M:%S %Z", &tm);
        }
        if (at[0] != '\0')
                (void)snprintf(buf, MANAGER_STATUS_MAX, "%zu job%s, %u running, next %s at %s%s", n_jobs,
                               PLURAL(n_jobs), m->n_running, next->name, at, next->skip > 0 ? " (skipped)" : "");
        else
                (void)snprintf(buf, MANAGER_STATUS_MAX, "%zu job%s, %u running", n_jobs, PLURAL(n_jobs), m->n_running);
        if (m->n_setting_problems > 0)
                (void)snprintf(buf + strlen(buf), MANAGER_STATUS_MAX - strlen(buf), "; vaktd.conf has errors");
        for (size_t i = 0; i < n_jobs; i++)
                n_failed += run_result_is_failure(job_table_at(m->jobs, i)->last_result);
        if (n_failed > 0)
                (void)snprintf(buf + strlen(buf), MANAGER_STATUS_MAX - strlen(buf), "; %zu failed", n_failed);
        if (m->diagnostics.n_items > 0)
                (void)snprintf(buf + strlen(buf), MANAGER_STATUS_MAX - strlen(buf), "; %zu problem%s in files",
                               m->diagnostics.n_items, PLURAL(m->diagnostics.n_items));
        if (m->paused)
                (void)snprintf(buf + strlen(buf), MANAGER_STATUS_MAX - strlen(buf), "; all paused");
        if (ledger_state(m->ledger, &message) != LEDGER_OK)
                (void)snprintf(buf + strlen(buf), MANAGER_STATUS_MAX - strlen(buf), "; the ledger is only in memory");
        return buf;
}

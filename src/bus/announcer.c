/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Signals are not sent from within the manager's calls but from the next loop turn, from one queue that keeps their
 * order and merges the changes of one object; so a second with a thousand runs, or a reload of ten thousand jobs,
 * causes no more signals than necessary. They are sent in batches with a pause in between, in which the clients can
 * read: a client is dropped only if it does not keep up with that. If no client listens, nothing is queued.
 *
 * Changes of properties pass at once, and then there is a window in which others are held, so that a job that runs a
 * thousand times a second costs the bus no thousand changes of the job and of the manager. That a run has started or
 * ended is never held, nor what has changed in it when it ends. */

#include "bus/announcer.h"

#include "bus/follow.h"
#include "bus/object-path.h"
#include "bus/signal-queue.h"
#include "bus/text.h"
#include "util/log.h"
#include "util/turn.h"

#define BATCH_MAX   256 /* signals and audiences together, a batch */
#define FLUSH_MAX   10000
#define BATCH_PAUSE (5 * USEC_PER_MSEC)
#define WINDOW      (50 * USEC_PER_MSEC) /* in which changes are held */

struct Announcer {
        const ApiContext *api;
        Audience audience;
        SignalQueue *queue, *held; /* held: changes */
        usec_t window_began;       /* CLOCK_MONOTONIC, a turn of the loop, whose changes all pass */
        sd_event_source *soon;     /* deferred: the first batch */
        sd_event_source *later;    /* timer: the next one */
        sd_event_source *release;  /* timer: the window ends, and something is held */
        uint64_t n_lost;
};

/* --- one signal to one connection --- */

static int send_job(Connection *c, const Signal *s, const char *member, const char *path) {
        return sd_bus_emit_signal(c->bus, MANAGER_PATH, "org.vaktd1.Manager", member, "so", s->job, path);
}

static int send_run_started(Connection *c, const Signal *s, const char *member, const char *path) {
        return sd_bus_emit_signal(c->bus, MANAGER_PATH, "org.vaktd1.Manager", member, "tso", s->run, s->job, path);
}

static int send_run_finished(Connection *c, const Signal *s, const char *member, const char *path) {
        _cleanup_free_ char *copy = NULL;
        const char *reason = text_fit(s->reason, TEXT_IN_LIST_MAX, &copy);

        if (!reason)
                return -ENOMEM;
        return sd_bus_emit_signal(c->bus, MANAGER_PATH, "org.vaktd1.Manager", member, "tsosis", s->run, s->job, path,
                                  run_result_to_string(s->result), s->code, reason);
}

static int send_alarm_raised(Connection *c, const Signal *s, const char *member, const char *path) {
        _cleanup_free_ char *key_copy = NULL, *copy = NULL;
        const char *key = text_fit(s->key, TEXT_IN_LIST_MAX, &key_copy);
        const char *message = text_fit(s->reason, TEXT_IN_LIST_MAX, &copy);

        if (!key || !message)
                return -ENOMEM;
        return sd_bus_emit_signal(c->bus, MANAGER_PATH, "org.vaktd1.Manager", member, "ssts", s->job, key, s->run,
                                  message);
}

static int send_alarm_cleared(Connection *c, const Signal *s, const char *member, const char *path) {
        _cleanup_free_ char *copy = NULL;
        const char *key = text_fit(s->key, TEXT_IN_LIST_MAX, &copy);

        if (!key)
                return -ENOMEM;
        return sd_bus_emit_signal(c->bus, MANAGER_PATH, "org.vaktd1.Manager", member, "ss", s->job, key);
}

static int send_reloaded(Connection *c, const Signal *s, const char *member, const char *path) {
        return sd_bus_emit_signal(c->bus, MANAGER_PATH, "org.vaktd1.Manager", member, "u", s->problems);
}

static int send_values_changed(Connection *c, const Signal *s, const char *member, const char *path) {
        return sd_bus_emit_signal(c->bus, MANAGER_PATH, "org.vaktd1.Manager", member, NULL);
}

static int send_job_changed(Connection *c, const Signal *s, const char *member, const char *path) {
        return sd_bus_emit_properties_changed_strv(c->bus, path, "org.vaktd1.Job", /* names= */ NULL);
}

static int send_run_changed(Connection *c, const Signal *s, const char *member, const char *path) {
        return sd_bus_emit_properties_changed_strv(c->bus, path, "org.vaktd1.Run", /* names= */ NULL);
}

static int send_manager_changed(Connection *c, const Signal *s, const char *member, const char *path) {
        return sd_bus_emit_properties_changed(c->bus, MANAGER_PATH, "org.vaktd1.Manager", "Jobs", "Running", "Queued",
                                              "Paused", NULL);
}

typedef enum SignalAbout {
        ABOUT_MANAGER,
        ABOUT_JOB,
        ABOUT_RUN,
} SignalAbout;

static const struct {
        SignalAbout about;
        const char *member; /* of org.vaktd1.Manager; NULL: PropertiesChanged of the object itself */
        int (*send)(Connection *c, const Signal *s, const char *member, const char *path);
} signal_table[_SIGNAL_KIND_MAX] = {
        [SIGNAL_JOB_NEW] = { ABOUT_JOB, "JobNew", send_job },
        [SIGNAL_JOB_REMOVED] = { ABOUT_JOB, "JobRemoved", send_job },
        [SIGNAL_RUN_STARTED] = { ABOUT_RUN, "RunStarted", send_run_started },
        [SIGNAL_RUN_FINISHED] = { ABOUT_RUN, "RunFinished", send_run_finished },
        [SIGNAL_ALARM_RAISED] = { ABOUT_JOB, "AlarmRaised", send_alarm_raised },
        [SIGNAL_ALARM_CLEARED] = { ABOUT_JOB, "AlarmCleared", send_alarm_cleared },
        [SIGNAL_RELOADED] = { ABOUT_MANAGER, "Reloaded", send_reloaded },
        [SIGNAL_JOB_CHANGED] = { ABOUT_JOB, NULL, send_job_changed },
        [SIGNAL_RUN_CHANGED] = { ABOUT_RUN, NULL, send_run_changed },
        [SIGNAL_MANAGER_CHANGED] = { ABOUT_MANAGER, NULL, send_manager_changed },
        [SIGNAL_VALUES_CHANGED] = { ABOUT_MANAGER, "ValuesChanged", send_values_changed },
};

/* --- one signal to all --- */

typedef struct Announcement {
        const Signal *signal;
        const char *path; /* of the object that it is about */
        MatchSubject subject;
        unsigned n_sent;
} Announcement;

static void announce_to(Connection *c, void *userdata) {
        Announcement *a = userdata;
        int r;

        if (!c->wants(c, &a->subject))
                return;
        r = signal_table[a->signal->kind].send(c, a->signal, signal_table[a->signal->kind].member, a->path);
        if (r < 0) {
                log_debug_errno(r, "Cannot send a signal, ignoring: %m");
                return;
        }
        a->n_sent++;
        if (c->sent)
                c->sent(c);
}

/* False if the object no longer exists. A run is in the ledger, which sd-bus asks for it. */
static bool signal_is_current(const Announcer *a, const Signal *s) {
        return s->kind != SIGNAL_JOB_CHANGED || job_table_get(manager_jobs(a->api->manager), s->job);
}

/* Returns the number of signals that were sent. */
static unsigned announce(Announcer *a, const Signal *s) {
        static const char *const senders[] = { "org.vaktd1", ":1.0", NULL };
        const char *member = signal_table[s->kind].member;
        char path[OBJECT_PATH_MAX] = MANAGER_PATH;
        Announcement announcement = { .signal = s, .path = path };

        if (!signal_is_current(a, s))
                return 0;
        if (signal_table[s->kind].about == ABOUT_JOB)
                (void)job_object_path(path, s->job);
        else if (signal_table[s->kind].about == ABOUT_RUN)
                (void)run_object_path(path, s->run);
        announcement.subject = (MatchSubject){
                .path = member ? MANAGER_PATH : path,
                .interface = member ? "org.vaktd1.Manager" : "org.freedesktop.DBus.Properties",
                .member = member ?: "PropertiesChanged",
                .senders = senders,
        };
        if (s->kind == SIGNAL_RUN_FINISHED)
                followers_finish(a->api->followers, s->run);
        a->audience.each(a->audience.userdata, announce_to, &announcement);
        return announcement.n_sent;
}

/* Announces up to max signals; a signal without a listener counts, too, because every listener is checked for it. */
static void announce_batch(Announcer *a, size_t max) {
        for (size_t n = 0; n < max;) {
                _cleanup_free_ Signal *s = signal_queue_pop(a->queue);

                if (!s)
                        break;
                n += 1 + announce(a, s);
        }
        a->audience.shed(a->audience.userdata);
        if (a->n_lost > 0) {
                log_warning("%" PRIu64 " signals to clients were dropped because too many were waiting.", a->n_lost);
                a->n_lost = 0;
        }
}

/* To the queue, which merges them with those in it. */
static void release_held(Announcer *a) {
        while (signal_queue_size(a->held) > 0) {
                _cleanup_free_ Signal *s = signal_queue_pop(a->held);

                if (signal_queue_push(a->queue, s) < 0)
                        a->n_lost++;
        }
}

void announcer_flush(Announcer *a) {
        release_held(a);
        announce_batch(a, FLUSH_MAX);
}

/* Both sources: the deferred one and the timer. */
static int announce_next(Announcer *a) {
        int r;

        announce_batch(a, BATCH_MAX);
        if (signal_queue_size(a->queue) == 0)
                return 0;
        r = sd_event_source_set_time_relative(a->later, BATCH_PAUSE);
        if (r >= 0)
                r = sd_event_source_set_enabled(a->later, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error_errno(r, "Cannot wait to send the next signals: %m");
        return 0;
}

static int on_soon(sd_event_source *s, void *userdata) {
        return announce_next(userdata);
}

static int on_later(sd_event_source *s, uint64_t usec, void *userdata) {
        return announce_next(userdata);
}

static void announce_soon(Announcer *a) {
        int r;

        if (sd_event_source_get_enabled(a->later, NULL) > 0)
                return;
        r = sd_event_source_set_enabled(a->soon, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error_errno(r, "Cannot wait to send signals: %m");
}

static int on_release(sd_event_source *s, uint64_t usec, void *userdata) {
        Announcer *a = userdata;

        a->window_began = turn_now(a->api->event).monotonic;
        release_held(a);
        announce_soon(a);
        return 0;
}

/* --- the observer --- */

/* False when it will not be announced. */
static bool push_to(Announcer *a, SignalQueue *q, const Signal *s) {
        if (*a->api->n_listening == 0)
                return false;
        if (signal_queue_push(q, s) < 0) {
                a->n_lost++;
                return false;
        }
        return true;
}

static bool announcer_push(Announcer *a, const Signal *s) {
        if (!push_to(a, a->queue, s))
                return false;
        announce_soon(a);
        return true;
}

static void hold(Announcer *a, const Signal *s) {
        int r;

        if (!push_to(a, a->held, s) || sd_event_source_get_enabled(a->release, NULL) > 0)
                return;
        r = sd_event_source_set_time(a->release, a->window_began + WINDOW);
        if (r >= 0)
                r = sd_event_source_set_enabled(a->release, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error_errno(r, "Cannot wait to send changes: %m");
}

static void announcer_change(Announcer *a, const Signal *s) {
        usec_t now = turn_now(a->api->event).monotonic;

        if (now != a->window_began && usec_sub(now, a->window_began) < WINDOW) {
                hold(a, s);
                return;
        }
        a->window_began = now;
        announcer_push(a, s);
}

static void on_job_new(void *userdata, const Job *j) {
        announcer_push(userdata, &(Signal){ .kind = SIGNAL_JOB_NEW, .job = j->name });
}

static void on_job_removed(void *userdata, const Job *j) {
        announcer_push(userdata, &(Signal){ .kind = SIGNAL_JOB_REMOVED, .job = j->name });
}

static void on_job_changed(void *userdata, const Job *j) {
        announcer_change(userdata, &(Signal){ .kind = SIGNAL_JOB_CHANGED, .job = j->name });
}

static void on_run_changed(void *userdata, const RunRecord *r) {
        announcer_change(userdata, &(Signal){ .kind = SIGNAL_RUN_CHANGED, .run = r->id });
}

static void on_run_started(void *userdata, const RunRecord *r) {
        announcer_push(userdata, &(Signal){ .kind = SIGNAL_RUN_STARTED, .run = r->id, .job = r->job });
        on_run_changed(userdata, r);
}

static void on_run_finished(void *userdata, const RunRecord *r) {
        const Signal changed = { .kind = SIGNAL_RUN_CHANGED, .run = r->id };
        const Signal finished = {
                .kind = SIGNAL_RUN_FINISHED,
                .run = r->id,
                .job = r->job,
                .result = r->result,
                .code = r->code,
                .reason = r->reason,
        };
        Announcer *a = userdata;

        signal_queue_forget(a->held, &changed);
        announcer_push(a, &changed);
        if (!announcer_push(a, &finished))
                followers_finish(a->api->followers, r->id);
}

static void on_run_output(void *userdata, const RunRecord *r, const char *line, size_t n, bool is_stderr) {
        const Announcer *a = userdata;

        followers_output(a->api->followers, r->id, line, n, is_stderr);
}

/* The job's property Alarms changes, too. */
static void on_alarm_raised(void *userdata, const Job *j, const LedgerAlarm *alarm) {
        const Signal raised = {
                .kind = SIGNAL_ALARM_RAISED,
                .job = j->name,
                .key = alarm->key,
                .run = alarm->run,
                .reason = alarm->text,
        };

        announcer_push(userdata, &raised);
        on_job_changed(userdata, j);
}

static void on_alarm_cleared(void *userdata, const Job *j, const char *key) {
        announcer_push(userdata, &(Signal){ .kind = SIGNAL_ALARM_CLEARED, .job = j->name, .key = key });
        on_job_changed(userdata, j);
}

static void on_reloaded(void *userdata, const Diagnostics *d) {
        announcer_push(userdata, &(Signal){ .kind = SIGNAL_RELOADED, .problems = (unsigned)d->n_items });
}

static void on_summary_changed(void *userdata) {
        announcer_change(userdata, &(Signal){ .kind = SIGNAL_MANAGER_CHANGED });
}

static void on_values_changed(void *userdata) {
        announcer_change(userdata, &(Signal){ .kind = SIGNAL_VALUES_CHANGED });
}

int announcer_new(Announcer **ret, const ApiContext *api, const Audience *audience) {
        _cleanup_(announcer_freep) Announcer *a = NULL;
        int r;

        assert(ret);

        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        a->api = api;
        a->audience = *audience;
        r = signal_queue_new(&a->queue);
        if (r >= 0)
                r = signal_queue_new(&a->held);
        if (r < 0)
                return r;
        r = event_add_deferred(api->event, &a->soon, "bus-signals-soon", on_soon, a);
        if (r >= 0)
                r = event_add_timer(api->event, &a->later, "bus-signals-later", CLOCK_MONOTONIC, /* accuracy= */ 1,
                                    on_later, a);
        if (r >= 0)
                r = event_add_timer(api->event, &a->release, "bus-signals-release", CLOCK_MONOTONIC, /* accuracy= */ 1,
                                    on_release, a);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(a);
        return 0;
}

int announcer_start(Announcer *a) {
        const ManagerObserver observer = {
                .job_new = on_job_new,
                .job_removed = on_job_removed,
                .job_changed = on_job_changed,
                .run_new = on_run_changed,
                .run_changed = on_run_changed,
                .run_started = on_run_started,
                .run_finished = on_run_finished,
                .run_output = on_run_output,
                .alarm_raised = on_alarm_raised,
                .alarm_cleared = on_alarm_cleared,
                .reloaded = on_reloaded,
                .summary_changed = on_summary_changed,
                .values_changed = on_values_changed,
                .userdata = a,
        };

        return manager_observe(a->api->manager, &observer);
}

Announcer *announcer_free(Announcer *a) {
        if (!a)
                return NULL;
        sd_event_source_disable_unref(a->soon);
        sd_event_source_disable_unref(a->later);
        sd_event_source_disable_unref(a->release);
        signal_queue_free(a->queue);
        signal_queue_free(a->held);
        return mfree(a);
}

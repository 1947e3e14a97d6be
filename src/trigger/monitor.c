/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Monitors: [Monitor] of a job, by the states of monitor-state.c. A run is asked for when one is raised, and again
 * every EverySec=; the jobs of OnClear= when it is over. A run is given what was measured then, in its environment,
 * and keeps that over restarts and through all its tries.
 *
 * The state is kept in the ledger, in the transaction of what it leads to, as stamps of the job:
 *
 *     "monitor-when"      not a time: a hash of When=, of which all this is; of another one it counts for nothing
 *     "monitor-holds"     since when that is true: pending or raised
 *     "monitor-raised"    since when it is raised
 *     "monitor-over"      since when that is over, but not for ClearForSec= yet
 *     "monitor-asked"     when a run was asked for last; of one that is not raised: OnClear= is still to be asked for
 *     "monitor-count"     not a time: how often it became true while it was raised
 *     "monitor-unknown"   since when it has been unknown, once there is an alarm about that
 *
 * A monitor that was never anything but ok has none of them. */

#include <assert.h>
#include <stdio.h>

#include "core/trigger.h"
#include "exec/environment.h"
#include "time/span.h"
#include "time/timestamp.h"
#include "trigger/monitor-state.h"
#include "util/log.h"
#include "util/strv.h"
#include "util/turn.h"

#define AGAIN_USEC USEC_PER_SEC /* after a request that could not be made */
#define BEFORE_BOOT_USEC                                                                                        \
        (200 * USEC_PER_YEAR)           /* the clock of the states counts from so long before the boot, so that \
                                           what was before that has a time, too */
#define LATE_USEC    (5 * USEC_PER_SEC) /* what falls due later than this after its time: the machine slept */
#define UNREAD_USEC  USEC_PER_MINUTE    /* a ledger that cannot be read is waited for */
#define PAYLOAD_KIND 'M'                /* of what the ledger has of a run */

typedef struct Monitors {
        Trigger base;
        bool is_held;
} Monitors;

typedef struct JobMonitor JobMonitor;

typedef struct MonitorWatch {
        ConditionWatch base;
        JobMonitor *monitor;
        int error; /* why it is not in use, or 0 */
} MonitorWatch;

struct JobMonitor {
        Deadline deadline;
        usec_t due; /* the time of that */
        TriggerKept kept;
        Monitors *trigger;
        Job *job;
        JobDef *def;      /* that the conditions are of: an older one perhaps, with the same conditions */
        char *when_text;  /* the condition as it is kept, and shown */
        char *clear_text; /* the same */
        MonitorWatch *when, *clear;
        MonitorState state, saved; /* as it is; as the ledger has it */
        bool is_unread;            /* the ledger could not be read yet */
        usec_t acts_at;            /* not before that while it is so: it may tell what was asked for already */
        const char *shown;         /* the word for its state that was announced last */
};

/* What a run was given. */
typedef struct MonitorPayload {
        RunPayload base;
        char **variables;
} MonitorPayload;

extern const TriggerOps monitor_trigger_ops;

/* --- time --- */

static usec_t clock_now(const JobMonitor *jm) {
        return turn_now(jm->trigger->base.event).boottime + BEFORE_BOOT_USEC;
}

static usec_t to_realtime(const JobMonitor *jm, usec_t at) {
        return at == 0 ? 0 : usec_sub(turn_now(jm->trigger->base.event).realtime, usec_sub(clock_now(jm), at));
}

/* What lies in the future, because the clock was set back, is now. */
static usec_t from_realtime(const JobMonitor *jm, usec_t at) {
        return at == 0 ? 0
                       : clock_now(jm) -
                                 MIN(usec_sub(turn_now(jm->trigger->base.event).realtime, at), BEFORE_BOOT_USEC - 1);
}

/* --- the ledger --- */

#define STAMP_WHEN  "monitor-when"
#define STAMP_COUNT "monitor-count"

static const struct {
        const char *key;
        size_t offset;
} times[] = {
        { "monitor-holds", offsetof(MonitorState, holds_since) },
        { "monitor-raised", offsetof(MonitorState, raised_since) },
        { "monitor-over", offsetof(MonitorState, over_since) },
        { "monitor-asked", offsetof(MonitorState, asked) },
        { "monitor-unknown", offsetof(MonitorState, unknown_since) },
};

static usec_t *time_at(MonitorState *s, size_t i) {
        return (usec_t *)(void *)((char *)s + times[i].offset);
}

/* FNV-1a, in 48 bits: not 0, and as a time long ago. A damaged ledger is replaced without the stamps that lie in the
 * future. */
static uint64_t hash_of(const char *text) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (; *text; text++)
                hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
        return (hash >> 16) | 1;
}

/* 0 when there is none. */
static int get_stamp(const JobMonitor *jm, const char *key, usec_t *ret) {
        int r = ledger_get_stamp(jm->trigger->base.ledger, jm->job->name, key, ret);

        if (r == -ENOENT)
                *ret = 0;
        return r == -ENOENT ? 0 : r;
}

static int set_stamp(const JobMonitor *jm, const char *key, usec_t value) {
        Ledger *ledger = jm->trigger->base.ledger;
        LogContext c = { .job = jm->job->name };
        int r;

        r = value > 0 ? ledger_set_stamp(ledger, jm->job->name, key, value)
                      : ledger_forget_stamp(ledger, jm->job->name, key);
        if (r < 0)
                log_message(LOG_WARNING, &c, "Cannot save the state of its monitor for the next start: %s, ignoring.",
                            strerror(-r));
        return r;
}

/* Short times in which it is unknown are not kept: nothing follows from them. */
static MonitorState kept(const MonitorState *s) {
        MonitorState k = *s;

        if (!k.is_unknown_reported)
                k.unknown_since = 0;
        return k;
}

static bool is_fresh(const MonitorState *s) {
        return s->phase == MONITOR_OK && s->asked == 0 && s->unknown_since == 0;
}

/* Not before what the ledger has is known: it would be lost. What could not be saved is saved when it is looked at
 * again, and nothing without the condition that it is of. */
static void save(JobMonitor *jm) {
        MonitorState now = kept(&jm->state);

        if (jm->is_unread)
                return;
        if (is_fresh(&now) != is_fresh(&jm->saved) &&
            set_stamp(jm, STAMP_WHEN, is_fresh(&now) ? 0 : hash_of(jm->when_text)) < 0)
                return;
        if (now.count != jm->saved.count && set_stamp(jm, STAMP_COUNT, now.count) < 0)
                now.count = jm->saved.count;
        for (size_t i = 0; i < ELEMENTSOF(times); i++) {
                usec_t *at = time_at(&now, i), saved = *time_at(&jm->saved, i);

                if (*at != saved && set_stamp(jm, times[i].key, to_realtime(jm, *at)) < 0)
                        *at = saved;
        }
        jm->saved = now;
}

/* Another condition has nothing to do with the state of this one. */
static void start_anew(JobMonitor *jm) {
        if (jm->state.is_unknown_reported)
                job_set_unknown(jm->trigger->base.manager, jm->job, 0, NULL);
        jm->state = (MonitorState){};
        save(jm);
}

static int read_state(const JobMonitor *jm, MonitorState *ret, uint64_t *ret_hash) {
        int r;

        r = get_stamp(jm, STAMP_WHEN, ret_hash);
        if (r >= 0)
                r = get_stamp(jm, STAMP_COUNT, &ret->count);
        for (size_t i = 0; i < ELEMENTSOF(times) && r >= 0; i++) {
                r = get_stamp(jm, times[i].key, time_at(ret, i));
                if (r >= 0)
                        *time_at(ret, i) = from_realtime(jm, *time_at(ret, i));
        }
        ret->is_unknown_reported = ret->unknown_since > 0;
        ret->was_false = ret->over_since > 0;
        ret->phase = ret->raised_since > 0 ? MONITOR_RAISED : ret->holds_since > 0 ? MONITOR_PENDING : MONITOR_OK;
        return r;
}

/* Of what the ledger has, and what was seen while it could not be read: what is raised, and what was asked for, is not
 * raised anew. */
static MonitorState merge(const MonitorState *found, const MonitorState *seen) {
        bool is_ok = found->phase == MONITOR_OK && found->asked == 0;
        bool is_raised_since = found->phase != MONITOR_RAISED && seen->asked > 0;
        const MonitorState *unknown = found->is_unknown_reported ? found : seen;
        MonitorState s = is_ok || is_raised_since ? *seen : *found;

        s.asked = MAX(found->asked, seen->asked);
        s.unknown_since = unknown->unknown_since;
        s.is_unknown_reported = unknown->is_unknown_reported;
        return s;
}

static void load(JobMonitor *jm) {
        LogContext c = { .job = jm->job->name };
        MonitorState seen = jm->state, found = {};
        uint64_t hash;
        int r;

        r = read_state(jm, &found, &hash);
        if (r < 0 && !jm->is_unread) {
                log_message(LOG_WARNING, &c, "Cannot read the state of its monitor from the ledger: %s.",
                            strerror(-r));
                jm->acts_at = usec_add(clock_now(jm), UNREAD_USEC);
        }
        jm->is_unread = r < 0;
        if (r < 0)
                return;
        jm->state = jm->saved = found;
        if (hash != hash_of(jm->when_text))
                start_anew(jm);
        jm->state = merge(&jm->state, &seen);
}

/* --- what a run is given --- */

static RunPayload *payload_free(RunPayload *p) {
        strv_free(((MonitorPayload *)p)->variables);
        free(p);
        return NULL;
}
DEFINE_CLEANUP(RunPayload, payload_free)

static MonitorPayload *payload_new(void) {
        MonitorPayload *p = calloc(1, sizeof(*p));

        if (p)
                p->base = (RunPayload){ .ops = &monitor_trigger_ops, .is_empty = true };
        return p;
}

static int payload_fill(MonitorPayload *p, const JobMonitor *jm) {
        const Condition *when = jm->def->rare->monitor.when;
        const Reading *readings = condition_watch_readings(&jm->when->base);
        size_t i = condition_decisive_test(when, readings);
        const ConditionTest *test = condition_test(when, i);
        char value[CONDITION_VALUE_MAX], limit[CONDITION_VALUE_MAX];
        int r;

        r = strv_extendf(&p->variables, "VAKT_CONDITION=%s", jm->when_text);
        if (r >= 0)
                r = strv_extendf(&p->variables, "VAKT_VALUE=%s", reading_format(value, &test->question, &readings[i]));
        if (r >= 0)
                r = strv_extendf(&p->variables, "VAKT_LIMIT=%s",
                                 test->op == CONDITION_IS ? "" : limit_format(limit, test));
        if (r >= 0)
                r = strv_extendf(&p->variables, "VAKT_SUBJECT=%s",
                                 strempty(readings[i].subject ?: test->question.subject));
        if (r >= 0)
                r = strv_extendf(&p->variables, "VAKT_COUNT=%" PRIu64, jm->state.count);
        if (r >= 0)
                r = environment_add_time(&p->variables, "VAKT_SINCE", to_realtime(jm, jm->state.holds_since));
        return r;
}

static void payload_describe(const RunPayload *p, ExecutionRequest *request) {
        request->variables = ((const MonitorPayload *)p)->variables;
}

static int payload_pack(const RunPayload *p, char **ret, size_t *ret_n) {
        size_t n = 1;
        char *end;

        STRV_FOREACH(s, ((const MonitorPayload *)p)->variables)
                n += strlen(*s) + 1;
        *ret = end = malloc(n);
        if (!end)
                return -ENOMEM;
        *end++ = PAYLOAD_KIND;
        STRV_FOREACH(s, ((const MonitorPayload *)p)->variables)
                end = stpcpy(end, *s) + 1;
        *ret_n = n;
        return 0;
}

static int payload_unpack(Trigger *base, const void *bytes, size_t n, RunPayload **ret) {
        _cleanup_(payload_freep) RunPayload *payload = NULL;
        const char *s = bytes, *end = s + n;
        MonitorPayload *p;

        if (n == 0 || *s++ != PAYLOAD_KIND || end[-1] != '\0')
                return -EBADMSG;
        p = payload_new();
        if (!p)
                return -ENOMEM;
        payload = &p->base;
        for (; s < end; s += strlen(s) + 1)
                if (strv_extend(&p->variables, s) < 0)
                        return -ENOMEM;
        *ret = TAKE_PTR(payload);
        return 0;
}

/* --- what is done about it --- */

static int ask(JobMonitor *jm) {
        Manager *m = jm->trigger->base.manager;
        RunRequest request = { .cause = RUN_CAUSE_MONITOR, .trigger = RUN_TRIGGER_NONE };
        LogContext c = { .job = jm->job->name };
        MonitorPayload *p = payload_new();
        _cleanup_(payload_freep) RunPayload *payload = p ? &p->base : NULL;
        uint64_t id;
        int r;

        r = p ? payload_fill(p, jm) : -ENOMEM;
        if (r >= 0)
                r = runs_request(m, jm->job, &request, &payload, &id);
        if (r >= 0)
                runs_use_up_skip(m, jm->job);
        else
                log_message(LOG_ERR, &c, "Its monitor is raised, but no run could be requested: %s; trying again.",
                            strerror(-r));
        return r;
}

static void report_unknown(const JobMonitor *jm) {
        char text[CONDITION_TELL_MAX], message[CONDITION_TELL_MAX + 128];

        (void)snprintf(message, sizeof(message), "It is not known whether its monitor is to be raised: %s",
                       condition_tell(text, jm->def->rare->monitor.when, condition_watch_readings(&jm->when->base)));
        job_set_unknown(jm->trigger->base.manager, jm->job, to_realtime(jm, jm->state.unknown_since), message);
}

/* How often it has become true, when that is more than once. */
#define TIMES_TEXT_MAX 48
static const char *tell_times(char buf[static TIMES_TEXT_MAX], uint64_t count) {
        buf[0] = '\0';
        if (count > 1)
                (void)snprintf(buf, TIMES_TEXT_MAX, ", true %" PRIu64 " times", count);
        return buf;
}

static void log_phase(const JobMonitor *jm, const MonitorState *before) {
        const Condition *condition =
                jm->state.phase == MONITOR_OK ? jm->def->rare->monitor.clear : jm->def->rare->monitor.when;
        ConditionWatch *w = jm->state.phase == MONITOR_OK ? &jm->clear->base : &jm->when->base;
        LogContext c = { .job = jm->job->name };
        char text[CONDITION_TELL_MAX], often[TIMES_TEXT_MAX];

        if (before->phase == MONITOR_RAISED || jm->state.phase == MONITOR_RAISED)
                log_message(LOG_NOTICE, &c, "Its monitor is %s: %s%s.",
                            jm->state.phase == MONITOR_RAISED ? "raised" : "cleared",
                            condition_tell(text, condition, condition_watch_readings(w)),
                            tell_times(often, before->count));
}

static void wait_until(JobMonitor *jm, usec_t at) {
        jm->due = at;
        deadline_set(jm->trigger->base.manager, &jm->deadline, usec_sub(at, BEFORE_BOOT_USEC));
}

static bool waits_for_ledger(const JobMonitor *jm) {
        return jm->is_unread && clock_now(jm) < jm->acts_at;
}

static void announce(JobMonitor *jm, bool is_other) {
        const char *shown = monitor_state_to_string(&jm->state, jm->when->base.truth);

        jm->job->is_raised = jm->state.phase == MONITOR_RAISED;
        if (is_other || !jm->shown || !streq(shown, jm->shown))
                manager_job_changed(jm->trigger->base.manager, jm->job);
        jm->shown = shown;
}

/* In one transaction: the state, and what it leads to. */
static void look(JobMonitor *jm) {
        const MonitorDef *d = &jm->job->def->rare->monitor;
        Manager *m = jm->trigger->base.manager;
        MonitorInput in = {
                .when = jm->when->base.truth,
                .clear = jm->clear->base.truth,
                .now = clock_now(jm),
                .for_usec = d->for_usec,
                .clear_for = d->clear_for,
                .every = d->every,
        };
        MonitorState before;
        unsigned actions;
        usec_t next;

        if (jm->is_unread)
                load(jm);
        in.may_act = !jm->job->paused && !jm->trigger->is_held && !waits_for_ledger(jm);
        before = jm->state;
        actions = monitor_step(&jm->state, &in, &next);
        if (jm->state.phase != before.phase)
                log_phase(jm, &before);
        if (actions & MONITOR_ASK && ask(jm) < 0) {
                jm->state.asked = jm->state.raised_since > before.raised_since ? 0 : before.asked;
                next = in.now + AGAIN_USEC;
        }
        if (actions & MONITOR_ASK_CLEAR)
                runs_request_others(m, jm->job, d->on_clear, "OnClear");
        if (actions & MONITOR_REPORT_UNKNOWN)
                report_unknown(jm);
        if (actions & MONITOR_REPORT_KNOWN)
                job_set_unknown(m, jm->job, 0, NULL);
        save(jm);
        wait_until(jm, waits_for_ledger(jm) ? MIN(next, jm->acts_at) : next);
        announce(jm, (jm->state.unknown_since > 0) != (before.unknown_since > 0));
}

/* When the machine wakes up, what was true before may not be true any more: readings come first. */
static void on_due(Manager *m, Deadline *d) {
        JobMonitor *jm = (JobMonitor *)d;
        usec_t now = clock_now(jm);

        if (usec_sub(now, jm->due) > LATE_USEC)
                wait_until(jm, now + LATE_USEC);
        else
                look(jm);
}

static void on_changed(ConditionWatch *w) {
        look(((MonitorWatch *)w)->monitor);
}

/* --- a job --- */

static MonitorWatch *watch_free(MonitorWatch *w) {
        if (w)
                condition_watch_stop(&w->base);
        return mfree(w);
}

/* Without memory it is not in use, and unknown; a reload tries again. */
static MonitorWatch *watch_new(JobMonitor *jm, const Condition *condition) {
        LogContext c = { .job = jm->job->name };
        MonitorWatch *w = calloc(1, sizeof(*w));

        if (!w)
                return NULL;
        w->base = (ConditionWatch){ .changed = on_changed, .truth = TRUTH_UNKNOWN };
        w->monitor = jm;
        w->error = condition_watch_start(&w->base, jm->trigger->base.manager, condition,
                                         jm->job->def->rare->monitor.sample_max);
        if (w->error < 0)
                log_message(LOG_ERR, &c, "Its monitor cannot watch its condition: %s. Reload vaktd to try again.",
                            strerror(-w->error));
        return w;
}

/* Takes the conditions of the job's definition into use, before those that were in use are let go: so what both ask is
 * asked on. */
static int watch(JobMonitor *jm) {
        const MonitorDef *d = &jm->job->def->rare->monitor;
        _cleanup_free_ char *when_text = NULL, *clear_text = NULL;
        MonitorWatch *when, *clear;
        int r;

        r = condition_format(d->when, &when_text);
        if (r >= 0)
                r = condition_format(d->clear, &clear_text);
        if (r < 0)
                return r;
        if (jm->when && streq(when_text, jm->when_text) && streq(clear_text, jm->clear_text) &&
            d->sample_max == jm->def->rare->monitor.sample_max && jm->when->error == 0 && jm->clear->error == 0)
                return 0;
        when = watch_new(jm, d->when);
        clear = watch_new(jm, d->clear);
        if (!when || !clear) {
                watch_free(when);
                watch_free(clear);
                return -ENOMEM;
        }
        watch_free(jm->when);
        watch_free(jm->clear);
        jm->when = when;
        jm->clear = clear;
        if (jm->when_text && !streq(when_text, jm->when_text))
                start_anew(jm);
        free(jm->when_text);
        free(jm->clear_text);
        jm->when_text = TAKE_PTR(when_text);
        jm->clear_text = TAKE_PTR(clear_text);
        job_def_unref(jm->def);
        jm->def = job_def_ref(jm->job->def);
        return 0;
}

static JobMonitor *monitor_free(JobMonitor *jm) {
        if (!jm)
                return NULL;
        deadline_set(jm->trigger->base.manager, &jm->deadline, USEC_INFINITY);
        trigger_unset(&jm->trigger->base, jm->job);
        jm->job->is_raised = false;
        watch_free(jm->when);
        watch_free(jm->clear);
        job_def_unref(jm->def);
        free(jm->when_text);
        free(jm->clear_text);
        return mfree(jm);
}

static void start_job(Trigger *t, Job *job) {
        JobMonitor *jm = calloc(1, sizeof(*jm));
        LogContext c = { .job = job->name };

        if (jm) {
                jm->deadline = (Deadline){ .due = on_due, .position = HEAP_NONE };
                jm->trigger = (Monitors *)t;
                jm->job = job;
        }
        if (!jm || watch(jm) < 0) {
                log_message(LOG_ERR, &c, "Not enough memory for its monitor. Reload vaktd when there is more.");
                monitor_free(jm);
                return;
        }
        trigger_set(t, job, &jm->kept, jm);
        load(jm);
        look(jm);
}

static void renew_job(JobMonitor *jm) {
        LogContext c = { .job = jm->job->name };

        if (watch(jm) < 0)
                log_message(LOG_ERR, &c, "Not enough memory for its new monitor; the previous one stays in use.");
        look(jm);
}

/* Of a job whose file is gone the ledger keeps what it has for a while. */
static void remove_job(Trigger *t, Job *job) {
        monitor_free(trigger_get(t, job));
}

/* It is disabled, or has no monitor any more. */
static void forget_job(JobMonitor *jm) {
        start_anew(jm);
        monitor_free(jm);
}

static bool wants_monitor(const Job *job) {
        return job_may_run(job) && job->def->rare->monitor.when;
}

static int set_job(Trigger *t, Job *job) {
        JobMonitor *jm = trigger_get(t, job);

        if (wants_monitor(job)) {
                if (jm)
                        renew_job(jm);
                else
                        start_job(t, job);
        } else if (jm && !job->gone)
                forget_job(jm);
        else
                remove_job(t, job);
        return 0;
}

static void pause_changed(Trigger *t, Job *job) {
        if (trigger_get(t, job))
                look(trigger_get(t, job));
}

/* The ledger was in memory only when it was asked for, and was lost, and with it that the monitor was raised. */
static void run_found(Trigger *t, Job *job, RunRecord *record) {
        JobMonitor *jm = trigger_get(t, job);
        usec_t at;

        if (!jm || record->cause != RUN_CAUSE_MONITOR)
                return;
        at = from_realtime(jm, record->requested);
        if (jm->state.phase != MONITOR_RAISED) {
                jm->state.phase = MONITOR_RAISED;
                jm->state.raised_since = at;
                jm->state.count = 1;
                if (jm->state.holds_since == 0)
                        jm->state.holds_since = at;
        }
        jm->state.asked = MAX(jm->state.asked, at);
        look(jm);
}

/* --- all of them --- */

#define FOREACH_MONITOR(t, jm)                                                     \
        for (size_t _j = 0; _j < job_table_size(manager_jobs((t)->manager)); _j++) \
                for (JobMonitor *jm = trigger_get(t, job_table_at(manager_jobs((t)->manager), _j)); jm; jm = NULL)

static int monitors_init(Trigger *t) {
        ((Monitors *)t)->is_held = true;
        return 0;
}

/* It was disabled, or lost its monitor, while no daemon ran. */
static int forget_old_state(const char *name, const char *key, usec_t value, void *userdata) {
        Trigger *t = userdata;
        Job *job = job_table_get(manager_jobs(t->manager), name);

        if (!streq(key, STAMP_WHEN) || !job || job->gone || !job->def || wants_monitor(job))
                return 0;
        (void)ledger_forget_stamp(t->ledger, name, STAMP_WHEN);
        (void)ledger_forget_stamp(t->ledger, name, STAMP_COUNT);
        for (size_t i = 0; i < ELEMENTSOF(times); i++)
                (void)ledger_forget_stamp(t->ledger, name, times[i].key);
        job_set_unknown(t->manager, job, 0, NULL);
        return 0;
}

static int monitors_start(Trigger *t) {
        JobTable *jobs = manager_jobs(t->manager);

        (void)ledger_list_stamps(t->ledger, NULL, forget_old_state, t);
        for (size_t i = 0; i < job_table_size(jobs); i++)
                (void)set_job(t, job_table_at(jobs, i));
        return 0;
}

static void monitors_hold(Trigger *t, bool hold) {
        ((Monitors *)t)->is_held = hold;
        FOREACH_MONITOR(t, jm)
                look(jm);
}

static void monitors_reload(Trigger *t) {
        FOREACH_MONITOR(t, jm)
                renew_job(jm);
}

static void monitors_done(Trigger *t) {
        FOREACH_MONITOR(t, jm)
                monitor_free(jm);
}

/* --- for people --- */

#define TEXT_MAX          1024
#define CLEARING_TEXT_MAX (SPAN_TEXT_MAX + 64)

/* What a monitor that is raised waits for, when its condition is false. */
static const char *tell_clearing(char buf[static CLEARING_TEXT_MAX], const JobMonitor *jm) {
        char span[SPAN_TEXT_MAX];

        buf[0] = '\0';
        if (jm->state.phase != MONITOR_RAISED || jm->when->base.truth != TRUTH_FALSE)
                return buf;
        if (jm->state.over_since == 0)
                return ", until Clear= is true";
        (void)snprintf(buf, CLEARING_TEXT_MAX, ", until it has been over for %s (ClearForSec=)",
                       span_format(span, jm->job->def->rare->monitor.clear_for, USEC_PER_MSEC));
        return buf;
}

/* "disk-free /var is 9.3% (1.2G) and < 10%; raised since Sun 2026-11-29 22:00:00 UTC, true 3 times" */
static const char *tell_state(char buf[static TEXT_MAX], const JobMonitor *jm) {
        const Reading *readings = condition_watch_readings(&jm->when->base);
        char text[CONDITION_TELL_MAX], at[TIMESTAMP_TEXT_MAX], often[TIMES_TEXT_MAX], clearing[CLEARING_TEXT_MAX];
        usec_t since = jm->state.phase == MONITOR_RAISED ? jm->state.raised_since : jm->state.holds_since;

        if (jm->when->error < 0)
                (void)snprintf(text, sizeof(text), "Its condition cannot be watched: %s", strerror(-jm->when->error));
        else
                (void)condition_tell(text, jm->def->rare->monitor.when, readings);
        if (since == 0)
                (void)snprintf(buf, TEXT_MAX, "%s", text);
        else
                (void)snprintf(buf, TEXT_MAX, "%s; %s since %s%s%s", text,
                               jm->state.phase == MONITOR_RAISED ? "raised" : "true",
                               timestamp_format(at, to_realtime(jm, since), zone_cache_local(jm->trigger->base.zones),
                                                TIMESTAMP_PRETTY),
                               tell_times(often, jm->state.count), tell_clearing(clearing, jm));
        return buf;
}

static int list(Trigger *t, const Job *job, TriggerVisit visit, void *userdata) {
        const JobMonitor *jm = trigger_get(t, job);
        const MonitorDef *d = job->def ? &job->def->rare->monitor : NULL;
        _cleanup_free_ char *text = NULL;
        char message[TEXT_MAX];

        if (jm)
                return visit("Monitor", jm->when_text, monitor_state_to_string(&jm->state, jm->when->base.truth),
                             tell_state(message, jm), userdata);
        if (!d || !d->when)
                return 0;
        return condition_format(d->when, &text) < 0 ? -ENOMEM : visit("Monitor", text, "", "", userdata);
}

static int explain(Trigger *t, const Job *job, const char *file, size_t n, ExplainVisit visit, void *userdata) {
        const JobMonitor *jm = trigger_get(t, job);
        char message[TEXT_MAX], span[SPAN_TEXT_MAX];
        const char *state;
        int r;

        if (file || !job->def || !job->def->rare->monitor.when)
                return 0;
        if (!jm)
                return 1;
        state = monitor_state_to_string(&jm->state, jm->when->base.truth);
        r = explain_tell(visit, userdata, "monitor", "Its monitor is %s: %s.", state, tell_state(message, jm));
        if (r >= 0 && jm->state.phase == MONITOR_PENDING)
                r = explain_tell(visit, userdata, "monitor", "It is raised once that has been true for %s (ForSec=).",
                                 span_format(span, job->def->rare->monitor.for_usec, USEC_PER_MSEC));
        if (r >= 0 && jm->state.phase == MONITOR_RAISED && jm->state.asked == 0)
                r = explain_tell(visit, userdata, "monitor", "No run has been requested for that yet%s.",
                                 job->paused     ? ", because the job is paused"
                                 : jm->is_unread ? ", because the ledger cannot be read"
                                                 : "");
        return r < 0 ? r : 1;
}

const TriggerOps monitor_trigger_ops = {
        .size = sizeof(Monitors),
        .init = monitors_init,
        .done = monitors_done,
        .start = monitors_start,
        .hold = monitors_hold,
        .reload = monitors_reload,
        .set_job = set_job,
        .remove_job = remove_job,
        .pause_changed = pause_changed,
        .run_found = run_found,
        .describe = payload_describe,
        .pack = payload_pack,
        .unpack = payload_unpack,
        .free_payload = payload_free,
        .explain = explain,
        .list = list,
};

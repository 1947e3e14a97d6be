/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kinds of triggers that there are (core/trigger.h), all asked in turn: the rest of the core does not know how
 * many or which they are. And what a kind may see of a run. */

#include <assert.h>

#include "core/manager-body.h"
#include "core/triggers.h"
#include "util/log.h"

/* --- the daemon --- */

static int add_trigger(Manager *m, const TriggerOps *ops) {
        Trigger *t;

        assert(m->n_triggers < TRIGGER_KINDS_MAX && ops->size >= sizeof(Trigger));
        t = calloc(1, ops->size);
        if (!t)
                return -ENOMEM;
        *t = (Trigger){
                .ops = ops,
                .manager = m,
                .event = m->event,
                .ledger = m->ledger,
                .zones = m->zones,
                .settings = &m->settings,
                .options = &m->options,
        };
        m->triggers[m->n_triggers++] = t;
        return ops->init ? ops->init(t) : 0;
}

void trigger_set(const Trigger *t, Job *job, TriggerKept *node, void *kept) {
        assert(!trigger_get(t, job));
        *node = (TriggerKept){ .next = job->kept, .trigger = t, .of = kept };
        job->kept = node;
}

void trigger_unset(const Trigger *t, Job *job) {
        for (TriggerKept **k = &job->kept; *k; k = &(*k)->next)
                if ((*k)->trigger == t) {
                        *k = (*k)->next;
                        return;
                }
}

int triggers_init(Manager *m) {
        int r = 0;

        assert(m->ledger && m->zones && m->n_triggers == 0); /* each kind keeps them */
        for (const TriggerOps *const *ops = m->options.triggers; r >= 0 && ops && *ops; ops++)
                r = add_trigger(m, *ops);
        return r;
}

void triggers_done(Manager *m) {
        TELL_TRIGGERS(m, done);
        while (m->n_triggers > 0)
                free(m->triggers[--m->n_triggers]);
}

int triggers_start(Manager *m) {
        assert(m->is_started);
        return ASK_TRIGGERS(m, start);
}

/* --- a job --- */

int triggers_set_job(Manager *m, Job *job) {
        return m->is_started ? ASK_TRIGGERS(m, set_job, job) : 0;
}

/* --- a run --- */

int triggers_request(Manager *m, Job *job, const RunRequest *request, uint64_t *ret_id) {
        int r;

        assert(request->cause == RUN_CAUSE_MANUAL);
        r = ASK_TRIGGERS(m, request, job, request, ret_id);
        return r == 0 && request->n_files > 0 ? -ENOTSUP : r;
}

void triggers_run_ended(Manager *m, LiveRun *run) {
        bool is_kept = false;

        assert(run->stage == RUN_STAGE_DONE);
        FOREACH_TRIGGER(m, t, run_ended)
                is_kept = t->ops->run_ended(t, run) || is_kept;
        if (run->payload && !is_kept)
                payload_forget(m, run->record.job, run->record.id);
}

void triggers_run_retried(Manager *m, LiveRun *failed, LiveRun *next) {
        RunPayload *p = TAKE_PTR(failed->payload);

        if (!p)
                return;
        assert(!next->payload && next->record.parent == failed->record.id);
        if (p->ops->run_retried)
                p->ops->run_retried(trigger_of(m, p->ops), failed, p);
        next->payload = p;
        payload_forget(m, failed->record.job, failed->record.id);
        payload_put(m, &next->record, p);
}

const RunRecord *run_record(const LiveRun *run) {
        return &run->record;
}

Job *run_job(const LiveRun *run) {
        return run->job;
}

JobDef *run_def(const LiveRun *run) {
        return run->def;
}

RunPayload *run_payload(const LiveRun *run, const TriggerOps *kind) {
        return run->payload && run->payload->ops == kind ? run->payload : NULL;
}

bool run_was_retried(const LiveRun *run) {
        return run->was_retried;
}

bool run_returns_payload(const LiveRun *run) {
        return run->returns_payload;
}

LiveRun *runs_next(const Job *job, const LiveRun *after) {
        return after ? TAILQ_NEXT(after, of_job) : TAILQ_FIRST(&job->live->runs);
}

/* --- the manager --- */

bool manager_is_stopping(const Manager *m) {
        return m->stopping;
}

bool manager_knows_what_was(const Manager *m) {
        return !m->is_unread && m->is_surveyed;
}

void manager_job_changed(Manager *m, const Job *job) {
        NOTIFY_OBSERVERS(m, job_changed, job);
}

void manager_notify_written(Manager *m) {
        (void)sd_event_source_set_enabled(m->acknowledge_source, SD_EVENT_ONESHOT);
}

/* --- for people --- */

int manager_explain_path(Manager *m, const Job *job, const char *path, size_t n, ExplainVisit visit, void *userdata) {
        int r = ASK_TRIGGERS(m, explain, job, path, n, visit, userdata);

        if (r == 0)
                r = visit("watch", "The job watches no files: it has no [Path] section, or is not active.", userdata);
        return MIN(r, 0);
}

int manager_list_triggers(Manager *m, const Job *job, TriggerVisit visit, void *userdata) {
        int r = 0;

        FOREACH_TRIGGER(m, t, list)
                r = r < 0 ? r : t->ops->list(t, job, visit, userdata);
        return MIN(r, 0);
}

int manager_list_watch_counters(Manager *m, const Job *job, CounterVisit visit, void *userdata) {
        int r = 0;

        FOREACH_TRIGGER(m, t, count)
                r = r < 0 ? r : t->ops->count(t, job, visit, userdata);
        return MIN(r, 0);
}

size_t manager_next_elapses(Manager *m, const Job *job, usec_t *ret, size_t n) {
        return ASK_TRIGGERS(m, next, job, ret, n);
}

int manager_plan(Manager *m, const Job *job, PlanVisit visit, void *userdata, uint64_t *ret_most) {
        *ret_most = 0;
        return ASK_TRIGGERS(m, plan, job, visit, userdata, ret_most);
}

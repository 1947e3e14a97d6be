/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The runs that are not over: a hash table by id, the list of all, and that of each job. The lists are in the order of
 * ids, which is the order in which runs came. Nothing here, and nothing that is done about one job, takes longer for
 * the runs of others. */

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/manager-body.h"
#include "core/pools.h"

static LiveRun *run_of_node(const HashNode *node) {
        return (void *)((uintptr_t)node - offsetof(LiveRun, by_id));
}

/* Ids are given out one after the other: they fill the slots evenly by themselves. */
static uint32_t hash_of_node(const HashNode *node, const void *userdata) {
        return (uint32_t)run_of_node(node)->record.id;
}

LiveRun *live_find(const LiveRuns *live, uint64_t id) {
        for (const HashNode *node = hash_table_chain(&live->by_id, (uint32_t)id); node; node = node->next)
                if (run_of_node(node)->record.id == id)
                        return run_of_node(node);
        return NULL;
}

/* What an earlier daemon left may come after a first request. */
void live_add(LiveRuns *live, LiveRun *run) {
        LiveRun *before = TAILQ_LAST(&live->all, LiveRunList),
                *of_job = TAILQ_LAST(&run->job->live->runs, LiveRunList);

        assert(run->stage == RUN_STAGE_NONE);
        hash_table_put(&live->by_id, &run->by_id, (uint32_t)run->record.id, hash_of_node, NULL);
        while (before && before->record.id > run->record.id)
                before = TAILQ_PREV(before, LiveRunList, all);
        while (of_job && of_job->record.id > run->record.id)
                of_job = TAILQ_PREV(of_job, LiveRunList, of_job);
        if (before)
                TAILQ_INSERT_AFTER(&live->all, before, run, all);
        else
                TAILQ_INSERT_HEAD(&live->all, run, all);
        if (of_job)
                TAILQ_INSERT_AFTER(&run->job->live->runs, of_job, run, of_job);
        else
                TAILQ_INSERT_HEAD(&run->job->live->runs, run, of_job);
}

void live_remove(LiveRuns *live, LiveRun *run) {
        hash_table_take(&live->by_id, &run->by_id, (uint32_t)run->record.id);
        hash_table_shrink(&live->by_id);
        TAILQ_REMOVE(&live->all, run, all);
        TAILQ_REMOVE(&run->job->live->runs, run, of_job);
        if (live->emptied_source && live->by_id.n_nodes == 0)
                (void)sd_event_source_set_enabled(live->emptied_source, SD_EVENT_ONESHOT);
}

RunPayload *run_payload_free(RunPayload *p) {
        return p ? p->ops->free_payload(p) : NULL;
}

LiveRun *live_run_free(LiveRun *run) {
        if (!run)
                return NULL;
        assert(run->stage == RUN_STAGE_NONE || run->stage == RUN_STAGE_DONE);
        assert(run->deadline.position == HEAP_NONE && run->position == HEAP_NONE);
        pools_leave(run);
        execution_free(run->execution);
        run_payload_free(run->payload);
        job_def_unref(run->def);
        job_unref_live(run->job);
        owned_run_done(&run->owned);
        return mfree(run);
}

void run_leave(LiveRun *run) {
        run_set_stage(run, RUN_STAGE_NONE);
        live_remove(&run->manager->live, run);
        live_run_free(run);
}

RunRecord record_of_request(const Manager *m, const char *job, const RunRequest *request) {
        RunRecord record = RUN_RECORD_INIT;

        record.job = job;
        record.cause = request->cause;
        record.state = request->cause == RUN_CAUSE_RETRY ? RUN_WAITING : RUN_QUEUED;
        record.trigger = request->trigger;
        record.parent = request->parent;
        record.parent_job = request->parent_job;
        record.alarm = request->alarm;
        record.payload = request->payload;
        record.requested = turn_now(m->event).realtime;
        record.scheduled = request->scheduled > 0 ? request->scheduled : record.requested;
        record.host = m->host;
        return record;
}

int live_run_new(LiveRun **ret, Manager *m, Job *job, const RunRequest *request) {
        _cleanup_(live_run_freep) LiveRun *run = NULL;
        RunRecord record = record_of_request(m, job->name, request);
        int r;

        r = m->live.by_id.n_nodes < LIVE_RUNS_MAX ? hash_table_reserve(&m->live.by_id) : -ENOBUFS;
        if (r < 0)
                return r;
        r = job_ref_live(job);
        if (r < 0)
                return r;
        run = malloc(sizeof(*run));
        if (!run) {
                job_unref_live(job);
                return -ENOMEM;
        }
        *run = (LiveRun){
                .deadline.position = HEAP_NONE,
                .position = HEAP_NONE,
                .manager = m,
                .job = job,
                .follow = request->follow,
        };
        r = owned_run_assign(&run->owned, &record);
        if (r < 0)
                return r;
        /* A run of an earlier daemon may be of a job whose file is bad by now: its definition says nothing. */
        run->def = job->def ? job_def_ref(job->def) : NULL;
        r = run->def ? 0 : job_def_new(&run->def, job->name);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(run);
        return 0;
}

void run_use_current_definition(LiveRun *run) {
        assert(!run_goes_on(run)); /* or it was not started with what its definition says */
        if (!run->job->def || run->job->def == run->def)
                return;
        job_def_unref(run->def);
        run->def = job_def_ref(run->job->def);
}

void run_set_reason(LiveRun *run, const char *format, ...) {
        char *reason = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&reason, format, ap);
        va_end(ap);
        if (r < 0)
                return;
        owned_run_set_text(&run->record.reason, reason);
}

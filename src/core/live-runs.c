/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The runs that are not over: one array sorted by id, which is the order in which they came. */

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/paths.h"

static size_t live_position(const Manager *m, uint64_t id) {
        size_t low = 0, high = m->n_live;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (m->live[middle]->record.id < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

LiveRun *runs_find(const Manager *m, uint64_t id) {
        size_t i = live_position(m, id);

        return i < m->n_live && m->live[i]->record.id == id ? m->live[i] : NULL;
}

int live_reserve(Manager *m) {
        size_t n = MAX(m->n_live_allocated * 2, 64U);
        LiveRun **bigger;

        if (m->n_live >= LIVE_RUNS_MAX)
                return -ENOBUFS;
        if (m->n_live < m->n_live_allocated)
                return 0;
        bigger = reallocarray(m->live, n, sizeof(LiveRun *));
        if (!bigger)
                return -ENOMEM;
        m->live = bigger;
        m->n_live_allocated = n;
        return 0;
}

/* Runs come in the order of their ids, but what an earlier daemon left may come after a first request. */
void live_add(Manager *m, LiveRun *run) {
        size_t i = live_position(m, run->record.id);

        assert(m->n_live < m->n_live_allocated);
        memmove(m->live + i + 1, m->live + i, (m->n_live - i) * sizeof(LiveRun *));
        m->live[i] = run;
        m->n_live++;
}

void live_remove(Manager *m, const LiveRun *run) {
        size_t i = live_position(m, run->record.id);

        assert(i < m->n_live && m->live[i] == run);
        memmove(m->live + i, m->live + i + 1, (m->n_live - i - 1) * sizeof(LiveRun *));
        m->n_live--;
}

LiveRun *live_run_free(LiveRun *run) {
        if (!run)
                return NULL;
        assert(run->deadline.position == HEAP_NONE && run->position == HEAP_NONE);
        execution_free(run->execution);
        run_paths_free(run->paths);
        job_def_unref(run->def);
        run_record_done(&run->record);
        return mfree(run);
}

static int copy_string(char **ret, const char *s) {
        *ret = s ? strdup(s) : NULL;
        return s && !*ret ? -ENOMEM : 0;
}

static int set_texts(RunRecord *r, const Manager *m, const Job *job, const RunRequest *request) {
        if (copy_string(&r->job, job->name) < 0 || copy_string(&r->parent_job, request->parent_job) < 0 ||
            copy_string(&r->alarm, request->alarm) < 0 || copy_string(&r->payload, request->payload) < 0 ||
            copy_string(&r->host, m->host) < 0)
                return -ENOMEM;
        return 0;
}

/* A run of an earlier daemon may be of a job whose file is bad by now: it gets a definition that says nothing. */
static int set_def(LiveRun *run, const Job *job) {
        if (!job->def)
                return job_def_new(&run->def, job->name);
        run->def = job_def_ref(job->def);
        return 0;
}

int live_run_new(LiveRun **ret, Manager *m, Job *job, const RunRequest *request) {
        _cleanup_(live_run_freep) LiveRun *run = NULL;
        usec_t now = now_realtime();
        int r;

        run = malloc(sizeof(*run));
        if (!run)
                return -ENOMEM;
        *run = (LiveRun){
                .deadline.position = HEAP_NONE,
                .position = HEAP_NONE,
                .manager = m,
                .job = job,
                .follow = request->follow,
                .record = RUN_RECORD_INIT,
        };
        run->record.cause = request->cause;
        run->record.state = RUN_QUEUED;
        run->record.trigger = request->trigger;
        run->record.parent = request->parent;
        run->record.scheduled = request->scheduled > 0 ? request->scheduled : now;
        run->record.requested = now;
        r = set_def(run, job);
        if (r >= 0)
                r = set_texts(&run->record, m, job, request);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(run);
        return 0;
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
        free(run->record.reason);
        run->record.reason = reason;
}

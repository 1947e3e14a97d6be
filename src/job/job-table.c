/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table is one array sorted by name: a look-up is a binary search, a walk is in the order in which users see it,
 * and a job costs eight bytes here. Adding in order (as a load does) is an append; in the middle it is one memmove. */

#include "job/job-table.h"

#include "util/array.h"
#include "util/string-table.h"

struct JobTable {
        Job **jobs;
        size_t n_jobs;
};

/* Of jobs without a run. It is not const because theirs are not. */
static JobLive at_rest = {
        .runs = TAILQ_HEAD_INITIALIZER(at_rest.runs),
        .queue = TAILQ_HEAD_INITIALIZER(at_rest.queue),
        .delayed = TAILQ_HEAD_INITIALIZER(at_rest.delayed),
};

int job_new(Job **ret, const char *name) {
        size_t n = strlen(name) + 1;
        Job *j = calloc(1, MAX(sizeof(*j), offsetof(Job, name) + n));

        if (!j)
                return -ENOMEM;
        j->next = USEC_INFINITY;
        j->live = &at_rest;
        memcpy(j->name, name, n);
        *ret = j;
        return 0;
}

Job *job_free(Job *j) {
        if (!j)
                return NULL;
        assert(!j->timers);
        assert(!j->alarms);
        assert(j->live == &at_rest);
        job_def_unref(j->def);
        free(j->problem);
        return mfree(j);
}

int job_ref_live(Job *j) {
        JobLive *live = j->live;

        if (live == &at_rest) {
                live = malloc(sizeof(*live));
                if (!live)
                        return -ENOMEM;
                *live = (JobLive){};
                TAILQ_INIT(&live->runs);
                TAILQ_INIT(&live->queue);
                TAILQ_INIT(&live->delayed);
                j->live = live;
        }
        live->n_ref++;
        return 0;
}

void job_unref_live(Job *j) {
        assert(j->live->n_ref > 0);
        j->live->n_ref--;
        job_let_rest(j);
}

void job_let_rest(Job *j) {
        JobLive *live = j->live;

        if (live == &at_rest || live->n_ref > 0 || live->wait)
                return;
        assert(TAILQ_EMPTY(&live->runs) && TAILQ_EMPTY(&live->queue) && TAILQ_EMPTY(&live->delayed));
        assert(live->n_bounded + live->n_delayed + live->n_sought + live->n_slots == 0);
        free(live);
        j->live = &at_rest;
}

JobState job_state(const Job *j) {
        if (j->n_running > 0)
                return j->gone ? JOB_GONE : JOB_RUNNING;
        if (j->n_queued > 0)
                return j->live->n_delayed == j->n_queued ? JOB_RETRYING : JOB_QUEUED;
        if (!j->def)
                return JOB_INVALID;
        if (!j->def->enabled)
                return JOB_DISABLED;
        return j->paused ? JOB_PAUSED : j->is_raised ? JOB_RAISED : JOB_WAITING;
}

static const char *const job_state_table[] = {
        [JOB_WAITING] = "waiting",   [JOB_RAISED] = "raised",   [JOB_QUEUED] = "queued",
        [JOB_RETRYING] = "retrying", [JOB_RUNNING] = "running", [JOB_PAUSED] = "paused",
        [JOB_DISABLED] = "disabled", [JOB_INVALID] = "invalid", [JOB_GONE] = "gone",
};
DEFINE_TO_STRING(job_state, JobState)

int job_table_new(JobTable **ret) {
        *ret = calloc(1, sizeof(JobTable));
        return *ret ? 0 : -ENOMEM;
}

JobTable *job_table_free(JobTable *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_jobs; i++)
                job_free(t->jobs[i]);
        free(t->jobs);
        return mfree(t);
}

/* The index of the name, or where it would be. */
static size_t table_position(const JobTable *t, const char *name, bool *ret_found) {
        size_t at = BISECT(t->n_jobs, i, strcmp(t->jobs[i]->name, name) < 0);

        *ret_found = at < t->n_jobs && streq(t->jobs[at]->name, name);
        return at;
}

int job_table_add(JobTable *t, Job *j) {
        bool found;
        size_t i = table_position(t, j->name, &found);
        Job **place;

        if (found)
                return -EEXIST;
        place = ARRAY_INSERT(t->jobs, t->n_jobs, i);
        if (!place)
                return -ENOMEM;
        *place = j;
        return 0;
}

void job_table_remove(JobTable *t, Job *j) {
        bool found;
        size_t i = table_position(t, j->name, &found);

        assert(found && t->jobs[i] == j);
        ARRAY_REMOVE(t->jobs, t->n_jobs, i);
        job_free(j);
}

Job *job_table_get(const JobTable *t, const char *name) {
        bool found;
        size_t i = table_position(t, name, &found);

        return found ? t->jobs[i] : NULL;
}

size_t job_table_size(const JobTable *t) {
        return t->n_jobs;
}

Job *job_table_at(const JobTable *t, size_t i) {
        assert(i < t->n_jobs);
        return t->jobs[i];
}

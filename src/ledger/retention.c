/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A job is checked when a good number of its runs has ended since the last time, and all jobs once an hour, for runs
 * that are too old and for jobs that are gone. A step checks a few jobs and deletes a few hundred rows, which takes a
 * millisecond or two; the ledger makes one while the event loop is idle. There is no timer: if no run ends, no history
 * grows. */

#include "ledger/retention.h"

#include "util/array.h"

#define JOBS_PER_STEP     8
#define ROWS_PER_STEP     128
#define JOBS_NOTED_MAX    4096 /* past that, a job has to wait for the sweep */
#define SWEEP_INTERVAL    USEC_PER_HOUR
#define SLACK_DENOMINATOR 16 /* part of keep by which it may be exceeded for a while */

struct NotedJob {
        char *name;
        unsigned n_ended;
        bool is_due;
};

static void begin_sweep(Retention *r) {
        r->swept = mfree(r->swept);
        r->sweeping = true;
}

void retention_init(Retention *r) {
        *r = (Retention){ .keep = LEDGER_KEEP_DEFAULT, .keep_usec = LEDGER_KEEP_USEC_DEFAULT };
}

void retention_done(Retention *r) {
        for (size_t i = 0; i < r->n_jobs; i++)
                free(r->jobs[i].name);
        r->jobs = mfree(r->jobs);
        r->swept = mfree(r->swept);
}

void retention_set(Retention *r, unsigned keep, usec_t keep_usec, LedgerRetentionFunc of_job, void *userdata) {
        r->keep = keep;
        r->keep_usec = keep_usec;
        r->of_job = of_job;
        r->userdata = userdata;
        begin_sweep(r);
}

static void limits_of_job(const Retention *r, const char *job, unsigned *ret_keep, usec_t *ret_keep_usec) {
        *ret_keep = r->keep;
        *ret_keep_usec = r->keep_usec;
        if (r->of_job)
                r->of_job(job, ret_keep, ret_keep_usec, r->userdata);
}

static NotedJob *note_job(Retention *r, const char *name) {
        size_t i = BISECT(r->n_jobs, k, strcmp(r->jobs[k].name, name) < 0);
        _cleanup_free_ char *copy = NULL;
        NotedJob *j;

        if (i < r->n_jobs && streq(r->jobs[i].name, name))
                return &r->jobs[i];
        copy = r->n_jobs < JOBS_NOTED_MAX ? strdup(name) : NULL;
        j = copy ? ARRAY_INSERT(r->jobs, r->n_jobs, i) : NULL;
        if (j)
                *j = (NotedJob){ .name = TAKE_PTR(copy) };
        return j;
}

void retention_note(Retention *r, const char *job) {
        NotedJob *j = note_job(r, job);
        usec_t keep_usec;
        unsigned keep;

        if (!j)
                return;
        j->n_ended++;
        if (j->is_due)
                return;
        limits_of_job(r, job, &keep, &keep_usec);
        j->is_due = keep != LEDGER_KEEP_ALL && j->n_ended >= MAX(keep / SLACK_DENOMINATOR, 1U);
        if (j->is_due)
                r->n_due++;
}

static int prune_job(const Retention *r, Store *s, const char *job, unsigned max, usec_t now_realtime) {
        usec_t keep_usec;
        unsigned keep;

        limits_of_job(r, job, &keep, &keep_usec);
        return store_prune_job(s, job, keep, keep_usec == USEC_INFINITY ? 0 : usec_sub(now_realtime, keep_usec), max);
}

/* Number of rows that were deleted; the job is done if there were fewer than max. */
static int prune_due_job(Retention *r, Store *s, unsigned max, usec_t now_realtime) {
        size_t i = 0;
        int n;

        assert(r->n_due > 0 && r->n_due <= r->n_jobs);
        while (!r->jobs[i].is_due)
                i++;
        n = prune_job(r, s, r->jobs[i].name, max, now_realtime);
        if (n >= 0 && n < (int)max) {
                free(r->jobs[i].name);
                ARRAY_REMOVE(r->jobs, r->n_jobs, i);
                r->n_due--;
        }
        return n;
}

/* Goes on to the next job once this one is done. */
static int prune_swept_job(Retention *r, Store *s, unsigned max, usec_t now_realtime) {
        _cleanup_free_ char *job = NULL;
        int n;

        n = store_next_job(s, strempty(r->swept), &job);
        if (n == -ENOENT) {
                r->sweeping = false;
                r->swept = mfree(r->swept);
                return 0;
        }
        if (n < 0)
                return n;
        n = prune_job(r, s, job, max, now_realtime);
        if (n >= 0 && n < (int)max) {
                free(r->swept);
                r->swept = TAKE_PTR(job);
        }
        return n;
}

static int prune_some_jobs(Retention *r, Store *s, usec_t now_realtime) {
        unsigned n_rows = 0;

        for (unsigned i = 0; i < JOBS_PER_STEP && n_rows < ROWS_PER_STEP && (r->n_due > 0 || r->sweeping); i++) {
                int n = r->n_due > 0 ? prune_due_job(r, s, ROWS_PER_STEP - n_rows, now_realtime)
                                     : prune_swept_job(r, s, ROWS_PER_STEP - n_rows, now_realtime);

                if (n < 0)
                        return n;
                n_rows += (unsigned)n;
        }
        return r->n_due > 0 || r->sweeping;
}

int retention_step(Retention *r, Store *s, usec_t now_realtime, usec_t now_boottime) {
        int more, k;

        if (now_boottime >= r->next_sweep_boottime) {
                r->next_sweep_boottime = usec_add(now_boottime, SWEEP_INTERVAL);
                begin_sweep(r);
        }
        if (r->n_due == 0 && !r->sweeping)
                return 0;
        k = store_begin(s);
        if (k < 0)
                return k;
        more = prune_some_jobs(r, s, now_realtime);
        k = more < 0 ? more : store_commit(s);
        if (k < 0)
                store_rollback(s);
        return k < 0 ? k : more;
}

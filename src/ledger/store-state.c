/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The small tables: stamps of triggers, states of jobs, alarms, and metadata of the ledger. */

#include "ledger/store-internal.h"
#include "ledger/store.h"
#include "util/array.h"

/* --- reading ahead --- */

#define AHEAD_STEPS_MAX 4

static int compare_stamp(const StoreAhead *a, const AheadStamp *stamp, const char *job, const char *key) {
        int r = strcmp(a->names.bytes + stamp->job, job);

        return r != 0 ? r : strcmp(a->names.bytes + stamp->key, key);
}

/* Jobs are asked about in order, so most often it stands a few behind the one that was asked for last. */
static int ahead_get_stamp(StoreAhead *a, const char *job, const char *key, usec_t *ret) {
        size_t at = a->next_stamp;

        for (unsigned n = 0; n < AHEAD_STEPS_MAX && at < a->n_stamps && compare_stamp(a, &a->stamps[at], job, key) < 0;
             n++)
                at++;
        if ((at < a->n_stamps && compare_stamp(a, &a->stamps[at], job, key) < 0) ||
            (at > 0 && compare_stamp(a, &a->stamps[at - 1], job, key) >= 0))
                at = BISECT(a->n_stamps, i, compare_stamp(a, &a->stamps[i], job, key) < 0);
        a->next_stamp = at;
        if (at == a->n_stamps || compare_stamp(a, &a->stamps[at], job, key) != 0)
                return -ENOENT;
        a->next_stamp++;
        *ret = a->stamps[at].usec;
        return 0;
}

static int ahead_list_stamps(const StoreAhead *a,
                             int (*visit)(const char *job, const char *key, usec_t usec, void *userdata),
                             void *userdata) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < a->n_stamps; i++)
                r = visit(a->names.bytes + a->stamps[i].job, a->names.bytes + a->stamps[i].key, a->stamps[i].usec,
                          userdata);
        return r;
}

static int ahead_next_kept_job(const StoreAhead *a, const char *after, char **ret) {
        const char *names = a->names.bytes, *next = NULL;
        size_t stamp = BISECT(a->n_stamps, i, strcmp(names + a->stamps[i].job, after) <= 0);
        size_t other = BISECT(a->n_others, i, strcmp(names + a->others[i], after) <= 0);

        if (stamp < a->n_stamps)
                next = names + a->stamps[stamp].job;
        if (other < a->n_others && (!next || strcmp(names + a->others[other], next) < 0))
                next = names + a->others[other];
        if (!next)
                return -ENOENT;
        *ret = strdup(next);
        return *ret ? 0 : -ENOMEM;
}

/* --- stamps --- */

int store_set_stamp(Store *s, const char *job, const char *key, usec_t usec) {
        sqlite3_stmt *statement = s->statements[STATEMENT_SET_STAMP];

        bind_text(statement, 1, job);
        bind_text(statement, 2, key);
        (void)sqlite3_bind_int64(statement, 3, (sqlite3_int64)usec);
        return store_step_done(s, statement);
}

int store_forget_stamp(Store *s, const char *job, const char *key) {
        return store_change(s, STATEMENT_FORGET_STAMP, job, key);
}

static int read_stamp(Store *s, const char *job, const char *key, usec_t *ret) {
        _cleanup_reset_ sqlite3_stmt *statement = s->statements[STATEMENT_GET_STAMP];
        int r;

        bind_text(statement, 1, job);
        bind_text(statement, 2, key);
        r = store_step_row(s, statement);
        if (r >= 0)
                *ret = (usec_t)sqlite3_column_int64(statement, 0);
        return r;
}

int store_get_stamp(Store *s, const char *job, const char *key, usec_t *ret) {
        return s->ahead ? ahead_get_stamp(s->ahead, job, key, ret) : read_stamp(s, job, key, ret);
}

static int read_stamps(Store *s, const char *job,
                       int (*visit)(const char *job, const char *key, usec_t usec, void *userdata), void *userdata) {
        _cleanup_reset_ sqlite3_stmt *statement = s->statements[STATEMENT_LIST_STAMPS];
        int r;

        bind_jobs(statement, job);
        while ((r = store_step_row(s, statement)) >= 0) {
                r = visit(column_text(statement, 0), column_text(statement, 1),
                          (usec_t)sqlite3_column_int64(statement, 2), userdata);
                if (r != 0)
                        return r;
        }
        return r == -ENOENT ? 0 : r;
}

/* Visits change what is pending, and nothing in the database. */
int store_list_stamps(Store *s, const char *job,
                      int (*visit)(const char *job, const char *key, usec_t usec, void *userdata), void *userdata) {
        return s->ahead && !job ? ahead_list_stamps(s->ahead, visit, userdata) : read_stamps(s, job, visit, userdata);
}

/* --- job states --- */

int store_set_job_state(Store *s, const char *job, const LedgerJobState *state) {
        sqlite3_stmt *statement = s->statements[STATEMENT_SET_STATE];

        if (!state->paused && state->pause_until == 0 && state->skip == 0)
                return store_change(s, STATEMENT_FORGET_STATE, job, NULL);
        bind_text(statement, 1, job);
        (void)sqlite3_bind_int(statement, 2, state->paused);
        (void)sqlite3_bind_int64(statement, 3, (sqlite3_int64)state->pause_until);
        (void)sqlite3_bind_int64(statement, 4, state->skip);
        return store_step_done(s, statement);
}

static void load_job_state(sqlite3_stmt *statement, LedgerJobState *ret) {
        *ret = (LedgerJobState){
                .paused = sqlite3_column_int(statement, 0) != 0,
                .pause_until = (usec_t)sqlite3_column_int64(statement, 1),
                .skip = (unsigned)sqlite3_column_int64(statement, 2),
        };
}

int store_get_job_state(Store *s, const char *job, LedgerJobState *ret) {
        _cleanup_reset_ sqlite3_stmt *statement = s->statements[STATEMENT_GET_STATE];
        int r;

        if (s->ahead && !s->ahead->has_states)
                return -ENOENT;
        bind_text(statement, 1, job);
        r = store_step_row(s, statement);
        if (r >= 0)
                load_job_state(statement, ret);
        return r;
}

int store_list_job_states(Store *s, int (*visit)(const char *job, const LedgerJobState *state, void *userdata),
                          void *userdata) {
        _cleanup_reset_ sqlite3_stmt *statement = s->statements[STATEMENT_LIST_STATES];
        int r;

        while ((r = store_step_row(s, statement)) >= 0) {
                LedgerJobState state;

                load_job_state(statement, &state);
                r = visit(column_text(statement, 3), &state, userdata);
                if (r != 0)
                        return r;
        }
        return r == -ENOENT ? 0 : r;
}

/* --- alarms --- */

int store_set_alarm(Store *s, const LedgerAlarm *alarm) {
        sqlite3_stmt *statement = s->statements[STATEMENT_SET_ALARM];

        if (alarm->since == 0)
                return store_change(s, STATEMENT_FORGET_ALARM, alarm->job, alarm->key);
        bind_text(statement, 1, alarm->job);
        bind_text(statement, 2, alarm->key);
        (void)sqlite3_bind_int64(statement, 3, (sqlite3_int64)alarm->since);
        (void)sqlite3_bind_int64(statement, 4, (sqlite3_int64)alarm->raised);
        (void)sqlite3_bind_int64(statement, 5, (sqlite3_int64)alarm->run);
        (void)sqlite3_bind_text(statement, 6, alarm->text, text_length(strempty(alarm->text)), SQLITE_STATIC);
        return store_step_done(s, statement);
}

int store_list_alarms(Store *s, const char *job, int (*visit)(const LedgerAlarm *alarm, void *userdata),
                      void *userdata) {
        _cleanup_reset_ sqlite3_stmt *statement = s->statements[STATEMENT_LIST_ALARMS];
        int r;

        bind_jobs(statement, job);
        while ((r = store_step_row(s, statement)) >= 0) {
                LedgerAlarm alarm = {
                        .job = column_text(statement, 0),
                        .key = column_text(statement, 1),
                        .since = (usec_t)sqlite3_column_int64(statement, 2),
                        .raised = (usec_t)sqlite3_column_int64(statement, 3),
                        .run = (uint64_t)sqlite3_column_int64(statement, 4),
                        .text = column_text(statement, 5),
                };

                r = visit(&alarm, userdata);
                if (r != 0)
                        return r;
        }
        return r == -ENOENT ? 0 : r;
}

/* --- all of them --- */

int store_next_kept_job(Store *s, const char *after, char **ret) {
        return s->ahead ? ahead_next_kept_job(s->ahead, after, ret)
                        : store_get_text(s, STATEMENT_NEXT_KEPT_JOB, after, ret);
}

static size_t add_name(StoreAhead *a, const char *name) {
        size_t at = a->names.n;

        bytes_add(&a->names, name, strlen(name) + 1);
        return at;
}

static int add_stamp(const char *job, const char *key, usec_t usec, void *userdata) {
        StoreAhead *a = userdata;
        AheadStamp *place = ARRAY_NEXT(a->stamps, a->n_stamps);

        if (!place)
                return -ENOMEM;
        *place = (AheadStamp){ .job = add_name(a, job), .key = add_name(a, key), .usec = usec };
        a->n_stamps++;
        return 0;
}

static int add_state(const char *job, const LedgerJobState *state, void *userdata) {
        *(bool *)userdata = true;
        return 1;
}

static int add_others(Store *s, StoreAhead *a) {
        _cleanup_reset_ sqlite3_stmt *statement = s->statements[STATEMENT_KEPT_BESIDE_STAMPS];
        int r;

        while ((r = store_step_row(s, statement)) >= 0) {
                size_t *place = ARRAY_NEXT(a->others, a->n_others);

                if (!place)
                        return -ENOMEM;
                *place = add_name(a, column_text(statement, 0));
                a->n_others++;
        }
        return r == -ENOENT ? 0 : r;
}

int store_read_ahead(Store *s) {
        _cleanup_(store_ahead_freep) StoreAhead *a = NULL;
        int r;

        if (s->ahead)
                return 0;
        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        r = store_list_stamps(s, NULL, add_stamp, a);
        if (r >= 0)
                r = store_list_job_states(s, add_state, &a->has_states);
        if (r >= 0)
                r = add_others(s, a);
        if (r >= 0 && a->names.failed)
                r = -ENOMEM;
        if (r < 0)
                return r;
        s->ahead = TAKE_PTR(a);
        return 0;
}

/* --- meta --- */

int store_set_meta(Store *s, const char *key, const char *value) {
        return store_change(s, STATEMENT_SET_META, key, value);
}

int store_get_meta(Store *s, const char *key, char **ret) {
        return store_get_text(s, STATEMENT_GET_META, key, ret);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* At a start and at a reload, much is asked about each of ten thousand jobs. One statement for all of them costs as
 * much as twenty for one: so the small tables are read at once, and look-ups are answered from that until something
 * else is written, or nobody needs it any more. */

#include "ledger/store-ahead.h"

#include "ledger/store-internal.h"
#include "util/array.h"
#include "util/bytes.h"

typedef struct AheadStamp {
        size_t job, key; /* offsets in the names */
        usec_t usec;
} AheadStamp;

struct StoreAhead {
        Bytes names;
        AheadStamp *stamps; /* by job and key */
        size_t n_stamps;
        size_t *others; /* names of jobs of which something else is kept, perhaps beside stamps; in order */
        size_t n_others;
        bool has_states;
};

static StoreAhead *ahead_free(StoreAhead *a) {
        if (!a)
                return NULL;
        bytes_done(&a->names);
        free(a->stamps);
        free(a->others);
        return mfree(a);
}
DEFINE_CLEANUP(StoreAhead, ahead_free)

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
        _cleanup_(ahead_freep) StoreAhead *a = NULL;
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

void store_end_read_ahead(Store *s) {
        s->ahead = ahead_free(s->ahead);
}

static int compare_stamp(const StoreAhead *a, const AheadStamp *stamp, const char *job, const char *key) {
        int r = strcmp(a->names.bytes + stamp->job, job);

        return r != 0 ? r : strcmp(a->names.bytes + stamp->key, key);
}

int ahead_get_stamp(const StoreAhead *a, const char *job, const char *key, usec_t *ret) {
        size_t at = BISECT(a->n_stamps, i, compare_stamp(a, &a->stamps[i], job, key) < 0);

        if (at == a->n_stamps || compare_stamp(a, &a->stamps[at], job, key) != 0)
                return -ENOENT;
        *ret = a->stamps[at].usec;
        return 0;
}

bool ahead_has_states(const StoreAhead *a) {
        return a->has_states;
}

int ahead_next_kept_job(const StoreAhead *a, const char *after, char **ret) {
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

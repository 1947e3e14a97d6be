#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the tests of the ledger share: a directory of their own, runs, and a look at what is listed. */

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "ledger/ledger.h"
#include "util/log.h"

static char directory[] = "/tmp/vakt-test-ledger-XXXXXX";

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

/* Nothing survives from one test to the next. */
static inline int make_directory(void **state) {
        (void)strcpy(directory + strlen(directory) - 6, "XXXXXX");
        return mkdtemp(directory) ? 0 : -1;
}

static inline int remove_directory(void **state) {
        log_open(LOG_TARGET_STDERR);
        return nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

#define ledger_test(f) cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)

static inline const char *in_directory(const char *name) {
        static char path[256];

        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        return path;
}

static inline Ledger *open_ledger(sd_event *event) {
        Ledger *l = NULL;

        assert_int_equal(ledger_open(&l, event, directory, NULL), 0);
        return l;
}

static inline bool is_ok(Ledger *l) {
        const char *message;
        bool ok = ledger_state(l, &message) == LEDGER_OK;

        assert_true(ok == !message);
        return ok;
}

static inline uint64_t add(Ledger *l, const char *job) {
        RunRecord r = { .job = job, .state = RUN_QUEUED };

        assert_int_equal(ledger_add(l, &r), 0);
        return r.id;
}

static inline uint64_t add_done(Ledger *l, const char *job, RunResult result, usec_t when) {
        RunRecord r = {
                .job = job,
                .state = RUN_DONE,
                .result = result,
                .requested = when,
                .ended = when,
        };

        assert_int_equal(ledger_add(l, &r), 0);
        return r.id;
}

static inline void check_text(const char *member, const char *found, const char *expected) {
        if (!streq_ptr(found, expected))
                fail_msg("%s is '%s' and not '%s'", member, found ?: "NULL", expected ?: "NULL");
}

/* Every member of it. */
static inline void check_record(const RunRecord *found, const RunRecord *expected) {
        assert_non_null(found);
        check_text("job", found->job, expected->job);
        check_text("parent_job", found->parent_job, expected->parent_job);
        check_text("alarm", found->alarm, expected->alarm);
        check_text("payload", found->payload, expected->payload);
        check_text("unit", found->unit, expected->unit);
        check_text("host", found->host, expected->host);
        check_text("reason", found->reason, expected->reason);
        check_text("status_text", found->status_text, expected->status_text);
        assert_true(sd_id128_equal(found->invocation, expected->invocation));
        assert_true(found->id == expected->id && found->parent == expected->parent);
        assert_true(found->cause == expected->cause && found->state == expected->state);
        assert_true(found->result == expected->result && found->code == expected->code);
        assert_true(found->attempt == expected->attempt && found->trigger == expected->trigger);
        assert_true(found->scheduled == expected->scheduled && found->requested == expected->requested);
        assert_true(found->started == expected->started && found->ended == expected->ended);
        assert_true(found->pid == expected->pid && found->pid_start == expected->pid_start);
        assert_true(found->cpu == expected->cpu && found->memory_peak == expected->memory_peak);
        assert_true(found->files == expected->files && found->bytes_freed == expected->bytes_freed);
}

static inline int count_alarm(const LedgerAlarm *alarm, void *userdata) {
        ++*(size_t *)userdata;
        return 0;
}

static inline size_t count_alarms(Ledger *l, const char *job) {
        size_t n = 0;

        assert_int_equal(ledger_list_alarms(l, job, count_alarm, &n), 0);
        return n;
}

static inline void set_alarm(Ledger *l, const char *job, const char *key, usec_t since) {
        LedgerAlarm a = { .job = job, .key = key, .since = since };

        assert_int_equal(ledger_set_alarm(l, &a), 0);
}

typedef struct Seen {
        uint64_t ids[64];
        size_t n;
        size_t stop_at; /* 0 = when the array is full */
} Seen;

static inline int see(const RunRecord *r, void *userdata) {
        Seen *s = userdata;

        s->ids[s->n++] = r->id;
        return s->n == (s->stop_at ?: ELEMENTSOF(s->ids));
}

static inline int count(const RunRecord *r, void *userdata) {
        ++*(size_t *)userdata;
        return 0;
}

static inline size_t count_runs(Ledger *l, const char *job) {
        size_t n = 0;

        assert_int_equal(ledger_list(l, job, 0, UINT32_MAX, count, &n), 0);
        return n;
}

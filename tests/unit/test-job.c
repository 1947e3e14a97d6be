/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names of jobs, the table of jobs, the words for states, and what is watched. */

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "job/job-table.h"
#include "util/strv.h"
#include "util/text-copy.h"

static void test_names(void **state) {
        static const struct {
                int line;
                const char *name;
                bool valid;
        } table[] = {
                { __LINE__, "backup", true },
                { __LINE__, "a", true },
                { __LINE__, "9lives", true },
                { __LINE__, "a.b-c_D", true },
                { __LINE__, "tell@", true },
                { __LINE__, "tell@oslo", true },
                { __LINE__, "tell@0.-_", true },
                { __LINE__, "tell@.", false },
                { __LINE__, "tell@..", false },
                { __LINE__, "tell@.x", false },
                { __LINE__, "tell@-x", false },
                { __LINE__, "tell@_x", false },
                { __LINE__, "", false },
                { __LINE__, "@oslo", false },
                { __LINE__, "a@b@c", false },
                { __LINE__, ".hidden", false },
                { __LINE__, "-dash", false },
                { __LINE__, "_under", false },
                { __LINE__, "a/b", false },
                { __LINE__, "a b", false },
                { __LINE__, "a\n", false },
                { __LINE__, "sm\xc3\xb8r", false },
                { __LINE__, "0123456789012345678901234567890123456789012345678901234567890123", true },
                { __LINE__, "01234567890123456789012345678901234567890123456789012345678901234", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (job_name_is_valid(table[i].name) != table[i].valid)
                        fail_msg("line %d: '%s'", table[i].line, table[i].name);
}

#define N 1000

static Job *add(JobTable *t, unsigned n) {
        char name[16];
        Job *j;

        (void)snprintf(name, sizeof(name), "job%u", n);
        assert_int_equal(job_new(&j, name), 0);
        assert_int_equal(job_table_add(t, j), 0);
        return j;
}

static void test_table(void **state) {
        _cleanup_(job_table_freep) JobTable *t = NULL;
        _cleanup_(job_freep) Job *twin = NULL;

        assert_int_equal(job_table_new(&t), 0);
        assert_null(job_table_get(t, "job1"));
        for (unsigned i = 0; i < N; i++)
                (void)add(t, (i * 7919) % N);
        assert_int_equal(job_table_size(t), N);
        for (size_t i = 1; i < N; i++)
                assert_true(strcmp(job_table_at(t, i - 1)->name, job_table_at(t, i)->name) < 0);
        assert_string_equal(job_table_get(t, "job500")->name, "job500");
        assert_int_equal(job_new(&twin, "job500"), 0);
        assert_int_equal(job_table_add(t, twin), -EEXIST);
        job_table_remove(t, job_table_get(t, "job500"));
        assert_null(job_table_get(t, "job500"));
        assert_non_null(job_table_get(t, "job499"));
        assert_int_equal(job_table_size(t), N - 1);
}

static void test_states(void **state) {
        _cleanup_(job_freep) Job *j = NULL;
        const JobLive *at_rest;

        assert_int_equal(job_new(&j, "a"), 0);
        assert_string_equal(job_state_to_string(job_state(j)), "invalid");
        assert_int_equal(job_def_new(&j->def, "a"), 0);
        assert_string_equal(job_state_to_string(job_state(j)), "waiting");
        j->is_raised = true;
        assert_string_equal(job_state_to_string(job_state(j)), "raised");
        j->paused = true;
        assert_string_equal(job_state_to_string(job_state(j)), "paused");
        j->n_queued = 1;
        assert_string_equal(job_state_to_string(job_state(j)), "queued");
        at_rest = j->live;
        assert_int_equal(job_ref_live(j), 0);
        assert_ptr_not_equal(j->live, at_rest);
        j->live->n_delayed = 1;
        assert_string_equal(job_state_to_string(job_state(j)), "retrying");
        j->n_queued = 2;
        assert_string_equal(job_state_to_string(job_state(j)), "queued");
        j->n_running = 1;
        assert_string_equal(job_state_to_string(job_state(j)), "running");
        j->gone = true;
        assert_string_equal(job_state_to_string(job_state(j)), "gone");
        j->n_running = j->n_queued = j->live->n_delayed = 0;
        job_unref_live(j);
        assert_ptr_equal(j->live, at_rest);
        j->def->enabled = false;
        assert_string_equal(job_state_to_string(job_state(j)), "disabled");
}

static void test_words(void **state) {
        for (RunResult i = 0; i < _RUN_RESULT_MAX; i++)
                assert_int_equal(run_result_from_string(run_result_to_string(i)), i);
        for (RunCause i = 0; i < _RUN_CAUSE_MAX; i++)
                assert_int_equal(run_cause_from_string(run_cause_to_string(i)), i);
        for (RunState i = 0; i < _RUN_STATE_MAX; i++)
                assert_non_null(run_state_to_string(i));
        assert_null(run_state_to_string(_RUN_STATE_MAX));
        assert_true(run_result_from_string("nonsense") < 0);
}

static void test_path_words(void **state) {
        static const char *const keys[] = { "PathExists",   "PathExistsGlob",    "PathChanged",
                                            "PathModified", "DirectoryNotEmpty", "Spool" };

        assert_int_equal(ELEMENTSOF(keys), _PATH_KIND_MAX);
        for (PathKind i = 0; i < _PATH_KIND_MAX; i++)
                assert_string_equal(path_kind_to_string(i), keys[i]);
        assert_null(path_kind_to_string(_PATH_KIND_MAX));
        assert_int_equal(watch_backend_from_string("inotify"), WATCH_BACKEND_INOTIFY);
        assert_int_equal(watch_backend_from_string("fanotify"), WATCH_BACKEND_FANOTIFY);
        assert_int_equal(watch_backend_from_string("poll"), WATCH_BACKEND_POLL);
        assert_int_equal(watch_backend_from_string("nonsense"), -EINVAL);
        for (unsigned e = 1; e <= WATCH_ALL; e <<= 1)
                assert_int_equal(watch_event_from_string(watch_event_to_string(e)), e);
        assert_int_equal(watch_event_from_string("close"), WATCH_CLOSE);
        assert_int_equal(watch_event_from_string("attrib"), WATCH_ATTRIB);
        assert_int_equal(watch_event_from_string("closed"), -EINVAL);
        assert_null(watch_event_to_string(0));
        assert_null(watch_event_to_string(WATCH_COMPLETE));
        assert_null(watch_event_to_string(WATCH_ALL + 1));
}

static PathDef *watch_of(PathKind kind, const char *path) {
        PathDef *d;

        assert_int_equal(path_def_new(&d), 0);
        d->sources = calloc(1, sizeof(PathSource));
        assert_non_null(d->sources);
        d->sources[d->n_sources++] = (PathSource){ .kind = kind, .path = strdup(path) };
        return d;
}

static void break_path(PathDef *d) {
        d->sources[0].path[1] = 'x';
}
static void break_kind(PathDef *d) {
        d->sources[0].kind = PATH_MODIFIED;
}
static void break_number(PathDef *d) {
        d->n_sources = 0;
}
static void break_include(PathDef *d) {
        assert_int_equal(strv_extend(&d->include, "x"), 0);
}
static void break_exclude(PathDef *d) {
        assert_int_equal(strv_extend(&d->exclude, "x"), 0);
}
static void break_events(PathDef *d) {
        d->events = WATCH_MOVE;
}
static void break_recursive(PathDef *d) {
        d->recursive = true;
}
static void break_backend(PathDef *d) {
        d->backend = WATCH_BACKEND_POLL;
}
static void break_poll(PathDef *d) {
        d->poll = 1;
}
static void break_mounts(PathDef *d) {
        d->cross_mounts = true;
}
static void break_done(PathDef *d) {
        d->spool_done = strdup("/d");
}
static void break_failed(PathDef *d) {
        d->spool_failed = strdup("/d");
}

/* What is done with the files is no matter of the watch: it need not be begun anew for that. */
static void test_path_same(void **state) {
        static void (*const differences[])(PathDef * d) = {
                break_path,      break_kind,    break_number, break_include, break_exclude, break_events,
                break_recursive, break_backend, break_poll,   break_mounts,  break_done,    break_failed,
        };
        _cleanup_(path_def_freep) PathDef *a = watch_of(PATH_CHANGED, "/a");

        for (size_t i = 0; i < ELEMENTSOF(differences); i++) {
                PathDef *b = watch_of(PATH_CHANGED, "/a");

                b->settle = b->settle_max = b->limit_interval = USEC_PER_SEC;
                b->limit_burst = 5;
                b->each = b->make_directory = true;
                b->directory_mode = 0700;
                assert_true(path_def_watches_the_same(a, b));
                differences[i](b);
                if (path_def_watches_the_same(a, b) || path_def_watches_the_same(b, a))
                        fail_msg("difference %zu is none", i);
                if (b->n_sources == 0)
                        b->n_sources = 1;
                path_def_free(b);
        }
}

static void test_path_limit(void **state) {
        static const struct {
                int line;
                PathKind kind;
                bool each;
                usec_t interval, want_interval;
                unsigned burst, want_burst;
        } table[] = {
                { __LINE__, PATH_CHANGED, false, USEC_INFINITY, 10 * USEC_PER_SEC, UINT_MAX, 20 },
                { __LINE__, PATH_EXISTS, true, USEC_INFINITY, 2 * USEC_PER_SEC, UINT_MAX, 200 },
                { __LINE__, PATH_SPOOL, true, USEC_INFINITY, 2 * USEC_PER_SEC, UINT_MAX, 0 },
                { __LINE__, PATH_SPOOL, true, 1, 1, 3, 3 },
                { __LINE__, PATH_CHANGED, false, 5, 5, 0, 0 },
                { __LINE__, PATH_CHANGED, false, 0, 0, 9, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                PathDef *d = watch_of(table[i].kind, "/a");

                d->each = table[i].each;
                d->limit_interval = table[i].interval;
                d->limit_burst = table[i].burst;
                path_def_set_default_limit(d);
                if (d->limit_interval != table[i].want_interval || d->limit_burst != table[i].want_burst)
                        fail_msg("line %d: %u", table[i].line, d->limit_burst);
                path_def_free(d);
        }
}

/* What was copied does not follow what it was copied from, and may be a copy of itself. */
static void test_owned_run(void **state) {
        char job[] = "a", reason[] = "why";
        OwnedRun o = {};

        assert_int_equal(owned_run_assign(&o, &(RunRecord){ .id = 7, .job = job, .reason = reason }), 0);
        memset(job, 'x', 1);
        memset(reason, 'x', 3);
        assert_int_equal(owned_run_assign(&o, &o.record), 0);
        assert_int_equal(o.record.id, 7);
        assert_string_equal(o.record.job, "a");
        assert_string_equal(o.record.reason, "why");
        assert_null(o.record.host);
        owned_run_set_text(&o.record.reason, NULL);
        assert_null(o.record.reason);
        owned_run_set_text(&o.record.host, strdup("here"));
        assert_string_equal(o.record.host, "here");
        owned_run_done(&o);
}

static void test_copy_with_texts(void **state) {
        static const size_t texts[] = { offsetof(RunRecord, job), offsetof(RunRecord, unit),
                                        offsetof(RunRecord, host) };
        char job[] = "a job", host[] = "";
        const RunRecord view = { .id = 7, .job = job, .host = host, .memory_peak = 9 };
        RunRecord *copy = COPY_WITH_TEXTS(&view, texts);

        assert_non_null(copy);
        memset(job, 'x', 5);
        memset(host, 'x', 1);
        assert_true(copy->id == 7 && copy->memory_peak == 9);
        assert_string_equal(copy->job, "a job");
        assert_null(copy->unit);
        assert_string_equal(copy->host, "");
        free(copy);
}

static void test_upkeep_summary(void **state) {
        static const char *const bad[] = {
                "",
                "files=1",
                "files=1 freed=2",
                "files=1 freed=2:",
                "files= freed=2: x",
                "files=1 freed=: x",
                "files=-1 freed=2: x",
                "files=1 freed=+2: x",
                " files=1 freed=2: x",
                "files=1  freed=2: x",
                "files=18446744073709551616 freed=2: x",
                "Rotated files=1 freed=2: x",
                "files=0x1 freed=2: x",
        };
        uint64_t files = 7, freed = 7;
        const char *text = "none";

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(upkeep_summary_parse(bad[i], &files, &freed, &text));
        assert_true(files == 7 && freed == 7);
        assert_string_equal(text, "none");
        assert_true(upkeep_summary_parse("files=0 freed=18446744073709551614: a: b\n", &files, &freed, &text));
        assert_true(files == 0 && freed == UINT64_MAX - 1);
        assert_string_equal(text, "a: b\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),           cmocka_unit_test(test_table),
                cmocka_unit_test(test_states),          cmocka_unit_test(test_words),
                cmocka_unit_test(test_path_words),      cmocka_unit_test(test_path_same),
                cmocka_unit_test(test_path_limit),      cmocka_unit_test(test_owned_run),
                cmocka_unit_test(test_copy_with_texts), cmocka_unit_test(test_upkeep_summary),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

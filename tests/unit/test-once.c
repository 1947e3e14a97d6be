/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs that run once: accepted is what is on disk, and a daemon that is killed, at whatever step, loses none and runs
 * none twice. */

#include "core-fixture.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/manager-body.h"
#include "file-limit.h"
#include "util/file.h"
#include "util/log.h"

#define RUN "[Run]\nShell=echo x >>%s/ran\n"

static unsigned n_syncs, failing_sync; /* of ours, not those of the ledger; 0: none fails */

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd) {
        if (++n_syncs == failing_sync) {
                errno = EIO;
                return -1;
        }
        return __real_fsync(fd);
}

static int add(Fixture *f, const char *name, usec_t at, const char *text) {
        _cleanup_free_ char *reason = NULL;
        const Job *added;
        int r = manager_add_once(f->m, name, at, text, &reason, &added);

        assert_true(!!reason == (r == -EINVAL));
        if (r >= 0)
                assert_true(added->next > now_realtime() - USEC_PER_MINUTE && added->next < USEC_INFINITY);
        return r;
}

static bool has_file(const Fixture *f, const char *name) {
        char path[192];

        (void)snprintf(path, sizeof(path), "%s/once.d/%s.job", f->directory, name);
        return access(path, F_OK) >= 0;
}

/* Those with other names, too. */
static unsigned count_files(const Fixture *f) {
        _cleanup_(closedirp) DIR *dir = NULL;
        char path[128];
        unsigned n = 0;

        (void)snprintf(path, sizeof(path), "%s/once.d", f->directory);
        dir = opendir(path);
        assert_non_null(dir);
        for (const struct dirent *e; (e = readdir(dir));)
                n += !streq(e->d_name, ".") && !streq(e->d_name, "..");
        return n;
}

static off_t times_ran(const Fixture *f) {
        char path[128];
        struct stat st;

        (void)snprintf(path, sizeof(path), "%s/ran", f->directory);
        return stat(path, &st) < 0 ? 0 : st.st_size / 2;
}

static bool is_gone(Fixture *f, const char *name) {
        return !job_table_get(manager_jobs(f->m), name);
}

/* The daemon is killed as soon as the step is reached. */
static void test_killed(void **state) {
        enum { CREATED, REQUESTED, STARTED, FINISHED, N_STEPS };
        Fixture *f = *state;
        char text[128];

        (void)snprintf(text, sizeof(text), RUN, f->directory);
        for (unsigned step = CREATED; step < N_STEPS; step++) {
                unsigned n_started = f->n_started, n_finished = f->n_finished;
                char name[16];
                RunRecord r;

                (void)snprintf(name, sizeof(name), "step-%u", step);
                start(f);
                assert_int_equal(add(f, name, 0, text), 0);
                assert_true(has_file(f, name));
                if (step == REQUESTED)
                        WAIT_FOR(f, job(f, name)->n_queued > 0);
                if (step == STARTED)
                        WAIT_FOR(f, f->n_started > n_started);
                if (step == FINISHED)
                        WAIT_FOR(f, f->n_finished > n_finished);
                if (step == FINISHED)
                        assert_false(is_gone(f, name));
                stop(f);
                assert_true(has_file(f, name));
                start(f);
                WAIT_FOR(f, is_gone(f, name));
                assert_false(has_file(f, name));
                r = newest(f, name);
                assert_true(r.result == RUN_RESULT_SUCCESS || (step == STARTED && r.result == RUN_RESULT_LOST));
                assert_int_equal(count_result(f, name, r.result), 1);
                if (r.result == RUN_RESULT_SUCCESS)
                        assert_true(times_ran(f) >= 1);
                assert_true(times_ran(f) <= (off_t)step + 1);
                stop(f);
        }
}

/* It stays until no retry is left; and over a reload and the end of the daemon. */
static void test_retries(void **state) {
        Fixture *f = *state;

        start(f);
        assert_int_equal(add(f, "again", 0, "[Run]\nShell=exit 1\nRetry=2\nRetryDelaySec=1ms\n"), 0);
        assert_int_equal(manager_reload(f->m), 0);
        WAIT_FOR(f, f->n_finished == 2);
        assert_false(is_gone(f, "again"));
        WAIT_FOR(f, is_gone(f, "again"));
        assert_int_equal(count_result(f, "again", RUN_RESULT_EXIT), 3);
        assert_int_equal(manager_reload(f->m), 0);
        assert_true(is_gone(f, "again"));
}

/* One that is refused when its time comes has had its time. */
static void test_skipped(void **state) {
        Fixture *f = *state;

        start(f);
        assert_int_equal(add(f, "skipped", 0, "[Run]\nExec=/bin/true\n"), 0);
        assert_int_equal(manager_skip(f->m, "skipped", 1), 0);
        WAIT_FOR(f, is_gone(f, "skipped"));
        assert_int_equal(count_result(f, "skipped", RUN_RESULT_SKIPPED), 1);
}

static void test_removed(void **state) {
        usec_t later = now_realtime() + USEC_PER_HOUR;
        Fixture *f = *state;

        write_job(f, "other", "[Run]\nExec=/bin/true\n");
        start(f);
        assert_int_equal(add(f, "later", later, "[Run]\nExec=/bin/true\n"), 0);
        assert_int_equal(manager_remove_once(f->m, "other"), -EADDRINUSE);
        assert_int_equal(manager_remove_once(f->m, "nothing"), -ENOENT);
        assert_int_equal(manager_remove_once(f->m, "later"), 0);
        assert_true(is_gone(f, "later"));
        assert_false(has_file(f, "later"));
        assert_int_equal(count_result(f, "later", RUN_RESULT_CANCELLED), 1);
        assert_int_equal(add(f, "later", later, "[Run]\nExec=/bin/true\n"), 0);
        assert_int_equal(manager_reload(f->m), 0);
        assert_false(is_gone(f, "later"));
}

static void test_refused(void **state) {
        static const char *const texts[] = {
                "",
                "[Run]\nExec=/bin/true\nNo=such key\n",
                "OnCalendar=daily\n[Run]\nExec=/bin/true\n",
                "CatchUp=none\n[Run]\nExec=/bin/true\n",
                "OnCalendar=\n[Run]\nExec=/bin/true\n",
                "Except=daily\n[Run]\nExec=/bin/true\n",
                "[Job]\nEnabled=no\n[Run]\nExec=/bin/true\n",
                "[Path]\nPathChanged=/\n[Run]\nExec=/bin/true\n",
                "[Monitor]\nWhen=load1 > 1\n[Run]\nExec=/bin/true\n",
        };
        usec_t later = now_realtime() + USEC_PER_HOUR;
        Fixture *f = *state;
        char path[192];

        write_job(f, "known", "[Run]\nExec=/bin/true\n");
        write_job(f, "bad", "[Run]\nNo=such key\n");
        start(f);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (add(f, "x", later, texts[i]) != -EINVAL)
                        fail_msg("text %zu", i);
        assert_int_equal(add(f, "known", later, "[Run]\nExec=/bin/true\n"), -EEXIST);
        assert_int_equal(add(f, "bad", later, "[Run]\nExec=/bin/true\n"), -EEXIST);
        assert_true(snprintf(path, sizeof(path), "%s/x.job.d", f->jobs) > 0 && mkdir(path, 0755) >= 0);
        assert_int_equal(add(f, "x", later, "[Run]\nExec=/bin/true\n"), -ENOTEMPTY);
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(add(f, "a@b", later, "[Run]\nExec=/bin/true\n"), -ENOENT);
        assert_int_equal(add(f, "x", 1, "[Run]\nExec=/bin/true\n"), -ERANGE);
        assert_int_equal(add(f, "x", USEC_INFINITY, "[Run]\nExec=/bin/true\n"), -ERANGE);
        assert_true(is_gone(f, "x"));
        assert_false(has_file(f, "x"));
}

/* The disk is waited for once for many, or the loop would stand still when they are over at the same time. */
static void test_many_over(void **state) {
        enum { N = 300 };
        Fixture *f = *state;
        char path[192];

        (void)snprintf(path, sizeof(path), "%s/once.d", f->directory);
        assert_int_equal(mkdir(path, 0700), 0);
        for (unsigned i = 0; i < N; i++) {
                FILE *file;

                (void)snprintf(path, sizeof(path), "%s/once.d/over-%u.job", f->directory, i);
                file = fopen(path, "we");
                assert_non_null(file);
                fputs("[Timer]\nOnCalendar=2020-01-01 00:00:00\nCatchUp=once\n[Run]\nExec=/bin/true\n", file);
                assert_int_equal(fclose(file), 0);
        }
        n_syncs = 0;
        start(f);
        WAIT_FOR(f, job_table_size(manager_jobs(f->m)) == 0);
        for (unsigned i = 0; i < N; i++) {
                (void)snprintf(path, sizeof(path), "over-%u", i);
                assert_false(has_file(f, path));
        }
        assert_int_equal(n_syncs, 2);
}

static void test_limit(void **state) {
        Fixture *f = *state;
        char directory[96];

        (void)snprintf(directory, sizeof(directory), "%s/once.d", f->directory);
        assert_int_equal(mkdir(directory, 0700), 0);
        for (unsigned i = 0; i < ONCE_JOBS_MAX; i++) {
                char file[32];

                (void)snprintf(file, sizeof(file), "n%u.job", i);
                write_file(directory, file, "[Timer]\nOnCalendar=2199-01-01 UTC\n[Run]\nExec=/bin/true\n");
        }
        start(f);
        assert_int_equal(add(f, NULL, 0, "[Run]\nExec=/bin/true\n"), -ENOBUFS);
        assert_int_equal(manager_remove_once(f->m, "n7"), 0);
        assert_int_equal(add(f, NULL, 0, "[Run]\nExec=/bin/true\n"), 0);
}

/* One that is refused leaves nothing; one that was accepted stays as it is, and there is room again later. */
static void test_full_disk(void **state) {
        usec_t later = now_realtime() + USEC_PER_HOUR;
        Fixture *f = *state;

        start(f);
        assert_int_equal(add(f, "before", later, "[Run]\nExec=/bin/true\n"), 0);
        for (rlim_t limit = 0; limit < 60; limit += 20) {
                set_file_limit(limit);
                assert_int_equal(add(f, "x", later, "[Run]\nExec=/bin/true\n"), -EIO);
                assert_true(is_gone(f, "x"));
                assert_int_equal(count_files(f), 1);
        }
        set_file_limit(RLIM_INFINITY);
        assert_int_equal(add(f, "x", later, "[Run]\nExec=/bin/true\n"), 0);
        assert_int_equal(count_files(f), 2);
        assert_true(has_file(f, "before"));
}

/* What a client is told that it failed is not there after the next start either. */
static void test_sync_fails(void **state) {
        usec_t later = now_realtime() + USEC_PER_HOUR;
        Fixture *f = *state;

        start(f);
        for (failing_sync = 1; failing_sync <= 2; failing_sync++) { /* of the file, and of its directory */
                n_syncs = 0;
                assert_int_equal(add(f, "x", later, "[Run]\nExec=/bin/true\n"), -EIO);
                assert_int_equal(count_files(f), 0);
        }
        failing_sync = 0;
        assert_int_equal(add(f, "x", later, "[Run]\nExec=/bin/true\n"), 0);
}

/* What came of it cannot be written: it stays until that can be, and no longer. */
static void test_over_on_a_full_disk(void **state) {
        Fixture *f = *state;

        log_open(LOG_TARGET_NULL);
        start(f);
        assert_int_equal(add(f, "x", 0, "[Run]\nExec=/bin/true\n"), 0);
        set_file_limit(0);
        WAIT_FOR(f, f->n_finished == 1);
        while (sd_event_run(f->event, 0) > 0)
                ;
        assert_false(is_gone(f, "x"));
        assert_true(has_file(f, "x"));
        set_file_limit(RLIM_INFINITY);
        WAIT_FOR(f, is_gone(f, "x"));
        assert_int_equal(count_files(f), 0);
        assert_int_equal(count_result(f, "x", RUN_RESULT_SUCCESS), 1);
}

/* A file that is damaged keeps its name, and does not stop the others. */
static void test_damaged(void **state) {
        static const char *const damaged[] = { "[Run]\nExe", "\xff\xfe",
                                               "[Timer]\nOnCalendar=never\n[Run]\nExec=x\n" };
        char directory[96], name[32];
        Fixture *f = *state;

        (void)snprintf(directory, sizeof(directory), "%s/once.d", f->directory);
        assert_int_equal(mkdir(directory, 0700), 0);
        for (size_t i = 0; i < ELEMENTSOF(damaged); i++) {
                (void)snprintf(name, sizeof(name), "bad%zu.job", i);
                write_file(directory, name, damaged[i]);
        }
        write_file(directory, "good.job", "[Timer]\nOnCalendar=2199-01-01 UTC\n[Run]\nExec=/bin/true\n");
        start(f);
        assert_int_equal(manager_diagnostics(f->m)->n_items, ELEMENTSOF(damaged));
        assert_false(is_gone(f, "good"));
        for (size_t i = 0; i < ELEMENTSOF(damaged); i++) {
                (void)snprintf(name, sizeof(name), "bad%zu", i);
                assert_null(job(f, name)->def);
                assert_true(has_file(f, name));
                assert_int_equal(add(f, name, 0, "[Run]\nExec=/bin/true\n"), -EEXIST);
        }
        assert_int_equal(add(f, "new", 0, "[Run]\nExec=/bin/true\n"), 0);
        WAIT_FOR(f, is_gone(f, "new"));
        assert_int_equal(count_files(f), ELEMENTSOF(damaged) + 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_killed, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_retries, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_skipped, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_removed, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_refused, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_many_over, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_limit, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_full_disk, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_sync_fails, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_over_on_a_full_disk, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_damaged, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Memory that runs out anywhere: each allocation of a load fails once, in turn. The load says so, the state before it
 * stands, and nothing leaks, which the sanitizers and valgrind validate. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>

#include "bad-jobs.h"
#include "config/job-loader.h"
#include "config/settings.h"
#include "failing-memory.h"
#include "service-samples.h"

static ZoneCache *zones;
static char root[] = "/tmp/vakt-memory-XXXXXX", directory_a[64], directory_b[64];

static void put(const char *directory, const char *name, const char *content) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        bad_job_write(path, content, strlen(content));
}

static void make_directory(const char *directory, const char *name) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        assert_int_equal(mkdir(path, 0755), 0);
}

static int setup(void **state) {
        assert_non_null(mkdtemp(root));
        assert_int_equal(zone_cache_new(NULL, &zones), 0);
        (void)snprintf(directory_a, sizeof(directory_a), "%s/a", root);
        (void)snprintf(directory_b, sizeof(directory_b), "%s/b", root);
        make_directory(root, "a");
        make_directory(root, "b");
        make_directory(directory_a, "x.job.d");
        make_directory(directory_a, "t@.job.d");
        make_directory(directory_a, "t@1.job.d");
        make_directory(root, "vaktd.conf.d");
        return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int teardown(void **state) {
        zones = zone_cache_free(zones);
        return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

#define FULL                                                                                         \
        "[Job]\nDescription=%j on %h\nDocumentation=man:x man:y\nTags=a b\nOnFailure=c1 "            \
        "t@1\n[Timer]\nOnInterval=1h\n"                                                              \
        "OnBootSec=1\nOnBootSec=\nOnCron=@daily\nOnCron=\nOnCalendar=Mon 02:30\nOnCron=0 4 * * 5L\n" \
        "Anchor=2026-01-05 03:00\nAnchor=2026-01-05 CET\nExcept=Sun\nExcept=\nExcept=Sat *:0\n"      \
        "TimeZone=UTC\nTimeZone=Europe/Oslo\n"                                                       \
        "[Run]\nExec=/bin/a 'b c' ; @d e\nTimeoutSec=5\nPool=p\nSuccessExitStatus=TEMPFAIL\n"        \
        "[Service]\nUser=a\nMemoryMax=1G\nEnvironment=A=1 'B=2 3'\n"

static void put_files(const char *version) {
        char text[64];

        (void)snprintf(text, sizeof(text), "[Run]\nQueueMax=%s\n", version);
        put(directory_b, "x.job", FULL);
        put(directory_a, "x.job.d/1.conf", text);
        put(directory_b, "shell.job", "[Run]\nShell=true\n");
        put(directory_b, "bad.job", "[Run]\nExec=a\nExce=x\nTimeoutSec=x\n[Foo]\n[Bar\n");
        put(directory_b, "late.job", "[Timer]\nOnCalendar=x\nOnCron=x\nAnchor=now\nExcept=x\nOnInterval=1\n");
        put(directory_b, "path.job",
            "[Path]\nPathChanged=/a\nPathExistsGlob=/a/*b\nPathChanged=\nPathModified=//c/\nInclude=a*\nExclude=/b/\n"
            "Events=move close\nSettleSec=1\n[Run]\nExec=/bin/a\n");
        put(directory_b, "monitor.job",
            "[Monitor]\nWhen=disk-free /a < 10% and (unit b is failed or not job c is running)\nWhen=listening tcp "
            "1:2\n"
            "When=\nWhen=online\nWhen=journal-matches 'A=b C=d' 5min > 1 or listening tcp [::1]:22\nOnClear=c1 c2\n"
            "[Run]\nExec=/bin/a\nWaitFor=exec \"/bin/a 'b\\x20c'\"\nWaitFor=load1 < 2 or pressure io some > 1%\n");
        put(directory_b, "wait.job",
            "[Monitor]\nWhen=online\n[Run]\nExec=/bin/a\nWaitFor=load1 < 2 or not mounted /a\n");
        put(directory_b, "spool.job", "[Path]\nSpool=/a\nSpoolDone=/b\nSpoolFailed=c\nInclude=x\\ \n[Run]\nExec=a\n");
        put(directory_b, "nozone.job", "[Timer]\nTimeZone=x/y\n[Run]\nExec=/bin/a\n");
        put(directory_b, "no name.job", "");
        put(directory_b, "t@.job", "[Run]\nExec=/bin/%i\n");
        put(directory_a, "t@.job.d/1.conf", text);
        put(directory_a, "t@1.job.d/1.conf", text);
        put(directory_a, "t@2.job", "[Run]\nExec=/bin/%i %j\n");
        put(directory_b, "c1.job", "[Job]\nOnSuccess=c2\n[Run]\nUnit=a.service\n");
        put(directory_b, "c2.job", "[Job]\nOnFailure=c1\n[Run]\nExec=x\n");
        put(root, "vaktd.conf", "[Pool a]\nSlots=3\n[Pool b]\n[Manager]\nMaxRunning=3\nExecutor=wrong\n");
        put(root, "vaktd.conf.d/1.conf", "[Manager]\nLogLevel=debug\n");
}

#define LATER INT64_MAX / 2

/* Loads with the nth allocation failing, for every n; the state of before has to stand until the load gets through. */
static void load_without_memory(JobLoader *l, unsigned expected_queue) {
        long n = 0;
        int r;

        do {
                const LoadedJob *jobs;
                size_t n_before, n_after;
                JobDef *before, *after;

                jobs = job_loader_jobs(l, &n_before);
                before = n_before > 0 ? jobs[n_before - 1].def : NULL;
                countdown = n++;
                r = job_loader_load_at(l, LATER, LOADER_JOBS_MAX);
                countdown = -1;
                jobs = job_loader_jobs(l, &n_after);
                after = n_after > 0 ? jobs[n_after - 1].def : NULL;
                if (r < 0) {
                        assert_int_equal(r, -ENOMEM);
                        assert_int_equal(n_before, n_after);
                        assert_ptr_equal(before, after);
                } else {
                        assert_int_equal(n_after, 12);
                        assert_int_equal(after->rare->queue_max, expected_queue);
                }
        } while (r < 0);
        assert_true(n > 10);
}

static void test_load(void **state) {
        char *dirs[] = { directory_a, directory_b, NULL };
        JobLoader *l = NULL;
        long n = 0;
        int r;

        put_files("1");
        do {
                countdown = n++;
                r = job_loader_new(&l, dirs, getuid(), zones, LOADER_FOR_ANY, NULL);
                countdown = -1;
        } while (r < 0);
        load_without_memory(l, 1);
        load_without_memory(l, 1); /* nothing changed: what is known is taken over */
        put_files("2");
        load_without_memory(l, 2);
        /* a directory that cannot be read any more: all is carried over */
        assert_int_equal(chmod(directory_a, 0777), 0);
        assert_int_equal(chmod(directory_b, 0777), 0);
        load_without_memory(l, 2);
        assert_int_equal(chmod(directory_a, 0755), 0);
        assert_int_equal(chmod(directory_b, 0755), 0);
        load_without_memory(l, 2);
        /* files that went bad */
        put_files("wrong");
        load_without_memory(l, 2);
        job_loader_free(l);
}

static void test_instance(void **state) {
        char *dirs[] = { directory_a, directory_b, NULL };
        JobLoader *l = NULL;

        put_files("1");
        assert_int_equal(job_loader_new(&l, dirs, getuid(), zones, LOADER_FOR_ANY, NULL), 0);
        assert_int_equal(job_loader_load(l, now_realtime()), 0);
        for (unsigned instance = 1; instance < 5; instance++) {
                char name[] = "t@0";
                JobDef *def = NULL;
                long n = 0;
                int r;

                name[2] = (char)('0' + instance);
                do {
                        countdown = n++;
                        r = job_loader_instantiate(l, name, &def, NULL);
                        countdown = -1;
                        assert_true(r == 0 || r == -ENOMEM);
                } while (r < 0);
                assert_string_equal(def->name, name);
                job_def_unref(def);
        }
        job_loader_free(l);
}

static void test_check_and_settings(void **state) {
        char path[128];
        long n;
        int r;

        put_files("1");
        (void)snprintf(path, sizeof(path), "%s/bad.job", directory_b);
        n = 0;
        do {
                Diagnostics d = {};

                countdown = n++;
                r = job_file_check(path, getuid(), NULL, NULL, &d);
                countdown = -1;
                assert_true(r == 0 || r == -ENOMEM);
                assert_true(r < 0 || d.n_items == 4);
                diagnostics_done(&d);
        } while (r < 0);

        (void)snprintf(path, sizeof(path), "%s/vaktd.conf", root);
        n = 0;
        do {
                Diagnostics d = {};
                Settings s = { .max_running = 77 };

                countdown = n++;
                r = settings_load(&s, path, getuid(), &d);
                countdown = -1;
                assert_true(r == SETTINGS_PARTIAL || r == -ENOMEM);
                assert_int_equal(s.max_running, r < 0 ? 77 : 3);
                assert_true(r == -ENOMEM || d.n_items == 1);
                diagnostics_done(&d);
                settings_done(&s);
        } while (r == -ENOMEM);
}

/* All settings of [Service], good and bad ones; together they have a priority that their policy does not. */
static void test_service(void **state) {
        _cleanup_free_ char *text = NULL;
        long n = 0;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        int r;

        for (size_t i = 0; i < ELEMENTSOF(service_samples); i++)
                fprintf(f, "%s\n", service_samples[i].text);
        fprintf(f, "Environment=A\nMemoryMax=x\nKillMode=x\nLimitNOFILE=x\nExecStartPre=+x\nStateDirectory=/\n");
        assert_int_equal(fclose(f), 0);
        do {
                Diagnostics d = {};
                JobDef *def = NULL;

                countdown = n++;
                r = service_sample_build(text, LOADER_FOR_UNITS, &d, &def);
                countdown = -1;
                assert_true(r == -EINVAL || r == -ENOMEM);
                assert_true(r == -ENOMEM || d.n_items == 7);
                diagnostics_done(&d);
                assert_null(def);
        } while (r == -ENOMEM);
        assert_true(n > 1000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_load),
                cmocka_unit_test(test_instance),
                cmocka_unit_test(test_check_and_settings),
                cmocka_unit_test(test_service),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}

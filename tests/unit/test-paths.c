/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Path triggers from the change of a file to the end of its run, with real files and real children: who gets which
 * file, what waits, what a restart keeps, and how a spool is worked off. */

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "core-fixture.h"

/* A run writes what it was given, one path and a newline each, to FOLDER/seen, which is nobody's watch. */
#define WRITE_ONE  "[Run]\nShell=printf '%%%%s\\n' \"$VAKT_PATH\" >>%s/seen\n"
#define WRITE_LIST "[Run]\nShell=tr '\\0' '\\n' >>%s/seen; echo . >>%s/seen\n"

static char text[4096];

static const char *in(const Fixture *f, const char *name) {
        static char path[8][512];
        static unsigned i;

        i = (i + 1) % 8;
        (void)snprintf(path[i], sizeof(path[i]), "%s/%s", f->folder, name);
        return path[i];
}

static void make_folder(const Fixture *f, const char *name) {
        assert_int_equal(mkdir(in(f, name), 0755), 0);
}

static void touch(const Fixture *f, const char *name) {
        int fd = open(in(f, name), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, "x", 1), 1);
        close(fd);
}

static bool exists(const Fixture *f, const char *name) {
        return access(in(f, name), F_OK) == 0;
}

static const char *seen(const Fixture *f) {
        ssize_t n = 0;
        int fd = open(in(f, "seen"), O_RDONLY | O_CLOEXEC);

        if (fd >= 0) {
                n = read(fd, text, sizeof(text) - 1);
                close(fd);
        }
        text[n > 0 ? n : 0] = '\0';
        return text;
}

static unsigned lines(const Fixture *f) {
        unsigned n = 0;

        for (const char *p = seen(f); *p; p++)
                n += *p == '\n';
        return n;
}

static bool has_seen(const Fixture *f, const char *name) {
        char line[600];

        (void)snprintf(line, sizeof(line), "%s\n", in(f, name));
        return strstr(seen(f), line);
}

__attribute__((format(printf, 3, 4))) static void write_path_job(const Fixture *f, const char *name,
                                                                 const char *format, ...) {
        char job[2048];
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(job, sizeof(job), format, ap);
        va_end(ap);
        write_job(f, name, job);
}

static bool is_idle(Fixture *f) {
        return manager_n_running(f->m) + manager_n_queued(f->m) == 0;
}

static bool is_watching(const char *state) {
        return streq(state, "active") || streq(state, "degraded") || streq(state, "waiting");
}

static int count_watching(const char *key, const char *path, const char *state, const char *sentence, void *userdata) {
        *(unsigned *)userdata += is_watching(state);
        return 0;
}

static unsigned n_watching(Fixture *f, const char *name) {
        unsigned n = 0;

        assert_int_equal(manager_list_watches(f->m, job(f, name), count_watching, &n), 0);
        return n;
}

/* With the first look done. */
static void start_watching(Fixture *f, const char *name, unsigned n) {
        start(f);
        if (job(f, name)->fault)
                fail_msg("%s", job(f, name)->fault);
        WAIT_FOR(f, n_watching(f, name) == n);
}

typedef struct Number {
        const char *name;
        uint64_t value;
} Number;

static int find_number(const char *name, uint64_t value, void *userdata) {
        Number *wanted = userdata;

        if (streq(name, wanted->name))
                wanted->value = value;
        return 0;
}

static unsigned counter(Fixture *f, const char *name, const char *number) {
        Number wanted = { .name = number };

        assert_int_equal(manager_list_watch_counters(f->m, job(f, name), find_number, &wanted), 0);
        return (unsigned)wanted.value;
}

static int count_limit(const char *topic, const char *sentence, void *userdata) {
        *(unsigned *)userdata += streq(topic, "limit");
        return 0;
}

/* --- what a run gets --- */

static void test_each_file_has_a_run(void **state) {
        static const char *const names[] = { "w/plain", "w/with blank", "w/quote'\"$HOME`x`", "w/-rf", "w/\xff\xfe" };
        Fixture *f = *state;

        make_folder(f, "w");
        write_path_job(f, "each", "[Path]\nPathChanged=%s\nEvents=close\nBatch=each\n" WRITE_ONE, in(f, "w"),
                       f->folder);
        start_watching(f, "each", 1);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                touch(f, names[i]);
        WAIT_FOR(f, f->n_finished == ELEMENTSOF(names));
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_true(has_seen(f, names[i]));
        assert_int_equal(count_cause(f, "each", RUN_CAUSE_PATH), ELEMENTSOF(names));
        assert_int_equal(count_result(f, "each", RUN_RESULT_SUCCESS), ELEMENTSOF(names));
}

static void test_a_batch_is_a_list(void **state) {
        _cleanup_(run_record_done) RunRecord r = {};
        Fixture *f = *state;

        make_folder(f, "w");
        make_folder(f, "w/sub");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nRecursive=yes\nEvents=close\nSettleSec=200ms\n" WRITE_LIST,
                       in(f, "w"), f->folder, f->folder);
        start_watching(f, "all", 1);
        touch(f, "w/a");
        touch(f, "w/sub/b");
        touch(f, "w/a");
        WAIT_FOR(f, f->n_finished == 1);
        assert_int_equal(lines(f), 3);
        assert_true(has_seen(f, "w/a"));
        assert_true(has_seen(f, "w/sub/b"));
        r = newest(f, "all");
        assert_non_null(strstr(r.payload, "and 1 more"));
        assert_true(is_idle(f));
}

/* Found by the run's program where the file says so, too. */
static void test_the_list_is_a_file(void **state) {
        Fixture *f = *state;

        make_folder(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\n[Run]\nShell=tr '\\0' '\\n' <\"$VAKT_PATHS\" >>%s/seen\n",
                       in(f, "w"), f->folder);
        start_watching(f, "all", 1);
        touch(f, "w/a");
        WAIT_FOR(f, lines(f) > 0);
        assert_true(has_seen(f, "w/a"));
}

static void test_changes_in_a_run_make_the_next_batch(void **state) {
        Fixture *f = *state;

        make_folder(f, "w");
        write_path_job(f, "held",
                       "[Path]\nPathChanged=%s\nEvents=close\n[Run]\nShell=tr '\\0' '\\n' >>%s/seen; read line <%s\n",
                       in(f, "w"), f->folder, f->gate);
        start_watching(f, "held", 1);
        touch(f, "w/a");
        WAIT_FOR(f, has_seen(f, "w/a"));
        touch(f, "w/a");
        touch(f, "w/b");
        touch(f, "w/c");
        WAIT_FOR(f, counter(f, "held", "waiting") == 2);
        assert_int_equal(f->n_started, 1);
        let_go(f, 1);
        WAIT_FOR(f, lines(f) == 4);
        let_go(f, 1);
        WAIT_FOR(f, f->n_finished == 2);
        assert_true(is_idle(f));
        assert_int_equal(lines(f), 4);
}

/* --- what keeps a run away keeps no file away --- */

static void test_files_wait_for_the_end_of_a_pause(void **state) {
        Fixture *f = *state;

        make_folder(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\n" WRITE_LIST, in(f, "w"), f->folder, f->folder);
        start_watching(f, "all", 1);
        assert_int_equal(manager_pause(f->m, "all"), 0);
        touch(f, "w/a");
        touch(f, "w/b");
        WAIT_FOR(f, counter(f, "all", "waiting") == 2);
        assert_int_equal(f->n_started + f->n_refused, 0);
        assert_int_equal(manager_resume(f->m, "all"), 0);
        WAIT_FOR(f, f->n_finished == 1);
        assert_true(has_seen(f, "w/a"));
        assert_true(has_seen(f, "w/b"));
}

static void test_skip_leaves_a_batch_out(void **state) {
        Fixture *f = *state;

        make_folder(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\n" WRITE_LIST, in(f, "w"), f->folder,
                       f->folder);
        start_watching(f, "all", 1);
        assert_int_equal(manager_skip(f->m, "all", 1), 0);
        touch(f, "w/a");
        WAIT_FOR(f, f->n_refused == 1);
        touch(f, "w/b");
        WAIT_FOR(f, f->n_finished == 1);
        assert_false(has_seen(f, "w/a"));
        assert_true(has_seen(f, "w/b"));
}

static void test_another_run_is_waited_for(void **state) {
        Fixture *f = *state;

        make_folder(f, "w");
        write_path_job(f, "held",
                       "[Path]\nPathChanged=%s\nEvents=close\n[Run]\nOverlap=skip\nShell=tr '\\0' '\\n' >>%s/seen; "
                       "read line <%s\n",
                       in(f, "w"), f->folder, f->gate);
        start_watching(f, "held", 1);
        (void)request(f, "held");
        WAIT_FOR(f, f->n_started == 1);
        touch(f, "w/a");
        WAIT_FOR(f, counter(f, "held", "waiting") == 1);
        let_go(f, 1);
        WAIT_FOR(f, has_seen(f, "w/a"));
        let_go(f, 1);
        WAIT_FOR(f, f->n_finished == 2);
        assert_int_equal(f->n_refused, 0);
}

static void test_replace_gives_all_to_the_next(void **state) {
        Fixture *f = *state;

        make_folder(f, "w");
        write_path_job(f, "held",
                       "[Path]\nPathChanged=%s\nEvents=close\n[Run]\nOverlap=replace\nShell=tr '\\0' '\\n' "
                       ">>%s/seen; read line <%s\n",
                       in(f, "w"), f->folder, f->gate);
        start_watching(f, "held", 1);
        touch(f, "w/a");
        WAIT_FOR(f, has_seen(f, "w/a"));
        touch(f, "w/b");
        WAIT_FOR(f, lines(f) == 3);
        assert_true(has_seen(f, "w/b"));
        assert_int_equal(count_result(f, "held", RUN_RESULT_CANCELLED), 1);
        let_go(f, 1);
        WAIT_FOR(f, count_result(f, "held", RUN_RESULT_SUCCESS) == 1);
        assert_true(is_idle(f));
}

/* A job that writes where it watches goes slower and slower, and never stops. */
static void test_a_job_that_chases_its_tail_is_slowed(void **state) {
        Fixture *f = *state;
        unsigned n_told = 0;

        make_folder(f, "w");
        write_path_job(f, "tail",
                       "[Path]\nPathChanged=%s\nEvents=close\nTriggerLimitIntervalSec=1h\nTriggerLimitBurst=5\n"
                       "[Run]\nShell=echo >>%s/w/own\n",
                       in(f, "w"), f->folder);
        start_watching(f, "tail", 1);
        touch(f, "w/a");
        WAIT_FOR(f, f->n_finished == 5);
        WAIT_FOR(f, counter(f, "tail", "waiting") == 1);
        for (unsigned i = 0; i < 50; i++)
                assert_true(sd_event_run(f->event, USEC_PER_MSEC) >= 0);
        assert_int_equal(f->n_started, 5);
        assert_int_equal(manager_explain(f->m, job(f, "tail"), count_limit, &n_told), 0);
        assert_int_equal(n_told, 1);
}

/* --- conditions --- */

static void test_a_condition_is_looked_at_again_after_its_run(void **state) {
        Fixture *f = *state;

        make_folder(f, "w");
        touch(f, "w/1");
        touch(f, "w/2");
        touch(f, "w/3");
        write_path_job(f, "work", "[Path]\nDirectoryNotEmpty=%s\n[Run]\nShell=set -- %s/w/*; rm \"$1\"\n", in(f, "w"),
                       f->folder);
        start(f);
        WAIT_FOR(f, f->n_finished == 3 && is_idle(f));
        assert_false(exists(f, "w/3"));
        touch(f, "w/4");
        WAIT_FOR(f, f->n_finished == 4);
}

static void test_what_exists_at_start_counts(void **state) {
        Fixture *f = *state;

        touch(f, "flag");
        write_path_job(f, "flag", "[Path]\nPathExists=%s\n[Run]\nShell=rm \"$VAKT_PATH\"\n", in(f, "flag"));
        start(f);
        WAIT_FOR(f, f->n_finished == 1);
        assert_false(exists(f, "flag"));
}

/* --- restarts --- */

static void test_a_start_finds_what_changed_meanwhile(void **state) {
        Fixture *f = *state;

        make_folder(f, "w");
        make_folder(f, "w/sub");
        touch(f, "w/old");
        touch(f, "w/sub/old");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nRecursive=yes\nEvents=close\nSettleSec=100ms\n" WRITE_LIST,
                       in(f, "w"), f->folder, f->folder);
        start_watching(f, "all", 1);
        touch(f, "w/first");
        WAIT_FOR(f, f->n_finished == 1);
        stop(f);
        touch(f, "w/sub/old");
        touch(f, "w/sub/new");
        start_watching(f, "all", 1);
        WAIT_FOR(f, lines(f) == 5);
        assert_true(has_seen(f, "w/sub/old"));
        assert_true(has_seen(f, "w/sub/new"));
        assert_false(has_seen(f, "w/old"));
        WAIT_FOR(f, is_idle(f));
        stop(f);
        start_watching(f, "all", 1);
        for (unsigned i = 0; i < 50; i++)
                assert_true(sd_event_run(f->event, USEC_PER_MSEC) >= 0);
        assert_int_equal(f->n_started, 0);
}

static void test_files_that_wait_are_kept(void **state) {
        Fixture *f = *state;

        make_folder(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\n" WRITE_LIST, in(f, "w"), f->folder,
                       f->folder);
        start_watching(f, "all", 1);
        assert_int_equal(manager_pause(f->m, "all"), 0);
        touch(f, "w/a");
        WAIT_FOR(f, counter(f, "all", "waiting") == 1);
        stop(f);
        start_watching(f, "all", 1);
        assert_int_equal(counter(f, "all", "waiting"), 1);
        assert_int_equal(manager_resume(f->m, "all"), 0);
        WAIT_FOR(f, f->n_finished == 1);
        assert_true(has_seen(f, "w/a"));
}

/* --- spools --- */

static void write_spool_job(const Fixture *f, const char *path, const char *run) {
        char job[2048];

        (void)snprintf(job, sizeof(job), "[Path]\nSpool=%s/spool\n%s\n[Run]\n%s\n", f->folder, path, run);
        write_job(f, "spool", job);
}

static void test_items_are_acknowledged(void **state) {
        Fixture *f = *state;

        make_folder(f, "spool");
        touch(f, "spool/before");
        write_spool_job(
                f, "",
                "Shell=basename \"$VAKT_PATH\" >>$OUT; test -f \"$VAKT_PATH\"\n[Service]\nEnvironment=OUT=/dev/null");
        start_watching(f, "spool", 1);
        WAIT_FOR(f, f->n_finished == 1);
        touch(f, "spool/after");
        WAIT_FOR(f, f->n_finished == 2);
        WAIT_FOR(f, !exists(f, "spool/after"));
        assert_false(exists(f, "spool/before"));
        assert_int_equal(count_result(f, "spool", RUN_RESULT_SUCCESS), 2);
}

static void test_items_are_tried_again_and_given_up(void **state) {
        Fixture *f = *state;
        char keys[600];

        make_folder(f, "spool");
        make_folder(f, "failed");
        make_folder(f, "done");
        (void)snprintf(keys, sizeof(keys), "SpoolFailed=%s/failed\nSpoolDone=%s/done", f->folder, f->folder);
        write_spool_job(f, keys,
                        "Shell=case $VAKT_PATH in *bad) exit 1;; *twice) test $VAKT_ATTEMPT = 2;; "
                        "esac\nRetry=1\nRetryDelaySec=1ms");
        start_watching(f, "spool", 1);
        touch(f, "spool/bad");
        touch(f, "spool/twice");
        touch(f, "spool/good");
        WAIT_FOR(f, exists(f, "failed/bad"));
        WAIT_FOR(f, exists(f, "done/twice"));
        WAIT_FOR(f, exists(f, "done/good"));
        assert_int_equal(count_result(f, "spool", RUN_RESULT_EXIT), 3);
        assert_int_equal(count_result(f, "spool", RUN_RESULT_SUCCESS), 2);
}

/* The daemon goes away in the middle of a run: the item is processed again, not lost. */
static void test_an_item_survives_a_restart(void **state) {
        Fixture *f = *state;
        char run[600];

        make_folder(f, "spool");
        (void)snprintf(run, sizeof(run), "Shell=echo x >>%s/seen; read line <%s", f->folder, f->gate);
        write_spool_job(f, "", run);
        start_watching(f, "spool", 1);
        touch(f, "spool/item");
        WAIT_FOR(f, lines(f) == 1);
        stop(f);
        assert_false(exists(f, "spool/item"));
        start(f);
        WAIT_FOR(f, lines(f) == 2);
        let_go(f, 1);
        WAIT_FOR(f, count_result(f, "spool", RUN_RESULT_SUCCESS) == 1);
        WAIT_FOR(f, is_idle(f));
}

/* --- reloads --- */

static void test_a_reload_keeps_what_it_does_not_concern(void **state) {
        Fixture *f = *state;

        make_folder(f, "w");
        make_folder(f, "v");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\n" WRITE_LIST, in(f, "w"), f->folder,
                       f->folder);
        start_watching(f, "all", 1);
        assert_int_equal(manager_pause(f->m, "all"), 0);
        touch(f, "w/a");
        WAIT_FOR(f, counter(f, "all", "waiting") == 1);
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nPathChanged=%s\nEvents=close\n" WRITE_LIST, in(f, "w"),
                       in(f, "v"), f->folder, f->folder);
        assert_int_equal(manager_reload(f->m), 0);
        WAIT_FOR(f, n_watching(f, "all") == 2);
        touch(f, "v/b");
        WAIT_FOR(f, counter(f, "all", "waiting") == 2);
        assert_int_equal(manager_resume(f->m, "all"), 0);
        WAIT_FOR(f, f->n_finished == 1);
        assert_true(has_seen(f, "w/a"));
        assert_true(has_seen(f, "v/b"));
        write_path_job(f, "all", WRITE_LIST, f->folder, f->folder);
        assert_int_equal(manager_reload(f->m), 0);
        assert_int_equal(n_watching(f, "all"), 0);
}

/* --- people --- */

static int count_plan(const char *path, size_t n, void *userdata) {
        assert_int_equal(strlen(path), n);
        ++*(unsigned *)userdata;
        return 0;
}

static int find_topic(const char *topic, const char *sentence, void *userdata) {
        const char **wanted = userdata;

        if (streq(topic, wanted[0]))
                wanted[1] = "";
        return 0;
}

static bool explains(Fixture *f, const char *file, const char *topic) {
        const char *wanted[2] = { topic, NULL };

        assert_int_equal(
                manager_explain_path(f->m, job(f, "all"), in(f, file), strlen(in(f, file)), find_topic, wanted), 0);
        return wanted[1];
}

static void test_people_are_told_about_files(void **state) {
        Fixture *f = *state;
        unsigned n = 0;

        make_folder(f, "w");
        touch(f, "w/a.csv");
        touch(f, "w/b.txt");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nInclude=*.csv\nSettleSec=1h\n" WRITE_LIST, in(f, "w"),
                       f->folder, f->folder);
        start_watching(f, "all", 1);
        assert_int_equal(manager_plan(f->m, job(f, "all"), count_plan, &n), 0);
        assert_int_equal(n, 1);
        touch(f, "w/a.csv");
        WAIT_FOR(f, counter(f, "all", "waiting") == 1);
        assert_true(explains(f, "w/a.csv", "settle"));
        assert_true(explains(f, "w/b.txt", "filter"));
        assert_true(explains(f, "elsewhere", "watch"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_each_file_has_a_run),
                TEST(test_a_batch_is_a_list),
                TEST(test_the_list_is_a_file),
                TEST(test_changes_in_a_run_make_the_next_batch),
                TEST(test_files_wait_for_the_end_of_a_pause),
                TEST(test_skip_leaves_a_batch_out),
                TEST(test_another_run_is_waited_for),
                TEST(test_replace_gives_all_to_the_next),
                TEST(test_a_job_that_chases_its_tail_is_slowed),
                TEST(test_a_condition_is_looked_at_again_after_its_run),
                TEST(test_what_exists_at_start_counts),
                TEST(test_a_start_finds_what_changed_meanwhile),
                TEST(test_files_that_wait_are_kept),
                TEST(test_items_are_acknowledged),
                TEST(test_items_are_tried_again_and_given_up),
                TEST(test_an_item_survives_a_restart),
                TEST(test_a_reload_keeps_what_it_does_not_concern),
                TEST(test_people_are_told_about_files),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

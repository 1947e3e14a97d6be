/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Path triggers from the change of a file to the end of its run, with real files and real children: who gets which
 * file, what waits, what a restart keeps, and how a spool is worked off. */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "core-fixture.h"
#include "config/job-file.h"
#include "core/manager-body.h"
#include "fs/identity.h"
#include "trigger/kinds.h"
#include "trigger/path-job.h"
#include "trigger/path-spool.h"
#include "trigger/path-store.h"
#include "trigger/path-user.h"
#include "trigger/path-view.h"
#include "watch/batch.h"
#include "watch/spool.h"
#include "watch/watcher.h"

/* A run writes what it was given, one path and a newline each, to DIRECTORY/seen, which is nobody's watch. */
#define WRITE_ONE  "[Run]\nShell=printf '%%%%s\\n' \"$VAKT_PATH\" >>%s/seen\n"
#define WRITE_LIST "[Run]\nShell=tr '\\0' '\\n' >>%s/seen; echo . >>%s/seen\n"

static char text[4096];

static const char *in(const Fixture *f, const char *name) {
        static char path[8][512];
        static unsigned i;

        i = (i + 1) % 8;
        (void)snprintf(path[i], sizeof(path[i]), "%s/%s", f->directory, name);
        return path[i];
}

static void make_directory(const Fixture *f, const char *name) {
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

static int count_watching(const char *key, const char *path, const char *state, const char *message, void *userdata) {
        *(unsigned *)userdata += is_watching(state);
        return 0;
}

static int count_active(const char *key, const char *path, const char *state, const char *message, void *userdata) {
        *(unsigned *)userdata += streq(state, "active");
        return 0;
}

static unsigned n_active(Fixture *f, const char *name) {
        unsigned n = 0;

        assert_int_equal(manager_list_triggers(f->m, job(f, name), count_active, &n), 0);
        return n;
}

static unsigned n_watching(Fixture *f, const char *name) {
        unsigned n = 0;

        assert_int_equal(manager_list_triggers(f->m, job(f, name), count_watching, &n), 0);
        return n;
}

/* With the first look done. */
static void start_watching(Fixture *f, const char *name, unsigned n) {
        start(f);
        if (job(f, name)->problem)
                fail_msg("%s", job(f, name)->problem);
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

static int count_limit(const char *topic, const char *message, void *userdata) {
        *(unsigned *)userdata += streq(topic, "limit");
        return 0;
}

static int find_topic(const char *topic, const char *message, void *userdata) {
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

static void turn(Fixture *f, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                assert_true(sd_event_run(f->event, USEC_PER_MSEC) >= 0);
}

static void on_stopped(void *userdata) {
        ((Fixture *)userdata)->stopped = true;
}

static bool becomes_quiet(const Fixture *f) {
        unsigned n = 0;

        while (n < 100 && sd_event_run(f->event, 0) > 0)
                n++;
        return n < 100;
}

/* --- what is inside --- */

static PathTrigger *paths(const Fixture *f) {
        for (size_t i = 0; i < f->m->n_triggers; i++)
                if (f->m->triggers[i]->ops->written)
                        return (PathTrigger *)f->m->triggers[i];
        return NULL;
}

static JobPaths *paths_of(Fixture *f, const char *name) {
        return trigger_get(&paths(f)->base, job(f, name));
}

static RunPaths *paths_of_run(Fixture *f, const char *name) {
        return run_paths(paths(f), runs_next(job(f, name), NULL));
}

/* A spool that could not be opened is tried again after a while: now. */
static void try_spool_again(Fixture *f) {
        JobPaths *p = paths_of(f, "spool");

        p->watches[0].reopen_at = 0;
        paths_mark_ready(p);
}

static int count_kept(const char *name, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        ++*(unsigned *)userdata;
        return 0;
}

/* What the ledger keeps of it that is no snapshot. */
static unsigned n_kept(Fixture *f, const char *name, const char *key) {
        unsigned n = 0;

        assert_int_equal(ledger_list_blobs(f->m->ledger, name, key, count_kept, &n), 0);
        return n;
}

/* --- what a run gets --- */

static void test_each_file_has_a_run(void **state) {
        static const char *const names[] = { "w/plain", "w/with blank", "w/quote'\"$HOME`x`", "w/-rf", "w/\xff\xfe" };
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "each", "[Path]\nPathChanged=%s\nEvents=close\nBatch=each\n" WRITE_ONE, in(f, "w"),
                       f->directory);
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
        RunRecord r;
        Fixture *f = *state;

        make_directory(f, "w");
        make_directory(f, "w/sub");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nRecursive=yes\nEvents=close\nSettleSec=200ms\n" WRITE_LIST,
                       in(f, "w"), f->directory, f->directory);
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

        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\n[Run]\nShell=tr '\\0' '\\n' <\"$VAKT_PATHS\" >>%s/seen\n",
                       in(f, "w"), f->directory);
        start_watching(f, "all", 1);
        touch(f, "w/a");
        WAIT_FOR(f, lines(f) > 0);
        assert_true(has_seen(f, "w/a"));
}

static void test_changes_in_a_run_make_the_next_batch(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "held",
                       "[Path]\nPathChanged=%s\nEvents=close\n[Run]\nShell=tr '\\0' '\\n' >>%s/seen; read line <%s\n",
                       in(f, "w"), f->directory, f->gate);
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

static int request_files(Fixture *f, const char *name, const char *files, unsigned n) {
        RunRequest by_hand = { .cause = RUN_CAUSE_MANUAL, .trigger = RUN_TRIGGER_NONE, .files = files, .n_files = n };
        const RunRecord *r;

        for (unsigned i = 0; i < n; i++)
                by_hand.files_size += strlen(files + by_hand.files_size) + 1;
        return manager_request(f->m, name, &by_hand, &r);
}

/* One file where a run has one, and any that the person names where it has a list. */
static void test_files_by_hand(void **state) {
        Fixture *f = *state;
        char two[256];

        make_directory(f, "w");
        make_directory(f, "v");
        write_path_job(f, "each", "[Path]\nPathChanged=%s\nBatch=each\n" WRITE_ONE, in(f, "w"), f->directory);
        write_path_job(f, "all", "[Path]\nPathChanged=%s\n" WRITE_LIST, in(f, "v"), f->directory, f->directory);
        start_watching(f, "each", 1);
        (void)snprintf(two, sizeof(two), "%s%c%s", in(f, "w/a"), '\0', in(f, "w/b"));
        assert_int_equal(request_files(f, "each", NULL, 0), -EDESTADDRREQ);
        assert_int_equal(request_files(f, "each", two, 2), -E2BIG);
        assert_int_equal(f->n_started, 0);
        assert_int_equal(request_files(f, "each", two, 1), 0);
        WAIT_FOR(f, f->n_finished == 1);
        assert_true(has_seen(f, "w/a"));
        assert_int_equal(lines(f), 1);
        assert_int_equal(request_files(f, "all", two, 2), 0);
        WAIT_FOR(f, f->n_finished == 2);
        assert_true(has_seen(f, "w/b"));
        assert_int_equal(lines(f), 4);
}

int __real_path_view_plan(Trigger *t, const Job *j, PlanVisit visit, void *userdata, uint64_t *ret_most);
int __wrap_path_view_plan(Trigger *t, const Job *j, PlanVisit visit, void *userdata, uint64_t *ret_most);

static unsigned n_planned;

int __wrap_path_view_plan(Trigger *t, const Job *j, PlanVisit visit, void *userdata, uint64_t *ret_most) {
        int r = 0;

        for (unsigned i = 0; i < n_planned && r == 0; i++)
                r = visit("/x", 2, userdata);
        return n_planned > 0 ? r : __real_path_view_plan(t, j, visit, userdata, ret_most);
}

/* All that is watched is given to a run only if that is not too much. */
static void test_too_many_files_by_hand(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\n" WRITE_LIST, in(f, "w"), f->directory, f->directory);
        start_watching(f, "all", 1);
        n_planned = RUN_FILES_MAX + 1;
        assert_int_equal(request_files(f, "all", NULL, 0), -EFBIG);
        n_planned = RUN_FILES_MAX;
        assert_int_equal(request_files(f, "all", NULL, 0), 0);
        assert_int_equal(paths_of_run(f, "all")->n, RUN_FILES_MAX);
        WAIT_FOR(f, f->n_finished == 1);
}

/* --- what keeps a run away keeps no file away --- */

static void test_files_wait_for_the_end_of_a_pause(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\n" WRITE_LIST, in(f, "w"), f->directory, f->directory);
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

        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\n" WRITE_LIST, in(f, "w"), f->directory,
                       f->directory);
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

        make_directory(f, "w");
        write_path_job(f, "held",
                       "[Path]\nPathChanged=%s\nEvents=close\n[Run]\nOverlap=skip\nShell=tr '\\0' '\\n' >>%s/seen; "
                       "read line <%s\n",
                       in(f, "w"), f->directory, f->gate);
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

        make_directory(f, "w");
        write_path_job(f, "held",
                       "[Path]\nPathChanged=%s\nEvents=close\n[Run]\nOverlap=replace\nShell=tr '\\0' '\\n' "
                       ">>%s/seen; read line <%s\n",
                       in(f, "w"), f->directory, f->gate);
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

/* Somebody's own run ends the one that has the files; they have another one after it. */
static void test_a_run_by_hand_does_not_swallow_files(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(
                f, "held",
                "[Path]\nPathChanged=%s\nEvents=close\n[Run]\nOverlap=replace\nShell=tr '\\0' '\\n' >>%s/seen; read "
                "line <%s\n",
                in(f, "w"), f->directory, f->gate);
        start_watching(f, "held", 1);
        touch(f, "w/a");
        WAIT_FOR(f, lines(f) == 1);
        (void)request(f, "held");
        WAIT_FOR(f, count_result(f, "held", RUN_RESULT_CANCELLED) == 1);
        WAIT_FOR(f, counter(f, "held", "waiting") == 1 && f->n_started == 2);
        WAIT_FOR(f, lines(f) == 2); /* that is watched is listed to the run by hand, too */
        let_go(f, 1);
        WAIT_FOR(f, lines(f) == 3);
        let_go(f, 1);
        WAIT_FOR(f, count_result(f, "held", RUN_RESULT_SUCCESS) == 2);
        assert_true(is_idle(f));
}

/* It had no file that is for the other run, and failed by itself: it is tried again as any other one is. */
static void test_a_run_by_hand_without_files_is_tried_again(void **state) {
        Fixture *f = *state;
        siginfo_t info;

        make_directory(f, "w");
        write_path_job(f, "held",
                       "[Path]\nPathChanged=%s\n[Run]\nOverlap=replace\nRetry=1\nRetryDelaySec=1h\n"
                       "Shell=read line <%s; exit 3\n",
                       in(f, "w"), f->gate);
        start_watching(f, "held", 1);
        (void)request(f, "held");
        WAIT_FOR(f, f->n_started == 1);
        let_go(f, 1);
        assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0); /* before the stop reaches it */
        (void)request(f, "held");
        WAIT_FOR(f, f->n_finished >= 1);
        assert_int_equal(count_result(f, "held", RUN_RESULT_EXIT), 1);
        assert_int_equal(count_cause(f, "held", RUN_CAUSE_RETRY), 1);
}

static void request_file(Fixture *f, const char *name, const char *path) {
        const RunRequest by_hand = {
                .cause = RUN_CAUSE_MANUAL,
                .trigger = RUN_TRIGGER_NONE,
                .files = path,
                .files_size = strlen(path) + 1,
                .n_files = 1,
        };
        const RunRecord *r;

        assert_int_equal(manager_request(f->m, name, &by_hand, &r), 0);
}

/* It knows nothing of the other one's files. */
static void test_files_by_hand_wait_when_their_run_is_replaced(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "held",
                       "[Path]\nPathChanged=%s\nSettleSec=1h\n[Run]\nOverlap=replace\nShell=tr '\\0' '\\n' >>%s/seen; "
                       "read line <%s\n",
                       in(f, "w"), f->directory, f->gate);
        start_watching(f, "held", 1);
        request_file(f, "held", in(f, "w/a"));
        WAIT_FOR(f, has_seen(f, "w/a"));
        (void)request(f, "held");
        WAIT_FOR(f, count_result(f, "held", RUN_RESULT_CANCELLED) == 1);
        WAIT_FOR(f, counter(f, "held", "waiting") == 1);
        let_go(f, 1);
        WAIT_FOR(f, count_result(f, "held", RUN_RESULT_SUCCESS) == 1);
}

/* What another run does well is not what it was asked for. */
static void test_a_retry_with_files_by_hand_is_not_dropped(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "job",
                       "[Path]\nPathChanged=%s\nEvents=close\n[Run]\nShell=! grep -q bad\nRetry=1\nRetryDelaySec=1h\n",
                       in(f, "w"));
        start_watching(f, "job", 1);
        request_file(f, "job", in(f, "w/bad"));
        WAIT_FOR(f, count_cause(f, "job", RUN_CAUSE_RETRY) == 1);
        touch(f, "w/good");
        WAIT_FOR(f, count_result(f, "job", RUN_RESULT_SUCCESS) == 1);
        assert_int_equal(count_result(f, "job", RUN_RESULT_SKIPPED), 0);
        assert_int_equal(manager_n_queued(f->m), 1);
}

/* Nothing would find again what it is to do. */
static void test_a_run_by_hand_without_files_is_made_again_after_a_stop(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "held", "[Path]\nPathChanged=%s\n[Run]\nShell=read line <%s\n", in(f, "w"), f->gate);
        start_watching(f, "held", 1);
        (void)request(f, "held");
        WAIT_FOR(f, f->n_started == 1);
        manager_stop(f->m, on_stopped, f);
        WAIT_FOR(f, f->stopped);
        stop(f);
        start(f);
        WAIT_FOR(f, f->n_started == 1);
        assert_int_equal(count_cause(f, "held", RUN_CAUSE_RETRY), 1);
        let_go(f, 1);
        WAIT_FOR(f, f->n_finished == 1);
}

static int find_own(const char *key, const char *path, const char *state, const char *message, void *userdata) {
        *(bool *)userdata |= strstr(message, "vaktd keeps its own files there") != NULL;
        return 0;
}

static bool is_refused_as_own(Fixture *f, const char *name) {
        bool found = false;

        assert_int_equal(manager_list_triggers(f->m, job(f, name), find_own, &found), 0);
        return found;
}

/* The daemon's own files are no items; it looks at the directory again later, not all the time. */
static void test_own_directories_are_no_spools(void **state) {
        Fixture *f = *state;

        write_path_job(f, "own", "[Path]\nSpool=%s\n[Run]\nExec=/bin/true\n", f->directory);
        start(f);
        WAIT_FOR(f, is_refused_as_own(f, "own"));
        assert_true(becomes_quiet(f));
        assert_int_equal(f->n_started, 0);
        assert_int_equal(access(in(f, "ledger.db"), F_OK), 0);
}

/* A job that writes where it watches goes slower and slower, and never stops. */
static void test_a_job_that_chases_its_tail_is_slowed(void **state) {
        Fixture *f = *state;
        unsigned n_told = 0;

        make_directory(f, "w");
        write_path_job(f, "tail",
                       "[Path]\nPathChanged=%s\nEvents=close\nTriggerLimitIntervalSec=1h\nTriggerLimitBurst=5\n"
                       "[Run]\nShell=echo >>%s/w/own\n",
                       in(f, "w"), f->directory);
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

/* Another run has other files: its success does nothing for those of a try that waits. */
static void test_a_retry_with_files_outlives_a_success(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "each",
                       "[Path]\nPathChanged=%s\nEvents=close\nBatch=each\n[Run]\nShell=case $VAKT_PATH in *bad) exit "
                       "1;; esac\nRetry=1\nRetryDelaySec=1h\n",
                       in(f, "w"));
        start_watching(f, "each", 1);
        touch(f, "w/bad");
        WAIT_FOR(f, f->n_finished == 1);
        touch(f, "w/good");
        WAIT_FOR(f, count_result(f, "each", RUN_RESULT_SUCCESS) == 1);
        assert_int_equal(job(f, "each")->live->n_delayed, 1);
        assert_int_equal(f->n_refused, 0);
}

int __real_ledger_add(Ledger *l, RunRecord *run);
int __wrap_ledger_add(Ledger *l, RunRecord *run);

static unsigned n_adds_that_fail;

int __wrap_ledger_add(Ledger *l, RunRecord *run) {
        if (n_adds_that_fail == 0)
                return __real_ledger_add(l, run);
        n_adds_that_fail--;
        return -ENOMEM;
}

int __real_runs_request(Manager *m, Job *j, const RunRequest *request, RunPayload **payload, uint64_t *ret_id);
int __wrap_runs_request(Manager *m, Job *j, const RunRequest *request, RunPayload **payload, uint64_t *ret_id);

static bool is_refusing;
static unsigned n_refused;

int __wrap_runs_request(Manager *m, Job *j, const RunRequest *request, RunPayload **payload, uint64_t *ret_id) {
        n_refused += is_refusing;
        return is_refusing ? 0 : __real_runs_request(m, j, request, payload, ret_id);
}

/* Whatever is the reason that there is no run now, the files are asked for again, and not at once. */
static void test_a_request_that_is_refused_is_made_again(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\n" WRITE_LIST, in(f, "w"), f->directory,
                       f->directory);
        start_watching(f, "all", 1);
        n_refused = 0;
        is_refusing = true;
        touch(f, "w/a");
        WAIT_FOR(f, n_refused > 0);
        turn(f, 20);
        assert_int_equal(n_refused, 1);
        is_refusing = false;
        assert_int_equal(counter(f, "all", "waiting"), 1);
        paths_of(f, "all")->not_before = 0;
        paths_mark_ready(paths_of(f, "all"));
        WAIT_FOR(f, f->n_finished == 1);
        assert_true(has_seen(f, "w/a"));
        assert_int_equal(paths_of(f, "all")->not_before, 0); /* what went well keeps nothing waiting */
}

static int refuse_start(Executor *executor, const ExecutionRequest *request, void *cookie, Execution **ret) {
        return -EAGAIN;
}

/* Nor is it when the machine is short of processes. */
static void test_a_run_that_cannot_be_started_is_asked_for_again(void **state) {
        Fixture *f = *state;
        const ExecutorOps *ops;
        ExecutorOps refusing;

        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\n" WRITE_LIST, in(f, "w"), f->directory,
                       f->directory);
        start_watching(f, "all", 1);
        ops = f->m->executor->ops;
        refusing = *ops;
        refusing.start = refuse_start;
        f->m->executor->ops = &refusing;
        touch(f, "w/a");
        WAIT_FOR(f, count_result(f, "all", RUN_RESULT_START_FAILED) == 1);
        f->m->executor->ops = ops;
        turn(f, 20);
        assert_int_equal(counter(f, "all", "waiting"), 1);
        assert_true(paths_of(f, "all")->not_before > paths_now(paths_of(f, "all")));
        paths_of(f, "all")->not_before = 0;
        paths_mark_ready(paths_of(f, "all"));
        WAIT_FOR(f, has_seen(f, "w/a"));
}

/* The limit is news once, until it is over. */
static void test_the_limit_is_news_once(void **state) {
        Fixture *f = *state;
        unsigned n;

        make_directory(f, "w");
        write_path_job(f, "all",
                       "[Path]\nPathChanged=%s\nEvents=close\nTriggerLimitIntervalSec=1\nTriggerLimitBurst=1\n"
                       "[Run]\nExec=/bin/true\n",
                       in(f, "w"));
        start_watching(f, "all", 1);
        touch(f, "w/a");
        WAIT_FOR(f, f->n_finished == 1);
        assert_false(paths_of(f, "all")->was_limited);
        turn(f, 5);
        n = f->n_job_changed;
        touch(f, "w/a");
        WAIT_FOR(f, paths_of(f, "all")->was_limited);
        assert_int_equal(f->n_job_changed, n + 1);
        touch(f, "w/b");
        WAIT_FOR(f, counter(f, "all", "waiting") == 2);
        turn(f, 5);
        assert_int_equal(f->n_job_changed, n + 1);
        WAIT_FOR(f, f->n_finished == 2);
        WAIT_FOR(f, !paths_of(f, "all")->was_limited);
}

/* A job that is gone before it had its turn keeps the others from nothing. */
static void test_a_job_that_is_gone_has_no_turn(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        make_directory(f, "v");
        write_path_job(f, "gone", "[Path]\nPathChanged=%s\nEvents=close\n" WRITE_ONE, in(f, "v"), f->directory);
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\n" WRITE_LIST, in(f, "w"), f->directory,
                       f->directory);
        start_watching(f, "all", 1);
        assert_true(becomes_quiet(f));
        paths_mark_ready(paths_of(f, "gone"));
        remove_job(f, "gone");
        assert_int_equal(manager_reload(f->m), 0);
        turn(f, 5);
        touch(f, "w/a");
        WAIT_FOR(f, has_seen(f, "w/a"));
}

/* --- what a forgotten run has dealt with --- */

/* fstat(2), where times of files are large. */
int __real_fstat64(int fd, struct stat *st);
int __wrap_fstat64(int fd, struct stat *st);

static time_t changed; /* when all files are said to have, if not 0: on a file system that keeps seconds */

int __wrap_fstat64(int fd, struct stat *st) {
        int r = __real_fstat64(fd, st);

        if (changed > 0)
                st->st_ctim = (struct timespec){ .tv_sec = changed };
        return r;
}

static void report(const char *path);

/* A run of the job, which is over then, was given these (paths of 3 bytes), and only the service manager knew. */
static void forget_run(Fixture *f, const char *list, unsigned n) {
        RunPaths *rp;

        WAIT_FOR(f, job_n_active(job(f, "held")) == 0);
        (void)request(f, "held");
        rp = paths_of_run(f, "held");
        rp->is_found = true;
        ((LiveRun *)runs_next(job(f, "held"), NULL))->record.cause = RUN_CAUSE_PATH;
        free(rp->list);
        rp->n = 0;
        assert_int_equal(run_paths_set_list(rp, list, n), 0);
        let_go(f, 1);
        WAIT_FOR(f, job_n_active(job(f, "held")) == 0);
}

/* The files that the next run is given for these, one letter each; "" when there is none. */
static const char *given(Fixture *f, const char *names) {
        static char letters[32];
        const RunPaths *rp;
        char *end = letters;

        for (const char *p = names; *p; p++) {
                const char name[2] = { *p, '\0' };

                report(name);
        }
        turn(f, 5);
        rp = runs_next(job(f, "held"), NULL) ? paths_of_run(f, "held") : NULL;
        for (const char *p = rp ? rp->list : NULL; rp && p < rp->list + rp->size; p += strlen(p) + 1)
                *end++ = p[strlen(p) - 1];
        *end = '\0';
        if (rp) {
                let_go(f, 1);
                WAIT_FOR(f, job_n_active(job(f, "held")) == 0);
        }
        return letters;
}

/* What has not changed since a run that was forgotten was given it is not news, once. */
static void test_files_of_a_forgotten_run_are_no_news(void **state) {
        Fixture *f = *state;
        const JobPaths *p;
        char list[512];
        time_t before;
        size_t n = 0;

        make_directory(f, "w");
        write_path_job(f, "held", "[Path]\nPathChanged=%s\nEvents=attrib\n[Run]\nShell=read line <%s\n", in(f, "w"),
                       f->gate);
        for (const char *c = "dcab"; *c; c++) {
                char name[] = { 'w', '/', *c, '\0' };

                touch(f, name);
        }
        touch(f, "target");
        assert_int_equal(symlink("../target", in(f, "w/l")), 0);
        assert_int_equal(symlink("nowhere", in(f, "w/m")), 0);
        start_watching(f, "held", 1);
        for (const char *c = "dcablmg"; *c; c++)
                n += (size_t)snprintf(list + n, sizeof(list) - n, "%s/w/%c", f->directory, *c) + 1;
        forget_run(f, list, (unsigned)n);
        assert_int_equal(paths_of(f, "held")->n_dealt_with, 7);
        assert_string_equal(given(f, "ab"), "");
        assert_string_equal(given(f, "axb"), "axb"); /* "x" is another one, and of these it was known once */
        touch(f, "w/c");
        assert_string_equal(given(f, "cd"), "c");
        assert_string_equal(given(f, "m"), "m"); /* it cannot be told */
        touch(f, "target");
        assert_string_equal(given(f, "l"), "l");

        /* By another one, beside those that are known. */
        forget_run(f, list, (unsigned)n);
        assert_string_equal(given(f, "lg"), ""); /* nothing was there, and is now */
        touch(f, "w/new");
        forget_run(f, list, (unsigned)n);
        touch(f, "w/newer");
        assert_string_equal(given(f, "g"), "g"); /* it may have been in between */
        forget_run(f, list, (unsigned)n);
        p = paths_of(f, "held");
        before = (time_t)(p->dealt_with[p->n_dealt_with - 1].before / USEC_PER_SEC);
        changed = before - 1;
        assert_string_equal(given(f, "a"), "a"); /* it may have changed until the end of its two seconds */
        changed = before - 2;
        assert_string_equal(given(f, "c"), "");
}

/* --- who changed it --- */

typedef struct Watched {
        Watch *watch;
        const WatchOps *ops;
        void *userdata;
        WatchDef def; /* its pointers are those of the job */
} Watched;

int __real_watch_new(Watch **ret, Watcher *watcher, const WatchDef *def, const WatchOps *ops, void *userdata);
int __wrap_watch_new(Watch **ret, Watcher *watcher, const WatchDef *def, const WatchOps *ops, void *userdata);

static Watched watched;
static const char *unwatchable; /* how its path ends */

int __wrap_watch_new(Watch **ret, Watcher *watcher, const WatchDef *def, const WatchOps *ops, void *userdata) {
        int r = unwatchable && streq(strrchr(def->path, '/'), unwatchable)
                        ? -ENOSPC
                        : __real_watch_new(ret, watcher, def, ops, userdata);

        if (r >= 0)
                watched = (Watched){ .watch = *ret, .ops = ops, .userdata = userdata, .def = *def };
        return r;
}

/* As the kernel reports it where there is fanotify. */
static void report_change(const char *path, const char *from, const char *cgroup) {
        const Change c = {
                .path = path, .length = strlen(path), .from = from, .events = WATCH_CLOSE, .cgroup = cgroup
        };

        watched.ops->changed(watched.userdata, watched.watch, &c);
}

static void report(const char *path) {
        report_change(path, NULL, NULL);
}

static void test_changes_of_the_own_run_do_not_count(void **state) {
        static const struct {
                int line;
                const char *cgroup;
                bool is_own;
        } table[] = {
                { __LINE__, "/system.slice/vakt-all-1.service", true },
                { __LINE__, "/vakt.slice/vakt-a.slice/vakt-all-18446744073709551615.service", true },
                { __LINE__, "/system.slice/vakt-all-1.service/init.scope", true },
                { __LINE__, "/system.slice/vakt-all-1.service/x.slice/vakt-other-1.service", true },
                { __LINE__, "/vakt-all-1.service", true },
                { __LINE__, "/system.slice/vakt-other-1.service", false },
                { __LINE__, "/system.slice/vakt-other-1.service/vakt-all-1.service", false },
                { __LINE__, "/system.slice/vakt-other-1.service/x.slice/vakt-all-1.service", false },
                { __LINE__, "/system.slice/ssh.service", false },
                { __LINE__, "/vakt-a-name-of-sixty-four-characters-which-is-as-long-as-one-may-ever-1.service",
                  false },
                { __LINE__, "/system.slice", false },
                { __LINE__, "/", false },
                { __LINE__, NULL, false },
        };
        Fixture *f = *state;
        char name[32];
        unsigned n = 0;

        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\nSettleSec=1h\n" WRITE_LIST, in(f, "w"),
                       f->directory, f->directory);
        start_watching(f, "all", 1);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                (void)snprintf(name, sizeof(name), "of-line-%d", table[i].line);
                report_change(name, NULL, table[i].cgroup);
                n += !table[i].is_own;
                if (counter(f, "all", "waiting") != n)
                        fail_msg("line %d: %s", table[i].line, name);
        }
}

/* A file that waits does so on, under the name that the run gave it. */
static void test_what_the_own_run_moves_waits_on(void **state) {
        static const char own[] = "/system.slice/vakt-all-1.service";
        const Change gone = { .path = "old", .length = 3, .cgroup = own }, removed = { .path = "new", .length = 3 };
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\nSettleSec=1h\n" WRITE_LIST, in(f, "w"),
                       f->directory, f->directory);
        start_watching(f, "all", 1);
        report_change("old", NULL, NULL);
        watched.ops->gone(watched.userdata, watched.watch, &gone);
        assert_int_equal(counter(f, "all", "waiting"), 1);
        report_change("new", "old", own);
        assert_int_equal(counter(f, "all", "waiting"), 1);
        assert_true(explains(f, "w/new", "settle"));
        watched.ops->gone(watched.userdata, watched.watch, &removed);
        assert_int_equal(counter(f, "all", "waiting"), 0);
}

bool __real_batch_is_full(const Batch *b, bool until_now);
bool __wrap_batch_is_full(const Batch *b, bool until_now);

static bool batches_are_full;

bool __wrap_batch_is_full(const Batch *b, bool until_now) {
        return batches_are_full || __real_batch_is_full(b, until_now);
}

static int find_full(const char *key, const char *path, const char *state, const char *message, void *userdata) {
        *(bool *)userdata |= strstr(message, "no more are listed") && message[0] >= 'A' && message[0] <= 'Z';
        return 0;
}

static bool is_held(Fixture *f, const char *name) {
        bool found = false;

        assert_int_equal(manager_list_triggers(f->m, job(f, name), find_full, &found), 0);
        return found;
}

/* What changes meanwhile is found when there is room again. */
static void test_no_more_files_wait_than_may(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\nSettleSec=1h\n" WRITE_LIST, in(f, "w"),
                       f->directory, f->directory);
        start_watching(f, "all", 1);
        report_change("a", NULL, NULL);
        assert_false(is_held(f, "all"));
        batches_are_full = true;
        report_change("b", NULL, NULL);
        assert_true(paths_of(f, "all")->is_held);
        WAIT_FOR(f, is_held(f, "all"));
        touch(f, "w/c");
        assert_true(becomes_quiet(f));
        assert_int_equal(counter(f, "all", "waiting"), 2);
        batches_are_full = false;
        report_change("d", NULL, NULL);
        WAIT_FOR(f, counter(f, "all", "waiting") == 4);
        assert_false(is_held(f, "all"));
        batches_are_full = true;
        report_change("e", NULL, NULL);
        WAIT_FOR(f, is_held(f, "all"));
        batches_are_full = false;
        paths_mark_ready(paths_of(f, "all")); /* runs have taken some */
        WAIT_FOR(f, !is_held(f, "all"));
}

int __real_batch_add(Batch *b, const char *path, size_t n, const char *from, unsigned events, usec_t now);
int __wrap_batch_add(Batch *b, const char *path, size_t n, const char *from, unsigned events, usec_t now);

static bool batches_have_no_memory;

int __wrap_batch_add(Batch *b, const char *path, size_t n, const char *from, unsigned events, usec_t now) {
        return batches_have_no_memory ? -ENOMEM : __real_batch_add(b, path, n, from, events, now);
}

/* What cannot be kept in mind is not written down as known, so that the next start finds it. */
static void test_a_change_without_memory_is_found_by_the_next_start(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\n" WRITE_LIST, in(f, "w"), f->directory,
                       f->directory);
        start_watching(f, "all", 1);
        batches_have_no_memory = true;
        touch(f, "w/a");
        WAIT_FOR(f, counter(f, "all", "reported") > 0);
        batches_have_no_memory = false;
        touch(f, "w/b");
        WAIT_FOR(f, f->n_finished == 1);
        assert_false(has_seen(f, "w/a"));
        manager_stop(f->m, on_stopped, f); /* which writes all that is known */
        WAIT_FOR(f, f->stopped);
        stop(f);
        start_watching(f, "all", 1);
        WAIT_FOR(f, has_seen(f, "w/a"));
}

/* --- conditions --- */

static void test_a_condition_is_looked_at_again_after_its_run(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        touch(f, "w/1");
        touch(f, "w/2");
        touch(f, "w/3");
        write_path_job(f, "work", "[Path]\nDirectoryNotEmpty=%s\n[Run]\nShell=set -- %s/w/*; rm \"$1\"\n", in(f, "w"),
                       f->directory);
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

        make_directory(f, "w");
        make_directory(f, "w/sub");
        make_directory(f, "w/zzz");
        touch(f, "w/old");
        touch(f, "w/sub/old");
        touch(f, "w/zzz/old");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nRecursive=yes\nEvents=close\nSettleSec=100ms\n" WRITE_LIST,
                       in(f, "w"), f->directory, f->directory);
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
        assert_false(has_seen(f, "w/old") || has_seen(f, "w/zzz/old"));
        WAIT_FOR(f, is_idle(f));
        stop(f);
        start_watching(f, "all", 1);
        for (unsigned i = 0; i < 50; i++)
                assert_true(sd_event_run(f->event, USEC_PER_MSEC) >= 0);
        assert_int_equal(f->n_started, 0);
}

static void test_files_that_wait_are_kept(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\n" WRITE_LIST, in(f, "w"), f->directory,
                       f->directory);
        start_watching(f, "all", 1);
        assert_int_equal(manager_pause(f->m, "all"), 0);
        touch(f, "w/a");
        touch(f, "w/b");
        WAIT_FOR(f, counter(f, "all", "waiting") == 2);
        stop(f);
        start_watching(f, "all", 1);
        assert_int_equal(counter(f, "all", "waiting"), 2);
        assert_false(paths_of(f, "all")->is_unread);
        assert_int_equal(manager_resume(f->m, "all"), 0);
        WAIT_FOR(f, f->n_finished == 1);
        assert_true(has_seen(f, "w/a") && has_seen(f, "w/b"));
        assert_true(becomes_quiet(f));
}

/* What there is no memory for at the start is read later, and neither lost nor written over. */
static void test_files_that_wait_are_read_when_there_is_memory(void **state) {
        Fixture *f = *state;
        JobPaths *p;

        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\n" WRITE_LIST, in(f, "w"), f->directory,
                       f->directory);
        start_watching(f, "all", 1);
        assert_int_equal(manager_pause(f->m, "all"), 0);
        touch(f, "w/a");
        WAIT_FOR(f, counter(f, "all", "waiting") == 1);
        stop(f);
        batches_have_no_memory = true;
        start_watching(f, "all", 1);
        assert_int_equal(manager_resume(f->m, "all"), 0);
        assert_true(becomes_quiet(f));
        p = paths_of(f, "all");
        path_store_save(p, /* all= */ true);
        assert_int_equal(n_kept(f, "all", "waiting"), 1);
        assert_true(p->is_dirty && p->save_not_before > paths_now(p));
        batches_have_no_memory = false;
        path_store_save(p, /* all= */ true);
        assert_false(p->is_dirty);
        WAIT_FOR(f, has_seen(f, "w/a"));
}

int __real_watch_save(Watch *w, size_t max, int (*write)(void *userdata, uint32_t id, const void *bytes, size_t n),
                      void *userdata);
int __wrap_watch_save(Watch *w, size_t max, int (*write)(void *userdata, uint32_t id, const void *bytes, size_t n),
                      void *userdata);

static unsigned n_saves, n_more;

int __wrap_watch_save(Watch *w, size_t max, int (*write)(void *userdata, uint32_t id, const void *bytes, size_t n),
                      void *userdata) {
        n_saves++;
        if (n_more == 0 || max == 0)
                return __real_watch_save(w, max, write, userdata);
        n_more--;
        return (int)max;
}

/* A large snapshot is written in several turns. */
static void test_a_snapshot_is_written_in_turns(void **state) {
        Fixture *f = *state;
        JobPaths *p;

        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\nSettleSec=1h\n" WRITE_LIST, in(f, "w"),
                       f->directory, f->directory);
        start_watching(f, "all", 1);
        p = paths_of(f, "all");
        path_store_save(p, /* all= */ true);
        assert_true(becomes_quiet(f));
        n_saves = 0;
        n_more = 3;
        p->is_dirty = true;
        path_store_save(p, /* all= */ false);
        assert_int_equal(n_saves, 1);
        assert_true(p->is_dirty);
        WAIT_FOR(f, n_saves == 2);
        WAIT_FOR(f, n_saves == 4);
        assert_true(becomes_quiet(f));
        assert_false(p->is_dirty);
        path_store_save(p, /* all= */ false);
        assert_int_equal(n_saves, 4);
}

/* Whatever is to be known after a restart is written soon: each change, and the end of the first look at once. */
static void test_what_is_to_be_written(void **state) {
        const Change gone = { .path = "a", .length = 1 };
        Fixture *f = *state;
        PathWatch *pw;
        JobPaths *p;
        unsigned n;

        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\nSettleSec=1h\n" WRITE_LIST, in(f, "w"),
                       f->directory, f->directory);
        start_watching(f, "all", 1);
        p = paths_of(f, "all");
        path_store_save(p, /* all= */ true);
        assert_false(p->is_dirty);
        report_change("a", NULL, NULL);
        assert_true(p->is_dirty);
        path_store_save(p, /* all= */ true);
        watched.ops->gone(watched.userdata, watched.watch, &gone);
        assert_true(p->is_dirty);
        path_store_save(p, /* all= */ true);
        watched.ops->gone(watched.userdata, watched.watch, &gone); /* which is news to nobody */
        assert_false(p->is_dirty);
        pw = watched.userdata;
        for (unsigned i = 0; i < 2; i++) {
                n = f->n_job_changed;
                n_saves = 0;
                pw->has_started = i > 0;
                watched.ops->state_changed(pw, pw->watch);
                assert_int_equal(n_saves, i == 0);
                assert_true(p->is_dirty && pw->has_started);
                assert_int_equal(f->n_job_changed, n + 1);
                path_store_save(p, /* all= */ true);
        }
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close attrib\nSettleSec=1h\n" WRITE_LIST, in(f, "w"),
                       f->directory, f->directory);
        assert_int_equal(manager_reload(f->m), 0);
        assert_true(p->is_dirty);
}

static void test_files_of_a_run_that_the_stop_ends_are_found_again(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "all",
                       "[Path]\nPathChanged=%s\nEvents=close\n[Run]\nShell=tr '\\0' '\\n' >>%s/seen; read line <%s\n",
                       in(f, "w"), f->directory, f->gate);
        start_watching(f, "all", 1);
        touch(f, "w/a");
        WAIT_FOR(f, lines(f) == 1);
        manager_stop(f->m, on_stopped, f);
        WAIT_FOR(f, f->stopped);
        stop(f);
        start_watching(f, "all", 1);
        WAIT_FOR(f, lines(f) == 2);
        let_go(f, 1);
        WAIT_FOR(f, f->n_finished == 1);
        assert_int_equal(count_result(f, "all", RUN_RESULT_CANCELLED), 1);
        assert_int_equal(count_result(f, "all", RUN_RESULT_SUCCESS), 1);
}

/* What cannot be read yet is not taken for nothing, and not written over. */
static void test_files_that_wait_are_read_late(void **state) {
        static const char settings[] = "[Path]\nPathChanged=%s\nRecursive=%s\nEvents=close\nSettleSec=%s\n" WRITE_LIST;
        Fixture *f = *state;
        void *lock;

        make_directory(f, "w");
        write_path_job(f, "all", settings, in(f, "w"), "no", "1h", f->directory, f->directory);
        write_job(f, "other", "[Run]\nExec=/bin/true\n");
        start_watching(f, "all", 1);
        assert_int_equal(manager_pause(f->m, "all"), 0);
        touch(f, "w/a");
        WAIT_FOR(f, counter(f, "all", "waiting") == 1);
        stop(f);
        lock = lock_ledger(f);
        start_watching(f, "all", 1);
        assert_int_equal(counter(f, "all", "waiting"), 0);
        touch(f, "w/b");
        WAIT_FOR(f, counter(f, "all", "waiting") == 1);
        unlock_ledger(lock);
        (void)finish(f, "other"); /* it is written then */
        WAIT_FOR(f, job_state(job(f, "all")) == JOB_PAUSED);
        write_path_job(f, "all", settings, in(f, "w"), "yes", "0", f->directory, f->directory);
        assert_int_equal(manager_reload(f->m), 0); /* what is known is written before it is watched anew */
        assert_int_equal(counter(f, "all", "waiting"), 2);
        turn(f, 20);
        assert_int_equal(f->n_started, 1);
        assert_int_equal(manager_resume(f->m, "all"), 0);
        WAIT_FOR(f, has_seen(f, "w/a") && has_seen(f, "w/b"));
}

/* Nor is what a watch knows mixed with what it knew when that could not be read. */
static void test_a_snapshot_that_is_not_read_is_replaced(void **state) {
        Fixture *f = *state;
        void *lock;

        make_directory(f, "w");
        make_directory(f, "w/sub");
        touch(f, "w/sub/old");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nRecursive=yes\nEvents=close delete\n" WRITE_LIST, in(f, "w"),
                       f->directory, f->directory);
        write_job(f, "other", "[Run]\nExec=/bin/true\n");
        start_watching(f, "all", 1);
        assert_int_equal(manager_pause(f->m, "other"), 0);
        stop(f);
        assert_int_equal(unlink(in(f, "w/sub/old")), 0);
        assert_int_equal(rmdir(in(f, "w/sub")), 0);
        lock = lock_ledger(f);
        start_watching(f, "all", 1);
        unlock_ledger(lock);
        (void)finish(f, "other"); /* it is written then */
        WAIT_FOR(f, job_state(job(f, "other")) == JOB_PAUSED);
        touch(f, "w/new");
        WAIT_FOR(f, has_seen(f, "w/new"));
        WAIT_FOR(f, is_idle(f));
        stop(f);
        start_watching(f, "all", 1);
        assert_true(becomes_quiet(f));
        assert_int_equal(f->n_started + counter(f, "all", "waiting"), 0);
}

/* As logs are rotated: both names count, and swapped ones, whether that was heard of or found. */
static void test_a_name_that_is_taken_again_counts(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        touch(f, "w/f");
        touch(f, "w/g");
        touch(f, "w/h");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\n" WRITE_LIST, in(f, "w"), f->directory, f->directory);
        start_watching(f, "all", 1);
        for (unsigned stopped = 0; stopped < 2; stopped++) {
                assert_int_equal(manager_pause(f->m, "all"), 0);
                if (stopped)
                        stop(f);
                assert_int_equal(rename(in(f, "w/f"), in(f, stopped ? "w/f.2" : "w/f.1")), 0);
                touch(f, "w/f");
                assert_int_equal(renameat2(AT_FDCWD, in(f, "w/g"), AT_FDCWD, in(f, "w/h"), RENAME_EXCHANGE), 0);
                if (stopped)
                        start_watching(f, "all", 1);
                WAIT_FOR(f, counter(f, "all", "waiting") == 4);
                assert_int_equal(manager_resume(f->m, "all"), 0);
                WAIT_FOR(f, lines(f) == 5 * (1 + stopped) && counter(f, "all", "running") == 0);
                assert_true(has_seen(f, stopped ? "w/f.2" : "w/f.1"));
        }
}

/* No run gets a name where nothing is, if it did not ask for that. */
static void test_a_file_that_is_gone_waits_no_longer(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\n" WRITE_LIST, in(f, "w"), f->directory,
                       f->directory);
        start_watching(f, "all", 1);
        assert_int_equal(manager_pause(f->m, "all"), 0);
        touch(f, "w/a");
        touch(f, "w/b");
        WAIT_FOR(f, counter(f, "all", "waiting") == 2);
        assert_int_equal(unlink(in(f, "w/a")), 0);
        WAIT_FOR(f, counter(f, "all", "waiting") == 1);
        stop(f);
        assert_int_equal(rename(in(f, "w/b"), in(f, "w/c")), 0);
        touch(f, "w/d");
        start_watching(f, "all", 1);
        assert_int_equal(manager_resume(f->m, "all"), 0);
        WAIT_FOR(f, f->n_finished == 1);
        assert_int_equal(lines(f), 3);
        assert_true(has_seen(f, "w/c"));
        assert_true(has_seen(f, "w/d"));
}

/* --- spools --- */

static void write_spool_job(const Fixture *f, const char *path, const char *run) {
        char job[2048];

        (void)snprintf(job, sizeof(job), "[Path]\nSpool=%s/spool\n%s\n[Run]\n%s\n", f->directory, path, run);
        write_job(f, "spool", job);
}

int __real_spool_done(Spool *s, const SpoolItem *item);
int __wrap_spool_done(Spool *s, const SpoolItem *item);

static unsigned n_done;
static int done_error; /* that it returns, or 0 */

int __wrap_spool_done(Spool *s, const SpoolItem *item) {
        n_done++;
        return done_error < 0 ? done_error : __real_spool_done(s, item);
}

int __real_spool_claim(Spool *s, const char *name, usec_t now_realtime, SpoolItem *ret);
int __wrap_spool_claim(Spool *s, const char *name, usec_t now_realtime, SpoolItem *ret);

static int claim_error; /* of the next one */

int __wrap_spool_claim(Spool *s, const char *name, usec_t now_realtime, SpoolItem *ret) {
        int r = claim_error;

        claim_error = 0;
        return r < 0 ? r : __real_spool_claim(s, name, now_realtime, ret);
}

int __real_spool_open(Spool **ret, const SpoolConfig *config, char **reterr);
int __wrap_spool_open(Spool **ret, const SpoolConfig *config, char **reterr);

static int open_error;

int __wrap_spool_open(Spool **ret, const SpoolConfig *config, char **reterr) {
        return open_error < 0 ? open_error : __real_spool_open(ret, config, reterr);
}

int __real_spool_recover(Spool *s, int (*visit)(void *userdata, const SpoolItem *i), void *userdata);
int __wrap_spool_recover(Spool *s, int (*visit)(void *userdata, const SpoolItem *i), void *userdata);

static int recover_error;

int __wrap_spool_recover(Spool *s, int (*visit)(void *userdata, const SpoolItem *i), void *userdata) {
        return recover_error < 0 ? recover_error : __real_spool_recover(s, visit, userdata);
}

char *__real_spool_item_path(const Spool *s, const SpoolItem *i);
char *__wrap_spool_item_path(const Spool *s, const SpoolItem *i);

static bool items_have_no_path; /* for want of memory */

char *__wrap_spool_item_path(const Spool *s, const SpoolItem *i) {
        return items_have_no_path ? NULL : __real_spool_item_path(s, i);
}

static int rename_first(const Fixture *f, const char *suffix);
static void make_claim(const Fixture *f, const char *directory, const char *name);
static bool told_problem(Fixture *f, char said[static 512]);

/* By hand, and refused: it lies where it was. */
static void test_an_item_by_hand_that_is_refused(void **state) {
        Fixture *f = *state;
        char run[600];

        make_directory(f, "spool");
        (void)snprintf(run, sizeof(run), "Shell=read line <%s\nOverlap=skip", f->gate);
        write_spool_job(f, "SettleSec=1h", run);
        touch(f, "spool/a");
        touch(f, "spool/b");
        start_watching(f, "spool", 1);
        WAIT_FOR(f, counter(f, "spool", "waiting") == 2);
        items_have_no_path = true;
        assert_int_equal(request_files(f, "spool", in(f, "spool/a"), 1), -ENOMEM);
        assert_true(exists(f, "spool/a"));
        items_have_no_path = false;
        request_file(f, "spool", in(f, "spool/a"));
        WAIT_FOR(f, f->n_started == 1);
        assert_false(exists(f, "spool/a"));
        assert_int_equal(counter(f, "spool", "waiting"), 1);
        request_file(f, "spool", in(f, "spool/b"));
        assert_int_equal(count_result(f, "spool", RUN_RESULT_SKIPPED), 1);
        assert_true(exists(f, "spool/b"));
        let_go(f, 1);
        WAIT_FOR(f, f->n_finished == 1 && is_idle(f));
        assert_true(becomes_quiet(f));
        assert_true(exists(f, "spool/b"));
        assert_int_equal(f->n_started, 1);
        /* Nor is one taken that cannot be: its directory is not there. */
        assert_int_equal(rename(in(f, "spool"), in(f, "aside")), 0);
        WAIT_FOR(f, watch_state(paths_of(f, "spool")->watches[0].watch) == WATCH_WAITING);
        assert_null(paths_of(f, "spool")->watches[0].spool);
        assert_int_equal(request_files(f, "spool", in(f, "spool/b"), 1), -ETXTBSY);
        assert_int_equal(request_files(f, "spool", in(f, "elsewhere"), 1), -EXDEV);
}

/* Is something in this directory open, or the directory? It could not be unmounted. */
static bool is_open(const Fixture *f, const char *name) {
        DIR *dir = opendir("/proc/self/fd");
        const char *path = in(f, name);
        const struct dirent *d;
        char target[PATH_MAX];
        bool found = false;

        assert_non_null(dir);
        while ((d = readdir(dir))) {
                ssize_t n = readlinkat(dirfd(dir), d->d_name, target, sizeof(target));

                found = found || (n >= (ssize_t)strlen(path) && memcmp(target, path, strlen(path)) == 0);
        }
        (void)closedir(dir);
        return found;
}

/* Each of them once. */
static void test_items_are_acknowledged(void **state) {
        Fixture *f = *state;

        n_done = 0;
        make_directory(f, "spool");
        touch(f, "spool/before");
        write_job(f, "other", "[Run]\nExec=/bin/true\n");
        write_spool_job(
                f, "",
                "Shell=basename \"$VAKT_PATH\" >>$OUT; test -f \"$VAKT_PATH\"\n[Service]\nEnvironment=OUT=/dev/null");
        start_watching(f, "spool", 1);
        WAIT_FOR(f, f->n_started == 1);
        assert_false(is_open(f, "spool"));
        WAIT_FOR(f, f->n_finished == 1);
        touch(f, "spool/after");
        WAIT_FOR(f, f->n_finished == 2);
        WAIT_FOR(f, !exists(f, "spool/after"));
        assert_false(exists(f, "spool/before"));
        assert_int_equal(count_result(f, "spool", RUN_RESULT_SUCCESS), 2);
        WAIT_FOR(f, n_done == 2);
        assert_false(is_open(f, "spool"));
        (void)finish(f, "other"); /* it is written, which is when they would be put away again */
        assert_int_equal(n_done, 2);
        assert_true(becomes_quiet(f));
        assert_int_equal(n_kept(f, "spool", NULL), 0);
}

/* One that is gone, or is no item, is none, and waits no longer; nor does one whose spool is another one now, but that
 * is looked at anew. */
static void test_what_cannot_be_claimed(void **state) {
        Fixture *f = *state;

        make_directory(f, "spool");
        write_spool_job(f, "", "Exec=/bin/true");
        start_watching(f, "spool", 1);
        WAIT_FOR(f, n_active(f, "spool") == 1);
        claim_error = -ENOENT;
        touch(f, "spool/a");
        WAIT_FOR(f, claim_error == 0);
        WAIT_FOR(f, counter(f, "spool", "waiting") == 0);
        assert_int_equal(f->n_started, 0);
        assert_non_null(paths_of(f, "spool")->watches[0].spool);
        claim_error = -ESTALE;
        touch(f, "spool/b");
        WAIT_FOR(f, claim_error == 0);
        assert_null(paths_of(f, "spool")->watches[0].spool);
        assert_int_equal(counter(f, "spool", "waiting"), 1);
        assert_int_equal(request_files(f, "spool", in(f, "spool/a"), 1), -EAGAIN); /* the spool is still closed */
        assert_int_equal(counter(f, "spool", "waiting"), 1);
        try_spool_again(f);
        assert_int_equal(request_files(f, "spool", in(f, "spool/b"), 1), 0);
        WAIT_FOR(f, f->n_finished == 1);
        WAIT_FOR(f, !exists(f, "spool/b"));
}

/* What could not be put away is so by the next daemon, and by the next spool of this one; it is not run again. */
static void test_an_item_is_put_away_later(void **state) {
        Fixture *f = *state;

        make_directory(f, "spool");
        make_directory(f, "done");
        write_job(f, "other", "[Run]\nExec=/bin/true\n");
        write_spool_job(f, "", "Exec=/bin/true");
        start_watching(f, "spool", 1);
        n_done = 0;
        done_error = -EIO;
        touch(f, "spool/a");
        WAIT_FOR(f, n_done == 1);
        assert_non_null(paths_of(f, "spool")->watches[0].spool);
        stop(f);
        done_error = 0;
        start_watching(f, "spool", 1);
        WAIT_FOR(f, n_done == 2);
        WAIT_FOR(f, n_kept(f, "spool", NULL) == 0);
        assert_int_equal(rename_first(f, ".1"), -1);

        done_error = -EIO;
        touch(f, "spool/b");
        WAIT_FOR(f, n_done == 3);
        assert_true(becomes_quiet(f));
        paths_of(f, "spool")->watches[0].settle_not_before = 0;
        done_error = -ESTALE; /* the spool is another one now */
        (void)finish(f, "other");
        WAIT_FOR(f, n_done == 4);
        assert_null(paths_of(f, "spool")->watches[0].spool);
        paths_of(f, "spool")->watches[0].reopen_at = 0;
        paths_of(f, "spool")->watches[0].settle_not_before = 0;
        assert_int_equal(rename_first(f, ".2"), 0); /* as if an earlier daemon had done that */
        done_error = 0;
        WAIT_FOR(f, n_done == 5);
        WAIT_FOR(f, n_kept(f, "spool", NULL) == 0);
        assert_int_equal(rename_first(f, ".2"), -1);
        assert_true(becomes_quiet(f));
        assert_int_equal(count_result(f, "spool", RUN_RESULT_SUCCESS), 2);
        assert_int_equal(counter(f, "spool", "failed-items"), 0);
}

/* Its job has nothing to claim by then, which would close the spool, too. */
static void test_a_spool_is_closed_when_an_item_is_put_away(void **state) {
        Fixture *f = *state;

        make_directory(f, "spool");
        write_job(f, "other", "[Run]\nExec=/bin/true\n");
        write_spool_job(f, "", "Exec=/bin/true");
        start_watching(f, "spool", 1);
        n_done = 0;
        done_error = -EIO;
        touch(f, "spool/a");
        WAIT_FOR(f, n_done == 1);
        assert_true(becomes_quiet(f));
        paths_of(f, "spool")->watches[0].settle_not_before = 0;
        done_error = 0;
        (void)finish(f, "other");
        WAIT_FOR(f, n_done == 2);
        assert_false(is_open(f, "spool"));
}

/* A spool is closed while it cannot be read whole, and nothing is lost of what is in it. */
static void test_a_spool_that_cannot_be_read(void **state) {
        Fixture *f = *state;
        char said[512] = "";
        PathWatch *pw;

        make_directory(f, "spool");
        make_claim(f, "0000000000000001.1", "a");
        write_spool_job(f, "", "Shell=test -f \"$VAKT_PATH\"");
        recover_error = -EIO;
        start_watching(f, "spool", 1);
        WAIT_FOR(f, told_problem(f, said));
        pw = &paths_of(f, "spool")->watches[0];
        assert_null(pw->spool);
        assert_true(becomes_quiet(f));
        assert_true(spools_reopen(pw->paths, paths_now(pw->paths)) == pw->reopen_at);
        recover_error = 0;
        try_spool_again(f);
        WAIT_FOR(f, count_result(f, "spool", RUN_RESULT_SUCCESS) == 1);
        assert_int_equal(n_active(f, "spool"), 1);
}

static void test_items_are_tried_again_and_given_up(void **state) {
        Fixture *f = *state;
        char keys[600];

        make_directory(f, "spool");
        make_directory(f, "failed");
        make_directory(f, "done");
        (void)snprintf(keys, sizeof(keys), "SpoolFailed=%s/failed\nSpoolDone=%s/done", f->directory, f->directory);
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

/* Something of the failed try may still work on the file: the next one has it by another path. */
static void test_another_try_of_an_item_has_another_path(void **state) {
        Fixture *f = *state;
        char run[600];
        const char *second;

        make_directory(f, "spool");
        (void)snprintf(run, sizeof(run),
                       "Shell=echo $VAKT_PATH >>%s/seen; test -f $VAKT_PATH && exit 1\nRetry=1\nRetryDelaySec=1ms",
                       f->directory);
        write_spool_job(f, "", run);
        start_watching(f, "spool", 1);
        touch(f, "spool/item");
        WAIT_FOR(f, count_result(f, "spool", RUN_RESULT_EXIT) == 2);
        assert_int_equal(lines(f), 2);
        second = strchr(text, '\n') + 1;
        assert_non_null(strstr(text, ".1/item\n"));
        assert_non_null(strstr(second, ".2/item\n"));
}

/* It is not deleted for that. */
static void test_an_item_that_is_skipped_is_given_up(void **state) {
        Fixture *f = *state;
        char keys[600];

        make_directory(f, "spool");
        make_directory(f, "failed");
        (void)snprintf(keys, sizeof(keys), "SpoolFailed=%s/failed", f->directory);
        write_spool_job(f, keys, "Exec=/bin/true");
        start_watching(f, "spool", 1);
        assert_int_equal(manager_skip(f->m, "spool", 1), 0);
        touch(f, "spool/one");
        WAIT_FOR(f, exists(f, "failed/one"));
        assert_int_equal(f->n_refused, 1);
        touch(f, "spool/two");
        WAIT_FOR(f, f->n_finished == 1);
        WAIT_FOR(f, !exists(f, "spool/two"));
        assert_false(exists(f, "failed/two"));
}

static void test_an_item_that_gets_no_run_is_the_next_again(void **state) {
        Fixture *f = *state;

        make_directory(f, "spool");
        write_spool_job(f, "", "Exec=/bin/true");
        start_watching(f, "spool", 1);
        n_adds_that_fail = 1;
        touch(f, "spool/one");
        WAIT_FOR(f, f->n_finished == 1);
        assert_int_equal(n_adds_that_fail, 0);
        WAIT_FOR(f, !exists(f, "spool/one"));
}

/* Who has closed it may be taken for a writer still when it is to be claimed, and is not heard of a second time. */
static void test_an_item_whose_writer_is_not_heard_of(void **state) {
        Fixture *f = *state;
        int fd;

        make_directory(f, "spool");
        touch(f, "other");
        fd = open(in(f, "other"), O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        write_spool_job(f, "", "Exec=/bin/true");
        start_watching(f, "spool", 1);
        assert_int_equal(link(in(f, "other"), in(f, "spool/item")), 0);
        assert_int_equal(unlink(in(f, "other")), 0);
        touch(f, "spool/item"); /* it is closed, and so it is complete */
        touch(f, "spool/next");
        WAIT_FOR(f, f->n_finished == 1);
        WAIT_FOR(f, !exists(f, "spool/next"));
        assert_true(exists(f, "spool/item"));
        close(fd);
        WAIT_FOR(f, f->n_finished == 2);
        WAIT_FOR(f, !exists(f, "spool/item"));
}

#define LINKED (2 * DEADLINE_SECONDS)

static const char *linked(const Fixture *f, const char *directory, unsigned i) {
        char name[32];

        (void)snprintf(name, sizeof(name), "%s/linked-%u", directory, i);
        return in(f, name);
}

/* As if it just had got its second name. */
static bool are_news(const Fixture *f) {
        for (unsigned i = 0; i < LINKED; i++)
                assert_int_equal(chmod(linked(f, "spool", i), 0644), 0);
        return true;
}

/* Where all may write, a file with a second name is waited for, since that may be about to go. Who leaves many there
 * does not keep the items of others waiting. */
static void test_items_that_cannot_be_claimed_yet_hold_up_no_others(void **state) {
        Fixture *f = *state;

        if (geteuid() != 0)
                skip();
        make_directory(f, "spool");
        assert_int_equal(chmod(in(f, "spool"), 01777), 0);
        write_spool_job(f, "", "Exec=/bin/true");
        start_watching(f, "spool", 1);
        make_directory(f, "names");
        for (unsigned i = 0; i < LINKED; i++) {
                const char *slash = strrchr(linked(f, "", i), '/');

                write_file(in(f, "spool"), slash + 1, "x");
                assert_int_equal(link(linked(f, "spool", i), linked(f, "names", i)), 0);
        }
        touch(f, "spool/next");
        WAIT_FOR(f, are_news(f) && f->n_finished == 1);
        WAIT_FOR(f, !exists(f, "spool/next"));
        assert_true(exists(f, "spool/linked-0"));
}

/* The daemon goes away in the middle of a run: the item is processed again, not lost. */
static void test_an_item_survives_a_restart(void **state) {
        Fixture *f = *state;
        char run[600];

        make_directory(f, "spool");
        (void)snprintf(run, sizeof(run), "Shell=echo x >>%s/seen; read line <%s", f->directory, f->gate);
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

        make_directory(f, "w");
        make_directory(f, "v");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\n" WRITE_LIST, in(f, "w"), f->directory,
                       f->directory);
        start_watching(f, "all", 1);
        assert_int_equal(manager_pause(f->m, "all"), 0);
        touch(f, "w/a");
        WAIT_FOR(f, counter(f, "all", "waiting") == 1);
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nPathChanged=%s\nEvents=close\n" WRITE_LIST, in(f, "w"),
                       in(f, "v"), f->directory, f->directory);
        assert_int_equal(manager_reload(f->m), 0);
        WAIT_FOR(f, n_watching(f, "all") == 2);
        touch(f, "v/b");
        WAIT_FOR(f, counter(f, "all", "waiting") == 2);
        assert_int_equal(manager_resume(f->m, "all"), 0);
        WAIT_FOR(f, f->n_finished == 1);
        assert_true(has_seen(f, "w/a"));
        assert_true(has_seen(f, "v/b"));
        write_path_job(f, "all", WRITE_LIST, f->directory, f->directory);
        assert_int_equal(manager_reload(f->m), 0);
        assert_int_equal(n_watching(f, "all"), 0);
}

/* --- a daemon that is killed --- */

static void copy_file(const char *from, const char *to) {
        static char bytes[1 << 16];
        int in_fd = open(from, O_RDONLY | O_CLOEXEC),
            out_fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ssize_t n;

        assert_true(out_fd >= 0);
        while (in_fd >= 0 && (n = read(in_fd, bytes, sizeof(bytes))) > 0)
                assert_int_equal(write(out_fd, bytes, (size_t)n), n);
        if (in_fd >= 0)
                close(in_fd);
        close(out_fd);
}

/* stop() lets the manager write what it knows; here the ledger is left as it stands now. */
static void crash(Fixture *f) {
        turn(f, 20);
        copy_file(in(f, "ledger.db"), in(f, "kept.db"));
        copy_file(in(f, "ledger.db-wal"), in(f, "kept.db-wal"));
        stop(f);
        (void)unlink(in(f, "ledger.db-shm"));
        assert_int_equal(rename(in(f, "kept.db"), in(f, "ledger.db")), 0);
        assert_int_equal(rename(in(f, "kept.db-wal"), in(f, "ledger.db-wal")), 0);
}

static void test_a_crash_makes_no_file_news_again(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\nSettleSec=2500ms\n" WRITE_LIST, in(f, "w"),
                       f->directory, f->directory);
        start_watching(f, "all", 1);
        touch(f, "w/a");
        WAIT_FOR(f, f->n_finished == 1);
        crash(f);
        start_watching(f, "all", 1);
        turn(f, 50);
        assert_int_equal(counter(f, "all", "waiting") + f->n_started, 0);
}

static void test_a_crash_makes_no_skipped_file_news_again(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\n" WRITE_LIST, in(f, "w"), f->directory,
                       f->directory);
        start_watching(f, "all", 1);
        assert_int_equal(manager_skip(f->m, "all", 1), 0);
        paths_of(f, "all")->save_not_before = 0;
        touch(f, "w/a");
        WAIT_FOR(f, f->n_refused == 1);
        crash(f);
        start_watching(f, "all", 1);
        turn(f, 50);
        assert_int_equal(counter(f, "all", "waiting") + f->n_started, 0);
}

static void write_pool(const Fixture *f, const char *settings) {
        char conf[256];

        (void)snprintf(conf, sizeof(conf), "[Pool p]\nSlots=1\n%s\n", settings);
        write_file(f->directory, "vaktd.conf", conf);
        write_held_job(f, "holder", "Pool=p");
}

/* A run with the file w/a, which waits again then. */
static void give_up_before_it_begins(Fixture *f) {
        write_pool(f, "MaxWaitSec=200ms");
        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nEvents=close\n" WRITE_LIST "Pool=p\n", in(f, "w"),
                       f->directory, f->directory);
        start_watching(f, "all", 1);
        (void)request(f, "holder");
        WAIT_FOR(f, f->n_started == 1);
        touch(f, "w/a");
        WAIT_FOR(f, counter(f, "all", "running") == 1);
        assert_int_equal(manager_pause(f->m, "all"), 0);
        WAIT_FOR(f, f->n_refused == 1);
}

/* The run was given up before it began; nobody has written yet that its files wait again. */
static void test_a_crash_loses_no_file_that_waits_again(void **state) {
        Fixture *f = *state;

        give_up_before_it_begins(f);
        assert_int_equal(counter(f, "all", "waiting"), 1);
        crash(f);
        start_watching(f, "all", 1);
        assert_int_equal(counter(f, "all", "waiting"), 1);
        assert_int_equal(manager_resume(f->m, "all"), 0);
        WAIT_FOR(f, has_seen(f, "w/a"));
        WAIT_FOR(f, is_idle(f));
        stop(f);
        start_watching(f, "all", 1);
        assert_int_equal(counter(f, "all", "waiting"), 0);
}

/* And the same daemon, which has written them by then, does not leave that behind. */
static void test_files_that_waited_again_are_written_once(void **state) {
        Fixture *f = *state;

        give_up_before_it_begins(f);
        assert_int_equal(n_kept(f, "all", "waiting"), 1);
        let_go(f, 1);
        assert_int_equal(manager_resume(f->m, "all"), 0);
        WAIT_FOR(f, has_seen(f, "w/a"));
        WAIT_FOR(f, is_idle(f));
        path_store_save(paths_of(f, "all"), /* all= */ true);
        assert_int_equal(n_kept(f, "all", "waiting"), 0);
}

/* The files of each such run are a row of their own. */
static void test_a_crash_loses_no_files_of_several_runs(void **state) {
        Fixture *f = *state;

        write_pool(f, "MaxWaitSec=200ms");
        make_directory(f, "w");
        write_path_job(f, "each",
                       "[Path]\nPathChanged=%s\nEvents=close\nBatch=each\n" WRITE_ONE
                       "Pool=p\nOverlap=parallel\nMaxParallel=4\n",
                       in(f, "w"), f->directory);
        start_watching(f, "each", 1);
        (void)request(f, "holder");
        WAIT_FOR(f, f->n_started == 1);
        touch(f, "w/a");
        touch(f, "w/b");
        WAIT_FOR(f, counter(f, "each", "running") == 2);
        assert_int_equal(manager_pause(f->m, "each"), 0);
        WAIT_FOR(f, f->n_refused == 2);
        crash(f);
        start(f);
        assert_int_equal(n_kept(f, "each", "waiting"), 1);
        assert_int_equal(counter(f, "each", "waiting"), 2);
}

/* Whichever of them came first. */
static void test_runs_of_two_jobs_keep_their_files(void **state) {
        Fixture *f = *state;

        write_pool(f, "");
        make_directory(f, "v");
        make_directory(f, "w");
        for (unsigned i = 0; i < 2; i++)
                write_path_job(f, i == 0 ? "a" : "b", "[Path]\nPathChanged=%s\nEvents=close\n" WRITE_LIST "Pool=p\n",
                               in(f, i == 0 ? "v" : "w"), f->directory, f->directory);
        start_watching(f, "a", 1);
        WAIT_FOR(f, n_watching(f, "b") == 1);
        (void)request(f, "holder");
        WAIT_FOR(f, f->n_started == 1);
        touch(f, "w/of-b");
        WAIT_FOR(f, manager_n_queued(f->m) == 1);
        touch(f, "v/of-a");
        WAIT_FOR(f, manager_n_queued(f->m) == 2);
        stop(f);
        start(f);
        assert_int_equal(counter(f, "a", "running") + counter(f, "b", "running"), 2);
        WAIT_FOR(f, count_result(f, "a", RUN_RESULT_SUCCESS) + count_result(f, "b", RUN_RESULT_SUCCESS) == 2);
        assert_int_equal(lines(f), 4);
        assert_true(has_seen(f, "v/of-a") && has_seen(f, "w/of-b"));
}

/* As an earlier daemon left it: claimed, and no run. */
static void make_claim(const Fixture *f, const char *directory, const char *name) {
        char path[256];

        (void)mkdir(in(f, "spool/.vakt-spool"), 0711);
        (void)snprintf(path, sizeof(path), "spool/.vakt-spool/%s", directory);
        make_directory(f, path);
        (void)snprintf(path, sizeof(path), "spool/.vakt-spool/%s/%s", directory, name);
        touch(f, path);
}

static void test_items_without_a_run_are_not_forgotten(void **state) {
        Fixture *f = *state;

        make_directory(f, "spool");
        make_claim(f, "0000000000000001.1", "a");
        make_claim(f, "0000000000000002.1", "b");
        write_spool_job(f, "", "Shell=test -f \"$VAKT_PATH\"\nMinIntervalSec=300ms");
        start_watching(f, "spool", 1);
        WAIT_FOR(f, f->n_finished == 2);
        assert_int_equal(count_result(f, "spool", RUN_RESULT_SUCCESS), 2);
        assert_int_equal(f->n_refused, 0);
}

/* Another try has no number any more, and what it was for is gone: a restart finds neither, and goes on. */
static void test_an_item_with_the_last_number_of_tries(void **state) {
        Fixture *f = *state;
        char run[192];

        make_directory(f, "spool");
        make_claim(f, "0000000000000001.1000000", "a");
        (void)snprintf(run, sizeof(run), "Shell=rm \"$VAKT_PATH\" && touch %s && read line <%s", in(f, "removed"),
                       f->gate);
        write_spool_job(f, "", run);
        start_watching(f, "spool", 1);
        WAIT_FOR(f, access(in(f, "removed"), F_OK) == 0);
        stop(f);
        start(f);
        turn(f, 5);
        let_go(f, 1);
        WAIT_FOR(f, is_idle(f));
}

static void hold_an_item(Fixture *f, const char *pool, const char *run) {
        write_pool(f, pool);
        make_directory(f, "spool");
        write_spool_job(f, "", run);
        start_watching(f, "spool", 1);
        (void)request(f, "holder");
        WAIT_FOR(f, f->n_started == 1);
        touch(f, "spool/item");
        WAIT_FOR(f, manager_n_queued(f->m) == 1);
}

/* Who cancels its run before that begins gives it up, and it is put away at once. */
static void test_an_item_whose_run_is_cancelled(void **state) {
        Fixture *f = *state;
        RunRecord waiting;

        hold_an_item(f, "", "Shell=true\nPool=p");
        waiting = newest(f, "spool");
        assert_int_equal(manager_cancel(f->m, waiting.id), 0);
        WAIT_FOR(f, counter(f, "spool", "failed-items") == 1);
        stop(f);
        start_watching(f, "spool", 1);
        WAIT_FOR(f, counter(f, "spool", "failed-items") == 1);
}

/* It was never run: that its job was disabled meanwhile is no reason to give it up. */
static void test_an_item_outlives_a_disabled_job(void **state) {
        Fixture *f = *state;
        static const char run[] = "Shell=test -f \"$VAKT_PATH\"\nPool=p\n[Job]\nEnabled=%s";
        char keys[128];

        (void)snprintf(keys, sizeof(keys), run, "yes");
        hold_an_item(f, "", keys);
        stop(f);
        (void)snprintf(keys, sizeof(keys), run, "no");
        write_spool_job(f, "", keys);
        start(f);
        turn(f, 20);
        assert_int_equal(count_result(f, "spool", RUN_RESULT_SKIPPED), 1);
        (void)snprintf(keys, sizeof(keys), run, "yes");
        write_spool_job(f, "", keys);
        assert_int_equal(manager_reload(f->m), 0);
        WAIT_FOR(f, count_result(f, "spool", RUN_RESULT_SUCCESS) == 1);
        assert_int_equal(counter(f, "spool", "failed-items"), 0);
}

/* It cannot be run while its file is bad, and is not given up for that either. */
static void test_an_item_outlives_a_bad_file(void **state) {
        static const char run[] = "Shell=test -f \"$VAKT_PATH\"\nPool=p";
        Fixture *f = *state;

        hold_an_item(f, "", run);
        stop(f);
        write_spool_job(f, "Nonsense=1", run);
        start(f);
        turn(f, 20);
        assert_int_equal(f->n_started + f->n_refused, 0);
        write_spool_job(f, "", run);
        assert_int_equal(manager_reload(f->m), 0);
        WAIT_FOR(f, count_result(f, "spool", RUN_RESULT_SUCCESS) == 1);
        WAIT_FOR(f, is_idle(f));
        assert_int_equal(count_result(f, "spool", RUN_RESULT_SKIPPED), 0);
}

static int rename_first(const Fixture *f, const char *suffix) {
        DIR *dir = opendir(in(f, "spool/.vakt-spool"));
        const struct dirent *d;
        char to[64];
        int r = -1;

        assert_non_null(dir);
        while (r < 0 && (d = readdir(dir))) {
                (void)snprintf(to, sizeof(to), "%.16s%s", d->d_name, suffix);
                if (d->d_name[0] != '.')
                        r = renameat(dirfd(dir), d->d_name, dirfd(dir), to);
        }
        closedir(dir);
        return r;
}

/* The daemon died after it had made the item ready for another try, and before that was written. */
static void test_an_item_is_found_where_it_is(void **state) {
        Fixture *f = *state;

        hold_an_item(f, "", "Shell=test -f \"$VAKT_PATH\"\nPool=p");
        stop(f);
        assert_int_equal(rename_first(f, ".2"), 0);
        start_watching(f, "spool", 1);
        WAIT_FOR(f, count_result(f, "spool", RUN_RESULT_SUCCESS) == 1);
        WAIT_FOR(f, is_idle(f));
        turn(f, 20);
        assert_int_equal(rename_first(f, ".2"), -1);
}

/* Nor does it matter that its spool could not be opened at first. */
static void test_an_item_is_found_where_it_is_later(void **state) {
        Fixture *f = *state;
        char run[256];

        (void)snprintf(run, sizeof(run), "Shell=touch %s; read line <%s\nPool=p", in(f, "began"), f->gate);
        hold_an_item(f, "", run);
        stop(f);
        assert_int_equal(rename_first(f, ".2"), 0);
        open_error = -ENOMEM;
        start_watching(f, "spool", 1);
        WAIT_FOR(f, exists(f, "began"));
        assert_int_equal(paths_of_run(f, "spool")->item.attempt, 1);
        open_error = 0;
        try_spool_again(f);
        WAIT_FOR(f, paths_of(f, "spool")->watches[0].spool);
        assert_int_equal(paths_of_run(f, "spool")->item.attempt, 2);
        let_go(f, 1);
        WAIT_FOR(f, is_idle(f));
        WAIT_FOR(f, n_kept(f, "spool", NULL) == 0);
        assert_int_equal(rename_first(f, ".2"), -1);
        assert_int_equal(count_result(f, "spool", RUN_RESULT_SUCCESS), 1);
}

/* One that is nowhere keeps its path. */
static void test_an_item_that_is_nowhere(void **state) {
        Fixture *f = *state;
        char path[256];

        hold_an_item(f, "", "Shell=true\nPool=p");
        (void)snprintf(path, sizeof(path), "%s", paths_of_run(f, "spool")->list);
        assert_non_null(strstr(path, ".1/item"));
        stop(f);
        assert_int_equal(unlink(path), 0);
        start(f);
        assert_string_equal(paths_of_run(f, "spool")->list, path);
        assert_int_equal(paths_of_run(f, "spool")->item.attempt, 1);
        WAIT_FOR(f, is_idle(f));
}

/* In a spool that belongs to the user whom its runs are. */
static void test_an_item_of_a_user_is_found_where_it_is(void **state) {
        static const char keys[] = "[Path]\nSpool=%s/spool\n[Run]\nShell=true\nPool=p\n[Service]\nUser=daemon\n";
        Fixture *f = *state;

        if (geteuid() != 0)
                skip();
        write_pool(f, "");
        assert_int_equal(chmod(f->directory, 0755), 0);
        make_directory(f, "spool");
        assert_int_equal(chown(in(f, "spool"), 1, 1), 0);
        write_path_job(f, "spool", keys, f->directory);
        start_watching(f, "spool", 1);
        (void)request(f, "holder");
        WAIT_FOR(f, f->n_started == 1);
        touch(f, "spool/item");
        assert_int_equal(chown(in(f, "spool/item"), 1, 1), 0);
        WAIT_FOR(f, manager_n_queued(f->m) == 1);
        stop(f);
        assert_int_equal(rename_first(f, ".2"), 0);
        start(f);
        assert_int_equal(paths_of_run(f, "spool")->item.attempt, 2);
        assert_int_equal(paths_of_run(f, "spool")->size, strlen(paths_of_run(f, "spool")->list) + 1);
}

/* Also where its job has no spool any more, which would find it. */
static void test_an_item_is_found_without_a_spool(void **state) {
        static const char run[] = "Shell=test -f \"$VAKT_PATH\"\nPool=p\n";
        Fixture *f = *state;
        char text_of_job[128];

        hold_an_item(f, "", run);
        stop(f);
        assert_int_equal(rename_first(f, ".2"), 0);
        (void)snprintf(text_of_job, sizeof(text_of_job), "[Run]\n%s", run);
        write_job(f, "spool", text_of_job);
        start(f);
        WAIT_FOR(f, count_result(f, "spool", RUN_RESULT_SUCCESS) == 1);
}

static void test_a_condition_outlives_a_skip(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "work", "[Path]\nDirectoryNotEmpty=%s\n[Run]\nShell=rm %s/w/*\n", in(f, "w"), f->directory);
        start(f);
        turn(f, 20);
        assert_int_equal(manager_skip(f->m, "work", 1), 0);
        touch(f, "w/1");
        WAIT_FOR(f, f->n_refused == 1);
        WAIT_FOR(f, f->n_finished == 1);
        assert_false(exists(f, "w/1"));
}

static void test_the_interval_refuses_no_file(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "each",
                       "[Path]\nPathChanged=%s\nEvents=close\nBatch=each\n" WRITE_ONE
                       "Overlap=parallel\nMaxParallel=4\nMinIntervalSec=100ms\n",
                       in(f, "w"), f->directory);
        start_watching(f, "each", 1);
        touch(f, "w/a");
        touch(f, "w/b");
        touch(f, "w/c");
        WAIT_FOR(f, f->n_finished == 3);
        assert_int_equal(f->n_refused, 0);
}

static int note_trigger(const char *key, const char *path, const char *state, const char *message, void *userdata) {
        (void)snprintf(userdata, 512, "%s: %s", state, message);
        return 0;
}

/* The last message about a watch. */
static int note_topic(const char *topic, const char *message, void *userdata) {
        if (streq(topic, "watch"))
                (void)snprintf(userdata, 512, "%s", message);
        return 0;
}

static bool told_problem(Fixture *f, char said[static 512]) {
        assert_int_equal(manager_list_triggers(f->m, job(f, "spool"), note_trigger, said), 0);
        return strstr(said, "cannot be claimed");
}

/* What is wrong with a spool is mended without a word to the daemon. */
static void test_a_spool_is_tried_again(void **state) {
        Fixture *f = *state;
        char keys[600];

        make_directory(f, "spool");
        (void)snprintf(keys, sizeof(keys), "SpoolDone=%s/done", f->directory);
        write_spool_job(f, keys, "Shell=true");
        start_watching(f, "spool", 1);
        touch(f, "spool/item");
        turn(f, 50);
        assert_int_equal(f->n_started, 0);
        make_directory(f, "done");
        WAIT_FOR(f, exists(f, "done/item"));
        assert_int_equal(n_active(f, "spool"), 1);
}

/* Also when nothing lies in it. */
static void test_an_empty_spool_is_tried_again(void **state) {
        Fixture *f = *state;
        char keys[600];

        make_directory(f, "spool");
        (void)snprintf(keys, sizeof(keys), "SpoolDone=%s/done", f->directory);
        write_spool_job(f, keys, "Shell=true");
        start_watching(f, "spool", 1);
        assert_true(becomes_quiet(f));
        assert_int_equal(n_active(f, "spool"), 0);
        make_directory(f, "done");
        try_spool_again(f);
        WAIT_FOR(f, n_active(f, "spool") == 1);
}

/* The same of a single item. */
static void test_an_item_that_could_not_be_claimed(void **state) {
        Fixture *f = *state;
        char said[512] = "";

        make_directory(f, "spool");
        write_spool_job(f, "", "Shell=true");
        start_watching(f, "spool", 1);
        WAIT_FOR(f, n_active(f, "spool") == 1);
        assert_int_equal(rmdir(in(f, "spool/.vakt-spool")), 0);
        touch(f, "spool/.vakt-spool");
        touch(f, "spool/item");
        WAIT_FOR(f, told_problem(f, said));
        said[0] = '\0';
        assert_int_equal(manager_explain(f->m, job(f, "spool"), note_topic, said), 0);
        assert_non_null(strstr(said, "cannot be claimed"));
        assert_int_equal(unlink(in(f, "spool/.vakt-spool")), 0);
        WAIT_FOR(f, f->n_finished == 1);
        assert_false(told_problem(f, said));
}

/* Who mends it and says so by a reload does not have to wait; what is well is left as it is. */
static void test_a_reload_looks_at_a_spool_again(void **state) {
        Fixture *f = *state;
        char keys[600];

        make_directory(f, "spool");
        (void)snprintf(keys, sizeof(keys), "SpoolDone=%s/done", f->directory);
        write_spool_job(f, keys, "Shell=true");
        start_watching(f, "spool", 1);
        touch(f, "spool/item");
        turn(f, 20);
        make_directory(f, "done");
        assert_int_equal(manager_reload(f->m), 0);
        write_spool_job(f, keys, "Shell=true; true");
        assert_int_equal(manager_reload(f->m), 0);
        WAIT_FOR(f, exists(f, "done/item")); /* it is looked at anew */
        write_spool_job(f, keys, "Shell=true");
        assert_int_equal(manager_reload(f->m), 0);
        assert_int_equal(n_active(f, "spool"), 1);
}

/* Nothing was known of the tree before: a change right after a start or a reload is noticed all the same. What
 * is left of a turn decides, so a machine that is busy has several tries. */
static void test_a_new_watch_is_there_at_once(void **state) {
        static const char job_text[] = "[Path]\nPathChanged=%s\n" WRITE_ONE;
        Fixture *f = *state;
        unsigned tries = 0;
        char name[16];

        make_directory(f, "w");
        touch(f, "w/a");
        write_path_job(f, "all", job_text, in(f, "w/a"), f->directory);
        start(f);
        do {
                (void)snprintf(name, sizeof(name), "new%u", tries);
                write_path_job(f, name, job_text, in(f, "w/a"), f->directory);
                assert_int_equal(manager_reload(f->m), 0);
        } while (n_active(f, name) == 0 && ++tries < 10);
        assert_true(tries < 10);
        f->n_finished = 0;
        touch(f, "w/a");
        WAIT_FOR(f, f->n_finished == tries + 2);
}

/* A line that is written again later begins anew: what changed while it was not there is none of its business. */
static void test_a_line_that_is_gone_is_forgotten(void **state) {
        static const char two[] = "[Path]\nPathChanged=%s\nPathChanged=%s\nEvents=close\n" WRITE_LIST,
                          one[] = "[Path]\nPathChanged=%s\nEvents=close\n" WRITE_LIST;
        Fixture *f = *state;

        make_directory(f, "w");
        make_directory(f, "v");
        write_path_job(f, "all", two, in(f, "w"), in(f, "v"), f->directory, f->directory);
        start_watching(f, "all", 2);
        write_path_job(f, "all", one, in(f, "w"), f->directory, f->directory);
        assert_int_equal(manager_reload(f->m), 0);
        WAIT_FOR(f, n_active(f, "all") == 1);
        turn(f, 20); /* what is left of the old watches goes */
        touch(f, "v/a");
        write_path_job(f, "all", two, in(f, "w"), in(f, "v"), f->directory, f->directory);
        assert_int_equal(manager_reload(f->m), 0);
        WAIT_FOR(f, n_active(f, "all") == 2);
        touch(f, "w/b");
        WAIT_FOR(f, f->n_finished == 1);
        turn(f, 20);
        assert_true(has_seen(f, "w/b"));
        assert_false(has_seen(f, "v/a"));
}

/* What is known of the other lines is there at the next start, however soon that is. */
static void test_a_line_that_stays_is_not_forgotten(void **state) {
        static const char two[] = "[Path]\nPathChanged=%s\nPathChanged=%s\nEvents=close\n" WRITE_LIST,
                          one[] = "[Path]\nPathChanged=%s\nEvents=close\n" WRITE_LIST;
        Fixture *f = *state;

        make_directory(f, "w");
        make_directory(f, "v");
        write_path_job(f, "all", two, in(f, "w"), in(f, "v"), f->directory, f->directory);
        start_watching(f, "all", 2);
        write_path_job(f, "all", one, in(f, "w"), f->directory, f->directory);
        assert_int_equal(manager_reload(f->m), 0);
        stop(f);
        touch(f, "w/a");
        start_watching(f, "all", 1);
        WAIT_FOR(f, f->n_finished == 1);
        assert_true(has_seen(f, "w/a"));
}

/* So does a job. */
static void test_a_job_that_was_disabled_begins_anew(void **state) {
        static const char settings[] = "[Job]\nEnabled=%s\n[Path]\nPathChanged=%s\nEvents=close\n" WRITE_LIST;
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "all", settings, "yes", in(f, "w"), f->directory, f->directory);
        start_watching(f, "all", 1);
        assert_int_equal(manager_pause(f->m, "all"), 0);
        touch(f, "w/waits");
        WAIT_FOR(f, counter(f, "all", "waiting") == 1);
        path_store_save(paths_of(f, "all"), /* all= */ true);
        assert_int_equal(n_kept(f, "all", "waiting"), 1);
        write_path_job(f, "all", settings, "no", in(f, "w"), f->directory, f->directory);
        assert_int_equal(manager_reload(f->m), 0);
        assert_int_equal(n_kept(f, "all", NULL), 0);
        assert_int_equal(manager_resume(f->m, "all"), 0);
        turn(f, 20); /* what is left of the old watch goes */
        touch(f, "w/a");
        write_path_job(f, "all", settings, "yes", in(f, "w"), f->directory, f->directory);
        assert_int_equal(manager_reload(f->m), 0);
        WAIT_FOR(f, n_active(f, "all") == 1);
        touch(f, "w/b");
        WAIT_FOR(f, f->n_finished == 1);
        turn(f, 20);
        assert_true(has_seen(f, "w/b"));
        assert_false(has_seen(f, "w/a"));
}

/* It is waited for, and that is no problem of the spool. */
static void test_a_spool_that_is_not_there_yet(void **state) {
        Fixture *f = *state;
        char said[512] = "";

        write_spool_job(f, "", "Shell=true");
        start_watching(f, "spool", 1);
        turn(f, 20);
        assert_int_equal(manager_list_triggers(f->m, job(f, "spool"), note_trigger, said), 0);
        assert_non_null(strstr(said, "waiting: "));
        assert_null(strstr(said, "cannot be claimed"));
        make_directory(f, "spool");
        touch(f, "spool/item");
        WAIT_FOR(f, f->n_finished == 1);
}

/* Under another name, or gone: what is in a run is put away all the same. */
static void test_an_item_outlives_its_job(void **state) {
        Fixture *f = *state;
        char keys[600], run[600];

        make_directory(f, "spool");
        make_directory(f, "done");
        (void)snprintf(keys, sizeof(keys), "SpoolDone=%s/done", f->directory);
        (void)snprintf(run, sizeof(run), "Shell=read line <%s", f->gate);
        write_spool_job(f, keys, run);
        start_watching(f, "spool", 1);
        touch(f, "spool/item");
        WAIT_FOR(f, f->n_started == 1);
        remove_job(f, "spool");
        assert_int_equal(manager_reload(f->m), 0);
        let_go(f, 1);
        WAIT_FOR(f, exists(f, "done/item"));
        assert_int_equal(rename_first(f, ".1"), -1);
}

/* Its spool is not there for a while: it is still the next one, and once. */
static void test_an_item_without_a_run_stays(void **state) {
        Fixture *f = *state;
        PathWatch *pw;

        make_directory(f, "spool");
        make_claim(f, "0000000000000001.1", "a");
        make_claim(f, "0000000000000002.1", "b");
        write_spool_job(f, "", "Shell=true\nMinIntervalSec=1h");
        start_watching(f, "spool", 1);
        WAIT_FOR(f, f->n_finished == 1 && is_idle(f));
        pw = &paths_of(f, "spool")->watches[0];
        assert_int_equal(pw->n_ready, 1);
        assert_int_equal(rename(in(f, "spool"), in(f, "aside")), 0);
        WAIT_FOR(f, watch_state(pw->watch) == WATCH_WAITING);
        pw->reopen_at = 0;
        assert_int_equal(rename(in(f, "aside"), in(f, "spool")), 0);
        WAIT_FOR(f, pw->spool);
        assert_int_equal(pw->n_ready, 1);
}

/* Whoever works on the spool next finds it there. */
static void test_an_item_without_a_run_goes_back(void **state) {
        Fixture *f = *state;

        make_directory(f, "spool");
        make_claim(f, "0000000000000001.1", "a");
        make_claim(f, "0000000000000002.1", "b");
        write_spool_job(f, "", "Shell=true\nMinIntervalSec=1h");
        start_watching(f, "spool", 1);
        WAIT_FOR(f, f->n_finished == 1 && is_idle(f));
        remove_job(f, "spool");
        assert_int_equal(manager_reload(f->m), 0);
        assert_true(exists(f, "spool/b"));
}

static void forget_spool(Fixture *f, const char *settings) {
        char job[128];

        (void)snprintf(job, sizeof(job), "[Run]\n%s\n", settings);
        write_job(f, "spool", job);
        assert_int_equal(manager_reload(f->m), 0);
}

/* Nor does one go back whose job uses no spool any more: not by a run that was never begun, */
static void test_an_item_goes_back_from_a_job_without_a_spool(void **state) {
        Fixture *f = *state;

        hold_an_item(f, "MaxWaitSec=200ms", "Shell=true\nPool=p");
        forget_spool(f, "Shell=true\nPool=p");
        WAIT_FOR(f, f->n_refused == 1);
        assert_true(exists(f, "spool/item"));
}

/* but by one that a stop has ended: the next daemon runs it. */
static void test_an_item_stays_over_a_stop_without_a_spool(void **state) {
        Fixture *f = *state;
        char run[128];

        make_directory(f, "spool");
        (void)snprintf(run, sizeof(run), "Shell=read line <%s && test -f \"$VAKT_PATH\"", f->gate);
        write_spool_job(f, "", run);
        start_watching(f, "spool", 1);
        touch(f, "spool/item");
        WAIT_FOR(f, f->n_started == 1);
        forget_spool(f, run);
        manager_stop(f->m, on_stopped, f);
        WAIT_FOR(f, f->stopped);
        assert_false(exists(f, "spool/item"));
}

/* It is run again from where it is claimed. */
static void test_an_item_whose_run_waited_too_long(void **state) {
        Fixture *f = *state;

        hold_an_item(f, "MaxWaitSec=200ms", "Shell=test -f \"$VAKT_PATH\"\nPool=p");
        assert_int_equal(manager_pause(f->m, "spool"), 0);
        WAIT_FOR(f, f->n_refused == 1);
        assert_false(exists(f, "spool/item"));
        let_go(f, 1);
        assert_int_equal(manager_resume(f->m, "spool"), 0);
        WAIT_FOR(f, count_result(f, "spool", RUN_RESULT_SUCCESS) == 1);
        assert_int_equal(count_result(f, "spool", RUN_RESULT_EXIT), 0);
}

/* Nobody reloads, and nothing else ends; what is written meanwhile does not hurry it. */
static void test_an_item_is_put_away_when_it_can_be(void **state) {
        Fixture *f = *state;
        char keys[600], run[600];

        make_directory(f, "spool");
        make_directory(f, "done");
        (void)snprintf(keys, sizeof(keys), "SpoolDone=%s/done", f->directory);
        (void)snprintf(run, sizeof(run), "Shell=read line <%s", f->gate);
        write_job(f, "other", "[Run]\nExec=/bin/true\n");
        write_spool_job(f, keys, run);
        start_watching(f, "spool", 1);
        touch(f, "spool/item");
        WAIT_FOR(f, f->n_started == 1);
        assert_int_equal(rmdir(in(f, "done")), 0);
        let_go(f, 1);
        n_done = 0;
        WAIT_FOR(f, n_done > 0);
        for (unsigned i = 0; i < 20; i++)
                (void)finish(f, "other");
        assert_true(n_done < 10); /* it would be 21, and is one every five seconds */
        make_directory(f, "done");
        WAIT_FOR(f, exists(f, "done/item"));
}

/* --- people --- */

WatchCounters __real_watch_counters(const Watch *w);
WatchCounters __wrap_watch_counters(const Watch *w);

static bool counters_are_made_up;

WatchCounters __wrap_watch_counters(const Watch *w) {
        return counters_are_made_up ? (WatchCounters){ .events = 1,
                                                       .merged = 2,
                                                       .overflows = 3,
                                                       .rescans = 4,
                                                       .synthetic = 5,
                                                       .duplicates = 6,
                                                       .reported = 7,
                                                       .watches = 8,
                                                       .marks = 9,
                                                       .others = 10,
                                                       .waiting = 11,
                                                       .directories = 12,
                                                       .files = 13,
                                                       .polled_directories = 14,
                                                       .model_bytes = 15 }
                                    : __real_watch_counters(w);
}

/* Of all lines, but of the queue that they share. */
static void test_people_are_told_numbers(void **state) {
        static const struct {
                const char *name;
                unsigned value;
        } table[] = {
                { "events", 1 },       { "merged", 2 },
                { "overflows", 3 },    { "rescans", 8 },
                { "synthetic", 10 },   { "duplicates", 12 },
                { "reported", 14 },    { "watches", 8 },
                { "marks", 9 },        { "others", 10 },
                { "looking", 22 },     { "directories", 24 },
                { "files", 26 },       { "polled-directories", 28 },
                { "model-bytes", 30 },
        };
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nPathModified=%s\n" WRITE_LIST, in(f, "w"), in(f, "w"),
                       f->directory, f->directory);
        start_watching(f, "all", 2);
        counters_are_made_up = true;
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (counter(f, "all", table[i].name) != table[i].value)
                        fail_msg("%s: %u", table[i].name, counter(f, "all", table[i].name));
        counters_are_made_up = false;
}

static int count_plan(const char *path, size_t n, void *userdata) {
        assert_int_equal(strlen(path), n);
        ++*(unsigned *)userdata;
        return 0;
}

static void test_people_are_told_about_files(void **state) {
        Fixture *f = *state;
        uint64_t most;
        unsigned n = 0;

        make_directory(f, "w");
        touch(f, "w/a.csv");
        touch(f, "w/b.txt");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nInclude=*.csv\nSettleSec=1h\n" WRITE_LIST, in(f, "w"),
                       f->directory, f->directory);
        start_watching(f, "all", 1);
        assert_int_equal(manager_plan(f->m, job(f, "all"), count_plan, &n, &most), 0);
        assert_int_equal(n, 1);
        touch(f, "w/a.csv");
        WAIT_FOR(f, counter(f, "all", "waiting") == 1);
        assert_true(explains(f, "w/a.csv", "settle"));
        assert_true(explains(f, "w/b.txt", "filter"));
        assert_true(explains(f, "elsewhere", "watch"));
}

static int find_message(const char *topic, const char *message, void *userdata) {
        (void)strcat(userdata, message);
        return 0;
}

static int note_plan(const char *path, size_t n, void *userdata) {
        return find_message("", path, userdata);
}

/* All that is said of a file, or (NULL) of the job. */
static const char *told(Fixture *f, const char *name, const char *file) {
        static char said[4096];

        said[0] = '\0';
        assert_int_equal(
                file ? manager_explain_path(f->m, job(f, name), in(f, file), strlen(in(f, file)), find_message, said)
                     : manager_explain(f->m, job(f, name), find_message, said),
                0);
        return said;
}

static int note_line(const char *key, const char *path, const char *state, const char *message, void *userdata) {
        (void)snprintf(userdata, 600, "%s=%s (%s, %s)", key, strrchr(path, '/')[1] == 'w' ? "W" : path, state,
                       message);
        return 0;
}

#define assert_told(f, name, file, words)                                                \
        do {                                                                             \
                if (!strstr(told(f, name, file), words))                                 \
                        fail_msg("%s is not said, but: %s", words, told(f, name, file)); \
        } while (false)

static void test_people_are_told_what_files_wait_for(void **state) {
        static const char settings[] = "[Path]\nPathChanged=%s\nSettleSec=%s\n[Run]\nExec=/bin/true\n";
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "late", settings, in(f, "w"), "1h");
        write_path_job(f, "paused", settings, in(f, "w"), "0");
        start_watching(f, "late", 1);
        WAIT_FOR(f, n_watching(f, "paused") == 1);
        assert_int_equal(manager_pause(f->m, "paused"), 0);
        touch(f, "w/a");
        WAIT_FOR(f, counter(f, "late", "waiting") == 1 && counter(f, "paused", "waiting") == 1);
        assert_told(f, "late", NULL, "1 file waits; no watched file may change for another ");
        assert_told(f, "paused", NULL, "1 file waits for the job's next run.");
}

/* As their file says, although nothing is watched. */
static void test_people_are_told_what_a_disabled_job_watches(void **state) {
        Fixture *f = *state;
        char said[600] = "";

        make_directory(f, "w");
        write_path_job(f, "all", "[Job]\nEnabled=no\n[Path]\nPathChanged=%s\n[Run]\nExec=/bin/true\n", in(f, "w"));
        start(f);
        assert_int_equal(manager_list_triggers(f->m, job(f, "all"), note_line, said), 0);
        assert_string_equal(said, "PathChanged=W (, )");
        assert_int_equal(counter(f, "all", "waiting"), 0);
        assert_int_equal(manager_list_watch_counters(f->m, job(f, "all"), find_number, &(Number){ .name = "" }), 0);
}

static void test_people_are_told_what_is_left_out(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        make_directory(f, "w/tmp");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nRecursive=yes\nExclude=tmp/\n[Run]\nExec=/bin/true\n",
                       in(f, "w"));
        start_watching(f, "all", 1);
        assert_told(f, "all", "w/tmp/a", "It is in a directory that Exclude= excludes from PathChanged=");
        assert_null(strstr(told(f, "all", "w/a"), "excludes"));
        assert_null(strstr(told(f, "all", "w"), "excludes"));
}

/* The others are watched all the same, and a reload tries again. */
static void test_a_line_that_cannot_be_watched(void **state) {
        char said[600] = "";
        Fixture *f = *state;
        uint64_t most;
        unsigned n = 0;

        make_directory(f, "v");
        make_directory(f, "w");
        touch(f, "v/a");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nPathChanged=%s\nEvents=close\n" WRITE_LIST, in(f, "v"),
                       in(f, "w"), f->directory, f->directory);
        unwatchable = "/w";
        start_watching(f, "all", 2);
        WAIT_FOR(f, n_active(f, "all") == 1);
        assert_int_equal(manager_list_triggers(f->m, job(f, "all"), note_line, said), 0);
        assert_string_equal(said, "PathChanged=W (degraded, It is not watched: No space left on device. Fix this and "
                                  "reload vaktd.)");
        assert_told(f, "all", NULL, "is degraded. It is not watched: No space left on device.");
        assert_told(f, "all", "w/a", " covers it and is degraded.");
        assert_int_equal(manager_plan(f->m, job(f, "all"), count_plan, &n, &most), 0);
        assert_int_equal(n, 1);
        assert_int_equal(most, 1);
        touch(f, "v/a");
        WAIT_FOR(f, has_seen(f, "v/a"));
        WAIT_FOR(f, is_idle(f));
        assert_int_equal(manager_reload(f->m), 0);
        WAIT_FOR(f, n_watching(f, "all") == 2);
        assert_int_equal(n_active(f, "all"), 1);
        unwatchable = NULL;
        assert_int_equal(manager_reload(f->m), 0);
        WAIT_FOR(f, n_active(f, "all") == 2);
        assert_int_equal(manager_reload(f->m), 0);
        assert_int_equal(n_active(f, "all"), 2); /* what is well is left as it is */
        touch(f, "w/b");
        WAIT_FOR(f, has_seen(f, "w/b"));
}

static int count_lines(const char *key, const char *path, const char *state, const char *message, void *userdata) {
        ++*(unsigned *)userdata;
        return 0;
}

/* Each line once, and none of a file that cannot be used. */
static void test_people_are_told_of_each_line(void **state) {
        Fixture *f = *state;
        unsigned n = 0;

        make_directory(f, "w");
        write_path_job(f, "all", "[Path]\nPathChanged=%s\nPathModified=%s\n" WRITE_LIST, in(f, "w"), in(f, "w"),
                       f->directory, f->directory);
        write_path_job(f, "bad", "[Path]\nPathChanged=%s\nNonsense=1\n", in(f, "w"));
        start_watching(f, "all", 2);
        assert_int_equal(manager_list_triggers(f->m, job(f, "all"), count_lines, &n), 0);
        assert_int_equal(n, 2);
        assert_int_equal(manager_list_triggers(f->m, job(f, "bad"), count_lines, &n), 0);
        assert_int_equal(n, 2);
        (void)told(f, "bad", NULL);
}

static void test_people_are_told_of_the_limit(void **state) {
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "all",
                       "[Path]\nPathChanged=%s\nEvents=close\nTriggerLimitIntervalSec=1h\nTriggerLimitBurst=1\n"
                       "[Run]\nExec=/bin/true\n",
                       in(f, "w"));
        start_watching(f, "all", 1);
        touch(f, "w/a");
        WAIT_FOR(f, f->n_finished == 1);
        touch(f, "w/a");
        WAIT_FOR(f, counter(f, "all", "waiting") == 1);
        assert_told(f, "all", "w/a",
                    "Runs were requested faster than TriggerLimitBurst= allows; the next one starts in ");
        assert_told(f, "all", NULL, "1 file waits for a run, but runs were requested faster than TriggerLimitBurst=");
}

/* On its way to a run, in it, and after that. */
static void test_people_are_told_where_a_file_is(void **state) {
        static const char settings[] =
                "[Path]\nPathChanged=%s\nEvents=close\nSettleSec=%s\nBatch=%s\n[Run]\nShell=read line <%s; exit 1\n"
                "Retry=1\nRetryDelaySec=0\n";
        Fixture *f = *state;

        make_directory(f, "w");
        make_directory(f, "w/sub");
        write_path_job(f, "all", settings, in(f, "w"), "1h", "all", f->gate);
        write_path_job(f, "each", settings, in(f, "w"), "1h", "each", f->gate);
        write_job(f, "plain", "[Run]\nExec=/bin/true\n");
        start_watching(f, "all", 1);
        WAIT_FOR(f, n_watching(f, "each") == 1);
        touch(f, "w/a");
        WAIT_FOR(f, counter(f, "all", "waiting") == 1 && counter(f, "each", "waiting") == 1);
        assert_told(f, "all", "w/a", " covers it and is active.Last change noticed ");
        assert_told(f, "all", "w/a", " ago (close).No watched file may change for another ");
        assert_told(f, "each", "w/a", " ago (close).It must not change for another ");
        assert_told(f, "all", NULL, "1 file waits; no watched file may change for another ");
        assert_told(f, "each", NULL, "1 file waits; the first one must not change for another ");
        assert_told(f, "all", NULL, "It runs when files change");
        assert_told(f, "all", "w/sub/a", "does not include subdirectories; use Recursive=yes");
        assert_told(f, "all", "w/b", "No change of it is waiting");
        assert_null(strstr(told(f, "all", "w/b"), "watches no files"));
        assert_told(f, "plain", "w/b", "The job watches no files");
        remove_job(f, "each");
        write_path_job(f, "all", settings, in(f, "w"), "0", "all", f->gate);
        assert_int_equal(manager_pause(f->m, "all"), 0);
        assert_int_equal(manager_reload(f->m), 0);
        assert_told(f, "all", "w/a", "It waits until the job is resumed.");
        assert_int_equal(manager_resume(f->m, "all"), 0);
        WAIT_FOR(f, f->n_started == 1);
        assert_told(f, "all", "w/a", "which is running.");
        assert_null(strstr(told(f, "all", "w/a"), "changed since"));
        assert_told(f, "all", NULL, "1 file is in runs.");
        touch(f, "w/a");
        touch(f, "w/b");
        WAIT_FOR(f, counter(f, "all", "waiting") == 1);
        assert_told(f, "all", "w/a", "It has changed since then");
        assert_told(f, "all", "w/b", "It waits for the job's next run.");
        assert_told(f, "all", NULL, "1 file waits for the job's next run.");
        let_go(f, 1);
        WAIT_FOR(f, f->n_started == 2);
        assert_told(f, "all", "w/a", "which is running (a retry).");
}

static void test_people_are_told_of_a_condition(void **state) {
        Fixture *f = *state;

        write_path_job(f, "all", "[Path]\nPathExists=%s\n[Run]\nExec=/bin/true\n", in(f, "flag"));
        start_watching(f, "all", 1);
        assert_int_equal(manager_pause(f->m, "all"), 0);
        touch(f, "flag");
        WAIT_FOR(f, counter(f, "all", "waiting") == 1);
        assert_told(f, "all", "flag", " ago.It waits until the job is resumed.");
}

static void test_people_are_told_where_an_item_is(void **state) {
        Fixture *f = *state;

        make_directory(f, "spool");
        write_path_job(f, "spool", "[Path]\nSpool=%s\n[Run]\nShell=read line <%s\n", in(f, "spool"), f->gate);
        start_watching(f, "spool", 1);
        touch(f, "spool/item");
        WAIT_FOR(f, f->n_started == 1);
        assert_told(f, "spool", "spool/item", "which is running.");
        assert_told(f, "spool", "spool/other", "No change of it is waiting");
        assert_told(f, "spool", "spool/in/item", "does not include subdirectories.");
}

/* What lies in a spool and is nothing to be worked on. */
static void test_strange_items(void **state) {
        static const char *const strange[] = { "spool/directory", "spool/fifo", "spool/link" };
        char said[2048] = "";
        Fixture *f = *state;
        uint64_t most;

        make_directory(f, "spool");
        make_directory(f, "spool/directory");
        assert_int_equal(mkfifo(in(f, "spool/fifo"), 0600), 0);
        assert_int_equal(symlink("item", in(f, "spool/link")), 0);
        touch(f, "spool/item");
        write_spool_job(f, "SettleSec=1h", "Exec=/bin/true");
        start_watching(f, "spool", 1);
        assert_int_equal(manager_plan(f->m, job(f, "spool"), note_plan, said, &most), 0);
        assert_string_equal(said, in(f, "spool/item"));
        for (size_t i = 0; i < ELEMENTSOF(strange); i++) {
                const char *path = in(f, strange[i]);

                said[0] = '\0';
                assert_int_equal(manager_explain_path(f->m, job(f, "spool"), path, strlen(path), find_message, said),
                                 0);
                assert_non_null(strstr(said, "not a regular file"));
                assert_non_null(strstr(said, "leaves it alone"));
                assert_null(strstr(said, "No change of it is waiting"));
        }
        said[0] = '\0';
        assert_int_equal(manager_explain_path(f->m, job(f, "spool"), in(f, "spool/item"), strlen(in(f, "spool/item")),
                                              find_message, said),
                         0);
        assert_null(strstr(said, "not a regular file"));
}

/* What a line of [Path] means to a watch. */
static void test_how_lines_are_watched(void **state) {
        static const struct {
                int line;
                const char *keys;
                WatchKind kind;
                unsigned events;
                bool recursive, existing;
                usec_t poll_min, poll_max;
        } table[] = {
                { __LINE__, "PathChanged=/w\n", WATCH_PATH_CHANGED, WATCH_COMPLETE | WATCH_DELETE | WATCH_ATTRIB,
                  false, false, 0, 0 },
                { __LINE__, "PathModified=/w\nRecursive=yes\n", WATCH_TREE,
                  WATCH_COMPLETE | WATCH_DELETE | WATCH_ATTRIB | WATCH_WRITE, true, false, 0, 0 },
                { __LINE__, "PathModified=/w\nEvents=delete\n", WATCH_TREE, WATCH_DELETE, false, false, 0, 0 },
                { __LINE__, "PathChanged=/w\nInclude=*.c\n", WATCH_TREE, WATCH_COMPLETE | WATCH_DELETE | WATCH_ATTRIB,
                  false, false, 0, 0 },
                { __LINE__, "Spool=/w\nPollSec=1min\n", WATCH_TREE, WATCH_COMPLETE, false, true, WATCH_POLL_MIN,
                  USEC_PER_MINUTE },
                { __LINE__, "PathExists=/w\nPollSec=1min\n", WATCH_PATH_EXISTS, 0, false, false, USEC_PER_MINUTE,
                  USEC_PER_MINUTE },
        };
        Fixture *f = *state;

        write_job(f, "plain", "[Run]\nExec=/bin/true\n");
        start(f);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                const WatchDef *d = &watched.def;

                write_path_job(f, "all", "[Path]\n%s[Run]\nExec=/bin/true\n", table[i].keys);
                assert_int_equal(manager_reload(f->m), 0);
                if (d->kind != table[i].kind || (table[i].events > 0 && d->events != table[i].events) ||
                    d->recursive != table[i].recursive || d->report_existing != table[i].existing || d->identity ||
                    d->poll_min != table[i].poll_min || d->poll_max != table[i].poll_max)
                        fail_msg("line %d: %d %x %d %d %" PRI_USEC " %" PRI_USEC, table[i].line, (int)d->kind,
                                 d->events, d->recursive, d->report_existing, d->poll_min, d->poll_max);
        }
        if (geteuid() == 0) {
                write_path_job(f, "all", "[Path]\nPathChanged=/w\n[Run]\nExec=/bin/true\n[Service]\nUser=daemon\n");
                assert_int_equal(manager_reload(f->m), 0);
                assert_int_equal(watched.def.identity->uid, 1);
        }
}

static void test_directories_are_made(void **state) {
        Fixture *f = *state;

        write_path_job(f, "all", "[Path]\nPathChanged=%s\nMakeDirectory=yes\n" WRITE_LIST, in(f, "made/w"),
                       f->directory, f->directory);
        write_path_job(f, "flag", "[Path]\nPathExists=%s\nMakeDirectory=yes\n" WRITE_LIST, in(f, "flag"), f->directory,
                       f->directory);
        write_path_job(f, "not", "[Path]\nPathChanged=%s\n" WRITE_LIST, in(f, "other"), f->directory, f->directory);
        start(f);
        assert_true(exists(f, "made/w"));
        assert_false(exists(f, "flag") || exists(f, "other"));
}

void __real_watch_hold(Watch *w, bool hold);
void __wrap_watch_hold(Watch *w, bool hold);

static bool was_held;

void __wrap_watch_hold(Watch *w, bool hold) {
        was_held = hold;
        __real_watch_hold(w, hold);
}

/* Shorter times to wait for are used at once, and what was held is so over a reload. */
static void test_a_reload_takes_effect_at_once(void **state) {
        static const char settings[] = "[Path]\nPathChanged=%s\nEvents=close%s\nSettleSec=%s\n" WRITE_LIST;
        Fixture *f = *state;

        make_directory(f, "w");
        write_path_job(f, "all", settings, in(f, "w"), "", "1h", f->directory, f->directory);
        start_watching(f, "all", 1);
        batches_are_full = true;
        report_change("a", NULL, NULL);
        WAIT_FOR(f, is_held(f, "all"));
        write_path_job(f, "all", settings, in(f, "w"), " attrib", "1h", f->directory, f->directory);
        was_held = false;
        assert_int_equal(manager_reload(f->m), 0);
        assert_true(was_held);
        batches_are_full = false;
        report_change("b", NULL, NULL);
        assert_true(becomes_quiet(f));
        write_path_job(f, "all", settings, in(f, "w"), " attrib", "0", f->directory, f->directory);
        assert_int_equal(manager_reload(f->m), 0);
        WAIT_FOR(f, has_seen(f, "w/a") && has_seen(f, "w/b"));
}

/* What runs were given: as it is kept, and as the environment of a run tells it. */
static void test_payloads_of_paths(void **state) {
        static const char list[] = "/a\0/b";
        RunRecord over = { .id = 1, .job = (char *)"job", .state = RUN_DONE, .result = RUN_RESULT_SUCCESS };
        ExecutionRequest request = { .paths = list, .paths_size = sizeof(list) };
        _cleanup_free_ char *bytes = NULL;
        RunPayload *payload = NULL;
        OwnedRun run = {};
        Fixture *f = *state;
        RunPaths *rp;
        Trigger *t;
        size_t n;

        write_job(f, "plain", "[Run]\nExec=/bin/true\n");
        start(f);
        t = &paths(f)->base;
        rp = run_paths_new(t);
        rp->spool = strdup("/s");
        rp->item = (SpoolItem){ .id = 1, .attempt = 1, .name = strdup("i") };
        assert_int_equal(run_paths_set_list(rp, "/s/i", 5), 0);
        rp->one = true;
        assert_int_equal(path_store_pack(&rp->base, &bytes, &n), 0);
        run_paths_free(rp);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(path_store_unpack(t, bytes, i, &payload), -EBADMSG);
        assert_int_equal(path_store_unpack(t, bytes, n, &payload), 0);
        rp = (RunPaths *)payload;
        assert_string_equal(rp->spool, "/s");
        assert_string_equal(rp->item.name, "i");
        assert_string_equal(rp->list, "/s/i");
        assert_true(rp->one && rp->item.id == 1 && rp->item.attempt == 1);
        /* Of a run that is over, an item is still to be put away. */
        over.result = RUN_RESULT_SKIPPED;
        assert_false(t->ops->restore(t, NULL, &over, payload));
        assert_false(t->ops->restore(t, NULL, NULL, payload));
        over.result = RUN_RESULT_SUCCESS;
        assert_true(t->ops->restore(t, NULL, &over, payload));
        t->ops->written(t); /* there is no such job, and nobody knows what it was: it stays where it is */
        assert_false(TAILQ_EMPTY(&paths(f)->spool_ends));
        assert_false(t->ops->restore(t, NULL, &over, payload));
        run_paths_free(rp);

        payload = path_store_recognize(t, &request, &run);
        rp = (RunPaths *)payload;
        assert_true(rp && rp->is_found && !rp->one);
        assert_int_equal(rp->n, 2);
        assert_string_equal(run.record.payload, "/a and 1 more");
        run_paths_free(rp);
        owned_run_done(&run);
        request.paths = "relative";
        request.paths_size = sizeof("relative");
        assert_null(path_store_recognize(t, &request, &run));
        request.paths_size = 0;
        assert_null(path_store_recognize(t, &request, &run));
}

static JobDef *build(const char *settings) {
        JobFileContext c = { .host = "host" };
        char bytes[256];
        JobText t = { .path = (char *)"/j/job.job", .bytes = bytes };
        Diagnostics d = {};
        JobDef *def = NULL;

        t.n = (size_t)snprintf(bytes, sizeof(bytes), "[Run]\n%s\n", settings);
        if (job_file_build("job", &c, &t, 1, &d, &def) < 0)
                fail_msg("%s: %s", settings, d.items[0].message);
        diagnostics_done(&d);
        return def;
}

/* Whom the runs of a job are, as far as that is known before they start. */
static void test_users_of_runs(void **state) {
        static const struct {
                int line;
                const char *settings;
                uid_t spool, watch;
        } table[] = {
                { __LINE__, "Exec=true", 0, 0 },
                { __LINE__, "Exec=true\n[Service]\nDynamicUser=no", 0, 0 },
                { __LINE__, "Exec=true\n[Service]\nUser=root", 0, 0 },
                { __LINE__, "Exec=true\n[Service]\nUser=0", 0, 0 },
                { __LINE__, "Exec=true\n[Service]\nDynamicUser=yes", UID_UNKNOWN, UID_NOBODY },
                { __LINE__, "Unit=a.service", UID_UNKNOWN, 0 },
                { __LINE__, "Exec=true\n[Service]\nUser=nobody", UID_NOBODY, UID_NOBODY },
                { __LINE__, "Exec=true\n[Service]\nUser=daemon", 1, 1 },
                { __LINE__, "Exec=true\n[Service]\nUser=daemon\nGroup=daemon", 1, 1 },
                { __LINE__, "Exec=true\n[Service]\nUser=daemon\nGroup=root", UID_UNKNOWN, 1 },
                { __LINE__, "Exec=true\n[Service]\nUser=daemon\nSupplementaryGroups=daemon", 1, 1 },
                { __LINE__, "Exec=true\n[Service]\nUser=daemon\nSupplementaryGroups=daemon root", UID_UNKNOWN, 1 },
                { __LINE__, "Exec=true\n[Service]\nUser=daemon\nAmbientCapabilities=CAP_FOWNER", UID_UNKNOWN, 1 },
                { __LINE__, "Exec=true\n[Service]\nUser=daemon\nAmbientCapabilities=", 1, 1 },
                { __LINE__, "Exec=true\n[Service]\nUser=daemon\nNice=5", 1, 1 },
                { __LINE__, "Exec=true\n[Service]\nUser=nobody-of-that-name", UID_UNKNOWN, UID_NOBODY },
        };
        static const PathSource source = { .kind = PATH_CHANGED }, spool = { .kind = PATH_SPOOL };

        if (geteuid() != 0)
                skip();
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_(identity_done) Identity identity = {};
                JobDef *def = build(table[i].settings);
                int r = path_user_identity(def, &source, &identity);

                if (path_user_spool_uid(def) != table[i].spool || r != (table[i].watch > 0) ||
                    identity.uid != table[i].watch)
                        fail_msg("line %d: %u, %d, %u", table[i].line, path_user_spool_uid(def), r, identity.uid);
                assert_int_equal(path_user_identity(def, &spool, &identity), 0);
                assert_true(path_user_is_same(def, def));
                job_def_unref(def);
        }
}

/* A test that fails leaves nothing broken for the next one. */
static int teardown(void **state) {
        batches_are_full = batches_have_no_memory = counters_are_made_up = is_refusing = false;
        items_have_no_path = false;
        n_adds_that_fail = n_planned = 0;
        done_error = claim_error = open_error = recover_error = 0;
        unwatchable = NULL;
        n_more = 0;
        changed = 0;
        return fixture_teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, teardown)

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
                TEST(test_a_run_by_hand_does_not_swallow_files),
                TEST(test_a_run_by_hand_without_files_is_tried_again),
                TEST(test_a_run_by_hand_without_files_is_made_again_after_a_stop),
                TEST(test_files_by_hand_wait_when_their_run_is_replaced),
                TEST(test_a_retry_with_files_by_hand_is_not_dropped),
                TEST(test_own_directories_are_no_spools),
                TEST(test_a_job_that_chases_its_tail_is_slowed),
                TEST(test_a_retry_with_files_outlives_a_success),
                TEST(test_changes_of_the_own_run_do_not_count),
                TEST(test_what_the_own_run_moves_waits_on),
                TEST(test_no_more_files_wait_than_may),
                TEST(test_a_change_without_memory_is_found_by_the_next_start),
                TEST(test_a_condition_is_looked_at_again_after_its_run),
                TEST(test_what_exists_at_start_counts),
                TEST(test_a_start_finds_what_changed_meanwhile),
                TEST(test_files_that_wait_are_kept),
                TEST(test_files_of_a_run_that_the_stop_ends_are_found_again),
                TEST(test_files_that_wait_are_read_late),
                TEST(test_a_snapshot_that_is_not_read_is_replaced),
                TEST(test_a_name_that_is_taken_again_counts),
                TEST(test_a_file_that_is_gone_waits_no_longer),
                TEST(test_items_are_acknowledged),
                TEST(test_items_are_tried_again_and_given_up),
                TEST(test_another_try_of_an_item_has_another_path),
                TEST(test_an_item_that_is_skipped_is_given_up),
                TEST(test_an_item_that_gets_no_run_is_the_next_again),
                TEST(test_an_item_whose_writer_is_not_heard_of),
                TEST(test_items_that_cannot_be_claimed_yet_hold_up_no_others),
                TEST(test_an_item_survives_a_restart),
                TEST(test_a_reload_keeps_what_it_does_not_concern),
                TEST(test_a_crash_makes_no_file_news_again),
                TEST(test_a_crash_loses_no_file_that_waits_again),
                TEST(test_a_crash_loses_no_files_of_several_runs),
                TEST(test_runs_of_two_jobs_keep_their_files),
                TEST(test_items_without_a_run_are_not_forgotten),
                TEST(test_an_item_with_the_last_number_of_tries),
                TEST(test_an_item_whose_run_is_cancelled),
                TEST(test_an_item_outlives_a_disabled_job),
                TEST(test_an_item_outlives_a_bad_file),
                TEST(test_an_item_is_found_where_it_is),
                TEST(test_an_item_is_found_without_a_spool),
                TEST(test_a_condition_outlives_a_skip),
                TEST(test_the_interval_refuses_no_file),
                TEST(test_a_spool_is_tried_again),
                TEST(test_an_item_that_could_not_be_claimed),
                TEST(test_a_reload_looks_at_a_spool_again),
                TEST(test_a_new_watch_is_there_at_once),
                TEST(test_a_line_that_is_gone_is_forgotten),
                TEST(test_a_line_that_stays_is_not_forgotten),
                TEST(test_a_job_that_was_disabled_begins_anew),
                TEST(test_a_spool_that_is_not_there_yet),
                TEST(test_an_item_outlives_its_job),
                TEST(test_an_item_without_a_run_goes_back),
                TEST(test_an_item_goes_back_from_a_job_without_a_spool),
                TEST(test_an_item_stays_over_a_stop_without_a_spool),
                TEST(test_an_item_whose_run_waited_too_long),
                TEST(test_an_item_by_hand_that_is_refused),
                TEST(test_an_item_is_put_away_when_it_can_be),
                TEST(test_people_are_told_about_files),
                TEST(test_people_are_told_what_files_wait_for),
                TEST(test_people_are_told_numbers),
                TEST(test_people_are_told_what_a_disabled_job_watches),
                TEST(test_people_are_told_what_is_left_out),
                TEST(test_people_are_told_of_the_limit),
                TEST(test_people_are_told_where_a_file_is),
                TEST(test_people_are_told_of_a_condition),
                TEST(test_people_are_told_where_an_item_is),
                TEST(test_strange_items),
                TEST(test_files_by_hand),
                TEST(test_too_many_files_by_hand),
                TEST(test_a_request_that_is_refused_is_made_again),
                TEST(test_a_run_that_cannot_be_started_is_asked_for_again),
                TEST(test_the_limit_is_news_once),
                TEST(test_a_job_that_is_gone_has_no_turn),
                TEST(test_files_of_a_forgotten_run_are_no_news),
                TEST(test_a_crash_makes_no_skipped_file_news_again),
                TEST(test_files_that_waited_again_are_written_once),
                TEST(test_what_cannot_be_claimed),
                TEST(test_an_item_is_put_away_later),
                TEST(test_a_spool_is_closed_when_an_item_is_put_away),
                TEST(test_a_spool_that_cannot_be_read),
                TEST(test_an_item_is_found_where_it_is_later),
                TEST(test_an_item_that_is_nowhere),
                TEST(test_an_item_of_a_user_is_found_where_it_is),
                TEST(test_an_empty_spool_is_tried_again),
                TEST(test_a_line_that_cannot_be_watched),
                TEST(test_people_are_told_of_each_line),
                TEST(test_files_that_wait_are_read_when_there_is_memory),
                TEST(test_a_snapshot_is_written_in_turns),
                TEST(test_what_is_to_be_written),
                TEST(test_an_item_without_a_run_stays),
                TEST(test_how_lines_are_watched),
                TEST(test_directories_are_made),
                TEST(test_a_reload_takes_effect_at_once),
                TEST(test_payloads_of_paths),
                TEST(test_users_of_runs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

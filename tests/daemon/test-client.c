/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A client of the API without vaktctl: what client/ reads of a real daemon, how it fails (an errno, a D-Bus name and a
 * message), over restarts of the daemon, and without memory. */

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "../unit/failing-memory.h"
#include "client/daemon-view.h"
#include "client/job-view.h"
#include "client/run-waiter.h"
#include "harness.h"
#include "util/strv.h"

#define NOBODY 65534

static Connection *connection_to(const Harness *h) {
        char path[PATH_MAX + 16];
        Connection *c;

        (void)snprintf(path, sizeof(path), "%s/control", harness_directory(h));
        assert_int_equal(connection_new("test-client", /* user= */ false, path, &c), 0);
        return c;
}

/* A call failed so: errno, D-Bus name (NULL: any), part of the message. The error can be used again then. */
static void assert_failed(int r, int expected, sd_bus_error *e, const char *name, const char *part) {
        assert_int_equal(r, -expected);
        assert_non_null(e->message);
        if (name)
                assert_string_equal(e->name, name);
        if (!strstr(e->message, part) || e->message[strlen(e->message) - 1] != '.')
                fail_msg("'%s' is no message with '%s'", e->message, part);
        sd_bus_error_free(e);
}

static int change(Connection *c, const char *member, const char *job, sd_bus_error *reterr) {
        return connection_call(c, &(MethodCall){ .member = member, .changes = true }, reterr, NULL, "s", job);
}

/* Runs a job to its end. */
static void run_to_end(Connection *c, const char *job, RunView *ret) {
        _cleanup_(run_waiter_freep) RunWaiter *w = NULL;
        _cleanup_free_ char *object = NULL;
        sd_bus_error e = SD_BUS_ERROR_NULL;
        uint64_t id;

        assert_int_equal(run_waiter_new(c, &(RunWaiterOptions){ 0 }, &w), 0);
        assert_int_equal(run_view_request(c, job, NULL, /* follow= */ false, /* now= */ false, &e, &id, &object), 0);
        assert_int_equal(run_waiter_wait(w, id, object, &e, ret), 0);
        assert_int_equal(ret->id, id);
        assert_true(run_view_is_done(ret));
}

/* --- what is read --- */

static void test_jobs(void **state) {
        Harness *h = *state;
        _cleanup_(connection_freep) Connection *c = connection_to(h);
        _cleanup_(rows_done) Rows rows = { 0 };
        _cleanup_(job_view_done) JobView v = { 0 }, by_object = { 0 };
        _cleanup_(rows_done) Rows why = { 0 };
        _cleanup_free_ usec_t *elapses = NULL;
        sd_bus_error e = SD_BUS_ERROR_NULL;
        size_t n;

        harness_add_job(h, "often",
                        "[Job]\nDescription=A job\nTags=a b\n[Timer]\nOnCalendar=*:0/5\n[Run]\nExec=/bin/true\n"
                        "Pool=p\nPriority=-3\nRetry=2\n");
        harness_add_job(h, "by-hand", "[Run]\nExec=/bin/true\n");
        harness_start(h);
        assert_int_equal(job_rows_get(c, &e, &rows), 0);
        assert_int_equal(rows.n_items, 2);
        assert_string_equal(rows.jobs[0].name, "by-hand");
        assert_string_equal(rows.jobs[1].name, "often");
        assert_string_equal(rows.jobs[1].description, "A job");
        assert_string_equal(rows.jobs[1].last_result, "");
        assert_true(rows.jobs[1].next > 0 && rows.jobs[1].runs == 0);
        assert_string_equal(rows.jobs[1].tags, "a b");
        assert_non_null(strstr(rows.jobs[1].fragment, "/often.job"));
        assert_true(rows.jobs[1].retry == 0 && !rows.jobs[1].has_problem && !rows.jobs[1].paused);

        assert_int_equal(job_view_get(c, "often", &e, &v), 0);
        assert_int_equal(job_view_get_object(c, rows.jobs[1].object, &e, &by_object), 0);
        assert_string_equal(by_object.name, "often");
        assert_string_equal(v.description, "A job");
        assert_int_equal(strv_length(v.tags), 2);
        assert_string_equal(v.triggers[0].key, "OnCalendar");
        assert_null(v.triggers[1].key);
        assert_string_equal(v.pool, "p");
        assert_true(v.priority == -3 && v.retry == 2 && v.enabled && !v.paused && v.next == rows.jobs[1].next);

        assert_int_equal(job_view_next_elapses(c, &v, 3, &e, &elapses, &n), 0);
        assert_int_equal(n, 3);
        assert_true(elapses[0] == v.next && elapses[2] - elapses[1] == 5 * USEC_PER_MINUTE);

        assert_int_equal(job_explanation_get(c, "often", NULL, &e, &why), 0);
        assert_true(why.n_items > 0);
        assert_string_equal(why.pairs[0].key, "state");
        assert_null(why.pairs[why.n_items].key);
}

static void test_files_of_a_job(void **state) {
        Harness *h = *state;
        _cleanup_(connection_freep) Connection *c = connection_to(h);
        _cleanup_(rows_done) Rows why = { 0 };
        _cleanup_(job_plan_done) JobPlan p = { 0 }, limited = { 0 };
        static const char *const names[] = { "tree/b", "tree/a", "tree/a-", "tree/a\xff" };
        sd_bus_error e = SD_BUS_ERROR_NULL;
        char text[2 * PATH_MAX], path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/tree", harness_directory(h));
        assert_int_equal(mkdir(path, 0755), 0);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                harness_write(h, names[i], "");
        (void)snprintf(text, sizeof(text), "[Path]\nPathModified=%s\n[Run]\nExec=/bin/true\n", path);
        harness_add_job(h, "tree", text);
        harness_start(h);
        /* The watch is set up in steps, and until it is there the plan may be a shorter one. */
        for (usec_t deadline = harness_deadline();; job_plan_done(&p)) {
                assert_int_equal(job_plan_get(c, "tree", 10, &e, &p), 0);
                if (p.n_files == ELEMENTSOF(names))
                        break;
                assert_true(now_clock(CLOCK_MONOTONIC) < deadline);
        }
        assert_int_equal(p.total, ELEMENTSOF(names));
        for (size_t i = 0; i < p.n_files; i++) {
                static const char *const sorted[] = { "tree/a", "tree/a-", "tree/a\xff", "tree/b" };

                (void)snprintf(path, sizeof(path), "%s/%s", harness_directory(h), sorted[i]);
                assert_int_equal(p.files[i].n, strlen(path));
                assert_memory_equal(p.files[i].path, path, strlen(path));
        }
        assert_int_equal(job_plan_get(c, "tree", 2, &e, &limited), 0);
        assert_true(limited.n_files == 2 && limited.total == ELEMENTSOF(names));

        assert_int_equal(job_explanation_get(c, "tree", path, &e, &why), 0);
        assert_true(why.n_items > 0);
        assert_string_equal(why.pairs[0].key, "watch");
}

static void test_daemon(void **state) {
        Harness *h = *state;
        _cleanup_(connection_freep) Connection *c = connection_to(h);
        _cleanup_(rows_done) Rows d = { 0 }, reloaded = { 0 };
        _cleanup_(daemon_view_done) DaemonView v = { 0 };
        _cleanup_(rows_done) Rows pools = { 0 };
        sd_bus_error e = SD_BUS_ERROR_NULL;

        harness_write(h, "vaktd.conf", "[Pool disk]\nSlots=3\n");
        harness_add_jobs(h, 2);
        harness_start(h);
        assert_int_equal(connection_call(c, &(MethodCall){ .member = "PauseAll", .changes = true }, &e, NULL, NULL),
                         0);
        assert_int_equal(daemon_view_get(c, &e, &v), 0);
        assert_true(v.jobs == 2 && v.running == 0 && v.queued == 0 && v.paused && v.started > 0);
        assert_true(strlen(v.version) > 0);
        assert_string_equal(v.executor, "child");
        assert_int_equal(pool_views_get(c, &e, &pools), 0);
        assert_int_equal(pools.n_items, 1);
        assert_string_equal(pools.pools[0].name, "disk");
        assert_true(pools.pools[0].slots == 3 && pools.pools[0].running == 0 && pools.pools[0].waiting == 0);
        assert_int_equal(diagnostic_views_get(c, /* reload= */ false, &e, &d), 0);
        assert_int_equal(d.n_items, 0);
        harness_add_job(h, "job-0", "[Run]\nExce=/bin/true\n");
        assert_int_equal(diagnostic_views_get(c, /* reload= */ true, &e, &reloaded), 0);
        assert_true(reloaded.n_items > 0);
        assert_non_null(strstr(reloaded.diagnostics[0].file, "/jobs.d/job-0.job"));
        assert_int_equal(reloaded.diagnostics[0].line, 2);
        assert_non_null(strstr(reloaded.diagnostics[0].message, "Exce"));
}

/* --- runs --- */

typedef struct Walk {
        unsigned n, stop_at;
        uint64_t last;
} Walk;

static int on_run(const RunView *v, void *userdata) {
        Walk *w = userdata;

        assert_true(w->n == 0 || v->id < w->last); /* newest first */
        assert_true(run_view_is_done(v));
        w->last = v->id;
        return ++w->n == w->stop_at ? 7 : 0;
}

static void test_runs(void **state) {
        Harness *h = *state;
        _cleanup_(connection_freep) Connection *c = connection_to(h);
        static const char *const success[] = { "success", NULL }, *const nonsense[] = { "nonsense", NULL };
        sd_bus_error e = SD_BUS_ERROR_NULL;
        Walk all = { 0 }, some = { 0 }, ended = { .stop_at = 2 }, few = { 0 };

        harness_add_job(h, "good", "[Run]\nExec=/bin/true\n");
        harness_add_job(h, "bad", "[Run]\nShell=exit 3\n");
        harness_start(h);
        for (unsigned i = 0; i < 2; i++) {
                _cleanup_(run_view_done) RunView good = { 0 }, bad = { 0 }, again = { 0 };

                run_to_end(c, "good", &good);
                assert_true(run_view_is_success(&good));
                run_to_end(c, "bad", &bad);
                assert_false(run_view_is_success(&bad));
                assert_int_equal(run_view_get(c, bad.id, &e, &again), 0);
                assert_string_equal(again.job, "bad");
                assert_string_equal(again.cause, "manual");
                assert_string_equal(again.result, "exit");
                assert_string_equal(again.object, bad.object);
                assert_true(again.code == 3 && again.requested == bad.requested && again.ended >= again.started);
        }
        assert_int_equal(run_view_list(c, &(RunFilter){ 0 }, UINT32_MAX, on_run, &all, &e), 0);
        assert_int_equal(all.n, 4);
        assert_int_equal(run_view_list(c, &(RunFilter){ .results = (char **)success }, 10, on_run, &some, &e), 0);
        assert_int_equal(some.n, 2);
        assert_int_equal(run_view_list(c, &(RunFilter){ .job = "bad" }, 1, on_run, &few, &e), 0);
        assert_int_equal(few.n, 1);
        assert_int_equal(run_view_list(c, &(RunFilter){ 0 }, 10, on_run, &ended, &e), 7);
        assert_int_equal(ended.n, 2);
        assert_failed(run_view_list(c, &(RunFilter){ .results = (char **)nonsense }, 10, on_run, &ended, &e), EINVAL,
                      &e, "org.vaktd1.Error.BadOption", "Unknown result 'nonsense'");
}

/* --- failures --- */

static void test_failures(void **state) {
        Harness *h = *state;
        _cleanup_(connection_freep) Connection *c = connection_to(h);
        _cleanup_(run_view_done) RunView done = { 0 };
        char *const files[] = { (char *)"/a", NULL };
        sd_bus_error e = SD_BUS_ERROR_NULL;
        JobView v = { .name = "untouched" };
        JobPlan p = { .total = 3 };
        Rows why = { 0 };
        char *object = NULL;
        RunView run;
        uint64_t id;

        harness_add_job(h, "good", "[Run]\nExec=/bin/true\n");
        harness_add_job(h, "off", "[Job]\nEnabled=no\n[Run]\nExec=/bin/true\n");
        assert_failed(job_view_get(c, "good", &e, &v), EHOSTDOWN, &e, NULL, "; start it with 'vaktd --socket=");
        harness_start(h);

        assert_failed(job_view_get(c, "none", &e, &v), ENOENT, &e, "org.vaktd1.Error.NoSuchJob", "no job 'none'");
        assert_int_equal(job_view_get(c, "bad \xff", &e, &v), -EIO); /* cannot be sent */
        assert_string_equal(e.message, "Invalid argument");
        sd_bus_error_free(&e);
        assert_string_equal(v.name, "untouched");
        assert_failed(run_view_get(c, 1000, &e, &run), ENOENT, &e, "org.vaktd1.Error.NoSuchRun", "no run 1000");
        assert_failed(job_plan_get(c, "good", 1, &e, &p), EIO, &e, "org.vaktd1.Error.NoPaths", "watches no files");
        assert_int_equal(p.total, 3);
        assert_failed(job_explanation_get(c, "none", NULL, &e, &why), ENOENT, &e, NULL, "no job 'none'");
        assert_failed(run_view_request(c, "off", NULL, /* follow= */ false, /* now= */ false, &e, &id, &object), EIO,
                      &e, "org.vaktd1.Error.JobDisabled", "is disabled");
        assert_failed(run_view_request(c, "good", files, /* follow= */ false, /* now= */ false, &e, &id, &object),
                      EINVAL, &e, "org.vaktd1.Error.BadOption", "takes no files");
        assert_null(object);
        assert_failed(connection_call(c, &(MethodCall){ .member = "Nonsense" }, &e, NULL, NULL), EOPNOTSUPP, &e,
                      SD_BUS_ERROR_UNKNOWN_METHOD, "does not support Nonsense, because it is older than test-client");
        run_to_end(c, "good", &done);
        assert_failed(connection_call(c, &(MethodCall){ .member = "Cancel", .changes = true }, &e, NULL, "t", done.id),
                      EIO, &e, "org.vaktd1.Error.AlreadyDone", "has already ended");
        assert_failed(connection_bad_answer(c, &(MethodCall){ .member = "ListJobs" }, -ENXIO, &e), EBADMSG, &e, NULL,
                      "Cannot read vaktd's reply to ListJobs");
}

static void test_not_permitted(void **state) {
        Harness *h = *state;
        _cleanup_(connection_freep) Connection *c = connection_to(h);
        _cleanup_(rows_done) Rows rows = { 0 };
        sd_bus_error e = SD_BUS_ERROR_NULL;

        if (geteuid() != 0)
                skip();
        harness_add_jobs(h, 1);
        harness_start(h);
        assert_int_equal(seteuid(NOBODY), 0);
        assert_int_equal(job_rows_get(c, &e, &rows), 0);
        assert_int_equal(rows.n_items, 1);
        assert_failed(change(c, "Pause", "job-0", &e), EACCES, &e, "org.vaktd1.Error.AccessDenied", "");
        assert_int_equal(seteuid(0), 0);
}

/* --- the daemon goes and comes --- */

/* What only reads is asked again; what changes something is not, and is told as not known. */
static void test_restarts(void **state) {
        Harness *h = *state;
        _cleanup_(connection_freep) Connection *c = connection_to(h);
        sd_bus_error e = SD_BUS_ERROR_NULL;

        harness_add_jobs(h, 1);
        harness_start(h);
        for (unsigned i = 0; i < 3; i++) {
                _cleanup_(job_view_done) JobView v = { 0 };

                assert_int_equal(job_view_get(c, "job-0", &e, &v), 0);
                if (i % 2 == 0)
                        harness_stop(h);
                else
                        harness_kill(h);
                harness_start(h);
        }
        assert_failed(change(c, "Pause", "job-0", &e), ECONNABORTED, &e, NULL,
                      "was lost before it answered Pause: it is not known whether this was done");
        assert_int_equal(change(c, "Pause", "job-0", &e), 0);
}

typedef struct Waiting {
        Harness *h;
        RunWaiter *waiter;
        void (*once)(struct Waiting *w); /* when the run is seen for the first time */
        unsigned n_seen, n_broken;
        pid_t pid; /* of the run */
        bool cancelled;
        char output[256];
} Waiting;

static void on_seen(const RunView *v, void *userdata) {
        Waiting *w = userdata;

        w->pid = (pid_t)v->pid;
        if (w->n_seen++ == 0 && w->once)
                w->once(w);
        else if (w->n_broken > 0 && !w->cancelled && !run_view_is_done(v)) { /* the next daemon has taken it over */
                _cleanup_(connection_freep) Connection *other = connection_to(w->h);
                sd_bus_error e = SD_BUS_ERROR_NULL;

                w->cancelled = true;
                assert_int_equal(connection_call(other, &(MethodCall){ .member = "Cancel", .changes = true }, &e, NULL,
                                                 "t", v->id),
                                 0);
        }
}

static void on_output(const char *line, size_t n, bool is_stderr, void *userdata) {
        Waiting *w = userdata;
        size_t used = strlen(w->output);

        (void)snprintf(w->output + used, sizeof(w->output) - used, "%c:%.*s\n", is_stderr ? 'e' : 'o', (int)n, line);
}

static void on_broken(void *userdata) {
        Waiting *w = userdata;

        w->n_broken++;
}

/* Waits for a new run of a job; returns as run_waiter_wait(). */
static int wait_for(Connection *c, Waiting *w, const char *job, sd_bus_error *reterr, RunView *ret) {
        const RunWaiterOptions options = {
                .seen = on_seen,
                .output = on_output,
                .broken = on_broken,
                .userdata = w,
        };
        _cleanup_free_ char *object = NULL;
        uint64_t id;
        int r;

        assert_int_equal(run_waiter_new(c, &options, &w->waiter), 0);
        assert_int_equal(run_view_request(c, job, NULL, /* follow= */ true, /* now= */ false, reterr, &id, &object),
                         0);
        r = run_waiter_wait(w->waiter, id, object, reterr, ret);
        w->waiter = run_waiter_free(w->waiter);
        return r;
}

static void replace_daemon(Waiting *w) {
        harness_kill(w->h);
        harness_start(w->h);
}

/* By one that remembers nothing. */
static void replace_daemon_and_state(Waiting *w) {
        static const char *const files[] = { "ledger.db", "ledger.db-wal", "ledger.db-shm" };
        char path[PATH_MAX];

        assert_true(w->pid > 0);
        harness_kill(w->h);
        assert_int_equal(kill(w->pid, SIGKILL), 0); /* nobody would end it any more */
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                (void)snprintf(path, sizeof(path), "%s/state/%s", harness_directory(w->h), files[i]);
                assert_true(unlink(path) >= 0 || errno == ENOENT);
        }
        harness_start(w->h);
}

static void end_loop(Waiting *w) {
        assert_true(sd_event_exit(run_waiter_event(w->waiter), 0) >= 0);
}

static void test_waiting(void **state) {
        Harness *h = *state;
        _cleanup_(connection_freep) Connection *c = connection_to(h);
        _cleanup_(run_view_done) RunView v = { 0 }, lost = { 0 }, none = { 0 };
        sd_bus_error e = SD_BUS_ERROR_NULL;
        Waiting w = { .h = h };

        harness_add_job(h, "speaks", "[Run]\nShell=echo one; echo two >&2; exit 5\n");
        harness_add_job(h, "sleeps", "[Run]\nExec=/bin/sleep 1000\n");
        harness_start(h);
        assert_int_equal(wait_for(c, &w, "speaks", &e, &v), 0);
        assert_string_equal(v.result, "exit");
        assert_int_equal(v.code, 5);
        assert_non_null(strstr(w.output, "o:one\n"));
        assert_non_null(strstr(w.output, "e:two\n"));
        assert_true(w.n_seen > 0 && w.n_broken == 0);

        w = (Waiting){ .h = h, .once = replace_daemon };
        assert_int_equal(wait_for(c, &w, "sleeps", &e, &lost), 0);
        /* What was a child of the old daemon is taken over where there are cgroups. */
        assert_true(streq(lost.result, "cancelled") || streq(lost.result, "lost"));
        assert_int_equal(w.n_broken, 1);

        w = (Waiting){ .h = h, .once = replace_daemon_and_state };
        assert_failed(wait_for(c, &w, "sleeps", &e, &none), ESTALE, &e, "org.vaktd1.Error.NoSuchRun",
                      "no longer knows run");
        assert_int_equal(w.n_broken, 1);

        w = (Waiting){ .h = h, .once = end_loop };
        assert_int_equal(wait_for(c, &w, "sleeps", &e, &none), -EINTR);
        assert_false(sd_bus_error_is_set(&e));
        assert_null(none.message);
        assert_int_equal(change(c, "Pause", "sleeps", &e), 0); /* the connection is as good as before */
}

/* --- no memory --- */

static int get_jobs(Connection *c, sd_bus_error *reterr) {
        _cleanup_(rows_done) Rows rows = { 0 };

        return job_rows_get(c, reterr, &rows);
}

static int get_job(Connection *c, sd_bus_error *reterr) {
        _cleanup_(job_view_done) JobView v = { 0 };
        _cleanup_free_ usec_t *elapses = NULL;
        size_t n;
        int r;

        r = job_view_get(c, "job", reterr, &v);
        return r < 0 ? r : job_view_next_elapses(c, &v, 3, reterr, &elapses, &n);
}

static int get_explanation(Connection *c, sd_bus_error *reterr) {
        _cleanup_(rows_done) Rows why = { 0 };

        return job_explanation_get(c, "job", NULL, reterr, &why);
}

static int get_plan(Connection *c, sd_bus_error *reterr) {
        _cleanup_(job_plan_done) JobPlan p = { 0 };

        return job_plan_get(c, "job", 10, reterr, &p);
}

static int get_daemon(Connection *c, sd_bus_error *reterr) {
        _cleanup_(rows_done) Rows d = { 0 };
        _cleanup_(rows_done) Rows pools = { 0 };
        int r;

        r = pool_views_get(c, reterr, &pools);
        return r < 0 ? r : diagnostic_views_get(c, /* reload= */ false, reterr, &d);
}

static int get_run(Connection *c, sd_bus_error *reterr) {
        _cleanup_(run_view_done) RunView v = { 0 };

        return run_view_get(c, 1, reterr, &v);
}

static int request_run(Connection *c, sd_bus_error *reterr) {
        _cleanup_free_ char *object = NULL;
        uint64_t id;

        return run_view_request(c, "job", NULL, /* follow= */ false, /* now= */ false, reterr, &id, &object);
}

static int get_nothing(Connection *c, sd_bus_error *reterr) {
        int r = change(c, "Pause", "none", reterr);

        return r == -ENOENT ? 0 : r;
}

/* Each allocation of client/ fails once, in turn, a connection's first ones included. */
static void test_no_memory(void **state) {
        static const struct {
                int line;
                int (*call)(Connection *c, sd_bus_error *reterr);
        } table[] = {
                { __LINE__, get_jobs },   { __LINE__, get_job },     { __LINE__, get_explanation },
                { __LINE__, get_plan },   { __LINE__, get_run },     { __LINE__, request_run },
                { __LINE__, get_daemon }, { __LINE__, get_nothing },
        };
        Harness *h = *state;
        _cleanup_(connection_freep) Connection *first = NULL;
        char text[2 * PATH_MAX];

        (void)snprintf(text, sizeof(text),
                       "[Timer]\nOnCalendar=*:0/5\n[Path]\nPathChanged=%s\n[Run]\nExec=/bin/true\n",
                       harness_directory(h));
        harness_add_job(h, "job", text);
        harness_start(h);
        first = connection_to(h);
        assert_int_equal(request_run(first, NULL), 0);
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                for (long n = 0;; n++) {
                        _cleanup_(connection_freep) Connection *c = connection_to(h);
                        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
                        int r;

                        countdown = n;
                        r = table[i].call(c, &e);
                        countdown = -1;
                        if (r >= 0) {
                                assert_true(n > 1); /* some failed before */
                                break;
                        }
                        if (r != -ENOMEM || !streq(strempty(e.message), "Out of memory."))
                                fail_msg("line %d, allocation %ld: %d, '%s'", table[i].line, n, r,
                                         strempty(e.message));
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                harness_test(test_jobs),     harness_test(test_files_of_a_job), harness_test(test_daemon),
                harness_test(test_runs),     harness_test(test_failures),       harness_test(test_not_permitted),
                harness_test(test_restarts), harness_test(test_waiting),        harness_test(test_no_memory),
        };

        return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}

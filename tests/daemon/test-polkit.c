/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What vaktd asks polkit, and what it does with the answer, or without one. The test itself stands for polkit, on a
 * bus of its own, so that it decides what happens while a question is pending. For root only, who can be nobody as
 * well. */

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus-fixture.h"

#define POLKIT        "org.freedesktop.PolicyKit1"
#define POLKIT_MANAGE "org.vaktd1.manage"
#define POLKIT_RUN    "org.vaktd1.run"
#define DENIED        "org.vaktd1.Error.AccessDenied"
#define OTHER         ((uid_t)1)
#define QUESTIONS_MAX 64
#define OF_USER_MAX   12 /* POLKIT_QUESTIONS_PER_UID_MAX */
#define JOB(exec)     "[Run]\nExec=" exec "\n"

typedef struct Question {
        sd_bus_message *message;
        const char *sender, *action, *job, *id; /* job NULL: none was given */
        uint32_t flags;
        bool is_cancelled;
} Question;

/* The authority, and the reply to the last call of a client. */
typedef struct Fixture {
        Harness *harness;
        sd_bus *authority, *client, *root;
        Question questions[QUESTIONS_MAX];
        size_t n;
        unsigned n_replies, n_errors;
        char error[128], text[512];
        uint64_t id;
} Fixture;

/* --- the authority --- */

static int on_check(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Fixture *f = userdata;
        Question *q = &f->questions[f->n];
        const char *kind, *key, *detail;

        assert_true(f->n < QUESTIONS_MAX);
        *q = (Question){ .message = sd_bus_message_ref(m) };
        assert_true(sd_bus_message_read(m, "(sa{sv})s", &kind, 1, &key, "s", &q->sender, &q->action) > 0);
        assert_string_equal(kind, "system-bus-name");
        assert_string_equal(key, "name");
        assert_true(sd_bus_message_enter_container(m, 'a', "{ss}") > 0);
        while (sd_bus_message_read(m, "{ss}", &key, &detail) > 0) {
                assert_string_equal(key, "job");
                q->job = detail;
        }
        assert_true(sd_bus_message_exit_container(m) >= 0);
        assert_true(sd_bus_message_read(m, "us", &q->flags, &q->id) > 0);
        f->n++;
        return 1;
}

static int on_cancel(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Fixture *f = userdata;
        const char *id;

        assert_true(sd_bus_message_read(m, "s", &id) > 0);
        for (size_t i = 0; i < f->n; i++)
                f->questions[i].is_cancelled = f->questions[i].is_cancelled || streq(f->questions[i].id, id);
        return 1;
}

static const sd_bus_vtable authority_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("CheckAuthorization", "(sa{sv})sa{ss}us", "(bba{ss})", on_check, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("CancelCheckAuthorization", "s", "", on_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static void start_authority(Fixture *f) {
        f->authority = bus_connect(f->harness);
        assert_true(sd_bus_add_object_vtable(f->authority, NULL, "/org/freedesktop/PolicyKit1/Authority",
                                             POLKIT ".Authority", authority_vtable, f) >= 0);
        assert_true(sd_bus_request_name(f->authority, POLKIT, 0) >= 0);
}

static void answer(Fixture *f, size_t i, bool authorized, bool challenge) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

        assert_true(i < f->n);
        assert_true(sd_bus_message_new_method_return(f->questions[i].message, &reply) >= 0);
        assert_true(sd_bus_message_append(reply, "(bba{ss})", authorized, challenge, 0) >= 0);
        assert_true(sd_bus_send(f->authority, reply, NULL) >= 0);
        assert_true(sd_bus_flush(f->authority) >= 0);
}

/* --- the loop --- */

/* All three speak to each other in this one process. */
static void turn(Fixture *f, usec_t deadline) {
        sd_bus *const buses[] = { f->authority, f->client, f->root };
        struct pollfd fds[ELEMENTSOF(buses)];
        int progress = 0;

        assert_true(now_clock(CLOCK_MONOTONIC) < deadline);
        for (size_t i = 0; i < ELEMENTSOF(buses); i++) {
                int r = buses[i] ? sd_bus_process(buses[i], NULL) : 0;

                assert_true(r >= 0);
                progress += r;
                fds[i] = (struct pollfd){ .fd = buses[i] ? sd_bus_get_fd(buses[i]) : -1, .events = POLLIN };
        }
        if (progress == 0)
                assert_true(poll(fds, ELEMENTSOF(fds), 1000) >= 0);
}

#define WAIT_UNTIL(f, condition)                                      \
        do {                                                          \
                for (usec_t _end = harness_deadline(); !(condition);) \
                        turn(f, _end);                                \
        } while (0)

/* --- clients --- */

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        Fixture *f = userdata;

        f->n_replies++;
        f->n_errors += !!e;
        (void)snprintf(f->error, sizeof(f->error), "%s", e ? e->name : "");
        (void)snprintf(f->text, sizeof(f->text), "%s", e ? strempty(e->message) : "");
        if (!e && sd_bus_message_has_signature(m, "a(sus)")) { /* the first diagnostic */
                const char *text;

                assert_true(sd_bus_message_enter_container(m, 'a', "(sus)") > 0);
                assert_true(sd_bus_message_read(m, "(sus)", NULL, NULL, &text) > 0);
                (void)snprintf(f->text, sizeof(f->text), "%s", text);
        }
        if (!e && sd_bus_message_has_signature(m, "to"))
                assert_true(sd_bus_message_read(m, "t", &f->id) > 0);
        return 0;
}

static void send_call(Fixture *f, sd_bus *bus, bool interactive, const char *member, const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        va_list ap;

        assert_true(sd_bus_message_new_method_call(bus, &m, "org.vaktd1", MANAGER_PATH, MANAGER_INTERFACE, member) >=
                    0);
        va_start(ap, types);
        assert_true(sd_bus_message_appendv(m, types, ap) >= 0);
        va_end(ap);
        assert_true(sd_bus_message_set_allow_interactive_authorization(m, interactive) >= 0);
        assert_true(sd_bus_call_async(bus, NULL, m, on_reply, f, HARNESS_TIMEOUT_SEC * USEC_PER_SEC) >= 0);
        assert_true(sd_bus_flush(bus) >= 0);
}

/* Sends a call of nobody, and waits for the question. */
#define ASK(f, ...)                                     \
        do {                                            \
                size_t _n = (f)->n + 1;                 \
                send_call(f, (f)->client, __VA_ARGS__); \
                WAIT_UNTIL(f, (f)->n == _n);            \
        } while (0)

#define ANSWER(f, ...)                                     \
        do {                                               \
                unsigned _replies = (f)->n_replies + 1;    \
                answer(f, (f)->n - 1, __VA_ARGS__);        \
                WAIT_UNTIL(f, (f)->n_replies == _replies); \
        } while (0)

/* Sends a call of nobody that is refused without a question. */
#define REFUSED(f, name, ...)                                  \
        do {                                                   \
                unsigned _replies = (f)->n_replies + 1;        \
                size_t _n = (f)->n;                            \
                send_call(f, (f)->client, false, __VA_ARGS__); \
                WAIT_UNTIL(f, (f)->n_replies == _replies);     \
                assert_string_equal((f)->error, name);         \
                assert_int_equal((f)->n, _n);                  \
        } while (0)

static void assert_asked(const Fixture *f, const char *action, const char *job) {
        const Question *q = &f->questions[f->n - 1];
        const char *name;

        assert_string_equal(q->action, action);
        assert_int_equal(!!q->job, !!job);
        if (job)
                assert_string_equal(q->job, job);
        assert_true(sd_bus_get_unique_name(f->client, &name) >= 0);
        assert_string_equal(q->sender, name);
}

static uint32_t count_runs(const Fixture *f) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m =
                harness_call(f->root, "ListRuns", "stu", "", UINT64_C(0), 1000);
        uint32_t n = 0;

        assert_true(sd_bus_message_enter_container(m, 'a', "(tsssssttttiuo)") >= 0);
        while (sd_bus_message_skip(m, "(tsssssttttiuo)") > 0)
                n++;
        return n;
}

/* Runs a test with a daemon, nobody's connection and an authority. */
static void with_authority(void **state, void (*test)(Fixture *f)) {
        Fixture f = { .harness = *state };

        if (geteuid() != 0 || !bus_start(f.harness))
                skip();
        harness_start(f.harness);
        f.client = bus_connect_as(f.harness, NOBODY);
        f.root = bus_connect(f.harness);
        start_authority(&f);
        test(&f);
        for (size_t i = 0; i < f.n; i++)
                sd_bus_message_unref(f.questions[i].message);
        sd_bus_flush_close_unref(f.authority);
        sd_bus_flush_close_unref(f.client);
        sd_bus_flush_close_unref(f.root);
}

/* --- tests --- */

static void actions(Fixture *f) {
        ASK(f, false, "Run", "sa{sv}", "a", 0);
        assert_asked(f, POLKIT_RUN, "a");
        assert_int_equal(f->questions[0].flags, 0);
        assert_int_equal(count_runs(f), 0);
        ANSWER(f, true, false);
        assert_string_equal(f->error, "");
        assert_int_equal(count_runs(f), 1);

        ASK(f, true, "Cancel", "t", f->id);
        assert_asked(f, POLKIT_RUN, "a");
        assert_int_equal(f->questions[1].flags, 1);
        ANSWER(f, false, false);
        assert_string_equal(f->error, DENIED);

        ASK(f, false, "Pause", "s", "a");
        assert_asked(f, POLKIT_MANAGE, "a");
        ANSWER(f, true, false);
        ASK(f, false, "RemoveOnce", "s", "a");
        assert_asked(f, POLKIT_MANAGE, "a");
        ANSWER(f, false, false);
        ASK(f, false, "PauseAll", "");
        assert_asked(f, POLKIT_MANAGE, NULL);
        ANSWER(f, true, false);
        /* More than the job's file says. */
        ASK(f, false, "Run", "sa{sv}", "a", 1, "now", "b", 1);
        assert_asked(f, POLKIT_MANAGE, "a");
        ANSWER(f, false, false);
        ASK(f, false, "Run", "sa{sv}", "w", 1, "files", "aay", 1, 2, '/', 'x');
        assert_asked(f, POLKIT_MANAGE, "w");
        ANSWER(f, false, false);
        ASK(f, false, "Run", "sa{sv}", "t@new", 0);
        assert_asked(f, POLKIT_MANAGE, "t@new");
        ANSWER(f, true, false);
        assert_string_equal(f->error, "");
        ASK(f, false, "Run", "sa{sv}", "t@new", 0);
        assert_asked(f, POLKIT_RUN, "t@new");
        ANSWER(f, false, false);
}

static void test_actions(void **state) {
        harness_add_job(*state, "w", "[Path]\nPathExists=/no/such/file\n[Run]\nExec=/bin/true\n");
        harness_add_job(*state, "t@", JOB("/bin/true"));
        with_authority(state, actions);
}

/* Of what nobody may do but root and the user of the daemon, and of what there is not, polkit is told nothing. */
static void owner_only(Fixture *f) {
        REFUSED(f, DENIED, "Plan", "su", "w", 0);
        REFUSED(f, DENIED, "ExplainPath", "say", "w", 2, '/', 'a');
        REFUSED(f, DENIED, "CreateOnce", "sts", "mine", UINT64_C(0), JOB("/bin/true")); /* which would run as root */
        REFUSED(f, DENIED, "ListDefinitions", "");
        REFUSED(f, DENIED, "GetDefinition", "s", "a");
        REFUSED(f, DENIED, "Run", "sa{sv}", "a", 1, "follow", "b", 1); /* of a child, whose output would be sent */
        REFUSED(f, "org.vaktd1.Error.NoSuchJob", "Run", "sa{sv}", "b", 0);
        REFUSED(f, "org.vaktd1.Error.NoSuchJob", "Run", "sa{sv}", "t@ <b>please", 0);
        REFUSED(f, "org.vaktd1.Error.NoSuchJob", "Pause", "s", "b");
        REFUSED(f, "org.vaktd1.Error.NoSuchRun", "Cancel", "t", UINT64_C(7));
        assert_int_equal(count_runs(f), 0);
}

static void test_owner_only(void **state) {
        harness_add_job(*state, "w", "[Path]\nPathExists=/no/such/file\n[Run]\nExec=/bin/true\n");
        harness_add_job(*state, "t@", JOB("/bin/true"));
        with_authority(state, owner_only);
}

/* Files are kept while polkit is asked, but not any number. */
static void many_files(Fixture *f) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        char path[1024];

        memset(path, 'x', sizeof(path));
        path[0] = '/';
        assert_true(sd_bus_message_new_method_call(f->client, &m, "org.vaktd1", MANAGER_PATH, MANAGER_INTERFACE,
                                                   "Run") >= 0);
        assert_true(sd_bus_message_append(m, "s", "w") >= 0);
        assert_true(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
        assert_true(sd_bus_message_open_container(m, 'e', "sv") >= 0);
        assert_true(sd_bus_message_append(m, "s", "files") >= 0);
        assert_true(sd_bus_message_open_container(m, 'v', "aay") >= 0);
        assert_true(sd_bus_message_open_container(m, 'a', "ay") >= 0);
        for (unsigned i = 0; i < 17; i++)
                assert_true(sd_bus_message_append_array(m, 'y', path, sizeof(path)) >= 0);
        for (unsigned i = 0; i < 4; i++)
                assert_true(sd_bus_message_close_container(m) >= 0);
        assert_true(sd_bus_call_async(f->client, NULL, m, on_reply, f, 0) >= 0);
        WAIT_UNTIL(f, f->n_replies == 1);
        assert_string_equal(f->error, DENIED);
        assert_int_equal(f->n, 0);
}

static void test_many_files(void **state) {
        harness_add_job(*state, "w", "[Path]\nPathExists=/no/such/file\n[Run]\nExec=/bin/true\n");
        with_authority(state, many_files);
}

static void answers(Fixture *f) {
        ASK(f, false, "Pause", "s", "a");
        ANSWER(f, false, true);
        assert_string_equal(f->error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED);
        ASK(f, false, "Pause", "s", "a");
        assert_true(sd_bus_reply_method_errorf(f->questions[f->n - 1].message, POLKIT ".Error.Failed", "No idea") >=
                    0);
        WAIT_UNTIL(f, f->n_replies == 2);
        assert_string_equal(f->error, DENIED);
        assert_non_null(strstr(f->text, "polkit"));
        assert_non_null(strstr(f->text, "No idea"));
}

static void test_answers(void **state) {
        with_authority(state, answers);
}

/* --- what happens meanwhile --- */

static void job_changes(Fixture *f) {
        ASK(f, false, "Run", "sa{sv}", "a", 0);
        harness_add_job(f->harness, "a", JOB("/bin/echo something else"));
        sd_bus_message_unref(harness_call(f->root, "Reload", NULL));
        ANSWER(f, true, false);
        assert_string_equal(f->error, "org.vaktd1.Error.Busy");
        assert_int_equal(count_runs(f), 0);

        ASK(f, false, "Run", "sa{sv}", "a", 0);
        harness_remove_job(f->harness, "a");
        sd_bus_message_unref(harness_call(f->root, "Reload", NULL));
        ANSWER(f, true, false);
        assert_string_equal(f->error, "org.vaktd1.Error.Busy");
        assert_int_equal(count_runs(f), 0);

        harness_add_job(f->harness, "a", JOB("/bin/true"));
        sd_bus_message_unref(harness_call(f->root, "Reload", NULL));
        ASK(f, false, "Run", "sa{sv}", "a", 0);
        harness_add_job(f->harness, "b", JOB("/bin/true"));
        sd_bus_message_unref(harness_call(f->root, "Reload", NULL));
        ANSWER(f, true, false);
        assert_string_equal(f->error, "");
        assert_int_equal(count_runs(f), 1);
}

static void test_job_changes(void **state) {
        with_authority(state, job_changes);
}

static void caller_leaves(Fixture *f) {
        ASK(f, true, "Run", "sa{sv}", "a", 0);
        f->client = sd_bus_flush_close_unref(f->client);
        WAIT_UNTIL(f, f->questions[0].is_cancelled);
        answer(f, 0, true, false);
        sd_bus_message_unref(harness_call(f->root, "Resume", "s", "a")); /* by now vaktd has read the answer */
        assert_int_equal(count_runs(f), 0);
}

static void test_caller_leaves(void **state) {
        with_authority(state, caller_leaves);
}

static void authority_leaves(Fixture *f) {
        ASK(f, false, "Run", "sa{sv}", "a", 0);
        f->questions[0].message = sd_bus_message_unref(f->questions[0].message);
        f->n = 0;
        f->authority = sd_bus_flush_close_unref(f->authority);
        WAIT_UNTIL(f, f->n_replies == 1);
        assert_string_equal(f->error, DENIED);
        REFUSED(f, DENIED, "Run", "sa{sv}", "a", 0);
        assert_non_null(strstr(f->text, "polkit"));
        /* Nobody needs it who may do this without. */
        (void)harness_run(f->root, "a", /* follow= */ false);
}

static void test_authority_leaves(void **state) {
        with_authority(state, authority_leaves);
}

static void daemon_ends(Fixture *f) {
        ASK(f, true, "Run", "sa{sv}", "a", 0);
        assert_int_equal(kill(harness_pid(f->harness), SIGTERM), 0);
        WAIT_UNTIL(f, f->questions[0].is_cancelled && f->n_replies == 1);
        assert_string_equal(f->error, "org.vaktd1.Error.ShuttingDown");
        harness_stop(f->harness);
}

static void test_daemon_ends(void **state) {
        with_authority(state, daemon_ends);
}

/* --- limits --- */

/* A user whose questions nobody answers takes no place from another. */
static void flood(Fixture *f) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *more = bus_connect_as(f->harness, NOBODY), *nobody = NULL;

        for (unsigned i = 0; i < OF_USER_MAX; i++)
                ASK(f, true, "Run", "sa{sv}", "a", 0);
        REFUSED(f, "org.vaktd1.Error.LimitReached", "Run", "sa{sv}", "a", 0);
        nobody = f->client;
        f->client = TAKE_PTR(more);
        REFUSED(f, "org.vaktd1.Error.LimitReached", "Run", "sa{sv}", "a", 0); /* and no other connection helps */
        more = f->client;
        f->client = bus_connect_as(f->harness, OTHER);
        ASK(f, true, "Run", "sa{sv}", "a", 0);
        ANSWER(f, true, false);
        assert_string_equal(f->error, "");
        (void)harness_run(f->root, "a", /* follow= */ false);
        sd_bus_flush_close_unref(f->client);
        f->client = TAKE_PTR(nobody);
        f->n--;
        sd_bus_message_unref(f->questions[f->n].message);
        ANSWER(f, false, false); /* which makes room */
        ASK(f, true, "Run", "sa{sv}", "a", 0);
}

static void test_flood(void **state) {
        with_authority(state, flood);
}

static void file_descriptors(Fixture *f) {
        REFUSED(f, SD_BUS_ERROR_NOT_SUPPORTED, "Run", "sa{sv}", "a", 1, "x", "h", STDOUT_FILENO);
}

static void test_file_descriptors(void **state) {
        with_authority(state, file_descriptors);
}

/* --- what is private --- */

static const char secret_job[] = "[Run]\nExec=/bin/true\nSecret=token\n";

static void reload(Fixture *f) {
        char path[PATH_MAX];

        assert_true(snprintf(path, sizeof(path), "%s/jobs.d/s.job", harness_directory(f->harness)) < PATH_MAX);
        harness_add_job(f->harness, "s", secret_job);
        assert_int_equal(chmod(path, 0600), 0);
        ASK(f, false, "Reload", "");
        assert_asked(f, POLKIT_MANAGE, NULL);
        ANSWER(f, true, false);
        assert_string_equal(f->error, "");
        assert_null(strstr(f->text, "Secret"));
        send_call(f, f->root, false, "Reload", "");
        WAIT_UNTIL(f, f->n_replies == 2);
        assert_non_null(strstr(f->text, "Secret"));
}

static void test_reload(void **state) {
        with_authority(state, reload);
}

/* --- time --- */

/* In real time, so it is a test of its own. */
static void authority_is_silent(Fixture *f) {
        ASK(f, false, "Run", "sa{sv}", "a", 0);
        WAIT_UNTIL(f, f->n_replies == 1 && f->questions[0].is_cancelled);
        assert_string_equal(f->error, DENIED);
        assert_non_null(strstr(f->text, "does not answer"));
        answer(f, 0, true, false);
        sd_bus_message_unref(harness_call(f->root, "Resume", "s", "a")); /* by now vaktd has read the answer */
        assert_int_equal(count_runs(f), 0);
        ASK(f, false, "Run", "sa{sv}", "a", 0); /* the place is free, and another answer counts */
        ANSWER(f, true, false);
        assert_int_equal(count_runs(f), 1);
}

static void test_authority_is_silent(void **state) {
        with_authority(state, authority_is_silent);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest long_tests[] = { bus_test(test_authority_is_silent) };
        const struct CMUnitTest tests[] = {
                bus_test(test_actions),          bus_test(test_owner_only),  bus_test(test_many_files),
                bus_test(test_answers),          bus_test(test_job_changes), bus_test(test_caller_leaves),
                bus_test(test_authority_leaves), bus_test(test_daemon_ends), bus_test(test_flood),
                bus_test(test_file_descriptors), bus_test(test_reload),
        };

        return argc > 1 && streq(argv[1], "long") ? cmocka_run_group_tests(long_tests, NULL, NULL)
                                                  : cmocka_run_group_tests(tests, NULL, NULL);
}

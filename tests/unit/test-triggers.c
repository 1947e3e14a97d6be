/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a kind of trigger may rely on (core/trigger.h): one that is made here, beside those that there are. It is a
 * bell: it has a job that is called after it run when it is rung, and gives the run the word that was called. */

#include "core-fixture.h"

#include "core/manager-body.h"
#include "core/take-over.h"
#include "trigger/kinds.h"

#define WORD_MAX 16

typedef struct Word {
        RunPayload base;
        char text[WORD_MAX];
} Word;

typedef struct Bell {
        Trigger base;
        unsigned n_started;
} Bell;

/* What the bell has seen. */
static struct {
        Trigger *bell; /* of the daemon */
        unsigned n_jobs, n_held, n_retried, n_ended, n_returned, n_freed;
        unsigned n_restored, n_left, n_found, n_written;
        bool keeps; /* what stands in the ledger of its runs */
} seen;

static const TriggerOps bell_ops;

static int bell_init(Trigger *t) {
        seen.bell = t;
        return 0;
}

static TriggerKept nodes[64];
static unsigned n_nodes;

static int bell_set_job(Trigger *t, Job *job) {
        TriggerKept *kept = trigger_get(t, job);

        if (kept)
                return 0;
        kept = &nodes[n_nodes++ % ELEMENTSOF(nodes)];
        trigger_set(t, job, kept, kept);
        seen.n_jobs++;
        return 0;
}

static int bell_start(Trigger *t) {
        JobTable *jobs = manager_jobs(t->manager);

        for (size_t i = 0; i < job_table_size(jobs); i++)
                assert_int_equal(bell_set_job(t, job_table_at(jobs, i)), 0);
        ((Bell *)t)->n_started++;
        return 0;
}

static void bell_hold(Trigger *t, bool hold) {
        seen.n_held += hold;
        assert_int_equal(((Bell *)t)->n_started, 1);
}

static void bell_remove_job(Trigger *t, Job *job) {
        TriggerKept *kept = trigger_get(t, job);

        seen.n_jobs -= kept != NULL;
        trigger_unset(t, job);
        assert_null(trigger_get(t, job));
}

static bool bell_run_ended(Trigger *t, LiveRun *run) {
        if (!run_payload(run, t->ops))
                return false;
        seen.n_ended++;
        seen.n_returned += run_returns_payload(run);
        return seen.keeps;
}

static void bell_run_retried(Trigger *t, const LiveRun *failed, RunPayload *payload) {
        assert_null(run_payload(failed, t->ops));
        seen.n_retried++;
}

static void bell_describe(const RunPayload *p, ExecutionRequest *request) {
        const Word *word = (const Word *)p;

        request->paths = word->text;
        request->paths_size = strlen(word->text) + 1;
        request->one_path = true;
}

static int bell_pack(const RunPayload *p, char **ret, size_t *ret_n) {
        *ret_n = (size_t)asprintf(ret, "!%s", ((const Word *)p)->text);
        return 0;
}

static Word *word_new(const char *text, size_t n) {
        Word *word = calloc(1, sizeof(*word));

        assert_non_null(word);
        assert_true(n < WORD_MAX);
        word->base.ops = &bell_ops;
        memcpy(word->text, text, n);
        return word;
}

static int bell_unpack(Trigger *t, const void *bytes, size_t n, RunPayload **ret) {
        if (n == 0 || *(const char *)bytes != '!')
                return -EBADMSG;
        *ret = &word_new((const char *)bytes + 1, n - 1)->base;
        return 0;
}

static RunPayload *bell_free_payload(RunPayload *p) {
        seen.n_freed++;
        free(p);
        return NULL;
}

static bool bell_restore(Trigger *t, LiveRun *run, const RunRecord *record, RunPayload *p) {
        assert_true(p->ops == t->ops);
        seen.n_restored += run != NULL;
        seen.n_left += !run && record && record->state == RUN_DONE;
        return false;
}

static RunPayload *bell_recognize(Trigger *t, const ExecutionRequest *request, OwnedRun *run) {
        if (!request->paths)
                return NULL;
        owned_run_set_text(&run->record.payload, strdup(request->paths));
        return &word_new(request->paths, strlen(request->paths))->base;
}

static void bell_run_found(Trigger *t, Job *job, RunRecord *record) {
        seen.n_found++;
        record->trigger = 7;
}

static void bell_written(Trigger *t) {
        seen.n_written++;
}

static int bell_list(Trigger *t, const Job *job, TriggerVisit visit, void *userdata) {
        return visit("Bell", job->name, "silent", "", userdata);
}

static int bell_count(Trigger *t, const Job *job, CounterVisit visit, void *userdata) {
        return visit("started", ((Bell *)t)->n_started, userdata);
}

static int bell_explain(Trigger *t, const Job *job, const char *file, size_t n, ExplainVisit visit, void *userdata) {
        int r = file ? 0 : visit("bell", "It waits for the bell.", userdata);

        return r < 0 ? r : !file;
}

static const TriggerOps bell_ops = {
        .size = sizeof(Bell),
        .init = bell_init,
        .start = bell_start,
        .hold = bell_hold,
        .set_job = bell_set_job,
        .remove_job = bell_remove_job,
        .run_ended = bell_run_ended,
        .run_retried = bell_run_retried,
        .describe = bell_describe,
        .pack = bell_pack,
        .unpack = bell_unpack,
        .free_payload = bell_free_payload,
        .restore = bell_restore,
        .recognize = bell_recognize,
        .run_found = bell_run_found,
        .written = bell_written,
        .list = bell_list,
        .count = bell_count,
        .explain = bell_explain,
};

/* It is asked after all others, whose payloads it must not be taken for. */
static void start_with_bell(Fixture *f) {
        static const TriggerOps *kinds[TRIGGER_KINDS_MAX + 1];
        size_t n = 0;

        for (; trigger_kinds[n]; n++)
                kinds[n] = trigger_kinds[n];
        kinds[n] = &bell_ops;
        f->triggers = kinds;
        start(f);
}

static uint64_t ring(Fixture *f, const char *name, const char *text) {
        RunRequest request = { .cause = RUN_CAUSE_MONITOR, .trigger = RUN_TRIGGER_NONE, .payload = text };
        RunPayload *payload = &word_new(text, strlen(text))->base;
        uint64_t id;

        assert_int_equal(runs_request(f->m, job(f, name), &request, &payload, &id), 1);
        assert_null(payload);
        assert_int_equal(ledger_commit(f->m->ledger), 0);
        return id;
}

/* The words that runs were given, a line each. */
static void check_words(const Fixture *f, const char *wanted) {
        char path[256], words[256] = "";
        FILE *stream;

        (void)snprintf(path, sizeof(path), "%s/words", f->directory);
        stream = fopen(path, "re");
        assert_non_null(stream);
        words[fread(words, 1, sizeof(words) - 1, stream)] = '\0';
        (void)fclose(stream);
        assert_string_equal(words, wanted);
}

static void write_bell_job(const Fixture *f, const char *shell, const char *settings) {
        char text[768];

        (void)snprintf(text, sizeof(text), "[Run]\nShell=echo \"$VAKT_PATH\" >>%s/words; %s\n%s\n", f->directory,
                       shell, settings);
        write_job(f, "bell", text);
}

static bool is_over(Fixture *f, uint64_t id) {
        const RunRecord *r = manager_get_run(f->m, id);

        return r && r->state == RUN_DONE;
}

static int count_kept(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        ++*(unsigned *)userdata;
        return 0;
}

static unsigned n_kept(Fixture *f) {
        unsigned n = 0;

        assert_int_equal(ledger_list_blobs(f->m->ledger, "bell", NULL, count_kept, &n), 0);
        return n;
}

static void test_payload_reaches_the_run(void **state) {
        Fixture *f = *state;
        uint64_t id;

        memset(&seen, 0, sizeof(seen));
        write_bell_job(f, "true", "");
        write_job(f, "other", "[Run]\nExec=/bin/true\n");
        start_with_bell(f);
        assert_int_equal(seen.n_jobs, 2);
        assert_int_equal(seen.n_held, 0);
        id = ring(f, "bell", "ding");
        assert_int_equal(n_kept(f), 1);
        WAIT_FOR(f, is_over(f, id));
        check_words(f, "ding\n");
        assert_int_equal(seen.n_ended, 1);
        assert_int_equal(seen.n_freed, 1);
        assert_int_equal(n_kept(f), 0);
        finish(f, "other"); /* has no payload, and the bell has nothing to give to a person */
        assert_int_equal(seen.n_ended, 1);
        remove_job(f, "other");
        assert_int_equal(manager_reload(f->m), 0);
        assert_int_equal(seen.n_jobs, 1);
}

/* The first one is held by the gate, the second one waits for it. */
static void test_payload_is_there_after_a_restart(void **state) {
        Fixture *f = *state;
        uint64_t first, second;
        char shell[160];

        memset(&seen, 0, sizeof(seen));
        (void)snprintf(shell, sizeof(shell), "read line <%s", f->gate);
        write_bell_job(f, shell, "");
        start_with_bell(f);
        first = ring(f, "bell", "ding");
        second = ring(f, "bell", "dong");
        WAIT_FOR(f, manager_get_run(f->m, first)->state == RUN_RUNNING);
        stop(f);
        assert_int_equal(seen.n_ended, 0);
        assert_int_equal(seen.n_freed, 2);
        start_with_bell(f);
        assert_int_equal(seen.n_restored + seen.n_left, 2);
        let_go(f, 2);
        WAIT_FOR(f, is_over(f, first) && is_over(f, second));
        assert_int_equal(seen.n_ended, seen.n_restored);
        assert_int_equal(n_kept(f), 0);
        stop(f);
        start_with_bell(f);
        assert_int_equal(seen.n_restored + seen.n_left, 2);
}

static void test_another_try_has_it(void **state) {
        Fixture *f = *state;
        uint64_t id;

        memset(&seen, 0, sizeof(seen));
        write_bell_job(f, "[ $VAKT_ATTEMPT = 2 ]", "Retry=1\nRetryDelaySec=0\n");
        start_with_bell(f);
        id = ring(f, "bell", "ding");
        WAIT_FOR(f, seen.n_ended == 1);
        assert_int_equal(manager_get_run(f->m, id)->result, RUN_RESULT_EXIT);
        assert_int_equal(count_result(f, "bell", RUN_RESULT_SUCCESS), 1);
        check_words(f, "ding\nding\n");
        assert_int_equal(seen.n_retried, 1);
        assert_int_equal(n_kept(f), 0);
}

/* A kind that has something left to do for a run that is over finds that at the next start, and once. */
static void test_payload_is_kept(void **state) {
        Fixture *f = *state;
        uint64_t id;

        memset(&seen, 0, sizeof(seen));
        seen.keeps = true;
        write_bell_job(f, "true", "");
        start_with_bell(f);
        id = ring(f, "bell", "ding");
        WAIT_FOR(f, is_over(f, id));
        assert_int_equal(n_kept(f), 1);
        stop(f);
        start_with_bell(f);
        assert_int_equal(seen.n_left, 1);
        assert_int_equal(seen.n_restored, 0);
        assert_int_equal(n_kept(f), 0);
}

/* A unit that the ledger has forgotten: its kind of trigger knows what it was given, and which trigger that was. Here
 * nobody can look for it, so that it is lost at once. */
static void test_forgotten(void **state) {
        RunRecord found = RUN_RECORD_INIT;
        Fixture *f = *state;

        memset(&seen, 0, sizeof(seen));
        seen.keeps = true;
        write_bell_job(f, "true", "");
        start_with_bell(f);
        found.job = "bell";
        found.id = 500;
        found.pid_start = 5;
        take_over_forgotten(f->m, &(ExecutionRequest){ .run = &found, .paths = "ding" }, false);
        take_over_surveyed(f->m);
        assert_int_equal(seen.n_found, 1);
        assert_int_equal(seen.n_restored, 1);
        assert_int_equal(n_kept(f), 1);
        assert_int_equal(manager_get_run(f->m, 500)->trigger, 7);
        assert_string_equal(manager_get_run(f->m, 500)->payload, "ding");
        WAIT_FOR(f, seen.n_ended == 1);
        assert_int_equal(manager_get_run(f->m, 500)->result, RUN_RESULT_LOST);
}

/* It is told once all is safe that was written before. */
static void test_written(void **state) {
        Fixture *f = *state;

        memset(&seen, 0, sizeof(seen));
        start_with_bell(f);
        WAIT_FOR(f, sd_event_run(f->event, 0) == 0);
        seen.n_written = 0;
        manager_notify_written(f->m);
        WAIT_FOR(f, seen.n_written == 1);
}

/* What waits keeps what it was given, and what ends already ends for the reason that it had. */
static void test_preempted_among_others(void **state) {
        Fixture *f = *state;
        uint64_t ids[3];
        char shell[160];

        memset(&seen, 0, sizeof(seen));
        (void)snprintf(shell, sizeof(shell), "exec 3<%s; trap : TERM; read line <&3; read line <&3", f->gate);
        write_bell_job(f, shell, "Overlap=parallel\nMaxParallel=2\nQueueMax=5\n");
        start_with_bell(f);
        for (size_t i = 0; i < ELEMENTSOF(ids); i++)
                ids[i] = ring(f, "bell", "ding");
        WAIT_FOR(f, f->n_started == 2);
        assert_int_equal(manager_cancel(f->m, ids[0]), 0);
        runs_preempt(seen.bell, job(f, "bell"), "The bell was rung again.");
        assert_string_equal(manager_get_run(f->m, ids[0])->reason, "It was cancelled on request.");
        assert_string_equal(manager_get_run(f->m, ids[1])->reason, "The bell was rung again.");
        assert_int_equal(manager_get_run(f->m, ids[1])->state, RUN_STOPPING);
        assert_int_equal(manager_get_run(f->m, ids[2])->state, RUN_QUEUED);
        assert_null(manager_get_run(f->m, ids[2])->reason);
}

static void test_preempted(void **state) {
        Fixture *f = *state;
        uint64_t id;
        char shell[160];

        memset(&seen, 0, sizeof(seen));
        (void)snprintf(shell, sizeof(shell), "exec 3<%s; read line <&3", f->gate);
        write_bell_job(f, shell, "Retry=3\n");
        start_with_bell(f);
        id = ring(f, "bell", "ding");
        WAIT_FOR(f, manager_get_run(f->m, id)->state == RUN_RUNNING);
        runs_preempt(seen.bell, job(f, "bell"), "The bell was rung again.");
        WAIT_FOR(f, is_over(f, id));
        assert_int_equal(manager_get_run(f->m, id)->result, RUN_RESULT_CANCELLED);
        assert_string_equal(manager_get_run(f->m, id)->reason, "The bell was rung again.");
        assert_int_equal(seen.n_returned, 1);
        assert_int_equal(seen.n_retried, 0);
}

static int start_error;

static int refuse_start(Executor *e, const ExecutionRequest *request, void *cookie, Execution **ret) {
        return start_error;
}

/* What it was given is for another run where the machine was short of something, and is not where it is itself what
 * cannot be started. */
static void test_not_started(void **state) {
        static const struct {
                int error;
                bool is_returned;
        } table[] = {
                { -ENOSPC, true }, { -EDQUOT, true }, { -EMFILE, true }, { -ENFILE, true },  { -ENOMEM, true },
                { -EAGAIN, true }, { -EROFS, true },  { -E2BIG, false }, { -ENOENT, false },
        };
        static ExecutorOps ops;
        Fixture *f = *state;

        memset(&seen, 0, sizeof(seen));
        write_bell_job(f, "true", "");
        start_with_bell(f);
        ops = *f->m->executor->ops;
        ops.start = refuse_start;
        f->m->executor->ops = &ops;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                unsigned n_returned = seen.n_returned;
                uint64_t id;

                start_error = table[i].error;
                id = ring(f, "bell", "ding");
                WAIT_FOR(f, seen.n_ended == i + 1);
                assert_int_equal(manager_get_run(f->m, id)->result, RUN_RESULT_START_FAILED);
                assert_int_equal(manager_get_run(f->m, id)->code, -table[i].error);
                assert_int_equal(seen.n_returned - n_returned, table[i].is_returned);
        }
        /* Without anything that was given there is nothing for another one. */
        start_error = -ENOSPC;
        (void)finish(f, "bell");
        assert_int_equal(seen.n_ended, ELEMENTSOF(table));
}

/* What the ledger has of one run is damaged: the others are given what is theirs. */
static void test_damaged_payload(void **state) {
        Fixture *f = *state;
        uint64_t ids[3];
        char shell[160];

        memset(&seen, 0, sizeof(seen));
        (void)snprintf(shell, sizeof(shell), "read line <%s", f->gate);
        write_bell_job(f, shell, "QueueMax=5");
        start_with_bell(f);
        for (size_t i = 0; i < ELEMENTSOF(ids); i++)
                ids[i] = ring(f, "bell", i == 0 ? "a" : i == 1 ? "b" : "c");
        WAIT_FOR(f, manager_get_run(f->m, ids[0])->state == RUN_RUNNING);
        assert_int_equal(ledger_put(f->m->ledger, "bell", "run", ids[1], "?", 1), 0);
        stop(f);
        start_with_bell(f);
        assert_int_equal(seen.n_restored, 2);
        let_go(f, 3);
        WAIT_FOR(f, is_over(f, ids[2]));
        assert_int_equal(n_kept(f), 1); /* who can read it may come again */
}

static int find_bell(const char *topic, const char *message, void *userdata) {
        *(unsigned *)userdata += streq(topic, "bell");
        assert_false(streq(topic, "timer"));
        return 0;
}

static int find_listed(const char *key, const char *value, const char *state, const char *message, void *userdata) {
        *(unsigned *)userdata += streq(key, "Bell") && streq(value, "bell") && streq(state, "silent");
        return 0;
}

static int find_counter(const char *name, uint64_t value, void *userdata) {
        *(unsigned *)userdata += streq(name, "started") && value == 1;
        return 0;
}

static int refuse_listed(const char *key, const char *value, const char *state, const char *message, void *userdata) {
        return -ENOMEM;
}

static int refuse_counter(const char *name, uint64_t value, void *userdata) {
        return -ENOMEM;
}

static int refuse_topic(const char *topic, const char *message, void *userdata) {
        return -ENOMEM;
}

static void test_people_are_told(void **state) {
        Fixture *f = *state;
        unsigned n = 0;

        write_bell_job(f, "true", "");
        start_with_bell(f);
        assert_int_equal(manager_explain(f->m, job(f, "bell"), find_bell, &n), 0);
        assert_int_equal(manager_list_triggers(f->m, job(f, "bell"), find_listed, &n), 0);
        assert_int_equal(manager_list_watch_counters(f->m, job(f, "bell"), find_counter, &n), 0);
        assert_int_equal(n, 3);
        assert_int_equal(manager_list_triggers(f->m, job(f, "bell"), refuse_listed, NULL), -ENOMEM);
        assert_int_equal(manager_list_watch_counters(f->m, job(f, "bell"), refuse_counter, NULL), -ENOMEM);
        assert_int_equal(manager_explain(f->m, job(f, "bell"), refuse_topic, NULL), -ENOMEM);
        assert_int_equal(manager_explain_path(f->m, job(f, "bell"), "/file", 5, refuse_topic, NULL), -ENOMEM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_payload_reaches_the_run),
                TEST(test_payload_is_there_after_a_restart),
                TEST(test_another_try_has_it),
                TEST(test_payload_is_kept),
                TEST(test_forgotten),
                TEST(test_written),
                TEST(test_preempted),
                TEST(test_preempted_among_others),
                TEST(test_not_started),
                TEST(test_damaged_payload),
                TEST(test_people_are_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* 1,000 jobs with monitors that ask 50 questions, by the probes of src/probe with a kind of their own, on a clock that
 * the test turns: 50 probes, each looked at once at a time, and each monitor raised once. */

#include "condition-fixture.h"

#include <stdlib.h>

#include "fake-executor.h"
#include "probe/kind.h"

#define N_JOBS      1000
#define N_QUESTIONS 50
#define N_EACH      (N_JOBS / N_QUESTIONS)
#define SAMPLE_USEC (30 * USEC_PER_SEC)

static Probes *probes; /* of the daemon that runs */
static unsigned n_alive;
static int64_t values[N_QUESTIONS];
static unsigned begun[N_JOBS];

/* --- the machine --- */

static int look_at(Probe *p, Reading *ret) {
        const char *number = strrchr(p->question.subject, '/') + 1;

        n_alive += !p->state;
        p->state = &values[strtoul(number, NULL, 10)];
        return probe_known(ret, *(int64_t *)p->state);
}

static void stop_looking(Probe *p) {
        n_alive -= p->state != NULL;
}

static const ProbeKind test_kind = { .look = look_at, .stop = stop_looking };

const ProbeKind *__wrap_probe_kind_get(ConditionKind kind);
const ProbeKind *__wrap_probe_kind_get(ConditionKind kind) {
        return &test_kind;
}

int __real_probes_new(Probes **ret, sd_event *event, const ProbesOptions *options);
int __wrap_probes_new(Probes **ret, sd_event *event, const ProbesOptions *options);
int __wrap_probes_new(Probes **ret, sd_event *event, const ProbesOptions *options) {
        int r = __real_probes_new(ret, event, options);

        probes = *ret;
        return r;
}

/* What the fixture asks of fake-probe.c. */
unsigned fake_probe_n(void) {
        return n_alive;
}

void fake_probe_forget(void) {
}

/* --- the jobs --- */

static const char *name_of(unsigned i) {
        static char name[16];

        (void)snprintf(name, sizeof(name), "j%u", i);
        return name;
}

static void on_began(uint64_t id, const ExecutionRequest *r) {
        begun[strtoul(r->run->job + 1, NULL, 10)]++;
}

static unsigned n_begun(unsigned from, unsigned to) {
        unsigned n = 0;

        for (unsigned i = from; i < to; i++)
                n += begun[i];
        return n;
}

/* Those that ask the same question do not stand beside each other. */
static unsigned question_of(unsigned job) {
        return job % N_QUESTIONS;
}

static int setup(void **state) {
        int r = condition_setup(state);

        memset(values, 0, sizeof(values));
        memset(begun, 0, sizeof(begun));
        fake_world.began = on_began;
        for (unsigned i = 0; i < N_JOBS; i++) {
                char text[128];

                (void)snprintf(text, sizeof(text), "[Monitor]\nWhen=entries /q/%u > 100\n[Run]\nShell=x\n",
                               question_of(i));
                write_job(name_of(i), text);
        }
        return r;
}

static void assert_each_is(const char *state, unsigned questions) {
        for (unsigned i = 0; i < N_JOBS; i++)
                if (question_of(i) < questions)
                        assert_string_equal(monitor_state(name_of(i)), state);
}

static void test_many(void **state) {
        uint64_t before;

        start();
        assert_int_equal(probes->n_probes, N_QUESTIONS);
        assert_int_equal(n_alive, N_QUESTIONS);
        assert_int_equal(probes->n_looks, N_QUESTIONS); /* and not 1,000 */
        assert_each_is("ok", N_QUESTIONS);

        /* Nothing moves: a round of looks every 24 to 30 seconds. */
        advance(10 * MINUTES);
        before = probes->n_looks;
        advance(10 * MINUTES);
        assert_in_range(probes->n_looks - before, 20 * N_QUESTIONS, 25 * N_QUESTIONS);
        assert_int_equal((probes->n_looks - before) % N_QUESTIONS, 0);
        assert_int_equal(n_begun(0, N_JOBS), 0);

        /* One question after the other becomes true. */
        for (unsigned q = 0; q < N_QUESTIONS; q++) {
                values[q] = 200;
                advance(SAMPLE_USEC);
                assert_int_equal(n_begun(0, N_JOBS), (q + 1) * N_EACH);
                for (unsigned i = 0; i < N_JOBS; i++)
                        assert_int_equal(begun[i], question_of(i) <= q);
        }
        assert_each_is("raised", N_QUESTIONS);
        advance(HOURS);
        restart();
        assert_int_equal(probes->n_probes, N_QUESTIONS);
        assert_int_equal(probes->n_looks, N_QUESTIONS);
        advance(HOURS);
        assert_int_equal(n_begun(0, N_JOBS), N_JOBS);
        for (unsigned i = 0; i < N_JOBS; i++)
                assert_int_equal(count_cause(name_of(i), RUN_CAUSE_MONITOR), 1);

        /* And false, all at once. */
        memset(values, 0, sizeof(values));
        advance(SAMPLE_USEC);
        assert_each_is("clearing", N_QUESTIONS);
        advance(MINUTES);
        assert_each_is("ok", N_QUESTIONS);
        assert_int_equal(n_begun(0, N_JOBS), N_JOBS);
        stop();
        assert_int_equal(n_alive, 0);
}

/* A question ends with the last job that asks it. */
static void test_some_go(void **state) {
        start();
        for (unsigned i = 0; i < N_JOBS; i++)
                if (question_of(i) > 0 || i > 0)
                        remove_job(name_of(i));
        reload();
        assert_int_equal(probes->n_probes, 1);
        remove_job(name_of(0));
        reload();
        assert_int_equal(probes->n_probes, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_many, setup, condition_teardown),
                cmocka_unit_test_setup_teardown(test_some_go, setup, condition_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Questions of a test, and what was told of them; and a directory in place of /, with files of /proc and /sys. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "probe/kind.h"
#include "util/file.h"

typedef struct TestUse {
        ProbeUse use; /* first */
        ConditionTest test;
        unsigned n_told;
        Reading told[32]; /* reasons are not kept */
} TestUse;

static char test_root[] = "/tmp/vakt-probe.XXXXXX";
static sd_event *test_event;
static Probes *test_probes;

static inline void test_changed(ProbeUse *use) {
        TestUse *t = (TestUse *)(void *)use;

        if (t->n_told < ELEMENTSOF(t->told)) {
                t->told[t->n_told] = *probe_reading(use);
                t->told[t->n_told].reason = NULL;
        }
        t->n_told++;
}

/* One that is not used yet. */
static inline TestUse test_use_of(ConditionKind kind, const char *subject, const char *aspect) {
        return (TestUse){
                .use = { .sample_max = PROBE_SAMPLE_DEFAULT_USEC, .changed = test_changed },
                .test = { .question = { kind, (char *)subject, (char *)aspect }, .op = CONDITION_GREATER },
        };
}

static inline void test_begin(TestUse *t) {
        t->use.test = &t->test;
        assert_int_equal(probe_use(test_probes, &t->use), 0);
}

static inline const Reading *test_reading(const TestUse *t) {
        return probe_reading(&t->use);
}

/* Runs the loop until something is so. */
#define WAIT_FOR(condition)                                                              \
        do {                                                                             \
                usec_t _end = now_boottime() + 30 * USEC_PER_SEC;                        \
                                                                                         \
                while (!(condition)) {                                                   \
                        if (now_boottime() > _end)                                       \
                                fail_msg("waited in vain for " #condition);              \
                        assert_true(sd_event_run(test_event, 100 * USEC_PER_MSEC) >= 0); \
                }                                                                        \
        } while (false)

static inline void put_file(const char *path, const char *text) {
        char whole[512], *slash;
        FILE *f;

        (void)snprintf(whole, sizeof(whole), "%s/%s", test_root, path);
        slash = strrchr(whole, '/');
        *slash = '\0';
        assert_int_equal(make_directories(whole, 0755), 0);
        *slash = '/';
        f = fopen(whole, "we");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static inline void remove_file(const char *path) {
        char whole[512];

        (void)snprintf(whole, sizeof(whole), "%s/%s", test_root, path);
        assert_int_equal(remove(whole), 0);
}

static inline void remove_root(void) {
        char command[64];

        (void)snprintf(command, sizeof(command), "rm -rf %s", test_root);
        assert_int_equal(system(command), 0);
        (void)strcpy(test_root, "/tmp/vakt-probe.XXXXXX");
}

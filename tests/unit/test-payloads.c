/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What triggers give runs, as the ledger keeps it: it comes back as it was, and bytes that are damaged are nothing.
 * And what the paths in it are made of. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "trigger/kinds.h"
#include "trigger/path-job.h"

extern const TriggerOps path_trigger_ops, monitor_trigger_ops;

#define BYTES(s) s, sizeof(s) - 1
#define ID       "\1\0\0\0\0\0\0\0"

typedef struct Case {
        const char *bytes;
        size_t n;
        bool is_good;
} Case;

static const Case of_paths[] = {
        { BYTES("L/a\0"), true },
        { BYTES("L/a\0/b\0"), true },
        { BYTES("E/a\0"), true },
        { BYTES("S" ID "\1\0\0\0/s\0name\0/s/.x/name\0"), true },
        { BYTES("S" ID "\x40\x42\x0f\0/s\0name\0/s/.x/name\0"), true }, /* the last try of all */
        { BYTES(""), false },
        { BYTES("L"), false },
        { BYTES("L/a"), false },
        { BYTES("X/a\0"), false },
        { BYTES("\0/a\0"), false },
        { BYTES("S"), false },
        { BYTES("S\1\0\0"), false },
        { BYTES("S" ID), false },
        { BYTES("S" ID "\1\0\0"), false },
        { BYTES("S" ID "\1\0\0\0"), false },
        { BYTES("S" ID "\1\0\0\0/s"), false },
        { BYTES("S" ID "\1\0\0\0/s\0"), false },
        { BYTES("S" ID "\1\0\0\0/s\0name"), false },
        { BYTES("S" ID "\1\0\0\0/s\0name\0"), false },
        { BYTES("S" ID "\1\0\0\0/s\0name\0/s/.x/name"), false },
        { BYTES("S" ID "\0\0\0\0/s\0name\0/s/.x/name\0"), false },
        { BYTES("S" ID "\x41\x42\x0f\0/s\0name\0/s/.x/name\0"), false },
};

static const Case of_monitors[] = {
        { BYTES("MA=1\0"), true }, { BYTES("MA=1\0B=2\0"), true }, { BYTES(""), false },        { BYTES("M"), false },
        { BYTES("MA=1"), false },  { BYTES("NA=1\0"), false },     { BYTES("\0A=1\0"), false },
};

static void check(const TriggerOps *ops, const Case *cases, size_t n) {
        Trigger t = { .ops = ops };

        for (size_t i = 0; i < n; i++) {
                RunPayload *payload = NULL;
                char *bytes, *exact = malloc(cases[i].n);
                size_t n_bytes;
                int r;

                /* Of just this size, so that sanitizers see who reads on. */
                assert_true(exact || cases[i].n == 0);
                if (cases[i].n > 0)
                        memcpy(exact, cases[i].bytes, cases[i].n);
                r = ops->unpack(&t, exact ?: "", cases[i].n, &payload);
                free(exact);
                if (r != (cases[i].is_good ? 0 : -EBADMSG))
                        fail_msg("case %zu: %d", i, r);
                if (r < 0)
                        continue;
                assert_true(payload->ops == ops);
                assert_true(payload->is_empty == (ops == &monitor_trigger_ops)); /* what it saw is for no other run */
                assert_int_equal(ops->pack(payload, &bytes, &n_bytes), 0);
                assert_int_equal(n_bytes, cases[i].n);
                assert_memory_equal(bytes, cases[i].bytes, n_bytes);
                free(bytes);
                assert_null(ops->free_payload(payload));
        }
}

static void test_bytes(void **state) {
        check(&path_trigger_ops, of_paths, ELEMENTSOF(of_paths));
        check(&monitor_trigger_ops, of_monitors, ELEMENTSOF(of_monitors));
}

static void test_what_a_run_of_paths_knows(void **state) {
        static const Case *list = &of_paths[1], *one = &of_paths[2], *item = &of_paths[3];
        Trigger t = { .ops = &path_trigger_ops };
        RunPayload *payload;
        RunPaths *rp;
        char *text;

        assert_int_equal(path_trigger_ops.unpack(&t, list->bytes, list->n, &payload), 0);
        rp = (RunPaths *)payload;
        assert_true(rp->n == 2 && rp->size == 6 && !rp->one && !rp->spool && !rp->is_found);
        text = run_paths_text(rp);
        assert_string_equal(text, "/a and 1 more");
        free(text);
        path_trigger_ops.free_payload(payload);
        assert_int_equal(path_trigger_ops.unpack(&t, one->bytes, one->n, &payload), 0);
        rp = (RunPaths *)payload;
        assert_true(rp->n == 1 && rp->one);
        text = run_paths_text(rp);
        assert_string_equal(text, "/a");
        free(text);
        path_trigger_ops.free_payload(payload);
        assert_int_equal(path_trigger_ops.unpack(&t, item->bytes, item->n, &payload), 0);
        rp = (RunPaths *)payload;
        assert_true(rp->n == 1 && rp->one && rp->item.id == 1 && rp->item.attempt == 1);
        assert_string_equal(rp->spool, "/s");
        assert_string_equal(rp->item.name, "name");
        text = run_paths_text(rp);
        assert_string_equal(text, "/s/name");
        free(text);
        path_trigger_ops.free_payload(payload);
}

/* --- paths --- */

static void test_below(void **state) {
        assert_string_equal(path_below("/a", "/a"), "");
        assert_string_equal(path_below("/a", "/a/b/c"), "b/c");
        assert_null(path_below("/a", "/ab"));
        assert_null(path_below("/a", "/b"));
        assert_null(path_below("/a/b", "/a"));
        assert_string_equal(path_below("/", "/a"), "a");
        assert_string_equal(path_below("/", "/"), "");
}

static void test_absolute(void **state) {
        static const struct {
                const char *source, *path, *whole;
        } table[] = {
                { "/a", "b", "/a/b" }, { "/a", "b/c", "/a/b/c" }, { "/a", "", "/a" },
                { "/", "b", "/b" },    { "/", "", "/" },          { "/a/*", "/a/b", "/a/b" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                const PathSource source = { .path = (char *)table[i].source };
                char longer[32], *whole;
                size_t n;

                /* What follows is not part of it. */
                (void)snprintf(longer, sizeof(longer), "%s/more", table[i].path);
                whole = path_absolute(&source, table[i].path[0] ? longer : "", strlen(table[i].path), &n);
                assert_string_equal(whole, table[i].whole);
                assert_int_equal(n, strlen(table[i].whole));
                free(whole);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bytes),
                cmocka_unit_test(test_what_a_run_of_paths_knows),
                cmocka_unit_test(test_below),
                cmocka_unit_test(test_absolute),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

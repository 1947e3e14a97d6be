/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ids are never used twice, records come back newest first, what no longer fits is forgotten in order. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "ledger/ledger.h"
#include "util/log.h"

static char folder[] = "/tmp/vakt-test-ledger-XXXXXX";

static int make_folder(void **state) {
        return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
        char path[sizeof(folder) + 16];

        (void)snprintf(path, sizeof(path), "%s/next-run", folder);
        (void)unlink(path);
        (void)snprintf(path, sizeof(path), "%s/boot", folder);
        (void)unlink(path);
        return rmdir(folder);
}

static uint64_t add(Ledger *l, const char *job) {
        RunRecord r = { .job = (char *)job, .state = RUN_QUEUED };

        assert_int_equal(ledger_add(l, &r), 0);
        return r.id;
}

typedef struct Seen {
        uint64_t ids[8];
        size_t n;
} Seen;

static int see(const RunRecord *r, void *userdata) {
        Seen *s = userdata;

        s->ids[s->n++] = r->id;
        return s->n == ELEMENTSOF(s->ids);
}

static void test_ids_over_restarts(void **state) {
        uint64_t last = 0;

        for (unsigned i = 0; i < 5; i++) {
                _cleanup_(ledger_closep) Ledger *l = NULL;

                assert_int_equal(ledger_open(&l, folder), 0);
                for (unsigned k = 0; k < 150; k++) {
                        uint64_t id = add(l, "a");

                        assert_true(id > last);
                        last = id;
                }
        }
}

static void test_first_of_boot(void **state) {
        _cleanup_(ledger_closep) Ledger *l = NULL;
        int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

        (void)unlinkat(fd, "boot", 0);
        assert_int_equal(ledger_open(&l, folder), 0);
        assert_true(ledger_is_first_of_boot(l));
        l = ledger_close(l);
        assert_int_equal(ledger_open(&l, folder), 0);
        assert_false(ledger_is_first_of_boot(l));
        close(fd);
}

static void test_update_and_list(void **state) {
        _cleanup_(ledger_closep) Ledger *l = NULL;
        RunRecord done = {
                .job = (char *)"b", .state = RUN_DONE, .result = RUN_RESULT_EXIT, .code = 3, .reason = (char *)"why"
        };
        Seen s = {};
        uint64_t a, b, c;

        assert_int_equal(ledger_open(&l, folder), 0);
        a = add(l, "a");
        b = add(l, "b");
        c = add(l, "a");
        done.id = b;
        assert_int_equal(ledger_update(l, &done), 0);
        assert_int_equal(ledger_get(l, b)->code, 3);
        assert_string_equal(ledger_get(l, b)->reason, "why");
        assert_null(ledger_get(l, 0));
        assert_null(ledger_get(l, c + 1));

        assert_int_equal(ledger_list(l, "a", 0, 10, see, &s), 0);
        assert_int_equal(s.n, 2);
        assert_int_equal(s.ids[0], c);
        assert_int_equal(s.ids[1], a);
        s.n = 0;
        assert_int_equal(ledger_list(l, NULL, c, 1, see, &s), 0);
        assert_int_equal(s.n, 1);
        assert_int_equal(s.ids[0], b);
        s.n = 0;
        assert_int_equal(ledger_list(l, NULL, UINT64_MAX, 0, see, &s), 0);
        assert_int_equal(s.n, 0);
}

static void test_bounded(void **state) {
        _cleanup_(ledger_closep) Ledger *l = NULL;
        uint64_t first, last = 0;

        assert_int_equal(ledger_open(&l, folder), 0);
        first = add(l, "old");
        for (unsigned i = 0; i < LEDGER_RUNS_MAX; i++)
                last = add(l, "new");
        assert_null(ledger_get(l, first));
        assert_non_null(ledger_get(l, first + 1));
        assert_non_null(ledger_get(l, last));
        assert_int_equal(ledger_update(l, &(RunRecord){ .id = first, .job = (char *)"old" }), 0);
        assert_null(ledger_get(l, first));
}

/* A folder that cannot be written to costs the memory of ids, not the daemon. */
static void test_unwritable(void **state) {
        _cleanup_(ledger_closep) Ledger *l = NULL;

        log_open(LOG_TARGET_NULL);
        assert_int_equal(ledger_open(&l, "/proc"), 0);
        assert_int_equal(add(l, "a"), 1);
        log_open(LOG_TARGET_STDERR);
        assert_int_equal(ledger_open(&l, "/nonexistent"), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ids_over_restarts), cmocka_unit_test(test_first_of_boot),
                cmocka_unit_test(test_update_and_list),   cmocka_unit_test(test_bounded),
                cmocka_unit_test(test_unwritable),
        };

        return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

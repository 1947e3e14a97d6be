/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a watch for a user's runs sees, and which symbolic links are followed for root's. Needs root, since it needs
 * other users: is skipped without. */

#include "test-watch.h"

enum { ALICE = 54321, BOB = 54322 };

static Identity alice = { .uid = ALICE, .gid = ALICE };

static void make(const char *path, uid_t uid, mode_t mode) {
        make_directory(path);
        assert_int_equal(chown(path, uid, uid), 0);
        assert_int_equal(chmod(path, mode), 0);
}

static void make_link(const char *target, const char *path, uid_t uid) {
        assert_int_equal(symlink(target, path), 0);
        assert_int_equal(lchown(path, uid, uid), 0);
}

static int set_up(void **state) {
        int r = setup_world(state);

        if (r < 0 || chmod(w.directory, 0755) < 0)
                return -1;
        make(at("alice"), ALICE, 0755);
        make(at("alice/dir"), ALICE, 0755);
        make(at("bob"), BOB, 0755);
        make(at("bob/secret"), BOB, 0700);
        write_file(at("bob/secret/diary"), "x");
        return 0;
}

static void explains(const Watch *watch, const char *words) {
        _cleanup_free_ char *text = NULL;

        assert_int_equal(watch_explain(watch, &text), 0);
        if (!strstr(text, words))
                fail_msg("\"%s\" is not in \"%s\"", words, text);
}

static void change_secret(void) {
        write_file(at("bob/secret/letter"), "x");
        write_file(at("bob/secret/diary"), "y");
        settle();
}

/* Alice has the names of Bob's files told to her job by a link in the place of what is watched. */
static void test_link(void **state) {
        const WatchKind kinds[] = { WATCH_TREE, WATCH_PATH_CHANGED };

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                for (unsigned as_alice = 0; as_alice < 2; as_alice++) {
                        Watch *watch = start_watch(&(WatchDef){ .kind = kinds[i],
                                                                .path = at("alice/dir"),
                                                                .events = WATCH_ALL,
                                                                .recursive = true,
                                                                .identity = as_alice ? &alice : NULL });

                        assert_int_equal(rename(at("alice/dir"), at("alice/old")), 0);
                        make_link("../bob/secret", at("alice/dir"), ALICE);
                        settle();
                        forget_records();
                        change_secret();
                        assert_n_reported(0);
                        if (as_alice)
                                explains(watch, "read");
                        else
                                explains(watch, "symbolic link that other users can change");
                        unlink(at("alice/dir"));
                        assert_int_equal(rename(at("alice/old"), at("alice/dir")), 0);
                        settle();
                        forget_records();
                        write_file(at("alice/dir/hers"), "x");
                        settle();
                        assert_int_equal(count_of("hers"), 1);
                        unlink(at("alice/dir/hers"));
                        stop_watch(watch);
                        forget_records();
                }
}

/* Bob's private directory within her tree, which he has made there or she has moved there. */
static void test_tree(void **state) {
        Watch *watch;

        assert_int_equal(chmod(at("alice/dir"), 0777), 0);
        assert_int_equal(rename(at("bob/secret"), at("alice/dir/secret")), 0);
        watch = start_watch(&(WatchDef){ .kind = WATCH_TREE,
                                         .path = at("alice/dir"),
                                         .events = WATCH_ALL,
                                         .recursive = true,
                                         .identity = &alice });
        write_file(at("alice/dir/secret/letter"), "x");
        write_file(at("alice/dir/hers"), "x");
        settle();
        assert_n_reported(1);
        assert_string_equal(w.records[0].path, "hers");
        explains(watch, "1 directory below");
        stop_watch(watch);
}

/* Her own links are followed for her, and root's for root. */
static void test_followed(void **state) {
        Watch *watch;

        make_link("../alice/dir", at("bob/link"), BOB);
        make_link("alice/dir", at("roots-link"), 0);
        watch = start_watch(&(WatchDef){ .kind = WATCH_PATH_CHANGED, .path = at("bob/link"), .identity = &alice });
        write_file(at("alice/dir/a"), "x");
        settle();
        assert_int_equal(count_of("a"), 1);
        stop_watch(watch);
        forget_records();
        watch = start_watch(&(WatchDef){ .kind = WATCH_PATH_CHANGED, .path = at("roots-link") });
        write_file(at("alice/dir/b"), "x");
        settle();
        assert_int_equal(count_of("b"), 1);
        stop_watch(watch);
}

static void test_conditions(void **state) {
        Watch *hers, *roots, *link;

        hers = start_watch(
                &(WatchDef){ .kind = WATCH_PATH_EXISTS, .path = at("bob/secret/diary"), .identity = &alice });
        roots = start_watch(&(WatchDef){ .kind = WATCH_PATH_EXISTS, .path = at("bob/secret/other") });
        assert_n_reported(0);
        write_file(at("bob/secret/other"), "x");
        settle();
        assert_n_reported(1);
        make_link("../bob/secret", at("alice/link"), ALICE);
        link = start_watch(&(WatchDef){ .kind = WATCH_PATH_EXISTS, .path = at("alice/link/diary") });
        assert_n_reported(1);
        assert_int_equal(watch_state(link), WATCH_DEGRADED);
        explains(link, "symbolic link that other users can change");
        stop_watch(link);
        stop_watch(roots);
        stop_watch(hers);
}

/* What is reported is reported as ourselves: core writes to the ledger then. */
static void on_changed_as_root(void *userdata, Watch *watch, const Change *c) {
        write_file(at("only-root-can"), "x");
        on_changed(userdata, watch, c);
}

static void on_state_changed_as_root(void *userdata, Watch *watch) {
        write_file(at("only-root-can"), "x");
}

static void test_reports(void **state) {
        static const WatchOps ops = { .changed = on_changed_as_root, .state_changed = on_state_changed_as_root };
        const WatchDef defs[] = {
                { .kind = WATCH_TREE, .events = WATCH_ALL },
                { .kind = WATCH_PATH_CHANGED },
                { .kind = WATCH_PATH_EXISTS },
        };

        for (size_t i = 0; i < ELEMENTSOF(defs); i++) {
                WatchDef def = defs[i];
                Watch *watch;

                def.path = at("alice/dir%s", i == 2 ? "/x" : "");
                def.identity = &alice;
                assert_int_equal(watch_new(&watch, w.watcher, &def, &ops, NULL), 0);
                settle();
                write_file(at("alice/dir/x"), "x");
                settle();
                assert_true(w.n_records > 0);
                unlink(at("alice/dir/x"));
                settle();
                watch_free(watch);
                forget_records();
        }
}

#define owners_test(f) cmocka_unit_test_setup_teardown(f, set_up, teardown_world)

int main(void) {
        const struct CMUnitTest tests[] = {
                owners_test(test_link),       owners_test(test_tree),    owners_test(test_followed),
                owners_test(test_conditions), owners_test(test_reports),
        };

        if (!tests_are_possible())
                return 0;
        if (geteuid() != 0) {
                (void)printf("1..0 # SKIP needs root\n");
                return 0;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}

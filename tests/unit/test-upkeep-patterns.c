/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where the globs of Path= lead to, and where not. Needs root, since it needs other users: is skipped without. */

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "scratch-tree.h"
#include "upkeep/patterns.h"
#include "util/strv.h"

/* --- what a walk came to --- */

typedef struct Found {
        char **places, **refused;
} Found;

static int on_visit(void *userdata, Workplace *place, const Pattern *p) {
        Found *f = userdata;

        assert_true(startswith(place->path, top));
        return strv_extendf(&f->places, "%s%s", place->path + strlen(top), place->acts_as_owner ? " as owner" : "");
}

static void on_refused(void *userdata, const char *path, int error, const char *reason) {
        Found *f = userdata;

        assert_non_null(reason);
        assert_int_equal(strv_extendf(&f->refused, "%s: %s", path + strlen(top), reason), 0);
}

static void found_done(Found *f) {
        f->places = strv_free(f->places);
        f->refused = strv_free(f->refused);
}

static void find(Found *f, const char *pattern, char *const *exclude) {
        _cleanup_(path_filter_freep) PathFilter *filter = NULL;
        _cleanup_(pattern_freep) Pattern *p = NULL;

        assert_int_equal(path_filter_new(&filter, NULL, exclude, NULL), 0);
        assert_int_equal(pattern_new(&p, at(pattern)), 0);
        assert_int_equal(pattern_walk(p, &(PatternVisitor){ .visit = on_visit,
                                                            .refused = on_refused,
                                                            .userdata = f,
                                                            .filter = filter }),
                         0);
}

static bool has(char *const *list, const char *text) {
        STRV_FOREACH(s, list)
                if (strstr(*s, text))
                        return true;
        return false;
}

static bool has_place(const Found *f, const char *path) {
        STRV_FOREACH(s, f->places)
                if (streq(*s, path))
                        return true;
        return false;
}

/* --- tests --- */

static void test_walk(void **state) {
        char *const exclude[] = { (char *)"c", NULL };
        _cleanup_(found_done) Found f = {};

        make("w", 0, 0755);
        make("w/a", 0, 0755);
        make("w/a/log", 0, 0755);
        make("w/b", ALICE, 0755);
        make("w/b/log", ALICE, 0755);
        make("w/c", 0, 0755);
        make("w/c/log", 0, 0755);
        assert_int_equal(symlink("a", at("w/linked")), 0);
        find(&f, "w/a/log/x.log", NULL);
        assert_int_equal(strv_length(f.places), 1);
        assert_true(has_place(&f, "/w/a/log"));
        found_done(&f);
        find(&f, "w/[ab]/log/*.log", NULL);
        assert_int_equal(strv_length(f.places), 2);
        assert_true(has_place(&f, "/w/a/log") && has_place(&f, "/w/b/log as owner"));
        found_done(&f);
        find(&f, "w/*/log/*", NULL);
        assert_int_equal(strv_length(f.places), 3);
        found_done(&f);
        find(&f, "w/*/log/*", exclude);
        assert_int_equal(strv_length(f.places), 2);
        assert_null(f.refused);
        found_done(&f);
        find(&f, "w/linked/log/x", NULL); /* root's link, in the part without wildcards */
        assert_int_equal(strv_length(f.places), 1);
}

static void test_refusals(void **state) {
        _cleanup_(found_done) Found f = {};

        make("r", 0, 0755);
        make("r/alice", ALICE, 0755);
        make("r/alice/bob", BOB, 0755);
        make("r/open", 0, 0777);
        make("r/drop", 0, 01777);
        make("r/group", 0, 0775);
        assert_int_equal(chown(at("r/group"), 0, BOB), 0);
        find(&f, "r/*/*/x", NULL);
        assert_null(f.places);
        assert_true(has(f.refused, "/r/alice/bob belongs to"));
        assert_true(has(f.refused, "/r/open is writable by other users"));
        assert_true(has(f.refused, "/r/group is writable by other users"));
        assert_false(has(f.refused, "drop"));
        found_done(&f);
        assert_int_equal(symlink("/etc", at("r/alice/link")), 0);
        find(&f, "r/a*/link/passwd", NULL);
        assert_null(f.places);
        assert_true(has(f.refused, "/r/alice/link is a symbolic link"));
        found_done(&f);
        find(&f, "r/none/x", NULL);
        assert_true(has(f.refused, "does not exist"));
}

/* Who fills his directory harms himself only. */
static void test_too_many(void **state) {
        _cleanup_(found_done) Found f = {};
        char name[64];

        make("many", 0, 0755);
        make("many/alice", ALICE, 0755);
        make("many/bob", BOB, 0755);
        make("many/bob/a", BOB, 0755);
        for (unsigned i = 0; i < PATTERN_DIRECTORIES_OF_USER_MAX + 2; i++) {
                (void)snprintf(name, sizeof(name), "many/alice/%u", i);
                make(name, ALICE, 0755);
        }
        find(&f, "many/*/*/x", NULL);
        assert_true(has(f.places, "/many/bob/a"));
        assert_true(has(f.refused, "/many/alice"));
        assert_int_equal(strv_length(f.places), PATTERN_DIRECTORIES_OF_USER_MAX + 1);
}

/* In namespaces of a child, so that nothing stays mounted. */
static void test_mounts(void **state) {
        int status;
        pid_t pid;

        make("m", 0, 0755);
        make("m/here", 0, 0755);
        make("m/there", 0, 0755);
        pid = fork();
        if (pid == 0) {
                _cleanup_(found_done) Found f = {};

                if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
                    mount(at("m/here"), at("m/there"), "none", MS_BIND, NULL) < 0)
                        _exit(77);
                find(&f, "m/*/x", NULL);
                if (strv_length(f.places) != 1 || !has(f.refused, "m/there is where something else is mounted"))
                        _exit(1);
                find(&f, "m/there/x*", NULL); /* before the first wildcard it is meant */
                _exit(strv_length(f.places) == 2 ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77)
                skip();
        assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_texts(void **state) {
        static const char *const bad[] = { "x", "/a/", "/", "/a/../b", "/a/*/./b", "/a/*/\\" };
        _cleanup_(pattern_freep) Pattern *p = NULL;
        char deep[2 * PATTERN_DEPTH_MAX + 3] = "";

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(pattern_new(&p, bad[i]), -EINVAL);
        assert_int_equal(pattern_new(&p, "/x"), 0);
        assert_string_equal(pattern_literal(p), "x");
        p = pattern_free(p);
        assert_int_equal(pattern_new(&p, "/var/log/*.log"), 0);
        assert_true(pattern_matches(p, "a.log") && !pattern_matches(p, "a.log.1"));
        assert_null(pattern_literal(p));
        p = pattern_free(p);
        for (unsigned i = 0; i <= PATTERN_DEPTH_MAX; i++)
                (void)strcat(deep, "/*");
        assert_int_equal(pattern_new(&p, deep), -E2BIG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_texts),  cmocka_unit_test(test_walk),     cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_mounts), cmocka_unit_test(test_too_many),
        };

        if (geteuid() != 0) {
                puts("1..0 # SKIP needs root");
                return 0;
        }
        return cmocka_run_group_tests(tests, make_top, remove_top);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Watches against the real kernel: what each kind reports, names of any bytes, moves, symbolic links, paths that are
 * not there yet. The large trees are in test-watch-large.c, mounts and limits in test-watch-mounts.c. */

#include "test-watch.h"

#include "watch/path-chain.h"

/* --- trees --- */

static void test_file_is_reported_once(void **state) {
        Watch *watch = start_tree(w.directory, WATCH_COMPLETE | WATCH_DELETE);

        write_file(at("a"), "1");
        settle();
        assert_n_reported(1);
        assert_reported("a", WATCH_CLOSE);
        assert_false(record_of("a")->synthetic);

        forget_records();
        write_file(at("a"), "22");
        settle();
        assert_reported("a", WATCH_CLOSE);

        forget_records();
        unlink(at("a"));
        settle();
        assert_n_reported(1);
        assert_reported("a", WATCH_DELETE);
        stop_watch(watch);
}

/* Directories are watched by way of the current one, which nobody else notices. */
static void test_current_directory(void **state) {
        char before[PATH_MAX], after[PATH_MAX];
        Watch *watch;

        make_directory(at("a"));
        assert_non_null(getcwd(before, sizeof(before)));
        watch = start_tree(w.directory, WATCH_COMPLETE);
        assert_non_null(getcwd(after, sizeof(after)));
        assert_string_equal(after, before);
        write_file(at("a/b"), "1");
        settle();
        assert_reported("a/b", WATCH_CLOSE);
        stop_watch(watch);
}

/* All that may happen to a file, each by its name. */
static void test_events(void **state) {
        Watch *watch = start_tree(w.directory, WATCH_ALL);
        int fd;

        fd = open(at("a"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        settle();
        assert_reported("a", WATCH_CREATE);
        forget_records();
        assert_int_equal(write(fd, "x", 1), 1);
        settle();
        assert_reported("a", WATCH_WRITE);
        forget_records();
        close(fd);
        settle();
        assert_reported("a", WATCH_CLOSE);
        forget_records();
        assert_int_equal(chmod(at("a"), 0640), 0);
        settle();
        assert_reported("a", WATCH_ATTRIB);
        forget_records();
        assert_int_equal(rename(at("a"), at("b")), 0);
        settle();
        assert_n_reported(2);
        assert_reported("a", WATCH_DELETE);
        assert_reported("b", WATCH_CREATE | WATCH_WRITE | WATCH_MOVE);
        assert_string_equal(record_of("b")->from, "a");
        stop_watch(watch);
}

/* What is never written is complete when it appears. */
static void test_links_and_fifos(void **state) {
        Watch *watch;

        write_file(at("file"), "x");
        watch = start_tree(w.directory, WATCH_COMPLETE);
        assert_int_equal(symlink("/nowhere", at("symlink")), 0);
        assert_int_equal(link(at("file"), at("hard")), 0);
        assert_int_equal(mkfifo(at("fifo"), 0600), 0);
        settle();
        assert_n_reported(3);
        assert_reported("symlink", WATCH_CLOSE);
        assert_reported("hard", WATCH_CLOSE);
        assert_reported("fifo", WATCH_CLOSE);
        stop_watch(watch);
}

/* Files that get their name when they are complete, or before. */
static void test_files_without_a_name(void **state) {
        Watch *watch = start_tree(w.directory, WATCH_COMPLETE);
        char path[64];
        int fd, other;

        fd = open(w.directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0)
                skip();
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        assert_int_equal(linkat(AT_FDCWD, path, AT_FDCWD, at("before"), AT_SYMLINK_FOLLOW), 0);
        settle();
        assert_n_reported(0);
        assert_int_equal(write(fd, "x", 1), 1);
        close(fd);
        settle();
        assert_n_reported(1);
        assert_reported("before", WATCH_CLOSE);

        fd = open(w.directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        other = open(path, O_RDONLY | O_CLOEXEC);
        close(fd);
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", other);
        assert_int_equal(linkat(AT_FDCWD, path, AT_FDCWD, at("after"), AT_SYMLINK_FOLLOW), 0);
        run_until_reported(2); /* it is empty, so somebody may be about to open it: it is looked at once more */
        assert_n_reported(2);
        assert_reported("after", WATCH_CLOSE);
        close(other);
        assert_int_equal(mknod(at("made"), S_IFREG | 0600, 0), 0);
        run_until_reported(3);
        assert_n_reported(3);
        stop_watch(watch);
}

/* Directories that are filled before they can be watched. */
static void test_new_directories(void **state) {
        Watch *watch = start_tree(w.directory, WATCH_COMPLETE);

        make_directory(at("a"));
        make_directory(at("a/b"));
        write_file(at("a/b/1"), "x");
        settle();
        write_file(at("a/b/2"), "x");
        settle();
        assert_n_reported(2);
        assert_reported("a/b/1", WATCH_CLOSE);
        /* Found by reading, but for who hears of it before that. */
        assert_int_equal(record_of("a/b/1")->synthetic, !fanotify_is_used());
        assert_reported("a/b/2", WATCH_CLOSE);
        assert_false(record_of("a/b/2")->synthetic);
        stop_watch(watch);
}

/* A file that is still open when its directory is found is reported when it is closed, and not before. */
static void test_open_file_in_new_directory(void **state) {
        Watch *watch = start_tree(w.directory, WATCH_COMPLETE);
        int fd;

        make_directory(at("a"));
        fd = open(at("a/f"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        settle();
        assert_n_reported(0);
        assert_int_equal(write(fd, "x", 1), 1);
        close(fd);
        settle();
        assert_n_reported(1);
        assert_reported("a/f", WATCH_CLOSE);
        stop_watch(watch);
}

/* While the one directory is read again, a file is written into the other one. */
static void on_changed_write_on(void *userdata, Watch *watch, const Change *c) {
        on_changed(userdata, watch, c);
        if (w.n_records == 1)
                write_file(at(c->path[0] == 'a' ? "b/late" : "a/late"), "x");
}

/* A file that is found by reading its directory before what was heard of it is read is reported once. */
static void test_file_found_before_it_is_heard_of(void **state) {
        static const WatchOps ops = { .changed = on_changed_write_on };
        const WatchDef def = { .kind = WATCH_TREE, .path = w.directory, .events = WATCH_COMPLETE, .recursive = true };
        Watch *watch;

        make_directory(at("a"));
        make_directory(at("b"));
        assert_int_equal(watch_new(&watch, w.watcher, &def, &ops, NULL), 0);
        w.watches[0] = watch;
        settle();
        watch_hold(watch, true);
        write_file(at("a/new"), "x");
        write_file(at("b/new"), "x");
        settle();
        assert_n_reported(0);
        watch_hold(watch, false);
        settle();
        assert_n_reported(3);
        assert_int_equal(count_duplicates(), 0);
        stop_watch(watch);
}

static void test_names(void **state) {
        char longest[NAME_MAX + 1];
        const char *const names[] = { "new\nline", "quote\"'",    "$HOME", "-rf",  "\xff\xfe\x80",
                                      " ",         "back\\slash", "*",     longest };
        Watch *watch = start_tree(w.directory, WATCH_COMPLETE | WATCH_DELETE);

        memset(longest, 'x', NAME_MAX);
        longest[NAME_MAX] = '\0';
        make_directory(at("\xff"));
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                write_file(at("%s", names[i]), "x");
                write_file(at("\xff/%s", names[i]), "x");
        }
        settle();
        assert_n_reported(2 * ELEMENTSOF(names));
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                char below[NAME_MAX + 8];

                (void)snprintf(below, sizeof(below), "\xff/%s", names[i]);
                assert_reported(names[i], WATCH_CLOSE);
                assert_reported(below, WATCH_CLOSE);
        }
        stop_watch(watch);
}

/* A path far beyond PATH_MAX. */
static void test_deep(void **state) {
        Watch *watch = start_tree(w.directory, WATCH_COMPLETE);
        char name[201];
        int fd, next;

        memset(name, 'd', 200);
        name[200] = '\0';
        fd = open(w.directory, O_DIRECTORY | O_CLOEXEC);
        for (unsigned i = 0; i < 50; i++) {
                assert_int_equal(mkdirat(fd, name, 0700), 0);
                next = openat(fd, name, O_DIRECTORY | O_CLOEXEC);
                assert_true(next >= 0);
                close(fd);
                fd = next;
                if (i % 10 == 0)
                        settle();
        }
        settle();
        next = openat(fd, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        close(next);
        close(fd);
        settle();
        assert_n_reported(1);
        assert_int_equal(strlen(w.records[0].path), 50 * 201 + 1);
        stop_watch(watch);
        /* nftw() cannot get there. */
        for (;;) {
                assert_int_equal(rename(at("%s", name), at("old")), 0);
                if (rename(at("old/%s", name), at("%s", name)) < 0)
                        break;
                assert_int_equal(rmdir(at("old")), 0);
        }
}

static void test_private_names(void **state) {
        Watch *watch = start_tree(w.directory, WATCH_ALL);

        make_directory(at(".vakt-claims"));
        write_file(at(".vakt-claims/x"), "x");
        settle();
        assert_n_reported(0);
        stop_watch(watch);
}

static void test_filter(void **state) {
        char *include[] = { (char *)"*.csv", NULL }, *exclude[] = { (char *)"tmp", (char *)"/a/secret.csv", NULL };
        Watch *watch;

        assert_int_equal(path_filter_new(&w.filter, include, exclude, NULL), 0);
        make_directory(at("a"));
        make_directory(at("a/tmp"));
        watch = start_watch(&(WatchDef){ .kind = WATCH_TREE,
                                         .path = w.directory,
                                         .events = WATCH_COMPLETE | WATCH_DELETE,
                                         .recursive = true,
                                         .filter = w.filter });
        assert_int_equal(watch_counters(watch).directories, 2); /* tmp is not even watched */
        write_file(at("a/1.csv"), "x");
        write_file(at("a/1.txt"), "x");
        write_file(at("a/secret.csv"), "x");
        write_file(at("a/tmp/1.csv"), "x");
        settle();
        assert_n_reported(1);
        assert_reported("a/1.csv", WATCH_CLOSE);
        /* Out of sight, and into it. */
        forget_records();
        assert_int_equal(rename(at("a/1.csv"), at("a/1.done")), 0);
        assert_int_equal(rename(at("a/1.txt"), at("a/2.csv")), 0);
        run_until_reported(2);
        assert_n_reported(2);
        assert_reported("a/1.csv", WATCH_DELETE);
        assert_reported("a/2.csv", WATCH_MOVE);
        stop_watch(watch);
}

static int visit_count(const char *path, size_t n, WatchFile kind, void *userdata) {
        ++*(size_t *)userdata;
        return 0;
}

static void test_not_recursive(void **state) {
        size_t n = 0;
        Watch *watch;

        make_directory(at("a"));
        write_file(at("there"), "x");
        watch = start_watch(&(WatchDef){
                .kind = WATCH_TREE, .path = w.directory, .events = WATCH_COMPLETE, .report_existing = true });
        write_file(at("a/1"), "x");
        write_file(at("2"), "x");
        settle();
        assert_n_reported(2);
        assert_reported("there", WATCH_CLOSE);
        assert_reported("2", WATCH_CLOSE);
        assert_int_equal(watch_visit(watch, visit_count, &n), 0);
        assert_int_equal(n, 2);
        stop_watch(watch);
}

/* --- moves --- */

static void test_moved_directory(void **state) {
        Watch *watch;

        make_directory(at("in"));
        make_directory(at("in/a"));
        make_directory(at("in/a/b"));
        write_file(at("in/a/b/1"), "x");
        make_directory(at("out"));
        watch = start_tree(at("in"), WATCH_COMPLETE | WATCH_DELETE);

        /* Within the tree: all keep being watched, under their new path. */
        assert_int_equal(rename(at("in/a"), at("in/c")), 0);
        settle();
        assert_n_reported(2);
        assert_reported("a/b/1", WATCH_DELETE);
        assert_reported("c/b/1", WATCH_MOVE);
        write_file(at("in/c/b/2"), "x");
        settle();
        assert_reported("c/b/2", WATCH_CLOSE);

        /* Out of it: gone, and nothing is heard of it any more. */
        forget_records();
        assert_int_equal(rename(at("in/c"), at("out/c")), 0);
        run_until_reported(2);
        assert_reported("c/b/1", WATCH_DELETE);
        assert_reported("c/b/2", WATCH_DELETE);
        assert_int_equal(watch_counters(watch).directories, 1);
        forget_records();
        write_file(at("out/c/b/3"), "x");
        settle();
        assert_n_reported(0);

        /* And in again: read whole. */
        assert_int_equal(rename(at("out/c"), at("in/d")), 0);
        settle();
        assert_n_reported(3);
        assert_true(record_of("d/b/3")->events & WATCH_MOVE);
        stop_watch(watch);
}

/* Renames on the heels of each other, over what is there, and in a ring. */
static void test_moves_at_once(void **state) {
        Watch *watch;

        write_file(at("a"), "1");
        write_file(at("b"), "2");
        watch = start_tree(w.directory, WATCH_COMPLETE | WATCH_DELETE);
        assert_int_equal(rename(at("a"), at("x")), 0);
        assert_int_equal(rename(at("x"), at("y")), 0);
        assert_int_equal(rename(at("y"), at("z")), 0);
        settle();
        assert_n_reported(2);
        assert_reported("a", WATCH_DELETE);
        assert_string_equal(record_of("z")->from, "a");

        forget_records();
        assert_int_equal(renameat2(AT_FDCWD, at("b"), AT_FDCWD, at("z"), RENAME_EXCHANGE), 0);
        settle();
        assert_n_reported(2);
        assert_true(record_of("b")->events & WATCH_MOVE);
        assert_true(record_of("z")->events & WATCH_MOVE);
        assert_null(record_of("b")->from); /* something is there */
        assert_null(record_of("z")->from);

        forget_records();
        assert_int_equal(rename(at("b"), at("z")), 0); /* over it */
        settle();
        assert_true(record_of("z")->events & WATCH_MOVE);
        assert_string_equal(record_of("z")->from, "b");
        stop_watch(watch);
}

/* The way editors and downloads write: a temporary name, then the right one. */
static void test_rename_into_place(void **state) {
        Watch *watch;

        write_file(at("config"), "old");
        watch = start_tree(w.directory, WATCH_COMPLETE);
        for (unsigned i = 0; i < 3; i++) {
                forget_records();
                write_file(at(".config.tmp"), "new");
                assert_int_equal(rename(at(".config.tmp"), at("config")), 0);
                settle();
                assert_non_null(record_of("config"));
                assert_true(record_of("config")->events & WATCH_MOVE);
        }
        stop_watch(watch);
}

/* --- symbolic links --- */

static void test_symlinks_are_not_followed(void **state) {
        Watch *watch;

        make_directory(at("tree"));
        make_directory(at("outside"));
        make_directory(at("tree/a"));
        assert_int_equal(symlink("../outside", at("tree/link")), 0);
        watch = start_tree(at("tree"), WATCH_ALL);
        assert_int_equal(watch_counters(watch).directories, 2);
        write_file(at("outside/x"), "x");
        assert_int_equal(symlink(at("outside"), at("tree/a/link")), 0);
        settle();
        assert_n_reported(1); /* the link itself */
        stop_watch(watch);
}

/* A directory that becomes a link while it waits to be read. */
static void test_swapped_for_link(void **state) {
        Watch *watch;

        make_directory(at("tree"));
        make_directory(at("outside"));
        write_file(at("outside/secret"), "x");
        for (unsigned i = 0; i < 50; i++) {
                make_directory(at("tree/%u", i));
                make_directory(at("tree/%u/sub", i));
        }
        watch = start_tree(at("tree"), WATCH_ALL);
        for (unsigned round = 0; round < 200; round++) {
                unsigned i = round % 50;

                /* The loop is somewhere in its work on what was done before. */
                (void)sd_event_run(w.event, 0);
                assert_int_equal(rename(at("tree/%u", i), at("kept")), 0);
                assert_int_equal(symlink(at("outside"), at("tree/%u", i)), 0);
                (void)sd_event_run(w.event, 0);
                unlink(at("tree/%u", i));
                assert_int_equal(rename(at("kept"), at("tree/%u", i)), 0);
        }
        settle();
        for (size_t i = 0; i < w.n_records; i++)
                assert_null(strstr(w.records[i].path, "secret"));
        forget_records();
        write_file(at("tree/7/sub/f"), "x");
        settle();
        assert_non_null(record_of("7/sub/f"));
        stop_watch(watch);
}

/* --- paths that come and go --- */

static void test_missing_parents(void **state) {
        Watch *watch = start_tree(at("a/b/c"), WATCH_COMPLETE);

        assert_int_equal(watch_state(watch), WATCH_WAITING);
        make_directory(at("a"));
        settle();
        make_directory(at("a/b"));
        make_directory(at("a/b/c"));
        write_file(at("a/b/c/1"), "x");
        settle();
        assert_int_equal(watch_state(watch), WATCH_ACTIVE);
        assert_reported("1", WATCH_CLOSE);

        /* Moved away and another one in its place. */
        forget_records();
        assert_int_equal(rename(at("a"), at("z")), 0);
        settle();
        assert_int_equal(watch_state(watch), WATCH_WAITING);
        write_file(at("z/b/c/2"), "x");
        settle();
        assert_n_reported(0);
        make_directory(at("a"));
        make_directory(at("a/b"));
        make_directory(at("a/b/c"));
        write_file(at("a/b/c/3"), "x");
        settle();
        assert_n_reported(1);
        assert_reported("3", WATCH_CLOSE);
        stop_watch(watch);
}

/* Deployments switch a link by rename; systemd's path units do not see that. */
static void test_swapped_root_link(void **state) {
        Watch *watch;

        make_directory(at("v1"));
        make_directory(at("v2"));
        write_file(at("v1/same"), "x");
        assert_int_equal(link(at("v1/same"), at("v2/same")), 0);
        write_file(at("v2/other"), "x");
        assert_int_equal(symlink("v1", at("current")), 0);
        watch = start_tree(at("current"), WATCH_COMPLETE);
        assert_int_equal(symlink("v2", at("next")), 0);
        assert_int_equal(rename(at("next"), at("current")), 0);
        settle();
        assert_n_reported(1);
        assert_reported("other", WATCH_CLOSE);
        write_file(at("v2/more"), "x");
        write_file(at("v1/more"), "x");
        settle();
        assert_n_reported(2);
        assert_reported("more", WATCH_CLOSE);
        stop_watch(watch);
}

static void test_removed_root(void **state) {
        Watch *watch;

        make_directory(at("a"));
        make_directory(at("a/b"));
        write_file(at("a/b/1"), "x");
        write_file(at("a/2"), "x");
        watch = start_tree(at("a"), WATCH_COMPLETE | WATCH_DELETE);
        remove_tree(at("a"));
        settle();
        assert_n_reported(2);
        assert_reported("b/1", WATCH_DELETE);
        assert_reported("2", WATCH_DELETE);
        assert_int_equal(watch_state(watch), WATCH_WAITING);
        stop_watch(watch);
}

/* --- the kinds of systemd.path(5) --- */

static void test_path_changed_file(void **state) {
        Watch *watch;
        int fd;

        write_file(at("f"), "x");
        watch = start_watch(&(WatchDef){ .kind = WATCH_PATH_CHANGED, .path = at("f") });
        assert_n_reported(0);
        fd = open(at("f"), O_WRONLY | O_APPEND | O_CLOEXEC);
        assert_int_equal(write(fd, "y", 1), 1);
        settle();
        assert_n_reported(0); /* not on each write */
        close(fd);
        settle();
        assert_n_reported(1);
        assert_reported("", WATCH_CLOSE);
        /* Replaced, and watched on. */
        forget_records();
        write_file(at("g"), "z");
        assert_int_equal(rename(at("g"), at("f")), 0);
        settle();
        assert_true(w.n_records > 0);
        forget_records();
        write_file(at("f"), "zz");
        settle();
        assert_true(w.n_records > 0);
        forget_records();
        unlink(at("f"));
        settle();
        assert_true(record_of("")->events & WATCH_DELETE);
        stop_watch(watch);
}

static void test_path_modified_file(void **state) {
        Watch *watch;
        int fd;

        write_file(at("f"), "x");
        watch = start_watch(&(WatchDef){ .kind = WATCH_PATH_MODIFIED, .path = at("f") });
        fd = open(at("f"), O_WRONLY | O_APPEND | O_CLOEXEC);
        assert_int_equal(write(fd, "y", 1), 1);
        settle();
        assert_reported("", WATCH_WRITE);
        close(fd);
        stop_watch(watch);
}

static void test_path_changed_directory(void **state) {
        Watch *watch = start_watch(&(WatchDef){ .kind = WATCH_PATH_CHANGED, .path = w.directory });

        make_directory(at("a"));
        settle();
        assert_reported("a", WATCH_CREATE | WATCH_CLOSE);
        assert_true(record_of("a")->is_directory);
        write_file(at("a/deep"), "x");
        settle();
        assert_n_reported(1);
        forget_records();
        rmdir(at("b"));
        remove_tree(at("a"));
        settle();
        assert_reported("a", WATCH_DELETE);
        stop_watch(watch);
}

/* A look that took long, on a busy machine, too, is not repeated at once: so reports are waited for. */
static void test_path_exists(void **state) {
        Watch *watch, *there;

        watch = start_watch(&(WatchDef){ .kind = WATCH_PATH_EXISTS, .path = at("a/f") });
        assert_n_reported(0);
        make_directory(at("a"));
        settle();
        assert_n_reported(0);
        write_file(at("a/f"), "x");
        run_until_reported(1);
        assert_n_reported(1);
        write_file(at("a/f"), "y");
        run_until_reported(1);
        assert_n_reported(1);
        watch_recheck(watch); /* the run has ended, and it is still there */
        run_until_reported(2);
        assert_n_reported(2);
        unlink(at("a/f"));
        watch_recheck(watch);
        run_until_reported(2);
        assert_n_reported(2);
        write_file(at("a/f"), "x");
        run_until_reported(3);
        assert_n_reported(3);
        /* Looks at start. */
        forget_records();
        there = start_watch(&(WatchDef){ .kind = WATCH_PATH_EXISTS, .path = at("a/f") });
        assert_n_reported(1);
        assert_string_equal(w.records[0].path, at("a/f"));
        stop_watch(there);
        stop_watch(watch);
}

static void test_path_exists_glob(void **state) {
        Watch *watch = start_watch(&(WatchDef){ .kind = WATCH_PATH_EXISTS_GLOB, .path = at("*/in/[0-9]*.csv") });

        make_directory(at("a"));
        make_directory(at("b"));
        make_directory(at("b/in"));
        write_file(at("b/in/x.csv"), "x");
        settle();
        assert_n_reported(0);
        write_file(at("b/in/1.csv"), "x");
        run_until_reported(1);
        assert_n_reported(1);
        assert_string_equal(w.records[0].path, at("b/in/1.csv"));
        stop_watch(watch);
}

/* Anybody who may make directories can make more of them than are listened to. */
static void test_path_exists_glob_in_many_directories(void **state) {
        const unsigned n = PATH_CHAIN_LINKS_MAX + 200;
        Watch *watch;

        for (unsigned i = 0; i < n; i++) {
                make_directory(at("%u", i));
                write_file(at("%u/other", i), "x");
        }
        watch = start_watch(&(WatchDef){ .kind = WATCH_PATH_EXISTS_GLOB, .path = at("*/[0-9]*.csv") });
        assert_n_reported(0);
        for (unsigned i = 0; i < n; i++)
                write_file(at("%u/1.csv", i), "x");
        stop_watch(watch);
        watch = start_watch(&(WatchDef){ .kind = WATCH_PATH_EXISTS_GLOB, .path = at("*/[0-9]*.csv") });
        assert_n_reported(1);
        stop_watch(watch);
}

/* Who may make links decides how much there is to look through. */
static void test_conditions_that_never_end(void **state) {
        static const char *const patterns[] = { "*/*/*/*.csv", "0" };
        char target[4000] = "";
        Watch *watch;

        for (size_t i = 0; i + sizeof("a/../") < sizeof(target) - 8; i += strlen("a/../"))
                strcpy(target + i, "a/../");
        make_directory(at("a"));
        for (unsigned i = 0; i < 30; i++) {
                char *end = target + strlen(target);

                (void)sprintf(end, "%u", i + 1);
                assert_int_equal(symlink(target, at("%u", i)), 0);
                *end = '\0';
        }
        for (unsigned i = 0; i < 600; i++)
                assert_int_equal(symlink(".", at("a/%u", i)), 0);
        for (size_t i = 0; i < ELEMENTSOF(patterns); i++) {
                watch = start_watch(&(WatchDef){ .kind = WATCH_PATH_EXISTS_GLOB, .path = at("%s", patterns[i]) });
                assert_n_reported(0);
                assert_int_equal(watch_state(watch), WATCH_DEGRADED);
                stop_watch(watch);
        }
}

/* What was written in front of a link and behind it is a pattern, and is what is told; the link's target is neither.
 */
static void test_condition_behind_a_link(void **state) {
        static const char *const patterns[] = { "link/field-*", "l*k/field-*", "absolute/fi*", "two/[f]*",
                                                "link/d*/x" };
        static const char *const found[] = { "link/field-1", "link/field-1", "absolute/field-1", "two/field-1",
                                             "link/directory/x" };
        Watch *watch;

        make_directory(at("re*l"));
        make_directory(at("re*l/directory"));
        assert_int_equal(symlink("re*l", at("link")), 0);
        assert_int_equal(symlink(at("re*l"), at("absolute")), 0);
        assert_int_equal(symlink("link/.", at("two")), 0);
        for (size_t i = 0; i < ELEMENTSOF(patterns); i++) {
                _cleanup_free_ char *name = strdup(strchr(found[i], '/'));

                remove_tree(at("re*l/directory"));
                if (i == ELEMENTSOF(patterns) - 1)
                        make_directory(at("re*l/directory"));
                watch = start_watch(&(WatchDef){ .kind = WATCH_PATH_EXISTS_GLOB, .path = at("%s", patterns[i]) });
                assert_n_reported(0);
                write_file(at("re*l%s", name), "x");
                run_until_reported(1);
                assert_n_reported(1);
                assert_string_equal(w.records[0].path, at("%s", found[i]));
                stop_watch(watch);
                forget_records();
                watch = start_watch(&(WatchDef){ .kind = WATCH_PATH_EXISTS, .path = at("%s", found[i]) });
                assert_n_reported(1);
                assert_string_equal(w.records[0].path, at("%s", found[i]));
                stop_watch(watch);
                forget_records();
                unlink(at("re*l%s", name));
        }
        /* A file may be a link itself. */
        watch = start_watch(&(WatchDef){ .kind = WATCH_PATH_EXISTS_GLOB, .path = at("*.now") });
        write_file(at("target"), "x");
        assert_int_equal(symlink("target", at("a.now")), 0);
        run_until_reported(1);
        assert_n_reported(1);
        assert_string_equal(w.records[0].path, at("a.now"));
        stop_watch(watch);
}

static void test_directory_not_empty(void **state) {
        Watch *watch = start_watch(&(WatchDef){ .kind = WATCH_DIRECTORY_NOT_EMPTY, .path = at("d") });

        make_directory(at("d"));
        write_file(at("d/.hidden"), "x");
        write_file(at("d/backup~"), "x");
        settle();
        assert_n_reported(0);
        write_file(at("d/item"), "x");
        run_until_reported(1);
        assert_n_reported(1);
        watch_recheck(watch);
        run_until_reported(2);
        assert_n_reported(2);
        unlink(at("d/item"));
        watch_recheck(watch);
        run_until_reported(2);
        assert_n_reported(2);
        write_file(at("d/item"), "x");
        run_until_reported(3);
        assert_n_reported(3);
        stop_watch(watch);
}

/* --- several, and polling --- */

/* Two watches of one directory share the kernel's watch; each hears what it asked for. */
static void test_two_watches(void **state) {
        Watch *a = start_tree(w.directory, WATCH_WRITE), *b;
        size_t n = watch_counters(a).watches;

        b = start_tree(w.directory, WATCH_DELETE);
        assert_int_equal(watch_counters(a).watches, n);
        write_file(at("f"), "x");
        settle();
        assert_n_reported(1);
        assert_reported("f", WATCH_WRITE);
        unlink(at("f"));
        settle();
        assert_n_reported(2);
        stop_watch(a);
        forget_records();
        write_file(at("f"), "x");
        unlink(at("f"));
        write_file(at("g"), "x");
        settle();
        unlink(at("g"));
        settle();
        assert_n_reported(1);
        stop_watch(b);
}

static void test_polling(void **state) {
        Watch *watch;

        make_directory(at("a"));
        write_file(at("a/old"), "x");
        watch = start_watch(&(WatchDef){ .kind = WATCH_TREE,
                                         .path = w.directory,
                                         .events = WATCH_COMPLETE | WATCH_DELETE,
                                         .recursive = true,
                                         .backend = WATCH_BACKEND_POLL,
                                         .poll_min = 2 * USEC_PER_MSEC });
        assert_int_equal(watch_state(watch), WATCH_ACTIVE);
        write_file(at("a/new"), "x");
        unlink(at("a/old"));
        make_directory(at("b"));
        write_file(at("b/1"), "x");
        run_until_reported(3);
        assert_n_reported(3);
        assert_reported("a/new", WATCH_CLOSE);
        assert_reported("a/old", WATCH_DELETE);
        assert_reported("b/1", WATCH_CLOSE);
        forget_records();
        write_file(at("b/1"), "longer");
        run_until_reported(1);
        assert_reported("b/1", WATCH_CLOSE);
        stop_watch(watch);
}

/* --- the snapshot --- */

typedef struct Row {
        uint32_t id;
        void *bytes;
        size_t n;
} Row;

static Row rows[1000];
static size_t n_rows, n_written;

static int write_row(void *userdata, uint32_t id, const void *bytes, size_t n) {
        size_t i = 0;

        n_written++;
        while (i < n_rows && rows[i].id != id)
                i++;
        assert_true(i < ELEMENTSOF(rows));
        if (i == n_rows)
                n_rows++;
        else
                free(rows[i].bytes);
        rows[i] = (Row){ .id = id, .n = n };
        if (bytes) {
                rows[i].bytes = malloc(n);
                memcpy(rows[i].bytes, bytes, n);
        } else
                rows[i] = rows[--n_rows];
        return 0;
}

static void save(Watch *watch) {
        int r;

        n_written = 0;
        do
                r = watch_save(watch, 3, write_row, NULL);
        while (r == 3);
        assert_true(r >= 0);
}

static Watch *restart(Watch *watch) {
        save(watch);
        stop_watch(watch);
        stop_watcher();
        forget_records();
        return NULL;
}

static Watch *load_watch(const WatchDef *def) {
        Watch *watch;

        start_watcher();
        watch = new_watch(def);
        for (size_t i = n_rows; i > 0; i--)
                assert_int_equal(watch_load(watch, rows[i - 1].id, rows[i - 1].bytes, rows[i - 1].n), 0);
        settle();
        return watch;
}

static void free_rows(void) {
        for (size_t i = 0; i < n_rows; i++)
                free(rows[i].bytes);
        n_rows = 0;
}

static void test_snapshot(void **state) {
        const WatchDef def = {
                .kind = WATCH_TREE, .path = w.directory, .events = WATCH_COMPLETE | WATCH_DELETE, .recursive = true
        };
        Watch *watch;

        make_directory(at("a"));
        make_directory(at("a/b"));
        make_directory(at("a/gone"));
        write_file(at("a/b/same"), "x");
        write_file(at("a/b/changed"), "x");
        write_file(at("a/b/deleted"), "x");
        write_file(at("a/gone/1"), "x");
        watch = start_watch(&def);
        restart(watch);
        assert_int_equal(n_rows, 4);

        write_file(at("a/b/changed"), "xx");
        write_file(at("a/b/new"), "x");
        unlink(at("a/b/deleted"));
        remove_tree(at("a/gone"));
        make_directory(at("a/c"));
        write_file(at("a/c/1"), "x");
        watch = load_watch(&def);
        assert_n_reported(5);
        assert_reported("a/b/changed", WATCH_CLOSE);
        assert_reported("a/b/new", WATCH_CLOSE);
        assert_reported("a/c/1", WATCH_CLOSE);
        assert_reported("a/b/deleted", WATCH_DELETE);
        assert_reported("a/gone/1", WATCH_DELETE);

        /* Only what changed is written again. */
        save(watch);
        assert_int_equal(n_rows, 4);
        write_file(at("a/b/new"), "xxx");
        settle();
        save(watch);
        assert_int_equal(n_written, 1);
        /* A renamed directory is one row. */
        assert_int_equal(rename(at("a"), at("z")), 0);
        settle();
        save(watch);
        assert_int_equal(n_written, 1);
        restart(watch);
        watch = load_watch(&def);
        assert_n_reported(0);
        stop_watch(watch);
        free_rows();
}

/* Only directories with files in or below them have a row, and one is never without its parents'. */
static void test_snapshot_of_empty_directories(void **state) {
        const WatchDef def = {
                .kind = WATCH_TREE, .path = w.directory, .events = WATCH_COMPLETE | WATCH_DELETE, .recursive = true
        };
        Watch *watch;

        make_directory(at("a"));
        make_directory(at("a/b"));
        make_directory(at("a/b/c"));
        make_directory(at("a/b/c/d"));
        make_directory(at("e"));
        watch = start_watch(&def);
        restart(watch);
        assert_int_equal(n_rows, 1);
        write_file(at("a/b/1"), "x");
        watch = load_watch(&def);
        assert_n_reported(1);
        assert_reported("a/b/1", WATCH_CLOSE);
        write_file(at("a/b/c/d/2"), "x");
        settle();
        assert_int_equal(watch_save(watch, 2, write_row, NULL), 2); /* a, a/b: perhaps we end here */
        assert_int_equal(n_rows, 3);
        restart(watch);
        assert_int_equal(n_rows, 5);
        assert_int_equal(rename(at("a/b/c"), at("e/c")), 0);
        remove_tree(at("a/b"));
        watch = load_watch(&def);
        assert_n_reported(3);
        assert_reported("a/b/1", WATCH_DELETE);
        assert_reported("a/b/c/d/2", WATCH_DELETE);
        assert_reported("e/c/d/2", WATCH_CLOSE);
        restart(watch);
        assert_int_equal(n_rows, 5); /* a has had files */
        watch = load_watch(&def);
        assert_n_reported(0);
        stop_watch(watch);
        free_rows();
}

/* Where directories count themselves, one that is as it was is no news. */
static void test_snapshot_of_directories(void **state) {
        const WatchDef def = { .kind = WATCH_PATH_CHANGED, .path = w.directory };
        Watch *watch;

        make_directory(at("a"));
        make_directory(at("b"));
        watch = start_watch(&def);
        restart(watch);
        assert_int_equal(n_rows, 3);
        watch = load_watch(&def);
        assert_n_reported(0);
        restart(watch);
        assert_int_equal(rmdir(at("a")), 0);
        assert_int_equal(rmdir(at("b")), 0);
        make_directory(at("c"));
        watch = load_watch(&def);
        assert_n_reported(3);
        assert_reported("a", WATCH_DELETE);
        assert_reported("c", WATCH_CREATE | WATCH_CLOSE);
        stop_watch(watch);
        free_rows();
}

/* Written down while it was open, it is closed without another change: that it was reported is written, too. */
static void test_snapshot_while_a_file_is_open(void **state) {
        const WatchDef def = { .kind = WATCH_TREE, .path = w.directory, .events = WATCH_COMPLETE };
        Watch *watch;
        int fd;

        watch = start_watch(&def);
        fd = open(at("file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_int_equal(write(fd, "x", 1), 1);
        settle();
        save(watch);
        close(fd);
        settle();
        assert_n_reported(1);
        restart(watch);
        watch = load_watch(&def);
        assert_n_reported(0);
        stop_watch(watch);
        free_rows();
}

static void test_snapshot_of_file(void **state) {
        _cleanup_free_ char *path = strdup(at("f"));
        const WatchDef def = { .kind = WATCH_PATH_CHANGED, .path = path };
        Watch *watch;

        write_file(at("f"), "x");
        watch = start_watch(&def);
        restart(watch);
        watch = load_watch(&def);
        assert_n_reported(0);
        restart(watch);
        write_file(at("f"), "xx");
        watch = load_watch(&def);
        assert_n_reported(1);
        restart(watch);
        unlink(at("f"));
        watch = load_watch(&def);
        assert_n_reported(1);
        assert_reported("", WATCH_DELETE);
        stop_watch(watch);
        free_rows();
}

/* A damaged row costs its directory the memory of what was in it, nothing else. */
static void test_damaged_snapshot(void **state) {
        const WatchDef def = { .kind = WATCH_TREE, .path = w.directory, .events = WATCH_COMPLETE, .recursive = true };
        Watch *watch;

        make_directory(at("a"));
        make_directory(at("a/b"));
        write_file(at("1"), "x");
        write_file(at("a/2"), "x");
        write_file(at("a/b/3"), "x");
        watch = start_watch(&def);
        restart(watch);
        for (size_t damaged = 0; damaged < n_rows; damaged++) {
                int r = 0;

                start_watcher();
                watch = new_watch(&def);
                ((unsigned char *)rows[damaged].bytes)[rows[damaged].n / 2] ^= 1;
                for (size_t i = 0; i < n_rows; i++)
                        r = MIN(r, watch_load(watch, rows[i].id, rows[i].bytes, rows[i].n));
                assert_int_equal(r, -EBADMSG);
                ((unsigned char *)rows[damaged].bytes)[rows[damaged].n / 2] ^= 1;
                settle();
                assert_true(w.n_records >= 1 && w.n_records <= 3);
                stop_watch(watch);
                stop_watcher();
                forget_records();
        }
        start_watcher();
        free_rows();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                watch_test(test_file_is_reported_once),
                watch_test(test_current_directory),
                watch_test(test_events),
                watch_test(test_links_and_fifos),
                watch_test(test_files_without_a_name),
                watch_test(test_new_directories),
                watch_test(test_open_file_in_new_directory),
                watch_test(test_file_found_before_it_is_heard_of),
                watch_test(test_names),
                watch_test(test_deep),
                watch_test(test_private_names),
                watch_test(test_filter),
                watch_test(test_not_recursive),
                watch_test(test_moved_directory),
                watch_test(test_moves_at_once),
                watch_test(test_rename_into_place),
                watch_test(test_symlinks_are_not_followed),
                watch_test(test_swapped_for_link),
                watch_test(test_missing_parents),
                watch_test(test_swapped_root_link),
                watch_test(test_removed_root),
                watch_test(test_path_changed_file),
                watch_test(test_path_modified_file),
                watch_test(test_path_changed_directory),
                watch_test(test_path_exists),
                watch_test(test_path_exists_glob),
                watch_test(test_path_exists_glob_in_many_directories),
                watch_test(test_conditions_that_never_end),
                watch_test(test_condition_behind_a_link),
                watch_test(test_directory_not_empty),
                watch_test(test_two_watches),
                watch_test(test_polling),
                watch_test(test_snapshot),
                watch_test(test_snapshot_of_empty_directories),
                watch_test(test_snapshot_of_directories),
                watch_test(test_snapshot_while_a_file_is_open),
                watch_test(test_snapshot_of_file),
                watch_test(test_damaged_snapshot),
        };

        if (!tests_are_possible())
                return 0;
        return cmocka_run_group_tests(tests, NULL, NULL);
}

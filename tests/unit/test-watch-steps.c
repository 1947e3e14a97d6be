/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The longest turn of the loop, in steps (util/steps.h) and not in time, for each thing that a user can do with many
 * files: it has a bound that does not depend on how many there are. 300,000 files with VAKT_WATCH_FULL=1 in the
 * environment, a tenth of them else, with the same bound. What is reported goes into a batch, as in the daemon. */

#include <malloc.h>

#include "test-watch.h"

#include "util/steps.h"
#include "util/turn.h"
#include "watch/batch.h"

/* A turn works until 20,000 steps are done and ends with the piece that it is at; the kernel's queue, which is read in
 * a turn of its own, has 16,384 events, and each may move some entries of a table. */
#define LONGEST 50000U

#define CHUNK                                                                                                  \
        4000U /* files that something happens to before the loop runs again: fewer than the kernel's queue has \
               */

static unsigned n_files;
static Batch *batch;
static uint64_t most;
static bool has_namespace;

static void count_change(void *userdata, Watch *watch, const Change *c);

static const WatchOps count_ops = { .changed = count_change };

static void count_change(void *userdata, Watch *watch, const Change *c) {
        w.n_records++;
        assert_true(batch_add(batch, c->path, c->length, c->from, c->events, w.n_records) >= 0);
}

/* Turn by turn, until nothing is left to do. */
static void run_turns(void) {
        do {
                uint64_t before = steps_taken;
                int r = sd_event_run(w.event, 0);

                assert_true(r >= 0);
                most = MAX(most, steps_taken - before);
                if (r == 0 && watcher_is_idle(w.watcher))
                        return;
        } while (true);
}

static void run_turns_until_reported(size_t n) {
        run_turns();
        while (w.n_records < n) {
                assert_true(sd_event_run(w.event, 60 * USEC_PER_SEC) > 0);
                run_turns();
        }
}

/* Ends a part: what the longest turn was, and that n changes were reported. */
static void check(const char *what, size_t n) {
        BatchRun *r;

        print_message("# %-32s %8" PRIu64 " steps at most in one turn, %zu reported\n", what, most, w.n_records);
        assert_true(most <= LONGEST);
        assert_int_equal(w.n_records, n);
        while (batch_take(batch, UINT32_MAX, &r) == 1)
                batch_done(batch, r, BATCH_FORGET, UINT32_MAX);
        assert_int_equal(batch_n_waiting(batch), 0);
        w.n_records = 0;
        most = 0;
}

static Watch *watch_files(const char *path, bool recursive) {
        const WatchDef def = { .kind = WATCH_TREE,
                               .path = path,
                               .events = WATCH_ALL & ~(unsigned)(WATCH_CREATE | WATCH_WRITE),
                               .recursive = recursive,
                               .backend = backend_of_tests(),
                               .poll_min = USEC_PER_MSEC };

        assert_int_equal(watch_new(&w.watches[0], w.watcher, &def, &count_ops, NULL), 0);
        run_turns();
        return w.watches[0];
}

/* --- what is done to one file --- */

static void act_write(int dir, const char *name) {
        int fd = openat(dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

        if (fd < 0 || write(fd, "x", 1) != 1)
                fail_msg("%s: %s", name, strerror(errno));
        close(fd);
}

static void act_chmod(int dir, const char *name) {
        assert_int_equal(fchmodat(dir, name, 0640, 0), 0);
}

static void act_rename(int dir, const char *name) {
        char other[32];

        (void)snprintf(other, sizeof(other), "new-%s", name);
        assert_int_equal(renameat(dir, name, dir, other), 0);
}

static void act_rename_back(int dir, const char *name) {
        char other[32];

        (void)snprintf(other, sizeof(other), "new-%s", name);
        assert_int_equal(renameat(dir, other, dir, name), 0);
}

static void act_unlink(int dir, const char *name) {
        assert_int_equal(unlinkat(dir, name, 0), 0);
}

static void act_link_nameless(int dir, const char *name) {
        char link[sizeof("/proc/self/fd/") + 11], other[32];
        int fd = openat(dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, "x", 1), 1);
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        (void)snprintf(other, sizeof(other), "tmp-%s", name);
        assert_int_equal(linkat(AT_FDCWD, link, dir, other, AT_SYMLINK_FOLLOW), 0);
        close(fd);
}

/* Files that got a name while they were open, and are closed after that was heard of. */
static void close_nameless(const char *directory, unsigned n) {
        int dir = open(directory, O_DIRECTORY | O_CLOEXEC), fds[512];
        char link[sizeof("/proc/self/fd/") + 11], name[32];

        assert_true(dir >= 0 && n <= ELEMENTSOF(fds));
        for (unsigned i = 0; i < n; i++) {
                fds[i] = openat(dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
                assert_true(fds[i] >= 0);
                (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fds[i]);
                (void)snprintf(name, sizeof(name), "open-%u-%u", n, i);
                assert_int_equal(linkat(AT_FDCWD, link, dir, name, AT_SYMLINK_FOLLOW), 0);
        }
        close(dir);
        run_turns();
        assert_int_equal(w.n_records, 0);
        for (unsigned i = 0; i < n; i++) {
                close(fds[i]);
                run_turns();
        }
        run_turns_until_reported(n);
}

/* chunk: so many between two times that the loop runs; 0 = the loop does not run. */
static void act_on_all(void (*act)(int dir, const char *name), const char *directory, unsigned n, unsigned chunk) {
        int dir = open(directory, O_DIRECTORY | O_CLOEXEC);
        char name[16];

        assert_true(dir >= 0);
        for (unsigned i = 0; i < n; i++) {
                (void)snprintf(name, sizeof(name), "%u", i);
                act(dir, name);
                if (chunk > 0 && i % chunk == chunk - 1)
                        run_turns();
        }
        close(dir);
        if (chunk > 0)
                run_turns();
}

/* --- the parts --- */

static void test_files(void **state) {
        Watch *watch;

        make_directory(at("d"));
        watch = watch_files(at("d"), /* recursive= */ false);
        act_on_all(act_write, at("d"), n_files, CHUNK);
        check("create", n_files);
        act_on_all(act_write, at("d"), n_files, CHUNK);
        check("write", n_files);
        act_on_all(act_chmod, at("d"), n_files, CHUNK);
        check("attrib", n_files);
        act_on_all(act_rename, at("d"), n_files, CHUNK);
        check("rename", 2 * (size_t)n_files);
        act_on_all(act_rename_back, at("d"), n_files, CHUNK);
        check("rename back", 2 * (size_t)n_files);
        act_on_all(act_link_nameless, at("d"), 2 * CHUNK, CHUNK);
        check("O_TMPFILE and linkat", 2 * CHUNK);
        close_nameless(at("d"), 10);
        check("O_TMPFILE, closed later", 10);
        close_nameless(at("d"), 500);
        check("O_TMPFILE, many of them", 500);
        act_on_all(act_unlink, at("d"), n_files, CHUNK);
        check("delete", n_files);
        assert_int_equal(watch_counters(watch).files, 2 * CHUNK + 510);
        assert_int_equal(watch_counters(watch).overflows, 0);
}

/* Nobody reads meanwhile, so the kernel's queue runs over and all is compared. */
static void test_overflow(void **state) {
        Watch *watch;

        make_directory(at("d"));
        watch = watch_files(at("d"), /* recursive= */ false);
        act_on_all(act_write, at("d"), n_files, 0);
        run_turns();
        check("overflow, of new files", n_files);
        act_on_all(act_write, at("d"), n_files, 0);
        run_turns();
        check("overflow, of written files", n_files);
        act_on_all(act_unlink, at("d"), n_files, 0);
        run_turns();
        check("overflow, of deleted files", n_files);
        assert_true(watch_counters(watch).overflows >= 3);
        assert_int_equal(watch_counters(watch).files, 0);
}

/* The directory itself, and one below it. */
static void test_directory(void **state) {
        Watch *watch;

        make_directory(at("d"));
        make_directory(at("d/sub"));
        act_on_all(act_write, at("d/sub"), n_files, 0);
        watch = watch_files(at("d"), /* recursive= */ true);
        assert_int_equal(watch_counters(watch).files, n_files);
        check("reading", 0);

        assert_int_equal(rename(at("d/sub"), at("d/other")), 0);
        run_turns();
        check("directory renamed", 2 * (size_t)n_files);
        assert_int_equal(rename(at("d/other"), at("away")), 0);
        run_turns_until_reported(n_files);
        check("directory renamed away", n_files);
        assert_int_equal(rename(at("away"), at("d/in")), 0);
        run_turns();
        check("directory moved in", n_files);

        assert_int_equal(rename(at("d"), at("gone")), 0);
        run_turns();
        check("parent of the watch renamed away", n_files);
        assert_int_equal(watch_state(watch), WATCH_WAITING);
        assert_int_equal(watch_counters(watch).files, 0);
        assert_int_equal(rename(at("gone"), at("d")), 0);
        run_turns();
        check("and back", n_files);
        assert_int_equal(rename(at("d/in"), at("moved")), 0);
        assert_int_equal(rename(at("d"), at("empty")), 0);
        assert_int_equal(rename(at("moved"), at("d")), 0);
        run_turns();
        check("another in its place", 2 * (size_t)n_files);
}

/* What is watched has the files in itself. */
static void test_root(void **state) {
        Watch *watch;

        make_directory(at("d"));
        act_on_all(act_write, at("d"), n_files, 0);
        watch = watch_files(at("d"), /* recursive= */ false);
        assert_int_equal(rename(at("d"), at("gone")), 0);
        run_turns();
        check("the watched directory renamed away", n_files);
        assert_int_equal(watch_counters(watch).files, 0);
        assert_int_equal(rename(at("gone"), at("d")), 0);
        run_turns();
        check("and back", n_files);
        assert_int_equal(rename(at("d"), at("gone")), 0);
        write_file(at("d"), "now a file");
        run_turns();
        check("a file in its place", n_files + 1);
        assert_int_equal(unlink(at("d")), 0);
        run_turns();
        check("nothing in its place", 1);
        assert_int_equal(rename(at("gone"), at("d")), 0);
        run_turns();
        check("and back", n_files);
        w.watches[0] = watch_free(w.watches[0]);
        run_turns();
        check("the end of the watch", 0);
}

static void test_unmounted(void **state) {
        Watch *watch;

        if (!has_namespace)
                skip();
        make_directory(at("m"));
        for (unsigned round = 0; round < 2; round++) {
                if (mount("vakt-test", at("m"), "tmpfs", 0, "nr_inodes=0,mode=0700") < 0)
                        fail_msg("mount: %s", strerror(errno));
                for (unsigned i = 0; i < 10; i++) {
                        make_directory(at("m/%u", i));
                        act_on_all(act_write, at("m/%u", i), n_files / 10, 0);
                }
                if (round == 0)
                        (void)watch_files(at("m"), /* recursive= */ true);
                watch = w.watches[0];
                run_turns();
                assert_int_equal(watch_counters(watch).files, n_files);
                check("mounted", round == 0 ? 0 : n_files);
                assert_int_equal(umount2(at("m"), 0), 0);
                run_turns();
                check("unmounted", 0);
                assert_int_equal(watch_counters(watch).files, 0);
        }
}

/* Directories that are looked at from time to time. */
static void test_polled(void **state) {
        unsigned n = n_files / 10;
        WatchDef def;

        make_directory(at("d"));
        for (unsigned i = 0; i < n; i++)
                make_directory(at("d/%u", i));
        def = (WatchDef){ .kind = WATCH_TREE,
                          .path = at("d"),
                          .events = WATCH_COMPLETE,
                          .recursive = true,
                          .backend = WATCH_BACKEND_POLL,
                          .poll_min = USEC_PER_MSEC,
                          .poll_max = USEC_PER_MSEC };
        assert_int_equal(watch_new(&w.watches[0], w.watcher, &def, &count_ops, NULL), 0);
        run_turns();
        for (unsigned i = 0; i < n; i += 100)
                write_file(at("d/%u/f", i), "x");
        run_turns_until_reported(n / 100);
        check("polled", n / 100);
}

/* --- others have their turn, too --- */

static unsigned n_made, n_turns;

/* Before the loop looks at what there is. */
static int make_one_more(sd_event_source *s, void *userdata) {
        write_file(at("d/%u", n_made++ % 1000), "x");
        return 0;
}

static int on_turn(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        n_turns++;
        return 0;
}

/* Somebody writes so fast that there is always something to be read. */
static void test_turns_of_others(void **state) {
        sd_event_source *s;

        make_directory(at("d"));
        (void)watch_files(at("d"), /* recursive= */ false);
        assert_int_equal(event_add_turn(w.event, &s, "turns", on_turn, NULL), 0);
        assert_true(sd_event_source_set_enabled(s, SD_EVENT_ON) >= 0);
        assert_true(sd_event_source_set_prepare(s, make_one_more) >= 0);
        n_made = n_turns = 0;
        for (unsigned i = 0; i < 1000; i++)
                assert_true(sd_event_run(w.event, 0) >= 0);
        print_message("# %u turns, %u files, %zu reported\n", n_turns, n_made, w.n_records);
        assert_true(n_turns >= 200);
        assert_true(w.n_records >= 200);
        sd_event_source_disable_unref(s);
        run_turns();
        w.n_records = 0;
}

/* --- what waits has a bound, in bytes --- */

static size_t n_seen, largest;

/* As path triggers do it. */
static void put_or_hold(void *userdata, Watch *watch, const Change *c) {
        assert_true(batch_add(batch, c->path, c->length, c->from, c->events, 1) >= 0);
        largest = MAX(largest, batch_size(batch));
        if (batch_is_full(batch, /* until_now= */ false))
                watch_hold(watch, true);
}

/* Runs, until there is room again. */
static void deal_with_some(void) {
        BatchRun *r;

        while (batch_is_full(batch, /* until_now= */ true) && batch_take(batch, 2, &r) == 1) {
                n_seen += batch_run_size(r);
                batch_done(batch, r, BATCH_FORGET, 2);
        }
        watch_hold(w.watches[0], false);
        run_turns();
}

/* So many directories below each other, with names of that length; the innermost, open. */
static int make_deep(const char *directory, unsigned depth, size_t length) {
        int dir = open(directory, O_DIRECTORY | O_CLOEXEC);
        char name[NAME_MAX + 1] = "";

        assert_true(dir >= 0);
        memset(name, 'd', length);
        for (unsigned i = 0; i < depth; i++) {
                int next;

                (void)mkdirat(dir, name, 0700);
                next = openat(dir, name, O_DIRECTORY | O_CLOEXEC);
                assert_true(next >= 0);
                close(dir);
                dir = next;
                if (i % CHUNK == CHUNK - 1)
                        run_turns();
        }
        return dir;
}

static void fill_deep(unsigned depth, unsigned n) {
        int dir = make_deep(at("d"), depth, 200);
        char name[16];

        for (unsigned i = 0; i < n; i++) {
                (void)snprintf(name, sizeof(name), "%u", i);
                act_write(dir, name);
        }
        close(dir);
}

/* nftw() cannot get there. */
static void remove_deep(size_t length) {
        char name[NAME_MAX + 1] = "";

        memset(name, 'd', length);
        while (rename(at("d/%s/%s", name, name), at("rest")) == 0) {
                remove_tree(at("d/%s", name));
                assert_int_equal(rename(at("rest"), at("d/%s", name)), 0);
        }
}

static void test_full(void **state) {
        static const WatchOps ops = { .changed = put_or_hold };
        const WatchDef def = { .kind = WATCH_TREE,
                               .path = at("d"),
                               .events = WATCH_COMPLETE,
                               .recursive = true,
                               .backend = backend_of_tests() };
        const size_t path = 150 * 201, max = 4 << 20;
        _cleanup_free_ char *text = NULL;

        batch = batch_free(batch);
        assert_int_equal(batch_new(&batch, &(BatchConfig){ .bytes_max = max, .files_max = 100 }), 0);
        n_seen = largest = 0;
        make_directory(at("d"));
        assert_int_equal(watch_new(&w.watches[0], w.watcher, &def, &ops, NULL), 0);
        run_turns();
        fill_deep(150, 1500);
        run_turns();
        assert_int_equal(watch_state(w.watches[0]), WATCH_DEGRADED);
        assert_int_equal(watch_explain(w.watches[0], &text), 0);
        assert_non_null(strstr(text, "no more are listed"));
        while (watch_state(w.watches[0]) == WATCH_DEGRADED)
                deal_with_some();
        n_seen += batch_n_waiting(batch);
        assert_int_equal(n_seen, 1500); /* none is lost, none comes twice */
        print_message("# %zu bytes of %zu waited at most\n", largest, 1500 * path);
        assert_true(largest <= max + 300 * (path + 500)); /* what one piece of work finds comes on top */
        assert_true(most <= LONGEST);
        remove_deep(200);
}

/* Directories in one that is moved: each knows where it was, and their paths may be long. */
static void test_move_of_many(void **state) {
        size_t before, peak = 0;
        char name[201] = "";
        int dir;

        make_directory(at("d"));
        memset(name, 'd', 200);
        dir = make_deep(at("d"), 150, 200);
        for (unsigned i = 0; i < 3000; i++) {
                char sub[16];

                (void)snprintf(sub, sizeof(sub), "%u", i);
                assert_int_equal(mkdirat(dir, sub, 0700), 0);
        }
        close(dir);
        (void)watch_files(at("d"), /* recursive= */ true);
        assert_int_equal(watch_counters(w.watches[0]).directories, 3151);
        before = mallinfo2().uordblks + mallinfo2().hblkhd;
        assert_int_equal(rename(at("d/%s", name), at("d/moved")), 0);
        do {
                assert_true(sd_event_run(w.event, 0) >= 0);
                peak = MAX(peak, mallinfo2().uordblks + mallinfo2().hblkhd);
        } while (!watcher_is_idle(w.watcher) || sd_event_run(w.event, 0) > 0);
        assert_int_equal(watch_counters(w.watches[0]).directories, 3151);
        print_message("# %zu bytes more at most\n", peak - before);
        assert_true(peak < before + (20 << 20));
        assert_int_equal(rename(at("d/moved"), at("d/%s", name)), 0);
        remove_deep(200);
}

/* What is in the model has a bound, too. */
static void test_large_model(void **state) {
        static const char message[] = "more files than vaktd keeps in memory";
        const WatchDef def = { .kind = WATCH_TREE,
                               .path = at("d"),
                               .events = WATCH_COMPLETE,
                               .recursive = true,
                               .model_max = 1 << 20,
                               .backend = backend_of_tests() };
        _cleanup_free_ char *text = NULL;
        Watch *watch;

        make_directory(at("d"));
        make_directory(at("d/sub"));
        assert_int_equal(watch_new(&w.watches[0], w.watcher, &def, &count_ops, NULL), 0);
        watch = w.watches[0];
        run_turns();
        act_on_all(act_write, at("d"), 20000, CHUNK);
        check("a full model", 20000);
        assert_true(watch_counters(watch).files < 20000);
        assert_true(watch_counters(watch).model_bytes <= 1 << 20);
        assert_int_equal(watch_state(watch), WATCH_DEGRADED);
        assert_int_equal(watch_explain(watch, &text), 0);
        assert_non_null(strstr(text, message));
        write_file(at("d/sub/in a directory"), "x");
        run_turns();
        check("in a full model", 1);
        act_on_all(act_unlink, at("d"), 20000, CHUNK);
        w.n_records = 0; /* those that were not in it were found once more */
        act_on_all(act_write, at("d"), 10, CHUNK);
        check("room again", 10);
        assert_int_equal(watch_state(watch), WATCH_ACTIVE);
        assert_int_equal(watch_counters(watch).files, 11);
}

/* Directories below each other: some are too many, also when they get there by being moved. */
static void test_too_deep(void **state) {
        Watch *watch;
        unsigned n;

        make_directory(at("d"));
        watch = watch_files(at("d"), /* recursive= */ true);
        fill_deep(150, 1);
        run_turns();
        assert_int_equal(watch_state(watch), WATCH_ACTIVE);
        n = (unsigned)watch_counters(watch).directories;
        fill_deep(170, 1);
        run_turns();
        check("too deep", 1);
        assert_int_equal(watch_state(watch), WATCH_DEGRADED);
        assert_true(watch_counters(watch).directories > n && watch_counters(watch).directories < 171);
        remove_deep(200);
}

static void test_moved_too_deep(void **state) {
        int dir;

        make_directory(at("d"));
        make_directory(at("d/d"));
        close(make_deep(at("d"), 1500, 1));
        make_directory(at("d/other"));
        close(make_deep(at("d/other"), 1500, 1));
        (void)watch_files(at("d"), /* recursive= */ true);
        assert_int_equal(watch_counters(w.watches[0]).directories, 3002);
        dir = make_deep(at("d"), 1500, 1);
        assert_int_equal(renameat(AT_FDCWD, at("d/other"), dir, "d"), 0);
        close(dir);
        run_turns();
        while (watch_counters(w.watches[0]).directories > 2001) /* what has left is waited for a little */
                assert_true(sd_event_run(w.event, 60 * USEC_PER_SEC) > 0);
        run_turns();
        assert_int_equal(watch_counters(w.watches[0]).directories, 2001);
        assert_int_equal(watch_state(w.watches[0]), WATCH_DEGRADED);
        check("moved too deep", 0);
        remove_deep(1);
}

static int setup(void **state) {
        n_files = getenv("VAKT_WATCH_FULL") ? 300000 : 30000;
        most = 0;
        if (setup_world(state) < 0)
                return -1;
        return batch_new(&batch, &(BatchConfig){});
}

static int teardown(void **state) {
        batch = batch_free(batch);
        w.n_records = 0;
        return teardown_world(state);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_files, setup, teardown),
                cmocka_unit_test_setup_teardown(test_overflow, setup, teardown),
                cmocka_unit_test_setup_teardown(test_directory, setup, teardown),
                cmocka_unit_test_setup_teardown(test_root, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unmounted, setup, teardown),
                cmocka_unit_test_setup_teardown(test_polled, setup, teardown),
                cmocka_unit_test_setup_teardown(test_turns_of_others, setup, teardown),
                cmocka_unit_test_setup_teardown(test_full, setup, teardown),
                cmocka_unit_test_setup_teardown(test_move_of_many, setup, teardown),
                cmocka_unit_test_setup_teardown(test_large_model, setup, teardown),
                cmocka_unit_test_setup_teardown(test_too_deep, setup, teardown),
                cmocka_unit_test_setup_teardown(test_moved_too_deep, setup, teardown),
        };

        if (!tests_are_possible())
                return 0;
        has_namespace = take_namespace();
        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Nothing is lost and nothing doubled when there is much of it: bursts into new directories, an overflow of the
 * kernel's queue, changes while nobody watched, and large trees that are moved, mounted over and unmounted. Sizes are
 * those of the issue with VAKT_WATCH_FULL=1 in the environment, a fifth of them else. */

#include <poll.h>
#include <sys/syscall.h>

#include "test-watch.h"

static bool has_namespace;

static unsigned size_of(unsigned full) {
        return getenv("VAKT_WATCH_FULL") ? full : full / 5;
}

/* --- a writer in a process of its own --- */

static int on_exited(sd_event_source *s, const siginfo_t *si, void *userdata) {
        *(bool *)userdata = true;
        return 0;
}

/* Runs f in a child while the loop runs here. */
static void write_meanwhile(void (*f)(void)) {
        sd_event_source *s;
        bool ended = false;
        sigset_t set;
        pid_t pid;

        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                f();
                _exit(0);
        }
        assert_true(sd_event_add_child(w.event, &s, pid, WEXITED, on_exited, &ended) >= 0);
        while (!ended)
                assert_true(sd_event_run(w.event, 60 * USEC_PER_SEC) >= 0);
        sd_event_source_unref(s);
        settle();
}

/* n directories, nested five deep in turn, with ten files each. */
static void fill_nested(void) {
        char path[PATH_MAX];
        unsigned n = size_of(2000);

        for (unsigned i = 0; i < n; i++) {
                if (i % 5 == 0)
                        (void)snprintf(path, sizeof(path), "%s/%u", w.directory, i);
                else
                        (void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "/%u", i);
                if (mkdir(path, 0700) < 0)
                        _exit(1);
                for (unsigned k = 0; k < 10; k++) {
                        char file[PATH_MAX + 16];
                        int fd;

                        (void)snprintf(file, sizeof(file), "%s/f%u", path, k);
                        fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                        if (fd < 0 || write(fd, "x", 1) != 1)
                                _exit(1);
                        close(fd);
                }
        }
}

static void test_new_nested_directories(void **state) {
        Watch *watch = start_tree(w.directory, WATCH_COMPLETE);

        write_meanwhile(fill_nested);
        assert_int_equal(count_duplicates(), 0);
        assert_n_reported(size_of(2000) * 10);
        assert_int_equal(watch_counters(watch).directories, size_of(2000) + 1);
        print_message("# %" PRIu64 " synthetic, %" PRIu64 " duplicates\n", watch_counters(watch).synthetic,
                      watch_counters(watch).duplicates);
}

/* --- anything at all --- */

static void fill_flat(const char *directory, unsigned n) {
        int dir = open(directory, O_DIRECTORY | O_CLOEXEC);
        char name[16];

        for (unsigned i = 0; i < n; i++) {
                int fd;

                (void)snprintf(name, sizeof(name), "%u", i);
                fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                assert_true(fd >= 0);
                close(fd);
        }
        close(dir);
}

/* A path of the small tree in which everything happens, at most three deep. */
static const char *some_path(unsigned *seed) {
        static char paths[2][PATH_MAX];
        static unsigned next;
        char *p = paths[next++ % 2];
        int n = snprintf(p, PATH_MAX, "%s/tree", w.directory);
        unsigned depth = 1 + (unsigned)rand_r(seed) % 3;

        for (unsigned i = 0; i < depth; i++)
                n += snprintf(p + n, PATH_MAX - (size_t)n, "/%c", 'a' + rand_r(seed) % 5);
        return p;
}

/* One step of mischief; most fail, since what they are about is not there or is something else. */
static void do_anything(unsigned *seed) {
        const char *path = some_path(seed);
        char once[PATH_MAX + 16];
        int fd;

        switch (rand_r(seed) % 8) {
        case 0:
        case 1:
                (void)mkdir(path, 0700);
                return;
        case 2:
        case 3:
                /* Most have a name that no other file has, and are reported under each path that they get. */
                (void)snprintf(once, sizeof(once), "%s.%u", path, *seed);
                fd = open(rand_r(seed) % 4 ? once : path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
                          0600);
                if (fd < 0)
                        return;
                (void)!write(fd, "x", 1);
                close(fd);
                return;
        case 4:
        case 5:
                (void)rename(path, some_path(seed));
                return;
        case 6:
                (void)renameat2(AT_FDCWD, path, AT_FDCWD, some_path(seed), RENAME_EXCHANGE);
                return;
        case 7:
                if (rand_r(seed) % 2) {
                        if (symlink(w.directory, path) < 0)
                                return; /* something is there */
                } else if (unlink(path) < 0)
                        (void)rmdir(path);
                return;
        }
}

static void do_much(void) {
        static unsigned seed;
        unsigned n = size_of(10000);

        seed += getenv("VAKT_SEED") ? (unsigned)atoi(getenv("VAKT_SEED")) : 1; /* goes on where we did it ourselves */

        while (n-- > 0)
                do_anything(&seed);
}

static size_t n_on_disk, n_unreported;

/* Sorted by count_duplicates(). */
static bool is_recorded(const char *path) {
        const Record key = { .path = (char *)path };

        return bsearch(&key, w.records, w.n_records, sizeof(Record), record_compare);
}

static int check_on_disk(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        const char *relative = path + strlen(w.directory) + strlen("/tree/");

        if (type == FTW_D || type == FTW_DP)
                return 0;
        n_on_disk++;
        if (!is_recorded(relative)) {
                print_message("# %s was not reported\n", relative);
                n_unreported++;
        }
        return 0;
}

static int check_in_model(const char *path, size_t n, WatchFile kind, void *userdata) {
        struct stat st;

        if (lstat(at("tree/%s", path), &st) < 0)
                fail_msg("%s is not there", path);
        ++*(size_t *)userdata;
        return 0;
}

static void check_all(Watch *watch) {
        size_t n_in_model = 0;

        n_on_disk = n_unreported = 0;
        (void)count_duplicates();
        assert_int_equal(nftw(at("tree"), check_on_disk, 16, FTW_PHYS), 0);
        assert_int_equal(n_unreported, 0);
        assert_int_equal(watch_visit(watch, check_in_model, &n_in_model), 0);
        assert_int_equal(n_in_model, n_on_disk);
}

/* After any storm the model is what is on disk, and all that is there was reported under the path that it has. */
static void test_anything(void **state) {
        Watch *watch;

        make_directory(at("tree"));
        watch = start_tree(at("tree"), WATCH_COMPLETE);
        for (unsigned round = 0; round < 3; round++) {
                write_meanwhile(do_much);
                check_all(watch);
                do_much();
                settle();
                check_all(watch);
        }
        print_message("# %zu on disk, %zu reported, %" PRIu64 " overflows\n", n_on_disk, w.n_records,
                      watch_counters(watch).overflows);
        /* The same while nobody reads: the kernel's queue runs over. */
        fill_flat(at("tree"), 20000); /* one event each at least */
        do_much();
        settle();
        check_all(watch);
        assert_true(watch_counters(watch).overflows > 0);
        remove_tree(at("tree"));
        settle();
        assert_int_equal(watch_counters(watch).files, 0);
}

/* Directories that become links to somewhere else and back, all the time. */
static void swap_for_links(void) {
        for (unsigned round = 0; round < size_of(20000); round++) {
                unsigned i = round % 20;

                if (rename(at("tree/%u", i), at("kept")) < 0 || symlink(at("outside"), at("tree/%u", i)) < 0 ||
                    unlink(at("tree/%u", i)) < 0 || rename(at("kept"), at("tree/%u", i)) < 0)
                        _exit(1);
        }
}

static void test_swapped_for_links(void **state) {
        Watch *watch;

        make_directory(at("tree"));
        make_directory(at("outside"));
        make_directory(at("outside/sub"));
        write_file(at("outside/sub/secret"), "x");
        for (unsigned i = 0; i < 20; i++) {
                make_directory(at("tree/%u", i));
                make_directory(at("tree/%u/sub", i));
        }
        watch = start_tree(at("tree"), WATCH_ALL);
        write_meanwhile(swap_for_links);
        for (size_t i = 0; i < w.n_records; i++)
                assert_null(strstr(w.records[i].path, "secret"));
        forget_records();
        for (unsigned i = 0; i < 20; i++)
                write_file(at("tree/%u/sub/f", i), "x");
        settle();
        for (unsigned i = 0; i < 20; i++)
                assert_non_null(record_of(at("%u/sub/f", i) + strlen(w.directory) + 1));
        /* Those that were between two names when they were looked at are waited for a little. */
        while (watch_counters(watch).directories != 41)
                assert_true(sd_event_run(w.event, 60 * USEC_PER_SEC) > 0);
}

/* --- overflow and absence --- */

/* As when the daemon is stopped by a signal. */
static void test_overflow(void **state) {
        unsigned n = size_of(100000);
        Watch *watch;

        make_directory(at("a"));
        watch = start_tree(w.directory, WATCH_COMPLETE);
        fill_flat(at("a"), n);
        settle();
        assert_int_equal(count_duplicates(), 0);
        assert_n_reported(n);
        assert_true(watch_counters(watch).overflows > 0);
        forget_records();
        write_file(at("a/7"), "again");
        settle();
        assert_n_reported(1);
}

/* What was there before the watch began is no news, however the kernel's queue fares meanwhile. */
static void test_overflow_at_start(void **state) {
        Watch *watch;

        make_directory(at("a"));
        make_directory(at("b"));
        fill_flat(at("b"), 10000);
        watch = new_watch(
                &(WatchDef){ .kind = WATCH_TREE, .path = w.directory, .events = WATCH_COMPLETE, .recursive = true });
        while (watch_counters(watch).files == 0)
                assert_true(sd_event_run(w.event, 60 * USEC_PER_SEC) > 0);
        fill_flat(at("a"), 20000);
        settle();
        assert_int_equal(watch_counters(watch).files, 30000);
        /* Over fanotify the times decide, and what is younger than their grain is reported rather than lost. */
        for (size_t i = 0; i < w.n_records && !fanotify_is_used(); i++)
                assert_non_null(startswith(w.records[i].path, "a/"));
        assert_true(watch_counters(watch).overflows > 0);
}

/* Writing goes on while the overflow is repaired. */
static void rewrite_all(void) {
        for (unsigned round = 0; round < 3; round++)
                fill_flat(w.directory, size_of(50000));
}

static void test_repeated_overflow(void **state) {
        Watch *watch = start_tree(w.directory, WATCH_COMPLETE);
        unsigned n = size_of(50000), different = 0;

        fill_flat(w.directory, n);
        write_meanwhile(rewrite_all);
        (void)count_duplicates();
        for (size_t i = 0; i < w.n_records; i++)
                different += i == 0 || !streq(w.records[i].path, w.records[i - 1].path);
        assert_int_equal(different, n);
        assert_int_equal(watch_counters(watch).files, n);
}

typedef struct Rows {
        struct {
                uint32_t id;
                void *bytes;
                size_t n;
        } * all;
        size_t n, n_allocated;
} Rows;

static Rows rows;

static int keep_row(void *userdata, uint32_t id, const void *bytes, size_t n) {
        for (size_t i = 0; i < rows.n; i++)
                if (rows.all[i].id == id) { /* a newer one, or none any more */
                        free(rows.all[i].bytes);
                        rows.all[i] = rows.all[--rows.n];
                        break;
                }
        if (!bytes)
                return 0;
        if (rows.n == rows.n_allocated) {
                rows.n_allocated = 2 * rows.n_allocated + 64;
                rows.all = reallocarray(rows.all, rows.n_allocated, sizeof(*rows.all));
        }
        rows.all[rows.n].id = id;
        rows.all[rows.n].n = n;
        rows.all[rows.n].bytes = malloc(n);
        memcpy(rows.all[rows.n++].bytes, bytes, n);
        return 0;
}

static void load_rows(Watch *watch) {
        for (size_t i = 0; i < rows.n; i++)
                assert_int_equal(watch_load(watch, rows.all[i].id, rows.all[i].bytes, rows.all[i].n), 0);
}

static void free_rows(void) {
        for (size_t i = 0; i < rows.n; i++)
                free(rows.all[i].bytes);
        free(rows.all);
        rows = (Rows){};
}

/* The files below the tree and how they were. */
typedef struct Known {
        char path[512];
        struct stat st;
} Known;

static Known known[16384];
static size_t n_known;

static int note_known(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        const char *relative = path + strlen(w.directory) + strlen("/tree/");

        if (type == FTW_D || type == FTW_DP)
                return 0;
        assert_true(n_known < ELEMENTSOF(known) && strlen(relative) < sizeof(known[0].path));
        (void)strcpy(known[n_known].path, relative);
        known[n_known++].st = *st;
        return 0;
}

static const Known *find_known(const char *path) {
        for (size_t i = 0; i < n_known; i++)
                if (streq(known[i].path, path))
                        return &known[i];
        return NULL;
}

/* What is as it was is not reported, all else is. */
static int check_news(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        const char *relative = path + strlen(w.directory) + strlen("/tree/");
        const Known *k = type == FTW_D || type == FTW_DP ? NULL : find_known(relative);
        bool same = k && k->st.st_ino == st->st_ino && k->st.st_size == st->st_size &&
                    timespec_load(&k->st.st_mtim) == timespec_load(&st->st_mtim);

        if (type != FTW_D && type != FTW_DP && is_recorded(relative) == same)
                fail_msg("%s is %s, and was %sreported", relative, same ? "as it was" : "other", same ? "" : "not ");
        return 0;
}

/* What has left the tree is waited for some time, and has its row as long; the last one that left is given up last. */
static void wait_for_departed(unsigned round) {
        const Record *last = NULL;

        make_directory(at("tree/last"));
        write_file(at("tree/last/%u", round), "x");
        settle();
        forget_records();
        assert_int_equal(rename(at("tree/last"), at("last-%u", round)), 0);
        while (!last || !(last->events & WATCH_DELETE)) {
                char path[32];

                assert_true(sd_event_run(w.event, 60 * USEC_PER_SEC) > 0);
                (void)snprintf(path, sizeof(path), "last/%u", round);
                last = record_of(path);
        }
        settle();
}

/* Any storm, and then another one while nobody watches. Before each end what changed is saved, and sometimes in
 * between; most directories come and go without a row of their own. */
static void test_anything_while_down(void **state) {
        WatchDef def = { .kind = WATCH_TREE, .events = WATCH_COMPLETE | WATCH_DELETE, .recursive = true };
        _cleanup_free_ char *path = strdup(at("tree"));
        size_t n_in_model;
        struct stat st;
        Watch *watch;

        n_known = 0;
        def.path = path;
        make_directory(path);
        for (unsigned round = 0; round < 6; round++) {
                if (round > 0)
                        start_watcher();
                watch = new_watch(&def);
                load_rows(watch);
                settle();
                (void)count_duplicates();
                assert_int_equal(nftw(path, check_news, 16, FTW_PHYS), 0);
                for (size_t i = 0; i < n_known; i++)
                        if (lstat(at("tree/%s", known[i].path), &st) < 0 && !is_recorded(known[i].path))
                                fail_msg("%s is gone, and was not reported", known[i].path);
                for (unsigned k = 0; k < 3; k++) {
                        do_much();
                        settle();
                        if (k == 2)
                                wait_for_departed(round);
                        assert_true(watch_save(watch, k < 2 ? 10 : 0, keep_row, NULL) >= 0);
                }
                n_known = n_in_model = 0;
                assert_int_equal(nftw(path, note_known, 16, FTW_PHYS), 0);
                assert_int_equal(watch_visit(watch, check_in_model, &n_in_model), 0);
                assert_int_equal(n_in_model, n_known);
                stop_watch(watch);
                stop_watcher();
                forget_records();
                do_much();
        }
        start_watcher();
        free_rows();
}

static void test_while_down(void **state) {
        const WatchDef def = { .kind = WATCH_TREE, .path = w.directory, .events = WATCH_COMPLETE, .recursive = true };
        unsigned n = size_of(100000);
        Watch *watch;

        make_directory(at("a"));
        for (unsigned i = 0; i < 100; i++)
                make_directory(at("a/sub%u", i));
        fill_flat(at("a/sub7"), n / 2);
        watch = start_watch(&def);
        assert_int_equal(watch_save(watch, 0, keep_row, NULL), 3);
        stop_watcher();

        fill_flat(at("a"), n / 2);
        fill_flat(at("a/sub8"), n / 2);
        start_watcher();
        watch = new_watch(&def);
        load_rows(watch);
        settle();
        assert_int_equal(count_duplicates(), 0);
        assert_n_reported(n);
        free_rows();
}

/* --- large trees on the move --- */

/* n directories and as many files, one in each. */
static void make_tree(const char *path, unsigned n) {
        char sub[PATH_MAX + 32];

        for (unsigned i = 0; i < n; i++) {
                if (i % 100 == 0)
                        (void)snprintf(sub, sizeof(sub), "%s/%u", path, i);
                else
                        (void)snprintf(sub, sizeof(sub), "%s/%u/%u", path, i - i % 100, i);
                make_directory(sub);
                (void)strcat(sub, "/file");
                write_file(sub, "x");
        }
}

static void test_large_tree_moved(void **state) {
        unsigned n = size_of(50000);
        Watch *watch;

        make_directory(at("in"));
        make_directory(at("in/a"));
        make_directory(at("out"));
        make_tree(at("in/a"), n);
        watch = start_tree(at("in"), WATCH_COMPLETE | WATCH_DELETE);
        assert_int_equal(watch_counters(watch).directories, n + 2);

        assert_int_equal(rename(at("in/a"), at("in/b")), 0);
        settle();
        assert_n_reported(2 * n);
        assert_int_equal(count_duplicates(), 0);
        assert_string_equal(w.records[0].path, "a/0/1/file");
        assert_int_equal(w.records[0].events, WATCH_DELETE);
        assert_string_equal(w.records[n].path, "b/0/1/file");

        forget_records();
        assert_int_equal(rename(at("in/b"), at("out/b")), 0);
        run_until_reported(n);
        assert_n_reported(n);
        assert_int_equal(w.records[0].events, WATCH_DELETE);
        assert_int_equal(watch_counters(watch).directories, 1);
        assert_true(watch_counters(watch).watches < 10);

        forget_records();
        assert_int_equal(rename(at("out/b"), at("in/c")), 0);
        settle();
        assert_n_reported(n);
        assert_int_equal(watch_counters(watch).directories, n + 2);
        assert_int_equal(watch_counters(watch).overflows, 0);
}

/* --- mounts, in a namespace of our own --- */

static void mount_tmpfs(const char *path) {
        if (mount("vakt-test", path, "tmpfs", 0, "nr_inodes=0,mode=0700") < 0)
                fail_msg("mount %s: %s", path, strerror(errno));
}

static void unmount(const char *path) {
        if (umount2(path, 0) < 0)
                fail_msg("umount %s: %s", path, strerror(errno));
}

/* What was unmounted has not been deleted; when it is back, only what is new in it is reported. */
static void test_unmounted(void **state) {
        unsigned n = size_of(50000);
        Watch *watch;

        if (!has_namespace)
                skip();
        make_directory(at("m"));
        make_directory(at("held"));
        mount_tmpfs(at("m"));
        make_directory(at("m/tree"));
        make_tree(at("m/tree"), n);
        watch = start_tree(at("m/tree"), WATCH_COMPLETE | WATCH_DELETE);
        assert_int_equal(watch_counters(watch).directories, n + 1);

        assert_int_equal(mount(at("m"), at("held"), NULL, MS_BIND, NULL), 0);
        unmount(at("m"));
        settle();
        assert_n_reported(0);
        assert_int_equal(watch_state(watch), WATCH_WAITING);
        write_file(at("held/tree/meanwhile"), "x");
        settle();
        assert_n_reported(0);

        assert_int_equal(mount(at("held"), at("m"), NULL, MS_BIND, NULL), 0);
        unmount(at("held"));
        settle();
        assert_n_reported(1);
        assert_reported("meanwhile", WATCH_CLOSE);
        assert_int_equal(watch_counters(watch).directories, n + 1);
        write_file(at("m/tree/after"), "x");
        settle();
        assert_n_reported(2);
        unmount(at("m")); /* nothing of ours holds it */
        settle();
}

/* A real unmount: the kernel gives up every watch. */
static void test_unmounted_for_good(void **state) {
        unsigned n = size_of(50000);
        Watch *watch;

        if (!has_namespace)
                skip();
        make_directory(at("m"));
        mount_tmpfs(at("m"));
        make_tree(at("m"), n);
        watch = start_tree(at("m"), WATCH_COMPLETE | WATCH_DELETE);
        unmount(at("m"));
        settle();
        assert_n_reported(0);
        assert_true(watch_counters(watch).watches < 10);
        write_file(at("m/below"), "x");
        settle();
        assert_n_reported(1);
        assert_reported("below", WATCH_CLOSE);
}

static void test_mounted_over(void **state) {
        unsigned n = size_of(50000);
        Watch *watch;

        if (!has_namespace)
                skip();
        make_directory(at("m"));
        make_directory(at("m/in"));
        make_tree(at("m/in"), n);
        watch = start_tree(at("m"), WATCH_COMPLETE | WATCH_DELETE);

        /* Over a directory in the tree: what is covered is kept, what covers it is another file system and left out.
         */
        mount_tmpfs(at("m/in/0"));
        write_file(at("m/in/0/other"), "x");
        settle();
        assert_n_reported(0);
        unmount(at("m/in/0"));
        settle();
        assert_n_reported(0);
        write_file(at("m/in/0/mine"), "x");
        settle();
        assert_reported("in/0/mine", WATCH_CLOSE);
        forget_records();

        /* Over the root: another tree, until it is gone. */
        mount_tmpfs(at("m"));
        settle();
        write_file(at("m/over"), "x");
        settle();
        assert_n_reported(1);
        assert_reported("over", WATCH_CLOSE);
        forget_records();
        unmount(at("m"));
        settle();
        assert_n_reported(0);
        assert_int_equal(watch_counters(watch).directories, n + 2);
        write_file(at("m/in/100/again"), "x");
        settle();
        assert_n_reported(1);
}

static void test_cross_mounts(void **state) {
        Watch *watch;

        if (!has_namespace)
                skip();
        make_directory(at("m"));
        make_directory(at("m/sub"));
        watch = start_watch(&(WatchDef){ .kind = WATCH_TREE,
                                         .path = at("m"),
                                         .events = WATCH_COMPLETE,
                                         .recursive = true,
                                         .cross_mounts = true });
        mount_tmpfs(at("m/sub"));
        settle();
        write_file(at("m/sub/x"), "x");
        settle();
        assert_reported("sub/x", WATCH_CLOSE);
        unmount(at("m/sub"));
        settle();
        stop_watch(watch);
}

static void test_overlay(void **state) {
        char options[4 * PATH_MAX];
        Watch *watch;

        if (!has_namespace)
                skip();
        if (backend_of_tests() == WATCH_BACKEND_FANOTIFY) /* which it gives no handles for */
                return;
        make_directory(at("o"));
        mount_tmpfs(at("o"));
        make_directory(at("o/lower"));
        make_directory(at("o/lower/a"));
        write_file(at("o/lower/a/f"), "x");
        make_directory(at("o/upper"));
        make_directory(at("o/work"));
        make_directory(at("o/merged"));
        (void)snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", at("o/lower"), at("o/upper"),
                       at("o/work"));
        if (mount("overlay", at("o/merged"), "overlay", 0, options) < 0) {
                unmount(at("o"));
                skip();
        }
        watch = start_tree(at("o/merged"), WATCH_COMPLETE | WATCH_DELETE);
        assert_int_equal(watch_counters(watch).directories, 2);
        write_file(at("o/merged/a/f"), "changed"); /* copied up */
        write_file(at("o/merged/a/g"), "x");
        settle();
        assert_n_reported(2);
        assert_reported("a/f", WATCH_CLOSE);
        assert_reported("a/g", WATCH_CLOSE);
        stop_watch(watch);
        unmount(at("o/merged"));
        unmount(at("o"));
}

/* --- the limit of watches --- */

static void write_text(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, text, strlen(text)) < 0)
                _exit(77);
        close(fd);
}

/* In a user namespace that may have 20 watches: the rest is polled, and it is said. */
static _Noreturn void run_limited(void) {
        _cleanup_free_ char *text = NULL;
        Watch *watch;

        stop_watcher();
        if (unshare(CLONE_NEWUSER) < 0)
                _exit(77);
        write_text("/proc/self/uid_map", "0 0 1");
        write_text("/proc/sys/user/max_inotify_watches", "20");
        start_watcher();
        watch = start_watch(&(WatchDef){ .kind = WATCH_TREE,
                                         .path = w.directory,
                                         .events = WATCH_COMPLETE,
                                         .recursive = true,
                                         .poll_min = 2 * USEC_PER_MSEC });
        if (watch_state(watch) != WATCH_DEGRADED || watch_counters(watch).polled_directories < 80)
                _exit(2);
        if (watch_explain(watch, &text) < 0 || !strstr(text, "max_user_watches"))
                _exit(3);
        for (unsigned i = 0; i < 100; i++)
                write_file(at("%u/f", i), "x");
        run_until_reported(100);
        if (w.n_records != 100)
                _exit(4);
        /* The limit is raised: polling ends by itself. */
        write_text("/proc/sys/user/max_inotify_watches", "1000");
        run_until_state(watch, WATCH_ACTIVE);
        _exit(watch_counters(watch).polled_directories == 0 ? 0 : 5);
}

static void test_limit(void **state) {
        int status;
        pid_t pid;

        if (backend_of_tests() == WATCH_BACKEND_FANOTIFY) /* which has no such limit */
                return;
        for (unsigned i = 0; i < 100; i++)
                make_directory(at("%u", i));
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                run_limited();
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
                skip();
        assert_int_equal(status, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                watch_test(test_anything),
                watch_test(test_swapped_for_links),
                watch_test(test_new_nested_directories),
                watch_test(test_overflow),
                watch_test(test_overflow_at_start),
                watch_test(test_repeated_overflow),
                watch_test(test_anything_while_down),
                watch_test(test_while_down),
                watch_test(test_large_tree_moved),
                watch_test(test_unmounted),
                watch_test(test_unmounted_for_good),
                watch_test(test_mounted_over),
                watch_test(test_cross_mounts),
                watch_test(test_overlay),
                watch_test(test_limit),
        };

        if (!tests_are_possible())
                return 0;
        has_namespace = take_namespace();
        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What [Clean] removes and what it keeps, in a tmpfs of our own, whose size is known. Needs root: for that, and for
 * other users. Is skipped without. */

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "scratch-tree.h"
#include "upkeep/clean.h"
#include "upkeep/open-files.h"
#include "util/size.h"
#include "util/strv.h"

#define DAY USEC_PER_DAY

static bool is_mounted;
static usec_t now;

/* --- trees --- */

static void set_age(const char *name, usec_t age) {
        const time_t t = (time_t)((now - age) / USEC_PER_SEC);
        const struct timespec times[2] = { { .tv_sec = t }, { .tv_sec = t } };

        assert_int_equal(utimensat(AT_FDCWD, at(name), times, AT_SYMLINK_NOFOLLOW), 0);
}

static void make_file_of(const char *name, usec_t age, size_t size, uid_t uid) {
        static const char block[4096];
        int fd = open(at(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        for (; size > 0; size -= MIN(size, sizeof(block)))
                assert_true(write(fd, block, MIN(size, sizeof(block))) > 0);
        assert_int_equal(fchown(fd, uid, uid), 0);
        safe_close(fd);
        set_age(name, age);
}

static void make_file(const char *name, usec_t age) {
        make_file_of(name, age, 4096, 0);
}

static bool is_there(const char *name) {
        struct stat st;

        return lstat(at(name), &st) == 0;
}

#define gone(name)  assert_false(is_there(name))
#define stays(name) assert_true(is_there(name))

/* --- runs --- */

typedef struct Log {
        char **removed, **others; /* "a/b: reason" */
} Log;

static Log told;
static CleanTotals totals;

static void forget(void) {
        told.removed = strv_free(told.removed);
        told.others = strv_free(told.others);
}

static void (*on_first)(void); /* called when the first entry has been removed */

static void on_event(void *userdata, const CleanEvent *e) {
        static const char *const words[] = { "", "kept ", "skipped ", "refused ", "failed " };
        size_t skip = strlen(top) + 1;

        assert_true(e->n == strlen(e->path));
        (void)strv_extendf(e->act == CLEAN_REMOVED ? &told.removed : &told.others, "%s%s: %s", words[e->act],
                           e->n > skip ? e->path + skip : e->path, e->reason);
        if (on_first && e->act == CLEAN_REMOVED)
                TAKE_PTR(on_first)();
}

static void clean_once(const CleanDef *def, bool plan) {
        Clean *c = NULL;

        assert_int_equal(clean_new(&c, def, now, plan, on_event, NULL), 0);
        assert_int_equal(clean_do(c), 0);
        totals = *clean_totals(c);
        clean_free(c);
}

/* Plans, and does; both have to be the same. */
static void clean_up(const CleanDef *def) {
        CleanTotals planned;
        char **plan;

        forget();
        clean_once(def, /* plan= */ true);
        plan = TAKE_PTR(told.removed);
        planned = totals;
        forget();
        clean_once(def, /* plan= */ false);
        strings_sort(plan, strv_length(plan));
        strings_sort(told.removed, strv_length(told.removed));
        STRV_FOREACH(s, told.removed)
                if (!plan || !plan[s - told.removed] || !streq(plan[s - told.removed], *s))
                        fail_msg("%s was not planned", *s);
        assert_int_equal(strv_length(plan), strv_length(told.removed));
        assert_int_equal(planned.n_files, totals.n_files);
        assert_int_equal(planned.bytes, totals.bytes + totals.held_bytes);
        strv_free(plan);
}

static void says(const char *line) {
        STRV_FOREACH(s, told.others)
                if (streq(*s, line))
                        return;
        STRV_FOREACH(s, told.removed)
                if (streq(*s, line))
                        return;
        STRV_FOREACH(s, told.others)
                print_message("# %s\n", *s);
        fail_msg("not told: %s", line);
}

static char *paths[8], *excluded[8];

static CleanDef def_of(const char *name) {
        static char path[4200];
        CleanDef def = clean_def_defaults;

        (void)snprintf(path, sizeof(path), "%s%s%s", top, *name ? "/" : "", name);
        paths[0] = path;
        paths[1] = NULL;
        def.paths = paths;
        def.age_by = CLEAN_AGE_MODIFY;
        return def;
}

static CleanDef older_than(const char *name, usec_t age) {
        CleanDef def = def_of(name);

        def.max_age = age;
        return def;
}

static int set_up(void **state) {
        now = now_realtime() / USEC_PER_SEC * USEC_PER_SEC;
        if (make_top(state) < 0)
                return -1;
        is_mounted = geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
                     mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
                     mount("tmpfs", top, "tmpfs", MS_NOSUID, "size=4M,nr_inodes=8k,mode=0755") == 0;
        return 0;
}

static int tear_down(void **state) {
        forget();
        if (is_mounted)
                (void)umount2(top, MNT_DETACH);
        return rmdir(top);
}

static int empty(void **state) {
        char command[128];

        forget();
        (void)snprintf(command, sizeof(command), "find %s -mindepth 1 -delete", top);
        return is_mounted ? system(command) : 0;
}

#define NEEDS_ROOT()     \
        if (!is_mounted) \
        skip()

/* --- age --- */

static void test_age(void **state) {
        CleanDef def = older_than("a", 3 * DAY);

        NEEDS_ROOT();
        make("a", 0, 0755);
        make("a/b", 0, 0755);
        make_file("a/young", 2 * DAY);
        make_file("a/old", 4 * DAY);
        make_file("a/b/old", 3 * DAY);
        make_file("a/future", 0);
        set_age("a/future", (usec_t)-DAY);
        clean_up(&def);
        gone("a/old");
        gone("a/b/old");
        stays("a/young");
        stays("a/future");
        stays("a/b");
        says("a/old: is older than MaxAge=");
        assert_int_equal(totals.n_files, 2);
        assert_int_equal(totals.bytes, 8192);
}

static void test_age_by(void **state) {
        const struct timespec accessed[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_OMIT } };
        CleanDef def = older_than("a", 3 * DAY);

        NEEDS_ROOT();
        make("a", 0, 0755);
        make_file("a/f", 4 * DAY);
        def.age_by = CLEAN_AGE_MODIFY | CLEAN_AGE_CHANGE; /* it was just given that time */
        clean_up(&def);
        stays("a/f");
        assert_int_equal(utimensat(AT_FDCWD, at("a/f"), accessed, 0), 0);
        def.age_by = CLEAN_AGE_ACCESS | CLEAN_AGE_MODIFY;
        clean_up(&def);
        stays("a/f");
        def.age_by = CLEAN_AGE_BIRTH;
        clean_up(&def);
        stays("a/f");
        def.age_by = CLEAN_AGE_MODIFY;
        clean_up(&def);
        gone("a/f");
}

static void test_patterns(void **state) {
        CleanDef def = older_than("*/f*", DAY);

        NEEDS_ROOT();
        make("a", 0, 0755);
        make("b", 0, 0755);
        make("a/fd", 0, 0755);
        make_file("a/f1", 2 * DAY);
        make_file("a/g1", 2 * DAY);
        make_file("a/fd/x", 2 * DAY);
        make_file("b/f2", 2 * DAY);
        clean_up(&def);
        gone("a/f1");
        gone("b/f2");
        gone("a/fd/x");
        stays("a/g1");
        stays("a/fd"); /* what is in it is cleaned */
        def = older_than("missing", DAY);
        clean_up(&def);
        says("skipped missing: does not exist");
        def = older_than("missing/c/*", DAY);
        clean_up(&def);
        says("skipped missing/c: does not exist");
        def = older_than("*/missing", DAY);
        clean_up(&def);
        assert_int_equal(strv_length(told.others), 0);
        assert_int_equal(totals.n_refused + totals.n_failed, 0);
}

static void test_excluded(void **state) {
        CleanDef def = older_than("a", DAY);

        NEEDS_ROOT();
        excluded[0] = (char *)"keep*";
        excluded[1] = (char *)"tmp/*/a/b/*.txt"; /* of the absolute path */
        excluded[2] = NULL;
        def.exclude = excluded;
        make("a", 0, 0755);
        make("a/b", 0, 0755);
        make("a/keep-this", 0, 0755);
        make_file("a/keep-this/f", 2 * DAY);
        make_file("a/keep", 2 * DAY);
        make_file("a/b/1.txt", 2 * DAY);
        make_file("a/1.txt", 2 * DAY);
        make_file("a/b/f", 2 * DAY);
        clean_up(&def);
        gone("a/1.txt");
        gone("a/b/f");
        stays("a/b/1.txt");
        stays("a/keep");
        stays("a/keep-this/f");
        def = older_than("*/*", DAY);
        def.exclude = excluded;
        clean_up(&def);
        stays("a/keep");
        stays("a/keep-this/f");
        def = older_than("a", DAY);
        def.recursive = false;
        make_file("a/g", 2 * DAY);
        make_file("a/b/g", 2 * DAY);
        clean_up(&def);
        gone("a/g");
        stays("a/b/g");
}

static void test_empty_directories(void **state) {
        CleanDef def = older_than("a", DAY);

        NEEDS_ROOT();
        def.empty_directories = true;
        make("a", 0, 0755);
        make("a/b", 0, 0755);
        make("a/b/c", 0, 0755);
        make("a/new", 0, 0755);
        make("a/full", 0, 0755);
        make_file("a/b/c/old", 2 * DAY);
        make_file("a/full/old", 2 * DAY);
        make_file("a/full/new", 0);
        clean_up(&def);
        gone("a/b"); /* it has become empty */
        stays("a/full/new");
        stays("a/new"); /* it was empty, and is new */
        stays("a");
        assert_int_equal(totals.n_directories, 2);
        now += 2 * DAY;
        clean_up(&def);
        now -= 2 * DAY;
        gone("a/new");
        stays("a");
        says("a/new: is empty and older than MaxAge=");

        /* The same at the end of a choice. */
        def = def_of("a");
        def.max_count = 1;
        def.empty_directories = true;
        make("a/b", 0, 0755);
        make("a/b/c", 0, 0755);
        make_file("a/b/c/f", 3 * DAY);
        make_file("a/b/g", 2 * DAY);
        make_file("a/h", DAY);
        clean_up(&def);
        gone("a/b");
        stays("a/h");
        assert_int_equal(totals.n_directories, 2);
}

/* --- what is never removed --- */

/* What everybody can lock does not stay for it: only root's locks count, and those of the owners. */
static void test_locks_of_others(void **state) {
        static const char *const names[] = { "a/f", "a/alice", "a/d", "drop", "drop/f" };
        const uid_t users[] = { BOB, ALICE, BOB, BOB, BOB }, owners[] = { 0, ALICE, ALICE, 0, ALICE };
        CleanDef def = older_than("a", DAY);
        pid_t pids[ELEMENTSOF(names)];

        NEEDS_ROOT();
        make("a", 0, 0755);
        make("a/d", ALICE, 0755);
        make("drop", 0, 01777);
        make_file_of("a/d/f", 2 * DAY, 0, ALICE);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                if (strchr(names[i], 'f') || strstr(names[i], "alice"))
                        make_file_of(names[i], 2 * DAY, 0, owners[i]);
                pids[i] = lock_as(users[i], names[i]);
        }
        clean_up(&def);
        gone("a/f");
        gone("a/d/f");
        stays("a/alice");
        says("kept a/alice: is locked (flock(2))");
        def = older_than("drop", DAY);
        clean_up(&def);
        gone("drop/f");
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                unlock(pids[i]);
        /* How often it is asked who has a lock has an end. */
        make_file("a/f", 2 * DAY);
        pids[0] = lock_as(BOB, "a/f");
        clean_limits.locked = 0;
        def = older_than("a", DAY);
        clean_up(&def);
        clean_limits.locked = 10000;
        stays("a/f");
        unlock(pids[0]);
}

static void test_locks(void **state) {
        CleanDef def = older_than("a", DAY);
        int file, directory;

        NEEDS_ROOT();
        make("a", 0, 0755);
        make("a/d", 0, 0755);
        make_file("a/f", 2 * DAY);
        make_file("a/d/f", 2 * DAY);
        file = open(at("a/f"), O_RDONLY | O_CLOEXEC);
        directory = open(at("a/d"), O_RDONLY | O_CLOEXEC);
        assert_int_equal(flock(file, LOCK_SH), 0);
        assert_int_equal(flock(directory, LOCK_SH), 0);
        clean_up(&def);
        stays("a/f");
        stays("a/d/f");
        says("kept a/f: is locked (flock(2))");
        says("kept a/d: is locked (flock(2))");
        assert_int_equal(totals.n_refused + totals.n_failed, 0);
        safe_close(directory);
        def = def_of("a");
        def.max_count = 0;
        clean_up(&def);
        stays("a/f");
        gone("a/d/f");
        safe_close(file);
        clean_up(&def);
        gone("a/f");
}

static int listen_at(const char *name) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", at(name));
        assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 1), 0);
        set_age(name, 2 * DAY);
        return fd;
}

static void test_special_files(void **state) {
        CleanDef def = def_of("a");
        int live, newline;

        NEEDS_ROOT();
        make("a", 0, 0755);
        assert_int_equal(mkfifo(at("a/fifo"), 0600), 0);
        assert_int_equal(mknod(at("a/device"), S_IFCHR | 0600, makedev(1, 7)), 0);
        assert_int_equal(symlink("/etc/passwd", at("a/link")), 0);
        set_age("a/fifo", 2 * DAY);
        set_age("a/device", 2 * DAY);
        set_age("a/link", 2 * DAY);
        live = listen_at("a/live\tsocket");
        newline = listen_at("a/two\nlines");
        safe_close(listen_at("a/dead"));
        def.max_count = 0;
        clean_up(&def);
        gone("a/link"); /* and not what it leads to */
        stays("a/fifo");
        stays("a/device");
        stays("a/dead");
        assert_int_equal(access("/etc/passwd", F_OK), 0);
        def = older_than("a", DAY);
        clean_up(&def);
        gone("a/fifo");
        gone("a/device");
        gone("a/dead");
        stays("a/live\tsocket");
        stays("a/two\nlines");
        says("kept a/live\tsocket: is a socket in use");
        safe_close(live);
        safe_close(newline);
}

static void test_protected(void **state) {
        CleanDef def = older_than("a", DAY);

        NEEDS_ROOT();
        make("a", 0, 0755);
        make("a/m", 0, 0755);
        make_file("a/sticky", 2 * DAY);
        assert_int_equal(chmod(at("a/sticky"), 01644), 0);
        make("lost+found", 0, 0700);
        make_file("lost+found/f", 2 * DAY);
        make_file("aquota.user", 2 * DAY);
        make("a/lost+found", 0, 0700); /* at no root of a file system */
        make_file("a/lost+found/f", 2 * DAY);
        assert_int_equal(mount("tmpfs", at("a/m"), "tmpfs", 0, "mode=0755"), 0);
        make_file("a/m/f", 2 * DAY);
        make("b", 0, 0755);
        make_file("b/f", 0);
        make("a/bind", 0, 0755);
        set_age("b/f", 2 * DAY);
        assert_int_equal(mount(at("b"), at("a/bind"), "none", MS_BIND, NULL), 0);
        clean_up(&def);
        stays("a/sticky");
        stays("a/m/f");
        stays("a/bind/f");
        gone("a/lost+found/f");
        def = older_than("a/*", DAY);
        clean_up(&def);
        stays("a/m/f");
        def = older_than("", DAY);
        clean_up(&def);
        stays("lost+found/f");
        stays("aquota.user");
        gone("b/f");
        def = older_than("a/m", DAY); /* by name */
        clean_up(&def);
        gone("a/m/f");
        assert_int_equal(umount(at("a/m")), 0);
        assert_int_equal(umount(at("a/bind")), 0);
}

/* Anybody can have one file open as often as he likes. */
static void test_open_often(void **state) {
        const size_t normal = open_files_max;
        CleanDef def = older_than("a", DAY);
        int ready[2], until[2];
        struct rlimit limit;
        char byte = 0;

        NEEDS_ROOT();
        def.keep_open = true;
        make("a", 0, 0755);
        make_file("a/closed", 2 * DAY);
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        assert_int_equal(pipe2(until, O_CLOEXEC), 0);
        for (unsigned i = 0; i < 3; i++) {
                pid_t pid = fork();

                assert_true(pid >= 0);
                if (pid > 0)
                        continue;
                (void)close(until[1]);
                (void)getrlimit(RLIMIT_NOFILE, &limit);
                limit.rlim_cur = limit.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &limit);
                for (unsigned n = 0; n < 18000 && dup(STDIN_FILENO) >= 0; n++)
                        ;
                if (write(ready[1], &byte, 1) == 1)
                        (void)!read(until[0], &byte, 1); /* its end */
                _exit(0);
        }
        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(read(ready[0], &byte, 1), 1);
        open_files_max = 40000;
        clean_up(&def);
        open_files_max = normal;
        gone("a/closed");
        for (unsigned i = 0; i < 2; i++) {
                (void)close(until[i]);
                (void)close(ready[i]);
        }
        while (wait(NULL) > 0)
                ;
}

static void test_keep_open(void **state) {
        CleanDef def = older_than("a", DAY);
        int to_child[2], held;
        pid_t pid;

        NEEDS_ROOT();
        def.keep_open = true;
        make("a", 0, 0755);
        make_file("a/open", 2 * DAY);
        make_file("a/closed", 2 * DAY);
        held = open(at("a/open"), O_RDONLY | O_CLOEXEC);
        assert_int_equal(pipe2(to_child, O_CLOEXEC), 0);
        pid = fork(); /* it keeps the file open until its pipe ends */
        assert_true(pid >= 0);
        if (pid == 0) {
                char end;

                safe_close(to_child[1]);
                _exit(read(to_child[0], &end, 1) < 0);
        }
        safe_close(held);
        clean_up(&def);
        stays("a/open");
        gone("a/closed");
        says("kept a/open: is open");
        safe_close(to_child[1]);
        (void)waitpid(pid, NULL, 0);
        safe_close(to_child[0]);
        clean_up(&def);
        gone("a/open");
}

/* --- too much --- */

static void test_count_and_size(void **state) {
        CleanDef def = def_of("a");

        NEEDS_ROOT();
        make("a", 0, 0755);
        make("a/b", 0, 0755);
        make_file("a/1", 1 * DAY);
        make_file("a/b/2", 2 * DAY);
        make_file("a/3", 3 * DAY);
        make_file("a/b/4", 4 * DAY);
        make_file("a/5", 5 * DAY);
        def.max_count = 4;
        clean_up(&def);
        gone("a/5");
        stays("a/b/4");
        def.max_count = UINT64_MAX;
        def.max_size = 3 * 4096;
        clean_up(&def);
        gone("a/b/4");
        stays("a/3");
        def.max_size = 0;
        def.keep_min = 2;
        clean_up(&def);
        gone("a/3");
        stays("a/b/2");
        stays("a/1");
        def.max_size = UINT64_MAX;
        def.max_age = 0;
        def.keep_min = 1;
        clean_up(&def);
        gone("a/b/2");
        stays("a/1");
}

/* That older ones cannot go is no reason to remove them. */
static void test_newest_stay(void **state) {
        CleanDef def = def_of("a");
        int locks[3];

        make("a", 0, 0755);
        make_file("a/1", 1 * DAY);
        make_file("a/2", 2 * DAY);
        make_file("a/3", 3 * DAY);
        for (unsigned i = 0; i < ELEMENTSOF(locks); i++) {
                char name[16];

                (void)snprintf(name, sizeof(name), "a/%u", i + 4);
                make_file(name, (i + 4) * DAY);
                locks[i] = open(at(name), O_RDONLY | O_CLOEXEC);
                assert_int_equal(flock(locks[i], LOCK_SH), 0);
        }
        def.max_count = 0;
        def.keep_min = 2;
        clean_up(&def);
        gone("a/3");
        stays("a/2");
        stays("a/1");
        assert_int_equal(totals.n_files, 1);
        for (unsigned i = 0; i < ELEMENTSOF(locks); i++)
                safe_close(locks[i]);
}

static void test_rules_by_path(void **state) {
        CleanDef def = def_of("a");
        char second[128];

        NEEDS_ROOT();
        (void)snprintf(second, sizeof(second), "%s/b", top);
        paths[1] = second;
        paths[2] = NULL;
        make("a", 0, 0755);
        make("b", 0, 0755);
        make_file("a/1", 1 * DAY);
        make_file("a/2", 2 * DAY);
        make_file("b/3", 3 * DAY);
        make_file("b/4", 4 * DAY);
        def.max_count = 1;
        clean_up(&def);
        stays("a/1");
        stays("b/3");
        gone("a/2");
        gone("b/4");
}

static void test_hard_links(void **state) {
        CleanDef def = def_of("a");

        NEEDS_ROOT();
        make("a", 0, 0755);
        make_file("a/old", 3 * DAY);
        make_file("a/two", 2 * DAY);
        assert_int_equal(link(at("a/two"), at("a/two-again")), 0);
        make_file("a/new", 1 * DAY);
        def.max_size = 3 * 4096; /* that is all of it */
        clean_up(&def);
        assert_int_equal(totals.n_files, 0);
        def.max_size = 4096;
        clean_up(&def);
        gone("a/old");
        gone("a/two");
        gone("a/two-again");
        stays("a/new");
        assert_int_equal(totals.bytes, 2 * 4096);
        assert_int_equal(link(at("a/new"), at("outside")), 0);
        def = older_than("a", 0);
        clean_up(&def);
        gone("a/new");
        stays("outside");
        assert_int_equal(totals.bytes, 0); /* another name is left */
}

static void fill(usec_t first, unsigned n, const char *where) {
        char name[64];

        for (unsigned i = 0; i < n; i++) {
                (void)snprintf(name, sizeof(name), "%s/%03u", where, i);
                make_file_of(name, first - i * USEC_PER_MINUTE, 16384, 0);
        }
}

static uint64_t free_bytes(void) {
        struct statvfs s;

        assert_int_equal(statvfs(top, &s), 0);
        return s.f_bavail * s.f_frsize;
}

static void test_until_free(void **state) {
        CleanDef def = def_of("*");
        int held, lock;

        NEEDS_ROOT();
        make("a", 0, 0755);
        make("b", 0, 0755);
        fill(9 * DAY, 100, "a"); /* 3.2 MB of 4 */
        fill(8 * DAY, 100, "b");
        def.until_free.permyriad = 4000;
        lock = open(at("a/001"), O_RDONLY | O_CLOEXEC);
        assert_int_equal(flock(lock, LOCK_EX), 0);
        clean_up(&def);
        assert_in_range(free_bytes(), 1677722, 1677722 + 16384);
        gone("a/000");
        stays("a/001");
        gone("a/002");
        stays("a/099");
        stays("b/000");
        says("kept a/001: is locked (flock(2))");
        assert_int_equal(totals.n_refused, 0);
        clean_up(&def); /* there is room */
        assert_int_equal(totals.n_files, 0);

        /* A file that is held does not count. */
        held = open(at("a/099"), O_RDONLY | O_CLOEXEC);
        def.until_free = (CleanMark){ .bytes = 3 << 20 };
        forget();
        clean_once(&def, /* plan= */ false);
        gone("a/099");
        assert_in_range(free_bytes(), 3 << 20, (3 << 20) + 16384);
        assert_int_equal(totals.held_bytes, 16384);
        assert_int_equal(totals.n_held, 1);
        safe_close(held);
        def.keep_min = 30;
        def.until_free = (CleanMark){ .permyriad = 10000 };
        clean_up(&def);
        assert_int_equal(totals.n_refused, 1); /* not reached */
        stays("b/099");
        stays("b/080");
        safe_close(lock);
}

static void test_until_inodes_free(void **state) {
        struct statvfs s;
        CleanDef def = def_of("a");

        NEEDS_ROOT();
        make("a", 0, 0755);
        fill(9 * DAY, 100, "a");
        assert_int_equal(statvfs(top, &s), 0);
        def.until_inodes_free.bytes = s.f_favail + 10;
        clean_up(&def);
        assert_int_equal(totals.n_files, 10);
        gone("a/009");
        stays("a/010");
        says("a/009: is among the oldest, for UntilInodesFree=");
}

static void test_forgotten(void **state) {
        CleanLimits limits = clean_limits;
        CleanDef def = def_of("a");

        NEEDS_ROOT();
        make("a", 0, 0755);
        fill(9 * DAY, 100, "a");
        clean_limits.files = 16;
        def.max_count = 98;
        clean_up(&def);
        assert_int_equal(totals.n_files, 2);
        gone("a/001");
        stays("a/002");
        def.max_count = 10; /* more than are remembered */
        clean_up(&def);
        assert_true(totals.n_files >= 8 && totals.n_files <= 16);
        assert_int_equal(totals.n_refused, 1);
        gone("a/009");
        stays("a/099");
        clean_limits = limits;
        clean_up(&def);
        stays("a/090");
        gone("a/089");
}

static int locked = -EBADF;

static void change_meanwhile(void) {
        set_age("a/touched", 0);
        locked = open(at("a/locked"), O_RDONLY | O_CLOEXEC);
        assert_int_equal(flock(locked, LOCK_SH), 0);
        assert_int_equal(rename(at("a/swapped"), at("a/away")), 0);
        assert_int_equal(symlink("away", at("a/swapped")), 0);
}

/* Between the look at all files and the removal of one. */
static void test_changes_meanwhile(void **state) {
        CleanDef def = def_of("a");

        NEEDS_ROOT();
        make("a", 0, 0755);
        make("a/locked", 0, 0755);
        make("a/swapped", 0, 0755);
        make_file("a/first", 9 * DAY);
        make_file("a/touched", 8 * DAY);
        make_file("a/locked/f", 8 * DAY);
        make_file("a/swapped/f", 8 * DAY);
        make_file("a/last", 7 * DAY);
        def.max_count = 0;
        forget();
        on_first = change_meanwhile;
        clean_once(&def, /* plan= */ false);
        safe_close(locked);
        gone("a/first");
        gone("a/last");
        says("kept a/touched: has changed meanwhile");
        says("kept a/locked/f: is in a directory that is locked (flock(2))");
        says("refused a/swapped/f: is in a directory that was replaced meanwhile");
        stays("a/away/f");
        assert_int_equal(totals.n_files, 2);
}

/* --- owners --- */

static void test_owners(void **state) {
        CleanDef def = older_than("*", DAY);

        NEEDS_ROOT();
        make("alice", ALICE, 0755);
        make("alice/hers", ALICE, 0777);
        make("alice/bobs", BOB, 0755);
        make("alice/roots", 0, 0755);
        make("open", 0, 0777);
        assert_int_equal(chmod(at("open"), 0777), 0);
        make_file_of("alice/f", 2 * DAY, 0, 0);
        make_file_of("alice/hers/f", 2 * DAY, 0, BOB);
        make_file_of("alice/bobs/f", 2 * DAY, 0, ALICE);
        make_file_of("alice/roots/f", 2 * DAY, 0, ALICE);
        make_file_of("open/f", 2 * DAY, 0, ALICE);
        clean_up(&def);
        gone("alice/f"); /* she may remove it */
        gone("alice/hers/f");
        stays("alice/bobs/f");
        stays("alice/roots/f");
        stays("open/f");
        says("refused alice/bobs: has another owner than the directory that it is in, who could have put it there");
        assert_int_equal(totals.n_refused, 3);
        make("locked", ALICE, 0500); /* what she may not, we may not */
        make_file_of("locked/f", 2 * DAY, 0, ALICE);
        def = older_than("locked", DAY);
        forget();
        clean_once(&def, /* plan= */ false);
        stays("locked/f");
        says("failed locked/f: Permission denied");
}

static void test_sticky_directory(void **state) {
        CleanDef def = older_than("tmp", DAY);

        NEEDS_ROOT();
        make("tmp", 0, 01777);
        make("tmp/alice", ALICE, 0700);
        make("tmp/open", 0, 0777);
        assert_int_equal(chmod(at("tmp/open"), 0777), 0);
        make_file_of("tmp/open/f", 2 * DAY, 0, ALICE);
        make_file_of("tmp/a", 2 * DAY, 0, ALICE);
        make_file_of("tmp/b", 2 * DAY, 0, BOB);
        make_file_of("tmp/r", 2 * DAY, 0, 0);
        make_file_of("tmp/alice/f", 2 * DAY, 0, ALICE);
        def.empty_directories = true;
        clean_up(&def);
        gone("tmp/a");
        gone("tmp/b");
        gone("tmp/r");
        gone("tmp/alice");
        stays("tmp/open/f");
        says("refused tmp/open: is writable by other users and has no sticky bit");
}

static void test_limits(void **state) {
        CleanLimits limits = clean_limits;
        CleanDef def = older_than("a", DAY);

        NEEDS_ROOT();
        make("a", 0, 0755);
        make("a/alice", ALICE, 0755);
        make("a/bob", BOB, 0755);
        fill(9 * DAY, 50, "a/alice");
        fill(9 * DAY, 5, "a/bob");
        clean_limits.owner_entries = 20;
        forget();
        clean_once(&def, /* plan= */ false);
        assert_int_equal(totals.n_files, 25);
        says("refused a/alice: belongs to a user with too many files: the rest is left");
        gone("a/bob/004");
        clean_limits = limits;
        clean_limits.pending = 0;
        clean_up(&def);
        assert_int_equal(totals.n_files, 0);
        says("refused a/alice: is one of too many directories");
        clean_limits = limits;
}

/* --- names and depth --- */

static void test_names(void **state) {
        static const char *const names[] = { "a/two\nlines", "a/-rf", "a/ ", "a/\xff\xfe", "a/$(x);", "a/*" };
        CleanDef def = older_than("a", DAY);

        NEEDS_ROOT();
        make("a", 0, 0755);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                make_file(names[i], 2 * DAY);
        make_file("a/new", 0);
        clean_up(&def);
        assert_int_equal(totals.n_files, ELEMENTSOF(names));
        stays("a/new");
}

/* With a file in the deepest one. Not by a path, which would be too long. */
static void make_deep(unsigned depth) {
        const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
        int fd = open(at("a"), O_RDONLY | O_DIRECTORY | O_CLOEXEC), next;

        for (unsigned i = 0; i < depth; i++) {
                assert_int_equal(mkdirat(fd, "deep", 0755), 0);
                next = openat(fd, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                assert_true(next >= 0);
                safe_close(fd);
                fd = next;
        }
        next = openat(fd, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_int_equal(futimens(next, times), 0);
        safe_close(next);
        safe_close(fd);
}

static void test_depth(void **state) {
        CleanDef def = older_than("a", DAY);
        struct rlimit files;

        NEEDS_ROOT();
        def.empty_directories = true;
        make("a", 0, 0755);
        make_deep(300);
        clean_up(&def);
        gone("a/deep");
        assert_int_equal(totals.n_directories, 300);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
        if (files.rlim_max < 4096)
                skip();
        make_deep(3000);
        def.keep_min = 0;
        def.max_age = USEC_INFINITY;
        def.max_count = 0;
        clean_up(&def);
        gone("a/deep");
        assert_int_equal(totals.n_directories, 3000);
        make_deep(CLEAN_DEPTH_MAX + 1);
        clean_up(&def);
        stays("a/deep");
        assert_int_equal(totals.n_refused, 1);
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup(f, empty)
        const struct CMUnitTest tests[] = {
                CASE(test_age),
                CASE(test_age_by),
                CASE(test_patterns),
                CASE(test_excluded),
                CASE(test_empty_directories),
                CASE(test_locks),
                CASE(test_locks_of_others),
                CASE(test_special_files),
                CASE(test_protected),
                CASE(test_keep_open),
                CASE(test_open_often),
                CASE(test_count_and_size),
                CASE(test_newest_stay),
                CASE(test_rules_by_path),
                CASE(test_hard_links),
                CASE(test_until_free),
                CASE(test_until_inodes_free),
                CASE(test_forgotten),
                CASE(test_changes_meanwhile),
                CASE(test_owners),
                CASE(test_sticky_directory),
                CASE(test_limits),
                CASE(test_names),
                CASE(test_depth),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}

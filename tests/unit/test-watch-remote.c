/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files that others change without this kernel knowing, beside and below those that it knows all about: a real FUSE
 * mount (bindfs), and an NFS export of this machine where the kernel has both sides of it. What is written on the far
 * side gives no event here. */

#include <poll.h>
#include <sys/statfs.h>

#include "test-watch.h"

#define FAST (20 * USEC_PER_MSEC)

/* A test that is skipped counts as failed in the TAP of cmocka 1.1.5. */
#define leave(why)                                      \
        do {                                            \
                print_message("# not done: " why "\n"); \
                return;                                 \
        } while (false)

typedef struct Mount {
        const char *name;
        int (*mount)(const char *far, const char *near); /* a child that goes with the mount, 0 = none, -1 = failed */
        void (*forget)(const char *far);
} Mount;

static bool has_namespace;

/* --- mounts --- */

static unsigned type_of(const char *path) {
        struct statfs s;

        return statfs(path, &s) < 0 ? 0 : (unsigned)s.f_type;
}

static pid_t spawn(const char *const argv[]) {
        pid_t pid = fork();

        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* a test that fails leaves nothing behind */
                (void)execvp(argv[0], (char *const *)argv);
                _exit(127);
        }
        return pid;
}

static bool succeeds(const char *const argv[]) {
        int status;

        return waitpid(spawn(argv), &status, 0) > 0 && status == 0;
}

static int mount_fuse(const char *far, const char *near) {
        const char *const argv[] = { "bindfs", "-f", "--no-allow-other", far, near, NULL };
        struct pollfd mounts = { .fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC), .events = POLLPRI };
        unsigned before = type_of(near);
        pid_t pid = spawn(argv);

        while (type_of(near) == before && waitpid(pid, NULL, WNOHANG) == 0)
                (void)poll(&mounts, 1, 100); /* in case the mount came just before */
        close(mounts.fd);
        return type_of(near) != before ? pid : -1;
}

static bool kernel_has(const char *file_system) {
        FILE *f = fopen("/proc/filesystems", "re");
        char line[128];
        bool found = false;

        while (f && fgets(line, sizeof(line), f))
                found = found || strstr(line, file_system);
        if (f)
                (void)fclose(f);
        return found;
}

static int mount_nfs(const char *far, const char *near) {
        char export[PATH_MAX + 16];

        (void)snprintf(export, sizeof(export), "127.0.0.1:%s", far);
        if (!kernel_has("\tnfs4\n") || !kernel_has("\tnfsd\n"))
                return -1;
        if (!succeeds((const char *const[]){ "exportfs", "-o", "rw,no_root_squash,insecure,fsid=4711", export, NULL }))
                return -1;
        return succeeds((const char *const[]){ "mount", "-t", "nfs", "-o", "nolock,actimeo=0", export, near, NULL })
                       ? 0
                       : -1;
}

static void forget_nfs(const char *far) {
        char export[PATH_MAX + 16];

        (void)snprintf(export, sizeof(export), "127.0.0.1:%s", far);
        (void)succeeds((const char *const[]){ "exportfs", "-u", export, NULL });
}

static const Mount mounts[] = {
        { "FUSE", mount_fuse, NULL },
        { "NFS", mount_nfs, forget_nfs },
};

static void unmount(const Mount *m, const char *near, int child) {
        assert_int_equal(umount2(near, 0), 0);
        if (child > 0)
                assert_int_equal(waitpid(child, NULL, 0), child);
        if (m->forget)
                m->forget(at("far"));
}

/* --- what is below a local tree --- */

static void assert_explained(const Watch *watch, const char *part) {
        _cleanup_free_ char *text = NULL;

        assert_int_equal(watch_explain(watch, &text), 0);
        if (!strstr(text, part))
                fail_msg("\"%s\" is not in \"%s\"", part, text);
}

/* There at the start, there at the next start, and come later. */
static void try_tree(const Mount *m, int *child) {
        const WatchDef def = { .kind = WATCH_TREE,
                               .path = w.directory,
                               .events = WATCH_COMPLETE,
                               .recursive = true,
                               .cross_mounts = true,
                               .poll_min = FAST };
        Watch *watch = start_watch(&def);

        assert_int_equal(watch_state(watch), WATCH_ACTIVE);
        assert_int_equal(watch_counters(watch).polled_directories, 3); /* it and the two in it, and no more */
        assert_explained(watch, "3 directories polled");
        write_file(at("far/a"), "x");
        settle();
        run_until_reported(2);
        assert_non_null(record_of("near/a"));
        stop_and_keep(watch);
        forget_records();

        watch = start_kept(&def);
        settle();
        assert_n_reported(0);
        write_file(at("far/sub/b"), "x");
        run_until_reported(2);
        assert_non_null(record_of("near/sub/b"));
        forget_records();

        unmount(m, at("near"), *child);
        settle();
        assert_int_equal(watch_counters(watch).polled_directories, 0);
        *child = m->mount(at("far"), at("near"));
        assert_true(*child >= 0);
        forget_records();
        while (watch_counters(watch).polled_directories < 3)
                assert_true(sd_event_run(w.event, 60 * USEC_PER_SEC) > 0);
        settle();
        forget_records();
        write_file(at("far/c"), "x");
        run_until_reported(2);
        assert_non_null(record_of("near/c"));
        stop_watch(watch);
}

static void try_conditions(void) {
        const WatchDef defs[] = {
                { .kind = WATCH_PATH_EXISTS, .path = at("near/x"), .poll_min = FAST },
                { .kind = WATCH_PATH_EXISTS_GLOB, .path = at("n*r/y*"), .poll_min = FAST },
                { .kind = WATCH_DIRECTORY_NOT_EMPTY, .path = at("near/empty"), .poll_min = FAST },
        };
        Watch *watches[ELEMENTSOF(defs)];

        forget_records();
        for (size_t i = 0; i < ELEMENTSOF(defs); i++)
                watches[i] = start_watch(&defs[i]);
        assert_n_reported(0);
        write_file(at("far/x"), "x");
        write_file(at("far/y"), "x");
        write_file(at("far/empty/z"), "x");
        run_until_reported(ELEMENTSOF(defs));
        assert_non_null(record_of(at("near/x")));
        assert_non_null(record_of(at("near/y")));
        assert_non_null(record_of(at("near/empty")));
        for (size_t i = 0; i < ELEMENTSOF(defs); i++)
                stop_watch(watches[i]);
}

static void try_file(void) {
        Watch *watch;

        forget_records();
        watch = start_watch(&(WatchDef){ .kind = WATCH_PATH_CHANGED, .path = at("near/x"), .poll_min = FAST });
        assert_n_reported(0);
        write_file(at("far/x"), "longer");
        run_until_reported(1);
        assert_true(record_of("")->events & WATCH_COMPLETE);
        stop_watch(watch);
}

static void try_mount(const Mount *m) {
        int child;

        make_directory(at("far"));
        make_directory(at("far/sub"));
        make_directory(at("far/empty"));
        make_directory(at("near"));
        child = m->mount(at("far"), at("near"));
        if (child < 0) {
                print_message("# not done: no %s mount can be had here\n", m->name);
                if (m->forget)
                        m->forget(at("far"));
        } else {
                try_tree(m, &child);
                try_conditions();
                try_file();
                unmount(m, at("near"), child);
        }
        remove_tree(at("far"));
        remove_tree(at("near"));
        forget_records();
}

static void test_remote(void **state) {
        if (!has_namespace)
                leave("a namespace is refused");
        for (size_t i = 0; i < ELEMENTSOF(mounts); i++)
                try_mount(&mounts[i]);
}

/* --- what does not answer --- */

static void test_silent_conditions(void **state) {
        const WatchDef defs[] = {
                { .kind = WATCH_PATH_EXISTS, .path = "far/x", .poll_min = FAST },
                { .kind = WATCH_PATH_EXISTS_GLOB, .path = "*/y*", .poll_min = FAST },
                { .kind = WATCH_DIRECTORY_NOT_EMPTY, .path = "far", .poll_min = FAST },
                { .kind = WATCH_PATH_EXISTS, .path = "far/link/x", .poll_min = FAST },
        };
        Watch *watches[ELEMENTSOF(defs)];
        int fd;

        if (!has_namespace)
                leave("a namespace is refused");
        make_directory(at("far"));
        make_directory(at("far-too"));
        make_directory(at("near"));
        assert_int_equal(symlink("../near", at("far/link")), 0);
        if (!mount_silent(at("far"), /* is_file= */ false, &fd))
                leave("no FUSE mount can be had here");
        assert_int_equal(mount(at("far"), at("far-too"), NULL, MS_BIND, NULL), 0);
        for (size_t i = 0; i < ELEMENTSOF(defs); i++) {
                WatchDef def = defs[i];

                def.path = at("%s", defs[i].path);
                watches[i] = start_watch(&def);
                assert_int_equal(watch_state(watches[i]), WATCH_DEGRADED);
                assert_explained(watches[i], "FUSE file system that another user than root has mounted");
        }
        write_file(at("near/y"), "x");
        settle();
        assert_n_reported(1); /* the others of a pattern are found */
        assert_int_equal(umount2(at("far-too"), MNT_DETACH), 0);
        unmount_silent(at("far"), fd);
        write_file(at("far/x"), "x");
        write_file(at("near/x"), "x");
        run_until_reported(1 + 3);
        for (size_t i = 0; i < ELEMENTSOF(defs); i++) {
                assert_int_equal(watch_state(watches[i]), WATCH_ACTIVE);
                stop_watch(watches[i]);
        }
}

/* Over the root of a tree, below it, and over a file in it. */
static void try_silent_tree(bool cross_mounts) {
        _cleanup_free_ char *path = strdup(at("t"));
        const WatchDef def = { .kind = WATCH_TREE,
                               .path = path,
                               .events = WATCH_COMPLETE | WATCH_DELETE,
                               .recursive = true,
                               .directories = true,
                               .cross_mounts = cross_mounts,
                               .poll_min = FAST };
        Watch *watch;
        int sub, file, root;

        make_directory(at("t"));
        make_directory(at("t/sub"));
        write_file(at("t/sub/a"), "x");
        write_file(at("t/f"), "x");
        watch = start_watch(&def);
        assert_int_equal(watch_state(watch), WATCH_ACTIVE);
        assert_true(mount_silent(at("t/sub"), /* is_file= */ false, &sub));
        assert_true(mount_silent(at("t/f"), /* is_file= */ true, &file));
        settle();
        write_file(at("t/b"), "x");
        run_until_reported(1);
        assert_non_null(record_of("b"));
        if (cross_mounts)
                run_until_state(watch, WATCH_DEGRADED);
        stop_watch(watch);
        forget_records();

        watch = start_watch(&def); /* there from the beginning */
        if (cross_mounts)
                assert_explained(watch, "FUSE file system that another user than root has mounted");
        write_file(at("t/c"), "x");
        run_until_reported(1);
        assert_non_null(record_of("c"));
        assert_true(mount_silent(at("t"), /* is_file= */ false, &root));
        settle();
        assert_int_equal(watch_state(watch), WATCH_DEGRADED);
        assert_explained(watch, "FUSE file system that another user than root has mounted");
        unmount_silent(at("t"), root);
        unmount_silent(at("t/sub"), sub);
        unmount_silent(at("t/f"), file);
        run_until_state(watch, WATCH_ACTIVE);
        forget_records();
        write_file(at("t/d"), "x");
        run_until_reported(1);
        assert_reported("d", WATCH_CLOSE);
        stop_watch(watch);
        forget_records();
        remove_tree(at("t"));
}

static void test_silent_trees(void **state) {
        int fd;

        if (!has_namespace)
                leave("a namespace is refused");
        make_directory(at("far"));
        if (!mount_silent(at("far"), /* is_file= */ false, &fd))
                leave("no FUSE mount can be had here");
        unmount_silent(at("far"), fd);
        try_silent_tree(/* cross_mounts= */ false);
        try_silent_tree(/* cross_mounts= */ true);
}

/* Over the directory of a file that is watched: who has it open still causes events. */
static void test_silent_file(void **state) {
        int fd, file;
        Watch *watch;

        if (!has_namespace)
                leave("a namespace is refused");
        make_directory(at("d"));
        write_file(at("d/f"), "x");
        watch = start_watch(&(WatchDef){ .kind = WATCH_PATH_MODIFIED, .path = at("d/f"), .poll_min = FAST });
        file = open(at("d/f"), O_WRONLY | O_APPEND | O_CLOEXEC);
        assert_true(file >= 0);
        if (!mount_silent(at("d"), /* is_file= */ false, &fd))
                leave("no FUSE mount can be had here");
        assert_int_equal(write(file, "x", 1), 1);
        settle();
        assert_int_equal(watch_state(watch), WATCH_DEGRADED);
        unmount_silent(at("d"), fd);
        assert_int_equal(write(file, "x", 1), 1);
        close(file);
        run_until_reported(1);
        stop_watch(watch);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                watch_test(test_remote),
                watch_test(test_silent_conditions),
                watch_test(test_silent_trees),
                watch_test(test_silent_file),
        };

        has_namespace = take_namespace();
        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What only fanotify can do, and what goes wrong with it alone: events of directories that were not read yet, who did
 * it, file systems that are unmounted, permission. That it reports what inotify reports is shown by the other tests,
 * which run over it, too (VAKT_WATCH_BACKEND=fanotify). Without the permission most are skipped. */

#include <linux/capability.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <linux/loop.h>

#include "watch/tree.h" /* first: test-watch.h has a name that it uses */
#include "watch/watch-internal.h"

#include "test-watch.h"
#include "watch/fan-queue.h"
#include "watch/writer-table.h"

static bool is_permitted, has_namespace;

/* A test that is skipped counts as failed in the TAP of cmocka 1.1.5. */
#define leave(why)                                      \
        do {                                            \
                print_message("# not done: " why "\n"); \
                return;                                 \
        } while (false)

#define need_permission()                                        \
        do {                                                     \
                if (!is_permitted)                               \
                        leave("fanotify is not permitted here"); \
        } while (false)

static Watch *start_fan(const char *path, unsigned events) {
        return start_watch(&(WatchDef){ .kind = WATCH_TREE,
                                        .path = path,
                                        .events = events,
                                        .recursive = true,
                                        .backend = WATCH_BACKEND_FANOTIFY });
}

static void assert_explained(const Watch *watch, const char *part) {
        _cleanup_free_ char *text = NULL;

        assert_int_equal(watch_explain(watch, &text), 0);
        if (!strstr(text, part))
                fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void wait_for(pid_t pid) {
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
                print_message("# not done: a namespace is refused\n");
        else
                assert_int_equal(status, 0);
}

/* --- one call for all --- */

static void test_one_mark(void **state) {
        Watch *watch, *other;

        need_permission();
        for (unsigned i = 0; i < 100; i++)
                make_directory(at("%u", i));
        watch = start_fan(w.directory, WATCH_COMPLETE);
        assert_int_equal(watch_counters(watch).marks, 1);
        assert_int_equal(watch_counters(watch).directories, 101);
        assert_true(watch_counters(watch).watches < 10);
        assert_explained(watch, "with fanotify");
        other = start_fan(at("7"), WATCH_COMPLETE);
        assert_int_equal(watch_counters(watch).marks, 1);
        /* The mark stays as long as one of them does. */
        stop_watch(watch);
        assert_int_equal(watch_counters(other).marks, 1);
        write_file(at("7/f"), "x");
        settle();
        assert_n_reported(1);
        assert_reported("f", WATCH_CLOSE);
        stop_watch(other);
        assert_int_equal(watcher_counters(w.watcher).marks, 0);
}

/* Everything on the file system is heard of; what is in nobody's tree is dropped, and costs nothing but that. */
static void test_others(void **state) {
        uint64_t before;
        Watch *watch;

        need_permission();
        make_directory(at("in"));
        make_directory(at("inner")); /* begins like the other */
        watch = start_fan(at("in"), WATCH_ALL);
        write_file(at("inner/1"), "x");
        settle();
        before = watch_counters(watch).others;
        for (unsigned i = 0; i < 50; i++)
                write_file(at("inner/%u", i), "x");
        settle();
        assert_n_reported(0);
        assert_true(watch_counters(watch).others >= before + 50);
        /* Until it is moved in. */
        assert_int_equal(rename(at("inner"), at("in/now")), 0);
        settle();
        forget_records();
        write_file(at("in/now/2"), "x");
        settle();
        assert_true(w.n_records >= 1);
        assert_string_equal(w.records[0].path, "now/2");
}

/* A tree that is watched alone hears of its directories themselves, not of what is in them. */
static void test_not_recursive(void **state) {
        Watch *watch;

        need_permission();
        make_directory(at("a"));
        watch = start_watch(
                &(WatchDef){ .kind = WATCH_PATH_CHANGED, .path = w.directory, .backend = WATCH_BACKEND_FANOTIFY });
        write_file(at("a/deep"), "x");
        settle();
        assert_n_reported(0);
        assert_int_equal(chmod(at("a"), 0750), 0);
        settle();
        assert_n_reported(1);
        assert_reported("a", WATCH_ATTRIB);
        make_directory(at("b"));
        settle();
        forget_records();
        write_file(at("b/deep"), "x");
        settle();
        assert_n_reported(0);
        assert_int_equal(chmod(at("b"), 0750), 0);
        settle();
        assert_reported("b", WATCH_ATTRIB);
        stop_watch(watch);
}

/* --- before all is read --- */

static size_t n_directories_when_active;

static void on_state_changed(void *userdata, Watch *watch) {
        if (watch_state(watch) == WATCH_ACTIVE)
                n_directories_when_active = watch_counters(watch).directories;
}

/* A tree of n + n * n directories with a file in each of the lower ones, and the watch at the moment when it says that
 * it is active. */
static Watch *start_unread(unsigned n) {
        static const WatchOps ops = { .changed = on_changed, .state_changed = on_state_changed };
        const WatchDef def = { .kind = WATCH_TREE,
                               .path = w.directory,
                               .events = WATCH_ALL,
                               .recursive = true,
                               .backend = WATCH_BACKEND_FANOTIFY };
        Watch *watch;

        for (unsigned i = 0; i < n; i++) {
                make_directory(at("%u", i));
                for (unsigned k = 0; k < n; k++) {
                        make_directory(at("%u/%u", i, k));
                        write_file(at("%u/%u/old", i, k), "x");
                }
        }
        assert_int_equal(watch_new(&w.watches[0], w.watcher, &def, &ops, NULL), 0);
        watch = w.watches[0];
        while (watch_state(watch) == WATCH_STARTING)
                assert_true(sd_event_run(w.event, 60 * USEC_PER_SEC) > 0);
        assert_int_equal(watch_state(watch), WATCH_ACTIVE);
        assert_int_equal(n_directories_when_active, 1);
        assert_true(watch_counters(watch).directories < n * n);
        return watch;
}

static int refuse_row(void *userdata, uint32_t id, const void *bytes, size_t n) {
        return -EIO;
}

/* Whatever happens then is reported as what it is. */
static void test_before_it_is_read(void **state) {
        Watch *watch;

        need_permission();
        watch = start_unread(60);
        assert_int_equal(watch_save(watch, 0, refuse_row, NULL), 0); /* there is nothing to save yet */
        for (unsigned i = 0; i < 60; i++) {
                write_file(at("%u/59/new", i), "x");
                write_file(at("%u/58/old", i), "xx");
                unlink(at("%u/57/old", i));
        }
        settle();
        for (unsigned i = 0; i < 60; i++) {
                assert_reported(at("%u/59/new", i) + strlen(w.directory) + 1,
                                WATCH_CREATE | WATCH_WRITE | WATCH_CLOSE);
                assert_reported(at("%u/58/old", i) + strlen(w.directory) + 1, WATCH_WRITE | WATCH_CLOSE);
                assert_reported(at("%u/57/old", i) + strlen(w.directory) + 1, WATCH_DELETE);
                assert_false(record_of(at("%u/58/old", i) + strlen(w.directory) + 1)->synthetic);
        }
        assert_n_reported(180);
        assert_int_equal(watch_counters(watch).directories, 60 * 61 + 1);
        assert_int_equal(watch_counters(watch).files, 60 * 60);
        stop_watch(watch);
}

/* If the queue runs over before there is anything to compare with, the times of the files have to tell. */
static void test_overflow_before_it_is_read(void **state) {
        unsigned n = 0;
        Watch *watch;

        need_permission();
        watch = start_unread(40);
        for (unsigned i = 0; i < 20000; i++)
                write_file(at("39/39/%u", i), "x");
        write_file(at("38/38/old"), "xx");
        settle();
        assert_true(watch_counters(watch).overflows > 0);
        for (size_t i = 0; i < w.n_records; i++)
                n += startswith(w.records[i].path, "39/39/") != NULL;
        assert_true(n >= 20000);
        assert_non_null(record_of("38/38/old"));
        stop_watch(watch);
}

/* --- the same place, another directory --- */

static void test_made_anew(void **state) {
        char path[] = "/var/tmp/vakt-test-watch-XXXXXX", directory[64], file[64];
        Watch *watch;

        need_permission();
        /* File systems on disk give a new directory the number that the old one had. */
        assert_non_null(mkdtemp(path));
        (void)snprintf(directory, sizeof(directory), "%s/a", path);
        (void)snprintf(file, sizeof(file), "%s/a/f", path);
        make_directory(directory);
        watch = start_fan(path, WATCH_COMPLETE);
        if (watch_state(watch) == WATCH_FAILED) {
                remove_tree(path);
                leave("/var/tmp has no file handles");
        }
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(rmdir(directory), 0);
                make_directory(directory);
                settle();
                write_file(file, "x");
                settle();
                assert_n_reported(1);
                assert_reported("a/f", WATCH_CLOSE);
                unlink(file);
                settle();
                forget_records();
        }
        /* The root, too. */
        stop_watch(watch);
        watch = start_fan(directory, WATCH_COMPLETE);
        assert_int_equal(rmdir(directory), 0);
        make_directory(directory);
        settle();
        write_file(file, "x");
        settle();
        assert_n_reported(1);
        assert_reported("f", WATCH_CLOSE);
        remove_tree(path);
        stop_watch(watch);
}

/* --- mounts --- */

/* It is given back by itself when it is neither mounted nor open any more. */
static int attach_loop(const char *image, char ret[static 32]) {
        const struct loop_info64 info = { .lo_flags = LO_FLAGS_AUTOCLEAR };
        int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), n = -1, file, loop;

        if (control >= 0)
                n = ioctl(control, LOOP_CTL_GET_FREE);
        close(control);
        if (n < 0)
                return -1;
        (void)snprintf(ret, 32, "/dev/loop%d", n);
        loop = open(ret, O_RDWR | O_CLOEXEC);
        file = open(image, O_RDWR | O_CLOEXEC);
        if (loop < 0 || file < 0 || ioctl(loop, LOOP_SET_FD, file) < 0 || ioctl(loop, LOOP_SET_STATUS64, &info) < 0) {
                close(loop);
                loop = -1;
        }
        close(file);
        return loop;
}

static bool make_image(const char *path) {
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), status;
        pid_t pid;

        if (fd < 0 || ftruncate(fd, 8 * 1024 * 1024) < 0)
                return false;
        close(fd);
        pid = fork();
        if (pid == 0) {
                (void)execl("/sbin/mkfs.ext4", "mkfs.ext4", "-q", "-F", path, NULL);
                _exit(127);
        }
        return waitpid(pid, &status, 0) == pid && status == 0;
}

/* Unmounted and mounted again before anybody looks: the same device, number and directories, but no mark any more. */
static void test_mounted_again(void **state) {
        char device[32];
        Watch *watch;
        int loop;

        need_permission();
        if (!has_namespace || !make_image(at("image")))
                leave("no file system can be made");
        loop = attach_loop(at("image"), device);
        make_directory(at("m"));
        if (loop < 0 || mount(device, at("m"), "ext4", 0, NULL) < 0) {
                close(loop);
                leave("no loop device can be had");
        }
        make_directory(at("m/a"));
        watch = start_fan(at("m"), WATCH_COMPLETE | WATCH_DELETE);
        assert_int_equal(umount2(at("m"), 0), 0);
        assert_int_equal(mount(device, at("m"), "ext4", 0, NULL), 0);
        write_file(at("m/a/unheard"), "x");
        settle();
        assert_n_reported(1);
        assert_reported("a/unheard", WATCH_CLOSE);
        write_file(at("m/a/heard"), "x");
        settle();
        assert_n_reported(2);
        assert_false(record_of("a/heard")->synthetic);
        stop_watch(watch);
        assert_int_equal(umount2(at("m"), 0), 0);
        close(loop);
}

static void test_two_file_systems(void **state) {
        Watch *watch;

        need_permission();
        if (!has_namespace)
                leave("a namespace is refused");
        make_directory(at("t"));
        make_directory(at("t/sub"));
        assert_int_equal(mount("vakt-test", at("t/sub"), "tmpfs", 0, "mode=0700"), 0);
        make_directory(at("t/sub/a"));
        watch = start_watch(&(WatchDef){ .kind = WATCH_TREE,
                                         .path = at("t"),
                                         .events = WATCH_COMPLETE,
                                         .recursive = true,
                                         .cross_mounts = true,
                                         .backend = WATCH_BACKEND_FANOTIFY });
        assert_int_equal(watch_counters(watch).marks, 2);
        write_file(at("t/1"), "x");
        write_file(at("t/sub/a/2"), "x");
        settle();
        assert_n_reported(2);
        assert_false(record_of("sub/a/2")->synthetic);
        /* One that comes beneath later. */
        make_directory(at("t/later"));
        settle();
        assert_int_equal(mount("vakt-test", at("t/later"), "tmpfs", 0, "mode=0700"), 0);
        settle();
        assert_int_equal(watch_counters(watch).marks, 3);
        write_file(at("t/later/3"), "x");
        settle();
        assert_n_reported(3);
        assert_false(record_of("later/3")->synthetic);
        assert_int_equal(umount2(at("t/later"), 0), 0);
        assert_int_equal(umount2(at("t/sub"), 0), 0);
        settle();
        assert_int_equal(watch_counters(watch).marks, 1);
        stop_watch(watch);
}

/* --- which backend --- */

static void test_large_tree_changes_over(void **state) {
        WatchDef def = {
                .kind = WATCH_TREE, .path = w.directory, .events = WATCH_COMPLETE | WATCH_DELETE, .recursive = true
        };
        Watch *watch;

        need_permission();
        def.large = 20;
        for (unsigned i = 0; i < 15; i++)
                make_directory(at("%u", i));
        watch = start_watch(&def);
        assert_int_equal(watch_counters(watch).marks, 0);
        assert_true(watch_counters(watch).watches > 15);
        for (unsigned i = 15; i < 25; i++) {
                make_directory(at("%u", i));
                write_file(at("%u/f", i), "x");
        }
        settle();
        assert_n_reported(10);
        assert_int_equal(watch_counters(watch).marks, 1);
        assert_true(watch_counters(watch).watches < 10);
        for (unsigned i = 0; i < 25; i++)
                write_file(at("%u/g", i), "x");
        settle();
        assert_n_reported(35);
        assert_int_equal(count_duplicates(), 0);
        assert_explained(watch, "with fanotify");
        stop_watch(watch);
        /* Known to be large, or seen to be while it is read for the first time. */
        forget_records();
        watch = start_watch(&def);
        assert_int_equal(watch_counters(watch).marks, 1);
        assert_true(watch_counters(watch).watches < 10);
        write_file(at("3/h"), "x");
        settle();
        assert_n_reported(1);
        stop_watch(watch);
}

/* What is left of it after it was refused again, to a root that was replaced, is heard of by inotify once it is read.
 */
static void test_refused_again(void **state) {
        WatchDef def = {
                .kind = WATCH_TREE, .path = w.directory, .events = WATCH_COMPLETE, .recursive = true, .large = 1
        };
        Watch *watch;

        need_permission();
        make_directory(at("a"));
        watch = start_watch(&def);
        assert_int_equal(watch_counters(watch).marks, 1);
        tree_release_fan(watch->tree);
        watch->tree->fan_refused = true;
        tree_resolve_later(watch->tree);
        settle();
        assert_int_equal(watch_counters(watch).marks, 0);
        write_file(at("a/f"), "x");
        settle();
        assert_n_reported(1);
        stop_watch(watch);
}

static _Noreturn void run_without_permission(void) {
        WatchDef def = { .kind = WATCH_TREE,
                         .path = w.directory,
                         .events = WATCH_COMPLETE,
                         .recursive = true,
                         .report_existing = true };
        _cleanup_free_ char *text = NULL;
        Watch *watch;

        stop_watcher();
        if (unshare(CLONE_NEWUSER) < 0)
                _exit(77);
        start_watcher();
        def.backend = WATCH_BACKEND_FANOTIFY;
        watch = start_watch(&def);
        if (watch_state(watch) != WATCH_FAILED || watch_explain(watch, &text) < 0 || !strstr(text, "CAP_SYS_ADMIN"))
                _exit(2);
        /* What is not known must not become what is compared with after the next start. */
        if (watch_save(watch, 0, refuse_row, NULL) != 0 || w.n_records != 0)
                _exit(3);
        stop_watch(watch);
        /* Who did not insist does without. */
        def.backend = WATCH_BACKEND_AUTO;
        def.large = 1;
        (void)setenv("VAKT_WATCH_BACKEND", "inotify", 1);
        watch = start_watch(&def);
        write_file(at("a/2"), "x");
        settle();
        _exit(watch_state(watch) == WATCH_ACTIVE && w.n_records == 2 ? 0 : 4);
}

static void test_not_permitted(void **state) {
        pid_t pid;

        make_directory(at("a"));
        write_file(at("a/1"), "x");
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                run_without_permission();
        wait_for(pid);
}

/* Not where others write, or nothing has a handle. */
static void test_not_possible(void **state) {
        Watch *watch = start_fan("/proc/sys/kernel", WATCH_COMPLETE);

        assert_int_equal(watch_state(watch), WATCH_FAILED);
        assert_explained(watch, "Backend=auto");
        stop_watch(watch);
        assert_int_equal(watcher_counters(w.watcher).marks, 0);
}

/* When another file system takes the place of one that cannot, it goes on. */
static void test_possible_later(void **state) {
        Watch *watch;

        need_permission();
        make_directory(at("m"));
        if (!has_namespace || mount("proc", at("m"), "proc", 0, NULL) < 0)
                leave("a namespace is refused");
        watch = start_fan(at("m"), WATCH_COMPLETE);
        assert_int_equal(watch_state(watch), WATCH_FAILED);
        assert_int_equal(umount2(at("m"), 0), 0);
        settle();
        assert_int_equal(watch_state(watch), WATCH_ACTIVE);
        write_file(at("m/f"), "x");
        settle();
        assert_reported("f", WATCH_CLOSE);
        stop_watch(watch);
}

static void set_effective(uint32_t low) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2];

        assert_int_equal(syscall(SYS_capget, &header, data), 0);
        data[0].effective = low & data[0].permitted;
        assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

/* It is tried again from time to time, too. */
static void test_permitted_later(void **state) {
        Watch *watch;

        need_permission();
        set_effective(~(1U << CAP_SYS_ADMIN));
        watch = start_watch(&(WatchDef){ .kind = WATCH_TREE,
                                         .path = w.directory,
                                         .events = WATCH_COMPLETE,
                                         .recursive = true,
                                         .backend = WATCH_BACKEND_FANOTIFY,
                                         .poll_max = 5 * USEC_PER_MSEC });
        set_effective(UINT32_MAX);
        assert_int_equal(watch_state(watch), WATCH_FAILED);
        assert_explained(watch, "CAP_SYS_ADMIN");
        run_until_state(watch, WATCH_ACTIVE);
        write_file(at("f"), "x");
        settle();
        assert_n_reported(1);
        stop_watch(watch);
}

/* Whatever it has been asked about, no file stays open that would keep a file system from being unmounted. */
static void test_holds_nothing(void **state) {
        Watch *watch;

        need_permission();
        make_directory(at("m"));
        if (!has_namespace || mount("vakt-test", at("m"), "tmpfs", 0, "mode=0700") < 0)
                leave("a namespace is refused");
        make_directory(at("m/in"));
        make_directory(at("m/out"));
        watch = start_fan(at("m/in"), WATCH_COMPLETE);
        write_file(at("m/out/f"), "x");
        settle();
        assert_int_equal(umount2(at("m"), 0), 0);
        settle();
        assert_n_reported(0);
        stop_watch(watch);
}

static void ignore_overflow(void *userdata) {
}

static void ignore_notice(Subscriber *s, const Notice *n) {
}

/* Who subscribes to a directory whose events were dropped up to now is told so. */
static void test_late(void **state) {
        static const EventQueueOps ops = { .overflowed = ignore_overflow };
        Subscriber s = { .notify = ignore_notice, .id = -1 };
        EventQueue *queue;
        FanQueue *fan;
        struct stat st;
        int64_t id;
        int fd;

        need_permission();
        assert_int_equal(event_queue_new(&queue, &ops, NULL), 0);
        assert_int_equal(fan_queue_new(&fan, queue, ignore_overflow, NULL), 0);
        fd = open(w.directory, O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(fan_queue_subscribe(fan, &s, fd, "", st.st_dev, 0), 0);
        assert_int_equal(fan_queue_subscribe(fan, &s, fd, "", st.st_dev, 0), 1);
        id = s.id;
        event_queue_unsubscribe(queue, &s);
        fan_queue_ignore(fan, id);
        assert_int_equal(fan_queue_subscribe(fan, &s, fd, "", st.st_dev, 0), FAN_QUEUE_LATE);
        assert_int_equal(fan_queue_subscribe(fan, &s, fd, "", st.st_dev, 0), 1);
        assert_true(s.id == id);
        event_queue_unsubscribe(queue, &s);
        close(fd);
        (void)fan_queue_free(fan);
        (void)event_queue_free(queue);
}

/* --- who did it --- */

typedef struct Deed {
        char path[64];
        pid_t pid;
        char cgroup[256];
        bool synthetic;
} Deed;

static Deed deeds[1000];
static size_t n_deeds;

static void on_deed(void *userdata, Watch *watch, const Change *c) {
        Deed *d = &deeds[n_deeds++];

        assert_true(n_deeds < ELEMENTSOF(deeds));
        *d = (Deed){ .pid = c->pid, .synthetic = c->synthetic };
        (void)snprintf(d->path, sizeof(d->path), "%s", c->path);
        (void)snprintf(d->cgroup, sizeof(d->cgroup), "%s", c->cgroup ?: "");
}

static const Deed *deed_of(const char *path) {
        const Deed *d = NULL;

        for (size_t i = 0; i < n_deeds; i++)
                if (streq(deeds[i].path, path)) {
                        assert_null(d);
                        d = &deeds[i];
                }
        if (!d)
                fail_msg("%s was not reported", path);
        return d;
}

static Watch *watch_deeds(const char *path) {
        static const WatchOps ops = { .changed = on_deed };
        const WatchDef def = { .kind = WATCH_TREE,
                               .path = path,
                               .events = WATCH_COMPLETE | WATCH_DELETE,
                               .recursive = true,
                               .backend = WATCH_BACKEND_FANOTIFY };

        n_deeds = 0;
        assert_int_equal(watch_new(&w.watches[0], w.watcher, &def, &ops, NULL), 0);
        settle();
        return w.watches[0];
}

/* A process in a control group of its own that does what it is told. */
typedef struct Doer {
        pid_t pid;
        int tell, answer;
        char group[64];
} Doer;

static const char *group_root(void) {
        struct statfs s;

        return statfs("/sys/fs/cgroup", &s) == 0 && s.f_type == 0x63677270 ? "/sys/fs/cgroup"
                                                                           : "/sys/fs/cgroup/systemd";
}

static const char *doer_cgroup(const Doer *d) {
        return d->group + strlen(group_root());
}

static bool doer_enter(const char *group) {
        char path[128];
        bool joined;
        FILE *f;

        (void)snprintf(path, sizeof(path), "%s/cgroup.procs", group);
        f = fopen(path, "we");
        if (!f)
                return false;
        joined = fprintf(f, "0\n") > 0;
        return fclose(f) == 0 && joined;
}

static _Noreturn void doer_main(const Doer *d, int commands, int answers) {
        char answer = mkdir(d->group, 0755) == 0 && doer_enter(d->group) ? 'y' : 'n';
        void (*deed)(void);

        do
                (void)!write(answers, &answer, 1);
        while (read(commands, &deed, sizeof(deed)) == sizeof(deed) && (deed(), true));
        (void)doer_enter(group_root());
        (void)rmdir(d->group);
        _exit(0);
}

static void doer_stop(Doer *d) {
        close(d->tell);
        assert_int_equal(waitpid(d->pid, NULL, 0), d->pid);
        close(d->answer);
}

/* False: no control group can be made. */
static bool doer_start(Doer *d) {
        int commands[2], answers[2];
        char joined = 'n';

        (void)snprintf(d->group, sizeof(d->group), "%s/vakt-test-watch-%d", group_root(), (int)getpid());
        assert_int_equal(pipe2(commands, O_CLOEXEC), 0);
        assert_int_equal(pipe2(answers, O_CLOEXEC), 0);
        d->pid = fork();
        assert_true(d->pid >= 0);
        if (d->pid == 0) {
                close(commands[1]);
                doer_main(d, commands[0], answers[1]);
        }
        close(commands[0]);
        close(answers[1]);
        d->tell = commands[1];
        d->answer = answers[0];
        assert_int_equal(read(d->answer, &joined, 1), 1);
        if (joined != 'y')
                doer_stop(d);
        return joined == 'y';
}

static void doer_do(const Doer *d, void (*deed)(void)) {
        char answer;

        assert_int_equal(write(d->tell, &deed, sizeof(deed)), sizeof(deed));
        assert_int_equal(read(d->answer, &answer, 1), 1);
        settle();
}

static void deed_write(void) {
        write_file(at("own"), "x");
}

static void deed_write_deep(void) {
        make_directory(at("a"));
        make_directory(at("a/b"));
        write_file(at("a/b/deep"), "x");
}

/* As careful programs do it: nobody sees half of it. */
static void deed_write_aside(void) {
        make_directory(at("tmp"));
        for (unsigned i = 0; i < 500; i++)
                write_file(at("tmp/%u", i), "x");
        assert_int_equal(rename(at("tmp"), at("result")), 0);
}

static void deed_move(void) {
        assert_int_equal(rename(at("a"), at("z")), 0);
}

static void deed_remove(void) {
        remove_tree(at("z"));
}

static void test_writers(void **state) {
        Watch *watch;
        Doer d;

        need_permission();
        if (!doer_start(&d))
                leave("a control group is refused");
        watch = watch_deeds(w.directory);
        doer_do(&d, deed_write);
        assert_int_equal(deed_of("own")->pid, d.pid);
        assert_string_equal(deed_of("own")->cgroup, doer_cgroup(&d));
        /* In directories that it makes itself, and those that it moves. */
        doer_do(&d, deed_write_deep);
        assert_string_equal(deed_of("a/b/deep")->cgroup, doer_cgroup(&d));
        doer_do(&d, deed_write_aside);
        for (unsigned i = 0; i < 500; i++)
                assert_string_equal(deed_of(at("result/%u", i) + strlen(w.directory) + 1)->cgroup, doer_cgroup(&d));
        doer_do(&d, deed_move);
        assert_string_equal(deed_of("z/b/deep")->cgroup, doer_cgroup(&d));
        n_deeds = 0;
        doer_do(&d, deed_remove);
        assert_string_equal(deed_of("z/b/deep")->cgroup, doer_cgroup(&d));
        /* Of others. */
        write_file(at("foreign"), "x");
        settle();
        assert_int_equal(deed_of("foreign")->pid, getpid());
        assert_string_not_equal(deed_of("foreign")->cgroup, doer_cgroup(&d));
        stop_watch(watch);
        doer_stop(&d);
}

/* Two who write the same file before anybody looks. */
static void test_several_writers(void **state) {
        Watch *watch;
        Doer d;

        need_permission();
        if (!doer_start(&d))
                leave("a control group is refused");
        watch = watch_deeds(w.directory);
        write_file(at("own"), "y");
        write_file(at("one"), "x");
        doer_do(&d, deed_write);
        assert_int_equal(deed_of("own")->pid, 0);
        assert_string_equal(deed_of("own")->cgroup, "");
        assert_int_equal(deed_of("one")->pid, getpid());
        stop_watch(watch);
        doer_stop(&d);
}

/* A directory that is moved has been moved by somebody, and with it what is in it. But what is found in it beside is
 * nobody's. */
static void test_mover(void **state) {
        Watch *watch;

        need_permission();
        make_directory(at("in"));
        make_directory(at("in/a"));
        make_directory(at("in/a/sub"));
        write_file(at("in/a/sub/known"), "x");
        make_directory(at("new"));
        write_file(at("new/found"), "x");
        watch = watch_deeds(at("in"));
        assert_int_equal(rename(at("in/a"), at("in/b")), 0);
        assert_int_equal(rename(at("new"), at("in/new")), 0);
        settle();
        assert_int_equal(deed_of("b/sub/known")->pid, getpid());
        assert_int_equal(deed_of("new/found")->pid, 0);
        /* Of a directory that is gone, what was in it is gone by the same hand. */
        n_deeds = 0;
        assert_int_equal(rename(at("in/b"), at("out")), 0);
        while (n_deeds == 0)
                assert_true(sd_event_run(w.event, 60 * USEC_PER_SEC) > 0);
        settle();
        assert_int_equal(deed_of("b/sub/known")->pid, getpid());
        stop_watch(watch);
}

static void test_cgroup_text(void **state) {
        static const struct {
                int line;
                const char *text, *path;
        } rows[] = {
                { __LINE__, "0::/vakt.slice/a.service\n", "/vakt.slice/a.service" },
                { __LINE__, "9:name=systemd:/a\n8:pids:/b\n0::/c\n", "/c" },
                { __LINE__, "9:name=systemd:/a\n8:pids:/b\n0::/\n", "/a" },
                { __LINE__, "9:name=systemd:/a\n8:pids:/b\n", "/a" },
                { __LINE__, "8:pids:/b\n0::/\n", "/" },
                { __LINE__, "0::/with:colon\n", "/with:colon" },
                { __LINE__, "0::/no newline", "/no newline" },
                { __LINE__, "8:pids:/b\n", NULL },
                { __LINE__, "10::/b\n", NULL },
                { __LINE__, "0:", NULL },
                { __LINE__, "0::relative", NULL },
                { __LINE__, "", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *text = strdup(rows[i].text);
                const char *path = cgroup_of_text(text);

                if (!streq_ptr(path, rows[i].path))
                        fail_msg("line %d: %s", rows[i].line, path ?: "(none)");
        }
}

/* More groups than are remembered: the oldest is forgotten, and never taken for another. */
static void test_writer_table(void **state) {
        _cleanup_(writer_table_freep) WriterTable *t = NULL;
        uint32_t group;

        assert_int_equal(writer_table_new(&t), 0);
        writer_table_begin(t, USEC_PER_SEC);
        group = writer_table_find(t, getpid());
        assert_true(group > 0);
        assert_non_null(writer_table_path(t, group));
        assert_int_equal(writer_table_find(t, getpid()), group);
        assert_null(writer_table_path(t, 0));
        assert_null(writer_table_path(t, group + WRITER_GROUPS_MAX));
        assert_int_equal(writer_table_find(t, 0), 0);
        assert_int_equal(writer_table_find(t, INT_MAX), 0);
}

static void test_gone_writer(void **state) {
        _cleanup_(writer_table_freep) WriterTable *t = NULL;
        uint32_t group;
        int fds[2];
        pid_t pid;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0) {
                char end;

                close(fds[1]);
                _exit(read(fds[0], &end, 1) != 0);
        }
        assert_int_equal(writer_table_new(&t), 0);
        writer_table_begin(t, USEC_PER_SEC);
        group = writer_table_find(t, pid);
        assert_true(group > 0);
        close(fds[0]);
        close(fds[1]);
        wait_for(pid);
        writer_table_begin(t, USEC_PER_SEC + 500 * USEC_PER_MSEC);
        assert_int_equal(writer_table_find(t, pid), group);
        writer_table_begin(t, 3 * USEC_PER_SEC);
        assert_int_equal(writer_table_find(t, pid), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                watch_test(test_one_mark),
                watch_test(test_others),
                watch_test(test_not_recursive),
                watch_test(test_before_it_is_read),
                watch_test(test_overflow_before_it_is_read),
                watch_test(test_made_anew),
                watch_test(test_mounted_again),
                watch_test(test_two_file_systems),
                watch_test(test_large_tree_changes_over),
                watch_test(test_refused_again),
                watch_test(test_not_permitted),
                watch_test(test_not_possible),
                watch_test(test_possible_later),
                watch_test(test_permitted_later),
                watch_test(test_holds_nothing),
                watch_test(test_late),
                watch_test(test_writers),
                watch_test(test_several_writers),
                watch_test(test_mover),
                cmocka_unit_test(test_cgroup_text),
                cmocka_unit_test(test_writer_table),
                cmocka_unit_test(test_gone_writer),
        };

        has_namespace = take_namespace();
        is_permitted = fanotify_is_permitted();
        return cmocka_run_group_tests(tests, NULL, NULL);
}

#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the tests of watches share: a directory on tmpfs, a loop with a watcher, and a record of what was reported.
 * Nothing here sleeps: inotify queues an event before the system call that caused it returns, so what was done is
 * either worked on or waits, and the loop is run until nothing does. */

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "util/log.h"
#include "watch/watcher.h"

typedef struct Record {
        char *path, *from;
        unsigned events;
        bool synthetic, is_directory;
} Record;

typedef struct World {
        char directory[64];
        sd_event *event;
        Watcher *watcher;
        Record *records;
        size_t n_records, n_allocated;
        char gone[4096]; /* those whose deletion nobody asked for, each with a newline behind it */
        PathFilter *filter;
        Watch *watches[8]; /* that a failed test leaves behind */
} World;

static World w;

/* --- files --- */

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static inline const char *at(const char *format, ...) _printf_(1, 2);
static inline const char *at(const char *format, ...) {
        static char paths[4][PATH_MAX];
        static unsigned next;
        char *p = paths[next++ % 4];
        int n = snprintf(p, PATH_MAX, "%s/", w.directory);
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(p + n, PATH_MAX - (size_t)n, format, ap);
        va_end(ap);
        return p;
}

static inline void make_directory(const char *path) {
        if (mkdir(path, 0700) < 0)
                fail_msg("mkdir %s: %s", strempty(path), strerror(errno));
}

static inline void write_file(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0)
                fail_msg("open %s: %s", path, strerror(errno));
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static inline void remove_tree(const char *path) {
        (void)nftw(path, remove_entry, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* --- what was reported --- */

static inline void on_changed(void *userdata, Watch *watch, const Change *c) {
        if (w.n_records == w.n_allocated) {
                w.n_allocated = 2 * w.n_allocated + 64;
                w.records = reallocarray(w.records, w.n_allocated, sizeof(Record));
                assert_non_null(w.records);
        }
        assert_int_equal(strlen(c->path), c->length);
        w.records[w.n_records++] = (Record){ .path = strdup(c->path),
                                             .from = c->from ? strdup(c->from) : NULL,
                                             .events = c->events,
                                             .synthetic = c->synthetic,
                                             .is_directory = c->is_directory };
}

static inline void on_gone(void *userdata, Watch *watch, const Change *c) {
        assert_int_equal(c->events, 0);
        if (strlen(w.gone) + c->length + 2 <= sizeof(w.gone))
                strcat(strcat(w.gone, c->path), "\n");
}

static const WatchOps record_ops _unused_ = { .changed = on_changed, .gone = on_gone };

static inline void forget_records(void) {
        for (size_t i = 0; i < w.n_records; i++) {
                free(w.records[i].path);
                free(w.records[i].from);
        }
        w.n_records = 0;
        w.gone[0] = '\0';
}

static inline const Record *record_of(const char *path) {
        for (size_t i = 0; i < w.n_records; i++)
                if (streq(w.records[i].path, path))
                        return &w.records[i];
        return NULL;
}

static inline size_t count_of(const char *path) {
        size_t n = 0;

        for (size_t i = 0; i < w.n_records; i++)
                n += streq(w.records[i].path, path);
        return n;
}

static inline void print_records(void) {
        for (size_t i = 0; i < w.n_records && i < 20; i++)
                print_message("# %s (from %s) %x%s\n", w.records[i].path, w.records[i].from ?: "-",
                              w.records[i].events, w.records[i].synthetic ? " synthetic" : "");
}

/* Exactly one record, of this path with these events. */
#define assert_reported(path, wanted)                                                              \
        do {                                                                                       \
                const Record *_r = record_of(path);                                                \
                if (!_r || count_of(path) != 1 || _r->events != (unsigned)(wanted)) {              \
                        print_records();                                                           \
                        fail_msg("%s: %zu times, %x", path, count_of(path), _r ? _r->events : 0U); \
                }                                                                                  \
        } while (false)

#define assert_n_reported(n)                                                         \
        do {                                                                         \
                if (w.n_records != (size_t)(n)) {                                    \
                        print_records();                                             \
                        fail_msg("%zu reported, not %zu", w.n_records, (size_t)(n)); \
                }                                                                    \
        } while (false)

static inline int record_compare(const void *a, const void *b) {
        return strcmp(((const Record *)a)->path, ((const Record *)b)->path);
}

/* Sorts, and gives how many paths stand there more than once. */
static inline size_t count_duplicates(void) {
        size_t n = 0;

        if (w.n_records > 0)
                qsort(w.records, w.n_records, sizeof(Record), record_compare);
        for (size_t i = 1; i < w.n_records; i++)
                n += streq(w.records[i].path, w.records[i - 1].path);
        return n;
}

/* --- the loop --- */

/* Until all that has happened so far is worked on. */
static inline void settle(void) {
        do
                while (sd_event_run(w.event, 0) > 0)
                        ;
        while (!watcher_is_idle(w.watcher));
}

/* Waits in the loop for so many reports: those that come after a window of time. */
static inline void run_until_reported(size_t n) {
        settle();
        while (w.n_records < n)
                assert_true(sd_event_run(w.event, 60 * USEC_PER_SEC) > 0);
        settle();
}

static inline void run_until_state(const Watch *watch, WatchState state) {
        settle();
        while (watch_state(watch) != state)
                assert_true(sd_event_run(w.event, 60 * USEC_PER_SEC) > 0);
        settle();
}

/* The same tests over another backend, where one does not ask for its own; or over two, since trees of
 * VAKT_WATCH_LARGE directories change over. */
static inline WatchBackend backend_of_tests(void) {
        const char *s = getenv("VAKT_WATCH_BACKEND");

        return s ? (WatchBackend)watch_backend_from_string(s) : WATCH_BACKEND_AUTO;
}

static inline bool fanotify_is_used(void) {
        return backend_of_tests() == WATCH_BACKEND_FANOTIFY || getenv("VAKT_WATCH_LARGE");
}

static inline bool fanotify_is_permitted(void) {
        int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_REPORT_DIR_FID | FAN_REPORT_NAME, O_RDONLY);
        bool answer = fd >= 0 &&
                      fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_CREATE, AT_FDCWD, "/dev/shm") >= 0;

        close(fd);
        return answer;
}

/* As RestrictSUIDSGID= of a service does. */
static inline bool forbid_openat2(void) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const struct sock_fprog program = { .len = ELEMENTSOF(code), .filter = code };

        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
               prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 &&
               syscall(SYS_openat2, -1, "", NULL, 0) < 0 && errno == EPERM;
}

/* To be asked by main(). */
static inline bool tests_are_possible(void) {
        if (getenv("VAKT_WATCH_WITHOUT_OPENAT2") && !forbid_openat2()) {
                (void)printf("1..0 # SKIP openat2 cannot be forbidden\n");
                return false;
        }
        if (!fanotify_is_used() || fanotify_is_permitted())
                return true;
        (void)printf("1..0 # SKIP fanotify is not permitted\n");
        return false;
}

static inline Watch *new_watch(const WatchDef *def) {
        WatchDef with_backend = *def;
        size_t i = 0;

        while (w.watches[i])
                i++;
        assert_true(i < ELEMENTSOF(w.watches));
        if (def->backend == WATCH_BACKEND_AUTO)
                with_backend.backend = backend_of_tests();
        if (def->large == 0 && getenv("VAKT_WATCH_LARGE"))
                with_backend.large = (size_t)atoi(getenv("VAKT_WATCH_LARGE"));
        assert_int_equal(watch_new(&w.watches[i], w.watcher, &with_backend, &record_ops, NULL), 0);
        return w.watches[i];
}

static inline void stop_watch(Watch *watch) {
        for (size_t i = 0; i < ELEMENTSOF(w.watches); i++)
                if (w.watches[i] == watch)
                        w.watches[i] = watch_free(watch);
}

static inline Watch *start_watch(const WatchDef *def) {
        Watch *watch = new_watch(def);

        settle();
        return watch;
}

static inline Watch *start_tree(const char *path, unsigned events) {
        return start_watch(&(WatchDef){ .kind = WATCH_TREE, .path = path, .events = events, .recursive = true });
}

static inline void start_watcher(void) {
        assert_true(sd_event_new(&w.event) >= 0);
        assert_int_equal(watcher_new(&w.watcher, w.event, NULL, NULL), 0);
}

static inline void stop_watcher(void) {
        for (size_t i = 0; i < ELEMENTSOF(w.watches); i++)
                w.watches[i] = watch_free(w.watches[i]);
        w.watcher = watcher_free(w.watcher);
        w.event = sd_event_unref(w.event);
}

/* --- a restart --- */

static struct {
        struct {
                uint32_t id;
                void *bytes;
                size_t n;
        } rows[64];
        size_t n;
} kept;

static inline int keep_one_row(void *userdata, uint32_t id, const void *bytes, size_t n) {
        assert_true(bytes && kept.n < ELEMENTSOF(kept.rows));
        kept.rows[kept.n].id = id;
        kept.rows[kept.n].bytes = memcpy(malloc(n), bytes, n);
        kept.rows[kept.n++].n = n;
        return 0;
}

static inline void stop_and_keep(Watch *watch) {
        assert_true(watch_save(watch, 0, keep_one_row, NULL) >= 0);
        stop_watch(watch);
        stop_watcher();
}

static inline Watch *start_kept(const WatchDef *def) {
        Watch *watch;

        start_watcher();
        watch = new_watch(def);
        for (size_t i = 0; i < kept.n; i++) {
                assert_int_equal(watch_load(watch, kept.rows[i].id, kept.rows[i].bytes, kept.rows[i].n), 0);
                free(kept.rows[i].bytes);
        }
        kept.n = 0;
        return watch;
}

/* Mounts of one's own, from here on: false where that is not permitted. */
static inline bool take_namespace(void) {
        static int taken = -1;

        if (taken < 0)
                taken = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
        return taken;
}

/* A FUSE of an ordinary user's whose questions nobody reads: what asks one waits, until the test is killed. Also over
 * a file. */
static inline bool mount_silent(const char *path, bool is_file, int *ret_fd) {
        char options[128];

        *ret_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        (void)snprintf(options, sizeof(options), "fd=%d,rootmode=%s,user_id=1000,group_id=1000,allow_other", *ret_fd,
                       is_file ? "100644" : "40000");
        (void)alarm(100);
        return *ret_fd >= 0 && mount("x,user_id=0", path, "fuse.a b", 0, options) >= 0;
}

static inline void unmount_silent(const char *path, int fd) {
        close(fd);
        assert_int_equal(umount2(path, MNT_DETACH), 0);
        (void)alarm(0);
}

/* A file system of its own where that is permitted: fanotify hears all that happens on one, so what other tests do at
 * the same time would be heard, too, and makes it doubtful what was there before a watch began. */
static inline int setup_world(void **state) {
        w = (World){ .directory = "/dev/shm/vakt-test-watch-XXXXXX" };
        if (!mkdtemp(w.directory)) {
                strcpy(w.directory, "/tmp/vakt-test-watch-XXXXXX");
                if (!mkdtemp(w.directory))
                        return -1;
        }
        if (take_namespace() && mount("vakt-test", w.directory, "tmpfs", 0, "mode=0700,nr_inodes=0") < 0)
                return -1;
        log_set_max_level(LOG_ERR);
        start_watcher();
        return 0;
}

static inline int teardown_world(void **state) {
        stop_watcher();
        forget_records();
        free(w.records);
        w.filter = path_filter_free(w.filter);
        remove_tree(w.directory);
        (void)umount2(w.directory, MNT_DETACH);
        (void)rmdir(w.directory);
        return 0;
}

#define watch_test(f) cmocka_unit_test_setup_teardown(f, setup_world, teardown_world)

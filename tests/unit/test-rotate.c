/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* MaxSize= of [Rotate], on a clock that the test turns: when a run is asked for, how often a log is looked at, what
 * becomes of logs that come, go, are renamed or do not get smaller. The test itself is the program that rotates. */

#include "condition-fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "core/manager-body.h"
#include "fs/mount-table.h"
#include "util/strv.h"
#include "util/turn.h"
#include "watch/event-queue.h"

#define MSEC USEC_PER_MSEC

/* --- logs --- */

static const char *in(const char *name) {
        static char path[4][256];
        static unsigned i;

        i = (i + 1) % 4;
        (void)snprintf(path[i], sizeof(path[i]), "%s/logs/%s", f.directory, name);
        return path[i];
}

/* So many more bytes. */
static void append(const char *name, size_t n) {
        static const char line[1024] = "";
        int fd = open(in(name), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        for (size_t k; n > 0; n -= k) {
                k = MIN(n, sizeof(line));
                assert_int_equal(write(fd, line, k), (ssize_t)k);
        }
        assert_int_equal(close(fd), 0);
        settle();
}

static void move(const char *from, const char *to) {
        assert_int_equal(rename(in(from), in(to)), 0);
        settle();
}

/* As vakt-rotate does: there is always a log. */
static void rotate(const char *name) {
        char copy[64], next[64];

        (void)snprintf(copy, sizeof(copy), "%s.1", name);
        (void)snprintf(next, sizeof(next), ".%s.vakt-new", name);
        append(next, 0);
        (void)unlink(in(copy));
        assert_int_equal(link(in(name), in(copy)), 0);
        move(next, name);
}

static void write_rotate_job(const char *name, const char *settings) {
        _cleanup_free_ char *text = NULL;

        assert_int_equal(string_format(&text, "[Rotate]\nPath=%s\n%s", in("*.log"), settings), 0);
        write_job(name, text);
}

static uint32_t deaf_to; /* events of which the kernel does not tell */
static usec_t spent, spent_each;
static bool is_remote; /* all that is looked at */

static int setup(void **state) {
        assert_int_equal(seteuid(getuid()), 0); /* should a test have failed as somebody else */
        deaf_to = 0;
        spent_each = 0;
        is_remote = false;
        assert_int_equal(condition_setup(state), 0);
        assert_int_equal(mkdir(in(""), 0755), 0);
        return 0;
}

/* --- what is shown --- */

static struct { char value[256], state[32], message[1024]; } line;

static int show(const char *key, const char *value, const char *state, const char *message, void *userdata) {
        assert_string_equal(key, "Path");
        (void)snprintf(line.value, sizeof(line.value), "%s", value);
        (void)snprintf(line.state, sizeof(line.state), "%s", state);
        (void)snprintf(line.message, sizeof(line.message), "%s", message);
        return 0;
}

static const char *state_of(const char *name) {
        line.state[0] = '\0';
        assert_int_equal(manager_list_triggers(f.m, job(name), show, NULL), 0);
        return line.state;
}

static int note(const char *topic, const char *message, void *userdata) {
        (void)snprintf(userdata, 2048, "%s: %s", topic, message);
        return 0;
}

static uint64_t counted;

static int take_counter(const char *name, uint64_t value, void *userdata) {
        if (streq(name, userdata))
                counted = value;
        return 0;
}

static uint64_t counter(const char *name) {
        counted = UINT64_MAX;
        assert_int_equal(manager_list_watch_counters(f.m, job("a"), take_counter, (void *)name), 0);
        return counted;
}

/* All that is said of a log, and of the job. */
static const char *about(const char *name) {
        static char said[2048];

        said[0] = '\0';
        assert_int_equal(manager_explain_path(f.m, job("a"), in(name), strlen(in(name)), note, said), 0);
        return said;
}

/* --- the mark --- */

static void test_mark(void **state) {
        append("x.log", 5000);
        append("y.log", 9999);
        write_rotate_job("a", "MaxSize=10000\n");
        start();
        assert_true(f.n_changed > 0);
        assert_string_equal(state_of("a"), "active");
        assert_null(strstr(why("a"), "It has no trigger"));
        assert_string_equal(about("x.log"), "rotate: It has 4.8K of 9.7K (MaxSize=).");
        assert_string_equal(about("y.log"), "rotate: It has 9.7K of 9.7K (MaxSize=).");
        assert_string_equal(about("z.log"), "rotate: It is not a log of this job that is watched for MaxSize=.");
        assert_string_equal(about("x.lo"), "rotate: It is not a log of this job that is watched for MaxSize=.");
        assert_string_equal(line.value, in("*.log"));
        assert_non_null(strstr(line.message, "2 logs; the largest has 9.7K of 9.7K (MaxSize=)."));
        append("x.log", 4999);
        advance(MINUTES);
        assert_int_equal(count_runs("a"), 0);
        append("x.log", 1);
        assert_int_equal(count_cause("a", RUN_CAUSE_PATH), 1);
        assert_string_equal(newest("a").payload, in("x.log"));
        assert_string_equal(variable("VAKT_CAUSE"), "path");
        advance(MSEC);
        rotate("x.log");
        advance(2 * MINUTES);
        assert_int_equal(count_runs("a"), 1);

        /* And so on, with the new one. */
        append("x.log", 10000);
        assert_int_equal(count_runs("a"), 2);
        append("y.log", 10000); /* waits for that run, which may see to it */
        assert_int_equal(count_runs("a"), 2);
        rotate("x.log");
        advance(2 * MINUTES);
        assert_int_equal(count_runs("a"), 3);
        assert_string_equal(newest("a").payload, in("y.log"));
        rotate("y.log");
        advance(2 * MINUTES);
        assert_int_equal(count_runs("a"), 3);
        assert_string_equal(state_of("a"), "active");
}

/* Several at once are one run, which says so. */
static void test_several(void **state) {
        append("x.log", 10000);
        append("y.log", 10000);
        append("z.log", 10000);
        write_rotate_job("a", "MaxSize=10000\n");
        start();
        assert_int_equal(count_runs("a"), 1);
        assert_non_null(strstr(newest("a").payload, "x.log and 2 more"));
}

/* Of several jobs, each is looked at, whatever the others have to do. */
static void test_several_jobs(void **state) {
        _cleanup_free_ char *nothing = NULL;

        append("x.log", 10000);
        assert_int_equal(string_format(&nothing, "[Rotate]\nPath=%s\nMaxSize=10000\n", in("*.none")), 0);
        write_job("a", nothing);
        write_job("b", nothing);
        write_rotate_job("c", "MaxSize=10000\n");
        write_job("d", nothing);
        start();
        assert_string_equal(state_of("d"), "waiting");
        assert_int_equal(count_runs("c"), 1);
}

/* Without MaxSize= nothing is watched. */
static void test_without_mark(void **state) {
        append("x.log", 10000);
        write_rotate_job("a", "MaxAge=1d\n");
        start();
        assert_string_equal(state_of("a"), "");
        assert_string_equal(about("x.log"),
                            "watch: The job watches no files: it has no [Path] section, or is not active.");
        assert_int_equal(counter("logs"), UINT64_MAX);
        append("x.log", 10000);
        assert_int_equal(count_runs("a"), 0);
}

/* --- how often it is looked at --- */

static void test_looks(void **state) {
        uint64_t before;

        append("x.log", 0);
        append("y.log", 0);
        write_rotate_job("a", "MaxSize=1M\n");
        start();
        before = counter("looks");
        advance(24 * HOURS);
        assert_int_equal(counter("looks"), before); /* quiet ones cost nothing */

        /* A thousand writes in a second. */
        for (unsigned i = 0; i < 1000; i++) {
                append("x.log", 100);
                advance(MSEC);
        }
        assert_in_range(counter("looks") - before, 40, 70);
        before = counter("looks");
        advance(24 * HOURS);
        assert_in_range(counter("looks") - before, 1, 3); /* until it was seen to be quiet */
        assert_int_equal(count_runs("a"), 0);
}

/* A log that is written all the time is looked at when it gets there. */
static void test_lateness(void **state) {
        append("x.log", 0);
        write_rotate_job("a", "MaxSize=100000\n");
        start();
        for (unsigned i = 0; i < 99; i++) {
                append("x.log", 1000);
                advance(MSEC);
        }
        assert_int_equal(count_runs("a"), 0);
        append("x.log", 1000);
        advance(2 * MSEC); /* it has been written so evenly that this was to be expected */
        assert_int_equal(count_runs("a"), 1);
}

/* --- what is not heard --- */

int __real_event_queue_subscribe(EventQueue *q, Subscriber *s, int fd, uint32_t mask);
int __wrap_event_queue_subscribe(EventQueue *q, Subscriber *s, int fd, uint32_t mask);

int __wrap_event_queue_subscribe(EventQueue *q, Subscriber *s, int fd, uint32_t mask) {
        return mask & deaf_to ? -ENOSPC : __real_event_queue_subscribe(q, s, fd, mask);
}

int __real_file_is_local(int fd, dev_t *device);
int __wrap_file_is_local(int fd, dev_t *device);

int __wrap_file_is_local(int fd, dev_t *device) {
        return is_remote ? -EREMOTE : __real_file_is_local(fd, device);
}

/* What may not answer is not looked at, and tried again each minute. */
static void test_network_file_system(void **state) {
        append("x.log", 20000);
        write_rotate_job("a", "MaxSize=10000\n");
        is_remote = true;
        start();
        advance(MINUTES);
        assert_string_equal(state_of("a"), "degraded");
        assert_non_null(strstr(line.message, "Logs on network file systems, FUSE and automounts are not watched"));
        assert_int_equal(counter("logs"), 0);
        assert_int_equal(count_runs("a"), 0);
        is_remote = false;
        advance(2 * MINUTES);
        assert_int_equal(count_runs("a"), 1);
        rotate("x.log");
        advance(2 * MINUTES);
        assert_string_equal(state_of("a"), "active");
}

/* Directories that cannot be watched are looked at each minute. */
static void test_blind(void **state) {
        append("x.log", 1);
        write_rotate_job("a", "MaxSize=10000\n");
        deaf_to = IN_CREATE;
        start();
        assert_string_equal(state_of("a"), "degraded");
        assert_non_null(strstr(line.message, "Not all directories can be watched: new logs are looked for each min"));
        append("y.log", 10000);
        advance(MINUTES - USEC_PER_SEC);
        assert_int_equal(count_runs("a"), 0);
        advance(2 * USEC_PER_SEC);
        assert_int_equal(count_runs("a"), 1);
        advance(2 * MINUTES);
        append("z.log", 10000);
        advance(MINUTES);
        assert_int_equal(counter("logs"), 3);
}

/* The limit of watches is reached. */
static void test_sampling(void **state) {
        uint64_t before;

        append("x.log", 1);
        write_rotate_job("a", "MaxSize=10000\n");
        deaf_to = IN_MODIFY;
        start();
        assert_string_equal(state_of("a"), "degraded");
        assert_non_null(strstr(line.message, "The sizes of 1 log are sampled at least every 10s"));
        before = counter("looks");
        advance(HOURS);
        assert_in_range(counter("looks") - before, 355, 365);
        for (unsigned i = 0; i < 6; i++) {
                append("x.log", 1000);
                advance(USEC_PER_SEC);
        }
        before = counter("looks");
        advance(HOURS); /* it grows no more */
        assert_in_range(counter("looks") - before, 355, 365);
        append("x.log", 3999);
        advance(11 * USEC_PER_SEC);
        assert_int_equal(count_runs("a"), 1);
        deaf_to = 0;
        rotate("x.log");
        advance(2 * MINUTES);
        assert_string_equal(state_of("a"), "active");
}

/* More events than the kernel keeps for us: that the log has grown is not among them. */
static void test_overflow(void **state) {
        FILE *limit = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
        unsigned n = 0;
        int fd;

        assert_non_null(limit);
        assert_int_equal(fscanf(limit, "%u", &n), 1);
        (void)fclose(limit);
        append("x.log", 1);
        write_rotate_job("a", "MaxSize=10000\n");
        start();
        for (unsigned i = 0; i < n; i += 2) { /* one that appears, one that goes */
                fd = open(in("junk"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
                assert_true(fd >= 0);
                (void)close(fd);
                assert_int_equal(unlink(in("junk")), 0);
        }
        fd = open(in("x.log"), O_WRONLY | O_CLOEXEC);
        assert_int_equal(ftruncate(fd, 10000), 0);
        (void)close(fd);
        settle();
        advance(20 * MSEC);
        assert_int_equal(count_runs("a"), 1);
        advance(2 * MINUTES);
        n = (unsigned)counter("looks");
        assert_int_equal(mkdir(in("z.log"), 0755), 0); /* no log, so none is looked at */
        settle();
        advance(20 * MSEC);
        assert_int_equal(counter("looks"), n);
}

usec_t __real_turn_spent(sd_event *event);
usec_t __wrap_turn_spent(sd_event *event);

usec_t __wrap_turn_spent(sd_event *event) {
        spent += spent_each;
        return spent_each > 0 ? spent : __real_turn_spent(event);
}

/* A line whose logs take long to be found is looked at less often. */
static void test_dear_line(void **state) {
        write_rotate_job("a", "MaxSize=10000\n");
        spent = HOURS;
        spent_each = 10 * MSEC;
        start();
        append("x.log", 1);
        advance(95 * MSEC);
        assert_int_equal(counter("logs"), 0);
        advance(20 * MSEC);
        assert_int_equal(counter("logs"), 1);
        spent_each = 0;
}

/* --- what does not answer --- */

/* A FUSE whose questions nobody reads. */
static bool mount_silent(const char *path, int *ret_fd) {
        char options[128];

        *ret_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        (void)snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", *ret_fd);
        return *ret_fd >= 0 && mount("silent", path, "fuse", 0, options) >= 0;
}

static void unmount_silent(const char *path, int fd) {
        (void)close(fd);
        assert_int_equal(umount2(path, MNT_DETACH), 0);
}

/* One on the way from the beginning, and one that is mounted over a log that is watched: the loop does not wait. */
static void test_no_answer(void **state) {
        _cleanup_free_ char *text = NULL;
        int far, near, log;

        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                skip();
        assert_int_equal(mkdir(in("far"), 0755), 0);
        assert_int_equal(mkdir(in("near"), 0755), 0);
        if (!mount_silent(in("far"), &far))
                skip();
        (void)alarm(100); /* what waits for it is killed */
        append("near/x.log", 1);
        assert_int_equal(
                string_format(&text, "[Rotate]\nPath=%s\nPath=%s\nMaxSize=10000\n", in("*/x.log"), in("far/y.log")),
                0);
        write_job("a", text);
        start();
        assert_string_equal(state_of("a"), "degraded");
        assert_non_null(strstr(line.message, "Logs on network file systems, FUSE and automounts are not watched"));
        assert_int_equal(counter("logs"), 1);
        append("near/x.log", 20000);
        advance(20 * MSEC);
        assert_int_equal(count_runs("a"), 1);
        assert_int_equal(truncate(in("near/x.log"), 0), 0);
        advance(2 * MINUTES);

        log = open(in("near/x.log"), O_WRONLY | O_APPEND | O_CLOEXEC);
        assert_true(log >= 0);
        assert_true(mount_silent(in("near"), &near));
        assert_int_equal(write(log, "x", 1), 1);
        settle();
        advance(MINUTES);
        assert_int_equal(counter("logs"), 0);
        assert_int_equal(ftruncate(log, 20000), 0);
        settle();
        assert_int_equal(count_runs("a"), 1);
        unmount_silent(in("near"), near);
        advance(2 * MINUTES);
        assert_int_equal(counter("logs"), 1);
        assert_int_equal(count_runs("a"), 2);
        (void)close(log);
        unmount_silent(in("far"), far);
        (void)alarm(0);
}

/* --- logs come and go --- */

static void test_names(void **state) {
        append("x.log", 1);
        append("big.txt", 20000);
        append("x.log.1", 20000); /* a copy, whatever matches it */
        assert_int_equal(mkdir(in("dir.log"), 0755), 0);
        assert_int_equal(symlink(in("big.txt"), in("link.txt")), 0);
        write_rotate_job("a", "MaxSize=10000\nPath=/nowhere/*/x.log\nExclude=debug*\n");
        start();
        assert_int_equal(counter("logs"), 1);
        append("debug.log", 20000);
        append("new.log", 20000);
        assert_int_equal(count_runs("a"), 0); /* names are looked at again after a pause */
        advance(20 * MSEC);
        assert_int_equal(count_runs("a"), 1);
        assert_int_equal(counter("logs"), 2);
        assert_int_equal(unlink(in("new.log")), 0);
        advance(2 * MINUTES);
        assert_int_equal(counter("logs"), 1);
        assert_int_equal(count_runs("a"), 1);

        /* Renamed by somebody else, with a new one in its place. */
        move("x.log", "x.old");
        append("x.log", 9999);
        advance(20 * MSEC);
        append("x.old", 20000);
        advance(MINUTES);
        assert_int_equal(count_runs("a"), 1);
        append("x.log", 1);
        assert_int_equal(count_runs("a"), 2);
}

static void test_own_copies(void **state) {
        _cleanup_free_ char *text = NULL;

        append("x", 1);
        append("x.1", 20000);
        append("x.12.gz", 20000);
        assert_int_equal(string_format(&text, "[Rotate]\nPath=%s\nMaxSize=10000\n", in("*")), 0);
        write_job("a", text);
        start();
        assert_int_equal(counter("logs"), 1);
        assert_int_equal(count_runs("a"), 0);
}

/* By its whole path, and by a directory that it is in. */
static void test_exclude(void **state) {
        _cleanup_free_ char *text = NULL;

        assert_int_equal(mkdir(in("one"), 0755), 0);
        assert_int_equal(mkdir(in("two"), 0755), 0);
        append("one/x.log", 20000);
        append("one/y.log", 1);
        append("two/x.log", 20000);
        assert_int_equal(string_format(&text, "[Rotate]\nPath=%s\nMaxSize=10000\nExclude=%s\nExclude=two/\n",
                                       in("*/*.log"), in("one/x.log")),
                         0);
        write_job("a", text);
        start();
        assert_int_equal(counter("logs"), 1);
        assert_int_equal(count_runs("a"), 0);
}

/* Another log has the name: what was known of the old one is over, such as how often its rotation has failed. */
static void test_another_log(void **state) {
        uint64_t before;

        append("x.log", 5000);
        write_rotate_job("a", "MaxSize=10000\n");
        start();
        before = counter("looks");
        append("new", 1);
        move("new", "x.log");
        advance(MINUTES);
        assert_int_equal(counter("looks"), before + 1);
        append("x.log", 10000);
        assert_int_equal(count_runs("a"), 1);
        append("new", 20000);
        advance(MINUTES / 2);
        move("new", "x.log"); /* in the run, and it is big at once: that run has not failed */
        advance(MINUTES / 2);
        assert_int_equal(count_runs("a"), 2);
        advance(4 * HOURS);
        assert_string_equal(state_of("a"), "degraded");
        while (job_n_active(job("a")) > 0)
                advance(USEC_PER_SEC);
        before = count_runs("a");
        append("new", 20000);
        move("new", "x.log"); /* while the next run is far away */
        advance(20 * MSEC);
        assert_int_equal(count_runs("a"), before + 1);
        assert_string_equal(state_of("a"), "active");
}

/* The same when it was emptied. */
static void test_emptied(void **state) {
        uint64_t before;

        append("x.log", 20000);
        write_rotate_job("a", "MaxSize=10000\n");
        start();
        advance(4 * HOURS);
        while (job_n_active(job("a")) > 0)
                advance(USEC_PER_SEC);
        before = count_runs("a");
        assert_non_null(strstr(about("x.log"), "rotate: "));
        assert_non_null(strstr(about("x.log"), " has 19.5K of 9.7K (MaxSize=) and was not rotated by the last run"));
        assert_int_equal(truncate(in("x.log"), 0), 0);
        (void)request("a", RUN_TRIGGER_NONE); /* at its end that is seen */
        advance(2 * MINUTES);
        assert_int_equal(count_runs("a"), before + 1);
        append("x.log", 10000);
        assert_int_equal(count_runs("a"), before + 2);
}

/* A directory that is not there yet, one with a pattern, and one that is replaced. */
static void test_directories(void **state) {
        _cleanup_free_ char *text = NULL;

        assert_int_equal(string_format(&text, "[Rotate]\nPath=%s\nMaxSize=10000\n", in("*/sub/x.log")), 0);
        write_job("a", text);
        start();
        assert_string_equal(state_of("a"), "waiting");
        assert_int_equal(mkdir(in("one"), 0755), 0);
        settle();
        advance(MINUTES);
        assert_int_equal(mkdir(in("one/sub"), 0755), 0);
        settle();
        advance(MINUTES);
        append("one/sub/x.log", 20000);
        advance(20 * MSEC);
        assert_int_equal(count_runs("a"), 1);
}

static void test_replaced_directory(void **state) {
        _cleanup_free_ char *text = NULL;

        assert_int_equal(mkdir(in("d"), 0755), 0);
        append("d/x.log", 1);
        assert_int_equal(string_format(&text, "[Rotate]\nPath=%s\nMaxSize=10000\n", in("d/x.log")), 0);
        write_job("a", text);
        start();
        assert_string_equal(state_of("a"), "active");
        move("d", "e");
        advance(MINUTES);
        assert_string_equal(state_of("a"), "waiting");
        append("e/x.log", 20000);
        assert_int_equal(mkdir(in("d"), 0755), 0);
        settle();
        advance(MINUTES);
        assert_int_equal(count_runs("a"), 0);
        append("d/x.log", 20000);
        advance(20 * MSEC);
        assert_int_equal(count_runs("a"), 1);
}

/* In the moment before it is found out that a directory was replaced, nothing is learnt of what a link leads to. */
static void test_hostile_directory(void **state) {
        _cleanup_free_ char *text = NULL;

        if (geteuid() != 0)
                skip();
        assert_int_equal(mkdir(in("secret"), 0700), 0);
        assert_int_equal(mkdir(in("user"), 0755), 0);
        assert_int_equal(mkdir(in("user/d"), 0755), 0);
        append("secret/x.log", 20000);
        append("user/d/x.log", 1);
        assert_int_equal(chown(in("user"), 65534, 65534), 0);
        assert_int_equal(chown(in("user/d"), 65534, 65534), 0);
        assert_int_equal(string_format(&text, "[Rotate]\nPath=%s\nMaxSize=10000\n", in("user/d/*.log")), 0);
        write_job("a", text);
        start();
        advance(15 * MSEC);
        append("user/d/x.log", 6000); /* it will be full in 10 ms, and names are looked at in 15 */
        append("user/d/y.log", 1);
        move("user/d", "user/e");
        assert_int_equal(symlink(in("secret"), in("user/d")), 0);
        assert_int_equal(lchown(in("user/d"), 65534, 65534), 0);
        settle();
        for (unsigned i = 0; i < 20; i++)
                advance(MSEC);
        assert_int_equal(count_runs("a"), 0);
        assert_string_equal(state_of("a"), "waiting");
}

/* Nor is anything told of a log that somebody else could have put there. */
static void test_refused(void **state) {
        _cleanup_free_ char *text = NULL;

        if (geteuid() != 0)
                skip();
        assert_int_equal(mkdir(in("user"), 0755), 0);
        assert_int_equal(mkdir(in("user/d"), 0755), 0);
        append("user/d/x.log", 1);
        append("user/d/y.log", 20000);
        assert_int_equal(chown(in("user"), 65534, 65534), 0);
        assert_int_equal(chown(in("user/d"), 65533, 65533), 0);
        assert_int_equal(string_format(&text, "[Rotate]\nPath=%s\nMaxSize=10000\n", in("user/d/*.log")), 0);
        write_job("a", text);
        start();
        assert_int_equal(count_runs("a"), 0);
        assert_string_equal(state_of("a"), "degraded");
        assert_non_null(strstr(line.message, "2 logs are not watched: other users could replace a directory"));
        assert_string_equal(about("user/d/y.log"),
                            "rotate: It is not a log of this job that is watched for MaxSize=.");
        assert_int_equal(chown(in("user/d"), 65534, 65534), 0);
        append("user/d/z.log", 1);
        advance(20 * MSEC);
        assert_int_equal(count_runs("a"), 1);
}

/* A user who makes a log big as soon as it was rotated does not keep the machine busy with runs. */
static void user_makes_big(uid_t uid, mode_t mode) {
        _cleanup_free_ char *text = NULL;

        if (geteuid() != 0)
                skip();
        assert_int_equal(mkdir(in("user"), 0755), 0);
        assert_int_equal(chown(in("user"), uid, uid), 0);
        assert_int_equal(chmod(in("user"), mode), 0);
        append("x.log", 1);
        append("user/x.log", 10000);
        assert_int_equal(
                string_format(&text, "[Rotate]\nPath=%s\nPath=%s\nMaxSize=10000\n", in("user/*.log"), in("*.log")), 0);
        write_job("a", text);
        start();
        assert_int_equal(count_runs("a"), 1);
        advance(MSEC);
        assert_int_equal(truncate(in("user/x.log"), 0), 0);
        append("user/x.log", 9999);
        advance(MINUTES / 2);
        append("user/x.log", 1);
        append("user/y.log", 20000);
        advance(MINUTES / 2); /* the run ends */
        advance(9 * USEC_PER_SEC);
        assert_int_equal(count_runs("a"), 1);
        append("x.log", 10000); /* one of root's does not wait for that */
        assert_int_equal(count_runs("a"), 2);
        assert_string_equal(newest("a").payload, in("x.log"));
        rotate("x.log");
        advance(MINUTES);
        advance(11 * USEC_PER_SEC);
        assert_int_equal(count_runs("a"), 3);
        assert_non_null(strstr(newest("a").payload, "user/"));
}

static void test_user_makes_big(void **state) {
        user_makes_big(65534, 0755);
}

static void test_anybody_makes_big(void **state) {
        user_makes_big(0, 01777);
}

static void make_logs(const char *directory, unsigned n, uid_t uid) {
        for (unsigned i = 0; i < n; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "%s%05u.log", directory, i);
                (void)close(open(in(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
                assert_true(uid == geteuid() || chown(in(name), uid, (gid_t)-1) >= 0);
        }
}

static void test_many_of_a_user(void **state) {
        _cleanup_free_ char *text = NULL, *aside = NULL;

        if (geteuid() != 0)
                skip();
        assert_int_equal(mkdir(in("1"), 0755), 0);
        assert_int_equal(mkdir(in("2"), 0755), 0);
        make_logs("1/", 2049, 65533);
        assert_int_equal(string_format(&text, "[Rotate]\nPath=%s\nMaxSize=10000\n", in("*/*.log")), 0);
        write_job("a", text);
        start();
        assert_int_equal(counter("logs"), 2048);
        assert_string_equal(state_of("a"), "degraded");
        make_logs("2/", 1025, 65534);
        settle();
        advance(MINUTES);
        assert_int_equal(counter("logs"), 2048 + 1024);
        assert_int_equal(unlink(in("1/00000.log")), 0); /* his last one has the place */
        settle();
        advance(MINUTES);
        assert_int_equal(counter("logs"), 2048 + 1024);
        make_logs("2/r", 1025, 0); /* root's have all that is left */
        settle();
        advance(MINUTES);
        assert_int_equal(counter("logs"), 4096);
        /* Those of the first user go: now the others have half of the rest, and so has he when he is back. */
        assert_int_equal(string_format(&aside, "%s/aside", f.directory), 0);
        assert_int_equal(rename(in("1"), aside), 0);
        settle();
        advance(MINUTES);
        assert_int_equal(counter("logs"), 1025 + 1025);
        assert_int_equal(mkdir(in("3"), 0755), 0);
        settle();
        advance(MINUTES);
        make_logs("3/", 10, 65533);
        settle();
        advance(MINUTES);
        assert_int_equal(counter("logs"), 1025 + 1025 + 10);
}

/* One of a line goes, and the one of another line that was left out has its place. */
static void test_many(void **state) {
        _cleanup_free_ char *text = NULL;

        assert_int_equal(mkdir(in("1"), 0755), 0);
        assert_int_equal(mkdir(in("2"), 0755), 0);
        make_logs("1/", 4095, geteuid());
        make_logs("2/", 2, geteuid());
        assert_int_equal(
                string_format(&text, "[Rotate]\nPath=%s\nPath=%s\nMaxSize=10000\n", in("1/*.log"), in("2/*.log")), 0);
        write_job("a", text);
        start();
        assert_int_equal(counter("logs"), 4096);
        assert_string_equal(state_of("a"), "degraded"); /* of the last line */
        assert_non_null(strstr(line.message, "There are more logs than are watched for a job (4096)"));
        assert_non_null(strstr(why("a"), "is degraded: There are more logs than are watched"));
        assert_int_equal(unlink(in("1/00000.log")), 0);
        settle();
        advance(MINUTES);
        assert_int_equal(counter("logs"), 4096);
        assert_string_equal(state_of("a"), "active");
}

/* --- what does not help --- */

/* A rotation that fails is tried again later, and later. */
static void test_failures(void **state) {
        unsigned announced, first;

        append("x.log", 20000);
        write_rotate_job("a", "MaxSize=10000\n");
        start();
        assert_int_equal(count_runs("a"), 1);
        announced = f.n_changed;
        advance(MINUTES + MSEC);
        announced = f.n_changed - announced;
        assert_int_equal(count_runs("a"), 1);
        assert_string_equal(state_of("a"), "degraded");
        assert_non_null(strstr(line.message, "A log has 19.5K of 9.7K (MaxSize=) and was not rotated by the"));
        assert_non_null(strstr(why("a"), "the next one is requested in 9s"));
        append("x.log", 1);
        advance(11 * USEC_PER_SEC);
        assert_int_equal(count_runs("a"), 2);
        first = f.n_changed;
        advance(MINUTES + MSEC);
        assert_int_equal(f.n_changed - first, announced - 1); /* only the first time is that news */
        advance(24 * HOURS);
        assert_in_range(count_runs("a"), 20, 40); /* and in the end once an hour */
        first = count_runs("a");
        advance(24 * HOURS);
        assert_in_range(count_runs("a") - first, 22, 25);
        append("y.log", 20000); /* another one does not wait for that */
        advance(20 * MSEC);
        assert_non_null(strstr(newest("a").payload, "y.log"));
        rotate("y.log");
        rotate("x.log");
        advance(2 * MINUTES);
        assert_string_equal(state_of("a"), "active");
}

/* Two runs at once that do not help are one failure. */
static void test_failures_of_two(void **state) {
        append("x.log", 20000);
        write_rotate_job("a", "MaxSize=10000\n[Run]\nOverlap=parallel\nMaxParallel=2\n");
        start();
        (void)request("a", RUN_TRIGGER_NONE);
        assert_int_equal(job("a")->n_running, 2);
        advance(MINUTES + MSEC);
        assert_string_equal(state_of("a"), "degraded");
        assert_non_null(strstr(line.message, "the next one is requested in 9s"));
        advance(11 * USEC_PER_SEC);
        assert_int_equal(count_runs("a"), 3);
}

/* One that somebody has asked to skip is not asked for again at once. */
static void test_skip(void **state) {
        append("x.log", 1);
        write_rotate_job("a", "MaxSize=10000\n");
        start();
        assert_int_equal(manager_skip(f.m, "a", 1), 0);
        append("x.log", 10000);
        assert_int_equal(count_result("a", RUN_RESULT_SKIPPED), 1);
        assert_int_equal(job("a")->skip, 0);
        advance(9 * USEC_PER_SEC);
        assert_int_equal(count_runs("a"), 1);
        advance(2 * USEC_PER_SEC);
        assert_int_equal(count_runs("a"), 2);
}

/* Emptied and full again at the end of its run: that has helped. */
static void test_copytruncate(void **state) {
        append("x.log", 20000);
        write_rotate_job("a", "MaxSize=10000\nMode=copytruncate\n");
        start();
        assert_int_equal(count_runs("a"), 1);
        advance(MSEC);
        assert_int_equal(truncate(in("x.log"), 0), 0);
        append("x.log", 15000);
        advance(MINUTES);
        assert_int_equal(count_runs("a"), 2);
        advance(MSEC);
        assert_int_equal(truncate(in("x.log"), 0), 0);
        advance(2 * MINUTES);
        assert_int_equal(count_runs("a"), 2);
        append("x.log", 10000);
        advance(20 * MSEC);
        assert_int_equal(count_runs("a"), 3);
}

/* A run that was killed after a rotation, or could not reload the unit, leaves a note. The writer still writes to the
 * copy, so the new log stays small: the next run does not wait for that. */
static void test_untold(void **state) {
        append("x.log", 10000);
        write_rotate_job("a", "MaxSize=10000\nReloadUnit=x.service\n");
        start();
        assert_int_equal(count_runs("a"), 1);
        append(".x.log.vakt-tell", 0);
        rotate("x.log");
        advance(MINUTES + MSEC);
        assert_int_equal(count_runs("a"), 1);
        assert_string_equal(state_of("a"), "degraded");
        assert_non_null(strstr(line.message, "and its writer was not told of its rotation by the last run for it"));
        advance(11 * USEC_PER_SEC);
        assert_int_equal(count_runs("a"), 2);
        restart(); /* during a run, which the next daemon cannot find */
        advance(MINUTES + 30 * USEC_PER_SEC);
        assert_in_range(count_runs("a"), 3, 4);
        assert_int_equal(unlink(in(".x.log.vakt-tell")), 0);
        advance(5 * MINUTES);
        assert_in_range(count_runs("a"), 3, 5);
        assert_string_equal(state_of("a"), "active");
}

/* The same with Create=no, where there is no log before the writer makes one. */
static void test_untold_without_log(void **state) {
        append("x.log", 10000);
        write_rotate_job("a", "MaxSize=10000\nCreate=no\nReloadUnit=x.service\n");
        start();
        append(".x.log.vakt-tell", 0);
        move("x.log", "x.log.1");
        assert_int_equal(mkdir(in("x.log"), 0755), 0); /* which is none */
        advance(MINUTES + MSEC);
        assert_non_null(strstr(about("x.log"), " has 0B of 9.7K (MaxSize=) and its writer was not told "));
        assert_int_equal(rmdir(in("x.log")), 0);
        advance(11 * USEC_PER_SEC);
        assert_int_equal(count_runs("a"), 2);
        assert_int_equal(unlink(in(".x.log.vakt-tell")), 0);
        append("x.log", 1);
        advance(2 * MINUTES);
        assert_int_equal(count_runs("a"), 2);
        assert_string_equal(state_of("a"), "active");
}

/* Nobody is told of what is gone with its directory. */
static void test_untold_without_directory(void **state) {
        _cleanup_free_ char *text = NULL;

        assert_int_equal(mkdir(in("d"), 0755), 0);
        append("d/x.log", 10000);
        append("d/.x.log.vakt-tell", 0);
        assert_int_equal(
                string_format(&text, "[Rotate]\nPath=%s\nMaxSize=10000\nReloadUnit=x.service\n", in("d/x.log")), 0);
        write_job("a", text);
        start();
        assert_int_equal(count_runs("a"), 1);
        move("d", "e");
        advance(2 * MINUTES);
        assert_string_equal(state_of("a"), "waiting");
        assert_int_equal(counter("logs"), 0);
        advance(HOURS);
        assert_int_equal(count_runs("a"), 1);
}

/* --- the daemon --- */

/* A user has a daemon of his own, to which the rules for those of others do not apply. */
static void test_daemon_of_a_user(void **state) {
        if (geteuid() != 0)
                skip();
        append("x.log", 1);
        write_rotate_job("a", "MaxSize=10000\n");
        assert_int_equal(chmod(f.directory, 0755), 0);
        assert_int_equal(chown(in("x.log"), 65534, 65534), 0);
        start();
        assert_int_equal(seteuid(65534), 0);
        append("x.log", 9999);
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(count_runs("a"), 1);
}

/* What is full while nothing may be asked for is asked for afterwards. */
static void test_hold(void **state) {
        append("x.log", 1);
        write_rotate_job("a", "MaxSize=10000\n");
        start();
        TELL_TRIGGERS(f.m, hold, true);
        append("x.log", 10000);
        advance(MINUTES);
        assert_int_equal(count_runs("a"), 0);
        TELL_TRIGGERS(f.m, hold, false);
        settle();
        assert_int_equal(count_runs("a"), 1);
}

static void test_pause(void **state) {
        append("x.log", 1);
        append("y.log", 1);
        write_rotate_job("a", "MaxSize=10000\n");
        start();
        assert_int_equal(manager_pause(f.m, "a"), 0);
        append("x.log", 10000);
        advance(HOURS);
        assert_int_equal(truncate(in("x.log"), 0), 0); /* by hand */
        advance(MINUTES);
        assert_int_equal(manager_resume(f.m, "a"), 0);
        advance(MINUTES);
        assert_int_equal(count_runs("a"), 0);
        assert_int_equal(manager_pause(f.m, "a"), 0);
        append("x.log", 10000);
        append("y.log", 10000);
        advance(HOURS);
        assert_int_equal(count_runs("a"), 0);
        assert_int_equal(truncate(in("x.log"), 0), 0);
        assert_int_equal(manager_resume(f.m, "a"), 0);
        settle();
        assert_int_equal(count_runs("a"), 1);
        assert_string_equal(newest("a").payload, in("y.log"));
}

/* While no daemon runs, a log grows; one that dies while its run goes on leaves that to the next. */
static void test_restart(void **state) {
        append("x.log", 1);
        write_rotate_job("a", "MaxSize=10000\n");
        start();
        stop();
        {
                int fd = open(in("x.log"), O_WRONLY | O_CLOEXEC);

                assert_int_equal(ftruncate(fd, 10000), 0);
                (void)close(fd);
        }
        start();
        assert_int_equal(count_runs("a"), 1);
        restart();
        assert_int_equal(count_runs("a"), 1);
        rotate("x.log");
        advance(2 * MINUTES);
        assert_int_equal(count_runs("a"), 1);
        append("x.log", 10000);
        assert_int_equal(count_runs("a"), 2);
}

static void on_stopped(void *userdata) {
}

/* Who is about to end leaves it to the next. */
static void test_stop(void **state) {
        append("x.log", 1);
        write_rotate_job("a", "MaxSize=10000\n");
        start();
        manager_stop(f.m, on_stopped, NULL);
        settle();
        append("x.log", 10000);
        assert_int_equal(count_runs("a"), 0);
        restart();
        assert_int_equal(count_runs("a"), 1);
}

/* A run that was given up before it could start is no reason for the next one at once. */
static void test_never_started(void **state) {
        append("x.log", 10000);
        write_rotate_job("a", "MaxSize=10000\n[Run]\nWaitFor=load1 < 1\nWaitMaxSec=1min\n");
        start();
        set_unknown("load1", "there is none");
        assert_int_equal(count_runs("a"), 1);
        advance(MINUTES + USEC_PER_SEC);
        assert_int_equal(count_result("a", RUN_RESULT_SKIPPED), 1);
        assert_int_equal(count_runs("a"), 1);
        advance(10 * USEC_PER_SEC);
        assert_int_equal(count_runs("a"), 2);
}

static void test_reload(void **state) {
        append("x.log", 10000);
        write_rotate_job("a", "MaxSize=1M\n");
        start();
        reload();
        assert_int_equal(count_runs("a"), 0);
        write_rotate_job("a", "MaxSize=10000\n");
        reload();
        assert_int_equal(count_runs("a"), 1);
        rotate("x.log");
        write_rotate_job("a", "MaxSize=10000\n[Job]\nEnabled=no\n");
        reload();
        assert_string_equal(state_of("a"), "");
        remove_job("a");
        reload();
        advance(2 * MINUTES);
        append("x.log", 20000);
        write_rotate_job("a", "MaxSize=10000\nTakeOver=yes\n[Job]\nEnabled=no\n");
        reload();
        assert_int_equal(count_runs("a"), 1);
        assert_string_equal(state_of("a"), "");
}

/* With a timer in the same job, each has its own runs. */
static void test_timer(void **state) {
        append("x.log", 1);
        write_rotate_job("a", "MaxSize=10000\n[Timer]\nOnInterval=1h\n");
        start();
        append("x.log", 10000);
        assert_int_equal(count_cause("a", RUN_CAUSE_PATH), 1);
        rotate("x.log");
        advance(3 * HOURS + MINUTES);
        assert_int_equal(count_cause("a", RUN_CAUSE_PATH), 1);
        assert_in_range(count_cause("a", RUN_CAUSE_TIMER), 3, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, condition_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_mark),
                TEST(test_several),
                TEST(test_several_jobs),
                TEST(test_without_mark),
                TEST(test_looks),
                TEST(test_lateness),
                TEST(test_names),
                TEST(test_network_file_system),
                TEST(test_blind),
                TEST(test_sampling),
                TEST(test_overflow),
                TEST(test_dear_line),
                TEST(test_exclude),
                TEST(test_another_log),
                TEST(test_emptied),
                TEST(test_no_answer),
                TEST(test_own_copies),
                TEST(test_directories),
                TEST(test_replaced_directory),
                TEST(test_hostile_directory),
                TEST(test_refused),
                TEST(test_user_makes_big),
                TEST(test_anybody_makes_big),
                TEST(test_many_of_a_user),
                TEST(test_many),
                TEST(test_failures),
                TEST(test_failures_of_two),
                TEST(test_skip),
                TEST(test_copytruncate),
                TEST(test_untold),
                TEST(test_untold_without_log),
                TEST(test_untold_without_directory),
                TEST(test_hold),
                TEST(test_daemon_of_a_user),
                TEST(test_pause),
                TEST(test_restart),
                TEST(test_reload),
                TEST(test_timer),
                TEST(test_stop),
                TEST(test_never_started),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

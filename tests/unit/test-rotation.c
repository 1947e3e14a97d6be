/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whole runs of [Rotate] on real files. What they do when they are killed is tested by tests/system/rotate-kill.py. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <cmocka.h>

#include "scratch-tree.h"
#include "upkeep/logs.h"
#include "upkeep/record.h"
#include "upkeep/rotation.h"
#include "util/file.h"
#include "util/size.h"
#include "util/strv.h"

static usec_t now;

/* --- files --- */

static void put(const char *name, const char *text) {
        _cleanup_close_ int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

        assert_true(fd >= 0);
        assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static bool has(const char *name) {
        struct stat st;

        return lstat(at(name), &st) == 0;
}

static const char *get(const char *name) {
        static char text[4][65536];
        static unsigned n;
        char *buffer = text[n++ % ELEMENTSOF(text)];
        _cleanup_close_ int fd = open(at(name), O_RDONLY | O_CLOEXEC);
        ssize_t k = fd < 0 ? -1 : fd_read_up_to(fd, buffer, sizeof(text[0]) - 1);

        if (k < 0)
                return "(none)";
        buffer[k] = '\0';
        return buffer;
}

static void set_time(const char *name, usec_t when) {
        const struct timespec t = { .tv_sec = (time_t)(when / USEC_PER_SEC) }, both[] = { t, t };

        assert_int_equal(utimensat(AT_FDCWD, at(name), both, AT_SYMLINK_NOFOLLOW), 0);
}

/* The number of names in a directory. */
static unsigned count(const char *name) {
        _cleanup_close_ int fd = open(at(name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(closedirp) DIR *dir = fd_list(fd);
        unsigned n = 0;

        while (readdir(dir))
                n++;
        return n - 2;
}

/* --- runs --- */

static struct {
        RotateDef def;
        RotationResult result;
        char **lines, **calls; /* of report(); of scripts and of the writer */
        int tell_result, script_result;
        int state_fd;
        const char *taken;
} t;

static void on_report(void *userdata, RotationDeed deed, const char *path, const char *reason) {
        const char *name = startswith(path, top);

        assert_int_equal(
                strv_extendf(&t.lines, "%s %s: %s", rotation_deed_to_string(deed), name ?: path, strempty(reason)), 0);
}

static int on_script(void *userdata, const char *script, char *const *logs, char **reterr) {
        assert_int_equal(strv_extend(&t.calls, script), 0);
        STRV_FOREACH(log, logs)
                assert_int_equal(strv_extend(&t.calls, *log + strlen(top)), 0);
        return t.script_result;
}

static int on_tell(void *userdata, const RotateDef *def, char **reterr) {
        assert_int_equal(strv_extend(&t.calls, def->reload_unit ?: def->signal_unit), 0);
        return t.tell_result;
}

static const char *on_taken(void *userdata, const char *path) {
        return t.taken;
}

static void run_as(bool plan) {
        const RotationHost host = {
                .report = on_report,
                .run_script = on_script,
                .tell_writer = on_tell,
                .taken_by = on_taken,
                .state_fd = t.state_fd,
        };

        t.lines = strv_free(t.lines);
        t.calls = strv_free(t.calls);
        assert_int_equal(rotation_run(&t.def, &host, now, plan, &t.result), 0);
}

static void run(void) {
        run_as(/* plan= */ false);
}

static bool said(const char *text) {
        STRV_FOREACH(s, t.lines)
                if (strstr(*s, text))
                        return true;
        return false;
}

static void path(const char *pattern) {
        assert_int_equal(strv_extend(&t.def.paths, at(pattern)), 0);
}

static int set_up(void **state) {
        if (make_top(state) < 0)
                return -1;
        now = now_realtime();
        memset(&t, 0, sizeof(t));
        t.def = rotate_def_defaults;
        t.state_fd = -EBADF;
        return 0;
}

static int tear_down(void **state) {
        rotate_def_done(&t.def);
        strv_free(t.lines);
        strv_free(t.calls);
        safe_close(t.state_fd);
        return remove_top(state);
}

/* --- names --- */

static void test_numbers(void **state) {
        struct stat before, after;

        path("*.log");
        t.def.keep = 3;
        put("a.log", "1\n");
        put("b.log", "b\n");
        assert_int_equal(chmod(at("a.log"), 0604), 0);
        for (unsigned i = 2; i < 7; i++) {
                char text[8];

                assert_int_equal(stat(at("a.log"), &before), 0);
                run();
                assert_int_equal(t.result.n_failed, 0);
                assert_int_equal(stat(at("a.log.1"), &after), 0);
                assert_int_equal(before.st_ino, after.st_ino);
                assert_int_equal(stat(at("a.log"), &after), 0);
                assert_int_equal(after.st_size, 0);
                assert_int_equal(after.st_mode, before.st_mode);
                assert_int_equal(after.st_uid, before.st_uid);
                (void)snprintf(text, sizeof(text), "%u\n", i);
                put("a.log", text);
        }
        assert_string_equal(get("a.log"), "6\n");
        assert_string_equal(get("a.log.1"), "5\n");
        assert_string_equal(get("a.log.3"), "3\n");
        assert_false(has("a.log.4"));
        assert_int_equal(count("."), 8);
        assert_true(said("remove /a.log.4: there are more than Keep=3"));
        assert_int_equal(t.result.n_rotated, 2);
        assert_int_equal(t.result.n_removed, 2);
}

static void test_gap(void **state) {
        path("a");
        put("a", "new");
        put("a.1", "1");
        put("a.2", "2");
        put("a.4.gz", "4");
        put("a.5", "5");
        run();
        assert_string_equal(get("a.1"), "new");
        assert_string_equal(get("a.2"), "1");
        assert_string_equal(get("a.3"), "2");
        assert_string_equal(get("a.4.gz"), "4");
        assert_string_equal(get("a.5"), "5");
}

static void test_dates(void **state) {
        path("a.log");
        t.def.suffix = ROTATE_SUFFIX_DATE;
        t.def.extension = strdup(".log");
        t.def.keep = 3;
        assert_int_equal(setenv("TZ", "UTC", 1), 0);
        now = 1796083200 * USEC_PER_SEC;
        for (unsigned i = 0; i < 3; i++) {
                put("a.log", i == 0 ? "0" : i == 1 ? "1" : "2");
                run();
        }
        assert_string_equal(get("a-20261201.log"), "0");
        assert_string_equal(get("a-20261201.1.log"), "1");
        assert_string_equal(get("a-20261201.2.log"), "2");
        now -= 3 * USEC_PER_DAY; /* the clock was set back: the order stays */
        put("a.log", "3");
        run();
        assert_string_equal(get("a-20261201.3.log"), "3");
        assert_false(has("a-20261201.log"));
        now += 5 * USEC_PER_DAY;
        run();
        assert_string_equal(get("a-20261203.log"), "");
        assert_false(has("a-20261201.1.log"));
}

/* A pattern that matches everything rotates a log once, however often it runs. */
static void test_own_output(void **state) {
        path("*");
        put("a", "a");
        put(".b.vakt-zip", "");
        for (unsigned i = 0; i < 5; i++)
                run();
        assert_int_equal(count("."), 7);
        assert_true(has("a.5") && !has("a.1.1"));
}

static void test_old_dir(void **state) {
        path("a");
        t.def.old_dir = strdup("old");
        put("a", "1");
        run();
        assert_int_equal(t.result.n_failed, 1);
        assert_true(said("refuse /a:"));
        assert_string_equal(get("a"), "1");
        assert_int_equal(mkdir(at("old"), 0755), 0);
        run();
        put("a", "2");
        run();
        assert_string_equal(get("old/a.1"), "2");
        assert_string_equal(get("old/a.2"), "1");
        assert_int_equal(count("."), 2);
}

/* --- a run that was killed, and another job file at the next one --- */

/* Between link(2) and rename(2). */
static void half_rotate(const char *copy) {
        put("a", "1");
        assert_int_equal(link(at("a"), at(copy)), 0);
        put(".a.vakt-new", "");
}

static void test_killed_before_other_suffix(void **state) {
        path("a");
        half_rotate("a.1");
        t.def.suffix = ROTATE_SUFFIX_DATE;
        run();
        assert_int_equal(t.result.n_failed, 0);
        assert_string_equal(get("a.1"), "1");
        assert_string_equal(get("a"), "");
        assert_int_equal(count("."), 2);
}

static void test_killed_before_old_dir(void **state) {
        path("a");
        half_rotate("a.1");
        assert_int_equal(mkdir(at("old"), 0755), 0);
        t.def.old_dir = strdup("old");
        run();
        assert_int_equal(t.result.n_failed, 0);
        assert_string_equal(get("a.1"), "1");
        assert_string_equal(get("a"), "");
        assert_int_equal(count("."), 3);
}

/* Its second name is not in a directory that we know: then it is no rotation of ours. */
static void test_half_rotated_elsewhere(void **state) {
        path("a");
        assert_int_equal(mkdir(at("elsewhere"), 0755), 0);
        half_rotate("elsewhere/a.1");
        run();
        assert_true(said("refuse /a: It has 2 names"));
        assert_string_equal(get("a"), "1");
}

static void test_cut_before_old_dir(void **state) {
        path("a");
        t.def.mode = ROTATE_COPYTRUNCATE;
        t.def.old_dir = strdup("old");
        t.def.max_size = 1000;
        assert_int_equal(mkdir(at("old"), 0755), 0);
        put("a", "2");
        put(".a.vakt-cut", "1");
        run();
        assert_string_equal(get("old/a.1"), "1");
        assert_string_equal(get("a"), "2");
        put(".a.vakt-cut", "2"); /* it was not cut yet */
        put(".a.vakt-copy", "");
        put("old/.a.vakt-copy", "");
        run();
        assert_int_equal(t.result.n_failed, 0);
        assert_int_equal(count("."), 2);
        assert_int_equal(count("old"), 1);
}

static void test_packed_before_another_name(void **state) {
        path("a.log");
        t.def.max_size = 1000;
        t.def.suffix = ROTATE_SUFFIX_DATE;
        t.def.old_dir = strdup("old");
        assert_int_equal(mkdir(at("old"), 0755), 0);
        put("a.log", "1");
        put(".a.log.1.gz.vakt-zip", "");
        put("old/.a.log.1.zst.vakt-zip", "");
        put(".b.log.1.gz.vakt-zip", ""); /* of another job */
        run();
        assert_int_equal(t.result.n_failed, 0);
        assert_int_equal(count("."), 3);
        assert_int_equal(count("old"), 0);
        t.def.extension = strdup(".log");
        put(".a-20261201.log.gz.vakt-zip", "");
        t.def.suffix = ROTATE_SUFFIX_NUMBER;
        run();
        assert_int_equal(count("."), 3);
}

/* --- when --- */

static void test_sizes(void **state) {
        path("*");
        t.def.max_size = 4;
        put("large", "12345");
        put("small", "123");
        run();
        assert_true(said("rotate /large: it has 5B (MaxSize=4B)"));
        assert_true(said("keep /small: it has 3B, less than MaxSize=4B"));
        t.def.max_size = SIZE_ENDLESS;
        t.def.min_size = 3;
        put("tiny", "1");
        run();
        assert_true(said("rotate /small: each run rotates it"));
        assert_true(said("keep /tiny: it has 1B, less than MinSize=3B"));
        t.def.min_size = 0;
        t.def.skip_empty = true;
        run();
        assert_true(said("keep /large: it is empty"));
}

static void test_age(void **state) {
        char command[PATH_MAX + 64];

        path("a");
        assert_int_equal(mkdir(at("state"), 0700), 0);
        t.state_fd = open(at("state"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        t.def.max_age = USEC_PER_DAY;
        t.def.create = false; /* or the birth of the log would tell as well */
        put("a", "1");
        now += USEC_PER_MINUTE; /* later than its birth */
        run();
        assert_true(said("keep /a"));
        now += 3 * USEC_PER_DAY;
        run();
        assert_true(said("rotate /a: its last rotation was 3d"));
        put("a", "2");
        run();
        assert_true(said("keep /a: its last rotation was 0 ago, less than MaxAge=1d"));
        now += USEC_PER_DAY - 3 * USEC_PER_HOUR;
        run();
        assert_true(said("keep /a"));
        now += USEC_PER_HOUR + USEC_PER_MINUTE; /* the tolerance of a day is two hours */
        run();
        assert_true(said("rotate /a"));
        /* A bad record is none, and hurts no other log. */
        (void)snprintf(command, sizeof(command), "for f in %s/log-*; do echo nonsense >$f; done", at("state"));
        assert_int_equal(system(command), 0);
        put("a", "3");
        run();
        assert_int_equal(t.result.n_failed, 0);
}

static void test_old_records(void **state) {
        path("a");
        put("a", "1");
        assert_int_equal(mkdir(at("state"), 0700), 0);
        t.state_fd = open(at("state"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        put("state/log-0", "");
        put("state/log-1", "");
        put("state/other", "");
        set_time("state/log-0", now - 401 * USEC_PER_DAY);
        set_time("state/other", now - 401 * USEC_PER_DAY);
        run();
        assert_true(!has("state/log-0") && has("state/log-1") && has("state/other"));
        set_time("state/log-1", now - 401 * USEC_PER_DAY);
        run(); /* not on the same day */
        assert_true(has("state/log-1"));
        now += 2 * USEC_PER_DAY;
        run();
        assert_false(has("state/log-1"));
        put("state/log-2", "");
        set_time("state/log-2", now - 401 * USEC_PER_DAY);
        set_time("state/pruned", now + 1000 * USEC_PER_DAY); /* the clock was wrong then */
        run();
        assert_false(has("state/log-2"));
}

/* Without records, what was made by a rotation tells when that was. */
static void test_age_without_records(void **state) {
        path("a");
        t.def.max_age = USEC_PER_HOUR;
        put("a", "1");
        now += USEC_PER_DAY;
        run();
        assert_true(said("rotate /a"));
        now -= USEC_PER_DAY - USEC_PER_MINUTE;
        run();
        assert_true(said("keep /a"));
}

/* --- what stays --- */

static void test_keep(void **state) {
        path("*.log");
        t.def.max_size = 1000; /* nothing is due */
        t.def.keep = UINT_MAX;
        t.def.keep_usec = 7 * USEC_PER_DAY;
        put("a.log", "");
        put("a.log.1", "1");
        put("a.log.2", "2");
        put("gone.log.1.gz", "3"); /* its log is not there any more */
        put("gone.log.2", "4");
        set_time("a.log.2", now - 8 * USEC_PER_DAY);
        set_time("gone.log.2", now - 8 * USEC_PER_DAY);
        run_as(/* plan= */ true);
        assert_true(said("remove /a.log.2: it is older than KeepSec=1w") && has("a.log.2"));
        run();
        assert_true(has("a.log.1") && has("gone.log.1.gz"));
        assert_false(has("a.log.2") || has("gone.log.2"));
        t.def.keep_usec = USEC_INFINITY;
        t.def.keep_size = 5;
        put("a.log.1", "123");
        put("a.log.2", "12");
        put("a.log.3", "1");
        run();
        assert_true(has("a.log.2") && !has("a.log.3"));
        t.def.keep_size = SIZE_ENDLESS;
        t.def.keep = 0;
        run();
        assert_false(has("a.log.1") || has("a.log.2") || has("gone.log.1.gz"));
        assert_true(has("a.log"));
}

static void test_create(void **state) {
        struct stat st;

        if (geteuid() != 0)
                skip();
        path("a");
        put("a", "1");
        t.def.create_mode = 0600;
        t.def.create_user = strdup("54321");
        t.def.create_group = strdup("54322");
        run();
        assert_int_equal(stat(at("a"), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_true(st.st_uid == ALICE && st.st_gid == BOB);
        free(t.def.create_user);
        t.def.create_user = strdup("nobody-is-called-so");
        put("a", "2");
        run();
        assert_true(said("fail /a: Create= names the user nobody-is-called-so"));
        assert_string_equal(get("a"), "2");
        assert_int_equal(count("."), 2);
        t.def.create = false;
        run();
        assert_false(has("a"));
        assert_string_equal(get("a.1"), "2");
}

static void test_attributes(void **state) {
        char value[8];

        path("a");
        put("a", "1");
        if (setxattr(at("a"), "user.test", "yes", 3, 0) < 0)
                skip();
        t.def.compress = ROTATE_COMPRESS_GZIP;
        run();
        assert_int_equal(getxattr(at("a"), "user.test", value, sizeof(value)), 3);
        assert_int_equal(getxattr(at("a.1.gz"), "user.test", value, sizeof(value)), 3);
}

/* --- compression --- */

static void test_compression(void **state) {
        static const char *const names[] = { "a.1.gz", "a.1.zst" };

        path("a");
        for (unsigned i = 0; i < 2; i++) {
                struct stat st;

                t.def.compress = i == 0 ? ROTATE_COMPRESS_GZIP : ROTATE_COMPRESS_ZSTD;
                put("a", "text");
                set_time("a", now - USEC_PER_DAY);
                run();
                assert_int_equal(stat(at(names[i]), &st), 0);
                assert_int_equal(st.st_mode & 07777, 0640);
                assert_int_equal(st.st_mtim.tv_sec, (now - USEC_PER_DAY) / USEC_PER_SEC);
                assert_false(has("a.1"));
                assert_true(said("compress /a.1"));
        }
        assert_true(has("a.2.gz"));
        t.def.compress_delay = 2;
        run();
        run();
        assert_true(has("a.1") && has("a.2") && has("a.3.zst") && has("a.4.gz"));
        run();
        assert_true(has("a.1") && has("a.2") && has("a.3.zst") && has("a.5.gz"));
}

/* A copy that is still written to is compressed when it is not any more. */
static void test_writer(void **state) {
        _cleanup_close_ int fd = -EBADF;

        path("a");
        t.def.compress = ROTATE_COMPRESS_GZIP;
        put("a", "1\n");
        fd = open(at("a"), O_WRONLY | O_APPEND | O_CLOEXEC);
        run();
        assert_true(has("a.1") && !has("a.1.gz"));
        assert_true(said("keep /a.1: a process still writes to it"));
        assert_int_equal(t.result.n_failed, 0);
        assert_int_equal(fd_write_all(fd, "2\n", 2), 0);
        fd = safe_close(fd);
        t.def.max_size = 1000;
        run();
        assert_true(!has("a.1") && has("a.1.gz"));
        assert_int_equal(system("zcat /tmp/test-rotation-*/a.1.gz | tr '\\n' - | grep -qx 1-2-"), 0);
}

/* --- copytruncate --- */

static bool is_cut_synced;

/* In place of that of the C library. Is the name of the copy on the disk while the log is still whole? */
int fsync(int fd) {
        struct stat directory, log;

        if (fstat(fd, &directory) >= 0 && S_ISDIR(directory.st_mode) && has(".a.vakt-cut") &&
            stat(at("a"), &log) >= 0 && log.st_size > 0)
                is_cut_synced = true;
        return (int)syscall(SYS_fsync, fd);
}

/* Else, after a power failure, the copy has the name of one that was not finished, and is removed. */
static void test_copy_is_on_disk(void **state) {
        path("a");
        t.def.mode = ROTATE_COPYTRUNCATE;
        put("a", "short");
        is_cut_synced = false;
        run();
        assert_true(is_cut_synced);
        assert_string_equal(get("a.1"), "short");
}

static void test_copytruncate(void **state) {
        struct stat before, after;
        char text[10001];

        path("a");
        t.def.mode = ROTATE_COPYTRUNCATE;
        put("a", "short");
        assert_int_equal(stat(at("a"), &before), 0);
        run();
        assert_int_equal(stat(at("a"), &after), 0);
        assert_int_equal(before.st_ino, after.st_ino);
        assert_int_equal(after.st_size, 0);
        assert_string_equal(get("a.1"), "short");
        for (size_t i = 0; i < sizeof(text) - 1; i++)
                text[i] = (char)('a' + i % 26);
        text[sizeof(text) - 1] = '\0';
        put("a", text);
        run();
        /* Where whole blocks can be cut off, the rest stays. */
        assert_string_equal(get("a.2"), "short");
        assert_int_equal(strncmp(text, get("a.1"), strlen(get("a.1"))), 0);
        assert_string_equal(get("a"), text + strlen(get("a.1")));
        assert_int_equal(count("."), 3);
        assert_int_equal(stat(at("a.1"), &after), 0);
        assert_int_equal(before.st_mode, after.st_mode);
}

static void test_holes(void **state) {
        struct stat st;

        path("a");
        t.def.mode = ROTATE_COPYTRUNCATE;
        put("a", "begin");
        assert_int_equal(truncate(at("a"), 64 << 20), 0);
        run();
        assert_int_equal(stat(at("a.1"), &st), 0);
        assert_true(st.st_size > 63 << 20 && st.st_blocks < 2048);
}

/* --- telling --- */

static void test_telling(void **state) {
        path("*");
        put("a", "1");
        put("b", "1");
        t.def.reload_unit = strdup("app.service");
        t.def.pre_rotate = strdup("before");
        t.def.post_rotate = strdup("after");
        run();
        assert_int_equal(strv_length(t.calls), 7);
        assert_string_equal(t.calls[0], "before");
        assert_string_equal(t.calls[1], "/a");
        assert_string_equal(t.calls[2], "/b");
        assert_string_equal(t.calls[3], "app.service");
        assert_string_equal(t.calls[4], "after");
        assert_int_equal(count("."), 4);
        /* What could not be told is told by the next run, though nothing is due. */
        t.tell_result = -EIO;
        run();
        assert_true(said("fail app.service"));
        assert_true(has(".a.vakt-tell") && has(".b.vakt-tell"));
        assert_int_equal(t.result.n_rotated, 2);
        t.tell_result = 0;
        t.script_result = -EIO;
        t.def.pre_rotate = mfree(t.def.pre_rotate);
        run();
        assert_true(said("fail PostRotate=") && !said("fail app.service"));
        t.script_result = 0;
        t.def.pre_rotate = strdup("before");
        t.def.skip_empty = true;
        run();
        assert_int_equal(t.result.n_rotated, 0);
        assert_int_equal(strv_length(t.calls), 4);
        assert_false(has(".a.vakt-tell") || has(".b.vakt-tell"));
        run();
        assert_null(t.calls);
}

static void test_scripts(void **state) {
        path("*");
        put("a", "1");
        put("b", "1");
        t.def.pre_rotate = strdup("before");
        t.script_result = -EIO;
        run();
        assert_int_equal(t.result.n_failed, 2);
        assert_int_equal(count("."), 2);
        t.script_result = 0;
        t.def.script_each = true;
        t.def.post_rotate = strdup("after");
        run();
        assert_int_equal(strv_length(t.calls), 8);
        assert_string_equal(t.calls[2], "before");
        assert_string_equal(t.calls[6], "after");
        assert_string_equal(t.calls[7], "/b");
}

/* --- what is refused --- */

static void test_refusals(void **state) {
        path("*");
        put("a", "1");
        put("file", "1");
        assert_int_equal(link(at("file"), at("second")), 0);
        assert_int_equal(mkfifo(at("fifo"), 0600), 0);
        assert_int_equal(symlink("a", at("link")), 0);
        assert_int_equal(mkdir(at("directory"), 0755), 0);
        run();
        assert_true(said("rotate /a:"));
        assert_true(said("refuse /file: It has 2 names") && said("refuse /second: It has 2 names"));
        assert_true(said("skip /fifo: It is a FIFO") && said("skip /link: It is a symbolic link"));
        assert_int_equal(count("."), 7);
        path("link");
        run();
        assert_true(said("refuse /link"));
        t.taken = "/etc/logrotate.d/app";
        run();
        assert_true(said("refuse /a: /etc/logrotate.d/app rotates it, too"));
        assert_int_equal(count("."), 8);
        t.def.take_over = true;
        run();
        assert_true(said("rotate /a:"));
}

/* What a path without a wildcard names is looked for; with one, it may be there or not. */
/* Alice can read root's log, and must not keep it from being rotated; nor bob hers. */
static void test_locks_of_others(void **state) {
        pid_t alice, owner;

        if (geteuid() != 0)
                skip();
        path("*/log");
        make("root", 0, 0755);
        make("alice", ALICE, 0755);
        put("root/log", "1");
        put("alice/log", "1");
        assert_int_equal(chown(at("alice/log"), ALICE, ALICE), 0);
        assert_int_equal(chmod(at("root/log"), 0644), 0);
        assert_int_equal(chmod(at("alice/log"), 0644), 0);
        alice = lock_as(ALICE, "root/log");
        owner = lock_as(ALICE, "alice/log");
        run();
        assert_true(said("rotate /root/log") && said("fail /alice/log: A process has locked it"));
        unlock(alice);
        unlock(owner);
        put("root/log", "2");
        alice = lock_as(0, "root/log");
        owner = lock_as(BOB, "alice/log");
        t.def.mode = ROTATE_COPYTRUNCATE;
        run();
        assert_true(said("fail /root/log: A process has locked it") && said("rotate /alice/log"));
        unlock(alice);
        unlock(owner);
}

static void test_misnamed(void **state) {
        assert_int_equal(mkdir(at("directory"), 0755), 0);
        path("directory");
        path("missing");
        path("gone");
        path("*/missing");
        put("gone.1", "1");
        run();
        assert_true(said("refuse /directory: It is a directory. Write a pattern for the logs in it, such as *.log"));
        assert_true(said("skip /missing: it does not exist") && said("keep /gone: it does not exist"));
        assert_int_equal(strv_length(t.lines), 3);
        assert_int_equal(t.result.n_failed, 1);
        assert_int_equal(t.result.n_logs, 1);
}

static void test_lock(void **state) {
        _cleanup_close_ int fd = -EBADF;

        path("*");
        put("a", "1");
        put("b", "1");
        fd = open(at("a"), O_RDONLY | O_CLOEXEC);
        assert_int_equal(flock(fd, LOCK_SH), 0);
        run();
        assert_true(said("fail /a: A process has locked it") && said("rotate /b"));
        assert_string_equal(get("a"), "1");
        fd = safe_close(fd);
        run();
        assert_true(said("rotate /a"));
}

static void test_exclude(void **state) {
        path("*.log");
        assert_int_equal(strv_extend(&t.def.exclude, "b*"), 0);
        put("a.log", "1");
        put("b.log", "1");
        run();
        assert_true(has("a.log.1") && !has("b.log.1"));
}

/* Long names, and names of any bytes. */
static void test_names(void **state) {
        char name[NAME_MAX + 1];

        path("*");
        memset(name, 'x', NAME_MAX);
        name[NAME_MAX] = '\0';
        put(name, "1");
        put("-rf\n$(x)", "2");
        run();
        assert_true(said(": Its name is too long"));
        assert_string_equal(get("-rf\n$(x).1"), "2");
        assert_string_equal(get(name), "1");
}

/* --- a plan --- */

static void test_plan(void **state) {
        path("*");
        t.def.compress = ROTATE_COMPRESS_GZIP;
        t.def.keep = 2;
        put("a", "1");
        put("a.1", "2");
        put("a.2.gz", "3");
        run_as(/* plan= */ true);
        assert_true(said("rotate /a: each run") && said("compress /a.1") && said("remove /a.2.gz: there are more"));
        assert_int_equal(count("."), 3);
        assert_string_equal(get("a"), "1");
}

/* A log whose only copy would go at once is lost: that is what a plan is read for. */
static void test_plan_of_loss(void **state) {
        path("*");
        put("a", "12345");
        t.def.keep = 0;
        run_as(/* plan= */ true);
        assert_true(said("rotate /a: each run") && said("remove /a: its new copy, too: there are more than Keep=0"));
        assert_int_equal(t.result.n_removed, 1);
        t.def.keep = 7;
        t.def.keep_size = 4;
        put("a.1", "1");
        run_as(/* plan= */ true);
        assert_true(said("remove /a.1: all copies") && said("remove /a: its new copy") && t.result.n_removed == 2);
        t.def.compress = ROTATE_COMPRESS_GZIP; /* it may fit then */
        run_as(/* plan= */ true);
        assert_int_equal(t.result.n_removed, 1);
        t.def.keep_size = SIZE_ENDLESS;
        t.def.keep_usec = USEC_PER_SEC;
        put("b", "1");
        run_as(/* plan= */ true);
        assert_int_equal(t.result.n_removed, 0);
        assert_int_equal(count("."), 3);
}

/* --- other users --- */

static void test_owners(void **state) {
        struct stat st;

        if (geteuid() != 0)
                skip();
        path("*/log");
        make("alice", ALICE, 0755);
        make("drop", 0, 01777);
        put("alice/log", "1");
        put("drop/log", "1");
        assert_int_equal(chown(at("alice/log"), ALICE, ALICE), 0);
        assert_int_equal(chown(at("drop/log"), ALICE, ALICE), 0);
        t.def.compress = ROTATE_COMPRESS_GZIP;
        run();
        assert_string_equal(get("alice/log"), "");
        assert_int_equal(stat(at("alice/log"), &st), 0);
        assert_int_equal(st.st_uid, ALICE);
        assert_int_equal(stat(at("alice/log.1.gz"), &st), 0);
        assert_int_equal(st.st_uid, ALICE);
        assert_true(said("refuse /drop/log: The log or a copy belongs to another user"));
        /* What looks like a leftover of ours may be a trap. */
        assert_int_equal(chown(at("drop/log"), 0, 0), 0);
        put("drop/.log.vakt-new", "alice");
        assert_int_equal(chown(at("drop/.log.vakt-new"), ALICE, ALICE), 0);
        run();
        assert_true(said("refuse /drop/log: The log or a copy belongs to another user"));
        assert_int_equal(unlink(at("drop/.log.vakt-new")), 0);
        run();
        assert_true(said("rotate /drop/log"));
        /* A file of root's in it cannot be given back to root with the rights of alice. */
        put("alice/log", "2");
        assert_int_equal(chown(at("alice/log"), 0, 0), 0);
        run();
        assert_true(said("fail /alice/log:"));
        assert_string_equal(get("alice/log"), "2");
        assert_int_equal(count("alice"), 4);
}

/* What root could do and alice could not. */
static void test_swapped(void **state) {
        if (geteuid() != 0)
                skip();
        make("alice", ALICE, 0755);
        make("secret", 0, 0700);
        put("secret/passwd", "1");
        assert_int_equal(symlink("../secret/passwd", at("alice/log")), 0);
        assert_int_equal(symlink("../secret", at("alice/dir")), 0);
        path("alice/log");
        path("alice/dir/passwd");
        path("alice/*/passwd");
        run();
        assert_true(said("refuse /alice/log: It is a symbolic link"));
        assert_true(said("refuse /alice/dir: "));
        assert_int_equal(count("secret"), 1);
        assert_string_equal(get("secret/passwd"), "1");
}

/* What a user puts in the way of a run must not hold up the logs of others. */
static void test_note_in_the_way(void **state) {
        if (geteuid() != 0)
                skip();
        t.def.post_rotate = strdup("after");
        path("*/log");
        make("alice", ALICE, 0755);
        make("bob", BOB, 0755);
        put("alice/log", "1");
        put("bob/log", "1");
        assert_int_equal(chown(at("alice/log"), ALICE, ALICE), 0);
        assert_int_equal(chown(at("bob/log"), BOB, BOB), 0);
        assert_int_equal(mkfifo(at("alice/.log.vakt-tell"), 0666), 0);
        assert_int_equal(chown(at("alice/.log.vakt-tell"), ALICE, ALICE), 0);
        (void)alarm(60); /* a run that waits for a reader is ended */
        run();
        (void)alarm(0);
        assert_string_equal(get("bob/log.1"), "1");
        assert_string_equal(get("alice/log.1"), "1");
        assert_false(has("alice/.log.vakt-tell"));
}

static void put_holes(const char *name, const char *begin, off_t size, uid_t uid) {
        put(name, begin);
        assert_int_equal(truncate(at(name), size), 0);
        assert_int_equal(chown(at(name), uid, uid), 0);
}

/* To read a hole takes as long as to read data, but costs nobody any room. */
static void test_endless_holes(void **state) {
        const off_t huge = (off_t)15 << 40;

        if (geteuid() != 0)
                skip();
        path("*/log");
        make("alice", ALICE, 0755);
        make("bob", BOB, 0755);
        put_holes("alice/log", "1", huge, ALICE);
        put_holes("alice/.log.vakt-cut", "1", huge, ALICE);
        put_holes("alice/log.1", "1", huge, ALICE);
        put_holes("alice/log.1.gz", "1", huge, ALICE);
        put("bob/log", "1");
        assert_int_equal(chown(at("bob/log"), BOB, BOB), 0);
        t.def.compress = ROTATE_COMPRESS_GZIP;
        (void)alarm(60); /* a run that reads it all is ended */
        run();
        assert_string_equal(get("bob/log"), "");
        assert_true(has("bob/log.1.gz"));
        assert_true(said("keep /alice/log.1"));
        (void)alarm(0);
        assert_false(has("alice/.log.vakt-cut"));
}

/* Where others can create copies, they decide which ones are too many. */
static void test_foreign_copies(void **state) {
        if (geteuid() != 0)
                skip();
        path("log");
        t.def.suffix = ROTATE_SUFFIX_DATE;
        t.def.keep = 2;
        t.def.old_dir = strdup("old");
        make("old", 0, 01777);
        put("log", "1");
        put("old/log-20200101", "of root");
        put("old/log-20991231", "of alice");
        put("old/log-20991231.1", "of alice");
        assert_int_equal(chown(at("old/log-20991231"), ALICE, ALICE), 0);
        assert_int_equal(chown(at("old/log-20991231.1"), ALICE, ALICE), 0);
        run();
        assert_true(said("refuse /log: The log or a copy belongs to another user"));
        assert_true(has("old/log-20200101"));
        assert_string_equal(get("log"), "1");
}

/* The same in the sticky directory of an ordinary user. */
static void test_foreign_copies_of_user(void **state) {
        if (geteuid() != 0)
                skip();
        path("alice/log");
        t.def.suffix = ROTATE_SUFFIX_DATE;
        t.def.keep = 1;
        make("alice", ALICE, 01777);
        put("alice/log", "1");
        put("alice/log-20200101", "of alice");
        put("alice/log-20991231", "of bob");
        assert_int_equal(chown(at("alice/log"), ALICE, ALICE), 0);
        assert_int_equal(chown(at("alice/log-20200101"), ALICE, ALICE), 0);
        assert_int_equal(chown(at("alice/log-20991231"), BOB, BOB), 0);
        run();
        assert_true(said("refuse /alice/log: The log or a copy belongs to another user"));
        assert_true(has("alice/log-20200101"));
}

/* Who fills his directory harms himself only. */
static void test_too_many_logs(void **state) {
        char name[64];

        if (geteuid() != 0)
                skip();
        path("*/*.log");
        make("alice", ALICE, 0755);
        make("bob", BOB, 0755);
        for (unsigned i = 0; i < LOGS_OF_USER_MAX + 2; i++) {
                (void)snprintf(name, sizeof(name), "alice/%u.log", i);
                assert_int_equal(mknod(at(name), S_IFREG | 0644, 0), 0);
        }
        put("bob/a.log", "1");
        assert_int_equal(chown(at("bob/a.log"), BOB, BOB), 0);
        run();
        assert_string_equal(get("bob/a.log.1"), "1");
        assert_int_equal(t.result.n_rotated, 1);
        assert_true(said("refuse /alice: It has more logs, copies or other entries"));
}

/* Nor do they fill our file system with what we remember of their logs. */
static void test_too_many_records(void **state) {
        char name[64];

        if (geteuid() != 0)
                skip();
        path("*/log");
        make("alice", ALICE, 0755);
        make("root", 0, 0755);
        make("state", 0, 0700);
        put("alice/log", "1");
        put("root/log", "1");
        assert_int_equal(chown(at("alice/log"), ALICE, ALICE), 0);
        for (unsigned i = 0; i < RECORDS_OF_USERS_MAX; i++) {
                (void)snprintf(name, sizeof(name), "state/log-%u", i);
                assert_int_equal(mknod(at(name), S_IFREG | 0600, 0), 0);
        }
        t.state_fd = open(at("state"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        run();
        assert_int_equal(t.result.n_rotated, 2);
        /* That of root's log, and "pruned". No locks are left. */
        assert_int_equal(count("state"), RECORDS_OF_USERS_MAX + 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_numbers),
                TEST(test_gap),
                TEST(test_dates),
                TEST(test_own_output),
                TEST(test_old_dir),
                TEST(test_sizes),
                TEST(test_age),
                TEST(test_age_without_records),
                TEST(test_old_records),
                TEST(test_keep),
                TEST(test_create),
                TEST(test_attributes),
                TEST(test_compression),
                TEST(test_writer),
                TEST(test_copytruncate),
                TEST(test_copy_is_on_disk),
                TEST(test_holes),
                TEST(test_telling),
                TEST(test_scripts),
                TEST(test_refusals),
                TEST(test_lock),
                TEST(test_locks_of_others),
                TEST(test_exclude),
                TEST(test_names),
                TEST(test_plan),
                TEST(test_owners),
                TEST(test_swapped),
                TEST(test_note_in_the_way),
                TEST(test_foreign_copies),
                TEST(test_foreign_copies_of_user),
                TEST(test_too_many_logs),
                TEST(test_too_many_records),
                TEST(test_endless_holes),
                TEST(test_misnamed),
                TEST(test_plan_of_loss),
                TEST(test_killed_before_other_suffix),
                TEST(test_killed_before_old_dir),
                TEST(test_half_rotated_elsewhere),
                TEST(test_cut_before_old_dir),
                TEST(test_packed_before_another_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

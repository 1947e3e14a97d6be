/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What vakt-probe says of real files, file systems, certificates and programs; and what becomes of questions that are
 * not answered: by a file system that hangs, by a process that is killed, or by one that is not vakt-probe at all and
 * answers as it likes. That one is this program under that name. Time passes only when a test says so.
 *
 * Mounts need root, and are left out without. */

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "fake-clock.h"
#include "probe/kind.h"
#include "probe/outside-protocol.h"
#include "probe/outside.h"
#include "util/log.h"

#define ALICE 54321

typedef struct Asker {
        Question question;
        Inquiry *inquiry;
        unsigned n_answers;
        Reading reading;
        char reason[2048];
} Asker;

static char top[64];
static const char *program_dir;
static sd_event *event;
static Outside *outside;
static bool has_mounts;
static unsigned n_open; /* askers */

/* --- tools --- */

static const char *at(const char *name) {
        static char paths[16][256];
        static unsigned n;
        char *p = paths[n++ % ELEMENTSOF(paths)];

        (void)snprintf(p, sizeof(paths[0]), "%s/%s", top, name);
        return p;
}

static void make_file(const char *name, size_t size) {
        int fd = open(at(name), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, (off_t)size), 0);
        assert_int_equal(close(fd), 0);
}

_printf_(1, 2) static void run(const char *format, ...) {
        char command[1024];
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(command, sizeof(command), format, ap);
        va_end(ap);
        assert_int_equal(system(command), 0);
}

static void turn(void) {
        if (fake_clock_run(event) == 0 && sd_event_run(event, 10 * USEC_PER_SEC) == 0)
                fail_msg("nothing happens");
}

#define UNTIL(condition)                                    \
        do {                                                \
                for (unsigned _i = 0; !(condition); _i++) { \
                        assert_true(_i < 100000);           \
                        turn();                             \
                }                                           \
        } while (false)

static void turns_without_waiting(void) {
        while (fake_clock_run(event) > 0)
                ;
}

static unsigned count_stuck(void) {
        unsigned n;

        (void)outside_count(outside, &n);
        return n;
}

static unsigned count_workers(void) {
        unsigned n;

        return outside_count(outside, &n);
}

static void on_answered(void *userdata, const Reading *r) {
        Asker *a = userdata;

        a->n_answers++;
        a->reading = *r;
        (void)snprintf(a->reason, sizeof(a->reason), "%s", strempty(r->reason));
        a->reading.reason = a->reason;
}

static void asker_open(Asker *a, ConditionKind kind, const char *subject, const char *aspect) {
        *a = (Asker){ .question = { .kind = kind, .subject = (char *)subject, .aspect = (char *)aspect } };
        assert_int_equal(inquiry_new(&a->inquiry, outside, &a->question, on_answered, a), 0);
        n_open++;
}

static void asker_close(Asker *a) {
        n_open -= a->inquiry != NULL;
        a->inquiry = inquiry_free(a->inquiry);
}

/* The answer, now or from the loop. */
static const Reading *ask(Asker *a) {
        unsigned n = a->n_answers;
        Reading r;

        if (inquiry_ask(a->inquiry, &r) == INQUIRY_REFUSED)
                on_answered(a, &r);
        UNTIL(a->n_answers > n);
        return &a->reading;
}

static Reading ask_once(ConditionKind kind, const char *subject, char *reason) {
        Reading r;
        Asker a;

        asker_open(&a, kind, subject, NULL);
        r = *ask(&a);
        if (reason)
                (void)strcpy(reason, a.reason);
        r.reason = NULL;
        asker_close(&a);
        return r;
}

static void says(ConditionKind kind, const char *subject, int64_t value) {
        char reason[2048];
        Reading r = ask_once(kind, subject, reason);

        if (!r.is_known)
                fail_msg("%s: %s", subject, reason);
        assert_int_equal(r.value, value);
}

static void says_unknown(ConditionKind kind, const char *subject, const char *words) {
        char reason[2048];

        assert_false(ask_once(kind, subject, reason).is_known);
        if (!strstr(reason, words))
                fail_msg("\"%s\" is not in \"%s\"", words, reason);
}

static void open_pool(const char *directory) {
        const OutsideOptions options = { .program_dir = directory };

        assert_int_equal(outside_new(&outside, event, &options), 0);
}

static int set_up(void **state) {
        fake_clock = (FakeClock){ .realtime = 1800000000 * USEC_PER_SEC,
                                  .boottime = USEC_PER_DAY,
                                  .monotonic = USEC_PER_DAY };
        log_open(LOG_TARGET_NULL);
        (void)snprintf(top, sizeof(top), "/tmp/test-outside-XXXXXX");
        if (!mkdtemp(top) || chmod(top, 0755) < 0)
                return -1;
        assert_int_equal(sd_event_new(&event), 0);
        open_pool(program_dir);
        return 0;
}

static int tear_down(void **state) {
        if (n_open == 0) { /* else the test has failed, and is to be heard */
                outside = outside_free(outside);
                event = sd_event_unref(event);
        }
        n_open = 0;
        run("rm -rf --one-file-system %s", top);
        return 0;
}

/* --- file systems --- */

static void mount_tmpfs(const char *name, const char *options) {
        assert_int_equal(mkdir(at(name), 0755), 0);
        assert_int_equal(mount("tmpfs", at(name), "tmpfs", 0, options), 0);
}

static void fill(const char *name, size_t n) {
        int fd = open(at(name), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(posix_fallocate(fd, 0, (off_t)n), 0);
        assert_int_equal(close(fd), 0);
}

static void test_disk_free(void **state) {
        Reading r;

        if (!has_mounts)
                skip();
        mount_tmpfs("disk", "size=1m,nr_inodes=10");
        r = ask_once(CONDITION_DISK_FREE, at("disk"), NULL);
        assert_true(r.is_known && r.value == 1048576 && r.whole == 1048576);
        fill("disk/a", 1048576);
        r = ask_once(CONDITION_DISK_FREE, at("disk/a"), NULL);
        assert_true(r.is_known && r.value == 0 && r.whole == 1048576);
        r = ask_once(CONDITION_INODE_FREE, at("disk"), NULL);
        assert_true(r.is_known && r.value == 8 && r.whole == 10);
        for (int i = 0; i < 8; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "disk/%d", i);
                make_file(name, 0);
        }
        r = ask_once(CONDITION_INODE_FREE, at("disk"), NULL);
        assert_true(r.is_known && r.value == 0 && r.whole == 10);
        assert_int_equal(umount(at("disk")), 0);
        /* The directory below it is on another file system. */
        r = ask_once(CONDITION_DISK_FREE, at("disk"), NULL);
        assert_true(r.is_known && r.whole != 1048576);
        says_unknown(CONDITION_DISK_FREE, "/proc", "does not have a size");
        says_unknown(CONDITION_INODE_FREE, "/proc", "no fixed number of inodes");
}

static void test_free_is_what_users_may_have(void **state) {
        Reading r = ask_once(CONDITION_DISK_FREE, "/", NULL);
        struct statvfs s;

        assert_int_equal(statvfs("/", &s), 0);
        assert_true(r.is_known);
        assert_int_equal(r.whole, s.f_blocks * s.f_frsize);
        assert_true(r.value <= r.whole);
        /* Others are writing to it meanwhile. */
        assert_true(llabs(r.value - (int64_t)(s.f_bavail * s.f_frsize)) < 1 << 30);
}

/* --- files --- */

static void test_file(void **state) {
        struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
        usec_t now = fake_clock.realtime;

        says_unknown(CONDITION_FILE_SIZE, at("none"), "does not exist");
        says_unknown(CONDITION_FILE_AGE, at("none"), "does not exist");
        says(CONDITION_FILE_EXISTS, at("none"), 0);
        make_file("f", 12345);
        says(CONDITION_FILE_SIZE, at("f"), 12345);
        says(CONDITION_FILE_EXISTS, at("f"), 1);
        says(CONDITION_FILE_EXISTS, at("f/below"), 0);
        says(CONDITION_FILE_EXISTS, top, 1);
        says_unknown(CONDITION_FILE_SIZE, top, "not a regular file");
        says_unknown(CONDITION_FILE_SIZE, "relative", "Invalid argument");

        times[1].tv_sec = (time_t)(now / USEC_PER_SEC) - 90;
        assert_int_equal(utimensat(AT_FDCWD, at("f"), times, 0), 0);
        says(CONDITION_FILE_AGE, at("f"), 90 * (int64_t)USEC_PER_SEC);
        fake_clock_step(10 * (int64_t)USEC_PER_SEC);
        says(CONDITION_FILE_AGE, at("f"), 100 * (int64_t)USEC_PER_SEC);
        /* A server's clock may be ahead a little. */
        times[1].tv_sec = (time_t)(now / USEC_PER_SEC) + 60;
        assert_int_equal(utimensat(AT_FDCWD, at("f"), times, 0), 0);
        says(CONDITION_FILE_AGE, at("f"), 0);
        times[1].tv_sec = (time_t)(now / USEC_PER_SEC) + 3600;
        assert_int_equal(utimensat(AT_FDCWD, at("f"), times, 0), 0);
        says_unknown(CONDITION_FILE_AGE, at("f"), "in the future");
}

static void test_no_device_is_opened(void **state) {
        assert_int_equal(mkfifo(at("fifo"), 0600), 0);
        says(CONDITION_FILE_EXISTS, at("fifo"), 1);
        says_unknown(CONDITION_CERT_DAYS, at("fifo"), "not a regular file");
        says_unknown(CONDITION_FILE_SIZE, at("fifo"), "not a regular file");
        says_unknown(CONDITION_ENTRIES, at("fifo"), "Not a directory");
}

static void test_links(void **state) {
        make_file("target", 7);
        assert_int_equal(symlink("target", at("link")), 0);
        says(CONDITION_FILE_SIZE, at("link"), 7);
        assert_int_equal(symlink("loop", at("loop")), 0);
        says_unknown(CONDITION_FILE_EXISTS, at("loop"), "symbolic links");
        assert_int_equal(symlink("nowhere", at("dangling")), 0);
        says(CONDITION_FILE_EXISTS, at("dangling"), 0);
        assert_int_equal(symlink("..", at("up")), 0);
        says(CONDITION_FILE_EXISTS, at("up/../tmp/."), 1);
        /* What others can write they can replace. */
        assert_int_equal(mkdir(at("shared"), 0700), 0);
        assert_int_equal(symlink(at("target"), at("shared/link")), 0);
        says(CONDITION_FILE_SIZE, at("shared/link"), 7);
        assert_int_equal(chmod(at("shared"), 01777), 0);
        says_unknown(CONDITION_FILE_SIZE, at("shared/link"), "that other users can change");
        says_unknown(CONDITION_FILE_EXISTS, at("shared/link"), "that other users can change");
        if (geteuid() != 0)
                return;
        assert_int_equal(lchown(at("link"), ALICE, ALICE), 0);
        says_unknown(CONDITION_FILE_SIZE, at("link"), "that other users can change");
}

static void test_entries(void **state) {
        assert_int_equal(mkdir(at("d"), 0755), 0);
        says(CONDITION_ENTRIES, at("d"), 0);
        make_file("d/.hidden", 0);
        make_file("d/b", 0);
        assert_int_equal(mkdir(at("d/c"), 0755), 0);
        says(CONDITION_ENTRIES, at("d"), 3);
        says_unknown(CONDITION_ENTRIES, at("none"), "does not exist");
}

/* --- temperatures --- */

static void put(const char *path, const char *text) {
        run("mkdir -p $(dirname %s) && echo '%s' >%s", path, text, path);
}

static void test_temperature(void **state) {
        if (!has_mounts)
                skip();
        assert_int_equal(mount("tmpfs", "/sys/class", "tmpfs", 0, "size=1m"), 0);
        says_unknown(CONDITION_TEMPERATURE, "0", "The machine has no thermal zone and no sensor called 0.");
        put("/sys/class/thermal/thermal_zone0/type", "acpitz");
        put("/sys/class/thermal/thermal_zone0/temp", "27800");
        put("/sys/class/thermal/thermal_zone1/type", "x86_pkg_temp");
        put("/sys/class/thermal/thermal_zone1/temp", "61000");
        put("/sys/class/thermal/thermal_zone2/type", "x86_pkg_temp");
        put("/sys/class/thermal/thermal_zone2/temp", "-5000");
        put("/sys/class/thermal/thermal_zone3/type", "sleeps");
        put("/sys/class/thermal/thermal_zone3/temp/below", "1");
        put("/sys/class/thermal/cooling_device0/type", "Processor");
        put("/sys/class/hwmon/hwmon3/temp2_label", "Tctl");
        put("/sys/class/hwmon/hwmon3/temp2_input", "55125");
        put("/sys/class/hwmon/hwmon4/temp1_label", "Tdie");
        put("/sys/class/hwmon/hwmon4/temp2_label", "Odd");
        put("/sys/class/hwmon/hwmon4/temp2_input", "cold");
        says(CONDITION_TEMPERATURE, "0", 27800);
        says(CONDITION_TEMPERATURE, "thermal_zone2", -5000);
        says(CONDITION_TEMPERATURE, "acpitz", 27800);
        says(CONDITION_TEMPERATURE, "x86_pkg_temp", 61000); /* the hotter one */
        says(CONDITION_TEMPERATURE, "Tctl", 55125);
        says_unknown(CONDITION_TEMPERATURE, "Tdie",
                     "The temperature of Tdie cannot be read: No such file or directory.");
        says_unknown(CONDITION_TEMPERATURE, "sleeps", "The temperature of sleeps cannot be read: Is a directory.");
        says_unknown(CONDITION_TEMPERATURE, "Odd", "The temperature of Odd cannot be read: Bad message.");
        says_unknown(CONDITION_TEMPERATURE, "Processor",
                     "The machine has no thermal zone and no sensor called Processor.");
        assert_int_equal(umount("/sys/class"), 0);
}

/* --- certificates --- */

static void make_cert(const char *name, int days) {
        run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=test -days %d "
            "-keyout %s.key -out %s 2>/dev/null",
            days, at(name), at(name));
}

static void test_certificates(void **state) {
        struct timespec now;

        assert_int_equal(timespec_get(&now, TIME_UTC), TIME_UTC);
        fake_clock.realtime = (usec_t)now.tv_sec * USEC_PER_SEC - USEC_PER_HOUR;
        make_cert("ten", 10);
        make_cert("three", 3);
        says(CONDITION_CERT_DAYS, at("ten"), 10);
        run("cat %s %s.key %s >%s", at("ten"), at("ten"), at("three"), at("chain"));
        says(CONDITION_CERT_DAYS, at("chain"), 3);
        fake_clock_step(3 * (int64_t)USEC_PER_DAY);
        says(CONDITION_CERT_DAYS, at("chain"), 0);
        fake_clock_step(2 * (int64_t)USEC_PER_HOUR);
        says(CONDITION_CERT_DAYS, at("chain"), -1);
        fake_clock_step(30 * (int64_t)USEC_PER_DAY);
        says(CONDITION_CERT_DAYS, at("chain"), -31);
        says(CONDITION_CERT_DAYS, at("ten"), -24);
}

static void test_no_certificates(void **state) {
        make_cert("good", 10);
        make_file("empty", 0);
        says_unknown(CONDITION_CERT_DAYS, at("empty"), "contains no certificate");
        says_unknown(CONDITION_CERT_DAYS, at("good.key"), "contains no certificate");
        says_unknown(CONDITION_CERT_DAYS, at("none"), "does not exist");
        says_unknown(CONDITION_CERT_DAYS, top, "not a regular file");
        make_file("large", 1048577);
        says_unknown(CONDITION_CERT_DAYS, at("large"), "too large");
        run("sed '3s/./!/' %s >%s", at("good"), at("bad"));
        says_unknown(CONDITION_CERT_DAYS, at("bad"), "is damaged");
        run("cat %s %s >%s", at("good"), at("bad"), at("half"));
        says_unknown(CONDITION_CERT_DAYS, at("half"), "is damaged");
        run("head -c 300 %s >%s", at("good"), at("cut"));
        says_unknown(CONDITION_CERT_DAYS, at("cut"), "is damaged");
        /* Nobody is asked for a password. */
        run("sed '1a Proc-Type: 4,ENCRYPTED\\nDEK-Info: AES-256-CBC,0123456789ABCDEF0123456789ABCDEF\\n' %s >%s",
            at("good"), at("secret"));
        says_unknown(CONDITION_CERT_DAYS, at("secret"), "is damaged");
}

/* --- programs --- */

static void test_programs(void **state) {
        char line[512];

        says(CONDITION_EXEC, "true", 1);
        says(CONDITION_EXEC, "/bin/false", 0);
        says(CONDITION_EXEC, "test  'a b' = \"a b\"", 1);
        says_unknown(CONDITION_EXEC, "/no/such/program", "Cannot execute /no/such/program: No such file");
        says_unknown(CONDITION_EXEC, "  ", "is not a program");
        says_unknown(CONDITION_EXEC, "true \\", "is not a program");
        run("printf '#!/bin/sh\\nexit 127' >%s; printf '#!/bin/sh\\nkill -9 $$' >%s; chmod 755 %s %s", at("lost"),
            at("dead"), at("lost"), at("dead"));
        says_unknown(CONDITION_EXEC, at("lost"), "could not execute");
        says_unknown(CONDITION_EXEC, at("dead"), "was ended by signal 9");
        /* As nobody, with nothing; and what it leaves behind is ended. */
        run("printf '#!/bin/sh\\ntest \"$(id -u)\" = \"$1\" && test -z \"$HOME$NOTIFY_SOCKET\"' >%s; chmod 755 %s",
            at("who"), at("who"));
        (void)snprintf(line, sizeof(line), "%s %u", at("who"), geteuid() == 0 ? 65534U : geteuid());
        if (geteuid() == 0)
                says(CONDITION_EXEC, line, 1);
        run("printf '#!/bin/sh\\nsetsid sh -c \"sleep 54321; :\" & exit 0' >%s; chmod 755 %s", at("fork"), at("fork"));
        says(CONDITION_EXEC, at("fork"), 1);
        assert_int_not_equal(system("pgrep -f '[s]leep 54321' >/dev/null"), 0);
}

/* What the daemon does with its signals is not for programs; here, SIGUSR1. */
static void test_program_has_its_signals(void **state) {
        void (*before)(int) = signal(SIGUSR1, SIG_IGN);

        run("printf '#!/bin/sh\\n! grep -qE \"^SigIgn:.*[2367abef]..$\" /proc/self/status' >%s; chmod 755 %s",
            at("signals"), at("signals"));
        says(CONDITION_EXEC, at("signals"), 1);
        (void)signal(SIGUSR1, before);
}

/* The program and all that it started are ended, and the next one finds its place. */
static void test_program_that_does_not_end(void **state) {
        Asker a;

        asker_open(&a, CONDITION_EXEC, "sleep 98765", NULL);
        {
                Reading r;

                assert_int_equal(inquiry_ask(a.inquiry, &r), INQUIRY_ASKED);
        }
        while (system("pgrep -f '[s]leep 98765' >/dev/null") != 0) {
                turns_without_waiting();
                if (a.n_answers > 0)
                        fail_msg("%s", a.reason);
        }
        turns_without_waiting();
        assert_int_equal(a.n_answers, 0);
        fake_clock_advance(OUTSIDE_LIMIT_USEC);
        UNTIL(a.n_answers == 1);
        assert_false(a.reading.is_known);
        assert_string_equal(a.reason, "sleep 98765 does not end within 5s.");
        UNTIL(count_workers() == 0);
        assert_int_not_equal(system("pgrep -f '[s]leep 98765' >/dev/null"), 0);
        asker_close(&a);
}

static void test_journal(void **state) {
        Question q = { .kind = CONDITION_JOURNAL_MATCHES,
                       .subject = (char *)"nonsense",
                       .aspect = (char *)"1 fortnight" };
        Inquiry *i;
        Asker a;

        assert_int_equal(inquiry_new(&i, outside, &q, on_answered, NULL), -EINVAL);
        asker_open(&a, CONDITION_JOURNAL_MATCHES, "nonsense", "1h");
        assert_false(ask(&a)->is_known);
        asker_close(&a);
        asker_open(&a, CONDITION_JOURNAL_MATCHES, "_SYSTEMD_UNIT=no-such.service + MESSAGE=none", "1h");
        if (ask(&a)->is_known) /* there may be no journal */
                assert_int_equal(a.reading.value, 0);
        asker_close(&a);
}

/* --- a file system that hangs --- */

typedef struct Hang {
        int fd; /* of what should answer */
        uint64_t last;
} Hang;

static void hang_read(Hang *h, uint32_t opcode) {
        static char buf[FUSE_MIN_READ_BUFFER + 1048576];
        const struct fuse_in_header *in = (const struct fuse_in_header *)(void *)buf;

        do {
                struct pollfd p = { .fd = h->fd, .events = POLLIN };

                assert_int_equal(poll(&p, 1, 5000), 1);
                assert_true(read(h->fd, buf, sizeof(buf)) >= (ssize_t)sizeof(*in));
        } while (in->opcode != opcode);
        h->last = in->unique;
}

static void hang_open(Hang *h, const char *name) {
        struct {
                struct fuse_out_header out;
                struct fuse_init_out init;
        } answer = { .init = { .major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096 } };
        char options[128];

        h->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        assert_true(h->fd >= 0);
        (void)snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", h->fd);
        assert_int_equal(mkdir(at(name), 0755), 0);
        assert_int_equal(mount("hang", at(name), "fuse", 0, options), 0);
        hang_read(h, FUSE_INIT);
        answer.out = (struct fuse_out_header){ .len = sizeof(answer), .unique = h->last };
        assert_int_equal(write(h->fd, &answer, sizeof(answer)), sizeof(answer));
}

static void hang_close(Hang *h, const char *name) {
        h->fd = safe_close(h->fd);
        assert_int_equal(umount2(at(name), MNT_DETACH), 0);
}

/* Nobody has heard of the question yet: the process can be killed. */
static void test_silence(void **state) {
        Asker a, other;
        Reading r;
        Hang h;

        if (!has_mounts)
                skip();
        hang_open(&h, "mnt");
        make_file("f", 3);
        asker_open(&a, CONDITION_FILE_EXISTS, at("mnt/a"), NULL);
        asker_open(&other, CONDITION_FILE_SIZE, at("f"), NULL);
        assert_int_equal(inquiry_ask(a.inquiry, &r), INQUIRY_ASKED);
        turns_without_waiting();
        for (int i = 0; i < 10; i++) {
                fake_clock_advance(OUTSIDE_LIMIT_USEC / 10 - 1);
                assert_true(ask(&other)->is_known); /* meanwhile */
        }
        assert_int_equal(a.n_answers, 0);
        assert_int_equal(count_workers(), 2);
        fake_clock_advance(USEC_PER_SEC);
        UNTIL(a.n_answers == 1);
        assert_false(a.reading.is_known);
        assert_non_null(strstr(a.reason, "/mnt/a does not answer for "));
        UNTIL(count_workers() == 1);

        /* Not again at once, but it is told for how long. */
        fake_clock_advance(OUTSIDE_DELAY_MIN - 1 - USEC_PER_SEC / 4);
        assert_int_equal(inquiry_ask(a.inquiry, &r), INQUIRY_REFUSED);
        assert_non_null(strstr(r.reason, "/mnt/a does not answer for 15s."));
        fake_clock_advance(USEC_PER_SEC / 4 + 1);
        assert_int_equal(inquiry_ask(a.inquiry, &r), INQUIRY_ASKED);
        turns_without_waiting();
        fake_clock_advance(OUTSIDE_LIMIT_USEC);
        UNTIL(a.n_answers == 2);
        /* The delay has grown. */
        fake_clock_advance(OUTSIDE_DELAY_MIN);
        assert_int_equal(inquiry_ask(a.inquiry, &r), INQUIRY_REFUSED);
        fake_clock_advance(OUTSIDE_DELAY_MIN);

        /* It is there again. */
        UNTIL(count_stuck() == 0);
        hang_close(&h, "mnt");
        make_file("mnt/a", 0);
        assert_true(ask(&a)->is_known);
        assert_int_equal(a.reading.value, 1);
        asker_close(&a);
        asker_close(&other);
}

/* Somebody has taken the question and does not answer: not even SIGKILL ends the process. */
static void test_stuck(void **state) {
        Asker askers[OUTSIDE_STUCK_MAX + 1], good;
        Reading r;
        Hang h;

        if (!has_mounts)
                skip();
        hang_open(&h, "mnt");
        make_file("f", 3);
        asker_open(&good, CONDITION_FILE_SIZE, at("f"), NULL);
        assert_true(ask(&good)->is_known);
        for (unsigned i = 0; i <= OUTSIDE_STUCK_MAX; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "mnt/%u", i);
                asker_open(&askers[i], CONDITION_FILE_EXISTS, strdup(at(name)), NULL);
        }
        for (unsigned i = 0; i < OUTSIDE_STUCK_MAX; i++) {
                assert_int_equal(inquiry_ask(askers[i].inquiry, &r), INQUIRY_ASKED);
                turns_without_waiting();
                hang_read(&h, FUSE_GETATTR);
                fake_clock_advance(OUTSIDE_LIMIT_USEC);
                UNTIL(askers[i].n_answers == 1);
        }
        turns_without_waiting();
        assert_int_equal(count_stuck(), OUTSIDE_STUCK_MAX);
        fake_clock_advance(OUTSIDE_DELAY_MAX);
        /* Not for a question whose process is there, nor for new ones; but those that have an answer get it. */
        assert_int_equal(inquiry_ask(askers[0].inquiry, &r), INQUIRY_REFUSED);
        assert_non_null(strstr(r.reason, "/mnt/0 does not answer for 5min"));
        assert_int_equal(inquiry_ask(askers[OUTSIDE_STUCK_MAX].inquiry, &r), INQUIRY_REFUSED);
        assert_non_null(strstr(r.reason, "/mnt/8 is not asked: 8 other questions hang."));
        assert_true(ask(&good)->is_known);

        /* One that nobody waits for any more stays counted until it ends. */
        asker_close(&askers[1]);
        assert_int_equal(count_stuck(), OUTSIDE_STUCK_MAX);
        hang_close(&h, "mnt");
        UNTIL(count_stuck() == 0);
        assert_false(ask(&askers[0])->value);
        assert_true(askers[0].reading.is_known);
        assert_true(ask(&askers[OUTSIDE_STUCK_MAX])->is_known);
        for (unsigned i = 0; i <= OUTSIDE_STUCK_MAX; i++) {
                asker_close(&askers[i]);
                free(askers[i].question.subject);
        }
        asker_close(&good);
}

/* There is no process left: what waits for one becomes unknown, and what had an answer, too. */
static void test_all_are_stuck(void **state) {
        enum { ALL = OUTSIDE_BUSY_MAX + OUTSIDE_STUCK_MAX, N = ALL + 3 };
        Asker askers[N], good;
        Reading r;
        Hang h;

        if (!has_mounts)
                skip();
        hang_open(&h, "mnt");
        make_file("f", 3);
        asker_open(&good, CONDITION_FILE_SIZE, strdup(at("f")), NULL);
        assert_true(ask(&good)->is_known);
        for (unsigned i = 0; i < N; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "mnt/%u", i);
                asker_open(&askers[i], CONDITION_ENTRIES, strdup(at(name)), NULL);
                assert_int_equal(inquiry_ask(askers[i].inquiry, &r), INQUIRY_ASKED);
        }
        for (unsigned i = 0; i < ALL; i += OUTSIDE_BUSY_MAX) {
                turns_without_waiting();
                for (unsigned k = 0; k < OUTSIDE_BUSY_MAX; k++)
                        hang_read(&h, FUSE_GETATTR);
                fake_clock_advance(OUTSIDE_LIMIT_USEC);
                for (unsigned k = i; k < i + OUTSIDE_BUSY_MAX; k++)
                        UNTIL(askers[k].n_answers == 1);
        }
        for (unsigned i = ALL; i < N; i++) {
                UNTIL(askers[i].n_answers == 1);
                assert_false(askers[i].reading.is_known);
                assert_non_null(strstr(askers[i].reason, " is not asked: 16 other questions hang."));
        }
        assert_int_equal(inquiry_ask(good.inquiry, &r), INQUIRY_REFUSED);
        assert_non_null(strstr(r.reason, "/f is not asked: 16 other questions hang."));
        turns_without_waiting();
        hang_close(&h, "mnt");
        UNTIL(count_stuck() == 0);
        assert_true(ask(&good)->is_known);
        (void)ask(&askers[N - 1]);
        assert_non_null(strstr(askers[N - 1].reason, "does not exist"));
        for (unsigned i = 0; i < N; i++) {
                asker_close(&askers[i]);
                free(askers[i].question.subject);
        }
        asker_close(&good);
        free(good.question.subject);
}

/* What was not answered last time has two processes; the others do not wait for it. */
static void test_silent_ones_wait_for_each_other(void **state) {
        enum { N = 6 };
        Asker askers[N], good;
        Reading r;
        Hang h;

        if (!has_mounts)
                skip();
        hang_open(&h, "mnt");
        make_file("f", 3);
        asker_open(&good, CONDITION_FILE_SIZE, at("f"), NULL);
        for (unsigned i = 0; i < N; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "mnt/%u", i);
                asker_open(&askers[i], CONDITION_ENTRIES, strdup(at(name)), NULL);
                assert_int_equal(inquiry_ask(askers[i].inquiry, &r), INQUIRY_ASKED);
        }
        turns_without_waiting();
        fake_clock_advance(OUTSIDE_LIMIT_USEC);
        for (unsigned i = 0; i < N; i++)
                UNTIL(askers[i].n_answers == 1);
        UNTIL(count_workers() == 0);
        fake_clock_advance(OUTSIDE_DELAY_MAX);
        for (unsigned i = 0; i < N; i++)
                assert_int_equal(inquiry_ask(askers[i].inquiry, &r), INQUIRY_ASKED);
        turns_without_waiting();
        assert_int_equal(count_workers(), OUTSIDE_SILENT_MAX);
        assert_true(ask(&good)->is_known);
        assert_int_equal(count_workers(), OUTSIDE_SILENT_MAX + 1);
        hang_close(&h, "mnt"); /* all get an answer: it is not connected */
        for (unsigned i = 0; i < N; i++) {
                UNTIL(askers[i].n_answers == 2);
                assert_false(askers[i].n_answers == 2 && strstr(askers[i].reason, "does not answer"));
                asker_close(&askers[i]);
                free(askers[i].question.subject);
        }
        asker_close(&good);
}

/* --- processes --- */

static void test_processes_come_and_go(void **state) {
        enum { N = 30 };
        Asker askers[N];
        Reading r;

        assert_int_equal(count_workers(), 0);
        for (unsigned i = 0; i < N; i++) {
                asker_open(&askers[i], CONDITION_ENTRIES, top, NULL);
                assert_int_equal(inquiry_ask(askers[i].inquiry, &r), INQUIRY_ASKED);
        }
        assert_int_equal(count_workers(), 0); /* nothing happens in the call */
        for (unsigned i = 0; i < N; i++) {
                UNTIL(askers[i].n_answers == 1);
                assert_true(askers[i].reading.is_known);
                assert_true(count_workers() <= OUTSIDE_BUSY_MAX);
        }
        for (int i = 0; i < 5; i++) { /* one of them goes on being used */
                fake_clock_advance(OUTSIDE_IDLE_USEC / 2);
                (void)ask(&askers[0]);
        }
        UNTIL(count_workers() == 1);
        fake_clock_advance(OUTSIDE_IDLE_USEC);
        UNTIL(count_workers() == 0);
        turns_without_waiting();
        assert_int_equal(fake_clock_next(), USEC_INFINITY); /* no wake-up is left */
        for (unsigned i = 0; i < N; i++)
                asker_close(&askers[i]);
}

static void test_no_program(void **state) {
        Asker a;

        outside_free(outside);
        open_pool("/no/such/directory");
        asker_open(&a, CONDITION_FILE_EXISTS, "/", NULL);
        for (int i = 0; i < 3; i++) {
                assert_false(ask(&a)->is_known);
                assert_string_equal(a.reason,
                                    "Cannot execute /no/such/directory/vakt-probe: No such file or directory.");
        }
        assert_int_equal(count_workers(), 0);
        asker_close(&a);
}

/* Asked, under way, and waiting for a process. */
static void test_nobody_waits_any_more(void **state) {
        Asker askers[20];
        Reading r;

        for (unsigned turns = 0; turns < 20; turns++) {
                for (unsigned i = 0; i < ELEMENTSOF(askers); i++) {
                        asker_open(&askers[i], CONDITION_FILE_EXISTS, "/", NULL);
                        assert_int_equal(inquiry_ask(askers[i].inquiry, &r), INQUIRY_ASKED);
                }
                for (unsigned i = 0; i < turns; i++)
                        (void)fake_clock_run(event);
                for (unsigned i = 0; i < ELEMENTSOF(askers); i++)
                        asker_close(&askers[i]);
        }
        says(CONDITION_FILE_EXISTS, "/", 1);
}

/* The youngest. */
static pid_t any_worker(void) {
        FILE *f = fopen("/proc/thread-self/children", "re");
        int pid = 0;

        assert_non_null(f);
        while (fscanf(f, "%d", &pid) == 1)
                ;
        (void)fclose(f);
        return pid;
}

static void test_killed_at_any_point(void **state) {
        unsigned n_unknown = 0;
        Asker a;

        asker_open(&a, CONDITION_FILE_EXISTS, "/", NULL);
        for (unsigned round = 0; round < 60; round++) {
                unsigned n = a.n_answers;
                Reading r;
                pid_t pid;

                assert_int_equal(inquiry_ask(a.inquiry, &r), INQUIRY_ASKED);
                for (unsigned i = 0; i < round % 4; i++)
                        (void)fake_clock_run(event);
                pid = any_worker();
                if (pid > 0)
                        assert_int_equal(kill(pid, SIGKILL), 0);
                UNTIL(a.n_answers > n);
                assert_int_equal(a.n_answers, n + 1);
                n_unknown += !a.reading.is_known;
                if (!a.reading.is_known && !strstr(a.reason, "has ended (signal 9)"))
                        assert_non_null(strstr(a.reason, "/vakt-probe: "));
        }
        assert_true(n_unknown > 0);
        UNTIL(count_stuck() == 0);
        (void)ask(&a); /* it may be put to the last one, of whose end nobody has heard yet */
        assert_true(ask(&a)->is_known);
        asker_close(&a);
}

/* --- words that are none --- */

static void fake_send(int fd, OutsideAnswers *a, uint32_t n) {
        a->mark = OUTSIDE_MARK;
        a->n_items = n;
        (void)!write(fd, a, outside_answers_size(n));
}

/* Several are answered with how many there are, unless one of them has it otherwise. */
static void fake_answer_all(int fd, const OutsideQuestions *q, OutsideAnswers *a) {
        uint32_t n = q->n_items;

        for (uint32_t i = 0; i < q->n_items; i++) {
                const char *subject = q->texts + q->items[i].at;

                if (streq(subject, "/nothing"))
                        return;
                if (streq(subject, "/exit"))
                        _exit(7);
                n -= streq(subject, "/fewer");
                a->items[i] = (OutsideAnswer){ .is_known = true, .value = q->n_items };
        }
        fake_send(fd, a, n);
}

static void fake_answer(int fd, const OutsideQuestions *q) {
        const char *subject = q->texts + q->items[0].at;
        static OutsideAnswers a;
        size_t size = outside_answers_size(1);
        char bytes[2 * sizeof(a.items[0])];

        if (q->n_items > 1) {
                fake_answer_all(fd, q, &a);
                return;
        }
        a.mark = OUTSIDE_MARK;
        a.n_items = 1;
        a.items[0] = (OutsideAnswer){ .is_known = true, .value = 42 };
        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (char)rand();
        if (streq(subject, "/known") || streq(subject, "/fewer"))
                fake_send(fd, &a, 1);
        else if (streq(subject, "/short"))
                (void)!write(fd, &a, size - 1);
        else if (streq(subject, "/long"))
                (void)!write(fd, &a, size + 1);
        else if (streq(subject, "/more"))
                fake_send(fd, &a, 2);
        else if (streq(subject, "/other-number")) {
                a.n_items = 2;
                (void)!write(fd, &a, size);
        } else if (streq(subject, "/random"))
                (void)!write(fd, bytes, (size_t)rand() % sizeof(bytes));
        else if (streq(subject, "/empty"))
                (void)!send(fd, &a, 0, 0);
        else if (streq(subject, "/twice")) {
                fake_send(fd, &a, 1);
                fake_send(fd, &a, 1);
        } else if (streq(subject, "/reason")) {
                a.items[0].is_known = false;
                memset(a.items[0].reason, '\x1b', sizeof(a.items[0].reason));
                fake_send(fd, &a, 1);
        } else if (streq(subject, "/exit"))
                _exit(7);
        else if (streq(subject, "/close"))
                (void)close(fd);
}

__attribute__((__noreturn__)) static void fake_main(void) {
        OutsideQuestions q;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        srand((unsigned)getpid());
        while (recv(OUTSIDE_SOCKET_FD, &q, sizeof(q), 0) > 0)
                fake_answer(OUTSIDE_SOCKET_FD, &q);
        for (;;)
                (void)pause();
}

static void open_fake(void) {
        outside_free(outside);
        assert_int_equal(symlink("/proc/self/exe", at("vakt-probe")), 0);
        open_pool(top);
}

static void test_answers_that_are_none(void **state) {
        static const char *const bad[] = { "/short", "/long", "/more", "/other-number", "/random", "/exit" };
        Asker a;

        open_fake();
        says(CONDITION_FILE_EXISTS, "/known", 42);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                for (int k = 0; k < 10; k++) {
                        asker_open(&a, CONDITION_FILE_EXISTS, bad[i], NULL);
                        assert_false(ask(&a)->is_known);
                        assert_non_null(strstr(a.reason,
                                               streq(bad[i], "/exit") ? "has ended (exit status 7)" : "as it should"));
                        asker_close(&a);
                        UNTIL(count_stuck() == 0); /* or there may be too many whose end nobody has heard of yet */
                        says(CONDITION_FILE_EXISTS, "/known", 42);
                }
        UNTIL(count_stuck() == 0);
        says_unknown(CONDITION_FILE_EXISTS, "/reason", "\\x1B\\x1B");
        /* An answer that nobody has asked for is not taken for that of the next question. */
        asker_open(&a, CONDITION_FILE_EXISTS, "/twice", NULL);
        assert_int_equal(ask(&a)->value, 42);
        UNTIL(count_stuck() == 1);
        UNTIL(count_workers() == 0);
        asker_close(&a);
}

/* It is alive, and says nothing. */
static void test_silent_program(void **state) {
        static const char *const silent[] = { "/nothing", "/empty", "/close" };

        open_fake();
        for (size_t i = 0; i < ELEMENTSOF(silent); i++) {
                Reading r;
                Asker a;

                asker_open(&a, CONDITION_FILE_EXISTS, silent[i], NULL);
                assert_int_equal(inquiry_ask(a.inquiry, &r), INQUIRY_ASKED);
                (void)fake_clock_run(event);
                assert_int_equal(count_workers(), 1);
                turns_without_waiting();
                fake_clock_advance(OUTSIDE_LIMIT_USEC);
                UNTIL(a.n_answers == 1);
                assert_false(a.reading.is_known);
                UNTIL(count_workers() == 0);
                asker_close(&a);
        }
}

/* What the program itself makes of questions that are none. Returns its wait status. */
static int probe_with(const void *bytes, size_t n) {
        char path[256];
        int fds[2], status;
        pid_t pid;

        (void)snprintf(path, sizeof(path), "%s/vakt-probe", program_dir);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (fds[1] == OUTSIDE_SOCKET_FD)
                        (void)fcntl(fds[1], F_SETFD, 0);
                else
                        (void)dup2(fds[1], OUTSIDE_SOCKET_FD);
                (void)execl(path, "vakt-probe", NULL);
                _exit(99);
        }
        safe_close(fds[1]);
        assert_int_equal(send(fds[0], bytes, n, MSG_NOSIGNAL), n);
        (void)shutdown(fds[0], SHUT_WR);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        safe_close(fds[0]);
        return status;
}

static bool exits_with(int status, int code) {
        return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

static OutsideQuestions a_question(const char *subject) {
        OutsideQuestions q = { .mark = OUTSIDE_MARK, .n_items = 1, .items = { { .kind = CONDITION_FILE_EXISTS } } };

        (void)snprintf(q.texts, sizeof(q.texts), "%s", subject);
        return q;
}

static void test_questions_that_are_none(void **state) {
        OutsideQuestions q = a_question("/"), good = q;
        size_t size = offsetof(OutsideQuestions, texts) + sizeof("/");
        char bytes[sizeof(q) + 64];
        enum { PROTOCOL = 76 };

        assert_true(exits_with(probe_with(&q, size), 0));
        assert_true(exits_with(probe_with(&q, sizeof(q)), 0));
        assert_true(exits_with(probe_with(&q, size - 1), PROTOCOL));
        assert_true(exits_with(probe_with(&q, offsetof(OutsideQuestions, texts)), PROTOCOL));
        assert_true(exits_with(probe_with(&q, 1), PROTOCOL));
        q.items[0].kind = CONDITION_MOUNTED;
        assert_true(exits_with(probe_with(&q, size), PROTOCOL));
        q.items[0].kind = UINT32_MAX;
        assert_true(exits_with(probe_with(&q, size), PROTOCOL));
        q = good;
        q.items[0].at = sizeof("/");
        assert_true(exits_with(probe_with(&q, size), PROTOCOL));
        q = good;
        q.n_items = 0;
        assert_true(exits_with(probe_with(&q, size), PROTOCOL));
        q.n_items = OUTSIDE_BATCH_MAX + 1;
        assert_true(exits_with(probe_with(&q, sizeof(q)), PROTOCOL));
        q = good;
        q.n_items = 2;
        q.items[1] = (OutsideItem){ .kind = CONDITION_EXEC };
        assert_true(exits_with(probe_with(&q, size), PROTOCOL));
        q = good;
        memset(q.texts, '/', sizeof(q.texts));
        assert_true(exits_with(probe_with(&q, sizeof(q)), PROTOCOL));
        memcpy(bytes, &good, sizeof(good));
        assert_true(exits_with(probe_with(bytes, sizeof(q) + 1), PROTOCOL));
        srand(20261129);
        for (unsigned round = 0; round < 100; round++) {
                ConditionKind kind = (ConditionKind)((unsigned)rand() % _CONDITION_KIND_MAX);

                for (size_t i = 0; i < sizeof(bytes); i++)
                        bytes[i] = (char)rand();
                assert_true(exits_with(probe_with(bytes, 1 + (size_t)rand() % sizeof(bytes)), PROTOCOL));
                if (kind == CONDITION_EXEC)
                        continue;
                /* A good question about nonsense. */
                memcpy(&q, bytes, sizeof(q));
                q.mark = OUTSIDE_MARK;
                q.n_items = 1;
                q.items[0] = (OutsideItem){ .kind = kind };
                q.texts[sizeof(q.texts) - 1] = '\0';
                if (round % 2 == 0)
                        q.texts[0] = '/';
                assert_true(WIFEXITED(probe_with(&q, sizeof(q))));
        }
}

/* --- several at once --- */

#define MANY 50

static Asker many[MANY];

/* Returns how many were refused. */
static unsigned ask_many(void) {
        unsigned n_refused = 0;

        for (unsigned i = 0; i < MANY; i++) {
                Reading r;

                many[i].n_answers = 0;
                if (many[i].inquiry && inquiry_ask(many[i].inquiry, &r) == INQUIRY_REFUSED) {
                        on_answered(&many[i], &r);
                        n_refused++;
                }
        }
        return n_refused;
}

static unsigned n_answered(void) {
        unsigned n = 0;

        for (unsigned i = 0; i < MANY; i++)
                n += many[i].n_answers;
        return n;
}

/* One of them is about something else. */
static void open_many(const char *subject, unsigned position, const char *other) {
        for (unsigned i = 0; i < MANY; i++)
                asker_open(&many[i], CONDITION_FILE_EXISTS, i == position ? other : subject, NULL);
}

static void close_many(void) {
        for (unsigned i = 0; i < MANY; i++)
                asker_close(&many[i]);
}

static void test_questions_of_a_turn_are_one_message(void **state) {
        open_fake();
        open_many("/known", MANY, NULL);
        assert_int_equal(ask_many(), 0);
        UNTIL(n_answered() == MANY);
        for (unsigned i = 0; i < MANY; i++)
                assert_int_equal(many[i].reading.value,
                                 i < OUTSIDE_BATCH_MAX ? OUTSIDE_BATCH_MAX : MANY - OUTSIDE_BATCH_MAX);
        assert_int_equal(count_workers(), 1);
        close_many();
}

static void test_answers_are_in_order(void **state) {
        static char names[MANY][256];

        for (unsigned i = 0; i < MANY; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "%u", i);
                if (i % 7 > 0)
                        make_file(name, i);
                (void)snprintf(names[i], sizeof(names[i]), "%s", at(name));
                asker_open(&many[i], i % 5 == 0 ? CONDITION_FILE_EXISTS : CONDITION_FILE_SIZE, names[i], NULL);
        }
        assert_int_equal(ask_many(), 0);
        UNTIL(n_answered() == MANY);
        for (unsigned i = 0; i < MANY; i++)
                if (i % 5 == 0)
                        assert_true(many[i].reading.is_known && many[i].reading.value == (i % 7 > 0));
                else if (i % 7 > 0)
                        assert_true(many[i].reading.is_known && many[i].reading.value == i);
                else
                        assert_non_null(strstr(many[i].reason, "does not exist"));
        assert_int_equal(count_workers(), 1);
        close_many();
}

/* As many as there is room for. */
static void test_long_subjects(void **state) {
        static char names[MANY][CONDITION_TEXT_MAX];

        for (unsigned i = 0; i < MANY; i++) {
                memset(names[i], '/', sizeof(names[i]) - 1);
                asker_open(&many[i], CONDITION_FILE_EXISTS, names[i] + (i < 10 ? 0 : sizeof(names[i]) - 1000), NULL);
        }
        assert_int_equal(ask_many(), 0);
        UNTIL(n_answered() == MANY);
        for (unsigned i = 0; i < MANY; i++)
                assert_string_equal(many[i].reason, many[0].reading.is_known == many[i].reading.is_known
                                                            ? many[0].reason
                                                            : many[i].reason);
        assert_true(many[MANY - 1].reading.is_known);
        close_many();
}

/* The others wait for it once, and for a second; from then on it is asked alone. */
static void test_one_of_them_hangs(void **state) {
        open_fake();
        open_many("/known", 20, "/nothing");
        assert_int_equal(ask_many(), 0);
        turns_without_waiting();
        UNTIL(count_workers() == 1);
        turns_without_waiting();
        fake_clock_advance(OUTSIDE_BATCH_LIMIT_USEC);
        UNTIL(n_answered() == MANY - 1);
        assert_int_equal(many[20].n_answers, 0);
        assert_int_equal(many[0].reading.value, 42);
        fake_clock_advance(OUTSIDE_LIMIT_USEC);
        UNTIL(many[20].n_answers == 1);
        assert_string_equal(many[20].reason, "/nothing does not answer for 5s.");
        UNTIL(count_stuck() == 0);
        for (unsigned round = 0; round < 3; round++) {
                assert_int_equal(ask_many(), round == 0);
                UNTIL(n_answered() >= MANY - 1);
                assert_int_equal(many[0].reading.value, OUTSIDE_BATCH_MAX);
                assert_true(many[MANY - 1].reading.is_known);
                fake_clock_advance(OUTSIDE_DELAY_MAX);
                UNTIL(n_answered() == MANY);
                assert_false(many[20].reading.is_known);
                UNTIL(count_stuck() == 0);
                fake_clock_advance(OUTSIDE_DELAY_MAX);
        }
        close_many();
}

static void test_one_of_them_ends_the_process(void **state) {
        static const char *const bad[] = { "/exit", "/fewer" };

        for (unsigned k = 0; k < ELEMENTSOF(bad); k++) {
                if (k == 0)
                        open_fake();
                open_many("/known", 3, bad[k]);
                assert_int_equal(ask_many(), 0);
                UNTIL(n_answered() == MANY);
                for (unsigned i = 0; i < MANY; i++)
                        assert_true(many[i].n_answers == 1 && (many[i].reading.is_known || i == 3));
                if (k == 0)
                        assert_non_null(strstr(many[3].reason, "has ended (exit status 7)"));
                UNTIL(count_stuck() == 0);
                close_many();
        }
}

/* At each point of it. */
static void test_some_are_not_asked_any_more(void **state) {
        open_fake();
        for (unsigned turns = 0; turns < 8; turns++) {
                open_many("/known", MANY, NULL);
                assert_int_equal(ask_many(), 0);
                for (unsigned i = 0; i < turns; i++)
                        (void)fake_clock_run(event);
                for (unsigned i = 0; i < MANY; i += 2)
                        asker_close(&many[i]);
                UNTIL(n_answered() >= MANY / 2 && many[MANY - 1].n_answers == 1);
                for (unsigned i = 1; i < MANY; i += 2)
                        assert_true(many[i].n_answers == 1 && many[i].reading.is_known);
                close_many();
        }
}

/* --- as probes --- */

typedef struct User {
        ProbeUse use;
        ConditionTest test;
        Probes *probes;
        unsigned n_changes;
} User;

static void on_changed(ProbeUse *use) {
        ((User *)use)->n_changes++;
}

static void user_open(User *u, ConditionKind kind, const char *subject, ConditionOperator op, int64_t limit) {
        const ProbesOptions options = { .program_dir = program_dir };

        *u = (User){ .test = { .question = { .kind = kind, .subject = (char *)subject }, .op = op, .limit = limit },
                     .use = { .sample_max = PROBE_SAMPLE_DEFAULT_USEC, .changed = on_changed } };
        u->use.test = &u->test;
        assert_int_equal(probes_new(&u->probes, event, &options), 0);
        assert_int_equal(probe_use(u->probes, &u->use), 0);
}

static void user_close(User *u) {
        probe_unuse(&u->use);
        probes_free(u->probes);
}

static void test_mounted(void **state) {
        struct rlimit limit, none;
        usec_t interval;
        User u;

        if (!has_mounts)
                skip();
        assert_int_equal(mkdir(at("m m"), 0755), 0);
        user_open(&u, CONDITION_MOUNTED, at("m m"), CONDITION_IS, 0);
        UNTIL(u.n_changes == 1);
        assert_true(probe_reading(&u.use)->is_known);
        assert_int_equal(probe_reading(&u.use)->value, 0);
        assert_string_equal(probe_source(&u.use, &interval), "event");
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(mount("tmpfs", at("m m"), "tmpfs", 0, "size=1m"), 0);
                UNTIL(probe_reading(&u.use)->value == 1);
                assert_int_equal(umount(at("m m")), 0);
                UNTIL(probe_reading(&u.use)->value == 0);
        }
        assert_int_equal(fake_clock_next(), USEC_INFINITY);
        /* The table cannot be read: what it said before does not count any more. */
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        none = (struct rlimit){ .rlim_max = limit.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        assert_int_equal(mount("tmpfs", at("m m"), "tmpfs", 0, "size=1m"), 0);
        UNTIL(!probe_reading(&u.use)->is_known);
        assert_string_equal(probe_reading(&u.use)->reason, "Cannot read what is mounted: Too many open files.");
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        fake_clock_advance(PROBE_SAMPLE_DEFAULT_USEC);
        UNTIL(probe_reading(&u.use)->is_known);
        assert_int_equal(probe_reading(&u.use)->value, 1);
        assert_int_equal(umount(at("m m")), 0);
        user_close(&u);
}

static void test_disk_that_fills_up(void **state) {
        usec_t interval;
        User u;

        if (!has_mounts)
                skip();
        mount_tmpfs("disk", "size=100m");
        user_open(&u, CONDITION_DISK_FULL_IN, at("disk"), CONDITION_LESS, (int64_t)USEC_PER_HOUR);
        UNTIL(u.n_changes == 1);
        assert_false(probe_reading(&u.use)->is_known);
        /* A MiB in half a minute: 30 are gone, and 70 last for 35 minutes. */
        for (unsigned i = 1; i <= 30; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "disk/%u", i);
                fill(name, 1048576);
                fake_clock_advance(30 * USEC_PER_SEC);
                UNTIL(u.use.probe->looked_boottime == fake_clock.boottime && !u.use.probe->is_asked);
        }
        assert_string_equal(probe_source(&u.use, &interval), "sample");
        assert_int_equal(interval, 30 * USEC_PER_SEC);
        assert_true(probe_reading(&u.use)->is_known);
        assert_in_range(probe_reading(&u.use)->value, 34 * USEC_PER_MINUTE, 36 * USEC_PER_MINUTE);
        user_close(&u);
        assert_int_equal(umount(at("disk")), 0);
}

static unsigned workers_of(const User *u) {
        unsigned n_stuck;

        return outside_count(u->probes->shared[PROBE_SHARED_OUTSIDE], &n_stuck);
}

/* What the kernel has in memory is not asked outside; what may hang is, as soon as it may. */
static void test_local_files(void **state) {
        User u;
        Hang h;

        if (!has_mounts)
                skip();
        mount_tmpfs("near", "size=1m");
        fill("near/f", 5000);
        user_open(&u, CONDITION_FILE_SIZE, at("near/f"), CONDITION_GREATER, 0);
        UNTIL(probe_reading(&u.use)->value == 5000);
        fill("near/f", 6000);
        fake_clock_advance(30 * USEC_PER_SEC);
        UNTIL(probe_reading(&u.use)->value == 6000);
        assert_int_equal(workers_of(&u), 0);
        hang_open(&h, "far");
        assert_int_equal(mount(at("far"), at("near"), NULL, MS_BIND, NULL), 0);
        fake_clock_advance(30 * USEC_PER_SEC);
        UNTIL(workers_of(&u) == 1);
        assert_int_equal(probe_reading(&u.use)->value, 6000);
        fake_clock_advance(OUTSIDE_LIMIT_USEC);
        UNTIL(!probe_reading(&u.use)->is_known);
        assert_int_equal(umount2(at("near"), MNT_DETACH), 0);
        fake_clock_advance(OUTSIDE_DELAY_MAX);
        UNTIL(probe_reading(&u.use)->is_known);
        assert_int_equal(probe_reading(&u.use)->value, 6000);
        user_close(&u);
        hang_close(&h, "far");
        user_open(&u, CONDITION_FILE_EXISTS, at("near/none"), CONDITION_IS, 0);
        UNTIL(probe_reading(&u.use)->is_known);
        assert_int_equal(probe_reading(&u.use)->value, 0);
        assert_int_equal(workers_of(&u), 0);
        user_close(&u);
        /* Whether a link is followed, vakt-probe decides. */
        assert_int_equal(symlink("near", at("link")), 0);
        user_open(&u, CONDITION_FILE_SIZE, at("link/f"), CONDITION_GREATER, 0);
        UNTIL(probe_reading(&u.use)->is_known);
        assert_int_equal(probe_reading(&u.use)->value, 6000);
        assert_int_equal(workers_of(&u), 1);
        user_close(&u);
        user_open(&u, CONDITION_DISK_FREE, at("link"), CONDITION_GREATER, 0);
        UNTIL(probe_reading(&u.use)->is_known);
        assert_int_equal(probe_reading(&u.use)->whole, 1048576);
        assert_int_equal(workers_of(&u), 1);
        user_close(&u);
        assert_int_equal(umount(at("near")), 0);
}

/* Nobody asks any more, in the middle of it. */
static void test_probe_that_ends(void **state) {
        User u;

        for (unsigned turns = 0; turns < 8; turns++) {
                user_open(&u, CONDITION_FILE_EXISTS, "/", CONDITION_IS, 0);
                for (unsigned i = 0; i < turns; i++)
                        (void)fake_clock_run(event);
                user_close(&u);
        }
        user_open(&u, CONDITION_FILE_EXISTS, "/", CONDITION_IS, 0);
        UNTIL(u.n_changes == 1 && probe_reading(&u.use)->is_known);
        assert_int_equal(probe_reading(&u.use)->value, 1);
        user_close(&u);
}

static bool may_mount(void) {
        return geteuid() == 0 && unshare(CLONE_NEWNS) >= 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) >= 0;
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
                TEST(test_disk_free),
                TEST(test_free_is_what_users_may_have),
                TEST(test_file),
                TEST(test_no_device_is_opened),
                TEST(test_links),
                TEST(test_entries),
                TEST(test_temperature),
                TEST(test_certificates),
                TEST(test_no_certificates),
                TEST(test_programs),
                TEST(test_program_has_its_signals),
                TEST(test_program_that_does_not_end),
                TEST(test_journal),
                TEST(test_silence),
                TEST(test_stuck),
                TEST(test_all_are_stuck),
                TEST(test_silent_ones_wait_for_each_other),
                TEST(test_processes_come_and_go),
                TEST(test_no_program),
                TEST(test_nobody_waits_any_more),
                TEST(test_killed_at_any_point),
                TEST(test_answers_that_are_none),
                TEST(test_silent_program),
                TEST(test_questions_that_are_none),
                TEST(test_questions_of_a_turn_are_one_message),
                TEST(test_answers_are_in_order),
                TEST(test_long_subjects),
                TEST(test_one_of_them_hangs),
                TEST(test_one_of_them_ends_the_process),
                TEST(test_some_are_not_asked_any_more),
                TEST(test_mounted),
                TEST(test_disk_that_fills_up),
                TEST(test_local_files),
                TEST(test_probe_that_ends),
#undef TEST
        };

        if (streq(argv[0], "vakt-probe"))
                fake_main();
        program_dir = getenv("VAKTD_PROGRAM_DIR");
        has_mounts = may_mount();
        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a service manager that does not read is told: nothing, and nobody waits for it; what it gets when it reads
 * again. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cmocka.h>

#include "util/clock.h"
#include "util/log.h"
#include "util/notify.h"

static usec_t clock_stands; /* at this time; 0: it goes */

int __real_sd_event_now(sd_event *event, clockid_t clock, uint64_t *ret);
int __wrap_sd_event_now(sd_event *event, clockid_t clock, uint64_t *ret);

/* What the linker puts in place of the real one. */
int __wrap_sd_event_now(sd_event *event, clockid_t clock, uint64_t *ret) {
        int r = __real_sd_event_now(event, clock, ret);

        *ret = clock_stands > 0 ? clock_stands : *ret;
        return r;
}

typedef struct Rig {
        sd_event *event;
        int fd;
        Notifier *notifier;
} Rig;

static int bind_manager(Rig *rig) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        socklen_t size = sizeof(address);
        char path[sizeof(address.sun_path) + 1];

        rig->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(rig->fd >= 0);
        assert_int_equal(bind(rig->fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
        assert_int_equal(getsockname(rig->fd, (struct sockaddr *)&address, &size), 0);
        (void)snprintf(path, sizeof(path), "@%.*s", (int)(size - offsetof(struct sockaddr_un, sun_path) - 1),
                       address.sun_path + 1);
        return setenv("NOTIFY_SOCKET", path, 1);
}

static void rig_open(Rig *rig) {
        log_open(LOG_TARGET_NULL);
        assert_int_equal(sd_event_new(&rig->event), 0);
        assert_int_equal(bind_manager(rig), 0);
        assert_int_equal(notifier_new(&rig->notifier, rig->event), 0);
        assert_non_null(rig->notifier);
}

static void rig_close(Rig *rig) {
        notifier_free(rig->notifier);
        sd_event_unref(rig->event);
        safe_close(rig->fd);
        unsetenv("NOTIFY_SOCKET");
}

/* Until it takes no more. Returns how many it took. */
static unsigned fill(const Rig *rig) {
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        unsigned n = 0;

        memcpy(address.sun_path + 1, path + 1, strlen(path) - 1);
        assert_int_equal(connect(fd, (struct sockaddr *)&address,
                                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))),
                         0);
        while (send(fd, "X", 1, MSG_DONTWAIT) == 1)
                n++;
        assert_int_equal(errno, EAGAIN);
        return n;
}

/* The next message; "" when there is none. */
static const char *next(const Rig *rig) {
        static char text[512];
        ssize_t n = recv(rig->fd, text, sizeof(text) - 1, 0);

        text[MAX(n, 0)] = '\0';
        return text;
}

static void expect(Rig *rig, const char *text) {
        for (unsigned i = 0; i < 100; i++) {
                const char *found = next(rig);

                if (found[0] != '\0' && !streq(found, "X")) {
                        assert_string_equal(found, text);
                        return;
                }
                assert_true(sd_event_run(rig->event, 0) >= 0);
        }
        fail_msg("no '%s'", text);
}

static void test_at_once(void **state) {
        Rig rig;

        rig_open(&rig);
        notifier_send(rig.notifier, "READY=%d\nSTATUS=up", 1);
        assert_string_equal(next(&rig), "READY=1\nSTATUS=up");
        notifier_send_status(rig.notifier, "busy");
        assert_string_equal(next(&rig), "STATUS=busy");
        assert_string_equal(next(&rig), "");
        rig_close(&rig);
}

static void test_nobody_reads(void **state) {
        unsigned n;
        Rig rig;

        rig_open(&rig);
        n = fill(&rig);
        notifier_send_status(rig.notifier, "old");
        notifier_send(rig.notifier, "RELOADING=1");
        for (unsigned i = 0; i < 1000; i++)
                notifier_send_status(rig.notifier, "older");
        notifier_send(rig.notifier, "READY=1");
        notifier_send_status(rig.notifier, "new");
        for (unsigned i = 0; i < 10; i++) /* nor is the loop busy */
                assert_int_equal(sd_event_run(rig.event, 0), 0);
        for (unsigned i = 0; i < n; i++)
                assert_string_equal(next(&rig), "X");
        expect(&rig, "RELOADING=1");
        expect(&rig, "READY=1");
        expect(&rig, "STATUS=new");
        for (unsigned i = 0; i < 10; i++)
                assert_int_equal(sd_event_run(rig.event, 0), 0);
        assert_string_equal(next(&rig), "");
        rig_close(&rig);
}

/* More than is ever kept: the newest arrive. */
static void test_too_many(void **state) {
        unsigned n;
        Rig rig;

        rig_open(&rig);
        n = fill(&rig);
        for (unsigned i = 0; i < 40; i++)
                notifier_send(rig.notifier, "N=%u", i);
        for (unsigned i = 0; i < n; i++)
                assert_string_equal(next(&rig), "X");
        expect(&rig, "N=8");
        for (unsigned i = 9; i < 40; i++) {
                char text[16];

                (void)snprintf(text, sizeof(text), "N=%u", i);
                expect(&rig, text);
        }
        rig_close(&rig);
}

static void test_watchdog(void **state) {
        unsigned n;
        Rig rig;

        assert_int_equal(setenv("WATCHDOG_USEC", "20000", 1), 0);
        rig_open(&rig);
        n = fill(&rig);
        assert_true(sd_event_run(rig.event, USEC_PER_SEC) > 0);
        assert_true(sd_event_run(rig.event, USEC_PER_SEC) > 0);
        for (unsigned i = 0; i < n; i++)
                assert_string_equal(next(&rig), "X");
        for (unsigned i = 0; i < 2; i++) {
                unsigned k = 0;

                while (!streq(next(&rig), "WATCHDOG=1")) {
                        assert_true(k++ < 1000);
                        assert_true(sd_event_run(rig.event, USEC_PER_SEC) > 0);
                }
        }
        rig_close(&rig);
        unsetenv("WATCHDOG_USEC");
}

static int nothing(sd_event_source *s, void *userdata) {
        return 0;
}

/* A loop that wakes up for something else when it is nearly time tells then, so that it need not wake up for that. */
static void test_watchdog_shares_wake_ups(void **state) {
        sd_event_source *other;
        Rig rig;

        assert_int_equal(setenv("WATCHDOG_USEC", "120000000", 1), 0);
        rig_open(&rig);
        clock_stands = now_clock(CLOCK_MONOTONIC);
        assert_true(sd_event_run(rig.event, 0) >= 0);
        assert_string_equal(next(&rig), "WATCHDOG=1");
        assert_int_equal(sd_event_add_defer(rig.event, &other, nothing, NULL), 0);
        assert_true(sd_event_source_set_enabled(other, SD_EVENT_ON) >= 0);
        for (unsigned i = 0; i < 3; i++) {
                clock_stands += 44 * USEC_PER_SEC;
                assert_true(sd_event_run(rig.event, 0) > 0);
                assert_string_equal(next(&rig), "");
                clock_stands += USEC_PER_SEC;
                assert_true(sd_event_run(rig.event, 0) > 0);
                assert_string_equal(next(&rig), "WATCHDOG=1");
        }
        sd_event_source_unref(other);
        clock_stands = 0;
        rig_close(&rig);
        unsetenv("WATCHDOG_USEC");
}

/* It went, and came again under the same name. */
static void test_peer_is_gone(void **state) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        const char *path;
        Rig rig;

        rig_open(&rig);
        path = getenv("NOTIFY_SOCKET");
        notifier_send(rig.notifier, "A=1");
        rig.fd = safe_close(rig.fd);
        notifier_send(rig.notifier, "B=1");
        notifier_send(rig.notifier, "C=1");
        memcpy(address.sun_path + 1, path + 1, strlen(path) - 1);
        rig.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(bind(rig.fd, (struct sockaddr *)&address,
                              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))),
                         0);
        notifier_send(rig.notifier, "D=1");
        assert_string_equal(next(&rig), "D=1");
        rig_close(&rig);
}

static void test_nobody_to_tell(void **state) {
        sd_event *event = NULL;
        Notifier *n;

        unsetenv("NOTIFY_SOCKET");
        assert_int_equal(sd_event_new(&event), 0);
        assert_int_equal(notifier_new(&n, event), 0);
        assert_null(n);
        notifier_send(n, "READY=1");
        notifier_send_status(n, "x");
        assert_int_equal(setenv("NOTIFY_SOCKET", "vsock:2:1", 1), 0);
        assert_int_equal(notifier_new(&n, event), 0);
        assert_null(n);
        unsetenv("NOTIFY_SOCKET");
        sd_event_unref(event);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_at_once),
                cmocka_unit_test(test_nobody_reads),
                cmocka_unit_test(test_too_many),
                cmocka_unit_test(test_watchdog),
                cmocka_unit_test(test_watchdog_shares_wake_ups),
                cmocka_unit_test(test_peer_is_gone),
                cmocka_unit_test(test_nobody_to_tell),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Clients of the control socket that owe something, the rest of what they began or the reading of what they asked for,
 * and let the daemon wait: apart from test-peers.c, because they take their time. */

#include <poll.h>
#include <stdio.h>

#include "harness.h"
#include "raw-peer.h"

/* Half of the handshake, of a header, of a message, and a handshake that ends too early are let go after ten seconds,
 * who does not read his answers after thirty; a connection that is merely silent stays. */
static void test_deadlines(void **state) {
        Harness *h = *state;
        uint8_t call[1024], list[1024];
        size_t size, list_size;
        int fds[6];
        struct pollfd silent;

        harness_add_jobs(h, 2000); /* so that answers outgrow any buffer of the kernel */
        harness_start(h);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = harness_connect_raw(h, (uid_t)-1);
        size = raw_call(call, sizeof(call), 1, MANAGER_PATH, MANAGER_INTERFACE, "Diagnostics", NULL);
        list_size = raw_call(list, sizeof(list), 1, MANAGER_PATH, MANAGER_INTERFACE, "ListJobs", NULL);
        raw_send(fds[0], RAW_HANDSHAKE, sizeof(RAW_HANDSHAKE) - 4);
        raw_handshake(fds[1]);
        raw_send(fds[1], call, 10);
        raw_handshake(fds[2]);
        raw_send(fds[2], call, size - 1);
        raw_send(fds[3], "\0BEGIN\r\n", 8); /* sd-bus does not take that for the end, the gate does */
        raw_handshake(fds[4]);
        raw_handshake(fds[5]);
        for (unsigned i = 0; i < 500; i++)
                (void)raw_send_some(fds[4], list, list_size);
        harness_assert_served(h);
        for (size_t i = 0; i < 5; i++) {
                harness_wait_hang_up(fds[i]);
                close(fds[i]);
        }
        silent = (struct pollfd){ .fd = fds[5], .events = POLLIN };
        assert_int_equal(poll(&silent, 1, 0), 0);
        raw_send(fds[5], call, size);
        assert_int_equal(raw_read_message(fds[5], NULL), 2);
        close(fds[5]);
        harness_assert_served(h);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                harness_test(test_deadlines),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

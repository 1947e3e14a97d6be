/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vakt-exec ORDERS ANSWER: the short life between fork and exec of a run whose job has [Service] settings. vaktd
 * starts it as the run's process; it reads its orders from one file descriptor, becomes what they say, and executes
 * the run's program in its own place. What it cannot do it writes to the other.
 *
 * A program of its own, as the daemon must not do this itself: a name service may block it for seconds, and between
 * fork and exec of a large process hardly anything is allowed. */

#include <fcntl.h>
#include <linux/close_range.h>
#include <sysexits.h>

#include "exec/child-apply.h"

/* A file descriptor from the command line, which the program shall not get. */
static int take_fd(const char *word) {
        char *end;
        long fd = strtol(word, &end, 10);

        if (end == word || *end != '\0' || fd <= STDERR_FILENO || fd > INT32_MAX)
                return -EBADF;
        return fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : (int)fd;
}

static void obey(int orders_fd, ChildFailed *failed) {
        _cleanup_(child_orders_text_freep) ChildOrdersText *text = NULL;
        _cleanup_(child_settings_done) ChildSettings settings = {};
        ChildOrders orders;
        int r;

        r = child_orders_read(orders_fd, &orders, &text);
        if (r >= 0)
                r = child_settings_read(&settings, orders.properties, orders.n_properties);
        if (r >= 0) {
                child_apply(&orders, &settings, environ, failed);
                return;
        }
        failed->error = -r;
        (void)snprintf(failed->message, sizeof(failed->message), "vakt-exec cannot read its instructions: %s.",
                       strerror(-r));
}

int main(int argc, char *argv[]) {
        ChildFailed failed = {};
        int orders_fd, answer_fd;

        if (argc != 3) {
                fprintf(stderr, "vakt-exec is started by vaktd, for runs with settings in [Service].\n");
                return EX_USAGE;
        }
        orders_fd = take_fd(argv[1]);
        answer_fd = take_fd(argv[2]);
        if (orders_fd < 0 || answer_fd < 0)
                return EX_USAGE;
        /* What somebody had left open for the daemon. */
        (void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
        obey(orders_fd, &failed);
        (void)!write(answer_fd, &failed, sizeof(failed));
        return EX_OSERR;
}

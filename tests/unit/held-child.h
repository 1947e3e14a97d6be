#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Children that are stuck before they have executed their program, until the test lets them go. After cmocka.h. */

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/macro.h"

/* From now on each descendant of this process is held before it has a session; the descriptor tells of them. Negative:
 * that cannot be had. */
static _unused_ int hold_children(void) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsid, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { .len = ELEMENTSOF(code), .filter = code };

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -1;
        return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

/* Waits until the next one is held. */
static _unused_ uint64_t child_held(int fd) {
        struct seccomp_notif n = {};

        assert_int_equal(ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &n), 0);
        return n.id;
}

static _unused_ void child_let_go(int fd, uint64_t id) {
        struct seccomp_notif_resp r = { .id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

        assert_int_equal(ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r), 0);
}

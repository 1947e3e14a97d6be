#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What pwrite(2) does in SQLite: it counts, and at one call it stops in the middle, with an error or with the death of
 * this process. */

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <unistd.h>

static struct {
        unsigned n;    /* calls so far */
        unsigned at;   /* the one that is torn, and with an error all that follow it; 0: none */
        size_t keep;   /* bytes that are written nevertheless; more than there are: their number modulo the call's */
        int error;     /* 0: SIGKILL */
        size_t last_n; /* bytes of the last call */
} torn;

static ssize_t torn_pwrite(int fd, const void *data, size_t n, off_t at) {
        bool is_torn = torn.at > 0 && ++torn.n >= torn.at;
        ssize_t written = 0;

        if (torn.at == 0)
                torn.n++;
        torn.last_n = n;
        if (!is_torn)
                return pwrite(fd, data, n, at);
        if (torn.n == torn.at && torn.keep % n > 0)
                written = pwrite(fd, data, torn.keep % n, at);
        if (torn.error == 0)
                (void)raise(SIGKILL);
        if (written > 0)
                return written;
        errno = torn.error;
        return -1;
}

static inline void torn_write_begin(void) {
        static const char *const names[] = { "pwrite", "pwrite64" };
        sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

        for (size_t i = 0; i < 2; i++)
                (void)vfs->xSetSystemCall(vfs, names[i], (sqlite3_syscall_ptr)torn_pwrite);
}

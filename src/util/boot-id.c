/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernel's boot id is that of the machine. A container manager that boots its own system mounts another file over
 * it, which is not visible to a service with a read-only /proc/sys (ProtectKernelTunables=, with systemd 252): all
 * boots of the container look the same. So the time at which PID 1 was started is mixed in. It does not change when
 * PID 1 re-executes itself. */

#include "util/boot-id.h"

#include <fcntl.h>

#include "util/file.h"

#define STAT_MAX 1024 /* bytes of /proc/1/stat: 52 numbers and a short name */

BootId boot_id_make(sd_id128_t kernel, uint64_t start) {
        BootId b = { .id = kernel, .kernel = kernel };

        if (start > 0 && !sd_id128_is_null(kernel))
                b.id.qwords[1] ^= start;
        return b;
}

static uint64_t start_of_init(void) {
        unsigned long long start;
        char text[STAT_MAX];
        const char *p;

        if (file_read(AT_FDCWD, "/proc/1/stat", text, sizeof(text)) < 0)
                return 0;
        p = strrchr(text, ')'); /* the name may hold anything */
        for (unsigned field = 2; p && field < 22; field++)
                p = strchr(p + 1, ' ');
        return p && sscanf(p, " %llu", &start) == 1 ? start + 1 /* in the first tick, mostly */ : 0;
}

usec_t boot_begin_boottime(void) {
        uint64_t start = start_of_init();
        long per_second = sysconf(_SC_CLK_TCK);

        return start > 0 && per_second > 0 ? (start - 1) * USEC_PER_SEC / (usec_t)per_second : 0;
}

BootId boot_id_get(void) {
        sd_id128_t kernel;

        return sd_id128_get_boot(&kernel) < 0 ? (BootId){} : boot_id_make(kernel, start_of_init());
}

#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which boot of the machine, or of the container, this is. */

#include <stdbool.h>
#include <systemd/sd-id128.h>

#include "util/clock.h"

typedef struct BootId {
        sd_id128_t id;
        sd_id128_t kernel; /* as the kernel reports it, which is what earlier versions recorded */
} BootId;

/* Both are null if the kernel does not report them. */
BootId boot_id_get(void);

/* When that boot began, on CLOCK_BOOTTIME: the start of PID 1, which is the first process of a machine and boots a
 * container. 0 if it is not known. */
usec_t boot_begin_boottime(void);

/* start: when PID 1 was started, as in field 22 of /proc/1/stat; 0 = not known. */
BootId boot_id_make(sd_id128_t kernel, uint64_t start);

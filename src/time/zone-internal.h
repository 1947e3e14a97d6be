#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What zone.c (questions) and zone-cache.c (files) share. */

#include <sys/stat.h>

#include "time/tzif.h"
#include "time/zone.h"

/* What tells two versions of a file apart without reading them. */
struct file_id {
        dev_t dev;
        ino_t ino;
        off_t size;
        struct timespec mtime, ctime;
};

struct Zone {
        char *name;
        char *path;        /* NULL for UTC */
        struct tzif *file; /* what was read; NULL while the zone falls back to UTC */
        struct file_id id;
};

#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ids of runs, which are never used twice: not after a crash or a power failure, and not when the database is lost. */

#include <stdbool.h>
#include <stdint.h>

#define RUN_IDS_BLOCK 1000 /* ids reserved at once: a crash may leave these unused */

typedef struct RunIds {
        uint64_t next;     /* the next one to give out */
        uint64_t reserved; /* ids below this count as used */
} RunIds;

void run_ids_load(RunIds *ids, int state_fd);      /* from 1 when nothing can be read */
void run_ids_at_least(RunIds *ids, uint64_t next); /* the database knows ids below next */
bool run_ids_are_low(const RunIds *ids);           /* time to reserve */
int run_ids_reserve(RunIds *ids, int state_fd);    /* a block more; an error means: not on disk */
int run_ids_release(RunIds *ids, int state_fd);    /* ids that were reserved and not used */

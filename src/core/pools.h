#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What runs of different jobs share. */

#include "core/gates.h"
#include "core/live-run.h"

/* Runs that may go on at once, and those that wait for that. */
struct Pool {
        char *name;
        unsigned slots;
        usec_t max_wait;    /* µs, USEC_INFINITY = for ever */
        bool is_configured; /* stands in vaktd.conf */
        unsigned n_runs;    /* that wait or go on */
        unsigned n_running;
        Heap waiting;      /* LiveRun, by rank */
        uint32_t position; /* in Pools.candidates */
};

typedef struct Pools {
        Pool *unlimited; /* of runs that name none */
        Pool **named;    /* sorted by name */
        size_t n_named;
        Heap candidates; /* Pool with a slot that somebody waits for, by the rank of the first */
} Pools;

int pools_init(Manager *m);
void pools_done(Manager *m);
/* Puts the pools of the settings into force; who calls it pumps the queues. */
int pools_configure(Manager *m);
/* There is a slot in its pool for the run. */
bool pool_admits(const LiveRun *run);
/* Gives the run the pool of its definition, instead of the one that it has. How long it has waited for a slot counts
 * on, unless that is another one. -ENOMEM: nothing has changed. */
int pools_admit(Manager *m, LiveRun *run);
void pools_leave(LiveRun *run);
/* Who waits for a slot of the pool, or holds one, has changed. */
void pool_changed(Manager *m, Pool *pool);
/* Of those that wait where there is a slot, the one with the lowest rank; or NULL. */
LiveRun *pools_first(const Manager *m);

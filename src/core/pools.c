/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What runs of different jobs share: the slots of a pool (Pool=), and those of the daemon (MaxRunning=).
 *
 * A pool that vaktd.conf does not describe has one slot, and lives as long as somebody is in it: a named lock. Runs
 * without a pool wait in one of their own without a limit. What may be started next is the lowest rank among the pools
 * that have a slot, which is a heap of pools; queues.c gives the ranks. */

#include <assert.h>

#include "core/manager-body.h"
#include "core/pools.h"
#include "util/array.h"
#include "util/log.h"

bool pool_admits(const LiveRun *run) {
        const GateInput in = {
                .asker = GATE_READY,
                .pool = run->pool->name,
                .pool_slots = run->pool->slots,
                .pool_running = run->pool->n_running,
        };

        return gates_ask_row(GATE_POOL, &in, /* now= */ 0).verdict == GATE_ADMIT;
}

static Pool *pool_free(Pool *p) {
        if (!p)
                return NULL;
        heap_done(&p->waiting);
        free(p->name);
        return mfree(p);
}
DEFINE_CLEANUP(Pool, pool_free)

static int pool_new(Pool **ret, const char *name, unsigned slots) {
        _cleanup_(pool_freep) Pool *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->name = strdup(name);
        if (!p->name)
                return -ENOMEM;
        p->slots = slots;
        p->max_wait = USEC_INFINITY;
        p->position = HEAP_NONE;
        *ret = TAKE_PTR(p);
        return 0;
}

static size_t pool_position(const Manager *m, const char *name) {
        return BISECT(m->pools->n_named, i, strcmp(m->pools->named[i]->name, name) < 0);
}

/* The pool of this name, which is made when it is not there. */
static int pool_get(Manager *m, const char *name, Pool **ret) {
        size_t i = pool_position(m, name);
        _cleanup_(pool_freep) Pool *p = NULL;
        Pool **place;
        int r;

        if (i < m->pools->n_named && streq(m->pools->named[i]->name, name)) {
                *ret = m->pools->named[i];
                return 0;
        }
        r = pool_new(&p, name, /* slots= */ 1);
        if (r < 0)
                return r;
        place = ARRAY_INSERT(m->pools->named, m->pools->n_named, i);
        if (!place)
                return -ENOMEM;
        *ret = *place = TAKE_PTR(p);
        return 0;
}

/* Puts the pool where it belongs among those that somebody could be started from. */
void pool_changed(Manager *m, Pool *p) {
        const HeapEntry *first = heap_first(&p->waiting);
        usec_t rank = first && pool_admits(HEAP_OWNER(first, LiveRun, position)) ? first->at : USEC_INFINITY;

        if (heap_set(&m->pools->candidates, rank, rank, &p->position) < 0)
                log_error("Not enough memory to start runs that wait for pool '%s'; trying again when a run ends.",
                          p->name);
}

LiveRun *pools_first(const Manager *m) {
        const HeapEntry *first = heap_first(&m->pools->candidates);
        const Pool *p = first ? HEAP_OWNER(first, Pool, position) : NULL;

        assert(!p || (p->n_running < p->slots && p->waiting.n_entries > 0));
        return p ? HEAP_OWNER(heap_first(&p->waiting), LiveRun, position) : NULL;
}

static void drop_if_unused(Manager *m, Pool *p) {
        size_t i;

        if (p == m->pools->unlimited || p->is_configured || p->n_runs > 0)
                return;
        assert(p->n_running == 0 && p->waiting.n_entries == 0);
        i = pool_position(m, p->name);
        assert(i < m->pools->n_named && m->pools->named[i] == p);
        ARRAY_REMOVE(m->pools->named, m->pools->n_named, i);
        pool_changed(m, p); /* no run waits: removes it */
        pool_free(p);
}

int pools_configure(Manager *m) {
        Pool *p;
        int r;

        for (size_t i = 0; i < m->settings.n_pools; i++) {
                r = pool_get(m, m->settings.pools[i].name, &p);
                if (r < 0)
                        return r;
        }
        for (size_t i = m->pools->n_named; i > 0; i--) {
                const PoolDef *def;

                p = m->pools->named[i - 1];
                def = settings_pool(&m->settings, p->name);
                p->is_configured = def;
                p->slots = def ? def->slots : 1;
                p->max_wait = def ? def->max_wait : USEC_INFINITY;
                pool_changed(m, p);
                drop_if_unused(m, p);
        }
        return 0;
}

int pools_init(Manager *m) {
        int r;

        m->pools = calloc(1, sizeof(*m->pools));
        if (!m->pools)
                return -ENOMEM;
        r = pool_new(&m->pools->unlimited, "", /* slots= */ UINT32_MAX);

        return r < 0 ? r : pools_configure(m);
}

void pools_done(Manager *m) {
        if (!m->pools)
                return;
        for (size_t i = 0; i < m->pools->n_named; i++) {
                assert(m->pools->named[i]->n_runs == 0);
                pool_free(m->pools->named[i]);
        }
        free(m->pools->named);
        pool_free(m->pools->unlimited);
        heap_done(&m->pools->candidates);
        m->pools = mfree(m->pools);
}

size_t manager_n_pools(const Manager *m) {
        return m->pools->n_named;
}

PoolState manager_get_pool(const Manager *m, size_t i) {
        const Pool *p = m->pools->named[i];

        assert(i < m->pools->n_named);
        return (PoolState){
                .name = p->name,
                .slots = p->slots,
                .n_running = p->n_running,
                .n_waiting = p->waiting.n_entries,
        };
}

/* --- in and out --- */

static void leave(Manager *m, Pool *p) {
        assert(p->n_runs > 0);
        p->n_runs--;
        drop_if_unused(m, p);
}

int pools_admit(Manager *m, LiveRun *run) {
        Pool *pool = m->pools->unlimited, *former = run->pool;
        int r;

        assert(run->stage <= RUN_STAGE_QUEUED && run->position == HEAP_NONE); /* it is counted in none */
        if (run->def->rare->pool) {
                r = pool_get(m, run->def->rare->pool, &pool);
                if (r < 0)
                        return r;
        }
        run->pool = pool;
        pool->n_runs++;
        if (former && former != pool)
                run->waits_since = 0;
        if (former)
                leave(m, former);
        return 0;
}

void pools_leave(LiveRun *run) {
        if (run->pool)
                leave(run->manager, run->pool);
}

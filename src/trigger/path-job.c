/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* At the bottom of the path triggers: all that is kept of a job, and what everything above does with it. */

#include "trigger/path-job.h"

#include <assert.h>
#include <stdio.h>

#include "util/log.h"
#include "util/strv.h"

#define SAVE_DELAY_USEC USEC_PER_SEC

/* --- a job --- */

PathWatch *paths_find_spool(const JobPaths *p, const char *directory) {
        for (size_t i = 0; p && i < p->n_watches; i++)
                if (p->watches[i].source->kind == PATH_SPOOL && streq(p->watches[i].source->path, directory))
                        return &p->watches[i];
        return NULL;
}

void paths_mark_ready(JobPaths *p) {
        assert(p->trigger->ready_source);
        if (p->is_ready)
                return;
        p->is_ready = true;
        TAILQ_INSERT_TAIL(&p->trigger->ready, p, ready);
        if (!p->trigger->watcher || !watcher_is_at_work(p->trigger->watcher)) /* else it is seen when that ends */
                (void)sd_event_source_set_enabled(p->trigger->ready_source, SD_EVENT_ONESHOT);
}

void paths_mark_dirty(JobPaths *p, usec_t now) {
        if (!p->is_dirty)
                deadline_set(p->trigger->base.manager, &p->saving,
                             MAX(usec_add(now, SAVE_DELAY_USEC), p->save_not_before));
        p->is_dirty = true;
}

/* Holds the watches when as many files wait as may, and lets them go when there is room again. */
void paths_hold(JobPaths *p) {
        LogContext c = { .job = p->job->name };
        bool hold = batch_is_full(p->batch, p->is_held);

        if (hold == p->is_held)
                return;
        p->is_held = hold;
        if (hold)
                log_message(LOG_WARNING, &c,
                            "%zu changed files wait for runs, and no more are listed; further changes are found by "
                            "comparison when half of these have been dealt with. Nothing is lost.",
                            batch_n_waiting(p->batch));
        for (size_t i = 0; i < p->n_watches; i++)
                if (p->watches[i].watch)
                        watch_hold(p->watches[i].watch, hold);
}

/* --- paths --- */

const char *path_below(const char *directory, const char *path) {
        const char *rest = startswith(path, directory);

        if (!rest)
                return NULL;
        if (streq(directory, "/"))
                return rest;
        return *rest == '\0' ? rest : *rest == '/' ? rest + 1 : NULL;
}

/* Below what the line says; of a condition the path is whole already. */
char *path_absolute(const PathSource *source, const char *path, size_t n, size_t *ret_length) {
        size_t above = strlen(source->path);
        char *whole;

        if (path[0] == '/' || n == 0)
                above = n == 0 ? above : 0;
        whole = malloc(above + 1 + n + 1);
        if (!whole)
                return NULL;
        memcpy(whole, source->path, above);
        if (above > 0 && n > 0 && whole[above - 1] != '/')
                whole[above++] = '/';
        memcpy(whole + above, path, n);
        whole[above + n] = '\0';
        *ret_length = above + n;
        return whole;
}

/* --- what a run was given --- */

RunPaths *run_paths_new(const Trigger *t) {
        RunPaths *rp = calloc(1, sizeof(*rp));

        if (rp)
                rp->base.ops = t->ops;
        return rp;
}

RunPaths *run_paths_free(RunPaths *rp) {
        if (!rp)
                return NULL;
        spool_item_done(&rp->item);
        free(rp->list);
        free(rp->spool);
        return mfree(rp);
}

int run_paths_set_list(RunPaths *rp, const void *list, size_t size) {
        rp->list = malloc(MAX(size, (size_t)1));
        if (!rp->list)
                return -ENOMEM;
        memcpy(rp->list, list, size);
        rp->size = size;
        for (size_t i = 0; i < size; i++)
                rp->n += rp->list[i] == '\0';
        return 0;
}

/* For people: bytes as they are, and no more than the ledger keeps of a text. Of an item where it came from: where it
 * is now it will not be for long. */
char *run_paths_text(const RunPaths *rp) {
        char *text;

        if (rp->spool)
                return asprintf(&text, "%s/%s", rp->spool, rp->item.name) < 0 ? NULL : text;
        if (rp->n <= 1 ? asprintf(&text, "%.*s", LEDGER_TEXT_MAX, rp->size > 0 ? rp->list : "") < 0
                       : asprintf(&text, "%.*s and %zu more", LEDGER_TEXT_MAX - 64, rp->list, rp->n - 1) < 0)
                return NULL;
        return text;
}

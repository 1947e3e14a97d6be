/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The words of section [Path], which are used in job files and on the bus. */

#include "job/path-def.h"

#include <limits.h>

#include "util/string-table.h"
#include "util/strv.h"

#define LIMIT_INTERVAL_DEFAULT      (10 * USEC_PER_SEC)
#define LIMIT_BURST_DEFAULT         20
#define LIMIT_INTERVAL_EACH_DEFAULT (2 * USEC_PER_SEC)
#define LIMIT_BURST_EACH_DEFAULT    200

const PathDef path_def_defaults = {
        .settle_max = USEC_INFINITY,
        .limit_interval = USEC_INFINITY, /* as path_def_set_default_limit() says */
        .limit_burst = UINT_MAX,
        .directory_mode = 0755,
};

int path_def_new(PathDef **ret) {
        PathDef *d = malloc(sizeof(*d));

        if (!d)
                return -ENOMEM;
        *d = path_def_defaults;
        *ret = d;
        return 0;
}

PathDef *path_def_free(PathDef *d) {
        if (!d)
                return NULL;
        for (size_t i = 0; i < d->n_sources; i++)
                free(d->sources[i].path);
        free(d->sources);
        strv_free(d->include);
        strv_free(d->exclude);
        path_filter_free(d->filter);
        free(d->spool_done);
        free(d->spool_failed);
        return mfree(d);
}

/* With one run per batch, a run more often than every half a second for ten seconds is caused by the run before it.
 * Runs of single files are as frequent as the files; items of a spool have left the directory before their run
 * starts. */
void path_def_set_default_limit(PathDef *d) {
        bool spool = d->n_sources > 0 && d->sources[0].kind == PATH_SPOOL;

        if (d->limit_interval == USEC_INFINITY)
                d->limit_interval = d->each ? LIMIT_INTERVAL_EACH_DEFAULT : LIMIT_INTERVAL_DEFAULT;
        if (d->limit_interval == 0)
                d->limit_burst = 0;
        if (d->limit_burst == UINT_MAX)
                d->limit_burst = spool ? 0 : d->each ? LIMIT_BURST_EACH_DEFAULT : LIMIT_BURST_DEFAULT;
}

bool path_kind_is_condition(PathKind k) {
        return k == PATH_EXISTS || k == PATH_EXISTS_GLOB || k == PATH_DIRECTORY_NOT_EMPTY;
}

/* For conditions there is nothing to collect: each one that holds is a run. */
bool path_def_gives_one(const PathDef *d) {
        for (size_t i = 0; i < d->n_sources; i++)
                if (!path_kind_is_condition(d->sources[i].kind))
                        return d->each;
        return true;
}

static bool sources_are_equal(const PathDef *a, const PathDef *b) {
        if (a->n_sources != b->n_sources)
                return false;
        for (size_t i = 0; i < a->n_sources; i++)
                if (a->sources[i].kind != b->sources[i].kind || !streq(a->sources[i].path, b->sources[i].path))
                        return false;
        return true;
}

bool path_def_watches_the_same(const PathDef *a, const PathDef *b) {
        return sources_are_equal(a, b) && strv_equal(a->include, b->include) && strv_equal(a->exclude, b->exclude) &&
               a->events == b->events && a->recursive == b->recursive && a->backend == b->backend &&
               a->poll == b->poll && a->cross_mounts == b->cross_mounts && streq_ptr(a->spool_done, b->spool_done) &&
               streq_ptr(a->spool_failed, b->spool_failed);
}

static const char *const path_kind_table[_PATH_KIND_MAX] = {
        [PATH_EXISTS] = "PathExists",
        [PATH_EXISTS_GLOB] = "PathExistsGlob",
        [PATH_CHANGED] = "PathChanged",
        [PATH_MODIFIED] = "PathModified",
        [PATH_DIRECTORY_NOT_EMPTY] = "DirectoryNotEmpty",
        [PATH_SPOOL] = "Spool",
};
DEFINE_TO_STRING(path_kind, PathKind)
DEFINE_FROM_STRING(path_kind)

static const char *const watch_backend_table[_WATCH_BACKEND_MAX] = {
        [WATCH_BACKEND_AUTO] = "auto",
        [WATCH_BACKEND_INOTIFY] = "inotify",
        [WATCH_BACKEND_FANOTIFY] = "fanotify",
        [WATCH_BACKEND_POLL] = "poll",
};
DEFINE_FROM_STRING(watch_backend)

/* By bit. */
static const char *const event_table[] = { "create", "write", "close", "move", "delete", "attrib" };

int watch_event_from_string(const char *s) {
        int i = string_table_find(event_table, ELEMENTSOF(event_table), s);

        return i < 0 ? i : 1 << i;
}

const char *watch_event_to_string(unsigned event) {
        for (size_t i = 0; i < ELEMENTSOF(event_table); i++)
                if (event == 1U << i)
                        return event_table[i];
        return NULL;
}

#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a Watcher and its Watches are made of; of this directory of src/ only. */

#include <systemd/sd-event.h>

#include "fs/identity.h"
#include "fs/mount-table.h"
#include "watch/event-queue.h"
#include "watch/fan-queue.h"
#include "watch/watch.h"

typedef struct PathCondition PathCondition;
typedef struct Tree Tree;

TAILQ_HEAD(WatchList, Watch);

struct Watcher {
        sd_event *event;
        EventQueue *queue;
        FanQueue *fan; /* while there are trees that need it */
        unsigned n_fan_users;
        MountTable *mounts;
        sd_event_source *queue_source, *fan_source, *work_source, *mounts_source;
        struct WatchList watches, work;
        TAILQ_HEAD(, Tree) retired;
        bool overflowed, fan_overflowed;
        bool is_burst;                                /* much was read at once, and not all of that is over perhaps */
        bool is_at_work;                              /* a turn is under way */
        void (*take_turn)(Watcher *w);                /* such a turn */
        void (*worked)(void *userdata, bool is_busy); /* see watcher_new() */
        void *userdata;
        usec_t now_realtime, now_monotonic; /* of this turn of the loop */
};

struct Watch {
        Watcher *watcher;
        WatchDef def;
        char *path; /* of def */
        const WatchOps *ops;
        void *userdata;
        WatchState state;
        Tree *tree; /* one of the two */
        PathCondition *condition;
        bool queued;
        TAILQ_ENTRY(Watch) watches, work;
};

static inline bool watch_is_condition(const Watch *w) {
        return w->def.kind == WATCH_PATH_EXISTS || w->def.kind == WATCH_PATH_EXISTS_GLOB ||
               w->def.kind == WATCH_DIRECTORY_NOT_EMPTY;
}

/* Reads what inotify tells, from now on. */
int watcher_start_queue(Watcher *w);

/* In a turn that has worked off what was read: reads again where much was. True when there is more. */
bool watcher_read_on(Watcher *w);

/* The queue of fanotify, made for the first who takes it and there until the last has dropped it. Negative errno of
 * fan_queue_new(). */
int watcher_take_fan(Watcher *w, FanQueue **ret);
void watcher_drop_fan(Watcher *w);

/* Reads what has been heard up to now; true when there is something to look at then. */
bool watcher_hear(Watcher *w);

/* There is something to do, for it or for all. */
void watcher_wake(Watcher *w);
void watch_wake(Watch *w);

/* Looks at files as who the watch sees them for, until the scope ends. What is called through WatchOps is called as
 * ourselves: watch_report(), watch_set_state(). */
void watch_enter(const Watch *w, IdentityScope *scope);
void watch_report(Watch *w, const Change *c);
void watch_report_gone(Watch *w, const Change *c);

/* Who sees what a user sees, or is that user's own daemon, may follow that user's symbolic links, too. */
static inline bool watch_follows_all(const Watch *w) {
        return w->def.identity || geteuid() != 0;
}

/* Sets the state and tells. */
void watch_set_state(Watch *w, WatchState state);

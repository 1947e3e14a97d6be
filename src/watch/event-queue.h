#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernel's inotify queue of this daemon and what was read from it. Reading is separate from work: drain() empties
 * the kernel's queue into a set with one entry for each (directory, name), however often it was heard of, in order of
 * the first time; work() hands out one entry of the set. The kernel's queue lasts for some 70 ms of a busy writer, so
 * drain() is to be called often and is quick; the set is bounded by the names that there are.
 *
 * One watch of the kernel serves all that are interested in the same inode. What is heard of directories by other ways
 * than inotify (fan-queue.h) goes into the same set, under ids that are no watches of inotify. */

#include <sys/inotify.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "util/macro.h"

#define EVENT_QUEUE_MAX 262144U /* names in the set; more are treated as an overflow of the kernel's queue */

typedef struct EventQueue EventQueue;
typedef struct Subscriber Subscriber;

/* Who did it, where the kernel says so (fanotify does). */
typedef struct Writer {
        pid_t pid;      /* 0 = not known, or several */
        uint32_t group; /* the control group, as writer-table.h calls it; 0 = not known, or several */
} Writer;

/* What has been heard of one name in a directory (or of the directory itself: no name) since it was last handed out.
 */
typedef struct Notice {
        const char *name; /* bytes of one name; "" = the subscriber's inode itself */
        size_t length;
        uint32_t mask; /* IN_*, those the subscriber asked for, and always IN_IGNORED, IN_UNMOUNT, IN_ISDIR */
        Writer writer;
} Notice;

struct Subscriber {
        void (*notify)(Subscriber *s, const Notice *n);
        int64_t id; /* -1 = not subscribed */
        uint32_t mask;
        LIST_ENTRY(Subscriber) of_watch;
};

typedef struct EventQueueOps {
        /* Events were lost: everything has to be looked at. */
        void (*overflowed)(void *userdata);
        /* Something that was put in is to be handed out, and there is no subscriber to its id. One that subscribes now
         * gets it. handle: as it was put in, or NULL. May be NULL when nothing is put in. */
        void (*unknown)(void *userdata, int64_t id, const void *handle);
} EventQueueOps;

/* Negative errno of inotify_init1(2), -ENOMEM. */
int event_queue_new(EventQueue **ret, const EventQueueOps *ops, void *userdata);
EventQueue *event_queue_free(EventQueue *q); /* all must have unsubscribed */
DEFINE_CLEANUP(EventQueue, event_queue_free)

int event_queue_fd(const EventQueue *q) _pure_;

static inline void subscriber_init(Subscriber *s) {
        *s = (Subscriber){ .id = -1 };
}

static inline bool subscriber_is_subscribed(const Subscriber *s) {
        return s->id >= 0;
}

/* Watches the inode that fd is open on (O_PATH is enough) for mask; again with the same inode is fine, with another
 * one the first is given up. 1: it was watched for this subscriber already; 0: it is from now on. -ENOSPC: the limit
 * of watches is reached. -EACCES, -ENOMEM and what else inotify_add_watch(2) says. */
int event_queue_subscribe(EventQueue *q, Subscriber *s, int fd, uint32_t mask);
void event_queue_unsubscribe(EventQueue *q, Subscriber *s);

/* Reads what the kernel has, at most about max bytes. The number of events, or negative errno. */
int event_queue_drain(EventQueue *q, size_t max);

/* --- events that do not come from inotify --- */

#define EVENT_QUEUE_OUTER_ID   (INT64_C(1) << 62) /* their ids begin here */
#define EVENT_QUEUE_HANDLE_MAX 200U

static inline bool subscriber_is_outer(const Subscriber *s) {
        return s->id >= EVENT_QUEUE_OUTER_ID;
}

typedef struct Heard {
        int64_t id;
        const char *name; /* length bytes */
        size_t length;
        uint32_t mask;   /* IN_* */
        uint32_t cookie; /* of the two halves of a move, as with inotify */
        Writer writer;
        const void *handle; /* handle_size bytes for EventQueueOps.unknown(), or NULL; aligned there as by malloc(3) */
        size_t handle_size;
} Heard;

/* Into the set. Without memory, or when it is full, it is an overflow. */
void event_queue_put(EventQueue *q, const Heard *h);

/* As event_queue_subscribe(), but to what is put in under an id. 1, 0, or -ENOMEM. */
int event_queue_subscribe_id(EventQueue *q, Subscriber *s, int64_t id, uint32_t mask);

/* Has anybody subscribed to it? */
bool event_queue_has_id(const EventQueue *q, int64_t id) _pure_;

/* Is one of these events in the set, about that name? */
bool event_queue_holds(const EventQueue *q, int64_t id, const char *name, size_t n, uint32_t mask) _pure_;

/* Hands the oldest entry of the set to its subscribers, who may subscribe and unsubscribe whom they like. False when
 * the set was empty. */
bool event_queue_work(EventQueue *q);

typedef struct EventQueueCounters {
        uint64_t events; /* read from the kernel */
        uint64_t merged; /* of these, into an entry of the set that stood there already */
        uint64_t overflows;
        size_t watches; /* of inotify */
        size_t waiting; /* entries in the set */
} EventQueueCounters;

EventQueueCounters event_queue_counters(const EventQueue *q) _pure_;

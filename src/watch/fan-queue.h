#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernel's fanotify queue of this daemon (fanotify(7)): a whole file system is marked with one call, however many
 * directories it has, and each event says in which directory it happened, which name it is about, and who did it.
 * Events go into the set of an EventQueue, as if they came from inotify, under an id that is made from the directory's
 * file handle.
 *
 * It needs CAP_SYS_ADMIN in the first user namespace, Linux 5.9, and a file system that gives file handles. */

#include <sys/types.h>

#include "util/clock.h"
#include "watch/event-queue.h"

typedef struct FanQueue FanQueue;

/* queue gets the events; so many as the kernel has lost, as often is overflowed() called. Negative errno of
 * fanotify_init(2): -EPERM, -ENOSYS, -EINVAL (the kernel is too old), -EMFILE; -ENOMEM. */
int fan_queue_new(FanQueue **ret, EventQueue *queue, void (*overflowed)(void *userdata), void *userdata);
FanQueue *fan_queue_free(FanQueue *f);
DEFINE_CLEANUP(FanQueue, fan_queue_free)

int fan_queue_fd(const FanQueue *f) _pure_;

/* What stands in the way, as a message for people, of an error of fan_queue_new() or fan_queue_mark(). */
const char *fan_queue_explain(int error) _const_;

/* From now on all events of the file system that fd (O_PATH is enough) is on are heard of; again is fine. mask: IN_*.
 * Negative errno of fanotify_mark(2): -EPERM, -ENOSPC, and -EOPNOTSUPP, -ENODEV, -EXDEV: that file system cannot. */
int fan_queue_mark(FanQueue *f, int fd, uint32_t mask);
void fan_queue_unmark(FanQueue *f, int fd);

/* As event_queue_subscribe(), to the directory of that name in dir_fd, or to what dir_fd is open on when it is "", on
 * a file system with number device. What it is on is marked if it was not. 1: to the same directory as before; 0: to
 * another, or it was not; FAN_QUEUE_LATE: the same, and events of it have been dropped already as of somebody else's.
 */
#define FAN_QUEUE_LATE 2
int fan_queue_subscribe(FanQueue *f, Subscriber *s, int dir_fd, const char *name, dev_t device, uint32_t mask);

/* Reads what the kernel has, at most about max bytes. now: CLOCK_MONOTONIC. The number of events, or negative errno.
 */
int fan_queue_drain(FanQueue *f, size_t max, usec_t now);

/* Looks which file systems are marked still: one that was unmounted is not, even when it is mounted again. True, and
 * device, for one that is not any more; false when there are no others. */
bool fan_queue_take_lost(FanQueue *f, dev_t *ret_device);

/* A new subscriber may want what no other one wanted. */
void fan_queue_ask_again(FanQueue *f);

/* Opens (O_PATH) the directory that a handle of EventQueueOps.unknown() means. mount_fd: any, not O_PATH, on its file
 * system. -ESTALE: it is gone, or on another file system; -EPERM: CAP_DAC_READ_SEARCH is missing; … */
int fan_queue_open(const FanQueue *f, int mount_fd, const void *handle);

/* There is no subscriber to this id, until one subscribes. */
void fan_queue_ignore(FanQueue *f, int64_t id);

/* See writer-table.h. */
const char *fan_queue_group_path(const FanQueue *f, uint32_t group);

typedef struct FanQueueCounters {
        uint64_t events;
        uint64_t others; /* of these, dropped as somebody else's */
        uint64_t overflows;
        size_t marks; /* file systems */
} FanQueueCounters;

FanQueueCounters fan_queue_counters(const FanQueue *f) _pure_;

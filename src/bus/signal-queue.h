#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Signals that are still to be sent, in order; a change occurs in it once per object. Pure. */

#include "job/run.h"
#include "util/macro.h"

#define SIGNAL_QUEUE_MAX 500000 /* signals; LOADER_JOBS_MAX jobs may all be new and changed at once */

typedef enum SignalKind {
        SIGNAL_JOB_NEW,
        SIGNAL_JOB_REMOVED,
        SIGNAL_RUN_STARTED,
        SIGNAL_RUN_FINISHED,
        SIGNAL_ALARM_RAISED,
        SIGNAL_ALARM_CLEARED,
        SIGNAL_RELOADED,
        /* something changed: merged while one is queued */
        SIGNAL_JOB_CHANGED,
        SIGNAL_RUN_CHANGED,
        SIGNAL_MANAGER_CHANGED,
        SIGNAL_VALUES_CHANGED,
        _SIGNAL_KIND_MAX,
} SignalKind;

typedef struct Signal {
        SignalKind kind;
        const char *job;
        uint64_t run;
        RunResult result;
        int code;
        const char *key;    /* of an alarm */
        const char *reason; /* of an end; the message of an alarm */
        unsigned problems;
        struct Signal *next;
} Signal;

typedef struct SignalQueue SignalQueue;

int signal_queue_new(SignalQueue **ret);
SignalQueue *signal_queue_free(SignalQueue *q);
DEFINE_CLEANUP(SignalQueue, signal_queue_free)

/* Appends a copy, or nothing when the same change is queued already. -ENOBUFS past SIGNAL_QUEUE_MAX, -ENOMEM. */
int signal_queue_push(SignalQueue *q, const Signal *s);

/* Takes such a change out, if it is in it. */
void signal_queue_forget(SignalQueue *q, const Signal *change);

/* The oldest one, for free(); NULL if there is none. */
Signal *signal_queue_pop(SignalQueue *q);

size_t signal_queue_size(const SignalQueue *q) _pure_;

#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a definition depends on beside the texts of its job, and what comes out beside it. */

#include "time/zone.h"
#include "util/clock.h"

/* What the runs will be made of, so that a setting which would silently do nothing is refused with its line. */
typedef enum LoaderTarget {
        LOADER_FOR_UNITS,      /* transient units of the system's service manager */
        LOADER_FOR_USER_UNITS, /* of a user's: what needs root is refused */
        LOADER_FOR_CHILDREN,   /* own children: what only the service manager can do is refused */
        LOADER_FOR_ANY,        /* not known: nothing is refused for it (vaktctl check) */
} LoaderTarget;

/* A request of OnSuccess=, OnFailure= or OnAlarm=, and where it stands. */
typedef struct Chain {
        char *target; /* name of the job; in a template "instance" stands for %i */
        char *file;
        unsigned line;
        bool validated; /* false: a template's value with %i */
} Chain;

typedef struct Chains {
        Chain *items;
        size_t n_items;
} Chains;

void chains_done(Chains *c);
int chains_copy(const Chains *from, Chains *ret); /* 0 or -ENOMEM; ret may be half full then */

/* The calendar expression that was parsed last: jobs of which there are many often have the same one. */
typedef struct CalendarMemo {
        const Zone *zone;
        char text[64];
        size_t n; /* bytes of the calendar; 0: none */
        _Alignas(8) char calendar[256];
} CalendarMemo;

/* Goes along with the texts. */
typedef struct JobFileContext {
        const char *host;      /* %h */
        ZoneCache *zones;      /* that the definition's zones are borrowed from; NULL: only UTC is known */
        LoaderTarget target;   /* what the runs will be made of */
        usec_t now;            /* realtime; tells which abbreviations the zones use */
        const char *state_dir; /* of the instance; NULL: not known (vaktctl check) */
        usec_t once_since;     /* of a job that runs once: as RareDef */
        CalendarMemo *memo;    /* may be NULL; of the same zones and time */
        Chains *chains;        /* result, where it is not NULL: what a good file requests */
        bool zones_at_problem; /* result: what is wrong may be right when the system gets other zones */
} JobFileContext;

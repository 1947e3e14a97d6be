#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tells the clients about changes: the observer that turns calls of the manager into signals. */

#include "bus/connection.h"

/* Who can be told. */
typedef struct Audience {
        /* Calls visit() for every connection that may be listening. */
        void (*each)(void *userdata, void (*visit)(Connection *c, void *arg), void *arg);
        /* After a batch of signals: drop clients that are too far behind. */
        void (*shed)(void *userdata);
        void *userdata;
} Audience;

typedef struct Announcer Announcer;

int announcer_new(Announcer **ret, const ApiContext *api, const Audience *audience);
Announcer *announcer_free(Announcer *a);
DEFINE_CLEANUP(Announcer, announcer_free)

/* Becomes an observer of the manager, which must not call it after it was freed. */
int announcer_start(Announcer *a);

/* Sends waiting signals at once, unless there are too many; before the connections are closed. */
void announcer_flush(Announcer *a);

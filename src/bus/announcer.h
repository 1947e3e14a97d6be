#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tells the clients what the manager does: the observer that turns its calls into signals. */

#include "bus/connection.h"

/* Who can be told. */
typedef struct Audience {
        /* True when anybody might hear anything at all. */
        bool (*is_there)(void *userdata);
        /* Calls visit() for every connection that might hear something. */
        void (*each)(void *userdata, void (*visit)(Connection *c, void *arg), void *arg);
        /* After a batch of signals: whoever lags too far behind is to be let go. */
        void (*shed)(void *userdata);
        void *userdata;
} Audience;

typedef struct Announcer Announcer;

int announcer_new(Announcer **ret, const ApiContext *api, const Audience *audience);
Announcer *announcer_free(Announcer *a);
DEFINE_CLEANUP(Announcer, announcer_free)

/* Becomes an observer of the manager, which must not call it any more once it was freed. */
int announcer_start(Announcer *a);

/* Sends what waits at once, as far as it is no flood; before the doors close. */
void announcer_flush(Announcer *a);

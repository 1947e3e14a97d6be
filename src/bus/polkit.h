#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Questions to polkit(8) over the system bus: may this client do that? polkit is not linked. Nothing here blocks. */

#include <systemd/sd-bus.h>

#include "util/clock.h"
#include "util/macro.h"

#define POLKIT_QUESTIONS_MAX         96 /* pending ones: dbus-daemon allows one connection 128 */
#define POLKIT_QUESTIONS_PER_UID_MAX 12
#define POLKIT_TIMEOUT               (25 * USEC_PER_SEC)
#define POLKIT_TIMEOUT_INTERACTIVE   (120 * USEC_PER_SEC) /* for a person who types a password */

typedef enum PolkitAnswer {
        POLKIT_YES,
        POLKIT_NO,
        POLKIT_CHALLENGE, /* only after authentication, which the caller does not allow, or for which there is no agent
                           */
        POLKIT_DISMISSED, /* the dialog was closed */
        POLKIT_ABSENT,    /* it cannot be asked */
        POLKIT_SILENT,    /* it has not answered in time */
        POLKIT_LEFT,      /* the caller is not on the bus any more */
        POLKIT_ENDING,    /* the daemon is shutting down */
        _POLKIT_ANSWER_MAX,
} PolkitAnswer;

typedef struct PolkitQuestion {
        const char *sender; /* unique name of the caller */
        uid_t uid;          /* of the caller, for the limits */
        const char *action;
        const char *job; /* the detail "job"; NULL: there is none */
        bool interactive;
        /* Called once, from the loop, unless polkit_free() comes first. detail: what polkit or the bus says, or NULL.
         */
        void (*answered)(void *userdata, PolkitAnswer answer, const char *detail);
        void *userdata;
} PolkitQuestion;

/* The pending questions on a connection to the system bus, which outlives them. */
typedef struct Polkit Polkit;

int polkit_new(Polkit **ret, sd_bus *bus);
/* Drops all questions without an answer: the connection is about to be closed, which cancels them. */
Polkit *polkit_free(Polkit *p);
DEFINE_CLEANUP(Polkit, polkit_free)

/* -ENOBUFS: too many questions are pending, of this user or of all together. Other negative errno: it was not asked.
 */
int polkit_ask(Polkit *p, const PolkitQuestion *question);

/* Cancels all questions, and answers them with POLKIT_ENDING. */
void polkit_cancel_all(Polkit *p);

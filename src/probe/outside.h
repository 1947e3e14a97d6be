#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Questions that may never be answered: about files, which may be on a server that is gone, sensors and programs. They
 * are asked by processes of their own (vakt-probe), which are started when there is something to ask and ended when
 * there was nothing for a while. A process asks one question at a time, or some of those that are answered at once.
 * When it does not answer in time, it is killed and the question is unknown; it is asked again after a delay that
 * grows.
 *
 * A process that hangs in the kernel cannot be killed. It is left alone, and its question is not asked again while it
 * is there. Questions that were not answered last time are asked by two processes at a time at most, so that the
 * others get their turn. When as many processes hang as there may be, all that is asked is unknown. */

#include <systemd/sd-event.h>

#include "condition/condition.h"

#define OUTSIDE_LIMIT_USEC       (5 * USEC_PER_SEC) /* for an answer */
#define OUTSIDE_BATCH_LIMIT_USEC USEC_PER_SEC       /* for several, until each is asked alone */
#define OUTSIDE_IDLE_USEC        USEC_PER_MINUTE    /* until a process is ended */
#define OUTSIDE_BUSY_MAX         8                  /* processes that are asking or idle */
#define OUTSIDE_SILENT_MAX       2                  /* of them asking what was not answered last time */
#define OUTSIDE_STUCK_MAX                                                                                           \
        8                                     /* processes that cannot be killed, until only what was answered last \
                                               * time is asked */
#define OUTSIDE_DELAY_MIN (10 * USEC_PER_SEC) /* of the next try, doubled with each, up to */
#define OUTSIDE_DELAY_MAX (5 * USEC_PER_MINUTE)

typedef struct Outside Outside;
typedef struct Inquiry Inquiry;

typedef struct OutsideOptions {
        const char *program_dir; /* where vakt-probe is */
        bool user_instance;      /* programs are executed as ourselves, and not as nobody if we are root */
} OutsideOptions;

/* -ENOMEM and errno of epoll(7). Without the program, all is unknown. */
int outside_new(Outside **ret, sd_event *event, const OutsideOptions *options);
Outside *outside_free(Outside *o); /* there are no inquiries */
DEFINE_CLEANUP(Outside, outside_free)

/* The answer, from the loop. r->at is 0, its reason is borrowed. May ask again, and free the inquiry. */
typedef void (*InquiryAnswered)(void *userdata, const Reading *r);

/* A question, which is borrowed; of a kind that is asked outside, and disk-full-in is asked as disk-free. -ENOMEM;
 * -EINVAL: the span of journal-matches. */
int inquiry_new(Inquiry **ret, Outside *o, const Question *q, InquiryAnswered answered, void *userdata);
Inquiry *inquiry_free(Inquiry *i); /* answered() is not called any more */
DEFINE_CLEANUP(Inquiry, inquiry_free)

enum {
        INQUIRY_ASKED,   /* answered() is called, once */
        INQUIRY_REFUSED, /* it is unknown: *ret, whose reason is valid until the next call */
};

/* The last one has been answered. */
int inquiry_ask(Inquiry *i, Reading *ret);

/* For tests and dumps: processes that are there, and those of them that were given up. */
unsigned outside_count(const Outside *o, unsigned *ret_stuck);
